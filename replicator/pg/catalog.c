/*
 * catalog.c - table images out of pg_class, pg_attribute, pg_index and pg_constraint.
 *
 * NOTES
 *   Five queries, whatever the number of tables: tables, columns, keys, foreign keys, all ordered by table, so that
 *   the rows of a table are taken in one walk; and the equality of the columns' types (equality.c). They run in one snapshot only if the caller opened one; a table that
 *   is changed in between looks as one of the two shapes, or as none.
 */
#include "pg/catalog.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "pg/catalog_internal.h"
#include "pg/internal.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_ORDER " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""

/* Triggers and rules by the session_replication_role in which they fire; the rule of a view is its SELECT ('1'). */
#define FIRING                                                                                                         \
	" CROSS JOIN LATERAL (SELECT bool_or(enabled IN ('O', 'A')) AS origin, bool_or(enabled IN ('R', 'A')) AS "     \
	"replica"                                                                                                      \
	"   FROM (SELECT t.tgenabled AS enabled FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal"      \
	"         UNION ALL SELECT r.ev_enabled FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1') e) f"

#define TABLES_SELECT                                                                                                  \
	"SELECT c.oid, n.nspname, c.relname, c.relkind, c.relreplident,"                                               \
	"       coalesce(f.origin, false)::int,"                                                                       \
	"       c.reltuples::bigint, coalesce(pg_partition_root(c.oid)::oid, 0),"                                      \
	"       coalesce(f.replica, false)::int"                                                                       \
	"  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace" FIRING

static const char TABLE_SQL[] =
    TABLES_SELECT " WHERE n.nspname = $1::text AND c.relname = $2::text AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";
static const char TABLES_SQL[] = TABLES_SELECT
    " WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'" TABLE_ORDER;

/*
 * Of the types in `used`, and of the elements of arrays among them: domains, over domains too, down to their base type and
 * its modifier. Other types are not read: a database has some for each of its tables.
 */
#define RESOLVED_TYPES(used)                                                                                           \
	"WITH RECURSIVE chain(root, oid, typmod) AS ("                                                                 \
	"  SELECT u.oid, u.oid, -1 FROM (" used ") u (oid)"                                                            \
	"  UNION"                                                                                                      \
	"  SELECT d.root, d.oid, d.typmod FROM chain h JOIN pg_type t ON t.oid = h.oid CROSS JOIN LATERAL ("           \
	"    SELECT h.root, t.typbasetype, CASE WHEN h.typmod >= 0 THEN h.typmod ELSE t.typtypmod END"                 \
	"     WHERE t.typtype = 'd'"                                                                                   \
	"    UNION ALL SELECT t.typelem, t.typelem, -1 WHERE t.typelem <> 0) AS d (root, oid, typmod)"                 \
	"), resolved(oid, base, typmod) AS ("                                                                          \
	"  SELECT h.root, h.oid, h.typmod FROM chain h JOIN pg_type t ON t.oid = h.oid WHERE t.typtype <> 'd')"

