/* view.c - see view.h: lag, readiness, warnings. */
#include "ops/view.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define RECENTLY_US 10000000
#define HEARTBEATS_MISSED 3

/* When the source committed the oldest that waits, as well as we know; 0: nothing does. */
static int64_t oldest_waiting_us(const struct ops_view *view)
{
	int64_t last_us = view->applier.last_source_us;

	if (view->applier.pending_source_us != 0)
		return view->applier.pending_source_us;
	if (view->queue_oldest_us != 0)
		return view->queue_oldest_us;
	if (view->queue_rows == 0 && view->source.lag_messages <= 0)
		return 0;
	/* Not read yet: behind the last one that was applied, and written since Kafka held nothing more. */
	return last_us > view->source.caught_up_us ? last_us : view->source.caught_up_us;
}

double ops_lag_seconds(const struct ops_view *view)
{
	int64_t oldest_us = oldest_waiting_us(view);
	int64_t behind_us = oldest_us == 0 ? 0 : clock_wall_us() - oldest_us;

	return behind_us > 0 ? (double)behind_us / 1e6 : 0;
}

/* What must have come by now; NULL: nothing. */
static const char *missing_event(const struct ops_view *view)
{
	const struct watch_state *watch = &view->watch;
	bool runs = watch->connector.state[0] == '\0' || watch->connector.running_since_us != 0;

	if (view->source.misnamed_topics)
		return "the connector's topics do not have the expected names (`replicator status`)";
	if (view->source.waiting_since_us != 0)
		return "the next transaction is not whole, and no more events come (`replicator status`)";
	if (runs && (watch->connector.heartbeat_ms > 0 || watch->heartbeat_us != 0))
		return "no events come, not even the connector's heartbeats";
	return NULL;
}

double ops_silent_seconds(const struct ops_view *view, const char **why)
{
	int64_t since_us = view->source.last_event_us, silent_us;
	int64_t limit_us = view->config->supervision.silence_ms * 1000;
	int64_t heartbeat_us = view->watch.connector.heartbeat_ms * 1000;
	const char *reason = missing_event(view);

	if (view->source.misnamed_topics && view->source.waiting_since_us != 0)
		since_us = view->source.waiting_since_us; /* some events may come */
	else if (view->watch.connector.running_since_us > since_us)
		since_us = view->watch.connector.running_since_us;
	silent_us = clock_monotonic_us() - since_us;
	if (limit_us > 0 && limit_us < HEARTBEATS_MISSED * heartbeat_us)
		limit_us = HEARTBEATS_MISSED * heartbeat_us;
	if (view->state != OPS_RUNNING || !view->source.connected || view->source.lag_messages > 0 ||
	    view->queue_rows > 0 || limit_us == 0 || silent_us < limit_us)
		reason = NULL;
	if (why != NULL)
		*why = reason;
	return reason == NULL ? 0 : (double)silent_us / 1e6;
}

bool ops_is_ready(const struct ops_view *view, const char **why)
{
	if (view->state != OPS_RUNNING)
		*why = "not running: it waits for the target, Kafka or another instance, or it stops";
	else if (view->applier.paused)
		*why = "paused by an operator (`replicator resume`)";
	else if (metric_get(METRIC_REGISTRY_AWAY) != 0)
		*why = "the schema registry does not answer";
	else if (!view->source.connected)
		*why = "Kafka does not answer";
	else if (view->source.missing_partitions > 0)
		*why = "a topic or partition of the stream cannot be read (`replicator status` names it)";
	else if (view->watch.policies.compacted > 0)
		*why = "a topic of the stream is compacted, so events may be lost (`replicator status` names it)";
	else if (view->applier.troubled)
		*why = "the target does not take what waits";
	else if (ops_silent_seconds(view, why) > 0)
		return false;
	else if (ops_lag_seconds(view) * 1000 > (double)view->config->status.ready_lag_ms)
		*why = "the lag is above status.ready_lag";
	else
		*why = NULL;
	return *why == NULL;
}

double ops_last_event_seconds(const struct ops_view *view)
{
	int64_t last_us = view->source.last_event_us;

	return last_us == 0 ? -1 : (double)(clock_monotonic_us() - last_us) / 1e6;
}

double ops_heartbeat_seconds(const struct ops_view *view)
{
	int64_t changed_us = view->watch.heartbeat_us;

	return changed_us == 0 ? -1 : (double)(clock_monotonic_us() - changed_us) / 1e6;
}

double ops_waiting_seconds(const struct ops_view *view)
{
	int64_t since_us = view->source.waiting_since_us;

	return since_us == 0 ? 0 : (double)(clock_monotonic_us() - since_us) / 1e6;
}

int64_t ops_lag_bytes(const struct ops_view *view)
{
	uint64_t source = view->watch.slot.source_lsn;
	uint64_t applied = view->applier.last_commit_lsn;

	if (!view->watch.slot.known || source == 0 || applied == 0)
		return -1;
	return source > applied ? (int64_t)(source - applied) : 0;
}

uint64_t ops_lag_transactions(const struct ops_view *view)
{
	return view->queue_transactions + (view->source.lag_marks > 0 ? (uint64_t)(view->source.lag_marks + 1) / 2 : 0);
}

struct snapshot_pace ops_snapshot_pace(const struct metric_table *table)
{
	struct snapshot_pace pace = {.percent = -1, .seconds_left = -1};
	int64_t took_us = table->last_read_us - table->first_read_us;
	bool running = table->last_read_us != 0 && clock_monotonic_us() - table->last_read_us < RECENTLY_US;

	if (took_us > 0)
		pace.rows_per_second = (double)table->reads * 1e6 / (double)took_us;
	if (table->estimated_rows <= 0)
		return pace;
	pace.percent = (double)table->reads * 100 / (double)table->estimated_rows;
	if (pace.percent > 100)
		pace.percent = 100;
	if (running && pace.rows_per_second > 0)
		pace.seconds_left = (double)table->estimated_rows > (double)table->reads
		                        ? ((double)table->estimated_rows - (double)table->reads) / pace.rows_per_second
		                        : 0;
	return pace;
}

void ops_warn(const struct ops_view *view, struct ops_warned *warned)
{
	double lag = ops_lag_seconds(view);
	bool late = view->watch.policies.retention_ms > 0 && lag * 2000 > (double)view->watch.policies.retention_ms;

	if (late && !warned->retention)
		log_warning("the target is %.0f s behind, and Kafka keeps messages for %lld s only: what it removes "
		            "before it is applied is missing; raise retention.ms of the topics now",
		            lag, (long long)(view->watch.policies.retention_ms / 1000));
	warned->retention = late;
}
