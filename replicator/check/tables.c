/*
 * tables.c - see the header.
 *
 * NOTES
 *   The target decides: a table that is there and in the source by the name that the rules give it is replicated,
 *   unless a rule leaves it out. What the source captures and the target lacks is seen by the topics whose offsets the
 *   stream keeps.
 */
#include "check/tables.h"

#include "check/rows.h"
#include "check/shape.h"
#include "connect/topic_names.h"
#include "pg/catalog.h"
#include "pg/catalog_version.h"
#include "pg/sql.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_LEAST ((size_t)64)
#define BUCKETS_MOST ((size_t)16384)
#define ROWS_PER_BUCKET 64

struct images {
	const struct table_image **images;
	const char **versions;
	size_t count;
};

struct choice {
	const struct config *config;
	const struct captured_columns *captured;
	const char *const *patterns;
	size_t pattern_count;
	const struct table_name *only; /* instead of patterns; or NULL */
	const struct pg_result *topics;
	const struct pg_result *published;
	struct buffer topic;
	struct buffer uncaptured;
	struct buffer left_out;
};

static int compare_names(const char *schema, const char *name, const struct table_image *image)
{
	int order = strcmp(schema, image->schema);

	return order != 0 ? order : strcmp(name, image->name);
}

/* The images are sorted by schema and name, bytewise. The place in them, or their number. */
static size_t find_image(const struct images *images, const char *schema, const char *name)
{
	size_t low = 0, high = images->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_names(schema, name, images->images[middle]);

		if (order == 0)
			return middle;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return images->count;
}

const struct column_image *check_column_of(const struct table_image *image, const char *name)
{
	for (size_t i = 0; i < image->column_count; i++)
		if (strcmp(image->columns[i].name, name) == 0)
			return &image->columns[i];
	return NULL;
}

static bool pattern_matches(const char *pattern, const char *schema, const char *name)
{
	struct buffer full = {0};
	bool matches;

	buffer_append_text(&full, schema);
	buffer_append_byte(&full, '.');
	buffer_append_text(&full, name);
	matches = config_pattern_matches(pattern, full.data) || config_pattern_matches(pattern, name);
	buffer_free(&full);
	return matches;
}

bool check_pattern_matches(const char *const *patterns, size_t count, const char *schema, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (pattern_matches(patterns[i], schema, name))
			return true;
	return count == 0;
}

static const struct check_column *pair_of(const struct check_table *table, enum side side, const char *name)
{
	for (size_t i = 0; i < table->column_count; i++)
		if (strcmp(table->columns[i].sides[side]->name, name) == 0)
			return &table->columns[i];
	return NULL;
}

const struct check_column *check_key_column(const struct check_table *table, size_t n)
{
	return pair_of(table, SIDE_SOURCE, table->images[SIDE_SOURCE]->columns[table->key->columns[n].index].name);
}

const struct check_column *check_target_column(const struct check_table *table, const char *name)
{
	return pair_of(table, SIDE_TARGET, name);
}

static bool is_constant(const struct column_rule *rule)
{
	return rule->mask == MASK_NULL || rule->mask == MASK_CONSTANT;
}

/* Notes a column that the connector leaves out or changes; false: it cannot be compared. */
static bool admit_column(struct check_table *table, const struct column_rule *rule,
                         const struct captured_column *captured, struct arena *arena)
{
	if (captured == NULL)
		return true;
	if (captured->form == CAPTURED_UNKNOWN && !is_constant(rule)) {
		table->unproved = true;
		table->refusal =
		    arena_format(arena,
		                 "its rows are not written from the source: %s changes column %s in a way that "
		                 "cannot be computed",
		                 captured->setting, captured->column);
	}
	if (captured->form != CAPTURED_NEVER && (captured->form != CAPTURED_UNKNOWN || is_constant(rule)))
		return true;
	table->left_out = arena_format(arena, "%s%s%s (%s)", table->left_out != NULL ? table->left_out : "",
	                               table->left_out != NULL ? ", " : "", captured->column, captured->setting);
	return false;
}

