/*
 * inference_state.h - what schema_history keeps of tables whose schema is inferred: rows without a log_id, whose image
 * has "events": {"columns": those that the events wrote, "dropped": those that inference dropped once}. Thread: the
 * applier's.
 */
#ifndef REPLICATOR_TARGET_INFERENCE_STATE_H
#define REPLICATOR_TARGET_INFERENCE_STATE_H

#include "stream/transaction.h"
#include "target/binding.h"

struct inference_state {
	bool known; /* there is a row */
	size_t count;
	const char *const *columns; /* of the target: the events had them, and they were never dropped */
};

struct inference_record {
	const struct transaction *transaction;
	const char *steps; /* array literals */
	const char *columns;
	const char *dropped;
	bool incremental; /* a row of an incremental snapshot may be ahead of the stream: its columns do not count */
};

struct error *inference_state_read(struct pg_connection *connection, const struct config *config,
                                   const struct relation *relation, struct arena *arena, struct inference_state *state);

bool inference_state_may_drop(const struct inference_state *state, const char *column);

struct error *inference_state_write(struct pg_connection *connection, const struct config *config,
                                    const struct binding *binding, const struct inference_record *record);

#endif
