/*
 * digest.h - the content of a table on one side, as one digest a bucket, computed in the database.
 * Thread: any; one connection and one side each.
 */
#ifndef REPLICATOR_CHECK_DIGEST_H
#define REPLICATOR_CHECK_DIGEST_H

#include "base/buffer.h"
#include "check/tables.h"

struct digest_options {
	const char *is_deleted; /* name of the soft-delete column */
	bool encode;            /* the servers' encodings differ: hash the rows' UTF-8 */
};

/*
 * Reads the buckets of table->open into side.buckets (those of the time before go to side.previous). The connection is
 * inside a transaction; an error leaves it usable (a savepoint), unless the connection broke.
 */
struct error *digest_read(struct pg_connection *connection, const struct check_table *table, enum side which,
                          const struct digest_options *options, struct check_side *side);

/* The statement that digest_read sends, for tests and for people. */
void digest_append_sql(struct buffer *sql, const struct check_table *table, enum side which,
                       const struct digest_options *options);

#endif
