/*
 * applier.c - the applier's thread: take what waits, apply it, commit it together with the checkpoint, or find out why
 * not.
 *
 * NOTES
 *   A batch goes out in this order: BEGIN, the plan's statements, COPY where inserts are many, the checkpoint, COMMIT.
 *   The checkpoint's answer is looked at before COMMIT: no row means that another instance took the stream over.
 *
 *   An error decides by its class. ERROR_CONSTRAINT and ERROR_TARGET of a set-wise batch: rolled back, the catalog read
 *   anew, replayed strictly, transaction by transaction, each with a checkpoint of its own, so that everything before
 *   the one that fails is in. ERROR_TRANSIENT: reconnect, read the checkpoint row, which says whether the COMMIT whose
 *   answer was lost took place. A row that stands before what was confirmed to us (a crash with synchronous_commit off,
 *   a promoted standby) ends the applier with ERROR_TRANSIENT: the whole stream is read again from that row.
 */
#include "target/applier_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "base/signals.h"
#include "target/ddl.h"
#include "target/session.h"

#include <inttypes.h>
#include <stdlib.h>

#define WAIT_MS 200
#define FIRST_RETRY_MS 100
#define LONGEST_RETRY_MS 15000
#define REBIND_MOST 2
#define PROGRESS_US INT64_C(10000000) /* of a large transaction */

struct error *applier_set_session(struct applier *applier)
{
	snapshot_forget(applier->snapshot);
	return session_set_up(applier->connection, applier->config, applier->bindings);
}

static struct error *start(struct applier *applier, struct checkpoint *checkpoint)
{
	TRY(pg_connect(applier->config->target.dsn, "replicator", &applier->connection));
	TRY(checkpoint_check_schema(applier->connection, applier->config->target.schema));
	TRY(checkpoint_claim(applier->connection, applier->config, checkpoint, &applier->epoch));
	TRY(applier_set_session(applier));
	TRY(quarantine_mask_again(applier->connection, applier->config));
	TRY(quarantine_load(applier->quarantine, applier->connection));
	return applier_say_state(applier);
}

struct error *applier_new(const struct config *config, struct partition_list *partitions,
                          struct transaction_queue *queue, struct applier **created, struct checkpoint *checkpoint)
{
	struct applier *applier = memory_alloc(sizeof(*applier));
	struct error *error;

	applier->config = config;
	applier->partitions = partitions;
	applier->queue = queue;
	applier->bindings = binding_cache_new(config);
	applier->snapshot = snapshot_new(config);
	applier->missing = missing_new(config);
	applier->refusals = refusals_new(config);
	applier->plan = plan_new();
	applier->sender = row_sender_new();
	applier->quarantine = quarantine_new(config);
	retry_init(&applier->retry, FIRST_RETRY_MS, LONGEST_RETRY_MS);
	error = start(applier, checkpoint);
	if (error != NULL) {
		applier_free(applier);
		return error;
	}
	applier->accepted_id = checkpoint->accepted_id;
	atomic_store(&applier->state.last_commit_lsn, checkpoint->accept_new_slot ? 0 : checkpoint->last_commit_lsn);
	applier->last_sign_us = clock_monotonic_us();
	*created = applier;
	return NULL;
}

void applier_free(struct applier *applier)
{
	if (applier == NULL)
		return;
	quarantine_free(applier->quarantine);
	row_sender_free(applier->sender);
	plan_free(applier->plan);
	missing_free(applier->missing);
	refusals_free(applier->refusals);
	snapshot_free(applier->snapshot);
	binding_cache_free(applier->bindings);
	pg_disconnect(applier->connection);
	free(applier->positions);
	free(applier->cluster_id);
	free(applier);
}

void applier_set_cluster_id(struct applier *applier, const char *cluster_id)
{
	free(applier->cluster_id);
	applier->cluster_id = memory_copy_text(cluster_id);
}

void applier_set_until_lsn(struct applier *applier, uint64_t lsn)
{
	applier->until_lsn = lsn;
}

