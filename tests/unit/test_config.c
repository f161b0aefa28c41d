/*
 * test_config.c - reading the configuration: values, defaults, every kind of problem, and the pages made from the
 * table.
 */
#include "base/memory.h"
#include "config/config.h"
#include "config/settings.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MINIMAL "target = { dsn = \"dbname=t\"; };\nkafka = { brokers = \"b:9092\"; topic_prefix = \"p\"; };\n"

static char path[64];

static void make_path(void)
{
	int file;

	snprintf(path, sizeof(path), "/tmp/replicator-test-config-XXXXXX");
	file = mkstemp(path);
	ck_assert_int_ge(file, 0);
	close(file);
}

static void remove_path(void)
{
	unlink(path);
}

static struct error *load_text(const char *text, struct config **config)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
	return config_load(path, config);
}

static struct config *load_good(const char *text)
{
	struct config *config;
	struct error *error = load_text(text, &config);

	ck_assert_msg(error == NULL, "%s", error == NULL ? "" : error->message);
	return config;
}

/* The text must be refused, and the message must hold `PATH:LINE: PROBLEM` as a line's beginning. */
static void expect_problem(const char *text, int line, const char *problem)
{
	struct config *config;
	struct error *error = load_text(text, &config);
	char wanted[512];

	if (line > 0)
		snprintf(wanted, sizeof(wanted), "%s:%d: %s", path, line, problem);
	else
		snprintf(wanted, sizeof(wanted), "%s: %s", path, problem);
	ck_assert_msg(error != NULL, "taken without an error: %s", text);
	ck_assert_int_eq(error->class, ERROR_CONFIGURATION);
	ck_assert_ptr_null(config);
	ck_assert_msg(strstr(error->message, wanted) != NULL, "wanted: %s\ngot: %s", wanted, error->message);
	error_free(error);
}

START_TEST(test_defaults)
{
	struct config *config = load_good(MINIMAL);

	ck_assert_str_eq(config->file, path);
	ck_assert_str_eq(config->stream.name, "replicator");
	ck_assert_int_eq(config->stream.transactions, TRANSACTIONS_ON);
	ck_assert_int_eq(config->stream.on_error, ON_ERROR_STOP);
	ck_assert_ptr_null(config->source.dsn);
	ck_assert_str_eq(config->target.dsn, "dbname=t");
	ck_assert_str_eq(config->target.schema, "replicator");
	ck_assert(!config->target.synchronous_commit);
	ck_assert_str_eq(config->target.synced_at, "synced_at");
	ck_assert_str_eq(config->target.is_deleted, "is_deleted");
	ck_assert_str_eq(config->target.deleted_at, "deleted_at");
	ck_assert_int_eq(config->target.batch_rows, 10000);
	ck_assert_int_eq(config->target.batch_bytes, 16 << 20);
	ck_assert_int_eq(config->target.statement_timeout_ms, 0);
	ck_assert_str_eq(config->kafka.brokers, "b:9092");
	ck_assert_uint_eq(config->kafka.topic_count, 0);
	ck_assert_ptr_null(config->kafka.transaction_topic);
	ck_assert_uint_eq(config->kafka.property_count, 0);
	ck_assert_ptr_null(config->connect.url);
	ck_assert_ptr_null(config->decoding.unavailable_placeholder);
	ck_assert_int_eq(config->decoding.modes.time, TIME_MODE_ADAPTIVE);
	ck_assert_int_eq(config->log.level, LOG_INFO);
	ck_assert(!config->log.json);
	ck_assert_int_eq(config->memory_limit, 256 << 20);
	ck_assert_str_eq(config->spill_dir, "/var/tmp");
	ck_assert_uint_eq(config->table_count, 0);
	config_free(config);
	config_free(NULL);
}
END_TEST

static void expect_changes(const char *text, const char *reloadable, const char *others)
{
	struct config *before = load_good(MINIMAL), *after = load_good(text);
	struct buffer lists[2] = {{0}, {0}};

	config_list_changes(before, after, true, &lists[0]);
	config_list_changes(before, after, false, &lists[1]);
	ck_assert_str_eq(lists[0].length > 0 ? lists[0].data : "", reloadable);
	ck_assert_str_eq(lists[1].length > 0 ? lists[1].data : "", others);
	buffer_free(&lists[0]);
	buffer_free(&lists[1]);
	config_free(before);
	config_free(after);
}

