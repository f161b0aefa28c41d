/* left_out.c - see left_out.h. */
#include "target/left_out.h"

#include "base/log.h"
#include "base/lsn.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "pg/sql.h"
#include "target/ddl_rules.h"
#include "target/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct left_out_object object;
	enum object_kind kind;
	struct part part;
	const struct object_image *after; /* the last image of the source, by the rules; NULL: dropped */
	bool lives_again;                 /* another object of the source has the name of a dropped one */
};

struct error *left_out_add(struct pg_connection *connection, const struct config *config,
                           const struct left_out_object *object, struct part part, const char *sql, const char *reason,
                           bool expected, uint64_t lsn)
{
	struct number id = number_of((int64_t)part.id);
	char position[LSN_TEXT_SIZE];
	char *storable_sql = state_storable(sql), *storable_reason = state_storable(reason);
	const char *const parameters[12] =
	    {config->stream.name,       object->kind_name, object->relid, object->name.schema, object->name.name,
	     part_kind_name(part.kind), id.text,           part.name,     storable_sql,        storable_reason,
	     expected ? "t" : "f",      position};
	struct error *error;

	lsn_format(lsn, position);
	error = state_query(
	    connection, config,
	    "INSERT INTO @left_out_step AS l (stream, kind, relid, schema_name, table_name, part, part_id, part_name, "
	    "sql,"
	    " reason, expected, lsn) VALUES ($1, $2, $3::bigint::oid, $4, $5, $6, $7::bigint, $8, "
	    "@storable_text($9::bytea),"
	    " @storable_text($10::bytea), $11::boolean, $12::pg_lsn) ON CONFLICT (stream, kind, relid, part, part_id)"
	    " DO UPDATE SET schema_name = excluded.schema_name, table_name = excluded.table_name,"
	    " part_name = excluded.part_name, sql = excluded.sql, reason = excluded.reason, expected = "
	    "excluded.expected,"
	    " lsn = excluded.lsn, attempts = l.attempts + 1, retry_at = excluded.retry_at",
	    12, parameters, NULL);
	free(storable_sql);
	free(storable_reason);
	return error;
}

struct error *left_out_make_due(struct pg_connection *connection, const struct config *config)
{
	const char *const parameters[1] = {config->stream.name};

	return state_query(connection, config,
	                   "UPDATE @left_out_step SET retry_at = clock_timestamp(), attempts = 1"
	                   " WHERE stream = $1 AND retry_at > clock_timestamp() + interval '5 s'",
	                   1, parameters, NULL);
}

struct error *left_out_next(struct pg_connection *connection, const struct config *config, size_t *count, int64_t *id)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;

	TRY(state_query(connection, config,
	                "SELECT count(*), coalesce((array_agg(id ORDER BY retry_at)"
	                " FILTER (WHERE retry_at <= clock_timestamp()))[1], 0) FROM @left_out_step WHERE stream = $1",
	                1, parameters, &result));
	*count = (size_t)pg_result_integer(result, 0, 0);
	*id = pg_result_integer(result, 0, 1);
	pg_result_free(result);
	return NULL;
}

static const char *copy(struct arena *arena, const struct pg_result *result, size_t column)
{
	const char *text = pg_result_text(result, 0, column);

	return pg_result_is_null(result, 0, column) ? NULL : arena_copy(arena, text, strlen(text));
}

static struct error *parse_entry(const struct pg_result *result, const struct config *config, struct arena *arena,
                                 struct entry *entry)
{
	const struct object_image *image = NULL;

