/*
 * peek.c - `replicator peek TOPIC`: messages of a topic as people read them: a line for each change, with its values.
 *
 * NOTES
 *   This is the one command beside `quarantine show` and check_target's --show-values that prints row values: they are
 *   what was asked for, and go to standard output alone. Colours are for terminals only.
 */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit_code.h"
#include "base/lsn.h"
#include "base/signals.h"
#include "base/text.h"
#include "pg/catalog.h"
#include "stream/peek.h"
#include "target/explain.h"

#define LIMIT 10
#define VALUE_BYTES 200 /* of a value; more is cut */

enum colour { PLAIN, DIM, RED, GREEN, YELLOW, BLUE };

struct view {
	const struct config *config;
	bool raw, coloured;
	struct decoder *decoder;
	struct slab_account account;
	struct slab_writer writer;
	/* Of --explain, else NULL. */
	struct pg_connection *target;
	struct binding_cache *bindings;
	struct row_sender *sender;
	struct error *error; /* ended the reading */
};

static const char *colour(const struct view *view, enum colour number)
{
	static const char *const codes[] = {"\033[0m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[34m"};

	return view->coloured ? codes[number] : "";
}

/* Bytes as they are, except those that would act on a terminal. */
static void print_bytes(const char *data, size_t length, size_t most)
{
	size_t shown = most != 0 && length > most ? most : length;
	struct buffer text = {0};

	while (shown < length && shown > 0 && ((unsigned char)data[shown] & 0xC0) == 0x80)
		shown--; /* not within a character */
	text_append_visible(&text, data, shown, false);
	fwrite(text.data, 1, text.length, stdout);
	if (shown < length)
		printf("… (%zu bytes)", length);
	buffer_free(&text);
}

static void print_name(const char *name)
{
	print_bytes(name, strlen(name), 0);
}

static void print_value(const struct view *view, const struct value *value)
{
	switch (value->kind) {
	case VALUE_NULL:
		printf("%sNULL%s", colour(view, DIM), colour(view, PLAIN));
		break;
	case VALUE_UNCHANGED:
		printf("%s(unchanged)%s", colour(view, DIM), colour(view, PLAIN));
		break;
	case VALUE_STRING:
		putchar('\'');
		print_bytes(value->data, value->length, VALUE_BYTES);
		putchar('\'');
		break;
	default:
		print_bytes(value->data, value->length, VALUE_BYTES);
		break;
	}
}

