/*
 * transaction_queue.c - the bounded hand-over between the consumer's thread and the applier's.
 *
 * NOTES
 *   The producer offers many small transactions, the consumer takes them in long runs: an offer is a lock without
 *   contention and, only when the consumer sleeps, one signal. A refused offer leaves its size behind, so that the
 *   producer is woken when this very transaction fits and not at each row that leaves.
 */
#include "stream/transaction_queue.h"

#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct transaction_queue {
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	pthread_cond_t drained;
	struct transaction *head;
	struct transaction *tail;
	size_t rows;
	size_t bytes;
	size_t own_bytes; /* of these, without the events */
	size_t streamed;  /* transactions of the source */
	size_t limit_rows;
	size_t limit_bytes;
	size_t refused_rows; /* of the offer that was refused last */
	size_t refused_bytes;
	bool consumer_waits;
	bool producer_waits;
	bool closed;
};

static void condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

struct transaction_queue *transaction_queue_new(size_t limit_rows, size_t limit_bytes)
{
	struct transaction_queue *queue = memory_alloc(sizeof(*queue));

	pthread_mutex_init(&queue->mutex, NULL);
	condition_init(&queue->filled);
	condition_init(&queue->drained);
	queue->limit_rows = limit_rows;
	queue->limit_bytes = limit_bytes;
	return queue;
}

void transaction_queue_free(struct transaction_queue *queue)
{
	struct transaction *next;

	if (queue == NULL)
		return;
	for (struct transaction *transaction = queue->head; transaction != NULL; transaction = next) {
		next = transaction->next;
		transaction_free(transaction);
	}
	pthread_cond_destroy(&queue->drained);
	pthread_cond_destroy(&queue->filled);
	pthread_mutex_destroy(&queue->mutex);
	free(queue);
}

static bool fits(const struct transaction_queue *queue, size_t rows, size_t bytes)
{
	return queue->head == NULL ||
	       (queue->rows + rows <= queue->limit_rows && queue->bytes + bytes <= queue->limit_bytes);
}

static void append(struct transaction_queue *queue, struct transaction *transaction)
{
	transaction->next = NULL;
	if (queue->head == NULL)
		queue->head = transaction;
	else
		queue->tail->next = transaction;
	queue->tail = transaction;
	queue->rows += transaction->change_count;
	queue->bytes += transaction->bytes;
	queue->own_bytes += transaction->bytes - transaction->event_bytes;
	queue->streamed += transaction->kind == TRANSACTION_STREAMED;
}

bool transaction_queue_offer(struct transaction_queue *queue, struct transaction *transaction)
{
	bool taken;
	bool wake;

	pthread_mutex_lock(&queue->mutex);
	taken = !queue->closed && fits(queue, transaction->change_count, transaction->bytes);
	if (taken) {
		append(queue, transaction);
	} else {
		queue->refused_rows = transaction->change_count;
		queue->refused_bytes = transaction->bytes;
	}
	wake = taken && queue->consumer_waits;
	if (wake)
		queue->consumer_waits = false;
	pthread_mutex_unlock(&queue->mutex);
	if (wake)
		pthread_cond_signal(&queue->filled);
	return taken;
}

static struct timespec deadline_after(int timeout_ms)
{
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += timeout_ms / 1000;
	deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
	if (deadline.tv_nsec >= 1000000000L) {
		deadline.tv_sec++;
		deadline.tv_nsec -= 1000000000L;
	}
	return deadline;
}

void transaction_queue_wait_room(struct transaction_queue *queue, int timeout_ms)
{
	struct timespec deadline = deadline_after(timeout_ms);
	int result = 0;

	pthread_mutex_lock(&queue->mutex);
	while (!queue->closed && !fits(queue, queue->refused_rows, queue->refused_bytes) && result != ETIMEDOUT) {
		queue->producer_waits = true;
		result = pthread_cond_timedwait(&queue->drained, &queue->mutex, &deadline);
	}
	queue->producer_waits = false;
	pthread_mutex_unlock(&queue->mutex);
}

