/*
 * catalog_version.c - see the header.
 *
 * NOTES
 *   The check runs with every commit, so it reads no more than it must: the rows of pg_attribute, pg_index,
 *   pg_trigger and pg_rewrite by the table's OID, and of pg_type only the types that are not built in (their OIDs begin at
 *   FirstNormalObjectId, 16384).
 */
#include "pg/catalog_version.h"

#include "pg/sql.h"

#include <string.h>

/*
 * The version of table `schema`.`name`, both SQL expressions; NULL: there is none. Sums of hashes, because the order of
 * rows depends on the plan.
 */
#define VERSION_OF(schema, name)                                                                                       \
	"(SELECT concat_ws(' ', c.oid, c.relkind,"                                                                     \
	" (SELECT sum(hashtext(concat_ws(' ', a.attnum, a.xmin, CASE WHEN a.atttypid >= 16384 THEN"                    \
	"         (SELECT concat_ws(' ', t.xmin, tn.xmin) FROM pg_type t"                                              \
	"            JOIN pg_namespace tn ON tn.oid = t.typnamespace WHERE t.oid = a.atttypid) END)))"                 \
	"    FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),"                   \
	" (SELECT sum(hashtext(concat_ws(' ', i.indexrelid, i.xmin)))"                                                 \
	"    FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique),"                                             \
	" (SELECT sum(hashtext(concat_ws(' ', g.oid, g.xmin)))"                                                        \
	"    FROM pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal),"                                       \
	" (SELECT sum(hashtext(concat_ws(' ', r.oid, r.xmin)))"                                                        \
	"    FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type <> '1'))"                                        \
	" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"                                               \
	" WHERE n.nspname = " schema " AND c.relname = " name ")"

static const char CHANGED_SQL[] =
    "SELECT 1 FROM unnest($1::text[], $2::text[], $3::text[]) AS u (schema, name, version)"
    " WHERE coalesce(" VERSION_OF("u.schema", "u.name") ", '') <> u.version";

struct error *catalog_read_version(struct pg_connection *connection, const char *schema, const char *table,
                                   struct arena *arena, const char **version)
{
	const char *const parameters[2] = {schema, table};
	struct pg_result *result = NULL;
	const char *text;

	TRY(pg_query_prepared(connection, "SELECT " VERSION_OF("$1::text", "$2::text"), 2, parameters, &result));
	text = pg_result_text(result, 0, 0);
	*version = arena_copy(arena, text, strlen(text));
	pg_result_free(result);
	return NULL;
}

static void add(struct buffer *array, size_t count, const char *text)
{
	buffer_append_byte(array, count == 0 ? '{' : ',');
	sql_append_array_element(array, text, strlen(text));
}

void catalog_versions_add(struct catalog_versions *list, const char *schema, const char *table, const char *version)
{
	add(&list->schemas, list->count, schema);
	add(&list->tables, list->count, table);
	add(&list->versions, list->count, version);
	list->count++;
}

void catalog_versions_free(struct catalog_versions *list)
{
	buffer_free(&list->schemas);
	buffer_free(&list->tables);
	buffer_free(&list->versions);
	list->count = 0;
}

/* Ends the arrays: the list takes no more tables. */
static void end(struct catalog_versions *list, const char *parameters[3])
{
	struct buffer *const arrays[3] = {&list->schemas, &list->tables, &list->versions};

	for (size_t i = 0; i < 3; i++) {
		buffer_append_text(arrays[i], list->count == 0 ? "{}" : "}");
		parameters[i] = arrays[i]->data;
	}
}

struct error *catalog_read_versions(struct pg_connection *connection, const struct table_image *const *images,
                                    size_t count, struct arena *arena, const char ***versions)
{
	struct catalog_versions list = {0};
	const char *parameters[3];
	struct pg_result *result = NULL;
	struct error *error;

	for (size_t i = 0; i < count; i++)
		catalog_versions_add(&list, images[i]->schema, images[i]->name, "");
	end(&list, parameters);
	error =
	    pg_query(connection,
	             "SELECT " VERSION_OF("u.schema", "u.name") " FROM unnest($1::text[], $2::text[])"
	                                                        " WITH ORDINALITY AS u (schema, name, n) ORDER BY n",
	             2, parameters, &result);
	catalog_versions_free(&list);
	TRY(error);
	*versions = arena_alloc(arena, (count + 1) * sizeof(**versions));
	for (size_t i = 0; i < count; i++) {
		const char *text = pg_result_text(result, i, 0);

		(*versions)[i] = arena_copy(arena, text, strlen(text));
	}
	pg_result_free(result);
	return NULL;
}

struct error *catalog_versions_send_check(struct pg_connection *connection, struct catalog_versions *list)
{
	const char *parameters[3];

	end(list, parameters);
	return pg_pipeline_send(connection, pg_statement_of(connection, slice_from(CHANGED_SQL)), 3, parameters);
}

struct error *catalog_versions_check(struct pg_connection *connection, struct catalog_versions *list, bool *changed)
{
	const char *parameters[3];
	struct pg_result *result = NULL;

	end(list, parameters);
	TRY(pg_query_prepared(connection, CHANGED_SQL, 3, parameters, &result));
	*changed = pg_result_rows(result) > 0;
	pg_result_free(result);
	return NULL;
}
