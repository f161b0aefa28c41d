/*
 * sending.h - events and transaction boundary events as a connector sends them, for tests of the assembler. A test defines
 * the partitions MARKS, WIDE, WIDE2, COUNTER and KEYLESS, and includes it after assembling.h.
 */
#ifndef TESTS_UNIT_SENDING_H
#define TESTS_UNIT_SENDING_H

#include "base/slab.h"

static struct slab_account account;
static struct slab_writer writer;

static const struct collection wide = {.name = "public.wide", .schema = "public", .table = "wide", .number = 0};
static const struct collection counter = {.name = "public.counter",
                                          .schema = "public",
                                          .table = "counter",
                                          .number = 1};
static const struct collection keyless = {.name = "public.log", .schema = "public", .table = "log", .number = 2};
static const struct column columns[] = {{.name = "id"}};
static const uint32_t key[] = {0};
static const struct relation relations[] = {
    {.collection = &wide,
     .schema = "public",
     .table = "wide",
     .column_count = 1,
     .columns = columns,
     .key_count = 1,
     .key_columns = key},
    {.collection = &counter,
     .schema = "public",
     .table = "counter",
     .column_count = 1,
     .columns = columns,
     .key_count = 1,
     .key_columns = key,
     .number = 1},
    {.collection = &keyless, .schema = "public", .table = "log", .column_count = 1, .columns = columns, .number = 2},
};

static bool without_sequence;       /* source.sequence[0] is null */
static enum snapshot_mark row_mark; /* of a snapshot row: op 'r' and no number */

struct sent {
	uint32_t partition;
	char op; /* 'm': the first half of a key change, 'n' its second; 'x': a logical message */
	int id;
	uint64_t lsn;
	uint64_t number;
	uint64_t previous; /* 0: 100 */
	uint64_t tx;       /* 0: 7 */
};

/* Written into the partition `place`, as the single-topic layout does. */
static inline void sent_in(struct sent s, uint32_t place)
{
	const size_t bytes = sizeof(struct change) + 2 * sizeof(struct value) + 16;
	struct change *change = slab_reserve(&writer, bytes);
	struct value *values = (struct value *)(change + 1);
	char *text = (char *)(values + 2);
	uint32_t table = s.partition == KEYLESS ? 2 : s.partition == COUNTER ? 1 : 0;

	snprintf(text, 16, "%d", s.id);
	values[0] = values[1] = (struct value){.data = text, .length = (uint32_t)strlen(text), .kind = VALUE_NUMBER};
	*change = (struct change){.relation = &relations[table],
	                          .partition = place,
	                          .offset = offsets[place]++,
	                          .tx_id = s.tx == 0 ? 7 : s.tx,
	                          .total_order = s.number,
	                          .previous_commit_lsn = without_sequence  ? 0
	                                                 : s.previous == 0 ? 100
	                                                                   : s.previous,
	                          .lsn = s.lsn,
	                          .snapshot = (uint8_t)row_mark,
	                          .bytes = (uint32_t)bytes};
	change->operation = s.op == 'm'   ? CHANGE_DELETE
	                    : s.op == 'n' ? CHANGE_INSERT
	                    : s.op == 'x' ? CHANGE_MESSAGE
	                                  : (uint8_t)s.op;
	change->before = change->operation == CHANGE_DELETE ? values : NULL;
	change->after = change->operation == CHANGE_DELETE || s.op == 't' ? NULL : values;
	change->other_key = s.op == 'm' ? values + 1 : NULL;
	change->slab = slab_commit(&writer, bytes);
	GOOD(assembler_push_change(assembler, change));
}

static inline void sent(struct sent s)
{
	sent_in(s, s.partition);
}

struct counts {
	uint64_t wide, counter, keyless;
};

static inline void mark(bool is_end, uint64_t tx, uint64_t lsn, struct counts c)
{
	const size_t bytes = sizeof(struct transaction_mark) + 3 * sizeof(struct collection_count);
	struct transaction_mark *new = slab_reserve(&writer, bytes);
	struct collection_count *counts = (struct collection_count *)(new + 1);
	uint32_t count = 0;

	if (c.wide > 0)
		counts[count++] = (struct collection_count){&wide, c.wide};
	if (c.counter > 0)
		counts[count++] = (struct collection_count){&counter, c.counter};
	if (c.keyless > 0)
		counts[count++] = (struct collection_count){&keyless, c.keyless};
	*new = (struct transaction_mark){.tx_id = tx,
	                                 .lsn = lsn,
	                                 .event_count = c.wide + c.counter + c.keyless,
	                                 .counts = counts,
	                                 .count_count = count,
	                                 .partition = MARKS,
	                                 .offset = offsets[MARKS]++,
	                                 .end = is_end};
	new->slab = slab_commit(&writer, bytes);
	if (is_end)
		topic_has(tx, lsn, new->offset);
	GOOD(assembler_push_mark(assembler, new));
}

static inline void begins(uint64_t tx, uint64_t lsn)
{
	mark(false, tx, lsn, (struct counts){0});
}

#endif
