/* generation.c - see generation.h */
#include "target/generation.h"

#include "base/log.h"
#include "base/lsn.h"
#include "base/memory.h"
#include "pg/sql.h"
#include "target/rules.h"
#include "target/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct generation {
	const struct config *config;
	uint64_t *noted; /* by collection->number: LSN of the generation it is noted for, + 1; 0: not at all */
	uint32_t noted_count;
};

struct generation *generation_new(const struct config *config)
{
	struct generation *generation = memory_alloc(sizeof(*generation));

	generation->config = config;
	return generation;
}

void generation_free(struct generation *generation)
{
	if (generation == NULL)
		return;
	free(generation->noted);
	free(generation);
}

void generation_forget(struct generation *generation)
{
	if (generation->noted_count > 0)
		memset(generation->noted, 0, generation->noted_count * sizeof(*generation->noted));
}

static uint64_t *noted_for(struct generation *generation, const struct collection *collection)
{
	if (collection->number >= generation->noted_count) {
		uint32_t count = collection->number + 16;

		generation->noted = memory_grow(generation->noted, count, sizeof(*generation->noted));
		memset(generation->noted + generation->noted_count, 0,
		       (count - generation->noted_count) * sizeof(*generation->noted));
		generation->noted_count = count;
	}
	return &generation->noted[collection->number];
}

static struct error *note_table(const struct generation *generation, struct pg_connection *connection,
                                const struct binding *binding, const struct snapshot_identity *snapshot)
{
	struct number tx_id = number_of((int64_t)snapshot->tx_id);
	char lsn[LSN_TEXT_SIZE];
	const char *const parameters[5] = {generation->config->stream.name, binding->relation->schema,
	                                   binding->relation->table, tx_id.text, lsn};
	struct buffer sql = {0};
	struct error *error;

	lsn_format(snapshot->lsn, lsn);
	buffer_append_text(&sql, "INSERT INTO @captured_table AS c (stream, schema_name, table_name, generation_tx_id,"
	                         " generation_lsn, began_xid, had_rows) SELECT $1, $2, $3, $4::bigint, $5::pg_lsn,"
	                         " pg_current_xact_id(), EXISTS (SELECT FROM ");
	buffer_append_text(&sql, relkind_only(binding->image->relkind));
	sql_append_qualified(&sql, binding->image->schema, binding->image->name);
	buffer_append_text(&sql,
	                   " WHERE age(xmin) > age(pg_current_xact_id()::xid)) ON CONFLICT (stream, schema_name, "
	                   "table_name) DO UPDATE SET"
	                   " generation_tx_id = excluded.generation_tx_id, generation_lsn = excluded.generation_lsn,"
	                   " began_xid = excluded.began_xid, had_rows = excluded.had_rows"
	                   " WHERE excluded.generation_lsn > c.generation_lsn");
	error = state_query(connection, generation->config, sql.data, 5, parameters, NULL);
	buffer_free(&sql);
	return error;
}

struct error *generation_note(struct generation *generation, struct pg_connection *connection,
                              struct binding_cache *cache, const struct transaction *transaction)
{
	uint64_t wanted = transaction->snapshot.lsn + 1;

	for (size_t i = 0; transaction->changes != NULL && i < transaction->change_count; i++) {
		const struct change *change = transaction->changes[i];
		uint64_t *noted = noted_for(generation, change->relation->collection);
		struct binding *binding;
		struct error *error;

		if (*noted >= wanted || change->operation == CHANGE_MESSAGE)
			continue;
		error = binding_find(cache, connection, change->relation, &binding);
		if (error != NULL && error->class == ERROR_TARGET) { /* nothing was written there: set aside */
			error_free(error);
			continue;
		}
		TRY(error);
		TRY(note_table(generation, connection, binding, &transaction->snapshot));
		*noted = wanted;
	}
	return NULL;
}

/* The sweep. */

struct swept {
	const char *schema; /* at the source */
	const char *table;
	const struct table_rule *rule;
	struct table_name target;
	char relkind; /* of the target's table */
	const char *source_value;
	const char *began_xid;
	bool contained; /* the snapshot had rows of it */
	bool done;
};

