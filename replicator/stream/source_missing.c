/*
 * source_missing.c - partitions that cannot be read now: without a leader, not in the cluster's metadata, not allowed.
 *
 * NOTES
 *   Each look at the metadata notes for each partition who leads it. A partition without a leader is waited for; the
 *   others are read meanwhile.
 *
 *   Metadata of all topics leaves out topics that the user may not see, and a broker that has just started may know few
 *   topics. So a partition that is absent from several answers in a row is asked for by the name of its topic, and only
 *   the answer "unknown topic" counts as deleted. Then
 *     - a partition that was read to its end is dropped with a warning. Its position becomes 0: a topic that is created
 *       again with this name is read from its beginning. Should the topic have received events between the last fetch
 *       and its deletion, the counts of their transactions' ENDs are not met, and the stream stops with a gap
 *       (assembler_counts.c). Without transaction metadata, and while a snapshot is read, nothing counts: a gap at once;
 *     - any other partition, also one that was deleted while the daemon did not run, held events that nobody can read
 *       any more, or may have: a gap (law 4).
 *   A partition that was away and is there again, with the next offset to read, is doubted: at its next record the stream
 *   begins anew, and source_prove.c finds out.
 *   What was fetched before the deletion is still in librdkafka's queue, so nothing is judged before that was empty.
 *
 * Source: Kafka protocol guide, Metadata.
 */
#include "stream/source_internal.h"

#include "base/buffer.h"

#define LOOKS_BEFORE_ASKING 3
#define ABSENT_BEFORE_ASKING_US 2000000
#define LOOK_AGAIN_US 500000
#define SAID_AFTER_US 2000000
#define MOST_NAMED 3

/* At the start: what the checkpoint has offsets of is waited for, until it is found or known to be deleted. */
void source_expect_stored(struct source *source)
{
	for (size_t i = 0; i < source->start->offset_count && !source->other_cluster; i++) {
		const struct checkpoint_offset *stored = &source->start->offsets[i];

		if (stored->next_offset > 0 && topic_filter_matches(source->filter, stored->topic))
			source_expect(source, partition_list_add(source->names, stored->topic, stored->partition),
			              stored->next_offset);
	}
}

void source_expect(struct source *source, uint32_t number, int64_t next_offset)
{
	struct source_partition *partition = source_partition(source, number);

	if (partition->expected)
		return;
	partition->expected = true;
	assembler_add_partition(source->assembler, number, next_offset);
	if (source->start->accept_gap)
		assembler_accept_gap(source->assembler, number, INT64_MAX); /* the word holds until it is judged */
}

static void note_topic(struct source *source, const struct rd_kafka_metadata_topic *topic)
{
	for (int i = 0; i < topic->partition_cnt; i++) {
		uint32_t number = partition_list_add(source->names, topic->topic, topic->partitions[i].id);
		struct source_partition *partition = source_partition(source, number);

		partition->seen = true;
		partition->leader = topic->partitions[i].leader;
	}
}

static bool is_away(enum partition_trouble trouble)
{
	return trouble == PARTITION_ABSENT || trouble == PARTITION_DENIED;
}

static void set_trouble(struct source_partition *partition, enum partition_trouble trouble)
{
	if (partition->trouble == trouble)
		return;
	/* It is back. While it is away, what was fetched before is taken without doubt. */
	partition->doubted |= is_away(partition->trouble) && !is_away(trouble) && partition->assigned;
	if (partition->trouble == PARTITION_GOOD || trouble == PARTITION_GOOD)
		partition->trouble_us = clock_monotonic_us();
	partition->trouble = trouble;
	partition->trouble_said = false;
}

static bool is_wanted(const struct source_partition *partition)
{
	return partition->assigned || partition->expected;
}

void source_note_metadata(struct source *source, const struct rd_kafka_metadata *metadata)
{
	for (uint32_t i = 0; i < source->partition_count; i++)
		source->partitions[i]->seen = false;
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (topic_filter_matches(source->filter, metadata->topics[i].topic))
			note_topic(source, &metadata->topics[i]);
	for (uint32_t i = 0; i < source->partition_count; i++) {
		struct source_partition *partition = source->partitions[i];

		partition->absences = partition->seen ? 0 : partition->absences + 1;
		if (!partition->seen)
			partition->leader = -1;
		if (!is_wanted(partition) || (partition->seen && partition->leader >= 0))
			set_trouble(partition, PARTITION_GOOD);
		else if (partition->seen)
			set_trouble(partition, PARTITION_WITHOUT_LEADER);
		else if (partition->trouble != PARTITION_DENIED)
			set_trouble(partition, PARTITION_ABSENT);
	}
}

/* What the cluster says of one topic; __TIMED_OUT and others: nothing. *partitions: how many it has. */
static rd_kafka_resp_err_t ask_by_name(struct source *source, const char *topic, int timeout_ms, int *partitions)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_topic_t *handle = rd_kafka_topic_new(source->kafka, topic, NULL);
	rd_kafka_resp_err_t code;

	*partitions = 0;
	if (handle == NULL)
		return rd_kafka_last_error();
	code = rd_kafka_metadata(source->kafka, 0, handle, &metadata, timeout_ms);
	rd_kafka_topic_destroy(handle);
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return code;
	code = RD_KAFKA_RESP_ERR__FAIL;
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (strcmp(metadata->topics[i].topic, topic) == 0) {
			code = metadata->topics[i].err;
			*partitions = metadata->topics[i].partition_cnt;
		}
	rd_kafka_metadata_destroy(metadata);
	return code;
}

