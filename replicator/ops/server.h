/*
 * server.h - the daemon's small HTTP server: /metrics, /healthz, /readyz, /status.json, and a page at /.
 *
 * Read only, no authentication: it listens where status.listen says, the loopback by default.
 * Thread: one of its own (libmicrohttpd's); `fill` is called from it.
 */
#ifndef REPLICATOR_OPS_SERVER_H
#define REPLICATOR_OPS_SERVER_H

#include "ops/view.h"

struct ops_server;

/* *server NULL: status.port is 0. ERROR_CONFIGURATION: the address cannot be listened at. */
struct error *ops_server_start(const struct config *config, void (*fill)(void *context, struct ops_view *view),
                               void *context, struct ops_server **server);
void ops_server_stop(struct ops_server *server); /* NULL is allowed */

#endif
