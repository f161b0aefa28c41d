/* source_identity.c - see source_identity.h */
#include "target/source_identity.h"

#include "base/arena.h"
#include "base/log.h"
#include "base/lsn.h"
#include "target/messages.h"
#include "target/state.h"
#include "target/unverified.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN_SYSTEM "-"
#define UNKNOWN_TIMELINE "0"
#define FENCE_CHANGES ((size_t)4) /* a transaction that is a fence has no more */
#define FENCE_MOST 160            /* bytes of its text */

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
}

/* The function may be revoked from PUBLIC, and a statement that names it fails then. */
static struct error *ask_system(struct pg_connection *source, struct source_identity *identity)
{
	struct pg_result *result = NULL;
	int64_t may = 0;

	copy_text(identity->system, sizeof(identity->system), UNKNOWN_SYSTEM);
	TRY(pg_query_integer(source, "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')::int",
	                     0, NULL, 0, &may));
	if (may == 0)
		return NULL;
	TRY(pg_query(source, "SELECT system_identifier FROM pg_control_system()", 0, NULL, &result));
	copy_text(identity->system, sizeof(identity->system), pg_result_text(result, 0, 0));
	pg_result_free(result);
	return NULL;
}

/* The name of a segment of the log begins with its timeline: eight hexadecimal digits. */
struct error *source_identity_ask(struct pg_connection *source, struct source_identity *identity, bool *standby)
{
	struct pg_result *result = NULL;

	TRY(ask_system(source, identity));
	TRY(pg_query(
	    source,
	    "SELECT d.oid, r.standby::int, CASE WHEN r.standby THEN '0'"
	    " ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END"
	    " FROM pg_database d, (SELECT pg_is_in_recovery() AS standby) r WHERE d.datname = current_database()",
	    0, NULL, &result));
	copy_text(identity->database, sizeof(identity->database), pg_result_text(result, 0, 0));
	*standby = pg_result_integer(result, 0, 1) != 0;
	snprintf(identity->timeline, sizeof(identity->timeline), "%lu",
	         strtoul(pg_result_text(result, 0, 2), NULL, 16));
	pg_result_free(result);
	return NULL;
}

struct error *source_identity_read(struct pg_connection *target, const struct config *config,
                                   struct source_identity *identity, bool *known)
{
	const char *const parameters[1] = {config->stream.name};
	struct pg_result *result = NULL;
	struct error *error =
	    state_query(target, config,
	                "SELECT system_identifier, database_oid, timeline FROM @source_identity WHERE stream = $1", 1,
	                parameters, &result);

	*known = false;
	if (error != NULL) {
		if (pg_is_broken(target))
			return error;
		log_debug("the recorded identity of the source is not known: %s", error->message);
		error_free(error);
		return NULL;
	}
	*known = pg_result_rows(result) > 0;
	if (*known) {
		copy_text(identity->system, sizeof(identity->system), pg_result_text(result, 0, 0));
		copy_text(identity->database, sizeof(identity->database), pg_result_text(result, 0, 1));
		copy_text(identity->timeline, sizeof(identity->timeline), pg_result_text(result, 0, 2));
	}
	pg_result_free(result);
	return NULL;
}

static bool differ(const char *a, const char *b, const char *unknown)
{
	return strcmp(a, b) != 0 && strcmp(a, unknown) != 0 && strcmp(b, unknown) != 0;
}

enum source_difference source_identity_compare(const struct source_identity *a, const struct source_identity *b)
{
	if (differ(a->system, b->system, UNKNOWN_SYSTEM))
		return SOURCE_SYSTEM;
	if (strcmp(a->database, b->database) != 0)
		return SOURCE_DATABASE;
	return differ(a->timeline, b->timeline, UNKNOWN_TIMELINE) ? SOURCE_TIMELINE : SOURCE_SAME;
}

struct error *source_identity_accept(struct pg_connection *target, const struct config *config,
                                     const struct source_identity *identity, uint64_t lsn)
{
	const char *const parameters[4] = {config->stream.name, identity->system, identity->database,
	                                   identity->timeline};
	struct pg_result *result = NULL;
	size_t rows;

	TRY(state_query(target, config,
	                "WITH said AS (INSERT INTO @acceptance (stream, word, used_at)"
	                " SELECT name, 'source', now() FROM @stream WHERE name = $1)"
	                " INSERT INTO @source_identity AS i (stream, system_identifier, database_oid, timeline)"
	                " SELECT name, $2, $3, $4 FROM @stream WHERE name = $1"
	                " ON CONFLICT (stream) DO UPDATE SET system_identifier = excluded.system_identifier,"
	                " database_oid = excluded.database_oid, timeline = excluded.timeline, recorded_at = now()"
	                " RETURNING 1",
	                4, parameters, &result));
	rows = pg_result_rows(result);
	pg_result_free(result);
	if (rows == 0)
		return error_new(ERROR_CONFIGURATION,
		                 "the target knows no stream %s: nothing can be accepted before its first start",
		                 config->stream.name);
	return unverified_mark_all(target, config, UNVERIFIED_ACCEPTED, lsn);
}

struct error *source_token_new(struct pg_connection *target, struct source_token *token)
{
	struct pg_result *result = NULL;

	TRY(pg_query(target, "SELECT gen_random_uuid()", 0, NULL, &result));
	copy_text(token->text, sizeof(token->text), pg_result_text(result, 0, 0));
	token->number = 0;
	pg_result_free(result);
	return NULL;
}

