/*
 * checkpoint.c - claims a stream, reads where it stands, and writes that with each batch.
 *
 * NOTES
 *   checkpoint_send runs with every commit, so it is one statement: the fence (the UPDATE of the stream's row), and the
 *   offsets that are written only where the fence held. Its plan is the same for all parameters.
 *
 *   A session that lost its connection may live on in the server for a long time, with our lock and perhaps with a
 *   COMMIT under way. The row of the stream holds its pid and start time under our epoch, so checkpoint_reclaim may end
 *   it: once we have the lock, its last transaction is decided, and what we read is true.
 */
#include "target/checkpoint.h"

#include "base/buffer.h"
#include "base/lsn.h"
#include "base/memory.h"
#include "pg/sql.h"
#include "target/acceptance.h"
#include "target/state.h"
#include "target/stream_lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *instance_name(void)
{
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1) != 0)
		snprintf(host, sizeof(host), "unknown-host");
	return memory_format("%s:%d", host, (int)getpid());
}

static struct error *fenced_error(const struct config *config, int64_t epoch)
{
	return error_new(
	    ERROR_FENCED,
	    "stream %s was taken over by another instance, or this session has another server process than "
	    "the one that claimed the stream (our epoch was %" PRId64 "); only one may run",
	    config->stream.name, epoch);
}

static uint64_t result_lsn(const struct pg_result *result, size_t row, size_t column)
{
	uint64_t lsn = 0;

	return lsn_parse(pg_result_text(result, row, column), &lsn) ? lsn : 0;
}

static struct error *read_stream(struct pg_connection *connection, const struct config *config,
                                 struct checkpoint *checkpoint)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;

	TRY(state_query(connection, config,
	                "SELECT s.cluster_id, s.last_commit_lsn, s.last_tx_id, p.snapshot_tx_id, p.snapshot_lsn,"
	                "       (p.snapshot_tx_id IS NOT NULL AND p.finished_at IS NULL)::int, p.last_row::int,"
	                "       s.last_message_lsn, s.batch"
	                "  FROM @stream s LEFT JOIN LATERAL"
	                "       (SELECT * FROM @snapshot_progress p WHERE p.stream = s.name"
	                "         ORDER BY p.started_at DESC, p.snapshot_lsn DESC LIMIT 1) p ON true"
	                " WHERE s.name = $1",
	                1, parameters, &result));
	if (pg_result_rows(result) == 0) {
		pg_result_free(result);
		return error_new(ERROR_FENCED, "the row of stream %s is gone from table stream of schema %s",
		                 config->stream.name, config->target.schema);
	}
	checkpoint->cluster_id = memory_copy_text(pg_result_text(result, 0, 0));
	checkpoint->last_commit_lsn = result_lsn(result, 0, 1);
	checkpoint->last_tx_id = (uint64_t)pg_result_integer(result, 0, 2);
	checkpoint->snapshot.tx_id = (uint64_t)pg_result_integer(result, 0, 3);
	checkpoint->snapshot.lsn = result_lsn(result, 0, 4);
	checkpoint->snapshot_open = pg_result_integer(result, 0, 5) != 0;
	checkpoint->snapshot_last_row = pg_result_integer(result, 0, 6) != 0;
	checkpoint->last_message_lsn = result_lsn(result, 0, 7);
	checkpoint->batch = (uint64_t)pg_result_integer(result, 0, 8);
	pg_result_free(result);
	return NULL;
}

static struct error *read_offsets(struct pg_connection *connection, const struct config *config,
                                  struct checkpoint *checkpoint)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;
	size_t count;

	TRY(state_query(
	    connection, config,
	    "SELECT topic, partition, next_offset, witness_offset, witness_ms FROM @offsets WHERE stream = $1"
	    " ORDER BY topic COLLATE \"C\", partition",
	    1, parameters, &result));
	count = pg_result_rows(result);
	checkpoint->offsets = memory_alloc((count + 1) * sizeof(*checkpoint->offsets));
	checkpoint->offset_count = count;
	for (size_t i = 0; i < count; i++)
		checkpoint->offsets[i] = (struct checkpoint_offset){
		    .topic = memory_copy_text(pg_result_text(result, i, 0)),
		    .partition = (int32_t)pg_result_integer(result, i, 1),
		    .next_offset = pg_result_integer(result, i, 2),
		    .witness = {pg_result_integer(result, i, 3), pg_result_integer(result, i, 4)},
		};
	pg_result_free(result);
	return NULL;
}

