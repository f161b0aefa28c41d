/*
 * fences.h - a stream that brings nothing but fences: what check_target writes through source.dsn arrives in the state tables
 * of the target, and the watermark follows. All static inline, like postgres.h.
 */
#ifndef TESTS_UNIT_FENCES_H
#define TESTS_UNIT_FENCES_H

#include "postgres.h"

#include <pthread.h>
#include <stdatomic.h>

struct fences {
	pthread_t thread;
	atomic_bool stop;
	atomic_bool ready;
	char *source, *target; /* connection strings */
	char *position;        /* of the server whose position is the watermark; NULL: somebody else moves it */
};

static inline void fences_take(struct pg_connection *source, struct pg_connection *target)
{
	struct pg_result *result = NULL;

	expect_no_error(pg_query(source,
	                         "SELECT substring(data from 'content:(fence .*)$') FROM"
	                         " pg_logical_slot_get_changes('test_fences', NULL, NULL) WHERE data LIKE 'message:%'"
	                         " AND data LIKE '%prefix: replicator%'",
	                         0, NULL, &result));
	for (size_t i = 0; i < pg_result_rows(result); i++) {
		const char *const text[1] = {pg_result_text(result, i, 0)};

		expect_no_error(pg_query(target,
		                         "WITH p AS (SELECT string_to_array($1, ' ') AS w), e AS (UPDATE"
		                         " replicator.source_token SET number = w[5]::bigint FROM p WHERE token = w[6]"
		                         " RETURNING w) INSERT INTO replicator.source_identity"
		                         " SELECT 'replicator', w[2], w[3], w[4] FROM e ON CONFLICT DO NOTHING",
		                         1, text, NULL));
	}
	pg_result_free(result);
}

static inline void *fences_run(void *argument)
{
	struct fences *fences = argument;
	struct pg_connection *source = postgres_connect_to(fences->source);
	struct pg_connection *target = postgres_connect_to(fences->target);
	struct pg_connection *clock = fences->position == NULL ? NULL : postgres_connect_to(fences->position);

	expect_no_error(pg_query(source,
	                         "SELECT pg_create_logical_replication_slot('test_fences', 'test_decoding', true)", 0,
	                         NULL, NULL));
	atomic_store(&fences->ready, true);
	while (!atomic_load(&fences->stop)) {
		char *lsn = clock == NULL ? NULL : postgres_value(clock, "SELECT pg_current_wal_insert_lsn()");
		const char *const parameters[1] = {lsn};

		fences_take(source, target);
		if (lsn != NULL)
			expect_no_error(pg_query(target,
			                         "UPDATE replicator.stream SET last_commit_lsn = $1::pg_lsn - 1", 1,
			                         parameters, NULL));
		free(lsn);
		clock_sleep_ms(3);
	}
	pg_disconnect(source);
	pg_disconnect(target);
	pg_disconnect(clock);
	return NULL;
}

/* Takes the strings. Returns when what is written to the source from now on arrives. */
static inline void fences_start_at(struct fences *fences, char *source, char *target, char *position)
{
	*fences = (struct fences){.source = source, .target = target, .position = position};
	ck_assert_int_eq(pthread_create(&fences->thread, NULL, fences_run, fences), 0);
	while (!atomic_load(&fences->ready))
		clock_sleep_ms(2);
}

/* Of two databases of the test's server. */
static inline void fences_start(struct fences *fences, const char *source, const char *target, bool watermark)
{
	fences_start_at(fences, memory_format("%s dbname=%s", postgres_dsn(), source),
	                memory_format("%s dbname=%s", postgres_dsn(), target),
	                watermark ? memory_copy_text(postgres_dsn()) : NULL);
}

static inline void fences_stop(struct fences *fences)
{
	atomic_store(&fences->stop, true);
	pthread_join(fences->thread, NULL);
	free(fences->source);
	free(fences->target);
	free(fences->position);
}

#endif
