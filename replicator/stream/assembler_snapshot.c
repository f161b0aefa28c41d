/*
 * assembler_snapshot.c - the rows of snapshots, and when one is complete.
 *
 * NOTES
 *   The rows of an initial snapshot carry one (txId, LSN): a generation. Transactions that committed before that LSN
 *   stand before the rows and are handed over between them; those behind it wait until the generation is complete: its
 *   last row came, every partition is read as far as it reached then, and no earlier transaction is left. The end is a
 *   hand-over of its own, without rows, so that nothing of the generation can come behind it.
 *
 *   The last row may be in a topic that nobody reads. An END behind the snapshot says as much: the connector streams
 *   only when the snapshot is written.
 *
 *   A connector that dies inside a transaction and then makes a new snapshot leaves the first half of that transaction
 *   in the partitions, before the snapshot's rows. Its END would have been written before them, so when the transaction
 *   topic is read that far without it, the half is dismissed: the snapshot replaces it.
 */
#include "stream/assembler_internal.h"

#include "base/log.h"
#include "base/lsn.h"

static bool row_may_pass(const struct assembler *assembler, const struct change *change)
{
	const struct transaction_mark *head = assembler_mark(assembler, 0);

	if (change->snapshot != SNAPSHOT_INCREMENTAL || !assembler->options.transactions)
		return true;
	if (change->previous_commit_lsn <= assembler->watermark || assembler->quiet)
		return true;
	if (head != NULL && !head->end)
		head = assembler_mark(assembler, 1);
	return head != NULL && head->end && head->lsn > change->previous_commit_lsn;
}

static void snapshot_begin(struct assembler *assembler, const struct change *change)
{
	char lsn[LSN_TEXT_SIZE];

	if (assembler->snapshot.tx_id == change->tx_id && assembler->snapshot.lsn == change->lsn)
		return;
	if (change->lsn < assembler->snapshot.lsn) /* left over from one that was broken off: just rows */
		return;
	lsn_format(change->lsn, lsn);
	log_info("a snapshot begins: transaction %llu at %s", (unsigned long long)change->tx_id, lsn);
	assembler->snapshot = (struct snapshot_identity){change->tx_id, change->lsn};
	assembler->snapshot_open = true;
	assembler->snapshot_complete = false;
	assembler->snapshot_last_seen = false;
}

/* All rows are written: what stands in the partitions now belongs to the snapshot or comes behind it. */
static void snapshot_saw_last(struct assembler *assembler)
{
	assembler->snapshot_last_seen = true;
	if (assembler->options.high_watermark == NULL)
		return;
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used)
			assembler->lanes[i].barrier = assembler->options.high_watermark(i, assembler->options.context);
}

bool assembler_snapshot_waits(const struct assembler *assembler, uint64_t commit_lsn)
{
	return assembler->snapshot_open && (commit_lsn == 0 || commit_lsn > assembler->snapshot.lsn);
}

static const struct transaction_mark *first_end(const struct assembler *assembler)
{
	for (size_t i = 0; i < assembler->mark_count; i++)
		if (assembler_mark(assembler, i)->end)
			return assembler_mark(assembler, i);
	return NULL;
}

static bool snapshot_is_passed(const struct assembler *assembler)
{
	const struct transaction_mark *end = first_end(assembler);

	if (end != NULL && end->lsn <= assembler->snapshot.lsn)
		return false;
	for (size_t i = 0; i < assembler->lane_count; i++) {
		const struct lane *lane = &assembler->lanes[i];

		if (lane->used && (lane->position < lane->barrier || lane->snapshot_rows > 0))
			return false;
	}
	return true;
}

struct transaction *assembler_end_snapshot(struct assembler *assembler)
{
	struct transaction *transaction;

