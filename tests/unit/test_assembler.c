/*
 * test_assembler.c - whole transactions from partitions: order, counts, repeats after a restart of the connector,
 * numbers that begin anew, large transactions in files, accepted gaps.
 */
#include "base/memory.h"
#include "stream/spill.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assembling_messages.h"

START_TEST(test_sorted_over_partitions)
{
	begin_mark(1, 101);
	event((struct event){ORDERS, 'c', 1, 2, 102, 0, 2, 0});
	event((struct event){USERS, 'c', 1, 1, 101, 0, 1, 0});
	event((struct event){USERS, 'c', 1, 3, 103, 0, 3, 0});
	expect_nothing();
	end_mark(1, 109, 2, 1);
	expect_rows(1, "1 2 3");
	expect_nothing();
}
END_TEST

START_TEST(test_repeated_transaction_is_dismissed)
{
	simple(1, 100, 50);
	simple(2, 110, 109);
	expect_rows(1, "10 11");
	expect_rows(2, "20 21");
	simple(1, 100, 50);
	simple(2, 110, 109);
	simple(3, 120, 119);
	expect_rows(3, "30 31");
	expect_nothing();
}
END_TEST

/* FACTS §9: after a restart inside a transaction its tail comes again, without a BEGIN, with another END. */
START_TEST(test_tail_sent_again_without_begin)
{
	begin_mark(1, 101);
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	event((struct event){USERS, 'c', 1, 2, 102, 50, 2, 0});
	event((struct event){USERS, 'c', 1, 3, 103, 50, 3, 0});
	event((struct event){USERS, 'c', 1, 2, 102, 50, 2, 0});
	event((struct event){USERS, 'c', 1, 3, 103, 50, 3, 0});
	event((struct event){USERS, 'c', 1, 4, 104, 50, 4, 0});
	end_mark(1, 109, 4, 0);
	event((struct event){USERS, 'c', 1, 4, 104, 50, 4, 0});
	end_mark(1, 109, 4, 0);
	simple(2, 110, 109);
	expect_rows(1, "1 2 3 4");
	expect_rows(2, "20 21");
	expect_nothing();
}
END_TEST

/* … or with numbers that are too low by one, and an END that is short by one. */
START_TEST(test_shifted_numbers_are_repaired)
{
	begin_mark(1, 101);
	for (int i = 1; i <= 5; i++)
		event((struct event){USERS, 'c', 1, i, 100 + i, 50, i, 0});
	for (int i = 4; i <= 8; i++)
		event((struct event){USERS, i == 6 ? 'd' : 'c', 1, i - 1, 100 + i, 50, i, 0});
	end_mark(1, 109, 7, 0);
	simple(2, 110, 109);
	expect_rows(1, "1 2 3 4 5 -6 7 8");
	expect_rows(2, "20 21");
}
END_TEST

START_TEST(test_shifted_twice)
{
	begin_mark(1, 101);
	for (int i = 1; i <= 4; i++)
		event((struct event){USERS, 'c', 1, i, 100 + i, 50, i, 0});
	for (int i = 3; i <= 6; i++)
		event((struct event){USERS, 'c', 1, i - 1, 100 + i, 50, i, 0});
	for (int i = 5; i <= 8; i++)
		event((struct event){USERS, 'c', 1, i - 2, 100 + i, 50, i, 0});
	end_mark(1, 109, 6, 0);
	expect_rows(1, "1 2 3 4 5 6 7 8");
}
END_TEST

/* The restart went on behind what was sent: nothing comes twice. */
START_TEST(test_numbers_begin_anew_without_overlap)
{
	begin_mark(1, 101);
	for (int i = 1; i <= 3; i++)
		event((struct event){USERS, 'c', 1, i, 100 + i, 50, i, 0});
	event((struct event){USERS, 'c', 1, 2, 107, 50, 77, 0});
	end_mark(1, 109, 2, 0);
	expect_rows(1, "1 2 3 77");
}
END_TEST

/* One number twice is a restart that shows no other sign: all partitions are read to their ends. */
START_TEST(test_one_number_in_two_partitions)
{
	begin_mark(1, 101);
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	event((struct event){ORDERS, 'c', 1, 1, 102, 50, 2, 0});
	high[USERS] = 2;
	end_mark(1, 109, 1, 1);
	expect_nothing();
	event((struct event){USERS, 'c', 1, 2, 103, 50, 3, 0});
	expect_rows(1, "1 2 3");
}
END_TEST

