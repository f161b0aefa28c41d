/*
 * test_assembler_restarts.c - a connector that restarts inside a transaction (docs/connector-restarts.md): parts of it
 * come again, numbered anew or not, and its END may count less than came.
 *
 * Partition 0 has the marks, 1 and 2 the table `wide`, 3 the table `counter`, 4 a table without a key. An event is
 * written as the ID of its row, its LSN and the number that the connector gave it.
 */
#include "base/memory.h"
#include "base/slab.h"
#include "stream/alignment.h"
#include "stream/assembler.h"
#include "stream/spill.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARKS, WIDE, WIDE2, COUNTER, KEYLESS, PARTITIONS };

static struct slab_account account;
static struct slab_writer writer;
static struct partition_list *names;
static struct assembler *assembler;
static struct assembler_options options;
static int64_t offsets[PARTITIONS];
static int64_t high[PARTITIONS]; /* 0: as far as was pushed */

static const struct collection wide = {.name = "public.wide", .schema = "public", .table = "wide", .number = 0};
static const struct collection counter = {.name = "public.counter",
                                          .schema = "public",
                                          .table = "counter",
                                          .number = 1};
static const struct collection keyless = {.name = "public.log", .schema = "public", .table = "log", .number = 2};
static const struct column columns[] = {{.name = "id"}};
static const uint32_t key[] = {0};
static const struct relation relations[] = {
    {.collection = &wide,
     .schema = "public",
     .table = "wide",
     .column_count = 1,
     .columns = columns,
     .key_count = 1,
     .key_columns = key},
    {.collection = &counter,
     .schema = "public",
     .table = "counter",
     .column_count = 1,
     .columns = columns,
     .key_count = 1,
     .key_columns = key,
     .number = 1},
    {.collection = &keyless, .schema = "public", .table = "log", .column_count = 1, .columns = columns, .number = 2},
};

static int asked;

static int64_t high_watermark(uint32_t partition, void *context)
{
	(void)context;
	asked++;
	return high[partition] != 0 ? high[partition] : offsets[partition];
}

static void begin(void)
{
	static const char *const topics[PARTITIONS] = {"p.transaction", "p.public.wide", "p.public.wide",
	                                               "p.public.counter", "p.public.log"};
	const struct checkpoint start = {.last_commit_lsn = 100};

	assembler_free(assembler);
	assembler = assembler_new(&options, &start, names);
	for (uint32_t i = 0; i < PARTITIONS; i++) {
		partition_list_add(names, topics[i], i == WIDE2 ? 1 : 0);
		assembler_add_partition(assembler, i, offsets[i]);
	}
}

static void setup(void)
{
	options = (struct assembler_options){.transactions = true,
	                                     .high_watermark = high_watermark,
	                                     .snapshot_run_rows = 100,
	                                     .spill_dir = "/tmp",
	                                     .spill_limit = 1 << 28};
	memset(offsets, 0, sizeof(offsets));
	memset(high, 0, sizeof(high));
	slab_writer_init(&writer, &account);
	names = partition_list_new();
	assembler = NULL;
	begin();
}

static void teardown(void)
{
	assembler_free(assembler);
	slab_writer_close(&writer);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0); /* everything was released */
	partition_list_free(names);
}

#define GOOD(expression)                                                                                               \
	do {                                                                                                           \
		struct error *good_ = (expression);                                                                    \
		ck_assert_msg(good_ == NULL, "%s", good_ == NULL ? "" : good_->message);                               \
	} while (0)

struct sent {
	uint32_t partition;
	char op; /* 'm': the first half of a key change, 'n' its second */
	int id;
	uint64_t lsn;
	uint64_t number;
	uint64_t previous; /* 0: 100 */
	uint64_t tx;       /* 0: 7 */
};

