/*
 * arena.c - see arena.h
 *
 * NOTES
 *   A chain of blocks, the newest first. Blocks double up to 1 MB; a request that does not fit in such a block gets one
 *   of its own. A reset keeps the largest block that is not such a single one, so that a steady stream of batches stops
 *   calling malloc.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define FIRST_BLOCK_BYTES ((size_t)8 << 10)
#define LARGEST_BLOCK_BYTES ((size_t)1 << 20)

struct block {
	struct block *next;
	size_t capacity;
	size_t used;
	alignas(8) char data[];
};

struct arena {
	struct block *blocks;
	size_t next_capacity;
	size_t bytes;
};

struct arena *arena_new(void)
{
	struct arena *arena = memory_alloc(sizeof(*arena));

	arena->next_capacity = FIRST_BLOCK_BYTES;
	return arena;
}

static void free_blocks(struct block *block)
{
	while (block != NULL) {
		struct block *next = block->next;

		free(block);
		block = next;
	}
}

void arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	free_blocks(arena->blocks);
	free(arena);
}

void arena_reset(struct arena *arena)
{
	struct block *kept = NULL;
	struct block *block = arena->blocks;

	while (block != NULL) {
		struct block *next = block->next;
		bool better =
		    block->capacity <= LARGEST_BLOCK_BYTES && (kept == NULL || block->capacity > kept->capacity);

		if (better) {
			free(kept);
			kept = block;
		} else {
			free(block);
		}
		block = next;
	}
	arena->blocks = kept;
	arena->bytes = 0;
	if (kept != NULL) {
		kept->next = NULL;
		kept->used = 0;
		arena->bytes = sizeof(*kept) + kept->capacity;
	}
}

/* A block with room for `size` bytes, at the head of the chain. */
static struct block *add_block(struct arena *arena, size_t size)
{
	size_t capacity = size > arena->next_capacity ? size : arena->next_capacity;
	struct block *block = memory_grow(NULL, 1, sizeof(*block) + capacity);

	if (arena->next_capacity < LARGEST_BLOCK_BYTES)
		arena->next_capacity *= 2;
	block->next = arena->blocks;
	block->capacity = capacity;
	block->used = 0;
	arena->blocks = block;
	arena->bytes += sizeof(*block) + capacity;
	return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size_t rounded = (size + 7) & ~(size_t)7;
	struct block *block = arena->blocks;
	void *memory;

	if (rounded < size)
		rounded = SIZE_MAX / 2; /* fails in memory_grow with its message */
	if (block == NULL || block->capacity - block->used < rounded)
		block = add_block(arena, rounded);
	memory = block->data + block->used;
	block->used += rounded;
	return memory;
}

void *arena_alloc_zeroed(struct arena *arena, size_t size)
{
	return memset(arena_alloc(arena, size), 0, size);
}

char *arena_copy(struct arena *arena, const char *data, size_t length)
{
	char *copy = arena_alloc(arena, length + 1);

	if (length > 0)
		memcpy(copy, data, length);
	copy[length] = '\0';
	return copy;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		return arena_copy(arena, "", 0);
	text = arena_alloc(arena, (size_t)length + 1);
	va_start(arguments, format);
	vsnprintf(text, (size_t)length + 1, format, arguments);
	va_end(arguments);
	return text;
}

size_t arena_bytes(const struct arena *arena)
{
	return arena->bytes;
}
