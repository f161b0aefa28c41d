/*
 * topics.c - `replicator topics`: the stream's topics in Kafka, what they hold, how far the target is behind in each,
 * and whether somebody still writes to them.
 *
 * NOTES
 *   The lag is counted from the offsets in the target, so it needs no daemon. The size is an estimate from the newest
 *   messages: librdkafka cannot ask how much of its disks a broker uses.
 */
#include "cli/command.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_code.h"
#include "base/memory.h"
#include "connect/connector.h"
#include "pg/connection.h"
#include "stream/probe.h"
#include "target/checkpoint.h"

#define TIMEOUT_MS 10000

struct topics {
	struct probe probe;
	struct checkpoint checkpoint;
	char *target_problem; /* why the offsets are not known, or NULL */
	struct connector_status connector;
	char *connector_problem; /* likewise; "" when Connect is not configured */
};

/* Sums over the partitions of a topic. */
struct sums {
	int64_t messages;
	int64_t bytes; /* an estimate; -1: not known */
	int64_t lag;   /* -1: not known */
	int64_t gone;  /* messages that Kafka removed before they were applied */
};

static int64_t next_offset(const struct checkpoint *checkpoint, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < checkpoint->offset_count; i++)
		if (checkpoint->offsets[i].partition == partition && strcmp(checkpoint->offsets[i].topic, topic) == 0)
			return checkpoint->offsets[i].next_offset;
	return -1; /* not read yet: from its beginning */
}

static struct sums sum(const struct topics *topics, const struct probe_topic *topic)
{
	struct sums sums = {.bytes = -1};

	for (int32_t i = 0; i < topic->partition_count; i++) {
		const struct probe_partition *partition = &topic->partitions[i];
		int64_t next = next_offset(&topics->checkpoint, topic->name, i);

		sums.messages += partition->high - partition->low;
		if (next < 0)
			next = partition->low;
		if (next < partition->low)
			sums.gone += partition->low - next;
		sums.lag += partition->high > next ? partition->high - next : 0;
	}
	if (topic->sampled_messages > 0)
		sums.bytes =
		    (int64_t)((double)topic->sampled_bytes / (double)topic->sampled_messages * (double)sums.messages);
	else if (sums.messages == 0)
		sums.bytes = 0;
	if (topics->target_problem != NULL)
		sums.lag = -1;
	return sums;
}

static struct error *read_offsets(const struct config *config, struct topics *topics)
{
	struct pg_connection *connection = NULL;
	struct error *error = pg_connect(config->target.dsn, "replicator topics", &connection);

	if (error == NULL)
		error = checkpoint_check_schema(connection, config->target.schema);
	if (error == NULL)
		error = checkpoint_read(connection, config, &topics->checkpoint);
	pg_disconnect(connection);
	return error;
}

static char *take_text(struct error *error)
{
	char *text = error == NULL ? NULL : memory_copy_text(error->message);

	error_free(error);
	return text;
}

/* Only Kafka must answer; what the others do not tell is said. */
static struct error *read_all(const struct config *config, struct topics *topics)
{
	TRY(probe_details(config, TIMEOUT_MS, &topics->probe));
	topics->target_problem = take_text(read_offsets(config, topics));
	if (config->connect.url == NULL || config->connect.connector == NULL)
		topics->connector_problem = memory_copy_text("");
	else
		topics->connector_problem =
		    take_text(connector_read_status(config, config->connect.connector, TIMEOUT_MS, &topics->connector));
	return NULL;
}

static const char *bytes_text(int64_t bytes, char *text, size_t size)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 0)
		return "?";
	for (; value >= 10000 && unit + 1 < sizeof(units) / sizeof(*units); unit++)
		value /= 1000;
	snprintf(text, size, "%s%.0f %s", unit > 0 || bytes > 0 ? "~" : "", value, units[unit]);
	return text;
}

static const char *retention_text(const struct probe_topic *topic, char *text, size_t size)
{
	char bytes[32];
	int length = 0;

	if (!topic->policy_known)
		return "?";
	if (topic->compacted)
		return "COMPACTED: events get lost";
	if (topic->retention_ms >= 0)
		length = snprintf(text, size, "%.1f h", (double)topic->retention_ms / 3600000);
	if (topic->retention_bytes >= 0)
		snprintf(text + length, size - (size_t)length, "%s%s", length > 0 ? ", " : "",
		         bytes_text(topic->retention_bytes, bytes, sizeof(bytes)));
	return topic->retention_ms < 0 && topic->retention_bytes < 0 ? "for ever" : text;
}

