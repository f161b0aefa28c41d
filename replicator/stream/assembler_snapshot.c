/*
 * assembler_snapshot.c - the rows of full snapshots, and what waits for the end of one.
 *
 * NOTES
 *   All rows of a full snapshot carry one transaction ID and LSN, its identity. While it runs, the connector writes
 *   nothing else, so in each partition its rows stand between streamed events that were written before and after it.
 *   Streamed transactions that follow it wait for its end, so that nothing of them is applied before a row
 *   in another partition. It ends when it is over and every partition has passed it.
 *
 *   It is over, completely, when its last row was read. An event or END of a transaction that follows shows the same,
 *   since the connector streams only when no snapshot runs: it was broken off, or its last row is in a topic that is not
 *   read.
 *
 *   A partition has passed it
 *     - when an event or END of a transaction that follows was read there. Nothing more is read ahead for the snapshot then;
 *       with one topic for all tables that is the first event of the second transaction at the latest; or
 *     - when it is read up to the high watermark that was asked for when the snapshot was over.
 *
 *   What follows. The LSN of the rows alone does not say: those of a blocking snapshot carry transaction ID and LSN of the
 *   event that was sent before them, and event LSNs are not in commit order. But transactions are sent in commit order,
 *   and sequence[0] of the rows is the commit LSN of the last one that was complete before the snapshot, its boundary. An
 *   initial snapshot has no sequence[0]; its boundary is its LSN, from where the connector streams. A transaction
 *   with a higher commit LSN follows, except the one that a blocking snapshot interrupts: the rows carry its ID.
 *
 *   A blocking snapshot can begin inside a streamed transaction, usually that of its signal: some events, and BEGIN, stand
 *   before the rows, the others and END after them. These events are taken ahead of END where rows stand after them. A connector that dies
 *   inside a transaction and then makes a new snapshot leaves the same, but END never comes: as soon as the END of a
 *   transaction that follows the snapshot shows that, the events are dismissed; the snapshot has their effects.
 *
 *   The rows of a later snapshot end the one before. They wait until all partitions have passed it; but not when a
 *   transaction before both needs what stands after them.
 *
 *   Rows of a snapshot that has ended are late. They can come when a partition is read from an earlier offset, or from
 *   a broker that acknowledges its part of the rows later than another acknowledges what follows.
 */
#include "stream/assembler_internal.h"

#include "base/log.h"
#include "base/lsn.h"

static struct snapshot_identity identity_of(const struct change *row)
{
	return (struct snapshot_identity){row->tx_id, row->lsn};
}

static bool is_same(struct snapshot_identity a, struct snapshot_identity b)
{
	return a.tx_id == b.tx_id && a.lsn == b.lsn;
}

static bool is_own_row(const struct assembler *assembler, const struct change *change)
{
	return is_full_snapshot_row(change) && is_same(identity_of(change), assembler->snapshot);
}

static uint64_t boundary_of(const struct change *row)
{
	return row->previous_commit_lsn != 0 ? row->previous_commit_lsn : row->lsn;
}

static bool follows(uint64_t tx_id, uint64_t commit_lsn, uint64_t snapshot_tx_id, uint64_t boundary)
{
	return commit_lsn > boundary && tx_id != snapshot_tx_id;
}

/*
 * Whether it certainly is: the LSN of an event is below the commit LSN of its transaction. A first transaction without
 * sequence[0] that was in progress when the snapshot began can be overlooked; the next one is not.
 */
static bool is_event_of_follower(const struct assembler *assembler, const struct change *change)
{
	return !is_snapshot_row(change) && change->operation != CHANGE_MESSAGE &&
	       change->tx_id != assembler->snapshot.tx_id &&
	       (change->lsn > assembler->snapshot_boundary ||
	        change->previous_commit_lsn >= assembler->snapshot_boundary);
}

/* Of a row that is not of the current snapshot: whether a later one has it. */
static bool is_of_later(const struct assembler *assembler, const struct lane *lane, const struct change *row)
{
	return lane->snapshot_seen || (assembler->new_slot && assembler->word_open) ||
	       boundary_of(row) >= assembler->snapshot_boundary;
}

