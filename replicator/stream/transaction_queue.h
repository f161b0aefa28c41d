/*
 * transaction_queue.h - the bounded queue of whole transactions between the consumer's thread and the applier's.
 *
 * One producer, one consumer. Bounded by rows and bytes: a full queue refuses, except that an empty one takes any
 * single transaction, whatever its size.
 */
#ifndef REPLICATOR_STREAM_TRANSACTION_QUEUE_H
#define REPLICATOR_STREAM_TRANSACTION_QUEUE_H

#include "stream/transaction.h"

struct transaction_queue;

struct transaction_queue *transaction_queue_new(size_t limit_rows, size_t limit_bytes);
void transaction_queue_free(struct transaction_queue *queue); /* frees what is still in it */

/* Producer. Takes the transaction and returns true; false: full, the caller keeps it. */
bool transaction_queue_offer(struct transaction_queue *queue, struct transaction *transaction);
/* Producer. Waits until there is room, the queue is closed, or the time is over. */
void transaction_queue_wait_room(struct transaction_queue *queue, int timeout_ms);

/*
 * Consumer. Takes the longest run of transactions from the head that stays within `rows` and `bytes` (at least one when
 * there is any), linked by `next`; waits up to timeout_ms for the first. NULL: none came, or the queue was closed.
 */
struct transaction *transaction_queue_take(struct transaction_queue *queue, size_t rows, size_t bytes, int timeout_ms);

/* Either side: no more use; wakes both. What lies in the queue can still be taken. */
void transaction_queue_close(struct transaction_queue *queue);
bool transaction_queue_closed(struct transaction_queue *queue);

size_t transaction_queue_rows(struct transaction_queue *queue);
size_t transaction_queue_bytes(struct transaction_queue *queue);
size_t transaction_queue_own_bytes(struct transaction_queue *queue); /* without the events, which are in slabs */
/* When the source committed the first that tells it; 0: none does. */
int64_t transaction_queue_oldest_us(struct transaction_queue *queue);
size_t transaction_queue_streamed(struct transaction_queue *queue); /* source transactions */

#endif
