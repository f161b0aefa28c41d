/*
 * test_source_identity.c - a repair with a server that is not the stream's source: a standby that lags, one that was promoted,
 * a copy of the disk, another database, another stream. Nothing is written.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "check/resync.h"
#include "check/verify.h"
#include "fences.h"
#include "pair.h"
#include "target/checkpoint.h"
#include "target/source_identity.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config config;
static char *replica_dir;
static char *replica_dsn;
static char *source_dsn;

static void expect_target(const char *sql, const char *expected)
{
	expect_in("identity_target", sql, expected);
}

/* A source, and a target that is equal to it; the stream runs. */
static void make_pair(void)
{
	const char *const rows =
	    "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old'), (2, 'old');"
	    "CREATE TABLE bare (v text); INSERT INTO bare VALUES ('a'), ('a')";
	struct pg_connection *target;

	pg_disconnect(postgres_make_database("identity_source"));
	target = postgres_make_database("identity_target");
	expect_no_error(checkpoint_install_schema(target, "replicator"));
	postgres_execute(target, "INSERT INTO replicator.stream (name, epoch, state, last_commit_lsn)"
	                         " VALUES ('replicator', 1, 'running', '0/1')");
	pg_disconnect(target);
	run("identity_source", rows);
	run("identity_target", rows);
	config =
	    (struct config){.stream.name = "replicator", .kafka.topic_prefix = "db", .target.schema = "replicator"};
	source_dsn = memory_format("%s dbname=identity_source", postgres_dsn());
	config.source.dsn = source_dsn;
	config.target.dsn = memory_format("%s dbname=identity_target", postgres_dsn());
}

/* What the source and, through the stream, the target have got since. */
static void change_pair(void)
{
	const char *const changes = "UPDATE t SET v = 'new' WHERE id = 1; DELETE FROM t WHERE id = 2;"
	                            "INSERT INTO t VALUES (3, 'new'); INSERT INTO bare VALUES ('b')";

	run("identity_source", changes);
	run("identity_target", changes);
}

#define ROWS "SELECT string_agg(id || v, ' ' ORDER BY id) FROM public.t"
#define BARE "SELECT string_agg(v, ' ' ORDER BY v) FROM public.bare"

static void expect_kept(void)
{
	expect_target(ROWS, "1new 3new");
	expect_target(BARE, "a a b");
	expect_target("SELECT count(*) FROM replicator.repair_log", "0");
}

static enum exit_code verify(bool repair, bool at_rest, char **text)
{
	const struct verify_options options = {.jobs = 1,
	                                       .timeout_us = 700000,
	                                       .limit = 3,
	                                       .repair = repair,
	                                       .at_rest = at_rest};
	enum exit_code code = EXIT_UNCHECKED;
	size_t size = 0;
	FILE *out = open_memstream(text, &size);

	expect_no_error(verify_pair(&config, &options, out, &code));
	fclose(out);
	return code;
}

/* It finds differences, and says why it does not write. */
static void expect_refused(bool at_rest, const char *reason)
{
	char *text;

	ck_assert_int_ne(verify(true, at_rest, &text), EXIT_OK);
	ck_assert_msg(strstr(text, reason) != NULL, "\"%s\" is not in: %s", reason, text);
	free(text);
}

static void expect_code(bool repair, bool at_rest, enum exit_code expected)
{
	enum exit_code code;
	char *text;

	code = verify(repair, at_rest, &text);
	ck_assert_msg(code == expected, "%d: %s", (int)code, text);
	free(text);
}

static void make_replica(const char *how)
{
	const int port = 32700 + (int)(getpid() % 60);
	const char *data = getenv("REPLICATOR_TEST_PGDATA"); /* with_postgres.sh removes what is next to it */
	char *command;

	ck_assert_ptr_nonnull(data);
	replica_dir = memory_format("%s/../replica.%d", data, (int)getpid());
	command = memory_format("tests/unit/replica.sh %s %s %d", how, replica_dir, port);
	replica_dsn = memory_format("%s port=%d dbname=identity_source", postgres_dsn(), port);
	ck_assert_int_eq(system(command), 0);
	free(command);
}

