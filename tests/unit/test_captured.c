/*
 * test_captured.c - columns that the connector leaves out, masks, hashes or truncates: what is known of them, and that
 * no comparison and no repair writes the source's values over them. Kafka Connect is a server of the test.
 */
#include "base/memory.h"
#include "check/resync.h"
#include "check/verify.h"
#include "connect/captured_columns.h"
#include "http_server.h"
#include "postgres.h"
#include "target/checkpoint.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config config = {
    .stream.name = "replicator",
    .target = {.schema = "replicator", .is_deleted = "", .synced_at = "", .deleted_at = ""},
    .kafka.topic_prefix = "db",
    .connect.connector = "c",
};
static struct pg_connection *source, *target;
static struct http_server *server;
static char settings[1024];      /* of the connector; "" : Connect has no such connector */
static const char *whole_answer; /* instead of them; NULL: none */

static int answer(const char *request, struct buffer *body, void *context)
{
	(void)context;
	if (strncmp(request, "GET /connectors/c/config ", 25) != 0 || settings[0] == '\0')
		return 404;
	if (whole_answer != NULL)
		buffer_append_text(body, whole_answer);
	else
		buffer_append_format(body,
		                     "{\"name\": \"c\", \"connector.class\": \"io.debezium.X\", \"topic.prefix\": "
		                     "\"db\", \"publication.name\": \"p\", %s}",
		                     settings);
	return 200;
}

static char *dsn_of(const char *database)
{
	return memory_format("%s dbname=%s", postgres_dsn(), database);
}

static void set_up(void)
{
	source = postgres_make_database("captured_source");
	target = postgres_make_database("captured_target");
	config.source.dsn = dsn_of("captured_source");
	config.target.dsn = dsn_of("captured_target");
	server = http_server_start(0, answer, NULL);
	config.connect.url = memory_format("http://127.0.0.1:%d", http_server_port(server));
	expect_no_error(checkpoint_install_schema(target, "replicator"));
	postgres_execute(source, "SET search_path = public; SET client_min_messages = warning");
	postgres_execute(target, "SET search_path = public; SET client_min_messages = warning");
}

static void tear_down(void)
{
	http_server_stop(server);
	pg_disconnect(source);
	pg_disconnect(target);
	free((void *)(uintptr_t)config.source.dsn);
	free((void *)(uintptr_t)config.target.dsn);
	free((void *)(uintptr_t)config.connect.url);
}

/* The report; the caller frees it. */
static char *verify(bool repair, enum exit_code expected)
{
	const struct verify_options options = {.jobs = 1,
	                                       .timeout_us = 5000000,
	                                       .limit = 10,
	                                       .at_rest = true,
	                                       .repair = repair};
	enum exit_code code = EXIT_CONFIGURATION;
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	expect_no_error(verify_pair(&config, &options, out, &code));
	fclose(out);
	ck_assert_msg(code == expected, "exit code %d, expected %d: %s", (int)code, (int)expected, text);
	return text;
}

static void expect_part(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in: %s", part, text);
}

static void expect_report(bool repair, enum exit_code code, const char *part)
{
	char *text = verify(repair, code);

	expect_part(text, part);
	free(text);
}

static void append_finding(void *context, bool problem, const char *text)
{
	buffer_append_format(context, "%s%s\n", problem ? "PROBLEM " : "", text);
}

