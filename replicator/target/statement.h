/*
 * statement.h - the SQL of a binding, for any number of rows: each statement takes one array a column and joins or
 * inserts unnest() of them. One row is an array of one.
 *
 * Memory: SQL texts lie in the given buffer. Thread: any.
 */
#ifndef REPLICATOR_TARGET_STATEMENT_H
#define REPLICATOR_TARGET_STATEMENT_H

#include "base/buffer.h"
#include "target/binding.h"

enum statement_kind {
	STATEMENT_DELETE, /* parameters: the key's columns; a soft delete where the rule says so */
	STATEMENT_UPDATE, /* parameters: the key's columns, then the columns of the mask */
	STATEMENT_INSERT, /* parameters: all columns; ON CONFLICT DO UPDATE where a key allows it */
	STATEMENT_COPY,   /* COPY … FROM STDIN of all columns and the extra ones */
	/* Of a table without a key: one row that is equal to the image; parameters: the columns of the mask. */
	STATEMENT_DELETE_ONE,
	STATEMENT_UPDATE_ONE, /* the same; parameters: all columns of the old image, then all of the new one */
	/*
	 * A key change, where no row has the new key yet; parameters: the old key's columns, then the columns of the
	 * mask, key included.
	 */
	STATEMENT_MOVE,
	STATEMENT_READ, /* parameters: the key's columns; gives the binding's columns as text, then the row (own_count) */
	/* The same as UPDATE and INSERT; a last parameter is a row as READ gives it, whose own columns are copied. */
	STATEMENT_UPDATE_COPY,
	STATEMENT_INSERT_COPY,
};

/*
 * `mask`: which of the binding's columns are set, of STATEMENT_DELETE_ONE compared, by index; NULL: all. Of
 * STATEMENT_UPDATE, STATEMENT_MOVE and STATEMENT_DELETE_ONE.
 */
void statement_build(struct buffer *sql, const struct binding *binding, enum statement_kind kind, const bool *mask);

/* A condition: two arrays of texts (SQL expressions) hold keys that are equal by the operators of the key's index. */
void statement_append_same_key(struct buffer *sql, const struct binding *binding, const char *left, const char *right);

/* False: STATEMENT_UPDATE_ONE would have nothing to assign. */
bool statement_may_update_one(const struct binding *binding);

/*
 * TRUNCATE as the rule has it, but not TRUNCATE_IGNORE: rows that are alive get marked, or all go; of a table that
 * several sources share, only this one's.
 */
void statement_build_truncate(struct buffer *sql, const struct binding *binding);

#endif
