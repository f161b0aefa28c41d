/* transforms.c - see transforms.h */
#include "connect/transforms.h"

#include <string.h>

#include "base/buffer.h"
#include "connect/capture_list.h"

#define UNWRAP "io.debezium.transforms.ExtractNewRecordState"
#define ADDED_PREFIX "__" /* event/flattened.h */

typedef void tell_function(void *context, bool problem, const char *text);

struct transform {
	const json_t *connector;
	const struct config *config;
	struct buffer prefix; /* "transforms.NAME." */
	const char *class;
	tell_function *tell;
	void *context;
};

/* A setting of the transform. */
static const char *setting(struct transform *transform, const char *name, const char *fallback)
{
	const size_t length = transform->prefix.length;
	const char *value;

	buffer_append_text(&transform->prefix, name);
	value = capture_setting(transform->connector, transform->prefix.data, fallback);
	transform->prefix.length = length;
	transform->prefix.data[length] = '\0';
	return value;
}

/* "the transform NAME (CLASS) " and the text. */
static void report(const struct transform *transform, bool problem, const char *what)
{
	struct buffer text = {0};

	buffer_append_format(&text, "the transform %.*s (%s) %s",
	                     (int)(transform->prefix.length - strlen("transforms..")),
	                     transform->prefix.data + strlen("transforms."), transform->class, what);
	transform->tell(transform->context, problem, text.data);
	buffer_free(&text);
}

/* The next word of a list with commas, as Debezium reads it; false: no more. */
static bool next_word(const char **list, struct slice *word)
{
	*list += strspn(*list, ", \t\n");
	word->data = *list;
	word->length = strcspn(*list, ",");
	*list += word->length;
	while (word->length > 0 && strchr(" \t\n", word->data[word->length - 1]) != NULL)
		word->length--;
	return word->length > 0;
}

static bool has_word(const char *list, const char *text)
{
	struct slice word;

	while (next_word(&list, &word))
		if (slice_equal(word, slice_from(text)))
			return true;
	return false;
}

bool transforms_add_field(const char *added_fields, const char *name)
{
	struct buffer field = {0};
	struct slice word;
	bool found = strcmp(name, ADDED_PREFIX "deleted") == 0;

	while (!found && next_word(&added_fields, &word)) {
		buffer_reset(&field);
		buffer_append_format(&field, ADDED_PREFIX "%.*s", (int)word.length, word.data);
		for (size_t i = 0; i < field.length; i++)
			if (field.data[i] == '.')
				field.data[i] = '_';
		found = strcmp(field.data, name) == 0;
	}
	buffer_free(&field);
	return found;
}

/* Those without which the daemon does not know where a row belongs; each may be named without its struct. */
static void check_needed_fields(struct transform *transform, const char *list)
{
	static const char *const needed[] = {"op",          "source.schema", "source.table",
	                                     "source.txId", "source.lsn",    "source.snapshot"};
	struct buffer missing = {0}, text = {0};

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		const char *dot = strchr(needed[i], '.');

		if (!has_word(list, needed[i]) && (dot == NULL || !has_word(list, dot + 1)))
			buffer_append_format(&missing, "%s%s", missing.length > 0 ? "," : "", needed[i]);
	}
	if (missing.length > 0) {
		buffer_append_format(
		    &text, "does not add fields that the daemon needs: the stream stops; add %s to its add.fields",
		    missing.data);
		report(transform, true, text.data);
	}
	buffer_free(&missing);
	buffer_free(&text);
}

/* A field that only one of the two lists has is lost, or taken for a column. */
static void check_added_fields(struct transform *transform, const char *list)
{
	const struct config *config = transform->config;
	struct buffer all = {0};
	struct slice word;
	bool same = true;

	for (size_t i = 0; i < config->decoding.added_field_count; i++) {
		same = same && has_word(list, config->decoding.added_fields[i]);
		buffer_append_format(&all, "%s,", config->decoding.added_fields[i]);
	}
	while (all.length > 0 && next_word(&list, &word)) {
		struct buffer one = {0};

		buffer_append(&one, word.data, word.length);
		same = same && has_word(all.data, one.data);
		buffer_free(&one);
	}
	if (!same)
		report(transform, true,
		       "has other add.fields than decoding.added_fields: fields would be taken for columns, or columns "
		       "lost; set both alike");
	buffer_free(&all);
}

