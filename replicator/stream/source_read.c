/*
 * source_read.c - messages from librdkafka's queue into the assembler.
 *
 * NOTES
 *   Messages are popped one by one, not by rd_kafka_consume_batch_queue: it was not faster (1.6 million messages a
 *   second either way), and before librdkafka 2.1 it skipped messages when an assignment changed under it.
 */
#include "stream/source_internal.h"

#include "base/metrics.h"

#define ROUND_MESSAGES 512
#define ROUND_BYTES (4 << 20)
#define IDLE_WAIT_MS 100
#define SILENCE_WAIT_MS 20 /* without transaction metadata, see end_run_in_silence */
#define WAKE_BYTES (1 << 20)

static enum header_lookup find_header(const struct raw_message *message, const char *name, struct slice *value)
{
	rd_kafka_headers_t *headers;
	rd_kafka_resp_err_t code = rd_kafka_message_headers(message->handle, &headers);
	const void *data;

	if (code == RD_KAFKA_RESP_ERR__NOENT)
		return HEADER_ABSENT;
	if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
		return HEADER_UNREADABLE;
	if (rd_kafka_header_get_last(headers, name, &data, &value->length) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return HEADER_ABSENT;
	value->data = data;
	return HEADER_FOUND;
}

struct raw_message source_raw_message(const rd_kafka_message_t *message, uint32_t partition, const char *topic)
{
	return (struct raw_message){
	    .partition = partition,
	    .topic = topic,
	    .partition_id = message->partition,
	    .offset = message->offset,
	    .timestamp_ms = rd_kafka_message_timestamp(message, NULL),
	    .key = {message->key, message->key_len},
	    .value = {message->payload, message->len},
	    .header = find_header,
	    .handle = (void *)(uintptr_t)message,
	};
}

static uint32_t partition_number(struct source *source, const rd_kafka_message_t *message)
{
	if (message->rkt != source->last_topic || message->partition != source->last_id) {
		source->last_number =
		    partition_list_add(source->names, rd_kafka_topic_name(message->rkt), message->partition);
		source->last_topic = message->rkt;
		source->last_id = message->partition;
	}
	return source->last_number;
}

static struct error *push(struct source *source, const struct raw_message *raw, const struct decoded *decoded)
{
	switch (decoded->kind) {
	case DECODED_CHANGE:
		metric_add_event(decoded->change->relation->collection->number,
		                 decoded->change->relation->collection->name, (char)decoded->change->operation);
		return assembler_push_change(source->assembler, decoded->change);
	case DECODED_MARK:
		return assembler_push_mark(source->assembler, decoded->mark);
	case DECODED_NOTHING:
		assembler_push_nothing(source->assembler, raw->partition, raw->offset);
		break;
	}
	return NULL;
}

static bool is_read(const struct source_partition *partition)
{
	return partition->assigned && !partition->held && !partition->stuck;
}

/* Takes the error: it waits until all before it is handed over. */
static struct error *poisoned(struct source *source, struct source_partition *partition, struct error *error)
{
	if (error->class != ERROR_EVENT)
		return error;
	partition->stuck = true;
	if (source->poison != NULL) {
		error_free(error);
		return NULL;
	}
	log_error("%s; applying what stands before it", error->message);
	source->poison = error;
	source->poison_us = clock_monotonic_us();
	return NULL;
}

static struct error *take_record(struct source *source, rd_kafka_message_t *message)
{
	uint32_t number = partition_number(source, message);
	struct source_partition *partition = source_partition(source, number);
	struct raw_message raw = source_raw_message(message, number, partition_list_get(source->names, number)->topic);
	const struct witness record = {raw.offset, raw.timestamp_ms > 0 ? raw.timestamp_ms : 0};
	struct decoded decoded;
	struct error *error;

