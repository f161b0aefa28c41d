/* watermark.h - how far the stream is, as the target says, and how far it must get. Thread: one. */
#ifndef REPLICATOR_CHECK_WATERMARK_H
#define REPLICATOR_CHECK_WATERMARK_H

#include "base/arena.h"
#include "config/config.h"
#include "pg/connection.h"

struct watermark {
	bool known;        /* the state schema and the stream's row are there and may be read */
	uint64_t lsn;      /* commit LSN of the last applied transaction */
	bool unordered;    /* the stream runs with transactions = "off": `lsn` does not move */
	const char *state; /* "running"…; in the arena */
	const char *error; /* what stopped it, or "" */
	const char *applied_at;
	/* A snapshot of the connector whose end was not applied yet: the target may lack rows, or have old ones. */
	bool snapshot_open;
	int64_t snapshot_tables; /* that it has brought rows of so far */
	int64_t snapshot_rows;
};

struct error *watermark_read(struct pg_connection *target, const struct config *config, struct arena *arena,
                             struct watermark *watermark);

/* The stream says of itself that it does not run. */
bool watermark_is_stopped(const struct watermark *watermark);

#define WATERMARK_PLAIN_FENCE "fence"

/*
 * Writes a transaction into the source's log that changes nothing, so that the stream's watermark passes what was
 * committed before although the source may be idle. `text` goes with it: a token (target/source_identity.h) or
 * WATERMARK_PLAIN_FENCE. False when the role may not, or the server is a standby.
 */
bool watermark_push_fence(struct pg_connection *source, const char *text);

/* The same after a fence that did not arrive: a connector may filter one kind of it. ERROR_TRANSIENT: the connection is lost. */
struct error *watermark_push_again(struct pg_connection *source, const char *text);

/* The position of the server in its log: on a standby, up to which it has replayed. */
struct error *watermark_read_position(struct pg_connection *source, uint64_t *lsn);

/* Fences that are pushed while the stream is waited for. */
struct fence_pushes {
	struct pg_connection *source; /* NULL: none are pushed */
	const char *text;
	int64_t interval_us;
};

#define FENCE_INTERVAL_US 5000000

/*
 * Waits until the watermark reached `lsn`; *passed tells whether it did within the time. Ends early when the stream is
 * stopped, keeps no watermark, or a signal asks to leave. Where the caller pushed a fence, others follow at intervals: one
 * is lost with a slot that is dropped, or with the offsets of the connector.
 */
struct error *watermark_await(struct pg_connection *target, struct fence_pushes fences, const struct config *config,
                              uint64_t lsn, int64_t wait_us, struct arena *arena, bool *passed);

/*
 * Waits likewise until no snapshot is open; *watermark is what was read last. A transaction shows that one was broken off,
 * so a fence is pushed even where the watermark has passed.
 */
struct error *watermark_await_snapshot(struct pg_connection *target, struct fence_pushes fences,
                                       const struct config *config, int64_t wait_us, struct arena *arena,
                                       struct watermark *watermark);

#endif
