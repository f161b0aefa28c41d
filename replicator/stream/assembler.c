/*
 * assembler.c - what is pushed, where a restart would read on.
 *
 * NOTES
 *   The connector sends transaction after transaction, in commit order, so in each partition the events of one
 *   transaction stand in a row, and the row of an earlier transaction stands before that of a later one. Therefore it
 *   is enough to look at the heads.
 *
 *   W (`watermark`) is the commit LSN of the last transaction handed over. assembler_repeats.c says what is at or below it.
 */
#include "stream/assembler_internal.h"

#include "base/buffer.h"
#include "base/lsn.h"
#include "base/memory.h"
#include "base/metrics.h"

#include <stdlib.h>

struct assembler *assembler_new(const struct assembler_options *options, const struct checkpoint *start,
                                const struct partition_list *partitions)
{
	struct assembler *assembler = memory_alloc(sizeof(*assembler));

	assembler->options = *options;
	assembler->partitions = partitions;
	assembler->mark_partition = NO_PARTITION;
	assembler->expected_mark_partition = NO_PARTITION;
	assembler->absent_end = -1;
	assembler->drained_end = -1;
	assembler->word_open = start->accepted_id != 0;
	assembler->new_slot = start->accept_new_slot;
	assembler->watermark = start->last_commit_lsn;
	assembler->message_lsn = start->last_message_lsn;
	assembler->history = commit_history_new();
	if (start->last_commit_lsn != 0)
		commit_history_add(assembler->history, start->last_tx_id, start->last_commit_lsn);
	assembler->snapshot = start->snapshot;
	assembler->snapshot_boundary = assembler->newest_boundary = start->snapshot.lsn;
	assembler->newest_tx_id = start->snapshot.tx_id;
	assembler->snapshot_open = start->snapshot_open;
	assembler->snapshot_over = assembler->snapshot_last_row = start->snapshot_last_row;
	assembler->snapshot_lasts = start->snapshot_last_row ? 1 : 0;
	assembler->snapshot_last_partition = NO_PARTITION;
	return assembler;
}

struct transaction_mark *assembler_mark(const struct assembler *assembler, size_t index)
{
	if (index >= assembler->mark_count)
		return NULL;
	return assembler->marks[(assembler->mark_head + index) & (assembler->mark_capacity - 1)];
}

void assembler_pop_mark(struct assembler *assembler)
{
	transaction_mark_release(assembler_mark(assembler, 0));
	assembler->mark_head = (assembler->mark_head + 1) & (assembler->mark_capacity - 1);
	assembler->mark_count--;
	if (assembler->mark_count > 0 || assembler->mark_capacity < LANE_LARGE_CAPACITY)
		return;
	free(assembler->marks);
	assembler->marks = NULL;
	assembler->mark_capacity = 0;
	assembler->mark_head = 0;
}

bool assembler_is_marked(const struct assembler *assembler, uint64_t tx_id, bool begin)
{
	for (size_t i = 0; i < assembler->mark_count; i++) {
		const struct transaction_mark *mark = assembler_mark(assembler, i);

		if ((mark->end || begin) && mark->tx_id == tx_id)
			return true;
	}
	return false;
}

void assembler_free(struct assembler *assembler)
{
	if (assembler == NULL)
		return;
	assembler_forget_taken(assembler);
	while (assembler->mark_count > 0)
		assembler_pop_mark(assembler);
	for (size_t i = 0; i < assembler->lane_count; i++)
		lane_free(&assembler->lanes[i]);
	for (size_t i = 0; i < assembler->collection_count; i++) {
		if (assembler->collections[i] != NULL)
			free(assembler->collections[i]->lanes);
		free(assembler->collections[i]);
	}
	free(assembler->lanes);
	free(assembler->collections);
	free(assembler->marks);
	free(assembler->dirty);
	free(assembler->taken);
	free(assembler->taken_lanes);
	free(assembler->places);
	free(assembler->orphans);
	commit_history_free(assembler->history);
	free(assembler);
}

void assembler_touch(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];

	if (lane->dirty)
		return;
	lane->dirty = true;
	if (assembler->dirty_count == assembler->dirty_capacity) {
		assembler->dirty_capacity = assembler->dirty_capacity == 0 ? 16 : assembler->dirty_capacity * 2;
		assembler->dirty = memory_grow(assembler->dirty, assembler->dirty_capacity, sizeof(*assembler->dirty));
	}
	assembler->dirty[assembler->dirty_count++] = partition;
}

static bool collection_has_lane(const struct collection_state *state, uint32_t partition)
{
	for (size_t i = 0; i < state->lane_count; i++)
		if (state->lanes[i] == partition)
			return true;
	return false;
}

