/*
 * test_inference.c - schema changes without a DDL log: which types the events' schemas tell, which type is wider, and
 * what becomes of a table of the target.
 */
#include "decoding.h"
#include "postgres.h"

#include "event/schema_block.h"
#include "schema/wider_type.h"
#include "target/batch.h"
#include "target/checkpoint.h"

#include <stdio.h>

/* Which types. */

static const struct {
	const char *field; /* of Connect's schema, without its braces */
	const char *type;
	bool sure;
} told[] = {
    {"\"type\":\"int16\"", "smallint", true},
    {"\"type\":\"int32\"", "integer", true},
    {"\"type\":\"int64\"", "bigint", true},
    {"\"type\":\"float\"", "real", true},
    {"\"type\":\"double\"", "double precision", true},
    {"\"type\":\"string\"", "text", false},
    {"\"type\":\"boolean\"", "boolean", false},
    {"\"type\":\"bytes\"", "bytea", false},
    {"\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"parameters\":{\"scale\":\"2\","
     "\"connect.decimal.precision\":\"12\"}",
     "numeric(12,2)", true},
    {"\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"parameters\":{\"scale\":\"2\"}",
     "numeric", false},
    {"\"type\":\"int64\",\"name\":\"io.debezium.time.MicroTimestamp\"", "timestamp without time zone", false},
    {"\"type\":\"string\",\"name\":\"io.debezium.time.ZonedTimestamp\"", "timestamp with time zone", false},
    {"\"type\":\"string\",\"name\":\"io.debezium.data.Json\"", "jsonb", false},
    {"\"type\":\"string\",\"name\":\"io.debezium.data.Uuid\"", "uuid", false},
    {"\"type\":\"string\",\"name\":\"io.debezium.data.Enum\",\"parameters\":{\"allowed\":\"a,b\"}", "text", false},
    {"\"type\":\"array\",\"items\":{\"type\":\"int32\"}", "integer[]", true},
    {"\"type\":\"string\",\"name\":\"strange.Type\"", NULL, false},
    {"\"type\":\"string\",\"parameters\":{\"__debezium.source.column.type\":\"VARCHAR\","
     "\"__debezium.source.column.length\":\"40\"}",
     "character varying(40)", true},
    {"\"type\":\"string\",\"parameters\":{\"__debezium.source.column.type\":\"VARCHAR\","
     "\"__debezium.source.column.length\":\"2147483647\"}",
     "character varying", true},
    {"\"type\":\"string\",\"parameters\":{\"__debezium.source.column.type\":\"NUMERIC\","
     "\"__debezium.source.column.length\":\"10\",\"__debezium.source.column.scale\":\"2\"}",
     "numeric(10,2)", true},
    {"\"type\":\"string\",\"parameters\":{\"__debezium.source.column.type\":\"NUMERIC\","
     "\"__debezium.source.column.length\":\"131089\",\"__debezium.source.column.scale\":\"0\"}",
     "numeric", true},
    {"\"type\":\"int32\",\"parameters\":{\"__debezium.source.column.type\":\"SERIAL\","
     "\"__debezium.source.column.length\":\"10\"}",
     "integer", true},
    {"\"type\":\"string\",\"parameters\":{\"__debezium.source.column.type\":\"CITEXT\","
     "\"__debezium.source.column.length\":\"2147483647\"}",
     "citext", true},
    {"\"type\":\"array\",\"items\":{\"type\":\"string\"},\"parameters\":{\"__debezium.source.column.type\":\"_TEXT\"}",
     "text[]", true},
};

START_TEST(types_that_a_schema_tells)
{
	char *text =
	    memory_format("{\"type\":\"struct\",\"fields\":[{\"type\":\"struct\",\"field\":\"after\",\"fields\":["
	                  "{\"field\":\"c\",\"optional\":true,%s}]}]}",
	                  told[_i].field);
	const char *problem = NULL;
	bool flattened;
	const struct shape *shape = schema_block_parse(slice_from(text), &flattened, &problem);

	ck_assert_msg(shape != NULL, "%s: %s", told[_i].field, problem);
	if (told[_i].type == NULL)
		ck_assert_ptr_null(shape->columns[0].source_type);
	else
		ck_assert_str_eq(shape->columns[0].source_type, told[_i].type);
	ck_assert_msg(shape->columns[0].sure_type == told[_i].sure, "%s", told[_i].field);
	free(text);
}
END_TEST

