/*
 * assembler_counts.c - whether all events of the transaction at hand came.
 *
 * NOTES
 *   END counts the events by collection. Its counts are exact as long as the connector was not restarted inside the
 *   transaction, and mostly even then: it keeps the counts with its place. They are too low
 *     - when the connector numbered anew: its place was before the commit of another transaction, which it had sent
 *     before this
 *       one. It passes over the events of that one, but not over its BEGIN and COMMIT, and loses its counts there. Then
 *       it sends a second BEGIN of this one, too;
 *     - when its place was inside the events of one LSN: a key change, a COPY, a TRUNCATE of several tables.
 *   Counts that are too low are met too early. So after a second BEGIN, with events that share an LSN, and after
 *   anything that shows a restart, the transaction is whole only when also every partition is read to where it ended
 *   after END was written, or goes on with a later transaction. TRUNCATE and schema changes wait likewise: what stands
 *   before them in other partitions goes first.
 *
 *   A connector that dies can leave END in Kafka without some of the events. Where it resumes at its place, it sends them
 *   again, after repeats of earlier transactions. Where it makes a new snapshot, they never come, and the snapshot has what the
 *   transaction did: it is handed over without its events, and all tables become unverified. The rows of that snapshot can be in
 *   partitions that are read later, so the stream stops for a missing event or END only after it has waited some seconds and
 *   has read all partitions to their ends.
 *   Which events are of a later transaction their LSN says, or sequence[0]. The first transaction after a snapshot has no
 *   sequence[0]: if its events began before the current transaction committed, only its END says it.
 */
#include "stream/assembler_internal.h"

#include "base/log.h"
#include "base/lsn.h"

/* Seconds in which events may come that the numbers say are missing; a producer under load was measured to be 9 s late. */
#define NUMBER_TICKS_TO_GO_ON 60
/* Seconds without progress before an END whose collection has no topic stops the stream. */
#define QUIET_TICKS_TO_STOP 60
/* Seconds in which a deleted topic may turn out to have been created again, with the events that an END announces. */
#define GONE_TICKS_TO_STOP 5

/* Counts that are not met. */

/* True when no event of the current transaction can come from the lane any more: it goes on with a later one. */
static bool lane_is_past(const struct assembler *assembler, uint32_t partition)
{
	const struct change *head = assembler_first_judged(assembler, partition);

	if (assembler_head_is_later(assembler, partition))
		return true;
	if (head == NULL || is_snapshot_row(head) || head->tx_id == assembler->taking_tx_id)
		return false;
	return event_commits_after(head, assembler->current->lsn) ||
	       (head->previous_commit_lsn == 0 && assembler_is_marked(assembler, head->tx_id, false));
}

/* Of an event without sequence[0] before those of the current transaction: no END comes any more. */
static bool end_is_lost(struct assembler *assembler, const struct change *event)
{
	assembler->awaits_lost = true;
	return assembler->lost_ticks >= TICKS_UNTIL_RESOLVED && !assembler_is_marked(assembler, event->tx_id, false) &&
	       assembler_is_at_end(assembler, assembler->mark_partition);
}

/*
 * Before the head, events of the current transaction were taken, and repeats of earlier ones follow: the connector died
 * after its END was written and before all of its events were. Those come again behind these repeats.
 */
static bool lane_is_sent_again(struct assembler *assembler, uint32_t partition)
{
	if (!assembler_head_is_later(assembler, partition))
		return false;
	assembler->awaits_lost = true;
	return assembler->lost_ticks < QUIET_TICKS_TO_STOP;
}

static bool has_no_more(struct assembler *assembler, uint32_t partition)
{
	return lane_is_past(assembler, partition) && !lane_is_sent_again(assembler, partition);
}

/* The first event that is no repeat, if its transaction committed before the current one: its END is lost. */
static const struct change *lane_stale_event(struct assembler *assembler, uint32_t partition)
{
	const struct change *event = assembler_live_head(assembler, partition);

	if (event != NULL)
		event = assembler_first_judged(assembler, partition);
	if (event == NULL || is_snapshot_row(event) || event->tx_id == assembler->taking_tx_id ||
	    lane_is_past(assembler, partition))
		return NULL;
	return event->previous_commit_lsn != 0 || end_is_lost(assembler, event) ? event : NULL;
}

static struct error *count_error(const struct assembler *assembler, const struct collection_state *state,
                                 const char *reason)
{
	char lsn[LSN_TEXT_SIZE];

	lsn_format(assembler->current->lsn, lsn);
	return error_new(
	    ERROR_EVENT,
	    "transaction %llu (commit LSN %s): END announces %llu events of %s, %llu came, and %s; a transform "
	    "that filters events, or a topic that is not subscribed, causes this. Remove the filter, subscribe "
	    "the topic (kafka.topics), or exclude the table (tables)",
	    (unsigned long long)assembler->taking_tx_id, lsn, (unsigned long long)state->needed,
	    state->collection->name, (unsigned long long)state->got, reason);
}

