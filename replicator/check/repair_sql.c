/*
 * repair_sql.c - see the header.
 *
 * NOTES
 *   Values travel as arrays, a parameter a column, of the target's types without modifiers: the assignment refuses what
 *   does not fit, where a cast would cut it.
 */
#include "check/repair_sql.h"

#include "base/memory.h"
#include "check/rows.h"
#include "pg/sql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The target's column of a pair when it is written, else NULL. */
static const struct column_image *written(const struct check_table *table, size_t i)
{
	const struct column_image *column = table->columns[i].sides[SIDE_TARGET];

	return column->generated ? NULL : column;
}

/* What the rules make of the source's values. */
static void append_written_texts(struct buffer *sql, const struct check_table *table)
{
	for (size_t i = 0; i < table->column_count; i++)
		if (written(table, i) != NULL) {
			buffer_append_text(sql, ", ");
			expression_append_value(sql, &table->columns[i], SIDE_SOURCE);
		}
}

/* Without a key: one row of each hash, and how many there are. */
static void append_hash_sql(struct buffer *sql, const struct check_table *table, enum side which,
                            const struct expression_options *options)
{
	/* Long names: the table's own columns stand beside them. */
	buffer_append_text(sql, "SELECT t.replicator_count, t.replicator_version, s.n");
	if (which == SIDE_SOURCE)
		append_written_texts(sql, table);
	else
		buffer_append_text(sql, ", 1");
	buffer_append_text(sql, " FROM unnest($1::bigint[]) WITH ORDINALITY AS s (k, n) JOIN (SELECT count(*) OVER w AS"
	                        " replicator_count, sum(q.replicator_xmin) OVER w AS replicator_version, row_number() "
	                        "OVER w AS replicator_number, q.* FROM (SELECT ");
	expression_append_row_hash(sql, table, which, options);
	buffer_append_text(sql, " AS replicator_hash, t.xmin::text::bigint AS replicator_xmin, t.* FROM ");
	expression_append_from(sql, table, which);
	buffer_append_text(sql, " WHERE true");
	expression_append_alive(sql, table, which, options);
	buffer_append_text(sql, " OFFSET 0) AS q WHERE q.replicator_hash = ANY ($1::bigint[])"
	                        " WINDOW w AS (PARTITION BY q.replicator_hash)) AS t"
	                        " ON t.replicator_hash = s.k AND t.replicator_number = 1");
}

void repair_append_source_sql(struct buffer *sql, const struct check_table *table,
                              const struct expression_options *options)
{
	if (table->key == NULL) {
		append_hash_sql(sql, table, SIDE_SOURCE, options);
		return;
	}
	buffer_append_text(sql, "SELECT ");
	expression_append_row_hash(sql, table, SIDE_SOURCE, options);
	buffer_append_text(sql, ", t.xmin, s.n");
	append_written_texts(sql, table);
	buffer_append_text(sql, " FROM ");
	rows_append_key_list(sql, table, SIDE_SOURCE, "s");
	buffer_append_text(sql, ", ");
	expression_append_from(sql, table, SIDE_SOURCE);
	buffer_append_text(sql, " WHERE ");
	rows_append_key_join(sql, table, SIDE_SOURCE, "s");
	expression_append_alive(sql, table, SIDE_SOURCE, options);
}

void repair_append_sizes_sql(struct buffer *sql, const struct check_table *table,
                             const struct expression_options *options)
{
	buffer_append_text(sql, "SELECT q.n, 0::bigint");
	for (size_t i = 0; i < table->column_count; i++)
		if (written(table, i) != NULL)
			buffer_append_format(sql, " + octet_length(pg_catalog.format('%%s', q.c%zu))", i);
	buffer_append_text(sql, " FROM (");
	repair_append_source_sql(sql, table, options);
	buffer_append_text(sql, ") AS q (token, version, n");
	for (size_t i = 0; i < table->column_count; i++)
		if (written(table, i) != NULL)
			buffer_append_format(sql, ", c%zu", i);
	buffer_append_byte(sql, ')');
}

