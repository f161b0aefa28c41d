/*
 * repair.c - see the header.
 *
 * NOTES
 *   How a change that the stream applies meanwhile wins. A batch of rows is one transaction of the target that begins
 *   by locking the table against writers (SHARE ROW EXCLUSIVE), the stream among them. Then the rows are read at the
 *   source. Only those whose version is still that of the look which found them different are touched: the stream has
 *   passed that look's position, so the target has nothing to expect for them from before. What the source commits to
 *   them afterwards comes through the stream, which waits for the lock, and is applied on top. All others are left to
 *   the stream and to the next comparison. The lock is the transaction's first and only one on tables, so that it is in
 *   no deadlock, and it lasts for some milliseconds. A lock at the source makes it two seconds: the batch then gives the
 *   lock back, and tries again a few times. What is still locked says nothing of single rows, and the batch is left.
 *
 *   A row may be refused because another row of the target has its unique value, or one that an exclusion constraint
 *   compares with: values that changed places in the source, in a cycle or in a chain. The batch is written again, with
 *   deletes and inserts instead of updates. Where the other row is in another batch it may still be refused: it is
 *   put off until all others are written, and then belongs to a batch that is as large as a round's rows. The proof of
 *   each delete is the comparison under the lock, and the row is inserted in the same statement.
 *
 *   A column GENERATED ALWAYS AS IDENTITY is written by INSERT … OVERRIDING SYSTEM VALUE only: where it is not in the key,
 *   updates are a delete and an insert, too.
 *
 *   Triggers and foreign keys do not fire where the role may say so, as when the stream applies.
 */
#include "check/repair.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/signals.h"
#include "check/proof.h"
#include "check/repair_sql.h"
#include "check/rows.h"
#include "check/suspects.h"
#include "pg/catalog.h"
#include "pg/sql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/*
 * Rows of a transaction. Without a key each batch reads the whole table on both sides, so it takes more of them; the
 * bytes of its rows are bounded as well.
 */
#define BATCH_KEYED ((size_t)1000)
#define BATCH_UNKEYED ((size_t)20000)
#define BATCH_BYTES ((int64_t)16 << 20)
#define TRIES_MOST 5
/* Of rows that were put off: one transaction has to hold all rows whose unique values changed places among them. */
#define BATCH_TOGETHER ((size_t)100000)
#define BATCH_TOGETHER_BYTES ((int64_t)256 << 20)

/* Of a batch. */
struct limits {
	size_t rows;
	int64_t bytes;
};

struct repair {
	struct comparison *comparison;
	struct pg_connection *writer;
	struct repair_names names;
	bool replica; /* triggers and foreign keys do not fire */
	bool replace; /* of the table: updates are deletes and inserts */
	/* Rows of the table that other rows of the target refuse for now; `put_off` NULL: they are left, with the reason. */
	const struct check_row **put_off;
	size_t put_off_count;
	int64_t *sizes; /* of the table's rows at the source, by their numbers */
	bool halted;    /* the error is one of the whole pair */
};

/* One batch: the rows, what the source has for them now, what the target has. */
struct batch {
	const struct check_row *const *rows;
	size_t count;
	struct pg_result *source; /* look, look, n, then the columns' texts */
	struct row_look *now;     /* this and the following: by the number of the row */
	size_t *source_row;
	struct row_look *target;
	bool *target_alive;
	struct repair_row *chosen; /* for one of the actions */
	bool by_insert;            /* updates are a delete and an insert: unique values change places */
};

static struct error *lock_table(struct repair *repair, const struct check_table *table)
{
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, "BEGIN; SET LOCAL lock_timeout = '2s'; SET CONSTRAINTS ALL DEFERRED;");
	if (repair->replica)
		buffer_append_text(&sql, "SET LOCAL session_replication_role = replica;");
	buffer_append_text(&sql, "LOCK TABLE ");
	buffer_append_text(&sql, relkind_only(table->images[SIDE_TARGET]->relkind));
	sql_append_qualified(&sql, table->images[SIDE_TARGET]->schema, table->images[SIDE_TARGET]->name);
	buffer_append_text(&sql, " IN SHARE ROW EXCLUSIVE MODE");
	error = pg_execute(repair->writer, sql.data);
	buffer_free(&sql);
	return error;
}