static void hide_column(struct check_table *table, const struct column_rule *rule, const char *name,
                        const struct captured_column *captured)
{
	if (!rule->exclude && rule->mask == MASK_NONE && captured == NULL)
		return;
	table->hidden[table->hidden_count++] = name;
	if (rule->rename != NULL)
		table->hidden[table->hidden_count++] = rule->rename;
}

static void pair_columns(struct check_table *table, const struct captured_columns *captured, struct arena *arena)
{
	const struct table_image *source = table->images[SIDE_SOURCE], *target_image = table->images[SIDE_TARGET];
	struct check_column *columns = arena_alloc_zeroed(arena, (source->column_count + 1) * sizeof(*columns));

	table->columns = columns;
	table->hidden =
	    arena_alloc(arena, 2 * (source->column_count + target_image->column_count + 1) * sizeof(*table->hidden));
	for (size_t i = 0; i < target_image->column_count; i++) { /* that the source no longer has */
		const char *name = target_image->columns[i].name;

		hide_column(table, config_column_rule(table->rule, name), name, NULL);
	}
	for (size_t i = 0; i < source->column_count; i++) {
		const char *name = source->columns[i].name;
		const struct column_rule *rule = config_column_rule(table->rule, name);
		const struct captured_column *form = captured_columns_find(captured, table->schema, table->name, name);
		const struct column_image *target =
		    check_column_of(table->images[SIDE_TARGET], rule->rename != NULL ? rule->rename : name);

		hide_column(table, rule, name, form);
		if (!rule->exclude && target != NULL && admit_column(table, rule, form, arena))
			columns[table->column_count++] =
			    (struct check_column){{&source->columns[i], target}, rule, form};
	}
}

/* Rows that the connector's form of a column no longer tells apart, or of which it no longer says which are replicated. */
static void check_captured(struct check_table *table, const struct captured_columns *captured, struct arena *arena)
{
	const struct table_image *source = table->images[SIDE_SOURCE];
	const struct key_image *key = table_primary_key(source);
	const char *reason = captured_columns_table_reason(captured, table->schema, table->name);
	const char *filter = table->rule->filter.column;
	const struct captured_column *form;

	if (reason != NULL)
		table->refusal = arena_format(arena, "its rows are not written from the source: %s", reason);
	for (size_t i = 0; key != NULL && i < key->column_count; i++) {
		form = captured_columns_find(captured, table->schema, table->name,
		                             source->columns[key->columns[i].index].name);
		if (form != NULL)
			table->refusal =
			    arena_format(arena,
			                 "its rows are not written from the source: %s changes column %s of the key",
			                 form->setting, form->column);
	}
	form = filter != NULL ? captured_columns_find(captured, table->schema, table->name, filter) : NULL;
	if (form == NULL)
		return;
	table->verdict = VERDICT_UNCHECKED;
	table->reason = arena_format(
	    arena, "which of its rows are replicated is not known: the rule filters by column %s, and %s changes it",
	    filter, form->setting);
	table->refusal = table->reason;
}

bool check_type_is_owned(const struct column_image *column)
{
	return !column->built_in || column->type.of_domain;
}

/* What rows_element_type has no type for travels as text. */
static bool is_read_by_cast(const struct check_column *column)
{
	for (int side = 0; side < 2; side++)
		if (check_type_is_owned(column->sides[side]) && rows_element_type(column->sides[side]) == NULL)
			return true;
	return false;
}

/* The source's primary key when the target has all its columns, and they tell rows apart there as well. */
static const struct key_image *common_key(const struct check_table *table)
{
	const struct table_image *source = table->images[SIDE_SOURCE];
	const struct key_image *key = table_primary_key(source);

	for (size_t i = 0; key != NULL && i < key->column_count; i++) {
		const struct check_column *column =
		    pair_of(table, SIDE_SOURCE, source->columns[key->columns[i].index].name);

		if (column == NULL || is_constant(column->rule) || column->captured != NULL || is_read_by_cast(column))
			key = NULL;
	}
	return key;
}

