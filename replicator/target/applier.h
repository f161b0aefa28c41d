/*
 * applier.h - takes whole transactions from the queue and makes them visible in the target, with their positions, in
 * one target transaction (laws 1 and 2).
 *
 * NOTES
 *   What waits in the queue goes out together, up to the bounds of a batch; a single waiting transaction goes at once.
 *   A batch is planned as a net effect and applied set-wise; when that does not do what was planned it is rolled back
 *   and replayed change by change in source order (law 9).
 *
 *   A transaction that fails by itself then stops the stream, or is set aside (quarantine.h), as configured.
 *
 *   Transient errors are retried for ever with backoff. After a lost connection the checkpoint row says whether the
 *   last COMMIT took place.
 *
 * Thread: one thread, that of applier_run, after applier_new.
 */
#ifndef REPLICATOR_TARGET_APPLIER_H
#define REPLICATOR_TARGET_APPLIER_H

#include "config/config.h"
#include "stream/checkpoint.h"
#include "stream/partition.h"
#include "stream/transaction_queue.h"

struct applier; /* owns the connection to the target */

/*
 * Connects, checks the state schema, claims the stream (waits while another instance is active) and reads the
 * checkpoint into *start (checkpoint_free it).
 */
struct error *applier_new(const struct config *config, struct partition_list *partitions,
                          struct transaction_queue *queue, struct applier **applier, struct checkpoint *start);
void applier_free(struct applier *applier); /* NULL is allowed */

void applier_set_cluster_id(struct applier *applier, const char *cluster_id); /* copied; before applier_run */
void applier_set_until_lsn(struct applier *applier, uint64_t lsn); /* stop behind its last transaction; likewise */

/*
 * Until the queue is closed and empty, a stop request, the until-LSN, or an error. ERROR_TRANSIENT: the target came
 * back without transactions that it had confirmed; applier, queue and source must be made anew to read them again.
 */
struct error *applier_run(struct applier *applier);

/* Gives a sign of life when it is time: for whoever waits for something else between applier_new and applier_run. */
struct error *applier_show_life(struct applier *applier);

/* Writes how the stream ended (NULL: in good order) into its row. After applier_run, by the thread that joined it. */
void applier_write_end(struct applier *applier, const struct error *outcome);

struct applier_state {
	uint64_t transactions; /* applied source transactions */
	uint64_t rows;         /* applied changes */
	uint64_t batches;
	uint64_t strict_batches; /* replayed change by change */
	uint64_t retries;
	uint64_t rows_missing; /* updates and deletes that found no row */
	uint64_t ignored;      /* changes left out by a rule of the user */
	uint64_t quarantined;  /* transactions set aside */
	uint64_t last_commit_lsn;
	int64_t last_source_us;    /* when the source committed the last applied transaction; 0 unknown */
	int64_t pending_source_us; /* likewise the oldest one that is being applied; 0: none is */
	bool troubled;             /* the last attempt failed; it is tried again */
	bool paused;               /* by an operator's word (pause.h) */
};

struct applier_state applier_state(const struct applier *applier); /* any thread */

#endif
