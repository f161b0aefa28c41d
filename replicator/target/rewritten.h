/*
 * rewritten.h - the tables that a schema change rewrote at the source without row events: the stream marks them
 * (ddl_log.h), a comparison that finds them equal takes the mark away (check/suspects.h). Thread: the connection's.
 */
#ifndef REPLICATOR_TARGET_REWRITTEN_H
#define REPLICATOR_TARGET_REWRITTEN_H

#include "config/config.h"
#include "pg/connection.h"

#define TABLE_NAME_SIZE 136 /* schema, point, table, zero: 63 bytes a name */

struct rewritten {
	size_t count;
	char (*names)[TABLE_NAME_SIZE]; /* "schema.table" at the source, in their order */
	bool paused;                    /* an operator's word: the stream applies nothing */
};

/* rewritten_free it, also after an error. */
struct error *rewritten_read(struct pg_connection *connection, const struct config *config,
                             struct rewritten *rewritten);
void rewritten_free(struct rewritten *rewritten);

#endif