/*
 * The operator accepted a gap, and the END lies before its end: more will not come, since the partitions go on with later
 * transactions (`past`), or all is read up to there.
 */
static bool gap_explains(const struct assembler *assembler, bool past)
{
	if (assembler->lanes[assembler->mark_partition].gap_until <= assembler->current->offset)
		return false;
	if (past)
		return true;
	for (size_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used && !assembler->lanes[i].gone &&
		    assembler->lanes[i].position < assembler->lanes[i].gap_until)
			return false;
	return true;
}

static struct error *deleted_error(const struct assembler *assembler, const struct collection_state *state)
{
	return error_new(ERROR_GAP,
	                 "transaction %llu: END announces %llu events of %s, %llu were read, and the topic of the "
	                 "others was deleted; run `replicator table resync %s`, or `replicator accept gap` to continue "
	                 "without these events",
	                 (unsigned long long)assembler->taking_tx_id, (unsigned long long)state->needed,
	                 state->collection->name, (unsigned long long)state->got, state->collection->name);
}

static struct error *lost_end_error(const struct assembler *assembler, const struct change *change)
{
	const struct partition_name *name = partition_list_get(assembler->partitions, change->partition);

	return error_new(
	    ERROR_GAP,
	    "%s[%d]@%lld: transaction %llu was committed before transaction %llu, but its END is not in the "
	    "transaction topic (made again or cut); run `replicator table resync TABLE` for its tables, or "
	    "`replicator accept gap` to go on without it",
	    name->topic, (int)name->id, (long long)change->offset, (unsigned long long)change->tx_id,
	    (unsigned long long)assembler->taking_tx_id);
}

bool assembler_all_is_read(struct assembler *assembler)
{
	bool all = true;

	assembler->awaits_lost = true;
	if (assembler->lost_ticks < TICKS_UNTIL_RESOLVED)
		return false;
	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		struct lane *lane = &assembler->lanes[i];

		if (!lane->used)
			continue;
		if ((!assembler->read_asked || lane->read_until < 0) &&
		    !assembler_ask_end(assembler, i, &lane->read_until))
			lane->read_until = -1;
		all = all && lane->read_until >= 0 && (lane->gone || lane->position >= lane->read_until);
	}
	assembler->read_asked = true;
	return all;
}

bool assembler_awaits_all(const struct assembler *assembler, uint32_t partition)
{
	const struct lane *lane = &assembler->lanes[partition];

	return assembler->read_asked && (lane->read_until < 0 || lane->position < lane->read_until);
}

bool assembler_snapshot_has(const struct assembler *assembler, uint64_t tx_id, uint64_t lsn,
                            uint64_t previous_commit_lsn)
{
	return lsn <= assembler->newest_boundary && previous_commit_lsn < assembler->newest_boundary &&
	       tx_id != assembler->newest_tx_id;
}

/* In an accepted gap END may be lost as well: what stands at the head for it goes. */
static struct error *handle_stale(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	const struct change *stale;

	while ((stale = lane_stale_event(assembler, partition)) != NULL) {
		bool replaced = assembler_snapshot_has(assembler, stale->tx_id, stale->lsn, stale->previous_commit_lsn);

		if (!replaced && stale->offset >= lane->gap_until)
			return assembler_all_is_read(assembler) ? lost_end_error(assembler, stale) : NULL;
		log_warning("transaction %llu: an event of %s is left out: %s", (unsigned long long)stale->tx_id,
		            stale->relation->collection->name,
		            replaced ? "it never ended, and a snapshot follows it"
		                     : "its END is lost in the accepted gap");
		assembler->left_out = assembler->left_out || replaced;
		assembler_drop_unjudged(assembler, partition); /* the END of a repeat would be before the current one */
		assembler_release_head(assembler, partition);
	}
	return NULL;
}

/* All that the partition has for the current transaction. Repeats that stand between its parts go. */
static struct error *take_reachable(struct assembler *assembler, uint32_t partition)
{
	do {
		TRY(handle_stale(assembler, partition));
		TRY(assembler_take(assembler, partition));
	} while (assembler_clear_way(assembler, partition));
	return NULL;
}

/*
 * The connector died after END and before other events were in Kafka, and made a new snapshot instead of going on at its
 * place: it never sends these events again, and the snapshot has what they did.
 */
