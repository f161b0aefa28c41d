/*
 * partition.h - the numbered list of Kafka partitions that the stream reads.
 *
 * The consumer's thread appends; entries never move or change their topic and id, so that other threads may read the
 * names of numbers that they were given.
 */
#ifndef REPLICATOR_STREAM_PARTITION_H
#define REPLICATOR_STREAM_PARTITION_H

#include <stddef.h>
#include <stdint.h>

struct partition_name {
	const char *topic;
	int32_t id;
};

struct partition_list;

struct partition_list *partition_list_new(void);
void partition_list_free(struct partition_list *list);
uint32_t partition_list_add(struct partition_list *list, const char *topic,
                            int32_t id); /* the number; known: the same */
const struct partition_name *partition_list_get(const struct partition_list *list, uint32_t number);
uint32_t partition_list_count(const struct partition_list *list);

#endif
