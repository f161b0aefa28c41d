/* ddl_log.c - see ddl_log.h. */
#include "target/ddl_log.h"

#include "base/lsn.h"
#include "base/memory.h"
#include "target/state.h"
#include "target/unverified.h"

#include <stdlib.h>
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
	const char *part_of;

	if (change->after == NULL)
		return error_new(ERROR_EVENT, "a row of the DDL log without its values");
	*row = (struct ddl_row){
	    .id = field(change, "id", arena),
	    .event = field(change, "event", arena),
	    .kind_name = field(change, "kind", arena),
	    .relid = field(change, "relid", arena),
	    .name = {field(change, "schema_name", arena), field(change, "object_name", arena)},
	    .incarnation = field(change, "incarnation", arena),
	    .image = field(change, "image", arena),
	    .part = field(change, "part", arena),
	    .part_number = field(change, "part_number", arena),
	    .part_count = field(change, "part_count", arena),
	    .tag = field(change, "tag", arena),
	    .logged_at = field(change, "logged_at", arena),
	};
	part_of = field(change, "part_of", arena);
	if (part_of != NULL)
		row->id = part_of;
	published = field(change, "published", arena);
	row->published = published != NULL && published[0] == 't';
	if (row->id == NULL || row->event == NULL || row->kind_name == NULL || row->relid == NULL ||
	    row->name.schema == NULL || row->name.name == NULL || row->tag == NULL || row->incarnation == NULL ||
	    (row->part != NULL && (row->part_number == NULL || row->part_count == NULL)))
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

bool ddl_row_creates(const struct ddl_row *row)
{
	static const char *const tags[] = {"CREATE TABLE", "CREATE TABLE AS", "SELECT INTO", "CREATE SCHEMA"};

	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
		if (strcmp(row->tag, tags[i]) == 0)
			return true;
	return false;
}

/* Of images that came by the log. */
#define FROM_HISTORY " FROM @schema_history WHERE stream = $1 AND kind = $2 AND log_id IS NOT NULL AND "

/* Its last component is the timeline: after a failover the log is the same one. */
static bool is_same_log(const char *incarnation, const char *other)
{
	const char *end = strrchr(incarnation, '/');
	const char *other_end = strrchr(other, '/');

	return end != NULL && other_end != NULL && end - incarnation == other_end - other &&
	       strncmp(incarnation, other, (size_t)(end - incarnation)) == 0;
}

/*
 * A row of the same id that was logged later is another one: a source whose disk was set back to an earlier state gives its ids
 * again.
 */
struct error *ddl_history_has(struct pg_connection *connection, const struct config *config, const struct ddl_row *row,
                              bool *has, bool *other_log)
{
	const char *const parameters[6] = {config->stream.name, row->kind_name, row->relid, row->id,
	                                   row->incarnation,    row->logged_at};
	struct pg_result *result = NULL;

	TRY(state_query(connection, config,
	                "SELECT EXISTS (SELECT" FROM_HISTORY "relid = $3::bigint::oid AND log_id >= $4::bigint"
	                " AND incarnation = $5 AND (logged_at >= $6::timestamptz) IS NOT FALSE)::int,"
	                " (SELECT incarnation FROM @schema_history WHERE stream = $1 AND log_id IS NOT NULL"
	                " ORDER BY id DESC LIMIT 1)",
	                6, parameters, &result));
	*has = pg_result_integer(result, 0, 0) == 1;
	*other_log = !pg_result_is_null(result, 0, 1) && !is_same_log(pg_result_text(result, 0, 1), row->incarnation);
	pg_result_free(result);
	return NULL;
}

struct error *ddl_history_cut(struct pg_connection *connection, const struct config *config)
{
	const char *const parameters[1] = {config->stream.name};

	return state_query(connection, config,
	                   "UPDATE @schema_history SET relid = (relid::bigint | 2147483648)::oid"
	                   " WHERE stream = $1 AND log_id IS NOT NULL AND relid::bigint < 2147483648",
	                   1, parameters, NULL);
}

struct error *ddl_part_add(struct pg_connection *connection, const struct config *config, struct arena *arena,
                           struct ddl_row *row)
{
	const char *const part[5] = {config->stream.name, row->incarnation, row->id, row->part_number, row->part};
	const char *const whole[4] = {config->stream.name, row->incarnation, row->id, row->part_count};
	struct pg_result *result = NULL;

