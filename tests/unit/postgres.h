/*
 * postgres.h - the real server that tests of pg/ and target/ use; with_postgres.sh starts it.
 * All static inline: an object of its own would be linked into every test, also those that are built without pg/.
 */
#ifndef TESTS_UNIT_POSTGRES_H
#define TESTS_UNIT_POSTGRES_H

#include "base/clock.h"
#include "base/memory.h"
#include "pg/connection.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline const char *postgres_dsn(void)
{
	const char *dsn = getenv("REPLICATOR_TEST_DSN");

	ck_assert_msg(dsn != NULL && dsn[0] != '\0',
	              "REPLICATOR_TEST_DSN is not set: run this program through tests/unit/with_postgres.sh");
	return dsn;
}

static inline void expect_no_error(struct error *error)
{
	if (error != NULL)
		ck_abort_msg("%s error: %s", error_class_name(error->class), error->message);
}

/* Fails the test when the error is none of that class, or its text lacks `part`; frees it. */
static inline void expect_error(struct error *error, enum error_class class, const char *sqlstate, const char *part)
{
	ck_assert_ptr_nonnull(error);
	ck_assert_msg(error->class == class, "class %s, expected %s: %s", error_class_name(error->class),
	              error_class_name(class), error->message);
	if (sqlstate != NULL)
		ck_assert_str_eq(error->sqlstate, sqlstate);
	ck_assert_msg(strstr(error->message, part) != NULL, "\"%s\" is not in: %s", part, error->message);
	ck_assert_msg(strchr(error->message, '\n') == NULL, "more than one line: %s", error->message);
	error_free(error);
}

static inline struct pg_connection *postgres_connect_to(const char *dsn)
{
	struct pg_connection *connection = NULL;

	expect_no_error(pg_connect(dsn, "replicator unit test", &connection));
	return connection;
}

static inline struct pg_connection *postgres_connect(void)
{
	return postgres_connect_to(postgres_dsn());
}

static inline void postgres_execute(struct pg_connection *connection, const char *sql)
{
	expect_no_error(pg_execute(connection, sql));
}

/* The one value of a query; the caller frees it. */
static inline char *postgres_value(struct pg_connection *connection, const char *sql)
{
	struct pg_result *result = NULL;
	char *value;

	expect_no_error(pg_query(connection, sql, 0, NULL, &result));
	ck_assert_uint_ge(pg_result_rows(result), 1);
	value = memory_copy_text(pg_result_text(result, 0, 0));
	pg_result_free(result);
	return value;
}

static inline void postgres_expect(struct pg_connection *connection, const char *sql, const char *expected)
{
	char *value = postgres_value(connection, sql);

	ck_assert_msg(strcmp(value, expected) == 0, "%s gives %s, expected %s", sql, value, expected);
	free(value);
}

/* An empty database of that name, and a connection to it. */
static inline struct pg_connection *postgres_make_database(const char *name)
{
	struct pg_connection *admin = postgres_connect(), *made;
	char *sql = memory_format("DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
	char *dsn = memory_format("%s dbname=%s", postgres_dsn(), name);

	postgres_execute(admin, sql);
	free(sql);
	sql = memory_format("CREATE DATABASE %s", name);
	postgres_execute(admin, sql);
	pg_disconnect(admin);
	made = postgres_connect_to(dsn);
	free(dsn);
	free(sql);
	return made;
}

/* The DSN as a role whose defaults our sessions must not depend on, in that database; the caller frees it. */
static inline char *postgres_hostile_dsn(const char *database)
{
	struct pg_connection *connection = postgres_connect();
	char sql[8192];
	FILE *file = fopen("tests/hostile_role.sql", "r");
	size_t length;

	ck_assert_msg(file != NULL, "tests/hostile_role.sql: run the tests from the repository's root");
	length = fread(sql, 1, sizeof(sql) - 1, file);
	sql[length] = '\0';
	ck_assert(length < sizeof(sql) - 1 && fclose(file) == 0);
	postgres_execute(connection, sql);
	pg_disconnect(connection);
	return memory_format("%s user=hostile password=hostile dbname=%s", postgres_dsn(), database);
}

/* Waits until the server takes connections again. */
static inline void postgres_await(void)
{
	for (int i = 0; i < 300; i++) {
		struct pg_connection *connection = NULL;
		struct error *error = pg_connect(postgres_dsn(), "replicator unit test", &connection);

		pg_disconnect(connection);
		if (error == NULL)
			return;
		error_free(error);
		clock_sleep_ms(100);
	}
	ck_abort_msg("the server did not come back");
}

#endif
