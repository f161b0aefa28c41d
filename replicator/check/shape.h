/* shape.h - compares the two sides' shapes of a table: columns, types, NOT NULL, keys. Thread: any. */
#ifndef REPLICATOR_CHECK_SHAPE_H
#define REPLICATOR_CHECK_SHAPE_H

#include "check/tables.h"

/*
 * Fills schema_differences: what the target lacks or has otherwise. What only the target has is no difference: columns
 * of its own, more indexes, a column that may be NULL there although the source forbids it.
 */
void shape_compare(struct check_table *table, const struct captured_columns *captured, struct arena *arena);

#endif
