/* schema_registry.c - see schema_registry.h */
#include "event/schema_registry.h"

#include "base/clock.h"
#include "base/http.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "base/signals.h"

#include <jansson.h>
#include <stdlib.h>

#define WAIT_FIRST_MS 250
#define WAIT_MOST_MS 10000
#define WAIT_STEP_MS 100
#define LOG_EVERY_US (60 * (int64_t)1000000)

struct schema_registry {
	struct schema_registry_options options;
	struct map *schemas; /* by the four bytes of the id */
	bool answered;       /* it has given a schema */
};

struct schema_registry *schema_registry_new(const struct schema_registry_options *options)
{
	struct schema_registry *registry = memory_alloc(sizeof(*registry));

	if (options != NULL)
		registry->options = *options;
	registry->schemas = map_new();
	return registry;
}

static void free_schema(void *schema)
{
	avro_schema_free(schema);
}

void schema_registry_free(struct schema_registry *registry)
{
	if (registry == NULL)
		return;
	map_free(registry->schemas, free_schema);
	free(registry);
}

static struct slice key_of(const uint32_t *id)
{
	return (struct slice){(const char *)id, sizeof(*id)};
}

static const char *keep(struct schema_registry *registry, uint32_t id, struct slice text,
                        const struct avro_schema **schema)
{
	const char *problem;
	struct avro_schema *made = avro_schema_parse(text, &problem);

	if (made == NULL)
		return problem;
	map_put(registry->schemas, key_of(&id), made);
	*schema = made;
	return NULL;
}

bool schema_registry_add(struct schema_registry *registry, uint32_t id, struct slice text)
{
	const struct avro_schema *schema;

	return keep(registry, id, text, &schema) == NULL;
}

/* {"schema":"{…}","schemaType":"AVRO"}; the type is missing in older registries. */
static struct error *take_answer(struct schema_registry *registry, uint32_t id, const struct buffer *body,
                                 const struct avro_schema **schema)
{
	json_error_t error;
	json_t *json = json_loadb(body->data, body->length, 0, &error);
	const json_t *text = json_object_get(json, "schema");
	const char *type = json_string_value(json_object_get(json, "schemaType"));
	const char *problem = NULL;

	if (type != NULL && strcmp(type, "AVRO") != 0)
		problem = "it is no Avro schema; Avro and JSON are the formats that this program reads";
	else if (!json_is_string(text))
		problem = "the registry's answer holds no `schema`; registry.url must lead to Confluent's interface "
		          "(or Apicurio's own: …/apis/registry/v2)";
	else
		problem = keep(registry, id, (struct slice){json_string_value(text), json_string_length(text)}, schema);
	json_decref(json);
	return problem == NULL ? NULL : error_new(ERROR_EVENT, "schema id %u: %s", (unsigned)id, problem);
}

/* Apicurio's own interface answers with the schema itself. */
static struct error *take_schema(struct schema_registry *registry, uint32_t id, const struct buffer *body,
                                 const struct avro_schema **schema)
{
	const char *problem = keep(registry, id, (struct slice){body->data, body->length}, schema);

	return problem == NULL ? NULL : error_new(ERROR_EVENT, "schema id %u: %s", (unsigned)id, problem);
}

static bool is_apicurio(const char *url)
{
	return strstr(url, "/apis/registry/") != NULL;
}

/* The meaning of a status; NULL: 200. ERROR_TRANSIENT: again. */
static struct error *status_error(const struct schema_registry *registry, uint32_t id, int status, const char *shown)
{
	if (status == 200)
		return NULL;
	if (status == 404)
		return error_new(
		    ERROR_EVENT,
		    "the schema registry %s does not know schema id %u; is it the registry that the "
		    "connector uses? (Apicurio: registry.url ends with /apis/registry/v2, and its converter "
		    "needs use-id=contentId)",
		    shown, (unsigned)id);
	if ((status == 401 || status == 403) && !registry->answered)
		return error_new(
		    ERROR_AUTHENTICATION,
		    "the schema registry %s refuses us (HTTP %d); set registry.user and registry.password_file", shown,
		    status);
	if (status >= 300 && status < 500 && status != 401 && status != 403 && status != 408 && status != 429)
		return error_new(ERROR_CONFIGURATION,
		                 "the schema registry %s answers HTTP %d to schema id %u; check registry.url (of "
		                 "Apicurio, whose Confluent interface refuses some schemas, it ends with "
		                 "/apis/registry/v2)",
		                 shown, status, (unsigned)id);
	return error_new(ERROR_TRANSIENT, "the schema registry %s answers HTTP %d", shown, status);
}

