/* detail.h - which columns of a row differ, for the report. */
#ifndef REPLICATOR_CHECK_DETAIL_H
#define REPLICATOR_CHECK_DETAIL_H

#include "check/compare.h"

/*
 * Fills columns (and values, when asked) of the first `limit` differing rows of each table with a key. Values stay in
 * the process and its report; they are never logged. Errors: a connection was lost.
 */
struct error *detail_read(struct comparison *comparison, struct check_tables *tables, size_t limit, bool values);

#endif
