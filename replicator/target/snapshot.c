/* snapshot.c - see snapshot.h */
#include "target/snapshot.h"

#include "base/log.h"
#include "base/lsn.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "pg/sql.h"
#include "target/ddl.h"
#include "target/rules.h"
#include "target/state.h"
#include "target/unverified.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What is known of a collection, by its number. */
struct known_table {
	bool noted;                        /* in captured_table */
	bool decided;                      /* for the rows of `identity` */
	bool late;                         /* likewise: they are late */
	uint64_t call;                     /* of snapshot_prepare, in which that was decided */
	bool discards;                     /* likewise: those without a key are not written */
	struct snapshot_identity identity; /* 0/0: an incremental snapshot */
	uint64_t discarded;                /* in this call of snapshot_prepare */
};

struct snapshot {
	const struct config *config;
	struct known_table *tables;
	uint32_t count;
	uint64_t calls; /* of snapshot_prepare */
};

struct snapshot *snapshot_new(const struct config *config)
{
	struct snapshot *snapshot = memory_alloc(sizeof(*snapshot));

	snapshot->config = config;
	return snapshot;
}

void snapshot_free(struct snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	free(snapshot->tables);
	free(snapshot);
}

void snapshot_forget(struct snapshot *snapshot)
{
	if (snapshot->count > 0)
		memset(snapshot->tables, 0, snapshot->count * sizeof(*snapshot->tables));
}

static struct known_table *known_table(struct snapshot *snapshot, const struct collection *collection)
{
	if (collection->number >= snapshot->count) {
		uint32_t count = collection->number + 16;

		snapshot->tables = memory_grow(snapshot->tables, count, sizeof(*snapshot->tables));
		memset(snapshot->tables + snapshot->count, 0, (count - snapshot->count) * sizeof(*snapshot->tables));
		snapshot->count = count;
	}
	return &snapshot->tables[collection->number];
}

/* Whether the target's table of that name has the column. */
static struct error *has_column(struct pg_connection *connection, const struct table_name *table, const char *column,
                                bool *has)
{
	const char *const parameters[3] = {table->schema, table->table, column};
	struct pg_result *result = NULL;

	TRY(pg_query(connection,
	             "SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n"
	             " ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3"
	             " AND a.attnum > 0 AND NOT a.attisdropped",
	             3, parameters, &result));
	*has = pg_result_rows(result) > 0;
	pg_result_free(result);
	return NULL;
}

/* '\0': the target has no such table. */
static struct error *read_relkind(struct pg_connection *connection, const struct table_name *table, char *relkind)
{
	const char *const parameters[2] = {table->schema, table->table};
	struct pg_result *result = NULL;

	TRY(pg_query(connection,
	             "SELECT c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	             " WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')",
	             2, parameters, &result));
	*relkind = pg_result_rows(result) > 0 ? pg_result_text(result, 0, 0)[0] : '\0';
	pg_result_free(result);
	return NULL;
}

/* Whether the target holds rows of the source's table, which may share the target's with others. */
static struct error *holds_rows(struct pg_connection *connection, const struct config *config, const char *schema,
                                const char *table, bool *holds)
{
	const struct table_rule *rule = config_table_rule(config, schema, table);
	const char *filter_column = rules_filter_target(rule);
	struct arena *arena = arena_new();
	struct table_name target = config_target_table(config, rule, schema, table, arena);
	const char *source_value =
	    rule->source_column == NULL ? NULL : config_source_value(config, rule, schema, table, arena);
	struct buffer sql = {0};
	bool filtered = false;
	char relkind = '\0';
	int64_t found = 0;
	struct error *error = read_relkind(connection, &target, &relkind);

	if (error == NULL && relkind != '\0' && filter_column != NULL)
		error = has_column(connection, &target, filter_column, &filtered);
	if (error == NULL && relkind != '\0') {
		buffer_append_text(&sql, "SELECT EXISTS (SELECT FROM ");
		buffer_append_text(&sql, relkind_only(relkind));
		sql_append_qualified(&sql, target.schema, target.table);
		buffer_append_text(&sql, " WHERE true");
		rules_append_scope(&sql, rule, "", source_value, filtered ? filter_column : NULL);
		buffer_append_text(&sql, ")::int");
		error = pg_query_integer(connection, sql.data, 0, NULL, 0, &found);
	}
	buffer_free(&sql);
	arena_free(arena);
	*holds = found != 0;
	return error;
}

