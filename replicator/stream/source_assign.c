/*
 * source_assign.c - from where each partition is read, whether that is still possible, and which ones are held back.
 *
 * NOTES
 *   Partitions are assigned one by one as they are found, at the offsets of the target's checkpoint, never the group's.
 *   A partition that the checkpoint does not know is new: it is read from its beginning, and a beginning that retention
 *   has already cut off is a gap as well.
 *
 *   Low and high watermarks of many partitions are asked at once: rd_kafka_offsets_for_times sends its "timestamps"
 *   unchanged, and -1 and -2 are ListOffsets' own words for latest and earliest.
 *
 *   Holding back. The queue to the applier is the ordinary backpressure: when it is full nothing is read. But while the
 *   transaction at the head waits for one partition, others may run far ahead and fill the memory. These are taken from
 *   the assignment and given back later, at the offset behind the last message taken. rd_kafka_pause_partitions purges
 *   the same queues, but leaves it to the library from where to go on, and that went wrong more than once (librdkafka's
 *   CHANGELOG, 2.1.0 and 2.4.0).
 *
 * Source: Kafka protocol guide, ListOffsets.
 */
#include "stream/source_internal.h"

#include "base/memory.h"

#include <stdlib.h>

#define ASK_AGAIN_US 500000
#define EARLIEST (-2)
#define LATEST (-1)

struct source_partition *source_partition(struct source *source, uint32_t number)
{
	if (number >= source->partition_count) {
		uint32_t count = number + 1;

		source->partitions = memory_grow(source->partitions, count, sizeof(struct source_partition *));
		for (uint32_t i = source->partition_count; i < count; i++) {
			source->partitions[i] = memory_alloc(sizeof(struct source_partition));
			source->partitions[i]->handed_over = -1;
			source->partitions[i]->published = -1;
			source->partitions[i]->high = -1;
			source->partitions[i]->leader = -1;
			slab_writer_init(&source->partitions[i]->writer, &source->partitions[i]->account);
		}
		source->partition_count = count;
	}
	return source->partitions[number];
}

size_t source_memory_in_use(const struct source *source)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < source->partition_count; i++)
		bytes += slab_bytes_in_use(&source->partitions[i]->account);
	return bytes + assembler_array_bytes(source->assembler) + transaction_queue_own_bytes(source->queue);
}

/* Watermarks. */

/* Fills the list's offsets; the list is sorted by topic. */
static struct error *ask_offsets(struct source *source, rd_kafka_topic_partition_list_t *list, int64_t which,
                                 int timeout_ms)
{
	rd_kafka_resp_err_t code;

	for (int i = 0; i < list->cnt; i++)
		list->elems[i].offset = which;
	code = rd_kafka_offsets_for_times(source->kafka, list, timeout_ms);
	for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
		code = list->elems[i].err;
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
		return NULL;
	return error_new(ERROR_TRANSIENT, "asking for the offsets of the partitions: %s", rd_kafka_err2str(code));
}

/* The partitions that one broker leads: another one that does not answer must not keep their answers from us. */
static rd_kafka_topic_partition_list_t *partitions_of(struct source *source, int32_t leader)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)source->assigned_count);

	for (uint32_t i = 0; i < source->partition_count; i++) {
		struct source_partition *partition = source->partitions[i];
		const struct partition_name *name = partition_list_get(source->names, i);

		if (!partition->assigned || partition->leader != leader)
			continue;
		partition->tried_round = source->round;
		rd_kafka_topic_partition_list_add(list, name->topic, name->id)->offset = LATEST;
	}
	rd_kafka_topic_partition_list_sort(list, NULL, NULL);
	return list;
}

/* True: each of them has an answer. */
static bool ask_broker(struct source *source, int32_t leader, int timeout_ms, bool *any)
{
	rd_kafka_topic_partition_list_t *list = partitions_of(source, leader);
	rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(source->kafka, list, timeout_ms);
	bool all = code == RD_KAFKA_RESP_ERR_NO_ERROR;

	if (!all)
		log_debug("Kafka, high watermarks of broker %d: %s", (int)leader, rd_kafka_err2str(code));
	for (int i = 0; i < list->cnt && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
		const rd_kafka_topic_partition_t *elem = &list->elems[i];
		struct source_partition *partition =
		    source_partition(source, partition_list_add(source->names, elem->topic, elem->partition));

		if (elem->err != RD_KAFKA_RESP_ERR_NO_ERROR || elem->offset < 0) {
			log_debug("Kafka, high watermark of %s[%d]: %s", elem->topic, (int)elem->partition,
			          rd_kafka_err2str(elem->err));
			all = false;
			continue;
		}
		partition->high = elem->offset;
		partition->high_round = source->round;
		*any = true;
	}
	rd_kafka_topic_partition_list_destroy(list);
	return all;
}

