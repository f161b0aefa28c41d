/*
 * publication.h - what the connector's publication leaves out of the stream: kinds of changes (its option publish), and
 * tables that the connector's lists let through.
 *
 * NOTES
 *   The connector reads a snapshot of all tables that its lists let through, and streams those of them that the publication
 *   has. With publication.autocreate.mode=filtered it brings the publication in line with the lists whenever it starts.
 *
 * Source: PostgreSQL documentation, CREATE PUBLICATION; Debezium documentation, "Debezium connector for PostgreSQL",
 * publication.autocreate.mode.
 *
 * Thread: the source connection's.
 */
#ifndef REPLICATOR_CONNECT_PUBLICATION_H
#define REPLICATOR_CONNECT_PUBLICATION_H

#include <jansson.h>

#include "config/config.h"
#include "connect/preflight.h"
#include "pg/connection.h"

/*
 * Calls `tell` for each finding, whose texts live during the call. `config`: tables that its rules exclude are no finding;
 * or NULL. Errors: those of the connection.
 */
struct error *publication_check(struct pg_connection *source, const json_t *connector, const struct config *config,
                                void (*tell)(const struct connector_finding *finding, void *context), void *context);

#endif
