/* test_pg_connection.c - opening, session settings, statements one at a time, and how errors come back. */
#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "postgres.h"

#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A text that lives until the next call. */
__attribute__((format(printf, 1, 2))) static const char *text_with(const char *format, ...)
{
	static char text[2048];
	va_list arguments;

	va_start(arguments, format);
	ck_assert_int_lt(vsnprintf(text, sizeof(text), format, arguments), (int)sizeof(text));
	va_end(arguments);
	return text;
}

/* The DSN with something appended; later keys win. */
static const char *dsn_with(const char *more)
{
	return text_with("%s %s", postgres_dsn(), more);
}

static void expect_our_settings(struct pg_connection *connection)
{
	static const char *const expected[][2] = {
	    {"client_encoding", "UTF8"},
	    {"standard_conforming_strings", "on"},
	    {"backslash_quote", "safe_encoding"},
	    {"quote_all_identifiers", "off"},
	    {"DateStyle", "ISO, MDY"},
	    {"IntervalStyle", "iso_8601"},
	    {"TimeZone", "UTC"},
	    {"timezone_abbreviations", "Default"},
	    {"extra_float_digits", "3"},
	    {"bytea_output", "hex"},
	    {"lc_monetary", "C"},
	    {"array_nulls", "on"},
	    {"xmloption", "content"},
	    {"xmlbinary", "base64"},
	    {"transform_null_equals", "off"},
	    {"row_security", "off"},
	    {"gin_fuzzy_search_limit", "0"},
	    {"default_transaction_isolation", "read committed"},
	    {"transaction_isolation", "read committed"},
	    {"default_transaction_read_only", "off"},
	    {"default_transaction_deferrable", "off"},
	    {"check_function_bodies", "on"},
	    {"jit", "off"},
	    {"plan_cache_mode", "auto"},
	    {"exit_on_error", "off"},
	    {"statement_timeout", "0"},
	    {"lock_timeout", "0"},
	    {"idle_in_transaction_session_timeout", "0"},
	    {"idle_session_timeout", "0"},
	    {"search_path", "pg_catalog, pg_temp"},
	};

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		postgres_expect(connection, text_with("SHOW %s", expected[i][0]), expected[i][1]);
	/* Not every version has these. */
	postgres_expect(connection, "SELECT coalesce(current_setting('restrict_nonsystem_relation_kind', true), '')",
	                "");
	postgres_expect(connection, "SELECT coalesce(current_setting('transaction_timeout', true), '0')", "0");
	postgres_expect(connection, "SELECT coalesce(current_setting('force_parallel_mode', true), 'off')", "off");
	postgres_expect(connection, "SELECT coalesce(current_setting('debug_parallel_query', true), 'off')", "off");
	postgres_expect(connection, "SELECT coalesce(current_setting('icu_validation_level', true), 'warning')",
	                "warning");
}

START_TEST(session_has_our_settings)
{
	struct pg_connection *connection = postgres_connect_to(
	    dsn_with("options='-c DateStyle=German -c TimeZone=Asia/Tokyo -c exit_on_error=on -c array_nulls=off"
	             " -c plan_cache_mode=force_custom_plan -c jit=on'"));

	expect_our_settings(connection);
	postgres_expect(connection, "SHOW application_name", "replicator unit test");
	ck_assert_int_ge(pg_server_version(connection), 120000);
	ck_assert_int_gt(pg_backend_pid(connection), 1);
	ck_assert_ptr_nonnull(strstr(pg_description(connection), "database postgres at 127.0.0.1:"));
	ck_assert(!pg_is_broken(connection));
	pg_disconnect(connection);
}
END_TEST

