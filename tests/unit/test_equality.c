/*
 * test_equality.c - keys of every type that a unique index takes: rows are found by the equality of the index, through
 * the index, by set-wise statements and change by change.
 *
 * Rows of tables without a key are found by all of their values, each by the equality of its type.
 *
 * NOTES
 *   The list of types is complete: the test compares it with the operator classes of the server. Types of extensions
 *   are in schema public of one database, and in a schema that needs quotes in another one.
 */
#include "base/arena.h"
#include "base/memory.h"
#include "postgres.h"
#include "target/batch.h"
#include "target/checkpoint.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ID, V, BIG, COLUMNS };
enum { KEYS = 4 };

/* Four values of each type; `alike`: another text of the first one, or NULL. */
static const struct type_case {
	const char *name;
	const char *keys[KEYS];
	const char *alike;
} types[] = {
    {"bit", {"0", "1", NULL, NULL}, NULL},
    {"bool", {"f", "t", NULL, NULL}, NULL},
    {"bpchar", {"a", "B", "c d", "{,}\"\\"}, "a  "},
    {"bytea", {"\\x00", "\\x01", "\\x", "\\xff"}, NULL},
    {"char", {"a", "b", "c", "d"}, NULL},
    {"cidr", {"10.0.0.0/8", "10.1.0.0/16", "::/0", "192.168.1.0/24"}, NULL},
    {"date", {"2026-11-30", "0001-01-01 BC", "infinity", "1999-12-31"}, NULL},
    {"float4", {"0", "NaN", "1.5", "Infinity"}, "-0"},
    {"float8", {"0", "NaN", "0.1", "-Infinity"}, "-0"},
    {"inet", {"10.0.0.1", "10.0.0.1/8", "::1", "10.0.0.2"}, NULL},
    {"int2", {"1", "2", "3", "-4"}, NULL},
    {"int4", {"1", "2", "3", "-4"}, NULL},
    {"int8", {"1", "2", "3", "-4"}, NULL},
    {"int2vector", {"1 2", "", "3", "1 2 3"}, NULL},
    {"interval", {"P1M", "PT1S", "P-1D", "P1Y"}, "P30D"},
    {"jsonb", {"{\"a\": 1.0}", "null", "\"x\"", "[1, 2]"}, "{\"a\": 1.00}"},
    {"macaddr", {"08:00:2b:01:02:03", "08:00:2b:01:02:04", "08:00:2b:01:02:05", "08:00:2b:01:02:06"}, NULL},
    {"macaddr8",
     {"08:00:2b:01:02:03:04:05", "08:00:2b:01:02:03:04:06", "08:00:2b:01:02:03:04:07", "08:00:2b:01:02:03:04:08"},
     NULL},
    {"money", {"1.00", "2.50", "-3.00", "0.00"}, NULL},
    {"name", {"a", "A", "b", ""}, NULL},
    {"numeric", {"1.0", "NaN", "2.50", "-3"}, "1.00"},
    {"oid", {"1", "2", "3", "4294967295"}, NULL},
    {"oidvector", {"1 2", "", "3", "1 2 3"}, NULL},
    {"pg_lsn", {"0/1", "0/2", "1/0", "0/16B374D8"}, NULL},
    {"regclass", {"pg_type", "pg_class", "pg_index", "pg_proc"}, NULL},
    {"text", {"a", "A", "", "{,}\"\\"}, NULL},
    {"tid", {"(0,1)", "(0,2)", "(1,1)", "(1,2)"}, NULL},
    {"time", {"00:00:00", "24:00:00", "12:00:00.5", "12:00:00"}, NULL},
    {"timestamp", {"2026-11-30 00:00:00", "infinity", "0044-03-15 00:00:00 BC", "1999-12-31 23:59:59.999999"}, NULL},
    {"timestamptz",
     {"2026-11-30 00:00:00+00", "infinity", "-infinity", "1999-12-31 23:59:59.999999+00"},
     "2026-11-30 02:00:00+02"},
    {"timetz", {"00:00:00+00", "12:00:00+02", "10:00:00+00", "12:00:00+00"}, NULL},
    {"tsquery", {"'a'", "'b'", "'a' & 'b'", "'c'"}, NULL},
    {"tsvector", {"'a'", "'b'", "'a':1", "'a' 'b'"}, NULL},
    {"uuid",
     {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12",
      "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a14"},
     NULL},
    {"varbit", {"0", "1", "", "101"}, NULL},
    {"varchar", {"a", "A", "", "null"}, NULL},
    {"xid8", {"1", "2", "3", "18446744073709551615"}, NULL},
    /* enums, ranges, multiranges and composites stand for all of their kind */
    {"eq_mood", {"sad", "ok", "happy, \"very\"", ""}, NULL},
    {"int4range", {"[1,5)", "empty", "[1,)", "(,)"}, "[1,4]"},
    {"numrange", {"[1.0,2.0)", "empty", "[1.0,)", "(,)"}, "[1.00,2.0)"},
    {"tstzrange", {"empty", "[\"2026-11-30 00:00:00+00\",)", "(,)", "(,\"2026-11-30 00:00:00+00\"]"}, NULL},
    {"int8multirange", {"{[1,5)}", "{}", "{[1,2),[3,4)}", "{(,)}"}, "{[1,3),[3,4]}"},
    {"eq_pair", {"(1.0,a)", "(2,)", "(,\"x,y\")", "(3,\"\")"}, "(1.00,a)"},
    /* contrib */
    {"citext", {"a", "B", "", "{,}\"\\"}, "A"},
    {"cube", {"(1, 2)", "(1, 2),(3, 4)", "(0)", "(5, 6, 7)"}, NULL},
    {"earth", {"(6378168, 0, 0)", "(0, 6378168, 0)", "(0, 0, 6378168)", "(0, 0, -6378168)"}, NULL},
    {"hstore", {"\"a\"=>\"1\"", "", "\"a\"=>NULL", "\"a\"=>\"1\", \"b\"=>\"2\""}, NULL},
    {"ean13", {"978-0-393-04002-9", "978-0-11-000533-1", "979-0-2600-0043-8", "977-1436-452-00-8"}, NULL},
    {"isbn", {"0-393-04002-X", "0-11-000533-3", NULL, NULL}, NULL},
    {"isbn13", {"978-0-393-04002-9", "978-0-11-000533-1", NULL, NULL}, NULL},
    {"ismn", {"M-2600-0043-8", "M-001-12345-7", NULL, NULL}, NULL},
    {"ismn13", {"979-0-2600-0043-8", "979-0-001-12345-7", NULL, NULL}, NULL},
    {"issn", {"1436-4522", "0378-5955", NULL, NULL}, NULL},
    {"issn13", {"977-1436-452-00-8", "977-0378-595-00-2", NULL, NULL}, NULL},
    {"upc", {"0-12345-67890-5", "0-36000-29145-2", NULL, NULL}, NULL},
    {"lo", {"1", "2", "3", "4"}, NULL},
    {"ltree", {"a.b", "a", "", "a.b.c"}, NULL},
    {"seg", {"1.0", "1 .. 2", "< 3", "7(+-)1"}, NULL},
    {"geometry", {"POINT(1 2)", "POINT(2 1)", "LINESTRING(0 0,1 2)", "SRID=4326;POINT(1 2)"}, NULL},
    {"geography", {"POINT(1 2)", "POINT(2 1)", "LINESTRING(0 0,1 2)", "POINT(1 3)"}, NULL},
};
enum { TYPES = sizeof(types) / sizeof(types[0]), FIRST_OF_EXTENSIONS = TYPES - 17 };

