/*
 * client.c - a source that never reads the stream: it looks at the cluster for people (probe.c, topics.c, peek.c).
 *
 * NOTES
 *   It has the same client with the same properties as the daemon's source, and the same way to tell a refused login
 *   from a broker that is away, so that what is found out with it holds for the daemon.
 */
#include "stream/source_internal.h"

#include <stdlib.h>

#include "base/memory.h"

#define STEP_MS 500

struct error *client_new(const struct config *config, struct source **created)
{
	struct source *source = memory_alloc(sizeof(*source));
	struct error *error;

	source->config = config;
	source->disconnected_since_us = clock_monotonic_us();
	source->trouble.next_us = INT64_MAX; /* the caller tells what is wrong, once */
	error = topic_filter_new(config, &source->filter);
	if (error == NULL)
		error = source_make_consumer(source);
	if (error != NULL) {
		client_free(source);
		return error;
	}
	*created = source;
	return NULL;
}

void client_free(struct source *source)
{
	if (source == NULL)
		return;
	if (source->kafka != NULL)
		rd_kafka_destroy_flags(source->kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	topic_filter_free(source->filter);
	error_free(source->failure);
	free(source->sasl_username);
	free(source->sasl_password);
	free(source);
}

/* Waits in steps, because what librdkafka has to say about a failing login comes only through rd_kafka_poll. */
struct error *client_ask(struct source *source, int timeout_ms, const struct rd_kafka_metadata **metadata)
{
	int64_t until = clock_monotonic_us() + (int64_t)timeout_ms * 1000;
	rd_kafka_resp_err_t code;

	do {
		code = rd_kafka_metadata(source->kafka, 1, NULL, metadata, STEP_MS);
		rd_kafka_poll(source->kafka, 0);
		if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
			return NULL;
		if (source->failure != NULL) {
			struct error *error = source->failure;

			source->failure = NULL;
			return error;
		}
	} while (clock_monotonic_us() < until);
	return error_new(ERROR_TRANSIENT, "Kafka at %s does not answer: %s", source->config->kafka.brokers,
	                 source->last_reason[0] != '\0' ? source->last_reason : rd_kafka_err2str(code));
}

struct error *client_watermarks(struct source *source, const char *topic, int32_t partition, int timeout_ms,
                                int64_t *low, int64_t *high)
{
	rd_kafka_resp_err_t code =
	    rd_kafka_query_watermark_offsets(source->kafka, topic, partition, low, high, timeout_ms);

	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return NULL;
	return error_new(ERROR_TRANSIENT, "topic %s, partition %d: Kafka does not tell its offsets: %s", topic,
	                 (int)partition, rd_kafka_err2str(code));
}
