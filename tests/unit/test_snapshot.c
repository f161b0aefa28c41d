/*
 * test_snapshot.c - on a real server: what the rows of snapshots mean for the tables that they go to, and updates and
 * deletes that find no row.
 */
#include "applying.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config config = {
    .stream = {.name = "s", .holder_timeout_ms = 60000},
    .target = {.schema = "snapshot_state", .synchronous_commit = true, .batch_rows = 1000, .batch_bytes = 1 << 20},
};

/* HALF: a unique column that may be NULL is the key; PAIRS: a body is unique; SLOTS: by an exclusion constraint. */
enum { KEYED, BAG, HALF, PAIRS, SLOTS, RELATIONS };

static const struct collection collections[RELATIONS] = {
    {.name = "snap.keyed", .schema = "snap", .table = "keyed", .number = 0},
    {.name = "snap.bag", .schema = "snap", .table = "bag", .number = 1},
    {.name = "snap.half", .schema = "snap", .table = "half", .number = 2},
    {.name = "snap.pairs", .schema = "snap", .table = "pairs", .number = 3},
    {.name = "snap.slots", .schema = "snap", .table = "slots", .number = 4},
};
static const struct column columns[2] = {{.name = "id", .schema_name = "", .encoding = ENCODING_NUMBER},
                                         {.name = "body", .schema_name = "", .encoding = ENCODING_TEXT}};
static const uint32_t first_column[1] = {0};
static const struct relation relations[RELATIONS] = {
    {.collection = &collections[KEYED],
     .schema = "snap",
     .table = "keyed",
     .number = 0,
     .column_count = 2,
     .columns = columns,
     .key_count = 1,
     .key_columns = first_column,
     .typed = true},
    {.collection = &collections[BAG],
     .schema = "snap",
     .table = "bag",
     .number = 1,
     .column_count = 2,
     .columns = columns,
     .typed = true},
    {.collection = &collections[HALF],
     .schema = "snap",
     .table = "half",
     .number = 2,
     .column_count = 2,
     .columns = columns,
     .key_count = 1,
     .key_columns = first_column,
     .typed = true},
    {.collection = &collections[PAIRS],
     .schema = "snap",
     .table = "pairs",
     .number = 3,
     .column_count = 2,
     .columns = columns,
     .key_count = 1,
     .key_columns = first_column,
     .typed = true},
    {.collection = &collections[SLOTS],
     .schema = "snap",
     .table = "slots",
     .number = 4,
     .column_count = 2,
     .columns = columns,
     .key_count = 1,
     .key_columns = first_column,
     .typed = true},
};
static const struct snapshot_identity one = {700, 0x100}, two = {800, 0x200}, none = {0, 0};

#define ROWS_SQL(table)                                                                                                \
	"SELECT coalesce(string_agg(concat_ws(':', id, body), ' ' ORDER BY id, body), '') FROM snap." table
#define MARKS_SQL                                                                                                      \
	"SELECT coalesce(string_agg(concat_ws(' ', table_name, reason, nullif(discarded_rows, 0)), ', '"               \
	" ORDER BY table_name), '') FROM snapshot_state.unverified"

static void set_up(void)
{
	config.stream.on_error = ON_ERROR_STOP;
	applying_set_up(&config, "DROP SCHEMA IF EXISTS snap CASCADE; CREATE SCHEMA snap;"
	                         " CREATE TABLE snap.keyed (id int PRIMARY KEY, body text);"
	                         " CREATE TABLE snap.bag (id int, body text);"
	                         " CREATE TABLE snap.half (id int UNIQUE, body text);"
	                         " CREATE TABLE snap.pairs (id int PRIMARY KEY, body text UNIQUE);"
	                         " CREATE TABLE snap.slots (id int PRIMARY KEY, body text, EXCLUDE (body WITH =))");
}

static struct value value_of(enum value_kind kind, const char *text)
{
	return text == NULL ? (struct value){.kind = VALUE_NULL}
	                    : (struct value){text, (uint32_t)strlen(text), (uint8_t)kind};
}

