/*
 * test_check.c - comparing two real databases: what counts as equal, what is found, and a pair that changes meanwhile.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "check/detail.h"
#include "check/grid.h"
#include "check/repair.h"
#include "check/report.h"
#include "check/resync.h"
#include "check/suspects.h"
#include "check/verify.h"
#include "check/watermark.h"
#include "fences.h"
#include "pair.h"
#include "target/checkpoint.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const struct table_rule RULES[] = {
    {.match = "public.soft", .delete_mode = DELETE_SOFT},
    {.match = "public.kept", .delete_mode = DELETE_IGNORE},
    {.match = "public.left_out", .exclude = true},
};

static const struct config CONFIG = {
    .stream.name = "replicator",
    .target = {.schema = "replicator",
               .is_deleted = "is_deleted",
               .synced_at = "synced_at",
               .deleted_at = "deleted_at"},
    .kafka.topic_prefix = "db",
    .tables = RULES,
    .table_count = sizeof(RULES) / sizeof(RULES[0]),
};

struct pair {
	struct comparison comparison;
	struct check_tables tables;
	struct report report;
	int64_t elapsed_us;
};

/* With the strings to both databases: defaults of a role must not change a value. */
static const struct config *configured(void)
{
	static struct config config;

	if (config.source.dsn == NULL) {
		config = CONFIG;
		config.source.dsn = postgres_hostile_dsn("check_source");
		config.target.dsn = postgres_hostile_dsn("check_target");
	}
	return &config;
}

/* Both databases, empty. */
static void make_databases(void)
{
	pg_disconnect(postgres_make_database("check_source"));
	pg_disconnect(postgres_make_database("check_target"));
}

static void run_both(const char *sql)
{
	run("check_source", sql);
	run("check_target", sql);
}

static struct error *compare(struct pair *pair, int64_t timeout_ms, const char *const *patterns, size_t count)
{
	int64_t start = clock_monotonic_us();

	*pair = (struct pair){.comparison = {.config = configured(), .jobs = 2, .timeout_us = timeout_ms * 1000}};
	pair->comparison.arena = arena_new();
	TRY(comparison_connect(&pair->comparison));
	TRY(check_tables_choose(pair->comparison.fence, pair->comparison.watch, configured(), NULL, patterns, count,
	                        pair->comparison.arena, &pair->tables));
	TRY(compare_tables(&pair->comparison, &pair->tables));
	TRY(detail_read(&pair->comparison, &pair->tables, 10, true));
	pair->elapsed_us = clock_monotonic_us() - start;
	pair->report = (struct report){.tables = &pair->tables, .comparison = &pair->comparison};
	pair->report.limit = 10;
	return watermark_read(pair->comparison.watch, configured(), pair->comparison.arena, &pair->report.watermark);
}

static void release(struct pair *pair)
{
	check_tables_release(&pair->tables);
	comparison_disconnect(&pair->comparison);
	arena_free(pair->comparison.arena);
}

static const struct check_table *table_of(const struct pair *pair, const char *label)
{
	for (size_t i = 0; i < pair->tables.count; i++)
		if (strcmp(pair->tables.tables[i].label, label) == 0)
			return &pair->tables.tables[i];
	return NULL;
}

static void expect_verdict(const struct pair *pair, const char *label, enum verdict verdict, const char *reason)
{
	const struct check_table *table = table_of(pair, label);

	ck_assert_msg(table != NULL, "%s was not compared", label);
	ck_assert_msg(table->verdict == verdict, "%s: verdict %d, expected %d (%s)", label, (int)table->verdict,
	              (int)verdict, table->reason != NULL ? table->reason : "no reason");
	if (reason != NULL)
		ck_assert_msg(table->reason != NULL && strstr(table->reason, reason) != NULL, "%s: reason %s", label,
		              table->reason != NULL ? table->reason : "none");
}

/* The report as text; the caller frees it. */
static char *report_text(struct pair *pair, bool json)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (json)
		expect_no_error(report_print_json(&pair->report, out));
	else
		report_print(&pair->report, pair->comparison.arena, out);
	fclose(out);
	return text;
}

START_TEST(equal_values_in_other_dress)
{
	struct pair pair;
	char *text;

	make_databases();
	run("check_source",
	    "CREATE SCHEMA \"Odd Schema\"; CREATE DOMAIN price AS numeric;"
	    "CREATE TABLE \"Odd Schema\".\"Mixed \"\"Case\"\" Täble\" (\"Id \"\"x\"\"\" int PRIMARY KEY, \"select\" "
	    "text);"
	    "INSERT INTO \"Odd Schema\".\"Mixed \"\"Case\"\" Täble\" VALUES (1, 'ä'), (2, NULL), (3, '');"
	    "CREATE TABLE t (id int PRIMARY KEY, n numeric, p price, na numeric[], j json, ts timestamp, i int, b "
	    "bytea,"
	    "                f float8, r real, tz timestamptz, m money, iv interval, e text, arr text[][], jb jsonb);"
	    "INSERT INTO t VALUES (1, 2.50, 7.10, '{{1.50,NULL},{2.0,3}}', '{\"b\": 1,  \"a\":2}', '2026-01-31 12:00', "
	    "5,"
	    " '\\x00ff', 0.1, 'NaN', '2026-01-31 12:00+05', 1.5, '1 mon 2 days', 'x', '{{a,b},{c,d}}', "
	    "'{\"z\":1.0}');"
	    "INSERT INTO t (id) VALUES (2); INSERT INTO t (id, na, arr) VALUES (3, '{}', '{}')");
	run("check_target",
	    "CREATE SCHEMA \"Odd Schema\"; CREATE DOMAIN price AS numeric(20,6);"
	    "CREATE TABLE \"Odd Schema\".\"Mixed \"\"Case\"\" Täble\" (\"Id \"\"x\"\"\" int PRIMARY KEY, synced_at "
	    "timestamptz,"
	    " \"select\" text);"
	    "INSERT INTO \"Odd Schema\".\"Mixed \"\"Case\"\" Täble\" VALUES (1, now(), 'ä'), (2, now(), NULL), (3, "
	    "now(), '');"
	    "CREATE TYPE letter AS ENUM ('x', 'y');"
	    "CREATE TABLE t (synced_at timestamptz, e letter, id bigint PRIMARY KEY, n numeric(10,4), p price, na "
	    "numeric(9,3)[],"
	    "                j jsonb, ts timestamptz, i numeric, b bytea, f float8, r real, tz timestamptz, m money,"
	    "                iv interval, arr text[], jb jsonb);"
	    "INSERT INTO t (id, n, p, na, j, ts, i, b, f, r, tz, m, iv, e, arr, jb) VALUES (1, 2.5, 7.1,"
	    " '{{1.5,NULL},{2,3}}', '{\"a\": 2, \"b\": 1}', '2026-01-31 12:00+00', 5, '\\x00ff', 0.1, 'NaN',"
	    " '2026-01-31 07:00+00', 1.5, '1 mon 2 days', 'x', '{{a,b},{c,d}}', '{\"z\": 1.0}');"
	    "INSERT INTO t (id) VALUES (2); INSERT INTO t (id, na, arr) VALUES (3, '{}', '{}')");
	run_both("UPDATE t SET arr = ARRAY[['a','b'],['c','d\"']] WHERE id = 1");
	run("check_target", "ALTER DATABASE check_target SET TimeZone = 'Asia/Tokyo'");
	expect_no_error(compare(&pair, 5000, NULL, 0));
	ck_assert_uint_eq(pair.tables.count, 2);
	expect_verdict(&pair, "Odd Schema.Mixed \"Case\" Täble", VERDICT_IN_SYNC, NULL);
	/* The rows are equal; the types are not. */
	expect_verdict(&pair, "public.t", VERDICT_DIFFERENT, NULL);
	ck_assert_uint_eq(table_of(&pair, "public.t")->open_count, 0);
	ck_assert_int_eq(pair.comparison.looks, 1);
	ck_assert_int_eq(report_exit_code(&pair.report), EXIT_DIFFERENT);
	text = report_text(&pair, false);
	ck_assert_ptr_nonnull(strstr(text, "2 tables: 1 in sync, 1 different, 0 not checked"));
	ck_assert_ptr_nonnull(strstr(text, "public.t: column id is integer in the source and bigint in the target"));
	free(text);
	text = report_text(&pair, true);
	ck_assert_ptr_nonnull(strstr(text, "\"verdict\": \"in_sync\""));
	free(text);
	release(&pair);
}
END_TEST

/*
 * A changed row of a table without key is one that is missing and one too many; the last two faults concern two keys.
 */
static size_t expected_rows(const char *name)
{
	int number = atoi(name + 1);

	if (name[0] == 'b')
		return number == 11 || number == 12 ? 1 : number == 14 ? 4 : 2;
	return number == 13 || number == 14 ? 2 : 1;
}

/* Each statement plants one fault in a copy of the table; every copy must be found, the untouched one must not. */
START_TEST(every_fault_is_found)
{
	static const char *const faults[] = {
	    "UPDATE %s SET t = 'other' WHERE id = 77",
	    "UPDATE %s SET t = t || ' ' WHERE id = 77",
	    "UPDATE %s SET t = upper(t) WHERE id = 77",
	    "UPDATE %s SET t = NULL WHERE id = 1",
	    "UPDATE %s SET t = '' WHERE id = 2",
	    "UPDATE %s SET t = u, u = t WHERE id = 77",
	    "UPDATE %s SET f = f + 1.1102230246251565e-16 WHERE id = 77",
	    "UPDATE %s SET ts = ts + interval '1 microsecond' WHERE id = 77",
	    "UPDATE %s SET n = n + 0.01 WHERE id = 77",
	    "UPDATE %s SET b = b || '\\x00' WHERE id = 77",
	    "UPDATE %s SET n = NULL WHERE id = 77",
	    "DELETE FROM %s WHERE id = 77",
	    "INSERT INTO %s SELECT 100001, t, u, f, ts, n, b FROM untouched WHERE id = 77",
	    "UPDATE %s SET id = -77 WHERE id = 77",
	    "UPDATE %s a SET t = b.t FROM untouched b WHERE a.id IN (77, 78) AND b.id = 155 - a.id",
	};
	enum { COUNT = sizeof(faults) / sizeof(faults[0]) };
	struct pair pair;

	make_databases();
	run_both(
	    "CREATE TABLE untouched AS SELECT i AS id, CASE WHEN i = 1 THEN '' WHEN i <> 2 THEN 'text ' || i END AS t,"
	    " 'u' || i AS u, 0.5::float8 AS f, timestamptz '2026-01-31 12:00+00' + i * interval '1 s' AS ts,"
	    " i + 0.25 AS n, decode('00ff', 'hex') AS b FROM generate_series(1, 5000) i;"
	    "ALTER TABLE untouched ADD PRIMARY KEY (id)");
	for (size_t i = 0; i < COUNT; i++) {
		char *key = memory_format("CREATE TABLE k%zu AS TABLE untouched; ALTER TABLE k%zu ADD PRIMARY KEY (id);"
		                          "CREATE TABLE b%zu AS TABLE untouched",
		                          i, i, i);
		char *name = memory_format("k%zu", i), *bare = memory_format("b%zu", i);
		struct buffer fault = {0};

		run_both(key);
		for (int k = 0; k < 2; k++) {
			const char *at = strstr(faults[i], "%s");

			buffer_append(&fault, faults[i], (size_t)(at - faults[i]));
			buffer_append_text(&fault, k == 0 ? name : bare);
			buffer_append_text(&fault, at + 2);
			buffer_append_byte(&fault, ';');
		}
		run("check_target", fault.data);
		buffer_free(&fault);
		free(key);
		free(name);
		free(bare);
	}
	expect_no_error(compare(&pair, 30000, NULL, 0));
	ck_assert_uint_eq(pair.tables.count, COUNT * 2 + 1);
	for (size_t i = 0; i < pair.tables.count; i++) {
		const struct check_table *table = &pair.tables.tables[i];
		bool untouched = strcmp(table->name, "untouched") == 0;

		expect_verdict(&pair, table->label, untouched ? VERDICT_IN_SYNC : VERDICT_DIFFERENT, NULL);
		ck_assert_msg(table->row_count == (untouched ? 0 : expected_rows(table->name)), "%s: %zu rows differ",
		              table->label, table->row_count);
	}
	ck_assert_int_eq(report_exit_code(&pair.report), EXIT_DIFFERENT);
	ck_assert_int_lt(pair.elapsed_us, 20 * 1000000); /* no stream: nothing to wait for */
	release(&pair);
}
END_TEST

