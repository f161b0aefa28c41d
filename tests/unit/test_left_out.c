/*
 * test_left_out.c - steps that the target refuses: remembered, retried, and forgotten when they mean nothing any more; and
 * what else the target lacks: functions, and types of schemas that are not captured. One database's DDL log followed in
 * another.
 */
#include "following.h"
#include "target/left_out.h"

#include <stdlib.h>

static struct config config = {.stream.name = "s", .target.schema = "replicator", .ddl.lock_timeout_ms = 1000};
static char *source_dsn;

static void set_up(void)
{
	following_set_up("left_out", &config);
	source_dsn = memory_format("%s dbname=left_out_source", postgres_dsn());
	config.source.dsn = source_dsn;
}

static void tear_down(void)
{
	following_tear_down();
	free(source_dsn);
}

static struct error *try_follow(const char *sql)
{
	postgres_execute(source, sql);
	return follow_log(false);
}

static void follow(const char *sql)
{
	expect_no_error(try_follow(sql));
}

static void expect_value(const char *sql, const char *expected)
{
	postgres_expect(target, sql, expected);
}

/* What the applier does between two batches; how many entries are left. */
static size_t retry_all(void)
{
	size_t count;
	int64_t id;

	postgres_execute(target, "UPDATE replicator.left_out_step SET retry_at = '-infinity'");
	for (int i = 0;; i++) {
		bool settled, executed;
		struct error *error;

		expect_no_error(left_out_next(target, &config, &count, &id));
		if (id == 0)
			return count;
		ck_assert_int_lt(i, 10);
		postgres_execute(target, "BEGIN");
		error = left_out_retry(target, &config, id, &settled, &executed);
		postgres_execute(target, error == NULL ? "COMMIT" : "ROLLBACK");
		if (error != NULL)
			expect_no_error(left_out_note_failure(target, &config, id, error->message));
		error_free(error);
	}
}

#define LEFT_OUT                                                                                                       \
	"SELECT coalesce(string_agg(concat_ws(' ', kind, schema_name || '.' || table_name, part, sql), '; ' ORDER BY " \
	"id), '') FROM replicator.left_out_step"

#define NOT_NULL(column)                                                                                               \
	"SELECT attnotnull FROM pg_attribute WHERE attrelid = 'public.t'::regclass AND attname = '" column "'"

/* The column gets another type and name in one transaction; its values, which are to come, are not there yet. */
START_TEST(not_null_waits_for_the_rows)
{
	follow("CREATE TABLE public.t (id int PRIMARY KEY, c text NOT NULL)");
	postgres_execute(target, "INSERT INTO public.t VALUES (1, 'one')");
	follow("ALTER TABLE public.t ALTER c TYPE int USING length(c); ALTER TABLE public.t RENAME c TO d");
	expect_value(LEFT_OUT, "table public.t not null ALTER TABLE public.t ALTER COLUMN d SET NOT NULL");
	expect_value(NOT_NULL("d"), "f");
	expect_value("SELECT table_name || ' ' || reason FROM replicator.unverified", "t rewritten");
	ck_assert_uint_eq(retry_all(), 1);
	expect_value("SELECT attempts > 1 AND retry_at > now() AND reason LIKE '%null%' FROM replicator.left_out_step",
	             "t");
	/* Names may change once more before the rows are there. */
	follow("ALTER TABLE public.t RENAME d TO e");
	postgres_execute(target, "UPDATE public.t SET e = 3");
	ck_assert_uint_eq(retry_all(), 0);
	expect_value(NOT_NULL("e"), "t");
	expect_value("SELECT steps::text FROM replicator.schema_history ORDER BY id DESC LIMIT 1",
	             "{\"ALTER TABLE \\\"public\\\".\\\"t\\\" ALTER COLUMN \\\"e\\\" SET NOT NULL\"}");
}
END_TEST

/* A NOT NULL, or a constraint, of a table whose rows wait for a resync. */
START_TEST(what_unverified_rows_refuse_waits)
{
	follow("CREATE TABLE public.t (id int PRIMARY KEY, c int)");
	postgres_execute(target, "INSERT INTO public.t VALUES (1, NULL), (2, -1), (3, -1)");
	expect_error(try_follow("ALTER TABLE public.t ALTER c SET NOT NULL"), ERROR_CONSTRAINT, "23502",
	             "SET NOT NULL");
	postgres_execute(target, "INSERT INTO replicator.unverified VALUES ('s', 'public', 't', 'rewritten', '0/1')");
	follow("ALTER TABLE public.t ADD CHECK (c > 0), ADD UNIQUE (c); ALTER TABLE public.t ALTER c DROP NOT NULL;"
	       "ALTER TABLE public.t ALTER c SET NOT NULL");
	ck_assert_uint_eq(retry_all(), 3);
	postgres_execute(target, "UPDATE public.t SET c = id");
	ck_assert_uint_eq(retry_all(), 0);
	expect_value(
	    "SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.t'::regclass AND contype IN ('c', 'u')", "2");
	expect_value(NOT_NULL("c"), "t");
}
END_TEST

