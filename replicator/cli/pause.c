/*
 * pause.c - `replicator pause` and `replicator resume`: the operator's word goes into the target, and what the daemon
 * makes of it is waited for.
 */
#include "cli/command.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/exit_code.h"
#include "target/checkpoint.h"
#include "target/pause.h"

#define ANSWER_US 5000000
#define STEP_MS 50

/* A batch at hand is finished first; a large one is not waited for. */
static struct error *await_answer(struct pg_connection *connection, const struct config *config, bool *held,
                                  bool *obeyed)
{
	int64_t until_us = clock_monotonic_us() + ANSWER_US;

	for (;;) {
		TRY(pause_read_answer(connection, config, held, obeyed));
		if (!*held || *obeyed || clock_monotonic_us() >= until_us)
			return NULL;
		clock_sleep_ms(STEP_MS);
	}
}

static void say(const struct config *config, bool paused, bool held, bool obeyed)
{
	const char *name = config->stream.name;

	if (!held)
		printf("stream %s %s; no instance is active\n", name,
		       paused ? "will not apply anything until `replicator resume`" : "may go on");
	else if (obeyed)
		printf("stream %s %s\n", name, paused ? "is paused" : "goes on");
	else
		printf("stream %s %s when the batch at hand is done (`replicator status`)\n", name,
		       paused ? "pauses" : "goes on");
}

static int set(const struct invocation *invocation, bool paused)
{
	const struct command_option options[] = {{0}};
	struct pg_connection *connection = NULL;
	bool held = false, obeyed = false;
	struct config *config;
	struct error *error;
	int code;

	config = command_prepare(invocation, options, &code);
	if (config == NULL)
		return code;
	error = pg_connect(config->target.dsn, "replicator pause", &connection);
	if (error == NULL)
		error = checkpoint_check_schema(connection, config->target.schema);
	if (error == NULL)
		error = pause_set(connection, config, paused);
	if (error == NULL)
		error = await_answer(connection, config, &held, &obeyed);
	if (error == NULL)
		say(config, paused, held, obeyed);
	pg_disconnect(connection);
	config_free(config);
	return error == NULL ? EXIT_OK : command_fail(error);
}

int command_pause(const struct invocation *invocation)
{
	return set(invocation, true);
}

int command_resume(const struct invocation *invocation)
{
	return set(invocation, false);
}
