/*
 * compare.c - see the header.
 *
 * NOTES
 *   On a live pair the two sides are never read at the same position: what was committed in between differs. So rows are
 *   looked at in buckets, by the hash of their key, and a bucket that was seen equal once is proved; the next look takes
 *   only the others, from new snapshots. What the stream was about to apply is elsewhere the next time; a row that is
 *   wrong is there each time.
 *
 *   The first look needs no fence: if all is equal, that is the proof. From the second on the target's snapshot is taken
 *   when the stream has passed the source's. A bucket is different for good when a look with a passed fence shows it as
 *   the look before did, on both sides.
 *
 *   Where the stream says that it is stopped, or the target has no state of it, nothing is waited for: two looks that
 *   show the same are enough.
 *
 *   A bucket of a row that changes all the time may be unequal at each look until the time is over. It is reported as
 *   different then, and that its content kept changing is said with it.
 */
#include "check/compare.h"

#include "base/clock.h"
#include "base/lsn.h"
#include "check/digest.h"
#include "check/watermark.h"

#include <pthread.h>
#include <string.h>

#define LOOK_WAIT_US ((int64_t)5 * 1000000)
#define PAUSE_FIRST_MS 50
#define PAUSE_MOST_MS 1000

static struct error *begin_snapshot(struct pg_connection *connection, const char *sql, struct pg_result **result)
{
	TRY(pg_execute(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
	return pg_query(connection, sql, 0, NULL, result);
}

/* The position is read after the snapshot was taken: nothing in the snapshot is behind it. */
static struct error *begin_source(struct comparison *comparison)
{
	const char *sql = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
	                  " ELSE pg_current_wal_insert_lsn() END";
	struct pg_result *result = NULL;

	TRY(begin_snapshot(comparison->source, sql, &result));
	if (!lsn_parse(pg_result_text(result, 0, 0), &comparison->source_lsn))
		comparison->source_lsn = UINT64_MAX;
	pg_result_free(result);
	return NULL;
}

static void end_snapshot(struct pg_connection *connection)
{
	if (!pg_is_broken(connection))
		error_free(pg_execute(connection, "ROLLBACK"));
}

struct reading {
	struct pg_connection *connection;
	struct check_tables *tables;
	enum side side;
	struct digest_options options;
	struct error *error; /* the connection was lost */
};

static void *read_side(void *argument)
{
	struct reading *reading = argument;

	for (size_t i = 0; i < reading->tables->count; i++) {
		struct check_table *table = &reading->tables->tables[i];
		struct check_side *side = &table->sides[reading->side];
		int64_t start = clock_monotonic_us();

		if (table->verdict != VERDICT_PENDING)
			continue;
		side->error = digest_read(reading->connection, table, reading->side, &reading->options, side);
		side->read_us += clock_monotonic_us() - start;
		if (pg_is_broken(reading->connection)) {
			reading->error = side->error;
			side->error = NULL;
			return NULL;
		}
	}
	return NULL;
}

/* Both sides at the same time. */
static struct error *read_sides(struct comparison *comparison, struct check_tables *tables,
                                const struct digest_options *options)
{
	struct reading source = {comparison->source, tables, SIDE_SOURCE, *options, NULL};
	struct reading target = {comparison->target, tables, SIDE_TARGET, *options, NULL};
	pthread_t thread;

	if (pthread_create(&thread, NULL, read_side, &source) != 0)
		return error_new(ERROR_SYSTEM, "cannot start a thread");
	read_side(&target);
	pthread_join(thread, NULL);
	if (source.error == NULL)
		return target.error;
	error_free(target.error);
	return source.error;
}

static bool same_bucket(const struct bucket *a, const struct bucket *b)
{
	return a->rows == b->rows && strcmp(a->digest, b->digest) == 0;
}

static bool is_unchanged(const struct check_table *table, size_t bucket)
{
	const struct check_side *source = &table->sides[SIDE_SOURCE], *target = &table->sides[SIDE_TARGET];

	return same_bucket(&source->buckets[bucket], &source->previous[bucket]) &&
	       same_bucket(&target->buckets[bucket], &target->previous[bucket]);
}

/* Closes the buckets that are equal now; counts those that are open and look as they did the time before. */
static size_t judge_buckets(struct check_table *table)
{
	size_t unchanged = 0;

	for (size_t i = 0; i < table->bucket_count; i++) {
		if (!table->open[i])
			continue;
		if (same_bucket(&table->sides[SIDE_SOURCE].buckets[i], &table->sides[SIDE_TARGET].buckets[i])) {
			table->open[i] = false;
			table->open_count--;
		} else if (is_unchanged(table, i)) {
			unchanged++;
		}
	}
	return unchanged;
}

static void judge_equal(struct check_table *table, struct arena *arena)
{
	table->verdict = VERDICT_IN_SYNC;
	if (table->missing_columns != NULL) {
		table->verdict = VERDICT_DIFFERENT;
		table->reason = arena_format(arena, "the target lacks columns: %s", table->missing_columns);
	}
}

static int64_t rows_of(const struct check_table *table, enum side side)
{
	int64_t rows = 0;

	for (size_t i = 0; i < table->bucket_count; i++)
		rows += table->sides[side].buckets[i].rows;
	return rows;
}

static void judge_different(struct check_table *table, bool lasting, struct arena *arena)
{
	bool keeps_rows = table->rule->delete_mode == DELETE_IGNORE || table->rule->truncate_mode == TRUNCATE_IGNORE;

	if (keeps_rows && rows_of(table, SIDE_TARGET) >= rows_of(table, SIDE_SOURCE)) {
		table->verdict = VERDICT_UNCHECKED;
		table->reason = "a rule keeps rows in the target that the source deleted: not comparable as a whole";
		return;
	}
	table->verdict = VERDICT_DIFFERENT;
	if (!lasting)
		table->reason =
		    arena_format(arena,
		                 "%zu of %zu parts kept changing and were not seen equal in time: the stream is "
		                 "behind, or these rows change at each look",
		                 table->open_count, table->bucket_count);
	else if (table->missing_columns != NULL)
		table->reason = arena_format(arena, "the target lacks columns: %s", table->missing_columns);
}

static void judge_unread(struct check_table *table, struct arena *arena)
{
	const struct error *error = table->sides[SIDE_SOURCE].error;

	if (error == NULL)
		error = table->sides[SIDE_TARGET].error;
	table->verdict = VERDICT_UNCHECKED;
	table->reason = arena_format(arena, "%s", error->message);
}

/* The verdicts that this look allows; the number of tables that are still pending. */
static size_t judge_tables(struct comparison *comparison, struct check_tables *tables, bool last)
{
	bool trusted = comparison->looks > 1 && (comparison->passed || comparison->stopped);
	size_t pending = 0;

	for (size_t i = 0; i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];
		size_t unchanged;

		if (table->verdict != VERDICT_PENDING)
			continue;
		if (table->sides[SIDE_SOURCE].error != NULL || table->sides[SIDE_TARGET].error != NULL) {
			judge_unread(table, comparison->arena);
			continue;
		}
		unchanged = judge_buckets(table);
		if (table->open_count == 0)
			judge_equal(table, comparison->arena);
		else if (last || (trusted && unchanged == table->open_count))
			judge_different(table, comparison->looks > 1 && unchanged > 0, comparison->arena);
		else
			pending++;
	}
	return pending;
}

/* Waits for the stream, from the second look on. */
static struct error *await_stream(struct comparison *comparison, int64_t deadline)
{
	int64_t wait_us = deadline - clock_monotonic_us();
	struct watermark watermark;