struct applier_state applier_state(const struct applier *applier)
{
	return (struct applier_state){
	    .transactions = atomic_load(&applier->state.transactions),
	    .rows = atomic_load(&applier->state.rows),
	    .batches = atomic_load(&applier->state.batches),
	    .strict_batches = atomic_load(&applier->state.strict_batches),
	    .retries = atomic_load(&applier->state.retries),
	    .rows_missing = atomic_load(&applier->state.rows_missing),
	    .ignored = atomic_load(&applier->state.ignored),
	    .quarantined = atomic_load(&applier->state.quarantined),
	    .last_commit_lsn = atomic_load(&applier->state.last_commit_lsn),
	    .last_source_us = atomic_load(&applier->state.last_source_us),
	    .pending_source_us = atomic_load(&applier->state.pending_source_us),
	    .troubled = atomic_load(&applier->state.troubled),
	    .paused = atomic_load(&applier->state.paused),
	};
}

static bool has_snapshot(const struct transaction *transaction)
{
	return transaction->snapshot.lsn != 0 || transaction->snapshot.tx_id != 0;
}

/* The checkpoint counts the rows of each snapshot: a batch holds rows of one, and ends where that snapshot ends. */
static size_t same_snapshot_run(const struct transaction *first, size_t count)
{
	size_t run = 0;

	for (; run < count; first = first->next) {
		run++;
		if (first->snapshot_ends)
			break;
		if (first->next != NULL && has_snapshot(first) && has_snapshot(first->next) &&
		    (first->next->snapshot.lsn != first->snapshot.lsn ||
		     first->next->snapshot.tx_id != first->snapshot.tx_id))
			break;
	}
	return run;
}

/* One piece of a large transaction, inside the target transaction at hand. */
static struct error *apply_piece(struct applier *applier, const struct transaction *piece, bool strictly,
                                 struct ddl *ddl, struct parking *parking, struct batch_counts *counts)
{
	size_t covered = 0;

	if (!strictly && parking_is_empty(parking))
		TRY(plan_build(applier->plan, applier->bindings, applier->connection, piece, &covered));
	if (covered == 1)
		return batch_apply_plan(applier->sender, applier->connection, applier->plan, applier->bindings, counts);
	return batch_apply_piece(applier->sender, applier->connection, applier->bindings, applier->partitions, piece,
	                         ddl, parking, counts);
}

static void say_progress(const struct transaction *large, size_t rows, int64_t *said_us)
{
	int64_t now = clock_monotonic_us();

	if (now - *said_us < PROGRESS_US)
		return;
	*said_us = now;
	log_info("transaction %llu: %zu of %zu rows are written, not yet visible", (unsigned long long)large->tx_id,
	         rows, large->change_count);
}

static struct error *apply_pieces(struct applier *applier, const struct transaction *large, bool strictly,
                                  struct ddl *ddl, struct parking *parking, struct batch_counts *counts)
{
	int64_t said_us = clock_monotonic_us();
	uint64_t next = 0;

	for (size_t rows = 0;;) {
		struct transaction *piece = transaction_new(TRANSACTION_STREAMED);
		struct error *error = spill_read(large->spill, &next, (size_t)applier->config->target.batch_rows,
		                                 (size_t)applier->config->target.batch_bytes, piece);
		size_t count = piece->change_count;

		piece->tx_id = large->tx_id;
		piece->commit_lsn = large->commit_lsn;
		if (error == NULL && count > 0)
			error = apply_piece(applier, piece, strictly, ddl, parking, counts);
		if (error == NULL)
			error = snapshot_note(applier->snapshot, applier->connection, piece);
		transaction_free(piece);
		TRY(error);
		if (count == 0)
			return ddl_finish(ddl, applier->connection);
		rows += count;
		say_progress(large, rows, &said_us);
	}
}

/* How a transaction is applied: AS_PLANNED set-wise, else change by change; TOLERANTLY under the rules of refusals.h. */
enum manner { AS_PLANNED, STRICTLY, TOLERANTLY };

static struct batch_counts new_counts(struct applier *applier, enum manner manner)
{
	return (struct batch_counts){.missing = applier->missing,
	                             .refusals = manner == TOLERANTLY ? applier->refusals : NULL};
}

/* A transaction that lies in a file: piece by piece, committed as one. */
static struct error *apply_large(struct applier *applier, const struct transaction *large, enum manner manner)
{
	struct batch_counts counts = new_counts(applier, manner);
	struct parking *parking;
	struct error *error;
	struct ddl *ddl;

	TRY(applier_begin(applier));
	ddl = ddl_new(applier->bindings);
	parking = parking_new();
	error = apply_pieces(applier, large, manner != AS_PLANNED, ddl, parking, &counts);
	parking_free(parking);
	ddl_free(ddl);
	TRY(error);
	TRY(applier_commit(applier, large, 1));
	applier_count(applier, large, 1, &counts);
	return NULL;
}

