/* options.c - see the header. */
#include "check/options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

static void print_usage(FILE *out)
{
	fputs("usage: check_target [-c FILE] [--table TABLE]… [--repair [--dry-run]] [OPTION]…\n"
	      "       check_target [-c FILE] --show [TABLE] [--limit N] [--json]\n"
	      "\n"
	      "Compares the rows, columns and keys of every replicated table in source and target, on a live pair too, "
	      "and\n"
	      "names what differs for good.\n"
	      "\n"
	      "  -c, --config FILE   the configuration (else $REPLICATOR_CONF, ./replicator.conf, /etc/replicator/…)\n"
	      "  --table TABLE       only this table: schema.table or table, * as wildcard; may be repeated\n"
	      "  --timeout SECONDS   how long the stream is waited for, and rows that differ are looked at again (60)\n"
	      "  --at-rest           wait for nothing: the stream is stopped, or was, at the source's end\n"
	      "  --jobs N            connections to each side (2)\n"
	      "  --max-rate ROWS     read about this many rows a second on each side at most\n"
	      "  --limit N           differing rows of each table that are named (10); rows that --show prints (20)\n"
	      "  --show-values       also the values of columns that differ\n"
	      "  --repair            make those rows of the target equal to the source, with the stream running; then "
	      "compare\n"
	      "                      again. What was changed is recorded in table repair_log. Sequences are set, too. "
	      "Before\n"
	      "                      it writes, a token written through source.dsn must arrive in the stream (with "
	      "--at-rest: no\n"
	      "                      token; you answer for source.dsn)\n"
	      "  --dry-run           with --repair: only say what it would change\n"
	      "  --watch MINUTES     compare again and again, so many minutes apart, until a signal\n"
	      "  --show [TABLE]      prints rows of the target instead\n"
	      "  --json              the result as JSON\n"
	      "\n"
	      "Exit codes: 0 in sync, 1 differences, 2 could not check.\n",
	      out);
}

static bool add_pattern(struct check_options *options, const char *pattern)
{
	if (options->pattern_count == OPTION_PATTERNS_MOST) {
		fprintf(stderr, CHECK_PROGRAM ": more than %d tables named\n", OPTION_PATTERNS_MOST);
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
	if (text_read_integer(text, least, INT64_C(1000000000), number))
		return true;
	fprintf(stderr, CHECK_PROGRAM ": %s takes a whole number of at least %" PRId64 "\n", name, least);
	return false;
}

static bool take_option(int option, int argc, char **argv, struct check_options *options)
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
	case 'J':
		return take_number("--jobs", optarg, 1, &options->jobs);
	case 'r':
		return take_number("--max-rate", optarg, 1, &options->max_rate);
	case 'W':
		return take_number("--watch", optarg, 1, &options->watch_minutes);
	case 'j':
		options->json = true;
		return true;
	case 'R':
		options->repair = true;
		return true;
	case 'd':
		options->dry_run = true;
		return true;
	case 'a':
		options->at_rest = true;
		return true;
	case 'V':
		options->show_values = true;
		return true;
	default:
		return false;
	}
}

/* What does not go together. */
static bool fits(const struct check_options *options, enum exit_code *code)
{
	const char *problem = NULL;

	if (options->dry_run && !options->repair)
		problem = "--dry-run goes with --repair";
	else if (options->show && (options->repair || options->watch_minutes > 0))
		problem = "--show goes neither with --repair nor with --watch";
	else if (options->repair && options->watch_minutes > 0)
		problem = "--repair does not go with --watch: look at what it found first";
	if (problem == NULL)
		return true;
	fprintf(stderr, CHECK_PROGRAM ": %s\n", problem);
	*code = EXIT_UNCHECKED;
	return false;
}

bool check_options_parse(int argc, char **argv, struct check_options *options, enum exit_code *code)
{
	static const struct option known[] = {
	    {"config", required_argument, NULL, 'c'},   {"table", required_argument, NULL, 't'},
	    {"show", optional_argument, NULL, 's'},     {"limit", required_argument, NULL, 'l'},
	    {"timeout", required_argument, NULL, 'w'},  {"jobs", required_argument, NULL, 'J'},
	    {"max-rate", required_argument, NULL, 'r'}, {"watch", required_argument, NULL, 'W'},
	    {"repair", no_argument, NULL, 'R'},         {"dry-run", no_argument, NULL, 'd'},
	    {"at-rest", no_argument, NULL, 'a'},        {"show-values", no_argument, NULL, 'V'},
	    {"json", no_argument, NULL, 'j'},           {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'v'},        {NULL, 0, NULL, 0},
	};
	int option;

	*code = EXIT_OK;
	while ((option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
		if (option == 'h') {
			print_usage(stdout);
			return false;
		}
		if (option == 'v') {
			puts(CHECK_PROGRAM " " REPLICATOR_VERSION);
			return false;
		}
		if (!take_option(option, argc, argv, options)) {
			*code = EXIT_UNCHECKED;
			print_usage(stderr);
			return false;
		}
	}
	if (optind == argc)
		return fits(options, code);
	fprintf(stderr, CHECK_PROGRAM ": what is %s? Tables are named with --table or --show\n", argv[optind]);
	*code = EXIT_UNCHECKED;
	return false;
}
