/*
 * ddl_steps.h - executes the steps of schema changes: under savepoints and the policies of `ddl`, at once or at the end of
 * the transaction, or left out where rows are right without them (left_out.h).
 *
 * Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_DDL_STEPS_H
#define REPLICATOR_TARGET_DDL_STEPS_H

#include "base/buffer.h"
#include "target/left_out.h"

/* The object whose steps run, for what is left out; lives as long as the run. NULL where no row of the log led to them. */
struct ddl_subject {
	struct left_out_object object;
	const struct object_image *after; /* by the rules; NULL: dropped */
	uint64_t lsn;
};

/* What was done. */
struct ddl_report {
	struct buffer steps; /* an array literal for the history, without its end */
	size_t executed;
	bool maintained; /* the stream created the object, or it may drop it (ddl_own.h) */
};

void ddl_report_note(struct ddl_report *report, const char *prefix, const char *sql);

struct ddl_steps; /* with what is put off to the end of a transaction */

struct ddl_steps *ddl_steps_new(const struct config *config);
void ddl_steps_free(struct ddl_steps *steps);

/* ERROR_TARGET with the statement, the reason and the remedy. */
struct error *ddl_steps_run(struct ddl_steps *steps, struct pg_connection *connection,
                            const struct ddl_subject *subject, const struct step *first, struct ddl_report *report);

/*
 * Before an object is created whose name one has whose drop waits: what needed that one may be gone by now, else it gets the
 * name "dropped ROW NAME". ERROR_TARGET for a table that has to stay.
 */
struct error *ddl_steps_make_way(struct ddl_steps *steps, struct pg_connection *connection, const char *row,
                                 const struct object_image *after, struct arena *arena);

/* What had to wait for the transaction's rows and other steps. *any: there was something. */
struct error *ddl_steps_finish(struct ddl_steps *steps, struct pg_connection *connection, bool *any);

/* Whether an object that a statement needs is missing in the target: a function, type, schema or extension. */
bool ddl_steps_lack_object(const struct error *error);

#endif
