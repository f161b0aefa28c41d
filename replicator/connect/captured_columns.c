/* captured_columns.c - see captured_columns.h */
#include "connect/captured_columns.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "connect/capture_list.h"
#include "connect/connector.h"
#include "connect/stream_connector.h"

#define COLUMN_LISTS_SINCE 150000 /* and row filters of publications */
#define TYPMOD_HEADER 4           /* of varchar(n) and char(n) */
#define LONGEST_SCALAR 100        /* the longest text of a uuid, a time, an address */
#define MOST_NAMES 10

/* In the order in which Debezium looks for the first one that selects a column. */
enum kind { KIND_EXCLUDED, KIND_TRUNCATED, KIND_MASKED, KIND_HASHED };

/* A column that one setting selects. */
struct selected {
	struct captured_column column; /* its form is not known yet */
	enum kind kind;
	const char *type; /* under its domain */
	bool domain, array, key;
	int64_t typmod;
};

struct selection {
	const json_t *connector;
	struct arena *arena;
	struct selected *columns; /* on the heap */
	size_t count;
	bool foreign; /* an expression that PostgreSQL does not know */
};

static bool is_among(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

static const char *copy_text(struct arena *arena, const struct pg_result *result, size_t row, size_t column)
{
	const char *text = pg_result_text(result, row, column);

	return arena_copy(arena, text, strlen(text));
}

/* --- which columns the settings select ---------------------------------------------------------------------------- */

static void add_columns(struct selection *selection, const struct pg_result *result, struct selected column)
{
	size_t rows = pg_result_rows(result);

	selection->columns = memory_grow(selection->columns, selection->count + rows + 1, sizeof(*selection->columns));
	for (size_t i = 0; i < rows; i++) {
		column.column.schema = copy_text(selection->arena, result, i, 0);
		column.column.table = copy_text(selection->arena, result, i, 1);
		column.column.column = copy_text(selection->arena, result, i, 2);
		column.type = copy_text(selection->arena, result, i, 3);
		column.domain = pg_result_integer(result, i, 4) != 0;
		column.array = pg_result_integer(result, i, 5) != 0;
		column.key = pg_result_integer(result, i, 6) != 0;
		column.typmod = pg_result_integer(result, i, 7);
		selection->columns[selection->count++] = column;
	}
}

static struct error *select_columns(struct selection *selection, struct pg_connection *source, const char *list,
                                    bool others, enum kind kind, uint64_t length, const char *setting)
{
	const struct selected column = {.column = {.length = length, .setting = setting}, .kind = kind};
	struct pg_result *result = NULL;

	TRY(capture_list_columns(source, list, others, &result));
	if (result == NULL)
		selection->foreign = true;
	else
		add_columns(selection, result, column);
	pg_result_free(result);
	return NULL;
}

/* The number between the two texts that the name consists of. */
static bool take_length(const char *name, const char *before, const char *after, uint64_t *length)
{
	const char *number = name + strlen(before);
	char *end = NULL;

	if (strncmp(name, before, strlen(before)) != 0 || !isdigit((unsigned char)*number))
		return false;
	*length = strtoull(number, &end, 10);
	return strcmp(end, after) == 0;
}

/* The salt is part of the name. */
static const char *hash_setting(struct arena *arena, const char *name)
{
	const char *salt = strstr(name, ".with.salt.");

	return arena_format(arena, "%.*s of the connector", salt != NULL ? (int)(salt - name) : (int)strlen(name),
	                    name);
}

static struct error *take_setting(struct selection *selection, struct pg_connection *source, const char *name,
                                  const char *list)
{
	const char *setting = arena_format(selection->arena, "%s of the connector", name);
	uint64_t length = 0;

	if (strcmp(name, "column.exclude.list") == 0)
		return select_columns(selection, source, list, false, KIND_EXCLUDED, 0, setting);
	if (strcmp(name, "column.include.list") == 0)
		return select_columns(selection, source, list, true, KIND_EXCLUDED, 0, setting);
	if (take_length(name, "column.truncate.to.", ".chars", &length))
		return select_columns(selection, source, list, false, KIND_TRUNCATED, length, setting);
	if (take_length(name, "column.mask.with.", ".chars", &length))
		return select_columns(selection, source, list, false, KIND_MASKED, length, setting);
	if (strncmp(name, "column.mask.hash.", strlen("column.mask.hash.")) == 0)
		return select_columns(selection, source, list, false, KIND_HASHED, 0,
		                      hash_setting(selection->arena, name));
	return NULL;
}

static struct error *take_settings(struct selection *selection, struct pg_connection *source)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)selection->connector, name, value)
	{
		const char *list = json_string_value(value);

		if (list != NULL && list[0] != '\0')
			TRY(take_setting(selection, source, name, list));
	}
	return NULL;
}

