/*
 * connector_delete.c - `replicator connector delete`: the connector alone, or with its offsets, slot and publication.
 *
 * NOTES
 *   source.dsn may name another server than the one that the connector reads. Equal names do not prove that both are the
 *   same server, and different names do not prove that they differ: Connect resolves them on another machine. A slot is
 *   dropped in one of two cases only:
 *   - a session read it, and that session ended when Connect stopped the connector;
 *   - the operator named it (--slot).
 *   A publication is dropped with the slot if the connector's settings name it and no other slot could use it.
 *
 *   A failure at any point leaves something that a second run can complete: the source is asked first, and the connector
 *   is deleted last. The offsets go before the slot: a connector that has a slot and no offsets makes a new snapshot; one
 *   that has offsets and no slot may lose changes.
 *
 * Source: PostgreSQL documentation, "pg_replication_slots"; Apache Kafka documentation, "Kafka Connect", "REST API".
 */
#include "cli/connector.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/signals.h"
#include "connect/capture_list.h"

#define STOP_PATIENCE_US INT64_C(30000000)
#define SLOT_PATIENCE_US INT64_C(10000000)
#define PAUSE_MS 200

struct removal {
	const struct connector_request *request;
	json_t *settings; /* NULL: Connect has no such connector */
	char *state;      /* of the connector, before it is stopped */
	struct pg_connection *source;
	const char *slot;
	const char *publication; /* NULL: the settings do not name one */
	char *reader;            /* process ID of the session that reads the slot, "" when there is none */
};

/* The statements that do by hand what the command does not do. */
static void append_statements(struct buffer *text, const struct removal *removal)
{
	buffer_append_text(text, "SELECT pg_drop_replication_slot(");
	sql_append_literal(text, removal->slot);
	buffer_append_text(text, ");");
	if (removal->publication == NULL)
		return;
	buffer_append_text(text, " DROP PUBLICATION ");
	sql_append_identifier(text, removal->publication);
	buffer_append_byte(text, ';');
}

static struct error *refuse(const struct removal *removal, const char *reason, const char *remedy)
{
	struct buffer statements = {0};
	struct error *error;

	append_statements(&statements, removal);
	error = error_new(ERROR_CONFIGURATION,
	                  "connector %s and slot %s were not deleted: %s; %s; by hand, in the database that the "
	                  "connector reads: %s",
	                  removal->request->name, removal->slot, reason, remedy, statements.data);
	buffer_free(&statements);
	return error;
}

/* NULL where it is not set, or a reference to a value that only the Connect worker knows. */
static const char *known_setting(const struct removal *removal, const char *key)
{
	const char *value = capture_setting(removal->settings, key, NULL);

	return value == NULL || strstr(value, "${") != NULL ? NULL : value;
}

/* Without slot.name the connector has Debezium's default, which any other connector may have as well. */
static struct error *find_slot_name(struct removal *removal)
{
	const char *own = known_setting(removal, "slot.name");
	const char *named = removal->request->slot;

	removal->publication = known_setting(removal, "publication.name");
	removal->slot = named != NULL ? named : own;
	if (removal->slot == NULL)
		return error_new(ERROR_CONFIGURATION,
		                 "connector %s was not deleted: its settings do not show slot.name; name its slot with "
		                 "--slot SLOT",
		                 removal->request->name);
	if (own != NULL && strcmp(own, removal->slot) != 0)
		return error_new(ERROR_CONFIGURATION, "connector %s was not deleted: it has slot.name=%s, not %s",
		                 removal->request->name, own, removal->slot);
	return NULL;
}

/* A replication connection takes the database's own name: two names are two databases. */
static struct error *check_database(const struct removal *removal, const char *database, const char *of_slot)
{
	const char *own = known_setting(removal, "database.dbname");
	struct buffer reason = {0};
	struct error *error = NULL;

	if (own != NULL && strcmp(own, database) != 0)
		buffer_append_format(&reason, "the connector reads database %s, and source.dsn is database %s", own,
		                     database);
	else if (strcmp(of_slot, database) != 0)
		buffer_append_format(&reason, "the slot is of database %s, and source.dsn is database %s",
		                     *of_slot != '\0' ? of_slot : "(none: it is physical)", database);
	if (reason.length > 0)
		error = refuse(removal, reason.data, "set source.dsn to the connector's database");
	buffer_free(&reason);
	return error;
}

static struct error *read_slot(struct removal *removal)
{
	struct pg_result *result = NULL;
	struct error *error;

