/*
 * table.c - `replicator table add|resync TABLE`: one table joins the stream, or is read anew, with the stream running.
 */
#include "cli/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/exit_code.h"
#include "base/memory.h"
#include "base/signals.h"
#include "check/resync.h"
#include "cli/table.h"

/* "schema.table": the name as it is in the catalog, split at the first point. */
static bool split_name(char *name, struct table_request *request)
{
	char *point = strchr(name, '.');

	if (point == NULL || point == name || point[1] == '\0')
		return false;
	*point = '\0';
	request->schema = name;
	request->table = point + 1;
	return true;
}

static struct error *table_resync(const struct table_request *request, int *code)
{
	enum exit_code verdict = EXIT_UNCHECKED;
	struct error *error = resync_table(request->config, request->schema, request->table, request->compare_only,
	                                   request->timeout_us, stdout, &verdict);

	*code = (int)verdict;
	return error;
}

static const struct table_verb {
	const char *name;
	struct error *(*run)(const struct table_request *request, int *code);
} verbs[] = {{"add", table_add}, {"resync", table_resync}};

static int run_verb(const struct table_verb *verb, struct table_request *request, char *name,
                    const struct command *command)
{
	int code = EXIT_UNCHECKED;
	struct error *error;

	if (!split_name(name, request)) {
		command_usage_error(command, "%s: name the table with its schema, like public.users", name);
		return EXIT_UNCHECKED;
	}
	if (request->config->source.dsn == NULL)
		return command_fail(error_new(ERROR_CONFIGURATION,
		                              "%s: source.dsn is missing: the connection string of the source database",
		                              request->config->file));
	signals_install();
	error = verb->run(request, &code);
	return error == NULL ? code : command_fail(error);
}

int command_table(const struct invocation *invocation)
{
	const char *table = NULL, *timeout = "60";
	struct table_request request = {0};
	const struct command_option options[] = {{"--timeout", NULL, &timeout},
	                                         {"--compare-only", &request.compare_only, NULL},
	                                         {0}};
	struct invocation rest = *invocation;
	const struct table_verb *verb = NULL;
	struct config *config;
	char *name;
	int code;

	for (size_t i = 0; rest.argument_count > 0 && i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strcmp(rest.arguments[0], verbs[i].name) == 0)
			verb = &verbs[i];
	if (verb == NULL) {
		command_usage_error(invocation->command, "table takes `add` or `resync`, and the name of a table");
		return EXIT_UNCHECKED;
	}
	rest.arguments++;
	rest.argument_count--;
	if (!command_parse(&rest, options, &table))
		return EXIT_UNCHECKED;
	if (table == NULL || !command_parse_timeout(timeout, &request.timeout_us) ||
	    (request.compare_only && verb->run != table_resync)) {
		command_usage_error(invocation->command,
		                    "table %s takes the name of a table, and --timeout in whole seconds%s", verb->name,
		                    verb->run == table_resync ? "; or --compare-only" : "");
		return EXIT_UNCHECKED;
	}
	config = command_load_config(invocation);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	request.config = config;
	name = memory_copy_text(table);
	code = run_verb(verb, &request, name, invocation->command);
	free(name);
	config_free(config);
	return code;
}
