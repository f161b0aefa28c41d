/*
 * test_plan.c - which changes one plan may hold: shapes of a table, tables that share one, partitions; on a real server.
 * Each scenario runs folded and change by change, and ends the same.
 */
#include "config/config.h"
#include "event/change.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char SCHEMA_SQL[] =
    "SET client_min_messages = warning; DROP SCHEMA IF EXISTS plans, plans_state CASCADE; CREATE SCHEMA plans;"
    "CREATE TABLE plans.t (id int PRIMARY KEY, v text, w text, own text DEFAULT 'none');"
    "CREATE TABLE plans.whole (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);"
    "CREATE TABLE plans.low PARTITION OF plans.whole FOR VALUES FROM (0) TO (1000);"
    "CREATE TABLE plans.high PARTITION OF plans.whole FOR VALUES FROM (1000) TO (100000);";

static const struct table_rule rules[] = {{.match = "parts.*", .rename = "plans.t"},
                                          {.match = "other.*", .rename = "plans.t"}};
static const struct config config = {.file = "test.conf",
                                     .stream.name = "s",
                                     .target = {.schema = "plans_state"},
                                     .tables = rules,
                                     .table_count = 2};

static const struct column narrow[] = {{.name = "id", .encoding = ENCODING_NUMBER},
                                       {.name = "v", .encoding = ENCODING_TEXT}};
static const struct column keyed[] = {{.name = "id", .encoding = ENCODING_NUMBER},
                                      {.name = "m", .encoding = ENCODING_NUMBER},
                                      {.name = "v", .encoding = ENCODING_TEXT},
                                      {.name = "big", .encoding = ENCODING_TEXT}};
static const struct column wide[] = {{.name = "id", .encoding = ENCODING_NUMBER},
                                     {.name = "v", .encoding = ENCODING_TEXT},
                                     {.name = "w", .encoding = ENCODING_TEXT}};
static const uint32_t first_column[1] = {0}, second_column[1] = {1}, both_columns[2] = {1, 0};

enum { NARROW, WIDE, EMPTY, PART_A, PART_B, OTHER, WHOLE, LOW, HIGH, BY_M, BY_ID, BY_BOTH, RELATIONS };

#include "planning.h"

static const struct {
	const char *schema, *table;
	const struct column *columns;
	uint32_t count;
} tables[RELATIONS] = {
    [NARROW] = {"plans", "t", narrow, 2},     [WIDE] = {"plans", "t", wide, 3},
    [EMPTY] = {"plans", "t", NULL, 0}, /* of a TRUNCATE */
    [PART_A] = {"parts", "a", narrow, 2},     [PART_B] = {"parts", "b", narrow, 2},
    [OTHER] = {"other", "t", narrow, 2},      [WHOLE] = {"plans", "whole", narrow, 2},
    [LOW] = {"plans", "low", narrow, 2},      [HIGH] = {"plans", "high", narrow, 2},
    [BY_M] = {"plans", "keyed", keyed, 4},    [BY_ID] = {"plans", "keyed", keyed, 4},
    [BY_BOTH] = {"plans", "keyed", keyed, 4},
};

static void set_up(void)
{
	for (uint32_t i = 0; i < RELATIONS; i++) {
		collections[i] = (struct collection){.name = tables[i].table,
		                                     .schema = tables[i].schema,
		                                     .table = tables[i].table,
		                                     .number = i};
		relations[i] = (struct relation){.collection = &collections[i],
		                                 .schema = tables[i].schema,
		                                 .table = tables[i].table,
		                                 .number = i,
		                                 .column_count = tables[i].count,
		                                 .columns = tables[i].columns,
		                                 .key_count = tables[i].count > 0 ? 1 : 0,
		                                 .key_columns = first_column,
		                                 .typed = true};
	}
	relations[BY_M].key_columns = second_column;
	relations[BY_BOTH].key_columns = both_columns;
	relations[BY_BOTH].key_count = 2;
	planning_set_up(&config, SCHEMA_SQL);
}

#define ROWS(table) "SELECT coalesce(string_agg(id || coalesce(v, '-'), ' ' ORDER BY id), '') FROM plans." table

static void expect_rows(const char *expected)
{
	postgres_expect(connection, ROWS("t"), expected);
}

/* No DDL log, and the target was altered first: both shapes are in one transaction. */
START_TEST(two_shapes_in_one_transaction)
{
	begin();
	add(NARROW, 'c', "1|a");
	add(NARROW, 'c', "2|b");
	add(WIDE, 'd', "2||");
	apply(_i == 1);
	expect_rows("1a");
	begin();
	add(WIDE, 'd', "1||");
	add(NARROW, 'c', "1|a");
	add(WIDE, 'u', "1|b|x");
	add(NARROW, 'u', "1|c");
	apply(_i == 1);
	expect_rows("1c");
	postgres_expect(connection, "SELECT w FROM plans.t", "x");
}
END_TEST

