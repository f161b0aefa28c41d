/*
 * accept.c - `replicator accept gap|new-slot|source`: what only an operator can decide.
 *
 * NOTES
 *   `gap` and `new-slot` are kept in the target and used once, by the next start; a flag of `run` would be repeated by a
 *   service manager for ever. `source` records the server that source.dsn names as the stream's source, at once.
 */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/exit_code.h"
#include "check/watermark.h"
#include "target/acceptance.h"
#include "target/checkpoint.h"
#include "target/source_identity.h"

static struct error *ask_source(const struct config *config, struct source_identity *identity, uint64_t *lsn)
{
	struct pg_connection *source = NULL;
	bool standby = false;
	struct error *error;

	if (config->source.dsn == NULL)
		return error_new(ERROR_CONFIGURATION,
		                 "%s: source.dsn is missing: the connection string of the source database",
		                 config->file);
	TRY(error_wrap(pg_connect(config->source.dsn, "replicator accept", &source), "source.dsn"));
	error = source_identity_ask(source, identity, &standby);
	if (error == NULL)
		error = watermark_read_position(source, lsn);
	if (error == NULL && standby)
		error =
		    error_new(ERROR_CONFIGURATION, "%s: the server is a standby, no stream reads it; name the primary",
		              pg_description(source));
	pg_disconnect(source);
	return error;
}

static struct error *accept_identity(struct pg_connection *target, const struct config *config,
                                     const struct source_identity *identity, uint64_t lsn)
{
	struct error *error;

	TRY(pg_execute(target, "BEGIN"));
	error = source_identity_accept(target, config, identity, lsn);
	if (error == NULL)
		error = pg_execute(target, "COMMIT");
	return error;
}

static int record_source(const struct config *config)
{
	struct pg_connection *target = NULL;
	struct source_identity identity;
	uint64_t lsn = 0;
	struct error *error = ask_source(config, &identity, &lsn);

	if (error == NULL)
		error = pg_connect(config->target.dsn, "replicator accept", &target);
	if (error == NULL)
		error = checkpoint_check_schema(target, config->target.schema);
	if (error == NULL)
		error = accept_identity(target, config, &identity, lsn);
	if (error == NULL)
		printf("recorded for stream %s: its source is system %s, database %s, timeline %s; its tables are "
		       "unverified until a comparison with that source\n",
		       config->stream.name, identity.system, identity.database, identity.timeline);
	pg_disconnect(target);
	return error == NULL ? EXIT_OK : command_fail(error);
}

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
	if (word == NULL ||
	    (strcmp(word, "gap") != 0 && strcmp(word, "new-slot") != 0 && strcmp(word, "source") != 0)) {
		command_usage_error(invocation->command, "accept takes `gap`, `new-slot` or `source`");
		return EXIT_UNCHECKED;
	}
	config = command_load_config(invocation);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	code = strcmp(word, "source") == 0 ? record_source(config) : record(config, word);
	config_free(config);
	return code;
}
