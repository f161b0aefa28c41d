/*
 * decode_change.c - from an envelope that was read to a change in the slab.
 *
 * NOTES
 *   Reading left tokens that point into the message. Now their sizes are known, so that the change is carved from the
 *   slab in one piece: the struct, the arrays of values, the bytes of the values.
 */
#include "event/decode.h"

#include "base/memory.h"

#include <stdlib.h>

static const struct slice no_column;

#define TOKEN_UNCHANGED (UINT8_MAX - 1) /* as a token's kind: a placeholder */

static bool has_placeholder(const struct placeholder *placeholder, const struct row *row, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (placeholder_is(placeholder, &row->values[i]))
			return true;
	return false;
}

static void mark_placeholders(const struct placeholder *placeholder, struct row *row, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (placeholder_is(placeholder, &row->values[i]))
			row->values[i].kind = TOKEN_UNCHANGED;
}

/* The bytes that the values need at most. */
static size_t measure(const struct row *row, uint32_t count)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < count; i++)
		if (row->values[i].kind != SCAN_NULL && row->values[i].kind != TOKEN_UNCHANGED)
			bytes += row->values[i].length;
	return bytes;
}

static char *put_value(struct value *value, const struct scan_token *token, char *text)
{
	static const uint8_t kinds[] = {
	    [SCAN_NULL] = VALUE_NULL,    [SCAN_STRING] = VALUE_STRING, [SCAN_NUMBER] = VALUE_NUMBER,
	    [SCAN_TRUE] = VALUE_BOOLEAN, [SCAN_FALSE] = VALUE_BOOLEAN, [SCAN_ARRAY] = VALUE_JSON,
	    [SCAN_OBJECT] = VALUE_JSON,
	};

	if (token->kind == TOKEN_UNCHANGED || token->kind == SCAN_NULL) {
		*value = (struct value){NULL, 0, token->kind == SCAN_NULL ? VALUE_NULL : VALUE_UNCHANGED};
		return text;
	}
	value->data = text;
	value->length = token->length;
	value->kind = kinds[token->kind];
	if (token->escaped)
		value->length = (uint32_t)scan_unescape(token, text);
	else
		memcpy(text, token->data, token->length);
	return text + value->length;
}

/* Fills the array and returns it, moving *values and *text behind what was used. */
static const struct value *put_values(const struct row *row, uint32_t count, struct value **values, char **text)
{
	struct value *first = *values;

	for (uint32_t i = 0; i < count; i++)
		*text = put_value(&first[i], &row->values[i], *text);
	*values += count;
	return first;
}

static char *plain_text(const struct scan_token *token, size_t *length)
{
	char *text = memory_alloc((size_t)token->length + 1);

	*length = token->length;
	if (token->escaped)
		*length = scan_unescape(token, text);
	else
		memcpy(text, token->data, token->length);
	return text;
}

static bool is_table(const struct table *table, const struct envelope_source *source)
{
	return table->schema.length == source->schema.length && table->table.length == source->table.length &&
	       scan_same_bytes(table->table.data, source->table.data, source->table.length) &&
	       scan_same_bytes(table->schema.data, source->schema.data, source->schema.length);
}

static struct table *table_new(const struct envelope_source *source)
{
	struct table *table = memory_alloc(sizeof(*table));
	struct slice schema;
	struct slice name;

	table->schema =
	    (struct slice){memory_copy_bytes(source->schema.data, source->schema.length), source->schema.length};
	table->table =
	    (struct slice){memory_copy_bytes(source->table.data, source->table.length), source->table.length};
	schema.data = plain_text(&source->schema, &schema.length);
	name.data = plain_text(&source->table, &name.length);
	table->collection = registry_collection(schema, name);
	free((void *)(uintptr_t)schema.data);
	free((void *)(uintptr_t)name.data);
	return table;
}

static struct table *find_table(struct decoder *decoder, struct partition_cache *partition,
                                const struct envelope_source *source)
{
	const size_t length = (size_t)source->schema.length + 1 + source->table.length;
	char bytes[512];
	char *key = length <= sizeof(bytes) ? bytes : memory_alloc(length);
	struct table *table;

	memcpy(key, source->schema.data, source->schema.length);
	key[source->schema.length] = '"'; /* cannot stand unescaped in either name */
	memcpy(key + source->schema.length + 1, source->table.data, source->table.length);
	table = map_get(decoder->tables, (struct slice){key, length});
	if (table == NULL) {
		table = table_new(source);
		map_put(decoder->tables, (struct slice){key, length}, table);
	}
	if (key != bytes)
		free(key);
	partition->last_table = table;
	return table;
}