	*entry = (struct entry){
	    .object = {copy(arena, result, 0),
	               copy(arena, result, 1),
	               {copy(arena, result, 2), copy(arena, result, 3)}},
	    .part = {part_kind_parse(pg_result_text(result, 0, 4)), (uint64_t)pg_result_integer(result, 0, 5),
	             copy(arena, result, 6)},
	    .lives_again = pg_result_integer(result, 0, 8) != 0,
	};
	if (!object_kind_parse(entry->object.kind_name, &entry->kind))
		return error_new(ERROR_TARGET, "left_out_step names an object of kind %s", entry->object.kind_name);
	if (!pg_result_is_null(result, 0, 7))
		TRY(object_image_parse(pg_result_text(result, 0, 7), strlen(pg_result_text(result, 0, 7)), arena,
		                       &image));
	entry->after = ddl_ruled_image(config, image, arena);
	return NULL;
}

/* *found false: it was deleted meanwhile. */
static struct error *read_entry(struct pg_connection *connection, const struct config *config, int64_t id,
                                struct arena *arena, struct entry *entry, bool *found)
{
	struct number number = number_of(id);
	const char *const parameters[2] = {config->stream.name, number.text};
	struct pg_result *result = NULL;
	struct error *error = NULL;

	TRY(state_query(
	    connection, config,
	    "SELECT l.kind, l.relid::bigint, l.schema_name, l.table_name, l.part, l.part_id, l.part_name,"
	    " (SELECT h.image FROM @schema_history h WHERE h.stream = l.stream AND h.kind = l.kind AND h.relid = "
	    "l.relid"
	    "  AND h.log_id IS NOT NULL ORDER BY h.id DESC LIMIT 1),"
	    " coalesce((SELECT h.image <> 'null' FROM @schema_history h WHERE h.stream = l.stream AND h.kind = l.kind"
	    "  AND h.schema_name = l.schema_name AND h.table_name = l.table_name AND h.relid <> l.relid"
	    "  ORDER BY h.id DESC LIMIT 1), false)::int"
	    " FROM @left_out_step l WHERE l.stream = $1 AND l.id = $2::bigint FOR UPDATE OF l",
	    2, parameters, &result));
	*found = pg_result_rows(result) > 0;
	if (*found)
		error = parse_entry(result, config, arena, entry);
	pg_result_free(result);
	return error;
}

/* *step NULL: nothing is to be done any more. */
static struct error *find_step(struct pg_connection *connection, const struct config *config, const struct entry *entry,
                               struct arena *arena, struct step **step)
{
	const struct object_name name = entry->after != NULL ? entry->after->name : entry->object.name;
	struct difference difference = {.after = entry->after, .target_version = pg_server_version(connection)};
	enum difference_next next;

	*step = NULL;
	TRY(ddl_target_image(connection, config, entry->kind, &name, arena, &difference.target));
	if (entry->part.kind == PART_DROP) {
		if (entry->after == NULL && !entry->lives_again && difference.target != NULL)
			*step = difference_drop(entry->kind, name, arena);
		return NULL;
	}
	if (entry->after == NULL)
		return NULL;
	if (entry->part.kind == PART_OBJECT)
		return difference.target != NULL ? NULL : difference_steps(&difference, arena, step, &next);
	*step = arena_alloc_zeroed(arena, sizeof(**step));
	if (difference.target == NULL ||
	    part_look(entry->after, difference.target, entry->part, arena, *step) != PART_LACKING)
		*step = NULL;
	return NULL;
}

