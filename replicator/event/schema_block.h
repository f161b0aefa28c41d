/*
 * schema_block.h - the `schema` of a JSON message with schema (Kafka Connect's JsonConverter, schemas.enable=true).
 *
 * NOTES
 *   The block is four fifths of such a message and the same in each message of a table. It is parsed once (with
 *   jansson); afterwards the bytes in front of the payload are compared with those of the blocks seen last.
 *
 * Source: Debezium documentation, "Data type mappings"; Kafka, org.apache.kafka.connect.json.JsonSchema.
 *
 * Thread: as the decoder's.
 */
#ifndef REPLICATOR_EVENT_SCHEMA_BLOCK_H
#define REPLICATOR_EVENT_SCHEMA_BLOCK_H

#include "base/slice.h"
#include "event/registry.h"

/*
 * The shape of the row in an envelope's schema, or of the record itself when it is a flattened row. NULL with *problem
 * NULL: neither. *problem is fixed text.
 */
const struct shape *schema_block_parse(struct slice schema, bool *flattened, const char **problem);

#endif
