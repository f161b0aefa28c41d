/*
 * assembling_messages.h - messages of a transaction topic and of the tables users and orders, decoded and given to the
 * assembler of assembling.h. All static; a test includes it once.
 */
#ifndef TESTS_UNIT_ASSEMBLING_MESSAGES_H
#define TESTS_UNIT_ASSEMBLING_MESSAGES_H

#include "event/decoder.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

enum { MARKS, USERS, ORDERS, PARTITIONS };

#include "assembling.h"

static const char *const tables[PARTITIONS] = {"transaction", "users", "orders"};

static struct decoder *decoder;
static struct slab_account accounts[PARTITIONS];
static struct slab_writer writers[PARTITIONS];
static struct checkpoint start;

static inline void begin(void)
{
	assembling_begin(&start);
}

static inline void setup(void)
{
	const struct decoder_options decoding = {0};

	assembling_set_up();
	decoder = decoder_new(&decoding);
	for (int i = 0; i < PARTITIONS; i++) {
		partition_list_add(names, tables[i], 0);
		slab_writer_init(&writers[i], &accounts[i]);
	}
	start = (struct checkpoint){0};
	begin();
}

static inline void teardown(void)
{
	assembling_tear_down();
	for (int i = 0; i < PARTITIONS; i++) {
		slab_writer_close(&writers[i]);
		ck_assert_uint_eq(slab_bytes_in_use(&accounts[i]), 0); /* everything was released */
	}
	decoder_free(decoder);
}

static inline enum header_lookup new_key(const struct raw_message *message, const char *name, struct slice *value)
{
	if (message->handle == NULL || strcmp(name, "__debezium.newkey") != 0)
		return HEADER_ABSENT;
	*value = slice_from(message->handle);
	return HEADER_FOUND;
}

static inline struct error *push(uint32_t partition, const char *key, const char *value, const char *header)
{
	struct raw_message message = {
	    .partition = partition,
	    .topic = tables[partition],
	    .offset = offsets[partition]++,
	    .key = slice_from(key),
	    .value = slice_from(value),
	    .header = new_key,
	    .handle = (void *)(uintptr_t)header,
	};
	struct decoded decoded;
	struct error *error = decoder_decode(decoder, &message, &writers[partition], &decoded);

	ck_assert_msg(error == NULL, "%s", error == NULL ? "" : error->message);
	if (decoded.kind == DECODED_MARK && decoded.mark->end)
		topic_has(decoded.mark->tx_id, decoded.mark->lsn, decoded.mark->offset);
	return decoded.kind == DECODED_MARK ? assembler_push_mark(assembler, decoded.mark)
	                                    : assembler_push_change(assembler, decoded.change);
}

/* A streamed event; previous 0: null. LSN 10 * tx + n would be in WAL order; the caller says it. */
struct event {
	uint32_t partition;
	char op;
	int tx, order, lsn, previous, id;
	int seconds; /* commit time; 0: the txId */
};

static inline void event(struct event e)
{
	char key[64], previous[32] = "null", row[64], value[1024];

	snprintf(key, sizeof(key), "{\"id\":%d}", e.id);
	snprintf(row, sizeof(row), "{\"id\":%d,\"name\":\"x\"}", e.id);
	if (e.previous != 0)
		snprintf(previous, sizeof(previous), "\\\"%d\\\"", e.previous);
	snprintf(
	    value, sizeof(value),
	    "{\"before\":%s,\"after\":%s,\"source\":{\"version\":\"3.7.0.Final\",\"connector\":\"postgresql\","
	    "\"name\":\"p\",\"ts_ms\":%d000,\"snapshot\":\"false\",\"db\":\"s\",\"sequence\":\"[%s,\\\"%d\\\"]\","
	    "\"ts_us\":%d000000,\"ts_ns\":%d000000000,\"schema\":\"public\",\"table\":\"%s\",\"txId\":%d,\"lsn\":%d,"
	    "\"xmin\":null},\"transaction\":{\"id\":\"%d:%d\",\"total_order\":%d,\"data_collection_order\":1},"
	    "\"op\":\"%c\",\"ts_ms\":1}",
	    e.op == 'd' ? row : "null", e.op == 'd' ? "null" : row, e.seconds ? e.seconds : e.tx, previous, e.lsn,
	    e.seconds ? e.seconds : e.tx, e.seconds ? e.seconds : e.tx, tables[e.partition], e.tx, e.lsn, e.tx, e.lsn,
	    e.order, e.op);
	GOOD(push(e.partition, key, value, NULL));
}

static inline void begin_mark(int tx, int lsn)
{
	char value[256];

	snprintf(
	    value, sizeof(value),
	    "{\"status\":\"BEGIN\",\"id\":\"%d:%d\",\"event_count\":null,\"data_collections\":null,\"ts_ms\":%d000}",
	    tx, lsn, tx);
	GOOD(push(MARKS, "{}", value, NULL));
}

