/* source_type.c - see source_type.h */
#include "event/source_type.h"

#include "base/memory.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_LENGTH 10485760 /* MaxAttrSize: what varchar(n) can have */
#define LONGEST_NUMERIC 1000    /* NUMERIC_MAX_PRECISION */

/*
 * Names of pg_type to those of format_type(), where they differ; serial is how JDBC calls an integer with a sequence.
 */
static const struct {
	const char *name;
	const char *type;
} type_names[] = {
    {"int2", "smallint"}, {"smallserial", "smallint"},    {"serial2", "smallint"},
    {"int4", "integer"},  {"serial", "integer"},          {"serial4", "integer"},
    {"int8", "bigint"},   {"bigserial", "bigint"},        {"serial8", "bigint"},
    {"float4", "real"},   {"float8", "double precision"}, {"bool", "boolean"},
};

/* Connect's types, where no schema name says more; those of Avro, too. */
static const struct {
	const char *connect;
	const char *type;
} connect_types[] = {
    {"int8", "smallint"}, {"int16", "smallint"},  {"int32", "integer"}, {"int64", "bigint"},
    {"int", "integer"},   {"long", "bigint"},     {"float", "real"},    {"double", "double precision"},
    {"string", "text"},   {"boolean", "boolean"}, {"bytes", "bytea"},   {"map", "hstore"},
};

/* What a schema name means where the type itself is not told. */
static const struct {
	const char *schema_name;
	const char *type;
} named_types[] = {
    {"io.debezium.data.Json", "jsonb"},  {"io.debezium.data.Xml", "xml"},           {"io.debezium.data.Uuid", "uuid"},
    {"io.debezium.data.Ltree", "ltree"}, {"io.debezium.data.Tsvector", "tsvector"}, {"io.debezium.data.Enum", "text"},
};

static const char *const encoded_types[] = {
    [ENCODING_BOOLEAN] = "boolean",
    [ENCODING_VARIABLE_DECIMAL] = "numeric",
    [ENCODING_DECIMAL] = "numeric",
    [ENCODING_DATE_DAYS] = "date",
    [ENCODING_ISO_DATE] = "date",
    [ENCODING_TIME_MS] = "time without time zone",
    [ENCODING_TIME_US] = "time without time zone",
    [ENCODING_TIME_NS] = "time without time zone",
    [ENCODING_ISO_TIME] = "time without time zone",
    [ENCODING_ZONED_TIME] = "time with time zone",
    [ENCODING_TIMESTAMP_MS] = "timestamp without time zone",
    [ENCODING_TIMESTAMP_US] = "timestamp without time zone",
    [ENCODING_TIMESTAMP_NS] = "timestamp without time zone",
    [ENCODING_ISO_TIMESTAMP] = "timestamp without time zone",
    [ENCODING_ZONED_TIMESTAMP] = "timestamp with time zone",
    [ENCODING_DURATION_US] = "interval",
    [ENCODING_DURATION_ISO] = "interval",
    [ENCODING_POINT] = "point",
    [ENCODING_LINE] = "line",
    [ENCODING_CIRCLE] = "circle",
    [ENCODING_MAP] = "hstore",
    [ENCODING_HSTORE_JSON] = "hstore",
    [ENCODING_UNKNOWN] = NULL,
};

/* A parameter that is a number from `least` to `most`, else -1. */
static long number_of(const char *text, long least, long most)
{
	char *end;
	long number;

	if (text == NULL || text[0] == '\0')
		return -1;
	number = strtol(text, &end, 10);
	return *end == '\0' && number >= least && number <= most ? number : -1;
}

static char *with_length(const char *type, long length)
{
	return length < 0 ? memory_copy_text(type) : memory_format("%s(%ld)", type, length);
}

static char *numeric(long precision, long scale)
{
	return precision < 0 || scale < 0 ? memory_copy_text("numeric")
	                                  : memory_format("numeric(%ld,%ld)", precision, scale);
}

