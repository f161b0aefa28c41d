/*
 * batch.c - the two ways to apply: set-wise, and change by change.
 */
#include "target/batch.h"

#include "base/memory.h"
#include "pg/sql.h"

#include <stdlib.h>

#define CHUNK_ROWS 4000 /* of one statement */
#define COPY_ROWS 200   /* from here on inserts go by COPY */
#define COPY_PAUSE 100  /* batches */

struct expectation {
	uint64_t rows;
	bool exact; /* else fewer are counted as missing deletes */
	const struct binding *binding;
};

struct run {
	struct expectation *expected;
	size_t count;
	size_t capacity;
	struct batch_counts *counts;
	const struct binding *broken; /* did not do what was planned */
	uint64_t last_rows;
};

static void expect(struct run *run, const struct binding *binding, uint64_t rows, bool exact)
{
	if (run->count == run->capacity) {
		run->capacity = run->capacity == 0 ? 64 : run->capacity * 2;
		run->expected = memory_grow(run->expected, run->capacity, sizeof(*run->expected));
	}
	run->expected[run->count++] = (struct expectation){rows, exact, binding};
}

static void take_answer(void *context, size_t number, uint64_t rows)
{
	struct run *run = context;
	const struct expectation *expected = &run->expected[number];

	run->last_rows = rows;
	if (rows == expected->rows)
		return;
	if (expected->exact || rows > expected->rows)
		run->broken = expected->binding;
	else
		run->counts->deletes_missing += expected->rows - rows;
}

static struct error *finish_run(struct run *run, struct pg_connection *connection, struct error *sent)
{
	struct error *error;

	error = pg_pipeline_finish(connection, take_answer, run, NULL);
	free(run->expected);
	run->expected = NULL;
	if (sent != NULL) {
		error_free(error);
		return sent;
	}
	if (error == NULL && run->broken != NULL)
		return error_new(ERROR_CONSTRAINT, "table %s.%s: a statement met another number of rows than planned",
		                 run->broken->image->schema, run->broken->image->name);
	return error;
}

/* Rows of one binding with one effect. */
struct selection {
	struct row_image *rows;
	size_t count;
	size_t capacity;
};

struct group {
	struct binding *binding;
	struct selection deletes, updates, partial, inserts;
};

static void select_row(struct selection *selection, const struct planned_row *row)
{
	if (selection->count == selection->capacity) {
		selection->capacity = selection->capacity == 0 ? 64 : selection->capacity * 2;
		selection->rows = memory_grow(selection->rows, selection->capacity, sizeof(*selection->rows));
	}
	selection->rows[selection->count++] = (struct row_image){row->values, NULL, row->change};
}

static int by_rank(const void *a, const void *b)
{
	const struct group *first = a;
	const struct group *second = b;

	return (first->binding->rank > second->binding->rank) - (first->binding->rank < second->binding->rank);
}

static struct group *group_rows(const struct plan *plan, struct binding_cache *cache)
{
	size_t count = binding_cache_count(cache);
	struct group *groups = memory_alloc((count + 1) * sizeof(*groups));

	for (uint32_t i = 0; i < count; i++)
		groups[i].binding = binding_cache_get(cache, i);
	for (size_t i = 0; i < plan_row_count(plan); i++) {
		const struct planned_row *row = plan_row(plan, i);
		struct group *group = &groups[row->binding->number];

		if (row->effect == ROW_DELETE)
			select_row(&group->deletes, row);
		else if (row->effect == ROW_UPDATE)
			select_row(row->placeholders ? &group->partial : &group->updates, row);
		else if (row->effect == ROW_INSERT)
			select_row(&group->inserts, row);
	}
	qsort(groups, count, sizeof(*groups), by_rank);
	return groups;
}