START_TEST(duplicate_rows_without_key)
{
	struct pair pair;

	make_databases();
	run_both(
	    "CREATE TABLE a (t text); INSERT INTO a SELECT 'x' FROM generate_series(1, 3); CREATE TABLE b AS TABLE a");
	run("check_target", "INSERT INTO b VALUES ('x')");
	expect_no_error(compare(&pair, 5000, NULL, 0));
	expect_verdict(&pair, "public.a", VERDICT_IN_SYNC, NULL);
	expect_verdict(&pair, "public.b", VERDICT_DIFFERENT, NULL);
	release(&pair);
}
END_TEST

START_TEST(rules_and_shapes_count)
{
	const char *const patterns[] = {"public.so*", "kept"};
	const char *const nowhere[] = {"public.no_such"};
	struct pair pair;
	char *text;

	make_databases();
	run_both(
	    "CREATE TABLE soft (id int PRIMARY KEY); CREATE TABLE kept (id int PRIMARY KEY);"
	    "CREATE TABLE left_out (id int PRIMARY KEY); CREATE TABLE narrow (id int PRIMARY KEY);"
	    "CREATE TABLE hard (id int PRIMARY KEY); INSERT INTO soft VALUES (1), (2); INSERT INTO kept VALUES (1)");
	run("check_source", "ALTER TABLE narrow ADD extra int, ADD more int; CREATE TABLE only_source (id int);"
	                    "CREATE TABLE \"Cäptured\" (id int); CREATE PUBLICATION p FOR ALL TABLES");
	run("check_target", "CREATE TABLE only_target (id int); INSERT INTO left_out VALUES (1);"
	                    "ALTER TABLE soft ADD is_deleted boolean; ALTER TABLE hard ADD is_deleted boolean;"
	                    "INSERT INTO soft VALUES (3, true); UPDATE soft SET is_deleted = false WHERE id = 1;"
	                    "INSERT INTO hard VALUES (3, true); INSERT INTO kept VALUES (2)");
	{
		struct pg_connection *connection = connect_database("check_target");

		expect_no_error(checkpoint_install_schema(connection, "replicator"));
		postgres_execute(
		    connection,
		    "INSERT INTO replicator.stream (name, epoch, state) VALUES ('replicator', 1, 'stopped');"
		    "INSERT INTO replicator.offsets VALUES ('replicator', 'db.public.C_ptured', 0, 5)");
		pg_disconnect(connection);
	}
	expect_no_error(compare(&pair, 60000, NULL, 0));
	expect_verdict(&pair, "public.soft", VERDICT_IN_SYNC, NULL);
	expect_verdict(&pair, "public.hard", VERDICT_DIFFERENT, NULL);
	expect_verdict(&pair, "public.kept", VERDICT_IN_SYNC, NULL);
	ck_assert_int_eq(table_of(&pair, "public.kept")->kept, 1);
	expect_verdict(&pair, "public.narrow", VERDICT_DIFFERENT, NULL);
	ck_assert_uint_eq(table_of(&pair, "public.narrow")->schema_difference_count, 2);
	ck_assert_ptr_null(table_of(&pair, "public.left_out"));
	ck_assert_ptr_null(table_of(&pair, "public.only_target"));
	ck_assert_ptr_null(table_of(&pair, "replicator.stream"));
	expect_verdict(&pair, "public.only_source", VERDICT_DIFFERENT, "it is published");
	expect_verdict(&pair, "public.C\303\244ptured", VERDICT_DIFFERENT, "the stream reads this table's topic");
	ck_assert_int_lt(pair.elapsed_us, 20 * 1000000); /* the stream says that it is stopped */
	text = report_text(&pair, false);
	ck_assert_ptr_nonnull(strstr(text, "the stream is stopped at 0/0"));
	free(text);
	release(&pair);

	expect_no_error(compare(&pair, 5000, patterns, 2));
	ck_assert_uint_eq(pair.tables.count, 2);
	ck_assert_int_eq(report_exit_code(&pair.report), EXIT_OK);
	release(&pair);
	expect_error(compare(&pair, 5000, nowhere, 1), ERROR_CONFIGURATION, "", "--table public.no_such");
	release(&pair);
}
END_TEST

START_TEST(captured_table_that_is_missing)
{
	struct pair pair;
	struct pg_connection *connection;
	char *text;

	make_databases();
	run("check_source", "CREATE TABLE \"Odd näme\" (id int)");
	connection = connect_database("check_target");
	expect_no_error(checkpoint_install_schema(connection, "replicator"));
	postgres_execute(connection,
	                 "INSERT INTO replicator.stream (name, epoch) VALUES ('replicator', 1);"
	                 "INSERT INTO replicator.offsets VALUES ('replicator', 'db.public.Odd_n_me', 0, 5)");
	pg_disconnect(connection);
	expect_no_error(compare(&pair, 1000, NULL, 0));
	expect_verdict(&pair, "public.Odd näme", VERDICT_DIFFERENT, "no such table");
	text = report_text(&pair, true);
	ck_assert_ptr_nonnull(strstr(text, "\"source_rows\": null"));
	free(text);
	release(&pair);
}
END_TEST

START_TEST(missing_right_on_one_table)
{
	struct pair pair;

	make_databases();
	run_both("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE c (id int "
	         "PRIMARY KEY);"
	         "INSERT INTO c VALUES (1)");
	/* So large that it is read in several pieces: the first one tells enough. */
	run("check_source", "ALTER TABLE b ADD COLUMN wide text; ALTER TABLE b ALTER wide SET STORAGE PLAIN;"
	                    "INSERT INTO b SELECT g, repeat('x', 7900) FROM generate_series(1, 4200) g");
	run("check_target", "ALTER TABLE b ADD COLUMN wide text");
	/* A policy that hides rows is no quiet difference either. */
	run("check_source", "CREATE ROLE check_reader; GRANT SELECT ON a, c TO check_reader;"
	                    "ALTER TABLE c ENABLE ROW LEVEL SECURITY;"
	                    "ALTER DATABASE check_source SET role = check_reader");
	expect_no_error(compare(&pair, 5000, NULL, 0));
	expect_verdict(&pair, "public.a", VERDICT_IN_SYNC, NULL);
	expect_verdict(&pair, "public.b", VERDICT_UNCHECKED, "permission denied");
	expect_verdict(&pair, "public.c", VERDICT_UNCHECKED, "row-level security");
	ck_assert_int_eq(report_exit_code(&pair.report), EXIT_UNCHECKED);
	release(&pair);
	make_databases();
	{
		struct pg_connection *connection = postgres_connect();

		postgres_execute(connection, "DROP ROLE check_reader");
		pg_disconnect(connection);
	}
}
END_TEST

/* A stream: what is committed in the source is in the target some milliseconds later, with the watermark. */
struct stream {
	pthread_t thread;
	atomic_bool stop;
	atomic_bool ready;
	int fault_every; /* 0: none; else each such change is lost */
};

#define CHANGES                                                                                                        \
	"UPDATE live SET n = n + 1 WHERE id = %d; DELETE FROM live WHERE id = %d; INSERT INTO live VALUES (%d, 0);"    \
	"UPDATE hot SET n = n + 1; INSERT INTO bare VALUES (%d)"

static void *stream_changes(void *argument)
{
	struct stream *stream = argument;
	struct pg_connection *source = connect_database("check_source"), *target = connect_database("check_target");

	postgres_execute(source, "SET search_path = public; SET synchronous_commit = off");
	postgres_execute(target, "SET search_path = public; SET synchronous_commit = off");
	for (int i = 1; !atomic_load(&stream->stop); i++) {
		char *changes = memory_format(CHANGES, 1 + i * 7919 % 20000, i, 20000 + i, i);
		char *lsn, *apply;

		postgres_execute(source, changes);
		lsn = postgres_value(source, "SELECT pg_current_wal_insert_lsn()");
		clock_sleep_ms(1);
		apply = memory_format("%s; UPDATE replicator.stream SET last_commit_lsn = '%s'", changes, lsn);
		if (stream->fault_every == 0 || i % stream->fault_every != 0)
			postgres_execute(target, apply);
		free(changes);
		free(lsn);
		free(apply);
	}
	pg_disconnect(source);
	pg_disconnect(target);
	return NULL;
}

static void start_stream(struct stream *stream)
{
	struct pg_connection *target;

	make_databases();
	run_both(
	    "CREATE TABLE live (id int PRIMARY KEY, n int); INSERT INTO live SELECT i, 0 FROM generate_series(1, "
	    "20000) i;"
	    "CREATE TABLE hot (id int PRIMARY KEY, n bigint); INSERT INTO hot VALUES (1, 0); CREATE TABLE bare (n int);"
	    "CREATE TABLE quiet AS TABLE live; ANALYZE");
	target = connect_database("check_target");
	expect_no_error(checkpoint_install_schema(target, "replicator"));
	postgres_execute(target,
	                 "INSERT INTO replicator.stream (name, epoch, state) VALUES ('replicator', 1, 'running')");
	pg_disconnect(target);
	ck_assert_int_eq(pthread_create(&stream->thread, NULL, stream_changes, stream), 0);
}

