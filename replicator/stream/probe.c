/*
 * probe.c - see probe.h
 *
 * NOTES
 *   The probe is a source that never reads: it has the same client with the same properties and the same way to tell a
 *   refused login from a broker that is away, so that what check-config says holds for the daemon.
 */
#include "stream/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "stream/source_internal.h"

#define STEP_MS 500

/* Waits in steps, because what librdkafka has to say about a failing login comes only through rd_kafka_poll. */
static struct error *ask(struct source *source, int timeout_ms, const struct rd_kafka_metadata **metadata)
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

static int compare_topics(const void *a, const void *b)
{
	return strcmp(((const struct probe_topic *)a)->name, ((const struct probe_topic *)b)->name);
}

static void take_topics(const struct source *source, const struct rd_kafka_metadata *metadata, struct probe *probe)
{
	probe->topics_in_cluster = (size_t)metadata->topic_cnt;
	probe->topics = memory_alloc((probe->topics_in_cluster + 1) * sizeof(*probe->topics));
	for (int i = 0; i < metadata->topic_cnt; i++) {
		const struct rd_kafka_metadata_topic *topic = &metadata->topics[i];

		if (!topic_filter_matches(source->filter, topic->topic))
			continue;
		probe->topics[probe->topic_count++] = (struct probe_topic){
		    .name = memory_copy_text(topic->topic),
		    .partition_count = topic->partition_cnt,
		    .transaction_topic = topic_is_transaction_topic(source->config, topic->topic),
		};
	}
	qsort(probe->topics, probe->topic_count, sizeof(*probe->topics), compare_topics);
}

static struct error *look(struct source *source, int timeout_ms, struct probe *probe)
{
	const struct rd_kafka_metadata *metadata = NULL;
	char *id;

	TRY(topic_filter_new(source->config, &source->filter));
	TRY(source_make_consumer(source));
	TRY(ask(source, timeout_ms, &metadata));
	id = rd_kafka_clusterid(source->kafka, timeout_ms);
	*probe = (struct probe){.cluster_id = memory_copy_text(id == NULL ? "" : id)};
	if (id != NULL)
		rd_kafka_mem_free(source->kafka, id);
	take_topics(source, metadata, probe);
	rd_kafka_metadata_destroy(metadata);
	return NULL;
}

struct error *probe_cluster(const struct config *config, int timeout_ms, struct probe *probe)
{
	struct source *source = memory_alloc(sizeof(*source));
	struct error *error;

	source->config = config;
	source->disconnected_since_us = clock_monotonic_us();
	source->trouble.next_us = INT64_MAX; /* the caller tells what is wrong, once */
	error = look(source, timeout_ms, probe);
	if (source->kafka != NULL)
		rd_kafka_destroy_flags(source->kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	topic_filter_free(source->filter);
	error_free(source->failure);
	free(source);
	return error;
}

void probe_free(struct probe *probe)
{
	for (size_t i = 0; i < probe->topic_count; i++)
		free(probe->topics[i].name);
	free(probe->topics);
	free(probe->cluster_id);
	*probe = (struct probe){0};
}
