/* preflight.c - see preflight.h */
#include "connect/preflight.h"

#include <string.h>

#include "base/embedded.h"
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

/* The defaults are Debezium's. */
struct error *connector_check_capture(struct pg_connection *source, const struct connector_definition *definition,
                                      void (*tell)(const struct connector_finding *finding, void *context),
                                      void *context)
{
	const char *const parameters[] = {
	    definition_get(definition, "database.user", ""),
	    definition_get(definition, "publication.name", "dbz_publication"),
	    definition_get(definition, "table.include.list", ""),
	};

	return ask(source, "sql/checks/capture.sql", parameters, sizeof(parameters) / sizeof(*parameters), tell,
	           context);
}

struct error *connector_preflight(struct pg_connection *source, const struct connector_definition *definition,
                                  void (*tell)(const struct connector_finding *finding, void *context), void *context)
{
	const char *const parameters[] = {
	    definition_get(definition, "database.user", ""),
	    definition_get(definition, "slot.name", "debezium"),
	    definition_get(definition, "publication.name", "dbz_publication"),
	    definition_get(definition, "publication.autocreate.mode", "all_tables"),
	    definition_get(definition, "table.include.list", ""),
	};

	TRY(ask(source, "sql/checks/connector.sql", parameters, sizeof(parameters) / sizeof(*parameters), tell,
	        context));
	TRY(connector_check_capture(source, definition, tell, context));
	return publication_check(source, definition->config, NULL, tell, context);
}
