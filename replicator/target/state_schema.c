/* state_schema.c - the schema of the state tables in the target: sql/target/NNN_*.sql. */
#include "target/checkpoint.h"

#include "pg/migration.h"

struct error *checkpoint_install_schema(struct pg_connection *connection, const char *schema)
{
	return migration_install(connection, MIGRATION_TARGET, schema);
}

void checkpoint_print_schema(const char *schema, struct buffer *sql)
{
	migration_print(MIGRATION_TARGET, schema, sql);
}

struct error *checkpoint_remove_schema(struct pg_connection *connection, const char *schema)
{
	return migration_remove(connection, MIGRATION_TARGET, schema);
}

/* A daemon's role may use the schema of another one; a superuser gives itself away with it. */
static struct error *refuse_superuser(struct pg_connection *connection, const char *schema)
{
	int64_t superuser;

	TRY(pg_query_integer(connection, "SELECT (current_setting('is_superuser') = 'on')::int", 0, NULL, 0,
	                     &superuser));
	return superuser == 0 ? NULL : migration_trust(connection, schema);
}

struct error *checkpoint_check_schema(struct pg_connection *connection, const char *schema)
{
	const int newest = migration_newest(MIGRATION_TARGET);
	int version = 0;

	TRY(refuse_superuser(connection, schema));
	TRY(migration_read_version(connection, schema, &version));
	if (version <= 0)
		return error_new(ERROR_CONFIGURATION, "%s: %s; run `replicator init target`",
		                 pg_description(connection),
		                 version < 0 ? "the schema of the state tables (target.schema) is missing"
		                             : "the schema target.schema has no state tables");
	if (version < newest)
		return error_new(
		    ERROR_CONFIGURATION,
		    "%s: schema %s has version %d of the state tables, this program needs %d; run `replicator "
		    "init target`",
		    pg_description(connection), schema, version, newest);
	return version > newest ? migration_newer_error(connection, MIGRATION_TARGET, schema, version) : NULL;
}
