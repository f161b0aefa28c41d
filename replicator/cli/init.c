/* init.c - `replicator init source|target`: the schemas of ours in the two databases. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/exit_code.h"
#include "pg/migration.h"
#include "pg/sql.h"
#include "target/checkpoint.h"
#include "target/ddl.h"

struct init {
	const char *folder;
	const char *schema;
	const char *dsn;
	const char *role;    /* the connector's, or NULL */
	const char *capture; /* patterns of the tables that belong to the publication, separated by commas, or NULL */
	bool identity_full;  /* tables that lack a replica identity get a full one */
	bool print;
	bool remove;
	bool tables; /* with target: make the tables that the source has and the target lacks */
	const struct config *config;
};

static bool is_source(const struct init *init)
{
	return strcmp(init->folder, MIGRATION_SOURCE) == 0;
}

/* What decides how the server writes values for the connector; see sql/checks/capture.sql. */
static void append_pins(struct buffer *sql, const char *role)
{
	static const char *const settings[][2] = {{"intervalstyle", "postgres"},
	                                          {"extra_float_digits", "1"},
	                                          {"bytea_output", "hex"},
	                                          {"lc_monetary", "C"}};

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		buffer_append_text(sql, "DO $pin$ BEGIN EXECUTE pg_catalog.format('ALTER ROLE %I IN DATABASE %I SET ");
		buffer_append_format(sql, "%s = %%L', ", settings[i][0]);
		sql_append_literal(sql, role);
		buffer_append_text(sql, ", pg_catalog.current_database(), ");
		sql_append_literal(sql, settings[i][1]);
		buffer_append_text(sql, "); END $pin$;\n");
	}
}

/* The connector's own role, whose settings count: those of a role that it is a member of do not. */
static const char *pinned_role(const struct init *init)
{
	return init->config->connect.source_user != NULL ? init->config->connect.source_user : init->role;
}

static void append_grant(struct buffer *sql, const struct init *init, const char *role)
{
	if (role == NULL)
		return;
	buffer_append_text(sql, "SELECT ");
	sql_append_qualified(sql, init->schema, "grant_to_connector");
	buffer_append_byte(sql, '(');
	sql_append_literal(sql, role);
	buffer_append_text(sql, ");\n");
}

static void append_capture(struct buffer *sql, const struct init *init)
{
	if (init->capture == NULL)
		return;
	buffer_append_text(sql, "UPDATE ");
	sql_append_qualified(sql, init->schema, "ddl_settings");
	buffer_append_text(sql, " SET capture = string_to_array(");
	sql_append_literal(sql, init->capture);
	buffer_append_text(sql, ", ',');\n");
}

/* What follows the files of the source and the patterns: the publication, the connector's rights, then the log's beginning. */
static void append_source(struct buffer *sql, const struct init *init)
{
	buffer_append_text(sql, "SELECT ");
	sql_append_qualified(sql, init->schema, "make_publication");
	buffer_append_byte(sql, '(');
	sql_append_literal(sql, init->config->connect.publication);
	buffer_append_format(sql, ", %s);\n", init->identity_full ? "true" : "false");
	append_grant(sql, init, init->role);
	append_grant(sql, init, init->config->connect.source_user);
	if (pinned_role(init) != NULL)
		append_pins(sql, pinned_role(init));
	buffer_append_text(sql, "SELECT ");
	sql_append_qualified(sql, init->schema, "ddl_baseline");
	buffer_append_text(sql, "();\n");
}

static int print_schema(const struct init *init)
{
	struct buffer sql = {0};

	migration_print(init->folder, init->schema, &sql);
	if (is_source(init)) {
		append_capture(&sql, init);
		append_source(&sql, init);
		buffer_append_text(&sql, "SELECT ");
		sql_append_qualified(&sql, init->schema, "ddl_enable");
		buffer_append_text(&sql, "();\n");
	}
	fputs(sql.data, stdout);
	buffer_free(&sql);
	return EXIT_OK;
}

/* Again, for a schema that was installed when the right was not there yet. */
static struct error *enable_ddl(struct pg_connection *connection, const struct init *init)
{
	struct buffer sql = {0};
	struct pg_result *result = NULL;
	struct error *error;

