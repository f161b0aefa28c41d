/* format.c - see format.h */
#include "connect/format.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "connect/capture_list.h"
#include "connect/client.h"

#define WORKER_ANSWER_MS 10000

typedef void tell_function(void *context, bool problem, const char *text);

/* Our settings by which plain JSON is read, and the connector's by which it is written. Of an hstore the value shows it. */
static const struct {
	const char *ours;
	const char *name;
	const char *fallback;
	const char *words[7]; /* by the value of the enum */
} modes[] = {
    {"decoding.decimal", "decimal.handling.mode", "precise", {"precise", "double", "string"}},
    {"decoding.time",
     "time.precision.mode",
     "adaptive",
     {"adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"}},
    {"decoding.interval", "interval.handling.mode", "numeric", {"numeric", "string"}},
    {"decoding.binary", "binary.handling.mode", "bytes", {"bytes", "base64", "base64-url-safe", "hex"}},
};
#define MODE_COUNT (sizeof(modes) / sizeof(*modes))

/* `source_type.h` and Debezium: the scale of money. */
#define MONEY_DIGITS "2"

static bool is_avro(const char *converter)
{
	return strstr(converter, ".AvroConverter") != NULL;
}

static bool is_json(const char *converter)
{
	return strcmp(converter, "org.apache.kafka.connect.json.JsonConverter") == 0;
}

/* Of the answer of config/validate: {"configs": [{"value": {"name": …, "value": …}}, …]}. */
static const char *validated_value(const json_t *answer, const char *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(answer, "configs"), i, entry)
	{
		const json_t *value = json_object_get(entry, "value");
		const char *its_name = json_string_value(json_object_get(value, "name"));

		if (its_name != NULL && strcmp(its_name, name) == 0)
			return json_string_value(json_object_get(value, "value"));
	}
	return NULL;
}

char *format_read_worker(const struct config *config, const json_t *connector, tell_function *tell, void *context)
{
	const char *class = capture_setting(connector, "connector.class", NULL);
	json_t *question, *answer = NULL;
	struct buffer text = {0};
	struct error *error;
	const char *found;
	char *converter;

	if (class == NULL || capture_setting(connector, "value.converter", NULL) != NULL)
		return NULL;
	buffer_append_text(&text, "/connector-plugins/");
	connect_append_name(&text, class);
	buffer_append_text(&text, "/config/validate");
	/* Without the other settings: with them the plugin would try to reach the database. */
	question = json_pack("{s:s}", "connector.class", class);
	error = connect_call_once(config, "PUT", text.data, question, WORKER_ANSWER_MS, &answer);
	if (error != NULL) {
		buffer_reset(&text);
		buffer_append_format(&text, "the converter of the Connect worker was not read: %s", error->message);
		tell(context, false, text.data);
		error_free(error);
	}
	found = validated_value(answer, "value.converter");
	converter = found != NULL ? memory_copy_text(found) : NULL;
	json_decref(question);
	json_decref(answer);
	buffer_free(&text);
	return converter;
}

enum event_format format_of_connector(const json_t *connector, const char *worker_converter)
{
	const char *converter = capture_setting(connector, "value.converter", NULL);
	const char *schemas = capture_setting(connector, "value.converter.schemas.enable", "true");

	if (converter == NULL) /* of a worker's JSON nothing tells whether it has schemas */
		return worker_converter != NULL && is_avro(worker_converter) ? FORMAT_WITH_SCHEMA : FORMAT_UNKNOWN;
	return strstr(converter, "JsonConverter") != NULL && strcasecmp(schemas, "false") == 0 ? FORMAT_PLAIN_JSON
	                                                                                       : FORMAT_WITH_SCHEMA;
}

enum event_format format_of_message(struct slice value)
{
	static const char schema[] = "{\"schema\":";

	if (value.data == NULL || value.length == 0)
		return FORMAT_UNKNOWN;
	if (value.data[0] == '\0') /* Confluent's wire format */
		return FORMAT_WITH_SCHEMA;
	if (value.data[0] != '{')
		return FORMAT_UNKNOWN;
	return value.length > sizeof(schema) && memcmp(value.data, schema, sizeof(schema) - 1) == 0 ? FORMAT_WITH_SCHEMA
	                                                                                            : FORMAT_PLAIN_JSON;
}

