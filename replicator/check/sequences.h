/* sequences.h - the positions of the sequences of both sides; the stream does not carry them. */
#ifndef REPLICATOR_CHECK_SEQUENCES_H
#define REPLICATOR_CHECK_SEQUENCES_H

#include "check/tables.h"

struct check_sequence {
	const char *schema, *name, *label;
	int64_t increment;
	int64_t source, target; /* last values; the start where none was taken */
	bool missing;           /* in the target */
	bool behind;            /* the target would give out values that the source has used */
};

struct check_sequences {
	struct check_sequence *sequences;
	size_t count;
	const char *problem; /* why they could not be compared, or NULL */
};

/* The sequences that belong to columns of the compared tables. A missing right or a lock is `problem`, no error. */
struct error *sequences_read(struct pg_connection *source, struct pg_connection *target,
                             const struct check_tables *tables, struct arena *arena, struct check_sequences *sequences);

/*
 * Sets those that are behind, and still are, to the source's value and `margin` increments more, since the source goes on.
 * *set counts them. None is set back.
 */
struct error *sequences_repair(struct pg_connection *target, const struct check_sequences *sequences, int64_t margin,
                               size_t *set);

#endif
