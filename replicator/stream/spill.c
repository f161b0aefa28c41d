/*
 * spill.c - see spill.h
 *
 * NOTES
 *   An event is one block of memory (decode_change.c): struct, arrays, texts. It is written as it is, with its address;
 *   when it is read back, the pointers that lead into the block are moved by the difference of the addresses.
 */
#include "stream/spill.h"

#include "base/memory.h"
#include "stream/lane.h"
#include "stream/transaction.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)1 << 20)
#define SLOTS_READ 4096 /* of the index at once */

struct slot {
	uint64_t place; /* in the file of events, + 1; 0: none */
	uint64_t identity;
};

struct spill {
	char *dir;
	uint64_t limit_bytes;
	int events;
	int index;
	char *buffer; /* the end of the file of events, not written yet */
	size_t buffered;
	uint64_t written;
	uint64_t last_order;
	size_t count;

	/* Of the reader. */
	struct slab_account account;
	struct slab_writer writer;
	struct slot *slots; /* SLOTS_READ from first_slot on */
	uint64_t first_slot;
	size_t slot_count;
};

static struct error *file_error(const struct spill *spill, const char *what)
{
	return error_new(ERROR_SYSTEM,
	                 "spill_dir %s: %s: %s (%llu MB of a large transaction are there already); make room, or set "
	                 "spill_dir to a larger file system; nothing is lost, start again",
	                 spill->dir, what, strerror(errno), (unsigned long long)spill_bytes(spill) >> 20);
}

/* A file without a name; where the file system has no O_TMPFILE, one whose name is gone at once. */
static int open_unnamed(const char *dir)
{
	int file = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
	char *name;

	if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return file;
	name = memory_format("%s/replicator-spill-XXXXXX", dir);
	file = mkostemp(name, O_CLOEXEC);
	if (file >= 0)
		unlink(name);
	free(name);
	return file;
}

struct error *spill_open(const char *dir, int64_t limit_bytes, struct spill **result)
{
	struct spill *spill = memory_alloc(sizeof(*spill));

	spill->dir = memory_copy_text(dir);
	spill->limit_bytes = (uint64_t)limit_bytes;
	spill->buffer = memory_alloc(BUFFER_BYTES);
	slab_writer_init(&spill->writer, &spill->account);
	spill->index = -1;
	spill->events = open_unnamed(dir);
	if (spill->events >= 0)
		spill->index = open_unnamed(dir);
	if (spill->index < 0) {
		struct error *error = file_error(spill, "no file can be made there");

		spill_free(spill);
		return error;
	}
	*result = spill;
	return NULL;
}

void spill_free(struct spill *spill)
{
	if (spill == NULL)
		return;
	if (spill->events >= 0)
		close(spill->events);
	if (spill->index >= 0)
		close(spill->index);
	slab_writer_close(&spill->writer);
	free(spill->slots);
	free(spill->buffer);
	free(spill->dir);
	free(spill);
}

size_t spill_count(const struct spill *spill)
{
	return spill->count;
}

uint64_t spill_bytes(const struct spill *spill)
{
	return spill->written + spill->buffered + (spill->last_order + 1) * sizeof(struct slot);
}

static struct error *write_whole(const struct spill *spill, int file, const void *data, size_t bytes, uint64_t place)
{
	const char *from = data;

	while (bytes > 0) {
		ssize_t written = pwrite(file, from, bytes, (off_t)place);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return file_error(spill, "cannot be written");
		from += written;
		place += (uint64_t)written;
		bytes -= (size_t)written;
	}
	return NULL;
}

/* Fewer bytes than asked for: the file ends there. */
static struct error *read_up_to(const struct spill *spill, int file, void *data, size_t bytes, uint64_t place,
                                size_t *got)
{
	*got = 0;
	while (*got < bytes) {
		ssize_t count = pread(file, (char *)data + *got, bytes - *got, (off_t)(place + *got));

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return file_error(spill, "cannot be read");
		if (count == 0)
			break;
		*got += (size_t)count;
	}
	return NULL;
}

static struct error *flush(struct spill *spill)
{
	TRY(write_whole(spill, spill->events, spill->buffer, spill->buffered, spill->written));
	spill->written += spill->buffered;
	spill->buffered = 0;
	return NULL;
}

static struct error *append(struct spill *spill, const void *data, size_t bytes)
{
	if (spill->buffered + bytes > BUFFER_BYTES)
		TRY(flush(spill));
	if (bytes > BUFFER_BYTES) {
		TRY(write_whole(spill, spill->events, data, bytes, spill->written));
		spill->written += bytes;
		return NULL;
	}
	memcpy(spill->buffer + spill->buffered, data, bytes);
	spill->buffered += bytes;
	return NULL;
}