/* What is read. */

static void forget_barriers(struct assembler *assembler)
{
	for (size_t i = 0; i < assembler->lane_count; i++)
		assembler->lanes[i].barrier_known = false;
}

/* A change that was pushed while the snapshot is open, or was queued when it began: whether the lane has passed it. */
static void look_at_change(struct assembler *assembler, struct lane *lane, const struct change *change)
{
	if (is_own_row(assembler, change)) {
		if (lane->barrier_known && change->offset >= lane->barrier)
			forget_barriers(assembler); /* they were asked for too early */
		lane->snapshot_seen = true;
		assembler->snapshot_boundary = boundary_of(change);
		return;
	}
	if (is_full_snapshot_row(change) ? !is_of_later(assembler, lane, change)
	                                 : !is_event_of_follower(assembler, change))
		return;
	lane->snapshot_passed = true;
	assembler->snapshot_over = true;
}

static void look_at_mark(struct assembler *assembler, const struct transaction_mark *mark)
{
	if (!mark->end || !follows(mark->tx_id, mark->lsn, assembler->snapshot.tx_id, assembler->snapshot_boundary))
		return;
	assembler->lanes[mark->partition].snapshot_passed = true;
	assembler->snapshot_over = true;
}

void assembler_snapshot_saw_change(struct assembler *assembler, const struct change *change)
{
	if (assembler->snapshot_open)
		look_at_change(assembler, &assembler->lanes[change->partition], change);
}

void assembler_snapshot_saw_mark(struct assembler *assembler, const struct transaction_mark *mark)
{
	if (assembler->snapshot_open)
		look_at_mark(assembler, mark);
}

void assembler_snapshot_queued(struct assembler *assembler, struct lane *lane, const struct change *change)
{
	if (!is_full_snapshot_row(change))
		return;
	if (change->previous_commit_lsn == 0 && change->lsn >= assembler->newest_boundary) {
		assembler->newest_boundary = change->lsn;
		assembler->newest_tx_id = change->tx_id;
	}
	lane->snapshot_rows++;
	if (is_own_row(assembler, change))
		lane->own_rows++;
}

void assembler_snapshot_unqueued(const struct assembler *assembler, struct lane *lane, const struct change *change)
{
	if (!is_full_snapshot_row(change))
		return;
	lane->snapshot_rows--;
	if (is_own_row(assembler, change))
		lane->own_rows--;
}

/* Life of a snapshot. */

static void snapshot_begin(struct assembler *assembler, const struct change *row)
{
	char lsn[LSN_TEXT_SIZE];

	lsn_format(row->lsn, lsn);
	log_info("a snapshot begins: transaction %llu at %s", (unsigned long long)row->tx_id, lsn);
	assembler->snapshot = identity_of(row);
	assembler->snapshot_boundary = boundary_of(row);
	assembler->snapshot_open = true;
	assembler->snapshot_over = false;
	assembler->snapshot_last_row = false;
	assembler->snapshot_lasts = 0;
	assembler->snapshot_topics_known = false;
	for (size_t i = 0; i < assembler->lane_count; i++) {
		struct lane *lane = &assembler->lanes[i];

		lane->snapshot_seen = lane->snapshot_passed = lane->barrier_known = false;
		lane->own_rows = 0;
		for (size_t j = 0; j < lane->count; j++) {
			look_at_change(assembler, lane, lane_at(lane, j));
			lane->own_rows += is_own_row(assembler, lane_at(lane, j));
		}
	}
	for (size_t i = 0; i < assembler->mark_count; i++)
		look_at_mark(assembler, assembler_mark(assembler, i));
}

static bool has_passed(const struct lane *lane)
{
	if (!lane->used)
		return true;
	return lane->own_rows == 0 &&
	       (lane->gone || lane->snapshot_passed || (lane->barrier_known && lane->position >= lane->barrier));
}

static void ask_barriers(struct assembler *assembler)
{
	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		struct lane *lane = &assembler->lanes[i];

		if (!lane->used || lane->snapshot_passed || lane->barrier_known)
			continue;
		lane->barrier_known = assembler_ask_end(assembler, i, &lane->barrier);
	}
}

