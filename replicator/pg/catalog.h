/*
 * catalog.h - reads tables from a server's catalogs. Errors as connection.h says. Images lie in the given arena.
 */
#ifndef REPLICATOR_PG_CATALOG_H
#define REPLICATOR_PG_CATALOG_H

#include "pg/connection.h"
#include "schema/table_image.h"

/* *image is NULL when there is no such table. */
struct error *catalog_read_table(struct pg_connection *connection, const char *schema, const char *table,
                                 struct arena *arena, const struct table_image **image);

/* All ordinary and partitioned tables outside the system schemas, by schema and name. */
struct error *catalog_read_tables(struct pg_connection *connection, struct arena *arena,
                                  const struct table_image ***images, size_t *count);

/*
 * The type that SQL writes so, as the column of a table would have it: cast_name, type_name and type. ERROR_TARGET:
 * there is none.
 */
struct error *catalog_read_type(struct pg_connection *connection, const char *name, struct arena *arena,
                                const struct column_image **type);

/* True when this session may set session_replication_role (superuser, or granted: PostgreSQL 15 and later). */
struct error *catalog_may_set_replication_role(struct pg_connection *connection, bool *may);

#endif
