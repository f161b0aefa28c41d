/* peek.c - see peek.h */
#include "stream/peek.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/signals.h"
#include "stream/source_internal.h"

#define TIMEOUT_MS 10000
#define STEP_MS 200
#define SILENT_US 10000000

struct reading {
	const struct peek *peek;
	struct source *source;
	struct partition_list *names;
	char *topic;
	int32_t partition_count;
	int64_t *left; /* by partition: messages still to show */
	int open;      /* partitions not read to their end or limit */
};

static const struct rd_kafka_metadata_topic *find_topic(const struct rd_kafka_metadata *metadata, const char *name)
{
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (strcmp(metadata->topics[i].topic, name) == 0)
			return &metadata->topics[i];
	return NULL;
}

/* The topics that could have been meant. */
static struct error *no_such_topic(const struct reading *reading, const struct rd_kafka_metadata *metadata)
{
	struct buffer names = {0};
	struct error *error;

	for (int i = 0; i < metadata->topic_cnt; i++)
		if (topic_filter_matches(reading->source->filter, metadata->topics[i].topic))
			buffer_append_format(&names, "%s%s", names.length > 0 ? ", " : "", metadata->topics[i].topic);
	error = error_new(ERROR_CONFIGURATION, "there is no topic %s; the stream's are: %s", reading->peek->topic,
	                  names.length > 0 ? names.data : "none");
	buffer_free(&names);
	return error;
}

static struct error *choose_topic(struct reading *reading)
{
	const struct config *config = reading->source->config;
	const struct rd_kafka_metadata *metadata = NULL;
	const struct rd_kafka_metadata_topic *topic;
	struct error *error = NULL;

	TRY(client_ask(reading->source, TIMEOUT_MS, &metadata));
	reading->topic = memory_copy_text(reading->peek->topic);
	topic = find_topic(metadata, reading->topic);
	if (topic == NULL && config->kafka.topic_prefix != NULL) {
		free(reading->topic);
		reading->topic = memory_format("%s.%s", config->kafka.topic_prefix, reading->peek->topic);
		topic = find_topic(metadata, reading->topic);
	}
	if (topic == NULL)
		error = no_such_topic(reading, metadata);
	else
		reading->partition_count = topic->partition_cnt;
	rd_kafka_metadata_destroy(metadata);
	return error;
}

/* Where to begin in a partition. */
static struct error *choose_offset(const struct reading *reading, int32_t partition, int64_t *from, int64_t *high)
{
	const struct peek *peek = reading->peek;
	int64_t low;

	TRY(client_watermarks(reading->source, reading->topic, partition, TIMEOUT_MS, &low, high));
	*from = !peek->from_offset ? *high - peek->limit : peek->offset >= 0 ? peek->offset : *high + peek->offset;
	if (peek->from_offset && peek->offset >= 0 && reading->partition_count == 1 && (*from < low || *from > *high))
		return error_new(ERROR_GAP, "topic %s holds offsets from %lld to %lld", reading->topic, (long long)low,
		                 (long long)*high - 1);
	if (*from < low)
		*from = low;
	if (*from > *high)
		*from = *high;
	return NULL;
}

static struct error *begin(struct reading *reading)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(reading->partition_count);
	struct error *error = NULL;
	rd_kafka_resp_err_t code;

	reading->left = memory_alloc(((size_t)reading->partition_count + 1) * sizeof(*reading->left));
	for (int32_t i = 0; error == NULL && i < reading->partition_count; i++) {
		int64_t from = 0, high = 0;

		error = choose_offset(reading, i, &from, &high);
		reading->left[i] = reading->peek->limit;
		if (error != NULL || (from == high && !reading->peek->follow))
			continue;
		rd_kafka_topic_partition_list_add(list, reading->topic, i)->offset = from;
		reading->open++;
	}
	if (error == NULL && list->cnt > 0) {
		code = rd_kafka_assign(reading->source->kafka, list);
		if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
			error = error_new(ERROR_SYSTEM, "Kafka's client refuses to read: %s", rd_kafka_err2str(code));
	}
	rd_kafka_topic_partition_list_destroy(list);
	return error;
}

/* False: no more is wanted. */
static bool show(struct reading *reading, rd_kafka_message_t *message)
{
	uint32_t number = partition_list_add(reading->names, reading->topic, message->partition);
	struct raw_message raw = source_raw_message(message, number, reading->topic);
	int64_t *left = &reading->left[message->partition];

	if (!reading->peek->follow && *left == 0)
		return true;
	if (!reading->peek->show(reading->peek->context, &raw))
		return false;
	if (!reading->peek->follow && --*left == 0)
		reading->open--;
	return true;
}

static bool take(struct reading *reading, rd_kafka_message_t *message, struct error **error)
{
	*error = NULL;
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		return show(reading, message);
	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		if (!reading->peek->follow && reading->left[message->partition] > 0) {
			reading->left[message->partition] = 0;
			reading->open--;
		}
		return true;
	}
	*error = error_new(ERROR_TRANSIENT, "topic %s: %s", reading->topic, rd_kafka_message_errstr(message));
	return false;
}

static struct error *read_messages(struct reading *reading)
{
	int64_t heard_us = clock_monotonic_us();
	bool more = true;

	while (more && reading->open > 0 && !signals_stop_requested()) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(reading->source->kafka, STEP_MS);
		struct error *error;

		if (message == NULL) {
			if (!reading->peek->follow && clock_monotonic_us() - heard_us > SILENT_US)
				return error_new(ERROR_TRANSIENT, "topic %s: Kafka does not send its messages",
				                 reading->topic);
			continue;
		}
		heard_us = clock_monotonic_us();
		more = take(reading, message, &error);
		rd_kafka_message_destroy(message);
		TRY(error);
	}
	return NULL;
}

struct error *peek_topic(const struct config *config, const struct peek *peek, struct partition_list *names)
{
	struct reading reading = {.peek = peek, .names = names};
	struct error *error = client_new(config, &reading.source);

	if (error == NULL)
		error = choose_topic(&reading);
	if (error == NULL) {
		rd_kafka_poll_set_consumer(reading.source->kafka);
		error = begin(&reading);
	}
	if (error == NULL)
		error = read_messages(&reading);
	client_free(reading.source);
	free(reading.topic);
	free(reading.left);
	return error;
}
