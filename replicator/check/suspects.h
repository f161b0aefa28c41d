/*
 * suspects.h - what the target's state notes as not known: rows whose values the connector lost (target/suspect.h), and
 * tables that a schema change rewrote at the source without row events (target/ddl.c). Thread: one.
 */
#ifndef REPLICATOR_CHECK_SUSPECTS_H
#define REPLICATOR_CHECK_SUSPECTS_H

#include "check/compare.h"

/*
 * Fills table->suspects and table->rewritten. Where the state cannot be read there are none. Errors: the connection is
 * lost.
 */
struct error *suspects_read(struct pg_connection *target, const struct config *config, struct arena *arena,
                            struct check_tables *tables);

/* Of the tables that were found in sync: what was marked up to `lsn` is known again. */
struct error *suspects_clear(struct pg_connection *target, const struct config *config, uint64_t lsn,
                             const struct check_tables *tables);

#endif
