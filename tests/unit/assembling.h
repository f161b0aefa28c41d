/*
 * assembling.h - an assembler of the partitions that the test names, fresh for each test, and what is expected of it.
 * All static, as in decoding.h; a test says PARTITIONS and includes it once.
 */
#ifndef TESTS_UNIT_ASSEMBLING_H
#define TESTS_UNIT_ASSEMBLING_H

#include "stream/assembler.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct partition_list *names;
static struct assembler *assembler;
static struct assembler_options options;
static int64_t offsets[PARTITIONS];
static int64_t high[PARTITIONS]; /* 0: as far as was pushed; -1: not known */
static int asked;                /* for high watermarks */

/* The ENDs of the transaction topic, as a search would find them. */
static struct {
	uint64_t tx_id, lsn;
	int64_t offset;
} topic_ends[16384];
static size_t topic_end_count;
static bool search_in_progress; /* the answer is not there yet */
static int searches;

#define GOOD(expression)                                                                                               \
	do {                                                                                                           \
		struct error *good_ = (expression);                                                                    \
		ck_assert_msg(good_ == NULL, "%s", good_ == NULL ? "" : good_->message);                               \
	} while (0)

static inline bool high_watermark(uint32_t partition, int64_t *end, void *context)
{
	(void)context;
	asked++;
	*end = high[partition] != 0 ? high[partition] : offsets[partition];
	return high[partition] >= 0;
}

static inline enum end_answer find_end(const struct end_query *query, uint64_t *commit_lsn, void *context);

static inline void topic_has(uint64_t tx_id, uint64_t lsn, int64_t offset)
{
	if (options.find_end != find_end)
		return;
	ck_assert_uint_lt(topic_end_count, sizeof(topic_ends) / sizeof(topic_ends[0]));
	topic_ends[topic_end_count].tx_id = tx_id;
	topic_ends[topic_end_count].lsn = lsn;
	topic_ends[topic_end_count++].offset = offset;
}

static inline enum end_answer find_end(const struct end_query *query, uint64_t *commit_lsn, void *context)
{
	(void)context;
	if (search_in_progress)
		return END_UNKNOWN;
	searches++;
	for (size_t i = 0; i < topic_end_count; i++) {
		if (topic_ends[i].tx_id != query->tx_id || topic_ends[i].offset >= query->before ||
		    topic_ends[i].lsn < query->lowest_lsn || topic_ends[i].lsn > query->highest_lsn)
			continue;
		*commit_lsn = topic_ends[i].lsn;
		return END_FOUND;
	}
	return END_ABSENT;
}

static inline void assembling_set_up(void)
{
	names = partition_list_new();
	memset(offsets, 0, sizeof(offsets));
	memset(high, 0, sizeof(high));
	topic_end_count = 0;
	search_in_progress = false;
	searches = 0;
	options = (struct assembler_options){.transactions = true,
	                                     .high_watermark = high_watermark,
	                                     .find_end = find_end,
	                                     .snapshot_run_rows = 100,
	                                     .spill_dir = "/tmp",
	                                     .spill_limit = 1 << 28};
	assembler = NULL;
}

/* In the place of the one before, if there was one. */
static inline void assembling_begin(const struct checkpoint *start)
{
	assembler_free(assembler);
	assembler = assembler_new(&options, start, names);
	for (uint32_t i = 0; i < PARTITIONS; i++)
		assembler_add_partition(assembler, i, offsets[i]);
}

static inline void assembling_tear_down(void)
{
	assembler_free(assembler);
	partition_list_free(names);
}

static inline struct transaction *next(void)
{
	struct transaction *transaction = NULL;

	GOOD(assembler_next(assembler, &transaction));
	return transaction;
}

static inline void expect_nothing(void)
{
	struct transaction *transaction = next();

	ck_assert_msg(transaction == NULL, "transaction %llu came with %zu events",
	              (unsigned long long)transaction->tx_id, transaction->change_count);
}

/* A second in which nothing is read and nothing may be handed over; *error is that of the assembler, if it is not NULL. */
static inline void pass_second(uint32_t marks, struct error **error)
{
	struct transaction *transaction = NULL;

	*error = assembler_next(assembler, &transaction);
	ck_assert_ptr_null(transaction);
	if (*error != NULL)
		return;
	transaction_free(assembler_progress(assembler));
	assembler_tick(assembler, offsets[marks]);
}

/* The stream does not stop before it is certain that nothing that explains the error is still to come. */
static inline struct error *await_error(uint32_t marks)
{
	struct error *error = NULL;

	for (int i = 0; i < 15 && error == NULL; i++)
		pass_second(marks, &error);
	ck_assert_ptr_nonnull(error);
	return error;
}

static inline void stay_quiet(uint32_t marks)
{
	for (int i = 0; i < 10; i++) {
		struct error *error;

		pass_second(marks, &error);
		ck_assert_msg(error == NULL, "%s", error == NULL ? "" : error->message);
	}
}

/* The ids of its rows in order: "1 -2 3"; t is a TRUNCATE. */
static inline void say_rows(const struct transaction *transaction, char *text, size_t room)
{
	text[0] = '\0';
	for (size_t i = 0; i < transaction->change_count; i++) {
		const struct change *change = transaction->changes[i];
		const struct value *row = change->after != NULL ? change->after : change->before;
		char one[64];

		snprintf(one, sizeof(one), "%s%s%.*s", i > 0 ? " " : "", change->operation == 'd' ? "-" : "",
		         row == NULL ? 1 : (int)row[0].length, row == NULL ? "t" : row[0].data);
		strncat(text, one, room - strlen(text) - 1);
	}
}

static inline void expect_rows(uint64_t tx_id, const char *ids)
{
	struct transaction *transaction = next();
	char text[512];

	ck_assert_msg(transaction != NULL, "transaction %llu did not come", (unsigned long long)tx_id);
	ck_assert_uint_eq(transaction->tx_id, tx_id);
	say_rows(transaction, text, sizeof(text));
	ck_assert_str_eq(text, ids);
	transaction_free(transaction);
}

#endif
