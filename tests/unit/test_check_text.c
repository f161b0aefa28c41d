/*
 * test_check_text.c - values travel and are compared by the text of their type's own functions: not by casts, which an owner
 * of a type can write, and which make other texts of char(n) and inet than the events have.
 */
#include "base/memory.h"
#include "check/verify.h"
#include "pair.h"
#include "target/checkpoint.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config config;

static void run_both(const char *sql)
{
	run("text_source", sql);
	run("text_target", sql);
}

static void expect_target(const char *sql, const char *expected)
{
	expect_in("text_target", sql, expected);
}

static void set_up(void)
{
	struct pg_connection *target;

	pg_disconnect(postgres_make_database("text_source"));
	target = postgres_make_database("text_target");
	expect_no_error(checkpoint_install_schema(target, "replicator"));
	postgres_execute(target, "INSERT INTO replicator.stream (name, epoch, state, last_commit_lsn)"
	                         " VALUES ('replicator', 1, 'stopped', '0/1')");
	pg_disconnect(target);
	config =
	    (struct config){.stream.name = "replicator", .kafka.topic_prefix = "db", .target.schema = "replicator"};
	config.source.dsn = memory_format("%s dbname=text_source", postgres_dsn());
	config.target.dsn = memory_format("%s dbname=text_target", postgres_dsn());
}

static void tear_down(void)
{
	free((void *)(uintptr_t)config.source.dsn);
	free((void *)(uintptr_t)config.target.dsn);
}

static void expect_report(bool repair, enum exit_code expected, const char *part)
{
	const struct verify_options options =
	    {.jobs = 1, .timeout_us = 700000, .limit = 20, .repair = repair, .at_rest = true, .show_values = true};
	enum exit_code code = EXIT_UNCHECKED;
	size_t size = 0;
	char *text;
	FILE *out = open_memstream(&text, &size);

	expect_no_error(verify_pair(&config, &options, out, &code));
	fclose(out);
	ck_assert_msg(code == expected && strstr(text, part) != NULL, "%s, expected %s", text, part);
	free(text);
}

/* The stream writes what the output function makes: blanks of char(n), no /32. */
START_TEST(key_and_values_of_other_types)
{
	run("text_source",
	    "CREATE TABLE c (id char(5) PRIMARY KEY, v text); INSERT INTO c VALUES ('a', '1'), ('bb', '2'), ('c', '3');"
	    "CREATE TABLE d (id text PRIMARY KEY, v text); INSERT INTO d VALUES ('a ', '1'), ('bb', '2'), ('c ', '3');"
	    "CREATE TABLE i (id inet PRIMARY KEY, v inet); INSERT INTO i VALUES ('1.2.3.4', '1.2.3.4'), ('::1', '::1'),"
	    " ('10.0.0.0/8', NULL)");
	run("text_target",
	    "CREATE TABLE c (id text PRIMARY KEY, v text); INSERT INTO c VALUES ('a    ', '1'), ('bb   ', 'x');"
	    "CREATE TABLE d (id char(5) PRIMARY KEY, v text); INSERT INTO d VALUES ('a', '1'), ('bb', '2'), ('c', 'x');"
	    "CREATE TABLE i (id text PRIMARY KEY, v text); INSERT INTO i VALUES ('1.2.3.4', 'x'), ('::1', '::1'),"
	    " ('10.0.0.0/8', NULL)");
	expect_report(true, EXIT_DIFFERENT,
	              "public.c: repaired: 1 inserted, 1 updated, 0 deleted"); /* the types differ */
	expect_target("SELECT string_agg(concat(id, v), '|' ORDER BY id) FROM public.c", "a    1|bb   2|c    3");
	expect_target("SELECT string_agg(concat(id, v), '|' ORDER BY id) FROM public.d", "a    1|bb   2|c    3");
	expect_target("SELECT string_agg(concat(id, ' ', v), '|' ORDER BY id COLLATE \"C\") FROM public.i",
	              "1.2.3.4 1.2.3.4|10.0.0.0/8 |::1 ::1");
	expect_report(false, EXIT_DIFFERENT, "public.d: column id is text in the source");
}
END_TEST

