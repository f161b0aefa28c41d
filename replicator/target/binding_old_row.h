/*
 * binding_old_row.h - by which key an event names the row that it changes.
 *
 * NOTES
 *   The source logs the columns of the table's replica identity, and the connector's messages have a key that need not be
 *   the same: message.key.columns, or a primary key next to REPLICA IDENTITY USING INDEX. Columns of the old row that were
 *   not logged come as NULL or, where they cannot be NULL, as the zero of their type (0, '', false, 1970-01-01), also in
 *   the message's key. A key without zeros was logged; one with a zero is not taken where another key fits better.
 *
 * Source: Debezium documentation, PostgreSQL connector, "Replica identity"; PostgreSQL documentation, "Logical
 * Replication Message Formats". Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_BINDING_OLD_ROW_H
#define REPLICATOR_TARGET_BINDING_OLD_ROW_H

#include "target/binding.h"

/* The binding or one of its others, whose key has values in the old row `before`. */
struct binding *binding_of_old_row(struct binding *binding, const struct value *before);

/* Whether the old row has the binding's key, as far as one can see. */
bool binding_tells_old_row(const struct binding *binding, const struct value *before);

/* Whether the value may stand for one that was not logged. */
bool binding_value_is_zero(const struct value *value);

/* The binding or one of its others, whose key has no NULL in a new row. */
struct binding *binding_of_new_row(struct binding *binding, const struct value *after);

#endif
