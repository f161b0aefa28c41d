/* log.c - see log.h */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/text.h"

static atomic_int lowest_level = LOG_INFO;
static atomic_bool json_lines;

static const char *const text_names[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};
static const char *const json_names[] = {"debug", "info", "warning", "error"};

void log_configure(enum log_level lowest, bool json)
{
	atomic_store(&lowest_level, (int)lowest);
	atomic_store(&json_lines, json);
}

bool log_enabled(enum log_level level)
{
	return (int)level >= atomic_load_explicit(&lowest_level, memory_order_relaxed);
}

/* A message is one line: control characters would break it, in a terminal too. */
static void append_text(struct buffer *line, const char *message)
{
	size_t left = strlen(message);
	bool control;

	for (size_t size; left > 0; message += size, left -= size) {
		size = text_character_length(message, left, &control);
		if (*message == '\n')
			buffer_append_text(line, "\n    "); /* many problems in one error: a line each, indented */
		else if (control)
			buffer_append_byte(line, ' ');
		else
			buffer_append(line, message, size);
	}
}

static void append_json_string(struct buffer *line, const char *message)
{
	size_t left = strlen(message);
	bool control;

	buffer_append_byte(line, '"');
	for (size_t size; left > 0; message += size, left -= size) {
		size = text_character_length(message, left, &control);
		if (*message == '"' || *message == '\\')
			buffer_append_format(line, "\\%c", *message);
		else if (*message == '\n')
			buffer_append_text(line, "\\n");
		else if (control) /* a byte that is not UTF-8 becomes the character of its number */
			buffer_append_format(line, "\\u%04x", (unsigned)(unsigned char)message[size - 1]);
		else
			buffer_append(line, message, size);
	}
	buffer_append_byte(line, '"');
}

static void append_line(struct buffer *line, enum log_level level, const char *message)
{
	char now[32];

	clock_format_utc(clock_wall_us(), now, sizeof(now));
	if (atomic_load(&json_lines)) {
		buffer_append_format(line, "{\"ts\":\"%s\",\"level\":\"%s\",\"msg\":", now, json_names[level]);
		append_json_string(line, message);
		buffer_append_text(line, "}\n");
	} else {
		buffer_append_format(line, "%s %s ", now, text_names[level]);
		append_text(line, message);
		buffer_append_byte(line, '\n');
	}
}

/* When standard error is gone there is nowhere left to say so. */
static void write_all(const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(STDERR_FILENO, data, length);

		if (written < 0 && errno != EINTR)
			return;
		if (written > 0) {
			data += written;
			length -= (size_t)written;
		}
	}
}

void log_write(enum log_level level, const char *format, ...)
{
	struct buffer line = {0};
	char *message = NULL;
	va_list arguments;
	int length;

	if (!log_enabled(level))
		return;
	va_start(arguments, format);
	length = vasprintf(&message, format, arguments);
	va_end(arguments);
	append_line(&line, level, length < 0 ? "(a message could not be formatted)" : message);
	write_all(line.data, line.length);
	if (length >= 0)
		free(message);
	buffer_free(&line);
}
