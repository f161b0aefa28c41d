/* test_connector.c - `replicator connector`: what it does at Connect and at the source, and what it prints. */
#include "commands.h"
#include "http_server.h"

#include <jansson.h>
#include <libpq-fe.h>

/* A Connect with the connector c, or without it. */
struct connect {
	struct http_server *server;
	const char *settings; /* more of them */
	char state[16];       /* "" when there is no connector */
	bool offsets;
	bool refuses_offsets;
	PGconn *reader; /* of the slot; ends when the connector stops; NULL: none */
	PGconn *foreign;
	int stops;
	int resumes;
};

static void end_reader(PGconn **reader)
{
	PQfinish(*reader);
	*reader = NULL;
}

static int answer_status(const struct connect *connect, struct buffer *body)
{
	if (connect->state[0] == '\0') {
		buffer_append_text(body, "{}");
		return 200;
	}
	buffer_append_format(body, "{\"c\":{\"status\":{\"connector\":{\"state\":\"%s\"},\"tasks\":[", connect->state);
	if (strcmp(connect->state, "STOPPED") != 0)
		buffer_append_format(body, "{\"id\":0,\"state\":\"%s\"}", connect->state);
	buffer_append_text(body, "]}}}");
	return 200;
}

static int answer_delete(struct connect *connect, const char *rest, struct buffer *body)
{
	const bool offsets = strncmp(rest, "/offsets ", 9) == 0;

	if (offsets && (strcmp(connect->state, "STOPPED") != 0 || connect->refuses_offsets))
		return 500;
	if (offsets)
		connect->offsets = false;
	else
		connect->state[0] = '\0';
	buffer_append_text(body, "{}");
	return offsets ? 200 : 204;
}

static int answer_connect(const char *request, struct buffer *body, void *context)
{
	struct connect *connect = context;

	if (strncmp(request, "GET /connectors?expand=status", 29) == 0)
		return answer_status(connect, body);
	if (connect->state[0] == '\0')
		return 404;
	if (strncmp(request, "GET /connectors/c/config ", 25) == 0) {
		buffer_append_format(body, "{\"name\":\"c\"%s}", connect->settings);
		return 200;
	}
	if (strncmp(request, "PUT /connectors/c/config ", 25) == 0) {
		buffer_append_text(body, "{}");
		return 200;
	}
	if (strncmp(request, "PUT /connectors/c/stop ", 23) == 0) {
		connect->stops++;
		strcpy(connect->state, "STOPPED");
		end_reader(&connect->reader);
		return 202;
	}
	if (strncmp(request, "PUT /connectors/c/resume ", 25) == 0) {
		connect->resumes++;
		strcpy(connect->state, "RUNNING");
		return 202;
	}
	if (strncmp(request, "DELETE /connectors/c", 20) == 0)
		return answer_delete(connect, request + 20, body);
	return 404;
}

static struct connect worker;

static void start_connect(void)
{
	char *more;

	make_databases();
	worker = (struct connect){.state = "RUNNING", .settings = "", .offsets = true};
	worker.server = http_server_start(0, answer_connect, &worker);
	more = memory_format("connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; };\n",
	                     http_server_port(worker.server));
	write_config(source_dsn, target_dsn, more);
	free(more);
	execute(source_dsn, "CREATE PUBLICATION shop_pub");
	execute(source_dsn, "SELECT pg_create_logical_replication_slot('shop_slot', 'test_decoding')");
}