START_TEST(a_default_is_told)
{
	static const char text[] =
	    "{\"type\":\"struct\",\"fields\":[{\"type\":\"struct\",\"field\":\"after\",\"fields\":["
	    "{\"field\":\"a\",\"type\":\"int32\",\"default\":7},{\"field\":\"b\",\"type\":\"string\",\"default\":\"it'"
	    "s\"},"
	    "{\"field\":\"c\",\"type\":\"boolean\",\"default\":true},{\"field\":\"d\",\"type\":\"int32\",\"default\":"
	    "null}]}]}";
	const char *problem = NULL;
	bool flattened;
	const struct shape *shape = schema_block_parse(slice_from(text), &flattened, &problem);

	ck_assert_str_eq(shape->columns[0].initial, "7");
	ck_assert_int_eq(shape->columns[0].initial_kind, VALUE_NUMBER);
	ck_assert_str_eq(shape->columns[1].initial, "it's");
	ck_assert_int_eq(shape->columns[1].initial_kind, VALUE_STRING);
	ck_assert_str_eq(shape->columns[2].initial, "true");
	ck_assert_ptr_null(shape->columns[3].initial);
}
END_TEST

static const struct {
	const char *wide, *type;
	bool wider;
} widths[] = {
    {"integer", "smallint", true},
    {"bigint", "integer", true},
    {"integer", "bigint", false},
    {"integer", "integer", false},
    {"numeric", "bigint", true},
    {"numeric(12,2)", "integer", true},
    {"numeric(5,2)", "integer", false},
    {"bigint", "numeric", false},
    {"double precision", "real", true},
    {"real", "double precision", false},
    {"real", "integer", false},
    {"numeric(14,2)", "numeric(12,2)", true},
    {"numeric(14,4)", "numeric(12,2)", true},
    {"numeric(12,4)", "numeric(12,2)", false},
    {"numeric", "numeric(12,2)", true},
    {"numeric(12,2)", "numeric", false},
    {"character varying(40)", "character varying(20)", true},
    {"character varying(20)", "character varying(40)", false},
    {"text", "character varying(40)", true},
    {"text", "character varying", false},
    {"text", "jsonb", false},
    {"text", "integer", false},
    {"timestamp without time zone", "timestamp(3) without time zone", true},
    {"timestamp with time zone", "timestamp(3) without time zone", false},
    {"timestamp(3) without time zone", "timestamp(3) without time zone", false},
    {"bigint[]", "integer[]", true},
    {"bigint[]", "integer", false},
    {"bigint", "integer[]", false},
};

START_TEST(which_type_is_wider)
{
	ck_assert_msg(type_is_wider(widths[_i].wide, widths[_i].type) == widths[_i].wider, "%s than %s",
	              widths[_i].wide, widths[_i].type);
}
END_TEST

/* What becomes of a table. Rows come as JSON with schema, are decoded, and applied change by change. */

static struct config config = {.file = "test.conf", .stream.name = "s", .target.schema = "inference_state"};
static struct pg_connection *connection;
static struct binding_cache *bindings;
static struct partition_list *partitions;
static struct row_sender *sender;

static void set_up(void)
{
	decoding_setup();
	config.ddl.missing_field = MISSING_KEEP;
	memset(config.ddl.policy, 0, sizeof(config.ddl.policy));
	config.ddl.lock_timeout_ms = 1000;
	connection = postgres_connect();
	postgres_execute(connection, "SET client_min_messages = warning; DROP SCHEMA IF EXISTS inference_state CASCADE;"
	                             "DROP SCHEMA IF EXISTS i CASCADE; CREATE SCHEMA i;"
	                             "CREATE TABLE i.t (id int PRIMARY KEY, a text NOT NULL, n smallint,"
	                             " ours timestamptz NOT NULL DEFAULT now())");
	expect_no_error(checkpoint_install_schema(connection, "inference_state"));
	postgres_execute(connection, "INSERT INTO inference_state.stream (name, epoch) VALUES ('s', 1)");
	bindings = binding_cache_new(&config);
	binding_cache_forget(bindings, false);
	partitions = partition_list_new();
	partition_list_add(partitions, "p", 0);
	sender = row_sender_new();
}

static void tear_down(void)
{
	row_sender_free(sender);
	partition_list_free(partitions);
	binding_cache_free(bindings);
	pg_disconnect(connection);
	decoding_teardown();
}

