/*
 * view.h - what the daemon shows of itself: one struct, filled by the daemon when somebody asks, from which the metrics, the
 * JSON and the health answers are made. Plain data; texts are copied into the view.
 */
#ifndef REPLICATOR_OPS_VIEW_H
#define REPLICATOR_OPS_VIEW_H

#include <jansson.h>

#include "base/buffer.h"
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
	struct applier_state applier;
	struct source_state source;
	size_t queue_rows;
	size_t queue_bytes;
	struct watch_state watch;
};

/* Seconds that the target is behind what Kafka holds; 0: nothing waits. */
double ops_lag_seconds(const struct ops_view *view);
/* Running, connected, and the lag is under the limit: *why says what is wrong otherwise (static text). */
bool ops_is_ready(const struct ops_view *view, const char **why);

void ops_print_metrics(const struct ops_view *view, struct buffer *text);
json_t *ops_json(const struct ops_view *view); /* json_decref it */

#endif
