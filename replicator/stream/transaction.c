/*
 * transaction.c - the container of one source transaction on its way to the target.
 *
 * NOTES
 *   Both arrays grow by doubling, and their capacity follows from their count (a power of two, at least
 *   SMALLEST_CAPACITY), so that the public struct stays plain.
 */
#include "stream/transaction.h"

#include "base/memory.h"

#include <stdlib.h>

enum { SMALLEST_CAPACITY = 4 };

/* Room for one element more than `count`: the array is full whenever the count is 0 or such a power of two. */
static void *grow_when_full(void *array, size_t count, size_t size)
{
	if (count == 0)
		return memory_grow(array, SMALLEST_CAPACITY, size);
	if (count >= SMALLEST_CAPACITY && (count & (count - 1)) == 0)
		return memory_grow(array, count * 2, size);
	return array;
}

struct transaction *transaction_new(enum transaction_kind kind)
{
	struct transaction *transaction = memory_alloc(sizeof(*transaction));

	transaction->kind = kind;
	transaction->bytes = sizeof(*transaction);
	return transaction;
}

void transaction_add_change(struct transaction *transaction, struct change *change)
{
	transaction->changes =
	    grow_when_full(transaction->changes, transaction->change_count, sizeof(*transaction->changes));
	transaction->changes[transaction->change_count++] = change;
	transaction->event_bytes += change->bytes;
	transaction->bytes += change->bytes + sizeof(change);
}

void transaction_add_position(struct transaction *transaction, const struct position *position)
{
	transaction->positions =
	    grow_when_full(transaction->positions, transaction->position_count, sizeof(*transaction->positions));
	transaction->positions[transaction->position_count++] = *position;
	transaction->bytes += sizeof(*transaction->positions);
}

void transaction_free(struct transaction *transaction)
{
	if (transaction == NULL)
		return;
	for (size_t i = 0; transaction->changes != NULL && i < transaction->change_count; i++)
		change_release(transaction->changes[i]);
	spill_free(transaction->spill);
	free(transaction->changes);
	free(transaction->positions);
	free(transaction);
}
