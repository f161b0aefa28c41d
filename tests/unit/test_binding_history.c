/*
 * test_binding_history.c - keys and columns that the messages have before the schema change that brings them
 * (binding_history.h), on a real server: what the log says decides between "it comes later" and "somebody must mend
 * this".
 */
#include "base/arena.h"
#include "base/memory.h"
#include "postgres.h"
#include "target/batch.h"
#include "target/checkpoint.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct config config = {.file = "test.conf",
                               .stream.name = "s",
                               .target = {.schema = "history_state", .is_deleted = "is_deleted", .deleted_at = ""}};
static const struct column columns[] = {{.name = "id", .encoding = ENCODING_NUMBER},
                                        {.name = "code", .encoding = ENCODING_TEXT, .optional = true},
                                        {.name = "later", .encoding = ENCODING_TEXT, .optional = true}};
static const struct collection collection = {.name = "history.t", .schema = "history", .table = "t"};
static const uint32_t first_column[1] = {0};
static struct relation relation;
static struct pg_connection *connection;
static struct binding_cache *bindings;

static void set_up(void)
{
	relation = (struct relation){.collection = &collection,
	                             .schema = "history",
	                             .table = "t",
	                             .column_count = 2,
	                             .columns = columns,
	                             .key_count = 1,
	                             .key_columns = first_column,
	                             .typed = true};
	connection = postgres_connect();
	postgres_execute(
	    connection,
	    "SET client_min_messages = warning; DROP SCHEMA IF EXISTS history, logged, history_state CASCADE;"
	    "CREATE SCHEMA history; CREATE SCHEMA logged");
	expect_no_error(checkpoint_install_schema(connection, "history_state"));
	postgres_execute(connection, "INSERT INTO history_state.stream (name, epoch) VALUES ('s', 1)");
	bindings = binding_cache_new(&config);
	binding_cache_forget(bindings, false);
}

static void tear_down(void)
{
	binding_cache_free(bindings);
	pg_disconnect(connection);
}

/* The target's table, and the source's as the log's last image has it. */
static void given(const char *target, const char *source)
{
	char *sql = memory_format(
	    "CREATE TABLE history.t %s; CREATE TABLE logged.t %s;"
	    "INSERT INTO history_state.schema_history (stream, kind, relid, schema_name, table_name, log_id, "
	    "commit_lsn, image)"
	    " SELECT 's', 'table', 1, 'history', 't', 1, '0/1', history_state.image_named('table', 'logged', 't')",
	    target, source);

	postgres_execute(connection, sql);
	free(sql);
}

/* ON CONFLICT (id) would take the constraint along, and refuse it. */
START_TEST(a_deferrable_constraint_on_the_key)
{
	struct binding *binding;

	given("(id int PRIMARY KEY, code text, UNIQUE (id) DEFERRABLE)", "(id int PRIMARY KEY, code text)");
	expect_no_error(binding_find(bindings, connection, &relation, &binding));
	ck_assert_uint_eq(binding->key_count, 1);
	ck_assert(!binding->upsert);
}
END_TEST

static void expect_lacks_key(void)
{
	struct binding *binding;

	expect_error(binding_find(bindings, connection, &relation, &binding), ERROR_TARGET, NULL, "no primary key");
}

static void expect_no_key(void)
{
	struct binding *binding;

	expect_no_error(binding_find(bindings, connection, &relation, &binding));
	ck_assert(binding->own_key && !binding->strict);
	ck_assert_uint_eq(binding->key_count, 0);
}

/* ADD PRIMARY KEY comes later: until then the table has no key, here and there. */
START_TEST(without_any_key)
{
	given("(id int, code text)", "(id int, code text)");
	expect_no_key();
}
END_TEST

/* The primary key goes over to another column: until the change comes the target's is the one. */
START_TEST(another_primary_key)
{
	struct binding *binding;

	given("(id int, code text PRIMARY KEY)", "(id int, code text PRIMARY KEY)");
	expect_no_error(binding_find(bindings, connection, &relation, &binding));
	ck_assert(binding->own_key && binding->strict);
	ck_assert_uint_eq(binding->key_count, 1);
	ck_assert_str_eq(binding->columns[binding->key[0]].image->name, "code");
}
END_TEST

