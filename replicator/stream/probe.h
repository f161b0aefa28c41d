/*
 * probe.h - one look at the Kafka cluster, for people: is it there, which topics of the stream does it have.
 * Thread: any one; makes a client of its own and gives it back.
 */
#ifndef REPLICATOR_STREAM_PROBE_H
#define REPLICATOR_STREAM_PROBE_H

#include "config/config.h"
#include "event/decoder.h"
#include "stream/partition.h"

#include <stddef.h>
#include <stdint.h>

struct probe_partition {
	int64_t low;  /* the first offset that Kafka holds */
	int64_t high; /* of the next message to be written */
};

struct probe_topic {
	char *name;
	int32_t partition_count;
	bool transaction_topic;
	/* Of probe_details. */
	struct probe_partition *partitions; /* partition_count */
	uint64_t sampled_messages;          /* of the newest ones, up to a few for each partition */
	uint64_t sampled_bytes;             /* of their keys and values */
	bool policy_known;                  /* the broker told what follows */
	int64_t retention_ms;               /* retention.ms; -1: without end */
	int64_t retention_bytes;            /* of each partition; -1: without bound */
	bool compacted;
};

struct probe {
	char *cluster_id;
	struct probe_topic *topics; /* those that the stream would read, by name */
	size_t topic_count;
	size_t topics_in_cluster;
	char *alike; /* names that begin with the prefix, though the stream does not read them; NULL: none */
};

/*
 * Asks for the cluster's topics; waits up to timeout_ms. `*probe` is filled (probe_free it) or untouched.
 * Errors: ERROR_TRANSIENT when no broker answers, ERROR_AUTHENTICATION, ERROR_CONFIGURATION (kafka.properties).
 */
struct error *probe_cluster(const struct config *config, int timeout_ms, struct probe *probe);

/* Called for each message of a sample, which is valid during the call; its partition's number is of the list. */
struct probe_sample {
	void (*show)(void *context, const struct raw_message *message);
	void *context;
	struct partition_list *names;
};

/*
 * The same, and the offsets, retention and a sample of each topic. (How much space Kafka uses on its disks is nothing
 * that librdkafka can ask; the sample is for an estimate.)
 */
struct error *probe_details(const struct config *config, int timeout_ms, struct probe *probe);

/* The topics, their offsets and a sample, of which each message is shown. */
struct error *probe_messages(const struct config *config, int timeout_ms, const struct probe_sample *sample,
                             struct probe *probe);

/* What Kafka removes of the stream's topics. */
struct probe_policies {
	bool known;                /* a broker answered; else the rest says nothing */
	int64_t retention_ms;      /* the shortest of the topics; -1: no limit */
	unsigned compacted;        /* topics whose cleanup.policy is compact, or contains it */
	char compacted_names[320]; /* the first of them, as text for messages */
};

/* Errors as of probe_cluster. */
struct error *probe_policies(const struct config *config, int timeout_ms, struct probe_policies *policies);
void probe_free(struct probe *probe); /* what it holds, not the struct */

#endif
