/*
 * ddl_functions.h - functions that an object of the source needs and the target lacks. They are not replicated: what needs
 * one is left out, or stops the stream, and the message has the definitions.
 *
 * NOTES
 *   The definitions are read from the source (source.dsn) when a function turns out to be missing. The log does not have
 *   them, because it would have to keep the bodies of all functions of the database.
 *
 * Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_DDL_FUNCTIONS_H
#define REPLICATOR_TARGET_DDL_FUNCTIONS_H

#include "config/config.h"
#include "pg/connection.h"

/*
 * What to do about a missing function, on one line, 4000 bytes at most; the caller frees it. `relid`: oid at the source of
 * the table or type that needs it. Never NULL: where the source is not known or not reached, the text says so.
 */
char *ddl_functions_hint(struct pg_connection *target, const struct config *config, const char *relid);

#endif
