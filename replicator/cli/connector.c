/*
 * connector.c - `replicator connector VERB`: the connector at Kafka Connect.
 *
 * NOTES
 *   The verbs are Connect's own, so that its documentation holds. What is ours: a connector can be made from the
 *   configuration, the source is looked at before, a deletion can take slot and publication along, and no secret is
 *   shown.
 */
#include "cli/connector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_code.h"
#include "connect/client.h"
#include "connect/connector.h"
#include "connect/lossless.h"
#include "connect/preflight.h"
#include "connect/stream_connector.h"
#include "connect/topic_names.h"

/* The definition that a verb works with: of the file, else made from the settings. */
static struct error *take_definition(const struct connector_request *request, struct connector_definition *definition)
{
	struct pg_connection *source = NULL;
	struct pg_result *result = NULL;
	const char *parameters[1] = {NULL};
	struct error *error;
	bool managed;

	if (request->file != NULL)
		return definition_read(request->file, definition);
	if (request->config->source.dsn == NULL)
		return definition_generate(request->config, false, definition); /* says what is missing */
	TRY(pg_connect(request->config->source.dsn, "replicator connector", &source));
	parameters[0] = config_source_schema;
	error = pg_query(source,
	                 "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	                 " WHERE n.nspname = $1 AND c.relname IN ('heartbeat', 'signal') HAVING count(*) = 2",
	                 1, parameters, &result);
	managed = error == NULL && pg_result_rows(result) > 0;
	pg_result_free(result);
	pg_disconnect(source);
	TRY(error);
	return definition_generate(request->config, managed, definition);
}

static void tell(const struct connector_finding *finding, void *context)
{
	size_t *problems = context;

	connector_print_line(stderr, "%s: %s", finding->problem ? "problem" : "warning", finding->text);
	connector_print_line(stderr, "         %s", finding->remedy);
	*problems += finding->problem ? 1 : 0;
}

static void tell_of_setting(void *context, bool problem, const char *text)
{
	size_t *problems = context;

	connector_print_line(stderr, "%s: %s", problem ? "problem" : "warning", text);
	*problems += problem ? 1 : 0;
}

static struct error *check_source(const struct connector_request *request,
                                  const struct connector_definition *definition, size_t *problems)
{
	struct pg_connection *source = NULL;
	struct error *error;

	if (request->config->source.dsn == NULL) {
		fprintf(stderr, "warning: source.dsn is not set: the source was not checked\n");
		return NULL;
	}
	TRY(pg_connect(request->config->source.dsn, "replicator connector", &source));
	error = connector_preflight(source, definition, tell, problems);
	pg_disconnect(source);
	return error;
}

/*
 * The settings, and with `source` the source too, are looked at before Connect is asked. `what` failed when they have
 * problems.
 */
static struct error *check_definition(const struct connector_request *request,
                                      const struct connector_definition *definition, bool source, const char *what)
{
	size_t problems = 0;
	char *worker_converter;

	if (request->unchecked)
		return NULL;
	worker_converter = format_read_worker(request->config, definition->config, tell_of_setting, &problems);
	lossless_check(definition->config, worker_converter, format_of_connector(definition->config, worker_converter),
	               request->config, tell_of_setting, &problems);
	free(worker_converter);
	topic_names_check(definition->config, request->config, tell_of_setting, &problems);
	if (source) {
		TRY(stream_connector_check(definition->config, request->config, tell_of_setting, &problems));
		TRY(check_source(request, definition, &problems));
	}
	if (problems > 0)
		return error_new(ERROR_CONFIGURATION,
		                 "connector %s was not %s: %zu problem%s; fix them, or use --no-checks",
		                 definition->name, what, problems, problems == 1 ? "" : "s");
	return NULL;
}

static struct error *create(const struct connector_request *request)
{
	struct connector_definition definition;
	struct error *error;
	json_t *body;

