/*
 * rows.c - see the header.
 *
 * NOTES
 *   The digest of a bucket is the sum of its rows' 64-bit hashes: no order is needed. Which bucket a row is in says the
 *   hash of its key, so that a changed row stays in its bucket, and the two versions of it meet when the bucket's rows
 *   are listed. A table without a key has the hash of the whole row in that place: a changed row is one that is missing
 *   and one too many, and what is compared is how many rows there are of each hash.
 */
#include "check/rows.h"

#include "base/memory.h"
#include "pg/sql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NARROW_ROWS_MOST ((int64_t)1000000) /* of the buckets that are listed, both sides */
#define LIST_MOST ((size_t)100000)          /* differing rows that are kept of a table */
#define KEYS_A_QUERY ((size_t)500)

/* False after an interrupted scan. */
static bool is_read(const struct check_table *table)
{
	return table->sides[SIDE_SOURCE].pieces_open == 0 && table->sides[SIDE_TARGET].pieces_open == 0;
}

static bool is_pending(const struct check_table *table)
{
	return table->verdict == VERDICT_PENDING && table->sides[SIDE_SOURCE].error == NULL &&
	       table->sides[SIDE_TARGET].error == NULL;
}

static bool is_narrowed(const struct check_table *table)
{
	return is_pending(table) && table->open_count > 0;
}

static bool is_scanned(const struct check_table *table)
{
	return is_pending(table) && (table->open_count > 0 || table->null_keys.open);
}

/* Not IS NULL: that is true as well of a composite value whose fields are NULL. False: the key has a value in each row. */
static bool append_null_key(struct buffer *sql, const struct check_table *table, enum side which)
{
	const char *before = "(";

	if (which != SIDE_TARGET || table->null_keys.columns == NULL)
		return false;
	for (size_t i = 0; i < table->key->column_count; i++) {
		const struct column_image *column = check_key_column(table, i)->sides[SIDE_TARGET];

		if (column->not_null)
			continue;
		buffer_append_format(sql, "%st.", before);
		sql_append_identifier(sql, column->name);
		buffer_append_text(sql, " IS NOT DISTINCT FROM NULL");
		before = " OR ";
	}
	buffer_append_byte(sql, ')');
	return true;
}

static void append_piece(struct buffer *sql, const struct check_table *table, enum side which,
                         const struct expression_options *options)
{
	buffer_append_text(sql, " FROM ");
	expression_append_from(sql, table, which);
	buffer_append_text(sql, " WHERE t.ctid >= $1::tid AND t.ctid < $2::tid");
	expression_append_alive(sql, table, which, options);
}

static void append_bucket_sql(struct buffer *sql, const struct check_table *table, enum side which,
                              const struct expression_options *options)
{
	size_t mask = table->bucket_count - 1;

	if (table->key != NULL) {
		struct buffer null_key = {0};

		buffer_append_text(sql, "SELECT b, count(*), sum(h) FROM (SELECT ");
		if (append_null_key(&null_key, table, which)) /* as if there were one more bucket */
			buffer_append_format(sql, "CASE WHEN %s THEN %zu ELSE ", null_key.data, table->bucket_count);
		expression_append_key_hash(sql, table, which, options);
		buffer_append_format(sql, " & %zu%s AS b, ", mask, null_key.length > 0 ? " END" : "");
		buffer_free(&null_key);
	} else {
		buffer_append_format(sql, "SELECT h & %zu AS b, count(*), sum(h) FROM (SELECT ", mask);
	}
	expression_append_row_hash(sql, table, which, options);
	buffer_append_text(sql, " AS h");
	append_piece(sql, table, which, options);
	/* OFFSET 0: the hash is used twice and shall be made once. */
	if (table->key != NULL)
		buffer_append_text(sql, ") AS r WHERE $3::bigint[] IS NULL OR b = ANY ($3::bigint[]) GROUP BY b");
	else
		buffer_append_format(sql,
		                     " OFFSET 0) AS r WHERE $3::bigint[] IS NULL OR h & %zu = ANY ($3::bigint[]) "
		                     "GROUP BY 1",
		                     mask);
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
	if (table->null_keys.columns != NULL)
		buffer_append_format(array, "%s%zu", array->length > 1 ? "," : "", table->bucket_count);
	buffer_append_byte(array, '}');
}

/* A whole number of any length, modulo 2^64. */
static uint64_t parse_sum(const char *text)
{
	bool negative = *text == '-';
	uint64_t sum = 0;

	for (text += negative; *text >= '0' && *text <= '9'; text++)
		sum = sum * 10 + (uint64_t)(*text - '0');
	return negative ? 0 - sum : sum;
}

