/*
 * binding.c - from a relation to the target's table. See binding.h.
 */
#include "target/binding.h"

#include "base/log.h"
#include "base/memory.h"
#include "event/adjusted_name.h"
#include "pg/catalog.h"

#include <stdlib.h>
#include <string.h>

struct binding_cache {
	const struct config *config;
	struct arena *arena;
	bool replication_role;
	struct binding **by_relation; /* by relation->number */
	size_t relation_count;
	struct binding **bindings; /* by binding->number */
	size_t binding_count;
};

struct binding_cache *binding_cache_new(const struct config *config)
{
	struct binding_cache *cache = memory_alloc(sizeof(*cache));

	cache->config = config;
	cache->arena = arena_new();
	return cache;
}

void binding_cache_free(struct binding_cache *cache)
{
	if (cache == NULL)
		return;
	free(cache->by_relation);
	free(cache->bindings);
	arena_free(cache->arena);
	free(cache);
}

void binding_cache_forget(struct binding_cache *cache, bool replication_role)
{
	cache->replication_role = replication_role;
	cache->binding_count = 0;
	if (cache->relation_count > 0)
		memset(cache->by_relation, 0, cache->relation_count * sizeof(*cache->by_relation));
	arena_reset(cache->arena);
}

void binding_cache_refresh(struct binding_cache *cache)
{
	binding_cache_forget(cache, cache->replication_role);
}

const struct config *binding_cache_config(const struct binding_cache *cache)
{
	return cache->config;
}

size_t binding_cache_count(const struct binding_cache *cache)
{
	return cache->binding_count;
}

struct binding *binding_cache_get(const struct binding_cache *cache, uint32_t number)
{
	return cache->bindings[number];
}

static const struct column_image *find_column(const struct table_image *image, const char *name)
{
	for (size_t i = 0; i < image->column_count; i++)
		if (strcmp(image->columns[i].name, name) == 0)
			return &image->columns[i];
	return NULL;
}

/* The column that takes the relation's column `number`; *ambiguous: two could. */
static const struct column_image *find_target(const struct binding *binding, uint32_t number, bool *ambiguous)
{
	const char *name = binding->relation->columns[number].name;
	const struct column_image *found = find_column(binding->image, name);

	*ambiguous = false;
	if (found != NULL || !binding->relation->adjusted)
		return found;
	for (size_t i = 0; i < binding->image->column_count; i++) {
		if (!adjusted_name_matches(name, binding->image->columns[i].name))
			continue;
		*ambiguous = found != NULL;
		if (*ambiguous)
			return NULL;
		found = &binding->image->columns[i];
	}
	return found;
}

/* The name if the table has the column and the source does not write it itself, else NULL. */
static const char *extra_column(const struct binding *binding, const char *name)
{
	if (name == NULL || find_column(binding->image, name) == NULL)
		return NULL;
	for (uint32_t i = 0; i < binding->relation->column_count; i++)
		if (strcmp(binding->relation->columns[i].name, name) == 0)
			return NULL;
	return name;
}

static bool is_key_column(const struct relation *relation, uint32_t column)
{
	for (uint32_t i = 0; i < relation->key_count; i++)
		if (relation->key_columns[i] == column)
			return true;
	return false;
}

/* PostgreSQL keeps 63 bytes of a name, and so does the connector; the target may have been made by the longer one. */
static struct error *bind_columns(struct binding_cache *cache, struct binding *binding)
{
	const struct relation *relation = binding->relation;
	struct bound_column *columns =
	    arena_alloc_zeroed(cache->arena, (relation->column_count + 1) * sizeof(*columns));

	for (uint32_t i = 0; i < relation->column_count; i++) {
		bool ambiguous;
		const struct column_image *image = find_target(binding, i, &ambiguous);
		struct bound_column *column = &columns[binding->column_count];
		struct error *error;

		if (ambiguous)
			return error_new(
			    ERROR_TARGET,
			    "table %s.%s: the connector wrote a column as \"%s\" (field.name.adjustment.mode), "
			    "and two columns of the target can be meant; use field.name.adjustment.mode="
			    "avro_unicode",
			    relation->schema, relation->table, relation->columns[i].name);
		if (image == NULL)
			return error_new(
			    ERROR_TARGET,
			    "table %s.%s of the target has no column \"%s\", which the source sends; add it to the "
			    "target (ALTER TABLE … ADD COLUMN with the source's type)",
			    relation->schema, relation->table, relation->columns[i].name);
		if (image->generated)
			continue;
		error = conversion_choose(&relation->columns[i], &image->type, &cache->config->decoding.modes,
		                          cache->arena, &column->conversion);
		if (error != NULL)
			return error_wrap(error, "table %s.%s, column %s", relation->schema, relation->table,
			                  relation->columns[i].name);
		column->source = i;
		column->image = image;
		column->key = is_key_column(relation, i);
		binding->overriding = binding->overriding || image->identity_always;
		binding->column_count++;
	}
	binding->columns = columns;
	return NULL;
}

static bool same_key(const struct binding *binding, const struct key_image *key)
{
	if (key->column_count != binding->key_count)
		return false;
	for (size_t i = 0; i < key->column_count; i++) {
		bool found = false;

		for (size_t j = 0; j < binding->key_count; j++)
			found = found ||
			        binding->columns[binding->key[j]].image == &binding->image->columns[key->columns[i]];
		if (!found)
			return false;
	}
	return true;
}