static void append_sweep(struct buffer *sql, const struct config *config, const struct swept *table,
                         const char *deleted_at, const char *filter_column)
{
	enum delete_mode mode = table->rule->delete_mode;

	buffer_append_text(sql, mode == DELETE_SOFT ? "UPDATE " : "DELETE FROM ");
	buffer_append_text(sql, relkind_only(table->relkind));
	sql_append_qualified(sql, table->target.schema, table->target.table);
	if (mode == DELETE_SOFT) {
		buffer_append_text(sql, " SET ");
		sql_append_identifier(sql, config->target.is_deleted);
		buffer_append_text(sql, " = true");
		if (deleted_at != NULL) {
			buffer_append_text(sql, ", ");
			sql_append_identifier(sql, deleted_at);
			buffer_append_text(sql, " = now()");
		}
	}
	buffer_append_text(sql, " WHERE ");
	if (mode == DELETE_SOFT) {
		buffer_append_text(sql, "NOT ");
		sql_append_identifier(sql, config->target.is_deleted);
		buffer_append_text(sql, " AND ");
	}
	if (table->contained)
		buffer_append_format(sql, "age(xmin) > age('%s'::xid8::xid)", table->began_xid);
	else
		buffer_append_text(sql, "true");
	rules_append_scope(sql, table->rule, "", table->source_value, filter_column);
}

/* *column becomes NULL where the target's table lacks it. */
static struct error *need_column(struct pg_connection *connection, const struct swept *table, const char **column)
{
	const char *const parameters[3] = {table->target.schema, table->target.table, *column};
	struct pg_result *result = NULL;

	if (*column == NULL)
		return NULL;
	TRY(pg_query(connection,
	             "SELECT 1 FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n"
	             " ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3"
	             " AND NOT a.attisdropped",
	             3, parameters, &result));
	if (pg_result_rows(result) == 0)
		*column = NULL;
	pg_result_free(result);
	return NULL;
}

static struct error *sweep_table(const struct config *config, struct pg_connection *connection, struct swept *table)
{
	bool soft = table->rule->delete_mode == DELETE_SOFT;
	const char *deleted_at = soft ? config->target.deleted_at : NULL;
	const char *filter_column = rules_filter_target(table->rule);
	struct pg_result *result = NULL;
	struct buffer sql = {0};
	struct error *error;
	int64_t rows = 0;

	TRY(need_column(connection, table, &deleted_at));
	TRY(need_column(connection, table, &filter_column));
	buffer_append_text(&sql, "WITH swept AS (");
	append_sweep(&sql, config, table, deleted_at, filter_column);
	buffer_append_text(&sql, " RETURNING 1) SELECT count(*) FROM swept");
	error = pg_query(connection, sql.data, 0, NULL, &result);
	buffer_free(&sql);
	TRY(error);
	rows = pg_result_integer(result, 0, 0);
	pg_result_free(result);
	table->done = true;
	if (rows > 0)
		log_warning("%s.%s: %" PRId64 " rows that the snapshot did not contain are %s%s", table->target.schema,
		            table->target.table, rows, soft ? "marked as deleted" : "removed",
		            table->contained ? "" : "; it had no row of this table at all");
	return NULL;
}

/* Under a savepoint: rows that others refer to go after those. *refused: not yet. */
static struct error *try_sweep(const struct config *config, struct pg_connection *connection, struct swept *table,
                               struct error **refused)
{
	struct error *error;

	TRY(pg_execute(connection, "SAVEPOINT replicator_sweep"));
	error = sweep_table(config, connection, table);
	if (error == NULL)
		return pg_execute(connection, "RELEASE SAVEPOINT replicator_sweep");
	if (strcmp(error->sqlstate, "23503") != 0)
		return error;
	error_free(*refused);
	*refused = error;
	return pg_execute(connection, "ROLLBACK TO SAVEPOINT replicator_sweep");
}

