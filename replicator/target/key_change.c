/*
 * key_change.c - changes of a row's key, in the source's order.
 *
 * NOTES
 *   A key change comes as the delete of the old key and the insert of the new one. It is applied as what it was, an
 *   UPDATE of the key: placeholders and the target's own columns keep their values, and references that cascade follow.
 *   Where deletes are soft or ignored the old row has to stay, so the new one becomes a copy of it.
 *
 *   A deferrable key lets rows change places within a statement: 1 → 2, 2 → 1. One after the other, the second would take
 *   the row that the first has just moved. Such a run of key changes is taken apart: all old rows are read and removed,
 *   then all new ones written.
 *
 *   A restart of the connector can lose the second half for ever (docs/connector-restarts.md). The first one names the new
 *   key: the target's own row gets it, and is marked as suspect, since what else the change wrote is not known.
 */
#include "base/log.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "target/strict_internal.h"
#include "target/suspect.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

bool key_change_is_whole(const struct transaction *transaction, size_t number)
{
	const struct change *change = transaction->changes[number];
	const struct change *next = number + 1 < transaction->change_count ? transaction->changes[number + 1] : NULL;

	return change->operation == CHANGE_DELETE && change->other_key != NULL && change->before != NULL &&
	       next != NULL && next->relation == change->relation && next->operation == CHANGE_INSERT &&
	       next->lsn == change->lsn && next->after != NULL;
}

static bool keys_equal(const struct relation *relation, const struct value *a, const struct value *b)
{
	for (uint32_t i = 0; i < relation->key_count; i++) {
		const struct value *x = &a[relation->key_columns[i]];
		const struct value *y = &b[relation->key_columns[i]];

		if (x->length != y->length || (x->length > 0 && memcmp(x->data, y->data, x->length) != 0))
			return false;
	}
	return true;
}

/* A row on its way from its old key to a new one. */
struct moving {
	struct moving *next;      /* in the chain of its key */
	const struct change *old; /* NULL: it was not in the target */
	const struct change *new;
	const struct value *values; /* its key among them */
};

/* Rows by their key; those of one key in the order in which they were put there. */
struct moving_map {
	const struct relation *relation;
	struct moving **chains;
	size_t mask;
};

static struct moving_map moving_map_new(const struct strict *strict, const struct relation *relation, size_t count)
{
	struct moving_map map = {relation, NULL, 1};

	while (map.mask < count)
		map.mask = map.mask * 2 + 1;
	map.chains = arena_alloc_zeroed(strict->arena, (map.mask + 1) * sizeof(*map.chains));
	return map;
}

static struct moving **moving_chain(const struct moving_map *map, const struct value *key)
{
	uint64_t hash = 0;

	for (uint32_t i = 0; i < map->relation->key_count; i++) {
		const struct value *value = &key[map->relation->key_columns[i]];

		if (value->length > 0)
			hash = XXH3_64bits_withSeed(value->data, value->length, hash);
	}
	return &map->chains[hash & map->mask];
}

static void moving_map_put(const struct moving_map *map, struct moving *moving)
{
	struct moving **link = moving_chain(map, moving->values);

	while (*link != NULL)
		link = &(*link)->next;
	moving->next = NULL;
	*link = moving;
}

/* The link to the row that has had the key since longest; to NULL when none has it. */
static struct moving **moving_map_find(const struct moving_map *map, const struct value *key)
{
	struct moving **link = moving_chain(map, key);

	while (*link != NULL && !keys_equal(map->relation, (*link)->values, key))
		link = &(*link)->next;
	return link;
}

