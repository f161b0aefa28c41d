/*
 * test_decoder.c - each recorded event decodes to what an independent reading with jansson says, and bad input gives an
 * error that says where and what.
 */
#include "corpus.h"
#include "decoding.h"

#include "base/memory.h"
#include "base/map.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PLACEHOLDER "__debezium_unavailable_value"
#define PLACEHOLDER_BASE64 "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="

/* ---- the oracle ---- */

static bool is_placeholder(const json_t *value)
{
	if (json_is_string(value))
		return strcmp(json_string_value(value), PLACEHOLDER) == 0 ||
		       strcmp(json_string_value(value), PLACEHOLDER_BASE64) == 0;
	return json_is_array(value) && json_array_size(value) == 1 && json_is_string(json_array_get(value, 0)) &&
	       strcmp(json_string_value(json_array_get(value, 0)), PLACEHOLDER) == 0;
}

static bool is_text(const struct value *value, const char *text)
{
	return value->length == strlen(text) && memcmp(value->data, text, value->length) == 0;
}

static void check_number(const struct value *value, const json_t *expected)
{
	char text[400];

	ck_assert_uint_lt(value->length, sizeof(text));
	memcpy(text, value->data, value->length);
	text[value->length] = '\0';
	if (json_is_integer(expected))
		ck_assert_int_eq(strtoll(text, NULL, 10), json_integer_value(expected));
	else
		ck_assert_double_eq(strtod(text, NULL), json_real_value(expected));
}

static void check_value(const struct value *value, const json_t *expected)
{
	json_t *parsed;

	if (is_placeholder(expected)) {
		ck_assert_int_eq(value->kind, VALUE_UNCHANGED);
		return;
	}
	switch (json_typeof(expected)) {
	case JSON_NULL:
		ck_assert_int_eq(value->kind, VALUE_NULL);
		break;
	case JSON_STRING:
		ck_assert_int_eq(value->kind, VALUE_STRING);
		ck_assert_uint_eq(value->length, json_string_length(expected));
		ck_assert_mem_eq(value->data, json_string_value(expected), value->length);
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		ck_assert_int_eq(value->kind, VALUE_NUMBER);
		check_number(value, expected);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		ck_assert_int_eq(value->kind, VALUE_BOOLEAN);
		ck_assert(is_text(value, json_is_true(expected) ? "true" : "false"));
		break;
	default:
		ck_assert_int_eq(value->kind, VALUE_JSON);
		parsed = json_loadb(value->data, value->length, 0, NULL);
		ck_assert(json_equal(parsed, expected));
		json_decref(parsed);
	}
}

static void check_row(const struct relation *relation, const struct value *values, json_t *expected)
{
	const char *name;
	json_t *field;
	uint32_t i = 0;

	if (!json_is_object(expected)) {
		ck_assert_ptr_null(values);
		return;
	}
	ck_assert_ptr_nonnull(values);
	ck_assert_uint_eq(relation->column_count, json_object_size(expected));
	json_object_foreach(expected, name, field)
	{
		ck_assert_str_eq(relation->columns[i].name, name);
		check_value(&values[i++], field);
	}
}

static json_t *payload_of(json_t *message)
{
	json_t *payload = json_object_get(message, "payload");

	return payload != NULL && json_object_get(message, "schema") != NULL ? payload : message;
}

static void check_key(const struct relation *relation, struct slice text)
{
	json_t *message = text.data != NULL ? json_loadb(text.data, text.length, 0, NULL) : NULL;
	const char *name;
	json_t *field;
	uint32_t i = 0;

	if (message == NULL) {
		ck_assert_uint_eq(relation->key_count, 0);
		return;
	}
	ck_assert_uint_eq(relation->key_count, json_object_size(payload_of(message)));
	json_object_foreach(payload_of(message), name, field)
	{
		ck_assert_str_eq(relation->columns[relation->key_columns[i++]].name, name);
	}
	json_decref(message);
}

static int64_t integer(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value != NULL ? value : "";
}

static uint64_t previous_commit_lsn(const json_t *source)
{
	json_t *sequence = json_loads(text(source, "sequence"), 0, NULL);
	const char *first = json_string_value(json_array_get(sequence, 0));
	const uint64_t lsn = first != NULL ? strtoull(first, NULL, 10) : 0;

	json_decref(sequence);
	return lsn;
}

static enum snapshot_mark snapshot_mark(const char *word)
{
	if (strcmp(word, "false") == 0)
		return SNAPSHOT_NONE;
	if (strcmp(word, "last") == 0)
		return SNAPSHOT_LAST;
	return strcmp(word, "incremental") == 0 ? SNAPSHOT_INCREMENTAL : SNAPSHOT_ROW;
}

static void check_source(const struct change *change, const json_t *payload)
{
	const json_t *source = json_object_get(payload, "source");
	const json_t *transaction = json_object_get(payload, "transaction");

	ck_assert_int_eq(change->operation, text(payload, "op")[0]);
	ck_assert_int_eq(change->source_us, integer(source, "ts_us"));
	ck_assert_uint_eq(change->lsn, (uint64_t)integer(source, "lsn"));
	ck_assert_uint_eq(change->previous_commit_lsn, previous_commit_lsn(source));
	ck_assert_int_eq(change->snapshot, snapshot_mark(text(source, "snapshot")));
	ck_assert_uint_eq(change->total_order, (uint64_t)integer(transaction, "total_order"));
	if (json_is_object(transaction))
		ck_assert_uint_eq(change->tx_id, strtoull(text(transaction, "id"), NULL, 10));
	else
		ck_assert_uint_eq(change->tx_id, (uint64_t)integer(source, "txId"));
}

