/* process.c - see the header. */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"

#define POLL_MS 20
#define REFUSED 127 /* as a shell has it */

struct process {
	pid_t pid;
	int output; /* a file in memory: nobody must read for the child to go on */
	bool ended;
	int code;
};

/*
 * In the child of a process with threads: only what a signal handler may do. Signals are blocked, and what comes
 * meanwhile ends the child, and does not go into our handlers, which it has until then.
 */
static void become(const char *const *arguments, int output, pid_t parent)
{
	int nothing = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent || nothing < 0 ||
	    dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0)
		_exit(REFUSED);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv("/proc/self/exe", (char *const *)(uintptr_t)arguments);
	_exit(REFUSED);
}

struct error *process_start(const char *const *arguments, struct process **process)
{
	pid_t parent = getpid();
	int output = memfd_create("output", MFD_CLOEXEC);
	sigset_t all, before;
	pid_t pid;

	*process = NULL;
	if (output < 0)
		return error_new(ERROR_SYSTEM, "no file for the output of a process: %s", strerror(errno));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		become(arguments, output, parent);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pid < 0) {
		close(output);
		return error_new(ERROR_SYSTEM, "no process: %s", strerror(errno));
	}
	*process = memory_alloc(sizeof(**process));
	**process = (struct process){.pid = pid, .output = output};
	return NULL;
}

bool process_ended(struct process *process, int *code)
{
	int status;

	if (!process->ended && waitpid(process->pid, &status, WNOHANG) == process->pid) {
		process->ended = true;
		process->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	*code = process->code;
	return process->ended;
}

char *process_output(const struct process *process)
{
	struct buffer text = {0};
	char chunk[4096];
	ssize_t length;

	buffer_append_text(&text, "");
	while ((length = pread(process->output, chunk, sizeof(chunk), (off_t)text.length)) > 0)
		buffer_append(&text, chunk, (size_t)length);
	return buffer_steal(&text);
}

void process_stop(struct process *process, int patience_ms)
{
	int code;

	if (process == NULL)
		return;
	if (!process_ended(process, &code))
		kill(process->pid, SIGTERM);
	for (int waited = 0; waited < patience_ms && !process_ended(process, &code); waited += POLL_MS)
		clock_sleep_ms(POLL_MS);
	if (!process->ended) {
		kill(process->pid, SIGKILL);
		waitpid(process->pid, NULL, 0);
	}
	close(process->output);
	free(process);
}