/* `before` NULL: none. Ids are constants; id NULL is a NULL. */
static void add_change(struct transaction *transaction, int relation, uint8_t operation, const char *id,
                       const char *body, const char *before)
{
	size_t bytes = sizeof(struct change) + 4 * sizeof(struct value);
	struct change *change = slab_reserve(&writer, bytes);
	struct value *values = (struct value *)(change + 1);

	*change = (struct change){.relation = &relations[relation],
	                          .operation = operation,
	                          .partition = partition,
	                          .offset = offset++,
	                          .tx_id = transaction->tx_id,
	                          .lsn = transaction->snapshot.lsn,
	                          .bytes = (uint32_t)bytes};
	values[0] = value_of(VALUE_NUMBER, id);
	values[1] = value_of(VALUE_STRING, body);
	values[2] = value_of(VALUE_NUMBER, id);
	values[3] = value_of(VALUE_STRING, before);
	if (operation != CHANGE_DELETE)
		change->after = values;
	if (operation == CHANGE_DELETE || before != NULL)
		change->before = values + 2;
	change->slab = slab_commit(&writer, bytes);
	transaction_add_change(transaction, change);
}

static void add(struct transaction *transaction, int relation, uint8_t operation, const char *id, const char *body)
{
	add_change(transaction, relation, operation, id, body, operation == CHANGE_DELETE ? body : NULL);
}

static struct transaction *streamed(uint64_t tx_id)
{
	struct transaction *transaction = transaction_new(TRANSACTION_STREAMED);

	transaction->tx_id = tx_id;
	transaction->commit_lsn = tx_id * 100;
	return transaction;
}

static struct transaction *rows_of(struct snapshot_identity snapshot)
{
	struct transaction *transaction = transaction_new(TRANSACTION_SNAPSHOT);

	transaction->snapshot = snapshot;
	return transaction;
}

static void offer(struct transaction *transaction)
{
	transaction_add_position(transaction, &(const struct position){partition, offset, {0}});
	ck_assert(transaction_queue_offer(queue, transaction));
}

/* Its end, in a hand-over of its own. */
static void offer_end(struct snapshot_identity snapshot, bool complete)
{
	struct transaction *transaction = rows_of(snapshot);

	transaction->snapshot_ends = true;
	transaction->snapshot_complete = complete;
	offer(transaction);
}

static struct error *run(void)
{
	struct checkpoint checkpoint;
	struct error *error;

	transaction_queue_close(queue);
	error = applier_run(applier);
	applier_write_end(applier, error);
	/* The next one is another process, as far as the applier can tell. */
	applier_free(applier);
	transaction_queue_free(queue);
	queue = transaction_queue_new(1000, 1 << 20);
	expect_no_error(applier_new(&config, partitions, queue, &applier, &checkpoint));
	checkpoint_free(&checkpoint);
	return error;
}

START_TEST(a_table_that_holds_rows_is_unverified)
{
	struct transaction *rows = rows_of(one);

	postgres_execute(side,
	                 "INSERT INTO snap.keyed VALUES (1, 'old'), (2, 'gone'); INSERT INTO snap.bag VALUES (1, 'x')");
	add(rows, KEYED, CHANGE_READ, "1", "new");
	add(rows, BAG, CHANGE_READ, "1", "x");
	add(rows, HALF, CHANGE_READ, NULL, "n");
	add(rows, KEYED, CHANGE_READ, "3", "new");
	add(rows, BAG, CHANGE_READ, "2", "y");
	offer(rows);
	expect_no_error(run());
	expect_value(ROWS_SQL("keyed"), "1:new 2:gone 3:new");
	expect_value(ROWS_SQL("bag"), "1:x");
	expect_value(ROWS_SQL("half"), "n");
	expect_value(MARKS_SQL, "bag snapshot 2, keyed snapshot");
	expect_value("SELECT unverified_tables FROM snapshot_state.status", "2");
	expect_value("SELECT lsn FROM snapshot_state.unverified WHERE table_name = 'keyed'", "0/100");
}
END_TEST