static void stop_stream(struct stream *stream)
{
	atomic_store(&stream->stop, true);
	pthread_join(stream->thread, NULL);
}

START_TEST(live_pair_is_in_sync)
{
	const char *const patterns[] = {"live", "bare", "quiet"};
	struct stream stream = {0};
	struct pair pair;

	start_stream(&stream);
	for (int round = 0; round < 5; round++) {
		expect_no_error(compare(&pair, 30000, patterns, 3));
		expect_verdict(&pair, "public.live", VERDICT_IN_SYNC, NULL);
		expect_verdict(&pair, "public.bare", VERDICT_IN_SYNC, NULL);
		expect_verdict(&pair, "public.quiet", VERDICT_IN_SYNC, NULL);
		release(&pair);
	}
	stop_stream(&stream);
}
END_TEST

START_TEST(fault_is_found_in_a_live_pair)
{
	struct stream stream = {0};
	struct pair pair;

	start_stream(&stream);
	clock_sleep_ms(200);
	run("check_target", "UPDATE quiet SET n = -1 WHERE id = 9; DELETE FROM live WHERE id = 19999");
	expect_no_error(compare(&pair, 5000, NULL, 0));
	expect_verdict(&pair, "public.quiet", VERDICT_DIFFERENT, NULL);
	expect_verdict(&pair, "public.live", VERDICT_DIFFERENT, NULL);
	expect_verdict(&pair, "public.bare", VERDICT_IN_SYNC, NULL);
	ck_assert_uint_eq(table_of(&pair, "public.quiet")->row_count,
	                  2); /* no key: the row of before, the row of now */
	ck_assert_uint_eq(table_of(&pair, "public.live")->row_count, 1);
	release(&pair);
	stop_stream(&stream);
}
END_TEST

START_TEST(stream_that_stands_still)
{
	struct stream stream = {0};
	struct pair pair;
	char *text;

	start_stream(&stream);
	stop_stream(&stream);
	run("check_source", "INSERT INTO live VALUES (-1, -1)");
	expect_no_error(compare(&pair, 2000, NULL, 0));
	/* Whether what is missing would come is not known. */
	expect_verdict(&pair, "public.live", VERDICT_UNCHECKED, "did not pass");
	expect_verdict(&pair, "public.hot", VERDICT_IN_SYNC, NULL);
	ck_assert_int_eq(report_exit_code(&pair.report), EXIT_UNCHECKED);
	ck_assert_int_ge(pair.elapsed_us, 2000000);
	ck_assert_int_lt(pair.elapsed_us, 10000000);
	text = report_text(&pair, false);
	ck_assert_ptr_nonnull(strstr(text, "did not pass the source's position"));
	free(text);
	release(&pair);
}
END_TEST

struct waiting {
	struct pg_connection *source, *target;
	pthread_t thread;
	bool passed;
};

static void *await_watermark(void *argument)
{
	struct waiting *waiting = argument;
	const struct fence_pushes fences = {waiting->source, WATERMARK_PLAIN_FENCE, 1000};
	struct arena *arena = arena_new();

	expect_no_error(watermark_await(waiting->target, fences, configured(), 1, 60000000, arena, &waiting->passed));
	arena_free(arena);
	return NULL;
}

/* One is lost with a slot that is dropped; an idle source would never pass the position. */
START_TEST(a_fence_is_pushed_again)
{
	struct waiting waiting = {0};
	struct pg_connection *observer;
	char *fences = NULL;

	make_databases();
	waiting.source = connect_database("check_source");
	waiting.target = connect_database("check_target");
	observer = connect_database("check_source");
	expect_no_error(checkpoint_install_schema(waiting.target, "replicator"));
	run("check_target", "INSERT INTO replicator.stream (name, epoch, state) VALUES ('replicator', 1, 'running')");
	postgres_execute(observer, "SELECT pg_create_logical_replication_slot('fences', 'test_decoding')");
	ck_assert_int_eq(pthread_create(&waiting.thread, NULL, await_watermark, &waiting), 0);
	do {
		free(fences);
		fences =
		    postgres_value(observer, "SELECT count(*) FROM pg_logical_slot_peek_changes('fences', NULL, NULL)"
		                             " WHERE data LIKE '%fence'");
	} while (atoi(fences) < 2);
	run("check_target", "UPDATE replicator.stream SET last_commit_lsn = '0/1'");
	pthread_join(waiting.thread, NULL);
	ck_assert(waiting.passed);
	free(fences);
	postgres_execute(observer, "SELECT pg_drop_replication_slot('fences')");
	pg_disconnect(observer);
	pg_disconnect(waiting.source);
	pg_disconnect(waiting.target);
}
END_TEST

static void run_state(const char *sql)
{
	struct pg_connection *connection = connect_database("check_target");

	postgres_execute(connection, sql);
	pg_disconnect(connection);
}

/* One table is there, the other comes: no verdict of that one, whether the stream runs or was stopped meanwhile. */
START_TEST(snapshot_that_is_being_read)
{
	struct stream stream = {0};
	struct pair pair;
	char *text;

	start_stream(&stream);
	run("check_source", "CREATE TABLE late AS SELECT i AS id FROM generate_series(1, 100) i;"
	                    "ALTER TABLE late ADD PRIMARY KEY (id)");
	run("check_target", "CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1)");
	run_state(
	    "INSERT INTO replicator.snapshot_progress VALUES"
	    " ('replicator', 5, '0/5', 7, now() - interval '1 h', NULL), ('replicator', 9, '0/9', 42, now(), NULL);"
	    "INSERT INTO replicator.captured_table (stream, schema_name, table_name, snapshot_tx_id, snapshot_lsn) "
	    "VALUES"
	    " ('replicator', 'public', 'live', 9, '0/9'), ('replicator', 'public', 'hot', 5, '0/5')");
	expect_no_error(compare(&pair, 2000, NULL, 0));
	expect_verdict(&pair, "public.late", VERDICT_UNCHECKED, "a snapshot of the connector is being read");
	ck_assert_int_eq(report_exit_code(&pair.report), EXIT_UNCHECKED);
	text = report_text(&pair, false);
	ck_assert_ptr_nonnull(strstr(text, "a snapshot of the connector is being read: 1 table, 42 rows so far"));
	free(text);
	text = report_text(&pair, true);
	ck_assert_ptr_nonnull(strstr(text, "\"snapshot_open\": true"));
	free(text);
	release(&pair);

	stop_stream(&stream);
	run_state("UPDATE replicator.stream SET state = 'stopped'");
	expect_no_error(compare(&pair, 60000, NULL, 0));
	expect_verdict(&pair, "public.late", VERDICT_UNCHECKED, "a snapshot of the connector is being read");
	expect_verdict(&pair, "public.hot", VERDICT_IN_SYNC, NULL);
	ck_assert_int_lt(pair.elapsed_us, 20 * 1000000); /* nothing more comes */
	release(&pair);

	/* Its end decides. What was broken off before it has none. */
	run_state("UPDATE replicator.snapshot_progress SET finished_at = now() WHERE snapshot_tx_id = 9");
	expect_no_error(compare(&pair, 60000, NULL, 0));
	expect_verdict(&pair, "public.late", VERDICT_DIFFERENT, NULL);
	ck_assert_int_eq(report_exit_code(&pair.report), EXIT_DIFFERENT);
	release(&pair);
}
END_TEST

static const struct verify_options repair_at_rest = {.jobs = 1,
                                                     .timeout_us = 5000000,
                                                     .limit = 3,
                                                     .repair = true,
                                                     .at_rest = true};

/* The whole check as check_target does it; the report's text is the caller's. */
static enum exit_code verify(const struct verify_options *options, char **text)
{
	enum exit_code code = EXIT_UNCHECKED;
	size_t size = 0;
	FILE *out = open_memstream(text, &size);

	expect_no_error(verify_pair(configured(), options, out, &code));
	fclose(out);
	return code;
}

static void expect_target(const char *sql, const char *expected)
{
	expect_in("check_target", sql, expected);
}

static void install_state(const char *state)
{
	struct pg_connection *connection = connect_database("check_target");
	char *sql = memory_format(
	    "INSERT INTO replicator.stream (name, epoch, state, last_commit_lsn) VALUES ('replicator', 1, '%s', '0/1')",
	    state);

	expect_no_error(checkpoint_install_schema(connection, "replicator"));
	postgres_execute(connection, sql);
	free(sql);
	pg_disconnect(connection);
}

/*
 * A row that the source has whenever the target is looked at, and has not whenever the source is. A fence says that the source's
 * snapshot was taken.
 */
static void *toggle_row(void *argument)
{
	struct stream *stream = argument;
	struct pg_connection *source = connect_database("check_source"), *target = connect_database("check_target");

	postgres_execute(source, "SELECT pg_create_logical_replication_slot('toggles', 'test_decoding', true)");
	atomic_store(&stream->ready, true);
	while (!atomic_load(&stream->stop)) {
		const char *const looked = "SELECT count(*) FROM pg_logical_slot_get_changes('toggles', NULL, NULL)"
		                           " WHERE data LIKE '%content:fence%'";
		char *fences = postgres_value(source, looked), *lsn, *update;

		if (strcmp(fences, "0") != 0) {
			postgres_execute(source, "INSERT INTO public.toggling VALUES (2)");
			postgres_execute(target, "INSERT INTO public.toggling VALUES (2)");
			lsn = postgres_value(source, "SELECT pg_current_wal_insert_lsn()");
			update = memory_format("UPDATE replicator.stream SET last_commit_lsn = '%s'", lsn);
			postgres_execute(target, update);
			for (bool read = false; !read && !atomic_load(&stream->stop);) {
				char *count = postgres_value(
				    target, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
				            " AND application_name = 'check_target' AND backend_xmin IS NOT NULL");

				read = strcmp(count, "0") != 0;
				free(count);
			}
			postgres_execute(
			    source, "DELETE FROM public.toggling WHERE ctid = (SELECT max(ctid) FROM public.toggling)");
			postgres_execute(
			    target, "DELETE FROM public.toggling WHERE ctid = (SELECT max(ctid) FROM public.toggling)");
			free(lsn);
			free(update);
		}
		free(fences);
	}
	pg_disconnect(source);
	pg_disconnect(target);
	return NULL;
}