static void remove_replica(void)
{
	char *command = memory_format("tests/unit/replica.sh stop %s", replica_dir);

	ck_assert_int_eq(system(command), 0);
	free(command);
}

/* Tokens come from the source, and the watermark moves with the replica: only the token tells them apart. */
static void start_fences(struct fences *fences, const char *source, const char *position)
{
	fences_start_at(fences, memory_copy_text(source), memory_copy_text(config.target.dsn),
	                memory_copy_text(position));
}

/* From now on it gets nothing; and when it is promoted, nothing that it has received is left to replay. */
static void cut_off(struct pg_connection *replica)
{
	bool receives = true;

	postgres_execute(replica, "ALTER SYSTEM SET primary_conninfo = ''");
	postgres_execute(replica, "SELECT pg_reload_conf()");
	while (receives) {
		char *count = postgres_value(replica, "SELECT count(*) FROM pg_stat_wal_receiver");

		receives = strcmp(count, "0") != 0;
		free(count);
		clock_sleep_ms(10);
	}
}

START_TEST(standby)
{
	struct pg_connection *replica;
	struct source_identity identity;
	struct fences fences;
	char *text;
	bool is_standby;

	make_pair();
	make_replica("start");
	replica = postgres_connect_to(replica_dsn);
	start_fences(&fences, source_dsn, source_dsn);
	expect_code(true, false, EXIT_OK); /* its identity is recorded */
	cut_off(replica);
	change_pair();

	/* It lags: nothing can be said, and nothing is written. */
	config.source.dsn = replica_dsn;
	ck_assert_int_eq(verify(false, false, &text), EXIT_UNCHECKED);
	ck_assert_msg(strstr(text, "the source has not reached the stream's position") != NULL, "%s", text);
	free(text);
	expect_refused(false, "names a standby");
	expect_refused(true, "names a standby");
	expect_kept();

	/* It was promoted without the last transactions, and the stream still reads the old primary. */
	postgres_execute(replica, "SELECT pg_promote()");
	expect_refused(true, "on timeline 2");
	fences_stop(&fences);
	run("identity_target", "UPDATE stream SET last_commit_lsn = '0/1'");
	start_fences(&fences, source_dsn, replica_dsn);
	expect_refused(false, "on timeline 2");
	expect_no_error(source_identity_ask(replica, &identity, &is_standby));
	ck_assert(!is_standby);
	ck_assert_str_eq(identity.timeline, "2");
	run("identity_target", "INSERT INTO captured_table (stream, schema_name, table_name) VALUES"
	                       " ('replicator', 'public', 't')");
	pg_disconnect(replica);
	replica = connect_database("identity_target");
	expect_no_error(source_identity_accept(replica, &config, &identity, 5));
	pg_disconnect(replica);
	expect_target("SELECT reason FROM replicator.unverified", "accepted");
	expect_refused(false, "did not arrive in stream replicator");
	expect_kept();

	/* The stream reads the new primary. */
	fences_stop(&fences);
	start_fences(&fences, replica_dsn, replica_dsn);
	expect_code(true, false, EXIT_OK);
	expect_target(ROWS, "1old 2old");
	expect_target("SELECT count(*) FROM replicator.unverified", "0");
	fences_stop(&fences);
	remove_replica();
}
END_TEST

/* System identifier, database and timeline are those of the source. */
START_TEST(copy_of_the_disk)
{
	struct fences fences;

	make_pair();
	make_replica("clone");
	start_fences(&fences, source_dsn, source_dsn);
	expect_code(true, false, EXIT_OK);
	fences_stop(&fences);
	change_pair();
	run("identity_target", "UPDATE stream SET last_commit_lsn = '0/1'");
	start_fences(&fences, source_dsn, replica_dsn);
	config.source.dsn = replica_dsn;
	expect_code(false, false, EXIT_DIFFERENT);
	expect_refused(false, "did not arrive in stream replicator");
	expect_kept();
	fences_stop(&fences);
	remove_replica();
}
END_TEST

