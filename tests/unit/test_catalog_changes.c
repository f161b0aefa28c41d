/*
 * test_catalog_changes.c - somebody changes the target's tables and types while the stream runs: what the daemon read of
 * the catalog, and prepared by it, must not decide how a later value is read.
 */
#include "applying.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct config config = {
    .stream = {.name = "s", .holder_timeout_ms = 60000},
    .target = {.schema = "changes_state", .batch_rows = 100, .batch_bytes = 1 << 20},
};
static const struct collection collection = {.name = "changes.t", .schema = "changes", .table = "t"};
static const struct column columns[2] = {{.name = "id", .schema_name = "", .encoding = ENCODING_NUMBER},
                                         {.name = "v", .schema_name = "", .encoding = ENCODING_TEXT}};
static const uint32_t first_column[1] = {0};
/* The same table with a key, applied set by set, and without one, applied change by change. */
static const struct relation relations[2] = {
    {.collection = &collection,
     .schema = "changes",
     .table = "t",
     .column_count = 2,
     .columns = columns,
     .key_count = 1,
     .key_columns = first_column,
     .typed = true},
    {.collection = &collection,
     .schema = "changes",
     .table = "t",
     .column_count = 2,
     .columns = columns,
     .typed = true},
};

/* `before` makes the schema with type changes.s, `change` is what an operator does, `second` must come out as it is. */
static const struct {
	const char *before;
	const char *first;
	const char *change;
	const char *second;
} CASES[] = {
    {"CREATE TYPE changes.s AS ENUM ('a', 'b')", "a",
     "CREATE TYPE changes.s_new AS ENUM ('a', 'b', 'c');"
     " ALTER TABLE changes.t ALTER v TYPE changes.s_new USING v::text::changes.s_new;"
     " ALTER TYPE changes.s RENAME TO s_old; ALTER TYPE changes.s_new RENAME TO s; DROP TYPE changes.s_old",
     "c"},
    {"CREATE DOMAIN changes.s AS numeric(10,2)", "1.25",
     "CREATE DOMAIN changes.s_new AS numeric(10,4); ALTER TABLE changes.t ALTER v TYPE changes.s_new;"
     " ALTER DOMAIN changes.s RENAME TO s_old; ALTER DOMAIN changes.s_new RENAME TO s",
     "1.2345"},
    /* The column keeps its type; the name becomes another one's. */
    {"CREATE DOMAIN changes.s AS numeric(10,4)", "1.25",
     "ALTER DOMAIN changes.s RENAME TO s_old; CREATE DOMAIN changes.s AS numeric(10,2);"
     " ALTER TABLE changes.t ADD more int",
     "1.2345"},
    {"CREATE DOMAIN changes.s AS real", "0.5", "ALTER TABLE changes.t ALTER v TYPE double precision",
     "0.1234567890123"},
    {"CREATE DOMAIN changes.s AS jsonb", "{\"a\": 1}", "ALTER TABLE changes.t ALTER v TYPE json",
     "{\"b\":1,  \"a\":2, \"a\":3}"},
    {"CREATE DOMAIN changes.s AS char(5)", "abcde", "ALTER TABLE changes.t ALTER v TYPE text", "ab   "},
    {"CREATE DOMAIN changes.s AS real", "0.5",
     "ALTER TABLE changes.t DROP v; ALTER TABLE changes.t ADD v numeric;"
     " UPDATE changes.t SET v = 0.5",
     "0.1234567890123"},
    {"CREATE DOMAIN changes.s AS real", "0.5",
     "DROP TABLE changes.t; CREATE TABLE changes.t (v numeric, id int PRIMARY KEY)", "0.1234567890123"},
    {"CREATE DOMAIN changes.s AS real", "0.5",
     "ALTER SCHEMA changes RENAME TO changes_old; CREATE SCHEMA changes;"
     " CREATE TABLE changes.t (id int PRIMARY KEY, v numeric)",
     "0.1234567890123"},
    {"CREATE DOMAIN changes.s AS text", "x",
     "ALTER TABLE changes.t DROP CONSTRAINT t_pkey; ALTER TABLE changes.t ADD CONSTRAINT other PRIMARY KEY (id)"
     " DEFERRABLE INITIALLY DEFERRED",
     "y"},
    {"CREATE EXTENSION citext SCHEMA changes; CREATE DOMAIN changes.s AS changes.citext", "x",
     "CREATE SCHEMA changes_old; ALTER TABLE changes.t ALTER v TYPE changes.citext;"
     " ALTER EXTENSION citext SET SCHEMA changes_old",
     "y"},
};