/* Defaults of the role, of the database, and a schema whose functions have the names of those of pg_catalog. */
START_TEST(no_default_of_role_or_database_counts)
{
	struct pg_connection *connection = postgres_make_database("hostile");
	char *dsn = postgres_hostile_dsn("hostile");

	postgres_execute(
	    connection,
	    "CREATE SCHEMA hostile;"
	    "CREATE FUNCTION hostile.pg_backend_pid() RETURNS int LANGUAGE sql AS 'SELECT 1';"
	    "CREATE FUNCTION hostile.current_setting(text, boolean) RETURNS text LANGUAGE sql AS 'SELECT NULL';"
	    "CREATE FUNCTION hostile.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS 'SELECT $2';"
	    "ALTER DATABASE hostile SET row_security = on; ALTER DATABASE hostile SET synchronize_seqscans = on;"
	    "ALTER ROLE hostile IN DATABASE hostile SET xmloption = 'document'; ALTER ROLE hostile SET jit_above_cost "
	    "= 0;"
	    "DO $do$ DECLARE name text; BEGIN FOR name IN SELECT s.name FROM pg_settings s WHERE s.name IN"
	    " ('debug_parallel_query', 'force_parallel_mode') LOOP EXECUTE format('ALTER DATABASE hostile SET %I = "
	    "on', name);"
	    " END LOOP; END $do$");
	pg_disconnect(connection);
	connection = postgres_connect_to(dsn);
	expect_our_settings(connection);
	postgres_expect(connection, "SHOW synchronize_seqscans", "off");
	postgres_expect(connection, "SELECT '{NULL}'::text[] = ARRAY[NULL]", "t");
	postgres_execute(connection, "BEGIN; SAVEPOINT s");
	expect_error(pg_execute(connection, "SELECT 1 / 0"), ERROR_TARGET, "22012", "division by zero");
	postgres_execute(connection, "ROLLBACK TO SAVEPOINT s; COMMIT");
	pg_disconnect(connection);
	free(dsn);
}
END_TEST

START_TEST(query_gives_rows_and_nulls)
{
	struct pg_connection *connection = postgres_connect();
	const char *const parameters[] = {"41", NULL, "ä \"x'"};
	struct pg_result *result = NULL;

	expect_no_error(
	    pg_query(connection, "SELECT $1::int + 1 AS a, $2::text AS b, $3::text AS c", 3, parameters, &result));
	ck_assert_uint_eq(pg_result_rows(result), 1);
	ck_assert_uint_eq(pg_result_columns(result), 3);
	ck_assert_str_eq(pg_result_column_name(result, 2), "c");
	ck_assert_int_eq(pg_result_integer(result, 0, 0), 42);
	ck_assert(pg_result_is_null(result, 0, 1));
	ck_assert_str_eq(pg_result_text(result, 0, 1), "");
	ck_assert_int_eq(pg_result_integer(result, 0, 1), 0);
	ck_assert_str_eq(pg_result_text(result, 0, 2), "ä \"x'");
	pg_result_free(result);
	pg_result_free(NULL);
	expect_no_error(pg_query(connection, "SELECT 1", 0, NULL, NULL));
	pg_disconnect(connection);
}
END_TEST

START_TEST(execute_runs_several_and_stops_at_the_first_error)
{
	struct pg_connection *connection = postgres_connect();

	postgres_execute(connection, "CREATE TEMP TABLE t (a int); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)");
	postgres_expect(connection, "SELECT count(*) FROM pg_temp.t", "2");
	expect_error(pg_execute(connection, "SELECT 1; SELECT no_such_column; SELECT 2"), ERROR_TARGET, "42703",
	             "no_such_column");
	postgres_expect(connection, "SELECT 7", "7");
	expect_error(pg_execute(connection, "COPY pg_temp.t FROM STDIN"), ERROR_SYSTEM, "", "COPY");
	ck_assert(pg_is_broken(connection));
	pg_disconnect(connection);
}
END_TEST

