/*
 * applier_recover.c - the target was away: reconnect, and find out what it has.
 *
 * NOTES
 *   The checkpoint row decides, never a guess: each batch writes its number there, so the batch of a COMMIT whose answer
 *   was lost is in it or never will be (checkpoint_reclaim ends our old session first). Positions do not decide: a batch
 *   may move none. A row with a lower number than was confirmed to us (a crash with synchronous_commit off, a promoted
 *   standby that was behind) means that transactions which we no longer hold must be read again.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/signals.h"
#include "target/applier_internal.h"

struct transaction *applier_drop(struct transaction *first, size_t count)
{
	for (; count > 0; count--) {
		struct transaction *next = first->next;

		transaction_free(first);
		first = next;
	}
	return first;
}

/* What it had confirmed the server may have lost. We hold nothing of that any more: it must be read again. */
static struct error *check_confirmed(const struct applier *applier, const struct checkpoint *checkpoint)
{
	if (checkpoint->claim_lost)
		return error_new(
		    ERROR_TRANSIENT,
		    "the target came back as it was before this instance took the stream (a standby that was "
		    "behind): it is read again from where the target stands");
	if (checkpoint->batch < applier->confirmed_batch)
		return error_new(ERROR_TRANSIENT,
		                 "the target came back without transactions that it had confirmed (a crash with "
		                 "synchronous_commit = false, or a standby that was behind): they are read again from "
		                 "Kafka");
	return NULL;
}

static struct error *reconnect(struct applier *applier, struct checkpoint *checkpoint)
{
	pg_disconnect(applier->connection);
	applier->connection = NULL;
	TRY(pg_connect(applier->config->target.dsn, "replicator", &applier->connection));
	TRY(checkpoint_reclaim(applier->connection, applier->config, applier->epoch, checkpoint));
	if (checkpoint->claim_lost)
		return NULL;
	TRY(quarantine_load(applier->quarantine, applier->connection));
	TRY(applier_set_session(applier));
	return applier_say_state(applier);
}

/* A batch is committed as a whole: the number in the checkpoint says whether its COMMIT took place. */
static void drop_applied(struct applier *applier, const struct checkpoint *checkpoint, struct transaction **pending)
{
	struct batch_counts counts = {0};

	if (applier->unanswered > 0 && checkpoint->batch == applier->sent_batch) {
		applier_count(applier, *pending, applier->unanswered, &counts);
		*pending = applier_drop(*pending, applier->unanswered);
		applier->confirmed_batch = checkpoint->batch;
	}
	applier->unanswered = 0;
}

/* Waits, reconnects and drops what turns out to be applied; gives what is left. */
struct error *applier_recover(struct applier *applier, struct transaction **pending)
{
	struct checkpoint checkpoint = {0};
	struct error *error;

	for (;;) {
		int wait_ms = retry_next_ms(&applier->retry);

		atomic_fetch_add(&applier->state.retries, 1);
		log_warning("attempt %u to reach the target again in %.1f s", applier->retry.attempts,
		            wait_ms / 1000.0);
		for (int waited = 0; waited < wait_ms && !signals_stop_requested(); waited += 100)
			clock_sleep_ms(wait_ms - waited < 100 ? wait_ms - waited : 100);
		if (signals_stop_requested())
			return error_new(ERROR_INTERRUPTED, "asked to stop while the target was away");
		error = reconnect(applier, &checkpoint);
		if (error == NULL)
			break;
		if (error->class != ERROR_TRANSIENT && error->class != ERROR_AUTHENTICATION)
			return error;
		log_warning("%s", error->message);
		error_free(error);
		checkpoint_free(&checkpoint);
		checkpoint = (struct checkpoint){0};
	}
	error = check_confirmed(applier, &checkpoint);
	if (error != NULL) {
		checkpoint_free(&checkpoint);
		return error;
	}
	drop_applied(applier, &checkpoint, pending);
	checkpoint_free(&checkpoint);
	log_info("the target is back");
	return NULL;
}