static void sent(struct sent s)
{
	const size_t bytes = sizeof(struct change) + 2 * sizeof(struct value) + 16;
	struct change *change = slab_reserve(&writer, bytes);
	struct value *values = (struct value *)(change + 1);
	char *text = (char *)(values + 2);
	uint32_t table = s.partition == KEYLESS ? 2 : s.partition == COUNTER ? 1 : 0;

	snprintf(text, 16, "%d", s.id);
	values[0] = values[1] = (struct value){.data = text, .length = (uint32_t)strlen(text), .kind = VALUE_NUMBER};
	*change = (struct change){.relation = &relations[table],
	                          .partition = s.partition,
	                          .offset = offsets[s.partition]++,
	                          .tx_id = s.tx == 0 ? 7 : s.tx,
	                          .total_order = s.number,
	                          .previous_commit_lsn = s.previous == 0 ? 100 : s.previous,
	                          .lsn = s.lsn,
	                          .bytes = (uint32_t)bytes};
	change->operation = s.op == 'm' ? CHANGE_DELETE : s.op == 'n' ? CHANGE_INSERT : (uint8_t)s.op;
	change->before = change->operation == CHANGE_DELETE ? values : NULL;
	change->after = change->operation == CHANGE_DELETE || s.op == 't' ? NULL : values;
	change->other_key = s.op == 'm' ? values + 1 : NULL;
	change->slab = slab_commit(&writer, bytes);
	GOOD(assembler_push_change(assembler, change));
}

struct counts {
	uint64_t wide, counter, keyless;
};

static void mark(bool is_end, uint64_t tx, uint64_t lsn, struct counts c)
{
	const size_t bytes = sizeof(struct transaction_mark) + 3 * sizeof(struct collection_count);
	struct transaction_mark *new = slab_reserve(&writer, bytes);
	struct collection_count *counts = (struct collection_count *)(new + 1);
	uint32_t count = 0;

	if (c.wide > 0)
		counts[count++] = (struct collection_count){&wide, c.wide};
	if (c.counter > 0)
		counts[count++] = (struct collection_count){&counter, c.counter};
	if (c.keyless > 0)
		counts[count++] = (struct collection_count){&keyless, c.keyless};
	*new = (struct transaction_mark){.tx_id = tx,
	                                 .lsn = lsn,
	                                 .event_count = c.wide + c.counter + c.keyless,
	                                 .counts = counts,
	                                 .count_count = count,
	                                 .partition = MARKS,
	                                 .offset = offsets[MARKS]++,
	                                 .end = is_end};
	new->slab = slab_commit(&writer, bytes);
	GOOD(assembler_push_mark(assembler, new));
}

static void begins(uint64_t tx, uint64_t lsn)
{
	mark(false, tx, lsn, (struct counts){0});
}

/* What the connector writes when it starts again with transactions behind it that the slot still has. */
static void begins_anew(void)
{
	begins(6, 90);
	mark(true, 6, 100, (struct counts){0});
	begins(7, 95);
}

static struct transaction *next(void)
{
	struct transaction *transaction = NULL;

	GOOD(assembler_next(assembler, &transaction));
	return transaction;
}

static void expect_nothing(void)
{
	struct transaction *transaction = next();

	ck_assert_msg(transaction == NULL, "transaction %llu came with %zu events",
	              (unsigned long long)transaction->tx_id, transaction->change_count);
}

static void say(const struct transaction *transaction, char *text, size_t room)
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

/* The ids of its rows in order: "1 -2 3". */
static void expect_rows(uint64_t tx_id, const char *ids)
{
	struct transaction *transaction = next();
	char text[512];

	ck_assert_msg(transaction != NULL, "transaction %llu did not come", (unsigned long long)tx_id);
	ck_assert_uint_eq(transaction->tx_id, tx_id);
	say(transaction, text, sizeof(text));
	ck_assert_str_eq(text, ids);
	transaction_free(transaction);
}

/* As recorded in a run of tests/faults: the restart numbers from 1, a third partition only knows the new numbers. */
static void first_half(void)
{
	begins(7, 95);
	sent((struct sent){WIDE, 'c', 1, 101, 1, 0, 0});
	sent((struct sent){WIDE2, 'c', 2, 102, 2, 0, 0});
	sent((struct sent){WIDE, 'c', 3, 103, 3, 0, 0});
	sent((struct sent){WIDE2, 'c', 4, 104, 4, 0, 0});
	sent((struct sent){WIDE, 'c', 5, 105, 5, 0, 0});
	sent((struct sent){WIDE, 'c', 6, 106, 6, 0, 0});
}

