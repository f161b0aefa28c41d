/* test_assembler_partitions.c - a table's events in several partitions of its topic, which come in any order. */
#include "base/slab.h"
#include "stream/assembler.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct slab_account account;
static struct slab_writer writer;
static const struct collection wide = {.name = "public.wide", .schema = "public", .table = "wide", .number = 0};
static const struct relation relation = {.collection = &wide, .schema = "public", .table = "wide"};

static struct change *event(uint32_t partition, int64_t offset, uint64_t tx_id, uint64_t order, uint64_t previous)
{
	struct change *change = slab_reserve(&writer, sizeof(*change));

	*change = (struct change){.relation = &relation,
	                          .partition = partition,
	                          .offset = offset,
	                          .tx_id = tx_id,
	                          .total_order = order,
	                          .previous_commit_lsn = previous,
	                          .lsn = previous + order,
	                          .bytes = sizeof(*change),
	                          .operation = CHANGE_INSERT};
	change->slab = slab_commit(&writer, sizeof(*change));
	return change;
}

static struct transaction_mark *end(uint32_t partition, uint64_t tx_id, uint64_t lsn, uint64_t count)
{
	struct transaction_mark *mark = slab_reserve(&writer, sizeof(*mark) + sizeof(struct collection_count));
	struct collection_count *counts = (struct collection_count *)(mark + 1);

	*counts = (struct collection_count){&wide, count};
	*mark = (struct transaction_mark){.tx_id = tx_id,
	                                  .lsn = lsn,
	                                  .event_count = count,
	                                  .counts = counts,
	                                  .count_count = 1,
	                                  .partition = partition,
	                                  .end = true};
	mark->slab = slab_commit(&writer, sizeof(*mark) + sizeof(*counts));
	return mark;
}

/* Partition 0 of the topic is read first, far beyond the transaction at hand, whose other event is in partition 1. */
static void late_partition(bool added_late)
{
	struct partition_list *names = partition_list_new();
	const struct assembler_options options = {.transactions = true, .snapshot_run_rows = 100};
	const struct checkpoint start = {.last_commit_lsn = 100};
	struct assembler *assembler = assembler_new(&options, &start, names);
	uint32_t marks = partition_list_add(names, "p.transaction", 0);
	uint32_t first = partition_list_add(names, "p.public.wide", 0);
	uint32_t second = partition_list_add(names, "p.public.wide", 1);
	struct transaction *transaction = NULL;

	slab_writer_init(&writer, &account);
	assembler_add_partition(assembler, marks, 0);
	assembler_add_partition(assembler, first, 0);
	if (!added_late)
		assembler_add_partition(assembler, second, 0);
	ck_assert_ptr_null(assembler_push_change(assembler, event(first, 0, 7, 1, 100)));
	if (added_late)
		assembler_add_partition(assembler, second, 0);
	ck_assert_ptr_null(assembler_push_change(assembler, event(first, 1, 8, 1, 200)));
	ck_assert_ptr_null(assembler_push_mark(assembler, end(marks, 7, 200, 2)));
	ck_assert_ptr_null(assembler_next(assembler, &transaction));
	ck_assert_ptr_null(transaction);
	ck_assert(assembler_needs(assembler, second));
	ck_assert_ptr_null(assembler_push_change(assembler, event(second, 0, 7, 2, 100)));
	ck_assert_ptr_null(assembler_next(assembler, &transaction));
	ck_assert_ptr_nonnull(transaction);
	ck_assert_uint_eq(transaction->change_count, 2);
	transaction_free(transaction);

	/* When all partitions have gone on it is an error. */
	ck_assert_ptr_null(assembler_push_mark(assembler, end(marks, 8, 300, 2)));
	ck_assert_ptr_null(assembler_push_change(assembler, event(first, 2, 9, 1, 300)));
	ck_assert_ptr_null(assembler_next(assembler, &transaction));
	ck_assert_ptr_null(assembler_push_change(assembler, event(second, 1, 9, 2, 300)));
	struct error *error = NULL;
	for (int i = 0; i < 12 && error == NULL; i++) { /* not before everything can have been read that explains it */
		assembler_tick(assembler, 2);
		error = assembler_next(assembler, &transaction);
	}
	ck_assert_ptr_nonnull(error);
	ck_assert_ptr_nonnull(strstr(error->message, "END announces 2 events of public.wide, 1 came"));
	error_free(error);
	assembler_free(assembler);
	slab_writer_close(&writer);
	partition_list_free(names);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0);
}

START_TEST(a_partition_that_was_not_read_yet_is_awaited)
{
	late_partition(false);
}
END_TEST

START_TEST(a_partition_that_appears_later_is_awaited)
{
	late_partition(true);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("assembler_partitions");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, a_partition_that_was_not_read_yet_is_awaited);
	tcase_add_test(tests, a_partition_that_appears_later_is_awaited);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