static const char COLUMNS_SQL[] = RESOLVED_TYPES(
    "SELECT DISTINCT a.atttypid FROM pg_attribute a WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT "
    "a.attisdropped") "SELECT c.oid, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod),"
                      "       coalesce(eb.typname, b.typname),"
                      "       CASE WHEN a.atttypmod >= 0 THEN a.atttypmod WHEN r.typmod >= 0 THEN r.typmod ELSE "
                      "coalesce(er.typmod, -1) "
                      "END,"
                      "       (e.oid IS NOT NULL)::int, coalesce(eb.typcategory, b.typcategory),"
                      "       a.attnotnull::int, (a.atthasdef AND a.attgenerated = '' OR a.attidentity <> '')::int,"
                      "       (a.attgenerated <> '')::int, a.attidentity,"
                      "       quote_ident(tn.nspname) || '.' || quote_ident(t.typname), coalesce(eb.typdelim, "
                      "b.typdelim),"
                      "       coalesce((e.typtype = 'd')::int, 0), a.atttypid, coalesce(co.collisdeterministic, "
                      "true)::int,"
                      "       CASE WHEN t.typtype = 'd' THEN quote_ident(bn.nspname) || '.' || quote_ident(b.typname) "
                      "END,"
                      "       (coalesce(eb.typnamespace, b.typnamespace) = 'pg_catalog'::regnamespace)::int,"
                      "       coalesce(eb.oid, b.oid)"
                      "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                      "  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
                      "  JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace"
                      "  JOIN resolved r ON r.oid = a.atttypid JOIN pg_type b ON b.oid = r.base"
                      "  LEFT JOIN pg_type e ON e.oid = b.typelem AND e.typarray = b.oid"
                      "  LEFT JOIN resolved er ON er.oid = e.oid LEFT JOIN pg_type eb ON eb.oid = er.base"
                      "  JOIN pg_namespace bn ON bn.oid = b.typnamespace LEFT JOIN pg_collation co ON co.oid = "
                      "a.attcollation" CATALOG_TABLE_FILTER TABLE_ORDER ", a.attnum";

/* Of the composite types $1 those whose fields are all built in: by their fields, elements of these, and what domains are over. */
static const char PLAIN_FIELDS_SQL[] =
    "WITH RECURSIVE fields(composite, oid) AS (SELECT c, c FROM unnest($1::oid[]) AS c UNION SELECT f.composite, n.oid"
    "   FROM fields f JOIN pg_type y ON y.oid = f.oid CROSS JOIN LATERAL ("
    "     SELECT y.typbasetype WHERE y.typtype = 'd' UNION ALL SELECT y.typelem WHERE y.typcategory = 'A' AND "
    "y.typelem <> 0"
    "     UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE y.typtype = 'c' AND a.attrelid = y.typrelid AND "
    "a.attnum > 0"
    "      AND NOT a.attisdropped) AS n (oid))"
    " SELECT f.composite FROM fields f JOIN pg_type y ON y.oid = f.oid GROUP BY 1 HAVING bool_and("
    "   y.typtype IN ('c', 'd') OR y.typcategory = 'A' OR y.typnamespace = 'pg_catalog'::regnamespace)";

static const char TYPE_SQL[] =
    RESOLVED_TYPES("SELECT $1::regtype::oid") "SELECT format_type(t.oid, NULL), coalesce(eb.typname, b.typname),"
                                              "       CASE WHEN r.typmod >= 0 THEN r.typmod ELSE coalesce(er.typmod, "
                                              "-1) END, (e.oid IS NOT NULL)::int,"
                                              "       coalesce(eb.typcategory, b.typcategory), quote_ident(tn.nspname) "
                                              "|| '.' || quote_ident(t.typname)"
                                              "  FROM pg_type t JOIN pg_namespace tn ON tn.oid = t.typnamespace"
                                              "  JOIN resolved r ON r.oid = t.oid JOIN pg_type b ON b.oid = r.base"
                                              "  LEFT JOIN pg_type e ON e.oid = b.typelem AND e.typarray = b.oid"
                                              "  LEFT JOIN resolved er ON er.oid = e.oid LEFT JOIN pg_type eb ON "
                                              "eb.oid = er.base WHERE t.oid = $1::regtype";

/*
 * A row for each column of each unique index, expressions excepted. `names_rows`: two rows never agree in all of these
 * columns, NULLs excepted. Unique indexes are of type btree, where equality is strategy 3; a key WITHOUT OVERLAPS is an
 * exclusion constraint of GiST (indisexclusion): rows that are equal overlap, and ON CONFLICT DO UPDATE cannot use it.
 */
