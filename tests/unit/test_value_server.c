/*
 * test_value_server.c - PostgreSQL takes what the conversions make of the recorded events, and then holds what the
 * source held: the tables with one key column, from the last image of each row, against tests/corpus/expected.
 *
 * What the connector itself loses is listed here by row and column: nothing else may differ.
 */
#include "base/arena.h"
#include "base/buffer.h"
#include "base/map.h"
#include "corpus.h"
#include "pg/catalog.h"
#include "pg/sql.h"
#include "postgres.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ROW.COLUMN pairs that cannot be right, by variant. */
#define ALWAYS " 2.a_int2d 102.a_int2d 2.c_timetz 3.c_timetz 102.c_timetz 103.c_timetz 6.c_date"
#define NOT_A_NUMBER " 3.c_num 4.c_num 5.c_num 103.c_num 104.c_num 105.c_num"
#define AVERAGE_MONTHS " 2.c_interval 3.c_interval 102.c_interval 103.c_interval"
#define TRAILING_ZEROS " 1.w 2.w"
#define DEFAULT_MODES ALWAYS NOT_A_NUMBER AVERAGE_MONTHS TRAILING_ZEROS

static const struct variant {
	const char *name;
	struct wire_modes modes;
	const char *lost;
} variants[] = {
    {"json", {0}, DEFAULT_MODES},
    {"plain", {0}, DEFAULT_MODES},
    {"lossless",
     {.decimal = DECIMAL_MODE_STRING, .time = TIME_MODE_ISOSTRING, .interval = INTERVAL_MODE_STRING},
     ALWAYS},
    {"routed", {.decimal = DECIMAL_MODE_STRING, .time = TIME_MODE_ISOSTRING, .interval = INTERVAL_MODE_STRING}, ALWAYS},
};

static const char *const tables[][2] = {
    {"public", "all_types"}, {"public", "toasted"},     {"public", "full_identity"}, {"public", "customers"},
    {"public", "orders"},    {"public", "order_items"}, {"public", "positions"},     {"commerce", "users"},
};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

/* The rows of one table as PostgreSQL's input text, in the order of the event's columns. */
struct rows {
	const struct table_image *image;
	const struct relation *relation; /* of the last event: these tables keep their columns */
	struct map *by_id;               /* of struct row */
};

struct row {
	bool deleted;
	const char **texts; /* NULL: null */
};

static struct arena *arena;

/* Connects to a new database with the corpus's schema. */
static struct pg_connection *make_database(const char *variant)
{
	struct pg_connection *connection = postgres_connect();
	char *name = memory_format("value_%s", variant);
	char *sql = memory_format("DROP DATABASE IF EXISTS %s", name);
	char *dsn = memory_format("%s dbname=%s", postgres_dsn(), name);
	struct buffer schema = {0};
	FILE *file = fopen("tests/corpus/schema.sql", "r");
	char chunk[4096];
	size_t length;

	postgres_execute(connection, sql);
	free(sql);
	sql = memory_format("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'", name);
	postgres_execute(connection, sql);
	pg_disconnect(connection);
	connection = postgres_connect_to(dsn);
	ck_assert_ptr_nonnull(file);
	while ((length = fread(chunk, 1, sizeof(chunk), file)) > 0)
		buffer_append(&schema, chunk, length);
	fclose(file);
	postgres_execute(connection, "SET search_path=public");
	postgres_execute(connection, schema.data);
	/* Settings that must not matter, and the two that must be so. */
	postgres_execute(connection,
	                 "SET timezone='Asia/Kathmandu'; SET datestyle='SQL,DMY'; SET intervalstyle='sql_standard';"
	                 "SET lc_monetary='C'; SET session_replication_role='replica'");
	buffer_free(&schema);
	free(sql);
	free(dsn);
	free(name);
	return connection;
}

static void drop_database(const char *variant)
{
	struct pg_connection *connection = postgres_connect();
	char *sql = memory_format("DROP DATABASE value_%s", variant);

	postgres_execute(connection, sql);
	pg_disconnect(connection);
	free(sql);
}

static const struct column_image *find_column(const struct table_image *image, const char *name)
{
	for (size_t i = 0; i < image->column_count; i++)
		if (strcmp(image->columns[i].name, name) == 0)
			return &image->columns[i];
	ck_abort_msg("no column %s", name);
}

