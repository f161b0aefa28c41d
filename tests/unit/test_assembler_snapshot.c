/*
 * test_assembler_snapshot.c - full snapshots: what waits for their end, when it is reached, and what is read meanwhile.
 *
 * The rows of snapshot N carry LSN N and transaction ID N + 1, where nothing else is said.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assembling_messages.h"

/* Rows of a snapshot that is not open: *late says whether they must be. */
static void expect_snapshot_rows(uint64_t tx_id, bool late, const char *ids)
{
	struct transaction *rows = next();
	char text[512];

	ck_assert_ptr_nonnull(rows);
	ck_assert_int_eq(rows->kind, TRANSACTION_SNAPSHOT);
	say_rows(rows, text, sizeof(text));
	ck_assert_str_eq(text, ids);
	ck_assert_uint_eq(rows->snapshot.tx_id, tx_id);
	ck_assert_int_eq(rows->snapshot_late, late);
	transaction_free(rows);
}

static void expect_needs(bool marks, bool users, bool orders)
{
	ck_assert_int_eq(assembler_needs(assembler, MARKS), marks);
	ck_assert_int_eq(assembler_needs(assembler, USERS), users);
	ck_assert_int_eq(assembler_needs(assembler, ORDERS), orders);
}

START_TEST(test_ends_after_all_its_rows)
{
	high[ORDERS] = 2;
	snapshot_row(ORDERS, "first", 500, 1);
	snapshot_row(USERS, "last", 500, 2);
	expect_rows(0, "2");
	expect_rows(0, "1");
	expect_nothing(); /* the partition reaches further: another row of the snapshot */
	snapshot_row(ORDERS, "true", 500, 3);
	expect_rows(0, "3");
	expect_end(501, true);
}
END_TEST

START_TEST(test_transaction_follows_the_end)
{
	snapshot_row(ORDERS, "first", 500, 1);
	snapshot_row(USERS, "last", 500, 2);
	expect_rows(0, "2");
	expect_rows(0, "1");
	expect_end(501, true);
	simple(600, 600, 0);
	expect_rows(600, "6000 6001");
}
END_TEST

/* … also when its END was read before any row of the snapshot. */
START_TEST(test_transaction_waits_for_a_snapshot_that_is_read_later)
{
	begin_mark(600, 601);
	end_mark(600, 609, 1, 0);
	expect_nothing();
	high[ORDERS] = 1;
	snapshot_row(USERS, "first", 500, 1);
	event((struct event){USERS, 'c', 600, 1, 601, 0, 5, 0});
	expect_rows(0, "1");
	expect_nothing();
	snapshot_row(ORDERS, "last", 500, 2);
	expect_rows(0, "2");
	expect_end(501, true);
	expect_rows(600, "5");
}
END_TEST

/* Its last row is in a topic that is not read, or it was broken off: a later END shows that it is over. */
START_TEST(test_last_row_elsewhere)
{
	snapshot_row(USERS, "first", 500, 1);
	expect_rows(0, "1");
	expect_nothing();
	simple(600, 600, 0);
	expect_end(501, false);
	expect_rows(600, "6000 6001");
}
END_TEST

/* A second snapshot while a transaction before it still waits in another partition. */
START_TEST(test_transactions_before_it_go_first)
{
	begin_mark(1, 101);
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	snapshot_row(ORDERS, "first", 500, 8);
	end_mark(1, 109, 1, 0);
	snapshot_row(USERS, "last", 500, 9);
	simple(600, 600, 0);
	expect_rows(0, "8");
	expect_rows(1, "1");
	expect_rows(0, "9");
	expect_end(501, true);
	expect_rows(600, "6000 6001");
}
END_TEST

/* The last row was applied before a restart: the snapshot ends as a complete one. */
START_TEST(test_restart_after_its_last_row)
{
	start.snapshot = (struct snapshot_identity){501, 500};
	start.snapshot_open = start.snapshot_last_row = true;
	high[ORDERS] = 1;
	begin();
	expect_nothing();
	snapshot_row(ORDERS, "true", 500, 1);
	expect_snapshot_rows(501, false, "1");
	expect_end(501, true);
}
END_TEST

