/*
 * test_ddl.c - the cases of tests/ddl/cases.sql without Kafka: executed in one database, the rows of its DDL log
 * followed in another, the catalogs of both compared by their images.
 *
 * NOTES
 *   No rows come this way; tests/ddl/run is the whole way with rows. This is the quick half, for the unit tests.
 */
#include "base/buffer.h"
#include "following.h"

#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CASES "tests/ddl/cases.sql"
#define PHRASE_TOGETHER "names that change hands" /* also in one transaction, as tests/ddl/run has all of them */

static struct config config = {.stream.name = "s", .target.schema = "replicator", .ddl.lock_timeout_ms = 1000};
static int failures;

static void prepare(void)
{
	following_set_up("ddl", &config);
	failures = 0;
}

/* All images of schemas c… without what may differ. */
static char *images(struct pg_connection *connection, const char *schema)
{
	char *sql = memory_format("SELECT coalesce(string_agg(regexp_replace(image::text, '\"(oid|attnum)\": \\d+(, "
	                          ")?|\"replica_identity\": \"[a-z]\"(, )?|\"children\": \\[[^]]*\\](, )?|\"ids\": "
	                          "\\{[^}]*\\}(, )?|\"missing\": "
	                          "(null|\"([^\"\\\\]|\\\\.)*\")(, )?', '', 'g'), "
	                          "E'\\n' ORDER BY rank, image->>'schema', image->>'name'), '')"
	                          "  FROM (SELECT 1, replicator.table_image(c.oid) FROM pg_class c WHERE "
	                          "c.relnamespace::regnamespace::text ~ '%s'"
	                          "         UNION ALL SELECT 2, replicator.type_image(t.oid) FROM pg_type t WHERE "
	                          "t.typnamespace::regnamespace::text ~ '%s'"
	                          "           AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = "
	                          "t.typrelid AND c.relkind = 'c'))"
	                          "         UNION ALL SELECT 3, replicator.sequence_image(c.oid) FROM pg_class c WHERE "
	                          "c.relnamespace::regnamespace::text ~ '%s')"
	                          "       AS found (rank, image) WHERE image IS NOT NULL",
	                          schema, schema, schema);
	char *text = postgres_value(connection, sql);

	free(sql);
	return text;
}

static void compare(const char *name, const char *schema)
{
	char *pattern = memory_format("^%s(_[0-9])?$", schema);
	char *there = images(source, pattern);
	char *here = images(target, pattern);

	if (strcmp(there, here) != 0) {
		size_t same = 0;

		while (there[same] == here[same])
			same++;
		same = same > 60 ? same - 60 : 0;
		fprintf(stderr, "case \"%s\" (%s): source and target differ:\n  %.300s\n  %.300s\n", name, schema,
		        there + same, here + same);
		failures++;
	}
	free(pattern);
	free(there);
	free(here);
}

/* Every statement is followed before the next one is executed; `together`: all of them in one transaction. */
static void run_case(const char *name, char *text, const char *schema, bool together)
{
	char *sql = memory_format("CREATE SCHEMA %s; SET search_path = %s", schema, schema);
	struct error *error = NULL;
	char *rest = text;

	postgres_execute(source, sql);
	free(sql);
	postgres_execute(source, together ? "BEGIN" : "");
	while (*rest != '\0' && error == NULL) {
		char *end = strstr(rest, ";\n");

		ck_assert_ptr_nonnull(end);
		*end = '\0';
		postgres_execute(source, rest);
		*end = ';';
		rest = end + 2;
		if (!together)
			error = follow_log(false);
	}
	postgres_execute(source, together ? "COMMIT" : "");
	if (together)
		error = follow_log(false);
	if (error != NULL) {
		fprintf(stderr, "case \"%s\" (%s): %s\n", name, schema, error->message);
		error_free(error);
		failures++;
	} else {
		compare(name, schema);
	}
	postgres_execute(source, "SET search_path = pg_catalog; RESET timezone");
}

static char *with_schema(const char *text, const char *schema)
{
	struct buffer out = {0};
	const char *at;

	while ((at = strstr(text, "@s@")) != NULL) {
		buffer_append(&out, text, (size_t)(at - text));
		buffer_append_text(&out, schema);
		text = at + 3;
	}
	buffer_append_text(&out, text);
	return buffer_steal(&out);
}

static void run_numbered(const char *name, const char *text, int number, bool together)
{
	char schema[16];
	char *sql;

	snprintf(schema, sizeof(schema), "%c%02d", together ? 't' : 'a', number);
	sql = with_schema(text, schema);
	run_case(name, sql, schema, together);
	free(sql);
}

/* With the environment's DDL_CASE alone those whose name contains it. */
static void run_chosen(const char *name, const char *text, int number, bool together)
{
	const char *chosen = getenv("DDL_CASE");

	if (text == NULL || (chosen != NULL && strstr(name, chosen) == NULL))
		return;
	run_numbered(name, text, number, false);
	if (together)
		run_numbered(name, text, number, true);
}