static struct error *bind_key(struct binding_cache *cache, struct binding *binding)
{
	const struct relation *relation = binding->relation;
	uint32_t *key = arena_alloc_zeroed(cache->arena, (relation->key_count + 1) * sizeof(*key));
	bool covered = false;

	for (uint32_t i = 0; i < relation->key_count; i++)
		for (uint32_t j = 0; j < binding->column_count; j++)
			if (binding->columns[j].source == relation->key_columns[i])
				key[binding->key_count++] = j;
	binding->key = key;
	if (binding->key_count < relation->key_count)
		return error_new(ERROR_TARGET,
		                 "table %s.%s: a column of the key is generated in the target; make it plain",
		                 relation->schema, relation->table);
	if (relation->key_count == 0)
		return NULL;
	for (size_t i = 0; i < binding->image->key_count; i++) {
		if (!same_key(binding, &binding->image->keys[i]))
			continue;
		covered = true;
		binding->upsert = binding->upsert || !binding->image->keys[i].deferrable;
	}
	if (!covered)
		return error_new(
		    ERROR_TARGET,
		    "table %s.%s of the target has no primary key or unique index on the source's key columns "
		    "(%s…); create it as the source has it",
		    relation->schema, relation->table, relation->columns[relation->key_columns[0]].name);
	return NULL;
}

static unsigned rank_of(const struct binding_cache *cache, const struct table_image *image, unsigned depth)
{
	unsigned rank = 0;

	if (depth > 16) /* a ring of references */
		return 0;
	for (size_t i = 0; i < image->foreign_key_count; i++)
		for (size_t j = 0; j < cache->binding_count; j++) {
			const struct table_image *other = cache->bindings[j]->image;

			if (other->oid == image->foreign_keys[i].referenced_oid && other->oid != image->oid) {
				unsigned above = rank_of(cache, other, depth + 1) + 1;

				rank = above > rank ? above : rank;
			}
		}
	return rank;
}

static void rank_all(struct binding_cache *cache)
{
	for (size_t i = 0; i < cache->binding_count; i++)
		cache->bindings[i]->rank = rank_of(cache, cache->bindings[i]->image, 0);
}

static bool has_cascade(const struct table_image *image)
{
	for (size_t i = 0; i < image->foreign_key_count; i++)
		if (strchr("cnd", image->foreign_keys[i].on_delete) != NULL ||
		    strchr("cnd", image->foreign_keys[i].on_update) != NULL)
			return true;
	return false;
}

static void remember(struct binding_cache *cache, struct binding *binding)
{
	uint32_t relation = binding->relation->number;

	if (relation >= cache->relation_count) {
		size_t count = (size_t)relation + 16;

		cache->by_relation = memory_grow(cache->by_relation, count, sizeof(*cache->by_relation));
		memset(cache->by_relation + cache->relation_count, 0,
		       (count - cache->relation_count) * sizeof(*cache->by_relation));
		cache->relation_count = count;
	}
	cache->by_relation[relation] = binding;
	cache->bindings = memory_grow(cache->bindings, cache->binding_count + 1, sizeof(*cache->bindings));
	binding->number = (uint32_t)cache->binding_count;
	cache->bindings[cache->binding_count++] = binding;
	rank_all(cache);
}

/* Rows can be marked as deleted, so each row that comes says that it is not. */
static bool is_soft(const struct table_rule *rule)
{
	return rule->delete_mode == DELETE_SOFT || rule->truncate_mode == TRUNCATE_SOFT;
}

static struct error *bind(struct binding_cache *cache, struct pg_connection *connection, struct binding *binding)
{
	const struct relation *relation = binding->relation;
	const struct config *config = cache->config;

	TRY(catalog_read_table(connection, relation->schema, relation->table, cache->arena, &binding->image));
	if (binding->image == NULL)
		return error_new(
		    ERROR_TARGET,
		    "the target has no table %s.%s; create it as the source has it, or leave it out: tables = ( { "
		    "match = \"%s.%s\"; exclude = true; } )",
		    relation->schema, relation->table, relation->schema, relation->table);
	TRY(bind_columns(cache, binding));
	if (relation->column_count > 0)
		TRY(bind_key(cache, binding));
	binding->synced_at = extra_column(binding, config->target.synced_at);
	binding->is_deleted = extra_column(binding, config->target.is_deleted);
	binding->deleted_at = extra_column(binding, config->target.deleted_at);
	if (is_soft(binding->rule) && binding->is_deleted == NULL)
		return error_new(ERROR_TARGET,
		                 "table %s.%s has delete or truncate = \"soft\", but the target's table has no column "
		                 "\"%s\"; add it: ALTER "
		                 "TABLE … ADD COLUMN %s boolean NOT NULL DEFAULT false",
		                 relation->schema, relation->table, config->target.is_deleted,
		                 config->target.is_deleted);
	if (!is_soft(binding->rule))
		binding->is_deleted = binding->deleted_at = NULL;
	binding->strict = !cache->replication_role && (has_cascade(binding->image) || binding->image->user_triggers);
	return NULL;
}

struct error *binding_find(struct binding_cache *cache, struct pg_connection *connection,
                           const struct relation *relation, struct binding **found)
{
	struct binding *binding;

	if (relation->number < cache->relation_count && cache->by_relation[relation->number] != NULL) {
		*found = cache->by_relation[relation->number];
		return NULL;
	}
	binding = arena_alloc_zeroed(cache->arena, sizeof(*binding));
	binding->relation = relation;
	binding->rule = config_table_rule(cache->config, relation->schema, relation->table);
	TRY(bind(cache, connection, binding));
	remember(cache, binding);
	*found = binding;
	return NULL;
}
