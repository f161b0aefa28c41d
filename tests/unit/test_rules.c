/*
 * test_rules.c - the configuration's rules on a real server: names, masks, casts, filters, source columns; each
 * scenario both folded and change by change.
 */
#include "base/arena.h"
#include "base/memory.h"
#include "event/change_json.h"
#include "postgres.h"
#include "stream/alignment.h"
#include "stream/spill.h"
#include "target/batch.h"
#include "target/checkpoint.h"
#include "target/explain.h"
#include "target/quarantine.h"
#include "target/rules.h"
#include "target/snapshot.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USERS, ORDERS, BAG, SHOP_A, SHOP_B, ONLY_KEY, NUMBERED, ADJUSTED, MIXED_A, MIXED_B, RELATIONS };

static const char SCHEMA_SQL[] =
    "SET client_min_messages = warning; DROP SCHEMA IF EXISTS rules CASCADE; CREATE SCHEMA rules;"
    "DROP SCHEMA IF EXISTS rules_state CASCADE;"
    "CREATE TABLE rules.people (id int PRIMARY KEY, mail text, phone text, note text, age smallint);"
    "CREATE TABLE rules.orders (id int PRIMARY KEY, country text, body text, is_deleted boolean DEFAULT false);"
    "CREATE TABLE rules.bag (id int, country text, body text);"
    "CREATE TABLE rules.items (id int, country text, body text, shop text, PRIMARY KEY (shop, id));"
    "CREATE TABLE rules.only_key (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);"
    "CREATE TABLE rules.mixed (id int PRIMARY KEY, country text, body text);"
    "CREATE TABLE rules.adjusted (id int PRIMARY KEY, mail text);"
    "CREATE TABLE rules.numbered (id text PRIMARY KEY, number int GENERATED ALWAYS AS IDENTITY);";

static const char *const in_list[] = {"DE", "AT"};
static const struct column_rule user_columns[] = {
    {.match = "email", .rename = "mail", .mask = MASK_HASH},
    {.match = "phone", .mask = MASK_NULL},
    {.match = "note", .mask = MASK_CONSTANT, .value = "it's masked"},
    {.match = "age", .cast_from = "numeric"},
    {.match = "secret*", .exclude = true},
};
static const struct column_rule adjusted_columns[] = {{.match = "e-mail", .rename = "mail", .mask = MASK_HASH},
                                                      {.match = "the-*", .exclude = true}};
static struct table_rule rules[] = {
    {.match = "source.users", .rename = "rules.people", .columns = user_columns, .column_count = 5},
    {.match = "source.orders",
     .rename = "rules.{table}",
     .filter = {.column = "country", .in = in_list, .in_count = 2}},
    {.match = "source.bag", .rename = "rules.bag", .filter = {.column = "country", .in = in_list, .in_count = 2}},
    {.match = "shop_*.items", .rename = "rules.items", .source_column = "shop", .source_value = "{schema}"},
    {.match = "source.adjusted",
     .rename = "rules.adjusted",
     .columns = adjusted_columns,
     .column_count = 2,
     .filter = {.column = "the-kind", .in = in_list, .in_count = 2}},
    {.match = "mixed_*.rows", .rename = "rules.mixed"},
    {.match = "source.*", .rename = "rules.{table}"},
};
static struct config config = {.file = "test.conf",
                               .stream.name = "s",
                               .target = {.schema = "rules_state", .is_deleted = "is_deleted", .deleted_at = ""},
                               .masking = {.salt = "pepper"},
                               .tables = rules,
                               .table_count = 7};

static const struct column columns_of_users[] = {
    {.name = "id", .encoding = ENCODING_NUMBER},  {.name = "email", .encoding = ENCODING_TEXT},
    {.name = "phone", .encoding = ENCODING_TEXT}, {.name = "note", .encoding = ENCODING_TEXT},
    {.name = "age", .encoding = ENCODING_NUMBER}, {.name = "secret_1", .encoding = ENCODING_TEXT},
};
static const struct column columns_of_orders[] = {{.name = "id", .encoding = ENCODING_NUMBER},
                                                  {.name = "country", .encoding = ENCODING_TEXT},
                                                  {.name = "body", .encoding = ENCODING_TEXT}};
static const struct column columns_of_numbered[] = {{.name = "id", .encoding = ENCODING_TEXT},
                                                    {.name = "number", .encoding = ENCODING_NUMBER}};
static const struct column columns_of_adjusted[] = {{.name = "id", .encoding = ENCODING_NUMBER},
                                                    {.name = "e_mail", .encoding = ENCODING_TEXT},
                                                    {.name = "the_kind", .encoding = ENCODING_TEXT}};
static const uint32_t first_column[1] = {0};
static struct collection collections[RELATIONS];
static struct relation relations[RELATIONS];

static struct arena *memory;
static struct pg_connection *connection;
static struct binding_cache *bindings;
static struct partition_list *partitions;
static struct plan *plan;
static struct row_sender *sender;
static struct transaction *first, *last;
static struct batch_counts counts;

static void make_relation(int number, const char *schema, const char *table, const struct column *columns,
                          uint32_t column_count, bool key)
{
	collections[number] =
	    (struct collection){.name = table, .schema = schema, .table = table, .number = (uint32_t)number};
	relations[number] = (struct relation){.collection = &collections[number],
	                                      .schema = schema,
	                                      .table = table,
	                                      .number = (uint32_t)number,
	                                      .column_count = column_count,
	                                      .columns = columns,
	                                      .key_count = key ? 1 : 0,
	                                      .key_columns = first_column,
	                                      .typed = true};
}

static void set_up(void)
{
	make_relation(USERS, "source", "users", columns_of_users, 6, true);
	make_relation(ORDERS, "source", "orders", columns_of_orders, 3, true);
	make_relation(BAG, "source", "bag", columns_of_orders, 3, false);
	make_relation(SHOP_A, "shop_a", "items", columns_of_orders, 3, true);
	make_relation(SHOP_B, "shop_b", "items", columns_of_orders, 3, true);
	make_relation(ONLY_KEY, "source", "only_key", columns_of_orders, 1, true);
	make_relation(NUMBERED, "source", "numbered", columns_of_numbered, 2, true);
	make_relation(ADJUSTED, "source", "adjusted", columns_of_adjusted, 3, true);
	make_relation(MIXED_A, "mixed_a", "rows", columns_of_orders, 3, true);
	make_relation(MIXED_B, "mixed_b", "rows", columns_of_orders, 3, true);
	relations[ADJUSTED].adjusted = true;
	rules[1].delete_mode = DELETE_HARD;
	memory = arena_new();
	connection = postgres_connect();
	postgres_execute(connection, SCHEMA_SQL);
	expect_no_error(checkpoint_install_schema(connection, "rules_state"));
	postgres_execute(connection, "INSERT INTO rules_state.stream (name, epoch) VALUES ('s', 1)");
	bindings = binding_cache_new(&config);
	binding_cache_forget(bindings, false);
	partitions = partition_list_new();
	partition_list_add(partitions, "p", 0);
	plan = plan_new();
	sender = row_sender_new();
	first = last = NULL;
}

