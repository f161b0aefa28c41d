/* test_applier.c - what the applier makes of whole transactions on a real server: one commit, faults around it. */
#include "applying.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config config = {
    .stream = {.name = "s", .holder_timeout_ms = 60000},
    .target = {.schema = "applier_state",
               .synchronous_commit = true,
               .synced_at = "synced_at",
               .is_deleted = "is_deleted",
               .deleted_at = "deleted_at",
               .batch_rows = 100,
               .batch_bytes = 1 << 20},
};
static const struct collection collections[2] = {
    {.name = "applier.t", .schema = "applier", .table = "t", .number = 0},
    {.name = "applier.log", .schema = "applier", .table = "log", .number = 1},
};
static const struct column columns[3] = {{.name = "id", .schema_name = "", .encoding = ENCODING_NUMBER},
                                         {.name = "code", .schema_name = "", .encoding = ENCODING_NUMBER},
                                         {.name = "body", .schema_name = "", .encoding = ENCODING_TEXT}};
static const uint32_t first_column[1] = {0};
/* A table with a key and a unique column, and one without a key, where an event applied twice shows. */
static const struct relation relations[2] = {
    {.collection = &collections[0],
     .schema = "applier",
     .table = "t",
     .number = 0,
     .column_count = 3,
     .columns = columns,
     .key_count = 1,
     .key_columns = first_column,
     .typed = true},
    {.collection = &collections[1],
     .schema = "applier",
     .table = "log",
     .number = 1,
     .column_count = 1,
     .columns = columns,
     .typed = true},
};

static void set_up(void)
{
	config.stream.on_error = ON_ERROR_STOP;
	applying_set_up(&config, "DROP SCHEMA IF EXISTS applier CASCADE; CREATE SCHEMA applier;"
	                         " CREATE TABLE applier.t (id int PRIMARY KEY, code int UNIQUE, body text);"
	                         " CREATE TABLE applier.log (id int)");
}

static struct value text_value(enum value_kind kind, const char *text)
{
	return (struct value){text, text != NULL ? (uint32_t)strlen(text) : 0, (uint8_t)kind};
}

/* Body NULL: unchanged. The texts are constants. */
static void add(struct transaction *transaction, uint8_t operation, const char *id, const char *code, const char *body)
{
	size_t bytes = sizeof(struct change) + 3 * sizeof(struct value);
	struct change *change = slab_reserve(&writer, bytes);
	struct value *values = (struct value *)(change + 1);

	*change = (struct change){.relation = &relations[code == NULL ? 1 : 0],
	                          .operation = operation,
	                          .partition = partition,
	                          .offset = offset++,
	                          .tx_id = transaction->tx_id,
	                          .total_order = transaction->change_count + 1,
	                          .bytes = (uint32_t)bytes};
	values[0] = text_value(VALUE_NUMBER, id);
	if (code != NULL) {
		values[1] = text_value(VALUE_NUMBER, code);
		values[2] = text_value(body != NULL ? VALUE_STRING : VALUE_UNCHANGED, body);
	}
	if (operation == CHANGE_DELETE)
		change->before = values;
	else
		change->after = values;
	change->slab = slab_commit(&writer, bytes);
	transaction_add_change(transaction, change);
}

static struct transaction *transaction_of(uint64_t tx_id)
{
	struct transaction *transaction = transaction_new(TRANSACTION_STREAMED);

	transaction->tx_id = tx_id;
	transaction->commit_lsn = tx_id * 100;
	return transaction;
}

static void offer(struct transaction *transaction)
{
	transaction_add_position(transaction, &(const struct position){partition, offset, {0}});
	ck_assert(transaction_queue_offer(queue, transaction));
}

static void offer_log(uint64_t tx_id, const char *id)
{
	struct transaction *transaction = transaction_of(tx_id);

	add(transaction, CHANGE_INSERT, id, NULL, NULL);
	offer(transaction);
}

static void *run_thread(void *argument)
{
	(void)argument;
	return applier_run(applier);
}

static void start(pthread_t *thread)
{
	ck_assert_int_eq(pthread_create(thread, NULL, run_thread, NULL), 0);
}

static struct error *finish(pthread_t thread)
{
	void *error;

	transaction_queue_close(queue);
	pthread_join(thread, &error);
	return error;
}

static struct error *run_all(void)
{
	transaction_queue_close(queue);
	return applier_run(applier);
}