static inline void end_mark_at(int tx, int lsn, int users, int orders, int seconds)
{
	char value[512];

	snprintf(
	    value, sizeof(value),
	    "{\"status\":\"END\",\"id\":\"%d:%d\",\"event_count\":%d,\"data_collections\":[{\"data_collection\":"
	    "\"public.users\",\"event_count\":%d},{\"data_collection\":\"public.orders\",\"event_count\":%d}],\"ts_"
	    "ms\":%d000}",
	    tx, lsn, users + orders, users, orders, seconds);
	GOOD(push(MARKS, "{}", value, NULL));
}

static inline void end_mark(int tx, int lsn, int users, int orders)
{
	end_mark_at(tx, lsn, users, orders, tx);
}

/* A logical message outside any transaction. */
static inline void message_outside(uint32_t partition, int lsn, int previous)
{
	char value[1024];

	snprintf(
	    value, sizeof(value),
	    "{\"op\":\"m\",\"ts_ms\":1,\"source\":{\"version\":\"3.7.0.Final\",\"connector\":\"postgresql\",\"name\":"
	    "\"p\",\"ts_ms\":1,\"snapshot\":\"false\",\"db\":\"s\",\"sequence\":\"[\\\"%d\\\",\\\"%d\\\"]\",\"ts_us\":"
	    "1,"
	    "\"ts_ns\":1,\"schema\":\"\",\"table\":\"\",\"txId\":null,\"lsn\":%d,\"xmin\":null},\"transaction\":null,"
	    "\"message\":{\"prefix\":\"app\",\"content\":\"aGVs\"}}",
	    previous, lsn, lsn);
	GOOD(push(partition, "{\"prefix\":\"app\"}", value, NULL));
}

/* A blocking snapshot has the transaction ID and LSN of the event before it, and sequence[0]. */
struct snapshot_row {
	uint32_t partition;
	const char *mark;
	int tx, lsn, previous, id;
};

static inline void snapshot_row_of(struct snapshot_row r)
{
	char key[64], previous[32] = "null", value[1024];

	snprintf(key, sizeof(key), "{\"id\":%d}", r.id);
	if (r.previous != 0)
		snprintf(previous, sizeof(previous), "\\\"%d\\\"", r.previous);
	snprintf(
	    value, sizeof(value),
	    "{\"before\":null,\"after\":{\"id\":%d,\"name\":\"x\"},\"source\":{\"version\":\"3.7.0.Final\","
	    "\"connector\":\"postgresql\",\"name\":\"p\",\"ts_ms\":1,\"snapshot\":\"%s\",\"db\":\"s\",\"sequence\":"
	    "\"[%s,\\\"%d\\\"]\",\"ts_us\":1000,\"ts_ns\":1000000,\"schema\":\"public\",\"table\":\"%s\",\"txId\":%d,"
	    "\"lsn\":%d,\"xmin\":null},\"transaction\":null,\"op\":\"r\",\"ts_ms\":1}",
	    r.id, r.mark, previous, r.lsn, tables[r.partition], r.tx, r.lsn);
	GOOD(push(r.partition, key, value, NULL));
}

static inline void snapshot_row(uint32_t partition, const char *mark, int lsn, int id)
{
	snapshot_row_of((struct snapshot_row){partition, mark, lsn + 1, lsn, 0, id});
}

static inline void expect_error(const char *part)
{
	struct transaction *transaction = NULL;
	struct error *error = NULL;

	for (int i = 0; i < 3 && error == NULL; i++) {
		error = assembler_next(assembler, &transaction);
		transaction_free(transaction);
	}
	if (error == NULL)
		error = await_error(MARKS);
	ck_assert_msg(strstr(error->message, part) != NULL, "`%s` is not in: %s", part, error->message);
	error_free(error);
}

static inline void expect_end(uint64_t tx_id, bool complete)
{
	struct transaction *end = next();

	ck_assert_ptr_nonnull(end);
	ck_assert(end->snapshot_ends);
	ck_assert_uint_eq(end->change_count, 0);
	ck_assert_uint_eq(end->snapshot.tx_id, tx_id);
	ck_assert_int_eq(end->snapshot_complete, complete);
	transaction_free(end);
}

/* It is handed over without its events, and all tables become unverified. */
static inline void expect_dismissed(uint64_t tx_id)
{
	struct transaction *transaction = next();

	ck_assert_ptr_nonnull(transaction);
	ck_assert_uint_eq(transaction->tx_id, tx_id);
	ck_assert_uint_eq(transaction->change_count, 0);
	ck_assert(transaction->may_lack);
	transaction_free(transaction);
}

static inline int64_t position_of(const struct transaction *transaction, uint32_t partition)
{
	for (size_t i = 0; i < transaction->position_count; i++)
		if (transaction->positions[i].partition == partition)
			return transaction->positions[i].next_offset;
	return -1;
}

/* One user and one order. */
static inline void simple(int tx, int lsn, int previous)
{
	begin_mark(tx, lsn + 1);
	event((struct event){USERS, 'c', tx, 1, lsn + 1, previous, tx * 10, 0});
	event((struct event){ORDERS, 'c', tx, 2, lsn + 2, previous, tx * 10 + 1, 0});
	end_mark(tx, lsn + 9, 1, 1);
}

#endif