static void collection_add_lane(struct collection_state *state, uint32_t partition)
{
	if (collection_has_lane(state, partition))
		return;
	state->lanes = memory_grow(state->lanes, state->lane_count + 1, sizeof(*state->lanes));
	state->lanes[state->lane_count++] = partition;
}

static bool same_topic(const struct assembler *assembler, uint32_t a, uint32_t b)
{
	return strcmp(partition_list_get(assembler->partitions, a)->topic,
	              partition_list_get(assembler->partitions, b)->topic) == 0;
}

/* The collection's events may come in any partition of that topic, also in those that carried none of them so far. */
static void collection_add_topic(struct assembler *assembler, struct collection_state *state, uint32_t partition)
{
	if (collection_has_lane(state, partition))
		return;
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used && same_topic(assembler, i, partition))
			collection_add_lane(state, i);
}

static struct lane *make_lane(struct assembler *assembler, uint32_t partition)
{
	if (partition >= assembler->lane_count) {
		size_t count = (size_t)partition + 1;

		assembler->lanes = memory_grow(assembler->lanes, count, sizeof(*assembler->lanes));
		memset(assembler->lanes + assembler->lane_count, 0,
		       (count - assembler->lane_count) * sizeof(*assembler->lanes));
		assembler->lane_count = count;
	}
	return &assembler->lanes[partition];
}

void assembler_add_partition(struct assembler *assembler, uint32_t partition, int64_t next_offset)
{
	struct lane *lane = make_lane(assembler, partition);

	lane->used = true;
	lane->gone = false;
	lane->position = next_offset;
	lane->reported = -1;
	lane->witness = lane->recorded = (struct witness){0};
	lane->asked_offset = -1;
	lane->end_unknown = true;
	lane->barrier_known = false;
	assembler->ends_until = 0; /* it was not among those asked */
	assembler_touch(assembler, partition);
	for (size_t i = 0; i < assembler->collection_count; i++) {
		struct collection_state *state = assembler->collections[i];

		for (size_t j = 0; state != NULL && j < state->lane_count; j++)
			if (same_topic(assembler, state->lanes[j], partition))
				collection_add_lane(state, partition);
	}
}

void assembler_set_witness(struct assembler *assembler, uint32_t partition, const struct witness *witness)
{
	assembler->lanes[partition].witness = *witness;
}

void assembler_note_record(struct assembler *assembler, uint32_t partition, const struct witness *record)
{
	struct lane *lane = &assembler->lanes[partition];

	if (lane->recorded.timestamp_ms == 0)
		lane->recorded = *record;
}

void assembler_drop_partition(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = make_lane(assembler, partition);

	if (!lane->used)
		lane->reported = -1;
	lane->used = true;
	lane->gone = true;
	assembler_touch(assembler, partition);
}

bool assembler_snapshot_is_open(const struct assembler *assembler)
{
	return assembler->snapshot_open || assembler->snapshot_rows_waiting > 0;
}

bool assembler_partition_is_drained(const struct assembler *assembler, uint32_t partition)
{
	const struct lane *lane = &assembler->lanes[partition];

	return lane->gone && lane->count == 0 && !lane->taken_any && lane->reported == 0;
}

bool assembler_ask_end(const struct assembler *assembler, uint32_t partition, int64_t *end)
{
	*end = assembler->lanes[partition].position;
	return assembler->lanes[partition].gone || assembler->options.high_watermark == NULL ||
	       assembler->options.high_watermark(partition, end, assembler->options.context);
}

bool assembler_is_at_end(const struct assembler *assembler, uint32_t partition)
{
	int64_t end;

	return assembler_ask_end(assembler, partition, &end) && assembler->lanes[partition].position >= end;
}

struct collection_state *assembler_collection(struct assembler *assembler, const struct collection *collection)
{
	struct collection_state *state;

	if (collection->number >= assembler->collection_count) {
		size_t count = (size_t)collection->number + 16;

		assembler->collections = memory_grow(assembler->collections, count, sizeof(*assembler->collections));
		memset(assembler->collections + assembler->collection_count, 0,
		       (count - assembler->collection_count) * sizeof(*assembler->collections));
		assembler->collection_count = count;
	}
	state = assembler->collections[collection->number];
	if (state == NULL) {
		state = memory_alloc(sizeof(*state));
		state->collection = collection;
		state->excluded = assembler->options.excluded != NULL &&
		                  assembler->options.excluded(collection, assembler->options.context);
		assembler->collections[collection->number] = state;
	}
	return state;
}

