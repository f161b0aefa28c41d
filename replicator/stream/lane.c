/* lane.c - the ring of one partition. */
#include "stream/lane.h"

#include "base/memory.h"

#include <stdlib.h>

void lane_free(struct lane *lane)
{
	struct change *change;

	while ((change = lane_pop(lane)) != NULL)
		change_release(change);
	free(lane->ring);
}

static void lane_shrink(struct lane *lane)
{
	if (lane->count > 0 || lane->capacity < LANE_LARGE_CAPACITY)
		return;
	free(lane->ring);
	lane->ring = NULL;
	lane->capacity = 0;
	lane->head = 0;
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

struct change *lane_at(const struct lane *lane, size_t index)
{
	return index >= lane->count ? NULL : lane->ring[(lane->head + index) & (lane->capacity - 1)];
}

struct change *lane_pop(struct lane *lane)
{
	struct change *change = lane_head(lane);

	if (change == NULL)
		return NULL;
	lane->head = (lane->head + 1) & (lane->capacity - 1);
	lane->count--;
	lane->bytes -= change->bytes;
	lane->repeated_count -= lane->repeated_count > 0 ? 1 : 0;
	lane->searched_count -= lane->searched_count > 0 ? 1 : 0;
	lane_shrink(lane);
	return change;
}

struct change *lane_take_head(struct lane *lane, bool *plain)
{
	struct change *change = lane_pop(lane);

	*plain = !lane->taken_any || (change->lsn > lane->last_lsn && change->total_order > lane->last_number);
	if (!lane->taken_any)
		lane->taken_first_offset = change->offset;
	lane->taken_any = true;
	lane->last_lsn = change->lsn;
	lane->last_number = change->total_order;
	return change;
}

void lane_forget_taken(struct lane *lane)
{
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
