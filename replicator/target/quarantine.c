/*
 * quarantine.c - what waits, and setting aside. See quarantine.h; quarantine_retry.c applies what waits.
 *
 * NOTES
 *   A key in the table's column `keys` is one of
 *     schema.table#HASH   a row: hash of its key's values as they came
 *     schema.table*       all rows: a TRUNCATE, or a change of a table without a key, or whose equal keys may have
 *                         different texts (citext, numeric)
 *     schema.table        the table, always there beside one of the others
 *   Names are those of the source. What stands in the table is masked as the rules say (rules_mask_changes).
 *
 *   Two rows with the same hash are taken for one: a transaction follows without need, and nothing else happens.
 */
#include "target/quarantine.h"

#include "base/buffer.h"
#include "base/lsn.h"
#include "base/map.h"
#include "base/memory.h"
#include "event/change_json.h"
#include "pg/sql.h"
#include "stream/spill.h"
#include "target/binding_old_row.h"
#include "target/rules.h"
#include "target/state.h"
#include "target/stream_lock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define MOST_CHANGES 200000
#define MOST_BYTES ((size_t)64 << 20)
#define PIECE_ROWS 4000
#define PIECE_BYTES ((size_t)4 << 20)

struct quarantine {
	const struct config *config;
	struct map *keys;             /* text → something */
	uint64_t seed;                /* of the keys' hashes: nobody shall guess masked ones without the salt */
	char masks[RULES_MASKS_TEXT]; /* under which the events are stored */
};

struct quarantine *quarantine_new(const struct config *config)
{
	struct quarantine *quarantine = memory_alloc(sizeof(*quarantine));

	quarantine->config = config;
	quarantine->keys = map_new();
	rules_describe_masks(config, quarantine->masks);
	if (config->masking.salt != NULL)
		quarantine->seed = XXH3_64bits(config->masking.salt, strlen(config->masking.salt));
	return quarantine;
}

void quarantine_free(struct quarantine *quarantine)
{
	if (quarantine == NULL)
		return;
	map_free(quarantine->keys, NULL);
	free(quarantine);
}

static void add_key(struct map *keys, struct slice key)
{
	static char present;

	map_put(keys, key, &present);
}

struct error *quarantine_load(struct quarantine *quarantine, struct pg_connection *connection)
{
	const char *const parameters[1] = {quarantine->config->stream.name};
	struct pg_result *result = NULL;

	TRY(state_query(connection, quarantine->config,
	                "SELECT DISTINCT unnest(keys) FROM @quarantine WHERE stream = $1 AND state = 'waiting'", 1,
	                parameters, &result));
	map_free(quarantine->keys, NULL);
	quarantine->keys = map_new();
	for (size_t i = 0; i < pg_result_rows(result); i++) {
		const char *key = pg_result_text(result, i, 0);

		add_key(quarantine->keys, (struct slice){key, strlen(key)});
	}
	pg_result_free(result);
	return NULL;
}

static void append_table(struct buffer *key, const struct relation *relation)
{
	key->length = 0;
	buffer_append_format(key, "%s.%s", relation->schema, relation->table);
}

/* `columns`: where the key's values stand in `values`; NULL: they are the key's alone. */
static void append_row(struct buffer *key, uint64_t seed, const struct relation *relation, const struct value *values,
                       const uint32_t *columns)
{
	uint64_t hash = seed;

	for (uint32_t i = 0; i < relation->key_count; i++) {
		const struct value *value = &values[columns != NULL ? columns[i] : i];

		hash = XXH3_64bits_withSeed(value->data != NULL ? value->data : "", value->length, hash + i + 1);
	}
	append_table(key, relation);
	buffer_append_format(key, "#%016" PRIx64, hash);
}