static struct error *send_chunks(struct row_sender *sender, struct pg_connection *connection,
                                 const struct binding *binding, enum statement_kind kind,
                                 const struct selection *selection, bool exact, struct run *run)
{
	for (size_t i = 0; i < selection->count; i += CHUNK_ROWS) {
		size_t count = selection->count - i < CHUNK_ROWS ? selection->count - i : CHUNK_ROWS;

		expect(run, binding, count, exact);
		TRY(row_sender_send(sender, connection, binding, kind, NULL, selection->rows + i, count));
	}
	return NULL;
}

static void mask_of(const struct binding *binding, const struct value *values, bool *mask)
{
	for (size_t i = 0; i < binding->column_count; i++)
		mask[i] = values[binding->columns[i].source].kind != VALUE_UNCHANGED;
}

static struct error *send_partial(struct row_sender *sender, struct pg_connection *connection,
                                  const struct group *group, struct run *run)
{
	bool *mask = memory_alloc(group->binding->column_count + 1);
	struct error *error = NULL;

	for (size_t i = 0; i < group->partial.count && error == NULL; i++) {
		mask_of(group->binding, group->partial.rows[i].values, mask);
		expect(run, group->binding, 1, true);
		error = row_sender_send(sender, connection, group->binding, STATEMENT_UPDATE, mask,
		                        &group->partial.rows[i], 1);
	}
	free(mask);
	return error;
}

static bool goes_by_copy(const struct group *group)
{
	return group->inserts.count >= COPY_ROWS && group->binding->copy_pause == 0;
}

static struct error *send_groups(struct row_sender *sender, struct pg_connection *connection,
                                 const struct group *groups, size_t count, struct run *run)
{
	for (size_t i = count; i-- > 0;)
		TRY(send_chunks(sender, connection, groups[i].binding, STATEMENT_DELETE, &groups[i].deletes, false,
		                run));
	for (size_t i = 0; i < count; i++) {
		TRY(send_chunks(sender, connection, groups[i].binding, STATEMENT_UPDATE, &groups[i].updates, true,
		                run));
		TRY(send_partial(sender, connection, &groups[i], run));
		if (!goes_by_copy(&groups[i]))
			TRY(send_chunks(sender, connection, groups[i].binding, STATEMENT_INSERT, &groups[i].inserts,
			                true, run));
	}
	return NULL;
}

/* COPY under a savepoint; a row that is there already turns it into an upsert. */
static struct error *copy_group(struct row_sender *sender, struct pg_connection *connection, struct group *group,
                                struct batch_counts *counts)
{
	struct run run = {.counts = counts};
	struct error *error;

	TRY(pg_execute(connection, "SAVEPOINT replicator_copy"));
	error = row_sender_copy(sender, connection, group->binding, group->inserts.rows, group->inserts.count);
	if (error == NULL)
		return pg_execute(connection, "RELEASE SAVEPOINT replicator_copy");
	if (strcmp(error->sqlstate, "23505") != 0 || group->binding->key_count == 0)
		return error;
	error_free(error);
	group->binding->copy_pause = COPY_PAUSE;
	TRY(pg_execute(connection, "ROLLBACK TO SAVEPOINT replicator_copy"));
	TRY(pg_pipeline_begin(connection));
	error = send_chunks(sender, connection, group->binding, STATEMENT_INSERT, &group->inserts, true, &run);
	return finish_run(&run, connection, error);
}

struct error *batch_apply_plan(struct row_sender *sender, struct pg_connection *connection, const struct plan *plan,
                               struct binding_cache *cache, struct batch_counts *counts)
{
	size_t count = binding_cache_count(cache);
	struct group *groups = group_rows(plan, cache);
	struct run run = {.counts = counts};
	struct error *error = pg_pipeline_begin(connection);

