/* view_json.c - the view as /status.json. */
#include <string.h>

#include "base/clock.h"
#include "base/lsn.h"
#include "base/metrics.h"
#include "ops/view.h"

static const char *const state_names[] = {"waiting", "running", "stopping"};

static json_t *real_or_null(double value)
{
	return value < 0 ? json_null() : json_real(value);
}

static void add_table(const struct metric_table *table, void *context)
{
	struct snapshot_pace pace = ops_snapshot_pace(table);
	json_t *root =
	    json_pack("{s:s,s:I,s:I,s:I,s:I,s:I}", "table", table->name, "inserts", (json_int_t)table->inserts,
	              "updates", (json_int_t)table->updates, "deletes", (json_int_t)table->deletes, "snapshot_rows",
	              (json_int_t)table->reads, "truncates", (json_int_t)table->truncates);

	json_object_set_new(root, "estimated_rows",
	                    table->estimated_rows < 0 ? json_null() : json_integer(table->estimated_rows));
	json_object_set_new(root, "snapshot_percent", real_or_null(pace.percent));
	json_object_set_new(root, "snapshot_rows_per_second", json_real(pace.rows_per_second));
	json_object_set_new(root, "snapshot_seconds_left", real_or_null(pace.seconds_left));
	json_array_append_new(context, root);
}

static json_t *text_or_null(const char *text)
{
	return *text == '\0' ? json_null() : json_string(text);
}

static json_t *connector_json(const struct watch_state *watch, const struct config *config)
{
	if (watch->connector.state[0] == '\0')
		return json_null();
	return json_pack("{s:s?,s:s,s:o,s:i,s:i,s:I,s:b}", "name", config->connect.connector, "state",
	                 watch->connector.state, "reason", text_or_null(watch->connector.reason), "tasks",
	                 (int)watch->connector.tasks, "tasks_failed", (int)watch->connector.tasks_failed, "restarts",
	                 (json_int_t)watch->connector.restarts, "gave_up", watch->connector.gave_up);
}

static json_t *slot_json(const struct watch_state *watch, const struct config *config)
{
	char lsn[LSN_TEXT_SIZE];

	if (!watch->slot.known)
		return watch->slot.problem[0] == '\0' ? json_null()
		                                      : json_pack("{s:s}", "problem", watch->slot.problem);
	lsn_format(watch->slot.source_lsn, lsn);
	return json_pack("{s:s,s:b,s:b,s:o,s:I,s:I,s:s}", "name", config->connect.slot, "exists", watch->slot.exists,
	                 "active", watch->slot.active, "wal_status", text_or_null(watch->slot.wal_status),
	                 "retained_bytes", (json_int_t)watch->slot.retained_bytes, "unconfirmed_bytes",
	                 (json_int_t)watch->slot.unconfirmed_bytes, "source_lsn", lsn);
}

static json_t *resync_json(const struct watch_state *watch)
{
	const struct resync_state *resync = &watch->resync;

	return json_pack("{s:o,s:o,s:I,s:I,s:o}", "tables", resync->known ? json_integer(resync->tables) : json_null(),
	                 "table", text_or_null(resync->table), "runs", (json_int_t)resync->runs, "failures",
	                 (json_int_t)resync->failures, "problem", text_or_null(resync->problem));
}

json_t *ops_json(const struct ops_view *view)
{
	const struct applier_state *applier = &view->applier;
	json_t *tables = json_array();
	const char *why;
	char lsn[LSN_TEXT_SIZE];
	char started[32];
	json_t *root;

	lsn_format(applier->last_commit_lsn, lsn);
	clock_format_utc(view->started_wall_us, started, sizeof(started));
	ops_is_ready(view, &why);
	metric_each_table(add_table, tables);
	root = json_pack("{s:s,s:s,s:s,s:b,s:b,s:o,s:s,s:f,s:I,s:s}", "stream", view->config->stream.name, "version",
	                 REPLICATOR_VERSION, "state", state_names[view->state], "troubled", view->applier.troubled,
	                 "paused", view->applier.paused, "not_ready", text_or_null(why != NULL ? why : ""),
	                 "started_at", started, "lag_seconds", ops_lag_seconds(view), "lag_messages",
	                 (json_int_t)view->source.lag_messages, "last_commit_lsn", lsn);
	json_object_update_new(root,
	                       json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:I}", "transactions",
	                                 (json_int_t)applier->transactions, "rows", (json_int_t)applier->rows,
	                                 "batches", (json_int_t)applier->batches, "strict_batches",
	                                 (json_int_t)applier->strict_batches, "retries", (json_int_t)applier->retries,
	                                 "ignored", (json_int_t)applier->ignored, "kafka_connected",
	                                 view->source.connected, "queue_rows", (json_int_t)view->queue_rows));
	json_object_set_new(root, "waiting_for", text_or_null(view->source.waiting_for));
	json_object_set_new(root, "waiting_seconds", json_real(ops_waiting_seconds(view)));
	json_object_set_new(root, "silent_seconds", json_real(ops_silent_seconds(view, NULL)));
	json_object_set_new(root, "last_event_seconds", real_or_null(ops_last_event_seconds(view)));
	json_object_set_new(root, "heartbeat_interval_seconds",
	                    view->watch.connector.heartbeat_ms == 0
	                        ? json_null()
	                        : json_real((double)view->watch.connector.heartbeat_ms / 1000));
	json_object_set_new(root, "source_heartbeat_seconds", real_or_null(ops_heartbeat_seconds(view)));
	json_object_set_new(root, "partitions_missing", json_integer(view->source.missing_partitions));
	json_object_set_new(root, "compacted_topics", text_or_null(view->watch.policies.compacted_names));
	json_object_set_new(root, "connector", connector_json(&view->watch, view->config));
	json_object_set_new(root, "slot", slot_json(&view->watch, view->config));
	json_object_set_new(root, "resync", resync_json(&view->watch));
	json_object_set_new(root, "tables", tables);
	json_object_set_new(root, "lag_bytes",
	                    ops_lag_bytes(view) < 0 ? json_null() : json_integer(ops_lag_bytes(view)));
	json_object_set_new(root, "lag_transactions", json_integer((json_int_t)ops_lag_transactions(view)));
	json_object_set_new(root, "quarantined", json_integer((json_int_t)applier->quarantined));
	json_object_set_new(root, "left_out_steps", json_integer((json_int_t)metric_get(METRIC_LEFT_OUT_STEPS)));
	json_object_set_new(root, "registry_away", json_boolean(metric_get(METRIC_REGISTRY_AWAY) != 0));
	json_object_set_new(root, "retention_seconds",
	                    view->watch.policies.retention_ms < 0
	                        ? json_null()
	                        : json_real((double)view->watch.policies.retention_ms / 1000));
	return root;
}