static void take_buckets(struct check_table *table, enum side which, const struct pg_result *result,
                         struct arena *arena)
{
	(void)arena;
	for (size_t i = 0; i < pg_result_rows(result); i++) {
		size_t number = (size_t)pg_result_integer(result, i, 0);

		if (number >= table->bucket_count) {
			table->null_keys.rows += pg_result_integer(result, i, 1);
			continue;
		}
		table->sides[which].buckets[number].rows += pg_result_integer(result, i, 1);
		table->sides[which].buckets[number].digest += parse_sum(pg_result_text(result, i, 2));
	}
}

static void close_equal_buckets(struct check_table *table)
{
	for (size_t i = 0; i < table->bucket_count; i++) {
		const struct bucket *source = &table->sides[SIDE_SOURCE].buckets[i];
		const struct bucket *target = &table->sides[SIDE_TARGET].buckets[i];

		if (!table->open[i] || source->rows != target->rows || source->digest != target->digest)
			continue;
		table->open[i] = false;
		table->open_count--;
	}
}

struct error *rows_scan_buckets(const struct scan *scan, struct check_tables *tables)
{
	static const struct scan_question question = {is_scanned, append_bucket_sql, append_open_buckets, take_buckets};

	for (size_t i = 0; i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];

		if (is_scanned(table))
			table->null_keys.rows = 0;
		for (size_t b = 0; is_scanned(table) && b < table->bucket_count; b++)
			if (table->open[b])
				table->sides[SIDE_SOURCE].buckets[b] = table->sides[SIDE_TARGET].buckets[b] =
				    (struct bucket){0};
	}
	TRY(scan_tables(scan, tables, &question));
	for (size_t i = 0; i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];

		if (!is_scanned(table) || !is_read(table))
			continue;
		close_equal_buckets(table);
		table->null_keys.open = table->null_keys.rows > 0;
	}
	return NULL;
}

static void append_row_sql(struct buffer *sql, const struct check_table *table, enum side which,
                           const struct expression_options *options)
{
	size_t mask = table->bucket_count - 1;

	buffer_append_text(sql, table->key != NULL ? "SELECT " : "SELECT count(*), sum(x), h::text FROM (SELECT ");
	expression_append_row_hash(sql, table, which, options);
	if (table->key == NULL) {
		buffer_append_text(sql, " AS h, t.xmin::text::bigint AS x");
		append_piece(sql, table, which, options);
		buffer_append_format(sql, " OFFSET 0) AS r WHERE h & %zu = ANY ($3::bigint[]) GROUP BY h", mask);
		return;
	}
	buffer_append_text(sql, ", t.xmin");
	for (size_t i = 0; i < table->key->column_count; i++) {
		buffer_append_text(sql, ", ");
		expression_append_key(sql, table, which, i);
	}
	append_piece(sql, table, which, options);
	buffer_append_text(sql, " AND ");
	if (append_null_key(sql, table, which))
		buffer_append_text(sql, " IS FALSE AND ");
	expression_append_key_hash(sql, table, which, options);
	buffer_append_format(sql, " & %zu = ANY ($3::bigint[])", mask);
}

/* Open buckets, as many as can be listed at once. */
static void append_narrow_buckets(struct buffer *array, const struct check_table *table)
{
	int64_t rows = 0;

	buffer_append_byte(array, '{');
	for (size_t i = 0; i < table->bucket_count && rows < NARROW_ROWS_MOST; i++) {
		if (!table->open[i])
			continue;
		rows += table->sides[SIDE_SOURCE].buckets[i].rows + table->sides[SIDE_TARGET].buckets[i].rows;
		buffer_append_format(array, "%s%zu", array->length > 1 ? "," : "", i);
	}
	buffer_append_byte(array, '}');
}

static bool all_are_listed(const struct check_table *table)
{
	int64_t rows = 0;
	bool all = true;

	for (size_t i = 0; i < table->bucket_count; i++) {
		if (!table->open[i])
			continue;
		all = rows < NARROW_ROWS_MOST;
		rows += table->sides[SIDE_SOURCE].buckets[i].rows + table->sides[SIDE_TARGET].buckets[i].rows;
	}
	return all;
}

static struct row_look read_look(const struct check_table *table, const struct pg_result *result, size_t row)
{
	struct row_look look = {(uint64_t)pg_result_integer(result, row, 0),
	                        (uint64_t)pg_result_integer(result, row, 1)};

