/*
 * test_assembler_repeats.c - what looks like a repeat by its LSN: a repeat, or a transaction of another history of the
 * source (a promoted standby that lacks WAL, a restored source), whose END the transaction topic does not have before.
 *
 * The last applied transaction is 50, with commit LSN 500. Events are written as in test_assembler_restarts.c. In the
 * single-topic layout all of them go to the partition MARKS.
 */
#include "base/memory.h"
#include "stream/commit_history.h"
#include "stream/spill.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARKS, WIDE, WIDE2, COUNTER, KEYLESS, PARTITIONS };

#include "assembling.h"
/* after it */
#include "sending.h"

#define TICKS 12

static struct checkpoint start;
static int64_t said[PARTITIONS]; /* the positions that progress told; -1: none */

static void begin(void)
{
	assembling_begin(&start);
}

/* The single-topic layout: only MARKS is read. */
static void begin_in_one_topic(void)
{
	assembler_free(assembler);
	assembler = assembler_new(&options, &start, names);
	assembler_add_partition(assembler, MARKS, offsets[MARKS]);
}

static void setup(void)
{
	static const char *const topics[PARTITIONS] = {"p.transaction", "p.public.wide", "p.public.wide",
	                                               "p.public.counter", "p.public.log"};

	assembling_set_up();
	for (uint32_t i = 0; i < PARTITIONS; i++)
		partition_list_add(names, topics[i], i == WIDE2 ? 1 : 0);
	slab_writer_init(&writer, &account);
	without_sequence = false;
	start = (struct checkpoint){.exists = true, .last_commit_lsn = 500, .last_tx_id = 50};
	for (uint32_t i = 0; i < PARTITIONS; i++)
		said[i] = -1;
	begin();
}

static void teardown(void)
{
	assembling_tear_down();
	slab_writer_close(&writer);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0);
}

static void row(uint32_t partition, uint64_t tx, int id, uint64_t lsn, uint64_t number, uint64_t previous)
{
	sent((struct sent){partition, 'c', id, lsn, number, previous, tx});
}

static void end(uint64_t tx, uint64_t lsn, uint64_t rows)
{
	mark(true, tx, lsn, (struct counts){rows, 0, 0});
}

static void note_positions(struct transaction *progress)
{
	ck_assert_int_eq(progress->kind, TRANSACTION_PROGRESS);
	for (size_t i = 0; i < progress->position_count; i++)
		said[progress->positions[i].partition] = progress->positions[i].next_offset;
	transaction_free(progress);
}

/* The positions that moved are handed over before. */
static void expect_gap(const char *part)
{
	struct transaction *transaction = NULL;
	struct error *error = assembler_next(assembler, &transaction);

	if (transaction != NULL) {
		note_positions(transaction);
		error = assembler_next(assembler, &transaction);
	}
	ck_assert_ptr_null(transaction);
	ck_assert_ptr_nonnull(error);
	ck_assert_str_eq(error_class_name(error->class), error_class_name(ERROR_GAP));
	ck_assert_msg(strstr(error->message, part) != NULL, "`%s` is not in: %s", part, error->message);
	error_free(error);
}

static int64_t progress_of(uint32_t partition)
{
	struct transaction *transaction = assembler_progress(assembler);

	if (transaction != NULL)
		note_positions(transaction);
	return said[partition];
}

static void ticks(int count, int64_t marks_high)
{
	for (int i = 0; i < count; i++)
		assembler_tick(assembler, marks_high);
}

/* New transactions. */

START_TEST(a_new_transaction_below_the_last_one_stops)
{
	begins(60, 381);
	row(WIDE, 60, 1, 381, 1, 370);
	row(WIDE2, 60, 2, 382, 2, 370);
	end(60, 390, 2);
	expect_gap("accept new-slot");
	ck_assert_int_eq(searches, 1);
	ck_assert_int_eq(progress_of(WIDE), 0);
}
END_TEST

