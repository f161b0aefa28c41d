/*
 * decoder.h - from the bytes of one Kafka message to one change or one transaction mark.
 *
 * Thread: a decoder belongs to one thread (the consumer's). The relations and collections that it interns are immutable
 * and may be read by any thread for the rest of the process's life.
 */
#ifndef REPLICATOR_EVENT_DECODER_H
#define REPLICATOR_EVENT_DECODER_H

#include "base/error.h"
#include "base/slab.h"
#include "base/slice.h"
#include "event/change.h"
#include "event/schema_registry.h"

struct decoder;

struct decoder_options {
	const char *unavailable_placeholder; /* NULL: Debezium's default, __debezium_unavailable_value */
	const char *const *added_fields;     /* of flattened events; borrowed */
	size_t added_field_count;            /* 0: the known ones */
	struct schema_registry_options registry;
};

struct config;
struct decoder_options decoder_options(const struct config *config); /* borrows its texts */

enum header_lookup {
	HEADER_ABSENT,
	HEADER_FOUND,
	HEADER_UNREADABLE /* whether the message has it cannot be told: its headers are damaged */
};

struct raw_message {
	uint32_t partition;   /* the caller's number of (topic, partition): the decoder caches what it learns by it */
	const char *topic;    /* for error texts */
	int32_t partition_id; /* Kafka's, for error texts */
	int64_t offset;
	int64_t timestamp_ms;
	struct slice key;   /* data NULL: no key */
	struct slice value; /* data NULL: a tombstone */
	/* Looks up a header of this message; called only where one matters. NULL: there are none. */
	enum header_lookup (*header)(const struct raw_message *message, const char *name, struct slice *value);
	void *handle; /* for `header` */
};

enum decoded_kind {
	DECODED_CHANGE,
	DECODED_MARK,   /* BEGIN or END */
	DECODED_NOTHING /* a tombstone or heartbeat: nothing to apply, its offset counts as done */
};

struct decoded {
	enum decoded_kind kind;
	struct change *change;         /* of DECODED_CHANGE; change_release it */
	struct transaction_mark *mark; /* of DECODED_MARK; transaction_mark_release it */
};

struct decoder *decoder_new(const struct decoder_options *options);
void decoder_free(struct decoder *decoder); /* relations and collections stay */

/*
 * Decodes one message into the writer's slab. The message is only read during the call.
 * Errors: ERROR_EVENT with `topic[partition]@offset`, the field and what is wrong; nothing was kept then. Of an Avro
 * message whose schema is not known yet also those of schema_registry_find, which may wait.
 */
struct error *decoder_decode(struct decoder *decoder, const struct raw_message *message, struct slab_writer *writer,
                             struct decoded *decoded);

/* Where Avro schemas come from; for tests. */
struct schema_registry *decoder_registry(struct decoder *decoder);

/* The interned collection of a name; made when it is new. For rules and subscriptions. */
const struct collection *decoder_collection(struct decoder *decoder, const char *schema, const char *table);

#endif
