/*
 * avro_schema.h - an Avro schema as a tree that avro.c follows, and the columns that it tells.
 *
 * NOTES
 *   The tree is made once for each schema id. It holds what writing a value out needs (labels of fields ready as JSON)
 *   and Connect's properties, which say what the values mean: `connect.name`, `connect.parameters`, `logicalType`.
 *
 * Source: Apache Avro specification 1.11, "Schema Declaration"; the properties are those of Confluent's and Apicurio's
 * converters (AvroData).
 *
 * Thread: immutable once made.
 */
#ifndef REPLICATOR_EVENT_AVRO_SCHEMA_H
#define REPLICATOR_EVENT_AVRO_SCHEMA_H

#include "base/slice.h"
#include "event/registry.h"

enum avro_kind {
	AVRO_NULL,
	AVRO_BOOLEAN,
	AVRO_INT,
	AVRO_LONG,
	AVRO_FLOAT,
	AVRO_DOUBLE,
	AVRO_BYTES,
	AVRO_STRING,
	AVRO_FIXED,
	AVRO_ENUM,
	AVRO_ARRAY,
	AVRO_MAP,
	AVRO_UNION,
	AVRO_RECORD
};

struct avro_type;

/* A field of a record, a branch of a union (no label) or a symbol of an enum (the label in quotes, no type). */
struct avro_member {
	const char *name;
	struct slice label; /* `,"name":` */
	const struct avro_type *type;
	const char *initial;  /* of a field: its default as the text of a value, or NULL */
	uint8_t initial_kind; /* enum value_kind */
};

struct avro_type {
	enum avro_kind kind;
	bool entries;   /* an array of {key, value}: Connect's map whose keys are no plain strings; an object in JSON */
	uint32_t count; /* of members */
	uint32_t size;  /* of a fixed, bytes */
	const struct avro_member *members;
	const struct avro_type *items; /* of an array or map */
	const char *connect_name;      /* or "" */
	const char *logical_type;      /* or "" */
	int32_t scale;                 /* of decimals; INT32_MIN: not told */
	int32_t length;                /* of bit strings */
	/* Parameters of Connect's schema, or "" (source_type.h). */
	const char *connect_type;
	const char *precision;
	const char *source_type;
	const char *source_length;
	const char *source_scale;
};

struct avro_schema;

/* NULL: *problem says what is wrong with it, fixed text. */
struct avro_schema *avro_schema_parse(struct slice text, const char **problem);
void avro_schema_free(struct avro_schema *schema); /* NULL is allowed; shapes stay */

const struct avro_type *avro_schema_root(const struct avro_schema *schema);
/* The columns of the row in an envelope (`after`, `before`); NULL: this is no envelope. */
const struct shape *avro_schema_row(const struct avro_schema *schema);
/* The fields of the record itself (of a key, or of a flattened row); NULL: it is no record. */
const struct shape *avro_schema_fields(const struct avro_schema *schema);

#endif
