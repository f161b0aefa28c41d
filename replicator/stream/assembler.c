/*
 * assembler.c - whole transactions from the heads of the partitions.
 *
 * NOTES
 *   The connector sends transaction after transaction, in commit order, so in each partition the events of one
 *   transaction stand in a row, and the row of an earlier transaction stands before that of a later one. Therefore it is
 *   enough to look at the heads: take what carries the txId of the END at hand, until each collection's count is met.
 *
 *   W (`watermark`) is the commit LSN of the last transaction handed over. Commit LSNs rise along the stream, so an END
 *   at or below W, and a transactional event whose predecessor (source.sequence[0]) committed before W, are repeats of
 *   what was applied, and are dismissed. Event LSNs say nothing here: they are not in commit order.
 */
#include "stream/assembler.h"

#include "base/buffer.h"
#include "base/log.h"
#include "base/lsn.h"
#include "base/memory.h"
#include "stream/lane.h"

#include <stdlib.h>

#define RECENT_COUNT 4096 /* txIds remembered for events without sequence[0] */
#define QUIET_TICKS_TO_STOP                                                                                            \
	60 /* seconds without progress before an END whose collection has no topic stops the stream */

struct collection_state {
	const struct collection *collection;
	uint32_t *lanes; /* numbers of the partitions of the topics that carried it */
	size_t lane_count;
	bool excluded;
	uint64_t needed; /* by the END at hand */
	uint64_t got;
};

struct assembler {
	struct assembler_options options;
	const struct partition_list *partitions;

	struct lane *lanes; /* by number of the partition */
	size_t lane_count;
	size_t waiting_bytes;
	size_t snapshot_rows_waiting;
	uint32_t *dirty; /* lanes whose position may have moved since the last hand-over */
	size_t dirty_count;
	size_t dirty_capacity;

	struct collection_state **collections; /* by collection->number */
	size_t collection_count;

	struct transaction_mark **marks; /* ring, like lane.ring; all from one partition */
	size_t mark_capacity;
	size_t mark_head;
	size_t mark_count;
	uint32_t mark_partition;
	struct transaction_mark *current; /* the END at hand, still in the ring; NULL: none yet */

	uint64_t watermark;
	uint64_t recent[RECENT_COUNT];
	size_t recent_next;

	struct snapshot_generation generation;
	bool generation_open; /* streamed transactions wait */
	bool generation_last_seen;
	unsigned quiet_ticks;
	bool quiet; /* nothing more is coming right now */
};

#define NO_PARTITION UINT32_MAX

struct assembler *assembler_new(const struct assembler_options *options, const struct checkpoint *start,
                                const struct partition_list *partitions)
{
	struct assembler *assembler = memory_alloc(sizeof(*assembler));

	assembler->options = *options;
	assembler->partitions = partitions;
	assembler->mark_partition = NO_PARTITION;
	assembler->watermark = start->last_commit_lsn;
	assembler->recent[0] = start->last_tx_id;
	assembler->recent_next = 1;
	assembler->generation = start->generation;
	assembler->generation_open = start->generation_open;
	return assembler;
}

static struct transaction_mark *mark_at(const struct assembler *assembler, size_t index)
{
	if (index >= assembler->mark_count)
		return NULL;
	return assembler->marks[(assembler->mark_head + index) & (assembler->mark_capacity - 1)];
}

static void mark_pop(struct assembler *assembler)
{
	transaction_mark_release(mark_at(assembler, 0));
	assembler->mark_head = (assembler->mark_head + 1) & (assembler->mark_capacity - 1);
	assembler->mark_count--;
}

void assembler_free(struct assembler *assembler)
{
	if (assembler == NULL)
		return;
	while (assembler->mark_count > 0)
		mark_pop(assembler);
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
	free(assembler);
}

static void lane_touch(struct assembler *assembler, uint32_t partition)
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

void assembler_add_partition(struct assembler *assembler, uint32_t partition, int64_t next_offset)
{
	if (partition >= assembler->lane_count) {
		size_t count = (size_t)partition + 1;

		assembler->lanes = memory_grow(assembler->lanes, count, sizeof(*assembler->lanes));
		memset(assembler->lanes + assembler->lane_count, 0,
		       (count - assembler->lane_count) * sizeof(*assembler->lanes));
		assembler->lane_count = count;
	}
	assembler->lanes[partition].used = true;
	assembler->lanes[partition].position = next_offset;
	assembler->lanes[partition].reported = -1;
	lane_touch(assembler, partition);
	for (size_t i = 0; i < assembler->collection_count; i++) {
		struct collection_state *state = assembler->collections[i];

		for (size_t j = 0; state != NULL && j < state->lane_count; j++)
			if (same_topic(assembler, state->lanes[j], partition))
				collection_add_lane(state, partition);
	}
}

