/*
 * envelope.c - see envelope.h
 *
 * NOTES
 *   The tables of fields stand in the order in which Debezium 3 writes them, because scan_walk_next expects them so;
 *   any other order is right too, only slower.
 */
#include "event/envelope.h"

enum {
	FIELD_BEFORE,
	FIELD_AFTER,
	FIELD_SOURCE,
	FIELD_TRANSACTION,
	FIELD_OP,
	FIELD_TS_MS,
	FIELD_TS_US,
	FIELD_TS_NS,
	FIELD_MESSAGE,
	FIELD_STATUS,
	FIELD_ID,
	FIELD_EVENT_COUNT,
	FIELD_DATA_COLLECTIONS,
	FIELD_MARK_TS_MS,   /* `ts_ms` where a transaction's record has it */
	FIELD_FLATTENED_OP, /* no field of an envelope: flattened.h */
	FIELD_COUNT
};

static const struct scan_field envelope_fields[FIELD_COUNT] = {
    SCAN_FIELD("before"),
    SCAN_FIELD("after"),
    SCAN_FIELD("source"),
    SCAN_FIELD("transaction"),
    SCAN_FIELD("op"),
    SCAN_FIELD("ts_ms"),
    SCAN_FIELD("ts_us"),
    SCAN_FIELD("ts_ns"),
    SCAN_FIELD("message"),
    SCAN_FIELD("status"),
    SCAN_FIELD("id"),
    SCAN_FIELD("event_count"),
    SCAN_FIELD("data_collections"),
    SCAN_FIELD("ts_ms"),
    SCAN_FIELD(FLATTENED_OPERATION),
};
#define TIME_FIELDS (1u << FIELD_TS_MS | 1u << FIELD_TS_US | 1u << FIELD_TS_NS)

enum {
	SOURCE_VERSION,
	SOURCE_CONNECTOR,
	SOURCE_NAME,
	SOURCE_TS_MS,
	SOURCE_SNAPSHOT,
	SOURCE_DB,
	SOURCE_SEQUENCE,
	SOURCE_TS_US,
	SOURCE_TS_NS,
	SOURCE_SCHEMA,
	SOURCE_TABLE,
	SOURCE_TX_ID,
	SOURCE_LSN,
	SOURCE_XMIN,
	SOURCE_ORIGIN,
	SOURCE_ORIGIN_LSN,
	SOURCE_COUNT
};

static const struct scan_field source_fields[SOURCE_COUNT] = {
    SCAN_FIELD("version"),  SCAN_FIELD("connector"), SCAN_FIELD("name"),     SCAN_FIELD("ts_ms"),
    SCAN_FIELD("snapshot"), SCAN_FIELD("db"),        SCAN_FIELD("sequence"), SCAN_FIELD("ts_us"),
    SCAN_FIELD("ts_ns"),    SCAN_FIELD("schema"),    SCAN_FIELD("table"),    SCAN_FIELD("txId"),
    SCAN_FIELD("lsn"),      SCAN_FIELD("xmin"),      SCAN_FIELD("origin"),   SCAN_FIELD("origin_lsn"),
};

static const struct scan_field transaction_fields[] = {SCAN_FIELD("id"), SCAN_FIELD("total_order")};
static const struct scan_field message_fields[] = {SCAN_FIELD("prefix"), SCAN_FIELD("content")};

static const struct scan_token no_token; /* of kind SCAN_NULL */

void envelope_close(struct envelope *envelope)
{
	row_close(&envelope->before);
	row_close(&envelope->after);
}

void envelope_reset(struct envelope *envelope)
{
	const struct row before = envelope->before;
	const struct row after = envelope->after;

	memset(envelope, 0, sizeof(*envelope));
	envelope->before = before;
	envelope->after = after;
	envelope->before.shape = envelope->after.shape = NULL;
}

/* What was said of a token becomes the cursor's problem. */
static bool judged(struct scan_cursor *cursor, const char *problem)
{
	return problem == NULL || scan_fail(cursor, problem);
}

static bool skip(struct scan_cursor *cursor)
{
	struct scan_token token;

	return scan_value(cursor, &token);
}

/* A whole number, or null for 0. */
static bool read_unsigned(struct scan_cursor *cursor, uint64_t *number)
{
	struct scan_token token;

	if (!scan_value(cursor, &token))
		return false;
	*number = 0;
	return token.kind == SCAN_NULL || scan_unsigned(&token, number) ||
	       scan_fail(cursor, "no whole number from 0 to 2^64-1");
}

