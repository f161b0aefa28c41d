/* mock_kafka.c - see mock_kafka.h */
#include "mock_kafka.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_MS 20000

static rd_kafka_t *producer; /* owns the mock cluster */
static rd_kafka_mock_cluster_t *cluster;

rd_kafka_mock_cluster_t *mock_kafka_start(int brokers)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char text[256];

	snprintf(text, sizeof(text), "%d", brokers);
	rd_kafka_conf_set(conf, "test.mock.num.brokers", text, text, sizeof(text));
	rd_kafka_conf_set(conf, "linger.ms", "1", text, sizeof(text));
	/* A request that is sent again while a leader moves must not overtake the one after it. */
	rd_kafka_conf_set(conf, "max.in.flight", "1", text, sizeof(text));
	rd_kafka_conf_set(conf, "log_level", "0", text, sizeof(text));
	producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	ck_assert_msg(producer != NULL, "%s", text);
	cluster = rd_kafka_handle_mock_cluster(producer);
	ck_assert_ptr_nonnull(cluster);
	return cluster;
}

void mock_kafka_stop(void)
{
	rd_kafka_destroy(producer);
}

void make_topic(const char *topic)
{
	ck_assert_int_eq(rd_kafka_mock_topic_create(cluster, topic, 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void send_message(const char *topic, const char *key, const char *header, const char *header_value,
                         const char *value)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
	size_t key_length = key == NULL ? 0 : strlen(key);
	size_t length = value == NULL ? 0 : strlen(value);

	if (header != NULL)
		rd_kafka_header_add(headers, header, -1, header_value, -1);
	ck_assert_int_eq(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
	                                   RD_KAFKA_V_KEY(key, key_length),
	                                   RD_KAFKA_V_VALUE((void *)(uintptr_t)value, length),
	                                   RD_KAFKA_V_HEADERS(headers),
	                                   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK),
	                                   RD_KAFKA_V_END),
	                 RD_KAFKA_RESP_ERR_NO_ERROR);
}

void produce(const char *topic, const char *key, const char *format, ...)
{
	char *value = NULL;
	va_list arguments;

	if (format != NULL) {
		va_start(arguments, format);
		ck_assert_int_ge(vasprintf(&value, format, arguments), 0);
		va_end(arguments);
	}
	send_message(topic, key, NULL, NULL, value);
	free(value);
}

void produce_flush(void)
{
	ck_assert_int_eq(rd_kafka_flush(producer, FLUSH_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* Transaction n: its events have LSN 1000 * n + order, its commit LSN is 1000 * n + 900. */

void produce_event(const char *topic, const char *table, int n, int order, int id, int padding)
{
	char key[64];
	char previous[32] = "null";

	snprintf(key, sizeof(key), "{\"id\":%d}", id);
	if (n > 1)
		snprintf(previous, sizeof(previous), "\\\"%d\\\"", 1000 * (n - 1) + 900);
	produce(
	    topic, key,
	    "{\"before\":null,\"after\":{\"id\":%d,\"name\":\"%0*d\"},\"source\":{\"version\":\"3.7.0.Final\","
	    "\"connector\":\"postgresql\",\"name\":\"dbserver1\",\"ts_ms\":1,\"snapshot\":\"false\",\"db\":\"source\","
	    "\"sequence\":\"[%s,\\\"%d\\\"]\",\"ts_us\":1000,\"ts_ns\":1000000,\"schema\":\"public\",\"table\":\"%s\","
	    "\"txId\":%d,\"lsn\":%d,\"xmin\":null},\"transaction\":{\"id\":\"%d:%d\",\"total_order\":%d,"
	    "\"data_collection_order\":1},\"op\":\"c\",\"ts_ms\":1}",
	    id, padding, id, previous, 1000 * n + order, table, n, 1000 * n + order, n, 1000 * n + order, order);
}

static void produce_half(int n, int order, const char *op, int id, const char *header, int other_id)
{
	char key[64], other_key[64], value[1024];

	snprintf(key, sizeof(key), "{\"id\":%d}", id);
	snprintf(other_key, sizeof(other_key), "{\"id\":%d}", other_id);
	snprintf(value, sizeof(value),
	         "{\"before\":%s,\"after\":%s,\"source\":{\"version\":\"3.7.0.Final\",\"connector\":\"postgresql\","
	         "\"name\":\"dbserver1\",\"ts_ms\":1,\"snapshot\":\"false\",\"db\":\"source\",\"sequence\":"
	         "\"[\\\"%d\\\",\\\"%d\\\"]\",\"ts_us\":1000,\"schema\":\"public\",\"table\":\"users\",\"txId\":%d,"
	         "\"lsn\":%d,\"xmin\":null},\"transaction\":{\"id\":\"%d:%d\",\"total_order\":%d,"
	         "\"data_collection_order\":1},\"op\":\"%s\",\"ts_ms\":1}",
	         op[0] == 'd' ? key : "null", op[0] == 'd' ? "null" : key, 1000 * (n - 1) + 900, 1000 * n + order, n,
	         1000 * n + order, n, 1000 * n + order, order, op);
	send_message(USERS, key, header, other_key, value);
}

void produce_key_change(int n, int from, int to)
{
	produce_begin(n);
	produce_half(n, 1, "d", from, "__debezium.newkey", to);
	produce(USERS, "{}", NULL);
	produce_half(n, 2, "c", to, "__debezium.oldkey", from);
	produce_end(n, 2, 0);
}

void produce_begin(int n)
{
	produce(MARKS, NULL,
	        "{\"status\":\"BEGIN\",\"id\":\"%d:%d\",\"event_count\":null,\"data_collections\":null,\"ts_ms\":1}", n,
	        1000 * n);
}

void produce_end(int n, int users, int orders)
{
	produce(MARKS, NULL,
	        "{\"status\":\"END\",\"id\":\"%d:%d\",\"event_count\":%d,\"data_collections\":[{\"data_collection\":"
	        "\"public.users\",\"event_count\":%d},{\"data_collection\":\"public.orders\",\"event_count\":%d}],\"ts_"
	        "ms\":1}",
	        n, 1000 * n + 900, users + orders, users, orders);
}

void produce_snapshot_row(const char *topic, const char *table, const char *mark, int id)
{
	char key[64];

	snprintf(key, sizeof(key), "{\"id\":%d}", id);
	produce(topic, key,
	        "{\"before\":null,\"after\":{\"id\":%d,\"name\":\"x\"},\"source\":{\"version\":\"3.7.0.Final\","
	        "\"connector\":\"postgresql\",\"name\":\"dbserver1\",\"ts_ms\":1,\"snapshot\":\"%s\",\"db\":\"source\","
	        "\"sequence\":\"[null,\\\"500\\\"]\",\"ts_us\":1000,\"ts_ns\":1000000,\"schema\":\"public\",\"table\":"
	        "\"%s\","
	        "\"txId\":77,\"lsn\":500,\"xmin\":null},\"transaction\":null,\"op\":\"r\",\"ts_ms\":1}",
	        id, mark, table);
}

/* One user and one order. */
void produce_transaction(int n)
{
	produce_begin(n);
	produce_event(USERS, "users", n, 1, n, 1);
	produce_event(ORDERS, "orders", n, 2, n, 1);
	produce_end(n, 1, 1);
}
