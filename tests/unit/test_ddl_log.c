/*
 * test_ddl_log.c - what the source's log of schema changes says: which tables it marks because their rows do not come as events, what
 * it says of the publication, its incarnations, and images that are too long for one message.
 */
#include "following.h"
#include "ops/new_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config config = {.stream.name = "s", .target.schema = "replicator", .ddl.lock_timeout_ms = 1000};

static void prepare(void)
{
	following_set_up("ddl_log", &config);
	postgres_execute(source, "SET search_path = public");
}

static bool source_is(int version)
{
	return pg_server_version(source) >= version * 10000;
}

/* Tables that the statement has marked, in the order of their names. */
static void expect_marks(const char *statement, const char *expected)
{
	char *last = postgres_value(source, "SELECT coalesce(max(id), 0) FROM replicator.ddl_log");
	char *sql =
	    memory_format("SELECT coalesce(string_agg(schema_name || '.' || object_name, ' ' ORDER BY object_name), '')"
	                  " FROM replicator.ddl_log WHERE event = 'rewrite' AND id > %s",
	                  last);
	struct error *error = pg_execute(source, statement);
	char *marks;

	ck_assert_msg(error == NULL, "%s: %s", statement, error == NULL ? "" : error->message);
	marks = postgres_value(source, sql);
	ck_assert_msg(strcmp(marks, expected) == 0, "%s: marked: \"%s\", expected \"%s\"", statement, marks, expected);
	postgres_expect(source, "SELECT count(*) FROM replicator.ddl_log WHERE event = 'error'", "0");
	free(marks);
	free(sql);
	free(last);
}

/* The publication has the log and what the test adds. */
static void publish_nothing(const char *options)
{
	char *sql = memory_format("DROP PUBLICATION p; DELETE FROM replicator.publication;"
	                          "UPDATE replicator.ddl_settings SET capture = '{}';"
	                          "CREATE PUBLICATION q FOR TABLE replicator.ddl_log %s;"
	                          "INSERT INTO replicator.publication VALUES ('q', false)",
	                          options);

	postgres_execute(source, sql);
	free(sql);
}

