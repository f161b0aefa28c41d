/* watch.c - see watch.h */
#include "ops/watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/lsn.h"
#include "base/memory.h"
#include "connect/connector.h"
#include "base/metrics.h"
#include "ops/new_tables.h"
#include "pg/connection.h"
#include "pg/sql.h"

#define CONNECT_TIMEOUT_MS 5000
#define KAFKA_TIMEOUT_MS 5000
#define POLICIES_PAUSE_LOOKS 6 /* it makes connections of its own to Kafka */
#define CONFIGURATION_PAUSE_US INT64_C(60000000)
#define FIRST_PAUSE_US INT64_C(5000000)
#define LONGEST_PAUSE_US INT64_C(300000000)
#define FORGIVEN_AFTER_US INT64_C(900000000)
#define RESYNC_STEP_MS 250

struct watch {
	const struct config *config;
	pthread_t thread;
	pthread_mutex_t lock; /* of state, stop and active */
	pthread_cond_t wake;
	bool stop;
	bool active;
	struct watch_state state;

	/* The thread's own. */
	struct watch_state next;
	struct pg_connection *source;
	struct resyncer *resyncer;
	int64_t restart_not_before_us;
	int64_t failed_at_us; /* the last time that it was seen so */
	bool slot_warned;
	int64_t next_policies_us;
	int64_t next_configuration_us;
	int64_t heartbeats; /* updates of the source's heartbeat row; -1: not known */
};

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from != NULL ? from : "");
}

static unsigned count_failed(const struct connector_status *status)
{
	unsigned failed = 0;

	for (size_t i = 0; i < status->task_count; i++)
		failed += strcmp(status->tasks[i].state, "FAILED") == 0;
	return failed;
}

/* Said when it changes, not at each look. */
static void say_connector(const struct watch *watch)
{
	const struct watch_state *now = &watch->next;

	if (strcmp(now->connector.state, watch->state.connector.state) == 0)
		return;
	if (strcmp(now->connector.state, "RUNNING") == 0)
		log_info("connector %s: RUNNING", watch->config->connect.connector);
	else
		log_warning("connector %s: %s%s%s", watch->config->connect.connector, now->connector.state,
		            now->connector.reason[0] != '\0' ? ": " : "", now->connector.reason);
	if (strstr(now->connector.reason, "no longer available on the server") != NULL)
		log_warning("its slot is gone or was made anew: what was committed meanwhile comes with a new snapshot "
		            "only: `replicator connector stop`, `connector offsets --reset`, `connector resume`");
}

static int64_t pause_us(unsigned attempts)
{
	int64_t pause = FIRST_PAUSE_US;

	for (; attempts > 0 && pause < LONGEST_PAUSE_US; attempts--)
		pause *= 2;
	return pause < LONGEST_PAUSE_US ? pause : LONGEST_PAUSE_US;
}

static void restart_failed(struct watch *watch, int64_t now)
{
	struct watch_state *state = &watch->next;
	unsigned most = (unsigned)watch->config->supervision.restart_attempts;
	struct error *error;

	watch->failed_at_us = now;
	if (state->connector.attempts >= most) {
		if (most > 0 && !state->connector.gave_up)
			log_error(
			    "connector %s failed again after %u restarts: no more are tried; mend the cause, then "
			    "`replicator connector restart`",
			    watch->config->connect.connector, most);
		state->connector.gave_up = most > 0;
		return;
	}
	if (now < watch->restart_not_before_us)
		return;
	state->connector.attempts++;
	state->connector.restarts++;
	watch->restart_not_before_us = now + pause_us(state->connector.attempts);
	log_warning("connector %s: what failed of it is restarted (attempt %u of %u)", watch->config->connect.connector,
	            state->connector.attempts, most);
	error = connector_restart(watch->config, watch->config->connect.connector, true);
	if (error != NULL)
		log_warning("%s", error->message);
	error_free(error);
}

static int64_t number_in(const json_t *settings, const char *name)
{
	const char *text = json_string_value(json_object_get(settings, name));

	return text == NULL ? 0 : strtoll(text, NULL, 10);
}

