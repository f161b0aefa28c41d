/*
 * catalog_internal.h - what the files that read catalogs share. Nobody else includes it.
 *
 *   catalog.c   table images
 *   equality.c  the equality of the types of their columns
 */
#ifndef REPLICATOR_PG_CATALOG_INTERNAL_H
#define REPLICATOR_PG_CATALOG_INTERNAL_H

#include "base/arena.h"
#include "pg/connection.h"

#include <stdbool.h>
#include <stdint.h>

/* Of pg_class c. $1: an array of the tables' OIDs. By OID, so that one plan reads by index, whatever tables are asked for. */
#define CATALOG_TABLE_FILTER " WHERE c.oid = ANY ($1::oid[])"

struct type_equality {
	uint32_t type;
	const char *equality; /* "OPERATOR(schema.=)"; NULL: the type has no equality */
	bool exact;           /* equal values have equal texts, under a deterministic collation */
};

/* By type. Memory is in the arena. */
struct equalities {
	struct type_equality *types;
	size_t count;
};

/* Of the types of all columns of the tables in the array `oids` (CATALOG_TABLE_FILTER). */
struct error *equality_read(struct pg_connection *connection, const char *oids, struct arena *arena,
                            struct equalities *equalities);

/* NULL: the type was not read. */
const struct type_equality *equality_of(const struct equalities *equalities, uint32_t type);

#endif