static const char *convert(const struct rows *rows, const struct wire_modes *modes, uint32_t column,
                           const struct value *value)
{
	const struct column *shape = &rows->relation->columns[column];
	const struct conversion *conversion;
	struct value converted;

	if (value->kind == VALUE_NULL)
		return NULL;
	expect_no_error(
	    conversion_choose(shape, &find_column(rows->image, shape->name)->type, modes, arena, &conversion));
	expect_no_error(error_wrap(conversion_apply(conversion, value, arena, &converted), "%s", shape->name));
	return arena_copy(arena, converted.data, converted.length);
}

static struct row *find_row(struct rows *rows, const struct value *id)
{
	const struct slice key = {id->data, id->length};
	struct row *row = map_get(rows->by_id, key);

	if (row == NULL) {
		row = arena_alloc_zeroed(arena, sizeof(*row));
		row->texts = arena_alloc_zeroed(arena, rows->relation->column_count * sizeof(*row->texts));
		map_put(rows->by_id, key, row);
	}
	return row;
}

static void apply_change(struct rows *rows, const struct wire_modes *modes, const struct change *change)
{
	const struct value *image = change->operation == CHANGE_DELETE ? change->before : change->after;
	const struct row *old;
	struct row *row;

	rows->relation = change->relation;
	ck_assert_uint_eq(rows->relation->key_count, 1);
	ck_assert_uint_eq(rows->relation->key_columns[0], 0);
	row = find_row(rows, &image[0]);
	row->deleted = change->operation == CHANGE_DELETE;
	if (row->deleted)
		return;
	old = change->other_key != NULL ? find_row(rows, &change->other_key[0]) : row;
	for (uint32_t i = 0; i < rows->relation->column_count; i++)
		row->texts[i] = image[i].kind == VALUE_UNCHANGED ? old->texts[i] : convert(rows, modes, i, &image[i]);
}

static void replay(struct rows *all, const struct variant *variant, struct corpus *corpus)
{
	struct slab_account account = {0};
	struct slab_writer writer;
	struct decoder *decoder = decoder_new(NULL);

	slab_writer_init(&writer, &account);
	for (size_t i = 0; i < corpus->count; i++) {
		struct decoded decoded;

		expect_no_error(decoder_decode(decoder, &corpus->messages[i].raw, &writer, &decoded));
		if (decoded.kind == DECODED_MARK)
			transaction_mark_release(decoded.mark);
		if (decoded.kind != DECODED_CHANGE)
			continue;
		for (size_t t = 0; t < TABLES; t++)
			if (strcmp(decoded.change->relation->schema, tables[t][0]) == 0 &&
			    strcmp(decoded.change->relation->table, tables[t][1]) == 0)
				apply_change(&all[t], &variant->modes, decoded.change);
		change_release(decoded.change);
	}
	decoder_free(decoder);
	slab_writer_close(&writer);
}

struct insertion {
	struct pg_connection *connection;
	const struct rows *rows;
};

static void insert_row(struct slice key, void *value, void *context)
{
	const struct insertion *insertion = context;
	const struct rows *rows = insertion->rows;
	const struct row *row = value;
	const char *parameters[128];
	struct buffer sql = {0};
	struct buffer values = {0};
	size_t count = 0;

	if (row->deleted)
		return;
	buffer_append_text(&sql, "INSERT INTO ");
	sql_append_qualified(&sql, rows->image->schema, rows->image->name);
	for (uint32_t i = 0; i < rows->relation->column_count; i++) {
		const struct column_image *column = find_column(rows->image, rows->relation->columns[i].name);

		if (column->generated)
			continue;
		buffer_append_text(&sql, count == 0 ? " (" : ", ");
		sql_append_identifier(&sql, column->name);
		buffer_append_format(&values, "%s$%zu", count == 0 ? ") VALUES (" : ", ", count + 1);
		parameters[count++] = row->texts[i];
	}
	buffer_append_format(&sql, "%s)", values.data);
	{
		struct pg_result *result = NULL;

		expect_no_error(error_wrap(pg_query(insertion->connection, sql.data, count, parameters, &result),
		                           "row %.*s", (int)key.length, key.data));
		pg_result_free(result);
	}
	buffer_free(&sql);
	buffer_free(&values);
}

