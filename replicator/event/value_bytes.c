/* value_bytes.c - bytea, bit strings, geometries, and types that the connector passes on as bytes. */
#include "event/conversion.h"

#include "base/arena.h"

#include <string.h>

static char *put_hex(char *out, struct slice bytes)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes.length; i++) {
		const unsigned byte = (unsigned char)bytes.data[i];

		*out++ = digits[byte >> 4];
		*out++ = digits[byte & 15];
	}
	return out;
}

struct error *convert_bytea(const struct conversion *conversion, const struct value *value, struct arena *arena,
                            struct value *converted)
{
	struct slice bytes;
	char *text;
	char *end;

	(void)conversion;
	if (value->kind != VALUE_STRING || !conversion_bytes(value_slice(value), arena, &bytes))
		return conversion_mismatch(value, "bytes as base64 (binary.handling.mode)");
	text = arena_alloc(arena, 2 + 2 * bytes.length);
	memcpy(text, "\\x", 2);
	end = put_hex(text + 2, bytes);
	converted_text(converted, text, (size_t)(end - text));
	return NULL;
}

struct error *convert_hex(const struct conversion *conversion, const struct value *value, struct arena *arena,
                          struct value *converted)
{
	char *text;

	(void)conversion;
	if (value->kind != VALUE_STRING || value->length % 2 != 0)
		return conversion_mismatch(value, "bytes as hex (binary.handling.mode=hex)");
	text = arena_alloc(arena, 2 + (size_t)value->length);
	memcpy(text, "\\x", 2);
	memcpy(text + 2, value->data, value->length);
	converted_text(converted, text, 2 + (size_t)value->length);
	return NULL;
}

struct error *convert_byte_text(const struct conversion *conversion, const struct value *value, struct arena *arena,
                                struct value *converted)
{
	struct slice bytes;

	(void)conversion;
	if (value->kind != VALUE_STRING || !conversion_bytes(value_slice(value), arena, &bytes))
		return conversion_mismatch(value, "base64 of a text (include.unknown.datatypes)");
	converted_text(converted, bytes.data, bytes.length);
	return NULL;
}

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

struct error *convert_hex_text(const struct conversion *conversion, const struct value *value, struct arena *arena,
                               struct value *converted)
{
	char *text;

	(void)conversion;
	if (value->kind != VALUE_STRING || value->length % 2 != 0)
		return conversion_mismatch(value,
		                           "hex of a text (include.unknown.datatypes, binary.handling.mode=hex)");
	text = arena_alloc(arena, value->length / 2 + 1);
	for (uint32_t i = 0; i < value->length; i += 2) {
		const int high = hex_digit(value->data[i]);
		const int low = hex_digit(value->data[i + 1]);

		if (high < 0 || low < 0)
			return conversion_mismatch(
			    value, "hex of a text (include.unknown.datatypes, binary.handling.mode=hex)");
		text[i / 2] = (char)(high << 4 | low);
	}
	converted_text(converted, text, value->length / 2);
	return NULL;
}

static bool bit_at(struct slice bytes, size_t bit)
{
	return bit / 8 < bytes.length && ((unsigned char)bytes.data[bit / 8] >> (bit % 8) & 1) != 0;
}

/* bit(1) is a boolean. The bytes of longer ones end with the highest that is not zero: leading zeros are lost. */
struct error *convert_bits(const struct conversion *conversion, const struct value *value, struct arena *arena,
                           struct value *converted)
{
	struct slice bytes;
	size_t length = (size_t)conversion->length;
	char *text;

	if (value->kind == VALUE_BOOLEAN) {
		converted_text(converted, value->data[0] == 't' ? "1" : "0", 1);
		return NULL;
	}
	if (value->kind != VALUE_STRING || !conversion_bytes(value_slice(value), arena, &bytes))
		return conversion_mismatch(value, "a bit string as base64");
	if (length == 0) {
		length = bytes.length * 8;
		while (length > 0 && !bit_at(bytes, length - 1))
			length--;
	}
	text = arena_alloc(arena, length + 1);
	for (size_t i = 0; i < length; i++)
		text[i] = bit_at(bytes, length - 1 - i) ? '1' : '0';
	converted_text(converted, text, length);
	return NULL;
}

enum { EWKB_HEAD = 5, EWKB_SRID = 0x20 };

/*
 * PostGIS's extended well-known binary form begins with the byte order and the type; a flag in the type's highest byte
 * says that the SRID follows. The connector sends it so; where the flag is missing the SRID that stands beside is put
 * in. (The text `SRID=4326;0101…` is taken for geometry, not for geography.)
 */
static struct slice with_srid(struct slice bytes, uint64_t srid, struct arena *arena)
{
	const bool little = bytes.length >= EWKB_HEAD && bytes.data[0] == 1;
	const size_t flags = little ? 4 : 1;
	char *made;

	if (srid == 0 || srid > UINT32_MAX || bytes.length < EWKB_HEAD || (bytes.data[flags] & EWKB_SRID) != 0)
		return bytes;
	made = arena_alloc(arena, bytes.length + 4);
	memcpy(made, bytes.data, EWKB_HEAD);
	made[flags] = (char)(made[flags] | EWKB_SRID);
	for (size_t i = 0; i < 4; i++)
		made[EWKB_HEAD + i] = (char)(srid >> (8 * (little ? i : 3 - i)));
	memcpy(made + EWKB_HEAD + 4, bytes.data + EWKB_HEAD, bytes.length - EWKB_HEAD);
	return (struct slice){made, bytes.length + 4};
}

/* PostGIS takes its binary form in hex. */
struct error *convert_geometry(const struct conversion *conversion, const struct value *value, struct arena *arena,
                               struct value *converted)
{
	static const struct scan_field fields[] = {SCAN_FIELD("wkb"), SCAN_FIELD("srid")};
	static const char expected[] = "a geometry ({\"wkb\":base64,\"srid\":number})";
	struct scan_token tokens[2];
	struct slice bytes;
	uint64_t srid = 0;
	char *text;

	(void)conversion;
	if (value->kind == VALUE_STRING) {
		*converted = *value;
		return NULL;
	}
	if (value->kind != VALUE_JSON || !conversion_fields(value_slice(value), fields, 2, tokens) ||
	    tokens[0].kind != SCAN_STRING || tokens[0].escaped ||
	    !conversion_bytes((struct slice){tokens[0].data, tokens[0].length}, arena, &bytes) ||
	    (tokens[1].kind != SCAN_NULL && !scan_unsigned(&tokens[1], &srid)))
		return conversion_mismatch(value, expected);
	bytes = with_srid(bytes, srid, arena);
	text = arena_alloc(arena, 2 * bytes.length);
	converted_text(converted, text, (size_t)(put_hex(text, bytes) - text));
	return NULL;
}
