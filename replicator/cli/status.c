/*
 * status.c - `replicator status`: where the stream stands, read from the state tables of the target.
 *
 * NOTES
 *   The lag in bytes is the source's WAL that was written since the last applied commit. It counts also WAL that
 *   belongs to no captured table, so that an idle pair shows a few bytes; zero seconds are shown only when it is zero.
 */
#include "cli/command.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/exit_code.h"
#include "base/http.h"
#include "base/lsn.h"
#include "base/memory.h"
#include "base/signals.h"
#include "pg/connection.h"
#include "pg/sql.h"
#include "target/checkpoint.h"

#define DAEMON_TIMEOUT_MS 1000
#define WATCH_MS 2000
#define WATCH_STEP_MS 100
#define UNVERIFIED_SHOWN 10

struct status {
	struct pg_result *stream;    /* one row of the query below, or none: the stream has not run yet */
	struct pg_result *offsets;   /* topic, partition, next_offset */
	struct pg_result *snapshots; /* the newest first */
	struct pg_result
	    *unverified; /* schema, table, reason, discarded rows, refused changes, transactions in the quarantine */
	struct pg_result *left_out; /* schema, object, SQL, reason, by design (1), attempts, next attempt */
	char *source_lsn;           /* of the source now, or NULL */
	char *source_problem;       /* why not, or NULL */
	json_t *daemon;             /* its own word (/status.json), where it is reached, or NULL */
};

/* Columns of the stream's row, in the order of the query. */
enum {
	STATE,
	ERROR_TEXT,
	LAST_COMMIT_LSN,
	LAST_TX_ID,
	SOURCE_COMMIT_AT,
	APPLIED_AT,
	LAST_DELAY,
	SINCE_COMMIT,
	INSTANCE,
	EPOCH,
	HEARTBEAT_AGE,
	QUARANTINED,
	CLUSTER_ID,
	ACTIVE,
	PAUSED_AT,
	PAUSED_BY,
	SUSPECT_ROWS,
};

static struct error *query_state(struct pg_connection *connection, const struct config *config, const char *columns,
                                 const char *table, const char *rest, struct pg_result **result)
{
	const char *const parameters[1] = {config->stream.name};
	struct buffer sql = {0};
	struct error *error;

	buffer_append_format(&sql, "SELECT %s FROM ", columns);
	sql_append_qualified(&sql, config->target.schema, table);
	buffer_append_format(&sql, " s WHERE %s", rest);
	error = pg_query(connection, sql.data, 1, parameters, result);
	buffer_free(&sql);
	return error;
}

static struct error *read_stream(struct pg_connection *connection, const struct config *config, struct status *status)
{
	struct buffer columns = {0};
	struct error *error;

	buffer_append_text(&columns,
	                   "s.state, s.error, s.last_commit_lsn, s.last_tx_id,"
	                   " to_char(s.source_commit_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"
	                   " to_char(s.applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"
	                   " round(extract(epoch FROM s.applied_at - s.source_commit_at)::numeric, 3),"
	                   " round(extract(epoch FROM now() - s.source_commit_at)::numeric, 1),"
	                   " s.instance, s.epoch,"
	                   " round(extract(epoch FROM now() - s.heartbeat_at)::numeric, 1),"
	                   " (SELECT count(*) FROM ");
	sql_append_qualified(&columns, config->target.schema, "quarantine");
	buffer_append_text(&columns, " q WHERE q.stream = s.name AND q.state = 'waiting'), s.cluster_id,"
	                             /* the holder of the advisory lock is the active instance */
	                             " EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted"
	                             " AND l.pid = s.holder_pid AND l.database ="
	                             " (SELECT oid FROM pg_database WHERE datname = current_database()))::int,"
	                             " to_char(s.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
	                             " s.paused_by, (SELECT count(*) FROM ");
	sql_append_qualified(&columns, config->target.schema, "suspect");
	buffer_append_text(&columns, " u WHERE u.stream = s.name)");
	error = query_state(connection, config, columns.data, "stream", "s.name = $1", &status->stream);
	buffer_free(&columns);
	return error;
}

