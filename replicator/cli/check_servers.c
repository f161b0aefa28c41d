/* check_servers.c - the two databases as a whole: version, settings, rights, the state schema. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/preflight.h"
#include "pg/catalog.h"
#include "target/checkpoint.h"

/* Runs a query; on an error reports it and gives NULL. */
static struct pg_result *ask(struct preflight *preflight, struct pg_connection *connection, const char *sql,
                             size_t parameter_count, const char *const *parameters)
{
	struct pg_result *result = NULL;
	struct error *error = pg_query(connection, sql, parameter_count, parameters, &result);

	if (error == NULL)
		return result;
	preflight_error(preflight, error_wrap(error, "%s", pg_description(connection)));
	return NULL;
}

/* The first value of the first row, in the arena; "" when there is none. */
static const char *ask_text(struct preflight *preflight, struct pg_connection *connection, const char *sql)
{
	struct pg_result *result = ask(preflight, connection, sql, 0, NULL);
	const char *text = "";

	if (result != NULL && pg_result_rows(result) > 0)
		text = arena_format(preflight->arena, "%s", pg_result_text(result, 0, 0));
	pg_result_free(result);
	return text;
}

static struct pg_connection *connect_to(struct preflight *preflight, const char *dsn)
{
	struct pg_connection *connection = NULL;
	struct error *error = pg_connect(dsn, "replicator check-config", &connection);
	int version;

	if (error != NULL) {
		preflight_error(preflight, error);
		return NULL;
	}
	version = pg_server_version(connection);
	printf("  %s, PostgreSQL %d.%d\n", pg_description(connection), version / 10000, version % 10000);
	return connection;
}

static void read_tables(struct preflight *preflight, struct pg_connection *connection, struct table_set *set)
{
	struct error *error = catalog_read_tables(connection, preflight->arena, &set->images, &set->count);

	set->by_name = map_new();
	if (error != NULL) {
		set->count = 0;
		preflight_error(preflight, error_wrap(error, "reading the tables of %s", pg_description(connection)));
		return;
	}
	for (size_t i = 0; i < set->count; i++) {
		const char *name = preflight_name(preflight, set->images[i]->schema, set->images[i]->name);

		map_put(set->by_name, slice_from(name), (void *)(uintptr_t)set->images[i]);
	}
}

/* The rights that we lack on each table of the target, by name; also on the state tables. */
static void read_rights(struct preflight *preflight)
{
	static const char sql[] =
	    "SELECT n.nspname || '.' || c.relname, concat_ws(', ',"
	    "       CASE WHEN NOT has_table_privilege(c.oid, 'SELECT') THEN 'SELECT' END,"
	    "       CASE WHEN NOT has_table_privilege(c.oid, 'INSERT') THEN 'INSERT' END,"
	    "       CASE WHEN NOT has_table_privilege(c.oid, 'UPDATE') THEN 'UPDATE' END,"
	    "       CASE WHEN NOT has_table_privilege(c.oid, 'DELETE') THEN 'DELETE' END,"
	    "       CASE WHEN NOT has_schema_privilege(n.oid, 'USAGE') THEN 'USAGE of the schema' END,"
	    "       CASE WHEN row_security_active(c.oid) THEN 'BYPASSRLS (its row-level security applies to this user)'"
	    "       END)"
	    "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	    " WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";
	struct pg_result *result = ask(preflight, preflight->target, sql, 0, NULL);

	preflight->rights = map_new();
	for (size_t i = 0; result != NULL && i < pg_result_rows(result); i++) {
		if (*pg_result_text(result, i, 1) == '\0')
			continue;
		map_put(preflight->rights, slice_from(pg_result_text(result, i, 0)),
		        arena_format(preflight->arena, "%s", pg_result_text(result, i, 1)));
	}
	pg_result_free(result);
}

static void read_unlogged(struct preflight *preflight)
{
	struct pg_result *result =
	    ask(preflight, preflight->target,
	        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	        " WHERE c.relkind = 'r' AND c.relpersistence = 'u'",
	        0, NULL);

	preflight->unlogged = map_new();
	for (size_t i = 0; result != NULL && i < pg_result_rows(result); i++)
		map_put(preflight->unlogged, slice_from(pg_result_text(result, i, 0)), preflight);
	pg_result_free(result);
}

static void check_state_schema(struct preflight *preflight)
{
	static const char *const tables[] = {"stream", "offsets", "snapshot_progress"};
	const char *schema = preflight->config->target.schema;
	struct error *error = checkpoint_check_schema(preflight->target, schema);

	if (error != NULL) {
		preflight_error(preflight, error);
		return;
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		const char *name = preflight_name(preflight, schema, tables[i]);
		const char *missing = map_get(preflight->rights, slice_from(name));

		if (missing != NULL)
			preflight_problem(
			    preflight,
			    "the state table %s: this user lacks %s; grant it, or let `init target` run as "
			    "this user",
			    name, missing);
	}
}