/* What was read is whole: whoever had the stream before us is out since the epoch was raised. */
static struct error *read_checkpoint(struct pg_connection *connection, const struct config *config,
                                     struct checkpoint *checkpoint)
{
	struct error *error;

	*checkpoint = (struct checkpoint){0};
	error = read_stream(connection, config, checkpoint);
	if (error == NULL)
		error = read_offsets(connection, config, checkpoint);
	if (error == NULL)
		error = acceptance_read(connection, config, checkpoint);
	if (error != NULL) {
		checkpoint_free(checkpoint);
		return error;
	}
	/* A row without offsets: an instance claimed the stream and went before its first commit. */
	checkpoint->exists = checkpoint->offset_count > 0 || checkpoint->last_commit_lsn != 0;
	return NULL;
}

struct error *checkpoint_read(struct pg_connection *connection, const struct config *config,
                              struct checkpoint *checkpoint)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;
	size_t rows;

	*checkpoint = (struct checkpoint){0};
	TRY(state_query(connection, config, "SELECT 1 FROM @stream WHERE name = $1", 1, parameters, &result));
	rows = pg_result_rows(result);
	pg_result_free(result);
	return rows == 0 ? NULL : read_checkpoint(connection, config, checkpoint);
}

#define HOLDER                                                                                                         \
	" instance = $2, holder_pid = pg_backend_pid(),"                                                               \
	" holder_backend_start = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()),"           \
	" heartbeat_at = clock_timestamp(), state = 'starting', error = NULL"

static struct error *raise_epoch(struct pg_connection *connection, const struct config *config, int64_t *epoch)
{
	char *instance = instance_name();
	const char *const parameters[3] = {config->stream.name, instance,
	                                   config->stream.transactions == TRANSACTIONS_OFF ? "f" : "t"};
	struct pg_result *result = NULL;
	struct error *error =
	    state_query(connection, config,
	                "INSERT INTO @stream (name, epoch) VALUES ($1, 0) ON CONFLICT (name) DO NOTHING", 1, parameters,
	                NULL);

	if (error == NULL)
		error = state_query(connection, config,
		                    "UPDATE @stream SET epoch = greatest(epoch + 1,"
		                    " (extract(epoch FROM clock_timestamp()) * 1000000)::bigint), batch = 0,"
		                    " whole_transactions = $3::boolean," HOLDER " WHERE name = $1 RETURNING epoch",
		                    3, parameters, &result);
	if (error == NULL)
		*epoch = pg_result_integer(result, 0, 0);
	pg_result_free(result);
	free(instance);
	return error;
}

struct error *checkpoint_claim(struct pg_connection *connection, const struct config *config,
                               struct checkpoint *checkpoint, int64_t *epoch)
{
	TRY(stream_lock_await(connection, config, NULL, 0));
	TRY(raise_epoch(connection, config, epoch));
	return read_checkpoint(connection, config, checkpoint);
}

/* Ends the session that our epoch's row names: it is our own, cut off. ERROR_FENCED when the epoch is a later one. */
static struct error *end_lost_session(struct pg_connection *connection, const struct config *config, int64_t epoch)
{
	struct number number = number_of(epoch);
	const char *const parameters[2] = {config->stream.name, number.text};
	bool ours;

	TRY(state_exists(connection, config,
	                 "SELECT (SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE s.epoch = $2::bigint"
	                 "           AND a.pid = s.holder_pid AND a.backend_start = s.holder_backend_start)"
	                 "  FROM @stream s WHERE s.name = $1 AND s.epoch <= $2::bigint",
	                 2, parameters, &ours));
	return ours ? NULL : fenced_error(config, epoch);
}

static struct error *note_holder(struct pg_connection *connection, const struct config *config, int64_t epoch)
{
	struct number number = number_of(epoch);
	char *instance = instance_name();
	const char *const parameters[3] = {config->stream.name, instance, number.text};
	struct pg_result *result = NULL;
	struct error *error =
	    state_query(connection, config,
	                "UPDATE @stream SET" HOLDER " WHERE name = $1 AND epoch = $3::bigint RETURNING 1", 3,
	                parameters, &result);

	if (error == NULL && pg_result_rows(result) == 0)
		error = fenced_error(config, epoch);
	pg_result_free(result);
	free(instance);
	return error;
}

static struct error *read_epoch(struct pg_connection *connection, const struct config *config, int64_t *epoch)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;

	TRY(state_query(connection, config, "SELECT epoch FROM @stream WHERE name = $1", 1, parameters, &result));
	*epoch = pg_result_rows(result) > 0 ? pg_result_integer(result, 0, 0) : INT64_MAX;
	pg_result_free(result);
	return NULL;
}

