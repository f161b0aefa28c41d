/*
 * change.h - the neutral form of what a connector reports: one change of one row, and the marks of transactions.
 *
 * NOTES
 *   Everything behind event/ works on these structs and knows neither JSON nor Avro nor Kafka. Values stay the text
 *   that the connector wrote (unescaped); what the text means is said once a column, by its `encoding` (column.h), and
 *   turned into PostgreSQL's input text by a converter chosen once a column (value.h).
 *
 *   Ownership: a change, its value arrays and their bytes lie in one slab; change_release gives them back. Relations
 *   and collections are interned by the decoder, immutable, and live as long as the process.
 *
 * Source of the format: Debezium documentation, "Debezium connector for PostgreSQL", sections "Data change events"
 * and "Transaction metadata".
 */
#ifndef REPLICATOR_EVENT_CHANGE_H
#define REPLICATOR_EVENT_CHANGE_H

#include "base/slab.h"
#include "event/column.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_kind {
	VALUE_NULL,
	VALUE_UNCHANGED, /* a TOAST placeholder: the target's own value stays (law 5) */
	VALUE_STRING,    /* a JSON string, unescaped: UTF-8 without NUL */
	VALUE_NUMBER,    /* the token as written: -12.50e3 */
	VALUE_BOOLEAN,   /* "true" or "false" */
	VALUE_JSON,      /* an array or object, as the JSON text that stood there */
	VALUE_NATIVE     /* PostgreSQL's own text, read from the target or made by a rule; in no event */
};

struct value {
	const char *data; /* not zero-terminated; NULL for VALUE_NULL and VALUE_UNCHANGED */
	uint32_t length;
	uint8_t kind; /* enum value_kind */
};

/* "schema.table" as END's data_collections and source.schema/source.table name it; interned: compare pointers. */
struct collection {
	const char *name;   /* `schema.table`, as Debezium joins them, unquoted */
	const char *schema; /* "" when the collection was only seen in an END */
	const char *table;
	uint32_t number; /* 0, 1, 2…: an index for arrays of the users */
	bool message;    /* logical decoding messages (PREFIX.message), not a table */
};

/*
 * One shape of a table's rows, as events show it: the columns in the order of the event, and which of them the message
 * key names. Another set of columns, encodings or keys is another relation.
 */
struct relation {
	const struct collection *collection;
	const char *schema;
	const char *table;
	uint32_t number; /* 0, 1, 2…: an index for arrays of the users; unique over all relations of the process */
	uint32_t column_count;
	const struct column *columns;
	uint32_t key_count;          /* 0: the message has no key (table without a key) */
	const uint32_t *key_columns; /* indexes into columns, in the key's order */
	bool typed;    /* columns[].encoding was told by a schema; false: plain JSON, ask the target's type */
	bool adjusted; /* the connector rewrote the columns' names to Avro's rules: adjusted_name.h */
	const char *const
	    *taken; /* fields of the event that were taken for the transform's, not for columns: flattened.h */
	uint32_t taken_count;
};

enum change_operation {
	CHANGE_INSERT = 'c',
	CHANGE_UPDATE = 'u',
	CHANGE_DELETE = 'd',
	CHANGE_READ = 'r', /* a snapshot row */
	CHANGE_TRUNCATE = 't',
	CHANGE_MESSAGE = 'm' /* pg_logical_emit_message */
};

/* Whether the event is a row of a snapshot: op "r" without a transaction. Of which kind, source.snapshot says. */
enum snapshot_mark {
	SNAPSHOT_NONE, /* streamed, whatever source.snapshot says */
	SNAPSHOT_ROW,  /* of a full one, initial or blocking */
	SNAPSHOT_LAST, /* "last": the full one ends with this row */
	SNAPSHOT_INCREMENTAL
};

struct change {
	struct slab *slab;
	const struct relation
	    *relation;              /* of a CHANGE_TRUNCATE too, with 0 columns; a CHANGE_MESSAGE has in `after` the
					    columns "prefix" and "content" (base64) */
	const struct value *before; /* relation->column_count values, or NULL */
	const struct value *after;  /* likewise */
	/*
	 * Of a CHANGE_DELETE that is the first half of a key change (header __debezium.newkey): the new key, in the
	 * order of relation->key_columns. Of a CHANGE_INSERT that is the second half and holds a placeholder (header
	 * __debezium.oldkey): the old key. Else NULL.
	 */
	const struct value *other_key;
	uint64_t tx_id;               /* source.txId; 0 when null (incremental snapshot) */
	uint64_t lsn;                 /* source.lsn; 0 when null */
	uint64_t previous_commit_lsn; /* source.sequence[0]: commit LSN of the transaction before; 0 when null */
	uint64_t total_order;         /* transaction.total_order, from 1; 0: the event belongs to no transaction */
	int64_t source_us;            /* source.ts_us (or ts_ms * 1000): commit time at the source, since 1970 */
	int64_t timestamp_ms;         /* Kafka's timestamp of the message */
	int64_t offset;               /* Kafka's offset of the message */
	uint32_t partition;           /* the caller's number of the topic and partition (raw_message.partition) */
	uint32_t bytes;               /* of memory that this change holds, for accounting */
	uint8_t operation;            /* enum change_operation */
	uint8_t snapshot;             /* enum snapshot_mark */
	bool discarded;               /* a snapshot row that must not be written (target/snapshot.h) */
};

struct collection_count {
	const struct collection *collection;
	uint64_t count;
};

/* BEGIN or END, from the transaction topic. */
struct transaction_mark {
	struct slab *slab;
	uint64_t tx_id;       /* the part of `id` before the colon: the same in BEGIN, events and END */
	uint64_t lsn;         /* the part behind it; of an END the commit LSN */
	uint64_t event_count; /* of an END: of all collections */
	const struct collection_count *counts; /* of an END */
	uint32_t count_count;
	uint32_t partition;
	int64_t offset;
	int64_t source_us; /* ts_ms * 1000: commit time at the source */
	int64_t timestamp_ms;
	bool end; /* false: BEGIN */
};

static inline void change_release(struct change *change)
{
	slab_release(change->slab); /* frees the change itself: it lies in the slab */
}

static inline void transaction_mark_release(struct transaction_mark *mark)
{
	slab_release(mark->slab);
}

#endif
