/*
 * binding_rules.h - what the configuration's rules make of a bound column and of a binding, for binding.c.
 * Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_BINDING_RULES_H
#define REPLICATOR_TARGET_BINDING_RULES_H

#include "target/binding.h"

/* Gives the column, whose image is known, its conversion, mask or cast. ERROR_TARGET: it cannot be, and why. */
struct error *binding_apply_rule(struct binding *binding, struct pg_connection *connection, const struct config *config,
                                 const struct column_rule *rule, struct arena *arena, struct bound_column *column);

/* Appends the source column, when the rule has one and the relation has columns; `columns` has room for it. */
struct error *binding_add_source_column(struct binding *binding, const struct config *config, struct arena *arena,
                                        struct bound_column *columns);

/*
 * ERROR_TARGET: an entry of `columns` that names one column of one table (no pattern) matches none: a mask with a wrong
 * name hides nothing. Columns that the table had before, or that the target has under the entry's name, count.
 */
/*
 * Fields of flattened events that were taken for the transform's, although the target's table has such a column: its
 * values would be lost. A rule that excludes the column permits it.
 */
struct error *binding_check_taken(const struct binding *binding);

struct error *binding_check_entries(const struct binding *binding, struct pg_connection *connection,
                                    const struct config *config);

/* Finds the column that the rule's filter reads. */
struct error *binding_add_filter(struct binding *binding, const struct config *config);

#endif
