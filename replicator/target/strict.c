/*
 * strict.c - change by change, in the source's order.
 *
 * NOTES
 *   A key change comes as the delete of the old key and the insert of the new one. It is applied as what it was, an
 *   UPDATE of the key: placeholders and the target's own columns keep their values, and references that cascade follow.
 *   Where deletes are soft or ignored the old row has to stay, so the new one becomes a copy of it.
 *
 *   A deferrable key lets rows change places within a statement: 1 → 2, 2 → 1. One after the other, the second would take
 *   the row that the first has just moved. Such a run of key changes is taken apart: all old rows are read and removed,
 *   then all new ones written.
 */
#include "target/batch.h"

#include "base/memory.h"
#include "base/metrics.h"
#include "pg/sql.h"
#include "target/ddl.h"
#include "target/rules.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct strict {
	struct row_sender *sender;
	struct pg_connection *connection;
	const struct transaction *transaction;
	struct batch_counts *counts;
	struct arena *arena; /* values read from the target */
};

static void take_rows(void *context, size_t number, uint64_t rows)
{
	(void)number;
	*(uint64_t *)context = rows;
}

static struct error *send_one(const struct strict *strict, struct binding *binding, enum statement_kind kind,
                              const bool *mask, const struct row_image *row, uint64_t *rows)
{
	struct error *error;
	struct error *finished;

	*rows = 0;
	TRY(pg_pipeline_begin(strict->connection));
	metric_add(METRIC_ROWS_STRICT, 1);
	error = row_sender_send(strict->sender, strict->connection, binding, kind, mask, row, 1);
	finished = pg_pipeline_finish(strict->connection, take_rows, rows, NULL);
	if (error == NULL)
		return finished;
	error_free(finished);
	return error;
}

/* Which columns the image has; true: all. */
static bool mask_of(const struct binding *binding, const struct value *values, bool *mask)
{
	bool whole = true;

	for (size_t i = 0; i < binding->column_count; i++) {
		mask[i] = bound_value(&binding->columns[i], values)->kind != VALUE_UNCHANGED;
		whole = whole && mask[i];
	}
	return whole;
}

static struct error *row_is_missing(const struct binding *binding)
{
	if (binding->filters)
		return error_new(
		    ERROR_TARGET,
		    "table %s.%s: a row comes into the filter, and the event does not carry all of its values "
		    "(TOAST); set REPLICA IDENTITY FULL at the source, so that events do, and for this one copy "
		    "the row by hand",
		    binding->image->schema, binding->image->name);
	return error_new(ERROR_TARGET,
	                 "table %s.%s: the row to update is not in the target, and the event does not carry all of its "
	                 "values (TOAST); copy the row again (check_target names it)",
	                 binding->image->schema, binding->image->name);
}

static struct error *no_text(const struct binding *binding)
{
	return error_new(
	    ERROR_EVENT,
	    "table %s.%s: a filter takes texts, whole numbers, booleans, uuids and enums, and column \"%s\" "
	    "holds something else; filter by another column",
	    binding->relation->schema, binding->relation->table, binding->rule->filter.column);
}

static void count_ignored(const struct strict *strict, enum metric_counter rule)
{
	strict->counts->ignored++;
	metric_add(rule, 1);
}

/* `insert`: no row should be there, so that an upsert is the shortest way. */
static struct error *write_row(const struct strict *strict, struct binding *binding, const struct change *change,
                               const struct value *values, bool insert)
{
	struct row_image row = {values, NULL, change};
	bool *mask = memory_alloc(binding->column_count + 1);
	bool whole = mask_of(binding, values, mask);
	struct error *error = NULL;
	uint64_t rows = 0;

	if (binding->key_count > 0 && (!insert || !whole || !binding->upsert))
		error = send_one(strict, binding, STATEMENT_UPDATE, mask, &row, &rows);
	free(mask);
	TRY(error);
	if (rows > 0)
		return NULL;
	return whole ? send_one(strict, binding, STATEMENT_INSERT, NULL, &row, &rows) : row_is_missing(binding);
}