/* A connector may read that database, for another stream: it is not asked for a snapshot. */
static void expect_no_signal(void)
{
	enum exit_code code = EXIT_OK;
	struct error *error;

	run("identity_other", "CREATE SCHEMA IF NOT EXISTS replicator; CREATE TABLE IF NOT EXISTS replicator.signal"
	                      " (id text, type text, data text)");
	error = resync_table(&config, "public", "t", false, 700000, stderr, &code);
	ck_assert_ptr_nonnull(error);
	ck_assert_msg(strstr(error->message, "not repaired: ") != NULL, "%s", error->message);
	error_free(error);
	expect_in("identity_other", "SELECT count(*) FROM replicator.signal", "0");
}

START_TEST(another_database)
{
	char *other = memory_format("%s dbname=identity_other", postgres_dsn());
	struct fences fences;

	make_pair();
	pg_disconnect(postgres_make_database("identity_other"));
	run("identity_other", "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE bare (v text)");
	change_pair();
	start_fences(&fences, source_dsn, source_dsn);
	/* No identity is recorded yet: the token decides. */
	config.source.dsn = other;
	expect_refused(false, "did not arrive in stream replicator");
	expect_no_signal();
	expect_kept();
	config.source.dsn = source_dsn;
	expect_code(true, false, EXIT_OK);
	config.source.dsn = other;
	expect_refused(false, "names another database");
	expect_refused(true, "names another database");
	expect_kept();
	fences_stop(&fences);
	free(other);
}
END_TEST

/* Rows of a table without a key that the stream has yet to apply would be there twice. */
START_TEST(stream_that_does_not_run)
{
	make_pair();
	run("identity_source", "INSERT INTO t VALUES (3, 'new'); INSERT INTO bare VALUES ('b')");
	run("identity_target", "UPDATE stream SET state = 'paused'");
	expect_refused(false, "is paused");
	expect_target(BARE, "a a");
	expect_refused(true, "the table has no key");
	expect_target(BARE, "a a");
	expect_target(ROWS, "1old 2old 3new"); /* upserts do not mind */

	config.stream.name = "mistyped";
	run("identity_source", "INSERT INTO t VALUES (4, 'new')");
	expect_refused(false, "is stream.name right?");
	expect_target(BARE, "a a");
	expect_code(true, true, EXIT_OK);
	expect_target(BARE, "a a b");
	expect_target(ROWS, "1old 2old 3new 4new");
}
END_TEST

/* A source below the watermark has not shown what the target has. */
START_TEST(position_of_the_source)
{
	make_pair();
	run("identity_source", "DELETE FROM t");
	run("identity_target", "UPDATE stream SET state = 'stopped', last_commit_lsn = 'FFFFFFFF/0'");
	expect_refused(true, "has not reached what the stream has applied");
	expect_refused(false, "has not reached what the stream has applied");
	expect_target(ROWS, "1old 2old");
}
END_TEST

START_TEST(without_a_watermark)
{
	struct pg_connection *target;
	char *text;

	make_pair();
	run("identity_target", "UPDATE stream SET whole_transactions = false");
	expect_code(false, false, EXIT_OK); /* what is equal is equal */
	run("identity_source", "DELETE FROM t WHERE id = 1");
	ck_assert_int_eq(verify(false, false, &text), EXIT_UNCHECKED);
	ck_assert_msg(strstr(text, "public.t: ") != NULL && strstr(text, "transactions = \"off\"") != NULL, "%s", text);
	free(text);
	expect_refused(false, "runs with transactions = \"off\"");
	expect_target(ROWS, "1old 2old");
	target = connect_database("identity_target");
	expect_error(pg_execute(target, "SELECT replicator.wait_for('0/5', '1 s')"), ERROR_TARGET, "0A000",
	             "has no watermark");
	pg_disconnect(target);
}
END_TEST

/* --- what the stream notes ---------------------------------------------------------------------------------------- */

static void note(const struct change *change)
{
	struct change *changes[1] = {(struct change *)(uintptr_t)change};
	const struct transaction transaction = {.kind = TRANSACTION_STREAMED, .changes = changes, .change_count = 1};
	struct pg_connection *target = connect_database("identity_target");

	expect_no_error(source_token_note(target, &config, &transaction));
	pg_disconnect(target);
}