	TRY(take_definition(request, &definition));
	if (request->print) {
		connector_print_config(definition.config);
		definition_free(&definition);
		return NULL;
	}
	error = check_definition(request, &definition, true, "created");
	if (error == NULL) {
		body = json_pack("{s:s,s:O}", "name", definition.name, "config", definition.config);
		error = connect_call(request->config, "POST", "/connectors", body, NULL);
		json_decref(body);
	}
	if (error == NULL)
		connector_print_line(stdout,
		                     "connector %s is created; `replicator connector status` shows when it runs",
		                     definition.name);
	definition_free(&definition);
	return error;
}

/* Connect checks the whole again; the tasks are restarted with it. */
static struct error *update(const struct connector_request *request)
{
	struct connector_definition definition;
	struct error *error;
	json_t *now = NULL;

	TRY(take_definition(request, &definition));
	/* The slot is in use, by this connector: the source is as it was. */
	error = check_definition(request, &definition, false, "updated");
	if (error == NULL)
		error = connector_call(request->config, "GET", definition.name, "/config", NULL, &now);
	if (error == NULL)
		error = connector_call(request->config, "PUT", definition.name, "/config", definition.config, NULL);
	if (error == NULL)
		connector_print_difference(definition.name, now, definition.config);
	json_decref(now);
	definition_free(&definition);
	return error;
}

static struct error *show_config(const struct connector_request *request)
{
	json_t *answer = NULL;

	TRY(connector_call(request->config, "GET", request->name, "/config", NULL, &answer));
	connector_print_config(answer);
	json_decref(answer);
	return NULL;
}

static struct error *validate(const struct connector_request *request)
{
	struct connector_definition definition;
	struct buffer path = {0};
	json_t *answer = NULL;
	struct error *error;
	size_t problems = 0;

	TRY(take_definition(request, &definition));
	buffer_append_text(&path, "/connector-plugins/");
	connect_append_name(&path, definition_get(&definition, "connector.class", ""));
	buffer_append_text(&path, "/config/validate");
	json_object_set_new(definition.config, "name", json_string(definition.name));
	error = connect_call(request->config, "PUT", path.data, definition.config, &answer);
	buffer_free(&path);
	if (error == NULL)
		problems = connector_print_validation(definition.name, answer);
	json_decref(answer);
	if (error == NULL && problems > 0)
		error = error_new(ERROR_CONFIGURATION, "Connect would refuse connector %s: %zu problem%s",
		                  definition.name, problems, problems == 1 ? "" : "s");
	if (error == NULL)
		error = check_definition(request, &definition, true, "accepted");
	definition_free(&definition);
	return error;
}

static struct error *list(const struct connector_request *request)
{
	json_t *answer = NULL;

	TRY(connect_call(request->config, "GET", "/connectors?expand=status&expand=info", NULL, &answer));
	connector_print_list(answer);
	json_decref(answer);
	return NULL;
}

static void print_trace(const char *what, const json_t *object)
{
	const char *trace = json_string_value(json_object_get(object, "trace"));

	if (trace == NULL)
		return;
	printf("%s\n", what);
	command_print_visible(stdout, trace);
}

/* The traces as Connect has them: the operator asked for them, with the values that they may hold. */
static struct error *show_traces(const struct connector_request *request)
{
	json_t *answer = NULL, *task;
	size_t number;

	TRY(connector_call(request->config, "GET", request->name, "/status", NULL, &answer));
	print_trace("connector:", json_object_get(answer, "connector"));
	json_array_foreach(json_object_get(answer, "tasks"), number, task) print_trace("task:", task);
	json_decref(answer);
	return NULL;
}

static struct error *show_status(const struct connector_request *request)
{
	struct connector_status status;

	TRY(connector_read_status(request->config, request->name, 0, &status));
	if (!status.exists)
		return error_new(
		    ERROR_CONFIGURATION,
		    "Kafka Connect has no connector %s; `replicator connector list` names those that there "
		    "are, `connector create` makes it",
		    request->name);
	connector_print_status(request->name, &status);
	connector_status_free(&status);
	return request->trace ? show_traces(request) : NULL;
}