START_TEST(test_restart_inside)
{
	struct transaction *rows;

	start.snapshot = (struct snapshot_identity){501, 500};
	start.snapshot_open = true;
	begin();
	expect_nothing();
	snapshot_row(USERS, "last", 500, 1);
	rows = next();
	ck_assert_ptr_nonnull(rows);
	ck_assert(rows->snapshot_last_row);
	transaction_free(rows);
	expect_end(501, true);
}
END_TEST

/* A partition has passed with an event of a transaction that follows. */
START_TEST(test_partition_passes_with_a_later_event)
{
	for (uint32_t i = 0; i < PARTITIONS; i++)
		high[i] = 1000;
	snapshot_row(USERS, "last", 500, 1);
	expect_rows(0, "1");
	simple(600, 600, 0);
	expect_end(501, true);
	ck_assert_int_eq(asked, 0);
	expect_rows(600, "6000 6001");
}
END_TEST

/* A backlog in one topic: an event of the second transaction ends the snapshot, its high watermark is not waited for. */
START_TEST(test_one_topic)
{
	assembler_free(assembler);
	assembler = assembler_new(&options, &start, names);
	assembler_add_partition(assembler, USERS, 0);
	high[USERS] = 1000;
	snapshot_row(USERS, "first", 500, 1);
	snapshot_row(USERS, "last", 500, 2);
	expect_rows(0, "1 2");
	expect_nothing();
	ck_assert(assembler_needs(assembler, USERS));
	event((struct event){USERS, 'c', 450, 1, 451, 0, 5, 0}); /* in progress when the snapshot began */
	expect_nothing();
	event((struct event){USERS, 'c', 460, 1, 461, 520, 6, 0}); /* so was this one */
	expect_end(501, true);
}
END_TEST

START_TEST(test_only_what_is_awaited_is_needed)
{
	high[ORDERS] = 3;
	snapshot_row(USERS, "last", 500, 1);
	expect_rows(0, "1");
	for (int tx = 600; tx < 604; tx++) {
		begin_mark(tx, tx + 1);
		event((struct event){USERS, 'c', tx, 1, tx + 1, tx == 600 ? 0 : tx - 1, tx, 0});
		end_mark(tx, tx + 1, 1, 0);
	}
	expect_nothing();
	expect_needs(false, false, true);
	snapshot_row(ORDERS, "true", 500, 2);
	expect_rows(0, "2");
	expect_nothing();
	expect_needs(false, false, true);
	event((struct event){ORDERS, 'c', 604, 1, 605, 603, 3, 0});
	expect_end(501, true);
	for (int tx = 600; tx < 604; tx++)
		transaction_free(next());
	expect_nothing();
	expect_needs(true, true, false); /* as without a snapshot */
}
END_TEST

/* Queued events alone do not show that a partition has passed. */
START_TEST(test_partition_with_queued_events_is_needed)
{
	high[ORDERS] = 10;
	snapshot_row(USERS, "last", 500, 1);
	expect_rows(0, "1");
	event((struct event){ORDERS, 'c', 450, 1, 451, 0, 5, 0}); /* in progress when it began */
	begin_mark(600, 601);
	event((struct event){USERS, 'c', 600, 1, 601, 0, 6, 0});
	end_mark(600, 609, 1, 0);
	expect_nothing();
	expect_needs(false, false, true);
	event((struct event){ORDERS, 'c', 620, 1, 621, 609, 7, 0});
	expect_end(501, true);
	expect_rows(600, "6");
}
END_TEST

