/* view.c - see view.h: lag, readiness, warnings. */
#include "ops/view.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"

#define RECENTLY_US 10000000

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
	else if (view->applier.troubled)
		*why = "the target does not take what waits";
	else if (ops_lag_seconds(view) * 1000 > (double)view->config->status.ready_lag_ms)
		*why = "the lag is above status.ready_lag";
	else
		*why = NULL;
	return *why == NULL;
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
	bool late = view->watch.retention_ms > 0 && lag * 2000 > (double)view->watch.retention_ms;

	if (late && !warned->retention)
		log_warning("the target is %.0f s behind, and Kafka keeps messages for %lld s only: what it removes "
		            "before it is applied is missing; raise retention.ms of the topics now",
		            lag, (long long)(view->watch.retention_ms / 1000));
	warned->retention = late;
}
