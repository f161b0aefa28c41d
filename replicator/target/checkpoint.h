/*
 * checkpoint.h - the rows of schema `replicator` in the target that say where a stream stands and who may move it.
 *
 * NOTES
 *   Liveness: the holder of a session advisory lock on the stream is the active instance (stream_lock.h). Safety: the
 *   epoch in the row of `stream` is the fence: each claim raises it, each commit of ours updates the row WHERE epoch and
 *   the backend's pid are ours, and one row missing means that somebody else claimed the stream since (ERROR_FENCED;
 *   laws 2 and 8). A target
 *   may go back to before a claim (a promoted standby that was behind): so that the next claim there never gives an
 *   epoch that somebody believes to be his, epochs are not counted but taken from the server's clock, in microseconds.
 *
 * Thread: the applier's, on its own connection.
 */
#ifndef REPLICATOR_TARGET_CHECKPOINT_H
#define REPLICATOR_TARGET_CHECKPOINT_H

#include "base/buffer.h"
#include "config/config.h"
#include "pg/connection.h"
#include "stream/checkpoint.h"
#include "stream/partition.h"

/* Makes or migrates the state schema (sql/target/NNN_*.sql, each once, in one transaction under an advisory lock). */
struct error *checkpoint_install_schema(struct pg_connection *connection, const char *schema);

/* The same as SQL text, for people who install it themselves. */
void checkpoint_print_schema(const char *schema, struct buffer *sql);

/* Drops the state tables and the schema; ERROR_CONFIGURATION when it holds no state tables, or anything else. */
struct error *checkpoint_remove_schema(struct pg_connection *connection, const char *schema);

/* ERROR_CONFIGURATION with the remedy when the schema is missing, older or newer than this program knows. */
struct error *checkpoint_check_schema(struct pg_connection *connection, const char *schema);

/*
 * Takes the advisory lock (waits while another instance is active; says so in the log once, then every minute; returns
 * ERROR_INTERRUPTED on a stop request), makes the stream's row at the first time, raises the epoch, notes this
 * backend's pid and start time in the row, and reads the checkpoint. The lock lives as long as the connection.
 */
struct error *checkpoint_claim(struct pg_connection *connection, const struct config *config,
                               struct checkpoint *checkpoint, int64_t *epoch);

/*
 * Where the stream stands, without claiming it: for who only looks. A stream that has not run yet does not exist in it.
 */
struct error *checkpoint_read(struct pg_connection *connection, const struct config *config,
                              struct checkpoint *checkpoint);

/*
 * After a reconnect of the same instance: takes the lock again and reads the row; ERROR_FENCED when the epoch moved on;
 * checkpoint->claim_lost when it moved back, without the row being touched. Our lost session, should the server still
 * have it, is ended: what is read afterwards is decided (a COMMIT whose answer was lost is in it or never will be).
 */
struct error *checkpoint_reclaim(struct pg_connection *connection, const struct config *config, int64_t epoch,
                                 struct checkpoint *checkpoint);

/* What a batch writes. Zero fields of the watermark leave the stored ones alone. */
struct checkpoint_update {
	int64_t epoch;
	uint64_t batch; /* number of the commit, rising under one epoch */
	uint64_t last_commit_lsn;
	uint64_t last_tx_id;
	uint64_t last_message_lsn;
	int64_t source_us;      /* commit time at the source of the last transaction; 0 unknown */
	const char *cluster_id; /* NULL leaves it */
	struct snapshot_identity snapshot;
	bool snapshot_open;
	bool snapshot_last_row;           /* it is in this batch */
	uint64_t snapshot_rows;           /* rows of the snapshot in this batch */
	const struct position *positions; /* the last of each partition counts */
	size_t position_count;
};

/*
 * Sends the update as ONE pipelined statement (the caller is inside BEGIN and a pipeline). Its answer must count one
 * row: none means fenced.
 */
struct error *checkpoint_send(struct pg_connection *connection, const struct config *config,
                              const struct partition_list *partitions, const struct checkpoint_update *update);

/* Writes state ("running", "stopped", "failed"…) and error text into the stream's row, in a transaction of its own. */
struct error *checkpoint_write_state(struct pg_connection *connection, const struct config *config, int64_t epoch,
                                     const char *state, const char *error);

/* A sign of life, for times without commits; tells early that the stream was taken over (ERROR_FENCED). */
struct error *checkpoint_beat(struct pg_connection *connection, const struct config *config, int64_t epoch);

#endif
