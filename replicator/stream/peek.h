/*
 * peek.h - some messages of one topic, for people. The stream's own place is not touched.
 * Thread: any one; makes a client of its own and gives it back.
 */
#ifndef REPLICATOR_STREAM_PEEK_H
#define REPLICATOR_STREAM_PEEK_H

#include "config/config.h"
#include "event/decoder.h"
#include "stream/partition.h"

struct peek {
	const char *topic; /* its name, or without the prefix: "public.users" */
	bool from_offset;  /* else the newest ones */
	int64_t offset;    /* negative: that many before the end */
	int64_t limit;     /* of messages, for each partition */
	bool follow;       /* go on with those that come, until a stop request; `limit` is of those that are there */
	/* False ends the reading. The message is valid during the call; its number is of the list. */
	bool (*show)(void *context, const struct raw_message *message);
	void *context;
};

/*
 * Reads, oldest first within each partition, and numbers the partitions in `names`. Errors: ERROR_CONFIGURATION when
 * there is no such topic (the text names what there is); ERROR_TRANSIENT, ERROR_AUTHENTICATION; ERROR_GAP for an offset
 * that Kafka does not hold.
 */
struct error *peek_topic(const struct config *config, const struct peek *peek, struct partition_list *names);

#endif
