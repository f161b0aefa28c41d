/*
 * test_failures_kafka.c - each call of librdkafka that can fail, fails in turn; brokers refuse requests, leaders move.
 *
 * NOTES
 *   The calls are wrapped at link time (WRAPPED in the Makefile), with what each gives when it fails. A run reads the
 *   same transactions from librdkafka's mock cluster, keeps with each the place that a checkpoint would hold, and
 *   either gets them all or ends with a message; then another run, without a failure, goes on at the place kept. Every
 *   transaction must have come once, whole and in order. What cannot fail by librdkafka's contract (lists, queues, its
 *   own memory) is not here, nor are the settings of topics (compacted_topic of tests/stream), which the mock cluster
 *   does not tell.
 *
 *   By default of each function fail its first call, its first ten, and one at random; of each request that brokers
 *   refuse one answer at random. FAILURES=all: every call and answer; FAILURES=N: N of each. TEST_SEED repeats a
 *   choice.
 */
#include "base/memory.h"
#include "mock_kafka.h"
#include "stream/peek.h"
#include "stream/probe.h"
#include "stream/source_internal.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TRANSACTIONS 40
#define WAIT_MS 30000
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FEW 1
#define FOR_A_WHILE 10 /* calls, one after the other */
#define AHEAD 1500
#define AHEAD_BYTES 2000
#define PEEKED 5

/* Which call fails. */

static struct {
	const char *function; /* NULL: none */
	long from, to;        /* its calls with these numbers, from 1 on */
	atomic_long calls;
	atomic_bool failed;
	atomic_bool counting;
} fault;

/* The functions that were called while none failed. */
static struct called {
	const char *function;
	atomic_long calls;
} called[64];

static atomic_int called_count;

static void count_call(const char *function)
{
	int i = 0;

	while (i < called_count && called[i].function != function)
		i++;
	if (i == called_count) {
		ck_assert_int_lt(i, 64);
		called[i].function = function;
		called_count++;
	}
	called[i].calls++;
}

static bool fails(const char *function)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	long call;

	if (!fault.counting)
		return false;
	if (fault.function == NULL) {
		pthread_mutex_lock(&lock);
		count_call(function);
		pthread_mutex_unlock(&lock);
		return false;
	}
	if (strcmp(fault.function, function) != 0)
		return false;
	call = ++fault.calls;
	if (call < fault.from || call > fault.to)
		return false;
	fault.failed = true;
	return true;
}