static struct error *read_unverified(struct pg_connection *connection, const struct config *config,
                                     struct status *status)
{
	struct buffer columns = {0};
	struct error *error;

	buffer_append_text(&columns, "s.schema_name, s.table_name, s.reason, s.discarded_rows, s.refused_changes, ");
	sql_append_qualified(&columns, config->target.schema, "waiting_transactions");
	buffer_append_text(&columns, "(s.stream, s.schema_name, s.table_name)");
	error = query_state(connection, config, columns.data, "unverified",
	                    "s.stream = $1 ORDER BY s.schema_name, s.table_name", &status->unverified);
	buffer_free(&columns);
	return error;
}

static struct error *read_target(struct pg_connection *connection, const struct config *config, struct status *status)
{
	TRY(checkpoint_check_schema(connection, config->target.schema));
	TRY(read_stream(connection, config, status));
	TRY(query_state(connection, config, "s.topic, s.partition, s.next_offset", "offsets",
	                "s.stream = $1 ORDER BY s.topic, s.partition", &status->offsets));
	TRY(read_unverified(connection, config, status));
	TRY(query_state(connection, config,
	                "s.schema_name, s.table_name, s.sql, s.reason, s.expected::int, s.attempts,"
	                " to_char(s.retry_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
	                "left_out_step", "s.stream = $1 ORDER BY s.expected, s.id", &status->left_out));
	return query_state(connection, config,
	                   "s.snapshot_tx_id, s.snapshot_lsn, s.rows,"
	                   " to_char(s.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
	                   " to_char(s.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
	                   "snapshot_progress", "s.stream = $1 ORDER BY s.started_at DESC LIMIT 5", &status->snapshots);
}

/* The source is asked only for its position; that it is away does not keep the rest from being shown. */
static void read_source(const struct config *config, struct status *status)
{
	struct pg_connection *connection = NULL;
	struct pg_result *result = NULL;
	struct error *error;

	if (config->source.dsn == NULL)
		return;
	error = pg_connect(config->source.dsn, "replicator status", &connection);
	if (error == NULL)
		error = pg_query(connection,
		                 "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
		                 " ELSE pg_current_wal_lsn() END",
		                 0, NULL, &result);
	if (error == NULL)
		status->source_lsn = memory_copy_text(pg_result_text(result, 0, 0));
	else
		status->source_problem = memory_copy_text(error->message);
	error_free(error);
	pg_result_free(result);
	pg_disconnect(connection);
}

/* The daemon of this machine knows how far a snapshot is table by table; that it is not reached is no finding. */
static void read_daemon(const struct config *config, struct status *status)
{
	bool any = strcmp(config->status.listen, "0.0.0.0") == 0 || strcmp(config->status.listen, "::") == 0;
	bool six = strchr(config->status.listen, ':') != NULL;
	struct http_response response = {0};
	struct http_request request = {.timeout_ms = DAEMON_TIMEOUT_MS};
	struct error *error;
	char *url;

	if (config->status.port == 0)
		return;
	url = memory_format("http://%s%s%s:%" PRId64 "/status.json", six ? "[" : "",
	                    any ? (six ? "::1" : "127.0.0.1") : config->status.listen, six ? "]" : "",
	                    config->status.port);
	request.url = url;
	error = http_send(&request, &response);
	if (error == NULL) {
		status->daemon = json_loadb(response.body.data, response.body.length, 0, NULL);
		buffer_free(&response.body);
	}
	error_free(error);
	free(url);
}

static const char *stream_text(const struct status *status, size_t column)
{
	return pg_result_text(status->stream, 0, column);
}

/* Bytes of WAL that the source wrote since the last applied commit; -1: not known. */
static int64_t lag_bytes(const struct status *status)
{
	uint64_t source, applied;

	if (status->source_lsn == NULL || !lsn_parse(status->source_lsn, &source) ||
	    !lsn_parse(stream_text(status, LAST_COMMIT_LSN), &applied) || applied == 0)
		return -1;
	return source > applied ? (int64_t)(source - applied) : 0;
}

