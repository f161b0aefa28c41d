/*
 * value.h - from a value as the connector wrote it to the text that PostgreSQL's input function takes.
 *
 * The converter of a column is chosen once, from the event's encoding and the target column's type; then it is called
 * for each value. No converter (NULL) means: the bytes of the value are already right.
 *
 * Thread: any; converters have no state.
 */
#ifndef REPLICATOR_EVENT_VALUE_H
#define REPLICATOR_EVENT_VALUE_H

#include "base/arena.h"
#include "base/error.h"
#include "event/change.h"

/* What the target knows of the column: from pg_type. */
struct target_type {
	const char *name; /* typname of the type, domains resolved to their base: "timestamp", "numeric", "int4" */
	int32_t typmod;   /* pg_attribute.atttypmod (of the domain where there is one), -1 without */
	bool array;       /* then `name` and `typmod` are the element's */
	char category;    /* pg_type.typcategory of the base type (of the element for arrays): N D S B E R U … */
	bool of_domain;   /* an array whose elements are of a domain, or such an element: its text comes as bytes */
	char delimiter;   /* between elements in the text of arrays of it: pg_type.typdelim; zero is a comma, too */
};

/*
 * The connector's settings that decide how values look where no schema tells it (plain JSON): Debezium's
 * decimal.handling.mode, time.precision.mode, interval.handling.mode, binary.handling.mode, hstore.handling.mode.
 * Zero is Debezium's default of each.
 */
enum decimal_mode { DECIMAL_MODE_PRECISE, DECIMAL_MODE_DOUBLE, DECIMAL_MODE_STRING };
enum time_mode {
	TIME_MODE_ADAPTIVE,
	TIME_MODE_ADAPTIVE_TIME_MICROSECONDS,
	TIME_MODE_CONNECT,
	TIME_MODE_ISOSTRING,
	TIME_MODE_MICROSECONDS,
	TIME_MODE_NANOSECONDS
};
enum interval_mode { INTERVAL_MODE_NUMERIC, INTERVAL_MODE_STRING };
enum binary_mode { BINARY_MODE_BYTES, BINARY_MODE_BASE64, BINARY_MODE_BASE64_URL_SAFE, BINARY_MODE_HEX };
enum hstore_mode { HSTORE_MODE_MAP, HSTORE_MODE_JSON };

struct wire_modes {
	enum decimal_mode decimal;
	enum time_mode time;
	enum interval_mode interval;
	enum binary_mode binary;
	enum hstore_mode hstore;
};

struct conversion; /* opaque: a column's converter with what it needs */

/*
 * Chooses the conversion; `modes` counts only for ENCODING_UNTOLD. `*conversion` NULL: take the bytes as they are. Made
 * in `arena`, lives as long as that. Errors: ERROR_TARGET when such values can never go into such a column (says both).
 */
struct error *conversion_choose(const struct column *column, const struct target_type *target,
                                const struct wire_modes *modes, struct arena *arena,
                                const struct conversion **conversion);

/*
 * Whether values that plain JSON has of a column of type `source` are read as the same values for a column of type
 * `target`. False: with other digits, as another day, as base64… What is right, or an error, counts as true.
 */
bool conversion_reads_plain(const struct target_type *source, const struct target_type *target,
                            const struct wire_modes *modes);

/*
 * Converts one value (VALUE_STRING, VALUE_NUMBER, VALUE_BOOLEAN or VALUE_JSON) to PostgreSQL's input text; the text
 * lies in `arena` or in the value itself. Errors: ERROR_EVENT that says what was expected, without the value.
 */
struct error *conversion_apply(const struct conversion *conversion, const struct value *value, struct arena *arena,
                               struct value *converted);

#endif
