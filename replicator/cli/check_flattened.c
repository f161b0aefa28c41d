/*
 * check_flattened.c - columns with the names of fields that the connector's transform ExtractNewRecordState adds: the
 * transform fails at them, or the daemon takes them for the transform's (event/flattened.h).
 */
#include <string.h>

#include "cli/preflight.h"
#include "connect/transforms.h"
#include "event/flattened.h"

static bool is_taken_here(const struct preflight *preflight, const char *column)
{
	return flattened_takes(preflight->config->decoding.added_fields, preflight->config->decoding.added_field_count,
	                       column);
}

/* Whether the newest row of the table in Kafka has such a field. */
static bool was_taken(const struct preflight *preflight, const char *table, const char *column)
{
	const struct relation *relation =
	    preflight->carried != NULL ? map_get(preflight->carried, slice_from(table)) : NULL;

	for (uint32_t i = 0; relation != NULL && i < relation->taken_count; i++)
		if (strcmp(relation->taken[i], column) == 0)
			return true;
	return false;
}

bool check_is_added(const struct preflight *preflight, const char *column)
{
	return preflight->added_fields != NULL && is_taken_here(preflight, column);
}

static void check_source_column(struct preflight *preflight, const char *table, const char *column)
{
	if (preflight->added_fields != NULL && transforms_add_field(preflight->added_fields, column))
		preflight_problem(
		    preflight,
		    "%s: column %s has the name of a field that the connector's transform "
		    "ExtractNewRecordState adds: the connector stops at the first event of the table; remove "
		    "the field from the transform's add.fields, or leave the column out "
		    "(column.exclude.list)",
		    table, column);
	else if (check_is_added(preflight, column) || was_taken(preflight, table, column))
		preflight_problem(
		    preflight,
		    "%s: column %s has the name of a field that the transform ExtractNewRecordState can add, "
		    "and is taken for that field; set decoding.added_fields to the transform's add.fields",
		    table, column);
}

void check_flattened_columns(struct preflight *preflight, const struct table_rule *rule,
                             const struct table_image *source, const struct table_image *target)
{
	const char *name = preflight_name(preflight, source->schema, source->name);

	for (size_t i = 0; i < source->column_count; i++)
		check_source_column(preflight, name, source->columns[i].name);
	for (size_t i = 0; i < target->column_count; i++) {
		const char *column = target->columns[i].name;

		if (check_column(source, column) != NULL || config_column_rule(rule, column)->exclude)
			continue;
		if (was_taken(preflight, name, column) ||
		    (preflight->added_fields != NULL && transforms_add_field(preflight->added_fields, column)))
			preflight_problem(
			    preflight,
			    "%s: the target has a column %s, which is the name of a field that the "
			    "connector's transform ExtractNewRecordState adds: `run` stops at it; exclude it in "
			    "tables: columns = ( { match = \"%s\"; exclude = true; } )",
			    name, column, column);
	}
}
