/*
 * test_target.c - planning and applying against a real server: statements, and random transactions beside a model.
 *
 * NOTES
 *   The model is a source in memory: rows of five tables under the constraints that the source would check. Each of its
 *   changes is written down as the connector reports it. After each batch the target must hold what the model holds,
 *   whether the batch was folded or went change by change. SEED=n in the environment repeats a run.
 */
#include "base/arena.h"
#include "base/memory.h"
#include "base/signals.h"
#include "postgres.h"
#include "target/batch.h"
#include "target/checkpoint.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HARD, SOFT, CHILD, BAG, DEFERRED, TABLES };
enum { ID, U, V, BIG, COLUMNS };
#define IDS 24
#define BAG_ROWS 24
#define TEXT_SIZE 16

static const char *const table_names[TABLES] = {"hard", "soft", "child", "bag", "deferred"};
static const char SCHEMA_SQL[] =
    "SET client_min_messages = warning; DROP SCHEMA IF EXISTS model, model_state CASCADE; CREATE SCHEMA model;"
    "CREATE TABLE model.hard (id int PRIMARY KEY, u int UNIQUE, v text, big text, synced_at timestamptz);"
    "CREATE TABLE model.soft (id int PRIMARY KEY, u int, v text, big text, synced_at timestamptz,"
    " is_deleted boolean NOT NULL DEFAULT false, deleted_at timestamptz);"
    "CREATE TABLE model.child (id int PRIMARY KEY, u int REFERENCES model.hard (id), v text, big text);"
    "CREATE TABLE model.bag (id int, u int, v text, big text);"
    "CREATE TABLE model.deferred (id int PRIMARY KEY DEFERRABLE INITIALLY IMMEDIATE, u int, v text, big text);";

static const struct table_rule rules[] = {{.match = "model.soft", .delete_mode = DELETE_SOFT}};
static const struct config config = {.stream = {.name = "model"},
                                     .target = {.schema = "model_state",
                                                .synced_at = "synced_at",
                                                .is_deleted = "is_deleted",
                                                .deleted_at = "deleted_at"},
                                     .tables = rules,
                                     .table_count = 1};

static const struct column columns[COLUMNS] = {{.name = "id", .encoding = ENCODING_NUMBER},
                                               {.name = "u", .encoding = ENCODING_NUMBER},
                                               {.name = "v", .encoding = ENCODING_TEXT},
                                               {.name = "big", .encoding = ENCODING_TEXT}};
static const uint32_t key_columns[1] = {ID};
static struct collection collections[TABLES];
static struct relation relations[TABLES];

struct row {
	bool alive, ghost;
	int id, u; /* u 0: NULL */
	char v[TEXT_SIZE], big[TEXT_SIZE];
};

static struct row model[TABLES][IDS + 1]; /* by id; of the bag: any place */
static struct arena *memory;              /* of the transactions of a batch */
static unsigned long counter;

static int pick(int count)
{
	return (int)(random() % count);
}

static void make_relations(void)
{
	for (int t = 0; t < TABLES; t++) {
		collections[t] = (struct collection){.name = table_names[t],
		                                     .schema = "model",
		                                     .table = table_names[t],
		                                     .number = (uint32_t)t};
		relations[t] = (struct relation){.collection = &collections[t],
		                                 .schema = "model",
		                                 .table = table_names[t],
		                                 .number = (uint32_t)t,
		                                 .column_count = COLUMNS,
		                                 .columns = columns,
		                                 .key_count = t == BAG ? 0 : 1,
		                                 .key_columns = key_columns,
		                                 .typed = true};
	}
}

/* Events. */

static struct value number(int value)
{
	char *text = arena_format(memory, "%d", value);

	if (value == 0)
		return (struct value){NULL, 0, VALUE_NULL};
	return (struct value){text, (uint32_t)strlen(text), VALUE_NUMBER};
}

static struct value text(const char *value)
{
	return (struct value){arena_copy(memory, value, strlen(value)), (uint32_t)strlen(value), VALUE_STRING};
}

