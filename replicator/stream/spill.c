/*
 * spill.c - see spill.h
 *
 * NOTES
 *   An event is one block of memory (decode_change.c): struct, arrays, texts. It is written as it is, with its address;
 *   when it is read back, the pointers that lead into the block are moved by the difference of the addresses.
 */
#include "stream/spill.h"

#include "base/memory.h"
#include "base/metrics.h"
#include "stream/alignment.h"
#include "stream/spill_file.h"
#include "stream/transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_BUFFER ((size_t)1 << 20)
#define ORDER_BUFFER ((size_t)1 << 16)
#define RUN_PLACES 256 /* of a run at once */

/* Of one partition, in rising order. */
struct run {
	struct spill_file file; /* of struct event_place */
	uint32_t partition;
	bool closed; /* the partition went back behind it */
	struct event_place last;

	/* While it is merged: those that were read and not taken yet. */
	struct event_place *ahead;
	size_t ahead_count;
	size_t ahead_next;
	uint64_t place; /* in the file, of what is read next */
};

struct spill {
	char *dir;
	uint64_t limit_bytes;
	struct spill_file events;
	struct spill_file order; /* of an aligned one: places in `events`, in the transaction's order */
	struct run *runs;
	size_t run_count;
	size_t count;

	/* Of the merge: the events of one LSN. */
	struct event_place *group;
	size_t group_count;
	size_t group_capacity;

	/* Of the reader. */
	struct slab_account account;
	struct slab_writer writer;
	uint64_t *places; /* from first_place on */
	uint64_t first_place;
	size_t place_count;
};

static struct error *file_error(const struct spill *spill, const char *what)
{
	return error_new(ERROR_SYSTEM,
	                 "spill_dir %s: %s: %s (%llu MB of a large transaction are there already); make room, or set "
	                 "spill_dir to a larger file system; nothing is lost, start again",
	                 spill->dir, what, strerror(errno), (unsigned long long)spill_bytes(spill) >> 20);
}

static struct error *open_file(const struct spill *spill, struct spill_file *file, size_t buffer_bytes)
{
	return spill_file_open(file, spill->dir, buffer_bytes) ? NULL : file_error(spill, "no file can be made there");
}

static struct error *append(const struct spill *spill, struct spill_file *file, const void *data, size_t bytes)
{
	return spill_file_append(file, data, bytes) ? NULL : file_error(spill, "cannot be written");
}

static struct error *flush(const struct spill *spill, struct spill_file *file)
{
	return spill_file_flush(file) ? NULL : file_error(spill, "cannot be written");
}

static struct error *read_up_to(const struct spill *spill, const struct spill_file *file, void *data, size_t bytes,
                                uint64_t place, size_t *got)
{
	return spill_file_read(file, data, bytes, place, got) ? NULL : file_error(spill, "cannot be read");
}

/* Life. */

struct error *spill_open(const char *dir, int64_t limit_bytes, struct spill **result)
{
	struct spill *spill = memory_alloc(sizeof(*spill));
	struct error *error;

	spill->dir = memory_copy_text(dir);
	spill->limit_bytes = (uint64_t)limit_bytes;
	spill->order.handle = -1;
	slab_writer_init(&spill->writer, &spill->account);
	error = open_file(spill, &spill->events, EVENTS_BUFFER);
	if (error == NULL)
		error = open_file(spill, &spill->order, ORDER_BUFFER);
	if (error != NULL) {
		spill_free(spill);
		return error;
	}
	metric_add(METRIC_SPILLED_TRANSACTIONS, 1);
	*result = spill;
	return NULL;
}

static void runs_free(struct spill *spill)
{
	for (size_t i = 0; i < spill->run_count; i++) {
		spill_file_close(&spill->runs[i].file);
		free(spill->runs[i].ahead);
	}
	free(spill->runs);
	spill->runs = NULL;
	spill->run_count = 0;
}

void spill_free(struct spill *spill)
{
	if (spill == NULL)
		return;
	runs_free(spill);
	spill_file_close(&spill->events);
	spill_file_close(&spill->order);
	slab_writer_close(&spill->writer);
	free(spill->group);
	free(spill->places);
	free(spill->dir);
	free(spill);
}

size_t spill_count(const struct spill *spill)
{
	return spill->count;
}

uint64_t spill_bytes(const struct spill *spill)
{
	uint64_t bytes = spill_file_size(&spill->events) + spill_file_size(&spill->order);

	for (size_t i = 0; i < spill->run_count; i++)
		bytes += spill_file_size(&spill->runs[i].file);
	return bytes;
}

