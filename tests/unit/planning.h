/*
 * planning.h - changes of the relations that the test names, applied to a real server as plans or change by change. All
 * static, as in decoding.h; a test says RELATIONS and includes it once.
 */
#ifndef TESTS_UNIT_PLANNING_H
#define TESTS_UNIT_PLANNING_H

#include "base/arena.h"
#include "base/memory.h"
#include "postgres.h"
#include "target/batch.h"
#include "target/checkpoint.h"

#include <check.h>
#include <string.h>

static struct collection collections[RELATIONS];
static struct relation relations[RELATIONS];
static struct arena *memory;
static struct pg_connection *connection;
static struct binding_cache *bindings;
static struct partition_list *partitions;
static struct plan *plan;
static struct row_sender *sender;
static struct transaction *first, *last;
static struct batch_counts counts;
static size_t batches;

/* `sql` makes the tables. */
static inline void planning_set_up(const struct config *settings, const char *sql)
{
	memory = arena_new();
	connection = postgres_connect();
	postgres_execute(connection, sql);
	expect_no_error(checkpoint_install_schema(connection, settings->target.schema));
	bindings = binding_cache_new(settings);
	binding_cache_forget(bindings, false);
	partitions = partition_list_new();
	partition_list_add(partitions, "p", 0);
	plan = plan_new();
	sender = row_sender_new();
	first = last = NULL;
}

static inline void planning_tear_down(void)
{
	row_sender_free(sender);
	plan_free(plan);
	partition_list_free(partitions);
	binding_cache_free(bindings);
	pg_disconnect(connection);
	arena_free(memory);
}

static inline void begin(void)
{
	struct transaction *transaction = arena_alloc_zeroed(memory, sizeof(*transaction));

	transaction->changes = arena_alloc_zeroed(memory, 64 * sizeof(struct change *));
	if (last != NULL)
		last->next = transaction;
	else
		first = transaction;
	last = transaction;
}

/* "1|a|~": by the relation's columns; ~ is unchanged, nothing is NULL. */
static inline const struct value *image(const struct relation *relation, const char *text)
{
	struct value *values = arena_alloc_zeroed(memory, 8 * sizeof(*values));

	for (uint32_t i = 0; i < relation->column_count; i++) {
		size_t length = strcspn(text, "|");

		if (length == 1 && *text == '~')
			values[i].kind = VALUE_UNCHANGED;
		else if (length > 0)
			values[i] = (struct value){arena_copy(memory, text, length), (uint32_t)length,
			                           relation->columns[i].encoding == ENCODING_NUMBER ? VALUE_NUMBER
			                                                                            : VALUE_STRING};
		text += length + (text[length] == '|');
	}
	return values;
}

/* A delete's row is its old one, every other's the new one. */
static inline void add(int relation, char operation, const char *row)
{
	struct change *change = arena_alloc_zeroed(memory, sizeof(*change));
	const struct value *values = operation == 't' ? NULL : image(&relations[relation], row);

	*change = (struct change){.relation = &relations[relation],
	                          .operation = (uint8_t)operation,
	                          .before = operation == 'd' ? values : NULL,
	                          .after = operation == 'd' ? NULL : values};
	last->changes[last->change_count++] = change;
}

/* A change of the messages' key: `before` is the old row as the connector has it. */
static inline void move(int relation, const char *before, const char *after)
{
	static const struct value new_key; /* what it is follows in the new row */

	add(relation, 'd', before);
	last->changes[last->change_count - 1]->other_key = &new_key;
	add(relation, 'c', after);
}

/* As the applier begins. */
#define BEGIN "BEGIN; SET CONSTRAINTS ALL DEFERRED"

static inline void apply_strictly(const struct transaction *transaction)
{
	postgres_execute(connection, BEGIN);
	expect_no_error(batch_apply_strictly(sender, connection, bindings, partitions, transaction, &counts));
	postgres_execute(connection, "COMMIT");
}

static inline struct error *apply_plan(void)
{
	postgres_execute(connection, BEGIN);
	TRY(batch_apply_plan(sender, connection, plan, bindings, &counts));
	return pg_execute(connection, "COMMIT");
}

/* One plan, or what it covers change by change where it was refused. Returns how many transactions. */
static inline size_t apply_next(const struct transaction *next)
{
	struct error *error;
	size_t covered = 0;

	expect_no_error(plan_build(plan, bindings, connection, next, &covered));
	error = covered > 0 ? apply_plan() : NULL;
	if (covered > 0 && error == NULL)
		return covered;
	if (error != NULL) {
		ck_assert_msg(error->class == ERROR_CONSTRAINT, "%s", error->message);
		error_free(error);
		postgres_execute(connection, "ROLLBACK");
		counts = (struct batch_counts){0};
	}
	covered = covered == 0 ? 1 : covered;
	for (size_t i = 0; i < covered; i++, next = next->next)
		apply_strictly(next);
	return covered;
}

/* What begin() and add() gathered; counts the target's transactions. */
static inline void apply(bool folded)
{
	const struct transaction *next = first;

	counts = (struct batch_counts){0};
	for (batches = 0; next != NULL; batches++) {
		size_t covered = 1;

		if (folded)
			covered = apply_next(next);
		else
			apply_strictly(next);
		for (; covered > 0; covered--)
			next = next->next;
	}
	first = last = NULL;
}

#endif
