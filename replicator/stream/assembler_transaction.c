/*
 * assembler_transaction.c - whole transactions: which END is next, and the hand-over.
 *
 * NOTES
 *   ENDs come in commit order, so the one at the head of the transaction topic is next; one at or below W is a repeat, or
 *   belongs to another history of the source (assembler_repeats.c).
 *   Where much waits and no END has come, the transaction of the BEGIN at the head is taken ahead of it.
 *
 *   A connector that starts again inside a transaction may send another BEGIN of it, behind BEGIN and END (without
 *   events) of transactions that it sent before. A BEGIN without its END is such a sign (assembler_counts.c), and the
 *   position stays before it until the transaction is through: a daemon that starts in between must see it, too.
 */
#include "stream/assembler_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/lsn.h"
#include "base/memory.h"

/* Seconds in which a message that explains sequence[0] of a transaction may still be read. */
#define TICKS_OF_CHAIN 3

/* ENDs. */

static struct error *history_error(const struct assembler *assembler, const struct transaction_mark *end)
{
	char lsn[LSN_TEXT_SIZE], watermark[LSN_TEXT_SIZE];

	lsn_format(end->lsn, lsn);
	lsn_format(assembler->watermark, watermark);
	return error_new(ERROR_GAP,
	                 "transaction %llu has commit LSN %s, which is not above the last applied one, %s, and it is "
	                 "not a repeat: the "
	                 "transaction topic does not contain it before offset %lld; the connector reads another "
	                 "history of the source (a "
	                 "failover that lost WAL, or a restored source); compare both sides (check_target), then run "
	                 "`replicator accept "
	                 "new-slot` to continue with it",
	                 (unsigned long long)end->tx_id, lsn, watermark, (long long)end->offset);
}

static bool new_history_is_accepted(const struct assembler *assembler)
{
	return assembler->word_open && assembler->new_slot;
}

/* The commit LSNs begin anew with this END, if the operator accepted that. */
static struct error *begin_new_history(struct assembler *assembler, const struct transaction_mark *end)
{
	char lsn[LSN_TEXT_SIZE];

	if (!new_history_is_accepted(assembler))
		return history_error(assembler, end);
	lsn_format(end->lsn, lsn);
	log_warning("accepted: another history of the source begins with transaction %llu at %s",
	            (unsigned long long)end->tx_id, lsn);
	assembler->passed_lsn = 0;
	assembler->watermark = end->lsn - 1;   /* what is below still looks repeated */
	if (assembler->message_lsn > end->lsn) /* of the old history */
		assembler->message_lsn = 0;
	if (assembler->newest_boundary > end->lsn)
		assembler->newest_boundary = 0;
	for (size_t i = 0; i < assembler->lane_count; i++)
		assembler->lanes[i].repeated_count = 0;
	return NULL;
}

/* The END goes, and the BEGIN before it if there is one. */
static void pop_end(struct assembler *assembler, const struct transaction_mark *end)
{
	if (assembler_mark(assembler, 0) != end)
		assembler_pop_mark(assembler);
	assembler_pop_mark(assembler);
	assembler_touch(assembler, assembler->mark_partition);
}

/* A BEGIN without its END: the connector started again. */
static void pop_orphan(struct assembler *assembler)
{
	const struct transaction_mark *begin = assembler_mark(assembler, 0);

	assembler->orphans = memory_grow(assembler->orphans, assembler->orphan_count + 1, sizeof(*assembler->orphans));
	assembler->orphans[assembler->orphan_count++] = (struct orphan){begin->tx_id, begin->offset};
	assembler_pop_mark(assembler);
}

static bool has_orphan(const struct assembler *assembler, uint64_t tx_id)
{
	for (size_t i = 0; i < assembler->orphan_count; i++)
		if (assembler->orphans[i].tx_id == tx_id)
			return true;
	return false;
}

static void forget_orphans(struct assembler *assembler, uint64_t tx_id)
{
	size_t stay = 0;

	for (size_t i = 0; i < assembler->orphan_count; i++)
		if (assembler->orphans[i].tx_id != tx_id)
			assembler->orphans[stay++] = assembler->orphans[i];
	assembler->orphan_count = stay;
}

