/* avro_schema.c - see avro_schema.h */
#include "event/avro_schema.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "base/map.h"
#include "base/memory.h"
#include "event/base64.h"
#include "event/json_scan.h"
#include "event/row.h"
#include "event/semantic_types.h"
#include "event/source_type.h"

#include <jansson.h>
#include <stdlib.h>

#define SCHEMA_DEPTH_LIMIT 64
#define MEMBER_LIMIT 10000

struct avro_schema {
	struct arena *arena;
	const struct avro_type *root;
	const struct shape *row;
	const struct shape *fields;
};

struct parse {
	struct arena *arena;
	struct map *names; /* full name to struct avro_type */
	const char *problem;
	int depth;
};

static const struct avro_type *parse_type(struct parse *parse, const json_t *json, const char *space);

static const char *primitives[] = {
    [AVRO_NULL] = "null",   [AVRO_BOOLEAN] = "boolean", [AVRO_INT] = "int",     [AVRO_LONG] = "long",
    [AVRO_FLOAT] = "float", [AVRO_DOUBLE] = "double",   [AVRO_BYTES] = "bytes", [AVRO_STRING] = "string",
};

static void *fail(struct parse *parse, const char *problem)
{
	if (parse->problem == NULL)
		parse->problem = problem;
	return NULL;
}

static const char *keep(struct parse *parse, const char *text)
{
	return text == NULL || text[0] == '\0' ? "" : arena_copy(parse->arena, text, strlen(text));
}

static struct avro_type *type_new(struct parse *parse, enum avro_kind kind)
{
	struct avro_type *type = arena_alloc_zeroed(parse->arena, sizeof(*type));

	type->kind = kind;
	type->connect_name = type->logical_type = type->connect_type = type->precision = "";
	type->source_type = type->source_length = type->source_scale = "";
	type->scale = INT32_MIN;
	return type;
}

static const char *text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text != NULL ? text : "";
}

/* A number, or the text of one. */
static bool number_of(const json_t *value, int32_t *number)
{
	const char *text = json_string_value(value);
	long long read = json_integer_value(value);
	char *end = NULL;

	if (text != NULL)
		read = strtoll(text, &end, 10);
	if ((text == NULL && !json_is_integer(value)) || (text != NULL && (end == text || *end != '\0')) ||
	    read < -100000 || read > INT32_MAX)
		return false;
	*number = (int32_t)read;
	return true;
}

static void read_properties(struct parse *parse, const json_t *json, struct avro_type *type)
{
	const json_t *parameters = json_object_get(json, "connect.parameters");

	type->connect_name = keep(parse, text_of(json, "connect.name"));
	type->logical_type = keep(parse, text_of(json, "logicalType"));
	if (!number_of(json_object_get(parameters, "scale"), &type->scale))
		(void)number_of(json_object_get(json, "scale"), &type->scale); /* else it stays untold */
	(void)number_of(json_object_get(parameters, "length"), &type->length);
	type->connect_type = keep(parse, text_of(json, "connect.type"));
	type->precision = keep(parse, text_of(parameters, "connect.decimal.precision"));
	type->source_type = keep(parse, text_of(parameters, "__debezium.source.column.type"));
	type->source_length = keep(parse, text_of(parameters, "__debezium.source.column.length"));
	type->source_scale = keep(parse, text_of(parameters, "__debezium.source.column.scale"));
}

/* `namespace.name`, or a name that is full already. */
static const char *full_name(struct parse *parse, const char *name, const char *space)
{
	if (strchr(name, '.') != NULL || space[0] == '\0')
		return keep(parse, name);
	return arena_format(parse->arena, "%s.%s", space, name);
}

static const struct avro_type *find_named(struct parse *parse, const char *name, const char *space)
{
	const struct avro_type *type = map_get(parse->names, slice_from(full_name(parse, name, space)));

	if (type == NULL)
		type = map_get(parse->names, slice_from(name));
	if (type == NULL)
		return fail(parse, "the schema refers to a type that it does not contain");
	return type;
}