static const struct {
	const char *target, *source;
} unlike[] = {
    {"(id int, code text)", "(id int PRIMARY KEY, code text)"},             /* nobody made the key in the target */
    {"(id int, code text PRIMARY KEY)", "(id int PRIMARY KEY, code text)"}, /* it has another one of its own */
    {"(id int, code text)", "(id int, code text UNIQUE)"},                  /* a key that is none of the messages' */
    {"(id int, code text)", "(id int UNIQUE, code text)"},                  /* REPLICA IDENTITY USING INDEX */
};

START_TEST(the_target_has_not_the_keys_of_the_log)
{
	given(unlike[_i].target, unlike[_i].source);
	expect_lacks_key();
}
END_TEST

/* A unique index is a key as well as a constraint is. */
START_TEST(the_target_has_not_the_index_of_the_log)
{
	given("(id int, code text)", "(id int, code text); CREATE UNIQUE INDEX ON logged.t (id)");
	expect_lacks_key();
}
END_TEST

/*
 * A key that names no row here: of a partial unique index, or of a later primary key beside a unique index that is there
 * now.
 */
static const struct {
	const char *identity;
	bool lacks;
} identities[] = {{"DEFAULT", false}, {"FULL", false}, {"USING INDEX t_code_key", true}};

START_TEST(a_key_beside_a_unique_index)
{
	char *table = memory_format("(id int, code text NOT NULL UNIQUE); ALTER TABLE logged.t REPLICA IDENTITY %s",
	                            identities[_i].identity);

	given("(id int, code text NOT NULL UNIQUE)", table);
	free(table);
	if (identities[_i].lacks) {
		struct binding *binding;

		expect_error(binding_find(bindings, connection, &relation, &binding), ERROR_TARGET, NULL,
		             "REPLICA IDENTITY USING INDEX");
		return;
	}
	expect_no_key();
}
END_TEST

/* The messages do not carry the values of a generated column, but the connector may take its index for the key. */
START_TEST(a_key_that_is_generated)
{
	static const char table[] = "(id int GENERATED ALWAYS AS (length(code)) STORED UNIQUE, code text)";

	given(table, table);
	expect_no_key();
}
END_TEST

START_TEST(a_key_that_is_generated_in_the_target_alone)
{
	struct binding *binding;

	given("(id int GENERATED ALWAYS AS (length(code)) STORED UNIQUE, code text)",
	      "(id int PRIMARY KEY, code text)");
	expect_error(binding_find(bindings, connection, &relation, &binding), ERROR_TARGET, NULL,
	             "generated in the target");
}
END_TEST

START_TEST(the_log_does_not_know_the_table)
{
	postgres_execute(connection, "CREATE TABLE history.t (id int, code text)");
	expect_lacks_key();
}
END_TEST

static struct error *apply(struct change *change)
{
	struct change *changes[1] = {change};
	struct transaction transaction = {.changes = changes, .change_count = 1};
	struct partition_list *partitions = partition_list_new();
	struct row_sender *sender = row_sender_new();
	struct batch_counts counts = {0};
	struct binding *binding;
	struct error *error = binding_find(bindings, connection, &relation, &binding);

	partition_list_add(partitions, "p", 0);
	postgres_execute(connection, "BEGIN");
	if (error == NULL)
		error = batch_apply_strictly(sender, connection, bindings, partitions, &transaction, &counts);
	postgres_execute(connection, error == NULL ? "COMMIT" : "ROLLBACK");
	row_sender_free(sender);
	partition_list_free(partitions);
	return error;
}

/* An insert of 1, 'a' and a third value. */
static struct error *insert(uint8_t kind)
{
	struct value values[3] = {{"1", 1, VALUE_NUMBER}, {"a", 1, VALUE_STRING}, {"x", 1, kind}};

	return apply(&(struct change){.relation = &relation, .operation = CHANGE_INSERT, .after = values});
}

static void expect_rows(const char *expected)
{
	char *value = postgres_value(connection, "SELECT coalesce(string_agg(t::text, ' '), '') FROM history.t");

	ck_assert_str_eq(value, expected);
	free(value);
}

