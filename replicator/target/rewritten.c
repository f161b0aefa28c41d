/* rewritten.c - see the header. */
#include "target/rewritten.h"

#include "base/memory.h"
#include "target/state.h"

#include <stdio.h>
#include <stdlib.h>

struct error *rewritten_read(struct pg_connection *connection, const struct config *config, struct rewritten *rewritten)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;

	*rewritten = (struct rewritten){0};
	TRY(state_query(connection, config,
	                "SELECT r.schema_name || '.' || r.table_name, s.paused_at IS NOT NULL FROM @rewritten r"
	                " JOIN @stream s ON s.name = r.stream WHERE r.stream = $1 ORDER BY 1",
	                1, parameters, &result));
	rewritten->count = pg_result_rows(result);
	rewritten->names = memory_alloc((rewritten->count + 1) * sizeof(*rewritten->names));
	for (size_t i = 0; i < rewritten->count; i++) {
		snprintf(rewritten->names[i], TABLE_NAME_SIZE, "%s", pg_result_text(result, i, 0));
		rewritten->paused = pg_result_text(result, i, 1)[0] == 't';
	}
	pg_result_free(result);
	return NULL;
}

void rewritten_free(struct rewritten *rewritten)
{
	free(rewritten->names);
	*rewritten = (struct rewritten){0};
}