/* The parameters of a statement about the rows of a batch: their keys, or their hashes and how many of each. */
static struct error *query_rows(struct pg_connection *connection, const struct check_table *table, const char *sql,
                                const struct check_row *const *rows, size_t count, struct pg_result **result)
{
	const char **parameters = memory_alloc((table->images[SIDE_SOURCE]->column_count + 1) * sizeof(*parameters));
	struct buffer hashes = {0};
	struct error *error;

	if (table->key != NULL) {
		rows_make_keys(table, rows, count, parameters);
		error = pg_query(connection, sql, table->key->column_count, parameters, result);
		rows_free_keys(table, parameters);
	} else {
		for (size_t i = 0; i < count; i++)
			buffer_append_format(&hashes, "%c%s", i == 0 ? '{' : ',', rows[i]->key[0]);
		buffer_append_byte(&hashes, '}');
		parameters[0] = hashes.data;
		error = pg_query(connection, sql, 1, parameters, result);
		buffer_free(&hashes);
	}
	free(parameters);
	return error;
}

static struct row_look look_of(const struct check_table *table, const struct pg_result *result, size_t row)
{
	struct row_look look = {(uint64_t)pg_result_integer(result, row, 0),
	                        (uint64_t)pg_result_integer(result, row, 1)};

	if (table->key != NULL && look.token == 0)
		look.token = 1;
	return look;
}

static struct error *read_source(struct repair *repair, const struct check_table *table, struct batch *batch)
{
	struct buffer sql = {0};
	struct error *error;

	repair_append_source_sql(&sql, table, &repair->comparison->options);
	error = query_rows(repair->comparison->fence, table, sql.data, batch->rows, batch->count, &batch->source);
	buffer_free(&sql);
	for (size_t i = 0; error == NULL && i < pg_result_rows(batch->source); i++) {
		size_t n = (size_t)pg_result_integer(batch->source, i, 2) - 1;

		batch->now[n] = look_of(table, batch->source, i);
		batch->source_row[n] = i;
	}
	return error;
}

static struct error *read_target(struct repair *repair, const struct check_table *table, struct batch *batch)
{
	struct pg_result *result = NULL;
	struct buffer sql = {0};
	struct error *error;

	repair_append_target_sql(&sql, table, &repair->comparison->options);
	error = query_rows(repair->writer, table, sql.data, batch->rows, batch->count, &result);
	buffer_free(&sql);
	for (size_t i = 0; error == NULL && i < pg_result_rows(result); i++) {
		size_t n = (size_t)pg_result_integer(result, i, 2) - 1;

		batch->target[n] = look_of(table, result, i);
		batch->target_alive[n] = pg_result_integer(result, i, 3) != 0;
	}
	pg_result_free(result);
	return error;
}

enum action { ACTION_NONE, ACTION_LEAVE, ACTION_INSERT, ACTION_UPDATE, ACTION_DELETE };

static bool is_same_look(struct row_look a, struct row_look b)
{
	return a.token == b.token && a.version == b.version;
}

static enum action choose(const struct check_table *table, const struct batch *batch, size_t i)
{
	struct row_look source = batch->now[i], target = batch->target[i];
	bool alive = batch->target_alive[i];

	if (source.token != batch->rows[i]->source.token || source.version != batch->rows[i]->source.version)
		return ACTION_LEAVE;
	if (source.token == (alive ? target.token : 0))
		return ACTION_NONE; /* it became equal meanwhile */
	/* That a row is absent, or how many equal ones there are, has no version: the target must not have moved on. */
	if ((table->key == NULL || source.token == 0) && !is_same_look(target, batch->rows[i]->target))
		return ACTION_LEAVE;
	if (table->key == NULL)
		return source.token > target.token ? ACTION_INSERT : ACTION_DELETE;
	if (source.token == 0)
		return ACTION_DELETE;
	return target.token == 0 ? ACTION_INSERT : ACTION_UPDATE;
}

