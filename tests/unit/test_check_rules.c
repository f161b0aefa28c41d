/* test_check_rules.c - comparing and repairing two real databases under the configuration's rules. */
#include "base/memory.h"
#include "check/detail.h"
#include "check/repair.h"
#include "check/verify.h"
#include "pair.h"
#include "target/checkpoint.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const countries[] = {"DE", "it's"};
static const struct column_rule user_columns[] = {
    {.match = "email", .rename = "mail", .mask = MASK_HASH},
    {.match = "phone", .mask = MASK_NULL},
    {.match = "note", .mask = MASK_CONSTANT, .value = "1.50"},
    {.match = "born", .rename = "birthday", .cast_from = "timestamp"},
    {.match = "secret*", .exclude = true},
};
static const struct column_rule login_columns[] = {{.match = "name", .mask = MASK_HASH}};
static const struct table_rule rules[] = {
    {.match = "public.users",
     .rename = "crm.people",
     .columns = user_columns,
     .column_count = 5,
     .filter = {.column = "country", .in = countries, .in_count = 2}},
    {.match = "public.logins", .columns = login_columns, .column_count = 1},
    {.match = "public.bag", .filter = {.column = "country", .not_in = countries, .not_in_count = 2}},
    {.match = "shop_*.items", .rename = "all.items", .source_column = "shop", .source_value = "{source}-{schema}"},
    {.match = "public.orders",
     .delete_mode = DELETE_SOFT,
     .filter = {.column = "open", .in = (const char *const[]){"true"}, .in_count = 1}},
    {.match = "mix_*.lines", .rename = "all.lines"},
    {.match = "*", .exclude = true},
};
static struct config config = {
    .stream.name = "replicator",
    .source = {.name = "eu"},
    .target = {.schema = "replicator", .is_deleted = "is_deleted", .synced_at = "synced_at", .deleted_at = ""},
    .masking.salt = "it's salt",
    .kafka.topic_prefix = "db",
    .tables = rules,
    .table_count = sizeof(rules) / sizeof(rules[0]),
};

static void expect_value(const char *sql, const char *expected)
{
	struct pg_connection *connection = postgres_connect_to(config.target.dsn);
	char *value = postgres_value(connection, sql);

	ck_assert_msg(strcmp(value, expected) == 0, "%s gives %s, expected %s", sql, value, expected);
	free(value);
	pg_disconnect(connection);
}

