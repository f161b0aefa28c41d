/* migration.c - see the header. */
#include "pg/migration.h"

#include "base/embedded.h"
#include "pg/own_objects.h"
#include "pg/sql.h"

#include <stdlib.h>
#include <string.h>

#define PLACEHOLDER "@schema@"

/* The number of a migration, or 0 when the file is none. */
static int file_version(const struct embedded_file *file, const char *folder)
{
	size_t length = strlen(folder);

	return strncmp(file->path, folder, length) == 0 ? atoi(file->path + length) : 0;
}

int migration_newest(const char *folder)
{
	int newest = 0;

	for (size_t i = 0; i < embedded_file_count; i++)
		if (file_version(&embedded_files[i], folder) > newest)
			newest = file_version(&embedded_files[i], folder);
	return newest;
}

static void append_rendered(struct buffer *sql, const char *text, const char *schema)
{
	const char *at;

	while ((at = strstr(text, PLACEHOLDER)) != NULL) {
		buffer_append(sql, text, (size_t)(at - text));
		sql_append_identifier(sql, schema);
		text = at + strlen(PLACEHOLDER);
	}
	buffer_append_text(sql, text);
}

void migration_print(const char *folder, const char *schema, struct buffer *sql)
{
	buffer_append_text(sql, "CREATE SCHEMA IF NOT EXISTS ");
	sql_append_identifier(sql, schema);
	buffer_append_text(sql, ";\n\n");
	for (size_t i = 0; i < embedded_file_count; i++) {
		int version = file_version(&embedded_files[i], folder);

		if (version == 0)
			continue;
		append_rendered(sql, embedded_files[i].data, schema);
		buffer_append_text(sql, "\nINSERT INTO ");
		sql_append_qualified(sql, schema, "schema_version");
		buffer_append_format(sql, " (version) VALUES (%d);\n\n", version);
	}
}

/* Functions, triggers, defaults, views and rules of another role would run with our rights, and it could replace them. */
struct error *migration_trust(struct pg_connection *connection, const char *schema)
{
	static const char sql[] =
	    "SELECT quote_ident(o.rolname), (o.oid = u.oid OR o.rolsuper)::int, quote_ident(u.rolname), coalesce(("
	    "  SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(g.rolname) END, ', ')"
	    "    FROM aclexplode(n.nspacl) a LEFT JOIN pg_roles g ON g.oid = a.grantee"
	    "   WHERE a.privilege_type = 'CREATE' AND a.grantee NOT IN (o.oid, u.oid) AND g.rolsuper IS NOT TRUE), ''),"
	    " coalesce((SELECT format('%s belongs to role %I', x.name, f.rolname) FROM ("
	    "    SELECT 'function ' || p.oid::regprocedure AS name, p.proowner AS owner FROM pg_proc p"
	    "     WHERE p.pronamespace = n.oid"
	    "    UNION ALL SELECT 'relation ' || c.oid::regclass, c.relowner FROM pg_class c"
	    "     WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
	    "    UNION ALL SELECT 'type ' || t.oid::regtype, t.typowner FROM pg_type t"
	    "     WHERE t.typnamespace = n.oid AND t.typtype IN ('d', 'c')) x"
	    "    JOIN pg_roles f ON f.oid = x.owner WHERE f.oid <> u.oid AND NOT f.rolsuper ORDER BY x.name LIMIT 1), "
	    "'')"
	    "  FROM pg_namespace n JOIN pg_roles o ON o.oid = n.nspowner JOIN pg_roles u ON u.rolname = current_user"
	    " WHERE n.nspname = $1";
	struct pg_result *result = NULL;
	struct error *error = NULL;

	TRY(pg_query(connection, sql, 1, &schema, &result));
	if (pg_result_rows(result) > 0 && pg_result_integer(result, 0, 1) == 0)
		error = error_new(ERROR_CONFIGURATION,
		                  "%s: schema %s belongs to role %s, which could replace what is installed there and "
		                  "so act as role %s; "
		                  "run this as %s, or ALTER SCHEMA %s OWNER TO %s",
		                  pg_description(connection), schema, pg_result_text(result, 0, 0),
		                  pg_result_text(result, 0, 2), pg_result_text(result, 0, 0), schema,
		                  pg_result_text(result, 0, 2));
	else if (pg_result_rows(result) > 0 && *pg_result_text(result, 0, 3) != '\0')
		error =
		    error_new(ERROR_CONFIGURATION,
		              "%s: %s may create objects in schema %s and so act as role %s; REVOKE CREATE ON SCHEMA "
		              "%s FROM %s",
		              pg_description(connection), pg_result_text(result, 0, 3), schema,
		              pg_result_text(result, 0, 2), schema, pg_result_text(result, 0, 3));
	else if (pg_result_rows(result) > 0 && *pg_result_text(result, 0, 4) != '\0')
		error =
		    error_new(ERROR_CONFIGURATION,
		              "%s: %s, which could act as role %s by it; remove the schema with "
		              "`replicator init --remove` as its owner, and install it again",
		              pg_description(connection), pg_result_text(result, 0, 4), pg_result_text(result, 0, 2));
	pg_result_free(result);
	return error;
}

