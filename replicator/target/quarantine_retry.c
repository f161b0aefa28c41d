/*
 * quarantine_retry.c - applies what waits in the quarantine, or drops it, at an operator's word.
 *
 * NOTES
 *   The table stays locked for one transaction at a time, so that the applier's wait is short. In between it may put
 *   transactions behind those that wait; they have higher ids and come later here, too.
 */
#include "target/quarantine.h"

#include "base/arena.h"
#include "base/memory.h"
#include "event/change_json.h"
#include "target/batch.h"
#include "target/snapshot.h"
#include "target/session.h"
#include "target/state.h"

#include <stdlib.h>
#include <string.h>

struct retry_run {
	struct pg_connection *connection;
	const struct config *config;
	struct binding_cache *bindings;
	struct row_sender *sender;
	struct partition_list *partitions;
	struct snapshot *snapshot;
	struct missing *missing;
	struct slab_account account;
	struct slab_writer writer;
};

static const char *no_topic(void *context, uint32_t number, int32_t *partition)
{
	(void)context;
	(void)number;
	*partition = 0;
	return "";
}

static uint32_t place_number(void *context, const char *topic, int32_t partition)
{
	return partition_list_add(context, topic, partition);
}

/* The stored events as a transaction whose values lie in the arena. */
static struct error *read_transaction(struct retry_run *run, const char *events, struct arena *arena,
                                      struct transaction **transaction)
{
	const struct change_places places = {.topic = no_topic, .number = place_number, .context = run->partitions};
	struct change **changes;
	size_t count;

	TRY(change_json_read(events, &places, arena, &run->writer, &changes, &count));
	*transaction = transaction_new(TRANSACTION_STREAMED);
	(*transaction)->snapshot_late = true; /* snapshot rows, should it hold any, are older than the target */
	for (size_t i = 0; i < count; i++)
		transaction_add_change(*transaction, changes[i]);
	return NULL;
}

static struct error *apply(struct retry_run *run, const char *events)
{
	struct batch_counts counts = {.missing = run->missing};
	struct transaction *transaction = NULL;
	bool changed;
	struct arena *arena = arena_new();
	struct error *error = read_transaction(run, events, arena, &transaction);

	missing_begin(run->missing);
	snapshot_forget(run->snapshot);
	if (error == NULL)
		error = snapshot_prepare(run->snapshot, run->connection, run->bindings, transaction, 1,
		                         &counts.discarded, &changed);
	if (error == NULL)
		error = batch_apply_strictly(run->sender, run->connection, run->bindings, run->partitions, transaction,
		                             &counts);
	if (error == NULL)
		error = missing_finish(run->missing, run->connection, 0);
	transaction_free(transaction);
	arena_free(arena);
	return error;
}

static struct error *set_state(struct retry_run *run, int64_t id, const char *state)
{
	struct number number = number_of(id);
	const char *const parameters[2] = {number.text, state};

	return state_query(run->connection, run->config,
	                   "UPDATE @quarantine SET state = $2, resolved_at = clock_timestamp() WHERE id = $1::bigint",
	                   2, parameters, NULL);
}

/* Locked: *waits, *follows and *events (owned by *result) of the one with that id. */
static struct error *look_up(struct retry_run *run, int64_t id, struct pg_result **result)
{
	struct number number = number_of(id);
	const char *const parameters[2] = {run->config->stream.name, number.text};

	TRY(state_query(run->connection, run->config, "LOCK TABLE @quarantine IN SHARE ROW EXCLUSIVE MODE", 0, NULL,
	                NULL));
	/* Rows meet by a row's key; a whole table ("t*") meets whatever is of that table. */
	return state_query(
	    run->connection, run->config,
	    "SELECT q.events, EXISTS (SELECT FROM @quarantine e WHERE e.stream = q.stream AND e.state = 'waiting'"
	    "  AND e.id < q.id AND EXISTS (SELECT FROM unnest(e.keys) k WHERE"
	    "   (k LIKE '%#%' AND k = ANY (q.keys))"
	    "   OR (right(k, 1) = '*' AND left(k, -1) = ANY (q.keys))"
	    "   OR (k || '*') = ANY (q.keys)))::int"
	    " FROM @quarantine q WHERE q.stream = $1 AND q.id = $2::bigint AND q.state = 'waiting'",
	    2, parameters, result);
}