static void tear_down(void)
{
	row_sender_free(sender);
	plan_free(plan);
	partition_list_free(partitions);
	binding_cache_free(bindings);
	pg_disconnect(connection);
	arena_free(memory);
}

/* "1|a|~|": by the relation's columns; ~ is unchanged, nothing is NULL. */
static const struct value *row(const struct relation *relation, const char *text)
{
	struct value *values = arena_alloc_zeroed(memory, 8 * sizeof(*values));

	for (uint32_t i = 0; text != NULL && i < relation->column_count; i++) {
		size_t length = strcspn(text, "|");

		if (length == 1 && *text == '~')
			values[i].kind = VALUE_UNCHANGED;
		else if (length > 0)
			values[i] = (struct value){arena_copy(memory, text, length), (uint32_t)length,
			                           relation->columns[i].encoding == ENCODING_NUMBER ? VALUE_NUMBER
			                                                                            : VALUE_STRING};
		text += length + (text[length] == '|');
	}
	return text == NULL ? NULL : values;
}

static void begin(void)
{
	struct transaction *transaction = arena_alloc_zeroed(memory, sizeof(*transaction));

	transaction->changes = arena_alloc_zeroed(memory, 4000 * sizeof(struct change *));
	if (last != NULL)
		last->next = transaction;
	else
		first = transaction;
	last = transaction;
}

static struct change *add(int relation, char operation, const char *before, const char *after)
{
	struct change *change = arena_alloc_zeroed(memory, sizeof(*change));

	*change = (struct change){.relation = &relations[relation],
	                          .operation = (uint8_t)operation,
	                          .before = row(&relations[relation], before),
	                          .after = row(&relations[relation], after)};
	last->changes[last->change_count++] = change;
	return change;
}

/* A key change: old row (at least its key), new row. */
static void move(int relation, const char *before, const char *after)
{
	add(relation, 'd', before, NULL)->other_key = row(&relations[relation], after);
	add(relation, 'c', NULL, after);
}

static struct error *apply_folded(const struct transaction *transaction, const struct transaction **next)
{
	size_t covered;

	TRY(plan_build(plan, bindings, connection, transaction, &covered));
	for (*next = transaction; covered > 0; covered--)
		*next = (*next)->next;
	return *next == transaction ? NULL : batch_apply_plan(sender, connection, plan, bindings, &counts);
}

/* What begin() and add() gathered; folded as far as it goes when `folded`. */
static struct error *try_apply(bool folded)
{
	const struct transaction *transaction = first;
	struct error *error = NULL;

	while (transaction != NULL && error == NULL) {
		const struct transaction *next = transaction;

		postgres_execute(connection, "BEGIN");
		if (folded)
			error = apply_folded(transaction, &next);
		if (error != NULL && error->class == ERROR_CONSTRAINT) {
			error_free(error);
			error = NULL;
			next = transaction;
			postgres_execute(connection, "ROLLBACK; BEGIN");
		}
		if (error == NULL && next == transaction) {
			error = batch_apply_strictly(sender, connection, bindings, partitions, transaction, &counts);
			next = transaction->next;
		}
		postgres_execute(connection, error == NULL ? "COMMIT" : "ROLLBACK");
		transaction = next;
	}
	first = last = NULL;
	return error;
}

static void apply(bool folded)
{
	counts = (struct batch_counts){0};
	expect_no_error(try_apply(folded));
}

static void expect_value(const char *sql, const char *expected)
{
	postgres_expect(connection, sql, expected);
}

#define ORDERS_SQL                                                                                                     \
	"SELECT coalesce(string_agg(id || country || coalesce(body, '-'), ' ' ORDER BY id), '') FROM rules.orders"
#define LIVE_SQL ORDERS_SQL " WHERE is_deleted IS NOT TRUE"
#define BAG_SQL                                                                                                        \
	"SELECT coalesce(string_agg(id || country || coalesce(body, '-'), ' ' ORDER BY id, body), '') FROM rules.bag"
#define ITEMS_SQL "SELECT coalesce(string_agg(shop || id || body, ' ' ORDER BY shop, id), '') FROM rules.items"

START_TEST(names_masks_and_casts)
{
	const char *all =
	    "SELECT string_agg(concat_ws('|', id, mail = encode(sha256(convert_to('pepper' || 'a@b.c', 'UTF8')),"
	    " 'hex'), coalesce(phone, '-'), note, age), ' ' ORDER BY id) FROM rules.people";

	begin();
	add(USERS, 'c', NULL, "1|a@b.c|123|x|41|s");
	add(USERS, 'r', NULL, "2||1||7.0|s");
	begin();
	add(USERS, 'u', NULL, "2|a@b.c|~|~|8|~");
	begin();
	add(USERS, 'u', NULL, "1|~|9|y|42|~");
	apply(_i == 1);
	expect_value(all, "1|t|-|it's masked|42 2|t|-|it's masked|8");
	begin();
	add(USERS, 'd', "1|||||", NULL);
	move(USERS, "2|||||", "3|~|~|~|9|~");
	apply(_i == 1);
	expect_value(all, "3|t|-|it's masked|9");
}
END_TEST

/* The connector rewrote the names to Avro's rules; the configuration has the source's. */
START_TEST(adjusted_names)
{
	struct change *const *kept;

	begin();
	add(ADJUSTED, 'c', NULL, "1|a@b.c|DE");
	add(ADJUSTED, 'c', NULL, "2|a@b.c|FR");
	kept = rules_mask_changes(&config, last->changes, 2, memory);
	ck_assert_int_eq(kept[0]->after[1].kind, VALUE_NATIVE);
	ck_assert_int_eq(kept[0]->after[2].kind, VALUE_STRING);
	apply(_i == 1);
	expect_value(
	    "SELECT string_agg(id || (mail = encode(sha256(convert_to('peppera@b.c', 'UTF8')), 'hex'))::text, ' ')"
	    " FROM rules.adjusted",
	    "1true");
}
END_TEST

