/* connector_print.c - what `replicator connector` shows. */
#include "cli/connector.h"

#include <stdio.h>
#include <string.h>

#define MASK "********"

static const char *shown(const char *key, const json_t *value)
{
	if (value == NULL)
		return "(not set)";
	return connector_setting_is_secret(key) ? MASK : json_string_value(value);
}

void connector_print_config(const json_t *config)
{
	json_t *copy = json_copy((json_t *)config);
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)config, key, value)
	{
		(void)value;
		if (connector_setting_is_secret(key))
			json_object_set_new(copy, key, json_string(MASK));
	}
	json_dumpf(copy, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
	putchar('\n');
	json_decref(copy);
}

static size_t print_changed(const json_t *before, const json_t *after)
{
	size_t count = 0;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)after, key, value)
	{
		const json_t *old = json_object_get(before, key);

		if (json_equal(old, value))
			continue;
		printf("  %s: %s → %s\n", key, shown(key, old), shown(key, value));
		count++;
	}
	return count;
}

void connector_print_difference(const char *name, const json_t *before, const json_t *after)
{
	size_t count;
	const char *key;
	json_t *value;

	printf("connector %s is updated\n", name);
	count = print_changed(before, after);
	json_object_foreach((json_t *)before, key, value)
	{
		if (strcmp(key, "name") == 0 || json_object_get(after, key) != NULL)
			continue;
		printf("  %s: %s → (not set)\n", key, shown(key, value));
		count++;
	}
	if (count == 0)
		puts("  nothing changed");
}

size_t connector_print_validation(const char *name, const json_t *answer)
{
	size_t problems = 0;
	size_t index, number;
	json_t *entry, *error;

	json_array_foreach(json_object_get(answer, "configs"), index, entry)
	{
		const json_t *value = json_object_get(entry, "value");
		const char *setting = json_string_value(json_object_get(value, "name"));

		json_array_foreach(json_object_get(value, "errors"), number, error)
		{
			fprintf(stderr, "problem: %s: %s\n", setting, json_string_value(error));
			problems++;
		}
	}
	if (problems == 0)
		printf("connector %s: Connect accepts the %zu settings\n", name,
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

	printf("%-32s %-12s %-8s %s\n", "connector", "state", "tasks", "class");
	json_object_foreach((json_t *)answer, name, entry)
	{
		const json_t *status = json_object_get(entry, "status");
		const json_t *tasks = json_object_get(status, "tasks");
		size_t running, failed;
		char count[48];

		count_tasks(tasks, &running, &failed);
		snprintf(count, sizeof(count), "%zu/%zu", running, json_array_size(tasks));
		printf("%-32s %-12s %-8s %s%s\n", name, text_at(status, "connector", "state"), count,
		       text_at(json_object_get(entry, "info"), "config", "connector.class"),
		       failed > 0 ? "  (a task has FAILED: `replicator connector status` says why)" : "");
	}
}

void connector_print_status(const char *name, const struct connector_status *status)
{
	printf("connector %s: %s (on %s)\n", name, status->state, status->worker);
	if (status->reason != NULL)
		printf("  %s\n", status->reason);
	for (size_t i = 0; i < status->task_count; i++) {
		const struct connector_task *task = &status->tasks[i];

		printf("  task %d: %s (on %s)\n", task->id, task->state, task->worker);
		if (task->reason != NULL)
			printf("    %s\n", task->reason);
	}
	if (status->task_count == 0)
		puts("  no task");
	if (strcmp(connector_worst_state(status), "FAILED") == 0)
		printf("  remedy: fix the cause, then `replicator connector restart %s` (`connector status %s --trace` "
		       "shows the whole text, which may hold values of rows)\n",
		       name, name);
}
