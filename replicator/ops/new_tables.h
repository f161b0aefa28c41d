/*
 * new_tables.h - tables of the source that a pattern of `init source --capture` names and the connector's publication lacks.
 *
 * NOTES
 *   A pattern of a whole schema needs nothing: its publication has new tables by itself. The tables of other patterns join it
 *   here, outside of the application's transactions, with a lock that is waited for half a second at most (law 12). The event
 *   trigger then logs the table as published and marks the rows that it has (sql/source/003_ddl.sql, 004_publication.sql).
 *
 * Thread: the connection's.
 */
#ifndef REPLICATOR_OPS_NEW_TABLES_H
#define REPLICATOR_OPS_NEW_TABLES_H

#include "pg/connection.h"

/*
 * Adds what is missing, each table in a transaction of its own; one that cannot be added is logged and tried again by the
 * next call. Then has the source mark the partitioned tables of which a partition was truncated and no event came, because
 * their publication publishes by the root (sql/source/005_marks.sql). Without our schema in the source nothing happens.
 * ERROR_CONFIGURATION when the schema cannot be trusted (migration_trust); else errors of the connection.
 */
struct error *new_tables_look(struct pg_connection *source);

#endif