/* A pair that is in sync under the rules. */
static void set_up(void)
{
	pg_disconnect(postgres_make_database("rules_source"));
	pg_disconnect(postgres_make_database("rules_target"));
	config.source.dsn = memory_format("%s dbname=rules_source", postgres_dsn());
	config.target.dsn = memory_format("%s dbname=rules_target", postgres_dsn());
	run("rules_source",
	    "CREATE TABLE users (id int PRIMARY KEY, email text, phone text, note text, born timestamp, secret_1 int,"
	    " country text);"
	    "INSERT INTO users SELECT i, 'a' || i || '@ä.de', '1', 'n', '2000-01-01 12:00'::timestamp + i * interval "
	    "'1 day',"
	    " i, CASE WHEN i % 3 = 0 THEN 'FR' WHEN i % 3 = 1 THEN 'DE' ELSE 'it''s' END FROM generate_series(1, 300) "
	    "i;"
	    "UPDATE users SET country = NULL, email = NULL WHERE id IN (3, 6); UPDATE users SET email = NULL WHERE id "
	    "= 1;"
	    "CREATE TABLE logins (name text PRIMARY KEY, n int); INSERT INTO logins VALUES ('ann', 1), ('bob', 2), "
	    "('cy', 3);"
	    "CREATE TABLE bag (n int, country text); ALTER TABLE bag REPLICA IDENTITY FULL;"
	    "INSERT INTO bag VALUES (1, 'DE'), (2, NULL), (3, 'FR'), (3, 'FR');"
	    "CREATE SCHEMA shop_a; CREATE TABLE shop_a.items (id int PRIMARY KEY, n int);"
	    "CREATE SCHEMA shop_b; CREATE TABLE shop_b.items (id int PRIMARY KEY, n int);"
	    "INSERT INTO shop_a.items VALUES (1, 1), (2, 2); INSERT INTO shop_b.items VALUES (1, 10);"
	    "CREATE TABLE orders (id int PRIMARY KEY, open boolean); INSERT INTO orders VALUES (1, true), (2, false)");
	run("rules_target",
	    "CREATE SCHEMA crm; CREATE TABLE crm.people (id bigint, mail text, phone text, note numeric(9,3), birthday "
	    "date,"
	    " country text, synced_at timestamptz);"
	    "ALTER TABLE crm.people ALTER id TYPE int, ADD PRIMARY KEY (id);"
	    "INSERT INTO crm.people SELECT i, CASE WHEN i <> 1 THEN encode(sha256(convert_to('it''s salt' || 'a' || i "
	    "||"
	    " '@ä.de', 'UTF8')), 'hex') END, NULL, 1.5, '2000-01-01'::date + i,"
	    " CASE WHEN i % 3 = 1 THEN 'DE' ELSE 'it''s' END FROM generate_series(1, 300) i WHERE i % 3 <> 0;"
	    "CREATE TABLE logins (name text PRIMARY KEY, n int);"
	    "INSERT INTO logins SELECT encode(sha256(convert_to('it''s salt' || v, 'UTF8')), 'hex'), n"
	    " FROM (VALUES ('ann', 1), ('bob', 2), ('cy', 3)) t (v, n);"
	    "CREATE TABLE bag (n int, country text); INSERT INTO bag VALUES (2, NULL), (3, 'FR'), (3, 'FR');"
	    "CREATE SCHEMA \"all\"; CREATE TABLE \"all\".items (shop text, id int, n int, PRIMARY KEY (shop, id));"
	    "INSERT INTO \"all\".items VALUES ('eu-shop_a', 1, 1), ('eu-shop_a', 2, 2), ('eu-shop_b', 1, 10),"
	    " ('us-shop_a', 1, 77);"
	    "CREATE TABLE orders (id int PRIMARY KEY, open boolean, is_deleted boolean NOT NULL DEFAULT false);"
	    "INSERT INTO orders VALUES (1, true, false), (2, true, true)");
}

static void tear_down(void)
{
	free((void *)(uintptr_t)config.source.dsn);
	free((void *)(uintptr_t)config.target.dsn);
}

struct pair {
	struct comparison comparison;
	struct check_tables tables;
};

/* At rest, as nothing streams here. */
static void compare(struct pair *pair)
{
	*pair = (struct pair){
	    .comparison = {.config = &config, .jobs = 2, .timeout_us = 5000000, .at_rest = true, .arena = arena_new()}};
	expect_no_error(comparison_connect(&pair->comparison));
	expect_no_error(check_tables_choose(pair->comparison.fence, pair->comparison.watch, &config, NULL, NULL, 0,
	                                    pair->comparison.arena, &pair->tables));
	expect_no_error(compare_tables(&pair->comparison, &pair->tables));
	expect_no_error(detail_read(&pair->comparison, &pair->tables, 10, true));
}

static void release(struct pair *pair)
{
	check_tables_release(&pair->tables);
	comparison_disconnect(&pair->comparison);
	arena_free(pair->comparison.arena);
}

static struct check_table *table_of(struct pair *pair, const char *label)
{
	for (size_t i = 0; i < pair->tables.count; i++)
		if (strcmp(pair->tables.tables[i].label, label) == 0)
			return &pair->tables.tables[i];
	ck_abort_msg("%s was not compared", label);
	return NULL;
}

static void expect_in_sync(void)
{
	struct pair pair;

	compare(&pair);
	ck_assert_uint_eq(pair.tables.count, 6);
	for (size_t i = 0; i < pair.tables.count; i++) {
		const struct check_table *table = &pair.tables.tables[i];

		ck_assert_msg(table->verdict == VERDICT_IN_SYNC, "%s: %d %s %s", table->label, (int)table->verdict,
		              table->reason != NULL ? table->reason : "",
		              table->schema_difference_count > 0 ? table->schema_differences[0] : "");
	}
	ck_assert_int_eq(check_rows_of(table_of(&pair, "public.users"), SIDE_SOURCE), 200);
	ck_assert_int_eq(check_rows_of(table_of(&pair, "shop_a.items"), SIDE_TARGET), 2);
	release(&pair);
}