static struct error *deleted_gap(const struct source *source, uint32_t number)
{
	const struct source_partition *partition = source->partitions[number];
	const struct partition_name *name = partition_list_get(source->names, number);

	if (partition->assigned && partition->high > partition->next_offset)
		return error_new(
		    ERROR_GAP,
		    "%s[%d]: the topic was deleted before it was read to its end: the next offset to read is %lld, and "
		    "Kafka held events up to offset %lld; " WAYS_OUT,
		    name->topic, (int)name->id, (long long)partition->next_offset, (long long)partition->high - 1);
	return error_new(
	    ERROR_GAP,
	    "%s[%d]: the topic does not exist any more, and events after offset %lld may have been in it; " WAYS_OUT,
	    name->topic, (int)name->id,
	    (long long)(partition->assigned ? partition->next_offset : source_stored_offset(source, number)) - 1);
}

/* Events that were lost with the topic would be missed: by the counts of their transaction. */
static bool loss_would_show(const struct source *source)
{
	return source->config->stream.transactions == TRANSACTIONS_ON && !assembler_snapshot_is_open(source->assembler);
}

/* The partition is no longer one of the stream. */
static struct error *drop(struct source *source, uint32_t number)
{
	struct source_partition *partition = source->partitions[number];
	const struct partition_name *name = partition_list_get(source->names, number);

	if (partition->assigned && partition->at_end && loss_would_show(source)) {
		log_warning("%s[%d]: the topic was deleted; it was read up to its end, offset %lld, as far as is known",
		            name->topic, (int)name->id, (long long)partition->next_offset - 1);
	} else {
		struct error *error = deleted_gap(source, number);

		if (partition->assigned || !source_accepts(source, error))
			return error;
	}
	if (partition->assigned)
		source_stop_reading(source, number);
	partition->expected = false;
	partition->dropped = true;
	set_trouble(partition, PARTITION_GOOD);
	assembler_drop_partition(source->assembler, number);
	return NULL;
}

struct error *source_judge_absent(struct source *source, int timeout_ms)
{
	int64_t now = clock_monotonic_us();
	const char *asked = NULL;
	rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
	int partitions = 0;

	for (uint32_t i = 0; i < source->partition_count; i++) {
		struct source_partition *partition = source->partitions[i];
		const struct partition_name *name = partition_list_get(source->names, i);

		if (partition->trouble != PARTITION_ABSENT && partition->trouble != PARTITION_DENIED)
			continue;
		if (partition->trouble == PARTITION_ABSENT && source->next_discovery_us != 0)
			source->next_discovery_us = now + LOOK_AGAIN_US;
		if (partition->absences < LOOKS_BEFORE_ASKING ||
		    now - partition->trouble_us < ABSENT_BEFORE_ASKING_US ||
		    (partition->assigned && source->last_empty_us < partition->trouble_us))
			continue;
		if (asked == NULL || strcmp(asked, name->topic) != 0)
			code = ask_by_name(source, name->topic, timeout_ms, &partitions);
		asked = name->topic;
		if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
			set_trouble(partition, PARTITION_DENIED);
		else if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
		         (code == RD_KAFKA_RESP_ERR_NO_ERROR && name->id >= partitions))
			TRY(drop(source, i));
	}
	return NULL;
}

bool source_any_deleted(const struct source *source)
{
	for (uint32_t i = 0; i < source->partition_count; i++)
		if (source->partitions[i]->lingers || source->partitions[i]->trouble == PARTITION_ABSENT)
			return true;
	return false;
}

/* What is told to people. */

static const char *trouble_text(enum partition_trouble trouble)
{
	switch (trouble) {
	case PARTITION_WITHOUT_LEADER:
		return "has no leader";
	case PARTITION_DENIED:
		return "may not be read or described by this user";
	default:
		return "is not among the cluster's topics";
	}
}

static bool is_troubled(const struct source_partition *partition, int64_t now)
{
	return partition->trouble != PARTITION_GOOD && now - partition->trouble_us >= SAID_AFTER_US;
}

static void say_trouble(struct source *source, uint32_t number, int64_t now)
{
	struct source_partition *partition = source->partitions[number];
	const struct partition_name *name = partition_list_get(source->names, number);

	if (is_troubled(partition, now) && !partition->trouble_said) {
		partition->trouble_said = true;
		log_warning("%s[%d] %s: it is read again as soon as that changes; transactions that need it wait",
		            name->topic, (int)name->id, trouble_text(partition->trouble));
	}
}

uint32_t source_describe_missing(struct source *source, struct buffer *text)
{
	int64_t now = clock_monotonic_us();
	uint32_t count = 0;

	for (uint32_t i = 0; i < source->partition_count; i++) {
		const struct source_partition *partition = source->partitions[i];
		const struct partition_name *name = partition_list_get(source->names, i);

		say_trouble(source, i, now);
		if (!is_troubled(partition, now))
			continue;
		if (count++ < MOST_NAMED)
			buffer_append_format(text, "%s%s[%d] %s since %lld s", count > 1 ? "; " : "", name->topic,
			                     (int)name->id, trouble_text(partition->trouble),
			                     (long long)(now - partition->trouble_us) / 1000000);
	}
	if (count > MOST_NAMED)
		buffer_append_format(text, "; and %u more partitions", count - MOST_NAMED);
	return count;
}