/* A type's owner can write casts; in a comparison they would run with the rights of its role. */
START_TEST(casts_of_an_owner_are_not_called)
{
	static const struct column_rule columns[] = {{.match = "c", .cast_from = "app.color"}};
	static const struct table_rule cast = {.match = "app.prices", .columns = columns, .column_count = 1};

	run_both(
	    "CREATE SCHEMA app; CREATE TYPE app.color AS ENUM ('red', 'green');"
	    "CREATE TYPE app.item AS (n int, c app.color, f numeric); CREATE TYPE app.numeric AS ENUM ('one', 'two');"
	    "CREATE TABLE app.t (id app.color PRIMARY KEY, v app.color, i app.item, l app.color[], m app.numeric,"
	    " h app.color); CREATE TABLE app.bare (v app.color, l app.color[]);"
	    "CREATE TABLE app.arrays (id app.color[] PRIMARY KEY, n int);"
	    "INSERT INTO app.t SELECT c, c, ROW(1, c, 1.50)::app.item, ARRAY[c], 'one', c FROM "
	    "unnest('{red,green}'::app.color[]) c;"
	    "INSERT INTO app.bare VALUES ('red', '{red}'), ('green', '{red}'); INSERT INTO app.arrays VALUES ('{red}', "
	    "1);"
	    "CREATE FUNCTION app.to_text(app.color) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''owned''; "
	    "END';"
	    "CREATE FUNCTION app.to_json(app.color) RETURNS json LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''owned''; "
	    "END';"
	    "CREATE FUNCTION app.from_text(text) RETURNS app.color LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION "
	    "''owned''; END';"
	    "CREATE FUNCTION app.from_text_a(text) RETURNS app.color[] LANGUAGE plpgsql AS"
	    " 'BEGIN RAISE EXCEPTION ''owned''; END';"
	    "CREATE FUNCTION app.array_text(app.color[]) RETURNS text LANGUAGE plpgsql AS"
	    " 'BEGIN RAISE EXCEPTION ''owned''; END';"
	    "CREATE FUNCTION app.item_text(app.item) RETURNS text LANGUAGE plpgsql AS"
	    " 'BEGIN RAISE EXCEPTION ''owned''; END';"
	    "CREATE FUNCTION app.number(app.numeric) RETURNS numeric LANGUAGE plpgsql AS"
	    " 'BEGIN RAISE EXCEPTION ''owned''; END';"
	    "CREATE CAST (app.color AS text) WITH FUNCTION app.to_text(app.color) AS ASSIGNMENT;"
	    "CREATE CAST (app.color AS json) WITH FUNCTION app.to_json(app.color);"
	    "CREATE CAST (text AS app.color) WITH FUNCTION app.from_text(text);"
	    "CREATE CAST (app.color[] AS text) WITH FUNCTION app.array_text(app.color[]);"
	    "CREATE CAST (app.item AS text) WITH FUNCTION app.item_text(app.item);"
	    "CREATE CAST (app.numeric AS numeric) WITH FUNCTION app.number(app.numeric) AS IMPLICIT");
	run_both("CREATE FUNCTION app.from_text_i(text) RETURNS app.item LANGUAGE plpgsql AS"
	         " 'BEGIN RAISE EXCEPTION ''owned''; END';"
	         "CREATE CAST (text AS app.color[]) WITH FUNCTION app.from_text_a(text);"
	         "CREATE CAST (text AS app.item) WITH FUNCTION app.from_text_i(text)");
	expect_report(false, EXIT_OK, "3 tables: 3 in sync");
	/* The type of an array of a domain is the domain's owner's; a rule's cast begins with the event's text. */
	run_both("CREATE DOMAIN app.price AS pg_catalog.numeric;"
	         "CREATE TABLE app.prices (id app.price[] PRIMARY KEY, l app.price[], c app.color);"
	         "CREATE FUNCTION app.price_text(app.price[]) RETURNS text LANGUAGE plpgsql AS"
	         " 'BEGIN RAISE EXCEPTION ''owned''; END';"
	         "CREATE FUNCTION app.text_price(text) RETURNS app.price[] LANGUAGE plpgsql AS"
	         " 'BEGIN RAISE EXCEPTION ''owned''; END';"
	         "INSERT INTO app.prices VALUES ('{1.50}', '{2.5}', 'red')");
	run("text_target", "UPDATE app.prices SET l = '{2.50}'; ALTER TABLE app.prices ALTER c TYPE text USING 'red'");
	run_both("CREATE CAST (app.price[] AS text) WITH FUNCTION app.price_text(app.price[]);"
	         "CREATE CAST (text AS app.price[]) WITH FUNCTION app.text_price(text)");
	config.tables = &cast;
	config.table_count = 1;
	expect_report(false, EXIT_OK, "4 tables: 4 in sync");
	run("text_target", "UPDATE app.prices SET c = 'green'");
	expect_report(false, EXIT_DIFFERENT, "4 tables: 3 in sync");
	run("text_target", "UPDATE app.prices SET c = 'red'");
	config.table_count = 0;
	run("text_target", "UPDATE app.t SET v = 'green', i = '(2,red,1.5)' WHERE id = 'red';"
	                   "DELETE FROM app.t WHERE id = 'green'; DELETE FROM app.bare WHERE v = 'red';"
	                   "INSERT INTO app.bare VALUES ('green', NULL); UPDATE app.arrays SET n = 2");
	expect_report(false, EXIT_DIFFERENT, "different id=red: v: 'red' in the source, 'green' in the target");
	run("text_target", "DELETE FROM app.bare WHERE l IS NULL; INSERT INTO app.bare VALUES ('red', '{red}');"
	                   "UPDATE app.arrays SET n = 1");
	run_both("DROP TABLE app.prices; CREATE TABLE app.lists (id int PRIMARY KEY, l app.price[], i app.item)");
	run("text_source", "INSERT INTO app.lists VALUES (1, '{2.5,NULL}', '(1,red,)'), (2, NULL, NULL)");
	run("text_target", "INSERT INTO app.lists VALUES (1, '{9}', '(1,red,2)')");
	expect_report(true, EXIT_OK, "4 tables: 4 in sync");
	expect_target(
	    "SELECT string_agg(concat_ws('|', id, l IS NULL, (l)[1], (i).n, i IS NULL), ' ' ORDER BY id) FROM "
	    "app.lists",
	    "1|f|2.5|1|f 2|t|t");
	expect_target("SELECT count(*) FROM app.t WHERE v = id AND (i).n = 1 AND (i).c = id", "2");
}
END_TEST

