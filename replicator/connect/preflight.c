/* preflight.c - see preflight.h */
#include "connect/preflight.h"

#include <string.h>

#include "base/buffer.h"
#include "base/embedded.h"
#include "connect/capture_list.h"
#include "connect/publication.h"

static const char *embedded_text(const char *path)
{
	for (size_t i = 0; i < embedded_file_count; i++) {
		if (strcmp(embedded_files[i].path, path) == 0)
			return embedded_files[i].data;
	}
	return NULL;
}

typedef void tell_function(const struct connector_finding *finding, void *context);

static struct error *ask(struct pg_connection *source, const char *path, const char *const *parameters, size_t count,
                         tell_function *tell, void *context)
{
	const char *sql = embedded_text(path);
	struct pg_result *result = NULL;

	if (sql == NULL)
		return error_new(ERROR_SYSTEM, "%s is not in this program", path);
	TRY(pg_query(source, sql, count, parameters, &result));
	for (size_t i = 0; i < pg_result_rows(result); i++) {
		struct connector_finding finding = {
		    .problem = strcmp(pg_result_text(result, i, 0), "problem") == 0,
		    .text = pg_result_text(result, i, 1),
		    .remedy = pg_result_text(result, i, 2),
		};

		tell(&finding, context);
	}
	pg_result_free(result);
	return NULL;
}

static const char *tables_of(const struct pg_result *tables)
{
	return tables == NULL ? NULL : pg_result_text(tables, 0, 0);
}

/* The defaults are Debezium's. */
static struct error *ask_of_capture(struct pg_connection *source, const struct connector_definition *definition,
                                    const struct pg_result *tables, tell_function *tell, void *context)
{
	const char *const parameters[] = {
	    definition_get(definition, "database.user", ""),
	    definition_get(definition, "publication.name", "dbz_publication"),
	    tables_of(tables),
	    capture_list_is_set(definition->config) ? "true" : "false",
	};

	return ask(source, "sql/checks/capture.sql", parameters, sizeof(parameters) / sizeof(*parameters), tell,
	           context);
}

static struct error *ask_of_source(struct pg_connection *source, const struct connector_definition *definition,
                                   const struct pg_result *tables, tell_function *tell, void *context)
{
	const char *const parameters[] = {
	    definition_get(definition, "database.user", ""),
	    definition_get(definition, "slot.name", "debezium"),
	    definition_get(definition, "publication.name", "dbz_publication"),
	    definition_get(definition, "publication.autocreate.mode", "all_tables"),
	    tables_of(tables),
	};

	return ask(source, "sql/checks/connector.sql", parameters, sizeof(parameters) / sizeof(*parameters), tell,
	           context);
}

static void tell_text(bool problem, const char *text, const char *remedy, tell_function *tell, void *context)
{
	const struct connector_finding finding = {.problem = problem, .text = text, .remedy = remedy};

	tell(&finding, context);
}

static struct error *check_entries(struct pg_connection *source, const struct connector_definition *definition,
                                   tell_function *tell, void *context)
{
	const char *list = capture_setting(definition->config, "table.include.list", NULL);
	struct pg_result *entries = NULL;
	struct buffer text = {0};

	if (list != NULL)
		TRY(capture_list_unmatched(source, list, &entries));
	for (size_t i = 0; entries != NULL && i < pg_result_rows(entries); i++) {
		buffer_reset(&text);
		buffer_append_format(&text, "%s in table.include.list matches no table", pg_result_text(entries, i, 0));
		tell_text(true, text.data, "correct table.include.list, or create the table first", tell, context);
	}
	buffer_free(&text);
	pg_result_free(entries);
	return NULL;
}

struct error *connector_check_capture(struct pg_connection *source, const struct connector_definition *definition,
                                      void (*tell)(const struct connector_finding *finding, void *context),
                                      void *context)
{
	struct pg_result *tables = NULL;
	struct error *error;

	TRY(capture_list_tables(source, definition->config, &tables));
	error = ask_of_capture(source, definition, tables, tell, context);
	pg_result_free(tables);
	return error;
}

struct error *connector_preflight(struct pg_connection *source, const struct connector_definition *definition,
                                  void (*tell)(const struct connector_finding *finding, void *context), void *context)
{
	struct pg_result *tables = NULL;
	struct error *error;

	TRY(capture_list_tables(source, definition->config, &tables));
	if (tables == NULL)
		tell_text(false,
		          "the connector's lists of tables have regular expressions that only Java knows: only the "
		          "tables of its publication are checked",
		          "write the lists without them, if the tables are to be checked", tell, context);
	error = ask_of_source(source, definition, tables, tell, context);
	if (error == NULL)
		error = check_entries(source, definition, tell, context);
	if (error == NULL)
		error = ask_of_capture(source, definition, tables, tell, context);
	if (error == NULL)
		error = publication_check(source, definition->config, NULL, tell, context);
	pg_result_free(tables);
	return error;
}
