/*
 * check_connector.c - what the running connector's settings lose (connect/lossless.h).
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/http.h"
#include "cli/preflight.h"
#include "connect/lossless.h"

#define ANSWER_MS 10000

static void take_finding(void *context, bool problem, const char *text)
{
	if (problem)
		preflight_problem(context, "%s", text);
	else
		preflight_warning(context, "%s", text);
}

/* Bytes outside of a URL's own alphabet as %XX. */
static void append_segment(struct buffer *url, const char *name)
{
	for (; *name != '\0'; name++) {
		const bool plain = (*name >= '0' && *name <= '9') || (*name >= 'a' && *name <= 'z') ||
		                   (*name >= 'A' && *name <= 'Z') || strchr("-_.~", *name) != NULL;

		if (plain)
			buffer_append_byte(url, *name);
		else
			buffer_append_format(url, "%%%02X", (unsigned)(unsigned char)*name);
	}
}

static void judge(struct preflight *preflight, const struct http_response *response)
{
	const char *name = preflight->config->connect.connector;
	json_t *settings = json_loadb(response->body.data, response->body.length, 0, NULL);

	if (response->status == 404)
		preflight_problem(preflight,
		                  "Kafka Connect has no connector %s; create it, or correct connect.connector", name);
	else if (response->status != 200 || !json_is_object(settings))
		preflight_problem(preflight,
		                  "Kafka Connect answers HTTP %d to the question for the connector %s's "
		                  "settings; check connect.url",
		                  response->status, name);
	else
		lossless_check(settings, preflight->config, take_finding, preflight);
	json_decref(settings);
}

void check_connector(struct preflight *preflight)
{
	const struct config *config = preflight->config;
	struct http_request request = {.timeout_ms = ANSWER_MS};
	struct http_response response;
	struct buffer url = {0};
	struct error *error;

	if (config->connect.url == NULL || config->connect.connector == NULL) {
		puts("  not checked: connect.url and connect.connector are not set");
		return;
	}
	buffer_append_text(&url, config->connect.url);
	while (url.length > 0 && url.data[url.length - 1] == '/')
		url.data[--url.length] = '\0';
	buffer_append_text(&url, "/connectors/");
	append_segment(&url, config->connect.connector);
	buffer_append_text(&url, "/config");
	request.url = url.data;
	error = http_send(&request, &response);
	buffer_free(&url);
	if (error != NULL) {
		/* The stream needs Kafka, not Connect. */
		preflight_warning(preflight, "Kafka Connect does not answer, its settings are not checked: %s",
		                  error->message);
		error_free(error);
		return;
	}
	judge(preflight, &response);
	buffer_free(&response.body);
}
