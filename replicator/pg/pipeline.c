/*
 * pipeline.c - many statements on the way at once.
 *
 * NOTES
 *   A run is what lies between pg_pipeline_begin and pg_pipeline_finish, with one Sync at its end. A statement is
 *   prepared by its first send: its Parse travels just before it. Should the run fail before that Parse was executed,
 *   the statement counts as unprepared again. (What was prepared stays so when its transaction is rolled back:
 *   prepared statements belong to the session.)
 *
 * Source: PostgreSQL documentation, "libpq", section "Pipeline Mode".
 */
#include "base/memory.h"
#include "pg/internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bind and Execute of one statement without its parameters, roughly. */
#define MESSAGE_BYTES 64

struct pg_statement *pg_statement_in(struct pg_connection *connection, struct map *statements, struct slice sql)
{
	struct pg_statement *statement = map_get(statements, sql);

	if (statement != NULL)
		return statement;
	statement = memory_alloc(sizeof(*statement));
	statement->sql = memory_copy_bytes(sql.data, sql.length);
	snprintf(statement->name, sizeof(statement->name), "r%zu", connection->statement_count++);
	map_put(statements, sql, statement);
	return statement;
}

struct pg_statement *pg_statement_of(struct pg_connection *connection, struct slice sql)
{
	return pg_statement_in(connection, connection->statements, sql);
}

struct error *pg_pipeline_begin(struct pg_connection *connection)
{
	TRY(pg_require_idle(connection, "a pipeline"));
	if (!PQenterPipelineMode(connection->handle))
		return pg_error_refused(connection, "entering pipeline mode");
	connection->in_pipeline = true;
	connection->synced = false;
	connection->entry_count = 0;
	return NULL;
}

static struct error *require_open_run(struct pg_connection *connection)
{
	if (connection->broken)
		return pg_error_lost(connection);
	if (!connection->in_pipeline || connection->synced)
		return error_new(ERROR_SYSTEM, "%s: a statement was sent outside of a pipeline's run",
		                 connection->description);
	return NULL;
}

static void append_entry(struct pg_connection *connection, struct pg_statement *statement, bool prepare)
{
	if (connection->entry_count == connection->entry_capacity) {
		connection->entry_capacity = connection->entry_capacity == 0 ? 64 : connection->entry_capacity * 2;
		connection->entries =
		    memory_grow(connection->entries, connection->entry_capacity, sizeof(*connection->entries));
	}
	connection->entries[connection->entry_count++] = (struct pipeline_entry){statement, prepare};
}

static struct error *send_prepare(struct pg_connection *connection, struct pg_statement *statement)
{
	if (!PQsendPrepare(connection->handle, statement->name, statement->sql, 0, NULL))
		return pg_error_refused(connection, "sending a statement to prepare");
	statement->state = STATEMENT_SENT;
	append_entry(connection, statement, true);
	return pg_account_unsent(connection, strlen(statement->sql) + MESSAGE_BYTES);
}

struct error *pg_pipeline_send(struct pg_connection *connection, struct pg_statement *statement, size_t parameter_count,
                               const char *const *parameters)
{
	size_t bytes = MESSAGE_BYTES;

	TRY(require_open_run(connection));
	if (parameter_count > USHRT_MAX)
		return error_new(ERROR_SYSTEM, "%s: a statement with %zu parameters; the protocol takes 65535",
		                 connection->description, parameter_count);
	if (statement->state == STATEMENT_UNPREPARED)
		TRY(send_prepare(connection, statement));
	if (!PQsendQueryPrepared(connection->handle, statement->name, (int)parameter_count, parameters, NULL, NULL, 0))
		return pg_error_refused(connection, "sending a statement");
	append_entry(connection, statement, false);
	for (size_t i = 0; i < parameter_count; i++)
		bytes += 4 + (parameters[i] != NULL ? strlen(parameters[i]) : 0);
	return pg_account_unsent(connection, bytes);
}

struct error *pg_pipeline_sync(struct pg_connection *connection)
{
	TRY(require_open_run(connection));
	if (!PQpipelineSync(connection->handle))
		return pg_error_refused(connection, "ending a pipeline's run");
	connection->synced = true;
	return NULL;
}

struct error *pg_pipeline_flush(struct pg_connection *connection)
{
	int unsent;

