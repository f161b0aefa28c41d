/*
 * proof.h - whether rows of the server that source.dsn names may be written into the target.
 *
 * NOTES
 *   A comparison with the wrong server finds differences, too, and a repair after it reverts newer rows, restores deleted
 *   rows and deletes rows. So nothing is written before a token that was written through source.dsn has arrived in the
 *   stream (target/source_identity.h). A standby takes none; it may also be behind the target. With --at-rest, for a
 *   stream that does not run, the operator answers for source.dsn, and only what the identities show is refused.
 *
 * Thread: main's.
 */
#ifndef REPLICATOR_CHECK_PROOF_H
#define REPLICATOR_CHECK_PROOF_H

#include "check/compare.h"

/*
 * Sets comparison->refusal: NULL when the target may be written. `dry_run`: without the token. Waits for it at most for the
 * comparison's timeout. Errors: a connection was lost.
 */
struct error *proof_take(struct comparison *comparison, bool dry_run);

/* What shows that source.dsn is not the stream's source, NULL: nothing does; in the arena. Errors: a connection was lost. */
struct error *proof_read_doubt(struct comparison *comparison, const char **doubt);

/*
 * Under the lock of a repair, `target` its connection: ERROR_CONFIGURATION when the source has not reached what the stream
 * has applied.
 */
struct error *proof_require_position(const struct comparison *comparison, struct pg_connection *target);

/* Why this table may not be written although the comparison proved its differences, or NULL. */
const char *proof_refuse_table(const struct comparison *comparison, const struct check_table *table);

#endif
