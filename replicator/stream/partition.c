/*
 * partition.c - an append-only list that many threads read while one appends.
 *
 * NOTES
 *   Entries lie in chunks that never move. An entry is written before the count that includes it is published
 *   (release), so a reader that got a number by any ordered way (the queue's mutex, partition_list_count) finds the
 *   entry whole, without a lock. Finding a number by its name is the appending thread's alone.
 */
#include "stream/partition.h"

#include "base/buffer.h"
#include "base/map.h"
#include "base/memory.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { CHUNK_ENTRIES = 256, MAX_CHUNKS = 4096 };

struct partition_list {
	_Atomic(struct partition_name *) chunks[MAX_CHUNKS];
	atomic_uint_least32_t count;
	struct map *numbers; /* "topic", NUL, id → the entry's number + 1, as a pointer */
	struct buffer key;
};

struct partition_list *partition_list_new(void)
{
	struct partition_list *list = memory_alloc(sizeof(*list));

	list->numbers = map_new();
	return list;
}

void partition_list_free(struct partition_list *list)
{
	if (list == NULL)
		return;
	for (uint32_t i = 0; i < partition_list_count(list); i++)
		free((char *)partition_list_get(list, i)->topic);
	for (size_t i = 0; i < MAX_CHUNKS; i++)
		free(atomic_load(&list->chunks[i]));
	map_free(list->numbers, NULL);
	buffer_free(&list->key);
	free(list);
}

static struct slice key_of(struct partition_list *list, const char *topic, int32_t id)
{
	buffer_reset(&list->key);
	buffer_append(&list->key, topic, strlen(topic) + 1);
	buffer_append(&list->key, (const char *)&id, sizeof(id));
	return (struct slice){list->key.data, list->key.length};
}

static struct partition_name *entry_room(struct partition_list *list, uint32_t number)
{
	struct partition_name *chunk;

	if (number >= (uint32_t)CHUNK_ENTRIES * MAX_CHUNKS)
		abort(); /* a million partitions: Kafka itself has no such cluster */
	chunk = atomic_load_explicit(&list->chunks[number / CHUNK_ENTRIES], memory_order_relaxed);
	if (chunk == NULL) {
		chunk = memory_alloc(CHUNK_ENTRIES * sizeof(*chunk));
		atomic_store_explicit(&list->chunks[number / CHUNK_ENTRIES], chunk, memory_order_release);
	}
	return &chunk[number % CHUNK_ENTRIES];
}

uint32_t partition_list_add(struct partition_list *list, const char *topic, int32_t id)
{
	struct slice key = key_of(list, topic, id);
	uintptr_t known = (uintptr_t)map_get(list->numbers, key);
	uint32_t number;

	if (known != 0)
		return (uint32_t)(known - 1);
	number = atomic_load_explicit(&list->count, memory_order_relaxed);
	*entry_room(list, number) = (struct partition_name){.topic = memory_copy_text(topic), .id = id};
	map_put(list->numbers, key, (void *)((uintptr_t)number + 1));
	atomic_store_explicit(&list->count, number + 1, memory_order_release);
	return number;
}

const struct partition_name *partition_list_get(const struct partition_list *list, uint32_t number)
{
	return &atomic_load_explicit(&list->chunks[number / CHUNK_ENTRIES],
	                             memory_order_acquire)[number % CHUNK_ENTRIES];
}

uint32_t partition_list_count(const struct partition_list *list)
{
	return atomic_load_explicit(&list->count, memory_order_acquire);
}
