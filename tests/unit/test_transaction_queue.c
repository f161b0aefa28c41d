/* test_transaction_queue.c - transactions own their changes; the queue bounds, orders, wakes and closes. */
#include "base/clock.h"
#include "stream/transaction.h"
#include "stream/transaction_queue.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct slab_account account;
static struct slab_writer writer;

static void setup(void)
{
	slab_writer_init(&writer, &account);
}

static void teardown(void)
{
	slab_writer_close(&writer);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0); /* every change was released */
}

static struct change *make_change(int64_t offset, uint32_t bytes)
{
	struct change *change = slab_reserve(&writer, sizeof(*change));

	memset(change, 0, sizeof(*change));
	change->offset = offset;
	change->bytes = bytes;
	change->slab = slab_commit(&writer, sizeof(*change));
	return change;
}

static struct transaction *make_transaction(uint64_t tx_id, size_t rows)
{
	struct transaction *transaction = transaction_new(TRANSACTION_STREAMED);

	transaction->tx_id = tx_id;
	for (size_t i = 0; i < rows; i++)
		transaction_add_change(transaction, make_change((int64_t)i, 100));
	return transaction;
}

static size_t free_run(struct transaction *run)
{
	size_t count = 0;

	for (struct transaction *next; run != NULL; run = next, count++) {
		next = run->next;
		transaction_free(run);
	}
	return count;
}

START_TEST(test_transaction_keeps_order_and_size)
{
	struct transaction *transaction = transaction_new(TRANSACTION_SNAPSHOT);
	size_t empty = transaction->bytes;

	for (int64_t i = 0; i < 1000; i++)
		transaction_add_change(transaction, make_change(i, 100));
	for (uint32_t i = 0; i < 9; i++)
		transaction_add_position(transaction, &(const struct position){i, i * 10, {0}});
	ck_assert_int_eq(transaction->kind, TRANSACTION_SNAPSHOT);
	ck_assert_uint_eq(transaction->change_count, 1000);
	ck_assert_uint_ge(transaction->bytes, empty + 100000);
	ck_assert_uint_eq(transaction->event_bytes, 100000);
	for (size_t i = 0; i < 1000; i++)
		ck_assert_int_eq(transaction->changes[i]->offset, (int64_t)i);
	ck_assert_uint_eq(transaction->position_count, 9);
	ck_assert_uint_eq(transaction->positions[8].partition, 8);
	ck_assert_int_eq(transaction->positions[8].next_offset, 80);
	transaction_free(transaction);
	transaction_free(NULL);
}
END_TEST

START_TEST(test_bound_of_rows)
{
	struct transaction_queue *queue = transaction_queue_new(10, 1 << 20);
	struct transaction *late = make_transaction(3, 3);

	ck_assert(transaction_queue_offer(queue, make_transaction(1, 4)));
	ck_assert(transaction_queue_offer(queue, make_transaction(2, 4)));
	ck_assert(!transaction_queue_offer(queue, late));
	ck_assert_uint_eq(transaction_queue_rows(queue), 8);
	ck_assert_uint_eq(transaction_queue_own_bytes(queue), transaction_queue_bytes(queue) - 800);
	ck_assert_uint_eq(free_run(transaction_queue_take(queue, 4, 1 << 20, 0)), 1);
	ck_assert(transaction_queue_offer(queue, late));
	ck_assert_uint_eq(free_run(transaction_queue_take(queue, 100, 1 << 20, 0)), 2);
	ck_assert_uint_eq(transaction_queue_rows(queue), 0);
	ck_assert_uint_eq(transaction_queue_bytes(queue), 0);
	ck_assert_uint_eq(transaction_queue_own_bytes(queue), 0);
	transaction_queue_free(queue);
}
END_TEST

START_TEST(test_bound_of_bytes)
{
	struct transaction_queue *queue = transaction_queue_new(1000, 2000);
	struct transaction *late = make_transaction(2, 10);

	ck_assert(transaction_queue_offer(queue, make_transaction(1, 10)));
	ck_assert_uint_ge(transaction_queue_bytes(queue), 1000);
	ck_assert(!transaction_queue_offer(queue, late));
	transaction_free(late);
	transaction_queue_free(queue); /* frees what is still in it: teardown looks */
}
END_TEST

START_TEST(test_empty_queue_takes_any_size)
{
	struct transaction_queue *queue = transaction_queue_new(10, 100);
	struct transaction *small = make_transaction(2, 1);

	ck_assert(transaction_queue_offer(queue, make_transaction(1, 50)));
	ck_assert(!transaction_queue_offer(queue, small));
	ck_assert_uint_eq(free_run(transaction_queue_take(queue, 1, 1, 0)), 1);
	ck_assert(transaction_queue_offer(queue, small));
	transaction_queue_free(queue);
}
END_TEST

START_TEST(test_take_cuts_the_longest_run)
{
	struct transaction_queue *queue = transaction_queue_new(100, 1 << 20);
	struct transaction *run;

	for (uint64_t tx_id = 1; tx_id <= 5; tx_id++)
		ck_assert(transaction_queue_offer(queue, make_transaction(tx_id, 2)));
	run = transaction_queue_take(queue, 7, 1 << 20, 0);
	ck_assert_uint_eq(run->tx_id, 1);
	ck_assert_uint_eq(run->next->tx_id, 2);
	ck_assert_uint_eq(run->next->next->tx_id, 3);
	ck_assert_ptr_null(run->next->next->next);
	free_run(run);
	run = transaction_queue_take(queue, 100, 1, 0); /* one at least */
	ck_assert_uint_eq(run->tx_id, 4);
	ck_assert_uint_eq(free_run(run), 1);
	ck_assert_uint_eq(free_run(transaction_queue_take(queue, 1, 1 << 20, 0)), 1);
	ck_assert_ptr_null(transaction_queue_take(queue, 1, 1, 0));
	transaction_queue_free(queue);
}
END_TEST