/* What a key's type can be made of such a type: "%s" is the type. */
enum shape { PLAIN, DOMAIN, ARRAY, COMPOSITE, SHAPES };

static const char CONTRIB_SQL[] = "CREATE EXTENSION citext SCHEMA %1$s; CREATE EXTENSION ltree SCHEMA %1$s;"
                                  "CREATE EXTENSION hstore SCHEMA %1$s; CREATE EXTENSION cube SCHEMA %1$s;"
                                  "CREATE EXTENSION earthdistance SCHEMA %1$s; CREATE EXTENSION seg SCHEMA %1$s;"
                                  "CREATE EXTENSION isn SCHEMA %1$s; CREATE EXTENSION lo SCHEMA %1$s;"
                                  "CREATE EXTENSION postgis SCHEMA %1$s";
static const char OWN_SQL[] = "CREATE SCHEMA eq; CREATE TYPE eq.eq_mood AS ENUM ('sad', 'ok', 'happy, \"very\"', '');"
                              "CREATE TYPE eq.eq_pair AS (a numeric, b text);";

static const struct config config = {.stream = {.name = "eq"}, .target = {.schema = "eq_state"}};
static const struct column columns[COLUMNS] = {{.name = "id", .schema_name = "", .encoding = ENCODING_UNTOLD},
                                               {.name = "v", .schema_name = "", .encoding = ENCODING_TEXT},
                                               {.name = "big", .schema_name = "", .encoding = ENCODING_TEXT}};
static const uint32_t key_columns[1] = {ID};
static const struct collection collection = {.name = "eq.t", .schema = "eq", .table = "t"};
static const struct relation relation = {.collection = &collection,
                                         .schema = "eq",
                                         .table = "t",
                                         .column_count = COLUMNS,
                                         .columns = columns,
                                         .key_count = 1,
                                         .key_columns = key_columns};

static const struct collection bag_collection = {.name = "eq.bag", .schema = "eq", .table = "bag", .number = 1};
static const struct relation bag = {.collection = &bag_collection,
                                    .schema = "eq",
                                    .table = "bag",
                                    .number = 1,
                                    .column_count = COLUMNS,
                                    .columns = columns};

static struct arena *memory;
static struct pg_connection *connection;
static struct binding_cache *bindings;
static struct partition_list *partitions;
static struct plan *plan;
static struct row_sender *sender;
static unsigned long planned;
static const char *label; /* of the current case */

static void open_target(struct pg_connection *opened)
{
	connection = opened;
	memory = arena_new();
	postgres_execute(connection, OWN_SQL);
	expect_no_error(checkpoint_install_schema(connection, config.target.schema));
	postgres_execute(
	    connection,
	    "SET session_replication_role = replica; SET plan_cache_mode = force_generic_plan;"
	    " SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;"
	    " SET synchronous_commit = off; SET lc_monetary = 'C'; SET client_min_messages = warning");
	bindings = binding_cache_new(&config);
	partitions = partition_list_new();
	partition_list_add(partitions, "eq", 0);
	plan = plan_new();
	sender = row_sender_new();
}

static void close_target(void)
{
	row_sender_free(sender);
	plan_free(plan);
	binding_cache_free(bindings);
	partition_list_free(partitions);
	pg_disconnect(connection);
	arena_free(memory);
}