START_TEST(test_changes)
{
	expect_changes(MINIMAL, "", "");
	expect_changes(MINIMAL "log = { level = \"debug\"; };", "log.level", "");
	expect_changes(
	    "target = { dsn = \"dbname=u\"; batch_rows = 7; };\nkafka = { brokers = \"b:9092\"; topic_prefix = "
	    "\"p\"; topics = [\"t\"]; };\non_error = \"quarantine\";\n"
	    "tables = ( { match = \"a.*\"; exclude = true; } );\n",
	    "", "on_error, target.dsn, target.batch_rows, kafka.topics, tables");
}
END_TEST

START_TEST(test_every_kind_of_value)
{
	struct config *config = load_good(
	    "memory_limit = \"1 GB\"; spill_dir = \"/tmp\"; transactions = \"off\";\n"
	    "on_error = \"quarantine\"; stream = { name = \"s\"; }; source = { dsn = \"postgresql:///s\"; };\n"
	    "target = { dsn = \"d\"; synchronous_commit = true; batch_rows = 5; batch_bytes = 1048576;\n"
	    "  statement_timeout = \"2min\"; synced_at = \"\"; };\n"
	    "kafka = { brokers = \"b\"; topic_prefix = \"p\"; topics = [\"one\", \"^p\\\\.two\"];\n"
	    "  transaction_topic = \"tx\"; properties = (\"a=b=c\", \"d=\"); };\n"
	    "connect = { url = \"http://c\"; connector = \"n\"; };\n"
	    "decoding = { decimal = \"string\"; time = \"isostring\"; interval = \"string\";\n"
	    "  binary = \"base64-url-safe\"; hstore = \"json\"; unavailable_placeholder = \"xx\"; };\n"
	    "log = { level = \"debug\"; format = \"json\"; };\n");

	ck_assert_int_eq(config->memory_limit, 1 << 30);
	ck_assert_str_eq(config->spill_dir, "/tmp");
	ck_assert_int_eq(config->stream.transactions, TRANSACTIONS_OFF);
	ck_assert_int_eq(config->stream.on_error, ON_ERROR_QUARANTINE);
	ck_assert_str_eq(config->stream.name, "s");
	ck_assert_str_eq(config->source.dsn, "postgresql:///s");
	ck_assert(config->target.synchronous_commit);
	ck_assert_int_eq(config->target.batch_rows, 5);
	ck_assert_int_eq(config->target.batch_bytes, 1 << 20);
	ck_assert_int_eq(config->target.statement_timeout_ms, 120000);
	ck_assert_str_eq(config->target.synced_at, "");
	ck_assert_uint_eq(config->kafka.topic_count, 2);
	ck_assert_str_eq(config->kafka.topics[0], "one");
	ck_assert_str_eq(config->kafka.topics[1], "^p\\.two");
	ck_assert_str_eq(config->kafka.transaction_topic, "tx");
	ck_assert_uint_eq(config->kafka.property_count, 2);
	ck_assert_str_eq(config->kafka.properties[0], "a=b=c");
	ck_assert_str_eq(config->connect.url, "http://c");
	ck_assert_str_eq(config->connect.connector, "n");
	ck_assert_int_eq(config->decoding.modes.decimal, DECIMAL_MODE_STRING);
	ck_assert_int_eq(config->decoding.modes.time, TIME_MODE_ISOSTRING);
	ck_assert_int_eq(config->decoding.modes.interval, INTERVAL_MODE_STRING);
	ck_assert_int_eq(config->decoding.modes.binary, BINARY_MODE_BASE64_URL_SAFE);
	ck_assert_int_eq(config->decoding.modes.hstore, HSTORE_MODE_JSON);
	ck_assert_str_eq(config->decoding.unavailable_placeholder, "xx");
	ck_assert_int_eq(config->log.level, LOG_DEBUG);
	ck_assert(config->log.json);
	config_free(config);
}
END_TEST

