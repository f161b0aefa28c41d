/*
 * assembler_taken.c - the events taken for the transaction at hand.
 *
 * NOTES
 *   All that carries its txId is taken, as it comes, repeats too. Beyond spill_bytes they go to a file. When they seem
 *   to be whole, they are put into the order of the source's WAL and the repeats go (alignment.h).
 */
#include "stream/assembler_internal.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

static struct error *spill_when_large(struct assembler *assembler)
{
	const struct assembler_options *options = &assembler->options;

	if (options->spill_bytes == 0 || assembler->taken_bytes <= options->spill_bytes)
		return NULL;
	log_info("transaction %llu has more than %zu MB of events: it goes to a file in %s",
	         (unsigned long long)assembler->taking_tx_id, options->spill_bytes >> 20, options->spill_dir);
	TRY(spill_open(options->spill_dir, options->spill_limit, &assembler->spill));
	for (size_t i = 0; i < assembler->taken_count; i++) {
		struct error *error = spill_add(assembler->spill, assembler->taken[i]);

		if (error == NULL)
			continue;
		for (size_t j = i + 1; j < assembler->taken_count; j++)
			change_release(assembler->taken[j]);
		assembler->taken_count = 0;
		return error;
	}
	assembler->taken_count = 0;
	assembler->taken_bytes = 0;
	return NULL;
}

/* Whether the counts of its END may be too low, or its place is told by more than them: assembler_counts.c. */
static bool must_settle(const struct change *change, bool plain)
{
	const struct relation *relation = change->relation;

	return !plain || change->other_key != NULL || change->operation == CHANGE_TRUNCATE ||
	       (strcmp(relation->table, config_ddl_log) == 0 && strcmp(relation->schema, config_source_schema) == 0);
}

static struct error *keep(struct assembler *assembler, struct change *change)
{
	if (change->lsn > assembler->taken_lsn)
		assembler->taken_lsn = change->lsn;
	if (assembler->taken_previous == 0)
		assembler->taken_previous = change->previous_commit_lsn;
	if (assembler->spill != NULL)
		return spill_add(assembler->spill, change);
	if (assembler->taken_count == assembler->taken_capacity) {
		assembler->taken_capacity = assembler->taken_capacity == 0 ? 64 : assembler->taken_capacity * 2;
		assembler->taken = memory_grow(assembler->taken, assembler->taken_capacity, sizeof(*assembler->taken));
	}
	assembler->taken[assembler->taken_count++] = change;
	assembler->taken_bytes += change->bytes;
	return spill_when_large(assembler);
}

static void note_lane(struct assembler *assembler, uint32_t partition)
{
	if (assembler->lanes[partition].taken_any)
		return;
	if (assembler->taken_lane_count == assembler->taken_lane_capacity) {
		assembler->taken_lane_capacity =
		    assembler->taken_lane_capacity == 0 ? 16 : assembler->taken_lane_capacity * 2;
		assembler->taken_lanes = memory_grow(assembler->taken_lanes, assembler->taken_lane_capacity,
		                                     sizeof(*assembler->taken_lanes));
	}
	assembler->taken_lanes[assembler->taken_lane_count++] = partition;
}

struct error *assembler_take(struct assembler *assembler, uint32_t partition)
{
	struct lane *lane = &assembler->lanes[partition];
	struct change *change;

	while ((change = assembler_live_head(assembler, partition)) != NULL && !is_snapshot_row(change) &&
	       change->tx_id == assembler->taking_tx_id) {
		bool plain;

		note_lane(assembler, partition);
		(void)lane_take_head(lane, &plain);
		assembler->taking = true;
		assembler->waiting_bytes -= change->bytes;
		assembler_touch(assembler, partition);
		assembler_collection(assembler, change->relation->collection)->got++;
		assembler->aligned = false;
		assembler->settle = assembler->settle || must_settle(change, plain);
		TRY(keep(assembler, change));
	}
	return NULL;
}

/* Order. */

static void forget_counts(void *context)
{
	struct assembler *assembler = context;

	for (size_t i = 0; i < assembler->collection_count; i++)
		if (assembler->collections[i] != NULL)
			assembler->collections[i]->got = 0;
}

static void count(uint32_t collection, void *context)
{
	struct assembler *assembler = context;

	assembler->collections[collection]->got++;
}

static void list_places(struct assembler *assembler)
{
	if (assembler->place_capacity < assembler->taken_capacity) {
		assembler->place_capacity = assembler->taken_capacity;
		assembler->places =
		    memory_grow(assembler->places, assembler->place_capacity, sizeof(*assembler->places));
	}
	for (size_t i = 0; i < assembler->taken_count; i++)
		assembler->places[i] =
		    alignment_place(assembler->taken[i], (uint64_t)(uintptr_t)assembler->taken[i], false);
	qsort(assembler->places, assembler->taken_count, sizeof(*assembler->places), alignment_compare);
}

static struct change *change_at(const struct event_place *place)
{
	return (struct change *)(uintptr_t)place->place;
}