START_TEST(both_catalogs_are_equal_after_each_case)
{
	FILE *file = fopen(CASES, "r");
	struct buffer text = {0};
	char line[2048];
	char name[256] = "";
	int number = 0;
	bool of_names = false;
	bool together = false;

	ck_assert_msg(file != NULL, "run this from the top folder: " CASES);
	prepare();
	expect_no_error(follow_log(true));
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "-- case: ", 9) == 0 || strncmp(line, "-- phrase: ", 11) == 0) {
			number += text.length > 0;
			run_chosen(name, text.length > 0 ? text.data : NULL, number, together);
			buffer_reset(&text);
			if (line[3] == 'p')
				of_names = strcmp(line, "-- phrase: " PHRASE_TOGETHER "\n") == 0;
			together = of_names;
			snprintf(name, sizeof(name), "%.*s", (int)strcspn(line, "\n") - 9, line + 9);
		} else if (strncmp(line, "-- apart: ", 10) == 0 || strncmp(line, "-- slowly: ", 11) == 0) {
			together = false;
		} else if (strncmp(line, "--", 2) != 0 && line[0] != '\n') {
			buffer_append_text(&text, line);
		}
	}
	run_chosen(name, text.data, ++number, together);
	fclose(file);
	buffer_free(&text);
	ck_assert_int_gt(number, 60);
	ck_assert_msg(failures == 0, "%d cases failed", failures);
	following_tear_down();
}
END_TEST

/* The trigger does not write to the user's tables: what the target cannot get by itself is said. */
START_TEST(rows_without_events_are_marked)
{
	prepare();
	postgres_execute(source, "CREATE TABLE public.filled AS SELECT n FROM generate_series(1, 3) n;"
	                         "ALTER TABLE public.filled ADD COLUMN r float8 DEFAULT random();"
	                         "CREATE TABLE public.parent (id varchar(9) PRIMARY KEY, a int);"
	                         "INSERT INTO public.parent VALUES ('a', 1);"
	                         "ALTER TABLE public.parent ALTER id TYPE varchar(12) USING 'k' || id");
	postgres_expect(source,
	                "SELECT string_agg(object_name || ' ' || tag, ', ' ORDER BY id) FROM replicator.ddl_log"
	                " WHERE event = 'rewrite'",
	                "filled ALTER TABLE, parent ALTER TABLE");
	postgres_expect(source, "SELECT count(*) FROM replicator.ddl_log WHERE event = 'error'", "0");
	following_tear_down();
}
END_TEST

/* The rows of a column whose type was replaced under its name were rewritten, too. */
START_TEST(a_type_under_the_name_of_another_rewrites_rows)
{
	prepare();
	postgres_execute(
	    source, "CREATE TYPE public.e AS ENUM ('a', 'b'); CREATE TABLE public.t (id int PRIMARY KEY, c public.e);"
	            "INSERT INTO public.t VALUES (1, 'a')");
	postgres_execute(source, "ALTER TYPE public.e RENAME TO e_old; CREATE TYPE public.e AS ENUM ('a', 'b')");
	postgres_execute(source, "ALTER TABLE public.t ALTER c TYPE public.e USING 'b'");
	postgres_expect(source, "SELECT string_agg(object_name, ' ') FROM replicator.ddl_log WHERE event = 'rewrite'",
	                "t");
	following_tear_down();
}
END_TEST

/* The target's own definitions name objects that only get another name: they stay as they are. */
START_TEST(a_rename_leaves_what_the_target_has_of_its_own)
{
	prepare();
	expect_no_error(follow_log(true));
	postgres_execute(
	    source, "CREATE TYPE public.e AS ENUM ('a', 'b'); CREATE SEQUENCE public.q;"
	            "CREATE TABLE public.p (id int PRIMARY KEY);"
	            "CREATE TABLE public.t (id int PRIMARY KEY, c public.e, d int DEFAULT nextval('public.q'), e int"
	            "  CONSTRAINT fk REFERENCES public.p, f text, CONSTRAINT k CHECK (f::public.e <> 'b'));"
	            "CREATE INDEX i ON public.t ((f = 'x' OR c = 'a'));"
	            "CREATE TYPE public.pair AS (a int, b public.e);"
	            "CREATE TABLE public.parts (e public.e) PARTITION BY LIST (e);"
	            "CREATE TABLE public.part PARTITION OF public.parts FOR VALUES IN ('a')");
	expect_no_error(follow_log(false));
	postgres_execute(
	    target,
	    "DROP INDEX public.i; ALTER TABLE public.t ALTER c TYPE text, ALTER d SET DEFAULT 7, DROP CONSTRAINT fk,"
	    "  ADD CONSTRAINT fk FOREIGN KEY (e) REFERENCES public.p ON DELETE CASCADE,"
	    "  DROP CONSTRAINT k, ADD CONSTRAINT k CHECK (id > 0);"
	    "CREATE INDEX i ON public.t (f); CREATE TABLE public.own (p public.pair)");
	postgres_execute(source, "ALTER TYPE public.e RENAME TO e2; ALTER SEQUENCE public.q RENAME TO q2;"
	                         "ALTER TABLE public.p RENAME TO p2; ALTER TYPE public.e2 RENAME VALUE 'a' TO 'A';"
	                         "ALTER TABLE public.t ADD x int; ALTER TYPE public.pair ADD ATTRIBUTE c int;"
	                         "COMMENT ON TABLE public.part IS 'x'");
	expect_no_error(follow_log(false));
	postgres_expect(
	    target,
	    "SELECT string_agg(concat_ws(' ', column_name, data_type, column_default), ', ' ORDER BY ordinal_position)"
	    " FROM information_schema.columns WHERE table_name = 't'",
	    "id integer, c text, d integer 7, e integer, f text, x integer");
	postgres_expect(target,
	                "SELECT string_agg(pg_get_constraintdef(oid), ', ' ORDER BY conname) FROM pg_constraint WHERE "
	                "conname IN ('k', 'fk')",
	                "FOREIGN KEY (e) REFERENCES public.p2(id) ON DELETE CASCADE, CHECK ((id > 0))");
	postgres_expect(target, "SELECT pg_get_indexdef('public.i'::regclass)",
	                "CREATE INDEX i ON public.t USING btree (f)");
	postgres_expect(target,
	                "SELECT string_agg(step, '; ' ORDER BY id) FROM replicator.schema_history, unnest(steps) step"
	                " WHERE table_name IN ('part', 'pair') AND id > (SELECT min(id) FROM replicator.schema_history"
	                "  WHERE table_name = 'e2')",
	                "ALTER TYPE \"public\".\"pair\" ADD ATTRIBUTE \"c\" integer; "
	                "COMMENT ON TABLE \"public\".\"part\" IS 'x'");
	following_tear_down();
}
END_TEST

