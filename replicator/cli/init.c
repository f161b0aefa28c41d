/* init.c - `replicator init source|target`: the schemas of ours in the two databases. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/exit_code.h"
#include "pg/migration.h"
#include "pg/sql.h"
#include "target/checkpoint.h"

struct init {
	const char *folder;
	const char *schema;
	const char *dsn;
	const char *role; /* that shall own the source's tables, or NULL */
	bool print;
	bool remove;
};

/* The tables that the connector writes to, and whose changes it must be able to publish. */
static void append_ownership(struct buffer *sql, const struct init *init)
{
	static const char *const tables[] = {"heartbeat", "signal"};

	buffer_append_text(sql, "GRANT USAGE ON SCHEMA ");
	sql_append_identifier(sql, init->schema);
	buffer_append_text(sql, " TO ");
	sql_append_identifier(sql, init->role);
	buffer_append_text(sql, ";\n");
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		buffer_append_text(sql, "ALTER TABLE ");
		sql_append_qualified(sql, init->schema, tables[i]);
		buffer_append_text(sql, " OWNER TO ");
		sql_append_identifier(sql, init->role);
		buffer_append_text(sql, ";\n");
	}
}

static int print_schema(const struct init *init)
{
	struct buffer sql = {0};

	migration_print(init->folder, init->schema, &sql);
	if (init->role != NULL)
		append_ownership(&sql, init);
	fputs(sql.data, stdout);
	buffer_free(&sql);
	return EXIT_OK;
}

static struct error *give_to_role(struct pg_connection *connection, const struct init *init)
{
	struct buffer sql = {0};
	struct error *error;

	append_ownership(&sql, init);
	error = pg_execute(connection, sql.data);
	buffer_free(&sql);
	return error_wrap(error, "giving the tables of schema %s to role %s", init->schema, init->role);
}

static int change_schema(const struct init *init)
{
	struct pg_connection *connection = NULL;
	struct error *error = pg_connect(init->dsn, "replicator init", &connection);

	if (error == NULL && init->remove)
		error = migration_remove(connection, init->schema);
	else if (error == NULL)
		error = migration_install(connection, init->folder, init->schema);
	if (error == NULL && !init->remove && init->role != NULL)
		error = give_to_role(connection, init);
	if (error == NULL)
		printf("%s: schema %s %s\n", pg_description(connection), init->schema,
		       init->remove ? "is removed" : "is there and up to date");
	pg_disconnect(connection);
	return error == NULL ? EXIT_OK : command_fail(error);
}

static int init_side(const struct config *config, struct init *init, bool source)
{
	init->folder = source ? MIGRATION_SOURCE : MIGRATION_TARGET;
	init->schema = source ? config_source_schema : config->target.schema;
	init->dsn = source ? config->source.dsn : config->target.dsn;
	if (init->print)
		return print_schema(init);
	if (init->dsn == NULL)
		return command_fail(error_new(ERROR_CONFIGURATION,
		                              "%s: source.dsn is missing: the connection string of the source database",
		                              config->file));
	return change_schema(init);
}

int command_init(const struct invocation *invocation)
{
	struct init init = {0};
	const struct command_option options[] = {{"--print", &init.print, NULL},
	                                         {"--remove", &init.remove, NULL},
	                                         {"--role", NULL, &init.role},
	                                         {0}};
	const char *what = NULL;
	struct config *config;
	bool source;
	int code;

	if (!command_parse(invocation, options, &what))
		return EXIT_UNCHECKED;
	source = what != NULL && strcmp(what, "source") == 0;
	if (what == NULL || (!source && strcmp(what, "target") != 0) || (init.print && init.remove) ||
	    (init.role != NULL && (!source || init.remove))) {
		command_usage_error(invocation->command, "init takes `source` or `target`, one of --print and --remove "
		                                         "at most, and --role with `source` only");
		return EXIT_UNCHECKED;
	}
	config = command_load_config(invocation);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	code = init_side(config, &init, source);
	config_free(config);
	return code;
}
