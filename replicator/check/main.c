/*
 * main.c - check_target: proves that the target equals the source, or names the tables where it does not.
 */
#include "base/clock.h"
#include "base/exit_code.h"
#include "base/log.h"
#include "check/compare.h"
#include "check/report.h"
#include "check/show.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PATTERNS_MOST 256
#define PROGRAM "check_target"

struct options {
	const char *config_file;
	const char *patterns[PATTERNS_MOST];
	size_t pattern_count;
	int64_t limit;
	int64_t timeout_s;
	bool show;
	bool json;
};

static void print_usage(FILE *out)
{
	fputs("usage: check_target [-c FILE] [--table TABLE]… [--timeout SECONDS] [--json]\n"
	      "       check_target [-c FILE] --show [TABLE] [--limit N] [--json]\n"
	      "\n"
	      "Compares the rows of every replicated table in source and target, on a live pair too.\n"
	      "\n"
	      "  -c, --config FILE   the configuration (else $REPLICATOR_CONF, ./replicator.conf, /etc/replicator/…)\n"
	      "  --table TABLE       only this table: schema.table or table, * as wildcard; may be repeated\n"
	      "  --timeout SECONDS   how long tables that differ are looked at again (60)\n"
	      "  --show [TABLE]      prints rows of the target instead\n"
	      "  --limit N           rows of each table that --show prints (20)\n"
	      "  --json              the result as JSON\n"
	      "\n"
	      "Exit codes: 0 in sync, 1 differences, 2 could not check.\n",
	      out);
}

static bool parse_number(const char *text, int64_t least, int64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *number >= least && *number <= INT64_C(1000000000);
}

static bool add_pattern(struct options *options, const char *pattern)
{
	if (options->pattern_count == PATTERNS_MOST) {
		fprintf(stderr, PROGRAM ": more than %d tables named\n", PATTERNS_MOST);
		return false;
	}
	options->patterns[options->pattern_count++] = pattern;
	return true;
}

/* The next word when it is no option: the optional argument of --show. */
static const char *take_word(int argc, char **argv)
{
	return optind < argc && argv[optind][0] != '-' ? argv[optind++] : NULL;
}

static bool take_number(const char *name, const char *text, int64_t least, int64_t *number)
{
	if (parse_number(text, least, number))
		return true;
	fprintf(stderr, PROGRAM ": %s takes a whole number of at least %" PRId64 "\n", name, least);
	return false;
}

static bool take_option(int option, int argc, char **argv, struct options *options)
{
	const char *word;

	switch (option) {
	case 'c':
		options->config_file = optarg;
		return true;
	case 't':
		return add_pattern(options, optarg);
	case 's':
		options->show = true;
		word = optarg != NULL ? optarg : take_word(argc, argv);
		return word == NULL || add_pattern(options, word);
	case 'l':
		return take_number("--limit", optarg, 1, &options->limit);
	case 'w':
		return take_number("--timeout", optarg, 0, &options->timeout_s);
	case 'j':
		options->json = true;
		return true;
	default:
		return false;
	}
}