/* Each command on a table t that has a row. */
static const struct value_case {
	const char *sql;
	bool marked;
	int since; /* version of the server */
} VALUE_CASES[] = {
    {"ALTER TABLE t ALTER a TYPE text USING upper(a)", true, 0},
    {"ALTER TABLE t ALTER a TYPE text\n/**/uSiNg\nupper(a)", true, 0},
    {"DO $$ BEGIN ALTER TABLE t ALTER a TYPE text USING upper(a); END $$", true, 0},
    {"DO $$ BEGIN EXECUTE 'ALTER TABLE t ALTER n TYPE bigint US' || 'ING n * 2'; END $$", true, 0},
    {"SELECT change_n('ING n * 2')", true, 0},
    {"SELECT change_twice()", true, 0},
    {"ALTER TABLE t ALTER n TYPE bigint USING n * 2", true, 0},
    {"ALTER TABLE t ALTER n TYPE bigint", false, 0},
    {"ALTER TABLE t ALTER n TYPE text", false, 0},
    {"ALTER TABLE t ALTER n TYPE double precision", true, 0},
    {"ALTER TABLE t ALTER v TYPE text", false, 0},
    {"ALTER TABLE t ALTER v TYPE varchar(20), ALTER m TYPE numeric(9,1)", false, 0},
    {"ALTER TABLE t ALTER v TYPE char(9)", true, 0},
    {"ALTER TABLE t ALTER o TYPE text", false, 0},
    {"ALTER TABLE t ALTER o TYPE other_text", false, 0},
    {"ALTER TABLE t ALTER a TYPE text COLLATE \"C\"", false, 0},
    {"SET timezone = 'UTC'; ALTER TABLE t ALTER at TYPE timestamptz", true, 0},
    {"ALTER TABLE t ADD x float8 DEFAULT random()", true, 0},
    {"ALTER TABLE t DROP v, ADD x float8 DEFAULT random()", true, 0},
    {"ALTER TABLE t ALTER f DROP DEFAULT, ALTER f TYPE renamed_mood USING 'sad', ALTER f SET DEFAULT 'sad'", true, 0},
    {"ALTER TABLE t ADD x drawn", true, 0},
    {"ALTER TABLE t ADD x stamped", true, 0},
    {"ALTER TABLE t ADD x serial", true, 0},
    {"ALTER TABLE t ADD x int GENERATED ALWAYS AS IDENTITY", true, 0},
    {"ALTER TABLE t ADD x int GENERATED ALWAYS AS (n * 2) STORED", false, 0},
    {"ALTER TABLE t ALTER g DROP EXPRESSION", false, 0},
    {"ALTER TABLE t ALTER g SET EXPRESSION AS (id * 3)", false, 17},
    {"ALTER TABLE t ADD x timestamptz DEFAULT now()", false, 0},
    {"ALTER TABLE t ADD x int, ADD y text DEFAULT 'y'", false, 0},
    {"ALTER TABLE t ADD x timestamptz DEFAULT now(), ALTER n TYPE bigint", true, 0},
    {"ALTER TABLE t ADD x int, ALTER x SET DEFAULT 5", true, 0},
    {"ALTER TABLE t SET ACCESS METHOD heap2", false, 15},
    {"ALTER TABLE t SET ACCESS METHOD heap2, ADD x float8 DEFAULT random()", true, 15},
    {"ALTER TABLE t SET UNLOGGED", false, 0},
    {"ALTER TABLE t SET UNLOGGED; ALTER TABLE t SET LOGGED", true, 0},
    {"ALTER TYPE mood RENAME TO temper; ALTER TABLE t ADD x int", false, 0},
    {"ALTER TABLE t ALTER f DROP DEFAULT; ALTER TABLE t ALTER f TYPE renamed_mood USING 'sad'", true, 0},
    {"TRUNCATE t; ALTER TABLE t ADD x float8 DEFAULT random()", false, 0},
    {"ALTER TABLE t RENAME n TO m2; ALTER TABLE t RENAME TO t2; ALTER TABLE t2 RENAME TO t", false, 0},
};

START_TEST(values_without_events_are_marked)
{
	prepare();
	postgres_execute(source, "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;"
	                         "CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE renamed_mood AS ENUM ('sad');"
	                         "CREATE DOMAIN own_text AS text; CREATE DOMAIN other_text AS own_text;"
	                         "CREATE DOMAIN drawn AS float8 DEFAULT random();"
	                         "CREATE DOMAIN stamped AS timestamptz DEFAULT now() CHECK (value IS NOT NULL);"
	                         "CREATE FUNCTION change_n(more text) RETURNS void LANGUAGE plpgsql AS"
	                         " $$ BEGIN EXECUTE 'ALTER TABLE t ALTER n TYPE bigint US' || more; END $$;"
	                         "CREATE FUNCTION change_twice() RETURNS void LANGUAGE sql AS"
	                         " $$ ALTER TABLE t ALTER n TYPE bigint USING n + 1; ALTER TABLE t ADD z int $$");
	for (size_t i = 0; i < sizeof(VALUE_CASES) / sizeof(*VALUE_CASES); i++) {
		const struct value_case *one = &VALUE_CASES[i];

		if (!source_is(one->since))
			continue;
		postgres_execute(
		    source,
		    "BEGIN; CREATE TABLE t (id int PRIMARY KEY, a text, n int, v varchar(5), m numeric(5,2),"
		    " o own_text, f mood DEFAULT 'sad', at timestamp, g int GENERATED ALWAYS AS (id * 2) STORED);"
		    "INSERT INTO t VALUES (1, 'a', 2, 'v', 1.25, 'o', 'sad', 'today')");
		expect_marks(one->sql, one->marked ? "public.t" : "");
		postgres_execute(source, "ROLLBACK; RESET timezone");
	}
	following_tear_down();
}
END_TEST

