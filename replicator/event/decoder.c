/*
 * decoder.c - see decoder.h: one message in, one change or mark out.
 *
 * NOTES
 *   envelope.c reads the message, decode_change.c and decode_mark.c make the result; here is what lives from message to
 *   message, and the decision what a message is.
 */
#include "event/decode.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_LIMIT ((size_t)1 << 30) /* lengths of values have 32 bits */

static const struct slice no_column;

struct error *decode_error(const struct raw_message *message, const char *field, struct slice column, const char *what)
{
	if (field == NULL)
		return error_new(ERROR_EVENT, "%s[%" PRId32 "]@%" PRId64 ": %s", message->topic, message->partition_id,
		                 message->offset, what);
	return error_new(ERROR_EVENT, "%s[%" PRId32 "]@%" PRId64 ": field %s%s%.*s: %s", message->topic,
	                 message->partition_id, message->offset, field, column.length > 0 ? "." : "",
	                 (int)column.length, column.length > 0 ? column.data : "", what);
}

static const struct shape *new_message_shape(void)
{
	const struct column columns[] = {
	    {.name = "prefix", .schema_name = "", .encoding = ENCODING_TEXT, .optional = true},
	    {.name = "content", .schema_name = "", .encoding = ENCODING_BYTES, .optional = true},
	};

	return registry_shape(columns, 2, true);
}

struct decoder *decoder_new(const struct decoder_options *options)
{
	struct decoder *decoder = memory_alloc(sizeof(*decoder));

	placeholder_init(&decoder->placeholder, options != NULL ? options->unavailable_placeholder : NULL);
	decoder->schemas = schema_cache_new();
	decoder->key_schemas = schema_cache_new();
	decoder->tables = map_new();
	decoder->collections = map_new();
	decoder->empty = registry_empty_shape();
	decoder->message_shape = new_message_shape();
	return decoder;
}

static void table_free(void *pointer)
{
	struct table *table = pointer;

	free((void *)(uintptr_t)table->schema.data);
	free((void *)(uintptr_t)table->table.data);
	free(table->relations);
	free(table);
}

static void partition_free(struct partition_cache *partition)
{
	if (partition == NULL)
		return;
	shape_list_close(&partition->rows);
	shape_list_close(&partition->keys);
	free(partition);
}

void decoder_free(struct decoder *decoder)
{
	if (decoder == NULL)
		return;
	for (uint32_t i = 0; i < decoder->partition_count; i++)
		partition_free(decoder->partitions[i]);
	free(decoder->partitions);
	schema_cache_free(decoder->schemas);
	schema_cache_free(decoder->key_schemas);
	map_free(decoder->tables, table_free);
	map_free(decoder->collections, NULL);
	envelope_close(&decoder->envelope);
	row_close(&decoder->key);
	row_close(&decoder->header);
	row_close(&decoder->other);
	placeholder_close(&decoder->placeholder);
	free(decoder->counts);
	free(decoder);
}

const struct collection *decoder_collection(struct decoder *decoder, const char *schema, const char *table)
{
	(void)decoder;
	return registry_collection(slice_from(schema), slice_from(table));
}

static struct partition_cache *find_partition(struct decoder *decoder, uint32_t number)
{
	if (number >= decoder->partition_count) {
		const uint32_t count = number + 16;

		decoder->partitions = memory_grow(decoder->partitions, count, sizeof(*decoder->partitions));
		memset(decoder->partitions + decoder->partition_count, 0,
		       (count - decoder->partition_count) * sizeof(*decoder->partitions));
		decoder->partition_count = count;
	}
	if (decoder->partitions[number] == NULL)
		decoder->partitions[number] = memory_alloc(sizeof(struct partition_cache));
	return decoder->partitions[number];
}

/* Reads the whole value into decoder->envelope; *nothing: it is a null. */
static bool read_value(struct decoder *decoder, struct partition_cache *partition, struct scan_cursor *cursor,
                       bool *nothing)
{
	const struct schema_prefix *prefix;
	struct envelope_shapes shapes = {.known = &partition->rows};

	decoder->envelope.field = NULL;
	decoder->envelope.column = no_column;
	if (!schema_cache_take(decoder->schemas, &partition->values_schemas, cursor, true, &prefix)) {
		decoder->envelope.field = "schema";
		return false;
	}
	shapes.typed = prefix != NULL ? prefix->shape : NULL;
	scan_space(cursor);
	*nothing = scan_take(cursor, "null", 4);
	if (!*nothing && !envelope_scan(&decoder->envelope, cursor, &shapes))
		return false;
	decoder->envelope.field = NULL;
	if (prefix != NULL && !scan_take_byte(cursor, '}'))
		return scan_fail(cursor, "the object around the payload does not end");
	return scan_at_end(cursor);
}

static struct error *malformed(const struct decoder *decoder, const struct raw_message *message,
                               const struct scan_cursor *cursor)
{
	char what[160];

	snprintf(what, sizeof(what), "%s, at byte %zu of the JSON", cursor->problem,
	         (size_t)(cursor->at - cursor->start));
	return decode_error(message, decoder->envelope.field, decoder->envelope.column, what);
}

struct error *decoder_decode(struct decoder *decoder, const struct raw_message *message, struct slab_writer *writer,
                             struct decoded *decoded)
{
	const struct envelope *envelope = &decoder->envelope;
	struct partition_cache *partition = find_partition(decoder, message->partition);
	struct scan_cursor cursor;
	bool nothing;

	*decoded = (struct decoded){.kind = DECODED_NOTHING};
	if (message->value.data == NULL)
		return NULL;
	if (message->value.length > MESSAGE_LIMIT)
		return decode_error(message, NULL, no_column, "a message of more than 1 GB");
	scan_begin(&cursor, message->value);
	if (!read_value(decoder, partition, &cursor, &nothing))
		return malformed(decoder, message, &cursor);
	if (nothing || envelope->has_ts_only)
		return NULL;
	if (envelope->has_mark) {
		decoded->kind = DECODED_MARK;
		return decode_mark(decoder, message, writer, &decoded->mark);
	}
	if (envelope->operation == 0)
		return decode_error(message, NULL, no_column,
		                    "no `op`: this is no change event with Debezium's envelope; flattened events "
		                    "(ExtractNewRecordState) are not supported yet");
	if (!envelope->has_source)
		return decode_error(message, NULL, no_column,
		                    "no `source`: the envelope does not say which table changed");
	decoded->kind = DECODED_CHANGE;
	return decode_change(decoder, partition, message, writer, &decoded->change);
}
