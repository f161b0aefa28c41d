/*
 * source_topics.c - which topics belong to the stream, and what the cluster has of them.
 */
#include "stream/source_internal.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <regex.h>
#include <stdlib.h>

#define MOST_ALIKE 3

struct topic_pattern {
	bool is_regex;
	regex_t regex;
	const char *text;
};

struct topic_filter {
	struct topic_pattern *patterns; /* none: all topics that begin with the prefix and a dot */
	size_t count;
	const char *prefix;
	const char *transaction_topic; /* where the user named one */
	char *text;
};

static struct error *pattern_compile(struct topic_pattern *pattern, const char *text)
{
	char reason[256];
	int result;

	pattern->text = text;
	if (text[0] != '^')
		return NULL;
	result = regcomp(&pattern->regex, text, REG_EXTENDED | REG_NOSUB);
	if (result != 0) {
		regerror(result, &pattern->regex, reason, sizeof(reason));
		return error_new(ERROR_CONFIGURATION, "kafka.topics: %s is not a regular expression: %s", text, reason);
	}
	pattern->is_regex = true;
	return NULL;
}

static char *describe(const struct config *config)
{
	struct buffer text = {0};

	if (config->kafka.topic_count == 0)
		buffer_append_format(&text, "%s.*", config->kafka.topic_prefix);
	for (size_t i = 0; i < config->kafka.topic_count; i++)
		buffer_append_format(&text, "%s%s", i == 0 ? "" : ", ", config->kafka.topics[i]);
	return buffer_steal(&text);
}

struct error *topic_filter_new(const struct config *config, struct topic_filter **result)
{
	struct topic_filter *filter = memory_alloc(sizeof(*filter));

	filter->prefix = config->kafka.topic_prefix;
	filter->transaction_topic = config->kafka.transaction_topic;
	filter->text = describe(config);
	filter->patterns = memory_alloc((config->kafka.topic_count + 1) * sizeof(*filter->patterns));
	for (size_t i = 0; i < config->kafka.topic_count; i++) {
		struct error *error = pattern_compile(&filter->patterns[i], config->kafka.topics[i]);

		filter->count++;
		if (error != NULL) {
			topic_filter_free(filter);
			return error;
		}
	}
	*result = filter;
	return NULL;
}

void topic_filter_free(struct topic_filter *filter)
{
	if (filter == NULL)
		return;
	for (size_t i = 0; i < filter->count; i++)
		if (filter->patterns[i].is_regex)
			regfree(&filter->patterns[i].regex);
	free(filter->patterns);
	free(filter->text);
	free(filter);
}

const char *topic_filter_text(const struct topic_filter *filter)
{
	return filter->text;
}

bool topic_filter_matches(const struct topic_filter *filter, const char *topic)
{
	size_t prefix_length = filter->prefix == NULL ? 0 : strlen(filter->prefix);

	if (filter->transaction_topic != NULL && strcmp(topic, filter->transaction_topic) == 0)
		return true;
	if (filter->count == 0)
		return prefix_length > 0 && strncmp(topic, filter->prefix, prefix_length) == 0 &&
		       topic[prefix_length] == '.';
	for (size_t i = 0; i < filter->count; i++) {
		const struct topic_pattern *pattern = &filter->patterns[i];

		if (pattern->is_regex ? regexec(&pattern->regex, topic, 0, NULL, 0) == 0
		                      : strcmp(pattern->text, topic) == 0)
			return true;
	}
	return false;
}

char *topic_filter_alike(const struct topic_filter *filter, const struct rd_kafka_metadata *metadata)
{
	struct buffer text = {0};
	size_t count = 0;

	for (int i = 0; i < metadata->topic_cnt && filter->prefix != NULL && filter->prefix[0] != '\0'; i++) {
		const char *topic = metadata->topics[i].topic;
		const char *rest = topic + strlen(filter->prefix);

		/* shop_public_users, but not shop2.public.users or shop_eu.public.users of other streams */
		if (strncmp(topic, filter->prefix, strlen(filter->prefix)) == 0 && (*rest == '_' || *rest == '-') &&
		    strchr(rest, '.') == NULL && !topic_filter_matches(filter, topic) && count++ < MOST_ALIKE)
			buffer_append_format(&text, "%s%s", count > 1 ? ", " : "", topic);
	}
	return count == 0 ? NULL : buffer_steal(&text);
}

