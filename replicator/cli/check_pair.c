/* check_pair.c - one table: what the source sends must find its place in the target. */
#include <string.h>

#include "base/buffer.h"
#include "cli/preflight.h"
#include "connect/type_losses.h"
#include "pg/catalog.h"
#include "pg/sql.h"

/* What the connector may not even capture is only worth a warning. */
#define report(preflight, captured, ...)                                                                               \
	((captured) ? preflight_problem((preflight), __VA_ARGS__) : preflight_warning((preflight), __VA_ARGS__))

const struct column_image *check_column(const struct table_image *image, const char *name)
{
	for (size_t i = 0; i < image->column_count; i++)
		if (strcmp(image->columns[i].name, name) == 0)
			return &image->columns[i];
	return NULL;
}

static bool is_before(const struct key_image *key, const struct key_image *other)
{
	return other == NULL || strcmp(key->name, other->name) < 0;
}

const struct key_image *check_message_key(const struct table_image *source)
{
	const struct key_image *first = table_primary_key(source);

	if (first != NULL)
		return first;
	for (size_t i = 0; i < source->key_count; i++)
		if (is_before(&source->keys[i], first))
			first = &source->keys[i];
	for (size_t i = 0; i < source->other_key_count; i++)
		if (is_before(&source->other_keys[i], first))
			return NULL;
	return first;
}

/* False: the source refuses updates and deletes of a table that is published. */
static bool has_replica_identity(const struct table_image *source)
{
	if (source->replica_identity == 'f')
		return true;
	for (size_t i = 0; i < source->key_count; i++)
		if (source->replica_identity == 'i' ? source->keys[i].replica_identity : source->keys[i].primary)
			return true;
	return false;
}

static const char *key_column(const struct table_image *image, const struct key_image *key, size_t number)
{
	return image->columns[key->columns[number].index].name;
}

/* Where the source's column goes: its name in the target; NULL: a rule leaves it out. */
static const char *target_name(const struct table_rule *rule, const char *column)
{
	const struct column_rule *of_column = config_column_rule(rule, column);

	return of_column->exclude ? NULL : of_column->rename != NULL ? of_column->rename : column;
}

/* `"a", "b"` as the target has them, in the arena. */
static const char *key_list(struct preflight *preflight, const struct table_rule *rule, const struct table_image *image,
                            const struct key_image *key)
{
	struct buffer list = {0};
	const char *text;

	if (rule->source_column != NULL)
		sql_append_identifier(&list, rule->source_column);
	for (size_t i = 0; i < key->column_count; i++) {
		const char *name = target_name(rule, key_column(image, key, i));

		buffer_append_text(&list, list.length == 0 ? "" : ", ");
		sql_append_identifier(&list, name != NULL ? name : key_column(image, key, i));
	}
	text = arena_copy(preflight->arena, list.data, list.length);
	buffer_free(&list);
	return text;
}

static const char *quoted_name(struct preflight *preflight, const struct table_image *image)
{
	struct buffer sql = {0};
	const char *text;

	sql_append_qualified(&sql, image->schema, image->name);
	text = arena_copy(preflight->arena, sql.data, sql.length);
	buffer_free(&sql);
	return text;
}

/* The key's columns under the rules, with the column that tells sources apart or without it. */
static bool same_columns(const struct table_rule *rule, const struct table_image *source, const struct key_image *key,
                         const struct table_image *target, const struct key_image *other)
{
	size_t found = 0, more = 0;

	for (size_t i = 0; i < other->column_count; i++) {
		const char *name = key_column(target, other, i);
		bool among = false;

		for (size_t j = 0; j < key->column_count; j++) {
			const char *wanted = target_name(rule, key_column(source, key, j));

			among = among || (wanted != NULL && strcmp(wanted, name) == 0);
		}
		found += among;
		more += !among && rule->source_column != NULL && strcmp(rule->source_column, name) == 0;
	}
	return found == key->column_count && found + more == other->column_count;
}

