/* missing.c - see missing.h */
#include "target/missing.h"

#include "base/log.h"
#include "base/memory.h"
#include "target/unverified.h"

#include <inttypes.h>
#include <stdlib.h>

struct missed {
	const struct collection *collection;
	uint64_t keyed, unkeyed; /* rows, in this target transaction */
	bool reported;
};

struct missing {
	const struct config *config;
	struct missed *tables;
	size_t count;
	bool any;
};

struct missing *missing_new(const struct config *config)
{
	struct missing *missing = memory_alloc(sizeof(*missing));

	missing->config = config;
	return missing;
}

void missing_free(struct missing *missing)
{
	if (missing == NULL)
		return;
	free(missing->tables);
	free(missing);
}

void missing_begin(struct missing *missing)
{
	if (!missing->any)
		return;
	for (size_t i = 0; i < missing->count; i++)
		missing->tables[i].keyed = missing->tables[i].unkeyed = 0;
	missing->any = false;
}

static struct missed *find(struct missing *missing, const struct collection *collection)
{
	for (size_t i = 0; i < missing->count; i++)
		if (missing->tables[i].collection == collection)
			return &missing->tables[i];
	missing->tables = memory_grow(missing->tables, missing->count + 1, sizeof(*missing->tables));
	missing->tables[missing->count] = (struct missed){.collection = collection};
	return &missing->tables[missing->count++];
}

void missing_note(struct missing *missing, const struct binding *binding, bool keyed, uint64_t rows)
{
	struct missed *missed;

	if (missing == NULL || binding->filters || binding->rule->delete_mode != DELETE_HARD || rows == 0)
		return;
	missed = find(missing, binding->relation->collection);
	*(keyed ? &missed->keyed : &missed->unkeyed) += rows;
	missing->any = true;
}

static struct error *finish_table(struct missing *missing, struct pg_connection *connection, uint64_t lsn,
                                  struct missed *missed)
{
	const char *schema = missed->collection->schema, *table = missed->collection->table;
	bool unverified;

	if (missed->keyed + missed->unkeyed == 0)
		return NULL;
	TRY(unverified_has(connection, missing->config, schema, table, &unverified));
	if (unverified)
		return NULL;
	if (missed->unkeyed > 0) {
		TRY(unverified_mark(connection, missing->config, schema, table, UNVERIFIED_MISSING_ROW, lsn, 0, NULL));
		log_warning("table %s.%s: %" PRIu64 " updates or deletes found no row in the target; the table has no "
		            "key, so other rows may differ, too; it is unverified until a comparison with the source "
		            "(`replicator table resync %s.%s`; the supervision runs it where source.dsn is set)",
		            schema, table, missed->unkeyed, schema, table);
	} else if (!missed->reported) {
		log_warning("table %s.%s: %" PRIu64 " updates or deletes found no row in the target; updates inserted "
		            "it; compare both sides (`check_target --table %s.%s`); further ones are counted, not "
		            "logged",
		            schema, table, missed->keyed, schema, table);
		missed->reported = true;
	}
	return NULL;
}

struct error *missing_finish(struct missing *missing, struct pg_connection *connection, uint64_t lsn)
{
	for (size_t i = 0; missing->any && i < missing->count; i++)
		TRY(finish_table(missing, connection, lsn, &missing->tables[i]));
	return NULL;
}
