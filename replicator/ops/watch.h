/*
 * watch.h - supervision: looks at the connector and its slot from time to time, restarts what failed of the connector,
 * and has unverified tables resynced.
 *
 * NOTES
 *   The daemon does its work without knowing of the connector; whether events still come is another question, and this
 *   thread asks it: Connect for the states of connector and tasks, the source for the WAL that the slot keeps. Either
 *   may be unset or away; that is a finding, not an error.
 *
 *   A connector may run and send nothing (it retries one record without end, or writes to topics that nobody reads). What
 *   proves it are heartbeats: a connector with heartbeat.interval.ms and heartbeat.action.query (its configuration at
 *   Connect says so, or the heartbeat row at the source moves) changes a captured row in each interval. ops_silent_seconds
 *   compares that with what was read. Without heartbeats a source may be quiet, and nothing is concluded.
 *
 *   While a snapshot is read, the source's statistics tell how many rows its tables have (base/metrics.h keeps them),
 *   and now and then Kafka is asked how long it keeps the topics. The same answer shows topics that became compacted while the
 *   daemon runs: the daemon refuses to start with them, and Kafka may remove events before they are read.
 *
 *   Failed tasks are restarted with rising pauses, supervision.restart_attempts times in a row at most; a quarter of an
 *   hour in good order forgives. What needs a person (a password, a right) would fail for ever, and each try costs the
 *   source.
 *
 *   The active instance has unverified tables resynced (resyncer.h), one after the other, and new tables captured
 *   (new_tables.h).
 *
 * Thread: a thread of its own; watch_read from any.
 */
#ifndef REPLICATOR_OPS_WATCH_H
#define REPLICATOR_OPS_WATCH_H

#include "config/config.h"
#include "ops/resyncer.h"
#include "stream/probe.h"

#include <stdint.h>

struct watch_state {
	int64_t looked_us; /* monotonic, of the last look; 0: none yet */
	struct {
		bool known;
		char state[24];
		char reason[400]; /* of FAILED, or why Connect is not reached */
		unsigned tasks;
		unsigned tasks_failed;
		uint64_t restarts;        /* asked for by us */
		unsigned attempts;        /* in a row */
		bool gave_up;             /* the cap is reached */
		int64_t running_since_us; /* monotonic; 0: it does not run, or is not known */
		int64_t heartbeat_ms;     /* its heartbeats are events of the stream, so often; 0: none, or not known */
	} connector;
	struct {
		bool known; /* the source answered */
		bool exists;
		bool active;
		char wal_status[16];
		int64_t retained_bytes;    /* WAL that the slot keeps */
		int64_t unconfirmed_bytes; /* written since what the connector confirmed */
		uint64_t source_lsn;
		char problem[400]; /* "" or why not known */
	} slot;
	int64_t heartbeat_us; /* monotonic, when the heartbeat row at the source was seen to change; 0: it was not */
	struct resync_state resync;
	struct probe_policies policies; /* of the last look at which Kafka answered */
};

struct watch;

/* Starts the thread; NULL when the interval is 0. */
struct watch *watch_start(const struct config *config);
void watch_stop(struct watch *watch);                            /* NULL is allowed */
void watch_set_active(struct watch *watch, bool active);         /* whether this instance applies; NULL is allowed */
void watch_read(struct watch *watch, struct watch_state *state); /* zeroes when `watch` is NULL */

#endif
