/*
 * assembler_internal.h - what the files of the assembler share. Nobody else includes it. One thread, the consumer's.
 *
 *   assembler.c               life, what is pushed, positions, progress
 *   assembler_snapshot.c      snapshot rows, and when a snapshot ends
 *   assembler_transaction.c   whole transactions: which END is next, hand-over
 *   assembler_taken.c         the events taken for it: memory or file, their order, repeats
 *   assembler_counts.c        whether all of them came
 *   assembler_repeats.c       what was sent again after a restart of the connector
 *   assembler_run.c           without metadata: runs of one txId in one partition
 */
#ifndef REPLICATOR_STREAM_ASSEMBLER_INTERNAL_H
#define REPLICATOR_STREAM_ASSEMBLER_INTERNAL_H

#include "stream/alignment.h"
#include "stream/assembler.h"
#include "stream/commit_history.h"
#include "stream/lane.h"
#include "stream/spill.h"

#define NO_PARTITION UINT32_MAX

struct collection_state {
	const struct collection *collection;
	uint32_t *lanes; /* numbers of the partitions of the topics that carried it */
	size_t lane_count;
	bool excluded;
	uint64_t needed; /* by the END at hand */
	uint64_t got;    /* by the transaction at hand; repeats included until it is aligned */
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
	uint32_t expected_mark_partition; /* while none was read */

	/* BEGINs without their END, popped from the ring: the connector started again. Until the next hand-over. */
	struct orphan {
		uint64_t tx_id;
		int64_t offset;
	} * orphans;
	size_t orphan_count;

	/* The transaction at hand: its events are being taken. */
	bool taking;
	uint64_t taking_tx_id;
	struct transaction_mark *current; /* its END, still in the ring; NULL: not there yet */
	struct change **taken;            /* its events in memory, repeats included */
	size_t taken_count;
	size_t taken_capacity;
	size_t taken_bytes;
	uint32_t *taken_lanes; /* the partitions that they came from */
	size_t taken_lane_count;
	size_t taken_lane_capacity;
	uint64_t taken_lsn;         /* the highest */
	uint64_t taken_previous;    /* sequence[0] of the first that has it */
	struct spill *spill;        /* of the events, when they are many; else NULL */
	struct event_place *places; /* room for aligning them */
	size_t place_capacity;
	bool aligned; /* since the last one was taken */
	/* It is whole when all partitions are read as far as they reached at its END (assembler_counts.c). */
	bool settle;
	bool restarted;        /* the connector started again inside it: the counts of its END may be too low */
	bool awaits_gone;      /* its END announces events of partitions that no longer exist */
	unsigned gone_ticks;   /* since then */
	bool read_asked;       /* lane.read_until serves it (assembler_all_is_read) */
	bool awaits_lost;      /* something that it needs does not come, and may be lost */
	unsigned lost_ticks;   /* since then */
	bool second_begin;     /* the connector sent it when it started again: the numbers begin at 1 behind it */
	bool awaits_numbers;   /* its END announces numbers that none of its last events has */
	unsigned number_ticks; /* since then */
	struct event_numbers numbers; /* of its events; known when they are aligned */
	bool ends_asked;              /* lane.end serves its END */
	int64_t ends_until;           /* lane.end serves ENDs below this offset */
	int64_t topics_until;         /* topics were looked for after the ENDs below this offset were read */

	/*
	 * sequence[0] of a transaction is above W, and no message or snapshot explains it: a gap, or a message that the
	 * connector filtered (assembler_transaction.c).
	 */
	bool chain_is_broken;     /* that of the current transaction, as far as is known */
	unsigned chain_ticks;     /* since then */
	uint64_t broken_lsn;      /* the first such sequence[0] that was not reported; 0: none */
	int64_t broken_report_us; /* when the next report is allowed */

	bool word_open; /* the operator's word is not used up */
	bool new_slot;
	uint64_t message_lsn; /* of the last message outside any transaction; sequence[0] may point to it */

	uint64_t watermark; /* W */
	/* No transaction up to here is missing before rows of incremental snapshots; it may be the LSN of a message. */
	uint64_t passed_lsn;
	struct commit_history *history;
	bool judging; /* the END at the head is looked for in the transaction topic */
	bool read_again_said;
	/* Events at offsets below lane.covered_until were read before the marks below this offset were written. */
	int64_t marks_known;
	bool cover_wanted;
	int64_t absent_end;  /* the offset of the END that the topic does not contain before; -1: none */
	int64_t drained_end; /* the offset of the END before which the repeats are read and dropped; -1: none */