static void print_lag(const struct status *status)
{
	int64_t bytes = lag_bytes(status);

	if (status->source_problem != NULL)
		printf("  lag           not known: %s\n", status->source_problem);
	else if (status->source_lsn == NULL)
		puts("  lag           not known: source.dsn is not set");
	else if (bytes < 0)
		printf("  lag           not known: no transaction was applied yet; the source is at %s\n",
		       status->source_lsn);
	else if (bytes == 0)
		puts("  lag           none: 0 bytes of WAL, 0 s");
	else
		printf("  lag           %" PRId64
		       " bytes of WAL (the source is at %s), %s s since the last applied commit\n",
		       bytes, status->source_lsn, stream_text(status, SINCE_COMMIT));
}

static void print_snapshots(const struct status *status)
{
	for (size_t i = 0; i < pg_result_rows(status->snapshots); i++) {
		bool open = pg_result_is_null(status->snapshots, i, 4);

		printf("  snapshot      at %s: %s rows, begun %s, %s%s\n", pg_result_text(status->snapshots, i, 1),
		       pg_result_text(status->snapshots, i, 2), pg_result_text(status->snapshots, i, 3),
		       !open    ? "finished "
		       : i == 0 ? "not finished: the target is not in sync"
		                : "broken off, the next one took its place",
		       pg_result_text(status->snapshots, i, 4));
	}
}

static void print_snapshot_tables(const struct status *status)
{
	json_t *table;
	size_t i;

	json_array_foreach(json_object_get(status->daemon, "tables"), i, table)
	{
		double left = json_number_value(json_object_get(table, "snapshot_seconds_left"));

		if (!json_is_number(json_object_get(table, "snapshot_seconds_left")))
			continue;
		printf("    %s: %" JSON_INTEGER_FORMAT " of about %" JSON_INTEGER_FORMAT
		       " rows (%.0f %%), %.0f rows/s, %.0f s left\n",
		       json_string_value(json_object_get(table, "table")),
		       json_integer_value(json_object_get(table, "snapshot_rows")),
		       json_integer_value(json_object_get(table, "estimated_rows")),
		       json_number_value(json_object_get(table, "snapshot_percent")),
		       json_number_value(json_object_get(table, "snapshot_rows_per_second")), left);
	}
}

/* What the daemon's consumer waits for: the next transaction is not whole, or a partition cannot be read. */
static void print_waiting(const struct status *status)
{
	const char *what = json_string_value(json_object_get(status->daemon, "waiting_for"));
	double seconds = json_number_value(json_object_get(status->daemon, "waiting_seconds"));

	if (what == NULL)
		return;
	fputs("  waiting       ", stdout);
	if (seconds > 0)
		printf("since %.0f s ", seconds);
	printf("for %s\n", what);
}

/* What is known of a connector that sends nothing. */
static void print_silence(const struct status *status)
{
	const json_t *interval = json_object_get(status->daemon, "heartbeat_interval_seconds");
	const json_t *heartbeat = json_object_get(status->daemon, "source_heartbeat_seconds");
	double seconds = json_number_value(json_object_get(status->daemon, "silent_seconds"));

	if (seconds <= 0)
		return;
	printf("  silent        no event came for %.0f s", seconds);
	if (json_is_number(interval))
		printf("; the connector is configured to send a heartbeat every %.0f s", json_number_value(interval));
	if (json_is_number(heartbeat))
		printf("; the heartbeat row at the source last changed %.0f s ago", json_number_value(heartbeat));
	if (status->source_lsn != NULL)
		printf("; the source's WAL is at %s", status->source_lsn);
	puts(". The connector's log may name a record that it retries");
}

static void print_compacted(const struct status *status)
{
	const char *topics = json_string_value(json_object_get(status->daemon, "compacted_topics"));

	if (topics != NULL)
		printf("  compacted     %s: Kafka may remove events before they are applied. Set cleanup.policy=delete "
		       "now\n",
		       topics);
}

