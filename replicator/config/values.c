/* values.c - from the text of one setting to its field, and back to words. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "config/settings.h"

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit byte_units[] = {{"B", 1},        {"kB", 1 << 10},          {"KB", 1 << 10}, {"MB", 1 << 20},
                                         {"GB", 1 << 30}, {"TB", (int64_t)1 << 40}, {NULL, 0}};
static const struct unit duration_units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {NULL, 0}};

static const struct unit *units_of(const struct setting *setting)
{
	if (setting->type == SETTING_BYTES)
		return byte_units;
	return setting->type == SETTING_DURATION ? duration_units : NULL;
}

static const char *format_number(const struct setting *setting, int64_t number, struct arena *arena)
{
	const struct unit *units = units_of(setting);
	const struct unit *best = NULL;

	for (; units != NULL && units->name != NULL; units++) {
		if (number != 0 && number % units->factor == 0 && (best == NULL || units->factor > best->factor))
			best = units;
	}
	if (best == NULL)
		return arena_format(arena, "%lld", (long long)number);
	return arena_format(arena, "%lld%s", (long long)(number / best->factor), best->name);
}

static const char *store_number(const struct setting *setting, int64_t number, void *base, struct arena *arena)
{
	if (number < setting->least || number > setting->most)
		return arena_format(arena, "it must lie between %s and %s",
		                    format_number(setting, setting->least, arena),
		                    format_number(setting, setting->most, arena));
	memcpy((char *)base + setting->offset, &number, sizeof(number));
	return NULL;
}

/* A duration without a unit is refused: 10 means ten seconds to some readers and ten milliseconds to others. */
const char *setting_read_number(const struct setting *setting, int64_t number, void *base, struct arena *arena)
{
	if (setting->type == SETTING_DURATION && number > 0)
		return arena_format(arena, "it has no unit; write \"%lldms\", \"%llds\", \"%lldmin\" or \"%lldh\"",
		                    (long long)number, (long long)number, (long long)number, (long long)number);
	return store_number(setting, number, base, arena);
}

void setting_read_boolean(const struct setting *setting, bool value, void *base)
{
	memcpy((char *)base + setting->offset, &value, sizeof(value));
}

/* `12`, `12MB`, `12 MB`. */
static const char *read_quantity(const struct setting *setting, const char *text, void *base, struct arena *arena)
{
	const struct unit *units = units_of(setting);
	char *end;
	long long number;
	int64_t product;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (end == text || errno != 0)
		return arena_format(arena, "it takes %s", setting_expects(setting, arena));
	end += strspn(end, " ");
	if (*end == '\0')
		return setting_read_number(setting, number, base, arena);
	for (; units != NULL && units->name != NULL; units++) {
		if (strcmp(end, units->name) != 0)
			continue;
		if (__builtin_mul_overflow((int64_t)number, units->factor, &product))
			product = INT64_MAX;
		return store_number(setting, product, base, arena);
	}
	return arena_format(arena, "it takes %s", setting_expects(setting, arena));
}

static const char *read_choice(const struct setting *setting, const char *text, void *base, struct arena *arena)
{
	for (const struct setting_choice *choice = setting->choices; choice->word != NULL; choice++) {
		bool yes = choice->value != 0;

		if (strcmp(choice->word, text) != 0)
			continue;
		if (setting->size == sizeof(bool))
			memcpy((char *)base + setting->offset, &yes, sizeof(yes));
		else
			memcpy((char *)base + setting->offset, &choice->value, sizeof(choice->value));
		return NULL;
	}
	return arena_format(arena, "it takes %s", setting_expects(setting, arena));
}

const char *setting_read_text(const struct setting *setting, const char *text, void *base, struct arena *arena)
{
	const char *problem;
	const char *copy;

	switch (setting->type) {
	case SETTING_TEXT:
		problem = setting->refuse == NULL ? NULL : setting->refuse(text);
		if (problem != NULL)
			return problem;
		copy = arena_copy(arena, text, strlen(text));
		memcpy((char *)base + setting->offset, &copy, sizeof(copy));
		return NULL;
	case SETTING_INTEGER:
	case SETTING_BYTES:
	case SETTING_DURATION:
		return read_quantity(setting, text, base, arena);
	case SETTING_CHOICE:
		return read_choice(setting, text, base, arena);
	case SETTING_BOOLEAN:
		setting_read_boolean(setting, strcmp(text, "true") == 0, base);
		return NULL;
	case SETTING_LIST:
		break;
	}
	return "it takes a list";
}

static const char *join_choices(const struct setting_choice *choices, struct arena *arena)
{
	struct buffer words = {0};
	const char *joined;

	for (const struct setting_choice *choice = choices; choice->word != NULL; choice++) {
		const char *separator = choice == choices ? "" : choice[1].word == NULL ? " or " : ", ";

		buffer_append_format(&words, "%s\"%s\"", separator, choice->word);
	}
	joined = arena_copy(arena, words.data, words.length);
	buffer_free(&words);
	return joined;
}

const char *setting_expects(const struct setting *setting, struct arena *arena)
{
	switch (setting->type) {
	case SETTING_TEXT:
		return "text in quotes";
	case SETTING_BOOLEAN:
		return "true or false";
	case SETTING_INTEGER:
		return "a whole number";
	case SETTING_BYTES:
		return "bytes, or text with a unit like \"64MB\"";
	case SETTING_DURATION:
		return "text with a unit (ms, s, min, h) like \"30s\", or 0";
	case SETTING_CHOICE:
		return join_choices(setting->choices, arena);
	case SETTING_LIST:
		return "a list of texts like [\"a\", \"b\"]";
	}
	return "";
}

const char *setting_literal(const struct setting *setting, const char *text, struct arena *arena)
{
	bool digits = text[strspn(text, "0123456789")] == '\0';

	switch (setting->type) {
	case SETTING_TEXT:
	case SETTING_CHOICE:
		return arena_format(arena, "\"%s\"", text);
	case SETTING_BYTES:
	case SETTING_DURATION:
		return digits ? text : arena_format(arena, "\"%s\"", text);
	case SETTING_BOOLEAN:
	case SETTING_INTEGER:
	case SETTING_LIST:
		break;
	}
	return text;
}

/* The rows of the usual table, one at a time; names are short, longer ones are compared by their beginning. */
size_t setting_distance(const char *a, const char *b)
{
	enum { MOST = 64 };
	size_t row[MOST + 1];
	size_t b_length = strnlen(b, MOST);

	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= MOST && a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
			size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

			diagonal = row[j];
			row[j] = replaced < best ? replaced : best;
		}
	}
	return row[b_length];
}
