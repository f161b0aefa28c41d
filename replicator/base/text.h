/* text.h - what people write: whole numbers; and names where a pattern is read. Thread: any. */
#ifndef REPLICATOR_BASE_TEXT_H
#define REPLICATOR_BASE_TEXT_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* False: the text is not all of a whole number from least to most; *number is then of no use. */
bool text_read_integer(const char *text, int64_t least, int64_t most, int64_t *number);

/* The name as a regular expression that is that name alone, in Java's and PostgreSQL's; also in a list with commas. */
void text_append_pattern(struct buffer *pattern, const char *name);

#endif