static struct collection_state *collection_state(struct assembler *assembler, const struct collection *collection)
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

static bool is_snapshot_row(const struct change *change)
{
	return change->snapshot != SNAPSHOT_NONE;
}

static struct error *change_error(const struct assembler *assembler, const struct change *change, const char *what)
{
	const struct partition_name *name = partition_list_get(assembler->partitions, change->partition);

	return error_new(ERROR_EVENT, "%s[%d]@%lld: %s: %s", name->topic, (int)name->id, (long long)change->offset,
	                 change->relation->collection->name, what);
}

struct error *assembler_push_change(struct assembler *assembler, struct change *change)
{
	struct lane *lane = &assembler->lanes[change->partition];
	const struct collection *collection = change->relation->collection;
	struct collection_state *state = collection_state(assembler, collection);

	lane_touch(assembler, change->partition);
	lane->position = change->offset + 1;
	assembler->quiet_ticks = 0;
	assembler->quiet = false;
	if ((state->excluded &&
	     change->snapshot != SNAPSHOT_LAST) || /* the last row ends the snapshot, wanted or not */
	    (change->operation == CHANGE_MESSAGE && change->total_order == 0)) { /* outside any transaction */
		change_release(change);
		return NULL;
	}
	if (assembler->options.transactions && change->total_order == 0 && !is_snapshot_row(change)) {
		struct error *error = change_error(
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
	lane_push(lane, change);
	assembler->waiting_bytes += change->bytes;
	return NULL;
}

struct error *assembler_push_mark(struct assembler *assembler, struct transaction_mark *mark)
{
	lane_touch(assembler, mark->partition);
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
	if (assembler->mark_count == assembler->mark_capacity) {
		size_t capacity = assembler->mark_capacity == 0 ? 64 : assembler->mark_capacity * 2;
		struct transaction_mark **ring = memory_alloc(capacity * sizeof(*ring));

		for (size_t i = 0; i < assembler->mark_count; i++)
			ring[i] = mark_at(assembler, i);
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
	lane_touch(assembler, partition);
	assembler->lanes[partition].position = offset + 1;
}

/* Hand-over: positions. */

static int64_t next_offset_of(const struct assembler *assembler, uint32_t partition)
{
	int64_t next = lane_next_offset(&assembler->lanes[partition]);

	if (partition == assembler->mark_partition && assembler->mark_count > 0 && mark_at(assembler, 0)->offset < next)
		next = mark_at(assembler, 0)->offset;
	return next;
}

static void add_positions(struct assembler *assembler, struct transaction *transaction)
{
	for (size_t i = 0; i < assembler->dirty_count; i++) {
		uint32_t partition = assembler->dirty[i];
		struct lane *lane = &assembler->lanes[partition];
		int64_t next = next_offset_of(assembler, partition);

		lane->dirty = false;
		if (next == lane->reported)
			continue;
		lane->reported = next;
		transaction_add_position(transaction, partition, next);
	}
	assembler->dirty_count = 0;
}

static void change_pop(struct assembler *assembler, struct lane *lane)
{
	struct change *change = lane_pop(lane);

	assembler->waiting_bytes -= change->bytes;
	if (is_snapshot_row(change))
		assembler->snapshot_rows_waiting--;
}

/* Repeats of what was applied. */

static bool recently_applied(const struct assembler *assembler, uint64_t tx_id)
{
	for (size_t i = 0; i < RECENT_COUNT; i++)
		if (assembler->recent[i] == tx_id)
			return true;
	return false;
}

static bool is_repeat(const struct assembler *assembler, const struct change *change)
{
	if (is_snapshot_row(change) || change->total_order == 0)
		return false;
	if (change->previous_commit_lsn != 0)
		return change->previous_commit_lsn < assembler->watermark;
	if (assembler->current != NULL && assembler->current->tx_id == change->tx_id)
		return false;
	return recently_applied(assembler, change->tx_id);
}

/* Drops repeats from the head; gives what stands there then, or NULL. */
static struct change *lane_live_head(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	struct change *change;

	while ((change = lane_head(lane)) != NULL && is_repeat(assembler, change)) {
		lane_touch(assembler, partition);
		change_pop(assembler, lane);
		change_release(change);
	}
	return change;
}

/* Snapshot rows. */

static bool snapshot_row_may_pass(const struct assembler *assembler, const struct change *change)
{
	const struct transaction_mark *head = mark_at(assembler, 0);

	if (change->snapshot != SNAPSHOT_INCREMENTAL || !assembler->options.transactions)
		return true;
	if (change->previous_commit_lsn <= assembler->watermark || assembler->quiet)
		return true;
	if (head != NULL && !head->end)
		head = mark_at(assembler, 1);
	return head != NULL && head->end && head->lsn > change->previous_commit_lsn;
}

static void generation_begin(struct assembler *assembler, const struct change *change)
{
	char lsn[LSN_TEXT_SIZE];

	if (assembler->generation.tx_id == change->tx_id && assembler->generation.lsn == change->lsn)
		return;
	lsn_format(change->lsn, lsn);
	log_info("a snapshot begins: transaction %llu at %s", (unsigned long long)change->tx_id, lsn);
	assembler->generation = (struct snapshot_generation){change->tx_id, change->lsn};
	assembler->generation_open = true;
	assembler->generation_last_seen = false;
}

/* The last row came: what stands in the partitions now belongs to the snapshot or comes behind it. */
static void generation_saw_last(struct assembler *assembler)
{
	assembler->generation_last_seen = true;
	if (assembler->options.high_watermark == NULL)
		return;
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used)
			assembler->lanes[i].barrier = assembler->options.high_watermark(i, assembler->options.context);
}

static bool generation_still_waits(struct assembler *assembler)
{
	if (!assembler->generation_open)
		return false;
	if (!assembler->generation_last_seen)
		return true;
	for (size_t i = 0; i < assembler->lane_count; i++) {
		const struct change *head = lane_head(&assembler->lanes[i]);

		if (assembler->lanes[i].used && assembler->lanes[i].position < assembler->lanes[i].barrier)
			return true;
		if (head != NULL && is_snapshot_row(head) && head->snapshot != SNAPSHOT_INCREMENTAL)
			return true;
	}
	assembler->generation_open = false;
	log_info("the snapshot is read; streaming goes on");
	return false;
}

static struct transaction *take_snapshot_run(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	struct transaction *transaction = transaction_new(TRANSACTION_SNAPSHOT);
	struct change *change;
	bool last;

	while ((change = lane_live_head(assembler, partition)) != NULL && is_snapshot_row(change) &&
	       snapshot_row_may_pass(assembler, change) &&
	       transaction->change_count < assembler->options.snapshot_run_rows) {
		if (change->snapshot != SNAPSHOT_INCREMENTAL) {
			generation_begin(assembler, change);
			transaction->generation = assembler->generation;
		}
		last = change->snapshot == SNAPSHOT_LAST;
		change_pop(assembler, lane);
		if (collection_state(assembler, change->relation->collection)->excluded)
			change_release(change);
		else
			transaction_add_change(transaction, change);
		if (last) {
			transaction->generation_ends = true;
			generation_saw_last(assembler);
			break;
		}
	}
	lane_touch(assembler, partition);
	add_positions(assembler, transaction);
	return transaction;
}

static struct transaction *next_snapshot_run(struct assembler *assembler)
{
	if (assembler->snapshot_rows_waiting == 0)
		return NULL;
	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		const struct change *head = assembler->lanes[i].used ? lane_live_head(assembler, i) : NULL;

		if (head != NULL && is_snapshot_row(head) && snapshot_row_may_pass(assembler, head))
			return take_snapshot_run(assembler, i);
	}
	return NULL;
}

/* Streamed transactions. */

/* The END to work on: orphaned BEGINs and repeated ENDs go away here. NULL: it has not come yet. */
static struct transaction_mark *next_end(struct assembler *assembler)
{
	struct transaction_mark *mark;

