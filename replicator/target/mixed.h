/*
 * mixed.h - tables of the source that share one table of the target where no source_column tells their rows apart.
 *
 * NOTES
 *   A TRUNCATE or DROP TABLE of one of them does not say which rows go, and a row is removed only with proof (law 11). A
 *   TRUNCATE is applied when all of them are truncated by the same statement (a partitioned table whose partitions are
 *   renamed to one table): their events stand in a row.
 *   Looked at are the tables that the stream has received events of. Tables that other streams write are not.
 *
 * Thread: the applier's, or a command's. Scratch memory and results are in `arena`.
 */
#ifndef REPLICATOR_TARGET_MIXED_H
#define REPLICATOR_TARGET_MIXED_H

#include "config/config.h"
#include "pg/connection.h"
#include "stream/transaction.h"

/* The others that share the target's table with that table of the source. */
struct error *mixed_tables(struct pg_connection *connection, const struct config *config, const struct table_name *name,
                           struct arena *arena, struct table_name **others, size_t *count);

/* Of the change with that number, a TRUNCATE. ERROR_TARGET: rows of another table would go. */
struct error *mixed_check_truncate(struct pg_connection *connection, const struct config *config,
                                   const struct transaction *transaction, size_t number, struct arena *arena);

#endif
