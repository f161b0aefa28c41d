/*
 * sql.c - quoting.
 *
 * NOTES
 *   Sessions of ours have client_encoding UTF8 and standard_conforming_strings on (connection.h), so that doubling the
 *   quote is all that an identifier or literal needs: no byte of a UTF-8 sequence looks like a quote. Needing no
 *   connection, this works before there is one and in any thread.
 *
 * Source: PostgreSQL documentation, "Lexical Structure" (identifiers, constants), "Arrays" section "Array Input and
 * Output Syntax", "COPY" section "Text Format".
 */
#include "pg/sql.h"

#include <stdbool.h>
#include <stdint.h>
#include <strings.h>

static void append_doubled(struct buffer *sql, const char *text, char quote)
{
	buffer_append_byte(sql, quote);
	for (; *text != '\0'; text++) {
		if (*text == quote)
			buffer_append_byte(sql, quote);
		buffer_append_byte(sql, *text);
	}
	buffer_append_byte(sql, quote);
}

void sql_append_identifier(struct buffer *sql, const char *name)
{
	append_doubled(sql, name, '"');
}

void sql_append_qualified(struct buffer *sql, const char *schema, const char *table)
{
	sql_append_identifier(sql, schema);
	buffer_append_byte(sql, '.');
	sql_append_identifier(sql, table);
}

void sql_append_literal(struct buffer *sql, const char *text)
{
	append_doubled(sql, text, '\'');
}

enum array_class { ARRAY_PLAIN, ARRAY_QUOTED, ARRAY_ESCAPED };

/* What a byte asks for: nothing, quotes around the element, or a backslash before it as well. */
static const uint8_t ARRAY_CLASS[256] = {
    [' '] = ARRAY_QUOTED,  ['\t'] = ARRAY_QUOTED, ['\n'] = ARRAY_QUOTED, ['\r'] = ARRAY_QUOTED,
    ['\v'] = ARRAY_QUOTED, ['\f'] = ARRAY_QUOTED, ['{'] = ARRAY_QUOTED,  ['}'] = ARRAY_QUOTED,
    [','] = ARRAY_QUOTED,  [';'] = ARRAY_QUOTED,  ['"'] = ARRAY_ESCAPED, ['\\'] = ARRAY_ESCAPED,
};

/*
 * Appends the bytes, runs without `escaped` ones at once, each of those behind a backslash (and put through `shown`).
 */
static void append_escaped(struct buffer *out, const char *data, size_t length, const uint8_t escaped[256],
                           uint8_t least, const char shown[256])
{
	size_t start = 0;

	for (size_t i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)data[i];

		if (escaped[byte] < least)
			continue;
		buffer_append(out, data + start, i - start);
		buffer_append_byte(out, '\\');
		buffer_append_byte(out, shown != NULL ? shown[byte] : (char)byte);
		start = i + 1;
	}
	buffer_append(out, data + start, length - start);
}

/* IS DISTINCT FROM NULL: a composite value whose fields are all NULL "IS NULL", too. */
void sql_append_output(struct buffer *sql, const char *expression)
{
	buffer_append_format(sql, "CASE WHEN (%s) IS DISTINCT FROM NULL THEN pg_catalog.format('%%s', %s) END",
	                     expression, expression);
}

void sql_append_array_element(struct buffer *array, const char *data, size_t length)
{
	uint8_t needs = ARRAY_PLAIN;

	for (size_t i = 0; i < length; i++)
		needs |= ARRAY_CLASS[(unsigned char)data[i]];
	if (length == 0 || (length == 4 && strncasecmp(data, "null", 4) == 0))
		needs |= ARRAY_QUOTED;
	if (needs == ARRAY_PLAIN) {
		buffer_append(array, data, length);
		return;
	}
	buffer_append_byte(array, '"');
	if ((needs & ARRAY_ESCAPED) != 0)
		append_escaped(array, data, length, ARRAY_CLASS, ARRAY_ESCAPED, NULL);
	else
		buffer_append(array, data, length);
	buffer_append_byte(array, '"');
}

static const uint8_t COPY_CLASS[256] = {
    ['\b'] = 1, ['\f'] = 1, ['\n'] = 1, ['\r'] = 1, ['\t'] = 1, ['\v'] = 1, ['\\'] = 1,
};
static const char COPY_SHOWN[256] = {
    ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['\v'] = 'v', ['\\'] = '\\',
};

void sql_append_copy_field(struct buffer *line, const char *data, size_t length)
{
	append_escaped(line, data, length, COPY_CLASS, 1, COPY_SHOWN);
}
