/* test_partition.c - the append-only list of partitions, read while it grows. */
#include "stream/partition.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 3000 };

START_TEST(test_numbers_follow_order)
{
	struct partition_list *list = partition_list_new();

	ck_assert_uint_eq(partition_list_count(list), 0);
	ck_assert_uint_eq(partition_list_add(list, "dbserver1.public.users", 0), 0);
	ck_assert_uint_eq(partition_list_add(list, "dbserver1.public.users", 1), 1);
	ck_assert_uint_eq(partition_list_add(list, "dbserver1.public.orders", 0), 2);
	ck_assert_uint_eq(partition_list_count(list), 3);
	ck_assert_str_eq(partition_list_get(list, 1)->topic, "dbserver1.public.users");
	ck_assert_int_eq(partition_list_get(list, 1)->id, 1);
	ck_assert_str_eq(partition_list_get(list, 2)->topic, "dbserver1.public.orders");
	partition_list_free(list);
}
END_TEST

START_TEST(test_known_name_keeps_its_number)
{
	struct partition_list *list = partition_list_new();
	char topic[] = "a.b.c";

	partition_list_add(list, "first", 0);
	ck_assert_uint_eq(partition_list_add(list, topic, 7), 1);
	topic[0] = 'X'; /* the list keeps a copy */
	ck_assert_uint_eq(partition_list_add(list, "a.b.c", 7), 1);
	ck_assert_str_eq(partition_list_get(list, 1)->topic, "a.b.c");
	ck_assert_uint_eq(partition_list_add(list, "a.b.c", 8), 2);
	ck_assert_uint_eq(partition_list_add(list, "a.b.", 7), 3);
	ck_assert_uint_eq(partition_list_count(list), 4);
	partition_list_free(list);
}
END_TEST

START_TEST(test_entries_do_not_move)
{
	struct partition_list *list = partition_list_new();
	const struct partition_name *first;

	partition_list_add(list, "topic", 0);
	first = partition_list_get(list, 0);
	for (int32_t id = 1; id < MANY; id++)
		ck_assert_uint_eq(partition_list_add(list, "topic", id), (uint32_t)id);
	ck_assert_ptr_eq(partition_list_get(list, 0), first);
	for (int32_t id = 0; id < MANY; id++)
		ck_assert_int_eq(partition_list_get(list, (uint32_t)id)->id, id);
	partition_list_free(list);
}
END_TEST

static void *read_while_growing(void *argument)
{
	const struct partition_list *list = argument;
	uintptr_t wrong = 0;
	uint32_t count;

	do {
		count = partition_list_count(list);
		for (uint32_t i = 0; i < count; i++) {
			const struct partition_name *name = partition_list_get(list, i);
			if (name->id != (int32_t)i || strcmp(name->topic, "topic") != 0)
				wrong++;
		}
	} while (count < MANY);
	return (void *)wrong;
}

START_TEST(test_readers_need_no_lock)
{
	struct partition_list *list = partition_list_new();
	pthread_t reader;
	void *wrong;

	ck_assert_int_eq(pthread_create(&reader, NULL, read_while_growing, list), 0);
	for (int32_t id = 0; id < MANY; id++)
		partition_list_add(list, "topic", id);
	ck_assert_int_eq(pthread_join(reader, &wrong), 0);
	ck_assert_ptr_null(wrong);
	partition_list_free(list);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("partition");
	TCase *tests = tcase_create("list");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, test_numbers_follow_order);
	tcase_add_test(tests, test_known_name_keeps_its_number);
	tcase_add_test(tests, test_entries_do_not_move);
	tcase_add_test(tests, test_readers_need_no_lock);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
