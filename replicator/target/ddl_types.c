/* ddl_types.c - see ddl_types.h. */
#include "target/ddl_types.h"

#include "base/memory.h"
#include "pg/sql.h"
#include "target/state.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MOST 32 /* of types in types */

bool ddl_types_may_wait(const struct pg_connection *connection, const struct error *error)
{
	if (error->class != ERROR_TARGET || pg_is_broken(connection))
		return false;
	return error->sqlstate[0] == '\0' || strcmp(error->sqlstate, "42501") == 0 || ddl_steps_lack_object(error);
}

/* The length of a type's name without modifier and brackets: "s.name(3)[]"; names may be quoted. */
static size_t name_length(const char *type)
{
	bool quoted = false;
	size_t length = 0;

	for (; type[length] != '\0' && (quoted || (type[length] != '(' && type[length] != '[')); length++)
		quoted = quoted != (type[length] == '"');
	return length;
}

static void append_type(struct buffer *names, const char *type)
{
	if (type == NULL || strchr(type, '.') == NULL) /* of pg_catalog */
		return;
	buffer_append_byte(names, names->length == 0 ? '{' : ',');
	sql_append_array_element(names, type, name_length(type));
}

static struct error *read_missing(struct pg_connection *connection, const struct config *config,
                                  const struct object_image *image, struct pg_result **result)
{
	struct buffer names = {0};
	const char *parameters[2] = {config->stream.name, NULL};
	struct error *error = NULL;

	*result = NULL;
	append_type(&names, image->base);
	append_type(&names, image->range.subtype);
	for (size_t i = 0; i < image->column_count; i++)
		append_type(&names, image->columns[i].type);
	if (names.length > 0) {
		buffer_append_byte(&names, '}');
		parameters[1] = names.data;
		error = state_query(
		    connection, config,
		    "SELECT t.relid::bigint, t.schema_name, t.table_name, t.image FROM (SELECT DISTINCT ON (relid) "
		    "relid,"
		    " schema_name, table_name, image FROM @schema_history WHERE stream = $1 AND kind = 'type'"
		    " AND log_id IS NOT NULL ORDER BY relid, id DESC) t WHERE t.image <> 'null'"
		    " AND (format('%I.%I', t.schema_name, t.table_name) = ANY ($2::text[])"
		    "  OR quote_ident(t.schema_name) || '.' || quote_ident(t.image->'range'->>'multirange') = ANY "
		    "($2::text[]))"
		    " AND NOT EXISTS (SELECT FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace"
		    "  WHERE n.nspname = t.schema_name AND y.typname = t.table_name)",
		    2, parameters, result);
	}
	buffer_free(&names);
	return error;
}

static struct error *note_created(struct pg_connection *connection, const struct config *config, const char *relid)
{
	const char *const parameters[2] = {config->stream.name, relid};

	return state_query(connection, config,
	                   "UPDATE @schema_history SET maintained = true WHERE id = (SELECT id FROM @schema_history"
	                   " WHERE stream = $1 AND kind = 'type' AND relid = $2::bigint::oid AND log_id IS NOT NULL"
	                   " ORDER BY id DESC LIMIT 1)",
	                   2, parameters, NULL);
}

static struct error *create_needed(struct ddl_steps *steps, struct pg_connection *connection,
                                   const struct config *config, const struct object_image *image, int depth,
                                   struct arena *arena, struct ddl_report *report);

static struct error *create(struct ddl_steps *steps, struct pg_connection *connection, const struct config *config,
                            const struct pg_result *missing, size_t row, int depth, struct arena *arena,
                            struct ddl_report *report)
{
	const struct ddl_subject subject = {
	    .object = {"type",
	               pg_result_text(missing, row, 0),
	               {pg_result_text(missing, row, 1), pg_result_text(missing, row, 2)}}};
	struct difference difference = {.target_version = pg_server_version(connection)};
	enum difference_next next;
	struct step *first;

	TRY(object_image_parse(pg_result_text(missing, row, 3), strlen(pg_result_text(missing, row, 3)), arena,
	                       &difference.after));
	if (difference.after == NULL)
		return NULL;
	TRY(create_needed(steps, connection, config, difference.after, depth - 1, arena, report));
	TRY(difference_steps(&difference, arena, &first, &next));
	TRY(ddl_steps_run(steps, connection, &subject, first, report));
	return note_created(connection, config, subject.object.relid);
}

static struct error *create_needed(struct ddl_steps *steps, struct pg_connection *connection,
                                   const struct config *config, const struct object_image *image, int depth,
                                   struct arena *arena, struct ddl_report *report)
{
	struct pg_result *missing = NULL;
	struct error *error = NULL;

	if (depth == 0)
		return NULL;
	TRY(read_missing(connection, config, image, &missing));
	for (size_t i = 0; missing != NULL && error == NULL && i < pg_result_rows(missing); i++)
		error = create(steps, connection, config, missing, i, depth, arena, report);
	pg_result_free(missing);
	return error;
}

struct error *ddl_types_create_needed(struct ddl_steps *steps, struct pg_connection *connection,
                                      const struct config *config, const struct object_image *image,
                                      struct arena *arena, struct ddl_report *report)
{
	return create_needed(steps, connection, config, image, DEPTH_MOST, arena, report);
}
