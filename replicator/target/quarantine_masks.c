/*
 * quarantine_masks.c - what waits or waited in the quarantine, after the masks or the salt of the configuration changed.
 *
 * NOTES
 *   The events in the table were masked by the rules of their time, and the hashes in their keys have the salt as their
 *   seed. So after a change the clear values of a column that a new mask covers would stay there, and a later transaction
 *   of the same row would not be recognized: it would be applied before the one that waits, and a retry would then write
 *   the older values. The keys cannot be made again from masked events: such a transaction concerns its whole tables.
 */
#include "target/quarantine.h"

#include <stdlib.h>
#include <string.h>

#include "event/change_json.h"
#include "target/rules.h"
#include "target/state.h"

/* A transaction as it is stored: topics and partitions are kept by number while it is in memory. */
static const char *place_topic(void *context, uint32_t number, int32_t *partition)
{
	const struct partition_name *name = partition_list_get(context, number);

	*partition = name->id;
	return name->topic;
}

static uint32_t place_number(void *context, const char *topic, int32_t partition)
{
	return partition_list_add(context, topic, partition);
}

/* *masked: the events by the rules of today; free() it. */
static struct error *mask_events(const struct config *config, const char *events, char **masked)
{
	struct partition_list *partitions = partition_list_new();
	const struct change_places places = {.topic = place_topic, .number = place_number, .context = partitions};
	struct slab_account account = {0};
	struct arena *arena = arena_new();
	struct slab_writer writer;
	struct change **changes = NULL;
	size_t count = 0;
	struct error *error;

	slab_writer_init(&writer, &account);
	error = change_json_read(events, &places, arena, &writer, &changes, &count);
	if (error == NULL)
		error = change_json_write(rules_mask_changes(config, changes, count, arena), count, &places, masked);
	for (size_t i = 0; i < count; i++)
		change_release(changes[i]);
	slab_writer_close(&writer);
	arena_free(arena);
	partition_list_free(partitions);
	return error;
}

/* One that has other masks; *found false: there is none. In a transaction. */
static struct error *mask_one(const struct config *config, struct pg_connection *connection, const char *masks,
                              bool *found)
{
	const char *const of_stream[2] = {config->stream.name, masks};
	struct pg_result *result = NULL;
	char *events = NULL;
	struct error *error;

	TRY(state_query(connection, config,
	                "SELECT id, events FROM @quarantine WHERE stream = $1 AND masks <> $2 ORDER BY id LIMIT 1"
	                " FOR UPDATE",
	                2, of_stream, &result));
	*found = pg_result_rows(result) > 0;
	error = *found ? mask_events(config, pg_result_text(result, 0, 1), &events) : NULL;
	if (*found && error == NULL) {
		const char *const parameters[3] = {pg_result_text(result, 0, 0), masks, events};

		error = state_query(connection, config,
		                    "UPDATE @quarantine SET masks = $2, events = $3::json,"
		                    " keys = tables || ARRAY(SELECT t || '*' FROM unnest(tables) AS t)"
		                    " WHERE id = $1::bigint",
		                    3, parameters, NULL);
	}
	free(events);
	pg_result_free(result);
	return error;
}

struct error *quarantine_mask_again(struct pg_connection *connection, const struct config *config)
{
	char masks[RULES_MASKS_TEXT];
	bool found = true;

	rules_describe_masks(config, masks);
	while (found) {
		struct error *error;

		TRY(pg_execute(connection, "BEGIN"));
		error = mask_one(config, connection, masks, &found);
		if (error != NULL) {
			error_free(pg_is_broken(connection) ? NULL : pg_execute(connection, "ROLLBACK"));
			return error_wrap(error, "masking what is in the quarantine");
		}
		TRY(pg_execute(connection, "COMMIT"));
	}
	return NULL;
}
