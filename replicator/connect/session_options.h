/*
 * session_options.h - settings of the server that a connector gives its own sessions: driver.options (also written
 * database.options) and database.initial.statements.
 *
 * NOTES
 *   The server writes values as text under the settings of the connector's session. `init source` sets those that count for
 *   the connector's role, and sql/checks/capture.sql checks them there. Options of the connection and SET take precedence over the
 *   role's settings, so both can be right and the values wrong. The options apply to the snapshot and to the stream, the
 *   initial statements to the sessions of the snapshot only (measured with Debezium 3.7.0).
 *
 * Source: Debezium documentation, "Debezium connector for PostgreSQL", database.initial.statements and pass-through
 * driver properties; pgjdbc documentation, "options"; PostgreSQL documentation, "libpq", parameter `options`.
 *
 * Thread: any.
 */
#ifndef REPLICATOR_CONNECT_SESSION_OPTIONS_H
#define REPLICATOR_CONNECT_SESSION_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>

/*
 * Calls `tell` for each setting of a session that changes values (a problem), or of which that is not known. No text of a
 * statement is shown: it may have a password. `text` lives during the call.
 */
void session_options_check(const json_t *connector, void (*tell)(void *context, bool problem, const char *text),
                           void *context);

#endif
