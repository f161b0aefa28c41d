/*
 * transaction.h - what the stream hands to the target: whole source transactions, in commit order.
 *
 * Ownership: a transaction owns its changes; transaction_free releases all.
 */
#ifndef REPLICATOR_STREAM_TRANSACTION_H
#define REPLICATOR_STREAM_TRANSACTION_H

#include "event/change.h"
#include "stream/spill.h"

enum transaction_kind {
	TRANSACTION_STREAMED, /* one source transaction, whole */
	TRANSACTION_SNAPSHOT, /* a run of snapshot rows; belongs to no transaction */
	TRANSACTION_PROGRESS  /* no changes: only positions moved (tombstones, heartbeats, empty transactions) */
};

/*
 * A record that was read from a partition. At a start, a partition that holds another one at that offset, or none, was made
 * again or lost its end since, even where it is longer than before (source_prove.c).
 */
struct witness {
	int64_t offset;
	int64_t timestamp_ms; /* Kafka's; 0: there is no witness */
};

/* Where the next start reads on in a partition, once this transaction and all before it are applied. */
struct position {
	uint32_t partition; /* number of the partition (partition.h) */
	int64_t next_offset;
	struct witness witness; /* below next_offset, and mostly close to it */
};

/*
 * A full snapshot of the connector: all of its rows carry this transaction ID and LSN. An initial one has its own; a
 * blocking one has those of the event that was sent before it, so that its LSN may be lower than that of an earlier one.
 */
struct snapshot_identity {
	uint64_t tx_id;
	uint64_t lsn; /* 0 and 0: none */
};

struct transaction {
	struct transaction *next;
	enum transaction_kind kind;
	uint64_t tx_id;          /* of TRANSACTION_STREAMED */
	uint64_t commit_lsn;     /* likewise; the watermark after it */
	int64_t source_us;       /* commit time at the source; 0 unknown */
	int64_t timestamp_ms;    /* Kafka's, of its last record */
	struct change **changes; /* in the source's order; NULL when they are in `spill` */
	size_t change_count;
	struct spill *spill; /* the events of a large transaction, to be read piece by piece (spill.h); else NULL */
	size_t bytes;        /* of memory, those of the events included */
	size_t event_bytes;  /* of the events in `changes`: they are in slabs, which the source counts */
	struct position *positions;
	size_t position_count;
	uint64_t message_lsn; /* of the last logical message outside any transaction that was read; 0: none */
	/* Transactions before it, or events of it, may be missing, and nothing shows which: all tables become unverified. */
	bool may_lack;
	bool accepted;     /* it brings the stream past what the operator accepted: the word is used up */
	bool more_follows; /* a piece of a large one, not its last */

	/*
	 * Of TRANSACTION_SNAPSHOT. Rows of an incremental snapshot have no identity. The end of a snapshot is a
	 * hand-over without rows.
	 */
	struct snapshot_identity snapshot;
	bool snapshot_last_row; /* the row marked "last" is in it, or was and its table is excluded */
	bool snapshot_ends;     /* no row of that snapshot follows, except late ones */
	bool snapshot_complete; /* with snapshot_ends: the row marked "last" was read; else it was broken off */
	/*
	 * The snapshot ended before, or a later one has begun: the rows may be older than what was applied since.
	 * The progress of that snapshot stays as it is, and the tables of these rows are unverified in any case.
	 */
	bool snapshot_late;
};

struct transaction *transaction_new(enum transaction_kind kind);
void transaction_add_change(struct transaction *transaction, struct change *change); /* takes the change */
void transaction_add_position(struct transaction *transaction, const struct position *position);
void transaction_free(struct transaction *transaction);

#endif
