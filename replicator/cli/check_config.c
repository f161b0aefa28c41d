/* check_config.c - `replicator check-config`: the configuration and every server that it names. */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit_code.h"
#include "cli/preflight.h"
#include "config/secrets.h"

__attribute__((format(printf, 2, 0))) static void print_finding(const char *kind, const char *format, va_list arguments)
{
	char *text;

	if (vasprintf(&text, format, arguments) < 0)
		abort(); /* no memory: as memory_alloc */
	printf("  %s: ", kind);
	command_print_visible(stdout, text);
	free(text);
}

void preflight_problem(struct preflight *preflight, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_finding("problem", format, arguments);
	va_end(arguments);
	preflight->problems++;
}

void preflight_warning(struct preflight *preflight, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_finding("warning", format, arguments);
	va_end(arguments);
	preflight->warnings++;
}

void preflight_error(struct preflight *preflight, struct error *error)
{
	preflight_problem(preflight, "%s", error->message);
	if (exit_code_of(error->class) == EXIT_CONNECTION)
		preflight->unreachable++;
	error_free(error);
}

const char *preflight_name(struct preflight *preflight, const char *schema, const char *table)
{
	return arena_format(preflight->arena, "%s.%s", schema, table);
}

static void check_directories(struct preflight *preflight)
{
	const char *spill = preflight->config->spill_dir;

	if (access(spill, W_OK | X_OK) != 0)
		preflight_problem(preflight, "spill_dir: the program cannot write to %s; make it or name another one",
		                  spill);
}

static void check_secret(void *preflight, const char *setting, const char *path)
{
	preflight_warning(preflight, "%s: others may read or change %s; chmod 600 (or 640) it", setting, path);
}

static void check_all(struct preflight *preflight)
{
	printf("configuration %s\n", preflight->config->file);
	check_directories(preflight);
	secrets_check(preflight->config, preflight->arena, check_secret, preflight);
	puts("target");
	check_target_server(preflight);
	puts("source");
	check_source_server(preflight);
	puts("kafka");
	check_kafka(preflight);
	puts("connector");
	check_connector(preflight);
	check_publication(preflight);
	puts("tables");
	check_tables(preflight);
}

static void release(struct preflight *preflight)
{
	map_free(preflight->target_tables.by_name, NULL);
	map_free(preflight->source_tables.by_name, NULL);
	map_free(preflight->rights, NULL);
	map_free(preflight->published, NULL);
	map_free(preflight->unlogged, NULL);
	map_free(preflight->carried, NULL);
	pg_disconnect(preflight->target);
	pg_disconnect(preflight->source);
	if (preflight->probed)
		probe_free(&preflight->probe);
	arena_free(preflight->arena);
}

static const char *plural(size_t count)
{
	return count == 1 ? "" : "s";
}

int command_check_config(const struct invocation *invocation)
{
	const struct command_option options[] = {{0}};
	struct preflight preflight = {0};
	struct config *config;
	int code;

	config = command_prepare(invocation, options, &code);
	if (config == NULL)
		return code;
	preflight.config = config;
	preflight.arena = arena_new();
	check_all(&preflight);
	printf("\n%zu problem%s, %zu warning%s\n", preflight.problems, plural(preflight.problems), preflight.warnings,
	       plural(preflight.warnings));
	if (preflight.problems == 0)
		code = EXIT_OK;
	else
		code = preflight.problems == preflight.unreachable ? EXIT_CONNECTION : EXIT_CONFIGURATION;
	release(&preflight);
	config_free(config);
	return code;
}
