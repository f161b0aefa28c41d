/* acceptance.c - see acceptance.h */
#include "target/acceptance.h"

#include "target/state.h"

struct error *acceptance_record(struct pg_connection *connection, const struct config *config, const char *word)
{
	const char *const parameters[2] = {config->stream.name, word};
	struct pg_result *result = NULL;
	size_t rows;

	TRY(state_query(
	    connection, config,
	    "INSERT INTO @acceptance (stream, word) SELECT name, $2 FROM @stream WHERE name = $1 RETURNING 1", 2,
	    parameters, &result));
	rows = pg_result_rows(result);
	pg_result_free(result);
	if (rows == 1)
		return NULL;
	return error_new(ERROR_CONFIGURATION,
	                 "the target knows no stream %s: nothing can be accepted before its first start",
	                 config->stream.name);
}

struct error *acceptance_read(struct pg_connection *connection, const struct config *config,
                              struct checkpoint *checkpoint)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;

	TRY(state_query(connection, config,
	                "SELECT coalesce(max(id), 0), coalesce(bool_or(word = 'gap'), false)::int,"
	                " coalesce(bool_or(word = 'new-slot'), false)::int"
	                " FROM @acceptance WHERE stream = $1 AND used_at IS NULL",
	                1, parameters, &result));
	checkpoint->accepted_id = pg_result_integer(result, 0, 0);
	checkpoint->accept_gap = pg_result_integer(result, 0, 1) != 0;
	checkpoint->accept_new_slot = pg_result_integer(result, 0, 2) != 0;
	pg_result_free(result);
	return NULL;
}

struct error *acceptance_use(struct pg_connection *connection, const struct config *config, int64_t last_id)
{
	struct number id = number_of(last_id);
	const char *const parameters[2] = {config->stream.name, id.text};

	/* With another history the source has another timeline: the next fence that arrives says which. */
	return state_query(connection, config,
	                   "WITH used AS (UPDATE @acceptance SET used_at = now() WHERE stream = $1 AND used_at IS NULL"
	                   " AND id <= $2::bigint RETURNING word) DELETE FROM @source_identity WHERE stream = $1"
	                   " AND EXISTS (SELECT FROM used WHERE word = 'new-slot')",
	                   2, parameters, NULL);
}