	while ((mark = mark_at(assembler, 0)) != NULL) {
		struct transaction_mark *end = mark;

		if (!mark->end) {
			end = mark_at(assembler, 1);
			if (end == NULL)
				return NULL;
			if (!end->end || end->tx_id != mark->tx_id) { /* a BEGIN whose END went with a restart */
				mark_pop(assembler);
				lane_touch(assembler, assembler->mark_partition);
				continue;
			}
		}
		if (end->lsn > assembler->watermark)
			return end;
		if (end != mark)
			mark_pop(assembler);
		mark_pop(assembler);
		lane_touch(assembler, assembler->mark_partition);
	}
	return NULL;
}

static void begin_current(struct assembler *assembler, struct transaction_mark *end)
{
	assembler->current = end;
	for (uint32_t i = 0; i < end->count_count; i++) {
		struct collection_state *state = collection_state(assembler, end->counts[i].collection);

		state->needed = state->excluded ? 0 : end->counts[i].count;
		state->got = 0;
	}
}

static struct error *take_from_lane(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	struct change *change;

	while ((change = lane_live_head(assembler, partition)) != NULL && !is_snapshot_row(change) &&
	       change->tx_id == assembler->current->tx_id) {
		size_t bytes = change->bytes;
		struct collection_state *state = collection_state(assembler, change->relation->collection);

		switch (lane_take_head(lane)) {
		case LANE_TAKEN:
			state->got++;
			assembler->waiting_bytes -= bytes;
			break;
		case LANE_REPEATED:
			assembler->waiting_bytes -= bytes;
			break;
		case LANE_RENUMBERED:
			return change_error(
			    assembler, change,
			    "the numbering of its transaction began anew (connector restart) and does not "
			    "fit the events that came before");
		}
		lane_touch(assembler, partition);
	}
	return NULL;
}

/* True when no event of the current transaction can come from the lane any more: it goes on with a later one. */
static bool lane_is_past(struct assembler *assembler, uint32_t partition)
{
	const struct change *head = lane_head(&assembler->lanes[partition]);

	return head != NULL && !is_snapshot_row(head) && head->tx_id != assembler->current->tx_id &&
	       head->previous_commit_lsn >= assembler->current->lsn;
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
	    (unsigned long long)assembler->current->tx_id, lsn, (unsigned long long)state->needed,
	    state->collection->name, (unsigned long long)state->got, reason);
}