void repair_append_target_sql(struct buffer *sql, const struct check_table *table,
                              const struct expression_options *options)
{
	if (table->key == NULL) {
		append_hash_sql(sql, table, SIDE_TARGET, options);
		return;
	}
	buffer_append_text(sql, "SELECT ");
	expression_append_row_hash(sql, table, SIDE_TARGET, options);
	buffer_append_text(sql, ", t.xmin, s.n, (true");
	expression_append_alive(sql, table, SIDE_TARGET, options);
	buffer_append_text(sql, ")::int FROM ");
	rows_append_key_list(sql, table, SIDE_TARGET, "s");
	buffer_append_text(sql, ", ");
	expression_append_from(sql, table, SIDE_TARGET);
	buffer_append_text(sql, " WHERE ");
	rows_append_key_join(sql, table, SIDE_TARGET, "s");
}

/* --- parameters: an array a column -------------------------------------------------------------------------------- */

struct parameters {
	const char **values;
	size_t count;
};

static void add_parameter(struct parameters *parameters, struct buffer *array)
{
	buffer_append_byte(array, '}');
	parameters->values[parameters->count++] = buffer_steal(array);
}

static void add_keys(struct parameters *parameters, const struct check_table *table, const struct repair_row *rows,
                     size_t count)
{
	for (size_t k = 0; k < table->key->column_count; k++) {
		struct buffer array = {0};

		for (size_t i = 0; i < count; i++) {
			buffer_append_byte(&array, i == 0 ? '{' : ',');
			sql_append_array_element(&array, rows[i].row->key[k], strlen(rows[i].row->key[k]));
		}
		add_parameter(parameters, &array);
	}
}

static void add_times(struct parameters *parameters, const struct repair_row *rows, size_t count)
{
	struct buffer times = {0};

	for (size_t i = 0; i < count; i++)
		buffer_append_format(&times, "%c%" PRId64, i == 0 ? '{' : ',', rows[i].times);
	add_parameter(parameters, &times);
}

/* Without a key: the hashes, and how often each. */
static void add_hashes(struct parameters *parameters, const struct repair_row *rows, size_t count)
{
	struct buffer hashes = {0};

	for (size_t i = 0; i < count; i++)
		buffer_append_format(&hashes, "%c%s", i == 0 ? '{' : ',', rows[i].row->key[0]);
	add_parameter(parameters, &hashes);
	add_times(parameters, rows, count);
}

static void add_values(struct parameters *parameters, const struct check_table *table, const struct pg_result *source,
                       const struct repair_row *rows, size_t count)
{
	for (size_t i = 0, at = 3; i < table->column_count; i++) {
		struct buffer array = {0};

		if (written(table, i) == NULL)
			continue;
		for (size_t r = 0; r < count; r++) {
			const char *text = pg_result_text(source, rows[r].source_row, at);

			buffer_append_byte(&array, array.length == 0 ? '{' : ',');
			if (pg_result_is_null(source, rows[r].source_row, at))
				buffer_append_text(&array, "NULL");
			else
				sql_append_array_element(&array, text, strlen(text));
		}
		add_parameter(parameters, &array);
		at++;
	}
}

static struct error *run(struct pg_connection *target, const struct buffer *sql, struct parameters *parameters)
{
	struct error *error = pg_query(target, sql->data, parameters->count, parameters->values, NULL);

	for (size_t i = 0; i < parameters->count; i++)
		free((void *)(uintptr_t)parameters->values[i]);
	free(parameters->values);
	*parameters = (struct parameters){0};
	return error;
}

static struct parameters new_parameters(const struct check_table *table)
{
	return (struct parameters){memory_alloc((2 * table->column_count + 4) * sizeof(char *)), 0};
}

/* --- statements --------------------------------------------------------------------------------------------------- */