/* ALTER TYPE names the type alone. */
START_TEST(typed_tables_follow_their_type)
{
	prepare();
	postgres_execute(source, "CREATE TYPE pair AS (a int, b timestamp); CREATE TABLE typed OF pair; INSERT INTO "
	                         "typed VALUES (1, 'today')");
	expect_marks("ALTER TYPE pair ADD ATTRIBUTE c int CASCADE", "");
	expect_marks("ALTER TYPE pair ALTER ATTRIBUTE b TYPE date CASCADE", "public.typed");
	postgres_expect(source,
	                "SELECT string_agg(c->>'name' || ' ' || (c->>'type'), ', ') FROM "
	                "jsonb_array_elements((replicator.ddl_last('table',"
	                " 'typed'::regclass)).image->'columns') c",
	                "a integer, b date, c integer");
	following_tear_down();
}
END_TEST

/* One call of the trigger inside another one, several commands in one statement: each table keeps its mark. */
START_TEST(each_table_of_nested_commands_is_marked)
{
	prepare();
	postgres_execute(
	    source,
	    "CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE c (id int); INSERT INTO a VALUES (1);"
	    "INSERT INTO b VALUES (1); INSERT INTO c VALUES (1);"
	    "CREATE FUNCTION three() RETURNS void LANGUAGE sql AS $$"
	    "ALTER TABLE a ADD x float8 DEFAULT random(); ALTER TABLE b ADD x float8 DEFAULT random();"
	    "ALTER TABLE c ADD x float8 DEFAULT random() $$");
	expect_marks("SELECT three()", "public.a public.b public.c");
	expect_marks(
	    "DO $$ BEGIN ALTER TABLE a ADD y float8 DEFAULT random();"
	    "  BEGIN ALTER TABLE b ADD y float8 DEFAULT random(); RAISE 'undone'; EXCEPTION WHEN OTHERS THEN NULL; END;"
	    "  ALTER TABLE c ADD y float8 DEFAULT random(); END $$",
	    "public.a public.c");
	postgres_execute(
	    source,
	    "CREATE FUNCTION also() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
	    "  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'b'::regclass AND attname = 'also') THEN"
	    "    ALTER TABLE b ADD also float8 DEFAULT random(); ALTER TABLE c ADD also int; END IF; END $$;"
	    "CREATE EVENT TRIGGER a_also ON table_rewrite EXECUTE FUNCTION also()");
	expect_marks("ALTER TABLE a ADD z float8 DEFAULT random(), ALTER id TYPE bigint", "public.a public.b");
	postgres_execute(source, "DROP EVENT TRIGGER a_also; ALTER TABLE b DROP also; ALTER TABLE c DROP also;"
	                         "CREATE EVENT TRIGGER a_also ON ddl_command_end EXECUTE FUNCTION also()");
	expect_marks("ALTER TABLE a ADD w float8 DEFAULT random()", "public.a public.b");
	postgres_execute(source, "DROP EVENT TRIGGER a_also; ALTER TABLE b DROP also; ALTER TABLE c DROP also;"
	                         "CREATE EVENT TRIGGER z_also ON sql_drop EXECUTE FUNCTION also()");
	expect_marks("ALTER TABLE a DROP w, ADD v float8 DEFAULT random()", "public.a public.b");
	postgres_expect(source, "SELECT count(*) FROM replicator.ddl_rewritten", "0");
	following_tear_down();
}
END_TEST

/* Code of the application that runs inside the rewrite changes nothing of it. */
START_TEST(a_rewrite_that_resets_settings_is_marked)
{
	prepare();
	postgres_execute(
	    source,
	    "CREATE TABLE a (id int); INSERT INTO a VALUES (1);"
	    "CREATE FUNCTION resets(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RESET ALL; RETURN $1; END $$");
	expect_marks("ALTER TABLE a ALTER id TYPE int USING resets(id)", "public.a");
	expect_marks("SET replicator.rewritten = 'none'; ALTER TABLE public.a ADD x int", "");
	following_tear_down();
}
END_TEST