struct error *checkpoint_reclaim(struct pg_connection *connection, const struct config *config, int64_t epoch,
                                 struct checkpoint *checkpoint)
{
	int64_t stored = 0;

	*checkpoint = (struct checkpoint){0};
	TRY(stream_lock_await(connection, config, end_lost_session, epoch));
	TRY(read_epoch(connection, config, &stored));
	if (stored < epoch) {
		checkpoint->claim_lost = true;
		return NULL;
	}
	TRY(note_holder(connection, config, epoch));
	return read_checkpoint(connection, config, checkpoint);
}

/* A session that a pooler moved to another server process does not hold the stream's lock any more. */
#define OUR_ROW " WHERE name = $1 AND epoch = $2::bigint AND holder_pid = pg_backend_pid()"

/*
 * $1 stream, $2 epoch, $3 LSN, $4 tx id, $5 µs, $6 cluster, $7 topics, $8 partitions, $9 offsets, $10 and $11 their
 * witnesses, $12 message LSN, $13 batch.
 */
static const char SEND_SQL[] =
    "WITH fence AS ("
    "UPDATE @stream SET last_commit_lsn = coalesce($3::pg_lsn, last_commit_lsn),"
    " last_tx_id = coalesce($4::bigint, last_tx_id),"
    " source_commit_at = coalesce(timestamptz 'epoch' + $5::bigint * interval '1 microsecond', source_commit_at),"
    " cluster_id = coalesce($6::text, cluster_id), last_message_lsn = coalesce($12::pg_lsn, last_message_lsn),"
    " batch = $13::bigint, applied_at = clock_timestamp(), heartbeat_at = clock_timestamp()" OUR_ROW " RETURNING name"
    "), moved AS ("
    "INSERT INTO @offsets AS o (stream, topic, partition, next_offset, witness_offset, witness_ms)"
    " SELECT f.name, u.* FROM fence f,"
    " unnest($7::text[], $8::int[], $9::bigint[], $10::bigint[], $11::bigint[]) AS u"
    " ON CONFLICT (stream, topic, partition) DO UPDATE SET next_offset = excluded.next_offset,"
    " witness_offset = excluded.witness_offset, witness_ms = excluded.witness_ms"
    ")";

/* $14, $15 snapshot, $16 rows, $17 open, $18 last row. */
static const char SEND_SNAPSHOT_SQL[] =
    ", progress AS ("
    "INSERT INTO @snapshot_progress AS p (stream, snapshot_tx_id, snapshot_lsn, rows, started_at, finished_at,"
    " last_row)"
    " SELECT f.name, $14::bigint, $15::pg_lsn, $16::bigint, clock_timestamp(),"
    " CASE WHEN $17::boolean THEN NULL ELSE clock_timestamp() END, $18::boolean FROM fence f"
    " ON CONFLICT (stream, snapshot_tx_id, snapshot_lsn) DO UPDATE SET rows = p.rows + excluded.rows,"
    " finished_at = coalesce(p.finished_at, excluded.finished_at), last_row = p.last_row OR excluded.last_row"
    ")";

#define POSITION_ARRAYS 5

/* The last position of each partition as arrays, $7 to $11. */
static void append_positions(const struct partition_list *partitions, const struct checkpoint_update *update,
                             struct buffer arrays[POSITION_ARRAYS])
{
	uint32_t count = partition_list_count(partitions);
	const struct position **last = memory_alloc((count + (size_t)1) * sizeof(*last));

	for (size_t i = 0; i < update->position_count; i++)
		last[update->positions[i].partition] = &update->positions[i];
	for (size_t k = 0; k < POSITION_ARRAYS; k++)
		buffer_append_byte(&arrays[k], '{');
	for (uint32_t i = 0; i < count; i++) {
		const struct partition_name *name;

		if (last[i] == NULL)
			continue;
		name = partition_list_get(partitions, i);
		for (size_t k = 0; k < POSITION_ARRAYS && arrays[0].length > 1; k++)
			buffer_append_byte(&arrays[k], ',');
		sql_append_array_element(&arrays[0], name->topic, strlen(name->topic));
		buffer_append_format(&arrays[1], "%" PRId32, name->id);
		buffer_append_format(&arrays[2], "%" PRId64, last[i]->next_offset);
		buffer_append_format(&arrays[3], "%" PRId64, last[i]->witness.offset);
		buffer_append_format(&arrays[4], "%" PRId64, last[i]->witness.timestamp_ms);
	}
	for (size_t k = 0; k < POSITION_ARRAYS; k++)
		buffer_append_byte(&arrays[k], '}');
	free(last);
}