/* Values of the key that the source did not log: it may be any row. */
static bool lacks_old_key(const struct change *change)
{
	const struct relation *relation = change->relation;

	for (uint32_t i = 0; change->before != NULL && i < relation->key_count; i++)
		if (binding_value_is_zero(&change->before[relation->key_columns[i]]))
			return true;
	return false;
}

static bool concerns_all_rows(const struct change *change)
{
	return change->operation == CHANGE_TRUNCATE || change->relation->key_count == 0 || lacks_old_key(change);
}

/* Calls `visit` with each key of the change until it gives true; what the last call gave. `all`: all rows. */
static bool visit_keys(uint64_t seed, const struct change *change, bool all,
                       bool (*visit)(void *context, struct slice key), void *context)
{
	const struct relation *relation = change->relation;
	const struct value *const images[3] = {change->before, change->after, change->other_key};
	struct buffer key = {0};
	bool ended = false;

	if (change->operation == CHANGE_MESSAGE)
		return false;
	append_table(&key, relation);
	if (all) {
		buffer_append_byte(&key, '*');
		ended = visit(context, (struct slice){key.data, key.length});
	}
	for (size_t i = 0; i < 3 && !all && !ended; i++) {
		if (images[i] == NULL)
			continue;
		append_row(&key, seed, relation, images[i], i < 2 ? relation->key_columns : NULL);
		ended = visit(context, (struct slice){key.data, key.length});
	}
	buffer_free(&key);
	return ended;
}

static bool is_known(void *context, struct slice key)
{
	return map_get(context, key) != NULL;
}

/* Whether anything that waits concerns rows of the change. */
static bool touches(const struct quarantine *quarantine, const struct change *change)
{
	struct map *keys = quarantine->keys;
	struct buffer key = {0};
	bool table, all;

	if (change->operation == CHANGE_MESSAGE)
		return false;
	append_table(&key, change->relation);
	table = map_get(keys, (struct slice){key.data, key.length}) != NULL;
	buffer_append_byte(&key, '*');
	all = table && map_get(keys, (struct slice){key.data, key.length}) != NULL;
	buffer_free(&key);
	return table &&
	       (all || concerns_all_rows(change) || visit_keys(quarantine->seed, change, false, is_known, keys));
}

static bool any_touches(const struct quarantine *quarantine, const struct transaction *transaction)
{
	for (size_t i = 0; i < transaction->change_count; i++)
		if (touches(quarantine, transaction->changes[i]))
			return true;
	return false;
}

/* A large transaction lies in a file. */
static struct error *spill_touches(const struct quarantine *quarantine, struct pg_connection *connection,
                                   const struct transaction *large, bool *any)
{
	int64_t shown_us = 0;
	uint64_t next = 0;

	for (*any = false; !*any;) {
		struct transaction *piece;
		struct error *error;
		bool ended;

		TRY(stream_lock_keep(connection, &shown_us));
		piece = transaction_new(TRANSACTION_STREAMED);
		error = spill_read(large->spill, &next, PIECE_ROWS, PIECE_BYTES, piece);
		ended = piece->change_count == 0;
		*any = error == NULL && any_touches(quarantine, piece);
		transaction_free(piece);
		TRY(error);
		if (ended)
			return NULL;
	}
	return NULL;
}

struct error *quarantine_clear_run(const struct quarantine *quarantine, struct pg_connection *connection,
                                   const struct transaction *first, size_t *run)
{
	for (*run = 0; map_count(quarantine->keys) > 0 && first != NULL; (*run)++, first = first->next) {
		bool any = false;

		if (first->spill != NULL)
			TRY(spill_touches(quarantine, connection, first, &any));
		else
			any = any_touches(quarantine, first);
		if (any)
			return NULL;
	}
	*run = SIZE_MAX;
	return NULL;
}

struct error *quarantine_lock(struct quarantine *quarantine, struct pg_connection *connection)
{
	TRY(state_query(connection, quarantine->config, "LOCK TABLE @quarantine IN SHARE ROW EXCLUSIVE MODE", 0, NULL,
	                NULL));
	return quarantine_load(quarantine, connection);
}

