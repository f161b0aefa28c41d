/*
 * command.h - the commands of bin/replicator: a static table, one file a command.
 *
 * A command parses its own arguments, does its work and gives an exit code (base/exit_code.h). What people asked for
 * goes to standard output, everything else to standard error. Thread: main's.
 */
#ifndef REPLICATOR_CLI_COMMAND_H
#define REPLICATOR_CLI_COMMAND_H

#include "base/error.h"
#include "config/config.h"

#include <stdbool.h>
#include <stdio.h>

struct invocation {
	const struct command *command;
	const char *config_path; /* of -c, or NULL */
	int argument_count;      /* behind the command's name, without -c */
	const char *const *arguments;
};

struct command {
	const char *name;
	const char *usage;   /* what follows the name */
	const char *summary; /* one line for the list of commands; NULL: not listed */
	const char *details; /* more for `replicator COMMAND --help`, or NULL */
	int (*run)(const struct invocation *invocation);
};

extern const struct command commands[];
extern const size_t command_count;

/* Parses the command line, runs its command. */
int command_main(int argc, char **argv);

/* One option of a command: a flag, or with a value. */
struct command_option {
	const char *name; /* "--until-lsn" */
	bool *flag;
	const char **value;
};

/*
 * Reads the arguments by the options (up to an entry without name); `word` takes the one argument that is no option,
 * NULL when the command has none. False: the usage was explained on standard error; leave with EXIT_UNCHECKED.
 */
bool command_parse(const struct invocation *invocation, const struct command_option *options, const char **word);

/* The same for a command that takes no word, with the configuration. NULL: all was said; leave with *code. */
struct config *command_prepare(const struct invocation *invocation, const struct command_option *options, int *code);

/* The value of --timeout, in whole seconds. False: it is none. */
bool command_parse_timeout(const char *text, int64_t *timeout_us);

/* Says what is wrong with the command line, and how it is used. */
void command_usage_error(const struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Loads the configuration and sets up the log. NULL: the problems were reported; leave with EXIT_CONFIGURATION. */
struct config *command_load_config(const struct invocation *invocation);

/* The text and a line feed; what a terminal would act on is shown as an escape, except line feeds. */
void command_print_visible(FILE *out, const char *text);

/* Reports the error on standard error (a line each), frees it and gives the exit code of its class. */
int command_fail(struct error *error);

/* `run --dry-run`; `until_lsn` 0: none. Gives an exit code. */
int command_dry_run(const struct config *config, uint64_t until_lsn);

int command_run(const struct invocation *invocation);
int command_topics(const struct invocation *invocation);
int command_peek(const struct invocation *invocation);
int command_pause(const struct invocation *invocation);
int command_resume(const struct invocation *invocation);
int command_check_config(const struct invocation *invocation);
int command_init(const struct invocation *invocation);
int command_connector(const struct invocation *invocation);
int command_accept(const struct invocation *invocation);
int command_schema(const struct invocation *invocation);
int command_status(const struct invocation *invocation);
int command_quarantine(const struct invocation *invocation);
int command_table(const struct invocation *invocation);
int command_wait(const struct invocation *invocation);
int command_version(const struct invocation *invocation);
int command_config_example(const struct invocation *invocation);
int command_config_reference(const struct invocation *invocation);

#endif
