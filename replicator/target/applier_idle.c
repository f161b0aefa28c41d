/*
 * applier_idle.c - between two batches: a sign of life in the stream's row while nothing is committed, and the
 * operator's word to pause, looked at a few times in a second.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/signals.h"
#include "target/applier_internal.h"
#include "target/pause.h"
#include "target/stream_lock.h"

#define LOOK_US 300000
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

static struct error *look(struct applier *applier)
{
	int64_t now_us = clock_monotonic_us();
	bool paused;

	TRY(applier_show_life(applier));
	if (applier->last_look_us != 0 && now_us - applier->last_look_us < LOOK_US)
		return NULL;
	applier->last_look_us = now_us;
	TRY(pause_read(applier->connection, applier->config, &paused));
	return obey(applier, paused);
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
