/*
 * test_cli.c - the commands as a user sees them: output and exit code. Kafka is librdkafka's own mock cluster, which
 * the property test.mock.num.brokers brings up inside the client; PostgreSQL is real.
 */
#include "commands.h"
#include "http_server.h"
#include "mock_kafka.h"

#include <jansson.h>

START_TEST(test_usage)
{
	ck_assert_int_eq(run_signalled(0, (const char *const[]){NULL}), 2);
	expect_in(err, "a command is missing");
	ck_assert_int_eq(RUN("frobnicate"), 2);
	expect_in(err, "there is no command frobnicate");
	ck_assert_int_eq(RUN("--help"), 0);
	expect_in(out, "check-config");
	expect_not_in(out, "config-example");
	ck_assert_int_eq(RUN("run", "--help"), 0);
	expect_in(out, "usage: replicator run [-c FILE] [--until-lsn LSN]");
	ck_assert_int_eq(RUN("version"), 0);
	expect_in(out, "replicator " REPLICATOR_VERSION "\n");
	ck_assert_int_eq(RUN("--version"), 0);
	ck_assert_int_eq(RUN("run", "--until-lsn", "banana"), 2);
	expect_in(err, "--until-lsn takes a log position");
	ck_assert_int_eq(RUN("run", "--until-lsn"), 2);
	ck_assert_int_eq(RUN("status", "--yaml"), 2);
	expect_in(err, "status does not take --yaml");
	ck_assert_int_eq(RUN("status", "-c"), 2);
	ck_assert_int_eq(RUN("init", "nowhere"), 2);
	ck_assert_int_eq(RUN("init", "target", "--role", "debezium"), 2);
	ck_assert_int_eq(RUN("table", "resize", "public.users"), 2);
	ck_assert_int_eq(RUN("table", "resync"), 2);
	ck_assert_int_eq(RUN("table", "resync", "public.users", "--timeout", "x"), 2);
	ck_assert_int_eq(RUN("wait"), 2);
	ck_assert_int_eq(RUN("wait", "--lsn", "12"), 2);
	ck_assert_int_eq(RUN("wait", "--lsn", "0/1", "--timeout", "soon"), 2);
	ck_assert_int_eq(RUN("init", "target", "--print", "--remove"), 2);
}
END_TEST

START_TEST(test_config_file)
{
	ck_assert_int_eq(RUN("-c", "/nowhere.conf", "status"), 3);
	expect_in(err, "/nowhere.conf: cannot be read");
	write_config(NULL, target_dsn, "colour = 1;\nlog = { level = 5; };\n");
	ck_assert_int_eq(RUN("check-config", "-c", config_path), 3);
	expect_in(err, "unknown setting colour");
	expect_in(err, "log.level has the wrong type");
}
END_TEST

START_TEST(test_init_and_status)
{
	json_t *status;

	ck_assert_int_eq(RUN("init", "target", "--print", "-c", config_path), 0);
	expect_in(out, "CREATE TABLE \"replicator\".stream (");
	ck_assert_int_eq(RUN("status", "-c", config_path), 3);
	expect_in(err, "run `replicator init target`");
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 0);
	ck_assert_int_eq(RUN("-c", config_path, "init", "target"), 0);
	ck_assert_int_eq(RUN("status", "-c", config_path), 0);
	expect_in(out, "stream replicator has not run yet");
	ck_assert_int_eq(RUN("status", "--json", "-c", config_path), 0);
	status = json_loads(out, 0, NULL);
	ck_assert(json_is_null(json_object_get(status, "state")));
	json_decref(status);
	ck_assert_int_eq(RUN("init", "target", "--remove", "-c", config_path), 0);
	ck_assert_int_eq(RUN("status", "-c", config_path), 3);
}
END_TEST

START_TEST(test_init_source)
{
	ck_assert_int_eq(RUN("init", "source", "--print", "--role", "postgres", "-c", config_path), 0);
	expect_in(out, "SELECT \"replicator\".\"grant_to_connector\"('postgres');");
	ck_assert_int_eq(RUN("init", "source", "--role", "postgres", "-c", config_path), 0);
	ck_assert_int_eq(RUN("init", "source", "-c", config_path), 0);
	execute(source_dsn, "UPDATE replicator.heartbeat SET at = now();"
	                    "INSERT INTO replicator.signal VALUES ('1', 'execute-snapshot', '{}')");
	execute(source_dsn, "CREATE TABLE public.bare (id int)");
	ck_assert_int_eq(RUN("init", "source", "--capture", "public.b*", "-c", config_path), 3);
	expect_in(err, "tables without a replica identity (1) would refuse UPDATE and DELETE once they are published: "
	               "public.bare");
	ck_assert_int_eq(RUN("init", "source", "--capture", "public.b*", "--identity-full", "-c", config_path), 0);
	execute(source_dsn, "UPDATE public.bare SET id = 1; DROP TABLE public.bare");
	ck_assert_int_eq(RUN("init", "source", "--remove", "-c", config_path), 0);
	execute(source_dsn, "CREATE PUBLICATION debezium_publication; DROP PUBLICATION debezium_publication");
	ck_assert_int_eq(RUN("init", "source", "--remove", "-c", config_path), 3);
}
END_TEST

/* A role that could replace what is installed would act as the superuser who installs and uses it; on both sides. */
START_TEST(test_init_refuses_what_another_role_can_change)
{
	const char *const sides[] = {"source", "target"};
	const char *const dsns[] = {source_dsn, target_dsn};
	const char *side = sides[_i], *dsn = dsns[_i];

	execute(dsn, "DROP ROLE IF EXISTS \"Cli other\"");
	execute(dsn, "CREATE ROLE \"Cli other\"; CREATE SCHEMA replicator AUTHORIZATION \"Cli other\"");
	ck_assert_int_eq(RUN("init", side, "-c", config_path), 3);
	expect_in(err, "schema replicator belongs to role \"Cli other\", which could replace what is installed");
	execute(dsn, "ALTER SCHEMA replicator OWNER TO CURRENT_USER; GRANT CREATE ON SCHEMA replicator TO PUBLIC;"
	             "GRANT ALL ON SCHEMA replicator TO \"Cli other\"");
	ck_assert_int_eq(RUN("init", side, "-c", config_path), 3);
	expect_in(err, "\"Cli other\", PUBLIC may create objects in schema replicator");
	execute(dsn, "REVOKE CREATE ON SCHEMA replicator FROM \"Cli other\", PUBLIC");
	ck_assert_int_eq(RUN("init", side, "-c", config_path), 0);
	execute(dsn, "DO $$ BEGIN EXECUTE (SELECT format('ALTER FUNCTION %s OWNER TO \"Cli other\"', oid::regprocedure)"
	             " FROM pg_proc WHERE pronamespace = 'replicator'::regnamespace AND proname IN ('ddl_enable', "
	             "'wait_for')); END $$");
	ck_assert_int_eq(RUN("init", side, "-c", config_path), 3);
	expect_in(err, " belongs to role \"Cli other\", which could act as role postgres by it");
	execute(dsn, "DROP OWNED BY \"Cli other\" CASCADE; DROP ROLE \"Cli other\"");
}
END_TEST

