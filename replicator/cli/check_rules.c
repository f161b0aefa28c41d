/*
 * check_rules.c - the rules of `tables` against both catalogs: what can never match, what would mix rows up, what a
 * server would refuse at the first row.
 */
#include <string.h>

#include "base/buffer.h"
#include "cli/preflight.h"
#include "pg/sql.h"

/* "replicator.conf:12", in the arena. */
static const char *place(struct preflight *preflight, unsigned line)
{
	return arena_format(preflight->arena, "%s:%u", preflight->config->file, line);
}

/* The first table that the rule is for and that has a column that the pattern matches, or NULL. */
static const struct table_image *find_matching(const struct preflight *preflight, const struct table_rule *rule,
                                               const char *pattern)
{
	for (size_t i = 0; i < preflight->source_tables.count; i++) {
		const struct table_image *image = preflight->source_tables.images[i];

		if (config_table_rule(preflight->config, image->schema, image->name) != rule)
			continue;
		for (size_t j = 0; j < image->column_count; j++)
			if (config_pattern_matches(pattern, image->columns[j].name))
				return image;
	}
	return NULL;
}

/* Whether no event has the column, and the target's table has none of the entry's name: then `run` refuses the entry. */
static bool is_never_sent(struct preflight *preflight, const struct table_rule *rule, const struct column_rule *entry,
                          const struct table_image *source)
{
	const struct captured_column *form =
	    captured_columns_find(&preflight->captured, source->schema, source->name, entry->match);
	const char *name = entry->rename != NULL ? entry->rename : entry->match;
	const struct table_image *target;
	struct table_name into;

	if (form == NULL || form->form != CAPTURED_NEVER || preflight->target == NULL)
		return false;
	into = config_target_table(preflight->config, rule, source->schema, source->name, preflight->arena);
	target =
	    map_get(preflight->target_tables.by_name, slice_from(preflight_name(preflight, into.schema, into.table)));
	return target == NULL || check_column(target, name) == NULL;
}

/* `run` refuses an entry without a pattern that matches nothing; one with a pattern may be for a column to come. */
static void check_columns_match(struct preflight *preflight, const struct table_rule *rule)
{
	for (size_t i = 0; i < rule->column_count; i++) {
		const struct column_rule *entry = &rule->columns[i];
		const struct table_image *table = find_matching(preflight, rule, entry->match);
		bool pattern = strchr(entry->match, '*') != NULL;

		if (entry->exclude && check_is_added(preflight, entry->match))
			continue; /* a column that only the target has */
		if (table == NULL)
			(pattern ? preflight_warning : preflight_problem)(
			    preflight,
			    "%s: tables: columns: match = \"%s\" matches no column of the tables that \"%s\" is for; "
			    "correct or remove it",
			    place(preflight, entry->line), entry->match, rule->match);
		else if (!pattern && strchr(rule->match, '*') == NULL && is_never_sent(preflight, rule, entry, table))
			preflight_problem(preflight,
			                  "%s: tables: columns: match = \"%s\": the connector leaves this column out "
			                  "of every event, so "
			                  "the entry matches none, and `run` refuses it; remove it",
			                  place(preflight, entry->line), entry->match);
	}
}

static bool table_exists(struct preflight *preflight, const struct table_set *set, const char *pattern)
{
	for (size_t i = 0; i < set->count; i++)
		if (config_pattern_matches(pattern,
		                           preflight_name(preflight, set->images[i]->schema, set->images[i]->name)))
			return true;
	return false;
}

/* Where the source is away the target's tables tell it, unless the rule gives them other names. */
static void check_matches(struct preflight *preflight)
{
	const struct table_set *set = preflight->source != NULL ? &preflight->source_tables : &preflight->target_tables;

	for (size_t i = 0; i < preflight->config->table_count; i++) {
		const struct table_rule *rule = &preflight->config->tables[i];

		if (preflight->source == NULL && rule->rename != NULL)
			continue;
		if (!table_exists(preflight, set, rule->match))
			preflight_problem(preflight,
			                  "%s: tables: match = \"%s\" matches no table of the %s; correct or remove it",
			                  place(preflight, rule->line), rule->match,
			                  preflight->source != NULL ? "source" : "target");
		else if (preflight->source != NULL)
			check_columns_match(preflight, rule);
	}
}

