/*
 * verify.h - one whole check of a pair: compare, repair when asked to, report. For check_target and `table resync`.
 * Thread: main's.
 */
#ifndef REPLICATOR_CHECK_VERIFY_H
#define REPLICATOR_CHECK_VERIFY_H

#include "base/exit_code.h"
#include "config/config.h"

#include <stdio.h>

struct verify_options {
	const char *const *patterns; /* of tables; none: all */
	size_t pattern_count;
	const struct table_name *only; /* instead of patterns: this table of the source; or NULL */
	size_t jobs;                   /* connections to each side; 1 to 64 */
	int64_t max_rate;              /* rows a second on each side; 0: no bound */
	int64_t timeout_us;
	size_t limit; /* differing rows that are named, of each table */
	bool json;
	bool at_rest;
	bool repair;
	bool dry_run;     /* with repair */
	bool must_repair; /* with repair: an error when it may not write */
	bool show_values;
	bool progress; /* a bar on standard error */
};

/* *code: 0 in sync, 1 differences, 2 something could not be checked. Errors: nothing could be checked, or must_repair. */
struct error *verify_pair(const struct config *config, const struct verify_options *options, FILE *out,
                          enum exit_code *code);

/*
 * Error: a repair of the chosen tables is not possible, or no token proved that source.dsn names the source of the stream
 * (proof.h), as far as it can be known beforehand.
 */
struct error *verify_require_repair(const struct config *config, const struct verify_options *options);

#endif
