/*
 * change_json.h - changes as JSON and back: the evidence that is kept of transactions that were set aside, from which
 * they can be applied later.
 *
 * NOTES
 *   {"relations": [{"schema", "table", "typed", "key": [name…], "columns": [{"name", "encoding", …}…]}…],
 *    "changes": [{"relation": n, "topic", "partition", "offset", "op": "c", "tx", "lsn", "before": ROW, "after": ROW,
 *                 "other_key": ROW}…]}
 *   A ROW is an object by column names: null; "text"; {"number": "12.5"}; true; {"json": "[1,2]"}; {"unchanged": true};
 *   {"native": "…"} for what is in PostgreSQL's own notation already.
 *   A column of arrays has "element", a column itself. Logical decoding messages ("m") are of a relation without a
 *   schema.
 *
 * Thread: any.
 */
#ifndef REPLICATOR_EVENT_CHANGE_JSON_H
#define REPLICATOR_EVENT_CHANGE_JSON_H

#include "base/arena.h"
#include "base/error.h"
#include "event/change.h"

/* Names of the numbers in change.partition, and back. */
struct change_places {
	const char *(*topic)(void *context, uint32_t number, int32_t *partition);
	uint32_t (*number)(void *context, const char *topic, int32_t partition);
	void *context;
};

/* *json is one line of ASCII, which every server can store, the caller's to free. ERROR_EVENT: a value is no UTF-8. */
struct error *change_json_write(struct change *const *changes, size_t count, const struct change_places *places,
                                char **json);

/*
 * Changes whose values lie in the arena; their slabs come from the writer (change_release each before the arena goes).
 * ERROR_EVENT: not what change_json_write made.
 */
struct error *change_json_read(const char *json, const struct change_places *places, struct arena *arena,
                               struct slab_writer *writer, struct change ***changes, size_t *count);

#endif
