/*
 * batch.c - a plan, set-wise.
 */
#include "target/batch.h"

#include "base/memory.h"
#include "base/metrics.h"
#include "target/messages.h"

#include <stdlib.h>

#define CHUNK_ROWS 4000 /* of one statement */
#define COPY_ROWS 200   /* from here on inserts go by COPY */
#define COPY_PAUSE 100  /* batches */

enum demand {
	EXACTLY,
	MISSING_COUNTED, /* fewer are counted as missing deletes */
	AT_MOST
};

struct expectation {
	uint64_t rows;
	enum demand demand;
	const struct binding *binding;
};

struct run {
	struct expectation *expected;
	size_t count;
	size_t capacity;
	struct batch_counts *counts;
	const struct binding *broken; /* did not do what was planned */
};

static void expect(struct run *run, const struct binding *binding, uint64_t rows, enum demand demand)
{
	if (run->count == run->capacity) {
		run->capacity = run->capacity == 0 ? 64 : run->capacity * 2;
		run->expected = memory_grow(run->expected, run->capacity, sizeof(*run->expected));
	}
	run->expected[run->count++] = (struct expectation){rows, demand, binding};
}

static void take_answer(void *context, size_t number, uint64_t rows)
{
	struct run *run = context;
	const struct expectation *expected = &run->expected[number];

	if (rows == expected->rows)
		return;
	if (expected->demand == EXACTLY || rows > expected->rows) {
		run->broken = expected->binding;
	} else if (expected->demand == MISSING_COUNTED &&
	           !expected->binding->filters) { /* it was outside of the filter */
		run->counts->rows_missing += expected->rows - rows;
		missing_note(run->counts->missing, expected->binding, true, expected->rows - rows);
	}
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
	struct selection deletes, leftovers, updates, partial, upserts, inserts;
};

static void select_row(struct selection *selection, const struct planned_row *row)
{
	if (selection->count == selection->capacity) {
		selection->capacity = selection->capacity == 0 ? 64 : selection->capacity * 2;
		selection->rows = memory_grow(selection->rows, selection->capacity, sizeof(*selection->rows));
	}
	selection->rows[selection->count++] = (struct row_image){.values = row->values, .change = row->change};
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

	binding_cache_rank(cache);
	for (uint32_t i = 0; i < count; i++)
		groups[i].binding = binding_cache_get(cache, i);
	for (size_t i = 0; i < plan_row_count(plan); i++) {
		const struct planned_row *row = plan_row(plan, i);
		struct group *group = &groups[row->binding->number];

		/* What was inserted and deleted again within the plan is there only if the target is ahead. */
		if (row->effect == ROW_DELETE || row->replaced)
			select_row(row->existed ? &group->deletes : &group->leftovers, row);
		if (row->effect == ROW_UPDATE)
			select_row(row->placeholders ? &group->partial : &group->updates, row);
		else if (row->effect == ROW_UPSERT)
			select_row(&group->upserts, row);
		else if (row->effect == ROW_INSERT)
			select_row(&group->inserts, row);
	}
	qsort(groups, count, sizeof(*groups), by_rank);
	return groups;
}

static struct error *send_chunks(struct row_sender *sender, struct pg_connection *connection,
                                 const struct binding *binding, enum statement_kind kind,
                                 const struct selection *selection, enum demand demand, struct run *run)
{
	for (size_t i = 0; i < selection->count; i += CHUNK_ROWS) {
		size_t count = selection->count - i < CHUNK_ROWS ? selection->count - i : CHUNK_ROWS;

		expect(run, binding, count, demand);
		metric_add(METRIC_ROWS_UNNEST, count);
		TRY(row_sender_send(sender, connection, binding, kind, NULL, selection->rows + i, count));
	}
	return NULL;
}

static struct error *send_partial(struct row_sender *sender, struct pg_connection *connection,
                                  const struct group *group, struct run *run)
{
	bool *mask = memory_alloc(group->binding->column_count + 1);
	struct error *error = NULL;

	for (size_t i = 0; i < group->partial.count && error == NULL; i++) {
		binding_mask(group->binding, group->partial.rows[i].values, mask);
		expect(run, group->binding, 1, EXACTLY);
		metric_add(METRIC_ROWS_PIPELINE, 1);
		metric_add(METRIC_PLACEHOLDERS, 1);
		error = row_sender_send(sender, connection, group->binding, STATEMENT_UPDATE, mask,
		                        &group->partial.rows[i], 1);
	}
	free(mask);
	return error;
}

static bool goes_by_copy(const struct group *group)
{
	return group->inserts.count >= COPY_ROWS && group->binding->copy_pause == 0 && !group->binding->casts;
}

static struct error *send_groups(struct row_sender *sender, struct pg_connection *connection,
                                 const struct group *groups, size_t count, struct run *run)
{
	for (size_t i = count; i-- > 0;) {
		TRY(send_chunks(sender, connection, groups[i].binding, STATEMENT_DELETE, &groups[i].deletes,
		                MISSING_COUNTED, run));
		TRY(send_chunks(sender, connection, groups[i].binding, STATEMENT_DELETE, &groups[i].leftovers, AT_MOST,
		                run));
	}
	for (size_t i = 0; i < count; i++) {
		TRY(send_chunks(sender, connection, groups[i].binding, STATEMENT_UPDATE, &groups[i].updates, EXACTLY,
		                run));
		TRY(send_partial(sender, connection, &groups[i], run));
		TRY(send_chunks(sender, connection, groups[i].binding, STATEMENT_INSERT, &groups[i].upserts, EXACTLY,
		                run));
		if (!goes_by_copy(&groups[i]))
			TRY(send_chunks(sender, connection, groups[i].binding, STATEMENT_INSERT, &groups[i].inserts,
			                EXACTLY, run));
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
	if (error == NULL) {
		metric_add(METRIC_ROWS_COPY, group->inserts.count);
		return pg_execute(connection, "RELEASE SAVEPOINT replicator_copy");
	}
	if (strcmp(error->sqlstate, "23505") != 0 || group->binding->key_count == 0)
		return error;
	error_free(error);
	group->binding->copy_pause = COPY_PAUSE;
	TRY(pg_execute(connection, "ROLLBACK TO SAVEPOINT replicator_copy"));
	TRY(pg_pipeline_begin(connection));
	error = send_chunks(sender, connection, group->binding, STATEMENT_INSERT, &group->inserts, EXACTLY, &run);
	return finish_run(&run, connection, error);
}

static void count_left_out(struct plan_left_out left_out, struct batch_counts *counts)
{
	counts->ignored += left_out.filtered + left_out.deletes;
	metric_add(METRIC_LEFT_OUT_FILTER, left_out.filtered);
	metric_add(METRIC_LEFT_OUT_DELETE, left_out.deletes);
}

struct error *batch_apply_plan(struct row_sender *sender, struct pg_connection *connection, const struct plan *plan,
                               struct binding_cache *cache, struct batch_counts *counts)
{
	size_t count = binding_cache_count(cache);
	struct group *groups = group_rows(plan, cache);
	struct run run = {.counts = counts};
	const struct change *const *messages;
	size_t message_count;
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
		free(groups[i].leftovers.rows);
		free(groups[i].updates.rows);
		free(groups[i].partial.rows);
		free(groups[i].upserts.rows);
		free(groups[i].inserts.rows);
	}
	free(groups);
	messages = plan_messages(plan, &message_count);
	if (error == NULL)
		error =
		    messages_write(connection, binding_cache_config(cache), messages, message_count, &counts->ignored);
	if (error == NULL)
		count_left_out(plan_left_out(plan), counts);
	return error;
}