/* COPY takes masks as well. */
START_TEST(many_rows)
{
	begin();
	for (int i = 0; i < 500; i++)
		add(SHOP_A, 'c', NULL, arena_format(memory, "%d|DE|b", i));
	apply(_i == 1);
	expect_value("SELECT count(*) || min(shop) || max(shop) FROM rules.items", "500shop_ashop_a");
}
END_TEST

START_TEST(the_filter_of_a_table_with_a_key)
{
	begin();
	add(ORDERS, 'c', NULL, "1|DE|a");
	add(ORDERS, 'c', NULL, "2|FR|b");
	add(ORDERS, 'c', NULL, "3||c");
	add(ORDERS, 'r', NULL, "4|AT|d");
	apply(_i == 1);
	expect_value(ORDERS_SQL, "1DEa 4ATd");
	ck_assert_uint_eq(counts.ignored, 2);
	begin(); /* out, in, neither, within; a row that leaves and comes back in one transaction */
	add(ORDERS, 'u', NULL, "1|FR|a");
	add(ORDERS, 'u', NULL, "2|DE|b2");
	add(ORDERS, 'u', NULL, "3|US|c");
	add(ORDERS, 'u', NULL, "4|FR|d");
	add(ORDERS, 'u', NULL, "4|DE|d2");
	apply(_i == 1);
	expect_value(ORDERS_SQL, "2DEb2 4DEd2");
	ck_assert_uint_eq(counts.rows_missing, 0);
	begin(); /* a delete whose old row has nothing but the key; a snapshot's row that is out now; within, TOASTed */
	add(ORDERS, 'd', "2||", NULL);
	add(ORDERS, 'd', "3||", NULL);
	add(ORDERS, 'c', NULL, "5|DE|e");
	begin();
	add(ORDERS, 'r', NULL, "4|FR|d");
	add(ORDERS, 'u', NULL, "5|AT|~");
	apply(_i == 1);
	expect_value(ORDERS_SQL, "5ATe");
	ck_assert_uint_eq(counts.rows_missing, 0);
	begin(); /* the filter's own column TOASTed: the row is there if it was */
	add(ORDERS, 'u', NULL, "5|~|e2");
	add(ORDERS, 'u', NULL, "6|~|f");
	apply(_i == 1);
	expect_value(ORDERS_SQL, "5ATe2");
	begin(); /* keys change within, out of, into the filter */
	add(ORDERS, 'c', NULL, "7|DE|g");
	move(ORDERS, "5||", "15|AT|~");
	move(ORDERS, "7||", "17|FR|g");
	move(ORDERS, "8||", "18|DE|h");
	move(ORDERS, "9||", "19|~|i");
	apply(_i == 1);
	expect_value(ORDERS_SQL, "15ATe2 18DEh");
	begin();
	add(ORDERS, 'u', NULL, "20|DE|~");
	expect_error(try_apply(_i == 1), ERROR_TARGET, NULL, "set REPLICA IDENTITY FULL at the source");
	begin();
	add(ORDERS, 't', NULL, NULL);
	apply(_i == 1);
	expect_value(ORDERS_SQL, "");
}
END_TEST

START_TEST(soft_deletes_under_a_filter)
{
	rules[1].delete_mode = DELETE_SOFT;
	begin();
	add(ORDERS, 'c', NULL, "1|DE|a");
	add(ORDERS, 'c', NULL, "2|DE|b");
	begin();
	add(ORDERS, 'u', NULL, "1|FR|a");
	move(ORDERS, "2||", "3|~|~");
	apply(_i == 1);
	expect_value(LIVE_SQL, "3DEb");
	expect_value(ORDERS_SQL, "1DEa 2DEb 3DEb");
	begin();
	add(ORDERS, 'u', NULL, "1|AT|c");
	apply(_i == 1);
	expect_value(LIVE_SQL, "1ATc 3DEb");
}
END_TEST

START_TEST(the_filter_of_a_table_without_a_key)
{
	begin();
	add(BAG, 'c', NULL, "1|DE|a");
	add(BAG, 'c', NULL, "1|FR|a");
	add(BAG, 'c', NULL, "1|DE|a");
	apply(_i == 1);
	expect_value(BAG_SQL, "1DEa 1DEa");
	begin();
	add(BAG, 'u', "1|DE|a", "1|FR|a"); /* out */
	add(BAG, 'u', "1|FR|a", "1|AT|b"); /* in */
	add(BAG, 'd', "1|FR|a", NULL);
	apply(_i == 1);
	expect_value(BAG_SQL, "1DEa 1ATb");
	ck_assert_uint_eq(counts.rows_missing, 0);
}
END_TEST

START_TEST(two_sources_share_a_table)
{
	begin();
	add(SHOP_A, 'c', NULL, "1|DE|x");
	add(SHOP_B, 'c', NULL, "1|DE|y");
	add(SHOP_B, 'c', NULL, "2|DE|z");
	begin();
	add(SHOP_A, 'u', NULL, "1|DE|x2");
	add(SHOP_B, 'd', "2||", NULL);
	apply(_i == 1);
	expect_value(ITEMS_SQL, "shop_a1x2 shop_b1y");
	begin();
	move(SHOP_B, "1||", "3|~|~");
	apply(_i == 1);
	expect_value(ITEMS_SQL, "shop_a1x2 shop_b3y");
	begin();
	add(SHOP_A, 't', NULL, NULL);
	apply(_i == 1);
	expect_value(ITEMS_SQL, "shop_b3y");
}
END_TEST

