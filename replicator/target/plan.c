/*
 * plan.c - folding. See plan.h.
 */
#include "target/plan.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "target/binding_old_row.h"
#include "target/ddl.h"
#include "target/stream_lock.h"

#include <stdlib.h>
#include <xxhash.h>

struct plan {
	struct arena *arena;
	struct planned_row *rows;
	size_t count;
	size_t capacity;
	uint32_t *slots; /* row number + 1, open addressing by hash */
	size_t slot_count;
	struct plan_left_out left_out;
	const struct change **messages;
	size_t message_count;
	/* The bindings of all changes in the plan, including those of the transaction that is being added. */
	struct binding **used;
	size_t used_count;
	bool *is_used; /* by binding->number */
	size_t is_used_count;
};

struct plan *plan_new(void)
{
	struct plan *plan = memory_alloc(sizeof(*plan));

	plan->arena = arena_new();
	return plan;
}

void plan_free(struct plan *plan)
{
	if (plan == NULL)
		return;
	arena_free(plan->arena);
	free(plan->rows);
	free(plan->slots);
	free(plan->messages);
	free(plan->used);
	free(plan->is_used);
	free(plan);
}

const struct change *const *plan_messages(const struct plan *plan, size_t *count)
{
	*count = plan->message_count;
	return plan->messages;
}

struct plan_left_out plan_left_out(const struct plan *plan)
{
	return plan->left_out;
}

size_t plan_row_count(const struct plan *plan)
{
	return plan->count;
}

const struct planned_row *plan_row(const struct plan *plan, size_t number)
{
	return &plan->rows[number];
}

static const struct value *key_value(const struct binding *binding, size_t number, const struct value *values)
{
	return bound_value(&binding->columns[binding->key[number]], values);
}

static uint64_t hash_key(const struct binding *binding, const struct value *values)
{
	uint64_t hash = binding->number;

	for (size_t i = 0; i < binding->key_count; i++) {
		const struct value *value = key_value(binding, i, values);

		hash = XXH3_64bits_withSeed(value->data != NULL ? value->data : "", value->length, hash + value->kind);
	}
	return hash;
}

static bool same_key(const struct binding *binding, const struct value *a, const struct value *b)
{
	for (size_t i = 0; i < binding->key_count; i++) {
		const struct value *x = key_value(binding, i, a);
		const struct value *y = key_value(binding, i, b);

		if (x->kind != y->kind || x->length != y->length ||
		    (x->length > 0 && memcmp(x->data, y->data, x->length) != 0))
			return false;
	}
	return true;
}

static void grow_slots(struct plan *plan)
{
	size_t count = plan->slot_count == 0 ? 1024 : plan->slot_count * 2;

	free(plan->slots);
	plan->slots = memory_alloc(count * sizeof(*plan->slots));
	plan->slot_count = count;
	for (size_t i = 0; i < plan->count; i++) {
		size_t slot = plan->rows[i].hash & (count - 1);

		if (plan->rows[i].binding->key_count == 0) /* nobody looks for it */
			continue;
		while (plan->slots[slot] != 0)
			slot = (slot + 1) & (count - 1);
		plan->slots[slot] = (uint32_t)i + 1;
	}
}

static struct planned_row *add_row(struct plan *plan, struct binding *binding, uint64_t hash)
{
	struct planned_row *row;

	if (plan->count == plan->capacity) {
		plan->capacity = plan->capacity == 0 ? 1024 : plan->capacity * 2;
		plan->rows = memory_grow(plan->rows, plan->capacity, sizeof(*plan->rows));
	}
	row = &plan->rows[plan->count++];
	*row = (struct planned_row){.binding = binding, .hash = hash};
	return row;
}

/* The row of a key; NULL: it is not in the plan, and *free_slot is its place. */
static struct planned_row *find_row(struct plan *plan, const struct binding *binding, const struct value *values,
                                    uint64_t hash, size_t *free_slot)
{
	size_t slot;

	if ((plan->count + 1) * 2 > plan->slot_count)
		grow_slots(plan);
	for (slot = hash & (plan->slot_count - 1); plan->slots[slot] != 0; slot = (slot + 1) & (plan->slot_count - 1)) {
		struct planned_row *row = &plan->rows[plan->slots[slot] - 1];

		if (row->hash == hash && row->binding == binding && same_key(binding, row->values, values))
			return row;
	}
	*free_slot = slot;
	return NULL;
}

/* The row of a key; a new one has ROW_NOTHING and no values. */
static struct planned_row *row_of(struct plan *plan, struct binding *binding, const struct value *values)
{
	uint64_t hash = hash_key(binding, values);
	size_t slot;
	struct planned_row *row = find_row(plan, binding, values, hash, &slot);

	if (row != NULL)
		return row;
	plan->slots[slot] = (uint32_t)plan->count + 1;
	return add_row(plan, binding, hash);
}

static bool is_planned(struct plan *plan, const struct binding *binding, const struct value *values)
{
	size_t slot;

	return find_row(plan, binding, values, hash_key(binding, values), &slot) != NULL;
}

