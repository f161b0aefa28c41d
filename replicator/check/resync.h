/*
 * resync.h - one table read again while replication continues: a snapshot of it by the connector, then a comparison and
 * repair. Thread: main's.
 */
#ifndef REPLICATOR_CHECK_RESYNC_H
#define REPLICATOR_CHECK_RESYNC_H

#include "base/exit_code.h"
#include "config/config.h"

#include <stdio.h>

/*
 * The names as they are in the catalog. `timeout_us`: how long the comparison waits for the stream. The report goes to
 * `out`; *code as check_target's. `compare_only`: without the snapshot; the comparison is the proof in either case.
 * Errors: of the connections; ERROR_CONFIGURATION: no such table, no signal table.
 */
struct error *resync_table(const struct config *config, const char *schema, const char *table, bool compare_only,
                           int64_t timeout_us, FILE *out, enum exit_code *code);

#endif
