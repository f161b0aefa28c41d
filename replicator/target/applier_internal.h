/*
 * applier_internal.h - what the files of the applier share. Nobody else includes it.
 *
 *   applier.c          life, the loop, which way a transaction goes
 *   applier_commit.c   the end of a target transaction: checkpoint, COMMIT, counters
 *   applier_recover.c  the target was away: reconnect, and find out what it has
 *   applier_idle.c     between two batches: a sign of life, the operator's pause
 *
 * Thread: all of it is the applier's thread (applier_new: main's, before there is one).
 */
#ifndef REPLICATOR_TARGET_APPLIER_INTERNAL_H
#define REPLICATOR_TARGET_APPLIER_INTERNAL_H

#include "pg/retry.h"
#include "target/applier.h"
#include "target/batch.h"
#include "target/checkpoint.h"
#include "target/missing.h"
#include "target/quarantine.h"
#include "target/refusals.h"
#include "target/snapshot.h"

#include <stdatomic.h>

struct applier {
	const struct config *config;
	struct partition_list *partitions;
	struct transaction_queue *queue;
	struct pg_connection *connection;
	struct binding_cache *bindings;
	struct plan *plan;
	struct row_sender *sender;
	struct quarantine *quarantine;
	struct snapshot *snapshot;
	struct missing *missing;
	struct refusals *refusals;
	int64_t epoch;
	int64_t accepted_id; /* of the operator's word at the start; 0: none */
	char *cluster_id;
	uint64_t until_lsn;
	struct position *positions; /* of the update at hand */
	size_t position_capacity;
	uint64_t sent_batch;      /* number of the last checkpoint that was sent */
	uint64_t confirmed_batch; /* of the last commit that was answered; 0: none */
	size_t unanswered; /* transactions in the batch whose COMMIT was sent and not answered, from the pending head */
	int64_t last_sign_us;     /* of life, in the stream's row */
	int64_t last_look_us;     /* at the operator's word */
	int64_t last_left_out_us; /* at the steps that were left out; 0: all of them are due */
	struct retry retry;
	struct {
		atomic_uint_fast64_t transactions, rows, batches, strict_batches, retries, rows_missing, ignored,
		    quarantined, last_commit_lsn;
		atomic_int_fast64_t last_source_us, pending_source_us;
		atomic_bool troubled, paused;
	} state;
};

/* Sets the session up; the bindings are made anew. */
struct error *applier_set_session(struct applier *applier);

/* applier_commit.c */
struct error *applier_begin(struct applier *applier);
struct error *applier_roll_back(struct applier *applier);
/*
 * The checkpoint of `count` transactions from `first` on, and COMMIT. ERROR_FENCED: another instance took the stream.
 */
struct error *applier_commit(struct applier *applier, const struct transaction *first, size_t count);
void applier_count(struct applier *applier, const struct transaction *first, size_t count,
                   const struct batch_counts *counts);

/* applier_recover.c */
/* Frees `count` transactions from `first` on; the next one. */
struct transaction *applier_drop(struct transaction *first, size_t count);
/*
 * Waits, reconnects, as often as it takes, and drops from *pending what turns out to be applied. ERROR_INTERRUPTED,
 * ERROR_FENCED; ERROR_TRANSIENT: the target lost what it had confirmed (applier_run).
 */
struct error *applier_recover(struct applier *applier, struct transaction **pending);

/* applier_idle.c */
/*
 * Gives a sign of life when it is time; waits while the stream is paused. Paused afterwards: asked to leave meanwhile.
 */
struct error *applier_between_batches(struct applier *applier);
/* Writes that we run, or pause, into the stream's row. */
struct error *applier_say_state(struct applier *applier);

#endif