START_TEST(numbers_that_begin_anew_in_all_partitions)
{
	first_half();
	begins_anew();
	sent((struct sent){WIDE, 'c', 5, 105, 1, 0, 0});
	sent((struct sent){WIDE, 'c', 6, 106, 2, 0, 0});
	sent((struct sent){WIDE2, 'd', 7, 107, 3, 0, 0});
	sent((struct sent){COUNTER, 'u', 8, 108, 4, 0, 0});
	mark(true, 7, 200, (struct counts){3, 1, 0});
	expect_rows(7, "1 2 3 4 5 6 -7 8");
	expect_nothing();
}
END_TEST

/* No event comes twice: the restart went on exactly behind what was sent. */
START_TEST(numbers_that_begin_anew_without_overlap)
{
	first_half();
	begins_anew();
	sent((struct sent){WIDE2, 'd', 7, 107, 1, 0, 0});
	sent((struct sent){COUNTER, 'u', 8, 108, 2, 0, 0});
	mark(true, 7, 200, (struct counts){1, 1, 0});
	expect_rows(7, "1 2 3 4 5 6 -7 8");
}
END_TEST

/* The counts of such an END are met by the first events already: they are no proof that all was read. */
START_TEST(a_short_end_does_not_cut_the_transaction)
{
	begins(7, 95);
	begins_anew();
	high[WIDE] = 4;
	high[COUNTER] = 1;
	mark(true, 7, 200, (struct counts){2, 0, 0});
	sent((struct sent){WIDE, 'c', 1, 101, 1, 0, 0});
	sent((struct sent){WIDE, 'c', 2, 102, 2, 0, 0});
	expect_nothing();
	ck_assert(assembler_needs(assembler, COUNTER));
	sent((struct sent){WIDE, 'c', 4, 104, 1, 0, 0});
	sent((struct sent){WIDE, 'c', 5, 105, 2, 0, 0});
	expect_nothing();
	sent((struct sent){COUNTER, 'u', 3, 103, 3, 0, 0}); /* of a table that END does not name */
	expect_rows(7, "1 2 3 4 5");
}
END_TEST

/* A later transaction at the head of a partition says as well that it is read far enough. */
START_TEST(a_later_transaction_ends_the_wait)
{
	begins(7, 95);
	begins_anew();
	high[WIDE] = 1000;
	sent((struct sent){WIDE, 'c', 1, 101, 1, 0, 0});
	mark(true, 7, 200, (struct counts){1, 0, 0});
	expect_nothing();
	sent((struct sent){WIDE, 'c', 9, 301, 1, 200, 8});
	expect_rows(7, "1");
}
END_TEST

/* What was taken before its END is not forgotten when the restart sends another BEGIN. */
START_TEST(a_spilled_half_is_kept)
{
	struct transaction *transaction;
	struct transaction *piece = transaction_new(TRANSACTION_STREAMED);
	uint64_t place = 0;
	char text[512];

	options.spill_bytes = 1;
	begin();
	first_half();
	expect_nothing();
	ck_assert_uint_eq(assembler_total_waiting_bytes(assembler), 0);
	begins(6, 90);
	expect_nothing();
	mark(true, 6, 100, (struct counts){0});
	expect_nothing();
	begins(7, 95);
	expect_nothing();
	sent((struct sent){WIDE, 'c', 6, 106, 1, 0, 0});
	sent((struct sent){WIDE2, 'd', 7, 107, 2, 0, 0});
	expect_nothing();
	sent((struct sent){COUNTER, 'u', 8, 108, 3, 0, 0});
	mark(true, 7, 200, (struct counts){2, 1, 0});
	transaction = next();
	ck_assert_ptr_nonnull(transaction);
	ck_assert_ptr_nonnull(transaction->spill);
	ck_assert_uint_eq(transaction->change_count, 8);
	GOOD(spill_read(transaction->spill, &place, 100, 1 << 20, piece));
	say(piece, text, sizeof(text));
	ck_assert_str_eq(text, "1 2 3 4 5 6 -7 8");
	transaction_free(piece);
	transaction_free(transaction);
}
END_TEST