struct error *migration_read_version(struct pg_connection *connection, const char *schema, int *version)
{
	const char *const parameters[1] = {schema};
	struct pg_result *result = NULL;
	struct buffer sql = {0};
	struct error *error;

	TRY(pg_query(connection,
	             "SELECT c.oid IS NOT NULL FROM pg_namespace n"
	             "  LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'schema_version'"
	             " WHERE n.nspname = $1",
	             1, parameters, &result));
	*version = pg_result_rows(result) == 0 ? -1 : 0;
	if (pg_result_rows(result) == 0 || strcmp(pg_result_text(result, 0, 0), "t") != 0) {
		pg_result_free(result);
		return NULL;
	}
	pg_result_free(result);
	result = NULL;
	buffer_append_text(&sql, "SELECT coalesce(max(version), 0) FROM ");
	sql_append_qualified(&sql, schema, "schema_version");
	error = pg_query(connection, sql.data, 0, NULL, &result);
	if (error == NULL)
		*version = (int)pg_result_integer(result, 0, 0);
	pg_result_free(result);
	buffer_free(&sql);
	return error;
}

struct error *migration_newer_error(struct pg_connection *connection, const char *folder, const char *schema,
                                    int version)
{
	return error_new(ERROR_CONFIGURATION,
	                 "%s: schema %s has version %d and this program knows up to %d; install a "
	                 "newer replicator",
	                 pg_description(connection), schema, version, migration_newest(folder));
}

static struct error *install_file(struct pg_connection *connection, const char *folder, const char *schema,
                                  const struct embedded_file *file)
{
	struct buffer sql = {0};
	struct error *error;

	append_rendered(&sql, file->data, schema);
	buffer_append_text(&sql, "\n;INSERT INTO ");
	sql_append_qualified(&sql, schema, "schema_version");
	buffer_append_format(&sql, " (version) VALUES (%d)", file_version(file, folder));
	error = error_wrap(pg_execute(connection, sql.data), "installing %s into schema %s", file->path, schema);
	buffer_free(&sql);
	return error;
}

static struct error *create_schema(struct pg_connection *connection, const char *schema)
{
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, "CREATE SCHEMA ");
	sql_append_identifier(&sql, schema);
	error = pg_execute(connection, sql.data);
	buffer_free(&sql);
	return error_wrap(error, "creating schema %s", schema);
}

/* Inside a transaction. */
static struct error *install(struct pg_connection *connection, const char *folder, const char *schema)
{
	const char *const parameters[1] = {schema};
	int version = 0;

	TRY(pg_query(connection, "SELECT pg_advisory_xact_lock(hashtextextended('replicator schema ' || $1::text, 0))",
	             1, parameters, NULL));
	TRY(migration_trust(connection, schema));
	TRY(migration_read_version(connection, schema, &version));
	if (version > migration_newest(folder))
		return migration_newer_error(connection, folder, schema, version);
	if (version < 0)
		TRY(create_schema(connection, schema));
	else if (version == 0)
		TRY(own_objects_refuse_others(connection, folder, schema));
	for (size_t i = 0; i < embedded_file_count; i++) /* sorted by path, so by number */
		if (file_version(&embedded_files[i], folder) > (version < 0 ? 0 : version))
			TRY(install_file(connection, folder, schema, &embedded_files[i]));
	return NULL;
}

struct error *migration_install(struct pg_connection *connection, const char *folder, const char *schema)
{
	struct error *error;

	if (migration_newest(folder) == 0)
		return error_new(ERROR_SYSTEM, "this program was built without the files of %s", folder);
	TRY(pg_execute(connection, "BEGIN"));
	error = install(connection, folder, schema);
	if (error == NULL)
		return pg_execute(connection, "COMMIT");
	if (!pg_is_broken(connection))
		error_free(pg_execute(connection, "ROLLBACK"));
	return error;
}

static struct error *remove_objects(struct pg_connection *connection, const char *folder, const char *schema)
{
	TRY(own_objects_refuse_others(connection, folder, schema));
	return own_objects_drop(connection, folder, schema);
}

struct error *migration_remove(struct pg_connection *connection, const char *folder, const char *schema)
{
	struct error *error;
	int version = 0;

	TRY(migration_trust(connection, schema));
	TRY(migration_read_version(connection, schema, &version));
	if (version <= 0) /* not ours, or nothing there: nothing is dropped */
		return error_new(ERROR_CONFIGURATION, "%s: schema %s has no tables of the replicator",
		                 pg_description(connection), schema);
	TRY(pg_execute(connection, "BEGIN"));
	error = remove_objects(connection, folder, schema);
	if (error == NULL)
		return pg_execute(connection, "COMMIT");
	if (!pg_is_broken(connection))
		error_free(pg_execute(connection, "ROLLBACK"));
	return error;
}
