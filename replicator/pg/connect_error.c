/*
 * connect_error.c - why a connection could not be opened.
 *
 * NOTES
 *   libpq gives no SQLSTATE for a refused login. With verbosity PQERRORS_VERBOSE, set before the server answers, the
 *   message holds it: `connection to server at "h" (1.2.3.4), port 5432 failed: FATAL:  28P01: password …`. Words are
 *   in the server's language, the code is not; so the class comes from the code. Without a code it was libpq itself:
 *   mostly the network, which heals, or a setting of the DSN that makes no sense, which does not.
 *
 *   The password must not get into a text: what is shown of a message is cut where the password begins.
 */
#include "base/buffer.h"
#include "base/memory.h"
#include "pg/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last place of a text within another; hosts and addresses are tried in turn, the last one tells. */
static const char *last_of(const char *text, const char *part)
{
	const char *found = NULL;

	for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
		found = at;
	return found;
}

static bool is_code(const char *text)
{
	for (int i = 0; i < 5; i++)
		if (!isdigit((unsigned char)text[i]) && !isupper((unsigned char)text[i]))
			return false;
	return strncmp(text + 5, ": ", 2) == 0;
}

/* The last `SEVERITY:  SQLSTATE: text`: the code, and where the text begins; NULL when the server said nothing. */
static const char *server_text(const char *message, char sqlstate[6])
{
	const char *text = NULL;

	for (const char *at = strstr(message, ":  "); at != NULL; at = strstr(at + 1, ":  ")) {
		if (!is_code(at + 3))
			continue;
		memcpy(sqlstate, at + 3, 5);
		sqlstate[5] = '\0';
		text = at + 10;
	}
	return text;
}

static enum error_class class_of_code(const char *sqlstate)
{
	enum error_class class = pg_error_class(sqlstate);

	if (strcmp(sqlstate, "42501") == 0) /* no CONNECT right on the database */
		return ERROR_AUTHENTICATION;
	if (strncmp(sqlstate, "XX", 2) == 0 || strncmp(sqlstate, "58", 2) == 0) /* its disk is full, a file is gone */
		return ERROR_TRANSIENT;
	return class == ERROR_TARGET || class == ERROR_CONSTRAINT ? ERROR_CONFIGURATION : class;
}

/* libpq's own words about a DSN that cannot work. */
static bool is_about_settings(const char *text)
{
	static const char *const beginnings[] = {
	    "invalid ",
	    "could not match ",
	    "server does not support SSL",
	    "root certificate ",
	    "certificate ",
	    "SSL error: certificate verify failed",
	    "server certificate ",
	    "private key file ",
	    "could not load ",
	    "could not read certificate ",
	    "could not read root certificate ",
	    "channel binding ",
	    "auth method ",
	};

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (strncmp(text, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

static size_t cut_before(const char *text, size_t length, const char *secret)
{
	const char *at = secret != NULL && secret[0] != '\0' ? strstr(text, secret) : NULL;

	return at != NULL && (size_t)(at - text) < length ? (size_t)(at - text) : length;
}

/* The first line of the text, up to a secret if there should be one in it. */
static char *first_line(const char *text, PGconn *handle)
{
	const char *host = PQhost(handle);
	size_t length = cut_before(text, strcspn(text, "\n"), PQpass(handle));

	if (host != NULL && strchr(host, '@') != NULL) /* an @ in the password of a URI, not written as %40 */
		length = cut_before(text, length, host);
	return memory_copy_bytes(text, length);
}

/* PgBouncer has no SQLSTATE of its own for it: 08P01 stands for whatever it refuses, an absent server too. */
static bool is_from_pooler(const char *text)
{
	return strncmp(text, "unsupported startup parameter", 29) == 0;
}

static const char *remedy(enum error_class class, const char *text)
{
	if (is_from_pooler(text))
		return "a connection pooler answered; let the DSN name host and port of PostgreSQL itself";
	switch (class) {
	case ERROR_AUTHENTICATION:
		return "check user and password of the DSN, the role's rights and the server's pg_hba.conf";
	case ERROR_CONFIGURATION:
		return "check the DSN";
	default:
		return "is the server running, and reachable from here?";
	}
}

struct error *pg_error_of_connect(PGconn *handle, const char *description)
{
	const char *message = PQerrorMessage(handle);
	char sqlstate[6] = "";
	const char *text = server_text(message, sqlstate);
	enum error_class class;
	struct error *error;
	char *line;

	if (text != NULL) {
		class = is_from_pooler(text) ? ERROR_CONFIGURATION : class_of_code(sqlstate);
	} else {
		const char *reason = last_of(message, " failed: ");

		text = reason != NULL ? reason + strlen(" failed: ") : message;
		if (PQconnectionNeedsPassword(handle))
			class = ERROR_AUTHENTICATION;
		else
			class = is_about_settings(text) ? ERROR_CONFIGURATION : ERROR_TRANSIENT;
	}
	line = first_line(text, handle);
	error = error_new(class, "cannot connect to %s: %s%s%s%s; %s", description, line,
	                  sqlstate[0] != '\0' ? " (SQLSTATE " : "", sqlstate, sqlstate[0] != '\0' ? ")" : "",
	                  remedy(class, text));
	snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", sqlstate);
	free(line);
	return error;
}

/* The parser quotes what it does not understand, which may be a part of a password. */
struct error *pg_error_of_dsn(const char *parser_message)
{
	struct buffer text = {0};
	struct error *error;
	const char *first = strchr(parser_message, '"');
	const char *last = strrchr(parser_message, '"');

	if (first == NULL || first == last) {
		buffer_append(&text, parser_message, strcspn(first == NULL ? parser_message : "", "\n"));
	} else if (strncmp(parser_message, "missing \"=\" after", 17) == 0) {
		buffer_append_text(&text, "missing \"=\" after one of its words");
	} else {
		buffer_append(&text, parser_message, (size_t)(first - parser_message));
		buffer_append_text(&text, "\"…\"");
		buffer_append(&text, last + 1, strcspn(last + 1, "\n"));
	}
	error = error_new(ERROR_CONFIGURATION,
	                  "the connection string cannot be read: %s; write key=value pairs (a value with blanks in "
	                  "'single quotes') or a postgresql:// URI (odd characters as %%XX)",
	                  text.length > 0 ? text.data : "it is malformed");
	buffer_free(&text);
	return error;
}
