/*
 * value_decimal.c - numeric and money: Kafka Connect's Decimal is an integer in two's complement, highest byte first,
 * to be divided by ten to the power of its scale.
 *
 * NOTES
 *   Nearly all are shorter than eight bytes; sixteen have an arithmetic of their own; longer ones are divided in words,
 *   up to the size of PostgreSQL's numeric (131072 digits before the point, 16383 behind it).
 */
#include "event/conversion.h"

#include "base/arena.h"
#include "event/base64.h"

#include <string.h>

#define MONEY_DIGITS 64

#define DECIMAL_BYTES 65536
#define SCALE_LIMIT 200000
#define WORD_DIGITS 9
#define WORD_BASE 1000000000u

typedef unsigned __int128 uint128;

static const char expected[] = "a decimal number (base64 of a two's complement integer)";

/* Digits of a magnitude, written so that they end at `end`; returns the first. */
static char *put_small(uint128 magnitude, char *end)
{
	do {
		/* 64-bit division as soon as it can be. */
		if (magnitude >> 64 == 0) {
			uint64_t rest = (uint64_t)magnitude;

			do
				*--end = (char)('0' + rest % 10);
			while ((rest /= 10) != 0);
			return end;
		}
		*--end = (char)('0' + (unsigned)(magnitude % 10));
		magnitude /= 10;
	} while (magnitude != 0);
	return end;
}

static char *put_word(uint32_t word, char *end, bool padded)
{
	char *limit = end - WORD_DIGITS;

	do
		*--end = (char)('0' + word % 10);
	while ((word /= 10) != 0);
	while (padded && end > limit)
		*--end = '0';
	return end;
}

/* Divides the words (lowest first) by a thousand million; returns the remainder. */
static uint32_t divide(uint32_t *words, size_t count)
{
	uint64_t rest = 0;

	for (size_t i = count; i > 0; i--) {
		rest = rest << 32 | words[i - 1];
		words[i - 1] = (uint32_t)(rest / WORD_BASE);
		rest %= WORD_BASE;
	}
	return (uint32_t)rest;
}

/* The magnitude of a long two's complement integer as words, lowest first. */
static size_t read_words(const uint8_t *bytes, size_t length, bool negative, uint32_t *words)
{
	const size_t count = (length + 3) / 4;
	uint32_t carry = negative;

	memset(words, 0, count * sizeof(*words));
	for (size_t i = 0; i < length; i++) {
		const uint32_t byte = bytes[length - 1 - i] ^ (negative ? 0xffu : 0);
		const uint32_t sum = byte + carry;

		words[i / 4] |= (sum & 0xff) << (8 * (i % 4));
		carry = sum >> 8;
	}
	/* The carry ends within the bytes: only zero would carry out, and zero is not negative. */
	return count;
}

static char *put_large(const uint8_t *bytes, size_t length, bool negative, char *end, struct arena *arena)
{
	uint32_t *words = arena_alloc(arena, (length + 3) / 4 * sizeof(*words));
	size_t count = read_words(bytes, length, negative, words);

	for (;;) {
		const uint32_t word = divide(words, count);

		while (count > 0 && words[count - 1] == 0)
			count--;
		end = put_word(word, end, count > 0);
		if (count == 0)
			return end;
	}
}

static uint128 read_small(const uint8_t *bytes, size_t length, bool negative)
{
	uint128 number = negative ? ~(uint128)0 : 0;

	for (size_t i = 0; i < length; i++)
		number = number << 8 | bytes[i];
	return negative ? 0 - number : number;
}

/*
 * The integer `bytes` with the point `scale` digits from its end. The room: sign, all digits, and zeros in front (scale
 * above zero) or behind (below).
 */
static void put_decimal(struct slice integer, int32_t scale, struct arena *arena, struct value *converted)
{
	const uint8_t *bytes = (const uint8_t *)integer.data;
	const size_t length = integer.length;
	const bool negative = length > 0 && bytes[0] >= 0x80;
	const size_t behind = scale > 0 ? (size_t)scale : 0;
	const size_t zeros = scale < 0 ? (size_t)-scale : 0;
	const size_t room = length * 5 / 2 + 24 + behind + zeros;
	char *start = arena_alloc(arena, room);
	char *end = start + room - zeros;
	char *first = length <= 16 ? put_small(read_small(bytes, length, negative), end)
	                           : put_large(bytes, length, negative, end, arena);

	memset(end, '0', zeros);
	end += zeros;
	while ((size_t)(end - first) <= behind)
		*--first = '0';
	if (behind > 0) {
		memmove(first - 1, first, (size_t)(end - first) - behind);
		first--;
		end[-(ptrdiff_t)behind - 1] = '.';
	}
	if (negative)
		*--first = '-';
	converted_text(converted, first, (size_t)(end - first));
}

static struct error *decode_decimal(struct slice base64, int32_t scale, struct arena *arena, const struct value *value,
                                    struct value *converted)
{
	struct slice integer;
	uint8_t small[32];

	if (base64.length <= 40) {
		integer.data = (const char *)small;
		if (!base64_decode(base64, small, &integer.length))
			return conversion_mismatch(value, expected);
	} else if (base64.length > DECIMAL_BYTES / 3 * 4 || !conversion_bytes(base64, arena, &integer)) {
		return conversion_mismatch(value, expected);
	}
	if (scale > SCALE_LIMIT || scale < -SCALE_LIMIT)
		return conversion_mismatch(value, expected);
	put_decimal(integer, scale, arena, converted);
	return NULL;
}