/* Two tables of the source that go into one: their rows must be told apart. */
static void check_shared(struct preflight *preflight, const struct table_image *a, const struct table_image *b)
{
	const struct config *config = preflight->config;
	const struct table_rule *rule_a = config_table_rule(config, a->schema, a->name);
	const struct table_rule *rule_b = config_table_rule(config, b->schema, b->name);
	const struct table_name names[2] = {{a->schema, a->name}, {b->schema, b->name}};
	struct table_name name_b;

	if (!config_tables_mix(config, &names[0], &names[1], preflight->arena))
		return;
	name_b = config_target_table(config, rule_b, b->schema, b->name, preflight->arena);
	preflight_problem(
	    preflight,
	    "%s: tables: %s and %s of the source both go into %s, and nothing tells their rows apart; give both "
	    "one source_column with another source_value each (like \"{schema}\"), or rename one of them",
	    place(preflight, rule_b->rename != NULL ? rule_b->line : rule_a->line),
	    preflight_name(preflight, a->schema, a->name), preflight_name(preflight, b->schema, b->name),
	    preflight_name(preflight, name_b.schema, name_b.table));
}

void check_rules(struct preflight *preflight)
{
	const struct table_set *source = &preflight->source_tables;

	if (preflight->source == NULL && preflight->target == NULL)
		return;
	check_matches(preflight);
	for (size_t i = 0; config_any_rename(preflight->config) && i < source->count; i++)
		for (size_t j = 0; j < i; j++)
			check_shared(preflight, source->images[j], source->images[i]);
}

/* One table. */

/* Types whose text is the event's: what masks by hash and filters can read. */
static bool is_readable(const struct target_type *type)
{
	static const char *const names[] = {"text", "varchar", "citext", "name", "int2",
	                                    "int4", "int8",    "bool",   "uuid"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !type->array; i++)
		if (strcmp(type->name, names[i]) == 0)
			return true;
	return !type->array && type->category == 'E';
}

static bool is_text(const struct target_type *type)
{
	return !type->array && (strcmp(type->name, "text") == 0 || strcmp(type->name, "varchar") == 0 ||
	                        strcmp(type->name, "bpchar") == 0);
}

#define HASH_DIGITS 64
#define VARHDRSZ 4 /* typmod of varchar(n) is n + 4 */

static bool holds_hash(const struct column_image *column)
{
	return is_text(&column->type) && (column->type.typmod < 0 || column->type.typmod - VARHDRSZ >= HASH_DIGITS);
}

static bool in_key(const struct table_image *source, const struct column_image *column)
{
	const struct key_image *key = check_message_key(source);

	for (size_t j = 0; key != NULL && j < key->column_count; j++)
		if (&source->columns[key->columns[j].index] == column)
			return true;
	return false;
}

/* Whether the target refuses an expression; its words, in the arena, or NULL. */
static const char *refusal(struct preflight *preflight, const char *expression)
{
	char *sql = arena_format(preflight->arena, "SELECT %s", expression);
	struct error *error = pg_query(preflight->target, sql, 0, NULL, NULL);
	const char *text = error == NULL ? NULL : arena_format(preflight->arena, "%s", error->message);

	error_free(error);
	return text;
}

struct ruled {
	struct preflight *preflight;
	const char *place; /* file and line of the rule */
	const char *name;  /* of the source's table */
	const struct column_rule *rule;
	const struct table_image *source;
	const struct column_image *column; /* of the source */
	const struct column_image *target;
};

