/*
 * explain.h - the SQL that one change would run at the target, for people: as the set-wise path writes it for one row,
 * with the values. Nothing is executed.
 *
 * Thread: the connection's.
 */
#ifndef REPLICATOR_TARGET_EXPLAIN_H
#define REPLICATOR_TARGET_EXPLAIN_H

#include "base/buffer.h"
#include "target/rows.h"

/* Appends lines to `text`. Errors: of the binding and of values (ERROR_TARGET, ERROR_EVENT), of the connection. */
struct error *explain_change(struct row_sender *sender, struct pg_connection *connection, struct binding_cache *cache,
                             const struct change *change, struct buffer *text);

#endif
