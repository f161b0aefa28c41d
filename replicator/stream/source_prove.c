/*
 * source_prove.c - whether a partition is still the one that the checkpoint's offset belongs to.
 *
 * NOTES
 *   A topic that was deleted and created again begins at offset 0, and soon holds the stored offset again: what stands
 *   below it would never be read, and nothing would show that (rows of a snapshot belong to no transaction whose END
 *   counts them). The same happens to a partition that lost its end by an unclean election and grew again. So the
 *   checkpoint has a witness of each partition: the offset and the timestamp of a record that was read. Before a
 *   partition is read on, that record is read again; another one, or none, is a gap. A witness that retention removed
 *   proves nothing, and the offsets alone must do.
 *   Topic ids would tell it, but librdkafka has them only since 2.3, and leader epochs begin at 0 again.
 *
 *   A client of its own reads the records: the consumer must not begin below its offsets.
 */
#include "stream/source_internal.h"

#define WAIT_MS 100

struct proof {
	struct source *source;
	rd_kafka_t *client;
	rd_kafka_topic_partition_list_t *open; /* to be answered: at the witness's offset */
};

static const struct witness *witness_of(const struct source *source, const rd_kafka_topic_partition_t *elem)
{
	const struct checkpoint_offset *stored =
	    source_stored(source, partition_list_add(source->names, elem->topic, elem->partition));

	return stored != NULL && stored->witness.timestamp_ms != 0 ? &stored->witness : NULL;
}

/* Those whose witness Kafka may have. The others have no answer, or the offsets alone are a gap. */
static rd_kafka_topic_partition_list_t *list_witnesses(struct source *source,
                                                       const rd_kafka_topic_partition_list_t *found,
                                                       const rd_kafka_topic_partition_list_t *low)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(found->cnt);

	for (int i = 0; i < found->cnt; i++) {
		const rd_kafka_topic_partition_t *elem = &found->elems[i];
		const struct witness *witness = witness_of(source, elem);

		source_partition(source, partition_list_add(source->names, elem->topic, elem->partition))->made_again =
		    false;
		if (witness != NULL && witness->offset >= low->elems[i].offset && witness->offset < elem->offset)
			rd_kafka_topic_partition_list_add(list, elem->topic, elem->partition)->offset = witness->offset;
	}
	return list;
}

/* The first thing that comes of a partition is its answer. */
static struct error *take_answer(struct proof *proof, const rd_kafka_message_t *message)
{
	const char *topic = message->rkt != NULL ? rd_kafka_topic_name(message->rkt) : NULL;
	rd_kafka_topic_partition_t *elem =
	    topic != NULL ? rd_kafka_topic_partition_list_find(proof->open, topic, message->partition) : NULL;
	rd_kafka_topic_partition_list_t *answered;
	const struct witness *witness;
	rd_kafka_error_t *refusal;

	if (elem == NULL)
		return NULL; /* a further one */
	witness = witness_of(proof->source, elem);
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
		source_partition(proof->source, partition_list_add(proof->source->names, topic, message->partition))
		    ->made_again = message->err != RD_KAFKA_RESP_ERR_NO_ERROR || message->offset != witness->offset ||
		                   rd_kafka_message_timestamp(message, NULL) != witness->timestamp_ms;
	else if (message->err != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) /* retention took it a moment ago */
		return error_new(ERROR_TRANSIENT, "reading %s[%d] at offset %lld: %s", topic, (int)message->partition,
		                 (long long)witness->offset, rd_kafka_message_errstr(message));
	answered = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(answered, topic, message->partition);
	refusal = rd_kafka_incremental_unassign(proof->client, answered);
	if (refusal != NULL)
		rd_kafka_error_destroy(refusal); /* it is read on, for nothing */
	rd_kafka_topic_partition_list_destroy(answered);
	rd_kafka_topic_partition_list_del(proof->open, topic, message->partition);
	return NULL;
}

static struct error *read_witnesses(struct proof *proof, int timeout_ms)
{
	int64_t until = clock_monotonic_us() + (int64_t)timeout_ms * 1000;
	rd_kafka_queue_t *messages = rd_kafka_queue_get_consumer(proof->client);
	struct error *error = NULL;

	while (error == NULL && proof->open->cnt > 0) {
		rd_kafka_message_t *message = rd_kafka_consume_queue(messages, WAIT_MS);

		if (message != NULL) {
			error = take_answer(proof, message);
			rd_kafka_message_destroy(message);
		}
		if (error == NULL && proof->open->cnt > 0 && clock_monotonic_us() > until)
			error = error_new(ERROR_TRANSIENT, "reading the last records of %d partitions again: no answer",
			                  proof->open->cnt);
	}
	rd_kafka_queue_destroy(messages);
	return error;
}

struct error *source_prove(struct source *source, const rd_kafka_topic_partition_list_t *found,
                           const rd_kafka_topic_partition_list_t *low, int timeout_ms)
{
	struct proof proof = {.source = source, .open = list_witnesses(source, found, low)};
	rd_kafka_error_t *refusal = NULL;
	struct error *error = NULL;

	if (proof.open->cnt > 0)
		error = source_make_searcher(source, &proof.client);
	if (proof.client != NULL)
		refusal = rd_kafka_incremental_assign(proof.client, proof.open);
	if (refusal != NULL) {
		error = error_new(ERROR_SYSTEM, "Kafka's client refuses the assignment: %s",
		                  rd_kafka_error_string(refusal));
		rd_kafka_error_destroy(refusal);
	} else if (proof.client != NULL) {
		error = read_witnesses(&proof, timeout_ms);
	}
	if (proof.client != NULL)
		client_end(proof.client);
	rd_kafka_topic_partition_list_destroy(proof.open);
	return error;
}
