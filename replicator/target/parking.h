/*
 * parking.h - rows whose new key is another row's for the time being, within one source transaction.
 *
 * NOTES
 *   A deferrable key lets rows change places within a statement: 1 → 2, 2 → 1. The events come one after the other, and
 *   while the first row moves to 2 the second is still there. So the first one leaves its place and waits, in the state
 *   table `moving`, until its new key is given up. However many rows wait, and however many pieces the transaction
 *   comes in, this process remembers only how many of each table.
 *
 *   A row may also find its key taken because the target is ahead of the stream (it was copied later than this
 *   transaction): then nobody gives the key up. It is written over the one that is there before anything else touches
 *   that key, at the latest at the transaction's end, and what the stream has behind it puts things right.
 *
 * Thread: the applier's. What waits is rolled back with the target transaction; use a new parking afterwards.
 */
#ifndef REPLICATOR_TARGET_PARKING_H
#define REPLICATOR_TARGET_PARKING_H

#include "base/error.h"
#include "event/change.h"
#include "target/binding.h"
#include "target/rows.h"

struct parking;
struct strict;

struct parking *parking_new(void);
void parking_free(struct parking *parking); /* NULL is allowed */

/* How many wait, for a savepoint: the rows themselves are rolled back with it. */
struct parking *parking_copy(const struct parking *parking);
void parking_restore(struct parking *parking, const struct parking *copy);

bool parking_is_empty(const struct parking *parking);

/* The row, which has left its old key and was `old` there, waits for the key of `after`. */
struct error *parking_put(const struct strict *strict, const struct binding *binding, const struct value *after,
                          const struct stored_row *old);

/* Nobody has that key any more: the row that has waited for it since longest gets it. */
struct error *parking_give(const struct strict *strict, struct binding *binding, const struct value *key);

/* Writes those that wait for that key over the row that has it. */
struct error *parking_end_key(const struct strict *strict, struct binding *binding, const struct value *key);

/* The same of all keys: the transaction ends, or its tables change. */
struct error *parking_end(const struct strict *strict, struct binding_cache *cache);

#endif