START_TEST(test_take_times_out)
{
	struct transaction_queue *queue = transaction_queue_new(100, 1 << 20);
	int64_t start = clock_monotonic_us();

	ck_assert_ptr_null(transaction_queue_take(queue, 1, 1, 30));
	ck_assert_int_ge(clock_monotonic_us() - start, 29000);
	transaction_queue_free(queue);
}
END_TEST

START_TEST(test_closed_queue_gives_what_it_holds)
{
	struct transaction_queue *queue = transaction_queue_new(100, 1 << 20);
	struct transaction *refused = make_transaction(2, 1);

	ck_assert(transaction_queue_offer(queue, make_transaction(1, 1)));
	ck_assert(!transaction_queue_closed(queue));
	transaction_queue_close(queue);
	ck_assert(transaction_queue_closed(queue));
	ck_assert(!transaction_queue_offer(queue, refused));
	transaction_free(refused);
	ck_assert_uint_eq(free_run(transaction_queue_take(queue, 10, 1 << 20, 10000)), 1);
	ck_assert_ptr_null(transaction_queue_take(queue, 10, 1 << 20, 10000)); /* at once: the test has a time limit */
	transaction_queue_wait_room(queue, 10000);
	transaction_queue_free(queue);
}
END_TEST

static void *close_later(void *queue)
{
	clock_sleep_ms(20);
	transaction_queue_close(queue);
	return NULL;
}

START_TEST(test_close_wakes_the_sleeper)
{
	struct transaction_queue *queue = transaction_queue_new(100, 1 << 20);
	int64_t start = clock_monotonic_us();
	pthread_t closer;

	ck_assert_int_eq(pthread_create(&closer, NULL, close_later, queue), 0);
	ck_assert_ptr_null(transaction_queue_take(queue, 1, 1, 10000));
	ck_assert_int_lt(clock_monotonic_us() - start, 5000000);
	pthread_join(closer, NULL);
	transaction_queue_free(queue);
}
END_TEST

static void *drain_later(void *queue)
{
	clock_sleep_ms(20);
	free_run(transaction_queue_take(queue, 5, 1 << 20, 0)); /* not enough room for the refused one yet */
	clock_sleep_ms(20);
	free_run(transaction_queue_take(queue, 5, 1 << 20, 0));
	return NULL;
}

START_TEST(test_room_is_room_for_the_refused)
{
	struct transaction_queue *queue = transaction_queue_new(20, 1 << 20);
	struct transaction *big = make_transaction(9, 12);
	int64_t start = clock_monotonic_us();
	pthread_t drainer;

	for (uint64_t tx_id = 1; tx_id <= 4; tx_id++)
		ck_assert(transaction_queue_offer(queue, make_transaction(tx_id, 4)));
	ck_assert(!transaction_queue_offer(queue, big));
	transaction_queue_wait_room(queue, 5);
	ck_assert_int_ge(clock_monotonic_us() - start, 4000); /* no room: it waited */
	ck_assert_int_eq(pthread_create(&drainer, NULL, drain_later, queue), 0);
	transaction_queue_wait_room(queue, 10000);
	ck_assert(transaction_queue_offer(queue, big));
	ck_assert_int_lt(clock_monotonic_us() - start, 5000000);
	pthread_join(drainer, NULL);
	transaction_queue_free(queue);
}
END_TEST

enum { STREAM_LENGTH = 20000 };

static void *produce(void *argument)
{
	struct transaction_queue *queue = argument;

	for (uint64_t tx_id = 1; tx_id <= STREAM_LENGTH; tx_id++) {
		struct transaction *transaction = make_transaction(tx_id, tx_id % 4);
		while (!transaction_queue_offer(queue, transaction))
			transaction_queue_wait_room(queue, 100);
	}
	transaction_queue_close(queue);
	return NULL;
}

START_TEST(test_stream_between_threads)
{
	struct transaction_queue *queue = transaction_queue_new(64, 1 << 20);
	struct transaction *run;
	uint64_t expected = 1;
	pthread_t producer;

	ck_assert_int_eq(pthread_create(&producer, NULL, produce, queue), 0);
	while ((run = transaction_queue_take(queue, 16, 1 << 20, 10000)) != NULL) {
		for (struct transaction *each = run; each != NULL; each = each->next) {
			ck_assert_uint_eq(each->tx_id, expected);
			ck_assert_uint_eq(each->change_count, expected % 4);
			expected++;
		}
		free_run(run);
	}
	ck_assert_uint_eq(expected, STREAM_LENGTH + 1);
	pthread_join(producer, NULL);
	transaction_queue_free(queue);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transaction_queue");
	TCase *tests = tcase_create("queue");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 30);
	tcase_add_test(tests, test_transaction_keeps_order_and_size);
	tcase_add_test(tests, test_bound_of_rows);
	tcase_add_test(tests, test_bound_of_bytes);
	tcase_add_test(tests, test_empty_queue_takes_any_size);
	tcase_add_test(tests, test_take_cuts_the_longest_run);
	tcase_add_test(tests, test_take_times_out);
	tcase_add_test(tests, test_closed_queue_gives_what_it_holds);
	tcase_add_test(tests, test_close_wakes_the_sleeper);
	tcase_add_test(tests, test_room_is_room_for_the_refused);
	tcase_add_test(tests, test_stream_between_threads);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
