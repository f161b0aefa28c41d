/* test_pg_pipeline.c - runs of many statements: counts, errors in the middle, large parameters, servers that die. */
#include "base/clock.h"
#include "base/memory.h"
#include "postgres.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct answers {
	size_t count;
	uint64_t rows;
	size_t last;
};

static void count_answer(void *context, size_t number, uint64_t rows)
{
	struct answers *answers = context;

	ck_assert_uint_eq(number, answers->count);
	answers->count++;
	answers->rows += rows;
	answers->last = number;
}

static struct pg_statement *statement(struct pg_connection *connection, const char *sql)
{
	return pg_statement_of(connection, slice_from(sql));
}

static void send_one(struct pg_connection *connection, const char *sql, const char *parameter)
{
	expect_no_error(
	    pg_pipeline_send(connection, statement(connection, sql), parameter != NULL ? 1 : 0, &parameter));
}

static struct error *finish(struct pg_connection *connection, struct answers *answers, size_t *failed)
{
	*answers = (struct answers){0};
	expect_no_error(pg_pipeline_sync(connection));
	return pg_pipeline_finish(connection, count_answer, answers, failed);
}

#define INSERT "INSERT INTO pg_temp.t VALUES ($1::int)"

static struct pg_connection *connect_with_table(void)
{
	struct pg_connection *connection = postgres_connect();

	postgres_execute(connection, "CREATE TEMP TABLE t (a int PRIMARY KEY)");
	return connection;
}

START_TEST(twenty_thousand_statements_in_one_run)
{
	struct pg_connection *connection = connect_with_table();
	struct answers answers;
	char text[16];

	expect_no_error(pg_pipeline_begin(connection));
	send_one(connection, "BEGIN", NULL);
	for (int i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "%d", i);
		send_one(connection, INSERT, text);
		if (i % 1000 == 0)
			expect_no_error(pg_pipeline_flush(connection));
	}
	send_one(connection, "UPDATE pg_temp.t SET a = -a - 1 WHERE a < $1::int", "10");
	send_one(connection, "SELECT a FROM pg_temp.t ORDER BY a LIMIT 7", NULL);
	send_one(connection, "COMMIT", NULL);
	expect_no_error(finish(connection, &answers, NULL));
	ck_assert_uint_eq(answers.count, 20004);
	ck_assert_uint_eq(answers.rows, 20000 + 10 + 7);
	pg_disconnect(connection);
}
END_TEST

START_TEST(statements_are_found_by_their_text)
{
	struct pg_connection *connection = postgres_connect();
	struct pg_statement *one = statement(connection, "SELECT 1");

	ck_assert_ptr_eq(one, pg_statement_of(connection, (struct slice){"SELECT 11", 8}));
	ck_assert_ptr_ne(one, statement(connection, "SELECT 11"));
	pg_disconnect(connection);
}
END_TEST

START_TEST(error_in_the_middle_names_the_statement)
{
	struct pg_connection *connection = connect_with_table();
	struct answers answers;
	size_t failed = 99;
	char *count;

	for (int round = 0; round < 2; round++) {
		expect_no_error(pg_pipeline_begin(connection));
		send_one(connection, "BEGIN", NULL);
		send_one(connection, INSERT, "1");
		send_one(connection, INSERT, "2");
		send_one(connection, INSERT, "1");               /* number 3 */
		send_one(connection, "SELECT $1::int * 2", "4"); /* its Parse is skipped by the server */
		send_one(connection, "COMMIT", NULL);
		expect_error(finish(connection, &answers, &failed), ERROR_CONSTRAINT, "23505", "t_pkey");
		ck_assert_uint_eq(failed, 3);
		ck_assert_uint_eq(answers.count, 3);
		expect_error(pg_execute(connection, "SELECT 1"), ERROR_TARGET, "25P02", "aborted");
		postgres_execute(connection, "ROLLBACK");
	}
	/* What was not prepared above is prepared now. */
	expect_no_error(pg_pipeline_begin(connection));
	send_one(connection, "SELECT $1::int * 2", "4");
	send_one(connection, INSERT, "1");
	send_one(connection, "COMMIT", NULL);
	expect_no_error(finish(connection, &answers, &failed));
	ck_assert_uint_eq(answers.count, 3);
	count = postgres_value(connection, "SELECT count(*) FROM pg_temp.t");
	ck_assert_str_eq(count, "1");
	free(count);
	pg_disconnect(connection);
}
END_TEST

