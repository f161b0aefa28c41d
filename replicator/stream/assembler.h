/*
 * assembler.h - from single changes and transaction marks to whole transactions in commit order.
 *
 * NOTES
 *   Each partition has a queue of changes. An END from the transaction topic (or from the one partition of the
 *   single-stream layout: there is no difference here) names a transaction and counts its events by collection;
 *   the assembler takes the events of that txId from the heads of the queues until the counts are met, sorts them by
 *   total_order and hands the transaction over. Snapshot rows at a queue's head pass through; streamed transactions that follow
 *   a full snapshot wait until it is read (assembler_snapshot.c).
 *
 *   The positions that go with a transaction are exact: in each partition the lowest offset that was not handed over
 *   or dismissed when it was handed over.
 *
 * Thread: one, the consumer's.
 */
#ifndef REPLICATOR_STREAM_ASSEMBLER_H
#define REPLICATOR_STREAM_ASSEMBLER_H

#include "base/error.h"
#include "stream/checkpoint.h"
#include "stream/partition.h"

struct assembler;

/*
 * A question about the transaction topic: does it contain, before an offset, the END of a transaction whose commit LSN is
 * from `lowest_lsn` to `highest_lsn`?
 */
struct end_query {
	uint32_t partition;
	int64_t before;
	uint64_t tx_id;
	uint64_t lowest_lsn;
	uint64_t highest_lsn;
};

enum end_answer {
	END_UNKNOWN, /* the search is in progress: ask again */
	END_FOUND,
	END_ABSENT
};

struct assembler_options {
	bool transactions; /* false: without metadata, runs of one txId in one partition */
	/*
	 * True for a collection whose events the user leaves out: they are dismissed and END's counts of it not
	 * awaited.
	 */
	bool (*excluded)(const struct collection *collection, void *context);
	/*
	 * The offset after the last record of a partition, as it is during the call. Asked for each partition when the
	 * last row of a snapshot was read, so that no transaction overtakes snapshot rows of other partitions, and after
	 * the END of a transaction whose counts may be too low. False: it is not known yet, because the partition has
	 * no leader or its broker does not answer; the assembler asks again. May be NULL: the ends are not waited for.
	 */
	bool (*high_watermark)(uint32_t partition, int64_t *high, void *context);
	/*
	 * Answers a question about the transaction topic; *commit_lsn is set with END_FOUND. It must not block for long.
	 * May be NULL: then only the transactions that this assembler handled are known.
	 */
	enum end_answer (*find_end)(const struct end_query *query, uint64_t *commit_lsn, void *context);
	/*
	 * Looks for topics that are not read yet, and adds their partitions. Asked for before a snapshot ends, since it
	 * may have created them a moment ago, and after the END of a transaction in which the connector started again.
	 * *found false: Kafka did not answer, ask again. May be NULL.
	 */
	struct error *(*find_partitions)(void *context, bool *found);
	void *context;
	int64_t break_interval_us; /* between two reports that transactions may be missing (transaction.h, may_lack) */
	size_t snapshot_run_rows;  /* how many snapshot rows make one hand-over at most */
	/* A transaction with more bytes of events than this goes to a file in spill_dir. */
	size_t spill_bytes;
	const char *spill_dir;
	int64_t spill_limit; /* bytes of the file */
};

struct assembler *assembler_new(const struct assembler_options *options, const struct checkpoint *start,
                                const struct partition_list *partitions);
void assembler_free(struct assembler *assembler);

/* The partition will be read from `next_offset` on. Call before its first event. */
void assembler_add_partition(struct assembler *assembler, uint32_t partition, int64_t next_offset);

/*
 * A witness for the position that the partition starts from, or a record that was pushed. What is handed over with a
 * position lies below it.
 */
void assembler_set_witness(struct assembler *assembler, uint32_t partition, const struct witness *witness);
void assembler_note_record(struct assembler *assembler, uint32_t partition, const struct witness *record);

/*
 * The partition no longer exists, and everything that it held was pushed. What waits of it is still handed over; its
 * position becomes 0 then, so that a topic that is created again with its name is read from its beginning.
 */
void assembler_drop_partition(struct assembler *assembler, uint32_t partition);
bool assembler_snapshot_is_open(const struct assembler *assembler); /* its last row was not handed over yet */
/* Whether the position 0 of a dropped partition was handed over: only then it may be added again. */
bool assembler_partition_is_drained(const struct assembler *assembler, uint32_t partition);

/*
 * The operator accepted that events of the partition below `high` are gone. Call for all partitions at once, with their
 * high watermarks: a transaction whose END lies below may then lack events.
 */
void assembler_accept_gap(struct assembler *assembler, uint32_t partition, int64_t high);

/*
 * The operator accepted a gap, and the partition is read again from its beginning: ENDs below `until` that are not above
 * the last applied commit LSN belong to transactions that were applied before.
 */
void assembler_read_again(struct assembler *assembler, uint32_t partition, int64_t until);

/* Each takes what it is given, also when it fails. Offsets of a partition rise. */
struct error *assembler_push_change(struct assembler *assembler, struct change *change);
struct error *assembler_push_mark(struct assembler *assembler, struct transaction_mark *mark);
/* An offset that holds nothing to apply: a tombstone, a heartbeat, a control record. */
void assembler_push_nothing(struct assembler *assembler, uint32_t partition, int64_t offset);

/*
 * The next transaction that is whole, or NULL when more must be read first. The caller owns it.
 * Errors: ERROR_EVENT when the counts of an END can never be met, or the order of the stream is broken.
 */
struct error *assembler_next(struct assembler *assembler, struct transaction **transaction);

/*
 * A TRANSACTION_PROGRESS with the positions that moved since the last hand-over, or NULL: none moved. For quiet times,
 * when no transaction carries them.
 */
struct transaction *assembler_progress(struct assembler *assembler);

/*
 * Once a second: finds out about events that look like repeats and whose END does not come. `marks_high` is the last known
 * high watermark of assembler_mark_partition; -1: unknown.
 */
void assembler_tick(struct assembler *assembler, int64_t marks_high);

/* The partition is that of the transaction topic by its name; the first transaction boundary event decides. */
void assembler_expect_marks(struct assembler *assembler, uint32_t partition);

/* The partition of the transaction boundary events, or the only one that is read; UINT32_MAX: not known yet. */
uint32_t assembler_mark_partition(const struct assembler *assembler);

/* The transaction topic contains this END, before the current position. */
void assembler_add_commit(struct assembler *assembler, uint64_t tx_id, uint64_t commit_lsn);

/*
 * Bytes of changes that wait in the queue of a partition; whether the transaction at the head waits for the partition.
 */
size_t assembler_waiting_bytes(const struct assembler *assembler, uint32_t partition);
size_t assembler_total_waiting_bytes(const struct assembler *assembler);
/* Bytes of the arrays that grow with what waits. The events themselves are in the slabs of their partitions. */
size_t assembler_array_bytes(const struct assembler *assembler);
bool assembler_needs(const struct assembler *assembler, uint32_t partition);

/*
 * What the head waits for, as text for the log and the status ("transaction 744: public.users 3 of 4 events"), or NULL.
 * The caller frees it.
 */
char *assembler_describe_wait(const struct assembler *assembler);

#endif
