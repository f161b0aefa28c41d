/*
 * preflight.h - whether a connector could work on a source, before it is created: wal_level, free slots and senders,
 * the rights of its role, publication, replica identities. sql/checks/connector.sql holds the questions. Thread: any.
 */
#ifndef REPLICATOR_CONNECT_PREFLIGHT_H
#define REPLICATOR_CONNECT_PREFLIGHT_H

#include "connect/definition.h"
#include "pg/connection.h"

struct connector_finding {
	bool problem; /* else a warning */
	const char *text;
	const char *remedy; /* a statement where one mends it */
};

/*
 * What is wrong with a source for a connector that runs, too (sql/checks/capture.sql): settings of its role that change
 * values, tables that it cannot capture, rows that it does not see.
 */
struct error *connector_check_capture(struct pg_connection *source, const struct connector_definition *definition,
                                      void (*tell)(const struct connector_finding *finding, void *context),
                                      void *context);

/* Calls `tell` for each finding, those of connector_check_capture included. Errors: those of the connection. */
struct error *connector_preflight(struct pg_connection *source, const struct connector_definition *definition,
                                  void (*tell)(const struct connector_finding *finding, void *context), void *context);

#endif
