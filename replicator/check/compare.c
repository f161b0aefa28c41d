/*
 * compare.c - see the header.
 *
 * NOTES
 *   A look: a snapshot of the source and its position, the stream's watermark passes that, then a snapshot of the
 *   target. The target is then at the source's snapshot or a little later, never before. The first look compares
 *   digests of buckets of rows, then lists the rows of the unequal buckets. What is equal here is proved: the target
 *   had the source's rows of that snapshot.
 *
 *   What is unequal may have changed at the source after its snapshot. Those rows are looked at again, by their keys,
 *   in new looks. Between the snapshots of two looks lies the target's: when a row's version (xmin) at the source is
 *   the same in both, the target had nothing else to show in between, and what it showed was wrong. Two such findings
 *   in a row, and the row differs for good. When the target shows what the source showed in any of the last looks, the
 *   row is settled. A row that the source changes without pause is settled by luck, sooner or later; else, after the
 *   time is over, it is said that it could not be compared.
 *
 *   The same needs that the target's snapshot is not later than the source's next one: a source that is a standby may be
 *   behind what the stream has applied. So before each look the source's position must have reached the watermark.
 *
 *   Where the stream says that it is stopped, or the target has no state of it, nothing is waited for, and the second
 *   look decides.
 *
 *   While a snapshot of the connector is open the target may lack rows and have old ones: its end is waited for like the
 *   stream's position, and without it nothing is called different. What is equal is equal all the same.
 */
#include "check/compare.h"

#include "base/clock.h"
#include "base/lsn.h"
#include "base/memory.h"
#include "base/signals.h"
#include "check/rows.h"
#include "check/watermark.h"
#include "pg/catalog_version.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_WAIT_US ((int64_t)5 * 1000000)
#define PAUSE_FIRST_MS 5
#define PAUSE_MOST_MS 200
#define SOURCE_POLL_MS 20
#define UNORDERED_PAUSE_US ((int64_t)1000000) /* between looks that nothing is waited for at */
#define STRIKES_LIVE 2
#define STRIKES_AT_REST 1

/* A repair reads rows through it while a table of the target is locked: the stream waits for as long as that takes. */
static const char FENCE_SETTINGS[] = "SET lock_timeout = '2s'";

static struct error *is_utf8(struct pg_connection *connection, bool *utf8)
{
	struct pg_result *result = NULL;

	TRY(pg_query(connection, "SHOW server_encoding", 0, NULL, &result));
	*utf8 = strcmp(pg_result_text(result, 0, 0), "UTF8") == 0;
	pg_result_free(result);
	return NULL;
}

/* For the masks that the source computes; as a setting, so that it stands in no statement. */
static struct error *set_salt(struct comparison *comparison)
{
	const char *const parameters[1] = {comparison->config->masking.salt};
	const char *sql = "SELECT set_config('" EXPRESSION_SALT "', $1, false)";
	const struct session *source = &comparison->sides[SIDE_SOURCE];

	if (parameters[0] == NULL)
		return NULL;
	for (size_t i = 0; i < source->count; i++)
		TRY(pg_query(source->connections[i], sql, 1, parameters, NULL));
	return pg_query(comparison->fence, sql, 1, parameters, NULL);
}

struct error *comparison_connect(struct comparison *comparison)
{
	const struct config *config = comparison->config;
	bool source_utf8 = true, target_utf8 = true;

	TRY(session_connect(&comparison->sides[SIDE_SOURCE], config->source.dsn, "source.dsn", comparison->jobs));
	TRY(session_connect(&comparison->sides[SIDE_TARGET], config->target.dsn, "target.dsn", comparison->jobs));
	TRY(error_wrap(pg_connect(config->source.dsn, "check_target", &comparison->fence), "source.dsn"));
	TRY(pg_execute(comparison->fence, FENCE_SETTINGS));
	TRY(error_wrap(pg_connect(config->target.dsn, "check_target", &comparison->watch), "target.dsn"));
	TRY(set_salt(comparison));
	TRY(is_utf8(comparison->fence, &source_utf8));
	TRY(is_utf8(comparison->watch, &target_utf8));
	comparison->options =
	    (struct expression_options){config->target.is_deleted, .encode = !source_utf8 || !target_utf8};
	TRY(source_token_new(comparison->watch, &comparison->token));
	TRY(source_identity_ask(comparison->fence, &comparison->token.identity, &comparison->standby));
	return captured_columns_read(config, comparison->fence, comparison->arena, &comparison->captured);
}

