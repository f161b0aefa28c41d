/*
 * describe.c - how the brokers say that topics are configured (cleanup.policy, retention).
 *
 * NOTES
 *   The daemon's source and the clients that only look ask the same question. It has one answer for all topics
 *   together; who gets none must be able to go on, because not every user may ask.
 *
 * Source: Kafka protocol guide, DescribeConfigs.
 */
#include "stream/source_internal.h"

#include "base/memory.h"

#include <stdlib.h>

/* How many of the topics were made resources of. */
static size_t make_resources(const char *const *topics, size_t count, rd_kafka_ConfigResource_t **resources)
{
	size_t made = 0;

	while (made < count &&
	       (resources[made] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics[made])) != NULL)
		made++;
	return made;
}

/* NULL: no answer. Without options librdkafka has its own timeout and broker. */
static rd_kafka_event_t *ask(struct source *source, rd_kafka_ConfigResource_t **resources, size_t count, int32_t broker,
                             int timeout_ms)
{
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(source->kafka, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_queue_t *answers = rd_kafka_queue_new(source->kafka);
	rd_kafka_event_t *event;
	char text[256];

	if (options != NULL) {
		rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, text, sizeof(text));
		if (broker >= 0)
			rd_kafka_AdminOptions_set_broker(options, broker, text, sizeof(text));
	}
	rd_kafka_DescribeConfigs(source->kafka, resources, count, options, answers);
	event = rd_kafka_queue_poll(answers, timeout_ms + 100);
	rd_kafka_queue_destroy(answers);
	if (options != NULL)
		rd_kafka_AdminOptions_destroy(options);
	return event;
}

static struct error *take_answer(rd_kafka_event_t *event, take_topic_config take, void *context)
{
	const rd_kafka_DescribeConfigs_result_t *result =
	    event == NULL ? NULL : rd_kafka_event_DescribeConfigs_result(event);
	const rd_kafka_ConfigResource_t **resources;
	size_t count;

	if (event != NULL && rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return error_new(ERROR_TRANSIENT, "Kafka does not tell how the topics are configured: %s",
		                 rd_kafka_event_error_string(event));
	if (result == NULL)
		return error_new(ERROR_TRANSIENT, "Kafka does not tell how the topics are configured: no answer");
	resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
	for (size_t i = 0; i < count; i++)
		TRY(take(resources[i], context));
	return NULL;
}

struct error *source_describe_topics(struct source *source, const char *const *topics, size_t count, int32_t broker,
                                     int timeout_ms, take_topic_config take, void *context)
{
	rd_kafka_ConfigResource_t **resources = memory_alloc((count + 1) * sizeof(*resources));
	size_t made = make_resources(topics, count, resources);
	rd_kafka_event_t *event = NULL;
	struct error *error = NULL;

	if (made < count) {
		error =
		    error_new(ERROR_TRANSIENT, "Kafka's client cannot ask how topic %s is configured", topics[made]);
	} else {
		event = ask(source, resources, count, broker, timeout_ms);
		error = take_answer(event, take, context);
	}
	if (event != NULL)
		rd_kafka_event_destroy(event);
	rd_kafka_ConfigResource_destroy_array(resources, made);
	free(resources);
	return error;
}
