/*
 * binding_history.h - tables that the events do not name or describe as they are at this place of the stream; the log of
 * schema changes, as the target keeps it (schema_history), tells. Without that log nothing is found. Thread: the applier's.
 */
#ifndef REPLICATOR_TARGET_BINDING_HISTORY_H
#define REPLICATOR_TARGET_BINDING_HISTORY_H

#include "base/arena.h"
#include "config/config.h"
#include "event/change.h"
#include "pg/connection.h"
#include "schema/table_image.h"

/*
 * After ALTER SCHEMA … RENAME servers before PostgreSQL 16 send the old name of the schema until the table itself changes.
 * The table under the new name, or NULL; in the arena.
 */
struct error *binding_find_renamed(struct pg_connection *connection, const struct config *config,
                                   const struct table_name *name, struct arena *arena,
                                   const struct table_image **image);

/*
 * The connector takes a message's key from the catalog of the moment: rows that were written before ALTER TABLE … ADD
 * PRIMARY KEY may carry it already. *known: the log has the table; *keyless: at this place of the stream without a primary
 * key.
 */
struct error *binding_read_key(struct pg_connection *connection, const struct config *config,
                               const struct relation *relation, bool *known, bool *keyless);

/*
 * Likewise a column: a connector that is behind pads older rows with columns that were added since, filled with their
 * defaults, as the ADD COLUMN that follows will fill them. *ahead: by the log the table has no such column yet.
 */
struct error *binding_column_is_ahead(struct pg_connection *connection, const struct config *config,
                                      const struct relation *relation, const char *column, bool *ahead);

#endif
