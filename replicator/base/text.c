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