static bool snapshot_follows(const struct assembler *assembler)
{
	return assembler->newest_boundary >= assembler->current->lsn &&
	       assembler->newest_tx_id != assembler->taking_tx_id;
}

/* An empty table has no row in the snapshot: that nothing more comes only time tells. */
static bool lane_has_snapshot_only(const struct assembler *assembler, uint32_t partition)
{
	const struct lane *lane = &assembler->lanes[partition];
	const struct change *head = assembler_first_judged(assembler, partition);

	if (head != NULL && !is_snapshot_row(head))
		return false;
	return lane->snapshot_seen ||
	       (assembler->lost_ticks >= TICKS_UNTIL_RESOLVED && assembler_is_at_end(assembler, partition));
}

static bool is_replaced(struct assembler *assembler, const struct collection_state *state)
{
	if (!snapshot_follows(assembler))
		return false;
	assembler->awaits_lost = true;
	for (size_t i = 0; i < state->lane_count; i++)
		if (!has_no_more(assembler, state->lanes[i]) && !lane_has_snapshot_only(assembler, state->lanes[i]))
			return false;
	return state->lane_count > 0 || assembler->quiet_ticks >= QUIET_TICKS_TO_STOP;
}

static struct error *check_can_be_met(struct assembler *assembler, struct collection_state *state)
{
	size_t past = 0, gone = 0;

	for (size_t i = 0; i < state->lane_count; i++) {
		TRY(take_reachable(assembler, state->lanes[i]));
		if (state->got < state->needed && assembler_clear_repeats(assembler, state->lanes[i]))
			TRY(take_reachable(assembler, state->lanes[i]));
		if (assembler->lanes[state->lanes[i]].gone)
			gone++;
		else
			past += has_no_more(assembler, state->lanes[i]) ? 1 : 0;
	}
	if (state->got >= state->needed)
		return NULL;
	if (gap_explains(assembler, state->lane_count > 0 && past + gone == state->lane_count)) {
		log_warning("transaction %llu: %llu of %llu events of %s came; the others are lost in the accepted gap",
		            (unsigned long long)assembler->taking_tx_id, (unsigned long long)state->got,
		            (unsigned long long)state->needed, state->collection->name);
		state->needed = state->got;
		return NULL;
	}
	if (gone > 0 && past + gone == state->lane_count) {
		assembler->awaits_gone = true;
		return assembler->gone_ticks >= GONE_TICKS_TO_STOP ? deleted_error(assembler, state) : NULL;
	}
	assembler->replaced = is_replaced(assembler, state);
	if (assembler->replaced)
		return NULL;
	if (state->lane_count > 0 && past == state->lane_count && assembler_all_is_read(assembler)) {
		for (size_t i = 0; i < state->lane_count; i++)
			if (assembler_clear_first_copies(assembler, state->lanes[i]))
				return take_reachable(assembler, state->lanes[i]);
		return count_error(assembler, state, "its partitions go on with later transactions");
	}
	if (state->lane_count == 0 && assembler->quiet_ticks >= QUIET_TICKS_TO_STOP)
		return count_error(assembler, state, "no topic that this stream reads ever carried it");
	return NULL;
}

/* The partitions' ends. */

/*
 * What was asked once serves all ENDs that were read by then: reading a backlog costs few questions. A partition that
 * continues with a later transaction is not asked. One without an answer (it has no leader) is asked again.
 */
static void ask_ends(struct assembler *assembler)
{
	bool all = !assembler->ends_asked && assembler->current->offset >= assembler->ends_until;

	assembler->ends_asked = true;
	if (all)
		assembler->ends_until = assembler->lanes[assembler->mark_partition].position;
	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		struct lane *lane = &assembler->lanes[i];

		lane->end_unknown = lane->used && (all || lane->end_unknown);
		if (lane->end_unknown && i != assembler->mark_partition && !lane_is_past(assembler, i))
			lane->end_unknown = !assembler_ask_end(assembler, i, &lane->end);
	}
}

/* An incremental snapshot's row that belongs behind the transaction at hand says as much as a later transaction. */
static bool lane_is_settled(const struct assembler *assembler, uint32_t partition)
{
	const struct lane *lane = &assembler->lanes[partition];
	const struct change *head = lane_head(lane);

	if (!lane->used || lane->gone || partition == assembler->mark_partition ||
	    (!lane->end_unknown && lane->position >= lane->end))
		return true; /* the marks' own partition is read up to END */
	return lane_is_past(assembler, partition) ||
	       (head != NULL && is_snapshot_row(head) && head->previous_commit_lsn >= assembler->current->lsn);
}

/* Numbers. */

