/* change_json.c - see change_json.h. */
#include "event/change_json.h"

#include "base/memory.h"
#include "event/registry.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* By enum encoding; part of what is stored, so a name never changes its meaning. */
static const char *const ENCODING_NAMES[] = {
    [ENCODING_UNTOLD] = "untold",
    [ENCODING_TEXT] = "text",
    [ENCODING_NUMBER] = "number",
    [ENCODING_BOOLEAN] = "boolean",
    [ENCODING_BYTES] = "bytes",
    [ENCODING_DECIMAL] = "decimal",
    [ENCODING_VARIABLE_DECIMAL] = "variable-decimal",
    [ENCODING_BITS] = "bits",
    [ENCODING_DATE_DAYS] = "date-days",
    [ENCODING_TIME_MS] = "time-ms",
    [ENCODING_TIME_US] = "time-us",
    [ENCODING_TIME_NS] = "time-ns",
    [ENCODING_TIMESTAMP_MS] = "timestamp-ms",
    [ENCODING_TIMESTAMP_US] = "timestamp-us",
    [ENCODING_TIMESTAMP_NS] = "timestamp-ns",
    [ENCODING_ISO_DATE] = "iso-date",
    [ENCODING_ISO_TIME] = "iso-time",
    [ENCODING_ISO_TIMESTAMP] = "iso-timestamp",
    [ENCODING_ZONED_TIMESTAMP] = "zoned-timestamp",
    [ENCODING_ZONED_TIME] = "zoned-time",
    [ENCODING_DURATION_US] = "duration-us",
    [ENCODING_DURATION_ISO] = "duration-iso",
    [ENCODING_POINT] = "point",
    [ENCODING_GEOMETRY] = "geometry",
    [ENCODING_LINE] = "line",
    [ENCODING_CIRCLE] = "circle",
    [ENCODING_MAP] = "map",
    [ENCODING_HSTORE_JSON] = "hstore-json",
    [ENCODING_ARRAY] = "array",
    [ENCODING_UNKNOWN] = "unknown",
};
#define ENCODING_COUNT (sizeof(ENCODING_NAMES) / sizeof(ENCODING_NAMES[0]))

/* Writing. NULL from any of these: a text is no UTF-8. */

static json_t *column_json(const struct column *column)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:i, s:i, s:b}", "name", column->name != NULL ? column->name : "",
	                         "encoding", ENCODING_NAMES[column->encoding], "schema_name",
	                         column->schema_name != NULL ? column->schema_name : "", "scale", (int)column->scale,
	                         "length", (int)column->length, "optional", (int)column->optional);

	if (json != NULL && column->source_type != NULL) {
		json_object_set_new(json, "source_type", json_string(column->source_type));
		json_object_set_new(json, "sure_type", json_boolean(column->sure_type));
	}
	if (json != NULL && column->initial != NULL) {
		json_object_set_new(json, "default", json_string(column->initial));
		json_object_set_new(json, "default_kind", json_integer(column->initial_kind));
	}
	if (json != NULL && column->element != NULL)
		json_object_set_new(json, "element", column_json(column->element));
	return json;
}

static json_t *relation_json(const struct relation *relation)
{
	json_t *columns = json_array(), *key = json_array();

	for (uint32_t i = 0; i < relation->column_count; i++)
		json_array_append_new(columns, column_json(&relation->columns[i]));
	for (uint32_t i = 0; i < relation->key_count; i++)
		json_array_append_new(key, json_string(relation->columns[relation->key_columns[i]].name));
	return json_pack("{s:s, s:s, s:b, s:b, s:o, s:o}", "schema", relation->schema, "table", relation->table,
	                 "typed", (int)relation->typed, "adjusted", (int)relation->adjusted, "key", key, "columns",
	                 columns);
}

