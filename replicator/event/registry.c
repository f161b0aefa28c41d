/*
 * registry.c - see registry.h
 *
 * NOTES
 *   Each table maps a run of bytes that says all that makes its entries different to the entry. The bytes of a relation
 *   hold the addresses of what is interned already.
 */
#include "event/registry.h"

#include "base/buffer.h"
#include "base/map.h"
#include "base/memory.h"
#include "event/json_scan.h"

#include <pthread.h>
#include <stdlib.h>

static struct {
	pthread_mutex_t lock;
	struct map *collections;
	struct map *shapes;
	struct map *relations;
	const struct collection *message;
	uint32_t collection_count;
	uint32_t relation_count;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void registry_lock(void)
{
	pthread_mutex_lock(&registry.lock);
	if (registry.collections == NULL) {
		registry.collections = map_new();
		registry.shapes = map_new();
		registry.relations = map_new();
	}
}

static void registry_unlock(void)
{
	pthread_mutex_unlock(&registry.lock);
}

static struct collection *collection_new(struct slice name)
{
	struct collection *collection = memory_alloc(sizeof(*collection));

	collection->name = memory_copy_bytes(name.data, name.length);
	collection->schema = collection->table = "";
	collection->number = registry.collection_count++;
	return collection;
}

static struct collection *collection_by_name(struct slice name)
{
	struct collection *collection = map_get(registry.collections, name);

	if (collection == NULL) {
		collection = collection_new(name);
		map_put(registry.collections, name, collection);
	}
	return collection;
}

static bool has_parts(const struct collection *collection)
{
	return collection->schema[0] != '\0' || collection->table[0] != '\0';
}

/* Before this the collection was only seen in ENDs, which do not leave the consumer's thread. */
static void set_parts(struct collection *collection, struct slice schema, struct slice table)
{
	collection->schema = memory_copy_bytes(schema.data, schema.length);
	collection->table = memory_copy_bytes(table.data, table.length);
}

const struct collection *registry_collection(struct slice schema, struct slice table)
{
	struct buffer name = {0};
	struct collection *collection;

	buffer_append(&name, schema.data, schema.length);
	buffer_append_byte(&name, '.');
	buffer_append(&name, table.data, table.length);
	registry_lock();
	collection = collection_by_name((struct slice){name.data, name.length});
	if (!has_parts(collection))
		set_parts(collection, schema, table);
	registry_unlock();
	buffer_free(&name);
	return collection;
}

const struct collection *registry_collection_named(struct slice name)
{
	const char *dot = name.length > 0 ? memchr(name.data, '.', name.length) : NULL;
	const char *last = name.length > 0 ? memrchr(name.data, '.', name.length) : NULL;
	struct collection *collection;

	registry_lock();
	collection = collection_by_name(name);
	if (dot != NULL && dot == last && !has_parts(collection)) {
		const size_t schema_length = (size_t)(dot - name.data);

		set_parts(collection, (struct slice){name.data, schema_length},
		          (struct slice){dot + 1, name.length - schema_length - 1});
	}
	registry_unlock();
	return collection;
}

const struct collection *registry_message_collection(void)
{
	registry_lock();
	if (registry.message == NULL) {
		struct collection *collection = collection_new(slice_from("message"));

		collection->message = true;
		registry.message = collection;
	}
	registry_unlock();
	return registry.message;
}

static void describe_text(struct buffer *bytes, const char *text)
{
	const size_t length = strlen(text);

	buffer_append(bytes, (const char *)&length, sizeof(length));
	buffer_append(bytes, text, length);
}

/* What makes a column different from another. */
static void describe_column(struct buffer *bytes, const struct column *column)
{
	describe_text(bytes, column->name);
	describe_text(bytes, column->schema_name);
	describe_text(bytes, column->source_type == NULL ? "" : column->source_type);
	describe_text(bytes, column->initial == NULL ? "" : column->initial);
	buffer_append_byte(bytes, (char)column->initial_kind);
	buffer_append_byte(bytes, (char)column->sure_type);
	buffer_append(bytes, (const char *)&column->scale, sizeof(column->scale));
	buffer_append(bytes, (const char *)&column->length, sizeof(column->length));
	buffer_append_byte(bytes, (char)column->encoding);
	buffer_append_byte(bytes, (char)column->optional);
	buffer_append_byte(bytes, column->element != NULL);
	if (column->element != NULL)
		describe_column(bytes, column->element);
}

static void copy_column(struct column *copy, const struct column *column)
{
	*copy = *column;
	copy->name = memory_copy_text(column->name);
	copy->schema_name = column->schema_name[0] == '\0' ? "" : memory_copy_text(column->schema_name);
	copy->source_type = memory_copy_text(column->source_type);
	copy->initial = memory_copy_text(column->initial);
	if (column->element != NULL) {
		struct column *element = memory_alloc(sizeof(*element));

		copy_column(element, column->element);
		copy->element = element;
	}
}

static struct slice label_new(const char *name)
{
	struct buffer label = {0};
	size_t length;

