/* session.c - see session.h. */
#include "target/session.h"

#include "base/memory.h"
#include "pg/catalog.h"

#include <inttypes.h>
#include <stdlib.h>

struct error *session_set_up(struct pg_connection *connection, const struct config *config,
                             struct binding_cache *bindings)
{
	char *sql =
	    memory_format("SET synchronous_commit = %s; SET statement_timeout = %" PRId64
	                  "; SET idle_in_transaction_session_timeout = '5min';"
	                  " SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;"
	                  " SET enable_hashjoin = off; SET enable_mergejoin = off",
	                  config->target.synchronous_commit ? "on" : "off", config->target.statement_timeout_ms);
	struct error *error = pg_execute(connection, sql);
	bool may = false;

	free(sql);
	TRY(error);
	TRY(catalog_may_set_replication_role(connection, &may));
	if (may)
		TRY(pg_execute(connection, "SET session_replication_role = replica"));
	binding_cache_forget(bindings, may);
	return pg_forget_statements(connection);
}