struct error *assembler_change_error(const struct assembler *assembler, const struct change *change, const char *what)
{
	const struct partition_name *name = partition_list_get(assembler->partitions, change->partition);

	return error_new(ERROR_EVENT, "%s[%d]@%lld: %s: %s", name->topic, (int)name->id, (long long)change->offset,
	                 change->relation->collection->name, what);
}

struct error *assembler_push_change(struct assembler *assembler, struct change *change)
{
	struct lane *lane = &assembler->lanes[change->partition];
	const struct collection *collection = change->relation->collection;
	struct collection_state *state = assembler_collection(assembler, collection);

	assembler_touch(assembler, change->partition);
	lane->position = change->offset + 1;
	assembler->quiet_ticks = 0;
	assembler->quiet = false;
	assembler_snapshot_saw_change(assembler, change);
	if ((state->excluded &&
	     change->snapshot != SNAPSHOT_LAST) || /* the last row ends the snapshot, wanted or not */
	    (change->operation == CHANGE_MESSAGE && change->total_order == 0)) { /* outside any transaction */
		if (change->operation == CHANGE_MESSAGE && change->lsn > assembler->message_lsn)
			assembler->message_lsn = change->lsn;
		metric_add(state->excluded ? METRIC_LEFT_OUT_TABLE : METRIC_LEFT_OUT_MESSAGE, 1);
		change_release(change);
		return NULL;
	}
	if (assembler->options.transactions && change->total_order == 0 && !is_snapshot_row(change)) {
		struct error *error = assembler_change_error(
		    assembler, change,
		    "the event names no transaction; set provide.transaction.metadata=true in the connector, "
		    "or transactions = \"off\" in the configuration");
		change_release(change);
		return error;
	}
	if (lane->last_collection != collection) {
		collection_add_topic(assembler, state, change->partition);
		lane->last_collection = collection;
	}
	if (is_snapshot_row(change))
		assembler->snapshot_rows_waiting++;
	assembler_snapshot_queued(assembler, lane, change);
	lane_push(lane, change);
	assembler->waiting_bytes += change->bytes;
	if (lane->count == 1)
		(void)assembler_live_head(assembler, change->partition);
	return NULL;
}

struct error *assembler_push_mark(struct assembler *assembler, struct transaction_mark *mark)
{
	assembler_touch(assembler, mark->partition);
	assembler->lanes[mark->partition].position = mark->offset + 1;
	assembler->quiet_ticks = 0;
	assembler->quiet = false;
	if (assembler->mark_partition == NO_PARTITION)
		assembler->mark_partition = mark->partition;
	if (assembler->mark_partition != mark->partition) {
		const struct partition_name *first =
		    partition_list_get(assembler->partitions, assembler->mark_partition);
		const struct partition_name *other = partition_list_get(assembler->partitions, mark->partition);
		struct error *error = error_new(
		    ERROR_EVENT,
		    "%s[%d]@%lld: transaction marks come from this partition and from %s[%d]; their order cannot be "
		    "told: the transaction topic must have one partition, and one stream reads one connector",
		    other->topic, (int)other->id, (long long)mark->offset, first->topic, (int)first->id);
		transaction_mark_release(mark);
		return error;
	}
	if (!assembler->options.transactions) {
		transaction_mark_release(mark);
		return NULL;
	}
	assembler_snapshot_saw_mark(assembler, mark);
	commit_history_set_newest(assembler->history, mark->tx_id, mark->end ? mark->lsn : 0);
	if (assembler->mark_count == assembler->mark_capacity) {
		size_t capacity = assembler->mark_capacity == 0 ? 64 : assembler->mark_capacity * 2;
		struct transaction_mark **ring = memory_alloc(capacity * sizeof(*ring));

		for (size_t i = 0; i < assembler->mark_count; i++)
			ring[i] = assembler_mark(assembler, i);
		free(assembler->marks);
		assembler->marks = ring;
		assembler->mark_capacity = capacity;
		assembler->mark_head = 0;
	}
	assembler->marks[(assembler->mark_head + assembler->mark_count) & (assembler->mark_capacity - 1)] = mark;
	assembler->mark_count++;
	return NULL;
}

void assembler_push_nothing(struct assembler *assembler, uint32_t partition, int64_t offset)
{
	assembler_touch(assembler, partition);
	assembler->lanes[partition].position = offset + 1;
}

/* Hand-over: positions. */