	struct snapshot_identity snapshot; /* the current one, or the last */
	uint64_t snapshot_boundary;        /* commit LSN; transactions above it follow the snapshot */
	bool replaced;                     /* the transaction at hand lacks events, and a later snapshot has them */
	bool snapshot_open;                /* transactions that follow it wait */
	bool snapshot_over;                /* all of its rows are written; some may be unread */
	bool snapshot_last_row;            /* was read */
	unsigned snapshot_lasts;           /* rows marked "last" that were handed over; several threads send two */
	uint32_t snapshot_last_partition;  /* of the newest of them */
	bool snapshot_topics_known;        /* topics were looked for since it was over */
	bool snapshot_awaited;             /* the transaction at the head waits for its end */
	struct snapshot_identity late_snapshot; /* the last one whose late rows were reported */
	/*
	 * LSN and transaction ID of the newest snapshot that was read and is not a blocking one: the connector does not
	 * continue at its place after it. Events that it left unfinished before will not be completed.
	 */
	uint64_t newest_boundary;
	uint64_t newest_tx_id;
	bool left_out;        /* such events were dismissed since the last hand-over */
	unsigned quiet_ticks; /* seconds in which nothing was read */
	bool quiet;           /* nothing more is coming right now */
};

/* Seconds of silence after which nothing that was sent before can come any more: a producer was measured to be 9 s late. */
#define TICKS_UNTIL_RESOLVED 10

static inline bool is_snapshot_row(const struct change *change)
{
	return change->snapshot != SNAPSHOT_NONE;
}

static inline bool is_full_snapshot_row(const struct change *change)
{
	return change->snapshot == SNAPSHOT_ROW || change->snapshot == SNAPSHOT_LAST;
}

/* Whether the event's transaction certainly commits after that commit LSN. */
static inline bool event_commits_after(const struct change *event, uint64_t commit_lsn)
{
	return event->lsn > commit_lsn || event->previous_commit_lsn >= commit_lsn;
}

/* assembler.c */
struct transaction_mark *assembler_mark(const struct assembler *assembler, size_t index); /* NULL: there is none */
void assembler_pop_mark(struct assembler *assembler);
/* Whether the END of the transaction, or (`begin`) either boundary event, is in the ring. */
bool assembler_is_marked(const struct assembler *assembler, uint64_t tx_id, bool begin);
struct collection_state *assembler_collection(struct assembler *assembler, const struct collection *collection);
struct error *assembler_change_error(const struct assembler *assembler, const struct change *change, const char *what);
void assembler_touch(struct assembler *assembler, uint32_t partition);
void assembler_release_head(struct assembler *assembler, uint32_t partition); /* of a lane's ring */
void assembler_pop(struct assembler *assembler, struct lane *lane);           /* the head, which the caller has */
/* The end of the partition as it is now; false: not known yet. */
bool assembler_ask_end(const struct assembler *assembler, uint32_t partition, int64_t *end);
bool assembler_is_at_end(const struct assembler *assembler, uint32_t partition); /* false also when it is not known */
void assembler_add_positions(struct assembler *assembler, struct transaction *transaction);

/* assembler_repeats.c */
/* True: by its LSN it is a repeat; only its END proves it. */
bool assembler_looks_repeated(const struct assembler *assembler, const struct change *change);
/* Drops the events of repeated transactions from the head; returns the head, or NULL. */
struct change *assembler_live_head(struct assembler *assembler, uint32_t partition);
/* True: the head looks repeated, does not belong to the transaction at hand, and its END was not judged. */
bool assembler_head_is_unjudged(const struct assembler *assembler, uint32_t partition);
/* True: besides, events of the transaction at hand were taken before it, and it belongs to a later one. */
bool assembler_head_is_later(const struct assembler *assembler, uint32_t partition);
/* Asks how far the marks reach, when a decision about events that were read before depends on it. */
void assembler_cover(struct assembler *assembler);
/* The first event that is not such a one, or NULL. */
const struct change *assembler_first_judged(const struct assembler *assembler, uint32_t partition);
void assembler_drop_unjudged(struct assembler *assembler, uint32_t partition); /* those at the head */
/* Drops unjudged events that precede those of the current transaction. True: something was dropped. */
bool assembler_clear_way(struct assembler *assembler, uint32_t partition);
/*
 * Repeats that follow events of the current transaction which were taken (assembler_head_is_later), where the others of it come
 * behind them, sent again. True: they were dropped.
 */