/* Positions that the dropped repeats moved go before the error: after the operator's acknowledgement they do not come again. */
static struct transaction *positions_before_stop(struct assembler *assembler)
{
	struct transaction *transaction;

	if (new_history_is_accepted(assembler))
		return NULL;
	transaction = transaction_new(TRANSACTION_PROGRESS);
	assembler_add_positions(assembler, transaction);
	if (transaction->position_count > 0)
		return transaction;
	transaction_free(transaction);
	return NULL;
}

/* The END to work on: orphaned BEGINs and repeated ENDs go away here. *end NULL: it has not come yet. */
static struct error *next_end(struct assembler *assembler, struct transaction_mark **end, struct transaction **progress)
{
	struct transaction_mark *mark;

	*end = NULL;
	assembler->judging = false;
	while ((mark = assembler_mark(assembler, 0)) != NULL) {
		struct transaction_mark *behind = mark->end ? mark : assembler_mark(assembler, 1);

		if (behind == NULL)
			return NULL;
		if (!behind->end || behind->tx_id != mark->tx_id) {
			pop_orphan(assembler);
			continue;
		}
		if (behind->lsn > assembler->watermark) {
			*end = behind;
			return NULL;
		}
		switch (assembler_judge_end(assembler, behind)) {
		case END_UNKNOWN:
			return NULL;
		case END_ABSENT:
			if (!assembler_is_drained(assembler, behind) ||
			    (*progress = positions_before_stop(assembler)) != NULL)
				return NULL;
			TRY(begin_new_history(assembler, behind));
			break;
		case END_FOUND:
			assembler_dismiss_end(assembler, behind);
			forget_orphans(assembler, behind->tx_id);
			pop_end(assembler, behind);
		}
	}
	return NULL;
}

/*
 * sequence[0] of a transaction is the commit LSN of the one before, or the LSN of a message outside any transaction. True:
 * none that was read has this LSN.
 */
static bool chain_is_broken(const struct assembler *assembler)
{
	uint64_t previous = assembler->taken_previous;

	return previous > assembler->watermark && assembler->watermark != 0 && !assembler->word_open &&
	       previous > assembler->message_lsn && previous > assembler->snapshot.lsn;
}

static bool may_report_break(const struct assembler *assembler)
{
	return clock_monotonic_us() >= assembler->broken_report_us;
}

/*
 * *complete: the current transaction may be handed over. A message that explains sequence[0] was sent before END: all
 * partitions are read up to their ends first.
 */
static struct error *check_chain(struct assembler *assembler, bool *complete)
{
	if (chain_is_broken(assembler) && !assembler->settle) {
		assembler->settle = true;
		TRY(assembler_gather(assembler, complete));
		if (!*complete)
			return NULL;
	}
	assembler->chain_is_broken = chain_is_broken(assembler);
	if (!assembler->chain_is_broken)
		return NULL;
	*complete = assembler->chain_ticks >= TICKS_OF_CHAIN || !may_report_break(assembler);
	if (*complete && assembler->broken_lsn == 0)
		assembler->broken_lsn = assembler->taken_previous;
	return NULL;
}

/* Transactions before this one may be missing. Reported at intervals; the next report covers what was found meanwhile. */
static void report_break(struct assembler *assembler, struct transaction *transaction)
{
	char watermark[LSN_TEXT_SIZE], lsn[LSN_TEXT_SIZE];

	if (assembler->broken_lsn == 0 || !may_report_break(assembler))
		return;
	lsn_format(assembler->watermark, watermark);
	lsn_format(assembler->broken_lsn, lsn);
	log_warning(
	    "transactions before transaction %llu may be missing: the connector sent something at %s that no topic of "
	    "this stream has (the last applied commit LSN is %s); all tables are unverified until a comparison with "
	    "the source. This is a gap when the transaction topic was deleted and created again, or lost its end. Else "
	    "it "
	    "is a logical message that the connector filters, which looks the same: remove message.prefix.include.list "
	    "and message.prefix.exclude.list from the connector, and add the topic PREFIX.message to kafka.topics",
	    (unsigned long long)transaction->tx_id, lsn, watermark);
	transaction->may_lack = true;
	assembler->broken_lsn = 0;
	assembler->broken_report_us = clock_monotonic_us() + assembler->options.break_interval_us;
}