void comparison_disconnect(struct comparison *comparison)
{
	session_disconnect(&comparison->sides[SIDE_SOURCE]);
	session_disconnect(&comparison->sides[SIDE_TARGET]);
	pg_disconnect(comparison->fence);
	pg_disconnect(comparison->watch);
	comparison->fence = comparison->watch = NULL;
}

bool comparison_is_trusted(const struct comparison *comparison)
{
	return comparison->at_rest ||
	       ((comparison->passed || comparison->stopped) && !comparison->in_snapshot && !comparison->behind);
}

/*
 * Waits until the server that the snapshot is going to be taken of has reached the stream's watermark, which is the end
 * of a commit record.
 */
static struct error *await_source(struct comparison *comparison, int64_t wait_us)
{
	struct pg_connection *source = comparison->sides[SIDE_SOURCE].connections[0];
	int64_t deadline = clock_monotonic_us() + wait_us;
	struct watermark watermark;
	uint64_t position = 0;

	TRY(watermark_read(comparison->watch, comparison->config, comparison->arena, &watermark));
	comparison->known = watermark.known;
	for (;;) {
		TRY(watermark_read_position(source, &position));
		comparison->behind = watermark.known && position < watermark.lsn;
		if (!comparison->behind || comparison->at_rest || signals_stop_requested() ||
		    clock_monotonic_us() >= deadline)
			return NULL;
		clock_sleep_ms(SOURCE_POLL_MS);
	}
}

/* The position is read after the snapshot was taken, of the same server: nothing in the snapshot is after it. */
static struct error *read_position(struct comparison *comparison)
{
	TRY(watermark_read_position(comparison->sides[SIDE_SOURCE].connections[0], &comparison->source_lsn));
	if (comparison->began_lsn == 0)
		comparison->began_lsn = comparison->source_lsn;
	return NULL;
}

/* Nothing shows when the stream has passed the snapshot: only time may make the sides equal. */
static void pause_unordered(const struct comparison *comparison, int64_t deadline)
{
	int64_t until = clock_monotonic_us() + UNORDERED_PAUSE_US;

	while (comparison->unordered && !comparison->stopped && !signals_stop_requested() &&
	       clock_monotonic_us() < (until < deadline ? until : deadline))
		clock_sleep_ms(SOURCE_POLL_MS);
}

static struct error *await_stream(struct comparison *comparison, int64_t wait_us)
{
	int64_t deadline = clock_monotonic_us() + wait_us;
	struct buffer text = {0};
	struct fence_pushes fences = {.interval_us = FENCE_INTERVAL_US};
	struct watermark watermark;
	struct error *error;

	comparison->passed = false;
	if (comparison->at_rest)
		return NULL;
	source_token_append(&text, &comparison->token);
	comparison->fenced = !comparison->standby && watermark_push_fence(comparison->fence, text.data);
	fences.source = comparison->fenced ? comparison->fence : NULL;
	fences.text = text.data;
	error = watermark_await(comparison->watch, fences, comparison->config, comparison->source_lsn, wait_us,
	                        comparison->arena, &comparison->passed);
	if (error == NULL)
		error = watermark_await_snapshot(comparison->watch, fences, comparison->config,
		                                 deadline - clock_monotonic_us(), comparison->arena, &watermark);
	buffer_free(&text);
	TRY(error);
	comparison->unordered = watermark.unordered;
	comparison->stopped = !watermark.known || watermark_is_stopped(&watermark);
	comparison->in_snapshot = watermark.snapshot_open;
	pause_unordered(comparison, deadline);
	return NULL;
}

struct error *comparison_begin_look(struct comparison *comparison, int64_t wait_us)
{
	int64_t deadline = clock_monotonic_us() + (wait_us > 0 ? wait_us : 0);

	comparison->looks++;
	TRY(await_source(comparison, deadline - clock_monotonic_us()));
	TRY(session_begin(&comparison->sides[SIDE_SOURCE]));
	TRY(read_position(comparison));
	TRY(await_stream(comparison, deadline - clock_monotonic_us()));
	return session_begin(&comparison->sides[SIDE_TARGET]);
}

void comparison_end_look(struct comparison *comparison)
{
	session_end(&comparison->sides[SIDE_SOURCE]);
	session_end(&comparison->sides[SIDE_TARGET]);
}