/* Nothing of it is dismissed before its END is read: after the operator's acknowledgement it must be whole. */
START_TEST(its_events_wait_for_its_end)
{
	begins(60, 381);
	row(WIDE, 60, 1, 381, 1, 370);
	expect_nothing();
	ck_assert_int_eq(progress_of(WIDE), 0);
	ticks(TICKS, offsets[MARKS]);
	expect_nothing();
	ck_assert_int_eq(progress_of(WIDE), 0);
	end(60, 390, 1);
	expect_gap("accept new-slot");
}
END_TEST

/* A promoted standby uses the transaction IDs again. */
START_TEST(a_transaction_id_used_again_is_no_proof)
{
	topic_has(49, 490, -1);
	begins(49, 481);
	row(WIDE, 49, 1, 481, 1, 470);
	end(49, 490, 1);
	expect_nothing();
	ck_assert_int_eq(progress_of(WIDE), 1);
	begins(49, 381);
	row(WIDE, 49, 1, 381, 1, 370);
	expect_nothing();
	ck_assert_int_eq(progress_of(WIDE), 1);
	end(49, 390, 1);
	expect_gap("49");
}
END_TEST

/* The repeats before it are no part of what the operator acknowledged. */
START_TEST(an_accepted_history_begins_after_the_repeats)
{
	topic_has(49, 490, -1);
	start.accept_new_slot = true;
	start.accepted_id = 1;
	begin();
	begins(49, 481);
	row(WIDE, 49, 1, 481, 1, 470);
	end(49, 490, 1);
	begins(60, 381);
	row(WIDE, 60, 2, 381, 1, 490);
	row(WIDE, 60, 3, 382, 2, 490);
	end(60, 390, 2);
	expect_rows(60, "2 3");
	begins(61, 391);
	row(WIDE, 61, 4, 391, 1, 390);
	end(61, 399, 1);
	expect_rows(61, "4");
	begins(62, 371);
	end(62, 380, 0);
	expect_gap("accept new-slot"); /* it is used up */
}
END_TEST

/*
 * The restart comes inside the first transaction of the new history: in the partition a repeat stands before the first part
 * of that transaction and another one before the rest, and the next transaction is there, too. The END of the first
 * repeat was judged before the daemon started.
 */
START_TEST(a_repeat_between_the_parts_of_the_first_of_a_new_history)
{
	topic_has(35, 350, -2);
	topic_has(36, 360, -1);
	start.accept_new_slot = true;
	start.accepted_id = 1;
	begin();
	row(WIDE, 35, 8, 341, 1, 340);
	row(WIDE, 60, 2, 381, 1, 370);
	row(WIDE, 36, 9, 351, 1, 350);
	row(WIDE, 60, 2, 381, 1, 370);
	row(WIDE, 60, 3, 382, 2, 370);
	row(WIDE, 61, 4, 391, 1, 390);
	begins(60, 371);
	begins(36, 351);
	end(36, 360, 1);
	begins(60, 371);
	end(60, 390, 2);
	expect_rows(60, "2 3");
	begins(61, 391);
	end(61, 399, 1);
	expect_rows(61, "4");
}
END_TEST

/* Repeats. */

START_TEST(a_repeat_is_found_in_the_topic)
{
	char *wait;

	search_in_progress = true;
	begins(48, 471);
	row(WIDE, 48, 1, 471, 1, 460);
	end(48, 480, 1);
	topic_has(48, 480, -100);
	expect_nothing();
	wait = assembler_describe_wait(assembler);
	ck_assert_ptr_nonnull(wait);
	ck_assert_ptr_nonnull(strstr(wait, "48"));
	free(wait);
	for (uint32_t i = 0; i < PARTITIONS; i++)
		ck_assert(!assembler_needs(assembler, i)); /* the memory is bounded while the search lasts */
	ck_assert_int_eq(progress_of(WIDE), 0);
	ck_assert_int_eq(progress_of(MARKS), 0);
	search_in_progress = false;
	expect_nothing();
	ck_assert_ptr_null(assembler_describe_wait(assembler));
	ck_assert_int_eq(progress_of(WIDE), 1);
	begins(51, 501);
	row(WIDE, 51, 2, 501, 1, 500);
	end(51, 510, 1);
	expect_rows(51, "2");
}
END_TEST

