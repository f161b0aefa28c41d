/*
 * applier.c - the applier's thread: take what waits, apply it, commit it together with the checkpoint, or find out why not.
 *
 * NOTES
 *   A batch goes out in this order: BEGIN, the plan's statements, COPY where inserts are many, the checkpoint, COMMIT.
 *   The checkpoint's answer is looked at before COMMIT: no row means that another instance took the stream over.
 *
 *   An error decides by its class. ERROR_CONSTRAINT and ERROR_TARGET of a set-wise batch: rolled back, the catalog read
 *   anew, replayed strictly, transaction by transaction, each with a checkpoint of its own, so that everything before the
 *   one that fails is in. ERROR_TRANSIENT: reconnect, read the checkpoint row, which says whether the COMMIT whose answer
 *   was lost took place. A row that stands before what was confirmed to us (a crash with synchronous_commit off, a promoted
 *   standby) ends the applier with ERROR_TRANSIENT: the whole stream is read again from that row.
 */
#include "target/applier.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "pg/catalog.h"
#include "pg/retry.h"
#include "target/batch.h"
#include "target/checkpoint.h"
#include "target/stream_lock.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WAIT_MS 200
#define FIRST_RETRY_MS 100
#define LONGEST_RETRY_MS 15000
#define PROGRESS_US INT64_C(10000000) /* of a large transaction */

struct applier {
	const struct config *config;
	struct partition_list *partitions;
	struct transaction_queue *queue;
	struct pg_connection *connection;
	struct binding_cache *bindings;
	struct plan *plan;
	struct row_sender *sender;
	int64_t epoch;
	char *cluster_id;
	uint64_t until_lsn;
	struct position *positions; /* of the update at hand */
	size_t position_capacity;
	int64_t *confirmed; /* by partition: next offset + 1 of the last commit that was answered; 0: none */
	uint32_t confirmed_count;
	bool commit_sent;     /* the answer to a COMMIT is not known */
	int64_t last_sign_us; /* of life, in the stream's row */
	struct retry retry;
	struct {
		atomic_uint_fast64_t transactions, rows, batches, strict_batches, retries, deletes_missing, ignored,
		    last_commit_lsn;
	} state;
};

static struct error *set_session(struct applier *applier)
{
	const struct config *config = applier->config;
	char *sql =
	    memory_format("SET synchronous_commit = %s; SET statement_timeout = %" PRId64
	                  "; SET idle_in_transaction_session_timeout = '5min'; SET lc_monetary = 'C';"
	                  " SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;"
	                  " SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off",
	                  config->target.synchronous_commit ? "on" : "off", config->target.statement_timeout_ms);
	struct error *error = pg_execute(applier->connection, sql);
	bool may = false;

	free(sql);
	TRY(error);
	TRY(catalog_may_set_replication_role(applier->connection, &may));
	if (may)
		TRY(pg_execute(applier->connection, "SET session_replication_role = replica"));
	binding_cache_forget(applier->bindings, may);
	return NULL;
}

static struct error *start(struct applier *applier, struct checkpoint *checkpoint)
{
	TRY(pg_connect(applier->config->target.dsn, "replicator", &applier->connection));
	TRY(checkpoint_check_schema(applier->connection, applier->config->target.schema));
	TRY(checkpoint_claim(applier->connection, applier->config, checkpoint, &applier->epoch));
	TRY(set_session(applier));
	return checkpoint_write_state(applier->connection, applier->config, applier->epoch, "running", NULL);
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
	applier->plan = plan_new();
	applier->sender = row_sender_new();
	retry_init(&applier->retry, FIRST_RETRY_MS, LONGEST_RETRY_MS);
	error = start(applier, checkpoint);
	if (error != NULL) {
		applier_free(applier);
		return error;
	}
	atomic_store(&applier->state.last_commit_lsn, checkpoint->last_commit_lsn);
	applier->last_sign_us = clock_monotonic_us();
	*created = applier;
	return NULL;
}

