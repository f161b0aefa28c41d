/*
 * value.c - see value.h: which conversion a column needs.
 *
 * NOTES
 *   The decision is made once a column, from how the connector wrote the values (column.h) and the target column's
 *   type. Plain JSON does not tell how they were written: there the target's type and the connector's settings decide,
 *   and where these leave a choice the conversion looks at the value itself (`convert_untold_…`).
 *
 *   Most values need none: PostgreSQL's input functions take numbers, booleans, texts, ISO times (a Z behind a date or
 *   a time without time zone as well).
 *
 * Source: Debezium documentation, "Debezium connector for PostgreSQL", "Data type mappings"; PostgreSQL documentation,
 * "Data Types".
 */
#include "event/conversion.h"

#include "base/arena.h"
#include "event/base64.h"

#include <string.h>

static const char *const kind_names[] = {
    [VALUE_NULL] = "NULL",       [VALUE_UNCHANGED] = "a placeholder", [VALUE_STRING] = "a string",
    [VALUE_NUMBER] = "a number", [VALUE_BOOLEAN] = "a boolean",       [VALUE_JSON] = "an array or object",
};

struct error *conversion_mismatch(const struct value *value, const char *what)
{
	return error_new(ERROR_EVENT, "%s is expected, but the event has %s%s", what, kind_names[value->kind],
	                 value->kind == VALUE_STRING || value->kind == VALUE_NUMBER ? " of another form" : "");
}

bool conversion_fields(struct slice json, const struct scan_field *fields, int count, struct scan_token *tokens)
{
	struct scan_cursor cursor;
	struct scan_walk walk;
	struct scan_token other;
	int field;

	memset(tokens, 0, (size_t)count * sizeof(*tokens));
	scan_begin(&cursor, json);
	if (!scan_walk_begin(&walk, &cursor, fields, count))
		return false;
	while ((field = scan_walk_next(&walk, &cursor)) >= SCAN_FIELD_UNKNOWN)
		if (!scan_value(&cursor, field >= 0 ? &tokens[field] : &other))
			return false;
	return field == SCAN_FIELD_END && scan_at_end(&cursor);
}

struct value conversion_token_value(const struct scan_token *token, struct arena *arena)
{
	static const uint8_t kinds[] = {
	    [SCAN_NULL] = VALUE_NULL,    [SCAN_STRING] = VALUE_STRING, [SCAN_NUMBER] = VALUE_NUMBER,
	    [SCAN_TRUE] = VALUE_BOOLEAN, [SCAN_FALSE] = VALUE_BOOLEAN, [SCAN_ARRAY] = VALUE_JSON,
	    [SCAN_OBJECT] = VALUE_JSON,
	};
	struct value value = {.data = token->data, .length = token->length, .kind = kinds[token->kind]};

	if (token->escaped) {
		char *text = arena_alloc(arena, token->length);

		value.length = (uint32_t)scan_unescape(token, text);
		value.data = text;
	}
	return value;
}

bool conversion_bytes(struct slice base64, struct arena *arena, struct slice *bytes)
{
	uint8_t *data = arena_alloc(arena, BASE64_DECODED_SIZE(base64.length));

	bytes->data = (const char *)data;
	return base64_decode(base64, data, &bytes->length);
}

/* ---- choosing ---- */

static bool is(const struct target_type *target, const char *name)
{
	return strcmp(target->name, name) == 0;
}

static bool is_any(const struct target_type *target, const char *const *names)
{
	for (; *names != NULL; names++)
		if (is(target, *names))
			return true;
	return false;
}

static bool is_text(const struct target_type *target)
{
	static const char *const names[] = {"text", "varchar", "bpchar", "citext", "name", NULL};

	return !target->array && (target->category == 'S' || is_any(target, names));
}

static bool is_json(const struct target_type *target)
{
	return !target->array && (is(target, "json") || is(target, "jsonb"));
}