/* Such a row cannot have come from the source; a rule may keep rows that the source has not. */
static void judge_null_keys(struct check_tables *tables, bool trusted)
{
	for (size_t i = 0; i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];

		if (table->verdict != VERDICT_PENDING || !table->null_keys.open)
			continue;
		if (check_keeps_rows(table))
			table->null_keys.open = false;
		table->null_keys.lasting = trusted && table->null_keys.open;
	}
}

/* Digests, and the rows of the unequal buckets when the stream has passed the snapshot. */
static struct error *look_at_buckets(struct comparison *comparison, struct check_tables *tables, int64_t wait_us)
{
	const struct scan scan = {.sessions = {&comparison->sides[SIDE_SOURCE], &comparison->sides[SIDE_TARGET]},
	                          .max_rate = comparison->max_rate,
	                          .options = comparison->options,
	                          .progress = &comparison->progress,
	                          .arena = comparison->arena};
	struct error *error = comparison_begin_look(comparison, wait_us);

	if (error == NULL)
		error = rows_scan_buckets(&scan, tables);
	if (error == NULL && comparison_is_trusted(comparison) && !signals_stop_requested())
		error = rows_narrow(&scan, tables, comparison->arena);
	if (error == NULL)
		judge_null_keys(tables, comparison_is_trusted(comparison));
	comparison_end_look(comparison);
	return error;
}

static bool was_seen(const struct check_row *row, uint64_t token)
{
	unsigned count = row->seen_count < ROW_SEEN_MOST ? row->seen_count : ROW_SEEN_MOST;

	for (unsigned i = 0; i < count; i++)
		if (row->seen[i] == token)
			return true;
	return false;
}

static bool is_same(struct row_look before, struct row_look now)
{
	return before.token == now.token && before.version == now.version;
}

/*
 * What the target showed between the two looks was wrong. A row that the source lacks, and the number of equal rows without a
 * key, may have been the same in both looks and another in between: then the stream wrote the target's rows again.
 */
static bool is_proof(const struct check_table *table, const struct check_row *row, struct row_look source,
                     struct row_look target)
{
	if (!is_same(row->source, source))
		return false;
	return (table->key != NULL && source.token != 0) || is_same(row->target, target);
}

/* True when the row is settled: the target shows what the source showed. */
static bool judge_row(const struct comparison *comparison, const struct check_table *table, struct check_row *row,
                      struct row_look source, struct row_look target)
{
	bool still = is_proof(table, row, source, target);
	unsigned needed = comparison->passed ? STRIKES_LIVE : STRIKES_AT_REST;

	row->source = source;
	row->target = target;
	row->seen[row->seen_count++ % ROW_SEEN_MOST] = source.token;
	if (was_seen(row, target.token))
		return true;
	if (check_keeps_rows(table) && check_row_fault(table, row) == FAULT_EXTRA)
		return true;
	row->strikes = still && comparison_is_trusted(comparison) ? row->strikes + 1 : 0;
	if (row->strikes >= needed)
		row->state = ROW_LASTING;
	return false;
}

static void judge_rows(const struct comparison *comparison, struct check_table *table, const struct row_look *source,
                       const struct row_look *target)
{
	size_t kept = 0;

	for (size_t i = 0; i < table->row_count; i++) {
		struct check_row row = table->rows[i];

		if (row.state != ROW_OPEN || !judge_row(comparison, table, &row, source[i], target[i]))
			table->rows[kept++] = row;
	}
	table->row_count = kept;
}

static bool has_open_rows(const struct check_table *table)
{
	for (size_t i = 0; i < table->row_count; i++)
		if (table->rows[i].state == ROW_OPEN)
			return true;
	return false;
}

static struct error *look_at_table(struct comparison *comparison, struct check_table *table)
{
	struct row_look *looks[2];
	struct error *error = NULL;

	for (int side = 0; side < 2; side++) {
		struct pg_connection *connection = comparison->sides[side].connections[0];

		looks[side] = memory_alloc((table->row_count + 1) * sizeof(**looks));
		if (error != NULL || table->sides[side].error != NULL)
			continue;
		error = rows_look(connection, table, (enum side)side, &comparison->options, looks[side]);
		if (error != NULL && !pg_is_broken(connection)) { /* dropped or locked meanwhile */
			table->sides[side].error = error;
			error = NULL;
		}
	}
	if (error == NULL && table->sides[0].error == NULL && table->sides[1].error == NULL)
		judge_rows(comparison, table, looks[SIDE_SOURCE], looks[SIDE_TARGET]);
	free(looks[SIDE_SOURCE]);
	free(looks[SIDE_TARGET]);
	return error;
}

