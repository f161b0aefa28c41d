/*
 * slab.c - see slab.h
 *
 * NOTES
 *   The writer holds one reference to its current slab, so that a slab whose events are all released while it is still
 *   being filled stays. An event larger than a slab's room gets a slab of its own size.
 */
#include "base/slab.h"

#include <stdalign.h>
#include <stdlib.h>

#include "base/memory.h"

#define SLAB_BYTES ((size_t)64 << 10) /* with its header */

struct slab {
	struct slab_account *account;
	atomic_size_t references;
	size_t capacity;
	size_t used;
	alignas(8) char data[];
};

void slab_writer_init(struct slab_writer *writer, struct slab_account *account)
{
	writer->account = account;
	writer->current = NULL;
}

void slab_writer_close(struct slab_writer *writer)
{
	if (writer->current != NULL)
		slab_release(writer->current);
	writer->current = NULL;
}

static struct slab *slab_new(struct slab_account *account, size_t bytes)
{
	size_t capacity = SLAB_BYTES - sizeof(struct slab);
	struct slab *slab;

	if (bytes > capacity)
		capacity = (bytes + 7) & ~(size_t)7;
	slab = memory_grow(NULL, 1, sizeof(*slab) + capacity);
	slab->account = account;
	atomic_init(&slab->references, 1);
	slab->capacity = capacity;
	slab->used = 0;
	atomic_fetch_add_explicit(&account->bytes, sizeof(*slab) + capacity, memory_order_relaxed);
	return slab;
}

void *slab_reserve(struct slab_writer *writer, size_t bytes)
{
	struct slab *slab = writer->current;

	if (slab == NULL || slab->capacity - slab->used < bytes) {
		slab_writer_close(writer);
		slab = slab_new(writer->account, bytes);
		writer->current = slab;
	}
	return slab->data + slab->used;
}

struct slab *slab_commit(struct slab_writer *writer, size_t bytes)
{
	struct slab *slab = writer->current;
	size_t rounded = (bytes + 7) & ~(size_t)7;
	size_t room = slab->capacity - slab->used;

	slab->used += rounded < room ? rounded : room;
	atomic_fetch_add_explicit(&slab->references, 1, memory_order_relaxed);
	return slab;
}

void slab_release(struct slab *slab)
{
	if (atomic_fetch_sub_explicit(&slab->references, 1, memory_order_acq_rel) > 1)
		return;
	atomic_fetch_sub_explicit(&slab->account->bytes, sizeof(*slab) + slab->capacity, memory_order_relaxed);
	free(slab);
}

size_t slab_bytes_in_use(const struct slab_account *account)
{
	return atomic_load_explicit(&account->bytes, memory_order_relaxed);
}