START_TEST(test_unknown_settings)
{
	expect_problem(MINIMAL "memory_limt = \"1GB\";\n", 3,
	               "unknown setting memory_limt; did you mean memory_limit?");
	expect_problem(MINIMAL "log = {\n levle = \"info\";\n};\n", 4,
	               "unknown setting log.levle; did you mean log.level?");
	expect_problem(MINIMAL "loog = { level = \"info\"; };\n", 3, "unknown setting loog; did you mean log?");
	expect_problem(MINIMAL "table = ();\n", 3, "unknown setting table; did you mean tables?");
	expect_problem(MINIMAL "stream = { transactions = \"off\"; };\n", 3,
	               "unknown setting stream.transactions; did you mean transactions?");
	expect_problem(MINIMAL "batch_rows = 5;\n", 3, "unknown setting batch_rows; did you mean target.batch_rows?");
	expect_problem(MINIMAL "frobnicate = 5;\n", 3, "unknown setting frobnicate; remove it");
}
END_TEST

START_TEST(test_wrong_types)
{
	expect_problem(MINIMAL "spill_dir = 5;\n", 3, "spill_dir has the wrong type: it takes text in quotes");
	expect_problem(MINIMAL "memory_limit = true;\n", 3, "memory_limit has the wrong type: it takes bytes");
	expect_problem(MINIMAL "transactions = true;\n", 3,
	               "transactions has the wrong type: it takes \"on\" or \"off\"");
	expect_problem(MINIMAL "log = \"debug\";\n", 3, "log has the wrong type: it takes a group like log = {");
	expect_problem(MINIMAL "tables = { match = \"a.b\"; };\n", 3, "tables has the wrong type: it takes a list");
	expect_problem("target = { dsn = \"d\"; batch_rows = \"5\"; };\n", 1,
	               "target.batch_rows has the wrong type: it takes a whole number");
	expect_problem("target = { synchronous_commit = 1; };\n", 1,
	               "target.synchronous_commit has the wrong type: it takes true or false");
	expect_problem("kafka = { topics = \"one\"; };\n", 1,
	               "kafka.topics has the wrong type: it takes a list of texts like [\"a\", \"b\"]");
	expect_problem("kafka = { topics = [1]; };\n", 1, "kafka.topics: entry 1 is not possible: it is no text");
}
END_TEST