/* ADD COLUMN comes later: what the connector pads older rows with is no value. */
START_TEST(a_column_that_is_ahead)
{
	static const uint8_t pads[] = {VALUE_NULL, VALUE_UNCHANGED};

	relation.column_count = 3;
	given("(id int PRIMARY KEY, code text)", "(id int PRIMARY KEY, code text)");
	expect_no_error(insert(pads[_i]));
	expect_rows("(1,a)");
}
END_TEST

/* A value that somebody wrote: the log has missed the ADD COLUMN, and the row must not be cut short. */
START_TEST(a_value_in_a_column_that_is_ahead)
{
	relation.column_count = 3;
	given("(id int PRIMARY KEY, code text)", "(id int PRIMARY KEY, code text)");
	expect_error(insert(VALUE_STRING), ERROR_TARGET, NULL, "later");
	expect_rows("");
}
END_TEST

/* A column that the log has and the target has not will not come later. */
START_TEST(a_column_that_the_target_lacks)
{
	relation.column_count = 3;
	given("(id int PRIMARY KEY, code text)", "(id int PRIMARY KEY, code text, later text)");
	expect_error(insert(VALUE_NULL), ERROR_TARGET, NULL, "later");
	expect_rows("");
}
END_TEST

/* The key was dropped since, or the table has another name by now: the messages have no key, the log has. */
START_TEST(a_key_that_the_messages_do_not_say)
{
	struct value old[2] = {{"1", 1, VALUE_NUMBER}, {NULL, 0, VALUE_NULL}};
	struct value new[2] = {{"1", 1, VALUE_NUMBER}, {"b", 1, VALUE_STRING}};
	struct value moved[2] = {{"2", 1, VALUE_NUMBER}, {NULL, 0, VALUE_UNCHANGED}};
	struct change change = {.relation = &relation, .operation = CHANGE_UPDATE, .after = new};

	relation.key_count = 0;
	given("(id int PRIMARY KEY, code text)", "(id int PRIMARY KEY, code text)");
	expect_no_error(insert(VALUE_NULL));
	expect_no_error(apply(&change));
	expect_rows("(1,b)");
	change.before = old;
	change.after = moved;
	expect_no_error(apply(&change));
	expect_rows("(2,b)");
	change = (struct change){.relation = &relation, .operation = CHANGE_DELETE, .before = moved};
	expect_no_error(apply(&change));
	expect_rows("");
}
END_TEST

/* The source's table has no key, whatever the target's has. */
START_TEST(a_key_of_the_targets_own)
{
	struct binding *binding;

	relation.key_count = 0;
	given("(id int PRIMARY KEY, code text)", "(id int, code text)");
	expect_no_error(binding_find(bindings, connection, &relation, &binding));
	ck_assert(!binding->own_key && !binding->strict);
	ck_assert_uint_eq(binding->key_count, 0);
}
END_TEST

/* The primary key was dropped since, and the connector finds another unique index, which may have NULLs. */
START_TEST(a_key_that_takes_null_beside_a_primary_one)
{
	static const uint32_t second_column[1] = {1};
	struct value old[2] = {{"1", 1, VALUE_NUMBER}, {NULL, 0, VALUE_NULL}};
	struct value new[2] = {{"1", 1, VALUE_NUMBER}, {"b", 1, VALUE_STRING}};
	struct change change = {.relation = &relation, .operation = CHANGE_UPDATE, .after = old};

	relation.key_columns = second_column;
	given("(id int PRIMARY KEY, code text UNIQUE)", "(id int PRIMARY KEY, code text UNIQUE)");
	expect_no_error(insert(VALUE_NULL));
	expect_no_error(apply(&change));
	expect_rows("(1,)");
	change.after = new;
	expect_no_error(apply(&change));
	expect_rows("(1,b)");
	expect_no_error(apply(&(struct change){.relation = &relation, .operation = CHANGE_DELETE, .before = old}));
	expect_rows("");
}
END_TEST