static void check_mask(const struct ruled *ruled)
{
	struct preflight *preflight = ruled->preflight;
	bool hash = ruled->rule->mask == MASK_HASH;

	if (hash && !holds_hash(ruled->target))
		preflight_problem(
		    preflight,
		    "%s: %s: mask = \"hash\" writes 64 hexadecimal digits, and column %s of the target is %s; make it "
		    "text",
		    ruled->place, ruled->name, ruled->target->name, ruled->target->type_name);
	if (hash && !is_readable(&ruled->column->type))
		preflight_problem(
		    preflight,
		    "%s: %s: column %s is %s; mask = \"hash\" takes texts, whole numbers, booleans, uuids and enums; "
		    "mask it by null or constant, or exclude it",
		    ruled->place, ruled->name, ruled->column->name, ruled->column->type_name);
	if (!hash && in_key(ruled->source, ruled->column))
		preflight_problem(
		    preflight,
		    "%s: %s: column %s belongs to the key, and every row would have the same one; mask it by hash, "
		    "or not at all",
		    ruled->place, ruled->name, ruled->column->name);
	if (ruled->rule->mask == MASK_NULL && ruled->target->not_null && !in_key(ruled->source, ruled->column))
		preflight_problem(
		    preflight,
		    "%s: %s: mask = \"null\", but column %s of the target is NOT NULL; drop that, or mask it by a "
		    "constant",
		    ruled->place, ruled->name, ruled->target->name);
}

/* A cast that is written out cuts a text or a bit string to the column's length; an insert is refused. */
static bool constant_is_cut(struct preflight *preflight, const char *literal, const struct column_image *target)
{
	static const char *const names[] = {"varchar", "bpchar", "bit", "varbit"};
	const char *sql = arena_format(preflight->arena, "SELECT (length(%s::%s) <> length(%s::%s))::int", literal,
	                               target->cast_name, literal, target->type_name);
	struct error *error;
	int64_t cut = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names) && !target->type.array; i++) {
		if (strcmp(target->type.name, names[i]) != 0)
			continue;
		error = pg_query_integer(preflight->target, sql, 0, NULL, 0, &cut);
		if (error != NULL)
			preflight_error(preflight, error);
		return cut != 0;
	}
	return false;
}

static void check_constant(const struct ruled *ruled)
{
	struct preflight *preflight = ruled->preflight;
	struct buffer literal = {0};

	sql_append_literal(&literal, ruled->rule->value);
	if (refusal(preflight, arena_format(preflight->arena, "%s::%s", literal.data, ruled->target->type_name)) !=
	    NULL)
		preflight_problem(preflight, "%s: %s: value is no %s, as column %s of the target is; correct it",
		                  ruled->place, ruled->name, ruled->target->type_name, ruled->target->name);
	else if (constant_is_cut(preflight, literal.data, ruled->target))
		preflight_problem(preflight,
		                  "%s: %s: value does not fit column %s of the target, which is %s; correct it",
		                  ruled->place, ruled->name, ruled->target->name, ruled->target->type_name);
	buffer_free(&literal);
}

static void check_cast(const struct ruled *ruled)
{
	struct preflight *preflight = ruled->preflight;
	const char *from = ruled->rule->cast_from;
	struct buffer type = {0};
	const char *refused;

	if (in_key(ruled->source, ruled->column))
		preflight_problem(
		    preflight,
		    "%s: %s: column %s belongs to the key, and cast values may no longer tell rows apart; remove "
		    "cast_from",
		    ruled->place, ruled->name, ruled->column->name);
	sql_append_literal(&type, from);
	refused = refusal(preflight, arena_format(preflight->arena, "%s::regtype", type.data));
	buffer_free(&type);
	if (refused != NULL) {
		preflight_problem(preflight,
		                  "%s: %s: column %s: cast_from = \"%s\" is no type of the target: write \"%s\"",
		                  ruled->place, ruled->name, ruled->column->name, from, ruled->column->type_name);
		return;
	}
	refused = refusal(preflight, arena_format(preflight->arena, "NULL::%s::%s", from, ruled->target->cast_name));
	if (refused != NULL)
		preflight_problem(preflight,
		                  "%s: %s: column %s cannot be cast from %s to %s (%s); give the target's column "
		                  "another type",
		                  ruled->place, ruled->name, ruled->column->name, from, ruled->target->type_name,
		                  refused);
}