START_TEST(test_impossible_values)
{
	expect_problem(MINIMAL "memory_limit = \"1MB\";\n", 3,
	               "memory_limit has an impossible value: it must lie between 16MB and 1024TB");
	expect_problem(MINIMAL "memory_limit = \"1 furlong\";\n", 3,
	               "memory_limit has an impossible value: it takes bytes");
	expect_problem(MINIMAL "memory_limit = \"99999999999999999999TB\";\n", 3,
	               "memory_limit has an impossible value");
	expect_problem(MINIMAL "memory_limit = \"9999999999TB\";\n", 3,
	               "memory_limit has an impossible value: it must");
	expect_problem(MINIMAL "transactions = \"maybe\";\n", 3,
	               "transactions has an impossible value: it takes \"on\" or \"off\"");
	expect_problem(MINIMAL "stream = { name = \"\"; };\n", 3, "stream.name has an impossible value: it is empty");
	expect_problem("target = { batch_rows = 0; };\n", 1,
	               "target.batch_rows has an impossible value: it must lie between 1 and 1000000");
	expect_problem("target = { statement_timeout = -1; };\n", 1,
	               "target.statement_timeout has an impossible value");
	expect_problem(MINIMAL "decoding = { unavailable_placeholder = \"hex:6\"; };\n", 3,
	               "decoding.unavailable_placeholder has an impossible value: after hex: it takes pairs of");
	expect_problem(MINIMAL "decoding = { unavailable_placeholder = \"hex:ff\"; };\n", 3,
	               "decoding.unavailable_placeholder has an impossible value: its bytes are not a text in UTF-8");
	/* Ten seconds to one reader, ten milliseconds to another. */
	expect_problem(MINIMAL "supervision = { interval = 10; };\n", 3,
	               "supervision.interval has an impossible value: it has no unit; write \"10ms\", \"10s\"");
	expect_problem(MINIMAL "ddl = { lock_timeout = \"2\"; };\n", 3,
	               "ddl.lock_timeout has an impossible value: it has no unit");
	expect_problem("target = { schema = \"public\"; };\n", 1,
	               "target.schema has an impossible value: the state tables need a schema of their own");
	expect_problem("target = { schema = \"pg_x\"; };\n", 1,
	               "target.schema has an impossible value: PostgreSQL keeps");
	expect_problem(
	    "target = { synced_at = \"a234567890123456789012345678901234567890123456789012345678901234\"; };\n", 1,
	    "target.synced_at has an impossible value: a PostgreSQL name has at most 63 bytes");
	expect_problem("kafka = { topics = [\"ok\", \"^(\"]; };\n", 1,
	               "kafka.topics: entry 2 is not possible: it is not a POSIX extended regular expression");
	expect_problem("kafka = { properties = [\"enable.auto.commit=true\"]; };\n", 1,
	               "kafka.properties: entry 1 is not possible: the program sets this property itself");
	expect_problem("kafka = { properties = [\"novalue\"]; };\n", 1,
	               "kafka.properties: entry 1 is not possible: it has not the form key=value");
	expect_problem(MINIMAL "connect = { url = \"localhost:8083\"; };\n", 3,
	               "connect.url has an impossible value: it does not begin with http://");
	expect_problem(MINIMAL "connect = { connector = \"c\"; };\n", 3,
	               "connect.connector is set without connect.url");
	expect_problem(MINIMAL "memory_limit = \"16MB\";\ntarget_ = 1;\n", 4,
	               "unknown setting target_; did you mean target?");
	expect_problem("target = {\ndsn = \"d\";\nbatch_bytes = \"1GB\"; };\n", 3,
	               "target.batch_bytes is above memory_limit");
}
END_TEST

START_TEST(test_missing_settings)
{
	expect_problem("", 0, "the setting target.dsn is missing; add dsn = \"host=");
	expect_problem("", 0,
	               "the setting kafka.brokers is missing; add brokers = \"127.0.0.1:9092\"; to the group kafka");
	expect_problem("", 0, "the setting kafka.topic_prefix is missing");
}
END_TEST

START_TEST(test_all_problems_at_once)
{
	static const char text[] = "memory_limit = 1;\nlog = { level = \"loud\"; colour = true; };\nspill_dir = 4;\n";
	struct config *config;
	struct error *error = load_text(text, &config);
	int lines = 1;

	ck_assert_ptr_nonnull(error);
	for (const char *c = error->message; *c != '\0'; c++)
		lines += *c == '\n';
	ck_assert_int_eq(lines, 4 + 3); /* and the three required ones */
	error_free(error);
}
END_TEST

START_TEST(test_secrets_stay_out_of_messages)
{
	struct config *config;
	struct error *error = load_text("target = { dsn = \"password=geheim\"; batch_rows = \"geheim\"; };\n"
	                                "kafka = { properties = [\"geheim\", \"group.id=geheim\"]; };\n"
	                                "connect = { url = \"geheim\"; };\n",
	                                &config);

	ck_assert_ptr_nonnull(error);
	ck_assert_msg(strstr(error->message, "geheim") == NULL, "%s", error->message);
	error_free(error);
}
END_TEST

START_TEST(test_syntax_error)
{
	expect_problem("target = {\n dsn = ;\n};\n", 2, "syntax error");
	expect_problem("log = { level = \"info\"; level = \"info\"; };\n", 1, "duplicate setting name");
}
END_TEST

