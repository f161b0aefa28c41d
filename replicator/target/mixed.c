/* mixed.c - see mixed.h */
#include "target/mixed.h"

#include "base/arena.h"
#include "target/state.h"

#include <string.h>

static bool is_same(const struct table_name *a, const struct table_name *b)
{
	return strcmp(a->schema, b->schema) == 0 && strcmp(a->table, b->table) == 0;
}

struct error *mixed_tables(struct pg_connection *connection, const struct config *config, const struct table_name *name,
                           struct arena *arena, struct table_name **others, size_t *count)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;

	*count = 0;
	*others = NULL;
	if (!config_any_rename(config))
		return NULL;
	TRY(state_query(connection, config,
	                "SELECT schema_name, table_name FROM @captured_table WHERE stream = $1 ORDER BY 1, 2", 1,
	                parameters, &result));
	*others = arena_alloc(arena, (pg_result_rows(result) + 1) * sizeof(**others));
	for (size_t i = 0; i < pg_result_rows(result); i++) {
		const char *schema = pg_result_text(result, i, 0), *table = pg_result_text(result, i, 1);
		const struct table_name other = {arena_copy(arena, schema, strlen(schema)),
		                                 arena_copy(arena, table, strlen(table))};

		if (!is_same(name, &other) && config_tables_mix(config, name, &other, arena))
			(*others)[(*count)++] = other;
	}
	pg_result_free(result);
	return NULL;
}

static bool truncates(const struct change *change, const struct table_name *name)
{
	const struct table_name truncated = {change->relation->schema, change->relation->table};

	return is_same(&truncated, name);
}

/* Whether the events of TRUNCATE around that number truncate the table, too. */
static bool is_in_run(const struct transaction *transaction, size_t number, const struct table_name *name)
{
	for (size_t i = number; i < transaction->change_count && transaction->changes[i]->operation == CHANGE_TRUNCATE;
	     i++)
		if (truncates(transaction->changes[i], name))
			return true;
	for (size_t i = number; i > 0 && transaction->changes[i - 1]->operation == CHANGE_TRUNCATE; i--)
		if (truncates(transaction->changes[i - 1], name))
			return true;
	return false;
}

struct error *mixed_check_truncate(struct pg_connection *connection, const struct config *config,
                                   const struct transaction *transaction, size_t number, struct arena *arena)
{
	const struct relation *relation = transaction->changes[number]->relation;
	const struct table_name name = {relation->schema, relation->table};
	const struct table_rule *rule = config_table_rule(config, name.schema, name.table);
	struct table_name target, *others;
	size_t count;

	TRY(mixed_tables(connection, config, &name, arena, &others, &count));
	for (size_t i = 0; i < count; i++) {
		const struct table_rule *other = config_table_rule(config, others[i].schema, others[i].table);

		if (is_in_run(transaction, number, &others[i]) && other->truncate_mode == rule->truncate_mode)
			continue;
		target = config_target_table(config, rule, name.schema, name.table, arena);
		return error_new(
		    ERROR_TARGET,
		    "TRUNCATE of %s.%s: table %s.%s of the target holds rows of %s.%s as well, and no "
		    "source_column tells which of them go; set truncate = \"ignore\" for the table in `tables` "
		    "to leave them, or give the tables a source_column",
		    name.schema, name.table, target.schema, target.table, others[i].schema, others[i].table);
	}
	return NULL;
}
