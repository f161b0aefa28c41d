/*
 * missing.h - updates and deletes of the stream that found no row.
 *
 * NOTES
 *   On a table that is unverified (unverified.h) they are expected. Else the target lacks a row that it should have:
 *   with a key the change still has its effect, since an update of a missing row inserts it, so it is reported once for
 *   each table; without a key other rows of the table may be wrong as well, so the table becomes unverified.
 *
 *   Not noted: rows that a filter left out, and tables where deletes are soft or ignored.
 *
 * Thread: the applier's, or a command's.
 */
#ifndef REPLICATOR_TARGET_MISSING_H
#define REPLICATOR_TARGET_MISSING_H

#include "stream/transaction.h"
#include "target/binding.h"

struct missing;

struct missing *missing_new(const struct config *config);
void missing_free(struct missing *missing); /* NULL is allowed */

/* A target transaction begins, or begins again: nothing is noted. */
void missing_begin(struct missing *missing);

/* Rows of a binding that a change did not find; `keyed`: it looked by the key. `missing` NULL: nobody wants to know. */
void missing_note(struct missing *missing, const struct binding *binding, bool keyed, uint64_t rows);

/* Before the target transaction commits: marks and reports. `lsn`: at the source, of the last transaction in it. */
struct error *missing_finish(struct missing *missing, struct pg_connection *connection, uint64_t lsn);

#endif
