/* slice.h - a borrowed run of bytes. Not zero-terminated; whoever made it says how long it lives. */
#ifndef REPLICATOR_BASE_SLICE_H
#define REPLICATOR_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *data;
	size_t length;
};

static inline struct slice slice_from(const char *text)
{
	return (struct slice){text, strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
	return slice_equal(a, slice_from(text));
}

#endif
