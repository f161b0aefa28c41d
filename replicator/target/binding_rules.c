/*
 * binding_rules.c - see the header.
 *
 * NOTES
 *   A column that is masked by NULL or a constant, and the source column, are constants of the binding: the event's
 *   value is not even looked at, so a TOAST placeholder is none there. A hash is made where values are converted
 *   (rows.c).
 */
#include "target/binding_rules.h"

#include "pg/catalog.h"
#include "pg/sql.h"
#include "target/binding_history.h"
#include "target/rules.h"

#include <string.h>

static const struct value *constant(struct arena *arena, const char *text)
{
	struct value *value = arena_alloc_zeroed(arena, sizeof(*value));

	if (text != NULL)
		*value = (struct value){text, (uint32_t)strlen(text), VALUE_NATIVE};
	return value;
}

static bool is_text_type(const struct target_type *type)
{
	return !type->array && (strcmp(type->name, "text") == 0 || strcmp(type->name, "varchar") == 0 ||
	                        strcmp(type->name, "bpchar") == 0);
}

static struct error *mask_by_hash(struct binding *binding, const struct config *config, struct bound_column *column)
{
	if (!is_text_type(&column->image->type))
		return error_new(
		    ERROR_TARGET,
		    "mask = \"hash\" writes 64 hexadecimal digits, and column \"%s\" of the target is %s; make "
		    "it text",
		    column->image->name, column->image->type_name);
	if (!rules_may_read_column(&binding->relation->columns[column->source]))
		return error_new(
		    ERROR_TARGET,
		    "mask = \"hash\" takes texts, whole numbers, booleans, uuids and enums, not what the source "
		    "has; mask the column in another way, or exclude it");
	column->hashed = true;
	binding->salt = config->masking.salt;
	return NULL;
}

static struct error *mask(struct binding *binding, const struct config *config, const struct column_rule *rule,
                          struct arena *arena, struct bound_column *column)
{
	if (rule->mask == MASK_HASH)
		return mask_by_hash(binding, config, column);
	if (column->key)
		return error_new(
		    ERROR_TARGET,
		    "it belongs to the key, and every row would have the same one; mask it by \"hash\", or not "
		    "at all");
	column->constant = constant(arena, rule->mask == MASK_CONSTANT ? rule->value : NULL);
	return NULL;
}

/* The server is asked whether it knows the cast; no row is touched. */
static struct error *try_cast(struct pg_connection *connection, const struct column_image *from,
                              const struct column_image *to)
{
	struct buffer sql = {0};
	struct error *error;

	buffer_append_format(&sql, "SELECT NULL::%s::%s", from->cast_name, to->cast_name);
	error = pg_query(connection, sql.data, 0, NULL, NULL);
	buffer_free(&sql);
	return error;
}

static struct error *cast(struct pg_connection *connection, const struct column_rule *rule, struct arena *arena,
                          struct bound_column *column)
{
	if (column->key)
		return error_new(ERROR_TARGET,
		                 "it belongs to the key, and cast values may no longer tell rows apart; remove "
		                 "cast_from");
	TRY(error_wrap(catalog_read_type(connection, rule->cast_from, arena, &column->read_as), "cast_from = \"%s\"",
	               rule->cast_from));
	return error_wrap(try_cast(connection, column->read_as, column->image), "cast_from = \"%s\", to %s",
	                  rule->cast_from, column->image->type_name);
}

struct error *binding_apply_rule(struct binding *binding, struct pg_connection *connection, const struct config *config,
                                 const struct column_rule *rule, struct arena *arena, struct bound_column *column)
{
	column->read_as = column->image;
	if (rule->mask != MASK_NONE)
		return mask(binding, config, rule, arena, column);
	if (rule->cast_from != NULL)
		TRY(cast(connection, rule, arena, column));
	return conversion_choose(&binding->relation->columns[column->source], &column->read_as->type,
	                         &config->decoding.modes, arena, &column->conversion);
}

static bool has_column(const struct binding *binding, const char *name)
{
	for (size_t i = 0; i < binding->image->column_count; i++)
		if (strcmp(binding->image->columns[i].name, name) == 0)
			return true;
	return false;
}

struct error *binding_check_taken(const struct binding *binding)
{
	const struct relation *relation = binding->relation;

	for (uint32_t i = 0; i < relation->taken_count; i++) {
		const char *field = relation->taken[i];
		const struct column_rule *rule = config_column_rule(binding->rule, field);

		if (!rule->exclude && has_column(binding, rule->rename != NULL ? rule->rename : field))
			return error_new(ERROR_TARGET,
			                 "table %s.%s: the events have a field \"%s\", which the transform "
			                 "ExtractNewRecordState can add "
			                 "(add.fields), and the target's table has a column for it; if it is a column "
			                 "of the source, set "
			                 "decoding.added_fields to the transform's add.fields; if only the target has "
			                 "it, exclude it: columns "
			                 "= ( { match = \"%s\"; exclude = true; } )",
			                 relation->schema, relation->table, field, field);
	}
	return NULL;
}

static bool entry_matches(const struct column_rule *entry, const struct relation *relation)
{
	for (uint32_t i = 0; i < relation->column_count; i++)
		if (rules_entry_matches(entry, relation, i))
			return true;
	for (uint32_t i = 0; i < relation->taken_count && entry->exclude; i++)
		if (strcmp(entry->match, relation->taken[i]) == 0)
			return true;
	return false;
}