static void check_identity(struct preflight *preflight, const struct table_image *source, bool captured)
{
	const char *name = preflight_name(preflight, source->schema, source->name);

	if (source->replica_identity == 'n')
		report(preflight, captured,
		       "%s: it has REPLICA IDENTITY NOTHING, so the source refuses its updates and deletes; on the "
		       "source: ALTER "
		       "TABLE %s REPLICA IDENTITY DEFAULT (or FULL, without a primary key)",
		       name, quoted_name(preflight, source));
	else if (!has_replica_identity(source))
		preflight_warning(preflight,
		                  "%s: it has no %s, so the source refuses its updates and deletes; on the source: add "
		                  "a primary key, or ALTER TABLE %s REPLICA IDENTITY FULL",
		                  name,
		                  source->replica_identity == 'i' ? "index of its replica identity" : "primary key",
		                  quoted_name(preflight, source));
	else if (check_message_key(source) == NULL)
		preflight_warning(
		    preflight, "%s: it has no primary key: its changes are applied row by row; a key makes it faster",
		    name);
}

static void check_key(struct preflight *preflight, const struct table_rule *rule, const struct table_image *source,
                      const struct table_image *target, bool captured)
{
	const char *name = preflight_name(preflight, source->schema, source->name);
	const struct key_image *key = check_message_key(source);
	bool deferrable = false;

	if (key == NULL)
		return;
	for (size_t i = 0; i < target->key_count; i++) {
		if (!same_columns(rule, source, key, target, &target->keys[i]))
			continue;
		if (!target->keys[i].deferrable)
			return;
		deferrable = true;
	}
	for (size_t i = 0; i < target->other_key_count; i++)
		if (same_columns(rule, source, key, target, &target->other_keys[i]))
			return; /* rows are found by all their columns */
	if (deferrable)
		preflight_warning(
		    preflight,
		    "%s: the target's key on (%s) is deferrable, so ON CONFLICT cannot use it and rows are "
		    "applied more slowly; NOT DEFERRABLE makes it faster",
		    name, key_list(preflight, rule, source, key));
	else
		report(preflight, captured,
		       "%s: the target's table lacks the key; on the target: ALTER TABLE %s ADD %s (%s)", name,
		       quoted_name(preflight, target), key->primary ? "PRIMARY KEY" : "UNIQUE",
		       key_list(preflight, rule, source, key));
}

static const char *quoted_column(struct preflight *preflight, const char *name)
{
	struct buffer sql = {0};
	const char *text;

	sql_append_identifier(&sql, name);
	text = arena_copy(preflight->arena, sql.data, sql.length);
	buffer_free(&sql);
	return text;
}

/*
 * Plain JSON has the digits of a decimal without their scale, and times without their unit: the target's type tells them,
 * or the rule's cast_from in its place. `place` and `remedy` are the ends of the sentence.
 */
static void check_plain(struct preflight *preflight, const char *name, const struct column_image *column,
                        const struct target_type *read_as, const char *place, const char *remedy, bool captured)
{
	if (conversion_reads_plain(&column->type, read_as, &preflight->config->decoding.modes))
		return;
	if (preflight->format == FORMAT_PLAIN_JSON)
		report(
		    preflight, captured,
		    "%s: column %s is %s at the source and %s: plain JSON does not show the type, and values would be "
		    "read as others; %s",
		    name, column->name, column->type_name, place, remedy);
	else
		preflight_warning(preflight,
		                  "%s: column %s is %s at the source and %s: if the events are JSON without schemas, "
		                  "values would be read as others; %s",
		                  name, column->name, column->type_name, place, remedy);
}

static void check_plain_cast(struct preflight *preflight, const char *name, const struct column_image *column,
                             const char *from, bool captured)
{
	const struct column_image *read_as = NULL;
	struct error *error = catalog_read_type(preflight->target, from, preflight->arena, &read_as);

	if (error == NULL) /* else check_rules.c reports it */
		check_plain(preflight, name, column, &read_as->type,
		            arena_format(preflight->arena, "is read as %s (cast_from)", read_as->type_name),
		            arena_format(preflight->arena, "set cast_from = \"%s\"", column->type_name), captured);
	error_free(error);
}

static void check_as_plain(struct preflight *preflight, const char *name, const struct column_image *column,
                           const struct column_image *other, const struct column_rule *rule, bool captured)
{
	if (preflight->format == FORMAT_WITH_SCHEMA)
		return;
	if (rule->cast_from != NULL)
		check_plain_cast(preflight, name, column, rule->cast_from, captured);
	else if (rule->mask == MASK_NONE)
		check_plain(preflight, name, column, &other->type,
		            arena_format(preflight->arena, "%s in the target", other->type_name),
		            "give the target's column the source's type, or use JSON with schema", captured);
}

