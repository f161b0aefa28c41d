/* connection.c - the life of a connection, and statements one at a time. */
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "pg/internal.h"

#include <limits.h>
#include <stdlib.h>

/* Notices may come from triggers and hold values: below the default level (law 10). */
static void log_notice(void *context, const PGresult *result)
{
	const struct pg_connection *connection = context;
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	log_debug("%s: notice: %s", connection->description, text != NULL ? text : "");
}

/*
 * A pooler answers the login itself, with a process id of its own, and may give each transaction to another server
 * process: what is set here would reach other applications' sessions, and locks would stay with them. Nothing may be
 * set before this was asked.
 */
static struct error *check_no_pooler(struct pg_connection *connection)
{
	int64_t pid = 0;

	TRY(pg_query_integer(connection, "SELECT pg_catalog.pg_backend_pid()", 0, NULL, 0, &pid));
	if (pid == PQbackendPID(connection->handle))
		return NULL;
	return error_new(
	    ERROR_CONFIGURATION,
	    "%s: a connection pooler is between this program and PostgreSQL (the login named process %d, the "
	    "session has process %lld); every session here needs a server process of its own, also in the "
	    "pooler's session mode: let the DSN name host and port of PostgreSQL itself",
	    connection->description, PQbackendPID(connection->handle), (long long)pid);
}

/*
 * The SQL here needs it: pg_current_xact_id, wal_status of pg_replication_slots, publish_via_partition_root are of 13;
 * multiranges (pg_range.rngmultitypid), which the images of types read, are of 14.
 */
static struct error *check_version(const struct pg_connection *connection)
{
	const int version = PQserverVersion(connection->handle);

	if (version >= PG_OLDEST_VERSION)
		return NULL;
	return error_new(ERROR_CONFIGURATION, "%s is a PostgreSQL %d, which is too old; upgrade it to %d or later",
	                 connection->description, version / 10000, PG_OLDEST_VERSION / 10000);
}

struct error *pg_connect(const char *dsn, const char *application_name, struct pg_connection **connection)
{
	struct pg_connection *made = memory_alloc(sizeof(*made));
	struct error *error = pg_open(dsn, application_name, &made->handle, &made->description);

	*connection = NULL;
	if (error != NULL) {
		free(made);
		return error;
	}
	made->statements = map_new();
	made->queries = map_new();
	PQsetNoticeReceiver(made->handle, log_notice, made);
	if (PQsetnonblocking(made->handle, 1) != 0)
		error = pg_error_refused(made, "setting the connection non-blocking");
	else
		error = check_version(made);
	if (error == NULL)
		error = check_no_pooler(made);
	if (error == NULL)
		error = pg_pin_settings(made);
	if (error != NULL) {
		pg_disconnect(made);
		return error;
	}
	*connection = made;
	return NULL;
}

static void free_statement(void *value)
{
	struct pg_statement *statement = value;

	free(statement->sql);
	free(statement);
}

void pg_disconnect(struct pg_connection *connection)
{
	if (connection == NULL)
		return;
	PQfinish(connection->handle);
	map_free(connection->statements, free_statement);
	map_free(connection->queries, free_statement);
	free(connection->entries);
	free(connection->description);
	free(connection);
}

static void append_deallocate(struct slice key, void *value, void *context)
{
	const struct pg_statement *statement = value;

	(void)key;
	if (statement->state == STATEMENT_PREPARED)
		buffer_append_format(context, "DEALLOCATE %s;", statement->name);
}

struct error *pg_forget_statements(struct pg_connection *connection)
{
	struct buffer sql = {0};
	struct error *error = NULL;

	map_each(connection->statements, append_deallocate, &sql);
	if (sql.length > 0)
		error = pg_execute(connection, sql.data);
	buffer_free(&sql);
	TRY(error);
	map_free(connection->statements, free_statement);
	connection->statements = map_new();
	return NULL;
}

bool pg_is_broken(const struct pg_connection *connection)
{
	return connection->broken || PQstatus(connection->handle) != CONNECTION_OK;
}

int pg_server_version(const struct pg_connection *connection)
{
	return PQserverVersion(connection->handle);
}

int pg_backend_pid(const struct pg_connection *connection)
{
	return PQbackendPID(connection->handle);
}

const char *pg_description(const struct pg_connection *connection)
{
	return connection->description;
}

struct error *pg_execute(struct pg_connection *connection, const char *sql)
{
	TRY(pg_require_idle(connection, "a statement"));
	if (!PQsendQuery(connection->handle, sql))
		return pg_error_refused(connection, "sending a statement");
	return pg_finish_command(connection, NULL);
}

/* The rows of the query that was sent. */
static struct error *take_rows(struct pg_connection *connection, struct pg_result **result)
{
	PGresult *rows = NULL;
	struct error *error;

	TRY(pg_await_result(connection, &rows));
	error = pg_error_of_result(connection, rows);
	if (!connection->broken)
		error = pg_finish_command(connection, error);
	if (error == NULL && result != NULL) {
		*result = memory_alloc(sizeof(**result));
		(*result)->handle = rows;
		return NULL;
	}
	PQclear(rows);
	return error;
}

static struct error *check_query(struct pg_connection *connection, size_t parameter_count)
{
	TRY(pg_require_idle(connection, "a query"));
	if (parameter_count > USHRT_MAX)
		return error_new(ERROR_SYSTEM, "%s: a query with %zu parameters; the protocol takes 65535",
		                 connection->description, parameter_count);
	return NULL;
}

struct error *pg_query(struct pg_connection *connection, const char *sql, size_t parameter_count,
                       const char *const *parameters, struct pg_result **result)
{
	if (result != NULL)
		*result = NULL;
	TRY(check_query(connection, parameter_count));
	if (!PQsendQueryParams(connection->handle, sql, (int)parameter_count, NULL, parameters, NULL, NULL, 0))
		return pg_error_refused(connection, "sending a query");
	return take_rows(connection, result);
}

static struct error *prepare(struct pg_connection *connection, struct pg_statement *statement)
{
	if (statement->state == STATEMENT_PREPARED)
		return NULL;
	if (!PQsendPrepare(connection->handle, statement->name, statement->sql, 0, NULL))
		return pg_error_refused(connection, "sending a query to prepare");
	TRY(pg_finish_command(connection, NULL));
	statement->state = STATEMENT_PREPARED;
	return NULL;
}

struct error *pg_query_prepared(struct pg_connection *connection, const char *sql, size_t parameter_count,
                                const char *const *parameters, struct pg_result **result)
{
	struct pg_statement *statement = pg_statement_in(connection, connection->queries, slice_from(sql));

	if (result != NULL)
		*result = NULL;
	TRY(check_query(connection, parameter_count));
	TRY(prepare(connection, statement));
	if (!PQsendQueryPrepared(connection->handle, statement->name, (int)parameter_count, parameters, NULL, NULL, 0))
		return pg_error_refused(connection, "sending a query");
	return take_rows(connection, result);
}

struct error *pg_query_integer(struct pg_connection *connection, const char *sql, size_t parameter_count,
                               const char *const *parameters, int64_t without, int64_t *number)
{
	struct pg_result *result;

	TRY(pg_query(connection, sql, parameter_count, parameters, &result));
	*number = pg_result_rows(result) > 0 ? pg_result_integer(result, 0, 0) : without;
	pg_result_free(result);
	return NULL;
}