	if (!is_read(partition) || message->offset < partition->next_offset)
		return NULL;
	if (partition->doubted)
		return error_new(
		    ERROR_TRANSIENT,
		    "%s[%d]: the topic was not among the cluster's for a moment, and another may have its name "
		    "now: that is found out at the stored offset",
		    raw.topic, (int)message->partition);
	error = decoder_decode(source->decoder, &raw, &partition->writer, &decoded);
	if (error == NULL)
		error = push(source, &raw, &decoded);
	if (error != NULL)
		return poisoned(source, partition, error);
	assembler_note_record(source->assembler, number, &record);
	partition->next_offset = message->offset + 1;
	partition->at_end = false;
	atomic_fetch_add_explicit(&source->messages_read, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&source->bytes_read, message->len + message->key_len, memory_order_relaxed);
	return NULL;
}

/* The end of a partition, at an offset that counts control records and aborted transactions as read. */
static void take_end(struct source *source, const rd_kafka_message_t *message)
{
	uint32_t number = partition_number(source, message);
	struct source_partition *partition = source_partition(source, number);

	if (!is_read(partition))
		return;
	if (message->offset > partition->next_offset) {
		partition->next_offset = message->offset;
		assembler_push_nothing(source->assembler, number, message->offset - 1);
	}
	partition->at_end = message->offset == partition->next_offset;
	if (message->offset > partition->high)
		partition->high = message->offset;
}

static struct error *take_message(struct source *source, rd_kafka_message_t *message)
{
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
		return health_message_error(source, message);
	source->had_data = true;
	health_good(source);
	if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		return take_record(source, message);
	take_end(source, message);
	return NULL;
}

/*
 * The one call of a consumer that wakes the brokers' threads of librdkafka and changes nothing is to set the credentials
 * again that it has (without SASL/PLAIN and SCRAM nobody reads them). Before 2.2, which has fetch.queue.backoff.ms, a
 * thread that found the queue of messages full slept for up to a second, long after we had emptied it: three seconds of
 * four were spent so.
 */
static void wake_brokers(struct source *source)
{
	rd_kafka_error_t *refusal;

	refusal = rd_kafka_sasl_set_credentials(source->kafka, source->sasl_username, source->sasl_password);
	if (refusal != NULL) {
		log_debug("librdkafka cannot be woken: %s", rd_kafka_error_string(refusal));
		rd_kafka_error_destroy(refusal);
	}
}

void source_wake(struct source *source)
{
	wake_brokers(source);
	rd_kafka_queue_yield(source->messages);
}

static int read_wait_ms(const struct source *source)
{
	if (source_is_searching(source))
		return 0; /* the search waits for its own messages */
	return source->config->stream.transactions == TRANSACTIONS_OFF ? SILENCE_WAIT_MS : IDLE_WAIT_MS;
}

struct error *source_read_round(struct source *source)
{
	struct error *error = NULL;
	int wait_ms = read_wait_ms(source);
	size_t bytes = 0;
	int count = 0;

	while (error == NULL && count < ROUND_MESSAGES && bytes < ROUND_BYTES) {
		rd_kafka_message_t *message = rd_kafka_consume_queue(source->messages, count == 0 ? wait_ms : 0);

		if (message == NULL) {
			source->last_empty_us = clock_monotonic_us();
			break;
		}
		bytes += message->len;
		error = take_message(source, message);
		rd_kafka_message_destroy(message);
		count++;
	}
	if (count > 0)
		source->last_read_us = clock_monotonic_us();
	if (source->records_read != atomic_load_explicit(&source->messages_read, memory_order_relaxed)) {
		source->records_read = atomic_load_explicit(&source->messages_read, memory_order_relaxed);
		atomic_store(&source->last_event_us, source->last_read_us);
	}
	source->read_since_wake += bytes;
	if (rd_kafka_version() < FETCH_QUEUE_BACKOFF_VERSION && source->read_since_wake >= WAKE_BYTES) {
		source->read_since_wake = 0;
		wake_brokers(source);
	}
	return error;
}