/* Events of this transaction may be missing: their numbers did not come (assembler_counts.c). */
static void report_numbers(const struct assembler *assembler, struct transaction *transaction)
{
	const struct event_numbers *numbers = &assembler->numbers;

	if (!assembler->awaits_numbers)
		return;
	log_warning("events of transaction %llu may be missing: the connector started again inside it, and the numbers "
	            "of its last "
	            "events are %llu to %llu, while END counts %llu; all tables are unverified until a comparison with "
	            "the source",
	            (unsigned long long)assembler->taking_tx_id, (unsigned long long)numbers->first,
	            (unsigned long long)numbers->last, (unsigned long long)assembler->current->event_count);
	transaction->may_lack = true;
}

static bool snapshot_has_taken(const struct assembler *assembler)
{
	return assembler_snapshot_has(assembler, assembler->taking_tx_id, assembler->taken_lsn,
	                              assembler->taken_previous);
}

static void forget_unfinished(struct assembler *assembler)
{
	log_warning("the events of transaction %llu are dismissed: it never ended, and a new snapshot follows it",
	            (unsigned long long)assembler->taking_tx_id);
	assembler->left_out = true;
	assembler_forget_taken(assembler);
}

/*
 * What was taken belongs to a transaction whose END is not the next one: a snapshot replaced it, or its END is lost. *dropped
 * false: that is not known yet.
 */
static struct error *drop_unfinished(struct assembler *assembler, const struct transaction_mark *end, bool *dropped)
{
	*dropped = true;
	if (snapshot_has_taken(assembler)) {
		forget_unfinished(assembler);
		return NULL;
	}
	if (assembler->lanes[assembler->mark_partition].gap_until > end->offset) {
		log_warning("the events of transaction %llu are dismissed: its END is lost in the accepted gap",
		            (unsigned long long)assembler->taking_tx_id);
		assembler_forget_taken(assembler);
		return NULL;
	}
	*dropped = false;
	if (!assembler_all_is_read(assembler))
		return NULL;
	return error_new(ERROR_GAP,
	                 "transaction %llu has a BEGIN and events, but the next END is that of transaction %llu: the "
	                 "transaction topic is not whole; run `replicator table resync TABLE` for its tables, or "
	                 "`replicator accept gap` to continue without it",
	                 (unsigned long long)assembler->taking_tx_id, (unsigned long long)end->tx_id);
}

static struct error *begin_current(struct assembler *assembler, struct transaction_mark *end)
{
	bool without_begin = assembler_mark(assembler, 0)->end;
	bool orphan = has_orphan(assembler, end->tx_id), dropped = true;

	if (assembler->taking && assembler->taking_tx_id != end->tx_id)
		TRY(drop_unfinished(assembler, end, &dropped));
	if (!dropped)
		return NULL;
	assembler->taking = true;
	assembler->taking_tx_id = end->tx_id;
	assembler->current = end;
	assembler->restarted = without_begin || orphan;
	assembler->settle = assembler->settle || assembler->restarted;
	assembler->second_begin = orphan && !without_begin;
	for (uint32_t i = 0; i < end->count_count; i++) {
		struct collection_state *state = assembler_collection(assembler, end->counts[i].collection);

		state->needed = state->excluded ? 0 : end->counts[i].count;
	}
	return NULL;
}

/* Whether an event of the transaction, at the head of a partition, looks like a repeat. */
static bool looks_repeated(const struct assembler *assembler, uint64_t tx_id)
{
	for (size_t i = 0; i < assembler->lane_count; i++) {
		const struct change *head = lane_head(&assembler->lanes[i]);

		if (head != NULL && head->tx_id == tx_id && assembler_looks_repeated(assembler, head))
			return true;
	}
	return false;
}

/*
 * The transaction to take before its END is read: that of the BEGIN at the head, or without one (a restarted connector does
 * not send it again) that of the event at the head of the partition of the marks. In other partitions a repeat just
 * waits: nothing of it must be read for its END to come.
 */
static bool choose_early(const struct assembler *assembler, uint64_t *tx_id)
{
	const struct transaction_mark *begin = assembler_mark(assembler, 0);
	uint32_t partition = assembler_mark_partition(assembler);
	const struct change *own = partition == NO_PARTITION ? NULL : lane_head(&assembler->lanes[partition]);

	if (begin != NULL && begin->end)
		return false;
	if (begin == NULL && (own == NULL || !assembler_looks_repeated(assembler, own)))
		return false;
	*tx_id = begin != NULL ? begin->tx_id : own->tx_id;
	return own != NULL || !looks_repeated(assembler, *tx_id);
}