/* One transaction; its failure is told, not returned. */
static struct error *retry_one(struct retry_run *run, int64_t id,
                               void (*tell)(void *context, const struct quarantine_outcome *outcome), void *context)
{
	struct quarantine_outcome outcome = {.id = id};
	struct pg_result *result = NULL;
	struct error *error;
	bool gone;

	TRY(pg_execute(run->connection, "BEGIN; SET CONSTRAINTS ALL DEFERRED"));
	TRY(look_up(run, id, &result));
	gone = pg_result_rows(result) == 0;
	outcome.follows = !gone && pg_result_integer(result, 0, 1) != 0;
	if (!gone && !outcome.follows) {
		outcome.error = binding_cache_refresh(run->bindings, run->connection);
		if (outcome.error == NULL)
			outcome.error = apply(run, pg_result_text(result, 0, 0));
		if (outcome.error == NULL)
			outcome.error = binding_cache_require(run->bindings, run->connection);
		if (outcome.error == NULL)
			outcome.error = set_state(run, id, "retried");
		if (outcome.error == NULL)
			outcome.error = pg_execute(run->connection, "COMMIT");
	}
	pg_result_free(result);
	if (pg_is_broken(run->connection))
		return outcome.error;
	error = outcome.follows || gone || outcome.error != NULL ? pg_execute(run->connection, "ROLLBACK") : NULL;
	if (!gone)
		tell(context, &outcome);
	error_free(outcome.error);
	return error;
}

static struct error *waiting_ids(struct retry_run *run, int64_t id, struct pg_result **result)
{
	struct number number = number_of(id);
	const char *const parameters[2] = {run->config->stream.name, number.text};

	TRY(state_query(run->connection, run->config,
	                "SELECT id FROM @quarantine WHERE stream = $1 AND state = 'waiting'"
	                " AND $2::bigint IN (0, id) ORDER BY id",
	                2, parameters, result));
	if (id == 0 || pg_result_rows(*result) > 0)
		return NULL;
	pg_result_free(*result);
	*result = NULL;
	return error_new(ERROR_CONFIGURATION,
	                 "no transaction %lld waits in the quarantine of stream %s (see `replicator quarantine list`)",
	                 (long long)id, run->config->stream.name);
}

static struct error *retry_all(struct retry_run *run, int64_t id,
                               void (*tell)(void *context, const struct quarantine_outcome *outcome), void *context)
{
	struct pg_result *ids = NULL;
	struct error *error = session_set_up(run->connection, run->config, run->bindings);

	if (error == NULL)
		error = waiting_ids(run, id, &ids);
	for (size_t i = 0; error == NULL && i < pg_result_rows(ids); i++)
		error = retry_one(run, pg_result_integer(ids, i, 0), tell, context);
	pg_result_free(ids);
	return error;
}

struct error *quarantine_retry(struct pg_connection *connection, const struct config *config, int64_t id,
                               void (*tell)(void *context, const struct quarantine_outcome *outcome), void *context)
{
	struct retry_run run = {.connection = connection,
	                        .config = config,
	                        .bindings = binding_cache_new(config),
	                        .sender = row_sender_new(),
	                        .snapshot = snapshot_new(config),
	                        .missing = missing_new(config),
	                        .partitions = partition_list_new()};
	struct error *error;

	slab_writer_init(&run.writer, &run.account);
	error = retry_all(&run, id, tell, context);
	slab_writer_close(&run.writer);
	partition_list_free(run.partitions);
	missing_free(run.missing);
	snapshot_free(run.snapshot);
	row_sender_free(run.sender);
	binding_cache_free(run.bindings);
	return error;
}

struct error *quarantine_skip(struct pg_connection *connection, const struct config *config, int64_t id,
                              const char *reason)
{
	struct number number = number_of(id);
	const char *const parameters[3] = {config->stream.name, number.text, reason};
	struct pg_result *result = NULL;
	bool skipped;

	TRY(state_query(connection, config,
	                "UPDATE @quarantine SET state = 'skipped', resolved_at = clock_timestamp(), reason = $3"
	                " WHERE stream = $1 AND id = $2::bigint AND state = 'waiting' RETURNING id",
	                3, parameters, &result));
	skipped = pg_result_rows(result) > 0;
	pg_result_free(result);
	return skipped ? NULL
	               : error_new(ERROR_CONFIGURATION,
	                           "no transaction %lld waits in the quarantine of stream %s (see `replicator "
	                           "quarantine list`)",
	                           (long long)id, config->stream.name);
}
