/*
 * expression.c - see the header.
 *
 * NOTES
 *   A row is written as text by ROW(…)::text over the columns that both sides have, in the source's order; NULL and ''
 *   and the borders of columns are told apart there. Sessions of ours have equal settings for time zone, bytea, floats
 *   intervals and money, so equal values give equal text, except where equal values have several texts: numeric (2.50 and
 *   2.5), arrays and ranges of it, jsonb and composite types with it, and types that differ between the sides: json beside
 *   jsonb, timestamp beside timestamptz, char(n) beside another length or text. No collation has a part in it.
 *
 *   The hash functions of the types would know all this. But their results may change between versions of PostgreSQL and
 *   between encodings, and the hash of a jsonb ignores how its parts are nested.
 *
 *   What the connector masks or truncates (connect/captured_columns.h), and then what the rules mask or cast, is computed
 *   by the source in the same way as the connector and the stream do it (target/rules.c).
 */
#include "check/expression.h"

#include "pg/sql.h"
#include "target/rules.h"

#include <inttypes.h>
#include <string.h>

/* A type of that name in another schema is another type. */
static bool is_type(const struct column_image *column, const char *name)
{
	return column->built_in && strcmp(column->type.name, name) == 0 && !column->type.array;
}

static bool is_array_of(const struct column_image *column, const char *name)
{
	return column->built_in && strcmp(column->type.name, name) == 0 && column->type.array;
}

/* Either side has the first type and the other side the second one. */
static bool is_pair(const struct column_image *a, const struct column_image *b, const char *first, const char *second)
{
	return (is_type(a, first) && is_type(b, second)) || (is_type(a, second) && is_type(b, first));
}

/* Zeros at the end of a fraction, and the point where nothing else follows it. */
#define ZEROS "(\\.[0-9]*[1-9])0+(?![0-9])|\\.0+(?![0-9])"

/* Of a text that has numbers and no other text in it: arrays and ranges of numeric. It can be cast back. */
static void append_trimmed_numbers(struct buffer *sql, const char *value)
{
	buffer_append_text(sql, "(SELECT CASE WHEN w.v ~ '\\.[0-9]*0[],)}]' THEN regexp_replace(w.v, '" ZEROS
	                        "', '\\1', 'g') ELSE w.v END FROM (SELECT ");
	sql_append_output(sql, value);
	buffer_append_text(sql, ") AS w (v))");
}

/*
 * Of a JSON text: the first branch takes strings as a whole. The condition, which is cheaper, holds wherever a number
 * that is no part of a string ends so.
 */
static void append_trimmed_json(struct buffer *sql, const char *json)
{
	buffer_append_format(
	    sql,
	    "CASE WHEN (%s)::text ~ '(^|[:,[] ?)-?[0-9]+\\.[0-9]*0([],}]|$)' THEN regexp_replace((%s)::text,"
	    " '(\"(?:[^\"\\\\]|\\\\.)*\")|" ZEROS "', '\\1\\2', 'g') ELSE (%s)::text END",
	    json, json, json);
}

/* What json takes and jsonb refuses: the escapes of NUL and of half a surrogate pair. Behind an odd backslash it is one. */
#define REFUSED_ESCAPE                                                                                                 \
	"(?:^|[^\\\\])(?:\\\\\\\\)*(?:\\\\u0000|\\\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\\\u[dD][c-fC-F])"                  \
	"|(?<!\\\\u[dD][89abAB][0-9a-fA-F]{2})\\\\u[dD][c-fC-F])"

static void append_json_as_jsonb(struct buffer *sql, const struct column_image *column, const char *value)
{
	struct buffer jsonb = {0};

	buffer_append_format(&jsonb, "(%s)::jsonb", value);
	if (is_type(column, "json"))
		buffer_append_format(sql, "CASE WHEN (%s)::text ~ '" REFUSED_ESCAPE "' THEN (%s)::text ELSE ", value,
		                     value);
	append_trimmed_json(sql, jsonb.data);
	buffer_append_text(sql, is_type(column, "json") ? " END" : "");
	buffer_free(&jsonb);
}

static bool is_composite(const struct column_image *column)
{
	return column->type.category == 'C';
}

/* For to_json: of a field of another type it calls a cast to json, which may be a function of the type's owner. */
static bool has_plain_fields(const struct column_image *column)
{
	return is_composite(column) && column->plain_fields;
}

/* The bounds of arrays in a value's text: "[0:1]=". */
#define BOUNDS "((?:\\[-?[0-9]+:-?[0-9]+\\])+=)"

