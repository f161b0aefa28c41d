/*
 * json_scan.c - the parts of the scanner that are seldom needed: escapes, UTF-8, fractions, nesting, misplaced fields.
 *
 * NOTES
 *   The common path (plain ASCII strings, whole numbers, fields in the expected order) is inline in json_scan.h.
 *   Formats: RFC 8259 (JSON), RFC 3629 (UTF-8).
 */
#include "event/json_scan.h"

#include "base/buffer.h"

static bool is_digit(char byte)
{
	return (unsigned char)(byte - '0') <= 9;
}

static bool is_continuation(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

static int hex_digit(char byte)
{
	if (is_digit(byte))
		return byte - '0';
	if (byte >= 'a' && byte <= 'f')
		return byte - 'a' + 10;
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return -1;
}

/* Four hex digits; -1 when they are not. */
static int hex_unit(const char *at)
{
	int unit = 0;

	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(at[i]);

		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/* Length of the well-formed UTF-8 sequence at `at`, which is not ASCII; 0: it is malformed. */
static size_t utf8_length(const char *at, size_t left)
{
	const unsigned char first = (unsigned char)at[0];
	const unsigned char second = left > 1 ? (unsigned char)at[1] : 0;

	if (first >= 0xc2 && first <= 0xdf)
		return left >= 2 && is_continuation(at[1]) ? 2 : 0;
	if (first >= 0xe0 && first <= 0xef) {
		if (left < 3 || !is_continuation(at[1]) || !is_continuation(at[2]))
			return 0;
		if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f))
			return 0;
		return 3;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		if (left < 4 || !is_continuation(at[1]) || !is_continuation(at[2]) || !is_continuation(at[3]))
			return 0;
		if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

/* Passes over `\uXXXX`, with its second half where it is the first of a surrogate pair. */
static bool unicode_escape(struct scan_cursor *cursor)
{
	int unit = scan_left(cursor) >= 6 ? hex_unit(cursor->at + 2) : -1;

	if (unit < 0)
		return scan_fail(cursor, "a malformed \\u escape");
	if (unit == 0)
		return scan_fail(cursor, "a NUL character (\\u0000), which PostgreSQL cannot store");
	if (unit < 0xd800 || unit > 0xdfff) {
		cursor->at += 6;
		return true;
	}
	if (unit <= 0xdbff && scan_left(cursor) >= 12 && cursor->at[6] == '\\' && cursor->at[7] == 'u') {
		int low = hex_unit(cursor->at + 8);

		if (low >= 0xdc00 && low <= 0xdfff) {
			cursor->at += 12;
			return true;
		}
	}
	return scan_fail(cursor, "a lone surrogate");
}

static bool escape(struct scan_cursor *cursor)
{
	if (scan_left(cursor) < 2)
		return scan_fail(cursor, "a string without its end");
	switch (cursor->at[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		cursor->at += 2;
		return true;
	case 'u':
		return unicode_escape(cursor);
	default:
		return scan_fail(cursor, "an unknown escape in a string");
	}
}

/* From the first byte of the string that is not plain to behind its closing quote. */
bool scan_string_rest(struct scan_cursor *cursor, struct scan_token *token)
{
	for (;;) {
		if (cursor->at == cursor->end)
			return scan_fail(cursor, "a string without its end");
		if (*cursor->at == '"')
			break;
		if (*cursor->at == '\\') {
			token->escaped = true;
			if (!escape(cursor))
				return false;
		} else if ((unsigned char)*cursor->at < 0x20) {
			if (!cursor->lenient)
				return scan_fail(cursor, "a control character in a string");
			cursor->at++;
		} else {
			do {
				size_t length = utf8_length(cursor->at, scan_left(cursor));

				if (length == 0)
					return scan_fail(cursor, "invalid UTF-8");
				cursor->at += length;
			} while (cursor->at < cursor->end && (unsigned char)*cursor->at >= 0x80);
		}
		cursor->at = scan_plain_run(cursor->at, cursor->end);
	}
	token->length = (uint32_t)(cursor->at - token->data);
	cursor->at++;
	return true;
}

static bool digits(struct scan_cursor *cursor)
{
	const char *first = cursor->at;

	while (cursor->at < cursor->end && is_digit(*cursor->at))
		cursor->at++;
	return cursor->at > first || scan_fail(cursor, "a malformed number");
}

/* A number's part from the point or the exponent on. */
bool scan_fraction(struct scan_cursor *cursor, struct scan_token *token)
{
	if (*cursor->at == '.') {
		cursor->at++;
		if (!digits(cursor))
			return false;
	}
	if (cursor->at < cursor->end && (*cursor->at == 'e' || *cursor->at == 'E')) {
		cursor->at++;
		if (cursor->at < cursor->end && (*cursor->at == '+' || *cursor->at == '-'))
			cursor->at++;
		if (!digits(cursor))
			return false;
	}
	token->length = (uint32_t)(cursor->at - token->data);
	return true;
}

bool scan_literal(struct scan_cursor *cursor, struct scan_token *token)
{
	token->escaped = false;
	token->data = cursor->at;
	if (scan_take(cursor, "null", 4))
		token->kind = SCAN_NULL;
	else if (scan_take(cursor, "true", 4))
		token->kind = SCAN_TRUE;
	else if (scan_take(cursor, "false", 5))
		token->kind = SCAN_FALSE;
	else
		return scan_fail(cursor, "no JSON value");
	token->length = (uint32_t)(cursor->at - token->data);
	return true;
}

/* Passes over `"name":` of a field. */
static bool field_name(struct scan_cursor *cursor, struct scan_token *name)
{
	scan_space(cursor);
	if (cursor->at == cursor->end || *cursor->at != '"')
		return scan_fail(cursor, "no field name where one should stand");
	if (!scan_string(cursor, name))
		return false;
	if (!scan_take_byte(cursor, ':'))
		return scan_fail(cursor, "no colon behind a field name");
	scan_space(cursor);
	return true;
}

bool scan_next_name(struct scan_cursor *cursor, bool first, struct scan_token *name)
{
	if (scan_take_byte(cursor, '}'))
		return false;
	if (!first && !scan_take_byte(cursor, ','))
		return scan_fail(cursor, "neither a comma nor the end of the object");
	return field_name(cursor, name);
}

bool scan_next_element(struct scan_cursor *cursor, bool first)
{
	if (scan_take_byte(cursor, ']'))
		return false;
	if (!first && !scan_take_byte(cursor, ','))
		return scan_fail(cursor, "neither a comma nor the end of the array");
	scan_space(cursor);
	return true;
}

/* Passes over a whole array or object, without recursion: `open` keeps what must close. */
bool scan_container(struct scan_cursor *cursor, struct scan_token *token)
{
	char open[SCAN_NESTING_LIMIT];
	int depth = 0;
	bool first = true;
	const char *start = cursor->at;
	struct scan_token inner;

	open[depth++] = *cursor->at++;
	while (depth > 0) {
		bool more =
		    open[depth - 1] == '{' ? scan_next_name(cursor, first, &inner) : scan_next_element(cursor, first);

		if (!more) {
			if (cursor->problem != NULL)
				return false;
			depth--;
			first = false;
		} else if (cursor->at < cursor->end && (*cursor->at == '{' || *cursor->at == '[')) {
			if (depth == SCAN_NESTING_LIMIT)
				return scan_fail(cursor, "nested too deeply");
			open[depth++] = *cursor->at++;
			first = true;
		} else {
			if (!scan_value(cursor, &inner))
				return false;
			first = false;
		}
	}
	token->kind = *start == '{' ? SCAN_OBJECT : SCAN_ARRAY;
	token->escaped = false;
	token->data = start;
	token->length = (uint32_t)(cursor->at - start);
	return true;
}

bool scan_at_end(struct scan_cursor *cursor)
{
	scan_space(cursor);
	return cursor->at == cursor->end || scan_fail(cursor, "bytes behind the end of the message");
}

bool scan_walk_begin(struct scan_walk *walk, struct scan_cursor *cursor, const struct scan_field *fields, int count)
{
	walk->fields = fields;
	walk->count = count;
	walk->expected = 0;
	walk->first = true;
	return scan_take_byte(cursor, '{') || scan_fail(cursor, "no JSON object");
}

/* The field that is not the expected one: anywhere in the table, unknown, or the object's end. */
int scan_walk_lookup(struct scan_walk *walk, struct scan_cursor *cursor)
{
	if (!scan_next_name(cursor, walk->first, &walk->name))
		return cursor->problem != NULL ? SCAN_FIELD_BROKEN : SCAN_FIELD_END;
	walk->first = false;
	for (int i = 0; i < walk->count; i++) {
		/* The label is `,"name":`. */
		const struct slice name = {walk->fields[i].label + 2, (size_t)walk->fields[i].length - 4};

		if (scan_token_is(&walk->name, name)) {
			walk->expected = i + 1;
			return i;
		}
	}
	return SCAN_FIELD_UNKNOWN;
}

static size_t put_utf8(uint32_t character, char *out)
{
	if (character < 0x80) {
		out[0] = (char)character;
		return 1;
	}
	if (character < 0x800) {
		out[0] = (char)(0xc0 | character >> 6);
		out[1] = (char)(0x80 | (character & 0x3f));
		return 2;
	}
	if (character < 0x10000) {
		out[0] = (char)(0xe0 | character >> 12);
		out[1] = (char)(0x80 | (character >> 6 & 0x3f));
		out[2] = (char)(0x80 | (character & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | character >> 18);
	out[1] = (char)(0x80 | (character >> 12 & 0x3f));
	out[2] = (char)(0x80 | (character >> 6 & 0x3f));
	out[3] = (char)(0x80 | (character & 0x3f));
	return 4;
}

/* Writes the character of the escape at *at (behind the backslash) and moves behind it. */
static size_t unescape_one(const char **at, char *out)
{
	static const char letters[] = "bfnrt";
	static const char meanings[] = "\b\f\n\r\t";
	const char letter = *(*at)++;
	const char *known = strchr(letters, letter);
	uint32_t unit;

	if (letter != 'u') {
		*out = known != NULL ? meanings[known - letters] : letter;
		return 1;
	}
	unit = (uint32_t)hex_unit(*at);
	*at += 4;
	if (unit >= 0xd800 && unit <= 0xdbff) {
		unit = 0x10000 + ((unit - 0xd800) << 10) + ((uint32_t)hex_unit(*at + 2) - 0xdc00);
		*at += 6;
	}
	return put_utf8(unit, out);
}

size_t scan_unescape(const struct scan_token *token, char *out)
{
	const char *at = token->data;
	const char *end = at + token->length;
	char *start = out;

	while (at < end) {
		const char *backslash = memchr(at, '\\', (size_t)(end - at));
		const size_t run = (size_t)((backslash != NULL ? backslash : end) - at);

		memcpy(out, at, run);
		out += run;
		at += run;
		if (backslash != NULL) {
			at++;
			out += unescape_one(&at, out);
		}
	}
	return (size_t)(out - start);
}

static bool escaped_token_is(const struct scan_token *token, struct slice text)
{
	char plain[512]; /* an escape makes a character at most six times longer */

	if (token->length > sizeof(plain) || token->length < text.length)
		return false;
	return slice_equal((struct slice){plain, scan_unescape(token, plain)}, text);
}

bool scan_token_is(const struct scan_token *token, struct slice text)
{
	if (token->escaped)
		return escaped_token_is(token, text);
	return token->length == text.length && memcmp(token->data, text.data, text.length) == 0;
}

bool scan_unsigned(const struct scan_token *token, uint64_t *number)
{
	uint64_t sum = 0;

	if (token->kind != SCAN_NUMBER || token->length > 20)
		return false;
	for (uint32_t i = 0; i < token->length; i++) {
		const unsigned digit = (unsigned char)(token->data[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, digit, &sum))
			return false;
	}
	*number = sum;
	return true;
}

bool scan_signed(const struct scan_token *token, int64_t *number)
{
	struct scan_token magnitude = *token;
	uint64_t sum;
	const bool negative = token->kind == SCAN_NUMBER && token->data[0] == '-';

	if (negative) {
		magnitude.data++;
		magnitude.length--;
	}
	if (!scan_unsigned(&magnitude, &sum) || sum > (uint64_t)INT64_MAX + negative)
		return false;
	*number = negative ? (int64_t)(0 - sum) : (int64_t)sum;
	return true;
}

void scan_escape(struct buffer *buffer, struct slice text)
{
	static const char letters[] = "\b\f\n\r\t\"\\";
	static const char meanings[] = "bfnrt\"\\";
	const char *const end = text.data + text.length;

	for (const char *at = text.data; at < end; at++) {
		const char *plain = scan_plain_run(at, end);
		const char *known;

		buffer_append(buffer, at, (size_t)(plain - at));
		at = plain;
		if (at == end)
			break;
		known = *at != '\0' ? strchr(letters, *at) : NULL;
		if (known != NULL) {
			buffer_append_byte(buffer, '\\');
			buffer_append_byte(buffer, meanings[known - letters]);
		} else if ((unsigned char)*at < 0x20) {
			buffer_append_format(buffer, "\\u%04X", (unsigned)*at);
		} else {
			buffer_append_byte(buffer, *at);
		}
	}
}
