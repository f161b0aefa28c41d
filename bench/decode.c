/*
 * decode.c - how many messages a second one core decodes.
 *
 * Usage: decode [MESSAGES]. Makes events like those of the retail workload (three tables, JSON with and without schema,
 * a topic a table or all in one) and prints the rate of each layout. Nothing is asserted.
 */
#include "base/buffer.h"
#include "base/clock.h"
#include "event/decoder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define DISTINCT 4096 /* messages made; they are decoded again and again */

struct made {
	uint32_t partition;
	char *key;
	size_t key_length;
	char *value;
	size_t value_length;
};

static const char *const tables[] = {"users", "orders", "order_items"};

static const char *const fields[] = {
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"id\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"email\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"full_name\"},"
    "{\"type\":\"string\",\"optional\":false,\"default\":\"0.00\",\"field\":\"balance\"},"
    "{\"type\":\"string\",\"optional\":false,\"name\":\"io.debezium.time.ZonedTimestamp\",\"version\":1,"
    "\"default\":\"1970-01-01T00:00:00.000000Z\",\"field\":\"created_at\"},"
    "{\"type\":\"int64\",\"optional\":false,\"name\":\"io.debezium.time.MicroTimestamp\",\"version\":1,"
    "\"default\":0,\"field\":\"updated_at\"},"
    "{\"type\":\"boolean\",\"optional\":false,\"default\":true,\"field\":\"active\"},"
    "{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Json\",\"version\":1,\"field\":\"prefs\"}",
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"id\"},"
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"user_id\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"status\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"total\"},"
    "{\"type\":\"string\",\"optional\":false,\"name\":\"io.debezium.time.ZonedTimestamp\",\"version\":1,"
    "\"default\":\"1970-01-01T00:00:00.000000Z\",\"field\":\"placed_at\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"note\"}",
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"order_id\"},"
    "{\"type\":\"int32\",\"optional\":false,\"field\":\"line_no\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"sku\"},"
    "{\"type\":\"int32\",\"optional\":false,\"field\":\"qty\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"price\"}",
};

static const char source_schema[] =
    "{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"version\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"connector\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"name\"},"
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"ts_ms\"},{\"type\":\"string\",\"optional\":true,\"name\":"
    "\"io.debezium.data.Enum\",\"version\":1,\"parameters\":{\"allowed\":\"true,first,first_in_data_collection,"
    "last_in_data_collection,last,false,incremental\"},\"default\":\"false\",\"field\":\"snapshot\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"db\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"sequence\"},"
    "{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_us\"},{\"type\":\"int64\",\"optional\":true,\"field\":"
    "\"ts_ns\"},{\"type\":\"string\",\"optional\":false,\"field\":\"schema\"},{\"type\":\"string\",\"optional\":false,"
    "\"field\":\"table\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"txId\"},{\"type\":\"int64\",\"optional\":"
    "true,\"field\":\"lsn\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"xmin\"},{\"type\":\"string\","
    "\"optional\":true,\"field\":\"origin\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"origin_lsn\"}],"
    "\"optional\":false,\"name\":\"io.debezium.connector.postgresql.Source\",\"version\":1,\"field\":\"source\"},"
    "{\"type\":\"struct\",\"fields\":[{\"type\":\"string\",\"optional\":false,\"field\":\"id\"},{\"type\":\"int64\","
    "\"optional\":false,\"field\":\"total_order\"},{\"type\":\"int64\",\"optional\":false,\"field\":"
    "\"data_collection_order\"}],\"optional\":true,\"name\":\"event.block\",\"version\":1,\"field\":\"transaction\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"op\"},{\"type\":\"int64\",\"optional\":true,\"field\":"
    "\"ts_ms\"},{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_us\"},{\"type\":\"int64\",\"optional\":true,"
    "\"field\":\"ts_ns\"}";

static void append_row(struct buffer *out, int table, unsigned n)
{
	switch (table) {
	case 0:
		buffer_append_format(
		    out,
		    "{\"id\":%u,\"email\":\"user%u@example.com\",\"full_name\":\"Full Name %u\",\"balance\":"
		    "\"%u.50\",\"created_at\":\"2026-11-21T03:00:00.123456Z\",\"updated_at\":"
		    "1795225818642159,\"active\":true,\"prefs\":\"{\\\"n\\\": %u, \\\"lang\\\": "
		    "\\\"en\\\"}\"}",
		    n, n, n, n % 1000, n);
		break;
	case 1:
		buffer_append_format(out,
		                     "{\"id\":%u,\"user_id\":%u,\"status\":\"new\",\"total\":\"%u.50\",\"placed_at\":"
		                     "\"2026-11-21T03:00:00.123456Z\",\"note\":\"note for the order of user %u\"}",
		                     n, n * 7, n % 100, n * 7);
		break;
	default:
		buffer_append_format(
		    out, "{\"order_id\":%u,\"line_no\":%u,\"sku\":\"SKU-%u\",\"qty\":%u,\"price\":\"10.50\"}", n,
		    n % 2 + 1, n, n % 9 + 1);
	}
}