static json_t *value_json(const struct value *value)
{
	json_t *text;

	switch ((enum value_kind)value->kind) {
	case VALUE_NULL:
		return json_null();
	case VALUE_UNCHANGED:
		return json_pack("{s:b}", "unchanged", 1);
	case VALUE_BOOLEAN:
		return json_boolean(value->length == 4);
	default:
		break;
	}
	text = json_stringn(value->data, value->length);
	if (text == NULL || value->kind == VALUE_STRING)
		return text;
	return json_pack("{s:o}",
	                 value->kind == VALUE_NUMBER ? "number"
	                 : value->kind == VALUE_JSON ? "json"
	                                             : "native",
	                 text);
}

/* `columns` are indexes, or NULL: all. False: a value is no UTF-8. */
static bool set_row(json_t *change, const char *name, const struct relation *relation, const struct value *values,
                    const uint32_t *columns, uint32_t count)
{
	json_t *row;

	if (values == NULL)
		return true;
	row = json_object();
	json_object_set_new(change, name, row);
	for (uint32_t i = 0; i < count; i++)
		if (json_object_set_new(row, relation->columns[columns != NULL ? columns[i] : i].name,
		                        value_json(&values[i])) != 0)
			return false;
	return true;
}

static json_t *change_json(const struct change *change, size_t relation_number, const struct change_places *places)
{
	const struct relation *relation = change->relation;
	const char operation[2] = {(char)change->operation, '\0'};
	int32_t partition = 0;
	const char *topic = places->topic(places->context, change->partition, &partition);
	json_t *json =
	    json_pack("{s:I, s:s, s:s, s:i, s:I, s:I, s:I}", "relation", (json_int_t)relation_number, "op", operation,
	              "topic", topic, "partition", (int)partition, "offset", (json_int_t)change->offset, "tx",
	              (json_int_t)change->tx_id, "lsn", (json_int_t)change->lsn);

	if (json != NULL && set_row(json, "before", relation, change->before, NULL, relation->column_count) &&
	    set_row(json, "after", relation, change->after, NULL, relation->column_count) &&
	    set_row(json, "other_key", relation, change->other_key, relation->key_columns, relation->key_count))
		return json;
	json_decref(json);
	return NULL;
}

static size_t relation_number(json_t *relations, const struct relation **seen, size_t *count,
                              const struct relation *relation)
{
	for (size_t i = 0; i < *count; i++)
		if (seen[i] == relation)
			return i;
	json_array_append_new(relations, relation_json(relation));
	seen[*count] = relation;
	return (*count)++;
}

