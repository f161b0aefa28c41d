/*
 * assembler_repeats.c - what a restarted connector sent again, and how it differs from new transactions.
 *
 * NOTES
 *   Commit LSNs rise along the transaction topic. An END at or below W (`watermark`), and an event whose predecessor
 *   (source.sequence[0]) committed before W, look like repeats of what was applied. They are something else when the
 *   connector reads another history of the source: a promoted standby that lacks WAL, or a restored source. Neither event
 *   LSNs nor transaction IDs tell the two apart (the new history uses both again), nor does the clock of the new server.
 *   The transaction topic does: it contains the END of a repeat, with the same transaction ID and commit LSN, before.
 *   Without one the END is new, and the stream stops for the operator's acknowledgement.
 *
 *   An event without sequence[0] belongs to the first transaction of a new slot, or to the first one after a snapshot or a
 *   restart. It looks like a repeat when its LSN is not above W.
 *
 *   Events that look like repeats wait in their partitions until the END of their transaction is judged; the counts of a
 *   repeated END are not awaited, because the connector may send a part of the transaction. When that END was judged before
 *   the daemon started, or the connector never completed the repeat, no END comes. Then such events are dropped
 *     - when they precede all events of the transaction at hand in their partition: the connector sends the END of a
 *       transaction before the events of the next one, so theirs was processed (behind the first event of the transaction
 *       at hand they are of a later repeat);
 *     - when the transaction topic was processed up to where it ended seconds after they were read, or when they fill the
 *       memory, and it contains an END that fits.
 */
#include "stream/assembler_internal.h"

#include "base/log.h"
#include "base/lsn.h"
#include "base/metrics.h"

bool assembler_looks_repeated(const struct assembler *assembler, const struct change *change)
{
	if (!assembler->options.transactions || is_snapshot_row(change) || change->total_order == 0)
		return false;
	if (change->previous_commit_lsn != 0)
		return change->previous_commit_lsn < assembler->watermark;
	return change->lsn <= assembler->watermark;
}

static bool is_at_hand(const struct assembler *assembler, const struct change *change)
{
	return assembler->taking && assembler->taking_tx_id == change->tx_id;
}

static bool is_unjudged(const struct assembler *assembler, const struct change *change)
{
	return assembler_looks_repeated(assembler, change) && !is_at_hand(assembler, change);
}

static void drop_head(struct assembler *assembler, uint32_t partition)
{
	assembler_release_head(assembler, partition);
	metric_add(METRIC_DUPLICATES, 1);
}

/*
 * Whether the END of the event's transaction was judged, and not only that of another transaction with the same ID. In
 * the partition of the marks the offsets say it. Else all marks must be known that were written before the event was read: a
 * BEGIN of the other transaction would be among them.
 */
static bool is_judged(struct assembler *assembler, uint32_t partition, const struct change *change)
{
	const struct lane *lane = &assembler->lanes[partition];
	struct repeated_commit commit;

	if (!assembler->options.transactions || is_snapshot_row(change) || change->total_order == 0 ||
	    is_at_hand(assembler, change))
		return false;
	commit = commit_history_repeated(assembler->history, change);
	if (commit.offset < 0)
		return false;
	if (partition == assembler->mark_partition)
		return change->offset < commit.offset;
	if (commit.contested)
		return false;
	if (assembler->options.high_watermark == NULL)
		return true;
	if (change->offset >= lane->covered_until) {
		assembler->cover_wanted = true;
		return false;
	}
	return assembler->lanes[assembler->mark_partition].position >= assembler->marks_known;
}

struct change *assembler_live_head(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	struct change *change;

	while ((change = lane_head(lane)) != NULL && is_judged(assembler, partition, change))
		drop_head(assembler, partition);
	return change;
}

void assembler_cover(struct assembler *assembler)
{
	int64_t end;

	if (!assembler->cover_wanted || assembler->mark_partition == NO_PARTITION ||
	    !assembler_ask_end(assembler, assembler->mark_partition, &end))
		return; /* not known yet: asked again */
	assembler->cover_wanted = false;
	assembler->marks_known = end;
	for (size_t i = 0; i < assembler->lane_count; i++)
		assembler->lanes[i].covered_until = assembler->lanes[i].position;
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used)
			(void)assembler_live_head(assembler, i);
}