static void check_other_key(const struct change *change, const struct raw_message *raw)
{
	struct slice header = {0};
	bool unchanged = false;
	json_t *key;

	for (uint32_t i = 0; change->after != NULL && i < change->relation->column_count; i++)
		unchanged |= change->after[i].kind == VALUE_UNCHANGED;
	if (change->operation == CHANGE_DELETE)
		(void)raw->header(raw, "__debezium.newkey", &header);
	else if (change->operation == CHANGE_INSERT && unchanged)
		(void)raw->header(raw, "__debezium.oldkey", &header);
	if (header.data == NULL || change->relation->key_count == 0) {
		ck_assert_ptr_null(change->other_key);
		return;
	}
	key = json_loadb(header.data, header.length, 0, NULL);
	ck_assert_ptr_nonnull(change->other_key);
	for (uint32_t i = 0; i < change->relation->key_count; i++) {
		const char *name = change->relation->columns[change->relation->key_columns[i]].name;

		check_value(&change->other_key[i], json_object_get(payload_of(key), name));
	}
	json_decref(key);
}

static void check_message(const struct change *change, const json_t *payload)
{
	const json_t *message = json_object_get(payload, "message");

	ck_assert(change->relation->collection->message);
	ck_assert_uint_eq(change->relation->column_count, 2);
	check_value(&change->after[0], json_object_get(message, "prefix"));
	check_value(&change->after[1], json_object_get(message, "content"));
}

static void check_change(const struct change *change, const struct raw_message *raw, json_t *payload)
{
	const json_t *source = json_object_get(payload, "source");

	ck_assert_int_eq(change->offset, raw->offset);
	ck_assert_int_eq(change->timestamp_ms, raw->timestamp_ms);
	ck_assert_uint_eq(change->partition, raw->partition);
	ck_assert_uint_ge(change->bytes, sizeof(*change));
	check_source(change, payload);
	if (change->operation == CHANGE_MESSAGE) {
		check_message(change, payload);
		return;
	}
	ck_assert_str_eq(change->relation->schema, text(source, "schema"));
	ck_assert_str_eq(change->relation->table, text(source, "table"));
	ck_assert_str_eq(change->relation->collection->schema, text(source, "schema"));
	ck_assert_str_eq(change->relation->collection->table, text(source, "table"));
	if (change->operation == CHANGE_TRUNCATE)
		ck_assert_uint_eq(change->relation->column_count, 0);
	check_row(change->relation, change->before, json_object_get(payload, "before"));
	check_row(change->relation, change->after, json_object_get(payload, "after"));
	check_key(change->relation, raw->key);
	check_other_key(change, raw);
}

static void check_mark(const struct transaction_mark *mark, const struct raw_message *raw, const json_t *payload)
{
	const char *id = text(payload, "id");
	const json_t *list = json_object_get(payload, "data_collections");

	ck_assert_int_eq(mark->end, strcmp(text(payload, "status"), "END") == 0);
	ck_assert_uint_eq(mark->tx_id, strtoull(id, NULL, 10));
	ck_assert_uint_eq(mark->lsn, strtoull(strchr(id, ':') + 1, NULL, 10));
	ck_assert_uint_eq(mark->event_count, (uint64_t)integer(payload, "event_count"));
	ck_assert_int_eq(mark->source_us, integer(payload, "ts_ms") * 1000);
	ck_assert_int_eq(mark->offset, raw->offset);
	ck_assert_uint_eq(mark->partition, raw->partition);
	ck_assert_uint_eq(mark->count_count, json_array_size(list));
	for (uint32_t i = 0; i < mark->count_count; i++) {
		const json_t *entry = json_array_get(list, i);
		const char *name = text(entry, "data_collection");

		ck_assert_uint_eq(mark->counts[i].count, (uint64_t)integer(entry, "event_count"));
		if (strstr(name, "LogicalDecodingMessageId@") != NULL)
			ck_assert(mark->counts[i].collection->message);
		else
			ck_assert_str_eq(mark->counts[i].collection->name, name);
	}
}

/* ---- the recorded events ---- */

/* What END promises and what came, by transaction and collection. */
struct tally {
	int64_t left;
};

static void tally_add(struct map *tallies, uint64_t tx_id, const struct collection *collection, int64_t count)
{
	char key[64];
	struct tally *tally;
	const int length = snprintf(key, sizeof(key), "%" PRIu64 "/%p", tx_id, (const void *)collection);

	tally = map_get(tallies, (struct slice){key, (size_t)length});
	if (tally == NULL) {
		tally = memory_alloc(sizeof(*tally));
		map_put(tallies, (struct slice){key, (size_t)length}, tally);
	}
	tally->left += count;
}

static void tally_check(struct slice key, void *value, void *context)
{
	(void)key;
	ck_assert_int_eq(((struct tally *)value)->left, 0);
	++*(int *)context;
}

static void tally_decoded(struct map *tallies, const struct decoded *decoded)
{
	if (decoded->kind == DECODED_CHANGE && decoded->change->total_order > 0)
		tally_add(tallies, decoded->change->tx_id, decoded->change->relation->collection, 1);
	if (decoded->kind == DECODED_MARK)
		for (uint32_t i = 0; i < decoded->mark->count_count; i++)
			tally_add(tallies, decoded->mark->tx_id, decoded->mark->counts[i].collection,
			          -(int64_t)decoded->mark->counts[i].count);
}

static void check_decoded(const struct decoded *decoded, const struct raw_message *raw)
{
	json_t *message = raw->value.data != NULL ? json_loadb(raw->value.data, raw->value.length, 0, NULL) : NULL;

	if (message == NULL) {
		ck_assert_int_eq(decoded->kind, DECODED_NOTHING);
		return;
	}
	if (json_object_get(payload_of(message), "status") != NULL &&
	    json_object_get(payload_of(message), "op") == NULL) {
		ck_assert_int_eq(decoded->kind, DECODED_MARK);
		check_mark(decoded->mark, raw, payload_of(message));
	} else {
		ck_assert_int_eq(decoded->kind, DECODED_CHANGE);
		check_change(decoded->change, raw, payload_of(message));
	}
	json_decref(message);
}

static const char *const variants[] = {"json", "plain", "lossless", "routed"};