/* The connector sends the rows of the tables that inherit from it under its name as well. */
START_TEST(a_table_with_heirs_is_unverified)
{
	struct transaction *rows = rows_of(one);

	postgres_execute(side, "CREATE TABLE snap.heir () INHERITS (snap.keyed)");
	add(rows, KEYED, CHANGE_READ, "1", "own");
	add(rows, KEYED, CHANGE_READ, "2", "of the heir");
	add(rows, PAIRS, CHANGE_READ, "1", "x");
	offer(rows);
	expect_no_error(run());
	expect_value(MARKS_SQL, "keyed snapshot");
}
END_TEST

/* The decision of the first row holds for the whole snapshot, whatever is restarted, and not for the next one. */
START_TEST(rows_without_a_key_are_written_once)
{
	struct transaction *rows = rows_of(one);

	add(rows, BAG, CHANGE_READ, "1", "x");
	add(rows, HALF, CHANGE_READ, NULL, "n");
	add(rows, HALF, CHANGE_READ, "1", "k");
	offer(rows);
	expect_no_error(run());
	rows = rows_of(one);
	add(rows, BAG, CHANGE_READ, "2", "y");
	add(rows, HALF, CHANGE_READ, NULL, "m");
	offer(rows);
	offer_end(one, true);
	expect_no_error(run());
	expect_value(ROWS_SQL("bag"), "1:x 2:y");
	expect_value(ROWS_SQL("half"), "1:k m n");
	expect_value(MARKS_SQL, "");

	for (int i = 0; i < 2; i++) { /* in two pieces, with a restart between them */
		rows = rows_of(two);
		add(rows, BAG, CHANGE_READ, "1", "x");
		add(rows, HALF, CHANGE_READ, NULL, "n");
		add(rows, HALF, CHANGE_READ, "1", i == 0 ? "k" : "newer");
		offer(rows);
		expect_no_error(run());
	}
	offer_end(two, true);
	expect_no_error(run());
	expect_value(ROWS_SQL("bag"), "1:x 2:y");
	expect_value(ROWS_SQL("half"), "1:newer m n");
	expect_value(MARKS_SQL, "bag snapshot 2, half snapshot 2");
}
END_TEST

/* A streamed change that the snapshot contains may follow its rows. */
START_TEST(rows_without_a_key_behind_streamed_ones)
{
	struct transaction *rows = rows_of(one), *before = streamed(1);

	add(before, KEYED, CHANGE_INSERT, "1", "x");
	offer(before);
	add(rows, BAG, CHANGE_READ, "1", "x");
	offer(rows); /* in one batch with it */
	expect_no_error(run());
	expect_value(ROWS_SQL("bag"), "");
	expect_value(MARKS_SQL, "bag snapshot 1");
	rows = rows_of(two);
	add(rows, BAG, CHANGE_READ, "1", "x");
	add(rows, HALF, CHANGE_READ, "1", "x"); /* with its key: written, and no mark since it was empty */
	offer(rows);
	expect_no_error(run());
	expect_value(ROWS_SQL("bag"), "");
	expect_value(ROWS_SQL("half"), "1:x");
	expect_value(MARKS_SQL, "bag snapshot 2");
}
END_TEST

START_TEST(a_broken_off_snapshot_marks_no_more)
{
	struct transaction *rows = rows_of(one);

	add(rows, KEYED, CHANGE_READ, "1", "x");
	add(rows, BAG, CHANGE_READ, "1", "x");
	offer(rows);
	offer_end(one, true);
	expect_no_error(run());
	rows = rows_of(two);
	add(rows, HALF, CHANGE_READ, "1", "x");
	offer(rows);
	offer_end(two, _i == 1);
	expect_no_error(run());
	expect_value(MARKS_SQL, _i == 1 ? "bag snapshot, keyed snapshot" : "");
	expect_value("SELECT count(*) FILTER (WHERE finished_at IS NULL) FROM snapshot_state.snapshot_progress", "0");
	expect_value("SELECT count(*) FROM snap.keyed, snap.bag", "1");
}
END_TEST

