/* lossless.c - see lossless.h */
#include "connect/lossless.h"

#include <string.h>

#include "base/buffer.h"
#include "stream/topic_filter.h"

static const char *const only_true[] = {"true", NULL};
static const char *const only_string[] = {"string", NULL};
static const char *const only_false[] = {"false", NULL};
static const char *const only_none[] = {"none", "", NULL};
static const char *const whole_times[] = {"isostring", "adaptive", "adaptive_time_microseconds", "microseconds", NULL};
static const char *const only_bytes[] = {"bytes", NULL};
static const char *const hstores[] = {"json", "map", NULL};
static const char *const snapshots[] = {"initial", "always", "initial_only", "when_needed", NULL};

/* Of JsonConverter; check_null looks at the others. */
static const char replace_null[] = "value.converter.replace.null.with.default";
static const char unwrap[] = "io.debezium.transforms.ExtractNewRecordState";

const struct lossless_setting lossless_settings[] = {
    {"provide.transaction.metadata", "true", "false", only_true,
     "events come without their transactions: readers of the target can see parts of a transaction, and transactions = "
     "\"on\" cannot work",
     true},
    {"skipped.operations", "none", "t", only_none, "the operations named there never arrive (t: TRUNCATE)", true},
    {"decimal.handling.mode", "string", "precise", only_string,
     "precise sends NULL for NaN and the infinities of numeric; double rounds numeric and money, and values that no "
     "longer fit stop the stream",
     false},
    {"time.precision.mode", "isostring", "adaptive", whole_times,
     "connect cuts times and timestamps to milliseconds; nanoseconds overflows outside of the years 1677 to 2262",
     false},
    {"interval.handling.mode", "string", "numeric", only_string,
     "numeric makes months and days an average number of microseconds", false},
    {"binary.handling.mode", "bytes", "bytes", only_bytes,
     "an unchanged TOASTed bytea[] arrives as NULL and overwrites the value; with base64 and base64-url-safe bytea "
     "does too",
     false},
    {"hstore.handling.mode", "json", "json", hstores, "an unknown mode", false},
    {"include.unknown.datatypes", "true", "false", only_true,
     "columns of types that the connector does not know are left out of every event", false},
    {replace_null, "false", "true", only_false,
     "NULL in a column that has a default arrives as that default, and so do columns that were added later, in older "
     "rows",
     true},
    {"snapshot.mode", "initial", "initial", snapshots,
     "rows that were there before the connector are not sent; copy them to the target yourself", false},
};
const size_t lossless_setting_count = sizeof(lossless_settings) / sizeof(*lossless_settings);

/* Our settings that tell how plain JSON is to be read, and the connector's that say how it is written. Of an hstore
 * the value itself tells. */
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

static const char *value_of(const json_t *connector, const char *name, const char *fallback)
{
	const char *value = json_string_value(json_object_get(connector, name));

	return value != NULL ? value : fallback;
}

static bool is_among(const char *value, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(*words, value) == 0)
			return true;
	return false;
}

static bool is_json(const json_t *connector)
{
	return strstr(value_of(connector, "value.converter", ""), "JsonConverter") != NULL;
}

static bool is_plain_json(const json_t *connector)
{
	return is_json(connector) &&
	       strcmp(value_of(connector, "value.converter.schemas.enable", "true"), "false") == 0;
}

static void check_modes(const json_t *connector, const struct wire_modes *ours,
                        void (*tell)(void *context, bool problem, const char *text), void *context)
{
	const unsigned values[] = {ours->decimal, ours->time, ours->interval, ours->binary};
	struct buffer text = {0};

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		const char *theirs = value_of(connector, modes[i].name, modes[i].fallback);

		if (strcmp(theirs, modes[i].words[values[i]]) == 0)
			continue;
		buffer_reset(&text);
		buffer_append_format(&text,
		                     "%s is \"%s\", but the connector writes plain JSON with %s=%s; set %s = \"%s\"",
		                     modes[i].ours, modes[i].words[values[i]], modes[i].name, theirs, modes[i].ours,
		                     theirs);
		tell(context, true, text.data);
	}
	buffer_free(&text);
}

static void check_placeholder(const json_t *connector, const struct config *config,
                              void (*tell)(void *context, bool problem, const char *text), void *context)
{
	const char *setting = value_of(connector, "unavailable.value.placeholder", "");
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

static void check_transforms(const json_t *connector, void (*tell)(void *context, bool problem, const char *text),
                             void *context)
{
	struct buffer name = {0}, text = {0};
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)connector, key, value)
	{
		const char *class = json_string_value(value);
		size_t length = strlen(key);

		if (strncmp(key, "transforms.", 11) != 0 || length < 5 || strcmp(key + length - 5, ".type") != 0 ||
		    class == NULL || strcmp(class, unwrap) != 0)
			continue;
		buffer_reset(&name);
		buffer_append(&name, key, length - 4);
		buffer_append_text(&name, "replace.null.with.default");
		if (strcmp(value_of(connector, name.data, "true"), "false") == 0)
			continue;
		buffer_reset(&text);
		buffer_append_format(&text, "NULL in a column that has a default arrives as that default; set %s=false",
		                     name.data);
		tell(context, true, text.data);
	}
	buffer_free(&name);
	buffer_free(&text);
}