START_TEST(test_recorded_events)
{
	struct corpus *corpus = corpus_load(variants[_i]);
	struct map *tallies = map_new();
	int transactions = 0;

	for (size_t i = 0; i < corpus->count; i++) {
		const struct raw_message *raw = &corpus->messages[i].raw;
		struct decoded decoded;
		struct error *error = decoder_decode(decoder, raw, &writer, &decoded);

		ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
		check_decoded(&decoded, raw);
		tally_decoded(tallies, &decoded);
		decoded_release(&decoded);
	}
	map_each(tallies, tally_check, &transactions);
	ck_assert_int_gt(transactions, 50);
	map_free(tallies, free);
	corpus_free(corpus);
}
END_TEST

/* All variants in one decoder and all in one partition: nothing that is learned from one misleads another. */
START_TEST(test_recorded_events_mixed)
{
	struct corpus *corpora[4];
	const size_t variant_count = sizeof(variants) / sizeof(variants[0]);

	for (size_t v = 0; v < variant_count; v++)
		corpora[v] = corpus_load(variants[v]);
	for (size_t i = 0; i < corpora[0]->count; i++) {
		for (size_t v = 0; v < variant_count; v++) {
			struct raw_message raw = corpora[v]->messages[i].raw;
			struct decoded decoded;
			struct error *error;

			raw.partition = 3;
			error = decoder_decode(decoder, &raw, &writer, &decoded);
			ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
			check_decoded(&decoded, &raw);
			decoded_release(&decoded);
		}
	}
	for (size_t v = 0; v < variant_count; v++)
		corpus_free(corpora[v]);
}
END_TEST

/* ---- single messages ---- */

#define SOURCE                                                                                                         \
	"\"source\":{\"schema\":\"s\",\"table\":\"t\",\"ts_us\":5,\"txId\":7,\"lsn\":9,\"sequence\":\"[\\\"3\\\","     \
	"\\\"9\\\"]\"}"

static const struct {
	const char *key;
	const char *value;
	const char *error;
} bad_messages[] = {
    {NULL, "", "no JSON object"},
    {NULL, "nonsense", "no JSON object"},
    {NULL, "[1]", "no JSON object"},
    {NULL, "\"text\"", "no JSON object"},
    {NULL, "{", "no field name"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1}", "neither a comma nor the end of the object"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1}}x", "bytes behind the end of the message"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1}}}", "bytes behind the end of the message"},
    {NULL, "{\"id\":1,\"name\":\"x\"}", "no `op`: this is no change event with Debezium's envelope"},
    {NULL, "{\"id\":1,\"__op\":\"c\",\"status\":\"paid\"}", "field __deleted: missing in a flattened event"},
    {NULL, "{}", "no `op`"},
    {NULL, "{\"op\":\"c\",\"after\":{\"id\":1}}", "no `source`"},
    {NULL, "{\"op\":\"x\"," SOURCE ",\"after\":{\"id\":1}}", "field op: an operation that this program does not know"},
    {NULL, "{\"op\":\"cc\"," SOURCE ",\"after\":{\"id\":1}}", "field op: an operation"},
    {NULL, "{\"op\":1," SOURCE ",\"after\":{\"id\":1}}", "field op: an operation"},
    {NULL, "{\"op\":\"c\",\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1}}", "twice in the envelope"},
    {NULL, "{\"op\":\"c\"," SOURCE "}", "without `after`"},
    {NULL, "{\"op\":\"u\"," SOURCE ",\"after\":null}", "without `after`"},
    {NULL, "{\"op\":\"d\"," SOURCE ",\"before\":null,\"after\":null}", "a delete without `before`"},
    {NULL, "{\"op\":\"u\"," SOURCE ",\"before\":{\"a\":1},\"after\":{\"b\":1}}", "have not the same fields"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":7}", "field after: an object is expected"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":\"id\":1}}", "field after: an object is expected"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":1,\"a\":2}}", "field after: two fields have the same name"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":01}}", "field after.a: a malformed number"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":1.}}", "field after.a: a malformed number"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":1e}}", "field after.a: a malformed number"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":-}}", "field after.a: a malformed number"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":+1}}", "field after.a: no JSON value"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":nul}}", "field after.a: no JSON value"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":NaN}}", "field after.a: no JSON value"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":}}", "field after.a: no JSON value"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":\"\\u0000\"}}", "field after.a: a NUL character"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":\"\\ud800\"}}", "field after.a: a lone surrogate"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":\"\\udc00\"}}", "field after.a: a lone surrogate"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":\"\\ud800\\u0041\"}}", "field after.a: a lone surrogate"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":\"\\u12g4\"}}", "field after.a: a malformed \\u escape"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":\"\\x\"}}", "field after.a: an unknown escape"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":\"a\nb\"}}", "field after.a: a control character"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":\"\xc3(\"}}", "field after.a: invalid UTF-8"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":\"\xc0\xaf\"}}", "field after.a: invalid UTF-8"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":\"\xed\xa0\x80\"}}", "field after.a: invalid UTF-8"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":\"\xf4\x90\x80\x80\"}}", "field after.a: invalid UTF-8"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":\"open", "field after.a: a string without its end"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":[1,2}}",
     "field after.a: neither a comma nor the end of the array"},
    {NULL, "{\"op\":\"c\",\"source\":null,\"after\":{\"a\":1}}", "field source: no JSON object"},
    {NULL, "{\"op\":\"c\",\"source\":{\"schema\":\"s\"},\"after\":{\"a\":1}}", "field source.table: missing"},
    {NULL, "{\"op\":\"c\",\"source\":{\"table\":\"s\"},\"after\":{\"a\":1}}", "field source.schema: missing"},
    {NULL, "{\"op\":\"c\",\"source\":{\"table\":5},\"after\":{\"a\":1}}", "field source.table: no string"},
    {NULL, "{\"op\":\"c\",\"source\":{\"lsn\":-1},\"after\":{\"a\":1}}", "field source.lsn: no whole number"},
    {NULL, "{\"op\":\"c\",\"source\":{\"lsn\":1.5},\"after\":{\"a\":1}}", "field source.lsn: no whole number"},
    {NULL, "{\"op\":\"c\",\"source\":{\"txId\":18446744073709551616}}", "field source.txId: no whole number"},
    {NULL, "{\"op\":\"c\",\"source\":{\"ts_us\":\"1\"}}", "field source.ts_us: no whole number"},
    {NULL, "{\"op\":\"c\",\"source\":{\"snapshot\":\"maybe\"}}", "field source.snapshot: none of the snapshot marks"},
    {NULL, "{\"op\":\"c\",\"source\":{\"sequence\":\"[]\"}}", "field source.sequence: no pair of LSNs"},
    {NULL, "{\"op\":\"c\",\"source\":{\"sequence\":\"[\\\"x\\\",null]\"}}", "field source.sequence: no pair of LSNs"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"transaction\":{\"id\":\"x:1\",\"total_order\":1}}",
     "field transaction: no transaction id"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"transaction\":{\"id\":\"1:1\"}}",
     "field transaction: no `id` or no `total_order`"},
    {NULL, "{\"op\":\"c\"," SOURCE ",\"transaction\":{\"id\":\"1:1\",\"total_order\":0}}",
     "field transaction: no `id` or no `total_order`"},
    {"{\"no\":1}", "{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1}}", "field key.no: the row has no such column"},
    /* Of ByLogicalTableRouter. */
    {"{\"id\":1,\"__dbz__physicalTableIdentifier\":\"p.a.b\"}", "{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1}}",
     "(ByLogicalTableRouter), set its key.enforce.uniqueness=false"},
    {"7", "{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1}}", "field key: an object is expected"},
    {"{\"id\":1", "{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1}}", "field key: neither a comma"},
    {NULL, "{\"status\":\"END\",\"event_count\":1}", "field id: no transaction id"},
    {NULL, "{\"status\":\"END\",\"id\":\"7\",\"event_count\":null}", "field event_count: no whole number"},
    {NULL, "{\"status\":\"END\",\"id\":\"7:8\",\"event_count\":1,\"data_collections\":{}}",
     "field data_collections: no array"},
    {NULL, "{\"status\":\"END\",\"id\":\"7:8\",\"event_count\":1,\"data_collections\":[{\"data_collection\":\"a.b\"}]}",
     "field data_collections: an entry without its name or its count"},
    {NULL, "{\"schema\":{\"type\":\"struct\"},\"payload\":{\"a\":1}", "does not end"},
    {NULL, "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"field\":\"after\",\"type\":\"struct\"}]},\"payload\":null}",
     "field schema: the row's schema has no fields"},
};

