/*
 * test_plan_random.c - random transactions, applied as plans or change by change: after each commit the target equals what the
 * source had after the same transactions.
 *
 * The source is an array of rows. A seed chooses the form of the target's table (kinds of keys, unique and exclusion
 * constraints, generated columns) and the changes: inserts, updates with placeholders, deletes, TRUNCATE, changes of the key,
 * keys and unique values that change places. Each batch has several transactions. `own` is a column that only the target
 * has: a row that is not deleted keeps its value, whatever becomes of its key.
 *
 * TEST_SEED=N runs one seed; RANDOM_RUNS=N (20) so many, from a random one on.
 */
#include "config/config.h"
#include "event/change.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS, EMPTY, RELATIONS }; /* EMPTY: of a TRUNCATE */

#include "planning.h"
#include "seeds.h"

enum { KEYS = 12, UNIQUE_VALUES = 30, BATCHES = 20, MOST_TRANSACTIONS = 12 };

/* The forms. */

static const char SCHEMA_SQL[] =
    "SET client_min_messages = warning; DROP SCHEMA IF EXISTS plans, plans_state CASCADE; CREATE SCHEMA plans;"
    "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public; CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;"
    "CREATE COLLATION plans.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
    "SET search_path = public, pg_catalog";

static const struct form {
	const char *name, *sql;
	bool letters;              /* keys are letters, in upper or lower case */
	bool fractions;            /* keys are numbers with one or two zeros behind the point */
	bool keys_change_places;   /* the key is deferrable */
	bool values_change_places; /* the unique value is deferrable */
	bool fixed;                /* v never changes */
} forms[] = {
    {.name = "int", .sql = "id int PRIMARY KEY, u int UNIQUE, v int, big text"},
    {.name = "deferrable key",
     .sql = "id int PRIMARY KEY DEFERRABLE, u int UNIQUE, v int, big text",
     .keys_change_places = true},
    {.name = "deferred unique value and exclusion",
     .sql = "id int PRIMARY KEY, u int UNIQUE DEFERRABLE INITIALLY DEFERRED, v int, big text,"
            " EXCLUDE USING gist (u WITH =)"},
    {.name = "deferrable unique value",
     .sql = "id int PRIMARY KEY, u int UNIQUE DEFERRABLE, v int, big text",
     .values_change_places = true},
    {.name = "numeric", .sql = "id numeric PRIMARY KEY, u int NOT NULL UNIQUE, v int, big text", .fractions = true},
    {.name = "citext", .sql = "id citext PRIMARY KEY, u int UNIQUE, v int, big text", .letters = true},
    {.name = "deferrable citext",
     .sql = "id citext PRIMARY KEY DEFERRABLE, u int UNIQUE DEFERRABLE, v int, big text",
     .letters = true,
     .keys_change_places = true,
     .values_change_places = true},
    {.name = "collation",
     .sql = "id text COLLATE plans.ci PRIMARY KEY, u int UNIQUE, v int, big text",
     .letters = true},
    {.name = "identity",
     .sql = "id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, u int UNIQUE, v int GENERATED ALWAYS AS IDENTITY,"
            " big text",
     .fixed = true},
    {.name = "exclusion and generated column",
     .sql = "id int PRIMARY KEY, u int, v int, big text, g int GENERATED ALWAYS AS (v + 1) STORED,"
            " EXCLUDE USING gist (u WITH =)"},
};

static const struct config config = {.file = "test.conf", .stream.name = "s", .target = {.schema = "plans_state"}};
static const struct column columns[] = {{.name = "id", .encoding = ENCODING_TEXT},
                                        {.name = "u", .encoding = ENCODING_NUMBER},
                                        {.name = "v", .encoding = ENCODING_NUMBER},
                                        {.name = "big", .encoding = ENCODING_TEXT}};
static const uint32_t key_columns[] = {0};

/* The source. */

struct row {
	bool exists;
	bool old; /* the target has its `own` */
	char key[8];
	int u, v, big;
	int own;
};

static const struct form *form;
static struct row rows[KEYS];
static uint64_t lsn;
static int rows_made;
static const char
    *states[MOST_TRANSACTIONS]; /* the rows after each transaction of the batch, as append_source writes them */
static size_t state_count;

static int below(int limit)
{
	return rand() % limit;
}