static bool has_snapshot(const struct checkpoint_update *update)
{
	return update->snapshot.tx_id != 0 || update->snapshot.lsn != 0;
}

static struct pg_statement *send_statement(struct pg_connection *connection, const struct config *config, bool snapshot)
{
	struct pg_statement *statement;
	struct buffer sql = {0};

	state_append_sql(&sql, config, SEND_SQL);
	if (snapshot)
		state_append_sql(&sql, config, SEND_SNAPSHOT_SQL);
	buffer_append_text(&sql, " SELECT 1 FROM fence");
	statement = pg_statement_of(connection, (struct slice){sql.data, sql.length});
	buffer_free(&sql);
	return statement;
}

struct error *checkpoint_send(struct pg_connection *connection, const struct config *config,
                              const struct partition_list *partitions, const struct checkpoint_update *update)
{
	struct number epoch = number_of(update->epoch), tx_id = number_of((int64_t)update->last_tx_id);
	struct number source_us = number_of(update->source_us), rows = number_of((int64_t)update->snapshot_rows);
	struct number batch = number_of((int64_t)update->batch);
	struct number snapshot_tx_id = number_of((int64_t)update->snapshot.tx_id);
	char lsn[LSN_TEXT_SIZE], snapshot_lsn[LSN_TEXT_SIZE], message_lsn[LSN_TEXT_SIZE];
	struct buffer arrays[POSITION_ARRAYS] = {{0}};
	bool snapshot = has_snapshot(update);
	struct error *error;

	lsn_format(update->last_commit_lsn, lsn);
	lsn_format(update->snapshot.lsn, snapshot_lsn);
	lsn_format(update->last_message_lsn, message_lsn);
	append_positions(partitions, update, arrays);
	const char *const parameters[18] = {
	    config->stream.name,
	    epoch.text,
	    update->last_commit_lsn != 0 ? lsn : NULL,
	    update->last_tx_id != 0 ? tx_id.text : NULL,
	    update->source_us != 0 ? source_us.text : NULL,
	    update->cluster_id,
	    arrays[0].data,
	    arrays[1].data,
	    arrays[2].data,
	    arrays[3].data,
	    arrays[4].data,
	    update->last_message_lsn != 0 ? message_lsn : NULL,
	    batch.text,
	    snapshot_tx_id.text,
	    snapshot_lsn,
	    rows.text,
	    update->snapshot_open ? "t" : "f",
	    update->snapshot_last_row ? "t" : "f",
	};
	error =
	    pg_pipeline_send(connection, send_statement(connection, config, snapshot), snapshot ? 18 : 13, parameters);
	for (size_t k = 0; k < POSITION_ARRAYS; k++)
		buffer_free(&arrays[k]);
	return error;
}

/* Sets something in the row of our epoch. ERROR_FENCED when the epoch is another's. $1 name, $2 epoch. */
static struct error *update_own_row(struct pg_connection *connection, const struct config *config, int64_t epoch,
                                    const char *sql, size_t count, const char *const *parameters)
{
	struct pg_result *result = NULL;
	bool fenced;

	TRY(state_query(connection, config, sql, count, parameters, &result));
	fenced = pg_result_rows(result) == 0;
	pg_result_free(result);
	return fenced ? fenced_error(config, epoch) : NULL;
}

struct error *checkpoint_write_state(struct pg_connection *connection, const struct config *config, int64_t epoch,
                                     const char *state, const char *error_text)
{
	struct number number = number_of(epoch);
	char *storable = state_storable(error_text);
	const char *const parameters[4] = {config->stream.name, number.text, state, storable};
	struct error *error = update_own_row(connection, config, epoch,
	                                     "UPDATE @stream SET state = $3, error = @storable_text($4::bytea),"
	                                     " heartbeat_at = clock_timestamp()" OUR_ROW " RETURNING 1",
	                                     4, parameters);

	free(storable);
	return error;
}

struct error *checkpoint_beat(struct pg_connection *connection, const struct config *config, int64_t epoch)
{
	struct number number = number_of(epoch);
	const char *const parameters[2] = {config->stream.name, number.text};

	return update_own_row(connection, config, epoch,
	                      "UPDATE @stream SET heartbeat_at = clock_timestamp()" OUR_ROW " RETURNING 1", 2,
	                      parameters);
}