/* The connector reads a table with the tables that inherit from it, and sends their rows under its name as well. */
static struct error *has_heirs(struct pg_connection *connection, const struct config *config, const char *schema,
                               const char *table, bool *has)
{
	struct arena *arena = arena_new();
	struct table_name target =
	    config_target_table(config, config_table_rule(config, schema, table), schema, table, arena);
	const char *const parameters[2] = {target.schema, target.table};
	struct pg_result *result = NULL;
	struct error *error =
	    pg_query(connection,
	             "SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent JOIN pg_namespace n"
	             " ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2"
	             " AND c.relkind = 'r' LIMIT 1",
	             2, parameters, &result);

	*has = error == NULL && pg_result_rows(result) > 0;
	pg_result_free(result);
	arena_free(arena);
	return error;
}

/* --- the decision at a table's first row of a snapshot ------------------------------------------------------------- */

/* What the state tables tell. */
struct past {
	bool decided;    /* captured_table has a decision for this snapshot, which has not ended */
	bool discards;   /* that decision */
	bool wrote_rows; /* the stream may have written rows of the table before this snapshot */
};

static struct error *read_past(struct pg_connection *connection, const struct config *config,
                               const struct relation *relation, const struct snapshot_identity *identity,
                               struct past *past)
{
	struct number tx_id = number_of((int64_t)identity->tx_id);
	char lsn[LSN_TEXT_SIZE];
	const char *const parameters[5] = {config->stream.name, relation->schema, relation->table, tx_id.text, lsn};
	struct pg_result *result = NULL;

	lsn_format(identity->lsn, lsn);
	TRY(state_query(connection, config,
	                "SELECT (c.snapshot_tx_id = $4::bigint AND c.snapshot_lsn = $5::pg_lsn AND NOT EXISTS ("
	                "  SELECT FROM @snapshot_progress p WHERE p.stream = s.name AND p.snapshot_tx_id = $4::bigint"
	                "  AND p.snapshot_lsn = $5::pg_lsn AND p.finished_at IS NOT NULL) IS TRUE)::int,"
	                " coalesce(c.discards, false)::int,"
	                " (s.last_commit_lsn <> '0/0' OR c.stream IS NOT NULL OR EXISTS ("
	                "  SELECT FROM @snapshot_progress p WHERE p.stream = s.name"
	                "  AND (p.snapshot_tx_id, p.snapshot_lsn) <> ($4::bigint, $5::pg_lsn)))::int"
	                " FROM @stream s LEFT JOIN @captured_table c"
	                " ON c.stream = s.name AND c.schema_name = $2 AND c.table_name = $3 WHERE s.name = $1",
	                5, parameters, &result));
	*past = (struct past){.wrote_rows = true};
	if (pg_result_rows(result) > 0)
		*past = (struct past){.decided = pg_result_integer(result, 0, 0) != 0,
		                      .discards = pg_result_integer(result, 0, 1) != 0,
		                      .wrote_rows = pg_result_integer(result, 0, 2) != 0};
	pg_result_free(result);
	return NULL;
}

static struct error *store_decision(struct pg_connection *connection, const struct config *config,
                                    const struct relation *relation, const struct known_table *table)
{
	struct number tx_id = number_of((int64_t)table->identity.tx_id);
	char lsn[LSN_TEXT_SIZE];
	const char *const parameters[6] =
	    {config->stream.name, relation->schema, relation->table, tx_id.text, lsn, table->discards ? "t" : "f"};

	lsn_format(table->identity.lsn, lsn);
	return state_query(connection, config,
	                   "INSERT INTO @captured_table (stream, schema_name, table_name, snapshot_tx_id, snapshot_lsn,"
	                   " discards) VALUES ($1, $2, $3, $4::bigint, $5::pg_lsn, $6::boolean)"
	                   " ON CONFLICT (stream, schema_name, table_name) DO UPDATE SET"
	                   " snapshot_tx_id = excluded.snapshot_tx_id, snapshot_lsn = excluded.snapshot_lsn,"
	                   " discards = excluded.discards",
	                   6, parameters, NULL);
}

