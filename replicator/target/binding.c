/*
 * binding.c - from a relation to the target's table. See binding.h.
 */
#include "target/binding.h"

#include "base/log.h"
#include "base/memory.h"
#include "event/adjusted_name.h"
#include "pg/catalog.h"
#include "pg/catalog_version.h"
#include "target/binding_history.h"
#include "target/binding_rules.h"
#include "target/inference.h"
#include "target/rules.h"

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
	size_t ranked_count; /* of them when binding_cache_rank ran */
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
	cache->binding_count = cache->ranked_count = 0;
	if (cache->relation_count > 0)
		memset(cache->by_relation, 0, cache->relation_count * sizeof(*cache->by_relation));
	arena_reset(cache->arena);
}

struct error *binding_cache_refresh(struct binding_cache *cache, struct pg_connection *connection)
{
	binding_cache_forget(cache, cache->replication_role);
	return pg_forget_statements(connection);
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

const struct column_image *binding_target_column(const struct binding *binding, uint32_t number,
                                                 const struct column_rule *rule, bool *ambiguous)
{
	const char *name = rule->rename != NULL ? rule->rename : binding->relation->columns[number].name;
	const struct column_image *found = find_column(binding->image, name);

	*ambiguous = false;
	if (found != NULL || !binding->relation->adjusted || rule->rename != NULL)
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

static bool is_bound(const struct binding *binding, const struct column_image *image)
{
	for (size_t i = 0; i < binding->column_count; i++)
		if (binding->columns[i].image == image)
			return true;
	return false;
}

/* The name if the table has the column and the source does not write it itself, else NULL. */
static const char *extra_column(const struct binding *binding, const char *name)
{
	const struct column_image *image = name == NULL ? NULL : find_column(binding->image, name);

	return image == NULL || is_bound(binding, image) ? NULL : name;
}

static bool is_key_column(const struct relation *relation, uint32_t column)
{
	for (uint32_t i = 0; i < relation->key_count; i++)
		if (relation->key_columns[i] == column)
			return true;
	return false;
}

static struct error *target_lacks(const struct binding *binding, const char *sent, const char *name)
{
	return error_new(ERROR_TARGET,
	                 "table %s.%s of the target has no column \"%s\", which the source sends%s%s%s; add it to the "
	                 "target (ALTER TABLE … ADD COLUMN with the source's type)%s",
	                 binding->image->schema, binding->image->name, name, strcmp(sent, name) != 0 ? " as \"" : "",
	                 strcmp(sent, name) != 0 ? sent : "", strcmp(sent, name) != 0 ? "\"" : "",
	                 strcmp(sent, name) != 0 ? ", or correct its rename" : "");
}

/* PostgreSQL keeps 63 bytes of a name, and so does the connector; the target may have been made by the longer one. */
static struct error *bind_column(struct binding_cache *cache, struct pg_connection *connection, struct binding *binding,
                                 uint32_t number, struct bound_column *column)
{
	const struct relation *relation = binding->relation;
	const char *name = relation->columns[number].name;
	const struct column_rule *rule = rules_column(binding->rule, relation, number);
	bool ambiguous, ahead = false;

	if (rule->exclude)
		return NULL;
	column->image = binding_target_column(binding, number, rule, &ambiguous);
	if (ambiguous)
		return error_new(
		    ERROR_TARGET,
		    "table %s.%s: the connector wrote a column as \"%s\" (field.name.adjustment.mode), and "
		    "two columns of the target can be meant; use field.name.adjustment.mode=avro_unicode",
		    relation->schema, relation->table, name);
	if (column->image == NULL) {
		TRY(binding_column_is_ahead(connection, cache->config, relation, name, &ahead));
		if (!ahead)
			return target_lacks(binding, name, rule->rename != NULL ? rule->rename : name);
		binding->ahead[binding->ahead_count++] = number;
		return NULL;
	}
	if (is_bound(binding, column->image))
		return error_new(ERROR_TARGET,
		                 "table %s.%s: two columns of the source go into column \"%s\" of the target; correct "
		                 "the renames in tables (%s:%u)",
		                 relation->schema, relation->table, column->image->name, cache->config->file,
		                 binding->rule->line);
	if (column->image->generated) {
		column->image = NULL;
		return NULL;
	}
	column->source = number;
	column->key = is_key_column(relation, number);
	return error_wrap(binding_apply_rule(binding, connection, cache->config, rule, cache->arena, column),
	                  "table %s.%s, column %s", relation->schema, relation->table, name);
}

static struct error *bind_columns(struct binding_cache *cache, struct pg_connection *connection,
                                  struct binding *binding)
{
	const struct relation *relation = binding->relation;
	struct bound_column *columns =
	    arena_alloc_zeroed(cache->arena, (relation->column_count + 2) * sizeof(*columns));

	binding->columns = columns;
	binding->ahead = arena_alloc_zeroed(cache->arena, (relation->column_count + 1) * sizeof(*binding->ahead));
	for (uint32_t i = 0; i < relation->column_count; i++) {
		struct bound_column *column = &columns[binding->column_count];

		TRY(bind_column(cache, connection, binding, i, column));
		if (column->image == NULL) {
			binding->excluded += rules_column(binding->rule, relation, i)->exclude ? 1 : 0;
			continue;
		}
		binding->overriding = binding->overriding || column->image->identity == 'a';
		binding->casts = binding->casts || column->read_as != column->image;
		binding->column_count++;
	}
	TRY(binding_check_entries(binding, connection, cache->config));
	TRY(binding_add_filter(binding, cache->config));
	return binding_add_source_column(binding, cache->config, cache->arena, columns);
}

static bool same_key(const struct binding *binding, const struct key_image *key)
{
	if (key->column_count != binding->key_count)
		return false;
	for (size_t i = 0; i < key->column_count; i++) {
		bool found = false;

		for (size_t j = 0; j < binding->key_count; j++)
			found = found || binding->columns[binding->key[j]].image ==
			                     &binding->image->columns[key->columns[i].index];
		if (!found)
			return false;
	}
	return true;
}

/* The operators of that index for the key's columns. */
static void take_equality(struct binding *binding, const struct key_image *key)
{
	binding->loose_key = false;
	for (size_t i = 0; i < key->column_count; i++) {
		const struct key_column *from = &key->columns[i];

		for (size_t j = 0; j < binding->key_count; j++) {
			struct bound_column *column = &binding->columns[binding->key[j]];

			if (column->image != &binding->image->columns[from->index])
				continue;
			column->key_equality = from->equality;
			column->key_collation = from->collation;
			binding->loose_key = binding->loose_key || !column->image->exact || from->collation != NULL;
		}
	}
}

/*
 * Whether a unique key of the table has exactly the binding's key columns. ON CONFLICT takes all of them together, and
 * refuses (55000) if one is deferrable.
 */
static bool is_covered(struct binding *binding)
{
	const struct key_image *covering = NULL;
	bool deferrable = false;

	for (size_t i = 0; i < binding->image->key_count; i++) {
		const struct key_image *key = &binding->image->keys[i];

		if (!same_key(binding, key))
			continue;
		covering = covering == NULL ? key : covering;
		deferrable = deferrable || key->deferrable;
	}
	if (covering != NULL)
		take_equality(binding, covering);
	binding->upsert = covering != NULL && !deferrable;
	return covering != NULL;
}

/* The source column belongs to the key when the target's key has it. */
static bool is_covered_with_source(struct binding *binding, uint32_t *key)
{
	struct bound_column *columns = binding->columns;
	uint32_t last = (uint32_t)binding->column_count - 1;

	if (binding->source_column == NULL)
		return false;
	key[binding->key_count++] = last;
	columns[last].key = is_covered(binding);
	if (!columns[last].key)
		binding->key_count--;
	return columns[last].key;
}

/*
 * The key of the messages may be NULL, although the table has a better one: that was dropped since, and the connector
 * took a unique index that it finds in the catalog of the moment.
 */
static bool is_second_best(const struct binding *binding)
{
	if (table_primary_key(binding->image) == NULL)
		return false;
	for (size_t i = 0; i < binding->key_count; i++)
		if (!binding->columns[binding->key[i]].image->not_null)
			return true;
	return false;
}

/*
 * The key that the messages carry comes with a later schema change (binding_history.h): the key of this place is the
 * target's, which follows the source; without one, none.
 */
static bool take_own_key(struct binding *binding, enum key_of_place place, uint32_t *key)
{
	struct bound_column *columns = binding->columns;
	const struct key_image *own = place == KEY_PRIMARY ? table_primary_key(binding->image) : NULL;

	for (size_t i = 0; own != NULL && i < own->column_count; i++)
		if (!is_bound(binding, &binding->image->columns[own->columns[i].index]))
			return false;
	binding->key_count = 0;
	for (uint32_t i = 0; i < binding->column_count; i++) {
		columns[i].key = false;
		for (size_t j = 0; own != NULL && j < own->column_count; j++)
			columns[i].key =
			    columns[i].key || columns[i].image == &binding->image->columns[own->columns[j].index];
		if (columns[i].key)
			key[binding->key_count++] = i;
	}
	binding->own_key = true;
	return place == KEY_NONE || is_covered(binding);
}

/*
 * No key in the messages: the table has none, or by now it has none any more, or another name, and the connector found
 * none in the catalog of the moment. By the log's last image it has one.
 */
static struct error *bind_unsaid_key(struct binding_cache *cache, struct pg_connection *connection,
                                     struct binding *binding, uint32_t *key)
{
	enum key_of_place place;

	TRY(binding_read_key(connection, cache->config, binding->relation, binding->image, &place));
	if (place == KEY_PRIMARY && take_own_key(binding, place, key))
		return NULL;
	binding->own_key = false;
	binding->key_count = 0;
	for (size_t i = 0; i < binding->column_count; i++)
		binding->columns[i].key = false;
	return NULL;
}

static bool has_key_column(const struct binding *binding, const struct key_image *key, const struct column_image *image)
{
	for (size_t i = 0; i < key->column_count; i++)
		if (&binding->image->columns[key->columns[i].index] == image)
			return true;
	return false;
}

/* Whether the index is over the columns of the messages' key; *generated: a column is one that nobody writes. */
static bool is_over_message_key(const struct binding *binding, const struct key_image *key, bool *generated)
{
	const struct relation *relation = binding->relation;

	*generated = false;
	for (uint32_t i = 0; i < relation->key_count; i++) {
		uint32_t number = relation->key_columns[i];
		const struct column_rule *rule = rules_column(binding->rule, relation, number);
		bool ambiguous;
		const struct column_image *image =
		    rule->exclude ? NULL : binding_target_column(binding, number, rule, &ambiguous);

		if (image == NULL || !has_key_column(binding, key, image))
			return false;
		*generated = *generated || image->generated;
	}
	return key->column_count == relation->key_count;
}

/*
 * Without a primary key the connector takes the first unique index, also one that names no row: a partial one, one over
 * expressions (of which it leaves these out), an invalid one, or one over a generated column. Where the target has such
 * an index over the columns of the messages' key, and no primary key, the source has one, too.
 */
static bool is_key_of_no_row(const struct binding *binding)
{
	const struct table_image *image = binding->image;
	bool generated;

	if (table_primary_key(image) != NULL)
		return false;
	for (size_t i = 0; i < image->other_key_count; i++)
		if (is_over_message_key(binding, &image->other_keys[i], &generated))
			return true;
	for (size_t i = 0; i < image->key_count; i++)
		if (is_over_message_key(binding, &image->keys[i], &generated) && generated)
			return true;
	return false;
}

static struct error *key_is_missing(const struct binding *binding, bool whole, enum key_of_place place)
{
	const struct relation *relation = binding->relation;

	if (place == KEY_OF_INDEX)
		return error_new(
		    ERROR_TARGET,
		    "table %s.%s: the connector takes the columns of a unique index as the key that names no row (a "
		    "partial one, or one over an expression or a generated column), and the source names old rows by "
		    "another index (REPLICA IDENTITY USING INDEX); set message.key.columns in the connector to the "
		    "columns of that index, or REPLICA IDENTITY FULL at the source",
		    relation->schema, relation->table);
	if (!whole)
		return error_new(
		    ERROR_TARGET,
		    "table %s.%s: a column of the key is generated in the target, or a rule excludes it; make "
		    "it plain, or take it out of the rule",
		    relation->schema, relation->table);
	return error_new(
	    ERROR_TARGET,
	    "table %s.%s of the target has no primary key or unique index on the source's key columns "
	    "(%s…); create it as the source has it, a partial one as well. If the connector's message.key.columns "
	    "names these columns: it must name a unique key of the table, or at least all columns of the primary key",
	    binding->image->schema, binding->image->name, binding->columns[binding->key[0]].image->name);
}

/* Indexes of the columns that take the target's primary key; false: it has none, or not all of it is written. */
static bool find_primary(const struct binding *binding, uint32_t *key, size_t *count)
{
	const struct key_image *primary = table_primary_key(binding->image);

	*count = 0;
	for (size_t i = 0; primary != NULL && i < primary->column_count; i++)
		for (uint32_t j = 0; j < binding->column_count; j++)
			if (binding->columns[j].image == &binding->image->columns[primary->columns[i].index])
				key[(*count)++] = j;
	return primary != NULL && *count == primary->column_count;
}

static void set_key(struct binding *binding, const uint32_t *key, size_t count)
{
	binding->key = key;
	binding->key_count = count;
	for (size_t i = 0; i < binding->column_count; i++)
		binding->columns[i].key = false;
	for (size_t i = 0; i < count; i++)
		binding->columns[key[i]].key = true;
}

/* The messages' key has all columns of the primary key, and more. */
static bool take_primary_within(struct binding *binding, struct arena *arena)
{
	uint32_t *key = arena_alloc(arena, (binding->column_count + 1) * sizeof(*key));
	size_t count;

	if (!find_primary(binding, key, &count))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!binding->columns[key[i]].key && binding->columns[key[i]].image != binding->source_column)
			return false;
	set_key(binding, key, count);
	return is_covered(binding);
}

/* Columns of the binding that take the key; false: not all of it is written, or it takes NULL. */
static bool find_key(const struct binding *binding, const struct key_image *image, uint32_t *key)
{
	for (size_t i = 0; i < image->column_count; i++) {
		uint32_t j = 0;

		while (j < binding->column_count &&
		       binding->columns[j].image != &binding->image->columns[image->columns[i].index])
			j++;
		if (j == binding->column_count || !binding->columns[j].image->not_null)
			return false;
		key[i] = j;
	}
	return true;
}

/* `key` stays in the copy. */
static struct binding *bind_other(const struct binding *binding, const uint32_t *key, size_t count, struct arena *arena)
{
	struct binding *other = arena_alloc(arena, sizeof(*other));