/* The names of the hidden columns as an array. */
static void append_hidden(struct buffer *sql, const struct check_table *table)
{
	buffer_append_text(sql, "ARRAY[");
	for (size_t i = 0; i < table->hidden_count; i++) {
		buffer_append_text(sql, i > 0 ? ", " : "");
		sql_append_literal(sql, table->hidden[i]);
	}
	buffer_append_text(sql, "]::text[]");
}

static void append_log(struct buffer *sql, const struct repair_names *names, const struct check_table *table,
                       const char *action)
{
	buffer_append_text(sql, "INSERT INTO ");
	sql_append_qualified(sql, names->state_schema, "repair_log");
	buffer_append_text(sql, " (stream, schema_name, table_name, action, hidden, key, before) SELECT ");
	sql_append_literal(sql, names->stream);
	buffer_append_text(sql, ", ");
	sql_append_literal(sql, table->schema);
	buffer_append_text(sql, ", ");
	sql_append_literal(sql, table->name);
	buffer_append_format(sql, ", '%s', ", action);
	append_hidden(sql, table);
	buffer_append_text(sql, ", ");
}

static bool is_hashed_key(const struct check_table *table, size_t k)
{
	return check_key_column(table, k)->rule->mask != MASK_NONE;
}

/* A masked key that only the target has may be a clear value from before the mask (`clear`). */
static void append_key_array(struct buffer *sql, const struct check_table *table, bool clear)
{
	buffer_append_text(sql, "ARRAY[");
	for (size_t k = 0; k < table->key->column_count; k++) {
		struct buffer key = {0};

		buffer_append_format(&key, "s.k%zu", k);
		buffer_append_text(sql, k > 0 ? ", " : "");
		if (clear && is_hashed_key(table, k))
			buffer_append_text(sql, "'(masked)'");
		else
			sql_append_output(sql, key.data);
		buffer_free(&key);
	}
	buffer_append_byte(sql, ']');
}

static bool is_hidden(const struct check_table *table, const char *name)
{
	for (size_t i = 0; i < table->hidden_count; i++)
		if (strcmp(table->hidden[i], name) == 0)
			return true;
	return false;
}

/* Of another type to_json would call a cast to json, which may be a function of the type's owner. */
static void append_recorded(struct buffer *sql, const struct column_image *column)
{
	struct buffer name = {0};

	buffer_append_text(&name, "t.");
	sql_append_identifier(&name, column->name);
	if (column->built_in || column->plain_fields) {
		buffer_append_text(sql, name.data);
	} else {
		sql_append_output(sql, name.data);
		buffer_append_text(sql, " AS ");
		sql_append_identifier(sql, column->name);
	}
	buffer_free(&name);
}

/* The row of the target as JSON. Not jsonb: that refuses what json takes, like the escape of NUL. */
static void append_image(struct buffer *sql, const struct check_table *table)
{
	const struct table_image *image = table->images[SIDE_TARGET];
	const char *before = "";

	buffer_append_text(sql, "(SELECT to_json(i.*) FROM (SELECT ");
	for (size_t i = 0; i < image->column_count; i++) {
		if (is_hidden(table, image->columns[i].name))
			continue;
		buffer_append_text(sql, before);
		append_recorded(sql, &image->columns[i]);
		before = ", ";
	}
	buffer_append_text(sql, ") AS i)");
}

/* " FROM|USING unnest(keys) AS s, [table AS t] WHERE join" */
static void append_keys_and_table(struct buffer *sql, const struct check_table *table, const char *word,
                                  bool with_table)
{
	buffer_append_text(sql, word);
	rows_append_key_list(sql, table, SIDE_TARGET, "s");
	if (with_table) {
		buffer_append_text(sql, ", ");
		expression_append_from(sql, table, SIDE_TARGET);
	}
	buffer_append_text(sql, " WHERE ");
	rows_append_key_join(sql, table, SIDE_TARGET, "s");
}