/* The drop of the old one waits, since the target has more that needs it; the new one has its name meanwhile. */
START_TEST(a_new_object_under_the_name_of_one_whose_drop_waits)
{
	prepare();
	expect_no_error(follow_log(true));
	postgres_execute(source,
	                 "CREATE TYPE public.e AS ENUM ('a'); CREATE TABLE public.p (id int PRIMARY KEY, c public.e)");
	expect_no_error(follow_log(false));
	postgres_execute(target, "CREATE TABLE public.own (c public.e)");
	postgres_execute(source,
	                 "BEGIN; ALTER TABLE public.p DROP c; DROP TYPE public.e; CREATE TYPE public.e AS ENUM ('b');"
	                 "ALTER TABLE public.p ADD c public.e DEFAULT 'b'; COMMIT");
	expect_no_error(follow_log(false));
	postgres_expect(
	    target,
	    "SELECT string_agg(concat_ws(' ', attrelid::regclass, regexp_replace(format_type(atttypid, -1), '[0-9]+', "
	    "'N'),"
	    " (SELECT string_agg(enumlabel, ' ') FROM pg_enum WHERE enumtypid = atttypid)), ', ' ORDER BY attrelid)"
	    " FROM pg_attribute WHERE attname = 'c' AND attrelid IN ('public.own'::regclass, 'public.p'::regclass)",
	    "public.p public.e b, public.own public.\"dropped N e\" a");
	postgres_execute(target, "CREATE VIEW public.seen AS SELECT id FROM public.p");
	postgres_execute(source, "BEGIN; DROP TABLE public.p; CREATE TABLE public.p (id int PRIMARY KEY); COMMIT");
	expect_error(follow_log(false), ERROR_TARGET, "2BP01",
	             "the source created another table under the name of a dropped one, public.p; drop what depends");
	following_tear_down();
}
END_TEST

/* The mark of a table whose rows wait for a resync goes along with its name, and with the table. */
START_TEST(marks_follow_their_table)
{
	prepare();
	expect_no_error(follow_log(true));
	postgres_execute(source, "CREATE SCHEMA other;"
	                         "CREATE TABLE public.a (id int); CREATE TABLE public.b (id int);"
	                         "INSERT INTO public.a VALUES (1); INSERT INTO public.b VALUES (1);"
	                         "ALTER TABLE public.a ADD r float8 DEFAULT random();"
	                         "ALTER TABLE public.b ADD r float8 DEFAULT random()");
	expect_no_error(follow_log(false));
	postgres_execute(source, "ALTER TABLE public.a RENAME TO c; ALTER TABLE public.c SET SCHEMA other;"
	                         "DROP TABLE public.b");
	expect_no_error(follow_log(false));
	postgres_expect(
	    target, "SELECT string_agg(schema_name || '.' || table_name, ' ' ORDER BY 1) FROM replicator.unverified",
	    "other.c");
	postgres_execute(source, "ALTER SCHEMA other RENAME TO another; CREATE SCHEMA other");
	expect_no_error(follow_log(false));
	postgres_expect(target, "SELECT schema_name FROM replicator.unverified", "another");
	postgres_execute(source, "ALTER TABLE another.c ADD s int");
	expect_no_error(follow_log(false));
	postgres_expect(
	    target, "SELECT string_agg(schema_name || '.' || table_name, ' ' ORDER BY 1) FROM replicator.unverified",
	    "another.c");
	following_tear_down();
}
END_TEST

