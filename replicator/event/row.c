/* row.c - see row.h */
#include "event/row.h"

#include "base/memory.h"

#include <stdlib.h>

void row_close(struct row *row)
{
	free(row->values);
	row->values = NULL;
	row->capacity = 0;
}

void shape_list_close(struct shape_list *list)
{
	free(list->shapes);
	*list = (struct shape_list){0};
}

static void row_reserve(struct row *row, uint32_t count)
{
	if (count <= row->capacity)
		return;
	row->capacity = count + 32;
	row->values = memory_grow(row->values, row->capacity, sizeof(*row->values));
}

/* The label of field `i` stands at the cursor; the first has no comma. */
static inline bool take_label(struct scan_cursor *cursor, const struct shape *shape, uint32_t i)
{
	const struct slice label = shape->labels[i];

	if (!scan_take(cursor, label.data + (i == 0), label.length - (i == 0)))
		return false;
	scan_space(cursor);
	return true;
}

static bool at_object_end(const struct scan_cursor *cursor)
{
	return cursor->at < cursor->end && *cursor->at == '}';
}

/* Whether a row that began with the first `i` fields of `seen` can go on at the cursor as one of `shape`. */
static bool can_go_on(const struct scan_cursor *cursor, const struct shape *shape, const struct shape *seen, uint32_t i)
{
	struct scan_cursor ahead = *cursor;

	if (shape == seen || shape->count < i)
		return false;
	for (uint32_t j = 0; j < i; j++)
		if (!slice_equal(shape->labels[j], seen->labels[j]))
			return false;
	return i == shape->count ? at_object_end(cursor) : take_label(&ahead, shape, i);
}

static void shape_list_to_front(struct shape_list *list, uint32_t index)
{
	const struct shape *shape = list->shapes[index];

	memmove(&list->shapes[1], &list->shapes[0], index * sizeof(list->shapes[0]));
	list->shapes[0] = shape;
}

static void shape_list_add(struct shape_list *list, const struct shape *shape)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (list->shapes[i] == shape) {
			shape_list_to_front(list, i);
			return;
		}
	}
	if (list->count == list->capacity && list->capacity < SHAPE_LIST_LIMIT) {
		list->capacity = list->capacity * 2 + 4;
		list->shapes = memory_grow(list->shapes, list->capacity, sizeof(*list->shapes));
	}
	if (list->count < list->capacity)
		list->count++;
	list->shapes[list->count - 1] = shape; /* in a full list the one longest unused makes room */
	shape_list_to_front(list, list->count - 1);
}

/* A known shape that fits better than the first; it becomes the first. */
static const struct shape *change_shape(struct shape_list *known, const struct scan_cursor *cursor,
                                        const struct shape *seen, uint32_t i)
{
	for (uint32_t j = 0; j < known->count; j++) {
		if (can_go_on(cursor, known->shapes[j], seen, i)) {
			shape_list_to_front(known, j);
			return known->shapes[0];
		}
	}
	return NULL;
}

/* Names of a row of unknown shape, as columns without a type. */
struct names {
	struct column *columns;
	uint32_t count;
	uint32_t capacity;
};

static char *token_text(const struct scan_token *token)
{
	char *text;

	if (!token->escaped)
		return memory_copy_bytes(token->data, token->length);
	text = memory_alloc(token->length + 1);
	text[scan_unescape(token, text)] = '\0';
	return text;
}

static void names_free(struct names *names)
{
	for (uint32_t i = 0; i < names->count; i++)
		free((void *)(uintptr_t)names->columns[i].name);
	free(names->columns);
}

static void names_add(struct names *names, char *name)
{
	if (names->count == names->capacity) {
		names->capacity = names->capacity * 2 + 16;
		names->columns = memory_grow(names->columns, names->capacity, sizeof(*names->columns));
	}
	names->columns[names->count++] = (struct column){.name = name, .schema_name = ""};
}