START_TEST(test_files)
{
	struct config *config;
	struct error *error = config_load("/nowhere/replicator.conf", &config);

	ck_assert_ptr_nonnull(error);
	ck_assert_str_eq(error->message,
	                 "/nowhere/replicator.conf: cannot be read (No such file or directory); check the "
	                 "path and its rights");
	error_free(error);
	error = config_load("/tmp", &config);
	ck_assert_ptr_nonnull(error);
	error_free(error);

	config_free(load_good(MINIMAL));
	setenv("REPLICATOR_CONF", path, 1);
	ck_assert_ptr_null(config_load(NULL, &config));
	ck_assert_str_eq(config->file, path);
	config_free(config);
	unsetenv("REPLICATOR_CONF");
	ck_assert_int_eq(chdir("/nonexistent-directory") == 0 ? 0 : chdir("/proc"), 0);
	error = config_load(NULL, &config);
	if (access("/etc/replicator/replicator.conf", F_OK) != 0) {
		ck_assert_ptr_nonnull(error);
		ck_assert_ptr_nonnull(strstr(error->message, "there is no configuration file"));
	}
	error_free(error);
}
END_TEST

START_TEST(test_tables)
{
	struct config *config = load_good(MINIMAL "tables = (\n"
	                                          " { match = \"public.users\"; delete = \"soft\"; },\n"
	                                          " { match = \"public.*\"; truncate = \"ignore\"; },\n"
	                                          " { match = \"*.audit_*\"; exclude = true; }\n);\n");
	const struct table_rule *rule = config_table_rule(config, "public", "users");

	ck_assert_uint_eq(config->table_count, 3);
	ck_assert_int_eq(rule->delete_mode, DELETE_SOFT);
	ck_assert_int_eq(rule->truncate_mode, TRUNCATE_APPLY);
	rule = config_table_rule(config, "public", "audit_log");
	ck_assert_int_eq(rule->truncate_mode, TRUNCATE_IGNORE); /* the first that matches */
	ck_assert(!rule->exclude);
	ck_assert(config_table_rule(config, "commerce", "audit_log")->exclude);
	rule = config_table_rule(config, "commerce", "users");
	ck_assert_int_eq(rule->delete_mode, DELETE_HARD);
	ck_assert_int_eq(rule->truncate_mode, TRUNCATE_APPLY);
	ck_assert(!rule->exclude);
	config_free(config);
}
END_TEST

START_TEST(test_tables_problems)
{
	expect_problem(MINIMAL "tables = (\n { delete = \"soft\"; } );\n", 4, "tables: an entry lacks match");
	expect_problem(MINIMAL "tables = (\n { match = \"users\"; } );\n", 4,
	               "tables: match has an impossible value: it names no schema");
	expect_problem(MINIMAL "tables = (\n { match = \"a.b\"; deletes = \"soft\"; } );\n", 4,
	               "tables: unknown setting deletes; did you mean delete?");
	expect_problem(MINIMAL "tables = (\n { match = \"a.b\"; delete = \"soff\"; } );\n", 4,
	               "tables: delete has an impossible value: it takes \"hard\", \"soft\" or \"ignore\"");
	expect_problem(MINIMAL "tables = ( \"a.b\" );\n", 3, "tables: an entry is a group");
	expect_problem(MINIMAL "tables = (\n { match = \"public.*\"; },\n { match = \"public.us*\"; } );\n", 5,
	               "tables: match = \"public.us*\" can never count, \"public.*\" before it takes the same tables");
	expect_problem("target = { dsn = \"d\"; is_deleted = \"\"; };\ntables = (\n { match = \"a.b\"; truncate = "
	               "\"soft\"; } );\n",
	               3, "tables: a soft delete needs the column's name");
}
END_TEST

START_TEST(test_patterns)
{
	ck_assert(config_pattern_matches("public.users", "public.users"));
	ck_assert(!config_pattern_matches("public.users", "public.users2"));
	ck_assert(!config_pattern_matches("public.users", "public.user"));
	ck_assert(config_pattern_matches("*", ""));
	ck_assert(config_pattern_matches("*", "a.b"));
	ck_assert(config_pattern_matches("a*b*c", "aXbYbc"));
	ck_assert(!config_pattern_matches("a*b*c", "aXcYb"));
	ck_assert(config_pattern_matches("*.users", "x.y.users"));
	ck_assert(config_pattern_matches("p*.u*s**", "public.users"));
	ck_assert(!config_pattern_matches("", "a"));
	ck_assert(config_pattern_matches("", ""));
}
END_TEST