static struct value *image(const struct row *row, bool key_only, bool placeholder)
{
	struct value *values = arena_alloc_zeroed(memory, COLUMNS * sizeof(*values));

	values[ID] = number(row->id);
	if (key_only)
		return values; /* VALUE_NULL is 0, as the connector fills such an image */
	values[U] = number(row->u);
	values[V] = text(row->v);
	values[BIG] = placeholder ? (struct value){NULL, 0, VALUE_UNCHANGED} : text(row->big);
	return values;
}

static struct change *emit(struct transaction *transaction, int table, enum change_operation operation)
{
	struct change *change = arena_alloc_zeroed(memory, sizeof(*change));
	struct change **grown = arena_alloc(memory, (transaction->change_count + 1) * sizeof(change));

	change->relation = &relations[table];
	change->operation = (uint8_t)operation;
	change->tx_id = transaction->tx_id;
	change->offset = (int64_t)counter++;
	if (transaction->change_count > 0)
		memcpy(grown, transaction->changes, transaction->change_count * sizeof(change));
	grown[transaction->change_count++] = change;
	transaction->changes = grown;
	return change;
}

/* The source. */

static struct row *any_row(int table, bool alive)
{
	for (int tries = 0; tries < 2 * IDS; tries++) {
		struct row *row = &model[table][1 + pick(IDS)];

		if (row->alive == alive)
			return row;
	}
	return NULL;
}

static bool is_referred_to(int id)
{
	for (int i = 1; i <= IDS; i++)
		if (model[CHILD][i].alive && model[CHILD][i].u == id)
			return true;
	return false;
}

static bool u_is_free(int table, int u)
{
	for (int i = 1; table == HARD && u != 0 && i <= IDS; i++)
		if (model[HARD][i].alive && model[HARD][i].u == u)
			return false;
	return true;
}

static int some_u(int table)
{
	const struct row *parent;
	int u = pick(40);

	if (table != CHILD)
		return u_is_free(table, u) ? u : 0;
	parent = any_row(HARD, true);
	return parent == NULL ? 0 : parent->id;
}

static void fill(struct row *row, int table)
{
	row->u = some_u(table);
	snprintf(row->v, sizeof(row->v), "v'\\\"%lu", counter++);
	snprintf(row->big, sizeof(row->big), "b{,}%lu", counter++);
}

static void source_insert(struct transaction *transaction, int table)
{
	struct row *row = any_row(table, false);

	if (row == NULL)
		return;
	row->alive = true;
	row->ghost = false;
	row->id = table == BAG ? 1 + pick(3) : (int)(row - model[table]);
	fill(row, table);
	if (table == BAG && pick(3) == 0) { /* equal rows */
		strcpy(row->v, "same");
		strcpy(row->big, "same");
		row->u = 0;
	}
	emit(transaction, table, CHANGE_INSERT)->after = image(row, false, false);
}

static void source_update(struct transaction *transaction, int table)
{
	struct row *row = any_row(table, true);
	bool keeps_big = table != BAG && pick(2) == 0;
	const struct value *before;
	struct change *change;
	struct row old;

	if (row == NULL)
		return;
	old = *row;
	before = image(&old, false, false);
	row->u = 0; /* so that its own value is free */
	fill(row, table);
	if (keeps_big)
		strcpy(row->big, old.big);
	change = emit(transaction, table, CHANGE_UPDATE);
	change->before = table == BAG ? before : NULL;
	change->after = image(row, false, keeps_big);
}

static void source_delete(struct transaction *transaction, int table)
{
	struct row *row = any_row(table, true);

	if (row == NULL || (table == HARD && is_referred_to(row->id)))
		return;
	emit(transaction, table, CHANGE_DELETE)->before = image(row, table != BAG, false);
	row->alive = false;
	row->ghost = table == SOFT;
}

