/*
 * row.h - the fields of one row (or key) object as tokens in the order of its shape.
 *
 * NOTES
 *   By prediction: rows of the shape seen last in the same partition are expected, so that a field costs a comparison
 *   of its name's bytes. Where that fails, another known shape with the same first fields takes over (several tables in
 *   one partition); only a shape never seen goes the long way and is interned.
 *
 * Thread: as the decoder's.
 */
#ifndef REPLICATOR_EVENT_ROW_H
#define REPLICATOR_EVENT_ROW_H

#include "event/json_scan.h"
#include "event/registry.h"

#define ROW_COLUMN_LIMIT 1600 /* MaxHeapAttributeNumber: what a table can have */
#define SHAPE_LIST_LIMIT 1024

/* The shapes seen in a partition, the last first. */
struct shape_list {
	const struct shape **shapes; /* room for capacity */
	uint32_t count;
	uint32_t capacity;
};

struct row {
	const struct shape *shape; /* NULL: there is no row */
	struct scan_token *values; /* shape->count of them */
	uint32_t capacity;
};

void row_close(struct row *row);
void shape_list_close(struct shape_list *list);

/* The object at the cursor, whose fields nothing tells beforehand. *column is the field of a problem. */
bool row_scan(struct row *row, struct scan_cursor *cursor, struct shape_list *known, struct slice *column);

/* The object at the cursor, which must have exactly the fields of the shape, in any order. */
bool row_scan_typed(struct row *row, struct scan_cursor *cursor, const struct shape *shape, struct slice *column);

#endif