/* While its last row was not read, nothing waits; a partition with events before it is not read ahead. */
START_TEST(test_partition_before_it_is_not_needed)
{
	snapshot_row(USERS, "first", 500, 1);
	event((struct event){ORDERS, 'c', 1, 1, 101, 50, 5, 0});
	expect_rows(0, "1");
	expect_nothing();
	expect_needs(true, true, false); /* the END is missing */
	begin_mark(1, 101);
	end_mark(1, 109, 0, 1);
	expect_rows(1, "5");
	expect_nothing();
	expect_needs(true, true, true);
}
END_TEST

/* The event before a blocking snapshot has a lower LSN than the transaction that was committed before. */
START_TEST(test_blocking_snapshot_with_a_low_lsn)
{
	snapshot_row(USERS, "last", 500, 1);
	expect_rows(0, "1");
	expect_end(501, true);
	begin_mark(600, 601);
	event((struct event){USERS, 'c', 600, 1, 601, 0, 5, 0});
	snapshot_row_of((struct snapshot_row){ORDERS, "first", 590, 595, 609, 6});
	snapshot_row_of((struct snapshot_row){USERS, "true", 590, 595, 609, 7});
	expect_snapshot_rows(590, false, "6");
	end_mark(600, 609, 1, 0);
	begin_mark(590, 595);
	expect_rows(600, "5");
	expect_snapshot_rows(590, false, "7");
	end_mark(590, 650, 0, 0);
	expect_rows(590, ""); /* the one that it interrupted */
	begin_mark(800, 801);
	end_mark(800, 809, 1, 0);
	event((struct event){USERS, 'c', 800, 1, 801, 650, 9, 0});
	high[ORDERS] = 2;
	expect_nothing(); /* transaction 800 follows */
	snapshot_row_of((struct snapshot_row){ORDERS, "last", 590, 595, 609, 8});
	expect_snapshot_rows(590, false, "8");
	expect_end(590, true);
	expect_rows(800, "9");
}
END_TEST

/* The connector pauses streaming between two events of a transaction, one of which is the signal. */
START_TEST(test_snapshot_inside_a_transaction)
{
	begin_mark(600, 601);
	event((struct event){USERS, 'c', 600, 1, 601, 550, 1, 0});
	snapshot_row_of((struct snapshot_row){USERS, "first", 600, 601, 550, 7});
	expect_snapshot_rows(600, false, "7");
	transaction_free(assembler_progress(assembler)); /* quiet: the query of a table may take its time */
	expect_nothing();
	snapshot_row_of((struct snapshot_row){USERS, "last", 600, 601, 550, 8});
	expect_snapshot_rows(600, false, "8");
	expect_end(600, true);
	transaction_free(assembler_progress(assembler));
	expect_nothing();
	event((struct event){USERS, 'c', 600, 2, 602, 550, 2, 0});
	end_mark(600, 609, 2, 0);
	expect_rows(600, "1 2");
}
END_TEST

/* The connector died inside a transaction, lost its slot, and made a new snapshot. */
START_TEST(test_half_transaction_before_it)
{
	begin_mark(1, 101);
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	snapshot_row(USERS, "first", 500, 8);
	snapshot_row(USERS, "last", 500, 9);
	expect_rows(0, "8 9");
	expect_end(501, true);
	simple(600, 600, 0);
	expect_rows(600, "6000 6001");
}
END_TEST

/* … all of it was written before the daemon was started. */
START_TEST(test_half_transaction_that_is_read_late)
{
	begin_mark(1, 101);
	simple(600, 600, 0);
	assembling_begin(&start);
	memset(offsets, 0, sizeof(offsets));
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	snapshot_row(USERS, "first", 500, 8);
	snapshot_row(USERS, "last", 500, 9);
	begin_mark(1, 101);
	simple(600, 600, 0);
	expect_rows(0, "8 9");
	expect_end(501, true);
	expect_rows(600, "6000 6001");
}
END_TEST