static void emit_key_change(struct transaction *transaction, int table, const struct row *old, const struct row *new,
                            bool placeholder)
{
	struct value *old_key = arena_alloc(memory, sizeof(*old_key));
	struct value *new_key = arena_alloc(memory, sizeof(*new_key));
	struct change *change = emit(transaction, table, CHANGE_DELETE);

	*old_key = number(old->id);
	*new_key = number(new->id);
	change->before = image(old, true, false);
	change->other_key = new_key;
	change = emit(transaction, table, CHANGE_INSERT);
	change->after = image(new, false, placeholder);
	change->other_key = placeholder ? old_key : NULL;
}

static void source_change_key(struct transaction *transaction, int table)
{
	struct row *old = any_row(table, true);
	struct row *new = any_row(table, false);
	bool placeholder = pick(2) == 0;

	if (table == SOFT && transaction->change_count > 0 &&
	    transaction->changes[transaction->change_count - 1]->relation == &relations[SOFT])
		return; /* a row on its way through several keys leaves no mark at each */
	if (table == BAG || old == NULL || new == NULL || (table == HARD && is_referred_to(old->id)))
		return;
	*new = *old;
	new->id = (int)(new - model[table]);
	snprintf(new->v, sizeof(new->v), "moved %lu", counter++);
	if (!placeholder)
		snprintf(new->big, sizeof(new->big), "new %lu", counter++);
	emit_key_change(transaction, table, old, new, placeholder);
	new->alive = true;
	new->ghost = false;
	old->alive = false;
	old->ghost = table == SOFT;
}

/* UPDATE … SET id = …: keys change places within a statement, which a deferrable key permits. */
static void source_rotate_keys(struct transaction *transaction)
{
	struct row *rows[4], old[4];
	int count = 0;

	for (int i = 1; i <= IDS && count < 4; i++)
		if (model[DEFERRED][i].alive && pick(3) == 0)
			rows[count++] = &model[DEFERRED][i];
	if (count < 2)
		return;
	for (int i = 0; i < count; i++)
		old[i] = *rows[i];
	for (int i = 0; i < count; i++) {
		struct row *to = rows[(i + 1) % count];
		int id = (int)(to - model[DEFERRED]);

		*to = old[i];
		to->id = id;
		emit_key_change(transaction, DEFERRED, &old[i], to, pick(2) == 0);
	}
}

static void emit_update(struct transaction *transaction, int table, const struct row *row)
{
	emit(transaction, table, CHANGE_UPDATE)->after = image(row, false, true);
}

static void source_swap_unique(struct transaction *transaction)
{
	struct row *a = any_row(HARD, true);
	struct row *b = any_row(HARD, true);
	int u;

	if (a == NULL || b == NULL || a == b || a->u == 0 || b->u == 0)
		return;
	u = a->u;
	a->u = 0;
	emit_update(transaction, HARD, a);
	a->u = b->u;
	b->u = u;
	/* b first: its new value is free, its old one becomes free */
	emit_update(transaction, HARD, b);
	emit_update(transaction, HARD, a);
}

static void source_truncate(struct transaction *transaction)
{
	static const int tables[] = {SOFT, CHILD, BAG, DEFERRED};
	int table = tables[pick(4)];

	emit(transaction, table, CHANGE_TRUNCATE);
	memset(model[table], 0, sizeof(model[table]));
}

static void source_step(struct transaction *transaction)
{
	int table = pick(TABLES);
	int dice = pick(100);

	if (dice < 35)
		source_insert(transaction, table);
	else if (dice < 65)
		source_update(transaction, table);
	else if (dice < 83)
		source_delete(transaction, table);
	else if (dice < 90)
		source_change_key(transaction, table);
	else if (dice < 95)
		source_swap_unique(transaction);
	else if (dice < 99)
		source_rotate_keys(transaction);
	else
		source_truncate(transaction);
}

static struct transaction *source_transactions(int count)
{
	struct transaction *first = NULL;
	struct transaction **link = &first;

