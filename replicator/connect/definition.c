/* definition.c - see definition.h */
#include "connect/definition.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "connect/lossless.h"
#include "pg/dsn.h"
#include "pg/sql.h"

/* What every generated connector has beside the modes of lossless.h. */
static const char *const fixed[][2] = {
    {"connector.class", "io.debezium.connector.postgresql.PostgresConnector"},
    {"tasks.max", "1"},
    {"plugin.name", "pgoutput"},
    {"publish.via.partition.root", "true"},
    {"tombstones.on.delete", "true"},
    {"key.converter", "org.apache.kafka.connect.json.JsonConverter"},
    {"key.converter.schemas.enable", "false"},
    {"value.converter", "org.apache.kafka.connect.json.JsonConverter"},
    {"value.converter.schemas.enable", "false"},
    {"poll.interval.ms", "10"},
    {"heartbeat.interval.ms", "10000"},
    {"max.batch.size", "4096"},
    {"max.queue.size", "16384"},
};

/* Kafka Connect takes booleans and numbers as texts; so does everything here that reads a setting. NULL: it is neither. */
static json_t *text_of(const json_t *value)
{
	char *text;
	json_t *string;

	if (json_is_string(value))
		return json_incref((json_t *)(uintptr_t)value);
	if (!json_is_boolean(value) && !json_is_number(value))
		return NULL;
	text = json_dumps(value, JSON_ENCODE_ANY);
	string = text == NULL ? NULL : json_string(text);
	free(text);
	return string;
}

static struct error *take_settings(const char *path, const json_t *settings, json_t *config)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)settings, key, value)
	{
		json_t *text = text_of(value);

		if (text == NULL)
			return error_new(ERROR_CONFIGURATION,
			                 "%s: setting %s is not a text, a number or a boolean; Kafka Connect takes no "
			                 "null, array or object",
			                 path, key);
		json_object_set_new(config, key, text);
	}
	return NULL;
}

struct error *definition_read(const char *path, struct connector_definition *definition)
{
	json_error_t problem;
	json_t *root = json_load_file(path, 0, &problem);
	const char *name = json_string_value(json_object_get(root, "name"));
	json_t *config = json_object_get(root, "config");
	struct error *error = NULL;

	*definition = (struct connector_definition){0};
	if (root == NULL)
		error = error_new(ERROR_CONFIGURATION, "%s:%d: %s", path, problem.line, problem.text);
	else if (name == NULL || !json_is_object(config))
		error =
		    error_new(ERROR_CONFIGURATION, "%s is not of the form {\"name\": \"…\", \"config\": {…}}", path);
	if (error == NULL) {
		definition->name = memory_copy_text(name);
		definition->config = json_object();
		error = take_settings(path, config, definition->config);
	}
	if (error != NULL)
		definition_free(definition);
	json_decref(root);
	return error;
}

static void set(struct connector_definition *definition, const char *key, const char *value)
{
	if (value != NULL)
		json_object_set_new(definition->config, key, json_string(value));
}

static void set_tables(const struct config *config, bool managed, struct connector_definition *definition)
{
	struct buffer list = {0};

	for (size_t i = 0; i < config->connect.table_count; i++)
		buffer_append_format(&list, "%s%s", i == 0 ? "" : ",", config->connect.tables[i]);
	if (list.length > 0) {
		/* The tables of ours must be captured: the heartbeat moves the stream, a signal opens a window. */
		if (managed)
			buffer_append_format(&list, ",%s.heartbeat,%s.signal,%s.%s", config_source_schema,
			                     config_source_schema, config_source_schema, config_ddl_log);
		set(definition, "table.include.list", list.data);
	}
	buffer_free(&list);
}

/* `init source` makes publication and tables: the connector's role owns none of them. */
static void set_managed(struct connector_definition *definition)
{
	struct buffer text = {0};

	set(definition, "publication.autocreate.mode", "disabled");
	buffer_append_text(&text, "UPDATE ");
	sql_append_qualified(&text, config_source_schema, "heartbeat");
	buffer_append_text(&text, " SET at = now()");
	set(definition, "heartbeat.action.query", text.data);
	buffer_reset(&text);
	buffer_append_format(&text, "%s.signal", config_source_schema);
	set(definition, "signal.data.collection", text.data);
	buffer_free(&text);
}

static struct error *set_source(const struct config *config, struct connector_definition *definition)
{
	struct pg_dsn dsn;
	struct error *error;
	const char *user, *password;

	TRY(pg_dsn_read(config->source.dsn, &dsn));
	user = config->connect.source_user != NULL ? config->connect.source_user : dsn.user;
	password = config->connect.source_password != NULL ? config->connect.source_password : dsn.password;
	error = dsn.host != NULL && dsn.dbname != NULL && user != NULL
	            ? NULL
	            : error_new(ERROR_CONFIGURATION,
	                        "source.dsn must name host, dbname and user, so that the connector can be told");
	if (error == NULL) {
		set(definition, "database.hostname", dsn.host);
		set(definition, "database.port", dsn.port != NULL ? dsn.port : "5432");
		set(definition, "database.dbname", dsn.dbname);
		set(definition, "database.user", user);
		set(definition, "database.password", password);
		set(definition, "database.sslmode", dsn.sslmode);
		set(definition, "database.sslrootcert", dsn.sslrootcert);
	}
	pg_dsn_free(&dsn);
	return error;
}

struct error *definition_generate(const struct config *config, bool managed, struct connector_definition *definition)
{
	struct error *error;

	*definition = (struct connector_definition){0};
	if (config->source.dsn == NULL || config->connect.connector == NULL)
		return error_new(ERROR_CONFIGURATION,
		                 "%s: a connector is made from source.dsn and connect.connector; set both, or name a "
		                 "file like connectors/postgres-connector.json",
		                 config->file);
	definition->name = memory_copy_text(config->connect.connector);
	definition->config = json_object();
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		set(definition, fixed[i][0], fixed[i][1]);
	for (size_t i = 0; i < lossless_setting_count; i++)
		set(definition, lossless_settings[i].name, lossless_settings[i].best);
	set(definition, "topic.prefix", config->kafka.topic_prefix);
	set(definition, "slot.name", config->connect.slot);
	set(definition, "publication.name", config->connect.publication);
	set_tables(config, managed, definition);
	if (managed)
		set_managed(definition);
	else
		set(definition, "publication.autocreate.mode", "filtered");
	error = set_source(config, definition);
	if (error != NULL)
		definition_free(definition);
	return error;
}

void definition_free(struct connector_definition *definition)
{
	free(definition->name);
	json_decref(definition->config);
	*definition = (struct connector_definition){0};
}

const char *definition_get(const struct connector_definition *definition, const char *key, const char *fallback)
{
	const char *text = json_string_value(json_object_get(definition->config, key));

	return text != NULL ? text : fallback;
}
