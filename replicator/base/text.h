/* text.h - text that people write or read: whole numbers, names in patterns, values on a terminal. Thread: any. */
#ifndef REPLICATOR_BASE_TEXT_H
#define REPLICATOR_BASE_TEXT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* False: the text is not all of a whole number from least to most; *number is then of no use. */
bool text_read_integer(const char *text, int64_t least, int64_t most, int64_t *number);

/* The name as a regular expression that is that name alone, in Java's and PostgreSQL's; also in a list with commas. */
void text_append_pattern(struct buffer *pattern, const char *name);

/*
 * The number of bytes of the character at `text`, 1 to `length`; `length` is not 0. *control: a terminal may act on it. It
 * is a control character (U+0000 to U+001F, U+007F to U+009F), or a byte that is not part of UTF-8 (a terminal may read
 * 0x9b alone as the start of a command).
 */
size_t text_character_length(const char *text, size_t length, bool *control);

bool text_is_utf8(const char *text, size_t length);

/*
 * Appends the text with an escape in the place of each such character: \n, \t, \x1b, \u009b. With `keep_lines` a line
 * feed stays what it is.
 */
void text_append_visible(struct buffer *buffer, const char *text, size_t length, bool keep_lines);

#endif