static void load_expected(struct pg_connection *connection, const struct table_image *image)
{
	struct buffer sql = {0};
	char *path = memory_format("tests/corpus/expected/%s.%s.csv", image->schema, image->name);
	FILE *file = fopen(path, "r");
	char chunk[4096];
	size_t length;
	uint64_t count;

	ck_assert_ptr_nonnull(file);
	buffer_append_text(&sql, "DROP TABLE IF EXISTS pg_temp.expected; CREATE TEMP TABLE expected (LIKE ");
	sql_append_qualified(&sql, image->schema, image->name);
	buffer_append_text(&sql, "); SET datestyle='ISO,YMD'; SET intervalstyle='postgres'; SET timezone='UTC'");
	postgres_execute(connection, sql.data);
	expect_no_error(pg_copy_begin(connection, "COPY pg_temp.expected FROM STDIN (FORMAT csv, NULL '\\N', HEADER)"));
	while ((length = fread(chunk, 1, sizeof(chunk), file)) > 0)
		expect_no_error(pg_copy_send(connection, chunk, length));
	expect_no_error(pg_copy_end(connection, &count));
	ck_assert_uint_gt(count, 0);
	fclose(file);
	buffer_free(&sql);
	free(path);
}

static void check_column(struct pg_connection *connection, const struct table_image *image, const char *column,
                         const char *lost)
{
	struct buffer sql = {0};
	struct pg_result *result = NULL;

	buffer_append_text(&sql, "SELECT coalesce(a.id, e.id), a.");
	sql_append_identifier(&sql, column);
	buffer_append_text(&sql, "::text, e.");
	sql_append_identifier(&sql, column);
	buffer_append_text(&sql, "::text FROM ");
	sql_append_qualified(&sql, image->schema, image->name);
	buffer_append_text(&sql, " a FULL JOIN pg_temp.expected e USING (id) WHERE a.");
	sql_append_identifier(&sql, column);
	buffer_append_text(&sql, "::text IS DISTINCT FROM e.");
	sql_append_identifier(&sql, column);
	buffer_append_text(&sql, "::text");
	expect_no_error(pg_query(connection, sql.data, 0, NULL, &result));
	for (size_t i = 0; i < pg_result_rows(result); i++) {
		char *pair = memory_format(" %s.%s", pg_result_text(result, i, 0), column);
		const char *listed = strstr(lost, pair);

		ck_assert_msg(listed != NULL && (listed[strlen(pair)] == ' ' || listed[strlen(pair)] == '\0'),
		              "%s.%s: row%s is %.200s, expected %.200s", image->schema, image->name, pair,
		              pg_result_text(result, i, 1), pg_result_text(result, i, 2));
		free(pair);
	}
	pg_result_free(result);
	buffer_free(&sql);
}

START_TEST(test_tables_from_recorded_events)
{
	const struct variant *variant = &variants[_i];
	struct corpus *corpus = corpus_load(variant->name);
	struct pg_connection *connection = make_database(variant->name);
	struct rows all[TABLES] = {{0}};

	arena = arena_new();
	for (size_t t = 0; t < TABLES; t++) {
		expect_no_error(catalog_read_table(connection, tables[t][0], tables[t][1], arena, &all[t].image));
		ck_assert_ptr_nonnull(all[t].image);
		all[t].by_id = map_new();
	}
	replay(all, variant, corpus);
	for (size_t t = 0; t < TABLES; t++) {
		struct insertion insertion = {connection, &all[t]};

		ck_assert_ptr_nonnull(all[t].relation);
		map_each(all[t].by_id, insert_row, &insertion);
	}
	for (size_t t = 0; t < TABLES; t++) {
		load_expected(connection, all[t].image);
		for (size_t c = 0; c < all[t].image->column_count; c++)
			check_column(connection, all[t].image, all[t].image->columns[c].name, variant->lost);
		map_free(all[t].by_id, NULL);
	}
	pg_disconnect(connection);
	drop_database(variant->name);
	arena_free(arena);
	corpus_free(corpus);
}
END_TEST