static const char *ours_of(const struct wire_modes *ours, size_t mode)
{
	const unsigned values[MODE_COUNT] = {ours->decimal, ours->time, ours->interval, ours->binary};

	return modes[mode].words[values[mode]];
}

/* Of hex the schema does not tell either (decoding.binary in docs/configuration.md). */
static bool matters(size_t mode, enum event_format format, const char *ours, const char *theirs)
{
	const bool hex = strcmp(ours, "hex") == 0 || strcmp(theirs, "hex") == 0;

	return format != FORMAT_WITH_SCHEMA || (strcmp(modes[mode].ours, "decoding.binary") == 0 && hex);
}

/* What is not alike, as "decoding.time is "adaptive", the connector has time.precision.mode=connect"; "; " between. */
static void list_differences(const json_t *connector, enum event_format format, const struct wire_modes *ours,
                             struct buffer *list)
{
	for (size_t i = 0; i < MODE_COUNT; i++) {
		const char *theirs = capture_setting(connector, modes[i].name, modes[i].fallback);
		const char *mine = ours_of(ours, i);

		if (strcmp(theirs, mine) != 0 && matters(i, format, mine, theirs))
			buffer_append_format(list, "%s%s is \"%s\", the connector has %s=%s",
			                     list->length > 0 ? "; " : "", modes[i].ours, mine, modes[i].name, theirs);
	}
}

static void check_known(const json_t *connector, enum event_format format, const struct config *config,
                        tell_function *tell, void *context)
{
	const char *digits = capture_setting(connector, "money.fraction.digits", MONEY_DIGITS);
	struct buffer list = {0}, text = {0};

	list_differences(connector, format, &config->decoding.modes, &list);
	if (list.length > 0) {
		buffer_append_format(&text,
		                     "%s: values would be read as others; set the modes of decoding as the connector's",
		                     list.data);
		tell(context, true, text.data);
	}
	if (format == FORMAT_PLAIN_JSON && config->decoding.modes.decimal == DECIMAL_MODE_PRECISE &&
	    strcmp(digits, MONEY_DIGITS) != 0) {
		buffer_reset(&text);
		buffer_append_format(&text,
		                     "the connector writes plain JSON with decimal.handling.mode=precise and "
		                     "money.fraction.digits=%s: values of type money would be read with " MONEY_DIGITS
		                     " digits; set decimal.handling.mode=string and decoding.decimal = \"string\"",
		                     digits);
		tell(context, true, text.data);
	}
	buffer_free(&list);
	buffer_free(&text);
}

static void check_unknown(const json_t *connector, const char *worker_converter, const struct config *config,
                          tell_function *tell, void *context)
{
	struct buffer list = {0}, text = {0};

	list_differences(connector, FORMAT_PLAIN_JSON, &config->decoding.modes, &list);
	buffer_append_format(
	    &text,
	    "the connector has no value.converter, so that of the Connect worker applies (%s), and its "
	    "REST interface does not show whether the events have schemas. ",
	    worker_converter != NULL ? worker_converter : "which this worker does not tell");
	if (list.length > 0)
		buffer_append_format(&text, "If they have none, values would be read as others, because %s. ",
		                     list.data);
	else
		buffer_append_text(&text, "If they have none, decoding.decimal, decoding.time, decoding.interval and "
		                          "decoding.binary decide how values are read; they are as the connector's. ");
	buffer_append_text(&text, "Set value.converter and its settings in the connector");
	tell(context, false, text.data);
	buffer_free(&list);
	buffer_free(&text);
}

static void check_placeholder(const json_t *connector, const struct config *config, tell_function *tell, void *context)
{
	const char *setting = capture_setting(connector, "unavailable.value.placeholder", "");
	struct buffer theirs = {0}, ours = {0}, text = {0};
	const char *problem = config_read_placeholder(setting, &theirs);

	config_read_placeholder(config->decoding.unavailable_placeholder,
	                        &ours); /* the configuration was checked before */
	if (problem != NULL) {
		buffer_append_format(
		    &text,
		    "the connector has unavailable.value.placeholder=%s: %s; unchanged TOAST values would "
		    "be overwritten with it; remove the setting",
		    setting, problem);
		tell(context, true, text.data);
	} else if (theirs.length != ours.length || memcmp(theirs.data, ours.data, ours.length) != 0) {
		tell(context, true,
		     "the connector's unavailable.value.placeholder is not decoding.unavailable_placeholder: unchanged "
		     "TOAST values would be overwritten with it; set both alike");
	}
	buffer_free(&theirs);
	buffer_free(&ours);
	buffer_free(&text);
}

