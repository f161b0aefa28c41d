/* suspects.c - see suspects.h */
#include "check/suspects.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/lsn.h"
#include "pg/sql.h"

#include <string.h>

static struct error *read_table(struct pg_connection *target, const struct config *config, struct arena *arena,
                                struct check_table *table)
{
	const char *const parameters[3] = {config->stream.name, table->schema, table->name};
	struct pg_result *result = NULL;
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, "SELECT key FROM ");
	sql_append_qualified(&sql, config->target.schema, "suspect");
	buffer_append_text(&sql, " WHERE stream = $1 AND schema_name = $2 AND table_name = $3 ORDER BY key");
	error = pg_query(target, sql.data, 3, parameters, &result);
	buffer_free(&sql);
	TRY(error);
	table->suspect_count = pg_result_rows(result);
	table->suspects = arena_alloc(arena, (table->suspect_count + 1) * sizeof(*table->suspects));
	for (size_t i = 0; i < table->suspect_count; i++) {
		const char *key = pg_result_text(result, i, 0);

		table->suspects[i] = arena_copy(arena, key, strlen(key));
	}
	pg_result_free(result);
	return NULL;
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
		log_debug("suspect rows are not known: %s", error->message);
		error_free(error);
		return NULL;
	}
	return NULL;
}

struct error *suspects_clear(struct pg_connection *target, const struct config *config, uint64_t lsn,
                             const struct check_tables *tables)
{
	char passed[LSN_TEXT_SIZE];
	struct buffer sql = {0};
	struct error *error = NULL;

	lsn_format(lsn, passed);
	buffer_append_text(&sql, "DELETE FROM ");
	sql_append_qualified(&sql, config->target.schema, "suspect");
	buffer_append_text(&sql,
	                   " WHERE stream = $1 AND schema_name = $2 AND table_name = $3 AND commit_lsn <= $4::pg_lsn");
	for (size_t i = 0; i < tables->count && error == NULL; i++) {
		const struct check_table *table = &tables->tables[i];
		const char *const parameters[4] = {config->stream.name, table->schema, table->name, passed};

		if (table->verdict == VERDICT_IN_SYNC && table->suspect_count > 0)
			error = pg_query(target, sql.data, 4, parameters, NULL);
	}
	buffer_free(&sql);
	return error;
}