static const struct {
	struct column column;
	const char *type;
	struct value value;
	const char *expected; /* as the server writes it */
} server_cases[] = {
#define CASE(encoding_, type_, kind_, value_, expected_)                                                               \
	{                                                                                                              \
		{.name = "c", .schema_name = "", .encoding = encoding_}, type_,                                        \
		    {.data = value_, .length = sizeof(value_) - 1, .kind = kind_}, expected_                           \
	}
    CASE(ENCODING_TIMESTAMP_US, "timestamp", VALUE_NUMBER, "9223371331199999999", "294247-01-01 23:59:59.999999"),
    CASE(ENCODING_TIMESTAMP_US, "timestamptz", VALUE_NUMBER, "0", "1970-01-01 00:00:00+00"),
    CASE(ENCODING_TIMESTAMP_US, "timestamp", VALUE_NUMBER, "-210866803200000000", "4714-11-24 00:00:00 BC"),
    CASE(ENCODING_DATE_DAYS, "date", VALUE_NUMBER, "2145042905", "5874897-12-31"),
    CASE(ENCODING_ISO_TIMESTAMP, "timestamp", VALUE_STRING, "+10000-01-01T00:00:00Z", "10000-01-01 00:00:00"),
    CASE(ENCODING_ISO_TIMESTAMP, "timestamp", VALUE_STRING, "0000-01-01T00:00:00.5Z", "0001-01-01 00:00:00.5 BC"),
    CASE(ENCODING_ZONED_TIMESTAMP, "timestamptz", VALUE_STRING, "+294276-12-31T23:59:59.999999Z",
         "294276-12-31 23:59:59.999999+00"),
    CASE(ENCODING_ISO_DATE, "date", VALUE_STRING, "-4712-01-01Z", "4713-01-01 BC"),
    CASE(ENCODING_TIME_US, "timetz", VALUE_NUMBER, "86400000000", "24:00:00+00"),
    CASE(ENCODING_DURATION_US, "interval", VALUE_NUMBER, "-1", "-00:00:00.000001"),
    CASE(ENCODING_DURATION_US, "interval", VALUE_NUMBER, "5617252800000000000", "1560348000:00:00"),
    CASE(ENCODING_DURATION_ISO, "interval", VALUE_STRING, "P0Y0M0DT0H0M-0.000001S", "-00:00:00.000001"),
    CASE(ENCODING_MAP, "hstore", VALUE_JSON, "{\"a \\\"\\\\\":\"NULL\",\"b\":null}",
         "\"b\"=>NULL, \"a \\\"\\\\\"=>\"NULL\""),
    CASE(ENCODING_POINT, "point", VALUE_JSON, "{\"x\":\"Infinity\",\"y\":1.0E-300}", "(Infinity,1e-300)"),
    CASE(ENCODING_NUMBER, "float4", VALUE_NUMBER, "-1.17549E-38", "-1.17549e-38"),
    CASE(ENCODING_TEXT, "numeric", VALUE_STRING, "POSITIVE_INFINITY", "Infinity"),
    CASE(ENCODING_TEXT, "numeric", VALUE_STRING, "NAN", "NaN"),
    CASE(ENCODING_BYTES, "circle", VALUE_STRING, "PCgxLDIpLDM+", "<(1,2),3>"),
    CASE(ENCODING_UNTOLD, "bit", VALUE_BOOLEAN, "true", "1"),
};

START_TEST(test_server_takes_the_text)
{
	struct pg_connection *connection = postgres_connect();
	const struct target_type target = {.name = server_cases[_i].type, .typmod = -1};
	const struct wire_modes modes = {0};
	const struct conversion *conversion;
	struct value converted;
	const char *parameter;
	struct pg_result *result = NULL;
	char *sql = memory_format("SELECT $1::text::%s::text", server_cases[_i].type);

	arena = arena_new();
	postgres_execute(connection,
	                 "SET search_path=public; CREATE EXTENSION IF NOT EXISTS hstore; SET timezone='UTC';"
	                 "SET intervalstyle='postgres'");
	expect_no_error(conversion_choose(&server_cases[_i].column, &target, &modes, arena, &conversion));
	expect_no_error(conversion_apply(conversion, &server_cases[_i].value, arena, &converted));
	parameter = arena_copy(arena, converted.data, converted.length);
	expect_no_error(pg_query(connection, sql, 1, &parameter, &result));
	ck_assert_str_eq(pg_result_text(result, 0, 0), server_cases[_i].expected);
	pg_result_free(result);
	pg_disconnect(connection);
	arena_free(arena);
	free(sql);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("value_server");
	TCase *tests = tcase_create("value_server");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, test_tables_from_recorded_events, 0, sizeof(variants) / sizeof(variants[0]));
	tcase_add_loop_test(tests, test_server_takes_the_text, 0, sizeof(server_cases) / sizeof(server_cases[0]));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
