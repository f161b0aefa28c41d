/*
 * rows.h - the questions that compare.c asks of the two sides: digests of buckets, the rows of unequal buckets, and how
 * single rows look now.
 */
#ifndef REPLICATOR_CHECK_ROWS_H
#define REPLICATOR_CHECK_ROWS_H

#include "check/scan.h"

/* Digests of the open buckets of pending tables, both sides; then closes the buckets that are equal. */
struct error *rows_scan_buckets(const struct scan *scan, struct check_tables *tables);

/* The rows that differ in the open buckets of pending tables, into table->rows; they lie in `arena`. */
struct error *rows_narrow(const struct scan *scan, struct check_tables *tables, struct arena *arena);

/* Looks at table->rows on one side: fills `looks`, one for each row. The connection is in a snapshot. */
struct error *rows_look(struct pg_connection *connection, const struct check_table *table, enum side which,
                        const struct expression_options *options, struct row_look *looks);

/*
 * The type whose array takes texts of the column's values, each between commas, or NULL: they travel as text[] and are
 * cast (arrays, composites, of which unnest makes columns, box). In an array the type's input function reads them; a cast from text may be a function of the type's
 * owner.
 */
const char *rows_element_type(const struct column_image *column);

/* "$1::int4[], …" and "k1, …" of a list of keys as parameters; the texts of a run of rows as array literals. */
void rows_append_key_list(struct buffer *sql, const struct check_table *table, enum side which, const char *alias);
void rows_append_key_join(struct buffer *sql, const struct check_table *table, enum side which, const char *alias);
/* parameters[i] gets the array of the i-th key column, on the heap: rows_free_keys. */
void rows_make_keys(const struct check_table *table, const struct check_row *const *rows, size_t count,
                    const char **parameters);
void rows_free_keys(const struct check_table *table, const char **parameters);

#endif
