/*
 * expression.h - SQL expressions of one side's columns whose texts are equal where the values are. Thread: any.
 */
#ifndef REPLICATOR_CHECK_EXPRESSION_H
#define REPLICATOR_CHECK_EXPRESSION_H

#include "check/tables.h"

/* The setting of a session at the source that holds masking.salt: no statement shows it. */
#define EXPRESSION_SALT "replicator.salt"

struct expression_options {
	const char *is_deleted; /* name of the soft-delete column */
	bool encode;            /* the servers' encodings differ: hash the rows' UTF-8 */
};

/*
 * One column of alias t, as the rules have it in the target: what is masked or cast is computed at the source, so that
 * both sides are equal. It may be several expressions for a ROW().
 */
void expression_append_column(struct buffer *sql, const struct check_column *column, enum side which);

/* The same as it is to be written, without a normal form: "t.a", a mask's expression. */
void expression_append_value(struct buffer *sql, const struct check_column *column, enum side which);

/* The columns that both sides have, in the source's order: "t.a, trim_scale(t.b)". */
void expression_append_common(struct buffer *sql, const struct check_table *table, enum side which);

/* The n-th column of the key; the text of a result can be read as the column's type on either side. */
void expression_append_key(struct buffer *sql, const struct check_table *table, enum side which, size_t n);

/*
 * Whether the column does not find a key by that text, and only expression_append_key does: the source's, where the
 * target's is char(n) and the key's text has no blanks at the end.
 */
bool expression_is_blind_key(const struct check_table *table, enum side which, size_t n);

/* A 64-bit hash of the whole row, or of its key; the same on both sides for equal ones. */
void expression_append_row_hash(struct buffer *sql, const struct check_table *table, enum side which,
                                const struct expression_options *options);
void expression_append_key_hash(struct buffer *sql, const struct check_table *table, enum side which,
                                const struct expression_options *options);

/* "[ONLY] schema.table AS t": partitioned tables through their root, inheritance trees one by one. */
void expression_append_from(struct buffer *sql, const struct check_table *table, enum side which);

/*
 * " AND …", or nothing: leaves out rows of the source that the rule's filter does not admit; of the target, those which
 * a soft delete left there, and those of other sources.
 */
void expression_append_alive(struct buffer *sql, const struct check_table *table, enum side which,
                             const struct expression_options *options);

/* The target marks deleted rows of this table in the column of that name. */
bool expression_has_soft_deletes(const struct check_table *table, const char *is_deleted);

/* " AND …", or nothing: only the target's rows that come from this source, where several share the table. */
void expression_append_own(struct buffer *sql, const struct check_table *table, enum side which);

#endif
