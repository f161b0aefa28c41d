/* decode_mark.c - BEGIN and END of the transaction topic. */
#include "event/decode.h"

#include "base/memory.h"

#include <stdlib.h>

static const struct slice no_column;

static const struct collection *find_collection(struct decoder *decoder, struct slice name)
{
	static const char message_id[] = "LogicalDecodingMessageId@";
	const struct collection *collection = map_get(decoder->collections, name);

	if (collection != NULL)
		return collection;
	/* A Java object's name, with a number that is another each time (dbz: LogicalDecodingMessageMonitor). */
	if (memmem(name.data, name.length, message_id, sizeof(message_id) - 1) != NULL)
		return registry_message_collection();
	collection = registry_collection_named(name);
	map_put(decoder->collections, name, (void *)(uintptr_t)collection);
	return collection;
}

static const struct collection *collection_of(struct decoder *decoder, const struct scan_token *name)
{
	const struct collection *collection;
	char *plain;

	if (!name->escaped)
		return find_collection(decoder, (struct slice){name->data, name->length});
	plain = memory_alloc(name->length);
	collection = find_collection(decoder, (struct slice){plain, scan_unescape(name, plain)});
	free(plain);
	return collection;
}

/* {"data_collection":"public.customers","event_count":1} */
static bool read_count(struct decoder *decoder, struct scan_cursor *cursor, struct collection_count *count)
{
	static const struct scan_field fields[] = {SCAN_FIELD("data_collection"), SCAN_FIELD("event_count")};
	struct scan_walk walk;
	struct scan_token token;
	unsigned seen = 0;
	int field;

	if (!scan_walk_begin(&walk, cursor, fields, 2))
		return false;
	while ((field = scan_walk_next(&walk, cursor)) >= SCAN_FIELD_UNKNOWN) {
		if (!scan_value(cursor, &token))
			return false;
		if (field == 0 && token.kind == SCAN_STRING) {
			count->collection = collection_of(decoder, &token);
			seen |= 1;
		} else if (field == 1 && scan_unsigned(&token, &count->count)) {
			seen |= 2;
		}
	}
	if (field == SCAN_FIELD_END && seen != 3)
		return scan_fail(cursor, "an entry without its name or its count");
	return field == SCAN_FIELD_END;
}

static struct collection_count *next_count(struct decoder *decoder, uint32_t count)
{
	if (count == decoder->count_capacity) {
		decoder->count_capacity = decoder->count_capacity * 2 + 16;
		decoder->counts = memory_grow(decoder->counts, decoder->count_capacity, sizeof(*decoder->counts));
	}
	return &decoder->counts[count];
}

static bool read_counts(struct decoder *decoder, struct scan_cursor *cursor, uint32_t *count)
{
	const struct scan_token *list = &decoder->envelope.data_collections;

	*count = 0;
	scan_begin(cursor, (struct slice){list->data, list->length});
	if (list->kind == SCAN_NULL)
		return true;
	if (list->kind != SCAN_ARRAY)
		return scan_fail(cursor, "no array");
	cursor->at++;
	while (scan_next_element(cursor, *count == 0)) {
		if (!read_count(decoder, cursor, next_count(decoder, *count)))
			return false;
		(*count)++;
	}
	return cursor->problem == NULL;
}

static void fill_mark(struct transaction_mark *mark, const struct envelope *envelope, const struct raw_message *message)
{
	memset(mark, 0, sizeof(*mark));
	mark->tx_id = envelope->mark_tx_id;
	mark->lsn = envelope->mark_lsn;
	mark->event_count = envelope->event_count;
	mark->partition = message->partition;
	mark->offset = message->offset;
	mark->timestamp_ms = message->timestamp_ms;
	mark->end = envelope->end;
}

struct error *decode_mark(struct decoder *decoder, const struct raw_message *message, struct slab_writer *writer,
                          struct transaction_mark **result)
{
	struct scan_cursor cursor;
	struct transaction_mark *mark;
	struct collection_count *counts;
	uint32_t count = 0;
	size_t bytes;
	int64_t source_us;

	if (decoder->envelope.end && !read_counts(decoder, &cursor, &count))
		return decode_error(message, "data_collections", no_column, cursor.problem);
	if (__builtin_mul_overflow(decoder->envelope.ts_ms, 1000, &source_us))
		return decode_error(message, "ts_ms", no_column, "no time");
	bytes = sizeof(*mark) + count * sizeof(*counts);
	mark = slab_reserve(writer, bytes);
	counts = (struct collection_count *)(mark + 1);
	fill_mark(mark, &decoder->envelope, message);
	mark->source_us = source_us;
	if (count > 0) {
		memcpy(counts, decoder->counts, count * sizeof(*counts));
		mark->counts = counts;
		mark->count_count = count;
	}
	mark->slab = slab_commit(writer, bytes);
	*result = mark;
	return NULL;
}
