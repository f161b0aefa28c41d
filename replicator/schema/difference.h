/*
 * difference.h - from two images of a source object to the statements that take the target there.
 *
 * NOTES
 *   Three images count: `before` and `after` tell what the source changed; `target` is what the target has now. A step
 *   comes from the difference of the first two, and falls away where the target is there already (a recursion from a
 *   parent made it, or a person). So a step never undoes what only the target has: more columns, other indexes and
 *   defaults.
 *
 *   `before` and `after` are of one server: what they refer to is compared by oids, since an object may get the name of
 *   another one, and a rename changes the text of what refers to the object. `target` has other oids; it is compared by
 *   names, which its objects have from the steps of earlier images.
 *
 * Memory: steps lie in the given arena. Thread: any.
 */
#ifndef REPLICATOR_SCHEMA_DIFFERENCE_H
#define REPLICATOR_SCHEMA_DIFFERENCE_H

#include "config/config.h"
#include "schema/object_image.h"

/*
 * Of a step that waits for the transaction's end: table and column may have other names by then. "ALTER TABLE table [ALTER
 * COLUMN column] action".
 */
struct late_step {
	struct object_name table;
	const char *column; /* or NULL */
	const char *action;
};

struct step {
	struct step *next;
	enum step_kind kind;
	const char *sql;
	/*
	 * What to do where the values refuse `sql` (SQLSTATE class 22, 23505, 42804, 42846); NULL: nothing. The last of
	 * the chain gives up the values, or with gives_up_rows all rows of the table, whose keys cannot be those of the
	 * source: they come with a resync, and `afterwards` follows at the end of the transaction.
	 */
	struct step *otherwise;
	bool gives_up_rows;
	const struct late_step *afterwards;
	const char *keep;             /* of a drop: what to do when the policy keeps the column, or NULL */
	const char *tolerated;        /* SQLSTATE at which the object stays: something of the target's own needs it */
	bool may_wait;                /* a drop, for the transaction's end: what needs the object now may go as well */
	const struct late_step *late; /* the same as `sql`, when it waits; NULL: a drop of the whole object */
};

/*
 * A table that was just made takes keys, indexes and comments in a second round. A new name of a column changes the
 * text of keys, indexes, checks and generated columns that say it, and with a column that is replaced under its name they
 * go: so these drops and renames come first, and the rest is compared after them.
 */
enum difference_next { DIFFERENCE_DONE, DIFFERENCE_FRESH, DIFFERENCE_RENAMED };

struct difference {
	const struct object_image *before; /* NULL: new to us */
	const struct object_image *after;
	const struct object_image *target; /* under the new name, else under the old one; NULL: there is none */
	bool by_name; /* `before` is of another object with the same name (dump and restore): columns match by name */
	bool fresh;   /* the target's object was just made by us: it takes everything */
	bool renamed; /* `target` was read after the renames */
	int target_version; /* server_version_num */
};

/*
 * *steps is NULL when nothing is to be done. Unless *next is DIFFERENCE_DONE: execute the steps, read the target's
 * image anew, set the flag, and ask once more. ERROR_TARGET: what cannot be done, why, and the remedy.
 */
struct error *difference_steps(const struct difference *difference, struct arena *arena, struct step **steps,
                               enum difference_next *next);

/* The object is gone at the source. */
struct step *difference_drop(enum object_kind kind, struct object_name name, struct arena *arena);

const char *step_kind_name(enum step_kind kind); /* "create_table" */

#endif
