/* table.h - what the verbs of `replicator table` share; nobody else includes it. */
#ifndef REPLICATOR_CLI_TABLE_H
#define REPLICATOR_CLI_TABLE_H

#include "config/config.h"

struct table_request {
	const struct config *config;
	const char *schema;
	const char *table;
	bool compare_only;  /* of a resync: without a snapshot by the connector */
	int64_t timeout_us; /* of waiting: for the stream, for the connector */
};

/* Captures a table of the source that the stream does not have yet; *code as check_target's. table_add.c */
struct error *table_add(const struct table_request *request, int *code);

#endif
