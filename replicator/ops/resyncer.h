/*
 * resyncer.h - resyncs the tables that are unverified (target/unverified.h) automatically: part of the supervision
 * (watch.h).
 *
 * NOTES
 *   Each of them gets its `replicator table resync`, in a process of its own, one at a time, while this instance is the
 *   active one, the stream is not paused and no rows of a snapshot of the connector come. What fails is tried again after
 *   some seconds, then twice as long, up to an hour: each try reads the table at the source. The process ends with the
 *   daemon, and when another instance takes over.
 *
 * Thread: the supervision's.
 */
#ifndef REPLICATOR_OPS_RESYNCER_H
#define REPLICATOR_OPS_RESYNCER_H

#include "config/config.h"
#include "target/unverified.h"

struct resync_state {
	bool known;                  /* the target answered */
	unsigned tables;             /* that are unverified */
	char table[TABLE_NAME_SIZE]; /* the one that is being resynced, or "" */
	uint64_t runs;               /* begun since the start */
	uint64_t failures;
	char problem[400]; /* of the last one, or "" */
};

struct resyncer;

struct resyncer *resyncer_new(const struct config *config);
void resyncer_free(struct resyncer *resyncer); /* ends the process */

/* One look: what ended, what is marked, what is begun. `active`: this instance applies the stream. */
void resyncer_look(struct resyncer *resyncer, bool active, int64_t now_us, struct resync_state *state);

#endif