/* Cuts the longest run off the head that stays within the bounds. */
static struct transaction *cut_run(struct transaction_queue *queue, size_t rows, size_t bytes)
{
	struct transaction *first = queue->head;
	struct transaction *last = first;
	size_t run_rows = first->change_count;
	size_t run_bytes = first->bytes;
	size_t run_own = first->bytes - first->event_bytes;

	queue->streamed -= first->kind == TRANSACTION_STREAMED;
	while (last->next != NULL && run_rows + last->next->change_count <= rows &&
	       run_bytes + last->next->bytes <= bytes) {
		last = last->next;
		queue->streamed -= last->kind == TRANSACTION_STREAMED;
		run_rows += last->change_count;
		run_bytes += last->bytes;
		run_own += last->bytes - last->event_bytes;
	}
	queue->head = last->next;
	last->next = NULL;
	queue->rows -= run_rows;
	queue->bytes -= run_bytes;
	queue->own_bytes -= run_own;
	return first;
}

struct transaction *transaction_queue_take(struct transaction_queue *queue, size_t rows, size_t bytes, int timeout_ms)
{
	struct timespec deadline = deadline_after(timeout_ms);
	struct transaction *run = NULL;
	bool wake = false;
	int result = 0;

	pthread_mutex_lock(&queue->mutex);
	while (queue->head == NULL && !queue->closed && result != ETIMEDOUT) {
		queue->consumer_waits = true;
		result = pthread_cond_timedwait(&queue->filled, &queue->mutex, &deadline);
	}
	queue->consumer_waits = false;
	if (queue->head != NULL) {
		run = cut_run(queue, rows, bytes);
		wake = queue->producer_waits && fits(queue, queue->refused_rows, queue->refused_bytes);
	}
	pthread_mutex_unlock(&queue->mutex);
	if (wake)
		pthread_cond_signal(&queue->drained);
	return run;
}

void transaction_queue_close(struct transaction_queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	queue->closed = true;
	pthread_cond_broadcast(&queue->filled);
	pthread_cond_broadcast(&queue->drained);
	pthread_mutex_unlock(&queue->mutex);
}

bool transaction_queue_closed(struct transaction_queue *queue)
{
	bool closed;

	pthread_mutex_lock(&queue->mutex);
	closed = queue->closed;
	pthread_mutex_unlock(&queue->mutex);
	return closed;
}

size_t transaction_queue_rows(struct transaction_queue *queue)
{
	size_t rows;

	pthread_mutex_lock(&queue->mutex);
	rows = queue->rows;
	pthread_mutex_unlock(&queue->mutex);
	return rows;
}

size_t transaction_queue_bytes(struct transaction_queue *queue)
{
	size_t bytes;

	pthread_mutex_lock(&queue->mutex);
	bytes = queue->bytes;
	pthread_mutex_unlock(&queue->mutex);
	return bytes;
}

size_t transaction_queue_own_bytes(struct transaction_queue *queue)
{
	size_t bytes;

	pthread_mutex_lock(&queue->mutex);
	bytes = queue->own_bytes;
	pthread_mutex_unlock(&queue->mutex);
	return bytes;
}

size_t transaction_queue_streamed(struct transaction_queue *queue)
{
	size_t streamed;

	pthread_mutex_lock(&queue->mutex);
	streamed = queue->streamed;
	pthread_mutex_unlock(&queue->mutex);
	return streamed;
}

int64_t transaction_queue_oldest_us(struct transaction_queue *queue)
{
	const struct transaction *transaction;
	int64_t oldest_us;

	pthread_mutex_lock(&queue->mutex);
	transaction = queue->head;
	while (transaction != NULL && transaction->source_us == 0)
		transaction = transaction->next;
	oldest_us = transaction == NULL ? 0 : transaction->source_us;
	pthread_mutex_unlock(&queue->mutex);
	return oldest_us;
}