/* sequence[0] is null in the first transaction after a snapshot: its repeat is known by its txId … */
START_TEST(test_repeat_without_sequence)
{
	simple(1, 100, 0);
	expect_rows(1, "10 11");
	simple(1, 100, 0);
	simple(2, 110, 109);
	expect_rows(2, "20 21");
	expect_nothing();
}
END_TEST

/* … or, when that is forgotten, by its END. */
START_TEST(test_forgotten_repeat_without_sequence)
{
	start.last_commit_lsn = 200;
	start.last_tx_id = 5;
	begin();
	topic_has(3, 109, -1);
	begin_mark(3, 101);
	event((struct event){USERS, 'c', 3, 1, 101, 0, 30, 9}); /* its clock was ahead */
	end_mark_at(3, 109, 1, 0, 9);
	simple(6, 210, 200);
	expect_rows(6, "60 61");
	expect_nothing();
}
END_TEST

/* … or by its LSN, when the daemon starts behind that END, but before the events. */
START_TEST(test_repeat_without_sequence_and_end)
{
	start.last_commit_lsn = 200;
	start.last_tx_id = 5;
	begin();
	event((struct event){USERS, 'c', 3, 1, 101, 0, 30, 0});
	simple(6, 210, 200);
	expect_rows(6, "60 61");
	expect_nothing();
}
END_TEST

/* The clock of the new server is behind: it is not asked. */
START_TEST(test_history_that_goes_back_stops)
{
	start.last_commit_lsn = 500;
	start.last_tx_id = 5;
	begin();
	begin_mark(90, 401);
	event((struct event){USERS, 'c', 90, 1, 401, 390, 1, 3});
	end_mark_at(90, 409, 1, 0, 3);
	expect_error("accept new-slot");
}
END_TEST

/* The connector of a restored source makes a snapshot first. */
START_TEST(test_snapshot_of_another_history)
{
	start.last_commit_lsn = 500;
	start.last_tx_id = 5;
	for (int accepted = 0; accepted < 2; accepted++) {
		struct transaction *transaction;

		start.accept_new_slot = accepted;
		start.accepted_id = accepted;
		begin();
		snapshot_row(USERS, "first", 300, 1);
		snapshot_row(ORDERS, "last", 300, 2);
		begin_mark(90, 311);
		event((struct event){USERS, 'c', 90, 1, 311, 0, 3, 0});
		end_mark_at(90, 319 + accepted, 1, 0, 3);
		expect_rows(0, "1");
		expect_rows(0, "2");
		transaction = next();
		ck_assert_ptr_nonnull(transaction);
		ck_assert(transaction->snapshot_ends && !transaction->accepted);
		transaction_free(transaction);
		if (!accepted)
			expect_error("accept new-slot");
	}
	expect_rows(90, "3");
}
END_TEST

START_TEST(test_missing_event_stops)
{
	begin_mark(1, 101);
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	end_mark(1, 109, 2, 0);
	expect_nothing();
	event((struct event){USERS, 'c', 2, 1, 111, 109, 2, 0});
	expect_error("END announces 2 events of public.users, 1 came");
}
END_TEST

START_TEST(test_lost_end_stops)
{
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	begin_mark(2, 111);
	event((struct event){USERS, 'c', 2, 1, 111, 109, 2, 0});
	end_mark(2, 119, 1, 0);
	expect_error("its END is not in the transaction topic");
}
END_TEST

/* The transaction topic does not continue where it ended, or the connector filters a message: nothing shows which. */
static void expect_broken(uint64_t tx_id, const char *ids, bool reported)
{
	struct transaction *transaction;
	char text[512];

	for (int i = 0; i < 3 && reported; i++) { /* what explains it may still be read */
		expect_nothing();
		assembler_tick(assembler, -1);
	}
	transaction = next();
	ck_assert_ptr_nonnull(transaction);
	ck_assert_uint_eq(transaction->tx_id, tx_id);
	say_rows(transaction, text, sizeof(text));
	ck_assert_str_eq(text, ids);
	ck_assert(transaction->may_lack == reported);
	transaction_free(transaction);
}

/* Two breaks, of which the first is reported. */
static void break_twice(int64_t interval_us)
{
	options.break_interval_us = interval_us;
	begin();
	simple(1, 100, 50);
	expect_rows(1, "10 11");
	simple(3, 120, 119);
	expect_broken(3, "30 31", true);
	simple(4, 140, 139);
	expect_broken(4, "40 41", false);
}

START_TEST(test_cut_chain_is_reported_once)
{
	break_twice(INT64_C(3600000000));
	simple(5, 150, 149);
	expect_rows(5, "50 51");
}
END_TEST

