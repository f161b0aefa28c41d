/* new_tables.c - see the header. */
#include "ops/new_tables.h"

#include "base/log.h"
#include "config/config.h"
#include "pg/migration.h"

#include <inttypes.h>

static struct error *capture(struct pg_connection *source, const char *publication, const char *oid)
{
	const char *const parameters[2] = {publication, oid};
	struct error *error;

	TRY(pg_execute(source, "BEGIN; SET LOCAL lock_timeout = '500ms'"));
	error = pg_query(source, "SELECT replicator.capture_table($1, $2::oid)", 2, parameters, NULL);
	if (error == NULL)
		return pg_execute(source, "COMMIT");
	if (!pg_is_broken(source))
		error_free(pg_execute(source, "ROLLBACK"));
	return error;
}

static struct error *capture_or_say(struct pg_connection *source, const struct pg_result *tables, size_t row)
{
	const char *publication = pg_result_text(tables, row, 0), *table = pg_result_text(tables, row, 2);
	struct error *error = capture(source, publication, pg_result_text(tables, row, 1));

	if (error == NULL) {
		log_info("table %s joins publication %s: a pattern of `init source --capture` names it", table,
		         publication);
		return NULL;
	}
	if (pg_is_broken(source))
		return error;
	log_warning("table %s does not join publication %s yet: %s", table, publication, error->message);
	error_free(error);
	return NULL;
}

static struct error *capture_all(struct pg_connection *source)
{
	struct pg_result *tables = NULL;
	struct error *error = NULL;

	TRY(pg_query(source, "SELECT publication, relation::oid, relation FROM replicator.uncaptured_tables()", 0, NULL,
	             &tables));
	for (size_t i = 0; error == NULL && i < pg_result_rows(tables); i++)
		error = capture_or_say(source, tables, i);
	pg_result_free(tables);
	return error;
}

static struct error *mark_truncated(struct pg_connection *source)
{
	int64_t marked;

	TRY(pg_query_integer(source, "SELECT replicator.mark_truncated_partitions()", 0, NULL, 0, &marked));
	if (marked > 0)
		log_info("partitions of %" PRId64
		         " tables have other files than before (TRUNCATE, VACUUM FULL or CLUSTER): these "
		         "tables are unverified until a comparison with the source",
		         marked);
	return NULL;
}

struct error *new_tables_look(struct pg_connection *source)
{
	int64_t there;

	TRY(pg_query_integer(source, "SELECT (to_regprocedure('replicator.uncaptured_tables()') IS NOT NULL)::int", 0,
	                     NULL, 0, &there));
	if (there == 0)
		return NULL;
	TRY(migration_trust(source, config_source_schema));
	TRY(capture_all(source));
	return mark_truncated(source);
}