static bool same_value(const struct value *a, const struct value *b)
{
	return a->kind == b->kind && a->length == b->length &&
	       (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
}

static bool is_key(const struct relation *relation, uint32_t column)
{
	for (uint32_t i = 0; i < relation->key_count; i++)
		if (relation->key_columns[i] == column)
			return true;
	return false;
}

/* Of an update whose old row is whole (REPLICA IDENTITY FULL): just what changed. */
static bool knows_old_row(const struct change *change)
{
	if (change->operation != CHANGE_UPDATE || change->before == NULL)
		return false;
	for (uint32_t i = 0; i < change->relation->column_count; i++)
		if (change->before[i].kind != VALUE_NULL && !is_key(change->relation, i))
			return true;
	return false;
}

static void print_columns(const struct view *view, const struct change *change)
{
	const struct relation *relation = change->relation;
	const struct value *row = change->after != NULL ? change->after : change->before;
	bool old = knows_old_row(change);

	for (uint32_t i = 0; row != NULL && i < relation->column_count; i++) {
		bool key = is_key(relation, i);

		if (change->after == NULL && !key && row[i].kind == VALUE_NULL)
			continue;
		if (old && !key && same_value(&change->before[i], &change->after[i]))
			continue;
		printf(" %s", colour(view, key ? BLUE : DIM));
		print_name(relation->columns[i].name);
		printf("%s=", colour(view, PLAIN));
		if (old && !same_value(&change->before[i], &change->after[i])) {
			print_value(view, &change->before[i]);
			fputs(" → ", stdout);
		}
		print_value(view, &row[i]);
	}
	for (uint32_t i = 0; change->other_key != NULL && i < relation->key_count; i++) {
		printf(" %s%s",
		       i > 0                                ? ""
		       : change->operation == CHANGE_DELETE ? "key becomes "
		                                            : "key was ",
		       colour(view, BLUE));
		print_name(relation->columns[relation->key_columns[i]].name);
		printf("%s=", colour(view, PLAIN));
		print_value(view, &change->other_key[i]);
	}
}

static void print_place(const struct view *view, const struct raw_message *message)
{
	char time[32] = "-";

	if (message->timestamp_ms > 0)
		clock_format_utc(message->timestamp_ms * 1000, time, sizeof(time));
	printf("%s%d@%lld %s%s ", colour(view, DIM), (int)message->partition_id, (long long)message->offset, time,
	       colour(view, PLAIN));
}

static void print_change(const struct view *view, const struct change *change)
{
	static const struct {
		char operation;
		enum colour colour;
		const char *name;
	} names[] = {{CHANGE_INSERT, GREEN, "INSERT"},   {CHANGE_UPDATE, YELLOW, "UPDATE"},
	             {CHANGE_DELETE, RED, "DELETE"},     {CHANGE_READ, BLUE, "SNAPSHOT"},
	             {CHANGE_TRUNCATE, RED, "TRUNCATE"}, {CHANGE_MESSAGE, DIM, "MESSAGE"}};
	char lsn[LSN_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].operation == (char)change->operation)
			printf("%s%s%s", colour(view, names[i].colour), names[i].name, colour(view, PLAIN));
	putchar(' ');
	print_name(change->relation->schema);
	putchar('.');
	print_name(change->relation->table);
	print_columns(view, change);
	lsn_format(change->lsn, lsn);
	if (change->tx_id != 0)
		printf(" %s(transaction %llu, LSN %s)%s", colour(view, DIM), (unsigned long long)change->tx_id, lsn,
		       colour(view, PLAIN));
	putchar('\n');
}

static void print_mark(const struct view *view, const struct transaction_mark *mark)
{
	char lsn[LSN_TEXT_SIZE];

	lsn_format(mark->lsn, lsn);
	printf("%s%s%s transaction %llu, %s %s", colour(view, BLUE), mark->end ? "END" : "BEGIN", colour(view, PLAIN),
	       (unsigned long long)mark->tx_id, mark->end ? "commit LSN" : "LSN", lsn);
	if (mark->end)
		printf(", %llu events", (unsigned long long)mark->event_count);
	for (uint32_t i = 0; mark->end && i < mark->count_count; i++) {
		fputs(i == 0 ? ": " : ", ", stdout);
		print_name(mark->counts[i].collection->name);
		printf(" %llu", (unsigned long long)mark->counts[i].count);
	}
	putchar('\n');
}

static struct error *explain(struct view *view, const struct change *change)
{
	struct buffer text = {0}, visible = {0};
	struct error *error = explain_change(view->sender, view->target, view->bindings, change, &text);

	if (error != NULL && !pg_is_broken(view->target)) { /* what would stop the stream is an answer, too */
		fputs("    -- stops the stream: ", stdout);
		print_name(error->message);
		putchar('\n');
		error_free(error);
		error = NULL;
	}
	text_append_visible(&visible, text.data, text.length, true);
	fwrite(visible.data, 1, visible.length, stdout);
	buffer_free(&visible);
	buffer_free(&text);
	return error;
}

static void print_raw(const struct view *view, const struct raw_message *message)
{
	print_place(view, message);
	putchar('\n');
	fputs("  key   ", stdout);
	if (message->key.data == NULL)
		fputs("none", stdout);
	else
		print_bytes(message->key.data, message->key.length, 0);
	fputs("\n  value ", stdout);
	if (message->value.data == NULL)
		fputs("none (a tombstone)", stdout);
	else
		print_bytes(message->value.data, message->value.length, 0);
	putchar('\n');
}