/* What only the daemon knows: whether it keeps up, and what its supervision saw of connector and slot. */
static void print_daemon(const struct status *status)
{
	const json_t *connector = json_object_get(status->daemon, "connector");
	const json_t *slot = json_object_get(status->daemon, "slot");
	const char *not_ready = json_string_value(json_object_get(status->daemon, "not_ready"));
	const char *reason = json_string_value(json_object_get(connector, "reason"));

	if (status->daemon == NULL)
		return;
	printf("  daemon        %s; %.1f s, %" JSON_INTEGER_FORMAT " transactions behind Kafka\n",
	       not_ready == NULL ? "ready" : not_ready,
	       json_number_value(json_object_get(status->daemon, "lag_seconds")),
	       json_integer_value(json_object_get(status->daemon, "lag_transactions")));
	print_waiting(status);
	print_silence(status);
	print_compacted(status);
	if (json_is_object(connector))
		printf("  connector     %s: %s%s%s\n", json_string_value(json_object_get(connector, "name")),
		       json_string_value(json_object_get(connector, "state")), reason != NULL ? ": " : "",
		       reason != NULL ? reason : "");
	if (json_is_string(json_object_get(slot, "problem")))
		printf("  slot          not known: %s\n", json_string_value(json_object_get(slot, "problem")));
	else if (json_is_object(slot))
		printf("  slot          %s: %s, %.1f MB of WAL kept\n",
		       json_string_value(json_object_get(slot, "name")),
		       json_is_false(json_object_get(slot, "exists"))  ? "not there"
		       : json_is_true(json_object_get(slot, "active")) ? "active"
		                                                       : "NOT active",
		       (double)json_integer_value(json_object_get(slot, "retained_bytes")) / 1e6);
}

static bool is_excluded(const struct config *config, const struct status *status, size_t row)
{
	return config_table_rule(config, pg_result_text(status->unverified, row, 0),
	                         pg_result_text(status->unverified, row, 1))
	    ->exclude;
}

static size_t count_unverified(const struct config *config, const struct status *status)
{
	size_t count = 0;

	for (size_t i = 0; i < pg_result_rows(status->unverified); i++)
		count += !is_excluded(config, status, i);
	return count;
}

static void print_unverified_tables(const struct config *config, const struct status *status)
{
	size_t shown = 0, left = count_unverified(config, status);

	for (size_t i = 0; left > 0 && shown < UNVERIFIED_SHOWN; i++) {
		if (is_excluded(config, status, i))
			continue;
		printf("    %s.%s (%s", pg_result_text(status->unverified, i, 0),
		       pg_result_text(status->unverified, i, 1), pg_result_text(status->unverified, i, 2));
		if (pg_result_integer(status->unverified, i, 3) > 0)
			printf("; %s snapshot rows without a key were discarded",
			       pg_result_text(status->unverified, i, 3));
		if (pg_result_integer(status->unverified, i, 4) > 0)
			printf("; %s changes that the target refused because of other rows were discarded",
			       pg_result_text(status->unverified, i, 4));
		if (pg_result_integer(status->unverified, i, 5) > 0)
			printf("; %s transactions wait in the quarantine: first `replicator quarantine retry`, or skip",
			       pg_result_text(status->unverified, i, 5));
		printf("): `replicator table resync %s.%s`\n", pg_result_text(status->unverified, i, 0),
		       pg_result_text(status->unverified, i, 1));
		shown++;
		left--;
	}
	if (left > 0)
		printf("    and %zu more (--json lists all)\n", left);
}

/* Tables that may differ from the source's, the command that settles each, and what the daemon does about them. */
static void print_unverified(const struct config *config, const struct status *status)
{
	const json_t *resync = json_object_get(status->daemon, "resync");
	const char *table = json_string_value(json_object_get(resync, "table"));
	const char *problem = json_string_value(json_object_get(resync, "problem"));
	size_t count = count_unverified(config, status);

	if (count == 0)
		return;
	printf("  unverified    %zu table%s may differ from the source%s", count, count == 1 ? "" : "s",
	       config->source.dsn == NULL ? "; set source.dsn, then run:" : "");
	if (table != NULL)
		printf("; the daemon resyncs %s now", table);
	else if (problem != NULL)
		printf("; the daemon tried: %s", problem);
	putchar('\n');
	print_unverified_tables(config, status);
}

