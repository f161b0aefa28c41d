/* options.h - the command line of check_target. */
#ifndef REPLICATOR_CHECK_OPTIONS_H
#define REPLICATOR_CHECK_OPTIONS_H

#include "base/exit_code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECK_PROGRAM "check_target"
#define OPTION_PATTERNS_MOST 256

struct check_options {
	const char *config_file;
	const char *patterns[OPTION_PATTERNS_MOST];
	size_t pattern_count;
	int64_t limit; /* 0: not given */
	int64_t timeout_s;
	int64_t jobs;
	int64_t max_rate;      /* rows a second; 0: no bound */
	int64_t watch_minutes; /* 0: once */
	bool show, json, repair, dry_run, at_rest, show_values;
};

/* True to go on; else *code is what to leave with, and what is to be said was said. */
bool check_options_parse(int argc, char **argv, struct check_options *options, enum exit_code *code);

#endif
