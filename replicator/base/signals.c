/* signals.c - see signals.h */
#include "base/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* A launcher may signal the process and its whole group: what comes so soon after the first is the same wish. */
#define SAME_WISH_US 500000

/* Lock-free atomics are the one kind of object that both handlers and other threads may use. */
static _Atomic int64_t first_stop_us;
static atomic_bool stop_requested;
static atomic_bool reload_requested;

static void on_stop(int number)
{
	int64_t now = clock_monotonic_us(); /* clock_gettime is async-signal-safe */
	int64_t first = 0;

	if (!atomic_compare_exchange_strong(&first_stop_us, &first, now) && now - first > SAME_WISH_US)
		_exit(128 + number); /* the second one: leave at once, the checkpoint is in the target */
	atomic_store(&stop_requested, true);
}

static void on_reload(int number)
{
	(void)number;
	atomic_store(&reload_requested, true);
}

void signals_install(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	sigemptyset(&action.sa_mask);
	action.sa_handler = on_stop;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = on_reload;
	action.sa_flags = SA_RESTART;
	sigaction(SIGHUP, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

bool signals_stop_requested(void)
{
	return atomic_load(&stop_requested);
}

bool signals_take_reload(void)
{
	return atomic_exchange(&reload_requested, false);
}

void signals_request_stop(void)
{
	atomic_store(&stop_requested, true);
}
