/*
 * key_change.c - changes of a row's key, in the source's order.
 *
 * NOTES
 *   A key change comes as the delete of the old key and the insert of the new one. It is applied as what it was, an
 *   UPDATE of the key: placeholders and the target's own columns keep their values, and references that cascade follow.
 *   Where deletes are soft or ignored the old row has to stay, so the new one becomes a copy of it.
 *
 *   Where the new key is another row's, the row waits until that one has left it, too (parking.h).
 *
 *   A restart of the connector can lose the second half for ever (docs/connector-restarts.md). The first one names the
 *   new key: the target's own row gets it, and is marked as suspect, since what else the change wrote is not known.
 */
#include "base/log.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "target/strict_internal.h"
#include "target/suspect.h"

#include <stdlib.h>
#include <string.h>

bool key_change_is_whole(const struct transaction *transaction, size_t number)
{
	const struct change *change = transaction->changes[number];
	const struct change *next = number + 1 < transaction->change_count ? transaction->changes[number + 1] : NULL;

	return change->operation == CHANGE_DELETE && change->other_key != NULL && change->before != NULL &&
	       next != NULL && next->relation == change->relation && next->operation == CHANGE_INSERT &&
	       next->lsn == change->lsn && next->after != NULL;
}

/* `after` with what it lacks taken from `from`, which has a value for each column of the relation. */
static struct value *complete(const struct strict *strict, const struct relation *relation, const struct value *after,
                              const struct value *from)
{
	struct value *values = arena_alloc(strict->arena, relation->column_count * sizeof(*values));

	for (uint32_t i = 0; i < relation->column_count; i++)
		values[i] = after[i].kind == VALUE_UNCHANGED && from != NULL ? from[i] : after[i];
	return values;
}

/* Whether a row that changes its key is in the filter then; if not, that is counted. `was_there`: before. */
static bool comes_along(const struct strict *strict, enum membership membership, bool was_there)
{
	if (membership == MEMBERSHIP_IN || (membership == MEMBERSHIP_UNCHANGED && was_there))
		return true;
	strict_count_ignored(strict, METRIC_LEFT_OUT_FILTER);
	return false;
}

/* The row is not there, or its new key is another row's. */
static struct error *move_later(const struct strict *strict, struct binding *binding, const struct change *old,
                                const struct change *new)
{
	struct stored_row from;
	bool found;

	TRY(row_sender_read(strict->sender, strict->connection, binding, old->before, strict->arena, &from));
	TRY(strict_remove_row(strict, binding, old, old->before, &found));
	if (from.values != NULL)
		return parking_put(strict, binding, new->after, &from);
	strict_note_missing(strict, binding, old->before);
	TRY(parking_end_key(strict, binding, new->after));
	return strict_write_admitted(strict, binding, new, false);
}

static struct error *send_move(const struct strict *strict, struct binding *binding, const struct change *old,
                               const struct change *new, uint64_t *rows)
{
	struct value *old_key = arena_alloc(strict->arena, (binding->key_count + 1) * sizeof(*old_key));
	struct row_image row = {.values = new->after, .old_key = old_key, .change = new};
	bool *mask = memory_alloc(binding->column_count + 1);
	struct error *error;

	for (size_t i = 0; i < binding->key_count; i++)
		old_key[i] = *bound_value(&binding->columns[binding->key[i]], old->before);
	binding_mask(binding, new->after, mask);
	error = strict_send(strict, binding, STATEMENT_MOVE, mask, &row, rows);
	free(mask);
	return error;
}

static struct error *move_row(const struct strict *strict, struct binding *binding, const struct change *old,
                              const struct change *new)
{
	uint64_t rows = 0;
	bool found;

	if (binding_membership(binding, new->after) == MEMBERSHIP_OUT) {
		strict_count_ignored(strict, METRIC_LEFT_OUT_FILTER);
		return strict_remove_row(strict, binding, old, old->before, &found);
	}
	TRY(send_move(strict, binding, old, new, &rows));
	return rows > 0 ? NULL : move_later(strict, binding, old, new);
}

/* Whether the new row has to wait for its key; where deletes are ignored the key's last row is there for ever. */
static struct error *is_taken(const struct strict *strict, const struct binding *binding, const struct value *key,
                              bool *taken)
{
	struct stored_row row = {0};

	if (binding->rule->delete_mode != DELETE_IGNORE)
		TRY(row_sender_read(strict->sender, strict->connection, binding, key, strict->arena, &row));
	*taken = row.values != NULL;
	return NULL;
}

