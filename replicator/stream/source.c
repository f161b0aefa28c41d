/*
 * source.c - the consumer's thread: messages in, whole transactions out.
 *
 * NOTES
 *   One round of the loop reads what is there (waiting a moment when nothing is), decodes it, gives it to the assembler
 *   and hands over every transaction that became whole: a lone message goes through at once, a backlog in long runs.
 *   While the queue to the applier is full nothing is read; librdkafka goes on filling its own bounded queue.
 *
 *   An event that cannot be taken stops its partition, and the stream only when nothing is handed over any more: what
 *   stands before it in the stream may still lie unread in other partitions. So the target ends right before the bad
 *   event, however the fetches came in. Other errors stop the stream at once, behind the transactions that are whole.
 */
#include "stream/source_internal.h"

#include "base/memory.h"
#include "base/metrics.h"
#include "base/signals.h"

#include <stdlib.h>

#define CLUSTER_WAIT_MS 50
#define ROOM_WAIT_MS 50
#define SILENCE_US 20000
#define SERVE_INTERVAL_US 100000
#define TICK_INTERVAL_US 1000000
#define DISCOVERY_INTERVAL_US 5000000
#define FIRST_LOOK_US 100000
#define NO_TRANSACTIONS_YET_US 250000 /* the transaction topic comes with the first transaction, which waits for us */
#define GROUP_INTERVAL_US 5000000
#define POISON_QUIET_US 500000
#define POISON_LIMIT_US 10000000
#define HEAD_WAIT_SAID_AFTER_US 10000000
#define BREAK_INTERVAL_US (6 * 3600 * INT64_C(1000000))
#define SNAPSHOT_RUN_ROWS 1000

/* Answers to the assembler's questions. */

static bool is_excluded(const struct collection *collection, void *context)
{
	struct source *source = context;
	const char *schema = collection->schema;
	const char *table = collection->table;
	char *copy = NULL;
	bool excluded;

	if (collection->message)
		return false;
	if (schema[0] ==
	    '\0') { /* only seen in an END, by its joined name; the rules look at the joined name as well */
		char *dot;

		copy = memory_copy_text(collection->name);
		dot = strchr(copy, '.');
		if (dot != NULL)
			*dot = '\0';
		schema = copy;
		table = dot == NULL ? "" : dot + 1;
	}
	excluded = config_table_rule(source->config, schema, table)->exclude;
	free(copy);
	return excluded;
}

static bool high_watermark(uint32_t number, int64_t *high, void *context)
{
	struct source *source = context;
	const struct source_partition *partition = source_partition(source, number);

	if (partition->high_round != source->round)
		source_ask_high_watermarks(source, RUNNING_TIMEOUT_MS);
	*high = partition->high;
	return partition->high_round == source->round;
}

static enum end_answer find_end(const struct end_query *query, uint64_t *commit_lsn, void *context)
{
	return source_find_end(context, query, commit_lsn);
}

static struct error *find_partitions(void *context, bool *found)
{
	struct source *source = context;

	TRY(source_discover(source, RUNNING_TIMEOUT_MS));
	*found = source->disconnected_since_us == 0;
	return NULL;
}

/* Life. */

static struct error *check_cluster(struct source *source)
{
	const char *stored = source->start->cluster_id;

	if (stored == NULL || stored[0] == '\0' || strcmp(stored, source->cluster_id) == 0)
		return NULL;
	if (source->start->accept_gap) {
		log_warning("accepted: the cluster is %s, not %s; reading begins anew there", source->cluster_id,
		            stored);
		source->other_cluster = true;
		return NULL;
	}
	return error_new(
	    ERROR_GAP,
	    "the offsets in the target belong to the Kafka cluster %s, but %s is the cluster %s; connect to the "
	    "right one, or run `replicator table resync`, or `replicator accept gap` to begin there anew",
	    stored, source->config->kafka.brokers, source->cluster_id);
}

/*
 * Waits for a broker, for ever: until one answers, a login is refused, or a signal asks us to leave. In short steps: an
 * answer that comes while rd_kafka_clusterid is about to wait is overlooked by it.
 */
static struct error *connect_cluster(struct source *source, struct source_meanwhile meanwhile)
{
	int64_t began = clock_monotonic_us();
	char *id;

