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
#include "stream/spill.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARKS, WIDE, WIDE2, COUNTER, KEYLESS, PARTITIONS };

#include "assembling.h"
/* after it */
#include "sending.h"

static void begin(void)
{
	assembling_begin(&(struct checkpoint){.last_commit_lsn = 100, .last_tx_id = 6});
}

static void setup(void)
{
	static const char *const topics[PARTITIONS] = {"p.transaction", "p.public.wide", "p.public.wide",
	                                               "p.public.counter", "p.public.log"};

	assembling_set_up();
	for (uint32_t i = 0; i < PARTITIONS; i++)
		partition_list_add(names, topics[i], i == WIDE2 ? 1 : 0);
	slab_writer_init(&writer, &account);
	begin();
}

static void teardown(void)
{
	assembling_tear_down();
	slab_writer_close(&writer);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0); /* everything was released */
}

/* What the connector writes when it starts again with transactions behind it that the slot still has. */
static void begins_anew(void)
{
	begins(6, 90);
	mark(true, 6, 100, (struct counts){0});
	begins(7, 95);
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
	say_rows(piece, text, sizeof(text));
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
	ck_assert_int_eq(asked, PARTITIONS - 1); /* the marks' own is not asked */
	begins(17, 1650);
	mark(true, 17, 1700, (struct counts){1, 0, 0});
	high[WIDE2] = 1;
	sent((struct sent){WIDE, 't', 0, 1650, 1, 1600, 17});
	expect_nothing();
	ck_assert_int_eq(asked, 2 * (PARTITIONS - 1));
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

/*
 * The connector's producer wrote END before the last events, which it was given earlier: partitions have no common order.
 * The counts are met, and each partition is read to its end.
 */
START_TEST(events_that_come_after_their_end)
{
	first_half();
	begins_anew();
	sent((struct sent){WIDE, 'c', 6, 106, 1, 0, 0});
	sent((struct sent){WIDE2, 'd', 7, 107, 2, 0, 0});
	mark(true, 7, 200, (struct counts){3, 1, 0});
	for (int i = 0; i < 30; i++) {
		expect_nothing();
		ck_assert(assembler_needs(assembler, WIDE) && assembler_needs(assembler, COUNTER));
		assembler_tick(assembler, offsets[MARKS]);
	}
	sent((struct sent){COUNTER, 'u', 8, 108, 3, 0, 0});
	expect_nothing();
	sent((struct sent){WIDE, 'c', 9, 109, 4, 0, 0});
	expect_rows(7, "1 2 3 4 5 6 -7 8 9");
}
END_TEST

/* Likewise one in the middle of them. */
START_TEST(an_event_before_others_that_comes_after_its_end)
{
	first_half();
	begins_anew();
	sent((struct sent){WIDE, 'c', 6, 106, 1, 0, 0});
	sent((struct sent){COUNTER, 'u', 8, 108, 3, 0, 0});
	sent((struct sent){WIDE, 'c', 9, 109, 4, 0, 0});
	mark(true, 7, 200, (struct counts){3, 1, 0});
	expect_nothing();
	sent((struct sent){WIDE2, 'd', 7, 107, 2, 0, 0});
	expect_rows(7, "1 2 3 4 5 6 -7 8 9");
}
END_TEST

/* They never come: the stream goes on with a warning, after a minute or when no partition can bring them. */
START_TEST(numbers_that_never_come)
{
	struct transaction *transaction;

	first_half();
	begins_anew();
	sent((struct sent){WIDE, 'c', 6, 106, 1, 0, 0});
	sent((struct sent){WIDE2, 'd', 7, 107, 2, 0, 0});
	mark(true, 7, 200, (struct counts){3, 0, 0});
	for (int i = 0; i < 60; i++) {
		expect_nothing();
		assembler_tick(assembler, offsets[MARKS]);
	}
	transaction = next();
	ck_assert_ptr_nonnull(transaction);
	ck_assert_uint_eq(transaction->change_count, 7);
	ck_assert(transaction->may_lack);
	transaction_free(transaction);
}
END_TEST

/* sequence[0] of the next transaction is its LSN, also when the daemon starts again in between. */
START_TEST(a_message_outside_any_transaction_is_remembered)
{
	struct transaction *progress;
	struct checkpoint stored = {.exists = true, .last_commit_lsn = 100, .last_tx_id = 6};

	sent((struct sent){.partition = KEYLESS, .op = 'x', .id = 1, .lsn = 105});
	expect_nothing();
	progress = assembler_progress(assembler);
	ck_assert_ptr_nonnull(progress);
	ck_assert_uint_eq(progress->message_lsn, 105);
	stored.last_message_lsn = progress->message_lsn;
	transaction_free(progress);
	assembling_begin(&stored);
	begins(7, 106);
	sent((struct sent){WIDE, 'c', 1, 107, 1, 105, 7});
	mark(true, 7, 110, (struct counts){.wide = 1});
	expect_rows(7, "1");
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
	tcase_add_test(tests, events_that_come_after_their_end);
	tcase_add_test(tests, an_event_before_others_that_comes_after_its_end);
	tcase_add_test(tests, numbers_that_never_come);
	tcase_add_test(tests, a_message_outside_any_transaction_is_remembered);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
