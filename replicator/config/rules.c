/* rules.c - which entry of `tables` counts for a table. */
#include <stdlib.h>
#include <string.h>

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
