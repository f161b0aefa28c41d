/*
 * connect.c - opening a connection.
 *
 * NOTES
 *   The asynchronous interface is used for one reason: verbosity can be set before the server answers (see
 *   connect_error.c). It knows no connect_timeout, so the clock is watched here; and since a host that drops packets
 *   would eat all of it, the hosts of a DSN with several are tried one by one.
 *
 *   tcp_user_timeout must exceed the time that the server may spend on one statement while more of a pipeline waits
 *   in its full socket: Linux counts a window that stays closed against it, although the peer answers the probes. The
 *   default here is five minutes.
 *
 * Source: PostgreSQL documentation, "libpq", sections "Database Connection Control Functions" and "Parameter Key
 * Words".
 */
#include "base/clock.h"
#include "base/memory.h"
#include "pg/internal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS_MOST 16

/* The element of a comma-separated list; the only one of a list of one serves all. NULL stays NULL. */
static char *list_element(const char *list, size_t number)
{
	if (list == NULL)
		return NULL;
	if (strchr(list, ',') == NULL)
		return memory_copy_text(list);
	for (; number > 0; number--) {
		list = strchr(list, ',');
		if (list == NULL)
			return memory_copy_text("");
		list++;
	}
	return memory_copy_bytes(list, strcspn(list, ","));
}

static size_t list_length(const char *list)
{
	size_t count = 1;

	for (; list != NULL && *list != '\0'; list++)
		count += *list == ',';
	return count;
}

static const char *option_of(const PQconninfoOption *options, const char *keyword)
{
	for (; options != NULL && options->keyword != NULL; options++)
		if (strcmp(options->keyword, keyword) == 0)
			return options->val;
	return NULL;
}

/* Microseconds on the monotonic clock when this attempt has taken too long. */
static int64_t attempt_deadline(PGconn *handle)
{
	PQconninfoOption *options = PQconninfo(handle);
	const char *text = option_of(options, "connect_timeout");
	long seconds = text != NULL ? strtol(text, NULL, 10) : 0;

	PQconninfoFree(options);
	return seconds <= 0 ? INT64_MAX : clock_monotonic_us() + (int64_t)seconds * 1000000;
}

/* Waits for the socket; false when the time is over. */
static bool wait_until(PGconn *handle, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd socket = {.fd = PQsocket(handle), .events = events};
		int64_t left_ms = (deadline - clock_monotonic_us()) / 1000;
		int ready;

		if (left_ms <= 0)
			return false;
		ready = poll(&socket, 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
		if (ready > 0 || (ready < 0 && errno != EINTR))
			return true;
	}
}

static char *describe(PGconn *handle)
{
	const char *host = PQhost(handle);
	const char *port = PQport(handle);
	const char *at = strrchr(host != NULL ? host : "", '@'); /* an unescaped @ of a password in a URI */

	return memory_format("database %s at %s:%s", PQdb(handle),
	                     at != NULL     ? at + 1
	                     : host != NULL ? host
	                                    : "",
	                     port != NULL ? port : "");
}

static struct error *poll_connection(PGconn *handle, char **description)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	int64_t deadline = attempt_deadline(handle);

	while (PQstatus(handle) != CONNECTION_BAD && status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
		if (!wait_until(handle, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline)) {
			*description = describe(handle);
			return error_new(ERROR_TRANSIENT, "cannot connect to %s: no answer within connect_timeout",
			                 *description);
		}
		status = PQconnectPoll(handle);
	}
	*description = describe(handle);
	if (PQstatus(handle) != CONNECTION_OK)
		return pg_error_of_connect(handle, *description);
	return NULL;
}

/* One host of the DSN; `host`, `hostaddr` and `port` are NULL when the DSN does not tell them. */
static struct error *open_host(const char *dsn, const char *application_name, char *const where[3], PGconn **handle,
                               char **description)
{
	/* Later ones win: defaults of ours, the user's DSN, what must be so. */
	const char *const keywords[] = {"connect_timeout",
	                                "keepalives_idle",
	                                "keepalives_interval",
	                                "keepalives_count",
	                                "tcp_user_timeout",
	                                "fallback_application_name",
	                                "dbname",
	                                "client_encoding",
	                                where[0] != NULL ? "host" : "client_encoding",
	                                where[1] != NULL ? "hostaddr" : "client_encoding",
	                                where[2] != NULL ? "port" : "client_encoding",
	                                NULL};
	const char *const values[] = {"10",
	                              "10",
	                              "5",
	                              "3",
	                              "300000",
	                              application_name,
	                              dsn,
	                              "UTF8",
	                              where[0] != NULL ? where[0] : "UTF8",
	                              where[1] != NULL ? where[1] : "UTF8",
	                              where[2] != NULL ? where[2] : "UTF8",
	                              NULL};
	struct error *error;

	*handle = PQconnectStartParams(keywords, values, 1);
	if (*handle == NULL)
		return error_new(ERROR_SYSTEM, "no memory left for a connection");
	PQsetErrorVerbosity(*handle, PQERRORS_VERBOSE);
	error = poll_connection(*handle, description);
	if (error == NULL) {
		PQsetErrorVerbosity(*handle, PQERRORS_DEFAULT);
		return NULL;
	}
	PQfinish(*handle);
	free(*description);
	*handle = NULL;
	*description = NULL;
	return error;
}

/* As libpq: the next host is tried when this one cannot be reached, not when it refuses the login. */
static struct error *open_hosts(const char *dsn, const char *application_name, const PQconninfoOption *options,
                                PGconn **handle, char **description)
{
	static const char *const keywords[3] = {"host", "hostaddr", "port"};
	size_t hosts = list_length(option_of(options, "host"));
	size_t addresses = list_length(option_of(options, "hostaddr"));
	size_t count = hosts > addresses ? hosts : addresses;
	struct error *error = NULL;

	for (size_t i = 0; i < count && i < HOSTS_MOST; i++) {
		char *where[3] = {NULL, NULL, NULL};

		error_free(error);
		for (size_t k = 0; k < 3 && count > 1; k++)
			where[k] = list_element(option_of(options, keywords[k]), i);
		error = open_host(dsn, application_name, where, handle, description);
		for (size_t k = 0; k < 3; k++)
			free(where[k]);
		if (error == NULL || error->class != ERROR_TRANSIENT)
			break;
	}
	return error;
}

struct error *pg_open(const char *dsn, const char *application_name, PGconn **handle, char **description)
{
	bool bare_name = strchr(dsn, '=') == NULL && strstr(dsn, "://") == NULL;
	PQconninfoOption *options = NULL;
	char *message = NULL;
	struct error *error;

	*handle = NULL;
	*description = NULL;
	if (!bare_name) {
		options = PQconninfoParse(dsn, &message);
		if (options == NULL) {
			error = pg_error_of_dsn(message != NULL ? message : "");
			PQfreemem(message);
			return error;
		}
	}
	error = open_hosts(dsn, application_name, options, handle, description);
	PQconninfoFree(options);
	return error;
}