#define WRAP(type, name, declared, given, refusal)                                                                     \
	type __real_##name declared;                                                                                   \
	type __wrap_##name declared;                                                                                   \
	type __wrap_##name declared                                                                                    \
	{                                                                                                              \
		return fails(#name) ? (refusal) : __real_##name given;                                                 \
	}

static rd_kafka_error_t *refusal(void)
{
	return rd_kafka_error_new(RD_KAFKA_RESP_ERR__STATE, "refused by the test");
}

WRAP(rd_kafka_conf_res_t, rd_kafka_conf_set,
     (rd_kafka_conf_t * conf, const char *name, const char *value, char *text, size_t size),
     (conf, name, value, text, size), (snprintf(text, size, "refused by the test"), RD_KAFKA_CONF_INVALID))
WRAP(rd_kafka_conf_res_t, rd_kafka_conf_get, (const rd_kafka_conf_t *conf, const char *name, char *value, size_t *size),
     (conf, name, value, size), RD_KAFKA_CONF_UNKNOWN)
WRAP(rd_kafka_t *, rd_kafka_new, (rd_kafka_type_t type, rd_kafka_conf_t *conf, char *text, size_t size),
     (type, conf, text, size), (snprintf(text, size, "refused by the test"), NULL))
WRAP(rd_kafka_queue_t *, rd_kafka_queue_get_consumer, (rd_kafka_t * kafka), (kafka), NULL)
WRAP(char *, rd_kafka_clusterid, (rd_kafka_t * kafka, int timeout_ms), (kafka, timeout_ms), NULL)
WRAP(rd_kafka_resp_err_t, rd_kafka_metadata,
     (rd_kafka_t * kafka, int all, rd_kafka_topic_t *only, const struct rd_kafka_metadata **metadata, int timeout_ms),
     (kafka, all, only, metadata, timeout_ms), RD_KAFKA_RESP_ERR__TRANSPORT)
WRAP(rd_kafka_resp_err_t, rd_kafka_offsets_for_times,
     (rd_kafka_t * kafka, rd_kafka_topic_partition_list_t *list, int timeout_ms), (kafka, list, timeout_ms),
     RD_KAFKA_RESP_ERR__TIMED_OUT)
WRAP(rd_kafka_resp_err_t, rd_kafka_get_watermark_offsets,
     (rd_kafka_t * kafka, const char *topic, int32_t partition, int64_t *low, int64_t *high),
     (kafka, topic, partition, low, high), RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
WRAP(rd_kafka_resp_err_t, rd_kafka_query_watermark_offsets,
     (rd_kafka_t * kafka, const char *topic, int32_t partition, int64_t *low, int64_t *high, int timeout_ms),
     (kafka, topic, partition, low, high, timeout_ms), RD_KAFKA_RESP_ERR__TIMED_OUT)
WRAP(rd_kafka_ConfigResource_t *, rd_kafka_ConfigResource_new, (rd_kafka_ResourceType_t type, const char *name),
     (type, name), NULL)
WRAP(rd_kafka_AdminOptions_t *, rd_kafka_AdminOptions_new, (rd_kafka_t * kafka, rd_kafka_admin_op_t operation),
     (kafka, operation), NULL)
WRAP(rd_kafka_resp_err_t, rd_kafka_AdminOptions_set_request_timeout,
     (rd_kafka_AdminOptions_t * options, int timeout_ms, char *text, size_t size), (options, timeout_ms, text, size),
     RD_KAFKA_RESP_ERR__INVALID_ARG)
WRAP(rd_kafka_resp_err_t, rd_kafka_AdminOptions_set_broker,
     (rd_kafka_AdminOptions_t * options, int32_t broker, char *text, size_t size), (options, broker, text, size),
     RD_KAFKA_RESP_ERR__INVALID_ARG)
WRAP(rd_kafka_event_t *, rd_kafka_queue_poll, (rd_kafka_queue_t * queue, int timeout_ms), (queue, timeout_ms), NULL)
WRAP(rd_kafka_resp_err_t, rd_kafka_event_error, (rd_kafka_event_t * event), (event), RD_KAFKA_RESP_ERR__TIMED_OUT)
WRAP(const rd_kafka_DescribeConfigs_result_t *, rd_kafka_event_DescribeConfigs_result, (rd_kafka_event_t * event),
     (event), NULL)
WRAP(rd_kafka_error_t *, rd_kafka_incremental_assign, (rd_kafka_t * kafka, const rd_kafka_topic_partition_list_t *list),
     (kafka, list), refusal())
WRAP(rd_kafka_error_t *, rd_kafka_incremental_unassign,
     (rd_kafka_t * kafka, const rd_kafka_topic_partition_list_t *list), (kafka, list), refusal())
WRAP(rd_kafka_error_t *, rd_kafka_sasl_set_credentials, (rd_kafka_t * kafka, const char *name, const char *password),
     (kafka, name, password), refusal())
WRAP(rd_kafka_resp_err_t, rd_kafka_assign, (rd_kafka_t * kafka, const rd_kafka_topic_partition_list_t *list),
     (kafka, list), RD_KAFKA_RESP_ERR__STATE)
WRAP(rd_kafka_resp_err_t, rd_kafka_poll_set_consumer, (rd_kafka_t * kafka), (kafka), RD_KAFKA_RESP_ERR__UNKNOWN_GROUP)
WRAP(rd_kafka_message_t *, rd_kafka_consume_queue, (rd_kafka_queue_t * queue, int timeout_ms), (queue, timeout_ms),
     NULL)
WRAP(rd_kafka_message_t *, rd_kafka_consumer_poll, (rd_kafka_t * kafka, int timeout_ms), (kafka, timeout_ms), NULL)
WRAP(rd_kafka_resp_err_t, rd_kafka_message_headers, (const rd_kafka_message_t *message, rd_kafka_headers_t **headers),
     (message, headers), RD_KAFKA_RESP_ERR__BAD_MSG)

/* The stream. */

static rd_kafka_mock_cluster_t *cluster;
static struct config config;
static const char *none[1];
static struct checkpoint place; /* what the target would hold */
static int next_transaction;    /* the one that must come now */
static int last_transaction;

static void set_up_cluster(int brokers)
{
	cluster = mock_kafka_start(brokers);
	config = (struct config){.stream = {.name = "test"},
	                         .kafka = {.brokers = rd_kafka_mock_cluster_bootstraps(cluster),
	                                   .topic_prefix = "dbserver1",
	                                   .topics = none,
	                                   .properties = none},
	                         .memory_limit = 64 << 20,
	                         .spill_dir = "/tmp",
	                         .spill_limit = INT64_C(1) << 30,
	                         .target = {.batch_rows = 1000}};
	make_topic(MARKS);
	make_topic(USERS);
	make_topic(ORDERS);
}

static bool no_key_changes;

/* Every fourth one moves the user of the one before to another key. */
static bool is_key_change(int n)
{
	return !no_key_changes && n % 4 == 0;
}

static void produce_transactions(int from, int to)
{
	for (int n = from; n <= to; n++)
		if (is_key_change(n))
			produce_key_change(n, n - 1, 100000 + n);
		else
			produce_transaction(n);
	produce_flush();
}

static void set_up(void)
{
	set_up_cluster(1);
	produce_transactions(1, TRANSACTIONS);
}

static void set_up_three_brokers(void)
{
	set_up_cluster(3);
	no_key_changes = false;
	produce_transactions(1, TRANSACTIONS);
}

/* The users of all transactions are there, the orders not: the users' partition fills the memory and is held back. */
static void set_up_ahead(void)
{
	set_up_cluster(1);
	no_key_changes = true;
	for (int n = 1; n <= AHEAD; n++) {
		produce_begin(n);
		produce_event(USERS, "users", n, 1, n, AHEAD_BYTES);
		produce_end(n, 1, 1);
	}
	produce_flush();
	config.memory_limit = AHEAD * AHEAD_BYTES / 4;
}

static void begin_anew(int last)
{
	checkpoint_free(&place);
	place = (struct checkpoint){.cluster_id = memory_copy_text("")};
	next_transaction = 1;
	last_transaction = last;
}

static void tear_down(void)
{
	checkpoint_free(&place);
	place = (struct checkpoint){0};
	mock_kafka_stop();
}

static struct checkpoint copy_place(void)
{
	struct checkpoint copy = place;

	copy.cluster_id = memory_copy_text(place.cluster_id);
	copy.offsets = memory_alloc((place.offset_count + 1) * sizeof(*copy.offsets));
	for (size_t i = 0; i < place.offset_count; i++) {
		copy.offsets[i] = place.offsets[i];
		copy.offsets[i].topic = memory_copy_text(place.offsets[i].topic);
	}
	return copy;
}

static void keep_offset(const struct partition_name *name, int64_t next_offset)
{
	size_t i = 0;

	while (i < place.offset_count && strcmp(place.offsets[i].topic, name->topic) != 0)
		i++;
	if (i == place.offset_count) {
		place.offsets = memory_grow(place.offsets, ++place.offset_count, sizeof(*place.offsets));
		place.offsets[i] = (struct checkpoint_offset){.topic = memory_copy_text(name->topic)};
	}
	ck_assert_int_ge(next_offset, place.offsets[i].next_offset);
	place.offsets[i].next_offset = next_offset;
}

static void expect_whole(const struct transaction *transaction, const char *when)
{
	ck_assert_msg(transaction->tx_id == (uint64_t)next_transaction, "%s: transaction %llu came, not %d", when,
	              (unsigned long long)transaction->tx_id, next_transaction);
	ck_assert_msg(transaction->change_count == 2, "%s: transaction %d has %zu changes", when, next_transaction,
	              transaction->change_count);
	if (transaction->changes != NULL && is_key_change(next_transaction)) {
		ck_assert_int_eq(transaction->changes[0]->operation, CHANGE_DELETE);
		ck_assert_msg(transaction->changes[0]->other_key != NULL, "%s: a key change became a delete", when);
	}
	next_transaction++;
}

/* As the applier's commit does it. */
static void keep(struct transaction *transaction, const struct partition_list *names, const char *when)
{
	place.exists = true;
	if (transaction->kind == TRANSACTION_STREAMED) {
		expect_whole(transaction, when);
		place.last_commit_lsn = transaction->commit_lsn;
		place.last_tx_id = transaction->tx_id;
	}
	for (size_t i = 0; i < transaction->position_count; i++)
		keep_offset(partition_list_get(names, transaction->positions[i].partition),
		            transaction->positions[i].next_offset);
	transaction_free(transaction);
}

struct reader {
	struct source *source;
	struct error *outcome;
};

static void *run_source(void *argument)
{
	struct reader *reader = argument;

	reader->outcome = source_run(reader->source);
	return NULL;
}

/* Tells the test that it may go on making events, when they come while the source runs. */
typedef void (*meanwhile)(struct source *source);

static void read_rest(struct transaction_queue *queue, const struct partition_list *names, const char *when)
{
	int64_t deadline = clock_monotonic_us() + WAIT_MS * INT64_C(1000);

	while (next_transaction <= last_transaction && clock_monotonic_us() < deadline &&
	       !(transaction_queue_closed(queue) && transaction_queue_bytes(queue) == 0)) {
		struct transaction *transaction = transaction_queue_take(queue, 1, 1, 100);

		if (transaction != NULL)
			keep(transaction, names, when);
	}
}

/* NULL: all transactions came. */
static struct error *run(const char *when, meanwhile go_on)
{
	struct checkpoint start = copy_place();
	struct partition_list *names = partition_list_new();
	struct transaction_queue *queue = transaction_queue_new(100000, 64 << 20);
	struct reader reader = {0};
	pthread_t thread;

	fault.calls = 0;
	fault.failed = false;
	fault.counting = true;
	reader.outcome = source_new(&config, &start, names, queue, (struct source_meanwhile){0}, &reader.source);
	if (reader.outcome == NULL) {
		ck_assert_int_eq(pthread_create(&thread, NULL, run_source, &reader), 0);
		if (go_on != NULL)
			go_on(reader.source);
		read_rest(queue, names, when);
		source_stop(reader.source);
		pthread_join(thread, NULL);
	}
	fault.counting = false;
	ck_assert_msg(reader.outcome != NULL || next_transaction > last_transaction,
	              "%s: transaction %d did not come, and no error either", when, next_transaction);
	transaction_queue_free(queue);
	source_free(reader.source);
	partition_list_free(names);
	checkpoint_free(&start);
	return reader.outcome;
}

static const struct called *find_called(const char *function)
{
	for (int i = 0; i < called_count; i++)
		if (strcmp(called[i].function, function) == 0)
			return &called[i];
	return NULL;
}

static void count_calls(void)
{
	called_count = 0;
	for (size_t i = 0; i < COUNT(called); i++)
		called[i].calls = 0;
	fault.function = NULL;
}

/* Outcomes: [0] the same run went on, [1] it ended with a message. */
static unsigned outcomes[2];
static unsigned unreached; /* later calls that did not come this time: waits are not of one length */

static void expect_stop(struct error *error, const char *when)
{
	ck_assert_msg(error->message[0] != '\0', "%s: no message", when);
	if (getenv("TEST_LOG") != NULL)
		printf("%s: %s: %s\n", when, error_class_name(error->class), error->message);
	error_free(error);
	outcomes[1]++;
}

/* The calls from..to of the function fail; then as it goes without. */
static void fail_calls(const char *function, long from, long to, meanwhile go_on)
{
	struct error *error;
	char when[128];

	snprintf(when, sizeof(when), "%s, calls %ld to %ld", function, from, to);
	fault.function = function;
	fault.from = from;
	fault.to = to;
	error = run(when, go_on);
	ck_assert_msg(fault.failed || from > 1, "%s: there was no such call", when);
	unreached += fault.failed ? 0 : 1;
	fault.function = "";
	if (error == NULL) {
		outcomes[0]++;
		return;
	}
	expect_stop(error, when);
	error = run(when, NULL);
	ck_assert_msg(error == NULL, "%s: the next run: %s", when, error == NULL ? "" : error->message);
}

static void tell_outcomes(const char *what)
{
	printf("%s: after %u failures the same run went on, after %u it ended with a message; %u did not come again\n",
	       what, outcomes[0], outcomes[1], unreached);
}

/* How many of them shall fail one by one. */
static long wanted(long calls)
{
	const char *given = getenv("FAILURES");
	long count = given == NULL ? FEW : strcmp(given, "all") == 0 ? calls : strtol(given, NULL, 10);

	return count < calls ? count : calls;
}

static void choose_seed(void)
{
	const char *given = getenv("TEST_SEED");
	unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

	srand(seed);
	printf("failures of librdkafka: TEST_SEED=%u\n", seed);
}

static void fail_function(const struct called *function, void (*fail_those)(const char *, long, long))
{
	long most = function->calls, count = wanted(most - 1);

	fail_those(function->function, 1, 1);
	if (most > 1)
		fail_those(function->function, 1, FOR_A_WHILE);
	for (long i = 0; i < count; i++) {
		long begin = 2 + i * (most - 1) / count, end = 2 + (i + 1) * (most - 1) / count;
		long number = begin + rand() % (end - begin);

		fail_those(function->function, number, number);
	}
}

static void fail_in_stream(const char *function, long from, long to)
{
	begin_anew(TRANSACTIONS);
	fail_calls(function, from, to, NULL);
}

/* The functions of the stream, but those that only the next test brings about. */
static const char *const of_stream[] = {"rd_kafka_conf_set",
                                        "rd_kafka_new",
                                        "rd_kafka_queue_get_consumer",
                                        "rd_kafka_clusterid",
                                        "rd_kafka_metadata",
                                        "rd_kafka_offsets_for_times",
                                        "rd_kafka_get_watermark_offsets",
                                        "rd_kafka_ConfigResource_new",
                                        "rd_kafka_AdminOptions_new",
                                        "rd_kafka_AdminOptions_set_request_timeout",
                                        "rd_kafka_AdminOptions_set_broker",
                                        "rd_kafka_queue_poll",
                                        "rd_kafka_event_error",
                                        "rd_kafka_event_DescribeConfigs_result",
                                        "rd_kafka_incremental_assign",
                                        "rd_kafka_consume_queue",
                                        "rd_kafka_message_headers"};

static const struct called *expect_called(const char *function)
{
	const struct called *found = find_called(function);

	ck_assert_msg(found != NULL, "%s was not called", function);
	return found;
}

START_TEST(each_call_of_the_stream_fails)
{
	choose_seed();
	count_calls();
	begin_anew(TRANSACTIONS);
	ck_assert_ptr_null(run("no failure", NULL));
	outcomes[0] = outcomes[1] = unreached = 0;
	for (size_t i = 0; i < COUNT(of_stream); i++)
		fail_function(expect_called(of_stream[i]), fail_in_stream);
	tell_outcomes("stream");
}
END_TEST

static void bring_orders(struct source *source)
{
	for (int i = 0; i < 100 && source_state(source).held_partitions == 0; i++)
		clock_sleep_ms(50);
	for (int n = 1; n <= AHEAD; n++)
		produce_event(ORDERS, "orders", n, 2, n, 1);
	produce_flush();
}

/* The second assignment gives back what was held. */
static const struct {
	const char *function;
	long from, to;
} of_holding[] = {{"rd_kafka_incremental_unassign", 1, 1},
                  {"rd_kafka_incremental_unassign", 1, FOR_A_WHILE},
                  {"rd_kafka_incremental_assign", 2, 2},
                  {"rd_kafka_conf_get", 1, 1},
                  {"rd_kafka_sasl_set_credentials", 1, FOR_A_WHILE}};

START_TEST(holding_back_fails)
{
	if (rd_kafka_version() < 0x02020000 || strstr(of_holding[_i].function, "incremental") != NULL) {
		outcomes[0] = outcomes[1] = unreached = 0;
		begin_anew(AHEAD);
		fail_calls(of_holding[_i].function, of_holding[_i].from, of_holding[_i].to, bring_orders);
		ck_assert_uint_eq(unreached, 0);
	}
}
END_TEST

/* The search for a repeat. */

enum { APPLIED = 8 };

static void set_up_repeat(void)
{
	set_up_cluster(1);
	no_key_changes = true;
	produce_transactions(1, APPLIED);
	produce_transaction(APPLIED / 2);
	produce_transactions(APPLIED + 1, APPLIED + 2);
}

/* The first transactions are applied; the repeat follows them. */
static void fail_in_search(const char *function, long from, long to)
{
	static const char *const topics[] = {MARKS, USERS, ORDERS};

	begin_anew(APPLIED + 2);
	for (size_t i = 0; i < COUNT(topics); i++)
		keep_offset(&(struct partition_name){.topic = topics[i]}, i == 0 ? 2 * APPLIED : APPLIED);
	place.exists = true;
	place.last_commit_lsn = 1000 * APPLIED + 900;
	place.last_tx_id = APPLIED;
	next_transaction = APPLIED + 1;
	fail_calls(function, from, to, NULL);
}

/* The second consumer, and the second queue, are those of the search. */
static const struct {
	const char *function;
	long from, to;
} of_search[] = {{"rd_kafka_query_watermark_offsets", 1, 1},
                 {"rd_kafka_query_watermark_offsets", 1, FOR_A_WHILE},
                 {"rd_kafka_new", 2, 2},
                 {"rd_kafka_queue_get_consumer", 2, 2},
                 {"rd_kafka_assign", 1, 1}};

START_TEST(a_search_fails)
{
	outcomes[0] = outcomes[1] = unreached = 0;
	fail_in_search(of_search[_i].function, of_search[_i].from, of_search[_i].to);
	ck_assert_uint_eq(unreached, 0);
}
END_TEST

/* The looks. */

static bool count_shown(void *context, const struct raw_message *message)
{
	int *shown = context;

	ck_assert_ptr_nonnull(message->topic);
	++*shown;
	return true;
}

static struct error *look(void)
{
	struct partition_list *names = partition_list_new();
	int shown = 0;
	struct peek peek = {.topic = "public.users", .limit = PEEKED, .show = count_shown, .context = &shown};
	struct probe probe = {0};
	struct error *error;

	error = probe_details(&config, 5000, &probe);
	if (error == NULL) {
		ck_assert_uint_eq(probe.topic_count, 3);
		ck_assert_str_eq(probe.topics[1].name, USERS);
		ck_assert_int_eq(probe.topics[1].partitions[0].low, 0);
		ck_assert_int_gt(probe.topics[1].partitions[0].high, TRANSACTIONS);
		error = peek_topic(&config, &peek, names);
		ck_assert(error != NULL || shown == PEEKED);
	}
	probe_free(&probe);
	partition_list_free(names);
	return error;
}

static void fail_in_look(const char *function, long from, long to)
{
	struct error *error;
	char when[128];

	snprintf(when, sizeof(when), "%s, calls %ld to %ld", function, from, to);
	fault.function = function;
	fault.from = from;
	fault.to = to;
	fault.calls = 0;
	fault.failed = false;
	fault.counting = true;
	error = look();
	fault.counting = false;
	ck_assert_msg(fault.failed || from > 1, "%s: there was no such call", when);
	unreached += fault.failed ? 0 : 1;
	if (error == NULL)
		outcomes[0]++;
	else
		expect_stop(error, when);
}

static const char *const of_looks[] = {"rd_kafka_conf_set",
                                       "rd_kafka_new",
                                       "rd_kafka_clusterid",
                                       "rd_kafka_metadata",
                                       "rd_kafka_query_watermark_offsets",
                                       "rd_kafka_ConfigResource_new",
                                       "rd_kafka_AdminOptions_new",
                                       "rd_kafka_AdminOptions_set_request_timeout",
                                       "rd_kafka_queue_poll",
                                       "rd_kafka_event_error",
                                       "rd_kafka_event_DescribeConfigs_result",
                                       "rd_kafka_assign",
                                       "rd_kafka_poll_set_consumer",
                                       "rd_kafka_consumer_poll"};

START_TEST(each_call_of_the_looks_fails)
{
	choose_seed();
	count_calls();
	fault.counting = true;
	ck_assert_ptr_null(look());
	fault.counting = false;
	outcomes[0] = outcomes[1] = unreached = 0;
	for (size_t i = 0; i < COUNT(of_looks); i++)
		fail_function(expect_called(of_looks[i]), fail_in_look);
	tell_outcomes("looks");
}
END_TEST

/* The brokers. */

enum { FETCH = 1, LIST_OFFSETS = 2, METADATA = 3, FIND_COORDINATOR = 10 };

static const int16_t requests[] = {FETCH, LIST_OFFSETS, METADATA, FIND_COORDINATOR};

static const rd_kafka_resp_err_t answers[] = {RD_KAFKA_RESP_ERR__TRANSPORT, /* the connection is closed */
                                              RD_KAFKA_RESP_ERR_UNKNOWN,
                                              RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
                                              RD_KAFKA_RESP_ERR_INVALID_MSG,
                                              RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                                              RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
                                              RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                              RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                                              RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE,
                                              RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
                                              RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
                                              RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                              RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                                              RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
                                              RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                                              RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
                                              RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION,
                                              RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
                                              RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
                                              RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH};

/* Three times. */
static void refuse(int16_t request, rd_kafka_resp_err_t answer)
{
	struct error *error;
	char when[128];

	snprintf(when, sizeof(when), "request %d refused with %s", (int)request, rd_kafka_err2name(answer));
	begin_anew(TRANSACTIONS);
	rd_kafka_mock_push_request_errors(cluster, request, 3, answer, answer, answer);
	error = run(when, NULL);
	rd_kafka_mock_clear_request_errors(cluster, request);
	if (error == NULL) {
		outcomes[0]++;
		return;
	}
	expect_stop(error, when);
	error = run(when, NULL);
	ck_assert_msg(error == NULL, "%s: the next run: %s", when, error == NULL ? "" : error->message);
}

START_TEST(brokers_refuse_requests)
{
	size_t first, count = (size_t)wanted((long)COUNT(answers));

	choose_seed();
	fault.function = "";
	outcomes[0] = outcomes[1] = unreached = 0;
	for (size_t i = 0; i < COUNT(requests); i++) {
		first = (size_t)rand() % COUNT(answers);
		for (size_t j = 0; j < count; j++)
			refuse(requests[i], answers[(first + j) % COUNT(answers)]);
	}
	tell_outcomes("refused requests");
}
END_TEST

static void move_leaders(struct source *source)
{
	static const char *const topics[] = {MARKS, USERS, ORDERS};

	(void)source;
	for (int round = 1; round <= 6; round++) {
		int32_t leader = round % 3 + 1, gone = (round + 1) % 3 + 1;

		for (size_t i = 0; i < COUNT(topics); i++)
			ck_assert_int_eq(rd_kafka_mock_partition_set_leader(cluster, topics[i], 0, leader),
			                 RD_KAFKA_RESP_ERR_NO_ERROR);
		rd_kafka_mock_broker_set_down(cluster, gone);
		produce_transactions(TRANSACTIONS + 10 * round - 9, TRANSACTIONS + 10 * round);
		rd_kafka_mock_broker_set_up(cluster, gone);
	}
}

START_TEST(leaders_move_and_brokers_go)
{
	struct error *error;

	fault.function = "";
	begin_anew(TRANSACTIONS + 60);
	error = run("leaders move", move_leaders);
	ck_assert_msg(error == NULL, "%s", error == NULL ? "" : error->message);
}
END_TEST

static void add_case(Suite *suite, const char *name, SFun set_up_it, const TTest *test, int times)
{
	TCase *tests = tcase_create(name);

	tcase_add_checked_fixture(tests, set_up_it, tear_down);
	tcase_set_timeout(tests, 0);
	tcase_add_loop_test(tests, test, 0, times);
	suite_add_tcase(suite, tests);
}

int main(void)
{
	Suite *suite = suite_create("failures of librdkafka");
	SRunner *runner;
	int failed;

#ifdef __SANITIZE_THREAD__
	puts("failures of librdkafka: left out: its C11 threads are unknown to ThreadSanitizer");
	return EXIT_SUCCESS;
#endif
	log_configure(getenv("TEST_LOG") != NULL ? LOG_DEBUG : LOG_ERROR + 1, false);
	add_case(suite, "stream", set_up, each_call_of_the_stream_fails, 1);
	add_case(suite, "holding back", set_up_ahead, holding_back_fails, (int)COUNT(of_holding));
	add_case(suite, "search", set_up_repeat, a_search_fails, (int)COUNT(of_search));
	add_case(suite, "looks", set_up, each_call_of_the_looks_fails, 1);
	add_case(suite, "brokers", set_up, brokers_refuse_requests, 1);
	add_case(suite, "leaders", set_up_three_brokers, leaders_move_and_brokers_go, 1);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