bool assembler_clear_repeats(struct assembler *assembler, uint32_t partition);
/*
 * The last resort, when all is read: first copies of later transactions stand before an event of the current one, whose own first
 * copy was dismissed. The connector went back to it, and sends the later ones again. True: they were dropped, and all tables
 * have to be compared.
 */
bool assembler_clear_first_copies(struct assembler *assembler, uint32_t partition);
/* Searches the transaction topic for the END of the unjudged event at the head, and drops the repeats. */
void assembler_resolve_head(struct assembler *assembler, uint32_t partition);
/* Of an END at or below W. */
/* True: all repeats whose END is before this new END are read and dropped. */
bool assembler_is_drained(struct assembler *assembler, const struct transaction_mark *end);
enum end_answer assembler_judge_end(struct assembler *assembler, const struct transaction_mark *end);
void assembler_dismiss_end(struct assembler *assembler, const struct transaction_mark *end);

/* assembler_snapshot.c */
/* What is pushed, before it is queued or dropped. */
void assembler_snapshot_saw_change(struct assembler *assembler, const struct change *change);
void assembler_snapshot_saw_mark(struct assembler *assembler, const struct transaction_mark *mark);
/* What goes into and out of a lane's ring. */
void assembler_snapshot_queued(struct assembler *assembler, struct lane *lane, const struct change *change);
void assembler_snapshot_unqueued(const struct assembler *assembler, struct lane *lane, const struct change *change);
struct transaction *assembler_next_snapshot(struct assembler *assembler); /* rows; NULL: none may be handed over */
/* The end of the snapshot, once it is reached; else NULL. */
struct error *assembler_end_snapshot(struct assembler *assembler, struct transaction **transaction);
/* True: the transaction follows the snapshot, which is not read yet. Notes the answer as snapshot_awaited. */
bool assembler_snapshot_waits(struct assembler *assembler, uint64_t tx_id, uint64_t lsn);
/* Whether the end of the snapshot waits for the partition. */
bool assembler_snapshot_needs(const struct assembler *assembler, uint32_t partition);
/* Rows of a snapshot stand after events of that transaction. */
bool assembler_interrupts(struct assembler *assembler, uint64_t tx_id);
/* Drops the events before rows of a snapshot whose transaction can no longer end, since `end` follows the snapshot. */
void assembler_dismiss_unfinished(struct assembler *assembler, const struct transaction_mark *end);
/* Similarly, when nothing is coming and there is not even the BEGIN of their transaction. */
void assembler_dismiss_without_begin(struct assembler *assembler);

/* assembler_transaction.c */
struct error *assembler_next_transaction(struct assembler *assembler, struct transaction **transaction);

/* assembler_taken.c */
struct error *assembler_take(struct assembler *assembler, uint32_t partition); /* all there is of the one at hand */
struct error *assembler_align_taken(struct assembler *assembler);
void assembler_move_taken(struct assembler *assembler, struct transaction *transaction);
void assembler_forget_taken(struct assembler *assembler); /* releases them */

/* assembler_counts.c */
/*
 * Before the stream stops since something is missing: whether all partitions are read to where they ended at the first
 * call for the transaction at hand. Rows of a snapshot that explains it may be among what was not read.
 */
bool assembler_all_is_read(struct assembler *assembler);
bool assembler_awaits_all(const struct assembler *assembler, uint32_t partition); /* whether that waits for it */
/* An unfinished transaction whose events have these LSNs at most: the newest snapshot has what it did. */
bool assembler_snapshot_has(const struct assembler *assembler, uint64_t tx_id, uint64_t lsn,
                            uint64_t previous_commit_lsn);
struct error *assembler_gather(struct assembler *assembler, bool *complete);  /* takes what is there for `current` */
bool assembler_awaits(const struct assembler *assembler, uint32_t partition); /* for the one at hand, to its end */

/* assembler_run.c */
struct transaction *assembler_next_run(struct assembler *assembler);

#endif
