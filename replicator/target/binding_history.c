/* binding_history.c - see the header. */
#include "target/binding_history.h"

#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "pg/catalog.h"
#include "pg/sql.h"

struct error *binding_find_renamed(struct pg_connection *connection, const struct config *config,
                                   const struct table_name *name, struct arena *arena, const struct table_image **image)
{
	const char *const parameters[2] = {config->stream.name, name->schema};
	struct pg_result *result = NULL;
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, "SELECT (SELECT n.table_name FROM ");
	sql_append_qualified(&sql, config->target.schema, "schema_history");
	buffer_append_text(&sql, " n WHERE n.stream = o.stream AND n.kind = o.kind AND n.relid = o.relid"
	                         " ORDER BY n.id DESC LIMIT 1) FROM ");
	sql_append_qualified(&sql, config->target.schema, "schema_history");
	buffer_append_text(&sql, " o WHERE o.stream = $1 AND o.kind = 'schema' AND o.table_name = $2"
	                         " ORDER BY o.id DESC LIMIT 1");
	error = pg_query(connection, sql.data, 2, parameters, &result);
	buffer_free(&sql);
	if (error == NULL && pg_result_rows(result) > 0 && strcmp(pg_result_text(result, 0, 0), name->schema) != 0)
		error = catalog_read_table(connection, pg_result_text(result, 0, 0), name->table, arena, image);
	pg_result_free(result);
	if (error == NULL && *image != NULL)
		log_info("changes of %s.%s still come under the old name of its schema, %s", (*image)->schema,
		         name->table, name->schema);
	return error;
}

/* What `expression` says of the table's last image; no row without one. */
static struct error *ask_image(struct pg_connection *connection, const struct config *config,
                               const struct relation *relation, const char *expression, const char *argument,
                               struct pg_result **result)
{
	const char *const parameters[4] = {config->stream.name, relation->schema, relation->table, argument};
	struct buffer sql = {0};
	struct error *error;

	buffer_append_format(&sql, "SELECT (%s)::int FROM ", expression);
	sql_append_qualified(&sql, config->target.schema, "schema_history");
	buffer_append_text(&sql, " WHERE stream = $1 AND kind = 'table' AND schema_name = $2 AND table_name = $3"
	                         " ORDER BY id DESC LIMIT 1");
	error = pg_query(connection, sql.data, argument == NULL ? 3 : 4, parameters, result);
	buffer_free(&sql);
	return error;
}

struct error *binding_read_key(struct pg_connection *connection, const struct config *config,
                               const struct relation *relation, bool *known, bool *keyless)
{
	struct pg_result *result = NULL;

	TRY(ask_image(connection, config, relation,
	              "NOT jsonb_path_exists(image, '$.constraints[*] ? (@.type == \"p\")')", NULL, &result));
	*known = pg_result_rows(result) > 0;
	*keyless = *known && pg_result_integer(result, 0, 0) == 1;
	pg_result_free(result);
	return NULL;
}

struct error *binding_column_is_ahead(struct pg_connection *connection, const struct config *config,
                                      const struct relation *relation, const char *column, bool *ahead)
{
	struct pg_result *result = NULL;

	TRY(ask_image(
	    connection, config, relation,
	    "NOT jsonb_path_exists(image, '$.columns[*] ? (@.name == $name)', jsonb_build_object('name', $4::text))",
	    column, &result));
	*ahead = pg_result_rows(result) > 0 && pg_result_integer(result, 0, 0) == 1;
	pg_result_free(result);
	if (*ahead)
		log_info("table %s.%s: column \"%s\", which the events have already, comes with a later schema change",
		         relation->schema, relation->table, column);
	return NULL;
}