/* to_json writes numbers without quotes, and texts with them. Bounds of arrays it leaves out. */
static void append_composite(struct buffer *sql, const char *value)
{
	struct buffer json = {0};

	buffer_append_format(&json, "to_json(%s)", value);
	append_trimmed_json(sql, json.data);
	buffer_append_text(sql,
	                   ", (SELECT CASE WHEN w.v ~ '\\]=' THEN (SELECT string_agg(m[1], '') FROM regexp_matches(w.v,"
	                   " '" BOUNDS "', 'g') AS m) END FROM (SELECT ");
	sql_append_output(sql, value);
	buffer_append_text(sql, ") AS w (v))");
	buffer_free(&json);
}

/* A number, or several. */
static bool is_of_numbers(const struct column_image *column)
{
	return is_array_of(column, "numeric") ||
	       (column->built_in &&
	        (strcmp(column->type.name, "numrange") == 0 || strcmp(column->type.name, "nummultirange") == 0));
}

/* What a rule makes of a value, computed where the value is. */
static void append_ruled(struct buffer *sql, const struct check_column *column, const char *name)
{
	const struct column_image *target = column->sides[SIDE_TARGET];

	switch (column->rule->mask) {
	case MASK_HASH:
		buffer_append_text(sql, "encode(sha256(convert_to(current_setting('" EXPRESSION_SALT "') || ");
		rules_append_text(sql, name, column->sides[SIDE_SOURCE]->type.category);
		buffer_append_text(sql, ", 'UTF8')), 'hex')");
		return;
	case MASK_NULL:
		buffer_append_format(sql, "NULL::%s", target->cast_name);
		return;
	case MASK_CONSTANT:
		sql_append_literal(sql, column->rule->value);
		buffer_append_format(sql, "::%s", target->type_name);
		return;
	case MASK_NONE:
		break;
	}
	if (check_type_is_owned(column->sides[SIDE_SOURCE])) {
		buffer_append_byte(sql, '(');
		sql_append_output(sql, name);
		buffer_append_byte(sql, ')');
	} else {
		buffer_append_text(sql, name);
	}
	buffer_append_format(sql, "::%s::%s", target->cast_name, target->type_name);
}

/*
 * The first UTF-16 code units of a text: a character of four bytes in UTF-8 takes two of them. Half of such a character
 * is left out.
 */
static void append_truncated(struct buffer *sql, const char *name, uint64_t length)
{
	buffer_append_text(sql,
	                   "(SELECT CASE WHEN octet_length(convert_to(w.v, 'UTF8')) < char_length(w.v) + 3 THEN w.v"
	                   " ELSE (SELECT string_agg(u.c, '' ORDER BY u.n) FROM (SELECT x.c, x.n,"
	                   " sum(CASE WHEN octet_length(convert_to(x.c, 'UTF8')) = 4 THEN 2 ELSE 1 END)"
	                   " OVER (ORDER BY x.n) AS units FROM unnest(string_to_array(w.v, NULL)) WITH ORDINALITY"
	                   " AS x (c, n)) AS u");
	buffer_append_format(sql, " WHERE u.units <= %" PRIu64 ") END FROM (SELECT left(", length);
	sql_append_output(sql, name);
	buffer_append_format(sql, ", %" PRIu64 ")) AS w (v))", length);
}

/* What the connector makes of a value. */
static void append_captured(struct buffer *sql, const struct captured_column *captured, const char *name)
{
	if (captured != NULL && captured->form == CAPTURED_CONSTANT)
		buffer_append_format(sql, "repeat('*', %" PRIu64 ")", captured->length);
	else if (captured != NULL && captured->form == CAPTURED_TRUNCATED)
		append_truncated(sql, name, captured->length);
	else
		buffer_append_text(sql, name);
}

static bool is_ruled(const struct check_column *column)
{
	return column->rule->mask != MASK_NONE || column->rule->cast_from != NULL;
}

void expression_append_value(struct buffer *sql, const struct check_column *column, enum side which)
{
	struct buffer name = {0}, captured = {0};

	buffer_append_text(&name, "t.");
	sql_append_identifier(&name, column->sides[which]->name);
	if (which == SIDE_SOURCE && column->captured != NULL) {
		buffer_append_byte(&captured, '(');
		append_captured(&captured, column->captured, name.data);
		buffer_append_byte(&captured, ')');
	} else {
		buffer_append_text(&captured, name.data);
	}
	if (which == SIDE_SOURCE && is_ruled(column))
		append_ruled(sql, column, captured.data);
	else
		buffer_append_text(sql, captured.data);
	buffer_free(&name);
	buffer_free(&captured);
}

