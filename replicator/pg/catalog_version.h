/*
 * catalog_version.h - whether a table is still what its image says (catalog.h). Somebody may change a table, its types
 * and its indexes while a session uses what it read of them, and often no statement fails then: a value is read as the
 * type that has the old name, and only then assigned to the column.
 *
 * NOTES
 *   A version is a text that changes with the table's columns, unique indexes and triggers, with the types of its
 *   columns, and with what the names mean. PostgreSQL gives each changed row of a catalog a new xmin. Read the version
 *   before the image, write the rows, and ask in the same transaction whether the version is still the same: the rows'
 *   locks keep the table as it is until the transaction ends.
 */
#ifndef REPLICATOR_PG_CATALOG_VERSION_H
#define REPLICATOR_PG_CATALOG_VERSION_H

#include "base/arena.h"
#include "base/buffer.h"
#include "pg/connection.h"
#include "schema/table_image.h"

/* *version lies in the arena; "" when there is no such table. Errors as connection.h says. */
struct error *catalog_read_version(struct pg_connection *connection, const char *schema, const char *table,
                                   struct arena *arena, const char **version);

/* Of many tables: (*versions)[i] is that of images[i]. Read both in one snapshot. */
struct error *catalog_read_versions(struct pg_connection *connection, const struct table_image *const *images,
                                    size_t count, struct arena *arena, const char ***versions);

/* Tables and the versions that their images have. */
struct catalog_versions {
	struct buffer schemas, tables, versions; /* array literals */
	size_t count;
};

void catalog_versions_add(struct catalog_versions *list, const char *schema, const char *table, const char *version);
void catalog_versions_free(struct catalog_versions *list);

/* Sends one pipelined statement, whose answer counts the tables that have another version now. */
struct error *catalog_versions_send_check(struct pg_connection *connection, struct catalog_versions *list);

/* The same as a query of its own, outside of a pipeline. */
struct error *catalog_versions_check(struct pg_connection *connection, struct catalog_versions *list, bool *changed);

#endif