/* Events. */

static struct value text(const char *value)
{
	if (value == NULL)
		return (struct value){NULL, 0, VALUE_NULL};
	return (struct value){arena_copy(memory, value, strlen(value)), (uint32_t)strlen(value), VALUE_NATIVE};
}

/* big NULL: the placeholder of an unchanged value. */
static struct value *row(const char *id, const char *v, const char *big)
{
	struct value *values = arena_alloc_zeroed(memory, COLUMNS * sizeof(*values));

	values[ID] = text(id);
	values[V] = text(v);
	values[BIG] = big == NULL ? (struct value){NULL, 0, VALUE_UNCHANGED} : text(big);
	return values;
}

static struct transaction *new_transaction(void)
{
	struct transaction *transaction = arena_alloc_zeroed(memory, sizeof(*transaction));

	transaction->kind = TRANSACTION_STREAMED;
	transaction->tx_id = 1;
	return transaction;
}

static struct change *emit(struct transaction *transaction, enum change_operation operation)
{
	struct change *change = arena_alloc_zeroed(memory, sizeof(*change));
	struct change **grown = arena_alloc(memory, (transaction->change_count + 1) * sizeof(change));

	change->relation = &relation;
	change->operation = (uint8_t)operation;
	change->tx_id = transaction->tx_id;
	if (transaction->change_count > 0)
		memcpy(grown, transaction->changes, transaction->change_count * sizeof(change));
	grown[transaction->change_count++] = change;
	transaction->changes = grown;
	return change;
}

static void emit_insert(struct transaction *transaction, const char *id, const char *v)
{
	emit(transaction, CHANGE_INSERT)->after = row(id, v, "big");
}

static void emit_update(struct transaction *transaction, const char *id, const char *v)
{
	emit(transaction, CHANGE_UPDATE)->after = row(id, v, NULL);
}

static void emit_delete(struct transaction *transaction, const char *id)
{
	emit(transaction, CHANGE_DELETE)->before = row(id, NULL, "");
}

static void emit_key_change(struct transaction *transaction, const char *from, const char *to, const char *v)
{
	struct value *old_key = arena_alloc(memory, sizeof(*old_key)), *new_key = arena_alloc(memory, sizeof(*new_key));
	struct change *change = emit(transaction, CHANGE_DELETE);

	*old_key = text(from);
	*new_key = text(to);
	change->before = row(from, NULL, "");
	change->other_key = new_key;
	change = emit(transaction, CHANGE_INSERT);
	change->after = row(to, v, NULL);
	change->other_key = old_key;
}

static void apply_strictly(const struct transaction *transaction)
{
	struct batch_counts counts = {0};
	struct error *error;

	postgres_execute(connection, "BEGIN; SET CONSTRAINTS ALL DEFERRED");
	error = batch_apply_strictly(sender, connection, bindings, partitions, transaction, &counts);
	ck_assert_msg(error == NULL, "%s: %s", label, error == NULL ? "" : error->message);
	postgres_execute(connection, "COMMIT");
	ck_assert_msg(counts.rows_missing == 0, "%s: a row to delete was missing", label);
}

/* As the applier does. */
static void apply(const struct transaction *first)
{
	while (first != NULL) {
		struct batch_counts counts = {0};
		struct error *error;
		size_t covered;

		expect_no_error(plan_build(plan, bindings, connection, first, &covered));
		if (covered == 0) {
			apply_strictly(first);
			first = first->next;
			continue;
		}
		postgres_execute(connection, "BEGIN; SET CONSTRAINTS ALL DEFERRED");
		error = batch_apply_plan(sender, connection, plan, bindings, &counts);
		if (error == NULL)
			error = pg_execute(connection, "COMMIT");
		planned += error == NULL ? covered : 0;
		if (error != NULL) {
			ck_assert_msg(error->class == ERROR_CONSTRAINT, "%s: %s", label, error->message);
			postgres_execute(connection, "ROLLBACK");
		}
		for (; covered > 0; covered--, first = first->next)
			if (error != NULL)
				apply_strictly(first);
		error_free(error);
	}
}

/* Keys of a shape. */

static const char *shaped(enum shape shape, const char *key)
{
	struct buffer composite = {0};
	const char *made;

	if (key == NULL || shape == PLAIN || shape == DOMAIN)
		return key;
	buffer_append_text(&composite, shape == ARRAY ? "{\"" : "(\"");
	for (; *key != '\0'; key++) {
		if (*key == '"' || *key == '\\')
			buffer_append_byte(&composite, '\\');
		buffer_append_byte(&composite, *key);
	}
	buffer_append_text(&composite, shape == ARRAY ? "\"}" : "\",7)");
	made = arena_copy(memory, composite.data, composite.length);
	buffer_free(&composite);
	return made;
}

static char *type_name(const char *name)
{
	char *sql =
	    memory_format("SELECT format_type(oid, NULL) FROM pg_type WHERE typname = '%s' AND typtype <> 'p'", name);
	char *type = postgres_value(connection, sql);

	free(sql);
	if (strcmp(type, "character") != 0) /* that would be character(1) */
		return type;
	free(type);
	return memory_copy_text("bpchar");
}