static struct error *fetch(struct schema_registry *registry, uint32_t id, const char *url, const char *shown,
                           const struct avro_schema **schema)
{
	const struct http_request request = {.url = url,
	                                     .user = registry->options.user,
	                                     .password = registry->options.password,
	                                     .ca_file = registry->options.ca_file,
	                                     .accept = "application/vnd.schemaregistry.v1+json, application/json"};
	struct http_response response;
	struct error *error;

	TRY(error_wrap(http_send(&request, &response), "the schema registry"));
	error = status_error(registry, id, response.status, shown);
	if (error == NULL)
		error = is_apicurio(url) ? take_schema(registry, id, &response.body, schema)
		                         : take_answer(registry, id, &response.body, schema);
	registry->answered = registry->answered || error == NULL;
	buffer_free(&response.body);
	return error;
}

/* False: a stop was asked for. */
static bool wait_ms(int milliseconds)
{
	for (; milliseconds > 0 && !signals_stop_requested(); milliseconds -= WAIT_STEP_MS)
		clock_sleep_ms(milliseconds < WAIT_STEP_MS ? milliseconds : WAIT_STEP_MS);
	return !signals_stop_requested();
}

static struct error *fetch_patiently(struct schema_registry *registry, uint32_t id, const char *url, const char *shown,
                                     const struct avro_schema **schema)
{
	int64_t said_us = 0;
	int pause_ms = WAIT_FIRST_MS;

	for (;;) {
		struct error *error = fetch(registry, id, url, shown, schema);
		const int64_t now_us = clock_monotonic_us();

		metric_set(METRIC_REGISTRY_AWAY, error != NULL && error->class == ERROR_TRANSIENT);
		if (error == NULL || error->class != ERROR_TRANSIENT) {
			if (error == NULL && said_us != 0)
				log_info("the schema registry %s answers again", shown);
			return error;
		}
		if (said_us == 0 || now_us - said_us > LOG_EVERY_US) {
			log_warning("%s; the stream waits for it (schema id %u)", error->message, (unsigned)id);
			said_us = now_us;
		}
		error_free(error);
		if (!wait_ms(pause_ms))
			return error_new(ERROR_INTERRUPTED, "a stop was asked for while the schema registry was away");
		pause_ms = pause_ms * 2 < WAIT_MOST_MS ? pause_ms * 2 : WAIT_MOST_MS;
	}
}

struct error *schema_registry_find(struct schema_registry *registry, uint32_t id, const struct avro_schema **schema)
{
	struct buffer url = {0};
	struct buffer shown = {0};
	struct error *error;
	size_t length;

	*schema = map_get(registry->schemas, key_of(&id));
	if (*schema != NULL)
		return NULL;
	if (registry->options.url == NULL)
		return error_new(
		    ERROR_EVENT,
		    "the message is in Confluent's wire format (Avro, schema id %u); set registry.url to the "
		    "connector's schema registry",
		    (unsigned)id);
	length = strlen(registry->options.url);
	while (length > 0 && registry->options.url[length - 1] == '/')
		length--;
	buffer_append(&url, registry->options.url, length);
	http_url_shown(url.data, &shown);
	buffer_append_format(&url, is_apicurio(url.data) ? "/ids/contentIds/%u" : "/schemas/ids/%u", (unsigned)id);
	error = fetch_patiently(registry, id, url.data, shown.data, schema);
	buffer_free(&url);
	buffer_free(&shown);
	return error;
}
