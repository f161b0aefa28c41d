/*
 * decode_key.c - the message key, and the keys in the headers of a key change.
 *
 * NOTES
 *   Of the message key only the names of its fields are wanted: they say which columns identify a row. The values stand
 *   in `before` and `after`.
 *
 *   Headers are written by Kafka Connect's SimpleHeaderConverter, which escapes quotes and backslashes but no control
 *   characters.
 */
#include "event/decode.h"

#include "base/memory.h"
#include "event/avro.h"

static const struct slice no_column;

/* Reads a key of either form of JSON from the cursor on; row->shape NULL: a null key. */
static bool read_key(struct decoder *decoder, struct partition_cache *partition, bool schemaless, struct row *row,
                     struct scan_cursor *cursor, struct slice *column)
{
	const struct schema_prefix *prefix = NULL;

	if (!schemaless && !schema_cache_take(decoder->key_schemas, &partition->keys_schemas, cursor, false, &prefix))
		return false;
	scan_space(cursor);
	row->shape = NULL;
	if (!scan_take(cursor, "null", 4) && !row_scan(row, cursor, &partition->keys, column))
		return false;
	if (prefix != NULL && !scan_take_byte(cursor, '}'))
		return scan_fail(cursor, "the object around the payload does not end");
	return scan_at_end(cursor);
}

struct error *decode_key(struct decoder *decoder, struct partition_cache *partition, const struct raw_message *message,
                         const struct shape **key)
{
	const struct avro_schema *schema;
	struct scan_cursor cursor;
	struct slice column = no_column;
	struct slice text;

	*key = decoder->empty;
	if (message->key.data == NULL)
		return NULL;
	TRY(decode_text(decoder, message, "key", message->key, &decoder->key_text, &text, &schema));
	scan_begin(&cursor, text);
	if (!read_key(decoder, partition, schema != NULL, &decoder->key, &cursor, &column))
		return decode_error(message, "key", column, cursor.problem);
	if (decoder->key.shape != NULL)
		*key = decoder->key.shape;
	return NULL;
}

/* Puts the header's values into the order of the relation's key. */
static bool sort_values(struct decoder *decoder, const struct relation *relation, struct slice *column)
{
	const struct row *header = &decoder->header;
	struct row *other = &decoder->other;

	if (other->capacity < relation->key_count) {
		other->capacity = relation->key_count;
		other->values = memory_grow(other->values, other->capacity, sizeof(*other->values));
	}
	for (uint32_t i = 0; i < relation->key_count; i++) {
		const char *name = relation->columns[relation->key_columns[i]].name;
		uint32_t j = 0;

		while (j < header->shape->count && strcmp(header->shape->columns[j].name, name) != 0)
			j++;
		*column = slice_from(name);
		if (j == header->shape->count)
			return false;
		other->values[i] = header->values[j];
	}
	other->shape = header->shape;
	return header->shape->count == relation->key_count;
}

struct error *decode_key_header(struct decoder *decoder, struct partition_cache *partition,
                                const struct raw_message *message, const char *header, const struct relation *relation,
                                struct row **row)
{
	const struct avro_schema *schema;
	struct scan_cursor cursor;
	struct slice column = no_column;
	struct slice text;

	*row = NULL;
	if (message->header == NULL || !message->header(message, header, &text) || text.data == NULL)
		return NULL;
	TRY(decode_text(decoder, message, header, text, &decoder->key_text, &text, &schema));
	scan_begin(&cursor, text);
	cursor.lenient = true;
	if (!read_key(decoder, partition, schema != NULL, &decoder->header, &cursor, &column))
		return decode_error(message, header, column, cursor.problem);
	if (decoder->header.shape == NULL || !sort_values(decoder, relation, &column))
		return decode_error(message, header, column,
		                    "the header's key has not the fields of the message's key");
	*row = &decoder->other;
	return NULL;
}
