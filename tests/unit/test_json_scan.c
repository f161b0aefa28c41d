/* test_json_scan.c - the scanner takes what RFC 8259 calls JSON, and nothing else; jansson agrees. */
#include "base/buffer.h"
#include "event/json_scan.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text at the end of a block of its own, so that ASan sees a read behind it. */
static struct scan_cursor begin(const char *text, char **block)
{
	const size_t length = strlen(text);
	struct scan_cursor cursor;

	*block = malloc(length == 0 ? 1 : length);
	memcpy(*block, text, length);
	scan_begin(&cursor, (struct slice){*block, length});
	return cursor;
}

static const struct {
	const char *text;
	enum scan_kind kind;
	bool good;
} values[] = {
    {"null", SCAN_NULL, true},
    {"true", SCAN_TRUE, true},
    {"false", SCAN_FALSE, true},
    {"0", SCAN_NUMBER, true},
    {"-0", SCAN_NUMBER, true},
    {"-12.50e+3", SCAN_NUMBER, true},
    {"1E-400", SCAN_NUMBER, true},
    {"123456789012345678901234567890", SCAN_NUMBER, true},
    {"\"\"", SCAN_STRING, true},
    {"\"a string longer than sixteen bytes\"", SCAN_STRING, true},
    {"\"0123456789abcde\\n\"", SCAN_STRING, true},
    {"\"\\ud83e\\udd86\"", SCAN_STRING, true},
    {"\"\xf0\x9f\xa6\x86 and \xc3\xa9\"", SCAN_STRING, true},
    {"\"\x7f\"", SCAN_STRING, true},
    {"[]", SCAN_ARRAY, true},
    {"[ 1 , [ ] , { } ]", SCAN_ARRAY, true},
    {"{}", SCAN_OBJECT, true},
    {"{ \"a\" : { \"b\" : [ null ] } , \"c\" : 1 }", SCAN_OBJECT, true},
    {"", 0, false},
    {"nul", 0, false},
    {"nullx", 0, false},
    {"True", 0, false},
    {"00", 0, false},
    {"-", 0, false},
    {"-a", 0, false},
    {".5", 0, false},
    {"1.", 0, false},
    {"1.e1", 0, false},
    {"1e", 0, false},
    {"1e+", 0, false},
    {"0x10", 0, false},
    {"1 2", 0, false},
    {"\"", 0, false},
    {"\"\\\"", 0, false},
    {"\"\\", 0, false},
    {"\"\\u12", 0, false},
    {"\"\t\"", 0, false},
    {"\"0123456789abcdef\x01\"", 0, false},
    {"\"\\ud83e\"", 0, false},
    {"\"\\ud83e\\u0041\"", 0, false},
    {"\"\\udd86\"", 0, false},
    {"\"\\u0000\"", 0, false},
    {"\"\xff\"", 0, false},
    {"\"\xc3\"", 0, false},
    {"\"\xe0\x80\x80\"", 0, false},
    {"\"\xf5\x80\x80\x80\"", 0, false},
    {"[1,]", 0, false},
    {"[,1]", 0, false},
    {"[1", 0, false},
    {"[1}", 0, false},
    {"{\"a\"}", 0, false},
    {"{\"a\":}", 0, false},
    {"{\"a\":1,}", 0, false},
    {"{a:1}", 0, false},
    {"{\"a\":1]", 0, false},
    {"'a'", 0, false},
    {"// comment\n1", 0, false},
};

START_TEST(test_values)
{
	char *block;
	struct scan_cursor cursor = begin(values[_i].text, &block);
	struct scan_token token;
	const bool good = scan_value(&cursor, &token) && scan_at_end(&cursor);
	json_error_t error;
	json_t *parsed = json_loads(values[_i].text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);

	ck_assert_msg(good == values[_i].good, "%s: %s", values[_i].text, good ? "taken" : cursor.problem);
	ck_assert_int_eq(parsed != NULL, good);
	if (good)
		ck_assert_int_eq(token.kind, values[_i].kind);
	else
		ck_assert_ptr_nonnull(cursor.problem);
	json_decref(parsed);
	free(block);
}
END_TEST

/* A text cut short at any byte is never read behind its end, and never taken. */
START_TEST(test_every_prefix)
{
	static const char text[] =
	    "{\"key\":[1.5e3,\"\\u00e9\xe2\x82\xac\\ud83e\\udd86 a plain run of bytes\",{\"n\":null}],\"t\":true}";

	for (size_t length = 0; length < sizeof(text) - 1; length++) {
		char *block = malloc(length == 0 ? 1 : length);
		struct scan_cursor cursor;
		struct scan_token token;

		memcpy(block, text, length);
		scan_begin(&cursor, (struct slice){block, length});
		ck_assert(!scan_value(&cursor, &token));
		free(block);
	}
}
END_TEST

