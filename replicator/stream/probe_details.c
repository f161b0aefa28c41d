/*
 * probe_details.c - what a topic holds: its offsets, its retention, and a sample of its newest messages.
 *
 * NOTES
 *   Questions that nobody answers in time leave their fields as they are; only offsets must be told. The sample is read
 *   by one assignment of all partitions at once.
 */
#include "stream/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "stream/source_internal.h"

#define SAMPLE_MESSAGES 20
#define SAMPLE_US 3000000
#define SAMPLE_STEP_MS 100

static struct error *read_offsets(struct source *source, int timeout_ms, struct probe_topic *topic)
{
	topic->partitions = memory_alloc(((size_t)topic->partition_count + 1) * sizeof(*topic->partitions));
	for (int32_t i = 0; i < topic->partition_count; i++)
		TRY(client_watermarks(source, topic->name, i, timeout_ms, &topic->partitions[i].low,
		                      &topic->partitions[i].high));
	return NULL;
}

static struct probe_topic *find_topic(struct probe *probe, const char *name)
{
	for (size_t i = 0; i < probe->topic_count; i++)
		if (strcmp(probe->topics[i].name, name) == 0)
			return &probe->topics[i];
	return NULL;
}

static struct error *take_policy(const rd_kafka_ConfigResource_t *resource, void *context)
{
	struct probe_topic *topic = find_topic(context, rd_kafka_ConfigResource_name(resource));
	size_t count;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);

	if (topic == NULL || rd_kafka_ConfigResource_error(resource) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return NULL;
	topic->policy_known = true;
	for (size_t i = 0; i < count; i++) {
		const char *name = rd_kafka_ConfigEntry_name(entries[i]);
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);

		if (value == NULL)
			continue;
		if (strcmp(name, "retention.ms") == 0)
			topic->retention_ms = strtoll(value, NULL, 10);
		else if (strcmp(name, "retention.bytes") == 0)
			topic->retention_bytes = strtoll(value, NULL, 10);
		else if (strcmp(name, "cleanup.policy") == 0)
			topic->compacted = strstr(value, "compact") != NULL;
	}
	return NULL;
}

struct error *probe_read_policies(struct source *source, int timeout_ms, const struct probe_sample *sample,
                                  struct probe *probe)
{
	const char **topics = memory_alloc((probe->topic_count + 1) * sizeof(*topics));
	struct error *error;

	(void)sample;
	for (size_t i = 0; i < probe->topic_count; i++) {
		probe->topics[i].retention_ms = -1;
		probe->topics[i].retention_bytes = -1;
		topics[i] = probe->topics[i].name;
	}
	error = source_describe_topics(source, topics, probe->topic_count, source->some_broker, timeout_ms, take_policy,
	                               probe);
	free(topics);
	if (error == NULL || error->class != ERROR_TRANSIENT)
		return error;
	error_free(error); /* policy_known stays false */
	return NULL;
}

/* The partitions that hold anything, from a few messages before their ends on. */
static rd_kafka_topic_partition_list_t *sample_list(const struct probe *probe)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);

	for (size_t i = 0; i < probe->topic_count; i++) {
		const struct probe_topic *topic = &probe->topics[i];

		for (int32_t j = 0; j < topic->partition_count; j++) {
			const struct probe_partition *partition = &topic->partitions[j];
			int64_t from = partition->high - SAMPLE_MESSAGES;

			if (partition->high > partition->low)
				rd_kafka_topic_partition_list_add(list, topic->name, j)->offset =
				    from > partition->low ? from : partition->low;
		}
	}
	return list;
}

static void show(const struct probe_sample *sample, const char *topic, const rd_kafka_message_t *message)
{
	struct raw_message raw;

	if (sample == NULL)
		return;
	raw = source_raw_message(message, partition_list_add(sample->names, topic, message->partition), topic);
	sample->show(sample->context, &raw);
}

static void take_sample(struct source *source, const struct probe_sample *sample, struct probe *probe)
{
	rd_kafka_topic_partition_list_t *list = sample_list(probe);
	int64_t until_us = clock_monotonic_us() + SAMPLE_US;
	int open = list->cnt;

	if (open > 0 && rd_kafka_assign(source->kafka, list) != RD_KAFKA_RESP_ERR_NO_ERROR)
		open = 0;
	while (open > 0 && clock_monotonic_us() < until_us) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(source->kafka, SAMPLE_STEP_MS);
		struct probe_topic *topic;

		if (message == NULL)
			continue;
		topic = message->rkt == NULL ? NULL : find_topic(probe, rd_kafka_topic_name(message->rkt));
		if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			open--;
		} else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR && topic != NULL) {
			topic->sampled_messages++;
			topic->sampled_bytes += message->key_len + message->len;
			show(sample, topic->name, message);
		}
		rd_kafka_message_destroy(message);
	}
	rd_kafka_topic_partition_list_destroy(list);
}

struct error *probe_read_messages(struct source *source, int timeout_ms, const struct probe_sample *sample,
                                  struct probe *probe)
{
	for (size_t i = 0; i < probe->topic_count; i++)
		TRY(read_offsets(source, timeout_ms, &probe->topics[i]));
	if (probe->topic_count == 0)
		return NULL;
	rd_kafka_poll_set_consumer(source->kafka);
	take_sample(source, sample, probe);
	return NULL;
}

struct error *probe_look_closer(struct source *source, int timeout_ms, const struct probe_sample *sample,
                                struct probe *probe)
{
	if (probe->topic_count > 0)
		TRY(probe_read_policies(source, timeout_ms, sample, probe));
	return probe_read_messages(source, timeout_ms, sample, probe);
}