/* With a key and without: neither absence nor a number of equal rows has a version. */
START_TEST(row_that_comes_and_goes)
{
	struct stream stream = {0};
	struct pair pair;

	make_databases();
	run_both(_i == 0 ? "CREATE TABLE toggling (id int PRIMARY KEY)"
	                 : "CREATE TABLE toggling (id int); INSERT INTO toggling VALUES (2), (2)");
	install_state("running");
	ck_assert_int_eq(pthread_create(&stream.thread, NULL, toggle_row, &stream), 0);
	while (!atomic_load(&stream.ready))
		clock_sleep_ms(2);
	expect_no_error(compare(&pair, 4000, NULL, 0));
	ck_assert_msg(table_of(&pair, "public.toggling")->verdict != VERDICT_DIFFERENT,
	              "called different after %d looks", pair.comparison.looks);
	release(&pair);
	stop_stream(&stream);
}
END_TEST

/* A stream that runs, so that a repair has its proof. */
static void install_stream(struct fences *fences)
{
	install_state("running");
	fences_start(fences, "check_source", "check_target", true);
}

#define TABLES_TO_REPAIR                                                                                               \
	"CREATE TYPE mood AS ENUM ('sad', 'ok');"                                                                      \
	"CREATE TABLE types (id int, k text, n numeric(12,2), f float8, t text, b bytea, a int[], j jsonb, x json,"    \
	"  tz timestamptz, m mood, c char(5), iv interval, u uuid, r int4range, na numeric[], PRIMARY KEY (id, k));"   \
	"INSERT INTO types SELECT i, E'k''\"{,}\\\\' || i, i + 0.50, i / 3.0, CASE WHEN i % 3 > 0 THEN E't\n,\"' || "  \
	"i END, "                                                                                                      \
	"  '\\x00ff', ARRAY[i, NULL], '{\"a\": [1.0]}', '{\"b\" :1}', '2026-01-01Z', 'ok', 'ab', '1 mon 3 s',"         \
	"  gen_random_uuid(), int4range(i, i + 5), ARRAY[1.50, NULL] FROM generate_series(1, 500) i;"                  \
	"CREATE TABLE bare (h int, t text); INSERT INTO bare SELECT i % 50, 'x' || i % 50 FROM generate_series(1, "    \
	"500) i;"                                                                                                      \
	"CREATE TABLE swap (id int PRIMARY KEY, u int UNIQUE); INSERT INTO swap SELECT i, i FROM generate_series(1, "  \
	"9) i;"                                                                                                        \
	"CREATE TABLE soft (id int PRIMARY KEY, t text); INSERT INTO soft SELECT i, 't' FROM generate_series(1, 9) i;" \
	"CREATE TABLE ident (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int, g int GENERATED ALWAYS AS (n + "  \
	"1)"                                                                                                           \
	"  STORED); INSERT INTO ident (n) SELECT i FROM generate_series(1, 9) i;"

#define FAULTS_TO_REPAIR                                                                                               \
	"DELETE FROM types WHERE id < 300 AND id % 2 = 0; UPDATE types SET t = 'wrong', b = NULL WHERE id IN (301, "   \
	"303);"                                                                                                        \
	"UPDATE types SET id = 10000 + id WHERE id = 305; UPDATE types SET f = f + 1e-14 WHERE id = 1;"                \
	"DELETE FROM bare WHERE h = 7; INSERT INTO bare SELECT 8, 'x8' FROM generate_series(1, 3);"                    \
	"UPDATE bare SET t = 'y' WHERE h = 9; UPDATE swap SET u = 100 WHERE id = 1; UPDATE swap SET u = 1 WHERE id = " \
	"2;"                                                                                                           \
	"UPDATE swap SET u = 2 WHERE id = 1; UPDATE soft SET is_deleted = true WHERE id = 1;"                          \
	"INSERT INTO soft VALUES (20, 'extra', false); UPDATE ident SET n = 0 WHERE id = 1; DELETE FROM ident WHERE "  \
	"id = 2;"

static void make_faulty_pair(void)
{
	make_databases();
	run("check_source", TABLES_TO_REPAIR);
	run("check_target", TABLES_TO_REPAIR
	    "ALTER TABLE soft ADD is_deleted boolean NOT NULL DEFAULT false, ADD synced_at timestamptz; "
	    "SELECT setval('ident_id_seq', 1)");
	install_state("running");
}

/* A comparison proves what was marked before it began, and nothing while rows of a snapshot may follow. */
START_TEST(a_mark_that_is_set_during_the_comparison_stays)
{
	const char *const patterns[] = {"public.swap"};
	struct arena *arena = arena_new();
	struct pg_connection *source, *target;
	struct check_tables tables;

	make_faulty_pair();
	source = connect_database("check_source");
	target = connect_database("check_target");
	postgres_execute(
	    target, "INSERT INTO replicator.unverified VALUES ('replicator', 'public', 'swap', 'snapshot', '0/5')");
	expect_no_error(check_tables_choose(source, target, configured(), NULL, patterns, 1, arena, &tables));
	expect_no_error(suspects_read(target, configured(), arena, &tables));
	ck_assert_str_eq(tables.tables[0].unverified, "snapshot");
	tables.tables[0].verdict = VERDICT_DIFFERENT;
	expect_no_error(suspects_clear(target, configured(), 5, &tables));
	expect_target("SELECT count(*) FROM replicator.unverified", "1");
	tables.tables[0].verdict = VERDICT_IN_SYNC;
	expect_no_error(suspects_clear(target, configured(), 4, &tables)); /* the source has not come so far */
	expect_target("SELECT count(*) FROM replicator.unverified", "1");
	postgres_execute(target,
	                 "INSERT INTO replicator.snapshot_progress VALUES ('replicator', 9, '0/9', 1, now(), NULL)");
	expect_no_error(suspects_clear(target, configured(), 5, &tables));
	expect_target("SELECT count(*) FROM replicator.unverified", "1");
	postgres_execute(target, "UPDATE replicator.snapshot_progress SET finished_at = now()");
	if (_i == 1)
		postgres_execute(target, "UPDATE replicator.unverified SET marked_at = clock_timestamp()");
	expect_no_error(suspects_clear(target, configured(), 5, &tables));
	expect_target("SELECT count(*) FROM replicator.unverified", _i == 1 ? "1" : "0");
	check_tables_release(&tables);
	pg_disconnect(source);
	pg_disconnect(target);
	arena_free(arena);
}
END_TEST

START_TEST(repair_makes_the_pair_equal)
{
	struct verify_options options = {.jobs = 2,
	                                 .timeout_us = 20000000,
	                                 .limit = 3,
	                                 .repair = true,
	                                 .dry_run = true};
	struct fences fences;
	char *text;

	make_faulty_pair();
	fences_start(&fences, "check_source", "check_target", true);
	options.repair = options.dry_run = false;
	ck_assert_int_eq(verify(&options, &text), EXIT_DIFFERENT); /* uuids */
	ck_assert_ptr_nonnull(strstr(text, "  different id=1, k="));
	ck_assert_ptr_nonnull(strstr(text, ": u\n"));
	ck_assert_ptr_nonnull(strstr(text, "… and 497 more"));
	free(text);
	options.repair = true;
	ck_assert_int_eq(verify(&options, &text), EXIT_OK);
	ck_assert_ptr_nonnull(strstr(text, "public.types: repaired: 0 inserted, 500 updated, 0 deleted"));
	ck_assert_ptr_nonnull(strstr(text, "1 sequence of the target set"));
	free(text);
	run("check_target", "DO $$ BEGIN ASSERT nextval('ident_id_seq') > 1000; END $$;" FAULTS_TO_REPAIR);
	options.dry_run = true;
	ck_assert_int_eq(verify(&options, &text), EXIT_DIFFERENT);
	ck_assert_ptr_nonnull(strstr(text, "public.types: would be 150 inserted, 3 updated, 1 deleted"));
	free(text);
	expect_target("SELECT count(*) FROM public.swap WHERE id <> u", "2");
	options.dry_run = options.repair = false;
	run("check_target", "INSERT INTO replicator.suspect VALUES ('replicator', 'public', 'swap', 'id=1', 7, '0/1'),"
	                    " ('replicator', 'public', 'swap', 'id=2', 7, 'FFFFFFFF/1')");
	run("check_target",
	    "INSERT INTO replicator.unverified VALUES ('replicator', 'public', 'swap', 'rewritten', '0/1')");
	ck_assert_int_eq(verify(&options, &text), EXIT_DIFFERENT);
	ck_assert_ptr_nonnull(strstr(text, "  suspect id=1\n  suspect id=2\n"));
	ck_assert_ptr_nonnull(
	    strstr(text, "public.swap: unverified (rewritten) until `replicator table resync public.swap`"));
	free(text);
	options.repair = true;
	ck_assert_int_eq(verify(&options, &text), EXIT_OK);
	/* The stream has not shown yet what belongs to the other mark. */
	expect_target("SELECT string_agg(key, ' ') FROM replicator.suspect", "id=2");
	expect_target("SELECT count(*) FROM replicator.unverified", "0");
	ck_assert_ptr_nonnull(strstr(text, "public.types: repaired: 150 inserted, 3 updated, 1 deleted"));
	free(text);
	/* Rows are proved, the schema is not; a resync is about rows. */
	run("check_target", "INSERT INTO replicator.left_out_step (stream, kind, relid, schema_name, table_name, part, "
	                    "part_id, sql, reason,"
	                    " expected, lsn, retry_at) VALUES ('replicator', 'table', 1, 'public', 'swap', 'index', 1, "
	                    "'CREATE INDEX i',"
	                    " 'no function', false, '0/1', 'infinity'); INSERT INTO replicator.unverified VALUES "
	                    "('replicator', 'public',"
	                    " 'swap', 'rewritten', '0/1')");
	options.must_repair = true;
	ck_assert_int_eq(verify(&options, &text), EXIT_OK);
	free(text);
	expect_target("SELECT count(*) FROM replicator.unverified", "0");
	expect_target("SELECT retry_at <= now() FROM replicator.left_out_step", "t");
	options.must_repair = options.repair = false;
	ck_assert_int_eq(verify(&options, &text), EXIT_DIFFERENT);
	ck_assert_ptr_nonnull(strstr(text, "public.swap: a schema change was left out: CREATE INDEX i (no function)"));
	free(text);
	run("check_target", "UPDATE replicator.left_out_step SET expected = true");
	ck_assert_int_eq(verify(&options, &text), EXIT_OK);
	ck_assert_ptr_nonnull(strstr(text, "public.swap: a schema change was left out by design: CREATE INDEX i"));
	free(text);
	expect_target("SELECT count(*) FROM public.soft WHERE is_deleted AND id = 20 AND synced_at IS NOT NULL", "1");
	expect_target("SELECT before ->> 't' FROM replicator.repair_log WHERE key[1] = '301'"
	              " AND before ->> 't' = 'wrong'",
	              "wrong");
	expect_target("SELECT count(*) FROM replicator.repair_log WHERE table_name = 'bare'", "33");
	fences_stop(&fences);
}
END_TEST