/* … its BEGIN was lost. */
START_TEST(test_half_transaction_without_begin)
{
	begin_mark(2, 41);
	end_mark(2, 49, 0, 0);
	expect_rows(2, "");
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	snapshot_row(USERS, "first", 500, 8);
	snapshot_row(USERS, "last", 500, 9);
	expect_nothing();
	stay_quiet(MARKS);
	expect_rows(0, "8 9");
	expect_end(501, true);
}
END_TEST

/* … of a second one only events of one partition were written. */
START_TEST(test_half_transactions_without_marks)
{
	begin_mark(1, 101);
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	event((struct event){ORDERS, 'c', 2, 1, 111, 109, 2, 0});
	snapshot_row(USERS, "first", 500, 8);
	snapshot_row(ORDERS, "last", 500, 9);
	expect_rows(0, "8");
	stay_quiet(MARKS);
	expect_rows(0, "9");
	expect_end(501, true);
	simple(600, 600, 0);
	expect_rows(600, "6000 6001");
}
END_TEST

/* … and the daemon started again since: it has read no transaction boundary. */
START_TEST(test_half_transaction_after_a_restart)
{
	assembler_expect_marks(assembler, MARKS);
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	snapshot_row(USERS, "first", 500, 8);
	snapshot_row(USERS, "last", 500, 9);
	stay_quiet(MARKS);
	expect_rows(0, "8 9");
	expect_end(501, true);
}
END_TEST

/*
 * … and its END was written, the event of another partition was not. The new snapshot has what the transaction did. The
 * source is idle afterwards, or not.
 */
static void send_half_with_its_end(void)
{
	begin_mark(1, 101);
	event((struct event){USERS, 'c', 1, 1, 101, 50, 1, 0});
	end_mark(1, 109, 1, 1);
}

START_TEST(test_half_transaction_with_its_end)
{
	send_half_with_its_end();
	snapshot_row(USERS, "first", 500, 8);
	snapshot_row(ORDERS, "last", 500, 9);
	expect_rows(0, "9");
	expect_dismissed(1);
	expect_rows(0, "8");
	expect_end(501, true);
	simple(600, 600, 0);
	expect_rows(600, "6000 6001");
}
END_TEST

/* The table of the event that is missing is empty by then: no row shows that its partition has passed the snapshot. */
START_TEST(test_half_transaction_of_an_emptied_table)
{
	simple(20, 20, 0);
	expect_rows(20, "200 201");
	send_half_with_its_end();
	snapshot_row(USERS, "last", 500, 8);
	expect_rows(0, "8");
	expect_end(501, true);
	stay_quiet(MARKS);
	expect_dismissed(1);
	simple(600, 600, 0);
	expect_rows(600, "6000 6001");
}
END_TEST

/* The connector was stopped inside a snapshot and makes another: the first one was broken off. */
START_TEST(test_second_snapshot_ends_the_first)
{
	snapshot_row(USERS, "first", 500, 1);
	snapshot_row(USERS, "first", 800, 2);
	high[ORDERS] = 1;
	expect_snapshot_rows(501, false, "1");
	expect_nothing(); /* the partition may have rows of the first one */
	expect_needs(false, false, true);
	snapshot_row(ORDERS, "true", 500, 3);
	expect_snapshot_rows(501, false, "3");
	expect_end(501, false);
	expect_snapshot_rows(801, false, "2");
	snapshot_row(ORDERS, "last", 800, 4);
	expect_snapshot_rows(801, false, "4");
	expect_end(801, true);
}
END_TEST

/* … and with a first one that was complete, which is read in one partition later than in the others. */
START_TEST(test_second_snapshot_waits_for_the_first)
{
	high[ORDERS] = 2;
	snapshot_row(USERS, "last", 500, 1);
	snapshot_row_of((struct snapshot_row){USERS, "last", 800, 500, 0, 2});
	expect_snapshot_rows(501, false, "1");
	expect_nothing();
	snapshot_row(ORDERS, "true", 500, 3);
	snapshot_row(ORDERS, "true", 500, 4);
	expect_snapshot_rows(501, false, "3 4");
	expect_end(501, true);
	expect_snapshot_rows(800, false, "2");
	expect_end(800, true);
}
END_TEST