/* Before the rows are written: what snapshot rows among them mean for their tables. */
static struct error *prepare(struct applier *applier, const struct transaction *first, size_t count,
                             struct batch_counts *counts, bool *changed)
{
	return snapshot_prepare(applier->snapshot, applier->connection, applier->bindings, first, count,
	                        &counts->discarded, changed);
}

static struct error *apply_strictly(struct applier *applier, const struct transaction *transaction, enum manner manner)
{
	struct batch_counts counts = new_counts(applier, manner);
	bool changed;

	atomic_fetch_add(&applier->state.strict_batches, 1);
	if (transaction->spill != NULL)
		return apply_large(applier, transaction, manner);
	TRY(applier_begin(applier));
	TRY(prepare(applier, transaction, 1, &counts, &changed));
	TRY(batch_apply_strictly(applier->sender, applier->connection, applier->bindings, applier->partitions,
	                         transaction, &counts));
	TRY(applier_commit(applier, transaction, 1));
	applier_count(applier, transaction, 1, &counts);
	return NULL;
}

/* Cuts the list behind `count` transactions; the rest. */
static struct transaction *cut_behind(struct transaction *first, size_t count)
{
	struct transaction *rest;

	for (; count > 1 && first->next != NULL; count--)
		first = first->next;
	rest = first->next;
	first->next = NULL;
	return rest;
}

static struct transaction *join(struct transaction *first, struct transaction *rest)
{
	struct transaction *last = first;

	if (first == NULL)
		return rest;
	while (last->next != NULL)
		last = last->next;
	last->next = rest;
	return first;
}

/* Plans the first `run` transactions alone. */
static struct error *plan_run(struct applier *applier, struct transaction *first, size_t run, size_t *covered)
{
	struct transaction *rest = cut_behind(first, run);
	struct error *error = plan_build(applier->plan, applier->bindings, applier->connection, first, covered);

	join(first, rest);
	return error;
}

/* As many as can go set-wise; *applied 0: the first must go strictly. */
static struct error *apply_planned(struct applier *applier, struct transaction *first, size_t *applied)
{
	struct batch_counts counts = {.missing = applier->missing};
	size_t covered;
	bool changed;
	size_t run;

	*applied = 0;
	if (first->spill != NULL) {
		TRY(apply_large(applier, first, AS_PLANNED));
		*applied = 1;
		return NULL;
	}
	TRY(plan_build(applier->plan, applier->bindings, applier->connection, first, &covered));
	run = same_snapshot_run(first, covered);
	if (run < covered)
		TRY(plan_run(applier, first, run, &covered));
	if (covered == 0)
		return NULL;
	TRY(applier_begin(applier));
	TRY(prepare(applier, first, covered, &counts, &changed));
	if (changed)
		TRY(plan_run(applier, first, covered, &covered));
	if (covered == 0)
		return applier_roll_back(applier);
	TRY(batch_apply_plan(applier->sender, applier->connection, applier->plan, applier->bindings, &counts));
	TRY(applier_commit(applier, first, covered));
	applier_count(applier, first, covered, &counts);
	*applied = covered;
	return NULL;
}

/*
 * The transaction goes to the quarantine instead of its tables, and the checkpoint past it. `reason` NULL: it follows.
 */
static struct error *set_aside(struct applier *applier, const struct transaction *transaction,
                               const struct error *reason)
{
	struct batch_counts counts = {0};
	bool changed;

	TRY(prepare(applier, transaction, 1, &counts, &changed));
	TRY(quarantine_put(applier->quarantine, applier->connection, applier->bindings, applier->partitions,
	                   transaction, reason));
	TRY(applier_commit(applier, transaction, 1));
	applier_count(applier, transaction, 1, &counts);
	atomic_fetch_add(&applier->state.quarantined, 1);
	log_error("transaction %llu was set aside (`replicator quarantine list`): %s",
	          (unsigned long long)transaction->tx_id,
	          reason != NULL ? reason->message : "it changes rows of transactions that wait there");
	return NULL;
}

/*
 * The head touches rows of what waits, as far as we know. *followed: it was set aside; false: nothing waits there now.
 */
static struct error *follow(struct applier *applier, const struct transaction *head, bool *followed)
{
	size_t clear;

