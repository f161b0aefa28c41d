/*
 * test_source.c - the consumer against librdkafka's mock cluster: order, start offsets, gaps, faults, bounded memory.
 */
#include "base/memory.h"
#include "base/signals.h"
#include "mock_kafka.h"
#include "stream/source_internal.h"

#include <check.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define WAIT_MS 20000
#define ONE_TOPIC "dbserver1.all"

static rd_kafka_mock_cluster_t *cluster;
static struct config config;
static const char *topics[4];
static const char *properties[4];
static struct checkpoint start;
static struct partition_list *names;
static struct transaction_queue *queue;
static struct source *source;
static pthread_t thread;
static bool running;
static struct error *outcome;
static struct source_meanwhile meanwhile;
static int64_t handed_over[8]; /* the next offset of each partition */

static atomic_bool ends_hang; /* of clients, as librdkafka's do at times */

void __real_rd_kafka_destroy_flags(rd_kafka_t *kafka, int flags);
void __wrap_rd_kafka_destroy_flags(rd_kafka_t *kafka, int flags);
void __wrap_rd_kafka_destroy_flags(rd_kafka_t *kafka, int flags)
{
	while (ends_hang)
		clock_sleep_ms(10);
	__real_rd_kafka_destroy_flags(kafka, flags);
}

static void setup(void)
{
	cluster = mock_kafka_start(1);
	memset(&config, 0, sizeof(config));
	config.stream.name = "test";
	config.kafka.brokers = rd_kafka_mock_cluster_bootstraps(cluster);
	config.kafka.topic_prefix = "dbserver1";
	config.kafka.topics = topics;
	config.kafka.properties = properties;
	config.memory_limit = 64 << 20;
	config.spill_dir = "/tmp";
	config.spill_limit = INT64_C(1) << 30;
	config.target.batch_rows = 1000;

	memset(&start, 0, sizeof(start));
	start.cluster_id = memory_copy_text("");
	names = partition_list_new();
	queue = transaction_queue_new(100000, 64 << 20);
	source = NULL;
	running = false;
	outcome = NULL;
	meanwhile = (struct source_meanwhile){0};
	memset(handed_over, -1, sizeof(handed_over));
}

static void stop(void)
{
	if (running) {
		source_stop(source);
		pthread_join(thread, NULL);
		running = false;
	}
}

static void teardown(void)
{
	stop();
	error_free(outcome);
	transaction_queue_free(queue);
	source_free(source);
	partition_list_free(names);
	for (size_t i = 0; i < start.offset_count; i++)
		free(start.offsets[i].topic);
	free(start.offsets);
	free(start.cluster_id);
	mock_kafka_stop();
}

static void remember(const char *topic, int64_t next_offset)
{
	start.exists = true;
	start.offsets = memory_grow(start.offsets, start.offset_count + 1, sizeof(*start.offsets));
	start.offsets[start.offset_count++] =
	    (struct checkpoint_offset){.topic = memory_copy_text(topic), .next_offset = next_offset};
}

static void make_topics(void)
{
	make_topic(MARKS);
	make_topic(USERS);
	make_topic(ORDERS);
}

static void *run(void *argument)
{
	outcome = source_run(argument);
	return NULL;
}

static void begin(void)
{
	struct error *error = source_new(&config, &start, names, queue, meanwhile, &source);

	ck_assert_msg(error == NULL, "%s", error == NULL ? "" : error->message);
	ck_assert_int_eq(pthread_create(&thread, NULL, run, source), 0);
	running = true;
}

/* The next one, which may be mere progress; NULL: none came for a moment. */
static struct transaction *take(void)
{
	struct transaction *transaction = transaction_queue_take(queue, 1, 1, 100);

	for (size_t i = 0; transaction != NULL && i < transaction->position_count; i++) {
		const struct position *position = &transaction->positions[i];

		ck_assert_uint_lt(position->partition, sizeof(handed_over) / sizeof(handed_over[0]));
		handed_over[position->partition] = position->next_offset;
	}
	return transaction;
}

/* The next transaction that is not mere progress; NULL: none came in time. */
static struct transaction *next_transaction(int timeout_ms)
{
	int64_t deadline = clock_monotonic_us() + timeout_ms * INT64_C(1000);

	while (clock_monotonic_us() < deadline &&
	       !(transaction_queue_closed(queue) && transaction_queue_bytes(queue) == 0)) {
		struct transaction *transaction = take();

		if (transaction != NULL && transaction->kind != TRANSACTION_PROGRESS)
			return transaction;
		transaction_free(transaction);
	}
	return NULL;
}

static void expect_transaction(uint64_t tx_id, size_t changes)
{
	struct transaction *transaction = next_transaction(WAIT_MS);

	ck_assert_msg(transaction != NULL, "transaction %llu did not come: %s", (unsigned long long)tx_id,
	              outcome == NULL ? "" : outcome->message);
	ck_assert_uint_eq(transaction->tx_id, tx_id);
	ck_assert_uint_eq(transaction->change_count, changes);
	transaction_free(transaction);
}

/* The stream runs and has handed over transaction 1. */
static void begin_with_one(void)
{
	make_topics();
	produce_transaction(1);
	produce_flush();
	begin();
	expect_transaction(1, 2);
}

static void expect_failure(enum error_class class, const char *part)
{
	ck_assert_ptr_null(next_transaction(WAIT_MS));
	ck_assert(transaction_queue_closed(queue));
	pthread_join(thread, NULL);
	running = false;
	ck_assert_ptr_nonnull(outcome);
	ck_assert_str_eq(error_class_name(outcome->class), error_class_name(class));
	ck_assert_msg(strstr(outcome->message, part) != NULL, "`%s` is not in: %s", part, outcome->message);
}

static void expect_refusal(enum error_class class, const char *part)
{
	outcome = source_new(&config, &start, names, queue, meanwhile, &source);
	ck_assert_ptr_nonnull(outcome);
	ck_assert_str_eq(error_class_name(outcome->class), error_class_name(class));
	ck_assert_msg(strstr(outcome->message, part) != NULL, "`%s` is not in: %s", part, outcome->message);
}

