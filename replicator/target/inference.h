/*
 * inference.h - schema changes of a source without the DDL log, as the events themselves show them.
 *
 * NOTES
 *   A field that the target lacks is a new column, a wider type is an ALTER TYPE, a field that no longer comes leaves
 *   its column nullable (ddl.missing_field = "drop": drops it). Steps only ever widen what the target takes, and a
 *   column is dropped once at most, so that old and new events may alternate. Tables of which the log has an image are
 *   left to it.
 *
 *   A binding (binding.h) that needs steps first is refused outside of a transaction; change by change they are
 *   executed in the target transaction of the row, under the same policies, and stand in schema_history, as rows
 *   without a log_id.
 *
 * Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_INFERENCE_H
#define REPLICATOR_TARGET_INFERENCE_H

#include "target/ddl.h"

/* ERROR_TARGET: rows of this relation need a step first. Of the binding only relation, rule and image are read. */
struct error *inference_check(struct pg_connection *connection, const struct config *config,
                              const struct binding *binding, struct arena *arena);

/*
 * Makes the target fit for the change's relation. *changed: something was done, bind again. ERROR_TARGET with the
 * statement to run where the events do not tell the type (JSON without schema).
 */
struct error *inference_follow(struct ddl *ddl, struct binding_cache *cache, struct pg_connection *connection,
                               const struct transaction *transaction, const struct change *change, bool *changed);

/* Adds to an error of a value that its column refuses the statement that widens the column. Takes the error. */
struct error *inference_explain(struct error *error, const struct binding *binding, const struct change *change);

#endif