	*other = *binding;
	other->columns = arena_alloc(arena, (binding->column_count + 1) * sizeof(*other->columns));
	memcpy(other->columns, binding->columns, binding->column_count * sizeof(*other->columns));
	other->other_count = 0;
	set_key(other, key, count);
	is_covered(other);
	return other;
}

static void bind_others(struct binding *binding, struct arena *arena)
{
	const struct table_image *image = binding->image;

	if (binding->key_count == 0 || binding->own_key)
		return;
	binding->others = arena_alloc(arena, (image->key_count + 1) * sizeof(struct binding *));
	for (size_t i = 0; i < image->key_count; i++) {
		const struct key_image *key = &image->keys[i];
		uint32_t *columns = arena_alloc(arena, (key->column_count + 1) * sizeof(*columns));

		if (same_key(binding, key)) {
			binding->identity = binding->identity || key->replica_identity;
			continue;
		}
		if (!find_key(binding, key, columns))
			continue;
		binding->others[binding->other_count] = bind_other(binding, columns, key->column_count, arena);
		binding->others[binding->other_count++]->identity = key->replica_identity;
		binding->chosen_key = binding->chosen_key || key->primary;
	}
}

static struct error *bind_key(struct binding_cache *cache, struct pg_connection *connection, struct binding *binding)
{
	const struct relation *relation = binding->relation;
	uint32_t *key = arena_alloc_zeroed(cache->arena, (relation->column_count + 2) * sizeof(*key));
	enum key_of_place place;
	bool whole, covered, logged;