START_TEST(an_emptied_table_is_unverified_only_while_it_holds_rows)
{
	struct transaction *rows = rows_of(one);

	add(rows, KEYED, CHANGE_READ, "1", "x");
	add(rows, BAG, CHANGE_READ, "1", "x");
	offer(rows);
	offer_end(one, true);
	expect_no_error(run());
	postgres_execute(side, "DELETE FROM snap.bag; DROP TABLE snap.half");
	offer_end(two, true);
	expect_no_error(run());
	expect_value(ROWS_SQL("keyed"), "1:x");
	expect_value(MARKS_SQL, "keyed snapshot");
}
END_TEST

/* The resync of a table uses an incremental snapshot. */
START_TEST(an_incremental_snapshot_marks_no_table_with_a_key)
{
	struct transaction *rows = rows_of(none);

	postgres_execute(side, "INSERT INTO snap.keyed VALUES (1, 'old'); INSERT INTO snap.bag VALUES (1, 'x')");
	add(rows, KEYED, CHANGE_READ, "1", "new");
	add(rows, BAG, CHANGE_READ, "1", "x"); /* by a surrogate key */
	offer(rows);
	expect_no_error(run());
	expect_value(ROWS_SQL("keyed"), "1:new");
	expect_value(ROWS_SQL("bag"), "1:x");
	expect_value(MARKS_SQL, "bag snapshot 1");
}
END_TEST

/* Each time: a comparison may have removed the mark in between. Its progress stays as it is. */
START_TEST(late_rows_mark_their_tables)
{
	struct transaction *rows;

	offer_end(one, false);
	expect_no_error(run());
	for (int i = 0; i < 2; i++) {
		rows = rows_of(one);
		rows->snapshot_late = true;
		add(rows, KEYED, CHANGE_READ, "1", "x");
		offer(rows);
		rows = streamed(5 + (uint64_t)i); /* another batch of the same process */
		add(rows, KEYED, CHANGE_TRUNCATE, "1", NULL);
		rows->changes[0]->after = NULL;
		offer(rows);
		rows = rows_of(one);
		rows->snapshot_late = true;
		add(rows, KEYED, CHANGE_READ, "2", "x");
		add(rows, BAG, CHANGE_READ, "2", "x");
		offer(rows);
		expect_no_error(run());
		expect_value(ROWS_SQL("keyed"), "2:x");
		expect_value(ROWS_SQL("bag"), "");
		expect_value(MARKS_SQL, "bag snapshot 1, keyed snapshot");
		postgres_execute(side, "DELETE FROM snapshot_state.unverified");
	}
	expect_value("SELECT rows || ' ' || (finished_at IS NOT NULL) FROM snapshot_state.snapshot_progress", "0 true");
}
END_TEST

/* Rows of a snapshot that has ended already: as late ones. */
START_TEST(rows_behind_the_end_are_not_doubled)
{
	struct transaction *rows = rows_of(one);

	add(rows, BAG, CHANGE_READ, "1", "x");
	offer(rows);
	offer_end(one, true);
	expect_no_error(run());
	rows = rows_of(one);
	add(rows, BAG, CHANGE_READ, "1", "x");
	offer(rows);
	expect_no_error(run());
	expect_value(ROWS_SQL("bag"), "1:x");
	expect_value(MARKS_SQL, "bag snapshot 1");
}
END_TEST