static bool read_signed(struct scan_cursor *cursor, int64_t *number)
{
	struct scan_token token;

	if (!scan_value(cursor, &token))
		return false;
	*number = 0;
	return token.kind == SCAN_NULL || scan_signed(&token, number) ||
	       scan_fail(cursor, "no whole number within 64 bits");
}

/* A string; null leaves a token of kind SCAN_NULL. */
static bool read_string(struct scan_cursor *cursor, struct scan_token *token)
{
	if (!scan_value(cursor, token))
		return false;
	return token->kind == SCAN_STRING || token->kind == SCAN_NULL || scan_fail(cursor, "no string");
}

/* Decimal digits up to `stop`; false: others, too many, or none. */
static bool take_digits(const char **at, const char *end, uint64_t *number)
{
	const char *first = *at;
	uint64_t sum = 0;

	for (; *at < end && (unsigned char)(**at - '0') <= 9; (*at)++)
		if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, (unsigned)(**at - '0'), &sum))
			return false;
	*number = sum;
	return *at > first;
}

/* `744:51078120`, or `744` alone. */
const char *envelope_parse_transaction_id(const struct scan_token *token, uint64_t *tx_id, uint64_t *lsn)
{
	static const char problem[] = "no transaction id of the form TXID:LSN";
	const char *at = token->data;
	const char *end;

	*lsn = 0;
	if (token->kind != SCAN_STRING)
		return problem;
	end = at + token->length;
	if (!take_digits(&at, end, tx_id))
		return problem;
	if (at == end)
		return NULL;
	return *at++ == ':' && take_digits(&at, end, lsn) && at == end ? NULL : problem;
}

static bool read_transaction_id(struct scan_cursor *cursor, uint64_t *tx_id)
{
	struct scan_token token;
	uint64_t lsn;

	return scan_value(cursor, &token) && judged(cursor, envelope_parse_transaction_id(&token, tx_id, &lsn));
}

/* The first of the two LSNs in the text of a JSON array: ["51081088","51077832"] or [null,"51077832"]. */
static bool parse_sequence(const char *at, const char *end, uint64_t *first)
{
	if (at == end || *at++ != '[')
		return false;
	if (end - at >= 4 && memcmp(at, "null", 4) == 0) {
		*first = 0;
		return true;
	}
	if (at == end || *at++ != '"' || !take_digits(&at, end, first))
		return false;
	return at < end && *at == '"';
}

const char *envelope_parse_sequence(const struct scan_token *token, uint64_t *previous_commit_lsn)
{
	char text[64];
	size_t length;

	if (token->kind == SCAN_NULL)
		return NULL;
	if (token->kind != SCAN_STRING || token->length > sizeof(text))
		return "no pair of LSNs";
	length = scan_unescape(token, text);
	return parse_sequence(text, text + length, previous_commit_lsn) ? NULL : "no pair of LSNs";
}

static bool read_sequence(struct scan_cursor *cursor, uint64_t *first)
{
	struct scan_token token;

	return scan_value(cursor, &token) && judged(cursor, envelope_parse_sequence(&token, first));
}

const char *envelope_parse_snapshot(const struct scan_token *token, enum snapshot_mark *mark)
{
	static const struct {
		const char *text;
		enum snapshot_mark mark;
	} marks[] = {
	    {"false", SNAPSHOT_NONE},
	    {"true", SNAPSHOT_ROW},
	    {"first", SNAPSHOT_ROW},
	    {"first_in_data_collection", SNAPSHOT_ROW},
	    {"last_in_data_collection", SNAPSHOT_ROW},
	    {"last", SNAPSHOT_LAST},
	    {"incremental", SNAPSHOT_INCREMENTAL},
	};

	*mark = SNAPSHOT_NONE;
	if (token->kind == SCAN_NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		if (scan_token_is(token, slice_from(marks[i].text))) {
			*mark = marks[i].mark;
			return NULL;
		}
	}
	return "none of the snapshot marks that this program knows";
}

static bool read_snapshot(struct scan_cursor *cursor, enum snapshot_mark *mark)
{
	struct scan_token token;

	return scan_value(cursor, &token) && judged(cursor, envelope_parse_snapshot(&token, mark));
}

