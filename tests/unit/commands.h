/*
 * commands.h - runs the commands as a user does, with a configuration and the databases cli_source and cli_target.
 * All static: an object of its own would be linked into every test.
 */
#ifndef TESTS_UNIT_COMMANDS_H
#define TESTS_UNIT_COMMANDS_H

#include "cli/command.h"

#include "postgres.h"

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char config_path[64];
static char *source_dsn;
static char *target_dsn;

/* What the last command wrote. */
static char out[262144];
static char err[65536];

static inline void read_all(FILE *file, char *text, size_t size)
{
	size_t length;

	rewind(file);
	length = fread(text, 1, size - 1, file);
	text[length] = '\0';
	fclose(file);
}

/* Runs a command line in a process of its own, signals it after `term_after_ms` (0: never), gives its exit code. */
static inline int run_signalled(int term_after_ms, const char *const *arguments)
{
	FILE *files[2] = {tmpfile(), tmpfile()};
	char *argv[16] = {(char *)"replicator"};
	int argc = 1;
	int status;
	pid_t child;

	for (; arguments[argc - 1] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
	fflush(NULL);
	child = fork();
	if (child == 0) {
		int code;

		dup2(fileno(files[0]), STDOUT_FILENO);
		dup2(fileno(files[1]), STDERR_FILENO);
		code = command_main(argc, argv);
		fflush(NULL);
		_exit(code);
	}
	ck_assert_int_gt(child, 0);
	if (term_after_ms > 0) {
		clock_sleep_ms(term_after_ms);
		kill(child, SIGTERM);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	read_all(files[0], out, sizeof(out));
	read_all(files[1], err, sizeof(err));
	ck_assert_msg(WIFEXITED(status), "the command died: %s", err);
	return WEXITSTATUS(status);
}

#define RUN(...) run_signalled(0, (const char *const[]){__VA_ARGS__, NULL})

static inline void expect_in(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in:\n%.3000s%.3000s", part, out, err);
}

static inline void expect_not_in(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) == NULL, "\"%s\" is in:\n%.3000s", part, text);
}

static inline void write_config(const char *source, const char *target, const char *more)
{
	FILE *file = fopen(config_path, "w");

	ck_assert_ptr_nonnull(file);
	if (source != NULL)
		fprintf(file, "source = { dsn = \"%s\"; };\n", source);
	fprintf(file, "target = { dsn = \"%s\"; };\n", target);
	fprintf(file,
	        "kafka = { brokers = \"127.0.0.1:1\"; topic_prefix = \"dbserver1\";\n"
	        " properties = [\"test.mock.num.brokers=1\"]; };\n%s",
	        more);
	fclose(file);
}

static inline void execute(const char *dsn, const char *sql)
{
	struct pg_connection *connection = NULL;

	expect_no_error(pg_connect(dsn, "test_cli", &connection));
	expect_no_error(pg_execute(connection, sql));
	pg_disconnect(connection);
}

static inline void make_databases(void)
{
	int file;

	snprintf(config_path, sizeof(config_path), "/tmp/replicator-test-cli-XXXXXX");
	file = mkstemp(config_path);
	ck_assert_int_ge(file, 0);
	close(file);
	source_dsn = memory_format("%s dbname=cli_source", postgres_dsn());
	target_dsn = memory_format("%s dbname=cli_target", postgres_dsn());
	execute(postgres_dsn(), "DROP DATABASE IF EXISTS cli_source WITH (FORCE)");
	execute(postgres_dsn(), "DROP DATABASE IF EXISTS cli_target WITH (FORCE)");
	execute(postgres_dsn(), "CREATE DATABASE cli_source");
	execute(postgres_dsn(), "CREATE DATABASE cli_target");
	write_config(source_dsn, target_dsn, "");
}

static inline void remove_databases(void)
{
	execute(postgres_dsn(), "DROP DATABASE cli_source WITH (FORCE)");
	execute(postgres_dsn(), "DROP DATABASE cli_target WITH (FORCE)");
	unlink(config_path);
	free(source_dsn);
	free(target_dsn);
}

#endif