/* Records the rows as they are in the target. */
static struct error *log_rows(struct pg_connection *target, const struct repair_names *names,
                              const struct check_table *table, const struct repair_row *rows, size_t count,
                              const char *action)
{
	struct parameters parameters = new_parameters(table);
	struct buffer sql = {0};
	struct error *error;

	append_log(&sql, names, table, action);
	append_key_array(&sql, table, strcmp(action, "delete") == 0);
	buffer_append_text(&sql, ", ");
	append_image(&sql, table);
	append_keys_and_table(&sql, table, " FROM ", true);
	add_keys(&parameters, table, rows, count);
	error = run(target, &sql, &parameters);
	buffer_free(&sql);
	return error;
}

/* json_each refuses the escape of NUL: such a row is forgotten as a whole. */
static void append_scrubbed_image(struct buffer *sql, const struct check_table *table)
{
	buffer_append_text(sql,
	                   "CASE WHEN strpos(before::text, '\\u0000') = 0 THEN (SELECT coalesce(json_object_agg(e.key,"
	                   " e.value), '{}') FROM json_each(before) AS e WHERE e.key <> ALL (");
	append_hidden(sql, table);
	buffer_append_text(sql, ")) END");
}

static void append_scrubbed_key(struct buffer *sql, const struct check_table *table)
{
	buffer_append_text(sql, "CASE WHEN key IS NOT NULL THEN ARRAY(SELECT CASE WHEN u.n IN (0");
	for (size_t k = 0; k < table->key->column_count; k++)
		if (is_hashed_key(table, k))
			buffer_append_format(sql, ", %zu", k + 1);
	buffer_append_text(
	    sql, ") THEN '(masked)' ELSE u.k END FROM unnest(key) WITH ORDINALITY AS u (k, n) ORDER BY u.n) END");
}

struct error *repair_scrub_log(struct pg_connection *target, const struct repair_names *names,
                               const struct check_table *table)
{
	const char *const parameters[3] = {names->stream, table->schema, table->name};
	struct buffer sql = {0};
	struct error *error;

	if (table->hidden_count == 0)
		return NULL;
	buffer_append_text(&sql, "UPDATE ");
	sql_append_qualified(&sql, names->state_schema, "repair_log");
	buffer_append_text(&sql, " SET before = ");
	append_scrubbed_image(&sql, table);
	if (table->key != NULL) {
		buffer_append_text(&sql, ", key = ");
		append_scrubbed_key(&sql, table);
	}
	buffer_append_text(&sql, ", hidden = hidden || ");
	append_hidden(&sql, table);
	buffer_append_text(&sql, " WHERE stream = $1 AND schema_name = $2 AND table_name = $3 AND NOT hidden @> ");
	append_hidden(&sql, table);
	error = pg_query(target, sql.data, 3, parameters, NULL);
	buffer_free(&sql);
	return error;
}

static bool has_extra(const struct check_table *table, const char *name)
{
	return name != NULL && name[0] != '\0' && check_column_of(table->images[SIDE_TARGET], name) != NULL &&
	       check_target_column(table, name) == NULL;
}

/* "is_deleted = …, deleted_at = …, synced_at = now()", those that the target has. */
static void append_extra(struct buffer *sql, const struct repair_names *names, const struct check_table *table,
                         bool deleted, bool first)
{
	const char *const columns[] = {names->synced_at, names->is_deleted, names->deleted_at};
	const char *const values[] = {"now()", deleted ? "true" : "false", deleted ? "now()" : "NULL"};

	for (size_t i = 0; i < 3; i++) {
		if (!has_extra(table, columns[i]))
			continue;
		if (!first)
			buffer_append_text(sql, ", ");
		sql_append_identifier(sql, columns[i]);
		buffer_append_format(sql, " = %s", values[i]);
		first = false;
	}
}

static void append_delete(struct buffer *sql, const struct repair_names *names, const struct check_table *table)
{
	bool soft = table->rule->delete_mode == DELETE_SOFT && has_extra(table, names->is_deleted);

	buffer_append_text(sql, soft ? "UPDATE " : "DELETE FROM ");
	expression_append_from(sql, table, SIDE_TARGET);
	if (soft) {
		buffer_append_text(sql, " SET ");
		append_extra(sql, names, table, true, true);
	}
	if (table->key != NULL)
		append_keys_and_table(sql, table, soft ? " FROM " : " USING ", false);
	else
		buffer_append_text(sql, soft ? " FROM d" : " USING d");
}