	TRY(state_query(connection, config,
	                "INSERT INTO @ddl_part (stream, incarnation, log_id, number, part)"
	                " VALUES ($1, $2, $3::bigint, $4::int, $5) ON CONFLICT DO NOTHING",
	                5, part, NULL));
	TRY(state_query(connection, config,
	                "SELECT string_agg(part, '' ORDER BY number) FROM @ddl_part WHERE stream = $1"
	                " AND incarnation = $2 AND log_id = $3::bigint HAVING count(*) = $4::int",
	                4, whole, &result));
	row->image = NULL;
	if (pg_result_rows(result) > 0)
		row->image = arena_copy(arena, pg_result_text(result, 0, 0), strlen(pg_result_text(result, 0, 0)));
	pg_result_free(result);
	if (row->image == NULL)
		return NULL;
	return state_query(connection, config,
	                   "DELETE FROM @ddl_part WHERE stream = $1 AND incarnation = $2 AND log_id = $3::bigint", 3,
	                   part, NULL);
}

/* The image in the first column of a query's first row, if any; `same_object` is the second column, if asked for. */
static struct error *read_image(struct pg_connection *connection, const struct config *config, const char *query,
                                size_t count, const char *const *parameters, struct arena *arena,
                                const struct object_image **image, bool *same_object)
{
	struct pg_result *result = NULL;
	struct error *error = NULL;

	*image = NULL;
	TRY(state_query(connection, config, query, count, parameters, &result));
	if (pg_result_rows(result) > 0 && same_object != NULL)
		*same_object = pg_result_text(result, 0, 1)[0] == 't';
	if (pg_result_rows(result) > 0 && !pg_result_is_null(result, 0, 0))
		error = object_image_parse(pg_result_text(result, 0, 0), strlen(pg_result_text(result, 0, 0)), arena,
		                           image);
	pg_result_free(result);
	return error;
}

struct error *ddl_history_last(struct pg_connection *connection, const struct config *config, const struct ddl_row *row,
                               struct arena *arena, const struct object_image **image, bool *by_name)
{
	const char *const parameters[6] = {config->stream.name, row->kind_name, row->relid,
	                                   row->name.schema,    row->name.name, row->incarnation};
	bool same_object = false;

	TRY(read_image(connection, config,
	               "SELECT image, relid = $3::bigint::oid AND incarnation = $6" FROM_HISTORY
	               "((relid = $3::bigint::oid AND incarnation = $6) OR (schema_name = $4 AND table_name = $5"
	               "   AND NOT EXISTS (SELECT FROM @schema_history n WHERE n.stream = $1 AND n.kind = $2"
	               "                    AND n.relid = schema_history.relid AND n.id > schema_history.id"
	               "                    AND n.incarnation = schema_history.incarnation"
	               "                    AND n.log_id IS NOT NULL)))" /* it has another name now */
	               " ORDER BY 2 DESC, id DESC LIMIT 1",
	               6, parameters, arena, image, &same_object));
	*by_name = *image != NULL && !same_object;
	return NULL;
}

struct error *ddl_history_schema(struct pg_connection *connection, const struct config *config,
                                 const struct object_image *image, struct arena *arena, const char **schema)
{
	struct number oid = number_of((int64_t)image->schema_oid);
	const char *const parameters[3] = {config->stream.name, "schema", oid.text};
	struct pg_result *result = NULL;

	*schema = image->name.schema;
	TRY(state_query(connection, config,
	                "SELECT table_name" FROM_HISTORY "relid = $3::bigint::oid ORDER BY id DESC LIMIT 1", 3,
	                parameters, &result));
	if (pg_result_rows(result) > 0)
		*schema = arena_copy(arena, pg_result_text(result, 0, 0), strlen(pg_result_text(result, 0, 0)));
	pg_result_free(result);
	return NULL;
}

#define HISTORY_ADD                                                                                                    \
	"INSERT INTO @schema_history (stream, kind, relid, schema_name, table_name, log_id, commit_lsn, tx_id, image," \
	" tag, steps, maintained, incarnation, logged_at) VALUES ($1, $2, $3::bigint::oid, $4, $5, $6::bigint,"        \
	" $7::pg_lsn, $8::bigint, $9::jsonb, $10, @storable_text($11::bytea)::text[], $12::boolean, $13,"              \
	" $14::timestamptz)"