/* The faults of each kind that were planted. */
static void expect_faults(struct pair *pair, const char *label, int64_t different, int64_t missing, int64_t extra)
{
	const struct check_table *table = table_of(pair, label);
	int64_t found[3] = {check_count_rows(table, ROW_LASTING, FAULT_DIFFERENT),
	                    check_count_rows(table, ROW_LASTING, FAULT_MISSING),
	                    check_count_rows(table, ROW_LASTING, FAULT_EXTRA)};

	ck_assert_msg(found[0] == different && found[1] == missing && found[2] == extra, "%s: %d %d %d", label,
	              (int)found[0], (int)found[1], (int)found[2]);
}

/* With the log of repairs. */
static void install_state(void)
{
	struct pg_connection *connection = postgres_connect_to(config.target.dsn);

	expect_no_error(checkpoint_install_schema(connection, "replicator"));
	pg_disconnect(connection);
}

START_TEST(a_pair_in_sync_under_rules)
{
	expect_in_sync();
}
END_TEST

START_TEST(faults_are_found_and_repaired)
{
	struct pair pair;
	struct check_table *users;

	install_state();
	run("rules_target",
	    "UPDATE crm.people SET mail = encode(sha256('x'), 'hex') WHERE id = 2;" /* masked, plain, constant, cast */
	    "UPDATE crm.people SET mail = 'a4@ä.de' WHERE id = 4; UPDATE crm.people SET phone = '1' WHERE id = 5;"
	    "UPDATE crm.people SET note = 2 WHERE id = 7; UPDATE crm.people SET birthday = '1999-01-01' WHERE id = 8;"
	    "DELETE FROM crm.people WHERE id = 10; INSERT INTO crm.people (id, country) VALUES (9, 'FR');"
	    "UPDATE logins SET n = 9 WHERE n = 2; DELETE FROM logins WHERE n = 3; INSERT INTO logins VALUES ('clear', "
	    "4);"
	    "INSERT INTO bag VALUES (1, 'DE'), (3, 'FR'); DELETE FROM bag WHERE n = 2;"
	    "UPDATE \"all\".items SET n = 5 WHERE shop = 'eu-shop_a' AND id = 1;"
	    "DELETE FROM \"all\".items WHERE shop = 'eu-shop_b'; INSERT INTO \"all\".items VALUES ('eu-shop_a', 3, 3);"
	    "UPDATE orders SET is_deleted = false WHERE id = 2;"
	    /* Of earlier repairs, without the masks. */
	    "ALTER TABLE crm.people ADD secret_old text DEFAULT 'clear';" /* which the source no longer has */
	    "INSERT INTO replicator.repair_log (stream, schema_name, table_name, action, key, before) VALUES"
	    " ('replicator', 'public', 'users', 'update', '{1}', '{\"id\":1,\"mail\":\"old@x\",\"country\":\"DE\"}'),"
	    " ('replicator', 'public', 'users', 'update', '{1}', '{\"mail\":\"old@x\",\"more\":\"\\u0000\"}'),"
	    " ('replicator', 'public', 'logins', 'delete', '{clear}', '{\"name\":\"clear\",\"n\":1}'),"
	    " ('replicator', 'public', 'logins', 'insert', '{clear}', NULL),"
	    " ('replicator', 'public', 'logins', 'insert', ARRAY[encode(sha256('a clear one'), 'hex')], NULL),"
	    " ('other', 'public', 'users', 'update', '{1}', '{\"mail\":\"theirs\"}')");
	compare(&pair);
	expect_faults(&pair, "public.users", 5, 1, 1);
	expect_faults(&pair, "public.logins", 1, 1, 1);
	expect_faults(&pair, "public.bag", 0, 1, 2);
	expect_faults(&pair, "shop_a.items", 1, 0, 1);
	expect_faults(&pair, "shop_b.items", 0, 1, 0);
	expect_faults(&pair, "public.orders", 0, 0, 1);
	users = table_of(&pair, "public.users");
	for (size_t i = 0; i < users->row_count; i++) {
		const struct check_row *row = &users->rows[i];

		if (strcmp(row->key[0], "4") == 0) {
			ck_assert_str_eq(row->columns, "email");
			ck_assert_ptr_null(strstr(row->values, "a4@ä.de' in the source"));
		}
	}
	expect_no_error(repair_tables(&pair.comparison, &pair.tables, false));
	for (size_t i = 0; i < pair.tables.count; i++)
		ck_assert_msg(pair.tables.tables[i].repair.problem == NULL, "%s: %s", pair.tables.tables[i].label,
		              pair.tables.tables[i].repair.problem);
	release(&pair);
	expect_in_sync();
	expect_value("SELECT n::text FROM \"all\".items WHERE shop = 'us-shop_a'", "77");
	expect_value(
	    "SELECT count(*)::text FROM crm.people WHERE phone IS NOT NULL OR note <> 1.5 OR length(mail) <> 64", "0");
	expect_value("SELECT count(*)::text FROM replicator.repair_log r WHERE r::text ~ '@|clear'", "0");
	expect_value("SELECT count(*)::text FROM replicator.repair_log WHERE key = '{(masked)}'", "4");
	expect_value("SELECT string_agg(concat_ws(' ', stream, before), ' ' ORDER BY id) FROM replicator.repair_log"
	             " WHERE id IN (1, 2, 6)",
	             "replicator { \"id\" : 1, \"country\" : \"DE\" } replicator other {\"mail\":\"theirs\"}");
	expect_value("SELECT concat_ws(' ', before ->> 'id', before ->> 'country') FROM replicator.repair_log"
	             " WHERE id > 6 AND table_name = 'users' AND key = '{4}'",
	             "4 DE");
}
END_TEST

