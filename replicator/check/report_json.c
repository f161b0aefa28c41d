/* report_json.c - the report as JSON; see report.h. */
#include "check/report.h"

#include "base/lsn.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *rows_json(int64_t rows)
{
	return rows < 0 ? json_null() : json_integer(rows);
}

static json_t *key_json(const struct check_table *table, const struct check_row *row)
{
	json_t *key = json_object();

	if (table->key == NULL) {
		json_decref(key);
		return json_null();
	}
	for (size_t i = 0; i < table->key->column_count; i++)
		json_object_set_new(key, table->images[SIDE_SOURCE]->columns[table->key->columns[i].index].name,
		                    json_string(row->key[i]));
	return key;
}

static json_t *differences_json(const struct report *report, const struct check_table *table)
{
	json_t *list = json_array();

	for (size_t i = 0; i < table->row_count && json_array_size(list) < report->limit; i++) {
		const struct check_row *row = &table->rows[i];

		if (row->state == ROW_LASTING)
			json_array_append_new(list, json_pack("{s:s, s:o, s:s?, s:s?}", "fault",
			                                      report_fault_name(check_row_fault(table, row)), "key",
			                                      key_json(table, row), "columns", row->columns, "values",
			                                      row->values));
	}
	return list;
}

static json_t *shape_json(const struct check_table *table)
{
	json_t *list = json_array();

	for (size_t i = 0; i < table->schema_difference_count; i++)
		json_array_append_new(list, json_string(table->schema_differences[i]));
	return list;
}

static json_t *left_out_json(const struct check_table *table)
{
	json_t *list = json_array();

	for (size_t i = 0; i < table->left_out_step_count; i++)
		json_array_append_new(list, json_string(table->left_out_steps[i]));
	return list;
}

static json_t *repair_json(const struct report *report, const struct check_table *table)
{
	if (report->kind == REPORT_COMPARED)
		return json_null();
	return json_pack("{s:b, s:I, s:I, s:I, s:I, s:s?}", "done", report->kind == REPORT_REPAIRED, "inserted",
	                 (json_int_t)table->repair.inserted, "updated", (json_int_t)table->repair.updated, "deleted",
	                 (json_int_t)table->repair.deleted, "left", (json_int_t)table->repair.left, "problem",
	                 table->repair.problem);
}

static json_t *suspects_json(const struct check_table *table)
{
	json_t *list = json_array();

	for (size_t i = 0; i < table->suspect_count; i++)
		json_array_append_new(list, json_string(table->suspects[i]));
	return list;
}

static json_t *table_json(const struct report *report, const struct check_table *table)
{
	static const char *const verdicts[] = {"pending", "in_sync", "different", "not_checked"};

	return json_pack("{s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:s, s:s?, s:f, s:o, s:o, s:s?, s:I, "
	                 "s:s?, s:s?, s:o, s:o, s:o}",
	                 "schema", table->schema, "table", table->name, "source_rows",
	                 rows_json(check_rows_of(table, SIDE_SOURCE)), "target_rows",
	                 rows_json(check_rows_of(table, SIDE_TARGET)), "parts", (json_int_t)table->bucket_count,
	                 "different", (json_int_t)check_count_rows(table, ROW_LASTING, FAULT_DIFFERENT), "missing",
	                 (json_int_t)check_count_rows(table, ROW_LASTING, FAULT_MISSING), "extra",
	                 (json_int_t)check_count_rows(table, ROW_LASTING, FAULT_EXTRA), "null_keys",
	                 (json_int_t)table->null_keys.rows, "kept", (json_int_t)table->kept, "complete",
	                 table->open_count == 0 || table->narrowed, "verdict", verdicts[table->verdict], "reason",
	                 table->reason, "seconds", report_seconds(table), "schema_differences", shape_json(table),
	                 "suspect", suspects_json(table), "unverified", table->unverified, "quarantined",
	                 (json_int_t)table->quarantined, "left_out", table->left_out, "refusal", table->refusal,
	                 "differences", differences_json(report, table), "repair", repair_json(report, table),
	                 "left_out_steps", left_out_json(table));
}

static json_t *stream_json(const struct report *report)
{
	const struct watermark *watermark = &report->watermark;
	char lsn[LSN_TEXT_SIZE], source_lsn[LSN_TEXT_SIZE];

	lsn_format(watermark->lsn, lsn);
	lsn_format(report->comparison->source_lsn, source_lsn);
	if (!watermark->known)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:I}", "name",
	                 report->comparison->config->stream.name, "state", watermark->state, "error", watermark->error,
	                 "last_commit_lsn", lsn, "source_lsn", source_lsn, "passed", report->comparison->passed,
	                 "snapshot_open", watermark->snapshot_open, "snapshot_tables",
	                 (json_int_t)watermark->snapshot_tables, "snapshot_rows", (json_int_t)watermark->snapshot_rows);
}

static json_t *sequences_json(const struct report *report)
{
	json_t *list = json_array();

	for (size_t i = 0; report->sequences != NULL && i < report->sequences->count; i++) {
		const struct check_sequence *sequence = &report->sequences->sequences[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:o, s:b}", "schema", sequence->schema, "name",
		                                      sequence->name, "source", (json_int_t)sequence->source, "target",
		                                      sequence->missing ? json_null() : json_integer(sequence->target),
		                                      "behind", sequence->behind));
	}
	return list;
}

struct error *report_print_json(const struct report *report, FILE *out)
{
	static const char *const verdicts[] = {"in_sync", "different", "not_checked"};
	json_t *tables = json_array();
	json_t *root;
	int failed;

	for (size_t i = 0; i < report->tables->count; i++)
		json_array_append_new(tables, table_json(report, &report->tables->tables[i]));
	root = json_pack("{s:s, s:b, s:i, s:f, s:o, s:o, s:o, s:s?, s:s?, s:s?, s:s?, s:s?}", "verdict",
	                 verdicts[report_exit_code(report)], "interrupted", report->comparison->interrupted, "looks",
	                 report->comparison->looks, "seconds", (double)report->elapsed_us / 1e6, "tables", tables,
	                 "sequences", sequences_json(report), "stream", stream_json(report), "uncaptured",
	                 report->tables->uncaptured, "named_like_state", report->tables->left_out, "capture_problem",
	                 report->comparison->captured.problem, "refusal",
	                 report->kind == REPORT_COMPARED ? NULL : report->comparison->refusal, "doubt", report->doubt);
	failed = root == NULL || json_dumpf(root, out, JSON_INDENT(2)) != 0;
	json_decref(root);
	if (failed)
		return error_new(ERROR_SYSTEM,
		                 "the report could not be written as JSON (a name that is not UTF-8, or no "
		                 "space)");
	fputc('\n', out);
	return NULL;
}
