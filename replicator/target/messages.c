/* messages.c - see messages.h. A message's LSN is its own, so a message that comes again is known by it. */
#include "target/messages.h"

#include "base/arena.h"
#include "base/lsn.h"
#include "base/metrics.h"
#include "event/value.h"
#include "pg/sql.h"
#include "target/state.h"

#include <string.h>

enum { LSN, TX_ID, PREFIX, CONTENT, ARRAYS };

static void append_element(struct buffer *array, const char *data, size_t length)
{
	buffer_append_byte(array, array->length == 0 ? '{' : ',');
	sql_append_array_element(array, data, length);
}

/* The content in PostgreSQL's notation; the connector's binary.handling.mode tells how it was written. */
struct error *messages_read_content(const struct config *config, const struct change *message, struct arena *arena,
                                    struct value *content)
{
	const struct target_type bytea = {.name = "bytea", .typmod = -1, .category = 'U'};
	const struct conversion *conversion = NULL;

	*content = (struct value){0};
	if (message->after == NULL || message->after[1].data == NULL)
		return NULL;
	TRY(conversion_choose(&message->relation->columns[1], &bytea, &config->decoding.modes, arena, &conversion));
	*content = message->after[1];
	return conversion == NULL ? NULL : conversion_apply(conversion, &message->after[1], arena, content);
}

static struct error *append_message(const struct config *config, const struct change *message, struct arena *arena,
                                    struct buffer arrays[ARRAYS])
{
	struct number tx_id = number_of((int64_t)message->tx_id);
	struct value content;
	char lsn[LSN_TEXT_SIZE];

	if (message->after == NULL || message->lsn == 0 || message->after[0].data == NULL ||
	    message->after[1].data == NULL)
		return error_new(ERROR_EVENT, "a logical decoding message without its LSN, prefix or content");
	TRY(error_wrap(messages_read_content(config, message, arena, &content),
	               "the content of a logical decoding message"));
	lsn_format(message->lsn, lsn);
	append_element(&arrays[LSN], lsn, strlen(lsn));
	append_element(&arrays[TX_ID], tx_id.text, strlen(tx_id.text));
	append_element(&arrays[PREFIX], message->after[0].data, message->after[0].length);
	append_element(&arrays[CONTENT], content.data, content.length);
	return NULL;
}

bool messages_is_ours(const struct change *message)
{
	return message->after != NULL &&
	       slice_is((struct slice){message->after[0].data, message->after[0].length}, config_message_prefix);
}

static struct error *insert(struct pg_connection *connection, const struct config *config, struct buffer arrays[ARRAYS])
{
	const char *parameters[1 + ARRAYS] = {config->stream.name};

	for (size_t i = 0; i < ARRAYS; i++) {
		buffer_append_byte(&arrays[i], '}');
		parameters[1 + i] = arrays[i].data;
	}
	return state_query(connection, config,
	                   "INSERT INTO @message (stream, lsn, tx_id, prefix, content) SELECT $1, m.* FROM"
	                   " unnest($2::pg_lsn[], $3::bigint[], $4::text[], $5::bytea[]) AS m ON CONFLICT DO NOTHING",
	                   1 + ARRAYS, parameters, NULL);
}

struct error *messages_write(struct pg_connection *connection, const struct config *config,
                             const struct change *const *messages, size_t count, uint64_t *ignored)
{
	struct buffer arrays[ARRAYS] = {{0}};
	struct error *error = NULL;
	struct arena *arena;

	if (count > 0 && config->stream.messages == MESSAGES_IGNORE) {
		*ignored += count;
		metric_add(METRIC_LEFT_OUT_MESSAGE, count);
	}
	if (count == 0 || config->stream.messages == MESSAGES_IGNORE)
		return NULL;
	arena = arena_new();
	for (size_t i = 0; i < count && error == NULL; i++)
		if (!messages_is_ours(messages[i]))
			error = append_message(config, messages[i], arena, arrays);
	if (error == NULL && arrays[LSN].length > 0)
		error = insert(connection, config, arrays);
	for (size_t i = 0; i < ARRAYS; i++)
		buffer_free(&arrays[i]);
	arena_free(arena);
	return error;
}
