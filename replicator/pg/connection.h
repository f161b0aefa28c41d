/*
 * connection.h - one connection to a PostgreSQL server; the only room that includes libpq-fe.h.
 *
 * NOTES
 *   Values travel only as parameters or COPY data; names only through sql.h. Errors come back with their SQLSTATE and
 *   class: 08, 40001, 40P01, 57014, 57P0x, 53, 55P03, 25006 heal by themselves (ERROR_TRANSIENT), 28 is
 *   ERROR_AUTHENTICATION, 23 and 21000 (an upsert met a key twice) ERROR_CONSTRAINT, everything else ERROR_TARGET. A
 *   wrong connection string or database name is ERROR_CONFIGURATION. Only the primary message of the server, the
 *   SQLSTATE, and the names of schema, table, column and constraint go into the text: DETAIL and CONTEXT hold row
 *   values. A wait ends with the server's answer, or when TCP gives the server up (keepalives after 10 s,
 *   tcp_user_timeout); statement_timeout bounds a statement. Who must heed signals meanwhile asks in short turns
 *   (checkpoint_claim).
 *
 * Thread: a connection belongs to one thread at a time.
 */
#ifndef REPLICATOR_PG_CONNECTION_H
#define REPLICATOR_PG_CONNECTION_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pg_connection;
struct pg_result;

/*
 * Connects (bounded by connect_timeout, 10 s unless the DSN says else; keepalives and tcp_user_timeout set unless the
 * DSN does) and sets what every session of ours has (session_settings.c), application_name unless the DSN has one.
 * Several hosts in the DSN are tried in turn, each with the whole connect_timeout. ERROR_CONFIGURATION: a connection
 * pooler answered; then nothing was set.
 */
struct error *pg_connect(const char *dsn, const char *application_name, struct pg_connection **connection);
void pg_disconnect(struct pg_connection *connection); /* NULL is allowed */
bool pg_is_broken(const struct pg_connection *connection);

/* Other rows of the table refuse a row: a unique value (23505) or an exclusion constraint (23P01). */
bool pg_is_refused_by_rows(const struct error *error);
#define PG_OLDEST_VERSION 140000                               /* pg_connect refuses older servers */
int pg_server_version(const struct pg_connection *connection); /* 150018 */
int pg_backend_pid(const struct pg_connection *connection);
/* "database target at 127.0.0.1:5433", no secrets. */
const char *pg_description(const struct pg_connection *connection);

/* Runs one or more statements without parameters; results are dropped. */
struct error *pg_execute(struct pg_connection *connection, const char *sql);

/*
 * Runs one statement with text parameters (NULL is SQL NULL) and gives its rows. `result` may be NULL; after an error
 * *result is NULL.
 */
struct error *pg_query(struct pg_connection *connection, const char *sql, size_t parameter_count,
                       const char *const *parameters, struct pg_result **result);

/*
 * As pg_query, for a fixed text that is run often: the server parses and plans it once, and keeps it until the connection
 * ends, pg_forget_statements included. So neither its parameters nor its rows may have a type that can change.
 */
struct error *pg_query_prepared(struct pg_connection *connection, const char *sql, size_t parameter_count,
                                const char *const *parameters, struct pg_result **result);

/* The same for a query of one number; `without` when it has no row. NULL is 0. */
struct error *pg_query_integer(struct pg_connection *connection, const char *sql, size_t parameter_count,
                               const char *const *parameters, int64_t without, int64_t *number);

size_t pg_result_rows(const struct pg_result *result);
size_t pg_result_columns(const struct pg_result *result);
const char *pg_result_column_name(const struct pg_result *result, size_t column);
bool pg_result_is_null(const struct pg_result *result, size_t row, size_t column);
const char *pg_result_text(const struct pg_result *result, size_t row, size_t column); /* "" for NULL; lives with it */
int64_t pg_result_integer(const struct pg_result *result, size_t row, size_t column);  /* 0 for NULL */
void pg_result_free(struct pg_result *result);                                         /* NULL is allowed */

/*
 * Pipeline: statements are sent without waiting; their results come in the same order.
 *
 *   pg_pipeline_begin
 *   pg_pipeline_send …            each returns at once; the bytes go out in the background of later calls
 *   pg_pipeline_sync              the end of the run; the server answers
 *   pg_pipeline_finish            reads all answers, calls `answer` for each statement in order
 *
 * The first error of a run is returned by pg_pipeline_finish, with the number of the statement that failed (from 0 in
 * this run) in *failed; the server skips the statements behind it. The connection is usable afterwards (a transaction
 * block is then in the failed state: pg_execute("ROLLBACK")).
 */
struct pg_statement;

/*
 * The prepared statement of this connection for the text; prepared by its first send. Lives until
 * pg_forget_statements, or as long as the connection.
 */
struct pg_statement *pg_statement_of(struct pg_connection *connection, struct slice sql);

/*
 * Drops the statements of pg_statement_of and frees them. The server keeps the OIDs of a statement's parameter types as long as
 * it is prepared, whatever type has the name by now. The connection must be idle, its transaction not failed.
 */
struct error *pg_forget_statements(struct pg_connection *connection);

struct error *pg_pipeline_begin(struct pg_connection *connection);
/* Parameters are zero-terminated text, copied at once; NULL is SQL NULL. */
struct error *pg_pipeline_send(struct pg_connection *connection, struct pg_statement *statement, size_t parameter_count,
                               const char *const *parameters);
struct error *pg_pipeline_sync(struct pg_connection *connection);
/* `rows` is the count of the command tag ("UPDATE 3"), or of the returned rows. */
struct error *pg_pipeline_finish(struct pg_connection *connection,
                                 void (*answer)(void *context, size_t number, uint64_t rows), void *context,
                                 size_t *failed);
/* Sends what can be sent now, without waiting: call it between long computations so that the server does not idle. */
struct error *pg_pipeline_flush(struct pg_connection *connection);

/* COPY … FROM STDIN in text format. Not within a pipeline. */
struct error *pg_copy_begin(struct pg_connection *connection, const char *sql);
struct error *pg_copy_send(struct pg_connection *connection, const char *data, size_t length);
struct error *pg_copy_end(struct pg_connection *connection, uint64_t *rows);

#endif