/* The old row stays behind, marked or untouched; or it goes, where its key cannot be changed. */
static struct error *copy_row(const struct strict *strict, struct binding *binding, const struct change *old,
                              const struct change *new)
{
	struct stored_row from;
	bool found, taken;

	TRY(row_sender_read(strict->sender, strict->connection, binding, old->before, strict->arena, &from));
	TRY(strict_remove_row(strict, binding, old, old->before, &found));
	if (!comes_along(strict, binding_membership(binding, new->after), from.values != NULL))
		return NULL;
	TRY(is_taken(strict, binding, new->after, &taken));
	if (taken && from.values != NULL)
		return parking_put(strict, binding, new->after, &from);
	TRY(parking_end_key(strict, binding, new->after));
	return strict_write_row(strict, binding, new, complete(strict, binding->relation, new->after, from.values),
	                        from.text, false);
}

/* GENERATED ALWAYS AS IDENTITY: an UPDATE cannot give the row another key, an INSERT can. */
static bool has_fixed_key(const struct binding *binding)
{
	for (size_t i = 0; i < binding->key_count; i++)
		if (binding->columns[binding->key[i]].image->identity == 'a')
			return true;
	return false;
}

static bool moves_in_place(const struct binding *binding)
{
	return binding->rule->delete_mode == DELETE_HARD && !has_fixed_key(binding);
}

struct error *key_change_apply(const struct strict *strict, struct binding *binding, const struct change *old,
                               const struct change *new)
{
	if (binding_membership(binding, new->after) == MEMBERSHIP_UNREADABLE)
		return strict_no_text(binding);
	if (moves_in_place(binding))
		TRY(move_row(strict, binding, old, new));
	else
		TRY(copy_row(strict, binding, old, new));
	return parking_give(strict, binding, old->before);
}

struct error *key_change_apply_unsaid(const struct strict *strict, struct binding *binding, const struct change *change)
{
	bool same = true;

	for (size_t i = 0; i < binding->key_count; i++) {
		const struct bound_column *column = &binding->columns[binding->key[i]];
		const struct value *old = bound_value(column, change->before);
		const struct value *new = bound_value(column, change->after);

		same = same && (new->kind == VALUE_UNCHANGED ||
		                (old->length == new->length &&
		                 (new->length == 0 || memcmp(old->data, new->data, new->length) == 0)));
	}
	if (same || !binding_has_key(binding, change->before))
		return strict_write_admitted(strict, binding, change, false);
	return key_change_apply(strict, binding, change, change);
}

/* From NULL: what happened since has been here before, or the row is lost as well; fetched again it is in any case. */
static struct error *move_alone(const struct strict *strict, struct binding *binding, const struct change *old,
                                const struct value *values)
{
	struct change new = *old;
	struct stored_row from;
	bool found;

	new.operation = CHANGE_INSERT;
	new.before = NULL;
	new.after = values;
	TRY(row_sender_read(strict->sender, strict->connection, binding, old->before, strict->arena, &from));
	if (from.values == NULL)
		return strict_remove_row(strict, binding, old, old->before, &found);
	return key_change_apply(strict, binding, old, &new);
}

struct error *key_change_apply_alone(const struct strict *strict, struct binding *binding, const struct change *old)
{
	const struct relation *relation = binding->relation;
	struct value *values = arena_alloc(strict->arena, relation->column_count * sizeof(*values));
	struct stored_row row;

	for (uint32_t i = 0; i < relation->column_count; i++)
		values[i] = (struct value){.kind = VALUE_UNCHANGED};
	for (size_t i = 0; i < binding->key_count; i++)
		if (binding->columns[binding->key[i]].constant == NULL)
			values[binding->columns[binding->key[i]].source] =
			    *bound_value(&binding->columns[binding->key[i]], old->before);
	for (uint32_t i = 0; i < relation->key_count; i++)
		values[relation->key_columns[i]] = old->other_key[i];
	TRY(move_alone(strict, binding, old, values));
	TRY(row_sender_read(strict->sender, strict->connection, binding, values, strict->arena, &row));
	log_warning(
	    "table %s.%s: the connector lost the second half of a key change (transaction %llu): the row has its "
	    "new key and is marked as suspect; check_target --repair fetches it again",
	    binding->image->schema, binding->image->name, (unsigned long long)old->tx_id);
	return suspect_mark(strict->connection, strict->config, binding, row.values != NULL ? row.values : values,
	                    strict->transaction);
}