static void check_source_column(struct preflight *preflight, const struct table_rule *rule, const char *name,
                                const struct table_image *target)
{
	const struct column_image *column = check_column(target, rule->source_column);

	if (column == NULL) {
		preflight_problem(
		    preflight,
		    "%s: %s: the target's table has no column %s (source_column); add it, to the key as well",
		    place(preflight, rule->line), name, rule->source_column);
		return;
	}
	for (size_t i = 0; i < target->key_count; i++)
		for (size_t j = 0; j < target->keys[i].column_count; j++)
			if (&target->columns[target->keys[i].columns[j].index] == column)
				return;
	preflight_warning(
	    preflight,
	    "%s: %s: no key of the target's table has the column %s: rows of two sources with the same key would "
	    "overwrite each other",
	    place(preflight, rule->line), name, rule->source_column);
}

static void check_filter(struct preflight *preflight, const struct table_rule *rule, const char *name,
                         const struct table_image *source)
{
	const struct column_image *column = check_column(source, rule->filter.column);

	if (column == NULL)
		preflight_problem(preflight,
		                  "%s: %s: the filter reads column %s, which the table does not have; correct it",
		                  place(preflight, rule->line), name, rule->filter.column);
	else if (!is_readable(&column->type))
		preflight_problem(
		    preflight,
		    "%s: %s: the filter reads column %s, which is %s; it takes texts, whole numbers, booleans, uuids "
		    "and enums",
		    place(preflight, rule->line), name, column->name, column->type_name);
	else if (source->replica_identity != 'f')
		preflight_warning(
		    preflight,
		    "%s: %s: a row that comes into the filter by an update while it holds large values (TOAST) stops "
		    "the stream; on the source: REPLICA IDENTITY FULL",
		    place(preflight, rule->line), name);
}

static bool is_taken(const struct table_rule *rule, const struct table_image *source, size_t before, const char *name)
{
	for (size_t i = 0; i < before; i++) {
		const struct column_rule *column = config_column_rule(rule, source->columns[i].name);

		if (!column->exclude &&
		    strcmp(column->rename != NULL ? column->rename : source->columns[i].name, name) == 0)
			return true;
	}
	return false;
}

static void check_ruled(const struct ruled *ruled)
{
	if (ruled->rule->mask != MASK_NONE)
		check_mask(ruled);
	if (ruled->rule->mask == MASK_CONSTANT)
		check_constant(ruled);
	if (ruled->rule->cast_from != NULL)
		check_cast(ruled);
}

void check_rule(struct preflight *preflight, const struct table_rule *rule, const struct table_image *source,
                const struct table_image *target)
{
	const char *name = preflight_name(preflight, source->schema, source->name);

	for (size_t i = 0; i < source->column_count && rule->column_count > 0; i++) {
		const struct column_image *column = &source->columns[i];
		const struct column_rule *of_column = config_column_rule(rule, column->name);
		const char *wanted = of_column->rename != NULL ? of_column->rename : column->name;
		struct ruled ruled = {preflight, place(preflight, of_column->line), name, of_column, source,
		                      column,    check_column(target, wanted)};

		if (of_column->exclude && in_key(source, column))
			preflight_problem(preflight, "%s: %s: column %s belongs to the key and cannot be excluded",
			                  ruled.place, name, column->name);
		else if (!of_column->exclude && is_taken(rule, source, i, wanted))
			preflight_problem(preflight,
			                  "%s: %s: two columns go into column %s of the target; correct the renames",
			                  place(preflight, rule->line), name, wanted);
		else if (!of_column->exclude && ruled.target != NULL)
			check_ruled(&ruled);
	}
	if (rule->source_column != NULL)
		check_source_column(preflight, rule, name, target);
	if (rule->filter.column != NULL)
		check_filter(preflight, rule, name, source);
}
