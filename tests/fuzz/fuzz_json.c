/*
 * fuzz_json.c - the scanner of the hot path against jansson: both take the same texts, and a string means the same.
 */
#include "event/json_scan.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void differ(const char *what, const char *why)
{
	fprintf(stderr, "the scanner and jansson differ: %s (%s)\n", what, why);
	abort();
}

static void compare_strings(const struct scan_token *token, const json_t *json)
{
	char *text = malloc(token->length + 1u);
	size_t length = token->escaped ? scan_unescape(token, text) : token->length;

	if (!token->escaped)
		memcpy(text, token->data, length);
	if (length != json_string_length(json) || memcmp(text, json_string_value(json), length) != 0)
		differ("the text of a string", "");
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scan_cursor cursor;
	struct scan_token token;
	json_error_t error;
	json_t *json = json_loadb((const char *)data, size, JSON_DECODE_ANY, &error);
	bool taken;

	scan_begin(&cursor, (struct slice){(const char *)data, size});
	scan_space(&cursor);
	taken = scan_value(&cursor, &token) && scan_at_end(&cursor);
	if (taken && json == NULL && json_error_code(&error) != json_error_numeric_overflow)
		differ("jansson refuses", error.text);
	/* A zero byte is the end of the text to jansson; to us it is a byte that does not belong there. */
	if (!taken && json != NULL && strstr(cursor.problem, "nest") == NULL && memchr(data, 0, size) == NULL)
		differ("the scanner refuses", cursor.problem);
	if (taken && json != NULL && json_is_string(json) != (token.kind == SCAN_STRING))
		differ("the kind", "");
	if (taken && json != NULL && json_is_string(json))
		compare_strings(&token, json);
	json_decref(json);
	return 0;
}