static const char *encoding_name(enum encoding encoding)
{
	static const char *const names[] = {
	    [ENCODING_UNTOLD] = "values",
	    [ENCODING_TEXT] = "texts",
	    [ENCODING_NUMBER] = "numbers",
	    [ENCODING_BOOLEAN] = "booleans",
	    [ENCODING_BYTES] = "bytes",
	    [ENCODING_DECIMAL] = "decimal numbers",
	    [ENCODING_VARIABLE_DECIMAL] = "decimal numbers",
	    [ENCODING_BITS] = "bit strings",
	    [ENCODING_DATE_DAYS] = "dates",
	    [ENCODING_TIME_MS] = "times of day",
	    [ENCODING_TIME_US] = "times of day",
	    [ENCODING_TIME_NS] = "times of day",
	    [ENCODING_TIMESTAMP_MS] = "timestamps",
	    [ENCODING_TIMESTAMP_US] = "timestamps",
	    [ENCODING_TIMESTAMP_NS] = "timestamps",
	    [ENCODING_ISO_DATE] = "dates",
	    [ENCODING_ISO_TIME] = "times of day",
	    [ENCODING_ISO_TIMESTAMP] = "timestamps",
	    [ENCODING_ZONED_TIMESTAMP] = "timestamps with time zone",
	    [ENCODING_ZONED_TIME] = "times of day with time zone",
	    [ENCODING_DURATION_US] = "intervals",
	    [ENCODING_DURATION_ISO] = "intervals",
	    [ENCODING_POINT] = "points",
	    [ENCODING_GEOMETRY] = "geometries",
	    [ENCODING_LINE] = "lines",
	    [ENCODING_CIRCLE] = "circles",
	    [ENCODING_MAP] = "hstore maps",
	    [ENCODING_HSTORE_JSON] = "hstore maps",
	    [ENCODING_ARRAY] = "arrays",
	    [ENCODING_UNKNOWN] = "values of an unknown type",
	};

	return names[encoding];
}

/* The categories (pg_type.typcategory) of the types that can take such values; NULL: any may. */
static const char *categories_of(enum encoding encoding)
{
	switch (encoding) {
	case ENCODING_NUMBER:
	case ENCODING_DECIMAL:
	case ENCODING_VARIABLE_DECIMAL:
		return "NSU";
	case ENCODING_BOOLEAN:
		return "BVSU";
	case ENCODING_BITS:
		return "VSU";
	case ENCODING_DATE_DAYS:
	case ENCODING_ISO_DATE:
	case ENCODING_TIMESTAMP_MS:
	case ENCODING_TIMESTAMP_US:
	case ENCODING_TIMESTAMP_NS:
	case ENCODING_ISO_TIMESTAMP:
	case ENCODING_ZONED_TIMESTAMP:
	case ENCODING_ZONED_TIME:
		return "DSU";
	case ENCODING_TIME_MS:
	case ENCODING_TIME_US:
	case ENCODING_TIME_NS:
	case ENCODING_ISO_TIME:
	case ENCODING_DURATION_US:
	case ENCODING_DURATION_ISO:
		return "DTSU";
	case ENCODING_POINT:
	case ENCODING_GEOMETRY:
	case ENCODING_LINE:
	case ENCODING_CIRCLE:
		return "GSU";
	case ENCODING_MAP:
	case ENCODING_HSTORE_JSON:
		return "SU";
	default:
		return NULL;
	}
}

/* Whether a target of another kind (an array, a date) is out of the question. */
static bool fits(enum encoding encoding, const struct target_type *target)
{
	const char *categories = categories_of(encoding);

	if (encoding == ENCODING_ARRAY)
		return target->array || is_text(target) || is_json(target) || is(target, "vector") ||
		       is(target, "halfvec");
	if (categories == NULL)
		return true;
	return !target->array && (target->category == '\0' || strchr(categories, target->category) != NULL);
}

static struct error *convert_unknown(const struct conversion *conversion, const struct value *value,
                                     struct arena *arena, struct value *converted)
{
	(void)value;
	(void)arena;
	(void)converted;
	return error_new(ERROR_EVENT,
	                 "this program does not know values of the type \"%s\"; leave the column out at the "
	                 "connector (column.exclude.list)",
	                 conversion->name);
}