static struct error *check_can_be_met(struct assembler *assembler, const struct collection_state *state)
{
	size_t past = 0;

	for (size_t i = 0; i < state->lane_count; i++)
		past += lane_is_past(assembler, state->lanes[i]) ? 1 : 0;
	if (state->lane_count > 0 && past == state->lane_count)
		return count_error(assembler, state, "its partitions go on with later transactions");
	if (state->lane_count == 0 && assembler->quiet_ticks >= QUIET_TICKS_TO_STOP)
		return count_error(assembler, state, "no topic that this stream reads ever carried it");
	return NULL;
}

/* Takes what is there for the current transaction. */
static struct error *gather(struct assembler *assembler, bool *complete)
{
	const struct transaction_mark *end = assembler->current;

	*complete = true;
	for (uint32_t i = 0; i < end->count_count; i++) {
		const struct collection_state *state = collection_state(assembler, end->counts[i].collection);

		for (size_t j = 0; j < state->lane_count && state->got < state->needed; j++)
			TRY(take_from_lane(assembler, state->lanes[j]));
		if (state->got < state->needed) {
			*complete = false;
			TRY(check_can_be_met(assembler, state));
		}
	}
	return NULL;
}

static int by_total_order(const void *a, const void *b)
{
	const struct change *first = *(const struct change *const *)a;
	const struct change *second = *(const struct change *const *)b;

	return (first->total_order > second->total_order) - (first->total_order < second->total_order);
}

static void sort_changes(struct transaction *transaction)
{
	for (size_t i = 1; i < transaction->change_count; i++)
		if (transaction->changes[i]->total_order < transaction->changes[i - 1]->total_order) {
			qsort(transaction->changes, transaction->change_count, sizeof(struct change *), by_total_order);
			return;
		}
}

static void move_taken(struct assembler *assembler, uint32_t partition, struct transaction *transaction)
{
	struct lane *lane = &assembler->lanes[partition];

	for (size_t i = 0; i < lane->taken_count; i++)
		transaction_add_change(transaction, lane->taken[i]);
	lane_forget_taken(lane);
}

