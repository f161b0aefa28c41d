/*
 * tables.h - which tables are compared, and what is known of each.
 *
 * Thread: made by main; while the two sides are read each thread writes its own half (`sides`) only.
 */
#ifndef REPLICATOR_CHECK_TABLES_H
#define REPLICATOR_CHECK_TABLES_H

#include "base/arena.h"
#include "config/config.h"
#include "pg/connection.h"
#include "schema/table_image.h"

enum side { SIDE_SOURCE, SIDE_TARGET };

enum verdict {
	VERDICT_PENDING,
	VERDICT_IN_SYNC,
	VERDICT_DIFFERENT, /* each time it was looked at */
	VERDICT_UNCHECKED  /* `reason` says why */
};

/* The rows whose key (or, without a key, whose whole text) hashes to one number. */
struct bucket {
	int64_t rows;
	char digest[40]; /* sum of the rows' hashes, decimal */
};

struct check_side {
	struct bucket *buckets;  /* bucket_count of them, as last read */
	struct bucket *previous; /* as read the time before; valid from the second reading on */
	int64_t read_us;         /* time spent reading */
	struct error *error;     /* why it cannot be read; owned */
};

struct check_table {
	const char *schema;
	const char *name;
	const char *label;                   /* schema.name, for people */
	const struct table_image *images[2]; /* by side; the target's is NULL when the table is missing there */
	const struct table_rule *rule;
	const struct key_image *key; /* of the source, when all its columns are on both sides; else NULL */
	const char *missing_columns; /* of the source that the target lacks, "a, b", or NULL */
	size_t bucket_count;         /* a power of two */
	bool *open;                  /* buckets that were never seen equal */
	size_t open_count;
	struct check_side sides[2];
	enum verdict verdict;
	const char *reason; /* in the arena, or NULL */
};

struct check_tables {
	struct check_table *tables;
	size_t count;
	const char *uncaptured; /* source tables in a publication that the target lacks, for a note; or NULL */
};

/*
 * Pairs the target's tables with the source's of the same name: all of them, or those that one of the patterns names
 * (`schema.table` or `table`, * as wildcard). Tables that a rule excludes and the state schema are left out. A source
 * table whose topic the stream has read and that the target lacks is in the list, different.
 *
 * Errors: ERROR_CONFIGURATION when a pattern names no table that exists on both sides.
 */
struct error *check_tables_choose(struct pg_connection *source, struct pg_connection *target,
                                  const struct config *config, const char *const *patterns, size_t pattern_count,
                                  struct arena *arena, struct check_tables *tables);
void check_tables_release(struct check_tables *tables); /* the errors in it; the rest lies in the arena */

/* True when no patterns are given or one matches. */
bool check_pattern_matches(const char *const *patterns, size_t count, const char *schema, const char *name);

const struct column_image *check_column_of(const struct table_image *image, const char *name); /* or NULL */

#endif