/* The shapes of two transactions. */
START_TEST(a_shape_after_another)
{
	begin();
	add(NARROW, 'c', "1|a");
	begin();
	add(WIDE, 'd', "1||");
	begin();
	add(NARROW, 'c', "2|b");
	begin();
	add(NARROW, 'u', "2|c");
	apply(_i == 1);
	expect_rows("2c");
	ck_assert_uint_eq(batches, _i == 1 ? 3 : 4);
}
END_TEST

/* A row goes from one to the other. */
START_TEST(two_names_of_one_table)
{
	begin();
	add(PART_A, 'c', "1|a");
	add(OTHER, 'd', "1|");
	add(OTHER, 'c', "2|b");
	add(PART_B, 'd', "2|");
	add(PART_B, 'c', "3|c");
	apply(_i == 1);
	expect_rows("3c");
}
END_TEST

/* Partitions that a rule maps to one table are folded as one. */
START_TEST(partitions_in_one_table)
{
	begin();
	add(PART_A, 'c', "1|a");
	begin();
	add(PART_A, 'd', "1|");
	add(PART_B, 'c', "1|b");
	begin();
	add(PART_B, 'u', "1|~");
	add(PART_B, 'c', "2|c");
	add(PART_B, 'd', "2|");
	add(PART_A, 'c', "2|d");
	apply(_i == 1);
	expect_rows("1b 2d");
	ck_assert_uint_eq(batches, _i == 1 ? 1 : 3);
}
END_TEST

/* A snapshot reads the partitioned table, and the stream names its partitions. */
START_TEST(a_partitioned_table_and_its_partitions)
{
	begin();
	add(WHOLE, 'r', "1|a");
	add(WHOLE, 'r', "2|b");
	add(WHOLE, 'r', "2000|c");
	begin();
	add(LOW, 'd', "1|");
	begin();
	add(HIGH, 'd', "2000|");
	add(LOW, 'c', "3|d");
	apply(_i == 1);
	postgres_expect(connection, ROWS("whole"), "2b 3d");
	ck_assert_uint_eq(batches, _i == 1 ? 2 : 3);
}
END_TEST

/* The row of a deleted key is another one: what only the target has does not go over to it. */
START_TEST(a_row_that_is_deleted_and_inserted)
{
	const char *all = "SELECT string_agg(concat_ws(' ', id, v, own, number > 4), ', ' ORDER BY id) FROM plans.t";

	postgres_execute(connection,
	                 "ALTER TABLE plans.t ADD number int GENERATED ALWAYS AS IDENTITY;"
	                 " INSERT INTO plans.t (id, v, own) SELECT g, 'a', 'mine' FROM generate_series(1, 4) g");
	begin();
	for (int i = 1; i <= 3; i++)
		add(NARROW, 'd', arena_format(memory, "%d|", i));
	add(NARROW, 'u', "4|d");
	begin();
	add(NARROW, 'c', "1|b");
	add(NARROW, 'c', "2|b");
	begin();
	add(NARROW, 'u', "2|c");
	add(NARROW, 'd', "1|");
	apply(_i == 1);
	postgres_expect(connection, all, "2 c none t, 4 d mine f");
	ck_assert_uint_eq(counts.rows_missing, 0);
	ck_assert_uint_eq(batches, _i == 1 ? 1 : 3);
}
END_TEST

/* Deletes of rows that were not there are counted, but not those of rows that the plan itself makes. */
START_TEST(missing_rows_are_counted)
{
	postgres_execute(connection, "INSERT INTO plans.t (id, v) VALUES (4, 'there')");
	begin();
	add(NARROW, 'c', "1|a");
	add(NARROW, 'c', "2|b");
	add(NARROW, 'c', "4|d"); /* the target is ahead */
	begin();
	add(NARROW, 'd', "1|");
	add(NARROW, 'd', "3|");
	add(NARROW, 'd', "4|");
	apply(_i == 1);
	expect_rows("2b");
	ck_assert_uint_eq(counts.rows_missing, 1);
}
END_TEST

/*
 * Keys of the messages and replica identities of the source, with the events that Debezium 3.7 sent: columns that were
 * not logged are NULL, or zero where they cannot be NULL.
 */
enum { DEFAULT, FULL, INDEX };
static const struct {
	int relation;
	int identity;
	const char *m;      /* its constraint */
	const char *target; /* "I": it has the same replica identity */
} identities[] = {
    {BY_M, DEFAULT, "NOT NULL", ""},    {BY_M, DEFAULT, "", ""},         {BY_M, FULL, "NOT NULL", ""},
    {BY_BOTH, DEFAULT, "NOT NULL", ""}, {BY_BOTH, FULL, "NOT NULL", ""}, {BY_M, INDEX, "NOT NULL", ""},
    {BY_M, INDEX, "NOT NULL", "I"},     {BY_ID, INDEX, "NOT NULL", ""},  {BY_ID, INDEX, "NOT NULL", "I"},
    {BY_ID, DEFAULT, "NOT NULL", ""},   {BY_ID, FULL, "NOT NULL", ""},
};

