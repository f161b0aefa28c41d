/*
 * applier_commit.c - the end of a target transaction: the checkpoint as its last statement, whose answer is looked at
 * before COMMIT (no row: another instance took the stream over), and what the answer to COMMIT tells.
 */
#include "base/clock.h"
#include "base/metrics.h"
#include "base/log.h"
#include "base/memory.h"
#include "target/acceptance.h"
#include "target/applier_internal.h"
#include "target/source_identity.h"
#include "target/unverified.h"

#include <stdlib.h>
#include <string.h>

/* What `count` transactions from `first` on move. */
static void collect_update(struct applier *applier, const struct transaction *first, size_t count,
                           struct checkpoint_update *update)
{
	*update = (struct checkpoint_update){.epoch = applier->epoch,
	                                     .batch = ++applier->sent_batch,
	                                     .cluster_id = applier->cluster_id};
	for (size_t i = 0; i < count; i++, first = first->next) {
		if (first->kind == TRANSACTION_STREAMED && first->commit_lsn != 0) {
			update->last_commit_lsn = first->commit_lsn;
			update->last_tx_id = first->tx_id;
			update->source_us = first->source_us;
		}
		if (first->message_lsn != 0)
			update->last_message_lsn = first->message_lsn;
		if (!first->snapshot_late && (first->snapshot.lsn != 0 || first->snapshot.tx_id != 0)) {
			update->snapshot = first->snapshot;
			update->snapshot_open = !first->snapshot_ends;
			update->snapshot_last_row = update->snapshot_last_row || first->snapshot_last_row;
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

/* The rows of the checkpoint, then the tables that are not what they were when they were read. */
struct answers {
	uint64_t fence;
	uint64_t changed_tables;
};

static void note_answer(void *context, size_t number, uint64_t rows)
{
	struct answers *answers = context;

	if (number == 0)
		answers->fence = rows;
	else
		answers->changed_tables = rows;
}

static struct error *send_end(struct applier *applier, const struct checkpoint_update *update)
{
	TRY(checkpoint_send(applier->connection, applier->config, applier->partitions, update));
	return binding_cache_send_check(applier->bindings, applier->connection);
}

/* The answer to COMMIT came. */
static void note_confirmed(struct applier *applier, const struct checkpoint_update *update)
{
	applier->unanswered = 0;
	applier->confirmed_batch = update->batch;
	applier->last_sign_us = clock_monotonic_us();
	for (size_t i = 0; i < update->position_count; i++) {
		uint32_t partition = update->positions[i].partition;
		const struct partition_name *name = partition_list_get(applier->partitions, partition);

		metric_set_offset(partition, name->topic, name->id, update->positions[i].next_offset);
	}
}

/* Position at the source of what the transactions contain. */
static uint64_t last_lsn(const struct transaction *first, size_t count)
{
	uint64_t lsn = 0;

	for (; count > 0; count--, first = first->next) {
		const struct change *last =
		    first->changes != NULL && first->change_count > 0 ? first->changes[first->change_count - 1] : NULL;

		if (first->commit_lsn > lsn)
			lsn = first->commit_lsn;
		if (last != NULL && last->lsn > lsn)
			lsn = last->lsn;
	}
	return lsn;
}

/* Where the stream is with that transaction. Rows of a snapshot and progress have no commit LSN. */
static uint64_t lsn_at(struct applier *applier, const struct transaction *transaction)
{
	return transaction->commit_lsn != 0 ? transaction->commit_lsn : atomic_load(&applier->state.last_commit_lsn);
}

/* The stream is past what the operator accepted: what is missing, only a comparison shows. */
static struct error *finish_acceptance(struct applier *applier, const struct transaction *passing)
{
	uint64_t lsn = lsn_at(applier, passing);

	log_info("the stream is past what was accepted; its tables are unverified until a comparison with the source");
	TRY(unverified_mark_all(applier->connection, applier->config, UNVERIFIED_ACCEPTED, lsn));
	return acceptance_use(applier->connection, applier->config, applier->accepted_id);
}

/* What is written with the rows: tables that the stream wrote, unverified tables, the use of the acceptance. */
static struct error *finish_rows(struct applier *applier, const struct transaction *first, size_t count)
{
	const struct transaction *passing = NULL;

	TRY(missing_finish(applier->missing, applier->connection, last_lsn(first, count)));
	TRY(refusals_finish(applier->refusals, applier->connection, last_lsn(first, count)));
	for (; count > 0; count--, first = first->next) {
		TRY(snapshot_note(applier->snapshot, applier->connection, first));
		TRY(source_token_note(applier->connection, applier->config, first));
		if (first->snapshot_ends && first->snapshot_complete)
			TRY(snapshot_complete(applier->snapshot, applier->connection, &first->snapshot));
		if (first->may_lack)
			TRY(unverified_mark_all(applier->connection, applier->config, UNVERIFIED_POSSIBLE_GAP,
			                        lsn_at(applier, first)));
		if (first->accepted)
			passing = first;
	}
	return passing == NULL || applier->accepted_id == 0 ? NULL : finish_acceptance(applier, passing);
}

struct error *applier_commit(struct applier *applier, const struct transaction *first, size_t count)
{
	struct checkpoint_update update;
	int64_t began_us;
	struct answers answers = {0};
	struct error *error;
	struct error *finished;

	TRY(finish_rows(applier, first, count));
	collect_update(applier, first, count, &update);
	TRY(pg_pipeline_begin(applier->connection));
	error = send_end(applier, &update);
	finished = pg_pipeline_finish(applier->connection, note_answer, &answers, NULL);
	if (error != NULL)
		error_free(finished);
	else
		error = finished;
	TRY(error);
	if (answers.fence != 1)
		return error_new(ERROR_FENCED,
		                 "another instance took the stream %s over, or this session has another server process "
		                 "than the one that claimed it; this instance ends",
		                 applier->config->stream.name);
	if (answers.changed_tables > 0)
		return binding_cache_changed_error();
	applier->unanswered = count;
	began_us = clock_monotonic_us();
	TRY(pg_execute(applier->connection, "COMMIT"));
	metric_observe(METRIC_COMMIT_SECONDS, clock_monotonic_us() - began_us);
	note_confirmed(applier, &update);
	binding_cache_begin(applier->bindings);
	return NULL;
}

struct error *applier_roll_back(struct applier *applier)
{
	applier->unanswered = 0;
	snapshot_forget(applier->snapshot);
	return pg_execute(applier->connection, "ROLLBACK");
}

void applier_count(struct applier *applier, const struct transaction *first, size_t count,
                   const struct batch_counts *counts)
{
	uint64_t rows = 0;
	uint64_t transactions = 0;
	int64_t source_us = 0;

	atomic_fetch_add(&applier->state.batches, 1);
	atomic_fetch_add(&applier->state.rows_missing, counts->rows_missing);
	atomic_fetch_add(&applier->state.ignored, counts->ignored);
	metric_add(METRIC_SNAPSHOT_DISCARDED, counts->discarded);
	metric_add(METRIC_CHANGES_REFUSED, counts->refused);
	for (size_t i = 0; i < count; i++, first = first->next) {
		rows += first->change_count;
		if (first->kind != TRANSACTION_STREAMED)
			continue;
		transactions++;
		if (first->commit_lsn != 0)
			atomic_store(&applier->state.last_commit_lsn, first->commit_lsn);
		if (first->source_us != 0)
			source_us = first->source_us;
	}
	atomic_fetch_add(&applier->state.rows, rows);
	atomic_fetch_add(&applier->state.transactions, transactions);
	if (rows > 0)
		metric_observe(METRIC_BATCH_ROWS, (int64_t)rows);
	if (transactions > 0)
		metric_observe(METRIC_BATCH_TRANSACTIONS, (int64_t)transactions);
	if (source_us == 0)
		return;
	atomic_store(&applier->state.last_source_us, source_us);
	metric_observe(METRIC_END_TO_END_SECONDS, clock_wall_us() - source_us);
}

struct error *applier_begin(struct applier *applier)
{
	missing_begin(applier->missing);
	refusals_begin(applier->refusals);
	return pg_execute(applier->connection, "BEGIN; SET CONSTRAINTS ALL DEFERRED");
}