static struct error *count_to_three(void *context)
{
	int *calls = context;

	return ++*calls < 3 ? NULL : error_new(ERROR_FENCED, "counted to three");
}

/* With a transaction, or with progress. */
static void expect_position(const char *topic, int64_t next_offset)
{
	uint32_t number = 0;
	int64_t deadline = clock_monotonic_us() + WAIT_MS * INT64_C(1000);

	while (strcmp(partition_list_get(names, number)->topic, topic) != 0)
		number++;
	while (handed_over[number] != next_offset && clock_monotonic_us() < deadline)
		transaction_free(take());
	ck_assert_int_eq(handed_over[number], next_offset);
}

/* The state is noted once a second. */
static void expect_no_missing_partition(void)
{
	int64_t deadline = clock_monotonic_us() + WAIT_MS * INT64_C(1000);

	while (source_state(source).missing_partitions > 0 && clock_monotonic_us() < deadline)
		clock_sleep_ms(10);
	ck_assert_uint_eq(source_state(source).missing_partitions, 0);
}

/* The connector starts again inside a transaction: it passes over the one before, and sends another BEGIN. */
static void produce_restart(int n)
{
	produce_begin(n);
	produce_begin(n - 1);
	produce_end(n - 1, 0, 0);
	produce_begin(n);
}

