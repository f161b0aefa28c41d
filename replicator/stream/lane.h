/*
 * lane.h - one partition as the assembler sees it: a ring of changes that wait, what the transaction at the head has
 * taken from it, and where a restart would have to read on. Internal to the assembler; one thread.
 */
#ifndef REPLICATOR_STREAM_LANE_H
#define REPLICATOR_STREAM_LANE_H

#include "event/change.h"
#include "stream/transaction.h"

/* Arrays of pointers as large as this are given back when they are empty. */
#define LANE_LARGE_CAPACITY 8192

struct lane {
	bool used;
	bool dirty;              /* stands in the assembler's list of lanes whose position may have moved */
	int64_t position;        /* the offset behind the last one pushed */
	int64_t reported;        /* next_offset as last handed over */
	struct witness witness;  /* handed over with it */
	struct witness recorded; /* the next one, as soon as the position is above it */
	int64_t gap_until;       /* events below may be gone, and the operator accepted that; 0: none */
	bool gone;               /* the partition no longer exists: nothing more comes */

	struct change **ring; /* capacity is a power of two */
	size_t capacity;
	size_t head;
	size_t count;
	size_t bytes;
	size_t snapshot_rows; /* rows of full snapshots in the ring */

	/* About the current snapshot (assembler_snapshot.c). */
	size_t own_rows;      /* its rows in the ring */
	bool snapshot_seen;   /* a row of it was read */
	bool snapshot_passed; /* a later event was read */
	bool barrier_known;
	int64_t barrier; /* the high watermark when it was over */

	/* What the transaction at the head of the stream has taken from the ring, repeats included. */
	bool taken_any;
	int64_t taken_first_offset; /* the lowest offset taken; valid while taken_any, like those below */
	uint64_t last_lsn;          /* of the last one taken */
	uint64_t last_number;       /* its total_order */
	int64_t end;        /* behind what was written when it was asked for last (assembler_counts.c); 0: not yet */
	bool end_unknown;   /* it was not asked for since, or could not be */
	int64_t read_until; /* of assembler_all_is_read; -1: not known yet */

	/* Of the events at the head that look like repeats (assembler_repeats.c). */
	size_t repeated_count;   /* so many are known to; then perhaps more */
	uint64_t searched_tx_id; /* the first searched_count events do not belong to this transaction */
	size_t searched_count;
	int64_t unjudged_until; /* events below it were read before unjudged_ticks began */
	int unjudged_ticks;
	int64_t resolve_at;    /* the transaction topic must be processed up to here first */
	int64_t asked_offset;  /* of the head whose END was searched without success; -1: none */
	int64_t again_until;   /* assembler_read_again */
	int64_t covered_until; /* assembler.marks_known */
	int64_t drain_until;   /* assembler.drained_end */

	const struct collection *last_collection; /* of the last change pushed: spares a look-up */
};

void lane_free(struct lane *lane); /* releases what it holds */
void lane_push(struct lane *lane, struct change *change);
struct change *lane_head(const struct lane *lane); /* NULL when empty */
struct change *lane_pop(struct lane *lane);
struct change *lane_at(const struct lane *lane, size_t index); /* 0: the head; NULL behind the last one */

/*
 * Takes the head for the transaction at hand; the caller owns it. *plain: it stands behind the one taken before by its
 * LSN and by its number, as it does as long as the connector was not restarted and each event has an LSN of its own.
 */
struct change *lane_take_head(struct lane *lane, bool *plain);
void lane_forget_taken(struct lane *lane); /* the taken ones went to a transaction */

/* The lowest offset that is neither handed over nor dismissed, marks left aside. */
int64_t lane_next_offset(const struct lane *lane);

#endif
