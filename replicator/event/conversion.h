/*
 * conversion.h - what the files of the conversions share (value.c chooses, value_*.c convert); nobody else includes it.
 */
#ifndef REPLICATOR_EVENT_CONVERSION_H
#define REPLICATOR_EVENT_CONVERSION_H

#include "event/json_scan.h"
#include "event/value.h"

typedef struct error *convert_function(const struct conversion *conversion, const struct value *value,
                                       struct arena *arena, struct value *converted);

struct conversion {
	convert_function *convert;
	int32_t scale;                    /* of decimals */
	int32_t length;                   /* of bit strings; 0: without leading zeros */
	int64_t unit_us;                  /* of numbers that are times: microseconds in one; 0: it is nanoseconds */
	bool zoned;                       /* the text needs a time zone: it goes into a timestamptz or timetz */
	bool known_scale;                 /* of decimals */
	const char *name;                 /* of a type that nothing converts */
	const struct conversion *element; /* of arrays; NULL: elements are right as they are */
	char delimiter;                   /* of arrays: between the elements */
};

/* value_decimal.c */
convert_function convert_decimal;          /* base64 with conversion->scale */
convert_function convert_variable_decimal; /* {"scale":2,"value":base64} */
convert_function convert_untold_decimal;   /* either of these, or a number */
convert_function convert_numeric_text;     /* a number or the name of a special value */
convert_function convert_money;            /* a number, also with an exponent */

/* value_time.c */
convert_function convert_days;
convert_function convert_time;      /* a number of conversion->unit_us */
convert_function convert_timestamp; /* likewise, since 1970 */
convert_function convert_iso;       /* the text of a date or timestamp */
convert_function convert_untold_date;
convert_function convert_untold_time; /* numbers of conversion->unit_us, or text */
convert_function convert_untold_timestamp;
convert_function convert_duration; /* microseconds as an interval */
convert_function convert_untold_interval;

/* value_bytes.c */
convert_function convert_bytea;     /* base64 */
convert_function convert_hex;       /* hex without a prefix */
convert_function convert_byte_text; /* base64 of the text of a type that the connector does not know */
convert_function convert_hex_text;  /* hex of the same */
convert_function convert_bits;      /* base64 of conversion->length bits, lowest byte first; or a boolean */
convert_function convert_geometry;  /* {"wkb":base64,"srid":n} */

/* value_geometric.c: PostgreSQL's own types, from well-known binary or the connector's structs */
convert_function convert_box;
convert_function convert_lseg;
convert_function convert_path;
convert_function convert_polygon;
convert_function convert_line;
convert_function convert_circle;

/* value_composite.c */
convert_function convert_array;
convert_function convert_hstore; /* a JSON object, or the text of one */
convert_function convert_point;  /* {"x":1.5,"y":-2.25} */

/* The error `WHAT is expected, but the event has a string`. */
struct error *conversion_mismatch(const struct value *value, const char *what);

static inline struct slice value_slice(const struct value *value)
{
	return (struct slice){value->data, value->length};
}

/* A text in the arena (or of the program) as the converted value. */
static inline void converted_text(struct value *converted, const char *data, size_t length)
{
	*converted = (struct value){.data = data, .length = (uint32_t)length, .kind = VALUE_STRING};
}

/* Finds the fields of an object; those not there are of kind SCAN_NULL. False: no such object. */
bool conversion_fields(struct slice json, const struct scan_field *fields, int count, struct scan_token *tokens);

/* The token as a value, unescaped in the arena. */
struct value conversion_token_value(const struct scan_token *token, struct arena *arena);

/* Decodes a base64 text into the arena; false: it is none. */
bool conversion_bytes(struct slice base64, struct arena *arena, struct slice *bytes);

#endif
