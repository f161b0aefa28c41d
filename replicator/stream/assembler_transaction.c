/*
 * assembler_transaction.c - whole transactions: from the heads of the partitions what END counts.
 *
 * NOTES
 *   Take what carries the txId of the END at hand, until each collection's count is met. Where much waits and no END
 *   has come, the transaction of the BEGIN at the head is taken ahead of its END, and beyond spill_bytes it goes to a file.
 *
 *   A restart of the connector inside a transaction sends events again; lane.c drops the repeats and repairs the numbers.
 *   Where these were too low END's counts are short by as much: then the union of what was sent is expected, and two
 *   events that still share a number stop the stream.
 */
#include "stream/assembler_internal.h"

#include "base/log.h"
#include "base/lsn.h"

#include <stdlib.h>

/* Seconds without progress before an END whose collection has no topic stops the stream. */
#define QUIET_TICKS_TO_STOP 60
#define QUIET_TICKS_OF_CHAIN 3

void assembler_forget_taken(struct assembler *assembler)
{
	for (size_t i = 0; i < assembler->lane_count; i++) {
		struct lane *lane = &assembler->lanes[i];

		if (!lane->taken_any)
			continue;
		for (size_t j = 0; j < lane->taken_count; j++)
			change_release(lane->taken[j]);
		lane_forget_taken(lane);
		assembler_touch(assembler, (uint32_t)i);
	}
	for (size_t i = 0; i < assembler->collection_count; i++)
		if (assembler->collections[i] != NULL)
			assembler->collections[i]->got = 0;
	spill_free(assembler->spill);
	assembler->spill = NULL;
	assembler->taken_bytes = 0;
	assembler->taking = false;
	assembler->current = NULL;
}

/* ENDs. */

static struct error *history_error(const struct assembler *assembler, const struct transaction_mark *end)
{
	char lsn[LSN_TEXT_SIZE], watermark[LSN_TEXT_SIZE];

	lsn_format(end->lsn, lsn);
	lsn_format(assembler->watermark, watermark);
	return error_new(
	    ERROR_GAP,
	    "transaction %llu was committed after the last applied one, but its commit LSN %s is not above "
	    "%s: the connector reads another history (a failover that lost WAL, or a restored source); "
	    "compare both sides (check_target), then run `replicator accept new-slot` to go on there",
	    (unsigned long long)end->tx_id, lsn, watermark);
}

/* The END goes, and the BEGIN before it if there is one. */
static void pop_end(struct assembler *assembler, const struct transaction_mark *end)
{
	if (assembler_mark(assembler, 0) != end)
		assembler_pop_mark(assembler);
	assembler_pop_mark(assembler);
	assembler_touch(assembler, assembler->mark_partition);
}

/* A BEGIN whose END went with a restart of the connector; what was taken for it went with it, too. */
static void pop_orphan(struct assembler *assembler, uint64_t tx_id, bool begins_again)
{
	assembler_pop_mark(assembler);
	assembler_touch(assembler, assembler->mark_partition);
	if (assembler->taking && assembler->taking_tx_id == tx_id && !begins_again)
		assembler_forget_taken(assembler);
}

/* The END to work on: orphaned BEGINs and repeated ENDs go away here. *end NULL: it has not come yet. */
static struct error *next_end(struct assembler *assembler, struct transaction_mark **end)
{
	struct transaction_mark *mark;

	*end = NULL;
	while ((mark = assembler_mark(assembler, 0)) != NULL) {
		struct transaction_mark *behind = mark->end ? mark : assembler_mark(assembler, 1);

		if (behind == NULL)
			return NULL;
		if (!behind->end || behind->tx_id != mark->tx_id) {
			pop_orphan(assembler, mark->tx_id, behind->tx_id == mark->tx_id);
			continue;
		}
		if (behind->lsn > assembler->watermark) {
			*end = behind;
			return NULL;
		}
		if (assembler_is_newer(assembler, behind->tx_id, behind->source_us))
			return history_error(assembler, behind);
		assembler_remember(assembler, behind->tx_id);
		pop_end(assembler, behind);
	}
	return NULL;
}

/*
 * sequence[0] of a transaction is the commit LSN of the one before, or the LSN of a message outside any transaction. The
 * transactions between that and W are not in the transaction topic. NULL also while it may still come.
 */
