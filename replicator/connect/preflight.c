/* preflight.c - see preflight.h */
#include "connect/preflight.h"

#include <string.h>

#include "base/embedded.h"

static const char *embedded_text(const char *path)
{
	for (size_t i = 0; i < embedded_file_count; i++) {
		if (strcmp(embedded_files[i].path, path) == 0)
			return embedded_files[i].data;
	}
	return NULL;
}

struct error *connector_preflight(struct pg_connection *source, const struct connector_definition *definition,
                                  void (*tell)(const struct connector_finding *finding, void *context), void *context)
{
	/* The defaults are Debezium's. */
	const char *const parameters[] = {
	    definition_get(definition, "database.user", ""),
	    definition_get(definition, "slot.name", "debezium"),
	    definition_get(definition, "publication.name", "dbz_publication"),
	    definition_get(definition, "publication.autocreate.mode", "all_tables"),
	    definition_get(definition, "table.include.list", ""),
	};
	const char *sql = embedded_text("sql/checks/connector.sql");
	struct pg_result *result = NULL;

	if (sql == NULL)
		return error_new(ERROR_SYSTEM, "sql/checks/connector.sql is not in this program");
	TRY(pg_query(source, sql, sizeof(parameters) / sizeof(*parameters), parameters, &result));
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
