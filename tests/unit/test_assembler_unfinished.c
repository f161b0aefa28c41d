/*
 * test_assembler_unfinished.c - what a connector left unfinished in Kafka: it died after a part of its messages was written,
 * and resumed or made a new snapshot. Each is the smallest case of a fault that test_assembler_histories found.
 *
 * The rows of snapshot N carry LSN N and transaction ID N + 1, where nothing else is said.
 */
#include <check.h>
#include <stdlib.h>

#include "assembling_messages.h"

/* Events of transaction 1 are lost, its table was emptied, and the first event after the snapshot has no sequence[0]. */
START_TEST(an_event_without_sequence_shows_that_others_are_lost)
{
	begin_mark(1, 101);
	end_mark(1, 109, 1, 0);
	event((struct event){USERS, 'c', 600, 1, 601, 0, 6, 0});
	snapshot_row(ORDERS, "last", 500, 8);
	begin_mark(600, 601);
	end_mark(600, 609, 1, 0);
	expect_rows(0, "8");
	expect_end(501, true);
	expect_dismissed(1);
	expect_rows(600, "6");
}
END_TEST

/* … it belongs to a transaction that began before the snapshot; only its END shows that it is a later one. */
START_TEST(an_event_without_sequence_is_of_a_later_transaction_by_its_end)
{
	begin_mark(1, 101);
	end_mark(1, 109, 1, 0);
	event((struct event){USERS, 'c', 600, 1, 105, 0, 6, 0});
	snapshot_row(ORDERS, "last", 500, 8);
	begin_mark(600, 601);
	end_mark(600, 609, 1, 0);
	expect_rows(0, "8");
	expect_end(501, true);
	expect_dismissed(1);
	expect_rows(600, "6");
}
END_TEST

/* … its END was not written either, and the source goes on in other tables. Time decides. */
START_TEST(an_unfinished_event_without_sequence_hides_nothing)
{
	begin_mark(1, 101);
	end_mark(1, 109, 1, 0);
	event((struct event){USERS, 'c', 600, 1, 105, 0, 6, 0});
	snapshot_row(ORDERS, "last", 500, 8);
	expect_rows(0, "8");
	expect_end(501, true);
	stay_quiet(MARKS);
	expect_dismissed(1);
	simple(700, 700, 0);
	expect_rows(700, "7000 7001");
}
END_TEST

/* The current transaction follows a snapshot that was seen later, whose rows stand after an unfinished transaction. */
START_TEST(unfinished_events_before_rows_of_a_snapshot_that_is_seen_later)
{
	begin_mark(600, 601);
	end_mark(600, 609, 1, 0);
	expect_nothing(); /* it is the current one now */
	event((struct event){ORDERS, 'c', 450, 1, 451, 400, 4, 0});
	snapshot_row(ORDERS, "true", 500, 7);
	snapshot_row(USERS, "last", 500, 8);
	event((struct event){USERS, 'c', 600, 1, 601, 0, 6, 0});
	expect_rows(0, "8");
	expect_rows(0, "7");
	expect_end(501, true);
	expect_rows(600, "6");
}
END_TEST

/*
 * The connector sends transaction 450 and the blocking snapshot inside it again. Its rows stand after an event of transaction
 * 700, which was sent before and ends later: it is not unfinished.
 */
START_TEST(an_event_before_repeated_rows_is_kept)
{
	begin_mark(450, 451);
	event((struct event){ORDERS, 'c', 450, 1, 451, 400, 4, 0});
	snapshot_row_of((struct snapshot_row){ORDERS, "last", 450, 451, 400, 8});
	end_mark(450, 459, 0, 1);
	expect_rows(450, "4");
	expect_rows(0, "8");
	expect_end(450, true);
	event((struct event){USERS, 'c', 700, 1, 701, 609, 7, 0});
	event((struct event){ORDERS, 'c', 450, 1, 451, 400, 4, 0});
	snapshot_row_of((struct snapshot_row){ORDERS, "true", 450, 452, 400, 8});
	snapshot_row_of((struct snapshot_row){USERS, "last", 450, 452, 400, 9});
	begin_mark(450, 451);
	end_mark(450, 459, 0, 1);
	expect_rows(0, "8");
	begin_mark(600, 601);
	end_mark(600, 609, 0, 0);
	expect_rows(600, "");
	begin_mark(700, 701);
	event((struct event){USERS, 'c', 700, 1, 701, 609, 7, 0});
	end_mark(700, 709, 1, 0);
	expect_rows(700, "7");
	expect_rows(0, "9");
	expect_end(450, true);
}
END_TEST

