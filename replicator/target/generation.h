/*
 * generation.h - a snapshot that replaces: rows of captured tables that it did not contain go when it ends.
 *
 * NOTES
 *   Rows deleted at the source while nobody captured them would otherwise stay for ever, and tables without a key would
 *   double. Which rows a snapshot contained needs no list: each of its rows is written anew, so the others have an
 *   older xmin than the transaction that wrote the table's first one.
 *
 * Thread: the applier's; inside the target transaction that the caller opened.
 */
#ifndef REPLICATOR_TARGET_GENERATION_H
#define REPLICATOR_TARGET_GENERATION_H

#include "target/binding.h"
#include "stream/transaction.h"

struct generation;

struct generation *generation_new(const struct config *config);
void generation_free(struct generation *generation);

/* What it noted was rolled back, or may have been. */
void generation_forget(struct generation *generation);

/* The transaction's rows are written: notes tables not seen yet, and those whose first snapshot row was among them. */
struct error *generation_note(struct generation *generation, struct pg_connection *connection,
                              struct binding_cache *cache, const struct transaction *transaction);

/*
 * Its last row is written: removes what it did not contain (resnapshot = "replace"; by each table's rule of deletes).
 */
struct error *generation_sweep(struct generation *generation, struct pg_connection *connection,
                               const struct snapshot_identity *ended);

#endif