static struct error *look_at_rows(struct comparison *comparison, struct check_tables *tables, int64_t wait_us,
                                  bool *open)
{
	struct error *error = comparison_begin_look(comparison, wait_us);

	*open = false;
	for (size_t i = 0; error == NULL && i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];

		if (!has_open_rows(table) || table->sides[0].error != NULL || table->sides[1].error != NULL)
			continue;
		error = look_at_table(comparison, table);
		*open = *open || has_open_rows(table);
	}
	comparison_end_look(comparison);
	return error;
}

/* Looks at the open rows until none is left or the time is over. */
static struct error *settle_rows(struct comparison *comparison, struct check_tables *tables, int64_t deadline)
{
	int pause_ms = PAUSE_FIRST_MS;
	bool open = false;

	for (size_t i = 0; i < tables->count; i++)
		open = open || has_open_rows(&tables->tables[i]);
	progress_note(&comparison->progress, "looking again at rows that differed");
	while (open && !signals_stop_requested()) {
		TRY(look_at_rows(comparison, tables, deadline - clock_monotonic_us(), &open));
		if (clock_monotonic_us() >= deadline)
			break;
		clock_sleep_ms(pause_ms);
		pause_ms = pause_ms * 2 < PAUSE_MOST_MS ? pause_ms * 2 : PAUSE_MOST_MS;
	}
	progress_clear(&comparison->progress);
	return NULL;
}

static void judge_unread(struct check_table *table, struct arena *arena)
{
	const struct error *error = table->sides[SIDE_SOURCE].error;

	if (error == NULL)
		error = table->sides[SIDE_TARGET].error;
	table->verdict = VERDICT_UNCHECKED;
	table->reason = arena_format(arena, "%s", error->message);
}

static int64_t count_lasting(const struct check_table *table)
{
	return check_count_rows(table, ROW_LASTING, FAULT_DIFFERENT) +
	       check_count_rows(table, ROW_LASTING, FAULT_MISSING) + check_count_rows(table, ROW_LASTING, FAULT_EXTRA);
}

/* False when another look at the buckets is needed. */
static bool judge_table(struct check_table *table)
{
	bool lasting = count_lasting(table) > 0, equal = !table->null_keys.open;

	if (equal && (table->open_count == 0 || (table->narrowed && table->row_count == 0)))
		table->verdict = table->schema_difference_count > 0 ? VERDICT_DIFFERENT : VERDICT_IN_SYNC;
	else if (lasting && !has_open_rows(table))
		table->verdict = VERDICT_DIFFERENT;
	else
		return false;
	return true;
}

/* How often a row must have been looked at: that of the narrowing, and those that may prove the difference. */
static unsigned looks_needed(const struct comparison *comparison)
{
	return 1 + (comparison->passed ? STRIKES_LIVE : STRIKES_AT_REST);
}

/* Rows without a verdict, because their values changed or because the looks took so long that there were too few of them. */
static const char *explain_open_rows(const struct comparison *comparison, const struct check_table *table)
{
	size_t seldom = 0, open = 0;

	for (size_t i = 0; i < table->row_count; i++) {
		const struct check_row *row = &table->rows[i];

		open += row->state == ROW_OPEN;
		seldom += row->state == ROW_OPEN && row->seen_count < looks_needed(comparison);
	}
	if (seldom > 0)
		return arena_format(comparison->arena,
		                    "%zu rows differ at the last look and were looked at less than %u times, which a "
		                    "verdict takes: the time was too short for these rows (--timeout)",
		                    seldom, looks_needed(comparison));
	return arena_format(comparison->arena, "%zu rows changed at each look and could not be compared in time", open);
}