	TRY(pg_query(removal->source,
	             "SELECT current_database(), COALESCE(database, ''), COALESCE(active_pid::text, '')"
	             " FROM pg_replication_slots WHERE slot_name = $1",
	             1, &removal->slot, &result));
	if (pg_result_rows(result) == 0) {
		error = refuse(removal, "source.dsn's server has no such slot",
		               "set source.dsn to the connector's database; if the slot was dropped before, `connector "
		               "stop`, `connector offsets --reset` and `connector delete` without an option remove the "
		               "rest");
	} else {
		error = check_database(removal, pg_result_text(result, 0, 0), pg_result_text(result, 0, 1));
		free(removal->reader);
		removal->reader = memory_copy_text(pg_result_text(result, 0, 2));
	}
	pg_result_free(result);
	return error;
}

static struct error *interrupted(void)
{
	return error_new(ERROR_INTERRUPTED, "interrupted");
}

/* Connect removes the offsets of a stopped connector only. */
static struct error *stop_connector(const struct removal *removal)
{
	const int64_t until = clock_monotonic_us() + STOP_PATIENCE_US;
	const struct connector_request *request = removal->request;

	TRY(connector_call(request->config, "PUT", request->name, "/stop", NULL, NULL));
	for (;;) {
		struct connector_status status;
		bool stopped;

		TRY(connector_read_status(request->config, request->name, 0, &status));
		stopped = !status.exists || (strcmp(status.state, "STOPPED") == 0 && status.task_count == 0);
		connector_status_free(&status);
		if (stopped)
			return NULL;
		if (signals_stop_requested())
			return interrupted();
		if (clock_monotonic_us() > until)
			return error_new(ERROR_TRANSIENT, "connector %s does not stop", request->name);
		clock_sleep_ms(PAUSE_MS);
	}
}

/* The connector's walsender may take a moment to notice that its client ended. */
static struct error *await_end_of_reader(const struct removal *removal, bool *ended)
{
	const int64_t until = clock_monotonic_us() + SLOT_PATIENCE_US;
	const char *const parameters[2] = {removal->slot, removal->reader};

	for (;;) {
		int64_t reads = 0;

		TRY(pg_query_integer(removal->source,
		                     "SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1 AND active_pid = "
		                     "$2::int",
		                     2, parameters, 0, &reads));
		*ended = reads == 0;
		if (*ended || clock_monotonic_us() > until)
			return NULL;
		if (signals_stop_requested())
			return interrupted();
		clock_sleep_ms(PAUSE_MS);
	}
}

/* Gives a connector that is not deleted its old state; an error here is less than the one that led here. */
static void restore_state(const struct removal *removal)
{
	const bool paused = strcmp(removal->state, "PAUSED") == 0;
	const struct connector_request *request = removal->request;
	struct error *error;

	if (!paused && strcmp(removal->state, "RUNNING") != 0)
		return;
	error = connector_call(request->config, "PUT", request->name, paused ? "/pause" : "/resume", NULL, NULL);
	if (error != NULL)
		fprintf(stderr, "warning: connector %s stays stopped: %s\n", request->name, error->message);
	error_free(error);
}

/* Stops the connector, and proves with it that the slot is the connector's. */
static struct error *prove_slot(const struct removal *removal)
{
	const bool named = removal->request->slot != NULL;
	bool ended = true;
	struct error *error;

	if (!named && *removal->reader == '\0')
		return refuse(removal,
		              "no session reads the slot, so nothing shows that it is this connector's: source.dsn may "
		              "be another server",
		              "start the connector, or name the slot with --slot if you know that it is");
	error = stop_connector(removal);
	if (error == NULL && *removal->reader != '\0')
		error = await_end_of_reader(removal, &ended);
	if (error == NULL && !ended)
		error = refuse(removal, "another reader than this connector uses the slot at source.dsn",
		               "set source.dsn to the connector's database");
	if (error != NULL)
		restore_state(removal);
	return error;
}

/* Once: whoever reads the slot now is not the connector. */
static struct error *drop_slot(const struct removal *removal)
{
	struct error *error = pg_query(removal->source,
	                               "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
	                               " WHERE slot_name = $1 AND database = current_database()",
	                               1, &removal->slot, NULL);

	return error_wrap(error, "slot %s", removal->slot);
}

/* The server does not record which slot uses which publication. */
static struct error *drop_publication(const struct removal *removal)
{
	struct buffer sql = {0};
	int64_t others = 0;
	struct error *error;

