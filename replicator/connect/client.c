/* client.c - see client.h */
#include "connect/client.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/signals.h"

#define TIMEOUT_MS 90000 /* a validation lets Debezium try its connection */
#define PATIENCE_US INT64_C(30000000)
#define PAUSE_MS 500

void connect_append_name(struct buffer *path, const char *name)
{
	for (; *name != '\0'; name++) {
		if (isalnum((unsigned char)*name) || strchr("-_.~", *name) != NULL)
			buffer_append_byte(path, *name);
		else
			buffer_append_format(path, "%%%02X", (unsigned)(unsigned char)*name);
	}
}

static struct error *send(const struct config *config, const char *method, const char *path, const char *body,
                          int timeout_ms, struct http_response *response)
{
	struct buffer url = {0};
	struct http_request request = {
	    .method = method,
	    .user = config->connect.user,
	    .password = config->connect.password,
	    .ca_file = config->connect.ca_file,
	    .body = body,
	    .timeout_ms = timeout_ms,
	};
	struct error *error;
	size_t length = strlen(config->connect.url);

	while (length > 0 && config->connect.url[length - 1] == '/')
		length--;
	buffer_append(&url, config->connect.url, length);
	buffer_append_text(&url, path);
	request.url = url.data;
	error = http_send(&request, response);
	buffer_free(&url);
	return error_wrap(error, "Kafka Connect");
}

/* What a status that is no success means. `message` is Connect's own. */
static struct error *refused(const struct config *config, int status, const char *message)
{
	struct buffer shown = {0};
	struct error *error;
	enum error_class class = ERROR_CONFIGURATION;
	const char *remedy = "";

	http_url_shown(config->connect.url, &shown);
	if (status == 401 || status == 403) {
		class = ERROR_AUTHENTICATION;
		remedy = "; see connect.user and connect.password_file";
	} else if (status >= 500 || (status == 409 && strstr(message, "already exists") == NULL)) {
		class = ERROR_TRANSIENT;
	}
	error = error_new(class, "Kafka Connect at %s: %s (status %d)%s", shown.data, message, status, remedy);
	buffer_free(&shown);
	return error;
}

static struct error *read_answer(const struct config *config, const struct http_response *response, json_t **answer)
{
	json_t *root = json_loadb(response->body.data, response->body.length, JSON_DECODE_ANY, NULL);
	struct error *error = NULL;

	if (response->status < 200 || response->status > 299) {
		const char *message = json_string_value(json_object_get(root, "message"));

		error = refused(config, response->status, message != NULL ? message : "the request was refused");
	} else if (root == NULL && response->body.length > 0) {
		error = refused(config, 502, "the answer is not JSON; is connect.url right?");
	}
	if (error == NULL && answer != NULL)
		*answer = root;
	else
		json_decref(root);
	return error;
}

static bool passes_by(const struct http_response *response)
{
	return response->status == 409 &&
	       (strstr(response->body.data, "rebalance") != NULL || strstr(response->body.data, "momentarily") != NULL);
}

static struct error *call(const struct config *config, const char *method, const char *path, const json_t *body,
                          int timeout_ms, int64_t patience_us, json_t **answer)
{
	int64_t until = clock_monotonic_us() + patience_us;
	struct http_response response = {0};
	struct error *error;
	char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);

	if (answer != NULL)
		*answer = NULL;
	for (;;) {
		error = send(config, method, path, text, timeout_ms, &response);
		if (error != NULL || !passes_by(&response) || clock_monotonic_us() > until || signals_stop_requested())
			break;
		buffer_free(&response.body);
		clock_sleep_ms(PAUSE_MS);
	}
	if (text != NULL) {
		explicit_bzero(text, strlen(text)); /* a connector's configuration has a password in it */
		free(text);
	}
	if (error == NULL)
		error = read_answer(config, &response, answer);
	buffer_free(&response.body);
	return error;
}

static struct error *require_url(const struct config *config)
{
	if (config->connect.url != NULL)
		return NULL;
	return error_new(ERROR_CONFIGURATION,
	                 "%s: connect.url is not set; add connect = { url = \"http://host:8083\"; connector = "
	                 "\"postgres-connector\"; };",
	                 config->file);
}

struct error *connect_call(const struct config *config, const char *method, const char *path, const json_t *body,
                           json_t **answer)
{
	TRY(require_url(config));
	return call(config, method, path, body, TIMEOUT_MS, PATIENCE_US, answer);
}

struct error *connect_call_once(const struct config *config, const char *method, const char *path, const json_t *body,
                                int timeout_ms, json_t **answer)
{
	TRY(require_url(config));
	return call(config, method, path, body, timeout_ms, 0, answer);
}