/* The events of one LSN, from `first` on; the repeats are released. Returns how many stay. */
static size_t align_group(struct assembler *assembler, struct alignment *alignment, size_t first, size_t events)
{
	struct event_place *group = &assembler->places[first];
	size_t kept;

	for (size_t i = 0; i < events && events > 1; i++)
		group[i].identity = alignment_identity(change_at(&group[i]));
	kept = alignment_drop_repeats(alignment, group, events);
	for (size_t i = kept; i < events; i++) {
		assembler->taken_bytes -= change_at(&group[i])->bytes;
		change_release(change_at(&group[i]));
	}
	metric_add(METRIC_DUPLICATES, events - kept);
	return kept;
}

static void align_places(struct assembler *assembler, struct alignment *alignment)
{
	struct event_place *places = assembler->places;
	size_t stay = 0;

	for (size_t i = 0, end; i < assembler->taken_count; i = end) {
		size_t kept;

		for (end = i + 1; end < assembler->taken_count && places[end].lsn == places[i].lsn;)
			end++;
		kept = align_group(assembler, alignment, i, end - i);
		memmove(&places[stay], &places[i], kept * sizeof(*places));
		stay += kept;
	}
	assembler->taken_count = stay;
}

/* True: nothing has to be moved or dropped. */
static bool in_order(const struct assembler *assembler, struct event_numbers *numbers)
{
	for (size_t i = 0; i < assembler->taken_count; i++) {
		const struct change *before = i > 0 ? assembler->taken[i - 1] : NULL;
		const struct change *change = assembler->taken[i];

		if (before != NULL && (change->lsn <= before->lsn || change->total_order <= before->total_order))
			return false;
		event_numbers_add(numbers, change->total_order);
	}
	return true;
}

static void align_in_memory(struct assembler *assembler, struct alignment *alignment)
{
	list_places(assembler);
	do
		align_places(assembler, alignment);
	while (alignment_begin_again(alignment));
	for (size_t i = 0; i < assembler->taken_count; i++)
		assembler->taken[i] = change_at(&assembler->places[i]);
}

struct error *assembler_align_taken(struct assembler *assembler)
{
	struct alignment alignment = {.restart = forget_counts, .count = count, .context = assembler};

	if (assembler->aligned)
		return NULL;
	assembler->numbers = (struct event_numbers){0};
	if (assembler->spill == NULL && in_order(assembler, &assembler->numbers))
		return NULL;
	forget_counts(assembler);
	if (assembler->spill != NULL)
		TRY(spill_align(assembler->spill, &alignment));
	else
		align_in_memory(assembler, &alignment);
	assembler->aligned = true;
	assembler->numbers = alignment.numbers;
	assembler->restarted = assembler->restarted || alignment.anew; /* it may show no other sign */
	assembler->settle = assembler->settle || assembler->restarted;
	if (!alignment.ambiguous)
		return NULL;
	return error_new(ERROR_EVENT,
	                 "transaction %llu was sent again by a restarted connector, with other numbers; it has equal "
	                 "rows of %s, a table "
	                 "without a key, and which of them are repeats cannot be told; run `replicator table resync` "
	                 "for that table, exclude "
	                 "it until then, or give it a key",
	                 (unsigned long long)assembler->taking_tx_id,
	                 assembler->collections[alignment.ambiguous_collection]->collection->name);
}

/* Hand-over. */

static void begin_anew(struct assembler *assembler)
{
	for (size_t i = 0; i < assembler->taken_lane_count; i++) {
		lane_forget_taken(&assembler->lanes[assembler->taken_lanes[i]]);
		assembler_touch(assembler, assembler->taken_lanes[i]);
	}
	assembler->taken_lane_count = 0;
	assembler->taken_count = 0;
	assembler->taken_bytes = 0;
	assembler->taken_lsn = 0;
	assembler->taken_previous = 0;
	assembler->spill = NULL;
	assembler->taking = false;
	assembler->aligned = false;
	assembler->settle = false;
	assembler->restarted = false;
	assembler->ends_asked = false;
	assembler->awaits_gone = false;
	assembler->gone_ticks = 0;
	assembler->read_asked = false;
	assembler->awaits_lost = false;
	assembler->lost_ticks = 0;
	assembler->chain_is_broken = false;
	assembler->chain_ticks = 0;
	assembler->awaits_numbers = false;
	assembler->number_ticks = 0;
	assembler->second_begin = false;
	assembler->current = NULL;
}

void assembler_move_taken(struct assembler *assembler, struct transaction *transaction)
{
	if (assembler->spill != NULL) {
		log_info("transaction %llu is whole: %zu events, %llu MB in a file",
		         (unsigned long long)assembler->taking_tx_id, spill_count(assembler->spill),
		         (unsigned long long)spill_bytes(assembler->spill) >> 20);
		spill_seal(assembler->spill);
		transaction->spill = assembler->spill;
		transaction->change_count = spill_count(assembler->spill);
		forget_counts(assembler);
	}
	for (size_t i = 0; i < assembler->taken_count; i++) {
		assembler_collection(assembler, assembler->taken[i]->relation->collection)->got = 0;
		transaction_add_change(transaction, assembler->taken[i]);
	}
	begin_anew(assembler);
}

void assembler_forget_taken(struct assembler *assembler)
{
	for (size_t i = 0; i < assembler->taken_count; i++)
		change_release(assembler->taken[i]);
	spill_free(assembler->spill);
	forget_counts(assembler);
	begin_anew(assembler);
}
