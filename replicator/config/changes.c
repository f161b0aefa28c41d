/*
 * changes.c - which settings differ between two configurations, for a reload: their names only, values may be secret.
 */
#include "config/config.h"
#include "config/settings.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_list(const struct setting *setting, const void *a, const void *b)
{
	size_t count_a, count_b;
	const char *const *items_a, *const *items_b;

	memcpy(&count_a, (const char *)a + setting->count_offset, sizeof(count_a));
	memcpy(&count_b, (const char *)b + setting->count_offset, sizeof(count_b));
	memcpy(&items_a, (const char *)a + setting->offset, sizeof(items_a));
	memcpy(&items_b, (const char *)b + setting->offset, sizeof(items_b));
	if (count_a != count_b)
		return false;
	for (size_t i = 0; i < count_a; i++)
		if (!same_text(items_a[i], items_b[i]))
			return false;
	return true;
}

static bool same_value(const struct setting *setting, const void *a, const void *b)
{
	const void *field_a = (const char *)a + setting->offset;
	const void *field_b = (const char *)b + setting->offset;
	const char *text_a, *text_b;

	if (setting->type == SETTING_LIST)
		return same_list(setting, a, b);
	if (setting->type != SETTING_TEXT)
		return memcmp(field_a, field_b, setting->size) == 0;
	memcpy(&text_a, field_a, sizeof(text_a));
	memcpy(&text_b, field_b, sizeof(text_b));
	return same_text(text_a, text_b);
}

static bool same_values(const struct setting *table, size_t count, const void *a, const void *b)
{
	for (size_t i = 0; i < count; i++)
		if (!same_value(&table[i], a, b))
			return false;
	return true;
}

static bool same_columns(const struct table_rule *a, const struct table_rule *b)
{
	if (a->column_count != b->column_count)
		return false;
	for (size_t i = 0; i < a->column_count; i++)
		if (!same_values(column_settings, column_setting_count, &a->columns[i], &b->columns[i]))
			return false;
	return true;
}

static bool same_rules(const struct config *a, const struct config *b)
{
	if (a->table_count != b->table_count)
		return false;
	for (size_t i = 0; i < a->table_count; i++)
		if (!same_values(rule_settings, rule_setting_count, &a->tables[i], &b->tables[i]) ||
		    !same_values(filter_settings, filter_setting_count, &a->tables[i].filter, &b->tables[i].filter) ||
		    !same_columns(&a->tables[i], &b->tables[i]))
			return false;
	return true;
}

static void add(struct buffer *list, const char *key)
{
	buffer_append_format(list, "%s%s", list->length > 0 ? ", " : "", key);
}

void config_list_changes(const struct config *before, const struct config *after, bool reloadable, struct buffer *list)
{
	for (size_t i = 0; i < setting_count; i++)
		if (settings[i].reloadable == reloadable && !same_value(&settings[i], before, after))
			add(list, settings[i].key);
	if (!reloadable && !same_rules(before, after))
		add(list, "tables");
}