/* Waits until the query gives that. */
static void await_value(const char *sql, const char *expected)
{
	for (int i = 0; i < 200; i++) {
		char *value = postgres_value(side, sql);
		bool same = strcmp(value, expected) == 0;

		free(value);
		if (same)
			return;
		clock_sleep_ms(50);
	}
	expect_value(sql, expected);
}

#define APPLIER_SESSION "FROM pg_stat_activity WHERE application_name = 'replicator'"

START_TEST(rows_and_offsets_are_one_transaction)
{
	struct transaction *transaction = transaction_of(7);

	add(transaction, CHANGE_INSERT, "1", "10", "one");
	add(transaction, CHANGE_INSERT, "1", NULL, NULL);
	offer(transaction);
	expect_no_error(run_all());
	expect_value(
	    "SELECT count(DISTINCT x) FROM (SELECT xmin::text AS x FROM applier.t UNION ALL SELECT xmin::text FROM"
	    " applier.log UNION ALL SELECT xmin::text FROM applier_state.offsets UNION ALL"
	    " SELECT xmin::text FROM applier_state.stream) all_rows",
	    "1");
	expect_value("SELECT last_commit_lsn || ' ' || next_offset FROM applier_state.stream, applier_state.offsets",
	             "0/2BC 2");
}
END_TEST

START_TEST(replaced_instance_commits_nothing)
{
	offer_log(1, "1");
	postgres_execute(side, "UPDATE applier_state.stream SET epoch = epoch + 1");
	expect_error(run_all(), ERROR_FENCED, "", "took the stream s over");
	expect_value("SELECT count(*) FROM applier.log", "0");
	expect_value("SELECT count(*) FROM applier_state.offsets", "0");
}
END_TEST

/* The row names the server process that holds the stream's lock. */
START_TEST(another_server_process_commits_nothing)
{
	offer_log(1, "1");
	postgres_execute(side, "UPDATE applier_state.stream SET holder_pid = holder_pid + 1");
	expect_error(run_all(), ERROR_FENCED, "", "another server process");
	expect_value("SELECT count(*) FROM applier.log", "0");
	expect_value("SELECT count(*) FROM applier_state.offsets", "0");
}
END_TEST

START_TEST(swapped_unique_values_are_replayed_strictly)
{
	struct transaction *rows = transaction_of(1), *swap = transaction_of(2);

	add(rows, CHANGE_INSERT, "1", "10", "one");
	add(rows, CHANGE_INSERT, "2", "20", "two");
	offer(rows);
	add(swap, CHANGE_UPDATE, "1", "-1", "one");
	add(swap, CHANGE_UPDATE, "2", "10", "two");
	add(swap, CHANGE_UPDATE, "1", "20", "one");
	postgres_execute(side, "INSERT INTO applier.t VALUES (1, 10, 'one'), (2, 20, 'two')");
	offer(swap);
	expect_no_error(run_all());
	expect_value("SELECT string_agg(id || '=' || code, ' ' ORDER BY id) FROM applier.t", "1=20 2=10");
	ck_assert_uint_gt(applier_state(applier).strict_batches, 0);
}
END_TEST

START_TEST(unchanged_value_stays)
{
	struct transaction *change = transaction_of(1), *missing = transaction_of(2);

	postgres_execute(side, "INSERT INTO applier.t VALUES (1, 10, 'long text')");
	add(change, CHANGE_UPDATE, "1", "11", NULL);
	offer(change);
	add(missing, CHANGE_UPDATE, "9", "99", NULL);
	offer(missing);
	expect_error(run_all(), ERROR_TARGET, NULL, "TOAST");
	expect_value("SELECT string_agg(concat_ws(' ', id, code, body), ' ') FROM applier.t", "1 11 long text");
}
END_TEST