	for (; count > 0; count--) {
		struct transaction *transaction = arena_alloc_zeroed(memory, sizeof(*transaction));

		transaction->kind = TRANSACTION_STREAMED;
		transaction->tx_id = counter++;
		for (int steps = 1 + pick(6); steps > 0; steps--)
			source_step(transaction);
		*link = transaction;
		link = &transaction->next;
	}
	return first;
}

/* The target. */

struct target {
	struct pg_connection *connection;
	struct binding_cache *bindings;
	struct partition_list *partitions;
	struct plan *plan;
	struct row_sender *sender;
	unsigned long planned, strict, refused;
};

static void target_open(struct target *target, bool replication_role)
{
	*target = (struct target){.connection = postgres_connect()};
	postgres_execute(target->connection, SCHEMA_SQL);
	expect_no_error(checkpoint_install_schema(target->connection, config.target.schema));
	postgres_execute(target->connection,
	                 "VACUUM ANALYZE model.hard"); /* an empty table that the server knows to be so */
	postgres_execute(target->connection,
	                 "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off");
	if (replication_role)
		postgres_execute(target->connection, "SET session_replication_role = replica");
	target->bindings = binding_cache_new(&config);
	binding_cache_forget(target->bindings, replication_role);
	target->partitions = partition_list_new();
	partition_list_add(target->partitions, "model", 0);
	target->plan = plan_new();
	target->sender = row_sender_new();
}

static void target_close(struct target *target)
{
	row_sender_free(target->sender);
	plan_free(target->plan);
	binding_cache_free(target->bindings);
	partition_list_free(target->partitions);
	pg_disconnect(target->connection);
}

static void apply_strictly(struct target *target, const struct transaction *transaction)
{
	struct batch_counts counts = {0};

	postgres_execute(target->connection, "BEGIN; SET CONSTRAINTS ALL DEFERRED");
	expect_no_error(batch_apply_strictly(target->sender, target->connection, target->bindings, target->partitions,
	                                     transaction, &counts));
	postgres_execute(target->connection, "COMMIT");
	target->strict++;
}

