/*
 * transforms.h - which of a connector's transforms leave out or change events, and which would stop the stream.
 *
 * Source: Kafka documentation, "Kafka Connect", section "Transformations"; Debezium documentation, "Transformations".
 * Thread: any.
 */
#ifndef REPLICATOR_CONNECT_TRANSFORMS_H
#define REPLICATOR_CONNECT_TRANSFORMS_H

#include <jansson.h>
#include <stdbool.h>

#include "config/config.h"

/* Calls `tell` for each finding; `text` lives during the call. topic_names.h checks where transforms send events. */
void transforms_check(const json_t *connector, const struct config *config,
                      void (*tell)(void *context, bool problem, const char *text), void *context);

/* add.fields of the connector's ExtractNewRecordState, "" by default; NULL: no such transform. Lives with `connector`. */
const char *transforms_added_fields(const json_t *connector);

/* Whether a transform with these add.fields gives this name to a field of its own. */
bool transforms_add_field(const char *added_fields, const char *name);

#endif
