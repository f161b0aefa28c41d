/*
 * test_encodings.c - a target whose encoding is not UTF8: the state tables, texts of ours that it cannot represent, and
 * row values that it cannot represent, which must be refused and never be lost or changed.
 */
#include "applying.h"
#include "pg/migration.h"
#include "target/quarantine.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct config config = {
    .stream = {.name = "s", .holder_timeout_ms = 60000},
    .target = {.schema = "state_of_encodings", .batch_rows = 100, .batch_bytes = 1 << 20},
};
static const struct collection collection = {.name = "public.t", .schema = "public", .table = "t"};
static const struct column columns[2] = {{.name = "id", .schema_name = "", .encoding = ENCODING_NUMBER},
                                         {.name = "body", .schema_name = "", .encoding = ENCODING_TEXT}};
static const uint32_t first_column[1] = {0};
static const struct relation relation = {.collection = &collection,
                                         .schema = "public",
                                         .table = "t",
                                         .column_count = 2,
                                         .columns = columns,
                                         .key_count = 1,
                                         .key_columns = first_column,
                                         .typed = true};

static void set_up(const char *encoding, enum on_error_mode on_error)
{
	struct pg_connection *admin = postgres_connect();
	char *create =
	    memory_format("CREATE DATABASE encodings TEMPLATE template0 ENCODING '%s' LC_COLLATE 'C' LC_CTYPE "
	                  "'C'",
	                  encoding);

	postgres_execute(admin, "DROP DATABASE IF EXISTS encodings WITH (FORCE)");
	postgres_execute(admin, create);
	pg_disconnect(admin);
	free(create);
	config.stream.on_error = on_error;
	config.target.dsn = memory_format("%s dbname=encodings", postgres_dsn());
	applying_set_up(&config, "CREATE TABLE public.t (id int PRIMARY KEY, body text)");
}

static void tear_down(void)
{
	applying_tear_down();
	free((char *)config.target.dsn);
	config.target.dsn = NULL;
}

static void offer(uint64_t tx_id, const char *id, const char *body)
{
	struct transaction *transaction = transaction_new(TRANSACTION_STREAMED);
	size_t bytes = sizeof(struct change) + 2 * sizeof(struct value);
	struct change *change = slab_reserve(&writer, bytes);
	struct value *values = (struct value *)(change + 1);

	*change = (struct change){.relation = &relation,
	                          .operation = CHANGE_INSERT,
	                          .partition = partition,
	                          .offset = offset++,
	                          .tx_id = tx_id,
	                          .total_order = 1,
	                          .after = values,
	                          .bytes = (uint32_t)bytes};
	values[0] = (struct value){id, (uint32_t)strlen(id), VALUE_NUMBER};
	values[1] = (struct value){body, (uint32_t)strlen(body), VALUE_STRING};
	change->slab = slab_commit(&writer, bytes);
	transaction->tx_id = tx_id;
	transaction->commit_lsn = tx_id * 256;
	transaction_add_change(transaction, change);
	transaction_add_position(transaction, &(const struct position){partition, offset, {0}});
	ck_assert(transaction_queue_offer(queue, transaction));
}

static struct error *run_all(void)
{
	transaction_queue_close(queue);
	return applier_run(applier);
}

/* What stands in the table, as UTF-8 bytes in hex. */
#define BODIES "SELECT string_agg(id || ' ' || encode(convert_to(body, 'UTF8'), 'hex'), ', ' ORDER BY id) FROM public.t"

START_TEST(value_that_the_encoding_lacks_stops_the_stream)
{
	struct error *error;

	set_up("LATIN1", ON_ERROR_STOP);
	offer(1, "1", "\u00e9");
	offer(2, "2", "1 \u20ac");
	error = run_all();
	ck_assert_ptr_nonnull(error);
	applier_write_end(applier, error);
	ck_assert_ptr_nonnull(strstr(error->message, "transaction 2, table public.t"));
	ck_assert_ptr_nonnull(strstr(error->message, "use a database with ENCODING 'UTF8'"));
	ck_assert_msg(strstr(error->message, "0x") == NULL && strstr(error->message, "\u20ac") == NULL,
	              "a value is in: %s", error->message);
	expect_error(error, ERROR_TARGET, "22P05", "p.all[0]@1");
	expect_value(BODIES, "1 c3a9");
	expect_value("SELECT next_offset FROM state_of_encodings.offsets", "1");
	expect_value("SELECT state FROM state_of_encodings.status", "failed");
	tear_down();
}
END_TEST

