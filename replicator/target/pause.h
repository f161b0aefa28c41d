/*
 * pause.h - an operator's word in the stream's row: while it stands nothing is applied, by whichever instance holds the
 * stream, and however often that one is started. Kafka is read on until the queue is full.
 *
 * Thread: the connection's.
 */
#ifndef REPLICATOR_TARGET_PAUSE_H
#define REPLICATOR_TARGET_PAUSE_H

#include "config/config.h"
#include "pg/connection.h"

/* Says or takes back the word. ERROR_CONFIGURATION when the target knows no such stream. */
struct error *pause_set(struct pg_connection *connection, const struct config *config, bool paused);

struct error *pause_read(struct pg_connection *connection, const struct config *config, bool *paused);

/*
 * What the instance that holds the stream does: *obeyed, that its state is that of the word; *held, that there is one.
 */
struct error *pause_read_answer(struct pg_connection *connection, const struct config *config, bool *held,
                                bool *obeyed);

#endif