/* Whether the connector's heartbeats come as events: those without a query go to a topic of their own. */
static void look_at_configuration(struct watch *watch, int64_t now)
{
	json_t *settings = NULL;
	struct error *error;
	const char *query;

	if (now < watch->next_configuration_us)
		return;
	watch->next_configuration_us = now + CONFIGURATION_PAUSE_US;
	error = connector_call(watch->config, "GET", watch->config->connect.connector, "/config", NULL, &settings);
	if (error != NULL) {
		log_debug("the connector's configuration is not known: %s", error->message);
		error_free(error);
		return;
	}
	query = json_string_value(json_object_get(settings, "heartbeat.action.query"));
	watch->next.connector.heartbeat_ms =
	    query != NULL && *query != '\0' ? number_in(settings, "heartbeat.interval.ms") : 0;
	json_decref(settings);
}

static void note_running(struct watch *watch, int64_t now)
{
	struct watch_state *state = &watch->next;

	if (strcmp(state->connector.state, "RUNNING") != 0)
		state->connector.running_since_us = 0;
	else if (state->connector.running_since_us == 0)
		state->connector.running_since_us = now;
	if (state->connector.running_since_us != 0)
		look_at_configuration(watch, now);
}

static void look_at_connector(struct watch *watch, int64_t now)
{
	struct watch_state *state = &watch->next;
	struct connector_status status = {0};
	struct error *error;

	if (watch->config->connect.url == NULL || watch->config->connect.connector == NULL)
		return;
	error = connector_read_status(watch->config, watch->config->connect.connector, CONNECT_TIMEOUT_MS, &status);
	if (error != NULL && error->class == ERROR_INTERRUPTED) {
		error_free(error);
		return;
	}
	state->connector.known = error == NULL;
	copy_text(state->connector.state, sizeof(state->connector.state),
	          error != NULL ? "UNREACHABLE" : connector_worst_state(&status));
	copy_text(state->connector.reason, sizeof(state->connector.reason),
	          error != NULL ? error->message : connector_reason(&status));
	state->connector.tasks = (unsigned)status.task_count;
	state->connector.tasks_failed = count_failed(&status);
	error_free(error);
	connector_status_free(&status);
	say_connector(watch);
	note_running(watch, now);
	if (strcmp(state->connector.state, "FAILED") == 0) {
		restart_failed(watch, now);
	} else if (now - watch->failed_at_us > FORGIVEN_AFTER_US) {
		state->connector.attempts = 0;
		state->connector.gave_up = false;
	}
}

static struct error *connect_source(struct watch *watch)
{
	if (watch->source != NULL && pg_is_broken(watch->source)) {
		pg_disconnect(watch->source);
		watch->source = NULL;
	}
	return watch->source != NULL ? NULL
	                             : pg_connect(watch->config->source.dsn, "replicator supervision", &watch->source);
}

static struct error *ask_slot(struct watch *watch, struct pg_result **result)
{
	static const char sql[] =
	    "SELECT w.lsn, s.slot_name IS NOT NULL, COALESCE(s.active, false)::int, COALESCE(s.wal_status, ''),"
	    " COALESCE(pg_wal_lsn_diff(w.lsn, s.restart_lsn), 0)::bigint,"
	    " COALESCE(pg_wal_lsn_diff(w.lsn, s.confirmed_flush_lsn), 0)::bigint"
	    "  FROM (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"
	    "        AS lsn) w LEFT JOIN pg_replication_slots s ON s.slot_name = $1";
	const char *const parameters[1] = {watch->config->connect.slot};

	TRY(connect_source(watch));
	return pg_query(watch->source, sql, 1, parameters, result);
}

static void say_slot(struct watch *watch)
{
	const struct watch_state *state = &watch->next;
	int64_t limit = watch->config->supervision.slot_limit;
	bool lost = strcmp(state->slot.wal_status, "lost") == 0 || strcmp(state->slot.wal_status, "unreserved") == 0;
	bool bad =
	    state->slot.known && state->slot.exists && (lost || (limit > 0 && state->slot.retained_bytes > limit));

	if (bad && !watch->slot_warned)
		log_warning(
		    "slot %s keeps %lld MB of WAL on the source (wal_status %s, %s): see that the connector runs, or "
		    "the source's disk fills",
		    watch->config->connect.slot, (long long)(state->slot.retained_bytes >> 20), state->slot.wal_status,
		    state->slot.active ? "active" : "not active");
	watch->slot_warned = bad;
}