void source_token_append(struct buffer *text, const struct source_token *token)
{
	buffer_append_format(text, "fence %s %s %s %" PRIu64 " %s", token->identity.system, token->identity.database,
	                     token->identity.timeline, token->number, token->text);
}

struct error *source_token_expect(struct pg_connection *target, const struct config *config,
                                  const struct source_token *token)
{
	const char *const parameters[2] = {config->stream.name, token->text};

	return state_query(
	    target, config,
	    "WITH old AS (DELETE FROM @source_token WHERE stream = $1 AND received_at < now() - interval '1 day'"
	    " AND token <> $2) INSERT INTO @source_token (stream, token, number)"
	    " SELECT name, $2, 0 FROM @stream WHERE name = $1"
	    " ON CONFLICT (stream, token) DO UPDATE SET received_at = excluded.received_at",
	    2, parameters, NULL);
}

static bool parse(struct slice text, struct source_token *token)
{
	char copy[FENCE_MOST];
	int end = 0;

	if (text.length >= sizeof(copy))
		return false;
	memcpy(copy, text.data, text.length);
	copy[text.length] = '\0';
	return sscanf(copy, "fence %23[-0-9] %11[0-9] %11[0-9] %18" SCNu64 " %36[-0-9a-f]%n", token->identity.system,
	              token->identity.database, token->identity.timeline, &token->number, token->text, &end) == 5 &&
	       (size_t)end == text.length;
}

static struct error *write_token(struct pg_connection *connection, const struct config *config,
                                 const struct source_token *token)
{
	struct number number = number_of((int64_t)token->number);
	const char *const parameters[6] = {config->stream.name,
	                                   token->text,
	                                   number.text,
	                                   token->identity.system,
	                                   token->identity.database,
	                                   token->identity.timeline};

	return state_query(connection, config,
	                   "WITH expected AS (UPDATE @source_token SET number = greatest(number, $3::bigint),"
	                   " received_at = clock_timestamp() WHERE stream = $1 AND token = $2 RETURNING 1)"
	                   " INSERT INTO @source_identity (stream, system_identifier, database_oid, timeline)"
	                   " SELECT $1, $4, $5, $6 FROM expected ON CONFLICT DO NOTHING",
	                   6, parameters, NULL);
}

/* A message of ours, or the row of the heartbeat table where the source takes no message. */
static struct error *read_fence(const struct config *config, const struct change *change, struct arena *arena,
                                struct value *text)
{
	const struct relation *relation = change->relation;

	*text = (struct value){0};
	if (change->after == NULL)
		return NULL;
	if (change->operation == CHANGE_MESSAGE)
		return messages_is_ours(change) ? messages_read_content(config, change, arena, text) : NULL;
	if (strcmp(relation->table, "heartbeat") != 0 || strcmp(relation->schema, config_source_schema) != 0)
		return NULL;
	for (uint32_t i = 0; i < relation->column_count; i++)
		if (strcmp(relation->columns[i].name, "token") == 0)
			*text = change->after[i];
	return NULL;
}

/* The content of a message is a bytea's text: \x and two digits for each byte. */
static struct slice plain_text(const struct value *value, char copy[FENCE_MOST])
{
	size_t length = 0;

	if (value->length < 2 || memcmp(value->data, "\\x", 2) != 0)
		return (struct slice){value->data, value->length};
	for (size_t i = 2; i + 1 < value->length && length < FENCE_MOST; i += 2) {
		const char digits[3] = {value->data[i], value->data[i + 1], '\0'};

		copy[length++] = (char)strtoul(digits, NULL, 16);
	}
	return (struct slice){copy, length};
}

static struct error *note_change(struct pg_connection *connection, const struct config *config,
                                 const struct change *change, struct arena *arena)
{
	struct source_token token;
	char copy[FENCE_MOST];
	struct error *error;
	struct value text;

	error = read_fence(config, change, arena, &text);
	if (error != NULL) { /* it proves nothing then, and a message of ours must not stop the stream */
		log_debug("a fence could not be read: %s", error->message);
		error_free(error);
		return NULL;
	}
	if (text.data == NULL || !parse(plain_text(&text, copy), &token))
		return NULL;
	return write_token(connection, config, &token);
}

struct error *source_token_note(struct pg_connection *connection, const struct config *config,
                                const struct transaction *transaction)
{
	struct error *error = NULL;
	struct arena *arena;

	if (transaction->kind != TRANSACTION_STREAMED || transaction->changes == NULL ||
	    transaction->change_count > FENCE_CHANGES)
		return NULL;
	arena = arena_new();
	for (size_t i = 0; error == NULL && i < transaction->change_count; i++)
		error = note_change(connection, config, transaction->changes[i], arena);
	arena_free(arena);
	return error;
}

struct error *source_token_arrived(struct pg_connection *target, const struct config *config,
                                   const struct source_token *token, bool *arrived)
{
	struct number number = number_of((int64_t)token->number);
	const char *const parameters[3] = {config->stream.name, token->text, number.text};
	int64_t found = 0;
	struct buffer sql = {0};
	struct error *error;

	state_append_sql(
	    &sql, config,
	    "SELECT count(*) FROM @source_token WHERE stream = $1 AND token = $2 AND number >= $3::bigint");
	error = pg_query_integer(target, sql.data, 3, parameters, 0, &found);
	buffer_free(&sql);
	*arrived = found > 0;
	return error;
}