	buffer_append_text(&sql, "SELECT ");
	sql_append_qualified(&sql, init->schema, "ddl_enable");
	buffer_append_text(&sql, "()::int");
	error = pg_query(connection, sql.data, 0, NULL, &result);
	if (error == NULL && pg_result_integer(result, 0, 0) == 0)
		printf(
		    "%s: this role may not create event triggers: schema changes are not logged. Let a superuser run "
		    "SELECT %s.ddl_enable()\n",
		    pg_description(connection), init->schema);
	pg_result_free(result);
	buffer_free(&sql);
	return error;
}

/* Published, they would refuse the application's updates: their owner decides. */
static struct error *refuse_without_identity(struct pg_connection *connection, const struct init *init)
{
	struct buffer sql = {0};
	struct pg_result *result = NULL;
	struct error *error;

	buffer_append_text(&sql,
	                   "SELECT count(*), string_agg(relation::text, ', ' ORDER BY relation::text)"
	                   " FILTER (WHERE number <= 20) FROM (SELECT relation, row_number() OVER () AS number FROM ");
	sql_append_qualified(&sql, init->schema, "tables_without_identity");
	buffer_append_format(&sql, "() WHERE hopeless%s) t", init->identity_full ? "" : " OR true");
	error = pg_query(connection, sql.data, 0, NULL, &result);
	if (error == NULL && pg_result_integer(result, 0, 0) > 0)
		error = error_new(
		    ERROR_CONFIGURATION,
		    "%s: tables without a replica identity (%s) would refuse UPDATE and DELETE once they are "
		    "published: "
		    "%s%s; %s",
		    pg_description(connection), pg_result_text(result, 0, 0), pg_result_text(result, 0, 1),
		    pg_result_integer(result, 0, 0) > 20 ? " …" : "",
		    init->identity_full
		        ? "they have virtual generated columns, with which REPLICA IDENTITY FULL is not enough: "
		          "give them a primary key"
		        : "give them a primary key, or have --identity-full give them REPLICA IDENTITY FULL");
	pg_result_free(result);
	buffer_free(&sql);
	return error;
}

/* Inside a transaction. */
static struct error *publish_and_log(struct pg_connection *connection, const struct init *init)
{
	struct buffer sql = {0};
	struct error *error;

	append_capture(&sql, init);
	error = sql.length > 0 ? pg_execute(connection, sql.data) : NULL;
	if (error == NULL)
		error = refuse_without_identity(connection, init);
	buffer_reset(&sql);
	append_source(&sql, init);
	if (error == NULL)
		error = pg_execute(connection, sql.data);
	buffer_free(&sql);
	return error_wrap(error, "setting up publication %s and the log of schema changes",
	                  init->config->connect.publication);
}

static struct error *set_up_source(struct pg_connection *connection, const struct init *init)
{
	struct error *error;

	TRY(pg_execute(connection, "BEGIN"));
	error = publish_and_log(connection, init);
	if (error != NULL) {
		if (!pg_is_broken(connection))
			error_free(pg_execute(connection, "ROLLBACK"));
		return error;
	}
	TRY(pg_execute(connection, "COMMIT"));
	printf("%s: publication %s is there\n", pg_description(connection), init->config->connect.publication);
	return enable_ddl(connection, init);
}

/* Before the functions go that know which they are. */
static struct error *remove_publications(struct pg_connection *connection, const struct init *init)
{
	struct buffer sql = {0};
	int64_t found = 0;
	struct error *error;

	TRY(migration_trust(connection, init->schema));
	TRY(pg_query_integer(connection,
	                     "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
	                     " WHERE n.nspname = $1 AND p.proname = 'drop_publications'",
	                     1, &init->schema, 0, &found));
	if (found == 0)
		return NULL;
	buffer_append_text(&sql, "SELECT ");
	sql_append_qualified(&sql, init->schema, "drop_publications");
	buffer_append_text(&sql, "()");
	error = pg_execute(connection, sql.data);
	buffer_free(&sql);
	return error_wrap(error, "dropping the publications of `init source`");
}