START_TEST(what_means_nothing_any_more_is_forgotten)
{
	follow("CREATE TABLE public.t (id int PRIMARY KEY, c text NOT NULL)");
	postgres_execute(target, "INSERT INTO public.t VALUES (1, 'one')");
	follow("ALTER TABLE public.t ALTER c TYPE int USING length(c)");
	ck_assert_uint_eq(retry_all(), 1);
	follow("ALTER TABLE public.t ALTER c DROP NOT NULL");
	ck_assert_uint_eq(retry_all(), 0);
	follow("CREATE SCHEMA util; CREATE FUNCTION util.f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';"
	       "CREATE INDEX i ON public.t (util.f(id)); ALTER TABLE public.t ADD CONSTRAINT k CHECK (util.f(id) > 0)");
	ck_assert_uint_eq(retry_all(), 2);
	follow("DROP INDEX public.i");
	ck_assert_uint_eq(retry_all(), 1);
	follow("ALTER TABLE public.t SET SCHEMA util");
	expect_value("SELECT schema_name FROM replicator.left_out_step", "util");
	follow("DROP TABLE util.t");
	ck_assert_uint_eq(retry_all(), 0);
}
END_TEST

/* One transaction creates a type, a function that needs it, and an index that needs the function. */
START_TEST(an_index_waits_for_its_function)
{
	follow("CREATE TABLE public.t (id int PRIMARY KEY, c text)");
	follow("BEGIN; CREATE TYPE public.pair AS (a int, b text);"
	       "CREATE FUNCTION public.pair_of(int, text) RETURNS public.pair IMMUTABLE LANGUAGE sql"
	       " AS $$ SELECT ROW($1, $2)::public.pair $$;"
	       "CREATE INDEX pairs ON public.t (public.pair_of(id, c)); ALTER TABLE public.t ADD d int; COMMIT");
	expect_value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.t'::regclass AND attname = 'd'", "1");
	expect_value(
	    "SELECT reason LIKE '%function public.pair_of(integer, text) does not exist%' AND reason LIKE '%CREATE OR "
	    "REPLACE FUNCTION public.pair_of(integer, text)%' AND expected = false FROM replicator.left_out_step",
	    "t");
	ck_assert_uint_eq(retry_all(), 1);
	postgres_execute(target, "CREATE FUNCTION public.pair_of(int, text) RETURNS public.pair IMMUTABLE LANGUAGE sql"
	                         " AS $$ SELECT ROW($1, $2)::public.pair $$");
	ck_assert_uint_eq(retry_all(), 0);
	expect_value("SELECT count(*) FROM pg_class WHERE relname = 'pairs'", "1");
}
END_TEST

/* Without it the rows would be wrong: the stream stops, and the message has what the operator needs. */
START_TEST(a_generated_column_needs_its_function)
{
	follow("CREATE TABLE public.t (id int PRIMARY KEY)");
	postgres_execute(source,
	                 "CREATE FUNCTION public.twice(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2'");
	expect_error(try_follow("ALTER TABLE public.t ADD g int GENERATED ALWAYS AS (public.twice(id)) STORED"),
	             ERROR_TARGET, "42883",
	             "public.twice(integer): CREATE OR REPLACE FUNCTION public.twice(integer)  RETURNS integer");
}
END_TEST

START_TEST(a_default_waits_for_its_function)
{
	follow("CREATE FUNCTION public.next() RETURNS int LANGUAGE sql AS 'SELECT 7';"
	       "CREATE TABLE public.t (id int PRIMARY KEY); ALTER TABLE public.t ADD c int;"
	       "ALTER TABLE public.t ALTER c SET DEFAULT public.next()");
	ck_assert_uint_eq(retry_all(), 1);
	postgres_execute(target, "CREATE FUNCTION public.next() RETURNS int LANGUAGE sql AS 'SELECT 7'");
	ck_assert_uint_eq(retry_all(), 0);
	expect_value("INSERT INTO public.t VALUES (1) RETURNING c", "7");
}
END_TEST

