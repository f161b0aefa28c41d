/*
 * test_key_change.c - rows that change places, as a deferrable key of the source lets them: the same statements run on
 * a table of the server's own, and as events through the applier, whole and in pieces of a few events.
 */
#include "applying.h"
#include "stream/alignment.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_ROWS = 400 };

static struct config config = {
    .stream = {.name = "s", .holder_timeout_ms = 60000},
    .target = {.schema = "moves_state",
               .synchronous_commit = true,
               .synced_at = "synced_at",
               .is_deleted = "is_deleted",
               .deleted_at = "deleted_at",
               .batch_rows = 3,
               .batch_bytes = 1 << 20},
};
static const struct collection collection = {.name = "moves.t", .schema = "moves", .table = "t"};
static const struct column columns[2] = {{.name = "id", .schema_name = "", .encoding = ENCODING_NUMBER},
                                         {.name = "body", .schema_name = "", .encoding = ENCODING_TEXT}};
static const uint32_t first_column[1] = {0};
static const struct relation relation = {.collection = &collection,
                                         .schema = "moves",
                                         .table = "t",
                                         .column_count = 2,
                                         .columns = columns,
                                         .key_count = 1,
                                         .key_columns = first_column,
                                         .typed = true};

static uint64_t lsn;

/* The table of the target has a key of each kind in turn; `own` is a column that the source does not have. */
static void set_up_with(const char *key)
{
	char sql[512];

	snprintf(sql, sizeof(sql),
	         "DROP SCHEMA IF EXISTS moves CASCADE; CREATE SCHEMA moves;"
	         " CREATE TABLE moves.t (id int, body text, own int, PRIMARY KEY (id) %s);"
	         " CREATE TABLE moves.source (id int PRIMARY KEY DEFERRABLE, body text)",
	         key);
	lsn = 1000;
	applying_set_up(&config, sql);
}

static void fill(struct value *value, enum value_kind kind, char **room, const char *text)
{
	*value = (struct value){.kind = (uint8_t)kind};
	if (text == NULL)
		return;
	value->data = memcpy(*room, text, strlen(text));
	value->length = (uint32_t)strlen(text);
	*room += value->length;
}

/*
 * One block, as the decoder makes it, so that it can be spilled. Body NULL: a placeholder. `new_key`: of a first half.
 */
static struct change *event(uint8_t operation, const char *id, const char *body, const char *new_key)
{
	size_t bytes = sizeof(struct change) + 3 * sizeof(struct value) + 64;
	struct change *change = slab_reserve(&writer, bytes);
	struct value *values = (struct value *)(change + 1);
	char *room = (char *)(values + 3);

	*change = (struct change){.relation = &relation,
	                          .operation = operation,
	                          .partition = partition,
	                          .offset = offset++,
	                          .tx_id = 7,
	                          .lsn = lsn,
	                          .bytes = (uint32_t)bytes};
	fill(&values[0], VALUE_NUMBER, &room, id);
	fill(&values[1], body != NULL ? VALUE_STRING : VALUE_UNCHANGED, &room, body);
	if (operation == CHANGE_DELETE)
		change->before = values;
	else
		change->after = values;
	if (new_key != NULL) {
		fill(&values[2], VALUE_NUMBER, &room, new_key);
		change->other_key = &values[2];
	}
	change->slab = slab_commit(&writer, bytes);
	return change;
}

/*
 * "1>2=a" moves row 1 to key 2 with body a, without `=` the body is unchanged; "1=b" updates, "-1" deletes, "+1=c"
 * inserts.
 */