static const char KEYS_SQL[] =
    "SELECT c.oid, ic.relname, i.indisprimary::int, i.indisreplident::int, (NOT i.indimmediate OR "
    "i.indisexclusion)::int,"
    "       (i.indisvalid AND i.indexprs IS NULL AND i.indpred IS NULL)::int, k.attnum,"
    "       (SELECT 'OPERATOR(' || quote_ident(s.nspname) || '.' || o.oprname || ')' FROM pg_opclass oc"
    "         JOIN pg_am am ON am.oid = oc.opcmethod AND am.amname = 'btree'"
    "         JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amoplefttype = oc.opcintype"
    "          AND ao.amoprighttype = oc.opcintype AND ao.amopstrategy = 3"
    "         JOIN pg_operator o ON o.oid = ao.amopopr JOIN pg_namespace s ON s.oid = o.oprnamespace"
    "        WHERE oc.oid = k.opclass),"
    "       CASE WHEN k.collid <> a.attcollation THEN (SELECT 'COLLATE ' || quote_ident(s.nspname) || '.' ||"
    "         quote_ident(co.collname) FROM pg_collation co JOIN pg_namespace s ON s.oid = co.collnamespace"
    "        WHERE co.oid = k.collid) END"
    "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    "  JOIN pg_index i ON i.indrelid = c.oid AND i.indisunique"
    "  JOIN pg_class ic ON ic.oid = i.indexrelid"
    "  CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[]) WITH ORDINALITY"
    "   AS k (attnum, opclass, collid, number)"
    "  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum" CATALOG_TABLE_FILTER
    "  AND k.number <= i.indnkeyatts AND k.attnum <> 0" TABLE_ORDER
    ", i.indisprimary DESC, i.indisreplident DESC, ic.relname COLLATE \"C\", k.number";

static const char FOREIGN_KEYS_SQL[] =
    "SELECT c.oid, k.confrelid, fn.nspname, fc.relname, k.confdeltype, k.confupdtype"
    "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    "  JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f'"
    "  JOIN pg_class fc ON fc.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = fc.relnamespace" CATALOG_TABLE_FILTER
        TABLE_ORDER ", k.conname COLLATE \"C\"";

/* One query's rows and how far they were taken. */
struct cursor {
	struct pg_result *result;
	size_t row;
};

struct reader {
	struct arena *arena;
	struct cursor columns, keys, foreign_keys;
	struct equalities equalities;
	struct pg_result *plain; /* of PLAIN_FIELDS_SQL; NULL: no column is composite */
};

static const char *take_text(struct arena *arena, const struct pg_result *result, size_t row, size_t column)
{
	const char *text = pg_result_text(result, row, column);

	return arena_copy(arena, text, strlen(text));
}

static const char *take_optional(struct arena *arena, const struct pg_result *result, size_t row, size_t column)
{
	return pg_result_is_null(result, row, column) ? NULL : take_text(arena, result, row, column);
}

static bool flag(const struct pg_result *result, size_t row, size_t column)
{
	return pg_result_text(result, row, column)[0] == '1';
}

/* How many rows from the cursor on belong to the table. Rows of tables that the first query did not see are passed. */
static size_t rows_of_table(struct cursor *cursor, uint32_t oid)
{
	size_t total = pg_result_rows(cursor->result);
	size_t first = cursor->row;
	size_t end;

	while (first < total && (uint32_t)pg_result_integer(cursor->result, first, 0) != oid)
		first++;
	if (first == total)
		return 0;
	for (end = first; end < total && (uint32_t)pg_result_integer(cursor->result, end, 0) == oid; end++)
		;
	cursor->row = first;
	return end - first;
}

static bool has_plain_fields(const struct reader *reader, const char *type)
{
	for (size_t i = 0; reader->plain != NULL && i < pg_result_rows(reader->plain); i++)
		if (strcmp(pg_result_text(reader->plain, i, 0), type) == 0)
			return true;
	return false;
}

/* Asked only where there are such types: the estimated cost of it makes the server compile the query. */
static struct error *read_plain_fields(struct pg_connection *connection, struct reader *reader)
{
	const struct pg_result *columns = reader->columns.result;
	struct buffer types = {0};
	struct error *error = NULL;