static void look_at_slot(struct watch *watch)
{
	struct watch_state *state = &watch->next;
	struct pg_result *result = NULL;
	struct error *error;

	if (watch->config->source.dsn == NULL)
		return;
	error = ask_slot(watch, &result);
	memset(&state->slot, 0, sizeof(state->slot));
	if (error != NULL) {
		copy_text(state->slot.problem, sizeof(state->slot.problem), error->message);
		error_free(error);
		return;
	}
	state->slot.known = true;
	lsn_parse(pg_result_text(result, 0, 0), &state->slot.source_lsn);
	state->slot.exists = strcmp(pg_result_text(result, 0, 1), "t") == 0;
	state->slot.active = pg_result_integer(result, 0, 2) != 0;
	copy_text(state->slot.wal_status, sizeof(state->slot.wal_status), pg_result_text(result, 0, 3));
	state->slot.retained_bytes = pg_result_integer(result, 0, 4);
	state->slot.unconfirmed_bytes = pg_result_integer(result, 0, 5);
	pg_result_free(result);
	say_slot(watch);
}

/*
 * How often the row was updated that the connector's heartbeats update; -1: there is none. Taken from the statistics: a
 * table of the connector's role is not read with our rights (law 12).
 */
static struct error *ask_heartbeats(struct watch *watch, int64_t *count)
{
	const char *const parameters[1] = {config_source_schema};

	TRY(connect_source(watch));
	return pg_query_integer(
	    watch->source, "SELECT n_tup_upd FROM pg_stat_all_tables WHERE schemaname = $1 AND relname = 'heartbeat'",
	    1, parameters, -1, count);
}

static void look_at_heartbeat(struct watch *watch, int64_t now)
{
	struct watch_state *state = &watch->next;
	int64_t count = -1;
	struct error *error;

	if (watch->config->source.dsn == NULL || !state->slot.known)
		return;
	error = ask_heartbeats(watch, &count);
	if (error != NULL)
		log_debug("the heartbeats at the source are not known: %s", error->message);
	error_free(error);
	if (count >= 0 && watch->heartbeats >= 0 && count != watch->heartbeats)
		state->heartbeat_us = now;
	watch->heartbeats = count >= 0 ? count : watch->heartbeats;
}

/* Of the active instance, which alone reads the marks. */
static void look_at_new_tables(struct watch *watch)
{
	struct error *error;

	if (watch->config->source.dsn == NULL || !watch->next.resync.known)
		return;
	error = connect_source(watch);
	if (error == NULL)
		error = new_tables_look(watch->source);
	if (error != NULL)
		log_debug("the source could not be asked for new tables and truncated partitions: %s", error->message);
	error_free(error);
}

/* Tables of which snapshot rows came, and the source was not asked for their size since. */
static void add_table_to_size(const struct metric_table *table, void *context)
{
	struct buffer *names = context;

	if (table->reads == 0 || (table->estimated_rows >= 0 && table->reads <= (uint64_t)table->estimated_rows))
		return;
	buffer_append_byte(names, names->length == 0 ? '{' : ',');
	sql_append_array_element(names, table->name, strlen(table->name));
}

static void look_at_sizes(struct watch *watch)
{
	static const char sql[] =
	    "SELECT t.name, greatest(c.reltuples::bigint, pg_stat_get_live_tuples(c.oid), 0)"
	    "  FROM unnest($1::text[]) AS t (name)"
	    "  JOIN pg_namespace n ON starts_with(t.name, n.nspname || '.')"
	    "  JOIN pg_class c ON c.relnamespace = n.oid AND t.name = n.nspname || '.' || c.relname";
	struct buffer names = {0};
	struct pg_result *result = NULL;
	struct error *error = NULL;

	metric_each_table(add_table_to_size, &names);
	if (names.length > 0 && watch->config->source.dsn != NULL) {
		const char *parameters[1];

		buffer_append_byte(&names, '}');
		parameters[0] = names.data;
		error = connect_source(watch);
		if (error == NULL)
			error = pg_query(watch->source, sql, 1, parameters, &result);
		for (size_t i = 0; error == NULL && i < pg_result_rows(result); i++)
			metric_set_estimated_rows(pg_result_text(result, i, 0), pg_result_integer(result, i, 1));
		pg_result_free(result);
	}
	if (error != NULL)
		log_debug("the source does not tell the sizes of tables: %s", error->message);
	error_free(error);
	buffer_free(&names);
}

/* Said when it changes. */
static void say_compacted(const struct watch *watch, const struct probe_policies *now)
{
	const struct probe_policies *before = &watch->next.policies;

	if (now->compacted == before->compacted && strcmp(now->compacted_names, before->compacted_names) == 0)
		return;
	if (now->compacted == 0)
		log_info("no topic of the stream is compacted any more");
	else
		log_warning("compacted topics (cleanup.policy): %s; Kafka may remove events before the daemon applies "
		            "them, and the daemon refuses the next start; set cleanup.policy=delete now, and run "
		            "`replicator table resync` for the tables of these topics if the daemon was behind",
		            now->compacted_names);
}