START_TEST(test_table_resync_refuses)
{
	ck_assert_int_eq(RUN("table", "resync", "users", "-c", config_path), 2);
	expect_in(err, "name the table with its schema");
	ck_assert_int_eq(RUN("table", "resync", "public.nowhere", "-c", config_path), 3);
	expect_in(err, "there is no table public.nowhere");
	execute(source_dsn, "CREATE TABLE public.users (id int PRIMARY KEY)");
	ck_assert_int_eq(RUN("table", "resync", "public.users", "-c", config_path), 3);
	expect_in(err, "run `replicator init source");
}
END_TEST

START_TEST(test_wait)
{
	ck_assert_int_eq(RUN("wait", "--lsn", "0/100", "--timeout", "1", "-c", config_path), 3);
	expect_in(err, "run `replicator init target`");
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 0);
	execute(target_dsn, "INSERT INTO replicator.stream (name, epoch, last_commit_lsn, state)"
	                    " VALUES ('replicator', 3, '0/100', 'running')");
	ck_assert_int_eq(RUN("wait", "--lsn", "0/100", "--timeout", "0", "-c", config_path), 0);
	ck_assert_int_eq(RUN("wait", "--lsn", "0/101", "--timeout", "0", "-c", config_path), 1);
	expect_in(err, "the stream is at 0/100, not at 0/101");
	execute(target_dsn, "DO $$ BEGIN ASSERT replicator.wait_for('0/100', '0 s');"
	                    " ASSERT NOT replicator.wait_for('0/101', '20 ms', 'replicator');"
	                    " BEGIN PERFORM replicator.wait_for('0/1', stream => 'other'); ASSERT false;"
	                    " EXCEPTION WHEN undefined_object THEN END; END $$");
}
END_TEST

START_TEST(test_status_of_a_stream)
{
	json_t *status;
	json_t *offset;

	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 0);
	execute(target_dsn,
	        "INSERT INTO replicator.stream (name, epoch, last_commit_lsn, last_tx_id, source_commit_at, applied_at,"
	        " state, error, instance, heartbeat_at)"
	        " VALUES ('replicator', 3, '0/100', 745, now() - interval '10 s', now() - interval '9.5 s', 'failed',"
	        " 'topic[0]@7: no op', 'host:1', now());"
	        "INSERT INTO replicator.offsets (stream, topic, partition, next_offset)"
	        " VALUES ('replicator', 'dbserver1.public.users', 0, 42);"
	        "INSERT INTO replicator.snapshot_progress VALUES ('replicator', 740, '0/80', 1000, now(), NULL)");
	ck_assert_int_eq(RUN("status", "-c", config_path), 0);
	expect_in(out, "stream replicator: no instance is active (the last one said: failed)");
	expect_in(out, "error         topic[0]@7: no op");
	expect_in(out, "last commit   0/100 (transaction 745)");
	expect_in(out, "(0.500 s later)");
	expect_in(out, " bytes of WAL (the source is at ");
	expect_in(out, "1000 rows");
	expect_in(out, "not finished: the target is not in sync");
	expect_in(out, "dbserver1.public.users          0           42");
	ck_assert_int_eq(RUN("status", "--json", "-c", config_path), 0);
	status = json_loads(out, 0, NULL);
	ck_assert_msg(status != NULL, "no JSON: %s", out);
	ck_assert_str_eq(json_string_value(json_object_get(status, "state")), "failed");
	ck_assert(json_is_false(json_object_get(status, "active")));
	ck_assert_str_eq(json_string_value(json_object_get(status, "last_commit_lsn")), "0/100");
	ck_assert_int_gt(json_integer_value(json_object_get(status, "lag_bytes")), 0);
	ck_assert_double_ge(json_real_value(json_object_get(status, "lag_seconds")), 10);
	ck_assert_double_eq(json_real_value(json_object_get(status, "last_delay_seconds")), 0.5);
	offset = json_array_get(json_object_get(status, "offsets"), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(offset, "next_offset")), 42);
	ck_assert_uint_eq(json_array_size(json_object_get(status, "left_out_steps")), 0);
	json_decref(status);
	write_config(NULL, target_dsn, "");
	execute(target_dsn,
	        "INSERT INTO replicator.left_out_step (stream, kind, relid, schema_name, table_name, part, part_id,"
	        " sql, reason, expected, lsn) VALUES ('replicator', 'table', 1, 'public', 't', 'not null', 2,"
	        " 'ALTER TABLE t SET', 'has nulls', false, '0/1')");
	ck_assert_int_eq(RUN("status", "-c", config_path), 0);
	expect_in(out, "lag           not known: source.dsn is not set");
	expect_in(
	    out,
	    "left out      1 step of schema changes, which the daemon retries:\n    ALTER TABLE t SET: has nulls; 1");
	ck_assert_int_eq(RUN("status", "--json", "-c", config_path), 0);
	status = json_loads(out, 0, NULL);
	offset = json_array_get(json_object_get(status, "left_out_steps"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(offset, "object")), "t");
	ck_assert(json_is_false(json_object_get(offset, "by_design")));
	json_decref(status);
}
END_TEST

START_TEST(test_check_config_finds_nothing)
{
	execute(source_dsn, "SET search_path = public; CREATE TABLE users (id bigint PRIMARY KEY, name text);"
	                    "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users);"
	                    "CREATE PUBLICATION p FOR ALL TABLES");
	execute(target_dsn,
	        "SET search_path = public; CREATE TABLE users (id bigint PRIMARY KEY, name text, is_deleted "
	        "boolean NOT NULL DEFAULT false, synced_at timestamptz NOT NULL);"
	        "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint REFERENCES users)");
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 0);
	ck_assert_int_eq(RUN("init", "source", "-c", config_path), 0); /* its tables have no counterpart */
	write_config(source_dsn, target_dsn, "tables = ( { match = \"public.users\"; delete = \"soft\"; } );\n");
	ck_assert_int_eq(RUN("check-config", "-c", config_path), 0);
	expect_in(out, "2 tables of the source checked against the target");
	expect_in(out, "\n0 problems, ");
}
END_TEST