static void check_deletes(struct transform *transform)
{
	const char *mode = setting(transform, "delete.tombstone.handling.mode",
	                           setting(transform, "delete.handling.mode", "tombstone"));

	if (strcmp(mode, "rewrite") != 0 && strcmp(mode, "rewrite-with-tombstone") != 0)
		report(
		    transform, true,
		    "does not write deletes as rows: the stream stops, because __deleted is missing in the events; set "
		    "its delete.tombstone.handling.mode=rewrite");
}

static void check_unwrap(struct transform *transform)
{
	if (strcmp(setting(transform, "replace.null.with.default", "true"), "false") != 0)
		report(transform, true,
		       "sends a column's default in the place of NULL; set its replace.null.with.default=false");
	if (strcmp(setting(transform, "drop.fields.header.name", ""), "") != 0 ||
	    strcmp(setting(transform, "drop.fields.from.key", "false"), "true") == 0)
		report(transform, false, "leaves fields out of the events (drop.fields)");
	if (strcmp(setting(transform, "add.fields.prefix", ADDED_PREFIX), ADDED_PREFIX) != 0 ||
	    strchr(setting(transform, "add.fields", ""), ':') != NULL)
		report(transform, true,
		       "gives other names to the fields that it adds, and the daemon does not find them: the stream "
		       "stops; "
		       "remove its add.fields.prefix and the new names (with a colon) in its add.fields");
	else
		check_needed_fields(transform, setting(transform, "add.fields", ""));
	check_added_fields(transform, setting(transform, "add.fields", ""));
	check_deletes(transform);
}

/* With the field in the key, no key of a message is among the columns of its row. */
static void check_logical_tables(struct transform *transform)
{
	if (strcmp(setting(transform, "key.enforce.uniqueness", "true"), "false") != 0)
		report(
		    transform, true,
		    "adds a field to the keys of the events, which is no column of their tables: the stream stops; set "
		    "its key.enforce.uniqueness=false");
}

static void check_filter(struct transform *transform)
{
	if (transform->config->stream.transactions == TRANSACTIONS_ON)
		report(transform, true,
		       "leaves events out: the stream stops at the first transaction that lacks one of the events that "
		       "its "
		       "END counts; remove the transform, and use a filter or exclude in tables");
	else
		report(transform, false, "leaves events out, and nothing shows which; the target does not get them");
}

static void check_other(struct transform *transform)
{
	report(transform, false,
	       "is not known to this program: what it leaves out or changes reaches the target in this form");
}

static void check_nothing(struct transform *transform)
{
	(void)transform;
}

/* By class; the last is of all others. */
static const struct {
	const char *class;
	void (*check)(struct transform *transform);
} checks[] = {
    {UNWRAP, check_unwrap},
    {"io.debezium.transforms.ByLogicalTableRouter", check_logical_tables},
    {"org.apache.kafka.connect.transforms.Filter", check_filter},
    {"io.debezium.transforms.Filter", check_filter},
    {"org.apache.kafka.connect.transforms.RegexRouter", check_nothing},
    {"org.apache.kafka.connect.transforms.TimestampRouter", check_nothing},
    {"io.debezium.transforms.ContentBasedRouter", check_nothing},
    {NULL, check_other},
};

static void check_transform(struct transform *transform)
{
	size_t i = 0;

	while (checks[i].class != NULL && strcmp(checks[i].class, transform->class) != 0)
		i++;
	checks[i].check(transform);
}

/* The list `transforms` counts; settings of one that is not in it do nothing. False: no more of them. */
static bool next_transform(struct transform *transform, const char **names)
{
	struct slice name;

	while (next_word(names, &name)) {
		buffer_reset(&transform->prefix);
		buffer_append_format(&transform->prefix, "transforms.%.*s.", (int)name.length, name.data);
		transform->class = setting(transform, "type", NULL);
		if (transform->class != NULL)
			return true;
	}
	return false;
}

const char *transforms_added_fields(const json_t *connector)
{
	struct transform transform = {.connector = connector};
	const char *names = capture_setting(connector, "transforms", "");
	const char *fields = NULL;

	while (fields == NULL && next_transform(&transform, &names))
		if (strcmp(transform.class, UNWRAP) == 0)
			fields = setting(&transform, "add.fields", "");
	buffer_free(&transform.prefix);
	return fields;
}

void transforms_check(const json_t *connector, const struct config *config,
                      void (*tell)(void *context, bool problem, const char *text), void *context)
{
	struct transform transform = {.connector = connector, .config = config, .tell = tell, .context = context};
	const char *names = capture_setting(connector, "transforms", "");

	while (next_transform(&transform, &names))
		check_transform(&transform);
	buffer_free(&transform.prefix);
}
