/*
 * seeds.h - the runs of a random test: TEST_SEED=N repeats one; RANDOM_RUNS=N makes so many, from a new seed on. The seed is
 * printed before it runs.
 */
#ifndef TESTS_UNIT_SEEDS_H
#define TESTS_UNIT_SEEDS_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* `usual`: how many without RANDOM_RUNS. */
static inline void run_seeds(void (*run_seed)(unsigned seed), unsigned usual)
{
	const char *given = getenv("TEST_SEED"), *runs = getenv("RANDOM_RUNS");
	unsigned from = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	unsigned count = given != NULL ? 1 : runs != NULL ? (unsigned)strtoul(runs, NULL, 10) : usual;

	for (unsigned seed = from; seed < from + count; seed++) {
		printf("\rTEST_SEED=%u", seed);
		fflush(stdout);
		run_seed(seed);
	}
	printf("\n");
}

#endif