	if (error == NULL) {
		error = send_groups(sender, connection, groups, count, &run);
		error = finish_run(&run, connection, error);
	}
	for (size_t i = 0; i < count; i++) {
		if (error == NULL && goes_by_copy(&groups[i]))
			error = copy_group(sender, connection, &groups[i], counts);
		else if (groups[i].binding->copy_pause > 0)
			groups[i].binding->copy_pause--;
		free(groups[i].deletes.rows);
		free(groups[i].updates.rows);
		free(groups[i].partial.rows);
		free(groups[i].inserts.rows);
	}
	free(groups);
	return error;
}

/* Change by change. */

static struct error *send_one(struct row_sender *sender, struct pg_connection *connection, struct binding *binding,
                              enum statement_kind kind, const bool *mask, const struct row_image *row, uint64_t *rows)
{
	struct batch_counts ignored = {0};
	struct run run = {.counts = &ignored};
	struct error *error;

	TRY(pg_pipeline_begin(connection));
	expect(&run, binding, UINT64_MAX, false);
	error = row_sender_send(sender, connection, binding, kind, mask, row, 1);
	error = finish_run(&run, connection, error);
	*rows = run.last_rows;
	return error;
}

static struct error *strict_upsert(struct row_sender *sender, struct pg_connection *connection, struct binding *binding,
                                   const struct change *change)
{
	struct row_image row = {change->after, NULL, change};
	bool *mask = memory_alloc(binding->column_count + 1);
	struct error *error = NULL;
	bool whole = true;
	uint64_t rows = 0;

	mask_of(binding, change->after, mask);
	for (size_t i = 0; i < binding->column_count; i++)
		whole = whole && mask[i];
	if (binding->key_count > 0 && (change->operation == CHANGE_UPDATE || !whole || !binding->upsert)) {
		bool move = change->operation == CHANGE_INSERT && change->other_key != NULL && !whole;

		row.old_key = move ? change->other_key : NULL;
		error =
		    send_one(sender, connection, binding, move ? STATEMENT_MOVE : STATEMENT_UPDATE, mask, &row, &rows);
		row.old_key = NULL;
	}
	if (error == NULL && rows == 0 && !whole)
		error = error_new(
		    ERROR_TARGET,
		    "table %s.%s: the row to update is not in the target, and the event does not carry all of its "
		    "values (TOAST); copy the row again (check_target names it)",
		    binding->image->schema, binding->image->name);
	else if (error == NULL && rows == 0)
		error = send_one(sender, connection, binding, STATEMENT_INSERT, NULL, &row, &rows);
	free(mask);
	return error;
}

/* The second half of a key change whose placeholders live in the target's old row: that row must not be deleted first. */
static bool delete_belongs_to_move(const struct binding *binding, const struct transaction *transaction, size_t number)
{
	const struct change *next = number + 1 < transaction->change_count ? transaction->changes[number + 1] : NULL;

	if (next == NULL || next->relation != binding->relation || next->operation != CHANGE_INSERT ||
	    next->other_key == NULL)
		return false;
	for (size_t i = 0; i < binding->column_count; i++)
		if (next->after[binding->columns[i].source].kind == VALUE_UNCHANGED)
			return true;
	return false;
}

static struct error *check_key_change(const struct transaction *transaction, size_t number)
{
	const struct change *change = transaction->changes[number];
	const struct change *next = number + 1 < transaction->change_count ? transaction->changes[number + 1] : NULL;

	if (change->other_key == NULL || (next != NULL && next->relation->collection == change->relation->collection &&
	                                  next->operation == CHANGE_INSERT))
		return NULL;
	return error_new(ERROR_EVENT, "the delete is the first half of a key change whose second half never came (the "
	                              "connector lost it at a restart); resync the table");
}

