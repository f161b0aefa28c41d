/*
 * suspects.h - what the target's state notes as not known: rows whose values the connector lost (target/suspect.h), and
 * tables that may differ as a whole (target/unverified.h).
 *
 * NOTES
 *   A comparison proves what was marked before it began, and nothing of what happened since. So the marks are read
 *   before the comparison, and only these very marks are removed after it: one that was set again meanwhile stays.
 *
 * Thread: one.
 */
#ifndef REPLICATOR_CHECK_SUSPECTS_H
#define REPLICATOR_CHECK_SUSPECTS_H

#include "check/compare.h"

/*
 * Fills table->suspects, table->unverified, table->marked_at, table->quarantined and table->left_out_steps. Where the state cannot be read there
 * are none. Errors: the connection is lost.
 */
struct error *suspects_read(struct pg_connection *target, const struct config *config, struct arena *arena,
                            struct check_tables *tables);

/* A table that lacks steps of schema changes is not in sync. After suspects_clear: rows may be proved all the same. */
void suspects_judge(struct check_tables *tables);

/*
 * Reads table->quarantined anew. What the stream set aside up to the position of the last look is counted when that look
 * has ended.
 */
struct error *suspects_count_quarantined(struct pg_connection *target, const struct config *config,
                                         struct check_table *table);

/*
 * Removes the marks that suspects_read found, of the tables that were found in sync since: those that were set at or
 * below `lsn`, the source's position at the first look. They stay while a snapshot of the connector is open, or
 * transactions with changes of the table wait in the quarantine.
 */
struct error *suspects_clear(struct pg_connection *target, const struct config *config, uint64_t lsn,
                             const struct check_tables *tables);

#endif