/* As many rows of each hash as there are too many. */
static struct error *delete_by_hash(struct pg_connection *target, const struct repair_names *names,
                                    const struct check_table *table, const struct repair_row *rows, size_t count)
{
	struct parameters parameters = new_parameters(table);
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, "WITH d AS (SELECT q.place, q.part, q.image FROM (SELECT h, place, part, image,"
	                         " row_number() OVER (PARTITION BY h) AS r FROM (SELECT ");
	expression_append_row_hash(&sql, table, SIDE_TARGET, &names->options);
	buffer_append_text(&sql, " AS h, t.ctid AS place, t.tableoid AS part, ");
	append_image(&sql, table);
	buffer_append_text(&sql, " AS image FROM ");
	expression_append_from(&sql, table, SIDE_TARGET);
	buffer_append_text(&sql, " WHERE true");
	expression_append_alive(&sql, table, SIDE_TARGET, &names->options);
	buffer_append_text(&sql,
	                   " OFFSET 0) AS p WHERE h = ANY ($1::bigint[])) AS q"
	                   " JOIN unnest($1::bigint[], $2::bigint[]) AS s (k, times) ON s.k = q.h AND q.r <= s.times),"
	                   " l AS (");
	append_log(&sql, names, table, "delete");
	buffer_append_text(&sql, "NULL, image FROM d) ");
	append_delete(&sql, names, table);
	buffer_append_text(&sql, " WHERE t.ctid = d.place AND t.tableoid = d.part");
	add_hashes(&parameters, rows, count);
	error = run(target, &sql, &parameters);
	buffer_free(&sql);
	return error;
}

struct error *repair_delete(struct pg_connection *target, const struct repair_names *names,
                            const struct check_table *table, const struct repair_row *rows, size_t count)
{
	struct parameters parameters;
	struct buffer sql = {0};
	struct error *error;

	if (count == 0)
		return NULL;
	if (table->key == NULL)
		return delete_by_hash(target, names, table, rows, count);
	TRY(log_rows(target, names, table, rows, count, "delete"));
	append_delete(&sql, names, table);
	parameters = new_parameters(table);
	add_keys(&parameters, table, rows, count);
	error = run(target, &sql, &parameters);
	buffer_free(&sql);
	return error;
}

/* unnest($first::int4[], …) AS v (c0, c1, …, n): the written columns. */
static void append_values(struct buffer *sql, const struct check_table *table, size_t first)
{
	size_t number = first;

	buffer_append_text(sql, "unnest(");
	for (size_t i = 0; i < table->column_count; i++)
		if (written(table, i) != NULL) {
			const char *type = rows_element_type(written(table, i));

			buffer_append_format(sql, "%s$%zu::%s[]", number > first ? ", " : "", number,
			                     type != NULL ? type : "text");
			number++;
		}
	buffer_append_text(sql, ") WITH ORDINALITY AS v (");
	for (size_t i = 0; i < table->column_count; i++)
		if (written(table, i) != NULL)
			buffer_append_format(sql, "c%zu, ", i);
	buffer_append_text(sql, "n)");
}

/*
 * A text that no array carries as its own type (rows_element_type) is read by the type's input function, too: a cast from
 * text may be a function of the type's owner.
 */
static void append_written_value(struct buffer *sql, const struct check_table *table, size_t i)
{
	if (rows_element_type(written(table, i)) != NULL)
		buffer_append_format(sql, "v.c%zu", i);
	else
		buffer_append_format(sql,
		                     "(SELECT r.c FROM json_to_record(json_build_object('c', v.c%zu)) AS r (c %s))", i,
		                     written(table, i)->cast_name);
}

/* The columns of an INSERT, and an expression for each of them. */
struct insertion {
	struct buffer columns, values;
};

