/*
 * flattened.h - rows without Debezium's envelope: the connector's transform ExtractNewRecordState took it off.
 *
 * NOTES
 *   Of the envelope only those fields are there that `add.fields` puts into the row, with two underscores in front.
 *   What the stream's order and the row's table rest on must be among them: op, source.schema, source.table,
 *   source.txId, source.lsn, source.snapshot; and deletes must come as rows (delete.tombstone.handling.mode=rewrite,
 *   which adds `__deleted`). Without `before`, updates of tables without a key cannot be applied; TRUNCATE does not
 *   come at all.
 *
 * Source: Debezium documentation, "New Record State Extraction".
 *
 * Thread: as the decoder's.
 */
#ifndef REPLICATOR_EVENT_FLATTENED_H
#define REPLICATOR_EVENT_FLATTENED_H

#include "base/map.h"
#include "event/envelope.h"

/* What is known of shapes with such fields: a map that flattened_free ends. */
struct map *flattened_new(void);
void flattened_free(struct map *layouts);

/* Whether rows of this shape are flattened ones. */
bool flattened_has(const struct shape *shape);

/*
 * Reads the row at the cursor as envelope_scan reads an envelope, and fills the envelope as if there had been one.
 * *flattened false: the object was read, but is no such row. False: cursor->problem, envelope->field and column.
 */
bool flattened_scan(struct map *layouts, struct envelope *envelope, struct scan_cursor *cursor,
                    const struct envelope_shapes *shapes, bool *flattened);

#endif
