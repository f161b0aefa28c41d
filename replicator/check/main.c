/*
 * main.c - check_target: proves that the target equals the source, names what differs, and repairs it when asked to.
 */
#include "base/clock.h"
#include "base/exit_code.h"
#include "base/log.h"
#include "base/signals.h"
#include "check/options.h"
#include "check/show.h"
#include "check/verify.h"

#include <stdlib.h>
#include <unistd.h>

#define NAMED_ROWS 10
#define SHOWN_ROWS 20

static struct error *run_show(const struct config *config, const struct check_options *options)
{
	const struct show_options show = {.patterns = options->patterns,
	                                  .pattern_count = options->pattern_count,
	                                  .limit = options->limit > 0 ? options->limit : SHOWN_ROWS,
	                                  .json = options->json};
	struct pg_connection *target = NULL;
	struct error *error = error_wrap(pg_connect(config->target.dsn, CHECK_PROGRAM, &target), "target.dsn");

	if (error == NULL)
		error = show_tables(target, config, &show, stdout);
	pg_disconnect(target);
	return error;
}

static struct error *run_verify(const struct config *config, const struct check_options *options, enum exit_code *code)
{
	const struct verify_options verify = {.patterns = options->patterns,
	                                      .pattern_count = options->pattern_count,
	                                      .jobs = (size_t)options->jobs,
	                                      .max_rate = options->max_rate,
	                                      .timeout_us = options->timeout_s * 1000000,
	                                      .limit = options->limit > 0 ? (size_t)options->limit : NAMED_ROWS,
	                                      .json = options->json,
	                                      .at_rest = options->at_rest,
	                                      .repair = options->repair,
	                                      .dry_run = options->dry_run,
	                                      .show_values = options->show_values,
	                                      .progress = isatty(STDERR_FILENO) == 1};

	return verify_pair(config, &verify, stdout, code);
}

static enum exit_code report_error(struct error *error)
{
	if (error->class != ERROR_INTERRUPTED)
		fprintf(stderr, CHECK_PROGRAM ": %s\n", error->message);
	error_free(error);
	return EXIT_UNCHECKED;
}

static void sleep_minutes(int64_t minutes)
{
	int64_t deadline = clock_monotonic_us() + minutes * 60 * 1000000;

	while (clock_monotonic_us() < deadline && !signals_stop_requested())
		clock_sleep_ms(200);
}

/* Round after round; what one could not check the next may. The last round's code counts. */
static enum exit_code watch(const struct config *config, const struct check_options *options)
{
	enum exit_code code = EXIT_OK;

	while (!signals_stop_requested()) {
		char now[32];
		struct error *error;

		clock_format_utc(clock_wall_us(), now, sizeof(now));
		if (!options->json)
			printf("%s\n", now);
		error = run_verify(config, options, &code);
		if (error != NULL)
			code = report_error(error);
		putchar('\n');
		fflush(stdout);
		sleep_minutes(options->watch_minutes);
	}
	return code;
}

int main(int argc, char **argv)
{
	struct check_options options = {.timeout_s = 60, .jobs = 2};
	struct config *config = NULL;
	enum exit_code code = EXIT_OK;
	struct error *error;

	if (!check_options_parse(argc, argv, &options, &code))
		return (int)code;
	signals_install();
	error = config_load(options.config_file, &config);
	if (error == NULL) {
		log_configure(config->log.level, config->log.json);
		if (options.show)
			error = run_show(config, &options);
		else if (options.watch_minutes > 0)
			code = watch(config, &options);
		else
			error = run_verify(config, &options, &code);
	}
	if (error != NULL)
		code = report_error(error);
	config_free(config);
	if (fflush(stdout) != 0) {
		perror(CHECK_PROGRAM ": writing the result");
		code = EXIT_UNCHECKED;
	}
	return (int)code;
}
