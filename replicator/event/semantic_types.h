/*
 * semantic_types.h - Kafka Connect's names of types with a meaning, and how their values are written.
 *
 * Source: Debezium documentation, "Debezium connector for PostgreSQL", "Data type mappings"; Kafka,
 * org.apache.kafka.connect.data (Date, Decimal, Time, Timestamp).
 */
#ifndef REPLICATOR_EVENT_SEMANTIC_TYPES_H
#define REPLICATOR_EVENT_SEMANTIC_TYPES_H

#include "event/column.h"

/* ENCODING_UNKNOWN: this program does not know the name. */
enum encoding semantic_type_encoding(const char *name);

#endif