static const struct avro_type *parse_name(struct parse *parse, const char *name, const char *space)
{
	for (size_t i = 0; i < sizeof(primitives) / sizeof(primitives[0]); i++)
		if (strcmp(primitives[i], name) == 0)
			return type_new(parse, (enum avro_kind)i);
	return find_named(parse, name, space);
}

static struct slice label_of(struct parse *parse, const char *name, const char *before, const char *after)
{
	struct buffer label = {0};
	struct slice kept;

	buffer_append_text(&label, before);
	scan_escape(&label, slice_from(name));
	buffer_append_text(&label, after);
	kept = (struct slice){arena_copy(parse->arena, label.data, label.length), label.length};
	buffer_free(&label);
	return kept;
}

static struct avro_member *members_new(struct parse *parse, struct avro_type *type, const json_t *list)
{
	if (!json_is_array(list) || json_array_size(list) > MEMBER_LIMIT)
		return fail(parse, "a record, union or enum without its list of members, or with too many");
	type->count = (uint32_t)json_array_size(list);
	return arena_alloc_zeroed(parse->arena, (type->count + 1) * sizeof(struct avro_member));
}

static const struct avro_type *parse_union(struct parse *parse, const json_t *json, const char *space)
{
	struct avro_type *type = type_new(parse, AVRO_UNION);
	struct avro_member *members = members_new(parse, type, json);

	for (uint32_t i = 0; members != NULL && i < type->count; i++)
		members[i].type = parse_type(parse, json_array_get(json, i), space);
	type->members = members;
	return type;
}

/* The default of bytes is a text of code points up to 255; their values are base64. */
static char *bytes_default(const json_t *initial)
{
	const unsigned char *text = (const unsigned char *)json_string_value(initial);
	const size_t length = json_string_length(initial);
	char *bytes = memory_alloc(length + 1);
	char *encoded = memory_alloc(BASE64_ENCODED_SIZE(length) + 1);
	size_t count = 0;

	for (size_t i = 0; i < length; i++) {
		if (text[i] < 0x80)
			bytes[count++] = (char)text[i];
		else if ((text[i] & 0xfc) == 0xc0 && i + 1 < length) {
			bytes[count++] = (char)((text[i] & 3) << 6 | (text[i + 1] & 0x3f));
			i++;
		}
	}
	base64_encode((struct slice){bytes, count}, encoded);
	free(bytes);
	return encoded;
}

/* The one branch of a union that is not null; NULL: there are several. */
static const struct avro_type *without_null(const struct avro_type *type, bool *optional)
{
	const struct avro_type *found = NULL;

	if (type->kind != AVRO_UNION)
		return type;
	for (uint32_t i = 0; i < type->count; i++) {
		const struct avro_type *branch = type->members[i].type;

		if (branch->kind == AVRO_NULL)
			*optional = true;
		else if (found != NULL)
			return NULL;
		else
			found = branch;
	}
	return found;
}

/* Of a field with a type; a default of null says only that the column may be null. */
static void read_default(struct parse *parse, const json_t *field, struct avro_member *member)
{
	const json_t *initial = json_object_get(field, "default");
	const struct avro_type *type;
	char *text;
	bool optional;

	if (parse->problem != NULL || initial == NULL || json_is_null(initial) || member->type == NULL)
		return;
	type = without_null(member->type, &optional);
	if (type == NULL || type->kind >= AVRO_ARRAY)
		return;
	member->initial_kind = json_is_string(initial)    ? VALUE_STRING
	                       : json_is_number(initial)  ? VALUE_NUMBER
	                       : json_is_boolean(initial) ? VALUE_BOOLEAN
	                                                  : VALUE_JSON;
	if (json_is_string(initial))
		text = type->kind == AVRO_BYTES ? bytes_default(initial) : memory_copy_text(json_string_value(initial));
	else
		text = json_dumps(initial, JSON_ENCODE_ANY | JSON_COMPACT);
	member->initial = keep(parse, text);
	free(text);
}

