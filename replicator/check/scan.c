/*
 * scan.c - see the header.
 *
 * NOTES
 *   A table is cut by its blocks, each side by its own: sums of hashes need no order, so the pieces of the two sides
 *   need not match. That reads a table as it lies on the disk, whatever its key is, takes no index and no collation,
 *   and a table without a key like any other. A piece is short, so that a rate, a progress bar and Ctrl-C work. Before
 *   PostgreSQL 14 a server cannot start in the middle of a table: there a table is one piece.
 */
#include "check/scan.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/signals.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_A_PIECE ((int64_t)4096)
#define BLOCKS_LEAST ((int64_t)16)
#define BLOCK_LAST INT64_C(4294967295)
#define SLEEP_MOST_MS 200

struct piece {
	struct check_table *table;
	int64_t first, end;   /* blocks */
	int64_t blocks, rows; /* how much work it is; rows by the statistics */
	const char *sql;
	const char *parameter; /* or NULL */
};

/* What the threads of one side share. */
struct side_scan {
	const struct scan *scan;
	const struct scan_question *question;
	enum side side;
	pthread_mutex_t *lock; /* of both sides: results go into tables, progress and arena */
	struct piece *pieces;
	size_t count, next;
	int64_t start_us, rows;
	struct error *error; /* a connection was lost */
};

struct worker {
	struct side_scan *side;
	struct pg_connection *connection;
	pthread_t thread;
	bool started;
};

static void add_piece(struct side_scan *side, struct piece piece)
{
	if ((side->count & (side->count - 1)) == 0)
		side->pieces = memory_grow(side->pieces, side->count == 0 ? 1 : side->count * 2, sizeof(*side->pieces));
	side->pieces[side->count++] = piece;
}

static int64_t rows_a_block(const struct table_image *image, int64_t blocks)
{
	return image->estimated_rows > 0 && blocks > 0 ? image->estimated_rows / blocks + 1 : 50;
}

/* Blocks a piece may have so that one takes no longer than about half a second at the allowed rate. */
static int64_t blocks_a_piece(const struct side_scan *side, const struct table_image *image, int64_t blocks)
{
	int64_t most = BLOCKS_A_PIECE;

	if (side->scan->max_rate == 0)
		return most;
	most = side->scan->max_rate / rows_a_block(image, blocks) / 2;
	return most < BLOCKS_LEAST ? BLOCKS_LEAST : most > BLOCKS_A_PIECE ? BLOCKS_A_PIECE : most;
}

static void add_pieces(struct side_scan *side, struct check_table *table, int64_t blocks, bool cut)
{
	struct buffer sql = {0}, parameter = {0};
	struct arena *arena = side->scan->arena;
	struct piece piece = {.table = table};
	int64_t step = blocks_a_piece(side, table->images[side->side], blocks);

	side->question->append_sql(&sql, table, side->side, &side->scan->options);
	side->question->append_parameter(&parameter, table);
	piece.sql = arena_copy(arena, sql.data, sql.length);
	piece.parameter = parameter.length > 0 ? arena_copy(arena, parameter.data, parameter.length) : NULL;
	do { /* the last piece has no end: what was added meanwhile is invisible */
		piece.end = cut && piece.first + step < blocks ? piece.first + step : BLOCK_LAST;
		piece.blocks = (piece.end == BLOCK_LAST ? blocks - piece.first : step) + 1;
		piece.rows = (piece.blocks - 1) * rows_a_block(table->images[side->side], blocks);
		add_piece(side, piece);
		table->sides[side->side].pieces_open++;
		piece.first = piece.end;
	} while (piece.end != BLOCK_LAST);
	buffer_free(&sql);
	buffer_free(&parameter);
}

/* The largest relation of a partition tree counts: a range of blocks is read from each leaf. Size 0: dropped. */
static const char SIZES_SQL[] =
    "SELECT coalesce((SELECT max(pg_relation_size(p.relid)) FROM pg_partition_tree(o.oid::regclass) p),"
    "                pg_relation_size(o.oid::regclass), 0) / current_setting('block_size')::int"
    "  FROM unnest($1::oid[]) WITH ORDINALITY AS o (oid, n) ORDER BY n";

static struct error *make_pieces(struct side_scan *side, struct check_tables *tables)
{
	struct pg_connection *connection = side->scan->sessions[side->side]->connections[0];
	bool cut = pg_server_version(connection) >= 140000;
	struct pg_result *result = NULL;
	struct buffer oids = {0};
	const char *parameters[1];
	struct error *error;

	buffer_append_byte(&oids, '{');
	for (size_t i = 0; i < tables->count; i++)
		if (side->question->wanted(&tables->tables[i]))
			buffer_append_format(&oids, "%s%" PRIu32, oids.length > 1 ? "," : "",
			                     tables->tables[i].images[side->side]->oid);
	buffer_append_byte(&oids, '}');
	parameters[0] = oids.data;
	error = session_query(connection, SIZES_SQL, 1, parameters, &result);
	for (size_t i = 0, row = 0; error == NULL && i < tables->count; i++)
		if (side->question->wanted(&tables->tables[i]))
			add_pieces(side, &tables->tables[i], pg_result_integer(result, row++, 0), cut);
	buffer_free(&oids);
	pg_result_free(result);
	return error;
}