/* What was found in the interval is reported with the first transaction after it. */
START_TEST(test_cut_chain_is_reported_again)
{
	struct transaction *transaction;

	break_twice(20000);
	usleep(20000);
	simple(5, 150, 149);
	transaction = next();
	ck_assert_ptr_nonnull(transaction);
	ck_assert(transaction->may_lack);
	transaction_free(transaction);
}
END_TEST

/* The partition with the message that explains sequence[0] has no leader for longer than other partitions are quiet. */
START_TEST(test_chain_waits_for_its_message)
{
	simple(1, 100, 50);
	expect_rows(1, "10 11");
	high[ORDERS] = -1;
	begin_mark(2, 200);
	event((struct event){USERS, 'c', 2, 1, 200, 150, 20, 0});
	end_mark(2, 209, 1, 0);
	for (int i = 0; i < 10; i++) {
		expect_nothing();
		assembler_tick(assembler, -1);
		transaction_free(assembler_progress(assembler));
	}
	ck_assert(assembler_needs(assembler, ORDERS));
	high[ORDERS] = 0;
	message_outside(ORDERS, 150, 109);
	expect_rows(2, "20");
}
END_TEST

static int looks; /* for topics */

static struct error *find_orders(void *context, bool *found)
{
	(void)context;
	*found = looks++ > 0; /* Kafka does not answer at first */
	if (looks == 2)
		assembler_add_partition(assembler, ORDERS, 0);
	return NULL;
}

static void begin_without_orders(void)
{
	start = (struct checkpoint){.exists = true, .last_commit_lsn = 100, .last_tx_id = 6};
	looks = 0;
	options.find_partitions = find_orders;
	assembler_free(assembler);
	assembler = assembler_new(&options, &start, names);
	assembler_add_partition(assembler, MARKS, 0);
	assembler_add_partition(assembler, USERS, 0);
	high[ORDERS] = 1;
}

/* What the connector sent before its restart is in a topic that is not discovered yet. Two signs: a second BEGIN, a number twice. */
START_TEST(test_new_topic_before_a_restart)
{
	bool second_begin = _i != 0;

	begin_without_orders();
	begin_mark(7, 95);
	if (second_begin) {
		begin_mark(6, 90);
		end_mark(6, 100, 0, 0);
		begin_mark(7, 95);
	} else {
		event((struct event){USERS, 'c', 7, 1, 102, 100, 2, 0});
	}
	event((struct event){USERS, 'c', 7, 1, 104, 100, 4, 0});
	end_mark(7, 200, 1, 0);
	expect_nothing();
	expect_nothing();
	ck_assert(assembler_needs(assembler, ORDERS));
	event((struct event){ORDERS, 'c', 7, 1, 103, 100, 3, 0});
	expect_rows(7, second_begin ? "3 4" : "2 3 4");
	ck_assert_int_eq(looks, 2);
}
END_TEST

/* One look serves all ENDs that were read before it. Without a restart the counts of END are exact, and nothing is looked for. */
START_TEST(test_topics_are_looked_for_behind_a_restart_only)
{
	begin_without_orders();
	looks = 2; /* Kafka answers, and has nothing new */
	begin_mark(7, 95);
	begin_mark(6, 90);
	end_mark(6, 100, 0, 0);
	begin_mark(7, 95);
	event((struct event){USERS, 'c', 7, 1, 104, 100, 4, 0});
	end_mark(7, 200, 1, 0);
	begin_mark(8, 205);
	event((struct event){USERS, 'c', 8, 1, 205, 200, 5, 0});
	event((struct event){USERS, 'c', 8, 1, 206, 200, 6, 0});
	end_mark(8, 300, 1, 0);
	begin_mark(9, 305);
	event((struct event){USERS, 'c', 9, 1, 310, 300, 7, 0});
	event((struct event){USERS, 'c', 9, 2, 310, 300, 8, 0}); /* two rows of one COPY */
	end_mark(9, 400, 2, 0);
	expect_rows(7, "4");
	expect_rows(8, "5 6");
	expect_rows(9, "7 8");
	ck_assert_int_eq(looks, 3);
	begin_mark(10, 405);
	event((struct event){USERS, 'c', 10, 1, 405, 400, 9, 0});
	event((struct event){USERS, 'c', 10, 1, 406, 400, 10, 0});
	end_mark(10, 500, 1, 0);
	expect_rows(10, "9 10");
	ck_assert_int_eq(looks, 4);
}
END_TEST