static struct error *sweep_all(const struct config *config, struct pg_connection *connection, struct swept *tables,
                               size_t count)
{
	size_t left = count, before;

	do {
		struct error *refused = NULL;

		before = left;
		left = 0;
		for (size_t i = 0; i < count; i++) {
			struct error *error =
			    tables[i].done ? NULL : try_sweep(config, connection, &tables[i], &refused);

			if (error != NULL) {
				error_free(refused);
				return error;
			}
			left += tables[i].done ? 0 : 1;
		}
		if (left == before && left > 0)
			return error_wrap(refused,
			                  "a snapshot ends, and rows that it did not contain cannot be removed");
		error_free(refused);
	} while (left > 0);
	return NULL;
}

static bool is_swept(const struct swept *table, bool had_rows, bool known)
{
	if (table->rule->exclude || table->rule->delete_mode == DELETE_IGNORE)
		return false;
	if (table->contained && !had_rows) /* it was empty before */
		return false;
	if (table->contained && !known) {
		log_warning(
		    "%s.%s: the state tables were restored from elsewhere, so nobody can tell which rows the snapshot "
		    "did not contain; compare both sides (check_target)",
		    table->target.schema, table->target.table);
		return false;
	}
	return true;
}

/* *there: the target has the table. */
static struct error *find_target(struct pg_connection *connection, const struct config *config, struct swept *table,
                                 struct arena *arena, bool *there)
{
	const char *parameters[2];
	struct pg_result *result = NULL;

	table->rule = config_table_rule(config, table->schema, table->table);
	table->target = config_target_table(config, table->rule, table->schema, table->table, arena);
	table->source_value = table->rule->source_column == NULL
	                          ? NULL
	                          : config_source_value(config, table->rule, table->schema, table->table, arena);
	parameters[0] = table->target.schema;
	parameters[1] = table->target.table;
	TRY(pg_query(connection,
	             "SELECT relkind FROM pg_class WHERE oid = to_regclass(format('%I.%I', $1::text, $2::text))", 2,
	             parameters, &result));
	*there = pg_result_rows(result) > 0;
	if (*there)
		table->relkind = pg_result_text(result, 0, 0)[0];
	pg_result_free(result);
	return NULL;
}

static struct error *choose_swept(struct pg_connection *connection, const struct config *config,
                                  const struct pg_result *result, struct arena *arena, struct swept *tables,
                                  size_t *count)
{
	for (size_t i = 0; i < pg_result_rows(result); i++) {
		struct swept *table = &tables[*count];
		bool there;

		*table = (struct swept){.schema = pg_result_text(result, i, 0),
		                        .table = pg_result_text(result, i, 1),
		                        .began_xid = pg_result_text(result, i, 2),
		                        .contained = pg_result_integer(result, i, 3) != 0};
		TRY(find_target(connection, config, table, arena, &there));
		if (there &&
		    is_swept(table, pg_result_integer(result, i, 4) != 0, pg_result_integer(result, i, 5) != 0))
			(*count)++;
	}
	return NULL;
}

struct error *generation_sweep(struct generation *generation, struct pg_connection *connection,
                               const struct snapshot_identity *ended)
{
	const struct config *config = generation->config;
	struct number tx_id = number_of((int64_t)ended->tx_id);
	char lsn[LSN_TEXT_SIZE];
	const char *const parameters[3] = {config->stream.name, tx_id.text, lsn};
	struct pg_result *result = NULL;
	struct swept *tables;
	struct arena *arena;
	struct error *error;
	size_t count = 0;

	if (config->stream.resnapshot != RESNAPSHOT_REPLACE)
		return NULL;
	lsn_format(ended->lsn, lsn);
	TRY(pg_execute(connection, "SET LOCAL statement_timeout = 0"));
	TRY(state_query(connection, config,
	                "SELECT schema_name, table_name, began_xid,"
	                " (generation_tx_id = $2::bigint AND generation_lsn = $3::pg_lsn)::int, had_rows::int,"
	                " (xmin = began_xid::xid)::int FROM @captured_table c WHERE stream = $1 ORDER BY 1, 2",
	                3, parameters, &result));
	arena = arena_new();
	tables = memory_alloc((pg_result_rows(result) + 1) * sizeof(*tables));
	error = choose_swept(connection, config, result, arena, tables, &count);
	if (error == NULL)
		error = sweep_all(config, connection, tables, count);
	arena_free(arena);
	free(tables);
	pg_result_free(result);
	return error;
}
