/* binding_history.c - see the header. */
#include "target/binding_history.h"

#include <string.h>

#include "base/log.h"
#include "pg/catalog.h"
#include "target/state.h"

/* The table's last image by the log: $1 stream, $2 schema, $3 table. */
#define LAST_IMAGE                                                                                                     \
	"SELECT image FROM @schema_history WHERE stream = $1 AND kind = 'table' AND schema_name = $2"                  \
	" AND table_name = $3 AND log_id IS NOT NULL ORDER BY id DESC LIMIT 1"

struct error *binding_find_renamed(struct pg_connection *connection, const struct config *config,
                                   const struct table_name *name, struct arena *arena, const struct table_image **image)
{
	const char *const parameters[2] = {config->stream.name, name->schema};
	struct pg_result *result = NULL;
	struct error *error = NULL;

	TRY(state_query(
	    connection, config,
	    "SELECT (SELECT n.table_name FROM @schema_history n WHERE n.stream = o.stream AND n.kind = o.kind"
	    " AND n.relid = o.relid AND n.incarnation IS NOT DISTINCT FROM o.incarnation"
	    " ORDER BY n.id DESC LIMIT 1) FROM @schema_history o"
	    " WHERE o.stream = $1 AND o.kind = 'schema' AND o.table_name = $2 ORDER BY o.id DESC "
	    "LIMIT 1",
	    2, parameters, &result));
	if (pg_result_rows(result) > 0 && strcmp(pg_result_text(result, 0, 0), name->schema) != 0)
		error = catalog_read_table(connection, pg_result_text(result, 0, 0), name->table, arena, image);
	pg_result_free(result);
	if (error == NULL && *image != NULL)
		log_info("changes of %s.%s still come under the old name of its schema, %s", (*image)->schema,
		         name->table, name->schema);
	return error;
}

struct error *binding_read_key(struct pg_connection *connection, const struct config *config,
                               const struct relation *relation, const struct table_image *image, enum key_of_place *key)
{
	const char *const parameters[5] = {config->stream.name, relation->schema, relation->table, image->schema,
	                                   image->name};
	struct pg_result *result = NULL;
	bool known, primary, by_index;

	TRY(state_query(
	    connection, config,
	    "WITH log AS (" LAST_IMAGE "), sides AS (SELECT true AS source, image FROM log"
	    " UNION ALL SELECT false, @image_named('table', $4, $5)), keys AS ("
	    "SELECT source, k->>'type' AS type, k->>'definition' AS definition"
	    " FROM sides, jsonb_array_elements(image->'constraints') k WHERE k->>'type' IN ('p', 'u')"
	    " UNION ALL SELECT source, 'i', x->>'definition' FROM sides, jsonb_array_elements(image->'indexes') x"
	    " WHERE (x->>'unique')::boolean)"
	    " SELECT EXISTS (SELECT FROM keys WHERE source AND type = 'p')::int,"
	    " (EXISTS (SELECT FROM keys WHERE source) AND coalesce(image->>'replica_identity', 'i') = 'i')::int"
	    " FROM log WHERE NOT EXISTS (SELECT type, definition FROM keys WHERE source"
	    " EXCEPT SELECT type, definition FROM keys WHERE NOT source)",
	    5, parameters, &result));
	known = pg_result_rows(result) > 0;
	primary = known && pg_result_integer(result, 0, 0) == 1;
	by_index = known && pg_result_integer(result, 0, 1) == 1;
	pg_result_free(result);
	*key = !known ? KEY_UNKNOWN : primary ? KEY_PRIMARY : by_index ? KEY_OF_INDEX : KEY_NONE;
	return NULL;
}

struct error *binding_column_is_ahead(struct pg_connection *connection, const struct config *config,
                                      const struct relation *relation, const char *column, bool *ahead)
{
	const char *const parameters[4] = {config->stream.name, relation->schema, relation->table, column};

	TRY(state_exists(
	    connection, config,
	    "SELECT FROM (" LAST_IMAGE ") log"
	    " WHERE NOT EXISTS (SELECT FROM jsonb_array_elements(image->'columns') c WHERE c->>'name' = $4)",
	    4, parameters, ahead));
	if (*ahead)
		log_info("table %s.%s: column \"%s\", which the events have already, comes with a later schema change",
		         relation->schema, relation->table, column);
	return NULL;
}

struct error *binding_had_column(struct pg_connection *connection, const struct config *config,
                                 const struct relation *relation, const char *column, bool *had)
{
	const char *const parameters[4] = {config->stream.name, relation->schema, relation->table, column};

	return state_exists(connection, config,
	                    "SELECT FROM @schema_history, jsonb_array_elements(image->'columns') c"
	                    " WHERE stream = $1 AND kind = 'table' AND schema_name = $2 AND table_name = $3"
	                    " AND c->>'name' = $4 LIMIT 1",
	                    4, parameters, had);
}

struct error *binding_is_logged(struct pg_connection *connection, const struct config *config,
                                const struct relation *relation, bool *logged)
{
	const char *const parameters[3] = {config->stream.name, relation->schema, relation->table};

	return state_exists(connection, config, LAST_IMAGE, 3, parameters, logged);
}