/* A relation not seen yet by this decoder. */
static const struct relation *learn_relation(struct table *table, const struct envelope_source *source,
                                             const struct shape *shape, const struct shape *key, const char **missing)
{
	struct slice schema;
	struct slice name;
	const struct relation *relation;

	schema.data = plain_text(&source->schema, &schema.length);
	name.data = plain_text(&source->table, &name.length);
	relation = registry_relation(table->collection, schema, name, shape, key, missing);
	free((void *)(uintptr_t)schema.data);
	free((void *)(uintptr_t)name.data);
	if (relation == NULL)
		return NULL;
	table->relations = memory_grow(table->relations, table->relation_count + 1, sizeof(*table->relations));
	table->relations[table->relation_count++] = (struct known_relation){shape, key, relation};
	return relation;
}

static const struct relation *find_relation(struct table *table, const struct envelope_source *source,
                                            const struct shape *shape, const struct shape *key, const char **missing)
{
	/* The last learned is the likeliest: a table's older shapes do not come back. */
	for (uint32_t i = table->relation_count; i > 0; i--) {
		const struct known_relation *known = &table->relations[i - 1];

		if (known->shape == shape && known->key == key)
			return known->relation;
	}
	return learn_relation(table, source, shape, key, missing);
}

/* What the operation needs is there; *shape is that of its rows. */
static const char *check_rows(const struct decoder *decoder, struct envelope *envelope, const struct shape **shape)
{
	const struct shape *before = envelope->before.shape;
	const struct shape *after = envelope->after.shape;

	*shape = after != NULL ? after : before;
	switch (envelope->operation) {
	case CHANGE_DELETE:
		if (before == NULL)
			return "a delete without `before`: the table has no replica identity";
		break;
	case CHANGE_TRUNCATE:
		envelope->before.shape = envelope->after.shape = NULL;
		*shape = decoder->empty;
		return NULL;
	default:
		if (after == NULL)
			return "an insert, update or snapshot row without `after`";
	}
	if (before != NULL && after != NULL && before != after)
		return "`before` and `after` have not the same fields";
	return NULL;
}

/* A logical decoding message has one relation: the prefix, and the content as base64. */
static const struct relation *message_relation(struct decoder *decoder)
{
	struct envelope *envelope = &decoder->envelope;
	struct row *row = &envelope->after;

	if (row->capacity < 2) {
		row->capacity = 2;
		row->values = memory_grow(row->values, row->capacity, sizeof(*row->values));
	}
	row->shape = decoder->message_shape;
	row->values[0] = envelope->message_prefix;
	row->values[1] = envelope->message_content;
	envelope->before.shape = NULL;
	return registry_relation(registry_message_collection(), slice_from(""), slice_from("message"), row->shape,
	                         decoder->empty, NULL);
}

static struct error *find_row_relation(struct decoder *decoder, struct partition_cache *partition,
                                       const struct raw_message *message, const struct relation **relation)
{
	struct envelope *envelope = &decoder->envelope;
	const struct envelope_source *source = &envelope->source;
	const struct shape *shape;
	const struct shape *key = decoder->empty;
	const char *missing = NULL;
	const char *problem = check_rows(decoder, envelope, &shape);
	struct table *table = partition->last_table;

	if (problem != NULL)
		return decode_error(message, NULL, no_column, problem);
	if (source->schema.kind != SCAN_STRING)
		return decode_error(message, "source.schema", no_column, "missing");
	if (source->table.kind != SCAN_STRING)
		return decode_error(message, "source.table", no_column, "missing");
	if (envelope->operation != CHANGE_TRUNCATE) {
		struct error *error = decode_key(decoder, partition, message, &key);

		if (error != NULL)
			return error;
	}
	if (table == NULL || !is_table(table, source))
		table = find_table(decoder, partition, source);
	*relation = find_relation(table, source, shape, key, &missing);
	if (*relation == NULL)
		return decode_error(
		    message, "key", slice_from(missing),
		    "the row has no such column; if a transform of the connector adds it "
		    "(ByLogicalTableRouter), set its key.enforce.uniqueness=false; if column.exclude.list "
		    "leaves it out, remove it there");
	return NULL;
}

/*
 * Marks the values that did not change and finds the other key of a key change, where it matters. Only an update and the
 * second half of a key change leave a value out: the same text in any other row is a value of the source.
 */
static struct error *find_unchanged(struct decoder *decoder, struct partition_cache *partition,
                                    const struct raw_message *message, const struct relation *relation,
                                    struct row **other_key)
{
	struct envelope *envelope = &decoder->envelope;
	const bool changes = envelope->operation == CHANGE_UPDATE || envelope->operation == CHANGE_INSERT;
	const bool unchanged =
	    changes && has_placeholder(&decoder->placeholder, &envelope->after, relation->column_count);

