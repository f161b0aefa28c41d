/* lossless.c - see lossless.h */
#include "connect/lossless.h"

#include <string.h>

#include "base/buffer.h"
#include "connect/session_options.h"
#include "connect/topic_creation.h"
#include "connect/transforms.h"
#include "stream/topic_filter.h"

static const char *const only_true[] = {"true", NULL};
static const char *const only_string[] = {"string", NULL};
static const char *const only_false[] = {"false", NULL};
static const char *const only_none[] = {"none", "", NULL};
static const char *const whole_times[] = {"isostring", "adaptive", "adaptive_time_microseconds", "microseconds", NULL};
static const char *const only_fail[] = {"fail", NULL};
static const char *const only_bytes[] = {"bytes", NULL};
static const char *const hstores[] = {"json", "map", NULL};
static const char *const one_moment[] = {"serializable", "repeatable_read", NULL};
static const char *const snapshots[] = {"initial", "always", "initial_only", "when_needed", NULL};

static const char replace_null[] = "value.converter.replace.null.with.default";

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
    {"event.processing.failure.handling.mode", "fail", "fail", only_fail,
     "changes that the connector cannot process are left out, and nothing shows which", true},
    {"event.converting.failure.handling.mode", "fail", "warn", only_fail,
     "a value that the connector cannot convert arrives as NULL and overwrites the value (NaN in numeric[] and, with "
     "decimal.handling.mode=precise, in numeric; a NULL element in an array of an enum); only the connector's log "
     "shows "
     "it, with skip not even that",
     false},
    {"snapshot.isolation.mode", "serializable", "serializable", one_moment,
     "the tables of a snapshot can be read at different times, so that the target shows parts of transactions", false},
    {"errors.tolerance", "none", "none", only_none,
     "events that the converter or a transform cannot process are left out, and nothing shows which", true},
    {"slot.drop.on.stop", "false", "false", only_false,
     "the slot is dropped whenever the connector stops: what is committed until its next start never arrives", true},
};
const size_t lossless_setting_count = sizeof(lossless_settings) / sizeof(*lossless_settings);

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

/* What the connector leaves out of the events, or changes in them, because it was told to. */
static const struct {
	const char *name; /* of the setting; the beginning of its name where it ends in a dot */
	const char *effect;
	const char *harmless; /* the value that changes nothing, or NULL */
} changes[] = {
    {"column.exclude.list", "leaves these columns out of every event", NULL},
    {"column.include.list", "leaves all columns but these out of every event", NULL},
    {"column.mask.", "masks these columns: the target gets the masked values", NULL},
    {"column.truncate.", "cuts these columns: the target gets the first characters of their values", NULL},
    {"snapshot.select.statement.overrides", "reads only a part of the rows of these tables in a snapshot", NULL},
    {"message.key.columns", "takes other columns as the keys of rows", NULL},
    {"converters", "writes values with converters of its own, which this program does not know", NULL},
    {"post.processors", "changes events by post processors, which this program does not know", NULL},
    {"snapshot.include.collection.list",
     "reads only these tables in a snapshot: rows that other tables had before do not arrive", NULL},
    {"slot.stream.params",
     "passes these parameters to the output plugin, which may leave out changes (origin=none: those that the source "
     "itself received by logical replication)",
     NULL},
    {"snapshot.query.mode.custom.name",
     "reads the rows of a snapshot by queries of its own, which this program does not know", NULL},
    {"transaction.metadata.factory", "writes transaction boundaries of its own, which this program may not understand",
     "io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory"},
    {"sourceinfo.struct.maker", "writes positions of its own, which this program may not understand",
     "io.debezium.connector.postgresql.PostgresSourceInfoStructMaker"},
};

/* A salt is a part of the setting's name. */
static size_t shown_length(const char *key)
{
	const char *salt = strstr(key, ".salt.");

	return salt == NULL ? strlen(key) : (size_t)(salt - key) + strlen(".salt");
}

static bool names(const char *key, const char *name)
{
	const size_t length = strlen(name);

	return name[length - 1] == '.' ? strncmp(key, name, length) == 0 : strcmp(key, name) == 0;
}

static void check_changes(const json_t *connector, void (*tell)(void *context, bool problem, const char *text),
                          void *context)
{
	struct buffer text = {0};
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)connector, key, value)
	{
		const char *list = json_string_value(value);

		for (size_t i = 0; list != NULL && *list != '\0' && i < sizeof(changes) / sizeof(*changes); i++) {
			if (!names(key, changes[i].name) ||
			    (changes[i].harmless != NULL && strcmp(list, changes[i].harmless) == 0))
				continue;
			buffer_reset(&text);
			buffer_append_format(&text, "the connector has %.*s=%s: it %s", (int)shown_length(key), key,
			                     list, changes[i].effect);
			tell(context, false, text.data);
		}
	}
	buffer_free(&text);
}

