/* schema_cache.c - see schema_cache.h */
#include "event/schema_cache.h"

#include "base/memory.h"
#include "event/schema_block.h"

#include <stdlib.h>

static void prefix_free(void *prefix)
{
	free((void *)(uintptr_t)((struct schema_prefix *)prefix)->bytes.data);
	free(prefix);
}

struct map *schema_cache_new(void)
{
	return map_new();
}

void schema_cache_free(struct map *cache)
{
	map_free(cache, prefix_free);
}

static void to_front(struct schema_list *list, uint32_t index, const struct schema_prefix *prefix)
{
	memmove(&list->prefixes[1], &list->prefixes[0], index * sizeof(list->prefixes[0]));
	list->prefixes[0] = prefix;
}

static const struct schema_prefix *find_recent(struct schema_list *list, const struct scan_cursor *cursor)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct schema_prefix *prefix = list->prefixes[i];

		if (scan_left(cursor) >= prefix->bytes.length &&
		    memcmp(cursor->at, prefix->bytes.data, prefix->bytes.length) == 0) {
			if (i > 0)
				to_front(list, i, prefix);
			return prefix;
		}
	}
	return NULL;
}

/* The cursor passes over `{"schema":…,"payload":`; false without a problem: this is no such text. */
static bool take_prefix(struct scan_cursor *cursor, struct scan_token *schema)
{
	struct scan_token name;

	if (!scan_take_byte(cursor, '{') || !scan_next_name(cursor, true, &name) ||
	    !scan_token_is(&name, slice_from("schema")) || cursor->at == cursor->end ||
	    (*cursor->at != '{' && *cursor->at != 'n'))
		return false;
	if (!scan_value(cursor, schema))
		return false;
	if (!scan_next_name(cursor, false, &name) || !scan_token_is(&name, slice_from("payload")))
		return false;
	return true;
}

static bool learn(struct map *cache, struct slice bytes, const struct scan_token *schema, bool rows,
                  const struct schema_prefix **prefix, const char **problem)
{
	struct schema_prefix *made;
	const struct shape *shape = NULL;
	bool flattened = false;

	*problem = NULL;
	if (rows && schema->kind == SCAN_OBJECT)
		shape = schema_block_parse((struct slice){schema->data, schema->length}, &flattened, problem);
	if (*problem != NULL)
		return false;
	made = memory_alloc(sizeof(*made));
	made->bytes = (struct slice){memory_copy_bytes(bytes.data, bytes.length), bytes.length};
	made->shape = shape;
	made->flattened = flattened;
	map_put(cache, bytes, made);
	*prefix = made;
	return true;
}

bool schema_cache_take(struct map *cache, struct schema_list *list, struct scan_cursor *cursor, bool rows,
                       const struct schema_prefix **prefix)
{
	const char *start = cursor->at;
	const char *problem;
	struct scan_token schema;
	struct slice bytes;

	*prefix = find_recent(list, cursor);
	if (*prefix != NULL) {
		cursor->at += (*prefix)->bytes.length;
		return true;
	}
	if (!take_prefix(cursor, &schema)) {
		/* A malformed text is told by who reads it as a payload. */
		cursor->at = start;
		cursor->problem = NULL;
		return true;
	}
	bytes = (struct slice){start, (size_t)(cursor->at - start)};
	*prefix = map_get(cache, bytes);
	if (*prefix == NULL && !learn(cache, bytes, &schema, rows, prefix, &problem))
		return scan_fail(cursor, problem);
	if (list->count < SCHEMA_LIST_LIMIT)
		list->count++;
	to_front(list, list->count - 1, *prefix);
	return true;
}