static bool read_fields(struct row *row, struct scan_cursor *cursor, struct names *names, struct slice *column)
{
	struct scan_token name;

	if (!scan_take_byte(cursor, '{'))
		return scan_fail(cursor, "an object is expected");
	while (scan_next_name(cursor, names->count == 0, &name)) {
		*column = (struct slice){name.data, name.length};
		if (names->count == ROW_COLUMN_LIMIT)
			return scan_fail(cursor, "more fields than a table can have columns (1600)");
		row_reserve(row, names->count + 1);
		names_add(names, token_text(&name));
		if (!scan_value(cursor, &row->values[names->count - 1]))
			return false;
		*column = (struct slice){0};
	}
	return cursor->problem == NULL;
}

/* The long way: reads the fields whatever they are and interns their shape. */
static bool learn(struct row *row, struct scan_cursor *cursor, struct shape_list *known, struct slice *column)
{
	struct names names = {0};
	bool read = read_fields(row, cursor, &names, column);

	if (read) {
		row->shape = registry_shape(names.columns, names.count, 0);
		if (row->shape != NULL)
			shape_list_add(known, row->shape);
		else
			read = scan_fail(cursor, "two fields have the same name");
	}
	names_free(&names);
	return read;
}

bool row_scan(struct row *row, struct scan_cursor *cursor, struct shape_list *known, struct slice *column)
{
	const struct shape *shape = known->count > 0 ? known->shapes[0] : NULL;
	const char *start = cursor->at;
	uint32_t i = 0;

	if (shape == NULL || !scan_take(cursor, "{", 1))
		return learn(row, cursor, known, column);
	row_reserve(row, shape->count);
	while (shape != NULL) {
		if (i < shape->count && take_label(cursor, shape, i)) {
			if (!scan_value(cursor, &row->values[i])) {
				*column = slice_from(shape->columns[i].name);
				return false;
			}
			i++;
		} else if (i == shape->count && at_object_end(cursor)) {
			cursor->at++;
			row->shape = shape;
			return true;
		} else {
			shape = change_shape(known, cursor, shape, i);
			row_reserve(row, shape != NULL ? shape->count : 0);
		}
	}
	cursor->at = start;
	return learn(row, cursor, known, column);
}

#define VALUE_MISSING UINT8_MAX /* as a token's kind */

static bool find_column(const struct shape *shape, const struct scan_token *name, uint32_t *index)
{
	for (*index = 0; *index < shape->count; (*index)++)
		if (scan_token_is(name, slice_from(shape->columns[*index].name)))
			return true;
	return false;
}

/* The fields of a typed row in another order or with white space between. */
static bool scan_by_name(struct row *row, struct scan_cursor *cursor, const struct shape *shape, struct slice *column)
{
	struct scan_token name;
	uint32_t index;

	for (uint32_t i = 0; i < shape->count; i++)
		row->values[i].kind = VALUE_MISSING;
	if (!scan_take_byte(cursor, '{'))
		return scan_fail(cursor, "an object is expected");
	for (bool first = true; scan_next_name(cursor, first, &name); first = false) {
		*column = (struct slice){name.data, name.length};
		if (!find_column(shape, &name, &index))
			return scan_fail(cursor, "a field that the message's own schema does not have");
		if (row->values[index].kind != VALUE_MISSING)
			return scan_fail(cursor, "two fields have the same name");
		if (!scan_value(cursor, &row->values[index]))
			return false;
		*column = (struct slice){0};
	}
	for (uint32_t i = 0; cursor->problem == NULL && i < shape->count; i++) {
		if (row->values[i].kind == VALUE_MISSING) {
			*column = slice_from(shape->columns[i].name);
			return scan_fail(cursor, "missing, although the message's own schema has it");
		}
	}
	row->shape = shape;
	return cursor->problem == NULL;
}

bool row_scan_typed(struct row *row, struct scan_cursor *cursor, const struct shape *shape, struct slice *column)
{
	const char *start = cursor->at;
	uint32_t i = 0;

	row_reserve(row, shape->count);
	if (scan_take(cursor, "{", 1)) {
		while (i < shape->count && take_label(cursor, shape, i)) {
			if (!scan_value(cursor, &row->values[i])) {
				*column = slice_from(shape->columns[i].name);
				return false;
			}
			i++;
		}
		if (i == shape->count && at_object_end(cursor)) {
			cursor->at++;
			row->shape = shape;
			return true;
		}
	}
	cursor->at = start;
	return scan_by_name(row, cursor, shape, column);
}