/* Without a source_column the rows of one table look like surplus rows of the other: a repair would remove them. */
START_TEST(rows_of_two_tables_in_one)
{
	struct pair pair;

	install_state();
	run("rules_source", "CREATE SCHEMA mix_a; CREATE TABLE mix_a.lines (id int PRIMARY KEY, n int);"
	                    "CREATE SCHEMA mix_b; CREATE TABLE mix_b.lines (id int PRIMARY KEY, n int);"
	                    "INSERT INTO mix_a.lines VALUES (1, 1); INSERT INTO mix_b.lines VALUES (2, 2)");
	run("rules_target", "CREATE TABLE \"all\".lines (id int PRIMARY KEY, n int);"
	                    "INSERT INTO \"all\".lines VALUES (1, 1), (2, 2)");
	compare(&pair);
	ck_assert_int_eq(table_of(&pair, "mix_a.lines")->verdict, VERDICT_UNCHECKED);
	ck_assert(strstr(table_of(&pair, "mix_b.lines")->reason, "mix_a.lines") != NULL);
	expect_no_error(repair_tables(&pair.comparison, &pair.tables, false));
	expect_value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM \"all\".lines", "1 2");
	release(&pair);
}
END_TEST

START_TEST(shapes_under_rules)
{
	struct pair pair;
	const struct check_table *users;

	run("rules_target", "ALTER TABLE crm.people DROP mail; ALTER TABLE \"all\".items DROP CONSTRAINT items_pkey");
	compare(&pair);
	users = table_of(&pair, "public.users");
	ck_assert_int_eq(users->verdict, VERDICT_DIFFERENT);
	ck_assert_uint_eq(users->schema_difference_count, 1);
	ck_assert_str_eq(users->schema_differences[0],
	                 "column email (text) is missing in the target, where a rule calls it mail");
	ck_assert_str_eq(table_of(&pair, "shop_a.items")->schema_differences[0],
	                 "the primary key (id) is no key of the target");
	release(&pair);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("check_rules");
	TCase *tests = tcase_create("check_rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, a_pair_in_sync_under_rules);
	tcase_add_test(tests, faults_are_found_and_repaired);
	tcase_add_test(tests, rows_of_two_tables_in_one);
	tcase_add_test(tests, shapes_under_rules);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