static struct value text_value(const char *text)
{
	return (struct value){.data = text, .length = (uint32_t)strlen(text), .kind = VALUE_STRING};
}

START_TEST(tokens_are_noted)
{
	const struct column message_columns[] = {{.name = "prefix"}, {.name = "content", .encoding = ENCODING_BYTES}};
	const struct column heartbeat_columns[] = {{.name = "id"}, {.name = "token"}};
	const struct relation message = {.schema = "",
	                                 .table = "message",
	                                 .columns = message_columns,
	                                 .column_count = 2};
	struct relation heartbeat = {.schema = "replicator",
	                             .table = "heartbeat",
	                             .columns = heartbeat_columns,
	                             .column_count = 2};
	struct value values[2] = {text_value("replicator"), text_value("ZmVuY2UgNyA4IDEgMyBhYmMtMQ==")};
	struct change change = {.relation = &message, .operation = CHANGE_MESSAGE, .after = values};
	struct source_token token = {.text = "abc-1", .number = 3};
	struct pg_connection *target;
	bool arrived;

	make_pair();
	note(&change); /* "fence 7 8 1 3 abc-1": any role of the source may write that */
	expect_target("SELECT count(*) FROM replicator.source_token", "0");
	expect_target("SELECT count(*) FROM replicator.source_identity", "0");
	target = connect_database("identity_target");
	expect_no_error(source_token_expect(target, &config, &token));
	expect_no_error(source_token_arrived(target, &config, &token, &arrived));
	ck_assert(!arrived);
	note(&change);
	expect_target("SELECT token || number FROM replicator.source_token", "abc-13");
	expect_target(
	    "SELECT concat_ws(' ', system_identifier, database_oid, timeline) FROM replicator.source_identity",
	    "7 8 1");
	expect_no_error(source_token_arrived(target, &config, &token, &arrived));
	ck_assert(arrived);
	token.number = 4;
	expect_no_error(source_token_arrived(target, &config, &token, &arrived));
	ck_assert(!arrived);
	/* Tokens of a day ago are forgotten, and those that are expected again are not. */
	run("identity_target", "INSERT INTO source_token VALUES ('replicator', 'old', 1, now() - interval '2 days');"
	                       "UPDATE source_token SET received_at = now() - interval '2 days' WHERE token = 'abc-1'");
	expect_no_error(source_token_expect(target, &config, &token));
	expect_target("SELECT token || number FROM replicator.source_token", "abc-13");
	pg_disconnect(target);

	/* What is none of ours, or no fence with a token. */
	values[0] = text_value("other");
	values[1] = text_value("ZmVuY2UgNyA4IDEgOSBhYmMtMQ==");
	note(&change);
	values[0] = text_value("replicator");
	values[1] = text_value("ZmVuY2U=");
	note(&change);
	values[1] = text_value("{not base64");
	note(&change);
	expect_target("SELECT token || number FROM replicator.source_token", "abc-13");

	/* The heartbeat row, where there is no message; another server does not replace the identity. */
	change = (struct change){.relation = &heartbeat, .operation = CHANGE_UPDATE, .after = values};
	values[0] = text_value("1");
	values[1] = text_value("fence 9 9 9 5 abc-1");
	note(&change);
	expect_target("SELECT token || number FROM replicator.source_token", "abc-15");
	expect_target("SELECT database_oid FROM replicator.source_identity", "8");
	heartbeat.schema = "public";
	values[1] = text_value("fence 9 9 9 6 abc-1");
	note(&change);
	expect_target("SELECT token || number FROM replicator.source_token", "abc-15");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source_identity");
	TCase *tests = tcase_create("source_identity");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 90);
	tcase_add_test(tests, standby);
	tcase_add_test(tests, copy_of_the_disk);
	tcase_add_test(tests, another_database);
	tcase_add_test(tests, stream_that_does_not_run);
	tcase_add_test(tests, position_of_the_source);
	tcase_add_test(tests, without_a_watermark);
	tcase_add_test(tests, tokens_are_noted);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
