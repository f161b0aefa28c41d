/*
 * digest.c - see the header.
 *
 * NOTES
 *   A row is written as text by ROW(…)::text over the columns that both sides have, in the source's order; NULL and ''
 *   and the borders of columns are told apart there. Sessions of ours have equal settings for time zone, bytea, floats
 *   and intervals, so equal values give equal text, except where equal values have several texts: numeric (2.50 and 2.5),
 *   arrays of it, money (the server's locale), json beside jsonb, timestamp beside timestamptz.
 *
 *   The digest is the sum of the rows' 64-bit hashes: no order is needed, and PostgreSQL adds bigint in 128 bits.
 */
#include "base/buffer.h"
#include "check/digest.h"
#include "pg/sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_type(const struct column_image *column, const char *name)
{
	return strcmp(column->type.name, name) == 0 && !column->type.array;
}

static bool is_numeric_array(const struct column_image *column)
{
	return strcmp(column->type.name, "numeric") == 0 && column->type.array;
}

/* Either side has the first type and the other side the second one. */
static bool is_pair(const struct column_image *a, const struct column_image *b, const char *first, const char *second)
{
	return (is_type(a, first) && is_type(b, second)) || (is_type(a, second) && is_type(b, first));
}

/* One column as an expression whose text is equal where the values are. `other` is the same column on the other side. */
static void append_column(struct buffer *sql, const struct column_image *column, const struct column_image *other)
{
	struct buffer name = {0};

	buffer_append_text(&name, "t.");
	sql_append_identifier(&name, column->name);
	if (is_type(column, "numeric"))
		buffer_append_format(sql, "trim_scale(%s)", name.data);
	else if (is_type(column, "money"))
		buffer_append_format(sql, "trim_scale(%s::numeric)", name.data);
	else if (is_numeric_array(column))
		buffer_append_format(
		    sql,
		    "array_dims(%s), CASE WHEN %s IS NOT NULL THEN ARRAY(SELECT trim_scale(e) FROM unnest(%s)"
		    " WITH ORDINALITY AS u (e, n) ORDER BY n) END",
		    name.data, name.data, name.data);
	else if (is_pair(column, other, "json", "jsonb"))
		buffer_append_format(sql, "%s::jsonb", name.data);
	else if (is_pair(column, other, "timestamp", "timestamptz"))
		buffer_append_format(sql, "%s::timestamp", name.data);
	else
		buffer_append_text(sql, name.data);
	buffer_free(&name);
}

static void append_hash(struct buffer *sql, const struct buffer *columns, int seed, bool encode)
{
	const char *list = columns->length > 0 ? columns->data : "";

	if (encode)
		buffer_append_format(
		    sql, "hashtextextended(encode(convert_to(ROW(%s)::text, 'UTF8'), 'hex') COLLATE \"C\", %d)", list,
		    seed);
	else
		buffer_append_format(sql, "hashtextextended(ROW(%s)::text COLLATE \"C\", %d)", list, seed);
}

static void append_common_columns(struct buffer *columns, const struct check_table *table, enum side which)
{
	const struct table_image *source = table->images[SIDE_SOURCE];

	for (size_t i = 0; i < source->column_count; i++) {
		const struct column_image *ours = check_column_of(table->images[which], source->columns[i].name);
		const struct column_image *other = check_column_of(table->images[1 - which], source->columns[i].name);

		if (ours == NULL || other == NULL)
			continue;
		if (columns->length > 0)
			buffer_append_text(columns, ", ");
		append_column(columns, ours, other);
	}
}

static void append_key_columns(struct buffer *columns, const struct check_table *table, enum side which)
{
	const struct table_image *source = table->images[SIDE_SOURCE];

	for (size_t i = 0; i < table->key->column_count; i++) {
		const char *name = source->columns[table->key->columns[i]].name;

		if (i > 0)
			buffer_append_text(columns, ", ");
		append_column(columns, check_column_of(table->images[which], name),
		              check_column_of(table->images[1 - which], name));
	}
}

