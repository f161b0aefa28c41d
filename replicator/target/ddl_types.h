/*
 * ddl_types.h - types that a captured table needs and the target lacks.
 *
 * NOTES
 *   The log has the types of the whole database, and a type of a schema that is not captured may need what the target does
 *   not have (a function, another schema, a right). Such a type does not stop the stream: its image waits in the history
 *   until a captured table has a column of it.
 *
 * Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_DDL_TYPES_H
#define REPLICATOR_TARGET_DDL_TYPES_H

#include "target/ddl_steps.h"

/*
 * Whether a type that the target lacks may wait after this error: what it needs is missing, or this program cannot
 * create it.
 */
bool ddl_types_may_wait(const struct pg_connection *connection, const struct error *error);

/* Creates the types of the image's columns, and those that they need, from the history. */
struct error *ddl_types_create_needed(struct ddl_steps *steps, struct pg_connection *connection,
                                      const struct config *config, const struct object_image *image,
                                      struct arena *arena, struct ddl_report *report);

#endif
