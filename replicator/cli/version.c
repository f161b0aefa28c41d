/* version.c - `replicator version`, and the pages that are made from the table of settings (`make docs`). */
#include "cli/command.h"

#include <stdio.h>

#include "base/exit_code.h"

static const struct command_option no_options[] = {{0}};

int command_version(const struct invocation *invocation)
{
	if (!command_parse(invocation, no_options, NULL))
		return EXIT_UNCHECKED;
	puts("replicator " REPLICATOR_VERSION);
	return EXIT_OK;
}

static int print_page(const struct invocation *invocation, void (*print)(FILE *out))
{
	if (!command_parse(invocation, no_options, NULL))
		return EXIT_UNCHECKED;
	print(stdout);
	if (fflush(stdout) != 0) {
		perror("standard output");
		return EXIT_SYSTEM;
	}
	return EXIT_OK;
}

int command_config_example(const struct invocation *invocation)
{
	return print_page(invocation, config_print_example);
}

int command_config_reference(const struct invocation *invocation)
{
	return print_page(invocation, config_print_reference);
}