static bool collect_key(void *context, struct slice key)
{
	add_key(context, key);
	return false;
}

static void append_element(struct buffer *array, struct slice text)
{
	if (array->length > 1)
		buffer_append_byte(array, ',');
	sql_append_array_element(array, text.data, text.length);
}

static void append_each(struct slice key, void *value, void *context)
{
	(void)value;
	append_element(context, key);
}

/* Relations of a transaction, and whether the text of their key names one row of the target. */
struct named_rows {
	struct {
		const struct relation *relation;
		bool by_text;
	} * relations;
	size_t count;
};

/* A table that cannot be bound may be the reason why the transaction is set aside: false. Under a savepoint. */
static struct error *names_rows_by_text(struct pg_connection *connection, struct binding_cache *bindings,
                                        const struct relation *relation, bool *by_text)
{
	struct binding *binding = NULL;
	struct error *error;

	TRY(pg_execute(connection, "SAVEPOINT replicator_bind"));
	error = binding_find(bindings, connection, relation, &binding);
	if (error != NULL && pg_is_broken(connection))
		return error;
	*by_text = error == NULL && binding->key_count > 0 && !binding->own_key && !binding->loose_key;
	if (error == NULL)
		return pg_execute(connection, "RELEASE SAVEPOINT replicator_bind");
	error_free(error);
	return pg_execute(connection, "ROLLBACK TO SAVEPOINT replicator_bind");
}

static struct error *note_relations(struct pg_connection *connection, struct binding_cache *bindings,
                                    const struct transaction *transaction, struct named_rows *named)
{
	for (size_t i = 0; i < transaction->change_count; i++) {
		const struct relation *relation = transaction->changes[i]->relation;
		size_t k = 0;

		while (k < named->count && named->relations[k].relation != relation)
			k++;
		if (k < named->count || transaction->changes[i]->operation == CHANGE_MESSAGE ||
		    concerns_all_rows(transaction->changes[i]))
			continue;
		named->relations = memory_grow(named->relations, named->count + 1, sizeof(*named->relations));
		named->relations[named->count].relation = relation;
		TRY(names_rows_by_text(connection, bindings, relation, &named->relations[named->count].by_text));
		named->count++;
	}
	return NULL;
}

static bool is_of_all_rows(const struct named_rows *named, const struct change *change)
{
	for (size_t i = 0; i < named->count; i++)
		if (named->relations[i].relation == change->relation)
			return concerns_all_rows(change) || !named->relations[i].by_text;
	return true;
}

/* The transaction's keys and tables as arrays; the keys are added to what waits. */
static void collect_keys(struct quarantine *quarantine, const struct transaction *transaction,
                         const struct named_rows *named, struct buffer *keys, struct buffer *tables)
{
	struct map *key_set = map_new(), *table_set = map_new();
	struct buffer table = {0};

	for (size_t i = 0; i < transaction->change_count; i++) {
		const struct change *change = transaction->changes[i];
		bool all = is_of_all_rows(named, change);

		if (change->operation == CHANGE_MESSAGE)
			continue;
		append_table(&table, change->relation);
		add_key(key_set, (struct slice){table.data, table.length});
		add_key(table_set, (struct slice){table.data, table.length});
		visit_keys(quarantine->seed, change, all, collect_key, key_set);
		visit_keys(quarantine->seed, change, all, collect_key, quarantine->keys);
		add_key(quarantine->keys, (struct slice){table.data, table.length});
	}
	buffer_append_byte(keys, '{');
	map_each(key_set, append_each, keys);
	buffer_append_byte(keys, '}');
	buffer_append_byte(tables, '{');
	map_each(table_set, append_each, tables);
	buffer_append_byte(tables, '}');
	buffer_free(&table);
	map_free(key_set, NULL);
	map_free(table_set, NULL);
}

