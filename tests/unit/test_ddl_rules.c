/*
 * test_ddl_rules.c - schema changes of tables that the rules rename, mask, cut or share: one database's DDL log
 * followed in another.
 */
#include "following.h"

#include <check.h>
#include <stdlib.h>

static const struct column_rule columns[] = {
    {.match = "email", .rename = "Mail", .mask = MASK_HASH},
    {.match = "name", .rename = "full name"},
    {.match = "note", .mask = MASK_CONSTANT, .value = "-"},
    {.match = "secret*", .exclude = true},
    {.match = "born", .cast_from = "timestamp"},
};
static const struct table_rule rules[] = {
    {.match = "public.users", .rename = "crm.people", .columns = columns, .column_count = 5},
    {.match = "shop_*.items", .rename = "public.items", .source_column = "shop", .source_value = "{schema}"},
    {.match = "mixed_*.rows", .rename = "public.mixed"},
    {.match = "audit.*", .exclude = true},
    {.match = "sales.orders", .filter = {.column = "country"}},
};
static struct config config = {.stream.name = "s",
                               .target.schema = "replicator",
                               .ddl.lock_timeout_ms = 1000,
                               .masking.salt = "salt",
                               .tables = rules,
                               .table_count = sizeof(rules) / sizeof(*rules)};
static void set_up(void)
{
	following_set_up("ddl_rules", &config);
	postgres_execute(source, "SET search_path = public");
	postgres_execute(target, "CREATE SCHEMA crm");
}

/* The statement at the source, and what its log says in the target. */
static struct error *try_follow(const char *sql)
{
	postgres_execute(source, sql);
	return follow_log(false);
}

static void follow(const char *sql)
{
	expect_no_error(try_follow(sql));
}

static void expect_value(const char *sql, const char *expected)
{
	postgres_expect(target, sql, expected);
}

#define SHAPE(table)                                                                                                   \
	"SELECT coalesce(string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum), '')"    \
	" FROM pg_attribute WHERE attrelid = to_regclass('" table "') AND attnum > 0 AND NOT attisdropped"

START_TEST(a_table_with_other_names)
{
	follow("CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE, name text, secret_1 int DEFAULT 5, born "
	       "timestamp,"
	       " CHECK (name <> 'secret_1'), CHECK (secret_1 > 0))");
	expect_value(SHAPE("crm.people"), "id integer, Mail text, full name text, born timestamp without time zone");
	expect_value("SELECT string_agg(pg_get_constraintdef(oid), ' ' ORDER BY contype) FROM pg_constraint"
	             " WHERE conrelid = 'crm.people'::regclass",
	             "CHECK ((\"full name\" <> 'secret_1'::text)) PRIMARY KEY (id)");
	postgres_execute(target, "INSERT INTO crm.people (id, \"full name\") VALUES (1, 'x');"
	                         "ALTER TABLE crm.people ALTER born TYPE date");
	follow("ALTER TABLE users ADD age int DEFAULT 7, ADD note text DEFAULT 'plain', ADD secret_2 text");
	expect_value("SELECT age || note FROM crm.people", "7-");
	follow("CREATE INDEX ON users (name, age); CREATE INDEX ON users (email); CREATE INDEX ON users (lower(name))");
	expect_value("SELECT string_agg(pg_get_indexdef(indexrelid), '; ' ORDER BY indexrelid) FROM pg_index"
	             " WHERE indrelid = 'crm.people'::regclass AND NOT indisprimary",
	             "CREATE INDEX users_name_age_idx ON crm.people USING btree (\"full name\", age); "
	             "CREATE INDEX users_lower_idx ON crm.people USING btree (lower(\"full name\"))");
	follow("ALTER TABLE users ALTER age TYPE bigint, ALTER born TYPE timestamp(3), ALTER email TYPE varchar(100)");
	expect_value(SHAPE("crm.people"), "id integer, Mail text, full name text, born date, age bigint, note text");
	follow("ALTER TABLE users RENAME age TO years; ALTER TABLE users DROP secret_1, DROP email");
	expect_value(SHAPE("crm.people"), "id integer, full name text, born date, years bigint, note text");
	follow("DROP TABLE users");
	expect_value("SELECT (to_regclass('crm.people') IS NULL)::text", "true");
}
END_TEST

START_TEST(renames_that_would_show_what_is_hidden)
{
	follow("CREATE TABLE users (id int PRIMARY KEY, email text, secret_1 int)");
	expect_error(
	    try_follow("ALTER TABLE users RENAME email TO mail_address"), ERROR_TARGET, NULL,
	    "renamed public.users.email, which a rule masks or excludes, to public.users.mail_address, which none");
	expect_error(try_follow("ALTER TABLE users RENAME mail_address TO email; ALTER TABLE users RENAME TO members"),
	             ERROR_TARGET, NULL, "which a rule masks or excludes, to public.members");
}
END_TEST

/* The log began after these statements, without a baseline. */
static void execute_unlogged(const char *sql)
{
	char *newest;

	postgres_execute(source, sql);
	newest = postgres_value(source, "SELECT coalesce(max(id), 0) FROM replicator.ddl_log");
	last_id = atoll(newest);
	free(newest);
}

