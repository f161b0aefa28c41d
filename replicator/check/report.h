/* report.h - what a comparison found, for people or as JSON, and the exit code. */
#ifndef REPLICATOR_CHECK_REPORT_H
#define REPLICATOR_CHECK_REPORT_H

#include "base/exit_code.h"
#include "check/compare.h"
#include "check/watermark.h"

#include <stdio.h>

struct report {
	const struct check_tables *tables;
	const struct comparison *comparison;
	struct watermark watermark; /* at the end */
	int64_t elapsed_us;
};

void report_print(const struct report *report, struct arena *arena, FILE *out);
struct error *report_print_json(const struct report *report, FILE *out);
enum exit_code report_exit_code(const struct report *report);

#endif
