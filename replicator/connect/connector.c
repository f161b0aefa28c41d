/* connector.c - see connector.h */
#include "connect/connector.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "connect/client.h"
#include "connect/exception.h"

static char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return memory_copy_text(text != NULL ? text : "");
}

static char *reason_of(const json_t *object)
{
	return exception_text(json_string_value(json_object_get(object, "trace")));
}

static void take_status(const json_t *root, struct connector_status *status)
{
	const json_t *connector = json_object_get(root, "connector");
	const json_t *tasks = json_object_get(root, "tasks");

	status->exists = true;
	status->state = text_of(connector, "state");
	status->worker = text_of(connector, "worker_id");
	status->reason = reason_of(connector);
	status->task_count = json_array_size(tasks);
	status->tasks = memory_alloc((status->task_count + 1) * sizeof(*status->tasks));
	for (size_t i = 0; i < status->task_count; i++) {
		const json_t *task = json_array_get(tasks, i);

		status->tasks[i] = (struct connector_task){
		    .id = (int)json_integer_value(json_object_get(task, "id")),
		    .state = text_of(task, "state"),
		    .worker = text_of(task, "worker_id"),
		    .reason = reason_of(task),
		};
	}
}

struct error *connector_read_status(const struct config *config, const char *name, int timeout_ms,
                                    struct connector_status *status)
{
	json_t *answer = NULL;
	const json_t *entry;

	*status = (struct connector_status){0};
	/* The list answers for an absent one, too, and without an error in Connect's log. */
	TRY(connect_call_once(config, "GET", "/connectors?expand=status", NULL, timeout_ms, &answer));
	entry = json_object_get(json_object_get(answer, name), "status");
	if (entry != NULL)
		take_status(entry, status);
	json_decref(answer);
	return NULL;
}

void connector_status_free(struct connector_status *status)
{
	for (size_t i = 0; i < status->task_count; i++) {
		free(status->tasks[i].state);
		free(status->tasks[i].worker);
		free(status->tasks[i].reason);
	}
	free(status->tasks);
	free(status->state);
	free(status->worker);
	free(status->reason);
	*status = (struct connector_status){0};
}

const char *connector_worst_state(const struct connector_status *status)
{
	const char *worst = "RUNNING";

	if (!status->exists)
		return "MISSING";
	if (strcmp(status->state, "RUNNING") != 0)
		return status->state;
	for (size_t i = 0; i < status->task_count; i++) {
		if (strcmp(status->tasks[i].state, "FAILED") == 0)
			return "FAILED";
		if (strcmp(status->tasks[i].state, "RUNNING") != 0)
			worst = status->tasks[i].state;
	}
	return status->task_count == 0 ? "UNASSIGNED" : worst;
}

const char *connector_reason(const struct connector_status *status)
{
	if (status->reason != NULL)
		return status->reason;
	for (size_t i = 0; i < status->task_count; i++) {
		if (status->tasks[i].reason != NULL)
			return status->tasks[i].reason;
	}
	return NULL;
}

struct error *connector_call(const struct config *config, const char *method, const char *name, const char *rest,
                             const json_t *body, json_t **answer)
{
	struct buffer path = {0};
	struct error *error;

	buffer_append_text(&path, "/connectors/");
	connect_append_name(&path, name);
	buffer_append_text(&path, rest);
	error = connect_call(config, method, path.data, body, answer);
	buffer_free(&path);
	return error_wrap(error, "connector %s", name);
}

struct error *connector_restart(const struct config *config, const char *name, bool only_failed)
{
	return connector_call(config, "POST", name,
	                      only_failed ? "/restart?includeTasks=true&onlyFailed=true" : "/restart?includeTasks=true",
	                      NULL, NULL);
}
