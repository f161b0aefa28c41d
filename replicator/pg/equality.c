/*
 * equality.c - the operator that says whether two values of a type are equal.
 *
 * NOTES
 *   PostgreSQL takes the equality of a type from its default operator class, of btree, else of hash: so do GROUP BY,
 *   UNIQUE and record comparison. A name like "=" is something else: the parser looks it up along search_path, and
 *   where the schema of an extension is not in it, citext = citext compares texts, and ltree = ltree does not exist.
 *
 *   The rules are those of GetDefaultOpClass() and of the type cache: an operator class of the type itself, else of a
 *   type that it is binary-coercible to, a preferred one first; arrays, enums, ranges, multiranges and composites
 *   share one each. An array or composite has no equality where a part of it has none.
 *
 * Source: PostgreSQL, "Interfacing Extensions to Indexes" (Index Methods and Operator Classes), the catalogs pg_opclass
 * and pg_amop; src/backend/commands/indexcmds.c and src/backend/utils/cache/typcache.c.
 */
#include "pg/catalog_internal.h"

#include <stdlib.h>
#include <string.h>

/* Of pg_type t. */
#define IS_ARRAY "t.typelem <> 0 AND t.typlen = -1 AND t.typtype = 'b'"

/* Base types of pg_catalog of which two different texts are never equal. */
#define EXACT_TYPES                                                                                                    \
	"'bool', 'int2', 'int4', 'int8', 'oid', 'xid', 'xid8', 'cid', 'tid', 'uuid', 'text', 'varchar', 'name',"       \
	" 'char', 'bytea', 'date', 'time', 'timestamp', 'timestamptz', 'money', 'inet', 'cidr', 'macaddr', "           \
	"'macaddr8',"                                                                                                  \
	" 'pg_lsn', 'bit', 'varbit'"

/* `chain`: the type itself, and what it is a domain over. */
static const char EQUALITY_SQL[] =
    "WITH RECURSIVE used(oid) AS ("
    "  SELECT DISTINCT a.atttypid FROM pg_class c"
    "    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped" CATALOG_TABLE_FILTER
    "), parts(root, oid, chain) AS ("
    "  SELECT oid, oid, true FROM used"
    "  UNION"
    "  SELECT p.root, u.oid, p.chain AND t.typtype = 'd' FROM parts p JOIN pg_type t ON t.oid = p.oid"
    "   CROSS JOIN LATERAL (SELECT t.typbasetype WHERE t.typtype = 'd'"
    "    UNION ALL SELECT t.typelem WHERE " IS_ARRAY
    "    UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid"
    "     AND a.attnum > 0 AND NOT a.attisdropped"
    "    UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.typtype IN ('r', 'm')"
    "     AND t.oid IN (r.rngtypid, r.rngmultitypid)) u(oid)"
    "), defaults AS MATERIALIZED ("
    "  SELECT am.amname, it.oid, it.typtype, it.typname, it.typispreferred,"
    "         'OPERATOR(' || quote_ident(n.nspname) || '.' || o.oprname || ')' AS operator"
    "    FROM pg_opclass oc JOIN pg_am am ON am.oid = oc.opcmethod AND am.amname IN ('btree', 'hash')"
    "    JOIN pg_type it ON it.oid = oc.opcintype"
    "    JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amoplefttype = oc.opcintype"
    "     AND ao.amoprighttype = oc.opcintype AND ao.amopstrategy = CASE am.amname WHEN 'btree' THEN 3 ELSE 1 END"
    "    JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace"
    "   WHERE oc.opcdefault)"
    " SELECT p.root, CASE WHEN bool_and(d.operator IS NOT NULL OR t.typtype = 'd')"
    "                THEN max(d.operator) FILTER (WHERE p.chain) END,"
    "        bool_and(t.typtype IN ('d', 'e', 'r', 'm') OR " IS_ARRAY " OR"
    "                 t.typnamespace = 'pg_catalog'::regnamespace AND t.typname IN (" EXACT_TYPES "))::int"
    "  FROM parts p JOIN pg_type t ON t.oid = p.oid LEFT JOIN LATERAL ("
    "   SELECT operator FROM defaults f WHERE t.typtype <> 'd' AND (f.oid = t.oid"
    "     OR f.typtype = 'p' AND f.typname = CASE WHEN t.typtype = 'e' THEN 'anyenum'"
    "         WHEN t.typtype = 'r' THEN 'anyrange' WHEN t.typtype = 'm' THEN 'anymultirange'"
    "         WHEN t.typtype = 'c' THEN 'record' WHEN " IS_ARRAY " THEN 'anyarray' END"
    "     OR EXISTS (SELECT FROM pg_cast s WHERE s.castsource = t.oid AND s.casttarget = f.oid"
    "                AND s.castmethod = 'b' AND s.castcontext = 'i'))"
    "   ORDER BY f.amname, f.oid = t.oid DESC, f.typispreferred DESC, f.oid LIMIT 1) d ON true"
    " GROUP BY p.root ORDER BY p.root";

struct error *equality_read(struct pg_connection *connection, const char *oids, struct arena *arena,
                            struct equalities *equalities)
{
	struct pg_result *result = NULL;

	TRY(pg_query_prepared(connection, EQUALITY_SQL, 1, &oids, &result));
	equalities->count = pg_result_rows(result);
	equalities->types = arena_alloc_zeroed(arena, (equalities->count + 1) * sizeof(*equalities->types));
	for (size_t i = 0; i < equalities->count; i++) {
		struct type_equality *type = &equalities->types[i];
		const char *text = pg_result_text(result, i, 1);

		type->type = (uint32_t)pg_result_integer(result, i, 0);
		if (!pg_result_is_null(result, i, 1))
			type->equality = arena_copy(arena, text, strlen(text));
		type->exact = pg_result_integer(result, i, 2) != 0;
	}
	pg_result_free(result);
	return NULL;
}

static int by_type(const void *a, const void *b)
{
	uint32_t first = ((const struct type_equality *)a)->type, second = ((const struct type_equality *)b)->type;

	return (first > second) - (first < second);
}

const struct type_equality *equality_of(const struct equalities *equalities, uint32_t type)
{
	const struct type_equality wanted = {.type = type};

	return bsearch(&wanted, equalities->types, equalities->count, sizeof(wanted), by_type);
}
