/*
 * topic_creation.h - with how many partitions Connect creates a topic for a connector.
 *
 * Source: Kafka documentation, "Kafka Connect", topic.creation.groups (KIP-158). Thread: any.
 */
#ifndef REPLICATOR_CONNECT_TOPIC_CREATION_H
#define REPLICATOR_CONNECT_TOPIC_CREATION_H

#include "base/buffer.h"

#include <jansson.h>

/*
 * The number in topic.creation.GROUP.partitions of the first group that includes the topic; in
 * topic.creation.default.partitions when no group includes it, or that group has no number; 0: it is not set, -1: the broker's default. `setting` gets the setting's name. The
 * groups' lists are Java's regular expressions, read as POSIX's: one that POSIX refuses includes every topic.
 */
long topic_creation_partitions(const json_t *connector, const char *topic, struct buffer *setting);

#endif