START_TEST(test_numbers)
{
	static const struct {
		const char *text;
		bool is_unsigned;
		uint64_t number;
		bool is_signed;
		int64_t signed_number;
	} numbers[] = {
	    {"0", true, 0, true, 0},
	    {"-0", false, 0, true, 0},
	    {"18446744073709551615", true, UINT64_MAX, false, 0},
	    {"18446744073709551616", false, 0, false, 0},
	    {"99999999999999999999", false, 0, false, 0},
	    {"123456789012345678901", false, 0, false, 0},
	    {"9223372036854775807", true, INT64_MAX, true, INT64_MAX},
	    {"-9223372036854775808", false, 0, true, INT64_MIN},
	    {"-9223372036854775809", false, 0, false, 0},
	    {"1.0", false, 0, false, 0},
	    {"1e2", false, 0, false, 0},
	    {"\"1\"", false, 0, false, 0},
	    {"null", false, 0, false, 0},
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		char *block;
		struct scan_cursor cursor = begin(numbers[i].text, &block);
		struct scan_token token;
		uint64_t number = 0;
		int64_t signed_number = 0;

		ck_assert(scan_value(&cursor, &token));
		ck_assert_int_eq(scan_unsigned(&token, &number), numbers[i].is_unsigned);
		ck_assert_int_eq(scan_signed(&token, &signed_number), numbers[i].is_signed);
		if (numbers[i].is_unsigned)
			ck_assert_uint_eq(number, numbers[i].number);
		if (numbers[i].is_signed)
			ck_assert_int_eq(signed_number, numbers[i].signed_number);
		free(block);
	}
}
END_TEST

/* Every character through an escape and back. */
START_TEST(test_unescape)
{
	for (uint32_t character = 1; character < 0x110000; character += character < 0x3000 ? 1 : 97) {
		char text[32];
		char plain[32];
		char *block;
		struct scan_cursor cursor;
		struct scan_token token;
		json_t *parsed;

		if (character >= 0xd800 && character <= 0xdfff)
			continue;
		if (character < 0x10000)
			snprintf(text, sizeof(text), "\"<\\u%04x>\"", character);
		else
			snprintf(text, sizeof(text), "\"<\\u%04X\\u%04x>\"", 0xd800 + ((character - 0x10000) >> 10),
			         0xdc00 + ((character - 0x10000) & 0x3ff));
		cursor = begin(text, &block);
		parsed = json_loads(text, JSON_DECODE_ANY, NULL);
		ck_assert(scan_value(&cursor, &token));
		ck_assert(token.escaped);
		ck_assert_uint_eq(scan_unescape(&token, plain), json_string_length(parsed));
		ck_assert_mem_eq(plain, json_string_value(parsed), json_string_length(parsed));
		ck_assert(scan_token_is(&token, (struct slice){plain, json_string_length(parsed)}));
		json_decref(parsed);
		free(block);
	}
}
END_TEST

START_TEST(test_escape)
{
	struct buffer out = {0};

	scan_escape(&out, slice_from("a\"b\\c\b\f\n\r\t\x01\x1f/\xc3\xa9"));
	ck_assert_str_eq(out.data, "a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u001F/\xc3\xa9");
	buffer_free(&out);
}
END_TEST

/* Fields in the expected order, in another, unknown ones between, white space, an escaped name. */
START_TEST(test_walk)
{
	static const struct scan_field fields[] = {SCAN_FIELD("a"), SCAN_FIELD("bb"), SCAN_FIELD("c")};
	static const struct {
		const char *text;
		int order[5];
	} objects[] = {
	    {"{\"a\":1,\"bb\":2,\"c\":3}", {0, 1, 2, SCAN_FIELD_END}},
	    {"{\"c\":1,\"a\":2,\"bb\":3}", {2, 0, 1, SCAN_FIELD_END}},
	    {"{\"x\":1,\"a\":2,\"y\":3,\"c\":4}", {SCAN_FIELD_UNKNOWN, 0, SCAN_FIELD_UNKNOWN, 2, SCAN_FIELD_END}},
	    {" { \"a\" : 1 , \"\\u0062b\" : 2 } ", {0, 1, SCAN_FIELD_END}},
	    {"{}", {SCAN_FIELD_END}},
	    {"{\"a\":1 \"bb\":2}", {0, SCAN_FIELD_BROKEN}},
	    {"{,\"a\":1}", {SCAN_FIELD_BROKEN}},
	    {"{\"a\" 1}", {SCAN_FIELD_BROKEN}},
	    {"{\"a\":1", {0, SCAN_FIELD_BROKEN}},
	};

	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		char *block;
		struct scan_cursor cursor = begin(objects[i].text, &block);
		struct scan_token token;
		struct scan_walk walk;
		int step = 0;
		int field;

		ck_assert(scan_walk_begin(&walk, &cursor, fields, 3));
		do {
			field = scan_walk_next(&walk, &cursor);
			ck_assert_msg(field == objects[i].order[step], "%s, step %d: %d", objects[i].text, step, field);
			step++;
		} while (field >= SCAN_FIELD_UNKNOWN && scan_value(&cursor, &token));
		free(block);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json_scan");
	TCase *tests = tcase_create("json_scan");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tests, test_values, 0, sizeof(values) / sizeof(values[0]));
	tcase_add_test(tests, test_every_prefix);
	tcase_add_test(tests, test_numbers);
	tcase_add_test(tests, test_unescape);
	tcase_add_test(tests, test_escape);
	tcase_add_test(tests, test_walk);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
