/*
 * settings.c - the one table of settings: key, type, default, bounds, reloadable, description.
 */
#include "config/settings.h"

#include <string.h>

#include "config/config.h"

#define FIELD(member) .offset = offsetof(struct config, member), .size = sizeof(((struct config *)NULL)->member)
#define COUNT(member) .count_offset = offsetof(struct config, member)

#define POLICY(name, step, words, what)                                                                                \
	{                                                                                                              \
		.key = name, .type = SETTING_CHOICE, FIELD(ddl.policy[step]), .initial = "apply", .choices = words,    \
		.description = what                                                                                    \
	}

static const struct setting_choice transactions_choices[] = {{"on", TRANSACTIONS_ON},
                                                             {"off", TRANSACTIONS_OFF},
                                                             {NULL, 0}};
static const struct setting_choice on_error_choices[] = {{"stop", ON_ERROR_STOP},
                                                         {"quarantine", ON_ERROR_QUARANTINE},
                                                         {NULL, 0}};
static const struct setting_choice messages_choices[] = {{"ignore", MESSAGES_IGNORE},
                                                         {"table", MESSAGES_TABLE},
                                                         {NULL, 0}};
static const struct setting_choice decimal_choices[] = {{"precise", DECIMAL_MODE_PRECISE},
                                                        {"double", DECIMAL_MODE_DOUBLE},
                                                        {"string", DECIMAL_MODE_STRING},
                                                        {NULL, 0}};
static const struct setting_choice time_choices[] = {{"adaptive", TIME_MODE_ADAPTIVE},
                                                     {"adaptive_time_microseconds",
                                                      TIME_MODE_ADAPTIVE_TIME_MICROSECONDS},
                                                     {"connect", TIME_MODE_CONNECT},
                                                     {"isostring", TIME_MODE_ISOSTRING},
                                                     {"microseconds", TIME_MODE_MICROSECONDS},
                                                     {"nanoseconds", TIME_MODE_NANOSECONDS},
                                                     {NULL, 0}};
static const struct setting_choice interval_choices[] = {{"numeric", INTERVAL_MODE_NUMERIC},
                                                         {"string", INTERVAL_MODE_STRING},
                                                         {NULL, 0}};
static const struct setting_choice binary_choices[] = {{"bytes", BINARY_MODE_BYTES},
                                                       {"base64", BINARY_MODE_BASE64},
                                                       {"base64-url-safe", BINARY_MODE_BASE64_URL_SAFE},
                                                       {"hex", BINARY_MODE_HEX},
                                                       {NULL, 0}};
static const struct setting_choice hstore_choices[] = {{"map", HSTORE_MODE_MAP}, {"json", HSTORE_MODE_JSON}, {NULL, 0}};
static const struct setting_choice ddl_choices[] = {{"apply", DDL_APPLY},
                                                    {"ignore", DDL_IGNORE},
                                                    {"stop", DDL_STOP},
                                                    {NULL, 0}};
static const struct setting_choice drop_column_choices[] = {{"apply", DDL_APPLY},
                                                            {"keep", DDL_KEEP},
                                                            {"ignore", DDL_IGNORE},
                                                            {"stop", DDL_STOP},
                                                            {NULL, 0}};
static const struct setting_choice missing_choices[] = {{"keep", MISSING_KEEP}, {"drop", MISSING_DROP}, {NULL, 0}};
static const struct setting_choice level_choices[] = {{"debug", LOG_DEBUG},
                                                      {"info", LOG_INFO},
                                                      {"warning", LOG_WARNING},
                                                      {"error", LOG_ERROR},
                                                      {NULL, 0}};
static const struct setting_choice format_choices[] = {{"text", 0}, {"json", 1}, {NULL, 0}};
const struct setting_group setting_groups[] = {
    {"", "Settings of the whole stream"},
    {"stream", "The stream"},
    {"source", "The source database"},
    {"target", "The target database"},
    {"kafka", "Kafka"},
    {"connect", "Kafka Connect"},
    {"decoding", "How the connector writes values"},
    {"registry", "The schema registry, when the events are Avro"},
    {"status", "Metrics, health and the status page"},
    {"supervision", "Watching connector and slot"},
    {"masking", "Masked columns (mask = \"hash\" in `tables`)"},
    {"ddl", "Changes of the source's schema: followed, left out, or a reason to stop (docs/ddl.md)"},
    {"log", "The log"},
};
const size_t setting_group_count = sizeof(setting_groups) / sizeof(*setting_groups);

