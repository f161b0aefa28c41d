/* detail.c - see the header. */
#include "check/detail.h"

#include "base/memory.h"
#include "check/rows.h"
#include "pg/sql.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_MOST ((size_t)60)
#define ROWS_MOST ((size_t)200)
#define COLUMNS_MOST ((size_t)800) /* two results each: a SELECT takes 1,664 (MaxTupleAttributeNumber) */

/* The columns of one query: [first, end). */
struct range {
	size_t first;
	size_t end;
};

/* For each of the columns, which both sides have: its text for comparing, then its text for people. */
static void append_sql(struct buffer *sql, const struct check_table *table, enum side which, struct range range)
{
	buffer_append_text(sql, "SELECT s.n");
	for (size_t i = range.first; i < range.end; i++) {
		buffer_append_text(sql, ", ROW(");
		expression_append_column(sql, &table->columns[i], which);
		buffer_append_text(sql, ")::text, ");
		expression_append_value(sql, &table->columns[i], which);
	}
	buffer_append_text(sql, " FROM ");
	rows_append_key_list(sql, table, which, "s");
	buffer_append_text(sql, ", ");
	expression_append_from(sql, table, which);
	buffer_append_text(sql, " WHERE ");
	rows_append_key_join(sql, table, which, "s");
}

static struct error *read_side(struct comparison *comparison, const struct check_table *table, enum side which,
                               struct range range, const struct check_row *const *rows, size_t count,
                               struct pg_result **result)
{
	const char **parameters = memory_alloc((table->key->column_count + 1) * sizeof(*parameters));
	struct buffer sql = {0};
	struct error *error;

	append_sql(&sql, table, which, range);
	expression_append_alive(&sql, table, which, &comparison->options);
	rows_make_keys(table, rows, count, parameters);
	error = session_query(comparison->sides[which].connections[0], sql.data, table->key->column_count, parameters,
	                      result);
	rows_free_keys(table, parameters);
	free(parameters);
	buffer_free(&sql);
	return error;
}

static void append_value(struct buffer *text, const struct pg_result *result, size_t row, size_t column)
{
	const char *value = pg_result_text(result, row, column);
	size_t length = strlen(value);

	if (pg_result_is_null(result, row, column)) {
		buffer_append_text(text, "NULL");
		return;
	}
	while (length > VALUE_MOST)
		for (length = VALUE_MOST; ((unsigned char)value[length] & 0xc0) == 0x80; length--)
			;
	buffer_append_byte(text, '\'');
	buffer_append(text, value, length);
	buffer_append_text(text, value[length] == '\0' ? "'" : "…'");
}

static void compare_row(const struct check_table *table, struct range range, struct check_row *row,
                        const struct pg_result *source, size_t s, const struct pg_result *target, size_t t,
                        bool with_values, struct arena *arena)
{
	struct buffer names = {0}, values = {0};

	buffer_append_text(&names, row->columns != NULL ? row->columns : "");
	buffer_append_text(&values, row->values != NULL ? row->values : "");
	for (size_t i = range.first, at = 1; i < range.end; i++, at += 2) {
		const char *name = table->columns[i].sides[SIDE_SOURCE]->name;

		if (strcmp(pg_result_text(source, s, at), pg_result_text(target, t, at)) != 0) {
			buffer_append_format(&names, "%s%s", names.length > 0 ? ", " : "", name);
			buffer_append_format(&values, "%s%s: ", values.length > 0 ? "; " : "", name);
			append_value(&values, source, s, at + 1);
			buffer_append_text(&values, " in the source, ");
			append_value(&values, target, t, at + 1);
			buffer_append_text(&values, " in the target");
		}
	}
	if (names.length > 0) {
		row->columns = arena_copy(arena, names.data, names.length);
		row->values = with_values ? arena_copy(arena, values.data, values.length) : NULL;
	}
	buffer_free(&names);
	buffer_free(&values);
}

/* The result's row of the n-th key, or its number of rows. */
static size_t row_of(const struct pg_result *result, size_t n)
{
	size_t row = 0;

	while (row < pg_result_rows(result) && (size_t)pg_result_integer(result, row, 0) != n + 1)
		row++;
	return row;
}

static struct error *read_range(struct comparison *comparison, struct check_table *table, struct range range,
                                const struct check_row *const *rows, size_t count, bool values)
{
	struct pg_result *source = NULL, *target = NULL;
	struct error *error = read_side(comparison, table, SIDE_SOURCE, range, rows, count, &source);

	if (error == NULL)
		error = read_side(comparison, table, SIDE_TARGET, range, rows, count, &target);
	for (size_t i = 0; error == NULL && i < count; i++) {
		size_t s = row_of(source, i), t = row_of(target, i);

		if (s < pg_result_rows(source) && t < pg_result_rows(target))
			compare_row(table, range, &table->rows[i], source, s, target, t, values, comparison->arena);
	}
	pg_result_free(source);
	pg_result_free(target);
	return error;
}

static struct error *read_table(struct comparison *comparison, struct check_table *table, size_t limit, bool values)
{
	const struct check_row *rows[ROWS_MOST] = {NULL};
	size_t count = table->row_count < limit ? table->row_count : limit;

	count = count < ROWS_MOST ? count : ROWS_MOST;
	for (size_t i = 0; i < count; i++)
		rows[i] = &table->rows[i];
	for (size_t first = 0; first < table->column_count; first += COLUMNS_MOST) {
		const size_t end =
		    table->column_count - first > COLUMNS_MOST ? first + COLUMNS_MOST : table->column_count;

		TRY(read_range(comparison, table, (struct range){first, end}, rows, count, values));
	}
	return NULL;
}

struct error *detail_read(struct comparison *comparison, struct check_tables *tables, size_t limit, bool values)
{
	struct error *error = session_begin(&comparison->sides[SIDE_SOURCE]);

	if (error == NULL)
		error = session_begin(&comparison->sides[SIDE_TARGET]);
	for (size_t i = 0; error == NULL && i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];

		if (table->row_count == 0 || table->key == NULL || table->verdict != VERDICT_DIFFERENT)
			continue;
		error = read_table(comparison, table, limit, values);
		if (error != NULL && error->class == ERROR_TARGET) { /* changed since: the rows are named without */
			error_free(error);
			error = NULL;
		}
	}
	comparison_end_look(comparison);
	return error;
}
