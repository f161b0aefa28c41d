/*
 * spill.h - the events of one large transaction in files, in the order of their numbers (law 7).
 *
 * NOTES
 *   Two files in `spill_dir`, unlinked as soon as they are open: whatever happens to the process, the room is given back.
 *   One holds the events as they lie in memory (their relations live as long as the process, so pointers to them stay
 *   true), the other one slot for each total_order: where the event lies, and who it is.
 *
 * Thread: the consumer's until the transaction is handed over, the applier's afterwards; never both.
 */
#ifndef REPLICATOR_STREAM_SPILL_H
#define REPLICATOR_STREAM_SPILL_H

#include "base/error.h"
#include "event/change.h"

#include <stdbool.h>

struct spill;
struct transaction;

/* `limit_bytes` bounds both files together. Errors: ERROR_SYSTEM with the folder and the reason. */
struct error *spill_open(const char *dir, int64_t limit_bytes, struct spill **spill);
void spill_free(struct spill *spill); /* NULL is allowed */

/*
 * Writes the change under its total_order and releases it, also when that fails. Errors: ERROR_SYSTEM: no room, or above
 * the limit; ERROR_EVENT: another event has that number.
 */
struct error *spill_add(struct spill *spill, struct change *change);

/* The identity (lane.h) of the event with that number; *found false: there is none. */
struct error *spill_find(struct spill *spill, uint64_t total_order, uint64_t *identity, bool *found);

size_t spill_count(const struct spill *spill);
uint64_t spill_bytes(const struct spill *spill);

/*
 * Adds events from number *next on to the chunk, in rising order, until it has `rows` of them or `bytes`, and moves *next
 * behind them; the two halves of a key change stay together. Nothing is added: there are no more. Start with *next 0.
 */
struct error *spill_read(struct spill *spill, uint64_t *next, size_t rows, size_t bytes, struct transaction *chunk);

#endif
