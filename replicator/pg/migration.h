/*
 * migration.h - schemas of ours in a database: the numbered files of a folder of sql/, each installed once, in order.
 *
 * NOTES
 *   The files sql/FOLDER/NNN_*.sql are compiled in (base/embedded.h) and never change once released: a newer form of a
 *   schema is one more file. Table schema_version, which the first file makes, says which of them a database has.
 *   @schema@ in a file stands for the quoted name of the schema.
 */
#ifndef REPLICATOR_PG_MIGRATION_H
#define REPLICATOR_PG_MIGRATION_H

#include "base/buffer.h"
#include "pg/connection.h"

#define MIGRATION_SOURCE "sql/source/"
#define MIGRATION_TARGET "sql/target/"

int migration_newest(const char *folder); /* 0: the program was built without */

/*
 * ERROR_CONFIGURATION when using what is in the schema could run another role's code with this session's rights: a role
 * that is neither this one nor a superuser owns the schema or something in it, or may create in it. NULL also when there
 * is no such schema.
 */
struct error *migration_trust(struct pg_connection *connection, const char *schema);

/* *version is -1 when the schema is missing, 0 when it has no tables of ours. */
struct error *migration_read_version(struct pg_connection *connection, const char *schema, int *version);

/*
 * Makes the schema or brings it up to date, in one transaction; two that install at once wait for each other.
 * ERROR_CONFIGURATION: a schema without tables of ours holds something else; and as migration_trust.
 */
struct error *migration_install(struct pg_connection *connection, const char *folder, const char *schema);

/* The same as SQL text, for people who install it themselves. */
void migration_print(const char *folder, const char *schema, struct buffer *sql);

/*
 * Drops what the files create, and the schema, in one transaction. ERROR_CONFIGURATION when it holds no tables of ours, or
 * anything else; and as migration_trust.
 */
struct error *migration_remove(struct pg_connection *connection, const char *folder, const char *schema);

/* ERROR_CONFIGURATION: the schema is newer than this program. */
struct error *migration_newer_error(struct pg_connection *connection, const char *folder, const char *schema,
                                    int version);

#endif
