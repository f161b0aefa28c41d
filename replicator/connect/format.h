/*
 * format.h - in which format a connector writes its events, and which settings must be alike on both sides for it.
 *
 * NOTES
 *   A connector without a value.converter has that of its Connect worker. /connectors/NAME/config has the connector's own
 *   settings only, but config/validate answers with the class of the worker's converter (tried with Connect 4.3.1; older
 *   versions answer null). The settings of that converter are not shown anywhere. Whether JSON has schemas is known from
 *   the events themselves (format_of_message), where there are any.
 *
 * Source: Kafka documentation, "Kafka Connect", sections "Configuring Connectors" and "REST API"; Debezium
 * documentation, "Debezium connector for PostgreSQL", "Connector properties".
 *
 * Thread: any.
 */
#ifndef REPLICATOR_CONNECT_FORMAT_H
#define REPLICATOR_CONNECT_FORMAT_H

#include <jansson.h>

#include "base/slice.h"
#include "config/config.h"

enum event_format {
	FORMAT_UNKNOWN,    /* the worker's converter, which nothing shows */
	FORMAT_PLAIN_JSON, /* how a value is written is known from the settings alone */
	FORMAT_WITH_SCHEMA /* JSON with schema, or Avro: the events show how a value is written */
};

/*
 * The class of the worker's value.converter, or NULL (a connector that has one of its own; a worker that does not tell; no
 * answer, of which `tell` gets a warning); free() it. One request to Connect, which starts nothing, for some seconds.
 */
char *format_read_worker(const struct config *config, const json_t *connector,
                         void (*tell)(void *context, bool problem, const char *text), void *context);

/* Of the connector's own settings ({"name": "value", …}, as Connect gives it), and the worker's converter, or NULL. */
enum event_format format_of_connector(const json_t *connector, const char *worker_converter);

/* Of an event, a heartbeat or a transaction boundary event. */
enum event_format format_of_message(struct slice value);

/*
 * Calls `tell` for each setting of ours that is not the connector's. `format` is that of the connector, or where it is
 * unknown that of its messages. `text` lives during the call.
 */
void format_check(const json_t *connector, const char *worker_converter, enum event_format format,
                  const struct config *config, void (*tell)(void *context, bool problem, const char *text),
                  void *context);

#endif