static struct error *strict_delete(struct row_sender *sender, struct pg_connection *connection, struct binding *binding,
                                   const struct transaction *transaction, size_t number, struct batch_counts *counts)
{
	const struct change *change = transaction->changes[number];
	struct row_image row = {change->before, NULL, change};
	uint64_t rows = 0;

	TRY(check_key_change(transaction, number));
	if (binding->rule->delete_mode == DELETE_IGNORE) {
		counts->ignored++;
		return NULL;
	}
	if (change->before == NULL)
		return error_new(ERROR_EVENT, "a delete without the old row; set REPLICA IDENTITY FULL at the source");
	if (delete_belongs_to_move(binding, transaction, number))
		return NULL;
	TRY(send_one(sender, connection, binding, binding->key_count > 0 ? STATEMENT_DELETE : STATEMENT_DELETE_ONE,
	             NULL, &row, &rows));
	counts->deletes_missing += rows == 0 ? 1 : 0;
	return NULL;
}

static struct error *strict_truncate(struct pg_connection *connection, const struct binding *binding,
                                     struct batch_counts *counts, const char *is_deleted)
{
	struct buffer sql = {0};
	struct error *error;

	if (binding->rule->truncate_mode == TRUNCATE_IGNORE) {
		counts->ignored++;
		return NULL;
	}
	if (binding->rule->truncate_mode == TRUNCATE_SOFT && is_deleted != NULL) {
		buffer_append_text(&sql, "UPDATE ");
		sql_append_qualified(&sql, binding->image->schema, binding->image->name);
		buffer_append_text(&sql, " SET ");
		sql_append_identifier(&sql, is_deleted);
		buffer_append_text(&sql, " = true");
	} else {
		/* Each truncated table has an event of its own; its neighbours by foreign keys must not go unasked. */
		buffer_append_text(&sql, "DELETE FROM ");
		sql_append_qualified(&sql, binding->image->schema, binding->image->name);
	}
	error = pg_execute(connection, sql.data);
	buffer_free(&sql);
	return error;
}

static struct error *strict_change(struct row_sender *sender, struct pg_connection *connection, struct binding *binding,
                                   const struct transaction *transaction, size_t number, struct batch_counts *counts)
{
	const struct change *change = transaction->changes[number];

	switch ((enum change_operation)change->operation) {
	case CHANGE_DELETE:
		return strict_delete(sender, connection, binding, transaction, number, counts);
	case CHANGE_TRUNCATE:
		return strict_truncate(connection, binding, counts, binding->is_deleted);
	case CHANGE_UPDATE:
		if (binding->key_count == 0) {
			struct row_image old = {change->before, NULL, change};
			uint64_t rows;

			if (change->before == NULL)
				return error_new(ERROR_EVENT,
				                 "an update of a table without a key carries no old row; set "
				                 "REPLICA IDENTITY FULL at the source (flattened events never have "
				                 "the old row: give the table a key, or exclude it)");
			TRY(send_one(sender, connection, binding, STATEMENT_DELETE_ONE, NULL, &old, &rows));
		}
		break;
	default:
		break;
	}
	if (change->after == NULL)
		return error_new(ERROR_EVENT, "the event has no new row (`after`)");
	return strict_upsert(sender, connection, binding, change);
}

struct error *batch_apply_strictly(struct row_sender *sender, struct pg_connection *connection,
                                   struct binding_cache *cache, const struct partition_list *partitions,
                                   const struct transaction *transaction, struct batch_counts *counts)
{
	for (size_t i = 0; i < transaction->change_count; i++) {
		const struct change *change = transaction->changes[i];
		const struct partition_name *name = partition_list_get(partitions, change->partition);
		struct binding *binding;
		struct error *error;

		if (change->operation == CHANGE_MESSAGE) {
			counts->ignored++;
			continue;
		}
		error = binding_find(cache, connection, change->relation, &binding);
		if (error == NULL)
			error = strict_change(sender, connection, binding, transaction, i, counts);
		TRY(error_wrap(error, "%s[%d]@%lld, transaction %llu, table %s.%s", name->topic, (int)name->id,
		               (long long)change->offset, (unsigned long long)change->tx_id, change->relation->schema,
		               change->relation->table));
	}
	return NULL;
}