START_TEST(test_bad_messages)
{
	/* Once with nothing learned yet, once by prediction. */
	decode_bad(bad_messages[_i].key, bad_messages[_i].value, bad_messages[_i].error);
	change_release(decode_good(NULL, "{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1}}"));
	decode_bad(bad_messages[_i].key, bad_messages[_i].value, bad_messages[_i].error);
}
END_TEST

START_TEST(test_deep_nesting)
{
	char value[600];
	char brackets[2][101] = {{0}};

	for (int depth = 99; depth <= 100; depth++) {
		memset(brackets[0], '[', 101);
		memset(brackets[1], ']', 101);
		/* One more than the limit stands in the array itself. */
		snprintf(value, sizeof(value), "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":[%.*s%.*s]}}", depth,
		         brackets[0], depth, brackets[1]);
		if (depth == 99)
			change_release(decode_good(NULL, value));
		else
			decode_bad(NULL, value, "field after.a: nested too deeply");
	}
}
END_TEST

/* A text of a value never stands in an error (law 10). */
START_TEST(test_errors_hold_no_values)
{
	const struct raw_message message =
	    make_message("{\"id\":\"secret\"}",
	                 "{\"op\":\"u\"," SOURCE ",\"after\":{\"id\":\"secret\",\"b\":\"secret\\q\"}}");
	struct decoded decoded;
	struct error *error = decoder_decode(decoder, &message, &writer, &decoded);

	ck_assert_ptr_nonnull(error);
	ck_assert_ptr_null(strstr(error->message, "secret"));
	error_free(error);
}
END_TEST

/* A snapshot row is an event with op "r" and without a transaction, whatever source.snapshot says. */
static const struct {
	const char *op;
	const char *snapshot; /* the field of source, or "" */
	const char *lsn;      /* of source, and its txId */
	const char *transaction;
	enum snapshot_mark mark;
} snapshot_cases[] = {
    {"r", "\"snapshot\":\"first\",", "9", "null", SNAPSHOT_ROW},
    {"r", "\"snapshot\":\"first_in_data_collection\",", "9", "null", SNAPSHOT_ROW},
    {"r", "\"snapshot\":\"last_in_data_collection\",", "9", "null", SNAPSHOT_ROW},
    {"r", "\"snapshot\":\"true\",", "9", "null", SNAPSHOT_ROW},
    {"r", "\"snapshot\":\"last\",", "9", "null", SNAPSHOT_LAST},
    {"r", "\"snapshot\":\"incremental\",", "null", "null", SNAPSHOT_INCREMENTAL},
    {"r", "\"snapshot\":\"false\",", "9", "null", SNAPSHOT_ROW},
    {"r", "", "9", "null", SNAPSHOT_ROW},
    {"r", "\"snapshot\":\"false\",", "null", "null", SNAPSHOT_INCREMENTAL},
    /* after a blocking snapshot that was interrupted */
    {"c", "\"snapshot\":\"true\",", "9", "{\"id\":\"7:9\",\"total_order\":1}", SNAPSHOT_NONE},
    {"u", "\"snapshot\":\"true\",", "9", "{\"id\":\"7:9\",\"total_order\":1}", SNAPSHOT_NONE},
    {"d", "\"snapshot\":\"last\",", "9", "{\"id\":\"7:9\",\"total_order\":1}", SNAPSHOT_NONE},
    {"t", "\"snapshot\":\"first\",", "9", "{\"id\":\"7:9\",\"total_order\":1}", SNAPSHOT_NONE},
    {"c", "\"snapshot\":\"true\",", "9", "null", SNAPSHOT_NONE}, /* transactions = "off" */
    {"r", "\"snapshot\":\"true\",", "9", "{\"id\":\"7:9\",\"total_order\":1}", SNAPSHOT_NONE},
};