/* message.key.columns: the key is the user's choice. */
START_TEST(a_key_beside_a_primary_one)
{
	static const uint32_t second_column[1] = {1};
	struct binding *binding;

	relation.key_columns = second_column;
	given("(id int PRIMARY KEY, code text NOT NULL UNIQUE)", "(id int PRIMARY KEY, code text NOT NULL UNIQUE)");
	expect_no_error(binding_find(bindings, connection, &relation, &binding));
	ck_assert(!binding->own_key && !binding->strict);
	ck_assert_str_eq(binding->columns[binding->key[0]].image->name, "code");
}
END_TEST

/* Without a primary key the connector takes a unique index for the key, and NULLs in it. */
START_TEST(a_key_of_nulls_is_none)
{
	static const uint32_t second_column[1] = {1};
	struct value old[2] = {{"1", 1, VALUE_NUMBER}, {NULL, 0, VALUE_NULL}};
	struct value new[2] = {{"2", 1, VALUE_NUMBER}, {NULL, 0, VALUE_NULL}};

	relation.key_columns = second_column;
	given("(id int, code text UNIQUE)", "(id int, code text UNIQUE)");
	expect_no_error(insert(VALUE_NULL));
	postgres_execute(connection, "UPDATE history.t SET code = NULL");
	expect_no_error(
	    apply(&(struct change){.relation = &relation, .operation = CHANGE_UPDATE, .before = old, .after = new}));
	expect_rows("(2,)");
	expect_no_error(apply(&(struct change){.relation = &relation, .operation = CHANGE_DELETE, .before = new}));
	expect_rows("");
}
END_TEST

/* The column of the entry was renamed or dropped: the log remembers it. */
START_TEST(an_entry_for_a_column_of_before)
{
	static const struct column_rule entries[] = {{.match = "secret", .exclude = true},
	                                             {.match = "secrte", .exclude = true}};
	static struct table_rule rule = {.match = "history.t", .columns = entries};
	struct binding *binding;

	config.tables = &rule;
	config.table_count = 1;
	rule.column_count = 1;
	given("(id int PRIMARY KEY, code text)", "(id int PRIMARY KEY, code text, secret text)");
	postgres_execute(connection, "ALTER TABLE logged.t DROP COLUMN secret; INSERT INTO history_state.schema_history"
	                             " (stream, kind, relid, schema_name, table_name, log_id, commit_lsn, image)"
	                             " SELECT 's', 'table', 1, 'history', 't', 2, '0/2',"
	                             " history_state.image_named('table', 'logged', 't')");
	expect_no_error(binding_find(bindings, connection, &relation, &binding));
	rule.column_count = 2;
	expect_no_error(binding_cache_refresh(bindings, connection));
	expect_error(binding_find(bindings, connection, &relation, &binding), ERROR_TARGET, NULL,
	             "match = \"secrte\" (test.conf:0) matches no column");
	config.table_count = 0;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("binding_history");
	TCase *tests = tcase_create("binding_history");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, without_any_key);
	tcase_add_test(tests, another_primary_key);
	tcase_add_test(tests, a_key_that_takes_null_beside_a_primary_one);
	tcase_add_test(tests, a_key_beside_a_primary_one);
	tcase_add_loop_test(tests, the_target_has_not_the_keys_of_the_log, 0, sizeof(unlike) / sizeof(*unlike));
	tcase_add_test(tests, the_target_has_not_the_index_of_the_log);
	tcase_add_loop_test(tests, a_key_beside_a_unique_index, 0, sizeof(identities) / sizeof(*identities));
	tcase_add_test(tests, a_deferrable_constraint_on_the_key);
	tcase_add_test(tests, a_key_that_is_generated);
	tcase_add_test(tests, a_key_that_is_generated_in_the_target_alone);
	tcase_add_test(tests, the_log_does_not_know_the_table);
	tcase_add_loop_test(tests, a_column_that_is_ahead, 0, 2);
	tcase_add_test(tests, a_value_in_a_column_that_is_ahead);
	tcase_add_test(tests, a_column_that_the_target_lacks);
	tcase_add_test(tests, a_key_that_the_messages_do_not_say);
	tcase_add_test(tests, a_key_of_the_targets_own);
	tcase_add_test(tests, a_key_of_nulls_is_none);
	tcase_add_test(tests, an_entry_for_a_column_of_before);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