START_TEST(columns_renamed_without_a_baseline)
{
	execute_unlogged("CREATE TABLE users (id int PRIMARY KEY, email text, name text, secret_1 int)");
	postgres_execute(target, "CREATE TABLE crm.people (id int PRIMARY KEY, \"Mail\" text, \"full name\" text)");
	expect_error(try_follow("ALTER TABLE users RENAME email TO mail_address"), ERROR_TARGET, NULL,
	             "its column \"mail_address\" could be the one that a rule masks or excludes as \"email\"");
	expect_value(SHAPE("crm.people"), "id integer, Mail text, full name text");
	execute_unlogged("ALTER TABLE users RENAME mail_address TO email");
	expect_error(try_follow("ALTER TABLE users RENAME secret_1 TO plain"), ERROR_TARGET, NULL,
	             "could be the one that a rule masks or excludes as");
	/* The operator knows better: the column is a new one. */
	postgres_execute(target, "ALTER TABLE crm.people ADD plain int");
	execute_unlogged("ALTER TABLE users RENAME plain TO p; ALTER TABLE users RENAME p TO plain");
	follow("ALTER TABLE users ALTER plain SET DEFAULT 1");
	expect_value(SHAPE("crm.people"), "id integer, Mail text, full name text, plain integer");
}
END_TEST

START_TEST(tables_renamed_without_a_baseline)
{
	execute_unlogged("CREATE TABLE users (id int PRIMARY KEY, email text); CREATE SCHEMA old;"
	                 "CREATE TABLE old.plain (id int PRIMARY KEY)");
	expect_error(try_follow("ALTER TABLE users RENAME TO members"), ERROR_TARGET, NULL,
	             "table public.members could be one that the rule \"public.users\" hides, renamed");
	expect_value("SELECT (to_regclass('public.members') IS NULL)::text", "true");
	expect_error(try_follow("ALTER TABLE members SET SCHEMA old"), ERROR_TARGET, NULL, "hides, renamed");
	expect_error(try_follow("ALTER SCHEMA old RENAME TO new"), ERROR_TARGET, NULL,
	             "the source renamed a schema to new, and tables that the rule \"public.users\" hides may come");
}
END_TEST

START_TEST(tables_renamed_out_of_their_rule)
{
	follow("CREATE SCHEMA audit; CREATE SCHEMA sales; CREATE TABLE audit.log (id int PRIMARY KEY);"
	       "CREATE TABLE sales.orders (id int PRIMARY KEY, country text, other text)");
	expect_value("SELECT (to_regclass('audit.log') IS NULL)::text", "true");
	expect_error(try_follow("ALTER TABLE audit.log SET SCHEMA public"), ERROR_TARGET, NULL,
	             "renamed table audit.log, whose rule excludes it, to public.log");
	execute_unlogged("ALTER TABLE public.log SET SCHEMA audit");
	expect_error(try_follow("ALTER SCHEMA audit RENAME TO trail"), ERROR_TARGET, NULL,
	             "renamed schema audit to trail, and tables that the rule \"audit.*\" hides now come");
	execute_unlogged("ALTER SCHEMA trail RENAME TO audit");
	expect_error(try_follow("ALTER TABLE sales.orders SET SCHEMA public"), ERROR_TARGET, NULL,
	             "whose rule filters its rows, to public.orders");
	execute_unlogged("ALTER TABLE public.orders SET SCHEMA sales");
	expect_error(try_follow("ALTER TABLE sales.orders RENAME country TO land;"
	                        "ALTER TABLE sales.orders RENAME other TO country"),
	             ERROR_TARGET, NULL, "renamed sales.orders.country, by which a rule filters the rows, to land");
}
END_TEST

START_TEST(a_table_that_sources_share)
{
	follow("CREATE SCHEMA shop_a; CREATE SCHEMA shop_b; CREATE TABLE shop_a.items (id int PRIMARY KEY, code text "
	       "UNIQUE);"
	       " CREATE TABLE shop_b.items (id int PRIMARY KEY, code text UNIQUE)");
	expect_value(SHAPE("public.items"), "id integer, code text, shop text");
	expect_value("SELECT string_agg(pg_get_constraintdef(oid), ' ' ORDER BY contype) FROM pg_constraint"
	             " WHERE conrelid = 'public.items'::regclass",
	             "PRIMARY KEY (shop, id) UNIQUE (shop, code)");
	postgres_execute(target, "INSERT INTO public.items VALUES (1, 'a', 'shop_a'), (1, 'b', 'shop_b')");
	follow("ALTER TABLE shop_a.items ADD n int, DROP code; ALTER TABLE shop_b.items ADD n int");
	expect_value(SHAPE("public.items"), "id integer, code text, shop text, n integer");
	follow("DROP TABLE shop_a.items");
	expect_value("SELECT string_agg(shop, ' ') FROM public.items", "shop_b");
}
END_TEST

/* Nobody can say which rows go when one of them is dropped; with the last one all go. */
START_TEST(tables_that_share_one_without_a_source_column)
{
	follow("CREATE SCHEMA mixed_a; CREATE SCHEMA mixed_b; CREATE TABLE mixed_a.rows (id int PRIMARY KEY);"
	       " CREATE TABLE mixed_b.rows (id int PRIMARY KEY)");
	postgres_execute(target, "INSERT INTO public.mixed VALUES (1), (2);"
	                         "INSERT INTO replicator.captured_table (stream, schema_name, table_name)"
	                         " VALUES ('s', 'mixed_a', 'rows'), ('s', 'mixed_b', 'rows')");
	follow("DROP TABLE mixed_a.rows");
	expect_value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM public.mixed", "1 2");
	follow("DROP TABLE mixed_b.rows");
	expect_value("SELECT (to_regclass('public.mixed') IS NULL)::text", "true");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ddl_rules");
	TCase *tests = tcase_create("ddl_rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, following_tear_down);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_table_with_other_names);
	tcase_add_test(tests, renames_that_would_show_what_is_hidden);
	tcase_add_test(tests, columns_renamed_without_a_baseline);
	tcase_add_test(tests, tables_renamed_without_a_baseline);
	tcase_add_test(tests, tables_renamed_out_of_their_rule);
	tcase_add_test(tests, a_table_that_sources_share);
	tcase_add_test(tests, tables_that_share_one_without_a_source_column);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
