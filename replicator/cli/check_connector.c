/*
 * check_connector.c - what the running connector's settings lose (connect/lossless.h), whether it names its topics as the
 * stream expects (connect/topic_names.h), which tables its lists leave out (connect/capture_list.h), and which columns it
 * leaves out or changes (connect/captured_columns.h).
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "cli/preflight.h"
#include "connect/capture_list.h"
#include "connect/client.h"
#include "connect/captured_columns.h"
#include "connect/lossless.h"
#include "connect/preflight.h"
#include "connect/publication.h"
#include "connect/stream_connector.h"
#include "connect/topic_names.h"
#include "connect/transforms.h"

#define ANSWER_MS 10000
#define MOST_NAMES 10

static void take_finding(void *context, bool problem, const char *text)
{
	if (problem)
		preflight_problem(context, "%s", text);
	else
		preflight_warning(context, "%s", text);
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

static void check_columns(struct preflight *preflight, const json_t *settings)
{
	struct error *error;

	if (preflight->source == NULL)
		return;
	error = captured_columns_take(settings, preflight->source, preflight->arena, &preflight->captured);
	if (error != NULL)
		preflight_error(preflight, error);
	else
		captured_columns_check(settings, &preflight->captured, take_finding, preflight);
}

static void take_capture_finding(const struct connector_finding *finding, void *preflight)
{
	if (finding->problem)
		preflight_problem(preflight, "%s; %s", finding->text, finding->remedy);
	else
		preflight_warning(preflight, "%s; %s", finding->text, finding->remedy);
}

static void check_capture(struct preflight *preflight, json_t *settings)
{
	const struct connector_definition definition = {.config = settings};
	struct error *error;

	if (preflight->source == NULL)
		return;
	error = connector_check_capture(preflight->source, &definition, take_capture_finding, preflight);
	if (error != NULL)
		preflight_error(preflight, error);
	error = publication_check(preflight->source, settings, preflight->config, take_capture_finding, preflight);
	if (error != NULL)
		preflight_error(preflight, error);
}

static void judge_settings(struct preflight *preflight, json_t *settings)
{
	char *worker_converter = format_read_worker(preflight->config, settings, take_finding, preflight);
	const enum event_format format = format_of_connector(settings, worker_converter);
	struct error *error;

	preflight->publication =
	    arena_format(preflight->arena, "%s", capture_setting(settings, "publication.name", "dbz_publication"));
	if (format != FORMAT_UNKNOWN) /* else that of the events, if there are any */
		preflight->format = format;
	lossless_check(settings, worker_converter, preflight->format, preflight->config, take_finding, preflight);
	free(worker_converter);
	preflight->added_fields = transforms_added_fields(settings);
	if (preflight->added_fields != NULL)
		preflight->added_fields = arena_format(preflight->arena, "%s", preflight->added_fields);
	topic_names_check(settings, preflight->config, take_finding, preflight);
	error = stream_connector_check(settings, preflight->config, take_finding, preflight);
	if (error != NULL)
		preflight_error(preflight, error);
	check_lists(preflight, settings);
	check_columns(preflight, settings);
	check_capture(preflight, settings);
}

static void report_error(struct preflight *preflight, struct error *error)
{
	if (error->class == ERROR_TRANSIENT)
		/* The stream needs Kafka, not Connect. */
		preflight_warning(preflight, "Kafka Connect does not answer, its settings are not checked: %s",
		                  error->message);
	else
		preflight_problem(preflight, "%s; create the connector, or correct the settings in connect",
		                  error->message);
	error_free(error);
}

void check_connector(struct preflight *preflight)
{
	const struct config *config = preflight->config;
	struct buffer path = {0};
	json_t *settings = NULL;
	struct error *error;

	if (config->connect.url == NULL || config->connect.connector == NULL) {
		puts("  not checked: connect.url and connect.connector are not set");
		return;
	}
	buffer_append_text(&path, "/connectors/");
	connect_append_name(&path, config->connect.connector);
	buffer_append_text(&path, "/config");
	error = connect_call_once(config, "GET", path.data, NULL, ANSWER_MS, &settings);
	buffer_free(&path);
	if (error != NULL)
		report_error(preflight, error_wrap(error, "connector %s", config->connect.connector));
	else if (!stream_connector_is_configuration(settings))
		preflight_problem(preflight, "connector %s: %s; is connect.url right?", config->connect.connector,
		                  stream_connector_problem(settings, config, preflight->arena));
	else
		judge_settings(preflight, settings);
	json_decref(settings);
}