	source->disconnected_since_us = began; /* the first word is health_lost's, with the reason */
	while ((id = rd_kafka_clusterid(source->kafka, CLUSTER_WAIT_MS)) == NULL) {
		rd_kafka_poll(source->kafka, 0);
		if (source->failure != NULL) {
			struct error *error = source->failure;

			source->failure = NULL;
			return error;
		}
		if (meanwhile.call != NULL)
			TRY(meanwhile.call(meanwhile.context));
		if (signals_stop_requested())
			return error_new(ERROR_INTERRUPTED, "asked to stop while waiting for Kafka at %s",
			                 source->config->kafka.brokers);
		if (clock_monotonic_us() - began > TICK_INTERVAL_US)
			health_lost(source, "no metadata yet");
	}
	source->cluster_id = memory_copy_text(id);
	rd_kafka_mem_free(source->kafka, id);
	health_good(source);
	return check_cluster(source);
}

static void make_assembler(struct source *source)
{
	const struct config *config = source->config;
	struct decoder_options decoding = decoder_options(config);
	struct assembler_options assembling = {
	    .transactions = config->stream.transactions == TRANSACTIONS_ON,
	    .excluded = is_excluded,
	    .high_watermark = high_watermark,
	    .find_end = find_end,
	    .find_partitions = find_partitions,
	    .context = source,
	    .break_interval_us = BREAK_INTERVAL_US,
	    .snapshot_run_rows = SNAPSHOT_RUN_ROWS,
	    .spill_bytes = (size_t)config->memory_limit / 4,
	    .spill_dir = config->spill_dir,
	    .spill_limit = config->spill_limit,
	};

	source->decoder = decoder_new(&decoding);
	source->assembler = assembler_new(&assembling, source->start, source->names);
}

struct error *source_new(const struct config *config, const struct checkpoint *start, struct partition_list *partitions,
                         struct transaction_queue *queue, struct source_meanwhile meanwhile, struct source **result)
{
	struct source *source = memory_alloc(sizeof(*source));
	struct error *error;

	source->config = config;
	source->last_hand_over_us = clock_monotonic_us();
	source->start = start;
	source->names = partitions;
	source->queue = queue;
	atomic_init(&source->lag, -1);
	source->wait = source_wait_new();
	atomic_store(&source->last_event_us, clock_monotonic_us());
	make_assembler(source);
	error = topic_filter_new(config, &source->filter);
	if (error == NULL)
		error = source_make_consumer(source);
	if (error == NULL) {
		source->messages = rd_kafka_queue_get_consumer(source->kafka);
		error = source->messages == NULL ? error_new(ERROR_SYSTEM, "Kafka's client gives no queue to read from")
		                                 : connect_cluster(source, meanwhile);
	}
	if (error != NULL) {
		source_free(source);
		return error;
	}
	source_expect_stored(source);
	*result = source;
	return NULL;
}