static struct transaction *finish_current(struct assembler *assembler)
{
	const struct transaction_mark *end = assembler->current;
	struct transaction *transaction = transaction_new(TRANSACTION_STREAMED);

	for (uint32_t i = 0; i < end->count_count; i++) {
		const struct collection_state *state = collection_state(assembler, end->counts[i].collection);

		for (size_t j = 0; j < state->lane_count; j++)
			move_taken(assembler, state->lanes[j], transaction);
	}
	sort_changes(transaction);
	transaction->tx_id = end->tx_id;
	transaction->commit_lsn = end->lsn;
	transaction->source_us = end->source_us;
	transaction->timestamp_ms = end->timestamp_ms;
	assembler->watermark = end->lsn;
	assembler->recent[assembler->recent_next++ % RECENT_COUNT] = end->tx_id;
	if (mark_at(assembler, 0) != end)
		mark_pop(assembler);
	mark_pop(assembler);
	assembler->current = NULL;
	lane_touch(assembler, assembler->mark_partition);
	add_positions(assembler, transaction);
	return transaction;
}

/* Without metadata: the run of one txId at a partition's head, when something else stands behind it. */
static struct transaction *next_run(struct assembler *assembler)
{
	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		struct lane *lane = &assembler->lanes[i];
		const struct change *first = lane->used ? lane_head(lane) : NULL;
		struct transaction *transaction;
		size_t run = 0;

		if (first == NULL || is_snapshot_row(first))
			continue;
		while (run < lane->count) {
			const struct change *change = lane->ring[(lane->head + run) & (lane->capacity - 1)];

			if (is_snapshot_row(change) || change->tx_id != first->tx_id)
				break;
			run++;
		}
		if (run == lane->count && !assembler->quiet)
			continue;
		transaction = transaction_new(TRANSACTION_STREAMED);
		transaction->tx_id = first->tx_id;
		transaction->source_us = first->source_us;
		transaction->timestamp_ms = first->timestamp_ms;
		for (; run > 0; run--) {
			struct change *change = lane_head(lane);

			change_pop(assembler, lane);
			transaction_add_change(transaction, change);
		}
		lane_touch(assembler, i);
		add_positions(assembler, transaction);
		return transaction;
	}
	return NULL;
}

struct error *assembler_next(struct assembler *assembler, struct transaction **transaction)
{
	bool complete;

	*transaction = next_snapshot_run(assembler);
	if (*transaction != NULL || generation_still_waits(assembler))
		return NULL;
	if (!assembler->options.transactions) {
		*transaction = next_run(assembler);
		return NULL;
	}
	if (assembler->current == NULL) {
		struct transaction_mark *end = next_end(assembler);

		if (end == NULL)
			return NULL;
		begin_current(assembler, end);
	}
	TRY(gather(assembler, &complete));
	if (complete)
		*transaction = finish_current(assembler);
	return NULL;
}

struct transaction *assembler_progress(struct assembler *assembler)
{
	struct transaction *transaction = transaction_new(TRANSACTION_PROGRESS);

	assembler->quiet = true;
	assembler->quiet_ticks++;
	for (uint32_t i = 0; i < assembler->lane_count; i++)
		if (assembler->lanes[i].used)
			(void)lane_live_head(assembler, i);
	add_positions(assembler, transaction);
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

bool assembler_needs(const struct assembler *assembler, uint32_t partition)
{
	const struct transaction_mark *end = assembler->current;

	if (assembler->lanes[partition].count > 0)
		return false;
	if (end == NULL || assembler->generation_open)
		return true;
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

char *assembler_describe_wait(const struct assembler *assembler)
{
	const struct transaction_mark *end = assembler->current;
	struct buffer text = {0};

	if (assembler->generation_open)
		return memory_copy_text(assembler->generation_last_seen
		                            ? "the partitions to be read up to the snapshot's end"
		                            : "the snapshot's last row");
	if (end == NULL)
		return NULL;
	buffer_append_format(&text, "transaction %llu:", (unsigned long long)end->tx_id);
	for (uint32_t i = 0; i < end->count_count; i++) {
		const struct collection_state *state = assembler->collections[end->counts[i].collection->number];

		if (state->got < state->needed)
			buffer_append_format(&text, " %s %llu of %llu events", state->collection->name,
			                     (unsigned long long)state->got, (unsigned long long)state->needed);
	}
	return buffer_steal(&text);
}