static void stop_connect(void)
{
	end_reader(&worker.reader);
	end_reader(&worker.foreign);
	http_server_stop(worker.server);
	execute(source_dsn,
	        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE '%shop%'");
	remove_databases();
}

/* The number that a query of the source gives. */
static int64_t ask(const char *sql)
{
	struct pg_connection *connection = postgres_connect_to(source_dsn);
	int64_t number = 0;

	expect_no_error(pg_query_integer(connection, sql, 0, NULL, 0, &number));
	pg_disconnect(connection);
	return number;
}

static int64_t slots(void)
{
	return ask("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'shop_slot'");
}

static int64_t publications(void)
{
	return ask("SELECT count(*) FROM pg_publication WHERE pubname = 'shop_pub'");
}

/* The session that a connector would have. */
static PGconn *read_slot(void)
{
	char *dsn = memory_format("%s replication=database", source_dsn);
	PGconn *reader = PQconnectdb(dsn);
	PGresult *result = PQexec(reader, "START_REPLICATION SLOT shop_slot LOGICAL 0/0");

	ck_assert_msg(PQresultStatus(result) == PGRES_COPY_BOTH, "%s", PQerrorMessage(reader));
	PQclear(result);
	free(dsn);
	return reader;
}

#define SHOP ", \"database.dbname\": \"cli_source\", \"slot.name\": \"shop_slot\", \"publication.name\": \"shop_pub\""

static void expect_untouched(void)
{
	ck_assert_int_eq(slots(), 1);
	ck_assert_int_eq(publications(), 1);
	ck_assert_str_eq(worker.state, "RUNNING");
	ck_assert(worker.offsets);
}

START_TEST(test_delete_with_slot)
{
	worker.settings = SHOP;
	worker.reader = read_slot();
	ck_assert_int_eq(RUN("connector", "delete", "--with-slot", "-c", config_path), 0);
	expect_in(out, "slot shop_slot and publication shop_pub are dropped");
	expect_in(out, "connector c is deleted, its offsets are forgotten");
	ck_assert_int_eq(slots(), 0);
	ck_assert_int_eq(publications(), 0);
	ck_assert_str_eq(worker.state, "");
	ck_assert(!worker.offsets);
}
END_TEST

/* The connector reads another server, or may: the slot of source.dsn is of another stream. */
START_TEST(test_delete_keeps_the_slot_of_another)
{
	worker.settings = ", \"database.dbname\": \"cli_source\"";
	ck_assert_int_eq(RUN("connector", "delete", "--with-slot", "-c", config_path), 3);
	expect_in(err, "its settings do not show slot.name; name its slot with --slot");
	expect_untouched();
	worker.settings = ", \"database.dbname\": \"billing\", \"slot.name\": \"shop_slot\"";
	ck_assert_int_eq(RUN("connector", "delete", "--slot", "shop_slot", "-c", config_path), 3);
	expect_in(err, "the connector reads database billing, and source.dsn is database cli_source");
	expect_untouched();
	worker.settings = SHOP;
	ck_assert_int_eq(RUN("connector", "delete", "--with-slot", "-c", config_path), 3);
	expect_in(err, "no session reads the slot, so nothing shows that it is this connector's");
	expect_in(err, "SELECT pg_drop_replication_slot('shop_slot'); DROP PUBLICATION \"shop_pub\";");
	ck_assert_int_eq(worker.stops, 0);
	expect_untouched();
	ck_assert_int_eq(RUN("connector", "delete", "--slot", "other", "-c", config_path), 3);
	expect_in(err, "it has slot.name=shop_slot, not other");
	worker.settings = "";
	ck_assert_int_eq(RUN("connector", "delete", "--slot", "other", "-c", config_path), 3);
	expect_in(err, "source.dsn's server has no such slot");
	expect_untouched();
}
END_TEST

/* Its reader does not end with the connector. */
START_TEST(test_delete_keeps_the_slot_that_another_reads)
{
	worker.settings = SHOP;
	worker.foreign = read_slot();
	ck_assert_int_eq(RUN("connector", "delete", "--with-slot", "-c", config_path), 3);
	expect_in(err, "another reader than this connector uses the slot at source.dsn");
	ck_assert_int_eq(worker.stops, 1);
	ck_assert_int_eq(worker.resumes, 1);
	expect_untouched();
}
END_TEST

START_TEST(test_delete_keeps_a_publication_that_another_slot_may_use)
{
	worker.settings = SHOP;
	execute(source_dsn, "SELECT pg_create_logical_replication_slot('other_shop', 'pgoutput')");
	ck_assert_int_eq(RUN("connector", "delete", "--slot", "shop_slot", "-c", config_path), 0);
	expect_in(out, "publication shop_pub stays, as another slot of the database may use it");
	ck_assert_int_eq(slots(), 0);
	ck_assert_int_eq(publications(), 1);
	ck_assert_str_eq(worker.state, "");
}
END_TEST

/* What a first run does not do, a second one does. */
START_TEST(test_delete_again)
{
	char *url = memory_format("connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; };\n",
	                          http_server_port(worker.server));

	worker.settings = SHOP;
	write_config("host=127.0.0.1 port=1 dbname=cli_source user=postgres", target_dsn, url);
	ck_assert_int_eq(RUN("connector", "delete", "--with-slot", "-c", config_path), 4);
	expect_untouched();
	write_config(source_dsn, target_dsn, url);
	worker.reader = read_slot();
	worker.refuses_offsets = true;
	ck_assert_int_eq(RUN("connector", "delete", "--with-slot", "-c", config_path), 4);
	expect_in(err, "connector c is stopped and not deleted; `replicator connector delete c --slot shop_slot` does");
	ck_assert_int_eq(slots(), 1);
	ck_assert_str_eq(worker.state, "STOPPED");
	worker.refuses_offsets = false;
	ck_assert_int_eq(RUN("connector", "delete", "c", "--slot", "shop_slot", "-c", config_path), 0);
	ck_assert_int_eq(slots(), 0);
	ck_assert_str_eq(worker.state, "");
	free(url);
}
END_TEST

/* The connector was deleted without its slot. */
START_TEST(test_delete_the_slot_that_is_left)
{
	ck_assert_int_eq(RUN("connector", "delete", "-c", config_path), 0);
	ck_assert_int_eq(slots(), 1);
	ck_assert_int_eq(RUN("connector", "delete", "--with-slot", "-c", config_path), 3);
	expect_in(err, "`replicator connector delete c --slot SLOT` drops it");
	worker.foreign = read_slot();
	ck_assert_int_ne(RUN("connector", "delete", "--slot", "shop_slot", "-c", config_path), 0);
	ck_assert_int_eq(slots(), 1);
	end_reader(&worker.foreign);
	while (ask("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'shop_slot' AND active") > 0)
		clock_sleep_ms(20);
	ck_assert_int_eq(RUN("connector", "delete", "--slot", "shop_slot", "-c", config_path), 0);
	expect_in(out, "slot shop_slot is dropped");
	ck_assert_int_eq(slots(), 0);
}
END_TEST

#define SECRETS                                                                                                        \
	", \"value.converter.basic.auth.user.info\": \"ops:hidden\", \"producer.override.ssl.keystore.key\": "         \
	"\"hidden\","                                                                                                  \
	"\"value.converter.schema.registry.url\": \"http://a:1,https://ops:hid@den@b:2/x\","                           \
	"\"column.mask.hash.v2.SHA-256.with.salt.hidden\": \"public.a.x\","                                            \
	"\"column.mask.hash.v2.SHA-256.with.salt.hidden2\": \"public.a.y\", \"x.auth.passwd\": \"hidden\","            \
	"\"driver.options\": \"-c a=b password=hidden\", \"some.thing\": \"-----BEGIN PRIVATE KEY-----hidden\","       \
	"\"sasl.jaas.config\": \"x password=\\\"hidden\\\";\", \"plain\": \"\\u007f\\u009b31m\\u001b[2J\""

static void expect_no_secret(void)
{
	expect_not_in(out, "hidden");
	expect_not_in(out, "hid@den");
	expect_not_in(out, "\x1b");
	expect_not_in(out, "\x7f");
	expect_not_in(out, "\xc2\x9b");
}

START_TEST(test_secrets_and_control_characters_are_not_printed)
{
	json_t *shown;
	char *file = memory_format("%s.json", config_path);
	FILE *definition = fopen(file, "w");

	worker.settings = SECRETS;
	ck_assert_int_eq(RUN("connector", "config", "-c", config_path), 0);
	expect_no_secret();
	expect_in(out, "\"http://********@b:2/x\"");
	expect_in(out, "\"column.mask.hash.v2.SHA-256.with.salt.********\": \"public.a.");
	expect_in(out, "\"column.mask.hash.v2.SHA-256.with.salt.******** (2)\": \"public.a.");
	expect_in(out, "\"-c a=b password=********\"");
	shown = json_loads(out, 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(shown, "plain")), "\x7f\xc2\x9b"
	                                                                     "31m\x1b[2J");
	json_decref(shown);
	ck_assert_ptr_nonnull(definition);
	fputs("{\"name\":\"c\",\"config\":{\"topic.prefix\":\"\\u001b[2J\\u0007\"}}", definition);
	fclose(definition);
	ck_assert_int_eq(RUN("connector", "update", file, "--no-checks", "-c", config_path), 0);
	expect_no_secret();
	expect_in(out, "  topic.prefix: (not set) → \\x1b[2J\\x07\n");
	expect_in(out, "salt.********: public.a.x → (not set)");
	strcpy(worker.state, "\\u001b[2J\\u0007");
	ck_assert_int_eq(RUN("connector", "status", "-c", config_path), 0);
	expect_in(out, "connector c: \\x1b[2J\\x07 (on )\n");
	ck_assert_int_eq(RUN("connector", "list", "-c", config_path), 0);
	expect_in(out, " \\x1b[2J\\x07 ");
	unlink(file);
	free(file);
}
END_TEST

