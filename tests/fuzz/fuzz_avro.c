/*
 * fuzz_avro.c - a schema, a byte 0xff, and data for it: what it becomes must be JSON, whatever the two are.
 */
#include "event/avro.h"
#include "event/json_scan.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_json(const struct buffer *json)
{
	struct scan_cursor cursor;
	struct scan_token token;

	scan_begin(&cursor, (struct slice){json->data, json->length});
	if (scan_value(&cursor, &token) && scan_at_end(&cursor))
		return;
	/* Strings are passed on as they are: bad UTF-8 and NUL are the scanner's to find. */
	if (strstr(cursor.problem, "UTF-8") == NULL && strstr(cursor.problem, "NUL") == NULL &&
	    strstr(cursor.problem, "nest") == NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *split = size > 0 ? memchr(data, 0xff, size) : NULL;
	struct buffer json = {0};
	struct avro_reader reader;
	struct avro_schema *schema;
	const char *problem;

	if (split == NULL)
		return 0;
	schema = avro_schema_parse((struct slice){(const char *)data, (size_t)(split - data)}, &problem);
	if (schema == NULL)
		return 0;
	if (avro_to_json(&reader, avro_schema_root(schema),
	                 (struct slice){(const char *)split + 1, size - (size_t)(split - data) - 1}, &json))
		check_json(&json);
	buffer_free(&json);
	avro_schema_free(schema);
	return 0;
}