static bool has_column(const struct table_image *image, const struct key_image *key, const struct column_image *column)
{
	for (size_t i = 0; i < key->column_count; i++)
		if (&image->columns[key->columns[i].index] == column)
			return true;
	return false;
}

/* The target's unique key over the columns of the key; the column that tells the sources apart may be there as well. */
static const struct key_image *key_of_target(const struct check_table *table)
{
	const struct table_image *target = table->images[SIDE_TARGET];
	size_t most = table->key == NULL ? 0 : table->key->column_count + (table->rule->source_column != NULL ? 1 : 0);

	for (size_t i = 0; table->key != NULL && i < target->key_count; i++) {
		const struct key_image *key = &target->keys[i];
		bool all = key->column_count <= most;

		for (size_t k = 0; all && k < table->key->column_count; k++)
			all = has_column(target, key, check_key_column(table, k)->sides[SIDE_TARGET]);
		if (all)
			return key;
	}
	return NULL;
}

/* The columns of the key that may be NULL in the target, "a, b", or NULL. */
static const char *nullable_columns(const struct check_table *table, struct arena *arena)
{
	const char *columns = NULL;

	for (size_t i = 0; table->key != NULL && i < table->key->column_count; i++) {
		const struct column_image *column = check_key_column(table, i)->sides[SIDE_TARGET];

		if (!column->not_null)
			columns = arena_format(arena, "%s%s%s", columns != NULL ? columns : "",
			                       columns != NULL ? ", " : "", column->name);
	}
	return columns;
}

static size_t bucket_count_of(const struct table_image *source, const struct table_image *target)
{
	int64_t rows =
	    source->estimated_rows > target->estimated_rows ? source->estimated_rows : target->estimated_rows;
	size_t count = BUCKETS_LEAST;

	while (count < BUCKETS_MOST && (int64_t)count * ROWS_PER_BUCKET < rows)
		count *= 2;
	return rows < 0 ? BUCKETS_LEAST * 4 : count;
}

static void init_side(struct check_side *side, size_t bucket_count, struct arena *arena)
{
	side->buckets = arena_alloc_zeroed(arena, bucket_count * sizeof(*side->buckets));
}

/* `other`: a table of the source whose rows cannot be told from its rows in the target, or NULL. */
static void add_table(struct check_tables *tables, const struct table_image *source, const struct table_image *target,
                      const struct table_image *other, const struct choice *choice, struct arena *arena)
{
	const struct config *config = choice->config;
	const struct table_rule *rule = config_table_rule(config, source->schema, source->name);
	struct check_table *table = &tables->tables[tables->count++];

	*table = (struct check_table){.schema = source->schema, .name = source->name, .rule = rule};
	table->label = arena_format(arena, "%s.%s", source->schema, source->name);
	table->images[SIDE_SOURCE] = source;
	table->images[SIDE_TARGET] = target;
	if (target == NULL) {
		table->verdict = VERDICT_DIFFERENT;
		return;
	}
	if (other != NULL) {
		table->verdict = VERDICT_UNCHECKED;
		table->reason = arena_format(arena,
		                             "its rows and those of %s.%s are in one table of the target, and no "
		                             "source_column tells them apart",
		                             other->schema, other->name);
		return;
	}
	if (rule->source_column != NULL)
		table->source_value = config_source_value(config, rule, source->schema, source->name, arena);
	pair_columns(table, choice->captured, arena);
	check_captured(table, choice->captured, arena);
	table->key = common_key(table);
	table->target_key = key_of_target(table);
	table->null_keys.columns = nullable_columns(table, arena);
	table->null_keys.open = table->null_keys.columns != NULL;
	shape_compare(table, choice->captured, arena);
	table->bucket_count = bucket_count_of(source, target);
	table->open = arena_alloc(arena, table->bucket_count * sizeof(*table->open));
	for (size_t i = 0; i < table->bucket_count; i++)
		table->open[i] = true;
	table->open_count = table->bucket_count;
	init_side(&table->sides[SIDE_SOURCE], table->bucket_count, arena);
	init_side(&table->sides[SIDE_TARGET], table->bucket_count, arena);
}

