/*
 * decoder.c - see decoder.h: one message in, one change or mark out.
 *
 * NOTES
 *   envelope.c reads the message, decode_change.c and decode_mark.c make the result; here is what lives from message to
 *   message, and the decision what a message is.
 */
#include "event/decode.h"

#include "base/memory.h"
#include "config/config.h"
#include "event/avro.h"
#include "event/flattened.h"

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

	return registry_shape(columns, 2, SHAPE_TYPED);
}

struct decoder_options decoder_options(const struct config *config)
{
	return (struct decoder_options){
	    .unavailable_placeholder = config->decoding.unavailable_placeholder,
	    .added_fields = config->decoding.added_fields,
	    .added_field_count = config->decoding.added_field_count,
	    .registry = {.url = config->registry.url,
	                 .user = config->registry.user,
	                 .password = config->registry.password,
	                 .ca_file = config->registry.ca_file},
	};
}

struct decoder *decoder_new(const struct decoder_options *options)
{
	struct decoder *decoder = memory_alloc(sizeof(*decoder));

	placeholder_init(&decoder->placeholder, options != NULL ? options->unavailable_placeholder : NULL);
	decoder->schemas = schema_cache_new();
	decoder->key_schemas = schema_cache_new();
	decoder->registry = schema_registry_new(options != NULL ? &options->registry : NULL);
	decoder->flattened = flattened_new(options != NULL ? options->added_fields : NULL,
	                                   options != NULL ? options->added_field_count : 0);
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
	schema_registry_free(decoder->registry);
	flattened_free(decoder->flattened);
	buffer_free(&decoder->value_text);
	buffer_free(&decoder->key_text);
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

struct schema_registry *decoder_registry(struct decoder *decoder)
{
	return decoder->registry;
}

struct error *decode_text(struct decoder *decoder, const struct raw_message *message, const char *field,
                          struct slice bytes, struct buffer *buffer, struct slice *text,
                          const struct avro_schema **schema)
{
	const unsigned char *header = (const unsigned char *)bytes.data;
	struct avro_reader reader;
	uint32_t id;

	*schema = NULL;
	*text = bytes;
	if (bytes.length < AVRO_WIRE_HEADER || header[0] != 0)
		return NULL;
	id = (uint32_t)header[1] << 24 | (uint32_t)header[2] << 16 | (uint32_t)header[3] << 8 | header[4];
	TRY(error_wrap(schema_registry_find(decoder->registry, id, schema), "%s[%" PRId32 "]@%" PRId64 ", %s",
	               message->topic, message->partition_id, message->offset, field));
	bytes.data += AVRO_WIRE_HEADER;
	bytes.length -= AVRO_WIRE_HEADER;
	buffer_reset(buffer);
	if (!avro_to_json(&reader, avro_schema_root(*schema), bytes, buffer))
		return decode_error(message, reader.path[0] != NULL ? reader.path[0] : field,
		                    reader.path[1] != NULL ? slice_from(reader.path[1]) : no_column, reader.problem);
	*text = (struct slice){buffer->data, buffer->length};
	return NULL;
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

/* The object at the cursor as a row without envelope; else, or when it is none, with one. */
static bool read_untold(struct decoder *decoder, struct partition_cache *partition, struct scan_cursor *cursor,
                        const struct envelope_shapes *shapes)
{
	const struct envelope *envelope = &decoder->envelope;
	const struct scan_cursor start = *cursor;

	for (int attempt = 0; attempt < 2; attempt++) {
		*cursor = start;
		decoder->envelope.column = no_column;
		if (partition->flattened &&
		    flattened_scan(decoder->flattened, &decoder->envelope, cursor, shapes, &partition->flattened) &&
		    partition->flattened)
			return true;
		if (partition->flattened)
			return false;
		*cursor = start;
		if (envelope_scan(&decoder->envelope, cursor, shapes) && !envelope->flattened &&
		    (envelope->operation != 0 || envelope->has_mark || envelope->has_ts_only))
			return true;
		partition->flattened = attempt == 0;
	}
	return cursor->problem == NULL;
}

static bool read_object(struct decoder *decoder, struct partition_cache *partition, struct scan_cursor *cursor,
                        const struct shape *typed, bool flattened)
{
	const struct envelope_shapes shapes = {.typed = typed, .known = &partition->rows};

	if (typed == NULL)
		return read_untold(decoder, partition, cursor, &shapes);
	if (flattened)
		return flattened_scan(decoder->flattened, &decoder->envelope, cursor, &shapes, &flattened);
	return envelope_scan(&decoder->envelope, cursor, &shapes);
}

/* Reads the whole value into decoder->envelope; *nothing: it is a null. */
static bool read_value(struct decoder *decoder, struct partition_cache *partition, struct scan_cursor *cursor,
                       const struct avro_schema *schema, bool *nothing)
{
	const struct schema_prefix *prefix = NULL;
	const struct shape *typed = NULL;
	bool flattened = false;

	decoder->envelope.field = NULL;
	decoder->envelope.column = no_column;
	if (schema == NULL && !schema_cache_take(decoder->schemas, &partition->values_schemas, cursor, true, &prefix)) {
		decoder->envelope.field = "schema";
		return false;
	}
	if (prefix != NULL) {
		typed = prefix->shape;
		flattened = prefix->flattened;
	} else if (schema != NULL) {
		flattened = avro_schema_fields(schema) != NULL && flattened_has(avro_schema_fields(schema));
		typed = flattened ? avro_schema_fields(schema) : avro_schema_row(schema);
	}
	scan_space(cursor);
	*nothing = scan_take(cursor, "null", 4);
	if (!*nothing && !read_object(decoder, partition, cursor, typed, flattened))
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
	const struct avro_schema *schema;
	struct scan_cursor cursor;
	struct slice text;
	bool nothing;

	*decoded = (struct decoded){.kind = DECODED_NOTHING};
	if (message->value.data == NULL)
		return NULL;
	if (message->value.length > MESSAGE_LIMIT)
		return decode_error(message, NULL, no_column, "a message of more than 1 GB");
	TRY(decode_text(decoder, message, "value", message->value, &decoder->value_text, &text, &schema));
	scan_begin(&cursor, text);
	if (!read_value(decoder, partition, &cursor, schema, &nothing))
		return malformed(decoder, message, &cursor);
	if (nothing || envelope->has_ts_only)
		return NULL;
	if (envelope->has_mark) {
		decoded->kind = DECODED_MARK;
		return decode_mark(decoder, message, writer, &decoded->mark);
	}
	if (envelope->operation == 0)
		return decode_error(message, NULL, no_column,
		                    "no `op`: this is no change event with Debezium's envelope, and no flattened one "
		                    "with the fields that the transform ExtractNewRecordState must add: "
		                    "add.fields=op,source.schema,source.table,source.txId,source.lsn,source.ts_ms,"
		                    "source.snapshot and delete.tombstone.handling.mode=rewrite");
	if (!envelope->has_source)
		return decode_error(message, NULL, no_column,
		                    "no `source`: the envelope does not say which table changed");
	decoded->kind = DECODED_CHANGE;
	return decode_change(decoder, partition, message, writer, &decoded->change);
}