/* "table.column=form:length" of all columns, and what check-config reports. */
static char *describe(struct buffer *findings)
{
	static const char *const forms[] = {"as is", "never", "constant", "truncated", "unknown"};
	char *json = memory_format("{\"publication.name\": \"p\", %s}", settings);
	json_t *connector = json_loads(json, 0, NULL);
	struct arena *arena = arena_new();
	struct captured_columns captured;
	struct buffer text = {0};

	ck_assert_ptr_nonnull(connector);
	expect_no_error(captured_columns_take(connector, source, arena, &captured));
	for (size_t i = 0; i < captured.column_count; i++)
		buffer_append_format(&text, "%s%s.%s=%s:%d", i > 0 ? " " : "", captured.columns[i].table,
		                     captured.columns[i].column, forms[captured.columns[i].form],
		                     (int)captured.columns[i].length);
	for (size_t i = 0; i < captured.table_count; i++)
		buffer_append_format(&text, " rows of %s", captured.tables[i].table);
	for (size_t i = 0; i < captured.left_out_count; i++)
		buffer_append_format(&text, " without %s", captured.left_out[i].table);
	if (captured.problem != NULL)
		buffer_append_format(&text, "problem: %s", captured.problem);
	if (captured.all != NULL)
		buffer_append_format(&text, " all: %s", captured.all);
	if (findings != NULL)
		captured_columns_check(connector, &captured, append_finding, findings);
	buffer_append_text(&text, "");
	json_decref(connector);
	arena_free(arena);
	free(json);
	return buffer_steal(&text);
}

static void expect_columns(const char *connector, const char *expected)
{
	char *text;

	snprintf(settings, sizeof(settings), "%s", connector);
	text = describe(NULL);
	ck_assert_msg(strcmp(text != NULL ? text : "", expected) == 0, "%s gives \"%s\", expected \"%s\"", connector,
	              text, expected);
	free(text);
}

START_TEST(what_the_settings_select)
{
	/* PostgreSQL refuses the first; the others it reads otherwise. */
	static const char *const foreign[] = {"public.(?<x>t).a",   "public.t.a\\\\b",      "${file:/masks:columns}",
	                                      "public.t.[a&&[^x]]", "\\\\Qpublic.t.a\\\\E", "public.t.[[a]]",
	                                      "(?i)public.t.a",     "public.t.[]a]",        "public.\\\\w.a"};

	postgres_execute(source,
	                 "CREATE DOMAIN phrase AS text; CREATE TYPE mood AS ENUM ('ok');"
	                 "CREATE TABLE t (id int PRIMARY KEY, a text, v varchar(3), n int, j json, p phrase, e mood,"
	                 " u uuid, ts timestamp, d numeric, ar text[]);"
	                 "CREATE TABLE \"T 2\" (id text PRIMARY KEY, \"B,c\" text)");
	/* All of the name, whatever the case; a point is any character. */
	expect_columns("\"column.mask.with.12.chars\": \"PUBLIC.t.A\"", "t.a=constant:12");
	expect_columns("\"column.mask.with.12.chars\": \"t.a, public\\\\.t\\\\.\", \"column.exclude.list\": \"\"", "");
	expect_columns("\"column.mask.with.0.chars\": \" x ,public.t 2.b\\\\,C \"", "T 2.B,c=constant:0");
	/* What JDBC does not read as a string is not masked. */
	expect_columns("\"column.mask.with.5.chars\": \"public.t[.].*\"",
	               "t.a=constant:5 t.e=unknown:5 t.p=unknown:5 t.v=constant:5");
	expect_columns("\"column.mask.hash.v2.SHA-256.with.salt.S3CRET\": \"public.t.(a|n|u)\"", "t.a=unknown:0");
	/* Shorter types stay as they are; a string in the event may be the text of another type. */
	expect_columns("\"column.truncate.to.3.chars\": \"public.t[.].*\"",
	               "t.a=truncated:3 t.e=unknown:3 t.j=unknown:3 t.p=unknown:3 t.u=unknown:3");
	expect_columns("\"column.truncate.to.100.chars\": \"public.t[.].*\", \"decimal.handling.mode\": \"string\","
	               " \"time.precision.mode\": \"isostring\"",
	               "t.a=truncated:100 t.d=unknown:100 t.e=unknown:100 t.j=unknown:100 t.p=unknown:100");
	/* The first kind that selects a column counts, also where it does nothing; two lengths are a toss-up. */
	expect_columns("\"column.mask.with.5.chars\": \"public.t.[av]\", \"column.truncate.to.3.chars\": \".*[.][av]\"",
	               "t.a=truncated:3");
	expect_columns("\"column.mask.with.5.chars\": \"public.t.a\", \"column.mask.with.6.chars\": \"public.t.a\"",
	               "t.a=unknown:5");
	expect_columns("\"column.exclude.list\": \"public.t.(id|a)\"", "t.a=never:0");
	expect_columns("\"column.include.list\": \"public.t.(a|v|n|j|p|e|u|ts|d)\"", "T 2.B,c=never:0 t.ar=never:0");
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		char *setting = memory_format("\"column.mask.with.12.chars\": \"%s\"", foreign[i]);

		expect_columns(
		    setting, "problem: the connector's lists of columns have regular expressions that only Java knows");
		free(setting);
	}
	expect_columns("\"column.mask.with.12.chars\": \"public\\\\.t[^x]{1}[a]\"", "t.a=constant:12");
	expect_columns(
	    "\"transforms\": \"route, m\", \"transforms.route.type\": "
	    "\"org.apache.kafka.connect.transforms.RegexRouter\", \"transforms.m.type\": "
	    "\"org.apache.kafka.connect.transforms.MaskField$Value\"",
	    " all: the connector has transforms.m (org.apache.kafka.connect.transforms.MaskField$Value), which "
	    "may change values or leave out rows");
	/* Published, but the connector's lists leave it out; not where the list means something else to Java. */
	postgres_execute(source, "CREATE PUBLICATION p FOR TABLE t");
	expect_columns("\"table.include.list\": \"public.T\"", "");
	expect_columns("\"table.include.list\": \"public.t.\"", " without t");
	expect_columns("\"table.include.list\": \"public.t\\\\b\"", "");
	postgres_execute(source, "DROP PUBLICATION p");
	if (pg_server_version(source) < 150000) { /* has neither lists of columns nor row filters */
		postgres_execute(source, "CREATE PUBLICATION p FOR TABLE t, \"T 2\"");
		expect_columns("\"x\": \"\"", "");
		return;
	}
	postgres_execute(source, "CREATE PUBLICATION p FOR TABLE t (id, a, v, n, j, p, e, u, ts, d),"
	                         " \"T 2\" WHERE (\"B,c\" <> 'x')");
	expect_columns("\"x\": \"\"", "t.ar=never:0 rows of T 2");
}
END_TEST