void applier_free(struct applier *applier)
{
	if (applier == NULL)
		return;
	row_sender_free(applier->sender);
	plan_free(applier->plan);
	binding_cache_free(applier->bindings);
	pg_disconnect(applier->connection);
	free(applier->positions);
	free(applier->confirmed);
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
	    .deletes_missing = atomic_load(&applier->state.deletes_missing),
	    .ignored = atomic_load(&applier->state.ignored),
	    .last_commit_lsn = atomic_load(&applier->state.last_commit_lsn),
	};
}

/* What `count` transactions from `first` on move. */
static void collect_update(struct applier *applier, const struct transaction *first, size_t count,
                           struct checkpoint_update *update)
{
	*update = (struct checkpoint_update){.epoch = applier->epoch, .cluster_id = applier->cluster_id};
	for (size_t i = 0; i < count; i++, first = first->next) {
		if (first->kind == TRANSACTION_STREAMED && first->commit_lsn != 0) {
			update->last_commit_lsn = first->commit_lsn;
			update->last_tx_id = first->tx_id;
			update->source_us = first->source_us;
		}
		if (first->generation.lsn != 0) {
			update->generation = first->generation;
			update->generation_open = !first->generation_ends;
			update->snapshot_rows += first->change_count;
		}
		for (size_t j = 0; j < first->position_count; j++) {
			if (update->position_count == applier->position_capacity) {
				applier->position_capacity =
				    applier->position_capacity == 0 ? 64 : applier->position_capacity * 2;
				applier->positions = memory_grow(applier->positions, applier->position_capacity,
				                                 sizeof(*applier->positions));
			}
			applier->positions[update->position_count++] = first->positions[j];
		}
	}
	update->positions = applier->positions;
}

static void note_fence(void *context, size_t number, uint64_t rows)
{
	(void)number;
	*(uint64_t *)context = rows;
}

/* The answer to COMMIT came. */
static void note_confirmed(struct applier *applier, const struct checkpoint_update *update)
{
	applier->commit_sent = false;
	applier->last_sign_us = clock_monotonic_us();
	for (size_t i = 0; i < update->position_count; i++) {
		uint32_t partition = update->positions[i].partition;

		if (partition >= applier->confirmed_count) {
			uint32_t count = partition + 64;

			applier->confirmed = memory_grow(applier->confirmed, count, sizeof(*applier->confirmed));
			memset(applier->confirmed + applier->confirmed_count, 0,
			       (count - applier->confirmed_count) * sizeof(*applier->confirmed));
			applier->confirmed_count = count;
		}
		applier->confirmed[partition] = update->positions[i].next_offset + 1;
	}
}

static struct error *commit(struct applier *applier, const struct transaction *first, size_t count)
{
	struct checkpoint_update update;
	uint64_t fence = 0;
	struct error *error;
	struct error *finished;

	collect_update(applier, first, count, &update);
	TRY(pg_pipeline_begin(applier->connection));
	error = checkpoint_send(applier->connection, applier->config, applier->partitions, &update);
	finished = pg_pipeline_finish(applier->connection, note_fence, &fence, NULL);
	if (error != NULL)
		error_free(finished);
	else
		error = finished;
	TRY(error);
	if (fence != 1)
		return error_new(ERROR_FENCED, "another instance took the stream %s over; this one leaves",
		                 applier->config->stream.name);
	applier->commit_sent = true;
	TRY(pg_execute(applier->connection, "COMMIT"));
	note_confirmed(applier, &update);
	return NULL;
}

/* Snapshot generations are told apart in the checkpoint: a batch holds rows of one, and ends with its last row. */
static size_t same_generation_run(const struct transaction *first, size_t count)
{
	size_t run = 0;

	for (; run < count; first = first->next) {
		run++;
		if (first->generation_ends)
			break;
		if (first->next != NULL && first->generation.lsn != 0 && first->next->generation.lsn != 0 &&
		    first->next->generation.lsn != first->generation.lsn)
			break;
	}
	return run;
}