static struct error *check_chain(const struct assembler *assembler)
{
	const struct transaction_mark *end = assembler->current;
	uint64_t previous = 0;
	char watermark[LSN_TEXT_SIZE], lsn[LSN_TEXT_SIZE];

	for (size_t i = 0; i < assembler->lane_count && previous == 0; i++)
		if (assembler->lanes[i].taken_count > 0)
			previous = assembler->lanes[i].taken[0]->previous_commit_lsn;
	if (previous <= assembler->watermark || assembler->watermark == 0 || assembler->word_open ||
	    previous <= assembler->message_lsn || previous <= assembler->generation.lsn)
		return NULL;
	lsn_format(assembler->watermark, watermark);
	lsn_format(previous, lsn);
	return error_new(
	    ERROR_GAP,
	    "transaction %llu follows commit LSN %s, but the last one in the transaction topic is %s: what was "
	    "between is gone (the topic was made again or cut), or it was a message outside any transaction in a "
	    "topic that is not read; run `replicator table resync TABLE`, or `replicator accept gap` to go on",
	    (unsigned long long)end->tx_id, lsn, watermark);
}

static struct error *begin_current(struct assembler *assembler, struct transaction_mark *end)
{
	if (assembler->taking && assembler->taking_tx_id != end->tx_id)
		return error_new(
		    ERROR_EVENT,
		    "transaction %llu has a BEGIN and events, but the next END is that of transaction %llu: "
		    "the transaction topic is not whole",
		    (unsigned long long)assembler->taking_tx_id, (unsigned long long)end->tx_id);
	assembler->taking = true;
	assembler->taking_tx_id = end->tx_id;
	assembler->current = end;
	for (uint32_t i = 0; i < end->count_count; i++) {
		struct collection_state *state = assembler_collection(assembler, end->counts[i].collection);

		state->needed = state->excluded ? 0 : end->counts[i].count;
	}
	return NULL;
}

/* Taking. */

static struct error *spill_taken(struct assembler *assembler, struct lane *lane)
{
	struct error *error = NULL;

	for (size_t i = 0; i < lane->taken_count; i++) {
		assembler->taken_bytes -= lane->taken[i]->bytes;
		if (error == NULL)
			error = spill_add(assembler->spill, lane->taken[i]);
		else
			change_release(lane->taken[i]);
	}
	lane->taken_count = 0;
	return error;
}

static struct error *spill_when_large(struct assembler *assembler)
{
	const struct assembler_options *options = &assembler->options;

	if (options->spill_bytes == 0 || assembler->taken_bytes <= options->spill_bytes)
		return NULL;
	log_info("transaction %llu has more than %zu MB of events: it goes to a file in %s",
	         (unsigned long long)assembler->taking_tx_id, options->spill_bytes >> 20, options->spill_dir);
	TRY(spill_open(options->spill_dir, options->spill_limit, &assembler->spill));
	for (size_t i = 0; i < assembler->lane_count; i++)
		TRY(spill_taken(assembler, &assembler->lanes[i]));
	return NULL;
}

static struct error *misfit(const struct assembler *assembler, const struct change *change)
{
	return assembler_change_error(
	    assembler, change,
	    "the numbering of its transaction began anew (connector restart) and does not fit the "
	    "events that came before");
}

static struct error *take_from_lane(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	struct change *change;

	while ((change = assembler_live_head(assembler, partition)) != NULL && !is_snapshot_row(change) &&
	       change->tx_id == assembler->taking_tx_id) {
		size_t bytes = change->bytes;
		struct collection_state *state = assembler_collection(assembler, change->relation->collection);
		enum lane_take result;

		TRY(lane_take_head(lane, assembler->spill, &result));
		if (result == LANE_MISFIT)
			return misfit(assembler, change);
		assembler->waiting_bytes -= bytes;
		assembler_touch(assembler, partition);
		if (result == LANE_REPEATED)
			continue;
		state->got++;
		assembler->taken_bytes += bytes;
		TRY(assembler->spill != NULL ? spill_taken(assembler, lane) : spill_when_large(assembler));
	}
	return NULL;
}

/* What the transaction of the BEGIN at the head has sent so far, before its END is there. */
static struct error *take_early(struct assembler *assembler)
{
	const struct transaction_mark *begin = assembler_mark(assembler, 0);