START_TEST(test_distance)
{
	ck_assert_uint_eq(setting_distance("", ""), 0);
	ck_assert_uint_eq(setting_distance("kitten", "sitting"), 3);
	ck_assert_uint_eq(setting_distance("level", "levle"), 2);
	ck_assert_uint_eq(setting_distance("abc", ""), 3);
	ck_assert_uint_eq(setting_distance("", "abc"), 3);
}
END_TEST

static char *print(void (*printer)(FILE *))
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	printer(stream);
	fclose(stream);
	return text;
}

static void expect_file(const char *name, void (*printer)(FILE *))
{
	FILE *file = fopen(name, "r");
	char *wanted = print(printer);
	char *text = calloc(1, strlen(wanted) + 2);

	ck_assert_msg(file != NULL, "%s is not there; run make docs", name);
	ck_assert_uint_le(fread(text, 1, strlen(wanted) + 1, file), strlen(wanted) + 1);
	ck_assert_msg(strcmp(text, wanted) == 0, "%s is not what the table of settings says; run make docs", name);
	fclose(file);
	free(text);
	free(wanted);
}

START_TEST(test_pages_are_up_to_date)
{
	expect_file("replicator.conf.example", config_print_example);
	expect_file("docs/configuration.md", config_print_reference);
}
END_TEST

/* Where systemd would put credentials: each password file of the example holds the same. */
static const char *make_credentials(const char *password)
{
	static const char *const names[] = {"source_password",  "target_password",   "kafka_password",
	                                    "connect_password", "debezium_password", "registry_password",
	                                    "mask_salt"};
	static char folder[64];
	char file[128];

	snprintf(folder, sizeof(folder), "/tmp/replicator-test-credentials-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		FILE *out;

		snprintf(file, sizeof(file), "%s/%s", folder, names[i]);
		out = fopen(file, "w");
		ck_assert_ptr_nonnull(out);
		fprintf(out, "%s\n", password);
		fclose(out);
	}
	setenv("CREDENTIALS_DIRECTORY", folder, 1);
	return folder;
}

static void remove_credentials(const char *folder)
{
	char *command = memory_format("rm -r %s", folder);

	ck_assert_int_eq(system(command), 0);
	free(command);
	unsetenv("CREDENTIALS_DIRECTORY");
}

START_TEST(test_password_files)
{
	const char *folder = make_credentials("it's");
	struct config *config =
	    load_good("source = { dsn = \"host=a\"; password_file = \"source_password\"; };\n"
	              "target = { dsn = \"postgresql://u@b/c\"; password_file = \"target_password\"; };\n"
	              "kafka = { brokers = \"k\"; topic_prefix = \"p\"; password_file = \"kafka_password\"; };\n"
	              "connect = { url = \"http://c\"; user = \"u\"; password_file = \"connect_password\"; };\n"
	              "registry = { url = \"http://r\"; user = \"u\"; password_file = \"registry_password\"; };\n");

	ck_assert_str_eq(config->source.dsn, "host=a password='it\\'s'");
	ck_assert_str_eq(config->target.dsn, "postgresql://u@b/c?password=it%27s");
	ck_assert_uint_eq(config->kafka.property_count, 1);
	ck_assert_str_eq(config->kafka.properties[0], "sasl.password=it's");
	ck_assert_str_eq(config->connect.password, "it's");
	ck_assert_str_eq(config->registry.password, "it's");
	config_free(config);
	remove_credentials(folder);
	expect_problem("target = { dsn = \"host=a\"; password_file = \"/nowhere\"; };\n"
	               "kafka = { brokers = \"k\"; topic_prefix = \"p\"; };\n",
	               0, "target.password_file: /nowhere cannot be read (No such file or directory)");
}
END_TEST

