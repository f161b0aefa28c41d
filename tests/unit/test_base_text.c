/* test_base_text.c - errors, exit codes, LSNs, the clock, the log, signals and the embedded files. */
#include "base/clock.h"
#include "base/embedded.h"
#include "base/error.h"
#include "base/exit_code.h"
#include "base/log.h"
#include "base/lsn.h"
#include "base/signals.h"
#include "base/text.h"

#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(test_error_wrap)
{
	struct error *error = error_new(ERROR_EVENT, "field %s is missing", "op");

	ck_assert_int_eq(error->class, ERROR_EVENT);
	ck_assert_str_eq(error->sqlstate, "");
	memcpy(error->sqlstate, "23505", 6);
	error = error_wrap(error, "%s[%d]@%d", "topic", 0, 17);
	ck_assert_str_eq(error->message, "topic[0]@17: field op is missing");
	ck_assert_str_eq(error->sqlstate, "23505");
	error_free(error);
	error_free(NULL);
	ck_assert_ptr_null(error_wrap(NULL, "nothing"));
}
END_TEST

static struct error *try_it(struct error *error, bool *passed)
{
	TRY(error);
	*passed = true;
	return NULL;
}

START_TEST(test_try)
{
	struct error *error = error_new(ERROR_SYSTEM, "x");
	bool passed = false;

	ck_assert_ptr_eq(try_it(error, &passed), error);
	ck_assert(!passed);
	error_free(error);
	ck_assert_ptr_null(try_it(NULL, &passed));
	ck_assert(passed);
}
END_TEST

START_TEST(test_exit_codes)
{
	ck_assert_int_eq(exit_code_of(ERROR_TRANSIENT), 4);
	ck_assert_int_eq(exit_code_of(ERROR_AUTHENTICATION), 4);
	ck_assert_int_eq(exit_code_of(ERROR_CONFIGURATION), 3);
	ck_assert_int_eq(exit_code_of(ERROR_EVENT), 5);
	ck_assert_int_eq(exit_code_of(ERROR_CONSTRAINT), 5);
	ck_assert_int_eq(exit_code_of(ERROR_TARGET), 5);
	ck_assert_int_eq(exit_code_of(ERROR_GAP), 6);
	ck_assert_int_eq(exit_code_of(ERROR_FENCED), 7);
	ck_assert_int_eq(exit_code_of(ERROR_INTERRUPTED), 0);
	ck_assert_int_eq(exit_code_of(ERROR_SYSTEM), 8);
	for (int class = ERROR_TRANSIENT; class <= ERROR_SYSTEM; class ++)
		ck_assert_str_ne(error_class_name((enum error_class) class), "unknown");
}
END_TEST

START_TEST(test_lsn)
{
	static const char *const wrong[] = {"",      "0",           "/",           "0/",  "/0",
	                                    "1/2/3", "123456789/0", "0/123456789", "g/0", "0/0x10",
	                                    " 0/1",  "0/1 ",        "-1/0",        "1//0"};
	char text[LSN_TEXT_SIZE];
	uint64_t lsn = 77;

	lsn_format(UINT64_C(0x16B374D848), text);
	ck_assert_str_eq(text, "16/B374D848");
	ck_assert(lsn_parse(text, &lsn));
	ck_assert_uint_eq(lsn, UINT64_C(0x16B374D848));
	ck_assert(lsn_parse("ffffffff/FFFFFFFF", &lsn));
	ck_assert_uint_eq(lsn, UINT64_MAX);
	lsn_format(lsn, text);
	ck_assert_str_eq(text, "FFFFFFFF/FFFFFFFF");
	lsn_format(0, text);
	ck_assert_str_eq(text, "0/0");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		lsn = 77;
		ck_assert_msg(!lsn_parse(wrong[i], &lsn), "%s was taken", wrong[i]);
		ck_assert_uint_eq(lsn, 77);
	}
}
END_TEST

START_TEST(test_clock)
{
	int64_t before = clock_monotonic_us();
	char text[32];

	clock_format_utc(INT64_C(1769860800123456), text, sizeof(text));
	ck_assert_str_eq(text, "2026-01-31T12:00:00.123Z");
	clock_format_utc(0, text, sizeof(text));
	ck_assert_str_eq(text, "1970-01-01T00:00:00.000Z");
	clock_format_utc(-1, text, sizeof(text));
	ck_assert_str_eq(text, "1969-12-31T23:59:59.999Z");
	clock_sleep_ms(20);
	ck_assert_int_ge(clock_monotonic_us() - before, 20000);
	ck_assert_int_gt(clock_wall_us(), INT64_C(1700000000000000));
}
END_TEST

/* Runs `write` with standard error in a file and gives what was written. */
static char *capture(void (*write_lines)(void))
{
	static char text[4096];
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	size_t length;

	ck_assert_ptr_nonnull(file);
	dup2(fileno(file), STDERR_FILENO);
	write_lines();
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	length = fread(text, 1, sizeof(text) - 1, file);
	text[length] = '\0';
	fclose(file);
	return text;
}

static void write_text_lines(void)
{
	log_configure(LOG_INFO, false);
	log_debug("hidden");
	log_info("plain %d", 1);
	log_error("two\nlines \033[31m");
	log_error("ä\302\23331m\233\302\205|");
}