	TRY(applier_begin(applier));
	TRY(quarantine_lock(applier->quarantine, applier->connection));
	TRY(quarantine_clear_run(applier->quarantine, applier->connection, head, &clear));
	*followed = clear == 0;
	return *followed ? set_aside(applier, head, NULL) : applier_roll_back(applier);
}

/* Whether this error of one transaction alone sends it to the quarantine. */
static bool is_poison(const struct applier *applier, const struct transaction *transaction, const struct error *error)
{
	return applier->config->stream.on_error == ON_ERROR_QUARANTINE && transaction->change_count > 0 &&
	       !pg_is_broken(applier->connection) &&
	       (error->class == ERROR_CONSTRAINT || error->class == ERROR_TARGET || error->class == ERROR_EVENT);
}

/*
 * After a failure of apply_strictly: rolls back, and takes new bindings where somebody changed a table or type that the
 * transaction used. *changed: it may succeed now.
 */
static struct error *rebind_changed(struct applier *applier, bool *changed)
{
	TRY(applier_roll_back(applier));
	TRY(binding_cache_check(applier->bindings, applier->connection, changed));
	if (*changed)
		return applier_set_session(applier);
	binding_cache_begin(applier->bindings);
	return NULL;
}

/* The bindings of a transaction with DDL look changed once it is rolled back: the number of attempts is bounded. */
static struct error *apply_with_new_bindings(struct applier *applier, const struct transaction *head,
                                             enum manner manner)
{
	struct error *error = apply_strictly(applier, head, manner);

	for (int attempt = 1; attempt <= REBIND_MOST; attempt++) {
		struct error *failure;
		bool changed = false;

		if (error == NULL || pg_is_broken(applier->connection) ||
		    (error->class != ERROR_CONSTRAINT && error->class != ERROR_TARGET && error->class != ERROR_EVENT))
			return error;
		failure = rebind_changed(applier, &changed);
		if (failure != NULL || !changed) {
			error_free(failure != NULL ? error : NULL);
			return failure != NULL ? failure : error;
		}
		log_info("a transaction is applied again with the target's definitions of now: %s", error->message);
		error_free(error);
		error = apply_strictly(applier, head, manner);
	}
	return error;
}

/* What rows of unverified tables refuse is discarded; on other tables the error stays. */
static struct error *apply_tolerantly(struct applier *applier, const struct transaction *head, struct error *reason)
{
	log_debug("a transaction is applied again, without what unverified tables refuse: %s", reason->message);
	error_free(reason);
	TRY(applier_roll_back(applier));
	return apply_with_new_bindings(applier, head, TOLERANTLY);
}

static struct error *apply_head(struct applier *applier, const struct transaction *head)
{
	struct error *error = apply_with_new_bindings(applier, head, STRICTLY);
	struct error *failure;

	if (refusals_explain(error) && !pg_is_broken(applier->connection))
		error = apply_tolerantly(applier, head, error);

	if (error == NULL || !is_poison(applier, head, error))
		return error;
	failure = applier_roll_back(applier);
	if (failure == NULL)
		failure = applier_begin(applier);
	if (failure == NULL)
		failure = set_aside(applier, head, error);
	error_free(error);
	return failure;
}

/* A set-wise batch failed: what its transactions do is found out one by one. */
static struct error *turn_strict(struct applier *applier, struct error *reason)
{
	log_info("a batch is replayed change by change: %s", reason->message);
	error_free(reason);
	if (pg_is_broken(applier->connection))
		return error_new(ERROR_TRANSIENT, "the connection was lost");
	TRY(applier_roll_back(applier));
	return applier_set_session(applier);
}

/* One step: some transactions from the head of *pending are applied, or the error says why none is. */
static struct error *step(struct applier *applier, struct transaction **pending, size_t *strict)
{
	struct error *error;
	size_t applied = 0;

	if (*strict == 0) {
		error = apply_planned(applier, *pending, &applied);
		if (error == NULL && applied > 0) {
			*pending = applier_drop(*pending, applied);
			return NULL;
		}
		if (error != NULL && error->class != ERROR_CONSTRAINT && error->class != ERROR_TARGET &&
		    error->class != ERROR_EVENT)
			return error;
		*strict = 1;
		if (error != NULL) {
			TRY(turn_strict(applier, error));
			for (const struct transaction *t = (*pending)->next; t != NULL; t = t->next)
				(*strict)++;
		}
	}
	error = apply_head(applier, *pending);
	if (error == NULL) {
		*pending = applier_drop(*pending, 1);
		(*strict)--;
	}
	return error;
}