/* Equal keys have different texts in some forms. */
static void write_key(int number, char *key)
{
	if (form->letters)
		snprintf(key, 8, "%c", (below(2) == 0 ? 'a' : 'A') + number);
	else if (form->fractions)
		snprintf(key, 8, below(2) == 0 ? "%d.0" : "%d.00", number);
	else
		snprintf(key, 8, "%d", number);
}

static int unused_value(void)
{
	for (;;) {
		int u = below(UNIQUE_VALUES), i = 0;

		while (i < KEYS && !(rows[i].exists && rows[i].u == u))
			i++;
		if (i == KEYS)
			return u;
	}
}

/* Another row that exists; NULL: there is none, or it was not met. */
static struct row *another(const struct row *row)
{
	struct row *other = &rows[below(KEYS)];

	return other->exists && other != row ? other : NULL;
}

static const char *row_text(const struct row *row, bool placeholder)
{
	char *text = arena_alloc(memory, 80);

	if (placeholder)
		snprintf(text, 80, "%s|%d|%d|~", row->key, row->u, row->v);
	else
		snprintf(text, 80, "%s|%d|%d|%d", row->key, row->u, row->v, row->big);
	return text;
}

/* Changes. */

static void send(char operation, const char *text)
{
	add(ROWS, operation, text);
	last->changes[last->change_count - 1]->lsn = lsn++;
}

static void send_update(const struct row *row)
{
	send('u', row_text(row, below(2) == 0));
}

static void send_move(const char *before, const struct row *row)
{
	move(ROWS, before, row_text(row, below(2) == 0));
	last->changes[last->change_count - 2]->lsn = last->changes[last->change_count - 1]->lsn = lsn++;
}

static void insert(int number)
{
	struct row *row = &rows[number];

	*row =
	    (struct row){.exists = true, .u = unused_value(), .v = below(1000), .big = below(1000), .own = ++rows_made};
	write_key(number, row->key);
	send('c', row_text(row, false));
}

static void update(struct row *row)
{
	if (below(2) == 0)
		row->u = unused_value();
	if (!form->fixed)
		row->v = below(1000);
	if (below(2) == 0) {
		row->big = below(1000);
		send('u', row_text(row, false));
	} else {
		send_update(row);
	}
}

static void remove_row(struct row *row)
{
	send('d', row_text(row, false));
	row->exists = false;
}

/* To a key that no row has, or to another text of the same key. */
static void change_key(struct row *row)
{
	int number = below(KEYS);
	struct row moved = *row;
	const char *before = row_text(row, false);

	write_key(number, moved.key);
	if ((rows[number].exists && &rows[number] != row) || strcmp(moved.key, row->key) == 0) {
		send_update(row);
		return;
	}
	row->exists = false;
	rows[number] = moved;
	send_move(before, &moved);
}

/* The constraint is checked at COMMIT, so the first of the two takes the value while the second has it. */
static void swap_keys(struct row *row, struct row *other)
{
	struct row moved = *row, back = *other;
	const char *before = row_text(row, false), *other_before = row_text(other, false);

	write_key((int)(other - rows), moved.key);
	write_key((int)(row - rows), back.key);
	*other = moved;
	*row = back;
	send_move(before, &moved);
	send_move(other_before, &back);
}

/* Through a third value, where the constraint is checked at once. */
static void swap_values(struct row *row, struct row *other)
{
	int mine = row->u, theirs = other->u;
	bool directly = form->values_change_places && below(2) == 0;

	row->u = directly ? theirs : unused_value();
	send_update(row);
	other->u = mine;
	send_update(other);
	row->u = theirs;
	if (!directly)
		send_update(row);
}

static void truncate_table(void)
{
	for (int i = 0; i < KEYS; i++)
		rows[i].exists = false;
	add(EMPTY, 't', NULL);
	last->changes[last->change_count - 1]->lsn = lsn++;
}

static void change_something(void)
{
	struct row *row = &rows[below(KEYS)], *other = another(row);

	if (below(100) == 0)
		truncate_table();
	else if (!row->exists)
		insert((int)(row - rows));
	else if (below(6) == 0)
		remove_row(row);
	else if (below(5) == 0)
		change_key(row);
	else if (below(4) == 0 && other != NULL && form->keys_change_places)
		swap_keys(row, other);
	else if (below(3) == 0 && other != NULL)
		swap_values(row, other);
	else
		update(row);
}

/* The target. */