/* New tables and columns come without it; rows that are there wait for a resync, and NOT NULL with them. */
START_TEST(new_columns_wait_for_the_function_of_their_default)
{
	follow("CREATE FUNCTION public.next() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 7; END';"
	       "CREATE TABLE public.t (id int PRIMARY KEY DEFAULT public.next(), s serial, d date NOT NULL DEFAULT "
	       "now())");
	expect_value(LEFT_OUT, "table public.t default ALTER TABLE \"public\".\"t\" ALTER COLUMN \"id\" SET DEFAULT "
	                       "public.next()");
	expect_value(NOT_NULL("d"), "t");
	postgres_execute(target, "INSERT INTO public.t VALUES (1)");
	follow("ALTER TABLE public.t ADD c int NOT NULL DEFAULT public.next(), ADD x int");
	ck_assert_uint_eq(retry_all(), 3);
	expect_value("SELECT table_name || ' ' || reason FROM replicator.unverified", "t rewritten");
	postgres_execute(target, "CREATE FUNCTION public.next() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 7; END';"
	                         "UPDATE public.t SET c = 7");
	ck_assert_uint_eq(retry_all(), 0);
	expect_value("INSERT INTO public.t DEFAULT VALUES RETURNING id || ' ' || c || ' ' || s", "7 7 2");
	expect_value(NOT_NULL("c"), "t");
}
END_TEST

START_TEST(expected_ones)
{
	follow("CREATE TABLE public.far (id int PRIMARY KEY); CREATE TYPE public.mood AS ENUM ('a')");
	postgres_execute(target, "DROP TABLE public.far; CREATE TABLE public.own (m public.mood)");
	follow("CREATE TABLE public.t (id int PRIMARY KEY REFERENCES public.far); DROP TYPE public.mood");
	ck_assert_uint_eq(retry_all(), 2);
	expect_value("SELECT string_agg(part, ' ' ORDER BY part) FROM replicator.left_out_step WHERE expected",
	             "constraint drop");
	postgres_execute(target, "CREATE TABLE public.far (id int PRIMARY KEY); DROP TABLE public.own");
	ck_assert_uint_eq(retry_all(), 0);
	expect_value("SELECT (to_regtype('public.mood') IS NULL) || ' ' || (SELECT count(*) FROM pg_constraint"
	             " WHERE contype = 'f' AND conrelid = 'public.t'::regclass)",
	             "true 1");
}
END_TEST

/* Nobody captures the schema util: what the target cannot create there stops nothing until a captured table needs it. */
START_TEST(types_are_created_when_a_table_needs_them)
{
	follow("CREATE SCHEMA util; CREATE FUNCTION util.odd(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';"
	       "CREATE DOMAIN util.odd_int AS int CHECK (util.odd(VALUE)); CREATE TYPE util.outer AS (o util.odd_int);"
	       "CREATE TYPE util.span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi)");
	expect_value("SELECT to_regtype('util.odd_int') IS NULL", "t");
	follow("CREATE TABLE public.spans (s util.span, m util.span_multirange)");
	expect_value("SELECT '{[1,2]}'::util.span_multirange", "{[1,2]}");
	postgres_execute(source, "CREATE TABLE public.t (o util.outer[])");
	expect_error(follow_log(false), ERROR_TARGET, "42883", "CREATE OR REPLACE FUNCTION util.odd(integer)");
	postgres_execute(target,
	                 "CREATE FUNCTION util.odd(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1 > 0'");
	last_id = 0; /* the daemon starts again */
	expect_no_error(follow_log(false));
	expect_value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contypid = 'util.odd_int'::regtype",
	             "CHECK (util.odd(VALUE))");
	follow("DROP TABLE public.t, public.spans; DROP SCHEMA util CASCADE");
	expect_value("SELECT to_regtype('util.outer') IS NULL AND to_regtype('util.span') IS NULL", "t");
}
END_TEST

START_TEST(extensions_that_the_target_does_not_have)
{
	follow("DO $$ BEGIN INSERT INTO replicator.ddl_log (event, kind, relid, schema_name, object_name, image, "
	       "published, tag)"
	       " VALUES ('image', 'extension', 4711, 'public', 'nowhere', jsonb_build_object('version', 1, 'kind',"
	       " 'extension', 'oid', 4711, 'schema', 'public', 'name', 'nowhere'), true, 'CREATE EXTENSION'); END $$");
	expect_value(LEFT_OUT, "extension public.nowhere object CREATE EXTENSION \"nowhere\" SCHEMA \"public\"");
	ck_assert_uint_eq(retry_all(), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("left_out");
	TCase *tests = tcase_create("left_out");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, not_null_waits_for_the_rows);
	tcase_add_test(tests, what_unverified_rows_refuse_waits);
	tcase_add_test(tests, what_means_nothing_any_more_is_forgotten);
	tcase_add_test(tests, an_index_waits_for_its_function);
	tcase_add_test(tests, a_generated_column_needs_its_function);
	tcase_add_test(tests, a_default_waits_for_its_function);
	tcase_add_test(tests, new_columns_wait_for_the_function_of_their_default);
	tcase_add_test(tests, expected_ones);
	tcase_add_test(tests, types_are_created_when_a_table_needs_them);
	tcase_add_test(tests, extensions_that_the_target_does_not_have);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