static bool read_source_field(struct envelope_source *source, struct scan_cursor *cursor, int field)
{
	switch (field) {
	case SOURCE_SCHEMA:
		return read_string(cursor, &source->schema);
	case SOURCE_TABLE:
		return read_string(cursor, &source->table);
	case SOURCE_TS_US:
		return read_signed(cursor, &source->ts_us);
	case SOURCE_TS_MS:
		return read_signed(cursor, &source->ts_ms);
	case SOURCE_TX_ID:
		return read_unsigned(cursor, &source->tx_id);
	case SOURCE_LSN:
		return read_unsigned(cursor, &source->lsn);
	case SOURCE_SEQUENCE:
		return read_sequence(cursor, &source->previous_commit_lsn);
	case SOURCE_SNAPSHOT:
		return read_snapshot(cursor, &source->snapshot);
	default:
		return skip(cursor);
	}
}

static const char *source_field_name(int field)
{
	switch (field) {
	case SOURCE_SCHEMA:
		return "source.schema";
	case SOURCE_TABLE:
		return "source.table";
	case SOURCE_TS_US:
		return "source.ts_us";
	case SOURCE_TS_MS:
		return "source.ts_ms";
	case SOURCE_TX_ID:
		return "source.txId";
	case SOURCE_LSN:
		return "source.lsn";
	case SOURCE_SEQUENCE:
		return "source.sequence";
	case SOURCE_SNAPSHOT:
		return "source.snapshot";
	default:
		return "source";
	}
}

static bool read_source(struct envelope *envelope, struct scan_cursor *cursor)
{
	struct scan_walk walk;
	int field;

	if (!scan_walk_begin(&walk, cursor, source_fields, SOURCE_COUNT))
		return false;
	envelope->source = (struct envelope_source){.schema = no_token, .table = no_token};
	while ((field = scan_walk_next(&walk, cursor)) >= SCAN_FIELD_UNKNOWN) {
		if (!read_source_field(&envelope->source, cursor, field)) {
			envelope->field = source_field_name(field);
			return false;
		}
	}
	envelope->has_source = true;
	return field == SCAN_FIELD_END;
}

static bool read_transaction(struct envelope *envelope, struct scan_cursor *cursor)
{
	struct scan_walk walk;
	int field;
	bool good = true;
	unsigned seen = 0;

	if (scan_take(cursor, "null", 4))
		return true;
	if (!scan_walk_begin(&walk, cursor, transaction_fields, 2))
		return false;
	while (good && (field = scan_walk_next(&walk, cursor)) != SCAN_FIELD_END) {
		if (field == 0)
			good = read_transaction_id(cursor, &envelope->transaction_tx_id);
		else if (field == 1)
			good = read_unsigned(cursor, &envelope->total_order);
		else
			good = field != SCAN_FIELD_BROKEN && skip(cursor);
		seen |= field >= 0 ? 1u << field : 0;
	}
	if (good && (seen != 3 || envelope->total_order == 0))
		return scan_fail(cursor, "no `id` or no `total_order` from 1");
	envelope->in_transaction = good;
	return good;
}

/* `message` of op m. */
static bool read_message(struct envelope *envelope, struct scan_cursor *cursor)
{
	struct scan_walk walk;
	int field;

	if (!scan_walk_begin(&walk, cursor, message_fields, 2))
		return false;
	while ((field = scan_walk_next(&walk, cursor)) >= SCAN_FIELD_UNKNOWN) {
		bool good = field == 0   ? read_string(cursor, &envelope->message_prefix)
		            : field == 1 ? read_string(cursor, &envelope->message_content)
		                         : skip(cursor);

		if (!good)
			return false;
	}
	return field == SCAN_FIELD_END;
}

const char *envelope_parse_operation(const struct scan_token *token, char *operation)
{
	if (token->kind != SCAN_STRING || token->length != 1 || memchr("curdtm", token->data[0], 6) == NULL)
		return "an operation that this program does not know (c, u, d, r, t and m it knows)";
	*operation = token->data[0];
	return NULL;
}

static bool read_operation(struct envelope *envelope, struct scan_cursor *cursor)
{
	struct scan_token token;

	return scan_value(cursor, &token) && judged(cursor, envelope_parse_operation(&token, &envelope->operation));
}