static void append_without_blanks(struct buffer *sql, const char *value)
{
	buffer_append_text(sql, "rtrim(");
	sql_append_output(sql, value);
	buffer_append_text(sql, ", ' ')");
}

static void append_normal(struct buffer *sql, const struct column_image *column, const struct column_image *other,
                          const char *value)
{
	if (is_type(column, "numeric"))
		buffer_append_format(sql, "trim_scale(%s)", value);
	else if (is_type(column, "money"))
		buffer_append_format(sql, "trim_scale((%s)::numeric)", value);
	else if (is_of_numbers(column))
		append_trimmed_numbers(sql, value);
	else if (is_type(column, "jsonb") || is_pair(column, other, "json", "jsonb"))
		append_json_as_jsonb(sql, column, value);
	else if (has_plain_fields(column) && has_plain_fields(other))
		append_composite(sql, value);
	else if (is_pair(column, other, "timestamp", "timestamptz"))
		buffer_append_format(sql, "(%s)::timestamp", value);
	else if (is_type(column, "bpchar") || is_type(other, "bpchar"))
		append_without_blanks(sql, value);
	else
		buffer_append_text(sql, value);
}

void expression_append_column(struct buffer *sql, const struct check_column *column, enum side which)
{
	/* Under a mask or cast both sides have the target's type. */
	const struct column_image *ours = column->sides[is_ruled(column) ? SIDE_TARGET : which];
	const struct column_image *other = column->sides[is_ruled(column) ? SIDE_TARGET : 1 - which];
	struct buffer value = {0};

	expression_append_value(&value, column, which);
	append_normal(sql, ours, other, value.data);
	buffer_free(&value);
}

void expression_append_common(struct buffer *sql, const struct check_table *table, enum side which)
{
	for (size_t i = 0; i < table->column_count; i++) {
		if (i > 0)
			buffer_append_text(sql, ", ");
		expression_append_column(sql, &table->columns[i], which);
	}
}

static bool pads(const struct check_column *column, enum side which)
{
	return is_type(column->sides[which], "bpchar");
}

void expression_append_key(struct buffer *sql, const struct check_table *table, enum side which, size_t n)
{
	const struct check_column *column = check_key_column(table, n);

	/* The normal form of a composite cannot be read back. The stream writes the blanks of a char(n) into a text. */
	if (is_composite(column->sides[which]) || (pads(column, SIDE_SOURCE) && !pads(column, SIDE_TARGET)))
		expression_append_value(sql, column, which);
	else
		expression_append_column(sql, column, which);
}

bool expression_is_blind_key(const struct check_table *table, enum side which, size_t n)
{
	const struct check_column *column = check_key_column(table, n);

	return which == SIDE_SOURCE && !pads(column, SIDE_SOURCE) && pads(column, SIDE_TARGET) && !is_ruled(column);
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
	buffer_append_text(sql, relkind_only(table->images[which]->relkind));
	sql_append_qualified(sql, table->images[which]->schema, table->images[which]->name);
	buffer_append_text(sql, " AS t");
}

bool expression_has_soft_deletes(const struct check_table *table, const char *is_deleted)
{
	return (table->rule->delete_mode == DELETE_SOFT || table->rule->truncate_mode == TRUNCATE_SOFT) &&
	       check_column_of(table->images[SIDE_TARGET], is_deleted) != NULL &&
	       check_target_column(table, is_deleted) == NULL;
}

void expression_append_own(struct buffer *sql, const struct check_table *table, enum side which)
{
	if (which == SIDE_TARGET)
		rules_append_scope(sql, table->rule, "t.", table->source_value, NULL);
}

static void append_admitted(struct buffer *sql, const struct check_table *table)
{
	struct buffer column = {0};
	const struct column_image *filtered;

	if (table->rule->filter.column == NULL)
		return;
	filtered = check_column_of(table->images[SIDE_SOURCE], table->rule->filter.column);
	buffer_append_text(&column, "t.");
	sql_append_identifier(&column, table->rule->filter.column);
	buffer_append_text(sql, " AND ");
	rules_append_admitted(sql, &table->rule->filter, column.data,
	                      filtered != NULL ? filtered->type.category : '\0');
	buffer_free(&column);
}

void expression_append_alive(struct buffer *sql, const struct check_table *table, enum side which,
                             const struct expression_options *options)
{
	if (which == SIDE_SOURCE) {
		append_admitted(sql, table);
		return;
	}
	expression_append_own(sql, table, which);
	if (!expression_has_soft_deletes(table, options->is_deleted))
		return;
	buffer_append_text(sql, " AND t.");
	sql_append_identifier(sql, options->is_deleted);
	buffer_append_text(sql, " IS NOT TRUE");
}