struct error *convert_decimal(const struct conversion *conversion, const struct value *value, struct arena *arena,
                              struct value *converted)
{
	/* JsonConverter's decimal.format=NUMERIC writes them as numbers. */
	if (value->kind == VALUE_NUMBER) {
		*converted = *value;
		return NULL;
	}
	if (value->kind != VALUE_STRING)
		return conversion_mismatch(value, expected);
	return decode_decimal(value_slice(value), conversion->scale, arena, value, converted);
}

struct error *convert_variable_decimal(const struct conversion *conversion, const struct value *value,
                                       struct arena *arena, struct value *converted)
{
	static const struct scan_field fields[] = {SCAN_FIELD("scale"), SCAN_FIELD("value")};
	static const char object[] = "a decimal number with its scale ({\"scale\":…,\"value\":…})";
	struct scan_token tokens[2];
	int64_t scale;

	(void)conversion;
	if (value->kind == VALUE_NUMBER) {
		*converted = *value;
		return NULL;
	}
	if (value->kind != VALUE_JSON || !conversion_fields(value_slice(value), fields, 2, tokens) ||
	    !scan_signed(&tokens[0], &scale) || scale > SCALE_LIMIT || scale < -SCALE_LIMIT)
		return conversion_mismatch(value, object);
	if (tokens[1].kind == SCAN_NUMBER) {
		*converted = conversion_token_value(&tokens[1], arena);
		return NULL;
	}
	if (tokens[1].kind != SCAN_STRING || tokens[1].escaped)
		return conversion_mismatch(value, object);
	return decode_decimal((struct slice){tokens[1].data, tokens[1].length}, (int32_t)scale, arena, value,
	                      converted);
}

struct error *convert_untold_decimal(const struct conversion *conversion, const struct value *value,
                                     struct arena *arena, struct value *converted)
{
	if (value->kind == VALUE_JSON)
		return convert_variable_decimal(conversion, value, arena, converted);
	if (value->kind == VALUE_STRING && !conversion->known_scale)
		return error_new(
		    ERROR_EVENT,
		    "nothing tells the scale of this decimal number: give the target's column the source's "
		    "numeric(precision, scale), or the connector decimal.handling.mode=string (and say so in "
		    "this program's settings), or use JSON with schema");
	return convert_decimal(conversion, value, arena, converted);
}

/* Debezium has names of its own for what is no number; NAN is one that PostgreSQL takes. */
struct error *convert_numeric_text(const struct conversion *conversion, const struct value *value, struct arena *arena,
                                   struct value *converted)
{
	(void)conversion;
	(void)arena;
	*converted = *value;
	if (value->kind == VALUE_JSON || value->kind == VALUE_BOOLEAN)
		return conversion_mismatch(value, "a number as text (decimal.handling.mode=string)");
	if (slice_is(value_slice(value), "POSITIVE_INFINITY"))
		converted_text(converted, "Infinity", 8);
	else if (slice_is(value_slice(value), "NEGATIVE_INFINITY"))
		converted_text(converted, "-Infinity", 9);
	return NULL;
}

/* `-9.25e3`: its digits without point, how many stand before the point, and the sign. False: no such number. */
static bool take_apart(struct slice text, char *digits, size_t *count, long *before_point, bool *negative)
{
	size_t i = 0;
	bool point = false;
	char *end = NULL;
	long exponent = 0;

	*negative = text.length > 0 && text.data[0] == '-';
	*count = 0;
	*before_point = 0;
	for (i += *negative; i < text.length && (text.data[i] == '.' || (text.data[i] >= '0' && text.data[i] <= '9'));
	     i++) {
		if (text.data[i] == '.') {
			if (point)
				return false;
			point = true;
		} else {
			digits[(*count)++] = text.data[i];
			*before_point += !point;
		}
	}
	if (i < text.length) {
		char rest[16];

		if ((text.data[i] != 'e' && text.data[i] != 'E') || text.length - i >= sizeof(rest))
			return false;
		memcpy(rest, text.data + i + 1, text.length - i - 1);
		rest[text.length - i - 1] = '\0';
		exponent = strtol(rest, &end, 10);
		if (end == rest || *end != '\0')
			return false;
	}
	*before_point += exponent;
	return *count > 0 && *before_point > -MONEY_DIGITS && *before_point < MONEY_DIGITS;
}

/* money takes no exponent. */
struct error *convert_money(const struct conversion *conversion, const struct value *value, struct arena *arena,
                            struct value *converted)
{
	char digits[MONEY_DIGITS];
	size_t count;
	long point;
	bool negative;
	char *text;
	char *at;

	(void)conversion;
	*converted = *value;
	if (value->kind != VALUE_NUMBER && value->kind != VALUE_STRING)
		return conversion_mismatch(value, "an amount of money");
	if (value->length >= sizeof(digits) || !take_apart(value_slice(value), digits, &count, &point, &negative))
		return NULL; /* the server says what it thinks of it */
	at = text = arena_alloc(arena, 3 * MONEY_DIGITS);
	if (negative)
		*at++ = '-';
	if (point <= 0)
		*at++ = '0';
	for (long i = point < 0 ? point : 0; i < (long)count || i < point; i++) {
		if (i == point)
			*at++ = '.';
		*at++ = i >= 0 && i < (long)count ? digits[i] : '0';
	}
	converted_text(converted, text, (size_t)(at - text));
	return NULL;
}