	for (size_t i = 0; i < pg_result_rows(columns); i++)
		if (pg_result_text(columns, i, 7)[0] == 'C')
			buffer_append_format(&types, "%c%s", types.length == 0 ? '{' : ',',
			                     pg_result_text(columns, i, 19));
	if (types.length > 0) {
		const char *parameter;

		buffer_append_byte(&types, '}');
		parameter = types.data;
		error = pg_query(connection, PLAIN_FIELDS_SQL, 1, &parameter, &reader->plain);
	}
	buffer_free(&types);
	return error;
}

static void read_columns(struct reader *reader, struct table_image *image)
{
	size_t count = rows_of_table(&reader->columns, image->oid);
	struct column_image *columns = arena_alloc_zeroed(reader->arena, (count + 1) * sizeof(*columns));

	for (size_t i = 0; i < count; i++) {
		const struct pg_result *result = reader->columns.result;
		size_t row = reader->columns.row++;
		const struct type_equality *equality;

		columns[i].name = take_text(reader->arena, result, row, 1);
		columns[i].attnum = (int)pg_result_integer(result, row, 2);
		columns[i].type_name = take_text(reader->arena, result, row, 3);
		columns[i].type.name = take_text(reader->arena, result, row, 4);
		columns[i].type.typmod = (int32_t)pg_result_integer(result, row, 5);
		columns[i].type.array = flag(result, row, 6);
		columns[i].type.category = pg_result_text(result, row, 7)[0];
		columns[i].not_null = flag(result, row, 8);
		columns[i].has_default = flag(result, row, 9);
		columns[i].generated = flag(result, row, 10);
		columns[i].identity = pg_result_text(result, row, 11)[0];
		columns[i].cast_name = take_text(reader->arena, result, row, 12);
		columns[i].type.delimiter = pg_result_text(result, row, 13)[0];
		columns[i].type.of_domain = flag(result, row, 14);
		equality = equality_of(&reader->equalities, (uint32_t)pg_result_integer(result, row, 15));
		columns[i].equality = equality == NULL ? NULL : equality->equality;
		columns[i].exact = equality != NULL && equality->exact && flag(result, row, 16);
		columns[i].base_name = take_optional(reader->arena, result, row, 17);
		columns[i].built_in = flag(result, row, 18);
		columns[i].plain_fields = has_plain_fields(reader, pg_result_text(result, row, 19));
	}
	image->columns = columns;
	image->column_count = count;
}

static uint32_t column_of(const struct table_image *image, int64_t attnum)
{
	uint32_t index = 0;

	while (index < image->column_count && image->columns[index].attnum != attnum)
		index++;
	return index;
}

/* The rows of one index; *names_rows false: it has a predicate or expressions, a system column, or is not valid. */
static void read_key(struct reader *reader, const struct table_image *image, size_t count, struct key_image *key,
                     bool *names_rows)
{
	const struct pg_result *result = reader->keys.result;
	struct key_column *columns = arena_alloc_zeroed(reader->arena, (count + 1) * sizeof(*columns));
	size_t row = reader->keys.row;

	key->name = take_text(reader->arena, result, row, 1);
	key->primary = flag(result, row, 2);
	key->replica_identity = flag(result, row, 3);
	key->deferrable = flag(result, row, 4);
	*names_rows = flag(result, row, 5);
	key->columns = columns;
	for (size_t i = 0; i < count; i++, row++) {
		struct key_column *column = &columns[key->column_count];

		column->index = column_of(image, pg_result_integer(result, row, 6));
		if (column->index == image->column_count) {
			*names_rows = false;
			continue;
		}
		column->equality = take_optional(reader->arena, result, row, 7);
		if (column->equality == NULL)
			column->equality = image->columns[column->index].equality;
		column->collation = take_optional(reader->arena, result, row, 8);
		key->column_count++;
	}
	reader->keys.row = row;
}

/* How many of the next `count` rows are of the same index. */
static size_t rows_of_key(const struct cursor *keys, size_t count)
{
	const char *name = pg_result_text(keys->result, keys->row, 1);
	size_t rows = 1;

	while (rows < count && strcmp(pg_result_text(keys->result, keys->row + rows, 1), name) == 0)
		rows++;
	return rows;
}