/* Rows that a soft delete left in the target do not count. */
static bool has_soft_deletes(const struct check_table *table, const char *is_deleted)
{
	return (table->rule->delete_mode == DELETE_SOFT || table->rule->truncate_mode == TRUNCATE_SOFT) &&
	       check_column_of(table->images[SIDE_TARGET], is_deleted) != NULL &&
	       check_column_of(table->images[SIDE_SOURCE], is_deleted) == NULL;
}

void digest_append_sql(struct buffer *sql, const struct check_table *table, enum side which,
                       const struct digest_options *options)
{
	struct buffer columns = {0}, keys = {0};

	append_common_columns(&columns, table, which);
	if (table->key != NULL)
		append_key_columns(&keys, table, which);
	buffer_append_text(sql, "SELECT b, count(*), sum(h) FROM (SELECT ");
	append_hash(sql, table->key != NULL ? &keys : &columns, table->key != NULL ? 1 : 0, options->encode);
	buffer_append_format(sql, " & %zu AS b, ", table->bucket_count - 1);
	append_hash(sql, &columns, 0, options->encode);
	/* The children of an inheritance tree are tables of their own; a partitioned table is read through its root. */
	buffer_append_text(sql, table->images[which]->relkind == 'p' ? " AS h FROM " : " AS h FROM ONLY ");
	sql_append_qualified(sql, table->schema, table->name);
	buffer_append_text(sql, " AS t");
	if (which == SIDE_TARGET && has_soft_deletes(table, options->is_deleted)) {
		buffer_append_text(sql, " WHERE t.");
		sql_append_identifier(sql, options->is_deleted);
		buffer_append_text(sql, " IS NOT TRUE");
	}
	buffer_append_text(sql, ") AS r WHERE $1::bigint[] IS NULL OR b = ANY ($1::bigint[]) GROUP BY b");
	buffer_free(&columns);
	buffer_free(&keys);
}

/* The open buckets as an array literal; nothing when all are open. */
static void append_open_buckets(struct buffer *array, const struct check_table *table)
{
	if (table->open_count == table->bucket_count)
		return;
	buffer_append_byte(array, '{');
	for (size_t i = 0; i < table->bucket_count; i++)
		if (table->open[i])
			buffer_append_format(array, "%s%zu", array->length > 1 ? "," : "", i);
	buffer_append_byte(array, '}');
}

static void take_rows(const struct check_table *table, const struct pg_result *result, struct check_side *side)
{
	for (size_t i = 0; i < table->bucket_count; i++)
		if (table->open[i]) {
			side->previous[i] = side->buckets[i];
			side->buckets[i] = (struct bucket){0};
		}
	for (size_t i = 0; i < pg_result_rows(result); i++) {
		size_t number = (size_t)pg_result_integer(result, i, 0);

		if (number >= table->bucket_count)
			continue;
		side->buckets[number].rows = pg_result_integer(result, i, 1);
		snprintf(side->buckets[number].digest, sizeof(side->buckets[number].digest), "%s",
		         pg_result_text(result, i, 2));
	}
}

struct error *digest_read(struct pg_connection *connection, const struct check_table *table, enum side which,
                          const struct digest_options *options, struct check_side *side)
{
	struct buffer sql = {0}, array = {0};
	struct pg_result *result = NULL;
	const char *parameters[1];
	struct error *error;

	TRY(pg_execute(connection, "SAVEPOINT digest"));
	digest_append_sql(&sql, table, which, options);
	append_open_buckets(&array, table);
	parameters[0] = array.length > 0 ? array.data : NULL;
	error = pg_query(connection, sql.data, 1, parameters, &result);
	buffer_free(&sql);
	buffer_free(&array);
	if (error == NULL)
		take_rows(table, result, side);
	pg_result_free(result);
	if (!pg_is_broken(connection)) {
		struct error *back = pg_execute(connection, "ROLLBACK TO SAVEPOINT digest");

		if (error == NULL)
			error = back;
		else
			error_free(back);
	}
	return error;
}