/* The topics whose offsets the stream keeps; no rows when there is no state schema or no right to read it. */
static struct pg_result *read_topics(struct pg_connection *target, const struct config *config)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;
	struct buffer sql = {0};

	buffer_append_text(&sql, "SELECT DISTINCT topic FROM ");
	sql_append_qualified(&sql, config->target.schema, "offsets");
	buffer_append_text(&sql, " WHERE stream = $1");
	error_free(pg_query(target, sql.data, 1, parameters, &result));
	buffer_free(&sql);
	return result;
}

static bool is_topic(const struct pg_result *topics, const char *topic)
{
	for (size_t i = 0; topics != NULL && i < pg_result_rows(topics); i++)
		if (strcmp(pg_result_text(topics, i, 0), topic) == 0)
			return true;
	return false;
}

/*
 * Tables of the connector's publication; of any, where the source has none of that name. Only what the target lacks is looked
 * up, so an error is no rows.
 */
static struct pg_result *read_published(struct pg_connection *source, const struct config *config,
                                        const struct captured_columns *captured)
{
	const char *const parameters[1] = {
	    captured != NULL && captured->publication != NULL ? captured->publication : config->connect.publication};
	struct pg_result *result = NULL;

	error_free(pg_query(source,
	                    "SELECT DISTINCT schemaname, tablename FROM pg_publication_tables WHERE pubname = $1"
	                    " OR NOT EXISTS (SELECT FROM pg_publication WHERE pubname = $1)",
	                    1, parameters, &result));
	return result;
}

static bool is_published(const struct pg_result *published, const struct table_image *image)
{
	for (size_t i = 0; published != NULL && i < pg_result_rows(published); i++)
		if (compare_names(pg_result_text(published, i, 0), pg_result_text(published, i, 1), image) == 0)
			return true;
	return false;
}

static const struct table_image *find_mixed(const struct config *config, const struct images *sources, size_t number,
                                            struct arena *arena)
{
	const struct table_name name = {sources->images[number]->schema, sources->images[number]->name};

	for (size_t i = 0; config_any_rename(config) && i < sources->count; i++) {
		const struct table_name other = {sources->images[i]->schema, sources->images[i]->name};

		if (i != number && config_tables_mix(config, &name, &other, arena))
			return sources->images[i];
	}
	return NULL;
}

static void append_name(struct buffer *list, const struct table_image *image)
{
	buffer_append_format(list, "%s%s.%s", list->length > 0 ? ", " : "", image->schema, image->name);
}

/* Our own tables at the source; and, as config_table_rule has it, those in a schema of the name that our state has. */
static bool is_ours(struct choice *choice, const struct table_image *source)
{
	if (strcmp(source->schema, config_source_schema) == 0)
		return true;
	if (strcmp(source->schema, choice->config->target.schema) != 0)
		return false;
	if (is_published(choice->published, source))
		append_name(&choice->left_out, source);
	return true;
}

/* The target lacks the table: why it should have it; NULL: the connector leaves it out, or nothing publishes it. */
static const char *why_missing(struct choice *choice, const struct table_image *source)
{
	buffer_reset(&choice->topic);
	topic_name_append(&choice->topic, choice->config->kafka.topic_prefix, source->schema, source->name);
	if (is_topic(choice->topics, choice->topic.data))
		return "the stream reads this table's topic and the target has no such table";
	if (!is_published(choice->published, source))
		return NULL;
	if (!captured_columns_leave_out(choice->captured, source->schema, source->name))
		return "it is published and the target has no such table; create it (`replicator table add`), or "
		       "exclude it "
		       "with a rule";
	append_name(&choice->uncaptured, source);
	return NULL;
}

