/*
 * captured_columns.h - the columns whose values in the connector's events are not those of the source: excluded, masked,
 * hashed or truncated by settings of the connector (column.exclude.list, column.include.list, column.mask.with.N.chars,
 * column.mask.hash.…, column.truncate.to.N.chars), or left out by the publication's column list. A transform, a custom
 * converter, a post processor and a row filter of the publication change whole tables.
 *
 * NOTES
 *   A selector is a list of regular expressions (capture_list.h), each of which must match all of "schema.table.column",
 *   whatever the case. The first of these kinds that selects a column counts: truncate, mask, hash. A mask replaces NULL
 *   as well. Masks and hashes apply to columns that JDBC reads as a string; a truncation applies to each value that is
 *   a string in the event, and counts UTF-16 code units.
 *
 * Source: Debezium documentation, "Debezium connector for PostgreSQL", "Connector properties"; Debezium 3.7.0,
 * io.debezium.relational.mapping and io.debezium.relational.Tables, whose classes were run to learn the order of the
 * kinds, NULL and surrogate pairs.
 *
 * Thread: the source connection's. All memory is in the arena.
 */
#ifndef REPLICATOR_CONNECT_CAPTURED_COLUMNS_H
#define REPLICATOR_CONNECT_CAPTURED_COLUMNS_H

#include <jansson.h>

#include "base/arena.h"
#include "config/config.h"
#include "pg/connection.h"

enum captured_form {
	CAPTURED_AS_IS,
	CAPTURED_NEVER,     /* no event has the column */
	CAPTURED_CONSTANT,  /* `length` asterisks, for NULL as well */
	CAPTURED_TRUNCATED, /* to `length` UTF-16 code units */
	CAPTURED_UNKNOWN    /* something else, which cannot be computed from the source's value */
};

struct captured_column {
	const char *schema;
	const char *table;
	const char *column;
	enum captured_form form;
	uint64_t length;
	const char *setting; /* what does it: "column.mask.with.12.chars of the connector"; never a salt */
};

struct captured_table {
	const char *schema;
	const char *table;
	const char *reason;
};

struct captured_columns {
	bool configured;     /* connect.url and connect.connector are set */
	const char *problem; /* why it is not known what the connector does to the columns; NULL: it is known */
	const char *all;     /* what may change the values of every table, NULL: nothing */
	const struct captured_column *columns;
	size_t column_count;
	const struct captured_table *tables; /* the publication leaves out rows of these */
	size_t table_count;
	const char *publication;               /* its name; NULL: not known */
	const struct captured_table *left_out; /* published, but the connector's lists of tables leave them out */
	size_t left_out_count;
};

/*
 * Asks Kafka Connect for the connector's settings, and the source which columns they select. `problem` has what Connect
 * refuses, an answer that is not this stream's (stream_connector.h), and a regular expression that PostgreSQL does not know.
 * Without settings for Connect everything is captured as it is. Errors: those of the source connection.
 */
struct error *captured_columns_read(const struct config *config, struct pg_connection *source, struct arena *arena,
                                    struct captured_columns *captured);

/* The same for settings that the caller has ({"name": "value", …}, as Connect gives them). */
struct error *captured_columns_take(const json_t *connector, struct pg_connection *source, struct arena *arena,
                                    struct captured_columns *captured);

/* NULL: the column is captured as it is. */
const struct captured_column *captured_columns_find(const struct captured_columns *captured, const char *schema,
                                                    const char *table, const char *column);

/* Why the table's rows in the events are not those of the source, whatever its columns; or NULL. */
const char *captured_columns_table_reason(const struct captured_columns *captured, const char *schema,
                                          const char *table);

/* The connector surely leaves the published table out. `captured` NULL: it is not known. */
bool captured_columns_leave_out(const struct captured_columns *captured, const char *schema, const char *table);

/*
 * Calls `tell` for what check-config reports: the columns by setting, and what a setting does to a value that the
 * connector does not have (unavailable.value.placeholder). `text` lives during the call.
 */
void captured_columns_check(const json_t *connector, const struct captured_columns *captured,
                            void (*tell)(void *context, bool problem, const char *text), void *context);

#endif
