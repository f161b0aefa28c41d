/*
 * accept.c - `replicator accept gap|new-slot`: an operator's word about what the program must not decide by itself.
 *
 * NOTES
 *   It is kept in the target and used once, by the next start; a flag of `run` would be repeated by a service manager
 *   for ever.
 */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/exit_code.h"
#include "target/acceptance.h"
#include "target/checkpoint.h"

static int record(const struct config *config, const char *word)
{
	struct pg_connection *connection = NULL;
	struct error *error = pg_connect(config->target.dsn, "replicator accept", &connection);

	if (error == NULL)
		error = checkpoint_check_schema(connection, config->target.schema);
	if (error == NULL)
		error = acceptance_record(connection, config, word);
	if (error == NULL)
		printf("recorded for stream %s: the next start continues %s; its tables are unverified then, until a "
		       "comparison with the source\n",
		       config->stream.name,
		       strcmp(word, "gap") == 0 ? "without the events that are gone"
		                                : "with the commit LSNs of the source as it is now");
	pg_disconnect(connection);
	return error == NULL ? EXIT_OK : command_fail(error);
}

int command_accept(const struct invocation *invocation)
{
	const struct command_option options[] = {{0}};
	const char *word = NULL;
	struct config *config;
	int code;

	if (!command_parse(invocation, options, &word))
		return EXIT_UNCHECKED;
	if (word == NULL || (strcmp(word, "gap") != 0 && strcmp(word, "new-slot") != 0)) {
		command_usage_error(invocation->command, "accept takes `gap` or `new-slot`");
		return EXIT_UNCHECKED;
	}
	config = command_load_config(invocation);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	code = record(config, word);
	config_free(config);
	return code;
}