/* By its name on either side. */
static bool is_wanted(const struct choice *choice, const struct table_image *source, const struct table_name *target)
{
	if (choice->only != NULL)
		return compare_names(choice->only->schema, choice->only->table, source) == 0;
	return check_pattern_matches(choice->patterns, choice->pattern_count, source->schema, source->name) ||
	       check_pattern_matches(choice->patterns, choice->pattern_count, target->schema, target->table);
}

static void choose_table(struct choice *choice, const struct images *sources, size_t number,
                         const struct images *targets, struct check_tables *tables, struct arena *arena)
{
	const struct table_image *source = sources->images[number];
	const struct table_rule *rule = config_table_rule(choice->config, source->schema, source->name);
	const char *reason = NULL;
	struct table_name name;
	size_t found;

	if (is_ours(choice, source) || rule->exclude)
		return;
	name = config_target_table(choice->config, rule, source->schema, source->name, arena);
	if (!is_wanted(choice, source, &name))
		return;
	found = find_image(targets, name.schema, name.table);
	if (found == targets->count) {
		reason = why_missing(choice, source);
		if (reason == NULL)
			return;
	}
	add_table(tables, source, found < targets->count ? targets->images[found] : NULL,
	          find_mixed(choice->config, sources, number, arena), choice, arena);
	if (reason != NULL)
		tables->tables[tables->count - 1].reason = reason;
	tables->tables[tables->count - 1].versions[SIDE_SOURCE] = sources->versions[number];
	tables->tables[tables->count - 1].versions[SIDE_TARGET] =
	    found < targets->count ? targets->versions[found] : NULL;
}

/* By its name on either side. */
static bool is_named(const char *pattern, const struct check_table *table)
{
	const struct table_image *target = table->images[SIDE_TARGET];

	return pattern_matches(pattern, table->schema, table->name) ||
	       (target != NULL && pattern_matches(pattern, target->schema, target->name));
}

static struct error *check_patterns(const struct choice *choice, const struct check_tables *tables)
{
	if (choice->only != NULL && tables->count == 0)
		return error_new(ERROR_CONFIGURATION,
		                 "%s.%s: the target has no table for it, or a rule excludes it, or it is misspelt",
		                 choice->only->schema, choice->only->table);
	for (size_t i = 0; i < choice->pattern_count; i++) {
		bool found = false;

		for (size_t k = 0; k < tables->count && !found; k++)
			found = is_named(choice->patterns[i], &tables->tables[k]);
		if (!found)
			return error_new(
			    ERROR_CONFIGURATION,
			    "--table %s: no replicated table of that name is on both sides (excluded by a rule, or "
			    "misspelt?)",
			    choice->patterns[i]);
	}
	return NULL;
}

/* In one snapshot, so that the versions are those of the images. */
static struct error *read_images(struct pg_connection *connection, struct arena *arena, struct images *images)
{
	struct error *error;

