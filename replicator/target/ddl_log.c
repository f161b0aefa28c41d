/* ddl_log.c - see ddl_log.h. */
#include "target/ddl_log.h"

#include "base/lsn.h"
#include "pg/sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* NULL for null and for a column that the row does not have. */
static const char *field(const struct change *change, const char *name, struct arena *arena)
{
	for (uint32_t i = 0; i < change->relation->column_count; i++) {
		const struct value *value = &change->after[i];

		if (strcmp(change->relation->columns[i].name, name) == 0)
			return value->data == NULL ? NULL : arena_copy(arena, value->data, value->length);
	}
	return NULL;
}

struct error *ddl_row_read(const struct change *change, struct arena *arena, struct ddl_row *row)
{
	const char *published;

	if (change->after == NULL)
		return error_new(ERROR_EVENT, "a row of the DDL log without its values");
	*row = (struct ddl_row){
	    .id = field(change, "id", arena),
	    .event = field(change, "event", arena),
	    .kind_name = field(change, "kind", arena),
	    .relid = field(change, "relid", arena),
	    .name = {field(change, "schema_name", arena), field(change, "object_name", arena)},
	    .image = field(change, "image", arena),
	    .tag = field(change, "tag", arena),
	    .command = field(change, "command", arena),
	};
	published = field(change, "published", arena);
	row->published = published != NULL && published[0] == 't';
	if (row->id == NULL || row->event == NULL || row->kind_name == NULL || row->relid == NULL ||
	    row->name.schema == NULL || row->name.name == NULL || row->tag == NULL)
		return error_new(ERROR_EVENT,
		                 "a row of the DDL log lacks a column; the log's table was changed, or is of another "
		                 "version than this program");
	if (!object_kind_parse(row->kind_name, &row->kind))
		return error_new(
		    ERROR_EVENT,
		    "row %s of the DDL log is about a %s, which this program does not know; install a newer "
		    "replicator",
		    row->id, row->kind_name);
	return NULL;
}

static void from_history(struct buffer *sql, const struct config *config)
{
	buffer_append_text(sql, " FROM ");
	sql_append_qualified(sql, config->target.schema, "schema_history");
	buffer_append_text(sql, " WHERE stream = $1 AND kind = $2 AND log_id IS NOT NULL AND ");
}

struct error *ddl_history_has(struct pg_connection *connection, const struct config *config, const struct ddl_row *row,
                              bool *has)
{
	const char *const parameters[4] = {config->stream.name, row->kind_name, row->relid, row->id};
	struct buffer sql = {0};
	struct pg_result *result = NULL;
	struct error *error;

	buffer_append_text(&sql, "SELECT 1");
	from_history(&sql, config);
	buffer_append_text(&sql, "relid = $3::bigint::oid AND log_id >= $4::bigint LIMIT 1");
	error = pg_query(connection, sql.data, 4, parameters, &result);
	*has = error == NULL && pg_result_rows(result) > 0;
	pg_result_free(result);
	buffer_free(&sql);
	return error;
}

static struct error *last_image(struct pg_connection *connection, const struct config *config, const char *where,
                                size_t count, const char *const *parameters, struct arena *arena, bool *found,
                                const struct object_image **image)
{
	struct buffer sql = {0};
	struct pg_result *result = NULL;
	struct error *error;

	buffer_append_text(&sql, "SELECT image");
	from_history(&sql, config);
	buffer_append_text(&sql, where);
	buffer_append_text(&sql, " ORDER BY id DESC LIMIT 1");
	error = pg_query(connection, sql.data, count, parameters, &result);
	*found = error == NULL && pg_result_rows(result) > 0;
	if (*found)
		error = object_image_parse(pg_result_text(result, 0, 0), strlen(pg_result_text(result, 0, 0)), arena,
		                           image);
	pg_result_free(result);
	buffer_free(&sql);
	return error;
}

struct error *ddl_history_last(struct pg_connection *connection, const struct config *config, const struct ddl_row *row,
                               struct arena *arena, const struct object_image **image, bool *by_name)
{
	const char *const by_oid[3] = {config->stream.name, row->kind_name, row->relid};
	const char *const names[4] = {config->stream.name, row->kind_name, row->name.schema, row->name.name};
	bool found;