/* The row that has the key, or of a table without one all the values, of `values`. */
static struct error *remove_row(const struct strict *strict, struct binding *binding, const struct change *change,
                                const struct value *values, bool *found)
{
	struct row_image row = {values, NULL, change};
	uint64_t rows = 0;

	*found = false;
	if (binding->rule->delete_mode == DELETE_IGNORE) {
		count_ignored(strict, METRIC_LEFT_OUT_DELETE);
		*found = true;
		return NULL;
	}
	if (values == NULL)
		return error_new(ERROR_EVENT, "a delete without the old row; set REPLICA IDENTITY FULL at the source");
	TRY(send_one(strict, binding, binding->key_count > 0 ? STATEMENT_DELETE : STATEMENT_DELETE_ONE, NULL, &row,
	             &rows));
	*found = rows > 0;
	return NULL;
}

/* The row is only changed where it is; its filter's column says that it is in the target if it was. */
static struct error *update_if_there(const struct strict *strict, struct binding *binding, const struct change *change)
{
	struct row_image row = {change->after, NULL, change};
	bool *mask = memory_alloc(binding->column_count + 1);
	struct error *error;
	uint64_t rows;

	mask_of(binding, change->after, mask);
	error = send_one(strict, binding, STATEMENT_UPDATE, mask, &row, &rows);
	free(mask);
	if (error == NULL && rows == 0)
		count_ignored(strict, METRIC_LEFT_OUT_FILTER);
	return error;
}

/* As write_row, under the rule's filter. */
static struct error *write_admitted(const struct strict *strict, struct binding *binding, const struct change *change,
                                    bool insert)
{
	bool found;

	switch (binding_membership(binding, change->after)) {
	case MEMBERSHIP_IN:
		return write_row(strict, binding, change, change->after, insert);
	case MEMBERSHIP_UNCHANGED:
		return binding->key_count > 0 ? update_if_there(strict, binding, change) : no_text(binding);
	case MEMBERSHIP_UNREADABLE:
		return no_text(binding);
	case MEMBERSHIP_OUT:
		break;
	}
	count_ignored(strict, METRIC_LEFT_OUT_FILTER);
	/* The source had no row of an inserted key, so nothing can be there. */
	if (binding->key_count == 0 || change->operation == CHANGE_INSERT)
		return NULL;
	return remove_row(strict, binding, change, change->after, &found);
}

/* Key changes. */

static bool is_key_change(const struct transaction *transaction, size_t number)
{
	const struct change *change = transaction->changes[number];
	const struct change *next = number + 1 < transaction->change_count ? transaction->changes[number + 1] : NULL;

	return change->operation == CHANGE_DELETE && change->other_key != NULL && change->before != NULL &&
	       next != NULL && next->relation == change->relation && next->operation == CHANGE_INSERT &&
	       next->after != NULL;
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
		count_ignored(strict, METRIC_LEFT_OUT_FILTER);
		return remove_row(strict, binding, old, old->before, &found);
	}
	mask_of(binding, new->after, mask);
	error = send_one(strict, binding, STATEMENT_MOVE, mask, &row, &rows);
	free(mask);
	TRY(error);
	if (rows > 0)
		return NULL;
	/* The old row is not there, or the new one is: what happened since has been here before. */
	TRY(remove_row(strict, binding, old, old->before, &found));
	return write_admitted(strict, binding, new, false);
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

static bool has_placeholders(const struct binding *binding, const struct value *values)
{
	for (size_t i = 0; i < binding->column_count; i++)
		if (bound_value(&binding->columns[i], values)->kind == VALUE_UNCHANGED)
			return true;
	return false;
}

/* Whether a row that changes its key is in the filter then; if not, that is counted. `was_there`: before. */
static bool comes_along(const struct strict *strict, enum membership membership, bool was_there)
{
	if (membership == MEMBERSHIP_IN || (membership == MEMBERSHIP_UNCHANGED && was_there))
		return true;
	count_ignored(strict, METRIC_LEFT_OUT_FILTER);
	return false;
}