static struct error *move_row(const struct strict *strict, struct binding *binding, const struct change *old,
                              const struct change *new)
{
	const struct relation *relation = binding->relation;
	struct value *old_key = arena_alloc(strict->arena, (relation->key_count + 1) * sizeof(*old_key));
	struct row_image row = {new->after, old_key, new};
	bool *mask = memory_alloc(binding->column_count + 1);
	struct error *error;
	uint64_t rows = 0;
	bool found;

	for (uint32_t i = 0; i < relation->key_count; i++)
		old_key[i] = old->before[relation->key_columns[i]];
	if (binding_membership(binding, new->after) == MEMBERSHIP_OUT) {
		free(mask);
		strict_count_ignored(strict, METRIC_LEFT_OUT_FILTER);
		return strict_remove_row(strict, binding, old, old->before, &found);
	}
	binding_mask(binding, new->after, mask);
	error = strict_send(strict, binding, STATEMENT_MOVE, mask, &row, &rows);
	free(mask);
	TRY(error);
	if (rows > 0)
		return NULL;
	/* The old row is not there, or the new one is: what happened since has been here before. */
	TRY(strict_remove_row(strict, binding, old, old->before, &found));
	return strict_write_admitted(strict, binding, new, false);
}

/*
 * Whether a row moves to a key that another one has, which moves away later: one that is in the target, or that has
 * moved there before.
 */