	if (!assembler->snapshot_open)
		return NULL;
	if (!assembler->snapshot_last_seen && assembler->newest_end > assembler->snapshot.lsn)
		snapshot_saw_last(assembler);
	if (!assembler->snapshot_last_seen || !snapshot_is_passed(assembler))
		return NULL;
	assembler->snapshot_open = false;
	log_info("the snapshot is read; streaming goes on");
	transaction = transaction_new(TRANSACTION_SNAPSHOT);
	transaction->snapshot = assembler->snapshot;
	transaction->snapshot_ends = true;
	transaction->snapshot_complete = assembler->snapshot_complete;
	assembler_add_positions(assembler, transaction);
	return transaction;
}

static struct transaction *take_rows(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	struct transaction *transaction = transaction_new(TRANSACTION_SNAPSHOT);
	struct change *change;

	while ((change = assembler_live_head(assembler, partition)) != NULL && is_snapshot_row(change) &&
	       row_may_pass(assembler, change) && transaction->change_count < assembler->options.snapshot_run_rows) {
		bool last = change->snapshot == SNAPSHOT_LAST;

		if (is_full_snapshot_row(change)) {
			if (transaction->snapshot.lsn != 0 && transaction->snapshot.lsn != change->lsn)
				break; /* the rows of another snapshot: the next hand-over */
			snapshot_begin(assembler, change);
			if (assembler->snapshot.lsn == change->lsn)
				transaction->snapshot = assembler->snapshot;
		}
		assembler_pop(assembler, lane);
		if (assembler_collection(assembler, change->relation->collection)->excluded)
			change_release(change);
		else
			transaction_add_change(transaction, change);
		if (last && transaction->snapshot.lsn != 0) {
			assembler->snapshot_complete = true;
			snapshot_saw_last(assembler);
			break;
		}
	}
	assembler_touch(assembler, partition);
	assembler_add_positions(assembler, transaction);
	return transaction;
}

struct transaction *assembler_next_snapshot(struct assembler *assembler)
{
	if (assembler->snapshot_rows_waiting == 0)
		return NULL;
	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		const struct change *head = assembler->lanes[i].used ? assembler_live_head(assembler, i) : NULL;

		if (head != NULL && is_snapshot_row(head) && row_may_pass(assembler, head))
			return take_rows(assembler, i);
	}
	return NULL;
}

static bool end_is_there(const struct assembler *assembler, uint64_t tx_id)
{
	for (size_t i = 0; i < assembler->mark_count; i++) {
		const struct transaction_mark *mark = assembler_mark(assembler, i);

		if (mark->end && mark->tx_id == tx_id)
			return true;
	}
	return false;
}

static void dismiss_half(struct assembler *assembler, uint32_t partition, uint64_t tx_id)
{
	struct lane *lane = &assembler->lanes[partition];
	const struct partition_name *name = partition_list_get(assembler->partitions, partition);
	struct change *change;
	size_t count = 0;

	while ((change = lane_head(lane)) != NULL && !is_snapshot_row(change) && change->tx_id == tx_id) {
		assembler_pop(assembler, lane);
		change_release(change);
		count++;
	}
	assembler_touch(assembler, partition);
	log_warning(
	    "%s[%d]: %zu events of transaction %llu are dismissed: it never ended, and a new snapshot follows it",
	    name->topic, (int)name->id, count, (unsigned long long)tx_id);
}

void assembler_dismiss_unfinished(struct assembler *assembler)
{
	bool asked = false;
	int64_t written = 0;

	if (assembler->mark_partition == NO_PARTITION || assembler->options.high_watermark == NULL ||
	    assembler->current != NULL || !assembler->quiet)
		return;
	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		const struct lane *lane = &assembler->lanes[i];
		const struct change *head = lane->snapshot_rows == 0 ? NULL : lane_head(lane);

		if (head == NULL || is_snapshot_row(head) || head->total_order == 0 ||
		    end_is_there(assembler, head->tx_id))
			continue;
		if (!asked)
			written =
			    assembler->options.high_watermark(assembler->mark_partition, assembler->options.context);
		asked = true;
		if (assembler->lanes[assembler->mark_partition].position >= written)
			dismiss_half(assembler, i, head->tx_id);
	}
}