static bool needs_zone(const struct target_type *target)
{
	return is(target, "timestamptz") || is(target, "timetz");
}

static void choose_decimal(struct conversion *made, const struct target_type *target, enum decimal_mode mode)
{
	if (mode != DECIMAL_MODE_PRECISE) {
		made->convert = is(target, "money") ? convert_money : convert_numeric_text;
		return;
	}
	made->convert = convert_untold_decimal;
	if (is(target, "money")) {
		made->scale = 2; /* money.fraction.digits */
		made->known_scale = true;
	} else if (target->typmod >= 4) {
		/* Precision above, scale below in eleven bits with a sign (numeric.c, numeric_typmod_scale). */
		made->scale = (((target->typmod - 4) & 0x7ff) ^ 1024) - 1024;
		made->known_scale = true;
	}
}

/* Debezium's rule: up to three digits are milliseconds; without a precision there are six. */
static int64_t adaptive_unit(const struct target_type *target)
{
	return target->typmod >= 0 && target->typmod <= 3 ? 1000 : 1;
}

static int64_t time_unit(const struct target_type *target, enum time_mode mode)
{
	switch (mode) {
	case TIME_MODE_ADAPTIVE:
		return adaptive_unit(target);
	case TIME_MODE_CONNECT:
		return 1000;
	case TIME_MODE_NANOSECONDS:
		return 0;
	default:
		return 1;
	}
}

static int64_t timestamp_unit(const struct target_type *target, enum time_mode mode)
{
	return mode == TIME_MODE_ADAPTIVE_TIME_MICROSECONDS ? adaptive_unit(target) : time_unit(target, mode);
}

static void choose_bytes(struct conversion *made, enum binary_mode mode)
{
	made->convert = mode == BINARY_MODE_HEX ? convert_hex : convert_bytea;
}

