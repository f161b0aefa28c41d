/*
 * tables.c - reads the list `tables`: its entries, their columns and filters, and what in them contradicts itself.
 *
 * NOTES
 *   What needs the catalogs of the databases is check-config's to find (cli/check_rules.c), what a table of the target
 *   makes impossible is the binding's (target/binding.c).
 */
#include "config/loader.h"

#include <string.h>

/* One of the three tables of settings within `tables`. */
struct part {
	const char *path; /* "tables", "tables: columns" */
	const struct setting *settings;
	size_t count;
	const char *shape; /* of an entry, for messages */
};

static struct part part_of_rule(void)
{
	return (struct part){"tables", rule_settings, rule_setting_count,
	                     "{ match = \"public.users\"; delete = \"soft\"; }"};
}

static struct part part_of_column(void)
{
	return (struct part){"tables: columns", column_settings, column_setting_count,
	                     "{ match = \"email\"; mask = \"hash\"; }"};
}

static struct part part_of_filter(void)
{
	return (struct part){"tables: filter", filter_settings, filter_setting_count,
	                     "{ column = \"country\"; in = [\"DE\"]; }"};
}

static const struct setting *find_setting(const struct part *part, const char *name, const char **nearest)
{
	*nearest = NULL;
	for (size_t i = 0; i < part->count; i++) {
		if (strcmp(part->settings[i].key, name) == 0)
			return &part->settings[i];
		if (setting_distance(part->settings[i].key, name) <= 2)
			*nearest = part->settings[i].key;
	}
	return NULL;
}

static const char *known_names(const struct part *part, struct arena *arena)
{
	const char *names = part->settings[0].key;

	for (size_t i = 1; i < part->count; i++)
		names =
		    arena_format(arena, "%s%s%s", names, i + 1 == part->count ? " and " : ", ", part->settings[i].key);
	return part->settings == rule_settings ? arena_format(arena, "%s, columns and filter", names) : names;
}

static void read_one(struct loader *loader, const struct part *part, const config_setting_t *node, void *base)
{
	struct arena *arena = loader->loaded->arena;
	const char *name = config_setting_name(node);
	const char *nearest;
	const struct setting *setting = find_setting(part, name, &nearest);

	if (setting != NULL)
		loader_read_value(loader, setting, arena_format(arena, "%s: %s", part->path, name), node, base);
	else if (nearest != NULL)
		loader_problem(loader, node, "%s: unknown setting %s; did you mean %s?", part->path, name, nearest);
	else
		loader_problem(loader, node, "%s: unknown setting %s; an entry has %s", part->path, name,
		               known_names(part, arena));
}

/* False: it is no group. `nested`: called for what is in no table of settings; false: it is not known there either. */
static bool read_part(struct loader *loader, const struct part *part, const config_setting_t *node, void *base,
                      bool (*nested)(struct loader *loader, const config_setting_t *node, void *base))
{
	struct arena *arena = loader->loaded->arena;

	loader_set_defaults(part->settings, part->count, base, arena);
	if (!config_setting_is_group(node)) {
		loader_problem(loader, node, "%s: an entry is a group like %s", part->path, part->shape);
		return false;
	}
	for (int i = 0; i < config_setting_length(node); i++) {
		const config_setting_t *member = config_setting_get_elem(node, (unsigned)i);

		if (nested == NULL || !nested(loader, member, base))
			read_one(loader, part, member, base);
	}
	for (size_t i = 0; i < part->count; i++)
		if (part->settings[i].required && config_setting_get_member(node, part->settings[i].key) == NULL)
			loader_problem(loader, node, "%s: an entry lacks %s; add %s = \"%s\";", part->path,
			               part->settings[i].key, part->settings[i].key, part->settings[i].example);
	return true;
}

static void check_column(struct loader *loader, const config_setting_t *node, const struct column_rule *rule)
{
	bool constant = rule->mask == MASK_CONSTANT;

	if (rule->exclude && (rule->rename != NULL || rule->mask != MASK_NONE || rule->cast_from != NULL))
		loader_problem(
		    loader, node,
		    "tables: columns: an excluded column takes no rename, mask or cast_from; remove these, or "
		    "exclude");
	if (constant != (rule->value != NULL))
		loader_problem(loader, node, "tables: columns: mask = \"constant\" and value belong together; %s",
		               constant ? "add value = \"…\";" : "remove value, or add mask = \"constant\";");
	if (rule->mask != MASK_NONE && rule->cast_from != NULL)
		loader_problem(loader, node,
		               "tables: columns: a masked column is not cast; remove cast_from, or the mask");
	if (rule->mask == MASK_HASH && loader->loaded->config.masking.salt == NULL)
		loader_problem(
		    loader, node,
		    "tables: columns: mask = \"hash\" needs a secret; set masking.salt_file (or masking.salt)");
	if (rule->rename != NULL && strchr(rule->match, '*') != NULL)
		loader_problem(loader, node,
		               "tables: columns: match = \"%s\" may mean several columns, and rename names one; match "
		               "the column by its whole name",
		               rule->match);
}