static struct transaction *snapshot_end(struct assembler *assembler)
{
	struct transaction *transaction = transaction_new(TRANSACTION_SNAPSHOT);

	assembler->snapshot_open = false;
	log_info(assembler->snapshot_last_row ? "the snapshot is read; streaming resumes"
	                                      : "the snapshot was broken off, or its last row is in a topic that is "
	                                        "not read; streaming resumes");
	transaction->snapshot = assembler->snapshot;
	transaction->snapshot_ends = true;
	transaction->snapshot_complete = assembler->snapshot_last_row;
	assembler_add_positions(assembler, transaction);
	return transaction;
}

struct error *assembler_end_snapshot(struct assembler *assembler, struct transaction **transaction)
{
	const struct assembler_options *options = &assembler->options;

	if (!assembler->snapshot_open || !assembler->snapshot_over)
		return NULL;
	if (!assembler->snapshot_topics_known && options->find_partitions != NULL)
		TRY(options->find_partitions(options->context, &assembler->snapshot_topics_known));
	else
		assembler->snapshot_topics_known = true;
	if (!assembler->snapshot_topics_known)
		return NULL;
	ask_barriers(assembler);
	for (size_t i = 0; i < assembler->lane_count; i++)
		if (!has_passed(&assembler->lanes[i]))
			return NULL;
	*transaction = snapshot_end(assembler);
	return NULL;
}

/* Rows. */

/* Nothing is coming, and all ENDs that Kafka has are handed over. */
static bool all_is_handed_over(const struct assembler *assembler)
{
	uint32_t partition = assembler_mark_partition(assembler);

	if (!assembler->quiet || assembler->mark_count > 0)
		return false;
	return partition == NO_PARTITION || assembler_is_at_end(assembler, partition);
}

/*
 * A row of an incremental snapshot was read at the source after the transaction that its sequence[0] names. It may pass
 * when that one was handed over. When none with this LSN follows (sequence[0] may name a message), it passes with the
 * first later one at the head, or when no transaction is left.
 */
static bool incremental_row_may_pass(struct assembler *assembler, const struct change *row)
{
	const struct transaction_mark *head = assembler_mark(assembler, 0);

	if (!assembler->options.transactions || row->previous_commit_lsn <= assembler->watermark ||
	    row->previous_commit_lsn <= assembler->passed_lsn)
		return true;
	if (head != NULL && !head->end)
		head = assembler_mark(assembler, 1);
	if (row->partition == assembler->mark_partition && (head == NULL || head->offset > row->offset))
		return true; /* all ENDs before the row are handed over */
	if (head != NULL && head->end && head->lsn > row->previous_commit_lsn)
		return true;
	if (!all_is_handed_over(assembler))
		return false;
	assembler->passed_lsn = row->previous_commit_lsn;
	return true;
}

/* Of a later snapshot, while one is open: a transaction that does not wait for that one may need what follows the row. */
static bool must_begin(struct assembler *assembler)
{
	const struct transaction_mark *end = assembler->current;

	return end != NULL && !assembler_snapshot_waits(assembler, end->tx_id, end->lsn);
}

/* Of the row at the lane's head. Where rows of the current snapshot stand behind it, it is of an earlier one. */
static bool is_late(const struct assembler *assembler, const struct lane *lane, const struct change *row)
{
	if (is_own_row(assembler, row))
		return !assembler->snapshot_open;
	return lane->own_rows > 0 || !is_of_later(assembler, lane, row);
}

static bool row_may_pass(struct assembler *assembler, const struct lane *lane, const struct change *row)
{
	if (!is_full_snapshot_row(row))
		return incremental_row_may_pass(assembler, row);
	return !assembler->snapshot_open || is_own_row(assembler, row) || is_late(assembler, lane, row) ||
	       must_begin(assembler);
}

static void warn_of_late_rows(struct assembler *assembler, const struct change *row)
{
	char lsn[LSN_TEXT_SIZE];

	if (is_same(assembler->late_snapshot, identity_of(row)))
		return;
	assembler->late_snapshot = identity_of(row);
	lsn_format(row->lsn, lsn);
	log_warning(
	    "rows of the snapshot of transaction %llu at %s come after its end: they may be older than what was "
	    "applied since, and their tables must be compared with the source",
	    (unsigned long long)row->tx_id, lsn);
}