/* What this process has handed over needs no search. */
START_TEST(a_repeat_of_this_process_needs_no_search)
{
	for (int round = 0; round < 2; round++) {
		begins(51, 501);
		row(WIDE, 51, 1, 501, 1, 500);
		end(51, 510, 1);
		if (round == 0)
			expect_rows(51, "1");
		expect_nothing();
	}
	ck_assert_int_eq(searches, 0);
	ck_assert_int_eq(progress_of(WIDE), 2);
}
END_TEST

/* Its END is read first: later events of it go when they are read. The connector sends only a part of it. */
START_TEST(events_of_a_judged_repeat_go_at_once)
{
	topic_has(48, 480, -1);
	end(48, 480, 9);
	expect_nothing();
	row(WIDE, 48, 1, 471, 1, 460);
	row(WIDE2, 48, 2, 472, 2, 460);
	expect_nothing();
	ck_assert_uint_eq(assembler_total_waiting_bytes(assembler), 0);
	ck_assert_int_eq(progress_of(WIDE), 1);
}
END_TEST

/* The daemon starts after the END of a repeat and before its events: a later transaction in the partition proves it … */
START_TEST(a_repeat_whose_end_was_judged_before_the_start)
{
	row(WIDE, 48, 1, 471, 1, 460);
	row(WIDE, 48, 2, 472, 2, 460);
	begins(51, 501);
	row(WIDE, 51, 3, 501, 1, 500);
	end(51, 510, 1);
	expect_rows(51, "3");
	ck_assert_int_eq(searches, 0);
}
END_TEST

/* … or, when none comes, its END in the transaction topic, once the daemon has processed all that was written there. */
START_TEST(a_repeat_in_a_quiet_partition)
{
	topic_has(48, 480, -1);
	row(WIDE, 48, 1, 471, 1, 460);
	expect_nothing();
	ck_assert_int_eq(progress_of(WIDE), 0);
	ticks(TICKS, 2);
	ck_assert_int_eq(progress_of(WIDE), 0);
	ck_assert_int_eq(searches, 0);
	begins(51, 501);
	row(COUNTER, 51, 3, 501, 1, 500);
	mark(true, 51, 510, (struct counts){0, 1, 0});
	expect_rows(51, "3");
	ticks(1, 2);
	ck_assert_int_eq(progress_of(WIDE), 1);
}
END_TEST

START_TEST(events_without_any_end_stay)
{
	row(WIDE, 48, 1, 471, 1, 460);
	begins(51, 501);
	row(COUNTER, 51, 3, 501, 1, 500);
	mark(true, 51, 510, (struct counts){0, 1, 0});
	expect_rows(51, "3");
	ticks(3 * TICKS, 0);
	ck_assert_int_eq(searches, 1);
	ck_assert_int_eq(progress_of(WIDE), -1);
}
END_TEST

/* A lost event is still noticed behind events that look like repeats. */
START_TEST(counts_that_cannot_be_met_are_noticed)
{
	struct error *error;

	for (uint32_t i = WIDE; i <= WIDE2; i++) {
		row(i, 48, 1, 471, 1, 460);
		row(i, 52, 2, 511, 1, 510);
	}
	begins(51, 501);
	end(51, 510, 1);
	error = await_error(MARKS);
	ck_assert_ptr_nonnull(strstr(error->message, "0 came"));
	error_free(error);
}
END_TEST

/* A transaction began before W; the restarted connector sends it without sequence[0]. */
START_TEST(without_sequence_a_long_transaction_is_kept)
{
	without_sequence = true;
	begins(40, 300);
	row(WIDE, 40, 1, 301, 1, 0);
	row(WIDE, 40, 2, 511, 2, 0);
	expect_nothing();
	ck_assert_int_eq(progress_of(WIDE), 0);
	end(40, 520, 2);
	expect_rows(40, "1 2");
}
END_TEST

