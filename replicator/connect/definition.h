/*
 * definition.h - a connector's definition, {"name": …, "config": {…}}: read from a file, or made from our own settings.
 * Thread: any.
 */
#ifndef REPLICATOR_CONNECT_DEFINITION_H
#define REPLICATOR_CONNECT_DEFINITION_H

#include <jansson.h>

#include "config/config.h"

struct connector_definition {
	char *name;
	json_t *config; /* text to text */
};

/*
 * Booleans and numbers become texts, as Kafka Connect takes them (org.apache.kafka.connect.runtime.rest.entities.
 * CreateConnectorRequest). ERROR_CONFIGURATION names the file and what is wrong; the definition is then empty.
 */
struct error *definition_read(const char *path, struct connector_definition *definition);

/*
 * A Debezium connector for source.dsn whose events lose as little as can be: plain JSON with the lossless modes,
 * transaction metadata, heartbeats, truncates, unknown types. `managed`: the source has our schema (`init source`), so
 * that the heartbeat writes its row, signals are read, and the publication is there; otherwise the connector makes it. ERROR_CONFIGURATION: settings are missing.
 */
struct error *definition_generate(const struct config *config, bool managed, struct connector_definition *definition);

void definition_free(struct connector_definition *definition); /* what it holds */

/* A setting as text, or `fallback`. */
const char *definition_get(const struct connector_definition *definition, const char *key, const char *fallback);

#endif