static bool may_send_more(const struct assembler *assembler, uint32_t partition)
{
	const struct lane *lane = &assembler->lanes[partition];

	return lane->used && !lane->gone && partition != assembler->mark_partition &&
	       !lane_is_past(assembler, partition);
}

/*
 * Whether the last events have the numbers up to the one that END says. Before them stand those that the connector had
 * sent before it started again: their numbers are higher than these would be, and behind a second BEGIN the others
 * begin at 1.
 */
static bool numbers_are_met(const struct assembler *assembler)
{
	const struct event_numbers *numbers = &assembler->numbers;

	if (numbers->last != assembler->current->event_count)
		return false;
	if (numbers->first <= 1)
		return true;
	return numbers->before >= numbers->first && (numbers->restart || !assembler->second_begin);
}

/* The numbers of excluded tables, and of what is lost in an accepted gap, are not there. */
static bool numbers_say_nothing(const struct assembler *assembler)
{
	const struct transaction_mark *end = assembler->current;

	for (uint32_t i = 0; i < end->count_count; i++)
		if (assembler->collections[end->counts[i].collection->number]->excluded)
			return true;
	return assembler->lanes[assembler->mark_partition].gap_until > end->offset;
}

/*
 * A partition's end proves little: the connector's producer may write END before events that it was given earlier, to
 * other partitions, and when the connector started again inside the transaction the counts do not show that. The numbers do.
 */
static bool must_await_numbers(struct assembler *assembler)
{
	assembler->awaits_numbers = !numbers_say_nothing(assembler) && !numbers_are_met(assembler);
	if (!assembler->awaits_numbers || assembler->number_ticks >= NUMBER_TICKS_TO_GO_ON)
		return false;
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (may_send_more(assembler, i))
			return true;
	return false;
}

bool assembler_awaits(const struct assembler *assembler, uint32_t partition)
{
	if (!assembler->settle || !assembler->ends_asked)
		return false;
	return !lane_is_settled(assembler, partition) ||
	       (assembler->awaits_numbers && may_send_more(assembler, partition));
}

/*
 * The counts of END do not name a topic whose only events were sent before the connector started again, and a topic that was
 * created with them may not be discovered yet. One look serves all ENDs that were read by then.
 */
static struct error *find_topics(struct assembler *assembler, bool *found)
{
	const struct assembler_options *options = &assembler->options;

	*found = true;
	if (!assembler->restarted || assembler->current->offset < assembler->topics_until ||
	    options->find_partitions == NULL)
		return NULL;
	TRY(options->find_partitions(options->context, found));
	if (*found)
		assembler->topics_until = assembler->lanes[assembler->mark_partition].position;
	return NULL;
}

static struct error *settle(struct assembler *assembler, bool *settled)
{
	bool found;

	TRY(find_topics(assembler, &found));
	*settled = *settled && found;
	ask_ends(assembler);
	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		if (!assembler->lanes[i].used)
			continue;
		TRY(take_reachable(assembler, i));
		*settled = *settled && lane_is_settled(assembler, i);
	}
	return NULL;
}

static bool counts_are_met(const struct assembler *assembler)
{
	const struct transaction_mark *end = assembler->current;

	for (uint32_t i = 0; i < end->count_count; i++) {
		const struct collection_state *state = assembler->collections[end->counts[i].collection->number];

		if (state->got < state->needed)
			return false;
	}
	return true;
}

static struct error *gather_collection(struct assembler *assembler, struct collection_state *state)
{
	for (size_t j = 0; j < state->lane_count; j++)
		TRY(assembler_take(assembler, state->lanes[j]));
	return state->got < state->needed ? check_can_be_met(assembler, state) : NULL;
}

struct error *assembler_gather(struct assembler *assembler, bool *complete)
{
	const struct transaction_mark *end = assembler->current;
	bool settled, looked;

	assembler->replaced = false;
	for (uint32_t i = 0; i < end->count_count && !assembler->replaced; i++)
		TRY(gather_collection(assembler, assembler_collection(assembler, end->counts[i].collection)));
	*complete = assembler->replaced;
	if (*complete)
		return NULL;
	*complete = counts_are_met(assembler);
	if (assembler->settle)
		TRY(settle(assembler, complete));
	if (!*complete)
		return NULL;
	settled = assembler->settle;
	looked = assembler->restarted;
	TRY(assembler_align_taken(assembler));
	*complete = counts_are_met(assembler); /* repeats in other partitions were counted, too */
	if (*complete &&
	    (assembler->settle != settled || assembler->restarted != looked)) /* only their order showed it */
		return assembler_gather(assembler, complete);
	*complete = *complete && !(assembler->settle && must_await_numbers(assembler));
	return NULL;
}