static size_t select_rows(const struct check_table *table, const struct batch *batch, enum action action,
                          struct repair_row *rows)
{
	size_t count = 0;

	for (size_t i = 0; i < batch->count; i++) {
		int64_t difference = (int64_t)batch->now[i].token - (int64_t)batch->target[i].token;

		if (choose(table, batch, i) != action)
			continue;
		rows[count++] = (struct repair_row){batch->rows[i], batch->source_row[i],
		                                    table->key != NULL ? 1
		                                    : difference < 0   ? -difference
		                                                       : difference};
	}
	return count;
}

/* Deletes first, since they may free values of unique columns; then updates, then inserts. */
static struct error *write_rows(struct repair *repair, const struct check_table *table, const struct batch *batch)
{
	struct repair_row *rows = batch->chosen;
	size_t count = select_rows(table, batch, ACTION_DELETE, rows);

	TRY(repair_delete(repair->writer, &repair->names, table, rows, count));
	count = select_rows(table, batch, ACTION_UPDATE, rows);
	TRY(repair_update(repair->writer, &repair->names, table, batch->source, rows, count, batch->by_insert));
	count = select_rows(table, batch, ACTION_INSERT, rows);
	return repair_insert(repair->writer, &repair->names, table, batch->source, rows, count);
}

static void count_actions(struct check_table *table, const struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		enum action action = choose(table, batch, i);

		table->rows[batch->rows[i] - table->rows].written = action >= ACTION_INSERT;
		table->repair.inserted += action == ACTION_INSERT;
		table->repair.updated += action == ACTION_UPDATE;
		table->repair.deleted += action == ACTION_DELETE;
		table->repair.left += action == ACTION_LEAVE;
		table->repair.settled += action == ACTION_NONE;
	}
}

static struct error *try_batch(struct repair *repair, struct check_table *table, struct batch *batch, bool dry_run)
{
	struct error *error = dry_run ? pg_execute(repair->writer, "BEGIN READ ONLY") : lock_table(repair, table);

	pg_result_free(batch->source);
	batch->source = NULL;
	memset(batch->now, 0, batch->count * sizeof(*batch->now));
	memset(batch->target, 0, batch->count * sizeof(*batch->target));
	memset(batch->target_alive, 0, batch->count * sizeof(*batch->target_alive));
	if (error == NULL) {
		error = proof_require_position(repair->comparison, repair->writer);
		repair->halted = error != NULL && error->class == ERROR_CONFIGURATION;
	}
	if (error == NULL)
		error = read_source(repair, table, batch);
	if (error == NULL)
		error = read_target(repair, table, batch);
	/* The target's table is locked; what was read of the source came before this. */
	if (error == NULL)
		error = check_table_require(table, SIDE_TARGET, repair->writer);
	if (error == NULL)
		error = check_table_require(table, SIDE_SOURCE, repair->comparison->fence);
	if (error == NULL && !dry_run)
		error = write_rows(repair, table, batch);
	if (error == NULL)
		error = pg_execute(repair->writer, dry_run ? "ROLLBACK" : "COMMIT");
	else if (!pg_is_broken(repair->writer))
		error_free(pg_execute(repair->writer, "ROLLBACK"));
	if (error == NULL)
		count_actions(table, batch);
	return error;
}

/*
 * Again while the server says that it heals by itself; once more in another way when unique values stand in each
 * other's way.
 */
static struct error *repair_batch(struct repair *repair, struct check_table *table, struct batch *batch, bool dry_run)
{
	struct error *error = NULL;

	for (int tries = 0; tries < TRIES_MOST && !signals_stop_requested(); tries++) {
		error_free(error);
		error = try_batch(repair, table, batch, dry_run);
		if (error == NULL || pg_is_broken(repair->writer) || pg_is_broken(repair->comparison->fence))
			break;
		if (pg_is_refused_by_rows(error) && !batch->by_insert && repair->replica && table->key != NULL)
			batch->by_insert = true;
		else if (error->class != ERROR_TRANSIENT)
			break;
	}
	pg_result_free(batch->source);
	batch->source = NULL;
	return error;
}

