/*
 * map.c - see map.h
 *
 * NOTES
 *   Linear probing in a table of a power of two, at most three quarters full, hashed by XXH3. There is no removal, so
 *   there are no tombstones: an empty entry ends a search.
 */
#include "base/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"

#define FIRST_CAPACITY ((size_t)16)

struct entry {
	uint64_t hash;
	char *key;
	size_t length;
	void *value; /* NULL: empty */
};

struct map {
	struct entry *entries;
	size_t capacity;
	size_t count;
};

struct map *map_new(void)
{
	struct map *map = memory_alloc(sizeof(*map));

	map->capacity = FIRST_CAPACITY;
	map->entries = memory_alloc(map->capacity * sizeof(*map->entries));
	return map;
}

void map_free(struct map *map, void (*free_value)(void *))
{
	if (map == NULL)
		return;
	for (size_t i = 0; i < map->capacity; i++) {
		if (map->entries[i].value == NULL)
			continue;
		if (free_value != NULL)
			free_value(map->entries[i].value);
		free(map->entries[i].key);
	}
	free(map->entries);
	free(map);
}

/* The entry that holds the key, or the empty one where it belongs. */
static struct entry *find_entry(const struct map *map, struct slice key, uint64_t hash)
{
	size_t mask = map->capacity - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct entry *entry = &map->entries[i];

		if (entry->value == NULL)
			return entry;
		if (entry->hash == hash && slice_equal((struct slice){entry->key, entry->length}, key))
			return entry;
	}
}

void *map_get(const struct map *map, struct slice key)
{
	return find_entry(map, key, XXH3_64bits(key.data, key.length))->value;
}

static void grow(struct map *map)
{
	struct entry *old = map->entries;
	size_t old_capacity = map->capacity;

	map->capacity *= 2;
	map->entries = memory_alloc(map->capacity * sizeof(*map->entries));
	for (size_t i = 0; i < old_capacity; i++) {
		if (old[i].value != NULL)
			*find_entry(map, (struct slice){old[i].key, old[i].length}, old[i].hash) = old[i];
	}
	free(old);
}

void map_put(struct map *map, struct slice key, void *value)
{
	uint64_t hash = XXH3_64bits(key.data, key.length);
	struct entry *entry;

	if ((map->count + 1) * 4 > map->capacity * 3)
		grow(map);
	entry = find_entry(map, key, hash);
	if (entry->value == NULL) {
		entry->hash = hash;
		entry->key = memory_copy_bytes(key.data, key.length);
		entry->length = key.length;
		map->count++;
	}
	entry->value = value;
}

size_t map_count(const struct map *map)
{
	return map->count;
}

void map_each(const struct map *map, void (*visit)(struct slice key, void *value, void *context), void *context)
{
	for (size_t i = 0; i < map->capacity; i++) {
		const struct entry *entry = &map->entries[i];

		if (entry->value != NULL)
			visit((struct slice){entry->key, entry->length}, entry->value, context);
	}
}
