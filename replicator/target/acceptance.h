/*
 * acceptance.h - an operator's word, said once: `accept gap` (events are gone from Kafka, go on without them) and
 * `accept new-slot` (the source's history went back: commit LSNs begin anew).
 *
 * Thread: the connection's.
 */
#ifndef REPLICATOR_TARGET_ACCEPTANCE_H
#define REPLICATOR_TARGET_ACCEPTANCE_H

#include "config/config.h"
#include "pg/connection.h"
#include "stream/checkpoint.h"

/* Records the word for the stream's next start. ERROR_CONFIGURATION when the target knows no such stream. */
struct error *acceptance_record(struct pg_connection *connection, const struct config *config, const char *word);

/* Sets what was accepted and not used yet in the checkpoint. */
struct error *acceptance_read(struct pg_connection *connection, const struct config *config,
                              struct checkpoint *checkpoint);

/*
 * Marks as used what acceptance_read gave; inside the caller's transaction. With `new-slot` the recorded identity of the
 * source (source_identity.h) is forgotten.
 */
struct error *acceptance_use(struct pg_connection *connection, const struct config *config, int64_t last_id);

#endif
