/*
 * topic_names.h - whether a connector names its topics as the stream expects them: PREFIX.schema.table and
 * PREFIX.transaction, unless kafka.topics names others.
 *
 * Source: Debezium documentation, "Debezium connector for PostgreSQL", "Connector properties" (topic.prefix,
 * topic.delimiter, topic.naming.strategy, topic.transaction) and "Topic routing".
 *
 * Thread: any.
 */
#ifndef REPLICATOR_CONNECT_TOPIC_NAMES_H
#define REPLICATOR_CONNECT_TOPIC_NAMES_H

#include <jansson.h>

#include "config/config.h"

/*
 * Calls `tell` for each setting of the connector's configuration ({"name": "value", …}, as Connect gives it) that gives
 * topics other names. `text` lives during the call.
 */
void topic_names_check(const json_t *connector, const struct config *config,
                       void (*tell)(void *context, bool problem, const char *text), void *context);

/*
 * Appends Debezium's name of a table's topic, PREFIX.schema.table: each UTF-16 code unit that Kafka does not allow in it
 * becomes "_". Source: io.debezium.schema.AbstractTopicNamingStrategy, sanitizedTopicName.
 */
void topic_name_append(struct buffer *topic, const char *prefix, const char *schema, const char *table);

#endif
