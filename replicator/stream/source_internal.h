/*
 * source_internal.h - what the files of the consumer share. Nobody else includes it.
 *
 *   source.c         life, the loop, hand-over
 *   source_read.c    messages into the assembler
 *   source_config.c  librdkafka's properties
 *   source_health.c  what librdkafka reports: logged, healed or turned into an error
 *   source_topics.c  which topics are read; the cluster's metadata
 *   source_missing.c partitions without a leader, deleted topics
 *   source_wait.c    what the consumer waits for, for the status
 *   source_prove.c   whether a partition is still the one that was read
 *   source_assign.c  start offsets, gaps, assigning and holding back partitions
 *   source_search.c  searches the transaction topic backwards
 *   source_group.c   offsets published under the group's name, for lag tools
 *   describe.c       how topics are configured
 *   client.c         a client that only looks, for probe.c, probe_details.c and peek.c
 *
 * Thread: all of it is the consumer's thread (source_new: main's, before there is one), except where said.
 */
#ifndef REPLICATOR_STREAM_SOURCE_INTERNAL_H
#define REPLICATOR_STREAM_SOURCE_INTERNAL_H

#include "base/buffer.h"
#include "base/clock.h"
#include "base/slab.h"
#include "event/decoder.h"
#include "stream/assembler.h"
#include "stream/source.h"
#include "stream/topic_filter.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>

/* How long a blocking question to the cluster may take: the loop stands still meanwhile. */
enum { STARTING_TIMEOUT_MS = 5000, RUNNING_TIMEOUT_MS = 1000 };

enum partition_trouble {
	PARTITION_GOOD,
	PARTITION_WITHOUT_LEADER,
	PARTITION_ABSENT, /* from the cluster's metadata */
	PARTITION_DENIED, /* the user may not see the topic */
};

struct source_partition {
	bool assigned;   /* is read, or held back */
	bool held;       /* taken from librdkafka's assignment for a while; read on at next_offset */
	bool stuck;      /* at an event that cannot be taken: source->poison */
	bool expected;   /* not read yet, but transactions wait for it: it has a stored offset, or no leader */
	bool dropped;    /* its topic was deleted; it is not read, unless the topic is created again */
	bool lingers;    /* dropped, but still in librdkafka's assignment */
	bool renewed;    /* lingered, and another topic of its name is read now */
	bool at_end;     /* the last fetch found nothing after next_offset */
	bool seen;       /* in the last metadata */
	bool doubted;    /* its topic was away for a moment: another may have its name now */
	bool made_again; /* it does not hold the witness of the checkpoint */
	bool trouble_said;
	unsigned absences; /* from the metadata, in a row */
	enum partition_trouble trouble;
	int64_t trouble_us;  /* since when */
	int32_t leader;      /* as of the last metadata; -1: none */
	int64_t next_offset; /* of the next message to take: what lies below is stale */
	int64_t handed_over; /* what the last transaction said about the partition; -1 nothing yet */
	int64_t published;   /* to the group */
	int64_t high;        /* high watermark as last seen; -1 unknown */
	uint64_t high_round; /* of the loop, in which it was asked for */
	uint64_t tried_round;
	int64_t ticked; /* next_offset at the last tick */
	struct slab_account account;
	struct slab_writer writer;
};

#define FETCH_QUEUE_BACKOFF_VERSION 0x02020000 /* of librdkafka; before: see wake_brokers */

/* Lets a repeated message through at rising intervals. */
struct repeat_limit {
	int64_t next_us;
	int64_t interval_us;
};

struct end_search;
struct source_wait;

struct source {
	const struct config *config;
	const struct checkpoint *start;
	struct partition_list *names;
	struct transaction_queue *queue;

	rd_kafka_t *kafka;
	rd_kafka_queue_t *messages; /* librdkafka's, of all partitions */
	rd_kafka_t *committer;      /* of source_group.c; NULL: not needed yet */
	rd_kafka_queue_t *answers;  /* to the committer's requests, which nobody waits for */
	char *cluster_id;
	bool other_cluster;  /* than that of the stored offsets, which the operator accepted: they do not count */
	char *sasl_username; /* as configured, or "": for waking librdkafka (source_read.c) */
	char *sasl_password;
	size_t read_since_wake; /* bytes */
	struct topic_filter *filter;
	struct decoder *decoder;
	struct assembler *assembler;
	struct end_search *search; /* NULL: none was needed yet */

	struct source_partition **partitions; /* by number; entries never move */
	uint32_t partition_count;
	uint32_t assigned_count;
	atomic_uint held_count; /* read by source_state */
	/* The partition of the last message: messages come in runs. */
	const rd_kafka_topic_t *last_topic;
	int32_t last_id;
	uint32_t last_number;

