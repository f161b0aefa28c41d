/*
 * capture_list.h - which tables a connector's lists let through: schema.include.list, schema.exclude.list,
 * table.include.list, table.exclude.list.
 *
 * NOTES
 *   A list has regular expressions with commas between them, each of which must be all of a name, whatever its case.
 *   Java reads them; PostgreSQL, which is asked here, knows nearly the same. What it does not know, or reads otherwise,
 *   stays open.
 *
 * Source: Debezium documentation, "Debezium connector for PostgreSQL", table.include.list. Thread: the connection's.
 */
#ifndef REPLICATOR_CONNECT_CAPTURE_LIST_H
#define REPLICATOR_CONNECT_CAPTURE_LIST_H

#include <jansson.h>
#include <stdbool.h>

#include "pg/connection.h"

/* A setting of the connector's configuration; `fallback` when it is not set or empty. Lives with it. */
const char *capture_setting(const json_t *connector, const char *key, const char *fallback);

/* Whether one expression of the list is all of the name; -1: PostgreSQL does not know them. */
struct error *capture_list_matches(struct pg_connection *source, const char *list, const char *name, int *match);

/*
 * The tables of the connector's publication, but for our own, that its lists leave out: rows of schema and table.
 * *names NULL: PostgreSQL does not know the expressions.
 */
struct error *capture_list_left_out(struct pg_connection *source, const json_t *connector, struct pg_result **names);

/* Whether any of the four lists is set. */
bool capture_list_is_set(const json_t *connector);

/*
 * The tables of the database that the lists let through, ours included: one value, an array of OIDs. *tables NULL:
 * PostgreSQL does not know the expressions.
 */
struct error *capture_list_tables(struct pg_connection *source, const json_t *connector, struct pg_result **tables);

/* The expressions of a list that match no table: a row each. *entries NULL: PostgreSQL does not know the expressions. */
struct error *capture_list_unmatched(struct pg_connection *source, const char *list, struct pg_result **entries);

/*
 * The tables that the connector's lists let through and its publication does not have: rows of schema, table, and the
 * qualified name for SQL. Of our own only those that serve the stream. A partitioned table counts as published if one of its
 * partitions is. *names NULL: PostgreSQL does not know the expressions.
 */
struct error *capture_list_unpublished(struct pg_connection *source, const json_t *connector, struct pg_result **names);

/*
 * The columns of ordinary and partitioned tables whose name "schema.table.column" one expression of the list matches, or
 * with `others` the columns that none matches: rows of schema, table, column, base type, whether it is a domain (1), an
 * array (1) or in the primary key (1), and the type modifier. *columns NULL: PostgreSQL does not know the expressions.
 */
struct error *capture_list_columns(struct pg_connection *source, const char *list, bool others,
                                   struct pg_result **columns);

#endif
