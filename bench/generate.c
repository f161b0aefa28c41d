/*
 * generate.c - a backlog of retail transactions, straight into Kafka as the connector writes it (plain JSON):
 * generate BROKERS PREFIX LAYOUT TRANSACTIONS WIDTH SNAPSHOT
 *
 * LAYOUT: per-table (topics PREFIX.public.orders, PREFIX.public.items, PREFIX.transaction) or single (PREFIX.all).
 * WIDTH: bytes of the text column of each row. SNAPSHOT: rows of `orders` that a snapshot sends first.
 * A transaction inserts an order and two items and updates the order of the transaction before it. Prints the number of
 * row events. For measurements of memory and speed that need more than a source and a connector write in an hour.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SNAPSHOT_LSN UINT64_C(1000)
#define ROW_EVENTS 4

struct generator {
	rd_kafka_t *kafka;
	const char *prefix;
	bool single;
	char *note;
	char *text; /* room for one message */
	size_t room;
	uint64_t lsn;
	uint64_t commit_lsn; /* of the transaction before */
	uint64_t tx_id;
	uint64_t order; /* of the event in its transaction */
	uint64_t failures;
};

static void check_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *context)
{
	struct generator *generator = context;

	(void)kafka;
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && generator->failures++ == 0)
		fprintf(stderr, "generate: %s: %s\n", rd_kafka_topic_name(message->rkt),
		        rd_kafka_err2str(message->err));
}

static bool make_producer(struct generator *generator, const char *brokers)
{
	const char *const properties[][2] = {
	    {"bootstrap.servers", brokers},     {"enable.idempotence", "true"},          {"linger.ms", "20"},
	    {"message.max.bytes", "100000000"}, {"queue.buffering.max.kbytes", "65536"},
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char reason[512];

	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
		if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], reason, sizeof(reason)) !=
		    RD_KAFKA_CONF_OK) {
			fprintf(stderr, "generate: %s\n", reason);
			return false;
		}
	rd_kafka_conf_set_opaque(conf, generator);
	rd_kafka_conf_set_dr_msg_cb(conf, check_delivery);
	generator->kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
	if (generator->kafka == NULL)
		fprintf(stderr, "generate: %s\n", reason);
	return generator->kafka != NULL;
}

/* The message is in `text`. */
static void produce(struct generator *generator, const char *topic, uint64_t id, int length)
{
	char name[256], key[64];
	int key_length = snprintf(key, sizeof(key), "{\"id\":%" PRIu64 "}", id);
	rd_kafka_resp_err_t code;

	snprintf(name, sizeof(name), "%s.%s", generator->prefix, generator->single ? "all" : topic);
	if (strcmp(topic, "transaction") == 0)
		key_length = snprintf(key, sizeof(key), "{}");
	while ((code = rd_kafka_producev(generator->kafka, RD_KAFKA_V_TOPIC(name), RD_KAFKA_V_PARTITION(0),
	                                 RD_KAFKA_V_KEY(key, (size_t)key_length),
	                                 RD_KAFKA_V_VALUE(generator->text, (size_t)length),
	                                 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END)) ==
	       RD_KAFKA_RESP_ERR__QUEUE_FULL)
		rd_kafka_poll(generator->kafka, 100);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR && generator->failures++ == 0)
		fprintf(stderr, "generate: %s: %s\n", name, rd_kafka_err2str(code));
	rd_kafka_poll(generator->kafka, 0);
}

static void mark(struct generator *generator, bool end)
{
	char counts[256] = "null";

	if (end)
		snprintf(counts, sizeof(counts),
		         "[{\"data_collection\":\"public.orders\",\"event_count\":2},"
		         "{\"data_collection\":\"public.items\",\"event_count\":2}]");
	generator->lsn += 8;
	produce(generator, "transaction", 0,
	        snprintf(generator->text, generator->room,
	                 "{\"status\":\"%s\",\"id\":\"%" PRIu64 ":%" PRIu64
	                 "\",\"event_count\":%s,\"data_collections\":%s,"
	                 "\"ts_ms\":1700000000000}",
	                 end ? "END" : "BEGIN", generator->tx_id, generator->lsn, end ? "4" : "null", counts));
}

