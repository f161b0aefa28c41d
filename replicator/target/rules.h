/*
 * rules.h - the configuration's rules about rows and columns, as the stream and check_target both need them.
 * Thread: any.
 */
#ifndef REPLICATOR_TARGET_RULES_H
#define REPLICATOR_TARGET_RULES_H

#include "base/arena.h"
#include "base/buffer.h"
#include "config/config.h"
#include "event/change.h"

/* Whether the entry is for the relation's column `number`: by the name as it came, or as it was before it was adjusted. */
bool rules_entry_matches(const struct column_rule *entry, const struct relation *relation, uint32_t number);

/* The rule of the relation's column `number`, also where the connector wrote the name otherwise (Avro). Never NULL. */
const struct column_rule *rules_column(const struct table_rule *rule, const struct relation *relation, uint32_t number);

/* Whether the rule's filter reads the relation's column `number`. */
bool rules_filter_reads(const struct table_rule *rule, const struct relation *relation, uint32_t number);

/* Whether PostgreSQL's text of the values is the event's, so that masks and filters see the same on both sides. */
bool rules_may_read_column(const struct column *column);
bool rules_may_read(const struct value *value);

/*
 * The text that an event has of the expression's value: of a boolean true and false, of other types what the output
 * function makes (sql_append_output). `category`: pg_type.typcategory, or 0 where it is not known.
 */
void rules_append_text(struct buffer *sql, const char *expression, char category);

/* `column_sql`, of that category, as a condition that is never NULL: "(… = ANY (ARRAY['DE'])) IS TRUE". */
void rules_append_admitted(struct buffer *sql, const struct row_filter *filter, const char *column_sql, char category);

/* The name in the target of the column that the filter reads; NULL: no filter, or the target has not its value. */
const char *rules_filter_target(const struct table_rule *rule);

/*
 * " AND …" that leaves the rows of others in a shared target table alone: those that another source wrote, those that
 * the filter (of target column `filter_column`, or NULL) does not admit. `alias` is "t." or "".
 */
void rules_append_scope(struct buffer *sql, const struct table_rule *rule, const char *alias, const char *source_value,
                        const char *filter_column);

/* A row as it may be kept in the target: see rules_mask_changes. `values` itself where the rule masks nothing. */
const struct value *rules_mask_row(const struct config *config, const struct table_rule *rule,
                                   const struct relation *relation, const struct value *values, struct arena *arena);

/*
 * The changes as they may be kept in the target: values of masked and excluded columns replaced, so that what applies
 * them later does the same. `changes` itself where no rule masks anything; else memory in the arena.
 */
struct change *const *rules_mask_changes(const struct config *config, struct change *const *changes, size_t count,
                                         struct arena *arena);

#define RULES_MASKS_TEXT 65 /* with the terminating zero */

/* A digest of the salt and of what the rules mask or leave out: another one where stored values have to be masked again. */
void rules_describe_masks(const struct config *config, char text[RULES_MASKS_TEXT]);

#endif