/* NULL becomes a column's default in a converter that was not told otherwise. */
static void check_null(const json_t *connector, tell_function *tell, void *context)
{
	const char *converter = capture_setting(connector, "value.converter", "");
	const char *replaces = capture_setting(connector, "value.converter.replace.null.with.default", "true");

	if (strcmp(converter, "io.apicurio.registry.utils.converter.AvroConverter") == 0)
		tell(context, false,
		     "Apicurio's AvroConverter sends a column's default in the place of NULL, and nothing turns that "
		     "off; "
		     "where columns that may be NULL have defaults, take JSON with "
		     "value.converter.replace.null.with.default=false, or drop those defaults at the source");
	if (strcmp(converter, "io.confluent.connect.avro.AvroConverter") == 0 &&
	    strcmp(capture_setting(connector, "value.converter.ignore.default.for.nullables", "false"), "true") != 0)
		tell(context, true,
		     "NULL in a column that has a default arrives as that default; set "
		     "value.converter.ignore.default.for.nullables=true");
	if (strstr(converter, "JsonConverter") != NULL && strcasecmp(replaces, "false") != 0)
		tell(context, true,
		     "NULL in a column that has a default arrives as that default, and so do columns that were added "
		     "later, "
		     "in older rows; set value.converter.replace.null.with.default=false");
	if (converter[0] == '\0')
		tell(
		    context, false,
		    "the connector has no value.converter: with the worker's, NULL in a column that has a default may "
		    "arrive as that default; set value.converter, and value.converter.replace.null.with.default=false");
}

static void check_converter(const json_t *connector, const char *worker_converter, tell_function *tell, void *context)
{
	const char *own = capture_setting(connector, "value.converter", NULL);
	const char *converter = own != NULL ? own : worker_converter;
	struct buffer text = {0};

	if (converter == NULL || is_json(converter) || is_avro(converter))
		return;
	buffer_append_format(&text,
	                     "%s%s, whose events this program cannot read; set "
	                     "org.apache.kafka.connect.json.JsonConverter or an AvroConverter in the connector",
	                     own != NULL ? "the connector has value.converter="
	                                 : "the connector has no value.converter, and its Connect worker has ",
	                     converter);
	tell(context, true, text.data);
	buffer_free(&text);
}

/* Of a key the names of its fields count. */
static void check_key_converter(const json_t *connector, tell_function *tell, void *context)
{
	const char *converter = capture_setting(connector, "key.converter", NULL);
	struct buffer text = {0};

	if (converter == NULL || is_json(converter) || is_avro(converter))
		return;
	buffer_append_format(
	    &text,
	    "the connector has key.converter=%s, whose keys this program cannot read: the stream stops at "
	    "the first event; set org.apache.kafka.connect.json.JsonConverter or an AvroConverter",
	    converter);
	tell(context, true, text.data);
	buffer_free(&text);
}

/* The names of columns are found in Avro only (event/adjusted_name.h). */
static void check_names(const json_t *connector, tell_function *tell, void *context)
{
	const char *mode = capture_setting(connector, "field.name.adjustment.mode", "none");
	struct buffer text = {0};

	if (strcmp(mode, "none") == 0 || !is_json(capture_setting(connector, "value.converter", "")))
		return;
	buffer_append_format(
	    &text,
	    "the connector has field.name.adjustment.mode=%s: in JSON a column whose name has other "
	    "characters than letters, digits and underscores arrives under another name, and is taken for "
	    "another column; set field.name.adjustment.mode=none",
	    mode);
	tell(context, false, text.data);
	buffer_free(&text);
}

void format_check(const json_t *connector, const char *worker_converter, enum event_format format,
                  const struct config *config, void (*tell)(void *context, bool problem, const char *text),
                  void *context)
{
	if (format == FORMAT_UNKNOWN)
		check_unknown(connector, worker_converter, config, tell, context);
	else
		check_known(connector, format, config, tell, context);
	check_converter(connector, worker_converter, tell, context);
	check_key_converter(connector, tell, context);
	check_names(connector, tell, context);
	check_placeholder(connector, config, tell, context);
	check_null(connector, tell, context);
}
