/*
 * assembler_run.c - without transaction metadata: what stays together is the run of one txId in one partition.
 *
 * NOTES
 *   A run is complete when something else stands behind it, or when nothing more is coming. One that does not fit into
 *   memory goes in pieces: no atomicity is promised here.
 */
#include "stream/assembler_internal.h"

static bool run_is_whole(const struct assembler *assembler, const struct lane *lane, size_t run)
{
	return run < lane->count || assembler->quiet ||
	       (assembler->options.spill_bytes > 0 && lane->bytes > assembler->options.spill_bytes);
}

static size_t run_length(const struct lane *lane)
{
	const struct change *first = lane_head(lane);
	size_t run = 0;

	while (run < lane->count) {
		const struct change *change = lane_at(lane, run);

		if (is_snapshot_row(change) || change->tx_id != first->tx_id)
			break;
		run++;
	}
	return run;
}

static struct transaction *take_run(struct assembler *assembler, uint32_t partition, size_t run)
{
	struct lane *lane = &assembler->lanes[partition];
	const struct change *first = lane_head(lane);
	struct transaction *transaction = transaction_new(TRANSACTION_STREAMED);

	transaction->tx_id = first->tx_id;
	transaction->source_us = first->source_us;
	transaction->timestamp_ms = first->timestamp_ms;
	for (; run > 0; run--) {
		struct change *change = lane_head(lane);

		assembler_pop(assembler, lane);
		transaction_add_change(transaction, change);
	}
	assembler_touch(assembler, partition);
	assembler_add_positions(assembler, transaction);
	return transaction;
}

struct transaction *assembler_next_run(struct assembler *assembler)
{
	bool awaited = false;

	for (uint32_t i = 0; i < assembler->lane_count; i++) {
		const struct lane *lane = &assembler->lanes[i];
		const struct change *first = lane->used ? lane_head(lane) : NULL;
		size_t run;

		if (first == NULL || is_snapshot_row(first))
			continue;
		if (assembler_snapshot_waits(assembler, first->tx_id, first->lsn)) {
			awaited = true;
			continue;
		}
		run = run_length(lane);
		if (run_is_whole(assembler, lane, run))
			return take_run(assembler, i, run);
	}
	assembler->snapshot_awaited = awaited;
	return NULL;
}
