/*
 * batch.h - executes a plan set-wise, or transactions change by change, inside the target transaction that the caller
 * opened. Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_BATCH_H
#define REPLICATOR_TARGET_BATCH_H

#include "stream/partition.h"
#include "target/missing.h"
#include "target/parking.h"
#include "target/plan.h"
#include "target/refusals.h"
#include "target/rows.h"

struct batch_counts {
	uint64_t rows_missing; /* updates and deletes that found no row */
	uint64_t ignored;
	uint64_t discarded;        /* snapshot rows that were not written (snapshot.h) */
	uint64_t refused;          /* changes of unverified tables that were refused, and discarded (refusals.h) */
	struct missing *missing;   /* where they are noted, or NULL */
	struct refusals *refusals; /* likewise; NULL: a change that is refused is an error */
};

/* ERROR_CONSTRAINT when the server did not do what was planned: roll back and replay strictly. */
struct error *batch_apply_plan(struct row_sender *sender, struct pg_connection *connection, const struct plan *plan,
                               struct binding_cache *cache, struct batch_counts *counts);

/* One source transaction, change by change. The error names topic, partition, offset, transaction and table. */
struct error *batch_apply_strictly(struct row_sender *sender, struct pg_connection *connection,
                                   struct binding_cache *cache, const struct partition_list *partitions,
                                   const struct transaction *transaction, struct batch_counts *counts);

/*
 * A piece of one likewise; `ddl` and `parking` are those of all its pieces. None is planned while rows are parked. What
 * schema changes put off to the transaction's end is left to ddl_finish, after the last piece.
 */
struct ddl;
struct error *batch_apply_piece(struct row_sender *sender, struct pg_connection *connection,
                                struct binding_cache *cache, const struct partition_list *partitions,
                                const struct transaction *piece, struct ddl *ddl, struct parking *parking,
                                struct batch_counts *counts);

#endif
