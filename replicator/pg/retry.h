/* retry.h - how long to wait before the next attempt: doubling, jittered, bounded. One owner. */
#ifndef REPLICATOR_PG_RETRY_H
#define REPLICATOR_PG_RETRY_H

#include <stdint.h>

struct retry {
	int first_ms;
	int most_ms;
	unsigned attempts; /* so far */
	uint64_t random;   /* state of the jitter */
};

void retry_init(struct retry *retry, int first_ms, int most_ms);
int retry_next_ms(struct retry *retry); /* the next wait; counts the attempt */
void retry_reset(struct retry *retry);  /* it worked */

#endif