	*other_key = NULL;
	if (relation->key_count > 0 && envelope->operation == CHANGE_DELETE)
		TRY(decode_key_header(decoder, partition, message, "__debezium.newkey", relation, other_key));
	if (relation->key_count > 0 && envelope->operation == CHANGE_INSERT && unchanged)
		TRY(decode_key_header(decoder, partition, message, "__debezium.oldkey", relation, other_key));
	if (unchanged && (envelope->operation == CHANGE_UPDATE || *other_key != NULL))
		mark_placeholders(&decoder->placeholder, &envelope->after, relation->column_count);
	return NULL;
}

/*
 * A snapshot row is an event with op "r" and without a transaction. The connector also marks streamed events with
 * source.snapshot = "true" after a blocking snapshot that was interrupted (seen with 3.7.0).
 */
static enum snapshot_mark snapshot_mark(const struct envelope *envelope)
{
	const struct envelope_source *source = &envelope->source;

	if (envelope->operation != CHANGE_READ || envelope->in_transaction)
		return SNAPSHOT_NONE;
	if (source->snapshot == SNAPSHOT_LAST || source->snapshot == SNAPSHOT_INCREMENTAL)
		return source->snapshot;
	return source->lsn == 0 && source->tx_id == 0 ? SNAPSHOT_INCREMENTAL : SNAPSHOT_ROW;
}

static struct error *fill_source(struct change *change, const struct envelope *envelope,
                                 const struct raw_message *message)
{
	const struct envelope_source *source = &envelope->source;

	memset(change, 0, sizeof(*change));
	change->tx_id = envelope->in_transaction ? envelope->transaction_tx_id : source->tx_id;
	change->lsn = source->lsn;
	change->previous_commit_lsn = source->previous_commit_lsn;
	change->total_order = envelope->total_order;
	change->source_us = source->ts_us;
	if (source->ts_us == 0 && __builtin_mul_overflow(source->ts_ms, 1000, &change->source_us))
		return decode_error(message, "source.ts_ms", no_column, "no time");
	change->timestamp_ms = message->timestamp_ms;
	change->offset = message->offset;
	change->partition = message->partition;
	change->operation = (uint8_t)envelope->operation;
	change->snapshot = (uint8_t)snapshot_mark(envelope);
	return NULL;
}

/* The rows that a change will hold, in the order of their arrays in the slab. */
struct parts {
	struct row *rows[3]; /* before, after, the other key; NULL: none */
	uint32_t counts[3];
	size_t values;
	size_t bytes; /* of text, at most */
};

static void add_part(struct parts *parts, int part, struct row *row, uint32_t count)
{
	if (row == NULL || row->shape == NULL)
		return;
	parts->rows[part] = row;
	parts->counts[part] = count;
	parts->values += count;
	parts->bytes += measure(row, count);
}

static struct change *put_change(struct slab_writer *writer, const struct change *head, const struct parts *parts)
{
	struct change *change =
	    slab_reserve(writer, sizeof(*change) + parts->values * sizeof(struct value) + parts->bytes);
	struct value *values = (struct value *)(change + 1);
	char *text = (char *)(values + parts->values);
	const struct value *arrays[3] = {NULL};

	for (int part = 0; part < 3; part++)
		if (parts->rows[part] != NULL)
			arrays[part] = put_values(parts->rows[part], parts->counts[part], &values, &text);
	*change = *head;
	change->before = arrays[0];
	change->after = arrays[1];
	change->other_key = arrays[2];
	change->bytes = (uint32_t)(text - (char *)change);
	change->slab = slab_commit(writer, change->bytes);
	return change;
}

struct error *decode_change(struct decoder *decoder, struct partition_cache *partition,
                            const struct raw_message *message, struct slab_writer *writer, struct change **change)
{
	struct envelope *envelope = &decoder->envelope;
	struct change head;
	struct row *other;
	struct parts parts = {.rows = {NULL}};

	TRY(fill_source(&head, envelope, message));
	if (envelope->operation == CHANGE_MESSAGE)
		head.relation = message_relation(decoder);
	else
		TRY(find_row_relation(decoder, partition, message, &head.relation));
	TRY(find_unchanged(decoder, partition, message, head.relation, &other));
	add_part(&parts, 0, &envelope->before, head.relation->column_count);
	add_part(&parts, 1, &envelope->after, head.relation->column_count);
	add_part(&parts, 2, other, head.relation->key_count);
	*change = put_change(writer, &head, &parts);
	return NULL;
}