enum { IDENTITIES = sizeof(identities) / sizeof(identities[0]) };

static const char *old_row(int way, const char *id, const char *m)
{
	if (identities[way].identity == FULL)
		return arena_format(memory, "%s|%s|v|big", id, m);
	if (identities[way].identity == INDEX)
		return arena_format(memory, "0|%s||", m);
	return arena_format(memory, "%s|%s||", id, identities[way].m[0] == '\0' ? "" : "0");
}

static bool key_changes(const struct relation *relation, const struct value *old, const struct value *new)
{
	for (uint32_t i = 0; i < relation->key_count; i++) {
		const struct value *a = &old[relation->key_columns[i]], *b = &new[relation->key_columns[i]];

		if (a->length != b->length || (a->length > 0 && memcmp(a->data, b->data, a->length) != 0))
			return true;
	}
	return false;
}

/* UPDATE of the row (id, m) to (new_id, new_m), as the connector reports it. */
static void update(int way, const char *id, const char *m, const char *new_id, const char *new_m)
{
	int relation = identities[way].relation, identity = identities[way].identity;
	const char *before = old_row(way, id, m), *after = arena_format(memory, "%s|%s|w|~", new_id, new_m);
	const struct value *old = image(&relations[relation], before), *new = image(&relations[relation], after);
	bool logged = identity == FULL || (identity == INDEX ? strcmp(m, new_m) != 0 : strcmp(id, new_id) != 0);

	if (logged && key_changes(&relations[relation], old, new)) {
		move(relation, before, after);
		return;
	}
	add(relation, 'u', after);
	if (logged)
		last->changes[last->change_count - 1]->before = old;
}

START_TEST(keys_and_replica_identities)
{
	int way = _i / 2, relation = identities[way].relation;
	char *sql = arena_format(memory,
	                         "CREATE TABLE plans.keyed (id int PRIMARY KEY, m int UNIQUE %s, v text, big text,"
	                         " own text DEFAULT 'new'); %s",
	                         identities[way].m,
	                         *identities[way].target == '\0'
	                             ? ""
	                             : "ALTER TABLE plans.keyed REPLICA IDENTITY USING INDEX keyed_m_key");

	postgres_execute(connection, sql);
	begin();
	for (int i = 1; i <= 6; i++)
		add(relation, 'c', arena_format(memory, "%d|%d|v|big", i, 10 * i));
	apply(_i % 2 == 1);
	postgres_execute(connection, "UPDATE plans.keyed SET own = id || 'kept'");
	begin();
	update(way, "1", "10", "1", "10");
	update(way, "2", "20", "2", "21");
	update(way, "3", "30", "103", "30");
	begin();
	update(way, "4", "40", "104", "41");
	begin();
	add(relation, 'd', old_row(way, "5", "50"));
	begin();
	update(way, "2", "21", "102", "22");
	add(relation, 'd', old_row(way, "104", "41"));
	apply(_i % 2 == 1);
	postgres_expect(connection,
	                "SELECT string_agg(concat_ws(' ', id, m, v, big, own), ', ' ORDER BY m) FROM plans.keyed",
	                "1 10 w big 1kept, 102 22 w big 2kept, 103 30 w big 3kept, 6 60 v big 6kept");
	ck_assert_uint_eq(counts.rows_missing, 0);
}
END_TEST

/* What was in the cache before does not cut later transactions apart. */
START_TEST(a_truncate_and_an_earlier_shape_do_not_stick)
{
	begin();
	add(WIDE, 'c', "1|a|x");
	begin();
	add(EMPTY, 't', NULL);
	begin();
	add(OTHER, 'c', "2|b");
	add(PART_A, 'c', "3|c");
	apply(true);
	expect_rows("2b 3c");
	for (int i = 0; i < 100; i++) {
		begin();
		add(NARROW, 'c', arena_format(memory, "%d|x", 10 + i));
	}
	apply(true);
	ck_assert_uint_eq(batches, 1);
	postgres_expect(connection, "SELECT count(*) FROM plans.t", "102");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plan");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, planning_tear_down);
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, two_shapes_in_one_transaction, 0, 2);
	tcase_add_loop_test(tests, a_shape_after_another, 0, 2);
	tcase_add_loop_test(tests, two_names_of_one_table, 0, 2);
	tcase_add_loop_test(tests, partitions_in_one_table, 0, 2);
	tcase_add_loop_test(tests, a_partitioned_table_and_its_partitions, 0, 2);
	tcase_add_loop_test(tests, a_row_that_is_deleted_and_inserted, 0, 2);
	tcase_add_loop_test(tests, missing_rows_are_counted, 0, 2);
	tcase_add_loop_test(tests, keys_and_replica_identities, 0, 2 * IDENTITIES);
	tcase_add_test(tests, a_truncate_and_an_earlier_shape_do_not_stick);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
