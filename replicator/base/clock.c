/* clock.c - see clock.h */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_us(clockid_t id)
{
	struct timespec now;

	/* Both clocks always exist on Linux. */
	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

void clock_sleep_ms(int milliseconds)
{
	struct timespec wait = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};

	if (milliseconds > 0)
		nanosleep(&wait, NULL);
}

void clock_format_utc(int64_t wall_us, char *text, size_t size)
{
	int64_t milliseconds = wall_us / 1000;
	time_t seconds;
	struct tm utc;

	if (wall_us % 1000 < 0)
		milliseconds--;
	seconds = milliseconds / 1000;
	milliseconds %= 1000;
	if (milliseconds < 0) {
		milliseconds += 1000;
		seconds--;
	}
	if (gmtime_r(&seconds, &utc) == NULL) {
		snprintf(text, size, "(no time)");
		return;
	}
	snprintf(text, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
	         utc.tm_hour, utc.tm_min, utc.tm_sec, (int)milliseconds);
}