START_TEST(test_new_slot_takes_lower_positions)
{
	start.last_commit_lsn = 500;
	start.last_tx_id = 5;
	start.accept_new_slot = true;
	start.accepted_id = 1;
	begin();
	simple(90, 400, 390);
	expect_rows(90, "900 901");
}
END_TEST

START_TEST(test_accepted_gap_cuts_transactions)
{
	start.last_commit_lsn = 40;
	start.accept_gap = true;
	start.accepted_id = 1;
	begin();
	/* Transaction 1 lost a user and transaction 2 its END; then all is whole. */
	event((struct event){ORDERS, 'c', 1, 2, 102, 50, 11, 0});
	end_mark(1, 109, 1, 1);
	event((struct event){ORDERS, 'c', 2, 2, 112, 109, 21, 0});
	simple(3, 120, 119);
	for (uint32_t i = 0; i < PARTITIONS; i++)
		assembler_accept_gap(assembler, i, offsets[i]);
	expect_rows(1, "11");
	expect_rows(3, "30 31");
	begin_mark(4, 131);
	event((struct event){USERS, 'c', 4, 1, 131, 129, 40, 0});
	end_mark(4, 139, 2, 0);
	expect_nothing(); /* behind the gap counts are counts again */
}
END_TEST

/* Other partitions are not read to the gap's end yet: a snapshot was written to them. */
START_TEST(test_accepted_gap_before_all_is_read)
{
	start.last_commit_lsn = 40;
	start.accept_gap = true;
	start.accepted_id = 1;
	begin();
	for (uint32_t i = 0; i < PARTITIONS; i++)
		assembler_accept_gap(assembler, i, 1000);
	begin_mark(1, 101);
	event((struct event){ORDERS, 'c', 1, 2, 102, 50, 11, 0});
	end_mark(1, 109, 1, 1);
	simple(3, 120, 109);
	expect_rows(1, "11");
	expect_rows(3, "30 31");
}
END_TEST

/* Large transactions. */

static int number_in(const struct value *value)
{
	char text[32];

	snprintf(text, sizeof(text), "%.*s", (int)value->length, value->data);
	return atoi(text);
}

static void expect_spilled(int tx, int count)
{
	struct transaction *transaction = NULL;
	uint64_t order = 0;
	int id = 0;

	while (transaction == NULL)
		transaction = next();
	ck_assert_uint_eq(transaction->tx_id, (uint64_t)tx);
	ck_assert_ptr_nonnull(transaction->spill);
	ck_assert_ptr_null(transaction->changes);
	ck_assert_uint_eq(transaction->change_count, (size_t)count);
	for (;;) {
		struct transaction *piece = transaction_new(TRANSACTION_STREAMED);

		GOOD(spill_read(transaction->spill, &order, 100, 1 << 20, piece));
		if (piece->change_count == 0) {
			transaction_free(piece);
			break;
		}
		ck_assert_uint_le(piece->change_count, 100);
		for (size_t i = 0; i < piece->change_count; i++) {
			const struct change *change = piece->changes[i];

			id++;
			ck_assert_int_eq(number_in(&change->after[0]), id);
			ck_assert_str_eq(change->relation->table, tables[id % 2 == 0 ? USERS : ORDERS]);
		}
		transaction_free(piece);
	}
	ck_assert_int_eq(id, count);
	transaction_free(transaction);
}

/* The arrays of a long backlog count as memory in use, and are given back after it. */
START_TEST(test_arrays_of_a_backlog)
{
	const int count = 10000;
	int previous = 50;

	begin();
	for (int i = 1; i <= count; i++) {
		simple(i, 100 * i, previous);
		previous = 100 * i;
	}
	ck_assert_uint_ge(assembler_array_bytes(assembler), (size_t)(3 * count) * sizeof(void *));
	for (int i = 1; i <= count; i++) {
		struct transaction *transaction = next();

		ck_assert(transaction != NULL && transaction->tx_id == (uint64_t)i);
		transaction_free(transaction);
	}
	ck_assert_uint_lt(assembler_array_bytes(assembler), 10000);
}
END_TEST