START_TEST(halves_of_a_key_change_stay_in_one_piece)
{
	static const size_t sizes[] = {100, 51 + 50, 100, 100, 100, 100, 100, 52, 0};
	struct transaction *transaction;
	uint64_t place = 0;

	options.spill_bytes = 1;
	begin();
	begins(7, 95);
	for (uint64_t i = 0; i < 151; i++)
		sent((struct sent){WIDE, 'c', (int)i, 101 + i, i + 1, 0, 0});
	for (uint64_t i = 0; i < 300; i++) {
		sent((struct sent){WIDE, 'm', (int)i, 1000 + i, 152 + 2 * i, 0, 0});
		sent((struct sent){WIDE, 'n', (int)(299 - i), 1000 + i, 153 + 2 * i, 0, 0});
	}
	sent((struct sent){WIDE, 'c', 1000, 5000, 752, 0, 0});
	sent((struct sent){WIDE, 'c', 1001, 5001, 753, 0, 0});
	mark(true, 7, 6000, (struct counts){753, 0, 0});
	for (transaction = NULL; transaction == NULL;)
		transaction = next();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct transaction *piece = transaction_new(TRANSACTION_STREAMED);

		GOOD(spill_read(transaction->spill, &place, 100, 1 << 20, piece));
		ck_assert_uint_eq(piece->change_count, sizes[i]);
		ck_assert(piece->more_follows == (i < 7));
		transaction_free(piece);
	}
	transaction_free(transaction);
}
END_TEST

/* A daemon that starts now must see the first BEGIN again: it is the sign that the END is short. */
START_TEST(the_first_begin_holds_the_position)
{
	struct transaction *transaction;

	begins(7, 95);
	begins_anew();
	sent((struct sent){WIDE, 'c', 1, 101, 1, 0, 0});
	expect_nothing();
	transaction = assembler_progress(assembler);
	ck_assert_ptr_nonnull(transaction);
	for (size_t i = 0; i < transaction->position_count; i++)
		ck_assert(transaction->positions[i].partition != MARKS || transaction->positions[i].next_offset == 0);
	transaction_free(transaction);
	mark(true, 7, 200, (struct counts){1, 0, 0});
	transaction = next();
	ck_assert_ptr_nonnull(transaction);
	for (size_t i = 0; i < transaction->position_count; i++)
		ck_assert(transaction->positions[i].partition != MARKS || transaction->positions[i].next_offset == 5);
	transaction_free(transaction);
}
END_TEST

/* The connector kept its place at the first half of a key change: what follows is numbered too low by one, END too. */
START_TEST(a_key_change_makes_the_end_short_by_one)
{
	begins(7, 95);
	sent((struct sent){WIDE, 'c', 1, 101, 1, 0, 0});
	sent((struct sent){WIDE, 'm', 1, 102, 2, 0, 0});
	high[WIDE] = 4;
	sent((struct sent){WIDE, 'n', 5, 102, 3, 0, 0});
	sent((struct sent){COUNTER, 'u', 6, 103, 3, 0, 0});
	mark(true, 7, 200, (struct counts){3, 1, 0});
	expect_nothing();
	sent((struct sent){WIDE, 'c', 7, 104, 4, 0, 0});
	expect_rows(7, "1 -1 5 6 7");
}
END_TEST

START_TEST(two_restarts_with_shifts_that_differ)
{
	first_half();
	begins_anew();
	sent((struct sent){WIDE, 'c', 6, 106, 1, 0, 0});
	sent((struct sent){WIDE2, 'm', 7, 107, 2, 0, 0});
	sent((struct sent){WIDE, 'n', 17, 107, 3, 0, 0});
	sent((struct sent){WIDE, 'c', 8, 108, 4, 0, 0});
	sent((struct sent){COUNTER, 'u', 9, 109, 5, 0, 0});
	/* Again, from the first half of the key change on. */
	sent((struct sent){WIDE, 'c', 8, 108, 3, 0, 0});
	sent((struct sent){COUNTER, 'u', 9, 109, 4, 0, 0});
	sent((struct sent){COUNTER, 'u', 10, 110, 5, 0, 0});
	mark(true, 7, 200, (struct counts){3, 2, 0});
	expect_rows(7, "1 2 3 4 5 6 -7 17 8 9 10");
}
END_TEST