	buffer_append_text(&label, ",\"");
	scan_escape(&label, slice_from(name));
	buffer_append_text(&label, "\":");
	length = label.length;
	return (struct slice){buffer_steal(&label), length};
}

static const char *const *copy_texts(const char *const *texts, uint32_t count)
{
	const char **copies = memory_alloc((count + 1) * sizeof(*copies));

	for (uint32_t i = 0; i < count; i++)
		copies[i] = memory_copy_text(texts[i]);
	return copies;
}

static struct shape *shape_new(const struct column *columns, uint32_t count, unsigned flags)
{
	struct shape *shape = memory_alloc(sizeof(*shape));
	struct column *copies = memory_alloc((count + 1) * sizeof(*copies));
	struct slice *labels = memory_alloc((count + 1) * sizeof(*labels));

	for (uint32_t i = 0; i < count; i++) {
		copy_column(&copies[i], &columns[i]);
		labels[i] = label_new(columns[i].name);
	}
	shape->columns = copies;
	shape->labels = labels;
	shape->count = count;
	shape->typed = (flags & SHAPE_TYPED) != 0;
	shape->adjusted = (flags & SHAPE_ADJUSTED) != 0;
	return shape;
}

static bool name_repeated(const struct column *columns, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = i + 1; j < count; j++)
			if (strcmp(columns[i].name, columns[j].name) == 0)
				return true;
	return false;
}

const struct shape *registry_flattened_shape(const struct column *columns, uint32_t count, unsigned flags,
                                             const char *const *taken, uint32_t taken_count)
{
	struct buffer bytes = {0};
	struct shape *shape;

	buffer_append_byte(&bytes, (char)flags);
	buffer_append(&bytes, (const char *)&taken_count, sizeof(taken_count));
	for (uint32_t i = 0; i < taken_count; i++)
		describe_text(&bytes, taken[i]);
	for (uint32_t i = 0; i < count; i++)
		describe_column(&bytes, &columns[i]);
	registry_lock();
	shape = map_get(registry.shapes, (struct slice){bytes.data, bytes.length});
	if (shape == NULL && !name_repeated(columns, count)) {
		shape = shape_new(columns, count, flags);
		shape->taken = copy_texts(taken, taken_count);
		shape->taken_count = taken_count;
		map_put(registry.shapes, (struct slice){bytes.data, bytes.length}, shape);
	}
	registry_unlock();
	buffer_free(&bytes);
	return shape;
}

const struct shape *registry_shape(const struct column *columns, uint32_t count, unsigned flags)
{
	return registry_flattened_shape(columns, count, flags, NULL, 0);
}

const struct shape *registry_empty_shape(void)
{
	return registry_shape(NULL, 0, 0);
}

/* Indexes of the key's fields among the columns; NULL when one is missing. */
static const uint32_t *key_columns_new(const struct shape *shape, const struct shape *key, const char **missing)
{
	uint32_t *columns = memory_alloc((key->count + 1) * sizeof(*columns));

	for (uint32_t i = 0; i < key->count; i++) {
		while (columns[i] < shape->count && strcmp(shape->columns[columns[i]].name, key->columns[i].name) != 0)
			columns[i]++;
		if (columns[i] == shape->count) {
			*missing = key->columns[i].name;
			free(columns);
			return NULL;
		}
	}
	return columns;
}

static const struct relation *relation_new(const struct collection *collection, struct slice schema, struct slice table,
                                           const struct shape *shape, const struct shape *key, const char **missing)
{
	const uint32_t *key_columns = key_columns_new(shape, key, missing);
	struct relation *relation;

	if (key_columns == NULL)
		return NULL;
	relation = memory_alloc(sizeof(*relation));
	relation->collection = collection;
	relation->schema = memory_copy_bytes(schema.data, schema.length);
	relation->table = memory_copy_bytes(table.data, table.length);
	relation->number = registry.relation_count++;
	relation->columns = shape->columns;
	relation->column_count = shape->count;
	relation->key_columns = key_columns;
	relation->key_count = key->count;
	relation->typed = shape->typed;
	relation->adjusted = shape->adjusted;
	relation->taken = shape->taken;
	relation->taken_count = shape->taken_count;
	return relation;
}

const struct relation *registry_relation(const struct collection *collection, struct slice schema, struct slice table,
                                         const struct shape *shape, const struct shape *key, const char **missing)
{
	struct buffer bytes = {0};
	const struct relation *relation;

	buffer_append(&bytes, (const char *)&collection, sizeof(collection));
	buffer_append(&bytes, (const char *)&shape, sizeof(shape));
	buffer_append(&bytes, (const char *)&key, sizeof(key));
	buffer_append(&bytes, schema.data, schema.length); /* the table is the rest of the collection's name */
	registry_lock();
	relation = map_get(registry.relations, (struct slice){bytes.data, bytes.length});
	if (relation == NULL) {
		relation = relation_new(collection, schema, table, shape, key, missing);
		if (relation != NULL)
			map_put(registry.relations, (struct slice){bytes.data, bytes.length},
			        (void *)(uintptr_t)relation);
	}
	registry_unlock();
	buffer_free(&bytes);
	return relation;
}
