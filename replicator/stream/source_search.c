/*
 * source_search.c - searches the transaction topic backwards for an END (assembler_repeats.c says why).
 *
 * NOTES
 *   A client of its own reads one window of offsets after the other, each before the last one and larger. A connector sends
 *   again what followed its last stored offset, so that the first window mostly has the END. When no window has it, the
 *   search ends at the first offset that Kafka holds. All ENDs of a window are told to the assembler: repeats come in
 *   the order of their first copies, and the next one needs no search of its own.
 *
 *   The loop calls source_search_step in each round: it does a bounded piece of the work, and callbacks, heartbeats and
 *   stop requests keep their time. Each window has a new client, so that no message of another window can arrive.
 */
#include "stream/source_internal.h"

#include "base/memory.h"

#include <stdlib.h>

#define FIRST_WINDOW 2000
#define LAST_WINDOW 4000000
#define WINDOW_FACTOR 16
#define STEP_US 50000
#define STEP_WAIT_MS 10

struct end_search {
	struct end_query query;
	bool active; /* else `answer` is that to the query, if `answered` */
	bool answered;
	enum end_answer answer;
	uint64_t commit_lsn;

	rd_kafka_t *client; /* of the window; NULL: it is not open */
	rd_kafka_queue_t *messages;
	int64_t window_begin;
	int64_t window_end;
	int64_t window_size;
	struct slab_account account;
	struct slab_writer writer;
};

static bool same_query(const struct end_query *a, const struct end_query *b)
{
	return a->partition == b->partition && a->before == b->before && a->tx_id == b->tx_id &&
	       a->lowest_lsn == b->lowest_lsn && a->highest_lsn == b->highest_lsn;
}

enum end_answer source_find_end(struct source *source, const struct end_query *query, uint64_t *commit_lsn)
{
	struct end_search *search = source->search;

	if (search == NULL) {
		search = source->search = memory_alloc(sizeof(*search));
		slab_writer_init(&search->writer, &search->account);
	}
	if (search->active)
		return END_UNKNOWN;
	if (search->answered && same_query(&search->query, query)) {
		*commit_lsn = search->commit_lsn;
		return search->answer;
	}
	search->query = *query;
	search->active = true;
	search->answered = false;
	search->commit_lsn = 0;
	search->window_end = query->before;
	search->window_size = FIRST_WINDOW;
	log_debug("searching the transaction topic for an END of transaction %llu before offset %lld",
	          (unsigned long long)query->tx_id, (long long)query->before);
	return END_UNKNOWN;
}

bool source_is_searching(const struct source *source)
{
	return source->search != NULL && source->search->active;
}

static void close_window(struct end_search *search)
{
	if (search->messages != NULL)
		rd_kafka_queue_destroy(search->messages);
	if (search->client != NULL)
		client_end(search->client);
	search->messages = NULL;
	search->client = NULL;
}

void source_search_free(struct source *source)
{
	if (source->search == NULL)
		return;
	close_window(source->search);
	slab_writer_close(&source->search->writer);
	free(source->search);
}

static void answer(struct end_search *search, enum end_answer answer)
{
	search->answer = answer;
	search->answered = true;
	search->active = false;
	slab_writer_close(&search->writer);
}

static struct error *read_window(struct end_search *search, const struct partition_name *name)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_resp_err_t code;

	rd_kafka_topic_partition_list_add(list, name->topic, name->id)->offset = search->window_begin;
	code = rd_kafka_assign(search->client, list);
	rd_kafka_topic_partition_list_destroy(list);
	search->messages = rd_kafka_queue_get_consumer(search->client);
	if (code == RD_KAFKA_RESP_ERR_NO_ERROR && search->messages != NULL)
		return NULL;
	return error_new(ERROR_SYSTEM, "Kafka's client does not read topic %s: %s", name->topic,
	                 rd_kafka_err2str(code));
}

/* The next window, or the answer that no window is left. */
static struct error *open_window(struct source *source)
{
	struct end_search *search = source->search;
	const struct partition_name *name = partition_list_get(source->names, search->query.partition);
	int64_t low, high;
	struct error *error = client_watermarks(source, name->topic, name->id, RUNNING_TIMEOUT_MS, &low, &high);

	if (error != NULL) {
		health_lost(source, error->message);
		error_free(error);
		return NULL;
	}
	health_good(source);
	if (search->window_end <= low) {
		answer(search, END_ABSENT);
		return NULL;
	}
	search->window_begin = search->window_end - search->window_size;
	if (search->window_begin < low)
		search->window_begin = low;
	TRY(source_make_searcher(source, &search->client));
	return read_window(search, name);
}

static void finish_window(struct end_search *search)
{
	close_window(search);
	if (search->commit_lsn != 0) {
		answer(search, END_FOUND);
		return;
	}
	search->window_end = search->window_begin;
	search->window_size *= WINDOW_FACTOR;
	if (search->window_size > LAST_WINDOW)
		search->window_size = LAST_WINDOW;
}

static void take_mark(struct source *source, const struct transaction_mark *mark)
{
	struct end_search *search = source->search;
	const struct end_query *query = &search->query;

	if (!mark->end)
		return;
	assembler_add_commit(source->assembler, mark->tx_id, mark->lsn);
	if (mark->tx_id == query->tx_id && mark->lsn >= query->lowest_lsn && mark->lsn <= query->highest_lsn)
		search->commit_lsn = mark->lsn;
}

/* A message that cannot be decoded is no END that proves anything. */
static void take_record(struct source *source, const rd_kafka_message_t *message)
{
	struct end_search *search = source->search;
	struct raw_message raw = source_raw_message(message, search->query.partition,
	                                            partition_list_get(source->names, search->query.partition)->topic);
	struct decoded decoded;
	struct error *error = decoder_decode(source->decoder, &raw, &search->writer, &decoded);

	if (error != NULL) {
		log_debug("%s", error->message);
		error_free(error);
		return;
	}
	if (decoded.kind == DECODED_MARK) {
		take_mark(source, decoded.mark);
		transaction_mark_release(decoded.mark);
	} else if (decoded.kind == DECODED_CHANGE) {
		change_release(decoded.change);
	}
}

/* Sets *ended at the end of the window. */
static struct error *take_message(struct source *source, const rd_kafka_message_t *message, bool *ended)
{
	struct end_search *search = source->search;

	if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		*ended = true;
		return NULL;
	}
	if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) { /* retention removed the beginning: ask again */
		close_window(search);
		return NULL;
	}
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		return health_message_error(source, message);
	if (message->offset < search->window_end)
		take_record(source, message);
	*ended = message->offset >= search->window_end - 1;
	return NULL;
}

struct error *source_search_step(struct source *source)
{
	struct end_search *search = source->search;
	int64_t until = clock_monotonic_us() + STEP_US;

	if (search == NULL || !search->active)
		return NULL;
	if (search->client == NULL)
		TRY(open_window(source));
	while (search->active && search->client != NULL && clock_monotonic_us() < until) {
		rd_kafka_message_t *message = rd_kafka_consume_queue(search->messages, STEP_WAIT_MS);
		struct error *error;
		bool ended = false;

		if (message == NULL)
			continue;
		error = take_message(source, message, &ended);
		rd_kafka_message_destroy(message);
		TRY(error);
		if (ended)
			finish_window(search);
	}
	return NULL;
}
