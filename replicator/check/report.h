/* report.h - what a comparison found, for people or as JSON, and the exit code. */
#ifndef REPLICATOR_CHECK_REPORT_H
#define REPLICATOR_CHECK_REPORT_H

#include "base/exit_code.h"
#include "check/compare.h"
#include "check/sequences.h"
#include "check/watermark.h"

#include <stdio.h>

struct report {
	const struct check_tables *tables;
	const struct comparison *comparison;
	const struct check_sequences *sequences; /* or NULL */
	struct watermark watermark;              /* at the end */
	int64_t elapsed_us;
	size_t limit; /* differing rows that are named, of each table */
	enum { REPORT_COMPARED, REPORT_WOULD_REPAIR, REPORT_REPAIRED } kind;
	size_t sequences_set;
	const char *doubt; /* why source.dsn may not name the stream's source, or NULL */
};

void report_print(const struct report *report, struct arena *arena, FILE *out);
struct error *report_print_json(const struct report *report, FILE *out);
enum exit_code report_exit_code(const struct report *report);

/* Helpers of the two forms. */
size_t report_count(const struct check_tables *tables, enum verdict verdict);
double report_seconds(const struct check_table *table);
const char *report_fault_name(enum row_fault fault);

#endif
