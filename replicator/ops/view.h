/*
 * view.h - what the daemon shows of itself: one struct, filled by the daemon when somebody asks, from which the
 * metrics, the JSON and the health answers are made. Plain data; texts are copied into the view.
 */
#ifndef REPLICATOR_OPS_VIEW_H
#define REPLICATOR_OPS_VIEW_H

#include <jansson.h>

#include "base/buffer.h"
#include "base/metrics.h"
#include "config/config.h"
#include "ops/watch.h"
#include "stream/source.h"
#include "target/applier.h"

enum ops_state {
	OPS_WAITING, /* for the target, for Kafka, or for the stream's lock: another instance is active */
	OPS_RUNNING,
	OPS_STOPPING
};

struct ops_view {
	const struct config *config;
	enum ops_state state;
	int64_t started_wall_us;
	int64_t beat_us; /* the last turn of the main thread's loop, monotonic */
	struct applier_state applier;
	struct source_state source;
	size_t queue_rows;
	size_t queue_bytes;
	size_t queue_transactions;
	int64_t queue_oldest_us; /* when the source committed the first of them; 0: none, or not known */
	struct watch_state watch;
};

/* Seconds that the target is behind what Kafka holds; 0: nothing waits. */
double ops_lag_seconds(const struct ops_view *view);
/* Running, connected, and the lag is under the limit: *why says what is wrong otherwise (static text). */
bool ops_is_ready(const struct ops_view *view, const char **why);

double ops_last_event_seconds(
    const struct ops_view *view); /* since the last message was read, or since the start; -1: not known */
double ops_heartbeat_seconds(const struct ops_view *view); /* since the source's heartbeat row changed; -1: not known */
double ops_waiting_seconds(const struct ops_view *view);   /* of the next transaction for its events; 0: it does not */
/*
 * Since when no event came although one must: the next transaction is not whole, the connector sends heartbeats, or its
 * topics have other names. 0: that is not so, or not for supervision.silence, or nothing proves it. *why: which of these
 * (static text); may be NULL.
 */
double ops_silent_seconds(const struct ops_view *view, const char **why);
int64_t ops_lag_bytes(const struct ops_view *view);         /* of the source's WAL; -1: not known */
uint64_t ops_lag_transactions(const struct ops_view *view); /* read and waiting, and those not read yet, about */

/* How far the snapshot of a table is, as far as this process read it. -1: not known. */
struct snapshot_pace {
	double percent; /* of the source's estimate */
	double rows_per_second;
	double seconds_left; /* of one that is being read */
};

struct snapshot_pace ops_snapshot_pace(const struct metric_table *table);

/* What was said already. Zero at first. */
struct ops_warned {
	bool retention;
};

/* Says in the log what threatens, once each time that it begins: Kafka may remove what waits. */
void ops_warn(const struct ops_view *view, struct ops_warned *warned);

void ops_print_metrics(const struct ops_view *view, struct buffer *text);
json_t *ops_json(const struct ops_view *view); /* json_decref it */

#endif
