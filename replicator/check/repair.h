/*
 * repair.h - makes the rows that differ for good equal to the source, with the stream running.
 */
#ifndef REPLICATOR_CHECK_REPAIR_H
#define REPLICATOR_CHECK_REPAIR_H

#include "check/compare.h"

/*
 * Repairs the lasting rows of every table and counts in table->repair what it did; each change is recorded in
 * repair_log. `dry_run`: only counts. Rows that the source changed since they were looked at are left to the stream.
 *
 * Errors: a connection was lost; the state schema has no repair_log. What a table's constraints or rights refuse is in
 * table->repair.problem.
 */
struct error *repair_tables(struct comparison *comparison, struct check_tables *tables, bool dry_run);

#endif