START_TEST(values_that_differ_in_scale_only)
{
	struct verify_options options = {.jobs = 1,
	                                 .timeout_us = 5000000,
	                                 .limit = 20,
	                                 .at_rest = true,
	                                 .show_values = true};
	char *text;

	make_databases();
	run_both("CREATE TYPE pair AS (n numeric, t text); CREATE TYPE nest AS (p pair, a numeric[], more pair[]);"
	         "CREATE TABLE v (id int PRIMARY KEY, c pair, ca pair[], ne nest, r numrange, mr nummultirange, ra "
	         "numrange[],"
	         " na numeric[], j jsonb, m money, ma money[]);"
	         "CREATE TABLE k (a numeric[] PRIMARY KEY, r numrange, n int); CREATE TABLE jj (id int PRIMARY KEY)");
	run("check_source",
	    "INSERT INTO v VALUES (1, '(1.50,v1.0)', '{\"(2.0,\\\"1.0,\\\")\",NULL}',"
	    " '(\"(100.10,1.0)\",\"{1.0,2.50}\",\"{\"\"(0.500,x)\"\"}\")', '[1.50,20.0)', '{[1.0,2.50),(3.010,)}',"
	    " '{\"[1.0,2.0]\",empty}', '[2:3]={1.50,NULL}',"
	    " '{\"a\": [1.50, 100, -0.0], \"b 1.0\": \"1.0, 2.0\", \"c\\\"\": 2.0501}', 1.5, '{1.5}');"
	    "INSERT INTO v (id, c) VALUES (2, '(1,v1.0)'); INSERT INTO v (id, ca) VALUES (3, '{\"(1,v1.0)\"}');"
	    "INSERT INTO v (id, r) VALUES (4, '[1.5,2)'); INSERT INTO v (id, na) VALUES (5, '[2:2]={NULL}');"
	    "INSERT INTO v (id, j) VALUES (6, '\"1.0\"'), (7, '[1.01]'), (8, '1.0'), (9, '{\"x\": \"[1.0]\", \"y\": "
	    "1.0}');"
	    "INSERT INTO k VALUES ('{1.50,NULL}', '[1.0,2.0]', 1), ('{2.0}', NULL, 2); ALTER TABLE jj ADD j json;"
	    "INSERT INTO jj VALUES (1, '\"\\u0000\"'), (2, '[1.0, \"\\\\u0000 \\ud83d\\ude00\"]'), (3, '\"\\ud83d\"'),"
	    " (4, '{\"b\": 1, \"a\": \"\\\\ud800 \\\\\\\\dc00 \\ud83d\\ude00\\ud83d\\ude00\"}')");
	run("check_target",
	    "INSERT INTO v VALUES (1, '(1.5,v1.0)', '{\"(2,\\\"1.0,\\\")\",NULL}',"
	    " '(\"(100.1,1.0)\",\"{1,2.5}\",\"{\"\"(0.5,x)\"\"}\")', '[1.5,20)', '{[1,2.5),(3.01,)}',"
	    " '{\"[1,2]\",empty}', '[2:3]={1.5,NULL}',"
	    " '{\"a\": [1.5, 100.0, 0], \"b 1.0\": \"1.0, 2.0\", \"c\\\"\": 2.05010}', 1.5, '{1.5}');"
	    "INSERT INTO v (id, c) VALUES (2, '(1,v1)'); INSERT INTO v (id, ca) VALUES (3, '{\"(1,v1)\"}');"
	    "INSERT INTO v (id, r) VALUES (4, '[1.05,2)'); INSERT INTO v (id, na) VALUES (5, '{NULL}');"
	    "INSERT INTO v (id, j) VALUES (6, '\"1\"'), (7, '[1.001]'), (8, '1'), (9, '{\"x\": \"[1]\", \"y\": 1}');"
	    "INSERT INTO k VALUES ('{1.5,NULL}', '[1,2]', 9), ('{2}', NULL, 2); ALTER TABLE jj ADD j jsonb;"
	    "INSERT INTO jj VALUES (1, '0'), (2, '[1.00, \"\\\\u0000 \\ud83d\\ude00\"]'), (3, '0'),"
	    " (4, '{\"b\":1, \"a\": \"\\\\ud800 \\\\\\\\dc00 \\ud83d\\ude00\\ud83d\\ude00\"}');"
	    "ALTER DATABASE check_target SET lc_monetary = 'C.UTF-8'");
	install_state("stopped");
	ck_assert_int_eq(verify(&options, &text), EXIT_DIFFERENT);
	ck_assert_msg(strstr(text, "3 tables: 0 in sync, 3 different, 0 not checked") != NULL, "%s", text);
	for (int id = 1; id < 10; id++) {
		char row[32];

		snprintf(row, sizeof(row), "different id=%d: ", id);
		ck_assert_msg((strstr(strstr(text, "public.v:"), row) != NULL) == (id != 1 && id != 8), "%d: %s", id,
		              text);
	}
	ck_assert_msg(strstr(text, "different a={1.5,NULL}: n: '1' in the source, '9' in the target") != NULL, "%s",
	              text);
	ck_assert_ptr_null(strstr(text, "a={2"));
	ck_assert_msg(strstr(strstr(text, "public.jj:"), "different id=2") == NULL ||
	                  strstr(strstr(text, "public.jj:"), "different id=2") > strstr(text, "public.k:"),
	              "%s", text);
	free(text);
	options.repair = true;
	ck_assert_int_eq(verify(&options, &text), EXIT_DIFFERENT); /* what jsonb refuses */
	ck_assert_msg(strstr(text, "3 tables: 2 in sync, 1 different, 0 not checked") != NULL, "%s", text);
	ck_assert_msg(strstr(text, "2 left: ") != NULL, "%s", text);
	free(text);
}
END_TEST

/* An UPDATE cannot write it. */
START_TEST(repair_of_an_identity_column)
{
	struct verify_options options = {.jobs = 1, .timeout_us = 5000000, .limit = 3, .at_rest = true, .repair = true};
	struct config plain = *configured();
	enum exit_code code;
	size_t size = 0;
	char *text;
	FILE *out;

	make_databases();
	run_both("CREATE TABLE t (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, v text);"
	         "INSERT INTO t (id, v) SELECT i, 'v' FROM generate_series(1, 9) i;"
	         "CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE); INSERT INTO child "
	         "VALUES (1, 1)");
	run("check_target",
	    "ALTER TABLE t ADD own int; UPDATE t SET own = id, v = CASE WHEN id = 2 THEN 'x' ELSE v END;"
	    "DELETE FROM t WHERE id IN (5, 6); INSERT INTO t (id, v) VALUES (5, 'v');"
	    "DROP ROLE IF EXISTS check_plain; CREATE ROLE check_plain LOGIN PASSWORD 'plain'");
	install_state("stopped");
	run("check_target",
	    "GRANT USAGE ON SCHEMA replicator TO check_plain; GRANT ALL ON ALL TABLES IN SCHEMA replicator, public"
	    " TO check_plain; GRANT ALL ON ALL SEQUENCES IN SCHEMA replicator, public TO check_plain");
	plain.target.dsn = memory_format("%s user=check_plain password=plain dbname=check_target", postgres_dsn());
	out = open_memstream(&text, &size);
	expect_no_error(verify_pair(&plain, &options, out, &code));
	fclose(out);
	ck_assert_msg(code == EXIT_DIFFERENT &&
	                  strstr(text, "column n is GENERATED ALWAYS AS IDENTITY: it is changed by a delete") != NULL,
	              "%s", text);
	free(text);
	expect_target("SELECT count(*) FROM replicator.repair_log", "3");
	ck_assert_int_eq(verify(&options, &text), EXIT_OK);
	ck_assert_msg(strstr(text, "public.t: repaired: 0 inserted, 1 updated, 0 deleted") != NULL, "%s", text);
	free(text);
	expect_target(
	    "SELECT string_agg(concat_ws(' ', id, n, own), ', ' ORDER BY id) FROM public.t WHERE id IN (2, 5, 6)",
	    "2 2 2, 5 5, 6 6");
	expect_target("SELECT count(*) FROM public.child", "1");
	run("check_target", "DROP OWNED BY check_plain; DROP ROLE check_plain");
	free((void *)(uintptr_t)plain.target.dsn);
}
END_TEST

/* Not round after round. */
START_TEST(repair_that_makes_no_progress_stops)
{
	struct verify_options options = {.jobs = 1, .timeout_us = 5000000, .limit = 3, .at_rest = true, .repair = true};
	char *text;

	make_databases();
	run_both("CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'a'), (2, 'b'), (3, 'fixed');"
	         "CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b VALUES (1)");
	run("check_target", "CREATE FUNCTION fix() RETURNS trigger LANGUAGE plpgsql AS"
	                    " 'BEGIN NEW.v := ''fixed''; RETURN NEW; END'; DELETE FROM b;"
	                    "CREATE TRIGGER fix BEFORE INSERT OR UPDATE ON a FOR EACH ROW EXECUTE FUNCTION fix();"
	                    "ALTER TABLE a ENABLE ALWAYS TRIGGER fix; UPDATE a SET v = ''");
	install_state("stopped");
	ck_assert_int_eq(verify(&options, &text), EXIT_DIFFERENT);
	ck_assert_msg(strstr(text,
	                     "public.a: repaired: 0 inserted, 2 updated, 0 deleted: 2 rows differ after being written, "
	                     "so the repair stopped: the target changes the values") != NULL,
	              "%s", text);
	free(text);
	expect_target("SELECT count(*) FROM replicator.repair_log WHERE table_name = 'a'", "2");
	expect_target("SELECT count(*) FROM public.b", "1");
}
END_TEST

/* jsonb, in the log of repairs, would refuse the row. */
START_TEST(repair_of_json_with_the_escape_of_nul)
{
	struct verify_options options = {.jobs = 1, .timeout_us = 5000000, .limit = 3, .at_rest = true, .repair = true};
	char *text;

	make_databases();
	run_both("CREATE TABLE t (id int PRIMARY KEY, j json);"
	         "INSERT INTO t VALUES (1, '{\"a\": \"\\u0000\"}'), (2, '1'), (3, '{}')");
	run("check_target", "UPDATE t SET j = '\"\\u0000\"' WHERE id = 1; UPDATE t SET j = '2' WHERE id = 2");
	run("check_source", "UPDATE t SET j = '[\"\\u0000\"]' WHERE id = 2");
	install_state("stopped");
	ck_assert_int_eq(verify(&options, &text), EXIT_OK);
	ck_assert_msg(strstr(text, "public.t: repaired: 0 inserted, 2 updated, 0 deleted") != NULL, "%s", text);
	free(text);
	expect_target("SELECT string_agg(j::text, ' ' ORDER BY id) FROM public.t",
	              "{\"a\": \"\\u0000\"} [\"\\u0000\"] {}");
	expect_target("SELECT before FROM replicator.repair_log WHERE key = '{1}'", "{\"id\":1,\"j\":\"\\u0000\"}");
}
END_TEST