/* True to go on; else *code is what to leave with. */
static bool parse_options(int argc, char **argv, struct options *options, enum exit_code *code)
{
	static const struct option known[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"table", required_argument, NULL, 't'},
	    {"show", optional_argument, NULL, 's'},
	    {"limit", required_argument, NULL, 'l'},
	    {"timeout", required_argument, NULL, 'w'},
	    {"json", no_argument, NULL, 'j'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'v'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	*code = EXIT_OK;
	while ((option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
		if (option == 'h') {
			print_usage(stdout);
			return false;
		}
		if (option == 'v') {
			puts(PROGRAM " " REPLICATOR_VERSION);
			return false;
		}
		if (!take_option(option, argc, argv, options)) {
			*code = EXIT_UNCHECKED;
			print_usage(stderr);
			return false;
		}
	}
	if (optind == argc)
		return true;
	fprintf(stderr, PROGRAM ": what is %s? Tables are named with --table or --show\n", argv[optind]);
	*code = EXIT_UNCHECKED;
	return false;
}

static struct error *connect_side(const char *dsn, const char *setting, struct pg_connection **connection)
{
	if (dsn == NULL || dsn[0] == '\0')
		return error_new(ERROR_CONFIGURATION, "setting %s is missing: the connection string of that database",
		                 setting);
	return error_wrap(pg_connect(dsn, PROGRAM, connection), "%s", setting);
}

static struct error *connect_all(const struct config *config, struct comparison *comparison)
{
	TRY(connect_side(config->source.dsn, "source.dsn", &comparison->source));
	TRY(connect_side(config->source.dsn, "source.dsn", &comparison->source_fence));
	TRY(connect_side(config->target.dsn, "target.dsn", &comparison->target));
	return connect_side(config->target.dsn, "target.dsn", &comparison->target_watch);
}

static struct error *compare_and_report(struct comparison *comparison, const struct options *options,
                                        struct check_tables *tables, enum exit_code *code)
{
	struct report report = {.tables = tables, .comparison = comparison};
	int64_t start = clock_monotonic_us();

	TRY(connect_all(comparison->config, comparison));
	TRY(check_tables_choose(comparison->source, comparison->target, comparison->config, options->patterns,
	                        options->pattern_count, comparison->arena, tables));
	if (tables->count == 0)
		return error_new(ERROR_CONFIGURATION, "no table is on both sides: nothing to check (%s, %s)",
		                 pg_description(comparison->source), pg_description(comparison->target));
	TRY(compare_tables(comparison, tables));
	TRY(watermark_read(comparison->target_watch, comparison->config, comparison->arena, &report.watermark));
	report.elapsed_us = clock_monotonic_us() - start;
	*code = report_exit_code(&report);
	if (options->json)
		return report_print_json(&report, stdout);
	report_print(&report, comparison->arena, stdout);
	return NULL;
}

static struct error *run_compare(const struct config *config, const struct options *options, enum exit_code *code)
{
	struct comparison comparison = {.config = config, .timeout_us = options->timeout_s * 1000000};
	struct check_tables tables = {0};
	struct error *error;

	comparison.arena = arena_new();
	error = compare_and_report(&comparison, options, &tables, code);
	check_tables_release(&tables);
	pg_disconnect(comparison.source);
	pg_disconnect(comparison.source_fence);
	pg_disconnect(comparison.target);
	pg_disconnect(comparison.target_watch);
	arena_free(comparison.arena);
	return error;
}

static struct error *run_show(const struct config *config, const struct options *options)
{
	const struct show_options show = {.patterns = options->patterns,
	                                  .pattern_count = options->pattern_count,
	                                  .limit = options->limit,
	                                  .json = options->json};
	struct pg_connection *target = NULL;
	struct error *error = connect_side(config->target.dsn, "target.dsn", &target);

	if (error == NULL)
		error = show_tables(target, config, &show, stdout);
	pg_disconnect(target);
	return error;
}

int main(int argc, char **argv)
{
	struct options options = {.limit = 20, .timeout_s = 60};
	struct config *config = NULL;
	enum exit_code code = EXIT_OK;
	struct error *error;

	if (!parse_options(argc, argv, &options, &code))
		return code;
	error = config_load(options.config_file, &config);
	if (error == NULL) {
		log_configure(config->log.level, config->log.json);
		error = options.show ? run_show(config, &options) : run_compare(config, &options, &code);
	}
	if (error != NULL) {
		fprintf(stderr, PROGRAM ": %s\n", error->message);
		error_free(error);
		code = EXIT_UNCHECKED;
	}
	config_free(config);
	if (fflush(stdout) != 0) {
		perror(PROGRAM ": writing the result");
		code = EXIT_UNCHECKED;
	}
	return code;
}
