/*
 * clock.c - a wall clock that jumps, for the fault runs: preloaded into a daemon, it moves CLOCK_REALTIME by the seconds that the
 * file named in FAULTS_CLOCK holds (`+0000000600`, rewritten in place while the daemon runs). CLOCK_MONOTONIC stays as it is.
 *
 * NOTES
 *   A wait until a wall clock time ends when that clock gets there, as in the kernel: a jump back makes it longer. So waits on
 *   conditions are cut into short ones and the clock is looked at in between. (libfaketime moves timespec_get but not C11's
 *   cnd_timedwait: librdkafka would wait for the wrong time.) Deadlines of conditions on CLOCK_MONOTONIC are told by their
 *   size: the machine is not up since 2001.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

enum { FILE_BYTES = 16, SLICE_MS = 50 };

static const char *offset_text = "0";

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static int (*real_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
static int (*real_cnd_timedwait)(cnd_t *, mtx_t *, const struct timespec *);

__attribute__((constructor)) static void begin(void)
{
	const char *name = getenv("FAULTS_CLOCK");
	int file = name != NULL ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	void *text = file >= 0 ? mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;

	*(void **)&real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
	*(void **)&real_cond_timedwait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
	*(void **)&real_cnd_timedwait = dlsym(RTLD_NEXT, "cnd_timedwait");
	if (text != MAP_FAILED)
		offset_text = text;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int status;

	if (real_clock_gettime == NULL)
		begin();
	status = real_clock_gettime(clock, now);
	if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		now->tv_sec += strtol(offset_text, NULL, 10);
	return status;
}

int timespec_get(struct timespec *now, int base)
{
	return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec precise;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &precise);
	*now = (struct timeval){precise.tv_sec, precise.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *result)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (result != NULL)
		*result = now.tv_sec;
	return now.tv_sec;
}

static bool is_monotonic(const struct timespec *deadline)
{
	return deadline->tv_sec < 1000000000;
}

/* False: the (moved) wall clock is there. Else the end of a short wait on the real one. */
static bool next_slice(const struct timespec *deadline, struct timespec *until)
{
	struct timespec now;
	long left_ms;

	clock_gettime(CLOCK_REALTIME, &now);
	left_ms = (deadline->tv_sec - now.tv_sec) * 1000 + (deadline->tv_nsec - now.tv_nsec) / 1000000;
	if (left_ms <= 0)
		return false;
	if (left_ms > SLICE_MS)
		left_ms = SLICE_MS;
	real_clock_gettime(CLOCK_REALTIME, until);
	until->tv_nsec += left_ms * 1000000;
	until->tv_sec += until->tv_nsec / 1000000000;
	until->tv_nsec %= 1000000000;
	return true;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline)
{
	struct timespec until;
	int status = ETIMEDOUT;

	if (is_monotonic(deadline))
		return real_cond_timedwait(condition, mutex, deadline);
	while (status == ETIMEDOUT && next_slice(deadline, &until))
		status = real_cond_timedwait(condition, mutex, &until);
	return status;
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict deadline)
{
	struct timespec until;
	int status = thrd_timedout;

	while (status == thrd_timedout && next_slice(deadline, &until))
		status = real_cnd_timedwait(condition, mutex, &until);
	return status;
}
