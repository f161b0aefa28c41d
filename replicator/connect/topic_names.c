/* topic_names.c - see topic_names.h */
#include "connect/topic_names.h"

#include <ctype.h>
#include <string.h>

#include "base/buffer.h"

static bool is_allowed(unsigned char byte)
{
	return isascii(byte) && (isalnum(byte) || byte == '.' || byte == '-' || byte == '_');
}

/* The bytes of UTF-8 that begin a character: of four bytes it is two code units. */
static void append_sanitized(struct buffer *topic, const char *name)
{
	for (; *name != '\0'; name++) {
		unsigned char byte = (unsigned char)*name;

		if (is_allowed(byte))
			buffer_append_byte(topic, (char)byte);
		else if (byte >= 0xf0)
			buffer_append_text(topic, "__");
		else if ((byte & 0xc0) != 0x80)
			buffer_append_byte(topic, '_');
	}
}

void topic_name_append(struct buffer *topic, const char *prefix, const char *schema, const char *table)
{
	buffer_append_text(topic, prefix);
	buffer_append_byte(topic, '.');
	append_sanitized(topic, schema);
	buffer_append_byte(topic, '.');
	append_sanitized(topic, table);
}

/* These give the names PREFIX.schema.table; they differ in the characters that they replace. */
static const char *const strategies[] = {
    "io.debezium.schema.SchemaTopicNamingStrategy",
    "io.debezium.schema.SchemaUnicodeTopicNamingStrategy",
    NULL,
};

/* Transforms that send events to other topics. */
static const char *const routers[] = {
    "org.apache.kafka.connect.transforms.RegexRouter", "org.apache.kafka.connect.transforms.TimestampRouter",
    "io.debezium.transforms.ByLogicalTableRouter",     "io.debezium.transforms.ContentBasedRouter",
    "io.debezium.transforms.outbox.EventRouter",       NULL,
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

/* Where kafka.topics has the names of a router, another prefix is no proof of another stream. */
static void check_prefix(const json_t *connector, const struct config *config, struct buffer *text)
{
	const char *prefix = value_of(connector, "topic.prefix", "");

	if (config->kafka.topic_prefix == NULL || strcmp(prefix, config->kafka.topic_prefix) == 0)
		return;
	if (config->kafka.topic_count > 0)
		buffer_append_format(
		    text,
		    "the connector has topic.prefix=%s, but kafka.topic_prefix is \"%s\": it may be the "
		    "connector of another stream, so `check_target` repairs nothing; correct "
		    "connect.connector, or set both alike",
		    prefix, config->kafka.topic_prefix);
	else
		buffer_append_format(text,
		                     "the connector has topic.prefix=%s, but this stream reads the topics of "
		                     "kafka.topic_prefix = \"%s\"; set both alike",
		                     prefix, config->kafka.topic_prefix);
}

static const char *transaction_topic(const struct config *config, struct buffer *name)
{
	if (config->kafka.transaction_topic != NULL)
		return config->kafka.transaction_topic;
	buffer_append_format(name, "%s.transaction", config->kafka.topic_prefix);
	return name->data;
}

static void check_transaction_topic(const json_t *connector, const struct config *config, struct buffer *text)
{
	const char *name = value_of(connector, "topic.transaction", "transaction");
	struct buffer theirs = {0}, default_name = {0};
	const char *ours;

	if (config->stream.transactions != TRANSACTIONS_ON || config->kafka.topic_prefix == NULL)
		return;
	buffer_append_format(&theirs, "%s.%s", value_of(connector, "topic.prefix", ""), name);
	ours = transaction_topic(config, &default_name);
	if (strcmp(theirs.data, ours) != 0)
		buffer_append_format(
		    text,
		    "the connector has topic.transaction=%s: its transaction topic is %s, but this stream "
		    "reads %s; set kafka.transaction_topic = \"%s\"",
		    name, theirs.data, ours, theirs.data);
	buffer_free(&theirs);
	buffer_free(&default_name);
}

static void check_delimiter(const json_t *connector, const struct config *config, struct buffer *text)
{
	const char *delimiter = value_of(connector, "topic.delimiter", ".");

	if (strcmp(delimiter, ".") != 0)
		buffer_append_format(
		    text,
		    "the connector has topic.delimiter=%s: no topic of it begins with \"%s.\", so this "
		    "stream reads none of them; remove the setting, or name the topics in kafka.topics and "
		    "kafka.transaction_topic",
		    delimiter, config->kafka.topic_prefix != NULL ? config->kafka.topic_prefix : "");
}

static void check_strategy(const json_t *connector, const struct config *config, struct buffer *text)
{
	const char *strategy = value_of(connector, "topic.naming.strategy", strategies[0]);

	if (!is_among(strategy, strategies))
		buffer_append_format(
		    text,
		    "the connector has topic.naming.strategy=%s, which may give topics names that do not "
		    "begin with \"%s.\"; events in such topics are not read. Remove the setting, or name the "
		    "topics in kafka.topics",
		    strategy, config->kafka.topic_prefix != NULL ? config->kafka.topic_prefix : "");
}

/* "transforms.NAME.type": "CLASS" */
static bool routes(const char *key, const json_t *value)
{
	size_t length = strlen(key);

	return strncmp(key, "transforms.", 11) == 0 && length > 16 && strcmp(key + length - 5, ".type") == 0 &&
	       json_is_string(value) && is_among(json_string_value(value), routers);
}

static void check_routers(const json_t *connector, struct buffer *text)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)connector, key, value)
	{
		if (routes(key, value))
			buffer_append_format(text, "%s%.*s (%s)", text->length > 0 ? ", " : "",
			                     (int)(strlen(key) - strlen(".type")), key, json_string_value(value));
	}
	if (text->length > 0)
		buffer_append_text(text,
		                   ": the connector's transforms send events to other topics, and kafka.topics is "
		                   "not set; name these topics there, the transaction topic included");
}

static void tell_text(struct buffer *text, bool problem, void (*tell)(void *context, bool problem, const char *text),
                      void *context)
{
	if (text->length > 0)
		tell(context, problem, text->data);
	buffer_free(text);
}

void topic_names_check(const json_t *connector, const struct config *config,
                       void (*tell)(void *context, bool problem, const char *text), void *context)
{
	const bool named = config->kafka.topic_count > 0; /* whoever names the topics knows what they are called */
	struct buffer prefix = {0}, transactions = {0}, delimiter = {0}, strategy = {0}, transforms = {0};

	check_prefix(connector, config, &prefix);
	if (!named) {
		check_delimiter(connector, config, &delimiter);
		check_strategy(connector, config, &strategy);
		check_routers(connector, &transforms);
		/* Each of these gives that topic another name, too. */
		if (prefix.length + delimiter.length + strategy.length + transforms.length == 0)
			check_transaction_topic(connector, config, &transactions);
	}
	tell_text(&prefix, !named, tell, context);
	tell_text(&transactions, true, tell, context);
	tell_text(&delimiter, true, tell, context);
	tell_text(&strategy, false, tell, context);
	tell_text(&transforms, false, tell, context);
}
