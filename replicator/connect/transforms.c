/* transforms.c - see transforms.h */
#include "connect/transforms.h"

#include <string.h>

#include "base/buffer.h"
#include "connect/capture_list.h"

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

static void check_unwrap(struct transform *transform)
{
	if (strcmp(setting(transform, "replace.null.with.default", "true"), "false") != 0)
		report(transform, true,
		       "sends a column's default in the place of NULL; set its replace.null.with.default=false");
	if (strcmp(setting(transform, "drop.fields.header.name", ""), "") != 0 ||
	    strcmp(setting(transform, "drop.fields.from.key", "false"), "true") == 0)
		report(transform, false, "leaves fields out of the events (drop.fields)");
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
    {"io.debezium.transforms.ExtractNewRecordState", check_unwrap},
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

/* The list `transforms` counts; settings of one that is not in it do nothing. */
static void check_name(struct transform *transform, const char *name, size_t length)
{
	buffer_reset(&transform->prefix);
	buffer_append_format(&transform->prefix, "transforms.%.*s.", (int)length, name);
	transform->class = setting(transform, "type", NULL);
	if (transform->class != NULL)
		check_transform(transform);
}

void transforms_check(const json_t *connector, const struct config *config,
                      void (*tell)(void *context, bool problem, const char *text), void *context)
{
	struct transform transform = {.connector = connector, .config = config, .tell = tell, .context = context};
	const char *names = capture_setting(connector, "transforms", "");

	while (*names != '\0') {
		size_t length;

		names += strspn(names, ", \t");
		length = strcspn(names, ", \t");
		if (length > 0)
			check_name(&transform, names, length);
		names += length;
	}
	buffer_free(&transform.prefix);
}
