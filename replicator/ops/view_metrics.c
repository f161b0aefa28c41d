/* view_metrics.c - the view as Prometheus reads it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/metrics.h"
#include "ops/view.h"

#define PREFIX "replicator_"

static void one(struct buffer *text, const char *name, const char *type, const char *help, double value)
{
	metric_print_head(text, name, type, help);
	metric_print(text, name, "", value);
}

/* Linux: the second number of statm, in pages. */
static double resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	long pages = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%*s %ld", &pages) != 1)
		pages = 0;
	fclose(file);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
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
	if (ops_lag_bytes(view) >= 0)
		one(text, PREFIX "lag_bytes", "gauge", "WAL that the source wrote since the last applied commit.",
		    (double)ops_lag_bytes(view));
	one(text, PREFIX "lag_transactions", "gauge",
	    "Source transactions that Kafka holds and the target does not: those read, and half of the marks not read.",
	    (double)ops_lag_transactions(view));
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
	one(text, PREFIX "rows_missing_total", "counter", "Updates and deletes that found no row in the target.",
	    (double)applier->rows_missing);
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
	one(text, PREFIX "partitions_missing", "gauge",
	    "Partitions that cannot be read: without a leader, not in the cluster, or not allowed.",
	    source->missing_partitions);
	one(text, PREFIX "waiting_seconds", "gauge",
	    "Since when the next transaction waits for events; 0: it does not, or not for long.",
	    ops_waiting_seconds(view));
	one(text, PREFIX "silent_seconds", "gauge",
	    "Since when no event came although one must (a heartbeat, the rest of a transaction); 0: none is missing.",
	    ops_silent_seconds(view, NULL));
	if (source->last_event_us != 0)
		one(text, PREFIX "last_event_seconds", "gauge", "Since the last message was read, or since the start.",
		    ops_last_event_seconds(view));
	one(text, PREFIX "memory_waiting_bytes", "gauge", "Events that wait for their transaction to be whole.",
	    (double)source->waiting_bytes);
	one(text, PREFIX "memory_limit_bytes", "gauge", "memory_limit.", (double)view->config->memory_limit);
	one(text, "process_resident_memory_bytes", "gauge", "Resident memory of the daemon.", resident_bytes());
	one(text, PREFIX "registry_away", "gauge", "1 while the schema registry is waited for.",
	    (double)metric_get(METRIC_REGISTRY_AWAY));
	one(text, PREFIX "left_out_steps", "gauge",
	    "Steps of schema changes that the target refused, and that are retried (`replicator status` lists them).",
	    (double)metric_get(METRIC_LEFT_OUT_STEPS));
	one(text, PREFIX "queue_rows", "gauge", "Row changes between consumer and applier.", (double)view->queue_rows);
	one(text, PREFIX "queue_bytes", "gauge", "The same in bytes.", (double)view->queue_bytes);
}

static void print_watch(const struct ops_view *view, struct buffer *text)
{
	const struct watch_state *watch = &view->watch;
	struct buffer labels = {0};

	if (watch->policies.retention_ms >= 0)
		one(text, PREFIX "retention_seconds", "gauge",
		    "How long Kafka keeps the stream's topics, the shortest.",
		    (double)watch->policies.retention_ms / 1000);
	if (watch->policies.known)
		one(text, PREFIX "compacted_topics", "gauge",
		    "Topics of the stream of which Kafka may remove events before they are applied (cleanup.policy).",
		    watch->policies.compacted);
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
	if (watch->resync.known) {
		one(text, PREFIX "unverified_tables", "gauge",
		    "Tables of which a comparison has not yet shown that they equal the source's.",
		    watch->resync.tables);
		one(text, PREFIX "resync_running", "gauge", "1 while such a table is resynced.",
		    watch->resync.table[0] != '\0');
	}
	one(text, PREFIX "resyncs_total", "counter", "Resyncs of such tables begun.", (double)watch->resync.runs);
	one(text, PREFIX "resyncs_failed_total", "counter", "Of these, how many failed.",
	    (double)watch->resync.failures);
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