static void read_columns(struct loader *loader, const config_setting_t *node, struct table_rule *rule)
{
	const struct part part = part_of_column();
	size_t count = (size_t)config_setting_length(node);
	struct column_rule *rules = arena_alloc_zeroed(loader->loaded->arena, (count + 1) * sizeof(*rules));

	for (size_t i = 0; i < count; i++) {
		const config_setting_t *entry = config_setting_get_elem(node, (unsigned)i);

		rules[i].line = (unsigned)config_setting_source_line(entry);
		if (!read_part(loader, &part, entry, &rules[i], NULL) || rules[i].match == NULL)
			continue;
		check_column(loader, entry, &rules[i]);
		for (size_t j = 0; j < i; j++)
			if (rules[j].match != NULL && config_pattern_matches(rules[j].match, rules[i].match)) {
				loader_problem(
				    loader, entry,
				    "tables: columns: match = \"%s\" can never count, \"%s\" before it takes the "
				    "same columns; move it up or remove it",
				    rules[i].match, rules[j].match);
				break;
			}
	}
	rule->columns = rules;
	rule->column_count = count;
}

static void read_filter(struct loader *loader, const config_setting_t *node, struct table_rule *rule)
{
	const struct part part = part_of_filter();

	if (!read_part(loader, &part, node, &rule->filter, NULL))
		return;
	if ((rule->filter.in_count > 0) == (rule->filter.not_in_count > 0))
		loader_problem(loader, node, "tables: filter: it takes one list, in or not_in, that is not empty");
}

/* What of an entry of `tables` is no plain setting. */
static bool read_nested(struct loader *loader, const config_setting_t *node, void *base)
{
	const char *name = config_setting_name(node);

	if (strcmp(name, "columns") == 0 && config_setting_is_list(node))
		read_columns(loader, node, base);
	else if (strcmp(name, "columns") == 0)
		loader_problem(
		    loader, node,
		    "tables: columns has the wrong type: it takes a list like columns = ( { match = \"email\"; "
		    "mask = \"hash\"; } );");
	else if (strcmp(name, "filter") == 0)
		read_filter(loader, node, base);
	else
		return false;
	return true;
}

/* An earlier pattern that matches the later one as a text matches all that the later one does. */
static void check_reachable(struct loader *loader, const config_setting_t *node, const struct table_rule *rules,
                            size_t number)
{
	for (size_t i = 0; i < number && rules[number].match != NULL; i++) {
		if (rules[i].match != NULL && config_pattern_matches(rules[i].match, rules[number].match)) {
			loader_problem(
			    loader, node,
			    "tables: match = \"%s\" can never count, \"%s\" before it takes the same tables; "
			    "move it up or remove it",
			    rules[number].match, rules[i].match);
			return;
		}
	}
}

static void check_soft(struct loader *loader, const config_setting_t *node, const struct table_rule *rule)
{
	const char *column = loader->loaded->config.target.is_deleted;
	bool soft = rule->delete_mode == DELETE_SOFT || rule->truncate_mode == TRUNCATE_SOFT;

	if (soft && *column == '\0')
		loader_problem(loader, node, "tables: a soft delete needs the column's name; set target.is_deleted");
}

static void check_rename(struct loader *loader, const config_setting_t *node, const struct table_rule *rule)
{
	if (rule->match == NULL || rule->rename == NULL || rule->source_column != NULL)
		return;
	if (strchr(rule->match, '*') != NULL && strstr(rule->rename, "{table}") == NULL)
		loader_problem(loader, node,
		               "tables: match = \"%s\" may mean several tables, and rename names one; use {table} in "
		               "rename, or let the tables share it by source_column",
		               rule->match);
}

static bool is_masked(const struct table_rule *rule, const char *column)
{
	for (size_t i = 0; i < rule->column_count; i++)
		if (rule->columns[i].match == NULL)
			return false;
	return config_column_rule(rule, column)->mask != MASK_NONE;
}

/* The quarantine keeps what the filter needs. Of rows that were kept nobody could tell whether they are still in it. */
static void check_filter(struct loader *loader, const config_setting_t *node, const struct table_rule *rule)
{
	if (rule->filter.column != NULL && rule->delete_mode == DELETE_IGNORE)
		loader_problem(loader, node,
		               "tables: filter: a row that leaves it is deleted, and delete = \"ignore\" would keep "
		               "it; set delete "
		               "to \"hard\" or \"soft\"");
	if (rule->filter.column != NULL && is_masked(rule, rule->filter.column))
		loader_problem(
		    loader, node,
		    "tables: filter: column \"%s\" is masked, and the quarantine would have to keep its value; "
		    "exclude the column, or filter by another one",
		    rule->filter.column);
}

void loader_read_tables(struct loader *loader, const config_setting_t *node)
{
	const struct part part = part_of_rule();
	struct config *config = &loader->loaded->config;
	size_t count = (size_t)config_setting_length(node);
	struct table_rule *rules;

	if (!config_setting_is_list(node)) {
		loader_problem(loader, node,
		               "tables has the wrong type: it takes a list like tables = ( { match = "
		               "\"public.users\"; delete = \"soft\"; } );");
		return;
	}
	rules = arena_alloc_zeroed(loader->loaded->arena, (count + 1) * sizeof(*rules));
	for (size_t i = 0; i < count; i++) {
		const config_setting_t *entry = config_setting_get_elem(node, (unsigned)i);

		rules[i].line = (unsigned)config_setting_source_line(entry);
		read_part(loader, &part, entry, &rules[i], read_nested);
		check_reachable(loader, entry, rules, i);
		check_soft(loader, entry, &rules[i]);
		check_rename(loader, entry, &rules[i]);
		check_filter(loader, entry, &rules[i]);
	}
	config->tables = rules;
	config->table_count = count;
}