/* Transaction 1 was left unfinished, and the new snapshot has no row of its table. */
START_TEST(a_snapshot_replaces_what_stands_before_a_later_transaction)
{
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	snapshot_row(ORDERS, "last", 500, 8);
	expect_rows(0, "8");
	expect_end(501, true);
	simple(600, 600, 509);
	expect_rows(600, "6000 6001");
}
END_TEST

/* … and the rows of the snapshot are read last. */
START_TEST(rows_that_are_read_late_explain_what_is_missing)
{
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	begin_mark(600, 601);
	event((struct event){USERS, 'c', 600, 1, 601, 509, 6, 0});
	end_mark(600, 609, 1, 0);
	expect_nothing();
	snapshot_row(ORDERS, "last", 500, 8);
	expect_rows(0, "8");
	expect_end(501, true);
	expect_rows(600, "6");
}
END_TEST

/* … behind an event of a transaction that lacks others. */
START_TEST(queued_rows_explain_what_is_missing)
{
	begin_mark(1, 101);
	event((struct event){ORDERS, 'c', 1, 1, 101, 50, 1, 0});
	end_mark(1, 109, 1, 1);
	event((struct event){ORDERS, 'c', 2, 1, 111, 109, 2, 0});
	snapshot_row(ORDERS, "last", 500, 8);
	event((struct event){USERS, 'c', 600, 1, 601, 500, 6, 0});
	expect_dismissed(1);
	begin_mark(600, 601);
	end_mark(600, 609, 1, 0);
	expect_rows(0, "8");
	expect_end(501, true);
	expect_rows(600, "6");
}
END_TEST

/* Transaction 1 was taken before its END, since rows stand after it; other rows, of the snapshot that replaced it, are unread. */
START_TEST(rows_that_are_read_late_replace_what_was_taken)
{
	begin_mark(450, 451);
	event((struct event){USERS, 'c', 450, 1, 451, 400, 4, 0});
	snapshot_row_of((struct snapshot_row){USERS, "last", 450, 451, 400, 8});
	expect_rows(0, "8");
	expect_end(450, true);
	begin_mark(600, 601);
	end_mark(600, 609, 0, 0);
	expect_nothing();
	snapshot_row(ORDERS, "last", 500, 9);
	expect_rows(0, "9");
	expect_end(501, true);
	expect_rows(600, "");
}
END_TEST

/* END was written, an event was not; the connector resumes with the transaction before. */
START_TEST(a_missing_event_is_sent_again)
{
	simple(1, 100, 50);
	expect_rows(1, "10 11");
	begin_mark(2, 201);
	event((struct event){USERS, 'c', 2, 1, 201, 109, 5, 0});
	end_mark(2, 209, 2, 0);
	expect_nothing();
	event((struct event){USERS, 'c', 1, 1, 101, 50, 10, 0}); /* again */
	expect_nothing();
	stay_quiet(MARKS);
	simple(1, 100, 50);
	begin_mark(2, 201);
	event((struct event){USERS, 'c', 2, 1, 201, 109, 5, 0});
	event((struct event){USERS, 'c', 2, 2, 202, 109, 6, 0});
	end_mark(2, 209, 2, 0);
	expect_rows(2, "5 6");
	expect_nothing();
}
END_TEST

/* The first copy of transaction 600's event is gone; the next one stands behind the first copy of a later transaction's. */
START_TEST(an_event_that_is_sent_again_behind_a_later_one)
{
	begin_mark(600, 601);
	end_mark(600, 609, 0, 1);
	event((struct event){ORDERS, 'c', 700, 1, 701, 609, 7, 0});
	event((struct event){ORDERS, 'c', 600, 1, 601, 509, 6, 0});
	event((struct event){ORDERS, 'c', 700, 1, 701, 609, 7, 0});
	begin_mark(700, 701);
	end_mark(700, 709, 0, 1);
	expect_nothing();
	stay_quiet(MARKS);
	expect_rows(600, "6");
	expect_rows(700, "7");
}
END_TEST

