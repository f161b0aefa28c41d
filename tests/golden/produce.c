/*
 * produce.c - puts recorded messages into a Kafka as they were: produce BROKERS <messages.jsonl
 *
 * A line is one message: topic, partition, offset, timestamp, key, value, headers (tests/corpus/README.md). The topics
 * must be empty: each message has to get the offset that it had, or the program fails. Prints how many there were.
 */
#include <inttypes.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long failures;
static long delivered;

static void check_delivery(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *context)
{
	int64_t recorded = (int64_t)(intptr_t)message->_private;

	(void)kafka;
	(void)context;
	/* Without an offset: the broker has the message already, and the answer to the first attempt was lost. Were it at another place, the
	 * message after it would be, too. */
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR &&
	    (message->offset == recorded || message->offset == RD_KAFKA_OFFSET_INVALID)) {
		delivered++;
		return;
	}
	if (failures++ == 0)
		fprintf(stderr, "produce: %s[%d]: recorded at offset %" PRId64 ", now at %" PRId64 ": %s\n",
		        rd_kafka_topic_name(message->rkt), (int)message->partition, recorded, message->offset,
		        message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? "the topic was not empty"
		                                                   : rd_kafka_err2str(message->err));
}

static rd_kafka_t *make_producer(const char *brokers)
{
	static const char *const properties[][2] = {
	    {"enable.idempotence", "true"}, /* order, also over retries */
	    /* A partition that was just made may refuse the first batch (no leader yet). A broker takes any first number of a producer that it
	     * does not know (KIP-360), so a second batch in flight would get the offsets of the first. */
	    {"max.in.flight.requests.per.connection", "1"},
	    {"linger.ms", "5"},
	    {"message.max.bytes", "100000000"},
	    {"log_level", "3"},
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *kafka;
	char text[512];

	for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
		if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], text, sizeof(text)) !=
		    RD_KAFKA_CONF_OK) {
			fprintf(stderr, "produce: %s\n", text);
			return NULL;
		}
	if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, text, sizeof(text)) != RD_KAFKA_CONF_OK) {
		fprintf(stderr, "produce: %s\n", text);
		return NULL;
	}
	rd_kafka_conf_set_dr_msg_cb(conf, check_delivery);
	kafka = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	if (kafka == NULL)
		fprintf(stderr, "produce: %s\n", text);
	return kafka;
}

/* Decodes base64 where it stands; the text is the line's own. */
static void decode_base64(char *text, size_t *length)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0;
	int held = 0;

	*length = 0;
	for (const char *at = text; *at != '\0' && *at != '='; at++) {
		bits = bits << 6 | (unsigned)(strchr(alphabet, *at) - alphabet);
		held += 6;
		if (held >= 8) {
			held -= 8;
			text[(*length)++] = (char)(bits >> held & 0xff);
		}
	}
}

/* False: neither text nor {"base64": text} nor null. */
static bool text_of(const json_t *json, const char **data, size_t *length)
{
	const json_t *bytes = json_object_get(json, "base64");

	*data = NULL;
	*length = 0;
	if (json == NULL || json_is_null(json))
		return true;
	if (json_is_string(bytes)) {
		*data = json_string_value(bytes);
		decode_base64((char *)(uintptr_t)*data, length);
		return true;
	}
	if (!json_is_string(json))
		return false;
	*data = json_string_value(json);
	*length = json_string_length(json);
	return true;
}

static rd_kafka_headers_t *make_headers(const json_t *list)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(json_array_size(list));
	const json_t *pair;
	size_t i;

	json_array_foreach(list, i, pair)
	{
		const char *value;
		size_t length;

		if (!json_is_string(json_array_get(pair, 0)) || !text_of(json_array_get(pair, 1), &value, &length)) {
			rd_kafka_headers_destroy(headers);
			return NULL;
		}
		rd_kafka_header_add(headers, json_string_value(json_array_get(pair, 0)), -1, value, (ssize_t)length);
	}
	return headers;
}

static bool produce(rd_kafka_t *kafka, json_t *message)
{
	json_int_t partition, offset, timestamp;
	const char *topic, *key, *value;
	size_t key_length, length;
	rd_kafka_headers_t *headers;
	rd_kafka_resp_err_t code;

	if (json_unpack(message, "{s:s,s:I,s:I,s:I}", "topic", &topic, "partition", &partition, "offset", &offset,
	                "timestamp", &timestamp) != 0 ||
	    !text_of(json_object_get(message, "key"), &key, &key_length) ||
	    !text_of(json_object_get(message, "value"), &value, &length))
		return false;
	headers = make_headers(json_object_get(message, "headers"));
	if (headers == NULL)
		return false;
	for (;;) {
		code = rd_kafka_producev(kafka, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION((int32_t)partition),
		                         RD_KAFKA_V_KEY(key, key_length),
		                         RD_KAFKA_V_VALUE((void *)(intptr_t)value, length),
		                         RD_KAFKA_V_TIMESTAMP(timestamp), RD_KAFKA_V_HEADERS(headers),
		                         RD_KAFKA_V_OPAQUE((void *)(intptr_t)offset),
		                         RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
		if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			break;
		rd_kafka_poll(kafka, 100);
	}
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return true;
	rd_kafka_headers_destroy(headers);
	fprintf(stderr, "produce: %s: %s\n", topic, rd_kafka_err2str(code));
	return false;
}

/* How many lines went in; -1: one could not. */
static long produce_all(rd_kafka_t *kafka, FILE *in)
{
	char *line = NULL;
	size_t capacity = 0;
	long count = 0;
	ssize_t length;

	while ((length = getline(&line, &capacity, in)) > 0) {
		json_error_t problem;
		json_t *message = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, &problem);
		bool taken = message != NULL && produce(kafka, message);

		json_decref(message);
		rd_kafka_poll(kafka, 0);
		if (!taken) {
			fprintf(stderr, "produce: line %ld is not a message of text\n", count + 1);
			count = -1;
			break;
		}
		count++;
	}
	free(line);
	return count;
}

int main(int argc, char **argv)
{
	rd_kafka_t *kafka;
	long count;

	if (argc != 2) {
		fprintf(stderr, "usage: produce BROKERS <messages.jsonl\n");
		return 2;
	}
	kafka = make_producer(argv[1]);
	if (kafka == NULL)
		return 1;
	count = produce_all(kafka, stdin);
	if (rd_kafka_flush(kafka, 60000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
		fprintf(stderr, "produce: Kafka at %s did not take the messages in 60 s\n", argv[1]);
		return 1;
	}
	rd_kafka_destroy(kafka);
	if (count < 0 || failures > 0 || delivered != count)
		return 1;
	printf("%ld\n", count);
	return 0;
}
