/*
 * map.h - bytes to pointer, open addressing; keys are copied. For registries (tables, topics, statements). One thread.
 */
#ifndef REPLICATOR_BASE_MAP_H
#define REPLICATOR_BASE_MAP_H

#include "base/slice.h"

struct map;

struct map *map_new(void);
void map_free(struct map *map, void (*free_value)(void *));   /* free_value may be NULL */
void *map_get(const struct map *map, struct slice key);       /* NULL when absent */
void map_put(struct map *map, struct slice key, void *value); /* replaces; value is not NULL */
size_t map_count(const struct map *map);
/* Calls `visit` for each entry in no particular order. */
void map_each(const struct map *map, void (*visit)(struct slice key, void *value, void *context), void *context);

#endif
