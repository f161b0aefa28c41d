/*
 * part.h - a part of an object's image that the target may lack for a while: a NOT NULL, an index, a constraint ...
 *
 * NOTES
 *   A step that the target refuses is remembered as the part that it makes, not as a statement: names may change until the
 *   part can be made, and the source may drop it. Whether a part is wanted, and the statement that makes it, come from the
 *   last image of the source and from what the target has.
 *
 * Memory: in the given arena. Thread: any.
 */
#ifndef REPLICATOR_SCHEMA_PART_H
#define REPLICATOR_SCHEMA_PART_H

#include "schema/difference.h"

enum part_kind {
	PART_NONE, /* the step makes no part that can wait */
	PART_NOT_NULL,
	PART_IDENTITY, /* GENERATED ALWAYS */
	PART_DEFAULT,
	PART_CONSTRAINT, /* of a table or domain */
	PART_INDEX,
	PART_OBJECT, /* the object as a whole */
	PART_DROP    /* the object is gone at the source */
};

struct part {
	enum part_kind kind;
	uint64_t id; /* attnum of a column, oid of a constraint or index at the source; else 0 */
	const char
	    *name; /* of a constraint or index: a change of a column's type makes it anew, with another oid; or NULL */
};

const char *part_kind_name(enum part_kind kind);
enum part_kind part_kind_parse(const char *name); /* PART_NONE: no such name */

/* The part of `after` that a statement of difference.h makes. */
struct part part_of_step(const struct object_image *after, const struct step *step, struct arena *arena);

/* Of a late step on a column. */
struct part part_of_late_step(const struct object_image *after, const struct late_step *late);

/* Whether the constraint is a primary key. */
bool part_is_primary_key(const struct object_image *after, struct part part);

/*
 * PART_GONE: the source has no such part any more. PART_SETTLED: the target has it. PART_LACKING: *step makes it. Not for
 * PART_OBJECT and PART_DROP, of which difference.h tells the steps.
 */
enum part_state { PART_GONE, PART_SETTLED, PART_LACKING };
enum part_state part_look(const struct object_image *after, const struct object_image *target, struct part part,
                          struct arena *arena, struct step *step);

#endif
