/*
 * decode.h - what the files of the decoder share; nobody else includes it.
 */
#ifndef REPLICATOR_EVENT_DECODE_H
#define REPLICATOR_EVENT_DECODE_H

#include "base/buffer.h"
#include "base/map.h"
#include "event/decoder.h"
#include "event/envelope.h"
#include "event/placeholder.h"
#include "event/schema_cache.h"
#include "event/schema_registry.h"

/* A relation of a table that was seen with this shape and key. */
struct known_relation {
	const struct shape *shape;
	const struct shape *key;
	const struct relation *relation;
};

/* A table as `source` names it, in the bytes of the message. */
struct table {
	struct slice schema; /* still escaped; owned */
	struct slice table;
	const struct collection *collection;
	struct known_relation *relations;
	uint32_t relation_count;
};

/* What was learned from the messages of one partition. */
struct partition_cache {
	struct shape_list rows;
	struct shape_list keys;
	struct schema_list values_schemas;
	struct schema_list keys_schemas;
	struct table *last_table;
	bool flattened; /* its rows have no envelope */
};

struct decoder {
	struct placeholder placeholder;
	struct partition_cache **partitions; /* by raw_message.partition */
	uint32_t partition_count;
	struct map *schemas;     /* schema_cache.h */
	struct map *key_schemas; /* likewise */
	struct map *tables;      /* of struct table */
	struct map *collections; /* by the name in an END */
	const struct shape *empty;
	const struct shape *message_shape;
	struct schema_registry *registry;
	struct flattened *flattened;
	struct buffer value_text; /* of an Avro message, as JSON */
	struct buffer key_text;
	struct envelope envelope;
	struct row key;
	struct row header;
	struct row other;                /* the values of a header in the order of the relation's key */
	struct collection_count *counts; /* of an END; room for count_capacity */
	uint32_t count_capacity;
};

/* `topic[partition]@offset: field FIELD.COLUMN: what`; field NULL: the message as a whole. */
struct error *decode_error(const struct raw_message *message, const char *field, struct slice column, const char *what);

/*
 * The JSON of a message's value or key: the bytes themselves, or what Avro was turned into, in `buffer`. *schema NULL:
 * it was no Avro.
 */
struct error *decode_text(struct decoder *decoder, const struct raw_message *message, const char *field,
                          struct slice bytes, struct buffer *buffer, struct slice *text,
                          const struct avro_schema **schema);

/* The message key's fields: an empty shape where there is no key. */
struct error *decode_key(struct decoder *decoder, struct partition_cache *partition, const struct raw_message *message,
                         const struct shape **key);

/* The key in a header, in the order of the relation's key; *row NULL: there is no such header. */
struct error *decode_key_header(struct decoder *decoder, struct partition_cache *partition,
                                const struct raw_message *message, const char *header, const struct relation *relation,
                                struct row **row);

/* decoder->envelope holds a change, or a mark. */
struct error *decode_change(struct decoder *decoder, struct partition_cache *partition,
                            const struct raw_message *message, struct slab_writer *writer, struct change **change);
struct error *decode_mark(struct decoder *decoder, const struct raw_message *message, struct slab_writer *writer,
                          struct transaction_mark **mark);

#endif