/*
 * Without `op` and with a status of BEGIN or END it is a record of the transaction topic. This is decided at the end:
 * a row without its envelope (flattened) may have such columns as well, with any values.
 */
static bool read_mark(struct envelope *envelope, struct scan_cursor *cursor)
{
	envelope->end = scan_token_is(&envelope->status, slice_from("END"));
	if (envelope->operation != 0 || (!envelope->end && !scan_token_is(&envelope->status, slice_from("BEGIN"))))
		return true;
	envelope->has_mark = true;
	envelope->field = "id";
	if (!judged(cursor, envelope_parse_transaction_id(&envelope->id, &envelope->mark_tx_id, &envelope->mark_lsn)))
		return false;
	envelope->field = "event_count";
	if (envelope->end && !scan_unsigned(&envelope->count, &envelope->event_count))
		return scan_fail(cursor, "no whole number");
	return true;
}

static bool read_row(struct envelope *envelope, struct row *row, struct scan_cursor *cursor,
                     const struct envelope_shapes *shapes)
{
	row->shape = NULL;
	if (scan_take(cursor, "null", 4))
		return true;
	if (shapes->typed != NULL)
		return row_scan_typed(row, cursor, shapes->typed, &envelope->column);
	return row_scan(row, cursor, shapes->known, &envelope->column);
}

static bool read_field(struct envelope *envelope, struct scan_cursor *cursor, const struct envelope_shapes *shapes,
                       int field)
{
	switch (field) {
	case FIELD_BEFORE:
		return read_row(envelope, &envelope->before, cursor, shapes);
	case FIELD_AFTER:
		return read_row(envelope, &envelope->after, cursor, shapes);
	case FIELD_SOURCE:
		return read_source(envelope, cursor);
	case FIELD_TRANSACTION:
		return read_transaction(envelope, cursor);
	case FIELD_OP:
		return read_operation(envelope, cursor);
	case FIELD_TS_MS:
	case FIELD_MARK_TS_MS:
		return read_signed(cursor, &envelope->ts_ms);
	case FIELD_MESSAGE:
		return read_message(envelope, cursor);
	case FIELD_STATUS:
		return scan_value(cursor, &envelope->status);
	case FIELD_ID:
		return scan_value(cursor, &envelope->id);
	case FIELD_EVENT_COUNT:
		return scan_value(cursor, &envelope->count);
	case FIELD_DATA_COLLECTIONS:
		return scan_value(cursor, &envelope->data_collections);
	default:
		return skip(cursor);
	}
}

static const char *envelope_field_name(int field)
{
	static const char *const names[FIELD_COUNT] = {
	    "before",
	    "after",
	    "source",
	    "transaction",
	    "op",
	    "ts_ms",
	    "ts_us",
	    "ts_ns",
	    "message",
	    "status",
	    "id",
	    "event_count",
	    "data_collections",
	    "ts_ms",
	    FLATTENED_OPERATION,
	};

	return field >= 0 ? names[field] : "of the envelope";
}

bool envelope_scan(struct envelope *envelope, struct scan_cursor *cursor, const struct envelope_shapes *shapes)
{
	struct scan_walk walk;
	int field;
	bool strange = false;

	envelope_reset(envelope);
	envelope->field = envelope_field_name(SCAN_FIELD_UNKNOWN);
	if (!scan_walk_begin(&walk, cursor, envelope_fields, FIELD_COUNT))
		return false;
	while ((field = scan_walk_next(&walk, cursor)) >= SCAN_FIELD_UNKNOWN) {
		if (!read_field(envelope, cursor, shapes, field)) {
			if (envelope->field == envelope_field_name(SCAN_FIELD_UNKNOWN))
				envelope->field = envelope_field_name(field);
			return false;
		}
		if (field == SCAN_FIELD_UNKNOWN)
			strange = true;
		else if ((envelope->seen & 1u << field) != 0)
			return scan_fail(cursor, "a field stands twice in the envelope");
		else
			envelope->seen |= 1u << field;
	}
	envelope->flattened = (envelope->seen & 1u << FIELD_FLATTENED_OP) != 0;
	envelope->has_ts_only = !strange && envelope->seen != 0 && (envelope->seen & ~TIME_FIELDS) == 0;
	return field == SCAN_FIELD_END && read_mark(envelope, cursor);
}
