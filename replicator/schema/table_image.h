/*
 * table_image.h - a table as it is in a catalog: plain data, read from a server (pg/catalog.h) or, later, from the DDL
 * log. Ownership: all memory lies in the arena it was made in.
 */
#ifndef REPLICATOR_SCHEMA_TABLE_IMAGE_H
#define REPLICATOR_SCHEMA_TABLE_IMAGE_H

#include "event/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct column_image {
	const char *name;
	int attnum;
	const char *type_name; /* format_type(): "numeric(12,2)", schema-qualified where needed: can stand in a cast */
	const char
	    *cast_name; /* "pg_catalog"."bpchar": quoted, without modifier: a cast to it never shortens a value */
	struct target_type type;
	bool not_null;
	bool has_default;
	bool generated;        /* GENERATED ALWAYS AS … STORED: never written */
	char identity;         /* 'a' always: needs OVERRIDING SYSTEM VALUE; 'd' by default, 0: none */
	const char *base_name; /* of a domain the type under it, as cast_name; else NULL */
	/* "OPERATOR(schema.=)" of the type's default operator class; NULL: the type has no equality (json, point) */
	const char *equality;
	bool exact;        /* equal values have equal texts: not so of numeric, citext, char(n), jsonb */
	bool built_in;     /* the type, under domains, or that of an array's elements, is one of pg_catalog */
	bool plain_fields; /* of a composite type: all its fields and their elements, at any depth, are built in */
};

struct key_column {
	uint32_t index;        /* of table_image.columns */
	const char *equality;  /* "OPERATOR(schema.=)" of the index's operator class */
	const char *collation; /* "COLLATE …" where the index has another one than the column, else NULL */
};

struct key_image { /* a unique, valid index without expressions and predicate */
	const char *name;
	bool primary;
	bool replica_identity; /* REPLICA IDENTITY USING INDEX */
	bool deferrable;       /* ON CONFLICT cannot use it; also of a key WITHOUT OVERLAPS */
	size_t column_count;
	const struct key_column *columns;
};

struct foreign_key_image {
	uint32_t referenced_oid;
	const char *referenced_schema;
	const char *referenced_table;
	char on_delete; /* pg_constraint.confdeltype: a r c n d */
	char on_update;
};

struct table_image {
	uint32_t oid;
	uint32_t root_oid; /* of a partitioned table and of its partitions: the topmost table; else 0 */
	const char *schema;
	const char *name;
	char relkind;          /* r, p (partitioned), v, f */
	char replica_identity; /* pg_class.relreplident: d n f i */
	size_t column_count;
	const struct column_image *columns;
	size_t key_count;
	const struct key_image *keys; /* the primary key first */
	size_t other_key_count;
	/* unique indexes that name no row: partial ones, over expressions (these are left out), invalid ones */
	const struct key_image *other_keys;
	size_t foreign_key_count;
	const struct foreign_key_image *foreign_keys;
	bool fires_for_origin;  /* triggers that are not internal, or rules, under session_replication_role = origin */
	bool fires_for_replica; /* and under replica: ENABLE ALWAYS, ENABLE REPLICA */
	int64_t estimated_rows; /* pg_class.reltuples; -1 unknown */
};

/* NULL: it has none. */
static inline const struct key_image *table_primary_key(const struct table_image *image)
{
	return image->key_count > 0 && image->keys[0].primary ? &image->keys[0] : NULL;
}

/*
 * What stands before the name of a table whose rows are read or changed: those of the table itself are meant, not those
 * of tables that inherit from it. A partitioned table has its rows in its partitions alone.
 */
static inline const char *relkind_only(char relkind)
{
	return relkind == 'r' ? "ONLY " : "";
}

#endif
