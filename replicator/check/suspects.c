/* suspects.c - see suspects.h */
#include "check/suspects.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/lsn.h"
#include "pg/sql.h"

#include <string.h>

static struct error *select_marks(struct pg_connection *target, const struct config *config,
                                  const struct check_table *table, const char *columns, const char *marks,
                                  struct pg_result **result)
{
	const char *const parameters[3] = {config->stream.name, table->schema, table->name};
	struct buffer sql = {0};
	struct error *error;

	buffer_append_format(&sql, "SELECT %s FROM ", columns);
	sql_append_qualified(&sql, config->target.schema, marks);
	buffer_append_text(&sql, " WHERE stream = $1 AND schema_name = $2 AND table_name = $3 ORDER BY 1");
	error = pg_query(target, sql.data, 3, parameters, result);
	buffer_free(&sql);
	return error;
}

static const char *copy_text(struct arena *arena, const struct pg_result *result, size_t column)
{
	const char *text = pg_result_text(result, 0, column);

	return arena_copy(arena, text, strlen(text));
}

static void append_quarantined(struct buffer *sql, const struct config *config)
{
	sql_append_qualified(sql, config->target.schema, "waiting_transactions");
	buffer_append_text(sql, "($1, $2, $3)");
}

struct error *suspects_count_quarantined(struct pg_connection *target, const struct config *config,
                                         struct check_table *table)
{
	const char *const parameters[3] = {config->stream.name, table->schema, table->name};
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, "SELECT ");
	append_quarantined(&sql, config);
	error = pg_query_integer(target, sql.data, 3, parameters, 0, &table->quarantined);
	buffer_free(&sql);
	return error;
}

/* Steps of schema changes that the target lacks: differences of the schema, but for those that are so by design. */
static struct error *read_left_out(struct pg_connection *target, const struct config *config, struct arena *arena,
                                   struct check_table *table)
{
	struct pg_result *result = NULL;
	const char **texts;

	TRY(select_marks(target, config, table, "id, expected::int, sql, split_part(reason, '; functions are not', 1)",
	                 "left_out_step", &result));
	texts = arena_alloc(arena, (pg_result_rows(result) + 1) * sizeof(*texts));
	table->left_out_steps = texts;
	table->left_out_step_count = pg_result_rows(result);
	table->left_out_expected = true;
	for (size_t i = 0; i < table->left_out_step_count; i++) {
		bool expected = pg_result_integer(result, i, 1) != 0;

		texts[i] = arena_format(arena, "a schema change was left out%s: %s (%s)", expected ? " by design" : "",
		                        pg_result_text(result, i, 2), pg_result_text(result, i, 3));
		table->left_out_expected = table->left_out_expected && expected;
	}
	pg_result_free(result);
	return NULL;
}

static struct error *read_table(struct pg_connection *target, const struct config *config, struct arena *arena,
                                struct check_table *table)
{
	struct pg_result *result = NULL;

	TRY(select_marks(target, config, table, "key", "suspect", &result));
	table->suspect_count = pg_result_rows(result);
	table->suspects = arena_alloc(arena, (table->suspect_count + 1) * sizeof(*table->suspects));
	for (size_t i = 0; i < table->suspect_count; i++) {
		const char *key = pg_result_text(result, i, 0);

		table->suspects[i] = arena_copy(arena, key, strlen(key));
	}
	pg_result_free(result);
	TRY(select_marks(target, config, table, "reason, marked_at AT TIME ZONE 'UTC'", "unverified", &result));
	table->unverified = table->marked_at = NULL;
	if (pg_result_rows(result) > 0) {
		table->unverified = copy_text(arena, result, 0);
		table->marked_at = copy_text(arena, result, 1);
	}
	pg_result_free(result);
	TRY(read_left_out(target, config, arena, table));
	return suspects_count_quarantined(target, config, table);
}

struct error *suspects_read(struct pg_connection *target, const struct config *config, struct arena *arena,
                            struct check_tables *tables)
{
	for (size_t i = 0; i < tables->count; i++) {
		struct error *error = read_table(target, config, arena, &tables->tables[i]);

		if (error == NULL)
			continue;
		if (pg_is_broken(target))
			return error;
		log_debug("what the stream marked is not known: %s", error->message);
		error_free(error);
		return NULL;
	}
	return NULL;
}

static struct error *clear_suspects(struct pg_connection *target, const struct config *config, const char *lsn,
                                    const struct check_table *table)
{
	const char *const parameters[4] = {config->stream.name, table->schema, table->name, lsn};
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, "DELETE FROM ");
	sql_append_qualified(&sql, config->target.schema, "suspect");
	buffer_append_text(&sql,
	                   " WHERE stream = $1 AND schema_name = $2 AND table_name = $3 AND commit_lsn <= $4::pg_lsn"
	                   " AND 0 = ");
	append_quarantined(&sql, config);
	error = pg_query(target, sql.data, 4, parameters, NULL);
	buffer_free(&sql);
	return error;
}

static struct error *clear_unverified(struct pg_connection *target, const struct config *config, const char *lsn,
                                      const struct check_table *table)
{
	const char *const parameters[5] = {config->stream.name, table->schema, table->name, lsn, table->marked_at};
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, "DELETE FROM ");
	sql_append_qualified(&sql, config->target.schema, "unverified");
	buffer_append_text(&sql, " WHERE stream = $1 AND schema_name = $2 AND table_name = $3 AND lsn <= $4::pg_lsn"
	                         " AND marked_at AT TIME ZONE 'UTC' = $5::timestamp"
	                         " AND coalesce((SELECT p.finished_at IS NOT NULL FROM ");
	sql_append_qualified(&sql, config->target.schema, "snapshot_progress");
	buffer_append_text(&sql, " p WHERE p.stream = $1 ORDER BY p.started_at DESC LIMIT 1), true) AND 0 = ");
	append_quarantined(&sql, config);
	error = pg_query(target, sql.data, 5, parameters, NULL);
	buffer_free(&sql);
	return error;
}

void suspects_judge(struct check_tables *tables)
{
	for (size_t i = 0; i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];

		if (table->verdict == VERDICT_IN_SYNC && table->left_out_step_count > 0 && !table->left_out_expected)
			table->verdict = VERDICT_DIFFERENT;
	}
}

/* What rows refused may succeed now. */
static struct error *retry_left_out(struct pg_connection *target, const struct config *config,
                                    const struct check_table *table)
{
	const char *const parameters[3] = {config->stream.name, table->schema, table->name};
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, "UPDATE ");
	sql_append_qualified(&sql, config->target.schema, "left_out_step");
	buffer_append_text(&sql, " SET retry_at = clock_timestamp(), attempts = 1"
	                         " WHERE stream = $1 AND schema_name = $2 AND table_name = $3");
	error = pg_query(target, sql.data, 3, parameters, NULL);
	buffer_free(&sql);
	return error;
}

struct error *suspects_clear(struct pg_connection *target, const struct config *config, uint64_t lsn,
                             const struct check_tables *tables)
{
	char passed[LSN_TEXT_SIZE];

	lsn_format(lsn, passed);
	for (size_t i = 0; i < tables->count; i++) {
		const struct check_table *table = &tables->tables[i];

		if (table->verdict != VERDICT_IN_SYNC || table->unproved)
			continue;
		if (table->suspect_count > 0)
			TRY(clear_suspects(target, config, passed, table));
		if (table->unverified != NULL)
			TRY(clear_unverified(target, config, passed, table));
		if (table->left_out_step_count > 0)
			TRY(retry_left_out(target, config, table));
	}
	return NULL;
}
