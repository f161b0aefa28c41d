/*
 * commit_history.h - transactions whose END is known to precede the current position in the transaction topic, as pairs
 * of transaction ID and commit LSN. Internal to the stream; one thread.
 *
 * NOTES
 *   A pair identifies a commit: a promoted standby or a restored source uses transaction IDs and LSNs again, but hardly
 *   the same pair. The memory holds a fixed number of pairs; a new one replaces the oldest.
 *
 *   A pair is marked as repeated when its END was read again. Then its events that are still to be read are repeats too,
 *   unless a new transaction uses the ID again: its BEGIN, or an END with another commit LSN, was read.
 */
#ifndef REPLICATOR_STREAM_COMMIT_HISTORY_H
#define REPLICATOR_STREAM_COMMIT_HISTORY_H

#include "event/change.h"

struct commit_history;

struct commit_history *commit_history_new(void);
void commit_history_free(struct commit_history *history);

void commit_history_add(struct commit_history *history, uint64_t tx_id, uint64_t commit_lsn); /* known: no effect */

/* Its END, at that offset, is a repeat. */
void commit_history_add_repeated(struct commit_history *history, uint64_t tx_id, uint64_t commit_lsn, int64_t offset);

/* The newest boundary event of the transaction ID that was read: a BEGIN (0) or the END with that commit LSN. */
void commit_history_set_newest(struct commit_history *history, uint64_t tx_id, uint64_t commit_lsn);

/* A commit LSN of the transaction ID from `lowest` to `highest`; 0: none is known. */
uint64_t commit_history_find(const struct commit_history *history, uint64_t tx_id, uint64_t lowest, uint64_t highest);

struct repeated_commit {
	int64_t offset; /* of its repeated END; -1: the event fits no transaction that is marked as repeated */
	bool contested; /* a new transaction may use the ID again */
};

struct repeated_commit commit_history_repeated(const struct commit_history *history, const struct change *change);

#endif