bool assembler_head_is_later(const struct assembler *assembler, uint32_t partition)
{
	const struct lane *lane = &assembler->lanes[partition];

	return lane->taken_any && assembler_head_is_unjudged(assembler, partition) &&
	       commit_history_repeated(assembler->history, lane_head(lane)).offset < 0;
}

bool assembler_head_is_unjudged(const struct assembler *assembler, uint32_t partition)
{
	const struct change *head = lane_head(&assembler->lanes[partition]);

	return head != NULL && is_unjudged(assembler, head);
}

const struct change *assembler_first_judged(const struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	const struct change *change = lane_head(lane);

	if (change == NULL || !is_unjudged(assembler, change))
		return change;
	while ((change = lane_at(lane, lane->repeated_count)) != NULL && assembler_looks_repeated(assembler, change))
		lane->repeated_count++;
	return change;
}

/* ENDs. */

/* Sets *commit_lsn with END_FOUND. */
static enum end_answer look_up(struct assembler *assembler, struct end_query query, uint64_t *commit_lsn)
{
	enum end_answer answer;

	*commit_lsn = commit_history_find(assembler->history, query.tx_id, query.lowest_lsn, query.highest_lsn);
	if (*commit_lsn != 0)
		return END_FOUND;
	query.partition = assembler_mark_partition(assembler);
	if (assembler->options.find_end == NULL || query.partition == NO_PARTITION)
		return END_ABSENT;
	answer = assembler->options.find_end(&query, commit_lsn, assembler->options.context);
	if (answer == END_FOUND)
		commit_history_add(assembler->history, query.tx_id, *commit_lsn);
	return answer;
}

/* The operator accepted a gap, and the transaction topic is read again from its beginning. */
static bool was_read_before(struct assembler *assembler, const struct transaction_mark *end)
{
	if (end->offset >= assembler->lanes[assembler->mark_partition].again_until)
		return false;
	if (!assembler->read_again_said)
		log_warning(
		    "accepted: transactions in the transaction topic that are not above the last applied commit LSN "
		    "are dismissed up to offset %lld",
		    (long long)assembler->lanes[assembler->mark_partition].again_until);
	assembler->read_again_said = true;
	return true;
}

enum end_answer assembler_judge_end(struct assembler *assembler, const struct transaction_mark *end)
{
	uint64_t commit_lsn;
	enum end_answer answer = END_FOUND;

	if (end->offset == assembler->absent_end)
		return END_ABSENT;
	if (!was_read_before(assembler, end))
		answer = look_up(assembler,
		                 (struct end_query){.before = end->offset,
		                                    .tx_id = end->tx_id,
		                                    .lowest_lsn = end->lsn,
		                                    .highest_lsn = end->lsn},
		                 &commit_lsn);
	assembler->judging = answer == END_UNKNOWN;
	if (answer == END_ABSENT)
		assembler->absent_end = end->offset;
	return answer;
}

void assembler_dismiss_end(struct assembler *assembler, const struct transaction_mark *end)
{
	commit_history_add_repeated(assembler->history, end->tx_id, end->lsn, end->offset);
	if (assembler->taking && assembler->taking_tx_id == end->tx_id) /* a large one, taken before its END was read */
		assembler_forget_taken(assembler);
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used)
			(void)assembler_live_head(assembler, i);
	assembler_cover(assembler);
}

/* Before another history: after it nothing tells these repeats from its events. */

static bool lane_is_drained(struct assembler *assembler, uint32_t partition)
{
	const struct lane *lane = &assembler->lanes[partition];
	const struct change *head = assembler_live_head(assembler, partition);
	struct repeated_commit commit;

	if (head == NULL)
		return lane->position >= lane->drain_until;
	commit = commit_history_repeated(assembler->history, head);
	return !is_unjudged(assembler, head) || partition == assembler->mark_partition || commit.offset < 0 ||
	       commit.contested;
}

