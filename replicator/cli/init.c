/* init.c - `replicator init target`: the schema of the state tables. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/exit_code.h"
#include "target/checkpoint.h"

static int print_schema(const struct config *config)
{
	struct buffer sql = {0};

	checkpoint_print_schema(config->target.schema, &sql);
	fputs(sql.data, stdout);
	buffer_free(&sql);
	return EXIT_OK;
}

static int change_schema(const struct config *config, bool remove)
{
	struct pg_connection *connection = NULL;
	struct error *error = pg_connect(config->target.dsn, "replicator init", &connection);

	if (error == NULL && remove)
		error = checkpoint_remove_schema(connection, config->target.schema);
	else if (error == NULL)
		error = checkpoint_install_schema(connection, config->target.schema);
	if (error == NULL)
		printf("%s: schema %s %s\n", pg_description(connection), config->target.schema,
		       remove ? "is removed" : "is there and up to date");
	pg_disconnect(connection);
	return error == NULL ? EXIT_OK : command_fail(error);
}

int command_init(const struct invocation *invocation)
{
	bool print = false;
	bool remove = false;
	const struct command_option options[] = {{"--print", &print, NULL}, {"--remove", &remove, NULL}, {0}};
	const char *what = NULL;
	struct config *config;
	int code;

	if (!command_parse(invocation, options, &what))
		return EXIT_UNCHECKED;
	if (what == NULL || strcmp(what, "target") != 0 || (print && remove)) {
		command_usage_error(invocation->command,
		                    "init takes `target`, and one of --print and --remove at most");
		return EXIT_UNCHECKED;
	}
	config = command_load_config(invocation);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	code = print ? print_schema(config) : change_schema(config, remove);
	config_free(config);
	return code;
}
