/* report.c - the report for people; see the header. */
#include "check/report.h"

#include "base/lsn.h"
#include "check/grid.h"

#include <inttypes.h>
#include <stdlib.h>

#define NAME_MOST ((size_t)60)
#define KEY_MOST ((size_t)120)

size_t report_count(const struct check_tables *tables, enum verdict verdict)
{
	size_t count = 0;

	for (size_t i = 0; i < tables->count; i++)
		count += tables->tables[i].verdict == verdict;
	return count;
}

/* Rows or tables that a repair had to settle. */
static bool has_marks(const struct check_tables *tables)
{
	bool marks = false;

	for (size_t i = 0; i < tables->count; i++)
		marks = marks || tables->tables[i].suspect_count > 0 || tables->tables[i].unverified != NULL;
	return marks;
}

enum exit_code report_exit_code(const struct report *report)
{
	if (report_count(report->tables, VERDICT_DIFFERENT) > 0)
		return EXIT_DIFFERENT;
	if (report->kind == REPORT_REPAIRED && report->comparison->refusal != NULL && has_marks(report->tables))
		return EXIT_UNCHECKED;
	return report_count(report->tables, VERDICT_IN_SYNC) == report->tables->count ? EXIT_OK : EXIT_UNCHECKED;
}

const char *report_fault_name(enum row_fault fault)
{
	static const char *const names[] = {"different", "missing", "extra"};

	return names[fault];
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

/* The sides are read at the same time. */
double report_seconds(const struct check_table *table)
{
	int64_t source = table->sides[SIDE_SOURCE].read_us, target = table->sides[SIDE_TARGET].read_us;

	return (double)(source > target ? source : target) / 1e6;
}

static void add_rows(struct grid *grid, struct arena *arena, int64_t rows)
{
	grid_add(grid, rows < 0 ? "?" : arena_format(arena, "%" PRId64, rows), NAME_MOST);
}

static void add_faults(struct grid *grid, struct arena *arena, const struct check_table *table, enum row_fault fault)
{
	int64_t count = check_count_rows(table, ROW_LASTING, fault);

	/* Not all of the unequal parts were listed row by row. */
	grid_add(grid,
	         arena_format(arena, "%s%" PRId64, table->row_count > 0 && !table->narrowed && count > 0 ? "≥ " : "",
	                      count),
	         NAME_MOST);
}

static void print_tables(const struct check_tables *tables, struct arena *arena, FILE *out)
{
	static const char *const headers[] = {"table",   "source rows", "target rows", "parts",  "different",
	                                      "missing", "extra",       "verdict",     "seconds"};
	enum { COLUMNS = sizeof(headers) / sizeof(headers[0]), VERDICT = 7 };
	struct grid *grid = grid_new(arena, COLUMNS);

	for (size_t i = 0; i < COLUMNS; i++) {
		grid_add(grid, headers[i], NAME_MOST);
		if (i > 0 && i != VERDICT)
			grid_align_right(grid, i);
	}
	for (size_t i = 0; i < tables->count; i++) {
		const struct check_table *table = &tables->tables[i];

		grid_add(grid, table->label, NAME_MOST);
		add_rows(grid, arena, check_rows_of(table, SIDE_SOURCE));
		add_rows(grid, arena, check_rows_of(table, SIDE_TARGET));
		add_rows(grid, arena, (int64_t)table->bucket_count);
		add_faults(grid, arena, table, FAULT_DIFFERENT);
		add_faults(grid, arena, table, FAULT_MISSING);
		add_faults(grid, arena, table, FAULT_EXTRA);
		grid_add(grid, verdict_name(table->verdict), NAME_MOST);
		grid_add(grid, arena_format(arena, "%.2f", report_seconds(table)), NAME_MOST);
	}
	grid_print(grid, out);
}

static const char *key_text(const struct check_table *table, const struct check_row *row, struct arena *arena)
{
	const char *text = "";

	if (table->key == NULL)
		return "a row without key";
	for (size_t i = 0; i < table->key->column_count; i++)
		text =
		    arena_format(arena, "%s%s%s=%s", text, i > 0 ? ", " : "",
		                 table->images[SIDE_SOURCE]->columns[table->key->columns[i].index].name, row->key[i]);
	return text;
}

/* Keys may hold control characters: a grid's cell shows them as escapes. */
static void print_row(const struct check_table *table, const struct check_row *row, struct arena *arena, FILE *out)
{
	const char *detail = row->values != NULL ? row->values : row->columns != NULL ? row->columns : "";
	struct grid *grid = grid_new(arena, 1);

	grid_add(grid,
	         arena_format(arena, "  %s %s%s%s", report_fault_name(check_row_fault(table, row)),
	                      key_text(table, row, arena), detail[0] != '\0' ? ": " : "", detail),
	         row->values != NULL ? KEY_MOST * 20 : KEY_MOST);
	grid_print_plain(grid, out);
}

static void print_rows(const struct report *report, const struct check_table *table, struct arena *arena, FILE *out)
{
	size_t shown = 0, lasting = 0;

	for (size_t i = 0; i < table->row_count; i++)
		lasting += table->rows[i].state == ROW_LASTING;
	if (lasting == 0)
		return;
	fprintf(out, "%s:\n", table->label);
	for (size_t i = 0; i < table->row_count && shown < report->limit; i++)
		if (table->rows[i].state == ROW_LASTING) {
			print_row(table, &table->rows[i], arena, out);
			shown++;
		}
	if (lasting > shown)
		fprintf(out, "  … and %zu more (--limit)\n", lasting - shown);
}

static void print_suspects(const struct report *report, const struct check_table *table, struct arena *arena, FILE *out)
{
	if (table->suspect_count == 0)
		return;
	fprintf(out, "%s: suspect, the connector lost values of these rows (--repair fetches them):\n", table->label);
	for (size_t i = 0; i < table->suspect_count && i < report->limit; i++) {
		struct grid *grid = grid_new(arena, 1);

		grid_add(grid, arena_format(arena, "  suspect %s", table->suspects[i]), KEY_MOST);
		grid_print_plain(grid, out);
	}
	if (table->suspect_count > report->limit)
		fprintf(out, "  … and %zu more (--limit)\n", table->suspect_count - report->limit);
}

static void print_repair(const struct report *report, const struct check_table *table, FILE *out)
{
	if (report->kind == REPORT_COMPARED ||
	    table->repair.inserted + table->repair.updated + table->repair.deleted + table->repair.left == 0)
		return;
	fprintf(out, "%s: %s %" PRId64 " inserted, %" PRId64 " updated, %" PRId64 " deleted", table->label,
	        report->kind == REPORT_REPAIRED ? "repaired:" : "would be", table->repair.inserted,
	        table->repair.updated, table->repair.deleted);
	if (table->repair.left > 0)
		fprintf(out, ", %" PRId64 " left", table->repair.left);
	fprintf(out, "%s%s\n", table->repair.problem != NULL ? ": " : "",
	        table->repair.problem != NULL ? table->repair.problem : "");
}

static void print_findings(const struct report *report, struct arena *arena, FILE *out)
{
	const struct check_tables *tables = report->tables;

	for (size_t i = 0; i < tables->count; i++) {
		const struct check_table *table = &tables->tables[i];

		if (table->reason != NULL)
			fprintf(out, "%s: %s\n", table->label, table->reason);
		for (size_t k = 0; k < table->schema_difference_count; k++)
			fprintf(out, "%s: %s\n", table->label, table->schema_differences[k]);
		for (size_t k = 0; k < table->left_out_step_count; k++)
			fprintf(out, "%s: %s\n", table->label, table->left_out_steps[k]);
		if (table->left_out != NULL)
			fprintf(out, "%s: not compared, because of the connector: column %s\n", table->label,
			        table->left_out);
		if (table->refusal != NULL && table->refusal != table->reason)
			fprintf(out, "%s: neither --repair nor a resync is possible: %s\n", table->label,
			        table->refusal);
		if (table->kept > 0)
			fprintf(out, "%s: %" PRId64 " rows are kept by a rule although the source deleted them\n",
			        table->label, table->kept);
		if (table->null_keys.lasting)
			fprintf(out,
			        "%s: %" PRId64 " rows of the target have NULL in a column of the key (%s): the source "
			        "cannot have such rows\n",
			        table->label, table->null_keys.rows, table->null_keys.columns);
		print_rows(report, table, arena, out);
		print_suspects(report, table, arena, out);
		if (table->unverified != NULL)
			fprintf(out,
			        "%s: unverified (%s) until `replicator table resync %s`, or --repair, finds it equal\n",
			        table->label, table->unverified, table->label);
		if (table->quarantined > 0)
			fprintf(out,
			        "%s: %" PRId64 " transactions with changes of it wait in the quarantine (`replicator "
			        "quarantine list`)\n",
			        table->label, table->quarantined);
		print_repair(report, table, out);
	}
	if (tables->uncaptured != NULL)
		fprintf(out, "note: published by the source, but without a table in the target: %s\n",
		        tables->uncaptured);
	if (tables->left_out != NULL)
		fprintf(out,
		        "note: neither replicated nor compared, because their schema has the name of the state schema "
		        "(target.schema): %s\n",
		        tables->left_out);
}

static void print_refusal(const struct report *report, FILE *out)
{
	const char *refusal = report->comparison->refusal;

	if (report->kind != REPORT_COMPARED && refusal != NULL)
		fprintf(out, "%s: %s\n", report->kind == REPORT_REPAIRED ? "not repaired" : "a repair would be refused",
		        refusal);
	else if (report->doubt != NULL)
		fprintf(out, "note: %s\n", report->doubt);
}

static void print_sequences(const struct report *report, FILE *out)
{
	const struct check_sequences *sequences = report->sequences;

	if (sequences == NULL)
		return;
	if (sequences->problem != NULL)
		fprintf(out, "note: sequences were not compared: %s\n", sequences->problem);
	if (report->sequences_set > 0)
		fprintf(out, "%zu sequence%s of the target set, with a margin\n", report->sequences_set,
		        report->sequences_set == 1 ? "" : "s");
	for (size_t i = 0; i < sequences->count; i++) {
		const struct check_sequence *sequence = &sequences->sequences[i];

		if (sequence->behind && report->kind != REPORT_REPAIRED)
			fprintf(out,
			        "note: sequence %s is at %" PRId64 " in the target and %" PRId64
			        " in the source (sequences are not replicated; --repair sets them)\n",
			        sequence->label, sequence->target, sequence->source);
	}
}

static void print_capture(const struct comparison *comparison, FILE *out)
{
	if (comparison->captured.problem != NULL)
		fprintf(
		    out,
		    "note: whether the connector masks or leaves out columns is not known, so all were compared with "
		    "the source's values, and nothing can be repaired: %s\n",
		    comparison->captured.problem);
}

static void print_snapshot(const struct watermark *watermark, FILE *out)
{
	if (watermark->snapshot_open)
		fprintf(out,
		        "note: a snapshot of the connector is being read: %" PRId64 " table%s, %" PRId64
		        " rows so far; compare again when it has ended (`replicator status`)\n",
		        watermark->snapshot_tables, watermark->snapshot_tables == 1 ? "" : "s",
		        watermark->snapshot_rows);
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
	print_snapshot(watermark, out);
	lsn_format(watermark->lsn, lsn);
	lsn_format(report->comparison->source_lsn, source_lsn);
	if (watermark_is_stopped(watermark)) {
		fprintf(out, "note: the stream is %s at %s (source: %s)%s%s\n", watermark->state, lsn, source_lsn,
		        watermark->error[0] != '\0' ? ": " : "", watermark->error);
	} else if (!report->comparison->passed && !report->comparison->at_rest) {
		fprintf(out,
		        "note: the stream did not pass the source's position %s in time; it is at %s, %" PRId64
		        " bytes of WAL behind, last applied %s. Is `replicator run` running, and the connector?\n",
		        source_lsn, lsn,
		        report->comparison->source_lsn > watermark->lsn
		            ? (int64_t)(report->comparison->source_lsn - watermark->lsn)
		            : 0,
		        watermark->applied_at[0] != '\0' ? watermark->applied_at : "never");
		if (!report->comparison->fenced)
			fputs("note: the source's role may not write a logical message, and no other commit passed: "
			      "GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text) TO it (from "
			      "PostgreSQL 17 on: (boolean, text, text, boolean)), or, where the connector captures "
			      "replicator.heartbeat, UPDATE on that table and USAGE on its schema\n",
			      out);
	}
}

void report_print(const struct report *report, struct arena *arena, FILE *out)
{
	const struct check_tables *tables = report->tables;

	print_tables(tables, arena, out);
	fprintf(out, "\n%zu table%s: %zu in sync, %zu different, %zu not checked; %d look%s, %.1f s\n", tables->count,
	        tables->count == 1 ? "" : "s", report_count(tables, VERDICT_IN_SYNC),
	        report_count(tables, VERDICT_DIFFERENT), report_count(tables, VERDICT_UNCHECKED),
	        report->comparison->looks, report->comparison->looks == 1 ? "" : "s", (double)report->elapsed_us / 1e6);
	print_findings(report, arena, out);
	print_refusal(report, out);
	print_sequences(report, out);
	print_capture(report->comparison, out);
	if (report_exit_code(report) != EXIT_OK)
		print_stream(report, out);
}