/* The time is over, or a signal came. */
static void judge_rest(const struct comparison *comparison, struct check_table *table)
{
	struct arena *arena = comparison->arena;

	table->verdict = VERDICT_UNCHECKED;
	if (count_lasting(table) > 0 || table->schema_difference_count > 0)
		table->verdict = VERDICT_DIFFERENT;
	if (comparison->interrupted)
		table->reason = "interrupted before it was compared";
	else if (comparison->in_snapshot)
		table->reason = arena_format(arena,
		                             "%zu of %zu parts differ, and a snapshot of the connector is being read: "
		                             "whether they differ for good shows when it has ended",
		                             table->open_count, table->bucket_count);
	else if (!comparison_is_trusted(comparison) && comparison->behind)
		table->reason =
		    arena_format(arena,
		                 "%zu of %zu parts differ, and the source has not reached the stream's position: "
		                 "whether they differ for good is not known",
		                 table->open_count, table->bucket_count);
	else if (!comparison_is_trusted(comparison) && comparison->unordered)
		table->reason =
		    arena_format(arena,
		                 "%zu of %zu parts differ, and the stream has no watermark (transactions = \"off\"): "
		                 "whether they differ for good is not known; stop the stream and use --at-rest",
		                 table->open_count, table->bucket_count);
	else if (!comparison_is_trusted(comparison))
		table->reason =
		    arena_format(arena,
		                 "%zu of %zu parts differ, and the stream did not pass the source's snapshot in "
		                 "time: whether they differ for good is not known",
		                 table->open_count, table->bucket_count);
	else if (table->row_count > 0)
		table->reason = explain_open_rows(comparison, table);
	else
		table->reason = "more rows kept changing than could be looked at in time";
}

static size_t judge_tables(const struct comparison *comparison, struct check_tables *tables, bool last)
{
	size_t pending = 0;

	for (size_t i = 0; i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];

		if (table->verdict != VERDICT_PENDING)
			continue;
		if (table->sides[SIDE_SOURCE].error != NULL || table->sides[SIDE_TARGET].error != NULL)
			judge_unread(table, comparison->arena);
		else if (table->sides[SIDE_SOURCE].pieces_open > 0 || table->sides[SIDE_TARGET].pieces_open > 0)
			judge_rest(comparison, table);
		else if (!judge_table(table) && last)
			judge_rest(comparison, table);
		pending += table->verdict == VERDICT_PENDING;
	}
	return pending;
}

static bool is_judged(const struct check_table *table)
{
	return table->verdict != VERDICT_UNCHECKED && table->images[SIDE_TARGET] != NULL;
}

/* Mostly none has changed, which one question shows. */
static struct error *any_changed(const struct check_tables *tables, enum side side, struct pg_connection *connection,
                                 bool *changed)
{
	struct catalog_versions list = {0};
	struct error *error;

	for (size_t i = 0; i < tables->count; i++) {
		const struct check_table *table = &tables->tables[i];

		if (is_judged(table))
			catalog_versions_add(&list, table->images[side]->schema, table->images[side]->name,
			                     table->versions[side]);
	}
	error = catalog_versions_check(connection, &list, changed);
	catalog_versions_free(&list);
	return error;
}

/* A comparison of what a table was does not say what it is. */
static struct error *judge_definitions(struct comparison *comparison, struct check_tables *tables, enum side side,
                                       struct pg_connection *connection)
{
	bool changed;

	TRY(any_changed(tables, side, connection, &changed));
	for (size_t i = 0; changed && i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];
		struct error *error = is_judged(table) ? check_table_require(table, side, connection) : NULL;

		if (error == NULL)
			continue;
		if (error->class != ERROR_TARGET || pg_is_broken(connection))
			return error;
		table->verdict = VERDICT_UNCHECKED;
		table->reason = arena_format(comparison->arena, "%s", error->message);
		error_free(error);
	}
	return NULL;
}

struct error *compare_tables(struct comparison *comparison, struct check_tables *tables)
{
	int64_t wait_us = comparison->timeout_us < FIRST_WAIT_US ? comparison->timeout_us : FIRST_WAIT_US;
	int64_t deadline = 0;

	comparison->began_lsn = 0;
	for (;;) {
		bool last;

		TRY(look_at_buckets(comparison, tables, wait_us));
		if (deadline == 0)
			deadline = clock_monotonic_us() + comparison->timeout_us;
		TRY(settle_rows(comparison, tables, deadline));
		comparison->interrupted = signals_stop_requested();
		last = comparison->interrupted || clock_monotonic_us() >= deadline ||
		       (comparison->stopped && comparison->in_snapshot); /* no more of it comes */
		if (judge_tables(comparison, tables, last) == 0)
			break;
		wait_us = deadline - clock_monotonic_us();
	}
	TRY(judge_definitions(comparison, tables, SIDE_SOURCE, comparison->fence));
	return judge_definitions(comparison, tables, SIDE_TARGET, comparison->watch);
}
