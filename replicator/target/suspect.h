/*
 * suspect.h - rows whose values are not known: the connector lost the second half of their key change.
 *
 * NOTES
 *   They are noted in the target's state, in the transaction that moves them to their new key, until check_target
 *   --repair has fetched them again. Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_SUSPECT_H
#define REPLICATOR_TARGET_SUSPECT_H

#include "config/config.h"
#include "stream/transaction.h"
#include "target/binding.h"

/* `values`: by the relation's columns; those of the key are used. Errors: of the connection. */
struct error *suspect_mark(struct pg_connection *connection, const struct config *config, const struct binding *binding,
                           const struct value *values, const struct transaction *transaction);

#endif