bool topic_filter_wants_transaction_topic(const struct topic_filter *filter)
{
	struct buffer name = {0};
	bool wants;

	if (filter->transaction_topic != NULL)
		return true;
	if (filter->prefix == NULL)
		return false;
	buffer_append_format(&name, "%s.transaction", filter->prefix);
	wants = topic_filter_matches(filter, name.data);
	buffer_free(&name);
	return wants;
}

bool topic_is_transaction_topic(const struct config *config, const char *topic)
{
	size_t prefix_length;

	if (config->kafka.transaction_topic != NULL)
		return strcmp(topic, config->kafka.transaction_topic) == 0;
	prefix_length = config->kafka.topic_prefix == NULL ? 0 : strlen(config->kafka.topic_prefix);
	return prefix_length > 0 && strncmp(topic, config->kafka.topic_prefix, prefix_length) == 0 &&
	       strcmp(topic + prefix_length, ".transaction") == 0;
}

/*
 * What was read of a deleted topic goes to the target before another of its name is read: its offsets begin at 0. A
 * partition without a leader cannot be read yet, but transactions wait for it.
 */
static bool can_be_read(struct source *source, const char *topic, const struct rd_kafka_metadata_partition *found)
{
	uint32_t number = partition_list_add(source->names, topic, found->id);
	const struct source_partition *partition = source_partition(source, number);

	if (partition->assigned || (partition->dropped && !assembler_partition_is_drained(source->assembler, number)))
		return false;
	if (found->leader < 0 && !partition->dropped)
		source_expect(source, number, source_stored_offset(source, number));
	return found->leader >= 0;
}

static struct error *add_topic(struct source *source, const struct rd_kafka_metadata_topic *topic,
                               rd_kafka_topic_partition_list_t *found)
{
	if (topic->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		log_debug("Kafka, topic %s: %s", topic->topic, rd_kafka_err2str(topic->err));
		return NULL;
	}
	if (topic->partition_cnt > 1 && source->config->stream.transactions == TRANSACTIONS_ON &&
	    topic_is_transaction_topic(source->config, topic->topic))
		return error_new(
		    ERROR_CONFIGURATION,
		    "the transaction topic %s has %d partitions, so the order of the transactions is lost; "
		    "make it with one partition",
		    topic->topic, topic->partition_cnt);
	for (int i = 0; i < topic->partition_cnt; i++)
		if (can_be_read(source, topic->topic, &topic->partitions[i])) {
			rd_kafka_topic_partition_list_add(found, topic->topic, topic->partitions[i].id);
			source->some_broker = topic->partitions[i].leader;
		}
	return NULL;
}

struct error *source_find_partitions(struct source *source, int timeout_ms, rd_kafka_topic_partition_list_t *found)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t code = rd_kafka_metadata(source->kafka, 1, NULL, &metadata, timeout_ms);
	struct error *error = NULL;
	bool lacks = source->config->stream.transactions == TRANSACTIONS_ON &&
	             topic_filter_wants_transaction_topic(source->filter);

	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return error_new(ERROR_TRANSIENT, "asking for the topics: %s", rd_kafka_err2str(code));
	source_note_metadata(source, metadata);
	for (int i = 0; i < metadata->topic_cnt && error == NULL; i++) {
		const char *topic = metadata->topics[i].topic;

		if (!topic_filter_matches(source->filter, topic))
			continue;
		lacks = lacks && !topic_is_transaction_topic(source->config, topic);
		error = add_topic(source, &metadata->topics[i], found);
	}
	source->lacks_transaction_topic = lacks;
	free(source->alike);
	source->alike =
	    source->assigned_count == 0 && found->cnt == 0 ? topic_filter_alike(source->filter, metadata) : NULL;
	rd_kafka_metadata_destroy(metadata);
	return error;
}