START_TEST(test_what_a_snapshot_row_is)
{
	char value[512];

	snprintf(value, sizeof(value),
	         "{\"before\":%s,\"after\":%s,\"op\":\"%s\",\"source\":{\"schema\":\"s\",\"table\":\"t\",\"ts_us\":5,%s"
	         "\"txId\":%s,\"lsn\":%s},\"transaction\":%s}",
	         snapshot_cases[_i].op[0] == 'd' ? "{\"id\":1}" : "null",
	         strchr("dt", snapshot_cases[_i].op[0]) != NULL ? "null" : "{\"id\":1}", snapshot_cases[_i].op,
	         snapshot_cases[_i].snapshot, snapshot_cases[_i].lsn, snapshot_cases[_i].lsn,
	         snapshot_cases[_i].transaction);
	struct change *change = decode_good(snapshot_cases[_i].op[0] == 't' ? NULL : "{\"id\":1}", value);

	ck_assert_int_eq(change->snapshot, snapshot_cases[_i].mark);
	change_release(change);
}
END_TEST

START_TEST(test_nothing_to_apply)
{
	static const char *const values[] = {
	    NULL,
	    "null",
	    "{\"ts_ms\":1795225818942}",
	    "{ \"ts_ms\" : 1795225818942 }",
	    "{\"schema\":null,\"payload\":null}",
	    "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int64\",\"field\":\"ts_ms\"}]},\"payload\":{\"ts_"
	    "ms\":5}}",
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const struct raw_message message = make_message("{\"serverName\":\"x\"}", values[i]);
		struct decoded decoded = {.kind = DECODED_MARK};

		ck_assert_ptr_null(decoder_decode(decoder, &message, &writer, &decoded));
		ck_assert_int_eq(decoded.kind, DECODED_NOTHING);
	}
}
END_TEST

/* White space and another order of fields change nothing; the relation is the same. */
START_TEST(test_order_and_white_space)
{
	struct change *usual =
	    decode_good("{\"id\":1}", "{\"before\":null,\"after\":{\"id\":1,\"b\":\"x\"}," SOURCE
	                              ",\"transaction\":{\"id\":\"44:5\",\"total_order\":6},\"op\":\"c\"}");
	struct change *odd =
	    decode_good(" { \"id\" : 1 } ",
	                "\n{ \"op\" : \"c\" , \"transaction\" : { \"total_order\" : 6 , \"x\" : [ ] , \"id\" : "
	                "\"44:5\" } ,\t\"more\" : { \"a\" : [ 1 , { } ] } , " SOURCE " , \"after\" : { \"id\" : 1 , "
	                "\"\\u0062\" : \"x\" } } ");

	ck_assert_ptr_eq(usual->relation, odd->relation);
	ck_assert_uint_eq(odd->tx_id, 44);
	ck_assert_uint_eq(odd->total_order, 6);
	ck_assert_uint_eq(odd->lsn, 9);
	ck_assert_uint_eq(odd->previous_commit_lsn, 3);
	ck_assert(is_text(&odd->after[0], "1"));
	ck_assert(is_text(&odd->after[1], "x"));
	change_release(usual);
	change_release(odd);
}
END_TEST

START_TEST(test_strings_are_unescaped)
{
	struct change *change = decode_good(
	    NULL, "{\"op\":\"c\"," SOURCE
	          ",\"after\":{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83e\\udd86\xf0\x9f\xa6\x86z\"}}");

	ck_assert(is_text(&change->after[0], "\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\xa6\x86\xf0\x9f\xa6\x86z"));
	change_release(change);
}
END_TEST

