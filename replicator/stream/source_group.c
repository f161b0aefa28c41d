/*
 * source_group.c - the stream's offsets under its name as a consumer group, for tools that show lag.
 *
 * NOTES
 *   Nothing of ours reads them; where they cannot be written, nothing is lost, and only the debug log says so. They are
 *   written by the administration request, not by rd_kafka_commit: librdkafka delays changes of the assignment while a
 *   commit is under way, and a group coordinator that does not answer would hold up new partitions.
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

void source_publish_offsets(struct source *source)
{
	rd_kafka_topic_partition_list_t *list;

	if (source->group_asked || source->keeps_quiet)
		return;
	list = rd_kafka_topic_partition_list_new(16);
	if (add_moved(source, list)) {
		rd_kafka_AlterConsumerGroupOffsets_t *request =
		    rd_kafka_AlterConsumerGroupOffsets_new(source->config->stream.name, list);

		rd_kafka_AlterConsumerGroupOffsets(source->kafka, &request, 1, NULL, source->answers);
		rd_kafka_AlterConsumerGroupOffsets_destroy(request);
		source->group_asked = true;
	}
	rd_kafka_topic_partition_list_destroy(list);
}

void source_take_answers(struct source *source)
{
	rd_kafka_event_t *event;

	while ((event = rd_kafka_queue_poll(source->answers, 0)) != NULL) {
		if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
			log_debug("Kafka, offsets of group %s: %s", source->config->stream.name,
			          rd_kafka_event_error_string(event));
		source->group_asked = false;
		rd_kafka_event_destroy(event);
	}
}