/* The log has the drops of all objects; those of the target that only have such a name are somebody else's. */
START_TEST(what_the_stream_did_not_create_is_not_dropped)
{
	prepare();
	postgres_execute(source,
	                 "CREATE SCHEMA theirs; CREATE TABLE public.cache (id int); CREATE SEQUENCE public.numbers;"
	                 "CREATE TYPE public.mood AS ENUM ('a'); CREATE TABLE theirs.t (id int);"
	                 "CREATE TYPE public.used AS ENUM ('a'); CREATE SEQUENCE public.counter;"
	                 "CREATE TABLE public.captured (id int DEFAULT nextval('public.counter'), u public.used[])");
	expect_no_error(follow_log(true));
	postgres_execute(target,
	                 "CREATE SCHEMA theirs; CREATE TABLE public.cache (own text);"
	                 "INSERT INTO public.cache VALUES ('x'); CREATE SEQUENCE public.numbers;"
	                 "CREATE TYPE public.mood AS ENUM ('a'); CREATE TYPE public.used AS ENUM ('a');"
	                 "CREATE SEQUENCE public.counter;"
	                 "CREATE TABLE public.captured (id int DEFAULT nextval('public.counter'), u public.used[]);"
	                 "INSERT INTO replicator.captured_table (stream, schema_name, table_name)"
	                 " VALUES ('s', 'public', 'captured')");
	postgres_execute(source, "DROP TABLE public.cache; DROP TYPE public.mood; DROP SEQUENCE public.numbers;"
	                         "DROP SCHEMA theirs CASCADE; DROP TABLE public.captured; DROP TYPE public.used;"
	                         "DROP SEQUENCE public.counter");
	expect_no_error(follow_log(false));
	postgres_expect(
	    target,
	    "SELECT concat_ws(' ', to_regclass('public.cache'), to_regtype('public.mood'),"
	    " to_regclass('public.numbers'), to_regnamespace('theirs'), '-', to_regclass('public.captured'),"
	    " to_regtype('public.used'), to_regclass('public.counter'))",
	    "public.cache public.mood public.numbers theirs -");
	/* What the stream creates, also under an earlier name, it drops. */
	postgres_execute(source, "CREATE SCHEMA ours; CREATE TABLE ours.a (id int); ALTER TABLE ours.a RENAME TO b;"
	                         "CREATE TYPE ours.kind AS ENUM ('a'); DROP SCHEMA ours CASCADE");
	expect_no_error(follow_log(false));
	postgres_expect(target, "SELECT coalesce(to_regnamespace('ours')::text, 'none')", "none");
	following_tear_down();
}
END_TEST

/* A partition that the publication has no more leaves its parent here as well; a table that is older than the log is marked. */
START_TEST(tables_that_leave_and_enter_the_stream)
{
	prepare();
	postgres_execute(source, "CREATE TABLE public.older (id int); INSERT INTO public.older VALUES (1)");
	expect_no_error(follow_log(true));
	postgres_execute(source, "CREATE TABLE public.parts (id int) PARTITION BY LIST (id);"
	                         "CREATE TABLE public.one PARTITION OF public.parts FOR VALUES IN (1);"
	                         "ALTER TABLE public.older ADD a int");
	expect_no_error(follow_log(false));
	postgres_expect(target, "SELECT string_agg(table_name, ' ') FROM replicator.unverified", "older");
	postgres_execute(source, "ALTER TABLE public.parts DETACH PARTITION public.one;"
	                         "UPDATE replicator.ddl_log SET published = false WHERE object_name = 'one'"
	                         " AND tag = 'ALTER TABLE'");
	expect_no_error(follow_log(false));
	postgres_expect(target,
	                "SELECT relispartition || ' ' || (SELECT count(*) FROM pg_inherits) FROM pg_class"
	                " WHERE oid = 'public.one'::regclass",
	                "false 0");
	following_tear_down();
}
END_TEST

/* The next notification on the connection; the caller frees it. */
static PGnotify *next_notification(PGconn *connection)
{
	struct pollfd socket = {.fd = PQsocket(connection), .events = POLLIN};
	PGnotify *notification;

	while ((notification = PQnotifies(connection)) == NULL) {
		ck_assert_int_eq(poll(&socket, 1, 30000), 1);
		ck_assert_int_eq(PQconsumeInput(connection), 1);
	}
	return notification;
}

/* In the commit that executed the steps; a payload has less than 8000 bytes. */
START_TEST(programs_are_notified)
{
	char *dsn = memory_format("%s dbname=ddl_target", postgres_dsn());
	PGconn *listener;
	PGnotify *notification;

	prepare();
	listener = PQconnectdb(dsn);
	PQclear(PQexec(listener, "LISTEN replicator_schema"));
	postgres_execute(source, "CREATE TABLE public.a (id int PRIMARY KEY)");
	expect_no_error(follow_log(false));
	notification = next_notification(listener);
	ck_assert_str_eq(notification->relname, "replicator_schema");
	ck_assert_msg(strstr(notification->extra, "\"kind\" : \"table\", "
	                                          "\"source_schema\" : \"public\", \"source_table\" : \"a\"") != NULL,
	              "%s", notification->extra);
	ck_assert_ptr_nonnull(strstr(notification->extra, "\"lsn\" : \"0/2BC\", \"steps\" : [\"CREATE TABLE "));
	PQfreemem(notification);
	postgres_execute(target, "SELECT replicator.notify_schema('s', 9, 'table', 'a', 'b', 'c', 'd', '0/1',"
	                         " array(SELECT repeat(n::text, 400) FROM generate_series(1, 40) n))");
	notification = next_notification(listener);
	ck_assert_uint_lt(strlen(notification->extra), 8000);
	ck_assert_ptr_nonnull(strstr(notification->extra, "\"omitted_steps\" : 30}"));
	PQfreemem(notification);
	PQfinish(listener);
	free(dsn);
	following_tear_down();
}
END_TEST