static struct error *repair_run(struct repair *repair, struct check_table *table, const struct check_row *const *rows,
                                size_t count, bool dry_run)
{
	struct batch batch = {.rows = rows,
	                      .count = count,
	                      .by_insert = repair->replace,
	                      .now = memory_alloc(count * sizeof(*batch.now)),
	                      .source_row = memory_alloc(count * sizeof(*batch.source_row)),
	                      .target = memory_alloc(count * sizeof(*batch.target)),
	                      .target_alive = memory_alloc(count * sizeof(*batch.target_alive)),
	                      .chosen = memory_alloc(count * sizeof(*batch.chosen))};
	struct error *error = repair_batch(repair, table, &batch, dry_run);

	free(batch.now);
	free(batch.source_row);
	free(batch.target);
	free(batch.target_alive);
	free(batch.chosen);
	if (error == NULL || repair->halted || pg_is_broken(repair->writer) || pg_is_broken(repair->comparison->fence))
		return error;
	if (repair->put_off != NULL && pg_is_refused_by_rows(error)) {
		for (size_t i = 0; i < count; i++)
			repair->put_off[repair->put_off_count++] = rows[i];
		error_free(error);
		return NULL;
	}
	if (count > 1 && error->class != ERROR_TRANSIENT) { /* one row that is refused shall not keep the others */
		error_free(error);
		TRY(repair_run(repair, table, rows, count / 2, dry_run));
		return repair_run(repair, table, rows + count / 2, count - count / 2, dry_run);
	}
	table->repair.left += (int64_t)count;
	if (table->repair.problem == NULL)
		table->repair.problem = arena_format(repair->comparison->arena, "%s", error->message);
	error_free(error);
	return NULL;
}

/* Of the rows' texts; a row that the source has no longer has none. */
static struct error *read_sizes(struct repair *repair, const struct check_table *table,
                                const struct check_row *const *rows, size_t count)
{
	struct buffer sql = {0};
	struct pg_result *result = NULL;
	struct error *error;

	repair_append_sizes_sql(&sql, table, &repair->comparison->options);
	error = query_rows(repair->comparison->fence, table, sql.data, rows, count, &result);
	buffer_free(&sql);
	for (size_t i = 0; error == NULL && i < pg_result_rows(result); i++)
		repair->sizes[rows[pg_result_integer(result, i, 0) - 1] - table->rows] =
		    pg_result_integer(result, i, 1);
	pg_result_free(result);
	return error;
}

/* A value may be much larger than what the table keeps of it, so the server is asked. No lock is held meanwhile. */
static struct error *measure_rows(struct repair *repair, const struct check_table *table,
                                  const struct check_row *const *rows, size_t count)
{
	size_t most = table->key != NULL ? BATCH_KEYED : count;
	struct error *error = NULL;

	for (size_t i = 0; error == NULL && i < count && !signals_stop_requested(); i += most)
		error = read_sizes(repair, table, rows + i, count - i < most ? count - i : most);
	return error;
}

/* How many of the last rows of a list go into a batch: at least one. */
static size_t choose_batch(const struct repair *repair, const struct check_table *table,
                           const struct check_row *const *rows, size_t count, struct limits limits)
{
	int64_t bytes = 0;
	size_t taken = 0;

	while (taken < count && taken < limits.rows) {
		bytes += repair->sizes[rows[count - taken - 1] - table->rows];
		if (taken > 0 && bytes > limits.bytes)
			break;
		taken++;
	}
	return taken;
}

/* In the order of the comparison's list. */
static int by_place(const void *a, const void *b)
{
	const struct check_row *first = *(const struct check_row *const *)a;
	const struct check_row *second = *(const struct check_row *const *)b;

	return (first > second) - (first < second);
}