START_TEST(test_large_transaction_goes_to_a_file)
{
	const int count = 1000;

	options.spill_bytes = 20000;
	begin();
	begin_mark(1, 100);
	for (int i = 1; i <= count; i++) {
		event((struct event){i % 2 == 0 ? USERS : ORDERS, 'c', 1, i, 100 + i, 50, i, 0});
		if (i % 10 == 0)
			expect_nothing();
		ck_assert_uint_lt(slab_bytes_in_use(&accounts[USERS]), 200000);
	}
	ck_assert_uint_lt(assembler_total_waiting_bytes(assembler), 30000);
	/* A restart of the connector sends the tail again, with numbers that are too low by one. */
	for (int i = count - 20; i <= count + 4; i++)
		event((struct event){i % 2 == 0 ? USERS : ORDERS, 'c', 1, i - 1, 100 + i, 50, i, 0});
	end_mark(1, 9000, count / 2 + 2, count / 2 + 1);
	simple(2, 9010, 9000);
	expect_spilled(1, count + 4);
	expect_rows(2, "20 21");
}
END_TEST

START_TEST(test_spill_without_room_stops)
{
	struct transaction *transaction = NULL;
	struct error *error = NULL;

	options.spill_bytes = 1000;
	options.spill_dir = "/nowhere";
	begin();
	begin_mark(1, 100);
	for (int i = 1; i <= 100; i++)
		event((struct event){USERS, 'c', 1, i, 100 + i, 50, i, 0});
	error = assembler_next(assembler, &transaction);
	ck_assert_ptr_nonnull(error);
	ck_assert_str_eq(error_class_name(error->class), error_class_name(ERROR_SYSTEM));
	ck_assert_ptr_nonnull(strstr(error->message, "/nowhere"));
	error_free(error);
}
END_TEST

START_TEST(test_spill_above_its_limit_stops)
{
	options.spill_bytes = 1000;
	options.spill_limit = 10000;
	begin();
	begin_mark(1, 100);
	for (int i = 1; i <= 100; i++)
		event((struct event){USERS, 'c', 1, i, 100 + i, 50, i, 0});
	expect_error("spill_limit");
}
END_TEST

START_TEST(test_positions_of_a_half_taken_transaction)
{
	struct transaction *transaction;

	simple(1, 100, 50);
	begin_mark(2, 111);
	event((struct event){USERS, 'c', 2, 1, 111, 109, 20, 0});
	end_mark(2, 119, 1, 1);
	transaction = next();
	ck_assert_int_eq(position_of(transaction, USERS), 1);
	ck_assert_int_eq(position_of(transaction, MARKS), 2);
	transaction_free(transaction);
	expect_nothing();
	transaction = assembler_progress(assembler);
	ck_assert_ptr_null(transaction);
	event((struct event){ORDERS, 'c', 2, 2, 112, 109, 21, 0});
	transaction = next();
	ck_assert_int_eq(position_of(transaction, USERS), 2);
	ck_assert_int_eq(position_of(transaction, MARKS), 4);
	transaction_free(transaction);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("assembler");
	TCase *tcase = tcase_create("assembler");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_sorted_over_partitions);
	tcase_add_test(tcase, test_repeated_transaction_is_dismissed);
	tcase_add_test(tcase, test_tail_sent_again_without_begin);
	tcase_add_test(tcase, test_shifted_numbers_are_repaired);
	tcase_add_test(tcase, test_shifted_twice);
	tcase_add_test(tcase, test_numbers_begin_anew_without_overlap);
	tcase_add_test(tcase, test_one_number_in_two_partitions);
	tcase_add_test(tcase, test_repeat_without_sequence);
	tcase_add_test(tcase, test_forgotten_repeat_without_sequence);
	tcase_add_test(tcase, test_repeat_without_sequence_and_end);
	tcase_add_test(tcase, test_history_that_goes_back_stops);
	tcase_add_test(tcase, test_snapshot_of_another_history);
	tcase_add_test(tcase, test_missing_event_stops);
	tcase_add_test(tcase, test_lost_end_stops);
	tcase_add_test(tcase, test_cut_chain_is_reported_once);
	tcase_add_test(tcase, test_cut_chain_is_reported_again);
	tcase_add_test(tcase, test_chain_waits_for_its_message);
	tcase_add_loop_test(tcase, test_new_topic_before_a_restart, 0, 2);
	tcase_add_test(tcase, test_topics_are_looked_for_behind_a_restart_only);
	tcase_add_test(tcase, test_new_slot_takes_lower_positions);
	tcase_add_test(tcase, test_accepted_gap_cuts_transactions);
	tcase_add_test(tcase, test_accepted_gap_before_all_is_read);
	tcase_add_test(tcase, test_large_transaction_goes_to_a_file);
	tcase_add_test(tcase, test_spill_without_room_stops);
	tcase_add_test(tcase, test_spill_above_its_limit_stops);
	tcase_add_test(tcase, test_positions_of_a_half_taken_transaction);
	tcase_add_test(tcase, test_arrays_of_a_backlog);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