/* The statement of a user may hold passwords, and values that rules mask: neither the log nor the history has any of it. */
START_TEST(statements_are_not_logged)
{
	prepare();
	expect_no_error(follow_log(true));
	postgres_execute(source, "DO $$ BEGIN /* S3CRET */ CREATE TABLE public.a (id int PRIMARY KEY);"
	                         " INSERT INTO public.a SELECT length('S3CRET'); END $$");
	expect_no_error(follow_log(false));
	postgres_expect(source, "SELECT count(*) FROM replicator.ddl_log l WHERE l::text LIKE '%S3CRET%'", "0");
	postgres_expect(target,
	                "SELECT string_agg(tag, ' ') FROM replicator.schema_history h WHERE table_name = 'a'"
	                " AND h::text NOT LIKE '%S3CRET%'",
	                "CREATE TABLE");
	following_tear_down();
}
END_TEST

/* A scan of a catalog for each command makes a transaction of many commands quadratic. */
START_TEST(capture_reads_catalogs_by_index)
{
	char *dsn = memory_format("%s dbname=ddl_source", postgres_dsn());
	struct pg_connection *session;

	prepare();
	session = postgres_connect_to(dsn); /* which has not counted what the preparation scanned */
	postgres_execute(session, "BEGIN; CREATE TABLE public.a (id int PRIMARY KEY, b text DEFAULT 'x');"
	                          "ALTER TABLE public.a ADD c int; CREATE INDEX a_c ON public.a (c)");
	postgres_expect(session,
	                "SELECT coalesce(string_agg(relname || ' ' || seq_scan, ', '), '') FROM pg_stat_xact_sys_tables"
	                " WHERE seq_scan > 0 AND relname IN ('pg_type', 'pg_constraint', 'pg_inherits', 'pg_attrdef', "
	                "'pg_attribute', 'pg_depend')",
	                "");
	postgres_execute(session, "COMMIT");
	pg_disconnect(session);
	free(dsn);
	following_tear_down();
}
END_TEST

/* Until it is killed. */
static void make_and_drop_tables(const char *dsn)
{
	struct pg_connection *other = postgres_connect_to(dsn);

	for (;;) {
		postgres_execute(other, "CREATE TABLE public.other (id int)");
		postgres_execute(other, "DROP TABLE public.other");
	}
}

/* Another session drops a published table meanwhile: its name may still be found where the table is gone. */
START_TEST(tables_that_are_dropped_elsewhere_disturb_nothing)
{
	char *dsn = memory_format("%s dbname=ddl_source", postgres_dsn());
	pid_t child;

	prepare();
	postgres_execute(source,
	                 "CREATE TABLE public.a (id int PRIMARY KEY); CREATE PUBLICATION carries FOR ALL TABLES;"
	                 "ALTER EVENT TRIGGER replicator_ddl_drop DISABLE");
	child = fork();
	if (child == 0)
		make_and_drop_tables(dsn);
	for (int i = 0; i < 120; i++)
		postgres_execute(source, i % 2 == 0 ? "ALTER TABLE public.a ADD b int" : "ALTER TABLE public.a DROP b");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	postgres_expect(
	    source,
	    "SELECT count(*) FILTER (WHERE event = 'error') || ' ' || count(*) FILTER (WHERE object_name = 'a')"
	    " FROM replicator.ddl_log WHERE event <> 'image' OR published",
	    "0 121");
	free(dsn);
	following_tear_down();
}
END_TEST

/* Published without a key, they would refuse updates and deletes; the publication of others is not our doing. */
START_TEST(captured_tables_without_a_key_take_updates)
{
	prepare();
	expect_no_error(follow_log(true));
	postgres_execute(
	    source,
	    "UPDATE replicator.ddl_settings SET capture = '{public.*}'; CREATE SCHEMA elsewhere; CREATE TABLE "
	    "elsewhere.own (a int);"
	    "CREATE TABLE public.made AS SELECT 1 AS a;"
	    "UPDATE public.made SET a = 2; CREATE TABLE public.keyed (a int PRIMARY KEY, b int NOT NULL UNIQUE);"
	    "ALTER TABLE public.keyed REPLICA IDENTITY USING INDEX keyed_b_key; INSERT INTO public.keyed VALUES (1, 1);"
	    "ALTER TABLE public.keyed DROP CONSTRAINT keyed_b_key; UPDATE public.keyed SET b = 2;"
	    "CREATE TABLE public.parts (a int) PARTITION BY LIST (a);"
	    "CREATE TABLE public.part PARTITION OF public.parts FOR VALUES IN (1, 2);"
	    "INSERT INTO public.parts VALUES (1); UPDATE public.parts SET a = 2; ALTER TABLE elsewhere.own ADD b int");
	postgres_expect(
	    source,
	    "SELECT string_agg(relname || ' ' || relreplident::text, ', ' ORDER BY relname) FROM pg_class WHERE"
	    " relname IN ('own', 'made', 'keyed', 'parts', 'part')",
	    "keyed f, made f, own d, part f, parts f");
	postgres_expect(source, "SELECT count(*) FROM replicator.ddl_log WHERE event = 'error'", "0");
	expect_no_error(follow_log(false));
	following_tear_down();
}
END_TEST