/* Writing. */

static struct run *open_run(struct spill *spill, uint32_t partition)
{
	for (size_t i = spill->run_count; i > 0; i--)
		if (spill->runs[i - 1].partition == partition && !spill->runs[i - 1].closed)
			return &spill->runs[i - 1];
	return NULL;
}

static struct error *add_to_run(struct spill *spill, const struct event_place *place, uint32_t partition)
{
	struct run *run = open_run(spill, partition);

	if (run != NULL && alignment_compare(&run->last, place) > 0) {
		run->closed = true;
		run = NULL;
	}
	if (run == NULL) {
		spill->runs = memory_grow(spill->runs, spill->run_count + 1, sizeof(*spill->runs));
		run = &spill->runs[spill->run_count];
		*run = (struct run){.partition = partition};
		TRY(open_file(spill, &run->file, RUN_PLACES * sizeof(*place)));
		spill->run_count++;
	}
	run->last = *place;
	return append(spill, &run->file, place, sizeof(*place));
}

static struct error *add(struct spill *spill, const struct change *change)
{
	struct event_place place = alignment_place(change, spill_file_size(&spill->events), true);

	if (spill_bytes(spill) + change->bytes > spill->limit_bytes)
		return error_new(
		    ERROR_SYSTEM,
		    "transaction %llu needs more than spill_limit (%llu MB) in spill_dir %s; raise spill_limit and "
		    "start again; nothing is lost",
		    (unsigned long long)change->tx_id, (unsigned long long)spill->limit_bytes >> 20, spill->dir);
	TRY(append(spill, &spill->events, &change, sizeof(change)));
	TRY(append(spill, &spill->events, &change->bytes, sizeof(change->bytes)));
	TRY(append(spill, &spill->events, change, change->bytes));
	TRY(add_to_run(spill, &place, change->partition));
	spill->count++;
	metric_add(METRIC_SPILLED_BYTES, change->bytes);
	return NULL;
}

struct error *spill_add(struct spill *spill, struct change *change)
{
	struct error *error = add(spill, change);

	change_release(change);
	return error;
}

/* Merging the runs. */

static struct error *rewind_runs(struct spill *spill)
{
	for (size_t i = 0; i < spill->run_count; i++) {
		struct run *run = &spill->runs[i];

		TRY(flush(spill, &run->file));
		if (run->ahead == NULL)
			run->ahead = memory_alloc(RUN_PLACES * sizeof(*run->ahead));
		run->ahead_count = run->ahead_next = 0;
		run->place = 0;
	}
	spill_file_clear(&spill->order);
	spill->count = 0;
	return NULL;
}

/* The first of a run that was not taken yet; NULL: there is none. */
static struct error *run_head(const struct spill *spill, struct run *run, const struct event_place **head)
{
	size_t got;

	if (run->ahead_next == run->ahead_count) {
		TRY(read_up_to(spill, &run->file, run->ahead, RUN_PLACES * sizeof(*run->ahead), run->place, &got));
		run->place += got;
		run->ahead_next = 0;
		run->ahead_count = got / sizeof(*run->ahead);
	}
	*head = run->ahead_next < run->ahead_count ? &run->ahead[run->ahead_next] : NULL;
	return NULL;
}

static struct error *take_lsn(struct spill *spill, struct run *run, uint64_t lsn)
{
	const struct event_place *head;

	for (;;) {
		TRY(run_head(spill, run, &head));
		if (head == NULL || head->lsn != lsn)
			return NULL;
		if (spill->group_count == spill->group_capacity) {
			spill->group_capacity = spill->group_capacity == 0 ? 64 : spill->group_capacity * 2;
			spill->group = memory_grow(spill->group, spill->group_capacity, sizeof(*spill->group));
		}
		spill->group[spill->group_count++] = *head;
		run->ahead_next++;
	}
}

/* Puts the events with the lowest LSN into spill->group, in order; none: the end. */
static struct error *next_group(struct spill *spill)
{
	const struct event_place *head;
	bool any = false;
	uint64_t lsn = 0;