/* PostgreSQL's geometric types; NULL: the target is none of them. */
static convert_function *geometric(const struct target_type *target)
{
	static const struct {
		const char *name;
		convert_function *convert;
	} types[] = {
	    {"point", convert_point},     {"box", convert_box},   {"lseg", convert_lseg},     {"path", convert_path},
	    {"polygon", convert_polygon}, {"line", convert_line}, {"circle", convert_circle},
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (is(target, types[i].name))
			return types[i].convert;
	return NULL;
}

/*
 * Types of which the connector knows nothing but bytes (include.unknown.datatypes): base64 of their text. Of a domain
 * it knows the base type, but not within an array.
 */
static bool is_foreign(const struct target_type *target)
{
	static const char *const names[] = {"tsquery",   "pg_lsn", "jsonpath",      "refcursor",   "xid",
	                                    "cid",       "tid",    "txid_snapshot", "pg_snapshot", "lquery",
	                                    "ltxtquery", "cube",   "seg",           NULL};
	const char *suffix = strstr(target->name, "multirange");

	return target->category == 'C' || target->of_domain || is_any(target, names) ||
	       (suffix != NULL && strcmp(suffix, "multirange") == 0);
}

/* Plain JSON: by the target's type. */
static void choose_untold(struct conversion *made, const struct target_type *target, const struct wire_modes *modes)
{
	made->zoned = needs_zone(target);
	if (is_foreign(target)) {
		made->convert = modes->binary == BINARY_MODE_HEX ? convert_hex_text : convert_byte_text;
	} else if (is(target, "numeric") || is(target, "money")) {
		choose_decimal(made, target, modes->decimal);
	} else if (is(target, "date")) {
		made->convert = convert_untold_date;
	} else if (is(target, "time") || is(target, "timetz")) {
		made->convert = convert_untold_time;
		made->unit_us = time_unit(target, modes->time);
	} else if (is(target, "timestamp") || is(target, "timestamptz")) {
		made->convert = convert_untold_timestamp;
		made->unit_us = timestamp_unit(target, modes->time);
	} else if (is(target, "interval")) {
		made->convert = convert_untold_interval;
	} else if (is(target, "bytea")) {
		choose_bytes(made, modes->binary);
	} else if (is(target, "bit") || is(target, "varbit")) {
		made->convert = convert_bits;
		made->length = is(target, "bit") && target->typmod > 0 ? target->typmod : 0;
	} else if (is(target, "hstore")) {
		made->convert = convert_hstore;
	} else if (geometric(target) != NULL) {
		made->convert = geometric(target);
	} else if (is(target, "geometry") || is(target, "geography")) {
		made->convert = convert_geometry;
	}
}

/* Texts that are not yet what the target's type takes. */
static void choose_text(struct conversion *made, const struct target_type *target, const struct wire_modes *modes)
{
	if (target->array)
		return;
	if (is(target, "money"))
		made->convert = convert_money;
	else if (is(target, "numeric"))
		made->convert = convert_numeric_text;
	else if (is(target, "hstore"))
		made->convert = convert_hstore;
	else if (is(target, "bytea"))
		choose_bytes(made, modes->binary);
	else if (is_foreign(target))
		made->convert = modes->binary == BINARY_MODE_HEX ? convert_hex_text : convert_byte_text;
}

static void choose_number(struct conversion *made, convert_function *convert, const struct target_type *target,
                          int64_t unit_us)
{
	made->convert = convert;
	made->unit_us = unit_us;
	made->zoned = needs_zone(target);
}

static void choose_told(struct conversion *made, const struct column *column, const struct target_type *target,
                        const struct wire_modes *modes)
{
	switch ((enum encoding)column->encoding) {
	case ENCODING_UNTOLD:
		choose_untold(made, target, modes);
		return;
	case ENCODING_TEXT:
		choose_text(made, target, modes);
		return;
	case ENCODING_BOOLEAN:
		if (is(target, "bit") || is(target, "varbit"))
			made->convert = convert_bits;
		return;
	case ENCODING_BYTES:
		made->convert = is(target, "bytea") && !target->of_domain ? convert_bytea : convert_byte_text;
		return;
	case ENCODING_DECIMAL:
		made->convert = convert_decimal;
		made->scale = column->scale;
		return;
	case ENCODING_VARIABLE_DECIMAL:
		made->convert = convert_variable_decimal;
		return;
	case ENCODING_BITS:
		made->convert = convert_bits;
		if (!is(target, "varbit"))
			made->length = target->typmod > 0 ? target->typmod : column->length;
		return;
	case ENCODING_DATE_DAYS:
		made->convert = convert_days;
		return;
	case ENCODING_TIME_MS:
		choose_number(made, convert_time, target, 1000);
		return;
	case ENCODING_TIME_US:
		choose_number(made, convert_time, target, 1);
		return;
	case ENCODING_TIME_NS:
		choose_number(made, convert_time, target, 0);
		return;
	case ENCODING_TIMESTAMP_MS:
		choose_number(made, convert_timestamp, target, 1000);
		return;
	case ENCODING_TIMESTAMP_US:
		choose_number(made, convert_timestamp, target, 1);
		return;
	case ENCODING_TIMESTAMP_NS:
		choose_number(made, convert_timestamp, target, 0);
		return;
	case ENCODING_ISO_DATE:
	case ENCODING_ISO_TIMESTAMP:
	case ENCODING_ZONED_TIMESTAMP:
		made->convert = convert_iso;
		return;
	case ENCODING_DURATION_US:
		made->convert = convert_duration;
		return;
	case ENCODING_POINT:
	case ENCODING_GEOMETRY:
	case ENCODING_LINE:
	case ENCODING_CIRCLE:
		made->convert = geometric(target) != NULL ? geometric(target) : convert_geometry;
		return;
	case ENCODING_MAP:
	case ENCODING_HSTORE_JSON:
		if (is(target, "hstore"))
			made->convert = convert_hstore;
		return;
	case ENCODING_UNKNOWN:
		made->convert = convert_unknown;
		made->name = column->schema_name;
		return;
	case ENCODING_NUMBER:
		if (is(target, "money"))
			made->convert = convert_money;
		return;
	case ENCODING_ISO_TIME:
	case ENCODING_ZONED_TIME:
	case ENCODING_DURATION_ISO:
	case ENCODING_ARRAY:
		return;
	}
}

static struct error *choose_array(const struct column *column, const struct target_type *target,
                                  const struct wire_modes *modes, struct arena *arena, struct conversion *made)
{
	static const struct column untold = {.name = "", .schema_name = "", .encoding = ENCODING_UNTOLD};
	const struct column *element = column->element != NULL ? column->element : &untold;
	struct target_type element_target = *target;

	/* An array of arrays goes into the same array type: PostgreSQL does not tell dimensions apart. */
	element_target.array = element->encoding == ENCODING_ARRAY;
	made->convert = convert_array;
	made->delimiter = target->delimiter != '\0' ? target->delimiter : ',';
	return conversion_choose(element, &element_target, modes, arena, &made->element);
}

struct error *conversion_choose(const struct column *column, const struct target_type *target,
                                const struct wire_modes *modes, struct arena *arena,
                                const struct conversion **conversion)
{
	struct conversion *made = arena_alloc_zeroed(arena, sizeof(*made));

	*conversion = NULL;
	if (!fits((enum encoding)column->encoding, target))
		return error_new(ERROR_TARGET,
		                 "the source's %s cannot go into a column of type %s%s; give the target's column the "
		                 "source's type",
		                 encoding_name((enum encoding)column->encoding), target->name,
		                 target->array ? "[]" : "");
	if (target->array && (column->encoding == ENCODING_ARRAY || column->encoding == ENCODING_UNTOLD))
		TRY(choose_array(column, target, modes, arena, made));
	else
		choose_told(made, column, target, modes);
	if (made->convert != NULL)
		*conversion = made;
	return NULL;
}

/* Conversions of what is one text, whatever it is of: its reader takes such a text of any type. */
static bool writes_text(const struct target_type *type, const struct wire_modes *modes)
{
	if (is(type, "numeric") || is(type, "money"))
		return modes->decimal != DECIMAL_MODE_PRECISE;
	if (is(type, "interval"))
		return modes->interval == INTERVAL_MODE_STRING;
	if (is(type, "date") || is(type, "time") || is(type, "timestamp"))
		return modes->time == TIME_MODE_ISOSTRING;
	return is(type, "timestamptz") || is(type, "timetz");
}

static bool reads_text(const struct conversion *conversion)
{
	static convert_function *const readers[] = {convert_untold_date,      convert_untold_time,
	                                            convert_untold_timestamp, convert_untold_interval,
	                                            convert_numeric_text,     convert_money};

	for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++)
		if (conversion->convert == readers[i])
			return true;
	return conversion->convert == NULL;
}

