/*
 * server_error.c - errors of the server as ours: class by SQLSTATE, a text without row values.
 *
 * NOTES
 *   Law 10: DETAIL, CONTEXT and HINT are dropped. The primary message holds values as well in class 22 (`invalid input
 *   syntax for type integer: "abc"`) and in whatever a trigger raises (P0001). Of class 22 the stretch from the first
 *   to the last quote goes (a value may hold quotes itself); a message in another language may quote in other ways, so
 *   one with bytes outside ASCII is replaced by the name of its condition.
 *
 * Source: PostgreSQL documentation, appendix A "PostgreSQL Error Codes".
 */
#include "base/buffer.h"
#include "base/memory.h"
#include "pg/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct condition {
	const char *sqlstate;
	const char *name;
};

static const struct condition DATA_EXCEPTIONS[] = {
    {"22001", "string data, right truncation"},
    {"22003", "numeric value out of range"},
    {"22007", "invalid datetime format"},
    {"22008", "datetime field overflow"},
    {"22012", "division by zero"},
    {"22021", "character not in repertoire"},
    {"22023", "invalid parameter value"},
    {"2202E", "array subscript error"},
    {"2200M", "invalid XML document"},
    {"2200N", "invalid XML content"},
    {"22P02", "invalid text representation"},
    {"22P05", "untranslatable character"},
};

static bool starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

enum error_class pg_error_class(const char *sqlstate)
{
	static const char *const transient[] = {"08",   "40001", "40P01", "53",   "57014",
	                                        "57P0", "55P03", "25006", "25P03"};
	/* 21000: a set-based upsert met one key twice, which the key's own equality sees and its text does not. */
	static const char *const constraint[] = {"23", "21000"};

	for (size_t i = 0; i < sizeof(transient) / sizeof(transient[0]); i++)
		if (starts(sqlstate, transient[i]))
			return ERROR_TRANSIENT;
	for (size_t i = 0; i < sizeof(constraint) / sizeof(constraint[0]); i++)
		if (starts(sqlstate, constraint[i]))
			return ERROR_CONSTRAINT;
	return starts(sqlstate, "28") ? ERROR_AUTHENTICATION : ERROR_TARGET;
}

static const char *condition_name(const char *sqlstate)
{
	for (size_t i = 0; i < sizeof(DATA_EXCEPTIONS) / sizeof(DATA_EXCEPTIONS[0]); i++)
		if (strcmp(DATA_EXCEPTIONS[i].sqlstate, sqlstate) == 0)
			return DATA_EXCEPTIONS[i].name;
	return "data exception";
}

static bool is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

/*
 * Appends a message of class 22 without what stands between its first and last quote, and without bytes shown in hex.
 */
static void append_data_exception(struct buffer *text, const char *sqlstate, const char *primary)
{
	const char *first = strchr(primary, '"');
	const char *last = strrchr(primary, '"');
	const char *hex = strstr(last != NULL ? last : primary, ": 0x");
	size_t end = hex != NULL ? (size_t)(hex - primary) : strlen(primary);

	if (!is_ascii(primary)) {
		buffer_append_text(text, condition_name(sqlstate));
	} else if (first == NULL || first == last) {
		buffer_append(text, primary, first != NULL ? (size_t)(first - primary) : end);
	} else {
		buffer_append(text, primary, (size_t)(first - primary));
		buffer_append_text(text, "\"…\"");
		buffer_append(text, last + 1, end - (size_t)(last + 1 - primary));
	}
}

static void append_primary(struct buffer *text, const char *sqlstate, const char *primary)
{
	/* The server shows the bytes of the character, which belong to a value. */
	if (strcmp(sqlstate, "22P05") == 0 && strstr(primary, " 0x") != NULL)
		buffer_append_text(text,
		                   "a text has a character that the encoding of the database cannot represent; use a "
		                   "database with ENCODING 'UTF8', or correct or leave out the column");
	else if (starts(sqlstate, "22") && strcmp(sqlstate, "22P04") != 0)
		append_data_exception(text, sqlstate, primary);
	else if (starts(sqlstate, "P0"))
		buffer_append_text(text,
		                   "a trigger or function raised an exception (its message may hold values: see the "
		                   "server's log)");
	else
		buffer_append_text(text, primary);
}

