/*
 * pair.h - the two databases of a comparison's tests: statements in one of them. All static inline, as postgres.h.
 */
#ifndef TESTS_UNIT_PAIR_H
#define TESTS_UNIT_PAIR_H

#include "postgres.h"

static inline struct pg_connection *connect_database(const char *name)
{
	char *dsn = memory_format("%s dbname=%s", postgres_dsn(), name);
	struct pg_connection *connection = postgres_connect_to(dsn);

	free(dsn);
	return connection;
}

/* In a session of its own; names without a schema are the tables of the test, else those of the state. */
static inline void run(const char *database, const char *sql)
{
	struct pg_connection *connection = connect_database(database);

	postgres_execute(connection, "SET search_path = public, replicator; SET client_min_messages = warning");
	postgres_execute(connection, sql);
	pg_disconnect(connection);
}

static inline void expect_in(const char *database, const char *sql, const char *expected)
{
	struct pg_connection *connection = connect_database(database);

	postgres_expect(connection, sql, expected);
	pg_disconnect(connection);
}

#endif