static void add_column(struct insertion *insertion, const char *name)
{
	if (insertion->columns.length > 0) {
		buffer_append_text(&insertion->columns, ", ");
		buffer_append_text(&insertion->values, ", ");
	}
	sql_append_identifier(&insertion->columns, name);
}

/* The written columns as v.c0, v.c1, …, then the extra ones and the source's name. */
static struct insertion new_insertion(const struct repair_names *names, const struct check_table *table)
{
	const char *const extra[] = {names->synced_at, names->is_deleted, names->deleted_at};
	static const char *const extra_values[] = {"now()", "false", "NULL"};
	struct insertion insertion = {0};

	for (size_t i = 0; i < table->column_count; i++)
		if (written(table, i) != NULL) {
			add_column(&insertion, written(table, i)->name);
			append_written_value(&insertion.values, table, i);
		}
	for (size_t i = 0; i < 3; i++)
		if (has_extra(table, extra[i])) {
			add_column(&insertion, extra[i]);
			buffer_append_text(&insertion.values, extra_values[i]);
		}
	if (table->source_value != NULL) {
		add_column(&insertion, table->rule->source_column);
		sql_append_literal(&insertion.values, table->source_value);
	}
	return insertion;
}

/* "INSERT INTO … (…) OVERRIDING SYSTEM VALUE SELECT … FROM "; frees the lists. */
static void append_insertion(struct buffer *sql, const struct check_table *table, struct insertion *insertion)
{
	buffer_append_text(sql, "INSERT INTO ");
	sql_append_qualified(sql, table->images[SIDE_TARGET]->schema, table->images[SIDE_TARGET]->name);
	buffer_append_format(sql, " (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM ", insertion->columns.data,
	                     insertion->values.data);
	buffer_free(&insertion->columns);
	buffer_free(&insertion->values);
}

static struct error *insert_rows(struct pg_connection *target, const struct repair_names *names,
                                 const struct check_table *table, const struct pg_result *source,
                                 const struct repair_row *rows, size_t count)
{
	struct insertion insertion = new_insertion(names, table);
	struct parameters parameters = new_parameters(table);
	struct buffer sql = {0};
	struct error *error;

	append_insertion(&sql, table, &insertion);
	append_values(&sql, table, 1);
	add_values(&parameters, table, source, rows, count);
	if (table->key == NULL) { /* equal rows travel once */
		add_times(&parameters, rows, count);
		buffer_append_format(&sql, ", generate_series(1, ($%zu::bigint[])[v.n::int])", parameters.count);
	}
	error = run(target, &sql, &parameters);
	buffer_free(&sql);
	return error;
}

/* A column that the repair does not write: it keeps the value that the row has. */
static bool is_own(const struct repair_names *names, const struct check_table *table, const struct column_image *column)
{
	return check_target_column(table, column->name) == NULL && !column->generated &&
	       (table->source_value == NULL || strcmp(column->name, table->rule->source_column) != 0) &&
	       (names->synced_at == NULL || strcmp(column->name, names->synced_at) != 0) &&
	       (names->is_deleted == NULL || strcmp(column->name, names->is_deleted) != 0) &&
	       (names->deleted_at == NULL || strcmp(column->name, names->deleted_at) != 0);
}

/*
 * Updates as deletes and inserts, so that unique values can change places: an UPDATE is refused by the first row whose
 * new value another one still has. The sort reads all deleted rows before the first insert; a deleted row of the same
 * transaction is in nobody's way.
 */
