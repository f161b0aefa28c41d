/*
 * internal.h - what the files of this room share; nobody else includes it.
 */
#ifndef REPLICATOR_PG_INTERNAL_H
#define REPLICATOR_PG_INTERNAL_H

#include "base/map.h"
#include "pg/connection.h"

#include <libpq-fe.h>

enum statement_state {
	STATEMENT_UNPREPARED,
	STATEMENT_SENT, /* its Parse is on the way in the current run */
	STATEMENT_PREPARED
};

struct pg_statement {
	char *sql;
	char name[24];
	enum statement_state state;
};

/* One message of a run that the server answers. */
struct pipeline_entry {
	struct pg_statement *statement;
	bool prepare; /* the statement's own Parse: has no number */
};

struct pg_connection {
	PGconn *handle; /* non-blocking since the end of pg_connect */
	char *description;
	bool broken;

	struct map *statements; /* SQL text → struct pg_statement */
	struct map *queries;    /* those of pg_query_prepared */
	size_t statement_count;

	bool in_pipeline;
	bool synced;         /* the run's Sync was sent */
	size_t unsent_bytes; /* given to libpq since its buffer was last seen empty: an upper bound */
	struct pipeline_entry *entries;
	size_t entry_count;
	size_t entry_capacity;

	bool in_copy;
};

struct pg_result {
	PGresult *handle;
};

/* pipeline.c: the statement of that text in the map; a new one is not prepared. */
struct pg_statement *pg_statement_in(struct pg_connection *connection, struct map *statements, struct slice sql);

/* result.c: as pg_attribute.atttypmod; -1: it has none. */
int pg_result_type_modifier(const struct pg_result *result, size_t column);

/* Above this much in libpq's output buffer a send waits until the buffer is empty. */
#define PG_UNSENT_MOST ((size_t)256 * 1024)

/* io.c */

/* The next result of the command that runs; NULL at its end. Sends what is unsent meanwhile. */
struct error *pg_await_result(struct pg_connection *connection, PGresult **result);
/* Sends until libpq's buffer is empty, reading meanwhile, so that two full sockets never wait for each other. */
struct error *pg_drain(struct pg_connection *connection);
/* Counts bytes given to libpq and drains when they are many. */
struct error *pg_account_unsent(struct pg_connection *connection, size_t bytes);
/* Reads and drops results up to the end of the command; the first error of them. */
struct error *pg_finish_command(struct pg_connection *connection, struct error *first);

/* server_error.c */

enum error_class pg_error_class(const char *sqlstate);
/* NULL when the result is none of an error. Marks the connection broken after a FATAL one. */
struct error *pg_error_of_result(struct pg_connection *connection, const PGresult *result);
/* The connection went away: marks it broken, ERROR_TRANSIENT. */
struct error *pg_error_lost(struct pg_connection *connection);
/* A call of libpq failed: the connection is lost, or libpq refused the call (says `doing`). */
struct error *pg_error_refused(struct pg_connection *connection, const char *doing);
/* An error when the connection is broken or busy with a pipeline or COPY. */
struct error *pg_require_idle(struct pg_connection *connection, const char *doing);

/* session_settings.c */

/* Sets what every session of ours has. The session must be known to be our own. */
struct error *pg_pin_settings(struct pg_connection *connection);

/* connect.c */

/* Opens a connection, still blocking and without our session settings. */
struct error *pg_open(const char *dsn, const char *application_name, PGconn **handle, char **description);

/* connect_error.c */

/* Why an attempt failed. The handle's verbosity was PQERRORS_VERBOSE, so that its message holds the SQLSTATE. */
struct error *pg_error_of_connect(PGconn *handle, const char *description);
struct error *pg_error_of_dsn(const char *parser_message);

#endif
