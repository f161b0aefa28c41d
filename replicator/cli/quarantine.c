/* quarantine.c - `replicator quarantine list|show|retry|skip`: what could not be applied and was set aside. */
#include "target/quarantine.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/exit_code.h"
#include "base/text.h"
#include "cli/command.h"
#include "pg/sql.h"

struct quarantine_command {
	const struct config *config;
	struct pg_connection *connection;
	int64_t id; /* 0: all */
	const char *reason;
	bool failed; /* a retry */
};

static struct error *query(struct quarantine_command *command, const char *columns, const char *where,
                           struct pg_result **result)
{
	const char *const parameters[1] = {command->config->stream.name};
	struct buffer sql = {0};
	struct error *error;

	buffer_append_format(&sql, "SELECT %s FROM ", columns);
	sql_append_qualified(&sql, command->config->target.schema, "quarantine");
	buffer_append_format(&sql, " q WHERE q.stream = $1 AND %s ORDER BY q.id", where);
	error = pg_query(command->connection, sql.data, 1, parameters, result);
	buffer_free(&sql);
	return error;
}

static struct error *list(struct quarantine_command *command)
{
	struct pg_result *rows = NULL;

	TRY(query(command,
	          "q.id, q.state, to_char(q.set_aside_at, 'YYYY-MM-DD HH24:MI:SS'), coalesce(q.tx_id::text, '-'),"
	          " coalesce(q.commit_lsn::text, '-'), q.change_count,"
	          " array_to_string(q.tables, ', '), q.error, coalesce(q.reason, '')",
	          "true", &rows));
	if (pg_result_rows(rows) == 0)
		printf("nothing was set aside\n");
	for (size_t i = 0; i < pg_result_rows(rows); i++)
		printf("%s  %s  since %s  transaction %s at %s, %s changes of %s\n    %s%s%s\n",
		       pg_result_text(rows, i, 0), pg_result_text(rows, i, 1), pg_result_text(rows, i, 2),
		       pg_result_text(rows, i, 3), pg_result_text(rows, i, 4), pg_result_text(rows, i, 5),
		       pg_result_text(rows, i, 6), pg_result_text(rows, i, 7),
		       pg_result_is_null(rows, i, 8) || pg_result_text(rows, i, 8)[0] == '\0' ? "" : "; skipped: ",
		       pg_result_text(rows, i, 8));
	pg_result_free(rows);
	return NULL;
}

/* The evidence, values included: the operator asked for it. */
static struct error *show(struct quarantine_command *command)
{
	struct pg_result *rows = NULL;
	char where[64];

	snprintf(where, sizeof(where), "q.id = %lld", (long long)command->id);
	TRY(query(command, "jsonb_pretty(to_jsonb(q) - 'keys')", where, &rows));
	if (pg_result_rows(rows) == 0) {
		pg_result_free(rows);
		return error_new(ERROR_CONFIGURATION, "there is no transaction %lld in the quarantine of stream %s",
		                 (long long)command->id, command->config->stream.name);
	}
	command_print_visible(stdout, pg_result_text(rows, 0, 0));
	pg_result_free(rows);
	return NULL;
}

static void tell(void *context, const struct quarantine_outcome *outcome)
{
	struct quarantine_command *command = context;

	if (outcome->error == NULL && !outcome->follows) {
		printf("%lld  applied\n", (long long)outcome->id);
		return;
	}
	command->failed = true;
	printf("%lld  waits: %s\n", (long long)outcome->id,
	       outcome->follows ? "an earlier one of the same rows is not applied yet" : outcome->error->message);
}

static struct error *retry(struct quarantine_command *command)
{
	return quarantine_retry(command->connection, command->config, command->id, tell, command);
}

static struct error *skip(struct quarantine_command *command)
{
	TRY(quarantine_skip(command->connection, command->config, command->id, command->reason));
	printf("%lld  skipped\n", (long long)command->id);
	return NULL;
}

static const struct {
	const char *name;
	struct error *(*run)(struct quarantine_command *command);
	bool id_needed;
	bool reason_needed;
} verbs[] = {{"list", list, false, false},
             {"show", show, true, false},
             {"retry", retry, false, false},
             {"skip", skip, true, true}};

/* Which verb; the number of verbs when the command line is wrong. */
static size_t parse(const struct invocation *invocation, struct quarantine_command *command)
{
	const size_t none = sizeof(verbs) / sizeof(verbs[0]);
	const struct command_option options[] = {{"--reason", NULL, &command->reason}, {0}};
	const char *id = NULL;
	struct invocation rest = *invocation;
	size_t verb = 0;

	if (invocation->argument_count == 0) {
		command_usage_error(invocation->command, "one of list, show, retry and skip is missing");
		return none;
	}
	while (verb < none && strcmp(verbs[verb].name, invocation->arguments[0]) != 0)
		verb++;
	rest.argument_count--;
	rest.arguments++;
	if (verb == none) {
		command_usage_error(invocation->command, "quarantine has list, show, retry and skip, not `%s`",
		                    invocation->arguments[0]);
		return none;
	}
	if (!command_parse(&rest, options, &id))
		return none;
	if ((id != NULL && (!text_read_integer(id, 1, INT64_MAX, &command->id) || verbs[verb].run == list)) ||
	    (id == NULL && verbs[verb].id_needed) || (command->reason == NULL) == verbs[verb].reason_needed) {
		command_usage_error(invocation->command, "%s takes %s", verbs[verb].name,
		                    verbs[verb].reason_needed ? "the ID that `list` shows, and --reason TEXT"
		                    : verbs[verb].id_needed   ? "the ID that `list` shows"
		                    : verbs[verb].run == list ? "nothing more"
		                                              : "at most the ID that `list` shows");
		return none;
	}
	return verb;
}

int command_quarantine(const struct invocation *invocation)
{
	struct quarantine_command command = {0};
	size_t verb = parse(invocation, &command);
	struct config *config;
	struct error *error;

	if (verb == sizeof(verbs) / sizeof(verbs[0]))
		return EXIT_UNCHECKED;
	config = command_load_config(invocation);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	command.config = config;
	error = pg_connect(config->target.dsn, "replicator quarantine", &command.connection);
	if (error == NULL)
		error = verbs[verb].run(&command);
	pg_disconnect(command.connection);
	config_free(config);
	if (error != NULL)
		return command_fail(error);
	return command.failed ? EXIT_EVENT : EXIT_OK;
}