/* From the last row on: values that were shifted upwards are free there first. */
static struct error *repair_list(struct repair *repair, struct check_table *table, const struct check_row *const *rows,
                                 size_t count, struct limits limits, bool dry_run)
{
	struct error *error = NULL;

	while (error == NULL && count > 0 && !signals_stop_requested()) {
		size_t part = choose_batch(repair, table, rows, count, limits);

		count -= part;
		error = repair_run(repair, table, rows + count, part, dry_run);
	}
	return error;
}

/* The rows that were put off: together, as often as that helps; then those that stay refused are found one by one. */
static struct error *repair_put_off(struct repair *repair, struct check_table *table, const struct check_row **rows,
                                    struct limits limits)
{
	const struct check_row **put_off = repair->put_off;
	const struct limits together = {BATCH_TOGETHER, BATCH_TOGETHER_BYTES};
	size_t before = SIZE_MAX, count;
	struct error *error = NULL;

	while (error == NULL && repair->put_off_count > 0 && !signals_stop_requested()) {
		count = repair->put_off_count;
		memcpy(rows, put_off, count * sizeof(*rows));
		qsort(rows, count, sizeof(*rows), by_place);
		if (count == before)
			repair->put_off = NULL;
		before = count;
		repair->put_off_count = 0;
		error = repair_list(repair, table, rows, count, repair->put_off != NULL ? together : limits, false);
		if (repair->put_off == NULL)
			break;
	}
	repair->put_off = put_off;
	return error;
}

static void leave_rows(struct check_table *table, const char *reason)
{
	for (size_t i = 0; i < table->row_count; i++)
		table->repair.left += table->rows[i].state == ROW_LASTING;
	table->repair.problem = reason;
}

/*
 * Rows that wait in the quarantine are not in the target: written here, too, they would be there twice after a retry.
 * Set aside are only transactions that the stream has passed, and it had passed the last look's position: what is set
 * aside from now on changes rows after that look, and these are left.
 */
static struct error *find_refusal(struct repair *repair, struct check_table *table, const char **refusal)
{
	struct comparison *comparison = repair->comparison;

	*refusal = table->refusal != NULL ? table->refusal : proof_refuse_table(comparison, table);
	TRY(suspects_count_quarantined(repair->writer, comparison->config, table));
	if (table->quarantined > 0)
		*refusal =
		    arena_format(comparison->arena,
		                 "%" PRId64 " transactions with changes of it wait in the quarantine: `replicator "
		                 "quarantine retry`, or `skip`, comes first",
		                 table->quarantined);
	return NULL;
}

/* False when the table is left as it is. */
static struct error *may_repair(struct repair *repair, struct check_table *table, bool *may)
{
	const char *refusal = NULL;

	TRY(find_refusal(repair, table, &refusal));
	*may = refusal == NULL;
	if (*may)
		return NULL;
	leave_rows(table, refusal);
	return NULL;
}

/* A column GENERATED ALWAYS AS IDENTITY that an UPDATE would have to write. */
static const char *unwritable_identity(const struct check_table *table)
{
	for (size_t i = 0; i < table->column_count; i++) {
		const struct column_image *column = table->columns[i].sides[SIDE_TARGET];
		bool in_key = false;

		for (size_t k = 0; table->key != NULL && k < table->key->column_count; k++)
			in_key = in_key || check_key_column(table, k) == &table->columns[i];
		if (column->identity == 'a' && !in_key && table->key != NULL)
			return column->name;
	}
	return NULL;
}

/* A delete and an insert of a row must have no other effect than an update of it. */
static struct error *may_replace(const struct repair *repair, const struct check_table *table, bool *may)
{
	char *oid = memory_format("%" PRIu32, table->images[SIDE_TARGET]->oid);
	const char *const parameters[1] = {oid};
	int64_t actions = 0;
	struct error *error = pg_query_integer(repair->writer,
	                                       "SELECT count(*) FROM pg_constraint WHERE confrelid = $1::oid AND"
	                                       " contype = 'f' AND confdeltype NOT IN ('a', 'r')",
	                                       1, parameters, 0, &actions);

	*may = repair->replica || (actions == 0 && !table->images[SIDE_TARGET]->fires_for_origin);
	free(oid);
	return error;
}

