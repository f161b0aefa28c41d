/*
 * commit_history.h - transactions whose END is known to precede the current position in the transaction topic, as pairs
 * of transaction ID and commit LSN. Internal to the stream; one thread.
 *
 * NOTES
 *   A pair identifies a commit: a promoted standby or a restored source uses transaction IDs and LSNs again, but hardly
 *   the same pair. The memory holds a fixed number of pairs; a new one replaces the oldest.
 *
 *   A pair is marked as repeated when its END was read again. Then its events that are still to be read are repeats too.
 */
#ifndef REPLICATOR_STREAM_COMMIT_HISTORY_H
#define REPLICATOR_STREAM_COMMIT_HISTORY_H

#include "event/change.h"

struct commit_history;

struct commit_history *commit_history_new(void);
void commit_history_free(struct commit_history *history);

void commit_history_add(struct commit_history *history, uint64_t tx_id, uint64_t commit_lsn); /* known: no effect */
void commit_history_add_repeated(struct commit_history *history, uint64_t tx_id, uint64_t commit_lsn);

/* A new BEGIN of the transaction ID: its END is to come, whatever was known of it. */
void commit_history_forget_repeated(struct commit_history *history, uint64_t tx_id);

/* A commit LSN of the transaction ID from `lowest` to `highest`; 0: none is known. */
uint64_t commit_history_find(const struct commit_history *history, uint64_t tx_id, uint64_t lowest, uint64_t highest);

/* True: the event fits a transaction that is marked as repeated. */
bool commit_history_is_repeated(const struct commit_history *history, const struct change *change);

#endif
