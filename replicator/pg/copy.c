/* copy.c - COPY … FROM STDIN. An error of the server while data is sent is told by pg_copy_end. */
#include "pg/internal.h"

#include <limits.h>
#include <stdlib.h>

struct error *pg_copy_begin(struct pg_connection *connection, const char *sql)
{
	PGresult *result = NULL;
	struct error *error;
	bool copying;

	TRY(pg_require_idle(connection, "a COPY"));
	if (!PQsendQuery(connection->handle, sql))
		return pg_error_refused(connection, "sending a COPY");
	TRY(pg_await_result(connection, &result));
	copying = PQresultStatus(result) == PGRES_COPY_IN;
	error = pg_error_of_result(connection, result);
	PQclear(result);
	if (copying) {
		connection->in_copy = true;
		return NULL;
	}
	if (error == NULL)
		error = error_new(ERROR_SYSTEM, "%s: the statement is not a COPY FROM STDIN", connection->description);
	return connection->broken ? error : pg_finish_command(connection, error);
}

struct error *pg_copy_send(struct pg_connection *connection, const char *data, size_t length)
{
	if (connection->broken)
		return pg_error_lost(connection);
	if (!connection->in_copy)
		return error_new(ERROR_SYSTEM, "%s: there is no COPY to send data to", connection->description);
	while (length > 0) {
		size_t piece = length < PG_UNSENT_MOST ? length : PG_UNSENT_MOST;

		if (PQputCopyData(connection->handle, data, (int)piece) != 1)
			return pg_error_refused(connection, "sending COPY data");
		TRY(pg_account_unsent(connection, piece));
		data += piece;
		length -= piece;
	}
	return NULL;
}

struct error *pg_copy_end(struct pg_connection *connection, uint64_t *rows)
{
	PGresult *result = NULL;
	struct error *error;

	if (connection->broken)
		return pg_error_lost(connection);
	if (!connection->in_copy)
		return error_new(ERROR_SYSTEM, "%s: there is no COPY to end", connection->description);
	connection->in_copy = false;
	if (PQputCopyEnd(connection->handle, NULL) != 1)
		return pg_error_refused(connection, "ending a COPY");
	TRY(pg_await_result(connection, &result));
	error = pg_error_of_result(connection, result);
	if (rows != NULL)
		*rows = error == NULL && result != NULL ? strtoull(PQcmdTuples(result), NULL, 10) : 0;
	PQclear(result);
	return connection->broken ? error : pg_finish_command(connection, error);
}