/* The source is idle. A transaction that was applied before was sent again, without its END. */
START_TEST(an_unfinished_repeat_does_not_keep_rows_waiting)
{
	simple(1, 100, 50);
	expect_rows(1, "10 11");
	begin_mark(1, 101);
	event((struct event){USERS, 'c', 3, 1, 91, 99, 10, 0});
	begin_mark(3, 91);
	snapshot_row(USERS, "last", 500, 8);
	stay_quiet(MARKS);
	expect_rows(0, "8");
	expect_end(501, true);
}
END_TEST

/* Two transactions were left unfinished, and rows of snapshots stand after both. The first one is taken already. */
START_TEST(the_second_of_two_unfinished_transactions)
{
	begin_mark(1, 101);
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	snapshot_row(USERS, "first", 500, 8);
	expect_rows(0, "8");
	begin_mark(600, 601);
	event((struct event){USERS, 'c', 600, 1, 601, 0, 6, 0});
	snapshot_row(USERS, "last", 800, 9);
	expect_end(501, false);
	expect_rows(0, "9");
	expect_end(801, true);
	simple(900, 900, 0);
	expect_rows(900, "9000 9001");
}
END_TEST

/* … of the first one an event is read after the BEGIN of the second. */
START_TEST(an_event_of_an_unfinished_transaction_that_is_read_late)
{
	begin_mark(1, 101);
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	snapshot_row(USERS, "true", 500, 8);
	expect_rows(0, "8");
	begin_mark(600, 601);
	event((struct event){ORDERS, 'c', 1, 2, 102, 50, 2, 0});
	snapshot_row(ORDERS, "last", 500, 9);
	expect_nothing();
	stay_quiet(MARKS);
	expect_rows(0, "9");
	expect_end(501, true);
}
END_TEST

/* No row stands after it: it goes as well, so that the position of its partition does not stay there. */
START_TEST(an_unfinished_transaction_does_not_hold_the_position)
{
	simple(1, 100, 50);
	expect_rows(1, "10 11");
	event((struct event){USERS, 'c', 3, 1, 111, 109, 3, 0});
	snapshot_row(ORDERS, "last", 500, 8);
	expect_rows(0, "8");
	expect_end(501, true);
	begin_mark(600, 601);
	end_mark(600, 609, 0, 0);
	expect_rows(600, "");
	for (int i = 0; i < 2; i++)
		stay_quiet(MARKS);
	ck_assert_uint_eq(assembler_total_waiting_bytes(assembler), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("assembler_unfinished");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, an_event_without_sequence_shows_that_others_are_lost);
	tcase_add_test(tests, an_event_without_sequence_is_of_a_later_transaction_by_its_end);
	tcase_add_test(tests, an_unfinished_event_without_sequence_hides_nothing);
	tcase_add_test(tests, unfinished_events_before_rows_of_a_snapshot_that_is_seen_later);
	tcase_add_test(tests, an_event_before_repeated_rows_is_kept);
	tcase_add_test(tests, a_snapshot_replaces_what_stands_before_a_later_transaction);
	tcase_add_test(tests, rows_that_are_read_late_explain_what_is_missing);
	tcase_add_test(tests, queued_rows_explain_what_is_missing);
	tcase_add_test(tests, rows_that_are_read_late_replace_what_was_taken);
	tcase_add_test(tests, a_missing_event_is_sent_again);
	tcase_add_test(tests, an_event_that_is_sent_again_behind_a_later_one);
	tcase_add_test(tests, an_unfinished_repeat_does_not_keep_rows_waiting);
	tcase_add_test(tests, the_second_of_two_unfinished_transactions);
	tcase_add_test(tests, an_event_of_an_unfinished_transaction_that_is_read_late);
	tcase_add_test(tests, an_unfinished_transaction_does_not_hold_the_position);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