/* `after` with its placeholders filled from the image before it. */
static const struct value *merge(struct plan *plan, const struct binding *binding, const struct value *before,
                                 const struct value *after)
{
	size_t count = binding->relation->column_count;
	struct value *values = arena_alloc(plan->arena, count * sizeof(*values));

	for (size_t i = 0; i < count; i++)
		values[i] = after[i].kind == VALUE_UNCHANGED ? before[i] : after[i];
	return values;
}

/* Another row with the key of one that was deleted. */
static bool replaces(const struct planned_row *row)
{
	return row->replaced ||
	       (row->effect == ROW_DELETE && row->binding->keeps && row->binding->rule->delete_mode == DELETE_HARD);
}

static bool fold_insert(struct planned_row *row, const struct change *change)
{
	row->replaced = replaces(row);
	if (!row->existed || row->replaced)
		row->effect = ROW_INSERT;
	else
		row->effect = row->binding->filters ? ROW_UPSERT : ROW_UPDATE;
	row->values = change->after;
	row->placeholders = false;
	return true;
}

static bool fold_update(struct plan *plan, struct planned_row *row, const struct change *change)
{
	bool placeholders = !binding_mask(row->binding, change->after, NULL);

	if (row->binding->filters && !placeholders) { /* perhaps it comes into the filter */
		row->replaced = replaces(row);
		row->effect = row->effect == ROW_INSERT || row->replaced ? ROW_INSERT : ROW_UPSERT;
		row->values = change->after;
		row->placeholders = false;
		return true;
	}
	/* A row that was out of the filter may be there, marked as deleted, with values from before. */
	if (row->effect == ROW_DELETE ||
	    (row->values == NULL && row->binding->filters && row->binding->is_deleted != NULL))
		return false;
	if (row->values == NULL) {
		row->existed = true;
		row->effect = ROW_UPDATE;
		row->values = change->after;
	} else {
		row->values = placeholders ? merge(plan, row->binding, row->values, change->after) : change->after;
	}
	row->placeholders = placeholders && !binding_mask(row->binding, row->values, NULL);
	return true;
}

/* `image` holds the key. */
static bool fold_delete(struct planned_row *row, const struct value *image)
{
	if (row->values == NULL)
		row->existed = true;
	else if (row->binding->rule->delete_mode == DELETE_SOFT)
		return false; /* the row must get its last values first, then the mark */
	row->values = image;
	row->effect = ROW_DELETE;
	row->placeholders = false;
	return true;
}

static bool key_is_whole(const struct binding *binding, const struct value *values)
{
	for (size_t i = 0; i < binding->key_count; i++) {
		uint8_t kind = key_value(binding, i, values)->kind;

		if (kind == VALUE_NULL || kind == VALUE_UNCHANGED)
			return false;
	}
	return true;
}

/* False: the change cannot be folded. */
static bool fold_change(struct plan *plan, struct binding *binding, const struct change *change)
{
	bool deletes = change->operation == CHANGE_DELETE;
	const struct value *image = deletes ? change->before : change->after;
	enum membership membership;
	struct planned_row *row;
	bool folded;

	if (binding->strict || image == NULL || change->other_key != NULL)
		return false;
	membership = deletes ? MEMBERSHIP_IN : binding_membership(binding, image);
	if (membership != MEMBERSHIP_IN && membership != MEMBERSHIP_OUT)
		return false;
	if (binding->key_count == 0) {
		if (change->operation != CHANGE_INSERT && change->operation != CHANGE_READ)
			return false;
		if (membership == MEMBERSHIP_OUT) {
			plan->left_out.filtered++;
			return true;
		}
		row = add_row(plan, binding, 0);
		row->change = change;
		row->values = image;
		row->effect = ROW_INSERT;
		return true;
	}
	if (!binding->upsert || !key_is_whole(binding, image) ||
	    (deletes && binding_of_old_row(binding, image) != binding))
		return false;
	if (membership == MEMBERSHIP_OUT) {
		plan->left_out.filtered++;
		/*
		 * Nothing can be there, the source had no such row. A snapshot's row may have been another one before.
		 */
		if (change->operation == CHANGE_INSERT && !is_planned(plan, binding, image))
			return true;
		deletes = true;
	}
	if (deletes && binding->rule->delete_mode == DELETE_IGNORE) {
		plan->left_out.deletes++;
		return true;
	}
	if (!deletes && change->operation != CHANGE_UPDATE && !binding_mask(binding, image, NULL))
		return false;
	row = row_of(plan, binding, image);
	folded = deletes
	             ? fold_delete(row, image)
	             : (change->operation == CHANGE_UPDATE ? fold_update(plan, row, change) : fold_insert(row, change));
	row->change = change;
	if (row->values == NULL)
		row->values = image;
	return folded;
}

static void mark_used(struct plan *plan, struct binding *binding)
{
	if (binding->number >= plan->is_used_count) {
		size_t count = (size_t)binding->number + 64;

		plan->is_used = memory_grow(plan->is_used, count, sizeof(*plan->is_used));
		memset(plan->is_used + plan->is_used_count, 0, (count - plan->is_used_count) * sizeof(*plan->is_used));
		plan->is_used_count = count;
	}
	plan->is_used[binding->number] = true;
	plan->used = memory_grow(plan->used, plan->used_count + 1, sizeof(struct binding *));
	plan->used[plan->used_count++] = binding;
}