/* Inheritance: a child may have rows with the parent's keys; the source's statement on the parent meets them not. */
START_TEST(rows_of_a_child_are_left_alone)
{
	struct transaction *rows = transaction_of(1), *changes = transaction_of(2);

	postgres_execute(side, "CREATE TABLE applier.child (PRIMARY KEY (id)) INHERITS (applier.t);"
	                       "CREATE TABLE applier.logged () INHERITS (applier.log);"
	                       "INSERT INTO applier.child VALUES (1, 10, 'child'), (2, 20, 'child'), (3, 30, 'child');"
	                       "INSERT INTO applier.logged VALUES (5)");
	add(rows, CHANGE_INSERT, "1", "11", "parent");
	add(rows, CHANGE_INSERT, "2", "21", "parent");
	add(rows, CHANGE_INSERT, "5", NULL, NULL);
	add(rows, CHANGE_INSERT, "6", NULL, NULL);
	offer(rows);
	add(changes, CHANGE_UPDATE, "1", "12", "changed");
	add(changes, CHANGE_DELETE, "2", "21", "parent");
	add(changes, CHANGE_DELETE, "5", NULL, NULL);
	offer(changes);
	expect_no_error(run_all());
	expect_value("SELECT string_agg(concat_ws(' ', id, code, body), ', ' ORDER BY id) FROM ONLY applier.t",
	             "1 12 changed");
	expect_value("SELECT string_agg(id::text, ' ') FROM ONLY applier.log", "6");
	expect_value("SELECT string_agg(concat_ws(' ', id, code, body), ', ' ORDER BY id) FROM applier.child",
	             "1 10 child, 2 20 child, 3 30 child");
	expect_value("SELECT string_agg(id::text, ' ') FROM applier.logged", "5");
}
END_TEST

/* Each truncated table has an event of its own. */
START_TEST(truncate_of_a_parent_leaves_its_child)
{
	struct transaction *truncate = transaction_of(1);

	postgres_execute(side, "CREATE TABLE applier.logged () INHERITS (applier.log);"
	                       "INSERT INTO applier.log VALUES (1); INSERT INTO applier.logged VALUES (2)");
	add(truncate, CHANGE_TRUNCATE, "0", NULL, NULL);
	truncate->changes[0]->after = NULL;
	offer(truncate);
	expect_no_error(run_all());
	expect_value("SELECT string_agg(id::text, ' ') FROM applier.log", "2");
}
END_TEST

/* Rows of different partitions lie at the same place, each of its own. */
START_TEST(one_row_of_a_partitioned_table_without_a_key)
{
	struct transaction *rows = transaction_of(1), *one = transaction_of(2);

	postgres_execute(side, "DROP TABLE applier.log; CREATE TABLE applier.log (id int) PARTITION BY LIST (id);"
	                       "CREATE TABLE applier.log_1 PARTITION OF applier.log FOR VALUES IN (1);"
	                       "CREATE TABLE applier.log_2 PARTITION OF applier.log FOR VALUES IN (2)");
	for (int i = 0; i < 2; i++) {
		add(rows, CHANGE_INSERT, "1", NULL, NULL);
		add(rows, CHANGE_INSERT, "2", NULL, NULL);
	}
	offer(rows);
	add(one, CHANGE_DELETE, "1", NULL, NULL);
	offer(one);
	expect_no_error(run_all());
	expect_value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM applier.log", "1 2 2");
}
END_TEST

/* DELETE of a key change whose second half never came: LSN 0 would be any, so these have their own. */
static void add_lone_half(struct transaction *transaction, const char *from, const struct value *to)
{
	struct change *change;

	add(transaction, CHANGE_DELETE, from, "0", NULL);
	change = transaction->changes[transaction->change_count - 1];
	change->other_key = to;
	change->lsn = 100 + transaction->change_count;
}

START_TEST(lone_half_of_a_key_change_moves_the_row)
{
	static const struct value five = {.data = "5", .length = 1, .kind = VALUE_NUMBER};
	static const struct value six = {.data = "6", .length = 1, .kind = VALUE_NUMBER};
	struct transaction *change = transaction_of(1);

	postgres_execute(side, "INSERT INTO applier.t VALUES (1, 10, 'kept'), (2, 20, 'other')");
	add_lone_half(change, "1", &five);
	add(change, CHANGE_INSERT, "7", "70", "next"); /* not its second half */
	add_lone_half(change, "99", &six);             /* not in the target */
	offer(change);
	expect_no_error(run_all());
	expect_value("SELECT string_agg(concat_ws(' ', id, code, body), ', ' ORDER BY id) FROM applier.t",
	             "2 20 other, 5 10 kept, 7 70 next");
	expect_value(
	    "SELECT string_agg(concat_ws(' ', schema_name, table_name, key, tx_id, commit_lsn), ', ' ORDER BY key)"
	    " FROM applier_state.suspect",
	    "applier t id=5 1 0/64, applier t id=6 1 0/64");
	expect_value("SELECT suspect_rows FROM applier_state.status", "2");
}
END_TEST

