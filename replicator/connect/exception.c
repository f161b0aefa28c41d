/* exception.c - see exception.h */
#include "connect/exception.h"

#include "base/buffer.h"
#include "base/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define REASON_BYTES 1000
#define LONGEST_BRACKET 60

/* How messages begin that name servers, settings and objects of a database, and no values. */
static const char *const plain_messages[] = {
    /* Kafka Connect */
    "An exception occurred in the change event producer",
    "Tolerance exceeded in error handler",
    "Unrecoverable exception from producer send callback",
    "Connector configuration is",
    /* Debezium */
    "The connector is trying to read change stream starting at ",
    "Failed to start replication stream at ",
    "Creation of replication slot failed",
    "Could not find the replication slot",
    "Unable to obtain valid replication slot",
    "Unable to create filtered publication ",
    "Unable to create/update publication",
    "No table filters found for filtered publication ",
    "Publication autocreation is disabled",
    "Postgres server wal_level property must be ",
    "Couldn't obtain encoding for database ",
    "Could not execute heartbeat action query",
    "Database connection failed when ",
    "Cannot create replication connection",
    /* The PostgreSQL driver, and what it was told by the server */
    "FATAL: ",
    "PANIC: ",
    "Connection to ",
    "The connection attempt failed",
    "The server requested ",
    "An I/O error occurred while ",
    "This connection has been closed",
    "Database connection failed",
    "ERROR: all replication slots are in use",
    "ERROR: can no longer ",
    "ERROR: cannot ",
    "ERROR: canceling statement due to ",
    "ERROR: could not ",
    "ERROR: logical decoding ",
    "ERROR: must be ",
    "ERROR: permission denied ",
    "ERROR: publication ",
    "ERROR: relation ",
    "ERROR: replication slot ",
    "ERROR: requested WAL segment ",
    "ERROR: role ",
    "ERROR: schema ",
    "ERROR: terminating connection ",
};

/* Exceptions of connections, of Kafka's protocol, and of the virtual machine. */
static const char *const plain_classes[] = {
    "java.net.",
    "java.io.EOFException",
    "java.lang.OutOfMemoryError",
    "javax.net.ssl.",
    "org.apache.kafka.common.errors.",
};
/* Of these, one that speaks of the content of records. */
static const char content_class[] = "org.apache.kafka.common.errors.SerializationException";

struct line {
	const char *text;
	size_t length;
};

static bool begins(struct line line, const char *prefix)
{
	const size_t length = strlen(prefix);

	return line.length >= length && memcmp(line.text, prefix, length) == 0;
}

static void skip(struct line *line, size_t length)
{
	line->text += length;
	line->length -= length;
}

/* The length of the class's name that the text begins with, as `java.io.IOException`; 0: with none. */
static size_t class_length(struct line line)
{
	size_t length = 0;
	bool dots = false;

	for (; length < line.length; length++) {
		const char c = line.text[length];

		if (!isalnum((unsigned char)c) && c != '.' && c != '_' && c != '$')
			break;
		dots = dots || c == '.';
	}
	return dots && (length == line.length || line.text[length] == ':') ? length : 0;
}

static bool is_plain(struct line class, struct line message)
{
	for (size_t i = 0; i < sizeof(plain_messages) / sizeof(*plain_messages); i++)
		if (begins(message, plain_messages[i]))
			return true;
	for (size_t i = 0; i < sizeof(plain_classes) / sizeof(*plain_classes); i++)
		if (begins(class, plain_classes[i]))
			return !begins(class, content_class);
	return false;
}

/* The place after the bracket that closes the one at `text`, or `end`. */
static const char *after_bracket(const char *text, const char *end)
{
	for (int depth = 0; text < end; text++) {
		depth += *text == '[';
		depth -= *text == ']';
		if (depth == 0)
			return text + 1;
	}
	return end;
}

/* Java objects in a message, `PostgresOffsetContext [sourceInfoSchema=…`, would push the point out of sight. */
static void append_message(struct buffer *reason, struct line message)
{
	const char *text = message.text, *end = text + message.length;

	while (text < end) {
		const char *next = *text == '[' ? after_bracket(text, end) : text + 1;

		if (next - text > LONGEST_BRACKET)
			buffer_append_text(reason, "[…]");
		else
			buffer_append(reason, text, (size_t)(next - text));
		text = next;
	}
}

/* `	at module/class.method(file:line)`: the method, NULL text where the line is none. */
static struct line frame_method(struct line line)
{
	const char *bracket, *slash;

	if (!begins(line, "\tat "))
		return (struct line){NULL, 0};
	skip(&line, 4);
	bracket = memchr(line.text, '(', line.length);
	if (bracket != NULL)
		line.length = (size_t)(bracket - line.text);
	slash = memrchr(line.text, '/', line.length);
	if (slash != NULL)
		skip(&line, (size_t)(slash + 1 - line.text));
	return line;
}

static struct line take_line(const char **text)
{
	struct line line = {*text, strcspn(*text, "\n")};

	*text += line.length;
	*text += **text == '\n';
	return line;
}

/* The first method of the trace that is not one of Java's own: what was at work. */
static void append_place(struct buffer *reason, const char *rest)
{
	while (*rest != '\0') {
		const struct line line = take_line(&rest);
		const struct line method = frame_method(line);

		if (begins(line, "Caused by: "))
			return;
		if (method.text == NULL || begins(method, "java.") || begins(method, "jdk."))
			continue;
		buffer_append_text(reason, " at ");
		buffer_append(reason, method.text, method.length);
		return;
	}
}

/* `class: message`, where the message may be another `class: message`. `rest`: the lines after it. */
static void append_exception(struct buffer *reason, struct line line, const char *rest)
{
	struct line class = {line.text, class_length(line)};

	for (;;) {
		buffer_append(reason, class.text, class.length);
		if (class.length == line.length)
			return;
		skip(&line, class.length + 1);
		if (line.length > 0 && *line.text == ' ')
			skip(&line, 1);
		if (class_length(line) == 0)
			break;
		class = (struct line){line.text, class_length(line)};
		buffer_append_text(reason, ": ");
	}
	if (line.length == 0)
		return;
	if (is_plain(class, line)) {
		buffer_append_text(reason, ": ");
		append_message(reason, line);
	} else {
		buffer_append_text(reason, " (message not shown: it may hold values of rows)");
		append_place(reason, rest);
	}
}

static char *steal_visible(struct buffer *reason)
{
	struct buffer visible = {0};

	if (reason->length > 0)
		text_append_visible(&visible, reason->data, reason->length, false);
	buffer_free(reason);
	return visible.length == 0 ? NULL : buffer_steal(&visible);
}

char *exception_text(const char *trace)
{
	struct buffer reason = {0};
	bool first = true;

	while (trace != NULL && *trace != '\0' && reason.length < REASON_BYTES) {
		struct line line = take_line(&trace);
		const bool cause = begins(line, "Caused by: ");

		if (!first && !cause)
			continue;
		if (!first)
			buffer_append_text(&reason, "; ");
		if (cause) {
			buffer_append_text(&reason, "Caused by: ");
			skip(&line, strlen("Caused by: "));
		}
		first = false;
		if (class_length(line) > 0)
			append_exception(&reason, line, trace);
		else
			buffer_append_text(&reason, "text not shown: it may hold values of rows");
	}
	return steal_visible(&reason);
}
