/*
 * session.h - the connections to one side that share a snapshot, so that several threads read the same moment.
 * Thread: main's; between session_begin and session_end each connection may be given to a thread.
 */
#ifndef REPLICATOR_CHECK_SESSION_H
#define REPLICATOR_CHECK_SESSION_H

#include "pg/connection.h"

#define SESSION_MOST ((size_t)64)

struct session {
	struct pg_connection *connections[SESSION_MOST]; /* the first exports the snapshot */
	size_t count;
	bool open;
};

/* Opens the connections. `setting` names the DSN's setting in errors. */
struct error *session_connect(struct session *session, const char *dsn, const char *setting, size_t count);
void session_disconnect(struct session *session);

/* Begins a read-only transaction in each connection, all with one snapshot. */
struct error *session_begin(struct session *session);
void session_end(struct session *session);

/*
 * Runs a query inside of the snapshot under a savepoint: locks are given back at once, and a query that fails leaves
 * the transaction usable (unless the connection broke). *result is NULL after an error.
 */
struct error *session_query(struct pg_connection *connection, const char *sql, size_t parameter_count,
                            const char *const *parameters, struct pg_result **result);

#endif
