/*
 * probe.h - one look at the Kafka cluster, for people: is it there, which topics of the stream does it have.
 * Thread: any one; makes a client of its own and gives it back.
 */
#ifndef REPLICATOR_STREAM_PROBE_H
#define REPLICATOR_STREAM_PROBE_H

#include "config/config.h"

#include <stddef.h>
#include <stdint.h>

struct probe_topic {
	char *name;
	int32_t partition_count;
	bool transaction_topic;
};

struct probe {
	char *cluster_id;
	struct probe_topic *topics; /* those that the stream would read, by name */
	size_t topic_count;
	size_t topics_in_cluster;
};

/*
 * Asks for the cluster's topics; waits up to timeout_ms. `*probe` is filled (probe_free it) or untouched.
 * Errors: ERROR_TRANSIENT when no broker answers, ERROR_AUTHENTICATION, ERROR_CONFIGURATION (kafka.properties).
 */
struct error *probe_cluster(const struct config *config, int timeout_ms, struct probe *probe);
void probe_free(struct probe *probe); /* what it holds, not the struct */

#endif