	*image = NULL;
	*by_name = false;
	TRY(last_image(connection, config, "relid = $3::bigint::oid", 3, by_oid, arena, &found, image));
	if (found)
		return NULL;
	TRY(last_image(connection, config, "schema_name = $3 AND table_name = $4", 4, names, arena, &found, image));
	*by_name = *image != NULL;
	return NULL;
}

struct error *ddl_history_add(struct pg_connection *connection, const struct config *config, const struct ddl_row *row,
                              const struct transaction *transaction, const char *steps)
{
	char lsn[LSN_TEXT_SIZE];
	char tx_id[24];
	const char *const parameters[11] = {
	    config->stream.name,
	    row->kind_name,
	    row->relid,
	    row->name.schema,
	    row->name.name,
	    row->id,
	    lsn,
	    tx_id,
	    row->image == NULL ? "null" : row->image,
	    row->command,
	    steps,
	};
	struct buffer sql = {0};
	struct error *error;

	lsn_format(transaction->commit_lsn, lsn);
	snprintf(tx_id, sizeof(tx_id), "%" PRIu64, transaction->tx_id);
	buffer_append_text(&sql, "INSERT INTO ");
	sql_append_qualified(&sql, config->target.schema, "schema_history");
	buffer_append_text(&sql, " (stream, kind, relid, schema_name, table_name, log_id, commit_lsn, tx_id, image, "
	                         "command, steps) VALUES ($1, $2, $3::bigint::oid, $4, $5, $6::bigint, $7::pg_lsn, "
	                         "$8::bigint, $9::jsonb, $10, $11::text[])");
	error = pg_query(connection, sql.data, 11, parameters, NULL);
	buffer_free(&sql);
	return error;
}

struct error *ddl_target_image(struct pg_connection *connection, const struct config *config, enum object_kind kind,
                               const struct object_name *name, struct arena *arena, const struct object_image **image)
{
	const char *const parameters[3] = {object_kind_name(kind), name->schema, name->name};
	struct buffer sql = {0};
	struct pg_result *result = NULL;
	struct error *error;

	*image = NULL;
	buffer_append_text(&sql, "SELECT ");
	sql_append_qualified(&sql, config->target.schema, "image_named");
	buffer_append_text(&sql, "($1, $2, $3)");
	error = pg_query(connection, sql.data, 3, parameters, &result);
	if (error == NULL && pg_result_rows(result) > 0 && !pg_result_is_null(result, 0, 0))
		error = object_image_parse(pg_result_text(result, 0, 0), strlen(pg_result_text(result, 0, 0)), arena,
		                           image);
	pg_result_free(result);
	buffer_free(&sql);
	return error;
}

struct error *ddl_mark_rewritten(struct pg_connection *connection, const struct config *config,
                                 const struct ddl_row *row, const struct transaction *transaction)
{
	char lsn[LSN_TEXT_SIZE];
	const char *const parameters[4] = {config->stream.name, row->name.schema, row->name.name, lsn};
	struct buffer sql = {0};
	struct error *error;

	lsn_format(transaction->commit_lsn, lsn);
	buffer_append_text(&sql, "INSERT INTO ");
	sql_append_qualified(&sql, config->target.schema, "rewritten");
	buffer_append_text(&sql, " (stream, schema_name, table_name, commit_lsn) VALUES ($1, $2, $3, $4::pg_lsn)"
	                         " ON CONFLICT (stream, schema_name, table_name) DO UPDATE"
	                         " SET commit_lsn = excluded.commit_lsn, marked_at = now()");
	error = pg_query(connection, sql.data, 4, parameters, NULL);
	buffer_free(&sql);
	return error;
}

struct error *ddl_mark_move(struct pg_connection *connection, const struct config *config,
                            const struct object_name *from, const struct object_name *to)
{
	const char *const parameters[5] = {config->stream.name, from->schema, from->name,
	                                   to == NULL ? NULL : to->schema, to == NULL ? NULL : to->name};
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, to == NULL ? "DELETE FROM " : "UPDATE ");
	sql_append_qualified(&sql, config->target.schema, "rewritten");
	buffer_append_text(&sql, to == NULL ? "" : " SET schema_name = $4, table_name = $5");
	buffer_append_text(&sql, " WHERE stream = $1 AND schema_name = $2 AND table_name = $3");
	error = pg_query(connection, sql.data, to == NULL ? 3 : 5, parameters, NULL);
	buffer_free(&sql);
	return error;
}
