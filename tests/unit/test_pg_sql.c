/* test_pg_sql.c - quoting, proved by the server's own parsers; and the waits of retry.h. */
#include "base/buffer.h"
#include "pg/retry.h"
#include "pg/sql.h"
#include "postgres.h"

#include <check.h>
#include <string.h>

static const char *const NASTY[] = {
    "",      "plain", "NULL",      "null", "nUlL", "nulls", "a\"b",   "\"",   "\\",      "a\\",  "a\\\"b",
    "{a,b}", "a,b",   " a",        "a ",   " ",    "\t",    "a\nb",   "\r\n", "it''s '", "\\N",  "\\.",
    "ä€😀",   "$1",    "x\vy\fz\b", "a;b",  "--",   "/*",    "E'\\n'", "\x7f", "{}",      "\"\"", "1.50",
};
#define NASTY_COUNT (sizeof(NASTY) / sizeof(NASTY[0]))

START_TEST(identifiers_are_doubled)
{
	struct buffer sql = {0};

	sql_append_qualified(&sql, "Odd Schema", "Mixed \"Case\" Täble");
	ck_assert_str_eq(sql.data, "\"Odd Schema\".\"Mixed \"\"Case\"\" Täble\"");
	buffer_free(&sql);
}
END_TEST

START_TEST(identifiers_and_literals_come_back)
{
	struct pg_connection *connection = postgres_connect();

	for (size_t i = 0; i < NASTY_COUNT; i++) {
		struct buffer sql = {0};
		struct pg_result *result = NULL;

		buffer_append_text(&sql, "SELECT ");
		sql_append_literal(&sql, NASTY[i]);
		buffer_append_text(&sql, " AS ");
		sql_append_identifier(&sql, NASTY[i][0] != '\0' ? NASTY[i] : "x");
		expect_no_error(pg_query(connection, sql.data, 0, NULL, &result));
		ck_assert_str_eq(pg_result_text(result, 0, 0), NASTY[i]);
		ck_assert_str_eq(pg_result_column_name(result, 0), NASTY[i][0] != '\0' ? NASTY[i] : "x");
		pg_result_free(result);
		buffer_free(&sql);
	}
	pg_disconnect(connection);
}
END_TEST

START_TEST(array_elements_come_back)
{
	struct pg_connection *connection = postgres_connect();
	struct buffer array = {0};
	struct pg_result *result = NULL;
	const char *parameters[1];

	buffer_append_byte(&array, '{');
	for (size_t i = 0; i < NASTY_COUNT; i++) {
		if (i > 0)
			buffer_append_byte(&array, ',');
		sql_append_array_element(&array, NASTY[i], strlen(NASTY[i]));
	}
	buffer_append_text(&array, ",NULL}");
	parameters[0] = array.data;
	expect_no_error(pg_query(connection, "SELECT * FROM unnest($1::text[])", 1, parameters, &result));
	ck_assert_uint_eq(pg_result_rows(result), NASTY_COUNT + 1);
	for (size_t i = 0; i < NASTY_COUNT; i++) {
		ck_assert(!pg_result_is_null(result, i, 0));
		ck_assert_str_eq(pg_result_text(result, i, 0), NASTY[i]);
	}
	ck_assert(pg_result_is_null(result, NASTY_COUNT, 0));
	pg_result_free(result);
	buffer_free(&array);
	pg_disconnect(connection);
}
END_TEST

START_TEST(copy_fields_come_back)
{
	struct pg_connection *connection = postgres_connect();
	struct buffer lines = {0};
	struct pg_result *result = NULL;
	uint64_t rows = 0;

	for (size_t i = 0; i < NASTY_COUNT; i++) {
		buffer_append_format(&lines, "%zu\t", i);
		sql_append_copy_field(&lines, NASTY[i], strlen(NASTY[i]));
		buffer_append_byte(&lines, '\n');
	}
	postgres_execute(connection, "CREATE TEMP TABLE c (n int, t text)");
	expect_no_error(pg_copy_begin(connection, "COPY pg_temp.c FROM STDIN"));
	expect_no_error(pg_copy_send(connection, lines.data, lines.length));
	expect_no_error(pg_copy_end(connection, &rows));
	ck_assert_uint_eq(rows, NASTY_COUNT);
	expect_no_error(pg_query(connection, "SELECT t FROM pg_temp.c ORDER BY n", 0, NULL, &result));
	for (size_t i = 0; i < NASTY_COUNT; i++)
		ck_assert_str_eq(pg_result_text(result, i, 0), NASTY[i]);
	pg_result_free(result);
	buffer_free(&lines);
	pg_disconnect(connection);
}
END_TEST

START_TEST(numbers_in_arrays_are_not_quoted)
{
	struct buffer array = {0};

	sql_append_array_element(&array, "12.50", 5);
	buffer_append_byte(&array, ',');
	sql_append_array_element(&array, "2026-01-31", 10);
	ck_assert_str_eq(array.data, "12.50,2026-01-31");
	buffer_free(&array);
}
END_TEST

START_TEST(retry_doubles_up_to_its_bound)
{
	struct retry retry;
	int bound = 100;

	retry_init(&retry, 100, 5000);
	for (int i = 0; i < 200; i++) {
		int wait = retry_next_ms(&retry);

		ck_assert_int_ge(wait, bound / 2);
		ck_assert_int_le(wait, bound);
		bound = bound * 2 > 5000 ? 5000 : bound * 2;
	}
	ck_assert_uint_eq(retry.attempts, 200);
	retry_reset(&retry);
	ck_assert_int_le(retry_next_ms(&retry), 100);
}
END_TEST

START_TEST(retry_is_jittered)
{
	struct retry retry;
	int first, different = 0;

	retry_init(&retry, 5000, 5000);
	first = retry_next_ms(&retry);
	for (int i = 0; i < 20; i++)
		different += retry_next_ms(&retry) != first;
	ck_assert_int_gt(different, 10);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pg_sql");
	TCase *tests = tcase_create("sql");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, identifiers_are_doubled);
	tcase_add_test(tests, identifiers_and_literals_come_back);
	tcase_add_test(tests, array_elements_come_back);
	tcase_add_test(tests, copy_fields_come_back);
	tcase_add_test(tests, numbers_in_arrays_are_not_quoted);
	tcase_add_test(tests, retry_doubles_up_to_its_bound);
	tcase_add_test(tests, retry_is_jittered);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