bool assembler_is_drained(struct assembler *assembler, const struct transaction_mark *end)
{
	bool drained = true, known = true;

	if (assembler->options.high_watermark == NULL || assembler->quiet_ticks >= TICKS_UNTIL_RESOLVED)
		return true;
	for (uint32_t i = 0; i < assembler->lane_count && assembler->drained_end != end->offset; i++)
		if (assembler->lanes[i].used)
			known = assembler_ask_end(assembler, i, &assembler->lanes[i].drain_until) && known;
	if (!known)
		return false; /* asked again */
	assembler->drained_end = end->offset;
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used && !lane_is_drained(assembler, i))
			drained = false;
	return drained;
}

/* Events whose END does not come. */

/* Whether events of the transaction at hand are among those of the partition. */
static bool lane_has_event_at_hand(const struct assembler *assembler, struct lane *lane)
{
	const struct change *change;

	if (lane->searched_tx_id != assembler->taking_tx_id)
		lane->searched_count = 0;
	lane->searched_tx_id = assembler->taking_tx_id;
	while ((change = lane_at(lane, lane->searched_count)) != NULL) {
		if (!is_snapshot_row(change) && change->tx_id == assembler->taking_tx_id)
			return true;
		lane->searched_count++;
	}
	return false;
}

static bool memory_is_short(const struct assembler *assembler)
{
	return assembler->options.spill_bytes > 0 && assembler->waiting_bytes >= assembler->options.spill_bytes;
}

void assembler_drop_unjudged(struct assembler *assembler, uint32_t partition)
{
	while (assembler_head_is_unjudged(assembler, partition))
		drop_head(assembler, partition);
}

bool assembler_clear_way(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	const struct change *head = assembler_live_head(assembler, partition);

	if (head == NULL || !is_unjudged(assembler, head) || assembler_head_is_later(assembler, partition))
		return false;
	if (!lane_has_event_at_hand(assembler, lane)) {
		if (memory_is_short(assembler))
			assembler_resolve_head(assembler, partition);
		return lane_head(lane) != head;
	}
	log_info("events of transaction %llu are dismissed as repeats: transaction %llu follows them",
	         (unsigned long long)head->tx_id, (unsigned long long)assembler->taking_tx_id);
	assembler_drop_unjudged(assembler, partition);
	return true;
}

/* Not one of another transaction that uses its ID again, in another history. */
static bool is_sent_again(const struct assembler *assembler, const struct change *change)
{
	return change->tx_id == assembler->taking_tx_id && change->lsn < assembler->current->lsn &&
	       (change->previous_commit_lsn == 0 || assembler->taken_previous == 0 ||
	        change->previous_commit_lsn == assembler->taken_previous);
}

/* Whether the lane has an event of the transaction at hand. */
static bool lane_sends_again(const struct assembler *assembler, struct lane *lane)
{
	return lane_has_event_at_hand(assembler, lane) && is_sent_again(assembler, lane_at(lane, lane->searched_count));
}

bool assembler_clear_repeats(struct assembler *assembler, uint32_t partition)
{
	if (!assembler_head_is_later(assembler, partition) ||
	    !lane_sends_again(assembler, &assembler->lanes[partition]))
		return false;
	assembler_drop_unjudged(assembler, partition);
	return true;
}

bool assembler_clear_first_copies(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	const struct change *head = lane_head(lane);

	if (head == NULL || is_snapshot_row(head) || head->tx_id == assembler->taking_tx_id ||
	    !lane_has_event_at_hand(assembler, lane) || !is_sent_again(assembler, lane_at(lane, lane->searched_count)))
		return false;
	log_warning("events of transaction %llu are dismissed: transaction %llu, which comes before it, follows them, "
	            "so that they are sent again",
	            (unsigned long long)head->tx_id, (unsigned long long)assembler->taking_tx_id);
	assembler->left_out = true;
	while (head != NULL && !is_snapshot_row(head) && head->tx_id != assembler->taking_tx_id) {
		drop_head(assembler, partition);
		head = lane_head(lane);
	}
	return true;
}

