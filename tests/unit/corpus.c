/* corpus.c - see corpus.h */
#include "corpus.h"

#include "base/memory.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct slice text_slice(const json_t *text)
{
	return (struct slice){json_string_value(text), json_string_length(text)};
}

static enum header_lookup find_header(const struct raw_message *message, const char *name, struct slice *value)
{
	const json_t *headers = json_object_get(message->handle, "headers");

	for (size_t i = 0; i < json_array_size(headers); i++) {
		const json_t *header = json_array_get(headers, i);

		if (strcmp(json_string_value(json_array_get(header, 0)), name) == 0) {
			*value = text_slice(json_array_get(header, 1));
			return HEADER_FOUND;
		}
	}
	return HEADER_ABSENT;
}

static uint32_t number_of(struct corpus *corpus, const char *topic)
{
	for (size_t i = 0; i < corpus->topic_count; i++)
		if (strcmp(corpus->topics[i], topic) == 0)
			return (uint32_t)i;
	corpus->topics = memory_grow(corpus->topics, corpus->topic_count + 1, sizeof(*corpus->topics));
	corpus->topics[corpus->topic_count] = topic;
	return (uint32_t)corpus->topic_count++;
}

void corpus_add(struct corpus *corpus, json_t *line)
{
	struct corpus_message *message;

	corpus->messages = memory_grow(corpus->messages, corpus->count + 1, sizeof(*corpus->messages));
	message = &corpus->messages[corpus->count++];
	memset(message, 0, sizeof(*message));
	message->line = line;
	message->raw.topic = json_string_value(json_object_get(line, "topic"));
	message->raw.partition = number_of(corpus, message->raw.topic);
	message->raw.partition_id = (int32_t)json_integer_value(json_object_get(line, "partition"));
	message->raw.offset = json_integer_value(json_object_get(line, "offset"));
	message->raw.timestamp_ms = json_integer_value(json_object_get(line, "timestamp"));
	message->raw.key = text_slice(json_object_get(line, "key"));
	message->raw.value = text_slice(json_object_get(line, "value"));
	message->raw.header = find_header;
	message->raw.handle = line;
}

static void add_text(struct corpus *corpus, const char *text, size_t length)
{
	json_error_t error;
	json_t *line = json_loadb(text, length, 0, &error);

	ck_assert_msg(line != NULL, "corpus line %zu: %s", corpus->count + 1, error.text);
	corpus_add(corpus, line);
}

struct corpus *corpus_load(const char *name)
{
	struct corpus *corpus = memory_alloc(sizeof(*corpus));
	char *command = memory_format("gzip -dc tests/corpus/%s.jsonl.gz", name);
	FILE *pipe = popen(command, "r");
	char *text = NULL;
	size_t capacity = 0;
	ssize_t length;

	ck_assert_ptr_nonnull(pipe);
	while ((length = getline(&text, &capacity, pipe)) > 0)
		add_text(corpus, text, (size_t)length);
	free(text);
	ck_assert_int_eq(pclose(pipe), 0);
	ck_assert_uint_gt(corpus->count, 300);
	free(command);
	return corpus;
}

void corpus_free(struct corpus *corpus)
{
	for (size_t i = 0; i < corpus->count; i++)
		json_decref(corpus->messages[i].line);
	free(corpus->messages);
	free(corpus->topics);
	free(corpus);
}