static void append_envelope(struct buffer *out, int table, unsigned n)
{
	buffer_append_text(out, "{\"before\":null,\"after\":");
	append_row(out, table, n);
	buffer_append_format(
	    out,
	    ",\"source\":{\"version\":\"3.7.0.Final\",\"connector\":\"postgresql\",\"name\":\"dbserver1\",\"ts_ms\":"
	    "1795225818642,\"snapshot\":\"false\",\"db\":\"source\",\"sequence\":\"[\\\"204322184\\\","
	    "\\\"204322480\\\"]\","
	    "\"ts_us\":1795225818642159,\"ts_ns\":1795225818642159000,\"schema\":\"public\",\"table\":\"%s\",\"txId\":%"
	    "u,"
	    "\"lsn\":%u,\"xmin\":null,\"origin\":null,\"origin_lsn\":null},\"transaction\":{\"id\":\"%u:%u\","
	    "\"total_order\":%u,\"data_collection_order\":1},\"op\":\"%s\",\"ts_ms\":1795225818940,\"ts_us\":"
	    "1795225818940816,\"ts_ns\":1795225818940816850}",
	    tables[table], 171379 + n / 4, 204322480 + n * 64, 171379 + n / 4, 204322480 + n * 64, n % 4 + 1,
	    table == 0 ? "u" : "c");
}

static void append_value(struct buffer *out, int table, unsigned n, bool with_schema)
{
	if (!with_schema) {
		append_envelope(out, table, n);
		return;
	}
	buffer_append_text(out, "{\"schema\":{\"type\":\"struct\",\"fields\":[");
	for (int side = 0; side < 2; side++) {
		buffer_append_format(out,
		                     "{\"type\":\"struct\",\"fields\":[%s],\"optional\":true,\"name\":\"dbserver1."
		                     "public.%s.Value\",\"field\":\"%s\"},",
		                     fields[table], tables[table], side == 0 ? "before" : "after");
	}
	buffer_append_format(
	    out, "%s],\"optional\":false,\"name\":\"dbserver1.public.%s.Envelope\",\"version\":2},\"payload\":",
	    source_schema, tables[table]);
	append_envelope(out, table, n);
	buffer_append_byte(out, '}');
}

static void append_key(struct buffer *out, int table, unsigned n, bool with_schema)
{
	const char *name = table == 2 ? "order_id" : "id";

	if (with_schema)
		buffer_append_format(
		    out,
		    "{\"schema\":{\"type\":\"struct\",\"fields\":[{\"type\":\"int64\",\"optional\":false,"
		    "\"field\":\"%s\"}],\"optional\":false,\"name\":\"dbserver1.public.%s.Key\"},\"payload\":",
		    name, tables[table]);
	buffer_append_format(out, "{\"%s\":%u%s", name, n, table == 2 ? ",\"line_no\":1}" : "}");
	if (with_schema)
		buffer_append_byte(out, '}');
}

/* The order of the workload's transaction: an order, its two items, the user. */
static void make_messages(struct made *made, bool with_schema, bool one_partition)
{
	static const int order[] = {1, 2, 2, 0};

	for (unsigned n = 0; n < DISTINCT; n++) {
		const int table = order[n % 4];
		struct buffer key = {0};
		struct buffer value = {0};

		append_key(&key, table, 100000 + n, with_schema);
		append_value(&value, table, 100000 + n, with_schema);
		made[n].partition = one_partition ? 0 : (uint32_t)table;
		made[n].key_length = key.length;
		made[n].value_length = value.length;
		made[n].key = buffer_steal(&key);
		made[n].value = buffer_steal(&value);
	}
}

static void run(const struct made *made, long messages, const char *title)
{
	struct slab_account account = {0};
	struct slab_writer writer;
	struct decoder *decoder = decoder_new(NULL);
	struct change *held[256] = {NULL};
	uint64_t bytes = 0;
	uint64_t memory = 0;
	const int64_t start = clock_monotonic_us();
	double seconds;

	slab_writer_init(&writer, &account);
	for (long i = 0; i < messages; i++) {
		const struct made *one = &made[i % DISTINCT];
		const struct raw_message message = {
		    .partition = one->partition,
		    .topic = "bench",
		    .offset = i,
		    .key = {one->key, one->key_length},
		    .value = {one->value, one->value_length},
		};
		struct decoded decoded;
		struct error *error = decoder_decode(decoder, &message, &writer, &decoded);

		if (error != NULL) {
			fprintf(stderr, "%s\n", error->message);
			exit(1);
		}
		bytes += one->value_length;
		memory += decoded.change->bytes;
		if (held[i % 256] != NULL)
			change_release(held[i % 256]);
		held[i % 256] = decoded.change;
	}
	seconds = (double)(clock_monotonic_us() - start) / 1e6;
	printf("%-44s %9.0f messages/s  %7.1f MB/s  %4.0f bytes a message, %3.0f in memory\n", title,
	       (double)messages / seconds, (double)bytes / 1e6 / seconds, (double)bytes / (double)messages,
	       (double)memory / (double)messages);
	for (size_t i = 0; i < 256; i++)
		if (held[i] != NULL)
			change_release(held[i]);
	slab_writer_close(&writer);
	decoder_free(decoder);
}

int main(int argc, char **argv)
{
	const long messages = argc > 1 ? atol(argv[1]) : 1000000;

	for (int layout = 0; layout < 4; layout++) {
		struct made *made = calloc(DISTINCT, sizeof(*made));
		char title[64];

		if (made == NULL)
			return 1;
		make_messages(made, layout >= 2, layout % 2 == 1);
		snprintf(title, sizeof(title), "%s, %s", layout >= 2 ? "JSON with schema" : "plain JSON",
		         layout % 2 == 1 ? "all tables in one partition" : "a partition a table");
		run(made, messages, title);
		for (size_t n = 0; n < DISTINCT; n++) {
			free(made[n].key);
			free(made[n].value);
		}
		free(made);
	}
	return 0;
}