static struct error *keys_meet(const struct strict *strict, const struct binding *binding, size_t first, size_t end,
                               bool *meet)
{
	struct change **changes = strict->transaction->changes;
	struct moving_map arrived = moving_map_new(strict, binding->relation, (end - first) / 2);
	struct moving *moving = arena_alloc_zeroed(strict->arena, (end - first) / 2 * sizeof(*moving));

	*meet = false;
	for (size_t i = first; i < end && !*meet; i += 2, moving++) {
		struct moving **link = moving_map_find(&arrived, changes[i]->before);
		struct value *row = NULL;

		if (*link != NULL) { /* somebody came to the key that this row leaves */
			*link = (*link)->next;
			TRY(row_sender_read(strict->sender, strict->connection, binding, changes[i]->before,
			                    strict->arena, &row));
			*meet = row != NULL || *moving_map_find(&arrived, changes[i]->before) != NULL;
		}
		moving->values = changes[i + 1]->after;
		moving_map_put(&arrived, moving);
	}
	return NULL;
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

/* The old row stays behind, marked or untouched. */
static struct error *copy_row(const struct strict *strict, struct binding *binding, const struct change *old,
                              const struct change *new)
{
	enum membership membership = binding_membership(binding, new->after);
	struct value *from = NULL;
	bool found;

	if (membership == MEMBERSHIP_UNCHANGED || !binding_mask(binding, new->after, NULL))
		TRY(row_sender_read(strict->sender, strict->connection, binding, old->before, strict->arena, &from));
	TRY(strict_remove_row(strict, binding, old, old->before, &found));
	if (!comes_along(strict, membership, from != NULL))
		return NULL;
	return strict_write_row(strict, binding, new, complete(strict, binding->relation, new->after, from), false);
}

/*
 * Rows that change places within a statement: each old key means a row from before the statement, so the one that has
 * had it since longest. First that is the target's own, unless it has moved already.
 */
static struct error *exchange_rows(const struct strict *strict, struct binding *binding, size_t first, size_t end)
{
	const struct relation *relation = binding->relation;
	struct change **changes = strict->transaction->changes;
	size_t count = 0, most = (end - first) / 2;
	struct moving *moving = arena_alloc_zeroed(strict->arena, most * sizeof(*moving));
	struct moving *leaving = arena_alloc_zeroed(strict->arena, most * sizeof(*leaving));
	struct moving_map arrived = moving_map_new(strict, relation, most);
	struct moving_map left = moving_map_new(strict, relation, most);
	bool found;

	for (size_t i = first; i < end; i += 2) {
		const struct value *key = changes[i]->before;
		struct moving *row = NULL;
		struct value *from = NULL;

		if (*moving_map_find(&left, key) == NULL)
			TRY(row_sender_read(strict->sender, strict->connection, binding, key, strict->arena, &from));
		if (from != NULL) {
			leaving[count].values = key;
			moving_map_put(&left, &leaving[count]);
		} else {
			struct moving **link = moving_map_find(&arrived, key);

			row = *link;
			if (row != NULL)
				*link = row->next;
		}
		if (row == NULL) {
			row = &moving[count++];
			row->old = from != NULL ? changes[i] : NULL;
		}
		row->new = changes[i + 1];
		row->values = complete(strict, relation, row->new->after, from != NULL ? from : row->values);
		moving_map_put(&arrived, row);
	}
	for (size_t i = 0; i < count; i++)
		if (moving[i].old != NULL)
			TRY(strict_remove_row(strict, binding, moving[i].old, moving[i].old->before, &found));
	for (size_t i = 0; i < count; i++)
		if (comes_along(strict, binding_membership(binding, moving[i].new->after), moving[i].old != NULL))
			TRY(strict_write_row(strict, binding, moving[i].new, moving[i].values, false));
	return NULL;
}

/* GENERATED ALWAYS AS IDENTITY: an UPDATE cannot give the row another key, an INSERT can. */
static bool has_fixed_key(const struct binding *binding)
{
	for (size_t i = 0; i < binding->key_count; i++)
		if (binding->columns[binding->key[i]].image->identity_always)
			return true;
	return false;
}

/* *next: the change behind the run of key changes of this table. */
struct error *key_change_apply(const struct strict *strict, struct binding *binding, size_t first, size_t *next)
{
	struct change **changes = strict->transaction->changes;
	size_t end = first;
	bool meet;

	while (end < strict->transaction->change_count && changes[end]->relation == binding->relation &&
	       key_change_is_whole(strict->transaction, end))
		end += 2;
	*next = end;
	if (strict->transaction->cut_run && end == strict->transaction->change_count && !binding->upsert)
		return error_new(
		    ERROR_TARGET,
		    "table %s.%s: its key is deferrable, so that rows may change places within a statement, and more "
		    "than 64 MB of key changes in a row cannot be told apart; change the keys in smaller parts, or "
		    "make "
		    "the target's key NOT DEFERRABLE if the source's rows do not change places",
		    binding->image->schema, binding->image->name);
	for (size_t i = first + 1; i < end; i += 2)
		if (binding_membership(binding, changes[i]->after) == MEMBERSHIP_UNREADABLE)
			return strict_no_text(binding);
	TRY(keys_meet(strict, binding, first, end, &meet));
	if (meet)
		return exchange_rows(strict, binding, first, end);
	for (size_t i = first; i < end; i += 2)
		if (binding->rule->delete_mode == DELETE_HARD && !has_fixed_key(binding))
			TRY(move_row(strict, binding, changes[i], changes[i + 1]));
		else
			TRY(copy_row(strict, binding, changes[i], changes[i + 1]));
	return NULL;
}

/* From NULL: what happened since has been here before, or the row is lost as well; fetched again it is in any case. */
static struct error *move_alone(const struct strict *strict, struct binding *binding, const struct change *old,
                                const struct value *values)
{
	struct change new = *old;
	struct value *from;
	bool found;

	new.operation = CHANGE_INSERT;
	new.before = NULL;
	new.after = values;
	TRY(row_sender_read(strict->sender, strict->connection, binding, old->before, strict->arena, &from));
	if (from == NULL)
		return strict_remove_row(strict, binding, old, old->before, &found);
	if (binding->rule->delete_mode == DELETE_HARD && !has_fixed_key(binding))
		return move_row(strict, binding, old, &new);
	return copy_row(strict, binding, old, &new);
}

struct error *key_change_apply_alone(const struct strict *strict, struct binding *binding, const struct change *old)
{
	const struct relation *relation = binding->relation;
	struct value *values = arena_alloc(strict->arena, relation->column_count * sizeof(*values));
	struct value *row;

	for (uint32_t i = 0; i < relation->column_count; i++)
		values[i] = (struct value){.kind = VALUE_UNCHANGED};
	for (uint32_t i = 0; i < relation->key_count; i++)
		values[relation->key_columns[i]] = old->other_key[i];
	TRY(move_alone(strict, binding, old, values));
	TRY(row_sender_read(strict->sender, strict->connection, binding, values, strict->arena, &row));
	log_warning(
	    "table %s.%s: the connector lost the second half of a key change (transaction %llu): the row has its "
	    "new key and is marked as suspect; check_target --repair fetches it again",
	    binding->image->schema, binding->image->name, (unsigned long long)old->tx_id);
	return suspect_mark(strict->connection, strict->config, binding, row != NULL ? row : values,
	                    strict->transaction);
}
