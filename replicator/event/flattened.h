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
 *   Such a field has the same form as a column of that name. The transform fails where a table has a column with the name
 *   of a field that it adds, so an event never has both. Which one a field is, only its add.fields tells: without
 *   decoding.added_fields each field of a known name is taken for the transform's, and the relation names these fields
 *   (`taken`), so that the binding refuses a table of the target with such a column.
 *
 * Source: Debezium documentation, "New Record State Extraction".
 *
 * Thread: as the decoder's.
 */
#ifndef REPLICATOR_EVENT_FLATTENED_H
#define REPLICATOR_EVENT_FLATTENED_H

#include "event/envelope.h"

struct flattened;

/* `added`: decoding.added_fields; count 0: all fields that the transform can add. Borrows the texts. */
struct flattened *flattened_new(const char *const *added, size_t count);
void flattened_free(struct flattened *flattened);

/* Whether a field of a flattened event is taken for one that the transform added; else it is a column. */
bool flattened_takes(const char *const *added, size_t count, const char *name);

/* Whether rows of this shape are flattened ones. */
bool flattened_has(const struct shape *shape);

/*
 * Reads the row at the cursor as envelope_scan reads an envelope, and fills the envelope as if there had been one.
 * *is_flattened false: the object was read, but is no such row. False: cursor->problem, envelope->field and column.
 */
bool flattened_scan(struct flattened *flattened, struct envelope *envelope, struct scan_cursor *cursor,
                    const struct envelope_shapes *shapes, bool *is_flattened);

#endif
