/*
 * corpus.h - reads the recorded events of tests/corpus (one Kafka message a line, gzip) for tests. Tests run from the
 * top folder.
 */
#ifndef TESTS_UNIT_CORPUS_H
#define TESTS_UNIT_CORPUS_H

#include "event/decoder.h"

#include <jansson.h>

struct corpus_message {
	struct raw_message raw; /* points into `line` */
	json_t *line;
};

struct corpus {
	struct corpus_message *messages;
	size_t count;
	const char **topics; /* by raw.partition; owned by the lines */
	size_t topic_count;
};

/* Reads tests/corpus/NAME.jsonl.gz; fails the test when it cannot. */
struct corpus *corpus_load(const char *name);
/* One more message behind the others, in the same form. Takes the line. */
void corpus_add(struct corpus *corpus, json_t *line);
void corpus_free(struct corpus *corpus);

#endif
