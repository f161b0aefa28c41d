/*
 * stream_lock.h - the session advisory lock of a stream: who holds it is the active instance, everybody else waits for
 * it.
 *
 * NOTES
 *   The lock goes with its session, so the server gives it to the next instance as soon as the holder's process has
 *   died. A holder that lives but does nothing (stopped, or cut off by a network that swallows packets) would keep it
 *   for ever. Whoever waits watches the holder's session, therefore: an active instance sends a statement at least
 *   every HEARTBEAT_MS, so a session that has waited for its client for stream.holder_timeout without any new statement
 *   or COPY data is ended. Should its client wake up, its epoch is no longer the stream's (checkpoint.h).
 *
 * Thread: the connection's.
 */
#ifndef REPLICATOR_TARGET_STREAM_LOCK_H
#define REPLICATOR_TARGET_STREAM_LOCK_H

#include "config/config.h"
#include "pg/connection.h"

#define HEARTBEAT_MS 1000

/*
 * Waits until the lock is ours; ERROR_INTERRUPTED on a stop request. In between it calls `meanwhile` (may be NULL) with
 * `epoch`; an error of it ends the wait.
 */
struct error *stream_lock_await(struct pg_connection *connection, const struct config *config,
                                struct error *(*meanwhile)(struct pg_connection *, const struct config *, int64_t),
                                int64_t epoch);

/*
 * For long work without statements, by whoever holds the lock: sends an empty statement when none was sent by this
 * function for HEARTBEAT_MS, so that no standby instance ends the session. *last_us: when that was; 0: not yet. Not
 * inside a pipeline or a COPY. Errors: of the connection.
 */
struct error *stream_lock_keep(struct pg_connection *connection, int64_t *last_us);

#endif
