/* probe.c - see probe.h */
#include "stream/probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "stream/source_internal.h"

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
	probe->alike = topic_filter_alike(source->filter, metadata);
	qsort(probe->topics, probe->topic_count, sizeof(*probe->topics), compare_topics);
}

static struct error *look(struct source *source, int timeout_ms, struct probe *probe)
{
	const struct rd_kafka_metadata *metadata = NULL;
	char *id;

	TRY(client_ask(source, timeout_ms, &metadata));
	id = rd_kafka_clusterid(source->kafka, timeout_ms);
	*probe = (struct probe){.cluster_id = memory_copy_text(id == NULL ? "" : id)};
	if (id != NULL)
		rd_kafka_mem_free(source->kafka, id);
	take_topics(source, metadata, probe);
	if (metadata->broker_cnt > 0)
		source->some_broker = metadata->brokers[0].id;
	rd_kafka_metadata_destroy(metadata);
	return NULL;
}

/* `closer` may be NULL. */
static struct error *probe_with(const struct config *config, int timeout_ms,
                                struct error *(*closer)(struct source *, int, struct probe *), struct probe *probe)
{
	struct source *source = NULL;
	struct error *error;

	TRY(client_new(config, &source));
	error = look(source, timeout_ms, probe);
	if (error == NULL && closer != NULL) {
		error = closer(source, timeout_ms, probe);
		if (error != NULL)
			probe_free(probe);
	}
	client_free(source);
	return error;
}

struct error *probe_cluster(const struct config *config, int timeout_ms, struct probe *probe)
{
	return probe_with(config, timeout_ms, NULL, probe);
}

struct error *probe_details(const struct config *config, int timeout_ms, struct probe *probe)
{
	return probe_with(config, timeout_ms, probe_look_closer, probe);
}

struct error *probe_retention(const struct config *config, int timeout_ms, int64_t *least_ms)
{
	struct probe probe;

	*least_ms = -1;
	TRY(probe_with(config, timeout_ms, probe_read_policies, &probe));
	for (size_t i = 0; i < probe.topic_count; i++) {
		const struct probe_topic *topic = &probe.topics[i];

		if (topic->policy_known && topic->retention_ms >= 0 &&
		    (*least_ms < 0 || topic->retention_ms < *least_ms))
			*least_ms = topic->retention_ms;
	}
	probe_free(&probe);
	return NULL;
}

void probe_free(struct probe *probe)
{
	for (size_t i = 0; i < probe->topic_count; i++) {
		free(probe->topics[i].name);
		free(probe->topics[i].partitions);
	}
	free(probe->topics);
	free(probe->cluster_id);
	free(probe->alike);
	*probe = (struct probe){0};
}
