/* ddl_log.h - rows of the DDL log and of schema_history; shared by ddl.c and ddl_log.c. Thread: the applier's. */
#ifndef REPLICATOR_TARGET_DDL_LOG_H
#define REPLICATOR_TARGET_DDL_LOG_H

#include "base/buffer.h"
#include "config/config.h"
#include "pg/connection.h"
#include "schema/object_image.h"
#include "stream/transaction.h"

struct ddl_row {
	const char *id;          /* of an image in parts: of its first one */
	const char *incarnation; /* of the log: its ids and its oids are comparable within one */
	const char *event;       /* image, drop, rewrite, error, baseline */
	const char *kind_name;
	enum object_kind kind;
	const char *relid;
	struct object_name name;
	const char *image; /* NULL: dropped, or in parts */
	const char *part;  /* of an image, or NULL */
	const char *part_number;
	const char *part_count;
	bool published;
	const char *tag;
	const char *logged_at; /* NULL: unknown */
};

/* Reads a row of the log out of a change. Memory in the arena. ERROR_EVENT. */
struct error *ddl_row_read(const struct change *change, struct arena *arena, struct ddl_row *row);

/* Whether the command that the row is of created the object: it had no other name before, and no rows. */
bool ddl_row_creates(const struct ddl_row *row);

/*
 * Whether the history has this row already. *other_log: it has none of the row's log, but those of another one (installed again, or
 * in another database): what changed in between is in neither.
 */
struct error *ddl_history_has(struct pg_connection *connection, const struct config *config, const struct ddl_row *row,
                              bool *has, bool *other_log);

/*
 * Another log begins: the oids of the rows so far may be those of other objects in it, and get their highest bit set. Their names
 * stay.
 */
struct error *ddl_history_cut(struct pg_connection *connection, const struct config *config);

/* Keeps the part of an image in the state. With the last part that arrives, row->image is the whole one; NULL until then. */
struct error *ddl_part_add(struct pg_connection *connection, const struct config *config, struct arena *arena,
                           struct ddl_row *row);

/*
 * The last image of the object in this incarnation of the log, else (*by_name) of one that had its name and was not dropped;
 * NULL: neither.
 */
struct error *ddl_history_last(struct pg_connection *connection, const struct config *config, const struct ddl_row *row,
                               struct arena *arena, const struct object_image **image, bool *by_name);

/* The name that the object's schema has now. The schema may have been renamed since the image, which then is not logged. */
struct error *ddl_history_schema(struct pg_connection *connection, const struct config *config,
                                 const struct object_image *image, struct arena *arena, const char **schema);

/* What followed from a row of the log. */
struct ddl_outcome {
	const char *steps; /* an array literal */
	size_t executed;   /* more than 0: programs that listen are notified (docs/ddl.md) */
	bool maintained;   /* see ddl_own.h */
	struct object_name target;
};

struct error *ddl_history_add(struct pg_connection *connection, const struct config *config, const struct ddl_row *row,
                              const struct transaction *transaction, const struct ddl_outcome *outcome);

/* The image of what the target has under a name, or NULL. */
struct error *ddl_target_image(struct pg_connection *connection, const struct config *config, enum object_kind kind,
                               const struct object_name *name, struct arena *arena, const struct object_image **image);

/* Notes that the table's rows were rewritten at the source and did not come. */
struct error *ddl_mark_rewritten(struct pg_connection *connection, const struct config *config,
                                 const struct ddl_row *row, const struct transaction *transaction);

/* What is known of the table under its name moves to the new name. `to` NULL: the table was dropped. */
struct error *ddl_mark_move(struct pg_connection *connection, const struct config *config,
                            const struct object_name *from, const struct object_name *to);

/* The same of all tables of a schema that was renamed. */
struct error *ddl_mark_move_schema(struct pg_connection *connection, const struct config *config, const char *from,
                                   const char *to);

#endif
