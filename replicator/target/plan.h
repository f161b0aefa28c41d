/*
 * plan.h - the net effect of a run of whole transactions, row by row of the target.
 *
 * NOTES
 *   For each table and key the changes of the batch are folded: whether the row was there before the first, what it is
 *   after the last, placeholders filled from earlier images of the same key. What cannot be folded safely ends the run:
 *   the transactions before it are planned, and it goes change by change on its own (law 9).
 *
 * Thread: the applier's. A plan borrows from the transactions and the bindings.
 */
#ifndef REPLICATOR_TARGET_PLAN_H
#define REPLICATOR_TARGET_PLAN_H

#include "stream/transaction.h"
#include "target/binding.h"

enum row_effect {
	ROW_NOTHING,
	ROW_DELETE,
	ROW_UPDATE, /* the row is there */
	ROW_INSERT, /* no row of the key should be there; an upsert where one may be */
	ROW_UPSERT, /* a filter admits it: whether the row is there is not known */
};

struct planned_row {
	struct binding *binding;
	const struct change *change; /* the last one, for error texts */
	const struct value *values;  /* by the relation's columns */
	uint64_t hash;
	uint8_t effect; /* enum row_effect */
	bool existed;   /* before the batch */
	bool replaced;  /* a ROW_INSERT: a row of the key is deleted before, an update would keep some of its values */
	bool placeholders; /* among the values of a ROW_UPDATE */
};

struct plan;

struct plan *plan_new(void);
void plan_free(struct plan *plan);

/*
 * Folds transactions from `first` on, up to the one that cannot be folded or whose table cannot be bound. *covered
 * counts the transactions planned; 0 means that `first` must go strictly. Errors: of the binding of `first`'s own
 * changes.
 */
struct error *plan_build(struct plan *plan, struct binding_cache *cache, struct pg_connection *connection,
                         const struct transaction *first, size_t *covered);

/* What rules left out of the transactions planned. */
struct plan_left_out {
	uint64_t filtered, deletes;
};
struct plan_left_out plan_left_out(const struct plan *plan);

/* The logical decoding messages among the changes, in their order. */
const struct change *const *plan_messages(const struct plan *plan, size_t *count);

size_t plan_row_count(const struct plan *plan);
const struct planned_row *plan_row(const struct plan *plan, size_t number);

#endif