	struct transaction *pending; /* refused by a full queue */
	struct error *poison; /* of the first event that cannot be taken; told when all before it is handed over */
	int64_t poison_us;

	struct error *failure;         /* found by a callback of librdkafka; the loop returns it */
	int64_t disconnected_since_us; /* 0: connected */
	char last_reason[256];         /* of librdkafka, for a connection that failed */
	struct repeat_limit trouble;
	struct repeat_limit waiting;
	struct source_wait *wait;
	bool had_data; /* a message came: rights and passwords were right once */
	bool over_limit_said;
	bool no_topics_said;
	char *alike;                  /* while no topic is read: topic_filter_alike */
	bool lacks_transaction_topic; /* it belongs to the stream, but is not there yet */
	uint64_t round;               /* answers to questions of one round belong together; from 1 on */
	uint64_t asked_round;         /* in which the high watermarks were asked for */
	int64_t next_ask_us;          /* not all of them were answered: the next question */
	bool group_asked;
	bool keeps_quiet;    /* nothing is written under the group's name */
	int32_t some_broker; /* that was there lately; -1: none is known */

	int64_t last_read_us;
	uint64_t records_read; /* messages_read when last_event_us was noted */
	int64_t last_empty_us; /* when nothing more was in librdkafka's queue */
	int64_t last_silence_us;
	int64_t last_hand_over_us;
	int64_t next_tick_us;
	int64_t next_discovery_us; /* 0: no topic is read yet */
	int64_t next_look_us;      /* for topics that the head waits for, see head_waits */
	int64_t look_interval_us;  /* 0: the head did not wait */
	int64_t next_group_us;
	int64_t next_serve_us;
	int64_t next_balance_us;

	atomic_bool stop;
	/* For source_state, from any thread. */
	atomic_uint_fast64_t messages_read;
	atomic_uint_fast64_t bytes_read;
	atomic_uint_fast64_t transactions;
	atomic_size_t waiting_bytes;
	atomic_int_fast64_t lag;
	atomic_int_fast64_t lag_marks;
	atomic_int_fast64_t caught_up_us; /* monotonic */
	atomic_int_fast64_t last_event_us;
	atomic_bool connected;
};

static inline bool source_leaving(struct source *source)
{
	return atomic_load_explicit(&source->stop, memory_order_relaxed) || transaction_queue_closed(source->queue);
}

/* source_read.c */
/* What the decoder takes; its bytes are the message's. */
struct raw_message source_raw_message(const rd_kafka_message_t *message, uint32_t partition, const char *topic);
/* Takes what is there, waiting a moment for the first. Errors: of the client or of a partition; bad events wait. */
struct error *source_read_round(struct source *source);

/* source_config.c */
size_t source_fetch_bytes(
    const struct config *config); /* librdkafka's part of memory_limit: its queue of raw messages */
struct error *source_make_consumer(struct source *source);
struct error *source_make_committer(struct source *source);
struct error *source_make_searcher(const struct source *source, rd_kafka_t **client); /* client_end it */
/* Nobody waits for its end, which may never come. Destroy its queues before. */
void client_end(rd_kafka_t *kafka);

/* source_health.c */
void health_set_callbacks(rd_kafka_conf_t *conf, struct source *source);
void health_keep_quiet(rd_kafka_conf_t *conf); /* of a client without which the stream goes on */
bool repeat_allowed(struct repeat_limit *limit, int64_t now_us);
void health_lost(struct source *source, const char *reason); /* no broker answers */
void health_good(struct source *source);                     /* one did */
/* What librdkafka put in a message's place: NULL when it heals by itself. */
struct error *health_message_error(struct source *source, const rd_kafka_message_t *message);

/* source_topics.c */
/* Up to three topics that begin with the prefix and do not match: other names of the stream's? NULL: none; free it. */
char *topic_filter_alike(const struct topic_filter *filter, const struct rd_kafka_metadata *metadata);
const char *topic_filter_text(const struct topic_filter *filter); /* for messages */
bool topic_filter_wants_transaction_topic(const struct topic_filter *filter);
bool topic_is_transaction_topic(const struct config *config, const char *topic);

/* Adds the partitions that are not read yet to `found`. Errors: ERROR_TRANSIENT; ERROR_CONFIGURATION. */
struct error *source_find_partitions(struct source *source, int timeout_ms, rd_kafka_topic_partition_list_t *found);