struct error *change_json_write(struct change *const *changes, size_t count, const struct change_places *places,
                                char **text)
{
	const struct relation **seen = memory_alloc((count + 1) * sizeof(*seen));
	json_t *relations = json_array(), *list = json_array();
	json_t *root = json_pack("{s:o, s:o}", "relations", relations, "changes", list);
	size_t seen_count = 0;
	bool good = true;

	for (size_t i = 0; i < count && good; i++) {
		size_t number = relation_number(relations, seen, &seen_count, changes[i]->relation);
		good = json_array_append_new(list, change_json(changes[i], number, places)) == 0;
	}
	free(seen);
	*text = good ? json_dumps(root, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	json_decref(root);
	return *text != NULL ? NULL : error_new(ERROR_EVENT, "a value of the transaction is no UTF-8 text");
}

/* Reading. */

static struct error *malformed(const char *what)
{
	return error_new(ERROR_EVENT, "the stored events are not what this program writes: %s", what);
}

static const char *copy_text(struct arena *arena, const json_t *json)
{
	return json_is_string(json) ? arena_copy(arena, json_string_value(json), json_string_length(json)) : "";
}

static bool read_column(const json_t *json, struct arena *arena, struct column *column)
{
	const char *encoding = json_string_value(json_object_get(json, "encoding"));
	const json_t *element = json_object_get(json, "element");
	size_t number = 0;

	while (number < ENCODING_COUNT && (encoding == NULL || strcmp(encoding, ENCODING_NAMES[number]) != 0))
		number++;
	if (number == ENCODING_COUNT)
		return false;
	*column = (struct column){
	    .name = copy_text(arena, json_object_get(json, "name")),
	    .schema_name = copy_text(arena, json_object_get(json, "schema_name")),
	    .scale = (int32_t)json_integer_value(json_object_get(json, "scale")),
	    .length = (int32_t)json_integer_value(json_object_get(json, "length")),
	    .encoding = (uint8_t)number,
	    .optional = json_is_true(json_object_get(json, "optional")),
	    .sure_type = json_is_true(json_object_get(json, "sure_type")),
	    .initial_kind = (uint8_t)json_integer_value(json_object_get(json, "default_kind")),
	};
	if (json_object_get(json, "source_type") != NULL)
		column->source_type = copy_text(arena, json_object_get(json, "source_type"));
	if (json_object_get(json, "default") != NULL)
		column->initial = copy_text(arena, json_object_get(json, "default"));
	if (element != NULL) {
		struct column *inner = arena_alloc(arena, sizeof(*inner));

		if (!read_column(element, arena, inner))
			return false;
		column->element = inner;
	}
	return true;
}

static const struct column *find_column(const struct column *columns, size_t count, const char *name)
{
	for (size_t i = 0; i < count && name != NULL; i++)
		if (strcmp(columns[i].name, name) == 0)
			return &columns[i];
	return NULL;
}

static const struct relation *read_relation(const json_t *json, struct arena *arena)
{
	const json_t *list = json_object_get(json, "columns"), *names = json_object_get(json, "key");
	size_t count = json_array_size(list), key_count = json_array_size(names);
	struct column *columns = arena_alloc_zeroed(arena, (count + 1) * sizeof(*columns));
	struct column *key = arena_alloc_zeroed(arena, (key_count + 1) * sizeof(*key));
	const char *schema = json_string_value(json_object_get(json, "schema"));
	const char *table = json_string_value(json_object_get(json, "table"));
	const unsigned flags = (json_is_true(json_object_get(json, "typed")) ? SHAPE_TYPED : 0u) |
	                       (json_is_true(json_object_get(json, "adjusted")) ? SHAPE_ADJUSTED : 0u);
	const struct shape *shape, *key_shape;
	const char *missing;

	for (size_t i = 0; i < count; i++)
		if (!read_column(json_array_get(list, i), arena, &columns[i]))
			return NULL;
	for (size_t i = 0; i < key_count; i++) {
		const struct column *column = find_column(columns, count, json_string_value(json_array_get(names, i)));

		if (column == NULL)
			return NULL;
		key[i] = *column;
	}
	if (schema == NULL || table == NULL)
		return NULL;
	shape = count == 0 ? registry_empty_shape() : registry_shape(columns, (uint32_t)count, flags);
	key_shape = key_count == 0 ? registry_empty_shape() : registry_shape(key, (uint32_t)key_count, flags);
	if (shape == NULL || key_shape == NULL)
		return NULL;
	return registry_relation(*schema == '\0' ? registry_message_collection()
	                                         : registry_collection((struct slice){schema, strlen(schema)},
	                                                               (struct slice){table, strlen(table)}),
	                         (struct slice){schema, strlen(schema)}, (struct slice){table, strlen(table)}, shape,
	                         key_shape, &missing);
}

static bool read_value(const json_t *json, struct arena *arena, struct value *value)
{
	const json_t *text = json;

	*value = (struct value){.kind = VALUE_NULL};
	if (json_is_null(json))
		return true;
	if (json_is_boolean(json)) {
		*value = json_is_true(json) ? (struct value){"true", 4, VALUE_BOOLEAN}
		                            : (struct value){"false", 5, VALUE_BOOLEAN};
		return true;
	}
	value->kind = VALUE_STRING;
	if (json_is_object(json)) {
		if (json_object_get(json, "unchanged") != NULL) {
			value->kind = VALUE_UNCHANGED;
			return true;
		}
		static const struct {
			const char *name;
			enum value_kind kind;
		} kinds[] = {{"number", VALUE_NUMBER}, {"json", VALUE_JSON}, {"native", VALUE_NATIVE}};

		text = NULL;
		for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && text == NULL; i++) {
			text = json_object_get(json, kinds[i].name);
			value->kind = (uint8_t)kinds[i].kind;
		}
	}
	if (!json_is_string(text))
		return false;
	value->data = copy_text(arena, text);
	value->length = (uint32_t)json_string_length(text);
	return true;
}