/* One event of i.t in a target transaction of its own. `fields` NULL: JSON without schema. */
static struct error *apply(const char *fields, const char *row, const char *snapshot)
{
	char *payload =
	    memory_format("{\"before\":null,\"after\":%s,\"source\":{\"schema\":\"i\",\"table\":\"t\",\"txId\":9,"
	                  "\"lsn\":900,\"snapshot\":\"%s\"},\"op\":\"%s\",\"ts_ms\":1}",
	                  row, snapshot, strcmp(snapshot, "false") == 0 ? "c" : "r");
	char *message =
	    fields == NULL
	        ? memory_copy_text(payload)
	        : memory_format("{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"struct\",\"field\":"
	                        "\"after\",\"fields\":[%s]}]},\"payload\":%s}",
	                        fields, payload);
	struct change *change = decode_good(NULL, message);
	struct transaction transaction = {.tx_id = 9, .commit_lsn = 900, .changes = &change, .change_count = 1};
	struct batch_counts counts = {0};
	struct error *error;

	change->partition = 0;
	postgres_execute(connection, "BEGIN; SET CONSTRAINTS ALL DEFERRED");
	error = batch_apply_strictly(sender, connection, bindings, partitions, &transaction, &counts);
	postgres_execute(connection, error == NULL ? "COMMIT" : "ROLLBACK");
	if (error != NULL)
		expect_no_error(binding_cache_refresh(bindings, connection));
	change_release(change);
	free(payload);
	free(message);
	return error;
}

#define ID "{\"field\":\"id\",\"type\":\"int32\",\"optional\":false}"
#define A "{\"field\":\"a\",\"type\":\"string\",\"optional\":false}"
#define N16 "{\"field\":\"n\",\"type\":\"int16\",\"optional\":true}"
#define N64 "{\"field\":\"n\",\"type\":\"int64\",\"optional\":true}"
#define B "{\"field\":\"b\",\"type\":\"int32\",\"optional\":false,\"default\":7}"
#define C "{\"field\":\"c\",\"type\":\"string\",\"optional\":false}"

/* name type NOT NULL default, … in the table's order */
static void expect_columns(const char *expected)
{
	char *columns = postgres_value(
	    connection,
	    "SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN "
	    "'not null' END, pg_get_expr(adbin, adrelid)), ', ' ORDER BY attnum) FROM pg_attribute a LEFT JOIN "
	    "pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE attrelid = 'i.t'::regclass AND "
	    "attnum > 0 AND NOT attisdropped");

	ck_assert_str_eq(columns, expected);
	free(columns);
}

static void expect_value(const char *sql, const char *expected)
{
	postgres_expect(connection, sql, expected);
}

START_TEST(a_new_field_is_a_column_with_its_default)
{
	expect_no_error(apply(ID "," A "," N16, "{\"id\":1,\"a\":\"x\",\"n\":1}", "false"));
	expect_value("SELECT count(*)::text FROM inference_state.schema_history", "0");
	expect_no_error(
	    apply(ID "," A "," N16 "," B "," C, "{\"id\":2,\"a\":\"y\",\"n\":2,\"b\":3,\"c\":\"new\"}", "false"));
	expect_columns(
	    "id integer not null, a text not null, n smallint, ours timestamp with time zone not null now(), "
	    "b integer not null 7, c text");
	expect_value("SELECT string_agg(concat_ws(' ', id, b, c), ', ' ORDER BY id) FROM i.t", "1 7, 2 3 new");
	expect_value("SELECT array_to_string(steps, '; ') FROM inference_state.schema_history",
	             "ALTER TABLE \"i\".\"t\" ADD COLUMN \"b\" integer DEFAULT '7' NOT NULL; "
	             "ALTER TABLE \"i\".\"t\" ADD COLUMN \"c\" text");
}
END_TEST

START_TEST(old_and_new_events_alternate_without_a_flap)
{
	for (int i = 0; i < 3; i++) {
		char *old = memory_format("{\"id\":%d,\"a\":\"x\",\"n\":1}", 2 * i);
		char *new = memory_format("{\"id\":%d,\"n\":100000,\"b\":3}", 2 * i + 1);

		config.ddl.missing_field = i == 2 ? MISSING_DROP : MISSING_KEEP;
		expect_no_error(apply(ID "," A "," N16, old, "false"));
		expect_no_error(apply(ID "," N64 "," B, new, "false"));
		free(old);
		free(new);
	}
	expect_value("SELECT count(*)::text FROM i.t WHERE n = 100000", "3");
	/* a: NOT NULL is gone; kept since the events never were seen to lose it while dropping was asked for */
	expect_value(
	    "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'i.t'::regclass AND attname = 'n'",
	    "bigint");
	expect_value("SELECT count(*)::text FROM inference_state.schema_history", "1");
}
END_TEST

START_TEST(a_field_that_no_longer_comes)
{
	expect_no_error(apply(ID "," N16, "{\"id\":1,\"n\":1}", "false"));
	expect_columns("id integer not null, a text, n smallint, ours timestamp with time zone not null now()");
}
END_TEST

