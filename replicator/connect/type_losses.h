/*
 * type_losses.h - types of which the connector loses values, or that it leaves out of the events.
 *
 * Measured with Debezium 3.7 (docs/operations.md, "What the connector does not carry"; tests/golden/expected-failures.txt,
 * tests/golden/matrix/known-losses.txt). Thread: any.
 */
#ifndef REPLICATOR_CONNECT_TYPE_LOSSES_H
#define REPLICATOR_CONNECT_TYPE_LOSSES_H

#include "event/value.h"

struct type_loss {
	const char *type;
	bool array;
	bool problem;     /* no value arrives, or NULL in its place; else single values suffer */
	const char *loss; /* what follows "column c is of type t: " */
};

/* NULL: nothing is known to be lost. `old_rows`: the table has REPLICA IDENTITY FULL. */
const struct type_loss *type_loss_of(const struct target_type *type, bool old_rows);

#endif
