/* command.c - see command.h */
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit_code.h"
#include "base/memory.h"
#include "base/text.h"

static void print_usage(FILE *out)
{
	fputs("usage: replicator COMMAND [-c FILE] [OPTION]…\n\ncommands:\n", out);
	for (size_t i = 0; i < command_count; i++) {
		if (commands[i].summary != NULL)
			fprintf(out, "  %-13s %s\n", commands[i].name, commands[i].summary);
	}
	fputs(
	    "\nThe configuration is FILE, else $REPLICATOR_CONF, ./replicator.conf, /etc/replicator/replicator.conf.\n"
	    "`replicator COMMAND --help` says more about a command.\n",
	    out);
}

static void print_command_usage(FILE *out, const struct command *command)
{
	const char *space = *command->usage == '\0' ? "" : " ";

	fprintf(out, "usage: replicator %s [-c FILE]%s%s\n", command->name, space, command->usage);
}

static void print_command_help(const struct command *command)
{
	print_command_usage(stdout, command);
	if (command->summary != NULL)
		printf("\n%s\n", command->summary);
	if (command->details != NULL)
		printf("\n%s\n", command->details);
}

void command_usage_error(const struct command *command, const char *format, ...)
{
	va_list arguments;

	fputs("replicator: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	if (command != NULL)
		print_command_usage(stderr, command);
	else
		print_usage(stderr);
}

void command_print_visible(FILE *out, const char *text)
{
	struct buffer visible = {0};

	text_append_visible(&visible, text, strlen(text), true);
	buffer_append_byte(&visible, '\n');
	fwrite(visible.data, 1, visible.length, out);
	buffer_free(&visible);
}

int command_fail(struct error *error)
{
	int code = (int)exit_code_of(error->class);

	if (error->class != ERROR_INTERRUPTED)
		command_print_visible(stderr, error->message);
	error_free(error);
	return code;
}

struct config *command_load_config(const struct invocation *invocation)
{
	struct config *config;
	struct error *error = config_load(invocation->config_path, &config);

	if (error != NULL) {
		command_fail(error);
		return NULL;
	}
	log_configure(config->log.level, config->log.json);
	return config;
}

/* The value of an option: `--name=value`, or the next argument. */
static bool take_value(const struct invocation *invocation, const struct command_option *option, int *at)
{
	const char *equals = strchr(invocation->arguments[*at], '=');

	if (equals != NULL) {
		*option->value = equals + 1;
		return true;
	}
	if (*at + 1 >= invocation->argument_count) {
		command_usage_error(invocation->command, "%s needs a value", option->name);
		return false;
	}
	*option->value = invocation->arguments[++*at];
	return true;
}

static const struct command_option *find_option(const struct command_option *options, const char *argument)
{
	size_t length = strcspn(argument, "=");

	for (; options->name != NULL; options++) {
		bool same = strlen(options->name) == length && strncmp(options->name, argument, length) == 0;

		if (same && (options->value != NULL || argument[length] == '\0'))
			return options;
	}
	return NULL;
}

bool command_parse(const struct invocation *invocation, const struct command_option *options, const char **word)
{
	for (int i = 0; i < invocation->argument_count; i++) {
		const char *argument = invocation->arguments[i];
		const struct command_option *option = find_option(options, argument);

		if (option != NULL && option->value != NULL) {
			if (!take_value(invocation, option, &i))
				return false;
		} else if (option != NULL) {
			*option->flag = true;
		} else if (*argument != '-' && word != NULL && *word == NULL) {
			*word = argument;
		} else {
			command_usage_error(invocation->command, "%s does not take %s", invocation->command->name,
			                    argument);
			return false;
		}
	}
	return true;
}

struct config *command_prepare(const struct invocation *invocation, const struct command_option *options, int *code)
{
	*code = EXIT_UNCHECKED;
	if (!command_parse(invocation, options, NULL))
		return NULL;
	*code = EXIT_CONFIGURATION;
	return command_load_config(invocation);
}

bool command_parse_timeout(const char *text, int64_t *timeout_us)
{
	int64_t seconds;

	if (!text_read_integer(text, 0, INT64_C(1000000000), &seconds))
		return false;
	*timeout_us = seconds * 1000000;
	return true;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < command_count; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static bool is_help(const char *argument)
{
	return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/*
 * -c may stand before or behind the command. Moves it out of the arguments; the rest goes to `rest`. False: explained.
 */
static bool take_config_path(int argc, char **argv, struct invocation *invocation, const char **rest)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-c") == 0 || strcmp(argv[i], "--config") == 0) {
			if (i + 1 == argc) {
				command_usage_error(NULL, "%s needs a file", argv[i]);
				return false;
			}
			invocation->config_path = argv[++i];
		} else if (strncmp(argv[i], "--config=", 9) == 0) {
			invocation->config_path = argv[i] + 9;
		} else {
			rest[invocation->argument_count++] = argv[i];
		}
	}
	return true;
}

static int run_command(struct invocation *invocation)
{
	const char *name = invocation->argument_count == 0 ? NULL : invocation->arguments[0];

	if (name == NULL) {
		command_usage_error(NULL, "a command is missing");
		return EXIT_UNCHECKED;
	}
	if (is_help(name) || strcmp(name, "help") == 0) {
		print_usage(stdout);
		return EXIT_OK;
	}
	invocation->command = find_command(strcmp(name, "--version") == 0 ? "version" : name);
	if (invocation->command == NULL) {
		command_usage_error(NULL, "there is no command %s", name);
		return EXIT_UNCHECKED;
	}
	invocation->arguments++;
	invocation->argument_count--;
	for (int i = 0; i < invocation->argument_count; i++) {
		if (is_help(invocation->arguments[i])) {
			print_command_help(invocation->command);
			return EXIT_OK;
		}
	}
	return invocation->command->run(invocation);
}

int command_main(int argc, char **argv)
{
	struct invocation invocation = {0};
	const char **rest = memory_alloc(((size_t)argc + 1) * sizeof(*rest));
	int code = EXIT_UNCHECKED;

	memory_configure();
	invocation.arguments = rest;
	if (take_config_path(argc, argv, &invocation, rest))
		code = run_command(&invocation);
	free(rest);
	return code;
}
