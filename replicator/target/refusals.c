/* refusals.c - see refusals.h */
#include "target/refusals.h"

#include "base/log.h"
#include "base/memory.h"
#include "target/unverified.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct refused {
	const struct collection *collection;
	bool known;        /* in this target transaction: */
	bool unverified;   /* the table is marked */
	char *constraints; /* SET CONSTRAINTS; NULL: none */
	uint64_t count;    /* changes that were discarded */
	char *reason;      /* of the first of them */
	bool reported;     /* since the table became unverified */
};

struct refusals {
	const struct config *config;
	struct refused *tables;
	size_t count;
};

struct refusals *refusals_new(const struct config *config)
{
	struct refusals *refusals = memory_alloc(sizeof(*refusals));

	refusals->config = config;
	return refusals;
}

static void forget(struct refused *refused)
{
	free(refused->constraints);
	free(refused->reason);
	*refused = (struct refused){.collection = refused->collection, .reported = refused->reported};
}

void refusals_begin(struct refusals *refusals)
{
	for (size_t i = 0; i < refusals->count; i++)
		forget(&refusals->tables[i]);
}

void refusals_free(struct refusals *refusals)
{
	if (refusals == NULL)
		return;
	refusals_begin(refusals);
	free(refusals->tables);
	free(refusals);
}

bool refusals_explain(const struct error *error)
{
	return error != NULL && (pg_is_refused_by_rows(error) || strcmp(error->sqlstate, SQLSTATE_NO_ROW) == 0);
}

static struct refused *find(struct refusals *refusals, const struct collection *collection)
{
	for (size_t i = 0; i < refusals->count; i++)
		if (refusals->tables[i].collection == collection)
			return &refusals->tables[i];
	refusals->tables = memory_grow(refusals->tables, refusals->count + 1, sizeof(*refusals->tables));
	refusals->tables[refusals->count] = (struct refused){.collection = collection};
	return &refusals->tables[refusals->count++];
}

/* Those that the server checks at COMMIT, when it no longer says which change breaks them. */
static struct error *read_constraints(struct pg_connection *connection, const struct binding *binding,
                                      struct refused *refused)
{
	const char *const names[2] = {binding->image->schema, binding->image->name};
	struct pg_result *result = NULL;

	TRY(pg_query(connection,
	             "SELECT string_agg(format('%I.%I', n.nspname, k.conname), ', ') FROM pg_constraint k"
	             " JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
	             " WHERE n.nspname = $1 AND c.relname = $2 AND k.contype IN ('p', 'u', 'x') AND k.condeferrable"
	             " AND current_setting('session_replication_role') <> 'replica'",
	             2, names, &result));
	if (!pg_result_is_null(result, 0, 0))
		refused->constraints = memory_copy_text(pg_result_text(result, 0, 0));
	pg_result_free(result);
	return NULL;
}

static struct error *look_up(struct refusals *refusals, struct pg_connection *connection, const struct binding *binding,
                             struct refused *refused)
{
	const struct collection *collection = refused->collection;

	TRY(unverified_has(connection, refusals->config, collection->schema, collection->table, &refused->unverified));
	TRY(read_constraints(connection, binding, refused));
	refused->reported = refused->reported && refused->unverified;
	refused->known = true;
	return NULL;
}

struct error *refusals_accept(struct refusals *refusals, struct pg_connection *connection,
                              const struct binding *binding, const struct transaction *transaction, bool *accepted,
                              const char **constraints)
{
	struct refused *refused = find(refusals, binding->relation->collection);
	bool incremental = transaction->kind == TRANSACTION_SNAPSHOT && transaction->snapshot.tx_id == 0 &&
	                   transaction->snapshot.lsn == 0;

	if (!refused->known)
		TRY(look_up(refusals, connection, binding, refused));
	*accepted = refused->unverified || incremental;
	*constraints = refused->constraints;
	return NULL;
}

void refusals_note(struct refusals *refusals, const struct binding *binding, const struct error *reason)
{
	struct refused *refused = find(refusals, binding->relation->collection);

	refused->count++;
	if (refused->reason == NULL)
		refused->reason = memory_copy_text(reason->message);
}

struct error *refusals_finish(struct refusals *refusals, struct pg_connection *connection, uint64_t lsn)
{
	for (size_t i = 0; i < refusals->count; i++) {
		struct refused *refused = &refusals->tables[i];
		const char *schema = refused->collection->schema, *table = refused->collection->table;

		if (refused->count == 0)
			continue;
		TRY(unverified_raise(connection, refusals->config, schema, table, lsn, refused->count));
		if (refused->reported)
			continue;
		log_warning("table %s.%s is unverified, and the target refused %" PRIu64 " of its changes because of "
		            "rows that may be out of date: %s; these changes and further ones are discarded and "
		            "counted, and the comparison with the source writes their rows (`replicator table resync "
		            "%s.%s`; the supervision runs it where source.dsn is set)",
		            schema, table, refused->count, refused->reason, schema, table);
		refused->reported = true;
	}
	return NULL;
}
