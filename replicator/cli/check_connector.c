/*
 * check_connector.c - what the running connector's settings lose (connect/lossless.h), whether it names its topics as the
 * stream expects (connect/topic_names.h), and which tables its lists leave out (connect/capture_list.h).
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/http.h"
#include "cli/preflight.h"
#include "connect/capture_list.h"
#include "connect/lossless.h"
#include "connect/topic_names.h"

#define ANSWER_MS 10000
#define MOST_NAMES 10

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

/* It may be meant so: a publication FOR ALL TABLES has every table. */
static void tell_left_out(struct preflight *preflight, const struct pg_result *rows)
{
	struct buffer names = {0};
	size_t count = 0;

	for (size_t i = 0; i < pg_result_rows(rows); i++) {
		const char *schema = pg_result_text(rows, i, 0), *table = pg_result_text(rows, i, 1);

		if (config_table_rule(preflight->config, schema, table)->exclude)
			continue;
		if (count++ < MOST_NAMES)
			buffer_append_format(&names, "%s%s.%s", count > 1 ? ", " : "", schema, table);
	}
	if (count > MOST_NAMES)
		buffer_append_format(&names, " and %zu more", count - MOST_NAMES);
	if (count > 0)
		preflight_warning(
		    preflight,
		    "the connector's publication has %s, but its table.include.list (or another list) "
		    "leaves %s out: not replicated. To have a table: `replicator table add TABLE`; else a "
		    "rule with exclude = true says that it is meant so",
		    names.data, count > 1 ? "them" : "it");
	buffer_free(&names);
}

static void check_lists(struct preflight *preflight, const json_t *settings)
{
	struct pg_result *rows = NULL;
	struct error *error;

	if (preflight->source == NULL)
		return;
	error = capture_list_left_out(preflight->source, settings, &rows);
	if (error != NULL)
		preflight_error(preflight, error);
	else if (rows == NULL)
		preflight_warning(preflight, "the connector's lists of tables have regular expressions that only Java "
		                             "knows: which tables they leave out was not checked");
	else
		tell_left_out(preflight, rows);
	pg_result_free(rows);
}

static void judge_settings(struct preflight *preflight, const json_t *settings)
{
	lossless_check(settings, preflight->config, take_finding, preflight);
	topic_names_check(settings, preflight->config, take_finding, preflight);
	check_lists(preflight, settings);
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
		judge_settings(preflight, settings);
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