/* Law 10: no value of a row in any text. Each statement fails with the value SECRET in it. */
START_TEST(errors_hold_no_values)
{
	static const struct {
		const char *sql;
		enum error_class class;
		const char *sqlstate;
		const char *part;
	} cases[] = {
	    {"SELECT 'SECRET'::int", ERROR_TARGET, "22P02", "invalid input syntax for type integer: \"…\""},
	    {"SELECT '1 SECRET\" x\" 0x12'::int", ERROR_TARGET, "22P02", "invalid input syntax"},
	    {"SELECT '{SECRET'::int[]", ERROR_TARGET, "22P02", "malformed array literal"},
	    {"SELECT '2026-13-77 SECRET'::date", ERROR_TARGET, "22007", "date"},
	    {"SELECT 'SECRET'::json", ERROR_TARGET, "22P02", "json"},
	    {"INSERT INTO pg_temp.t VALUES (1, 'SECRET SECRET')", ERROR_TARGET, "22001", "character varying(8)"},
	    {"INSERT INTO pg_temp.t VALUES (7, 'SECRET')", ERROR_CONSTRAINT, "23505", "constraint t_pkey"},
	    {"INSERT INTO pg_temp.t VALUES (-1, 'SECRET')", ERROR_CONSTRAINT, "23514", "constraint t_check"},
	    {"INSERT INTO pg_temp.t VALUES (NULL, 'SECRET')", ERROR_CONSTRAINT, "23502", "column a"},
	    {"DO $$ BEGIN RAISE EXCEPTION 'SECRET'; END $$", ERROR_TARGET, "P0001", "trigger or function"},
	    {"INSERT INTO pg_temp.t SELECT 8, 'SECRET' FROM generate_series(1, 2) ON CONFLICT (a) DO UPDATE SET b = "
	     "'SECRET'",
	     ERROR_CONSTRAINT, "21000", "second time"},
	};
	struct pg_connection *connection = postgres_connect();

	postgres_execute(connection,
	                 "CREATE TEMP TABLE t (a int PRIMARY KEY, b varchar(8), CONSTRAINT t_check CHECK (a > 0));"
	                 "INSERT INTO t VALUES (7, 'x')");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error *error = pg_query(connection, cases[i].sql, 0, NULL, NULL);

		ck_assert_ptr_nonnull(error);
		ck_assert_msg(strstr(error->message, "SECRET") == NULL, "a value is in: %s", error->message);
		expect_error(error, cases[i].class, cases[i].sqlstate, cases[i].part);
	}
	ck_assert(!pg_is_broken(connection));
	pg_disconnect(connection);
}
END_TEST

START_TEST(sqlstates_are_classed)
{
	static const struct {
		const char *sqlstate;
		enum error_class class;
	} cases[] = {{"08006", ERROR_TRANSIENT},  {"40001", ERROR_TRANSIENT}, {"40P01", ERROR_TRANSIENT},
	             {"57014", ERROR_TRANSIENT},  {"57P03", ERROR_TRANSIENT}, {"53100", ERROR_TRANSIENT},
	             {"55P03", ERROR_TRANSIENT},  {"25006", ERROR_TRANSIENT}, {"28P01", ERROR_AUTHENTICATION},
	             {"23503", ERROR_CONSTRAINT}, {"42501", ERROR_TARGET},    {"XX000", ERROR_TARGET}};
	struct pg_connection *connection = postgres_connect();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *sql =
		    memory_format("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '%s'; END $$", cases[i].sqlstate);

		expect_error(pg_execute(connection, sql), cases[i].class, cases[i].sqlstate, cases[i].sqlstate);
		free(sql);
	}
	pg_disconnect(connection);
}
END_TEST

static void expect_refused(const char *dsn, enum error_class class, const char *sqlstate, const char *part)
{
	struct pg_connection *connection = NULL;
	struct error *error = pg_connect(dsn, "replicator unit test", &connection);

	ck_assert_ptr_null(connection);
	ck_assert_ptr_nonnull(error);
	ck_assert_msg(strstr(error->message, "SECRET") == NULL, "a secret is in: %s", error->message);
	expect_error(error, class, sqlstate, part);
}