static void read_keys(struct reader *reader, struct table_image *image)
{
	size_t count = rows_of_table(&reader->keys, image->oid);
	struct key_image *keys = arena_alloc_zeroed(reader->arena, (count + 1) * sizeof(*keys));
	struct key_image *others = arena_alloc_zeroed(reader->arena, (count + 1) * sizeof(*others));

	image->keys = keys;
	image->other_keys = others;
	while (count > 0) {
		size_t rows = rows_of_key(&reader->keys, count);
		struct key_image key = {0};
		bool names_rows;

		read_key(reader, image, rows, &key, &names_rows);
		if (names_rows)
			keys[image->key_count++] = key;
		else
			others[image->other_key_count++] = key;
		count -= rows;
	}
}

static void read_foreign_keys(struct reader *reader, struct table_image *image)
{
	size_t count = rows_of_table(&reader->foreign_keys, image->oid);
	struct foreign_key_image *keys = arena_alloc_zeroed(reader->arena, (count + 1) * sizeof(*keys));

	for (size_t i = 0; i < count; i++) {
		const struct pg_result *result = reader->foreign_keys.result;
		size_t row = reader->foreign_keys.row++;

		keys[i].referenced_oid = (uint32_t)pg_result_integer(result, row, 1);
		keys[i].referenced_schema = take_text(reader->arena, result, row, 2);
		keys[i].referenced_table = take_text(reader->arena, result, row, 3);
		keys[i].on_delete = pg_result_text(result, row, 4)[0];
		keys[i].on_update = pg_result_text(result, row, 5)[0];
	}
	image->foreign_keys = keys;
	image->foreign_key_count = count;
}

static const struct table_image *read_image(struct reader *reader, const struct pg_result *tables, size_t row)
{
	struct table_image *image = arena_alloc_zeroed(reader->arena, sizeof(*image));

	image->oid = (uint32_t)pg_result_integer(tables, row, 0);
	image->schema = take_text(reader->arena, tables, row, 1);
	image->name = take_text(reader->arena, tables, row, 2);
	image->relkind = pg_result_text(tables, row, 3)[0];
	image->replica_identity = pg_result_text(tables, row, 4)[0];
	image->fires_for_origin = flag(tables, row, 5);
	image->fires_for_replica = flag(tables, row, 8);
	image->estimated_rows = pg_result_integer(tables, row, 6);
	image->root_oid = (uint32_t)pg_result_integer(tables, row, 7);
	read_columns(reader, image);
	read_keys(reader, image);
	read_foreign_keys(reader, image);
	return image;
}

/* An array of the tables' OIDs. */
static const char *oids_of(const struct pg_result *tables, struct arena *arena)
{
	struct buffer oids = {0};
	const char *text;

	for (size_t i = 0; i < pg_result_rows(tables); i++)
		buffer_append_format(&oids, "%c%s", i == 0 ? '{' : ',', pg_result_text(tables, i, 0));
	buffer_append_byte(&oids, '}');
	text = arena_copy(arena, oids.data, oids.length);
	buffer_free(&oids);
	return text;
}

/* `tables` has at least one row. */
static struct error *read_images(struct pg_connection *connection, const struct pg_result *tables, struct arena *arena,
                                 const struct table_image ***images)
{
	struct reader reader = {.arena = arena};
	const char *oids = oids_of(tables, arena);
	size_t count = pg_result_rows(tables);
	struct error *error = pg_query_prepared(connection, COLUMNS_SQL, 1, &oids, &reader.columns.result);

	if (error == NULL)
		error = pg_query_prepared(connection, KEYS_SQL, 1, &oids, &reader.keys.result);
	if (error == NULL)
		error = pg_query_prepared(connection, FOREIGN_KEYS_SQL, 1, &oids, &reader.foreign_keys.result);
	if (error == NULL)
		error = equality_read(connection, oids, arena, &reader.equalities);
	if (error == NULL)
		error = read_plain_fields(connection, &reader);
	if (error == NULL) {
		*images = arena_alloc(arena, (count + 1) * sizeof(**images));
		for (size_t i = 0; i < count; i++)
			(*images)[i] = read_image(&reader, tables, i);
	}
	pg_result_free(reader.columns.result);
	pg_result_free(reader.keys.result);
	pg_result_free(reader.foreign_keys.result);
	pg_result_free(reader.plain);
	return error;
}

