/* session.h - the settings of a session that applies changes. Thread: the connection's. */
#ifndef REPLICATOR_TARGET_SESSION_H
#define REPLICATOR_TARGET_SESSION_H

#include "target/binding.h"

/* Sets the session up; the bindings forget what they know (the catalog may have changed, and who fires triggers). */
struct error *session_set_up(struct pg_connection *connection, const struct config *config,
                             struct binding_cache *bindings);

#endif
