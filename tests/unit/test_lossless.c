/* test_lossless.c - what is said of a connector's settings. */
#include "connect/definition.h"
#include "connect/exception.h"
#include "connect/lossless.h"
#include "connect/stream_connector.h"
#include "connect/topic_names.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct buffer told;
static int problems;

static void take(void *context, bool problem, const char *text)
{
	(void)context;
	problems += problem;
	buffer_append_format(&told, "%s\n", text);
}

static void check(const char *connector, const struct config *config)
{
	json_t *json = json_loads(connector, 0, NULL);

	ck_assert_ptr_nonnull(json);
	buffer_reset(&told);
	buffer_append_text(&told, "");
	problems = 0;
	lossless_check(json, NULL, format_of_connector(json, NULL), config, take, NULL);
	json_decref(json);
}

#define GOOD                                                                                                           \
	"\"provide.transaction.metadata\":\"true\",\"skipped.operations\":\"none\",\"decimal.handling.mode\":"         \
	"\"string\",\"value.converter.replace.null.with.default\":\"false\","                                          \
	"\"event.converting.failure.handling.mode\":\"fail\","                                                         \
	"\"time.precision.mode\":\"isostring\",\"interval.handling.mode\":\"string\",\"include.unknown.datatypes\":"   \
	"\"true\""

static struct config ours(void)
{
	struct config config = {0};

	config.decoding.modes = (struct wire_modes){DECIMAL_MODE_STRING, TIME_MODE_ISOSTRING, INTERVAL_MODE_STRING,
	                                            BINARY_MODE_BYTES, HSTORE_MODE_JSON};
	return config;
}

static void check_names(const char *connector, const struct config *config)
{
	json_t *json = json_loads(connector, 0, NULL);

	ck_assert_ptr_nonnull(json);
	buffer_reset(&told);
	buffer_append_text(&told, "");
	problems = 0;
	topic_names_check(json, config, take, NULL);
	json_decref(json);
}

static void check_stream(const char *connector, const struct config *config)
{
	json_t *json = json_loads(connector, 0, NULL);

	ck_assert_ptr_nonnull(json);
	buffer_reset(&told);
	buffer_append_text(&told, "");
	problems = 0;
	ck_assert_ptr_null(stream_connector_check(json, config, take, NULL));
	json_decref(json);
}

START_TEST(names_of_topics_that_the_stream_does_not_read)
{
	struct config config = ours();

	config.kafka.topic_prefix = "shop";
	check_names("{\"topic.prefix\":\"shop\",\"transforms\":\"a\",\"transforms.a.type\":"
	            "\"io.debezium.transforms.ExtractNewRecordState\"}",
	            &config);
	ck_assert_str_eq(told.data, "");
	check_names("{\"topic.prefix\":\"other\"}", &config);
	ck_assert_int_eq(problems, 1);
	ck_assert_ptr_nonnull(strstr(told.data, "topic.prefix=other"));
	check_names("{\"topic.prefix\":\"shop\",\"topic.delimiter\":\"_\"}", &config);
	ck_assert_int_eq(problems, 1);
	ck_assert_ptr_nonnull(strstr(told.data, "topic.delimiter=_"));
	check_names("{\"topic.prefix\":\"shop\",\"topic.naming.strategy\":\"com.example.Names\",\"transforms.r.type\":"
	            "\"org.apache.kafka.connect.transforms.RegexRouter\"}",
	            &config);
	ck_assert_int_eq(problems, 0);
	ck_assert_ptr_nonnull(strstr(told.data, "topic.naming.strategy=com.example.Names"));
	ck_assert_ptr_nonnull(strstr(told.data, "transforms.r (org.apache.kafka.connect.transforms.RegexRouter)"));
	config.kafka.topic_count = 1; /* they are named */
	check_names("{\"topic.prefix\":\"shop\",\"topic.delimiter\":\"_\"}", &config);
	ck_assert_str_eq(told.data, "");
}
END_TEST

