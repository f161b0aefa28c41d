/*
 * stream_lock.c - see stream_lock.h.
 *
 * NOTES
 *   The holder is looked up in pg_locks, not in the stream's row: an instance may be stopped between taking the lock
 *   and writing the row. What it does is told by pg_stat_activity: the times of its last statement and state, and the
 *   bytes of its COPY. Time is measured here, on the monotonic clock, from one change of these to the next. With
 *   track_activities off nothing of that is known, and the session is not ended: a working holder would look the same.
 */
#include "target/stream_lock.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "target/state.h"

#include <stdlib.h>
#include <string.h>

#define POLL_MS 250
#define LOG_US ((int64_t)60 * 1000000)

/* What the session that holds the lock did when we last looked. */
struct holder {
	char *doing; /* NULL: nobody was seen */
	int64_t since_us;
};

/* The advisory lock's two keys: FNV-1a of "replicator:" and the stream's name. */
static void lock_keys(const char *stream, struct number *high, struct number *low)
{
	uint64_t hash = 0xcbf29ce484222325u;
	const char *const parts[2] = {"replicator:", stream};

	for (size_t i = 0; i < 2; i++)
		for (const char *at = parts[i]; *at != '\0'; at++)
			hash = (hash ^ (unsigned char)*at) * 0x100000001b3u;
	*high = number_of((int32_t)(uint32_t)(hash >> 32));
	*low = number_of((int32_t)(uint32_t)hash);
}

static struct error *try_lock(struct pg_connection *connection, const char *stream, bool *locked)
{
	struct number high, low;
	const char *parameters[2];
	struct pg_result *result = NULL;

	lock_keys(stream, &high, &low);
	parameters[0] = high.text;
	parameters[1] = low.text;
	TRY(pg_query(connection, "SELECT pg_try_advisory_lock($1::int, $2::int)", 2, parameters, &result));
	*locked = strcmp(pg_result_text(result, 0, 0), "t") == 0;
	pg_result_free(result);
	return NULL;
}

static struct error *log_holder(struct pg_connection *connection, const struct config *config)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;

	TRY(state_query(
	    connection, config,
	    "SELECT instance, holder_pid, heartbeat_at FROM @stream WHERE name = $1 AND instance IS NOT NULL", 1,
	    parameters, &result));
	if (pg_result_rows(result) > 0)
		log_info("stream %s is held by instance %s (backend %s, last sign of life %s): waiting to take over",
		         config->stream.name, pg_result_text(result, 0, 0), pg_result_text(result, 0, 1),
		         pg_result_text(result, 0, 2));
	else
		log_info("stream %s is held by another session: waiting to take over", config->stream.name);
	pg_result_free(result);
	return NULL;
}

#define HOLDER_SESSION                                                                                                 \
	" FROM pg_locks l JOIN pg_stat_activity a USING (pid)"                                                         \
	" LEFT JOIN pg_stat_progress_copy c USING (pid)"                                                               \
	" WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"                                              \
	" AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"                           \
	" AND l.classid = $1::int::oid AND l.objid = $2::int::oid"                                                     \
	" AND pg_has_role(a.usesysid, 'MEMBER')" /* else we may neither see nor end it */

/* NULL in *doing: nobody holds the lock, or its session works right now. */
static struct error *look_at_holder(struct pg_connection *connection, const struct config *config, char **doing)
{
	struct number high, low;
	const char *parameters[2];
	struct pg_result *result = NULL;

	lock_keys(config->stream.name, &high, &low);
	parameters[0] = high.text;
	parameters[1] = low.text;
	*doing = NULL;
	TRY(pg_query(connection,
	             "SELECT concat_ws(' ', a.pid, a.query_start, a.state_change, c.bytes_processed)" HOLDER_SESSION
	             " AND a.state <> 'disabled' AND (a.state <> 'active' OR a.wait_event_type = 'Client')",
	             2, parameters, &result));
	if (pg_result_rows(result) > 0)
		*doing = memory_copy_text(pg_result_text(result, 0, 0));
	pg_result_free(result);
	return NULL;
}

static struct error *end_holder(struct pg_connection *connection, const struct config *config)
{
	struct number high, low;
	const char *parameters[2];
	struct pg_result *result = NULL;

	lock_keys(config->stream.name, &high, &low);
	parameters[0] = high.text;
	parameters[1] = low.text;
	TRY(pg_query(connection, "SELECT a.pid, pg_terminate_backend(a.pid)" HOLDER_SESSION, 2, parameters, &result));
	if (pg_result_rows(result) > 0)
		log_warning("stream %s: its holder (backend %s) gave no sign of life for %.1f s: its session is ended",
		            config->stream.name, pg_result_text(result, 0, 0),
		            (double)config->stream.holder_timeout_ms / 1000);
	pg_result_free(result);
	return NULL;
}

/* Ends the holder's session when it has waited for its client for too long. */
static struct error *watch_holder(struct pg_connection *connection, const struct config *config, struct holder *holder)
{
	int64_t now = clock_monotonic_us();
	char *doing;

	TRY(look_at_holder(connection, config, &doing));
	if (doing == NULL || holder->doing == NULL || strcmp(doing, holder->doing) != 0) {
		free(holder->doing);
		*holder = (struct holder){doing, now};
		return NULL;
	}
	free(doing);
	if (now - holder->since_us < config->stream.holder_timeout_ms * 1000)
		return NULL;
	holder->since_us = now;
	return end_holder(connection, config);
}

static struct error *await(struct pg_connection *connection, const struct config *config, struct holder *holder,
                           struct error *(*meanwhile)(struct pg_connection *, const struct config *, int64_t),
                           int64_t epoch)
{
	int64_t log_at = 0;

	for (;;) {
		bool locked = false;

		TRY(try_lock(connection, config->stream.name, &locked));
		if (locked)
			return NULL;
		if (meanwhile != NULL)
			TRY(meanwhile(connection, config, epoch));
		TRY(watch_holder(connection, config, holder));
		if (clock_monotonic_us() >= log_at) {
			TRY(log_holder(connection, config));
			log_at = clock_monotonic_us() + LOG_US;
		}
		if (signals_stop_requested())
			return error_new(ERROR_INTERRUPTED,
			                 "asked to stop while stream %s was held by another instance",
			                 config->stream.name);
		clock_sleep_ms(POLL_MS);
	}
}

struct error *stream_lock_keep(struct pg_connection *connection, int64_t *last_us)
{
	int64_t now = clock_monotonic_us();

	if (*last_us != 0 && now - *last_us < (int64_t)HEARTBEAT_MS * 1000)
		return NULL;
	*last_us = now;
	return pg_execute(connection, "SELECT /* still at work */");
}

/* A wait inside the server could not be left: the lock is asked for in short turns. */
struct error *stream_lock_await(struct pg_connection *connection, const struct config *config,
                                struct error *(*meanwhile)(struct pg_connection *, const struct config *, int64_t),
                                int64_t epoch)
{
	struct holder holder = {0};
	struct error *error = await(connection, config, &holder, meanwhile, epoch);

	free(holder.doing);
	return error;
}
