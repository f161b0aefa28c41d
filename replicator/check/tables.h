/*
 * tables.h - which tables are compared, and what is known of each.
 *
 * Thread: made by main; while the two sides are scanned each side's threads write their own half (`sides`) only, under
 * the scan's lock.
 */
#ifndef REPLICATOR_CHECK_TABLES_H
#define REPLICATOR_CHECK_TABLES_H

#include "base/arena.h"
#include "base/buffer.h"
#include "config/config.h"
#include "connect/captured_columns.h"
#include "pg/connection.h"
#include "schema/table_image.h"

enum side { SIDE_SOURCE, SIDE_TARGET };

enum verdict {
	VERDICT_PENDING,
	VERDICT_IN_SYNC,
	VERDICT_DIFFERENT,
	VERDICT_UNCHECKED /* `reason` says why */
};

/* The rows whose key (or, without a key, whose whole text) hashes to one number. */
struct bucket {
	int64_t rows;
	uint64_t digest; /* sum of the rows' hashes, modulo 2^64 */
};

/* How a row looked on one side. With a key: hash of the row and xmin. Without: the number of equal rows, and the sum of xmin. */
struct row_look {
	uint64_t token;   /* 0: no such row */
	uint64_t version; /* changes whenever the row is written */
};

/* A row as a scan found it; for the time of narrowing down. */
struct found_row {
	const char *const *key;
	struct row_look look;
};

struct check_side {
	struct bucket *buckets;  /* bucket_count of them, as last scanned */
	struct found_row *found; /* on the heap */
	size_t found_count;
	size_t pieces_open;  /* of a scan: not read yet */
	int64_t read_us;     /* spent by the database, summed over its connections */
	struct error *error; /* why it cannot be read; owned */
};

enum row_state {
	ROW_OPEN,   /* differs, but perhaps only because the stream moves */
	ROW_LASTING /* differs for good */
};

#define ROW_SEEN_MOST 16

/* A row that was not equal when it was last looked at. Memory lies in the arena. */
struct check_row {
	const char *const *key; /* texts of the key's columns; without a key one text: the row's hash */
	enum row_state state;
	struct row_look source, target;
	uint64_t seen[ROW_SEEN_MOST]; /* the source's tokens of the last looks, in a ring */
	unsigned seen_count;
	bool written;        /* by the last repair */
	unsigned strikes;    /* looks in a row that proved the difference */
	const char *columns; /* those that differ, "a, b"; filled for the rows that are reported */
	const char *values;  /* with --show-values: "a: 1 / 2" */
};

/* A column of the source and the one of the target that the rules give it to. */
struct check_column {
	const struct column_image *sides[2]; /* by enum side */
	const struct column_rule *rule;
	const struct captured_column *captured; /* what the connector does to its values; NULL: nothing */
};

struct check_table {
	const char *schema; /* at the source */
	const char *name;
	const char *label;                   /* schema.name, for people */
	const struct table_image *images[2]; /* by side; the target's is NULL when the table is missing there */
	const char *versions[2];             /* of the images (pg/catalog_version.h) */
	const struct table_rule *rule;
	const char *source_value;           /* of the rule's source_column; NULL: it has none */
	const struct check_column *columns; /* that both sides have and no rule leaves out, in the source's order */
	size_t column_count;
	const struct key_image *key;        /* of the source, when all its columns are on both sides; else NULL */
	const struct key_image *target_key; /* of the target, over the same columns; NULL: it has none */
	const char *const *schema_differences;
	size_t schema_difference_count;
	size_t bucket_count; /* a power of two */
	bool *open;          /* buckets that were not equal at the last scan */
	size_t open_count;
	struct check_side sides[2];
	struct check_row *rows; /* narrowed down from the open buckets */
	size_t row_count;
	bool narrowed; /* rows are all that differ; false: only buckets are known, or the list was cut */
	/*
	 * Rows of the target with NULL in a column of the key, where the target allows that. The source has no such row, and
	 * no key finds one: they are in no bucket, and they are extra.
	 */
	struct {
		const char *columns; /* of the key that may be NULL, "a, b"; NULL: none */
		int64_t rows;        /* at the last scan of the buckets */
		bool open;           /* counted in the next scan, too */
		bool lasting;        /* the stream had passed the snapshot of the last scan */
	} null_keys;
	const char **suspects; /* keys ("id=5") of rows that the stream marked: the connector lost their values */
	size_t suspect_count;
	/* Why the stream marked it as unverified, NULL: it did not; and when, as text, to know the mark again. */
	const char *unverified, *marked_at;
	/* Steps of schema changes that the target refused; `expected`: all of them by design, and no difference. */
	const char *const *left_out_steps;
	size_t left_out_step_count;
	bool left_out_expected;
	int64_t quarantined; /* transactions with changes of it that wait in the quarantine: it is not repaired */
	int64_t kept;        /* rows that a rule keeps in the target although the source deleted them */
	enum verdict verdict;
	const char *reason; /* in the arena, or NULL */
	/* Columns that are not compared because of the connector, with its settings; NULL: none. */
	const char *left_out;
	/*
	 * Names of the target whose values the repair log must not hold: a rule or the connector masks or leaves out these
	 * columns, and the target may still have what it held before that.
	 */
	const char **hidden;
	size_t hidden_count;
	bool unproved; /* one of them is written by the stream: no comparison proves the table */
	/* Why the source's rows must not be written into the target, NULL: they may. */
	const char *refusal;
	struct {
		int64_t inserted, updated, deleted, left; /* of the repair; left: changed meanwhile or refused */
		int64_t settled;                          /* made equal by the stream before the repair */
		const char *problem;                      /* the first that was refused, or NULL */
		bool stalled; /* rows that were written differ all the same: it is not written again */
	} repair;
};