static void check_replication_role(struct preflight *preflight)
{
	struct error *error = catalog_may_set_replication_role(preflight->target, &preflight->may_set_role);

	if (error != NULL) {
		preflight_error(preflight, error);
	} else if (!preflight->may_set_role) {
		preflight_warning(preflight,
		                  "this user may not set session_replication_role: tables with triggers or cascading "
		                  "foreign keys are applied row by row, slower; as superuser: GRANT SET ON PARAMETER "
		                  "session_replication_role TO %s",
		                  ask_text(preflight, preflight->target, "SELECT quote_ident(current_user)"));
	}
}

void check_target_server(struct preflight *preflight)
{
	preflight->target = connect_to(preflight, preflight->config->target.dsn);
	if (preflight->target == NULL)
		return;
	if (strcmp(ask_text(preflight, preflight->target, "SELECT pg_is_in_recovery()::text"), "true") == 0)
		preflight_problem(preflight,
		                  "the target is a standby and takes no writes; name the primary in target.dsn");
	if (strcmp(ask_text(preflight, preflight->target, "SHOW default_transaction_read_only"), "on") == 0)
		preflight_problem(preflight, "default_transaction_read_only is on; turn it off for this user");
	read_rights(preflight);
	read_unlogged(preflight);
	check_state_schema(preflight);
	check_replication_role(preflight);
	read_tables(preflight, preflight->target, &preflight->target_tables);
}

static void check_wal(struct preflight *preflight)
{
	const char *level = ask_text(preflight, preflight->source, "SHOW wal_level");

	if (strcmp(level, "logical") != 0)
		preflight_problem(preflight,
		                  "wal_level is %s; ALTER SYSTEM SET wal_level = 'logical' and restart the server",
		                  level);
	if (strcmp(ask_text(preflight, preflight->source, "SHOW max_replication_slots"), "0") == 0)
		preflight_problem(preflight, "max_replication_slots is 0; set it to 4 or more and restart the server");
	if (strcmp(ask_text(preflight, preflight->source, "SHOW max_wal_senders"), "0") == 0)
		preflight_problem(preflight, "max_wal_senders is 0; set it to 4 or more and restart the server");
}

static void check_encodings(struct preflight *preflight)
{
	static const char sql[] = "SHOW server_encoding";
	const char *source = ask_text(preflight, preflight->source, sql);
	const char *target = preflight->target == NULL ? "UTF8" : ask_text(preflight, preflight->target, sql);

	if (strcmp(target, "UTF8") != 0 && strcmp(target, source) != 0)
		preflight_warning(preflight,
		                  "the source is encoded in %s and the target in %s: a character that the target lacks "
		                  "stops the stream; make the target with ENCODING 'UTF8'",
		                  source, target);
}

/* A database of a running server: no other one has the same time of its start and the same oid. */
static bool is_same_database(struct preflight *preflight)
{
	static const char sql[] = "SELECT extract(epoch FROM pg_postmaster_start_time()) || ' ' || d.oid || ' ' ||"
	                          " current_setting('port') FROM pg_database d WHERE d.datname = current_database()";

	return preflight->target != NULL &&
	       strcmp(ask_text(preflight, preflight->source, sql), ask_text(preflight, preflight->target, sql)) == 0;
}

void check_source_server(struct preflight *preflight)
{
	if (preflight->config->source.dsn == NULL) {
		preflight_warning(preflight, "source.dsn is not set: the source and its tables were not checked");
		return;
	}
	preflight->source = connect_to(preflight, preflight->config->source.dsn);
	if (preflight->source == NULL)
		return;
	if (strcmp(ask_text(preflight, preflight->source, "SELECT pg_is_in_recovery()::text"), "true") == 0)
		preflight_warning(preflight,
		                  "the source is a standby: check_target reports and does not repair, and unverified "
		                  "tables are not settled; name the primary in source.dsn");
	preflight->same_database = is_same_database(preflight);
	check_wal(preflight);
	check_encodings(preflight);
	read_tables(preflight, preflight->source, &preflight->source_tables);
}

/* Another publication does not serve this stream, but which one does is not always known. */
void check_publication(struct preflight *preflight)
{
	static const char which[] = " WHERE ($1::text IS NULL OR pubname = $1)";
	const char *name = preflight->publication;
	struct pg_result *result;

	if (preflight->source == NULL)
		return;
	result = ask(preflight, preflight->source,
	             arena_format(preflight->arena, "SELECT bool_or(puballtables)::int FROM pg_publication%s", which),
	             1, &name);
	if (result == NULL || pg_result_is_null(result, 0, 0)) {
		pg_result_free(result);
		preflight_warning(
		    preflight,
		    "the source has no publication%s%s yet (the connector creates one when it starts): which "
		    "tables are captured is not known",
		    name != NULL ? " " : "", name != NULL ? name : "");
		return;
	}
	preflight->all_published = pg_result_integer(result, 0, 0) != 0;
	pg_result_free(result);
	preflight->published = map_new();
	result = ask(preflight, preflight->source,
	             arena_format(preflight->arena,
	                          "SELECT DISTINCT schemaname || '.' || tablename FROM pg_publication_tables%s", which),
	             1, &name);
	for (size_t i = 0; result != NULL && i < pg_result_rows(result); i++)
		map_put(preflight->published, slice_from(pg_result_text(result, i, 0)), preflight);
	pg_result_free(result);
}
