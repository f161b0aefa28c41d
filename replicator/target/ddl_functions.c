/* ddl_functions.c - see ddl_functions.h. */
#include "target/ddl_functions.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#define HINT_BYTES 4000

/* What the parts of a table or type refer to: $1 its oid. The functions of extensions come with these. */
static const char FUNCTIONS_SQL[] =
    "WITH RECURSIVE types (oid) AS (SELECT $1::bigint::oid UNION SELECT atttypid FROM pg_attribute"
    "  WHERE attrelid = $1::bigint::oid AND attnum > 0 AND NOT attisdropped"
    " UNION SELECT inner_type.oid FROM types JOIN pg_type t ON t.oid = types.oid, LATERAL (SELECT t.typelem"
    "  UNION ALL SELECT t.typbasetype UNION ALL SELECT atttypid FROM pg_attribute"
    "  WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped) inner_type (oid) WHERE inner_type.oid <> 0),"
    " parts AS (SELECT 'pg_attrdef'::regclass AS class, oid FROM pg_attrdef WHERE adrelid = $1::bigint::oid"
    " UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint"
    "  WHERE conrelid = $1::bigint::oid OR (contypid <> 0 AND contypid IN (SELECT oid FROM types))"
    " UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = $1::bigint::oid"
    " UNION ALL SELECT 'pg_class'::regclass, $1::bigint::oid UNION ALL SELECT 'pg_type'::regclass, oid FROM types)"
    " SELECT DISTINCT format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)), "
    "pg_get_functiondef(p.oid)"
    " FROM parts JOIN pg_depend d ON d.classid = parts.class AND d.objid = parts.oid"
    "  AND d.refclassid = 'pg_proc'::regclass"
    " JOIN pg_proc p ON p.oid = d.refobjid AND p.prokind IN ('f', 'w') JOIN pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT EXISTS (SELECT FROM pg_depend e"
    "  WHERE e.classid = 'pg_proc'::regclass AND e.objid = p.oid AND e.deptype = 'e') ORDER BY 1";

/* A message is one line: the ends of lines are written as \n where a comment would swallow the rest. */
static void append_line(struct buffer *text, const char *definition)
{
	const char *end = strstr(definition, "--") != NULL ? "\\n" : " ";

	for (; *definition != '\0'; definition++) {
		if (*definition == '\n')
			buffer_append_text(text, end);
		else
			buffer_append_byte(text, *definition);
	}
}

static struct error *append_missing(struct pg_connection *target, const struct pg_result *functions, size_t row,
                                    struct buffer *text)
{
	const char *const parameters[1] = {pg_result_text(functions, row, 0)};
	int64_t found;

	TRY(pg_query_integer(target, "SELECT (to_regprocedure($1) IS NOT NULL)::int", 1, parameters, 0, &found));
	if (found == 1)
		return NULL;
	buffer_append_format(text, "%s: ", parameters[0]);
	append_line(text, pg_result_text(functions, row, 1));
	buffer_append_text(text, "; ");
	return NULL;
}

static struct error *append_functions(struct pg_connection *target, const struct config *config, const char *relid,
                                      struct buffer *text)
{
	const char *const parameters[1] = {relid};
	struct pg_connection *source = NULL;
	struct pg_result *functions = NULL;
	struct error *error = pg_connect(config->source.dsn, "replicator schema changes", &source);

	if (error == NULL)
		error = pg_query(source, FUNCTIONS_SQL, 1, parameters, &functions);
	for (size_t i = 0; error == NULL && i < pg_result_rows(functions) && text->length < HINT_BYTES; i++)
		error = append_missing(target, functions, i, text);
	pg_result_free(functions);
	pg_disconnect(source);
	return error;
}

char *ddl_functions_hint(struct pg_connection *target, const struct config *config, const char *relid)
{
	static const char remedy[] =
	    "functions are not replicated: create what is missing in the target, with the types that it needs";
	struct buffer text = {0};
	struct error *error = NULL;
	char *hint;

	if (config->source.dsn == NULL)
		return memory_format("%s (the source's definition: SELECT pg_get_functiondef('NAME'::regproc))",
		                     remedy);
	error = append_functions(target, config, relid, &text);
	if (error != NULL)
		hint = memory_format("%s (the source does not tell the definition: %s)", remedy, error->message);
	else if (text.length == 0)
		hint = memory_copy_text(remedy);
	else
		hint = memory_format("%s. The source's definitions: %.*s%s", remedy,
		                     (int)(text.length < HINT_BYTES ? text.length - 2 : HINT_BYTES), text.data,
		                     text.length < HINT_BYTES ? "" : " ... (cut)");
	error_free(error);
	buffer_free(&text);
	return hint;
}