/* A command that others may read beside must not wait for them because of the identity. */
START_TEST(an_identity_takes_no_lock_of_its_own)
{
	char *dsn = memory_format("%s dbname=ddl_source", postgres_dsn());
	struct pg_connection *other;

	prepare();
	postgres_execute(source, "UPDATE replicator.ddl_settings SET capture = '{}'; CREATE TABLE public.a (id int);"
	                         "UPDATE replicator.ddl_settings SET capture = '{*}'");
	other = postgres_connect_to(dsn);
	postgres_execute(other, "BEGIN; SELECT FROM public.a");
	postgres_execute(source, "SET lock_timeout = '100ms'; CREATE INDEX ON public.a (id)");
	postgres_execute(other, "COMMIT");
	postgres_expect(source, "SELECT count(*) FROM replicator.ddl_log WHERE event = 'error'", "0");
	postgres_expect(source, "SELECT relreplident::text FROM pg_class WHERE oid = 'public.a'::regclass", "d");
	postgres_execute(source, "ALTER TABLE public.a ADD b int");
	postgres_expect(source, "SELECT relreplident::text FROM pg_class WHERE oid = 'public.a'::regclass", "f");
	pg_disconnect(other);
	free(dsn);
	following_tear_down();
}
END_TEST

/* A command inside of another one, of an event trigger of the user's own, does not lose what the outer one rewrote. */
START_TEST(marks_of_a_rewrite_outlast_commands_inside)
{
	prepare();
	postgres_execute(source,
	                 "CREATE TABLE public.a (id int PRIMARY KEY); INSERT INTO public.a VALUES (1);"
	                 "CREATE TABLE public.audit (id int);"
	                 "CREATE FUNCTION public.audit() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
	                 "  IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE objid = 'public.a'::regclass)"
	                 "  THEN ALTER TABLE public.audit ADD noted text; END IF; END $$;"
	                 "CREATE EVENT TRIGGER a_audit ON ddl_command_end EXECUTE FUNCTION public.audit();"
	                 "ALTER TABLE public.a ADD r float8 DEFAULT random(); DROP EVENT TRIGGER a_audit");
	postgres_expect(source, "SELECT object_name FROM replicator.ddl_log WHERE event = 'rewrite'", "a");
	following_tear_down();
}
END_TEST

/* What could not be logged may be a change of any table. */
START_TEST(what_the_source_cannot_log)
{
	prepare();
	expect_no_error(follow_log(true));
	postgres_execute(target,
	                 "INSERT INTO replicator.captured_table (stream, schema_name, table_name) VALUES ('s', 'a', "
	                 "'b'), ('s', 'a', 'c')");
	postgres_execute(source, "ALTER TABLE replicator.ddl_log ADD CHECK (object_name <> 'refused')");
	postgres_execute(source, "CREATE TABLE public.refused (id int)");
	postgres_expect(source, "SELECT count(*) FROM replicator.ddl_log WHERE event = 'error'", "1");
	expect_no_error(follow_log(false));
	postgres_expect(
	    target,
	    "SELECT string_agg(table_name || ' ' || reason, ', ' ORDER BY table_name) FROM replicator.unverified",
	    "b unlogged change, c unlogged change");
	following_tear_down();
}
END_TEST

#define PUBLISHED                                                                                                      \
	"SELECT coalesce(string_agg(schemaname || '.' || tablename, ' ' ORDER BY 1), '')"                              \
	" FROM (SELECT DISTINCT schemaname, tablename FROM pg_publication_tables WHERE pubname = 'q' AND schemaname "  \
	"<> 'replicator'"                                                                                              \
	" ORDER BY 1, 2) t (schemaname, tablename)"

/*
 * A pattern of a whole schema needs no change of the publication for a new table. Tables of other patterns join it later:
 * their CREATE TABLE waits for nobody, although another session has locked the publication, and neither does the next one.
 */
START_TEST(new_tables_join_without_a_lock)
{
	char *dsn = memory_format("%s dbname=ddl_source", postgres_dsn());
	struct pg_connection *other;

	prepare();
	expect_no_error(follow_log(true));
	postgres_execute(source,
	                 "DROP PUBLICATION p; CREATE SCHEMA whole; CREATE TABLE public.late_0 (id int PRIMARY KEY);"
	                 "UPDATE replicator.ddl_settings SET capture = '{whole.*,public.late_*}';"
	                 "SELECT replicator.make_publication('q')");
	postgres_expect(source, PUBLISHED, "public.late_0");
	postgres_expect(source, "SELECT count(*) FROM pg_publication_tables WHERE schemaname = 'replicator'", "3");
	other = postgres_connect_to(dsn);
	postgres_execute(other, "BEGIN; ALTER PUBLICATION q SET (publish_via_partition_root = true)");
	postgres_execute(source, "SET lock_timeout = '50ms'; CREATE TABLE whole.a (id int); UPDATE whole.a SET id = 1;"
	                         "CREATE TABLE public.late_1 (id int); UPDATE public.late_1 SET id = 1;"
	                         "CREATE TABLE public.other (id int)");
	postgres_execute(other, "ROLLBACK");
	if (pg_server_version(source) >= 150000) /* before, there are no publications of schemas */
		postgres_expect(source, PUBLISHED, "public.late_0 whole.a");
	postgres_expect(source,
	                "SELECT string_agg(object_name || ' ' || published, ' ' ORDER BY id) FROM replicator.ddl_log"
	                " WHERE object_name IN ('late_1', 'other') OR event = 'error'",
	                "late_1 false other false");
	postgres_execute(source,
	                 "SELECT replicator.capture_table(publication, relation) FROM replicator.uncaptured_tables()");
	postgres_expect(source, PUBLISHED, "public.late_0 public.late_1 whole.a");
	postgres_execute(source, "UPDATE public.late_1 SET id = 1; UPDATE whole.a SET id = 1");
	postgres_expect(source, "SELECT count(*) FROM replicator.uncaptured_tables()", "0");
	postgres_execute(source, "SELECT replicator.drop_publications()");
	postgres_expect(source, "SELECT count(*) FROM pg_publication", "0");
	pg_disconnect(other);
	free(dsn);
	following_tear_down();
}
END_TEST