/* Each type has a name of its own: a prepared statement keeps the type that it was prepared with. */
static void make_table(const char *type, enum shape shape)
{
	static unsigned count;
	char *sql, *key;

	postgres_execute(connection, "DROP TABLE IF EXISTS eq.t");
	if (shape == DOMAIN || shape == COMPOSITE) {
		key = memory_format("eq.k%u", ++count);
		sql = memory_format(shape == DOMAIN ? "CREATE DOMAIN %s AS %s" : "CREATE TYPE %s AS (a %s, b int)", key,
		                    type);
		postgres_execute(connection, sql);
		free(sql);
	} else {
		key = memory_format(shape == ARRAY ? "%s[]" : "%s", type);
	}
	sql = memory_format("CREATE TABLE eq.t (id %s PRIMARY KEY, v text, big text, own text DEFAULT 'own')", key);
	postgres_execute(connection, sql);
	free(sql);
	free(key);
	binding_cache_forget(bindings, true);
}

/* The statements look rows up in the index of the key. */
static void expect_index(void)
{
	static const enum statement_kind kinds[] = {STATEMENT_DELETE, STATEMENT_UPDATE, STATEMENT_MOVE, STATEMENT_READ};
	static const char *const arguments[] = {"NULL", "NULL, NULL, NULL", "NULL, NULL, NULL, NULL", "NULL"};
	struct binding *binding;

	expect_no_error(binding_find(bindings, connection, &relation, &binding));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct buffer sql = {0};
		char *explain = memory_format("EXPLAIN (FORMAT json, COSTS off) EXECUTE statement(%s)", arguments[i]);
		char *shown;

		buffer_append_text(&sql, "PREPARE statement AS ");
		statement_build(&sql, binding, kinds[i], NULL);
		postgres_execute(connection, sql.data);
		shown = postgres_value(connection, explain);
		ck_assert_msg(strstr(shown, "t_pkey") != NULL && strstr(shown, "Seq Scan") == NULL &&
		                  (strstr(shown, "\"Index Cond\"") != NULL ||
		                   strstr(shown, "\"Recheck Cond\"") != NULL),
		              "%s: %s: %s", label, sql.data, shown);
		postgres_execute(connection, "DEALLOCATE statement");
		free(shown);
		free(explain);
		buffer_free(&sql);
	}
}

static void expect_rows(const char *expected)
{
	char *got =
	    postgres_value(connection, "SELECT coalesce(string_agg(concat_ws(' ', v, big, own), ', ' ORDER BY v), '')"
	                               " FROM eq.t");

	ck_assert_msg(strcmp(got, expected) == 0, "%s: the table has %s, expected %s", label, got, expected);
	free(got);
}

static void expect_key(const char *v, const char *key)
{
	const char *const parameters[2] = {v, key};
	struct pg_result *result = NULL;

	expect_no_error(pg_query(connection, "SELECT id::text FROM eq.t WHERE v = $1", 1, parameters, &result));
	ck_assert_msg(pg_result_rows(result) == 1 && strcmp(pg_result_text(result, 0, 0), key) == 0,
	              "%s: the key of %s is %s, expected %s", label, v,
	              pg_result_rows(result) == 1 ? pg_result_text(result, 0, 0) : "missing", key);
	pg_result_free(result);
}

/* The text that the server gives for a key. */
static char *normal(const char *key)
{
	const char *const parameters[1] = {key};
	struct pg_result *result = NULL;
	char *type = postgres_value(connection, "SELECT format_type(atttypid, -1) FROM pg_attribute"
	                                        " WHERE attrelid = 'eq.t'::regclass AND attname = 'id'");
	char *sql = memory_format("SELECT $1::text::%s::text", type);
	char *made;

	expect_no_error(pg_query(connection, sql, 1, parameters, &result));
	made = memory_copy_text(pg_result_text(result, 0, 0));
	pg_result_free(result);
	free(type);
	free(sql);
	return made;
}

static void check_life(const char *const *keys, bool strictly)
{
	void (*run)(const struct transaction *) = strictly ? apply_strictly : apply;
	struct transaction *transaction = new_transaction();

	postgres_execute(connection, "TRUNCATE eq.t");
	emit_insert(transaction, keys[0], "a");
	emit_insert(transaction, keys[1], "b");
	run(transaction);
	expect_rows("a big own, b big own");
	transaction = new_transaction();
	emit_update(transaction, keys[0], "a2");
	emit_delete(transaction, keys[1]);
	run(transaction);
	expect_rows("a2 big own");
	transaction = new_transaction();
	emit_key_change(transaction, keys[0], keys[1], "a3"); /* the key is given up, and taken again */
	emit_insert(transaction, keys[0], "c");
	run(transaction);
	expect_rows("a3 big own, c big own");
	transaction = new_transaction();
	emit_insert(transaction, keys[0], "c2"); /* a replay */
	emit_delete(transaction, keys[1]);
	run(transaction);
	expect_rows("c2 big own");
	if (keys[2] == NULL)
		return;
	transaction = new_transaction();
	emit_insert(transaction, keys[2], "d");
	emit_insert(transaction, keys[3], "e");
	emit_update(transaction, keys[2], "d2");
	run(transaction);
	transaction = new_transaction();
	emit_delete(transaction, keys[3]);
	emit_delete(transaction, keys[0]);
	run(transaction);
	expect_rows("d2 big own");
}