static void parse_fields(struct parse *parse, struct avro_type *type, const json_t *json, const char *space)
{
	const json_t *list = json_object_get(json, "fields");
	struct avro_member *members = members_new(parse, type, list);

	type->members = members;
	for (uint32_t i = 0; members != NULL && i < type->count && parse->problem == NULL; i++) {
		const json_t *field = json_array_get(list, i);
		const char *name = json_string_value(json_object_get(field, "name"));

		if (name == NULL) {
			fail(parse, "a field without a name");
			return;
		}
		members[i].name = keep(parse, name);
		members[i].label = label_of(parse, name, ",\"", "\":");
		members[i].type = parse_type(parse, json_object_get(field, "type"), space);
		read_default(parse, field, &members[i]);
	}
}

static void parse_symbols(struct parse *parse, struct avro_type *type, const json_t *json)
{
	const json_t *list = json_object_get(json, "symbols");
	struct avro_member *members = members_new(parse, type, list);

	type->members = members;
	for (uint32_t i = 0; members != NULL && i < type->count; i++) {
		const char *name = json_string_value(json_array_get(list, i));

		if (name == NULL) {
			fail(parse, "a symbol that is no text");
			return;
		}
		members[i].name = keep(parse, name);
		members[i].label = label_of(parse, name, "\"", "\"");
	}
}

/* A record, enum or fixed. It is known by its name before its fields are read: they may refer to it. */
static const struct avro_type *parse_named(struct parse *parse, const json_t *json, enum avro_kind kind,
                                           const char *space)
{
	struct avro_type *type = type_new(parse, kind);
	const char *name = text_of(json, "name");
	const char *own = text_of(json, "namespace");
	const char *full;
	const char *dot;
	int32_t size = -1;

	if (own[0] != '\0')
		space = keep(parse, own);
	full = full_name(parse, name, space);
	dot = strrchr(full, '.');
	if (dot != NULL)
		space = arena_format(parse->arena, "%.*s", (int)(dot - full), full);
	map_put(parse->names, slice_from(full), type);
	read_properties(parse, json, type);
	if (kind == AVRO_RECORD)
		parse_fields(parse, type, json, space);
	else if (kind == AVRO_ENUM)
		parse_symbols(parse, type, json);
	else if (!number_of(json_object_get(json, "size"), &size) || size < 0)
		return fail(parse, "a fixed type without its size");
	else
		type->size = (uint32_t)size;
	return type;
}

static bool is_entry(const struct avro_type *type)
{
	/* A record that refers to itself has not all names yet. */
	return type->kind == AVRO_RECORD && type->count == 2 && type->members[0].name != NULL &&
	       type->members[1].name != NULL && strcmp(type->members[0].name, "key") == 0 &&
	       strcmp(type->members[1].name, "value") == 0;
}

static const struct avro_type *parse_container(struct parse *parse, const json_t *json, enum avro_kind kind,
                                               const char *space)
{
	struct avro_type *type = type_new(parse, kind);

	read_properties(parse, json, type);
	type->items = parse_type(parse, json_object_get(json, kind == AVRO_ARRAY ? "items" : "values"), space);
	if (type->items == NULL)
		return NULL;
	/* AvroData marks the record of an entry as such; its name is io.….MapEntry in all versions. */
	type->entries = kind == AVRO_ARRAY && parse->problem == NULL && is_entry(type->items);
	return type;
}