START_TEST(test_check_config_finds_all)
{
	execute(
	    source_dsn,
	    "SET search_path = public; CREATE TABLE users (id bigint PRIMARY KEY, name text, more numeric(12,2));"
	    "CREATE TABLE \"Odd \"\"T\" (a int PRIMARY KEY); CREATE TABLE nokey (a int);"
	    "CREATE TABLE nothing (a int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING;"
	    "CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE late (a int PRIMARY KEY);"
	    "CREATE TABLE own (a int PRIMARY KEY, t int); CREATE TABLE unseen (a int);"
	    "CREATE TABLE twofold (a int PRIMARY KEY, b int NOT NULL UNIQUE);" /* messages have the primary key */
	    "ALTER TABLE twofold REPLICA IDENTITY USING INDEX twofold_b_key;"
	    /* Without one, the first unique index: here one that the target lacks, and one that names no row. */
	    "CREATE TABLE indexed (a int UNIQUE, b int); ALTER TABLE indexed REPLICA IDENTITY FULL;"
	    "CREATE TABLE partly (b int UNIQUE, a int); CREATE UNIQUE INDEX partly_a ON partly (a) WHERE a > 0;"
	    "CREATE PUBLICATION p FOR TABLE users, \"Odd \"\"T\", nokey, nothing, pair, late, own, twofold, indexed, "
	    "partly");
	execute(target_dsn, "SET search_path = public; CREATE TABLE users (id bigint PRIMARY KEY, name text);"
	                    "CREATE TABLE nokey (a int); CREATE TABLE nothing (a int PRIMARY KEY);"
	                    "CREATE TABLE pair (a int PRIMARY KEY, b int); CREATE TABLE twofold (a int, b int UNIQUE);"
	                    "CREATE TABLE late (a int PRIMARY KEY DEFERRABLE);"
	                    "CREATE TABLE indexed (a int, b int); CREATE TABLE partly (b int, a int);"
	                    "CREATE TABLE own (a int PRIMARY KEY, t text, own int NOT NULL)");
	write_config(source_dsn, target_dsn,
	             "tables = ( { match = \"public.users\"; delete = \"soft\"; }, { match = \"public.usrs\"; } );\n"
	             "spill_dir = \"/nowhere\";\n");
	ck_assert_int_eq(RUN("check-config", "-c", config_path), 3);
	expect_in(out, "problem: spill_dir: the program cannot write to /nowhere");
	expect_in(out, "the schema of the state tables (target.schema) is missing; run `replicator init target`");
	expect_in(out, ": tables: match = \"public.usrs\" matches no table of the source");
	expect_in(out, "problem: public.users: the target lacks column more; on the target: ALTER TABLE "
	               "\"public\".\"users\" ADD COLUMN \"more\" numeric(12,2)");
	expect_in(out, "problem: public.users: its deletes are soft, but the target lacks the column is_deleted");
	expect_in(out, "problem: public.Odd \"T: the target lacks this table");
	expect_in(out, "warning: public.nokey: it has no primary key, so the source refuses its updates and deletes");
	expect_in(out, "problem: public.nothing: it has REPLICA IDENTITY NOTHING");
	expect_in(out, "problem: public.pair: the target's table lacks the key; on the target: ALTER TABLE "
	               "\"public\".\"pair\" ADD PRIMARY KEY (\"a\", \"b\")");
	expect_in(out, "warning: public.late: the target's key on (\"a\") is deferrable");
	expect_in(out, "problem: public.twofold: the target's table lacks the key; on the target: ALTER TABLE "
	               "\"public\".\"twofold\" ADD PRIMARY KEY (\"a\")");
	expect_in(out, "problem: public.indexed: the target's table lacks the key; on the target: ALTER TABLE "
	               "\"public\".\"indexed\" ADD UNIQUE (\"a\")");
	expect_in(out, "warning: public.partly: it has no primary key, so the source refuses its updates");
	expect_not_in(out, "public.partly: the target's table lacks the key");
	expect_in(out, "warning: public.own: column t is integer at the source and text in the target");
	expect_in(out, "problem: public.own: column own is only in the target, NOT NULL and without a default");
	expect_not_in(out, "unseen");
	expect_in(out, "\n11 problems, ");
}
END_TEST

/* A Connect that has one connector; `context` is more of its settings. */
static int answer_settings(const char *request, struct buffer *body, void *context)
{
	if (strncmp(request, "PUT /connector-plugins/io.debezium.X/config/validate ", 53) == 0) {
		buffer_append_text(body, "{\"configs\": [{\"value\": {\"name\": \"name\", \"value\": null}},"
		                         "{\"value\": {\"name\": \"value.converter\", \"value\": \"an.Other\"}}]}");
		return 200;
	}
	if (strncmp(request, "PUT /connector-plugins/io.debezium.Z/config/validate ", 53) == 0) {
		buffer_append_text(body, "{\"configs\": []}"); /* a worker that does not tell */
		return 200;
	}
	if (strncmp(request, "GET /connectors/c/config ", 25) != 0)
		return 404;
	buffer_append_format(body,
	                     "{\"name\": \"c\", \"connector.class\": \"io.debezium.Z\", \"topic.prefix\": "
	                     "\"dbserver1\", \"publication.name\": \"p\"%s}",
	                     (const char *)context);
	return 200;
}

/* What settings do not show: plain JSON of one type read as another, types that the connector loses, columns that never
 * come. */
START_TEST(test_check_config_of_the_newest_events)
{
	rd_kafka_mock_cluster_t *cluster = mock_kafka_start(1);
	FILE *file = fopen(config_path, "w");

	ck_assert_ptr_nonnull(file);
	fprintf(file,
	        "source = { dsn = \"%s\"; }; target = { dsn = \"%s\"; };\n"
	        "kafka = { brokers = \"%s\"; topic_prefix = \"dbserver1\"; };\n"
	        "tables = ( { match = \"public.users\"; columns = ( { match = \"meant\"; exclude = true; } ); } );\n",
	        source_dsn, target_dsn, rd_kafka_mock_cluster_bootstraps(cluster));
	fclose(file);
	make_topic(USERS);
	make_topic(MARKS);
	execute(source_dsn, "SET search_path = public; CREATE TABLE users (id bigint PRIMARY KEY, price numeric(10,2), "
	                    "same numeric(8,3),"
	                    " at timestamp(3), cash money[], meant money[], offs timetz, hidden point, g int GENERATED "
	                    "ALWAYS AS (1) STORED);"
	                    "CREATE PUBLICATION p FOR TABLE users");
	execute(target_dsn, "SET search_path = public; CREATE TABLE users (id bigint PRIMARY KEY, price numeric(10,4), "
	                    "same numeric(9,3),"
	                    " at timestamp, cash money[], offs timetz, hidden point)");
	produce(USERS, "{\"id\":1}",
	        "{\"before\":null,\"after\":{\"id\":1,\"price\":\"BNI=\",\"same\":\"BNI=\",\"at\":5,\"offs\":\"10:00:"
	        "00Z\"},"
	        "\"source\":{\"schema\":\"public\",\"table\":\"users\",\"txId\":7,\"lsn\":9},\"op\":\"c\","
	        "\"transaction\":{\"id\":\"7:9\",\"total_order\":1,\"data_collection_order\":1}}");
	produce_flush();
	ck_assert_int_eq(RUN("check-config", "-c", config_path), 3);
	expect_in(out,
	          "problem: public.users: column price is numeric(10,2) at the source and numeric(10,4) in the target: "
	          "plain JSON does not show the type");
	expect_in(out, "problem: public.users: column at is timestamp(3) without time zone at the source and timestamp "
	               "without time zone in the target: plain JSON");
	expect_not_in(out,
	              "public.users: column same is numeric(8,3) at the source and numeric(9,3) in the target: plain");
	expect_in(out, "problem: public.users: column cash is money[]: the connector leaves such columns out");
	expect_in(out,
	          "warning: public.users: column offs is time with time zone: the connector moves such values to UTC");
	expect_in(out, "warning: public.users: the newest row in Kafka has no column hidden");
	expect_not_in(out, "column meant");
	expect_not_in(out, "no column g");
	mock_kafka_stop();
}
END_TEST