/* The transaction that the first one interrupted needs what stands after the rows of the second one. */
/* The first one was broken off before it reached every table, and a row of the second one is seen first. */
START_TEST(test_second_snapshot_is_seen_first)
{
	snapshot_row(USERS, "first", 800, 2);
	snapshot_row(ORDERS, "first", 500, 1);
	snapshot_row(ORDERS, "last", 800, 3);
	expect_rows(0, "2");
	expect_snapshot_rows(501, true, "1");
	expect_rows(0, "3");
	expect_end(801, true);
	simple(900, 900, 0);
	expect_rows(900, "9000 9001");
}
END_TEST

START_TEST(test_second_snapshot_that_is_needed)
{
	high[MARKS] = 10;
	begin_mark(450, 511);
	end_mark(450, 900, 1, 1);
	snapshot_row_of((struct snapshot_row){USERS, "first", 450, 511, 480, 1});
	event((struct event){USERS, 'c', 450, 1, 511, 480, 5, 0});
	snapshot_row(ORDERS, "first", 800, 2);
	snapshot_row(ORDERS, "last", 800, 3);
	event((struct event){ORDERS, 'c', 450, 2, 512, 480, 6, 0});
	expect_snapshot_rows(450, false, "1");
	expect_end(450, false);
	expect_snapshot_rows(801, false, "2 3");
	high[MARKS] = 2;
	expect_end(801, true);
	expect_rows(450, "5 6");
}
END_TEST

START_TEST(test_late_rows)
{
	snapshot_row(USERS, "last", 500, 1);
	expect_snapshot_rows(501, false, "1");
	expect_end(501, true);
	snapshot_row(ORDERS, "true", 500, 2); /* a broker acknowledged it late */
	expect_snapshot_rows(501, true, "2");
	snapshot_row(USERS, "last", 800, 3);
	expect_snapshot_rows(801, false, "3");
	snapshot_row(ORDERS, "last", 500, 4);
	expect_snapshot_rows(501, true, "4");
	expect_end(801, true);
	expect_nothing();
}
END_TEST

/* The source is another server, which the operator accepted: its transaction IDs and LSNs are lower. */
START_TEST(test_snapshot_of_an_accepted_source)
{
	start = (struct checkpoint){.snapshot = {501, 500}, .accept_new_slot = true, .accepted_id = 1};
	begin();
	snapshot_row(USERS, "last", 50, 1);
	expect_snapshot_rows(51, false, "1");
	expect_end(51, true);
}
END_TEST

static int looked;
static bool topic_appears;

static struct error *find_partitions(void *context, bool *found)
{
	(void)context;
	looked++;
	*found = looked > 1; /* the first time Kafka does not answer */
	if (*found && topic_appears)
		assembler_add_partition(assembler, ORDERS, 0);
	return NULL;
}

/* The last row is read before it is known that the topic exists which other rows created. */
START_TEST(test_topics_are_looked_for_before_the_end)
{
	topic_appears = _i != 0;
	looked = 0;
	options.find_partitions = find_partitions;
	assembler_free(assembler);
	assembler = assembler_new(&options, &start, names);
	assembler_add_partition(assembler, MARKS, 0);
	assembler_add_partition(assembler, USERS, 0);
	high[ORDERS] = 1;
	snapshot_row(USERS, "last", 500, 1);
	expect_snapshot_rows(501, false, "1");
	expect_nothing();
	if (topic_appears) {
		expect_nothing();
		snapshot_row(ORDERS, "true", 500, 2);
		expect_snapshot_rows(501, false, "2");
	}
	expect_end(501, true);
	ck_assert_int_eq(looked, 2);
}
END_TEST