static struct error *replace_rows(struct pg_connection *target, const struct repair_names *names,
                                  const struct check_table *table, const struct pg_result *source,
                                  const struct repair_row *rows, size_t count)
{
	const struct table_image *image = table->images[SIDE_TARGET];
	struct insertion insertion = new_insertion(names, table);
	struct parameters parameters = new_parameters(table);
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, "WITH d AS (DELETE FROM ");
	expression_append_from(&sql, table, SIDE_TARGET);
	append_keys_and_table(&sql, table, " USING ", false);
	buffer_append_text(&sql, " RETURNING s.n AS n");
	for (size_t i = 0; i < image->column_count; i++) {
		if (!is_own(names, table, &image->columns[i]))
			continue;
		buffer_append_text(&sql, ", t.");
		sql_append_identifier(&sql, image->columns[i].name);
		buffer_append_format(&sql, " AS o%zu", i);
		add_column(&insertion, image->columns[i].name);
		buffer_append_format(&insertion.values, "d.o%zu", i);
	}
	buffer_append_text(&sql, ") ");
	append_insertion(&sql, table, &insertion);
	buffer_append_text(&sql, "(SELECT * FROM d ORDER BY n OFFSET 0) AS d JOIN ");
	append_values(&sql, table, table->key->column_count + 1);
	buffer_append_text(&sql, " ON v.n = d.n");
	add_keys(&parameters, table, rows, count);
	add_values(&parameters, table, source, rows, count);
	error = run(target, &sql, &parameters);
	buffer_free(&sql);
	return error;
}

struct error *repair_insert(struct pg_connection *target, const struct repair_names *names,
                            const struct check_table *table, const struct pg_result *source,
                            const struct repair_row *rows, size_t count)
{
	struct parameters parameters;
	struct buffer sql = {0};
	struct error *error;

	if (count == 0)
		return NULL;
	parameters = new_parameters(table);
	append_log(&sql, names, table, "insert");
	if (table->key != NULL) {
		append_key_array(&sql, table, false);
		buffer_append_text(&sql, ", NULL FROM ");
		rows_append_key_list(&sql, table, SIDE_TARGET, "s");
		add_keys(&parameters, table, rows, count);
	} else {
		buffer_append_text(&sql, "NULL, NULL FROM unnest($1::bigint[], $2::bigint[]) AS s (k, times),"
		                         " generate_series(1, s.times)");
		add_hashes(&parameters, rows, count);
	}
	error = run(target, &sql, &parameters);
	buffer_free(&sql);
	return error != NULL ? error : insert_rows(target, names, table, source, rows, count);
}

static struct error *update_rows(struct pg_connection *target, const struct repair_names *names,
                                 const struct check_table *table, const struct pg_result *source,
                                 const struct repair_row *rows, size_t count)
{
	struct parameters parameters = new_parameters(table);
	struct buffer sql = {0};
	struct error *error;
	bool first = true;

	buffer_append_text(&sql, "UPDATE ");
	expression_append_from(&sql, table, SIDE_TARGET);
	buffer_append_text(&sql, " SET ");
	for (size_t i = 0; i < table->column_count; i++) {
		const struct column_image *column = written(table, i);

		if (column == NULL || column->identity == 'a')
			continue;
		if (!first)
			buffer_append_text(&sql, ", ");
		sql_append_identifier(&sql, column->name);
		buffer_append_text(&sql, " = ");
		append_written_value(&sql, table, i);
		first = false;
	}
	append_extra(&sql, names, table, false, first);
	buffer_append_text(&sql, " FROM ");
	rows_append_key_list(&sql, table, SIDE_TARGET, "s");
	buffer_append_text(&sql, ", ");
	append_values(&sql, table, table->key->column_count + 1);
	buffer_append_text(&sql, " WHERE v.n = s.n AND ");
	rows_append_key_join(&sql, table, SIDE_TARGET, "s");
	add_keys(&parameters, table, rows, count);
	add_values(&parameters, table, source, rows, count);
	error = run(target, &sql, &parameters);
	buffer_free(&sql);
	return error;
}

struct error *repair_update(struct pg_connection *target, const struct repair_names *names,
                            const struct check_table *table, const struct pg_result *source,
                            const struct repair_row *rows, size_t count, bool by_insert)
{
	if (count == 0)
		return NULL;
	TRY(log_rows(target, names, table, rows, count, "update"));
	if (!by_insert)
		return update_rows(target, names, table, source, rows, count);
	return replace_rows(target, names, table, source, rows, count);
}