void source_ask_high_watermarks(struct source *source, int timeout_ms)
{
	bool all = true, any = false;

	if (source->asked_round == source->round || clock_monotonic_us() < source->next_ask_us)
		return;
	source->asked_round = source->round;
	for (uint32_t i = 0; i < source->partition_count; i++) {
		const struct source_partition *partition = source->partitions[i];

		if (partition->assigned && partition->leader < 0)
			all = false;
		else if (partition->assigned && partition->tried_round != source->round)
			all = ask_broker(source, partition->leader, timeout_ms, &any) && all;
	}
	if (any)
		health_good(source);
	source->next_ask_us = 0;
	if (all)
		return;
	source->next_ask_us = clock_monotonic_us() + ASK_AGAIN_US;
	source->next_discovery_us = 1; /* who leads them now? */
}

/* Start offsets. */

bool source_accepts(const struct source *source, struct error *error)
{
	if (!source->start->accept_gap)
		return false;
	log_warning("accepted: %s", error->message);
	error_free(error);
	return true;
}

static const struct checkpoint_offset *stored_offset(const struct checkpoint *start, const char *topic, int32_t id)
{
	for (size_t i = 0; i < start->offset_count; i++)
		if (start->offsets[i].partition == id && strcmp(start->offsets[i].topic, topic) == 0)
			return &start->offsets[i];
	return NULL;
}

const struct checkpoint_offset *source_stored(const struct source *source, uint32_t number)
{
	const struct partition_name *name = partition_list_get(source->names, number);

	if (source->other_cluster || (number < source->partition_count && source->partitions[number]->dropped))
		return NULL; /* another topic had that name */
	return stored_offset(source->start, name->topic, name->id);
}

int64_t source_stored_offset(const struct source *source, uint32_t number)
{
	const struct checkpoint_offset *stored = source_stored(source, number);

	return stored == NULL ? 0 : stored->next_offset;
}

static struct error *gap(const char *topic, int32_t id, int64_t next_offset, int64_t low, int64_t high)
{
	if (next_offset < low)
		return error_new(
		    ERROR_GAP,
		    "%s[%d]: the next offset to read is %lld, but Kafka holds %lld to %lld: %lld events were "
		    "removed (retention) before they were read; " WAYS_OUT,
		    topic, (int)id, (long long)next_offset, (long long)low, (long long)high,
		    (long long)(low - next_offset));
	return error_new(
	    ERROR_GAP,
	    "%s[%d]: the next offset to read is %lld, but Kafka holds only %lld to %lld: the topic was made "
	    "again or lost its end; " WAYS_OUT,
	    topic, (int)id, (long long)next_offset, (long long)low, (long long)high);
}

static struct error *gap_error(struct source *source, const char *topic, int32_t id, int64_t next_offset)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	int64_t low;
	struct error *error;

	rd_kafka_topic_partition_list_add(list, topic, id);
	error = ask_offsets(source, list, EARLIEST, STARTING_TIMEOUT_MS);
	low = list->elems[0].offset;
	if (error == NULL)
		error = ask_offsets(source, list, LATEST, STARTING_TIMEOUT_MS);
	if (error == NULL) {
		error = gap(topic, id, next_offset, low, list->elems[0].offset);
	} else {
		error_free(error);
		error = error_new(ERROR_GAP, "%s[%d]: Kafka no longer has the next offset to read, %lld; " WAYS_OUT,
		                  topic, (int)id, (long long)next_offset);
	}
	rd_kafka_topic_partition_list_destroy(list);
	return error;
}