static struct error *take_publication(struct selection *selection, struct pg_connection *source,
                                      struct captured_columns *captured)
{
	const char *const parameters[1] = {
	    capture_setting(selection->connector, "publication.name", "dbz_publication")};
	struct selected column = {.kind = KIND_EXCLUDED};
	struct captured_table *tables;
	struct pg_result *result = NULL;

	if (pg_server_version(source) < COLUMN_LISTS_SINCE)
		return NULL;
	column.column.setting = arena_format(selection->arena, "the column list of publication %s", parameters[0]);
	TRY(pg_query(source,
	             "SELECT p.schemaname, p.tablename, a.attname, '', 0, 0, 0, -1 FROM pg_publication_tables p"
	             "  JOIN pg_namespace n ON n.nspname = p.schemaname"
	             "  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename"
	             "  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
	             "   AND a.attgenerated = '' WHERE p.pubname = $1 AND a.attname <> ALL (p.attnames)",
	             1, parameters, &result));
	add_columns(selection, result, column);
	pg_result_free(result);
	TRY(pg_query(
	    source,
	    "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = $1 AND rowfilter IS NOT NULL", 1,
	    parameters, &result));
	tables = arena_alloc(selection->arena, (pg_result_rows(result) + 1) * sizeof(*tables));
	for (size_t i = 0; i < pg_result_rows(result); i++)
		tables[captured->table_count++] = (struct captured_table){
		    copy_text(selection->arena, result, i, 0), copy_text(selection->arena, result, i, 1),
		    arena_format(selection->arena,
		                 "publication %s has a row filter for it; use the filter of a rule in `tables`",
		                 parameters[0])};
	captured->tables = tables;
	pg_result_free(result);
	return NULL;
}

static struct error *take_left_out(const json_t *connector, struct pg_connection *source, struct arena *arena,
                                   struct captured_columns *captured)
{
	struct captured_table *tables;
	struct pg_result *names = NULL;

	captured->publication =
	    arena_format(arena, "%s", capture_setting(connector, "publication.name", "dbz_publication"));
	TRY(capture_list_left_out(source, connector, &names));
	if (names == NULL) /* expressions that only Java knows */
		return NULL;
	tables = arena_alloc(arena, (pg_result_rows(names) + 1) * sizeof(*tables));
	for (size_t i = 0; i < pg_result_rows(names); i++)
		tables[captured->left_out_count++] =
		    (struct captured_table){copy_text(arena, names, i, 0), copy_text(arena, names, i, 1), NULL};
	captured->left_out = tables;
	pg_result_free(names);
	return NULL;
}

/* --- what becomes of a column ------------------------------------------------------------------------------------- */

/* Base types that JDBC reads as a string and that have no other form in the event. */
static const char *const STRINGS[] = {"text", "varchar", "bpchar", "name", NULL};

/* Never a string for JDBC: masks and hashes leave them alone. */
static const char *const NO_STRINGS[] = {"int2",     "int4", "int8",      "oid",   "numeric",     "float4", "float8",
                                         "bool",     "date", "timestamp", "time",  "timestamptz", "timetz", "uuid",
                                         "interval", "json", "jsonb",     "bytea", "money",       NULL};

/* Not a string in the event, whatever the connector's modes are. */
static const char *const NUMBERS[] = {"int2", "int4", "int8", "oid", "float4", "float8", "bool", NULL};
/* As long as LONGEST_SCALAR, where they are strings. */
static const char *const SCALARS[] = {"date",  "timestamp", "time", "timestamptz", "timetz",   "uuid",
                                      "money", "inet",      "cidr", "macaddr",     "macaddr8", NULL};
static const char *const TIMES[] = {"date", "timestamp", "time", NULL};

static bool is_string(const struct selected *column)
{
	return is_among(column->type, STRINGS) && !column->domain && !column->array;
}

static enum captured_form form_of_mask(const struct selected *column, enum captured_form form)
{
	if (is_string(column))
		return form;
	return column->array || is_among(column->type, NO_STRINGS) ? CAPTURED_AS_IS : CAPTURED_UNKNOWN;
}

static bool is_mode(const struct selection *selection, const char *name, const char *fallback, const char *mode)
{
	return strcmp(capture_setting(selection->connector, name, fallback), mode) == 0;
}

static enum captured_form form_of_truncation(const struct selection *selection, const struct selected *column)
{
	uint64_t length = column->column.length;

