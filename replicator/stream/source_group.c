/*
 * source_group.c - the stream's offsets under its name as a consumer group, for tools that show lag.
 *
 * NOTES
 *   Nothing of ours reads them; where they cannot be written, nothing is lost, and only the debug log says so. A client of
 *   its own commits them: the consumer's would delay changes of the assignment while a commit is under way, and a group
 *   coordinator that does not answer would hold up new partitions. The administration request for it
 *   (rd_kafka_AlterConsumerGroupOffsets) is no way: librdkafka, from 2.0.2 to 2.15, aborts the process when the coordinator
 *   comes back after such a request ran out of time.
 */
#include "stream/source_internal.h"

static bool add_moved(struct source *source, rd_kafka_topic_partition_list_t *list)
{
	for (uint32_t i = 0; i < source->partition_count; i++) {
		struct source_partition *partition = source->partitions[i];
		const struct partition_name *name = partition_list_get(source->names, i);

		if (partition->handed_over <= partition->published)
			continue;
		rd_kafka_topic_partition_list_add(list, name->topic, name->id)->offset = partition->handed_over;
		partition->published = partition->handed_over;
	}
	return list->cnt > 0;
}

/* It is published again. */
static void not_published(struct source *source, const char *reason)
{
	log_debug("Kafka, offsets of group %s: %s", source->config->stream.name, reason);
	for (uint32_t i = 0; i < source->partition_count; i++)
		source->partitions[i]->published = -1;
}

static struct error *make_committer(struct source *source)
{
	if (source->committer == NULL) {
		TRY(source_make_committer(source));
		source->answers = rd_kafka_queue_new(source->committer);
	}
	return NULL;
}

void source_free_committer(struct source *source)
{
	if (source->committer == NULL)
		return;
	rd_kafka_queue_destroy(source->answers);
	rd_kafka_destroy_flags(source->committer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void publish(struct source *source, rd_kafka_topic_partition_list_t *list)
{
	struct error *error = make_committer(source);
	rd_kafka_resp_err_t code;

	if (error != NULL) {
		not_published(source, error->message);
		error_free(error);
		return;
	}
	code = rd_kafka_commit_queue(source->committer, list, source->answers, NULL, NULL);
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		source->group_asked = true;
	else
		not_published(source, rd_kafka_err2str(code));
}

void source_publish_offsets(struct source *source)
{
	rd_kafka_topic_partition_list_t *list;

	if (source->group_asked || source->keeps_quiet)
		return;
	list = rd_kafka_topic_partition_list_new(16);
	if (add_moved(source, list))
		publish(source, list);
	rd_kafka_topic_partition_list_destroy(list);
}

void source_take_answers(struct source *source)
{
	rd_kafka_event_t *event;

	while (source->group_asked && (event = rd_kafka_queue_poll(source->answers, 0)) != NULL) {
		if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
			not_published(source, rd_kafka_event_error_string(event));
		source->group_asked = false;
		rd_kafka_event_destroy(event);
	}
}
