/* alignment.c - see alignment.h */
#include "stream/alignment.h"

#include <xxhash.h>

static uint64_t hash_value(const struct value *value, uint64_t seed)
{
	return XXH3_64bits_withSeed(value->data == NULL ? "" : value->data, value->length, seed + value->kind);
}

uint64_t alignment_identity(const struct change *change)
{
	const struct relation *relation = change->relation;
	const struct value *row = change->operation == CHANGE_DELETE ? change->before : change->after;
	const uint64_t head[2] = {relation->collection->number, change->operation};
	uint64_t hash = XXH3_64bits(head, sizeof(head));

	if (row == NULL)
		return hash;
	for (uint32_t i = 0; i < relation->key_count; i++)
		hash = hash_value(&row[relation->key_columns[i]], hash);
	for (uint32_t i = 0; relation->key_count == 0 && i < relation->column_count; i++)
		hash = hash_value(&row[i], hash);
	return hash;
}

struct event_place alignment_place(const struct change *change, uint64_t place, bool hash)
{
	return (struct event_place){
	    .lsn = change->lsn,
	    .number = change->total_order,
	    .identity = hash ? alignment_identity(change) : 0,
	    .place = place,
	    .collection = change->relation->collection->number,
	    .first_half = change->operation == CHANGE_DELETE && change->other_key != NULL,
	    .keyless = change->relation->key_count == 0 && change->operation != CHANGE_TRUNCATE &&
	               change->operation != CHANGE_MESSAGE,
	};
}

int alignment_compare(const void *a, const void *b)
{
	const struct event_place *first = a;
	const struct event_place *second = b;

	if (first->lsn != second->lsn)
		return first->lsn < second->lsn ? -1 : 1;
	if (first->first_half != second->first_half)
		return first->first_half ? -1 : 1;
	return (first->number > second->number) - (first->number < second->number);
}

/* Whether the event stands among the first `count` of its LSN, which are no repeats. */
static bool is_repeat(struct alignment *alignment, const struct event_place *kept, size_t count,
                      const struct event_place *event)
{
	for (size_t i = count; i > 0; i--) {
		const struct event_place *other = &kept[i - 1];

		if (!alignment->by_identity && other->number != event->number)
			return false; /* the numbers are in order: no other can be equal */
		if (other->identity != event->identity)
			continue;
		if (event->keyless && other->number != event->number) {
			alignment->ambiguous = true;
			alignment->ambiguous_collection = event->collection;
		}
		return true;
	}
	return false;
}

void event_numbers_add(struct event_numbers *numbers, uint64_t number)
{
	if (numbers->first == 0 || number != numbers->last + 1) {
		numbers->before = numbers->last;
		numbers->first = number;
	}
	numbers->restart = numbers->restart || (number == 1 && numbers->last != 0);
	numbers->last = number;
}

size_t alignment_drop_repeats(struct alignment *alignment, struct event_place *group, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct event_place event = group[i];

		if (kept > 0 && is_repeat(alignment, group, kept, &event))
			continue;
		if (event.number <= alignment->numbers.last)
			alignment->anew = true;
		event_numbers_add(&alignment->numbers, event.number);
		alignment->count(event.collection, alignment->context);
		group[i] = group[kept];
		group[kept++] = event;
	}
	return kept;
}

bool alignment_begin_again(struct alignment *alignment)
{
	if (!alignment->anew || alignment->by_identity)
		return false;
	alignment->by_identity = true;
	alignment->numbers = (struct event_numbers){0};
	alignment->restart(alignment->context);
	return true;
}