/* More numbers are lacking than any bound that one would choose. */
START_TEST(a_shift_of_many_thousands)
{
	struct transaction *transaction;
	uint64_t i;

	begins(7, 95);
	for (i = 1; i <= 20000; i++)
		sent((struct sent){WIDE, 'c', (int)i, 100 + i, i, 0, 0});
	begins_anew();
	for (i = 19000; i <= 21000; i++)
		sent((struct sent){WIDE, 'c', (int)i, 100 + i, i - 18999, 0, 0});
	mark(true, 7, 200000, (struct counts){2001, 0, 0});
	transaction = next();
	ck_assert_ptr_nonnull(transaction);
	ck_assert_uint_eq(transaction->change_count, 21000);
	transaction_free(transaction);
}
END_TEST

/* Rows without a key go to any partition: a repeat in another one counts once. */
START_TEST(a_repeat_in_another_partition_counts_once)
{
	begins(7, 95);
	for (uint64_t i = 1; i <= 3; i++)
		sent((struct sent){WIDE, 'c', (int)i, 100 + i, i, 0, 0});
	mark(true, 7, 200, (struct counts){5, 0, 0});
	sent((struct sent){WIDE2, 'c', 2, 102, 2, 0, 0});
	sent((struct sent){WIDE2, 'c', 3, 103, 3, 0, 0});
	expect_nothing();
	sent((struct sent){WIDE2, 'c', 4, 104, 4, 0, 0});
	expect_nothing();
	sent((struct sent){WIDE2, 'c', 5, 105, 5, 0, 0});
	expect_rows(7, "1 2 3 4 5");
}
END_TEST

/* COPY of equal rows into a table without a key: one LSN, one row, other numbers. */
START_TEST(equal_rows_of_one_record_are_kept)
{
	begins(7, 95);
	for (uint64_t i = 1; i <= 3; i++)
		sent((struct sent){KEYLESS, 'c', 5, 101, i, 0, 0});
	sent((struct sent){KEYLESS, 'c', 5, 101, 2, 0, 0});
	sent((struct sent){KEYLESS, 'c', 5, 101, 3, 0, 0});
	sent((struct sent){KEYLESS, 'c', 5, 101, 4, 0, 0});
	mark(true, 7, 200, (struct counts){0, 0, 4});
	expect_rows(7, "5 5 5 5");
}
END_TEST

START_TEST(equal_rows_with_new_numbers_stop)
{
	struct transaction *transaction = NULL;
	struct error *error;

	begins(7, 95);
	for (uint64_t i = 1; i <= 3; i++)
		sent((struct sent){KEYLESS, 'c', 5, 101, i, 0, 0});
	begins_anew();
	sent((struct sent){KEYLESS, 'c', 5, 101, 1, 0, 0});
	sent((struct sent){KEYLESS, 'c', 5, 101, 2, 0, 0});
	sent((struct sent){KEYLESS, 'c', 9, 102, 3, 0, 0});
	mark(true, 7, 200, (struct counts){0, 0, 3});
	error = assembler_next(assembler, &transaction);
	ck_assert_ptr_nonnull(error);
	ck_assert_ptr_nonnull(strstr(error->message, "public.log"));
	ck_assert_ptr_nonnull(strstr(error->message, "table resync"));
	error_free(error);
}
END_TEST