START_TEST(refused_logins_are_classed)
{
	struct pg_connection *connection = postgres_connect();

	expect_refused(dsn_with("password=SECRET"), ERROR_AUTHENTICATION, "28P01", "pg_hba.conf");
	expect_refused(dsn_with("user=nobody_of_that_name password=SECRET"), ERROR_AUTHENTICATION, "28P01",
	               "nobody_of_that_name");
	expect_refused(dsn_with("password='' passfile=/no/such/file"), ERROR_AUTHENTICATION, "", "password");
	expect_refused(dsn_with("dbname=no_such_database"), ERROR_CONFIGURATION, "3D000", "no_such_database");
	expect_refused(dsn_with("options='-c no_such_setting=1'"), ERROR_CONFIGURATION, "42704", "no_such_setting");
	expect_refused(dsn_with("sslmode=require"), ERROR_CONFIGURATION, "", "SSL");
	postgres_execute(connection, "CREATE ROLE stranger LOGIN PASSWORD 'stranger'");
	postgres_execute(connection, "CREATE DATABASE closed");
	postgres_execute(connection, "REVOKE CONNECT ON DATABASE closed FROM public");
	expect_refused(dsn_with("user=stranger password=stranger dbname=closed"), ERROR_AUTHENTICATION, "42501",
	               "closed");
	postgres_execute(connection, "DROP DATABASE closed");
	postgres_execute(connection, "ALTER ROLE stranger CONNECTION LIMIT 0");
	expect_refused(dsn_with("user=stranger password=stranger"), ERROR_TRANSIENT, "53300", "too many");
	postgres_execute(connection, "DROP ROLE stranger");
	pg_disconnect(connection);
}
END_TEST

/* Nothing is wrong with the DSN; a full disk (could not write init file) is one of the reasons. */
START_TEST(server_that_fails_inside_is_transient)
{
	struct pg_connection *connection = postgres_connect();
	char *sql;
	char *oid;

	postgres_execute(connection, "CREATE DATABASE damaged");
	oid = postgres_value(connection, "SELECT oid FROM pg_database WHERE datname = 'damaged'");
	/* Longer than the file of any version: a shorter one is XX001 from PostgreSQL 16 on. */
	sql = memory_format("COPY (SELECT repeat('x', 1023)) TO PROGRAM 'cat >base/%s/pg_filenode.map'", oid);
	postgres_execute(connection, sql);
	expect_refused(dsn_with("dbname=damaged"), ERROR_TRANSIENT, "XX000", "invalid data");
	postgres_execute(connection, "DROP DATABASE damaged");
	free(sql);
	free(oid);
	pg_disconnect(connection);
}
END_TEST

START_TEST(dsn_that_makes_no_sense)
{
	expect_refused("host=127.0.0.1 password=my SECRET dbname=x", ERROR_CONFIGURATION, "", "connection string");
	expect_refused("host=127.0.0.1 password='my SECRET", ERROR_CONFIGURATION, "", "connection string");
	expect_refused("hots=SECRET", ERROR_CONFIGURATION, "", "invalid connection option");
	expect_refused("postgresql://u:SECRET@[::1/x", ERROR_CONFIGURATION, "", "connection string");
	expect_refused("host=127.0.0.1 port=99999999 password=SECRET", ERROR_CONFIGURATION, "", "port");
	expect_refused("host=127.0.0.1 sslmode=never password=SECRET", ERROR_CONFIGURATION, "", "sslmode");
	expect_refused("postgresql://u:p@SECRET@127.0.0.1:1/x", ERROR_TRANSIENT, "", "cannot connect");
}
END_TEST

