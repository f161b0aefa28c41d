/*
 * placeholder.h - the forms in which the connector writes "this TOASTed value did not change".
 *
 * NOTES
 *   Each type has a form of its own. All are known beforehand, as the bytes that stand in the message, so a token is
 *   tested by its length first and seldom by its bytes.
 *
 * Source: Debezium, io.debezium.connector.postgresql.UnchangedToastedPlaceholder and
 * UnchangedToastedReplicationMessageColumn; setting unavailable.value.placeholder.
 *
 * Thread: immutable once made.
 */
#ifndef REPLICATOR_EVENT_PLACEHOLDER_H
#define REPLICATOR_EVENT_PLACEHOLDER_H

#include "base/slice.h"
#include "event/json_scan.h"

#define PLACEHOLDER_FORMS 8

struct placeholder {
	struct slice forms[PLACEHOLDER_FORMS]; /* the strings without quotes; owned */
	bool string[PLACEHOLDER_FORMS];        /* a string; else an array or object */
	uint32_t count;
	size_t shortest;
};

void placeholder_init(struct placeholder *placeholder,
                      const char *setting); /* one that config_read_placeholder accepts */
void placeholder_close(struct placeholder *placeholder);

bool placeholder_matches(const struct placeholder *placeholder, const struct scan_token *token);

/* Whether a value is to be left as it is in the target. */
static inline bool placeholder_is(const struct placeholder *placeholder, const struct scan_token *token)
{
	return token->length >= placeholder->shortest && placeholder_matches(placeholder, token);
}

#endif
