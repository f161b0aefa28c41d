/*
 * binding.h - how one relation of the stream goes into one table of the target: columns, converters, key, rule.
 *
 * NOTES
 *   Made at a relation's first change from the target's catalog, used for all later ones. A relation is a shape of a
 *   table's rows; two shapes of the same table are two bindings.
 *
 * Thread: the applier's. Memory lies in the cache's arena until binding_cache_forget.
 */
#ifndef REPLICATOR_TARGET_BINDING_H
#define REPLICATOR_TARGET_BINDING_H

#include "config/config.h"
#include "event/change.h"
#include "pg/connection.h"
#include "schema/table_image.h"

struct bound_column {
	uint32_t source; /* index into the relation's columns */
	const struct column_image *image;
	const struct conversion *conversion; /* NULL: the text as it came */
	bool key;
};

struct binding {
	const struct relation *relation;
	const struct table_rule *rule;
	const struct table_image *image;
	size_t column_count; /* those that are written; generated ones are not */
	const struct bound_column *columns;
	size_t key_count;      /* 0: the stream gives no key */
	const uint32_t *key;   /* indexes into columns */
	bool upsert;           /* a unique index that ON CONFLICT can use covers exactly the key */
	bool overriding;       /* GENERATED ALWAYS AS IDENTITY among the columns */
	bool strict;           /* set-wise order could fire a cascade or a trigger: always change by change */
	const char *synced_at; /* names of the extra columns that this table has, else NULL */
	const char *is_deleted;
	const char *deleted_at;
	unsigned rank;       /* tables that it refers to have lower ones */
	unsigned copy_pause; /* batches for which inserts go by upsert: a COPY met a row that was there */
	uint32_t number;     /* 0, 1, 2…: an index for arrays of the users */
};

struct binding_cache;

struct binding_cache *binding_cache_new(const struct config *config);
void binding_cache_free(struct binding_cache *cache);

/* All that was learned is forgotten: the target's catalog may have changed. `replication_role`: triggers do not fire. */
void binding_cache_forget(struct binding_cache *cache, bool replication_role);
void binding_cache_refresh(struct binding_cache *cache); /* the same, of a session that stays as it is */
const struct config *binding_cache_config(const struct binding_cache *cache);

/*
 * The binding of a change's relation. Errors: ERROR_TARGET that names table and column and what to do; errors of the
 * connection.
 */
struct error *binding_find(struct binding_cache *cache, struct pg_connection *connection,
                           const struct relation *relation, struct binding **binding);

size_t binding_cache_count(const struct binding_cache *cache);
struct binding *binding_cache_get(const struct binding_cache *cache, uint32_t number);

#endif