static struct error *check_entry(const struct binding *binding, struct pg_connection *connection,
                                 const struct config *config, const struct column_rule *entry)
{
	const struct relation *relation = binding->relation;
	bool had;

	if (strchr(entry->match, '*') != NULL || entry_matches(entry, relation))
		return NULL;
	if (has_column(binding, entry->rename != NULL ? entry->rename : entry->match))
		return NULL;
	TRY(binding_had_column(connection, config, relation, entry->match, &had));
	if (had)
		return NULL;
	return error_new(
	    ERROR_TARGET,
	    "table %s.%s: columns: match = \"%s\" (%s:%u) matches no column: the events have none of that "
	    "name, and the target's table never had one; correct or remove the entry. For a column that is "
	    "still to come write a pattern, like \"%s*\"",
	    relation->schema, relation->table, entry->match, config->file, entry->line, entry->match);
}

struct error *binding_check_entries(const struct binding *binding, struct pg_connection *connection,
                                    const struct config *config)
{
	const struct table_rule *rule = binding->rule;

	if (rule->column_count == 0 || strchr(rule->match, '*') != NULL || binding->relation->column_count == 0)
		return NULL;
	for (size_t i = 0; i < rule->column_count; i++)
		TRY(check_entry(binding, connection, config, &rule->columns[i]));
	return NULL;
}

static const struct column_image *find_source_column(const struct binding *binding)
{
	for (size_t i = 0; i < binding->image->column_count; i++)
		if (strcmp(binding->image->columns[i].name, binding->rule->source_column) == 0)
			return &binding->image->columns[i];
	return NULL;
}

struct error *binding_add_source_column(struct binding *binding, const struct config *config, struct arena *arena,
                                        struct bound_column *columns)
{
	const struct relation *relation = binding->relation;
	struct bound_column *column = &columns[binding->column_count];

	if (binding->rule->source_column == NULL)
		return NULL;
	binding->source_column = find_source_column(binding);
	binding->source_value = config_source_value(config, binding->rule, relation->schema, relation->table, arena);
	if (binding->source_column == NULL)
		return error_new(
		    ERROR_TARGET,
		    "table %s.%s of the target has no column \"%s\" (source_column in tables, %s:%u); add it, and "
		    "to the key as well",
		    binding->image->schema, binding->image->name, binding->rule->source_column, config->file,
		    binding->rule->line);
	for (size_t i = 0; i < binding->column_count; i++)
		if (columns[i].image == binding->source_column)
			return error_new(
			    ERROR_TARGET,
			    "table %s.%s: the source has a column \"%s\", too; name another source_column in "
			    "tables (%s:%u), or rename the source's",
			    relation->schema, relation->table, binding->rule->source_column, config->file,
			    binding->rule->line);
	if (relation->column_count == 0) /* of a truncate */
		return NULL;
	*column = (struct bound_column){.source = UINT32_MAX,
	                                .image = binding->source_column,
	                                .read_as = binding->source_column,
	                                .constant = constant(arena, binding->source_value)};
	binding->column_count++;
	return NULL;
}

struct error *binding_add_filter(struct binding *binding, const struct config *config)
{
	const struct relation *relation = binding->relation;
	const char *name = binding->rule->filter.column;
	uint32_t i = 0;

	if (name == NULL || relation->column_count == 0)
		return NULL;
	while (i < relation->column_count && !rules_filter_reads(binding->rule, relation, i))
		i++;
	if (i == relation->column_count)
		return error_new(
		    ERROR_TARGET,
		    "table %s.%s: the filter reads column \"%s\", which the events do not have; correct it in "
		    "tables (%s:%u), or let the connector send the column",
		    relation->schema, relation->table, name, config->file, binding->rule->line);
	if (!rules_may_read_column(&relation->columns[i]))
		return error_new(
		    ERROR_TARGET,
		    "table %s.%s: a filter takes texts, whole numbers, booleans, uuids and enums, and column "
		    "\"%s\" is something else; filter by another column (%s:%u)",
		    relation->schema, relation->table, name, config->file, binding->rule->line);
	binding->filters = true;
	binding->filter_column = i;
	return NULL;
}

enum membership binding_membership(const struct binding *binding, const struct value *values)
{
	const struct value *value = &values[binding->filter_column];

	if (!binding->filters)
		return MEMBERSHIP_IN;
	if (value->kind == VALUE_UNCHANGED)
		return MEMBERSHIP_UNCHANGED;
	if (!rules_may_read(value))
		return MEMBERSHIP_UNREADABLE;
	return config_filter_admits(&binding->rule->filter, value->kind == VALUE_NULL ? NULL : value->data,
	                            value->length)
	           ? MEMBERSHIP_IN
	           : MEMBERSHIP_OUT;
}

/* Partitions of one table that have no partitions themselves have no row in common. */
static bool share_rows(const struct table_image *a, const struct table_image *b)
{
	return a->oid == b->oid ||
	       (a->root_oid != 0 && a->root_oid == b->root_oid && (a->relkind == 'p' || b->relkind == 'p'));
}

bool binding_may_meet(const struct binding *a, const struct binding *b)
{
	if (!share_rows(a->image, b->image))
		return false;
	return a->source_column == NULL || b->source_column == NULL || a->key_count == 0 || b->key_count == 0 ||
	       a->columns[a->key[a->key_count - 1]].image != a->source_column ||
	       strcmp(a->source_value, b->source_value) == 0;
}