/* Settings of the connector's role and of the database, and what row-level security and UNLOGGED do. */
START_TEST(test_settings_of_the_connector_s_role)
{
	static char user[256] = ", \"database.user\": \"cli_reader\", \"table.include.list\": \"public\\\\..*\"";
	struct http_server *server = http_server_start(0, answer_settings, user);
	char *more = memory_format(
	    "connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; source_user = \"cli_reader\"; };\n",
	    http_server_port(server));

	execute(source_dsn,
	        "DROP ROLE IF EXISTS cli_reader; CREATE ROLE cli_reader LOGIN; SET search_path = public;"
	        "CREATE TABLE users (id int PRIMARY KEY, cash money); CREATE UNLOGGED TABLE quick (id int PRIMARY KEY);"
	        "CREATE TABLE mine (id int PRIMARY KEY); ALTER TABLE mine ENABLE ROW LEVEL SECURITY;"
	        "CREATE PUBLICATION p FOR TABLE users, mine;"
	        "ALTER DATABASE cli_source SET intervalstyle = 'sql_standard';"
	        "ALTER DATABASE cli_source SET lc_monetary = 'C';"
	        "ALTER ROLE cli_reader SET extra_float_digits = -2;"
	        "ALTER ROLE cli_reader IN DATABASE cli_source SET bytea_output = 'escape'");
	execute(target_dsn,
	        "CREATE ROLE cli_writer LOGIN; SET search_path = public; CREATE TABLE users (id int PRIMARY KEY, cash "
	        "money); ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; ALTER TABLE users "
	        "OWNER TO cli_writer");
	write_config(source_dsn, target_dsn, more);
	RUN("check-config", "-c", config_path);
	expect_in(
	    out,
	    "problem: intervalstyle is sql_standard for role cli_reader: values of type interval arrive as others");
	expect_in(out, "ALTER ROLE cli_reader IN DATABASE cli_source SET intervalstyle = 'postgres'");
	expect_in(out, "problem: extra_float_digits is -2 for role cli_reader");
	expect_in(out, "problem: bytea_output is escape for role cli_reader");
	expect_not_in(out, "lc_monetary is");
	expect_in(out, "problem: table public.quick is UNLOGGED");
	expect_in(out, "problem: row-level security of table public.mine applies to role cli_reader");
	expect_not_in(out, "BYPASSRLS (its"); /* of a superuser */
	ck_assert_int_eq(RUN("init", "source", "--print", "-c", config_path), 0);
	expect_in(out, "SET intervalstyle = %L', 'cli_reader', pg_catalog.current_database(), 'postgres')");
	ck_assert_int_eq(RUN("init", "source", "-c", config_path), 0);
	RUN("check-config", "-c", config_path);
	expect_not_in(out, "for role cli_reader:");
	expect_in(out, "UNLOGGED");
	free(more);
	more = memory_format("%s options='-c role=cli_writer'", target_dsn);
	write_config(source_dsn, more, "");
	RUN("check-config", "-c", config_path);
	expect_in(out,
	          "problem: public.users: this user lacks BYPASSRLS (its row-level security applies to this user)");
	http_server_stop(server);
	free(more);
	execute(target_dsn, "DROP OWNED BY cli_writer; DROP ROLE cli_writer");
	execute(source_dsn, "DROP OWNED BY cli_reader; DROP ROLE cli_reader");
}
END_TEST

/* It takes a connector. `context`: how many. */
static int answer_create(const char *request, struct buffer *body, void *context)
{
	if (strncmp(request, "POST /connectors ", 17) != 0)
		return 404;
	++*(int *)context;
	buffer_append_text(body, "{}");
	return 201;
}

START_TEST(test_connector_create_looks_at_the_settings)
{
	int created = 0;
	struct http_server *server = http_server_start(0, answer_create, &created);
	char *definition = memory_format("%s.json", config_path);
	char *more = memory_format("connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; };\n",
	                           http_server_port(server));
	FILE *file = fopen(definition, "w");

	ck_assert_ptr_nonnull(file);
	fputs("{\"name\":\"c\",\"config\":{\"topic.prefix\":\"dbserver1\",\"decimal.handling.mode\":\"string\","
	      "\"provide.transaction.metadata\":\"true\",\"skipped.operations\":\"none\",\"slot.drop.on.stop\":"
	      "\"true\"}}",
	      file);
	fclose(file);
	write_config(NULL, target_dsn, more);
	ck_assert_int_eq(RUN("connector", "create", definition, "-c", config_path), 3);
	expect_in(err, "warning: the connector has no value.converter");
	expect_in(err, "decoding.decimal is \"precise\", the connector has decimal.handling.mode=string");
	expect_in(err, "problem: the connector has slot.drop.on.stop=true");
	expect_in(err, "connector c was not created: 1 problem; fix them, or use --no-checks");
	ck_assert_int_eq(created, 0);
	ck_assert_int_eq(RUN("connector", "create", definition, "--no-checks", "-c", config_path), 0);
	ck_assert_int_eq(created, 1);
	file = fopen(definition, "w"); /* Connect takes booleans and numbers as texts */
	ck_assert_ptr_nonnull(file);
	fputs("{\"name\":\"c\",\"config\":{\"topic.prefix\":\"dbserver1\",\"provide.transaction.metadata\":true,"
	      "\"skipped.operations\":\"none\",\"slot.drop.on.stop\":true,\"topic.creation.default.partitions\":3}}",
	      file);
	fclose(file);
	ck_assert_int_eq(RUN("connector", "create", definition, "-c", config_path), 3);
	expect_in(err, "problem: the connector has slot.drop.on.stop=true");
	expect_in(err, "warning: the connector has topic.creation.default.partitions=3");
	expect_not_in(err, "provide.transaction.metadata");
	file = fopen(definition, "w");
	ck_assert_ptr_nonnull(file);
	fputs("{\"name\":\"c\",\"config\":{\"topic.prefix\":\"dbserver1\",\"table.include.list\":[\"public.t\"]}}",
	      file);
	fclose(file);
	ck_assert_int_eq(RUN("connector", "create", definition, "--no-checks", "-c", config_path), 3);
	expect_in(err, "setting table.include.list is not a text, a number or a boolean");
	ck_assert_int_eq(created, 1);
	unlink(definition);
	http_server_stop(server);
	free(definition);
	free(more);
}
END_TEST

/* A Connect that a company put behind a password. `context`: how often it was asked with it. */
static int answer_with_password(const char *request, struct buffer *body, void *context)
{
	if (strstr(request, "Authorization: Basic b3BzOnNlY3JldA==") == NULL) /* ops:secret */
		return 401;
	++*(int *)context;
	return answer_settings(request, body, (void *)(uintptr_t) "");
}

START_TEST(test_check_config_with_a_password_for_connect)
{
	int asked = 0;
	struct http_server *server = http_server_start(0, answer_with_password, &asked);
	char *password = memory_format("%s.password", config_path);
	char *more = memory_format("connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; user = \"ops\";"
	                           " password_file = \"%s\"; };\n",
	                           http_server_port(server), password);
	FILE *file = fopen(password, "w");

	ck_assert_ptr_nonnull(file);
	fputs("secret\n", file);
	fclose(file);
	write_config(source_dsn, target_dsn, more);
	RUN("check-config", "-c", config_path);
	ck_assert_int_eq(asked, 2); /* its settings, and the worker's converter */
	expect_in(out, "the connector has decimal.handling.mode=precise");
	file = fopen(password, "w");
	ck_assert_ptr_nonnull(file);
	fputs("wrong\n", file);
	fclose(file);
	RUN("check-config", "-c", config_path);
	expect_in(out, "problem: connector c: Kafka Connect at http://127.0.0.1:");
	expect_in(out, "(status 401)");
	unlink(password);
	http_server_stop(server);
	free(password);
	free(more);
}
END_TEST

