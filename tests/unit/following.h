/*
 * following.h - a database whose DDL log is followed in another one: each row of it as the change that a connector
 * would make of it. All static, as in decoding.h; a test includes it once.
 */
#ifndef TESTS_UNIT_FOLLOWING_H
#define TESTS_UNIT_FOLLOWING_H

#include "config/config.h"
#include "pg/migration.h"
#include "postgres.h"
#include "target/checkpoint.h"
#include "target/ddl.h"

#include <check.h>

static struct pg_connection *source, *target;
static struct binding_cache *cache;
static long long last_id; /* of the log's rows that were followed */

/* What `init source` does: the publication p of all tables, the baseline, the triggers. */
static inline void following_install(void)
{
	postgres_execute(source, "UPDATE replicator.ddl_settings SET capture = '{*}';"
	                         "SELECT replicator.make_publication('p');"
	                         "SELECT replicator.ddl_baseline(); SELECT replicator.ddl_enable()");
}

/* Databases NAME_source and NAME_target, with the schemas of ours; the configuration's stream is s. */
static inline void following_set_up(const char *name, const struct config *config)
{
	char *source_name = memory_format("%s_source", name);
	char *target_name = memory_format("%s_target", name);

	source = postgres_make_database(source_name);
	target = postgres_make_database(target_name);
	free(source_name);
	free(target_name);
	expect_no_error(migration_install(source, MIGRATION_SOURCE, "replicator"));
	following_install();
	expect_no_error(checkpoint_install_schema(target, "replicator"));
	postgres_execute(target, "INSERT INTO replicator.stream (name, epoch) VALUES ('s', 1)");
	cache = binding_cache_new(config);
	last_id = 0;
}

static inline void following_tear_down(void)
{
	binding_cache_free(cache);
	pg_disconnect(source);
	pg_disconnect(target);
}

static inline struct error *follow_row(struct ddl *ddl, const struct pg_result *rows, size_t row, bool baseline)
{
	struct column columns[20] = {{0}};
	struct value values[20] = {{0}};
	struct relation relation = {.schema = "replicator",
	                            .table = "ddl_log",
	                            .column_count = (uint32_t)pg_result_columns(rows),
	                            .columns = columns};
	struct change change = {.relation = &relation,
	                        .after = values,
	                        .operation = baseline ? CHANGE_READ : CHANGE_INSERT,
	                        .tx_id = 7};
	struct change *changes[1] = {&change};
	struct transaction transaction = {.tx_id = 7, .commit_lsn = 700, .changes = changes, .change_count = 1};

	for (size_t i = 0; i < relation.column_count; i++) {
		columns[i].name = pg_result_column_name(rows, i);
		values[i].kind = pg_result_is_null(rows, row, i) ? VALUE_NULL : VALUE_STRING;
		if (values[i].kind == VALUE_NULL)
			continue;
		values[i].data = pg_result_text(rows, row, i);
		values[i].length = (uint32_t)strlen(values[i].data);
	}
	return ddl_apply(ddl, target, &transaction, &change);
}

/* What is new in the log, in one transaction of the target. `baseline`: as the rows of a snapshot. */
static inline struct error *follow_log(bool baseline)
{
	struct ddl *ddl = ddl_new(cache);
	struct pg_result *rows = NULL;
	struct error *error = NULL;
	char *sql = memory_format("SELECT * FROM replicator.ddl_log WHERE id > %lld ORDER BY id", last_id);

	expect_no_error(pg_query(source, sql, 0, NULL, &rows));
	free(sql);
	postgres_execute(target, "BEGIN; SET CONSTRAINTS ALL DEFERRED");
	for (size_t i = 0; i < pg_result_rows(rows) && error == NULL; i++) {
		error = follow_row(ddl, rows, i, baseline);
		last_id = pg_result_integer(rows, i, 0);
	}
	if (error == NULL)
		error = ddl_finish(ddl, target);
	postgres_execute(target, error == NULL ? "COMMIT" : "ROLLBACK");
	ddl_free(ddl);
	pg_result_free(rows);
	return error;
}

#endif