static struct error *start_offset(struct source *source, const char *topic, int32_t id, int64_t low, int64_t high,
                                  int64_t *offset)
{
	uint32_t number = partition_list_add(source->names, topic, id);
	const struct checkpoint_offset *stored = source_stored(source, number);
	struct error *error = NULL;

	*offset = stored != NULL ? stored->next_offset : low;
	if (*offset < low || *offset > high)
		error = gap(topic, id, *offset, low, high);
	else if (stored == NULL && low > 0 && source->start->exists)
		error = gap(topic, id, 0, low, high);
	else if (source_partition(source, number)->made_again)
		error = error_new(
		    ERROR_GAP,
		    "%s[%d]: the record at offset %lld is not the one that was read from there: the topic was "
		    "made again or lost its end, and what stands below offset %lld was not read; " WAYS_OUT,
		    topic, (int)id, (long long)stored->witness.offset, (long long)*offset);
	if (error != NULL && source_accepts(source, error)) {
		*offset = low; /* what was applied before comes again, and is dismissed */
		return NULL;
	}
	if (error != NULL || stored != NULL || low == 0)
		return error;
	log_warning(
	    "%s[%d] begins at offset %lld: older events were removed (retention); the tables are complete only if a "
	    "snapshot lies in what is left",
	    topic, (int)id, (long long)low);
	return NULL;
}

/* Sets the offsets of `found` to where reading begins. All gaps are looked for; the first one is told in full. */
static struct error *choose_offsets(struct source *source, rd_kafka_topic_partition_list_t *found,
                                    const rd_kafka_topic_partition_list_t *low)
{
	struct error *first = NULL;
	int gaps = 0;

	for (int i = 0; i < found->cnt; i++) {
		rd_kafka_topic_partition_t *elem = &found->elems[i];
		struct error *error = start_offset(source, elem->topic, elem->partition, low->elems[i].offset,
		                                   elem->offset, &elem->offset);

		if (error == NULL)
			continue;
		gaps++;
		if (first == NULL)
			first = error;
		else
			error_free(error);
	}
	if (gaps > 1)
		return error_wrap(first, "%d partitions have gaps; the first", gaps);
	return first;
}

/* Compacted topics: the older of two events of a key may be gone, in silence. */

static struct error *check_resource(const rd_kafka_ConfigResource_t *resource, void *context)
{
	size_t count;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
	const char *topic = rd_kafka_ConfigResource_name(resource);

	(void)context;
	if (rd_kafka_ConfigResource_error(resource) != RD_KAFKA_RESP_ERR_NO_ERROR) {
		log_warning("cannot check that topic %s is not compacted: %s", topic,
		            rd_kafka_ConfigResource_error_string(resource));
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);

		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") == 0 && value != NULL &&
		    strstr(value, "compact") != NULL)
			return error_new(ERROR_CONFIGURATION,
			                 "topic %s is compacted (cleanup.policy=%s): Kafka removes events that were "
			                 "not applied yet; "
			                 "set cleanup.policy=delete and resync its tables",
			                 topic, value);
	}
	return NULL;
}

static struct error *check_not_compacted(struct source *source, const rd_kafka_topic_partition_list_t *found,
                                         int timeout_ms)
{
	const char **topics = memory_alloc((size_t)found->cnt * sizeof(*topics));
	struct error *error;
	size_t count = 0;

	for (int i = 0; i < found->cnt; i++)
		if (i == 0 || strcmp(found->elems[i].topic, found->elems[i - 1].topic) != 0)
			topics[count++] = found->elems[i].topic;
	error = source_describe_topics(source, topics, count, source->some_broker, timeout_ms, check_resource, NULL);
	free(topics);
	if (error == NULL || error->class != ERROR_TRANSIENT)
		return error;
	log_warning("cannot check that the topics are not compacted: %s", error->message);
	error_free(error);
	return NULL;
}

/* Assignment. */

static struct error *assign(struct source *source, const rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_error_t *refusal = rd_kafka_incremental_assign(source->kafka, list);
	struct error *error;

	if (refusal == NULL)
		return NULL;
	error = error_new(ERROR_SYSTEM, "Kafka's client refuses the assignment: %s", rd_kafka_error_string(refusal));
	rd_kafka_error_destroy(refusal);
	return error;
}

static void add_partition(struct source *source, rd_kafka_topic_partition_list_t *list, uint32_t number)
{
	const struct partition_name *name = partition_list_get(source->names, number);

	rd_kafka_topic_partition_list_add(list, name->topic, name->id)->offset =
	    source->partitions[number]->next_offset;
}

static struct error *assign_again(struct source *source, uint32_t number)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_error_t *refusal;
	struct error *error;

	add_partition(source, list, number);
	refusal = rd_kafka_incremental_unassign(source->kafka, list);
	if (refusal == NULL) {
		error = assign(source, list);
	} else {
		error = error_new(ERROR_SYSTEM, "Kafka's client refuses to give up a partition: %s",
		                  rd_kafka_error_string(refusal));
		rd_kafka_error_destroy(refusal);
	}
	rd_kafka_topic_partition_list_destroy(list);
	return error;
}