START_TEST(test_best_settings_are_silent)
{
	struct config config = ours();

	check("{" GOOD ",\"value.converter\":\"org.apache.kafka.connect.json.JsonConverter\","
	      "\"value.converter.schemas.enable\":\"false\"}",
	      &config);
	ck_assert_str_eq(told.data, "");
	for (size_t i = 0; i < lossless_setting_count; i++) {
		const char *const *good = lossless_settings[i].good;

		while (*good != NULL && strcmp(*good, lossless_settings[i].best) != 0)
			good++;
		ck_assert_msg(*good != NULL, "%s", lossless_settings[i].name);
	}
}
END_TEST

START_TEST(test_defaults_lose)
{
	struct config config = ours();

	check("{}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "provide.transaction.metadata=false"));
	ck_assert_ptr_nonnull(strstr(told.data, "skipped.operations=t:"));
	ck_assert_ptr_nonnull(strstr(told.data, "decimal.handling.mode=precise"));
	ck_assert_ptr_nonnull(strstr(told.data, "interval.handling.mode=numeric"));
	ck_assert_ptr_null(strstr(told.data, "time.precision.mode=adaptive: "));
	ck_assert_int_eq(problems, 2); /* what the worker's converter does is not known */
	config.stream.transactions = TRANSACTIONS_OFF;
	check("{}", &config);
	ck_assert_ptr_null(strstr(told.data, "provide.transaction.metadata"));
}
END_TEST

/*
 * Connect's JsonConverter and Debezium's transform put the column's default in the place of NULL, unless they are told
 * not to.
 */
START_TEST(test_null_is_not_the_default)
{
	struct config config = ours();

	check("{\"value.converter\":\"org.apache.kafka.connect.json.JsonConverter\"}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "set value.converter.replace.null.with.default=false"));
	check("{\"value.converter\":\"io.apicurio.registry.utils.converter.AvroConverter\"}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "Apicurio's AvroConverter sends a column's default"));
	check("{\"value.converter\":\"io.confluent.connect.avro.AvroConverter\"}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "set value.converter.ignore.default.for.nullables=true"));
	check("{\"transforms\":\"flat\",\"transforms.flat.type\":\"io.debezium.transforms.ExtractNewRecordState\"}",
	      &config);
	ck_assert_ptr_nonnull(strstr(told.data,
	                             "the transform flat (io.debezium.transforms.ExtractNewRecordState) sends a "
	                             "column's default in the place of NULL; set its "
	                             "replace.null.with.default=false"));
	check("{\"value.converter\":\"org.apache.kafka.connect.json.JsonConverter\","
	      "\"value.converter.replace.null.with.default\":\"false\",\"transforms\":\"flat\",\"transforms.flat."
	      "type\":\"io.debezium.transforms.ExtractNewRecordState\","
	      "\"transforms.flat.replace.null.with.default\":\"false\"}",
	      &config);
	ck_assert_ptr_null(strstr(told.data, "replace.null.with.default"));
}
END_TEST

#define FLAT                                                                                                           \
	GOOD ",\"transforms\":\"flat\",\"transforms.flat.type\":\"io.debezium.transforms.ExtractNewRecordState\","     \
	     "\"transforms.flat.replace.null.with.default\":\"false\""
#define ADDED "op, source.schema,table,source.txId,lsn,source.snapshot"

START_TEST(fields_that_the_flattening_transform_adds)
{
	static const char *const added[] = {"op", "source.schema", "table", "source.txId", "lsn", "source.snapshot"};
	struct config config = ours();

	check("{" FLAT ",\"transforms.flat.add.fields\":\"" ADDED
	      "\",\"transforms.flat.delete.tombstone.handling.mode\":"
	      "\"rewrite\"}",
	      &config);
	ck_assert_ptr_null(strstr(told.data, "the transform flat"));
	check("{" FLAT ",\"transforms.flat.add.fields\":\"op,table\"}", &config);
	ck_assert_ptr_nonnull(
	    strstr(told.data, "add source.schema,source.txId,source.lsn,source.snapshot to its add.fields"));
	ck_assert_ptr_nonnull(strstr(told.data, "does not write deletes as rows"));
	check("{" FLAT ",\"transforms.flat.add.fields\":\"op:what\"}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "gives other names to the fields"));
	check("{" FLAT ",\"transforms.flat.add.fields.prefix\":\"x_\"}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "gives other names to the fields"));
	config.decoding.added_fields = added;
	config.decoding.added_field_count = 6;
	check("{" FLAT ",\"transforms.flat.add.fields\":\"" ADDED "\"}", &config);
	ck_assert_ptr_null(strstr(told.data, "decoding.added_fields"));
	check("{" FLAT ",\"transforms.flat.add.fields\":\"" ADDED ",ts_ms\"}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "has other add.fields than decoding.added_fields"));
	config.decoding.added_field_count = 5;
	check("{" FLAT ",\"transforms.flat.add.fields\":\"" ADDED "\"}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "has other add.fields than decoding.added_fields"));
}
END_TEST

/* What `connector config` prints is what check-config has nothing to say about. */
START_TEST(test_generated_connector_is_lossless)
{
	struct config config = ours();
	struct connector_definition definition;
	char *text;

	config.source.dsn = "host=h dbname=d user=u";
	config.connect.connector = "c";
	config.kafka.topic_prefix = "p";
	ck_assert_ptr_null(definition_generate(&config, false, &definition));
	for (size_t i = 0; i < lossless_setting_count; i++)
		ck_assert_str_eq(definition_get(&definition, lossless_settings[i].name, ""), lossless_settings[i].best);
	text = json_dumps(definition.config, 0);
	check(text, &config);
	ck_assert_str_eq(told.data, "");
	free(text);
	definition_free(&definition);
}
END_TEST

#define JSON "\"value.converter\":\"org.apache.kafka.connect.json.JsonConverter\","

/* With the worker's converter, as most workers are set up: the modes count if it is JSON without schemas. */
START_TEST(test_the_worker_s_converter)
{
	struct config config = {0}; /* Debezium's defaults */
	json_t *json = json_loads("{" GOOD "}", 0, NULL);

	check("{" GOOD "}", &config);
	ck_assert_int_eq(problems, 0);
	ck_assert_ptr_nonnull(strstr(told.data, "the connector has no value.converter"));
	ck_assert_ptr_nonnull(strstr(told.data, "decoding.decimal is \"precise\", the connector has "
	                                        "decimal.handling.mode=string; decoding.time is \"adaptive\", the "
	                                        "connector has time.precision.mode=isostring; decoding.interval"));
	ck_assert_ptr_nonnull(strstr(told.data, "value.converter.replace.null.with.default=false"));
	/* Connect tells the class. */
	ck_assert_int_eq(format_of_connector(json, "io.confluent.connect.avro.AvroConverter"), FORMAT_WITH_SCHEMA);
	ck_assert_int_eq(format_of_connector(json, "org.apache.kafka.connect.json.JsonConverter"), FORMAT_UNKNOWN);
	buffer_reset(&told);
	lossless_check(json, "org.apache.kafka.connect.storage.StringConverter", FORMAT_UNKNOWN, &config, take, NULL);
	ck_assert_int_eq(problems, 1);
	ck_assert_ptr_nonnull(strstr(told.data, "its Connect worker has org.apache.kafka.connect.storage."
	                                        "StringConverter, whose events this program cannot read"));
	problems = 0;
	/* The events show which one it is. */
	ck_assert_int_eq(format_of_message(slice_from("{\"before\":null,\"after\":{\"id\":1}}")), FORMAT_PLAIN_JSON);
	ck_assert_int_eq(format_of_message(slice_from("{\"schema\":{\"type\":\"struct\"},\"payload\":{}}")),
	                 FORMAT_WITH_SCHEMA);
	ck_assert_int_eq(format_of_message((struct slice){"\0\0\0\0\1x", 6}), FORMAT_WITH_SCHEMA);
	ck_assert_int_eq(format_of_message((struct slice){0}), FORMAT_UNKNOWN);
	buffer_reset(&told);
	lossless_check(json, NULL, FORMAT_PLAIN_JSON, &config, take, NULL);
	ck_assert_int_eq(problems, 1);
	ck_assert_ptr_nonnull(strstr(told.data, "time.precision.mode=isostring; decoding.interval is \"numeric\", the "
	                                        "connector has interval.handling.mode=string: values would be read"));
	problems = 0;
	lossless_check(json, NULL, FORMAT_WITH_SCHEMA, &config, take, NULL);
	ck_assert_int_eq(problems, 0);
	json_decref(json);
	/* Bytes in hex are texts for the schema, too. */
	check("{" GOOD "," JSON "\"binary.handling.mode\":\"hex\"}", &config);
	ck_assert_int_eq(problems, 1);
	ck_assert_ptr_nonnull(
	    strstr(told.data, "decoding.binary is \"bytes\", the connector has binary.handling.mode=hex: "));
	check("{" GOOD ",\"value.converter\":\"io.confluent.connect.protobuf.ProtobufConverter\"}", &config);
	ck_assert_int_eq(problems, 1);
	ck_assert_ptr_nonnull(strstr(told.data, "whose events this program cannot read"));
	check("{" GOOD "," JSON "\"value.converter.schemas.enable\":\"false\",\"decimal.handling.mode\":\"precise\","
	      "\"money.fraction.digits\":\"3\"}",
	      &config);
	ck_assert_ptr_nonnull(strstr(told.data, "money.fraction.digits=3"));
}
END_TEST

static const struct {
	const char *settings;
	int problems;
	const char *text;
} changing[] = {
    {"\"event.processing.failure.handling.mode\":\"skip\"", 1,
     "changes that the connector cannot process are left out"},
    {"\"event.converting.failure.handling.mode\":\"skip\"", 0,
     "event.converting.failure.handling.mode=skip: a value that the connector cannot convert arrives as NULL"},
    {"\"snapshot.isolation.mode\":\"read_uncommitted\"", 0,
     "snapshot.isolation.mode=read_uncommitted: the tables of a snapshot can be read at different times"},
    {"\"snapshot.include.collection.list\":\"a.b\"", 0,
     "snapshot.include.collection.list=a.b: it reads only these tables in a snapshot"},
    {"\"post.processors\":\"mask\",\"mask.type\":\"com.acme.Masker\"", 0, "post.processors=mask: it changes events"},
    {"\"slot.stream.params\":\"origin=none\"", 0, "slot.stream.params=origin=none: it passes these parameters"},
    {"\"replica.identity.autoset.values\":\"a.b:NOTHING\"", 0,
     "replica.identity.autoset.values=a.b:NOTHING: it changes the replica identity of these tables"},
    {"\"field.name.adjustment.mode\":\"avro\"", 0, "field.name.adjustment.mode=avro: in JSON a column"},
    {"\"key.converter\":\"org.apache.kafka.connect.storage.StringConverter\"", 1,
     "key.converter=org.apache.kafka.connect.storage.StringConverter, whose keys this program cannot read"},
    {"\"producer.override.acks\":\"0\"", 1, "producer.override.acks=0: "},
    {"\"producer.override.acks\":\"1\"", 1, "producer.override.acks=1: "},
    {"\"producer.override.max.in.flight.requests.per.connection\":\"5\"", 1,
     "producer.override.max.in.flight.requests.per.connection=5: "},
    {"\"producer.override.enable.idempotence\":\"true\","
     "\"producer.override.max.in.flight.requests.per.connection\":\"2\"",
     1, "producer.override.max.in.flight.requests.per.connection=2: "},
    {"\"driver.options\":\"-c IntervalStyle=sql_standard\"", 1,
     "the connector has driver.options, which sets intervalstyle to sql_standard in its sessions"},
    {"\"driver.options\":\"--extra-float-digits=-2 -c statement_timeout=5s\"", 1,
     "the connector has driver.options, which sets extra_float_digits to -2 in its sessions"},
    {"\"database.options\":\"-cbytea_output=escape\"", 1, "database.options, which sets bytea_output to escape"},
    {"\"driver.options\":\"-c lc_monetary=de_DE\"", 1, "driver.options, which sets lc_monetary to de_DE"},
    {"\"driver.options\":\"-c search_path=shop\"", 0,
     "driver.options, which sets search_path in its sessions: whether"},
    {"\"database.initial.statements\":\"SET LOCAL application_name TO 'a;;b'; set intervalstyle to 'iso_8601'\"", 1,
     "database.initial.statements, which sets intervalstyle to iso_8601 in the sessions of its snapshots"},
    {"\"database.initial.statements\":\"SELECT secret('CzQM')\"", 0,
     "the connector has database.initial.statements, which runs other statements than SET"},
    {"\"snapshot.query.mode\":\"custom\",\"snapshot.query.mode.custom.name\":\"half\"", 0,
     "snapshot.query.mode.custom.name=half: it reads the rows of a snapshot by queries of its own"},
    {"\"transaction.metadata.factory\":\"com.acme.Transactions\"", 0,
     "transaction.metadata.factory=com.acme.Transactions: it writes transaction boundaries of its own"},
    {"\"sourceinfo.struct.maker\":\"com.acme.Source\"", 0,
     "sourceinfo.struct.maker=com.acme.Source: it writes positions"},
    {"\"errors.tolerance\":\"all\"", 1, "errors.tolerance=all: events that the converter or a transform"},
    {"\"slot.drop.on.stop\":\"true\"", 1, "the slot is dropped whenever the connector stops"},
    {"\"column.truncate.to.20.chars\":\"a.b.c\"", 0, "column.truncate.to.20.chars=a.b.c: it cuts these columns"},
    {"\"column.mask.hash.SHA-256.with.salt.CzQMA0cB5K\":\"a.b.c\"", 0,
     "column.mask.hash.SHA-256.with.salt=a.b.c: it masks these columns"},
    {"\"column.exclude.list\":\"a.b.c\"", 0, "column.exclude.list=a.b.c: it leaves these columns out"},
    {"\"converters\":\"mine\"", 0, "converters=mine: it writes values with converters of its own"},
    {"\"transforms\":\"a, f\",\"transforms.f.type\":\"org.apache.kafka.connect.transforms.Filter\"", 1,
     "the transform f (org.apache.kafka.connect.transforms.Filter) leaves events out: the stream stops"},
    {"\"transforms\":\"f\",\"transforms.f.type\":\"io.debezium.transforms.Filter\"", 1, "leaves events out"},
    {"\"transforms\":\"m\",\"transforms.m.type\":\"org.apache.kafka.connect.transforms.MaskField$Value\"", 0,
     "the transform m (org.apache.kafka.connect.transforms.MaskField$Value) is not known to this program"},
    {"\"transforms\":\"r\",\"transforms.r.type\":\"io.debezium.transforms.ByLogicalTableRouter\"", 1,
     "set its key.enforce.uniqueness=false"},
    {"\"topic.prefix\":\"p\",\"topic.creation.default.partitions\":\"4\"", 0,
     "topic.creation.default.partitions=4, also for the transaction topic p.transaction"},
    {"\"topic.prefix\":\"p\",\"topic.creation.groups\":\"x,big\",\"topic.creation.x.include\":\"p\\\\.public.*\","
     "\"topic.creation.x.partitions\":\"9\",\"topic.creation.big.include\":\"q.*,p\\\\..*\",\"topic.creation.big."
     "partitions\":"
     "\"3\",\"topic.creation.default.partitions\":\"1\"",
     0, "topic.creation.big.partitions=3, also for"},
    {"\"topic.prefix\":\"p\",\"topic.creation.groups\":\"tx\",\"topic.creation.tx.include\":\"p\\\\.transaction\","
     "\"topic.creation.default.partitions\":\"3\"",
     0, "topic.creation.default.partitions=3, also for"},
    /* These are right. */
    {"\"driver.options\":\"-c IntervalStyle=postgres -c extra_float_digits=3 -c statement_timeout=0\"", 0, NULL},
    {"\"database.initial.statements\":\"SET intervalstyle = postgres;;SET lc_monetary = 'C'; \"", 0, NULL},
    {"\"producer.override.acks\":\"-1\",\"producer.override.max.in.flight.requests.per.connection\":\"1\"", 0, NULL},
    {"\"replica.identity.autoset.values\":\"a.b:FULL\"", 0, NULL},
    {"\"transaction.metadata.factory\":\"io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory\"", 0, NULL},
    {"\"key.converter\":\"org.apache.kafka.connect.json.JsonConverter\"", 0, NULL},
    {"\"snapshot.isolation.mode\":\"repeatable_read\"", 0, NULL},
    {"\"topic.prefix\":\"p\",\"topic.creation.groups\":\"big\",\"topic.creation.big.include\":\"p\\\\.public.*\","
     "\"topic.creation.big.partitions\":\"3\",\"topic.creation.default.partitions\":\"1\"",
     0, NULL},
    {"\"transforms\":\"r\",\"transforms.r.type\":\"io.debezium.transforms.ByLogicalTableRouter\","
     "\"transforms.r.key.enforce.uniqueness\":\"false\"",
     0, NULL},
    {"\"transforms.f.type\":\"io.debezium.transforms.Filter\"", 0, NULL}, /* not in the list */
};

START_TEST(test_settings_that_leave_out_or_change)
{
	struct config config = ours();
	char *connector;

	for (size_t i = 0; i < sizeof(changing) / sizeof(*changing); i++) {
		connector = memory_format("{" GOOD "," JSON "%s}", changing[i].settings);
		check(connector, &config);
		free(connector);
		ck_assert_msg(problems == changing[i].problems, "%s: %d problems\n%s", changing[i].settings, problems,
		              told.data);
		if (changing[i].text == NULL)
			ck_assert_str_eq(told.data, "");
		else
			ck_assert_msg(strstr(told.data, changing[i].text) != NULL, "%s: %s", changing[i].settings,
			              told.data);
		ck_assert_ptr_null(strstr(told.data, "CzQM"));
	}
}
END_TEST

/* NaN in an array of numeric, for example: without "fail" only the connector's log shows it. */
START_TEST(test_values_that_the_connector_cannot_convert)
{
	struct config config = ours();

	check("{}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "event.converting.failure.handling.mode=warn: a value that the "));
	ck_assert_ptr_nonnull(strstr(told.data, "set event.converting.failure.handling.mode=fail"));
}
END_TEST

/* Names are no proof of another database, so these are warnings. */
START_TEST(test_connector_of_another_source)
{
	struct config config = ours();
	static const char *topics[] = {"shop.transaction"};

	config.kafka.topic_prefix = "shop";
	config.source.dsn = "host=db.example port=5433 dbname=shop user=u";
	config.connect.connector = "c";
	check_stream("{\"database.hostname\":\"DB.example\",\"database.port\":\"5433\",\"database.dbname\":\"shop\"}",
	             &config);
	ck_assert_str_eq(told.data, "");
	check_stream("{\"database.hostname\":\"other.example\",\"database.dbname\":\"billing\"}", &config);
	ck_assert_int_eq(problems, 0);
	ck_assert_ptr_nonnull(strstr(told.data, "database.hostname=other.example, database.port=5432, "
	                                        "database.dbname=billing, and source.dsn has host=db.example, "
	                                        "port=5433, dbname=shop"));
	check_stream(
	    "{\"database.hostname\":\"${file:h}\",\"database.port\":\"${env:P}\",\"database.dbname\":\"shop\"}",
	    &config);
	ck_assert_str_eq(told.data, "");
	config.source.dsn = "service=shop";
	check_stream("{\"database.hostname\":\"h\",\"database.dbname\":\"shop\"}", &config);
	ck_assert_str_eq(told.data, "");
	/* kafka.topics may have the names of a router, so another prefix is no proof either. */
	config.kafka.topics = topics;
	config.kafka.topic_count = 1;
	check_names("{\"topic.prefix\":\"billing\"}", &config);
	ck_assert_int_eq(problems, 0);
	ck_assert_ptr_nonnull(strstr(told.data, "the connector has topic.prefix=billing, but kafka.topic_prefix is "
	                                        "\"shop\""));
}
END_TEST

START_TEST(test_transaction_topic_of_another_name)
{
	struct config config = ours();

	config.stream.transactions = TRANSACTIONS_ON;
	config.kafka.topic_prefix = "shop";
	check_names("{\"topic.prefix\":\"shop\",\"topic.transaction\":\"tx\"}", &config);
	ck_assert_int_eq(problems, 1);
	ck_assert_ptr_nonnull(strstr(told.data,
	                             "topic.transaction=tx: its transaction topic is shop.tx, but this stream "
	                             "reads shop.transaction; set kafka.transaction_topic = \"shop.tx\""));
	config.kafka.transaction_topic = "shop.tx";
	check_names("{\"topic.prefix\":\"shop\",\"topic.transaction\":\"tx\"}", &config);
	ck_assert_str_eq(told.data, "");
	check_names("{\"topic.prefix\":\"shop\"}", &config);
	ck_assert_int_eq(problems, 1);
	ck_assert_ptr_nonnull(
	    strstr(told.data, "its transaction topic is shop.transaction, but this stream reads shop.tx"));
	config.stream.transactions = TRANSACTIONS_OFF;
	check_names("{\"topic.prefix\":\"shop\"}", &config);
	ck_assert_str_eq(told.data, "");
}
END_TEST

START_TEST(test_two_sides_disagree)
{
	struct config config = ours();

	config.decoding.modes.time = TIME_MODE_ADAPTIVE;
	check("{" GOOD ",\"unavailable.value.placeholder\":\"gone\",\"value.converter\":\"org.apache.kafka.connect."
	      "json.JsonConverter\","
	      "\"value.converter.schemas.enable\":\"false\"}",
	      &config);
	ck_assert_ptr_nonnull(
	    strstr(told.data, "decoding.time is \"adaptive\", the connector has time.precision.mode=isostring: "));
	ck_assert_ptr_nonnull(strstr(told.data, "unavailable_placeholder"));
	ck_assert_int_eq(problems, 2);
	/* With a schema the events say it themselves. */
	check("{" GOOD ",\"value.converter\":\"org.apache.kafka.connect.json.JsonConverter\"}", &config);
	ck_assert_str_eq(told.data, "");
}
END_TEST

START_TEST(placeholders_in_hex)
{
	struct config config = ours();

	config.decoding.unavailable_placeholder = "gone";
	check("{" GOOD ",\"unavailable.value.placeholder\":\"hex:676F6e65\"}", &config);
	ck_assert_ptr_null(strstr(told.data, "unavailable"));
	check("{" GOOD ",\"unavailable.value.placeholder\":\"hex:676f6e66\"}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "is not decoding.unavailable_placeholder"));
	check("{" GOOD ",\"unavailable.value.placeholder\":\"hex:ff\"}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "unavailable.value.placeholder=hex:ff: its bytes are not a text"));
	ck_assert_int_eq(problems, 1);
}
END_TEST

START_TEST(logical_messages_that_are_not_read)
{
	static const char *topics[] = {"p.transaction", "^p\\.public\\..*", "p.message"};
	struct config config = ours();

	config.stream.transactions = TRANSACTIONS_ON;
	check("{" JSON GOOD ",\"topic.prefix\":\"p\",\"message.prefix.exclude.list\":\"audit\"}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "message.prefix.exclude.list"));
	check("{" JSON GOOD ",\"snapshot.max.threads\":\"4\"}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "snapshot.max.threads=1"));
	config.kafka.topics = topics;
	config.kafka.topic_count = 2;
	check("{" JSON GOOD ",\"topic.prefix\":\"p\"}", &config);
	ck_assert_ptr_nonnull(strstr(told.data, "kafka.topics does not have p.message"));
	config.kafka.topic_count = 3;
	check("{" JSON GOOD ",\"topic.prefix\":\"p\"}", &config);
	ck_assert_str_eq(told.data, "");
	ck_assert_int_eq(problems, 0);
}
END_TEST

static void expect_text(const char *trace, const char *expected)
{
	char *text = exception_text(trace);

	if (expected == NULL)
		ck_assert_ptr_null(text);
	else
		ck_assert_str_eq(text, expected);
	free(text);
}

#define HIDDEN " (message not shown: it may hold values of rows)"

START_TEST(exceptions_without_values)
{
	expect_text(NULL, NULL);
	expect_text("", NULL);
	expect_text(
	    "java.lang.NumberFormatException: For input string: \"4111\"\n\tat java.base/java.lang.Long.parse(L:1)\n"
	    "\tat io.debezium.A.b(A.java:2)\n",
	    "java.lang.NumberFormatException" HIDDEN " at io.debezium.A.b");
	/* A message within a message, and a value that looks like the next line of the trace. */
	expect_text(
	    "io.debezium.DebeziumException: org.postgresql.util.PSQLException: ERROR: invalid input syntax for type "
	    "integer: \"x\nCaused by: secret\"",
	    "io.debezium.DebeziumException: org.postgresql.util.PSQLException" HIDDEN
	    "; Caused by: text not shown: it may hold values of rows");
	expect_text("secret: value", "text not shown: it may hold values of rows");
	expect_text("java.net.ConnectException: \x1b[2J\xc2\x9b", "java.net.ConnectException: \\x1b[2J\\u009b");
	/* What names only servers and objects is shown. */
	expect_text(
	    "io.debezium.DebeziumException: The connector is trying to read change stream starting at "
	    "PostgresOffsetContext [sourceInfoSchema=Schema{io.debezium.connector.postgresql.Source:STRUCT}, x=[1]], "
	    "but this is no longer available on the server.\n\tat io.debezium.A.b(A.java:2)\n",
	    "io.debezium.DebeziumException: The connector is trying to read change stream starting at "
	    "PostgresOffsetContext […], but this is no longer available on the server.");
	expect_text(
	    "org.apache.kafka.connect.errors.ConnectException: An exception occurred in the change event producer. "
	    "This connector will be stopped.\nCaused by: org.postgresql.util.PSQLException: FATAL: terminating "
	    "connection due to administrator command\n\t... 3 more",
	    "org.apache.kafka.connect.errors.ConnectException: An exception occurred in the change event producer. "
	    "This connector will be stopped.; Caused by: org.postgresql.util.PSQLException: FATAL: terminating "
	    "connection due to administrator command");
	expect_text("java.net.ConnectException: Connection refused", "java.net.ConnectException: Connection refused");
	expect_text("org.apache.kafka.common.errors.SerializationException: value 4111",
	            "org.apache.kafka.common.errors.SerializationException" HIDDEN);
	expect_text("java.lang.NullPointerException\n\tat a.b.C.d(C.java:1)", "java.lang.NullPointerException");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lossless");
	TCase *cases = tcase_create("lossless");
	SRunner *runner;
	int failed;

	tcase_add_test(cases, test_best_settings_are_silent);
	tcase_add_test(cases, names_of_topics_that_the_stream_does_not_read);
	tcase_add_test(cases, test_defaults_lose);
	tcase_add_test(cases, test_null_is_not_the_default);
	tcase_add_test(cases, test_generated_connector_is_lossless);
	tcase_add_test(cases, test_values_that_the_connector_cannot_convert);
	tcase_add_test(cases, test_connector_of_another_source);
	tcase_add_test(cases, test_transaction_topic_of_another_name);
	tcase_add_test(cases, test_two_sides_disagree);
	tcase_add_test(cases, logical_messages_that_are_not_read);
	tcase_add_test(cases, test_the_worker_s_converter);
	tcase_add_test(cases, test_settings_that_leave_out_or_change);
	tcase_add_test(cases, placeholders_in_hex);
	tcase_add_test(cases, fields_that_the_flattening_transform_adds);
	tcase_add_test(cases, exceptions_without_values);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	buffer_free(&told);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