START_TEST(without_sequence_a_repeat_goes)
{
	without_sequence = true;
	topic_has(48, 480, -1);
	row(WIDE, 48, 1, 471, 1, 0);
	end(48, 480, 1);
	expect_nothing();
	ck_assert_int_eq(progress_of(WIDE), 1);
}
END_TEST

/* The restart comes inside transaction 52: before its rest, 51 comes again. */
START_TEST(a_repeat_between_the_parts_of_a_transaction)
{
	begins(51, 501);
	row(WIDE, 51, 1, 501, 1, 500);
	end(51, 510, 1);
	expect_rows(51, "1");
	begins(52, 511);
	row(WIDE, 52, 2, 511, 1, 510);
	begins(51, 501);
	row(WIDE, 51, 1, 501, 1, 500);
	end(51, 510, 1);
	begins(52, 511);
	row(WIDE, 52, 2, 511, 1, 510);
	row(WIDE, 52, 3, 512, 2, 510);
	end(52, 520, 2);
	expect_rows(52, "2 3");
	expect_nothing();
	ck_assert_int_eq(progress_of(WIDE), -1); /* all of it was handed over with 52 */
	ck_assert_uint_eq(assembler_total_waiting_bytes(assembler), 0);
}
END_TEST

/* With the acknowledgement of a gap the transaction topic is read again, when it lost its end. */
START_TEST(a_topic_that_is_read_again)
{
	start.accept_gap = true;
	start.accepted_id = 1;
	begin();
	assembler_read_again(assembler, MARKS, 4);
	begins(48, 471);
	end(48, 480, 0);
	begins(49, 481);
	end(49, 490, 0);
	expect_nothing();
	ck_assert_int_eq(searches, 0);
	begins(60, 381);
	end(60, 390, 0);
	expect_gap("accept new-slot");
}
END_TEST

/* Large repeats. */

enum { LARGE = 300 };

static void large(uint32_t partition, int rows)
{
	for (int i = 1; i <= rows; i++) {
		row(partition, 48, i, 100 + (uint64_t)i, (uint64_t)i, 90);
		if (i % 10 == 0)
			expect_nothing();
	}
}

/* With partitions of its own it may wait there: nothing of it must be read for its END to come. */
START_TEST(a_large_repeat_is_held_back)
{
	options.spill_bytes = 20000;
	options.spill_dir = "/nowhere";
	topic_has(48, 480, -1);
	begin();
	begins(48, 101);
	large(WIDE, LARGE);
	ck_assert(!assembler_needs(assembler, WIDE));
	ck_assert(assembler_needs(assembler, MARKS));
	end(48, 480, LARGE);
	expect_nothing();
	ck_assert_uint_eq(assembler_total_waiting_bytes(assembler), 0);
	ck_assert_int_eq(progress_of(WIDE), LARGE);
}
END_TEST

/* In the single-topic layout its END follows its events: they go to a file until then. */
START_TEST(a_large_repeat_in_one_topic_goes_to_a_file)
{
	for (int with_begin = 0; with_begin < 2; with_begin++) {
		options.spill_bytes = 20000;
		topic_has(48, 480, -1);
		begin_in_one_topic();
		if (with_begin)
			begins(48, 101);
		large(MARKS, LARGE);
		ck_assert_uint_lt(assembler_total_waiting_bytes(assembler), 20000);
		ck_assert_int_ne(progress_of(MARKS), offsets[MARKS]);
		end(48, 480, LARGE);
		expect_nothing();
		ck_assert_uint_eq(assembler_total_waiting_bytes(assembler), 0);
		ck_assert_int_eq(progress_of(MARKS), offsets[MARKS]);
	}
}
END_TEST

/* … also a new transaction, which is whole after the operator's acknowledgement. */
START_TEST(a_large_new_transaction_in_one_topic_is_kept)
{
	options.spill_bytes = 20000;
	begin_in_one_topic();
	begins(48, 101);
	large(MARKS, LARGE);
	ck_assert_uint_lt(assembler_total_waiting_bytes(assembler), 20000);
	end(48, 480, LARGE);
	expect_gap("accept new-slot");
	ck_assert_int_eq(progress_of(MARKS), 0);
}
END_TEST