/* The old row stays behind, marked or untouched. */
static struct error *copy_row(const struct strict *strict, struct binding *binding, const struct change *old,
                              const struct change *new)
{
	enum membership membership = binding_membership(binding, new->after);
	struct value *from = NULL;
	bool found;

	if (membership == MEMBERSHIP_UNCHANGED || has_placeholders(binding, new->after))
		TRY(row_sender_read(strict->sender, strict->connection, binding, old->before, strict->arena, &from));
	TRY(remove_row(strict, binding, old, old->before, &found));
	if (!comes_along(strict, membership, from != NULL))
		return NULL;
	return write_row(strict, binding, new, complete(strict, binding->relation, new->after, from), false);
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
			TRY(remove_row(strict, binding, moving[i].old, moving[i].old->before, &found));
	for (size_t i = 0; i < count; i++)
		if (comes_along(strict, binding_membership(binding, moving[i].new->after), moving[i].old != NULL))
			TRY(write_row(strict, binding, moving[i].new, moving[i].values, false));
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
static struct error *change_keys(const struct strict *strict, struct binding *binding, size_t first, size_t *next)
{
	struct change **changes = strict->transaction->changes;
	size_t end = first;
	bool meet;

	while (end < strict->transaction->change_count && changes[end]->relation == binding->relation &&
	       is_key_change(strict->transaction, end))
		end += 2;
	*next = end;
	for (size_t i = first + 1; i < end; i += 2)
		if (binding_membership(binding, changes[i]->after) == MEMBERSHIP_UNREADABLE)
			return no_text(binding);
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

/* The other changes. */

static struct error *apply_delete(const struct strict *strict, struct binding *binding, const struct change *change)
{
	bool found;

	if (change->other_key != NULL)
		return error_new(ERROR_EVENT,
		                 "the delete is the first half of a key change whose second half never came "
		                 "(the connector lost it at a restart); resync the table");
	/* With a key `before` may hold nothing else, and a row outside of the filter is not there. */
	if (binding->key_count == 0 && change->before != NULL &&
	    binding_membership(binding, change->before) == MEMBERSHIP_OUT) {
		count_ignored(strict, METRIC_LEFT_OUT_FILTER);
		return NULL;
	}
	TRY(remove_row(strict, binding, change, change->before, &found));
	strict->counts->deletes_missing += found || binding->filters ? 0 : 1;
	return NULL;
}

static struct error *apply_update(const struct strict *strict, struct binding *binding, const struct change *change)
{
	struct row_image old = {change->before, NULL, change};
	uint64_t rows;

	if (binding->key_count > 0)
		return write_admitted(strict, binding, change, false);
	if (change->before == NULL)
		return error_new(
		    ERROR_EVENT,
		    "an update of a table without a key carries no old row; set REPLICA IDENTITY "
		    "FULL at the source (flattened events never have the old row: give the table a key, or "
		    "exclude it)");
	if (binding_membership(binding, change->before) != MEMBERSHIP_OUT)
		TRY(send_one(strict, binding, STATEMENT_DELETE_ONE, NULL, &old, &rows));
	return write_admitted(strict, binding, change, true);
}

/* In a table that several sources share only their own rows go. */
static struct error *apply_truncate(const struct strict *strict, const struct binding *binding)
{
	const char *filter_column = rules_filter_target(binding->rule);
	struct buffer sql = {0};
	struct error *error;

	if (binding->rule->truncate_mode == TRUNCATE_IGNORE) {
		count_ignored(strict, METRIC_LEFT_OUT_TRUNCATE);
		return NULL;
	}
	if (binding->rule->truncate_mode == TRUNCATE_SOFT) {
		statement_build_soft_truncate(&sql, binding);
	} else {
		/* Each truncated table has an event of its own; its neighbours by foreign keys must not go unasked. */
		buffer_append_text(&sql, "DELETE FROM ");
		sql_append_qualified(&sql, binding->image->schema, binding->image->name);
		buffer_append_text(&sql, " WHERE true");
	}
	rules_append_scope(&sql, binding->rule, "", binding->source_value, filter_column);
	error = pg_execute(strict->connection, sql.data);
	buffer_free(&sql);
	return error;
}

static struct error *apply_change(const struct strict *strict, struct binding *binding, size_t number, size_t *next)
{
	const struct change *change = strict->transaction->changes[number];

	*next = number + 1;
	if (is_key_change(strict->transaction, number) && binding->key_count > 0)
		return change_keys(strict, binding, number, next);
	if (change->operation == CHANGE_DELETE)
		return apply_delete(strict, binding, change);
	if (change->operation == CHANGE_TRUNCATE)
		return apply_truncate(strict, binding);
	if (change->after == NULL)
		return error_new(ERROR_EVENT, "the event has no new row (`after`)");
	if (change->operation == CHANGE_UPDATE)
		return apply_update(strict, binding, change);
	return write_admitted(strict, binding, change, true);
}

/*
 * The binding of a change. CREATE TABLE AS wrote its rows before its image could be logged: the table is made at the first
 * of them.
 */
static struct error *find_binding(const struct strict *strict, struct binding_cache *cache, struct ddl *ddl,
                                  const struct change *change, struct binding **binding)
{
	struct error *error = binding_find(cache, strict->connection, change->relation, binding);
	struct error *failure;
	bool made = false;

	/* With a SQLSTATE it was the server that refused, and the transaction is aborted. */
	if (error == NULL || error->class != ERROR_TARGET || error->sqlstate[0] != '\0' ||
	    pg_is_broken(strict->connection))
		return error;
	failure = ddl_make_early(ddl, strict->connection, strict->transaction, change->relation, &made);
	if (failure == NULL && !made)
		return error;
	error_free(error);
	TRY(failure);
	return binding_find(cache, strict->connection, change->relation, binding);
}

static struct error *apply_next(const struct strict *strict, struct binding_cache *cache, struct ddl *ddl,
                                size_t number, size_t *next)
{
	const struct change *change = strict->transaction->changes[number];
	struct binding *binding;

	if (ddl_is_log(change->relation))
		return ddl_apply(ddl, strict->connection, strict->transaction, change);
	TRY(find_binding(strict, cache, ddl, change, &binding));
	return apply_change(strict, binding, number, next);
}

static struct error *apply_all(const struct strict *strict, struct binding_cache *cache, struct ddl *ddl,
                               const struct partition_list *partitions)
{
	size_t next;

	for (size_t i = 0; i < strict->transaction->change_count; i = next) {
		const struct change *change = strict->transaction->changes[i];
		const struct partition_name *name = partition_list_get(partitions, change->partition);
		struct error *error;

		next = i + 1;
		if (change->operation == CHANGE_MESSAGE) {
			count_ignored(strict, METRIC_LEFT_OUT_MESSAGE);
			continue;
		}
		error = apply_next(strict, cache, ddl, i, &next);
		TRY(error_wrap(error, "%s[%d]@%lld, transaction %llu, table %s.%s", name->topic, (int)name->id,
		               (long long)change->offset, (unsigned long long)change->tx_id, change->relation->schema,
		               change->relation->table));
	}
	return NULL;
}

struct error *batch_apply_strictly(struct row_sender *sender, struct pg_connection *connection,
                                   struct binding_cache *cache, const struct partition_list *partitions,
                                   const struct transaction *transaction, struct batch_counts *counts)
{
	struct strict strict = {sender, connection, transaction, counts, arena_new()};
	struct ddl *ddl = ddl_new(cache);
	struct error *error = apply_all(&strict, cache, ddl, partitions);

	if (error == NULL)
		error = ddl_finish(ddl, connection);
	ddl_free(ddl);
	arena_free(strict.arena);
	return error;
}