	for (uint32_t i = 0; i < relation->key_count; i++)
		for (uint32_t j = 0; j < binding->column_count; j++)
			if (binding->columns[j].source == relation->key_columns[i])
				key[binding->key_count++] = j;
	binding->key = key;
	if (relation->key_count == 0)
		return bind_unsaid_key(cache, connection, binding, key);
	whole = binding->key_count == relation->key_count;
	if (whole && is_covered_with_source(binding, key))
		return NULL;
	covered = whole && is_covered(binding);
	if (covered && !is_second_best(binding))
		return NULL;
	TRY(binding_read_key(connection, cache->config, relation, binding->image, &place));
	/* The log's image of the table may come after its first rows, in the order of a snapshot. */
	if (place == KEY_UNKNOWN && !covered && is_key_of_no_row(binding)) {
		TRY(binding_is_logged(connection, cache->config, relation, &logged));
		place = logged ? KEY_UNKNOWN : KEY_NONE;
	}
	if (place == KEY_PRIMARY || (place == KEY_NONE && !covered))
		covered = take_own_key(binding, place, key) || covered;
	if (covered || (whole && take_primary_within(binding, cache->arena)))
		return NULL;
	return key_is_missing(binding, whole, place);
}

/* Referenced tables are bound or have no rank to respect. Sorted by OID. */
struct ranked {
	uint32_t oid;
	unsigned rank;
};

static int by_oid(const void *a, const void *b)
{
	uint32_t first = ((const struct ranked *)a)->oid, second = ((const struct ranked *)b)->oid;

	return (first > second) - (first < second);
}

/* One round: each table comes after those that it refers to. False: nothing changed. */
static bool raise_ranks(const struct binding_cache *cache, struct ranked *tables)
{
	size_t count = cache->binding_count;
	bool changed = false;

	for (size_t i = 0; i < count; i++) {
		const struct table_image *image = cache->bindings[i]->image;
		struct ranked *own =
		    bsearch(&(struct ranked){.oid = image->oid}, tables, count, sizeof(*tables), by_oid);

		for (size_t j = 0; j < image->foreign_key_count; j++) {
			const struct ranked wanted = {.oid = image->foreign_keys[j].referenced_oid};
			const struct ranked *other = bsearch(&wanted, tables, count, sizeof(*tables), by_oid);

			if (other == NULL || other->oid == own->oid || other->rank < own->rank)
				continue;
			own->rank = other->rank + 1;
			changed = true;
		}
	}
	return changed;
}

void binding_cache_rank(struct binding_cache *cache)
{
	size_t count = cache->binding_count;
	struct ranked *tables;

	if (count == cache->ranked_count)
		return;
	tables = memory_alloc((count + 1) * sizeof(*tables));
	for (size_t i = 0; i < count; i++)
		tables[i] = (struct ranked){.oid = cache->bindings[i]->image->oid};
	qsort(tables, count, sizeof(*tables), by_oid);
	for (unsigned round = 0; round < 16 && raise_ranks(cache, tables);
	     round++) /* a ring of references has no end */
		;
	for (size_t i = 0; i < count; i++) {
		const struct ranked wanted = {.oid = cache->bindings[i]->image->oid};
		const struct ranked *own = bsearch(&wanted, tables, count, sizeof(*tables), by_oid);

		cache->bindings[i]->rank = own->rank;
	}
	free(tables);
	cache->ranked_count = count;
}

static bool has_cascade(const struct table_image *image)
{
	for (size_t i = 0; i < image->foreign_key_count; i++)
		if (strchr("cnd", image->foreign_keys[i].on_delete) != NULL ||
		    strchr("cnd", image->foreign_keys[i].on_update) != NULL)
			return true;
	return false;
}

/* Relations with equal columns share them (registry.c). */
static bool have_one_shape(const struct relation *a, const struct relation *b)
{
	return a->columns == b->columns && a->column_count == b->column_count && a->typed == b->typed &&
	       a->adjusted == b->adjusted && a->key_count == b->key_count &&
	       (a->key_count == 0 ||
	        memcmp(a->key_columns, b->key_columns, a->key_count * sizeof(*a->key_columns)) == 0);
}

static bool are_twins(const struct binding *a, const struct binding *b)
{
	return a->image->oid == b->image->oid && a->rule == b->rule && !a->strict && !b->strict &&
	       have_one_shape(a->relation, b->relation) &&
	       (a->source_column == NULL || strcmp(a->source_value, b->source_value) == 0);
}

static struct binding *find_twin(const struct binding_cache *cache, struct binding *binding)
{
	for (size_t i = 0; i < cache->binding_count; i++)
		if (are_twins(cache->bindings[i], binding))
			return cache->bindings[i];
	return binding;
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
	binding->twin = find_twin(cache, binding);
	cache->bindings = memory_grow(cache->bindings, cache->binding_count + 1, sizeof(*cache->bindings));
	binding->number = (uint32_t)cache->binding_count;
	cache->bindings[cache->binding_count++] = binding;
}

/* Rows can be marked as deleted, so each row that comes says that it is not. */
static bool is_soft(const struct table_rule *rule)
{
	return rule->delete_mode == DELETE_SOFT || rule->truncate_mode == TRUNCATE_SOFT;
}

static bool is_extra(const struct binding *binding, const struct column_image *image)
{
	const char *const names[] = {binding->synced_at, binding->is_deleted, binding->deleted_at};

	for (size_t i = 0; i < 3; i++)
		if (names[i] != NULL && strcmp(names[i], image->name) == 0)
			return true;
	return false;
}

static bool is_unique(const struct table_image *table, const struct column_image *image)
{
	for (size_t i = 0; i < table->key_count; i++)
		for (size_t j = 0; j < table->keys[i].column_count; j++)
			if (&table->columns[table->keys[i].columns[j].index] == image)
				return true;
	return false;
}

/*
 * The columns that neither the stream nor the daemon writes. Where the old row of a key change stays, its copy cannot
 * have the same unique values and numbers.
 */
static void find_own_columns(struct binding *binding, struct arena *arena)
{
	const struct table_image *image = binding->image;

	for (size_t i = 0; i < binding->column_count; i++)
		binding->keeps =
		    binding->keeps || (binding->columns[i].image->identity == 'a' && !binding->columns[i].key);
	binding->own = arena_alloc_zeroed(arena, (image->column_count + 1) * sizeof(*binding->own));
	for (size_t i = 0; i < image->column_count; i++) {
		const struct column_image *column = &image->columns[i];

		if (is_bound(binding, column) || column->generated || is_extra(binding, column))
			continue;
		binding->keeps = true;
		if (binding->rule->delete_mode == DELETE_HARD ||
		    (!is_unique(image, column) && column->identity == '\0'))
			binding->own[binding->own_count++] = column;
	}
}

/* The version is read first: what changes after that is noticed before a commit. */
static struct error *read_image(struct binding_cache *cache, struct pg_connection *connection,
                                const struct table_name *name, struct binding *binding)
{
	const struct table_image *renamed = NULL;

	TRY(catalog_read_version(connection, name->schema, name->table, cache->arena, &binding->version));
	TRY(catalog_read_table(connection, name->schema, name->table, cache->arena, &binding->image));
	if (binding->image != NULL || binding->rule->rename != NULL)
		return NULL;
	TRY(binding_find_renamed(connection, cache->config, name, cache->arena, &renamed));
	if (renamed == NULL)
		return NULL;
	TRY(catalog_read_version(connection, renamed->schema, renamed->name, cache->arena, &binding->version));
	return catalog_read_table(connection, renamed->schema, renamed->name, cache->arena, &binding->image);
}

/* Whether COPY may write an extra column as the text of that category's type; without one, it may. */
static bool has_category(const struct binding *binding, const char *name, char category)
{
	const struct column_image *image = name == NULL ? NULL : find_column(binding->image, name);

	return image == NULL || (image->type.category == category && !image->type.array);
}

/* The columns that the daemon writes itself. */
static struct error *bind_extra_columns(const struct config *config, const struct table_name *name,
                                        struct binding *binding)
{
	binding->synced_at = extra_column(binding, config->target.synced_at);
	binding->is_deleted = extra_column(binding, config->target.is_deleted);
	binding->deleted_at = extra_column(binding, config->target.deleted_at);
	if (is_soft(binding->rule) && binding->is_deleted == NULL &&
	    find_column(binding->image, config->target.is_deleted) != NULL)
		return error_new(
		    ERROR_TARGET,
		    "table %s.%s has delete or truncate = \"soft\", and the source has a column \"%s\", too; "
		    "set target.is_deleted to another name, or rename the source's column in tables",
		    name->schema, name->table, config->target.is_deleted);
	if (is_soft(binding->rule) && binding->is_deleted == NULL)
		return error_new(ERROR_TARGET,
		                 "table %s.%s has delete or truncate = \"soft\", but the target's table has no column "
		                 "\"%s\"; add it: ALTER "
		                 "TABLE … ADD COLUMN %s boolean NOT NULL DEFAULT false",
		                 name->schema, name->table, config->target.is_deleted, config->target.is_deleted);
	if (!is_soft(binding->rule))
		binding->is_deleted = binding->deleted_at = NULL;
	return NULL;
}

static struct error *bind(struct binding_cache *cache, struct pg_connection *connection, struct binding *binding)
{
	const struct relation *relation = binding->relation;
	const struct config *config = cache->config;