/* A commit then waits for a standby that does not exist. */
static void hold_commits(void)
{
	postgres_execute(side, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
	postgres_execute(side, "SELECT pg_reload_conf()");
	clock_sleep_ms(300);
}

/* Ends the session whose commit waits: the commit took place, and its answer is lost. */
static void lose_answer(void)
{
	await_value("SELECT count(*) " APPLIER_SESSION " AND wait_event = 'SyncRep'", "1");
	postgres_execute(side, "ALTER SYSTEM RESET synchronous_standby_names");
	postgres_execute(side, "SELECT pg_terminate_backend(pid) " APPLIER_SESSION);
	postgres_execute(side, "SELECT pg_reload_conf()");
}

/* The server commits, but cannot say so: it waits for a standby that is not there, and its session is ended. */
START_TEST(commit_without_an_answer_is_found_done)
{
	pthread_t thread;

	hold_commits();
	offer_log(1, "1");
	start(&thread);
	lose_answer();
	offer_log(2, "2");
	await_value("SELECT coalesce(max(next_offset), 0) FROM applier_state.offsets", "2");
	expect_no_error(finish(thread));
	expect_value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM applier.log", "1 2");
	ck_assert_uint_gt(applier_state(applier).retries, 0);
}
END_TEST

/* Snapshot rows that are taken while earlier events of their partition are held move no position. */
START_TEST(batch_without_an_answer_is_found_done_whole)
{
	struct transaction *rows = transaction_new(TRANSACTION_SNAPSHOT), *more = transaction_new(TRANSACTION_SNAPSHOT);
	pthread_t thread;

	hold_commits();
	add(rows, CHANGE_READ, "50", "50", "row");
	ck_assert(transaction_queue_offer(queue, rows));
	offer_log(1, "1");
	offer_log(2, "2");
	add(more, CHANGE_READ, "60", "60", "row");
	ck_assert(transaction_queue_offer(queue, more));
	start(&thread);
	lose_answer();
	offer_log(3, "3");
	await_value("SELECT count(*) FROM applier.log WHERE id = 3", "1");
	expect_no_error(finish(thread));
	expect_value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM applier.log", "1 2 3");
}
END_TEST

/* What fires in the target for the daemon's session, and does nothing, or hinders. */
#define TRIGGER(event, name, body)                                                                                     \
	"CREATE FUNCTION applier." name "() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN " body " END$$;"               \
	" CREATE TRIGGER " name " " event " ON applier.t FOR EACH ROW EXECUTE FUNCTION applier." name "();"            \
	" ALTER TABLE applier.t ENABLE ALWAYS TRIGGER " name

START_TEST(suppressed_changes_are_not_silent)
{
	static const struct {
		const char *sql, *error;
		uint8_t operation;
	} cases[] = {
	    {TRIGGER("BEFORE INSERT", "no", "RETURN NULL;"), "did not insert a row", CHANGE_INSERT},
	    {TRIGGER("BEFORE DELETE", "no", "RETURN NULL;"), "did not delete a row", CHANGE_DELETE},
	    {"CREATE RULE no AS ON DELETE TO applier.t DO INSTEAD NOTHING; ALTER TABLE applier.t ENABLE ALWAYS RULE no",
	     "did not delete a row", CHANGE_DELETE},
	};
	struct transaction *change = transaction_of(1);
	const char *id = cases[_i].operation == CHANGE_INSERT ? "2" : "1";

	postgres_execute(side, "INSERT INTO applier.t VALUES (1, 10, 'kept')");
	postgres_execute(side, cases[_i].sql);
	add(change, cases[_i].operation, id, id, "row");
	offer(change);
	expect_error(run_all(), ERROR_TARGET, "", cases[_i].error);
	expect_value("SELECT count(*) FROM applier_state.offsets", "0");
}
END_TEST

/* Between two batches: the image of the table is read again. */
START_TEST(rule_that_appears_is_noticed)
{
	struct transaction *change = transaction_of(2);
	pthread_t thread;

	postgres_execute(side, "INSERT INTO applier.t VALUES (1, 10, 'kept')");
	start(&thread);
	add(change, CHANGE_UPDATE, "1", "11", "kept");
	offer(change);
	await_value("SELECT code FROM applier.t WHERE id = 1", "11");
	postgres_execute(side, "CREATE RULE no AS ON DELETE TO applier.t DO INSTEAD NOTHING;"
	                       " ALTER TABLE applier.t ENABLE ALWAYS RULE no");
	change = transaction_of(3);
	add(change, CHANGE_DELETE, "1", "11", "kept");
	offer(change);
	expect_error(finish(thread), ERROR_TARGET, "", "did not delete a row");
}
END_TEST

/* The row is there, and an update that changes nothing may be suppressed. */
START_TEST(suppressed_update_finds_its_row)
{
	struct transaction *change = transaction_of(1);

	postgres_execute(side, "INSERT INTO applier.t VALUES (1, 10, 'long'), (2, 20, 'whole');"
	                       " CREATE TRIGGER z BEFORE UPDATE ON applier.t FOR EACH ROW"
	                       " EXECUTE FUNCTION suppress_redundant_updates_trigger();"
	                       " ALTER TABLE applier.t ENABLE ALWAYS TRIGGER z");
	add(change, CHANGE_UPDATE, "1", "10", NULL);
	add(change, CHANGE_UPDATE, "2", "20", "whole");
	offer(change);
	expect_no_error(run_all());
	expect_value("SELECT string_agg(concat_ws(' ', id, code, body), ', ' ORDER BY id) FROM applier.t",
	             "1 10 long, 2 20 whole");
	ck_assert_uint_eq(applier_state(applier).rows_missing, 0);
}
END_TEST

/* A trigger that fires for the daemon's session sees each change of the source, however they are batched. */
START_TEST(triggers_see_every_change)
{
	static const char *const enabled[] = {"ALWAYS", "REPLICA"};
	struct transaction *change;
	char sql[100];

	postgres_execute(side, "CREATE TABLE applier.audit (n serial, op text, id int, code int);" TRIGGER(
	                           "AFTER INSERT OR UPDATE OR DELETE", "audit",
	                           "INSERT INTO applier.audit (op, id, code) VALUES (TG_OP, coalesce(NEW.id, OLD.id),"
	                           " coalesce(NEW.code, OLD.code)); RETURN NULL;"));
	snprintf(sql, sizeof(sql), "ALTER TABLE applier.t ENABLE %s TRIGGER audit", enabled[_i]);
	postgres_execute(side, sql);
	for (uint64_t i = 0; i < 4; i++) {
		change = transaction_of(i + 1);
		if (i < 2)
			add(change, i == 0 ? CHANGE_INSERT : CHANGE_UPDATE, "1", i == 0 ? "10" : "11", "one");
		else
			add(change, i == 2 ? CHANGE_INSERT : CHANGE_DELETE, "2", "20", "two");
		offer(change);
	}
	expect_no_error(run_all());
	expect_value("SELECT string_agg(op || id || '=' || code, ' ' ORDER BY n) FROM applier.audit",
	             "INSERT1=10 UPDATE1=11 INSERT2=20 DELETE2=20");
}
END_TEST

/* COPY writes the extra columns as texts, which another type than ours would read as something else. */
START_TEST(extra_columns_of_other_types_hold_what_an_insert_writes)
{
	struct transaction *change = transaction_of(1);
	static char ids[300][12];

	postgres_execute(side, "ALTER TABLE applier.log ADD synced_at text");
	for (int i = 0; i < 300; i++) {
		snprintf(ids[i], sizeof(ids[i]), "%d", i);
		add(change, CHANGE_INSERT, ids[i], NULL, NULL);
	}
	offer(change);
	expect_no_error(run_all());
	expect_value("SELECT count(*) || ' ' || count(DISTINCT synced_at::timestamptz) FROM applier.log"
	             " WHERE synced_at <> 'now'",
	             "300 1");
}
END_TEST

/* PostgreSQL 18: the index of such a key is an exclusion constraint of GiST, which ON CONFLICT DO UPDATE refuses. */
START_TEST(key_without_overlaps)
{
	static const uint32_t both[2] = {0, 2};
	struct relation relation = relations[0];
	struct transaction *change = transaction_of(1);
	char *version = postgres_value(side, "SELECT current_setting('server_version_num')::int / 10000");
	int number = atoi(version);

	free(version);
	if (number < 18) {
		printf("key_without_overlaps: SKIPPED, the server is PostgreSQL %d, and the test needs 18\n", number);
		transaction_free(change);
		return;
	}
	relation.key_columns = both;
	relation.key_count = 2;
	postgres_execute(side, "CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public; SET search_path = public;"
	                       " DROP TABLE applier.t; CREATE TABLE applier.t (id int, code int, body int4range,"
	                       " PRIMARY KEY (id, body WITHOUT OVERLAPS)); RESET search_path");
	add(change, CHANGE_INSERT, "1", "10", "[1,5)");
	add(change, CHANGE_INSERT, "1", "20", "[5,9)");
	add(change, CHANGE_UPDATE, "1", "11", "[1,5)");
	add(change, CHANGE_DELETE, "1", "20", "[5,9)");
	for (size_t i = 0; i < change->change_count; i++)
		change->changes[i]->relation = &relation;
	offer(change);
	expect_no_error(run_all());
	expect_value("SELECT string_agg(concat_ws(' ', id, code, body), ', ' ORDER BY body) FROM applier.t",
	             "1 11 [1,5)");
}
END_TEST

START_TEST(lost_connection_before_commit_is_done_again)
{
	pthread_t thread;

	postgres_execute(side, "BEGIN; LOCK TABLE applier_state.offsets");
	offer_log(1, "1");
	start(&thread);
	await_value("SELECT count(*) " APPLIER_SESSION " AND wait_event_type = 'Lock'", "1");
	postgres_execute(side, "SELECT pg_terminate_backend(pid) " APPLIER_SESSION "; COMMIT");
	await_value("SELECT count(*) FROM applier.log", "1");
	postgres_execute(side, "BEGIN; LOCK TABLE applier_state.offsets");
	offer_log(2, "2");
	await_value("SELECT count(*) " APPLIER_SESSION " AND wait_event_type = 'Lock'", "1");
	postgres_execute(side, "SELECT pg_cancel_backend(pid) " APPLIER_SESSION "; COMMIT");
	await_value("SELECT count(*) FROM applier.log", "2");
	expect_no_error(finish(thread));
	expect_value("SELECT string_agg(id::text, ' ' ORDER BY id) FROM applier.log", "1 2");
}
END_TEST

START_TEST(target_without_confirmed_commits_is_noticed)
{
	pthread_t thread;

	offer_log(1, "1");
	offer_log(2, "2");
	start(&thread);
	await_value("SELECT count(*) FROM applier.log", "2");
	await_value("SELECT count(*) " APPLIER_SESSION " AND state = 'idle'", "1");
	postgres_execute(side, "UPDATE applier_state.offsets SET next_offset = 1; UPDATE applier_state.stream SET "
	                       "batch = batch - 1; DELETE FROM applier.log WHERE id = 2");
	postgres_execute(side, "SELECT pg_terminate_backend(pid) " APPLIER_SESSION);
	offer_log(3, "3");
	expect_error(finish(thread), ERROR_TRANSIENT, "", "that it had confirmed");
	expect_value("SELECT count(*) FROM applier.log", "1");
}
END_TEST

/* A promoted standby that had not even got our claim is behind, too: no reason to leave. */
START_TEST(target_without_our_claim_is_noticed)
{
	pthread_t thread;

	start(&thread);
	await_value("SELECT count(*) " APPLIER_SESSION " AND state = 'idle'", "1");
	postgres_execute(side, "BEGIN; UPDATE applier_state.stream SET epoch = epoch - 1; SELECT "
	                       "pg_terminate_backend(pid) " APPLIER_SESSION "; COMMIT");
	offer_log(1, "1");
	expect_error(finish(thread), ERROR_TRANSIENT, "", "before this instance took the stream");
	expect_value("SELECT count(*) FROM applier.log", "0");
}
END_TEST

START_TEST(silent_times_have_signs_of_life)
{
	pthread_t thread;

	start(&thread);
	postgres_execute(side, "UPDATE applier_state.stream SET heartbeat_at = NULL");
	await_value("SELECT count(heartbeat_at) FROM applier_state.stream", "1");
	postgres_execute(side, "UPDATE applier_state.stream SET epoch = epoch + 1");
	clock_sleep_ms(1500);
	expect_error(finish(thread), ERROR_FENCED, "", "taken over");
}
END_TEST

/* Between two batches, without a change of its own; the row writes what the daemon found, and another instance's step is not ours. */
START_TEST(steps_that_were_left_out_are_retried)
{
	pthread_t thread;

	postgres_execute(side,
	                 "INSERT INTO applier.t VALUES (1, NULL, 'x');"
	                 "INSERT INTO applier_state.schema_history (stream, relid, schema_name, table_name, log_id,"
	                 " commit_lsn, image) SELECT 's', 77, 'applier', 't', 1, '0/1', jsonb_set("
	                 "applier_state.image_named('table', 'applier', 't'), '{columns,1,not_null}', 'true');"
	                 "INSERT INTO applier_state.left_out_step (stream, kind, relid, schema_name, table_name, part,"
	                 " part_id, sql, reason, expected, lsn, attempts, retry_at) VALUES ('s', 'table', 77,"
	                 " 'applier', 't', 'not null', 2, '', '', false, '0/1', 9, now() + interval '1 hour')");
	start(&thread); /* which makes it due */
	await_value("SELECT reason LIKE '%contains null values%' AND attempts = 2 AND retry_at > now()"
	            " FROM applier_state.left_out_step",
	            "t");
	offer_log(1, "1");
	await_value("SELECT count(*) FROM applier.log", "1");
	postgres_execute(side, "DELETE FROM applier.t; UPDATE applier_state.left_out_step SET retry_at = now()");
	await_value("SELECT count(*) FROM applier_state.left_out_step", "0");
	expect_value("SELECT attnotnull FROM pg_attribute WHERE attrelid = 'applier.t'::regclass AND attname = 'code'",
	             "t");
	expect_no_error(finish(thread));
}
END_TEST

/* Nothing behind the until-LSN, and no waiting for a transaction that stands exactly there. */
START_TEST(until_lsn_is_exact)
{
	offer_log(1, "1");
	offer_log(2, "2");
	offer_log(3, "3");
	applier_set_until_lsn(applier, 250);
	expect_no_error(applier_run(applier));
	expect_value("SELECT string_agg(id::text, ',' ORDER BY id) FROM applier.log", "1,2");
	expect_value("SELECT last_commit_lsn || ' ' || next_offset FROM applier_state.stream, applier_state.offsets",
	             "0/C8 2");
}
END_TEST

START_TEST(paused_stream_applies_nothing)
{
	pthread_t thread;

	postgres_execute(side, "UPDATE applier_state.stream SET paused_at = now()");
	offer_log(1, "1");
	start(&thread);
	await_value("SELECT state FROM applier_state.status", "paused");
	ck_assert(applier_state(applier).paused);
	clock_sleep_ms(700);
	expect_value("SELECT count(*) FROM applier.log", "0");
	postgres_execute(side, "UPDATE applier_state.stream SET paused_at = NULL");
	await_value("SELECT count(*) FROM applier.log", "1");
	expect_value("SELECT state FROM applier_state.status", "running");
	postgres_execute(side, "UPDATE applier_state.stream SET paused_at = now()");
	await_value("SELECT state FROM applier_state.status", "paused");
	/* A stream that ends while it is paused applies nothing on its way out. */
	offer_log(2, "2");
	expect_no_error(finish(thread));
	expect_value("SELECT count(*) FROM applier.log", "1");
}
END_TEST

START_TEST(the_end_is_written)
{
	struct error *error = error_new(ERROR_GAP, "events are missing");

	applier_write_end(applier, error);
	expect_value("SELECT state || ': ' || error FROM applier_state.stream", "failed: events are missing");
	error_free(error);
	applier_write_end(applier, NULL);
	expect_value("SELECT state || coalesce(error, '') FROM applier_state.stream", "stopped");
}
END_TEST

/* Refused: set aside; of the same row: follows; others: applied. */
START_TEST(refused_transaction_is_set_aside)
{
	struct transaction *refused = transaction_of(1), *follows = transaction_of(2), *other = transaction_of(3);

	config.stream.on_error = ON_ERROR_QUARANTINE;
	postgres_execute(side,
	                 "ALTER TABLE applier.t ADD CHECK (code < 100); INSERT INTO applier.t VALUES (1, 1, 'a')");
	add(refused, CHANGE_UPDATE, "1", "100", "a");
	add(refused, CHANGE_INSERT, "5", "5", "b");
	offer(refused);
	add(follows, CHANGE_DELETE, "5", "5", "b");
	offer(follows);
	add(other, CHANGE_INSERT, "6", "6", "c");
	offer(other);
	expect_no_error(run_all());
	expect_value("SELECT string_agg(id || '=' || code, ' ' ORDER BY id) FROM applier.t", "1=1 6=6");
	expect_value("SELECT string_agg(tx_id || ' ' || sqlstate, ',' ORDER BY id) FROM applier_state.quarantine",
	             "1 23514,2 ");
	expect_value("SELECT next_offset FROM applier_state.offsets", "4");
}
END_TEST

/* The key 5.0 is the key 5: what is set aside keeps its place before what comes later to the same row. */
START_TEST(equal_keys_follow_what_is_set_aside)
{
	struct transaction *refused = transaction_of(1), *follows = transaction_of(2);

	config.stream.on_error = ON_ERROR_QUARANTINE;
	postgres_execute(side, "ALTER TABLE applier.t ALTER id TYPE numeric, ADD CHECK (code < 100);"
	                       " INSERT INTO applier.t VALUES (5.0, 1, 'a')");
	add(refused, CHANGE_UPDATE, "5.0", "100", "a");
	offer(refused);
	add(follows, CHANGE_UPDATE, "5", "7", "b");
	offer(follows);
	expect_no_error(run_all());
	expect_value("SELECT string_agg(id || '=' || code, ' ' ORDER BY id) FROM applier.t", "5.0=1");
	expect_value("SELECT string_agg(tx_id || ' ' || sqlstate, ',' ORDER BY id) FROM applier_state.quarantine",
	             "1 23514,2 ");
}
END_TEST

/* Transactions before it may be missing: the tables that were written so far are unverified with it. */
START_TEST(tables_become_unverified_at_a_possible_gap)
{
	struct transaction *transaction = transaction_of(2);

	offer_log(1, "1");
	add(transaction, CHANGE_INSERT, "2", NULL, NULL);
	transaction->may_lack = true;
	offer(transaction);
	ck_assert_ptr_null(run_all());
	expect_value("SELECT string_agg(table_name || ' ' || reason || ' ' || lsn, ', ') FROM applier_state.unverified",
	             "log possible gap 0/C8");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("applier");
	TCase *tests = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, set_up, applying_tear_down);
	tcase_add_test(tests, rows_and_offsets_are_one_transaction);
	tcase_add_test(tests, replaced_instance_commits_nothing);
	tcase_add_test(tests, another_server_process_commits_nothing);
	tcase_add_test(tests, swapped_unique_values_are_replayed_strictly);
	tcase_add_test(tests, unchanged_value_stays);
	tcase_add_test(tests, rows_of_a_child_are_left_alone);
	tcase_add_test(tests, truncate_of_a_parent_leaves_its_child);
	tcase_add_test(tests, one_row_of_a_partitioned_table_without_a_key);
	tcase_add_test(tests, lone_half_of_a_key_change_moves_the_row);
	tcase_add_test(tests, commit_without_an_answer_is_found_done);
	tcase_add_test(tests, batch_without_an_answer_is_found_done_whole);
	tcase_add_test(tests, lost_connection_before_commit_is_done_again);
	tcase_add_loop_test(tests, suppressed_changes_are_not_silent, 0, 3);
	tcase_add_test(tests, rule_that_appears_is_noticed);
	tcase_add_test(tests, suppressed_update_finds_its_row);
	tcase_add_loop_test(tests, triggers_see_every_change, 0, 2);
	tcase_add_test(tests, extra_columns_of_other_types_hold_what_an_insert_writes);
	tcase_add_test(tests, key_without_overlaps);
	tcase_add_test(tests, target_without_confirmed_commits_is_noticed);
	tcase_add_test(tests, target_without_our_claim_is_noticed);
	tcase_add_test(tests, silent_times_have_signs_of_life);
	tcase_add_test(tests, steps_that_were_left_out_are_retried);
	tcase_add_test(tests, until_lsn_is_exact);
	tcase_add_test(tests, paused_stream_applies_nothing);
	tcase_add_test(tests, the_end_is_written);
	tcase_add_test(tests, refused_transaction_is_set_aside);
	tcase_add_test(tests, equal_keys_follow_what_is_set_aside);
	tcase_add_test(tests, tables_become_unverified_at_a_possible_gap);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