	if (removal->publication == NULL) {
		printf("slot %s is dropped at the source; the settings name no publication: if the connector had one, "
		       "it stays\n",
		       removal->slot);
		return NULL;
	}
	if (strcmp(capture_setting(removal->settings, "publication.autocreate.mode", "all_tables"), "disabled") == 0) {
		printf("slot %s is dropped at the source; publication %s, which the connector did not make, stays\n",
		       removal->slot, removal->publication);
		return NULL;
	}
	TRY(pg_query_integer(removal->source,
	                     "SELECT count(*) FROM pg_replication_slots"
	                     " WHERE database = current_database() AND plugin = 'pgoutput'",
	                     0, NULL, 0, &others));
	buffer_append_text(&sql, others > 0 ? "DROP PUBLICATION " : "DROP PUBLICATION IF EXISTS ");
	sql_append_identifier(&sql, removal->publication);
	error = others > 0 ? NULL : pg_execute(removal->source, sql.data);
	if (error == NULL && others > 0)
		printf("slot %s is dropped at the source; publication %s stays, as another slot of the database may "
		       "use it; if none does: %s\n",
		       removal->slot, removal->publication, sql.data);
	else if (error == NULL)
		printf("slot %s and publication %s are dropped at the source\n", removal->slot, removal->publication);
	buffer_free(&sql);
	return error;
}

static struct error *drop_from_source(const struct removal *removal)
{
	TRY(drop_slot(removal));
	return drop_publication(removal);
}

static struct error *delete_connector(const struct removal *removal)
{
	const struct connector_request *request = removal->request;

	return connector_call(request->config, "DELETE", request->name, "", NULL, NULL);
}

/* What a failure leaves is printed, whatever the second run finds. */
static struct error *with_what_stays(const struct removal *removal, struct error *error)
{
	struct buffer statements = {0};

	if (error == NULL)
		return NULL;
	append_statements(&statements, removal);
	fprintf(stderr,
	        "connector %s is stopped and not deleted; `replicator connector delete %s --slot %s` does the rest, or "
	        "by hand at the source: %s\n",
	        removal->request->name, removal->request->name, removal->slot, statements.data);
	buffer_free(&statements);
	return error;
}

static struct error *remove_connector(struct removal *removal)
{
	const struct connector_request *request = removal->request;
	struct error *error;

	TRY(find_slot_name(removal));
	TRY(pg_connect(request->config->source.dsn, "replicator connector", &removal->source));
	TRY(read_slot(removal));
	TRY(prove_slot(removal));
	error = connector_call(request->config, "DELETE", request->name, "/offsets", NULL, NULL);
	if (error == NULL)
		error = drop_from_source(removal);
	TRY(with_what_stays(removal, error));
	TRY(delete_connector(removal));
	printf("connector %s is deleted, its offsets are forgotten\n", request->name);
	return NULL;
}

/* Of a connector that was deleted without its slot. */
static struct error *remove_slot_alone(struct removal *removal)
{
	const struct connector_request *request = removal->request;

	if (request->slot == NULL)
		return error_new(ERROR_CONFIGURATION,
		                 "Kafka Connect has no connector %s; if its slot is left at source.dsn, `replicator "
		                 "connector delete %s --slot SLOT` drops it",
		                 request->name, request->name);
	removal->slot = request->slot;
	TRY(pg_connect(request->config->source.dsn, "replicator connector", &removal->source));
	TRY(read_slot(removal));
	TRY(drop_slot(removal));
	printf(
	    "Kafka Connect has no connector %s; slot %s is dropped at the source; if the connector had a publication, "
	    "it stays\n",
	    request->name, removal->slot);
	return NULL;
}

static struct error *remove_with_slot(struct removal *removal)
{
	const struct connector_request *request = removal->request;
	struct connector_status status;

	if (request->config->source.dsn == NULL)
		return error_new(ERROR_CONFIGURATION, "--with-slot and --slot need source.dsn, where the slot is");
	TRY(connector_read_status(request->config, request->name, 0, &status));
	if (!status.exists)
		return remove_slot_alone(removal);
	removal->state = memory_copy_text(status.state);
	connector_status_free(&status);
	TRY(connector_call(request->config, "GET", request->name, "/config", NULL, &removal->settings));
	return remove_connector(removal);
}

struct error *connector_delete(const struct connector_request *request)
{
	struct removal removal = {.request = request};
	struct error *error;

	if (request->with_slot || request->slot != NULL) {
		error = remove_with_slot(&removal);
	} else {
		error = delete_connector(&removal);
		if (error == NULL)
			printf("connector %s is deleted; its slot is still there and keeps WAL (`connector delete %s "
			       "--slot SLOT` drops it)\n",
			       request->name, request->name);
	}
	pg_disconnect(removal.source);
	json_decref(removal.settings);
	free(removal.state);
	free(removal.reader);
	return error;
}
