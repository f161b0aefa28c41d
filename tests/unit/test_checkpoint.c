/* test_checkpoint.c - the state schema, who owns a stream, and what a commit writes. */
#include "base/clock.h"
#include "base/embedded.h"
#include "base/memory.h"
#include "base/signals.h"
#include "postgres.h"
#include "target/checkpoint.h"

#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config config = {.stream.name = "s 'x\"",
                               .stream.holder_timeout_ms = 60000,
                               .target.schema = "State \"1\""};

#define SCHEMA "\"State \"\"1\"\"\""

/* A connection to a fresh state schema. */
static struct pg_connection *fresh(void)
{
	struct pg_connection *connection = postgres_connect();

	postgres_execute(connection, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS " SCHEMA " CASCADE");
	expect_no_error(checkpoint_install_schema(connection, config.target.schema));
	return connection;
}

static void expect_epoch(struct pg_connection *connection, int64_t epoch)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, epoch);
	postgres_expect(connection, "SELECT epoch FROM " SCHEMA ".stream", text);
}

START_TEST(schema_is_installed_once)
{
	struct pg_connection *connection = postgres_connect();
	char *version;

	postgres_execute(connection, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS " SCHEMA " CASCADE");
	expect_error(checkpoint_check_schema(connection, config.target.schema), ERROR_CONFIGURATION, "",
	             "replicator init target");
	expect_error(checkpoint_remove_schema(connection, config.target.schema), ERROR_CONFIGURATION, "",
	             "no tables of the replicator");
	postgres_execute(connection, "CREATE SCHEMA " SCHEMA);
	expect_error(checkpoint_check_schema(connection, config.target.schema), ERROR_CONFIGURATION, "",
	             "replicator init target");
	expect_no_error(checkpoint_install_schema(connection, config.target.schema));
	expect_no_error(checkpoint_check_schema(connection, config.target.schema));
	expect_no_error(checkpoint_install_schema(connection, config.target.schema));
	version = postgres_value(connection, "SELECT count(*) = max(version) FROM " SCHEMA ".schema_version");
	ck_assert_str_eq(version, "t");
	free(version);
	postgres_expect(connection, "SELECT count(*) FROM " SCHEMA ".status", "0");
	/* After the promotion of a standby an unlogged sequence says "bad magic number" (PostgreSQL 15). */
	postgres_expect(connection,
	                "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
	                " WHERE relkind = 'S' AND relpersistence <> 'p' AND nspname LIKE 'State%'",
	                "0");
	postgres_execute(connection, "INSERT INTO " SCHEMA ".schema_version VALUES (9999)");
	expect_error(checkpoint_check_schema(connection, config.target.schema), ERROR_CONFIGURATION, "",
	             "newer replicator");
	expect_error(checkpoint_install_schema(connection, config.target.schema), ERROR_CONFIGURATION, "",
	             "newer replicator");
	postgres_execute(connection, "DELETE FROM " SCHEMA ".schema_version");
	expect_error(checkpoint_check_schema(connection, config.target.schema), ERROR_CONFIGURATION, "", "init target");
	expect_no_error(pg_execute(connection, "INSERT INTO " SCHEMA ".schema_version VALUES (1)"));
	expect_no_error(checkpoint_remove_schema(connection, config.target.schema));
	pg_disconnect(connection);
}
END_TEST

/* What the user has is never dropped: neither in the schema nor what depends on ours. */
START_TEST(schema_with_something_else)
{
	struct pg_connection *connection = postgres_connect();

	postgres_execute(connection, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS " SCHEMA " CASCADE;"
	                             "DROP VIEW IF EXISTS public.of_ours; CREATE SCHEMA " SCHEMA ";"
	                             "CREATE TABLE " SCHEMA ".users (id serial PRIMARY KEY)");
	expect_error(checkpoint_install_schema(connection, config.target.schema), ERROR_CONFIGURATION, "",
	             "holds 1 objects that are not the replicator's (users)");
	postgres_execute(connection, "DROP TABLE " SCHEMA ".users");
	expect_no_error(checkpoint_install_schema(connection, config.target.schema));
	postgres_execute(connection, "CREATE TABLE " SCHEMA ".users (id serial PRIMARY KEY); CREATE TYPE " SCHEMA
	                             ".mood AS ENUM ('ok'); CREATE FUNCTION " SCHEMA ".f() RETURNS int LANGUAGE sql AS "
	                             "'SELECT 1'");
	expect_error(checkpoint_remove_schema(connection, config.target.schema), ERROR_CONFIGURATION, "",
	             "holds 3 objects that are not the replicator's (f(), mood, users)");
	postgres_execute(connection, "DROP TABLE " SCHEMA ".users; DROP TYPE " SCHEMA ".mood; DROP FUNCTION " SCHEMA
	                             ".f(); CREATE VIEW public.of_ours AS SELECT * FROM " SCHEMA ".status");
	expect_error(checkpoint_remove_schema(connection, config.target.schema), ERROR_TARGET, "2BP01", "status");
	postgres_expect(connection, "SELECT count(*) FROM " SCHEMA ".status", "0");
	postgres_execute(connection, "DROP VIEW public.of_ours");
	expect_no_error(checkpoint_remove_schema(connection, config.target.schema));
	pg_disconnect(connection);
}
END_TEST

START_TEST(failed_installation_leaves_nothing)
{
	struct pg_connection *connection = postgres_connect();

	postgres_execute(connection, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS " SCHEMA " CASCADE");
	postgres_execute(connection, "CREATE ROLE small_role; SET ROLE small_role");
	expect_error(checkpoint_install_schema(connection, config.target.schema), ERROR_TARGET, "42501",
	             "creating schema");
	postgres_execute(connection, "RESET ROLE; DROP ROLE small_role; CREATE SCHEMA " SCHEMA);
	postgres_execute(connection, "CREATE TABLE " SCHEMA ".quarantine ()");
	expect_error(checkpoint_install_schema(connection, config.target.schema), ERROR_TARGET, "42P07",
	             "001_state.sql");
	postgres_expect(connection, "SELECT count(*) FROM pg_tables WHERE schemaname = 'State \"1\"'", "1");
	postgres_execute(connection, "DROP SCHEMA " SCHEMA " CASCADE");
	pg_disconnect(connection);
}
END_TEST

static void *install_in_thread(void *argument)
{
	(void)argument;
	struct pg_connection *connection = postgres_connect();

	expect_no_error(checkpoint_install_schema(connection, config.target.schema));
	pg_disconnect(connection);
	return NULL;
}

START_TEST(two_install_at_once)
{
	struct pg_connection *connection = postgres_connect();
	pthread_t threads[4];

	postgres_execute(connection, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS " SCHEMA " CASCADE");
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, install_in_thread, NULL), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	expect_no_error(checkpoint_check_schema(connection, config.target.schema));
	pg_disconnect(connection);
}
END_TEST

START_TEST(printed_schema_is_the_installed_one)
{
	struct pg_connection *connection = postgres_connect();
	struct buffer sql = {0};

	postgres_execute(connection, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS " SCHEMA " CASCADE");
	checkpoint_print_schema(config.target.schema, &sql);
	postgres_execute(connection, sql.data);
	expect_no_error(checkpoint_check_schema(connection, config.target.schema));
	buffer_free(&sql);
	pg_disconnect(connection);
}
END_TEST

static void take_rows(void *context, size_t number, uint64_t rows)
{
	(void)number;
	*(uint64_t *)context = rows; /* the last statement but COMMIT is the checkpoint's */
}

/* One batch without rows; gives the checkpoint's row count, commits when it is one. */
static uint64_t send(struct pg_connection *connection, const struct partition_list *partitions,
                     const struct checkpoint_update *update)
{
	uint64_t rows = 99;

	postgres_execute(connection, "BEGIN");
	expect_no_error(pg_pipeline_begin(connection));
	expect_no_error(checkpoint_send(connection, &config, partitions, update));
	expect_no_error(pg_pipeline_sync(connection));
	expect_no_error(pg_pipeline_finish(connection, take_rows, &rows, NULL));
	postgres_execute(connection, rows == 1 ? "COMMIT" : "ROLLBACK");
	return rows;
}

START_TEST(first_start_then_commit_then_next_start)
{
	struct pg_connection *connection = fresh();
	struct partition_list *partitions = partition_list_new();
	uint32_t a0 = partition_list_add(partitions, "db.odd, \"topic\"", 0);
	uint32_t b3 = partition_list_add(partitions, "db.b", 3);
	uint32_t b4 = partition_list_add(partitions, "db.b", 4);
	const struct position positions[] = {{a0, 5, {1, 2}}, {b3, 0, {0}}, {a0, 17, {16, INT64_C(1764000000123)}}};
	const struct position later[] = {{b4, INT64_C(9007199254740993), {0}}};
	struct checkpoint checkpoint;
	int64_t first_epoch;
	struct checkpoint_update update = {
	    .last_commit_lsn = 0x16B374D848,
	    .last_tx_id = 4294967295,
	    .last_message_lsn = 0x16B374D900,
	    .source_us = INT64_C(1769860800123456),
	    .cluster_id = "abc",
	    .positions = positions,
	    .position_count = 3,
	};

	expect_no_error(checkpoint_claim(connection, &config, &checkpoint, &update.epoch));
	ck_assert(!checkpoint.exists);
	ck_assert_uint_eq(checkpoint.offset_count, 0);
	ck_assert_str_eq(checkpoint.cluster_id, "");
	checkpoint_free(&checkpoint);

	ck_assert_uint_eq(send(connection, partitions, &update), 1);
	postgres_expect(connection, "SELECT source_commit_at FROM " SCHEMA ".stream", "2026-01-31 12:00:00.123456+00");
	postgres_expect(connection, "SELECT applied_at > now() - interval '1 minute' FROM " SCHEMA ".stream", "t");
	/* Nothing but positions: the watermark stays. */
	update = (struct checkpoint_update){.epoch = update.epoch, .positions = later, .position_count = 1};
	ck_assert_uint_eq(send(connection, partitions, &update), 1);
	postgres_expect(connection, "SELECT source_commit_at FROM " SCHEMA ".stream", "2026-01-31 12:00:00.123456+00");
	update.position_count = 0;
	ck_assert_uint_eq(send(connection, partitions, &update), 1);
	pg_disconnect(connection);

	connection = postgres_connect();
	first_epoch = update.epoch;
	expect_no_error(checkpoint_claim(connection, &config, &checkpoint, &update.epoch));
	ck_assert_int_gt(update.epoch, first_epoch);
	ck_assert(checkpoint.exists);
	ck_assert_str_eq(checkpoint.cluster_id, "abc");
	ck_assert_uint_eq(checkpoint.last_commit_lsn, 0x16B374D848);
	ck_assert_uint_eq(checkpoint.last_tx_id, 4294967295);
	ck_assert_uint_eq(checkpoint.last_message_lsn, 0x16B374D900);
	ck_assert_uint_eq(checkpoint.snapshot.tx_id, 0);
	ck_assert_uint_eq(checkpoint.snapshot.lsn, 0);
	ck_assert(!checkpoint.snapshot_open);
	ck_assert_uint_eq(checkpoint.offset_count, 3);
	ck_assert_str_eq(checkpoint.offsets[0].topic, "db.b");
	ck_assert_int_eq(checkpoint.offsets[0].partition, 3);
	ck_assert_int_eq(checkpoint.offsets[0].next_offset, 0);
	ck_assert_int_eq(checkpoint.offsets[1].next_offset, INT64_C(9007199254740993));
	ck_assert_str_eq(checkpoint.offsets[2].topic, "db.odd, \"topic\"");
	ck_assert_int_eq(checkpoint.offsets[2].next_offset, 17);
	ck_assert_int_eq(checkpoint.offsets[2].witness.offset, 16);
	ck_assert_int_eq(checkpoint.offsets[2].witness.timestamp_ms, INT64_C(1764000000123));
	ck_assert_int_eq(checkpoint.offsets[1].witness.timestamp_ms, 0);
	checkpoint_free(&checkpoint);
	partition_list_free(partitions);
	pg_disconnect(connection);
}
END_TEST

START_TEST(snapshots_are_recorded)
{
	struct pg_connection *connection = fresh();
	struct partition_list *partitions = partition_list_new();
	struct checkpoint checkpoint;
	struct checkpoint_update update = {.snapshot = {700, 0xABC}, .snapshot_open = true, .snapshot_rows = 10};

	expect_no_error(checkpoint_claim(connection, &config, &checkpoint, &update.epoch));
	checkpoint_free(&checkpoint);
	ck_assert_uint_eq(send(connection, partitions, &update), 1);
	expect_no_error(checkpoint_reclaim(connection, &config, update.epoch, &checkpoint));
	ck_assert(!checkpoint.snapshot_last_row);
	checkpoint_free(&checkpoint);
	update.snapshot_rows = 5;
	update.snapshot_last_row = true;
	ck_assert_uint_eq(send(connection, partitions, &update), 1);
	update.snapshot_last_row = false; /* it stays */
	update.snapshot_rows = 0;
	ck_assert_uint_eq(send(connection, partitions, &update), 1);
	expect_no_error(checkpoint_reclaim(connection, &config, update.epoch, &checkpoint));
	ck_assert(checkpoint.snapshot_last_row);
	ck_assert_uint_eq(checkpoint.snapshot.tx_id, 700);
	ck_assert_uint_eq(checkpoint.snapshot.lsn, 0xABC);
	ck_assert(checkpoint.snapshot_open);
	checkpoint_free(&checkpoint);
	update.snapshot_open = false;
	ck_assert_uint_eq(send(connection, partitions, &update), 1);
	expect_no_error(checkpoint_reclaim(connection, &config, update.epoch, &checkpoint));
	ck_assert(!checkpoint.snapshot_open);
	checkpoint_free(&checkpoint);
	postgres_expect(connection, "SELECT snapshot_rows FROM " SCHEMA ".status", "15");
	/* The next snapshot. */
	update.snapshot = (struct snapshot_identity){701, 0xABD};
	update.snapshot_open = true;
	ck_assert_uint_eq(send(connection, partitions, &update), 1);
	expect_no_error(checkpoint_reclaim(connection, &config, update.epoch, &checkpoint));
	ck_assert_uint_eq(checkpoint.snapshot.tx_id, 701);
	ck_assert(checkpoint.snapshot_open);
	ck_assert(!checkpoint.snapshot_last_row);
	checkpoint_free(&checkpoint);
	partition_list_free(partitions);
	pg_disconnect(connection);
}
END_TEST

/* Law 8: after another instance claimed the stream, ours writes nothing any more. */
START_TEST(fenced_instance_writes_nothing)
{
	struct pg_connection *old = fresh(), *new = postgres_connect();
	struct partition_list *partitions = partition_list_new();
	const struct position positions[] = {{partition_list_add(partitions, "t", 0), 7, {0}}};
	struct checkpoint checkpoint;
	struct checkpoint_update update = {.positions = positions,
	                                   .position_count = 1,
	                                   .last_commit_lsn = 5,
	                                   .snapshot = {1, 1},
	                                   .snapshot_open = true};
	int64_t new_epoch = 0;

	expect_no_error(checkpoint_claim(old, &config, &checkpoint, &update.epoch));
	checkpoint_free(&checkpoint);
	/* The lock is gone while the session lives: as after a failover of the target. */
	postgres_execute(old, "SELECT pg_advisory_unlock_all()");
	expect_no_error(checkpoint_claim(new, &config, &checkpoint, &new_epoch));
	checkpoint_free(&checkpoint);
	ck_assert_int_gt(new_epoch, update.epoch);
	ck_assert_uint_eq(send(old, partitions, &update), 0);
	postgres_expect(new, "SELECT count(*) FROM " SCHEMA ".offsets", "0");
	postgres_expect(new, "SELECT count(*) FROM " SCHEMA ".snapshot_progress", "0");
	expect_error(checkpoint_write_state(old, &config, update.epoch, "running", NULL), ERROR_FENCED, "",
	             "taken over");
	expect_error(checkpoint_reclaim(old, &config, update.epoch, &checkpoint), ERROR_FENCED, "", "taken over");
	expect_no_error(checkpoint_write_state(new, &config, new_epoch, "failed", "why"));
	postgres_expect(new, "SELECT state || ' ' || error FROM " SCHEMA ".status", "failed why");
	pg_disconnect(new);
	/* The lock is free again; still the epoch is not ours. */
	expect_error(checkpoint_reclaim(old, &config, update.epoch, &checkpoint), ERROR_FENCED, "", "taken over");
	partition_list_free(partitions);
	pg_disconnect(old);
}
END_TEST

/* A promoted standby that had not got the first's claim: the second's claim there must not look like the first's. */
START_TEST(claim_on_a_target_that_went_back_is_another)
{
	struct pg_connection *first = fresh(), *second = postgres_connect();
	struct checkpoint checkpoint;
	int64_t first_epoch = 0, second_epoch = 0;

	expect_no_error(checkpoint_claim(first, &config, &checkpoint, &first_epoch));
	checkpoint_free(&checkpoint);
	postgres_execute(first, "SELECT pg_advisory_unlock_all(); UPDATE " SCHEMA ".stream SET epoch = epoch - 1");
	expect_no_error(checkpoint_reclaim(first, &config, first_epoch, &checkpoint));
	ck_assert(checkpoint.claim_lost);
	postgres_execute(first, "SELECT pg_advisory_unlock_all()");
	expect_no_error(checkpoint_claim(second, &config, &checkpoint, &second_epoch));
	ck_assert(!checkpoint.claim_lost);
	checkpoint_free(&checkpoint);
	ck_assert_int_gt(second_epoch, first_epoch);
	expect_error(checkpoint_reclaim(first, &config, first_epoch, &checkpoint), ERROR_FENCED, "", "taken over");
	expect_no_error(checkpoint_beat(second, &config, second_epoch));
	pg_disconnect(first);
	pg_disconnect(second);
}
END_TEST

/* A session of ours that we lost, with a transaction open that holds the stream's row. */
START_TEST(reclaim_ends_our_lost_session)
{
	struct pg_connection *lost = fresh(), *again = postgres_connect();
	struct checkpoint checkpoint;
	int64_t epoch = 0;
	int64_t start;

	expect_no_error(checkpoint_claim(lost, &config, &checkpoint, &epoch));
	checkpoint_free(&checkpoint);
	postgres_execute(lost, "BEGIN; UPDATE " SCHEMA ".stream SET last_tx_id = 99");
	start = clock_monotonic_us();
	expect_no_error(checkpoint_reclaim(again, &config, epoch, &checkpoint));
	ck_assert_int_lt(clock_monotonic_us() - start, 5000000);
	ck_assert_uint_eq(checkpoint.last_tx_id, 0);
	checkpoint_free(&checkpoint);
	expect_error(pg_execute(lost, "COMMIT"), ERROR_TRANSIENT, "57P01", "terminating");
	expect_epoch(again, epoch);
	pg_disconnect(lost);
	pg_disconnect(again);
}
END_TEST

static void *stop_soon(void *argument)
{
	(void)argument;
	clock_sleep_ms(700);
	signals_request_stop();
	return NULL;
}

START_TEST(standby_waits_until_it_is_asked_to_stop)
{
	struct pg_connection *active = fresh(), *standby = postgres_connect();
	struct checkpoint checkpoint;
	int64_t epoch = 0, none = 0;
	pthread_t thread;

	expect_no_error(checkpoint_claim(active, &config, &checkpoint, &epoch));
	checkpoint_free(&checkpoint);
	ck_assert_int_eq(pthread_create(&thread, NULL, stop_soon, NULL), 0);
	expect_error(checkpoint_claim(standby, &config, &checkpoint, &none), ERROR_INTERRUPTED, "", "asked to stop");
	pthread_join(thread, NULL);
	expect_epoch(standby, epoch);
	pg_disconnect(active);
	pg_disconnect(standby);
}
END_TEST

/* Stopped between its checkpoint and its COMMIT, it holds the row that we must write, too. */
START_TEST(silent_holder_is_replaced)
{
	struct pg_connection *silent = fresh(), *standby = postgres_connect();
	struct checkpoint checkpoint;
	int64_t silent_epoch = 0, epoch = 0, start;

	config.stream.holder_timeout_ms = 1000;
	expect_no_error(checkpoint_claim(silent, &config, &checkpoint, &silent_epoch));
	checkpoint_free(&checkpoint);
	postgres_execute(silent, "BEGIN; UPDATE " SCHEMA ".stream SET last_tx_id = 99");
	start = clock_monotonic_us();
	expect_no_error(checkpoint_claim(standby, &config, &checkpoint, &epoch));
	ck_assert_int_ge(clock_monotonic_us() - start, 1000000);
	ck_assert_int_lt(clock_monotonic_us() - start, 4000000);
	ck_assert_int_gt(epoch, silent_epoch);
	ck_assert_uint_eq(checkpoint.last_tx_id, 0);
	checkpoint_free(&checkpoint);
	expect_error(pg_execute(silent, "COMMIT"), ERROR_TRANSIENT, "57P01", "terminating");
	pg_disconnect(silent);
	silent = postgres_connect();
	pg_disconnect(standby);
	expect_error(checkpoint_reclaim(silent, &config, silent_epoch, &checkpoint), ERROR_FENCED, "", "taken over");
	expect_error(checkpoint_beat(silent, &config, silent_epoch), ERROR_FENCED, "", "taken over");
	/* The epoch alone is not enough. */
	expect_error(checkpoint_beat(silent, &config, epoch), ERROR_FENCED, "", "another server process");
	pg_disconnect(silent);
}
END_TEST

/* An instance stopped between taking the lock and writing its name into the row, or in the middle of a COPY. */
START_TEST(holder_without_a_row_is_replaced)
{
	struct pg_connection *silent = fresh(), *standby = postgres_connect();
	struct checkpoint checkpoint;
	int64_t epoch = 0;

	config.stream.holder_timeout_ms = 1000;
	expect_no_error(checkpoint_claim(silent, &config, &checkpoint, &epoch));
	checkpoint_free(&checkpoint);
	postgres_execute(silent, "DELETE FROM " SCHEMA ".stream");
	postgres_execute(silent, "CREATE TEMPORARY TABLE copied (t text)");
	expect_no_error(pg_copy_begin(silent, "COPY pg_temp.copied FROM STDIN"));
	expect_no_error(checkpoint_claim(standby, &config, &checkpoint, &epoch));
	checkpoint_free(&checkpoint);
	pg_disconnect(silent);
	pg_disconnect(standby);
}
END_TEST

static atomic_bool beating;
static int64_t beating_epoch;

static void *beat(void *argument)
{
	while (atomic_load(&beating)) {
		expect_no_error(checkpoint_beat(argument, &config, beating_epoch));
		clock_sleep_ms(200);
	}
	postgres_execute(argument, "SELECT pg_sleep(2)"); /* one long statement is a sign of life */
	signals_request_stop();
	postgres_execute(argument, "SELECT pg_sleep(1)");
	return NULL;
}

static void *end_beating(void *argument)
{
	(void)argument;
	clock_sleep_ms(2000);
	atomic_store(&beating, false);
	return NULL;
}

/* The second time the server does not track what sessions do. */
START_TEST(living_holder_is_not_replaced)
{
	struct pg_connection *active = fresh(), *standby = postgres_connect();
	struct checkpoint checkpoint;
	int64_t epoch = 0;
	pthread_t threads[2];

	config.stream.holder_timeout_ms = 1000;
	expect_no_error(checkpoint_claim(active, &config, &checkpoint, &epoch));
	checkpoint_free(&checkpoint);
	beating_epoch = epoch;
	postgres_execute(active, _i == 1 ? "SET track_activities = off" : "SET track_activities = on");
	atomic_store(&beating, true);
	ck_assert_int_eq(pthread_create(&threads[0], NULL, beat, active), 0);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, end_beating, NULL), 0);
	expect_error(checkpoint_claim(standby, &config, &checkpoint, &epoch), ERROR_INTERRUPTED, "", "asked to stop");
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	expect_no_error(checkpoint_beat(active, &config, beating_epoch));
	pg_disconnect(active);
	pg_disconnect(standby);
}
END_TEST

/*
 * What the server has read of the stream's row and offsets, in pages, once it has counted `commits` of them. A
 * session's counts are sure to be there when it has ended.
 */
static int64_t pages_read(struct pg_connection *connection, int64_t commits)
{
	char *counted = memory_format(
	    "SELECT CASE WHEN min(n_tup_upd) >= %" PRId64 " THEN sum(heap_blks_hit + heap_blks_read + idx_blks_hit + "
	    "idx_blks_read) ELSE -1 END FROM pg_stat_user_tables JOIN pg_statio_user_tables USING (relid) "
	    "WHERE pg_stat_user_tables.schemaname = 'State \"1\"' AND pg_stat_user_tables.relname IN ('stream', "
	    "'offsets')",
	    commits);
	int64_t pages = -1;

	for (int tries = 0; pages < 0 && tries < 100; tries++) {
		char *value = postgres_value(connection, counted);

		pages = strtoll(value, NULL, 10);
		free(value);
		if (pages < 0)
			clock_sleep_ms(100);
	}
	free(counted);
	return pages;
}

/* It runs with every commit: the tables must not grow, and no plan may read more than a few pages of them. */
START_TEST(many_commits_stay_cheap)
{
	enum { COMMITS = 2000 };
	struct pg_connection *connection = fresh();
	struct partition_list *partitions = partition_list_new();
	struct position positions[4];
	struct checkpoint checkpoint;
	struct checkpoint_update update = {.positions = positions, .position_count = 4};
	int64_t pages;

	postgres_execute(connection, "SET synchronous_commit = off");
	expect_no_error(checkpoint_claim(connection, &config, &checkpoint, &update.epoch));
	checkpoint_free(&checkpoint);
	for (uint32_t i = 0; i < 4; i++)
		positions[i].partition = partition_list_add(partitions, "t", (int32_t)i);
	for (int64_t n = 1; n <= COMMITS; n++) {
		for (size_t i = 0; i < 4; i++)
			positions[i].next_offset = n;
		update.last_commit_lsn = (uint64_t)n;
		ck_assert_uint_eq(send(connection, partitions, &update), 1);
	}
	postgres_expect(
	    connection,
	    "SELECT max(pg_relation_size(c.oid)) < 200000 FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
	    " WHERE nspname = 'State \"1\"' AND relname IN ('stream', 'offsets')",
	    "t");
	partition_list_free(partitions);
	pg_disconnect(connection);
	connection = postgres_connect();
	pages = pages_read(connection, COMMITS);
	printf("checkpoint: %.1f pages a commit\n", (double)pages / COMMITS);
	ck_assert_int_gt(pages, COMMITS);
	ck_assert_int_lt(pages, COMMITS * 50);
	pg_disconnect(connection);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("checkpoint");
	TCase *tests = tcase_create("checkpoint");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, schema_is_installed_once);
	tcase_add_test(tests, schema_with_something_else);
	tcase_add_test(tests, failed_installation_leaves_nothing);
	tcase_add_test(tests, two_install_at_once);
	tcase_add_test(tests, printed_schema_is_the_installed_one);
	tcase_add_test(tests, first_start_then_commit_then_next_start);
	tcase_add_test(tests, snapshots_are_recorded);
	tcase_add_test(tests, fenced_instance_writes_nothing);
	tcase_add_test(tests, claim_on_a_target_that_went_back_is_another);
	tcase_add_test(tests, reclaim_ends_our_lost_session);
	tcase_add_test(tests, standby_waits_until_it_is_asked_to_stop);
	tcase_add_test(tests, silent_holder_is_replaced);
	tcase_add_test(tests, holder_without_a_row_is_replaced);
	tcase_add_loop_test(tests, living_holder_is_not_replaced, 0, 2);
	tcase_add_test(tests, many_commits_stay_cheap);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
