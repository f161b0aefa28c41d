/* repair_sql.h - the statements of a repair: reading rows on both sides, writing and recording them in the target. */
#ifndef REPLICATOR_CHECK_REPAIR_SQL_H
#define REPLICATOR_CHECK_REPAIR_SQL_H

#include "check/expression.h"

struct repair_names {
	const char *state_schema; /* with repair_log */
	const char *stream;
	struct expression_options options;
	const char *synced_at, *is_deleted, *deleted_at; /* extra columns, where a table has them */
};

struct repair_row {
	const struct check_row *row;
	size_t source_row; /* of the result of repair_append_source_sql */
	int64_t times;     /* without a key: how often it is to be inserted or deleted; else 1 */
};

/* Rows: hash, xmin (without a key: count, sum of xmin), n of the parameter, then the texts of the columns that are written. */
void repair_append_source_sql(struct buffer *sql, const struct check_table *table,
                              const struct expression_options *options);
/* Of the same rows: n, and the bytes of those texts. */
void repair_append_sizes_sql(struct buffer *sql, const struct check_table *table,
                             const struct expression_options *options);
/* As repair_append_source_sql, then 1 when the row is not softly deleted. */
void repair_append_target_sql(struct buffer *sql, const struct check_table *table,
                              const struct expression_options *options);

/*
 * Removes from repair_log what was recorded of columns that are hidden now: a mask is newer than these records. Outside of
 * a transaction.
 */
struct error *repair_scrub_log(struct pg_connection *target, const struct repair_names *names,
                               const struct check_table *table);

/* Inside of a transaction; each records the rows in repair_log first. */
struct error *repair_delete(struct pg_connection *target, const struct repair_names *names,
                            const struct check_table *table, const struct repair_row *rows, size_t count);
/* by_insert: as a delete and an insert; the columns that only the target has keep their values. */
struct error *repair_update(struct pg_connection *target, const struct repair_names *names,
                            const struct check_table *table, const struct pg_result *source,
                            const struct repair_row *rows, size_t count, bool by_insert);
struct error *repair_insert(struct pg_connection *target, const struct repair_names *names,
                            const struct check_table *table, const struct pg_result *source,
                            const struct repair_row *rows, size_t count);

#endif