/* The last image of each object in the source's log, in the order of their dependencies. */
static struct error *read_images(const struct init *init, struct arena *arena, const struct object_image ***images,
                                 size_t *count)
{
	struct pg_connection *source = NULL;
	struct pg_result *result = NULL;
	struct error *error = NULL;

	*images = NULL;
	*count = 0;
	if (init->config->source.dsn == NULL)
		return error_new(ERROR_CONFIGURATION, "%s: source.dsn is missing: --tables reads the source's tables",
		                 init->config->file);
	TRY(pg_connect(init->config->source.dsn, "replicator init", &source));
	error = migration_trust(source, config_source_schema);
	if (error == NULL)
		error = pg_query(
		    source,
		    "SELECT l.image FROM (SELECT DISTINCT kind, relid FROM replicator.ddl_log WHERE event <> "
		    "'rewrite') o,"
		    " replicator.ddl_last(o.kind, o.relid::oid) l WHERE l.image IS NOT NULL"
		    " ORDER BY array_position(ARRAY['schema', 'extension', 'type', 'sequence', 'table'], o.kind),"
		    " (l.image->'parents' <> '[]'), o.relid",
		    0, NULL, &result);
	if (error == NULL)
		*images = arena_alloc(arena, (pg_result_rows(result) + 1) * sizeof(**images));
	for (; error == NULL && *count < pg_result_rows(result); (*count)++) {
		const char *json = pg_result_text(result, *count, 0);

		error = object_image_parse(json, strlen(json), arena, &(*images)[*count]);
	}
	pg_result_free(result);
	pg_disconnect(source);
	return error_wrap(error, "reading the source's schema; `init source` installs its log");
}

static struct error *make_tables(struct pg_connection *connection, const struct init *init)
{
	struct arena *arena = arena_new();
	struct binding_cache *cache = binding_cache_new(init->config);
	struct ddl *ddl = ddl_new(cache);
	const struct object_image **images;
	size_t count, made = 0;
	struct error *error = read_images(init, arena, &images, &count);

	if (error == NULL)
		error = pg_execute(connection, "BEGIN");
	if (error == NULL)
		error = ddl_make_missing(ddl, connection, images, count, &made);
	if (error == NULL)
		error = pg_execute(connection, "COMMIT");
	if (error == NULL)
		printf("%s: what the source has and the target lacked is made: %zu steps\n", pg_description(connection),
		       made);
	ddl_free(ddl);
	binding_cache_free(cache);
	arena_free(arena);
	return error;
}

static int change_schema(const struct init *init)
{
	struct pg_connection *connection = NULL;
	struct error *error = pg_connect(init->dsn, "replicator init", &connection);

	if (error == NULL && init->remove && is_source(init))
		error = remove_publications(connection, init);
	if (error == NULL && init->remove)
		error = migration_remove(connection, init->folder, init->schema);
	else if (error == NULL)
		error = migration_install(connection, init->folder, init->schema);
	if (error == NULL && !init->remove && is_source(init))
		error = set_up_source(connection, init);
	if (error == NULL && init->tables)
		error = make_tables(connection, init);
	if (error == NULL)
		printf("%s: schema %s %s\n", pg_description(connection), init->schema,
		       init->remove ? "is removed" : "is there and up to date");
	pg_disconnect(connection);
	return error == NULL ? EXIT_OK : command_fail(error);
}

static int init_side(const struct config *config, struct init *init, bool source)
{
	init->config = config;
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
	                                         {"--tables", &init.tables, NULL},
	                                         {"--role", NULL, &init.role},
	                                         {"--capture", NULL, &init.capture},
	                                         {"--identity-full", &init.identity_full, NULL},
	                                         {0}};
	const char *what = NULL;
	struct config *config;
	bool source;
	int code;

	if (!command_parse(invocation, options, &what))
		return EXIT_UNCHECKED;
	source = what != NULL && strcmp(what, "source") == 0;
	if (what == NULL || (!source && strcmp(what, "target") != 0) || (init.print && init.remove) ||
	    ((init.role != NULL || init.capture != NULL || init.identity_full) && (!source || init.remove)) ||
	    (init.tables && (source || init.print || init.remove))) {
		command_usage_error(invocation->command, "init takes `source` or `target`, one of --print and --remove "
		                                         "at most, --role, --capture and --identity-full with `source` "
		                                         "only, and --tables with `target` only");
		return EXIT_UNCHECKED;
	}
	config = command_load_config(invocation);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	code = init_side(config, &init, source);
	config_free(config);
	return code;
}