	struct table_name name =
	    config_target_table(config, binding->rule, relation->schema, relation->table, cache->arena);

	TRY(read_image(cache, connection, &name, binding));
	if (binding->image == NULL)
		return error_new(
		    ERROR_TARGET,
		    "the target has no table %s.%s; create it as the source has it, or leave it out: tables = ( { "
		    "match = \"%s.%s\"; exclude = true; } )",
		    name.schema, name.table, relation->schema, relation->table);
	TRY(binding_check_taken(binding));
	TRY(inference_check(connection, config, binding, cache->arena));
	TRY(bind_columns(cache, connection, binding));
	if (relation->column_count > 0)
		TRY(bind_key(cache, connection, binding));
	TRY(bind_extra_columns(config, &name, binding));
	find_own_columns(binding, cache->arena);
	binding->casts = binding->casts || !has_category(binding, binding->synced_at, 'D') ||
	                 !has_category(binding, binding->is_deleted, 'B');
	binding->fires = cache->replication_role ? binding->image->fires_for_replica : binding->image->fires_for_origin;
	binding->strict = (binding->own_key && binding->key_count > 0) || binding->ahead_count > 0 ||
	                  (!cache->replication_role && has_cascade(binding->image)) || binding->fires;
	bind_others(binding, cache->arena);
	return NULL;
}

bool binding_mask(const struct binding *binding, const struct value *values, bool *mask)
{
	bool whole = true;

	for (size_t i = 0; i < binding->column_count; i++) {
		bool there = bound_value(&binding->columns[i], values)->kind != VALUE_UNCHANGED;

		whole = whole && there;
		if (mask != NULL)
			mask[i] = there;
	}
	return whole;
}

bool binding_has_key(const struct binding *binding, const struct value *values)
{
	for (size_t i = 0; i < binding->key_count; i++)
		if (bound_value(&binding->columns[binding->key[i]], values)->kind == VALUE_NULL)
			return false;
	return binding->key_count > 0;
}

struct error *binding_check_ahead(const struct binding *binding, const struct change *change)
{
	for (size_t i = 0; i < binding->ahead_count && change->after != NULL; i++) {
		const struct column *column = &binding->relation->columns[binding->ahead[i]];
		uint8_t kind = change->after[binding->ahead[i]].kind;

		if (kind != VALUE_NULL && kind != VALUE_UNCHANGED && binding->relation->typed && column->optional)
			return target_lacks(binding, column->name, column->name);
	}
	return NULL;
}

struct error *binding_find(struct binding_cache *cache, struct pg_connection *connection,
                           const struct relation *relation, struct binding **found)
{
	struct binding *binding;

	if (relation->number < cache->relation_count && cache->by_relation[relation->number] != NULL) {
		*found = cache->by_relation[relation->number];
		(*found)->used = (*found)->twin->used = true; /* a plan may take either */
		return NULL;
	}
	binding = arena_alloc_zeroed(cache->arena, sizeof(*binding));
	binding->relation = relation;
	binding->rule = config_table_rule(cache->config, relation->schema, relation->table);
	TRY(bind(cache, connection, binding));
	remember(cache, binding);
	binding->used = binding->twin->used = true;
	*found = binding;
	return NULL;
}
