/* commit_history.c - see commit_history.h: a ring of pairs, with a hash table of chains by transaction ID. */
#include "stream/commit_history.h"

#include "base/memory.h"

#include <stdlib.h>

#define CAPACITY 32768 /* a power of two */
#define NONE UINT32_MAX

struct commit {
	uint64_t tx_id;
	uint64_t lsn;            /* 0: the slot is free */
	int64_t repeated_offset; /* of its repeated END; -1: none */
	uint32_t next;
};

struct newest {
	uint64_t tx_id;
	uint64_t lsn;
};

struct commit_history {
	struct commit commits[CAPACITY];
	uint32_t buckets[CAPACITY]; /* the first of each chain */
	uint32_t oldest;
	struct newest
	    newest[CAPACITY]; /* by the same number as the buckets; a later transaction replaces another one */
};

struct commit_history *commit_history_new(void)
{
	struct commit_history *history = memory_alloc(sizeof(*history));

	for (uint32_t i = 0; i < CAPACITY; i++)
		history->buckets[i] = NONE;
	return history;
}

void commit_history_free(struct commit_history *history)
{
	free(history);
}

/* Transaction IDs are mostly consecutive: their low bits spread them well. */
static uint32_t bucket_of(uint64_t tx_id)
{
	return (uint32_t)tx_id & (CAPACITY - 1);
}

static struct commit *find(const struct commit_history *history, uint64_t tx_id, uint64_t lowest, uint64_t highest)
{
	for (uint32_t i = history->buckets[bucket_of(tx_id)]; i != NONE; i = history->commits[i].next) {
		const struct commit *commit = &history->commits[i];

		if (commit->tx_id == tx_id && commit->lsn >= lowest && commit->lsn <= highest)
			return (struct commit *)(uintptr_t)commit;
	}
	return NULL;
}

static void remove_oldest(struct commit_history *history)
{
	const struct commit *commit = &history->commits[history->oldest];
	uint32_t *link = &history->buckets[bucket_of(commit->tx_id)];

	if (commit->lsn == 0)
		return;
	while (*link != history->oldest)
		link = &history->commits[*link].next;
	*link = commit->next;
}

static struct commit *add(struct commit_history *history, uint64_t tx_id, uint64_t commit_lsn)
{
	struct commit *commit = find(history, tx_id, commit_lsn, commit_lsn);
	uint32_t *first = &history->buckets[bucket_of(tx_id)];

	if (commit != NULL)
		return commit;
	remove_oldest(history);
	commit = &history->commits[history->oldest];
	*commit = (struct commit){.tx_id = tx_id, .lsn = commit_lsn, .repeated_offset = -1, .next = *first};
	*first = history->oldest;
	history->oldest = (history->oldest + 1) & (CAPACITY - 1);
	return commit;
}

void commit_history_add(struct commit_history *history, uint64_t tx_id, uint64_t commit_lsn)
{
	(void)add(history, tx_id, commit_lsn);
}

void commit_history_add_repeated(struct commit_history *history, uint64_t tx_id, uint64_t commit_lsn, int64_t offset)
{
	add(history, tx_id, commit_lsn)->repeated_offset = offset;
}

void commit_history_set_newest(struct commit_history *history, uint64_t tx_id, uint64_t commit_lsn)
{
	history->newest[bucket_of(tx_id)] = (struct newest){tx_id, commit_lsn};
}

uint64_t commit_history_find(const struct commit_history *history, uint64_t tx_id, uint64_t lowest, uint64_t highest)
{
	const struct commit *commit = find(history, tx_id, lowest, highest);

	return commit == NULL ? 0 : commit->lsn;
}

/* An event precedes its commit, and so does the commit before it. */
static bool fits(const struct commit *commit, const struct change *change)
{
	return commit->repeated_offset >= 0 && commit->tx_id == change->tx_id && change->lsn <= commit->lsn &&
	       change->previous_commit_lsn < commit->lsn;
}

struct repeated_commit commit_history_repeated(const struct commit_history *history, const struct change *change)
{
	const struct newest *newest = &history->newest[bucket_of(change->tx_id)];

	for (uint32_t i = history->buckets[bucket_of(change->tx_id)]; i != NONE; i = history->commits[i].next) {
		const struct commit *commit = &history->commits[i];

		if (fits(commit, change))
			return (struct repeated_commit){.offset = commit->repeated_offset,
			                                .contested = newest->tx_id == change->tx_id &&
			                                             newest->lsn != commit->lsn};
	}
	return (struct repeated_commit){.offset = -1};
}