const struct setting settings[] = {
    {.key = "memory_limit",
     .type = SETTING_BYTES,
     FIELD(memory_limit),
     .initial = "256MB",
     .least = (int64_t)16 << 20,
     .most = (int64_t)1 << 50,
     .description = "How much memory the events may take that were read and not yet applied, together with the queue\n"
                    "of librdkafka. The process needs up to 96 MB more, and several times its size for a row\n"
                    "larger than that. A source transaction with more than a quarter of it goes to a file in\n"
                    "spill_dir and is applied from there, still as one."},
    {.key = "spill_dir",
     .type = SETTING_TEXT,
     FIELD(spill_dir),
     .initial = "/var/tmp",
     .refuse = refuse_empty,
     .description =
         "The directory for large transactions. The files have no names: they are gone when the program is."},
    {.key = "spill_limit",
     .type = SETTING_BYTES,
     FIELD(spill_limit),
     .initial = "16GB",
     .least = (int64_t)16 << 20,
     .most = (int64_t)1 << 60,
     .description = "How much room in spill_dir one transaction may take; beyond it the stream stops, losing nothing."},
    {.key = "transactions",
     .type = SETTING_CHOICE,
     FIELD(stream.transactions),
     .initial = "on",
     .choices = transactions_choices,
     .description = "on: whole source transactions, in commit order; the connector must have\n"
                    "provide.transaction.metadata=true. off: only consecutive events of one transaction in one\n"
                    "partition stay together; a reader of the target can then see parts of a transaction. What a\n"
                    "restarted connector sends again is applied again: tables without a key have such rows twice."},
    {.key = "on_error",
     .type = SETTING_CHOICE,
     FIELD(stream.on_error),
     .initial = "stop",
     .choices = on_error_choices,
     .description = "What happens to a transaction that can never be applied. stop: the stream stops and keeps its\n"
                    "place. quarantine: the transaction is set aside whole and the stream goes on."},

    {.key = "messages",
     .type = SETTING_CHOICE,
     FIELD(stream.messages),
     .initial = "ignore",
     .choices = messages_choices,
     .description =
         "What becomes of logical decoding messages (pg_logical_emit_message). ignore: they are left out, and\n"
         "counted. table: the transactional ones go into table message of the state schema, in their\n"
         "transaction; the others are left out."},

    {.key = "stream.name",
     .type = SETTING_TEXT,
     FIELD(stream.name),
     .initial = "replicator",
     .refuse = refuse_empty,
     .description = "Names the stream in the state tables of the target, where several streams may live, and is the\n"
                    "consumer group under which Kafka's tools see the lag."},
    {.key = "stream.holder_timeout",
     .type = SETTING_DURATION,
     FIELD(stream.holder_timeout_ms),
     .initial = "10s",
     .least = 3000,
     .most = INT32_MAX,
     .description = "An instance that waits to take over ends the session of the active one when that has been silent\n"
                    "in the target for so long (stopped, or cut off). One that died is replaced at once."},

    {.key = "source.name",
     .type = SETTING_TEXT,
     FIELD(source.name),
     .refuse = refuse_empty,
     .example = "shop-eu",
     .description = "What source_column in `tables` says of rows of this source. Default: kafka.topic_prefix."},
    {.key = "source.dsn",
     .type = SETTING_TEXT,
     FIELD(source.dsn),
     .refuse = refuse_empty,
     .example = "host=127.0.0.1 port=5432 dbname=source user=postgres",
     .description = "Connection string of the source database (libpq's keywords or a postgresql:// URI). The\n"
                    "stream does without; supervision, commands and check_target connect to it. A password may stand\n"
                    "here, in PGPASSWORD or in the file named by PGPASSFILE (default ~/.pgpass)."},
    {.key = "source.password_file",
     .type = SETTING_TEXT,
     FIELD(source.password_file),
     .refuse = refuse_empty,
     .example = "source_password",
     .description = "A file whose first line is the password for source.dsn. A relative path is looked for in\n"
                    "$CREDENTIALS_DIRECTORY (systemd's LoadCredential=) when that is set, else beside the\n"
                    "configuration."},

    {.key = "target.dsn",
     .type = SETTING_TEXT,
     FIELD(target.dsn),
     .required = true,
     .refuse = refuse_empty,
     .example = "host=127.0.0.1 port=5433 dbname=target user=postgres",
     .description = "Connection string of the target database; passwords as for source.dsn."},
    {.key = "target.password_file",
     .type = SETTING_TEXT,
     FIELD(target.password_file),
     .refuse = refuse_empty,
     .example = "target_password",
     .description = "The same for target.dsn."},
    {.key = "target.schema",
     .type = SETTING_TEXT,
     FIELD(target.schema),
     .initial = "replicator",
     .refuse = refuse_schema,
     .description = "The schema of the state tables (offsets and watermark), made by `replicator init target`."},
    {.key = "target.synchronous_commit",
     .type = SETTING_BOOLEAN,
     FIELD(target.synchronous_commit),
     .initial = "false",
     .description = "Whether each commit waits for the target's disk. false is safe and faster: after a crash of the\n"
                    "target server offsets and rows are rolled back together and are read again from Kafka."},
    {.key = "target.synced_at",
     .type = SETTING_TEXT,
     FIELD(target.synced_at),
     .initial = "synced_at",
     .refuse = refuse_identifier,
     .description = "The column that takes the time of the last change, in tables that have it. \"\": none."},
    {.key = "target.is_deleted",
     .type = SETTING_TEXT,
     FIELD(target.is_deleted),
     .initial = "is_deleted",
     .refuse = refuse_identifier,
     .description = "The boolean column that marks softly deleted rows."},
    {.key = "target.deleted_at",
     .type = SETTING_TEXT,
     FIELD(target.deleted_at),
     .initial = "deleted_at",
     .refuse = refuse_identifier,
     .description = "The column that takes the time of a soft delete, in tables that have it. \"\": none."},
    {.key = "target.batch_rows",
     .type = SETTING_INTEGER,
     FIELD(target.batch_rows),
     .initial = "10000",
     .least = 1,
     .most = 1000000,
     .description = "How many row changes share one target transaction at most, when more wait. A larger source\n"
                    "transaction stays whole."},
    {.key = "target.batch_bytes",
     .type = SETTING_BYTES,
     FIELD(target.batch_bytes),
     .initial = "16MB",
     .least = (int64_t)64 << 10,
     .most = (int64_t)1 << 40,
     .description = "The same bound in bytes; not above memory_limit."},
    {.key = "target.statement_timeout",
     .type = SETTING_DURATION,
     FIELD(target.statement_timeout_ms),
     .initial = "0",
     .least = 0,
     .most = INT32_MAX,
     .description = "Ends a statement on the target that runs longer; it is tried again. 0: no bound."},

    {.key = "kafka.brokers",
     .type = SETTING_TEXT,
     FIELD(kafka.brokers),
     .required = true,
     .refuse = refuse_empty,
     .example = "127.0.0.1:9092",
     .description = "The brokers to begin with: host:port, separated by commas."},
    {.key = "kafka.topic_prefix",
     .type = SETTING_TEXT,
     FIELD(kafka.topic_prefix),
     .required = true,
     .refuse = refuse_empty,
     .example = "dbserver1",
     .description = "The connector's topic.prefix."},
    {.key = "kafka.topics",
     .type = SETTING_LIST,
     FIELD(kafka.topics),
     COUNT(kafka.topic_count),
     .refuse = refuse_topic,
     .example = "[\"dbserver1.public.users\", \"^dbserver1\\\\.commerce\\\\.\"]",
     .description = "The topics to read: exact names, or patterns that begin with ^. Empty: all topics of the prefix.\n"
                    "With the single-stream layout it names the one topic."},
    {.key = "kafka.transaction_topic",
     .type = SETTING_TEXT,
     FIELD(kafka.transaction_topic),
     .refuse = refuse_empty,
     .example = "dbserver1.transaction",
     .description = "The topic of BEGIN and END, when the connector's topic.transaction is set. Default:\n"
                    "PREFIX.transaction."},
    {.key = "kafka.properties",
     .type = SETTING_LIST,
     FIELD(kafka.properties),
     COUNT(kafka.property_count),
     .refuse = refuse_property,
     .example = "[\"security.protocol=SASL_SSL\", \"sasl.mechanism=SCRAM-SHA-512\"]",
     .description = "Further properties of librdkafka, as \"key=value\"."},
    {.key = "kafka.password_file",
     .type = SETTING_TEXT,
     FIELD(kafka.password_file),
     .refuse = refuse_empty,
     .example = "kafka_password",
     .description = "A file whose first line is librdkafka's sasl.password; found as source.password_file is."},

    {.key = "connect.url",
     .type = SETTING_TEXT,
     FIELD(connect.url),
     .refuse = refuse_url,
     .example = "http://127.0.0.1:8083",
     .description = "The REST interface of Kafka Connect."},
    {.key = "connect.connector",
     .type = SETTING_TEXT,
     FIELD(connect.connector),
     .refuse = refuse_empty,
     .example = "postgres-connector",
     .description = "The connector's name there."},
    {.key = "connect.user",
     .type = SETTING_TEXT,
     FIELD(connect.user),
     .refuse = refuse_empty,
     .example = "replicator",
     .description = "The user for basic authentication at Connect."},
    {.key = "connect.password_file",
     .type = SETTING_TEXT,
     FIELD(connect.password_file),
     .refuse = refuse_empty,
     .example = "connect_password",
     .description = "A file whose first line is that user's password."},
    {.key = "connect.ca_file",
     .type = SETTING_TEXT,
     FIELD(connect.ca_file),
     .refuse = refuse_empty,
     .example = "/etc/ssl/certs/ca-certificates.crt",
     .description = "The authorities to trust for an https url, as PEM. Default: the system's."},
    {.key = "connect.source_user",
     .type = SETTING_TEXT,
     FIELD(connect.source_user),
     .refuse = refuse_empty,
     .example = "debezium",
     .description = "`connector create`: the connector's own user in the source. Default: that of source.dsn."},
    {.key = "connect.source_password_file",
     .type = SETTING_TEXT,
     FIELD(connect.source_password_file),
     .refuse = refuse_empty,
     .example = "debezium_password",
     .description = "A file whose first line is that user's password. Default: the password of source.dsn."},
    {.key = "connect.slot",
     .type = SETTING_TEXT,
     FIELD(connect.slot),
     .initial = "debezium_slot",
     .refuse = refuse_empty,
     .description = "The connector's replication slot in the source: for `connector create` and for watching its lag."},
    {.key = "connect.publication",
     .type = SETTING_TEXT,
     FIELD(connect.publication),
     .initial = "debezium_publication",
     .refuse = refuse_empty,
     .description = "`init source` and `connector create`: the connector's publication."},
    {.key = "connect.tables",
     .type = SETTING_LIST,
     FIELD(connect.tables),
     COUNT(connect.table_count),
     .refuse = refuse_empty,
     .example = "[\"public.users\", \"commerce\\\\..*\"]",
     .description = "`connector create`: the tables to capture (table.include.list, regular expressions). Empty: all."},

    {.key = "decoding.unavailable_placeholder",
     .type = SETTING_TEXT,
     FIELD(decoding.unavailable_placeholder),
     .refuse = refuse_placeholder,
     .example = "__debezium_unavailable_value",
     .description =
         "The connector's unavailable.value.placeholder, when it is not Debezium's default. A text, or \"hex:\"\n"
         "and hexadecimal digits, as there."},
    {.key = "decoding.decimal",
     .type = SETTING_CHOICE,
     FIELD(decoding.modes.decimal),
     .initial = "precise",
     .choices = decimal_choices,
     .description =
         "The connector's decimal.handling.mode. This and the following matter only for JSON without schema."},
    {.key = "decoding.time",
     .type = SETTING_CHOICE,
     FIELD(decoding.modes.time),
     .initial = "adaptive",
     .choices = time_choices,
     .description = "The connector's time.precision.mode."},
    {.key = "decoding.interval",
     .type = SETTING_CHOICE,
     FIELD(decoding.modes.interval),
     .initial = "numeric",
     .choices = interval_choices,
     .description = "The connector's interval.handling.mode."},
    {.key = "decoding.binary",
     .type = SETTING_CHOICE,
     FIELD(decoding.modes.binary),
     .initial = "bytes",
     .choices = binary_choices,
     .description = "The connector's binary.handling.mode. With hex it matters for JSON with schema and Avro too: "
                    "there bytes are\n"
                    "texts then."},
    {.key = "decoding.hstore",
     .type = SETTING_CHOICE,
     FIELD(decoding.modes.hstore),
     .initial = "map",
     .choices = hstore_choices,
     .description = "The connector's hstore.handling.mode."},
    {.key = "decoding.added_fields",
     .type = SETTING_LIST,
     FIELD(decoding.added_fields),
     COUNT(decoding.added_field_count),
     .refuse = refuse_added_field,
     .example = "[\"op\", \"source.schema\", \"source.table\", \"source.txId\", \"source.lsn\", \"source.snapshot\"]",
     .description =
         "For flattened events: the add.fields of the connector's ExtractNewRecordState, in full. All other\n"
         "fields are columns then. Empty: each field with a name that the transform can add is taken for\n"
         "the transform's, and a table of the target that has such a column stops the stream."},

    {.key = "registry.url",
     .type = SETTING_TEXT,
     FIELD(registry.url),
     .refuse = refuse_url,
     .example = "http://127.0.0.1:8081/apis/registry/v2",
     .description = "Confluent's interface of the schema registry: GET URL/schemas/ids/ID; or Apicurio's own,\n"
                    ".../apis/registry/v2: GET URL/ids/contentIds/ID (its Confluent interface, .../apis/ccompat/v7,\n"
                    "refuses some schemas). While the registry is away the stream waits."},
    {.key = "registry.user",
     .type = SETTING_TEXT,
     FIELD(registry.user),
     .refuse = refuse_empty,
     .example = "replicator",
     .description = "The user of basic authentication."},
    {.key = "registry.password_file",
     .type = SETTING_TEXT,
     FIELD(registry.password_file),
     .refuse = refuse_empty,
     .example = "registry_password",
     .description = "A file whose first line is that user's password; found as source.password_file is."},
    {.key = "registry.ca_file",
     .type = SETTING_TEXT,
     FIELD(registry.ca_file),
     .refuse = refuse_empty,
     .example = "/etc/ssl/certs/company.pem",
     .description = "Certificate authorities that the registry is trusted by, as PEM. Default: the system's."},

    {.key = "status.port",
     .type = SETTING_INTEGER,
     FIELD(status.port),
     .initial = "0",
     .least = 0,
     .most = 65535,
     .description =
         "The port of the daemon's HTTP server: /metrics (Prometheus), /healthz, /readyz, /status.json and a page\n"
         "at /. 0: none. 8090 is the demo's."},
    {.key = "status.listen",
     .type = SETTING_TEXT,
     FIELD(status.listen),
     .initial = "127.0.0.1",
     .refuse = refuse_empty,
     .description =
         "The IP address to listen at. The server only shows, but it knows no passwords: put something in front of\n"
         "it when others than this machine may reach it."},
    {.key = "status.ready_lag",
     .type = SETTING_DURATION,
     FIELD(status.ready_lag_ms),
     .initial = "60s",
     .least = 1,
     .most = INT32_MAX,
     .description = "/readyz says no above this lag."},

    {.key = "supervision.interval",
     .type = SETTING_DURATION,
     FIELD(supervision.interval_ms),
     .initial = "10s",
     .least = 0,
     .most = INT32_MAX,
     .description =
         "How often `run` asks Connect for the connector's state and the source for the slot's lag (where connect and\n"
         "source.dsn are set). Every sixth time it asks Kafka for the topics' retention and cleanup.policy. 0: never."},
    {.key = "supervision.restart_attempts",
     .type = SETTING_INTEGER,
     FIELD(supervision.restart_attempts),
     .initial = "5",
     .least = 0,
     .most = 1000,
     .description = "How often in a row what failed of the connector is restarted, with rising pauses. 0: never."},
    {.key = "supervision.slot_limit",
     .type = SETTING_BYTES,
     FIELD(supervision.slot_limit),
     .initial = "1GB",
     .least = 0,
     .most = INT64_MAX,
     .description = "A warning is due when the slot keeps more WAL than this on the source. 0: none."},
    {.key = "supervision.silence",
     .type = SETTING_DURATION,
     FIELD(supervision.silence_ms),
     .initial = "1min",
     .least = 0,
     .most = INT32_MAX,
     .description = "After this time without an event, although the connector sends heartbeats or a transaction is not "
                    "whole, the\n"
                    "stream is reported as silent (status, /readyz, replicator_silent_seconds). 0: never."},
    {.key = "supervision.resync",
     .type = SETTING_BOOLEAN,
     FIELD(supervision.resync),
     .initial = "true",
     .description =
         "Whether the daemon resyncs unverified tables (docs/operations.md) automatically, as `replicator table\n"
         "resync` does: one at a time, and again after a pause when that fails. It takes source.dsn. false: such a\n"
         "table may differ from the source until you run the command."},

    {.key = "masking.salt_file",
     .type = SETTING_TEXT,
     FIELD(masking.salt_file),
     .refuse = refuse_empty,
     .example = "mask_salt",
     .description =
         "A file whose first line is the secret that is hashed with each value; found as source.password_file is. It\n"
         "must stay the same: with another one equal values no longer meet, and check_target finds differences."},
    {.key = "masking.salt",
     .type = SETTING_TEXT,
     FIELD(masking.salt),
     .refuse = refuse_empty,
     .example = "a long random text",
     .description = "The secret itself, where the configuration is kept as one."},

    POLICY("ddl.create_table", STEP_CREATE_TABLE, ddl_choices, "CREATE TABLE."),
    POLICY("ddl.drop_table", STEP_DROP_TABLE, ddl_choices, "DROP TABLE. ignore: the target keeps the table."),
    POLICY("ddl.add_column", STEP_ADD_COLUMN, ddl_choices, "ADD COLUMN."),
    POLICY("ddl.drop_column", STEP_DROP_COLUMN, drop_column_choices,
           "DROP COLUMN. keep: the column stays and may be NULL from then on."),
    POLICY("ddl.rename", STEP_RENAME, ddl_choices, "Renames of anything, and moves to another schema."),
    POLICY("ddl.alter_type", STEP_ALTER_TYPE, ddl_choices, "ALTER COLUMN … TYPE."),
    POLICY("ddl.not_null", STEP_NOT_NULL, ddl_choices, "SET and DROP NOT NULL."),
    POLICY("ddl.default", STEP_DEFAULT, ddl_choices, "Defaults, identity, generated columns."),
    POLICY("ddl.key", STEP_KEY, ddl_choices, "Primary keys, unique and exclusion constraints."),
    POLICY("ddl.index", STEP_INDEX, ddl_choices, "Other indexes."),
    POLICY("ddl.check", STEP_CHECK, ddl_choices, "Check constraints."),
    POLICY("ddl.foreign_key", STEP_FOREIGN_KEY, ddl_choices, "Foreign keys."),
    POLICY("ddl.partition", STEP_PARTITION, ddl_choices, "ATTACH and DETACH PARTITION, INHERIT."),
    POLICY("ddl.comment", STEP_COMMENT, ddl_choices, "COMMENT ON TABLE, COLUMN and SCHEMA."),
    POLICY("ddl.type", STEP_TYPE, ddl_choices, "Enums, domains, composite types."),
    POLICY("ddl.sequence", STEP_SEQUENCE, ddl_choices, "Sequences of their own (never their values)."),
    POLICY("ddl.schema", STEP_SCHEMA, ddl_choices, "CREATE and DROP SCHEMA."),
    POLICY("ddl.extension", STEP_EXTENSION, ddl_choices, "CREATE and DROP EXTENSION."),
    {.key = "ddl.missing_field",
     .type = SETTING_CHOICE,
     FIELD(ddl.missing_field),
     .initial = "keep",
     .choices = missing_choices,
     .description = "Where there is no DDL log and the events' own schema tells of changes: a column that they no "
                    "longer have stays\n"
                    "and may be NULL (keep), or is dropped (drop; then ddl.drop_column counts, too)."},
    {.key = "ddl.lock_timeout",
     .type = SETTING_DURATION,
     FIELD(ddl.lock_timeout_ms),
     .initial = "2s",
     .least = 1,
     .most = INT32_MAX,
     .description =
         "How long a step waits for the table's lock, with readers of the table waiting behind it. Then the\n"
         "transaction is rolled back and tried again."},

    {.key = "log.level",
     .type = SETTING_CHOICE,
     FIELD(log.level),
     .initial = "info",
     .reloadable = true,
     .choices = level_choices,
     .description = "The lowest level that is written."},
    {.key = "log.format",
     .type = SETTING_CHOICE,
     FIELD(log.json),
     .initial = "text",
     .reloadable = true,
     .choices = format_choices,
     .description = "Lines for people, or one JSON object a line."},
};
const size_t setting_count = sizeof(settings) / sizeof(*settings);

const char *setting_name(const struct setting *setting)
{
	const char *dot = strchr(setting->key, '.');

	return dot == NULL ? setting->key : dot + 1;
}

bool setting_in_group(const struct setting *setting, const char *group)
{
	size_t length = (size_t)(setting_name(setting) - setting->key);

	if (length > 0)
		length--;
	return strlen(group) == length && strncmp(setting->key, group, length) == 0;
}