static void check_type_loss(struct preflight *preflight, const char *name, const struct table_image *source,
                            const struct column_image *column, bool captured)
{
	const struct type_loss *loss = type_loss_of(&column->type, source->replica_identity == 'f');

	if (loss != NULL && loss->problem)
		report(preflight, captured, "%s: column %s is %s: %s; a rule with exclude = true accepts that", name,
		       column->name, column->type_name, loss->loss);
	else if (loss != NULL)
		preflight_warning(preflight, "%s: column %s is %s: %s", name, column->name, column->type_name,
		                  loss->loss);
	else if (!column->generated && !check_is_carried(preflight, name, column->name))
		preflight_warning(preflight,
		                  "%s: the newest row in Kafka has no column %s: the connector leaves it out "
		                  "(column.exclude.list, its type, a transform), or it was added after that row",
		                  name, column->name);
}

static void check_columns(struct preflight *preflight, const struct table_rule *rule, const struct table_image *source,
                          const struct table_image *target, bool captured)
{
	const char *name = preflight_name(preflight, source->schema, source->name);

	for (size_t i = 0; i < source->column_count; i++) {
		const struct column_image *column = &source->columns[i];
		const char *wanted = target_name(rule, column->name);
		const struct column_image *other = wanted == NULL ? NULL : check_column(target, wanted);
		const struct column_rule *of_column = config_column_rule(rule, column->name);

		if (wanted == NULL)
			continue;
		check_type_loss(preflight, name, source, column, captured);
		if (other != NULL)
			check_as_plain(preflight, name, column, other, of_column, captured);
		if (other == NULL)
			report(preflight, captured,
			       "%s: the target lacks column %s%s; on the target: ALTER TABLE %s ADD COLUMN %s %s", name,
			       wanted, of_column->rename != NULL ? ", which a rule names" : "",
			       quoted_name(preflight, target), quoted_column(preflight, wanted), column->type_name);
		else if (strcmp(column->type_name, other->type_name) != 0 && of_column->mask == MASK_NONE &&
		         of_column->cast_from == NULL)
			preflight_warning(
			    preflight,
			    "%s: column %s is %s at the source and %s in the target; a value that does not "
			    "fit stops the stream",
			    name, column->name, column->type_name, other->type_name);
	}
}

static bool is_written(const struct table_rule *rule, const struct table_image *source, const char *name)
{
	for (size_t i = 0; i < source->column_count; i++) {
		const char *written = target_name(rule, source->columns[i].name);

		if (written != NULL && strcmp(written, name) == 0)
			return true;
	}
	return rule->source_column != NULL && strcmp(rule->source_column, name) == 0;
}

/* Columns that only the target has must be able to stay out of an INSERT. */
static void check_extra_columns(struct preflight *preflight, const struct table_rule *rule,
                                const struct table_image *source, const struct table_image *target, bool captured)
{
	const struct config *config = preflight->config;

	for (size_t i = 0; i < target->column_count; i++) {
		const struct column_image *column = &target->columns[i];
		bool ours = strcmp(column->name, config->target.synced_at) == 0 ||
		            strcmp(column->name, config->target.is_deleted) == 0;

		if (is_written(rule, source, column->name) || ours || !column->not_null || column->has_default ||
		    column->generated)
			continue;
		report(preflight, captured,
		       "%s: column %s is only in the target, NOT NULL and without a default, so every insert "
		       "would fail; give it a default or drop NOT NULL",
		       preflight_name(preflight, target->schema, target->name), column->name);
	}
}

static void check_soft(struct preflight *preflight, const struct table_rule *rule, const struct table_image *target)
{
	const char *wanted = preflight->config->target.is_deleted;
	const struct column_image *column = check_column(target, wanted);

	if (rule->delete_mode != DELETE_SOFT && rule->truncate_mode != TRUNCATE_SOFT)
		return;
	if (column == NULL)
		preflight_problem(preflight,
		                  "%s: its deletes are soft, but the target lacks the column %s; on the target: ALTER "
		                  "TABLE %s ADD COLUMN %s boolean NOT NULL DEFAULT false",
		                  preflight_name(preflight, target->schema, target->name), wanted,
		                  quoted_name(preflight, target), quoted_column(preflight, wanted));
	else if (strcmp(column->type.name, "bool") != 0 || column->type.array)
		preflight_problem(preflight, "%s: column %s marks soft deletes and must be boolean, it is %s",
		                  preflight_name(preflight, target->schema, target->name), wanted, column->type_name);
}

