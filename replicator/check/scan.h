/*
 * scan.h - reads whole tables of both sides in pieces, several connections at once, at a bounded rate.
 */
#ifndef REPLICATOR_CHECK_SCAN_H
#define REPLICATOR_CHECK_SCAN_H

#include "check/expression.h"
#include "check/progress.h"
#include "check/session.h"

struct scan {
	struct session *sessions[2];
	int64_t max_rate; /* rows a second on each side; 0: as fast as it goes */
	struct expression_options options;
	struct progress *progress;
	struct arena *arena;
};

/*
 * What is asked of each piece of a table. `append_sql` makes the statement; its parameters are $1 and $2, the piece as
 * tid, and $3, `append_parameter`'s text (bigint[]; nothing appended is NULL). `take` gets the answer, under the scan's
 * lock; what it keeps lies in the scan's arena.
 */
struct scan_question {
	bool (*wanted)(const struct check_table *table);
	void (*append_sql)(struct buffer *sql, const struct check_table *table, enum side which,
	                   const struct expression_options *options);
	void (*append_parameter)(struct buffer *parameter, const struct check_table *table);
	void (*take)(struct check_table *table, enum side which, const struct pg_result *result, struct arena *arena);
};

/*
 * Asks the question of every wanted table on both sides; sessions are open. A table that cannot be read gets
 * sides[].error. Errors: a connection was lost. Ends early, without an error, when a signal asks to leave.
 */
struct error *scan_tables(const struct scan *scan, struct check_tables *tables, const struct scan_question *question);

#endif