/* Tables that are there need their owner's word before they get a replica identity. */
START_TEST(tables_without_an_identity_are_named)
{
	struct error *error;

	prepare();
	postgres_execute(
	    source, "DROP PUBLICATION p; UPDATE replicator.ddl_settings SET capture = '{}';"
	            "CREATE TABLE public.bare (id int); CREATE TABLE public.deferred (id int PRIMARY KEY DEFERRABLE);"
	            "CREATE TABLE public.keyed (id int PRIMARY KEY); CREATE TABLE public.full (id int);"
	            "ALTER TABLE public.full REPLICA IDENTITY FULL;"
	            "UPDATE replicator.ddl_settings SET capture = '{public.*}'");
	error = pg_execute(source, "SELECT replicator.make_publication('q')");
	ck_assert_ptr_nonnull(error);
	error_free(error);
	postgres_execute(
	    source, "SELECT replicator.make_publication('q', true);"
	            "UPDATE public.bare SET id = 1; UPDATE public.deferred SET id = 1; UPDATE public.keyed SET id = 1");
	postgres_expect(
	    source,
	    "SELECT string_agg(relname || ' ' || relreplident::text, ', ' ORDER BY relname) FROM pg_class WHERE"
	    " relname IN ('bare', 'deferred', 'keyed', 'full')",
	    "bare f, deferred f, full f, keyed d");
	following_tear_down();
}
END_TEST

/* A key gets values that the target cannot compute: its rows come with the resync; unless they hold what only the target has. */
START_TEST(keys_whose_values_do_not_fit_their_type)
{
	static const char *const tables[] = {"plain", "own"};
	struct error *error;

	prepare();
	expect_no_error(follow_log(true));
	for (size_t i = 0; i < 2; i++) {
		char *sql = memory_format("CREATE TABLE public.%s (id text PRIMARY KEY, i text)", tables[i]);

		postgres_execute(source, sql);
		expect_no_error(follow_log(false));
		free(sql);
	}
	postgres_execute(target,
	                 "ALTER TABLE public.own ADD note text; INSERT INTO public.own VALUES ('abc', '1', 'n');"
	                 "INSERT INTO public.plain VALUES ('abc', '1'), ('1', '1'), ('01', '1')");
	postgres_execute(source, "ALTER TABLE public.plain ALTER i TYPE int USING length(i)");
	expect_no_error(follow_log(false));
	postgres_expect(target, "SELECT count(*) FROM public.plain", "3");
	postgres_execute(source, "ALTER TABLE public.plain ALTER id TYPE int USING length(id)");
	expect_no_error(follow_log(false));
	postgres_expect(target, "SELECT count(*) FROM public.plain", "0");
	postgres_expect(target, "SELECT string_agg(table_name || ' ' || reason, ', ') FROM replicator.unverified",
	                "plain rewritten");
	postgres_execute(source, "ALTER TABLE public.own ALTER id TYPE int USING length(id)");
	error = follow_log(false);
	ck_assert_ptr_nonnull(error);
	error_free(error);
	postgres_expect(target, "SELECT count(*) FROM public.own", "1");
	following_tear_down();
}
END_TEST

/* PostgreSQL 18: generated columns must be published where whole rows are the identity, and virtual ones cannot be. */
START_TEST(generated_columns_and_updates)
{
	struct error *error;

	prepare();
	postgres_execute(source, "CREATE TABLE public.stored (a int, b int GENERATED ALWAYS AS (a * 2) STORED);"
	                         "INSERT INTO public.stored VALUES (1); UPDATE public.stored SET a = 2");
	if (pg_server_version(source) >= 180000) {
		postgres_execute(
		    source,
		    "DROP PUBLICATION p; CREATE TABLE public.virtual (a int, b int GENERATED ALWAYS AS (a * 2))");
		postgres_expect(source, "SELECT count(*) FROM replicator.tables_without_identity() WHERE hopeless",
		                "1");
		error = pg_execute(source, "SELECT replicator.make_publication('q', true)");
		ck_assert_ptr_nonnull(error);
		error_free(error);
		postgres_execute(
		    source,
		    "ALTER TABLE public.virtual ADD PRIMARY KEY (a); SELECT replicator.make_publication('q', true);"
		    "INSERT INTO public.virtual VALUES (1); UPDATE public.virtual SET a = 2");
	}
	following_tear_down();
}
END_TEST