/* Same columns, another table, key or encoding: another relation; the same again: the same one. */
START_TEST(test_relations_are_interned)
{
	static const char row[] = "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":1,\"b\":2}}";
	static const char other_table[] =
	    "{\"op\":\"c\",\"source\":{\"schema\":\"s\",\"table\":\"u\"},\"after\":{\"a\":1,\"b\":2}}";
	static const char other_row[] = "{\"op\":\"c\"," SOURCE ",\"after\":{\"a\":1,\"c\":2}}";
	struct change *changes[] = {
	    decode_good("{\"a\":1}", row), decode_good("{\"b\":1}", row),         decode_good("{\"b\":1,\"a\":1}", row),
	    decode_good(NULL, row),        decode_good("{\"a\":1}", other_table), decode_good("{\"a\":1}", other_row),
	};
	struct change *again = decode_good("{\"a\":5}", row);
	struct decoder *second = decoder_new(NULL);

	for (size_t i = 0; i < 6; i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_ptr_ne(changes[i]->relation, changes[j]->relation);
	ck_assert_ptr_eq(again->relation, changes[0]->relation);
	ck_assert_ptr_eq(changes[0]->relation->collection, changes[5]->relation->collection);
	ck_assert_ptr_eq(changes[0]->relation->collection, decoder_collection(second, "s", "t"));
	ck_assert_uint_eq(changes[2]->relation->key_count, 2);
	ck_assert_uint_eq(changes[2]->relation->key_columns[0], 1);
	ck_assert_uint_eq(changes[2]->relation->key_columns[1], 0);
	ck_assert(!changes[0]->relation->typed);
	for (size_t i = 0; i < 6; i++)
		change_release(changes[i]);
	change_release(again);
	decoder_free(second);
}
END_TEST

/* An END may name a collection before any event does, and with dots in its names. */
START_TEST(test_collections_of_an_end)
{
	static const char end[] =
	    "{\"status\":\"END\",\"id\":\"7:8\",\"event_count\":3,\"data_collections\":["
	    "{\"data_collection\":\"early.one\",\"event_count\":1},{\"data_collection\":\"a.b.c\",\"event_count\":1},"
	    "{\"data_collection\":\"io.debezium.X$LogicalDecodingMessageId@1f\",\"event_count\":1}]}";
	const struct raw_message message = make_message(NULL, end);
	struct decoded decoded;
	struct change *change;

	ck_assert_ptr_null(decoder_decode(decoder, &message, &writer, &decoded));
	ck_assert_int_eq(decoded.kind, DECODED_MARK);
	ck_assert_str_eq(decoded.mark->counts[0].collection->schema, "early");
	ck_assert_str_eq(decoded.mark->counts[0].collection->table, "one");
	ck_assert_str_eq(decoded.mark->counts[1].collection->schema, "");
	ck_assert(decoded.mark->counts[2].collection->message);
	ck_assert_ptr_eq(decoded.mark->counts[0].collection, decoder_collection(decoder, "early", "one"));
	change =
	    decode_good(NULL, "{\"op\":\"c\",\"source\":{\"schema\":\"a.b\",\"table\":\"c\"},\"after\":{\"a\":1}}");
	ck_assert_ptr_eq(decoded.mark->counts[1].collection, change->relation->collection);
	ck_assert_str_eq(change->relation->schema, "a.b");
	ck_assert_str_eq(change->relation->collection->table, "c");
	change_release(change);
	decoded_release(&decoded);
}
END_TEST

static const struct {
	const char *json;
	bool unchanged;
} placeholders[] = {
    {"\"" PLACEHOLDER "\"", true},
    {"\"" PLACEHOLDER_BASE64 "\"", true},
    {"[\"" PLACEHOLDER "\"]", true},
    {"[\"" PLACEHOLDER_BASE64 "\"]", true},
    {"[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,101]", true},
    {"[\"d01f2af9-1e70-3b16-b3cf-4b6a2c2a5ab3\"]", false},
    {"{\"" PLACEHOLDER "\":\"" PLACEHOLDER "\"}", true},
    {"\"{\\\"" PLACEHOLDER "\\\":\\\"" PLACEHOLDER "\\\"}\"", true},
    {"\"" PLACEHOLDER " \"", false},
    {"[\"" PLACEHOLDER "\",\"b\"]", false},
    {"[]", false},
    {"\"\"", false},
};

START_TEST(test_placeholders)
{
	char *value = memory_format("{\"op\":\"u\"," SOURCE ",\"after\":{\"id\":1,\"v\":%s}}", placeholders[_i].json);
	struct change *change = decode_good("{\"id\":1}", value);

	ck_assert_int_eq(change->after[1].kind == VALUE_UNCHANGED, placeholders[_i].unchanged);
	if (placeholders[_i].unchanged)
		ck_assert_ptr_null(change->after[1].data);
	change_release(change);
	free(value);
}
END_TEST

/* A row that is new, or old, has all its values: the text is a value of the source. */
static const char *const whole_rows[] = {
    "{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1,\"v\":\"" PLACEHOLDER "\"}}",
    "{\"op\":\"r\"," SOURCE ",\"after\":{\"id\":1,\"v\":\"" PLACEHOLDER "\"}}",
    "{\"op\":\"d\"," SOURCE ",\"before\":{\"id\":1,\"v\":\"" PLACEHOLDER "\"}}",
    "{\"op\":\"u\"," SOURCE ",\"before\":{\"id\":1,\"v\":\"" PLACEHOLDER "\"},\"after\":{\"id\":1,\"v\":\"a\"}}",
};

START_TEST(test_text_of_the_placeholder_in_a_whole_row)
{
	struct change *change = decode_good("{\"id\":1}", whole_rows[_i]);
	const struct value *values = change->before != NULL ? change->before : change->after;

	ck_assert_int_eq(values[1].kind, VALUE_STRING);
	ck_assert_uint_eq(values[1].length, strlen(PLACEHOLDER));
	ck_assert_mem_eq(values[1].data, PLACEHOLDER, strlen(PLACEHOLDER));
	change_release(change);
}
END_TEST

/* The second is the same in Debezium's other notation. */
START_TEST(test_placeholder_of_ones_own)
{
	const struct decoder_options options = {.unavailable_placeholder = _i == 0 ? "a" : "hex:61"};
	struct change *change;

	decoder_free(decoder);
	decoder = decoder_new(&options);
	/* MD5 of "a" is 0cc175b9c0f1b6a831c399e269772661; as a UUID of version 3: */
	change =
	    decode_good(NULL, "{\"op\":\"u\"," SOURCE ",\"after\":{\"u\":[\"0cc175b9-c0f1-36a8-b1c3-99e269772661\"],"
	                      "\"s\":\"a\",\"b\":\"YQ==\",\"n\":[97],\"d\":\"" PLACEHOLDER "\",\"x\":\"b\"}}");
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(change->after[i].kind, VALUE_UNCHANGED);
	ck_assert_int_eq(change->after[4].kind, VALUE_STRING);
	ck_assert_int_eq(change->after[5].kind, VALUE_STRING);
	change_release(change);
}
END_TEST

static const char *header_text;
static int header_calls;

static enum header_lookup one_header(const struct raw_message *message, const char *name, struct slice *value)
{
	header_calls++;
	*value = slice_from(header_text);
	return strcmp(name, message->handle) == 0 ? HEADER_FOUND : HEADER_ABSENT;
}

static enum header_lookup unreadable_headers(const struct raw_message *message, const char *name, struct slice *value)
{
	(void)message;
	(void)name;
	(void)value;
	return HEADER_UNREADABLE;
}

/* It may be the first half of a key change: no plain delete. */
START_TEST(test_delete_with_unreadable_headers_is_refused)
{
	struct raw_message delete = make_message("{\"a\":1}", "{\"op\":\"d\"," SOURCE ",\"before\":{\"a\":1}}");
	struct decoded decoded;
	struct error *error;

	delete.header = unreadable_headers;
	error = decoder_decode(decoder, &delete, &writer, &decoded);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->class, ERROR_EVENT);
	ck_assert_ptr_nonnull(strstr(error->message, "__debezium.newkey"));
	error_free(error);
}
END_TEST