	if (begin == NULL || begin->end || assembler->options.spill_bytes == 0 ||
	    assembler->waiting_bytes < assembler->options.spill_bytes)
		return NULL;
	assembler->taking = true;
	assembler->taking_tx_id = begin->tx_id;
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used)
			TRY(take_from_lane(assembler, i));
	return NULL;
}

/* Counts that are not met. */

/* True when no event of the current transaction can come from the lane any more: it goes on with a later one. */
static bool lane_is_past(const struct assembler *assembler, uint32_t partition)
{
	const struct change *head = lane_head(&assembler->lanes[partition]);

	return head != NULL && !is_snapshot_row(head) && head->tx_id != assembler->taking_tx_id &&
	       head->previous_commit_lsn >= assembler->current->lsn;
}

/* An event at the head whose transaction committed before the current one: its END is lost. */
static const struct change *lane_stale_head(const struct assembler *assembler, uint32_t partition)
{
	const struct change *head = lane_head(&assembler->lanes[partition]);

	if (head == NULL || is_snapshot_row(head) || head->tx_id == assembler->taking_tx_id ||
	    head->previous_commit_lsn == 0 || head->previous_commit_lsn >= assembler->current->lsn)
		return NULL;
	return head;
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

/* The operator accepted a gap, the END lies before its end, and all is read up to there: more will not come. */
static bool gap_explains(const struct assembler *assembler)
{
	if (assembler->lanes[assembler->mark_partition].gap_until <= assembler->current->offset)
		return false;
	for (size_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used && assembler->lanes[i].position < assembler->lanes[i].gap_until)
			return false;
	return true;
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

/* In an accepted gap END may be lost as well: what stands at the head for it goes. */
static struct error *handle_stale(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	const struct change *stale;

	while ((stale = lane_stale_head(assembler, partition)) != NULL) {
		struct change *head = lane_head(lane);

		if (stale->offset >= lane->gap_until)
			return lost_end_error(assembler, stale);
		log_warning("transaction %llu: an event of %s is left out: its END is lost in the accepted gap",
		            (unsigned long long)head->tx_id, head->relation->collection->name);
		assembler_pop(assembler, lane);
		change_release(head);
		assembler_touch(assembler, partition);
	}
	return NULL;
}

static struct error *check_can_be_met(struct assembler *assembler, struct collection_state *state)
{
	size_t past = 0;

	for (size_t i = 0; i < state->lane_count; i++) {
		TRY(handle_stale(assembler, state->lanes[i]));
		TRY(take_from_lane(assembler, state->lanes[i]));
		past += lane_is_past(assembler, state->lanes[i]) ? 1 : 0;
	}
	if (state->got >= state->needed)
		return NULL;
	if (gap_explains(assembler)) {
		log_warning("transaction %llu: %llu of %llu events of %s came; the others are lost in the accepted gap",
		            (unsigned long long)assembler->taking_tx_id, (unsigned long long)state->got,
		            (unsigned long long)state->needed, state->collection->name);
		state->needed = state->got;
		return NULL;
	}
	if (state->lane_count > 0 && past == state->lane_count)
		return count_error(assembler, state, "its partitions go on with later transactions");
	if (state->lane_count == 0 && assembler->quiet_ticks >= QUIET_TICKS_TO_STOP)
		return count_error(assembler, state, "no topic that this stream reads ever carried it");
	return NULL;
}

/* What END's counts lack since the numbers were too low; 0 ordinarily. */
static uint64_t longest_shift(const struct assembler *assembler)
{
	uint64_t shift = 0;

	for (size_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].shift > shift)
			shift = assembler->lanes[i].shift;
	return shift;
}

static struct error *gather_collection(struct assembler *assembler, struct collection_state *state, bool all)
{
	for (size_t j = 0; j < state->lane_count && (all || state->got < state->needed); j++)
		TRY(take_from_lane(assembler, state->lanes[j]));
	return state->got < state->needed ? check_can_be_met(assembler, state) : NULL;
}

/* Takes what is there for the current transaction. */
static struct error *gather(struct assembler *assembler, bool *complete)
{
	const struct transaction_mark *end = assembler->current;
	uint64_t shift = longest_shift(assembler);
	uint64_t needed = 0, got = 0;

	*complete = true;
	for (uint32_t i = 0; i < end->count_count; i++) {
		struct collection_state *state = assembler_collection(assembler, end->counts[i].collection);

		TRY(gather_collection(assembler, state, shift > 0));
		*complete = *complete && state->got >= state->needed;
		needed += state->needed;
		got += state->got;
	}
	shift = longest_shift(assembler);
	if (*complete && shift > 0 && got < needed + shift)
		*complete = false;
	return NULL;
}

/* Hand-over. */

static int by_total_order(const void *a, const void *b)
{
	const struct change *first = *(const struct change *const *)a;
	const struct change *second = *(const struct change *const *)b;

	return (first->total_order > second->total_order) - (first->total_order < second->total_order);
}

static struct error *sort_changes(const struct assembler *assembler, struct transaction *transaction)
{
	struct change **changes = transaction->changes;
	bool sorted = true;

	for (size_t i = 1; i < transaction->change_count && sorted; i++)
		sorted = changes[i]->total_order >= changes[i - 1]->total_order;
	if (!sorted)
		qsort(changes, transaction->change_count, sizeof(struct change *), by_total_order);
	for (size_t i = 1; i < transaction->change_count; i++)
		if (changes[i]->total_order == changes[i - 1]->total_order)
			return misfit(assembler, changes[i]);
	return NULL;
}

static void move_taken(struct assembler *assembler, struct transaction *transaction)
{
	const struct transaction_mark *end = assembler->current;

	for (uint32_t i = 0; i < end->count_count; i++) {
		struct collection_state *state = assembler_collection(assembler, end->counts[i].collection);

		for (size_t j = 0; j < state->lane_count; j++) {
			struct lane *lane = &assembler->lanes[state->lanes[j]];

			for (size_t k = 0; k < lane->taken_count; k++)
				transaction_add_change(transaction, lane->taken[k]);
			lane_forget_taken(lane);
			assembler_touch(assembler, state->lanes[j]);
		}
		state->got = 0;
	}
}

static void move_spill(struct assembler *assembler, struct transaction *transaction)
{
	log_info("transaction %llu is whole: %zu events, %llu MB in a file",
	         (unsigned long long)assembler->taking_tx_id, spill_count(assembler->spill),
	         (unsigned long long)spill_bytes(assembler->spill) >> 20);
	transaction->spill = assembler->spill;
	transaction->change_count = spill_count(assembler->spill);
	assembler->spill = NULL;
}

static struct error *finish_current(struct assembler *assembler, struct transaction **result)
{
	struct transaction_mark *end = assembler->current;
	struct transaction *transaction = transaction_new(TRANSACTION_STREAMED);

	move_taken(assembler, transaction);
	if (assembler->spill != NULL) {
		move_spill(assembler, transaction);
	} else {
		struct error *error = sort_changes(assembler, transaction);

		if (error != NULL) {
			transaction_free(transaction);
			return error;
		}
	}
	transaction->tx_id = end->tx_id;
	transaction->commit_lsn = end->lsn;
	transaction->source_us = end->source_us;
	transaction->timestamp_ms = end->timestamp_ms;
	assembler->watermark = end->lsn;
	assembler->watermark_us = end->source_us;
	assembler_remember(assembler, end->tx_id);
	assembler->taken_bytes = 0;
	assembler->taking = false;
	assembler->current = NULL;
	pop_end(assembler, end);
	assembler_add_positions(assembler, transaction);
	*result = transaction;
	return NULL;
}

struct error *assembler_next_transaction(struct assembler *assembler, struct transaction **transaction)
{
	struct error *error;
	bool complete;

	if (assembler->current == NULL) {
		struct transaction_mark *end;

		TRY(next_end(assembler, &end));
		if (assembler_generation_waits(assembler, end == NULL ? 0 : end->lsn))
			return NULL;
		if (end == NULL)
			return take_early(assembler);
		TRY(begin_current(assembler, end));
	}
	TRY(gather(assembler, &complete));
	if (!complete)
		return NULL;
	error = check_chain(assembler);
	if (error == NULL)
		return finish_current(assembler, transaction);
	if (assembler->quiet_ticks >= QUIET_TICKS_OF_CHAIN)
		return error;
	error_free(error); /* a message that explains it may still come */
	return NULL;
}
