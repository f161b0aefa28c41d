/*
 * lane.c - the ring of one partition.
 *
 * NOTES
 *   The events of one source transaction stand in a row in each partition, since the connector sends transaction after
 *   transaction. After a restart of the connector the same transaction may be sent again from its beginning or its middle,
 *   and a connector before 3.6.1, or one killed twice, counts from a number that is too low then. A number that does not
 *   rise shows the restart; the same event among those taken shows what the numbers lack from there on (`shift`). The
 *   repeats are dropped, what comes behind them is numbered right.
 */
#include "stream/lane.h"

#include "base/memory.h"

#include <stdlib.h>
#include <xxhash.h>

#define LONGEST_SHIFT 4096

void lane_free(struct lane *lane)
{
	struct change *change;

	while ((change = lane_pop(lane)) != NULL)
		change_release(change);
	for (size_t i = 0; i < lane->taken_count; i++)
		change_release(lane->taken[i]);
	free(lane->ring);
	free(lane->taken);
}

static void lane_grow(struct lane *lane)
{
	size_t capacity = lane->capacity == 0 ? 64 : lane->capacity * 2;
	struct change **ring = memory_alloc(capacity * sizeof(*ring));

	for (size_t i = 0; i < lane->count; i++)
		ring[i] = lane->ring[(lane->head + i) & (lane->capacity - 1)];
	free(lane->ring);
	lane->ring = ring;
	lane->capacity = capacity;
	lane->head = 0;
}

void lane_push(struct lane *lane, struct change *change)
{
	if (lane->count == lane->capacity)
		lane_grow(lane);
	lane->ring[(lane->head + lane->count) & (lane->capacity - 1)] = change;
	lane->count++;
	lane->bytes += change->bytes;
}

struct change *lane_head(const struct lane *lane)
{
	return lane->count == 0 ? NULL : lane->ring[lane->head];
}

struct change *lane_pop(struct lane *lane)
{
	struct change *change = lane_head(lane);

	if (change == NULL)
		return NULL;
	lane->head = (lane->head + 1) & (lane->capacity - 1);
	lane->count--;
	lane->bytes -= change->bytes;
	return change;
}

static uint64_t hash_value(const struct value *value, uint64_t seed)
{
	return XXH3_64bits_withSeed(value->data == NULL ? "" : value->data, value->length, seed + value->kind);
}

uint64_t change_identity(const struct change *change)
{
	const struct relation *relation = change->relation;
	const struct value *row = change->operation == CHANGE_DELETE ? change->before : change->after;
	const uint64_t head[3] = {change->lsn, relation->collection->number, change->operation};
	uint64_t hash = XXH3_64bits(head, sizeof(head));

	if (row == NULL)
		return hash;
	for (uint32_t i = 0; i < relation->key_count; i++)
		hash = hash_value(&row[relation->key_columns[i]], hash);
	for (uint32_t i = 0; relation->key_count == 0 && i < relation->column_count; i++)
		hash = hash_value(&row[i], hash);
	return hash;
}

static const struct change *find_taken(const struct lane *lane, uint64_t order)
{
	size_t low = 0;
	size_t high = lane->taken_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (lane->taken[middle]->total_order < order)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < lane->taken_count && lane->taken[low]->total_order == order)
		return lane->taken[low];
	return NULL;
}

/* Whether the event of that number was taken before and is this one. */
static struct error *is_held(const struct lane *lane, struct spill *spill, uint64_t order, uint64_t identity,
                             bool *held)
{
	const struct change *taken = find_taken(lane, order);
	uint64_t spilled;

	*held = taken != NULL && change_identity(taken) == identity;
	if (taken != NULL || spill == NULL)
		return NULL;
	TRY(spill_find(spill, order, &spilled, held));
	*held = *held && spilled == identity;
	return NULL;
}

/* The numbering began anew: by how much, the event that was taken before tells. */
static struct error *find_shift(struct lane *lane, struct spill *spill, uint64_t number, uint64_t identity, bool *found)
{
	*found = false;
	for (uint64_t shift = 0; shift <= LONGEST_SHIFT && number + shift <= lane->last_order && !*found; shift++) {
		TRY(is_held(lane, spill, number + shift, identity, found));
		if (*found)
			lane->shift = shift;
	}
	return NULL;
}

static void take(struct lane *lane, uint64_t order)
{
	struct change *change = lane_pop(lane);

	if (lane->taken_count == lane->taken_capacity) {
		lane->taken_capacity = lane->taken_capacity == 0 ? 64 : lane->taken_capacity * 2;
		lane->taken = memory_grow(lane->taken, lane->taken_capacity, sizeof(*lane->taken));
	}
	if (!lane->taken_any) {
		lane->taken_any = true;
		lane->taken_first_offset = change->offset;
	}
	change->total_order = lane->last_order = order;
	lane->taken[lane->taken_count++] = change;
}

struct error *lane_take_head(struct lane *lane, struct spill *spill, enum lane_take *result)
{
	struct change *change = lane_head(lane);
	uint64_t number = change->total_order;
	bool held = true;

	*result = LANE_MISFIT;
	if (number <= lane->last_number)
		TRY(find_shift(lane, spill, number, change_identity(change), &held));
	else if (number + lane->shift <= lane->last_order)
		TRY(is_held(lane, spill, number + lane->shift, change_identity(change), &held));
	else
		held = false;
	if (held) {
		*result = LANE_REPEATED;
		change_release(lane_pop(lane));
	} else if (number + lane->shift > lane->last_order) {
		*result = LANE_TAKEN;
		take(lane, number + lane->shift);
	}
	if (*result != LANE_MISFIT)
		lane->last_number = number;
	return NULL;
}

void lane_forget_taken(struct lane *lane)
{
	lane->taken_count = 0;
	lane->taken_any = false;
	lane->last_number = lane->last_order = lane->shift = 0;
}

int64_t lane_next_offset(const struct lane *lane)
{
	if (lane->taken_any)
		return lane->taken_first_offset;
	if (lane->count > 0)
		return lane->ring[lane->head]->offset;
	return lane->position;
}
