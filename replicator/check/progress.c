/* progress.c - see the header. */
#include "check/progress.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

#define DRAW_EACH_US ((int64_t)200000)
#define BAR_WIDTH 30

static void draw(const struct progress *progress)
{
	int64_t elapsed = progress->drawn_us - progress->start_us;
	int filled = (int)(progress->total > 0 ? progress->done * BAR_WIDTH / progress->total : BAR_WIDTH);

	fprintf(stderr, "\r%s [", progress->what);
	for (int i = 0; i < BAR_WIDTH; i++)
		fputc(i < filled ? '#' : '.', stderr);
	fprintf(stderr, "] %3" PRId64 " %%", progress->total > 0 ? progress->done * 100 / progress->total : 100);
	if (progress->done > 0 && progress->done < progress->total)
		fprintf(stderr, ", %" PRId64 " s left",
		        elapsed * (progress->total - progress->done) / progress->done / 1000000);
	fputs("\033[K", stderr);
	fflush(stderr);
}

void progress_start(struct progress *progress, const char *what, int64_t total)
{
	progress->what = what;
	progress->done = 0;
	progress->total = total;
	progress->start_us = clock_monotonic_us();
	progress->drawn_us = 0;
}

void progress_advance(struct progress *progress, int64_t done)
{
	int64_t now = clock_monotonic_us();

	progress->done += done;
	if (!progress->shown || now - progress->drawn_us < DRAW_EACH_US)
		return;
	progress->drawn_us = now;
	draw(progress);
}

void progress_note(struct progress *progress, const char *what)
{
	if (!progress->shown)
		return;
	fprintf(stderr, "\r%s\033[K", what);
	fflush(stderr);
}

void progress_clear(struct progress *progress)
{
	if (progress->shown)
		fputs("\r\033[K", stderr);
}
