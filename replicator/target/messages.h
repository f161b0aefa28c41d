/*
 * messages.h - logical decoding messages (pg_logical_emit_message) as rows of state table `message`.
 *
 * Thread: the applier's; inside the target transaction that the caller opened.
 */
#ifndef REPLICATOR_TARGET_MESSAGES_H
#define REPLICATOR_TARGET_MESSAGES_H

#include "base/arena.h"
#include "config/config.h"
#include "event/change.h"
#include "pg/connection.h"

/*
 * Writes messages of one or more transactions, or leaves them out where the configuration says so (counted in
 * *ignored). A message that is there already stays as it is; our own fences are none of the user's. ERROR_EVENT: it
 * lacks its place or its content.
 */
struct error *messages_write(struct pg_connection *connection, const struct config *config,
                             const struct change *const *messages, size_t count, uint64_t *ignored);

/* A fence of ours (check/watermark.h), not a message of the user's. */
bool messages_is_ours(const struct change *message);

/* The content as the text of a bytea, in the arena or the message; data NULL: there is none. */
struct error *messages_read_content(const struct config *config, const struct change *message, struct arena *arena,
                                    struct value *content);

#endif
