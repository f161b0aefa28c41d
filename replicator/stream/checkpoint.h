/*
 * checkpoint.h - where a stream stands, as the target keeps it: read at start, written with each batch (law 2).
 * Plain data; the target room reads and writes it (target/checkpoint.h), the stream starts from it.
 */
#ifndef REPLICATOR_STREAM_CHECKPOINT_H
#define REPLICATOR_STREAM_CHECKPOINT_H

#include "stream/transaction.h"

struct checkpoint_offset {
	char *topic;
	int32_t partition;
	int64_t next_offset;
	struct witness witness;
};

struct checkpoint {
	bool exists;              /* false: the first start of this stream, read from the beginning */
	uint64_t batch;           /* of the last commit under its epoch; 0: none */
	char *cluster_id;         /* of the Kafka cluster that the offsets belong to; "" unknown */
	uint64_t last_commit_lsn; /* W: the commit LSN of the last applied transaction; 0 none */
	uint64_t last_tx_id;
	uint64_t last_message_lsn;         /* of the last logical message outside any transaction; 0 none */
	struct snapshot_identity snapshot; /* of the last snapshot seen */
	bool snapshot_open;                /* its end was not applied yet */
	bool snapshot_last_row;            /* its last row was applied */
	bool accept_gap;      /* the operator's word for this start: events that are gone from Kafka are done without */
	bool accept_new_slot; /* likewise: commit LSNs may go back */
	int64_t accepted_id;  /* of the word; 0: there is none */
	bool claim_lost;      /* the target went back to before our claim: nothing of the rest is filled */
	struct checkpoint_offset *offsets;
	size_t offset_count;
};

void checkpoint_free(struct checkpoint *checkpoint); /* what it holds, not the struct */

#endif
