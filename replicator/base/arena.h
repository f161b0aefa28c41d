/*
 * arena.h - memory for one batch, given back at once.
 * Thread: one owner at a time. arena_alloc never returns NULL (memory.h).
 */
#ifndef REPLICATOR_BASE_ARENA_H
#define REPLICATOR_BASE_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena);                /* NULL is allowed */
void arena_reset(struct arena *arena);               /* frees what was allocated, keeps one block */
void *arena_alloc(struct arena *arena, size_t size); /* aligned to 8, not zeroed */
void *arena_alloc_zeroed(struct arena *arena, size_t size);
char *arena_copy(struct arena *arena, const char *data, size_t length); /* adds a terminating zero */
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
size_t arena_bytes(const struct arena *arena); /* bytes held */

#endif