/* The rest of a large repeat follows the first part of a transaction that the restart cut. */
START_TEST(a_large_repeat_behind_a_part_of_another)
{
	struct transaction *transaction;

	options.spill_bytes = 20000;
	topic_has(48, 480, -1);
	begin_in_one_topic();
	begins(51, 501);
	row(MARKS, 51, 1, 501, 1, 500);
	large(MARKS, LARGE);
	ck_assert_uint_lt(assembler_total_waiting_bytes(assembler), 20000);
	end(48, 480, LARGE);
	begins(51, 501);
	row(MARKS, 51, 1, 501, 1, 500);
	row(MARKS, 51, 2, 502, 2, 500);
	end(51, 510, 2);
	transaction = next();
	ck_assert_ptr_nonnull(transaction);
	ck_assert_uint_eq(transaction->tx_id, 51);
	ck_assert_uint_eq(transaction->change_count, 2);
	transaction_free(transaction);
}
END_TEST

/* Without transaction metadata nothing tells a repeat: it is applied again. */
START_TEST(without_transactions_nothing_is_dismissed)
{
	options.transactions = false;
	begin();
	row(WIDE, 48, 1, 471, 1, 460);
	ck_assert_int_ne(progress_of(WIDE), 1);
	expect_rows(48, "1");
}
END_TEST

START_TEST(the_history_forgets_the_oldest)
{
	struct commit_history *history = commit_history_new();

	for (uint64_t tx = 1; tx <= 100000; tx++)
		commit_history_add(history, tx * 3, tx * 10);
	for (uint64_t tx = 1; tx <= 100000; tx++)
		ck_assert_uint_eq(commit_history_find(history, tx * 3, tx * 10, tx * 10),
		                  tx > 100000 - 32768 ? tx * 10 : 0);
	ck_assert_uint_eq(commit_history_find(history, 300000, 1, 999999), 0);
	ck_assert_uint_eq(commit_history_find(history, 300000, 1, 1000000), 1000000);
	commit_history_add(history, 300000, 7);
	ck_assert_uint_eq(commit_history_find(history, 300000, 1, 999999), 7);
	ck_assert_uint_eq(commit_history_find(history, 300000, 1000000, 1000000), 1000000);
	commit_history_free(history);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("assembler_repeats");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_new_transaction_below_the_last_one_stops);
	tcase_add_test(tests, its_events_wait_for_its_end);
	tcase_add_test(tests, a_transaction_id_used_again_is_no_proof);
	tcase_add_test(tests, an_accepted_history_begins_after_the_repeats);
	tcase_add_test(tests, a_repeat_between_the_parts_of_the_first_of_a_new_history);
	tcase_add_test(tests, a_repeat_is_found_in_the_topic);
	tcase_add_test(tests, a_repeat_of_this_process_needs_no_search);
	tcase_add_test(tests, events_of_a_judged_repeat_go_at_once);
	tcase_add_test(tests, a_repeat_whose_end_was_judged_before_the_start);
	tcase_add_test(tests, a_repeat_in_a_quiet_partition);
	tcase_add_test(tests, events_without_any_end_stay);
	tcase_add_test(tests, counts_that_cannot_be_met_are_noticed);
	tcase_add_test(tests, without_sequence_a_long_transaction_is_kept);
	tcase_add_test(tests, without_sequence_a_repeat_goes);
	tcase_add_test(tests, a_repeat_between_the_parts_of_a_transaction);
	tcase_add_test(tests, a_topic_that_is_read_again);
	tcase_add_test(tests, a_large_repeat_is_held_back);
	tcase_add_test(tests, a_large_repeat_in_one_topic_goes_to_a_file);
	tcase_add_test(tests, a_large_new_transaction_in_one_topic_is_kept);
	tcase_add_test(tests, a_large_repeat_behind_a_part_of_another);
	tcase_add_test(tests, without_transactions_nothing_is_dismissed);
	tcase_add_test(tests, the_history_forgets_the_oldest);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
