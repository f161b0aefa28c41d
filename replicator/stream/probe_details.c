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

static void take_policy(struct probe_topic *topic, const rd_kafka_ConfigResource_t *resource)
{
	size_t count;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);

	if (rd_kafka_ConfigResource_error(resource) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
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
}

struct error *probe_read_policies(struct source *source, int timeout_ms, struct probe *probe)
{
	rd_kafka_ConfigResource_t **resources = memory_alloc((probe->topic_count + 1) * sizeof(*resources));
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(source->kafka, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_queue_t *answers = rd_kafka_queue_new(source->kafka);
	const rd_kafka_ConfigResource_t **told = NULL;
	rd_kafka_event_t *event;
	size_t count = 0;
	char text[256];

	for (size_t i = 0; i < probe->topic_count; i++) {
		probe->topics[i].retention_ms = -1;
		probe->topics[i].retention_bytes = -1;
		resources[i] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, probe->topics[i].name);
	}
	rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, text, sizeof(text));
	rd_kafka_DescribeConfigs(source->kafka, resources, probe->topic_count, options, answers);
	event = rd_kafka_queue_poll(answers, timeout_ms + 100);
	if (event != NULL && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
		told = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
	for (size_t i = 0; i < count; i++) {
		struct probe_topic *topic = find_topic(probe, rd_kafka_ConfigResource_name(told[i]));

		if (topic != NULL)
			take_policy(topic, told[i]);
	}
	if (event != NULL)
		rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(answers);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_ConfigResource_destroy_array(resources, probe->topic_count);
	free(resources);
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

static void take_sample(struct source *source, struct probe *probe)
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
		}
		rd_kafka_message_destroy(message);
	}
	rd_kafka_topic_partition_list_destroy(list);
}

struct error *probe_look_closer(struct source *source, int timeout_ms, struct probe *probe)
{
	for (size_t i = 0; i < probe->topic_count; i++)
		TRY(read_offsets(source, timeout_ms, &probe->topics[i]));
	if (probe->topic_count == 0)
		return NULL;
	TRY(probe_read_policies(source, timeout_ms, probe));
	rd_kafka_poll_set_consumer(source->kafka);
	take_sample(source, probe);
	return NULL;
}
