/* exit_code.h - the exit codes of the programs, all in one place (the README lists them). */
#ifndef REPLICATOR_BASE_EXIT_CODE_H
#define REPLICATOR_BASE_EXIT_CODE_H

#include "base/error.h"

enum exit_code {
	EXIT_OK = 0,
	EXIT_DIFFERENT = 1,     /* check_target: the sides differ */
	EXIT_UNCHECKED = 2,     /* check_target: could not check; all programs: wrong usage of the command line */
	EXIT_CONFIGURATION = 3, /* the configuration is wrong */
	EXIT_CONNECTION = 4,    /* a server cannot be reached or refuses the login */
	EXIT_EVENT = 5,         /* an event cannot be decoded or applied: the stream stopped and kept its place */
	EXIT_GAP = 6,           /* events are missing in Kafka */
	EXIT_FENCED = 7,        /* another instance took the stream over */
	EXIT_SYSTEM = 8         /* memory, files, threads */
};

enum exit_code exit_code_of(enum error_class class);

#endif