/* `alike` is equal to the key, and its text is another one: both name one row, which gets the text of the last event. */
static void check_alike(const char *key, const char *alike, bool strictly)
{
	void (*run)(const struct transaction *) = strictly ? apply_strictly : apply;
	struct transaction *transaction = new_transaction(), *next;
	char *texts[2] = {normal(key), normal(alike)};

	postgres_execute(connection, "TRUNCATE eq.t");
	emit_insert(transaction, key, "a");
	run(transaction);
	transaction = new_transaction();
	emit_update(transaction, alike, "b");
	run(transaction);
	expect_rows("b big own");
	expect_key("b", texts[1]);
	transaction = new_transaction();
	emit(transaction, CHANGE_READ)->after = row(key, "c", "big");
	run(transaction);
	expect_rows("c big own");
	expect_key("c", texts[0]);
	transaction = new_transaction();
	emit_key_change(transaction, key, alike, "d");
	run(transaction);
	expect_rows("d big own");
	expect_key("d", texts[1]);
	transaction = new_transaction();
	next = transaction->next = new_transaction();
	emit_delete(transaction, alike); /* folded as two rows */
	emit_insert(transaction, key, "e");
	emit_delete(next, key);
	emit_insert(next, alike, "f");
	emit_update(next, alike, "g");
	for (const struct transaction *t = transaction; strictly && t != NULL; t = t->next)
		apply_strictly(t);
	if (!strictly)
		apply(transaction);
	expect_rows("g big own");
	expect_key("g", texts[1]);
	transaction = new_transaction();
	emit_delete(transaction, key);
	run(transaction);
	expect_rows("");
	free(texts[0]);
	free(texts[1]);
}

static void check_type(const struct type_case *type, enum shape shape)
{
	static const char *const shapes[SHAPES] = {"", "domain over ", "array of ", "composite of "};
	char *what = memory_format("%s%s", shapes[shape], type->name);
	char *name = type_name(type->name);
	const char *keys[KEYS];

	for (size_t i = 0; i < KEYS; i++)
		keys[i] = shaped(shape, type->keys[i]);
	label = what;
	make_table(name, shape);
	expect_index();
	for (int strictly = 0; strictly < (shape == PLAIN ? 2 : 1); strictly++) {
		check_life(keys, strictly == 1);
		if (type->alike != NULL)
			check_alike(keys[0], shaped(shape, type->alike), strictly == 1);
	}
	arena_reset(memory);
	free(what);
	free(name);
}

static void check_types(const char *database, const char *schema, bool all_types)
{
	struct buffer sql = {0};

	open_target(postgres_make_database(database));
	if (strcmp(schema, "public") != 0)
		buffer_append_format(&sql, "CREATE SCHEMA %s;", schema);
	buffer_append_format(&sql, CONTRIB_SQL, schema);
	postgres_execute(connection, sql.data);
	buffer_free(&sql);
	for (size_t i = all_types ? 0 : FIRST_OF_EXTENSIONS; i < TYPES; i++) {
		enum shape last = all_types ? COMPOSITE : DOMAIN;

		for (enum shape shape = PLAIN; shape <= last; shape++) {
			/* vectors have no arrays of their own, and a lo is a domain already */
			if (shape == ARRAY && strstr(types[i].name, "vector") != NULL &&
			    strcmp(types[i].name, "tsvector") != 0)
				continue;
			check_type(&types[i], shape);
		}
	}
	ck_assert_uint_gt(planned, 0);
}

START_TEST(keys_of_all_types)
{
	char *missing;
	struct buffer sql = {0};

	check_types("eq_public", "public", true);
	buffer_append_text(&sql, "SELECT coalesce(string_agg(t.typname, ', '), '') FROM pg_opclass o JOIN pg_am a ON"
	                         " a.oid = o.opcmethod AND a.amname = 'btree' JOIN pg_type t ON t.oid = o.opcintype"
	                         " WHERE o.opcdefault AND t.typtype <> 'p' AND t.typname NOT IN (''");
	for (size_t i = 0; i < TYPES; i++)
		buffer_append_format(&sql, ", '%s'", types[i].name);
	buffer_append_text(&sql, ")");
	missing = postgres_value(connection, sql.data);
	ck_assert_msg(missing[0] == '\0', "no values for keys of %s", missing);
	free(missing);
	buffer_free(&sql);
	close_target();
}
END_TEST

START_TEST(extensions_in_another_schema)
{
	check_types("eq_other", "\"Ex t\"", false);
	close_target();
}
END_TEST

/* Tables without a key. */