/* The header names the key's fields in an order of its own. */
START_TEST(test_key_change_headers)
{
	static char newkey[] = "__debezium.newkey";
	static char oldkey[] = "__debezium.oldkey";
	struct raw_message delete =
	    make_message("{\"a\":1,\"b\":2}", "{\"op\":\"d\"," SOURCE ",\"before\":{\"b\":2,\"a\":1,\"v\":null}}");
	struct raw_message insert =
	    make_message("{\"a\":3,\"b\":4}",
	                 "{\"op\":\"c\"," SOURCE ",\"after\":{\"b\":4,\"a\":3,\"v\":\"" PLACEHOLDER "\"}}");
	struct decoded decoded;
	struct error *error;

	header_text = "{\"b\":4,\"a\":\"x\"}";
	delete.header = insert.header = one_header;
	delete.handle = newkey;
	insert.handle = oldkey;
	for (int i = 0; i < 2; i++) {
		ck_assert_ptr_null(decoder_decode(decoder, i == 0 ? &delete : &insert, &writer, &decoded));
		ck_assert_ptr_nonnull(decoded.change->other_key);
		ck_assert(is_text(&decoded.change->other_key[0], "x"));
		ck_assert(is_text(&decoded.change->other_key[1], "4"));
		ck_assert_int_eq(decoded.change->other_key[0].kind, VALUE_STRING);
		change_release(decoded.change);
	}
	ck_assert_int_eq(header_calls, 2);
	header_text = "{\"schema\":{\"type\":\"struct\"},\"payload\":{\"a\":\"x\",\"b\":4}}";
	ck_assert_ptr_null(decoder_decode(decoder, &delete, &writer, &decoded));
	ck_assert(is_text(&decoded.change->other_key[0], "x"));
	change_release(decoded.change);
	header_text = "{\"a\":\"1\t\n2\",\"b\":4}"; /* as Connect writes headers */
	ck_assert_ptr_null(decoder_decode(decoder, &delete, &writer, &decoded));
	ck_assert(is_text(&decoded.change->other_key[0], "1\t\n2"));
	change_release(decoded.change);
	header_text = "{\"a\":1}";
	error = decoder_decode(decoder, &delete, &writer, &decoded);
	ck_assert_ptr_nonnull(error);
	ck_assert_ptr_nonnull(strstr(error->message, "field __debezium.newkey.b: the header's key has not the fields"));
	error_free(error);
}
END_TEST

/* The schema tells the encodings; a row whose fields stand otherwise is still told apart by names. */
START_TEST(test_typed_relation)
{
	static const char schema[] =
	    "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"field\":\"after\",\"type\":\"struct\",\"fields\":["
	    "{\"field\":\"id\",\"type\":\"int64\",\"optional\":false},"
	    "{\"field\":\"n\",\"type\":\"bytes\",\"optional\":true,\"name\":\"org.apache.kafka.connect.data.Decimal\","
	    "\"parameters\":{\"scale\":\"2\"}},"
	    "{\"field\":\"a\",\"type\":\"array\",\"optional\":true,\"items\":{\"type\":\"int32\",\"optional\":true,"
	    "\"name\":"
	    "\"io.debezium.time.Date\"}},"
	    "{\"field\":\"w\",\"type\":\"string\",\"optional\":true,\"name\":\"strange.Type\"}]}]},\"payload\":";
	char *usual =
	    memory_format("%s{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1,\"n\":\"AA==\",\"a\":[],\"w\":null}}}",
	                  schema);
	char *odd =
	    memory_format("%s{\"op\":\"c\"," SOURCE ",\"after\":{\"w\":null,\"a\":null,\"n\":null,\"id\":1}}}", schema);
	char *missing =
	    memory_format("%s{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1,\"n\":null,\"w\":null}}}", schema);
	char *unknown = memory_format("%s{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1,\"z\":null}}}", schema);
	char *twice = memory_format("%s{\"op\":\"c\"," SOURCE ",\"after\":{\"id\":1,\"id\":1}}}", schema);
	struct change *change = decode_good("{\"id\":1}", usual);
	struct change *other = decode_good("{\"id\":1}", odd);
	const struct column *columns = change->relation->columns;

	ck_assert(change->relation->typed);
	ck_assert_uint_eq(change->relation->column_count, 4);
	ck_assert_int_eq(columns[0].encoding, ENCODING_NUMBER);
	ck_assert(!columns[0].optional);
	ck_assert_int_eq(columns[1].encoding, ENCODING_DECIMAL);
	ck_assert_int_eq(columns[1].scale, 2);
	ck_assert_int_eq(columns[2].encoding, ENCODING_ARRAY);
	ck_assert_int_eq(columns[2].element->encoding, ENCODING_DATE_DAYS);
	ck_assert_int_eq(columns[3].encoding, ENCODING_UNKNOWN);
	ck_assert_str_eq(columns[3].schema_name, "strange.Type");
	ck_assert_ptr_eq(change->relation, other->relation);
	ck_assert(is_text(&other->after[0], "1"));
	ck_assert_int_eq(other->after[3].kind, VALUE_NULL);
	decode_bad(NULL, missing, "field after.a: missing");
	decode_bad(NULL, unknown, "field after.z: a field that the message's own schema does not have");
	decode_bad(NULL, twice, "field after.id: two fields have the same name");
	change_release(change);
	change_release(other);
	free(usual);
	free(odd);
	free(missing);
	free(unknown);
	free(twice);
}
END_TEST

