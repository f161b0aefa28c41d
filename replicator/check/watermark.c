/*
 * watermark.c - see the header.
 *
 * NOTES
 *   The fence is a transactional logical message. The connector reports it in a transaction of its own (END lists it,
 *   its event goes to topic PREFIX.message), so the stream's watermark passes it like any other transaction. A role
 *   that is denied the function, or a server before PostgreSQL 14, which does not send messages to pgoutput, touches
 *   the row of the heartbeat table (`init source`), if it may; so does a fence that has not passed after five seconds,
 *   because a connector may filter messages. Else the next commit that passes is waited for.
 */
#include "check/watermark.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/lsn.h"
#include "base/signals.h"
#include "pg/migration.h"
#include "pg/sql.h"

#include <string.h>

#define POLL_MS 5
#define SNAPSHOT_POLL_MS 50
#define MESSAGES_SINCE 140000 /* pgoutput has them */

static const char *take_text(struct arena *arena, const struct pg_result *result, size_t column)
{
	const char *text = pg_result_text(result, 0, column);

	return arena_copy(arena, text, strlen(text));
}

/* A state that is not there, or that the role may not read, is gone without: *result stays NULL. */
static struct error *read_state(struct pg_connection *target, const struct config *config, const struct buffer *sql,
                                struct pg_result **result)
{
	const char *const parameters[1] = {config->stream.name};
	struct error *error = pg_query(target, sql->data, 1, parameters, result);

	if (error == NULL || pg_is_broken(target))
		return error;
	log_debug("no watermark: %s", error->message);
	error_free(error);
	return NULL;
}

/* The last one counts: one that was broken off has no end. */
static struct error *read_snapshot(struct pg_connection *target, const struct config *config,
                                   struct watermark *watermark)
{
	struct pg_result *result = NULL;
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, "SELECT p.rows, (SELECT count(*) FROM ");
	sql_append_qualified(&sql, config->target.schema, "captured_table");
	buffer_append_text(&sql, " c WHERE c.stream = p.stream AND c.snapshot_tx_id = p.snapshot_tx_id"
	                         " AND c.snapshot_lsn = p.snapshot_lsn) FROM (SELECT * FROM ");
	sql_append_qualified(&sql, config->target.schema, "snapshot_progress");
	buffer_append_text(&sql, " WHERE stream = $1 ORDER BY started_at DESC LIMIT 1) p WHERE p.finished_at IS NULL");
	error = read_state(target, config, &sql, &result);
	buffer_free(&sql);
	if (error != NULL || result == NULL)
		return error;
	watermark->snapshot_open = pg_result_rows(result) > 0;
	if (watermark->snapshot_open) {
		watermark->snapshot_rows = pg_result_integer(result, 0, 0);
		watermark->snapshot_tables = pg_result_integer(result, 0, 1);
	}
	pg_result_free(result);
	return NULL;
}

static struct error *read_stream(struct pg_connection *target, const struct config *config, struct arena *arena,
                                 struct watermark *watermark)
{
	struct pg_result *result = NULL;
	struct buffer sql = {0};
	struct error *error;

	*watermark = (struct watermark){.state = "", .error = "", .applied_at = ""};
	buffer_append_text(&sql, "SELECT last_commit_lsn, state, error, applied_at,"
	                         " (NOT whole_transactions)::int FROM ");
	sql_append_qualified(&sql, config->target.schema, "stream");
	buffer_append_text(&sql, " WHERE name = $1");
	error = read_state(target, config, &sql, &result);
	buffer_free(&sql);
	if (error != NULL || result == NULL)
		return error;
	if (pg_result_rows(result) > 0 && lsn_parse(pg_result_text(result, 0, 0), &watermark->lsn)) {
		watermark->known = true;
		watermark->state = take_text(arena, result, 1);
		watermark->error = take_text(arena, result, 2);
		watermark->applied_at = take_text(arena, result, 3);
		watermark->unordered = pg_result_integer(result, 0, 4) != 0;
	}
	pg_result_free(result);
	return NULL;
}

struct error *watermark_read(struct pg_connection *target, const struct config *config, struct arena *arena,
                             struct watermark *watermark)
{
	TRY(read_stream(target, config, arena, watermark));
	return read_snapshot(target, config, watermark);
}

bool watermark_is_stopped(const struct watermark *watermark)
{
	return watermark->known && (strcmp(watermark->state, "stopped") == 0 ||
	                            strcmp(watermark->state, "failed") == 0 || strcmp(watermark->state, "paused") == 0);
}

