/* retry.c - see the header. Half of a wait is fixed, half is chance, so that many clients do not come back at once. */
#include "pg/retry.h"

#include "base/clock.h"

void retry_init(struct retry *retry, int first_ms, int most_ms)
{
	retry->first_ms = first_ms > 0 ? first_ms : 1;
	retry->most_ms = most_ms > retry->first_ms ? most_ms : retry->first_ms;
	retry->attempts = 0;
	retry->random = (uint64_t)clock_wall_us() ^ ((uint64_t)(uintptr_t)retry << 16) ^ 0x9e3779b97f4a7c15u;
}

/* xorshift64*: enough for jitter. */
static uint64_t next_random(struct retry *retry)
{
	uint64_t x = retry->random != 0 ? retry->random : 1;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	retry->random = x;
	return (x * 0x2545f4914f6cdd1du) >> 33;
}

int retry_next_ms(struct retry *retry)
{
	int64_t wait = retry->first_ms;

	for (unsigned i = 0; i < retry->attempts && wait < retry->most_ms; i++)
		wait *= 2;
	if (wait > retry->most_ms)
		wait = retry->most_ms;
	retry->attempts++;
	return (int)(wait - wait / 2 + (int64_t)(next_random(retry) % (uint64_t)(wait / 2 + 1)));
}

void retry_reset(struct retry *retry)
{
	retry->attempts = 0;
}
