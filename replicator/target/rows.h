/*
 * rows.h - sends rows of a binding to the server: as arrays of a pipelined statement, or as COPY.
 * Thread: the applier's; the connection is inside BEGIN.
 */
#ifndef REPLICATOR_TARGET_ROWS_H
#define REPLICATOR_TARGET_ROWS_H

#include "base/arena.h"
#include "target/plan.h"
#include "target/statement.h"

/*
 * One row: values by the relation's columns; `old_key` (in the binding's key order) where the key itself changes; `old`,
 * by the relation's columns, of STATEMENT_UPDATE_ONE.
 */
struct row_image {
	const struct value *values;
	const struct value *old_key;
	const struct change *change;
	const char *stored; /* of the kinds …_COPY: stored_row.text */
	const struct value *old;
};

/* A row as it is in the target; in the caller's arena. */
struct stored_row {
	struct value *values; /* by the relation's columns, VALUE_NATIVE or NULL; NULL: there is no such row */
	const char *text;     /* all of it, where the target has columns of its own (binding.own_count), else NULL */
};

struct row_sender;

struct row_sender *row_sender_new(void);
void row_sender_free(struct row_sender *sender);

/* Sends one statement for all rows. The connection is in a pipeline's run. Errors of a value name table and column. */
struct error *row_sender_send(struct row_sender *sender, struct pg_connection *connection,
                              const struct binding *binding, enum statement_kind kind, const bool *mask,
                              const struct row_image *rows, size_t count);

/* What row_sender_send would send of one row; valid until the next call. */
struct error *row_sender_show(struct row_sender *sender, const struct binding *binding, enum statement_kind kind,
                              const bool *mask, const struct row_image *row, const char **sql,
                              const char *const **parameters, size_t *count);

/*
 * The row, not marked as deleted, with the key that `key` holds (by the relation's columns). Not within a pipeline.
 */
struct error *row_sender_read(struct row_sender *sender, struct pg_connection *connection,
                              const struct binding *binding, const struct value *key, struct arena *arena,
                              struct stored_row *row);

/* The array literal of the key's values as they are written, in the binding's key order, for text[]. */
struct error *row_sender_write_key(struct row_sender *sender, const struct binding *binding, const struct value *values,
                                   struct buffer *array);

/* COPY of all rows, not within a pipeline. */
struct error *row_sender_copy(struct row_sender *sender, struct pg_connection *connection,
                              const struct binding *binding, const struct row_image *rows, size_t count);

#endif