/* What the connector writes as it is (texts, whole numbers, booleans): how the target's column reads it. */
static bool reads_as_is(const struct target_type *source, const struct conversion *reader)
{
	if (source->category == 'N')
		return reader->convert == NULL || reader->convert == convert_untold_decimal ||
		       reader->convert == convert_numeric_text || reader->convert == convert_money;
	return reads_text(reader);
}

bool conversion_reads_plain(const struct target_type *source, const struct target_type *target,
                            const struct wire_modes *modes)
{
	struct conversion writer = {0}, reader = {0};

	choose_untold(&writer, source, modes);
	choose_untold(&reader, target, modes);
	if (writer.convert == NULL)
		return source->array != target->array || reads_as_is(source, &reader);
	if (writes_text(source, modes))
		return source->array == target->array && reads_text(&reader);
	/* The scale of a numeric without a modifier comes with each value. */
	if (writer.convert == convert_untold_decimal && !writer.known_scale)
		return source->array == target->array && reader.convert == convert_untold_decimal;
	return source->array == target->array && writer.convert == reader.convert && writer.unit_us == reader.unit_us &&
	       writer.length == reader.length && writer.known_scale == reader.known_scale &&
	       writer.scale == reader.scale;
}

struct error *conversion_apply(const struct conversion *conversion, const struct value *value, struct arena *arena,
                               struct value *converted)
{
	if (conversion == NULL || value->kind == VALUE_NULL || value->kind == VALUE_UNCHANGED) {
		*converted = *value;
		return NULL;
	}
	return conversion->convert(conversion, value, arena, converted);
}