/*
 * Somebody changes a table after its definition was read: what was compared is not the table any more, and a repair with
 * the old definition would write wrong values (through a type that has the name no more) and leave out columns.
 */
START_TEST(changed_definition_is_neither_equal_nor_repaired)
{
	static const char *const changes[][2] = {
	    {"check_source", "ALTER TABLE a ADD more int DEFAULT 7"},
	    {"check_target", "ALTER TABLE a ADD more int"},
	    {"check_target", "CREATE DOMAIN new_price AS numeric(10,1); ALTER TABLE a ALTER n TYPE new_price;"
	                     " ALTER DOMAIN price RENAME TO old_price; ALTER DOMAIN new_price RENAME TO price"},
	};
	struct pair pair;

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		make_databases();
		run_both("CREATE DOMAIN price AS numeric(10,2); CREATE TABLE a (id int PRIMARY KEY, n price);"
		         " CREATE TABLE b (id int PRIMARY KEY)");
		run("check_source", "INSERT INTO a VALUES (1, 1.25)");
		install_state("stopped");
		expect_no_error(compare(&pair, 5000, NULL, 0));
		expect_verdict(&pair, "public.a", VERDICT_DIFFERENT, NULL);
		run(changes[i][0], changes[i][1]);
		expect_no_error(repair_tables(&pair.comparison, &pair.tables, false));
		ck_assert_int_eq(table_of(&pair, "public.a")->repair.left, 1);
		ck_assert_ptr_nonnull(
		    strstr(table_of(&pair, "public.a")->repair.problem, "was changed while it was compared"));
		expect_target("SELECT count(*) FROM public.a", "0");
		/* As if the comparison had begun before the change. */
		for (size_t k = 0; k < pair.tables.count; k++)
			pair.tables.tables[k].verdict = VERDICT_PENDING;
		run("check_source", "DELETE FROM a");
		expect_no_error(compare_tables(&pair.comparison, &pair.tables));
		expect_verdict(&pair, "public.a", VERDICT_UNCHECKED, "was changed while it was compared");
		expect_verdict(&pair, "public.b", VERDICT_IN_SYNC, NULL);
		release(&pair);
	}
}
END_TEST

/*
 * The target has the rows from before unique values changed places: in pairs, in a cycle and in a chain that are longer
 * than a batch, and from rows that the source deleted to rows that it inserted. The target's own columns keep their values.
 */
START_TEST(repair_of_unique_values_that_changed_places)
{
	const struct verify_options options = {.jobs = 2,
	                                       .timeout_us = 20000000,
	                                       .limit = 3,
	                                       .repair = true,
	                                       .at_rest = true};
	static const char *const tables[] = {"pairs", "cycle", "chain", "moved", "slots"};
	char *text;

	make_databases();
	run_both("CREATE TABLE pairs (id int PRIMARY KEY, u int NOT NULL UNIQUE);"
	         "CREATE TABLE cycle (id int PRIMARY KEY, u int UNIQUE, v int, UNIQUE (v, u));"
	         "CREATE TABLE chain (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, u int UNIQUE);"
	         "CREATE TABLE moved (id int PRIMARY KEY, u int UNIQUE);"
	         "CREATE TABLE slots (id int PRIMARY KEY, u int, EXCLUDE (u WITH =))");
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		char *sql = memory_format("INSERT INTO %s (id, u) OVERRIDING SYSTEM VALUE"
		                          " SELECT i, i FROM generate_series(1, 3000) i",
		                          tables[i]);
		char *own = memory_format("ALTER TABLE %s ADD own int; UPDATE %s SET own = id", tables[i], tables[i]);

		run_both(sql);
		run("check_target", own);
		free(sql);
		free(own);
	}
	run("check_source",
	    "UPDATE pairs SET u = -u; UPDATE pairs SET u = CASE WHEN id % 2 = 0 THEN id - 1 ELSE id + 1 END;"
	    "UPDATE cycle SET u = -u; UPDATE cycle SET u = id % 3000 + 1;"
	    "UPDATE chain SET u = -u; UPDATE chain SET u = id + CASE WHEN id > 1500 THEN 1 ELSE 5000 END;"
	    "DELETE FROM moved WHERE id > 1500; INSERT INTO moved SELECT 4501 - i, i FROM generate_series(1501, 3000) i"
	    "; INSERT INTO moved SELECT -i, i FROM generate_series(3001, 3010) i;"
	    "UPDATE moved SET u = u + 10000 WHERE id = 1; INSERT INTO moved VALUES (0, 1);"
	    "DELETE FROM moved WHERE id BETWEEN 2 AND 1200; INSERT INTO moved SELECT 10000 - i, i FROM "
	    "generate_series(2, 1200) i;"
	    "ALTER TABLE slots DROP CONSTRAINT slots_u_excl; UPDATE slots SET u = id % 3000 + 1");
	install_state("stopped");
	ck_assert_int_eq(verify(&options, &text), EXIT_OK);
	free(text);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		char *sql = memory_format("SELECT count(*) FROM public.%s WHERE own IS DISTINCT FROM id", tables[i]);

		expect_target(sql, i == 3 ? "1210" : "0");
		free(sql);
	}
	expect_target("SELECT count(*) FROM replicator.repair_log WHERE table_name = 'cycle' AND action = 'update'"
	              " AND before ->> 'own' = key[1]",
	              "3000");
}
END_TEST

/* At the ends of bigint. */
START_TEST(sequences_without_room)
{
	char *text;

	make_databases();
	run_both(
	    "CREATE TABLE up (id bigint GENERATED BY DEFAULT AS IDENTITY (INCREMENT 9000000000000000000) PRIMARY KEY);"
	    "CREATE TABLE low (id bigint GENERATED BY DEFAULT AS IDENTITY (MINVALUE -9223372036854775808 START"
	    " -9223372036854775808) PRIMARY KEY)");
	run("check_source",
	    "SELECT nextval('up_id_seq'), nextval('up_id_seq'), nextval('low_id_seq'), nextval('low_id_seq')");
	install_state("stopped");
	ck_assert_int_eq(verify(&repair_at_rest, &text), EXIT_OK);
	ck_assert_msg(strstr(text, "2 sequences of the target set") != NULL, "%s", text);
	free(text);
	expect_target("SELECT last_value FROM public.up_id_seq", "9223372036854775807");
	expect_target("SELECT last_value > -9223372036854775000 FROM public.low_id_seq", "t");
}
END_TEST

START_TEST(repair_says_what_is_refused)
{
	char *text;

	make_databases();
	run_both("CREATE TABLE a (id int PRIMARY KEY, n int)");
	run("check_source", "INSERT INTO a SELECT i, i FROM generate_series(1, 10) i");
	run("check_target", "ALTER TABLE a ADD CHECK (n <> 7)");
	install_state("stopped");
	ck_assert_int_eq(verify(&repair_at_rest, &text), EXIT_DIFFERENT);
	ck_assert_ptr_nonnull(strstr(text, "public.a: repaired: 9 inserted, 0 updated, 0 deleted, 1 left: "));
	ck_assert_ptr_nonnull(strstr(text, "a_n_check"));
	free(text);
	expect_target("SELECT count(*) FROM public.a", "9");
}
END_TEST

/* Rows that wait in the quarantine would be there twice after a retry. */
START_TEST(what_waits_in_the_quarantine_is_not_repaired)
{
	const struct verify_options options = {.jobs = 1, .timeout_us = 5000000, .limit = 3, .repair = true};
	const struct verify_options dry = {.jobs = 1,
	                                   .timeout_us = 5000000,
	                                   .limit = 3,
	                                   .repair = true,
	                                   .dry_run = true};
	const char *const wait =
	    "public.bare: repaired: 0 inserted, 0 updated, 0 deleted, 1 left: 2 transactions with changes "
	    "of it wait in the quarantine";
	enum exit_code code;
	struct error *error;
	struct fences fences;
	char *text;

	make_databases();
	run_both("CREATE TABLE bare (n int); CREATE TABLE same (id int PRIMARY KEY); CREATE TABLE other (id int "
	         "PRIMARY KEY)");
	run("check_source", "INSERT INTO bare VALUES (1); INSERT INTO other VALUES (1)");
	install_stream(&fences);
	run_state("INSERT INTO replicator.quarantine (stream, tables, error, events, change_count) VALUES"
	          " ('replicator', '{public.bare}', 'e', '[]', 1), ('replicator', "
	          "'{public.x,public.bare,public.same}', 'e', '[]', 1);"
	          "INSERT INTO replicator.unverified SELECT 'replicator', 'public', t, 'rewritten', '0/0'"
	          " FROM unnest('{bare,same,other}'::text[]) t");
	ck_assert_int_eq(verify(&dry, &text), EXIT_DIFFERENT);
	ck_assert_ptr_nonnull(strstr(text, "1 left: 2 transactions"));
	free(text);
	ck_assert_int_eq(verify(&options, &text), EXIT_DIFFERENT);
	ck_assert_msg(strstr(text, wait) != NULL, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "public.same: 1 transactions with changes of it wait in the quarantine"));
	free(text);
	expect_target("SELECT count(*) FROM public.bare", "0");
	expect_target("SELECT string_agg(table_name, ' ' ORDER BY 1) FROM replicator.unverified", "bare same");
	error = resync_table(configured(), "public", "bare", true, 5000000, stderr, &code);
	expect_error(error, ERROR_CONFIGURATION, NULL, "wait in the quarantine");

	run_state("UPDATE replicator.quarantine SET state = 'skipped'");
	ck_assert_int_eq(verify(&options, &text), EXIT_OK);
	free(text);
	expect_target("SELECT count(*) FROM public.bare", "1");
	expect_target("SELECT count(*) FROM replicator.unverified", "0");
	fences_stop(&fences);
}
END_TEST