/* What was noted in a target transaction that failed was not noted. */
START_TEST(a_mark_is_rolled_back_with_its_rows)
{
	struct transaction *rows = rows_of(one);
	struct error *error;

	postgres_execute(side, "INSERT INTO snap.keyed VALUES (1, 'old'); ALTER TABLE snap.half ADD CHECK (id < 5)");
	add(rows, KEYED, CHANGE_READ, "2", "new");
	add(rows, BAG, CHANGE_READ, "1", "x");
	add(rows, HALF, CHANGE_READ, "7", "x");
	offer(rows);
	error = run();
	ck_assert_ptr_nonnull(error);
	ck_assert_str_eq(error->sqlstate, "23514");
	error_free(error);
	expect_value(MARKS_SQL, "");
	expect_value("SELECT count(*) FROM snapshot_state.captured_table", "0");
	postgres_execute(side, "ALTER TABLE snap.half DROP CONSTRAINT half_id_check");
	rows = rows_of(one);
	add(rows, KEYED, CHANGE_READ, "2", "new");
	add(rows, BAG, CHANGE_READ, "1", "x");
	add(rows, HALF, CHANGE_READ, "7", "x");
	offer(rows);
	expect_no_error(run());
	expect_value(ROWS_SQL("keyed"), "1:old 2:new");
	expect_value(ROWS_SQL("bag"), "1:x");
	expect_value(MARKS_SQL, "keyed snapshot");
}
END_TEST

/* The same within one process: a batch is rolled back and replayed change by change. */
START_TEST(a_replayed_batch_decides_again)
{
	struct transaction *rows = rows_of(one), *more = rows_of(one);

	config.stream.on_error = ON_ERROR_QUARANTINE;
	postgres_execute(side, "INSERT INTO snap.keyed VALUES (1, 'old'); ALTER TABLE snap.half ADD CHECK (id < 5)");
	add(rows, KEYED, CHANGE_READ, "2", "new");
	add(rows, BAG, CHANGE_READ, "1", "x");
	offer(rows);
	add(more, BAG, CHANGE_READ, "2", "y");
	add(more, HALF, CHANGE_READ, "7", "x"); /* set aside, with the row before it */
	offer(more);
	more = rows_of(one);
	add(more, KEYED, CHANGE_READ, "3", "new");
	offer(more);
	expect_no_error(run());
	expect_value(ROWS_SQL("keyed"), "1:old 2:new 3:new");
	expect_value(ROWS_SQL("bag"), "1:x");
	expect_value(MARKS_SQL, "keyed snapshot");
	expect_value("SELECT count(*) FROM snapshot_state.quarantine", "1");
}
END_TEST

/* The LSNs of the new history are lower than those of an older mark. */
START_TEST(what_was_accepted_leaves_all_tables_unverified)
{
	struct transaction *changes = streamed(5);
	struct checkpoint checkpoint;

	add(changes, KEYED, CHANGE_INSERT, "1", "a");
	add(changes, BAG, CHANGE_INSERT, "1", "a");
	offer(changes);
	expect_no_error(run());
	postgres_execute(side, "INSERT INTO snapshot_state.unverified (stream, schema_name, table_name, reason, lsn)"
	                       " VALUES ('s', 'snap', 'half', 'rewritten', '5/0');"
	                       " INSERT INTO snapshot_state.acceptance (stream, word) VALUES ('s', 'new-slot')");
	applier_free(applier);
	expect_no_error(applier_new(&config, partitions, queue, &applier, &checkpoint));
	checkpoint_free(&checkpoint);
	changes = streamed(2);
	add(changes, KEYED, CHANGE_INSERT, "2", "b");
	changes->accepted = true;
	offer(changes);
	expect_no_error(run());
	expect_value(MARKS_SQL, "bag accepted, half rewritten, keyed accepted");
	expect_value("SELECT string_agg(DISTINCT lsn::text, ' ') FROM snapshot_state.unverified", "0/C8");
	expect_value("SELECT count(*) FROM snapshot_state.acceptance WHERE used_at IS NULL", "0");
}
END_TEST

/* --- updates and deletes that find no row -------------------------------------------------------------------------- */

