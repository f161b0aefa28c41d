/*
 * fuzz_value.c - any value in any encoding into a column of any type: text, or an error.
 */
#include "event/conversion.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct target_type types[] = {
    {"text", -1, false, 'S'},     {"numeric", 786438, false, 'N'}, {"numeric", -1, false, 'N'},
    {"money", -1, false, 'N'},    {"int4", -1, false, 'N'},        {"float8", -1, false, 'N'},
    {"bool", -1, false, 'B'},     {"date", -1, false, 'D'},        {"time", -1, false, 'D'},
    {"time", 3, false, 'D'},      {"timetz", -1, false, 'D'},      {"timestamp", -1, false, 'D'},
    {"timestamp", 0, false, 'D'}, {"timestamptz", -1, false, 'D'}, {"interval", -1, false, 'T'},
    {"bytea", -1, false, 'U'},    {"bit", 8, false, 'V'},          {"varbit", -1, false, 'V'},
    {"hstore", -1, false, 'U'},   {"point", -1, false, 'G'},       {"geometry", -1, false, 'U'},
    {"json", -1, false, 'U'},     {"text", -1, true, 'S'},         {"numeric", 786438, true, 'N'},
    {"timestamp", -1, true, 'D'}, {"bytea", -1, true, 'U'},        {"date", -1, true, 'D'},
    {"polygon", -1, false, 'G'},
};

/* A number's token is one that the scanner took. */
static bool is_number(struct slice text)
{
	struct scan_cursor cursor;
	struct scan_token token;

	scan_begin(&cursor, text);
	return scan_value(&cursor, &token) && token.kind == SCAN_NUMBER && cursor.at == cursor.end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t kinds[] = {VALUE_STRING, VALUE_NUMBER, VALUE_BOOLEAN, VALUE_JSON};
	static struct arena *arena;
	struct column element = {.name = "", .schema_name = "x"};
	struct column column = {.name = "c", .schema_name = "x"};
	struct wire_modes modes;
	const struct conversion *conversion;
	struct value value, converted;

	if (size < 6)
		return 0;
	if (arena == NULL)
		arena = arena_new();
	arena_reset(arena);
	column.encoding = data[0] % (ENCODING_UNKNOWN + 1);
	element.encoding = data[1] % (ENCODING_UNKNOWN + 1);
	column.element = column.encoding == ENCODING_ARRAY && element.encoding != ENCODING_ARRAY ? &element : NULL;
	column.scale = element.scale = (int8_t)data[2];
	column.length = data[2];
	modes = (struct wire_modes){(enum decimal_mode)(data[3] % 3), (enum time_mode)(data[3] / 3 % 6),
	                            (enum interval_mode)(data[3] / 18 % 2), (enum binary_mode)(data[3] / 36 % 4),
	                            (enum hstore_mode)(data[3] / 144 % 2)};
	value = (struct value){(const char *)data + 6, (uint32_t)(size - 6), kinds[data[4] % 4]};
	if (value.kind == VALUE_NUMBER && !is_number((struct slice){value.data, value.length}))
		return 0;
	if (value.kind == VALUE_BOOLEAN)
		value = (struct value){"true", 4, VALUE_BOOLEAN};
	error_free(conversion_choose(&column, &types[data[5] % (sizeof(types) / sizeof(types[0]))], &modes, arena,
	                             &conversion));
	if (conversion != NULL)
		error_free(conversion_apply(conversion, &value, arena, &converted));
	return 0;
}
