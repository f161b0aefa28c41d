/* schema.c - `replicator schema TABLE`: the versions of a table that the stream has seen, and what each led to. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/exit_code.h"
#include "base/memory.h"
#include "pg/connection.h"
#include "pg/sql.h"

#include <stdlib.h>

/* Everything about the objects that ever had this name: a rename does not hide what was before. */
static void history_sql(struct buffer *sql, const char *schema)
{
	buffer_append_text(
	    sql, "SELECT row_number() OVER (ORDER BY h.id), h.schema_name, h.table_name, h.commit_lsn, h.tx_id,"
	         " to_char(h.applied_at, 'YYYY-MM-DD HH24:MI:SS TZ'), h.image = 'null',"
	         " coalesce(h.tag, ''), array_to_string(h.steps, E'\\n'),"
	         " (SELECT count(*) FROM jsonb_array_elements(CASE WHEN h.image ? 'columns' THEN h.image->'columns'"
	         " ELSE '[]' END)), (h.log_id IS NULL)::int FROM ");
	sql_append_qualified(sql, schema, "schema_history");
	buffer_append_text(sql, " h WHERE h.stream = $1 AND h.kind = 'table' AND h.relid IN (SELECT n.relid FROM ");
	sql_append_qualified(sql, schema, "schema_history");
	buffer_append_text(sql,
	                   " n WHERE n.stream = $1 AND n.kind = 'table' AND n.schema_name = $2 AND n.table_name = $3)"
	                   " AND (h.relid <> 0 OR h.schema_name = $2 AND h.table_name = $3)"
	                   " ORDER BY h.id");
}

static void print_indented(const char *label, const char *text)
{
	for (; *text != '\0'; label = "") {
		int length = (int)strcspn(text, "\n");

		printf("    %-9s%.*s\n", label, length, text);
		text += length;
		text += *text == '\n' ? 1 : 0;
	}
}

static void print_version(const struct pg_result *result, size_t row)
{
	bool dropped = strcmp(pg_result_text(result, row, 6), "t") == 0;
	bool inferred = pg_result_integer(result, row, 10) == 1;
	bool baseline = !inferred && pg_result_integer(result, row, 4) == 0;

	printf("%s  %s.%s  %s", pg_result_text(result, row, 0), pg_result_text(result, row, 1),
	       pg_result_text(result, row, 2), dropped ? "dropped" : "");
	if (!dropped)
		printf("%s columns", pg_result_text(result, row, 9));
	if (baseline)
		printf("  (as the log began)\n");
	else
		printf("  commit LSN %s, transaction %s, applied %s\n", pg_result_text(result, row, 3),
		       pg_result_text(result, row, 4), pg_result_text(result, row, 5));
	if (!baseline)
		print_indented("source:",
		               inferred ? "as the events show it, without a DDL log" : pg_result_text(result, row, 7));
	print_indented("here:", pg_result_text(result, row, 8));
}

static struct error *print_history(const struct config *config, const char *schema, const char *table)
{
	const char *const parameters[3] = {config->stream.name, schema, table};
	struct pg_connection *connection = NULL;
	struct pg_result *result = NULL;
	struct buffer sql = {0};
	struct error *error;

	history_sql(&sql, config->target.schema);
	error = pg_connect(config->target.dsn, "replicator schema", &connection);
	if (error == NULL)
		error = pg_query(connection, sql.data, 3, parameters, &result);
	for (size_t i = 0; error == NULL && i < pg_result_rows(result); i++)
		print_version(result, i);
	if (error == NULL && pg_result_rows(result) == 0)
		error =
		    error_new(ERROR_CONFIGURATION,
		              "stream %s knows no versions of table %s.%s; is replicator.ddl_log of the source in the "
		              "connector's table.include.list and publication (docs/ddl.md)?",
		              config->stream.name, schema, table);
	pg_result_free(result);
	pg_disconnect(connection);
	buffer_free(&sql);
	return error;
}

int command_schema(const struct invocation *invocation)
{
	const struct command_option options[] = {{0}};
	const char *name = NULL;
	struct config *config;
	struct error *error;
	char *schema;
	char *dot;

	if (!command_parse(invocation, options, &name))
		return EXIT_UNCHECKED;
	if (name == NULL) {
		command_usage_error(invocation->command, "schema takes the name of a table");
		return EXIT_UNCHECKED;
	}
	config = command_load_config(invocation);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	schema = memory_copy_text(name);
	dot = strchr(schema, '.');
	if (dot != NULL)
		*dot = '\0';
	error = print_history(config, dot == NULL ? "public" : schema, dot == NULL ? name : dot + 1);
	free(schema);
	config_free(config);
	return error == NULL ? EXIT_OK : command_fail(error);
}