/* A key change, and a restart of the connector, wait for the ends of all partitions; a topic that was deleted has none. */
START_TEST(a_deleted_topic_is_not_waited_for)
{
	begin_with_one();
	rd_kafka_mock_topic_set_error(cluster, ORDERS, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	if (_i == 0) {
		produce_key_change(2, 1, 2);
	} else {
		produce_restart(2);
		produce_event(USERS, "users", 2, 1, 1, 1);
		produce_event(USERS, "users", 2, 2, 2, 1);
		produce_end(2, 2, 0);
	}
	produce_flush();
	expect_transaction(2, 2);
	expect_position(ORDERS, 0); /* a topic that is created again is read from its beginning */
	expect_no_missing_partition();
}
END_TEST

/* The stream runs and has handed over a transaction; the topic of another table is made after that. */
static void begin_before_the_second_topic(void)
{
	make_topic(MARKS);
	make_topic(USERS);
	produce_begin(1);
	produce_event(USERS, "users", 1, 1, 1, 1);
	produce_end(1, 1, 0);
	produce_flush();
	begin();
	expect_transaction(1, 1);
	make_topic(ORDERS);
}

/* The counts of its END do not name it. */
START_TEST(a_new_topic_before_a_restart_of_the_connector_is_read)
{
	begin_before_the_second_topic();
	produce_event(ORDERS, "orders", 2, 1, 1, 1);
	produce_flush();
	produce_restart(2);
	produce_event(USERS, "users", 2, 1, 2, 1);
	produce_end(2, 1, 0);
	produce_flush();
	expect_transaction(2, 2);
}
END_TEST

/* Its events will never come: what the END announces tells it. */
START_TEST(events_lost_with_their_topic_are_a_gap)
{
	begin_with_one();
	rd_kafka_mock_topic_set_error(cluster, ORDERS, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	produce_begin(2);
	produce_event(USERS, "users", 2, 1, 2, 0);
	produce_end(2, 1, 1);
	produce_flush();
	expect_failure(ERROR_GAP,
	               "END announces 1 events of public.orders, 0 were read, and the topic of the others was deleted");
}
END_TEST

/* Without metadata nothing would tell. */
START_TEST(without_transactions_a_deleted_topic_is_a_gap)
{
	config.stream.transactions = TRANSACTIONS_OFF;
	make_topic(ORDERS);
	make_topic(USERS);
	produce_event(ORDERS, "orders", 1, 1, 1, 0);
	produce_flush();
	begin();
	expect_transaction(1, 1);
	rd_kafka_mock_topic_set_error(cluster, ORDERS, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	expect_failure(ERROR_GAP, "the topic does not exist any more, and events after offset 0 may have been in it");
}
END_TEST

/* Deleted while the daemon did not run. */
START_TEST(a_stored_topic_that_does_not_exist_is_a_gap)
{
	make_topic(MARKS);
	make_topic(USERS);
	produce_begin(1);
	produce_flush();
	remember(ORDERS, 7);
	rd_kafka_mock_topic_set_error(cluster, ORDERS, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	begin();
	expect_failure(ERROR_GAP, ORDERS "[0]: the topic does not exist any more, and events after offset 6");
}
END_TEST

static void await_missing(uint32_t count)
{
	int64_t deadline = clock_monotonic_us() + WAIT_MS * INT64_C(1000);

	while (source_state(source).missing_partitions != count && clock_monotonic_us() < deadline)
		clock_sleep_ms(50);
	ck_assert_uint_eq(source_state(source).missing_partitions, count);
}

/* It is said what is waited for; the other partitions are read; and it goes on when there is a leader again. */
START_TEST(a_partition_without_a_leader_is_waited_for)
{
	begin_with_one();
	rd_kafka_mock_partition_set_leader(cluster, ORDERS, 0, -1);
	produce_begin(2);
	produce_event(USERS, "users", 2, 1, 2, 0);
	produce_end(2, 1, 0);
	produce_flush();
	expect_transaction(2, 1);
	await_missing(1);
	ck_assert_ptr_nonnull(strstr(source_state(source).waiting_for, ORDERS "[0] has no leader since "));
	produce_key_change(3, 2, 3);
	produce_flush();
	ck_assert_ptr_null(next_transaction(2000));
	rd_kafka_mock_partition_set_leader(cluster, ORDERS, 0, 1);
	expect_transaction(3, 2);
	await_missing(0);
}
END_TEST

/* A daemon that starts meanwhile reads the others, and does not forget the one. */
START_TEST(a_partition_without_a_leader_at_the_start_is_waited_for)
{
	make_topics();
	rd_kafka_mock_partition_set_leader(cluster, ORDERS, 0, -1);
	produce_begin(1);
	produce_event(USERS, "users", 1, 1, 1, 0);
	produce_end(1, 1, 0);
	produce_key_change(2, 1, 2);
	produce_flush();
	begin();
	expect_transaction(1, 1);
	ck_assert_ptr_null(next_transaction(2000));
	rd_kafka_mock_partition_set_leader(cluster, ORDERS, 0, 1);
	expect_transaction(2, 2);
}
END_TEST

/* Whoever waits for a broker holds the stream's lock: it must be able to show that it is alive, and learn that it lost it. */
START_TEST(waiting_for_a_broker_leaves_time_for_signs_of_life)
{
	int calls = 0;

	config.kafka.brokers = "127.0.0.1:1";
	meanwhile = (struct source_meanwhile){count_to_three, &calls};
	expect_refusal(ERROR_FENCED, "counted to three");
	ck_assert_int_eq(calls, 3);
}
END_TEST

START_TEST(test_whole_transactions_in_order)
{
	struct source_state state;

	make_topics();
	for (int n = 1; n <= 300; n++)
		produce_transaction(n);
	produce_flush();
	begin();
	for (int n = 1; n <= 300; n++)
		expect_transaction((uint64_t)n, 2);
	for (int i = 0; i < 100 && source_state(source).transactions < 300; i++)
		clock_sleep_ms(10); /* counted behind the offer */
	state = source_state(source);
	ck_assert_uint_eq(state.messages, 1200);
	ck_assert_uint_gt(state.bytes, 1200 * 50);
	ck_assert_uint_ge(state.transactions, 300);
	ck_assert(state.connected);
	stop();
	ck_assert_ptr_null(outcome);
	ck_assert(transaction_queue_closed(queue));
}
END_TEST

/* Nothing comes behind it that would push it through. How fast is bench/latency.sh's. */
START_TEST(test_lone_transaction_goes_through)
{
	make_topics();
	begin();
	for (int n = 1; n < 12; n++) {
		produce_transaction(n);
		produce_flush();
		expect_transaction((uint64_t)n, 2);
	}
}
END_TEST

START_TEST(test_positions_follow)
{
	struct transaction *transaction;
	int64_t users = -1;

	begin_with_one();
	produce(USERS, "{\"id\":1}", NULL); /* a tombstone */
	produce_flush();
	for (int i = 0; i < 50 && users != 2; i++) {
		transaction = transaction_queue_take(queue, 1, 1, 200);
		for (size_t p = 0; transaction != NULL && p < transaction->position_count; p++)
			if (strcmp(partition_list_get(names, transaction->positions[p].partition)->topic, USERS) == 0)
				users = transaction->positions[p].next_offset;
		transaction_free(transaction);
	}
	ck_assert_int_eq(users, 2);
	ck_assert_int_eq(source_state(source).lag_messages, 0);
}
END_TEST

START_TEST(test_starts_where_the_checkpoint_says)
{
	make_topics();
	for (int n = 1; n <= 5; n++)
		produce_transaction(n);
	produce_flush();
	remember(MARKS, 4); /* BEGIN of 3 */
	remember(USERS, 2);
	remember(ORDERS, 2);
	start.last_commit_lsn = 2900;
	start.last_tx_id = 2;
	begin();
	for (int n = 3; n <= 5; n++)
		expect_transaction((uint64_t)n, 2);
}
END_TEST

/* Of transactions 1 and 2, which the stream hands over: their positions become the next start's. */
static void remember_two(void)
{
	begin_with_one();
	produce_transaction(2);
	produce_flush();
	for (uint64_t reached = 0; reached < 2;) {
		struct transaction *transaction = transaction_queue_take(queue, 1, 1, WAIT_MS);

		ck_assert_ptr_nonnull(transaction);
		if (transaction->kind == TRANSACTION_STREAMED)
			reached = transaction->tx_id;
		for (size_t i = 0; i < transaction->position_count; i++) {
			const struct position *position = &transaction->positions[i];

			ck_assert_int_lt(position->witness.offset, position->next_offset);
			ck_assert_int_ne(position->witness.timestamp_ms, 0);
			remember(partition_list_get(names, position->partition)->topic, position->next_offset);
			start.offsets[start.offset_count - 1].witness = position->witness;
		}
		transaction_free(transaction);
	}
	ck_assert_uint_eq(start.offset_count, 3);
	start.last_commit_lsn = 2900;
	start.last_tx_id = 2;
	stop();
	source_free(source);
	transaction_queue_free(queue);
	source = NULL;
	queue = transaction_queue_new(100000, 64 << 20);
}

START_TEST(a_topic_that_was_made_again_and_is_as_long_is_a_gap)
{
	remember_two();
	for (size_t i = 0; i < start.offset_count; i++)
		if (strcmp(start.offsets[i].topic, USERS) == 0)
			start.offsets[i].witness.timestamp_ms--;
	produce_transaction(3);
	produce_flush();
	begin();
	expect_failure(ERROR_GAP, USERS "[0]: the record at offset 1 is not the one that was read from there");
	ck_assert_ptr_nonnull(strstr(outcome->message, "replicator accept gap"));
}
END_TEST

/* It is read from its beginning then; what was applied before is dismissed. */
START_TEST(a_topic_that_was_made_again_is_accepted)
{
	remember_two();
	for (size_t i = 0; i < start.offset_count; i++)
		start.offsets[i].witness.timestamp_ms--;
	start.accept_gap = true;
	produce_transaction(3);
	produce_flush();
	begin();
	expect_transaction(3, 2);
}
END_TEST

START_TEST(a_topic_with_its_witness_is_read_on)
{
	remember_two();
	produce_transaction(3);
	produce_flush();
	begin();
	expect_transaction(3, 2);
}
END_TEST

/* The client that read the witnesses never ends. */
START_TEST(a_start_does_not_wait_for_the_end_of_a_client)
{
	remember_two();
	produce_transaction(3);
	produce_flush();
	ends_hang = true;
	begin();
	expect_transaction(3, 2);
	ends_hang = false;
}
END_TEST

/* The cluster did not know it for a moment: it may be another one now. */
START_TEST(a_topic_that_was_away_is_doubted)
{
	begin_with_one();
	/* As health_message_error does it: the mock cluster's topic would be dropped before it comes back on a slow machine. */
	source->partitions[partition_list_add(names, USERS, 0)]->doubted = true;
	produce_transaction(2);
	produce_flush();
	expect_failure(ERROR_TRANSIENT, "was not among the cluster's for a moment");
}
END_TEST

static void refuse(const char *topic, int64_t offset, struct error **error)
{
	rd_kafka_topic_t *handle = rd_kafka_topic_new(source->kafka, topic, NULL);
	const rd_kafka_message_t message = {.err = RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET,
	                                    .rkt = handle,
	                                    .offset = offset};

	*error = health_message_error(source, &message);
	rd_kafka_topic_destroy(handle);
}

/* The partition is read on, by the test's own thread. */
static void expect_next_record(uint32_t number)
{
	int64_t before = source->partitions[number]->next_offset;
	int64_t deadline = clock_monotonic_us() + WAIT_MS * INT64_C(1000);

	while (source->partitions[number]->next_offset == before && clock_monotonic_us() < deadline)
		ck_assert_ptr_null(source_read_round(source));
	ck_assert_int_eq(source->partitions[number]->next_offset, before + 1);
}

/* The topic was created again and is read from its beginning. Then comes librdkafka's refusal of the old offset. */
START_TEST(a_refusal_of_an_earlier_offset_is_no_gap)
{
	uint32_t number;
	struct error *error;

	begin_with_one();
	stop();
	number = partition_list_add(names, USERS, 0);
	source->partitions[number]->renewed = true;
	refuse(USERS, 36912, &error);
	ck_assert_msg(error == NULL, "%s", error == NULL ? "" : error->message);
	produce_event(USERS, "users", 2, 1, 2, 0);
	produce_flush();
	expect_next_record(number);
	refuse(USERS, source->partitions[number]->next_offset, &error);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->class, ERROR_GAP);
	error_free(error);
}
END_TEST

/* The lag is that of the topic that exists now. */
START_TEST(a_topic_that_is_read_again_has_its_own_lag)
{
	int64_t deadline = clock_monotonic_us() + WAIT_MS * INT64_C(1000);

	begin_with_one();
	rd_kafka_mock_topic_set_error(cluster, ORDERS, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	expect_position(ORDERS, 0);
	source->partitions[partition_list_add(names, ORDERS, 0)]->high = 36912;
	rd_kafka_mock_topic_set_error(cluster, ORDERS, RD_KAFKA_RESP_ERR_NO_ERROR);
	expect_position(ORDERS, 1);
	while (source_state(source).lag_messages != 0 && clock_monotonic_us() < deadline)
		transaction_free(take());
	ck_assert_int_eq(source_state(source).lag_messages, 0);
}
END_TEST

START_TEST(test_offset_beyond_the_end_is_a_gap)
{
	make_topics();
	produce_transaction(1);
	produce_flush();
	remember(MARKS, 2);
	remember(USERS, 7);
	remember(ORDERS, 1);
	begin();
	expect_failure(ERROR_GAP, USERS "[0]: the next offset to read is 7, but Kafka holds only 0 to 1");
	ck_assert_ptr_nonnull(strstr(outcome->message, "replicator table resync"));
	ck_assert_ptr_nonnull(strstr(outcome->message, "replicator accept gap"));
}
END_TEST

/* The mock broker keeps 5 MB of a partition. */
static void overflow(const char *topic, const char *table, int from)
{
	for (int n = from; n < from + 100; n++) {
		produce_event(topic, table, n, 1, n, 100000);
		produce_flush();
	}
}

START_TEST(test_offset_before_the_beginning_is_a_gap)
{
	make_topics();
	overflow(USERS, "users", 1);
	remember(MARKS, 0);
	remember(USERS, 3);
	remember(ORDERS, 0);
	begin();
	expect_failure(ERROR_GAP, USERS "[0]: the next offset to read is 3, but Kafka holds ");
	ck_assert_ptr_nonnull(strstr(outcome->message, "were removed (retention) before they were read"));
}
END_TEST

START_TEST(test_unknown_partition_without_its_beginning_is_a_gap)
{
	make_topics();
	overflow(ORDERS, "orders", 1);
	remember(MARKS, 0);
	remember(USERS, 0);
	begin();
	expect_failure(ERROR_GAP, ORDERS "[0]: the next offset to read is 0");
}
END_TEST

/* A daemon that has applied the transactions `first` to `last`, and of all before `first` nothing is in Kafka. */
static void begin_after(int first, int last)
{
	make_topics();
	for (int n = first; n <= last; n++)
		produce_transaction(n);
	produce_flush();
	start.last_commit_lsn = 1000 * (uint64_t)last + 900;
	start.last_tx_id = (uint64_t)last;
	remember(MARKS, 2 * (last - first + 1));
	remember(USERS, last - first + 1);
	remember(ORDERS, last - first + 1);
	begin();
}

/* A connector sends transactions again that another run of the daemon applied: they are in the transaction topic. */
START_TEST(test_repeats_are_found_in_the_topic)
{
	begin_after(1, 40);
	for (int n = 30; n <= 41; n++)
		produce_transaction(n);
	produce_flush();
	expect_transaction(41, 2);
}
END_TEST

/* … also far back, in several windows of the search. */
START_TEST(test_an_old_repeat_is_found_in_the_topic)
{
	begin_after(1, 2500);
	produce_transaction(3);
	produce_transaction(2501);
	produce_flush();
	expect_transaction(2501, 2);
}
END_TEST

/* The transaction topic does not have it: it belongs to another history of the source. */
START_TEST(test_a_new_transaction_below_the_watermark_stops)
{
	begin_after(5, 2500);
	produce_transaction(2499);
	produce_transaction(4);
	produce_flush();
	expect_failure(ERROR_GAP, "accept new-slot");
	ck_assert_ptr_nonnull(strstr(outcome->message, "transaction 4 "));
}
END_TEST

static void produce_in_one_topic(int n, int padding)
{
	produce(ONE_TOPIC, NULL,
	        "{\"status\":\"BEGIN\",\"id\":\"%d:%d\",\"event_count\":null,\"data_collections\":null,\"ts_ms\":1}", n,
	        1000 * n);
	produce_event(ONE_TOPIC, "users", n, 1, n, padding);
	produce(ONE_TOPIC, NULL,
	        "{\"status\":\"END\",\"id\":\"%d:%d\",\"event_count\":1,\"data_collections\":[{\"data_collection\":"
	        "\"public.users\",\"event_count\":1}],\"ts_ms\":1}",
	        n, 1000 * n + 900);
}

START_TEST(test_repeats_in_one_topic)
{
	topics[0] = ONE_TOPIC;
	config.kafka.topic_count = 1;
	make_topic(ONE_TOPIC);
	for (int n = 2; n <= 20; n++)
		produce_in_one_topic(n, 1);
	produce_flush();
	start.last_commit_lsn = 20900;
	start.last_tx_id = 20;
	remember(ONE_TOPIC, 3 * 19);
	begin();
	for (int n = 10; n <= 21; n++)
		produce_in_one_topic(n, 1);
	produce_flush();
	expect_transaction(21, 1);
	produce_in_one_topic(1, 1);
	produce_flush();
	expect_failure(ERROR_GAP, "accept new-slot");
}
END_TEST

/* The search waits for a broker like everything else. */
START_TEST(test_a_search_survives_the_broker)
{
	begin_after(1, 40);
	produce_transaction(41);
	produce_flush();
	expect_transaction(41, 2);
	rd_kafka_mock_push_request_errors(cluster, 2 /* ListOffsets */, 2, RD_KAFKA_RESP_ERR__TRANSPORT,
	                                  RD_KAFKA_RESP_ERR__TRANSPORT);
	produce_transaction(39);
	produce_transaction(42);
	produce_flush();
	expect_transaction(42, 2);
}
END_TEST

START_TEST(test_first_start_takes_what_is_left)
{
	struct transaction *transaction;

	make_topics();
	overflow(USERS, "users", 1);
	produce_begin(100);
	produce_end(100, 1, 0);
	produce_flush();
	config.stream.transactions = TRANSACTIONS_OFF;
	begin();
	transaction = next_transaction(WAIT_MS);
	ck_assert_ptr_nonnull(transaction);
	ck_assert_int_gt(transaction->changes[0]->offset, 0);
	transaction_free(transaction);
}
END_TEST

START_TEST(test_offset_lost_while_running_is_a_gap)
{
	begin_with_one();
	/*
	 * One more than there are partitions: where the first fetch at a partition's end is refused, librdkafka says
	 * the end instead of the error. A broker goes on refusing.
	 */
	rd_kafka_mock_push_request_errors(cluster, 1 /* Fetch */, 4, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
	                                  RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
	                                  RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
	expect_failure(ERROR_GAP, "replicator accept gap");
}
END_TEST

START_TEST(test_another_cluster_is_refused)
{
	make_topics();
	free(start.cluster_id);
	start.cluster_id = memory_copy_text("some-other-cluster");
	expect_refusal(ERROR_GAP, "some-other-cluster");
}
END_TEST

START_TEST(test_same_cluster_is_accepted)
{
	make_topics();
	begin();
	stop();
	ck_assert_ptr_null(outcome);
	free(start.cluster_id);
	start.cluster_id = memory_copy_text(source_cluster_id(source));
	ck_assert_str_ne(start.cluster_id, "");
	source_free(source);
	transaction_queue_free(queue);
	queue = transaction_queue_new(1000, 1 << 20);
	begin();
}
END_TEST

START_TEST(test_excluded_table_ends_the_snapshot)
{
	static const struct table_rule rules[] = {{.match = "public.orders", .exclude = true}};
	struct transaction *transaction;

	config.tables = rules;
	config.table_count = 1;
	make_topics();
	produce_snapshot_row(USERS, "users", "first", 1);
	produce_snapshot_row(ORDERS, "orders", "first_in_data_collection", 1);
	produce_snapshot_row(ORDERS, "orders", "last", 2);
	produce_transaction(1);
	produce_flush();
	begin();
	for (bool ended = false, row = false; !ended || !row; transaction_free(transaction)) {
		transaction = next_transaction(WAIT_MS);
		ck_assert_ptr_nonnull(transaction);
		ck_assert_int_eq(transaction->kind, TRANSACTION_SNAPSHOT);
		ck_assert_uint_eq(transaction->snapshot.tx_id, 77);
		ended = ended || transaction->snapshot_ends;
		row = row || transaction->change_count == 1;
		ck_assert_uint_le(transaction->change_count, 1);
	}
	expect_transaction(1, 1); /* without the order */
}
END_TEST

START_TEST(test_without_metadata_silence_ends_a_transaction)
{
	int64_t since;

	make_topic(USERS);
	config.stream.transactions = TRANSACTIONS_OFF;
	produce_event(USERS, "users", 1, 1, 1, 1);
	produce_event(USERS, "users", 1, 2, 2, 1);
	produce_event(USERS, "users", 2, 1, 3, 1);
	produce_flush();
	begin();
	expect_transaction(1, 2);
	expect_transaction(2, 1);
	produce_event(USERS, "users", 3, 1, 4, 1);
	produce_flush();
	since = clock_monotonic_us();
	expect_transaction(3, 1);
	ck_assert_int_lt(clock_monotonic_us() - since, 600000);
}
END_TEST

START_TEST(test_new_topic_is_found)
{
	begin_before_the_second_topic();
	produce_transaction(2);
	produce_flush();
	expect_transaction(2, 2);
}
END_TEST

START_TEST(test_topics_may_come_later)
{
	begin();
	clock_sleep_ms(300);
	ck_assert(!transaction_queue_closed(queue));
	make_topics();
	produce_transaction(1);
	produce_flush();
	expect_transaction(1, 2);
}
END_TEST

START_TEST(test_transaction_topic_with_two_partitions_is_refused)
{
	ck_assert_int_eq(rd_kafka_mock_topic_create(cluster, MARKS, 2, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
	begin();
	expect_failure(ERROR_CONFIGURATION, "the transaction topic " MARKS " has 2 partitions");
}
END_TEST

START_TEST(test_undecodable_event_stops_behind_the_whole_transactions)
{
	make_topics();
	produce_transaction(1);
	produce_transaction(2);
	produce_flush();
	produce(USERS, "{\"id\":9}", "{\"before\":null,");
	produce_flush();
	begin();
	expect_transaction(1, 2);
	expect_transaction(2, 2);
	expect_failure(ERROR_EVENT, USERS "[0]@2");
}
END_TEST

START_TEST(test_full_queue_loses_nothing)
{
	make_topics();
	for (int n = 1; n <= 200; n++)
		produce_transaction(n);
	produce_flush();
	transaction_queue_free(queue);
	queue = transaction_queue_new(4, 1 << 20);
	begin();
	clock_sleep_ms(300);
	ck_assert_uint_le(transaction_queue_rows(queue), 4);
	for (int n = 1; n <= 200; n++)
		expect_transaction((uint64_t)n, 2);
}
END_TEST

START_TEST(test_error_hands_over_the_rest_through_a_full_queue)
{
	make_topics();
	for (int n = 1; n <= 20; n++)
		produce_transaction(n);
	produce_flush();
	produce(ORDERS, "{\"id\":9}", "no json");
	produce_flush();
	transaction_queue_free(queue);
	queue = transaction_queue_new(4, 1 << 20);
	begin();
	clock_sleep_ms(300);
	for (int n = 1; n <= 20; n++)
		expect_transaction((uint64_t)n, 2);
	expect_failure(ERROR_EVENT, ORDERS "[0]@20");
}
END_TEST

START_TEST(test_broker_goes_and_comes_back)
{
	begin_with_one();
	rd_kafka_mock_broker_set_down(cluster, 1);
	for (int i = 0; i < 200 && source_state(source).connected; i++)
		clock_sleep_ms(50);
	ck_assert(!source_state(source).connected);
	rd_kafka_mock_broker_set_up(cluster, 1);
	produce_transaction(2);
	produce_flush();
	expect_transaction(2, 2);
	ck_assert(source_state(source).connected);
}
END_TEST

/* What the group has of a topic's partition 0; RD_KAFKA_OFFSET_INVALID: nothing. */
static int64_t committed(rd_kafka_t *reader, const char *topic)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	int64_t offset = RD_KAFKA_OFFSET_INVALID;

	rd_kafka_topic_partition_list_add(list, topic, 0);
	if (rd_kafka_committed(reader, list, WAIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
		offset = list->elems[0].offset;
	rd_kafka_topic_partition_list_destroy(list);
	return offset;
}

/* The broker goes before the first offsets are published, for longer than a commit waits. */
START_TEST(test_group_has_the_offsets_after_the_broker_was_away)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *reader;
	char text[256];

	begin_with_one();
	rd_kafka_mock_broker_set_down(cluster, 1);
	clock_sleep_ms(7500); /* offsets are published every 5 s */
	rd_kafka_mock_broker_set_up(cluster, 1);

	rd_kafka_conf_set(conf, "bootstrap.servers", config.kafka.brokers, text, sizeof(text));
	rd_kafka_conf_set(conf, "group.id", config.stream.name, text, sizeof(text));
	reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof(text));
	ck_assert_msg(reader != NULL, "%s", text);
	for (int i = 0; i < 200 && committed(reader, USERS) != 1; i++)
		clock_sleep_ms(100);
	ck_assert_int_eq(committed(reader, USERS), 1);
	ck_assert_int_eq(committed(reader, MARKS), 2);
	rd_kafka_destroy(reader);
	produce_transaction(2);
	produce_flush();
	expect_transaction(2, 2);
}
END_TEST

/* The stream has stopped; the offsets that the group is to have are on their way again. */
static void publish_once_more(void)
{
	for (uint32_t i = 0; i < source->partition_count; i++)
		source->partitions[i]->published = -1;
	source->group_asked = false;
	source_publish_offsets(source);
	ck_assert(source->group_asked);
}

/* The case's timeout fails it: librdkafka would wait for session.timeout.ms, 45 s. */
START_TEST(test_end_does_not_wait_for_a_coordinator)
{
	begin_with_one();
	stop();
	rd_kafka_mock_broker_set_down(cluster, 1);
	publish_once_more();
	source_free(source);
	source = NULL;
}
END_TEST

/* As above: socket.timeout.ms, 60 s. */
START_TEST(test_end_does_not_wait_for_a_silent_coordinator)
{
	begin_with_one();
	stop();
	publish_once_more();
	while (source->group_asked) {
		clock_sleep_ms(10);
		source_take_answers(source);
	}
	rd_kafka_mock_broker_push_request_error_rtts(cluster, 1, 8 /* OffsetCommit */, 1, RD_KAFKA_RESP_ERR_NO_ERROR,
	                                             100000);
	publish_once_more();
	clock_sleep_ms(300); /* until it was sent */
	source_free(source);
	source = NULL;
}
END_TEST

START_TEST(test_refused_fetches_are_tried_again)
{
	make_topics();
	produce_transaction(1);
	produce_flush();
	rd_kafka_mock_push_request_errors(cluster, 1 /* Fetch */, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
	                                  RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
	rd_kafka_mock_push_request_errors(cluster, 2 /* ListOffsets */, 1, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
	begin();
	expect_transaction(1, 2);
}
END_TEST

/* The sockets of this process, to the mock cluster and of it, that end when their other end says nothing. */
static int watched_sockets(void)
{
	int count = 0;

	for (int handle = 3; handle < 1024; handle++) {
		int timeout_ms = 0, idle_s = 0, probes = 0;
		socklen_t size = sizeof(int);

		if (getsockopt(handle, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, &size) == 0 &&
		    getsockopt(handle, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, &size) == 0 &&
		    getsockopt(handle, SOL_SOCKET, SO_KEEPALIVE, &probes, &size) == 0)
			count += timeout_ms == 15000 && idle_s == 10 && probes != 0;
	}
	return count;
}

START_TEST(test_lost_connections_are_noticed_by_the_kernel)
{
	make_topics();
	ck_assert_int_eq(watched_sockets(), 0);
	produce_transaction(1);
	produce_flush();
	begin();
	expect_transaction(1, 2);
	ck_assert_int_gt(watched_sockets(), 0);
}
END_TEST

enum { AHEAD = 1500, AHEAD_BYTES = 2000 };

/*
 * The users run far ahead of the orders, which come last; the memory holds a part of them. What is held back must be
 * let go again, and nothing may be lost or come twice.
 */
START_TEST(test_partitions_that_ran_ahead_are_held_back)
{
	bool held = false;

	make_topics();
	for (int n = 1; n <= AHEAD; n++) {
		produce_begin(n);
		produce_event(USERS, "users", n, 1, n, AHEAD_BYTES);
		produce_end(n, 1, 1);
	}
	produce_flush();
	config.memory_limit = AHEAD * AHEAD_BYTES / 4;
	begin();
	for (int i = 0; i < 100 && !held; i++) {
		clock_sleep_ms(50);
		held = source_state(source).held_partitions > 0;
	}
	ck_assert(held);
	ck_assert_uint_lt(source_state(source).messages, AHEAD * 3);
	for (int n = 1; n <= AHEAD; n++)
		produce_event(ORDERS, "orders", n, 2, n, 1);
	for (int n = 1; n <= AHEAD; n++)
		expect_transaction((uint64_t)n, 2);
	for (int i = 0; i < 100 && source_state(source).held_partitions > 0; i++)
		clock_sleep_ms(50);
	ck_assert_uint_eq(source_state(source).held_partitions, 0);
	ck_assert_ptr_null(outcome);
}
END_TEST

/*
 * A backlog of ten times the memory after the rows of a snapshot, nearly all of it in one partition: that is held back while
 * the others are read up to the snapshot's end, which does not wait for it. In one topic nothing is read ahead.
 */
START_TEST(test_backlog_after_a_snapshot)
{
	const char *users = _i == 0 ? USERS : ONE_TOPIC;
	bool ended = false;

	config.memory_limit = AHEAD * AHEAD_BYTES / 10;
	if (_i == 0)
		make_topics();
	else
		make_topic(ONE_TOPIC);
	topics[0] = ONE_TOPIC;
	config.kafka.topic_count = _i == 0 ? 0 : 1;
	produce_snapshot_row(users, "users", "first", 1);
	produce_snapshot_row(_i == 0 ? ORDERS : ONE_TOPIC, "orders", "last", 1);
	for (int n = 1; n <= AHEAD; n++) {
		if (_i == 1) {
			produce_in_one_topic(n, AHEAD_BYTES);
			continue;
		}
		produce_begin(n);
		produce_event(USERS, "users", n, 1, n, AHEAD_BYTES);
		produce_end(n, 1, 0);
	}
	produce_flush();
	begin();
	while (!ended) {
		struct transaction *transaction = next_transaction(WAIT_MS);

		ck_assert_ptr_nonnull(transaction);
		ck_assert_int_eq(transaction->kind, TRANSACTION_SNAPSHOT);
		ended = transaction->snapshot_ends;
		transaction_free(transaction);
	}
	for (int n = 1; n <= AHEAD; n++)
		expect_transaction((uint64_t)n, 1);
	ck_assert_ptr_null(outcome);
}
END_TEST

START_TEST(test_transaction_larger_than_memory_goes_on)
{
	make_topics();
	produce_begin(1);
	for (int id = 1; id <= 800; id++)
		produce_event(USERS, "users", 1, id, id, AHEAD_BYTES);
	produce_end(1, 800, 0);
	produce_flush();
	config.memory_limit = 400 * AHEAD_BYTES;
	begin();
	expect_transaction(1, 800); /* more than a quarter of the memory: it lies in a file */
}
END_TEST

static void *ask_to_stop(void *argument)
{
	(void)argument;
	clock_sleep_ms(300);
	signals_request_stop();
	return NULL;
}

START_TEST(test_unreachable_broker_is_waited_for)
{
	pthread_t other;

	config.kafka.brokers = "127.0.0.1:1";
	ck_assert_int_eq(pthread_create(&other, NULL, ask_to_stop, NULL), 0);
	expect_refusal(ERROR_INTERRUPTED, "127.0.0.1:1");
	pthread_join(other, NULL);
}
END_TEST

START_TEST(test_unknown_property)
{
	properties[0] = "fetch.wait.max.ms = 50";
	properties[1] = "no.such.property=1";
	config.kafka.property_count = 2;
	expect_refusal(ERROR_CONFIGURATION, "kafka.properties: Kafka property no.such.property");
}
END_TEST

START_TEST(test_property_of_ours)
{
	properties[0] = "auto.offset.reset=earliest";
	config.kafka.property_count = 1;
	expect_refusal(ERROR_CONFIGURATION, "auto.offset.reset is decided by the replicator");
}
END_TEST

START_TEST(test_property_without_value)
{
	properties[0] = "client.id=x";
	properties[1] = "hunter2";
	config.kafka.property_count = 2;
	expect_refusal(ERROR_CONFIGURATION, "entry 2");
	ck_assert_ptr_null(strstr(outcome->message, "hunter2"));
}
END_TEST

START_TEST(test_bad_pattern)
{
	topics[0] = "^dbserver1\\.(";
	config.kafka.topic_count = 1;
	expect_refusal(ERROR_CONFIGURATION, "^dbserver1\\.(");
}
END_TEST

static bool matches(const char *topic)
{
	struct topic_filter *filter;
	bool result;

	ck_assert_ptr_null(topic_filter_new(&config, &filter));
	result = topic_filter_matches(filter, topic);
	topic_filter_free(filter);
	return result;
}

START_TEST(test_topic_filter)
{
	config.kafka.topic_prefix = "db.server";
	ck_assert(matches("db.server.public.users"));
	ck_assert(matches("db.server.transaction"));
	ck_assert(!matches("db.server"));
	ck_assert(!matches("dbxserver.public.users"));
	ck_assert(!matches("db.server2.public.users"));
	ck_assert(!matches("__debezium-heartbeat.db.server"));
	topics[0] = "routed.all";
	topics[1] = "^a\\.(b|c)$";
	config.kafka.topic_count = 2;
	ck_assert(matches("routed.all"));
	ck_assert(!matches("routed.all2"));
	ck_assert(matches("a.c"));
	ck_assert(!matches("a.cd"));
	ck_assert(!matches("db.server.public.users"));
	ck_assert(!matches("marks"));
	config.kafka.transaction_topic = "marks";
	ck_assert(matches("marks"));
	ck_assert(topic_is_transaction_topic(&config, "marks"));
	ck_assert(!topic_is_transaction_topic(&config, "db.server.transaction"));
}
END_TEST

START_TEST(test_repeat_limit)
{
	struct repeat_limit limit = {0};
	int said = 0;

	for (int64_t second = 1; second <= 600; second++)
		said += repeat_allowed(&limit, second * 1000000);
	ck_assert_int_ge(said, 10);
	ck_assert_int_le(said, 20);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source");
	TCase *tests = tcase_create("source");
	TCase *ends = tcase_create("end");
	SRunner *runner;
	int failed;

#ifdef __SANITIZE_THREAD__
	puts("source: left out: librdkafka's C11 threads are unknown to ThreadSanitizer");
	return EXIT_SUCCESS;
#endif
	log_configure(getenv("TEST_LOG") != NULL ? LOG_DEBUG : LOG_ERROR + 1, false);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, a_deleted_topic_is_not_waited_for, 0, 2);
	tcase_add_test(tests, a_new_topic_before_a_restart_of_the_connector_is_read);
	tcase_add_test(tests, events_lost_with_their_topic_are_a_gap);
	tcase_add_test(tests, without_transactions_a_deleted_topic_is_a_gap);
	tcase_add_test(tests, a_stored_topic_that_does_not_exist_is_a_gap);
	tcase_add_test(tests, a_partition_without_a_leader_is_waited_for);
	tcase_add_test(tests, a_partition_without_a_leader_at_the_start_is_waited_for);
	tcase_add_test(tests, waiting_for_a_broker_leaves_time_for_signs_of_life);
	tcase_add_test(tests, test_whole_transactions_in_order);
	tcase_add_test(tests, test_lone_transaction_goes_through);
	tcase_add_test(tests, test_positions_follow);
	tcase_add_test(tests, test_starts_where_the_checkpoint_says);
	tcase_add_test(tests, a_topic_that_was_made_again_and_is_as_long_is_a_gap);
	tcase_add_test(tests, a_topic_that_was_made_again_is_accepted);
	tcase_add_test(tests, a_topic_with_its_witness_is_read_on);
	tcase_add_test(tests, a_start_does_not_wait_for_the_end_of_a_client);
	tcase_add_test(tests, a_topic_that_was_away_is_doubted);
	tcase_add_test(tests, a_refusal_of_an_earlier_offset_is_no_gap);
	tcase_add_test(tests, a_topic_that_is_read_again_has_its_own_lag);
	tcase_add_test(tests, test_offset_beyond_the_end_is_a_gap);
	tcase_add_test(tests, test_offset_before_the_beginning_is_a_gap);
	tcase_add_test(tests, test_unknown_partition_without_its_beginning_is_a_gap);
	tcase_add_test(tests, test_repeats_are_found_in_the_topic);
	tcase_add_test(tests, test_an_old_repeat_is_found_in_the_topic);
	tcase_add_test(tests, test_a_new_transaction_below_the_watermark_stops);
	tcase_add_test(tests, test_repeats_in_one_topic);
	tcase_add_test(tests, test_a_search_survives_the_broker);
	tcase_add_test(tests, test_first_start_takes_what_is_left);
	tcase_add_test(tests, test_offset_lost_while_running_is_a_gap);
	tcase_add_test(tests, test_another_cluster_is_refused);
	tcase_add_test(tests, test_same_cluster_is_accepted);
	tcase_add_test(tests, test_excluded_table_ends_the_snapshot);
	tcase_add_test(tests, test_without_metadata_silence_ends_a_transaction);
	tcase_add_test(tests, test_new_topic_is_found);
	tcase_add_test(tests, test_topics_may_come_later);
	tcase_add_test(tests, test_transaction_topic_with_two_partitions_is_refused);
	tcase_add_test(tests, test_undecodable_event_stops_behind_the_whole_transactions);
	tcase_add_test(tests, test_full_queue_loses_nothing);
	tcase_add_test(tests, test_error_hands_over_the_rest_through_a_full_queue);
	tcase_add_test(tests, test_broker_goes_and_comes_back);
	tcase_add_test(tests, test_group_has_the_offsets_after_the_broker_was_away);
	tcase_add_test(tests, test_refused_fetches_are_tried_again);
	tcase_add_test(tests, test_lost_connections_are_noticed_by_the_kernel);
	tcase_add_test(tests, test_partitions_that_ran_ahead_are_held_back);
	tcase_add_loop_test(tests, test_backlog_after_a_snapshot, 0, 2);
	tcase_add_test(tests, test_transaction_larger_than_memory_goes_on);
	tcase_add_test(tests, test_unreachable_broker_is_waited_for);
	tcase_add_test(tests, test_unknown_property);
	tcase_add_test(tests, test_property_of_ours);
	tcase_add_test(tests, test_property_without_value);
	tcase_add_test(tests, test_bad_pattern);
	tcase_add_test(tests, test_topic_filter);
	tcase_add_test(tests, test_repeat_limit);
	suite_add_tcase(suite, tests);
	tcase_add_checked_fixture(ends, setup, teardown);
	tcase_set_timeout(ends, 25);
	tcase_add_test(ends, test_end_does_not_wait_for_a_coordinator);
	tcase_add_test(ends, test_end_does_not_wait_for_a_silent_coordinator);
	suite_add_tcase(suite, ends);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
