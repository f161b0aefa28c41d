/* capture_list.c - see the header. */
#include "connect/capture_list.h"

#include <ctype.h>
#include <string.h>

#include "config/config.h"

#define INVALID_REGULAR_EXPRESSION "2201B"

/* Of SQL: a comma that is part of an expression is escaped. */
#define ENTRIES(list) "regexp_split_to_table(" list ", '\\s*(?<!\\\\),\\s*') AS p"
#define IS_ALL_OF(name) name " ~* ('^(?:' || btrim(p, E' \\t\\r\\n') || ')$')"
#define MATCHES(name, list) "EXISTS (SELECT FROM " ENTRIES(list) " WHERE " IS_ALL_OF(name) ")"

/* Of a row with schemaname, and name ("schema.table"). The four lists are $1 to $4. */
#define LEFT_OUT                                                                                                       \
	"($1::text IS NOT NULL AND NOT " MATCHES("schemaname", "$1") " OR " MATCHES(                                   \
	    "schemaname", "$2::text") " OR $3::text IS NOT NULL AND NOT " MATCHES("name",                              \
	                                                                          "$3") " OR " MATCHES("name",         \
	                                                                                               "$4::text") ")"

static const char *const lists[] = {"schema.include.list", "schema.exclude.list", "table.include.list",
                                    "table.exclude.list"};
#define LIST_COUNT (sizeof(lists) / sizeof(*lists))

static void take_lists(const json_t *connector, const char **parameters)
{
	for (size_t i = 0; i < LIST_COUNT; i++)
		parameters[i] = capture_setting(connector, lists[i], NULL);
}

const char *capture_setting(const json_t *connector, const char *key, const char *fallback)
{
	const char *text = json_string_value(json_object_get(connector, key));

	return text != NULL && text[0] != '\0' ? text : fallback;
}

/* Behind "[": what both take for the same characters. The bracket's end, or NULL: Java or PostgreSQL reads more into it. */
static const char *end_of_bracket(const char *at)
{
	if (*at == '^')
		at++;
	if (*at == ']')
		return NULL;
	for (; *at != ']'; at++) {
		if (*at == '\0' || *at == '[' || (*at == '&' && at[1] == '&'))
			return NULL;
		if (*at == '\\' && (*++at == '\0' || isalnum((unsigned char)*at)))
			return NULL;
	}
	return at;
}

/*
 * Whether PostgreSQL reads the expressions of a list as Java does. Not what one of them refuses: what both take and mean
 * otherwise by, as \b (a word's border, a backspace), [a&&b], \Q, and a reference "${file:…}" that is no expression.
 */
static bool reads_alike(const char *list)
{
	for (const char *at = list; *at != '\0'; at++) {
		switch (*at) {
		case '\\':
			at++;
			if (*at == '\0' || (isalnum((unsigned char)*at) && *at != 'd'))
				return false;
			break;
		case '[':
			at = end_of_bracket(at + 1);
			if (at == NULL)
				return false;
			break;
		case '{':
			if (!isdigit((unsigned char)at[1]))
				return false;
			break;
		case '(':
			if (at[1] == '?' && at[2] != ':')
				return false;
			break;
		default:
			break;
		}
	}
	return true;
}

static bool all_read_alike(const char *const *expressions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (expressions[i] != NULL && !reads_alike(expressions[i]))
			return false;
	return true;
}

/* Frees it then. */
static bool is_foreign_expression(struct error **error)
{
	if (*error == NULL || strcmp((*error)->sqlstate, INVALID_REGULAR_EXPRESSION) != 0)
		return false;
	error_free(*error);
	*error = NULL;
	return true;
}

struct error *capture_list_matches(struct pg_connection *source, const char *list, const char *name, int *match)
{
	const char *const parameters[2] = {list, name};
	int64_t found = 0;
	struct error *error;

	*match = -1;
	if (!reads_alike(list))
		return NULL;
	error = pg_query_integer(source, "SELECT (" MATCHES("$2", "$1") ")::int", 2, parameters, 0, &found);
	*match = is_foreign_expression(&error) ? -1 : found > 0;
	return error;
}

bool capture_list_is_set(const json_t *connector)
{
	for (size_t i = 0; i < LIST_COUNT; i++)
		if (capture_setting(connector, lists[i], NULL) != NULL)
			return true;
	return false;
}

/* A query whose parameters are the four lists, the publication and our schema. */
static struct error *ask_lists(struct pg_connection *source, const char *sql, const json_t *connector,
                               struct pg_result **names)
{
	const char *parameters[LIST_COUNT + 2];
	struct error *error;

	take_lists(connector, parameters);
	if (!all_read_alike(parameters, LIST_COUNT))
		return NULL;
	parameters[LIST_COUNT] = capture_setting(connector, "publication.name", "dbz_publication");
	parameters[LIST_COUNT + 1] = config_source_schema;
	error = pg_query(source, sql, LIST_COUNT + 2, parameters, names);
	is_foreign_expression(&error);
	return error;
}

