/*
 * check_events.c - what the newest events show: whether they have schemas, and which columns of a table they have.
 *
 * NOTES
 *   A column that no event carries is not seen in any setting: the connector leaves out columns of types that it does not
 *   know, and transforms may. So the newest row of each topic is compared with the source's table. A column that was
 *   added after that row is missing in it, too.
 */
#include <string.h>

#include "cli/preflight.h"
#include "event/decoder.h"

struct reading {
	struct preflight *preflight;
	struct decoder *decoder;
	struct slab_account account;
	struct slab_writer writer;
};

static void note_columns(struct preflight *preflight, const struct relation *relation)
{
	const char *name = preflight_name(preflight, relation->schema, relation->table);

	map_put(preflight->carried, slice_from(name), (void *)(uintptr_t)relation); /* relations live as long as we */
}

/* A message of an unknown form is for the stream to complain about. */
static void decode(struct reading *reading, const struct raw_message *message)
{
	struct decoded decoded;
	struct error *error = decoder_decode(reading->decoder, message, &reading->writer, &decoded);

	if (error != NULL) {
		error_free(error);
		return;
	}
	if (decoded.kind == DECODED_MARK)
		transaction_mark_release(decoded.mark);
	if (decoded.kind != DECODED_CHANGE)
		return;
	if (decoded.change->after != NULL)
		note_columns(reading->preflight, decoded.change->relation);
	change_release(decoded.change);
}

static void show(void *context, const struct raw_message *message)
{
	struct reading *reading = context;
	enum event_format *format = &reading->preflight->format;

	if (*format == FORMAT_UNKNOWN)
		*format = format_of_message(message->value);
	/* The schema registry may be unavailable, and a decoder waits for it. */
	if (message->value.length > 0 && message->value.data[0] == '{')
		decode(reading, message);
}

struct error *check_events(struct preflight *preflight, int timeout_ms)
{
	const struct decoder_options options = decoder_options(preflight->config);
	struct reading reading = {.preflight = preflight, .decoder = decoder_new(&options)};
	const struct probe_sample sample = {show, &reading, partition_list_new()};
	struct error *error;

	preflight->carried = map_new();
	slab_writer_init(&reading.writer, &reading.account);
	error = probe_messages(preflight->config, timeout_ms, &sample, &preflight->probe);
	slab_writer_close(&reading.writer);
	decoder_free(reading.decoder);
	partition_list_free(sample.names);
	return error;
}

bool check_is_carried(const struct preflight *preflight, const char *table, const char *column)
{
	const struct relation *relation =
	    preflight->carried != NULL ? map_get(preflight->carried, slice_from(table)) : NULL;

	for (uint32_t i = 0; relation != NULL && i < relation->column_count; i++)
		if (strcmp(relation->columns[i].name, column) == 0)
			return true;
	/* Avro's form of a name may be another (event/adjusted_name.h); without an event nothing is known. */
	return relation == NULL || relation->adjusted;
}