static void free_consumer(struct source *source)
{
	if (source->messages != NULL)
		rd_kafka_queue_destroy(source->messages);
	source_free_committer(source);
	if (source->kafka != NULL && source_any_deleted(source))
		client_end(source->kafka);
	else if (source->kafka != NULL)
		rd_kafka_destroy_flags(source->kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

void source_free(struct source *source)
{
	if (source == NULL)
		return;
	source_search_free(source);
	free_consumer(source);
	source_wait_free(source->wait);
	transaction_free(source->pending);
	assembler_free(source->assembler);
	decoder_free(source->decoder);
	topic_filter_free(source->filter);
	for (uint32_t i = 0; i < source->partition_count; i++) {
		slab_writer_close(&source->partitions[i]->writer);
		free(source->partitions[i]);
	}
	free(source->partitions);
	free(source->cluster_id);
	free(source->alike);
	free(source->sasl_username);
	free(source->sasl_password);
	error_free(source->failure);
	error_free(source->poison);
	free(source);
}

const char *source_cluster_id(const struct source *source)
{
	return source->cluster_id;
}

void source_keep_quiet(struct source *source)
{
	source->keeps_quiet = true;
}

void source_stop(struct source *source)
{
	atomic_store(&source->stop, true);
	rd_kafka_queue_yield(source->messages);
}

struct source_state source_state(const struct source *source)
{
	int64_t since_us = atomic_load(&source->caught_up_us);
	struct source_state state = {
	    .messages = atomic_load(&source->messages_read),
	    .bytes = atomic_load(&source->bytes_read),
	    .transactions = atomic_load(&source->transactions),
	    .waiting_bytes = atomic_load(&source->waiting_bytes),
	    .lag_messages = atomic_load(&source->lag),
	    .lag_marks = atomic_load(&source->lag_marks),
	    .caught_up_us = since_us == 0 ? 0 : clock_wall_us() - (clock_monotonic_us() - since_us),
	    .held_partitions = atomic_load(&source->held_count),
	    .connected = atomic_load(&source->connected),
	    .last_event_us = atomic_load(&source->last_event_us),
	};

	source_wait_read(source->wait, &state);
	return state;
}

/* Hand-over. */

/* True: it is the queue's now. False: the queue is full, it stays pending. */
static bool offer_pending(struct source *source)
{
	const struct transaction *transaction = source->pending;

	for (size_t i = 0; i < transaction->position_count; i++)
		source->partitions[transaction->positions[i].partition]->handed_over =
		    transaction->positions[i].next_offset;
	if (!transaction_queue_offer(source->queue, source->pending))
		return false;
	source->pending = NULL;
	atomic_fetch_add_explicit(&source->transactions, 1, memory_order_relaxed);
	return true;
}

/* Until the queue is full or no transaction is whole. */
static struct error *hand_over(struct source *source)
{
	bool any = false;

	for (;;) {
		if (source->pending == NULL) {
			source->round++;
			TRY(assembler_next(source->assembler, &source->pending));
		}
		if (source->pending == NULL || !offer_pending(source))
			break;
		any = true;
	}
	if (any) {
		source->last_hand_over_us = clock_monotonic_us();
		source->look_interval_us = 0;
	}
	return NULL;
}

/* The bad event, once nothing moves any more. */
static struct error *poison_now(struct source *source)
{
	int64_t now = clock_monotonic_us();
	int64_t since = source->last_hand_over_us > source->poison_us ? source->last_hand_over_us : source->poison_us;
	struct error *error = source->poison;

	if (error == NULL || source->pending != NULL || source_is_searching(source) ||
	    (now - since < POISON_QUIET_US && now - source->poison_us < POISON_LIMIT_US))
		return NULL;
	source->poison = NULL;
	return error;
}

/* After an error: what was whole before it still goes to the applier. */
static void hand_over_rest(struct source *source)
{
	struct error *error = NULL;

	while (error == NULL && !source_leaving(source)) {
		error = hand_over(source);
		if (source->pending == NULL)
			break;
		transaction_queue_wait_room(source->queue, ROOM_WAIT_MS);
	}
	error_free(error); /* the first error is the one to tell */
}

/* Now and then. */

static void measure_lag(struct source *source)
{
	int64_t lag = 0, marks = 0;

	for (uint32_t i = 0; i < source->partition_count; i++) {
		struct source_partition *partition = source->partitions[i];
		const struct partition_name *name = partition_list_get(source->names, i);
		int64_t low, high;

		if (!partition->assigned)
			continue;
		if (rd_kafka_get_watermark_offsets(source->kafka, name->topic, name->id, &low, &high) ==
		        RD_KAFKA_RESP_ERR_NO_ERROR &&
		    (high > partition->high || partition->renewed))
			partition->high = high;
		if (partition->high < 0) {
			lag = -1;
			break;
		}
		metric_set_high_watermark(i, name->topic, name->id, partition->high);
		if (partition->high <= partition->next_offset)
			continue;
		lag += partition->high - partition->next_offset;
		if (topic_is_transaction_topic(source->config, name->topic))
			marks += partition->high - partition->next_offset;
	}
	atomic_store(&source->lag, lag);
	atomic_store(&source->lag_marks, marks);
	if (lag == 0)
		atomic_store(&source->caught_up_us, clock_monotonic_us());
	atomic_store(&source->waiting_bytes, assembler_total_waiting_bytes(source->assembler));
}

/*
 * True: the head waits, perhaps for a topic that was just made. While the same wait lasts this is said at rising
 * intervals: a large transaction is a long wait, too, and each look at the topics keeps the loop.
 */
static bool head_waits(struct source *source, int64_t now)
{
	char *wait = assembler_describe_wait(source->assembler);
	bool look = false;

	if (wait == NULL) {
		source->look_interval_us = 0;
	} else if (source->look_interval_us == 0) {
		source->look_interval_us = FIRST_LOOK_US;
		source->next_look_us = now + FIRST_LOOK_US;
	} else if (now >= source->next_look_us) {
		source->look_interval_us *= 2;
		source->next_look_us = now + source->look_interval_us;
		look = true;
	}
	if (wait != NULL && now - source->last_hand_over_us >= HEAD_WAIT_SAID_AFTER_US &&
	    repeat_allowed(&source->waiting, now))
		log_warning("waiting since %lld s for %s", (long long)(now - source->last_hand_over_us) / 1000000,
		            wait);
	free(wait);
	return look;
}

/* A quiet partition gives up the slab that it was filling. */
static void rest_writers(struct source *source)
{
	for (uint32_t i = 0; i < source->partition_count; i++) {
		struct source_partition *partition = source->partitions[i];

		if (partition->ticked == partition->next_offset)
			slab_writer_close(&partition->writer);
		partition->ticked = partition->next_offset;
	}
}

static void tick_assembler(struct source *source)
{
	uint32_t marks = assembler_mark_partition(source->assembler);

	assembler_tick(source->assembler, marks < source->partition_count ? source->partitions[marks]->high : -1);
}

static struct error *tick(struct source *source, int64_t now)
{
	source->next_tick_us = now + TICK_INTERVAL_US;
	measure_lag(source);
	rest_writers(source);
	tick_assembler(source);
	source_wait_tell(source, now);
	if (source->pending == NULL && now - source->last_hand_over_us >= TICK_INTERVAL_US)
		source->pending = assembler_progress(source->assembler);
	if (now >= source->next_group_us) {
		source->next_group_us = now + GROUP_INTERVAL_US;
		source_publish_offsets(source);
	}
	return NULL;
}

static struct error *look_for_topics(struct source *source, int64_t now)
{
	if (!head_waits(source, now) && now < source->next_discovery_us)
		return NULL;
	source->next_discovery_us =
	    now + (source->lacks_transaction_topic ? NO_TRANSACTIONS_YET_US : DISCOVERY_INTERVAL_US);
	return source_discover(source, RUNNING_TIMEOUT_MS);
}

/* Callbacks, the clock, memory. */
static struct error *serve(struct source *source)
{
	int64_t now = clock_monotonic_us();

	if (now >= source->next_serve_us) {
		source->next_serve_us = now + SERVE_INTERVAL_US;
		rd_kafka_poll(source->kafka, 0);
		source_take_answers(source);
		if (source->failure != NULL) {
			struct error *error = source->failure;

			source->failure = NULL;
			return error;
		}
		if (source->next_discovery_us != 0)
			TRY(look_for_topics(source, now));
	}
	if (now >= source->next_tick_us)
		TRY(tick(source, now));
	return source_balance(source);
}

/* The topics may come later than we do. */
static struct error *await_topics(struct source *source)
{
	while (!source_leaving(source)) {
		TRY(source_discover(source, STARTING_TIMEOUT_MS));
		if (source->assigned_count > 0)
			break;
		if (source->disconnected_since_us == 0 && !source->no_topics_said) {
			source->no_topics_said = true;
			if (source->alike == NULL)
				log_info("Kafka has no topic %s yet; waiting for the connector to make it",
				         topic_filter_text(source->filter));
			else
				log_warning("Kafka has no topic %s, but %s: if these are the connector's, its "
				            "topic.delimiter, its "
				            "topic.naming.strategy or a transform gives them other names; name them in "
				            "kafka.topics",
				            topic_filter_text(source->filter), source->alike);
		}
		TRY(serve(source));
		clock_sleep_ms(200);
	}
	return NULL;
}

/*
 * Without transaction metadata only the next transaction, or silence, shows that one is complete. The assembler learns
 * of the silence by being asked for progress.
 */
static void end_run_in_silence(struct source *source)
{
	if (source->config->stream.transactions != TRANSACTIONS_OFF || source->pending != NULL ||
	    source->last_silence_us >= source->last_read_us || clock_monotonic_us() - source->last_read_us < SILENCE_US)
		return;
	source->last_silence_us = clock_monotonic_us();
	source->pending = assembler_progress(source->assembler);
}

static struct error *run_loop(struct source *source)
{
	TRY(await_topics(source));
	source->last_hand_over_us = source->last_read_us = clock_monotonic_us();
	source->next_discovery_us = source->last_read_us + DISCOVERY_INTERVAL_US;
	source->next_group_us = source->last_read_us + GROUP_INTERVAL_US;
	while (!source_leaving(source)) {
		if (source->pending != NULL)
			transaction_queue_wait_room(source->queue, ROOM_WAIT_MS);
		else
			TRY(source_read_round(source));
		TRY(source_search_step(source));
		end_run_in_silence(source);
		TRY(hand_over(source));
		TRY(poison_now(source));
		TRY(serve(source));
	}
	return NULL;
}

struct error *source_run(struct source *source)
{
	struct error *error = run_loop(source);

	if (error != NULL)
		hand_over_rest(source);
	transaction_queue_close(source->queue);
	return error;
}