	spill->group_count = 0;
	for (size_t i = 0; i < spill->run_count; i++) {
		TRY(run_head(spill, &spill->runs[i], &head));
		if (head != NULL && (!any || head->lsn < lsn))
			lsn = head->lsn;
		any = any || head != NULL;
	}
	for (size_t i = 0; i < spill->run_count && any; i++)
		TRY(take_lsn(spill, &spill->runs[i], lsn));
	if (spill->group_count > 1)
		qsort(spill->group, spill->group_count, sizeof(*spill->group), alignment_compare);
	return NULL;
}

static struct error *merge(struct spill *spill, struct alignment *alignment)
{
	TRY(rewind_runs(spill));
	for (;;) {
		size_t kept;

		TRY(next_group(spill));
		if (spill->group_count == 0)
			return flush(spill, &spill->order);
		kept = alignment_drop_repeats(alignment, spill->group, spill->group_count);
		for (size_t i = 0; i < kept; i++)
			TRY(append(spill, &spill->order, &spill->group[i].place, sizeof(spill->group[i].place)));
		spill->count += kept;
	}
}

struct error *spill_align(struct spill *spill, struct alignment *alignment)
{
	TRY(flush(spill, &spill->events));
	TRY(merge(spill, alignment));
	if (!alignment_begin_again(alignment))
		return NULL;
	return merge(spill, alignment);
}

void spill_seal(struct spill *spill)
{
	runs_free(spill);
	free(spill->group);
	spill->group = NULL;
	spill->group_count = spill->group_capacity = 0;
}

/* Reading back. */

static void *moved(const void *pointer, const struct change *from, struct change *to)
{
	return pointer == NULL ? NULL : (char *)to + ((const char *)pointer - (const char *)from);
}

static const struct value *move_values(const struct value *values, uint32_t count, const struct change *from,
                                       struct change *to)
{
	struct value *here = moved(values, from, to);

	for (uint32_t i = 0; here != NULL && i < count; i++)
		here[i].data = moved(here[i].data, from, to);
	return here;
}

static struct error *was_cut(const struct spill *spill)
{
	return error_new(ERROR_SYSTEM, "spill_dir %s: the file of a large transaction was cut", spill->dir);
}

static struct error *read_change(struct spill *spill, uint64_t place, struct transaction *chunk)
{
	struct {
		const struct change *from;
		uint32_t bytes;
	} head;
	const size_t head_bytes = sizeof(head.from) + sizeof(head.bytes);
	struct change *change;
	size_t got;

	TRY(read_up_to(spill, &spill->events, &head, head_bytes, place, &got));
	if (got < head_bytes)
		return was_cut(spill);
	change = slab_reserve(&spill->writer, head.bytes);
	TRY(read_up_to(spill, &spill->events, change, head.bytes, place + head_bytes, &got));
	if (got < head.bytes)
		return was_cut(spill);
	change->before = move_values(change->before, change->relation->column_count, head.from, change);
	change->after = move_values(change->after, change->relation->column_count, head.from, change);
	change->other_key = move_values(change->other_key, change->relation->key_count, head.from, change);
	change->slab = slab_commit(&spill->writer, head.bytes);
	transaction_add_change(chunk, change);
	return NULL;
}

static struct error *read_places(struct spill *spill, uint64_t first)
{
	size_t got;

	if (spill->places == NULL)
		spill->places = memory_alloc(ORDER_BUFFER);
	TRY(read_up_to(spill, &spill->order, spill->places, ORDER_BUFFER, first * sizeof(*spill->places), &got));
	spill->first_place = first;
	spill->place_count = got / sizeof(*spill->places);
	return NULL;
}

static bool chunk_is_full(const struct transaction *chunk, size_t rows, size_t bytes)
{
	const struct change *last = chunk->change_count > 0 ? chunk->changes[chunk->change_count - 1] : NULL;
	bool first_half = last != NULL && last->operation == CHANGE_DELETE && last->other_key != NULL;
	bool truncates = last != NULL && last->operation == CHANGE_TRUNCATE;

	return last != NULL && !first_half && !truncates && (chunk->change_count >= rows || chunk->bytes >= bytes);
}

struct error *spill_read(struct spill *spill, uint64_t *next, size_t rows, size_t bytes, struct transaction *chunk)
{
	for (; *next < spill->count && !chunk_is_full(chunk, rows, bytes); (*next)++) {
		if (*next < spill->first_place || *next >= spill->first_place + spill->place_count)
			TRY(read_places(spill, *next));
		if (spill->place_count == 0)
			return was_cut(spill);
		TRY(read_change(spill, spill->places[*next - spill->first_place], chunk));
	}
	chunk->more_follows = *next < spill->count;
	return NULL;
}