/* The Avro converters, and the transform that flattens, put a default in the place of NULL likewise. */
static void check_null(const json_t *connector, void (*tell)(void *context, bool problem, const char *text),
                       void *context)
{
	const char *converter = value_of(connector, "value.converter", "");

	if (strcmp(converter, "io.apicurio.registry.utils.converter.AvroConverter") == 0)
		tell(context, false,
		     "Apicurio's AvroConverter sends a column's default in the place of NULL, and nothing turns that "
		     "off; "
		     "where columns that may be NULL have defaults, take JSON with "
		     "value.converter.replace.null.with.default=false, or drop those defaults at the source");
	if (strcmp(converter, "io.confluent.connect.avro.AvroConverter") == 0 &&
	    strcmp(value_of(connector, "value.converter.ignore.default.for.nullables", "false"), "true") != 0)
		tell(context, true,
		     "NULL in a column that has a default arrives as that default; set "
		     "value.converter.ignore.default.for.nullables=true");
	check_transforms(connector, tell, context);
}

static bool reads_topic(const struct config *config, const char *topic)
{
	struct topic_filter *filter = NULL;
	struct error *error = topic_filter_new(config, &filter); /* the configuration was checked before */
	bool reads = error != NULL || config->kafka.topic_count == 0 || topic_filter_matches(filter, topic);

	error_free(error);
	topic_filter_free(filter);
	return reads;
}

/* A logical message outside any transaction that the stream does not read looks like lost transactions. */
static void check_logical_messages(const json_t *connector, const struct config *config,
                                   void (*tell)(void *context, bool problem, const char *text), void *context)
{
	static const char *const filters[] = {"message.prefix.include.list", "message.prefix.exclude.list"};
	const char *prefix = value_of(connector, "topic.prefix", "");
	struct buffer text = {0}, topic = {0};

	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++)
		if (value_of(connector, filters[i], "")[0] != '\0')
			buffer_append_format(&text, "%sthe connector has %s", text.length > 0 ? ", and " : "",
			                     filters[i]);
	buffer_append_format(&topic, "%s.message", prefix);
	if (!reads_topic(config, topic.data))
		buffer_append_format(&text, "%skafka.topics does not have %s", text.length > 0 ? ", and " : "",
		                     topic.data);
	if (text.length > 0) {
		buffer_append_format(&text,
		                     ": the daemon cannot distinguish a logical message outside any transaction that "
		                     "it does not read from lost transactions, and marks all tables as unverified; "
		                     "remove the message.prefix lists from the connector, and have %s in kafka.topics",
		                     topic.data);
		tell(context, false, text.data);
	}
	buffer_free(&text);
	buffer_free(&topic);
}

static void check_threads(const json_t *connector, void (*tell)(void *context, bool problem, const char *text),
                          void *context)
{
	const char *threads = value_of(connector, "snapshot.max.threads", "1");
	struct buffer text = {0};

	if (strcmp(threads, "1") == 0)
		return;
	buffer_append_format(&text,
	                     "the connector has snapshot.max.threads=%s: it marks the last row of a snapshot before "
	                     "other threads have sent theirs, so tables may become unverified after a snapshot, until "
	                     "a comparison; set snapshot.max.threads=1",
	                     threads);
	tell(context, false, text.data);
	buffer_free(&text);
}

void lossless_check(const json_t *connector, const struct config *config,
                    void (*tell)(void *context, bool problem, const char *text), void *context)
{
	struct buffer text = {0};

	for (size_t i = 0; i < lossless_setting_count; i++) {
		const struct lossless_setting *setting = &lossless_settings[i];
		const char *value = value_of(connector, setting->name, setting->fallback);
		const bool wanted = (config->stream.transactions == TRANSACTIONS_ON ||
		                     strcmp(setting->name, "provide.transaction.metadata") != 0) &&
		                    (is_json(connector) || setting->name != replace_null);

		if (is_among(value, setting->good) || !wanted)
			continue;
		buffer_reset(&text);
		buffer_append_format(&text, "the connector has %s=%s: %s; set %s=%s", setting->name, value,
		                     setting->loss, setting->name, setting->best);
		tell(context, setting->problem, text.data);
	}
	buffer_free(&text);
	check_null(connector, tell, context);
	check_threads(connector, tell, context);
	if (config->stream.transactions == TRANSACTIONS_ON)
		check_logical_messages(connector, config, tell, context);
	check_placeholder(connector, config, tell, context);
	if (is_plain_json(connector))
		check_modes(connector, &config->decoding.modes, tell, context);
}