/* Dropped once; when it comes again it is a column again, and stays. */
START_TEST(a_field_that_no_longer_comes_is_dropped_where_asked)
{
	config.ddl.missing_field = MISSING_DROP;
	expect_no_error(apply(ID "," A "," N16, "{\"id\":1,\"a\":\"x\",\"n\":1}", "false"));
	expect_no_error(apply(ID "," N16, "{\"id\":2,\"n\":1}", "false"));
	expect_columns("id integer not null, n smallint, ours timestamp with time zone not null now()");
	expect_no_error(apply(ID "," A "," N16, "{\"id\":3,\"a\":\"x\",\"n\":1}", "false"));
	expect_no_error(binding_cache_refresh(bindings, connection));
	expect_no_error(apply(ID "," N16, "{\"id\":4,\"n\":1}", "false"));
	expect_columns("id integer not null, n smallint, ours timestamp with time zone not null now(), a text");
	expect_value("SELECT string_agg(id || coalesce(a, ''), ' ' ORDER BY id) FROM i.t", "1 2 3x 4");
}
END_TEST

/* DROP NOT NULL is refused for it. */
START_TEST(an_identity_column_is_kept)
{
	config.ddl.missing_field = MISSING_DROP;
	config.ddl.policy[STEP_DROP_COLUMN] = DDL_KEEP;
	postgres_execute(connection, "ALTER TABLE i.t ADD b int GENERATED ALWAYS AS IDENTITY");
	expect_no_error(apply(ID "," A "," N16 "," B, "{\"id\":1,\"a\":\"x\",\"n\":1,\"b\":3}", "false"));
	expect_no_error(apply(ID "," A "," N16, "{\"id\":2,\"a\":\"x\",\"n\":1}", "false"));
	expect_value("SELECT string_agg(concat_ws(' ', id, b), ', ' ORDER BY id) FROM i.t", "1 3, 2 1");
}
END_TEST

/* pgoutput sends generated columns with a snapshot only. */
START_TEST(a_generated_column_is_not_dropped)
{
	config.ddl.missing_field = MISSING_DROP;
	postgres_execute(connection, "ALTER TABLE i.t ADD twice int GENERATED ALWAYS AS (id * 2) STORED");
	expect_no_error(apply(ID "," A "," N16 ",{\"field\":\"twice\",\"type\":\"int32\",\"optional\":true}",
	                      "{\"id\":1,\"a\":\"x\",\"n\":1,\"twice\":2}", "true"));
	expect_no_error(apply(ID "," A "," N16, "{\"id\":2,\"a\":\"x\",\"n\":1}", "false"));
	expect_value("SELECT sum(twice)::text FROM i.t", "6");
}
END_TEST

/* An incremental snapshot reads ahead of the stream, whose events do not have the column yet. */
START_TEST(a_snapshot_ahead_of_the_stream_does_not_drop)
{
	config.ddl.missing_field = MISSING_DROP;
	expect_no_error(apply(ID "," A "," N16, "{\"id\":1,\"a\":\"x\",\"n\":1}", "false"));
	expect_no_error(apply(ID "," A "," N16 "," B, "{\"id\":2,\"a\":\"x\",\"n\":1,\"b\":5}", "incremental"));
	expect_no_error(binding_cache_refresh(bindings, connection));
	expect_no_error(apply(ID "," A "," N16, "{\"id\":3,\"a\":\"x\",\"n\":1}", "false"));
	expect_value("SELECT string_agg(id || ' ' || b, ', ' ORDER BY id) FROM i.t", "1 7, 2 5, 3 7");
}
END_TEST

/* The error has the statement; once it was run, the stream goes on. */
static void run_the_statement(struct error *error, const char *type)
{
	const char *statement;

	ck_assert_ptr_nonnull(error);
	statement = strstr(error->message, "ALTER TABLE");
	ck_assert_msg(statement != NULL && strstr(statement, type) != NULL, "%s", error->message);
	postgres_execute(connection, statement);
	error_free(error);
	expect_no_error(binding_cache_refresh(bindings, connection));
}

START_TEST(plain_json_stops_with_the_statement)
{
	static const char row[] = "{\"id\":1,\"a\":null,\"n\":100000,\"b\":3,\"d\":2.5,\"e\":true}";

	run_the_statement(apply(NULL, row, "false"), "ADD COLUMN \"b\" bigint");
	run_the_statement(apply(NULL, row, "false"), "ADD COLUMN \"d\" numeric");
	run_the_statement(apply(NULL, row, "false"), "ADD COLUMN \"e\" boolean");
	run_the_statement(apply(NULL, row, "false"), "ALTER COLUMN \"n\" TYPE bigint");
	run_the_statement(apply(NULL, row, "false"), "ALTER COLUMN \"a\" DROP NOT NULL");
	expect_no_error(apply(NULL, row, "false"));
	expect_value("SELECT concat_ws(' ', id, a, n, b, d, e) FROM i.t", "1 100000 3 2.5 t");
}
END_TEST

