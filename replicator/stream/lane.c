/*
 * lane.c - the ring of one partition.
 *
 * NOTES
 *   The events of one source transaction stand in a row in each partition, since the connector sends transaction after
 *   transaction. After a restart of the connector the same transaction may be sent again from its beginning or its middle:
 *   the repeat is told by its total_order, and must be the same event (LSN and operation) as the first one.
 */
#include "stream/lane.h"

#include "base/memory.h"

#include <stdlib.h>

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

static struct change *find_taken(const struct lane *lane, uint64_t total_order)
{
	size_t low = 0;
	size_t high = lane->taken_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (lane->taken[middle]->total_order < total_order)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < lane->taken_count && lane->taken[low]->total_order == total_order)
		return lane->taken[low];
	return NULL;
}

static void note_taken(struct lane *lane, const struct change *change)
{
	if (!lane->taken_any) {
		lane->taken_any = true;
		lane->taken_first_offset = change->offset;
	}
}

enum lane_take lane_take_head(struct lane *lane)
{
	struct change *change = lane_head(lane);

	if (lane->taken_count > 0 && change->total_order <= lane->taken[lane->taken_count - 1]->total_order) {
		const struct change *first = find_taken(lane, change->total_order);

		if (first == NULL || first->lsn != change->lsn || first->operation != change->operation ||
		    first->relation->collection != change->relation->collection)
			return LANE_RENUMBERED;
		change_release(lane_pop(lane));
		return LANE_REPEATED;
	}
	if (lane->taken_count == lane->taken_capacity) {
		lane->taken_capacity = lane->taken_capacity == 0 ? 64 : lane->taken_capacity * 2;
		lane->taken = memory_grow(lane->taken, lane->taken_capacity, sizeof(*lane->taken));
	}
	note_taken(lane, change);
	lane->taken[lane->taken_count++] = lane_pop(lane);
	return LANE_TAKEN;
}

void lane_forget_taken(struct lane *lane)
{
	lane->taken_count = 0;
	lane->taken_any = false;
}

int64_t lane_next_offset(const struct lane *lane)
{
	if (lane->taken_any)
		return lane->taken_first_offset;
	if (lane->count > 0)
		return lane->ring[lane->head]->offset;
	return lane->position;
}
