/*
 * strict_internal.h - what the files that apply change by change share. Nobody else includes it. Thread: the applier's.
 *
 *   strict.c      one change after the other
 *   key_change.c  a row's key changes
 *   parking.c     rows that wait for their new key
 *   strict_guard.c  a change of an unverified table may be refused
 */
#ifndef REPLICATOR_TARGET_STRICT_INTERNAL_H
#define REPLICATOR_TARGET_STRICT_INTERNAL_H

#include "base/metrics.h"
#include "target/batch.h"
#include "target/parking.h"

struct strict {
	struct row_sender *sender;
	struct pg_connection *connection;
	const struct transaction *transaction;
	struct batch_counts *counts;
	const struct config *config;
	struct arena *arena; /* values read from the target */
	struct parking *parking;
};

/* strict.c */
struct error *strict_send(const struct strict *strict, struct binding *binding, enum statement_kind kind,
                          const bool *mask, const struct row_image *row, uint64_t *rows);
struct error *strict_no_text(const struct binding *binding); /* the filter's column cannot be read */
void strict_count_ignored(const struct strict *strict, enum metric_counter rule);
void strict_note_missing(const struct strict *strict, const struct binding *binding, const struct value *values);
/* `stored`: a row whose own columns this one takes along (stored_row.text), or NULL. */
struct error *strict_write_row(const struct strict *strict, struct binding *binding, const struct change *change,
                               const struct value *values, const char *stored, bool insert);
/* As strict_write_row its `after`, under the rule's filter. */
struct error *strict_write_admitted(const struct strict *strict, struct binding *binding, const struct change *change,
                                    bool insert);
/* The row that has the key, or of a table without one all the values, of `values`. */
struct error *strict_remove_row(const struct strict *strict, struct binding *binding, const struct change *change,
                                const struct value *values, bool *found);

/* strict_guard.c */
struct strict_guard {
	bool active;             /* a refusal is no error */
	const char *constraints; /* to be checked at once; NULL: none */
	struct batch_counts counts;
	struct parking *parking;
};

/* Around what writes rows of that table; not nested within another guard of the same table. */
struct error *strict_guard_begin(const struct strict *strict, const struct binding *binding,
                                 struct strict_guard *guard);
/* `error`: of what was between, or NULL. */
struct error *strict_guard_end(const struct strict *strict, const struct binding *binding, struct strict_guard *guard,
                               struct error *error);

/* key_change.c */

/* Whether the change with that number and the next one are the halves of a key change. */
bool key_change_is_whole(const struct transaction *transaction, size_t number);

struct error *key_change_apply(const struct strict *strict, struct binding *binding, const struct change *old,
                               const struct change *new);

/* An update with an old row, where the connector did not know the key: by it, whether it changed or not. */
struct error *key_change_apply_unsaid(const struct strict *strict, struct binding *binding,
                                      const struct change *change);

/* The first half of one whose second half never came. */
struct error *key_change_apply_alone(const struct strict *strict, struct binding *binding, const struct change *old);

#endif