static struct error *choose_way(struct repair *repair, struct check_table *table, bool dry_run)
{
	const char *identity = unwritable_identity(table);

	repair->replace = false;
	if (identity == NULL || dry_run)
		return NULL;
	TRY(may_replace(repair, table, &repair->replace));
	if (!repair->replace)
		table->repair.problem = arena_format(
		    repair->comparison->arena,
		    "column %s is GENERATED ALWAYS AS IDENTITY: it is changed by a delete and an insert, which would "
		    "fire "
		    "triggers or actions of foreign keys; GRANT SET ON PARAMETER session_replication_role to the role",
		    identity);
	return NULL;
}

static void leave_null_keys(struct check_table *table, struct arena *arena)
{
	if (!table->null_keys.lasting)
		return;
	table->repair.left += table->null_keys.rows;
	table->repair.problem =
	    arena_format(arena,
	                 "rows with NULL in a column of the key (%s) are not repaired: delete them in the target",
	                 table->null_keys.columns);
}

/* Rows that cannot be measured because of a lock, or of a change of the table, are left. */
static struct error *leave_unmeasured(struct repair *repair, struct check_table *table, struct error *error)
{
	if (pg_is_broken(repair->comparison->fence))
		return error;
	leave_rows(table, arena_format(repair->comparison->arena, "%s", error->message));
	error_free(error);
	return NULL;
}

static struct error *repair_rows(struct repair *repair, struct check_table *table, bool dry_run)
{
	const struct limits limits = {table->key != NULL ? BATCH_KEYED : BATCH_UNKEYED, BATCH_BYTES};
	const struct check_row **rows = memory_alloc(table->row_count * sizeof(*rows));
	struct error *error;
	size_t count = 0;

	repair->put_off = memory_alloc(table->row_count * sizeof(*repair->put_off));
	repair->sizes = memory_alloc(table->row_count * sizeof(*repair->sizes));
	for (size_t i = 0; i < table->row_count; i++)
		if (table->rows[i].state == ROW_LASTING)
			rows[count++] = &table->rows[i];
	error = measure_rows(repair, table, rows, count);
	if (error != NULL) {
		error = leave_unmeasured(repair, table, error);
	} else {
		error = repair_list(repair, table, rows, count, limits, dry_run);
		if (error == NULL)
			error = repair_put_off(repair, table, rows, limits);
	}
	free(repair->put_off);
	repair->put_off = NULL;
	repair->put_off_count = 0;
	free(repair->sizes);
	repair->sizes = NULL;
	free(rows);
	return error;
}

static struct error *repair_table(struct repair *repair, struct check_table *table, bool dry_run)
{
	bool may = false;

	if (!dry_run)
		TRY(repair_scrub_log(repair->writer, &repair->names, table));
	leave_null_keys(table, repair->comparison->arena);
	if (table->row_count == 0 || table->repair.stalled)
		return NULL;
	TRY(may_repair(repair, table, &may));
	if (!may)
		return NULL;
	TRY(choose_way(repair, table, dry_run));
	return repair_rows(repair, table, dry_run);
}

struct error *repair_tables(struct comparison *comparison, struct check_tables *tables, bool dry_run)
{
	const struct config *config = comparison->config;
	struct repair repair = {.comparison = comparison,
	                        .names = {.state_schema = config->target.schema,
	                                  .stream = config->stream.name,
	                                  .options = comparison->options,
	                                  .synced_at = config->target.synced_at,
	                                  .is_deleted = config->target.is_deleted,
	                                  .deleted_at = config->target.deleted_at}};
	struct error *error = error_wrap(pg_connect(config->target.dsn, "check_target", &repair.writer), "target.dsn");

	if (error == NULL)
		error = catalog_may_set_replication_role(repair.writer, &repair.replica);
	for (size_t i = 0; error == NULL && i < tables->count && !signals_stop_requested(); i++)
		error = repair_table(&repair, &tables->tables[i], dry_run);
	pg_disconnect(repair.writer);
	return error;
}
