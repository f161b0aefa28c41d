/*
 * process.h - this program once more, as a child with other arguments, that ends when we end.
 *
 * NOTES
 *   What a command does in minutes need not be done in the daemon: a child has memory and connections of its own, and
 *   goes with a signal. It is the very file that runs here (/proc/self/exe), also when another version was installed
 *   since. The kernel signals it when the thread that started it is no more, however we ended.
 *
 * Source: Linux prctl(2) PR_SET_PDEATHSIG. Thread: the one that starts it, for all calls.
 */
#ifndef REPLICATOR_BASE_PROCESS_H
#define REPLICATOR_BASE_PROCESS_H

#include "base/error.h"

#include <stdbool.h>

struct process;

/*
 * `arguments` as for main(), NULL at the end. Its standard output goes nowhere, its standard error is kept. Errors:
 * ERROR_SYSTEM.
 */
struct error *process_start(const char *const *arguments, struct process **process);

/* Whether it has ended; *code is its exit code, of a signal 128 and its number. Does not wait. */
bool process_ended(struct process *process, int *code);

/* What it wrote to standard error so far; the caller frees it. */
char *process_output(const struct process *process);

/* Asks it to end (SIGTERM), after `patience_ms` ends it, and frees. NULL is allowed. */
void process_stop(struct process *process, int patience_ms);

#endif
