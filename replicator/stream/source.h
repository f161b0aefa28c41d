/*
 * source.h - the consumer: reads the stream's topics from Kafka and gives whole transactions to the queue.
 *
 * NOTES
 *   assign() at the offsets of the checkpoint, never at the group's. Before the first fetch each stored offset is
 *   compared with the partition's low and high watermark and the cluster's id with the stored one: a gap stops the
 *   stream (ERROR_GAP). Topics are found in the cluster's metadata, and looked for again while running (a topic that
 *   appears later is read from its beginning).
 *
 *   Errors that heal (broker away, leader change) are retried for ever by librdkafka and said in the log.
 *
 *   Transactions live in memory that the source accounts for: free the queue and what was taken from it first.
 *
 * Thread: source_run is the consumer's thread; source_stop, source_wake and source_state may be called from any.
 */
#ifndef REPLICATOR_STREAM_SOURCE_H
#define REPLICATOR_STREAM_SOURCE_H

#include "config/config.h"
#include "stream/checkpoint.h"
#include "stream/partition.h"
#include "stream/transaction_queue.h"

struct source;

#define WAIT_TEXT_SIZE 512

struct source_state {
	uint64_t messages;
	uint64_t bytes;           /* of keys and values */
	uint64_t transactions;    /* handed over */
	size_t waiting_bytes;     /* in the assembler */
	int64_t lag_messages;     /* high watermarks minus positions, of all partitions; -1 unknown */
	int64_t lag_marks;        /* likewise of the transaction topic: two for each transaction */
	int64_t caught_up_us;     /* when Kafka last held nothing that was not read, since 1970; 0: not yet */
	uint32_t held_partitions; /* not read for a while: they ran ahead and memory is short */
	bool connected;           /* the last contact with a broker succeeded */

	char waiting_for[WAIT_TEXT_SIZE]; /* what keeps the next transaction from being whole; "": nothing */
	int64_t waiting_since_us;         /* monotonic; 0: no transaction waits */
	int64_t last_event_us;            /* monotonic, when the last message was read, or of the start */
	bool misnamed_topics;             /* topics of the stream do not exist, though its connector writes */
	uint32_t missing_partitions;      /* cannot be read: no leader, not in the cluster, not allowed */
};

/* What is to be done while source_new waits for a broker, several times a second; an error of it ends the wait. */
struct source_meanwhile {
	struct error *(*call)(void *context); /* may be NULL */
	void *context;
};

/*
 * Connects: waits for a broker as long as it takes (ERROR_INTERRUPTED on a stop request). `config`, `start` and
 * `partitions` must outlive the source. Errors: ERROR_CONFIGURATION, ERROR_AUTHENTICATION, ERROR_GAP (another cluster),
 * those of `meanwhile`.
 */
struct error *source_new(const struct config *config, const struct checkpoint *start, struct partition_list *partitions,
                         struct transaction_queue *queue, struct source_meanwhile meanwhile, struct source **source);
void source_free(struct source *source);

/* What is read is not shown under the group's name, for a reader that applies nothing. Before source_run. */
void source_keep_quiet(struct source *source);

/* Reads until source_stop, a closed queue, or an error; closes the queue when it leaves. */
struct error *source_run(struct source *source);
void source_stop(struct source *source);

/*
 * The wall clock was set back: librdkafka waits until times of that clock, and would do so for longer by as much. This
 * ends its waits.
 */
void source_wake(struct source *source);

struct source_state source_state(const struct source *source);
const char *source_cluster_id(const struct source *source); /* after source_new; lives as long as the source */

#endif