START_TEST(a_missing_row_of_a_table_without_a_key)
{
	struct transaction *changes = streamed(5);
	struct applier_state state;

	postgres_execute(side, "INSERT INTO snap.bag VALUES (1, 'x')");
	if (_i == 0)
		add(changes, BAG, CHANGE_DELETE, "2", "gone");
	else
		add_change(changes, BAG, CHANGE_UPDATE, "2", "new", "old");
	offer(changes);
	changes = streamed(6);
	add(changes, BAG, CHANGE_DELETE, "1", "x"); /* finds its row */
	offer(changes);
	transaction_queue_close(queue);
	expect_no_error(applier_run(applier));
	state = applier_state(applier);
	ck_assert_uint_eq(state.rows_missing, 1);
	expect_value(ROWS_SQL("bag"), _i == 0 ? "" : "2:new");
	expect_value(MARKS_SQL, "bag missing row");
	expect_value("SELECT lsn FROM snapshot_state.unverified", "0/1F4");
}
END_TEST

/* On a table that is unverified they are expected: its mark stays as it is. */
START_TEST(a_missing_row_of_an_unverified_table)
{
	struct transaction *changes = streamed(5);

	postgres_execute(side, "INSERT INTO snapshot_state.unverified (stream, schema_name, table_name, reason, lsn)"
	                       " VALUES ('s', 'snap', 'bag', 'snapshot', '0/1')");
	add(changes, BAG, CHANGE_DELETE, "2", "gone");
	offer(changes);
	transaction_queue_close(queue);
	expect_no_error(applier_run(applier));
	ck_assert_uint_eq(applier_state(applier).rows_missing, 1);
	expect_value(MARKS_SQL, "bag snapshot");
	expect_value("SELECT lsn FROM snapshot_state.unverified", "0/1");
}
END_TEST

/* With a key it is counted. A row that comes and goes within a batch is not missing. */
START_TEST(a_missing_row_of_a_table_with_a_key)
{
	struct transaction *changes = streamed(5);

	add(changes, KEYED, CHANGE_INSERT, "1", "x");
	add(changes, KEYED, CHANGE_DELETE, "1", NULL);
	offer(changes);
	transaction_queue_close(queue);
	expect_no_error(applier_run(applier));
	ck_assert_uint_eq(applier_state(applier).rows_missing, 0);
	expect_no_error(run());
	changes = streamed(6);
	add(changes, KEYED, CHANGE_DELETE, "1", NULL);
	add(changes, KEYED, CHANGE_UPDATE, "2", "new");
	offer(changes);
	transaction_queue_close(queue);
	expect_no_error(applier_run(applier));
	ck_assert_uint_eq(applier_state(applier).rows_missing, 2);
	expect_value(ROWS_SQL("keyed"), "2:new");
	expect_value(MARKS_SQL, "");
}
END_TEST

/* --- changes that other rows of an unverified table refuse ---------------------------------------------------------- */

#define REFUSED_SQL                                                                                                    \
	"SELECT coalesce(string_agg(concat_ws(' ', table_name, reason, lsn, refused_changes), ', '"                    \
	" ORDER BY table_name), '') FROM snapshot_state.unverified"
#define MARK(table)                                                                                                    \
	"INSERT INTO snapshot_state.unverified (stream, schema_name, table_name, reason, lsn)"                         \
	" VALUES ('s', 'snap', '" table "', 'rewritten', '0/1')"

/* While nobody captured it, two rows exchanged a value that is unique: neither row of the next snapshot fits. */
START_TEST(unique_values_that_changed_places)
{
	static const int tables[] = {PAIRS, SLOTS};
	struct transaction *rows = rows_of(one);

	postgres_execute(side, "INSERT INTO snap.pairs VALUES (1, 'a'), (2, 'b'), (3, 'c');"
	                       "INSERT INTO snap.slots SELECT * FROM snap.pairs");
	for (int i = 0; i < 2; i++) {
		add(rows, tables[i], CHANGE_READ, "1", "b");
		add(rows, tables[i], CHANGE_READ, "2", "a");
		add(rows, tables[i], CHANGE_READ, "3", "new");
		add(rows, tables[i], CHANGE_READ, "4", "d");
	}
	offer(rows);
	offer_end(one, true);
	expect_no_error(run());
	expect_value(ROWS_SQL("pairs"), "1:a 2:b 3:new 4:d");
	expect_value(ROWS_SQL("slots"), "1:a 2:b 3:new 4:d");
	expect_value(REFUSED_SQL, "pairs snapshot 0/100 2, slots snapshot 0/100 2");
	/* What follows finds the rows as they are. */
	rows = streamed(6);
	add(rows, PAIRS, CHANGE_UPDATE, "2", "free");
	add(rows, PAIRS, CHANGE_UPDATE, "1", "b");
	offer(rows);
	expect_no_error(run());
	expect_value(ROWS_SQL("pairs"), "1:b 2:free 3:new 4:d");
}
END_TEST