static bool any_has_passed(const struct assembler *assembler)
{
	for (size_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].snapshot_passed)
			return true;
	return false;
}

/*
 * A row of the current snapshot is handed over. With snapshot.max.threads the connector marks two rows as "last", one of
 * them before the rows of other threads. So a row after it in its partition shows that another "last" follows. With the
 * second one the ends are asked for again.
 */
static void note_own_row(struct assembler *assembler, uint32_t partition, bool last)
{
	if (last) {
		assembler->snapshot_lasts++;
		assembler->snapshot_last_partition = partition;
		assembler->snapshot_last_row = assembler->snapshot_over = true;
	} else if (assembler->snapshot_lasts == 1 && assembler->snapshot_last_row &&
	           partition == assembler->snapshot_last_partition && !any_has_passed(assembler)) {
		assembler->snapshot_last_row = assembler->snapshot_over = false;
	} else {
		return;
	}
	assembler->snapshot_topics_known = false;
	forget_barriers(assembler);
}

/* The run of rows at the lane's head that belong together; `first` is the head and may pass. */
static struct transaction *take_rows(struct assembler *assembler, uint32_t partition, const struct change *first)
{
	struct lane *lane = &assembler->lanes[partition];
	struct transaction *transaction = transaction_new(TRANSACTION_SNAPSHOT);
	struct change *row;

	if (is_full_snapshot_row(first)) {
		transaction->snapshot = identity_of(first);
		transaction->snapshot_late = is_late(assembler, lane, first);
	}
	if (transaction->snapshot_late)
		warn_of_late_rows(assembler, first);
	while ((row = lane_head(lane)) != NULL && is_snapshot_row(row) && row_may_pass(assembler, lane, row) &&
	       transaction->change_count < assembler->options.snapshot_run_rows) {
		bool last = row->snapshot == SNAPSHOT_LAST, full = is_full_snapshot_row(row);

		if (!is_same(transaction->snapshot,
		             is_full_snapshot_row(row) ? identity_of(row) : (struct snapshot_identity){0}))
			break;
		assembler_pop(assembler, lane);
		if (assembler_collection(assembler, row->relation->collection)->excluded)
			change_release(row);
		else
			transaction_add_change(transaction, row);
		if (transaction->snapshot_late || !full)
			continue;
		note_own_row(assembler, partition, last);
		transaction->snapshot_last_row = last;
		if (last)
			break;
	}
	assembler_touch(assembler, partition);
	assembler_add_positions(assembler, transaction);
	return transaction;
}

static struct transaction *take_from(struct assembler *assembler, uint32_t partition, const struct change *head)
{
	if (is_full_snapshot_row(head) && !is_own_row(assembler, head) &&
	    !is_late(assembler, &assembler->lanes[partition], head)) {
		if (assembler->snapshot_open)
			return snapshot_end(assembler);
		snapshot_begin(assembler, head);
	}
	return take_rows(assembler, partition, head);
}

struct transaction *assembler_next_snapshot(struct assembler *assembler)
{
	if (assembler->snapshot_rows_waiting == 0)
		return NULL;
	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		const struct lane *lane = &assembler->lanes[i];
		const struct change *head = lane->used ? assembler_live_head(assembler, i) : NULL;

		if (head != NULL && is_snapshot_row(head) && row_may_pass(assembler, lane, head))
			return take_from(assembler, i, head);
	}
	return NULL;
}

/* Transactions around a snapshot. */

/* The streamed event at the lane's head that rows of a full snapshot stand after, or NULL. */
static const struct change *event_before_rows(struct assembler *assembler, uint32_t partition)
{
	const struct lane *lane = &assembler->lanes[partition];
	const struct change *head =
	    lane->used && lane->snapshot_rows > 0 ? assembler_live_head(assembler, partition) : NULL;

	return head == NULL || is_snapshot_row(head) ? NULL : head;
}

