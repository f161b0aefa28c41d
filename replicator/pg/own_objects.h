/*
 * own_objects.h - the tables, views and functions that the files of a folder of sql/ create in a schema, and everything else
 * in it, which is not ours. Thread: the connection's.
 */
#ifndef REPLICATOR_PG_OWN_OBJECTS_H
#define REPLICATOR_PG_OWN_OBJECTS_H

#include "pg/connection.h"

/* ERROR_CONFIGURATION when the schema holds anything that these files do not create; names some of it. */
struct error *own_objects_refuse_others(struct pg_connection *connection, const char *folder, const char *schema);

/*
 * Drops them one by one, and then the schema, inside the caller's transaction. Nothing else is dropped with them: an object
 * elsewhere that depends on one is an error.
 */
struct error *own_objects_drop(struct pg_connection *connection, const char *folder, const char *schema);

#endif
