/*
 * json_scan.h - a scanner over the bytes of one JSON text (RFC 8259).
 *
 * NOTES
 *   The hot path reads a message once, from left to right, and never builds a tree: tokens are slices of the message.
 *   A string token is what stands between the quotes, still escaped; scan_unescape writes it out. Everything that is
 *   passed over is checked too: invalid UTF-8, NUL, lone surrogates, malformed numbers, nesting over
 *   SCAN_NESTING_LIMIT are problems wherever they stand.
 *
 *   A function that returns false has set `problem` (fixed text, never a piece of the message) and `at` to the place.
 *
 * Thread: a cursor belongs to one thread; there is no other state.
 */
#ifndef REPLICATOR_EVENT_JSON_SCAN_H
#define REPLICATOR_EVENT_JSON_SCAN_H

#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SCAN_NESTING_LIMIT 100

struct scan_cursor {
	const char *at;
	const char *end;
	const char *start;
	const char *problem;
	bool lenient; /* strings may hold control characters as they are; scan_begin says no */
};

enum scan_kind { SCAN_NULL, SCAN_STRING, SCAN_NUMBER, SCAN_TRUE, SCAN_FALSE, SCAN_ARRAY, SCAN_OBJECT };

struct scan_token {
	const char *data; /* of a string: behind the opening quote; else the first byte of the value */
	uint32_t length;  /* without the quotes of a string */
	uint8_t kind;     /* enum scan_kind */
	bool escaped;     /* a string with backslashes */
};

static inline void scan_begin(struct scan_cursor *cursor, struct slice text)
{
	cursor->at = cursor->start = text.length > 0 ? text.data : ""; /* no bytes may come without a place */
	cursor->end = cursor->start + text.length;
	cursor->problem = NULL;
	cursor->lenient = false;
}

static inline bool scan_fail(struct scan_cursor *cursor, const char *problem)
{
	cursor->problem = problem;
	return false;
}

static inline size_t scan_left(const struct scan_cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

/* Compares without a call: the names of fields are short. */
static inline bool scan_same_bytes(const char *a, const char *b, size_t length)
{
	uint64_t x;
	uint64_t y;

	for (; length > 8; length -= 8, a += 8, b += 8) {
		memcpy(&x, a, 8);
		memcpy(&y, b, 8);
		if (x != y)
			return false;
	}
	if (length == 8) {
		memcpy(&x, a, 8);
		memcpy(&y, b, 8);
		return x == y;
	}
	if (length >= 4) {
		uint32_t head_a, head_b, tail_a, tail_b;

		memcpy(&head_a, a, 4);
		memcpy(&head_b, b, 4);
		memcpy(&tail_a, a + length - 4, 4);
		memcpy(&tail_b, b + length - 4, 4);
		return head_a == head_b && tail_a == tail_b;
	}
	for (; length > 0; length--, a++, b++)
		if (*a != *b)
			return false;
	return true;
}

/* Whether the text goes on with exactly these bytes; passes over them then. */
static inline bool scan_take(struct scan_cursor *cursor, const char *bytes, size_t length)
{
	if (scan_left(cursor) < length || !scan_same_bytes(cursor->at, bytes, length))
		return false;
	cursor->at += length;
	return true;
}

static inline void scan_space(struct scan_cursor *cursor)
{
	while (cursor->at < cursor->end && (unsigned char)*cursor->at <= ' ' &&
	       (*cursor->at == ' ' || *cursor->at == '\n' || *cursor->at == '\r' || *cursor->at == '\t'))
		cursor->at++;
}

/* White space, then this byte. */
static inline bool scan_take_byte(struct scan_cursor *cursor, char byte)
{
	scan_space(cursor);
	if (cursor->at == cursor->end || *cursor->at != byte)
		return false;
	cursor->at++;
	return true;
}

/* The first byte from `at` on that is a quote, a backslash, a control character or no ASCII; or `end`. */
static inline const char *scan_plain_run(const char *at, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i backslash = _mm_set1_epi8('\\');
	const __m128i control = _mm_set1_epi8(0x1f);

	while (end - at >= 16) {
		const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
		const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes);
		const __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
		const int stops = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(low, ends), bytes));

		if (stops != 0)
			return at + __builtin_ctz((unsigned)stops);
		at += 16;
	}
#endif
	while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' && *at != '\\')
		at++;
	return at;
}