static bool push(struct pg_connection *source, const char *sql)
{
	struct error *error = pg_query(source, sql, 0, NULL, NULL);

	if (error == NULL)
		return true;
	log_debug("no fence: %s", error->message);
	error_free(error);
	return false;
}

static bool push_message(struct pg_connection *source, const char *text)
{
	struct buffer sql = {0};
	bool pushed;

	if (pg_server_version(source) < MESSAGES_SINCE)
		return false;
	buffer_append_text(&sql, "SELECT pg_logical_emit_message(true, ");
	sql_append_literal(&sql, config_message_prefix);
	buffer_append_text(&sql, ", ");
	sql_append_literal(&sql, text);
	buffer_append_byte(&sql, ')');
	pushed = push(source, sql.data);
	buffer_free(&sql);
	return pushed;
}

static bool push_heartbeat(struct pg_connection *source, const char *text)
{
	struct buffer sql = {0};
	struct error *distrust = migration_trust(source, config_source_schema);
	bool pushed;

	if (distrust != NULL) {
		log_warning("the heartbeat table is not used: %s", distrust->message);
		error_free(distrust);
		return false;
	}
	buffer_append_text(&sql, "UPDATE ");
	sql_append_qualified(&sql, config_source_schema, "heartbeat");
	buffer_append_text(&sql, " SET at = now(), token = ");
	sql_append_literal(&sql, text);
	pushed = push(source, sql.data);
	buffer_free(&sql);
	return pushed;
}

bool watermark_push_fence(struct pg_connection *source, const char *text)
{
	return push_message(source, text) || push_heartbeat(source, text);
}

struct error *watermark_push_again(struct pg_connection *source, const char *text)
{
	push_message(source, text);
	push_heartbeat(source, text);
	if (!pg_is_broken(source))
		return NULL;
	return error_new(ERROR_TRANSIENT, "%s: the connection was lost while the stream was waited for",
	                 pg_description(source));
}

struct error *watermark_read_position(struct pg_connection *source, uint64_t *lsn)
{
	const char *sql = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
	                  " ELSE pg_current_wal_insert_lsn() END";
	struct pg_result *result = NULL;

	TRY(pg_query(source, sql, 0, NULL, &result));
	if (!lsn_parse(pg_result_text(result, 0, 0), lsn))
		*lsn = UINT64_MAX;
	pg_result_free(result);
	return NULL;
}

/* Nothing is to be waited for any more. */
static bool is_over(const struct watermark *watermark, int64_t deadline)
{
	return !watermark->known || watermark->unordered || watermark_is_stopped(watermark) ||
	       signals_stop_requested() || clock_monotonic_us() >= deadline;
}

static struct error *push_when_due(const struct fence_pushes *fences, int64_t *next_us)
{
	if (fences->source == NULL || clock_monotonic_us() < *next_us)
		return NULL;
	TRY(watermark_push_again(fences->source, fences->text));
	*next_us = clock_monotonic_us() + fences->interval_us;
	return NULL;
}

struct error *watermark_await(struct pg_connection *target, struct fence_pushes fences, const struct config *config,
                              uint64_t lsn, int64_t wait_us, struct arena *arena, bool *passed)
{
	int64_t deadline = clock_monotonic_us() + wait_us;
	int64_t next_us = clock_monotonic_us() + fences.interval_us;

	for (;;) {
		struct watermark watermark;

		TRY(read_stream(target, config, arena, &watermark));
		*passed = watermark.known && !watermark.unordered && watermark.lsn >= lsn;
		if (*passed || is_over(&watermark, deadline))
			return NULL;
		TRY(push_when_due(&fences, &next_us));
		clock_sleep_ms(POLL_MS);
	}
}

struct error *watermark_await_snapshot(struct pg_connection *target, struct fence_pushes fences,
                                       const struct config *config, int64_t wait_us, struct arena *arena,
                                       struct watermark *watermark)
{
	int64_t deadline = clock_monotonic_us() + wait_us;
	int64_t next_us = clock_monotonic_us() + fences.interval_us;

	for (;;) {
		TRY(watermark_read(target, config, arena, watermark));
		if (!watermark->snapshot_open || is_over(watermark, deadline))
			return NULL;
		TRY(push_when_due(&fences, &next_us));
		clock_sleep_ms(SNAPSHOT_POLL_MS);
	}
}