/* A transaction of the stream that meets a row of the past or of the future. The quarantine gets none of it. */
START_TEST(a_streamed_change_that_an_unverified_table_refuses)
{
	struct transaction *changes = streamed(5);

	config.stream.on_error = _i == 0 ? ON_ERROR_STOP : ON_ERROR_QUARANTINE;
	postgres_execute(
	    side,
	    "INSERT INTO snap.pairs VALUES (1, 'a'), (2, 'b'); INSERT INTO snap.keyed VALUES (1, 'x');" MARK("pairs"));
	add(changes, KEYED, CHANGE_UPDATE, "1", "y");
	add(changes, PAIRS, CHANGE_INSERT, "3", "a");
	add(changes, PAIRS, CHANGE_UPDATE, "2", "a");
	add(changes, PAIRS, CHANGE_INSERT, "4", "d");
	offer(changes);
	expect_no_error(run());
	expect_value(ROWS_SQL("keyed"), "1:y");
	expect_value(ROWS_SQL("pairs"), "1:a 2:b 4:d");
	expect_value(REFUSED_SQL, "pairs rewritten 0/1F4 2");
	expect_value("SELECT marked_at > clock_timestamp() - interval '1 min' FROM snapshot_state.unverified", "t");
	expect_value("SELECT count(*) FROM snapshot_state.quarantine", "0");
	/* One that follows changes a row that was not inserted. */
	changes = streamed(6);
	add(changes, PAIRS, CHANGE_UPDATE, "3", NULL);
	((struct value *)(uintptr_t)changes->changes[0]->after)[1].kind = VALUE_UNCHANGED;
	add(changes, PAIRS, CHANGE_DELETE, "1", NULL);
	add(changes, PAIRS, CHANGE_INSERT, "5", "a");
	offer(changes);
	expect_no_error(run());
	expect_value(ROWS_SQL("pairs"), "2:b 4:d 5:a");
	expect_value(REFUSED_SQL, "pairs rewritten 0/258 3");
	/* An older transaction that comes again does not lower the mark. */
	changes = streamed(3);
	add(changes, PAIRS, CHANGE_INSERT, "6", "a");
	offer(changes);
	expect_no_error(run());
	expect_value(REFUSED_SQL, "pairs rewritten 0/258 4");
}
END_TEST

/* On another table it stays an error; so do errors of another kind, and nothing of the transaction is written. */
START_TEST(a_change_that_a_verified_table_refuses)
{
	static const char *const sqlstates[] = {"23505", "23514"};
	struct transaction *changes = streamed(5);
	struct error *error;

	postgres_execute(side,
	                 "INSERT INTO snap.pairs VALUES (1, 'a'), (2, 'b'); INSERT INTO snap.slots VALUES (1, 'a')");
	postgres_execute(side, MARK("slots"));
	if (_i == 1)
		postgres_execute(side, "ALTER TABLE snap.slots ADD CHECK (id < 5)");
	add(changes, SLOTS, CHANGE_INSERT, "3", "a");
	add(changes, PAIRS, CHANGE_INSERT, "3", _i == 0 ? "a" : "c");
	add(changes, SLOTS, CHANGE_INSERT, "7", "z");
	offer(changes);
	error = run();
	ck_assert_ptr_nonnull(error);
	ck_assert_str_eq(error->sqlstate, sqlstates[_i]);
	error_free(error);
	expect_value(ROWS_SQL("slots"), "1:a");
	expect_value(ROWS_SQL("pairs"), "1:a 2:b");
	expect_value(REFUSED_SQL, "slots rewritten 0/1 0");
}
END_TEST