static const struct avro_type *parse_object(struct parse *parse, const json_t *json, const char *space)
{
	const json_t *inner = json_object_get(json, "type");
	const char *word = json_string_value(inner);
	const struct avro_type *named;
	struct avro_type *type;

	if (word == NULL)
		return parse_type(parse, inner, space);
	if (strcmp(word, "record") == 0 || strcmp(word, "error") == 0)
		return parse_named(parse, json, AVRO_RECORD, space);
	if (strcmp(word, "enum") == 0)
		return parse_named(parse, json, AVRO_ENUM, space);
	if (strcmp(word, "fixed") == 0)
		return parse_named(parse, json, AVRO_FIXED, space);
	if (strcmp(word, "array") == 0)
		return parse_container(parse, json, AVRO_ARRAY, space);
	if (strcmp(word, "map") == 0)
		return parse_container(parse, json, AVRO_MAP, space);
	named = parse_name(parse, word, space);
	if (named == NULL || named->kind > AVRO_STRING)
		return named;
	type = type_new(parse, named->kind);
	read_properties(parse, json, type);
	return type;
}

static const struct avro_type *parse_type(struct parse *parse, const json_t *json, const char *space)
{
	const struct avro_type *type;

	if (parse->problem != NULL)
		return NULL;
	if (++parse->depth > SCHEMA_DEPTH_LIMIT)
		return fail(parse, "types nested too deeply");
	if (json_is_string(json))
		type = parse_name(parse, json_string_value(json), space);
	else if (json_is_array(json))
		type = parse_union(parse, json, space);
	else if (json_is_object(json))
		type = parse_object(parse, json, space);
	else
		type = fail(parse, "a field, item or branch without a type");
	parse->depth--;
	return type;
}

/* ---- columns ---- */

static const struct {
	const char *name;
	enum encoding encoding;
} logical_types[] = {
    {"decimal", ENCODING_DECIMAL},
    {"date", ENCODING_DATE_DAYS},
    {"time-millis", ENCODING_TIME_MS},
    {"time-micros", ENCODING_TIME_US},
    {"timestamp-millis", ENCODING_TIMESTAMP_MS},
    {"timestamp-micros", ENCODING_TIMESTAMP_US},
    {"uuid", ENCODING_TEXT},
};

static enum encoding encoding_of(const struct avro_type *type)
{
	static const enum encoding encodings[] = {
	    [AVRO_NULL] = ENCODING_UNKNOWN,  [AVRO_BOOLEAN] = ENCODING_BOOLEAN, [AVRO_INT] = ENCODING_NUMBER,
	    [AVRO_LONG] = ENCODING_NUMBER,   [AVRO_FLOAT] = ENCODING_NUMBER,    [AVRO_DOUBLE] = ENCODING_NUMBER,
	    [AVRO_BYTES] = ENCODING_BYTES,   [AVRO_STRING] = ENCODING_TEXT,     [AVRO_FIXED] = ENCODING_BYTES,
	    [AVRO_ENUM] = ENCODING_TEXT,     [AVRO_ARRAY] = ENCODING_ARRAY,     [AVRO_MAP] = ENCODING_MAP,
	    [AVRO_UNION] = ENCODING_UNKNOWN, [AVRO_RECORD] = ENCODING_UNKNOWN,
	};

	if (type->connect_name[0] != '\0')
		return semantic_type_encoding(type->connect_name);
	for (size_t i = 0; i < sizeof(logical_types) / sizeof(logical_types[0]); i++)
		if (strcmp(logical_types[i].name, type->logical_type) == 0)
			return logical_types[i].encoding;
	return type->entries ? ENCODING_MAP : encodings[type->kind];
}

static void tell_source_type(struct parse *parse, const struct avro_type *type, struct column *column)
{
	const struct source_type_hint hint = {.connect_type = type->connect_type[0] != '\0' ? type->connect_type
	                                                      : type->kind < sizeof(primitives) / sizeof(*primitives)
	                                                          ? primitives[type->kind]
	                                                          : "",
	                                      .precision = type->precision,
	                                      .type = type->source_type,
	                                      .length = type->source_length,
	                                      .scale = type->source_scale};
	char *told = source_type_of(&hint, column, &column->sure_type);

	column->source_type = told == NULL ? NULL : keep(parse, told);
	free(told);
}