/* Rows of an incremental snapshot stand before a TRUNCATE, but in another partition. */
START_TEST(a_backlog_asks_once)
{
	for (uint64_t tx = 7; tx < 17; tx++) {
		begins(tx, tx * 100 - 50);
		mark(true, tx, tx * 100, (struct counts){2, 0, 0});
	}
	for (uint64_t tx = 7; tx < 17; tx++) {
		const uint64_t previous = tx == 7 ? 100 : (tx - 1) * 100;

		sent((struct sent){WIDE, 'm', 1, tx * 100 - 50, 1, previous, tx});
		sent((struct sent){WIDE, 'n', 2, tx * 100 - 50, 2, previous, tx});
	}
	asked = 0;
	for (uint64_t tx = 7; tx < 17; tx++)
		expect_rows(tx, "-1 2");
	ck_assert_int_eq(asked, PARTITIONS);
	begins(17, 1650);
	mark(true, 17, 1700, (struct counts){1, 0, 0});
	high[WIDE2] = 1;
	sent((struct sent){WIDE, 't', 0, 1650, 1, 1600, 17});
	expect_nothing();
	ck_assert_int_eq(asked, 2 * PARTITIONS);
}
END_TEST

START_TEST(a_truncate_waits_for_all_partitions)
{
	begins(7, 95);
	high[WIDE2] = 1;
	sent((struct sent){WIDE, 't', 0, 101, 1, 0, 0});
	mark(true, 7, 200, (struct counts){1, 0, 0});
	expect_nothing();
	sent((struct sent){WIDE2, 'c', 1, 301, 1, 200, 8});
	expect_rows(7, "t");
}
END_TEST

/* As recorded (tests/faults, seed 952580450): before the rest of the transaction, the one before it comes again. */
START_TEST(repeats_of_the_transaction_before_go)
{
	begins(6, 80);
	sent((struct sent){COUNTER, 'u', 9, 91, 1, 50, 6});
	mark(true, 6, 100, (struct counts){0, 1, 0});
	begins(7, 95);
	sent((struct sent){WIDE, 'c', 1, 101, 1, 0, 0});
	sent((struct sent){COUNTER, 'u', 9, 91, 1, 50, 6});
	mark(true, 6, 100, (struct counts){0, 1, 0});
	begins(7, 95);
	mark(true, 7, 200, (struct counts){1, 0, 0});
	sent((struct sent){WIDE, 'c', 1, 101, 1, 0, 0});
	expect_rows(7, "1");
}
END_TEST

static void nobody_counts(uint32_t collection, void *context)
{
	(void)collection;
	(void)context;
}

/* What is dropped stands behind what stays: its owner releases it. */
START_TEST(dropped_events_are_told)
{
	struct alignment alignment = {.count = nobody_counts};
	struct event_place group[4] = {{.number = 1, .identity = 1, .place = 1},
	                               {.number = 1, .identity = 1, .place = 2},
	                               {.number = 2, .identity = 2, .place = 3},
	                               {.number = 3, .identity = 3, .place = 4}};

	ck_assert_uint_eq(alignment_drop_repeats(&alignment, group, 4), 3);
	ck_assert_uint_eq(group[0].place, 1);
	ck_assert_uint_eq(group[1].place, 3);
	ck_assert_uint_eq(group[2].place, 4);
	ck_assert_uint_eq(group[3].place, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("assembler_restarts");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, numbers_that_begin_anew_in_all_partitions);
	tcase_add_test(tests, numbers_that_begin_anew_without_overlap);
	tcase_add_test(tests, a_short_end_does_not_cut_the_transaction);
	tcase_add_test(tests, a_later_transaction_ends_the_wait);
	tcase_add_test(tests, a_spilled_half_is_kept);
	tcase_add_test(tests, halves_of_a_key_change_stay_in_one_piece);
	tcase_add_test(tests, the_first_begin_holds_the_position);
	tcase_add_test(tests, a_key_change_makes_the_end_short_by_one);
	tcase_add_test(tests, two_restarts_with_shifts_that_differ);
	tcase_add_test(tests, a_shift_of_many_thousands);
	tcase_add_test(tests, a_repeat_in_another_partition_counts_once);
	tcase_add_test(tests, equal_rows_of_one_record_are_kept);
	tcase_add_test(tests, equal_rows_with_new_numbers_stop);
	tcase_add_test(tests, repeats_of_the_transaction_before_go);
	tcase_add_test(tests, dropped_events_are_told);
	tcase_add_test(tests, a_backlog_asks_once);
	tcase_add_test(tests, a_truncate_waits_for_all_partitions);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