/* `create` with the lists; refused, as Connect is not asked with problems. */
static void create_with(const char *lists)
{
	char *file = memory_format("%s.json", config_path);
	FILE *definition = fopen(file, "w");

	ck_assert_ptr_nonnull(definition);
	fprintf(definition,
	        "{\"name\":\"c\",\"config\":{\"topic.prefix\":\"dbserver1\",\"database.user\":\"connector_reader\"%s}}",
	        lists);
	fclose(definition);
	ck_assert_int_eq(RUN("connector", "create", file, "-c", config_path), 3);
	unlink(file);
	free(file);
}

#define UNLOGGED "problem: table public.quick is UNLOGGED"
#define OWN_TABLES "may not read table replicator."

START_TEST(test_create_reads_all_lists)
{
	execute(postgres_dsn(), "DROP ROLE IF EXISTS connector_reader; CREATE ROLE connector_reader LOGIN");
	execute(source_dsn, "CREATE SCHEMA replicator; CREATE TABLE replicator.schema_version (id int PRIMARY KEY);"
	                    "CREATE TABLE public.users (id int PRIMARY KEY);"
	                    "CREATE UNLOGGED TABLE public.quick (id int PRIMARY KEY)");
	create_with(", \"schema.include.list\": \"pub.ic\"");
	expect_in(err, "role connector_reader may not read table public.users");
	expect_in(err, UNLOGGED);
	expect_not_in(err, OWN_TABLES);
	create_with(", \"table.exclude.list\": \"public\\\\.users , replicator\\\\..*\"");
	expect_not_in(err, "public.users");
	expect_in(err, UNLOGGED);
	expect_not_in(err, OWN_TABLES);
	create_with(", \"schema.exclude.list\": \"public\"");
	expect_in(err, OWN_TABLES);
	expect_not_in(err, "quick");
	create_with(", \"table.include.list\": \"public.users, public.ab\\\\,c\"");
	expect_in(err, "may not read table public.users");
	expect_in(err, "public.ab\\,c in table.include.list matches no table");
	expect_not_in(err, "quick");
	execute(postgres_dsn(), "ALTER ROLE connector_reader SET intervalstyle = 'sql_standard'");
	create_with(", \"table.include.list\": \"\\\\Qpublic.users\\\\E\"");
	expect_in(err, "warning: the connector's lists of tables have regular expressions that only Java knows");
	expect_in(err, "problem: intervalstyle is sql_standard for role connector_reader");
	create_with(", \"database.user\": \"${file:/connector:user}\"");
	expect_in(err, "warning: the connector's role is not known: database.user is ${file:/connector:user}");
	expect_not_in(err, "there is no role");
	create_with(", \"database.dbname\": \"elsewhere\"");
	expect_in(err, "database.dbname=elsewhere, and source.dsn has ");
	execute(postgres_dsn(), "DROP ROLE connector_reader");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("connector");
	TCase *tests = tcase_create("connector");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 180);
	tcase_add_checked_fixture(tests, start_connect, stop_connect);
	tcase_add_test(tests, test_delete_with_slot);
	tcase_add_test(tests, test_delete_keeps_the_slot_of_another);
	tcase_add_test(tests, test_delete_keeps_the_slot_that_another_reads);
	tcase_add_test(tests, test_delete_keeps_a_publication_that_another_slot_may_use);
	tcase_add_test(tests, test_delete_again);
	tcase_add_test(tests, test_delete_the_slot_that_is_left);
	tcase_add_test(tests, test_secrets_and_control_characters_are_not_printed);
	tcase_add_test(tests, test_create_reads_all_lists);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