/*
 * Before its END is read: what the transaction of the BEGIN at the head, or of one without its END, has sent so far. When
 * much is queued, and when rows of a snapshot stand after its events.
 */
static struct error *take_early(struct assembler *assembler)
{
	uint32_t marks = assembler_mark_partition(assembler);
	const struct transaction_mark *begin = assembler_mark(assembler, 0);
	bool much_waits =
	    assembler->options.spill_bytes != 0 && assembler->waiting_bytes >= assembler->options.spill_bytes;
	bool rows_wait = (begin != NULL && assembler_interrupts(assembler, begin->tx_id)) ||
	                 (assembler->taking && assembler_interrupts(assembler, assembler->taking_tx_id));

	if (assembler->judging || (!much_waits && !rows_wait))
		return NULL;
	if (assembler->taking && begin != NULL && begin->tx_id != assembler->taking_tx_id &&
	    snapshot_has_taken(assembler))
		forget_unfinished(assembler);
	if (!assembler->taking && !choose_early(assembler, &assembler->taking_tx_id))
		return NULL;
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used)
			TRY(assembler_take(assembler, i));
	if (marks != NO_PARTITION && much_waits && assembler->waiting_bytes >= assembler->options.spill_bytes)
		assembler_resolve_head(assembler, marks); /* its END follows it in this partition */
	return NULL;
}

/* Hand-over. */

/* It is handed over without events: a part of it would be older than the rows of the snapshot that has all of it. */
static void dismiss_replaced(struct assembler *assembler, struct transaction *transaction)
{
	log_warning("events of transaction %llu did not come before a new snapshot of the connector, which has what it "
	            "did: it is dismissed, and all tables are unverified until a comparison with the source",
	            (unsigned long long)assembler->taking_tx_id);
	assembler_forget_taken(assembler);
	transaction->may_lack = true;
}

static struct error *finish_current(struct assembler *assembler, struct transaction **result)
{
	struct transaction_mark *end = assembler->current;
	struct transaction *transaction = transaction_new(TRANSACTION_STREAMED);

	if (assembler->replaced)
		dismiss_replaced(assembler, transaction);
	report_numbers(assembler, transaction);
	assembler_move_taken(assembler, transaction);
	transaction->tx_id = end->tx_id;
	transaction->commit_lsn = end->lsn;
	transaction->source_us = end->source_us;
	transaction->timestamp_ms = end->timestamp_ms;
	report_break(assembler, transaction);
	assembler->watermark = end->lsn;
	commit_history_add(assembler->history, end->tx_id, end->lsn);
	pop_end(assembler, end);
	assembler->orphan_count = 0;
	assembler_add_positions(assembler, transaction);
	*result = transaction;
	return NULL;
}

static struct error *await_end(struct assembler *assembler)
{
	assembler->snapshot_awaited = false;
	TRY(take_early(assembler));
	assembler_dismiss_without_begin(assembler);
	return NULL;
}

struct error *assembler_next_transaction(struct assembler *assembler, struct transaction **transaction)
{
	bool complete;

	assembler_cover(assembler);
	if (assembler->current == NULL) {
		struct transaction_mark *end;

		TRY(next_end(assembler, &end, transaction));
		if (*transaction != NULL)
			return NULL;
		if (end == NULL)
			return await_end(assembler);
		assembler_dismiss_unfinished(assembler, end);
		if (assembler_snapshot_waits(assembler, end->tx_id, end->lsn))
			return NULL;
		TRY(begin_current(assembler, end));
		if (assembler->current == NULL)
			return NULL;
	}
	assembler_dismiss_unfinished(assembler, assembler->current);
	if (assembler_snapshot_waits(assembler, assembler->current->tx_id, assembler->current->lsn))
		return NULL; /* it began since */
	TRY(assembler_gather(assembler, &complete));
	if (complete && !assembler->replaced)
		TRY(check_chain(assembler, &complete));
	return complete ? finish_current(assembler, transaction) : NULL;
}
