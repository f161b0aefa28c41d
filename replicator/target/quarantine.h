/*
 * quarantine.h - source transactions that could not be applied and were set aside whole (on_error = "quarantine").
 *
 * NOTES
 *   A transaction goes to table quarantine with its events, its error and the keys of the rows that it touches, in the
 *   target transaction that moves the checkpoint past it. A later transaction that touches one of these rows follows it
 *   there, so that a row's changes stay in order; so does one that truncates such a table, or one of a table without a
 *   key of which anything waits.
 *
 *   `replicator quarantine retry` applies waiting transactions in order. It and the applier take turns by a lock on the
 *   table: before a transaction follows, the applier looks at what waits now.
 *
 * Thread: a quarantine is the applier's; the other functions are for whoever owns the connection.
 */
#ifndef REPLICATOR_TARGET_QUARANTINE_H
#define REPLICATOR_TARGET_QUARANTINE_H

#include "config/config.h"
#include "pg/connection.h"
#include "stream/partition.h"
#include "stream/transaction.h"
#include "target/binding.h"

struct quarantine; /* the keys of what waits */

struct quarantine *quarantine_new(const struct config *config);
void quarantine_free(struct quarantine *quarantine); /* NULL is allowed */

/* Reads the keys of what waits anew. */
struct error *quarantine_load(struct quarantine *quarantine, struct pg_connection *connection);

/*
 * How many transactions from `first` on touch nothing that waits; SIZE_MAX: all. A spill file takes long to read: the
 * connection, which holds the stream's lock, shows meanwhile that we are alive. Errors: of a spill file, of the connection.
 */
struct error *quarantine_clear_run(const struct quarantine *quarantine, struct pg_connection *connection,
                                   const struct transaction *first, size_t *run);

/* In the caller's transaction: until its end nobody else puts, retries or skips; what waits is read anew. */
struct error *quarantine_lock(struct quarantine *quarantine, struct pg_connection *connection);

/*
 * In the caller's transaction: sets the transaction aside. `reason` NULL: it follows others. ERROR_TARGET when it is
 * too large to be kept in a row.
 */
struct error *quarantine_put(struct quarantine *quarantine, struct pg_connection *connection,
                             struct binding_cache *bindings, const struct partition_list *partitions,
                             const struct transaction *transaction, const struct error *reason);

/*
 * After a change of the configuration's masks or salt, before the first quarantine_load: masks what was set aside under
 * others, and lets it concern its whole tables. Errors: of the connection.
 */
struct error *quarantine_mask_again(struct pg_connection *connection, const struct config *config);

/* What quarantine_retry did with one waiting transaction. */
struct quarantine_outcome {
	int64_t id;
	struct error *error; /* NULL: applied */
	bool follows;        /* not tried: an earlier one of the same rows still waits */
};

/*
 * Applies what waits (`id` 0), or that one, in order, each in a transaction of its own; `tell` hears of each and may
 * not keep what it is given. Errors: of the connection; ERROR_CONFIGURATION when no such transaction waits.
 */
struct error *quarantine_retry(struct pg_connection *connection, const struct config *config, int64_t id,
                               void (*tell)(void *context, const struct quarantine_outcome *outcome), void *context);

/* Drops a waiting one: it stays in the table as skipped, with the reason. ERROR_CONFIGURATION when it does not wait. */
struct error *quarantine_skip(struct pg_connection *connection, const struct config *config, int64_t id,
                              const char *reason);

#endif