static void set_up(void)
{
	applying_set_up(&config, "DROP SCHEMA IF EXISTS changes CASCADE; DROP SCHEMA IF EXISTS changes_old CASCADE;"
	                         " CREATE SCHEMA changes");
}

static struct value text_value(enum value_kind kind, const char *text)
{
	return (struct value){text, (uint32_t)strlen(text), (uint8_t)kind};
}

static void add(struct transaction *transaction, const struct relation *relation, const char *id, const char *text,
                const char *old)
{
	size_t bytes = sizeof(struct change) + 4 * sizeof(struct value);
	struct change *change = slab_reserve(&writer, bytes);
	struct value *values = (struct value *)(change + 1);

	*change = (struct change){.relation = relation,
	                          .operation = old != NULL ? CHANGE_UPDATE : CHANGE_INSERT,
	                          .partition = partition,
	                          .offset = offset++,
	                          .tx_id = transaction->tx_id,
	                          .total_order = transaction->change_count + 1,
	                          .bytes = (uint32_t)bytes};
	values[0] = values[2] = text_value(VALUE_NUMBER, id);
	values[1] = text_value(VALUE_STRING, text);
	change->after = values;
	if (old != NULL) {
		values[3] = text_value(VALUE_STRING, old);
		change->before = values + 2;
	}
	change->slab = slab_commit(&writer, bytes);
	transaction_add_change(transaction, change);
}

static void offer(uint64_t tx_id, const struct relation *relation, const char *id, const char *text, const char *old)
{
	struct transaction *transaction = transaction_new(TRANSACTION_STREAMED);

	transaction->tx_id = tx_id;
	transaction->commit_lsn = tx_id * 256;
	add(transaction, relation, id, text, old);
	transaction_add_position(transaction, &(const struct position){partition, offset, {0}});
	ck_assert(transaction_queue_offer(queue, transaction));
}

static void *run_thread(void *argument)
{
	(void)argument;
	return applier_run(applier);
}

/* Waits until the transaction is applied, or the applier ended. */
static void await(uint64_t tx_id)
{
	for (int i = 0; i < 200 && applier_state(applier).last_commit_lsn < tx_id * 256; i++)
		clock_sleep_ms(20);
}

static void run_case(int number, const struct relation *relation, const char *update)
{
	pthread_t thread;
	void *error;

	postgres_execute(side, CASES[number].before);
	postgres_execute(side, "CREATE TABLE changes.t (id int PRIMARY KEY, v changes.s)");
	ck_assert_int_eq(pthread_create(&thread, NULL, run_thread, NULL), 0);
	offer(1, relation, "1", CASES[number].first, NULL);
	await(1);
	offer(2, relation, "2", CASES[number].first, update);
	await(2);
	postgres_execute(side, CASES[number].change);
	postgres_execute(side, "DELETE FROM changes.t WHERE id <> 2");
	offer(3, relation, "3", CASES[number].second, update);
	offer(4, relation, "2", CASES[number].second, CASES[number].first);
	await(4);
	transaction_queue_close(queue);
	pthread_join(thread, &error);
	expect_no_error(error);
	expect_value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM changes.t", "2 3");
	expect_value("SELECT v::text FROM changes.t WHERE id = 2", CASES[number].second);
	expect_value("SELECT v::text FROM changes.t WHERE id = 3", CASES[number].second);
}

START_TEST(change_by_an_operator_set_by_set)
{
	run_case(_i, &relations[0], NULL);
}
END_TEST

/* Without a key each update is a delete and an insert of its own. */
START_TEST(change_by_an_operator_one_by_one)
{
	run_case(_i, &relations[1], CASES[_i].first);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("catalog_changes");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, set_up, applying_tear_down);
	tcase_add_loop_test(tests, change_by_an_operator_set_by_set, 0, sizeof(CASES) / sizeof(CASES[0]));
	tcase_add_loop_test(tests, change_by_an_operator_one_by_one, 0, sizeof(CASES) / sizeof(CASES[0]));
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
