/*
 * memory.h - allocation that cannot fail quietly.
 *
 * NOTES
 *   Long-lived and small things come from here. When the system has no memory left these end the process with a
 *   message: a replicator that dies at any instruction loses nothing (law 3), and the service manager starts it again.
 *   Memory that grows with the data is bounded elsewhere (slab.h, arena.h).
 */
#ifndef REPLICATOR_BASE_MEMORY_H
#define REPLICATOR_BASE_MEMORY_H

#include <stddef.h>

void *memory_alloc(size_t size);                           /* zeroed; free() it */
void *memory_grow(void *block, size_t count, size_t size); /* realloc of count * size bytes, overflow checked */
char *memory_copy_text(const char *text);                  /* NULL stays NULL */
char *memory_copy_bytes(const char *data, size_t length);  /* adds a terminating zero */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Call once, before the first thread. glibc would give each thread an arena of its own, and raise the size from which
 * freed blocks go back to the system up to 32 MB: what one thread allocates and another frees then stays resident.
 */
void memory_configure(void);

#endif
