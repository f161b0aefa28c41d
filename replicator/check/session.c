/*
 * session.c - see the header.
 *
 * NOTES
 *   A reader must not stand in the way of DDL for as long as a comparison lasts: a table's lock is given back after
 *   each query by rolling back to a savepoint, and a table that somebody else has locked is waited for ten seconds, no
 *   more.
 */
#include "check/session.h"

#include "base/buffer.h"
#include "pg/sql.h"

#include <string.h>

#define PROGRAM "check_target"

static const char SETTINGS[] = "SET lock_timeout = '10s'; SET max_parallel_workers_per_gather = 0";

struct error *session_connect(struct session *session, const char *dsn, const char *setting, size_t count)
{
	if (dsn == NULL || dsn[0] == '\0')
		return error_new(ERROR_CONFIGURATION, "setting %s is missing: the connection string of that database",
		                 setting);
	while (session->count < count) {
		struct pg_connection **connection = &session->connections[session->count];

		TRY(error_wrap(pg_connect(dsn, PROGRAM, connection), "%s", setting));
		session->count++;
		TRY(pg_execute(*connection, SETTINGS));
	}
	return NULL;
}

void session_disconnect(struct session *session)
{
	for (size_t i = 0; i < session->count; i++)
		pg_disconnect(session->connections[i]);
	session->count = 0;
}

static struct error *share_snapshot(struct session *session)
{
	struct pg_result *result = NULL;
	struct buffer sql = {0};
	struct error *error = NULL;

	TRY(pg_query(session->connections[0], "SELECT pg_export_snapshot()", 0, NULL, &result));
	buffer_append_text(&sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT ");
	sql_append_literal(&sql, pg_result_text(result, 0, 0));
	for (size_t i = 1; error == NULL && i < session->count; i++)
		error = pg_execute(session->connections[i], sql.data);
	buffer_free(&sql);
	pg_result_free(result);
	return error_wrap(error, "sharing a snapshot");
}

struct error *session_begin(struct session *session)
{
	session->open = true;
	TRY(pg_execute(session->connections[0], "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1"));
	return session->count > 1 ? share_snapshot(session) : NULL;
}

void session_end(struct session *session)
{
	for (size_t i = 0; session->open && i < session->count; i++)
		if (!pg_is_broken(session->connections[i]))
			error_free(pg_execute(session->connections[i], "ROLLBACK"));
	session->open = false;
}

struct error *session_query(struct pg_connection *connection, const char *sql, size_t parameter_count,
                            const char *const *parameters, struct pg_result **result)
{
	struct error *error;

	*result = NULL;
	TRY(pg_execute(connection, "SAVEPOINT reading"));
	error = pg_query(connection, sql, parameter_count, parameters, result);
	if (!pg_is_broken(connection)) {
		struct error *back = pg_execute(connection, "ROLLBACK TO SAVEPOINT reading; RELEASE SAVEPOINT reading");

		if (error != NULL) {
			error_free(back);
			return error;
		}
		error = back;
	}
	if (error != NULL) {
		pg_result_free(*result);
		*result = NULL;
	}
	return error;
}
