/* schema_block.c - see schema_block.h */
#include "event/schema_block.h"

#include "base/memory.h"
#include "event/flattened.h"
#include "event/row.h"
#include "event/semantic_types.h"
#include "event/source_type.h"

#include <jansson.h>
#include <stdlib.h>

#define ARRAY_DEPTH_LIMIT 8

static const struct {
	const char *type;
	enum encoding encoding;
} plain_types[] = {
    {"int8", ENCODING_NUMBER},  {"int16", ENCODING_NUMBER},  {"int32", ENCODING_NUMBER},    {"int64", ENCODING_NUMBER},
    {"float", ENCODING_NUMBER}, {"double", ENCODING_NUMBER}, {"boolean", ENCODING_BOOLEAN}, {"string", ENCODING_TEXT},
    {"bytes", ENCODING_BYTES},  {"array", ENCODING_ARRAY},   {"map", ENCODING_MAP},
};

static const char *text_of(const json_t *schema, const char *key)
{
	const char *text = json_string_value(json_object_get(schema, key));

	return text != NULL ? text : "";
}

static enum encoding encoding_of(const char *type, const char *name)
{
	if (name[0] != '\0')
		return semantic_type_encoding(name);
	for (size_t i = 0; i < sizeof(plain_types) / sizeof(plain_types[0]); i++)
		if (strcmp(plain_types[i].type, type) == 0)
			return plain_types[i].encoding;
	return ENCODING_UNKNOWN;
}

/* `parameters` are texts: {"scale":"2"}. */
static bool read_parameter(const json_t *schema, const char *key, int32_t *number)
{
	const char *text = text_of(json_object_get(schema, "parameters"), key);
	char *end;
	long value = strtol(text, &end, 10);

	if (text[0] == '\0' || *end != '\0' || value < -100000 || value > INT32_MAX)
		return false;
	*number = (int32_t)value;
	return true;
}

/* The field's default as a value of the column's encoding. */
static void read_default(const json_t *schema, struct column *column)
{
	const json_t *initial = json_object_get(schema, "default");

	if (initial == NULL || json_is_null(initial))
		return;
	column->initial_kind = json_is_string(initial)    ? VALUE_STRING
	                       : json_is_number(initial)  ? VALUE_NUMBER
	                       : json_is_boolean(initial) ? VALUE_BOOLEAN
	                                                  : VALUE_JSON;
	column->initial = json_is_string(initial) ? memory_copy_text(json_string_value(initial))
	                                          : json_dumps(initial, JSON_ENCODE_ANY | JSON_COMPACT);
}

static void read_source_type(const json_t *schema, struct column *column)
{
	const json_t *parameters = json_object_get(schema, "parameters");
	const struct source_type_hint hint = {.connect_type = text_of(schema, "type"),
	                                      .precision = text_of(parameters, "connect.decimal.precision"),
	                                      .type = text_of(parameters, "__debezium.source.column.type"),
	                                      .length = text_of(parameters, "__debezium.source.column.length"),
	                                      .scale = text_of(parameters, "__debezium.source.column.scale")};

	column->source_type = source_type_of(&hint, column, &column->sure_type);
}

/* Columns point into the schema's texts; elements, types and defaults are allocated. False: *problem is set. */
static bool read_column(const json_t *schema, const char *name, struct column *column, int depth, const char **problem)
{
	*column = (struct column){.name = name, .schema_name = text_of(schema, "name")};
	column->encoding = (uint8_t)encoding_of(text_of(schema, "type"), column->schema_name);
	column->optional = json_is_true(json_object_get(schema, "optional"));
	if (column->encoding == ENCODING_DECIMAL && !read_parameter(schema, "scale", &column->scale)) {
		*problem = "a decimal without its scale";
		return false;
	}
	if (column->encoding == ENCODING_BITS)
		(void)read_parameter(schema, "length", &column->length); /* 0: unknown */
	if (column->encoding == ENCODING_ARRAY) {
		struct column *element = memory_alloc(sizeof(*element));

		element->name = element->schema_name = "";
		column->element = element;
		if (depth == ARRAY_DEPTH_LIMIT) {
			*problem = "arrays nested too deeply";
			return false;
		}
		if (!read_column(json_object_get(schema, "items"), "", element, depth + 1, problem))
			return false;
	}
	read_source_type(schema, column);
	read_default(schema, column);
	return true;
}

static void free_texts(struct column *column)
{
	free((void *)(uintptr_t)column->source_type);
	free((void *)(uintptr_t)column->initial);
}

static void columns_free(struct column *columns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (struct column *element = (struct column *)(uintptr_t)columns[i].element; element != NULL;) {
			struct column *next = (struct column *)(uintptr_t)element->element;

			free_texts(element);
			free(element);
			element = next;
		}
		free_texts(&columns[i]);
	}
	free(columns);
}

static const struct shape *read_struct(const json_t *schema, const char **problem)
{
	const json_t *fields = json_object_get(schema, "fields");
	const size_t count = json_array_size(fields);
	const struct shape *shape = NULL;
	struct column *columns;
	size_t i = 0;

	if (!json_is_array(fields) || count > ROW_COLUMN_LIMIT) {
		*problem = "the row's schema has no fields, or more than a table can have columns";
		return NULL;
	}
	columns = memory_alloc((count + 1) * sizeof(*columns));
	while (i < count && *problem == NULL) {
		const json_t *field = json_array_get(fields, i);
		const char *name = json_string_value(json_object_get(field, "field"));

		if (name == NULL)
			*problem = "a field of the row's schema has no name";
		else
			(void)read_column(field, name, &columns[i++], 0, problem);
	}
	if (*problem == NULL) {
		shape = registry_shape(columns, (uint32_t)count, SHAPE_TYPED);
		if (shape == NULL)
			*problem = "two fields of the row's schema have the same name";
	}
	columns_free(columns, count);
	return shape;
}

/* The schema of the envelope's field `after`, which is that of `before` too. */
static const json_t *find_row(const json_t *schema)
{
	const json_t *fields = json_object_get(schema, "fields");
	const json_t *found = NULL;

	for (size_t i = 0; i < json_array_size(fields); i++) {
		const json_t *field = json_array_get(fields, i);
		const char *name = text_of(field, "field");

		if (strcmp(text_of(field, "type"), "struct") == 0 &&
		    (strcmp(name, "after") == 0 || (found == NULL && strcmp(name, "before") == 0)))
			found = field;
	}
	return found;
}

/* Whether a record has the field that tells a flattened row. */
static bool has_operation(const json_t *schema)
{
	const json_t *fields = json_object_get(schema, "fields");

	for (size_t i = 0; i < json_array_size(fields); i++)
		if (strcmp(text_of(json_array_get(fields, i), "field"), FLATTENED_OPERATION) == 0)
			return true;
	return false;
}

const struct shape *schema_block_parse(struct slice schema, bool *flattened, const char **problem)
{
	json_error_t error;
	json_t *root = json_loadb(schema.data, schema.length, JSON_REJECT_DUPLICATES, &error);
	const struct shape *shape = NULL;
	const json_t *row;

	*problem = NULL;
	*flattened = false;
	if (root == NULL) {
		*problem = "malformed JSON";
		return NULL;
	}
	*flattened = has_operation(root); /* whatever other fields are called: a column may be "after", of type point */
	row = *flattened ? root : find_row(root);
	if (row != NULL)
		shape = read_struct(row, problem);
	json_decref(root);
	return shape;
}