static struct error *put(const struct connector_request *request, const char *rest, const char *done)
{
	TRY(connector_call(request->config, "PUT", request->name, rest, NULL, NULL));
	printf("connector %s %s\n", request->name, done);
	return NULL;
}

static struct error *pause_it(const struct connector_request *request)
{
	return put(request, "/pause", "pauses: its slot keeps WAL on the source until it resumes");
}

static struct error *resume(const struct connector_request *request)
{
	return put(request, "/resume", "resumes");
}

static struct error *stop(const struct connector_request *request)
{
	return put(request, "/stop", "stops: its tasks end, its slot keeps WAL on the source until it resumes");
}

static struct error *restart(const struct connector_request *request)
{
	TRY(connector_restart(request->config, request->name, !request->all));
	printf("connector %s: %s\n", request->name,
	       request->all ? "connector and tasks restart" : "what failed of it restarts (--all: everything)");
	return NULL;
}

static struct error *offsets(const struct connector_request *request)
{
	json_t *answer = NULL;

	TRY(connector_call(request->config, request->reset ? "DELETE" : "GET", request->name, "/offsets", NULL,
	                   &answer));
	connector_print_json(answer);
	json_decref(answer);
	return NULL;
}

static const struct connector_verb verbs[] = {
    {"list", list, NAME_NONE},
    {"create", create, NAME_FILE},
    {"update", update, NAME_FILE},
    {"validate", validate, NAME_FILE},
    {"config", show_config, NAME_CONNECTOR},
    {"status", show_status, NAME_CONNECTOR},
    {"pause", pause_it, NAME_CONNECTOR},
    {"resume", resume, NAME_CONNECTOR},
    {"restart", restart, NAME_CONNECTOR},
    {"stop", stop, NAME_CONNECTOR},
    {"delete", connector_delete, NAME_CONNECTOR},
    {"offsets", offsets, NAME_CONNECTOR},
};

static const struct connector_verb *find_verb(const char *name)
{
	for (size_t i = 0; name != NULL && i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static int run_verb(const struct connector_verb *verb, struct connector_request *request, const char *word)
{
	struct error *error;

	if (verb->takes == NAME_FILE)
		request->file = word;
	else
		request->name = word != NULL ? word : request->config->connect.connector;
	if (verb->takes == NAME_CONNECTOR && request->name == NULL)
		error =
		    error_new(ERROR_CONFIGURATION, "%s: connect.connector is not set; set it, or name the connector",
		              request->config->file);
	else
		error = verb->run(request);
	return error == NULL ? EXIT_OK : command_fail(error);
}

int command_connector(const struct invocation *invocation)
{
	struct connector_request request = {0};
	const struct command_option options[] = {{"--print", &request.print, NULL},
	                                         {"--no-checks", &request.unchecked, NULL},
	                                         {"--all", &request.all, NULL},
	                                         {"--trace", &request.trace, NULL},
	                                         {"--with-slot", &request.with_slot, NULL},
	                                         {"--slot", NULL, &request.slot},
	                                         {"--reset", &request.reset, NULL},
	                                         {0}};
	const struct connector_verb *verb = find_verb(invocation->argument_count > 0 ? invocation->arguments[0] : NULL);
	struct invocation rest = *invocation;
	const char *word = NULL;
	struct config *config;
	int code;

	if (verb == NULL) {
		command_usage_error(invocation->command, "connector needs one of its verbs");
		return EXIT_UNCHECKED;
	}
	rest.arguments++;
	rest.argument_count--;
	if (!command_parse(&rest, options, verb->takes == NAME_NONE ? NULL : &word))
		return EXIT_UNCHECKED;
	config = command_load_config(invocation);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	request.config = config;
	code = run_verb(verb, &request, word);
	config_free(config);
	return code;
}
