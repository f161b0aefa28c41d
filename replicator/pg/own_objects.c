/*
 * own_objects.c - see own_objects.h
 *
 * NOTES
 *   The files themselves say what they create: each statement begins a line with CREATE, and the name follows @schema@.
 */
#include "pg/own_objects.h"

#include "base/buffer.h"
#include "base/embedded.h"
#include "pg/sql.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define PLACEHOLDER "@schema@."

enum kind { KIND_RELATION, KIND_FUNCTION, KINDS };

/* The object of a line, or an empty name: indexes go with their tables. */
static struct slice created_name(const char *line, size_t length, enum kind *kind)
{
	static const struct {
		const char *words;
		enum kind kind;
	} statements[] = {
	    {"CREATE TABLE ", KIND_RELATION},    {"CREATE UNLOGGED TABLE ", KIND_RELATION},
	    {"CREATE VIEW ", KIND_RELATION},     {"CREATE OR REPLACE VIEW ", KIND_RELATION},
	    {"CREATE FUNCTION ", KIND_FUNCTION}, {"CREATE OR REPLACE FUNCTION ", KIND_FUNCTION},
	};
	size_t place, end;

	for (size_t i = 0; i < sizeof(statements) / sizeof(*statements); i++) {
		place = strlen(statements[i].words);
		end = place + strlen(PLACEHOLDER);
		if (length <= end || strncmp(line, statements[i].words, place) != 0 ||
		    strncmp(line + place, PLACEHOLDER, strlen(PLACEHOLDER)) != 0)
			continue;
		place = end;
		while (end < length && (isalnum((unsigned char)line[end]) || line[end] == '_'))
			end++;
		*kind = statements[i].kind;
		return (struct slice){line + place, end - place};
	}
	return (struct slice){0};
}

static void add_names(const struct embedded_file *file, struct buffer arrays[KINDS])
{
	for (const char *line = file->data; *line != '\0';) {
		size_t length = strcspn(line, "\n");
		enum kind kind = KIND_RELATION;
		struct slice name = created_name(line, length, &kind);

		if (name.length > 0) {
			buffer_append_byte(&arrays[kind], arrays[kind].length == 0 ? '{' : ',');
			sql_append_array_element(&arrays[kind], name.data, name.length);
		}
		line += length + (line[length] == '\n' ? 1 : 0);
	}
}

/* A query about the schema ($1) and the names of our relations ($2) and functions ($3). */
static struct error *ask(struct pg_connection *connection, const char *folder, const char *schema, const char *sql,
                         struct pg_result **result)
{
	struct buffer arrays[KINDS] = {{0}};
	const char *parameters[1 + KINDS] = {schema};
	struct error *error;

	for (size_t i = 0; i < embedded_file_count; i++)
		if (strncmp(embedded_files[i].path, folder, strlen(folder)) == 0)
			add_names(&embedded_files[i], arrays);
	for (size_t i = 0; i < KINDS; i++) {
		buffer_append_text(&arrays[i], arrays[i].length == 0 ? "{}" : "}");
		parameters[1 + i] = arrays[i].data;
	}
	error = pg_query(connection, sql, 1 + KINDS, parameters, result);
	for (size_t i = 0; i < KINDS; i++)
		buffer_free(&arrays[i]);
	return error;
}

/* Sequences and row types that belong to a table are named by it. */
static const char OTHERS_SQL[] =
    "SELECT string_agg(o.name, ', ' ORDER BY o.name), max(o.total) FROM (SELECT x.name, count(*) OVER () AS total FROM "
    "("
    " SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1"
    "  AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND NOT c.relname = ANY ($2::text[])"
    "  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
    "   AND d.refclassid = d.classid AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i'))"
    " UNION ALL SELECT p.proname || '()' FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    "  WHERE n.nspname = $1 AND NOT p.proname = ANY ($3::text[])"
    " UNION ALL SELECT t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
    "  WHERE n.nspname = $1 AND t.typtype IN ('d', 'e', 'r')) x ORDER BY 1 LIMIT 5) o";

struct error *own_objects_refuse_others(struct pg_connection *connection, const char *folder, const char *schema)
{
	struct pg_result *result = NULL;
	struct error *error = NULL;

	TRY(ask(connection, folder, schema, OTHERS_SQL, &result));
	if (!pg_result_is_null(result, 0, 0))
		error = error_new(
		    ERROR_CONFIGURATION,
		    "%s: schema %s holds %s objects that are not the replicator's (%s); it needs a schema of its "
		    "own",
		    pg_description(connection), schema, pg_result_text(result, 0, 1), pg_result_text(result, 0, 0));
	pg_result_free(result);
	return error;
}

/* Tables depend on each other and go in one statement, and before the functions of their defaults. */
static const char DROPS_SQL[] =
    "SELECT s.sql FROM ("
    " SELECT 1 AS step, format('DROP EVENT TRIGGER %I', e.evtname) AS sql FROM pg_event_trigger e"
    "  JOIN pg_proc p ON p.oid = e.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace"
    "  WHERE n.nspname = $1 AND p.proname = ANY ($3::text[])"
    " UNION ALL SELECT 2, 'DROP VIEW ' || string_agg(format('%I.%I', n.nspname, c.relname), ', ') FROM pg_class c"
    "  JOIN pg_namespace n ON n.oid = c.relnamespace"
    "  WHERE n.nspname = $1 AND c.relkind = 'v' AND c.relname = ANY ($2::text[])"
    " UNION ALL SELECT 3, 'DROP TABLE ' || string_agg(format('%I.%I', n.nspname, c.relname), ', ') FROM pg_class c"
    "  JOIN pg_namespace n ON n.oid = c.relnamespace"
    "  WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relname = ANY ($2::text[])"
    " UNION ALL SELECT 4, 'DROP FUNCTION ' || string_agg(format('%I.%I(%s)', n.nspname, p.proname,"
    "   pg_get_function_identity_arguments(p.oid)), ', ') FROM pg_proc p"
    "  JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1 AND p.proname = ANY ($3::text[])"
    " UNION ALL SELECT 5, format('DROP SCHEMA %I', $1::text)) s WHERE s.sql IS NOT NULL ORDER BY s.step";

struct error *own_objects_drop(struct pg_connection *connection, const char *folder, const char *schema)
{
	struct pg_result *result = NULL;
	struct error *error = NULL;

	TRY(ask(connection, folder, schema, DROPS_SQL, &result));
	for (size_t i = 0; error == NULL && i < pg_result_rows(result); i++)
		error = pg_execute(connection, pg_result_text(result, i, 0));
	pg_result_free(result);
	return error;
}