/*
 * librdkafka does not say to which assignment a refusal belongs (2.0.2: rd_kafka_offset_reset knows no version). That of an
 * earlier assignment can come after the partition was given up and assigned again at another offset, and then it has also ended
 * the fetching there. So the partition is assigned once more: should Kafka not have the next offset either, it says so.
 */
struct error *source_offset_refused(struct source *source, const char *topic, int32_t id, int64_t offset)
{
	uint32_t number = partition_list_add(source->names, topic, id);
	struct source_partition *partition = source_partition(source, number);

	if (!partition->assigned || partition->held)
		return NULL;
	if (offset == partition->next_offset)
		return gap_error(source, topic, id, offset);
	log_debug("Kafka, %s[%d]: offset %lld was refused; reading continues at %lld", topic, (int)id,
	          (long long)offset, (long long)partition->next_offset);
	partition->doubted = partition->doubted || !partition->renewed;
	return assign_again(source, number);
}

static struct error *end_lingering(struct source *source, const rd_kafka_topic_partition_list_t *found)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_error_t *refusal = NULL;
	struct error *error = NULL;

	for (int i = 0; i < found->cnt; i++) {
		uint32_t number = partition_list_add(source->names, found->elems[i].topic, found->elems[i].partition);
		struct source_partition *partition = source_partition(source, number);

		partition->renewed = partition->lingers;
		if (partition->lingers)
			rd_kafka_topic_partition_list_add(list, found->elems[i].topic, found->elems[i].partition);
		partition->lingers = false;
	}
	if (list->cnt > 0)
		refusal = rd_kafka_incremental_unassign(source->kafka, list);
	if (refusal != NULL) {
		error = error_new(ERROR_SYSTEM, "Kafka's client refuses to give up partitions: %s",
		                  rd_kafka_error_string(refusal));
		rd_kafka_error_destroy(refusal);
	}
	rd_kafka_topic_partition_list_destroy(list);
	return error;
}

static struct error *begin(struct source *source, const rd_kafka_topic_partition_list_t *found)
{
	TRY(end_lingering(source, found));
	for (int i = 0; i < found->cnt; i++) {
		const rd_kafka_topic_partition_t *elem = &found->elems[i];
		uint32_t number = partition_list_add(source->names, elem->topic, elem->partition);
		struct source_partition *partition = source_partition(source, number);
		const struct checkpoint_offset *stored = source_stored(source, number);

		partition->assigned = true;
		partition->doubted = false;
		partition->expected = partition->dropped = partition->at_end = false;
		partition->next_offset = elem->offset;
		partition->high = -1;
		source->assigned_count++;
		assembler_add_partition(source->assembler, number, elem->offset);
		if (stored != NULL && stored->next_offset == elem->offset && !partition->made_again)
			assembler_set_witness(source->assembler, number, &stored->witness);
		if (topic_is_transaction_topic(source->config, elem->topic))
			assembler_expect_marks(source->assembler, number);
		log_info("reading %s[%d] from offset %lld", elem->topic, (int)elem->partition, (long long)elem->offset);
	}
	return assign(source, found);
}

/* With the operator's word: events that are gone may be awaited no longer, and those before the stored offset come again. */
static void accept_gaps(struct source *source, const rd_kafka_topic_partition_list_t *begun,
                        const rd_kafka_topic_partition_list_t *high)
{
	for (int i = 0; i < high->cnt; i++) {
		const char *topic = high->elems[i].topic;
		int32_t id = high->elems[i].partition;
		uint32_t number = partition_list_add(source->names, topic, id);
		const struct checkpoint_offset *stored = stored_offset(source->start, topic, id);

		assembler_accept_gap(source->assembler, number, high->elems[i].offset);
		if (source->other_cluster || (stored != NULL && begun->elems[i].offset < stored->next_offset))
			assembler_read_again(source->assembler, number, high->elems[i].offset);
	}
}

static struct error *check_and_begin(struct source *source, rd_kafka_topic_partition_list_t *found, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *low, *high = NULL;
	struct error *error;

	rd_kafka_topic_partition_list_sort(found, NULL, NULL);
	low = rd_kafka_topic_partition_list_copy(found);
	error = ask_offsets(source, low, EARLIEST, timeout_ms);
	if (error == NULL)
		error = ask_offsets(source, found, LATEST, timeout_ms);
	if (error == NULL)
		high = rd_kafka_topic_partition_list_copy(found);
	if (error == NULL)
		error = source_prove(source, found, low, timeout_ms);
	if (error == NULL)
		error = choose_offsets(source, found, low);
	if (error == NULL)
		error = check_not_compacted(source, found, timeout_ms);
	if (error == NULL)
		error = begin(source, found);
	if (error == NULL && source->start->accept_gap)
		accept_gaps(source, found, high);
	if (high != NULL)
		rd_kafka_topic_partition_list_destroy(high);
	rd_kafka_topic_partition_list_destroy(low);
	return error;
}

