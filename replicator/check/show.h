/* show.h - prints the target's rows: `check_target --show [TABLE]`. */
#ifndef REPLICATOR_CHECK_SHOW_H
#define REPLICATOR_CHECK_SHOW_H

#include "config/config.h"
#include "pg/connection.h"

#include <stdio.h>

struct show_options {
	const char *const *patterns; /* of tables; none: all outside of the state schema */
	size_t pattern_count;
	int64_t limit; /* rows a table */
	bool json;
};

/* Errors: ERROR_CONFIGURATION when no table matches. */
struct error *show_tables(struct pg_connection *target, const struct config *config, const struct show_options *options,
                          FILE *out);

#endif