/* What the connector's driver and Debezium write of a value that they could not convert. */
static int answer_failed(const char *request, struct buffer *body, void *context)
{
	(void)context;
	if (strncmp(request, "GET /connectors", 15) != 0)
		return 404;
	buffer_append_text(body, strstr(request, "/connectors/c/status") != NULL
	                             ? "{\"name\":\"c\","
	                             : "{\"c\":{\"status\":{\"name\":\"c\",");
	buffer_append_text(
	    body, "\"connector\":{\"state\":\"RUNNING\",\"worker_id\":\"w\"},\"tasks\":[{\"id\":0,\"state\":\"FAILED\","
	          "\"worker_id\":\"w\",\"trace\":\"org.apache.kafka.connect.errors.ConnectException: An exception "
	          "occurred in the "
	          "change event producer. This connector will be stopped.\\n\\tat "
	          "io.debezium.pipeline.ErrorHandler.set(E.java:67)\\n"
	          "Caused by: java.lang.NumberFormatException: For input string: \\\"4111 1111\\n1111 1111\\\"\\n\\tat "
	          "java.base/java.lang.Long.parse(Long.java:7)\\n\\tat "
	          "io.debezium.connector.Money.parse(Money.java:9)\\n\"}]}");
	if (strstr(request, "/connectors/c/status") == NULL)
		buffer_append_text(body, "}}");
	return 200;
}

START_TEST(test_reason_of_a_failed_connector)
{
	struct http_server *server = http_server_start(0, answer_failed, NULL);
	char *more = memory_format("connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; };\n",
	                           http_server_port(server));

	write_config(source_dsn, target_dsn, more);
	ck_assert_int_eq(RUN("connector", "status", "-c", config_path), 0);
	expect_not_in(out, "1111");
	expect_in(out, "task 0: FAILED");
	expect_in(out, "ConnectException: An exception occurred in the change event producer. This connector will be "
	               "stopped.; Caused by: java.lang.NumberFormatException");
	expect_in(out, " at io.debezium.connector.Money.parse\n");
	ck_assert_int_eq(RUN("connector", "status", "--trace", "-c", config_path), 0);
	expect_in(out, "4111 1111\n1111 1111");
	http_server_stop(server);
	free(more);
}
END_TEST