/* BEGIN and END in two partitions have no order. */
static void check_partitions(const json_t *connector, void (*tell)(void *context, bool problem, const char *text),
                             void *context)
{
	struct buffer topic = {0}, setting = {0}, text = {0};
	long partitions;

	buffer_append_format(&topic, "%s.%s", value_of(connector, "topic.prefix", ""),
	                     value_of(connector, "topic.transaction", "transaction"));
	partitions = topic_creation_partitions(connector, topic.data, &setting);
	if (partitions > 1) {
		buffer_append_format(&text,
		                     "the connector has %s=%ld, also for the transaction topic %s, which must have one "
		                     "partition; leave it out there, or create that topic before the connector",
		                     setting.data, partitions, topic.data);
		tell(context, false, text.data);
	}
	buffer_free(&topic);
	buffer_free(&setting);
	buffer_free(&text);
}

/* What the generated connector leaves at Kafka Connect's default: a worker may forbid these settings. */
static void check_producer(const json_t *connector, void (*tell)(void *context, bool problem, const char *text),
                           void *context)
{
	static const char acks_name[] = "producer.override.acks";
	static const char requests_name[] = "producer.override.max.in.flight.requests.per.connection";
	const char *acks = value_of(connector, acks_name, "all");
	const char *requests = value_of(connector, requests_name, "1");
	struct buffer text = {0};

	if (strcmp(acks, "all") != 0 && strcmp(acks, "-1") != 0) {
		buffer_append_format(
		    &text,
		    "the connector has %s=%s: a broker that fails can lose events that the connector takes "
		    "for written, and they are not sent again; set %s=all",
		    acks_name, acks, acks_name);
		tell(context, true, text.data);
	}
	/*
	 * With enable.idempotence as well: a new partition can refuse the first request and accept the next one in flight
	 * (KAFKA-15591).
	 */
	if (strcmp(requests, "1") != 0) {
		buffer_reset(&text);
		buffer_append_format(
		    &text,
		    "the connector has %s=%s: a request that is sent again can change the order of events; remove it",
		    requests_name, requests);
		tell(context, true, text.data);
	}
	buffer_free(&text);
}

/* FULL for all of them is what this program recommends. */
static void check_identities(const json_t *connector, void (*tell)(void *context, bool problem, const char *text),
                             void *context)
{
	static const char name[] = "replica.identity.autoset.values";
	const char *list = value_of(connector, name, "");
	struct buffer text = {0};

	if (strcasestr(list, ":NOTHING") == NULL && strcasestr(list, ":DEFAULT") == NULL &&
	    strcasestr(list, ":INDEX") == NULL)
		return;
	buffer_append_format(
	    &text,
	    "the connector has %s=%s: it changes the replica identity of these tables at the source when it "
	    "starts: without FULL updates of tables without a key fail or carry no old row, with NOTHING the "
	    "source refuses all updates and deletes; remove it, or set FULL",
	    name, list);
	tell(context, false, text.data);
	buffer_free(&text);
}

void lossless_check(const json_t *connector, const char *worker_converter, enum event_format format,
                    const struct config *config, void (*tell)(void *context, bool problem, const char *text),
                    void *context)
{
	struct buffer text = {0};

	for (size_t i = 0; i < lossless_setting_count; i++) {
		const struct lossless_setting *setting = &lossless_settings[i];
		const char *value = value_of(connector, setting->name, setting->fallback);
		const bool wanted = config->stream.transactions == TRANSACTIONS_ON ||
		                    strcmp(setting->name, "provide.transaction.metadata") != 0;

		/* format_check knows of which converter that setting is. */
		if (is_among(value, setting->good) || !wanted || setting->name == replace_null)
			continue;
		buffer_reset(&text);
		buffer_append_format(&text, "the connector has %s=%s: %s; set %s=%s", setting->name, value,
		                     setting->loss, setting->name, setting->best);
		tell(context, setting->problem, text.data);
	}
	buffer_free(&text);
	format_check(connector, worker_converter, format, config, tell, context);
	transforms_check(connector, config, tell, context);
	check_threads(connector, tell, context);
	check_changes(connector, tell, context);
	check_producer(connector, tell, context);
	check_identities(connector, tell, context);
	session_options_check(connector, tell, context);
	if (config->stream.transactions == TRANSACTIONS_ON) {
		check_partitions(connector, tell, context);
		check_logical_messages(connector, config, tell, context);
	}
}
