/*
 * refusals.h - changes of unverified tables that the target refuses because of other rows.
 *
 * NOTES
 *   A table that is unverified (unverified.h) may hold rows that are older than the change, or newer. Such a row may have
 *   a unique value that the source gave to another row meanwhile, or one that an exclusion constraint compares with. The
 *   server then refuses a change that is right (23505, 23P01), and an update that does not carry all values may not find
 *   its row. Such a change is discarded and counted. Nothing is removed. The mark of the table is raised to the
 *   transaction of the change, so that only a comparison that began afterwards, with a fence at or above that
 *   transaction, clears it: the comparison and its repair give the rows their values.
 *
 *   A row of an incremental snapshot that is refused is discarded as well, and marks its table: it may be newer than the
 *   rows that the stream still has to change.
 *
 *   On any other table a refused change stops the stream, or sends its transaction to the quarantine.
 *
 * Thread: the applier's; inside the target transaction that the caller opened.
 */
#ifndef REPLICATOR_TARGET_REFUSALS_H
#define REPLICATOR_TARGET_REFUSALS_H

#include "stream/transaction.h"
#include "target/binding.h"

struct refusals;

/* SQLSTATE of our error that an update does not carry all values and its row is not in the target ("no data"). */
#define SQLSTATE_NO_ROW "02000"

struct refusals *refusals_new(const struct config *config);
void refusals_free(struct refusals *refusals); /* NULL is allowed */

/* A target transaction begins, or begins again: nothing is noted, and the marks are read again. */
void refusals_begin(struct refusals *refusals);

/* Whether the error is one that rows of an unverified table may cause. */
bool refusals_explain(const struct error *error);

/*
 * *accepted: a change of that table may be discarded when it is refused. *constraints: the deferrable ones that would
 * otherwise refuse it at COMMIT, as the list of SET CONSTRAINTS, or NULL; valid until refusals_begin.
 */
struct error *refusals_accept(struct refusals *refusals, struct pg_connection *connection,
                              const struct binding *binding, const struct transaction *transaction, bool *accepted,
                              const char **constraints);

/* A change of that table was refused with `reason`, and discarded. */
void refusals_note(struct refusals *refusals, const struct binding *binding, const struct error *reason);

/* Before the target transaction commits: marks and reports. `lsn`: at the source, of the last transaction in it. */
struct error *refusals_finish(struct refusals *refusals, struct pg_connection *connection, uint64_t lsn);

#endif
