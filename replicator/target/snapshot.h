/*
 * snapshot.h - what the rows of the connector's snapshots mean for the tables that they go to.
 *
 * NOTES
 *   Rows of a snapshot are upserts. That a row is not in a snapshot proves nothing: the snapshot may cover a part of
 *   the tables, or of their rows, and may be broken off. So a table that holds rows before the first row of a full
 *   snapshot is written to it is marked as unverified (unverified.h), as is a table that holds rows and has none in a
 *   complete snapshot, and a table from which others inherit: the connector sends their rows under its name as well.
 *   The comparison with the source settles all of these.
 *
 *   A row without a key cannot be an upsert: if the target has it already, it would have it twice. Such rows are
 *   written only if the target's table was empty before the first row of a full snapshot and the stream never wrote to
 *   it. Else they are discarded and counted, and the table is unverified. The decision is made at the first row, is
 *   stored with the snapshot's identity (table captured_table), and holds until that snapshot ends, whatever is
 *   restarted meanwhile. Rows of an incremental snapshot and late rows (transaction.h) without a key are always
 *   discarded.
 *
 *   Rows of an incremental snapshot with a key mark nothing: the resync of a table uses one.
 *
 * Thread: the applier's, or a command's; inside the target transaction that the caller opened.
 */
#ifndef REPLICATOR_TARGET_SNAPSHOT_H
#define REPLICATOR_TARGET_SNAPSHOT_H

#include "stream/transaction.h"
#include "target/binding.h"

struct snapshot;

struct snapshot *snapshot_new(const struct config *config);
void snapshot_free(struct snapshot *snapshot); /* NULL is allowed */

/* What it remembers was rolled back, or may have been. */
void snapshot_forget(struct snapshot *snapshot);

/*
 * Before the rows of `count` transactions are written: marks tables, and sets `discarded` in the changes that must not
 * be written. *discarded counts them; *changed: a plan that was made of the changes before is no longer true. Errors: of the connection; those of a binding with a SQLSTATE.
 */
struct error *snapshot_prepare(struct snapshot *snapshot, struct pg_connection *connection, struct binding_cache *cache,
                               const struct transaction *first, size_t count, uint64_t *discarded, bool *changed);

/* After the rows of a transaction are written: notes the tables that the stream has written. */
struct error *snapshot_note(struct snapshot *snapshot, struct pg_connection *connection,
                            const struct transaction *transaction);

/* The snapshot is complete: marks the tables that hold rows and had none in it. */
struct error *snapshot_complete(struct snapshot *snapshot, struct pg_connection *connection,
                                const struct snapshot_identity *identity);

#endif
