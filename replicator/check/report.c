/* report.c - see the header. */
#include "check/report.h"

#include "base/lsn.h"
#include "check/grid.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#define NAME_MOST ((size_t)60)

static size_t count_of(const struct check_tables *tables, enum verdict verdict)
{
	size_t count = 0;

	for (size_t i = 0; i < tables->count; i++)
		count += tables->tables[i].verdict == verdict;
	return count;
}

enum exit_code report_exit_code(const struct report *report)
{
	if (count_of(report->tables, VERDICT_DIFFERENT) > 0)
		return EXIT_DIFFERENT;
	return count_of(report->tables, VERDICT_IN_SYNC) == report->tables->count ? EXIT_OK : EXIT_UNCHECKED;
}

static const char *verdict_name(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_IN_SYNC:
		return "in sync";
	case VERDICT_DIFFERENT:
		return "DIFFERENT";
	default:
		return "not checked";
	}
}

/* -1: not known, the side could not be read or has no such table. */
static int64_t rows_of(const struct check_table *table, enum side which)
{
	const struct check_side *side = &table->sides[which];
	int64_t rows = 0;

	if (side->buckets == NULL || side->error != NULL)
		return -1;
	for (size_t i = 0; i < table->bucket_count; i++)
		rows += side->buckets[i].rows;
	return rows;
}

/* The sides are read at the same time. */
static double seconds_of(const struct check_table *table)
{
	int64_t source = table->sides[SIDE_SOURCE].read_us, target = table->sides[SIDE_TARGET].read_us;

	return (double)(source > target ? source : target) / 1e6;
}

static void add_rows(struct grid *grid, struct arena *arena, int64_t rows)
{
	grid_add(grid, rows < 0 ? "?" : arena_format(arena, "%" PRId64, rows), NAME_MOST);
}

static void print_tables(const struct check_tables *tables, struct arena *arena, FILE *out)
{
	static const char *const headers[] = {"table", "source rows", "target rows", "verdict", "seconds"};
	struct grid *grid = grid_new(arena, 5);

	for (size_t i = 0; i < 5; i++)
		grid_add(grid, headers[i], NAME_MOST);
	grid_align_right(grid, 1);
	grid_align_right(grid, 2);
	grid_align_right(grid, 4);
	for (size_t i = 0; i < tables->count; i++) {
		const struct check_table *table = &tables->tables[i];

		grid_add(grid, table->label, NAME_MOST);
		add_rows(grid, arena, rows_of(table, SIDE_SOURCE));
		add_rows(grid, arena, rows_of(table, SIDE_TARGET));
		grid_add(grid, verdict_name(table->verdict), NAME_MOST);
		grid_add(grid, arena_format(arena, "%.2f", seconds_of(table)), NAME_MOST);
	}
	grid_print(grid, out);
}

static void print_reasons(const struct check_tables *tables, FILE *out)
{
	for (size_t i = 0; i < tables->count; i++)
		if (tables->tables[i].reason != NULL)
			fprintf(out, "%s: %s\n", tables->tables[i].label, tables->tables[i].reason);
	if (tables->uncaptured != NULL)
		fprintf(out, "note: published by the source, but without a table in the target: %s\n",
		        tables->uncaptured);
}

/* Why differences may come from a stream that has not caught up. */
static void print_stream(const struct report *report, FILE *out)
{
	const struct watermark *watermark = &report->watermark;
	char lsn[LSN_TEXT_SIZE], source_lsn[LSN_TEXT_SIZE];

	if (!watermark->known) {
		fprintf(out, "note: the target keeps no state of stream %s: whether it has caught up is not known\n",
		        report->comparison->config->stream.name);
		return;
	}
	lsn_format(watermark->lsn, lsn);
	lsn_format(report->comparison->source_lsn, source_lsn);
	if (watermark_is_stopped(watermark))
		fprintf(out, "note: the stream is %s at %s (source: %s)%s%s\n", watermark->state, lsn, source_lsn,
		        watermark->error[0] != '\0' ? ": " : "", watermark->error);
	else if (!report->comparison->passed && report_exit_code(report) != EXIT_OK)
		fprintf(
		    out,
		    "note: the stream did not pass the source's position %s in time; it is at %s, last applied %s. Is "
		    "`replicator run` running, and the connector?\n",
		    source_lsn, lsn, watermark->applied_at[0] != '\0' ? watermark->applied_at : "never");
}

void report_print(const struct report *report, struct arena *arena, FILE *out)
{
	const struct check_tables *tables = report->tables;

	print_tables(tables, arena, out);
	fprintf(out, "\n%zu table%s: %zu in sync, %zu different, %zu not checked; %d look%s, %.1f s\n", tables->count,
	        tables->count == 1 ? "" : "s", count_of(tables, VERDICT_IN_SYNC), count_of(tables, VERDICT_DIFFERENT),
	        count_of(tables, VERDICT_UNCHECKED), report->comparison->looks,
	        report->comparison->looks == 1 ? "" : "s", (double)report->elapsed_us / 1e6);
	print_reasons(tables, out);
	if (report_exit_code(report) != EXIT_OK)
		print_stream(report, out);
}

static json_t *rows_json(int64_t rows)
{
	return rows < 0 ? json_null() : json_integer(rows);
}

static json_t *table_json(const struct check_table *table)
{
	static const char *const verdicts[] = {"pending", "in_sync", "different", "not_checked"};

	return json_pack("{s:s, s:s, s:o, s:o, s:s, s:s?, s:f}", "schema", table->schema, "table", table->name,
	                 "source_rows", rows_json(rows_of(table, SIDE_SOURCE)), "target_rows",
	                 rows_json(rows_of(table, SIDE_TARGET)), "verdict", verdicts[table->verdict], "reason",
	                 table->reason, "seconds", seconds_of(table));
}

static json_t *stream_json(const struct report *report)
{
	const struct watermark *watermark = &report->watermark;
	char lsn[LSN_TEXT_SIZE], source_lsn[LSN_TEXT_SIZE];

	lsn_format(watermark->lsn, lsn);
	lsn_format(report->comparison->source_lsn, source_lsn);
	if (!watermark->known)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "name", report->comparison->config->stream.name, "state",
	                 watermark->state, "error", watermark->error, "last_commit_lsn", lsn, "source_lsn", source_lsn,
	                 "passed", report->comparison->passed);
}

struct error *report_print_json(const struct report *report, FILE *out)
{
	static const char *const verdicts[] = {"in_sync", "different", "not_checked"};
	json_t *tables = json_array();
	json_t *root;
	int failed;

	for (size_t i = 0; i < report->tables->count; i++)
		json_array_append_new(tables, table_json(&report->tables->tables[i]));
	root = json_pack("{s:s, s:i, s:f, s:o, s:o, s:s?}", "verdict", verdicts[report_exit_code(report)], "looks",
	                 report->comparison->looks, "seconds", (double)report->elapsed_us / 1e6, "tables", tables,
	                 "stream", stream_json(report), "uncaptured", report->tables->uncaptured);
	failed = root == NULL || json_dumpf(root, out, JSON_INDENT(2)) != 0;
	json_decref(root);
	if (failed)
		return error_new(ERROR_SYSTEM,
		                 "the report could not be written as JSON (a name that is not UTF-8, or no "
		                 "space)");
	fputc('\n', out);
	return NULL;
}
