/*
 * test_resyncer.c - resyncs that begin by themselves. The resyncer starts the program that runs, which is this one:
 * main is then the command, and does what the table's name says.
 */
#include "base/process.h"
#include "ops/resyncer.h"
#include "postgres.h"
#include "target/checkpoint.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_NAME "/nowhere/replicator.conf"
#define PID_FILE "REPLICATOR_TEST_PID_FILE"

enum { SECOND = 1000000 };

static struct config config = {.file = FILE_NAME,
                               .stream.name = "s",
                               .source.dsn = "dbname=source",
                               .target.schema = "resyncer_state",
                               .supervision.resync = true};
static struct pg_connection *side;
static struct resyncer *resyncer;
static struct resync_state state;
static int64_t now; /* the time that the resyncer is told */

/* --- the command -------------------------------------------------------------------------------------------------- */

static void clear_mark(const char *table)
{
	struct pg_connection *connection = NULL;
	struct error *error = pg_connect(getenv("REPLICATOR_TEST_DSN"), "the command", &connection);
	const char *const parameters[1] = {table};

	if (error == NULL)
		error = pg_query(connection,
		                 "DELETE FROM resyncer_state.unverified WHERE schema_name || '.' || table_name = $1", 1,
		                 parameters, NULL);
	if (error != NULL)
		_exit(99);
	pg_disconnect(connection);
}

static void write_pid(void)
{
	FILE *file = getenv(PID_FILE) != NULL ? fopen(getenv(PID_FILE), "w") : NULL;

	if (file == NULL)
		return;
	fprintf(file, "%d\n", (int)getpid());
	fclose(file);
}

static int command(int argc, char **argv)
{
	const char *table = argv[3];

	bool compares = argc == 9 && strcmp(argv[8], "--compare-only") == 0;

	if ((argc != 8 && !compares) || strcmp(argv[2], "resync") != 0 || strcmp(argv[4], "-c") != 0 ||
	    strcmp(argv[5], FILE_NAME) != 0)
		return 98;
	if (compares != (strstr(table, "snapshot") != NULL))
		return 97;
	puts("a report, which nobody asked for");
	if (strstr(table, "good") != NULL)
		clear_mark(table);
	if (strstr(table, "bad") != NULL)
		fputs("2026-01-01T00:00:00.000Z INFO  it was tried\nthere is no connector\n", stderr);
	if (strstr(table, "slow") != NULL) {
		write_pid();
		pause();
	}
	return strstr(table, "bad") != NULL ? 4 : 0;
}

/* --- the resyncer ------------------------------------------------------------------------------------------------- */