bool assembler_snapshot_waits(struct assembler *assembler, uint64_t tx_id, uint64_t lsn)
{
	assembler->snapshot_awaited = false;
	if (!assembler->snapshot_open || !follows(tx_id, lsn, assembler->snapshot.tx_id, assembler->snapshot_boundary))
		return false;
	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		const struct change *event = assembler->lanes[i].own_rows == 0 ? NULL : event_before_rows(assembler, i);

		/* Rows stand after a transaction that this one does not follow. */
		if (event != NULL && (event->tx_id == tx_id || event_commits_after(event, lsn) ||
		                      assembler_is_marked(assembler, event->tx_id, false)))
			return false;
	}
	assembler->snapshot_awaited = true;
	return true;
}

bool assembler_snapshot_needs(const struct assembler *assembler, uint32_t partition)
{
	return !has_passed(&assembler->lanes[partition]);
}

bool assembler_interrupts(struct assembler *assembler, uint64_t tx_id)
{
	for (uint32_t i = 0; i < assembler->lane_count && assembler->snapshot_rows_waiting > 0; i++) {
		const struct change *event = event_before_rows(assembler, i);

		if (event != NULL && event->tx_id == tx_id)
			return true;
	}
	return false;
}

static bool row_precedes(const struct lane *lane, const struct transaction_mark *end)
{
	const struct change *row;
	size_t first = 0;

	do
		row = lane_at(lane, first++);
	while (!is_full_snapshot_row(row));
	return follows(end->tx_id, end->lsn, row->tx_id, boundary_of(row));
}

static void dismiss_events(struct assembler *assembler, uint32_t partition, uint64_t tx_id)
{
	struct lane *lane = &assembler->lanes[partition];
	const struct partition_name *name = partition_list_get(assembler->partitions, partition);
	const struct change *change;
	size_t count = 0;

	while ((change = lane_head(lane)) != NULL && !is_snapshot_row(change) && change->tx_id == tx_id) {
		assembler_release_head(assembler, partition);
		count++;
	}
	log_warning("%s[%d]: %zu events of transaction %llu are dismissed: it never ended, and a snapshot follows it",
	            name->topic, (int)name->id, count, (unsigned long long)tx_id);
	assembler->left_out = true;
}

void assembler_dismiss_unfinished(struct assembler *assembler, const struct transaction_mark *end)
{
	for (uint32_t i = 0; i < assembler->lane_count && assembler->snapshot_rows_waiting > 0; i++) {
		const struct change *event = event_before_rows(assembler, i);

		if (event != NULL && event->tx_id != end->tx_id && !event_commits_after(event, end->lsn) &&
		    row_precedes(&assembler->lanes[i], end) && !assembler_is_marked(assembler, event->tx_id, false))
			dismiss_events(assembler, i, event->tx_id);
	}
}

/* All that was written to the partition of the marks is read: nothing follows that stands in it before the rows. */
static bool marks_are_read(const struct assembler *assembler)
{
	uint32_t partition = assembler_mark_partition(assembler);

	return partition != NO_PARTITION && assembler->options.high_watermark != NULL &&
	       assembler_is_at_end(assembler, partition);
}

/* None that it will end with: no BEGIN, or the BEGIN of one that a later snapshot replaced, so that it is not taken early. */
static bool never_ends(const struct assembler *assembler, const struct change *event)
{
	if (!assembler_is_marked(assembler, event->tx_id, true))
		return true;
	return !assembler_is_marked(assembler, event->tx_id, false) && assembler_looks_repeated(assembler, event) &&
	       assembler_snapshot_has(assembler, event->tx_id, event->lsn, event->previous_commit_lsn);
}

void assembler_dismiss_without_begin(struct assembler *assembler)
{
	if (assembler->quiet_ticks < TICKS_UNTIL_RESOLVED)
		return;
	for (uint32_t i = 0; i < assembler->lane_count && assembler->snapshot_rows_waiting > 0; i++) {
		const struct change *event = event_before_rows(assembler, i);

		if (event != NULL && (!assembler->taking || event->tx_id != assembler->taking_tx_id) &&
		    never_ends(assembler, event) && marks_are_read(assembler))
			dismiss_events(assembler, i, event->tx_id);
	}
}