struct error *capture_list_tables(struct pg_connection *source, const json_t *connector, struct pg_result **tables)
{
	static const char sql[] = "SELECT COALESCE(array_agg(c.oid), '{}') FROM pg_class c"
	                          " JOIN pg_namespace ON pg_namespace.oid = c.relnamespace,"
	                          " LATERAL (SELECT nspname AS schemaname, nspname || '.' || c.relname AS name) n"
	                          " WHERE c.relkind IN ('r', 'p') AND nspname <> 'information_schema'"
	                          " AND nspname !~ '^pg_' AND NOT " LEFT_OUT;
	const char *parameters[LIST_COUNT];
	struct error *error;

	take_lists(connector, parameters);
	if (!all_read_alike(parameters, LIST_COUNT))
		return NULL;
	error = pg_query(source, sql, LIST_COUNT, parameters, tables);
	is_foreign_expression(&error);
	return error;
}

struct error *capture_list_unmatched(struct pg_connection *source, const char *list, struct pg_result **entries)
{
	static const char sql[] = "SELECT btrim(p, E' \\t\\r\\n') FROM " ENTRIES(
	    "$1") " WHERE btrim(p, E' \\t\\r\\n') <> ''"
	          " AND NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	          " WHERE c.relkind IN ('r', 'p') AND " IS_ALL_OF("n.nspname || '.' || c.relname") ")";
	struct error *error;

	if (!reads_alike(list))
		return NULL;
	error = pg_query(source, sql, 1, &list, entries);
	is_foreign_expression(&error);
	return error;
}

struct error *capture_list_left_out(struct pg_connection *source, const json_t *connector, struct pg_result **names)
{
	static const char sql[] = "SELECT schemaname, tablename FROM pg_publication_tables,"
	                          " LATERAL (SELECT schemaname || '.' || tablename AS name) n"
	                          " WHERE pubname = $5 AND schemaname <> $6 AND " LEFT_OUT " ORDER BY 1, 2";

	return ask_lists(source, sql, connector, names);
}

struct error *capture_list_unpublished(struct pg_connection *source, const json_t *connector, struct pg_result **names)
{
	static const char sql[] =
	    "SELECT l.schemaname, c.relname, format('%I.%I', l.schemaname, c.relname)"
	    "  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,"
	    " LATERAL (SELECT n.nspname AS schemaname, n.nspname || '.' || c.relname AS name) l"
	    " WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition"
	    "   AND l.schemaname !~ '^pg_' AND l.schemaname <> 'information_schema'"
	    "   AND (l.schemaname <> $6 OR c.relname IN ('heartbeat', 'signal', 'ddl_log'))"
	    "   AND NOT EXISTS (SELECT FROM pg_publication_tables t WHERE t.pubname = $5"
	    "                    AND (t.schemaname = l.schemaname AND t.tablename = c.relname"
	    "                         OR c.relkind = 'p' AND format('%I.%I', t.schemaname, t.tablename)::regclass IN"
	    "                            (SELECT relid FROM pg_partition_tree(c.oid))))"
	    "   AND NOT " LEFT_OUT " ORDER BY 1, 2";

	return ask_lists(source, sql, connector, names);
}

struct error *capture_list_columns(struct pg_connection *source, const char *list, bool others,
                                   struct pg_result **columns)
{
	static const char sql[] =
	    "WITH RECURSIVE resolved(oid, base) AS ("
	    "  SELECT t.oid, t.oid FROM pg_type t WHERE t.typtype <> 'd'"
	    "  UNION ALL SELECT d.oid, r.base FROM resolved r JOIN pg_type d ON d.typtype = 'd' AND d.typbasetype = "
	    "r.oid)"
	    " SELECT n.nspname, c.relname, a.attname, b.typname, (t.typtype = 'd')::int, (b.typelem <> 0 AND b.typlen "
	    "= -1)::int,"
	    "        EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary"
	    "                AND a.attnum = ANY (i.indkey))::int, a.atttypmod"
	    "   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	    "   JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
	    "   JOIN pg_type t ON t.oid = a.atttypid JOIN resolved r ON r.oid = t.oid JOIN pg_type b ON b.oid = r.base,"
	    " LATERAL (SELECT n.nspname || '.' || c.relname || '.' || a.attname AS name) full_name"
	    "  WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ($3, 'pg_catalog', 'information_schema')"
	    "    AND n.nspname !~ '^pg_(toast|temp_)' AND (" MATCHES("name",
	                                                             "$1") ") <> $2::bool ORDER BY 1, 2, a.attnum";
	const char *const parameters[3] = {list, others ? "true" : "false", config_source_schema};
	struct error *error;

	if (!reads_alike(list))
		return NULL;
	error = pg_query(source, sql, 3, parameters, columns);
	is_foreign_expression(&error);
	return error;
}