/*
 * The plan loses the order of changes in different bindings, so two bindings that may write the same row cannot be in
 * one plan. False: the binding cannot be used in this plan.
 */
static bool use_binding(struct plan *plan, struct binding *binding)
{
	if (binding->number < plan->is_used_count && plan->is_used[binding->number])
		return true;
	for (size_t i = 0; i < plan->used_count; i++)
		if (binding_may_meet(plan->used[i], binding))
			return false;
	mark_used(plan, binding);
	return true;
}

/* The binding that plans have for the rows of a relation. */
static struct error *find_binding(struct binding_cache *cache, struct pg_connection *connection,
                                  const struct relation *relation, struct binding **binding)
{
	TRY(binding_find(cache, connection, relation, binding));
	*binding = (*binding)->twin;
	return NULL;
}

/* A single transaction may have millions of changes, if memory_limit is high. */
static bool is_time_to_show_life(size_t number)
{
	return number % 65536 == 65535;
}

/* Whether every change of the transaction can be folded, looked at before the plan is touched. */
static struct error *may_fold(struct binding_cache *cache, struct pg_connection *connection, struct plan *plan,
                              const struct transaction *transaction, bool *may)
{
	int64_t shown_us = clock_monotonic_us();

	*may = transaction->spill == NULL;
	for (size_t i = 0; i < transaction->change_count && *may; i++) {
		const struct change *change = transaction->changes[i];
		struct binding *binding;

		if (is_time_to_show_life(i))
			TRY(stream_lock_keep(connection, &shown_us));
		if (change->operation == CHANGE_MESSAGE || change->discarded)
			continue;
		if (change->operation == CHANGE_TRUNCATE || change->other_key != NULL || ddl_is_log(change->relation)) {
			*may = false;
			return NULL;
		}
		TRY(find_binding(cache, connection, change->relation, &binding));
		*may = use_binding(plan, binding);
	}
	return NULL;
}

static void reset(struct plan *plan)
{
	arena_reset(plan->arena);
	plan->count = 0;
	plan->left_out = (struct plan_left_out){0};
	plan->message_count = 0;
	plan->used_count = 0;
	if (plan->is_used_count > 0)
		memset(plan->is_used, 0, plan->is_used_count * sizeof(*plan->is_used));
	if (plan->slot_count > 0)
		memset(plan->slots, 0, plan->slot_count * sizeof(*plan->slots));
}

static void add_message(struct plan *plan, const struct change *message)
{
	plan->messages = memory_grow(plan->messages, plan->message_count + 1, sizeof(*plan->messages));
	plan->messages[plan->message_count++] = message;
}

static bool fold_transaction(struct plan *plan, struct binding_cache *cache, struct pg_connection *connection,
                             const struct transaction *transaction)
{
	int64_t shown_us = clock_monotonic_us();

	for (size_t i = 0; i < transaction->change_count; i++) {
		const struct change *change = transaction->changes[i];
		struct binding *binding;
		struct error *error = NULL;

		if (change->operation == CHANGE_MESSAGE) {
			add_message(plan, change);
			continue;
		}
		if (change->discarded)
			continue;
		if (is_time_to_show_life(i))
			error = stream_lock_keep(connection, &shown_us);
		if (error == NULL)
			error = find_binding(cache, connection, change->relation, &binding);
		if (error != NULL || !fold_change(plan, binding, change)) {
			error_free(
			    error); /* may_fold bound all of them: this one says the same again when it goes strictly */
			return false;
		}
	}
	return true;
}

static struct error *build_up_to(struct plan *plan, struct binding_cache *cache, struct pg_connection *connection,
                                 const struct transaction *first, size_t limit, size_t *covered)
{
	const struct transaction *transaction = first;

	reset(plan);
	for (*covered = 0; transaction != NULL && *covered < limit; transaction = transaction->next) {
		struct error *error;
		bool may;

		error = may_fold(cache, connection, plan, transaction, &may);
		if (error != NULL && *covered > 0) { /* it comes again when it is the first */
			error_free(error);
			return NULL;
		}
		TRY(error);
		if (!may || !fold_transaction(plan, cache, connection, transaction))
			return NULL;
		(*covered)++;
	}
	return NULL;
}

struct error *plan_build(struct plan *plan, struct binding_cache *cache, struct pg_connection *connection,
                         const struct transaction *first, size_t *covered)
{
	size_t reached;

	TRY(build_up_to(plan, cache, connection, first, SIZE_MAX, covered));
	/* A transaction that could not be folded may have left half of itself: once more, without it. */
	reached = *covered;
	if (reached > 0) {
		const struct transaction *last = first;

		for (size_t i = 1; i < reached; i++)
			last = last->next;
		if (last->next != NULL)
			return build_up_to(plan, cache, connection, first, reached, covered);
	}
	return NULL;
}