static void append_field(struct buffer *text, const PGresult *result, int field, const char *name)
{
	const char *value = PQresultErrorField(result, field);

	if (value != NULL && value[0] != '\0')
		buffer_append_format(text, ", %s %s", name, value);
}

struct error *pg_error_of_result(struct pg_connection *connection, const PGresult *result)
{
	struct buffer text = {0};
	struct error *error;
	ExecStatusType status = PQresultStatus(result);
	const char *sqlstate, *severity, *primary;

	if (status != PGRES_FATAL_ERROR && status != PGRES_BAD_RESPONSE)
		return NULL;
	sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	if (sqlstate == NULL) /* not from the server: libpq tells that the connection is gone */
		return pg_error_lost(connection);
	severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	if (severity != NULL && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
		connection->broken = true;
	primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	append_primary(&text, sqlstate, primary != NULL ? primary : "unknown error");
	buffer_append_format(&text, " (SQLSTATE %s", sqlstate);
	append_field(&text, result, PG_DIAG_SCHEMA_NAME, "schema");
	append_field(&text, result, PG_DIAG_TABLE_NAME, "table");
	append_field(&text, result, PG_DIAG_COLUMN_NAME, "column");
	append_field(&text, result, PG_DIAG_DATATYPE_NAME, "type");
	append_field(&text, result, PG_DIAG_CONSTRAINT_NAME, "constraint");
	buffer_append_byte(&text, ')');
	error = error_new(pg_error_class(sqlstate), "%s: %s", connection->description, text.data);
	snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", sqlstate);
	buffer_free(&text);
	return error;
}

/*
 * libpq's own line about the loss. The message may begin with errors of statements, values included, so only a line
 * that begins as libpq's lines do is taken.
 */
static char *loss_line(const char *message)
{
	static const char *const phrases[] = {
	    "server closed the connection",     "could not receive data", "could not send data",
	    "SSL connection has been closed",   "SSL SYSCALL error",      "SSL error",
	    "lost synchronization with server",
	};

	for (const char *line = message; *line != '\0'; line += strspn(line, "\n")) {
		size_t length = strcspn(line, "\n");

		for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
			if (starts(line, phrases[i]))
				return memory_copy_bytes(line, length);
		line += length;
	}
	return NULL;
}

struct error *pg_error_lost(struct pg_connection *connection)
{
	char *line = connection->broken ? NULL : loss_line(PQerrorMessage(connection->handle));
	struct error *error = error_new(ERROR_TRANSIENT, "%s: the connection was lost%s%s", connection->description,
	                                line != NULL ? ": " : "", line != NULL ? line : "");

	connection->broken = true;
	free(line);
	return error;
}

struct error *pg_error_refused(struct pg_connection *connection, const char *doing)
{
	if (connection->broken || PQstatus(connection->handle) != CONNECTION_OK)
		return pg_error_lost(connection);
	return error_new(ERROR_SYSTEM,
	                 "%s: %s failed in the client library (out of memory, or over the protocol's limits)",
	                 connection->description, doing);
}

struct error *pg_require_idle(struct pg_connection *connection, const char *doing)
{
	if (connection->broken)
		return pg_error_lost(connection);
	if (connection->in_pipeline || connection->in_copy)
		return error_new(ERROR_SYSTEM, "%s: %s while a %s is open", connection->description, doing,
		                 connection->in_copy ? "COPY" : "pipeline");
	return NULL;
}

bool pg_is_refused_by_rows(const struct error *error)
{
	return strcmp(error->sqlstate, "23505") == 0 || strcmp(error->sqlstate, "23P01") == 0;
}