START_TEST(test_check_config_of_the_connector_s_lists)
{
	static char lists[256];
	struct http_server *server = http_server_start(0, answer_settings, lists);
	char *more = memory_format("tables = ( { match = \"public.meant\"; exclude = true; } );\n"
	                           "connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; };\n",
	                           http_server_port(server));

	execute(source_dsn, "SET search_path = public; CREATE SCHEMA other; CREATE TABLE users (id int PRIMARY KEY);"
	                    "CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE \"a,b\" (id int PRIMARY KEY);"
	                    "CREATE TABLE other.x (id int PRIMARY KEY); CREATE TABLE meant (id int PRIMARY KEY);"
	                    "CREATE TABLE unpublished (id int PRIMARY KEY);"
	                    "CREATE PUBLICATION p FOR TABLE users, orders, \"a,b\", other.x, meant");
	write_config(source_dsn, target_dsn, more);
	RUN("check-config", "-c", config_path);
	expect_not_in(out, "leaves ");
	strcpy(lists, ", \"table.include.list\": \"PUBLIC\\\\.users , public\\\\.a\\\\,b\"");
	RUN("check-config", "-c", config_path);
	expect_in(out,
	          "warning: the connector's publication has other.x, public.orders, but its table.include.list (or "
	          "another list) leaves them out: not replicated. To have a table: `replicator table add TABLE`");
	strcpy(lists, ", \"table.exclude.list\": \"public\\\\.ord.*\", \"schema.include.list\": \"public\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "has other.x, public.orders, but");
	strcpy(lists, ", \"table.include.list\": \".*\\\\..*\", \"schema.exclude.list\": \"oth.*\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "has other.x, but");
	expect_in(out, "leaves it out");
	strcpy(lists, ", \"errors.tolerance\": \"all\", \"time.precision.mode\": \"isostring\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "problem: the connector has errors.tolerance=all");
	expect_in(out, "warning: the connector has no value.converter");
	expect_in(out, "decoding.time is \"adaptive\", the connector has time.precision.mode=isostring");
	strcpy(lists, ", \"connector.class\": \"io.debezium.X\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "problem: the connector has no value.converter, and its Connect worker has an.Other, whose");
	strcpy(lists, ", \"connector.class\": \"io.debezium.Y\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "warning: the converter of the Connect worker was not read: ");
	strcpy(lists, ", \"table.include.list\": \"public\\\\.(?<name>users)\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "regular expressions that only Java knows");
	execute(source_dsn, "ALTER TABLE public.users ADD ssn text");
	strcpy(lists, ", \"column.mask.with.12.chars\": \"public.users.ssn\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "warning: column.mask.with.12.chars of the connector masks public.users.ssn: ");
	/* `run` refuses an entry for a column that no event has. */
	free(more);
	more = memory_format(
	    "tables = ( { match = \"public.users\"; columns = ( { match = \"ssn\"; exclude = true; } ); } );\n"
	    "connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; };\n",
	    http_server_port(server));
	write_config(source_dsn, target_dsn, more);
	RUN("check-config", "-c", config_path);
	expect_not_in(out, "match = \"ssn\"");
	strcpy(lists, ", \"column.exclude.list\": \"public.users.ssn\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "match = \"ssn\": the connector leaves this column out of every event");
	http_server_stop(server);
	free(more);
}
END_TEST

/* Columns with the names of fields that the connector's transform can add, and of the daemon's own. */
START_TEST(test_check_config_of_names_that_mean_something_else)
{
	static char lists[512];
	struct http_server *server = http_server_start(0, answer_settings, lists);
	char *more = memory_format("tables = ( { match = \"public.users\"; delete = \"soft\"; } );\n"
	                           "connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; };\n",
	                           http_server_port(server));

	execute(source_dsn,
	        "SET search_path = public; CREATE TABLE users (id int PRIMARY KEY, __ts_ms bigint, __db text,"
	        " is_deleted boolean); CREATE PUBLICATION p FOR TABLE users");
	execute(target_dsn,
	        "SET search_path = public; CREATE TABLE users (id int PRIMARY KEY, __ts_ms bigint, __db text,"
	        " is_deleted boolean, __op text)");
	write_config(source_dsn, target_dsn, more);
	RUN("check-config", "-c", config_path);
	expect_in(out, "problem: public.users: its deletes are soft, and the source has a column is_deleted, too");
	expect_not_in(out, "__");
	strcpy(lists,
	       ", \"transforms\": \"a, flat\", \"transforms.flat.type\": "
	       "\"io.debezium.transforms.ExtractNewRecordState\", \"transforms.flat.add.fields\": \"op, ts_ms\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "problem: public.users: column __ts_ms has the name of a field that the connector's transform "
	               "ExtractNewRecordState adds: the connector stops");
	expect_in(out, "problem: public.users: column __db has the name of a field that the transform "
	               "ExtractNewRecordState can add, and is taken for that field; set decoding.added_fields");
	expect_in(out, "problem: public.users: the target has a column __op, which is the name of a field");
	free(more);
	more = memory_format(
	    "tables = ( { match = \"public.users\"; columns = ( { match = \"__op\"; exclude = true; } ); } );\n"
	    "decoding = { added_fields = [\"op\", \"ts_ms\"]; };\n"
	    "connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; };\n",
	    http_server_port(server));
	write_config(source_dsn, target_dsn, more);
	RUN("check-config", "-c", config_path);
	expect_not_in(out, "__db");
	expect_not_in(out, "__op");
	expect_not_in(out, "is_deleted");
	http_server_stop(server);
	free(more);
}
END_TEST

/* `context`: the whole answer. */
static int answer_anything(const char *request, struct buffer *body, void *context)
{
	(void)request;
	buffer_append_text(body, context);
	return 200;
}

START_TEST(test_check_config_of_an_answer_that_is_no_connector)
{
	static char answer[64] = "[]";
	struct http_server *server = http_server_start(0, answer_anything, answer);
	char *more = memory_format("connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; };\n",
	                           http_server_port(server));

	write_config(source_dsn, target_dsn, more);
	RUN("check-config", "-c", config_path);
	expect_in(out, "problem: connector c: the answer at connect.url is not the configuration of a connector");
	expect_not_in(out, "the connector has ");
	strcpy(answer, "\"login\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "problem: connector c: the answer at connect.url is not the configuration of a connector");
	http_server_stop(server);
	free(more);
}
END_TEST

/* What a publication does not publish, and tables that only a snapshot sends. */
START_TEST(test_check_config_of_the_connector_s_publication)
{
	static char lists[256] =
	    ", \"table.include.list\": \"public\\\\..*\", \"publication.autocreate.mode\": \"disabled\"";
	struct http_server *server = http_server_start(0, answer_settings, lists);
	char *more = memory_format("tables = ( { match = \"public.meant\"; exclude = true; } );\n"
	                           "connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; };\n",
	                           http_server_port(server));

	execute(source_dsn, "SET search_path = public; CREATE TABLE users (id int PRIMARY KEY);"
	                    "CREATE TABLE \"Or ders\" (id int PRIMARY KEY); CREATE TABLE meant (id int PRIMARY KEY);"
	                    "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY LIST (id);"
	                    "CREATE TABLE part1 PARTITION OF parts FOR VALUES IN (1);"
	                    "CREATE PUBLICATION p FOR TABLE users, part1 WITH (publish = 'insert, update');"
	                    "CREATE PUBLICATION other FOR ALL TABLES");
	write_config(source_dsn, target_dsn, more);
	RUN("check-config", "-c", config_path);
	expect_in(out, "problem: publication p does not publish delete, truncate: these changes never arrive; ALTER "
	               "PUBLICATION p SET (publish = 'insert, update, delete, truncate')");
	expect_in(out, "problem: publication p does not have public.\"Or ders\", which the lists of the connector let "
	               "through: a snapshot sends their rows, and none of their later changes arrives; ALTER "
	               "PUBLICATION p ADD TABLE public.\"Or ders\"");
	expect_in(out, "\n  2 tables of the source checked");
	strcpy(lists, ", \"publication.autocreate.mode\": \"disabled\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "warning: publication p does not have public.\"Or ders\"");
	strcpy(lists, ", \"table.include.list\": \"public\\\\..*\", \"publication.autocreate.mode\": \"filtered\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "warning: publication p does not have public.\"Or ders\"");
	expect_in(out, "the connector adds them at its next start");
	strcpy(lists, ", \"table.include.list\": \"public\\\\..*\", \"plugin.name\": \"decoderbufs\"");
	RUN("check-config", "-c", config_path);
	expect_not_in(out, "publication p ");
	execute(source_dsn, "DROP PUBLICATION p");
	strcpy(lists, ", \"publication.autocreate.mode\": \"no_tables\"");
	RUN("check-config", "-c", config_path);
	expect_in(out, "problem: the source has no publication p, and publication.autocreate.mode=no_tables: the "
	               "connector creates it without tables");
	expect_in(out, "warning: the source has no publication p yet");
	execute(source_dsn, "CREATE PUBLICATION p FOR ALL TABLES");
	strcpy(lists, ", \"publication.autocreate.mode\": \"disabled\"");
	RUN("check-config", "-c", config_path);
	expect_not_in(out, "publication p");
	http_server_stop(server);
	free(more);
}
END_TEST

#define PLAIN                                                                                                          \
	", \"value.converter\": \"org.apache.kafka.connect.json.JsonConverter\", "                                     \
	"\"value.converter.schemas.enable\": \"false\""

/* A cast_from says how plain JSON is read, so it must be the source's type; a text of varbit has no leading zeros. */
START_TEST(test_check_config_of_casts_and_bits)
{
	static char lists[256] = PLAIN;
	struct http_server *server = http_server_start(0, answer_settings, lists);
	char *more = memory_format("tables = ( { match = \"public.t\"; columns = ("
	                           " { match = \"at\"; cast_from = \"timestamp\"; },"
	                           " { match = \"price\"; cast_from = \"numeric(10,4)\"; },"
	                           " { match = \"good\"; cast_from = \"numeric(10,2)\"; } ); } );\n"
	                           "connect = { url = \"http://127.0.0.1:%d\"; connector = \"c\"; };\n",
	                           http_server_port(server));

	execute(source_dsn, "SET search_path = public; CREATE TABLE t (id int PRIMARY KEY, at timestamp(3), price "
	                    "numeric(10,2), good numeric(10,2), flags varbit(9), kept bit(5));"
	                    "CREATE PUBLICATION p FOR TABLE t");
	execute(target_dsn, "SET search_path = public; CREATE TABLE t (id int PRIMARY KEY, at text, price text, good "
	                    "text, flags varbit(9), kept bit(5))");
	write_config(source_dsn, target_dsn, more);
	RUN("check-config", "-c", config_path);
	expect_in(out, "problem: public.t: column at is timestamp(3) without time zone at the source and is read as "
	               "timestamp without time zone (cast_from): plain JSON does not show the type");
	expect_in(out, "problem: public.t: column price is numeric(10,2) at the source and is read as numeric(10,4) "
	               "(cast_from)");
	expect_not_in(out, "column good is numeric");
	expect_in(out, "warning: public.t: column flags is bit varying(9): leading zeros of a value are lost");
	expect_not_in(out, "column kept is");
	http_server_stop(server);
	free(more);
}
END_TEST

START_TEST(test_check_config_of_an_unlogged_target)
{
	execute(source_dsn, "CREATE TABLE public.t (id int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
	execute(target_dsn, "CREATE UNLOGGED TABLE public.t (id int PRIMARY KEY)");
	RUN("check-config", "-c", config_path);
	expect_in(out, "warning: public.t: the target's table is UNLOGGED: a crash of the target empties it, and the "
	               "stream does not send its rows again; on the target: ALTER TABLE \"public\".\"t\" SET LOGGED");
	execute(target_dsn, "ALTER TABLE public.t SET LOGGED");
	RUN("check-config", "-c", config_path);
	expect_not_in(out, "UNLOGGED");
}
END_TEST

START_TEST(test_check_config_of_rules)
{
	execute(
	    source_dsn,
	    "SET search_path = public; CREATE SCHEMA shop_a; CREATE SCHEMA shop_b;"
	    "CREATE TABLE good (id int PRIMARY KEY, email text, born timestamp, kind text);"
	    "CREATE TABLE shop_a.items (id int PRIMARY KEY); CREATE TABLE shop_b.items (id int PRIMARY KEY);"
	    "CREATE TABLE bad (id int PRIMARY KEY, a numeric, b text, c text, d text, e int, f text, h text, k text);"
	    "CREATE TABLE x1 (id int PRIMARY KEY); CREATE TABLE x2 (id int PRIMARY KEY);"
	    "CREATE PUBLICATION p FOR ALL TABLES");
	execute(target_dsn, "SET search_path = public; CREATE SCHEMA crm;"
	                    "CREATE TABLE crm.people (id int PRIMARY KEY, mail text NOT NULL, born date);"
	                    "CREATE TABLE items (id int, shop text, PRIMARY KEY (shop, id));"
	                    "CREATE TABLE bad (id int PRIMARY KEY, a text, b int, c int, d text NOT NULL, e point, "
	                    "h varchar(10), k varchar(2));"
	                    "CREATE TABLE x (id int PRIMARY KEY)");
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 0);
#define GOOD                                                                                                           \
	"{ match = \"public.good\"; rename = \"crm.people\"; filter = { column = \"kind\"; not_in = [\"x\"]; };"       \
	" columns = ( { match = \"email\"; mask = \"hash\"; rename = \"mail\"; }, { match = \"kind\"; exclude = "      \
	"true; },"                                                                                                     \
	" { match = \"born\"; cast_from = \"timestamp\"; } ); },"                                                      \
	"{ match = \"shop_*.items\"; rename = \"public.items\"; source_column = \"shop\"; source_value = "             \
	"\"{schema}\"; }"
	write_config(source_dsn, target_dsn,
	             "masking = { salt = \"s\"; };\ntables = ( " GOOD ", { match = \"*\"; exclude = true; } );\n");
	ck_assert_int_eq(RUN("check-config", "-c", config_path), 0);
	expect_in(out, "3 tables of the source checked against the target");
	expect_in(out, "\n0 problems, ");
	write_config(source_dsn, target_dsn,
	             "masking = { salt = \"s\"; };\ntables = ( " GOOD ",\n"
	             "{ match = \"public.bad\"; filter = { column = \"a\"; in = [\"1\"]; }; source_column = \"who\"; "
	             "columns = (\n"
	             "{ match = \"id\"; mask = \"null\"; },\n{ match = \"b\"; mask = \"hash\"; },\n"
	             "{ match = \"c\"; mask = \"constant\"; value = \"one\"; },\n{ match = \"d\"; mask = \"null\"; },\n"
	             "{ match = \"e\"; cast_from = \"integer\"; },\n{ match = \"f\"; rename = \"a\"; },\n"
	             "{ match = \"h\"; mask = \"hash\"; },\n{ match = \"k\"; mask = \"constant\"; value = \"***\"; },\n"
	             "{ match = \"nowhere\"; exclude = true; }, { match = \"later*\"; exclude = true; } ); },\n"
	             "{ match = \"public.x1\"; rename = \"public.x\"; },\n{ match = \"public.x2\"; rename = "
	             "\"public.x\"; } );\n");
	ck_assert_int_eq(RUN("check-config", "-c", config_path), 3);
	expect_in(out, "public.bad: column id belongs to the key, and every row would have the same one");
	expect_in(out,
	          "public.bad: mask = \"hash\" writes 64 hexadecimal digits, and column b of the target is integer");
	expect_in(out, "public.bad: value is no integer, as column c of the target is");
	expect_in(out, "and column h of the target is character varying(10); make it text");
	expect_in(out, "public.bad: value does not fit column k of the target, which is character varying(2)");
	expect_in(out, "public.bad: mask = \"null\", but column d of the target is NOT NULL");
	expect_in(out, "public.bad: column e cannot be cast from integer to point");
	expect_in(out, "public.bad: two columns go into column a of the target");
	expect_in(out, "columns: match = \"nowhere\" matches no column of the tables that \"public.bad\" is for");
	expect_in(out, "columns: match = \"later*\" matches no column of the tables that \"public.bad\" is for");
	expect_in(out, "public.bad: the filter reads column a, which is numeric");
	expect_in(out, "public.bad: the target's table has no column who (source_column)");
	expect_in(out, "tables: public.x1 and public.x2 of the source both go into public.x");
	expect_in(out, "\n12 problems, ");
}
END_TEST

START_TEST(test_check_config_of_one_database)
{
	execute(target_dsn,
	        "CREATE TABLE public.users (id int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE public.users");
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 0);
	write_config(target_dsn, target_dsn, "");
	ck_assert_int_eq(RUN("check-config", "-c", config_path), 3);
	expect_in(out, "problem: public.users: source.dsn and target.dsn name the same database");
	write_config(target_dsn, target_dsn, "tables = ( { match = \"public.users\"; rename = \"copy.users\"; } );\n");
	RUN("check-config", "-c", config_path);
	expect_not_in(out, "name the same database");
}
END_TEST

START_TEST(test_check_config_rights)
{
	char *dsn = memory_format("%s user=cli_weak password=weak", target_dsn);

	execute(target_dsn, "DROP ROLE IF EXISTS cli_weak");
	execute(target_dsn, "CREATE ROLE cli_weak LOGIN PASSWORD 'weak'");
	execute(target_dsn, "SET search_path = public; CREATE TABLE users (id bigint PRIMARY KEY, name text);"
	                    "CREATE TABLE child (id bigint PRIMARY KEY, p bigint REFERENCES users ON DELETE CASCADE);"
	                    "GRANT SELECT, INSERT ON users TO cli_weak; GRANT ALL ON child TO cli_weak");
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 0);
	execute(target_dsn, "GRANT USAGE ON SCHEMA replicator TO cli_weak; GRANT SELECT ON ALL TABLES IN SCHEMA "
	                    "replicator TO cli_weak");
	write_config(NULL, dsn, "tables = ( { match = \"public.child\"; delete = \"ignore\"; } );\n");
	chmod(config_path, 0640);
	RUN("check-config", "-c", config_path);
	expect_not_in(out, "others may read or change");
	chmod(config_path, 0644); /* it has the password of cli_weak */
	ck_assert_int_eq(RUN("check-config", "-c", config_path), 3);
	expect_in(out, "warning: the configuration: others may read or change");
	expect_in(out, "problem: the state table replicator.stream: this user lacks INSERT, UPDATE, DELETE");
	expect_in(out, "problem: public.users: this user lacks UPDATE, DELETE in the target");
	expect_in(out, "warning: this user may not set session_replication_role");
	expect_in(out, "problem: public.child: its rows are kept when the source deletes them, but its foreign key to "
	               "public.users deletes them");
	expect_in(out, "warning: source.dsn is not set");
	execute(target_dsn, "DROP OWNED BY cli_weak; DROP ROLE cli_weak");
	free(dsn);
}
END_TEST

START_TEST(test_unreachable)
{
	char *dsn = memory_format("%s port=1", target_dsn);

	write_config(dsn, dsn, "");
	ck_assert_int_eq(RUN("check-config", "-c", config_path), 4);
	expect_in(out, "2 problems");
	ck_assert_int_eq(RUN("status", "-c", config_path), 4);
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 4);
	/* The daemon waits for it, and leaves in good order when asked. */
	ck_assert_int_eq(run_signalled(1500, (const char *const[]){"run", "-c", config_path, NULL}), 0);
	expect_in(err, "attempt 1: cannot connect");
	expect_in(err, "attempt 2: cannot connect");
	expect_in(err, "ended in good order (exit code 0)");
	free(dsn);
}
END_TEST

START_TEST(test_run_refused)
{
	char *dsn = memory_format("%s password=geheim", target_dsn);

	write_config(NULL, dsn, "");
	ck_assert_int_eq(RUN("run", "-c", config_path), 4);
	expect_in(err, "password authentication failed");
	expect_not_in(err, "geheim");
	write_config(NULL, target_dsn, "");
	ck_assert_int_eq(RUN("run", "-c", config_path), 3);
	expect_in(err, "run `replicator init target`");
	free(dsn);
}
END_TEST

START_TEST(test_run_stops_on_sigterm)
{
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 0);
	ck_assert_int_eq(run_signalled(3000, (const char *const[]){"run", "-c", config_path, NULL}), 0);
	expect_in(err, "starts for the first time");
	expect_in(err, "asked to stop: finishing the batch");
	expect_in(err, "ended in good order (exit code 0), at commit LSN 0/0");
	ck_assert_int_eq(RUN("status", "-c", config_path), 0);
	expect_in(out, "no instance is active");
}
END_TEST

START_TEST(test_pause_and_resume)
{
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 0);
	ck_assert_int_eq(RUN("pause", "-c", config_path), 3);
	expect_in(err, "the target knows no stream replicator");
	execute(target_dsn, "INSERT INTO replicator.stream (name, epoch) VALUES ('replicator', 1)");
	ck_assert_int_eq(RUN("pause", "-c", config_path), 0);
	expect_in(out, "stream replicator will not apply anything until `replicator resume`; no instance is active");
	ck_assert_int_eq(RUN("status", "-c", config_path), 0);
	expect_in(out, "  paused        since ");
	/* The word outlives a start and its end. */
	ck_assert_int_eq(run_signalled(2500, (const char *const[]){"run", "-c", config_path, NULL}), 0);
	expect_in(err, "paused by an operator: nothing is applied");
	ck_assert_int_eq(RUN("resume", "-c", config_path), 0);
	expect_in(out, "stream replicator may go on; no instance is active");
	ck_assert_int_eq(RUN("status", "-c", config_path), 0);
	expect_not_in(out, "paused");
}
END_TEST

START_TEST(test_dry_run_writes_nothing)
{
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 0);
	ck_assert_int_eq(RUN("run", "--dry-run", "-c", config_path), 0);
	expect_in(out, "0 transactions would be applied: insert 0, update 0, delete 0, other 0; nothing was written");
	execute(target_dsn, "DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM replicator.stream); END $$");
}
END_TEST

/* Tables in a schema of the state tables' name are left out, which nothing else would show. */
START_TEST(test_check_config_of_the_state_schema)
{
	char *target = memory_format("%s\"; schema = \"state", target_dsn);

	execute(source_dsn,
	        "CREATE SCHEMA state; CREATE TABLE state.users (id int PRIMARY KEY); CREATE PUBLICATION p FOR "
	        "TABLE state.users");
	execute(target_dsn, "CREATE SCHEMA state; CREATE TABLE state.users (id int PRIMARY KEY)");
	write_config(source_dsn, target, "");
	free(target);
	ck_assert_int_ne(RUN("check-config", "-c", config_path), 0);
	expect_in(out, "state.users is published, but the schema has the name of target.schema");
	expect_in(out, "no table of the source belongs to the stream");
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 3);
	expect_in(err, "schema state holds 1 objects that are not the replicator's (users)");
}
END_TEST

/* Which database is the stream's source: recorded at once, and every table is compared again. */
START_TEST(test_accept_source)
{
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 0);
	ck_assert_int_eq(RUN("accept", "other", "-c", config_path), 2);
	expect_in(err, "accept takes `gap`, `new-slot` or `source`");
	ck_assert_int_eq(RUN("accept", "source", "-c", config_path), 3);
	expect_in(err, "the target knows no stream replicator");
	execute(target_dsn, "INSERT INTO replicator.stream (name, epoch) VALUES ('replicator', 1);"
	                    "INSERT INTO replicator.source_identity VALUES ('replicator', '7', '8', '9');"
	                    "INSERT INTO replicator.captured_table (stream, schema_name, table_name) VALUES"
	                    " ('replicator', 'public', 't')");
	ck_assert_int_eq(RUN("accept", "source", "-c", config_path), 0);
	expect_in(out, "recorded for stream replicator: its source is system ");
	execute(
	    target_dsn,
	    "DO $$ BEGIN ASSERT (SELECT timeline = '1' AND system_identifier = (SELECT p.system_identifier::text"
	    " FROM pg_control_system() p) FROM replicator.source_identity); ASSERT EXISTS (SELECT FROM"
	    " replicator.unverified WHERE table_name = 't' AND reason = 'accepted'); ASSERT (SELECT used_at IS NOT NULL"
	    " FROM replicator.acceptance WHERE word = 'source'); END $$");
}
END_TEST

