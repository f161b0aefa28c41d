/*
 * resync.c - see resync.h
 *
 * NOTES
 *   The connector is asked for an incremental snapshot by a row in the signal table of the source
 *   (signal.data.collection). It reads the table in chunks between the events of the stream; for each it writes a pair
 *   of rows into the same table, by which we see it work, and an end is when no more come. It never deletes. So at the
 *   end the table is compared, and what still differs is repaired: rows that the source does not have go. That
 *   comparison is the proof, and alone would do; a connector that does not listen is a warning therefore, and a table
 *   without a primary key, of which the connector takes no incremental snapshot, is compared and repaired at once.
 */
#include "check/resync.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "base/text.h"
#include "check/suspects.h"
#include "check/verify.h"
#include "pg/connection.h"
#include "pg/migration.h"

#define POLL_MS 200
#define FIRST_CHUNK_US ((int64_t)20 * 1000000) /* until the connector begins */
#define LAST_CHUNK_US ((int64_t)3 * 1000000)   /* of silence: it is done */

struct resync {
	const struct config *config;
	const char *schema;
	const char *table;
	const char *name; /* schema.table */
	bool snapshot;    /* the connector takes none of a table without a primary key */
	struct pg_connection *source;
};

/* Neither the connector nor the repair shall write rows that a retry writes again. */
static struct error *refuse_quarantined(const struct resync *resync)
{
	const struct config *config = resync->config;
	struct check_table table = {.schema = resync->schema, .name = resync->table};
	struct pg_connection *target = NULL;
	struct error *error = error_wrap(pg_connect(config->target.dsn, "replicator table", &target), "target.dsn");

	if (error == NULL)
		error = suspects_count_quarantined(target, config, &table);
	pg_disconnect(target);
	if (error == NULL && table.quarantined > 0)
		error =
		    error_new(ERROR_CONFIGURATION,
		              "%s: %" PRId64 " transactions with changes of it wait in the quarantine: apply them with "
		              "`replicator quarantine retry`, or drop them with `skip`, then resync",
		              resync->name, table.quarantined);
	return error;
}

static struct error *check_table(struct resync *resync)
{
	const char *const names[2] = {resync->schema, resync->table};
	int64_t found = 0;

	TRY(pg_query_integer(resync->source,
	                     "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	                     " WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')",
	                     2, names, 0, &found));
	if (found == 0)
		return error_new(ERROR_CONFIGURATION, "%s: there is no table %s", pg_description(resync->source),
		                 resync->name);
	if (!resync->snapshot)
		return NULL;
	TRY(pg_query_integer(
	    resync->source,
	    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	    "  JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary WHERE n.nspname = $1 AND c.relname = $2",
	    2, names, 0, &found));
	resync->snapshot = found > 0;
	if (!resync->snapshot)
		return NULL;
	TRY(pg_query_integer(resync->source, "SELECT (to_regclass('replicator.signal') IS NOT NULL)::int", 0, NULL, 0,
	                     &found));
	if (found == 0)
		return error_new(
		    ERROR_CONFIGURATION,
		    "%s: there is no table replicator.signal; run `replicator init source --role ROLE` with the "
		    "connector's role, and set signal.data.collection=replicator.signal in the connector",
		    pg_description(resync->source));
	return migration_trust(resync->source, config_source_schema);
}

/* Debezium takes the names as patterns. */
static struct error *send_signal(struct resync *resync)
{
	struct buffer pattern = {0};
	char *id = memory_format("replicator-%" PRId64, clock_wall_us());
	const char *parameters[2];
	struct error *error;
	json_t *data;
	char *text;

	text_append_pattern(&pattern, resync->name);
	data = json_pack("{s:s, s:[s]}", "type", "incremental", "data-collections", pattern.data);
	text = json_dumps(data, 0);
	parameters[0] = id;
	parameters[1] = text;
	error = pg_query(resync->source,
	                 "INSERT INTO replicator.signal (id, type, data) VALUES ($1, 'execute-snapshot', $2)", 2,
	                 parameters, NULL);
	json_decref(data);
	free(text);
	buffer_free(&pattern);
	free(id);
	return error_wrap(error, "asking the connector for a snapshot");
}

static struct error *count_chunks(struct resync *resync, int64_t *chunks)
{
	return pg_query_integer(resync->source,
	                        "SELECT count(*) FROM replicator.signal WHERE type = 'snapshot-window-close'", 0, NULL,
	                        0, chunks);
}

static struct error *await_snapshot(struct resync *resync)
{
	bool terminal = isatty(STDERR_FILENO) == 1;
	int64_t before = 0, chunks = 0, seen = 0;
	int64_t since = clock_monotonic_us();

	TRY(count_chunks(resync, &before));
	TRY(send_signal(resync));
	while (!signals_stop_requested() &&
	       clock_monotonic_us() - since < (chunks > 0 ? LAST_CHUNK_US : FIRST_CHUNK_US)) {
		clock_sleep_ms(POLL_MS);
		TRY(count_chunks(resync, &seen));
		if (seen - before == chunks)
			continue;
		chunks = seen - before;
		since = clock_monotonic_us();
		if (terminal)
			fprintf(stderr, "\rthe connector has read %" PRId64 " chunks", chunks);
	}
	if (terminal && chunks > 0)
		fputc('\n', stderr);
	if (chunks == 0 && !signals_stop_requested())
		log_warning("the connector read nothing: is signal.data.collection=replicator.signal set, does it run, "
		            "and does "
		            "its role own that table? The rows are compared and repaired without it");
	else
		log_info("the connector has read %" PRId64 " chunks of %s", chunks, resync->name);
	return NULL;
}

struct error *resync_table(const struct config *config, const char *schema, const char *table, bool compare_only,
                           int64_t timeout_us, FILE *out, enum exit_code *code)
{
	char *name = memory_format("%s.%s", schema, table);
	struct resync resync = {.config = config,
	                        .schema = schema,
	                        .table = table,
	                        .name = name,
	                        .snapshot = !compare_only};
	const struct table_name only = {schema, table};
	const struct verify_options options = {.only = &only,
	                                       .jobs = 2,
	                                       .timeout_us = timeout_us,
	                                       .limit = 10,
	                                       .repair = true,
	                                       .must_repair = true,
	                                       .progress = isatty(STDERR_FILENO) == 1};
	struct error *error = pg_connect(config->source.dsn, "replicator table", &resync.source);

	*code = EXIT_UNCHECKED;
	if (error == NULL)
		error = check_table(&resync);
	if (error == NULL)
		error = refuse_quarantined(&resync);
	if (error == NULL)
		error = verify_require_repair(config, &options);
	if (error == NULL && resync.snapshot)
		error = await_snapshot(&resync);
	if (error == NULL)
		error = verify_pair(config, &options, out, code);
	pg_disconnect(resync.source);
	free(name);
	return error;
}