static void count_applied(struct applier *applier, const struct transaction *first, size_t count,
                          const struct batch_counts *counts)
{
	atomic_fetch_add(&applier->state.batches, 1);
	atomic_fetch_add(&applier->state.deletes_missing, counts->deletes_missing);
	atomic_fetch_add(&applier->state.ignored, counts->ignored);
	for (size_t i = 0; i < count; i++, first = first->next) {
		atomic_fetch_add(&applier->state.rows, first->change_count);
		if (first->kind != TRANSACTION_STREAMED)
			continue;
		atomic_fetch_add(&applier->state.transactions, 1);
		if (first->commit_lsn != 0)
			atomic_store(&applier->state.last_commit_lsn, first->commit_lsn);
	}
}

static struct error *begin(struct applier *applier)
{
	return pg_execute(applier->connection, "BEGIN; SET CONSTRAINTS ALL DEFERRED");
}

/* One piece of a large transaction, inside the target transaction at hand. */
static struct error *apply_piece(struct applier *applier, const struct transaction *piece, bool strictly,
                                 struct batch_counts *counts)
{
	size_t covered = 0;

	if (!strictly)
		TRY(plan_build(applier->plan, applier->bindings, applier->connection, piece, &covered));
	if (covered == 1)
		return batch_apply_plan(applier->sender, applier->connection, applier->plan, applier->bindings, counts);
	return batch_apply_strictly(applier->sender, applier->connection, applier->bindings, applier->partitions, piece,
	                            counts);
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
                                  struct batch_counts *counts)
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
			error = apply_piece(applier, piece, strictly, counts);
		transaction_free(piece);
		TRY(error);
		if (count == 0)
			return NULL;
		rows += count;
		say_progress(large, rows, &said_us);
	}
}

/* A transaction that lies in a file: piece by piece, committed as one. */
static struct error *apply_large(struct applier *applier, const struct transaction *large, bool strictly)
{
	struct batch_counts counts = {0};

	TRY(begin(applier));
	TRY(apply_pieces(applier, large, strictly, &counts));
	TRY(commit(applier, large, 1));
	count_applied(applier, large, 1, &counts);
	return NULL;
}

static struct error *apply_strictly(struct applier *applier, const struct transaction *transaction)
{
	struct batch_counts counts = {0};

	atomic_fetch_add(&applier->state.strict_batches, 1);
	if (transaction->spill != NULL)
		return apply_large(applier, transaction, true);
	TRY(begin(applier));
	TRY(batch_apply_strictly(applier->sender, applier->connection, applier->bindings, applier->partitions,
	                         transaction, &counts));
	TRY(commit(applier, transaction, 1));
	count_applied(applier, transaction, 1, &counts);
	return NULL;
}

/* As many as can go set-wise; *applied 0: the first must go strictly. */
static struct error *apply_planned(struct applier *applier, const struct transaction *first, size_t *applied)
{
	struct batch_counts counts = {0};
	size_t covered;
	size_t run;

	*applied = 0;
	if (first->spill != NULL) {
		TRY(apply_large(applier, first, false));
		*applied = 1;
		return NULL;
	}
	TRY(plan_build(applier->plan, applier->bindings, applier->connection, first, &covered));
	run = same_generation_run(first, covered);
	if (run < covered) {
		struct transaction *last = (struct transaction *)first;
		struct transaction *rest;
		struct error *error;

		for (size_t i = 1; i < run; i++)
			last = last->next;
		rest = last->next;
		last->next = NULL; /* plan just these */
		error = plan_build(applier->plan, applier->bindings, applier->connection, first, &covered);
		last->next = rest;
		TRY(error);
	}
	if (covered == 0)
		return NULL;
	TRY(begin(applier));
	TRY(batch_apply_plan(applier->sender, applier->connection, applier->plan, applier->bindings, &counts));
	TRY(commit(applier, first, covered));
	count_applied(applier, first, covered, &counts);
	*applied = covered;
	return NULL;
}