/* Whose rows go nobody can say, unless all go (partitions that are renamed to one table). */
START_TEST(a_truncate_of_one_of_two_tables_in_one_stops)
{
	struct error *error;

	begin();
	add(MIXED_A, 'c', NULL, "1|DE|x");
	add(MIXED_B, 'c', NULL, "2|DE|y");
	apply(_i == 1);
	postgres_execute(connection,
	                 "INSERT INTO rules_state.captured_table (stream, schema_name, table_name)"
	                 " VALUES ('s', 'mixed_a', 'rows'), ('s', 'mixed_b', 'rows'), ('s', 'source', 'bag')");
	begin();
	add(MIXED_A, 't', NULL, NULL);
	add(MIXED_A, 'c', NULL, "3|DE|z");
	add(MIXED_B, 't', NULL, NULL);
	error = try_apply(_i == 1);
	ck_assert_ptr_nonnull(error);
	ck_assert_msg(strstr(error->message, "TRUNCATE of mixed_a.rows: table rules.mixed of the target holds rows of "
	                                     "mixed_b.rows as well") != NULL,
	              "%s", error->message);
	error_free(error);
	expect_value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM rules.mixed", "1 2");
	begin();
	add(MIXED_A, 't', NULL, NULL);
	add(MIXED_B, 't', NULL, NULL);
	add(MIXED_B, 'c', NULL, "4|DE|z");
	apply(_i == 1);
	expect_value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM rules.mixed", "4");
}
END_TEST

/* Two tables that share one are folded together: their rows cannot meet. */
START_TEST(a_shared_table_is_folded)
{
	size_t covered;

	begin();
	add(SHOP_A, 'c', NULL, "1|DE|x");
	begin();
	add(SHOP_B, 'c', NULL, "1|DE|y");
	begin();
	add(SHOP_A, 'u', NULL, "1|DE|z");
	expect_no_error(plan_build(plan, bindings, connection, first, &covered));
	ck_assert_uint_eq(covered, 3);
	apply(true);
	expect_value(ITEMS_SQL, "shop_a1z shop_b1y");
}
END_TEST

/* GENERATED ALWAYS AS IDENTITY and nothing else: an upsert has nothing to update, an UPDATE may not touch the key. */
START_TEST(nothing_but_an_identity)
{
	const char *all = "SELECT coalesce(string_agg(id::text, ' ' ORDER BY id), '') FROM rules.only_key";

	begin();
	add(ONLY_KEY, 'c', NULL, "1");
	add(ONLY_KEY, 'c', NULL, "2");
	apply(_i == 1);
	begin(); /* the same again, as after a restart of the connector */
	add(ONLY_KEY, 'c', NULL, "1");
	add(ONLY_KEY, 'c', NULL, "2");
	add(ONLY_KEY, 'c', NULL, "2");
	begin();
	add(ONLY_KEY, 'r', NULL, "1");
	apply(_i == 1);
	expect_value(all, "1 2");
	begin();
	add(ONLY_KEY, 'd', "1", NULL);
	add(ONLY_KEY, 'c', NULL, "1");
	add(ONLY_KEY, 'u', NULL, "2");
	apply(_i == 1);
	expect_value(all, "1 2");
	begin();
	move(ONLY_KEY, "1", "5");
	apply(_i == 1);
	expect_value(all, "2 5");
	begin();
	for (int i = 0; i < 300; i++) /* by COPY, which meets a row that is there */
		add(ONLY_KEY, 'c', NULL, arena_format(memory, "%d", i));
	apply(_i == 1);
	expect_value("SELECT count(*)::text FROM rules.only_key", "300");
}
END_TEST

/* A key, and an identity that nothing can assign but an INSERT. */
START_TEST(a_key_and_an_identity)
{
	begin();
	add(NUMBERED, 'c', NULL, "a|7");
	apply(_i == 1);
	begin();
	add(NUMBERED, 'c', NULL, "a|7");
	begin();
	add(NUMBERED, 'u', NULL, "a|7");
	apply(_i == 1);
	begin();
	move(NUMBERED, "a|", "b|7");
	apply(_i == 1);
	expect_value("SELECT string_agg(id || number, ' ') FROM rules.numbered", "b7");
}
END_TEST

static void expect_refusal(int relation, struct table_rule rule, const char *part)
{
	const struct table_rule kept = rules[0];

	rule.match = rule.match != NULL ? rule.match : "*";
	rules[0] = rule;
	expect_no_error(binding_cache_refresh(bindings, connection));
	begin();
	add(relation, 'c', NULL, relation == USERS ? "1|a|b|c|5|d" : "1|DE|a");
	expect_error(try_apply(false), ERROR_TARGET, NULL, part);
	rules[0] = kept;
}

START_TEST(rules_that_the_target_refuses)
{
	const struct column_rule null_key[] = {{.match = "id", .mask = MASK_NULL}};
	const struct column_rule no_key[] = {{.match = "id", .exclude = true}};
	const struct column_rule twice[] = {{.match = "country", .rename = "body"}};
	const struct column_rule missing[] = {{.match = "country", .rename = "land"}};
	const struct column_rule hash[] = {{.match = "id", .mask = MASK_HASH}};
	const struct column_rule cast[] = {{.match = "email", .rename = "mail"},
	                                   {.match = "secret_1", .exclude = true},
	                                   {.match = "age", .cast_from = "point"}};
	const struct column_rule no_type[] = {{.match = "country", .cast_from = "nonsense"}};
	const struct column_rule key_cast[] = {{.match = "id", .cast_from = "bigint"}};

#define TO_ORDERS .rename = "rules.orders"
	expect_refusal(ORDERS, (struct table_rule){TO_ORDERS, .columns = null_key, .column_count = 1},
	               "it belongs to the key");
	expect_refusal(ORDERS, (struct table_rule){TO_ORDERS, .columns = no_key, .column_count = 1},
	               "a rule excludes it");
	expect_refusal(ORDERS, (struct table_rule){TO_ORDERS, .columns = twice, .column_count = 1},
	               "two columns of the source go into column \"body\" of the target");
	expect_refusal(ORDERS, (struct table_rule){TO_ORDERS, .columns = missing, .column_count = 1},
	               "has no column \"land\", which the source sends as \"country\"");
	expect_refusal(ORDERS, (struct table_rule){TO_ORDERS, .columns = hash, .column_count = 1}, "make it text");
	expect_refusal(BAG, (struct table_rule){.rename = "rules.bag", .columns = no_type, .column_count = 1},
	               "cast_from = \"nonsense\"");
	expect_refusal(USERS, (struct table_rule){.rename = "rules.people", .columns = cast, .column_count = 3},
	               "cast_from = \"point\", to smallint");
	expect_refusal(ORDERS, (struct table_rule){TO_ORDERS, .columns = key_cast, .column_count = 1},
	               "it belongs to the key");
	expect_refusal(ORDERS, (struct table_rule){TO_ORDERS, .source_column = "shop", .source_value = "x"},
	               "has no column \"shop\"");
	expect_refusal(ORDERS, (struct table_rule){TO_ORDERS, .source_column = "body", .source_value = "x"},
	               "the source has a column \"body\", too");
	expect_refusal(ORDERS,
	               (struct table_rule){TO_ORDERS, .filter = {.column = "land", .in = in_list, .in_count = 1}},
	               "the filter reads column \"land\"");
	expect_refusal(ORDERS, (struct table_rule){.rename = "rules.nothing"}, "the target has no table rules.nothing");
}
END_TEST