START_TEST(value_that_the_encoding_lacks_is_set_aside)
{
	set_up("LATIN1", ON_ERROR_QUARANTINE);
	offer(1, "1", "1 \u20ac \U0001f600");
	offer(2, "2", "\u00e9");
	expect_no_error(run_all());
	expect_value(BODIES, "2 c3a9");
	/* The evidence is whole. */
	expect_value("SELECT change_count || ' ' || (events::text LIKE '%\"1 \\\\u20AC \\\\uD83D\\\\uDE00\"%')"
	             " FROM state_of_encodings.quarantine",
	             "1 true");
	tear_down();
}
END_TEST

static void keep_error(void *context, const struct quarantine_outcome *outcome)
{
	expect_error(outcome->error != NULL ? error_new(outcome->error->class, "%s", outcome->error->message) : NULL,
	             ERROR_TARGET, NULL, "ENCODING 'UTF8'");
	(*(int *)context)++;
}

/* A retry reads the value as it was, and refuses it again. */
START_TEST(value_set_aside_is_refused_again)
{
	int told = 0;

	set_up("LATIN1", ON_ERROR_QUARANTINE);
	offer(1, "1", "1 \u20ac");
	expect_no_error(run_all());
	expect_no_error(quarantine_retry(side, &config, 0, keep_error, &told));
	ck_assert_int_eq(told, 1);
	expect_value("SELECT state FROM state_of_encodings.quarantine", "waiting");
	tear_down();
}
END_TEST

/* The characters of the encoding stay; others do not keep the text out. */
START_TEST(texts_of_ours_are_stored)
{
	static const char *const encodings[][2] = {{"LATIN1", "c3a9203f203f207a"},
	                                           {"UTF8", "c3a920e280a620f09f9880207a"},
	                                           {"SQL_ASCII", "c3a920e280a620f09f9880207a"}};
	struct error *error = error_new(ERROR_TARGET, "\u00e9 \u2026 \U0001f600 z");

	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		set_up(encodings[i][0], ON_ERROR_STOP);
		applier_write_end(applier, error);
		expect_value(i == 2 ? "SELECT encode(error::bytea, 'hex') FROM state_of_encodings.status"
		                    : "SELECT encode(convert_to(error, 'UTF8'), 'hex') FROM state_of_encodings.status",
		             encodings[i][1]);
		expect_value("SELECT state FROM state_of_encodings.status", "failed");
		tear_down();
	}
	error_free(error);
}
END_TEST

START_TEST(bytes_go_through_sql_ascii)
{
	set_up("SQL_ASCII", ON_ERROR_STOP);
	offer(1, "1", "1 \u20ac");
	expect_no_error(run_all());
	expect_value("SELECT encode(body::bytea, 'hex') FROM public.t", "3120e282ac");
	expect_value("SELECT body FROM public.t", "1 \u20ac");
	tear_down();
}
END_TEST

/* `init source` in a source of another encoding. */
START_TEST(both_schemas_install)
{
	static const char *const encodings[] = {"LATIN1", "SQL_ASCII", "EUC_JP"};

	for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++) {
		set_up(encodings[i], ON_ERROR_STOP);
		expect_no_error(migration_install(side, MIGRATION_SOURCE, "replicator"));
		tear_down();
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("encodings");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, value_that_the_encoding_lacks_stops_the_stream);
	tcase_add_test(tests, value_that_the_encoding_lacks_is_set_aside);
	tcase_add_test(tests, value_set_aside_is_refused_again);
	tcase_add_test(tests, texts_of_ours_are_stored);
	tcase_add_test(tests, bytes_go_through_sql_ascii);
	tcase_add_test(tests, both_schemas_install);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