struct check_tables {
	struct check_table *tables;
	size_t count;
	const char
	    *uncaptured; /* published tables that the target lacks and the connector leaves out, for a note; or NULL */
	const char
	    *left_out; /* tables in a schema that is named like target.schema: the stream leaves them out; or NULL */
};

/*
 * Pairs the target's tables with the source's whose name the rules turn into theirs: all of them, or those that one of
 * the patterns names (`schema.table` or `table`, * as wildcard). Tables that a rule excludes and the state schema are
 * left out. A source table whose topic the stream has read and that the target lacks is in the list, different.
 * `captured`: what the connector does to the columns; NULL: nothing. It lives as long as the tables.
 *
 * Errors: ERROR_CONFIGURATION when a pattern names no table that exists on both sides.
 */
struct error *check_tables_choose(struct pg_connection *source, struct pg_connection *target,
                                  const struct config *config, const struct captured_columns *captured,
                                  const char *const *patterns, size_t pattern_count, struct arena *arena,
                                  struct check_tables *tables);
/* The table of that name at the source, which is no pattern. */
struct error *check_tables_choose_one(struct pg_connection *source, struct pg_connection *target,
                                      const struct config *config, const struct captured_columns *captured,
                                      const struct table_name *name, struct arena *arena, struct check_tables *tables);
void check_tables_release(struct check_tables *tables); /* the errors in it; the rest lies in the arena */

/* ERROR_TARGET: the table is no longer what its image says. The connection is one to that side. */
struct error *check_table_require(const struct check_table *table, enum side side, struct pg_connection *connection);

/* True when no patterns are given or one matches. */
bool check_pattern_matches(const char *const *patterns, size_t count, const char *schema, const char *name);

const struct column_image *check_column_of(const struct table_image *image, const char *name); /* or NULL */

/* The pair of the key's n-th column; of a column of the target, NULL: only the target has it. */
const struct check_column *check_key_column(const struct check_table *table, size_t n);
const struct check_column *check_target_column(const struct check_table *table, const char *name);

/*
 * Whether a role without rights of its own may own the column's type, and so have written casts of it: a cast runs with the
 * rights of whoever reads. Of an array of a domain the type is the domain's owner's, whatever the domain is over.
 */
bool check_type_is_owned(const struct column_image *column);

/* The rule keeps rows in the target that the source deleted. */
bool check_keeps_rows(const struct check_table *table);

int64_t check_rows_of(const struct check_table *table, enum side side); /* -1: not known */

/*
 * Missing, different and extra rows among those that differ for good; a row of a table without key may stand for
 * several.
 */
enum row_fault { FAULT_DIFFERENT, FAULT_MISSING, FAULT_EXTRA };
enum row_fault check_row_fault(const struct check_table *table, const struct check_row *row);
int64_t check_count_rows(const struct check_table *table, enum row_state state, enum row_fault fault);

#endif