static bool take_piece(struct side_scan *side, struct piece *piece)
{
	bool taken = false;

	pthread_mutex_lock(side->lock);
	while (!taken && side->next < side->count && side->error == NULL && !signals_stop_requested()) {
		*piece = side->pieces[side->next++];
		taken = piece->table->sides[side->side].error == NULL;
	}
	pthread_mutex_unlock(side->lock);
	return taken;
}

static struct error *ask(struct pg_connection *connection, const struct piece *piece, struct pg_result **result)
{
	char first[32], end[32];
	const char *const parameters[3] = {first, end, piece->parameter};

	snprintf(first, sizeof(first), "(%" PRId64 ",0)", piece->first);
	snprintf(end, sizeof(end), "(%" PRId64 ",%d)", piece->end, piece->end == BLOCK_LAST ? 65535 : 0);
	return session_query(connection, piece->sql, 3, parameters, result);
}

/* Takes the answer; gives how long to sleep to keep the rate. */
static int64_t take_answer(struct side_scan *side, const struct piece *piece, const struct pg_result *result,
                           struct error *error, bool broken, int64_t took_us)
{
	struct check_side *of_table = &piece->table->sides[side->side];
	int64_t sleep_us = 0;

	pthread_mutex_lock(side->lock);
	if (broken && side->error == NULL)
		side->error = error;
	else if (error != NULL && !broken && of_table->error == NULL)
		of_table->error = error;
	else
		error_free(error);
	of_table->read_us += took_us;
	of_table->pieces_open--;
	if (result != NULL)
		side->question->take(piece->table, side->side, result, side->scan->arena);
	side->rows += piece->rows;
	progress_advance(side->scan->progress, piece->blocks);
	if (side->scan->max_rate > 0)
		sleep_us = side->start_us + side->rows * 1000000 / side->scan->max_rate - clock_monotonic_us();
	pthread_mutex_unlock(side->lock);
	return sleep_us;
}

static void sleep_for(int64_t us)
{
	int64_t deadline = clock_monotonic_us() + us;

	while (us > 0 && !signals_stop_requested()) {
		clock_sleep_ms(us > SLEEP_MOST_MS * 1000 ? SLEEP_MOST_MS : (int)(us / 1000) + 1);
		us = deadline - clock_monotonic_us();
	}
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct piece piece;

	while (!pg_is_broken(worker->connection) && take_piece(worker->side, &piece)) {
		int64_t start = clock_monotonic_us();
		struct pg_result *result = NULL;
		struct error *error = ask(worker->connection, &piece, &result);

		sleep_for(take_answer(worker->side, &piece, result, error, pg_is_broken(worker->connection),
		                      clock_monotonic_us() - start));
		pg_result_free(result);
	}
	return NULL;
}

/* All connections of both sides at the same time. */
static struct error *run_workers(struct side_scan sides[2])
{
	struct worker workers[2 * SESSION_MOST] = {0};
	struct error *error = NULL;
	size_t count = 0;

	for (int s = 0; s < 2; s++)
		for (size_t i = 0; i < sides[s].scan->sessions[s]->count; i++)
			workers[count++] = (struct worker){.side = &sides[s],
			                                   .connection = sides[s].scan->sessions[s]->connections[i]};
	for (size_t i = 0; i < count; i++)
		workers[i].started = pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0;
	for (size_t i = 0; i < count; i++) {
		if (workers[i].started)
			pthread_join(workers[i].thread, NULL);
		else if (error == NULL)
			error = error_new(ERROR_SYSTEM, "cannot start a thread");
	}
	return error;
}

static struct error *first_of(struct error *first, struct error *second)
{
	if (first == NULL)
		return second;
	error_free(second);
	return first;
}

struct error *scan_tables(const struct scan *scan, struct check_tables *tables, const struct scan_question *question)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct side_scan sides[2];
	struct error *error = NULL;
	int64_t blocks = 0;

	for (int s = 0; s < 2; s++) {
		sides[s] = (struct side_scan){.scan = scan,
		                              .question = question,
		                              .side = (enum side)s,
		                              .lock = &lock,
		                              .start_us = clock_monotonic_us()};
		error = first_of(error, make_pieces(&sides[s], tables));
		for (size_t i = 0; i < sides[s].count; i++)
			blocks += sides[s].pieces[i].blocks;
	}
	progress_start(scan->progress, "comparing", blocks);
	if (error == NULL)
		error = run_workers(sides);
	progress_clear(scan->progress);
	for (int s = 0; s < 2; s++) {
		error = first_of(error, sides[s].error);
		free(sides[s].pieces);
	}
	return error;
}