START_TEST(test_example_is_valid)
{
	const char *folder = make_credentials("secret");
	char *text = print(config_print_example);
	struct config *config = load_good(text);

	ck_assert_str_eq(config->kafka.topic_prefix, "dbserver1");
	config_free(config);
	/* Also with everything that is commented out taken in: "#name" becomes "name", "# words" stay a comment. */
	for (char *c = text; *c != '\0'; c++) {
		if (*c == '#' && c[1] != ' ')
			*c = ' ';
	}
	config = load_good(text);
	ck_assert_str_eq(config->connect.connector, "postgres-connector");
	ck_assert_uint_eq(config->table_count, 4);
	config_free(config);
	free(text);
	remove_credentials(folder);
}
END_TEST

#define RULES(text) MINIMAL "masking = { salt = \"s\"; };\ntables = (\n" text "\n);\n"

START_TEST(test_rules_of_columns_and_rows)
{
	struct config *config = load_good(
	    RULES("{ match = \"shop_*.users\"; rename = \"all.{schema}_{table}\"; source_column = \"shop\";\n"
	          "  source_value = \"{source}/{schema}\"; filter = { column = \"country\"; in = [\"DE\", \"AT\"]; };\n"
	          "  columns = ( { match = \"email\"; mask = \"hash\"; rename = \"mail\"; },\n"
	          "    { match = \"note\"; mask = \"constant\"; value = \"\"; },\n"
	          "    { match = \"age\"; cast_from = \"integer\"; }, { match = \"x_*\"; exclude = true; } ); },\n"
	          "{ match = \"public.t\"; filter = { column = \"kind\"; not_in = [\"internal\"]; }; }"));
	const struct table_rule *rule = config_table_rule(config, "shop_1", "users");
	struct arena *arena = arena_new();
	struct table_name name = config_target_table(config, rule, "shop_1", "users", arena);

	ck_assert_str_eq(name.schema, "all");
	ck_assert_str_eq(name.table, "shop_1_users");
	ck_assert_str_eq(config_source_value(config, rule, "shop_1", "users", arena), "p/shop_1");
	ck_assert_int_eq(config_column_rule(rule, "email")->mask, MASK_HASH);
	ck_assert_str_eq(config_column_rule(rule, "email")->rename, "mail");
	ck_assert_str_eq(config_column_rule(rule, "note")->value, "");
	ck_assert_str_eq(config_column_rule(rule, "age")->cast_from, "integer");
	ck_assert(config_column_rule(rule, "x_1")->exclude);
	ck_assert(!config_column_rule(rule, "y")->exclude);
	ck_assert(config_filter_admits(&rule->filter, "DE", 2));
	ck_assert(!config_filter_admits(&rule->filter, "DEU", 3));
	ck_assert(!config_filter_admits(&rule->filter, NULL, 0));
	rule = config_table_rule(config, "public", "t");
	ck_assert(config_filter_admits(&rule->filter, NULL, 0));
	ck_assert(config_filter_admits(&rule->filter, "", 0));
	ck_assert(!config_filter_admits(&rule->filter, "internal", 8));
	name = config_target_table(config, rule, "public", "t", arena);
	ck_assert_str_eq(name.schema, "public");
	ck_assert_str_eq(name.table, "t");
	arena_free(arena);
	config_free(config);
}
END_TEST

