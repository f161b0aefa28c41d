/* text.c - see the header. */
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool text_read_integer(const char *text, int64_t least, int64_t most, int64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *number >= least && *number <= most;
}

void text_append_pattern(struct buffer *pattern, const char *name)
{
	for (; *name != '\0'; name++) {
		if (strchr("\\.[]{}()*+?^$|,", *name) != NULL)
			buffer_append_byte(pattern, '\\');
		buffer_append_byte(pattern, *name);
	}
}

/* The length of the UTF-8 character at `text`; 0: it is not one. */
static size_t utf8_length(const unsigned char *text, size_t length)
{
	const size_t wanted = text[0] < 0x80                       ? 1
	                      : text[0] >= 0xc2 && text[0] <= 0xdf ? 2
	                      : (text[0] & 0xf0) == 0xe0           ? 3
	                      : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4
	                                                           : 0;

	if (wanted > length)
		return 0;
	for (size_t i = 1; i < wanted; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return wanted;
}

bool text_is_utf8(const char *text, size_t length)
{
	for (size_t i = 0, size; i < length; i += size) {
		size = utf8_length((const unsigned char *)text + i, length - i);
		if (size == 0)
			return false;
	}
	return true;
}

size_t text_character_length(const char *text, size_t length, bool *control)
{
	const unsigned char *bytes = (const unsigned char *)text;
	const size_t utf8 = utf8_length(bytes, length);

	*control = utf8 == 0 || (utf8 == 1 && (bytes[0] < 0x20 || bytes[0] == 0x7f)) ||
	           (utf8 == 2 && bytes[0] == 0xc2 && bytes[1] <= 0x9f);
	return utf8 == 0 ? 1 : utf8;
}

void text_append_visible(struct buffer *buffer, const char *text, size_t length, bool keep_lines)
{
	bool control;

	for (size_t i = 0, size; i < length; i += size) {
		size = text_character_length(text + i, length - i, &control);
		if (!control || (keep_lines && text[i] == '\n'))
			buffer_append(buffer, text + i, size);
		else if (text[i] == '\n' || text[i] == '\t')
			buffer_append_text(buffer, text[i] == '\n' ? "\\n" : "\\t");
		else if (size == 2)
			buffer_append_format(buffer, "\\u%04x", (unsigned)(unsigned char)text[i + 1]);
		else
			buffer_append_format(buffer, "\\x%02x", (unsigned)(unsigned char)text[i]);
	}
}
