/* connector_print.c - what `replicator connector` shows. */
#include "cli/connector.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"
#include "connect/shown_setting.h"

/* A line of which nothing acts on a terminal: texts of Connect may have any character. */
void connector_print_line(FILE *file, const char *format, ...)
{
	struct buffer text = {0}, visible = {0};
	va_list arguments;

	va_start(arguments, format);
	buffer_append_format_v(&text, format, arguments);
	va_end(arguments);
	text_append_visible(&visible, text.data, text.length, false);
	buffer_append_byte(&visible, '\n');
	fwrite(visible.data, 1, visible.length, file);
	buffer_free(&text);
	buffer_free(&visible);
}

/* jansson escapes U+0000 to U+001F, and writes valid UTF-8; the other control characters are escaped here. */
void connector_print_json(const json_t *json)
{
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	struct buffer visible = {0};
	bool control;

	for (const char *at = text; at != NULL && *at != '\0';) {
		const size_t length = text_character_length(at, strlen(at), &control);

		if (control && *at != '\n')
			buffer_append_format(&visible, "\\u%04x", (unsigned)(unsigned char)at[length - 1]);
		else
			buffer_append(&visible, at, length);
		at += length;
	}
	buffer_append_byte(&visible, '\n');
	fwrite(visible.data, 1, visible.length, stdout);
	buffer_free(&visible);
	free(text);
}

static const char *text_of(const json_t *value)
{
	const char *text = json_string_value(value);

	return text != NULL ? text : "";
}

/* Names may be equal without their salts. */
static void set_shown(json_t *shown, const char *key, const json_t *value)
{
	struct buffer name = {0}, text = {0};
	size_t length;

	shown_setting_append_name(&name, key);
	length = name.length;
	for (int number = 2; json_object_get(shown, name.data) != NULL; number++) {
		name.length = length;
		buffer_append_format(&name, " (%d)", number);
	}
	shown_setting_append_value(&text, key, text_of(value));
	json_object_set_new(shown, name.data, json_string(text.data != NULL ? text.data : ""));
	buffer_free(&name);
	buffer_free(&text);
}

void connector_print_config(const json_t *config)
{
	json_t *shown = json_object();
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)config, key, value) set_shown(shown, key, value);
	connector_print_json(shown);
	json_decref(shown);
}

static void append_value(struct buffer *text, const char *key, const json_t *value)
{
	if (value == NULL)
		buffer_append_text(text, "(not set)");
	else
		shown_setting_append_value(text, key, text_of(value));
}

static void print_change(const char *key, const json_t *before, const json_t *after)
{
	struct buffer text = {0};

	shown_setting_append_name(&text, key);
	buffer_append_text(&text, ": ");
	append_value(&text, key, before);
	buffer_append_text(&text, " → ");
	append_value(&text, key, after);
	connector_print_line(stdout, "  %s", text.data);
	buffer_free(&text);
}

void connector_print_difference(const char *name, const json_t *before, const json_t *after)
{
	size_t count = 0;
	const char *key;
	json_t *value;

	connector_print_line(stdout, "connector %s is updated", name);
	json_object_foreach((json_t *)(uintptr_t)after, key, value)
	{
		if (json_equal(json_object_get(before, key), value))
			continue;
		print_change(key, json_object_get(before, key), value);
		count++;
	}
	json_object_foreach((json_t *)(uintptr_t)before, key, value)
	{
		if (strcmp(key, "name") == 0 || json_object_get(after, key) != NULL)
			continue;
		print_change(key, value, NULL);
		count++;
	}
	if (count == 0)
		puts("  nothing changed");
}

/* What Connect says of a value may quote it. */
static void print_problem(const char *setting, const json_t *error)
{
	struct buffer text = {0};

	shown_setting_append_name(&text, setting);
	buffer_append_text(&text, ": ");
	if (shown_setting_is_secret(setting))
		buffer_append_text(&text,
		                   "Connect refuses the value (its message is not shown: it may have the value)");
	else
		shown_setting_append_value(&text, setting, text_of(error));
	connector_print_line(stderr, "problem: %s", text.data);
	buffer_free(&text);
}

size_t connector_print_validation(const char *name, const json_t *answer)
{
	size_t problems = 0;
	size_t index, number;
	json_t *entry, *error;

	json_array_foreach(json_object_get(answer, "configs"), index, entry)
	{
		const json_t *value = json_object_get(entry, "value");

		json_array_foreach(json_object_get(value, "errors"), number, error)
		{
			print_problem(text_of(json_object_get(value, "name")), error);
			problems++;
		}
	}
	if (problems == 0)
		connector_print_line(stdout, "connector %s: Connect accepts the %zu settings", name,
		                     json_array_size(json_object_get(answer, "configs")));
	return problems;
}

static void count_tasks(const json_t *tasks, size_t *running, size_t *failed)
{
	size_t index;
	json_t *task;

	*running = *failed = 0;
	json_array_foreach(tasks, index, task)
	{
		const char *state = json_string_value(json_object_get(task, "state"));

		*running += state != NULL && strcmp(state, "RUNNING") == 0;
		*failed += state != NULL && strcmp(state, "FAILED") == 0;
	}
}

static const char *text_at(const json_t *object, const char *a, const char *b)
{
	const char *text = json_string_value(json_object_get(json_object_get(object, a), b));

	return text != NULL ? text : "";
}

void connector_print_list(const json_t *answer)
{
	const char *name;
	json_t *entry;

	connector_print_line(stdout, "%-32s %-12s %-8s %s", "connector", "state", "tasks", "class");
	json_object_foreach((json_t *)answer, name, entry)
	{
		const json_t *status = json_object_get(entry, "status");
		const json_t *tasks = json_object_get(status, "tasks");
		size_t running, failed;
		char count[48];

		count_tasks(tasks, &running, &failed);
		snprintf(count, sizeof(count), "%zu/%zu", running, json_array_size(tasks));
		connector_print_line(stdout, "%-32s %-12s %-8s %s%s", name, text_at(status, "connector", "state"),
		                     count, text_at(json_object_get(entry, "info"), "config", "connector.class"),
		                     failed > 0 ? "  (a task has FAILED: `replicator connector status` says why)" : "");
	}
}

void connector_print_status(const char *name, const struct connector_status *status)
{
	connector_print_line(stdout, "connector %s: %s (on %s)", name, status->state, status->worker);
	if (status->reason != NULL)
		connector_print_line(stdout, "  %s", status->reason);
	for (size_t i = 0; i < status->task_count; i++) {
		const struct connector_task *task = &status->tasks[i];

		connector_print_line(stdout, "  task %d: %s (on %s)", task->id, task->state, task->worker);
		if (task->reason != NULL)
			connector_print_line(stdout, "    %s", task->reason);
	}
	if (status->task_count == 0)
		puts("  no task");
	if (strcmp(connector_worst_state(status), "FAILED") == 0)
		connector_print_line(
		    stdout,
		    "  remedy: fix the cause, then `replicator connector restart %s` (`connector status %s --trace` "
		    "shows the whole text, which may hold values of rows)",
		    name, name);
}
