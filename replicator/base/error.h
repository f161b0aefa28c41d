/*
 * error.h - the one error type of the program.
 *
 * A function that can fail returns `struct error *`; NULL is success. The caller owns the error: it handles it,
 * returns it (perhaps after error_wrap) or frees it. Only main ends the process.
 *
 * The class says what can be done; the text says where it happened and what the reader can do about it. A text never
 * holds a row's values (law 10): DETAIL and CONTEXT of server errors stay out.
 *
 * Thread: errors are plain heap objects and may be handed from one thread to another.
 */
#ifndef REPLICATOR_BASE_ERROR_H
#define REPLICATOR_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

enum error_class {
	ERROR_TRANSIENT,      /* heals by itself: retry with backoff for ever */
	ERROR_AUTHENTICATION, /* wrong password or missing login: stops before the first success, retried after it */
	ERROR_CONFIGURATION,  /* the user must change a setting */
	ERROR_EVENT,          /* an event that cannot be decoded or that breaks the protocol of the stream */
	ERROR_CONSTRAINT,     /* a set-based batch did not do what was planned: replay it strictly */
	ERROR_TARGET,         /* the target refuses for good: a missing table, a value that the type refuses, a right */
	ERROR_GAP,            /* events are missing in Kafka: retention, a topic made again, another cluster */
	ERROR_FENCED,         /* another instance owns the stream */
	ERROR_INTERRUPTED,    /* a signal asked us to leave */
	ERROR_SYSTEM          /* memory, files, threads */
};

struct error {
	enum error_class class;
	char sqlstate[6]; /* SQLSTATE of the server, or "" */
	char *message;    /* one line, owned */
};

struct error *error_new(enum error_class class, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct error *error_new_v(enum error_class class, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* Puts `context: ` before the message of an error and returns the same error; NULL stays NULL. */
struct error *error_wrap(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

void error_free(struct error *error); /* NULL is allowed */

const char *error_class_name(enum error_class class);

/* Leaves the enclosing function with the error when there is one. */
#define TRY(expression)                                                                                                \
	do {                                                                                                           \
		struct error *try_error_ = (expression);                                                               \
		if (try_error_ != NULL)                                                                                \
			return try_error_;                                                                             \
	} while (0)

#endif
