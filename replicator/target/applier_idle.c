/*
 * applier_idle.c - between two batches: a sign of life in the stream's row while nothing is committed, and the
 * operator's word to pause, looked at a few times in a second; and steps of schema changes that were left out, retried when
 * they are due.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/signals.h"
#include "target/applier_internal.h"
#include "target/left_out.h"
#include "target/pause.h"
#include "target/stream_lock.h"

#define LOOK_US 300000
#define LEFT_OUT_LOOK_US 1000000
#define PAUSE_STEP_MS 100

struct error *applier_say_state(struct applier *applier)
{
	return checkpoint_write_state(applier->connection, applier->config, applier->epoch,
	                              atomic_load(&applier->state.paused) ? "paused" : "running", NULL);
}

/* The state that others see follows the word. */
static struct error *obey(struct applier *applier, bool paused)
{
	if (paused == atomic_load(&applier->state.paused))
		return NULL;
	atomic_store(&applier->state.paused, paused);
	if (paused)
		log_warning("paused by an operator: nothing is applied until `replicator resume`");
	else
		log_info("resumed by an operator");
	return applier_say_state(applier);
}

/* While nothing is committed others must see that we live, and we that the stream is still ours. */
struct error *applier_show_life(struct applier *applier)
{
	int64_t now_us = clock_monotonic_us();

	if (now_us - applier->last_sign_us < (int64_t)HEARTBEAT_MS * 1000)
		return NULL;
	TRY(checkpoint_beat(applier->connection, applier->config, applier->epoch));
	applier->last_sign_us = now_us;
	return NULL;
}

/* The stream must still be ours: another instance may have changed the schema since. */
static struct error *retry_in_transaction(struct applier *applier, int64_t id, bool *executed)
{
	bool settled;

	TRY(pg_execute(applier->connection, "BEGIN"));
	TRY(checkpoint_beat(applier->connection, applier->config, applier->epoch));
	TRY(left_out_retry(applier->connection, applier->config, id, &settled, executed));
	return pg_execute(applier->connection, "COMMIT");
}

/* A failure is noted with the step, and disturbs nothing else. */
static struct error *retry_left_out(struct applier *applier, int64_t id)
{
	bool executed = false;
	struct error *error = retry_in_transaction(applier, id, &executed);
	struct error *failure;

	if (error == NULL)
		return executed ? binding_cache_refresh(applier->bindings, applier->connection) : NULL;
	if (pg_is_broken(applier->connection) || error->class == ERROR_FENCED)
		return error;
	log_debug("a step that was left out fails again: %s", error->message);
	failure = pg_execute(applier->connection, "ROLLBACK");
	if (failure == NULL)
		failure = left_out_note_failure(applier->connection, applier->config, id, error->message);
	error_free(error);
	return failure;
}

static struct error *look_at_left_out(struct applier *applier)
{
	int64_t now_us = clock_monotonic_us(), id;
	size_t count;

	if (atomic_load(&applier->state.paused))
		return NULL;
	if (applier->last_left_out_us == 0)
		TRY(left_out_make_due(applier->connection, applier->config));
	else if (now_us - applier->last_left_out_us < LEFT_OUT_LOOK_US)
		return NULL;
	applier->last_left_out_us = now_us;
	TRY(left_out_next(applier->connection, applier->config, &count, &id));
	metric_set(METRIC_LEFT_OUT_STEPS, count);
	return id == 0 ? NULL : retry_left_out(applier, id);
}

static struct error *look(struct applier *applier)
{
	int64_t now_us = clock_monotonic_us();
	bool paused;

	TRY(applier_show_life(applier));
	if (applier->last_look_us != 0 && now_us - applier->last_look_us < LOOK_US)
		return NULL;
	applier->last_look_us = now_us;
	TRY(pause_read(applier->connection, applier->config, &paused));
	TRY(obey(applier, paused));
	return look_at_left_out(applier);
}

static struct error *look_until_answered(struct applier *applier)
{
	struct transaction *nothing = NULL;
	struct error *error;

	while ((error = look(applier)) != NULL) {
		if (error->class != ERROR_TRANSIENT && !pg_is_broken(applier->connection))
			return error;
		log_warning("%s", error->message);
		metric_add_retry(error->sqlstate);
		error_free(error);
		applier->last_look_us = 0;
		atomic_store(&applier->state.troubled, true);
		TRY(applier_recover(applier, &nothing));
		atomic_store(&applier->state.troubled, false);
	}
	return NULL;
}

struct error *applier_between_batches(struct applier *applier)
{
	for (;;) {
		TRY(look_until_answered(applier));
		if (!atomic_load(&applier->state.paused) || signals_stop_requested() ||
		    transaction_queue_closed(applier->queue))
			return NULL;
		clock_sleep_ms(PAUSE_STEP_MS);
	}
}