/* The types of extensions are compared by their own equality, in whatever schema they are. */
START_TEST(repair_by_keys_of_extensions)
{
	char *text;

	make_databases();
	run_both(
	    "CREATE SCHEMA \"Ex t\"; CREATE EXTENSION citext SCHEMA \"Ex t\"; CREATE EXTENSION ltree SCHEMA \"Ex t\";"
	    "CREATE TYPE mood AS ENUM ('a', 'b'); CREATE DOMAIN mood_domain AS mood;"
	    "CREATE TABLE w (k \"Ex t\".citext PRIMARY KEY, v int); CREATE TABLE l (k \"Ex t\".ltree PRIMARY KEY, v "
	    "int);"
	    "CREATE TABLE m (k mood_domain PRIMARY KEY, v int);"
	    "INSERT INTO w SELECT 'Word' || g, g FROM generate_series(1, 20) g;"
	    "INSERT INTO l SELECT ('a.b' || g)::\"Ex t\".ltree, g FROM generate_series(1, 20) g;"
	    "INSERT INTO m VALUES ('a', 1), ('b', 2)");
	run("check_target",
	    "UPDATE w SET k = upper(k::text) WHERE v = 7; DELETE FROM w WHERE v = 8;"
	    "INSERT INTO w VALUES ('extra', 1); UPDATE l SET v = -1 WHERE v = 9; UPDATE m SET v = 5 WHERE v = 1");
	install_state("stopped");
	ck_assert_int_eq(verify(&repair_at_rest, &text), EXIT_OK);
	ck_assert_msg(strstr(text, "public.l: repaired: 0 inserted, 1 updated, 0 deleted") != NULL, "%s", text);
	ck_assert_msg(strstr(text, "public.m: repaired: 0 inserted, 1 updated, 0 deleted") != NULL, "%s", text);
	free(text);
	expect_target("SELECT string_agg(k::text, ' ' ORDER BY v) FROM public.w WHERE v IN (7, 8)", "Word7 Word8");
}
END_TEST

/* The stream, late with its rows: it commits them when the repair waits for its lock. */
static void *commit_late(void *argument)
{
	struct pg_connection *stream = argument, *watch = connect_database("check_target");

	for (bool waits = false; !waits; clock_sleep_ms(5)) {
		char *value = postgres_value(watch, "SELECT count(*) FROM pg_locks WHERE NOT granted");

		waits = strcmp(value, "0") != 0;
		free(value);
	}
	postgres_execute(stream, "COMMIT");
	pg_disconnect(watch);
	return NULL;
}

START_TEST(repair_after_the_stream_did_it)
{
	struct pg_connection *stream;
	pthread_t thread;
	char *text;

	make_databases();
	run_both("CREATE TABLE a (id int PRIMARY KEY, n int)");
	run("check_source", "INSERT INTO a SELECT i, i FROM generate_series(1, 10) i");
	install_state("stopped");
	stream = connect_database("check_target");
	postgres_execute(stream, "BEGIN; INSERT INTO public.a SELECT i, i FROM generate_series(1, 10) i");
	ck_assert_int_eq(pthread_create(&thread, NULL, commit_late, stream), 0);
	ck_assert_int_eq(verify(&repair_at_rest, &text), EXIT_OK);
	ck_assert_ptr_null(strstr(text, "repaired:"));
	free(text);
	pthread_join(thread, NULL);
	pg_disconnect(stream);
}
END_TEST

START_TEST(repair_of_a_live_pair)
{
	const struct verify_options options = {.jobs = 2,
	                                       .timeout_us = 10000000,
	                                       .limit = 3,
	                                       .repair = true,
	                                       .patterns = (const char *const[]){"live", "quiet"},
	                                       .pattern_count = 2};
	struct stream stream = {0};
	struct fences fences;
	char *text;

	start_stream(&stream);
	fences_start(&fences, "check_source", "check_target", false);
	clock_sleep_ms(200);
	for (int round = 0; round < 3; round++) {
		run("check_target",
		    "UPDATE live SET n = n - 1000 WHERE id BETWEEN 15000 AND 15400;"
		    "DELETE FROM live WHERE id BETWEEN 18000 AND 18100;"
		    "INSERT INTO live SELECT -i, 0 FROM generate_series(1, 100) i; DELETE FROM quiet WHERE id = 5;"
		    "INSERT INTO quiet VALUES (6, 0)");
		ck_assert_int_eq(verify(&options, &text), EXIT_OK);
		ck_assert_ptr_nonnull(strstr(text, "public.quiet: repaired: 1 inserted, 0 updated, 1 deleted"));
		free(text);
	}
	fences_stop(&fences);
	stop_stream(&stream);
	expect_target("SELECT count(*) FROM public.live WHERE n < 0 OR id < 0", "0");
}
END_TEST

/* Unique, not primary: no row of the source can be one whose key is NULL, and nothing finds it by its key. */
START_TEST(null_in_a_key_of_the_target)
{
	struct pair pair;
	char *text;

	make_databases();
	run("check_source",
	    "CREATE TABLE texts (k text PRIMARY KEY, n int); INSERT INTO texts VALUES ('', 0), ('a', 1);"
	    "CREATE TABLE two (a int, b int, PRIMARY KEY (a, b)); INSERT INTO two VALUES (1, 1);"
	    "CREATE TABLE same (k int PRIMARY KEY); INSERT INTO same VALUES (1);"
	    "CREATE TABLE kept (k int PRIMARY KEY)");
	run("check_target",
	    "CREATE TABLE texts (k text UNIQUE, n int); INSERT INTO texts VALUES ('', 0), ('a', 1), (NULL, 2), (NULL, "
	    "3);"
	    "CREATE TABLE two (a int NOT NULL, b int, UNIQUE (a, b)); INSERT INTO two VALUES (1, 1), (1, NULL);"
	    "CREATE TABLE same (k int UNIQUE); INSERT INTO same VALUES (1);"
	    "CREATE TABLE kept (k int UNIQUE); INSERT INTO kept VALUES (NULL)");
	install_state("stopped");
	expect_no_error(compare(&pair, 5000, NULL, 0));
	expect_verdict(&pair, "public.texts", VERDICT_DIFFERENT, NULL);
	expect_verdict(&pair, "public.two", VERDICT_DIFFERENT, NULL);
	expect_verdict(&pair, "public.same", VERDICT_IN_SYNC, NULL);
	expect_verdict(&pair, "public.kept", VERDICT_IN_SYNC, NULL);
	ck_assert_int_eq(check_count_rows(table_of(&pair, "public.texts"), ROW_LASTING, FAULT_EXTRA), 2);
	ck_assert_int_eq(check_rows_of(table_of(&pair, "public.texts"), SIDE_TARGET), 4);
	text = report_text(&pair, false);
	ck_assert_msg(strstr(text, "public.texts: 2 rows of the target have NULL in a column of the key (k)") != NULL,
	              "%s", text);
	free(text);
	text = report_text(&pair, true);
	ck_assert_msg(strstr(text, "\"null_keys\": 2,") != NULL, "%s", text);
	free(text);
	release(&pair);

	run("check_target", "UPDATE texts SET n = 7 WHERE k = 'a'");
	ck_assert_int_eq(verify(&repair_at_rest, &text), EXIT_DIFFERENT);
	ck_assert_msg(strstr(text, "public.texts: repaired: 0 inserted, 1 updated, 0 deleted, 2 left: ") != NULL, "%s",
	              text);
	ck_assert_msg(strstr(text, "public.two: repaired: 0 inserted, 0 updated, 0 deleted, 1 left: ") != NULL, "%s",
	              text);
	free(text);
	run("check_target", "DELETE FROM texts WHERE k IS NULL; DELETE FROM two WHERE b IS NULL");
	ck_assert_int_eq(verify(&repair_at_rest, &text), EXIT_OK);
	free(text);
}
END_TEST

static void await_value(struct pg_connection *connection, const char *sql, const char *expected)
{
	for (bool found = false; !found; clock_sleep_ms(5)) {
		char *value = postgres_value(connection, sql);

		found = strcmp(value, expected) == 0;
		free(value);
	}
}

#define WAITING_FOR_A_LOCK                                                                                             \
	"SELECT count(*) FROM pg_stat_activity WHERE datname = 'check_%s' AND application_name = 'check_target'"       \
	" AND wait_event_type = 'Lock'"

static void *repair_in_thread(void *argument)
{
	struct pair *pair = argument;

	expect_no_error(repair_tables(&pair->comparison, &pair->tables, false));
	return NULL;
}

/*
 * While a lock at the source lasts, the stream must get at the table of the target. Such a lock says nothing of single rows:
 * the batch is left as a whole.
 */
START_TEST(locked_table_of_the_source)
{
	struct pg_connection *source, *stream;
	struct pair pair;
	pthread_t thread;
	char *waits_there = memory_format(WAITING_FOR_A_LOCK, "source");
	char *waits_here = memory_format(WAITING_FOR_A_LOCK, "target");

	make_databases();
	run_both("CREATE TABLE a (id int PRIMARY KEY, n int)");
	run("check_source", "INSERT INTO a SELECT i, i FROM generate_series(1, 10) i");
	install_state("stopped");
	expect_no_error(compare(&pair, 5000, NULL, 0));
	source = connect_database("check_source");
	stream = connect_database("check_target");
	/* The batch has been planned, and waits for the target's table. */
	postgres_execute(stream, "BEGIN; LOCK TABLE public.a IN ROW EXCLUSIVE MODE");
	ck_assert_int_eq(pthread_create(&thread, NULL, repair_in_thread, &pair), 0);
	await_value(source, waits_here, "1");
	postgres_execute(source, "BEGIN; LOCK TABLE public.a IN ACCESS EXCLUSIVE MODE");
	postgres_execute(stream, "COMMIT");
	await_value(source, waits_there, "1");
	postgres_execute(stream, "SET statement_timeout = '30s'; INSERT INTO public.a VALUES (100, 100)");
	pthread_join(thread, NULL);
	ck_assert_int_eq(table_of(&pair, "public.a")->repair.left, 10);
	ck_assert_ptr_nonnull(strstr(table_of(&pair, "public.a")->repair.problem, "lock timeout"));
	postgres_execute(source, "ROLLBACK");
	expect_no_error(repair_tables(&pair.comparison, &pair.tables, false));
	ck_assert_int_eq(table_of(&pair, "public.a")->repair.inserted, 10);
	expect_target("SELECT count(*) FROM public.a", "11");
	free(waits_there);
	free(waits_here);
	pg_disconnect(source);
	pg_disconnect(stream);
	release(&pair);
}
END_TEST

/* While the repair waits for a lock of the target. */
static void *move_sequences(void *argument)
{
	struct pg_connection *stream = argument, *watch = connect_database("check_target");
	char *waiting = memory_format(WAITING_FOR_A_LOCK, "target");

	await_value(watch, waiting, "1");
	run("check_source", "SELECT setval('a_id_seq', 3000)");
	run("check_target", "SELECT setval('b_id_seq', 900000)");
	postgres_execute(stream, "COMMIT");
	free(waiting);
	pg_disconnect(watch);
	return NULL;
}

START_TEST(sequences_that_move_during_the_repair)
{
	struct pg_connection *stream;
	pthread_t thread;
	char *text;

	make_databases();
	run_both("CREATE TABLE a (id serial PRIMARY KEY); CREATE TABLE b (id serial PRIMARY KEY)");
	run("check_source", "INSERT INTO a SELECT FROM generate_series(1, 10); SELECT setval('b_id_seq', 50)");
	install_state("stopped");
	stream = connect_database("check_target");
	postgres_execute(stream, "BEGIN; LOCK TABLE public.a IN ROW EXCLUSIVE MODE");
	ck_assert_int_eq(pthread_create(&thread, NULL, move_sequences, stream), 0);
	ck_assert_int_eq(verify(&repair_at_rest, &text), EXIT_OK);
	ck_assert_msg(strstr(text, "1 sequence of the target set") != NULL, "%s", text);
	free(text);
	pthread_join(thread, NULL);
	pg_disconnect(stream);
	expect_target("SELECT last_value FROM public.a_id_seq", "4000");
	expect_target("SELECT last_value FROM public.b_id_seq", "900000");
}
END_TEST