/* A socket of this process on a free port; *port gets it. */
static int listening_socket(int *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	ck_assert_int_eq(listen(fd, 4), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

/* Answers a login as PostgreSQL 13 does, and then nothing: no statement may be sent to it. */
static void *answer_as_an_old_server(void *listening)
{
	static const char answer[] = "R\0\0\0\10\0\0\0\0"
	                             "S\0\0\0\30server_version\00013.9\0"
	                             "K\0\0\0\14\0\0\0\1\0\0\0\1"
	                             "Z\0\0\0\5I";
	char request[1024];
	int client = accept(*(int *)listening, NULL, NULL);

	ck_assert_int_ge(client, 0);
	ck_assert_int_gt(recv(client, request, sizeof(request), 0), 0);
	ck_assert_int_eq(send(client, answer, sizeof(answer) - 1, MSG_NOSIGNAL), sizeof(answer) - 1);
	while (recv(client, request, sizeof(request), 0) > 0 && request[0] == 'X')
		;
	close(client);
	return NULL;
}

START_TEST(servers_that_are_too_old_are_refused)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listening = socket(AF_INET, SOCK_STREAM, 0);
	struct pg_connection *old = NULL;
	struct error *error;
	pthread_t server;
	char dsn[128];

	ck_assert_int_eq(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listening, 1), 0);
	ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&address, &length), 0);
	snprintf(dsn, sizeof(dsn), "host=127.0.0.1 port=%d dbname=x user=u sslmode=disable gssencmode=disable",
	         ntohs(address.sin_port));
	ck_assert_int_eq(pthread_create(&server, NULL, answer_as_an_old_server, &listening), 0);
	error = pg_connect(dsn, "test", &old);
	ck_assert_ptr_nonnull(error);
	ck_assert_int_eq(error->class, ERROR_CONFIGURATION);
	ck_assert_ptr_nonnull(
	    strstr(error->message, "is a PostgreSQL 13, which is too old; upgrade it to 14 or later"));
	ck_assert_ptr_null(old);
	error_free(error);
	ck_assert_int_eq(pthread_join(server, NULL), 0);
	close(listening);
}
END_TEST

START_TEST(unreachable_hosts_are_transient)
{
	int port;
	int fd = listening_socket(&port);
	int64_t start = clock_monotonic_us();

	expect_refused(text_with("host=127.0.0.1 port=%d connect_timeout=1 dbname=x", port), ERROR_TRANSIENT, "",
	               "connect_timeout");
	ck_assert_int_lt(clock_monotonic_us() - start, 3000000);
	close(fd);
	expect_refused(text_with("host=127.0.0.1 port=%d dbname=x password=SECRET", port), ERROR_TRANSIENT, "",
	               "refused");
	expect_refused("host=no-such-host.invalid dbname=x password=SECRET", ERROR_TRANSIENT, "",
	               "no-such-host.invalid");
	expect_refused("host=/no/such/socket dbname=x", ERROR_TRANSIENT, "", "/no/such/socket");
}
END_TEST

static const char *dsn_port(void)
{
	static char port[8];
	const char *at = strstr(postgres_dsn(), "port=");

	snprintf(port, sizeof(port), "%.*s", (int)strspn(at + 5, "0123456789"), at + 5);
	return port;
}

START_TEST(hosts_are_tried_in_turn)
{
	int silent;
	int fd = listening_socket(&silent);
	const char *dsn = text_with("%s host=127.0.0.1,127.0.0.1,127.0.0.1 port=1,%d,%s connect_timeout=1 "
	                            "target_session_attrs=read-write",
	                            postgres_dsn(), silent, dsn_port());
	struct pg_connection *connection = postgres_connect_to(dsn);

	postgres_expect(connection, "SELECT 1", "1");
	pg_disconnect(connection);
	close(fd);
	/* A refused login ends the search. */
	expect_refused(text_with("%s host=127.0.0.1,127.0.0.1 port=%s,1 password=SECRET", postgres_dsn(), dsn_port()),
	               ERROR_AUTHENTICATION, "28P01", "password");
}
END_TEST

