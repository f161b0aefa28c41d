/*
 * lane.h - one partition as the assembler sees it: a ring of changes that wait, what the transaction at the head has
 * taken from it, and where a restart would have to read on. Internal to the assembler; one thread.
 */
#ifndef REPLICATOR_STREAM_LANE_H
#define REPLICATOR_STREAM_LANE_H

#include "event/change.h"
#include "stream/spill.h"

struct lane {
	bool used;
	bool dirty;        /* stands in the assembler's list of lanes whose position may have moved */
	int64_t position;  /* the offset behind the last one pushed */
	int64_t reported;  /* next_offset as last handed over */
	int64_t barrier;   /* what must be read before a snapshot counts as complete; 0: nothing */
	int64_t gap_until; /* events below may be gone, and the operator accepted that; 0: none */

	struct change **ring; /* capacity is a power of two */
	size_t capacity;
	size_t head;
	size_t count;
	size_t bytes;
	size_t generation_rows; /* rows of an initial snapshot in the ring */

	/* Taken from the ring for the transaction at the head of the stream, repeats dropped, total_order rising. */
	struct change **taken;
	size_t taken_count;
	size_t taken_capacity;
	int64_t taken_first_offset; /* the lowest offset taken, repeats included; valid while taken_any */
	bool taken_any;
	uint64_t last_number; /* total_order of the last one, as the connector wrote it */
	uint64_t last_order;  /* the highest number taken, repaired */
	uint64_t shift;       /* what a number written since the connector's restart lacks */

	const struct collection *last_collection; /* of the last change pushed: spares a look-up */
};

/*
 * Who an event is, within its transaction: a hash of its LSN, table, operation and key (without a key: of the whole row).
 * total_order is no identity: a restart of the connector inside a transaction may number anew.
 */
uint64_t change_identity(const struct change *change);

void lane_free(struct lane *lane); /* releases what it holds */
void lane_push(struct lane *lane, struct change *change);
struct change *lane_head(const struct lane *lane); /* NULL when empty */
struct change *lane_pop(struct lane *lane);

enum lane_take { LANE_TAKEN, LANE_REPEATED, LANE_MISFIT };

/*
 * Moves the head to the taken ones, its number repaired; a repeat of one already taken is released; one whose number began
 * anew and that fits nowhere stays where it is. `spill` holds those taken before, or NULL. Errors: of the spill's file.
 */
struct error *lane_take_head(struct lane *lane, struct spill *spill, enum lane_take *result);
void lane_forget_taken(struct lane *lane); /* the taken ones went to a transaction */

/* The lowest offset that is neither handed over nor dismissed, marks left aside. */
int64_t lane_next_offset(const struct lane *lane);

#endif