static const char *place_topic(void *context, uint32_t number, int32_t *partition)
{
	const struct partition_name *name = partition_list_get(context, number);

	*partition = name->id;
	return name->topic;
}

static struct error *insert(struct quarantine *quarantine, struct pg_connection *connection,
                            const struct partition_list *partitions, const struct transaction *transaction,
                            const struct named_rows *named, const struct error *reason, const char *events)
{
	const struct change *first = transaction->changes[0];
	const struct partition_name *place = partition_list_get(partitions, first->partition);
	struct number tx = number_of((int64_t)transaction->tx_id), id = number_of(place->id);
	struct number first_offset = number_of(first->offset), last_offset;
	struct buffer keys = {0}, tables = {0};
	int64_t last = first->offset;
	struct number count = number_of((int64_t)transaction->change_count);
	char *text =
	    state_storable(reason != NULL ? reason->message : "it changes rows of transactions that wait here");
	char lsn[LSN_TEXT_SIZE];
	struct error *error;

	for (size_t i = 0; i < transaction->change_count; i++)
		if (transaction->changes[i]->partition == first->partition && transaction->changes[i]->offset > last)
			last = transaction->changes[i]->offset;
	last_offset = number_of(last);
	lsn_format(transaction->commit_lsn, lsn);
	collect_keys(quarantine, transaction, named, &keys, &tables);
	const char *const parameters[] = {quarantine->config->stream.name,
	                                  transaction->tx_id != 0 ? tx.text : NULL,
	                                  transaction->commit_lsn != 0 ? lsn : NULL,
	                                  place->topic,
	                                  id.text,
	                                  first_offset.text,
	                                  last_offset.text,
	                                  tables.data,
	                                  reason != NULL ? reason->sqlstate : "",
	                                  text,
	                                  events,
	                                  keys.data,
	                                  count.text,
	                                  quarantine->masks};
	error = state_query(connection, quarantine->config,
	                    "INSERT INTO @quarantine (stream, tx_id, commit_lsn, topic, partition, first_offset,"
	                    " last_offset, tables, sqlstate, error, events, keys, change_count, masks)"
	                    " VALUES ($1, $2::bigint, $3::pg_lsn, $4, $5::int, $6::bigint, $7::bigint, $8::text[],"
	                    " $9, @storable_text($10::bytea), $11::json, $12::text[], $13::bigint, $14)",
	                    sizeof(parameters) / sizeof(parameters[0]), parameters, NULL);
	free(text);
	buffer_free(&keys);
	buffer_free(&tables);
	return error;
}

struct error *quarantine_put(struct quarantine *quarantine, struct pg_connection *connection,
                             struct binding_cache *bindings, const struct partition_list *partitions,
                             const struct transaction *transaction, const struct error *reason)
{
	const struct change_places places = {.topic = place_topic, .context = (void *)(uintptr_t)partitions};
	struct named_rows named = {0};
	struct arena *arena;
	char *events = NULL;
	struct error *error;

	if (transaction->spill != NULL || transaction->change_count > MOST_CHANGES || transaction->bytes > MOST_BYTES)
		return error_new(ERROR_TARGET, "transaction %llu is too large to be set aside (%zu changes): %s",
		                 (unsigned long long)transaction->tx_id, transaction->change_count,
		                 reason != NULL ? reason->message
		                                : "it changes rows of transactions that wait in the quarantine; "
		                                  "retry or skip these first (`replicator quarantine list`)");
	arena = arena_new();
	error = change_json_write(rules_mask_changes(quarantine->config, transaction->changes,
	                                             transaction->change_count, arena),
	                          transaction->change_count, &places, &events);
	arena_free(arena);
	if (error == NULL)
		error = note_relations(connection, bindings, transaction, &named);
	if (error == NULL)
		error = insert(quarantine, connection, partitions, transaction, &named, reason, events);
	free(named.relations);
	free(events);
	return error;
}
