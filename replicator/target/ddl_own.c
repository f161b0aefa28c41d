/* ddl_own.c - see ddl_own.h. */
#include "target/ddl_own.h"

#include "base/memory.h"
#include "target/state.h"

#include <stdlib.h>

/* The object itself: $1 stream, $2 kind, $3 oid at the source, $4 schema, $5 name. */
#define CREATED "SELECT FROM @schema_history WHERE stream = $1 AND kind = $2 AND relid = $3::bigint::oid AND maintained"

/* The tables of the stream, by their oids at the source. */
#define OWN_TABLES                                                                                                     \
	"own AS (SELECT DISTINCT h.relid FROM @schema_history h WHERE h.stream = $1 AND h.kind = 'table'"              \
	" AND h.log_id IS NOT NULL AND (h.maintained OR EXISTS (SELECT FROM @captured_table c WHERE c.stream = $1"     \
	" AND c.schema_name = h.schema_name AND c.table_name = h.table_name)))"

/* All names that the object had. */
#define NAMES                                                                                                          \
	"SELECT $4::text AS schema, $5::text AS name UNION SELECT schema_name, table_name FROM @schema_history"        \
	" WHERE stream = $1 AND kind = $2 AND relid = $3::bigint::oid"

/* Types of columns, attributes and domains in an image, without modifiers and as those of elements. */
#define USED_TYPES                                                                                                     \
	"(SELECT regexp_replace(t, '(\\(.*\\))?(\\[\\])*$', '') FROM (SELECT c->>'type' FROM"                          \
	" jsonb_array_elements(coalesce(h.image->'columns', '[]') || coalesce(h.image->'attributes', '[]')) c"         \
	" UNION ALL SELECT h.image->>'base') u (t))"

static const char OWN_TABLE[] = CREATED " UNION ALL SELECT FROM @captured_table"
                                        " WHERE stream = $1 AND schema_name = $4 AND table_name = $5 LIMIT 1";

static const char OWN_TYPE[] =
    "WITH RECURSIVE " OWN_TABLES ", users AS (SELECT h.kind, h.relid, h.schema_name, h.table_name, used.type"
    " FROM @schema_history h, LATERAL " USED_TYPES " used (type)"
    " WHERE h.stream = $1 AND h.kind IN ('table', 'type') AND h.image <> 'null' AND used.type IS NOT NULL),"
    " needed (type) AS (SELECT format('%I.%I', n.schema, n.name) FROM (" NAMES ") n"
    " UNION SELECT format('%I.%I', u.schema_name, u.table_name) FROM needed n JOIN users u ON u.type = n.type"
    "  AND u.kind = 'type')" CREATED
    " UNION ALL SELECT FROM needed n JOIN users u ON u.type = n.type AND u.kind = 'table' JOIN own USING (relid)"
    " LIMIT 1";

/* The sequence of a column, or one that a default names: nextval('schema.name'::regclass). */
static const char OWN_SEQUENCE[] =
    "WITH " OWN_TABLES " " CREATED " UNION ALL SELECT FROM @schema_history h JOIN own USING (relid), (" NAMES ") n,"
    " jsonb_array_elements(coalesce(nullif(h.image->'columns', 'null'), '[]')) c"
    " WHERE h.stream = $1 AND h.kind = 'table' AND h.image <> 'null'"
    " AND ((c->'sequence'->>'schema' = n.schema AND c->'sequence'->>'name' = n.name)"
    "  OR strpos(c->>'default', quote_literal(format('%I.%I', n.schema, n.name)) || '::regclass') > 0) LIMIT 1";

static const char OWN_SCHEMA[] =
    "WITH " OWN_TABLES " " CREATED " UNION ALL SELECT FROM @schema_history h JOIN own USING (relid), (" NAMES ") n"
    " WHERE h.stream = $1 AND h.kind = 'table' AND h.schema_name = n.name LIMIT 1";

struct error *ddl_own_read(struct pg_connection *connection, const struct config *config, const struct ddl_row *row,
                           bool *own)
{
	static const struct {
		const char *sql;
		size_t parameters;
	} queries[] = {
	    [OBJECT_TABLE] = {OWN_TABLE, 5},   [OBJECT_TYPE] = {OWN_TYPE, 5},     [OBJECT_SEQUENCE] = {OWN_SEQUENCE, 5},
	    [OBJECT_SCHEMA] = {OWN_SCHEMA, 5}, [OBJECT_EXTENSION] = {CREATED, 3},
	};
	const char *const parameters[5] = {config->stream.name, row->kind_name, row->relid, row->name.schema,
	                                   row->name.name};

	return state_exists(connection, config, queries[row->kind].sql, queries[row->kind].parameters, parameters, own);
}
