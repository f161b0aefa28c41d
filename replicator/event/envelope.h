/*
 * envelope.h - Debezium's envelope around a row, and the records of its transaction topic, read from JSON.
 *
 * Source: Debezium documentation, "Debezium connector for PostgreSQL", "Data change events" and "Transaction metadata".
 *
 * Thread: as the decoder's. What an envelope holds lies in the message.
 */
#ifndef REPLICATOR_EVENT_ENVELOPE_H
#define REPLICATOR_EVENT_ENVELOPE_H

#include "event/row.h"

/* The field that shows that a row has no envelope (flattened.h). */
#define FLATTENED_OPERATION "__op"

struct envelope_source {
	struct scan_token schema;
	struct scan_token table;
	int64_t ts_us; /* 0: absent */
	int64_t ts_ms;
	uint64_t tx_id;               /* 0: null */
	uint64_t lsn;                 /* likewise */
	uint64_t previous_commit_lsn; /* likewise */
	enum snapshot_mark snapshot;
};

struct envelope {
	uint32_t seen;  /* a bit for each field of the table in envelope.c */
	char operation; /* 0: there is no `op` */
	bool has_source;
	bool has_mark;    /* `status`: BEGIN or END */
	bool has_ts_only; /* nothing but times: a heartbeat */
	bool flattened;   /* it is no envelope, but a row with such fields: flattened.h */
	bool in_transaction;
	struct row before; /* shape NULL: null or absent */
	struct row after;
	struct envelope_source source;
	uint64_t transaction_tx_id; /* with in_transaction: the part of transaction.id before the colon */
	uint64_t total_order;
	int64_t ts_ms;
	struct scan_token message_prefix; /* of op m */
	struct scan_token message_content;
	struct scan_token status; /* what follows is of a mark */
	struct scan_token id;
	struct scan_token count;
	struct scan_token data_collections;
	bool end;
	uint64_t mark_tx_id;
	uint64_t mark_lsn;
	uint64_t event_count;

	const char *field;   /* of a problem: "source.lsn" */
	struct slice column; /* of a problem inside a row, else empty */
};

/* What is known of the rows beforehand. */
struct envelope_shapes {
	const struct shape *typed; /* from the message's own schema; NULL: none */
	struct shape_list *known;  /* without one */
};

void envelope_close(struct envelope *envelope);

/* What a message must not inherit from the one before; the rows keep their memory. */
void envelope_reset(struct envelope *envelope);

/*
 * Reads the object at the cursor. False: cursor->problem says what is wrong, envelope->field and column where. Fields
 * that it does not know are passed over; whether all that must be there is there is the caller's question.
 */
bool envelope_scan(struct envelope *envelope, struct scan_cursor *cursor, const struct envelope_shapes *shapes);

/* Single fields from their tokens. NULL: read; else what is wrong, fixed text. */
const char *envelope_parse_operation(const struct scan_token *token, char *operation);
const char *envelope_parse_snapshot(const struct scan_token *token, enum snapshot_mark *mark);
const char *envelope_parse_sequence(const struct scan_token *token, uint64_t *previous_commit_lsn);
const char *envelope_parse_transaction_id(const struct scan_token *token, uint64_t *tx_id, uint64_t *lsn);

#endif