static struct error *print_decoded(struct view *view, const struct raw_message *message)
{
	struct decoded decoded;
	struct error *error = decoder_decode(view->decoder, message, &view->writer, &decoded);

	if (error != NULL && error->class != ERROR_EVENT)
		return error;
	print_place(view, message);
	if (error != NULL) {
		printf("%scannot be read%s: ", colour(view, RED), colour(view, PLAIN));
		print_name(error->message);
		putchar('\n');
		error_free(error);
		return NULL;
	}
	if (decoded.kind == DECODED_NOTHING) {
		puts(message->value.data == NULL ? "tombstone" : "nothing to apply (heartbeat)");
	} else if (decoded.kind == DECODED_MARK) {
		print_mark(view, decoded.mark);
		transaction_mark_release(decoded.mark);
	} else {
		print_change(view, decoded.change);
		if (view->target != NULL)
			error = explain(view, decoded.change);
		change_release(decoded.change);
	}
	return error;
}

static bool show(void *context, const struct raw_message *message)
{
	struct view *view = context;

	if (view->raw)
		print_raw(view, message);
	else
		view->error = print_decoded(view, message);
	fflush(stdout);
	return view->error == NULL && !ferror(stdout);
}

static struct error *prepare(struct view *view, bool explains)
{
	const struct config *config = view->config;
	struct decoder_options options = decoder_options(config);
	bool may = false;

	slab_writer_init(&view->writer, &view->account);
	view->decoder = decoder_new(&options);
	if (!explains)
		return NULL;
	TRY(pg_connect(config->target.dsn, "replicator peek", &view->target));
	TRY(pg_execute(view->target, "SET default_transaction_read_only = on"));
	TRY(catalog_may_set_replication_role(view->target, &may));
	view->bindings = binding_cache_new(config);
	view->sender = row_sender_new();
	binding_cache_forget(view->bindings, may);
	return NULL;
}

static void release(struct view *view)
{
	row_sender_free(view->sender);
	if (view->bindings != NULL)
		binding_cache_free(view->bindings);
	pg_disconnect(view->target);
	slab_writer_close(&view->writer);
	decoder_free(view->decoder);
}

static int look(const struct config *config, struct peek *peek, bool raw, bool explains)
{
	struct view view = {.config = config, .raw = raw, .coloured = isatty(STDOUT_FILENO) == 1};
	struct partition_list *names = partition_list_new();
	struct error *error = prepare(&view, explains);

	peek->show = show;
	peek->context = &view;
	signals_install();
	if (error == NULL)
		error = peek_topic(config, peek, names);
	if (error == NULL)
		error = view.error;
	release(&view);
	partition_list_free(names);
	return error == NULL ? EXIT_OK : command_fail(error);
}

int command_peek(const struct invocation *invocation)
{
	const char *offset = NULL, *limit = NULL;
	bool raw = false, explains = false;
	struct peek peek = {.limit = LIMIT};
	const struct command_option options[] = {{"--offset", NULL, &offset},      {"--limit", NULL, &limit},
	                                         {"--follow", &peek.follow, NULL}, {"--raw", &raw, NULL},
	                                         {"--explain", &explains, NULL},   {0}};
	struct config *config;
	int code;

	if (!command_parse(invocation, options, &peek.topic))
		return EXIT_UNCHECKED;
	peek.from_offset = offset != NULL;
	if (peek.topic == NULL || (offset != NULL && !text_read_integer(offset, INT64_MIN, INT64_MAX, &peek.offset)) ||
	    (limit != NULL && !text_read_integer(limit, 1, INT64_MAX, &peek.limit)) || (raw && explains)) {
		command_usage_error(invocation->command, "peek takes a topic, --offset and --limit with whole numbers, "
		                                         "and --raw or --explain");
		return EXIT_UNCHECKED;
	}
	config = command_load_config(invocation);
	if (config == NULL)
		return EXIT_CONFIGURATION;
	code = look(config, &peek, raw, explains);
	config_free(config);
	return code;
}
