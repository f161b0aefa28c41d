/*
 * test_ddl_rules.c - schema changes of tables that the rules rename, mask, cut or share: one database's DDL log
 * followed in another.
 */
#include "base/memory.h"
#include "config/config.h"
#include "pg/migration.h"
#include "postgres.h"
#include "target/checkpoint.h"
#include "target/ddl.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const LOG_COLUMNS[] = {"id",          "event", "kind",      "relid", "schema_name",
                                          "object_name", "image", "published", "tag",   "command"};
#define LOG_COLUMN_COUNT (sizeof(LOG_COLUMNS) / sizeof(*LOG_COLUMNS))

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
};
static struct config config = {.stream.name = "s",
                               .target.schema = "replicator",
                               .ddl.lock_timeout_ms = 1000,
                               .masking.salt = "salt",
                               .tables = rules,
                               .table_count = 2};
static struct pg_connection *source, *target;
static struct binding_cache *cache;
static long long last_id;

static struct pg_connection *make_database(const char *name)
{
	struct pg_connection *admin = postgres_connect(), *made;
	char *sql = memory_format("DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
	char *dsn = memory_format("%s dbname=%s", postgres_dsn(), name);

	postgres_execute(admin, sql);
	free(sql);
	sql = memory_format("CREATE DATABASE %s", name);
	postgres_execute(admin, sql);
	pg_disconnect(admin);
	made = postgres_connect_to(dsn);
	free(dsn);
	free(sql);
	return made;
}

static void set_up(void)
{
	source = make_database("ddl_rules_source");
	target = make_database("ddl_rules_target");
	expect_no_error(migration_install(source, MIGRATION_SOURCE, "replicator"));
	postgres_execute(source, "SET search_path = public; CREATE PUBLICATION p FOR TABLE replicator.ddl_log;"
	                         "UPDATE replicator.ddl_settings SET capture = '{*}', touch_rows = 1000000");
	expect_no_error(checkpoint_install_schema(target, "replicator"));
	postgres_execute(target, "INSERT INTO replicator.stream (name, epoch) VALUES ('s', 1); CREATE SCHEMA crm");
	cache = binding_cache_new(&config);
	last_id = 0;
}

static void tear_down(void)
{
	binding_cache_free(cache);
	pg_disconnect(source);
	pg_disconnect(target);
}

/* One row of the log as the change that a connector makes of it. */
static struct error *follow_row(struct ddl *ddl, const struct pg_result *rows, size_t row)
{
	struct column log_columns[LOG_COLUMN_COUNT] = {{0}};
	struct value values[LOG_COLUMN_COUNT] = {{0}};
	struct relation relation = {.schema = "replicator",
	                            .table = "ddl_log",
	                            .column_count = LOG_COLUMN_COUNT,
	                            .columns = log_columns};
	struct change change = {.relation = &relation, .after = values, .operation = CHANGE_INSERT, .tx_id = 7};
	struct change *changes[1] = {&change};
	struct transaction transaction = {.tx_id = 7, .commit_lsn = 700, .changes = changes, .change_count = 1};

	for (size_t i = 0; i < LOG_COLUMN_COUNT; i++) {
		log_columns[i].name = LOG_COLUMNS[i];
		values[i].kind = pg_result_is_null(rows, row, i) ? VALUE_NULL : VALUE_STRING;
		values[i].data = pg_result_is_null(rows, row, i) ? NULL : pg_result_text(rows, row, i);
		values[i].length = values[i].data == NULL ? 0 : (uint32_t)strlen(values[i].data);
	}
	return ddl_apply(ddl, target, &transaction, &change);
}

/* The statement at the source, and what its log says in the target. */
static struct error *try_follow(const char *sql)
{
	struct ddl *ddl = ddl_new(cache);
	struct pg_result *rows = NULL;
	struct error *error = NULL;
	char *query =
	    memory_format("SELECT id, event, kind, relid, schema_name, object_name, image, published, tag, command"
	                  " FROM replicator.ddl_log WHERE id > %lld ORDER BY id",
	                  last_id);

	postgres_execute(source, sql);
	expect_no_error(pg_query(source, query, 0, NULL, &rows));
	free(query);
	postgres_execute(target, "BEGIN");
	for (size_t i = 0; i < pg_result_rows(rows) && error == NULL; i++) {
		error = follow_row(ddl, rows, i);
		last_id = error == NULL ? pg_result_integer(rows, i, 0) : last_id;
	}
	if (error == NULL)
		error = ddl_finish(ddl, target);
	postgres_execute(target, error == NULL ? "COMMIT" : "ROLLBACK");
	ddl_free(ddl);
	pg_result_free(rows);
	return error;
}

static void follow(const char *sql)
{
	expect_no_error(try_follow(sql));
}

static void expect_value(const char *sql, const char *expected)
{
	char *value = postgres_value(target, sql);

	ck_assert_msg(strcmp(value, expected) == 0, "%s gives %s, expected %s", sql, value, expected);
	free(value);
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
	             ERROR_TARGET, NULL, "which a rule masks or excludes, to public.");
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

int main(void)
{
	Suite *suite = suite_create("ddl_rules");
	TCase *tests = tcase_create("ddl_rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_table_with_other_names);
	tcase_add_test(tests, renames_that_would_show_what_is_hidden);
	tcase_add_test(tests, a_table_that_sources_share);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
