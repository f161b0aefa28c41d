/* probe.c - see probe.h */
#include "stream/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "stream/source_internal.h"

#define MOST_COMPACTED_NAMED 3

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

typedef struct error *look_closer(struct source *source, int timeout_ms, const struct probe_sample *sample,
                                  struct probe *probe);

/* `closer` may be NULL. */
static struct error *probe_with(const struct config *config, int timeout_ms, look_closer *closer,
                                const struct probe_sample *sample, struct probe *probe)
{
	struct source *source = NULL;
	struct error *error;

	TRY(client_new(config, &source));
	error = look(source, timeout_ms, probe);
	if (error == NULL && closer != NULL) {
		error = closer(source, timeout_ms, sample, probe);
		if (error != NULL)
			probe_free(probe);
	}
	client_free(source);
	return error;
}

struct error *probe_cluster(const struct config *config, int timeout_ms, struct probe *probe)
{
	return probe_with(config, timeout_ms, NULL, NULL, probe);
}

struct error *probe_details(const struct config *config, int timeout_ms, struct probe *probe)
{
	return probe_with(config, timeout_ms, probe_look_closer, NULL, probe);
}

struct error *probe_messages(const struct config *config, int timeout_ms, const struct probe_sample *sample,
                             struct probe *probe)
{
	return probe_with(config, timeout_ms, probe_read_messages, sample, probe);
}

static void add_compacted(struct probe_policies *policies, const char *topic)
{
	char *names = policies->compacted_names;
	size_t length = strlen(names), room = sizeof(policies->compacted_names) - length;

	if (policies->compacted++ < MOST_COMPACTED_NAMED)
		snprintf(names + length, room, "%s%s", length > 0 ? ", " : "", topic);
	else if (policies->compacted == MOST_COMPACTED_NAMED + 1)
		snprintf(names + length, room, " and others");
}

static void add_policy(struct probe_policies *policies, const struct probe_topic *topic)
{
	policies->known = true;
	if (topic->retention_ms >= 0 && (policies->retention_ms < 0 || topic->retention_ms < policies->retention_ms))
		policies->retention_ms = topic->retention_ms;
	if (topic->compacted)
		add_compacted(policies, topic->name);
}

struct error *probe_policies(const struct config *config, int timeout_ms, struct probe_policies *policies)
{
	struct probe probe;

	*policies = (struct probe_policies){.retention_ms = -1};
	TRY(probe_with(config, timeout_ms, probe_read_policies, NULL, &probe));
	for (size_t i = 0; i < probe.topic_count; i++)
		if (probe.topics[i].policy_known)
			add_policy(policies, &probe.topics[i]);
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
