/* avro.c - see avro.h */
#include "event/avro.h"

#include "event/base64.h"
#include "event/json_scan.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_LIMIT ((size_t)1 << 30) /* lengths of values have 32 bits */
#define JSON_START ((size_t)1 << 20)
#define JSON_GROWTH 1024 /* a byte may become a null with its label */

static bool read_value(struct avro_reader *reader, const struct avro_type *type);

static bool fail(struct avro_reader *reader, const char *problem)
{
	reader->problem = problem;
	return false;
}

static bool fail_short(struct avro_reader *reader)
{
	return fail(reader, "the Avro data end too early");
}

static size_t left(const struct avro_reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

/* Zigzag, seven bits a byte, the lowest first. */
static bool read_long(struct avro_reader *reader, int64_t *number)
{
	uint64_t bits = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		unsigned char byte;

		if (reader->at == reader->end)
			return fail_short(reader);
		byte = *reader->at++;
		bits |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*number = (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
			return shift < 63 || byte <= 1 || fail(reader, "a number of more than 64 bits");
		}
	}
	return fail(reader, "a number of more than 64 bits");
}

static bool read_length(struct avro_reader *reader, size_t *length)
{
	int64_t number;

	if (!read_long(reader, &number))
		return false;
	*length = (size_t)number;
	return (number >= 0 && (uint64_t)number <= left(reader)) || fail_short(reader);
}

static void put(struct avro_reader *reader, const char *text)
{
	buffer_append_text(reader->json, text);
}

static bool put_integer(struct avro_reader *reader, bool narrow)
{
	char text[24];
	char *at = text + sizeof(text);
	int64_t number;
	uint64_t rest;

	if (!read_long(reader, &number))
		return false;
	if (narrow && (number < INT32_MIN || number > INT32_MAX))
		return fail(reader, "a number of more than 32 bits, where the schema says int");
	rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
	do
		*--at = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (number < 0)
		*--at = '-';
	buffer_append(reader->json, at, (size_t)(text + sizeof(text) - at));
	return true;
}