/* The mark of a soft delete in a column of the source would be overwritten; `run` refuses it. */
static void check_soft_name(struct preflight *preflight, const struct table_rule *rule,
                            const struct table_image *source)
{
	const char *name = preflight->config->target.is_deleted;

	if ((rule->delete_mode == DELETE_SOFT || rule->truncate_mode == TRUNCATE_SOFT) &&
	    is_written(rule, source, name))
		preflight_problem(
		    preflight,
		    "%s: its deletes are soft, and the source has a column %s, too; set target.is_deleted to "
		    "another name, or rename the source's column in tables",
		    preflight_name(preflight, source->schema, source->name), name);
}

static bool removes_rows(const struct table_rule *rule)
{
	return rule->delete_mode == DELETE_HARD;
}

/* The rule of the source's table that goes into a table of the target. */
static const struct table_rule *rule_of_target(struct preflight *preflight, const char *schema, const char *table)
{
	for (size_t i = 0; i < preflight->source_tables.count; i++) {
		const struct table_image *source = preflight->source_tables.images[i];
		const struct table_rule *rule = config_table_rule(preflight->config, source->schema, source->name);
		struct table_name name =
		    config_target_table(preflight->config, rule, source->schema, source->name, preflight->arena);

		if (!rule->exclude && strcmp(name.schema, schema) == 0 && strcmp(name.table, table) == 0)
			return rule;
	}
	return config_table_rule(preflight->config, schema, table);
}

/* Without session_replication_role = replica the target's own cascades run: they may delete what a rule keeps. */
static void check_cascades(struct preflight *preflight, const struct table_rule *own, const struct table_image *target)
{
	for (size_t i = 0; i < target->foreign_key_count && !preflight->may_set_role; i++) {
		const struct foreign_key_image *key = &target->foreign_keys[i];
		const struct table_rule *other =
		    rule_of_target(preflight, key->referenced_schema, key->referenced_table);

		if (key->on_delete == 'c' && removes_rows(other) && !removes_rows(own))
			preflight_problem(
			    preflight,
			    "%s: its rows are kept when the source deletes them, but its foreign key to %s.%s "
			    "deletes them in the target (ON DELETE CASCADE); change the rule or the key, or "
			    "grant session_replication_role",
			    preflight_name(preflight, target->schema, target->name), key->referenced_schema,
			    key->referenced_table);
	}
}

static void check_rights(struct preflight *preflight, const struct table_image *target)
{
	const char *name = preflight_name(preflight, target->schema, target->name);
	const char *missing = map_get(preflight->rights, slice_from(name));

	if (missing != NULL)
		preflight_problem(preflight, "%s: this user lacks %s in the target; GRANT it", name, missing);
}

static void check_persistence(struct preflight *preflight, const struct table_image *target)
{
	const char *name = preflight_name(preflight, target->schema, target->name);

	if (map_get(preflight->unlogged, slice_from(name)) != NULL)
		preflight_warning(
		    preflight,
		    "%s: the target's table is UNLOGGED: a crash of the target empties it, and the stream does "
		    "not send its rows again; on the target: ALTER TABLE %s SET LOGGED",
		    name, quoted_name(preflight, target));
}

void check_target_table(struct preflight *preflight, const struct table_rule *rule, const struct table_image *target)
{
	check_soft(preflight, rule, target);
	check_cascades(preflight, rule, target);
	check_rights(preflight, target);
	check_persistence(preflight, target);
}

void check_pair(struct preflight *preflight, const struct table_rule *rule, const struct table_image *source,
                const struct table_image *target, bool captured)
{
	struct table_name name =
	    config_target_table(preflight->config, rule, source->schema, source->name, preflight->arena);

	check_identity(preflight, source, captured);
	if (target == NULL) {
		report(
		    preflight, captured,
		    "%s: the target lacks %s%s%s; make it there (pg_dump --schema-only --table of the source is a good "
		    "beginning), or exclude it in tables",
		    preflight_name(preflight, source->schema, source->name),
		    rule->rename != NULL ? "table " : "this table",
		    rule->rename != NULL ? preflight_name(preflight, name.schema, name.table) : "",
		    captured ? "" : " (perhaps the connector does not capture it)");
		return;
	}
	check_key(preflight, rule, source, target, captured);
	check_soft_name(preflight, rule, source);
	check_flattened_columns(preflight, rule, source, target);
	check_columns(preflight, rule, source, target, captured);
	check_extra_columns(preflight, rule, source, target, captured);
	check_rule(preflight, rule, source, target);
	check_target_table(preflight, rule, target);
}