/* The source's rows as a relation e; own: of those whose value the target must have kept. */
static void append_source(struct buffer *sql)
{
	buffer_append_text(sql, "(SELECT ''::text, 0, 0, ''::text, 0 WHERE false");
	for (int i = 0; i < KEYS; i++) {
		const struct row *row = &rows[i];

		if (row->exists)
			buffer_append_format(sql, " UNION ALL SELECT '%s', %d, %d, '%d', %s%d", row->key, row->u,
			                     row->v, row->big, row->old ? "" : "-", row->own);
	}
	buffer_append_text(sql, ") e (id, u, v, big, own)");
}

static void note_state(void)
{
	struct buffer sql = {0};

	append_source(&sql);
	states[state_count++] = arena_copy(memory, sql.data, sql.length);
	buffer_free(&sql);
}

static void compare(unsigned seed, const char *state)
{
	char *sql = memory_format("SELECT coalesce(string_agg(format('target %%s, source %%s', t, e), '; '), '')"
	                          " FROM plans.t t FULL JOIN %s ON t.id::text COLLATE \"C\" = e.id WHERE t.id IS NULL"
	                          " OR e.id IS NULL OR (t.u, t.v, t.big) IS DISTINCT FROM (e.u, e.v, e.big)"
	                          " OR e.own > 0 AND t.own IS DISTINCT FROM e.own",
	                          state);
	char *differences = postgres_value(connection, sql);

	ck_assert_msg(differences[0] == '\0', "TEST_SEED=%u (%s): %s", seed, form->name, differences);
	ck_assert_msg(counts.rows_missing == 0, "TEST_SEED=%u (%s): %zu rows were missing", seed, form->name,
	              (size_t)counts.rows_missing);
	free(differences);
	free(sql);
}

/* No transaction of the source becomes visible in part. */
static void apply_and_compare(unsigned seed, bool folded)
{
	const struct transaction *next = first;
	size_t applied = 0;

	while (next != NULL) {
		size_t covered = 1;

		counts = (struct batch_counts){0};
		if (folded)
			covered = apply_next(next);
		else
			apply_strictly(next);
		applied += covered;
		compare(seed, states[applied - 1]);
		for (; covered > 0; covered--)
			next = next->next;
	}
	ck_assert_uint_eq(applied, state_count);
	first = last = NULL;
	state_count = 0;
}

/* What the target has of its own. */
static void set_own(void)
{
	struct buffer sql = {0};

	buffer_append_text(&sql, "UPDATE plans.t SET own = abs(e.own) FROM ");
	append_source(&sql);
	buffer_append_text(&sql, " WHERE t.id::text COLLATE \"C\" = e.id");
	postgres_execute(connection, sql.data);
	buffer_free(&sql);
	for (int i = 0; i < KEYS; i++)
		rows[i].old = true;
}

static void make_table(void)
{
	char *sql = memory_format("DROP TABLE IF EXISTS plans.t; CREATE TABLE plans.t (%s, own int)", form->sql);

	postgres_execute(connection, sql);
	free(sql);
	expect_no_error(binding_cache_refresh(bindings, connection));
}

static void run_seed(unsigned seed)
{
	bool folded;

	srand(seed);
	form = &forms[seed % (sizeof(forms) / sizeof(forms[0]))];
	folded = below(4) != 0;
	memset(rows, 0, sizeof(rows));
	make_table();
	for (int i = 0; i < BATCHES; i++) {
		for (int transactions = 1 + below(MOST_TRANSACTIONS); transactions > 0; transactions--) {
			begin();
			for (int changes = 1 + below(5); changes > 0; changes--)
				change_something();
			note_state();
		}
		apply_and_compare(seed, folded);
		set_own();
	}
	arena_reset(memory);
}

START_TEST(the_target_equals_the_source)
{
	run_seeds(run_seed, 20);
}
END_TEST

static void set_up(void)
{
	for (uint32_t i = 0; i < RELATIONS; i++) {
		collections[i] = (struct collection){.name = "t", .schema = "plans", .table = "t", .number = i};
		relations[i] = (struct relation){.collection = &collections[i],
		                                 .schema = "plans",
		                                 .table = "t",
		                                 .number = i,
		                                 .column_count = i == EMPTY ? 0 : 4,
		                                 .columns = i == EMPTY ? NULL : columns,
		                                 .key_count = i == EMPTY ? 0 : 1,
		                                 .key_columns = key_columns,
		                                 .typed = true};
	}
	planning_set_up(&config, SCHEMA_SQL);
}

int main(void)
{
	Suite *suite = suite_create("plan_random");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, planning_tear_down);
	tcase_set_timeout(tests, 0);
	tcase_add_test(tests, the_target_equals_the_source);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
