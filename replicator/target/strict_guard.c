/*
 * strict_guard.c - a change of an unverified table, under a savepoint: it is discarded when the target refuses it because
 * of other rows (refusals.h).
 */
#include "base/memory.h"
#include "target/strict_internal.h"

#include <stdlib.h>

struct error *strict_guard_begin(const struct strict *strict, const struct binding *binding, struct strict_guard *guard)
{
	*guard = (struct strict_guard){0};
	if (strict->counts->refusals == NULL)
		return NULL;
	TRY(refusals_accept(strict->counts->refusals, strict->connection, binding, strict->transaction, &guard->active,
	                    &guard->constraints));
	if (!guard->active)
		return NULL;
	guard->counts = *strict->counts;
	guard->parking = parking_copy(strict->parking);
	return pg_execute(strict->connection, "SAVEPOINT replicator_change");
}

/* What would refuse the change at COMMIT refuses it now. */
static struct error *check_constraints(const struct strict *strict, const struct strict_guard *guard)
{
	char *sql;
	struct error *error;

	if (guard->constraints == NULL)
		return NULL;
	sql = memory_format("SET CONSTRAINTS %s IMMEDIATE; SET CONSTRAINTS %s DEFERRED", guard->constraints,
	                    guard->constraints);
	error = pg_execute(strict->connection, sql);
	free(sql);
	return error;
}

static struct error *discard(const struct strict *strict, struct strict_guard *guard)
{
	TRY(pg_execute(strict->connection,
	               "ROLLBACK TO SAVEPOINT replicator_change; RELEASE SAVEPOINT replicator_change"));
	parking_restore(strict->parking, guard->parking);
	*strict->counts = guard->counts;
	strict->counts->refused++;
	return NULL;
}

static struct error *end(const struct strict *strict, const struct binding *binding, struct strict_guard *guard,
                         struct error *error)
{
	struct error *failure;

	if (error == NULL)
		error = check_constraints(strict, guard);
	if (error == NULL)
		return pg_execute(strict->connection, "RELEASE SAVEPOINT replicator_change");
	if (pg_is_broken(strict->connection) || !refusals_explain(error))
		return error;
	failure = discard(strict, guard);
	if (failure == NULL)
		refusals_note(strict->counts->refusals, binding, error);
	error_free(error);
	return failure;
}

struct error *strict_guard_end(const struct strict *strict, const struct binding *binding, struct strict_guard *guard,
                               struct error *error)
{
	if (!guard->active)
		return error;
	error = end(strict, binding, guard, error);
	parking_free(guard->parking);
	return error;
}