START_TEST(terminated_backend_is_transient)
{
	struct pg_connection *connection = postgres_connect();
	struct pg_connection *other = postgres_connect();
	char *sql = memory_format("SELECT pg_terminate_backend(%d, 5000)", pg_backend_pid(connection));

	postgres_expect(other, sql, "t");
	expect_error(pg_execute(connection, "SELECT 1"), ERROR_TRANSIENT, "57P01", "terminating connection");
	ck_assert(pg_is_broken(connection));
	expect_error(pg_execute(connection, "SELECT 1"), ERROR_TRANSIENT, "", "lost");
	expect_error(pg_query(connection, "SELECT 1", 0, NULL, NULL), ERROR_TRANSIENT, "", "lost");
	expect_error(pg_pipeline_begin(connection), ERROR_TRANSIENT, "", "lost");
	expect_error(pg_copy_begin(connection, "COPY x FROM STDIN"), ERROR_TRANSIENT, "", "lost");
	pg_disconnect(connection);
	pg_disconnect(other);
	free(sql);
}
END_TEST

START_TEST(copy_takes_rows_and_tells_errors)
{
	struct pg_connection *connection = postgres_connect();
	struct buffer lines = {0};
	uint64_t rows = 0;

	postgres_execute(connection, "CREATE TEMP TABLE t (a int PRIMARY KEY, b text)");
	for (int i = 0; i < 200000; i++)
		buffer_append_format(&lines, "%d\tthe text of row %d goes on for a while\n", i, i);
	expect_no_error(pg_copy_begin(connection, "COPY pg_temp.t FROM STDIN"));
	expect_error(pg_execute(connection, "SELECT 1"), ERROR_SYSTEM, "", "COPY");
	expect_no_error(pg_copy_send(connection, lines.data, lines.length));
	expect_no_error(pg_copy_end(connection, &rows));
	ck_assert_uint_eq(rows, 200000);

	/* The first row is there already; the server tells it while we still send. */
	expect_no_error(pg_copy_begin(connection, "COPY pg_temp.t FROM STDIN"));
	expect_no_error(pg_copy_send(connection, lines.data, lines.length));
	expect_error(pg_copy_end(connection, &rows), ERROR_CONSTRAINT, "23505", "t_pkey");
	ck_assert_uint_eq(rows, 0);

	expect_no_error(pg_copy_begin(connection, "COPY pg_temp.t FROM STDIN"));
	expect_no_error(pg_copy_send(connection, "SECRET\tx\n", 9));
	expect_error(pg_copy_end(connection, &rows), ERROR_TARGET, "22P02", "\"…\"");

	expect_error(pg_copy_begin(connection, "COPY pg_temp.no_such_table FROM STDIN"), ERROR_TARGET, "42P01",
	             "no_such_table");
	expect_error(pg_copy_begin(connection, "SELECT 1"), ERROR_SYSTEM, "", "not a COPY");
	expect_error(pg_copy_end(connection, NULL), ERROR_SYSTEM, "", "no COPY");
	postgres_expect(connection, "SELECT count(*) FROM pg_temp.t", "200000");
	buffer_free(&lines);
	pg_disconnect(connection);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pg_connection");
	TCase *tests = tcase_create("connection");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, session_has_our_settings);
	tcase_add_test(tests, no_default_of_role_or_database_counts);
	tcase_add_test(tests, query_gives_rows_and_nulls);
	tcase_add_test(tests, execute_runs_several_and_stops_at_the_first_error);
	tcase_add_test(tests, errors_hold_no_values);
	tcase_add_test(tests, sqlstates_are_classed);
	tcase_add_test(tests, refused_logins_are_classed);
	tcase_add_test(tests, server_that_fails_inside_is_transient);
	tcase_add_test(tests, dsn_that_makes_no_sense);
	tcase_add_test(tests, servers_that_are_too_old_are_refused);
	tcase_add_test(tests, unreachable_hosts_are_transient);
	tcase_add_test(tests, hosts_are_tried_in_turn);
	tcase_add_test(tests, terminated_backend_is_transient);
	tcase_add_test(tests, copy_takes_rows_and_tells_errors);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