/* *values is NULL when there is no such row. */
static bool read_row(const json_t *change, const char *name, const struct relation *relation, const uint32_t *columns,
                     uint32_t count, struct arena *arena, const struct value **values)
{
	const json_t *row = json_object_get(change, name);
	struct value *list;

	*values = NULL;
	if (row == NULL)
		return true;
	list = arena_alloc_zeroed(arena, (count + (size_t)1) * sizeof(*list));
	for (uint32_t i = 0; i < count; i++) {
		const json_t *value = json_object_get(row, relation->columns[columns != NULL ? columns[i] : i].name);

		if (value == NULL || !read_value(value, arena, &list[i]))
			return false;
	}
	*values = list;
	return true;
}

static bool read_change(const json_t *json, const struct relation *relation, const struct change_places *places,
                        struct arena *arena, struct change *change)
{
	const char *operation = json_string_value(json_object_get(json, "op"));
	const char *topic = json_string_value(json_object_get(json, "topic"));

	if (operation == NULL || strlen(operation) != 1 || strchr("cudrtm", operation[0]) == NULL || topic == NULL)
		return false;
	*change = (struct change){
	    .relation = relation,
	    .operation = (uint8_t)operation[0],
	    .offset = json_integer_value(json_object_get(json, "offset")),
	    .tx_id = (uint64_t)json_integer_value(json_object_get(json, "tx")),
	    .lsn = (uint64_t)json_integer_value(json_object_get(json, "lsn")),
	    .partition =
	        places->number(places->context, topic, (int32_t)json_integer_value(json_object_get(json, "partition"))),
	    .bytes = sizeof(*change),
	};
	return read_row(json, "before", relation, NULL, relation->column_count, arena, &change->before) &&
	       read_row(json, "after", relation, NULL, relation->column_count, arena, &change->after) &&
	       read_row(json, "other_key", relation, relation->key_columns, relation->key_count, arena,
	                &change->other_key);
}

static struct error *read_changes(const json_t *root, const struct change_places *places, struct arena *arena,
                                  struct slab_writer *writer, struct change **changes, size_t *count)
{
	const json_t *relations = json_object_get(root, "relations"), *list = json_object_get(root, "changes");
	size_t relation_count = json_array_size(relations);
	const struct relation **known = arena_alloc_zeroed(arena, (relation_count + 1) * sizeof(*known));

	for (size_t i = 0; i < relation_count; i++) {
		known[i] = read_relation(json_array_get(relations, i), arena);
		if (known[i] == NULL)
			return malformed("a table's columns");
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *json = json_array_get(list, i);
		size_t number = (size_t)json_integer_value(json_object_get(json, "relation"));
		struct change read;
		struct change *change;

		if (number >= relation_count || !read_change(json, known[number], places, arena, &read))
			return malformed("a change");
		change = slab_reserve(writer, sizeof(*change));
		*change = read;
		change->slab = slab_commit(writer, sizeof(*change));
		changes[(*count)++] = change;
	}
	return NULL;
}

struct error *change_json_read(const char *text, const struct change_places *places, struct arena *arena,
                               struct slab_writer *writer, struct change ***changes, size_t *count)
{
	json_error_t problem;
	json_t *root = json_loads(text, 0, &problem);
	struct error *error;

	*changes = NULL;
	*count = 0;
	if (root == NULL || !json_is_array(json_object_get(root, "changes"))) {
		json_decref(root);
		return malformed("no list of changes");
	}
	*changes =
	    arena_alloc_zeroed(arena, (json_array_size(json_object_get(root, "changes")) + 1) * sizeof(**changes));
	error = read_changes(root, places, arena, writer, *changes, count);
	json_decref(root);
	if (error != NULL)
		while (*count > 0)
			change_release((*changes)[--*count]);
	return error;
}