START_TEST(policies_count)
{
	config.ddl.policy[STEP_ADD_COLUMN] = DDL_STOP;
	run_the_statement(apply(ID "," A "," N16 "," B, "{\"id\":1,\"a\":\"x\",\"n\":1,\"b\":3}", "false"),
	                  "ADD COLUMN \"b\" integer DEFAULT '7' NOT NULL");
	expect_no_error(apply(ID "," A "," N16 "," B, "{\"id\":1,\"a\":\"x\",\"n\":1,\"b\":3}", "false"));
	config.ddl.policy[STEP_ADD_COLUMN] = DDL_IGNORE;
	expect_error(apply(ID "," A "," N16 "," B "," C, "{\"id\":2,\"a\":\"x\",\"n\":1,\"b\":3,\"c\":\"y\"}", "false"),
	             ERROR_TARGET, "", "has no column \"c\"");
	config.ddl.policy[STEP_ALTER_TYPE] = DDL_IGNORE;
	expect_no_error(apply(ID "," A "," N64 "," B, "{\"id\":2,\"a\":\"x\",\"n\":1,\"b\":3}", "false"));
}
END_TEST

/* A rename would show what a rule hides. */
START_TEST(a_hidden_column_is_not_shown_by_a_rename)
{
	static const struct column_rule columns[] = {{.match = "a", .mask = MASK_NULL}};
	static struct table_rule rules[] = {{.match = "i.t", .columns = columns, .column_count = 1}};

	config.tables = rules;
	config.table_count = 1;
	postgres_execute(connection, "ALTER TABLE i.t ALTER a DROP NOT NULL");
	expect_no_error(apply(ID "," A "," N16, "{\"id\":1,\"a\":\"secret\",\"n\":1}", "false"));
	expect_error(apply(ID "," N16 "," C, "{\"id\":2,\"n\":1,\"c\":\"secret\"}", "false"), ERROR_TARGET, "",
	             "a column that a rule hides, renamed");
	expect_no_error(apply(ID "," A "," N16 "," B, "{\"id\":2,\"a\":\"secret\",\"n\":1,\"b\":3}", "false"));
	config.table_count = 0;
}
END_TEST

/* Where the log has an image of the table, the log alone tells: what the events show comes with it. */
START_TEST(the_log_goes_before)
{
	postgres_execute(connection,
	                 "INSERT INTO inference_state.schema_history (stream, relid, schema_name, table_name, log_id,"
	                 " commit_lsn, image) SELECT 's', 1, 'i', 't', 5, '0/1',"
	                 " inference_state.image_named('table', 'i', 't')");
	expect_no_error(apply(ID "," A "," N64 "," B, "{\"id\":1,\"a\":\"x\",\"n\":1,\"b\":3}", "false"));
	expect_columns(
	    "id integer not null, a text not null, n smallint, ours timestamp with time zone not null now()");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inference");
	TCase *types = tcase_create("types");
	TCase *tables = tcase_create("tables");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(types, types_that_a_schema_tells, 0, (int)(sizeof(told) / sizeof(*told)));
	tcase_add_loop_test(types, which_type_is_wider, 0, (int)(sizeof(widths) / sizeof(*widths)));
	tcase_add_test(types, a_default_is_told);
	tcase_add_checked_fixture(tables, set_up, tear_down);
	tcase_set_timeout(tables, 60);
	tcase_add_test(tables, a_new_field_is_a_column_with_its_default);
	tcase_add_test(tables, old_and_new_events_alternate_without_a_flap);
	tcase_add_test(tables, a_field_that_no_longer_comes);
	tcase_add_test(tables, a_field_that_no_longer_comes_is_dropped_where_asked);
	tcase_add_test(tables, an_identity_column_is_kept);
	tcase_add_test(tables, a_generated_column_is_not_dropped);
	tcase_add_test(tables, a_snapshot_ahead_of_the_stream_does_not_drop);
	tcase_add_test(tables, plain_json_stops_with_the_statement);
	tcase_add_test(tables, policies_count);
	tcase_add_test(tables, a_hidden_column_is_not_shown_by_a_rename);
	tcase_add_test(tables, the_log_goes_before);
	suite_add_tcase(suite, types);
	suite_add_tcase(suite, tables);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