/* A value of the table, and the one of the event. */
static const struct bag_case {
	const char *type, *stored, *sent;
	bool equal;
} bags[] = {
    {"numeric", "2.50", "2.5", true},
    {"numeric", "2.50", "2.51", false},
    {"numeric", "NaN", "NaN", true},
    {"numeric(10,2)", "2.5", "2.50", true},
    {"float8", "0", "-0", true},
    {"float8", "NaN", "NaN", true},
    {"float4", "1.1", "1.100000023841858", true},
    {"char(5)", "a", "a   ", true},
    {"text", "a", "a ", false},
    {"text COLLATE eq.folded", "a", "A", true},
    {"text", NULL, NULL, true},
    {"text", "", NULL, false},
    {"text", NULL, "", false},
    {"bytea", "\\x0001", "\\x0001", true},
    {"interval", "P1M", "P30D", true},
    {"timestamptz", "2026-11-30 00:00:00+00", "2026-11-30 02:00:00+02", true},
    {"timestamptz", "infinity", "infinity", true},
    {"jsonb", "{\"a\": 1.0, \"b\": 2}", "{\"b\":2,\"a\":1.00}", true},
    {"json", "{\"a\": 1}", "{\"a\": 1}", true},
    {"json", "{\"a\": 1}", "{\"a\":1}", false}, /* it has no equality: texts */
    {"json", NULL, NULL, true},
    {"json[]", "{\"{}\",NULL}", "{\"{}\",NULL}", true},
    {"xml", "<a/>", "<a/>", true},
    {"point", "(1,2)", "(1.0,2)", true},
    {"point", "(1,2)", "(1,3)", false},
    {"box", "(2,2),(0,0)", "(4,1),(0,0)", false}, /* = compares areas */
    {"polygon", "((0,0),(1,1),(1,0))", "((0,0),(1,1),(1,0))", true},
    {"numeric[]", "{1.0,NULL}", "{1.00,NULL}", true},
    {"int[]", "{1,2}", "{1,3}", false},
    {"int[]", "{}", NULL, false},
    {"numrange", "[1.0,2)", "[1.00,2.0)", true},
    {"eq.eq_pair", "(1.0,a)", "(1.00,a)", true},
    {"eq.eq_pair", "(,)", "(,)", true},
    {"eq.eq_pair", "(,)", NULL, false},
    {"eq.eq_pair", NULL, "(,)", false},
    {"eq.shape", "(1,\"(1,2)\")", "(1,\"(1,2)\")", true}, /* a part has no equality */
    {"eq.eq_mood", "sad", "sad", true},
    {"eq.mood_domain", "sad", "sad", true},
    {"eq.price", "2.50", "2.5", true},
    {"eq.mood_domain[]", "{sad,NULL}", "{sad,NULL}", true},
    {"public.citext", "a", "A", true},
    {"public.citext", "a", "b", false},
    {"public.citext[]", "{a}", "{A}", true},
    {"public.hstore", "a=>1,b=>2", "b=>2,a=>1", true},
    {"public.ltree", "a.b", "a.b", true},
    {"xid", "7", "7", true}, /* only hash compares it */
    {"tsvector", "'a':1 'b'", "'a':1 'b'", true},
    {"money", "2.50", "2.5", true},
};

static const char BAG_SQL[] =
    "CREATE EXTENSION citext SCHEMA public; CREATE EXTENSION hstore SCHEMA public; CREATE EXTENSION ltree SCHEMA "
    "public;"
    "CREATE COLLATION eq.folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
    "CREATE TYPE eq.shape AS (a int, b point); CREATE DOMAIN eq.mood_domain AS eq.eq_mood;"
    "CREATE DOMAIN eq.price AS numeric;";

static void make_bag(const char *type)
{
	char *sql = memory_format("DROP TABLE IF EXISTS eq.bag; CREATE TABLE eq.bag"
	                          " (id %s, v text, big text, own text DEFAULT 'own')",
	                          type);

	postgres_execute(connection, sql);
	free(sql);
	binding_cache_forget(bindings, true);
}

static void store(const char *id, const char *v, const char *own)
{
	const char *const parameters[3] = {id, v, own};

	expect_no_error(pg_query(connection, "INSERT INTO eq.bag VALUES ($1, $2, 'big', $3)", 3, parameters, NULL));
}

static struct change *emit_bag(struct transaction *transaction, enum change_operation operation)
{
	struct change *change = emit(transaction, operation);

	change->relation = &bag;
	return change;
}

static uint64_t apply_bag(const struct transaction *transaction)
{
	struct batch_counts counts = {0};
	struct error *error;

	postgres_execute(connection, "BEGIN");
	error = batch_apply_strictly(sender, connection, bindings, partitions, transaction, &counts);
	ck_assert_msg(error == NULL, "%s: %s", label, error == NULL ? "" : error->message);
	postgres_execute(connection, "COMMIT");
	return counts.rows_missing;
}

static void expect_bag(const char *expected)
{
	char *got =
	    postgres_value(connection, "SELECT coalesce(string_agg(concat_ws(' ', v, own), ', ' ORDER BY v, own), '')"
	                               " FROM eq.bag");

	ck_assert_msg(strcmp(got, expected) == 0, "%s: the table has %s, expected %s", label, got, expected);
	free(got);
}

/* Two equal rows: an update and a delete meet one each, and the column that only the target has keeps its value. */
static void check_bag(const struct bag_case *bag_case)
{
	struct transaction *update = new_transaction(), *delete = new_transaction();
	struct change *change = emit_bag(update, CHANGE_UPDATE);
	char *what = memory_format("%s %s, %s", bag_case->type, bag_case->stored, bag_case->sent);
	uint64_t missing = bag_case->equal ? 0 : 1;

	label = what;
	make_bag(bag_case->type);
	store(bag_case->stored, "old", "mine");
	store(bag_case->stored, "old", "mine");
	store(bag_case->stored, "other", "mine");
	change->before = row(bag_case->sent, "old", "big");
	change->after = row(bag_case->sent, "new", "big");
	emit_bag(delete, CHANGE_DELETE)->before = row(bag_case->sent, "old", "big");
	ck_assert_msg(apply_bag(update) == missing, "%s: %d updates missed", what, (int)missing);
	expect_bag(bag_case->equal ? "new mine, old mine, other mine" : "new own, old mine, old mine, other mine");
	ck_assert_msg(apply_bag(delete) == missing, "%s: %d deletes missed", what, (int)missing);
	expect_bag(bag_case->equal ? "new mine, other mine" : "new own, old mine, old mine, other mine");
	free(what);
	arena_reset(memory);
}