	if (column->array || is_among(column->type, NUMBERS))
		return CAPTURED_AS_IS;
	if (is_string(column))
		return column->typmod >= TYPMOD_HEADER && (uint64_t)(column->typmod - TYPMOD_HEADER) <= length
		           ? CAPTURED_AS_IS
		           : CAPTURED_TRUNCATED;
	if (is_among(column->type, SCALARS) && length >= LONGEST_SCALAR)
		return CAPTURED_AS_IS;
	if (is_among(column->type, TIMES) && !is_mode(selection, "time.precision.mode", "adaptive", "isostring"))
		return CAPTURED_AS_IS;
	if (strcmp(column->type, "numeric") == 0 && !is_mode(selection, "decimal.handling.mode", "precise", "string"))
		return CAPTURED_AS_IS;
	return CAPTURED_UNKNOWN;
}

static enum captured_form form_of(const struct selection *selection, const struct selected *column)
{
	switch (column->kind) {
	case KIND_EXCLUDED: /* the event's key has it all the same */
		return column->key ? CAPTURED_AS_IS : CAPTURED_NEVER;
	case KIND_TRUNCATED:
		return form_of_truncation(selection, column);
	case KIND_MASKED:
		return form_of_mask(column, CAPTURED_CONSTANT);
	default:
		return form_of_mask(column, CAPTURED_UNKNOWN);
	}
}

static int compare_names(const struct captured_column *a, const struct captured_column *b)
{
	int order = strcmp(a->schema, b->schema);

	if (order == 0)
		order = strcmp(a->table, b->table);
	return order != 0 ? order : strcmp(a->column, b->column);
}

static int by_column_and_kind(const void *a, const void *b)
{
	const struct selected *first = a, *second = b;
	int order = compare_names(&first->column, &second->column);

	return order != 0 ? order : (first->kind > second->kind) - (first->kind < second->kind);
}

/* Of several lengths of one kind the one counts that Java's map of settings has first. */
static bool is_ambiguous(const struct selected *first, const struct selected *second)
{
	return first->kind == second->kind && first->kind != KIND_EXCLUDED &&
	       (first->column.length != second->column.length || first->kind == KIND_HASHED);
}

/* An excluded column of a key is not settled by that: it may be masked, too. */
static void settle_columns(struct selection *selection, struct captured_columns *captured)
{
	struct captured_column *columns = arena_alloc(selection->arena, (selection->count + 1) * sizeof(*columns));
	size_t next;

	if (selection->count > 0)
		qsort(selection->columns, selection->count, sizeof(*selection->columns), by_column_and_kind);
	for (size_t i = 0; i < selection->count; i = next) {
		struct captured_column *column = &columns[captured->column_count];
		size_t first = i;

		for (next = i + 1; next < selection->count &&
		                   compare_names(&selection->columns[i].column, &selection->columns[next].column) == 0;)
			next++;
		while (first + 1 < next && selection->columns[first].kind == KIND_EXCLUDED &&
		       selection->columns[first].key)
			first++;
		*column = selection->columns[first].column;
		column->form = form_of(selection, &selection->columns[first]);
		if (first + 1 < next && is_ambiguous(&selection->columns[first], &selection->columns[first + 1]) &&
		    column->form != CAPTURED_AS_IS)
			column->form = CAPTURED_UNKNOWN;
		captured->column_count += column->form != CAPTURED_AS_IS;
	}
	captured->columns = columns;
}

/* --- what may change any table ------------------------------------------------------------------------------------ */

/* Transforms and post processors that leave the values of a row as they are, or send it to another topic. */
static const char *const HARMLESS[] = {
    "io.debezium.transforms.ExtractNewRecordState",
    "io.debezium.transforms.ByLogicalTableRouter",
    "io.debezium.transforms.ContentBasedRouter",
    "io.debezium.transforms.ExtractSchemaToNewRecord",
    "io.debezium.transforms.partitions.PartitionRouting",
    "io.debezium.transforms.outbox.EventRouter",
    "io.debezium.transforms.tracing.ActivateTracingSpan",
    "io.debezium.processors.reselect.ReselectColumnsPostProcessor", /* values of the source's row */
    "org.apache.kafka.connect.transforms.RegexRouter",
    "org.apache.kafka.connect.transforms.TimestampRouter",
    "org.apache.kafka.connect.transforms.InsertHeader",
    "org.apache.kafka.connect.transforms.DropHeaders",
    "org.apache.kafka.connect.transforms.SetSchemaMetadata$Key",
    "org.apache.kafka.connect.transforms.SetSchemaMetadata$Value",
    NULL,
};

