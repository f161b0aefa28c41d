/*
 * source_type.h - which PostgreSQL type a column has at the source, as far as the schema of the events tells it.
 *
 * NOTES
 *   With the connector's column.propagate.source.type the schema holds the type's own name, length and scale. Without,
 *   the Connect type tells whole and floating point numbers, decimals and times for sure; a text may be of many types.
 *
 * Source: Debezium documentation, "Debezium connector for PostgreSQL": "Data type mappings",
 * column.propagate.source.type.
 */
#ifndef REPLICATOR_EVENT_SOURCE_TYPE_H
#define REPLICATOR_EVENT_SOURCE_TYPE_H

#include "event/column.h"

/* Parameters of a schema; "" or NULL where it has none. */
struct source_type_hint {
	const char *connect_type; /* int16, int32, int64, float, double, string, bytes … */
	const char *precision;    /* connect.decimal.precision */
	const char *type;         /* __debezium.source.column.type: INT4, _VARCHAR */
	const char *length;       /* __debezium.source.column.length */
	const char *scale;        /* __debezium.source.column.scale */
};

/*
 * The type as format_type() writes it, NULL when nothing tells; the caller frees it. `column` has its encoding, and an
 * array its element's source_type. *sure: it can be compared with the target's, else it only serves for a new column.
 */
char *source_type_of(const struct source_type_hint *hint, const struct column *column, bool *sure);

#endif