START_TEST(statement_that_cannot_be_prepared)
{
	struct pg_connection *connection = postgres_connect();
	struct answers answers;
	size_t failed = 99;

	for (int round = 0; round < 2; round++) {
		expect_no_error(pg_pipeline_begin(connection));
		send_one(connection, "SELECT 1", NULL);
		send_one(connection, "INSERT INTO pg_temp.late VALUES ($1::int)", "1");
		send_one(connection, "SELECT 2", NULL);
		expect_error(finish(connection, &answers, &failed), ERROR_TARGET, "42P01", "late");
		ck_assert_uint_eq(failed, 1);
		ck_assert_uint_eq(answers.count, 1);
	}
	postgres_execute(connection, "CREATE TEMP TABLE late (a int)");
	expect_no_error(pg_pipeline_begin(connection));
	send_one(connection, "INSERT INTO pg_temp.late VALUES ($1::int)", "1");
	expect_no_error(finish(connection, &answers, &failed));
	ck_assert_uint_eq(answers.rows, 1);
	pg_disconnect(connection);
}
END_TEST

static char *text_of(size_t length)
{
	char *text = memory_alloc(length + 1);

	memset(text, 'x', length);
	return text;
}

START_TEST(large_parameters)
{
	struct pg_connection *connection = postgres_connect();
	char *text = text_of((size_t)10 << 20);
	struct answers answers;
	int64_t start = clock_monotonic_us();
	char *length;

	postgres_execute(connection, "CREATE TEMP TABLE l (t text)");
	expect_no_error(pg_pipeline_begin(connection));
	for (int i = 0; i < 20; i++) {
		send_one(connection, "UPDATE pg_temp.l SET t = t", NULL);
		send_one(connection, "SELECT length($1::text)", text);
	}
	send_one(connection, "INSERT INTO pg_temp.l VALUES ($1::text)", text);
	expect_no_error(finish(connection, &answers, NULL));
	ck_assert_uint_eq(answers.count, 41);
	length = postgres_value(connection, "SELECT length(t) FROM pg_temp.l");
	ck_assert_str_eq(length, "10485760");
	ck_assert_msg(clock_monotonic_us() - start < 20 * 1000000, "210 MB took %lld ms",
	              (long long)(clock_monotonic_us() - start) / 1000);
	free(length);
	free(text);
	pg_disconnect(connection);
}
END_TEST

/* Both sides have megabytes to say: whoever only writes waits for ever. */
START_TEST(large_answers_meet_large_parameters)
{
	struct pg_connection *connection = postgres_connect();
	char *text = text_of((size_t)4 << 20);
	struct answers answers;

	expect_no_error(pg_pipeline_begin(connection));
	for (int i = 0; i < 16; i++)
		send_one(connection, "SELECT $1::text", text);
	expect_no_error(finish(connection, &answers, NULL));
	ck_assert_uint_eq(answers.rows, 16);
	free(text);
	pg_disconnect(connection);
}
END_TEST

START_TEST(terminated_in_the_middle_of_a_run)
{
	struct pg_connection *connection = connect_with_table();
	struct pg_connection *other = postgres_connect();
	struct answers answers;
	size_t failed = 99;
	char *sql = memory_format("SELECT pg_terminate_backend(%d, 5000)", pg_backend_pid(connection));

	expect_no_error(pg_pipeline_begin(connection));
	send_one(connection, "BEGIN", NULL);
	send_one(connection, INSERT, "1");
	send_one(connection, "SELECT pg_sleep(30)", NULL);
	send_one(connection, INSERT, "2");
	expect_no_error(pg_pipeline_sync(connection));
	expect_no_error(pg_pipeline_flush(connection));
	clock_sleep_ms(100);
	free(postgres_value(other, sql));
	answers = (struct answers){0};
	expect_error(pg_pipeline_finish(connection, count_answer, &answers, &failed), ERROR_TRANSIENT, "57P01",
	             "terminating");
	ck_assert_uint_eq(failed, 2);
	ck_assert_uint_eq(answers.count, 2);
	ck_assert(pg_is_broken(connection));
	expect_error(pg_pipeline_begin(connection), ERROR_TRANSIENT, "", "lost");
	pg_disconnect(connection);
	pg_disconnect(other);
	free(sql);
}
END_TEST

/* kill -9 of a backend; returns when the server noticed: it ends all other sessions then, and starts again. */
static void kill_backend(struct pg_connection *connection)
{
	struct pg_connection *witness = postgres_connect();
	struct error *error = NULL;

	ck_assert_int_eq(kill(pg_backend_pid(connection), SIGKILL), 0);
	for (int i = 0; i < 500 && error == NULL; i++) {
		error = pg_execute(witness, "SELECT 1");
		clock_sleep_ms(10);
	}
	expect_error(error, ERROR_TRANSIENT, NULL, "connection");
	pg_disconnect(witness);
}