/* Of the transaction topic, the offset of the first event that was not processed; -1: it was not read yet. */
static int64_t next_mark_offset(const struct assembler *assembler)
{
	const struct transaction_mark *mark = assembler_mark(assembler, 0);
	uint32_t partition = assembler_mark_partition(assembler);

	if (mark != NULL)
		return mark->offset;
	return partition == NO_PARTITION ? -1 : assembler->lanes[partition].position;
}

static void drop_resolved(struct assembler *assembler, uint32_t partition, uint64_t tx_id, uint64_t commit_lsn)
{
	const struct change *head;

	while ((head = lane_head(&assembler->lanes[partition])) != NULL && is_unjudged(assembler, head) &&
	       head->tx_id == tx_id && head->lsn <= commit_lsn && head->previous_commit_lsn < commit_lsn)
		drop_head(assembler, partition);
}

/* The connector left its transaction unfinished and made a new snapshot, which has what it did. */
static void drop_unfinished(struct assembler *assembler, uint32_t partition)
{
	const struct change *head = lane_head(&assembler->lanes[partition]);
	uint64_t tx_id = head->tx_id;

	log_warning("events of transaction %llu are dismissed: it never ended, and a snapshot follows it",
	            (unsigned long long)tx_id);
	assembler->left_out = true;
	while (head != NULL && is_unjudged(assembler, head) && head->tx_id == tx_id) {
		drop_head(assembler, partition);
		head = lane_head(&assembler->lanes[partition]);
	}
}

void assembler_resolve_head(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	const struct change *head = assembler_live_head(assembler, partition);
	uint64_t lowest, commit_lsn;

	if (head == NULL || !is_unjudged(assembler, head) || lane->asked_offset == head->offset)
		return;
	lowest = head->previous_commit_lsn < head->lsn ? head->lsn : head->previous_commit_lsn + 1;
	switch (look_up(assembler,
	                (struct end_query){.before = next_mark_offset(assembler),
	                                   .tx_id = head->tx_id,
	                                   .lowest_lsn = lowest,
	                                   .highest_lsn = assembler->watermark},
	                &commit_lsn)) {
	case END_UNKNOWN:
		return;
	case END_FOUND:
		log_info("events of transaction %llu are dismissed as repeats: its END is in the transaction topic",
		         (unsigned long long)head->tx_id);
		drop_resolved(assembler, partition, head->tx_id, commit_lsn);
		return;
	case END_ABSENT:
		lane->asked_offset = head->offset;
		if (assembler_snapshot_has(assembler, head->tx_id, head->lsn, head->previous_commit_lsn) &&
		    !assembler_is_marked(assembler, head->tx_id, true))
			drop_unfinished(assembler, partition);
	}
}

static void tick_lane(struct assembler *assembler, uint32_t partition, int64_t marks_high)
{
	struct lane *lane = &assembler->lanes[partition];
	const struct change *head = assembler_live_head(assembler, partition);

	if (head == NULL || !is_unjudged(assembler, head))
		return;
	if (head->offset >= lane->unjudged_until) {
		lane->unjudged_until = lane->position;
		lane->unjudged_ticks = 0;
		lane->resolve_at = -1;
	}
	if (lane->unjudged_ticks < TICKS_UNTIL_RESOLVED) {
		lane->unjudged_ticks++;
		return;
	}
	if (lane->resolve_at < 0)
		lane->resolve_at = marks_high;
	if (lane->resolve_at >= 0 && next_mark_offset(assembler) >= lane->resolve_at)
		assembler_resolve_head(assembler, partition);
}

void assembler_tick(struct assembler *assembler, int64_t marks_high)
{
	assembler->gone_ticks += assembler->awaits_gone ? 1 : 0;
	assembler->lost_ticks += assembler->awaits_lost ? 1 : 0;
	assembler->chain_ticks += assembler->chain_is_broken ? 1 : 0;
	assembler->number_ticks += assembler->awaits_numbers ? 1 : 0;
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used)
			tick_lane(assembler, i, marks_high);
}
