/*
 * state.h - SQL on the state tables: `@` in a text stands for the quoted state schema and a dot. Internal to target/.
 * Thread: the connection's.
 */
#ifndef REPLICATOR_TARGET_STATE_H
#define REPLICATOR_TARGET_STATE_H

#include "base/buffer.h"
#include "config/config.h"
#include "pg/connection.h"

/* Decimal text of an integer; room enough for 64 bits. */
struct number {
	char text[24];
};

struct number number_of(int64_t value);

void state_append_sql(struct buffer *sql, const struct config *config, const char *text);

/*
 * A text of ours may have characters that the target's encoding lacks, and then must not fail to be stored. This is the
 * parameter for @storable_text($n::bytea); NULL for NULL. The caller frees it.
 */
char *state_storable(const char *text);

/* pg_query of such a text. */
struct error *state_query(struct pg_connection *connection, const struct config *config, const char *text,
                          size_t parameter_count, const char *const *parameters, struct pg_result **result);

/* The same; whether it has a row. */
struct error *state_exists(struct pg_connection *connection, const struct config *config, const char *text,
                           size_t parameter_count, const char *const *parameters, bool *exists);

#endif