struct error *source_discover(struct source *source, int timeout_ms)
{
	rd_kafka_topic_partition_list_t *found = rd_kafka_topic_partition_list_new(16);
	struct error *error = source_find_partitions(source, timeout_ms, found);

	if (error == NULL)
		error = source_judge_absent(source, timeout_ms);
	if (error == NULL && found->cnt > 0)
		error = check_and_begin(source, found, timeout_ms);
	rd_kafka_topic_partition_list_destroy(found);
	if (error != NULL && error->class == ERROR_TRANSIENT) {
		health_lost(source, error->message);
		error_free(error);
		return NULL;
	}
	if (error == NULL)
		health_good(source);
	return error;
}

/* Holding back. */

static void hold(struct source *source, const rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_error_t *refusal = rd_kafka_incremental_unassign(source->kafka, list);

	if (refusal != NULL) {
		log_warning("Kafka's client refuses to hold partitions back: %s", rd_kafka_error_string(refusal));
		rd_kafka_error_destroy(refusal);
		return;
	}
	for (int i = 0; i < list->cnt; i++) {
		uint32_t number = partition_list_add(source->names, list->elems[i].topic, list->elems[i].partition);

		source_partition(source, number)->held = true;
		source_partition(source, number)->at_end = false;
	}
	source->held_count += (uint32_t)list->cnt;
	log_debug("%d partitions are held back", list->cnt);
}

/*
 * It stays in librdkafka's assignment, and nobody listens to it, until the topic is created again. Its end could not be
 * waited for now: librdkafka does not end what has no broker.
 */
void source_stop_reading(struct source *source, uint32_t number)
{
	struct source_partition *partition = source->partitions[number];

	partition->lingers = !partition->held;
	if (partition->held)
		source->held_count--;
	partition->held = false;
	partition->assigned = false;
	source->assigned_count--;
}

/* The partitions that hold more than half of their share and that the head does not wait for; never all of them. */
static void hold_back(struct source *source, size_t in_use)
{
	uint32_t reading = source->assigned_count - source->held_count;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)reading);

	for (uint32_t i = 0; i < source->partition_count; i++) {
		struct source_partition *partition = source->partitions[i];

		if (partition->assigned && !partition->held && !assembler_needs(source->assembler, i) &&
		    slab_bytes_in_use(&partition->account) > in_use / reading / 2)
			add_partition(source, list, i);
	}
	if (list->cnt > 0 && (uint32_t)list->cnt < reading) {
		hold(source, list);
	} else if (in_use > 2 * (size_t)source->config->memory_limit && !source->over_limit_said) {
		source->over_limit_said = true;
		log_warning(
		    "the transaction at hand needs more memory than memory_limit (%lld MB); going on with %zu MB",
		    (long long)source->config->memory_limit >> 20, in_use >> 20);
	}
	rd_kafka_topic_partition_list_destroy(list);
}

/* All of them, or those that the head waits for. */
static struct error *let_go(struct source *source, bool all)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)source->held_count);
	struct error *error = NULL;

	for (uint32_t i = 0; i < source->partition_count; i++) {
		struct source_partition *partition = source->partitions[i];

		if (!partition->held || !(all || assembler_needs(source->assembler, i)))
			continue;
		add_partition(source, list, i);
		partition->held = false;
	}
	if (list->cnt > 0) {
		error = assign(source, list);
		source->held_count -= (uint32_t)list->cnt;
		log_debug("%d partitions are read on", list->cnt);
	}
	rd_kafka_topic_partition_list_destroy(list);
	return error;
}

struct error *source_balance(struct source *source)
{
	size_t in_use = source_memory_in_use(source);
	size_t limit = (size_t)source->config->memory_limit - source_fetch_bytes(source->config);
	int64_t now = clock_monotonic_us();

	if (source->held_count > 0)
		TRY(let_go(source, in_use < limit / 2));
	if (in_use > limit && now >= source->next_balance_us) {
		source->next_balance_us = now + 10000;
		hold_back(source, in_use);
	}
	return NULL;
}