/* Steps of schema changes that the target lacks. */
static void print_left_out(const struct status *status)
{
	size_t count = pg_result_rows(status->left_out);

	if (count == 0)
		return;
	printf("  left out      %zu step%s of schema changes, which the daemon retries:\n", count,
	       count == 1 ? "" : "s");
	for (size_t i = 0; i < count && i < UNVERIFIED_SHOWN; i++)
		printf("    %s: %s%s; %s attempts, the next one at %s\n", pg_result_text(status->left_out, i, 2),
		       pg_result_integer(status->left_out, i, 4) != 0 ? "by design: " : "",
		       pg_result_text(status->left_out, i, 3), pg_result_text(status->left_out, i, 5),
		       pg_result_text(status->left_out, i, 6));
	if (count > UNVERIFIED_SHOWN)
		printf("    and %zu more (--json lists all)\n", count - UNVERIFIED_SHOWN);
}

static void print_offsets(const struct status *status)
{
	size_t count = pg_result_rows(status->offsets);
	int width = 5;

	for (size_t i = 0; i < count; i++) {
		int length = (int)strlen(pg_result_text(status->offsets, i, 0));

		width = length > width ? length : width;
	}
	if (count > 0)
		printf("\n  %-*s  partition  next offset\n", width, "topic");
	for (size_t i = 0; i < count; i++)
		printf("  %-*s  %9s  %11s\n", width, pg_result_text(status->offsets, i, 0),
		       pg_result_text(status->offsets, i, 1), pg_result_text(status->offsets, i, 2));
}

static void print_text(const struct config *config, const struct status *status)
{
	if (pg_result_rows(status->stream) == 0) {
		printf("stream %s has not run yet\n", config->stream.name);
		return;
	}
	if (pg_result_integer(status->stream, 0, ACTIVE) != 0)
		printf("stream %s: %s\n", config->stream.name, stream_text(status, STATE));
	else
		printf("stream %s: no instance is active (the last one said: %s)\n", config->stream.name,
		       stream_text(status, STATE));
	if (!pg_result_is_null(status->stream, 0, PAUSED_AT))
		printf("  paused        since %s by %s: nothing is applied until `replicator resume`\n",
		       stream_text(status, PAUSED_AT), stream_text(status, PAUSED_BY));
	if (*stream_text(status, ERROR_TEXT) != '\0')
		printf("  error         %s\n", stream_text(status, ERROR_TEXT));
	printf("  last commit   %s (transaction %s)", stream_text(status, LAST_COMMIT_LSN),
	       stream_text(status, LAST_TX_ID));
	if (!pg_result_is_null(status->stream, 0, SOURCE_COMMIT_AT))
		printf(", at the source %s, applied %s (%s s later)", stream_text(status, SOURCE_COMMIT_AT),
		       stream_text(status, APPLIED_AT), stream_text(status, LAST_DELAY));
	putchar('\n');
	print_lag(status);
	print_daemon(status);
	print_snapshots(status);
	print_snapshot_tables(status);
	if (pg_result_integer(status->stream, 0, QUARANTINED) > 0)
		printf("  set aside     %s transactions wait in the quarantine\n", stream_text(status, QUARANTINED));
	if (pg_result_integer(status->stream, 0, SUSPECT_ROWS) > 0)
		printf("  suspect       %s rows whose values the connector lost: check_target --repair fetches them\n",
		       stream_text(status, SUSPECT_ROWS));
	print_unverified(config, status);
	print_left_out(status);
	if (!pg_result_is_null(status->stream, 0, INSTANCE))
		printf("  instance      %s, epoch %s, last sign of life %s s ago\n", stream_text(status, INSTANCE),
		       stream_text(status, EPOCH), stream_text(status, HEARTBEAT_AGE));
	print_offsets(status);
}

/* Text as JSON; NULL as null. */
static json_t *text_of(const struct pg_result *result, size_t row, size_t column)
{
	return pg_result_is_null(result, row, column) ? json_null() : json_string(pg_result_text(result, row, column));
}

