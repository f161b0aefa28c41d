/*
 * adjusted_name.h - a column's name as the connector rewrites it where names must be Avro's.
 *
 * NOTES
 *   Avro allows letters, digits and underscores. With field.name.adjustment.mode=avro the connector puts an underscore
 *   in place of each other character, and in front of a leading digit; with avro_unicode it writes _uXXXX (and _u005f
 *   for an underscore). The original is not in the event: it is found by rewriting the names of the target's columns.
 *
 * Source: Debezium, io.debezium.schema.FieldNameSelector and SchemaNameAdjuster (characters are Java's: UTF-16 units).
 */
#ifndef REPLICATOR_EVENT_ADJUSTED_NAME_H
#define REPLICATOR_EVENT_ADJUSTED_NAME_H

#include <stdbool.h>

/* Whether the connector may have written `name` as `adjusted`. */
bool adjusted_name_matches(const char *adjusted, const char *name);

/* The same for a name that the pattern matches; * in it stands for any run of characters. */
bool adjusted_name_matches_pattern(const char *adjusted, const char *pattern);

#endif