	comparison->passed = false;
	if (comparison->looks == 1)
		return NULL;
	watermark_push_fence(comparison->source_fence);
	TRY(watermark_await(comparison->target_watch, comparison->config, comparison->source_lsn,
	                    wait_us < LOOK_WAIT_US ? wait_us : LOOK_WAIT_US, comparison->arena, &comparison->passed));
	TRY(watermark_read(comparison->target_watch, comparison->config, comparison->arena, &watermark));
	comparison->stopped = !watermark.known || watermark_is_stopped(&watermark);
	return NULL;
}

static struct error *look(struct comparison *comparison, struct check_tables *tables,
                          const struct digest_options *options, int64_t deadline)
{
	struct error *error = begin_source(comparison);

	comparison->looks++;
	if (error == NULL)
		error = await_stream(comparison, deadline);
	if (error == NULL)
		error = begin_snapshot(comparison->target, "SELECT 1", NULL);
	if (error == NULL)
		error = read_sides(comparison, tables, options);
	end_snapshot(comparison->source);
	end_snapshot(comparison->target);
	return error;
}

static struct error *is_utf8(struct pg_connection *connection, bool *utf8)
{
	struct pg_result *result = NULL;

	TRY(pg_query(connection, "SHOW server_encoding", 0, NULL, &result));
	*utf8 = strcmp(pg_result_text(result, 0, 0), "UTF8") == 0;
	pg_result_free(result);
	return NULL;
}

struct error *compare_tables(struct comparison *comparison, struct check_tables *tables)
{
	int64_t deadline = clock_monotonic_us() + comparison->timeout_us;
	bool source_utf8 = true, target_utf8 = true, last = false;
	int pause_ms = PAUSE_FIRST_MS;
	struct digest_options options = {.is_deleted = comparison->config->target.is_deleted};

	TRY(is_utf8(comparison->source, &source_utf8));
	TRY(is_utf8(comparison->target, &target_utf8));
	options.encode = !source_utf8 || !target_utf8;
	for (;;) {
		TRY(look(comparison, tables, &options, deadline));
		last = comparison->looks > 1 && clock_monotonic_us() >= deadline;
		if (judge_tables(comparison, tables, last) == 0)
			return NULL;
		if (comparison->looks > 1) {
			clock_sleep_ms(pause_ms);
			pause_ms = pause_ms * 2 < PAUSE_MOST_MS ? pause_ms * 2 : PAUSE_MOST_MS;
		}
	}
}