/* A stream without whole transactions has no watermark: nothing waits for a position that it never reaches. */
START_TEST(test_no_watermark_without_transactions)
{
	ck_assert_int_eq(RUN("init", "target", "-c", config_path), 0);
	write_config(source_dsn, target_dsn, "transactions = \"off\";\n");
	ck_assert_int_eq(RUN("run", "--until-lsn", "0/5", "-c", config_path), 3);
	expect_in(err, "--until-lsn needs transactions = \"on\"");
	execute(target_dsn,
	        "INSERT INTO replicator.stream (name, epoch, whole_transactions) VALUES ('replicator', 1, false)");
	ck_assert_int_eq(RUN("wait", "--lsn", "0/5", "-c", config_path), 3);
	expect_in(err, "it has no watermark");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cli");
	TCase *tests = tcase_create("cli");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 180);
	tcase_add_checked_fixture(tests, make_databases, remove_databases);
	tcase_add_test(tests, test_usage);
	tcase_add_test(tests, test_config_file);
	tcase_add_test(tests, test_init_and_status);
	tcase_add_test(tests, test_init_source);
	tcase_add_loop_test(tests, test_init_refuses_what_another_role_can_change, 0, 2);
	tcase_add_test(tests, test_table_resync_refuses);
	tcase_add_test(tests, test_wait);
	tcase_add_test(tests, test_status_of_a_stream);
	tcase_add_test(tests, test_check_config_finds_nothing);
	tcase_add_test(tests, test_check_config_finds_all);
	tcase_add_test(tests, test_check_config_of_the_connector_s_lists);
	tcase_add_test(tests, test_check_config_of_names_that_mean_something_else);
	tcase_add_test(tests, test_check_config_of_an_answer_that_is_no_connector);
	tcase_add_test(tests, test_check_config_of_the_connector_s_publication);
	tcase_add_test(tests, test_check_config_of_casts_and_bits);
	tcase_add_test(tests, test_check_config_of_an_unlogged_target);
	tcase_add_test(tests, test_check_config_with_a_password_for_connect);
	tcase_add_test(tests, test_reason_of_a_failed_connector);
	tcase_add_test(tests, test_connector_create_looks_at_the_settings);
	tcase_add_test(tests, test_check_config_of_the_newest_events);
	tcase_add_test(tests, test_settings_of_the_connector_s_role);
	tcase_add_test(tests, test_check_config_of_rules);
	tcase_add_test(tests, test_check_config_of_one_database);
	tcase_add_test(tests, test_check_config_rights);
	tcase_add_test(tests, test_unreachable);
	tcase_add_test(tests, test_run_refused);
	tcase_add_test(tests, test_run_stops_on_sigterm);
	tcase_add_test(tests, test_pause_and_resume);
	tcase_add_test(tests, test_dry_run_writes_nothing);
	tcase_add_test(tests, test_check_config_of_the_state_schema);
	tcase_add_test(tests, test_accept_source);
	tcase_add_test(tests, test_no_watermark_without_transactions);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
