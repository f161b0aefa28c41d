/*
 * ddl.h - the source's schema changes, executed in the target transaction of the rows around them.
 *
 * NOTES
 *   Rows of the source's DDL log (sql/source/003_ddl.sql) come in the stream at their place. An image is compared with
 *   the last one of its object (schema_history) and with what the target has; the steps run under savepoints, and the
 *   new image goes into the history, all in the transaction that the caller opened. Log rows of a snapshot set
 *   baselines and are never executed.
 *
 *   A transaction with log rows goes change by change and alone: a new enum label may be used only after the commit.
 *
 * Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_DDL_H
#define REPLICATOR_TARGET_DDL_H

#include "schema/difference.h"
#include "stream/transaction.h"
#include "target/binding.h"

/* Whether changes of this relation are rows of the DDL log. */
bool ddl_is_log(const struct relation *relation);

struct ddl; /* what one source transaction has put off to its end */

struct ddl *ddl_new(struct binding_cache *cache);
void ddl_free(struct ddl *ddl);

/*
 * One row of the log. ERROR_TARGET with the statement, the reason and the remedy; ERROR_EVENT for a row that is none.
 */
struct error *ddl_apply(struct ddl *ddl, struct pg_connection *connection, const struct transaction *transaction,
                        const struct change *change);

/*
 * Applies the log row further on in the transaction that makes the relation's table (CREATE TABLE AS), if there is one.
 */
struct error *ddl_make_early(struct ddl *ddl, struct pg_connection *connection, const struct transaction *transaction,
                             const struct relation *relation, bool *made);

/* After the last change: what had to wait for the rows. */
struct error *ddl_finish(struct ddl *ddl, struct pg_connection *connection);

/*
 * Makes what the images of a source (in the order of their dependencies) show and the target lacks; what is there stays
 * as it is. Inside a transaction. *made counts the steps.
 */
struct error *ddl_make_missing(struct ddl *ddl, struct pg_connection *connection,
                               const struct object_image *const *images, size_t count, size_t *made);

/*
 * Executes steps as ddl_apply does, under the policies. *done: what was done, an array literal for the history, which
 * the caller frees, also after an error.
 */
struct error *ddl_run(struct ddl *ddl, struct pg_connection *connection, const struct step *steps, char **done,
                      size_t *executed);

#endif
