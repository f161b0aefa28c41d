/*
 * ddl_hidden.h - what a rule of `tables` hides stays hidden when the source renames it.
 *
 * NOTES
 *   Rules name tables and columns. A rename at the source takes a table or column out of its rule, and the values that the
 *   rule excludes, masks or filters would reach the target. Each of these checks stops the stream before that happens. It
 *   continues when `tables` has an entry for the new name.
 *
 *   Where the log began without a baseline (snapshot.mode = no_data), the first image of an object may be that of a
 *   rename, and nothing tells the earlier name. What could be a renamed column or table then stops the stream as well.
 *
 * Errors: ERROR_TARGET. Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_DDL_HIDDEN_H
#define REPLICATOR_TARGET_DDL_HIDDEN_H

#include "target/ddl_log.h"

/* `before` is the last image of the same object, NULL: it is not known. Both are the source's own. */
struct error *ddl_hidden_check(const struct config *config, const struct object_image *before,
                               const struct object_image *after);

/*
 * Of a table whose last image is not known, or only that of another table with its name (`before`). `target`: what the
 * target has for it, or NULL.
 */
struct error *ddl_hidden_check_unknown(struct pg_connection *connection, const struct config *config,
                                       const struct ddl_row *row, const struct object_image *before,
                                       const struct object_image *after, const struct object_image *target);

/* ALTER SCHEMA ... RENAME TO renames all tables in it. `before` NULL: the earlier name is not known. */
struct error *ddl_hidden_check_schema(const struct config *config, const char *before, const char *after);

#endif