/* What a table has when it joins the publication does not come; what it gets afterwards does. */
START_TEST(rows_of_before_the_publication_are_marked)
{
	prepare();
	publish_nothing("");
	postgres_execute(
	    source,
	    "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a VALUES (1)");
	expect_marks("ALTER PUBLICATION q ADD TABLE a", "public.a");
	expect_marks("ALTER TABLE a ADD x int", "");
	expect_marks("ALTER PUBLICATION q DROP TABLE a", "");
	postgres_expect(
	    source,
	    "SELECT string_agg(published::int::text, '' ORDER BY id) FROM replicator.ddl_log WHERE object_name = 'a'"
	    " AND event = 'image'",
	    "0110");
	/* Rows of a transaction that has not ended may be in an empty table; not in one that is locked. */
	expect_marks("ALTER PUBLICATION q SET TABLE replicator.ddl_log, a, b", "public.a public.b");
	expect_marks("BEGIN; CREATE TABLE c (id int PRIMARY KEY); ALTER PUBLICATION q ADD TABLE c; INSERT INTO c "
	             "VALUES (1); COMMIT",
	             "");
	expect_marks("BEGIN; CREATE TABLE d (id int PRIMARY KEY); INSERT INTO d VALUES (1); ALTER PUBLICATION q ADD "
	             "TABLE d; COMMIT",
	             "public.d");
	expect_marks("CREATE TABLE e AS SELECT 1 AS id; ALTER PUBLICATION q ADD TABLE e", "public.e");
	expect_marks("DROP PUBLICATION q; CREATE PUBLICATION q FOR TABLE replicator.ddl_log, a", "public.a");
	expect_marks("DROP PUBLICATION q; CREATE PUBLICATION q FOR ALL TABLES",
	             "public.a public.b public.c public.d public.e");
	expect_marks("CREATE TABLE f AS SELECT 1 AS id; SELECT * INTO g FROM f", "");
	expect_marks("CREATE UNLOGGED TABLE h AS SELECT 1 AS id; ALTER TABLE h SET LOGGED", "public.h");
	expect_marks("CREATE TABLE i (LIKE a); CREATE TABLE j () INHERITS (a)", "");
	following_tear_down();
}
END_TEST

START_TEST(rows_of_before_a_published_schema_are_marked)
{
	prepare();
	if (source_is(15)) {
		publish_nothing("");
		postgres_execute(
		    source,
		    "CREATE SCHEMA shop; CREATE TABLE shop.a (id int PRIMARY KEY); INSERT INTO shop.a VALUES (1);"
		    "CREATE TABLE public.b (id serial PRIMARY KEY); INSERT INTO public.b VALUES (1);"
		    "CREATE TABLE public.c (id int PRIMARY KEY)");
		expect_marks("ALTER PUBLICATION q ADD TABLES IN SCHEMA shop", "shop.a");
		expect_marks("ALTER TABLE public.b SET SCHEMA shop; ALTER TABLE public.c SET SCHEMA shop", "shop.b");
		expect_marks("CREATE TABLE shop.d AS SELECT 1 AS id; CREATE TABLE shop.e (id int); INSERT INTO shop.e "
		             "VALUES (1)",
		             "");
		expect_marks("ALTER SCHEMA shop RENAME TO store; ALTER TABLE store.a ADD x int", "");
		expect_marks("ALTER TABLE store.a SET SCHEMA public; INSERT INTO public.a VALUES (2); ALTER TABLE "
		             "public.a SET SCHEMA store",
		             "store.a");
		expect_marks(
		    "ALTER PUBLICATION q DROP TABLES IN SCHEMA store; ALTER PUBLICATION q ADD TABLES IN SCHEMA store",
		    "store.a store.b store.c store.d store.e");
	}
	following_tear_down();
}
END_TEST

