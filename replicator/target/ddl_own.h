/*
 * ddl_own.h - whether this stream maintains an object of the target, so that a DROP at the source may drop it here.
 *
 * NOTES
 *   The log of the source has the changes of all objects of the database, and the connector may capture a part of the
 *   tables. An object of the target that only has the name of a dropped one belongs to somebody else. What shows that an
 *   object is the stream's:
 *   - a step of the stream created it (schema_history.maintained), also under an earlier name;
 *   - a table: the stream has received rows of it (captured_table);
 *   - a type, sequence or schema: such a table uses it, or is in it, or was.
 *
 * Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_DDL_OWN_H
#define REPLICATOR_TARGET_DDL_OWN_H

#include "target/ddl_log.h"

/* Reads only. The object is that of the log's row, under the name that it has there. */
struct error *ddl_own_read(struct pg_connection *connection, const struct config *config, const struct ddl_row *row,
                           bool *own);

#endif
