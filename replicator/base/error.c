/* error.c - see error.h */
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

__attribute__((format(printf, 1, 0))) static char *format_message(const char *format, va_list arguments)
{
	char *text = NULL;

	/* vasprintf fails only without memory, or on a format of ours that is broken. */
	if (vasprintf(&text, format, arguments) < 0)
		return memory_copy_text("(the text of an error could not be formatted)");
	return text;
}

struct error *error_new_v(enum error_class class, const char *format, va_list arguments)
{
	struct error *error = memory_alloc(sizeof(*error));

	error->class = class;
	error->message = format_message(format, arguments);
	return error;
}

struct error *error_new(enum error_class class, const char *format, ...)
{
	struct error *error;
	va_list arguments;

	va_start(arguments, format);
	error = error_new_v(class, format, arguments);
	va_end(arguments);
	return error;
}

struct error *error_wrap(struct error *error, const char *format, ...)
{
	va_list arguments;
	char *context;
	char *message;

	if (error == NULL)
		return NULL;
	va_start(arguments, format);
	context = format_message(format, arguments);
	va_end(arguments);
	message = memory_format("%s: %s", context, error->message);
	free(context);
	free(error->message);
	error->message = message;
	return error;
}

void error_free(struct error *error)
{
	if (error == NULL)
		return;
	free(error->message);
	free(error);
}

const char *error_class_name(enum error_class class)
{
	switch (class) {
	case ERROR_TRANSIENT:
		return "transient";
	case ERROR_AUTHENTICATION:
		return "authentication";
	case ERROR_CONFIGURATION:
		return "configuration";
	case ERROR_EVENT:
		return "event";
	case ERROR_CONSTRAINT:
		return "constraint";
	case ERROR_TARGET:
		return "target";
	case ERROR_GAP:
		return "gap";
	case ERROR_FENCED:
		return "fenced";
	case ERROR_INTERRUPTED:
		return "interrupted";
	case ERROR_SYSTEM:
		return "system";
	}
	return "unknown";
}