static struct error *mark(struct pg_connection *connection, const struct config *config, const char *schema,
                          const char *table, uint64_t lsn, uint64_t discarded, const char *why)
{
	bool was_marked;

	TRY(unverified_mark(connection, config, schema, table, UNVERIFIED_SNAPSHOT, lsn, discarded, &was_marked));
	if (!was_marked)
		log_info("table %s.%s is unverified until a comparison with the source: %s", schema, table, why);
	return NULL;
}

/* The first row of a full snapshot that is written, or discarded, to this table. */
static struct error *decide(struct pg_connection *connection, const struct config *config,
                            const struct relation *relation, bool streamed_before, struct known_table *table)
{
	struct past past;
	bool holds = false, heirs = false;

	TRY(read_past(connection, config, relation, &table->identity, &past));
	table->discards = past.discards;
	if (past.decided)
		return NULL;
	TRY(holds_rows(connection, config, relation->schema, relation->table, &holds));
	table->discards = holds || past.wrote_rows || streamed_before;
	TRY(store_decision(connection, config, relation, table));
	if (holds)
		return mark(connection, config, relation->schema, relation->table, table->identity.lsn, 0,
		            "it holds rows, and a snapshot of it begins");
	TRY(has_heirs(connection, config, relation->schema, relation->table, &heirs));
	return heirs ? mark(connection, config, relation->schema, relation->table, table->identity.lsn, 0,
	                    "tables inherit from it, and its snapshot contains their rows")
	             : NULL;
}

/* Rows of another snapshot than those before: what becomes of them. */
static struct error *decide_for(const struct snapshot *snapshot, struct pg_connection *connection,
                                const struct relation *relation, const struct transaction *transaction,
                                bool streamed_before, struct known_table *table)
{
	const struct config *config = snapshot->config;
	bool full = transaction->snapshot.tx_id != 0 || transaction->snapshot.lsn != 0;

	table->identity = transaction->snapshot;
	table->late = transaction->snapshot_late;
	table->discards = true;
	if (table->late)
		TRY(mark(connection, config, relation->schema, relation->table, table->identity.lsn, 0,
		         "rows of a snapshot that was broken off were written late"));
	else if (full)
		TRY(decide(connection, config, relation, streamed_before, table));
	table->decided = true;
	table->call = snapshot->calls;
	return NULL;
}

/* Late rows mark their table in each target transaction: a comparison may have removed the mark in between. */
static bool is_decided(const struct snapshot *snapshot, const struct known_table *table,
                       const struct transaction *transaction)
{
	return table->decided && table->late == transaction->snapshot_late &&
	       (!table->late || table->call == snapshot->calls) &&
	       table->identity.tx_id == transaction->snapshot.tx_id && table->identity.lsn == transaction->snapshot.lsn;
}

/* A row whose table cannot be bound yet is written change by change, if at all: the event tells whether it has a key. */
static struct error *row_has_key(struct pg_connection *connection, struct binding_cache *cache,
                                 const struct change *change, bool *has)
{
	struct binding *binding;
	struct error *error = binding_find(cache, connection, change->relation, &binding);

	if (error == NULL) {
		*has = change->after == NULL || binding_has_key(binding, change->after);
		return NULL;
	}
	if (error->class != ERROR_TARGET || error->sqlstate[0] != '\0')
		return error;
	error_free(error);
	*has = change->relation->key_count > 0;
	return NULL;
}

static struct error *prepare_row(struct snapshot *snapshot, struct pg_connection *connection,
                                 struct binding_cache *cache, const struct transaction *transaction,
                                 bool streamed_before, struct change *change)
{
	struct known_table *table;
	bool has_key = true;

	change->discarded = false;
	if (change->operation != CHANGE_READ || ddl_is_log(change->relation))
		return NULL;
	table = known_table(snapshot, change->relation->collection);
	if (!is_decided(snapshot, table, transaction))
		TRY(decide_for(snapshot, connection, change->relation, transaction, streamed_before, table));
	if (table->discards)
		TRY(row_has_key(connection, cache, change, &has_key));
	if (has_key)
		return NULL;
	change->discarded = true;
	table->discarded++;
	return NULL;
}

