/*
 * left_out.h - steps of schema changes that the target refused and that the stream went on without: remembered in
 * left_out_step, shown by `status` and check_target, and retried.
 *
 * NOTES
 *   A step may be left out where rows are right without it: NOT NULL, identity, defaults, constraints and indexes. The
 *   daemon retries each between two batches, in a target transaction of its own: 5 s later, then after rising pauses of an
 *   hour at most; at once after its start, after the next schema change, and after a resync of the table. An attempt
 *   waits for its lock as long as ddl.lock_timeout, and its failure is noted in the row and is no error.
 *   An entry is deleted when its step succeeded, when the target has what it lacked, and when the source has changed so
 *   that it means nothing any more.
 *
 * Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_LEFT_OUT_H
#define REPLICATOR_TARGET_LEFT_OUT_H

#include "schema/part.h"
#include "target/ddl_log.h"

/* The object of an entry. */
struct left_out_object {
	const char *kind_name;
	const char *relid; /* at the source */
	struct object_name name;
};

/* `expected`: by design, not a difference between source and target. */
struct error *left_out_add(struct pg_connection *connection, const struct config *config,
                           const struct left_out_object *object, struct part part, const char *sql, const char *reason,
                           bool expected, uint64_t lsn);

/* All entries are due: the schema changed, or the daemon starts. */
struct error *left_out_make_due(struct pg_connection *connection, const struct config *config);

/* *count: how many there are; *id: the next one that is due, or 0. */
struct error *left_out_next(struct pg_connection *connection, const struct config *config, size_t *count, int64_t *id);

/*
 * One attempt, inside of a transaction. *settled: the entry is deleted; *executed: by a step. An error rolls all back; then
 * left_out_note_failure notes it.
 */
struct error *left_out_retry(struct pg_connection *connection, const struct config *config, int64_t id, bool *settled,
                             bool *executed);

/* Notes the reason, and puts the next attempt off. */
struct error *left_out_note_failure(struct pg_connection *connection, const struct config *config, int64_t id,
                                    const char *reason);

#endif
