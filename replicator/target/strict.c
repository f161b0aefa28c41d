/* strict.c - change by change, in the source's order; a row's key changes are a file of their own, key_change.c. */
#include "base/memory.h"
#include "base/metrics.h"
#include "pg/sql.h"
#include "target/binding_old_row.h"
#include "target/ddl.h"
#include "target/inference.h"
#include "target/messages.h"
#include "target/mixed.h"
#include "target/rules.h"
#include "target/strict_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take_rows(void *context, size_t number, uint64_t rows)
{
	(void)number;
	*(uint64_t *)context = rows;
}

struct error *strict_send(const struct strict *strict, struct binding *binding, enum statement_kind kind,
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

static struct error *row_is_missing(const struct binding *binding)
{
	struct error *error;

	if (binding->filters)
		error = error_new(
		    ERROR_TARGET,
		    "table %s.%s: a row comes into the filter, and the event does not carry all of its values "
		    "(TOAST); set REPLICA IDENTITY FULL at the source, so that events do, and for this one copy "
		    "the row by hand",
		    binding->image->schema, binding->image->name);
	else
		error = error_new(
		    ERROR_TARGET,
		    "table %s.%s: the row to update is not in the target, and the event does not carry all of its "
		    "values (TOAST); copy the row again (check_target names it)",
		    binding->image->schema, binding->image->name);
	snprintf(error->sqlstate, sizeof(error->sqlstate), "%s", SQLSTATE_NO_ROW);
	return error;
}

struct error *strict_no_text(const struct binding *binding)
{
	return error_new(
	    ERROR_EVENT,
	    "table %s.%s: a filter takes texts, whole numbers, booleans, uuids and enums, and column \"%s\" "
	    "holds something else; filter by another column",
	    binding->relation->schema, binding->relation->table, binding->rule->filter.column);
}

void strict_count_ignored(const struct strict *strict, enum metric_counter rule)
{
	strict->counts->ignored++;
	metric_add(rule, 1);
}

/* An update or delete of that row found none. */
void strict_note_missing(const struct strict *strict, const struct binding *binding, const struct value *values)
{
	if (binding->filters) /* a row outside of the filter is not in the target */
		return;
	strict->counts->rows_missing++;
	missing_note(strict->counts->missing, binding, values != NULL && binding_has_key(binding, values), 1);
}

/*
 * False: the row left the filter and is only marked as deleted; what it holds is from before. Without a filter, or
 * where deletes are hard, a row that is there is alive.
 */
static struct error *row_is_alive(const struct strict *strict, const struct binding *binding,
                                  const struct value *values, bool *alive)
{
	struct stored_row row;

	*alive = true;
	if (!binding->filters || binding->is_deleted == NULL)
		return NULL;
	TRY(row_sender_read(strict->sender, strict->connection, binding, values, strict->arena, &row));
	*alive = row.values != NULL;
	return NULL;
}

/* The row of an update is not there by the messages' key: that changed, and the event does not say from what. */
static struct error *update_by_others(const struct strict *strict, const struct binding *binding, const bool *mask,
                                      const struct row_image *row, uint64_t *rows)
{
	/* Where deleted rows stay, they may have the values of other unique keys. */
	size_t count = binding->rule->delete_mode == DELETE_HARD ? binding->other_count : binding->chosen_key ? 1 : 0;

	*rows = 0;
	for (size_t i = 0; i < count && *rows == 0; i++)
		TRY(strict_send(strict, binding->others[i], STATEMENT_UPDATE, mask, row, rows));
	return NULL;
}

/* Triggers and rules of the target may suppress a change. Whether the row is there all the same, by its key. */
static struct error *row_is_there(const struct strict *strict, const struct binding *binding,
                                  const struct value *values, bool *there)
{
	struct stored_row row = {0};

	if (binding_has_key(binding, values))
		TRY(row_sender_read(strict->sender, strict->connection, binding, values, strict->arena, &row));
	*there = row.values != NULL;
	return NULL;
}

static struct error *is_suppressed(const struct binding *binding, const char *what)
{
	return error_new(
	    ERROR_TARGET,
	    "table %s.%s: the target did not %s, and reported no error: a trigger or rule of the target "
	    "suppresses the change; disable it for the daemon's session (ALTER TABLE ... ENABLE TRIGGER or "
	    "ENABLE RULE, without ALWAYS and REPLICA, where the session has session_replication_role = "
	    "replica; else DISABLE)",
	    binding->image->schema, binding->image->name, what);
}

/* The row exists afterwards, or the error says that it does not. */
static struct error *insert_row(const struct strict *strict, struct binding *binding, const struct row_image *row)
{
	enum statement_kind kind = row->stored != NULL ? STATEMENT_INSERT_COPY : STATEMENT_INSERT;
	uint64_t rows = 0;
	bool there;

	TRY(strict_send(strict, binding, kind, NULL, row, &rows));
	if (rows > 0)
		return NULL;
	TRY(row_is_there(strict, binding, row->values, &there));
	return there ? NULL : is_suppressed(binding, "insert a row");
}

/* `insert`: no row should be there, so that an upsert is the shortest way. */
struct error *strict_write_row(const struct strict *strict, struct binding *binding, const struct change *change,
                               const struct value *values, const char *stored, bool insert)
{
	struct row_image row = {.values = values, .change = change, .stored = stored};
	bool copy = stored != NULL;
	bool *mask = memory_alloc(binding->column_count + 1);
	bool whole = binding_mask(binding, values, mask);
	struct error *error = NULL;
	uint64_t rows = 0;
	bool alive = true, updates, there = false;

	insert = insert && !binding->chosen_key; /* an upsert meets the rows of one key alone */
	if (!whole && binding->key_count > 0)
		error = row_is_alive(strict, binding, values, &alive);
	updates = alive && binding->key_count > 0 && (!insert || !whole || !binding->upsert);
	if (error == NULL && updates)
		error =
		    strict_send(strict, binding, copy ? STATEMENT_UPDATE_COPY : STATEMENT_UPDATE, mask, &row, &rows);
	if (error == NULL && alive && rows == 0 && !insert && !copy)
		error = update_by_others(strict, binding, mask, &row, &rows);
	free(mask);
	TRY(error);
	if (rows == 0 && updates && binding->fires)
		TRY(row_is_there(strict, binding, values, &there));
	if (rows > 0 || there)
		return NULL;
	if (!whole)
		return row_is_missing(binding);
	/* Not a parked row; nor where the key is the target's own, under which the row may have had another one. */
	if (change != NULL && change->operation == CHANGE_UPDATE && !insert && alive && !binding->own_key)
		strict_note_missing(strict, binding, values);
	return insert_row(strict, binding, &row);
}

/*
 * With another replica identity than FULL the source sends the columns of an index alone, and NULL for the others: such
 * an image names no row of a table without a key.
 */
static struct error *check_old_row(const struct binding *binding, const struct value *values)
{
	for (size_t i = 0; i < binding->column_count; i++) {
		const struct bound_column *column = &binding->columns[i];

		if (column->image->not_null && bound_value(column, values)->kind == VALUE_NULL)
			return error_new(ERROR_EVENT,
			                 "table %s.%s has no key, and the old row of a change has NULL in column %s, "
			                 "which takes none: "
			                 "the source does not send whole old rows; set REPLICA IDENTITY FULL there",
			                 binding->relation->schema, binding->relation->table, column->image->name);
	}
	return NULL;
}

/* Of a table without a key. Columns that the image lacks are not compared. */
static struct error *remove_one(const struct strict *strict, struct binding *binding, const struct row_image *row,
                                uint64_t *rows)
{
	bool *mask = memory_alloc(binding->column_count + 1);
	bool whole = binding_mask(binding, row->values, mask);
	struct error *error = check_old_row(binding, row->values);

	if (error == NULL)
		error = strict_send(strict, binding, STATEMENT_DELETE_ONE, whole ? NULL : mask, row, rows);
	free(mask);
	return error;
}

/* The row that has the key, or of a table without one all the values, of `values`. */
struct error *strict_remove_row(const struct strict *strict, struct binding *binding, const struct change *change,
                                const struct value *values, bool *found)
{
	struct row_image row = {.values = values, .change = change};
	uint64_t rows = 0;
	bool there = false;

	*found = false;
	if (binding->rule->delete_mode == DELETE_IGNORE) {
		strict_count_ignored(strict, METRIC_LEFT_OUT_DELETE);
		*found = true;
		return NULL;
	}
	if (values == NULL)
		return error_new(ERROR_EVENT, "a delete without the old row; set REPLICA IDENTITY FULL at the source");
	if (binding_has_key(binding, values))
		TRY(strict_send(strict, binding, STATEMENT_DELETE, NULL, &row, &rows));
	else
		TRY(remove_one(strict, binding, &row, &rows));
	*found = rows > 0;
	if (rows == 0 && binding->fires)
		TRY(row_is_there(strict, binding, values, &there));
	return there ? is_suppressed(binding, "delete a row") : NULL;
}

/* The row is only changed where it is; its filter's column says that it is in the target if it was. */
static struct error *update_if_there(const struct strict *strict, struct binding *binding, const struct change *change)
{
	struct row_image row = {.values = change->after, .change = change};
	bool *mask = memory_alloc(binding->column_count + 1);
	struct error *error;
	uint64_t rows = 0;
	bool alive;

	binding_mask(binding, change->after, mask);
	error = row_is_alive(strict, binding, change->after, &alive);
	if (error == NULL && alive)
		error = strict_send(strict, binding, STATEMENT_UPDATE, mask, &row, &rows);
	free(mask);
	if (error == NULL && rows == 0)
		strict_count_ignored(strict, METRIC_LEFT_OUT_FILTER);
	return error;
}

/* As strict_write_row, under the rule's filter. */
struct error *strict_write_admitted(const struct strict *strict, struct binding *binding, const struct change *change,
                                    bool insert)
{
	bool found;

	switch (binding_membership(binding, change->after)) {
	case MEMBERSHIP_IN:
		return strict_write_row(strict, binding, change, change->after, NULL, insert);
	case MEMBERSHIP_UNCHANGED:
		return binding->key_count > 0 ? update_if_there(strict, binding, change) : strict_no_text(binding);
	case MEMBERSHIP_UNREADABLE:
		return strict_no_text(binding);
	case MEMBERSHIP_OUT:
		break;
	}
	strict_count_ignored(strict, METRIC_LEFT_OUT_FILTER);
	/* The source had no row of an inserted key, so nothing can be there. */
	if (binding->key_count == 0 || change->operation == CHANGE_INSERT)
		return NULL;
	return strict_remove_row(strict, binding, change, change->after, &found);
}

/* The other changes. */

static struct error *apply_delete(const struct strict *strict, struct binding *binding, const struct change *change)
{
	bool found;

	if (change->before != NULL)
		binding = binding_of_old_row(binding, change->before);
	if (change->other_key != NULL && change->before != NULL && binding->key_count > 0 && !binding->own_key)
		return key_change_apply_alone(strict, binding, change);
	/* With a key `before` may hold nothing else, and a row outside of the filter is not there. */
	if (binding->key_count == 0 && change->before != NULL &&
	    binding_membership(binding, change->before) == MEMBERSHIP_OUT) {
		strict_count_ignored(strict, METRIC_LEFT_OUT_FILTER);
		return NULL;
	}
	TRY(strict_remove_row(strict, binding, change, change->before, &found));
	if (!found)
		strict_note_missing(strict, binding, change->before);
	return parking_give(strict, binding, change->before);
}

static bool same_bytes(const struct value *a, const struct value *b)
{
	return a->kind == b->kind && a->length == b->length &&
	       (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
}

/* Whether an UPDATE can give the row its new values: a GENERATED ALWAYS AS IDENTITY column takes none. */
static bool updates_in_place(const struct binding *binding, const struct value *before, const struct value *after)
{
	for (size_t i = 0; i < binding->column_count; i++) {
		const struct bound_column *column = &binding->columns[i];

		if (column->image->identity == 'a' &&
		    !same_bytes(bound_value(column, before), bound_value(column, after)))
			return false;
	}
	return binding_mask(binding, before, NULL) && binding_mask(binding, after, NULL) &&
	       statement_may_update_one(binding);
}

/* `after` with what it lacks taken from the old row. */
static const struct value *fill_from(const struct strict *strict, const struct change *change)
{
	uint32_t count = change->relation->column_count;
	struct value *values = arena_alloc(strict->arena, (count + 1) * sizeof(*values));

	for (uint32_t i = 0; i < count; i++)
		values[i] = change->after[i].kind == VALUE_UNCHANGED ? change->before[i] : change->after[i];
	return values;
}

/* One row that is equal to the old one gets the new values; without one the new row is inserted all the same. */
static struct error *update_one(const struct strict *strict, struct binding *binding, const struct change *change)
{
	struct change filled = *change;
	struct row_image row = {.values = change->before, .change = change, .old = change->before};
	const struct row_image row_of_old = row;
	uint64_t rows = 0;
	bool updated = false, found;

	filled.after = fill_from(strict, change);
	if (binding_membership(binding, change->before) == MEMBERSHIP_OUT)
		return strict_write_admitted(strict, binding, &filled, true);
	if (binding_membership(binding, filled.after) == MEMBERSHIP_OUT) {
		TRY(strict_remove_row(strict, binding, change, change->before, &found));
	} else if (updates_in_place(binding, change->before, filled.after)) {
		row.values = filled.after;
		TRY(check_old_row(binding, change->before));
		TRY(strict_send(strict, binding, STATEMENT_UPDATE_ONE, NULL, &row, &rows));
		updated = found = rows > 0;
		if (!found && binding->fires) { /* a trigger or rule may have suppressed the UPDATE alone */
			TRY(remove_one(strict, binding, &row_of_old, &rows));
			found = rows > 0;
		}
	} else {
		TRY(remove_one(strict, binding, &row, &rows));
		found = rows > 0;
	}
	if (!found)
		strict_note_missing(strict, binding, change->before);
	return updated ? NULL : strict_write_admitted(strict, binding, &filled, true);
}

static struct error *apply_update(const struct strict *strict, struct binding *binding, const struct change *change)
{
	struct binding *said = binding;

	binding = binding_of_new_row(binding, change->after);
	if (change->before != NULL && binding->key_count > 0 &&
	    (binding->own_key || (binding != said && binding_tells_old_row(binding, change->before))))
		return key_change_apply_unsaid(strict, binding, change);
	if (binding_has_key(binding, change->after))
		return strict_write_admitted(strict, binding, change, false);
	if (change->before == NULL)
		return error_new(
		    ERROR_EVENT,
		    "an update of a table without a key carries no old row; set REPLICA IDENTITY "
		    "FULL at the source (flattened events never have the old row: give the table a key, or "
		    "exclude it)");
	return update_one(strict, binding, change);
}

static struct error *apply_truncate(const struct strict *strict, const struct binding *binding, size_t number)
{
	struct buffer sql = {0};
	struct error *error;

	if (binding->rule->truncate_mode == TRUNCATE_IGNORE) {
		strict_count_ignored(strict, METRIC_LEFT_OUT_TRUNCATE);
		return NULL;
	}
	TRY(mixed_check_truncate(strict->connection, strict->config, strict->transaction, number, strict->arena));
	statement_build_truncate(&sql, binding);
	error = pg_execute(strict->connection, sql.data);
	buffer_free(&sql);
	return error;
}

static struct error *apply_change(const struct strict *strict, struct binding *binding, size_t number, size_t *next)
{
	const struct change *change = strict->transaction->changes[number];

	*next = number + 1;
	if (key_change_is_whole(strict->transaction, number) && binding->key_count > 0 &&
	    (!binding->own_key || binding_has_key(binding, change->before))) {
		*next = number + 2;
		return key_change_apply(strict, binding_of_old_row(binding, change->before), change,
		                        strict->transaction->changes[number + 1]);
	}
	if (change->operation == CHANGE_DELETE)
		return apply_delete(strict, binding, change);
	if (change->operation == CHANGE_TRUNCATE)
		return apply_truncate(strict, binding, number);
	if (change->after == NULL)
		return error_new(ERROR_EVENT, "the event has no new row (`after`)");
	TRY(parking_end_key(strict, binding, change->after));
	if (change->operation == CHANGE_UPDATE)
		return apply_update(strict, binding, change);
	return strict_write_admitted(strict, binding_of_new_row(binding, change->after), change, true);
}

/*
 * The binding of a change. CREATE TABLE AS wrote its rows before its image could be logged: the table is made at the
 * first of them.
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
		failure = inference_follow(ddl, cache, strict->connection, strict->transaction, change, &made);
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
	struct strict_guard guard;
	struct binding *binding;
	struct error *error;

	if (ddl_is_log(change->relation) || change->operation == CHANGE_TRUNCATE)
		TRY(parking_end(strict, cache));
	if (ddl_is_log(change->relation))
		return ddl_apply(ddl, strict->connection, strict->transaction, change);
	TRY(find_binding(strict, cache, ddl, change, &binding));
	TRY(binding_check_ahead(binding, change));
	TRY(strict_guard_begin(strict, binding, &guard));
	error = inference_explain(apply_change(strict, binding, number, next), binding, change);
	return strict_guard_end(strict, binding, &guard, error);
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
		if (change->discarded)
			continue;
		if (change->operation == CHANGE_MESSAGE) {
			TRY(messages_write(strict->connection, binding_cache_config(cache), &change, 1,
			                   &strict->counts->ignored));
			continue;
		}
		error = apply_next(strict, cache, ddl, i, &next);
		TRY(error_wrap(error, "%s[%d]@%lld, transaction %llu, table %s.%s", name->topic, (int)name->id,
		               (long long)change->offset, (unsigned long long)change->tx_id, change->relation->schema,
		               change->relation->table));
	}
	return NULL;
}

struct error *batch_apply_piece(struct row_sender *sender, struct pg_connection *connection,
                                struct binding_cache *cache, const struct partition_list *partitions,
                                const struct transaction *piece, struct ddl *ddl, struct parking *parking,
                                struct batch_counts *counts)
{
	struct strict strict = {sender, connection, piece, counts, binding_cache_config(cache), arena_new(), parking};
	struct error *error = apply_all(&strict, cache, ddl, partitions);

	if (error == NULL && !piece->more_follows)
		error = parking_end(&strict, cache);
	arena_free(strict.arena);
	return error;
}

struct error *batch_apply_strictly(struct row_sender *sender, struct pg_connection *connection,
                                   struct binding_cache *cache, const struct partition_list *partitions,
                                   const struct transaction *transaction, struct batch_counts *counts)
{
	struct ddl *ddl = ddl_new(cache);
	struct parking *parking = parking_new();
	struct error *error =
	    batch_apply_piece(sender, connection, cache, partitions, transaction, ddl, parking, counts);

	if (error == NULL)
		error = ddl_finish(ddl, connection);
	parking_free(parking);
	ddl_free(ddl);
	return error;
}