/* source_missing.c */
void source_expect_stored(struct source *source);
/* The partition is waited for though it cannot be read yet. */
void source_expect(struct source *source, uint32_t number, int64_t next_offset);
void source_note_metadata(struct source *source, const struct rd_kafka_metadata *metadata); /* of all topics */
/* Of those that the metadata lacks: who is deleted is dropped. ERROR_GAP: it was not read to its end. */
struct error *source_judge_absent(struct source *source, int timeout_ms);
bool source_any_deleted(const struct source *source); /* a topic that was read does not exist */
/* The partitions that cannot be read for some seconds, for the log and the status. How many they are. */
uint32_t source_describe_missing(struct source *source, struct buffer *text);

/* source_wait.c */
struct source_wait *source_wait_new(void);
void source_wait_free(struct source_wait *wait);                             /* NULL is allowed */
void source_wait_tell(struct source *source, int64_t now);                   /* notes what the consumer waits for */
void source_wait_read(struct source_wait *wait, struct source_state *state); /* any thread */

/* source_prove.c */
/* Sets made_again of each partition in `found`, sorted like `low`. ERROR_TRANSIENT: Kafka did not say. */
struct error *source_prove(struct source *source, const rd_kafka_topic_partition_list_t *found,
                           const rd_kafka_topic_partition_list_t *low, int timeout_ms);

/* source_assign.c */
#define WAYS_OUT                                                                                                       \
	"run `replicator table resync TABLE` for the tables of this topic, or `replicator accept gap` to go on "       \
	"without "                                                                                                     \
	"these events"
/* True: the operator accepted gaps for this start; the error is logged as a warning and freed. */
bool source_accepts(const struct source *source, struct error *error);
const struct checkpoint_offset *source_stored(const struct source *source, uint32_t number); /* NULL: none */
int64_t source_stored_offset(const struct source *source, uint32_t number); /* of the checkpoint; 0: none */
void source_stop_reading(struct source *source, uint32_t number);           /* of a topic that was deleted */
/* Looks for partitions that are not read yet, checks them and begins to read them. */
struct error *source_discover(struct source *source, int timeout_ms);
struct source_partition *source_partition(struct source *source, uint32_t number); /* made when new */
/*
 * Asks for the high watermarks of all partitions that have a leader, once in a round. Who answers has high_round of
 * this round; the others are asked again in a later one.
 */
void source_ask_high_watermarks(struct source *source, int timeout_ms);
/* Kafka does not have the offset that librdkafka fetched at. */
struct error *source_offset_refused(struct source *source, const char *topic, int32_t id, int64_t offset);
struct error *source_balance(struct source *source); /* holds partitions back, or lets them go, by the memory in use */
size_t source_memory_in_use(const struct source *source);

/* describe.c */
/* Of one topic; it may carry an error in place of the settings. */
typedef struct error *(*take_topic_config)(const rd_kafka_ConfigResource_t *resource, void *context);
/* `broker`: who is asked; -1: any. ERROR_TRANSIENT: no answer, or a refusal of the whole; else what `take` returned. */
struct error *source_describe_topics(struct source *source, const char *const *topics, size_t count, int32_t broker,
                                     int timeout_ms, take_topic_config take, void *context);

/* client.c */
struct error *client_new(const struct config *config, struct source **source); /* client_free it, not source_free */
void client_free(struct source *source);                                       /* NULL is allowed */
/* The metadata of all topics; rd_kafka_metadata_destroy it. ERROR_TRANSIENT, ERROR_AUTHENTICATION. */
struct error *client_ask(struct source *source, int timeout_ms, const struct rd_kafka_metadata **metadata);
struct error *client_watermarks(struct source *source, const char *topic, int32_t partition, int timeout_ms,
                                int64_t *low, int64_t *high);

/* probe_details.c */
struct probe;
struct probe_sample;
struct error *probe_read_policies(struct source *source, int timeout_ms, const struct probe_sample *sample,
                                  struct probe *probe);
struct error *probe_read_messages(struct source *source, int timeout_ms, const struct probe_sample *sample,
                                  struct probe *probe);
struct error *probe_look_closer(struct source *source, int timeout_ms, const struct probe_sample *sample,
                                struct probe *probe);

/* source_search.c */
/* Answers END_UNKNOWN while a search is in progress: ask again. One question at a time. */
enum end_answer source_find_end(struct source *source, const struct end_query *query, uint64_t *commit_lsn);
bool source_is_searching(const struct source *source);
struct error *source_search_step(struct source *source); /* a bounded piece of the work; call it in each round */
void source_search_free(struct source *source);

/* source_group.c */
void source_publish_offsets(struct source *source);
void source_take_answers(struct source *source);
void source_free_committer(struct source *source);

#endif
