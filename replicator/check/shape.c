/* shape.c - see the header. */
#include "check/shape.h"

#include <stdlib.h>
#include <string.h>

struct list {
	const char **texts;
	size_t count;
};

static void add(struct list *list, const char *text)
{
	list->texts[list->count++] = text;
}

static void compare_column(struct list *list, const struct column_image *source, const struct column_image *target,
                           struct arena *arena)
{
	if (target == NULL) {
		add(list,
		    arena_format(arena, "column %s (%s) is missing in the target", source->name, source->type_name));
		return;
	}
	if (strcmp(source->type_name, target->type_name) != 0)
		add(list, arena_format(arena, "column %s is %s in the source and %s in the target", source->name,
		                       source->type_name, target->type_name));
	if (target->not_null && !source->not_null)
		add(list, arena_format(arena, "column %s is NOT NULL in the target only", source->name));
	if (target->generated && !source->generated)
		add(list, arena_format(arena, "column %s is generated in the target only", source->name));
}

static bool same_columns(const struct table_image *a, const struct key_image *key_a, const struct table_image *b,
                         const struct key_image *key_b)
{
	if (key_a->column_count != key_b->column_count)
		return false;
	for (size_t i = 0; i < key_a->column_count; i++)
		if (strcmp(a->columns[key_a->columns[i]].name, b->columns[key_b->columns[i]].name) != 0)
			return false;
	return true;
}

static const char *key_columns(const struct table_image *image, const struct key_image *key, struct arena *arena)
{
	const char *text = "";

	for (size_t i = 0; i < key->column_count; i++)
		text = arena_format(arena, "%s%s%s", text, i > 0 ? ", " : "", image->columns[key->columns[i]].name);
	return text;
}

static bool has_key(const struct table_image *image, const struct table_image *other, const struct key_image *key)
{
	for (size_t i = 0; i < image->key_count; i++)
		if (same_columns(image, &image->keys[i], other, key))
			return true;
	return false;
}

/* The source's primary key must be a primary or unique key of the target; other unique keys are the target's affair. */
static void compare_keys(struct list *list, const struct table_image *source, const struct table_image *target,
                         struct arena *arena)
{
	for (size_t i = 0; i < source->key_count; i++)
		if (source->keys[i].primary && !has_key(target, source, &source->keys[i]))
			add(list, arena_format(arena, "the primary key (%s) is no key of the target",
			                       key_columns(source, &source->keys[i], arena)));
}

void shape_compare(struct check_table *table, struct arena *arena)
{
	const struct table_image *source = table->images[SIDE_SOURCE], *target = table->images[SIDE_TARGET];
	struct list list = {arena_alloc(arena, (source->column_count * 3 + source->key_count + 1) * sizeof(char *)), 0};

	for (size_t i = 0; i < source->column_count; i++)
		compare_column(&list, &source->columns[i], check_column_of(target, source->columns[i].name), arena);
	compare_keys(&list, source, target, arena);
	table->schema_differences = list.texts;
	table->schema_difference_count = list.count;
}