START_TEST(what_check_config_reports)
{
	struct buffer findings = {0};

	postgres_execute(source, "CREATE TABLE t (id int PRIMARY KEY, a text, b text, c text, d text)");
	snprintf(settings, sizeof(settings),
	         "\"column.mask.with.12.chars\": \"public.t.a\", \"column.exclude.list\": \"public.t.b\","
	         " \"column.mask.hash.SHA-256.with.salt.S3CRET\": \"public.t.c\","
	         " \"column.truncate.to.20.chars\": \"public.t.d\"");
	free(describe(&findings));
	expect_part(findings.data,
	            "column.mask.with.12.chars of the connector masks public.t.a: check_target compares");
	expect_part(findings.data,
	            "column.exclude.list of the connector leaves out of the events public.t.b: the target");
	expect_part(findings.data,
	            "column.mask.hash.SHA-256 of the connector changes public.t.c: check_target does not");
	expect_part(findings.data, "column.truncate.to.20.chars of the connector truncates public.t.d: check_target");
	expect_part(findings.data, "public.t.c, public.t.d: the connector truncates or hashes the placeholder");
	ck_assert_ptr_null(strstr(findings.data, "S3CRET"));
	buffer_free(&findings);
}
END_TEST

START_TEST(masked_and_excluded_columns_stay_so)
{
	postgres_execute(source,
	                 "CREATE TABLE t (id int PRIMARY KEY, ssn text, note text, inner_name text, n int);"
	                 "INSERT INTO t VALUES (1, '123-45-6789', 'abcdef', 'secret', 1), (2, NULL, NULL, NULL, 2),"
	                 " (3, '1', U&'\\+01F600\\+01F600\\+01F600', 'secret', 3), (4, '1', 'abc', 'x', 4)");
	postgres_execute(target,
	                 "CREATE TABLE t (id int PRIMARY KEY, ssn text, note text, inner_name text, n int);"
	                 "INSERT INTO t VALUES (1, '************', 'abc', NULL, 1), (2, '************', NULL, NULL, 2),"
	                 " (3, '************', U&'\\+01F600', NULL, 3), (4, '************', 'abc', NULL, 4)");
	snprintf(settings, sizeof(settings),
	         "\"column.mask.with.12.chars\": \"public.t.ssn\", \"column.truncate.to.3.chars\": \"public.t.note\","
	         " \"column.exclude.list\": \"public.t.inner_name\"");
	expect_report(false, EXIT_OK,
	              "public.t: not compared, because of the connector: column inner_name "
	              "(column.exclude.list of the connector)");
	postgres_execute(target, "UPDATE t SET n = 0, inner_name = 'own' WHERE id = 1; DELETE FROM t WHERE id = 3;"
	                         "UPDATE t SET note = 'ab' WHERE id = 4; INSERT INTO t VALUES (9)");
	expect_report(true, EXIT_OK, "public.t: repaired: 1 inserted, 2 updated, 1 deleted");
	postgres_expect(target,
	                "SELECT string_agg(concat_ws('|', id, ssn, note, inner_name, n), ' ' ORDER BY id) FROM t"
	                " WHERE id <> 3",
	                "1|************|abc|own|1 2|************|2 4|************|abc|4");
	postgres_expect(target, "SELECT concat_ws('|', ssn, note = U&'\\+01F600', inner_name, n) FROM t WHERE id = 3",
	                "************|t|3");
}
END_TEST