static json_t *number_of(const struct pg_result *result, size_t row, size_t column)
{
	return pg_result_is_null(result, row, column) ? json_null()
	                                              : json_real(strtod(pg_result_text(result, row, column), NULL));
}

static json_t *integer_of(const struct pg_result *result, size_t row, size_t column)
{
	return pg_result_is_null(result, row, column) ? json_null()
	                                              : json_integer(pg_result_integer(result, row, column));
}

static json_t *offsets_json(const struct status *status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < pg_result_rows(status->offsets); i++) {
		json_t *entry = json_object();

		json_object_set_new(entry, "topic", text_of(status->offsets, i, 0));
		json_object_set_new(entry, "partition", integer_of(status->offsets, i, 1));
		json_object_set_new(entry, "next_offset", integer_of(status->offsets, i, 2));
		json_array_append_new(list, entry);
	}
	return list;
}

static json_t *snapshots_json(const struct status *status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < pg_result_rows(status->snapshots); i++) {
		json_t *entry = json_object();

		json_object_set_new(entry, "tx_id", integer_of(status->snapshots, i, 0));
		json_object_set_new(entry, "lsn", text_of(status->snapshots, i, 1));
		json_object_set_new(entry, "rows", integer_of(status->snapshots, i, 2));
		json_object_set_new(entry, "started_at", text_of(status->snapshots, i, 3));
		json_object_set_new(entry, "finished_at", text_of(status->snapshots, i, 4));
		json_array_append_new(list, entry);
	}
	return list;
}

static json_t *unverified_json(const struct config *config, const struct status *status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < pg_result_rows(status->unverified); i++) {
		json_t *entry;

		if (is_excluded(config, status, i))
			continue;
		entry = json_object();
		json_object_set_new(entry, "schema", text_of(status->unverified, i, 0));
		json_object_set_new(entry, "table", text_of(status->unverified, i, 1));
		json_object_set_new(entry, "reason", text_of(status->unverified, i, 2));
		json_object_set_new(entry, "discarded_rows", integer_of(status->unverified, i, 3));
		json_object_set_new(entry, "refused_changes", integer_of(status->unverified, i, 4));
		json_object_set_new(entry, "quarantined", integer_of(status->unverified, i, 5));
		json_array_append_new(list, entry);
	}
	return list;
}

static json_t *left_out_json(const struct status *status)
{
	static const char *const names[] = {"schema", "object", "sql", "reason"};
	json_t *list = json_array();

	for (size_t i = 0; i < pg_result_rows(status->left_out); i++) {
		json_t *entry = json_object();

		for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++)
			json_object_set_new(entry, names[k], text_of(status->left_out, i, k));
		json_object_set_new(entry, "by_design", json_boolean(pg_result_integer(status->left_out, i, 4) != 0));
		json_object_set_new(entry, "attempts", integer_of(status->left_out, i, 5));
		json_object_set_new(entry, "retry_at", text_of(status->left_out, i, 6));
		json_array_append_new(list, entry);
	}
	return list;
}

static void add_lag_json(json_t *root, const struct status *status)
{
	int64_t bytes = lag_bytes(status);

	json_object_set_new(root, "source_lsn",
	                    status->source_lsn == NULL ? json_null() : json_string(status->source_lsn));
	json_object_set_new(root, "source_error",
	                    status->source_problem == NULL ? json_null() : json_string(status->source_problem));
	json_object_set_new(root, "lag_bytes", bytes < 0 ? json_null() : json_integer(bytes));
	if (bytes < 0)
		json_object_set_new(root, "lag_seconds", json_null());
	else
		json_object_set_new(root, "lag_seconds",
		                    bytes == 0 ? json_real(0) : number_of(status->stream, 0, SINCE_COMMIT));
}

