/*
 * column.h - how a connector wrote the values of one column.
 *
 * Source: Debezium documentation, "Debezium connector for PostgreSQL", "Data type mappings"; the Connect schema block
 * of a JSON message (`type`, `name`, `parameters`, `items`).
 */
#ifndef REPLICATOR_EVENT_COLUMN_H
#define REPLICATOR_EVENT_COLUMN_H

#include <stdbool.h>
#include <stdint.h>

enum encoding {
	ENCODING_UNTOLD, /* plain JSON: the target's type tells how to read it */
	ENCODING_TEXT,   /* text that PostgreSQL's input function takes as it is: string, uuid, json, xml, enum… */
	ENCODING_NUMBER, /* an integer or a floating point number ("NaN", "Infinity" as strings) */
	ENCODING_BOOLEAN,
	ENCODING_BYTES,            /* base64 of bytes */
	ENCODING_DECIMAL,          /* base64 of a two's complement integer; `scale` digits behind the point */
	ENCODING_VARIABLE_DECIMAL, /* {"scale":n,"value":base64} */
	ENCODING_BITS,             /* base64, lowest byte first; `length` bits */
	ENCODING_DATE_DAYS,        /* days since 1970-01-01 */
	ENCODING_TIME_MS,
	ENCODING_TIME_US,
	ENCODING_TIME_NS,
	ENCODING_TIMESTAMP_MS, /* without time zone, since 1970 */
	ENCODING_TIMESTAMP_US,
	ENCODING_TIMESTAMP_NS,
	ENCODING_ISO_DATE,        /* "0001-01-01Z" */
	ENCODING_ISO_TIME,        /* "23:59:59.999999Z" */
	ENCODING_ISO_TIMESTAMP,   /* "1969-12-31T23:59:59.999999Z", of a timestamp without time zone */
	ENCODING_ZONED_TIMESTAMP, /* "2020-02-29T12:34:56.789012Z", of a timestamptz */
	ENCODING_ZONED_TIME,
	ENCODING_DURATION_US,  /* interval as microseconds */
	ENCODING_DURATION_ISO, /* "P-1Y-2M3DT-4H-5M-6.789S" */
	ENCODING_POINT,        /* {"x":1.5,"y":-2.25,"wkb":…,"srid":null} */
	ENCODING_GEOMETRY,     /* {"wkb":base64,"srid":n}; of path also "extensions":{"closed":"true"} */
	ENCODING_LINE,         /* {"a":1,"b":2,"c":3} */
	ENCODING_CIRCLE,       /* {"center":point,"radius":3} */
	ENCODING_MAP,          /* hstore as a JSON object */
	ENCODING_HSTORE_JSON,  /* hstore as the text of a JSON object */
	ENCODING_ARRAY,        /* JSON array of `element`'s encoding */
	ENCODING_UNKNOWN       /* a schema name that this program does not know: only NULL can be taken */
};

struct column {
	const char *name;
	const char *schema_name;      /* Connect's schema name ("io.debezium.time.MicroTimestamp"), or "" */
	const struct column *element; /* of ENCODING_ARRAY, else NULL */
	/* What source_type.h makes of the schema; NULL where it does not tell. */
	const char *source_type; /* "numeric(12,2)" */
	const char *initial;     /* the column's default, as a value of `encoding` */
	uint8_t initial_kind;    /* enum value_kind */
	bool sure_type;          /* source_type can be compared with the target's; else it only serves a new column */
	int32_t scale;           /* of ENCODING_DECIMAL */
	int32_t length;          /* of ENCODING_BITS, bits; 0 unknown */
	uint8_t encoding;        /* enum encoding */
	bool optional;
};

#endif