struct error *spill_find(struct spill *spill, uint64_t total_order, uint64_t *identity, bool *found)
{
	struct slot slot = {0};
	size_t got;

	TRY(read_up_to(spill, spill->index, &slot, sizeof(slot), total_order * sizeof(slot), &got));
	*found = got == sizeof(slot) && slot.place != 0;
	*identity = slot.identity;
	return NULL;
}

static struct error *add(struct spill *spill, const struct change *change)
{
	uint64_t place = spill->written + spill->buffered;
	struct slot slot = {place + 1, change_identity(change)};
	uint64_t other;
	bool taken = false;

	if (change->total_order <= spill->last_order)
		TRY(spill_find(spill, change->total_order, &other, &taken));
	if (taken)
		return error_new(
		    ERROR_EVENT,
		    "transaction %llu: two events have the number %llu (connector restart), and which comes first "
		    "cannot be told",
		    (unsigned long long)change->tx_id, (unsigned long long)change->total_order);
	if (spill_bytes(spill) + change->bytes > spill->limit_bytes)
		return error_new(
		    ERROR_SYSTEM,
		    "transaction %llu needs more than spill_limit (%llu MB) in spill_dir %s; raise spill_limit and "
		    "start again; nothing is lost",
		    (unsigned long long)change->tx_id, (unsigned long long)spill->limit_bytes >> 20, spill->dir);
	TRY(append(spill, &change, sizeof(change)));
	TRY(append(spill, &change->bytes, sizeof(change->bytes)));
	TRY(append(spill, change, change->bytes));
	TRY(write_whole(spill, spill->index, &slot, sizeof(slot), change->total_order * sizeof(slot)));
	if (change->total_order > spill->last_order)
		spill->last_order = change->total_order;
	spill->count++;
	return NULL;
}

struct error *spill_add(struct spill *spill, struct change *change)
{
	struct error *error = add(spill, change);

	change_release(change);
	return error;
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

static struct error *read_change(struct spill *spill, uint64_t place, struct transaction *chunk)
{
	struct {
		const struct change *from;
		uint32_t bytes;
	} head;
	const size_t head_bytes = sizeof(head.from) + sizeof(head.bytes);
	struct change *change;
	size_t got;

	TRY(read_up_to(spill, spill->events, &head, head_bytes, place, &got));
	if (got < head_bytes)
		return error_new(ERROR_SYSTEM, "spill_dir %s: the file of a large transaction was cut", spill->dir);
	change = slab_reserve(&spill->writer, head.bytes);
	TRY(read_up_to(spill, spill->events, change, head.bytes, place + head_bytes, &got));
	if (got < head.bytes)
		return error_new(ERROR_SYSTEM, "spill_dir %s: the file of a large transaction was cut", spill->dir);
	change->before = move_values(change->before, change->relation->column_count, head.from, change);
	change->after = move_values(change->after, change->relation->column_count, head.from, change);
	change->other_key = move_values(change->other_key, change->relation->key_count, head.from, change);
	change->slab = slab_commit(&spill->writer, head.bytes);
	transaction_add_change(chunk, change);
	return NULL;
}

static struct error *read_slots(struct spill *spill, uint64_t order)
{
	size_t got;

	if (spill->slots == NULL)
		spill->slots = memory_alloc(SLOTS_READ * sizeof(*spill->slots));
	TRY(read_up_to(spill, spill->index, spill->slots, SLOTS_READ * sizeof(*spill->slots),
	               order * sizeof(*spill->slots), &got));
	spill->first_slot = order;
	spill->slot_count = got / sizeof(*spill->slots);
	return NULL;
}

static bool chunk_is_full(const struct transaction *chunk, size_t rows, size_t bytes)
{
	const struct change *last;

	if (chunk->change_count == 0 || (chunk->change_count < rows && chunk->bytes < bytes))
		return false;
	last = chunk->changes[chunk->change_count - 1];
	return last->operation != CHANGE_DELETE || last->other_key == NULL;
}

struct error *spill_read(struct spill *spill, uint64_t *next, size_t rows, size_t bytes, struct transaction *chunk)
{
	TRY(flush(spill));
	for (; *next <= spill->last_order && !chunk_is_full(chunk, rows, bytes); (*next)++) {
		const struct slot *slot;

		if (*next < spill->first_slot || *next >= spill->first_slot + spill->slot_count)
			TRY(read_slots(spill, *next));
		slot = &spill->slots[*next - spill->first_slot];
		if (slot->place != 0)
			TRY(read_change(spill, slot->place - 1, chunk));
	}
	return NULL;
}