/* The mark is of the table whose name the events have. */
START_TEST(marks_of_partitions_are_of_the_published_table)
{
	static const char *const OPTIONS[] = {"", "WITH (publish_via_partition_root = true)"};

	for (int by_root = 0; by_root <= 1; by_root++) {
		prepare();
		publish_nothing(OPTIONS[by_root]);
		postgres_execute(
		    source,
		    "CREATE TABLE root (id int, a text) PARTITION BY LIST (id);"
		    "CREATE TABLE middle (id int, a text) PARTITION BY LIST (id);"
		    "CREATE TABLE leaf (id int, a text); INSERT INTO leaf VALUES (1, 'a');"
		    "CREATE TABLE other (id int, a text); INSERT INTO other VALUES (2, 'b');"
		    "ALTER TABLE middle ATTACH PARTITION leaf FOR VALUES IN (1); ALTER PUBLICATION q ADD TABLE root");
		expect_marks("ALTER TABLE root ATTACH PARTITION middle FOR VALUES IN (1)",
		             by_root ? "public.root" : "public.leaf");
		expect_marks("ALTER TABLE root ATTACH PARTITION other FOR VALUES IN (2)",
		             by_root ? "public.root" : "public.other");
		expect_marks("CREATE TABLE new PARTITION OF root FOR VALUES IN (3)", "");
		expect_marks("ALTER TABLE root ALTER a TYPE text USING upper(a)",
		             by_root ? "public.root" : "public.leaf public.other");
		expect_marks("ALTER TABLE root DETACH PARTITION other", "");
		postgres_expect(source, "SELECT (replicator.ddl_last('table', 'other'::regclass)).published", "f");
		expect_marks("ALTER TABLE root ATTACH PARTITION other FOR VALUES IN (2)",
		             by_root ? "public.root" : "public.other");
		following_tear_down();
	}
}
END_TEST

/* A publication by the root leaves out the TRUNCATE of a partition. The daemon asks for it. */
START_TEST(truncated_partitions_are_found)
{
	prepare();
	publish_nothing("WITH (publish_via_partition_root = true)");
	postgres_execute(
	    source, "CREATE TABLE root (id int, a text) PARTITION BY LIST (id); CREATE TABLE other (id int);"
	            "CREATE TABLE one PARTITION OF root FOR VALUES IN (1); ALTER PUBLICATION q ADD TABLE root, other;"
	            "CREATE TABLE two PARTITION OF root FOR VALUES IN (2); INSERT INTO root VALUES (1), (2);"
	            "SELECT replicator.mark_truncated_partitions()");
	expect_marks("SELECT replicator.mark_truncated_partitions()", "");
	expect_marks("TRUNCATE one; TRUNCATE other; SELECT replicator.mark_truncated_partitions()", "public.root");
	expect_marks("SELECT replicator.mark_truncated_partitions()", "");
	expect_marks("INSERT INTO one VALUES (1); ALTER TABLE root ALTER a TYPE varchar(9)", "");
	expect_marks("SELECT replicator.mark_truncated_partitions()", "");
	/* A command on the partition, before it was asked for, hides nothing. */
	expect_marks("TRUNCATE two; ALTER TABLE two ADD CHECK (id = 2); SELECT replicator.mark_truncated_partitions()",
	             "public.root");
	expect_marks(
	    "INSERT INTO two VALUES (2); BEGIN; TRUNCATE two; ALTER TABLE root ALTER a TYPE varchar(5); COMMIT",
	    "public.root");
	expect_marks(
	    "SELECT replicator.mark_truncated_partitions(); CREATE TABLE three PARTITION OF root FOR VALUES IN (3)",
	    "");
	expect_marks("INSERT INTO three VALUES (3); TRUNCATE three; SELECT replicator.mark_truncated_partitions()",
	             "public.root");
	expect_marks("DROP TABLE three; SELECT replicator.mark_truncated_partitions()", "");
	postgres_expect(source, "SELECT count(*) FROM replicator.partition_file", "2");
	postgres_execute(source, "TRUNCATE one");
	expect_no_error(new_tables_look(source));
	expect_marks("SELECT replicator.mark_truncated_partitions()", "");
	postgres_expect(source, "SELECT count(*) FROM replicator.ddl_log WHERE tag = 'TRUNCATE TABLE'", "5");
	following_tear_down();
}
END_TEST

