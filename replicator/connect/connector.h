/*
 * connector.h - one connector at Kafka Connect: what it does, and what can be asked of it. Errors as client.h says.
 * Thread: any.
 */
#ifndef REPLICATOR_CONNECT_CONNECTOR_H
#define REPLICATOR_CONNECT_CONNECTOR_H

#include <jansson.h>

#include "config/config.h"

struct connector_task {
	int id;
	char *state; /* RUNNING, FAILED, PAUSED, UNASSIGNED, RESTARTING, DESTROYED */
	char *worker;
	char *reason; /* of FAILED: exception_text, one line without values of rows; else NULL */
};

struct connector_status {
	bool exists;
	char *state; /* of the connector itself */
	char *worker;
	char *reason;
	struct connector_task *tasks;
	size_t task_count;
};

/* `timeout_ms` bounds the one request. A connector that is not there is no error. */
struct error *connector_read_status(const struct config *config, const char *name, int timeout_ms,
                                    struct connector_status *status);
void connector_status_free(struct connector_status *status); /* what it holds */

/* RUNNING when connector and tasks run, else the worst state; UNASSIGNED as long as there is no task, MISSING. */
const char *connector_worst_state(const struct connector_status *status);
/* Of the connector or the first failed task, or NULL. */
const char *connector_reason(const struct connector_status *status);

/* `/connectors/NAME` + rest */
struct error *connector_call(const struct config *config, const char *method, const char *name, const char *rest,
                             const json_t *body, json_t **answer);

/* Restarts connector and tasks, or only what failed of them. */
struct error *connector_restart(const struct config *config, const char *name, bool only_failed);

#endif
