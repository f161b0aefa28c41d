/* schema_block.c - see schema_block.h */
#include "event/schema_block.h"

#include "base/memory.h"
#include "event/row.h"

#include <jansson.h>
#include <stdlib.h>

#define ARRAY_DEPTH_LIMIT 8

/* Connect's names of types with a meaning, and how their values are written. */
static const struct {
	const char *name;
	enum encoding encoding;
} semantic_types[] = {
    {"io.debezium.time.Date", ENCODING_DATE_DAYS},
    {"io.debezium.time.Time", ENCODING_TIME_MS},
    {"io.debezium.time.MicroTime", ENCODING_TIME_US},
    {"io.debezium.time.NanoTime", ENCODING_TIME_NS},
    {"io.debezium.time.Timestamp", ENCODING_TIMESTAMP_MS},
    {"io.debezium.time.MicroTimestamp", ENCODING_TIMESTAMP_US},
    {"io.debezium.time.NanoTimestamp", ENCODING_TIMESTAMP_NS},
    {"io.debezium.time.IsoDate", ENCODING_ISO_DATE},
    {"io.debezium.time.IsoTime", ENCODING_ISO_TIME},
    {"io.debezium.time.IsoTimestamp", ENCODING_ISO_TIMESTAMP},
    {"io.debezium.time.ZonedTimestamp", ENCODING_ZONED_TIMESTAMP},
    {"io.debezium.time.ZonedTime", ENCODING_ZONED_TIME},
    {"io.debezium.time.MicroDuration", ENCODING_DURATION_US},
    {"io.debezium.time.Interval", ENCODING_DURATION_ISO},
    {"org.apache.kafka.connect.data.Decimal", ENCODING_DECIMAL},
    {"org.apache.kafka.connect.data.Date", ENCODING_DATE_DAYS},
    {"org.apache.kafka.connect.data.Time", ENCODING_TIME_MS},
    {"org.apache.kafka.connect.data.Timestamp", ENCODING_TIMESTAMP_MS},
    {"io.debezium.data.VariableScaleDecimal", ENCODING_VARIABLE_DECIMAL},
    {"io.debezium.data.Bits", ENCODING_BITS},
    {"io.debezium.data.Json", ENCODING_TEXT},
    {"io.debezium.data.Xml", ENCODING_TEXT},
    {"io.debezium.data.Uuid", ENCODING_TEXT},
    {"io.debezium.data.Enum", ENCODING_TEXT},
    {"io.debezium.data.Ltree", ENCODING_TEXT},
    {"io.debezium.data.Tsvector", ENCODING_TEXT},
    {"io.debezium.data.DoubleVector", ENCODING_TEXT}, /* an array of numbers: as it is, pgvector's input */
    {"io.debezium.data.FloatVector", ENCODING_TEXT},
    {"io.debezium.data.geometry.Point", ENCODING_POINT},
    {"io.debezium.data.geometry.Geometry", ENCODING_GEOMETRY},
    {"io.debezium.data.geometry.Geography", ENCODING_GEOMETRY},
};

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
	if (name[0] != '\0') {
		for (size_t i = 0; i < sizeof(semantic_types) / sizeof(semantic_types[0]); i++)
			if (strcmp(semantic_types[i].name, name) == 0)
				return semantic_types[i].encoding;
		return ENCODING_UNKNOWN;
	}
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

/* Columns point into the schema's texts; elements are allocated. False: *problem is set. */
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

		column->element = element;
		element->name = element->schema_name = "";
		if (depth == ARRAY_DEPTH_LIMIT) {
			*problem = "arrays nested too deeply";
			return false;
		}
		return read_column(json_object_get(schema, "items"), "", element, depth + 1, problem);
	}
	return true;
}

static void columns_free(struct column *columns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (struct column *element = (struct column *)(uintptr_t)columns[i].element; element != NULL;) {
			struct column *next = (struct column *)(uintptr_t)element->element;

			free(element);
			element = next;
		}
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
		shape = registry_shape(columns, (uint32_t)count, true);
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

const struct shape *schema_block_parse(struct slice schema, const char **problem)
{
	json_error_t error;
	json_t *root = json_loadb(schema.data, schema.length, JSON_REJECT_DUPLICATES, &error);
	const struct shape *shape = NULL;
	const json_t *row;

	*problem = NULL;
	if (root == NULL) {
		*problem = "malformed JSON";
		return NULL;
	}
	row = find_row(root);
	if (row != NULL)
		shape = read_struct(row, problem);
	json_decref(root);
	return shape;
}
