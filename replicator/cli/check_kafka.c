/* check_kafka.c - the broker, and the topics of the stream. */
#include <stdio.h>

#include "cli/preflight.h"

#define PROBE_TIMEOUT_MS 10000

static void check_transaction_topic(struct preflight *preflight)
{
	const struct config *config = preflight->config;
	/* With topics named by the user, BEGIN and END may come in any of them (single-stream layout). */
	bool expected = config->kafka.topic_count == 0 || config->kafka.transaction_topic != NULL;
	bool found = false;

	for (size_t i = 0; i < preflight->probe.topic_count; i++) {
		const struct probe_topic *topic = &preflight->probe.topics[i];

		if (!topic->transaction_topic)
			continue;
		found = true;
		if (topic->partition_count > 1)
			preflight_problem(
			    preflight,
			    "the transaction topic %s has %d partitions, so the order of the transactions "
			    "is lost; make it again with one",
			    topic->name, topic->partition_count);
	}
	if (expected && !found)
		preflight_warning(preflight,
		                  "there is no transaction topic yet; it appears with the first transaction when the "
		                  "connector has provide.transaction.metadata=true. Without that, set transactions = "
		                  "\"off\"");
}

static void check_topics(struct preflight *preflight)
{
	const struct config *config = preflight->config;

	if (preflight->probe.topic_count == 0 && preflight->probe.alike != NULL)
		preflight_problem(
		    preflight,
		    "none of the %zu topics there belongs to the stream, but %s begin with its prefix: if these "
		    "are the connector's, its topic.delimiter, its topic.naming.strategy or a transform gives "
		    "them other names; name them in kafka.topics",
		    preflight->probe.topics_in_cluster, preflight->probe.alike);
	else if (preflight->probe.topic_count == 0)
		preflight_warning(preflight,
		                  "none of the %zu topics there belongs to the stream (%s); start the connector, or "
		                  "correct kafka.topic_prefix or kafka.topics",
		                  preflight->probe.topics_in_cluster,
		                  config->kafka.topic_count == 0 ? config->kafka.topic_prefix
		                                                 : config->kafka.topics[0]);
	else if (config->stream.transactions == TRANSACTIONS_ON)
		check_transaction_topic(preflight);
}

/* Without metadata a TRUNCATE, which comes in any one partition, has no place among the rows of the others. */
static void check_truncates(struct preflight *preflight)
{
	for (size_t i = 0; i < preflight->probe.topic_count; i++) {
		const struct probe_topic *topic = &preflight->probe.topics[i];

		if (preflight->config->stream.transactions == TRANSACTIONS_OFF && topic->partition_count > 1)
			preflight_warning(
			    preflight,
			    "topic %s has %d partitions and transactions is \"off\": the place of a TRUNCATE "
			    "among the rows is lost; set truncate = \"ignore\" for its table, or use one "
			    "partition",
			    topic->name, topic->partition_count);
	}
}

void check_kafka(struct preflight *preflight)
{
	struct error *error = check_events(preflight, PROBE_TIMEOUT_MS);

	if (error != NULL) {
		preflight_error(preflight, error);
		return;
	}
	preflight->probed = true;
	printf("  %s, cluster %s: %zu topics of the stream\n", preflight->config->kafka.brokers,
	       preflight->probe.cluster_id, preflight->probe.topic_count);
	check_topics(preflight);
	check_truncates(preflight);
}
