/*
 * source_identity.h - which database is the source of a stream, and the proof that source.dsn names it.
 *
 * NOTES
 *   System identifier, database OID and timeline of the source are recorded in the target. They tell another database and
 *   a promoted standby from the source. A copy of the source's disk has the same three: so a program that is going to
 *   write rows of the source into the target writes a token through source.dsn first, in a fence (check/watermark.h), and
 *   waits until the stream has brought it here.
 *
 * Thread: the connection's.
 */
#ifndef REPLICATOR_TARGET_SOURCE_IDENTITY_H
#define REPLICATOR_TARGET_SOURCE_IDENTITY_H

#include "base/buffer.h"
#include "config/config.h"
#include "pg/connection.h"
#include "stream/transaction.h"

#define SOURCE_TOKEN_SIZE 40

struct source_identity {
	char system[24];   /* "-": the role may not read it */
	char database[12]; /* the OID */
	char timeline[12]; /* "0": a standby, which does not say */
};

struct source_token {
	struct source_identity identity; /* of the server that it is written through */
	char text[SOURCE_TOKEN_SIZE];    /* random, one for each run of a program */
	uint64_t number;                 /* of the fence in that run */
};

enum source_difference { SOURCE_SAME, SOURCE_SYSTEM, SOURCE_DATABASE, SOURCE_TIMELINE };

/* Asks the source who it is. *standby: it is in recovery. */
struct error *source_identity_ask(struct pg_connection *source, struct source_identity *identity, bool *standby);

/* What the target has recorded; *known false: nothing yet, or the state cannot be read. Errors: the connection is lost. */
struct error *source_identity_read(struct pg_connection *target, const struct config *config,
                                   struct source_identity *identity, bool *known);

/* The first that differs; what one of them does not know is equal. */
enum source_difference source_identity_compare(const struct source_identity *a, const struct source_identity *b);

/*
 * The operator confirms that this is the stream's source from now on. All tables of the stream become unverified, since a
 * server that was promoted may lack transactions that the target has. `lsn`: the source's position. Inside the caller's
 * transaction. ERROR_CONFIGURATION: the target has no such stream.
 */
struct error *source_identity_accept(struct pg_connection *target, const struct config *config,
                                     const struct source_identity *identity, uint64_t lsn);

/* A token that no other run of a program has; the target makes it. */
struct error *source_token_new(struct pg_connection *target, struct source_token *token);

/* The text that a fence carries. */
void source_token_append(struct buffer *text, const struct source_token *token);

/*
 * Makes the target expect the token: the stream notes no other, since each role of the source may write a message with a
 * fence's text. Forgets tokens of a day ago.
 */
struct error *source_token_expect(struct pg_connection *target, const struct config *config,
                                  const struct source_token *token);

/* Notes the token in a transaction that the stream brought, if there is one that is expected; inside the target transaction that applies it. */
struct error *source_token_note(struct pg_connection *connection, const struct config *config,
                                const struct transaction *transaction);

/* Whether the stream has brought the token with this number, or a later one. */
struct error *source_token_arrived(struct pg_connection *target, const struct config *config,
                                   const struct source_token *token, bool *arrived);

#endif