static void look_at_policies(struct watch *watch, int64_t now)
{
	struct probe_policies policies;
	struct error *error;

	if (now < watch->next_policies_us)
		return;
	watch->next_policies_us = now + POLICIES_PAUSE_LOOKS * watch->config->supervision.interval_ms * 1000;
	error = probe_policies(watch->config, KAFKA_TIMEOUT_MS, &policies);
	if (error != NULL) {
		log_debug("the retention of the topics is not known: %s", error->message);
		error_free(error);
	} else if (policies.known) {
		say_compacted(watch, &policies);
		watch->next.policies = policies;
	}
}

static void look_at_unverified(struct watch *watch, int64_t now)
{
	bool active;

	pthread_mutex_lock(&watch->lock);
	active = watch->active && !watch->stop;
	pthread_mutex_unlock(&watch->lock);
	resyncer_look(watch->resyncer, active, now, &watch->next.resync);
}

static void publish(struct watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	watch->state = watch->next;
	pthread_mutex_unlock(&watch->lock);
}

/* False: stop. */
static bool wait_ms(struct watch *watch, int64_t ms)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&watch->lock);
	while (!watch->stop && pthread_cond_timedwait(&watch->wake, &watch->lock, &until) != ETIMEDOUT)
		;
	stop = watch->stop;
	pthread_mutex_unlock(&watch->lock);
	return !stop;
}

/*
 * True: time for another look. False: stop. After a snapshot many tables may be unverified: while one is resynced the
 * next one does not wait for the interval.
 */
static bool wait_for_next(struct watch *watch)
{
	int64_t left_ms = watch->config->supervision.interval_ms;

	while (left_ms > 0) {
		int64_t step_ms =
		    watch->next.resync.table[0] != '\0' && left_ms > RESYNC_STEP_MS ? RESYNC_STEP_MS : left_ms;

		if (!wait_ms(watch, step_ms))
			return false;
		left_ms -= step_ms;
		if (left_ms > 0) {
			look_at_unverified(watch, clock_monotonic_us());
			publish(watch);
		}
	}
	return true;
}

static void *watch_main(void *argument)
{
	struct watch *watch = argument;

	do {
		int64_t now = clock_monotonic_us();

		look_at_connector(watch, now);
		look_at_slot(watch);
		look_at_heartbeat(watch, now);
		look_at_sizes(watch);
		look_at_policies(watch, now);
		look_at_unverified(watch, now);
		look_at_new_tables(watch);
		watch->next.looked_us = now;
		publish(watch);
	} while (wait_for_next(watch));
	pg_disconnect(watch->source);
	resyncer_free(watch->resyncer);
	return NULL;
}

struct watch *watch_start(const struct config *config)
{
	struct watch *watch;
	pthread_condattr_t attributes;
	int failed;

	if (config->supervision.interval_ms == 0)
		return NULL;
	watch = memory_alloc(sizeof(*watch));
	watch->config = config;
	watch->resyncer = resyncer_new(config);
	watch->state.policies.retention_ms = watch->next.policies.retention_ms = -1;
	watch->heartbeats = -1;
	pthread_mutex_init(&watch->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&watch->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	failed = pthread_create(&watch->thread, NULL, watch_main, watch);
	if (failed == 0)
		return watch;
	log_warning("no thread for the supervision: %s; the stream works without it", strerror(failed));
	resyncer_free(watch->resyncer);
	free(watch);
	return NULL;
}

void watch_stop(struct watch *watch)
{
	if (watch == NULL)
		return;
	pthread_mutex_lock(&watch->lock);
	watch->stop = true;
	pthread_cond_signal(&watch->wake);
	pthread_mutex_unlock(&watch->lock);
	pthread_join(watch->thread, NULL);
	pthread_cond_destroy(&watch->wake);
	pthread_mutex_destroy(&watch->lock);
	free(watch);
}

void watch_set_active(struct watch *watch, bool active)
{
	if (watch == NULL)
		return;
	pthread_mutex_lock(&watch->lock);
	watch->active = active;
	pthread_mutex_unlock(&watch->lock);
}

void watch_read(struct watch *watch, struct watch_state *state)
{
	*state = (struct watch_state){.policies.retention_ms = -1};
	if (watch == NULL)
		return;
	pthread_mutex_lock(&watch->lock);
	*state = watch->state;
	pthread_mutex_unlock(&watch->lock);
}