START_TEST(rows_without_a_key)
{
	open_target(postgres_make_database("eq_bag"));
	postgres_execute(connection, BAG_SQL);
	for (size_t i = 0; i < sizeof(bags) / sizeof(bags[0]); i++)
		check_bag(&bags[i]);
	close_target();
}
END_TEST

/* Of equal rows the one with the same text is taken, wherever it is. */
START_TEST(identical_rows_come_first)
{
	static const char *const stored[] = {"2.5", "2.50", "2.500", "2.50", "2.5000"};

	open_target(postgres_make_database("eq_bag"));
	make_bag("numeric");
	label = "identical rows";
	for (size_t i = 0; i < sizeof(stored) / sizeof(stored[0]); i++)
		store(stored[i], "v", stored[i]);
	for (int i = 0; i < 2; i++) {
		struct transaction *transaction = new_transaction();

		emit_bag(transaction, CHANGE_DELETE)->before = row("2.50", "v", "big");
		ck_assert_uint_eq(apply_bag(transaction), 0);
	}
	expect_bag("v 2.5, v 2.500, v 2.5000");
	close_target();
}
END_TEST

/* What the old image lacks is not compared, and what the new one lacks is taken from the old one. */
START_TEST(placeholders_of_rows_without_a_key)
{
	struct transaction *transaction;
	struct change *change;

	open_target(postgres_make_database("eq_bag"));
	make_bag("numeric");
	label = "placeholders";
	store("1", "a", "mine");
	transaction = new_transaction();
	change = emit_bag(transaction, CHANGE_UPDATE);
	change->before = row("1.0", "a", "big");
	change->after = row("2", "b", NULL);
	ck_assert_uint_eq(apply_bag(transaction), 0);
	expect_bag("b mine");
	postgres_expect(connection, "SELECT concat_ws(' ', id, big) FROM eq.bag", "2 big");
	transaction = new_transaction();
	emit_bag(transaction, CHANGE_DELETE)->before = row("2.00", "b", NULL);
	ck_assert_uint_eq(apply_bag(transaction), 0);
	expect_bag("");
	close_target();
}
END_TEST

/* An identity column that is GENERATED ALWAYS takes no other value: such a row is replaced. */
START_TEST(identity_of_rows_without_a_key)
{
	struct transaction *transaction;
	struct change *change;

	open_target(postgres_make_database("eq_bag"));
	transaction = new_transaction();
	make_bag("int GENERATED ALWAYS AS IDENTITY");
	label = "identity";
	postgres_execute(connection, "INSERT INTO eq.bag (v, big) VALUES ('a', 'big'), ('b', 'big')");
	change = emit_bag(transaction, CHANGE_UPDATE);
	change->before = row("1", "a", "big");
	change->after = row("1", "c", "big");
	change = emit_bag(transaction, CHANGE_UPDATE);
	change->before = row("2", "b", "big");
	change->after = row("7", "b", "big");
	ck_assert_uint_eq(apply_bag(transaction), 0);
	postgres_expect(connection, "SELECT string_agg(concat_ws(' ', id, v), ', ' ORDER BY id) FROM eq.bag",
	                "1 c, 7 b");
	close_target();
}
END_TEST

/* Unique indexes that name no row, whose columns the connector takes as the key of its messages. */
static const char *const odd_keys[] = {
    "CREATE UNIQUE INDEX ON eq.bag (id) WHERE big = 'none'",
    "CREATE UNIQUE INDEX ON eq.bag (id, lower(v))",
    ("CREATE UNIQUE INDEX odd ON eq.bag (id); UPDATE pg_catalog.pg_index SET indisvalid = false, indisready = false"
     " WHERE indexrelid = 'eq.odd'::regclass"),
};

static const struct relation odd = {.collection = &bag_collection,
                                    .schema = "eq",
                                    .table = "bag",
                                    .number = 2,
                                    .column_count = COLUMNS,
                                    .columns = columns,
                                    .key_count = 1,
                                    .key_columns = key_columns};

static struct change *emit_odd(struct transaction *transaction, enum change_operation operation, struct value *before,
                               struct value *after)
{
	struct change *change = emit(transaction, operation);

	change->relation = &odd;
	change->before = before;
	change->after = after;
	return change;
}

/* The rows that a snapshot and the stream send, the first ones before any image of the DDL log. */
static void check_odd_key(void)
{
	struct transaction *rows = new_transaction(), *changes = new_transaction();
	struct value *new_key = arena_alloc(memory, sizeof(*new_key));

	planned = 0;
	emit_odd(rows, CHANGE_READ, NULL, row("1", "a", "big"));
	emit_odd(rows, CHANGE_READ, NULL, row("1", "b", "big"));
	emit_odd(rows, CHANGE_INSERT, NULL, row("2", "c", "big"));
	apply(rows);
	ck_assert_msg(planned == 1, "%s: the rows went one by one", label);
	emit_odd(changes, CHANGE_UPDATE, row("1", "b", "big"), row("1", "d", "big"));
	*new_key = text("3");
	emit_odd(changes, CHANGE_DELETE, row("2", "c", "big"), NULL)->other_key = new_key;
	emit_odd(changes, CHANGE_INSERT, NULL, row("3", "c", "big"));
	emit_odd(changes, CHANGE_DELETE, row("1", "a", "big"), NULL);
	apply(changes);
	postgres_expect(connection, "SELECT string_agg(concat_ws(' ', id, v), ', ' ORDER BY v) FROM eq.bag",
	                "3 c, 1 d");
	arena_reset(memory);
}

