/* semantic_types.c - see semantic_types.h */
#include "event/semantic_types.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *name;
	enum encoding encoding;
} semantic_types[] = {
    {"io.debezium.time.Date", ENCODING_DATE_DAYS},
    {"io.debezium.time.Time", ENCODING_TIME_MS},
    {"io.debezium.time.MicroTime", ENCODING_TIME_US},
    {"io.debezium.time.NanoTime", ENCODING_TIME_NS},
    {"io.debezium.time.Timestamp", ENCODING_TIMESTAMP_MS},
    {"io.debezium.time.MicroTimestamp", ENCODING_TIMESTAMP_US},
    {"io.debezium.time.NanoTimestamp", ENCODING_TIMESTAMP_NS},
    {"io.debezium.time.IsoDate", ENCODING_ISO_DATE},
    {"io.debezium.time.IsoTime", ENCODING_ISO_TIME},
    {"io.debezium.time.IsoTimestamp", ENCODING_ISO_TIMESTAMP},
    {"io.debezium.time.ZonedTimestamp", ENCODING_ZONED_TIMESTAMP},
    {"io.debezium.time.ZonedTime", ENCODING_ZONED_TIME},
    {"io.debezium.time.MicroDuration", ENCODING_DURATION_US},
    {"io.debezium.time.Interval", ENCODING_DURATION_ISO},
    {"org.apache.kafka.connect.data.Decimal", ENCODING_DECIMAL},
    {"org.apache.kafka.connect.data.Date", ENCODING_DATE_DAYS},
    {"org.apache.kafka.connect.data.Time", ENCODING_TIME_MS},
    {"org.apache.kafka.connect.data.Timestamp", ENCODING_TIMESTAMP_MS},
    {"io.debezium.data.VariableScaleDecimal", ENCODING_VARIABLE_DECIMAL},
    {"io.debezium.data.Bits", ENCODING_BITS},
    {"io.debezium.data.Json", ENCODING_TEXT},
    {"io.debezium.data.Xml", ENCODING_TEXT},
    {"io.debezium.data.Uuid", ENCODING_TEXT},
    {"io.debezium.data.Enum", ENCODING_TEXT},
    {"io.debezium.data.Ltree", ENCODING_TEXT},
    {"io.debezium.data.Tsvector", ENCODING_TEXT},
    {"io.debezium.data.DoubleVector", ENCODING_TEXT}, /* an array of numbers: as it is, pgvector's input */
    {"io.debezium.data.FloatVector", ENCODING_TEXT},
    {"io.debezium.data.geometry.Point", ENCODING_POINT},
    {"io.debezium.data.geometry.Geometry", ENCODING_GEOMETRY},
    {"io.debezium.data.geometry.Geography", ENCODING_GEOMETRY},
    {"io.debezium.data.geometry.Line", ENCODING_LINE},
    {"io.debezium.data.geometry.Circle", ENCODING_CIRCLE},
};

enum encoding semantic_type_encoding(const char *name)
{
	for (size_t i = 0; i < sizeof(semantic_types) / sizeof(semantic_types[0]); i++)
		if (strcmp(semantic_types[i].name, name) == 0)
			return semantic_types[i].encoding;
	return ENCODING_UNKNOWN;
}
