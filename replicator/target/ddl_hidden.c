/* ddl_hidden.c - see ddl_hidden.h. */
#include "target/ddl_hidden.h"

#include "base/memory.h"
#include "target/state.h"

#include <stdlib.h>
#include <string.h>

#define REMEDY "add an entry for the new name to `tables` and start again"

/* Whether a rule keeps the value from the target's readers. */
static bool hides(const struct column_rule *rule)
{
	return rule->exclude || rule->mask != MASK_NONE;
}

static bool hides_something(const struct table_rule *rule)
{
	for (size_t i = 0; i < rule->column_count; i++)
		if (hides(&rule->columns[i]))
			return true;
	return rule->exclude || rule->filter.column != NULL;
}

/* --- an object whose last image is known -------------------------------------------------------------------------- */

static const struct column_definition *column_at(const struct object_image *image, int attnum)
{
	for (size_t i = 0; i < image->column_count; i++)
		if (image->columns[i].attnum == attnum)
			return &image->columns[i];
	return NULL;
}

static struct error *check_table(const struct table_rule *old_rule, const struct table_rule *new_rule,
                                 const struct object_image *before, const struct object_image *after)
{
	if (!old_rule->exclude && (old_rule->filter.column == NULL || new_rule->filter.column != NULL))
		return NULL;
	return error_new(ERROR_TARGET,
	                 "the source renamed table %s.%s, whose rule %s, to %s.%s, which no such rule "
	                 "matches; " REMEDY,
	                 before->name.schema, before->name.name, old_rule->exclude ? "excludes it" : "filters its rows",
	                 after->name.schema, after->name.name);
}

/* The filter has one name for a column: after a rename another column may have it. */
static struct error *check_filter(const struct table_rule *old_rule, const struct table_rule *new_rule,
                                  const struct object_image *before, const struct object_image *after)
{
	const struct column_definition *old =
	    old_rule->filter.column == NULL ? NULL : object_column(before, old_rule->filter.column);
	const struct column_definition *now = old == NULL ? NULL : column_at(after, old->attnum);

	if (now == NULL || strcmp(now->name, new_rule->filter.column) == 0)
		return NULL;
	return error_new(ERROR_TARGET,
	                 "the source renamed %s.%s.%s, by which a rule filters the rows, to %s, and the rule names "
	                 "%s; correct the filter in `tables` and start again",
	                 before->name.schema, before->name.name, old->name, now->name, new_rule->filter.column);
}

struct error *ddl_hidden_check(const struct config *config, const struct object_image *before,
                               const struct object_image *after)
{
	const struct table_rule *old_rule, *new_rule;

	if (before == NULL || after->kind != OBJECT_TABLE || before->oid != after->oid)
		return NULL;
	old_rule = config_table_rule(config, before->name.schema, before->name.name);
	new_rule = config_table_rule(config, after->name.schema, after->name.name);
	if (new_rule->exclude)
		return NULL;
	TRY(check_table(old_rule, new_rule, before, after));
	TRY(check_filter(old_rule, new_rule, before, after));
	for (size_t i = 0; i < after->column_count; i++) {
		const struct column_definition *old = column_at(before, after->columns[i].attnum);

		if (old != NULL && hides(config_column_rule(old_rule, old->name)) &&
		    !hides(config_column_rule(new_rule, after->columns[i].name)))
			return error_new(
			    ERROR_TARGET,
			    "the source renamed %s.%s.%s, which a rule masks or excludes, to %s.%s.%s, which none "
			    "does; " REMEDY,
			    before->name.schema, before->name.name, old->name, after->name.schema, after->name.name,
			    after->columns[i].name);
	}
	return NULL;
}

/* --- an object whose earlier name is not known -------------------------------------------------------------------- */

static bool has_rule(const struct table_rule *rule, const char *column)
{
	for (size_t i = 0; i < rule->column_count; i++)
		if (config_pattern_matches(rule->columns[i].match, column))
			return true;
	return false;
}

/* Whether a column that the entry hides may have another name now. */
static bool may_be_renamed(const struct table_rule *rule, const struct column_rule *entry,
                           const struct object_image *before, const struct object_image *after)
{
	for (size_t i = 0; before != NULL && i < before->column_count; i++)
		if (config_column_rule(rule, before->columns[i].name) == entry &&
		    object_column(after, before->columns[i].name) == NULL)
			return true;
	if (before != NULL)
		return false;
	for (size_t i = 0; strchr(entry->match, '*') == NULL && i < after->column_count; i++)
		if (config_column_rule(rule, after->columns[i].name) == entry)
			return false;
	return true;
}