	if (table->key != NULL && look.token == 0)
		look.token = 1; /* 0 is for a row that is not there */
	return look;
}

static void take_rows(struct check_table *table, enum side which, const struct pg_result *result, struct arena *arena)
{
	struct check_side *side = &table->sides[which];
	size_t rows = pg_result_rows(result), columns = pg_result_columns(result);

	if (rows == 0)
		return;
	side->found = memory_grow(side->found, side->found_count + rows, sizeof(*side->found));
	for (size_t i = 0; i < rows; i++) {
		const char **key = arena_alloc(arena, (columns - 2) * sizeof(*key));

		for (size_t k = 2; k < columns; k++) {
			const char *text = pg_result_text(result, i, k);

			key[k - 2] = arena_copy(arena, text, strlen(text));
		}
		side->found[side->found_count++] = (struct found_row){key, read_look(table, result, i)};
	}
}

static int compare_keys(const char *const *a, const char *const *b, size_t columns)
{
	int order = 0;

	for (size_t i = 0; order == 0 && i < columns; i++)
		order = strcmp(a[i], b[i]);
	return order;
}

static int compare_found(const void *a, const void *b, void *columns)
{
	return compare_keys(((const struct found_row *)a)->key, ((const struct found_row *)b)->key, *(size_t *)columns);
}

/* Sorts; equal rows of a table without key, found in several pieces, become one. */
static void sort_found(struct check_side *side, bool keyed, size_t columns)
{
	size_t kept = 0;

	if (side->found_count == 0)
		return;
	qsort_r(side->found, side->found_count, sizeof(*side->found), compare_found, &columns);
	for (size_t i = 1; !keyed && i < side->found_count; i++) {
		if (compare_keys(side->found[kept].key, side->found[i].key, columns) != 0) {
			side->found[++kept] = side->found[i];
			continue;
		}
		side->found[kept].look.token += side->found[i].look.token;
		side->found[kept].look.version += side->found[i].look.version;
	}
	if (!keyed)
		side->found_count = kept + 1;
}

static void add_row(struct check_table *table, const char *const *key, struct row_look source, struct row_look target,
                    size_t columns, struct arena *arena)
{
	struct check_row *row = &table->rows[table->row_count];
	const char **copy;

	*row = (struct check_row){.source = source, .target = target};
	if (check_keeps_rows(table) && check_row_fault(table, row) == FAULT_EXTRA) {
		table->kept++;
		return;
	}
	if (table->row_count == LIST_MOST) {
		table->narrowed = false;
		return;
	}
	copy = arena_alloc(arena, columns * sizeof(*copy));
	for (size_t i = 0; i < columns; i++)
		copy[i] = arena_copy(arena, key[i], strlen(key[i]));
	row->key = copy;
	table->row_count++;
	row->seen[row->seen_count++] = source.token;
}

/* Walks both sides' rows in the order of their keys and keeps what is not equal. */
static void merge_found(struct check_table *table, struct arena *arena)
{
	struct check_side *source = &table->sides[SIDE_SOURCE], *target = &table->sides[SIDE_TARGET];
	size_t columns = table->key != NULL ? table->key->column_count : 1;
	size_t most = source->found_count + target->found_count, s = 0, t = 0;

	sort_found(source, table->key != NULL, columns);
	sort_found(target, table->key != NULL, columns);
	table->rows = arena_alloc(arena, ((most < LIST_MOST ? most : LIST_MOST) + 1) * sizeof(*table->rows));
	table->row_count = 0;
	table->kept = 0;
	while (s < source->found_count || t < target->found_count) {
		const struct row_look none = {0};
		int order = s == source->found_count ? 1
		            : t == target->found_count
		                ? -1
		                : compare_keys(source->found[s].key, target->found[t].key, columns);

		if (order < 0)
			add_row(table, source->found[s].key, source->found[s].look, none, columns, arena);
		else if (order > 0)
			add_row(table, target->found[t].key, none, target->found[t].look, columns, arena);
		else if (source->found[s].look.token != target->found[t].look.token)
			add_row(table, source->found[s].key, source->found[s].look, target->found[t].look, columns,
			        arena);
		s += order <= 0;
		t += order >= 0;
	}
}

static void drop_found(struct check_table *table)
{
	for (int side = 0; side < 2; side++) {
		free(table->sides[side].found);
		table->sides[side].found = NULL;
		table->sides[side].found_count = 0;
	}
}

struct error *rows_narrow(const struct scan *scan, struct check_tables *tables, struct arena *arena)
{
	static const struct scan_question question = {is_narrowed, append_row_sql, append_narrow_buckets, take_rows};
	struct scan inner = *scan;
	struct error *error;