static void add_stream_json(json_t *root, const struct status *status)
{
	json_object_set_new(root, "state", text_of(status->stream, 0, STATE));
	json_object_set_new(root, "active", json_boolean(pg_result_integer(status->stream, 0, ACTIVE) != 0));
	json_object_set_new(root, "error", text_of(status->stream, 0, ERROR_TEXT));
	json_object_set_new(root, "paused_at", text_of(status->stream, 0, PAUSED_AT));
	json_object_set_new(root, "last_commit_lsn", text_of(status->stream, 0, LAST_COMMIT_LSN));
	json_object_set_new(root, "last_tx_id", integer_of(status->stream, 0, LAST_TX_ID));
	json_object_set_new(root, "source_commit_at", text_of(status->stream, 0, SOURCE_COMMIT_AT));
	json_object_set_new(root, "applied_at", text_of(status->stream, 0, APPLIED_AT));
	json_object_set_new(root, "last_delay_seconds", number_of(status->stream, 0, LAST_DELAY));
	add_lag_json(root, status);
	json_object_set_new(root, "quarantined", integer_of(status->stream, 0, QUARANTINED));
	json_object_set_new(root, "suspect_rows", integer_of(status->stream, 0, SUSPECT_ROWS));
	json_object_set_new(root, "instance", text_of(status->stream, 0, INSTANCE));
	json_object_set_new(root, "epoch", integer_of(status->stream, 0, EPOCH));
	json_object_set_new(root, "heartbeat_age_seconds", number_of(status->stream, 0, HEARTBEAT_AGE));
	json_object_set_new(root, "cluster_id", text_of(status->stream, 0, CLUSTER_ID));
}

static void print_json(const struct config *config, const struct status *status)
{
	json_t *root = json_object();

	json_object_set_new(root, "stream", json_string(config->stream.name));
	if (pg_result_rows(status->stream) == 0)
		json_object_set_new(root, "state", json_null());
	else
		add_stream_json(root, status);
	json_object_set_new(root, "snapshots", snapshots_json(status));
	json_object_set_new(root, "unverified", unverified_json(config, status));
	json_object_set_new(root, "left_out_steps", left_out_json(status));
	json_object_set_new(root, "offsets", offsets_json(status));
	json_object_set_new(root, "daemon", status->daemon == NULL ? json_null() : json_incref(status->daemon));
	json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	putchar('\n');
	json_decref(root);
}

static int show_status(const struct config *config, bool json)
{
	struct pg_connection *connection = NULL;
	struct status status = {0};
	struct error *error = pg_connect(config->target.dsn, "replicator status", &connection);

	if (error == NULL)
		error = read_target(connection, config, &status);
	read_daemon(config, &status);
	if (error == NULL)
		read_source(config, &status);
	if (error == NULL && json) {
		print_json(config, &status);
	} else if (error == NULL) {
		print_text(config, &status);
	} else if (!json && status.daemon != NULL) { /* the target is away, its word is what there is */
		printf("stream %s\n", config->stream.name);
		print_daemon(&status);
		fflush(stdout);
	}
	pg_result_free(status.stream);
	pg_result_free(status.offsets);
	pg_result_free(status.snapshots);
	pg_result_free(status.unverified);
	pg_result_free(status.left_out);
	free(status.source_lsn);
	free(status.source_problem);
	json_decref(status.daemon);
	pg_disconnect(connection);
	return error == NULL ? EXIT_OK : command_fail(error);
}

/* Again and again until CTRL-C; a terminal is cleared before each. A server that is away is said, and asked again. */
static int watch_status(const struct config *config, bool json)
{
	int code;

	signals_install();
	do {
		if (isatty(STDOUT_FILENO) == 1)
			fputs("\033[H\033[2J", stdout);
		code = show_status(config, json);
		if (!json)
			putchar('\n');
		fflush(stdout);
		for (int waited = 0; waited < WATCH_MS && !signals_stop_requested(); waited += WATCH_STEP_MS)
			clock_sleep_ms(WATCH_STEP_MS);
	} while (!signals_stop_requested() && !ferror(stdout));
	return code;
}

int command_status(const struct invocation *invocation)
{
	bool json = false, watches = false;
	const struct command_option options[] = {{"--json", &json, NULL}, {"--watch", &watches, NULL}, {0}};
	struct config *config;
	int code;

	config = command_prepare(invocation, options, &code);
	if (config == NULL)
		return code;
	code = watches ? watch_status(config, json) : show_status(config, json);
	config_free(config);
	return code;
}