/* Marks the tables whose rows were discarded, and counts these rows there. */
static struct error *count_discarded(struct snapshot *snapshot, struct pg_connection *connection,
                                     const struct transaction *transaction, uint64_t *discarded)
{
	for (size_t i = 0; transaction->changes != NULL && i < transaction->change_count; i++) {
		const struct change *change = transaction->changes[i];
		struct known_table *table;

		if (!change->discarded)
			continue;
		table = known_table(snapshot, change->relation->collection);
		if (table->discarded == 0)
			continue;
		TRY(mark(connection, snapshot->config, change->relation->schema, change->relation->table, change->lsn,
		         table->discarded, "it has no key, and rows of a snapshot that it may hold are discarded"));
		*discarded += table->discarded;
		table->discarded = 0;
	}
	return NULL;
}

struct error *snapshot_prepare(struct snapshot *snapshot, struct pg_connection *connection, struct binding_cache *cache,
                               const struct transaction *first, size_t count, uint64_t *discarded, bool *changed)
{
	bool streamed_before = false;

	*discarded = 0;
	*changed = false;
	snapshot->calls++;
	for (; count > 0; count--, first = first->next) {
		for (size_t i = 0; first->changes != NULL && i < first->change_count; i++) {
			bool before = first->changes[i]->discarded;

			TRY(prepare_row(snapshot, connection, cache, first, streamed_before, first->changes[i]));
			*changed = *changed || first->changes[i]->discarded != before;
		}
		TRY(count_discarded(snapshot, connection, first, discarded));
		streamed_before = streamed_before || (first->kind == TRANSACTION_STREAMED && first->change_count > 0);
	}
	return NULL;
}

struct error *snapshot_note(struct snapshot *snapshot, struct pg_connection *connection,
                            const struct transaction *transaction)
{
	for (size_t i = 0; transaction->changes != NULL && i < transaction->change_count; i++) {
		const struct change *change = transaction->changes[i];
		struct known_table *table;

		if (change->operation == CHANGE_MESSAGE)
			continue;
		if (ddl_is_log(change->relation)) { /* tables may have got other names */
			snapshot_forget(snapshot);
			continue;
		}
		table = known_table(snapshot, change->relation->collection);
		if (table->noted)
			continue;
		const char *const parameters[3] = {snapshot->config->stream.name, change->relation->schema,
		                                   change->relation->table};

		TRY(state_query(connection, snapshot->config,
		                "INSERT INTO @captured_table (stream, schema_name, table_name) VALUES ($1, $2, $3)"
		                " ON CONFLICT DO NOTHING",
		                3, parameters, NULL));
		table->noted = true;
	}
	return NULL;
}

/* --- the end of a complete snapshot -------------------------------------------------------------------------------- */

struct error *snapshot_complete(struct snapshot *snapshot, struct pg_connection *connection,
                                const struct snapshot_identity *identity)
{
	const struct config *config = snapshot->config;
	struct number tx_id = number_of((int64_t)identity->tx_id);
	char lsn[LSN_TEXT_SIZE];
	const char *const parameters[3] = {config->stream.name, tx_id.text, lsn};
	struct pg_result *result = NULL;
	struct error *error = NULL;

	lsn_format(identity->lsn, lsn);
	TRY(state_query(connection, config,
	                "SELECT schema_name, table_name FROM @captured_table WHERE stream = $1"
	                " AND (snapshot_tx_id, snapshot_lsn) <> ($2::bigint, $3::pg_lsn) ORDER BY 1, 2",
	                3, parameters, &result));
	for (size_t i = 0; error == NULL && i < pg_result_rows(result); i++) {
		const char *schema = pg_result_text(result, i, 0), *table = pg_result_text(result, i, 1);
		bool holds = false;

		if (config_table_rule(config, schema, table)->exclude)
			continue;
		error = holds_rows(connection, config, schema, table, &holds);
		if (error == NULL && holds)
			error = mark(connection, config, schema, table, identity->lsn, 0,
			             "it holds rows, and a complete snapshot had none of it");
	}
	pg_result_free(result);
	return error;
}