START_TEST(test_log_text)
{
	char *text = capture(write_text_lines);

	ck_assert_ptr_null(strstr(text, "hidden"));
	ck_assert_str_eq(strstr(text, "Z INFO  plain 1\n") == NULL ? text : "found", "found");
	ck_assert_ptr_nonnull(strstr(text, "Z ERROR two\n    lines  [31m\n"));
	ck_assert_ptr_nonnull(strstr(text, "Z ERROR ä 31m  |\n"));
	ck_assert_int_eq(text[4], '-');
}
END_TEST

START_TEST(test_visible)
{
	static const char text[] = "a\n\tä€😀\033[1m\177\302\200\302\2332J\u00a0\233|\303";
	struct buffer visible = {0};

	text_append_visible(&visible, text, sizeof(text) - 1, false);
	ck_assert_str_eq(visible.data, "a\\n\\tä€😀\\x1b[1m\\x7f\\u0080\\u009b2J\u00a0\\x9b|\\xc3");
	buffer_reset(&visible);
	text_append_visible(&visible, "1\n2\r", 4, true);
	ck_assert_str_eq(visible.data, "1\n2\\x0d");
	buffer_free(&visible);
}
END_TEST

static void write_json_line(void)
{
	log_configure(LOG_DEBUG, true);
	log_debug("a \"quoted\" \\ thing\n\twith \001 control\302\233");
}

START_TEST(test_log_json)
{
	char *text = capture(write_json_line);
	json_t *line = json_loads(text, 0, NULL);

	ck_assert_msg(line != NULL, "no JSON: %s", text);
	ck_assert_str_eq(json_string_value(json_object_get(line, "level")), "debug");
	ck_assert_str_eq(json_string_value(json_object_get(line, "msg")),
	                 "a \"quoted\" \\ thing\n\twith \001 control\302\233");
	ck_assert_ptr_null(strstr(text, "\302\233")); /* escaped */
	ck_assert_uint_eq(strlen(json_string_value(json_object_get(line, "ts"))), 24);
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
	json_decref(line);
}
END_TEST

START_TEST(test_signals)
{
	signals_install();
	ck_assert(!signals_stop_requested());
	ck_assert(!signals_take_reload());
	raise(SIGHUP);
	ck_assert(signals_take_reload());
	ck_assert(!signals_take_reload());
	raise(SIGTERM);
	ck_assert(signals_stop_requested());
}
END_TEST

START_TEST(test_second_signal_leaves_at_once)
{
	signals_install();
	raise(SIGINT);
	raise(SIGTERM); /* so soon: the same wish */
	ck_assert(signals_stop_requested());
	clock_sleep_ms(600);
	raise(SIGTERM);
}
END_TEST

START_TEST(test_integer)
{
	int64_t number;

	ck_assert(text_read_integer("42", 0, 100, &number));
	ck_assert_int_eq(number, 42);
	ck_assert(text_read_integer("-9223372036854775808", INT64_MIN, INT64_MAX, &number));
	ck_assert_int_eq(number, INT64_MIN);
	ck_assert(!text_read_integer("9223372036854775808", INT64_MIN, INT64_MAX, &number));
	ck_assert(!text_read_integer("-1", 0, 100, &number));
	ck_assert(!text_read_integer("101", 0, 100, &number));
	ck_assert(!text_read_integer("", INT64_MIN, INT64_MAX, &number));
	ck_assert(!text_read_integer("4x", INT64_MIN, INT64_MAX, &number));
}
END_TEST

START_TEST(test_pattern)
{
	struct buffer pattern = {0};

	text_append_pattern(&pattern, "a.b$c, \"d\"\\(é)");
	ck_assert_str_eq(pattern.data, "a\\.b\\$c\\, \"d\"\\\\\\(é\\)");
	buffer_free(&pattern);
}
END_TEST

START_TEST(test_embedded_files)
{
	bool found = false;

	for (size_t i = 0; i < embedded_file_count; i++) {
		const struct embedded_file *file = &embedded_files[i];
		FILE *stream = fopen(file->path, "r");
		char *text = malloc(file->length + 2);

		ck_assert_msg(stream != NULL, "%s is not there: the test runs in the repository's root", file->path);
		ck_assert_uint_eq(fread(text, 1, file->length + 1, stream), file->length);
		ck_assert_mem_eq(text, file->data, file->length);
		ck_assert_int_eq(file->data[file->length], '\0');
		ck_assert(i == 0 || strcmp(embedded_files[i - 1].path, file->path) < 0);
		found = found || strcmp(file->path, "sql/target/001_state.sql") == 0;
		fclose(stream);
		free(text);
	}
	ck_assert(found);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base: text");
	TCase *tests = tcase_create("base");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, test_error_wrap);
	tcase_add_test(tests, test_try);
	tcase_add_test(tests, test_exit_codes);
	tcase_add_test(tests, test_lsn);
	tcase_add_test(tests, test_clock);
	tcase_add_test(tests, test_log_text);
	tcase_add_test(tests, test_visible);
	tcase_add_test(tests, test_log_json);
	tcase_add_test(tests, test_signals);
	tcase_add_exit_test(tests, test_second_signal_leaves_at_once, 128 + SIGTERM);
	tcase_add_test(tests, test_integer);
	tcase_add_test(tests, test_pattern);
	tcase_add_test(tests, test_embedded_files);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
