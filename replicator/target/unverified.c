/* unverified.c - see the header. */
#include "target/unverified.h"

#include "base/lsn.h"
#include "base/memory.h"
#include "target/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const reason_names[] = {
    [UNVERIFIED_REWRITTEN] = "rewritten",
    [UNVERIFIED_SNAPSHOT] = "snapshot",
    [UNVERIFIED_MISSING_ROW] = "missing row",
    [UNVERIFIED_POSSIBLE_GAP] = "possible gap",
    [UNVERIFIED_UNLOGGED_CHANGE] = "unlogged change",
    [UNVERIFIED_ACCEPTED] = "accepted",
};

static enum unverified_reason parse_reason(const char *name)
{
	enum unverified_reason reason = UNVERIFIED_REWRITTEN;

	while (reason < UNVERIFIED_ACCEPTED && strcmp(name, reason_names[reason]) != 0)
		reason++;
	return reason;
}

struct error *unverified_read(struct pg_connection *connection, const struct config *config,
                              struct unverified *unverified)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;

	*unverified = (struct unverified){0};
	TRY(state_query(
	    connection, config,
	    "SELECT u.schema_name, u.table_name, u.reason, (s.paused_at IS NOT NULL)::int,"
	    " (p.finished_at IS NULL AND p.rows IS NOT NULL)::int, coalesce(p.rows, 0),"
	    " @waiting_transactions(u.stream, u.schema_name, u.table_name)"
	    " FROM @unverified u JOIN @stream s ON s.name = u.stream LEFT JOIN (SELECT * FROM @snapshot_progress"
	    "  WHERE stream = $1 ORDER BY started_at DESC LIMIT 1) p ON true WHERE u.stream = $1 ORDER BY 1, 2",
	    1, parameters, &result));
	unverified->tables = memory_alloc((pg_result_rows(result) + 1) * sizeof(*unverified->tables));
	for (size_t i = 0; i < pg_result_rows(result); i++) {
		const char *schema = pg_result_text(result, i, 0);
		const char *table = pg_result_text(result, i, 1);
		struct unverified_table *entry = &unverified->tables[unverified->count];

		unverified->paused = pg_result_integer(result, i, 3) != 0;
		unverified->snapshot_open = pg_result_integer(result, i, 4) != 0;
		unverified->snapshot_rows = pg_result_integer(result, i, 5);
		if (config_table_rule(config, schema, table)->exclude)
			continue;
		snprintf(entry->name, sizeof(entry->name), "%s.%s", schema, table);
		entry->reason = parse_reason(pg_result_text(result, i, 2));
		entry->quarantined = pg_result_integer(result, i, 6) > 0;
		unverified->count++;
	}
	pg_result_free(result);
	return NULL;
}

void unverified_free(struct unverified *unverified)
{
	free(unverified->tables);
	*unverified = (struct unverified){0};
}

struct error *unverified_mark(struct pg_connection *connection, const struct config *config, const char *schema,
                              const char *table, enum unverified_reason reason, uint64_t lsn, uint64_t discarded,
                              bool *was_marked)
{
	struct number rows = number_of((int64_t)discarded);
	char position[LSN_TEXT_SIZE];
	const char *const parameters[6] = {config->stream.name,  schema,   table,
	                                   reason_names[reason], position, rows.text};
	struct pg_result *result = NULL;

	lsn_format(lsn, position);
	TRY(state_query(
	    connection, config,
	    "WITH before AS (SELECT FROM @unverified WHERE stream = $1 AND schema_name = $2 AND table_name = $3),"
	    " mark AS (INSERT INTO @unverified AS u (stream, schema_name, table_name, reason, lsn, discarded_rows)"
	    " VALUES ($1, $2, $3, $4, $5::pg_lsn, $6::bigint) ON CONFLICT (stream, schema_name, table_name) DO UPDATE"
	    " SET reason = excluded.reason, lsn = excluded.lsn, marked_at = excluded.marked_at,"
	    " discarded_rows = u.discarded_rows + excluded.discarded_rows)"
	    " SELECT EXISTS (SELECT FROM before)::int",
	    6, parameters, &result));
	if (was_marked != NULL)
		*was_marked = pg_result_integer(result, 0, 0) != 0;
	pg_result_free(result);
	return NULL;
}

struct error *unverified_raise(struct pg_connection *connection, const struct config *config, const char *schema,
                               const char *table, uint64_t lsn, uint64_t refused)
{
	struct number changes = number_of((int64_t)refused);
	char position[LSN_TEXT_SIZE];
	const char *const parameters[6] =
	    {config->stream.name, schema, table, reason_names[UNVERIFIED_SNAPSHOT], position, changes.text};

	lsn_format(lsn, position);
	return state_query(
	    connection, config,
	    "INSERT INTO @unverified AS u (stream, schema_name, table_name, reason, lsn, refused_changes)"
	    " VALUES ($1, $2, $3, $4, $5::pg_lsn, $6::bigint)"
	    " ON CONFLICT (stream, schema_name, table_name) DO UPDATE"
	    " SET lsn = greatest(u.lsn, excluded.lsn), marked_at = excluded.marked_at,"
	    " refused_changes = u.refused_changes + excluded.refused_changes",
	    6, parameters, NULL);
}

struct error *unverified_mark_all(struct pg_connection *connection, const struct config *config,
                                  enum unverified_reason reason, uint64_t lsn)
{
	char position[LSN_TEXT_SIZE];
	const char *const parameters[3] = {config->stream.name, reason_names[reason], position};

	lsn_format(lsn, position);
	return state_query(connection, config,
	                   "INSERT INTO @unverified AS u (stream, schema_name, table_name, reason, lsn)"
	                   " SELECT $1, t.schema_name, t.table_name, $2, $3::pg_lsn FROM ("
	                   "  SELECT schema_name, table_name FROM @captured_table WHERE stream = $1"
	                   "  UNION SELECT schema_name, table_name FROM @unverified WHERE stream = $1) t"
	                   " ON CONFLICT (stream, schema_name, table_name) DO UPDATE"
	                   " SET lsn = excluded.lsn, marked_at = excluded.marked_at",
	                   3, parameters, NULL);
}

struct error *unverified_has(struct pg_connection *connection, const struct config *config, const char *schema,
                             const char *table, bool *has)
{
	const char *const parameters[3] = {config->stream.name, schema, table};

	return state_exists(connection, config,
	                    "SELECT FROM @unverified WHERE stream = $1 AND schema_name = $2 AND table_name = $3", 3,
	                    parameters, has);
}