/* More tables than the caches hold, in one partition. */
START_TEST(test_many_tables_in_one_partition)
{
	for (int i = 0; i < 4000; i++) {
		const int table = (i * 7) % 1300;
		char *value = memory_format("{\"schema\":{\"fields\":[{\"field\":\"after\",\"type\":\"struct\","
		                            "\"fields\":[{\"field\":\"c%d\",\"type\":"
		                            "\"int64\"}]}]},\"payload\":{\"op\":\"c\",\"source\":{\"schema\":\"s\","
		                            "\"table\":\"t%d\"},\"after\":{\"c%d\":%d}}}",
		                            table, table, table, i);
		char *plain = memory_format(
		    "{\"op\":\"c\",\"source\":{\"schema\":\"s\",\"table\":\"p%d\"},\"after\":{\"id\":1,\"c%d\":%d}}",
		    table, table, i);
		char *name = memory_format("t%d", table);
		char *number = memory_format("%d", i);
		struct change *change = decode_good(NULL, value);

		ck_assert_str_eq(change->relation->table, name);
		ck_assert_uint_eq(change->relation->column_count, 1);
		ck_assert(is_text(&change->after[0], number));
		change_release(change);
		change = decode_good(NULL, plain);
		ck_assert_uint_eq(change->relation->column_count, 2);
		name[0] = 'c';
		ck_assert_str_eq(change->relation->columns[1].name, name);
		ck_assert(is_text(&change->after[1], number));
		change_release(change);
		free(number);
		free(value);
		free(plain);
		free(name);
	}
}
END_TEST

/* ---- damaged messages ---- */

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

/*
 * A copy with one to three bytes changed, left out, doubled, or cut behind. Exactly as long as it must be (for ASan).
 */
static char *damage(struct slice text, size_t *length)
{
	static const char likely[] = "\"\\{}[]:,0129-+.eEntfu\0\x80\xff\xc3 ";
	char *bytes = memory_copy_bytes(text.data, text.length);
	char *exact;

	*length = text.length;
	for (uint64_t changes = 1 + random_below(3); changes > 0 && *length > 1; changes--) {
		const size_t at = random_below(*length);

		switch (random_below(4)) {
		case 0:
			bytes[at] = likely[random_below(sizeof(likely) - 1)];
			break;
		case 1:
			bytes[at] = (char)(bytes[at] ^ (1 << random_below(8)));
			break;
		case 2:
			memmove(bytes + at, bytes + at + 1, *length - at - 1);
			(*length)--;
			break;
		default:
			if (random_below(4) == 0)
				*length = at;
			else
				bytes[at] = bytes[random_below(*length)];
		}
	}
	exact = memory_grow(NULL, *length, 1);
	memcpy(exact, bytes, *length);
	free(bytes);
	return exact;
}

/* jansson has limits that JSON has not: numbers beyond 64 bits or double. */
static bool truly_malformed(const char *text, size_t length)
{
	json_error_t error;
	json_t *parsed = json_loadb(text, length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);

	json_decref(parsed);
	return parsed == NULL && json_error_code(&error) != json_error_numeric_overflow;
}

static void decode_damaged(const struct raw_message *original, bool damage_key)
{
	struct raw_message message = *original;
	struct slice *part = damage_key && message.key.data != NULL ? &message.key : &message.value;
	struct decoded decoded;
	struct error *error;
	char *bytes;

	if (part->data == NULL)
		return;
	bytes = damage(*part, &part->length);
	part->data = bytes;
	error = decoder_decode(decoder, &message, &writer, &decoded);
	if (error != NULL) {
		ck_assert_int_eq(error->class, ERROR_EVENT);
		ck_assert(strncmp(error->message, message.topic, strlen(message.topic)) == 0);
		error_free(error);
	} else {
		/* What was taken was JSON (a key is not looked at where it does not matter). */
		if (part == &message.value)
			ck_assert(!truly_malformed(message.value.data, message.value.length));
		decoded_release(&decoded);
	}
	free(bytes);
}

START_TEST(test_damaged_messages)
{
	struct corpus *corpus = corpus_load(variants[_i]);
	const char *given = getenv("TEST_SEED");
	const uint64_t seed =
	    given != NULL ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 1000 + (uint64_t)getpid();

	printf("test_damaged_messages %s: TEST_SEED=%" PRIu64 "\n", variants[_i], seed);
	fflush(stdout);
	random_state = seed | 1;
	for (int i = 0; i < 10000; i++)
		decode_damaged(&corpus->messages[random_below(corpus->count)].raw, random_below(5) == 0);
	corpus_free(corpus);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("decoder");
	TCase *tests = tcase_create("decoder");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tests, decoding_setup, decoding_teardown);
	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, test_recorded_events, 0, 4);
	tcase_add_test(tests, test_recorded_events_mixed);
	tcase_add_loop_test(tests, test_bad_messages, 0, sizeof(bad_messages) / sizeof(bad_messages[0]));
	tcase_add_test(tests, test_deep_nesting);
	tcase_add_test(tests, test_errors_hold_no_values);
	tcase_add_loop_test(tests, test_what_a_snapshot_row_is, 0, sizeof(snapshot_cases) / sizeof(snapshot_cases[0]));
	tcase_add_test(tests, test_nothing_to_apply);
	tcase_add_test(tests, test_order_and_white_space);
	tcase_add_test(tests, test_strings_are_unescaped);
	tcase_add_test(tests, test_relations_are_interned);
	tcase_add_test(tests, test_collections_of_an_end);
	tcase_add_loop_test(tests, test_placeholders, 0, sizeof(placeholders) / sizeof(placeholders[0]));
	tcase_add_loop_test(tests, test_text_of_the_placeholder_in_a_whole_row, 0,
	                    sizeof(whole_rows) / sizeof(whole_rows[0]));
	tcase_add_loop_test(tests, test_placeholder_of_ones_own, 0, 2);
	tcase_add_test(tests, test_key_change_headers);
	tcase_add_test(tests, test_delete_with_unreadable_headers_is_refused);
	tcase_add_test(tests, test_typed_relation);
	tcase_add_test(tests, test_many_tables_in_one_partition);
	tcase_add_loop_test(tests, test_damaged_messages, 0, 4);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
