/*
 * compare.h - compares the tables of a live pair until each part was seen equal once, or differs for good.
 */
#ifndef REPLICATOR_CHECK_COMPARE_H
#define REPLICATOR_CHECK_COMPARE_H

#include "check/tables.h"

struct comparison {
	struct pg_connection *source;       /* in a snapshot while a look lasts */
	struct pg_connection *source_fence; /* for the fence */
	struct pg_connection *target;       /* in a snapshot while a look lasts */
	struct pg_connection *target_watch; /* for the watermark */
	const struct config *config;
	int64_t timeout_us;
	struct arena *arena;
	/* What came out, for the report. */
	int looks;
	bool passed;         /* the stream passed the source's position of the last look */
	bool stopped;        /* the stream says that it does not run, or there is none */
	uint64_t source_lsn; /* of the last look */
};

/* Gives each pending table its verdict. Errors: a connection was lost, no snapshot could be taken. */
struct error *compare_tables(struct comparison *comparison, struct check_tables *tables);

#endif