static void add_events(struct transaction *transaction, const char *text)
{
	char *copy = strdup(text), *rest = copy;

	for (char *word; (word = strtok_r(rest, " ", &rest)) != NULL; lsn++) {
		char *body = strchr(word, '=');
		char *arrow = strchr(word, '>');

		if (body != NULL)
			*body++ = '\0';
		if (arrow != NULL) {
			*arrow++ = '\0';
			transaction_add_change(transaction, event(CHANGE_DELETE, word, "", arrow));
			transaction_add_change(transaction, event(CHANGE_INSERT, arrow, body, NULL));
		} else if (*word == '-' || *word == '+') {
			transaction_add_change(transaction, event(*word == '-' ? CHANGE_DELETE : CHANGE_INSERT,
			                                          word + 1, *word == '-' ? "" : body, NULL));
		} else {
			transaction_add_change(transaction, event(CHANGE_UPDATE, word, body, NULL));
		}
	}
	free(copy);
}

static void no_count(uint32_t number, void *context)
{
	(void)number;
	(void)context;
}

static void no_restart(void *context)
{
	(void)context;
}

/* The same transaction from a file. */
static void spill(struct transaction *transaction)
{
	struct alignment alignment = {.restart = no_restart, .count = no_count};

	expect_no_error(spill_open("/tmp", INT64_C(1) << 30, &transaction->spill));
	for (size_t i = 0; i < transaction->change_count; i++) {
		transaction->changes[i]->total_order = i + 1;
		expect_no_error(spill_add(transaction->spill, transaction->changes[i]));
	}
	free(transaction->changes);
	transaction->changes = NULL;
	expect_no_error(spill_align(transaction->spill, &alignment));
	ck_assert_uint_eq(spill_count(transaction->spill), transaction->change_count);
	spill_seal(transaction->spill);
}

static void apply(const char *events, bool in_pieces)
{
	struct transaction *transaction = transaction_new(TRANSACTION_STREAMED);

	transaction->tx_id = 7;
	transaction->commit_lsn = 100000;
	add_events(transaction, events);
	if (in_pieces)
		spill(transaction);
	transaction_add_position(transaction, &(const struct position){partition, offset, {0}});
	ck_assert(transaction_queue_offer(queue, transaction));
	transaction_queue_close(queue);
	expect_no_error(applier_run(applier));
}

/* Each kind of the target's key, and the transaction in memory and in pieces. */
static const struct {
	const char *key;
	bool in_pieces;
} ways[] = {{"", false}, {"", true}, {"DEFERRABLE", false}, {"DEFERRABLE", true}};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

#define ROWS "SELECT coalesce(string_agg(concat_ws(' ', id, body), ', ' ORDER BY id), '') FROM moves.t"

static void expect_rows(int way, const char *before, const char *events, const char *after)
{
	char sql[256];

	set_up_with(ways[way].key);
	snprintf(sql, sizeof(sql), "INSERT INTO moves.t (id, body) VALUES %s", before);
	postgres_execute(side, sql);
	apply(events, ways[way].in_pieces);
	expect_value(ROWS, after);
	expect_value("SELECT count(*) FROM moves_state.moving", "0");
	applying_tear_down();
}

START_TEST(two_rows_change_places)
{
	expect_rows(_i, "(1, 'a'), (2, 'b')", "1>2=a 2>1=b", "1 b, 2 a");
}
END_TEST

START_TEST(placeholders_keep_the_value_of_the_row_that_moved)
{
	expect_rows(_i, "(1, 'a'), (2, 'b'), (3, 'c')", "1>2 2>3 3>1", "1 c, 2 a, 3 b");
}
END_TEST

/* UPDATE … SET id = CASE id WHEN 1 THEN 2 WHEN 2 THEN 1 ELSE id END: a row in between keeps its key. */
START_TEST(other_changes_stand_in_between)
{
	expect_rows(_i, "(1, 'a'), (2, 'b'), (3, 'c')", "+9=i 1>2=a 3=cc +8=h 2>1=b -3", "1 b, 2 a, 8 h, 9 i");
}
END_TEST

START_TEST(they_change_places_twice)
{
	expect_rows(_i, "(1, 'a'), (2, 'b'), (3, 'c')", "1>2 2>3 3>1 3>2 2>1 1>3 -1", "2 b, 3 c");
}
END_TEST