	TRY(pg_execute(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
	error = catalog_read_tables(connection, arena, &images->images, &images->count);
	if (error == NULL)
		error = catalog_read_versions(connection, images->images, images->count, arena, &images->versions);
	if (error == NULL)
		return pg_execute(connection, "COMMIT");
	if (!pg_is_broken(connection))
		error_free(pg_execute(connection, "ROLLBACK"));
	return error;
}

struct error *check_table_require(const struct check_table *table, enum side side, struct pg_connection *connection)
{
	const struct table_image *image = table->images[side];
	struct catalog_versions list = {0};
	struct error *error;
	bool changed;

	catalog_versions_add(&list, image->schema, image->name, table->versions[side]);
	error = catalog_versions_check(connection, &list, &changed);
	catalog_versions_free(&list);
	if (error != NULL || !changed)
		return error;
	return error_new(ERROR_TARGET,
	                 "%s: the definition of table %s.%s or of one of its types was changed while it was compared; "
	                 "compare it again",
	                 pg_description(connection), image->schema, image->name);
}

static struct error *choose(struct choice *choice, struct pg_connection *source, struct pg_connection *target,
                            struct arena *arena, struct check_tables *tables)
{
	struct images sources, targets;
	struct pg_result *topics, *published;

	*tables = (struct check_tables){0};
	TRY(read_images(source, arena, &sources));
	TRY(read_images(target, arena, &targets));
	choice->topics = topics = read_topics(target, choice->config);
	choice->published = published = read_published(source, choice->config, choice->captured);
	tables->tables = arena_alloc(arena, (sources.count + 1) * sizeof(*tables->tables));
	for (size_t i = 0; i < sources.count; i++)
		choose_table(choice, &sources, i, &targets, tables, arena);
	if (choice->uncaptured.length > 0)
		tables->uncaptured = arena_copy(arena, choice->uncaptured.data, choice->uncaptured.length);
	if (choice->left_out.length > 0)
		tables->left_out = arena_copy(arena, choice->left_out.data, choice->left_out.length);
	buffer_free(&choice->topic);
	buffer_free(&choice->uncaptured);
	buffer_free(&choice->left_out);
	pg_result_free(topics);
	pg_result_free(published);
	return check_patterns(choice, tables);
}

struct error *check_tables_choose(struct pg_connection *source, struct pg_connection *target,
                                  const struct config *config, const struct captured_columns *captured,
                                  const char *const *patterns, size_t pattern_count, struct arena *arena,
                                  struct check_tables *tables)
{
	struct choice choice = {.config = config,
	                        .captured = captured,
	                        .patterns = patterns,
	                        .pattern_count = pattern_count};

	return choose(&choice, source, target, arena, tables);
}

struct error *check_tables_choose_one(struct pg_connection *source, struct pg_connection *target,
                                      const struct config *config, const struct captured_columns *captured,
                                      const struct table_name *name, struct arena *arena, struct check_tables *tables)
{
	struct choice choice = {.config = config, .captured = captured, .only = name};

	return choose(&choice, source, target, arena, tables);
}

void check_tables_release(struct check_tables *tables)
{
	for (size_t i = 0; i < tables->count; i++)
		for (int side = 0; side < 2; side++) {
			error_free(tables->tables[i].sides[side].error);
			free(tables->tables[i].sides[side].found);
		}
	tables->count = 0;
}

bool check_keeps_rows(const struct check_table *table)
{
	return table->rule->delete_mode == DELETE_IGNORE || table->rule->truncate_mode == TRUNCATE_IGNORE;
}

int64_t check_rows_of(const struct check_table *table, enum side side)
{
	int64_t rows = 0;

	if (table->sides[side].buckets == NULL || table->sides[side].error != NULL ||
	    table->sides[side].pieces_open > 0)
		return -1;
	for (size_t i = 0; i < table->bucket_count; i++)
		rows += table->sides[side].buckets[i].rows;
	return side == SIDE_TARGET ? rows + table->null_keys.rows : rows;
}

enum row_fault check_row_fault(const struct check_table *table, const struct check_row *row)
{
	if (table->key != NULL)
		return row->target.token == 0 ? FAULT_MISSING : row->source.token == 0 ? FAULT_EXTRA : FAULT_DIFFERENT;
	return row->source.token > row->target.token ? FAULT_MISSING : FAULT_EXTRA;
}

int64_t check_count_rows(const struct check_table *table, enum row_state state, enum row_fault fault)
{
	int64_t count =
	    table->null_keys.lasting && state == ROW_LASTING && fault == FAULT_EXTRA ? table->null_keys.rows : 0;

	for (size_t i = 0; i < table->row_count; i++) {
		const struct check_row *row = &table->rows[i];

		if (row->state != state || check_row_fault(table, row) != fault)
			continue;
		count += table->key != NULL       ? 1
		         : fault == FAULT_MISSING ? (int64_t)(row->source.token - row->target.token)
		                                  : (int64_t)(row->target.token - row->source.token);
	}
	return count;
}