static int64_t next_offset_of(const struct assembler *assembler, uint32_t partition)
{
	const struct lane *lane = &assembler->lanes[partition];
	int64_t next = lane_next_offset(lane);
	bool marks = partition == assembler->mark_partition;

	if (marks && assembler->mark_count > 0 && assembler_mark(assembler, 0)->offset < next)
		next = assembler_mark(assembler, 0)->offset;
	if (marks && assembler->orphan_count > 0 && assembler->orphans[0].offset < next)
		next = assembler->orphans[0].offset;
	return lane->gone && next == lane->position ? 0 : next;
}

static struct witness witness_below(struct lane *lane, int64_t next)
{
	if (lane->recorded.timestamp_ms != 0 && lane->recorded.offset < next) {
		lane->witness = lane->recorded;
		lane->recorded = (struct witness){0};
	}
	return lane->witness.offset < next ? lane->witness : (struct witness){0};
}

/* Everything is past the accepted gap; with a new slot, its first transaction is in. */
static bool word_is_used(const struct assembler *assembler, const struct transaction *transaction)
{
	if (assembler->new_slot && transaction->kind != TRANSACTION_STREAMED)
		return false;
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used && !assembler->lanes[i].gone &&
		    next_offset_of(assembler, i) < assembler->lanes[i].gap_until)
			return false;
	return true;
}

void assembler_add_positions(struct assembler *assembler, struct transaction *transaction)
{
	for (size_t i = 0; i < assembler->dirty_count; i++) {
		uint32_t partition = assembler->dirty[i];
		struct lane *lane = &assembler->lanes[partition];
		int64_t next = next_offset_of(assembler, partition);

		lane->dirty = false;
		if (next == lane->reported)
			continue;
		lane->reported = next;
		transaction_add_position(transaction,
		                         &(const struct position){partition, next, witness_below(lane, next)});
	}
	assembler->dirty_count = 0;
	transaction->message_lsn = assembler->message_lsn;
	transaction->may_lack = transaction->may_lack || assembler->left_out;
	assembler->left_out = false;
	if (assembler->word_open && word_is_used(assembler, transaction)) {
		assembler->word_open = false;
		transaction->accepted = true;
	}
}

void assembler_pop(struct assembler *assembler, struct lane *lane)
{
	struct change *change = lane_pop(lane);

	assembler->waiting_bytes -= change->bytes;
	if (is_snapshot_row(change))
		assembler->snapshot_rows_waiting--;
	assembler_snapshot_unqueued(assembler, lane, change);
}

void assembler_release_head(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	struct change *change = lane_head(lane);

	assembler_touch(assembler, partition);
	assembler_pop(assembler, lane);
	change_release(change);
}

struct error *assembler_next(struct assembler *assembler, struct transaction **transaction)
{
	*transaction = assembler_next_snapshot(assembler);
	if (*transaction == NULL)
		TRY(assembler_end_snapshot(assembler, transaction));
	if (*transaction != NULL)
		return NULL;
	if (assembler->options.transactions)
		TRY(assembler_next_transaction(assembler, transaction));
	else
		*transaction = assembler_next_run(assembler);
	if (*transaction == NULL) /* events that stood before rows may have gone */
		*transaction = assembler_next_snapshot(assembler);
	return NULL;
}

struct transaction *assembler_progress(struct assembler *assembler)
{
	struct transaction *transaction = transaction_new(TRANSACTION_PROGRESS);

	assembler->quiet = true;
	assembler->quiet_ticks++;
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used)
			(void)assembler_live_head(assembler, i);
	assembler_add_positions(assembler, transaction);
	if (transaction->position_count > 0)
		return transaction;
	transaction_free(transaction);
	return NULL;
}

size_t assembler_waiting_bytes(const struct assembler *assembler, uint32_t partition)
{
	return assembler->lanes[partition].bytes;
}

size_t assembler_total_waiting_bytes(const struct assembler *assembler)
{
	return assembler->waiting_bytes;
}

size_t assembler_array_bytes(const struct assembler *assembler)
{
	size_t pointers = assembler->mark_capacity + assembler->taken_capacity;

	for (uint32_t i = 0; i < assembler->lane_count; i++)
		pointers += assembler->lanes[i].capacity;
	return pointers * sizeof(void *) + assembler->place_capacity * sizeof(*assembler->places);
}