/* The target was copied later: the row is at its new key already, and another has the old one. */
START_TEST(target_that_is_ahead_is_written_over)
{
	expect_rows(_i, "(1, 'later'), (2, 'kept')", "1>2 2=new", "2 new");
	expect_rows(_i, "(1, 'later'), (2, 'kept')", "1>2", "2 kept");
	expect_rows(_i, "(2, 'kept')", "1>2", "2 kept");
}
END_TEST

/* Columns that only the target has go with the row, by whatever way it gets its new key. */
START_TEST(own_columns_go_along)
{
	static const struct table_rule soft[] = {{.match = "moves.t", .delete_mode = DELETE_SOFT}};

	for (int i = 0; i < 3; i++) {
		config.tables = i == 2 ? soft : NULL;
		config.table_count = i == 2 ? 1 : 0;
		set_up_with(ways[_i].key);
		if (i == 1)
			postgres_execute(side, "ALTER TABLE moves.t ALTER id SET NOT NULL,"
			                       " ALTER id ADD GENERATED ALWAYS AS IDENTITY");
		postgres_execute(
		    side,
		    "ALTER TABLE moves.t ADD note text NOT NULL DEFAULT '?', ADD twice int GENERATED ALWAYS AS"
		    " (own * 2) STORED, ADD is_deleted boolean NOT NULL DEFAULT false, ADD deleted_at timestamptz,"
		    " ADD synced_at timestamptz");
		postgres_execute(side, "INSERT INTO moves.t (id, body, own, note) OVERRIDING SYSTEM VALUE"
		                       " VALUES (1, 'a', 10, 'x,\"(1)'), (2, 'b', 20, 'y'), (3, 'c', NULL, 'z')");
		if (i < 2)
			postgres_execute(side, "ALTER TABLE moves.t ADD UNIQUE (own), ADD number int GENERATED ALWAYS"
			                       " AS IDENTITY");
		apply("1>2=aa 2>1 3>9", ways[_i].in_pieces);
		expect_value("SELECT string_agg(concat_ws(' ', id, body, own, note, twice), ', ' ORDER BY id)"
		             " FROM moves.t WHERE NOT is_deleted",
		             "1 b 20 y 40, 2 aa 10 x,\"(1) 20, 9 c z");
		if (i < 2)
			expect_value("SELECT string_agg(number::text, ' ' ORDER BY id) FROM moves.t", "2 1 3");
		expect_value("SELECT count(*) FROM moves_state.moving", "0");
		applying_tear_down();
	}
	config.tables = NULL;
	config.table_count = 0;
}
END_TEST

/* Where the old row stays, its copy has unique values and numbers of its own. */
START_TEST(unique_own_columns_are_not_copied)
{
	static const struct table_rule rules[] = {{.match = "moves.t", .delete_mode = DELETE_SOFT},
	                                          {.match = "moves.t", .delete_mode = DELETE_IGNORE}};

	for (size_t i = 0; i < 2; i++) {
		config.tables = &rules[i];
		config.table_count = 1;
		set_up_with("");
		postgres_execute(side, "ALTER TABLE moves.t ADD is_deleted boolean NOT NULL DEFAULT false,"
		                       " ADD u int DEFAULT 0 UNIQUE, ADD number int GENERATED ALWAYS AS IDENTITY;"
		                       " INSERT INTO moves.t (id, body, own, u) VALUES (1, 'a', 10, 5)");
		apply("1>2", false);
		expect_value("SELECT concat_ws(' ', body, own, u, number, is_deleted) FROM moves.t WHERE id = 2",
		             "a 10 0 2 f");
		expect_value("SELECT concat_ws(' ', body, own, u, number, is_deleted) FROM moves.t WHERE id = 1",
		             i == 0 ? "a 10 5 1 t" : "a 10 5 1 f");
		applying_tear_down();
	}
	config.tables = NULL;
	config.table_count = 0;
}
END_TEST