	if (connection->broken)
		return pg_error_lost(connection);
	unsent = PQflush(connection->handle);
	if (unsent < 0 || !PQconsumeInput(connection->handle))
		return pg_error_lost(connection);
	if (unsent == 0)
		connection->unsent_bytes = 0;
	return NULL;
}

static uint64_t rows_of(const PGresult *result)
{
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return (uint64_t)PQntuples(result);
	return strtoull(PQcmdTuples((PGresult *)result), NULL, 10);
}

struct run_outcome {
	struct error *error; /* the first */
	size_t number;       /* of the next statement */
	size_t failed;
	void (*answer)(void *context, size_t number, uint64_t rows);
	void *context;
};

/* Judges the answer to one message of the run. */
static void take_answer(struct pg_connection *connection, const struct pipeline_entry *entry, const PGresult *result,
                        struct run_outcome *outcome)
{
	ExecStatusType status = PQresultStatus(result);
	bool done = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;

	if (entry->prepare)
		entry->statement->state = done ? STATEMENT_PREPARED : STATEMENT_UNPREPARED;
	if (!done && outcome->error == NULL) {
		outcome->error = pg_error_of_result(connection, result);
		if (outcome->error == NULL) {
			outcome->error = error_new(ERROR_SYSTEM, "%s: unexpected answer %s in a pipeline",
			                           connection->description, PQresStatus(status));
			connection->broken = true;
		}
		outcome->failed = outcome->number;
	}
	if (entry->prepare)
		return;
	if (done && outcome->error == NULL && outcome->answer != NULL)
		outcome->answer(outcome->context, outcome->number, rows_of(result));
	outcome->number++;
}

/* Reads the answer to one message: its result, and the NULL that ends it. */
static void read_entry(struct pg_connection *connection, const struct pipeline_entry *entry,
                       struct run_outcome *outcome)
{
	for (bool first = true;; first = false) {
		PGresult *result = NULL;
		struct error *error = pg_await_result(connection, &result);

		if (error == NULL && result == NULL && first)
			error = pg_error_lost(connection);
		if (error != NULL) {
			if (outcome->error == NULL) {
				outcome->error = error;
				outcome->failed = outcome->number;
			} else {
				error_free(error);
			}
			return;
		}
		if (result == NULL)
			return;
		if (first)
			take_answer(connection, entry, result, outcome);
		PQclear(result);
		if (connection->broken)
			return;
	}
}

static struct error *read_sync(struct pg_connection *connection)
{
	PGresult *result = NULL;
	ExecStatusType status;

	TRY(pg_await_result(connection, &result));
	status = PQresultStatus(result);
	PQclear(result);
	if (status != PGRES_PIPELINE_SYNC)
		return pg_error_lost(connection);
	if (!PQexitPipelineMode(connection->handle))
		return pg_error_refused(connection, "leaving pipeline mode");
	return NULL;
}

/* What was not answered, because the connection is gone, is not prepared. */
static void forget_unanswered(struct pg_connection *connection)
{
	for (size_t i = 0; i < connection->entry_count; i++)
		if (connection->entries[i].statement->state == STATEMENT_SENT)
			connection->entries[i].statement->state = STATEMENT_UNPREPARED;
	connection->entry_count = 0;
	connection->in_pipeline = false;
}

/* Without its Sync a run has no end that the answers could be read to. */
static struct error *end_run(struct pg_connection *connection)
{
	struct error *error = pg_pipeline_sync(connection);

	connection->broken = connection->broken || error != NULL;
	return error;
}

struct error *pg_pipeline_finish(struct pg_connection *connection,
                                 void (*answer)(void *context, size_t number, uint64_t rows), void *context,
                                 size_t *failed)
{
	struct run_outcome outcome = {.answer = answer, .context = context};

	if (!connection->in_pipeline && !connection->broken)
		return error_new(ERROR_SYSTEM, "%s: there is no pipeline to finish", connection->description);
	if (connection->broken)
		outcome.error = pg_error_lost(connection);
	else if (!connection->synced)
		outcome.error = end_run(connection);
	for (size_t i = 0; i < connection->entry_count && !connection->broken; i++)
		read_entry(connection, &connection->entries[i], &outcome);
	if (!connection->broken) {
		struct error *error = read_sync(connection);

		if (outcome.error == NULL)
			outcome.error = error;
		else
			error_free(error);
	}
	forget_unanswered(connection);
	if (failed != NULL)
		*failed = outcome.failed;
	return outcome.error;
}
