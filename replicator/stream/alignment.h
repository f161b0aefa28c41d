/*
 * alignment.h - the order of the events inside a transaction, and which of them are repeats. Internal to the stream.
 *
 * NOTES
 *   total_order is neither an identity nor, after a restart of the connector inside the transaction, an order: parts
 *   come again, and the numbers may begin anew at 1 or lack some. What holds in any case is the source's WAL: within a
 *   transaction LSNs rise in the order of the changes. Those of one LSN are of one WAL record: the two halves of a key
 *   change, the rows of a COPY, the tables of a TRUNCATE; there an event is told by table, operation and key.
 *
 *   So the order is that of the LSN, then DELETE before INSERT of a key change, then the number. Without a restart that
 *   is the order of the numbers.
 */
#ifndef REPLICATOR_STREAM_ALIGNMENT_H
#define REPLICATOR_STREAM_ALIGNMENT_H

#include "event/change.h"

struct event_place {
	uint64_t lsn;
	uint64_t number;     /* total_order, as the connector wrote it */
	uint64_t identity;   /* who it is among those of its LSN; alignment_identity */
	uint64_t place;      /* the owner's: where it lies */
	uint32_t collection; /* its number */
	bool first_half;     /* the DELETE of a key change */
	bool keyless;        /* a row without a key: another of the same LSN may be equal and no repeat */
};

/* A hash of operation, table and key (without a key: of the whole row). */
uint64_t alignment_identity(const struct change *change);

/* `identity` is computed only where `hash` says so: for one that is alone with its LSN nobody asks. */
struct event_place alignment_place(const struct change *change, uint64_t place, bool hash);

int alignment_compare(const void *a, const void *b); /* two struct event_place, for qsort */

/* What the numbers of a transaction's events say, in the order of their LSNs. The last events have numbers without a hole. */
struct event_numbers {
	uint64_t first;  /* of these last ones */
	uint64_t before; /* the number of the event that stands before them; 0: they are all */
	uint64_t last;
	bool restart; /* an event behind the first one has the number 1 */
};

/*
 * Goes over the events of one transaction, in order; once, or a second time where the numbers turned out to say
 * nothing. `count` is called for each event that stays, with the number of its collection.
 */
struct alignment {
	void (*restart)(void *context); /* forget what was counted: it begins again */
	void (*count)(uint32_t collection, void *context);
	void *context;

	/* The second time: the same identity with the same LSN is a repeat, whatever the numbers say. */
	bool by_identity;
	bool anew;      /* the numbers do not rise in the order of the LSNs */
	bool ambiguous; /* and equal rows of a table without a key have different ones: repeats or not */
	uint32_t ambiguous_collection;
	struct event_numbers numbers;
};

/* Of the next event that stays. alignment_drop_repeats calls it. */
void event_numbers_add(struct event_numbers *numbers, uint64_t number);

/*
 * The events of one LSN, in order: drops the repeats. Returns how many stay, at the beginning of `group`; the others
 * are behind.
 */
size_t alignment_drop_repeats(struct alignment *alignment, struct event_place *group, size_t count);

/* After all of them. True: once more, from the first. */
bool alignment_begin_again(struct alignment *alignment);

#endif