/* As step, but not beyond a transaction that touches rows of the quarantine. */
static struct error *step_past_quarantine(struct applier *applier, struct transaction **pending, size_t *strict)
{
	struct transaction *rest;
	struct error *error;
	bool followed = false;
	size_t clear;

	TRY(quarantine_clear_run(applier->quarantine, applier->connection, *pending, &clear));
	if (clear == 0) {
		TRY(follow(applier, *pending, &followed));
		if (followed) {
			*pending = applier_drop(*pending, 1);
			*strict -= *strict > 0 ? 1 : 0;
		}
		return NULL;
	}
	if (clear == SIZE_MAX)
		return step(applier, pending, strict);
	rest = cut_behind(*pending, clear);
	error = step(applier, pending, strict);
	*pending = join(*pending, rest);
	return error;
}

static struct error *apply_pending(struct applier *applier, struct transaction **pending)
{
	size_t strict = 0;

	while (*pending != NULL) {
		struct error *error = step_past_quarantine(applier, pending, &strict);

		atomic_store(&applier->state.troubled, error != NULL);
		if (error == NULL) {
			retry_reset(&applier->retry);
			continue;
		}
		if (error->class != ERROR_TRANSIENT && !pg_is_broken(applier->connection))
			return error;
		log_warning("%s", error->message);
		metric_add_retry(error->sqlstate);
		error_free(error);
		strict = 0;
		TRY(applier_recover(applier, pending));
	}
	return NULL;
}

/* When the source committed the first that tells it; 0: none does. */
static int64_t oldest_source_us(const struct transaction *first)
{
	while (first != NULL && first->source_us == 0)
		first = first->next;
	return first == NULL ? 0 : first->source_us;
}

static bool reached_until(const struct applier *applier)
{
	return applier->until_lsn != 0 && atomic_load(&applier->state.last_commit_lsn) >= applier->until_lsn;
}

/* Takes what lies beyond the until-LSN out of the list. True: there was some, so everything up to it is in *pending. */
static bool cut_beyond_until(const struct applier *applier, struct transaction **pending)
{
	struct transaction **at = pending;

	if (applier->until_lsn == 0)
		return false;
	while (*at != NULL && (*at)->commit_lsn <= applier->until_lsn)
		at = &(*at)->next;
	if (*at == NULL)
		return false;
	while (*at != NULL)
		*at = applier_drop(*at, 1);
	return true;
}

static struct error *run(struct applier *applier, struct transaction **pending)
{
	bool last = false;

	while (!last && !signals_stop_requested() && !reached_until(applier)) {
		TRY(applier_between_batches(applier));
		if (atomic_load(&applier->state.paused))
			return NULL; /* asked to leave meanwhile */
		*pending = transaction_queue_take(applier->queue, (size_t)applier->config->target.batch_rows,
		                                  (size_t)applier->config->target.batch_bytes, WAIT_MS);
		if (*pending == NULL && transaction_queue_closed(applier->queue))
			return NULL;
		last = cut_beyond_until(applier, pending);
		if (*pending != NULL)
			atomic_store(&applier->state.pending_source_us, oldest_source_us(*pending));
		TRY(apply_pending(applier, pending));
		atomic_store(&applier->state.pending_source_us, 0);
	}
	return NULL;
}

struct error *applier_run(struct applier *applier)
{
	struct transaction *pending = NULL;
	struct error *error = run(applier, &pending);

	while (pending != NULL)
		pending = applier_drop(pending, 1);
	if (error != NULL && error->class == ERROR_INTERRUPTED) {
		error_free(error);
		error = NULL;
	}
	return error;
}

void applier_write_end(struct applier *applier, const struct error *outcome)
{
	bool failed = outcome != NULL && outcome->class != ERROR_INTERRUPTED;
	struct error *error;

	if (applier->connection == NULL || pg_is_broken(applier->connection) ||
	    (failed && (outcome->class == ERROR_FENCED || outcome->class == ERROR_TRANSIENT)))
		return;
	error = applier_roll_back(applier);
	if (error == NULL)
		error = checkpoint_write_state(applier->connection, applier->config, applier->epoch,
		                               failed ? "failed" : "stopped", failed ? outcome->message : NULL);
	if (error != NULL)
		log_warning("the stream's state could not be written: %s", error->message);
	error_free(error);
}