/* Little-endian IEEE 754; the digits are enough to read back the same number. */
static bool put_floating(struct avro_reader *reader, bool wide)
{
	const size_t size = wide ? 8 : 4;
	uint64_t bits = 0;
	double number;

	if (left(reader) < size)
		return fail_short(reader);
	for (size_t i = 0; i < size; i++)
		bits |= (uint64_t)reader->at[i] << (8 * i);
	reader->at += size;
	if (wide) {
		memcpy(&number, &bits, sizeof(number));
	} else {
		const uint32_t half = (uint32_t)bits;
		float narrow;

		memcpy(&narrow, &half, sizeof(narrow));
		number = (double)narrow;
	}
	if (isnan(number))
		put(reader, "\"NaN\"");
	else if (isinf(number))
		put(reader, number > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	else
		buffer_append_format(reader->json, "%.*g", wide ? 17 : 9, number);
	return true;
}

static void put_base64(struct avro_reader *reader, size_t length)
{
	struct buffer *json = reader->json;

	buffer_append_byte(json, '"');
	buffer_reserve(json, BASE64_ENCODED_SIZE(length));
	json->length += base64_encode((struct slice){(const char *)reader->at, length}, json->data + json->length);
	buffer_append_byte(json, '"');
	reader->at += length;
}

static void put_string(struct avro_reader *reader, size_t length)
{
	buffer_append_byte(reader->json, '"');
	scan_escape(reader->json, (struct slice){(const char *)reader->at, length});
	buffer_append_byte(reader->json, '"');
	reader->at += length;
}

/* The problem's place is that of the record which is left by it. */
static bool read_record(struct avro_reader *reader, const struct avro_type *type)
{
	const uint32_t level = reader->records++;

	buffer_append_byte(reader->json, '{');
	for (uint32_t i = 0; i < type->count; i++) {
		const struct avro_member *field = &type->members[i];

		if (level < AVRO_PATH_LIMIT)
			reader->path[level] = field->name;
		buffer_append(reader->json, field->label.data + (i == 0), field->label.length - (i == 0));
		if (!read_value(reader, field->type))
			return false;
	}
	buffer_append_byte(reader->json, '}');
	if (level < AVRO_PATH_LIMIT)
		reader->path[level] = NULL;
	reader->records--;
	return true;
}

/* The key of a map's entry becomes a field's name: null too has to be one. */
static bool read_entry_key(struct avro_reader *reader, const struct avro_type *type)
{
	const size_t start = reader->json->length;

	if (!read_value(reader, type))
		return false;
	return reader->json->data[start] == '"' || fail(reader, "a key of a map that is no string");
}

static bool read_item(struct avro_reader *reader, const struct avro_type *type)
{
	size_t length;

	if (type->kind == AVRO_MAP) {
		if (!read_length(reader, &length))
			return false;
		put_string(reader, length);
		put(reader, ":");
		return read_value(reader, type->items);
	}
	if (!type->entries)
		return read_value(reader, type->items);
	if (!read_entry_key(reader, type->items->members[0].type))
		return false;
	put(reader, ":");
	return read_value(reader, type->items->members[1].type);
}

/* Blocks of items, the last one empty. A negative count is followed by the block's size in bytes. */
static bool read_blocks(struct avro_reader *reader, const struct avro_type *type)
{
	const bool object = type->kind == AVRO_MAP || type->entries;
	bool first = true;
	int64_t count;
	int64_t size;

	put(reader, object ? "{" : "[");
	for (;;) {
		if (!read_long(reader, &count))
			return false;
		if (count == 0)
			break;
		if (count < 0 && (count == INT64_MIN || !read_long(reader, &size)))
			return reader->problem != NULL ? false : fail_short(reader);
		count = count < 0 ? -count : count;
		if ((uint64_t)count > left(reader)) /* no item that Connect writes takes less than a byte */
			return fail_short(reader);
		for (; count > 0; count--, first = false) {
			if (!first)
				put(reader, ",");
			if (!read_item(reader, type))
				return false;
		}
	}
	put(reader, object ? "}" : "]");
	return true;
}

static bool read_member(struct avro_reader *reader, const struct avro_type *type, const struct avro_member **member)
{
	int64_t number;

	if (!read_long(reader, &number))
		return false;
	if (number < 0 || (uint64_t)number >= type->count)
		return fail(reader,
		            "a branch or symbol that the schema does not have: the schema does not fit the data");
	*member = &type->members[number];
	return true;
}

static bool read_boolean(struct avro_reader *reader)
{
	if (reader->at == reader->end)
		return fail_short(reader);
	if (*reader->at > 1)
		return fail(reader, "no boolean: the schema does not fit the data");
	put(reader, *reader->at++ == 1 ? "true" : "false");
	return true;
}

static bool read_bytes(struct avro_reader *reader, bool string)
{
	size_t length;

	if (!read_length(reader, &length))
		return false;
	if (string)
		put_string(reader, length);
	else
		put_base64(reader, length);
	return true;
}

static bool read_simple(struct avro_reader *reader, const struct avro_type *type)
{
	switch (type->kind) {
	case AVRO_NULL:
		put(reader, "null");
		return true;
	case AVRO_BOOLEAN:
		return read_boolean(reader);
	case AVRO_INT:
	case AVRO_LONG:
		return put_integer(reader, type->kind == AVRO_INT);
	case AVRO_FLOAT:
	case AVRO_DOUBLE:
		return put_floating(reader, type->kind == AVRO_DOUBLE);
	case AVRO_FIXED:
		if (left(reader) < type->size)
			return fail_short(reader);
		put_base64(reader, type->size);
		return true;
	default:
		return read_bytes(reader, type->kind == AVRO_STRING);
	}
}

static bool read_value(struct avro_reader *reader, const struct avro_type *type)
{
	const struct avro_member *member;
	bool good;

	if (reader->json->length > reader->limit)
		return fail(reader, "more text than such a message can have, or than 1 GB");
	if (type->kind < AVRO_ENUM)
		return read_simple(reader, type);
	if (++reader->depth > SCAN_NESTING_LIMIT)
		return fail(reader, "values nested too deeply");
	switch (type->kind) {
	case AVRO_RECORD:
		good = read_record(reader, type);
		break;
	case AVRO_ARRAY:
	case AVRO_MAP:
		good = read_blocks(reader, type);
		break;
	default:
		good = read_member(reader, type, &member);
		if (good && type->kind == AVRO_ENUM)
			buffer_append(reader->json, member->label.data, member->label.length);
		else if (good)
			good = read_value(reader, member->type);
	}
	reader->depth--;
	return good;
}

bool avro_to_json(struct avro_reader *reader, const struct avro_type *type, struct slice data, struct buffer *json)
{
	*reader = (struct avro_reader){.at = (const unsigned char *)data.data, .json = json};
	reader->end = reader->at + data.length;
	reader->limit = data.length < JSON_LIMIT / JSON_GROWTH ? JSON_START + data.length * JSON_GROWTH : JSON_LIMIT;
	if (!read_value(reader, type))
		return false;
	return reader->at == reader->end || fail(reader, "more bytes than the schema tells of");
}