/* As the applier does: folded as far as possible, change by change what is refused. */
static const struct transaction *apply_some(struct target *target, const struct transaction *first)
{
	struct batch_counts counts = {0};
	struct error *error;
	size_t covered;

	expect_no_error(plan_build(target->plan, target->bindings, target->connection, first, &covered));
	if (covered == 0) {
		apply_strictly(target, first);
		return first->next;
	}
	postgres_execute(target->connection, "BEGIN; SET CONSTRAINTS ALL DEFERRED");
	error = batch_apply_plan(target->sender, target->connection, target->plan, target->bindings, &counts);
	if (error == NULL)
		error = pg_execute(target->connection, "COMMIT");
	if (error == NULL) {
		for (; covered > 0; covered--, target->planned++)
			first = first->next;
		return first;
	}
	ck_assert_msg(error->class == ERROR_CONSTRAINT, "%s", error->message);
	error_free(error);
	postgres_execute(target->connection, "ROLLBACK");
	target->refused++;
	for (; covered > 0; covered--, first = first->next)
		apply_strictly(target, first);
	return first;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void expect_table(struct target *target, int table, unsigned seed)
{
	char *sql = memory_format("SELECT coalesce(string_agg(r, E'\\n' ORDER BY r COLLATE \"C\"), '') || E'\\n' FROM "
	                          "(SELECT concat(id, '|', "
	                          "coalesce(u, 0), '|', v, '|', big, '|', %s) AS r FROM model.%s) AS rows",
	                          table == SOFT ? "is_deleted AND deleted_at IS NOT NULL AND synced_at IS NOT NULL"
	                                        : (table == HARD ? "synced_at IS NULL" : "false"),
	                          table_names[table]);
	char *got = postgres_value(target->connection, sql);
	char *lines[IDS + 1];
	struct buffer expected = {0};
	size_t count = 0;

	for (int i = 1; i <= IDS; i++) {
		const struct row *row = &model[table][i];

		if (row->alive || row->ghost)
			lines[count++] =
			    memory_format("%d|%d|%s|%s|%s", row->id, row->u, row->v, row->big, row->alive ? "f" : "t");
	}
	qsort(lines, count, sizeof(*lines), by_text);
	for (size_t i = 0; i < count; i++) {
		buffer_append_format(&expected, "%s%s", i > 0 ? "\n" : "", lines[i]);
		free(lines[i]);
	}
	buffer_append_text(&expected, "\n");
	ck_assert_msg(strcmp(got, expected.data) == 0, "seed %u, table %s holds\n%sexpected\n%s", seed,
	              table_names[table], got, expected.data);
	buffer_free(&expected);
	free(got);
	free(sql);
}

static void run_random(bool replication_role, bool all_strict)
{
	const char *given = getenv("SEED");
	unsigned seed = given != NULL && given[0] != 0 ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	struct target target;

	printf("test_target: SEED=%u\n", seed);
	fflush(stdout);
	srandom(seed);
	memset(model, 0, sizeof(model));
	memory = arena_new();
	make_relations();
	target_open(&target, replication_role);
	for (int batch = 0; batch < 120; batch++) {
		const struct transaction *next = source_transactions(1 + pick(12));

		while (next != NULL) {
			if (!all_strict) {
				next = apply_some(&target, next);
				continue;
			}
			apply_strictly(&target, next);
			next = next->next;
		}
		for (int table = 0; table < TABLES; table++)
			expect_table(&target, table, seed);
		arena_reset(memory);
	}
	printf("test_target: %lu transactions folded, %lu change by change, %lu batches refused\n", target.planned,
	       target.strict, target.refused);
	ck_assert_uint_gt(target.strict, 0);
	ck_assert(all_strict || target.planned > 0);
	target_close(&target);
	arena_free(memory);
}

START_TEST(random_batches)
{
	run_random(true, false);
}
END_TEST

START_TEST(random_batches_with_checks)
{
	run_random(false, false);
}
END_TEST

START_TEST(random_changes_one_by_one)
{
	run_random(true, true);
}
END_TEST

/* A statement prepared while the table was empty must go through the index when the table has grown. */
START_TEST(plans_do_not_age)
{
	static const enum statement_kind kinds[] = {STATEMENT_DELETE, STATEMENT_UPDATE, STATEMENT_MOVE};
	static const char *const arguments[] = {"'{1}'", "'{1}','{2}','{v}','{b}'", "'{1}','{2}','{2}','{v}','{b}'"};
	struct target target;

	make_relations();
	target_open(&target, true);
	for (size_t i = 0; i < 3; i++) {
		struct binding *binding;
		struct buffer sql = {0};
		char *explain, *plan;

		expect_no_error(binding_find(target.bindings, target.connection, &relations[HARD], &binding));
		buffer_append_format(&sql, "PREPARE statement%zu AS ", i);
		statement_build(&sql, binding, kinds[i], NULL);
		postgres_execute(target.connection, sql.data);
		explain = memory_format("EXPLAIN (FORMAT json, COSTS off) EXECUTE statement%zu(%s)", i, arguments[i]);
		plan = postgres_value(target.connection, explain);
		ck_assert_msg(strstr(plan, "\"Function Name\": \"unnest\"") < strstr(plan, "hard_pkey"), "%s", plan);
		ck_assert_msg(strstr(plan, "\"Index Cond\"") != NULL || strstr(plan, "\"Recheck Cond\"") != NULL, "%s",
		              plan);
		free(explain);
		free(plan);
		buffer_free(&sql);
	}
	target_close(&target);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("target");
	TCase *random_case = tcase_create("random");
	TCase *statements = tcase_create("statements");
	SRunner *runner;
	int failed;

	tcase_set_timeout(random_case, 120);
	tcase_add_test(random_case, random_batches);
	tcase_add_test(random_case, random_batches_with_checks);
	tcase_add_test(random_case, random_changes_one_by_one);
	tcase_set_timeout(statements, 120);
	tcase_add_test(statements, plans_do_not_age);
	suite_add_tcase(suite, random_case);
	suite_add_tcase(suite, statements);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