/* A row of an incremental snapshot marks its table. */
START_TEST(a_row_of_an_incremental_snapshot_that_is_refused)
{
	struct transaction *rows = rows_of(none);

	postgres_execute(side, "INSERT INTO snap.pairs VALUES (1, 'a'), (2, 'b')");
	add(rows, PAIRS, CHANGE_READ, "1", "b");
	add(rows, PAIRS, CHANGE_READ, "4", "d");
	offer(rows);
	expect_no_error(run());
	expect_value(ROWS_SQL("pairs"), "1:a 2:b 4:d");
	expect_value(REFUSED_SQL, "pairs snapshot 0/0 1");
}
END_TEST

/* The stream changes keys of rows of which one is in the way of another row's unique value. */
START_TEST(a_key_change_that_an_unverified_table_refuses)
{
	struct transaction *changes = streamed(5);
	static struct value new_keys[2];

	postgres_execute(side, "INSERT INTO snap.pairs VALUES (1, 'a'), (2, 'b'), (3, 'c');" MARK("pairs"));
	for (int i = 0; i < 2;
	     i++) { /* 1 and 2 change their keys; the first half of each is a delete that names the new key */
		new_keys[i] = value_of(VALUE_NUMBER, i == 0 ? "7" : "8");
		add_change(changes, PAIRS, CHANGE_DELETE, i == 0 ? "1" : "2", NULL, NULL);
		changes->changes[2 * i]->other_key = &new_keys[i];
		add(changes, PAIRS, CHANGE_INSERT, i == 0 ? "7" : "8", i == 0 ? "c" : "n");
		changes->changes[2 * i]->lsn = changes->changes[2 * i + 1]->lsn = 100 + (uint64_t)i;
	}
	offer(changes);
	expect_no_error(run());
	expect_value(ROWS_SQL("pairs"), "1:a 3:c 8:n");
	expect_value(REFUSED_SQL, "pairs rewritten 0/1F4 1");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot");
	TCase *tests = tcase_create("snapshot");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, applying_tear_down);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_table_that_holds_rows_is_unverified);
	tcase_add_test(tests, a_table_with_heirs_is_unverified);
	tcase_add_test(tests, rows_without_a_key_are_written_once);
	tcase_add_test(tests, rows_without_a_key_behind_streamed_ones);
	tcase_add_loop_test(tests, a_broken_off_snapshot_marks_no_more, 0, 2);
	tcase_add_test(tests, an_emptied_table_is_unverified_only_while_it_holds_rows);
	tcase_add_test(tests, an_incremental_snapshot_marks_no_table_with_a_key);
	tcase_add_test(tests, late_rows_mark_their_tables);
	tcase_add_test(tests, rows_behind_the_end_are_not_doubled);
	tcase_add_test(tests, a_mark_is_rolled_back_with_its_rows);
	tcase_add_test(tests, a_replayed_batch_decides_again);
	tcase_add_loop_test(tests, a_missing_row_of_a_table_without_a_key, 0, 2);
	tcase_add_test(tests, what_was_accepted_leaves_all_tables_unverified);
	tcase_add_test(tests, a_missing_row_of_an_unverified_table);
	tcase_add_test(tests, a_missing_row_of_a_table_with_a_key);
	tcase_add_test(tests, unique_values_that_changed_places);
	tcase_add_loop_test(tests, a_streamed_change_that_an_unverified_table_refuses, 0, 2);
	tcase_add_loop_test(tests, a_change_that_a_verified_table_refuses, 0, 2);
	tcase_add_test(tests, a_row_of_an_incremental_snapshot_that_is_refused);
	tcase_add_test(tests, a_key_change_that_an_unverified_table_refuses);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