struct error *ddl_history_add(struct pg_connection *connection, const struct config *config, const struct ddl_row *row,
                              const struct transaction *transaction, const struct ddl_outcome *outcome)
{
	char lsn[LSN_TEXT_SIZE];
	struct number tx_id = number_of((int64_t)transaction->tx_id);
	char *storable_steps = state_storable(outcome->steps);
	struct error *error;
	const char *const parameters[16] = {
	    config->stream.name,
	    row->kind_name,
	    row->relid,
	    row->name.schema,
	    row->name.name,
	    row->id,
	    lsn,
	    tx_id.text,
	    row->image == NULL ? "null" : row->image,
	    row->tag,
	    storable_steps,
	    outcome->maintained ? "t" : "f",
	    row->incarnation,
	    row->logged_at,
	    outcome->target.schema,
	    outcome->target.name,
	};

	lsn_format(transaction->commit_lsn, lsn);
	error = state_query(
	    connection, config,
	    outcome->executed == 0
	        ? HISTORY_ADD
	        : "WITH made AS (" HISTORY_ADD " RETURNING *)"
	          " SELECT @notify_schema(stream, id, kind, schema_name, table_name, $15, $16, commit_lsn, steps)"
	          " FROM made",
	    outcome->executed == 0 ? 14 : 16, parameters, NULL);
	free(storable_steps);
	return error;
}

struct error *ddl_target_image(struct pg_connection *connection, const struct config *config, enum object_kind kind,
                               const struct object_name *name, struct arena *arena, const struct object_image **image)
{
	const char *const parameters[3] = {object_kind_name(kind), name->schema, name->name};

	return read_image(connection, config, "SELECT @image_named($1, $2, $3)", 3, parameters, arena, image, NULL);
}

struct error *ddl_mark_rewritten(struct pg_connection *connection, const struct config *config,
                                 const struct ddl_row *row, const struct transaction *transaction)
{
	return unverified_mark(connection, config, row->name.schema, row->name.name, UNVERIFIED_REWRITTEN,
	                       transaction->commit_lsn, 0, NULL);
}

/* The state of tables, by their names at the source. */
static const char *const state_tables[] = {"unverified", "captured_table", "left_out_step"};

/* The row of one table of the state that belongs to the source's table `from`. */
static struct error *move_row(struct pg_connection *connection, const struct config *config, const char *state_table,
                              const struct object_name *from, const struct object_name *to)
{
	const char *const parameters[5] = {config->stream.name, from->schema, from->name,
	                                   to == NULL ? NULL : to->schema, to == NULL ? NULL : to->name};
	char *sql = to == NULL
	                ? memory_format("DELETE FROM @%s WHERE stream = $1 AND schema_name = $2 AND table_name = $3",
	                                state_table)
	                : memory_format("UPDATE @%s SET schema_name = $4, table_name = $5"
	                                " WHERE stream = $1 AND schema_name = $2 AND table_name = $3",
	                                state_table);
	struct error *error = state_query(connection, config, sql, to == NULL ? 3 : 5, parameters, NULL);

	free(sql);
	return error;
}

struct error *ddl_mark_move(struct pg_connection *connection, const struct config *config,
                            const struct object_name *from, const struct object_name *to)
{
	for (size_t i = 0; i < sizeof(state_tables) / sizeof(state_tables[0]); i++) {
		if (to != NULL) /* of a table that had the new name before */
			TRY(move_row(connection, config, state_tables[i], to, NULL));
		TRY(move_row(connection, config, state_tables[i], from, to));
	}
	return NULL;
}

struct error *ddl_mark_move_schema(struct pg_connection *connection, const struct config *config, const char *from,
                                   const char *to)
{
	const char *const parameters[3] = {config->stream.name, from, to};

	for (size_t i = 0; i < sizeof(state_tables) / sizeof(state_tables[0]); i++) {
		char *sql = memory_format("WITH old AS (DELETE FROM @%s WHERE stream = $1 AND schema_name = $3)"
		                          " UPDATE @%s SET schema_name = $3 WHERE stream = $1 AND schema_name = $2",
		                          state_tables[i], state_tables[i]);
		struct error *error = state_query(connection, config, sql, 3, parameters, NULL);

		free(sql);
		TRY(error);
	}
	return NULL;
}