static void print_topic(const struct topics *topics, const struct probe_topic *topic, int width)
{
	struct sums sums = sum(topics, topic);
	char size[32], lag[32] = "?", retention[80];

	if (sums.lag >= 0)
		snprintf(lag, sizeof(lag), "%" PRId64, sums.lag);
	printf("%-*s  %10d  %10" PRId64 "  %9s  %10s  %s%s\n", width, topic->name, (int)topic->partition_count,
	       sums.messages, bytes_text(sums.bytes, size, sizeof(size)), lag,
	       retention_text(topic, retention, sizeof(retention)), topic->transaction_topic ? "  (transactions)" : "");
	if (sums.gone > 0)
		printf("  %" PRId64 " messages of it are gone from Kafka and were not applied: the stream stops there "
		       "(`replicator accept gap`)\n",
		       sums.gone);
}

static void print_connector(const struct config *config, const struct topics *topics)
{
	const char *reason = connector_reason(&topics->connector);

	if (topics->connector_problem == NULL)
		printf("connector %s: %s%s%s\n", config->connect.connector, connector_worst_state(&topics->connector),
		       reason != NULL ? ": " : "", reason != NULL ? reason : "");
	else if (*topics->connector_problem != '\0')
		printf("connector %s: not known: %s\n", config->connect.connector, topics->connector_problem);
	else
		puts("connector: not known: connect.url and connect.connector are not set");
}

static void print_text(const struct config *config, const struct topics *topics)
{
	int width = 5;

	for (size_t i = 0; i < topics->probe.topic_count; i++) {
		int length = (int)strlen(topics->probe.topics[i].name);

		width = length > width ? length : width;
	}
	printf("%-*s  %10s  %10s  %9s  %10s  %s\n", width, "topic", "partitions", "messages", "size", "lag",
	       "retention");
	for (size_t i = 0; i < topics->probe.topic_count; i++)
		print_topic(topics, &topics->probe.topics[i], width);
	if (topics->probe.topic_count == 0)
		printf("none of the %zu topics there belongs to the stream\n", topics->probe.topics_in_cluster);
	if (topics->target_problem != NULL)
		printf("lag not known: %s\n", topics->target_problem);
	print_connector(config, topics);
}

static json_t *count_or_null(int64_t count)
{
	return count < 0 ? json_null() : json_integer(count);
}

static json_t *topic_json(const struct topics *topics, const struct probe_topic *topic)
{
	struct sums sums = sum(topics, topic);
	json_t *root = json_object();
	json_t *partitions = json_array();

	for (int32_t i = 0; i < topic->partition_count; i++)
		json_array_append_new(partitions,
		                      json_pack("{s:i,s:I,s:I,s:o}", "partition", (int)i, "low",
		                                (json_int_t)topic->partitions[i].low, "high",
		                                (json_int_t)topic->partitions[i].high, "next_offset",
		                                count_or_null(next_offset(&topics->checkpoint, topic->name, i))));
	json_object_set_new(root, "topic", json_string(topic->name));
	json_object_set_new(root, "transaction_topic", json_boolean(topic->transaction_topic));
	json_object_set_new(root, "messages", json_integer(sums.messages));
	json_object_set_new(root, "estimated_bytes", count_or_null(sums.bytes));
	json_object_set_new(root, "lag", count_or_null(sums.lag));
	json_object_set_new(root, "gone", json_integer(sums.gone));
	json_object_set_new(root, "retention_ms", count_or_null(topic->policy_known ? topic->retention_ms : -1));
	json_object_set_new(root, "retention_bytes", count_or_null(topic->policy_known ? topic->retention_bytes : -1));
	json_object_set_new(root, "compacted", json_boolean(topic->compacted));
	json_object_set_new(root, "partitions", partitions);
	return root;
}

static void print_json(const struct config *config, const struct topics *topics)
{
	json_t *root = json_object();
	json_t *list = json_array();

	for (size_t i = 0; i < topics->probe.topic_count; i++)
		json_array_append_new(list, topic_json(topics, &topics->probe.topics[i]));
	json_object_set_new(root, "cluster_id", json_string(topics->probe.cluster_id));
	json_object_set_new(root, "topics", list);
	json_object_set_new(root, "target_error",
	                    topics->target_problem == NULL ? json_null() : json_string(topics->target_problem));
	json_object_set_new(root, "connector",
	                    config->connect.connector == NULL ? json_null() : json_string(config->connect.connector));
	json_object_set_new(root, "connector_state",
	                    topics->connector_problem != NULL ? json_null()
	                                                      : json_string(connector_worst_state(&topics->connector)));
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}

int command_topics(const struct invocation *invocation)
{
	bool json = false;
	const struct command_option options[] = {{"--json", &json, NULL}, {0}};
	struct topics topics = {0};
	struct config *config;
	struct error *error;
	int code;

	config = command_prepare(invocation, options, &code);
	if (config == NULL)
		return code;
	error = read_all(config, &topics);
	if (error == NULL && json)
		print_json(config, &topics);
	else if (error == NULL)
		print_text(config, &topics);
	probe_free(&topics.probe);
	checkpoint_free(&topics.checkpoint);
	connector_status_free(&topics.connector);
	free(topics.target_problem);
	free(topics.connector_problem);
	config_free(config);
	return error == NULL ? EXIT_OK : command_fail(error);
}
