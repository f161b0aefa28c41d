/*
 * suspects.h - rows of the target whose values the connector lost (target/suspect.h), as the target's state notes them.
 * Thread: one.
 */
#ifndef REPLICATOR_CHECK_SUSPECTS_H
#define REPLICATOR_CHECK_SUSPECTS_H

#include "check/compare.h"

/* Fills table->suspects. Where the state cannot be read there are none. Errors: the connection is lost. */
struct error *suspects_read(struct pg_connection *target, const struct config *config, struct arena *arena,
                            struct check_tables *tables);

/* Of the tables that were found in sync: those that were marked up to `lsn` are known again. */
struct error *suspects_clear(struct pg_connection *target, const struct config *config, uint64_t lsn,
                             const struct check_tables *tables);

#endif