static struct error *check_columns(const struct table_rule *rule, const struct object_image *before,
                                   const struct object_image *after, const struct object_image *target)
{
	const struct column_rule *entry = NULL;

	for (size_t i = 0; i < rule->column_count && entry == NULL; i++)
		if (hides(&rule->columns[i]) && may_be_renamed(rule, &rule->columns[i], before, after))
			entry = &rule->columns[i];
	for (size_t i = 0; entry != NULL && i < after->column_count; i++) {
		const char *name = after->columns[i].name;

		if (has_rule(rule, name) || object_column(target, name) != NULL ||
		    (before != NULL && object_column(before, name) != NULL))
			continue;
		return error_new(ERROR_TARGET,
		                 "table %s.%s: its column \"%s\" could be the one that a rule masks or excludes as "
		                 "\"%s\", renamed: the log began without a baseline of the table, so that its earlier "
		                 "names are not known; give the column a rule in `tables`, or add it to the target's "
		                 "table, and start again",
		                 after->name.schema, after->name.name, name, entry->match);
	}
	return NULL;
}

/* Whether the log shows another table under the name that a rule says. */
static struct error *is_taken(struct pg_connection *connection, const struct config *config, const struct ddl_row *row,
                              const char *name, bool *taken)
{
	const char *const parameters[3] = {config->stream.name, row->relid, name};

	return state_exists(
	    connection, config,
	    "SELECT FROM (SELECT DISTINCT ON (relid) schema_name, table_name, image FROM @schema_history"
	    " WHERE stream = $1 AND kind = 'table' AND log_id IS NOT NULL AND relid <> $2::bigint::oid"
	    " ORDER BY relid, id DESC) last"
	    " WHERE image <> 'null' AND schema_name || '.' || table_name = $3",
	    3, parameters, taken);
}

/* A table that the target does not have may be one that a rule hides, under another name. */
static struct error *check_name(struct pg_connection *connection, const struct config *config,
                                const struct ddl_row *row, const struct table_rule *own)
{
	if (strcmp(own->match, "*") != 0 && strchr(own->match, '*') == NULL)
		return NULL; /* the entry names this table */
	for (size_t i = 0; i < config->table_count; i++) {
		const struct table_rule *rule = &config->tables[i];
		bool taken = false;

		if (rule == own || !hides_something(rule))
			continue;
		if (strchr(rule->match, '*') == NULL)
			TRY(is_taken(connection, config, row, rule->match, &taken));
		if (!taken)
			return error_new(
			    ERROR_TARGET,
			    "table %s.%s could be one that the rule \"%s\" hides, renamed: %s is its first row in the "
			    "log, which began without a baseline of it; add an entry with exactly this name to "
			    "`tables` and start again",
			    row->name.schema, row->name.name, rule->match, row->tag);
	}
	return NULL;
}

struct error *ddl_hidden_check_unknown(struct pg_connection *connection, const struct config *config,
                                       const struct ddl_row *row, const struct object_image *before,
                                       const struct object_image *after, const struct object_image *target)
{
	const struct table_rule *rule = config_table_rule(config, after->name.schema, after->name.name);

	if (ddl_row_creates(row) || rule->exclude || (before != NULL && before->oid == after->oid))
		return NULL;
	TRY(check_columns(rule, before, after, target));
	return before == NULL && target == NULL ? check_name(connection, config, row, rule) : NULL;
}

/* --- schemas ------------------------------------------------------------------------------------------------------- */

/* Whether what `old` hides is hidden by `now`, too. */
static bool covers(const struct table_rule *now, const struct table_rule *old)
{
	if (now == old || now->exclude)
		return true;
	if (old->exclude || (old->filter.column != NULL && now->filter.column == NULL))
		return false;
	for (size_t i = 0; i < old->column_count; i++)
		if (hides(&old->columns[i]) && !hides(config_column_rule(now, old->columns[i].match)))
			return false;
	return true;
}

struct error *ddl_hidden_check_schema(const struct config *config, const char *before, const char *after)
{
	for (size_t i = 0; i < config->table_count; i++) {
		const struct table_rule *rule = &config->tables[i];
		const char *dot = strchr(rule->match, '.');
		char *schema = dot == NULL ? memory_copy_text(rule->match)
		                           : memory_copy_bytes(rule->match, (size_t)(dot - rule->match));
		bool concerned = hides_something(rule) && (before == NULL || config_pattern_matches(schema, before));

		free(schema);
		if (!concerned || covers(config_table_rule(config, after, dot == NULL ? "*" : dot + 1), rule))
			continue;
		return error_new(ERROR_TARGET,
		                 "the source renamed %s%s to %s, and tables that the rule \"%s\" hides %s come under "
		                 "names that no such rule matches; " REMEDY,
		                 before == NULL ? "a schema" : "schema ", before == NULL ? "" : before, after,
		                 rule->match, before == NULL ? "may" : "now");
	}
	return NULL;
}
