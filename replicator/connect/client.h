/*
 * client.h - one request to Kafka Connect's REST interface.
 *
 * Thread: any; the calling thread waits. A stop request (signals.h) ends the wait.
 * Source: Apache Kafka documentation, "Kafka Connect", section "REST API".
 */
#ifndef REPLICATOR_CONNECT_CLIENT_H
#define REPLICATOR_CONNECT_CLIENT_H

#include <jansson.h>

#include "base/buffer.h"
#include "config/config.h"

/*
 * Sends `body` (may be NULL, borrowed) and gives Connect's answer (json_decref it; NULL where it has none, and when the
 * caller passes NULL). `path` begins with "/connectors" or the like; names in it went through connect_append_name.
 * While the worker rebalances it is asked again, for half a minute.
 *
 * Errors carry Connect's own message: ERROR_CONFIGURATION (connect.url is not set; 4xx), ERROR_AUTHENTICATION (401,
 * 403), ERROR_TRANSIENT (no answer, 5xx), ERROR_INTERRUPTED.
 */
struct error *connect_call(const struct config *config, const char *method, const char *path, const json_t *body,
                           json_t **answer);

/* The same, once and with a bound: for those who ask again anyway. */
struct error *connect_call_once(const struct config *config, const char *method, const char *path, const json_t *body,
                                int timeout_ms, json_t **answer);

/* Appends a connector's or plugin's name as a segment of a path. */
void connect_append_name(struct buffer *path, const char *name);

#endif
