/*
 * expression.h - SQL expressions of one side's columns whose texts are equal where the values are. Thread: any.
 */
#ifndef REPLICATOR_CHECK_EXPRESSION_H
#define REPLICATOR_CHECK_EXPRESSION_H

#include "check/tables.h"

struct expression_options {
	const char *is_deleted; /* name of the soft-delete column */
	bool encode;            /* the servers' encodings differ: hash the rows' UTF-8 */
};

/* One column of alias t. `other` is the same column on the other side. It may be several expressions for a ROW(). */
void expression_append_column(struct buffer *sql, const struct column_image *column, const struct column_image *other);

/* The columns that both sides have, in the source's order: "t.a, trim_scale(t.b)". */
void expression_append_common(struct buffer *sql, const struct check_table *table, enum side which);

/* The n-th column of the key, as text that can be cast to the column's type on either side. */
void expression_append_key(struct buffer *sql, const struct check_table *table, enum side which, size_t n);

/* A 64-bit hash of the whole row, or of its key; the same on both sides for equal ones. */
void expression_append_row_hash(struct buffer *sql, const struct check_table *table, enum side which,
                                const struct expression_options *options);
void expression_append_key_hash(struct buffer *sql, const struct check_table *table, enum side which,
                                const struct expression_options *options);

/* "[ONLY] schema.table AS t": partitioned tables through their root, inheritance trees one by one. */
void expression_append_from(struct buffer *sql, const struct check_table *table, enum side which);

/* " AND …" that leaves out rows which a soft delete left in the target, or nothing. */
void expression_append_alive(struct buffer *sql, const struct check_table *table, enum side which,
                             const struct expression_options *options);

/* The target marks deleted rows of this table in the column of that name. */
bool expression_has_soft_deletes(const struct check_table *table, const char *is_deleted);

/* The key's n-th column on a side. */
const struct column_image *expression_key_column(const struct check_table *table, enum side which, size_t n);

#endif