START_TEST(a_drop_says_whether_the_object_was_captured)
{
	prepare();
	publish_nothing("");
	postgres_execute(
	    source, "CREATE TABLE a (id serial PRIMARY KEY); CREATE TABLE b (id serial PRIMARY KEY); CREATE SEQUENCE s;"
	            "CREATE TYPE pair AS (a int); ALTER PUBLICATION q ADD TABLE a; DROP TABLE a, b; DROP SEQUENCE s; "
	            "DROP TYPE pair;"
	            "CREATE UNLOGGED TABLE u (id int); DROP TABLE u");
	postgres_expect(source,
	                "SELECT string_agg(object_name || published::int, ' ' ORDER BY object_name) FROM "
	                "replicator.ddl_log WHERE event = 'drop'",
	                "a1 a_id_seq1 b0 b_id_seq0 pair1 s1 u0");
	following_tear_down();
}
END_TEST

/* As JSON within JSON the image of the first table is above a producer's limit of 1 MB. */
START_TEST(long_images_come_in_parts)
{
	prepare();
	expect_no_error(follow_log(true));
	postgres_execute(
	    source,
	    "DO $$ BEGIN EXECUTE 'CREATE TABLE wide (id int PRIMARY KEY,' || (SELECT string_agg(format("
	    "'\"c \"\" %s\" text DEFAULT %L', i, repeat('\"', 900)), ',') FROM generate_series(1, 300) i) || ')';"
	    " END $$; CREATE INDEX wide_1 ON wide (id); CREATE TABLE said (id int);"
	    "DO $$ BEGIN EXECUTE format('COMMENT ON TABLE said IS %L', repeat(E'\\n\\\\\"\\U0001F600', 100000)); END "
	    "$$;"
	    "DO $$ BEGIN EXECUTE (SELECT format('CREATE TYPE many AS ENUM (%s)', string_agg(quote_literal('label ' || "
	    "i), ','))"
	    " FROM generate_series(1, 4000) i); END $$");
	postgres_expect(
	    source,
	    "SELECT (max(octet_length(to_json(to_json(l.*)::text)::text)) < 900000)::text || (max(part_count) > 9)"
	    " FROM replicator.ddl_log l",
	    "truetrue");
	expect_no_error(follow_log(false));
	postgres_expect(target,
	                "SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.wide'::regclass AND attnum > 0",
	                "301");
	postgres_expect(target, "SELECT length(obj_description('public.said'::regclass))", "400000");
	postgres_expect(target, "SELECT count(*) FROM pg_enum WHERE enumtypid = 'public.many'::regtype", "4000");
	postgres_expect(target, "SELECT count(*) FROM replicator.ddl_part", "0");
	/* The last image is still the one that the next change is compared with. */
	postgres_execute(source, "SELECT replicator.ddl_prune('0'); COMMENT ON TABLE said IS NULL; DROP INDEX wide_1;"
	                         "ALTER TABLE wide ADD last int; SELECT replicator.ddl_prune('0')");
	expect_no_error(follow_log(false));
	postgres_expect(
	    target, "SELECT to_regclass('public.wide_1') IS NULL AND obj_description('public.said'::regclass) IS NULL",
	    "t");
	postgres_expect(
	    source, "SELECT count(DISTINCT coalesce(part_of, id)) FROM replicator.ddl_log WHERE object_name = 'wide'",
	    "1");
	postgres_expect(
	    source,
	    "SELECT (replicator.ddl_last('table', 'wide'::regclass)).image = replicator.table_image('wide'::regclass)",
	    "t");
	following_tear_down();
}
END_TEST

