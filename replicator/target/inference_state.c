/* inference_state.c - see inference_state.h. */
#include "target/inference_state.h"

#include "base/lsn.h"
#include "target/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The row before: $1 stream, $2 schema, $3 table. */
#define LAST_EVENTS                                                                                                    \
	"(SELECT image->'events' AS events FROM @schema_history WHERE stream = $1 AND kind = 'table'"                  \
	" AND schema_name = $2 AND table_name = $3 AND log_id IS NULL ORDER BY id DESC LIMIT 1)"

struct error *inference_state_read(struct pg_connection *connection, const struct config *config,
                                   const struct relation *relation, struct arena *arena, struct inference_state *state)
{
	const char *const parameters[3] = {config->stream.name, relation->schema, relation->table};
	struct pg_result *result = NULL;
	const char **columns;

	*state = (struct inference_state){0};
	TRY(state_query(connection, config,
	                "SELECT c FROM " LAST_EVENTS
	                " l LEFT JOIN LATERAL jsonb_array_elements_text(l.events->'columns') c"
	                " ON NOT l.events->'dropped' ? c",
	                3, parameters, &result));
	state->known = pg_result_rows(result) > 0;
	columns = arena_alloc(arena, (pg_result_rows(result) + 1) * sizeof(*columns));
	for (size_t i = 0; i < pg_result_rows(result); i++) {
		const char *name = pg_result_text(result, i, 0);

		if (!pg_result_is_null(result, i, 0))
			columns[state->count++] = arena_copy(arena, name, strlen(name));
	}
	state->columns = columns;
	pg_result_free(result);
	return NULL;
}

bool inference_state_may_drop(const struct inference_state *state, const char *column)
{
	for (size_t i = 0; i < state->count; i++)
		if (strcmp(state->columns[i], column) == 0)
			return true;
	return false;
}

struct error *inference_state_write(struct pg_connection *connection, const struct config *config,
                                    const struct binding *binding, const struct inference_record *record)
{
	char lsn[LSN_TEXT_SIZE];
	char tx_id[24];
	const char *const parameters[11] = {
	    config->stream.name,
	    binding->relation->schema,
	    binding->relation->table,
	    lsn,
	    tx_id,
	    binding->image->schema,
	    binding->image->name,
	    record->columns,
	    record->dropped,
	    record->steps,
	    record->incremental ? "t" : "f",
	};

	lsn_format(record->transaction->commit_lsn, lsn);
	snprintf(tx_id, sizeof(tx_id), "%" PRIu64, record->transaction->tx_id);
	return state_query(
	    connection, config,
	    "WITH made AS (INSERT INTO @schema_history (stream, kind, relid, schema_name, table_name, commit_lsn, "
	    "tx_id, image, "
	    "steps)"
	    " SELECT $1, 'table', 0, $2, $3, $4::pg_lsn, $5::bigint, @image_named('table', $6, $7)"
	    " || jsonb_build_object('events', jsonb_build_object("
	    "'columns', CASE WHEN $11::boolean THEN coalesce(l.events->'columns', '[]') ELSE to_jsonb($8::text[]) END,"
	    "'dropped', coalesce(l.events->'dropped', '[]') || to_jsonb($9::text[]))), $10::text[]"
	    " FROM (SELECT " LAST_EVENTS " AS events) l RETURNING *)"
	    " SELECT @notify_schema(stream, id, kind, schema_name, table_name, $6, $7, commit_lsn, steps) FROM made",
	    11, parameters, NULL);
}