/* Of few bytes in the table, where they are compressed. */
START_TEST(repair_of_large_values_in_small_batches)
{
#ifdef __SANITIZE_ADDRESS__ /* which keeps 256 MB of freed memory */
	const long most_kb = 400000;
#else
	const long most_kb = 120000;
#endif
	struct rusage before, after;
	char *text;

	make_databases();
	run_both("CREATE TABLE large (id int PRIMARY KEY, t text)");
	run("check_source", "INSERT INTO large SELECT i, repeat('x', 4000000) FROM generate_series(1, 20) i");
	install_state("stopped");
	getrusage(RUSAGE_SELF, &before);
	ck_assert_int_eq(verify(&repair_at_rest, &text), EXIT_OK);
	getrusage(RUSAGE_SELF, &after);
	free(text);
	expect_target("SELECT sum(length(t)) FROM public.large", "80000000");
	ck_assert_msg(after.ru_maxrss - before.ru_maxrss < most_kb, "%ld kB more", after.ru_maxrss - before.ru_maxrss);
}
END_TEST

/* What the stream leaves out under another target.schema. */
START_TEST(schemas_that_the_stream_leaves_out)
{
	struct config config = *configured();
	struct pg_connection *source, *target;
	struct arena *arena = arena_new();
	struct check_tables tables;

	make_databases();
	run("check_source", "CREATE SCHEMA replicator; CREATE TABLE replicator.ddl_log (id int PRIMARY KEY);"
	                    "CREATE SCHEMA repl_state; CREATE TABLE repl_state.x (id int PRIMARY KEY);"
	                    "CREATE TABLE a (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
	run("check_target", "CREATE SCHEMA repl_state; CREATE TABLE repl_state.x (id int PRIMARY KEY);"
	                    "CREATE TABLE a (id int PRIMARY KEY)");
	config.target.schema = "repl_state";
	source = connect_database("check_source");
	target = connect_database("check_target");
	expect_no_error(check_tables_choose(source, target, &config, NULL, NULL, 0, arena, &tables));
	ck_assert_uint_eq(tables.count, 1);
	ck_assert_str_eq(tables.tables[0].label, "public.a");
	ck_assert_ptr_nonnull(tables.left_out);
	ck_assert_str_eq(tables.left_out, "repl_state.x");
	check_tables_release(&tables);
	pg_disconnect(source);
	pg_disconnect(target);
	arena_free(arena);
}
END_TEST

#define LOOK_TIMEOUT_MS 1500

/* The stream passes the second look only when its rows are locked, until the time of the comparison is over. */
static void *delay_second_look(void *argument)
{
	struct stream *stream = argument;
	struct pg_connection *source = connect_database("check_source"), *target = connect_database("check_target");
	struct pg_connection *holder = connect_database("check_target");

	postgres_execute(source, "SELECT pg_create_logical_replication_slot('looks', 'test_decoding', true)");
	atomic_store(&stream->ready, true);
	for (int look = 1; look <= 2; look++) {
		char *lsn, *update;

		await_value(source,
		            "SELECT (count(*) > 0)::text FROM pg_logical_slot_get_changes('looks', NULL, NULL)"
		            " WHERE data LIKE '%content:fence%'",
		            "true");
		if (look == 2)
			postgres_execute(holder, "BEGIN; LOCK TABLE public.a IN ACCESS EXCLUSIVE MODE");
		lsn = postgres_value(source, "SELECT pg_current_wal_insert_lsn()");
		update = memory_format("UPDATE replicator.stream SET last_commit_lsn = '%s'", lsn);
		postgres_execute(target, update);
		free(lsn);
		free(update);
	}
	clock_sleep_ms(LOOK_TIMEOUT_MS);
	postgres_execute(holder, "COMMIT");
	pg_disconnect(holder);
	pg_disconnect(source);
	pg_disconnect(target);
	return NULL;
}

/* Its rows did not change: it is the time that was too short. */
START_TEST(rows_that_were_looked_at_too_seldom)
{
	struct stream stream = {0};
	struct pair pair;

	make_databases();
	run_both("CREATE TABLE a (id int PRIMARY KEY, n int)");
	run("check_source", "INSERT INTO a VALUES (1, 1)");
	install_state("running");
	ck_assert_int_eq(pthread_create(&stream.thread, NULL, delay_second_look, &stream), 0);
	while (!atomic_load(&stream.ready))
		clock_sleep_ms(2);
	expect_no_error(compare(&pair, LOOK_TIMEOUT_MS, NULL, 0));
	pthread_join(stream.thread, NULL);
	expect_verdict(&pair, "public.a", VERDICT_UNCHECKED, "the time was too short");
	release(&pair);
}
END_TEST

/* A SELECT has at most 1,664 results. */
START_TEST(columns_of_a_wide_table_are_named)
{
	const struct verify_options options = {.jobs = 1,
	                                       .timeout_us = 5000000,
	                                       .limit = 3,
	                                       .at_rest = true,
	                                       .show_values = true};
	char *text;

	make_databases();
	run_both("DO $do$ BEGIN EXECUTE 'CREATE TABLE wide (id int PRIMARY KEY, ' || (SELECT string_agg('c' || i || "
	         "' int', ', ') FROM generate_series(1, 1200) i) || ')'; END $do$; INSERT INTO wide (id) VALUES (1)");
	run("check_target", "UPDATE wide SET c7 = 1, c799 = 2, c800 = 3, c1200 = 4");
	ck_assert_int_eq(verify(&options, &text), EXIT_DIFFERENT);
	ck_assert_msg(strstr(text, "c800: NULL in the source, '3' in the target; c1200: NULL") != NULL, "%s", text);
	free(text);
}
END_TEST

/* A star is a character of a name. */
START_TEST(resync_of_one_name)
{
	enum exit_code code;
	struct error *error;
	struct fences fences;

	make_databases();
	run_both("CREATE TABLE \"a*\" (id int PRIMARY KEY); CREATE TABLE ab (id int PRIMARY KEY)");
	run("check_source", "INSERT INTO \"a*\" VALUES (1); INSERT INTO ab VALUES (1)");
	install_stream(&fences);
	expect_no_error(resync_table(configured(), "public", "a*", true, 5000000, stderr, &code));
	ck_assert_int_eq(code, EXIT_OK);
	expect_target("SELECT count(*) FROM public.\"a*\"", "1");
	expect_target("SELECT count(*) FROM public.ab", "0");
	run("check_target", "DROP TABLE \"a*\"");
	error = resync_table(configured(), "public", "a*", true, 5000000, stderr, &code);
	expect_error(error, ERROR_CONFIGURATION, NULL, "public.a*");
	fences_stop(&fences);
}
END_TEST

START_TEST(grid_shows_what_a_terminal_would_eat)
{
	struct arena *arena = arena_new();
	struct grid *grid = grid_new(arena, 2);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	grid_align_right(grid, 1);
	grid_add(grid, "a", 9);
	grid_add(grid, "b", 9);
	grid_add(grid, "tab\tä\x1b[1m", 20);
	grid_add(grid, "1", 9);
	grid_add(grid, "\302\2331m\233\u00a0", 20);
	grid_add(grid, "2", 9);
	grid_add(grid, "äöüßäöüßäö", 6);
	grid_add(grid, "123456", 6);
	grid_print(grid, out);
	fclose(out);
	ck_assert_str_eq(text, "a                   b\n"
	                       "-------------  ------\n"
	                       "tab\\tä\\x1b[1m       1\n"
	                       "\\u009b1m\\x9b\u00a0       2\n"
	                       "äöüßä…         123456\n");
	free(text);
	arena_free(arena);
}
END_TEST

/* CK_RUN_CASE=bounds: what a check must not do to others, or take from them. */
static void add_bounds(Suite *suite)
{
	TCase *tests = tcase_create("bounds");

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, null_in_a_key_of_the_target);
	tcase_add_test(tests, locked_table_of_the_source);
	tcase_add_test(tests, sequences_that_move_during_the_repair);
	tcase_add_test(tests, repair_of_large_values_in_small_batches);
	tcase_add_test(tests, schemas_that_the_stream_leaves_out);
	tcase_add_test(tests, columns_of_a_wide_table_are_named);
	tcase_add_test(tests, resync_of_one_name);
	tcase_add_test(tests, rows_that_were_looked_at_too_seldom);
	suite_add_tcase(suite, tests);
}

int main(void)
{
	Suite *suite = suite_create("check");
	TCase *tests = tcase_create("check");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, equal_values_in_other_dress);
	tcase_add_test(tests, every_fault_is_found);
	tcase_add_test(tests, duplicate_rows_without_key);
	tcase_add_test(tests, rules_and_shapes_count);
	tcase_add_test(tests, captured_table_that_is_missing);
	tcase_add_test(tests, missing_right_on_one_table);
	tcase_add_test(tests, live_pair_is_in_sync);
	tcase_add_test(tests, fault_is_found_in_a_live_pair);
	tcase_add_test(tests, stream_that_stands_still);
	tcase_add_loop_test(tests, row_that_comes_and_goes, 0, 2);
	tcase_add_test(tests, a_fence_is_pushed_again);
	tcase_add_test(tests, snapshot_that_is_being_read);
	tcase_add_loop_test(tests, a_mark_that_is_set_during_the_comparison_stays, 0, 2);
	tcase_add_test(tests, repair_makes_the_pair_equal);
	tcase_add_test(tests, values_that_differ_in_scale_only);
	tcase_add_test(tests, repair_of_an_identity_column);
	tcase_add_test(tests, repair_that_makes_no_progress_stops);
	tcase_add_test(tests, repair_of_json_with_the_escape_of_nul);
	tcase_add_test(tests, changed_definition_is_neither_equal_nor_repaired);
	tcase_add_test(tests, repair_of_unique_values_that_changed_places);
	tcase_add_test(tests, sequences_without_room);
	tcase_add_test(tests, repair_says_what_is_refused);
	tcase_add_test(tests, what_waits_in_the_quarantine_is_not_repaired);
	tcase_add_test(tests, repair_by_keys_of_extensions);
	tcase_add_test(tests, repair_after_the_stream_did_it);
	tcase_add_test(tests, repair_of_a_live_pair);
	tcase_add_test(tests, grid_shows_what_a_terminal_would_eat);
	suite_add_tcase(suite, tests);
	add_bounds(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
