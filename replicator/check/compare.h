/*
 * compare.h - compares the tables of a live pair until each part was seen equal once, or differs for good.
 */
#ifndef REPLICATOR_CHECK_COMPARE_H
#define REPLICATOR_CHECK_COMPARE_H

#include "check/progress.h"
#include "check/scan.h"
#include "check/tables.h"
#include "target/source_identity.h"

struct comparison {
	const struct config *config;
	size_t jobs;      /* connections to each side */
	int64_t max_rate; /* rows a second on each side; 0: no bound */
	int64_t timeout_us;
	bool at_rest; /* nothing is waited for */
	struct progress progress;
	struct arena *arena;
	struct session sides[2];
	struct pg_connection *fence; /* to the source, outside of the snapshot */
	struct pg_connection *watch; /* to the target, for the watermark */
	struct expression_options options;
	struct captured_columns captured; /* what the connector does to the columns (comparison_connect) */
	struct source_token token;        /* that our fences carry, with the identity of the server of source.dsn */
	bool standby;                     /* that server is in recovery: it takes no fence */
	/* What came out, for the report. */
	int looks;
	bool passed;         /* the stream passed the source's position of the last look */
	bool in_snapshot;    /* the connector's snapshot has not ended: what differs may come with it */
	bool stopped;        /* the stream says that it does not run, or there is none */
	bool known;          /* the target has a state of the stream */
	bool unordered;      /* the stream has no watermark: transactions = "off" */
	bool behind;         /* the source had not reached the stream's watermark before the last look */
	const char *refusal; /* why nothing may be written (proof.h), or NULL; in the arena */
	bool fenced;         /* the source took the fence; else its next commit is waited for */
	bool interrupted;    /* a signal asked to leave */
	uint64_t source_lsn; /* of the last look */
	uint64_t began_lsn;  /* of the first look of compare_tables */
};

/* Opens the connections and reads what both servers have in common. `comparison` holds config and options. */
struct error *comparison_connect(struct comparison *comparison);
void comparison_disconnect(struct comparison *comparison);

/* Gives each pending table its verdict. Errors: a connection was lost, no snapshot could be taken. */
struct error *compare_tables(struct comparison *comparison, struct check_tables *tables);

/*
 * Takes a source snapshot, waits until the stream has passed it (at most wait_us), takes a target snapshot: both
 * sessions are open afterwards, comparison_end_look closes them. `passed` and `stopped` say what the wait came to.
 */
struct error *comparison_begin_look(struct comparison *comparison, int64_t wait_us);
void comparison_end_look(struct comparison *comparison);

/* What is seen now counts as the state at the snapshot: the stream has passed it, or does not move. */
bool comparison_is_trusted(const struct comparison *comparison);

#endif
