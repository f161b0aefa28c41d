/* pause.c - see pause.h */
#include "target/pause.h"

#include "target/state.h"

static struct error *unknown_stream(const struct config *config)
{
	return error_new(ERROR_CONFIGURATION,
	                 "the target knows no stream %s: it can be paused after its first start (stream.name)",
	                 config->stream.name);
}

struct error *pause_set(struct pg_connection *connection, const struct config *config, bool paused)
{
	const char *const parameters[2] = {config->stream.name, paused ? "t" : "f"};
	struct pg_result *result = NULL;
	size_t rows;

	TRY(state_query(connection, config,
	                "UPDATE @stream SET"
	                " paused_at = CASE WHEN $2::boolean THEN coalesce(paused_at, clock_timestamp()) END,"
	                " paused_by = CASE WHEN $2::boolean THEN coalesce(paused_by, session_user) END"
	                " WHERE name = $1 RETURNING 1",
	                2, parameters, &result));
	rows = pg_result_rows(result);
	pg_result_free(result);
	return rows == 1 ? NULL : unknown_stream(config);
}

struct error *pause_read(struct pg_connection *connection, const struct config *config, bool *paused)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;

	TRY(state_query(connection, config, "SELECT (paused_at IS NOT NULL)::int FROM @stream WHERE name = $1", 1,
	                parameters, &result));
	*paused = pg_result_rows(result) == 1 && pg_result_integer(result, 0, 0) != 0;
	pg_result_free(result);
	return NULL;
}

struct error *pause_read_answer(struct pg_connection *connection, const struct config *config, bool *held, bool *obeyed)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;

	TRY(state_query(connection, config,
	                "SELECT (state IN ('starting', 'running', 'paused'))::int,"
	                " ((state = 'paused') = (paused_at IS NOT NULL))::int FROM @status WHERE name = $1",
	                1, parameters, &result));
	*held = pg_result_rows(result) == 1 && pg_result_integer(result, 0, 0) != 0;
	*obeyed = pg_result_rows(result) == 1 && pg_result_integer(result, 0, 1) != 0;
	pg_result_free(result);
	return NULL;
}