/* A mark of a rewrite is no image: the next change is compared with the image before it. */
START_TEST(pruning_keeps_the_last_image)
{
	prepare();
	postgres_execute(source, "CREATE TABLE public.a (id int PRIMARY KEY); INSERT INTO public.a VALUES (1);"
	                         "ALTER TABLE public.a ADD r float8 DEFAULT random()");
	postgres_execute(source, "SELECT replicator.ddl_prune('0')");
	postgres_expect(source,
	                "SELECT string_agg(event, ' ' ORDER BY id) FROM replicator.ddl_log WHERE object_name = 'a'",
	                "image rewrite");
	postgres_execute(source, "DROP TABLE public.a; SELECT replicator.ddl_prune('0')");
	postgres_expect(source,
	                "SELECT string_agg(event, ' ' ORDER BY id) FROM replicator.ddl_log WHERE object_name = 'a'",
	                "drop");
	following_tear_down();
}
END_TEST

static char *read_file(const char *name)
{
	FILE *file = fopen(name, "r");
	struct buffer text = {0};
	char line[4096];

	ck_assert_msg(file != NULL, "run this from the top folder: %s", name);
	while (fgets(line, sizeof(line), file) != NULL)
		buffer_append_text(&text, line);
	fclose(file);
	return buffer_steal(&text);
}

static bool walk_is_inside(void)
{
	char *remaining = postgres_value(source, "SELECT current_setting('walk.remaining')");
	bool inside = strcmp(remaining, "0") != 0;

	free(remaining);
	return inside;
}

/* As psql does it with ON_ERROR_ROLLBACK: what the server refuses leaves the transaction as it was. */
static void walk_execute(const char *sql, bool inside)
{
	struct error *error;

	if (inside)
		postgres_execute(source, "SAVEPOINT refused");
	error = pg_execute(source, sql);
	if (error != NULL)
		error_free(pg_execute(source, inside ? "ROLLBACK TO refused" : "ROLLBACK; SET walk.remaining = 0"));
	if (error != NULL && !walk_is_inside())
		error_free(pg_execute(source, "COMMIT"));
	error_free(error);
}

/* tests/ddl/walk.sql, schemas alone; WALK_SEED and WALK_STEPS repeat one. */
START_TEST(both_catalogs_are_equal_on_a_random_walk)
{
	const char *chosen = getenv("WALK_SEED");
	const char *length = getenv("WALK_STEPS");
	long seed = chosen != NULL ? atol(chosen) : (long)(clock_monotonic_us() % 1000000);
	long steps = length != NULL ? atol(length) : 60;
	char *text = read_file("tests/ddl/walk.sql");
	char sql[96];

	prepare();
	expect_no_error(follow_log(true));
	postgres_execute(source, "CREATE SCHEMA walk");
	postgres_execute(source, text);
	snprintf(sql, sizeof(sql), "SET walk.seed = %ld", seed);
	postgres_execute(source, sql);
	for (long k = 1; k <= steps && failures == 0; k++) {
		bool inside = walk_is_inside();
		struct error *error;
		char *step;

		snprintf(sql, sizeof(sql), "SELECT sql FROM pg_temp.step(%ld)", k);
		step = postgres_value(source, sql);
		if (chosen != NULL)
			printf("%ld: %s\n", k, step);
		walk_execute(step, inside);
		if (!walk_is_inside()) {
			error = follow_log(false);
			snprintf(sql, sizeof(sql), "seed %ld, step %ld", seed, k);
			if (error == NULL)
				compare(sql, "walk");
			else
				failures++;
			ck_assert_msg(failures == 0, "%s: %s: %s", sql, step, error == NULL ? "" : error->message);
		}
		free(step);
	}
	free(text);
	following_tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ddl");
	TCase *tests = tcase_create("ddl");
	TCase *walk = tcase_create("walk");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 600);
	tcase_add_test(tests, both_catalogs_are_equal_after_each_case);
	tcase_add_test(tests, rows_without_events_are_marked);
	tcase_add_test(tests, a_type_under_the_name_of_another_rewrites_rows);
	tcase_add_test(tests, a_rename_leaves_what_the_target_has_of_its_own);
	tcase_add_test(tests, a_new_object_under_the_name_of_one_whose_drop_waits);
	tcase_add_test(tests, marks_follow_their_table);
	tcase_add_test(tests, tables_that_leave_and_enter_the_stream);
	tcase_add_test(tests, programs_are_notified);
	tcase_add_test(tests, what_the_stream_did_not_create_is_not_dropped);
	tcase_add_test(tests, capture_reads_catalogs_by_index);
	tcase_add_test(tests, statements_are_not_logged);
	tcase_add_test(tests, tables_that_are_dropped_elsewhere_disturb_nothing);
	tcase_add_test(tests, captured_tables_without_a_key_take_updates);
	tcase_add_test(tests, an_identity_takes_no_lock_of_its_own);
	tcase_add_test(tests, marks_of_a_rewrite_outlast_commands_inside);
	tcase_add_test(tests, what_the_source_cannot_log);
	tcase_add_test(tests, new_tables_join_without_a_lock);
	tcase_add_test(tests, tables_without_an_identity_are_named);
	tcase_add_test(tests, generated_columns_and_updates);
	tcase_add_test(tests, keys_whose_values_do_not_fit_their_type);
	tcase_add_test(tests, pruning_keeps_the_last_image);
	suite_add_tcase(suite, tests);
	tcase_set_timeout(walk, 600);
	tcase_add_test(walk, both_catalogs_are_equal_on_a_random_walk);
	suite_add_tcase(suite, walk);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