/* Fields of a flattened event that may be the transform's, or columns of the table. */
START_TEST(a_column_with_the_name_of_an_added_field)
{
	static const char *const taken[] = {"__op", "__ts_ms"};
	const struct column_rule out[] = {{.match = "__ts_ms", .exclude = true}};
	const struct column_rule renamed[] = {{.match = "__ts_ms", .rename = "since"}};
	const struct table_rule kept = rules[0];

	relations[ORDERS].taken = taken;
	relations[ORDERS].taken_count = 2;
	postgres_execute(connection, "ALTER TABLE rules.orders ADD COLUMN since bigint");
	expect_refusal(ORDERS, (struct table_rule){TO_ORDERS, .columns = renamed, .column_count = 1},
	               "field \"__ts_ms\"");
	postgres_execute(connection, "ALTER TABLE rules.orders ADD COLUMN __ts_ms bigint");
	expect_refusal(ORDERS, (struct table_rule){TO_ORDERS}, "set decoding.added_fields");
	expect_value(ORDERS_SQL, "");
	rules[0] = (struct table_rule){TO_ORDERS, .match = "source.orders", .columns = out, .column_count = 1};
	expect_no_error(binding_cache_refresh(bindings, connection));
	begin();
	add(ORDERS, 'c', NULL, "1|DE|a");
	expect_no_error(try_apply(false));
	rules[0] = kept;
	expect_value("SELECT body || (__ts_ms IS NULL) FROM rules.orders", "atrue");
}
END_TEST

START_TEST(a_column_of_the_source_with_the_name_of_the_deleted_mark)
{
	const char *is_deleted = config.target.is_deleted;

	config.target.is_deleted = "country";
	expect_refusal(ORDERS, (struct table_rule){TO_ORDERS, .delete_mode = DELETE_SOFT},
	               "the source has a column \"country\", too");
	config.target.is_deleted = is_deleted;
}
END_TEST

/* A mask with a wrong name hides nothing, so no row may go by it. A pattern, or a rule for many tables, may match none. */
START_TEST(an_entry_that_matches_no_column)
{
	const struct column_rule wrong[] = {{.match = "country", .mask = MASK_NULL},
	                                    {.match = "bodi", .mask = MASK_NULL, .line = 7}};
	const struct column_rule pattern[] = {{.match = "bodi*", .mask = MASK_NULL}};
	const struct table_rule kept = rules[0];

	expect_refusal(ORDERS,
	               (struct table_rule){TO_ORDERS, .match = "source.orders", .columns = wrong, .column_count = 2},
	               "columns: match = \"bodi\" (test.conf:7) matches no column");
	expect_value(ORDERS_SQL, "");
	rules[0] = (struct table_rule){TO_ORDERS, .match = "source.orders", .columns = pattern, .column_count = 1};
	expect_no_error(binding_cache_refresh(bindings, connection));
	begin();
	add(ORDERS, 'c', NULL, "1|DE|a");
	expect_no_error(try_apply(false));
	rules[0] = (struct table_rule){TO_ORDERS, .match = "source.*", .columns = wrong, .column_count = 2};
	expect_no_error(binding_cache_refresh(bindings, connection));
	begin();
	add(ORDERS, 'u', NULL, "1|DE|b");
	expect_no_error(try_apply(false));
	rules[0] = kept;
	expect_value("SELECT country IS NULL AND body = 'b' FROM rules.orders", "t");
}
END_TEST

static const char *no_topic(void *context, uint32_t number, int32_t *partition)
{
	(void)context;
	(void)number;
	*partition = 0;
	return "t";
}

/* What the quarantine keeps holds no masked value, and is applied to the same effect. */
START_TEST(what_is_kept_is_masked)
{
	const struct change_places places = {.topic = no_topic};
	struct change *const *kept;
	char *json = NULL;

	begin();
	add(USERS, 'c', NULL, "1|a@b.c|12345|plain|41|hidden");
	kept = rules_mask_changes(&config, last->changes, 1, memory);
	expect_no_error(change_json_write(kept, 1, &places, &json));
	ck_assert_ptr_null(strstr(json, "a@b.c"));
	ck_assert_ptr_null(strstr(json, "12345"));
	ck_assert_ptr_null(strstr(json, "plain"));
	ck_assert_ptr_null(strstr(json, "hidden"));
	ck_assert_ptr_nonnull(strstr(json, "native"));
	free(json);
	last->changes[0] = kept[0];
	apply(_i == 1);
	expect_value(
	    "SELECT (mail = encode(sha256(convert_to('peppera@b.c', 'UTF8')), 'hex'))::text || age FROM rules.people",
	    "true41");
}
END_TEST

#define UNVERIFIED_SQL                                                                                                 \
	"SELECT coalesce(string_agg(schema_name || '.' || table_name || ' ' || reason, ', ' ORDER BY 1), '')"          \
	" FROM rules_state.unverified"

/* The rows of a snapshot, with what becomes of them, in one target transaction. */
static void apply_snapshot(struct snapshot *snapshot, bool complete)
{
	uint64_t discarded;
	bool changed;

	postgres_execute(connection, "BEGIN");
	expect_no_error(snapshot_prepare(snapshot, connection, bindings, first, 1, &discarded, &changed));
	expect_no_error(batch_apply_strictly(sender, connection, bindings, partitions, first, &counts));
	expect_no_error(snapshot_note(snapshot, connection, first));
	if (complete)
		expect_no_error(snapshot_complete(snapshot, connection, &first->snapshot));
	postgres_execute(connection, "COMMIT");
	first = last = NULL;
}

