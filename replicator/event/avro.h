/*
 * avro.h - a value in Avro's binary encoding, written out as the JSON that Kafka Connect's JsonConverter makes of it.
 *
 * NOTES
 *   Behind this there is one way to read an event, whatever it came as: bytes become base64, NaN and Infinity strings,
 *   a map of entries an object. It costs less than it saves: there is one scanner to trust.
 *
 * Source: Apache Avro specification 1.11, "Binary encoding"; Confluent's documentation, "Wire format".
 *
 * Thread: as the decoder's.
 */
#ifndef REPLICATOR_EVENT_AVRO_H
#define REPLICATOR_EVENT_AVRO_H

#include "base/buffer.h"
#include "event/avro_schema.h"

/* A zero byte, then the schema's id in four bytes, the highest first. JSON never begins so. */
#define AVRO_WIRE_HEADER 5
#define AVRO_PATH_LIMIT 2

struct avro_reader {
	const unsigned char *at;
	const unsigned char *end;
	struct buffer *json;
	const char *problem;               /* fixed text */
	const char *path[AVRO_PATH_LIMIT]; /* of a problem: the fields of the outer records, NULL behind the last */
	size_t limit;                      /* of the buffer's length */
	uint32_t depth;
	uint32_t records;
};

/*
 * Writes the JSON of `data`, all of it, behind what the buffer holds. False: reader->problem and path say what and
 * where.
 */
bool avro_to_json(struct avro_reader *reader, const struct avro_type *type, struct slice data, struct buffer *json);

#endif