START_TEST(test_problems_of_rules)
{
	expect_problem(RULES("{ match = \"a.*\"; rename = \"b.c\"; }"), 5,
	               "tables: match = \"a.*\" may mean several tables, and rename names one");
	expect_problem(RULES("{ match = \"a.b\"; rename = \"c\"; }"), 5, "tables: rename has an impossible value");
	expect_problem(RULES("{ match = \"a.b\"; rename = \"c.{tabel}\"; }"), 5,
	               "tables: rename has an impossible value");
	expect_problem(RULES("{ match = \"a.b\"; filter = { column = \"c\"; }; }"), 5,
	               "tables: filter: it takes one list, in or not_in, that is not empty");
	expect_problem(RULES("{ match = \"a.b\"; filter = { in = [\"c\"]; }; }"), 5,
	               "tables: filter: an entry lacks column");
	expect_problem(RULES("{ match = \"a.b\"; filter = { column = \"c\"; in = [\"c\"]; };\n"
	                     "columns = ( { match = \"c\"; mask = \"null\"; } ); }"),
	               5, "tables: filter: column \"c\" is masked");
	expect_problem(RULES("{ match = \"a.b\"; delete = \"ignore\"; filter = { column = \"c\"; in = [\"c\"]; }; }"),
	               5, "tables: filter: a row that leaves it is deleted");
	expect_problem(RULES("{ match = \"a.b\"; columns = [ \"c\" ]; }"), 5, "tables: columns has the wrong type");
	expect_problem(RULES("{ match = \"a.b\"; columns = (\n{ match = \"c\"; mask = \"constant\"; } ); }"), 6,
	               "tables: columns: mask = \"constant\" and value belong together; add");
	expect_problem(RULES("{ match = \"a.b\"; columns = (\n{ match = \"c\"; value = \"x\"; } ); }"), 6,
	               "tables: columns: mask = \"constant\" and value belong together; remove");
	expect_problem(RULES("{ match = \"a.b\"; columns = (\n{ match = \"c*\"; rename = \"x\"; } ); }"), 6,
	               "tables: columns: match = \"c*\" may mean several columns");
	expect_problem(RULES("{ match = \"a.b\"; columns = (\n{ match = \"c*\"; },\n{ match = \"cd\"; } ); }"), 7,
	               "tables: columns: match = \"cd\" can never count");
	expect_problem(RULES("{ match = \"a.b\"; columns = (\n{ match = \"c\"; exclude = true; rename = \"d\"; } ); }"),
	               6, "tables: columns: an excluded column takes no rename");
	expect_problem(RULES("{ match = \"a.b\"; columns = (\n{ match = \"c\"; maks = \"null\"; } ); }"), 6,
	               "tables: columns: unknown setting maks; did you mean mask?");
	expect_problem(MINIMAL
	               "tables = ( { match = \"a.b\"; columns = ( { match = \"c\"; mask = \"hash\"; } ); } );\n",
	               3, "tables: columns: mask = \"hash\" needs a secret");
}
END_TEST

START_TEST(test_table_of_settings_is_sound)
{
	struct arena *arena = arena_new();

	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *setting = &settings[i];
		struct config *config = calloc(1, sizeof(*config));
		bool in_group = false;

		for (size_t j = 0; j < setting_group_count; j++)
			in_group = in_group || setting_in_group(setting, setting_groups[j].name);
		ck_assert_msg(in_group, "%s is in no group", setting->key);
		ck_assert_msg(setting->initial != NULL || setting->example != NULL,
		              "%s has neither default nor example", setting->key);
		if (setting->initial != NULL)
			ck_assert_msg(setting_read_text(setting, setting->initial, config, arena) == NULL,
			              "the default of %s is not possible", setting->key);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(setting->key, settings[j].key);
		free(config);
	}
	arena_free(arena);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tests = tcase_create("config");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, make_path, remove_path);
	tcase_add_test(tests, test_defaults);
	tcase_add_test(tests, test_every_kind_of_value);
	tcase_add_test(tests, test_changes);
	tcase_add_test(tests, test_unknown_settings);
	tcase_add_test(tests, test_wrong_types);
	tcase_add_test(tests, test_impossible_values);
	tcase_add_test(tests, test_missing_settings);
	tcase_add_test(tests, test_all_problems_at_once);
	tcase_add_test(tests, test_secrets_stay_out_of_messages);
	tcase_add_test(tests, test_syntax_error);
	tcase_add_test(tests, test_files);
	tcase_add_test(tests, test_tables);
	tcase_add_test(tests, test_tables_problems);
	tcase_add_test(tests, test_patterns);
	tcase_add_test(tests, test_distance);
	tcase_add_test(tests, test_pages_are_up_to_date);
	tcase_add_test(tests, test_password_files);
	tcase_add_test(tests, test_rules_of_columns_and_rows);
	tcase_add_test(tests, test_problems_of_rules);
	tcase_add_test(tests, test_example_is_valid);
	tcase_add_test(tests, test_table_of_settings_is_sound);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
