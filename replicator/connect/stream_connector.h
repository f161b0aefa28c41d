/*
 * stream_connector.h - whether an answer of Kafka Connect is the configuration of the connector that this stream reads.
 *
 * NOTES
 *   connect.connector is only a name: it may be that of another stream's connector. And a proxy or another server at
 *   connect.url may answer any request with status 200. What the connector masks or leaves out must not be computed from such an
 *   answer. topic.prefix shows whose connector it is: no two connectors of one Kafka cluster share it, and
 *   kafka.topic_prefix names it, also where kafka.topics names the topics.
 *
 * Source: Kafka documentation, "Kafka Connect", "REST API" (GET /connectors/{name}/config); Debezium documentation,
 * "Debezium connector for PostgreSQL", topic.prefix.
 *
 * Thread: any.
 */
#ifndef REPLICATOR_CONNECT_STREAM_CONNECTOR_H
#define REPLICATOR_CONNECT_STREAM_CONNECTOR_H

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "config/config.h"

/* An object with a connector.class. `answer` may be NULL. */
bool stream_connector_is_configuration(const json_t *answer);

/* Why the answer does not show what this stream's connector does, in the arena; NULL: it does. `answer` may be NULL. */
const char *stream_connector_problem(const json_t *answer, const struct config *config, struct arena *arena);

/*
 * Calls `tell` where the connector reads another server or database than source.dsn names: a warning, since two names can
 * mean one server. `text` lives during the call. ERROR_CONFIGURATION: libpq cannot read source.dsn.
 */
struct error *stream_connector_check(const json_t *connector, const struct config *config,
                                     void (*tell)(void *context, bool problem, const char *text), void *context);

#endif