	inner.arena = arena_new();
	error = scan_tables(&inner, tables, &question);
	for (size_t i = 0; i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];

		if (error == NULL && is_narrowed(table) && is_read(table)) {
			table->narrowed = all_are_listed(table);
			merge_found(table, arena);
		}
		drop_found(table);
	}
	arena_free(inner.arena);
	return error;
}

static bool is_array(const struct column_image *column)
{
	return column->type.array || column->type.category == 'A';
}

static const char *base_type(const struct column_image *column)
{
	return column->base_name != NULL ? column->base_name : column->cast_name;
}

const char *rows_element_type(const struct column_image *column)
{
	bool comma = column->type.delimiter == '\0' || column->type.delimiter == ',';

	return is_array(column) || column->type.category == 'C' || !comma ? NULL : base_type(column);
}

/* What a key's text is read as on that side. */
static const struct column_image *key_column(const struct check_table *table, enum side which, size_t n)
{
	const struct check_column *pair = check_key_column(table, n);

	return pair->sides[pair->rule->mask == MASK_HASH ? SIDE_TARGET : which];
}

/* The input function of a type reads an element; a cast from text may be a function of the type's owner. */
void rows_append_key_list(struct buffer *sql, const struct check_table *table, enum side which, const char *alias)
{
	buffer_append_text(sql, "unnest(");
	for (size_t i = 0; i < table->key->column_count; i++) {
		const char *type = rows_element_type(key_column(table, which, i));

		if (type == NULL || expression_is_blind_key(table, which, i))
			type = "text";
		buffer_append_format(sql, "%s$%zu::%s[]", i > 0 ? ", " : "", i + 1, type);
	}
	buffer_append_format(sql, ") WITH ORDINALITY AS %s (", alias);
	for (size_t i = 0; i < table->key->column_count; i++)
		buffer_append_format(sql, "k%zu, ", i);
	buffer_append_text(sql, "n)");
}

/*
 * The operator and the collation of the key's index on that side, so that the index is used (see target/statement.c);
 * the text that a mask makes has none.
 */
static struct key_column key_equality(const struct check_table *table, enum side which, size_t n)
{
	const struct check_column *pair = check_key_column(table, n);
	const struct key_image *key = which == SIDE_SOURCE ? table->key : table->target_key;
	const struct column_image *image = pair->sides[which];
	struct key_column equality = {.equality = image->equality};

	if (pair->rule->mask == MASK_HASH && which == SIDE_SOURCE)
		return (struct key_column){.equality = "OPERATOR(pg_catalog.=)"};
	for (size_t i = 0; key != NULL && i < key->column_count; i++)
		if (&table->images[which]->columns[key->columns[i].index] == image)
			equality = key->columns[i];
	if (equality.equality == NULL)
		equality.equality = "OPERATOR(pg_catalog.=)";
	return equality;
}

static void append_key_condition(struct buffer *sql, const struct check_table *table, enum side which,
                                 const char *alias, size_t n)
{
	const struct column_image *column = key_column(table, which, n);
	struct key_column equality = key_equality(table, which, n);
	bool array = is_array(column);

	if (expression_is_blind_key(table, which, n)) {
		expression_append_key(sql, table, which, n);
		buffer_append_format(sql, " OPERATOR(pg_catalog.=) %s.k%zu", alias, n);
		return;
	}
	expression_append_value(sql, check_key_column(table, n), which);
	if (column->base_name != NULL)
		buffer_append_format(sql, "::%s", column->base_name);
	buffer_append_format(sql, " %s %s%s.k%zu", equality.equality, array ? "" : "ANY (ARRAY[", alias, n);
	if (rows_element_type(column) == NULL)
		buffer_append_format(sql, "::%s", base_type(column));
	if (equality.collation != NULL)
		buffer_append_format(sql, " %s", equality.collation);
	if (!array)
		buffer_append_text(sql, "])");
}

/* `= ANY (ARRAY[…])`, so that the plan is one lookup in the index for each key (see target/statement.c). */
void rows_append_key_join(struct buffer *sql, const struct check_table *table, enum side which, const char *alias)
{
	for (size_t i = 0; i < table->key->column_count; i++) {
		buffer_append_text(sql, i > 0 ? " AND " : "");
		append_key_condition(sql, table, which, alias, i);
	}
	expression_append_own(sql, table, which);
}