/* The type takes the old key and the new one for equal. */
START_TEST(a_key_that_changes_its_text_alone)
{
	set_up_with(ways[_i].key);
	postgres_execute(side, "ALTER TABLE moves.t ALTER id TYPE numeric;"
	                       " INSERT INTO moves.t VALUES (1.0, 'a', 10), (2, 'b', 20)");
	apply("1.0>1.00=c", ways[_i].in_pieces);
	expect_value("SELECT string_agg(concat_ws(' ', id, body, own), ', ' ORDER BY id) FROM moves.t",
	             "1.00 c 10, 2 b 20");
	applying_tear_down();
}
END_TEST

/* Rows change places, and a new key is written otherwise than the old one of the row that had it: equal by the index. */
START_TEST(keys_that_are_equal_have_different_texts)
{
	static const struct {
		const char *type, *rows, *events, *after;
	} cases[] = {
	    {"numeric", "(1.0, 'a', 10), (2, 'b', 20)", "1.0>2.00 2>1.000 -2.0", "1.000 b 20"},
	    {"numeric", "(1.0, 'a', 10), (2, 'b', 20)", "1.0>2.00 2>1.000", "1.000 b 20, 2.00 a 10"},
	    {"numeric", "(1, 'a', 10), (2, 'b', 20), (3, 'c', 30)", "1>2.0 2>3.0 3>1.0 2.00=d",
	     "1.0 c 30, 2.00 d 10, 3.0 b 20"},
	    {"moves.citext", "('a', 'a', 10), ('b', 'b', 20)", "a>B b>A -B", "A b 20"},
	    {"moves.citext", "('a', 'a', 10), ('b', 'b', 20)", "a>B b>A", "A b 20, B a 10"},
	    {"text COLLATE moves.ci", "('a', 'a', 10), ('b', 'b', 20)", "a>B b>A", "A b 20, B a 10"},
	    {"text COLLATE moves.ci", "('a', 'a', 10), ('b', 'b', 20)", "a>B b>A -B", "A b 20"},
	};
	char sql[512];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up_with(ways[_i].key);
		postgres_execute(side, "DROP EXTENSION IF EXISTS citext CASCADE; CREATE EXTENSION citext SCHEMA moves; "
		                       "CREATE COLLATION moves.ci"
		                       " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
		snprintf(sql, sizeof(sql), "ALTER TABLE moves.t ALTER id TYPE %s; INSERT INTO moves.t VALUES %s",
		         cases[i].type, cases[i].rows);
		postgres_execute(side, sql);
		apply(cases[i].events, ways[_i].in_pieces);
		expect_value("SELECT string_agg(concat_ws(' ', id, body, own), ', ' ORDER BY id) FROM moves.t",
		             cases[i].after);
		expect_value("SELECT count(*) FROM moves_state.moving", "0");
		applying_tear_down();
	}
}
END_TEST

/* A masked value does not wait in the target as it was, nor does a digest of a masked key that one could guess. */
START_TEST(masked_values_are_masked_while_they_wait)
{
	static const struct column_rule masked[] = {{.match = "*", .mask = MASK_HASH}};
	static const struct table_rule rules[] = {{.match = "moves.t", .columns = masked, .column_count = 1}};

	config.tables = rules;
	config.table_count = 1;
	config.masking.salt = "pepper";
	set_up_with(ways[_i].key);
	postgres_execute(
	    side, "ALTER TABLE moves.t ALTER id TYPE text; CREATE TABLE moves.seen (image bytea, key text);"
	          " CREATE FUNCTION moves.see() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS"
	          " 'BEGIN INSERT INTO moves.seen VALUES (NEW.image, NEW.key); RETURN NEW; END';"
	          " CREATE TRIGGER see BEFORE INSERT ON moves_state.moving FOR EACH ROW EXECUTE FUNCTION moves.see();"
	          " ALTER TABLE moves_state.moving ENABLE ALWAYS TRIGGER see");
	apply("+111=first +222=second 111>222=first 222>111=second 111=third", ways[_i].in_pieces);
	expect_value("SELECT count(*) FROM moves.t WHERE body = encode(sha256('pepperfirst'), 'hex')"
	             " AND id = encode(sha256('pepper222'), 'hex')",
	             "1");
	expect_value("SELECT count(*) FROM moves.t WHERE body = encode(sha256('pepperthird'), 'hex')"
	             " AND id = encode(sha256('pepper111'), 'hex')",
	             "1");
	expect_value("SELECT count(*) > 0 FROM moves.seen", "t");
	expect_value("SELECT count(*) FROM moves.seen WHERE position('first'::bytea IN image) > 0"
	             " OR position('second'::bytea IN image) > 0 OR position('222'::bytea IN image) > 0",
	             "0");
	expect_value(
	    "SELECT count(*) FROM moves.seen WHERE key = encode(sha256('\\x0003000000'::bytea || '222'), 'hex')", "0");
	applying_tear_down();
	config.tables = NULL;
	config.table_count = 0;
}
END_TEST

