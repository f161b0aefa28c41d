/* view.c - see view.h: lag, readiness, metrics, JSON. */
#include "ops/view.h"

#include <string.h>

#include "base/clock.h"
#include "base/lsn.h"
#include "base/metrics.h"

#define PREFIX "replicator_"

static const char *const state_names[] = {"waiting", "running", "stopping"};

double ops_lag_seconds(const struct ops_view *view)
{
	int64_t behind_us = view->applier.pending_source_us;

	if (behind_us == 0 && (view->queue_rows > 0 || view->source.lag_messages > 0))
		behind_us = view->applier.last_source_us;
	if (behind_us == 0)
		return 0;
	behind_us = clock_wall_us() - behind_us;
	return behind_us > 0 ? (double)behind_us / 1e6 : 0;
}

bool ops_is_ready(const struct ops_view *view, const char **why)
{
	if (view->state != OPS_RUNNING)
		*why = "not running: it waits for the target, Kafka or another instance, or it stops";
	else if (view->applier.paused)
		*why = "paused by an operator (`replicator resume`)";
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

static void one(struct buffer *text, const char *name, const char *type, const char *help, double value)
{
	metric_print_head(text, name, type, help);
	metric_print(text, name, "", value);
}

static void print_stream(const struct ops_view *view, struct buffer *text)
{
	const struct applier_state *applier = &view->applier;
	const struct source_state *source = &view->source;
	const char *why;

	one(text, PREFIX "up", "gauge", "1 while the stream runs, 0 while it waits for a server or another instance.",
	    view->state == OPS_RUNNING);
	one(text, PREFIX "ready", "gauge", "1 when running, connected and caught up (as /readyz says).",
	    ops_is_ready(view, &why));
	one(text, PREFIX "troubled", "gauge", "1 while what waits could not be applied and is tried again.",
	    view->applier.troubled);
	one(text, PREFIX "paused", "gauge", "1 while an operator's `pause` stands.", applier->paused);
	one(text, PREFIX "lag_seconds", "gauge",
	    "Age at the source of the oldest transaction that Kafka holds and the target does not.",
	    ops_lag_seconds(view));
	one(text, PREFIX "lag_messages", "gauge", "Messages in Kafka that were not read yet; -1: not known.",
	    (double)source->lag_messages);
	one(text, PREFIX "applied_lsn_bytes", "gauge", "The last applied commit LSN, as a number.",
	    (double)applier->last_commit_lsn);
	one(text, PREFIX "transactions_applied_total", "counter", "Source transactions applied.",
	    (double)applier->transactions);
	one(text, PREFIX "rows_applied_total", "counter", "Row changes applied.", (double)applier->rows);
	one(text, PREFIX "batches_total", "counter", "Target transactions committed.", (double)applier->batches);
	one(text, PREFIX "strict_batches_total", "counter", "Transactions replayed change by change.",
	    (double)applier->strict_batches);
	one(text, PREFIX "deletes_missing_total", "counter", "Deletes of rows that were not there.",
	    (double)applier->deletes_missing);
	one(text, PREFIX "ignored_total", "counter", "Changes left out by a rule of the user.",
	    (double)applier->ignored);
	one(text, PREFIX "quarantined_total", "counter", "Transactions set aside since the start.",
	    (double)applier->quarantined);
	one(text, PREFIX "messages_read_total", "counter", "Kafka messages read.", (double)source->messages);
	one(text, PREFIX "bytes_read_total", "counter", "Bytes of keys and values read.", (double)source->bytes);
	one(text, PREFIX "kafka_connected", "gauge", "1 when the last contact with a broker succeeded.",
	    source->connected);
	one(text, PREFIX "partitions_held", "gauge", "Partitions not read for a while, for memory's sake.",
	    source->held_partitions);
	one(text, PREFIX "memory_waiting_bytes", "gauge", "Events that wait for their transaction to be whole.",
	    (double)source->waiting_bytes);
	one(text, PREFIX "queue_rows", "gauge", "Row changes between consumer and applier.", (double)view->queue_rows);
	one(text, PREFIX "queue_bytes", "gauge", "The same in bytes.", (double)view->queue_bytes);
}

static void print_watch(const struct ops_view *view, struct buffer *text)
{
	const struct watch_state *watch = &view->watch;
	struct buffer labels = {0};

	if (watch->connector.state[0] != '\0') {
		metric_append_label(&labels, "state", watch->connector.state);
		metric_print_head(text, PREFIX "connector_state", "gauge", "1 for the state that the connector is in.");
		metric_print(text, PREFIX "connector_state", labels.data, 1);
		buffer_free(&labels);
		one(text, PREFIX "connector_running", "gauge", "1 when connector and tasks run.",
		    strcmp(watch->connector.state, "RUNNING") == 0);
		one(text, PREFIX "connector_failed_tasks", "gauge", "Tasks that have FAILED.",
		    watch->connector.tasks_failed);
		one(text, PREFIX "connector_restarts_total", "counter", "Restarts of what failed, asked for by us.",
		    (double)watch->connector.restarts);
	}
	if (watch->slot.known) {
		one(text, PREFIX "slot_exists", "gauge", "1 when the slot is there.", watch->slot.exists);
		one(text, PREFIX "slot_active", "gauge", "1 when somebody reads the slot.", watch->slot.active);
		one(text, PREFIX "slot_lost", "gauge", "1 when WAL that the slot needs is gone.",
		    strcmp(watch->slot.wal_status, "lost") == 0);
		one(text, PREFIX "slot_retained_bytes", "gauge", "WAL that the slot keeps on the source.",
		    (double)watch->slot.retained_bytes);
		one(text, PREFIX "slot_unconfirmed_bytes", "gauge", "WAL written since what the connector confirmed.",
		    (double)watch->slot.unconfirmed_bytes);
		one(text, PREFIX "slot_limit_bytes", "gauge", "supervision.slot_limit.",
		    (double)view->config->supervision.slot_limit);
	}
}

void ops_print_metrics(const struct ops_view *view, struct buffer *text)
{
	struct buffer labels = {0};

	metric_append_label(&labels, "version", REPLICATOR_VERSION);
	metric_append_label(&labels, "stream", view->config->stream.name);
	metric_print_head(text, PREFIX "info", "gauge", "Version and stream.");
	metric_print(text, PREFIX "info", labels.data, 1);
	buffer_free(&labels);
	one(text, PREFIX "start_time_seconds", "gauge", "When the process started, since 1970.",
	    (double)view->started_wall_us / 1e6);
	print_stream(view, text);
	print_watch(view, text);
	metrics_print(text);
}

static void add_table(const struct metric_table *table, void *context)
{
	json_array_append_new(context, json_pack("{s:s,s:I,s:I,s:I,s:I,s:I}", "table", table->name, "inserts",
	                                         (json_int_t)table->inserts, "updates", (json_int_t)table->updates,
	                                         "deletes", (json_int_t)table->deletes, "snapshot_rows",
	                                         (json_int_t)table->reads, "truncates", (json_int_t)table->truncates));
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
	json_object_set_new(root, "connector", connector_json(&view->watch, view->config));
	json_object_set_new(root, "slot", slot_json(&view->watch, view->config));
	json_object_set_new(root, "tables", tables);
	return root;
}
