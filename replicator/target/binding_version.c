/*
 * binding_version.c - whether the tables that a target transaction used are still what their bindings say. See
 * binding.h.
 */
#include "pg/catalog_version.h"
#include "target/binding.h"

void binding_cache_begin(struct binding_cache *cache)
{
	for (uint32_t i = 0; i < binding_cache_count(cache); i++)
		binding_cache_get(cache, i)->used = false;
}

static struct catalog_versions used_versions(const struct binding_cache *cache)
{
	struct catalog_versions list = {0};

	for (uint32_t i = 0; i < binding_cache_count(cache); i++) {
		const struct binding *binding = binding_cache_get(cache, i);

		if (binding->used)
			catalog_versions_add(&list, binding->image->schema, binding->image->name, binding->version);
	}
	return list;
}

struct error *binding_cache_send_check(struct binding_cache *cache, struct pg_connection *connection)
{
	struct catalog_versions list = used_versions(cache);
	struct error *error = NULL;

	if (list.count > 0)
		error = catalog_versions_send_check(connection, &list);
	catalog_versions_free(&list);
	return error;
}

struct error *binding_cache_check(struct binding_cache *cache, struct pg_connection *connection, bool *changed)
{
	struct catalog_versions list = used_versions(cache);
	struct error *error = NULL;

	*changed = false;
	if (list.count > 0)
		error = catalog_versions_check(connection, &list, changed);
	catalog_versions_free(&list);
	return error;
}

struct error *binding_cache_changed_error(void)
{
	return error_new(ERROR_CONSTRAINT, "a table or type of the target was changed since its definition was read");
}

struct error *binding_cache_require(struct binding_cache *cache, struct pg_connection *connection)
{
	bool changed;

	TRY(binding_cache_check(cache, connection, &changed));
	return changed ? binding_cache_changed_error() : NULL;
}
