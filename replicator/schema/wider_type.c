/* wider_type.c - see wider_type.h */
#include "schema/wider_type.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum family { FAMILY_OTHER, FAMILY_WHOLE, FAMILY_NUMERIC, FAMILY_FLOAT, FAMILY_TEXT, FAMILY_BITS, FAMILY_TIME };

struct width {
	enum family family;
	int first;        /* digits before the point, or length, or fractional digits of a time; INT_MAX: no bound */
	int second;       /* digits behind the point */
	const char *word; /* of times: the type; another word is another type */
};

/* Names without their numbers. */
static const struct {
	const char *name;
	struct width unbound; /* what the type is without numbers */
} types[] = {
    {"smallint", {FAMILY_WHOLE, 5, 0, NULL}},
    {"integer", {FAMILY_WHOLE, 10, 0, NULL}},
    {"bigint", {FAMILY_WHOLE, 19, 0, NULL}},
    {"numeric", {FAMILY_NUMERIC, INT_MAX, INT_MAX, NULL}},
    {"real", {FAMILY_FLOAT, 1, 0, NULL}},
    {"double precision", {FAMILY_FLOAT, 2, 0, NULL}},
    {"character", {FAMILY_TEXT, 1, 0, NULL}},
    {"character varying", {FAMILY_TEXT, INT_MAX, 0, NULL}},
    {"text", {FAMILY_TEXT, INT_MAX, 0, NULL}},
    {"bit varying", {FAMILY_BITS, INT_MAX, 0, NULL}},
    {"timestamp without time zone", {FAMILY_TIME, 6, 0, "timestamp"}},
    {"timestamp with time zone", {FAMILY_TIME, 6, 0, "timestamptz"}},
    {"time without time zone", {FAMILY_TIME, 6, 0, "time"}},
    {"time with time zone", {FAMILY_TIME, 6, 0, "timetz"}},
};

/* "numeric(12,2)" is "numeric" with the numbers 12 and 2; the name has what stands around the brackets. */
static bool read_type(const char *type, size_t length, struct width *width)
{
	char name[64];
	const char *open = memchr(type, '(', length);
	const char *close = memchr(type, ')', length);
	int first = 0, second = 0, count = 0;

	if (open == NULL || close == NULL || close < open) {
		if (length >= sizeof(name))
			return false;
		snprintf(name, sizeof(name), "%.*s", (int)length, type);
	} else {
		count = sscanf(open, "(%d,%d)", &first, &second);
		if (length >= sizeof(name) || count < 1)
			return false;
		snprintf(name, sizeof(name), "%.*s%.*s", (int)(open - type), type, (int)(type + length - close - 1),
		         close + 1);
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (strcmp(types[i].name, name) != 0)
			continue;
		*width = types[i].unbound;
		if (count > 0) {
			width->first = width->family == FAMILY_NUMERIC ? first - second : first;
			width->second = second;
		}
		return true;
	}
	return false;
}

static bool holds(const struct width *wide, const struct width *type)
{
	if (wide->family == FAMILY_NUMERIC && type->family == FAMILY_WHOLE)
		return wide->first >= type->first;
	if (wide->family != type->family || (wide->word != NULL && strcmp(wide->word, type->word) != 0))
		return false;
	return wide->first >= type->first && wide->second >= type->second;
}

static bool is_array(const char *type, size_t length)
{
	return length > 2 && strcmp(type + length - 2, "[]") == 0;
}

bool type_is_wider(const char *wide, const char *type)
{
	size_t wide_length = strlen(wide), length = strlen(type);
	struct width a, b;

	if (is_array(wide, wide_length) && is_array(type, length)) {
		wide_length -= 2;
		length -= 2;
	}
	return read_type(wide, wide_length, &a) && read_type(type, length, &b) && holds(&a, &b) && !holds(&b, &a);
}
