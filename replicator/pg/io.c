/*
 * io.c - waiting for the server.
 *
 * NOTES
 *   All connections are non-blocking and every wait is here, so that there is one rule: whoever waits to send also
 *   reads. A server that cannot get rid of its answers stops reading; a client that only writes would wait for ever.
 *
 *   libpq moves the rest of its output buffer to the front after each partial send. A buffer that is let grow makes
 *   that quadratic, so it is emptied whenever PG_UNSENT_MOST bytes went into it.
 */
#include "pg/internal.h"

#include <errno.h>
#include <poll.h>

/* Waits until the socket can do one of the events, and takes in what can be read. */
static struct error *wait_socket(struct pg_connection *connection, short events)
{
	struct pollfd socket = {.fd = PQsocket(connection->handle), .events = events};

	if (socket.fd < 0)
		return pg_error_lost(connection);
	while (poll(&socket, 1, -1) < 0)
		if (errno != EINTR)
			return error_new(ERROR_SYSTEM, "poll failed with errno %d", errno);
	if ((socket.revents & ~POLLOUT) != 0 && !PQconsumeInput(connection->handle))
		return pg_error_lost(connection);
	return NULL;
}

struct error *pg_await_result(struct pg_connection *connection, PGresult **result)
{
	for (;;) {
		int unsent = PQflush(connection->handle);

		if (unsent < 0)
			return pg_error_lost(connection);
		if (unsent == 0)
			connection->unsent_bytes = 0;
		if (!PQisBusy(connection->handle)) {
			*result = PQgetResult(connection->handle);
			return NULL;
		}
		TRY(wait_socket(connection, (short)(unsent != 0 ? POLLIN | POLLOUT : POLLIN)));
	}
}

struct error *pg_drain(struct pg_connection *connection)
{
	int unsent;

	while ((unsent = PQflush(connection->handle)) > 0)
		TRY(wait_socket(connection, POLLIN | POLLOUT));
	if (unsent < 0)
		return pg_error_lost(connection);
	connection->unsent_bytes = 0;
	return NULL;
}

struct error *pg_account_unsent(struct pg_connection *connection, size_t bytes)
{
	connection->unsent_bytes += bytes;
	if (connection->unsent_bytes <= PG_UNSENT_MOST)
		return NULL;
	return pg_drain(connection);
}

static bool is_copy(const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

struct error *pg_finish_command(struct pg_connection *connection, struct error *first)
{
	for (;;) {
		PGresult *result = NULL;
		struct error *error = pg_await_result(connection, &result);

		if (error == NULL && result == NULL)
			return first;
		if (error == NULL)
			error = pg_error_of_result(connection, result);
		if (error == NULL && is_copy(result)) { /* libpq would give this result for ever */
			connection->broken = true;
			error = error_new(ERROR_SYSTEM, "%s: a COPY where none is allowed", connection->description);
		}
		PQclear(result);
		if (first == NULL)
			first = error;
		else
			error_free(error);
		if (connection->broken)
			return first;
	}
}