/* "timestamp(3) without time zone"; six digits are the type without a number. */
static char *with_digits(const char *word, const char *zone, long digits)
{
	return digits < 0 ? memory_format("%s%s", word, zone) : memory_format("%s(%ld)%s", word, digits, zone);
}

static char *told_type(const char *name, const struct source_type_hint *hint)
{
	const long length = number_of(hint->length, 1, LONGEST_LENGTH);
	const long digits = number_of(hint->scale, 0, 5);

	for (size_t i = 0; i < sizeof(type_names) / sizeof(*type_names); i++)
		if (strcmp(type_names[i].name, name) == 0)
			return memory_copy_text(type_names[i].type);
	if (strcmp(name, "varchar") == 0)
		return with_length("character varying", length);
	if (strcmp(name, "bpchar") == 0)
		return with_length("character", length);
	if (strcmp(name, "bit") == 0)
		return with_length("bit", length);
	if (strcmp(name, "varbit") == 0)
		return with_length("bit varying", length);
	if (strcmp(name, "numeric") == 0)
		return numeric(number_of(hint->length, 1, LONGEST_NUMERIC), number_of(hint->scale, 0, LONGEST_NUMERIC));
	if (strcmp(name, "timestamp") == 0)
		return with_digits("timestamp", " without time zone", digits);
	if (strcmp(name, "timestamptz") == 0)
		return with_digits("timestamp", " with time zone", digits);
	if (strcmp(name, "time") == 0)
		return with_digits("time", " without time zone", digits);
	if (strcmp(name, "timetz") == 0)
		return with_digits("time", " with time zone", digits);
	return memory_copy_text(name);
}

/* The connector writes the name in capitals; an array's begins with an underscore. */
static char *propagated_type(const struct source_type_hint *hint)
{
	char *name = memory_copy_text(hint->type);
	const bool array = name[0] == '_';
	char *type;

	for (char *at = name; *at != '\0'; at++)
		*at = (char)tolower((unsigned char)*at);
	type = told_type(name + (array ? 1 : 0), hint);
	free(name);
	if (array) {
		char *element = type;

		type = memory_format("%s[]", element);
		free(element);
	}
	return type;
}

static const char *named_type(const struct source_type_hint *hint, const struct column *column)
{
	for (size_t i = 0; i < sizeof(named_types) / sizeof(*named_types); i++)
		if (strcmp(named_types[i].schema_name, column->schema_name) == 0)
			return named_types[i].type;
	if (column->encoding < sizeof(encoded_types) / sizeof(*encoded_types) &&
	    encoded_types[column->encoding] != NULL)
		return encoded_types[column->encoding];
	if (column->schema_name[0] != '\0')
		return NULL;
	for (size_t i = 0; i < sizeof(connect_types) / sizeof(*connect_types); i++)
		if (strcmp(connect_types[i].connect, hint->connect_type) == 0)
			return connect_types[i].type;
	return NULL;
}

char *source_type_of(const struct source_type_hint *hint, const struct column *column, bool *sure)
{
	long precision = number_of(hint->precision, 1, LONGEST_NUMERIC);

	*sure = true;
	if (hint->type != NULL && hint->type[0] != '\0')
		return propagated_type(hint);
	if (column->encoding == ENCODING_ARRAY && column->element != NULL) {
		*sure = column->element->sure_type;
		return column->element->source_type == NULL ? NULL
		                                            : memory_format("%s[]", column->element->source_type);
	}
	if (column->encoding == ENCODING_DECIMAL && precision >= 0 && column->scale >= 0)
		return numeric(precision, column->scale);
	*sure = column->encoding == ENCODING_NUMBER;
	if (column->encoding == ENCODING_BITS)
		return with_length("bit varying", column->length > 0 ? column->length : -1);
	return memory_copy_text(named_type(hint, column));
}
