/*
 * spill.h - the events of one large transaction in files (law 7).
 *
 * NOTES
 *   Files in `spill_dir`, unlinked as soon as they are open: whatever happens to the process, the room is given back.
 *   One holds the events as they lie in memory (their relations live as long as the process, so pointers to them stay
 *   true). For each partition a run says where its events lie and who they are (alignment.h), in rising order; another
 *   run begins where a restart of the connector goes back. When the transaction is whole, the runs are merged into its
 *   order, without repeats.
 *
 * Thread: the consumer's until the transaction is handed over, the applier's afterwards; never both.
 */
#ifndef REPLICATOR_STREAM_SPILL_H
#define REPLICATOR_STREAM_SPILL_H

#include "base/error.h"
#include "event/change.h"

#include <stdbool.h>

struct alignment;
struct spill;
struct transaction;

/* `limit_bytes` bounds the files together. Errors: ERROR_SYSTEM with the folder and the reason. */
struct error *spill_open(const char *dir, int64_t limit_bytes, struct spill **spill);
void spill_free(struct spill *spill); /* NULL is allowed */

/* Writes the change and releases it, also when that fails. Errors: ERROR_SYSTEM: no room, or above the limit. */
struct error *spill_add(struct spill *spill, struct change *change);

/*
 * Puts what was added into the transaction's order and drops the repeats. More may be added afterwards; then align
 * again. Errors: ERROR_SYSTEM of the files.
 */
struct error *spill_align(struct spill *spill, struct alignment *alignment);

void spill_seal(struct spill *spill); /* aligned, and nothing is added any more: gives back what only that needs */

size_t spill_count(const struct spill *spill); /* added, repeats included until it is aligned */
uint64_t spill_bytes(const struct spill *spill);

/*
 * Of an aligned one: adds events from *next on to the chunk, in order, until it has `rows` of them or `bytes`, and
 * moves *next behind them; the halves of a key change, and TRUNCATEs that follow each other, stay together.
 * chunk->more_follows: there are more. Nothing is added: there were none. Start with *next 0.
 */
struct error *spill_read(struct spill *spill, uint64_t *next, size_t rows, size_t bytes, struct transaction *chunk);

#endif
