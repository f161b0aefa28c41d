/* topic_filter.h - which topics belong to the stream: kafka.topics, or all that begin with kafka.topic_prefix. Any thread. */
#ifndef REPLICATOR_STREAM_TOPIC_FILTER_H
#define REPLICATOR_STREAM_TOPIC_FILTER_H

#include "base/error.h"
#include "config/config.h"

struct topic_filter;

/* ERROR_CONFIGURATION: an entry is not a regular expression. Holds texts of `config`. */
struct error *topic_filter_new(const struct config *config, struct topic_filter **filter);
void topic_filter_free(struct topic_filter *filter); /* NULL is allowed */
bool topic_filter_matches(const struct topic_filter *filter, const char *topic);

#endif