/* Without transaction metadata. */
START_TEST(test_runs_around_it)
{
	options.transactions = false;
	begin();
	high[ORDERS] = 3;
	snapshot_row(ORDERS, "first", 500, 1);
	event((struct event){USERS, 'c', 450, 1, 451, 0, 5, 0}); /* in progress when it began, or before */
	snapshot_row(USERS, "true", 500, 2);
	expect_snapshot_rows(501, false, "1");
	expect_rows(450, "5");
	expect_snapshot_rows(501, false, "2");
	event((struct event){USERS, 'c', 600, 1, 601, 0, 6, 0});
	transaction_free(assembler_progress(assembler)); /* quiet */
	expect_nothing();
	ck_assert(assembler_needs(assembler, ORDERS));
	ck_assert(!assembler_needs(assembler, USERS));
	snapshot_row(ORDERS, "true", 500, 3);
	snapshot_row(ORDERS, "last", 500, 4);
	expect_snapshot_rows(501, false, "3 4");
	expect_end(501, true);
	transaction_free(assembler_progress(assembler));
	expect_rows(600, "6");
}
END_TEST

/* The transaction that the row follows waits for a partition: silence does not let the row overtake it. */
START_TEST(test_incremental_row_waits_in_silence)
{
	simple(1, 100, 50);
	expect_rows(1, "10 11");
	begin_mark(2, 200);
	end_mark(2, 209, 0, 1);
	snapshot_row_of((struct snapshot_row){USERS, "incremental", 0, 0, 209, 7});
	for (int i = 0; i < 5; i++) {
		expect_nothing();
		transaction_free(assembler_progress(assembler));
	}
	event((struct event){ORDERS, 'c', 2, 1, 201, 109, 5, 0});
	expect_rows(2, "5");
	expect_rows(0, "7");
}
END_TEST

/* Its END is not read yet. Without a transaction the row passes: it may follow a message. */
START_TEST(test_incremental_row_waits_for_marks)
{
	simple(1, 100, 50);
	expect_rows(1, "10 11");
	snapshot_row_of((struct snapshot_row){USERS, "incremental", 0, 0, 209, 7});
	high[MARKS] = offsets[MARKS] + 2;
	transaction_free(assembler_progress(assembler));
	expect_nothing();
	high[MARKS] = -1;
	transaction_free(assembler_progress(assembler));
	expect_nothing();
	high[MARKS] = 0;
	transaction_free(assembler_progress(assembler));
	expect_rows(0, "7");
	start = (struct checkpoint){.exists = true, .last_commit_lsn = 109, .last_tx_id = 1};
	begin(); /* no transaction boundary event is read after a restart */
	snapshot_row_of((struct snapshot_row){USERS, "incremental", 0, 0, 209, 8});
	transaction_free(assembler_progress(assembler));
	expect_rows(0, "8");
}
END_TEST

/* One topic: the row is inside a transaction whose END may be far away, and sequence[0] names a message. */
START_TEST(test_incremental_row_before_the_end_in_one_topic)
{
	simple(1, 100, 50);
	expect_rows(1, "10 11");
	begin_mark(2, 200);
	snapshot_row_of((struct snapshot_row){MARKS, "incremental", 0, 0, 150, 7});
	expect_rows(0, "7");
	end_mark(2, 209, 0, 0);
	snapshot_row_of((struct snapshot_row){MARKS, "incremental", 0, 0, 209, 8});
	expect_rows(2, "");
	expect_rows(0, "8");
}
END_TEST

/* snapshot.max.threads: two rows are marked "last". */
START_TEST(test_first_of_two_last_rows)
{
	struct transaction *transaction;

	snapshot_row(USERS, "true", 500, 1);
	expect_rows(0, "1");
	snapshot_row(USERS, "last", 500, 2);
	high[ORDERS] = 1; /* a row that is not read yet */
	expect_rows(0, "2");
	expect_nothing();
	snapshot_row(USERS, "true", 500, 3);
	expect_rows(0, "3");
	high[ORDERS] = 0;
	snapshot_row(ORDERS, "true", 500, 4);
	expect_rows(0, "4");
	expect_nothing(); /* it is not over */
	snapshot_row(ORDERS, "last", 500, 5);
	expect_rows(0, "5");
	transaction = next();
	ck_assert_ptr_nonnull(transaction);
	ck_assert(transaction->snapshot_ends && transaction->snapshot_complete);
	transaction_free(transaction);
}
END_TEST