/* A snapshot removes nothing. Unverified are tables that hold rows: of this source, that the filter admits, not an heir's. */
START_TEST(a_snapshot_removes_nothing)
{
	struct snapshot *snapshot = snapshot_new(&config);

	postgres_execute(connection,
	                 "INSERT INTO rules.items VALUES (2, 'DE', 'old', 'shop_a'), (1, 'DE', 'old', 'shop_c');"
	                 "CREATE TABLE rules.heir () INHERITS (rules.items);"
	                 "INSERT INTO rules.heir VALUES (7, 'DE', 'own', 'shop_b');"
	                 "INSERT INTO rules.orders VALUES (3, 'FR', 'mine')");
	begin();
	last->snapshot = (struct snapshot_identity){700, 0x100};
	add(SHOP_A, 'r', NULL, "1|DE|new");
	add(SHOP_B, 'r', NULL, "1|DE|new");
	add(ORDERS, 'r', NULL, "1|DE|new");
	add(ORDERS, 'r', NULL, "4|FR|new");
	apply_snapshot(snapshot, true);
	expect_value(ITEMS_SQL, "shop_a1new shop_a2old shop_b1new shop_b7own shop_c1old");
	expect_value(ORDERS_SQL, "1DEnew 3FRmine");
	/* shop_b's table had no row of its own; but tables inherit from it, and a snapshot contains their rows. */
	expect_value(UNVERIFIED_SQL, "shop_a.items snapshot, shop_b.items snapshot");

	/* Of the next one shop_b has no row: what the target holds of it may be gone at the source. */
	begin();
	last->snapshot = (struct snapshot_identity){701, 0x200};
	add(SHOP_A, 'r', NULL, "1|DE|newer");
	apply_snapshot(snapshot, true);
	expect_value(ITEMS_SQL, "shop_a1newer shop_a2old shop_b1new shop_b7own shop_c1old");
	expect_value(UNVERIFIED_SQL, "shop_a.items snapshot, shop_b.items snapshot, source.orders snapshot");
	snapshot_free(snapshot);
}
END_TEST

/* The only column is GENERATED ALWAYS AS IDENTITY: the upsert writes nothing, and the rows stay. */
START_TEST(a_snapshot_of_nothing_but_an_identity)
{
	struct snapshot *snapshot = snapshot_new(&config);

	postgres_execute(connection, "INSERT INTO rules.only_key OVERRIDING SYSTEM VALUE VALUES (1), (2), (3)");
	begin();
	last->snapshot = (struct snapshot_identity){700, 0x100};
	add(ONLY_KEY, 'r', NULL, "1");
	add(ONLY_KEY, 'r', NULL, "2");
	apply_snapshot(snapshot, true);
	expect_value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM rules.only_key", "1 2 3");
	expect_value(UNVERIFIED_SQL, "source.only_key snapshot");
	snapshot_free(snapshot);
}
END_TEST

/* Messages of a transaction become rows, once, in both ways of applying; or are left out and counted. */
START_TEST(logical_messages)
{
	static const struct column message_columns[] = {{.name = "prefix", .encoding = ENCODING_TEXT},
	                                                {.name = "content", .encoding = ENCODING_BYTES}};
	static const struct collection collection = {.name = "message",
	                                             .schema = "",
	                                             .table = "",
	                                             .number = 20,
	                                             .message = true};
	static const struct relation relation = {.collection = &collection,
	                                         .schema = "",
	                                         .table = "message",
	                                         .number = 20,
	                                         .column_count = 2,
	                                         .columns = message_columns,
	                                         .typed = true};
	const char *all =
	    "SELECT coalesce(string_agg(concat_ws('|', lsn, tx_id, prefix, convert_from(content, 'UTF8')), ' '"
	    " ORDER BY lsn), '') FROM rules_state.message";

	for (int i = 0; i < 3; i++) { /* ignored, written, written again */
		config.stream.messages = i > 0 ? MESSAGES_TABLE : MESSAGES_IGNORE;
		begin();
		add(SHOP_A, 'r', NULL, "1|DE|x");
		for (int m = 0; m < 3; m++) { /* the third is a fence of ours */
			struct change *message = arena_alloc_zeroed(memory, sizeof(*message));
			struct value *values = arena_alloc_zeroed(memory, 2 * sizeof(*values));

			values[0] = m == 2 ? (struct value){"replicator", 10, VALUE_STRING}
			                   : (struct value){"p\"p", 3, VALUE_STRING};
			values[1] = (struct value){m == 0 ? "w6Q=" : "", m == 0 ? 4 : 0, VALUE_STRING};
			*message = (struct change){.relation = &relation,
			                           .operation = CHANGE_MESSAGE,
			                           .after = values,
			                           .tx_id = 5,
			                           .lsn = 256 + (uint64_t)m};
			last->changes[last->change_count++] = message;
		}
		apply(_i == 1);
		ck_assert_uint_eq(counts.ignored, i == 0 ? 3 : 0);
		expect_value(all, i == 0 ? "" : "0/100|5|p\"p|ä 0/101|5|p\"p|");
	}
}
END_TEST

static void expect_explained(const struct change *change, const char *part, const char *absent)
{
	struct buffer text = {0};

	expect_no_error(explain_change(sender, connection, bindings, change, &text));
	ck_assert_msg(strstr(text.data, part) != NULL, "\"%s\" is not in: %s", part, text.data);
	ck_assert_msg(absent == NULL || strstr(text.data, absent) == NULL, "\"%s\" is in: %s", absent, text.data);
	buffer_free(&text);
}

/* `peek --explain` says what the rules do, too. */
START_TEST(what_is_explained)
{
	struct change message = {.relation = &relations[BAG], .operation = CHANGE_MESSAGE};

	begin();
	expect_explained(add(SHOP_A, 'c', NULL, "1|DE|x"), "{shop_a}", NULL);
	expect_explained(add(SHOP_A, 'u', NULL, "1|DE|~"), "unchanged TOAST", "\"body\"");
	expect_explained(add(SHOP_A, 't', NULL, NULL), "\"shop\" = 'shop_a'", NULL);
	expect_explained(add(ORDERS, 'c', NULL, "1|DE|x"), "INSERT INTO", NULL);
	expect_explained(add(ORDERS, 'c', NULL, "1|FR|x"), "outside", "INSERT");
	expect_explained(add(ORDERS, 'u', NULL, "1|FR|x"), "DELETE FROM", "UPDATE");
	expect_explained(add(ORDERS, 't', NULL, NULL), "ARRAY['DE', 'AT']", NULL);
	expect_explained(add(ORDERS, 'd', "|DE|x", NULL), "$2 = {DE}", NULL);
	expect_explained(add(ORDERS, 'u', "|DE|x", "|DE|y"), "LIMIT 1) AS one", "DELETE FROM");
	expect_explained(add(BAG, 'd', "1|FR|x", NULL), "nothing", "DELETE");
	expect_explained(add(BAG, 'u', "1|FR|x", "1|DE|x"), "INSERT INTO", "DELETE");
	config.stream.messages = MESSAGES_TABLE;
	expect_explained(&message, "state table", "nothing");
	config.stream.messages = MESSAGES_IGNORE;
	expect_explained(&message, "nothing", NULL);
	first = last = NULL;
}
END_TEST

