/*
 * service.h - the daemon's word to a service manager: that it is up, what it does, that it still lives.
 *
 * NOTES
 *   READY=1 goes out as soon as the process is set up, not when the stream runs: a standby waits for the first instance
 *   for ever, and a target that is away is waited for; neither is a failed start. STATUS= tells which it is (systemctl
 *   status).
 *
 *   WATCHDOG=1 goes out while the main thread's loop turns (struct ops_view.beat_us), or while there is no stream to
 *   watch.
 *
 *   The protocol is a datagram to a socket; libsystemd would bring five libraries for these few lines.
 *
 * Source: systemd, sd_notify(3), sections "Description" and "Notes" (the protocol may be implemented without the
 * library).
 *
 * Thread: a thread of its own.
 */
#ifndef REPLICATOR_OPS_SERVICE_H
#define REPLICATOR_OPS_SERVICE_H

#include "ops/view.h"

struct service;

/* Says READY=1 and begins to tell. NULL: nobody asked ($NOTIFY_SOCKET is not set), or no thread (logged). */
struct service *service_start(const struct config *config, void (*fill)(void *context, struct ops_view *view),
                              void *context);
void service_stop(struct service *service); /* says STOPPING=1; NULL is allowed */

#endif
