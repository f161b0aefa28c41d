/* rules.c - which entry of `tables` counts for a table, and what it makes of names and rows. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "config/config.h"

bool config_pattern_matches(const char *pattern, const char *text)
{
	const char *star = NULL; /* the last * seen, and the text behind what it takes so far */
	const char *retry = NULL;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			retry = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star + 1;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

const char config_source_schema[] = "replicator";
const char config_message_prefix[] = "replicator";
const char config_ddl_log[] = "ddl_log";

const struct table_rule *config_table_rule(const struct config *config, const char *schema, const char *table)
{
	static const struct table_rule none = {.match = "*",
	                                       .exclude = false,
	                                       .delete_mode = DELETE_HARD,
	                                       .truncate_mode = TRUNCATE_APPLY};
	static const struct table_rule ours = {.match = "*", .exclude = true};
	const struct table_rule *found = &none;
	char *name;

	if (strcmp(schema, config_source_schema) == 0 && strcmp(table, config_ddl_log) == 0)
		return &none;
	if (strcmp(schema, config_source_schema) == 0 ||
	    (config->target.schema != NULL && strcmp(schema, config->target.schema) == 0))
		return &ours;
	if (config->table_count == 0)
		return found;
	name = memory_format("%s.%s", schema, table);
	for (size_t i = 0; i < config->table_count; i++) {
		if (config_pattern_matches(config->tables[i].match, name)) {
			found = &config->tables[i];
			break;
		}
	}
	free(name);
	return found;
}

/* The template with the words between braces replaced. */
static const char *expand(const struct config *config, const char *template, const char *schema, const char *table,
                          struct arena *arena)
{
	const char *source = config->source.name != NULL ? config->source.name : config->kafka.topic_prefix;
	const char *const words[] = {"{schema}", "{table}", "{source}"};
	const char *const values[] = {schema, table, source != NULL ? source : ""};
	struct buffer text = {0};
	const char *expanded;

	while (*template != '\0') {
		size_t i = 0;

		while (i < 3 && strncmp(template, words[i], strlen(words[i])) != 0)
			i++;
		if (i < 3) {
			buffer_append_text(&text, values[i]);
			template += strlen(words[i]);
		} else {
			buffer_append_byte(&text, *template ++);
		}
	}
	expanded = arena_copy(arena, text.data != NULL ? text.data : "", text.length);
	buffer_free(&text);
	return expanded;
}

struct table_name config_target_table(const struct config *config, const struct table_rule *rule, const char *schema,
                                      const char *table, struct arena *arena)
{
	const char *dot;

	if (rule->rename == NULL)
		return (struct table_name){schema, table};
	dot = strchr(rule->rename, '.'); /* refuse_rename saw to it */
	return (struct table_name){expand(config, arena_copy(arena, rule->rename, (size_t)(dot - rule->rename)), schema,
	                                  table, arena),
	                           expand(config, dot + 1, schema, table, arena)};
}

const char *config_source_value(const struct config *config, const struct table_rule *rule, const char *schema,
                                const char *table, struct arena *arena)
{
	return expand(config, rule->source_value, schema, table, arena);
}

const struct column_rule *config_column_rule(const struct table_rule *rule, const char *column)
{
	static const struct column_rule none = {.match = "*"};

	for (size_t i = 0; i < rule->column_count; i++)
		if (config_pattern_matches(rule->columns[i].match, column))
			return &rule->columns[i];
	return &none;
}

static bool is_listed(const char *const *list, size_t count, const char *data, size_t length)
{
	for (size_t i = 0; data != NULL && i < count; i++)
		if (strlen(list[i]) == length && memcmp(list[i], data, length) == 0)
			return true;
	return false;
}

bool config_filter_admits(const struct row_filter *filter, const char *data, size_t length)
{
	if (filter->column == NULL)
		return true;
	if (filter->in_count > 0)
		return is_listed(filter->in, filter->in_count, data, length);
	return !is_listed(filter->not_in, filter->not_in_count, data, length);
}

bool config_tables_mix(const struct config *config, const struct table_name *a, const struct table_name *b,
                       struct arena *arena)
{
	const struct table_rule *rule_a = config_table_rule(config, a->schema, a->table);
	const struct table_rule *rule_b = config_table_rule(config, b->schema, b->table);
	struct table_name name_a = config_target_table(config, rule_a, a->schema, a->table, arena);
	struct table_name name_b = config_target_table(config, rule_b, b->schema, b->table, arena);

	if (rule_a->exclude || rule_b->exclude || strcmp(name_a.schema, name_b.schema) != 0 ||
	    strcmp(name_a.table, name_b.table) != 0)
		return false;
	return rule_a->source_column == NULL || rule_b->source_column == NULL ||
	       strcmp(rule_a->source_column, rule_b->source_column) != 0 ||
	       strcmp(config_source_value(config, rule_a, a->schema, a->table, arena),
	              config_source_value(config, rule_b, b->schema, b->table, arena)) == 0;
}

bool config_any_rename(const struct config *config)
{
	for (size_t i = 0; i < config->table_count; i++)
		if (config->tables[i].rename != NULL)
			return true;
	return false;
}
