/*
 * source_wait.c - what the consumer waits for, for the status: other threads read it.
 */
#include "stream/source_internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define TOLD_AFTER_US 10000000

struct source_wait {
	pthread_mutex_t lock; /* of all that follows */
	char text[WAIT_TEXT_SIZE];
	int64_t since_us;
	uint32_t missing;
	bool misnamed;
};

struct source_wait *source_wait_new(void)
{
	struct source_wait *wait = memory_alloc(sizeof(*wait));

	pthread_mutex_init(&wait->lock, NULL);
	return wait;
}

void source_wait_free(struct source_wait *wait)
{
	if (wait == NULL)
		return;
	pthread_mutex_destroy(&wait->lock);
	free(wait);
}

/* Events were read, and their END has no topic. */
static bool lacks_ends(const struct source *source)
{
	return source->lacks_transaction_topic && assembler_total_waiting_bytes(source->assembler) > 0;
}

/* What keeps the next transaction from being whole. While the queue to the applier is full, nothing does. */
static char *describe_head(const struct source *source)
{
	if (source->assigned_count == 0 && source->no_topics_said)
		return memory_format("a topic that matches %s: Kafka has none%s%s", topic_filter_text(source->filter),
		                     source->alike == NULL ? "" : ", but ", source->alike == NULL ? "" : source->alike);
	if (source->pending != NULL || source->assigned_count == 0)
		return NULL;
	if (lacks_ends(source))
		return memory_format("the transaction topic, which Kafka does not have (kafka.transaction_topic)");
	return assembler_describe_wait(source->assembler);
}

void source_wait_tell(struct source *source, int64_t now)
{
	struct source_wait *wait = source->wait;
	struct buffer text = {0}, missing = {0};
	uint32_t count = source_describe_missing(source, &missing);
	char *head = describe_head(source);
	bool waits = head != NULL && now - source->last_hand_over_us >= TOLD_AFTER_US;

	if (waits)
		buffer_append_text(&text, head);
	if (count > 0)
		buffer_append_format(&text, "%s%s", waits ? "; " : "", missing.data);
	pthread_mutex_lock(&wait->lock);
	snprintf(wait->text, sizeof(wait->text), "%s", text.length > 0 ? text.data : "");
	wait->since_us = waits ? source->last_hand_over_us : 0;
	wait->missing = count;
	wait->misnamed = source->alike != NULL || (waits && lacks_ends(source));
	pthread_mutex_unlock(&wait->lock);
	free(head);
	buffer_free(&text);
	buffer_free(&missing);
}

void source_wait_read(struct source_wait *wait, struct source_state *state)
{
	pthread_mutex_lock(&wait->lock);
	memcpy(state->waiting_for, wait->text, sizeof(state->waiting_for));
	state->waiting_since_us = wait->since_us;
	state->missing_partitions = wait->missing;
	state->misnamed_topics = wait->misnamed;
	pthread_mutex_unlock(&wait->lock);
}
