/*
 * unverified.h - the tables of which it is not known that they equal the source's.
 *
 * NOTES
 *   The stream marks a table in the target transaction that gives the reason: a schema change rewrote its rows at the
 *   source without row events (ddl_log.h), a snapshot cannot show which of its rows the source no longer has
 *   (snapshot.h), or a change of a table without a key found no row (missing.h), or transactions may be missing from
 *   Kafka (stream/assembler_transaction.c), or the operator accepted that events are missing (acceptance.h). Only a
 *   comparison that began after the mark and found both sides equal removes it (check/suspects.h).
 *
 * Thread: the connection's.
 */
#ifndef REPLICATOR_TARGET_UNVERIFIED_H
#define REPLICATOR_TARGET_UNVERIFIED_H

#include "config/config.h"
#include "pg/connection.h"

#define TABLE_NAME_SIZE 136 /* schema, point, table, zero: 63 bytes a name */

enum unverified_reason {
	UNVERIFIED_REWRITTEN,
	UNVERIFIED_SNAPSHOT,
	UNVERIFIED_MISSING_ROW,
	UNVERIFIED_POSSIBLE_GAP,
	UNVERIFIED_UNLOGGED_CHANGE,
	UNVERIFIED_ACCEPTED
};

struct unverified_table {
	char name[TABLE_NAME_SIZE]; /* "schema.table" at the source */
	enum unverified_reason reason;
	bool quarantined; /* transactions with changes of it wait in the quarantine: it is not repaired */
};

struct unverified {
	size_t count;
	struct unverified_table *tables; /* in the order of their names; without those that a rule excludes */
	bool paused;                     /* an operator paused the stream */
	bool snapshot_open;              /* rows of a full snapshot of the connector may follow */
	int64_t snapshot_rows;           /* of it that were applied */
};

/* The caller calls unverified_free, also after an error. */
struct error *unverified_read(struct pg_connection *connection, const struct config *config,
                              struct unverified *unverified);
void unverified_free(struct unverified *unverified);

/*
 * Marks the table (its name at the source), inside the caller's transaction. `lsn`: position at the source of what led
 * to the mark. `discarded` snapshot rows are added to the count of those that were not written. *was_marked (may be
 * NULL): it was unverified before.
 */
struct error *unverified_mark(struct pg_connection *connection, const struct config *config, const char *schema,
                              const char *table, enum unverified_reason reason, uint64_t lsn, uint64_t discarded,
                              bool *was_marked);

/*
 * Changes of the table up to `lsn` were discarded (refusals.h): marks it where it is not marked, and else raises the
 * mark, whose reason stays. `refused` is added to the count of these changes.
 */
struct error *unverified_raise(struct pg_connection *connection, const struct config *config, const char *schema,
                               const char *table, uint64_t lsn, uint64_t refused);

/*
 * Marks all tables that the stream has written: the operator accepted that events are missing, or another history of the
 * source; or transactions may be missing from Kafka (transaction.h, may_lack). Older marks get this `lsn`, because the
 * LSNs of another history may never reach theirs.
 */
struct error *unverified_mark_all(struct pg_connection *connection, const struct config *config,
                                  enum unverified_reason reason, uint64_t lsn);

struct error *unverified_has(struct pg_connection *connection, const struct config *config, const char *schema,
                             const char *table, bool *has);

#endif