/* A source in memory: rows of one table with a filter, random changes of them, each as the connector reports it. */

#define IDS 12
static struct {
	bool alive, in;
	int body;
} model[IDS];

static const char *country(bool in)
{
	static const char *const out[] = {"FR", "", "DEU"};

	return in ? in_list[random() % 2] : out[random() % 3];
}

static const char *model_row(int id, const char *of_country, int body)
{
	return arena_format(memory, "%d|%s|%d", id, of_country, body);
}

static void model_update(int id)
{
	bool was_in = model[id].in;
	bool unchanged = random() % 4 == 0; /* of a column that is TOASTed, the filter's or the other one */

	if (unchanged && random() % 2 == 0) {
		model[id].body = (int)(random() % 1000);
		add(ORDERS, 'u', NULL, model_row(id, "~", model[id].body));
		return;
	}
	model[id].in = random() % 2 == 0;
	if (unchanged && (was_in || !model[id].in)) { /* REPLICA IDENTITY FULL fills it where a row comes in */
		add(ORDERS, 'u', NULL, arena_format(memory, "%d|%s|~", id, country(model[id].in)));
		return;
	}
	model[id].body = (int)(random() % 1000);
	add(ORDERS, 'u', NULL, model_row(id, country(model[id].in), model[id].body));
}

static void model_move(int id, int to)
{
	bool keeps = random() % 3 == 0;

	model[to] = model[id];
	model[id].alive = false;
	if (!keeps) {
		model[to].in = random() % 2 == 0;
		model[to].body = (int)(random() % 1000);
	}
	move(ORDERS, model_row(id, "", 0), model_row(to, keeps ? "~" : country(model[to].in), model[to].body));
}

static void model_step(void)
{
	int id = (int)(random() % IDS), to = (int)(random() % IDS);

	if (!model[id].alive) {
		model[id].alive = true;
		model[id].in = random() % 2 == 0;
		model[id].body = (int)(random() % 1000);
		add(ORDERS, random() % 5 == 0 ? 'r' : 'c', NULL, model_row(id, country(model[id].in), model[id].body));
	} else if (random() % 5 == 0) {
		model[id].alive = false;
		add(ORDERS, 'd', arena_format(memory, "%d||", id), NULL);
	} else if (random() % 6 == 0 && !model[to].alive) {
		model_move(id, to);
	} else {
		model_update(id);
	}
}

static const char *model_text(void)
{
	const char *text = "";

	for (int id = 0; id < IDS; id++)
		if (model[id].alive && model[id].in)
			text = arena_format(memory, "%s%s%d:%d", text, *text == '\0' ? "" : " ", id, model[id].body);
	return text;
}

START_TEST(random_changes_under_a_filter)
{
	const char *seed_text = getenv("SEED");
	unsigned seed = seed_text != NULL ? (unsigned)atoi(seed_text) : (unsigned)clock_wall_us() % 1000000;

	printf("test_rules: SEED=%u\n", seed);
	fflush(stdout);
	srandom(seed + (unsigned)_i);
	memset(model, 0, sizeof(model));
	rules[1].delete_mode = _i < 2 ? DELETE_HARD : DELETE_SOFT;
	expect_no_error(binding_cache_refresh(bindings, connection));
	for (int batch = 0; batch < 60; batch++) {
		for (long transactions = 1 + random() % 4; transactions > 0; transactions--) {
			begin();
			for (long steps = 1 + random() % 6; steps > 0; steps--)
				model_step();
		}
		apply(_i % 2 == 1);
		expect_value("SELECT coalesce(string_agg(id || ':' || body, ' ' ORDER BY id), '') FROM rules.orders"
		             " WHERE is_deleted IS NOT TRUE",
		             model_text());
		ck_assert_uint_eq(counts.rows_missing, 0);
	}
}
END_TEST

static void expect_applied(void *context, const struct quarantine_outcome *outcome)
{
	(void)context;
	expect_no_error(outcome->error);
	ck_assert(!outcome->follows);
}

/* The whole way through the quarantine: what waits there is masked, and applied to the same effect. */
START_TEST(the_quarantine_keeps_masked_values)
{
	struct quarantine *quarantine = quarantine_new(&config);
	struct error *reason = error_new(ERROR_TARGET, "refused");
	size_t run;

	begin();
	last->tx_id = 9;
	add(USERS, 'c', NULL, "1|a@b.c|12345|plain|41|hidden");
	postgres_execute(connection, "BEGIN");
	expect_no_error(quarantine_put(quarantine, connection, bindings, partitions, first, reason));
	postgres_execute(connection, "COMMIT");
	expect_no_error(quarantine_load(quarantine, connection));
	expect_no_error(quarantine_clear_run(quarantine, connection, first, &run));
	ck_assert_uint_eq(run, 0);
	expect_value("SELECT count(*) || '/' || count(*) FILTER (WHERE q::text ~ 'a@b|12345|plain|hidden') FROM"
	             " rules_state.quarantine q",
	             "1/0");
	expect_no_error(quarantine_retry(connection, &config, 0, expect_applied, NULL));
	expect_value(
	    "SELECT concat_ws('|', mail = encode(sha256(convert_to('peppera@b.c', 'UTF8')), 'hex'), phone, note, age)"
	    " FROM rules.people",
	    "t|it's masked|41");
	error_free(reason);
	quarantine_free(quarantine);
	first = last = NULL;
}
END_TEST