bool assembler_needs(const struct assembler *assembler, uint32_t partition)
{
	const struct transaction_mark *end = assembler->current;

	if (assembler->lanes[partition].gone)
		return false;
	if (partition == assembler->mark_partition && assembler->lanes[partition].position < assembler->marks_known)
		return true;
	if (assembler->judging)
		return false;
	if (assembler_awaits_all(assembler, partition))
		return true;
	if (assembler->snapshot_open && assembler->snapshot_awaited)
		return assembler_snapshot_needs(assembler, partition);
	if (end != NULL && assembler_awaits(assembler, partition))
		return true;
	if (end == NULL && partition == assembler->mark_partition)
		return true;
	if (assembler->lanes[partition].count > 0)
		return false;
	if (end == NULL)
		return !assembler->snapshot_open || assembler_snapshot_needs(assembler, partition);
	for (uint32_t i = 0; i < end->count_count; i++) {
		const struct collection_state *state = assembler->collections[end->counts[i].collection->number];

		if (state->got >= state->needed)
			continue;
		if (state->lane_count == 0)
			return true;
		for (size_t j = 0; j < state->lane_count; j++)
			if (state->lanes[j] == partition)
				return true;
	}
	return false;
}

static void describe_counts(const struct assembler *assembler, struct buffer *text)
{
	const struct transaction_mark *end = assembler->current;

	for (uint32_t i = 0; i < end->count_count; i++) {
		const struct collection_state *state = assembler->collections[end->counts[i].collection->number];

		if (state->got < state->needed)
			buffer_append_format(text, " %s %llu of %llu events", state->collection->name,
			                     (unsigned long long)state->got, (unsigned long long)state->needed);
	}
}

static uint64_t judged_tx_id(const struct assembler *assembler)
{
	return assembler_mark(assembler, 0)->tx_id;
}

/* Those that have not passed the snapshot; the first one by name. */
static char *describe_partitions(const struct assembler *assembler)
{
	const struct partition_name *first = NULL;
	uint32_t number = 0;
	int count = 0;

	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		if (!assembler_snapshot_needs(assembler, i))
			continue;
		if (count++ == 0) {
			number = i;
			first = partition_list_get(assembler->partitions, i);
		}
	}
	if (first == NULL)
		return memory_copy_text("the snapshot's end");
	return memory_format(
	    "%d partitions to be read up to the snapshot's end, among them %s[%d], read up to offset %lld", count,
	    first->topic, (int)first->id, (long long)assembler->lanes[number].position);
}

char *assembler_describe_wait(const struct assembler *assembler)
{
	struct buffer text = {0};
	/* A transaction before the snapshot's end may be what is waited for. */
	bool before = assembler->current != NULL && !assembler->snapshot_awaited;

	if (assembler->snapshot_open && !before)
		return assembler->snapshot_over ? describe_partitions(assembler)
		                                : memory_copy_text("the snapshot's last row");
	if (assembler->judging)
		return memory_format("the search for an earlier END of transaction %llu in the transaction topic",
		                     (unsigned long long)judged_tx_id(assembler));
	if (!assembler->taking)
		return NULL;
	buffer_append_format(&text, "transaction %llu:", (unsigned long long)assembler->taking_tx_id);
	if (assembler->current != NULL)
		describe_counts(assembler, &text);
	else
		buffer_append_text(&text, " its END");
	if (assembler->awaits_numbers)
		buffer_append_format(&text, " events up to number %llu of %llu",
		                     (unsigned long long)assembler->numbers.last,
		                     (unsigned long long)assembler->current->event_count);
	else if (assembler->ends_asked)
		buffer_append_text(&text, " all partitions to be read to their ends");
	if (assembler->spill != NULL)
		buffer_append_format(&text, " (%zu events, %llu MB, are in a file)", spill_count(assembler->spill),
		                     (unsigned long long)spill_bytes(assembler->spill) >> 20);
	return buffer_steal(&text);
}

void assembler_accept_gap(struct assembler *assembler, uint32_t partition, int64_t high)
{
	assembler->lanes[partition].gap_until = high;
}

void assembler_read_again(struct assembler *assembler, uint32_t partition, int64_t until)
{
	assembler->lanes[partition].again_until = until;
}

void assembler_expect_marks(struct assembler *assembler, uint32_t partition)
{
	assembler->expected_mark_partition = partition;
}

uint32_t assembler_mark_partition(const struct assembler *assembler)
{
	uint32_t only = NO_PARTITION;

	if (assembler->mark_partition != NO_PARTITION)
		return assembler->mark_partition;
	if (assembler->expected_mark_partition != NO_PARTITION)
		return assembler->expected_mark_partition;
	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		if (assembler->lanes[i].used && only != NO_PARTITION)
			return NO_PARTITION;
		if (assembler->lanes[i].used)
			only = i;
	}
	return only;
}

void assembler_add_commit(struct assembler *assembler, uint64_t tx_id, uint64_t commit_lsn)
{
	commit_history_add(assembler->history, tx_id, commit_lsn);
}
