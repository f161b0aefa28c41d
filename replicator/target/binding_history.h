/*
 * binding_history.h - tables that the events do not name or describe as they are at this place of the stream; the log
 * of schema changes, as the target keeps it (schema_history), tells. Without that log nothing is found. Thread: the
 * applier's.
 */
#ifndef REPLICATOR_TARGET_BINDING_HISTORY_H
#define REPLICATOR_TARGET_BINDING_HISTORY_H

#include "base/arena.h"
#include "config/config.h"
#include "event/change.h"
#include "pg/connection.h"
#include "schema/table_image.h"

/*
 * After ALTER SCHEMA … RENAME servers before PostgreSQL 16 send the old name of the schema until the table itself
 * changes. The table under the new name, or NULL; in the arena.
 */
struct error *binding_find_renamed(struct pg_connection *connection, const struct config *config,
                                   const struct table_name *name, struct arena *arena,
                                   const struct table_image **image);

/* What the log says of the key here, when the messages carry none, one that the target lacks, or one that takes NULL. */
enum key_of_place {
	KEY_UNKNOWN,  /* nothing: there is no image of the table yet, or the target's keys are not those of the image */
	KEY_OF_INDEX, /* it names its old rows by another index (REPLICA IDENTITY USING INDEX) */
	KEY_NONE,     /* here the table has no key, or none that its old rows are named by */
	KEY_PRIMARY   /* it has a primary key, the target's */
};

/*
 * The connector takes a message's key from the catalog of the moment: rows that were written before ALTER TABLE … ADD
 * PRIMARY KEY may carry it already. Where the target has all the keys of the log's last image, one that it lacks is of
 * a later schema change; or it is a unique index that names no row, a partial one or one over a generated column, which
 * the connector takes, too, where there is nothing better. Without a primary key the source then sends whole old rows
 * (REPLICA IDENTITY FULL), or inserts alone; USING INDEX it sends what only that index could find.
 */
struct error *binding_read_key(struct pg_connection *connection, const struct config *config,
                               const struct relation *relation, const struct table_image *image,
                               enum key_of_place *key);

/*
 * Likewise a column: a connector that is behind pads older rows with columns that were added since. *ahead: by the log
 * the table has no such column yet.
 */
struct error *binding_column_is_ahead(struct pg_connection *connection, const struct config *config,
                                      const struct relation *relation, const char *column, bool *ahead);

/* Whether an image of the table, the source's by the log or the target's, had a column of that name at any time. */
struct error *binding_had_column(struct pg_connection *connection, const struct config *config,
                                 const struct relation *relation, const char *column, bool *had);

/* Whether an image of the table came by the log: then it, and nothing else, tells of its changes. */
struct error *binding_is_logged(struct pg_connection *connection, const struct config *config,
                                const struct relation *relation, bool *logged);

#endif
