/*
 * schema_cache.h - what stands in front of the payload of a JSON message with schema, recognised by its bytes.
 *
 * NOTES
 *   `{"schema":{…},"payload":` is the same in each message of a table. The prefixes seen last in a partition are
 *   compared with memcmp; a partition that carries many tables has many. Only a prefix that no partition has shown
 *   before is parsed.
 *
 * Thread: as the decoder's.
 */
#ifndef REPLICATOR_EVENT_SCHEMA_CACHE_H
#define REPLICATOR_EVENT_SCHEMA_CACHE_H

#include "base/map.h"
#include "event/json_scan.h"
#include "event/registry.h"

#define SCHEMA_LIST_LIMIT 32

struct schema_prefix {
	struct slice bytes;        /* owned */
	const struct shape *shape; /* of the row in the envelope; NULL: there is none, or the schema is null */
	bool flattened;            /* the shape is that of a flattened row: flattened.h */
};

/* The prefixes seen in a partition, the last first. */
struct schema_list {
	const struct schema_prefix *prefixes[SCHEMA_LIST_LIMIT];
	uint32_t count;
};

/* All prefixes by their bytes: a map of struct schema_prefix, freed by schema_cache_free. */
struct map *schema_cache_new(void);
void schema_cache_free(struct map *cache);

/*
 * Passes over the prefix if the text at the cursor has one. *prefix NULL: it has none, the cursor did not move. False:
 * the schema is wrong, cursor->problem says how. `rows`: the schema is that of a value, whose row's columns count.
 */
bool schema_cache_take(struct map *cache, struct schema_list *list, struct scan_cursor *cursor, bool rows,
                       const struct schema_prefix **prefix);

#endif