bool scan_string_rest(struct scan_cursor *cursor, struct scan_token *token);
bool scan_fraction(struct scan_cursor *cursor, struct scan_token *token);
bool scan_container(struct scan_cursor *cursor, struct scan_token *token);
bool scan_literal(struct scan_cursor *cursor, struct scan_token *token);

/* The string at the cursor, which stands on its opening quote. */
static inline bool scan_string(struct scan_cursor *cursor, struct scan_token *token)
{
	const char *data = cursor->at + 1;

	token->kind = SCAN_STRING;
	token->escaped = false;
	token->data = data;
	cursor->at = scan_plain_run(data, cursor->end);
	if (cursor->at == cursor->end || *cursor->at != '"')
		return scan_string_rest(cursor, token);
	token->length = (uint32_t)(cursor->at - data);
	cursor->at++;
	return true;
}

static inline bool scan_number(struct scan_cursor *cursor, struct scan_token *token)
{
	const char *at = cursor->at;
	const char *first;

	token->kind = SCAN_NUMBER;
	token->escaped = false;
	token->data = at;
	at += *at == '-';
	first = at;
	while (at < cursor->end && (unsigned char)(*at - '0') <= 9)
		at++;
	cursor->at = at;
	if (at == first || (*first == '0' && at - first > 1))
		return scan_fail(cursor, "a malformed number");
	if (at < cursor->end && (*at == '.' || *at == 'e' || *at == 'E'))
		return scan_fraction(cursor, token);
	token->length = (uint32_t)(at - token->data);
	return true;
}

/* The value at the cursor, without white space before it; an array or object is passed over and given whole. */
static inline bool scan_value(struct scan_cursor *cursor, struct scan_token *token)
{
	if (cursor->at == cursor->end)
		return scan_fail(cursor, "the text ends where a value should stand");
	switch (*cursor->at) {
	case '"':
		return scan_string(cursor, token);
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return scan_number(cursor, token);
	case '{':
	case '[':
		return scan_container(cursor, token);
	default:
		return scan_literal(cursor, token);
	}
}

/* Only white space follows. */
bool scan_at_end(struct scan_cursor *cursor);

/*
 * Fields of an object, in any order, by prediction: a walk expects the fields in the order of its table and tests only
 * the next one's bytes; what comes otherwise is looked up by name.
 */
struct scan_field {
	const char *label; /* `,"name":` */
	uint8_t length;
};
#define SCAN_FIELD(name)                                                                                               \
	{                                                                                                              \
		",\"" name "\":", sizeof(",\"" name "\":") - 1                                                         \
	}

enum { SCAN_FIELD_UNKNOWN = -1, SCAN_FIELD_END = -2, SCAN_FIELD_BROKEN = -3 };

struct scan_walk {
	const struct scan_field *fields;
	int count;
	int expected;
	bool first;
	struct scan_token name; /* of a SCAN_FIELD_UNKNOWN */
};

/* Passes over the `{`. */
bool scan_walk_begin(struct scan_walk *walk, struct scan_cursor *cursor, const struct scan_field *fields, int count);
int scan_walk_lookup(struct scan_walk *walk, struct scan_cursor *cursor);

/* The number of the next field, the cursor on its value; or one of SCAN_FIELD_*. */
static inline int scan_walk_next(struct scan_walk *walk, struct scan_cursor *cursor)
{
	if (walk->expected < walk->count) {
		const struct scan_field *field = &walk->fields[walk->expected];

		if (scan_take(cursor, field->label + walk->first, field->length - (size_t)walk->first)) {
			walk->first = false;
			scan_space(cursor);
			return walk->expected++;
		}
	}
	return scan_walk_lookup(walk, cursor);
}

/* The name of the next field of any object, passing over `,` and `:`; false with problem NULL: the object ended. */
bool scan_next_name(struct scan_cursor *cursor, bool first, struct scan_token *name);
/* The next element of an array stands at the cursor; false with problem NULL: the array ended. */
bool scan_next_element(struct scan_cursor *cursor, bool first);

/* Writes an escaped string token out; `out` has room for token->length bytes. Returns the length. */
size_t scan_unescape(const struct scan_token *token, char *out);

/* The string token is this text, escapes resolved. */
bool scan_token_is(const struct scan_token *token, struct slice text);

/* A whole number; false when the token is something else or does not fit. */
bool scan_unsigned(const struct scan_token *token, uint64_t *number);
bool scan_signed(const struct scan_token *token, int64_t *number);

/* Appends text as a JSON writer (Jackson) escapes it inside quotes. */
struct buffer;
void scan_escape(struct buffer *buffer, struct slice text);

#endif