static void shuffle(int *numbers, int count)
{
	for (int i = count - 1; i > 0; i--) {
		int j = rand() % (i + 1), number = numbers[i];

		numbers[i] = numbers[j];
		numbers[j] = number;
	}
}

/* Random: the rows lie in one order and get the keys of another; two statements. */
START_TEST(many_rows_change_places)
{
	unsigned seed = (unsigned)time(NULL) + (unsigned)_i;
	struct buffer events = {0};
	int now[MOST_ROWS], then[MOST_ROWS];
	const char *given = getenv("TEST_SEED");

	seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : seed;
	printf("many_rows_change_places: TEST_SEED=%u\n", seed);
	srand(seed);
	set_up_with(ways[_i].key);
	postgres_execute(side, "INSERT INTO moves.t SELECT g, 'row ' || g, g FROM generate_series(1, 400) g;"
	                       " INSERT INTO moves.source SELECT g, 'row ' || g FROM generate_series(1, 400) g;"
	                       " CREATE TABLE moves.step (a int PRIMARY KEY, b int)");
	for (int i = 0; i < MOST_ROWS; i++)
		now[i] = then[i] = i + 1;
	for (int statement = 0; statement < 2; statement++) {
		struct buffer sql = {0};

		shuffle(now, MOST_ROWS);
		shuffle(then, MOST_ROWS);
		buffer_append_text(&sql, "TRUNCATE moves.step; INSERT INTO moves.step VALUES ");
		for (int i = 0; i < MOST_ROWS; i++) {
			if (now[i] != then[i])
				buffer_append_format(&events, "%d>%d ", now[i], then[i]);
			buffer_append_format(&sql, "%s(%d, %d)", i > 0 ? ", " : "", now[i], then[i]);
		}
		buffer_append_text(&sql, "; UPDATE moves.source SET id = b FROM moves.step WHERE id = a");
		postgres_execute(side, sql.data);
		buffer_free(&sql);
	}
	apply(events.data, ways[_i].in_pieces);
	expect_value("SELECT count(*) FROM moves.t JOIN moves.source USING (id, body)", "400");
	buffer_free(&events);
	applying_tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("key changes");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, two_rows_change_places, 0, WAYS);
	tcase_add_loop_test(tests, placeholders_keep_the_value_of_the_row_that_moved, 0, WAYS);
	tcase_add_loop_test(tests, other_changes_stand_in_between, 0, WAYS);
	tcase_add_loop_test(tests, they_change_places_twice, 0, WAYS);
	tcase_add_loop_test(tests, target_that_is_ahead_is_written_over, 0, WAYS);
	tcase_add_loop_test(tests, own_columns_go_along, 0, WAYS);
	tcase_add_test(tests, unique_own_columns_are_not_copied);
	tcase_add_loop_test(tests, a_key_that_changes_its_text_alone, 0, WAYS);
	tcase_add_loop_test(tests, keys_that_are_equal_have_different_texts, 0, WAYS);
	tcase_add_loop_test(tests, masked_values_are_masked_while_they_wait, 0, WAYS);
	tcase_add_loop_test(tests, many_rows_change_places, 0, WAYS);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