/* Ids that start again, and oids that name other objects. */
START_TEST(a_log_that_begins_again_is_followed)
{
	prepare();
	postgres_execute(source, "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY)");
	expect_no_error(follow_log(false));
	postgres_execute(
	    target,
	    "INSERT INTO replicator.captured_table (stream, schema_name, table_name) VALUES ('s', 'public', 'a')");
	expect_no_error(migration_remove(source, MIGRATION_SOURCE, "replicator"));
	expect_no_error(migration_install(source, MIGRATION_SOURCE, "replicator"));
	following_install();
	postgres_execute(source, "ALTER TABLE a ADD x int");
	expect_no_error(follow_log(false));
	postgres_expect(target,
	                "SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.a'::regclass AND attname = 'x'",
	                "1");
	postgres_expect(target, "SELECT table_name || ' ' || reason FROM replicator.unverified", "a unlogged change");
	/* A dump that was restored: what had the oid of table a is table b there. */
	postgres_execute(source,
	                 "UPDATE replicator.ddl_log SET incarnation = replace(incarnation, '/', '0/') WHERE true;"
	                 "UPDATE replicator.ddl_log SET object_name = 'other' WHERE object_name = 'a';"
	                 "ALTER TABLE b ADD y int");
	expect_no_error(follow_log(false));
	postgres_execute(source, "ALTER TABLE a RENAME TO c; ALTER TABLE c DROP x");
	expect_no_error(follow_log(false));
	postgres_expect(target,
	                "SELECT string_agg(relname || ' ' || attname, ', ' ORDER BY relname, attnum) FROM pg_attribute "
	                "a JOIN pg_class c ON"
	                " c.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > "
	                "0 AND NOT attisdropped",
	                "b id, b y, c id");
	/* A failover: the oids are the same, and so the name before the first change is known. */
	postgres_execute(
	    source,
	    "UPDATE replicator.ddl_log SET incarnation = incarnation || '0' WHERE true; DELETE FROM replicator.ddl_log"
	    " WHERE event = 'rewrite'; ALTER TABLE c RENAME TO d");
	postgres_execute(
	    target,
	    "DELETE FROM replicator.unverified; UPDATE replicator.schema_history SET incarnation = incarnation || '0'");
	expect_no_error(follow_log(false));
	postgres_expect(target, "SELECT to_regclass('public.c') IS NULL AND to_regclass('public.d') IS NOT NULL", "t");
	postgres_expect(target, "SELECT count(*) FROM replicator.unverified", "0");
	following_tear_down();
}
END_TEST

/* Changes while the triggers were away: what differs is followed, and its rows are not trusted. */
START_TEST(a_baseline_that_is_repeated_is_a_change)
{
	prepare();
	postgres_execute(source, "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE "
	                         "TABLE c (id int PRIMARY KEY)");
	expect_no_error(follow_log(false));
	postgres_execute(
	    source, "ALTER EVENT TRIGGER replicator_ddl_end DISABLE; ALTER EVENT TRIGGER replicator_ddl_drop DISABLE;"
	            "ALTER TABLE a ADD x int; DROP TABLE b; CREATE TABLE d (id int PRIMARY KEY);"
	            "ALTER EVENT TRIGGER replicator_ddl_end ENABLE; ALTER EVENT TRIGGER replicator_ddl_drop ENABLE");
	expect_marks("SELECT replicator.ddl_baseline()", "public.a public.d");
	expect_no_error(follow_log(false));
	postgres_expect(
	    target,
	    "SELECT string_agg(relname || ' ' || attname, ', ' ORDER BY relname, attnum) FROM pg_attribute a JOIN "
	    "pg_class c ON"
	    " c.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0",
	    "a id, a x, c id, d id");
	following_tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ddl_log");
	TCase *marks = tcase_create("marks");
	TCase *log = tcase_create("log");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(marks, 300);
	tcase_add_test(marks, values_without_events_are_marked);
	tcase_add_test(marks, typed_tables_follow_their_type);
	tcase_add_test(marks, each_table_of_nested_commands_is_marked);
	tcase_add_test(marks, a_rewrite_that_resets_settings_is_marked);
	tcase_add_test(marks, rows_of_before_the_publication_are_marked);
	tcase_add_test(marks, rows_of_before_a_published_schema_are_marked);
	tcase_add_test(marks, marks_of_partitions_are_of_the_published_table);
	tcase_add_test(marks, truncated_partitions_are_found);
	suite_add_tcase(suite, marks);
	tcase_set_timeout(log, 300);
	tcase_add_test(log, a_drop_says_whether_the_object_was_captured);
	tcase_add_test(log, long_images_come_in_parts);
	tcase_add_test(log, a_log_that_begins_again_is_followed);
	tcase_add_test(log, a_baseline_that_is_repeated_is_a_change);
	suite_add_tcase(suite, log);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