START_TEST(a_rule_applies_to_the_masked_value)
{
	static const struct column_rule columns[] = {{.match = "a", .mask = MASK_HASH},
	                                             {.match = "b", .mask = MASK_NULL}};
	static const struct table_rule rules[] = {{.match = "public.t", .columns = columns, .column_count = 2}};

	postgres_execute(source, "CREATE TABLE t (id int PRIMARY KEY, a text, b text);"
	                         "INSERT INTO t VALUES (1, 'secret', 'x')");
	postgres_execute(target, "CREATE TABLE t (id int PRIMARY KEY, a text, b text); INSERT INTO t VALUES"
	                         " (1, encode(sha256('salt***'), 'hex'), NULL)");
	config.tables = rules;
	config.table_count = 1;
	config.masking.salt = "salt";
	snprintf(settings, sizeof(settings),
	         "\"column.mask.with.3.chars\": \"public.t.a\", \"column.mask.hash.MD5.with.salt.x\": \"public.t.b\"");
	expect_report(true, EXIT_OK, "1 in sync");
	postgres_expect(target, "SELECT count(*) FROM replicator.repair_log", "0");
}
END_TEST

static void expect_refused(struct error *error, const char *part)
{
	expect_error(error, ERROR_CONFIGURATION, NULL, part);
}

static struct error *resync(void)
{
	enum exit_code code = EXIT_OK;
	FILE *out = fopen("/dev/null", "w");
	struct error *error = resync_table(&config, "public", "t", true, 1000000, out, &code);

	fclose(out);
	return error;
}

START_TEST(what_cannot_be_computed_is_refused)
{
	const struct verify_options options = {.jobs = 1, .timeout_us = 1000000, .at_rest = true, .repair = true};
	enum exit_code code;
	char *text;

	postgres_execute(source,
	                 "CREATE TABLE t (id int PRIMARY KEY, a text, n int); INSERT INTO t VALUES (1, 'clear', 1);"
	                 "CREATE TABLE k (id text PRIMARY KEY); INSERT INTO k VALUES ('clear')");
	postgres_execute(target,
	                 "CREATE TABLE t (id int PRIMARY KEY, a text, n int); INSERT INTO t VALUES (1, 'hash', 1);"
	                 "CREATE TABLE k (id text PRIMARY KEY); INSERT INTO k VALUES ('***')");
	snprintf(settings, sizeof(settings),
	         "\"column.mask.hash.SHA-256.with.salt.S3CRET\": \"public.t.a\","
	         " \"column.mask.with.3.chars\": \"public.k.id\"");
	text = verify(true, EXIT_OK); /* the rest of t; k has one row with a constant */
	expect_part(text, "public.t: not compared, because of the connector: column a (column.mask.hash.SHA-256 of");
	expect_part(text,
	            "public.t: neither --repair nor a resync is possible: its rows are not written from the source: "
	            "column.mask.hash.SHA-256 of the connector changes column a in a way that cannot be computed");
	expect_part(text, "public.k: neither --repair nor a resync is possible");
	free(text);
	postgres_execute(target, "UPDATE t SET n = 2");
	expect_report(true, EXIT_DIFFERENT, "public.t: repaired: 0 inserted, 0 updated, 0 deleted, 1 left: its rows");
	postgres_expect(target, "SELECT a || n FROM t", "hash2");
	expect_refused(resync(),
	               "public.t cannot be repaired: its rows are not written from the source: column.mask.hash");
	/* Without Connect's answer nothing is known. */
	settings[0] = '\0';
	expect_refused(resync(), "the connector's settings could not be read: connector c: Kafka Connect at");
	expect_refused(verify_pair(&config, &options, stderr, &code),
	               "nothing can be repaired: the connector may mask");
	expect_report(false, EXIT_DIFFERENT, "note: whether the connector masks or leaves out columns is not known");
	postgres_expect(target, "SELECT a || n FROM t", "hash2");
}
END_TEST

