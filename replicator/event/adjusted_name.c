/* adjusted_name.c - see adjusted_name.h */
#include "event/adjusted_name.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool is_kept(char byte, bool first)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (!first && is_digit(byte));
}

/* The code point at *at, which moves behind it; the name is the server's, valid UTF-8. */
static uint32_t next_point(const char **at)
{
	const unsigned char lead = (unsigned char)*(*at)++;
	uint32_t point = lead < 0xc0 ? lead : lead < 0xe0 ? lead & 0x1fu : lead < 0xf0 ? lead & 0x0fu : lead & 0x07u;

	while (((unsigned char)**at & 0xc0) == 0x80)
		point = point << 6 | ((unsigned char)*(*at)++ & 0x3fu);
	return point;
}

static bool take(const char **adjusted, const char *text)
{
	const size_t length = strlen(text);

	if (strncmp(*adjusted, text, length) != 0)
		return false;
	*adjusted += length;
	return true;
}

static bool take_unit(const char **adjusted, uint32_t unit, bool unicode)
{
	char text[16];

	snprintf(text, sizeof(text), unicode ? "_u%04x" : "_", (unsigned)unit);
	return take(adjusted, text);
}

static bool matches(const char *adjusted, const char *name, const char *at, bool unicode, bool pattern);

/* `at` is behind a * that takes any run of characters. */
static bool matches_after_star(const char *adjusted, const char *name, const char *at, bool unicode)
{
	for (;; adjusted++) {
		if (matches(adjusted, name, at, unicode, true))
			return true;
		if (*adjusted == '\0')
			return false;
	}
}

/* Whether `adjusted` is the rest of the name from `at` on. `pattern`: with * in it. */
static bool matches(const char *adjusted, const char *name, const char *at, bool unicode, bool pattern)
{
	while (*at != '\0') {
		const char byte = *at;
		const char *start = adjusted;
		const uint32_t point = next_point(&at);

		if (pattern && byte == '*')
			return matches_after_star(adjusted, name, at, unicode);
		if (is_kept(byte, at == name + 1) || (byte == '_' && !unicode)) {
			if (*adjusted++ != byte)
				return false;
			continue;
		}
		if (point >= 0x10000 && !take_unit(&adjusted, 0xd800 + ((point - 0x10000) >> 10), unicode))
			return false;
		if (!take_unit(&adjusted, point < 0x10000 ? point : 0xdc00 + ((point - 0x10000) & 0x3ff), unicode))
			return false;
		/* A leading digit stays behind its underscore. */
		if (is_digit(byte) && !unicode && *adjusted == byte && adjusted == start + 1)
			adjusted++;
	}
	return *adjusted == '\0';
}

bool adjusted_name_matches(const char *adjusted, const char *name)
{
	return strcmp(adjusted, name) == 0 || matches(adjusted, name, name, false, false) ||
	       matches(adjusted, name, name, true, false);
}

bool adjusted_name_matches_pattern(const char *adjusted, const char *pattern)
{
	return matches(adjusted, pattern, pattern, false, true) || matches(adjusted, pattern, pattern, true, true);
}
