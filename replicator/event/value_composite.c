/*
 * value_composite.c - arrays, hstore and points: values that are JSON arrays or objects in the event.
 *
 * Source of the forms: PostgreSQL documentation, "Array Input and Output Syntax", "hstore", "Geometric Types".
 */
#include "event/conversion.h"

#include "base/arena.h"
#include "base/buffer.h"

#include <string.h>

/* Text within double quotes, as in array and hstore literals. */
static void append_quoted(struct buffer *out, struct slice text)
{
	buffer_append_byte(out, '"');
	for (size_t i = 0; i < text.length; i++) {
		if (text.data[i] == '"' || text.data[i] == '\\')
			buffer_append_byte(out, '\\');
		buffer_append_byte(out, text.data[i]);
	}
	buffer_append_byte(out, '"');
}

static void take_buffer(struct buffer *buffer, struct arena *arena, struct value *converted)
{
	if (buffer->length == 0)
		converted_text(converted, "", 0);
	else
		converted_text(converted, arena_copy(arena, buffer->data, buffer->length), buffer->length);
	buffer_free(buffer);
}

static struct error *append_elements(const struct conversion *element, char delimiter, const struct value *array,
                                     struct arena *arena, struct buffer *out);

static struct error *append_element(const struct conversion *element, char delimiter, const struct scan_token *token,
                                    struct arena *arena, struct buffer *out)
{
	const struct value raw = conversion_token_value(token, arena);
	struct value text;

	if (raw.kind == VALUE_NULL) {
		buffer_append_text(out, "NULL");
		return NULL;
	}
	/* An array within the array stands unquoted. */
	if (element != NULL && element->convert == convert_array)
		return append_elements(element->element, delimiter, &raw, arena, out);
	if (element == NULL && token->kind == SCAN_ARRAY)
		return append_elements(NULL, delimiter, &raw, arena, out);
	TRY(conversion_apply(element, &raw, arena, &text));
	if (text.kind == VALUE_NUMBER || text.kind == VALUE_BOOLEAN)
		buffer_append(out, text.data, text.length);
	else
		append_quoted(out, value_slice(&text));
	return NULL;
}

static struct error *append_elements(const struct conversion *element, char delimiter, const struct value *array,
                                     struct arena *arena, struct buffer *out)
{
	struct scan_cursor cursor;
	struct scan_token token;

	scan_begin(&cursor, value_slice(array));
	if (array->kind != VALUE_JSON || !scan_take_byte(&cursor, '['))
		return conversion_mismatch(array, "an array");
	buffer_append_byte(out, '{');
	for (bool first = true; scan_next_element(&cursor, first); first = false) {
		if (!first)
			buffer_append_byte(out, delimiter);
		if (!scan_value(&cursor, &token))
			return conversion_mismatch(array, "an array");
		TRY(append_element(element, delimiter, &token, arena, out));
	}
	if (cursor.problem != NULL)
		return conversion_mismatch(array, "an array");
	buffer_append_byte(out, '}');
	return NULL;
}

static bool is_literal(struct slice text)
{
	return text.length > 0 && (text.data[0] == '{' || text.data[0] == '[');
}

/* A literal as the connector had it, or base64 of one: an array type that it does not know. */
static struct error *convert_literal(const struct value *value, struct arena *arena, struct value *converted)
{
	struct slice text = value_slice(value);

	if (!is_literal(text) && (!conversion_bytes(text, arena, &text) || !is_literal(text)))
		return conversion_mismatch(value, "an array");
	converted_text(converted, text.data, text.length);
	return NULL;
}

struct error *convert_array(const struct conversion *conversion, const struct value *value, struct arena *arena,
                            struct value *converted)
{
	struct buffer out = {0};
	struct error *error;

	if (value->kind == VALUE_STRING)
		return convert_literal(value, arena, converted);
	error = append_elements(conversion->element, conversion->delimiter, value, arena, &out);
	if (error != NULL)
		buffer_free(&out);
	else
		take_buffer(&out, arena, converted);
	return error;
}

static bool append_pairs(struct scan_cursor *cursor, struct arena *arena, struct buffer *out)
{
	struct scan_token name;
	struct scan_token token;

	if (!scan_take_byte(cursor, '{'))
		return false;
	for (bool first = true; scan_next_name(cursor, first, &name); first = false) {
		struct value text = conversion_token_value(&name, arena);

		if (!scan_value(cursor, &token))
			return false;
		if (!first)
			buffer_append_byte(out, ',');
		append_quoted(out, value_slice(&text));
		buffer_append_text(out, "=>");
		text = conversion_token_value(&token, arena);
		if (text.kind == VALUE_NULL)
			buffer_append_text(out, "NULL");
		else
			append_quoted(out, value_slice(&text));
	}
	return cursor->problem == NULL && scan_at_end(cursor);
}

struct error *convert_hstore(const struct conversion *conversion, const struct value *value, struct arena *arena,
                             struct value *converted)
{
	struct buffer out = {0};
	struct scan_cursor cursor;

	(void)conversion;
	scan_begin(&cursor, value_slice(value));
	if ((value->kind != VALUE_STRING && value->kind != VALUE_JSON) || !append_pairs(&cursor, arena, &out)) {
		buffer_free(&out);
		return conversion_mismatch(value, "an hstore as a JSON object");
	}
	take_buffer(&out, arena, converted);
	return NULL;
}

static bool is_coordinate(const struct scan_token *token)
{
	return token->kind == SCAN_NUMBER || (token->kind == SCAN_STRING && !token->escaped);
}

struct error *convert_point(const struct conversion *conversion, const struct value *value, struct arena *arena,
                            struct value *converted)
{
	static const struct scan_field fields[] = {SCAN_FIELD("x"), SCAN_FIELD("y")};
	struct scan_token tokens[2];

	(void)conversion;
	if (value->kind == VALUE_STRING) {
		*converted = *value;
		return NULL;
	}
	if (value->kind != VALUE_JSON || !conversion_fields(value_slice(value), fields, 2, tokens) ||
	    !is_coordinate(&tokens[0]) || !is_coordinate(&tokens[1]))
		return conversion_mismatch(value, "a point ({\"x\":…,\"y\":…})");
	converted->data = arena_format(arena, "(%.*s,%.*s)", (int)tokens[0].length, tokens[0].data,
	                               (int)tokens[1].length, tokens[1].data);
	converted_text(converted, converted->data, strlen(converted->data));
	return NULL;
}