/* The rows of one thread come to another partition after "last": the end of that partition is asked for again. */
START_TEST(test_rows_after_the_ends_that_were_asked)
{
	struct transaction *transaction;

	snapshot_row(USERS, "last", 500, 1);
	high[MARKS] = 1; /* something keeps the snapshot open */
	expect_rows(0, "1");
	expect_nothing();
	snapshot_row(ORDERS, "true", 500, 2);
	expect_rows(0, "2");
	high[ORDERS] = 3;
	high[MARKS] = 0;
	assembler_push_nothing(assembler, MARKS, offsets[MARKS]++);
	expect_nothing(); /* two more rows are in Kafka */
	high[ORDERS] = 0;
	snapshot_row(ORDERS, "true", 500, 3);
	expect_rows(0, "3");
	snapshot_row(ORDERS, "last", 500, 4);
	expect_rows(0, "4");
	transaction = next();
	ck_assert_ptr_nonnull(transaction);
	ck_assert(transaction->snapshot_ends);
	transaction_free(transaction);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("assembler_snapshot");
	TCase *tcase = tcase_create("assembler_snapshot");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_ends_after_all_its_rows);
	tcase_add_test(tcase, test_transaction_follows_the_end);
	tcase_add_test(tcase, test_transaction_waits_for_a_snapshot_that_is_read_later);
	tcase_add_test(tcase, test_last_row_elsewhere);
	tcase_add_test(tcase, test_transactions_before_it_go_first);
	tcase_add_test(tcase, test_restart_after_its_last_row);
	tcase_add_test(tcase, test_restart_inside);
	tcase_add_test(tcase, test_partition_passes_with_a_later_event);
	tcase_add_test(tcase, test_one_topic);
	tcase_add_test(tcase, test_only_what_is_awaited_is_needed);
	tcase_add_test(tcase, test_partition_with_queued_events_is_needed);
	tcase_add_test(tcase, test_partition_before_it_is_not_needed);
	tcase_add_test(tcase, test_blocking_snapshot_with_a_low_lsn);
	tcase_add_test(tcase, test_snapshot_inside_a_transaction);
	tcase_add_test(tcase, test_half_transaction_before_it);
	tcase_add_test(tcase, test_half_transaction_that_is_read_late);
	tcase_add_test(tcase, test_half_transaction_with_its_end);
	tcase_add_test(tcase, test_half_transaction_of_an_emptied_table);
	tcase_add_test(tcase, test_half_transactions_without_marks);
	tcase_add_test(tcase, test_half_transaction_after_a_restart);
	tcase_add_test(tcase, test_half_transaction_without_begin);
	tcase_add_test(tcase, test_second_snapshot_ends_the_first);
	tcase_add_test(tcase, test_second_snapshot_waits_for_the_first);
	tcase_add_test(tcase, test_second_snapshot_is_seen_first);
	tcase_add_test(tcase, test_second_snapshot_that_is_needed);
	tcase_add_test(tcase, test_late_rows);
	tcase_add_test(tcase, test_snapshot_of_an_accepted_source);
	tcase_add_loop_test(tcase, test_topics_are_looked_for_before_the_end, 0, 2);
	tcase_add_test(tcase, test_runs_around_it);
	tcase_add_test(tcase, test_incremental_row_waits_in_silence);
	tcase_add_test(tcase, test_incremental_row_waits_for_marks);
	tcase_add_test(tcase, test_first_of_two_last_rows);
	tcase_add_test(tcase, test_rows_after_the_ends_that_were_asked);
	tcase_add_test(tcase, test_incremental_row_before_the_end_in_one_topic);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