/* `prefix`NAME`suffix` of each NAME in the list; those whose class is not harmless. */
static void append_changing(struct buffer *text, const json_t *connector, const char *list, const char *prefix,
                            const char *suffix)
{
	const char *names = capture_setting(connector, list, "");
	struct buffer key = {0};

	while (*names != '\0') {
		size_t length;
		const char *class;

		names += strspn(names, " ,");
		length = strcspn(names, " ,");
		buffer_reset(&key);
		buffer_append_format(&key, "%s%.*s%s", prefix, (int)length, names, suffix);
		class = capture_setting(connector, key.data, "");
		if (length > 0 && !is_among(class, HARMLESS))
			buffer_append_format(text, "%s%.*s (%s)", text->length > 0 ? ", " : "",
			                     (int)(key.length - strlen(suffix)), key.data, class);
		names += length;
	}
	buffer_free(&key);
}

static void take_transforms(const json_t *connector, struct arena *arena, struct captured_columns *captured)
{
	struct buffer text = {0};

	append_changing(&text, connector, "transforms", "transforms.", ".type");
	append_changing(&text, connector, "converters", "", ".type");
	append_changing(&text, connector, "post.processors", "", ".type");
	if (text.length > 0)
		captured->all =
		    arena_format(arena, "the connector has %s, which may change values or leave out rows", text.data);
	buffer_free(&text);
}

/* --- interface ---------------------------------------------------------------------------------------------------- */

struct error *captured_columns_take(const json_t *connector, struct pg_connection *source, struct arena *arena,
                                    struct captured_columns *captured)
{
	struct selection selection = {.connector = connector, .arena = arena};
	struct error *error;

	*captured = (struct captured_columns){.configured = true};
	take_transforms(connector, arena, captured);
	error = take_settings(&selection, source);
	if (error == NULL)
		error = take_publication(&selection, source, captured);
	if (error == NULL)
		error = take_left_out(connector, source, arena, captured);
	if (error == NULL)
		settle_columns(&selection, captured);
	if (selection.foreign)
		captured->problem = "the connector's lists of columns have regular expressions that only Java knows";
	free(selection.columns);
	return error;
}

struct error *captured_columns_read(const struct config *config, struct pg_connection *source, struct arena *arena,
                                    struct captured_columns *captured)
{
	json_t *connector = NULL;
	struct error *error;

	*captured = (struct captured_columns){0};
	if (config->connect.url == NULL || config->connect.connector == NULL)
		return NULL;
	error = connector_call(config, "GET", config->connect.connector, "/config", NULL, &connector);
	if (error == NULL) {
		const char *problem = stream_connector_problem(connector, config, arena);

		if (problem == NULL)
			error = captured_columns_take(connector, source, arena, captured);
		else
			*captured = (struct captured_columns){.configured = true, .problem = problem};
		json_decref(connector);
		return error;
	}
	if (error->class == ERROR_INTERRUPTED)
		return error;
	captured->configured = true;
	captured->problem = arena_format(arena, "the connector's settings could not be read: %s", error->message);
	error_free(error);
	return NULL;
}

static int compare_columns(const void *a, const void *b)
{
	return compare_names(a, b);
}

const struct captured_column *captured_columns_find(const struct captured_columns *captured, const char *schema,
                                                    const char *table, const char *column)
{
	const struct captured_column wanted = {.schema = schema, .table = table, .column = column};

	if (captured == NULL || captured->column_count == 0)
		return NULL;
	return bsearch(&wanted, captured->columns, captured->column_count, sizeof(wanted), compare_columns);
}

const char *captured_columns_table_reason(const struct captured_columns *captured, const char *schema,
                                          const char *table)
{
	for (size_t i = 0; captured != NULL && i < captured->table_count; i++)
		if (strcmp(captured->tables[i].schema, schema) == 0 && strcmp(captured->tables[i].table, table) == 0)
			return captured->tables[i].reason;
	return captured != NULL ? captured->all : NULL;
}

bool captured_columns_leave_out(const struct captured_columns *captured, const char *schema, const char *table)
{
	for (size_t i = 0; captured != NULL && i < captured->left_out_count; i++)
		if (strcmp(captured->left_out[i].schema, schema) == 0 &&
		    strcmp(captured->left_out[i].table, table) == 0)
			return true;
	return false;
}

/* --- check-config ------------------------------------------------------------------------------------------------- */

static const char *effect_of(enum captured_form form)
{
	switch (form) {
	case CAPTURED_NEVER:
		return "leaves out of the events";
	case CAPTURED_CONSTANT:
		return "masks";
	case CAPTURED_TRUNCATED:
		return "truncates";
	default:
		return "changes";
	}
}