static void set_up(void)
{
	side = postgres_connect();
	postgres_execute(side, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS resyncer_state CASCADE");
	expect_no_error(checkpoint_install_schema(side, config.target.schema));
	postgres_execute(
	    side, "INSERT INTO resyncer_state.stream (name, epoch) VALUES ('s', 1), ('other', 1);"
	          "INSERT INTO resyncer_state.unverified VALUES ('other', 'public', 'good', 'rewritten', '0/1')");
	config.target.dsn = postgres_dsn();
	config.supervision.resync = true;
	config.source.dsn = "dbname=source";
	now = 1000 * (int64_t)SECOND;
	resyncer = resyncer_new(&config);
}

static void tear_down(void)
{
	resyncer_free(resyncer);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no process is left */
	ck_assert_int_eq(errno, ECHILD);
	pg_disconnect(side);
}

static void mark(const char *table)
{
	char *sql = memory_format("INSERT INTO resyncer_state.unverified VALUES ('s', 'public', '%s', '%s', '0/1')",
	                          table, strstr(table, "snapshot") != NULL ? "snapshot" : "rewritten");

	postgres_execute(side, sql);
	free(sql);
}

static void look(void)
{
	resyncer_look(resyncer, true, now, &state);
}

/* Until no process works; the time that the resyncer is told stands still. */
static void look_until_idle(void)
{
	for (int i = 0; i < 500; i++) {
		look();
		if (state.table[0] == '\0')
			return;
		clock_sleep_ms(20);
	}
	ck_abort_msg("%s is still being resynced", state.table);
}

START_TEST(marked_tables_are_resynced_one_by_one)
{
	mark("good1");
	mark("good2");
	look();
	ck_assert(state.known);
	ck_assert_uint_eq(state.tables, 2);
	ck_assert_str_eq(state.table, "public.good1");
	look_until_idle();
	ck_assert_uint_eq(state.tables, 0);
	ck_assert_uint_eq(state.runs, 2);
	ck_assert_uint_eq(state.failures, 0);
	postgres_expect(side, "SELECT string_agg(stream, ' ') FROM resyncer_state.unverified", "other");
}
END_TEST

/* A table that a snapshot left unverified is only compared, and not while rows of the snapshot may follow. */
START_TEST(a_snapshot_ends_before_its_tables_are_compared)
{
	mark("good_snapshot");
	postgres_execute(side, "INSERT INTO resyncer_state.snapshot_progress VALUES"
	                       " ('s', 5, '0/5', 1, now() - interval '1 h', NULL), ('s', 9, '0/9', 1, now(), NULL)");
	for (int i = 0; i < 3; i++)
		look();
	ck_assert_uint_eq(state.tables, 1);
	ck_assert_uint_eq(state.runs, 0);
	/* The one before was broken off and replaced. */
	postgres_execute(side,
	                 "UPDATE resyncer_state.snapshot_progress SET finished_at = now() WHERE snapshot_tx_id = 9");
	look();
	look_until_idle();
	ck_assert_uint_eq(state.runs, 1);
	ck_assert_uint_eq(state.failures, 0);
	ck_assert_uint_eq(state.tables, 0);
}
END_TEST

/* Its last row may be lost: the transaction that a resync writes at the source shows that it is over. */
START_TEST(a_snapshot_without_an_end_does_not_keep_tables_waiting)
{
	mark("good_snapshot");
	postgres_execute(side, "INSERT INTO resyncer_state.snapshot_progress VALUES ('s', 9, '0/9', 1, now(), NULL)");
	look();
	now += 25 * SECOND;
	look();
	postgres_execute(side,
	                 "UPDATE resyncer_state.snapshot_progress SET rows = 2"); /* more rows of it were applied */
	now += 25 * SECOND;
	look();
	now += 29 * SECOND;
	look();
	ck_assert_uint_eq(state.runs, 0);
	now += 1 * SECOND;
	look();
	look_until_idle();
	ck_assert_uint_eq(state.runs, 1);
	ck_assert_uint_eq(state.tables, 0);
}
END_TEST

START_TEST(a_failure_is_said_and_tried_again_later)
{
	mark("bad");
	look_until_idle();
	ck_assert_uint_eq(state.runs, 1);
	ck_assert_uint_eq(state.failures, 1);
	ck_assert_str_eq(state.problem, "there is no connector");
	now += 1 * SECOND;
	look();
	ck_assert_str_eq(state.table, "");
	now += 5 * SECOND;
	look();
	ck_assert_str_eq(state.table, "public.bad");
	look_until_idle();
	now += 4 * SECOND; /* twice as long now, at least half of it */
	look();
	ck_assert_str_eq(state.table, "");
	ck_assert_uint_eq(state.failures, 2);
}
END_TEST

START_TEST(a_failure_does_not_keep_others_waiting)
{
	mark("bad");
	mark("good");
	look();
	ck_assert_str_eq(state.table, "public.bad");
	look_until_idle();
	ck_assert_uint_eq(state.runs, 2);
	ck_assert_uint_eq(state.tables, 1);
	ck_assert_uint_eq(state.failures, 1);
}
END_TEST

/* In good order and yet marked: not again and again without a pause. */
START_TEST(a_mark_that_stays_is_no_reason_to_hurry)
{
	mark("same");
	look_until_idle();
	for (int i = 0; i < 5; i++)
		look();
	ck_assert_uint_eq(state.runs, 1);
	now += 6 * SECOND;
	look_until_idle();
	ck_assert_uint_eq(state.runs, 2);
}
END_TEST

/* Its rows would be written twice. The others go on. */
START_TEST(a_table_with_transactions_in_the_quarantine_waits)
{
	mark("good");
	mark("held_good");
	postgres_execute(side, "INSERT INTO resyncer_state.quarantine (stream, tables, error, events, change_count)"
	                       " VALUES ('s', '{public.held_good}', 'e', '[]', 1)");
	look();
	ck_assert_str_eq(state.table, "public.good");
	look_until_idle();
	look();
	ck_assert_uint_eq(state.runs, 1);
	ck_assert_uint_eq(state.tables, 1);
	ck_assert_ptr_nonnull(strstr(state.problem, "public.held_good: transactions with changes of it wait"));
	postgres_execute(side, "UPDATE resyncer_state.quarantine SET state = 'retried'");
	look_until_idle();
	ck_assert_uint_eq(state.tables, 0);
	ck_assert_str_eq(state.problem, "");
}
END_TEST

START_TEST(nothing_is_begun_that_must_not)
{
	mark("good");
	resyncer_look(resyncer, false, now, &state);
	ck_assert(!state.known);
	config.supervision.resync = false;
	look();
	config.supervision.resync = true;
	postgres_execute(side, "UPDATE resyncer_state.stream SET paused_at = now()");
	look();
	ck_assert_uint_eq(state.tables, 1);
	postgres_execute(side, "UPDATE resyncer_state.stream SET paused_at = NULL");
	config.source.dsn = NULL;
	look();
	ck_assert_ptr_nonnull(strstr(state.problem, "source.dsn"));
	ck_assert_uint_eq(state.runs, 0);
}
END_TEST

START_TEST(it_ends_when_the_stream_is_another_s)
{
	mark("slow");
	look();
	look();
	ck_assert_str_eq(state.table, "public.slow");
	resyncer_look(resyncer, false, now, &state);
	ck_assert_str_eq(state.table, "");
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

/* kill -9 of the daemon, here of a process that started one. */
START_TEST(it_ends_with_whoever_started_it)
{
	static const char *const arguments[] = {"replicator", "table",     "resync", "slow", "-c",
	                                        FILE_NAME,    "--timeout", "1",      NULL};
	char path[] = "/tmp/replicator-test-pid-XXXXXX";
	int file = mkstemp(path);
	pid_t starter, pid = 0;
	char text[16] = "";

	setenv(PID_FILE, path, 1);
	starter = fork();
	if (starter == 0) {
		struct process *process;

		if (process_start(arguments, &process) != NULL)
			_exit(1);
		pause();
	}
	for (int i = 0; i < 500 && pid == 0; i++, clock_sleep_ms(20))
		pid = pread(file, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 0;
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(kill(pid, 0), 0);
	kill(starter, SIGKILL);
	waitpid(starter, NULL, 0);
	for (int i = 0; i < 500 && kill(pid, 0) == 0; i++)
		clock_sleep_ms(20);
	ck_assert_int_eq(kill(pid, 0), -1);
	close(file);
	unlink(path);
	unsetenv(PID_FILE);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite;
	TCase *tests;
	SRunner *runner;
	int failed;

	if (argc > 3 && strcmp(argv[1], "table") == 0)
		return command(argc, argv);
	suite = suite_create("resyncer");
	tests = tcase_create("resyncer");
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, marked_tables_are_resynced_one_by_one);
	tcase_add_test(tests, a_snapshot_ends_before_its_tables_are_compared);
	tcase_add_test(tests, a_snapshot_without_an_end_does_not_keep_tables_waiting);
	tcase_add_test(tests, a_failure_is_said_and_tried_again_later);
	tcase_add_test(tests, a_failure_does_not_keep_others_waiting);
	tcase_add_test(tests, a_mark_that_stays_is_no_reason_to_hurry);
	tcase_add_test(tests, a_table_with_transactions_in_the_quarantine_waits);
	tcase_add_test(tests, nothing_is_begun_that_must_not);
	tcase_add_test(tests, it_ends_when_the_stream_is_another_s);
	tcase_add_test(tests, it_ends_with_whoever_started_it);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