struct error *catalog_read_table(struct pg_connection *connection, const char *schema, const char *table,
                                 struct arena *arena, const struct table_image **image)
{
	const char *const parameters[2] = {schema, table};
	const struct table_image **images = NULL;
	struct pg_result *tables = NULL;
	struct error *error = NULL;

	*image = NULL;
	TRY(pg_query_prepared(connection, TABLE_SQL, 2, parameters, &tables));
	if (pg_result_rows(tables) > 0) {
		error = read_images(connection, tables, arena, &images);
		*image = error == NULL ? images[0] : NULL;
	}
	pg_result_free(tables);
	return error;
}

struct error *catalog_read_tables(struct pg_connection *connection, struct arena *arena,
                                  const struct table_image ***images, size_t *count)
{
	struct pg_result *tables = NULL;
	struct error *error = NULL;

	*images = NULL;
	*count = 0;
	TRY(pg_query(connection, TABLES_SQL, 0, NULL, &tables));
	if (pg_result_rows(tables) > 0)
		error = read_images(connection, tables, arena, images);
	if (error == NULL)
		*count = pg_result_rows(tables);
	pg_result_free(tables);
	return error;
}

/*
 * A regtype has no modifier ("numeric(10,2)" is numeric), but a value of that type has. TYPE_SQL has read the name before, so
 * that it is the name of a type and nothing else. A domain has the modifier of its own.
 */
static struct error *read_modifier(struct pg_connection *connection, const char *name, struct arena *arena,
                                   struct column_image *image)
{
	struct pg_result *result = NULL;
	const char *parameters[2] = {name, NULL};
	int modifier;

	if (image->type.typmod >= 0 || strchr(name, '(') == NULL)
		return NULL;
	TRY(pg_query(connection, arena_format(arena, "SELECT NULL::%s", name), 0, NULL, &result));
	modifier = pg_result_type_modifier(result, 0);
	pg_result_free(result);
	if (modifier < 0)
		return NULL;
	image->type.typmod = modifier;
	parameters[1] = arena_format(arena, "%d", modifier);
	TRY(pg_query(connection, "SELECT format_type($1::regtype, $2::integer)", 2, parameters, &result));
	image->type_name = take_text(arena, result, 0, 0);
	pg_result_free(result);
	return NULL;
}

struct error *catalog_read_type(struct pg_connection *connection, const char *name, struct arena *arena,
                                const struct column_image **type)
{
	const char *const parameters[1] = {name};
	struct column_image *image = arena_alloc_zeroed(arena, sizeof(*image));
	struct pg_result *result = NULL;

	TRY(pg_query_prepared(connection, TYPE_SQL, 1, parameters, &result));
	image->name = "";
	image->type_name = take_text(arena, result, 0, 0);
	image->type.name = take_text(arena, result, 0, 1);
	image->type.typmod = (int32_t)pg_result_integer(result, 0, 2);
	image->type.array = flag(result, 0, 3);
	image->type.category = pg_result_text(result, 0, 4)[0];
	image->cast_name = take_text(arena, result, 0, 5);
	pg_result_free(result);
	*type = image;
	return read_modifier(connection, name, arena, image);
}

struct error *catalog_may_set_replication_role(struct pg_connection *connection, bool *may)
{
	const char *sql = pg_server_version(connection) >= 150000
	                      ? "SELECT has_parameter_privilege('session_replication_role', 'SET')::int"
	                      : "SELECT rolsuper::int FROM pg_roles WHERE rolname = current_user";
	struct pg_result *result = NULL;

	*may = false;
	TRY(pg_query(connection, sql, 0, NULL, &result));
	*may = pg_result_rows(result) > 0 && flag(result, 0, 0);
	pg_result_free(result);
	return NULL;
}