static struct column column_of(struct parse *parse, const char *name, const struct avro_type *type, int depth)
{
	struct column column = {.name = name, .schema_name = "", .encoding = ENCODING_UNKNOWN};

	type = without_null(type, &column.optional);
	if (type == NULL || depth > SCHEMA_DEPTH_LIMIT)
		return column;
	column.encoding = (uint8_t)encoding_of(type);
	column.schema_name = type->connect_name;
	column.length = type->length;
	column.scale = type->scale;
	if (column.encoding == ENCODING_DECIMAL && type->scale == INT32_MIN)
		fail(parse, "a decimal without its scale");
	if (column.encoding != ENCODING_DECIMAL)
		column.scale = 0;
	if (column.encoding == ENCODING_ARRAY && type->kind == AVRO_ARRAY) {
		struct column *element = arena_alloc_zeroed(parse->arena, sizeof(*element));

		*element = column_of(parse, "", type->items, depth + 1);
		column.element = element;
	}
	tell_source_type(parse, type, &column);
	return column;
}

static const struct shape *shape_of(struct parse *parse, const struct avro_type *type)
{
	const struct shape *shape;
	struct column *columns;
	bool optional = false;

	type = without_null(type, &optional);
	if (type == NULL || type->kind != AVRO_RECORD)
		return NULL;
	if (type->count > ROW_COLUMN_LIMIT)
		return fail(parse, "a record with more fields than a table can have columns");
	columns = arena_alloc_zeroed(parse->arena, (type->count + 1) * sizeof(*columns));
	for (uint32_t i = 0; i < type->count; i++) {
		columns[i] = column_of(parse, type->members[i].name, type->members[i].type, 0);
		columns[i].initial = type->members[i].initial;
		columns[i].initial_kind = type->members[i].initial_kind;
	}
	if (parse->problem != NULL)
		return NULL;
	shape = registry_shape(columns, type->count, SHAPE_TYPED | SHAPE_ADJUSTED);
	return shape != NULL ? shape : fail(parse, "two fields of a record have the same name");
}

static const struct shape *row_of(struct parse *parse, const struct avro_type *root)
{
	for (int i = 0; i < 2; i++)
		for (uint32_t j = 0; root->kind == AVRO_RECORD && j < root->count; j++)
			if (strcmp(root->members[j].name, i == 0 ? "after" : "before") == 0)
				return shape_of(parse, root->members[j].type);
	return NULL;
}

struct avro_schema *avro_schema_parse(struct slice text, const char **problem)
{
	struct avro_schema *schema = memory_alloc(sizeof(*schema));
	struct parse parse = {.names = map_new()};
	json_error_t error;
	json_t *json = json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);

	schema->arena = parse.arena = arena_new();
	if (json == NULL)
		fail(&parse, "the schema is malformed JSON");
	else
		schema->root = parse_type(&parse, json, "");
	if (parse.problem == NULL) {
		schema->row = row_of(&parse, schema->root);
		schema->fields = shape_of(&parse, schema->root);
	}
	map_free(parse.names, NULL);
	json_decref(json);
	*problem = parse.problem;
	if (parse.problem == NULL)
		return schema;
	avro_schema_free(schema);
	return NULL;
}

void avro_schema_free(struct avro_schema *schema)
{
	if (schema == NULL)
		return;
	arena_free(schema->arena);
	free(schema);
}

const struct avro_type *avro_schema_root(const struct avro_schema *schema)
{
	return schema->root;
}

const struct shape *avro_schema_row(const struct avro_schema *schema)
{
	return schema->row;
}

const struct shape *avro_schema_fields(const struct avro_schema *schema)
{
	return schema->fields;
}
