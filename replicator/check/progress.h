/* progress.h - a bar on a terminal with the rest of the time. Thread: under its user's lock. */
#ifndef REPLICATOR_CHECK_PROGRESS_H
#define REPLICATOR_CHECK_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool shown; /* standard error is a terminal */
	const char *what;
	int64_t done, total; /* pieces of equal work */
	int64_t start_us, drawn_us;
};

void progress_start(struct progress *progress, const char *what, int64_t total);
void progress_advance(struct progress *progress, int64_t done);
void progress_note(struct progress *progress, const char *what); /* a line without a bar */
void progress_clear(struct progress *progress);

#endif