static int source_block(const struct generator *generator, char *text, size_t room, const char *table,
                        const char *snapshot)
{
	char previous[32] = "null";

	if (generator->commit_lsn != 0)
		snprintf(previous, sizeof(previous), "\\\"%" PRIu64 "\\\"", generator->commit_lsn);
	return snprintf(text, room,
	                "\"source\":{\"version\":\"3.7.0.Final\",\"connector\":\"postgresql\",\"name\":\"%s\","
	                "\"ts_ms\":1700000000000,\"snapshot\":\"%s\",\"db\":\"shop\",\"sequence\":\"[%s,\\\"%" PRIu64
	                "\\\"]\",\"ts_us\":1700000000000000,\"ts_ns\":1700000000000000000,\"schema\":\"public\","
	                "\"table\":\"%s\",\"txId\":%" PRIu64 ",\"lsn\":%" PRIu64 ",\"xmin\":null}",
	                generator->prefix, snapshot, previous, generator->lsn, table, generator->tx_id, generator->lsn);
}

/* `snapshot` NULL: an event of the transaction at hand. */
static void row(struct generator *generator, const char *table, char operation, uint64_t id, const char *snapshot)
{
	char source[1024], transaction[128] = "null", topic[64];

	if (snapshot == NULL) {
		generator->lsn += 8;
		generator->order++;
		snprintf(transaction, sizeof(transaction),
		         "{\"id\":\"%" PRIu64 ":%" PRIu64 "\",\"total_order\":%" PRIu64 ",\"data_collection_order\":1}",
		         generator->tx_id, generator->lsn, generator->order);
	}
	source_block(generator, source, sizeof(source), table, snapshot == NULL ? "false" : snapshot);
	snprintf(topic, sizeof(topic), "public.%s", table);
	produce(generator, topic, id,
	        snprintf(generator->text, generator->room,
	                 "{\"before\":null,\"after\":{\"id\":%" PRIu64 ",\"note\":\"%s %c\"},%s,\"transaction\":%s,"
	                 "\"op\":\"%c\",\"ts_ms\":1}",
	                 id, generator->note, operation, source, transaction, operation));
}

static void snapshot_rows(struct generator *generator, uint64_t rows)
{
	generator->lsn = generator->tx_id = SNAPSHOT_LSN;
	for (uint64_t i = 1; i <= rows; i++)
		row(generator, "orders", 'r', 1000000000 + i, i == rows ? "last" : i == 1 ? "first" : "true");
}

static void transaction(struct generator *generator, uint64_t number)
{
	generator->tx_id++;
	generator->order = 0;
	mark(generator, false);
	row(generator, "orders", 'c', number, NULL);
	row(generator, "items", 'c', 2 * number, NULL);
	row(generator, "items", 'c', 2 * number + 1, NULL);
	row(generator, "orders", 'u', number > 1 ? number - 1 : number, NULL);
	mark(generator, true);
	generator->commit_lsn = generator->lsn;
}

int main(int argc, char **argv)
{
	struct generator generator = {0};
	uint64_t transactions, snapshot;
	size_t width;

	if (argc != 7) {
		fprintf(stderr, "usage: generate BROKERS PREFIX per-table|single TRANSACTIONS WIDTH SNAPSHOT\n");
		return 2;
	}
	generator.prefix = argv[2];
	generator.single = strcmp(argv[3], "single") == 0;
	transactions = strtoull(argv[4], NULL, 10);
	width = strtoull(argv[5], NULL, 10);
	snapshot = strtoull(argv[6], NULL, 10);
	generator.note = malloc(width + 1);
	generator.room = width + 4096;
	generator.text = malloc(generator.room);
	if (generator.note == NULL || generator.text == NULL || !make_producer(&generator, argv[1]))
		return 1;
	for (size_t i = 0; i < width; i++)
		generator.note[i] = (char)('a' + (i * 7 + i / 26) % 26);
	generator.note[width] = '\0';
	snapshot_rows(&generator, snapshot);
	for (uint64_t i = 1; i <= transactions; i++)
		transaction(&generator, i);
	if (rd_kafka_flush(generator.kafka, 120000) != RD_KAFKA_RESP_ERR_NO_ERROR || generator.failures > 0) {
		fprintf(stderr, "generate: not all messages were delivered\n");
		return 1;
	}
	rd_kafka_destroy(generator.kafka);
	free(generator.note);
	free(generator.text);
	printf("%" PRIu64 "\n", snapshot + transactions * ROW_EVENTS);
	return 0;
}
