/*
 * mock_kafka.h - librdkafka's mock cluster, and events as the connector would write them into it. One cluster at a
 * time; thread: the test's.
 */
#ifndef TESTS_UNIT_MOCK_KAFKA_H
#define TESTS_UNIT_MOCK_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdint.h>

#define USERS "dbserver1.public.users"
#define ORDERS "dbserver1.public.orders"
#define MARKS "dbserver1.transaction"

rd_kafka_mock_cluster_t *mock_kafka_start(int brokers);
void mock_kafka_stop(void);

void make_topic(const char *topic); /* with one partition */

/* To partition 0; `key` and `format` may be NULL. */
__attribute__((format(printf, 3, 4))) void produce(const char *topic, const char *key, const char *format, ...);
void produce_flush(void);

/* Transaction n: its events have LSN 1000 * n + order, its commit LSN is 1000 * n + 900. */
void produce_event(const char *topic, const char *table, int n, int order, int id, int padding);
void produce_begin(int n);
void produce_end(int n, int users, int orders);
void produce_transaction(int n);                  /* one user and one order */
void produce_key_change(int n, int from, int to); /* a transaction of its own */
void produce_snapshot_row(const char *topic, const char *table, const char *mark, int id);

#endif