static struct transaction *drop_applied(struct transaction *first, size_t count)
{
	for (; count > 0; count--) {
		struct transaction *next = first->next;

		transaction_free(first);
		first = next;
	}
	return first;
}

static bool covers(const struct applier *applier, const struct checkpoint *checkpoint, uint32_t partition,
                   int64_t next_offset)
{
	const struct partition_name *name = partition_list_get(applier->partitions, partition);

	for (size_t i = 0; i < checkpoint->offset_count; i++)
		if (strcmp(checkpoint->offsets[i].topic, name->topic) == 0 &&
		    checkpoint->offsets[i].partition == name->id)
			return checkpoint->offsets[i].next_offset >= next_offset;
	return false;
}

/* Whether the checkpoint covers the transaction: its COMMIT took place though its answer was lost. */
static bool is_applied(const struct applier *applier, const struct checkpoint *checkpoint,
                       const struct transaction *transaction)
{
	for (size_t i = 0; i < transaction->position_count; i++)
		if (!covers(applier, checkpoint, transaction->positions[i].partition,
		            transaction->positions[i].next_offset))
			return false;
	return transaction->position_count > 0;
}

/* What it had confirmed the server may have lost. We hold nothing of that any more: it must be read again. */
static struct error *check_confirmed(const struct applier *applier, const struct checkpoint *checkpoint)
{
	for (uint32_t i = 0; i < applier->confirmed_count; i++)
		if (applier->confirmed[i] != 0 && !covers(applier, checkpoint, i, applier->confirmed[i] - 1))
			return error_new(
			    ERROR_TRANSIENT,
			    "the target came back without transactions that it had confirmed (a crash with "
			    "synchronous_commit = false, or a standby that was behind): they are read again from "
			    "Kafka");
	return NULL;
}

static struct error *reconnect(struct applier *applier, struct checkpoint *checkpoint)
{
	pg_disconnect(applier->connection);
	applier->connection = NULL;
	TRY(pg_connect(applier->config->target.dsn, "replicator", &applier->connection));
	TRY(checkpoint_reclaim(applier->connection, applier->config, applier->epoch, checkpoint));
	return set_session(applier);
}

/* Waits, reconnects and drops what turns out to be applied; gives what is left. */
static struct error *recover(struct applier *applier, struct transaction **pending)
{
	struct checkpoint checkpoint = {0};
	struct error *error;

	for (;;) {
		int wait_ms = retry_next_ms(&applier->retry);

		atomic_fetch_add(&applier->state.retries, 1);
		log_warning("attempt %u to reach the target again in %.1f s", applier->retry.attempts,
		            wait_ms / 1000.0);
		for (int waited = 0; waited < wait_ms && !signals_stop_requested(); waited += 100)
			clock_sleep_ms(wait_ms - waited < 100 ? wait_ms - waited : 100);
		if (signals_stop_requested())
			return error_new(ERROR_INTERRUPTED, "asked to stop while the target was away");
		error = reconnect(applier, &checkpoint);
		if (error == NULL)
			break;
		if (error->class != ERROR_TRANSIENT && error->class != ERROR_AUTHENTICATION)
			return error;
		log_warning("%s", error->message);
		error_free(error);
		checkpoint_free(&checkpoint);
		checkpoint = (struct checkpoint){0};
	}
	error = check_confirmed(applier, &checkpoint);
	if (error != NULL) {
		checkpoint_free(&checkpoint);
		return error;
	}
	while (applier->commit_sent && *pending != NULL && is_applied(applier, &checkpoint, *pending)) {
		struct batch_counts counts = {0};

		count_applied(applier, *pending, 1, &counts);
		*pending = drop_applied(*pending, 1);
	}
	applier->commit_sent = false;
	checkpoint_free(&checkpoint);
	log_info("the target is back");
	return NULL;
}