void rows_make_keys(const struct check_table *table, const struct check_row *const *rows, size_t count,
                    const char **parameters)
{
	for (size_t k = 0; k < table->key->column_count; k++) {
		struct buffer array = {0};

		buffer_append_byte(&array, '{');
		for (size_t i = 0; i < count; i++) {
			if (i > 0)
				buffer_append_byte(&array, ',');
			sql_append_array_element(&array, rows[i]->key[k], strlen(rows[i]->key[k]));
		}
		buffer_append_byte(&array, '}');
		parameters[k] = buffer_steal(&array);
	}
}

void rows_free_keys(const struct check_table *table, const char **parameters)
{
	for (size_t k = 0; k < table->key->column_count; k++)
		free((void *)(uintptr_t)parameters[k]);
}

static void append_look_sql(struct buffer *sql, const struct check_table *table, enum side which,
                            const struct expression_options *options)
{
	buffer_append_text(sql, "SELECT ");
	expression_append_row_hash(sql, table, which, options);
	buffer_append_text(sql, ", t.xmin, s.n FROM ");
	rows_append_key_list(sql, table, which, "s");
	buffer_append_text(sql, ", ");
	expression_append_from(sql, table, which);
	buffer_append_text(sql, " WHERE ");
	rows_append_key_join(sql, table, which, "s");
	expression_append_alive(sql, table, which, options);
}

static struct error *look_by_key(struct pg_connection *connection, const struct check_table *table, const char *sql,
                                 size_t first, size_t count, struct row_look *looks)
{
	const struct check_row *rows[KEYS_A_QUERY];
	const char **parameters = memory_alloc((table->key->column_count + 1) * sizeof(*parameters));
	struct pg_result *result = NULL;
	struct error *error;

	for (size_t i = 0; i < count; i++)
		rows[i] = &table->rows[first + i];
	rows_make_keys(table, rows, count, parameters);
	error = session_query(connection, sql, table->key->column_count, parameters, &result);
	for (size_t i = 0; error == NULL && i < pg_result_rows(result); i++)
		looks[first + (size_t)pg_result_integer(result, i, 2) - 1] = read_look(table, result, i);
	pg_result_free(result);
	rows_free_keys(table, parameters);
	free(parameters);
	return error;
}

/* Without a key: how many rows there are of each hash. */
static struct error *look_by_hash(struct pg_connection *connection, const struct check_table *table, enum side which,
                                  const struct expression_options *options, struct row_look *looks)
{
	struct buffer sql = {0}, hashes = {0};
	struct pg_result *result = NULL;
	const char *parameters[1];
	struct error *error;

	buffer_append_text(&sql, "SELECT count(*), sum(x), s.n FROM (SELECT ");
	expression_append_row_hash(&sql, table, which, options);
	buffer_append_text(&sql, " AS h, t.xmin::text::bigint AS x FROM ");
	expression_append_from(&sql, table, which);
	buffer_append_text(&sql, " WHERE true");
	expression_append_alive(&sql, table, which, options);
	buffer_append_text(&sql, " OFFSET 0) AS r JOIN unnest($1::bigint[]) WITH ORDINALITY AS s (k, n) ON s.k = r.h"
	                         " GROUP BY h, s.n");
	for (size_t i = 0; i < table->row_count; i++)
		buffer_append_format(&hashes, "%c%s", i == 0 ? '{' : ',', table->rows[i].key[0]);
	buffer_append_text(&hashes, "}");
	parameters[0] = hashes.data;
	error = session_query(connection, sql.data, 1, parameters, &result);
	for (size_t i = 0; error == NULL && i < pg_result_rows(result); i++)
		looks[(size_t)pg_result_integer(result, i, 2) - 1] = read_look(table, result, i);
	pg_result_free(result);
	buffer_free(&sql);
	buffer_free(&hashes);
	return error;
}

struct error *rows_look(struct pg_connection *connection, const struct check_table *table, enum side which,
                        const struct expression_options *options, struct row_look *looks)
{
	struct buffer sql = {0};
	struct error *error = NULL;

	memset(looks, 0, table->row_count * sizeof(*looks));
	if (table->row_count == 0)
		return NULL;
	if (table->key == NULL)
		return look_by_hash(connection, table, which, options, looks);
	append_look_sql(&sql, table, which, options);
	for (size_t first = 0; error == NULL && first < table->row_count; first += KEYS_A_QUERY) {
		size_t left = table->row_count - first;

		error =
		    look_by_key(connection, table, sql.data, first, left < KEYS_A_QUERY ? left : KEYS_A_QUERY, looks);
	}
	buffer_free(&sql);
	return error;
}