/* A version of its own in the history, so that it is shown where it took place. */
static struct error *note_success(struct pg_connection *connection, const struct config *config,
                                  const struct entry *entry, const char *sql)
{
	const struct object_name name = entry->after != NULL ? entry->after->name : entry->object.name;
	struct buffer steps = {0};
	char *storable;
	struct error *error;

	buffer_append_byte(&steps, '{');
	sql_append_array_element(&steps, sql, strlen(sql));
	buffer_append_byte(&steps, '}');
	storable = state_storable(steps.data);
	const char *const parameters[6] = {config->stream.name, entry->object.kind_name,
	                                   entry->object.relid, storable,
	                                   name.schema,         name.name};

	error = state_query(
	    connection, config,
	    "WITH made AS (INSERT INTO @schema_history (stream, kind, relid, schema_name, table_name, log_id, "
	    "commit_lsn,"
	    " tx_id, image, tag, steps, maintained, incarnation, logged_at) SELECT stream, kind, relid, schema_name, "
	    "table_name, log_id, "
	    "commit_lsn,"
	    " tx_id, image, 'retry of a step that was left out', @storable_text($4::bytea)::text[], maintained,"
	    " incarnation, logged_at"
	    " FROM @schema_history WHERE stream = $1 AND kind = $2 AND relid = $3::bigint::oid AND log_id IS NOT NULL"
	    " ORDER BY id DESC LIMIT 1 RETURNING *)"
	    " SELECT @notify_schema(stream, id, kind, schema_name, table_name, $5, $6, commit_lsn, steps) FROM made",
	    6, parameters, NULL);
	free(storable);
	buffer_free(&steps);
	return error;
}

static struct error *delete_entry(struct pg_connection *connection, const struct config *config, int64_t id)
{
	struct number number = number_of(id);
	const char *const parameters[2] = {config->stream.name, number.text};

	return state_query(connection, config, "DELETE FROM @left_out_step WHERE stream = $1 AND id = $2::bigint", 2,
	                   parameters, NULL);
}

static struct error *execute(struct pg_connection *connection, const struct config *config, const char *sql)
{
	char *settings = memory_format("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = %" PRId64,
	                               config->ddl.lock_timeout_ms);
	struct error *error = pg_execute(connection, settings);

	free(settings);
	return error != NULL ? error : pg_execute(connection, sql);
}

static struct error *retry(struct pg_connection *connection, const struct config *config, int64_t id,
                           struct arena *arena, bool *settled, bool *executed)
{
	struct entry entry;
	struct step *step;
	bool found;

	TRY(read_entry(connection, config, id, arena, &entry, &found));
	if (!found)
		return NULL;
	TRY(find_step(connection, config, &entry, arena, &step));
	if (step != NULL && config->ddl.policy[step->kind] == DDL_STOP)
		return error_new(ERROR_TARGET, "ddl.%s = \"stop\": make the change in the target yourself",
		                 step_kind_name(step->kind));
	if (step != NULL && config->ddl.policy[step->kind] != DDL_IGNORE) {
		TRY(execute(connection, config, step->sql));
		TRY(note_success(connection, config, &entry, step->sql));
		*executed = true;
		metric_add(METRIC_DDL_STEPS, 1);
		log_info("schema change: a step that was left out is executed now: %s", step->sql);
	} else {
		log_info("schema change: a step that was left out means nothing any more (%s of %s %s.%s)",
		         part_kind_name(entry.part.kind), entry.object.kind_name, entry.object.name.schema,
		         entry.object.name.name);
	}
	*settled = true;
	return delete_entry(connection, config, id);
}

struct error *left_out_retry(struct pg_connection *connection, const struct config *config, int64_t id, bool *settled,
                             bool *executed)
{
	struct arena *arena = arena_new();
	struct error *error;

	*settled = *executed = false;
	error = retry(connection, config, id, arena, settled, executed);
	arena_free(arena);
	return error;
}

struct error *left_out_note_failure(struct pg_connection *connection, const struct config *config, int64_t id,
                                    const char *reason)
{
	struct number number = number_of(id);
	char *storable = state_storable(reason);
	const char *const parameters[3] = {config->stream.name, number.text, storable};
	struct error *error =
	    state_query(connection, config,
	                "UPDATE @left_out_step SET reason = @storable_text($3::bytea), attempts = attempts + 1,"
	                " retry_at = clock_timestamp() + least(5 * 2 ^ least(attempts, 20), 3600) * interval '1 s'"
	                " WHERE stream = $1 AND id = $2::bigint",
	                3, parameters, NULL);

	free(storable);
	return error;
}