static const struct {
	const char *answer;
	const char *part; /* of the refusal */
} other_answers[] = {
    {"", "the answer at connect.url is not the configuration of a connector"},
    {"\"\"", "is not the configuration of a connector"},
    {"\"login\"", "is not the configuration of a connector"},
    {"[]", "is not the configuration of a connector"},
    {"{}", "is not the configuration of a connector"},
    {"{\"connector.class\": 1, \"topic.prefix\": \"db\"}", "is not the configuration of a connector"},
    {"{\"connector.class\": \"io.debezium.X\"}", "connector c has topic.prefix= and this stream has"},
    {"{\"connector.class\": \"io.debezium.X\", \"topic.prefix\": \"billing\"}",
     "connector c has topic.prefix=billing and this stream has kafka.topic_prefix = \"db\""},
};

/* Nothing is written over the connector's masks on the word of another server, or of another stream's connector. */
START_TEST(other_answers_show_no_settings)
{
	const struct verify_options options = {.jobs = 1, .timeout_us = 1000000, .at_rest = true, .repair = true};
	static const char *topics[] = {"^routed[.].*"};
	enum exit_code code;

	postgres_execute(source, "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'clear')");
	postgres_execute(target, "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, '***')");
	snprintf(settings, sizeof(settings), "\"x\": \"\"");
	for (size_t i = 0; i < sizeof(other_answers) / sizeof(*other_answers); i++) {
		whole_answer = other_answers[i].answer;
		expect_refused(verify_pair(&config, &options, stderr, &code), other_answers[i].part);
		expect_refused(resync(), other_answers[i].part);
		postgres_expect(target, "SELECT a FROM t", "***");
	}
	/* Names of topics are no proof. */
	config.kafka.topics = topics;
	config.kafka.topic_count = 1;
	expect_refused(resync(), "connector c has topic.prefix=billing");
	whole_answer = NULL;
	snprintf(settings, sizeof(settings),
	         "\"post.processors\": \"mask\", \"mask.type\": \"com.acme.Masker\", \"column.exclude.list\": \"x\"");
	expect_report(true, EXIT_DIFFERENT,
	              "its rows are not written from the source: the connector has mask (com.acme.Masker), which may");
	postgres_expect(target, "SELECT a FROM t", "***");
	snprintf(settings, sizeof(settings),
	         "\"post.processors\": \"r\", \"r.type\": "
	         "\"io.debezium.processors.reselect.ReselectColumnsPostProcessor\"");
	expect_report(true, EXIT_OK, "1 updated");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("captured");
	TCase *tests = tcase_create("captured");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, what_the_settings_select);
	tcase_add_test(tests, what_check_config_reports);
	tcase_add_test(tests, masked_and_excluded_columns_stay_so);
	tcase_add_test(tests, a_rule_applies_to_the_masked_value);
	tcase_add_test(tests, what_cannot_be_computed_is_refused);
	tcase_add_test(tests, other_answers_show_no_settings);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