/* The filter and the hash of a rule are computed as the stream does it. */
START_TEST(rules_read_what_the_events_have)
{
	static const char *const codes[] = {"DE ", "true"};
	static const struct column_rule columns[] = {{.match = "h", .mask = MASK_HASH}};
	static const struct table_rule rules[] = {{.match = "public.f",
	                                           .columns = columns,
	                                           .column_count = 1,
	                                           .filter = {.column = "code", .in = codes, .in_count = 2}},
	                                          {.match = "public.b",
	                                           .filter = {.column = "code", .in = codes, .in_count = 2}}};

	run("text_source",
	    "CREATE TABLE f (id int PRIMARY KEY, code char(3), h char(4)); INSERT INTO f VALUES (1, 'DE', 'x'),"
	    " (2, 'FR', 'y'), (3, NULL, 'z'); CREATE TABLE b (id int PRIMARY KEY, code boolean);"
	    "INSERT INTO b VALUES (1, true), (2, false), (3, NULL)");
	run("text_target", "CREATE TABLE f (id int PRIMARY KEY, code char(3), h text);"
	                   "INSERT INTO f VALUES (1, 'DE', encode(sha256(convert_to('saltx   ', 'UTF8')), 'hex'));"
	                   "CREATE TABLE b (id int PRIMARY KEY, code boolean); INSERT INTO b VALUES (1, true)");
	config.tables = rules;
	config.table_count = 2;
	config.masking.salt = "salt";
	expect_report(false, EXIT_OK, "2 tables: 2 in sync");
}
END_TEST

/* JSON has no bounds of arrays. */
START_TEST(bounds_of_arrays_in_composites)
{
	run_both("CREATE TYPE list AS (t text, a numeric[]); CREATE TABLE v (id int PRIMARY KEY, l list, la list[]);"
	         "INSERT INTO v VALUES (1, '(\"]=\",\"{1.50,2}\")', '{\"(x,\\\"{1.0}\\\")\"}'), (2, "
	         "'(x,\"[0:1]={1.50,2}\")', NULL),"
	         " (3, NULL, '[0:0]={\"(x,{1})\"}')");
	run("text_target", "UPDATE v SET l = '(\"]=\",\"{1.5,2.0}\")' WHERE id = 1");
	expect_report(false, EXIT_OK, "1 table: 1 in sync");
	run("text_target",
	    "UPDATE v SET l = '(x,\"{1.50,2}\")' WHERE id = 2; UPDATE v SET la = '{\"(x,{1})\"}' WHERE id = 3");
	expect_report(false, EXIT_DIFFERENT, "different id=2: l: ");
	expect_report(false, EXIT_DIFFERENT, "different id=3: la: ");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("check_text");
	TCase *tests = tcase_create("check_text");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, key_and_values_of_other_types);
	tcase_add_test(tests, casts_of_an_owner_are_not_called);
	tcase_add_test(tests, rules_read_what_the_events_have);
	tcase_add_test(tests, bounds_of_arrays_in_composites);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
