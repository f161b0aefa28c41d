/* show.c - see the header. Rows come in the order of the table's first key, so that two calls can be compared. */
#include "check/show.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "check/grid.h"
#include "check/tables.h"
#include "pg/catalog.h"
#include "pg/sql.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define CELL_MOST ((size_t)48)

static struct error *read_rows(struct pg_connection *target, const struct table_image *image, int64_t limit,
                               struct pg_result **result)
{
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, "SELECT * FROM ");
	sql_append_qualified(&sql, image->schema, image->name);
	for (size_t i = 0; image->key_count > 0 && i < image->keys[0].column_count; i++) {
		buffer_append_text(&sql, i == 0 ? " ORDER BY " : ", ");
		sql_append_identifier(&sql, image->columns[image->keys[0].columns[i].index].name);
	}
	buffer_append_format(&sql, " LIMIT %" PRId64, limit);
	error = pg_query(target, sql.data, 0, NULL, result);
	buffer_free(&sql);
	return error;
}

static void print_rows(const struct table_image *image, const struct pg_result *result, int64_t limit,
                       struct arena *arena, FILE *out)
{
	size_t columns = pg_result_columns(result);
	size_t rows = pg_result_rows(result);
	struct grid *grid;

	fprintf(out, "%s.%s (%zu row%s%s)\n", image->schema, image->name, rows, rows == 1 ? "" : "s",
	        (int64_t)rows == limit ? ", --limit reached" : "");
	if (columns > 0 && rows > 0) {
		grid = grid_new(arena, columns);
		for (size_t i = 0; i < columns; i++) {
			grid_add(grid, pg_result_column_name(result, i), CELL_MOST);
			if (i < image->column_count && image->columns[i].type.category == 'N' &&
			    !image->columns[i].type.array)
				grid_align_right(grid, i);
		}
		for (size_t row = 0; row < rows; row++)
			for (size_t i = 0; i < columns; i++)
				grid_add(grid,
				         pg_result_is_null(result, row, i) ? "NULL" : pg_result_text(result, row, i),
				         CELL_MOST);
		grid_print(grid, out);
	}
	fputc('\n', out);
}

static json_t *rows_json(const struct table_image *image, const struct pg_result *result)
{
	json_t *rows = json_array();

	for (size_t row = 0; row < pg_result_rows(result); row++) {
		json_t *object = json_object();

		for (size_t i = 0; i < pg_result_columns(result); i++)
			json_object_set_new(object, pg_result_column_name(result, i),
			                    pg_result_is_null(result, row, i)
			                        ? json_null()
			                        : json_string(pg_result_text(result, row, i)));
		json_array_append_new(rows, object);
	}
	return json_pack("{s:s, s:s, s:o}", "schema", image->schema, "table", image->name, "rows", rows);
}

static struct error *show_table(struct pg_connection *target, const struct table_image *image,
                                const struct show_options *options, json_t *list, struct arena *arena, FILE *out)
{
	struct pg_result *result = NULL;

	TRY(read_rows(target, image, options->limit, &result));
	if (options->json)
		json_array_append_new(list, rows_json(image, result));
	else
		print_rows(image, result, options->limit, arena, out);
	pg_result_free(result);
	return NULL;
}

static struct error *print_json(json_t *list, FILE *out)
{
	if (json_dumpf(list, out, JSON_INDENT(2)) != 0)
		return error_new(ERROR_SYSTEM, "the rows could not be written as JSON");
	fputc('\n', out);
	return NULL;
}

/* A table that cannot be read does not hide the others. */
static void keep_first(struct error **first, struct error *error)
{
	if (*first == NULL)
		*first = error;
	else
		error_free(error);
}

struct error *show_tables(struct pg_connection *target, const struct config *config, const struct show_options *options,
                          FILE *out)
{
	struct arena *arena = arena_new();
	const struct table_image **images = NULL;
	json_t *list = json_array();
	size_t count = 0, shown = 0;
	struct error *error = catalog_read_tables(target, arena, &images, &count);

	for (size_t i = 0; i < count && !pg_is_broken(target); i++) {
		const struct table_image *image = images[i];

		/* The state tables are shown only when they are asked for. */
		if (options->pattern_count == 0 && strcmp(image->schema, config->target.schema) == 0)
			continue;
		if (!check_pattern_matches(options->patterns, options->pattern_count, image->schema, image->name))
			continue;
		shown++;
		keep_first(&error, show_table(target, image, options, list, arena, out));
	}
	if (error == NULL && shown == 0)
		error = error_new(ERROR_CONFIGURATION, "%s: no such table to show", pg_description(target));
	if (options->json)
		keep_first(&error, print_json(list, out));
	json_decref(list);
	arena_free(arena);
	return error;
}
