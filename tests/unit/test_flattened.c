/* test_flattened.c - rows without an envelope (ExtractNewRecordState). */
#include "decoding.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define META                                                                                                           \
	"\"__deleted\":\"false\",\"__op\":\"c\",\"__source_txId\":7,\"__source_lsn\":99,\"__source_schema\":\"s\","    \
	"\"__source_table\":\"t\",\"__source_ts_ms\":5,\"__source_snapshot\":null"
/* Columns may have the names of an envelope's fields. */
#define ROW "{\"id\":1,\"op\":\"x\",\"source\":\"y\",\"status\":\"END\",\"before\":3," META "}"
#define FIELD(name, type) "{\"field\":\"" name "\",\"type\":\"" type "\"}"
#define META_FIELDS                                                                                                    \
	FIELD("__deleted", "string")                                                                                   \
	"," FIELD("__op", "string") "," FIELD("__source_txId", "int64") "," FIELD("__source_lsn", "int64") "," FIELD(  \
	    "__source_schema", "string") "," FIELD("__source_table",                                                   \
	                                           "string") "," FIELD("__source_ts_ms",                               \
	                                                               "int64") "," FIELD("__source_snapshot",         \
	                                                                                  "string")

START_TEST(test_insert)
{
	for (int i = 0; i < 3; i++) { /* the first goes the long way, the next by what it taught */
		struct change *change = decode_good("{\"id\":1}", ROW);

		ck_assert_int_eq(change->operation, CHANGE_INSERT);
		ck_assert_str_eq(change->relation->schema, "s");
		ck_assert_str_eq(change->relation->table, "t");
		ck_assert_uint_eq(change->relation->column_count, 5);
		ck_assert_str_eq(change->relation->columns[4].name, "before");
		ck_assert_uint_eq(change->relation->key_count, 1);
		ck_assert_ptr_null(change->before);
		ck_assert_mem_eq(change->after[3].data, "END", 3);
		ck_assert_uint_eq(change->tx_id, 7);
		ck_assert_uint_eq(change->lsn, 99);
		ck_assert_int_eq(change->source_us, 5000);
		ck_assert_uint_eq(change->total_order, 0);
		change_release(change);
	}
}
END_TEST

START_TEST(test_delete_and_transaction)
{
	struct change *change = decode_good(
	    "{\"id\":1}",
	    "{\"id\":1,\"v\":null,\"__deleted\":\"true\",\"__op\":\"d\",\"__txId\":7,\"__lsn\":99,\"__schema\":\"s\","
	    "\"__table\":\"t\",\"__snapshot\":\"false\",\"__sequence\":\"[\\\"50\\\",\\\"99\\\"]\","
	    "\"__transaction_id\":\"7:99\",\"__transaction_total_order\":2,\"__ts_ms\":1}");

	ck_assert_int_eq(change->operation, CHANGE_DELETE);
	ck_assert_ptr_null(change->after);
	ck_assert_int_eq(change->before[0].data[0], '1');
	ck_assert_uint_eq(change->total_order, 2);
	ck_assert_uint_eq(change->previous_commit_lsn, 50);
	change_release(change);
}
END_TEST

/* Streamed, though the connector marks it as a row of the snapshot that was interrupted. */
START_TEST(test_snapshot_marks)
{
	struct change *change =
	    decode_good("{\"id\":1}",
	                "{\"id\":1,\"__deleted\":\"false\",\"__op\":\"u\",\"__txId\":7,\"__lsn\":99,\"__schema\":\"s\","
	                "\"__table\":\"t\",\"__snapshot\":\"true\",\"__transaction_id\":\"7:99\","
	                "\"__transaction_total_order\":2}");

	ck_assert_int_eq(change->snapshot, SNAPSHOT_NONE);
	change_release(change);
	change = decode_good("{\"id\":1}", "{\"id\":1,\"__deleted\":\"false\",\"__op\":\"r\",\"__txId\":7,\"__lsn\":99,"
	                                   "\"__schema\":\"s\",\"__table\":\"t\",\"__snapshot\":null}");
	ck_assert_int_eq(change->snapshot, SNAPSHOT_ROW);
	change_release(change);
}
END_TEST

/* A column of type point is a struct, as `after` of an envelope is. */
START_TEST(test_struct_column_named_after)
{
	struct change *change = decode_good(
	    NULL,
	    "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"field\":\"after\",\"type\":\"struct\",\"fields\":[" FIELD(
	        "x", "double") "," FIELD("y", "double") "],\"name\":\"io.debezium.data.geometry.Point\"}," META_FIELDS
	                                                "]},\"payload\":{\"after\":{\"x\":1.0,\"y\":2.0}," META "}}");

	ck_assert_uint_eq(change->relation->column_count, 1);
	ck_assert_str_eq(change->relation->columns[0].name, "after");
	ck_assert_int_eq(change->relation->columns[0].encoding, ENCODING_POINT);
	change_release(change);
}
END_TEST

START_TEST(test_typed)
{
	struct change *change = decode_good(
	    NULL,
	    "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"field\":\"d\",\"type\":\"int32\",\"name\":\"io.debezium."
	    "time.Date\"}," META_FIELDS "]},\"payload\":{\"d\":3," META "}}");

	ck_assert(change->relation->typed);
	ck_assert_uint_eq(change->relation->column_count, 1);
	ck_assert_int_eq(change->relation->columns[0].encoding, ENCODING_DATE_DAYS);
	change_release(change);
}
END_TEST

