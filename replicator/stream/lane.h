/*
 * lane.h - one partition as the assembler sees it: a ring of changes that wait, what the transaction at the head has
 * taken from it, and where a restart would have to read on. Internal to the assembler; one thread.
 */
#ifndef REPLICATOR_STREAM_LANE_H
#define REPLICATOR_STREAM_LANE_H

#include "event/change.h"

struct lane {
	bool used;
	bool dirty;       /* stands in the assembler's list of lanes whose position may have moved */
	int64_t position; /* the offset behind the last one pushed */
	int64_t reported; /* next_offset as last handed over */
	int64_t barrier;  /* what must be read before a snapshot counts as complete; 0: nothing */

	struct change **ring; /* capacity is a power of two */
	size_t capacity;
	size_t head;
	size_t count;
	size_t bytes;

	/* Taken from the ring for the transaction at the head of the stream, repeats dropped, total_order rising. */
	struct change **taken;
	size_t taken_count;
	size_t taken_capacity;
	int64_t taken_first_offset; /* the lowest offset taken, repeats included; valid while taken_any */
	bool taken_any;

	const struct collection *last_collection; /* of the last change pushed: spares a look-up */
};

void lane_free(struct lane *lane); /* releases what it holds */
void lane_push(struct lane *lane, struct change *change);
struct change *lane_head(const struct lane *lane); /* NULL when empty */
struct change *lane_pop(struct lane *lane);

enum lane_take { LANE_TAKEN, LANE_REPEATED, LANE_RENUMBERED };

/* Moves the head to the taken ones; a repeat of one already taken is released; a renumbered one stays where it is. */
enum lane_take lane_take_head(struct lane *lane);
void lane_forget_taken(struct lane *lane); /* the taken ones went to a transaction */

/* The lowest offset that is neither handed over nor dismissed, marks left aside. */
int64_t lane_next_offset(const struct lane *lane);

#endif