START_TEST(indexes_that_name_no_row)
{
	struct binding *binding;

	open_target(postgres_make_database("eq_bag"));
	for (size_t i = 0; i < sizeof(odd_keys) / sizeof(odd_keys[0]); i++) {
		label = odd_keys[i];
		make_bag("int");
		postgres_execute(connection, odd_keys[i]);
		check_odd_key();
	}
	make_bag("int GENERATED ALWAYS AS (length(big)) STORED UNIQUE");
	binding_cache_forget(bindings, true);
	expect_no_error(binding_find(bindings, connection, &odd, &binding));
	ck_assert_uint_eq(binding->key_count, 0);
	make_bag("int"); /* nothing in the target says that the source has no key */
	expect_error(binding_find(bindings, connection, &odd, &binding), ERROR_TARGET, NULL,
	             "no primary key or unique index");
	make_bag("int PRIMARY KEY");
	postgres_execute(connection, odd_keys[0]);
	binding_cache_forget(bindings, true);
	expect_no_error(binding_find(bindings, connection, &odd, &binding));
	ck_assert_uint_eq(binding->key_count, 1);
	close_target();
}
END_TEST

/* The old row of REPLICA IDENTITY USING INDEX has the index's columns alone. */
START_TEST(old_rows_of_an_index)
{
	struct transaction *transaction;
	struct batch_counts counts = {0};

	open_target(postgres_make_database("eq_bag"));
	make_bag("int NOT NULL");
	postgres_execute(connection, odd_keys[0]);
	transaction = new_transaction();
	emit_odd(transaction, CHANGE_DELETE, row(NULL, "a", "big"), NULL);
	postgres_execute(connection, "BEGIN");
	expect_error(batch_apply_strictly(sender, connection, bindings, partitions, transaction, &counts), ERROR_EVENT,
	             NULL, "REPLICA IDENTITY FULL");
	close_target();
}
END_TEST

/* Rows without a value in a unique column, and rows whose key the server takes as one: NULLS NOT DISTINCT. */
START_TEST(keys_that_take_null)
{
	static const char *const unique[] = {"UNIQUE", "UNIQUE NULLS NOT DISTINCT"};

	open_target(postgres_make_database("eq_bag"));
	for (int i = 0; i < 2; i++) {
		struct transaction *transaction = new_transaction();
		char *type = memory_format("numeric %s", unique[i]);

		label = unique[i];
		make_bag(type);
		free(type);
		emit_odd(transaction, CHANGE_INSERT, NULL, row(NULL, "a", "big"));
		emit_odd(transaction, CHANGE_INSERT, NULL, row("1.0", "b", "big"));
		emit_odd(transaction, CHANGE_UPDATE, row(NULL, "a", "big"), row(NULL, "c", "big"));
		emit_odd(transaction, CHANGE_UPDATE, row("1.00", "b", "big"), row("1.00", "d", "big"));
		emit_odd(transaction, CHANGE_INSERT, NULL, row("2", "e", "big"));
		emit_odd(transaction, CHANGE_DELETE, row("2.0", "e", "big"), NULL);
		apply(transaction);
		expect_bag("c own, d own");
		transaction = new_transaction();
		emit_odd(transaction, CHANGE_DELETE, row(NULL, "c", "big"), NULL);
		apply(transaction);
		expect_bag("d own");
		arena_reset(memory);
	}
	close_target();
}
END_TEST

/* The index has a collation of its own: it is used, and it says what is equal. */
START_TEST(collation_of_the_index)
{
	struct transaction *transaction;

	open_target(postgres_make_database("eq_bag"));
	transaction = new_transaction();
	label = "collation";
	postgres_execute(
	    connection,
	    "CREATE COLLATION eq.folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
	    " CREATE TABLE eq.t (id text, v text, big text, own text DEFAULT 'own');"
	    " CREATE UNIQUE INDEX t_pkey ON eq.t (id COLLATE eq.folded)");
	expect_index();
	emit_insert(transaction, "a", "1");
	emit_insert(transaction, "b", "2");
	emit_update(transaction, "A", "3");
	apply(transaction);
	expect_rows("2 big own, 3 big own");
	expect_key("3", "A");
	close_target();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("equality");
	TCase *keys = tcase_create("keys");
	TCase *without_keys = tcase_create("without_keys");
	SRunner *runner;
	int failed;

	tcase_set_timeout(keys, 600);
	tcase_add_test(keys, keys_of_all_types);
	tcase_add_test(keys, extensions_in_another_schema);
	tcase_set_timeout(without_keys, 120);
	tcase_add_test(without_keys, rows_without_a_key);
	tcase_add_test(without_keys, identical_rows_come_first);
	tcase_add_test(without_keys, placeholders_of_rows_without_a_key);
	tcase_add_test(without_keys, identity_of_rows_without_a_key);
	tcase_add_test(without_keys, indexes_that_name_no_row);
	tcase_add_test(without_keys, old_rows_of_an_index);
	tcase_add_test(without_keys, keys_that_take_null);
	tcase_add_test(without_keys, collation_of_the_index);
	suite_add_tcase(suite, keys);
	suite_add_tcase(suite, without_keys);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