/* Without decoding.added_fields both may be the transform's; the relation names what was taken for it. */
START_TEST(test_columns_with_names_of_added_fields)
{
	static const char *const added[] = {"op",           "source.txId",     "source.lsn", "source.schema",
	                                    "source.table", "source.snapshot", "ts_ms",      "source.foo"};
	const struct decoder_options options = {.added_fields = added, .added_field_count = 8};
	const char *row = "{\"__db\":\"a\",\"__table\":\"b\",\"__ts_ms\":1,\"__source_foo\":2," META "}";
	struct change *change = decode_good(NULL, "{\"__db\":\"a\",\"__table\":\"b\",\"__ts_ms\":1," META "}");

	ck_assert_uint_eq(change->relation->column_count, 0);
	ck_assert_uint_eq(change->relation->taken_count, 11);
	ck_assert_str_eq(change->relation->taken[0], "__db");
	change_release(change);
	decoder_free(decoder);
	decoder = decoder_new(&options);
	change = decode_good(NULL, row);
	ck_assert_str_eq(change->relation->table, "t");
	ck_assert_uint_eq(change->relation->column_count, 3);
	ck_assert_str_eq(change->relation->columns[0].name, "__db");
	ck_assert_str_eq(change->relation->columns[1].name, "__table");
	ck_assert_str_eq(change->relation->columns[2].name, "__source_ts_ms");
	ck_assert_uint_eq(change->relation->taken_count, 9);
	ck_assert_str_eq(change->relation->taken[0], "__ts_ms");
	ck_assert_str_eq(change->relation->taken[1], "__source_foo");
	change_release(change);
}
END_TEST

/* Rows that an envelope, a boundary of a transaction or a heartbeat would have the fields of. */
static const char *const alike[] = {
    "{\"id\":1,\"op\":\"c\"," META "}",
    "{\"id\":1,\"op\":\"d\",\"before\":null,\"after\":null,\"source\":null," META "}",
    "{\"op\":\"t\",\"source\":{\"schema\":\"x\",\"table\":\"y\"}," META "}",
    "{\"id\":\"744\",\"status\":\"BEGIN\"," META "}",
    "{\"id\":\"744:5\",\"status\":\"END\",\"event_count\":2,\"ts_ms\":9," META "}",
    "{\"ts_ms\":9," META "}",
};

START_TEST(test_rows_that_look_like_something_else)
{
	for (int i = 0; i < 2; i++) {
		const struct raw_message heartbeat = make_message(NULL, "{\"ts_ms\":1}");
		struct change *change = decode_good(NULL, alike[_i]);
		struct decoded decoded;

		ck_assert_str_eq(change->relation->table, "t");
		ck_assert_int_eq(change->operation, CHANGE_INSERT);
		ck_assert_ptr_nonnull(change->after);
		change_release(change);
		ck_assert_ptr_null(decoder_decode(decoder, &heartbeat, &writer, &decoded));
		ck_assert_int_eq(decoded.kind, DECODED_NOTHING);
	}
}
END_TEST

/* The transform leaves the transaction topic and messages alone: in one topic they stand between the rows. */
START_TEST(test_envelopes_between)
{
	const struct raw_message begin = make_message(NULL, "{\"status\":\"BEGIN\",\"id\":\"7:9\",\"ts_ms\":1}");
	const struct raw_message heartbeat = make_message(NULL, "{\"ts_ms\":1}");
	struct decoded decoded;

	for (int i = 0; i < 2; i++) {
		change_release(decode_good(NULL, ROW));
		ck_assert_ptr_null(decoder_decode(decoder, &begin, &writer, &decoded));
		ck_assert_int_eq(decoded.kind, DECODED_MARK);
		transaction_mark_release(decoded.mark);
		ck_assert_ptr_null(decoder_decode(decoder, &heartbeat, &writer, &decoded));
		ck_assert_int_eq(decoded.kind, DECODED_NOTHING);
	}
}
END_TEST

START_TEST(test_refusals)
{
	decode_bad(NULL, "{\"id\":1}", "add.fields=op");
	decode_bad(NULL, "{\"id\":1,\"__op\":\"c\"}", "field __deleted: missing");
	decode_bad(NULL, "{\"id\":1,\"__deleted\":\"false\",\"__op\":\"c\",\"__source_schema\":\"s\"}",
	           "field __source_table: missing");
	decode_bad(NULL,
	           "{\"id\":1,\"__op\":\"q\",\"__deleted\":\"false\",\"__source_txId\":7,\"__source_lsn\":99,\"__"
	           "source_schema\":"
	           "\"s\",\"__source_table\":\"t\",\"__source_snapshot\":null}",
	           "field __op: an operation");
	decode_bad(NULL,
	           "{\"id\":1,\"__op\":\"c\",\"__deleted\":\"false\",\"__source_txId\":\"7\",\"__source_lsn\":99,"
	           "\"__source_schema\":\"s\",\"__source_table\":\"t\",\"__source_snapshot\":null}",
	           "field __source_txId: no whole number");
	decode_bad(NULL, "{\"id\":1,\"v\":\"\xff\"," META "}", "UTF-8");
	change_release(decode_good(NULL, ROW)); /* what failed did not harm what follows */
	decode_bad(NULL, "{\"id\":1,\"v\":\"\xff\"," META "}", "UTF-8");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flattened");
	TCase *cases = tcase_create("flattened");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, decoding_setup, decoding_teardown);
	tcase_add_test(cases, test_insert);
	tcase_add_test(cases, test_delete_and_transaction);
	tcase_add_test(cases, test_snapshot_marks);
	tcase_add_test(cases, test_typed);
	tcase_add_test(cases, test_struct_column_named_after);
	tcase_add_test(cases, test_columns_with_names_of_added_fields);
	tcase_add_loop_test(cases, test_rows_that_look_like_something_else, 0, sizeof(alike) / sizeof(alike[0]));
	tcase_add_test(cases, test_envelopes_between);
	tcase_add_test(cases, test_refusals);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