static const char *consequence_of(enum captured_form form)
{
	switch (form) {
	case CAPTURED_NEVER:
		return "the target keeps its own values there, and check_target does not compare them";
	case CAPTURED_CONSTANT:
	case CAPTURED_TRUNCATED:
		return "check_target compares and repairs them in the same form";
	default:
		return "check_target does not compare these columns, and does not repair or resync their tables";
	}
}

/* The columns of one setting and form, from the first of them on. */
static void tell_setting(const struct captured_columns *captured, size_t first,
                         void (*tell)(void *context, bool problem, const char *text), void *context)
{
	const struct captured_column *one = &captured->columns[first];
	struct buffer text = {0};
	size_t count = 0;

	buffer_append_format(&text, "%s %s ", one->setting, effect_of(one->form));
	for (size_t i = first; i < captured->column_count; i++) {
		const struct captured_column *column = &captured->columns[i];

		if (column->form != one->form || strcmp(column->setting, one->setting) != 0)
			continue;
		if (count++ < MOST_NAMES)
			buffer_append_format(&text, "%s%s.%s.%s", count > 1 ? ", " : "", column->schema, column->table,
			                     column->column);
	}
	if (count > MOST_NAMES)
		buffer_append_format(&text, " and %zu more", count - MOST_NAMES);
	buffer_append_format(&text, ": %s", consequence_of(one->form));
	tell(context, false, text.data);
	buffer_free(&text);
}

static bool is_first_of_setting(const struct captured_columns *captured, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (captured->columns[i].form == captured->columns[index].form &&
		    strcmp(captured->columns[i].setting, captured->columns[index].setting) == 0)
			return false;
	return true;
}

/* What is sent for an unchanged TOASTed value goes the same way, and the daemon no longer recognizes it. */
static bool loses_placeholder(const struct captured_column *column, size_t length)
{
	return (column->form == CAPTURED_TRUNCATED && column->length < length) ||
	       (column->form == CAPTURED_UNKNOWN && strstr(column->setting, "column.mask.hash.") != NULL);
}

static void check_placeholder(const json_t *connector, const struct captured_columns *captured,
                              void (*tell)(void *context, bool problem, const char *text), void *context)
{
	struct buffer placeholder = {0}, text = {0};
	size_t count = 0;

	/* lossless_check reports one that cannot be read. */
	config_read_placeholder(capture_setting(connector, "unavailable.value.placeholder", ""), &placeholder);
	for (size_t i = 0; i < captured->column_count; i++) {
		const struct captured_column *column = &captured->columns[i];

		if (!loses_placeholder(column, placeholder.length))
			continue;
		if (count++ < MOST_NAMES)
			buffer_append_format(&text, "%s%s.%s.%s", count > 1 ? ", " : "", column->schema, column->table,
			                     column->column);
	}
	if (count > MOST_NAMES)
		buffer_append_format(&text, " and %zu more", count - MOST_NAMES);
	if (count > 0) {
		buffer_append_text(
		    &text, ": the connector truncates or hashes the placeholder of an unchanged TOASTed value as well, "
		           "and the stream writes the result over the value; truncate to more characters than the "
		           "placeholder has, mask the column by a rule in `tables` instead, or give the table REPLICA "
		           "IDENTITY FULL");
		tell(context, false, text.data);
	}
	buffer_free(&placeholder);
	buffer_free(&text);
}

void captured_columns_check(const json_t *connector, const struct captured_columns *captured,
                            void (*tell)(void *context, bool problem, const char *text), void *context)
{
	struct buffer text = {0};

	for (size_t i = 0; i < captured->column_count; i++)
		if (is_first_of_setting(captured, i))
			tell_setting(captured, i, tell, context);
	check_placeholder(connector, captured, tell, context);
	for (size_t i = 0; i < captured->table_count; i++) {
		buffer_reset(&text);
		buffer_append_format(&text, "%s.%s: %s; check_target does not repair or resync it",
		                     captured->tables[i].schema, captured->tables[i].table, captured->tables[i].reason);
		tell(context, false, text.data);
	}
	buffer_reset(&text);
	if (captured->all != NULL)
		buffer_append_format(&text, "%s: check_target does not repair or resync any table", captured->all);
	else if (captured->problem != NULL)
		buffer_append_format(&text,
		                     "%s: which columns they select is not known, and check_target does not "
		                     "repair or resync any table",
		                     captured->problem);
	if (text.length > 0)
		tell(context, false, text.data);
	buffer_free(&text);
}
