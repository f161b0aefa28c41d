/*
 * slab.h - bump allocation in reference-counted blocks, for events that wait between two threads.
 *
 * NOTES
 *   Decoded events are born in the consumer's thread, one after the other, and die in the applier's thread, in runs.
 *   An event is carved from the current slab of its writer; it holds one reference to the slab; the slab goes back
 *   when its last event is released. There is no allocation an event, and memory is counted by whole slabs, so that
 *   the bound on memory (law 7) is about what the process really holds.
 *
 * Thread: a writer belongs to one thread. slab_release and slab_bytes_in_use may be called from any thread.
 */
#ifndef REPLICATOR_BASE_SLAB_H
#define REPLICATOR_BASE_SLAB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct slab;

/* Bytes held by all slabs that share this counter. */
struct slab_account {
	atomic_size_t bytes;
};

struct slab_writer {
	struct slab_account *account;
	struct slab *current;
};

void slab_writer_init(struct slab_writer *writer, struct slab_account *account);
void slab_writer_close(struct slab_writer *writer); /* gives up the writer's own reference to its current slab */

/*
 * Room for at least `bytes` bytes, aligned to 8. Valid until the next slab_reserve or slab_commit of the same writer.
 */
void *slab_reserve(struct slab_writer *writer, size_t bytes);

/*
 * Keeps the first `bytes` of the room that slab_reserve gave and returns the slab, with one reference for the caller,
 * to be given back by slab_release.
 */
struct slab *slab_commit(struct slab_writer *writer, size_t bytes);

void slab_release(struct slab *slab);

size_t slab_bytes_in_use(const struct slab_account *account);

#endif
