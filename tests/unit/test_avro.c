/*
 * test_avro.c - Avro's binary encoding, schemas from a registry, names that were rewritten, and damaged messages.
 */
#include "event/adjusted_name.h"
#include "event/avro.h"
#include "event/schema_registry.h"

#include "decoding.h"
#include "http_server.h"

#include "base/memory.h"
#include "base/signals.h"

#include <check.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- values ---- */

static const struct {
	const char *schema;
	const char *data;
	size_t length;
	const char *json; /* NULL: a problem, whose text holds `problem` */
	const char *problem;
} values[] = {
#define V(schema, data, json)                                                                                          \
	{                                                                                                              \
		schema, data, sizeof(data) - 1, json, NULL                                                             \
	}
#define P(schema, data, problem)                                                                                       \
	{                                                                                                              \
		schema, data, sizeof(data) - 1, NULL, problem                                                          \
	}
    V("\"null\"", "", "null"),
    V("\"boolean\"", "\1", "true"),
    V("\"boolean\"", "\0", "false"),
    V("\"int\"", "\xff\xff\xff\xff\x0f", "-2147483648"),
    V("\"int\"", "\xfe\xff\xff\xff\x0f", "2147483647"),
    V("\"long\"", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", "-9223372036854775808"),
    V("\"long\"", "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1", "9223372036854775807"),
    V("\"long\"", "\0", "0"),
    V("\"float\"", "\0\0\xc0\x3f", "1.5"),
    V("\"float\"", "\0\0\xc0\x7f", "\"NaN\""),
    V("\"double\"", "\x9a\x99\x99\x99\x99\x99\xb9\x3f", "0.10000000000000001"),
    V("\"double\"", "\0\0\0\0\0\0\xf0\xff", "\"-Infinity\""),
    V("\"bytes\"", "\6\0\xff\x10", "\"AP8Q\""),
    V("\"bytes\"", "\0", "\"\""),
    V("\"string\"",
      "\x10"
      "a\"\\\n\1\xc3\xa4z",
      "\"a\\\"\\\\\\n\\u0001\xc3\xa4z\""),
    V("{\"type\":\"fixed\",\"name\":\"f\",\"size\":2}", "\1\2", "\"AQI=\""),
    V("{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[\"A\",\"B\"]}", "\2", "\"B\""),
    V("{\"type\":\"array\",\"items\":[\"null\",\"int\"]}", "\4\0\2\2\0", "[null,1]"),
    V("{\"type\":\"array\",\"items\":\"int\"}", "\3\4\2\4\2\6\0", "[1,2,3]"),
    V("{\"type\":\"array\",\"items\":\"int\"}", "\0", "[]"),
    V("{\"type\":\"map\",\"values\":\"int\"}", "\4\2a\2\2b\4\0", "{\"a\":1,\"b\":2}"),
    V("{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"MapEntry\",\"fields\":[{\"name\":\"key\",\"type\":"
      "[\"null\",\"string\"]},{\"name\":\"value\",\"type\":[\"null\",\"string\"]}]}}",
      "\4\2\2a\2\2b\2\2c\0\0", "{\"a\":\"b\",\"c\":null}"),
    V("{\"type\":\"record\",\"name\":\"a.b.R\",\"fields\":[{\"name\":\"x\",\"type\":{\"type\":\"record\",\"name\":"
      "\"V\","
      "\"fields\":[{\"name\":\"i\",\"type\":\"int\"}]}},{\"name\":\"y\",\"type\":\"V\"},{\"name\":\"z\",\"type\":\"a.b."
      "V\"}]}",
      "\2\4\6", "{\"x\":{\"i\":1},\"y\":{\"i\":2},\"z\":{\"i\":3}}"),
    P("\"boolean\"", "\2", "no boolean"),
    P("\"boolean\"", "", "end too early"),
    P("\"int\"", "\x80\x80\x80\x80\x10", "more than 32 bits"),
    P("\"long\"", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\2", "more than 64 bits"),
    P("\"long\"", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1", "more than 64 bits"),
    P("\"long\"", "\x80", "end too early"),
    P("\"double\"", "\0\0\0", "end too early"),
    P("\"string\"",
      "\x10"
      "abc",
      "end too early"),
    P("\"string\"", "\1", "end too early"),
    P("\"bytes\"", "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1", "end too early"),
    P("[\"null\",\"int\"]", "\4", "does not fit"),
    P("[\"null\",\"int\"]", "\1", "does not fit"),
    P("{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[\"A\"]}", "\2", "does not fit"),
    P("{\"type\":\"array\",\"items\":\"null\"}", "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1", "end too early"),
    P("{\"type\":\"array\",\"items\":\"int\"}", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0", "end too early"),
    P("{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"key\",\"type\":"
      "\"int\"},"
      "{\"name\":\"value\",\"type\":\"int\"}]}}",
      "\2\2\2\0", "no string"),
    P("{\"type\":\"fixed\",\"name\":\"f\",\"size\":2}", "\1", "end too early"),
    P("\"int\"", "\2\2", "more bytes"),
    P("{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"r\",\"type\":\"R\"}]}", "", "nested too deeply"),
};

START_TEST(test_values)
{
	const char *problem;
	struct avro_schema *schema = avro_schema_parse(slice_from(values[_i].schema), &problem);
	struct buffer json = {0};
	struct avro_reader reader;
	bool good;

	ck_assert_msg(schema != NULL, "%s: %s", values[_i].schema, problem);
	good =
	    avro_to_json(&reader, avro_schema_root(schema), (struct slice){values[_i].data, values[_i].length}, &json);
	ck_assert_msg(good == (values[_i].json != NULL), "%s: %s", values[_i].schema,
	              good ? json.data : reader.problem);
	if (good)
		ck_assert_str_eq(json.data, values[_i].json);
	else
		ck_assert_msg(strstr(reader.problem, values[_i].problem) != NULL, "%s", reader.problem);
	buffer_free(&json);
	avro_schema_free(schema);
}
END_TEST

static const char *const bad_schemas[] = {
    "",
    "{",
    "{}",
    "17",
    "\"strange\"",
    "{\"type\":\"record\",\"name\":\"R\"}",
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"type\":\"int\"}]}",
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\"}]}",
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"a\",\"type\":"
    "\"int\"}]}",
    "{\"type\":\"fixed\",\"name\":\"f\"}",
    "{\"type\":\"fixed\",\"name\":\"f\",\"size\":-1}",
    "{\"type\":\"array\"}",
    "{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[1]}",
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":{\"type\":\"bytes\",\"logicalType\":"
    "\"decimal\"}}]}",
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"key\",\"type\":{\"type\":\"array\",\"items\":\"S\"}}]"
    "}",
};

START_TEST(test_bad_schemas)
{
	const char *problem = NULL;

	ck_assert_ptr_null(avro_schema_parse(slice_from(bad_schemas[_i]), &problem));
	ck_assert_ptr_nonnull(problem);
}
END_TEST

START_TEST(test_columns)
{
	const char *problem;
	struct avro_schema *schema = avro_schema_parse(
	    slice_from("{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"after\",\"type\":[\"null\",{"
	               "\"type\":\"record\","
	               "\"name\":\"V\",\"fields\":[{\"name\":\"n\",\"type\":[\"null\",{\"type\":\"bytes\",\"scale\":2,"
	               "\"precision\":9,\"logicalType\":\"decimal\",\"connect.name\":\"org.apache.kafka.connect.data."
	               "Decimal\","
	               "\"connect.parameters\":{\"scale\":\"2\"}}]},{\"name\":\"d\",\"type\":{\"type\":\"int\","
	               "\"connect.name\":"
	               "\"io.debezium.time.Date\"}},{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":[\"null\","
	               "\"long\"]}},"
	               "{\"name\":\"u\",\"type\":[\"int\",\"string\"]},{\"name\":\"b\",\"type\":{\"type\":\"bytes\","
	               "\"connect.name\":\"io.debezium.data.Bits\",\"connect.parameters\":{\"length\":\"12\"}}}]}]}]}"),
	    &problem);
	const struct shape *row;

	ck_assert_msg(schema != NULL, "%s", problem);
	row = avro_schema_row(schema);
	ck_assert_uint_eq(row->count, 5);
	ck_assert(row->typed && row->adjusted);
	ck_assert_int_eq(row->columns[0].encoding, ENCODING_DECIMAL);
	ck_assert_int_eq(row->columns[0].scale, 2);
	ck_assert(row->columns[0].optional);
	ck_assert_int_eq(row->columns[1].encoding, ENCODING_DATE_DAYS);
	ck_assert_int_eq(row->columns[2].encoding, ENCODING_ARRAY);
	ck_assert_int_eq(row->columns[2].element->encoding, ENCODING_NUMBER);
	ck_assert_int_eq(row->columns[3].encoding, ENCODING_UNKNOWN);
	ck_assert_int_eq(row->columns[4].encoding, ENCODING_BITS);
	ck_assert_int_eq(row->columns[4].length, 12);
	avro_schema_free(schema);
}
END_TEST

START_TEST(test_adjusted_names)
{
	static const struct {
		const char *adjusted;
		const char *name;
		bool same;
	} names[] = {
	    {"id", "id", true},
	    {"na_me", "na me", true},
	    {"_n_code", "ünïcode", true},
	    {"_1st", "1st", true},
	    {"_st", "1st", true},
	    {"_u00fcn_u00efcode", "ünïcode", true},
	    {"a_u005fb", "a_b", true},
	    {"a_b", "a_b", true},
	    {"__x", "🦆x", true},
	    {"_ud83e_udd86", "🦆", true},
	    {"na_me", "name", false},
	    {"na_me", "na me ", false},
	    {"na_me_", "na me", false},
	    {"Id", "id", false},
	    {"", "a", false},
	    {"_", "", false},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_msg(adjusted_name_matches(names[i].adjusted, names[i].name) == names[i].same, "%s, %s",
		              names[i].adjusted, names[i].name);
	ck_assert(adjusted_name_matches_pattern("e_mail", "e-*"));
	ck_assert(adjusted_name_matches_pattern("e_u002dmail", "*-m*l"));
	ck_assert(adjusted_name_matches_pattern("card_no", "card *"));
	ck_assert(adjusted_name_matches_pattern("_1st", "1*"));
	ck_assert(!adjusted_name_matches_pattern("e_mail", "e-*x"));
	ck_assert(!adjusted_name_matches_pattern("email", "e-*"));
	ck_assert(!adjusted_name_matches("e_mail", "e-*"));
}
END_TEST

/* ---- the registry ---- */

static atomic_int requests;

static int answer(const char *request, struct buffer *body, void *context)
{
	(void)context;
	atomic_fetch_add(&requests, 1);
	if (strstr(request, "Basic YW5uOnB3") == NULL) /* ann:pw */
		return 401;
	if (strstr(request, "GET /apis/registry/v2/ids/contentIds/12 ") == request)
		buffer_append_text(body, "\"int\"");
	else if (strstr(request, "GET /ccompat/schemas/ids/7 ") == request)
		buffer_append_text(body, "{\"schema\":\"\\\"int\\\"\",\"schemaType\":\"AVRO\"}");
	else if (strstr(request, "/ids/8 ") != NULL)
		buffer_append_text(body, "{\"schema\":\"syntax = 3\",\"schemaType\":\"PROTOBUF\"}");
	else if (strstr(request, "/ids/9 ") != NULL)
		buffer_append_text(body, "{\"schema\":\"\\\"strange\\\"\"}");
	else if (strstr(request, "/ids/10 ") != NULL)
		buffer_append_text(body, "<html>");
	else if (strstr(request, "/ids/11 ") != NULL) {
		if (atomic_load(&requests) < 3) /* away twice, once without an answer */
			return atomic_load(&requests) == 1 ? 503 : 0;
		buffer_append_text(body, "{\"schema\":\"\\\"long\\\"\"}");
	} else
		return 404;
	return 200;
}

static struct http_server *server;
static struct schema_registry *registry;
static char *url;

static void setup(void)
{
	struct schema_registry_options options = {.user = "ann", .password = "pw"};

	atomic_store(&requests, 0);
	server = http_server_start(0, answer, NULL);
	url = memory_format("http://127.0.0.1:%d/ccompat/", http_server_port(server));
	options.url = url;
	registry = schema_registry_new(&options);
}

static void teardown(void)
{
	schema_registry_free(registry);
	http_server_stop(server);
	free(url);
}

START_TEST(test_registry_of_apicurio)
{
	struct schema_registry_options options = {.user = "ann", .password = "pw"};
	const struct avro_schema *schema = NULL;
	struct schema_registry *own;
	char *address = memory_format("http://127.0.0.1:%d/apis/registry/v2", http_server_port(server));
	struct error *error;

	options.url = address;
	own = schema_registry_new(&options);
	ck_assert_ptr_null(schema_registry_find(own, 12, &schema));
	ck_assert_ptr_nonnull(schema);
	error = schema_registry_find(own, 13, &schema);
	ck_assert_ptr_nonnull(strstr(error->message, "does not know schema id 13"));
	error_free(error);
	schema_registry_free(own);
	free(address);
}
END_TEST

static void expect_error(uint32_t id, enum error_class class, const char *text)
{
	const struct avro_schema *schema;
	struct error *error = schema_registry_find(registry, id, &schema);

	ck_assert_ptr_nonnull(error);
	ck_assert_msg(error->class == class && strstr(error->message, text) != NULL, "%s", error->message);
	error_free(error);
}

START_TEST(test_registry_answers)
{
	const struct avro_schema *schema;
	const struct avro_schema *again;

	ck_assert_ptr_null(schema_registry_find(registry, 7, &schema));
	ck_assert_int_eq(avro_schema_root(schema)->kind, AVRO_INT);
	ck_assert_ptr_null(schema_registry_find(registry, 7, &again));
	ck_assert_ptr_eq(schema, again);
	ck_assert_int_eq(atomic_load(&requests), 1);
	expect_error(8, ERROR_EVENT, "no Avro schema");
	expect_error(9, ERROR_EVENT, "does not contain");
	expect_error(10, ERROR_EVENT, "registry.url");
	expect_error(12, ERROR_EVENT, "does not know schema id 12");
}
END_TEST

START_TEST(test_registry_is_waited_for)
{
	const struct avro_schema *schema;

	ck_assert_ptr_null(schema_registry_find(registry, 11, &schema));
	ck_assert_int_eq(avro_schema_root(schema)->kind, AVRO_LONG);
	ck_assert_int_eq(atomic_load(&requests), 3);
}
END_TEST

START_TEST(test_registry_refuses)
{
	struct schema_registry_options options = {.url = url, .user = "eve", .password = "pw"};

	schema_registry_free(registry);
	registry = schema_registry_new(&options);
	expect_error(7, ERROR_AUTHENTICATION, "registry.user");
}
END_TEST

START_TEST(test_registry_away_and_a_stop)
{
	struct schema_registry_options options = {.url = "http://127.0.0.1:9"};

	schema_registry_free(registry);
	registry = schema_registry_new(&options);
	signals_request_stop();
	expect_error(7, ERROR_INTERRUPTED, "stop");
}
END_TEST

/* ---- messages ---- */

#define ENVELOPE                                                                                                       \
	"{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"after\",\"type\":{\"type\":\"record\",\"name\":"  \
	"\"V\","                                                                                                       \
	"\"fields\":[{\"name\":\"id\",\"type\":\"int\"},{\"name\":\"t\",\"type\":\"string\"}]}},{\"name\":\"source\"," \
	"\"type\":"                                                                                                    \
	"{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"schema\",\"type\":\"string\"},{\"name\":"         \
	"\"table\",\"type\":"                                                                                          \
	"\"string\"}]}},{\"name\":\"op\",\"type\":\"string\"}]}"
#define HEAD "\0\0\0\0\1"
#define GOOD HEAD "\2\4hi\2s\2t\2c"

static const struct {
	const char *data;
	size_t length;
	const char *text; /* of the error; NULL: it is decoded */
} messages[] = {
#define M(data, text)                                                                                                  \
	{                                                                                                              \
		data, sizeof(data) - 1, text                                                                           \
	}
    M(GOOD, NULL),
    M(HEAD, "t[0]@5: field after.id: the Avro data end too early"),
    M(HEAD "\2\4h", "t[0]@5: field after.t: the Avro data end too early"),
    M(HEAD "\2\4hi\2s\2t\2c\0", "t[0]@5: field value: more bytes than the schema tells of"),
    M(HEAD "\2\4h\xff\2s\2t\2c", "t[0]@5: field after.t: "),
    M(HEAD "\2\4h\0\2s\2t\2c", "t[0]@5: field after.t: "),
    M(HEAD "\2\4hi\2s\2t\2x", "t[0]@5: field op: an operation that this program does not know"),
    M("\0\0\0\0\2\2", "t[0]@5, value: the message is in Confluent's wire format (Avro, schema id 2); set registry.url"),
    M("\0\0\0\0", "t[0]@5"),
    M("\1\0\0\0\1\2\4hi\2s\2t\2c", "t[0]@5"),
};

START_TEST(test_messages)
{
	const struct raw_message message = {.topic = "t",
	                                    .offset = 5,
	                                    .value = {messages[_i].data, messages[_i].length}};
	struct decoded decoded;
	struct error *error;

	ck_assert(schema_registry_add(decoder_registry(decoder), 1, slice_from(ENVELOPE)));
	error = decoder_decode(decoder, &message, &writer, &decoded);
	if (messages[_i].text == NULL) {
		ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
		ck_assert_int_eq(decoded.change->operation, CHANGE_INSERT);
		ck_assert_mem_eq(decoded.change->after[1].data, "hi", 2);
		change_release(decoded.change);
	} else {
		ck_assert_ptr_nonnull(error);
		ck_assert_msg(strncmp(error->message, messages[_i].text, strlen(messages[_i].text)) == 0, "%s",
		              error->message);
		error_free(error);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("avro");
	TCase *cases = tcase_create("avro");
	TCase *decoding = tcase_create("messages");
	TCase *answers = tcase_create("registry");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(cases, test_values, 0, sizeof(values) / sizeof(values[0]));
	tcase_add_loop_test(cases, test_bad_schemas, 0, sizeof(bad_schemas) / sizeof(bad_schemas[0]));
	tcase_add_test(cases, test_columns);
	tcase_add_test(cases, test_adjusted_names);
	suite_add_tcase(suite, cases);
	tcase_add_checked_fixture(decoding, decoding_setup, decoding_teardown);
	tcase_add_loop_test(decoding, test_messages, 0, sizeof(messages) / sizeof(messages[0]));
	suite_add_tcase(suite, decoding);
	tcase_add_checked_fixture(answers, setup, teardown);
	tcase_set_timeout(answers, 30);
	tcase_add_test(answers, test_registry_answers);
	tcase_add_test(answers, test_registry_of_apicurio);
	tcase_add_test(answers, test_registry_is_waited_for);
	tcase_add_test(answers, test_registry_refuses);
	tcase_add_test(answers, test_registry_away_and_a_stop);
	suite_add_tcase(suite, answers);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
