/* explain.c - see explain.h */
#include "target/explain.h"

#include <stdlib.h>

#include "base/memory.h"
#include "target/ddl.h"

static struct error *append_statement(struct row_sender *sender, const struct binding *binding,
                                      enum statement_kind kind, const bool *mask, const struct row_image *row,
                                      struct buffer *text)
{
	const char *const *parameters;
	const char *sql;
	size_t count;

	TRY(row_sender_show(sender, binding, kind, mask, row, &sql, &parameters, &count));
	buffer_append_format(text, "    %s;\n", sql);
	for (size_t i = 0; i < count; i++)
		buffer_append_format(text, "      $%zu = %s\n", i + 1, parameters[i]);
	return NULL;
}

static struct error *explain_write(struct row_sender *sender, const struct binding *binding,
                                   const struct change *change, struct buffer *text)
{
	struct row_image row = {.values = change->after, .change = change};
	bool *mask = memory_alloc(binding->column_count + 1);
	bool whole = binding_mask(binding, change->after, mask);
	struct error *error;

	if (!whole)
		buffer_append_text(text, "    -- unchanged TOAST values are left as they are\n");
	if (binding_has_key(binding, change->after) && (change->operation == CHANGE_UPDATE || !whole))
		error = append_statement(sender, binding, STATEMENT_UPDATE, whole ? NULL : mask, &row, text);
	else
		error = append_statement(sender, binding, STATEMENT_INSERT, NULL, &row, text);
	free(mask);
	return error;
}

/* Under the rule's filter. */
static struct error *explain_admitted(struct row_sender *sender, const struct binding *binding,
                                      const struct change *change, struct buffer *text)
{
	struct row_image row = {.values = change->after, .change = change};

	switch (binding_membership(binding, change->after)) {
	case MEMBERSHIP_OUT:
		if (binding->key_count == 0 || change->operation == CHANGE_INSERT) {
			buffer_append_text(text, "    -- nothing: the row is outside of the table's filter\n");
			return NULL;
		}
		buffer_append_text(text, "    -- outside of the table's filter: the row goes if it is there\n");
		return append_statement(sender, binding, STATEMENT_DELETE, NULL, &row, text);
	case MEMBERSHIP_UNREADABLE:
		buffer_append_text(text, "    -- stops the stream: the filter cannot read the value\n");
		return NULL;
	case MEMBERSHIP_UNCHANGED:
		buffer_append_text(text, "    -- in the filter if the row is in the target\n");
		break;
	case MEMBERSHIP_IN:
		break;
	}
	return explain_write(sender, binding, change, text);
}

static struct error *explain_delete(struct row_sender *sender, const struct binding *binding,
                                    const struct change *change, struct buffer *text)
{
	struct row_image row = {.values = change->before, .change = change};

	if (change->other_key != NULL)
		buffer_append_text(text,
		                   "    -- first half of a key change: with the CREATE behind it the row is moved\n");
	if (binding->rule->delete_mode == DELETE_IGNORE) {
		buffer_append_text(text, "    -- nothing: delete = \"ignore\" for this table\n");
		return NULL;
	}
	if (change->before == NULL) {
		buffer_append_text(text, "    -- stops the stream: a delete without the old row\n");
		return NULL;
	}
	if (binding->key_count == 0 && binding_membership(binding, change->before) == MEMBERSHIP_OUT) {
		buffer_append_text(text, "    -- nothing: the row is outside of the table's filter\n");
		return NULL;
	}
	return append_statement(sender, binding,
	                        binding_has_key(binding, change->before) ? STATEMENT_DELETE : STATEMENT_DELETE_ONE,
	                        NULL, &row, text);
}

static void explain_truncate(const struct binding *binding, struct buffer *text)
{
	buffer_append_text(text, "    ");
	if (binding->rule->truncate_mode == TRUNCATE_IGNORE)
		buffer_append_text(text, "-- nothing: truncate = \"ignore\" for this table");
	else
		statement_build_truncate(text, binding);
	buffer_append_byte(text, '\n');
}

/* A row without a key: one of those that are equal to the old one gets the new values. */
static struct error *explain_keyless_update(struct row_sender *sender, const struct binding *binding,
                                            const struct change *change, struct buffer *text)
{
	struct row_image old = {.values = change->before, .change = change, .old = change->before};

	if (change->before == NULL) {
		buffer_append_text(text, "    -- stops the stream: no old row (REPLICA IDENTITY FULL is needed)\n");
		return NULL;
	}
	if (binding_membership(binding, change->before) == MEMBERSHIP_OUT)
		return explain_admitted(sender, binding, change, text);
	if (binding_membership(binding, change->after) == MEMBERSHIP_OUT || !statement_may_update_one(binding)) {
		TRY(append_statement(sender, binding, STATEMENT_DELETE_ONE, NULL, &old, text));
		return explain_admitted(sender, binding, change, text);
	}
	old.values = change->after;
	return append_statement(sender, binding, STATEMENT_UPDATE_ONE, NULL, &old, text);
}

struct error *explain_change(struct row_sender *sender, struct pg_connection *connection, struct binding_cache *cache,
                             const struct change *change, struct buffer *text)
{
	struct binding *binding;

	if (change->operation == CHANGE_MESSAGE) {
		buffer_append_text(text, binding_cache_config(cache)->stream.messages == MESSAGES_TABLE
		                             ? "    -- a row of the state table message\n"
		                             : "    -- nothing: messages = \"ignore\"\n");
		return NULL;
	}
	if (config_table_rule(binding_cache_config(cache), change->relation->schema, change->relation->table)
	        ->exclude &&
	    !ddl_is_log(change->relation)) {
		buffer_append_text(text, "    -- nothing: left out by a rule (exclude)\n");
		return NULL;
	}
	if (ddl_is_log(change->relation)) {
		buffer_append_text(text,
		                   "    -- a schema change: what it does follows from the difference of the images "
		                   "(`replicator schema TABLE`)\n");
		return NULL;
	}
	TRY(binding_find(cache, connection, change->relation, &binding));
	if (change->operation == CHANGE_TRUNCATE)
		explain_truncate(binding, text);
	else if (change->operation == CHANGE_DELETE)
		return explain_delete(sender, binding, change, text);
	else if (change->operation == CHANGE_UPDATE && change->after != NULL &&
	         !binding_has_key(binding, change->after))
		return explain_keyless_update(sender, binding, change, text);
	else if (change->after != NULL)
		return explain_admitted(sender, binding, change, text);
	return NULL;
}