static struct error *roll_back(struct applier *applier)
{
	applier->commit_sent = false;
	return pg_execute(applier->connection, "ROLLBACK");
}

/* One step: some transactions from the head of *pending are applied, or the error says why none is. */
static struct error *step(struct applier *applier, struct transaction **pending, size_t *strict)
{
	struct error *error;
	size_t applied = 0;

	if (*strict == 0) {
		error = apply_planned(applier, *pending, &applied);
		if (error == NULL && applied > 0) {
			*pending = drop_applied(*pending, applied);
			return NULL;
		}
		if (error != NULL && error->class != ERROR_CONSTRAINT && error->class != ERROR_TARGET &&
		    error->class != ERROR_EVENT)
			return error;
		if (error != NULL) {
			log_info("a batch is replayed change by change: %s", error->message);
			error_free(error);
			if (pg_is_broken(applier->connection))
				return error_new(ERROR_TRANSIENT, "the connection was lost");
			TRY(roll_back(applier));
			binding_cache_forget(applier->bindings, false);
			TRY(set_session(applier));
			for (const struct transaction *t = *pending; t != NULL; t = t->next)
				(*strict)++;
		} else {
			*strict = 1;
		}
	}
	error = apply_strictly(applier, *pending);
	if (error == NULL) {
		*pending = drop_applied(*pending, 1);
		(*strict)--;
	}
	return error;
}

static struct error *apply_pending(struct applier *applier, struct transaction **pending)
{
	size_t strict = 0;

	while (*pending != NULL) {
		struct error *error = step(applier, pending, &strict);

		if (error == NULL) {
			retry_reset(&applier->retry);
			if (applier->until_lsn != 0 &&
			    atomic_load(&applier->state.last_commit_lsn) >= applier->until_lsn)
				return NULL;
			continue;
		}
		if (error->class != ERROR_TRANSIENT && !pg_is_broken(applier->connection))
			return error;
		log_warning("%s", error->message);
		error_free(error);
		strict = 0;
		TRY(recover(applier, pending));
	}
	return NULL;
}

/* While nothing is committed others must see that we live, and we that the stream is still ours. */
static struct error *give_sign(struct applier *applier, struct transaction **pending)
{
	struct error *error;

	if (clock_monotonic_us() - applier->last_sign_us < (int64_t)HEARTBEAT_MS * 1000)
		return NULL;
	error = checkpoint_beat(applier->connection, applier->config, applier->epoch);
	applier->last_sign_us = clock_monotonic_us();
	if (error == NULL || (error->class != ERROR_TRANSIENT && !pg_is_broken(applier->connection)))
		return error;
	log_warning("%s", error->message);
	error_free(error);
	return recover(applier, pending);
}

static struct error *run(struct applier *applier, struct transaction **pending)
{
	while (!signals_stop_requested()) {
		if (applier->until_lsn != 0 && atomic_load(&applier->state.last_commit_lsn) >= applier->until_lsn)
			return NULL;
		*pending = transaction_queue_take(applier->queue, (size_t)applier->config->target.batch_rows,
		                                  (size_t)applier->config->target.batch_bytes, WAIT_MS);
		if (*pending == NULL && transaction_queue_closed(applier->queue))
			return NULL;
		if (*pending == NULL)
			TRY(give_sign(applier, pending));
		TRY(apply_pending(applier, pending));
	}
	return NULL;
}

struct error *applier_run(struct applier *applier)
{
	struct transaction *pending = NULL;
	struct error *error = run(applier, &pending);

	while (pending != NULL)
		pending = drop_applied(pending, 1);
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
	error = roll_back(applier);
	if (error == NULL)
		error = checkpoint_write_state(applier->connection, applier->config, applier->epoch,
		                               failed ? "failed" : "stopped", failed ? outcome->message : NULL);
	if (error != NULL)
		log_warning("the stream's state could not be written: %s", error->message);
	error_free(error);
}
