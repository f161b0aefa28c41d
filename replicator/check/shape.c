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

/* `target` NULL: it is not there. A rule that masks or casts gives the target's column a type of its own. */
static void compare_column(struct list *list, const struct column_image *source, const struct column_image *target,
                           const struct column_rule *rule, struct arena *arena)
{
	bool ruled = rule->mask != MASK_NONE || rule->cast_from != NULL;

	if (target == NULL) {
		add(list, arena_format(arena, "column %s (%s) is missing in the target%s%s", source->name,
		                       source->type_name, rule->rename != NULL ? ", where a rule calls it " : "",
		                       rule->rename != NULL ? rule->rename : ""));
		return;
	}
	if (strcmp(source->type_name, target->type_name) != 0 && !ruled)
		add(list, arena_format(arena, "column %s is %s in the source and %s in the target", source->name,
		                       source->type_name, target->type_name));
	if (target->not_null && !source->not_null && rule->mask != MASK_CONSTANT)
		add(list, arena_format(arena, "column %s is NOT NULL in the target only", source->name));
	if (target->generated && !source->generated)
		add(list, arena_format(arena, "column %s is generated in the target only", source->name));
}

/* The key's column in the target under the table's rules, or NULL. */
static const char *target_name(const struct check_table *table, const struct key_image *key, size_t n)
{
	const struct column_rule *rule;
	const char *name = table->images[SIDE_SOURCE]->columns[key->columns[n].index].name;

	rule = config_column_rule(table->rule, name);
	return rule->exclude ? NULL : rule->rename != NULL ? rule->rename : name;
}

/* The source's columns in their order; the column that tells the sources apart may stand anywhere between. */
static bool same_columns(const struct check_table *table, const struct key_image *key, const struct key_image *other)
{
	const struct table_image *target = table->images[SIDE_TARGET];
	size_t n = 0;

	for (size_t i = 0; i < other->column_count; i++) {
		const char *name = target->columns[other->columns[i].index].name;
		const char *wanted = n < key->column_count ? target_name(table, key, n) : NULL;

		if (wanted != NULL && strcmp(name, wanted) == 0)
			n++;
		else if (table->rule->source_column == NULL || strcmp(name, table->rule->source_column) != 0)
			return false;
	}
	return n == key->column_count;
}

static const char *key_columns(const struct table_image *image, const struct key_image *key, struct arena *arena)
{
	const char *text = "";

	for (size_t i = 0; i < key->column_count; i++)
		text =
		    arena_format(arena, "%s%s%s", text, i > 0 ? ", " : "", image->columns[key->columns[i].index].name);
	return text;
}

static bool has_key(const struct check_table *table, const struct key_image *key)
{
	const struct table_image *target = table->images[SIDE_TARGET];

	for (size_t i = 0; i < target->key_count; i++)
		if (same_columns(table, key, &target->keys[i]))
			return true;
	return false;
}

/* The source's primary key must be a primary or unique key of the target; other unique keys are the target's affair. */
static void compare_keys(struct list *list, const struct check_table *table, struct arena *arena)
{
	const struct table_image *source = table->images[SIDE_SOURCE];

	for (size_t i = 0; i < source->key_count; i++)
		if (source->keys[i].primary && !has_key(table, &source->keys[i]))
			add(list, arena_format(arena, "the primary key (%s) is no key of the target",
			                       key_columns(source, &source->keys[i], arena)));
}

void shape_compare(struct check_table *table, const struct captured_columns *captured, struct arena *arena)
{
	const struct table_image *source = table->images[SIDE_SOURCE], *target = table->images[SIDE_TARGET];
	struct list list = {arena_alloc(arena, (source->column_count * 3 + source->key_count + 1) * sizeof(char *)), 0};

	for (size_t i = 0; i < source->column_count; i++) {
		const struct column_rule *rule = config_column_rule(table->rule, source->columns[i].name);
		const char *name = rule->rename != NULL ? rule->rename : source->columns[i].name;
		const struct captured_column *form =
		    captured_columns_find(captured, table->schema, table->name, source->columns[i].name);

		if (!rule->exclude && (form == NULL || form->form != CAPTURED_NEVER))
			compare_column(&list, &source->columns[i], check_column_of(target, name), rule, arena);
	}
	compare_keys(&list, table, arena);
	table->schema_differences = list.texts;
	table->schema_difference_count = list.count;
}