/* Set aside before the masks and the salt: the clear values go, and a later transaction of the row still follows. */
START_TEST(the_quarantine_takes_over_new_masks)
{
	const struct table_rule kept = rules[0];
	const char *salt = config.masking.salt;
	struct quarantine *quarantine, *later;
	struct error *reason = error_new(ERROR_TARGET, "refused");
	size_t run;

	rules[0] = (struct table_rule){.match = "source.users", .rename = "rules.people"};
	config.masking.salt = NULL;
	quarantine = quarantine_new(&config);
	begin();
	last->tx_id = 9;
	add(ORDERS, 'c', NULL, "1|DE|a");
	add(USERS, 'c', NULL, "1|a@b.c|12345|plain|41|hidden");
	postgres_execute(connection, "BEGIN");
	expect_no_error(quarantine_put(quarantine, connection, bindings, partitions, first, reason));
	postgres_execute(connection, "COMMIT");
	expect_no_error(quarantine_mask_again(connection, &config));
	expect_value("SELECT count(*) FROM rules_state.quarantine q WHERE q::text ~ 'a@b' AND q.keys::text ~ 'orders#'",
	             "1");

	rules[0] = kept;
	config.masking.salt = salt;
	expect_no_error(quarantine_mask_again(connection, &config));
	expect_no_error(quarantine_mask_again(connection, &config));
	expect_value("SELECT count(*) FROM rules_state.quarantine q WHERE q::text ~ 'a@b|12345|plain|hidden'", "0");
	expect_value("SELECT array_to_string(ARRAY(SELECT unnest(keys) ORDER BY 1), ' ') FROM rules_state.quarantine",
	             "source.orders source.orders* source.users source.users*");
	later = quarantine_new(&config);
	expect_no_error(quarantine_load(later, connection));
	expect_no_error(quarantine_clear_run(later, connection, first, &run));
	ck_assert_uint_eq(run, 0);
	expect_no_error(binding_cache_refresh(bindings, connection));
	expect_no_error(quarantine_retry(connection, &config, 0, expect_applied, NULL));
	expect_value(
	    "SELECT concat_ws('|', mail = encode(sha256(convert_to('peppera@b.c', 'UTF8')), 'hex'), phone, note, age)"
	    " FROM rules.people",
	    "t|it's masked|41");
	error_free(reason);
	quarantine_free(quarantine);
	quarantine_free(later);
}
END_TEST

static void nothing(void *context)
{
	(void)context;
}

static void count_nothing(uint32_t collection, void *context)
{
	(void)collection;
	(void)context;
}

/* A transaction in a file, of one change. */
static struct transaction *large_transaction(void)
{
	struct alignment alignment = {.restart = nothing, .count = count_nothing};
	struct transaction *large = transaction_new(TRANSACTION_STREAMED);
	struct slab_account account = {0};
	struct slab_writer writer;
	struct change *change;

	slab_writer_init(&writer, &account);
	change = slab_reserve(&writer, sizeof(*change));
	*change = (struct change){.relation = &relations[USERS],
	                          .operation = CHANGE_TRUNCATE,
	                          .lsn = 1,
	                          .total_order = 1,
	                          .bytes = sizeof(*change)};
	change->slab = slab_commit(&writer, sizeof(*change));
	expect_no_error(spill_open("/tmp", 1 << 20, &large->spill));
	expect_no_error(spill_add(large->spill, change));
	expect_no_error(spill_align(large->spill, &alignment));
	spill_seal(large->spill);
	slab_writer_close(&writer);
	return large;
}

/* A standby instance ends the session of one that sends no statement for long; reading a spill file takes long. */
START_TEST(reading_a_spill_file_shows_life)
{
	struct quarantine *quarantine = quarantine_new(&config);
	struct error *reason = error_new(ERROR_TARGET, "refused");
	struct pg_connection *other = postgres_connect();
	struct transaction *large = large_transaction();
	char *pid = postgres_value(connection, "SELECT pg_backend_pid()");
	char *sql = memory_format("SELECT query FROM pg_stat_activity WHERE pid = %s", pid);
	size_t run;

	begin();
	add(USERS, 'c', NULL, "1|a@b.c|12345|plain|41|hidden");
	postgres_execute(connection, "BEGIN");
	expect_no_error(quarantine_put(quarantine, connection, bindings, partitions, first, reason));
	expect_no_error(quarantine_clear_run(quarantine, connection, large, &run));
	ck_assert_uint_eq(run, 0);
	postgres_expect(other, sql, "SELECT /* still at work */");
	postgres_execute(connection, "ROLLBACK");
	pg_disconnect(other);
	transaction_free(large);
	free(pid);
	free(sql);
	error_free(reason);
	quarantine_free(quarantine);
	first = last = NULL;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rules");
	TCase *tests = tcase_create("rules");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, names_masks_and_casts, 0, 2);
	tcase_add_loop_test(tests, adjusted_names, 0, 2);
	tcase_add_loop_test(tests, many_rows, 0, 2);
	tcase_add_loop_test(tests, the_filter_of_a_table_with_a_key, 0, 2);
	tcase_add_loop_test(tests, soft_deletes_under_a_filter, 0, 2);
	tcase_add_loop_test(tests, the_filter_of_a_table_without_a_key, 0, 2);
	tcase_add_loop_test(tests, two_sources_share_a_table, 0, 2);
	tcase_add_loop_test(tests, a_truncate_of_one_of_two_tables_in_one_stops, 0, 2);
	tcase_add_test(tests, a_shared_table_is_folded);
	tcase_add_loop_test(tests, nothing_but_an_identity, 0, 2);
	tcase_add_loop_test(tests, a_key_and_an_identity, 0, 2);
	tcase_add_test(tests, rules_that_the_target_refuses);
	tcase_add_test(tests, an_entry_that_matches_no_column);
	tcase_add_test(tests, a_column_with_the_name_of_an_added_field);
	tcase_add_test(tests, a_column_of_the_source_with_the_name_of_the_deleted_mark);
	tcase_add_loop_test(tests, random_changes_under_a_filter, 0, 4);
	tcase_add_test(tests, the_quarantine_keeps_masked_values);
	tcase_add_test(tests, the_quarantine_takes_over_new_masks);
	tcase_add_test(tests, a_snapshot_removes_nothing);
	tcase_add_test(tests, a_snapshot_of_nothing_but_an_identity);
	tcase_add_test(tests, reading_a_spill_file_shows_life);
	tcase_add_loop_test(tests, logical_messages, 0, 2);
	tcase_add_test(tests, what_is_explained);
	tcase_add_loop_test(tests, what_is_kept_is_masked, 0, 2);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