/* kill -9 of the backend while large parameters are on their way; the whole server restarts. */
START_TEST(server_killed_while_sending)
{
	struct pg_connection *connection = postgres_connect();
	char *text = text_of((size_t)8 << 20);
	struct error *error = NULL;
	const char *const parameters[1] = {text};
	size_t failed = 0;

	expect_no_error(pg_pipeline_begin(connection));
	send_one(connection, "SELECT length($1::text)", text);
	kill_backend(connection);
	for (int i = 0; i < 100 && error == NULL; i++)
		error = pg_pipeline_send(connection, statement(connection, "SELECT length($1::text)"), 1, parameters);
	expect_error(error, ERROR_TRANSIENT, "", "lost");
	ck_assert(pg_is_broken(connection));
	expect_error(pg_pipeline_sync(connection), ERROR_TRANSIENT, "", "lost");
	expect_error(pg_pipeline_flush(connection), ERROR_TRANSIENT, "", "lost");
	expect_error(pg_pipeline_finish(connection, NULL, NULL, &failed), ERROR_TRANSIENT, "", "lost");
	pg_disconnect(connection);
	free(text);
	postgres_await();
}
END_TEST

START_TEST(server_killed_before_its_answers)
{
	struct pg_connection *connection = postgres_connect();
	size_t failed = 99;
	struct answers answers = {0};

	expect_no_error(pg_pipeline_begin(connection));
	send_one(connection, "SELECT 1", NULL);
	send_one(connection, "SELECT pg_sleep(30)", NULL);
	expect_no_error(pg_pipeline_sync(connection));
	clock_sleep_ms(100);
	kill_backend(connection);
	expect_error(pg_pipeline_finish(connection, count_answer, &answers, &failed), ERROR_TRANSIENT, "", "lost");
	ck_assert_uint_eq(failed, answers.count); /* the first answer may have been in the backend's buffer */
	ck_assert_uint_le(failed, 1);
	pg_disconnect(connection);
	postgres_await();
}
END_TEST

START_TEST(copy_to_a_killed_server)
{
	struct pg_connection *connection = postgres_connect();
	char *text = text_of((size_t)1 << 20);
	struct error *error = NULL;

	text[((size_t)1 << 20) - 1] = '\n';
	postgres_execute(connection, "CREATE TEMP TABLE c (t text)");
	expect_no_error(pg_copy_begin(connection, "COPY pg_temp.c FROM STDIN"));
	kill_backend(connection);
	for (int i = 0; i < 200 && error == NULL; i++)
		error = pg_copy_send(connection, text, (size_t)1 << 20);
	expect_error(error, ERROR_TRANSIENT, "", "lost");
	expect_error(pg_copy_end(connection, NULL), ERROR_TRANSIENT, "", "lost");
	pg_disconnect(connection);
	free(text);
	postgres_await();
}
END_TEST

START_TEST(wrong_use_is_told)
{
	struct pg_connection *connection = postgres_connect();
	struct pg_statement *one = statement(connection, "SELECT 1");
	size_t failed;

	expect_error(pg_pipeline_send(connection, one, 0, NULL), ERROR_SYSTEM, "", "outside");
	expect_error(pg_pipeline_finish(connection, NULL, NULL, &failed), ERROR_SYSTEM, "", "no pipeline");
	expect_no_error(pg_pipeline_begin(connection));
	expect_error(pg_execute(connection, "SELECT 1"), ERROR_SYSTEM, "", "pipeline is open");
	expect_error(pg_pipeline_begin(connection), ERROR_SYSTEM, "", "pipeline is open");
	expect_error(pg_pipeline_send(connection, one, 70000, NULL), ERROR_SYSTEM, "", "65535");
	expect_no_error(pg_pipeline_finish(connection, NULL, NULL, &failed)); /* an empty run, its Sync forgotten */
	expect_no_error(pg_pipeline_begin(connection));
	expect_no_error(pg_pipeline_send(connection, one, 0, NULL));
	expect_no_error(pg_pipeline_finish(connection, NULL, NULL, NULL));
	postgres_execute(connection, "SELECT 1");
	pg_disconnect(connection);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pg_pipeline");
	TCase *tests = tcase_create("pipeline");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, twenty_thousand_statements_in_one_run);
	tcase_add_test(tests, statements_are_found_by_their_text);
	tcase_add_test(tests, error_in_the_middle_names_the_statement);
	tcase_add_test(tests, statement_that_cannot_be_prepared);
	tcase_add_test(tests, large_parameters);
	tcase_add_test(tests, large_answers_meet_large_parameters);
	tcase_add_test(tests, terminated_in_the_middle_of_a_run);
	tcase_add_test(tests, server_killed_while_sending);
	tcase_add_test(tests, server_killed_before_its_answers);
	tcase_add_test(tests, copy_to_a_killed_server);
	tcase_add_test(tests, wrong_use_is_told);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
