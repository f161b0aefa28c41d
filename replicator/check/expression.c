/*
 * expression.c - see the header.
 *
 * NOTES
 *   A row is written as text by ROW(…)::text over the columns that both sides have, in the source's order; NULL and ''
 *   and the borders of columns are told apart there. Sessions of ours have equal settings for time zone, bytea, floats
 *   and intervals, so equal values give equal text, except where equal values have several texts: numeric (2.50 and 2.5)
 *   and arrays of it, money (the server's locale), and types that differ between the sides: json beside jsonb,
 *   timestamp beside timestamptz, char(n) beside another length or text. No collation has a part in it.
 */
#include "check/expression.h"

#include "pg/sql.h"

#include <string.h>

static bool is_type(const struct column_image *column, const char *name)
{
	return strcmp(column->type.name, name) == 0 && !column->type.array;
}

static bool is_array_of(const struct column_image *column, const char *name)
{
	return strcmp(column->type.name, name) == 0 && column->type.array;
}

/* Either side has the first type and the other side the second one. */
static bool is_pair(const struct column_image *a, const struct column_image *b, const char *first, const char *second)
{
	return (is_type(a, first) && is_type(b, second)) || (is_type(a, second) && is_type(b, first));
}

static void append_numeric_array(struct buffer *sql, const char *name)
{
	buffer_append_format(sql,
	                     "array_dims(%s), CASE WHEN %s IS NOT NULL THEN ARRAY(SELECT trim_scale(e::numeric) FROM "
	                     "unnest(%s) WITH ORDINALITY AS u (e, n) ORDER BY n) END",
	                     name, name, name);
}

void expression_append_column(struct buffer *sql, const struct column_image *column, const struct column_image *other)
{
	struct buffer name = {0};

	buffer_append_text(&name, "t.");
	sql_append_identifier(&name, column->name);
	if (is_type(column, "numeric"))
		buffer_append_format(sql, "trim_scale(%s)", name.data);
	else if (is_type(column, "money"))
		buffer_append_format(sql, "trim_scale(%s::numeric)", name.data);
	else if (is_array_of(column, "numeric") || is_array_of(column, "money"))
		append_numeric_array(sql, name.data);
	else if (is_pair(column, other, "json", "jsonb"))
		buffer_append_format(sql, "%s::jsonb", name.data);
	else if (is_pair(column, other, "timestamp", "timestamptz"))
		buffer_append_format(sql, "%s::timestamp", name.data);
	else if (is_type(column, "bpchar") || is_type(other, "bpchar"))
		buffer_append_format(sql, "rtrim(%s::text, ' ')", name.data);
	else
		buffer_append_text(sql, name.data);
	buffer_free(&name);
}

void expression_append_common(struct buffer *sql, const struct check_table *table, enum side which)
{
	const struct table_image *source = table->images[SIDE_SOURCE];
	bool first = true;

	for (size_t i = 0; i < source->column_count; i++) {
		const struct column_image *ours = check_column_of(table->images[which], source->columns[i].name);
		const struct column_image *other = check_column_of(table->images[1 - which], source->columns[i].name);

		if (ours == NULL || other == NULL)
			continue;
		if (!first)
			buffer_append_text(sql, ", ");
		expression_append_column(sql, ours, other);
		first = false;
	}
}

const struct column_image *expression_key_column(const struct check_table *table, enum side which, size_t n)
{
	const struct column_image *column = &table->images[SIDE_SOURCE]->columns[table->key->columns[n]];

	return check_column_of(table->images[which], column->name);
}

void expression_append_key(struct buffer *sql, const struct check_table *table, enum side which, size_t n)
{
	buffer_append_byte(sql, '(');
	expression_append_column(sql, expression_key_column(table, which, n),
	                         expression_key_column(table, 1 - which, n));
	buffer_append_text(sql, ")::text");
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

void expression_append_row_hash(struct buffer *sql, const struct check_table *table, enum side which,
                                const struct expression_options *options)
{
	struct buffer columns = {0};

	expression_append_common(&columns, table, which);
	append_hash(sql, &columns, 0, options->encode);
	buffer_free(&columns);
}

void expression_append_key_hash(struct buffer *sql, const struct check_table *table, enum side which,
                                const struct expression_options *options)
{
	struct buffer columns = {0};

	for (size_t i = 0; i < table->key->column_count; i++) {
		if (i > 0)
			buffer_append_text(&columns, ", ");
		expression_append_key(&columns, table, which, i);
	}
	append_hash(sql, &columns, 1, options->encode);
	buffer_free(&columns);
}

void expression_append_from(struct buffer *sql, const struct check_table *table, enum side which)
{
	if (table->images[which]->relkind != 'p')
		buffer_append_text(sql, "ONLY ");
	sql_append_qualified(sql, table->schema, table->name);
	buffer_append_text(sql, " AS t");
}

bool expression_has_soft_deletes(const struct check_table *table, const char *is_deleted)
{
	return (table->rule->delete_mode == DELETE_SOFT || table->rule->truncate_mode == TRUNCATE_SOFT) &&
	       check_column_of(table->images[SIDE_TARGET], is_deleted) != NULL &&
	       check_column_of(table->images[SIDE_SOURCE], is_deleted) == NULL;
}

void expression_append_alive(struct buffer *sql, const struct check_table *table, enum side which,
                             const struct expression_options *options)
{
	if (which != SIDE_TARGET || !expression_has_soft_deletes(table, options->is_deleted))
		return;
	buffer_append_text(sql, " AND t.");
	sql_append_identifier(sql, options->is_deleted);
	buffer_append_text(sql, " IS NOT TRUE");
}
