/*
 * wait.c - `replicator wait --lsn L`: returns when the target shows what the source had committed at that position.
 *
 * NOTES
 *   The stream's watermark moves with transactions. On an idle source nothing would ever pass a position behind the
 *   last commit: so a transaction that changes nothing is written there, where source.dsn allows it.
 */
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/exit_code.h"
#include "base/lsn.h"
#include "base/signals.h"
#include "check/watermark.h"

struct wait {
	const struct config *config;
	uint64_t lsn;
	int64_t timeout_us;
	struct arena *arena;
	struct pg_connection *target, *source; /* the source: where it takes a fence, else NULL */
};

static void push_fence(struct wait *wait)
{
	const char *dsn = wait->config->source.dsn;
	struct error *error = dsn == NULL ? NULL : pg_connect(dsn, "replicator wait", &wait->source);

	if (error != NULL)
		log_warning(
		    "the source cannot be asked for a commit behind that position (%s): waiting for the next one",
		    error->message);
	error_free(error);
	if (wait->source == NULL || watermark_push_fence(wait->source, WATERMARK_PLAIN_FENCE))
		return;
	log_warning("the source refuses a logical message: waiting for its next commit");
	pg_disconnect(wait->source);
	wait->source = NULL;
}

static struct error *not_reached(struct wait *wait)
{
	char lsn[LSN_TEXT_SIZE], wanted[LSN_TEXT_SIZE];
	struct watermark watermark;

	TRY(watermark_read(wait->target, wait->config, wait->arena, &watermark));
	lsn_format(watermark.lsn, lsn);
	lsn_format(wait->lsn, wanted);
	if (!watermark.known)
		return error_new(ERROR_CONFIGURATION,
		                 "%s: no state of stream %s can be read; run `replicator init target`",
		                 pg_description(wait->target), wait->config->stream.name);
	fprintf(stderr, "not visible yet: the stream is at %s, not at %s; state %s%s%s\n", lsn, wanted, watermark.state,
	        watermark.error[0] != '\0' ? ": " : "", watermark.error);
	return NULL;
}

static struct error *await(struct wait *wait, bool *passed)
{
	struct fence_pushes fences = {.text = WATERMARK_PLAIN_FENCE, .interval_us = FENCE_INTERVAL_US};
	struct watermark watermark;

	TRY(pg_connect(wait->config->target.dsn, "replicator wait", &wait->target));
	TRY(watermark_read(wait->target, wait->config, wait->arena, &watermark));
	if (watermark.unordered)
		return error_new(
		    ERROR_CONFIGURATION,
		    "stream %s runs with transactions = \"off\": it has no watermark, so nothing shows when the "
		    "target has what the source had committed at a position",
		    wait->config->stream.name);
	*passed = watermark.known && watermark.lsn >= wait->lsn;
	if (*passed)
		return NULL;
	push_fence(wait);
	fences.source = wait->source;
	TRY(watermark_await(wait->target, fences, wait->config, wait->lsn, wait->timeout_us, wait->arena, passed));
	return *passed ? NULL : not_reached(wait);
}

int command_wait(const struct invocation *invocation)
{
	const char *lsn = NULL, *timeout = "60";
	const struct command_option options[] = {{"--lsn", NULL, &lsn}, {"--timeout", NULL, &timeout}, {0}};
	struct wait wait = {0};
	struct config *config;
	struct error *error;
	bool passed = false;

	if (!command_parse(invocation, options, NULL))
		return EXIT_UNCHECKED;
	if (lsn == NULL || !lsn_parse(lsn, &wait.lsn) || !command_parse_timeout(timeout, &wait.timeout_us)) {
		command_usage_error(invocation->command,
		                    "wait takes --lsn with a position like 16/B374D848, and --timeout "
		                    "in whole seconds");
		return EXIT_UNCHECKED;
	}
	config = command_load_config(invocation);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	signals_install();
	wait.config = config;
	wait.arena = arena_new();
	error = await(&wait, &passed);
	pg_disconnect(wait.target);
	pg_disconnect(wait.source);
	arena_free(wait.arena);
	config_free(config);
	if (error != NULL)
		return command_fail(error);
	return passed ? EXIT_OK : EXIT_DIFFERENT;
}
