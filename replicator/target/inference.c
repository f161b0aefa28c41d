/* inference.c - see inference.h. */
#include "target/inference.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "pg/catalog.h"
#include "pg/sql.h"
#include "schema/difference.h"
#include "schema/wider_type.h"
#include "target/binding_history.h"
#include "target/inference_state.h"
#include "target/rules.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct inference {
	struct pg_connection *connection;
	const struct config *config;
	const struct binding *binding; /* relation, rule, image */
	struct arena *arena;
	const struct change *change; /* NULL: only whether there is a step */
	bool *present;               /* by the target's columns: the events have it */
	struct inference_state state;
	struct step *first;
	struct step **end;
};

static void begin_table(const struct inference *inference, struct buffer *sql)
{
	buffer_append_text(sql, "ALTER TABLE ");
	sql_append_qualified(sql, inference->binding->image->schema, inference->binding->image->name);
}

static struct step *add_step(struct inference *inference, enum step_kind kind, struct buffer *sql)
{
	struct step *step = arena_alloc_zeroed(inference->arena, sizeof(*step));

	step->kind = kind;
	step->sql = arena_copy(inference->arena, sql->data, sql->length);
	buffer_free(sql);
	if (inference->config->ddl.policy[kind] == DDL_IGNORE)
		return step;
	*inference->end = step;
	inference->end = &step->next;
	return step;
}

static struct step *alter_column(struct inference *inference, enum step_kind kind, const char *column, const char *what,
                                 const char *argument)
{
	struct buffer sql = {0};

	begin_table(inference, &sql);
	buffer_append_text(&sql, " ALTER COLUMN ");
	sql_append_identifier(&sql, column);
	buffer_append_text(&sql, what);
	buffer_append_text(&sql, argument);
	return add_step(inference, kind, &sql);
}

/* The connector has no value for a default that is computed, and writes the beginning of time. */
static bool is_invented(const struct column *column)
{
	switch (column->encoding) {
	case ENCODING_DATE_DAYS:
	case ENCODING_TIMESTAMP_MS:
	case ENCODING_TIMESTAMP_US:
	case ENCODING_TIMESTAMP_NS:
		return strcmp(column->initial, "0") == 0;
	case ENCODING_ISO_DATE:
	case ENCODING_ISO_TIMESTAMP:
	case ENCODING_ZONED_TIMESTAMP:
		return strncmp(column->initial, "1970-01-01", 10) == 0;
	default:
		return false;
	}
}

/* The column's default as PostgreSQL's input text; *text NULL: none that we know. */
static struct error *read_default(struct inference *inference, const struct column *column, const char **text)
{
	const struct conversion *conversion;
	const struct column_image *type;
	struct value value, converted;
	struct error *error;

	*text = NULL;
	if (column->initial == NULL || column->initial_kind == VALUE_NULL || is_invented(column))
		return NULL;
	TRY(catalog_read_type(inference->connection, column->source_type, inference->arena, &type));
	value = (struct value){column->initial, (uint32_t)strlen(column->initial), column->initial_kind};
	error =
	    conversion_choose(column, &type->type, &inference->config->decoding.modes, inference->arena, &conversion);
	converted = value;
	if (error == NULL && conversion != NULL)
		error = conversion_apply(conversion, &value, inference->arena, &converted);
	if (error != NULL) { /* a column without its default is still the column */
		log_warning("column \"%s\": its default is not followed: %s", column->name, error->message);
		error_free(error);
		return NULL;
	}
	*text = arena_copy(inference->arena, converted.data, converted.length);
	return NULL;
}

/* Of an event without a schema, by its looks. */
static const char *type_of_value(const struct value *value)
{
	switch (value->kind) {
	case VALUE_NUMBER:
		return memchr(value->data, '.', value->length) == NULL &&
		               memchr(value->data, 'e', value->length) == NULL &&
		               memchr(value->data, 'E', value->length) == NULL
		           ? "bigint"
		           : "numeric";
	case VALUE_BOOLEAN:
		return "boolean";
	case VALUE_JSON:
		return "jsonb";
	default:
		return "text";
	}
}

static void begin_add_column(const struct inference *inference, struct buffer *sql, const char *name, const char *type)
{
	begin_table(inference, sql);
	buffer_append_text(sql, " ADD COLUMN ");
	sql_append_identifier(sql, name);
	buffer_append_byte(sql, ' ');
	buffer_append_text(sql, type);
}

/* Nothing tells the type of a new column: the user adds it. */
static struct error *ask_for_column(const struct inference *inference, uint32_t number, const char *name)
{
	const struct change *change = inference->change;
	const struct value *values = change->after != NULL ? change->after : change->before;
	const char *sent = change->relation->columns[number].name;
	const bool renamed = strcmp(sent, name) != 0;
	struct buffer sql = {0};
	struct error *error;

	begin_add_column(inference, &sql, name, values == NULL ? "text" : type_of_value(&values[number]));
	error =
	    error_new(ERROR_TARGET,
	              "table %s.%s of the target has no column \"%s\", which the source sends%s%s%s, and the events do "
	              "not tell its type (JSON without schema). Run this in the target, with the source's own type and "
	              "default where it has others, and start again%s: %s",
	              inference->binding->image->schema, inference->binding->image->name, name, renamed ? " as \"" : "",
	              renamed ? sent : "", renamed ? "\"" : "", renamed ? ", or correct its rename" : "", sql.data);
	buffer_free(&sql);
	return error;
}

/* Whether a column that a rule hides may be the one that comes under a new name. */
static bool may_be_hidden(const struct binding *binding)
{
	for (size_t i = 0; i < binding->rule->column_count; i++) {
		const struct column_rule *rule = &binding->rule->columns[i];
		bool found = false;

		if (rule->mask == MASK_NONE && !rule->exclude)
			continue;
		for (uint32_t j = 0; j < binding->relation->column_count; j++)
			found = found || rules_column(binding->rule, binding->relation, j) == rule;
		if (!found || strchr(rule->match, '*') != NULL)
			return true;
	}
	return false;
}

static bool has_rule(const struct binding *binding, const struct column_rule *rule)
{
	for (size_t i = 0; i < binding->rule->column_count; i++)
		if (rule == &binding->rule->columns[i])
			return true;
	return false;
}

/* A column of a table that other sources fill as well takes no NOT NULL and no default of one of them. */
static struct error *add_column(struct inference *inference, uint32_t number, const struct column_rule *rule)
{
	const struct column *column = &inference->binding->relation->columns[number];
	const char *name = rule->rename != NULL ? rule->rename : column->name;
	const char *type = rule->mask == MASK_HASH ? "text" : column->source_type;
	const char *initial = NULL;
	struct buffer sql = {0};

	if (rule->cast_from != NULL || inference->config->ddl.policy[STEP_ADD_COLUMN] == DDL_IGNORE)
		return NULL; /* the binding says what is missing */
	if (type == NULL)
		return inference->change == NULL ? NULL : ask_for_column(inference, number, name);
	if (!has_rule(inference->binding, rule) && may_be_hidden(inference->binding))
		return error_new(
		    ERROR_TARGET,
		    "table %s.%s: a new column \"%s\" came, and without the DDL log it could be a column that a "
		    "rule hides, renamed; give it a rule in tables (%s:%u), or add the column to the target",
		    inference->binding->relation->schema, inference->binding->relation->table, name,
		    inference->config->file, inference->binding->rule->line);
	if (inference->change != NULL && rule->mask == MASK_NONE && inference->binding->rule->source_column == NULL)
		TRY(error_wrap(read_default(inference, column, &initial), "a new column \"%s\" %s", name, type));
	begin_add_column(inference, &sql, name, type);
	if (initial != NULL) {
		buffer_append_text(&sql, " DEFAULT ");
		sql_append_literal(&sql, initial);
		buffer_append_text(&sql, column->optional ? "" : " NOT NULL");
	}
	add_step(inference, STEP_ADD_COLUMN, &sql);
	return NULL;
}

/* A column that is there: wider at the source? */
static void widen_column(struct inference *inference, uint32_t number, const struct column_rule *rule,
                         const struct column_image *image)
{
	const struct column *column = &inference->binding->relation->columns[number];

	if (rule->mask == MASK_NONE && rule->cast_from == NULL && !image->generated && column->sure_type &&
	    column->source_type != NULL && type_is_wider(column->source_type, image->type_name))
		alter_column(inference, STEP_ALTER_TYPE, image->name, " TYPE ", column->source_type);
}

static bool is_our_own(const struct inference *inference, const char *name)
{
	const struct config *config = inference->config;
	const char *const own[] = {config->target.synced_at, config->target.is_deleted, config->target.deleted_at,
	                           inference->binding->rule->source_column};

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (own[i] != NULL && strcmp(own[i], name) == 0)
			return true;
	return false;
}

static bool is_primary(const struct table_image *image, size_t column)
{
	const struct key_image *key = table_primary_key(image);

	for (size_t i = 0; key != NULL && i < key->column_count; i++)
		if (key->columns[i].index == column)
			return true;
	return false;
}

/* Of the columns that the events do not have: generated ones come with a snapshot, and not with streamed changes. */
static bool may_drop(const struct inference *inference, size_t number)
{
	const struct column_image *column = &inference->binding->image->columns[number];

	return inference->config->ddl.missing_field == MISSING_DROP && !inference->present[number] &&
	       !column->generated && !is_our_own(inference, column->name) &&
	       !is_primary(inference->binding->image, number) &&
	       inference_state_may_drop(&inference->state, column->name);
}

/* A column that the events do not have, or no longer. */
static void leave_column(struct inference *inference, size_t number)
{
	const struct column_image *column = &inference->binding->image->columns[number];
	struct buffer sql = {0};
	struct step *step;

	if (is_our_own(inference, column->name) || is_primary(inference->binding->image, number))
		return;
	if (may_drop(inference, number)) {
		begin_table(inference, &sql);
		buffer_append_text(&sql, " DROP COLUMN ");
		sql_append_identifier(&sql, column->name);
		step = add_step(inference, STEP_DROP_COLUMN, &sql);
		step->may_wait = true;
		begin_table(inference, &sql);
		buffer_append_text(&sql, " ALTER COLUMN ");
		sql_append_identifier(&sql, column->name);
		buffer_append_text(&sql, column->identity != 0 ? " SET GENERATED BY DEFAULT" : " DROP NOT NULL");
		step->keep = arena_copy(inference->arena, sql.data, sql.length);
		buffer_free(&sql);
	} else if (column->not_null && !column->has_default && !column->generated) {
		alter_column(inference, STEP_NOT_NULL, column->name, " DROP NOT NULL", "");
	}
}

static struct error *find_steps(struct inference *inference)
{
	const struct binding *binding = inference->binding;
	bool ambiguous;

	inference->end = &inference->first;
	inference->present = arena_alloc_zeroed(inference->arena, binding->image->column_count + 1);
	for (uint32_t i = 0; i < binding->relation->column_count; i++) {
		const struct column_rule *rule = rules_column(binding->rule, binding->relation, i);
		const struct column_image *image = binding_target_column(binding, i, rule, &ambiguous);

		if (image != NULL)
			inference->present[image - binding->image->columns] = true;
		if (rule->exclude || ambiguous)
			continue;
		if (image == NULL)
			TRY(add_column(inference, i, rule));
		else if (binding->rule->source_column == NULL)
			widen_column(inference, i, rule, image);
	}
	if (binding->rule->source_column != NULL)
		return NULL;
	for (size_t i = 0; i < binding->image->column_count; i++)
		if (!inference->present[i])
			leave_column(inference, i);
	return NULL;
}

static struct error *read_state(struct inference *inference)
{
	if (inference->config->ddl.missing_field != MISSING_DROP)
		return NULL;
	return inference_state_read(inference->connection, inference->config, inference->binding->relation,
	                            inference->arena, &inference->state);
}

/* Dropping needs to know which columns the events had: the first of them is a row of the history, without steps. */
static bool needs_baseline(const struct inference *inference)
{
	return inference->config->ddl.missing_field == MISSING_DROP && !inference->state.known;
}

struct error *inference_check(struct pg_connection *connection, const struct config *config,
                              const struct binding *binding, struct arena *arena)
{
	struct inference inference = {connection, config, binding, arena, NULL, NULL, {0}, NULL, NULL};
	bool logged = false;

	if (binding->relation->column_count == 0) /* of a truncate */
		return NULL;
	TRY(read_state(&inference));
	TRY(find_steps(&inference));
	if (inference.first == NULL && !needs_baseline(&inference))
		return NULL;
	TRY(binding_is_logged(connection, config, binding->relation, &logged));
	if (logged)
		return NULL;
	return error_new(ERROR_TARGET, "table %s.%s: the events show a schema that needs a step first: %s",
	                 binding->image->schema, binding->image->name,
	                 inference.first != NULL ? inference.first->sql : "the columns are noted");
}

/* The names of the columns that the events write, and of those that this step dropped. */
static void list_columns(const struct inference *inference, struct buffer *written, struct buffer *dropped)
{
	const struct table_image *image = inference->binding->image;

	buffer_append_byte(written, '{');
	buffer_append_byte(dropped, '{');
	for (uint32_t i = 0; i < inference->binding->relation->column_count; i++) {
		const struct column_rule *rule =
		    rules_column(inference->binding->rule, inference->binding->relation, i);
		const char *name = rule->rename != NULL ? rule->rename : inference->binding->relation->columns[i].name;

		if (written->length > 1)
			buffer_append_byte(written, ',');
		sql_append_array_element(written, name, strlen(name));
	}
	for (size_t i = 0; i < image->column_count; i++) {
		if (!may_drop(inference, i))
			continue;
		if (dropped->length > 1)
			buffer_append_byte(dropped, ',');
		sql_append_array_element(dropped, image->columns[i].name, strlen(image->columns[i].name));
	}
	buffer_append_byte(written, '}');
	buffer_append_byte(dropped, '}');
}

static struct error *run(struct inference *inference, struct ddl *ddl, const struct transaction *transaction)
{
	struct buffer written = {0}, dropped = {0};
	struct inference_record record = {.transaction = transaction,
	                                  .incremental = inference->change->snapshot == SNAPSHOT_INCREMENTAL};
	struct error *error;
	char *steps = NULL;
	size_t executed = 0;

	error = ddl_run(ddl, inference->connection, inference->first, &steps, &executed);
	list_columns(inference, &written, &dropped);
	record.steps = steps;
	record.columns = written.data;
	record.dropped = dropped.data;
	if (error == NULL)
		error = inference_state_write(inference->connection, inference->config, inference->binding, &record);
	if (error == NULL && executed > 0) {
		metric_add(METRIC_DDL_STEPS, executed);
		metric_add(METRIC_SCHEMA_CHANGES, 1);
		log_info("schema change: %zu steps inferred from the events of %s.%s, the first: %s", executed,
		         inference->binding->relation->schema, inference->binding->relation->table,
		         inference->first->sql);
	}
	free(steps);
	buffer_free(&written);
	buffer_free(&dropped);
	return error;
}

static struct error *follow(struct inference *inference, struct binding *binding, struct ddl *ddl,
                            const struct transaction *transaction, bool *changed)
{
	const struct relation *relation = binding->relation;
	struct table_name name =
	    config_target_table(inference->config, binding->rule, relation->schema, relation->table, inference->arena);
	bool logged = false;

	TRY(catalog_read_table(inference->connection, name.schema, name.table, inference->arena, &binding->image));
	if (binding->image == NULL)
		return NULL;
	TRY(binding_is_logged(inference->connection, inference->config, relation, &logged));
	if (logged)
		return NULL;
	TRY(read_state(inference));
	TRY(find_steps(inference));
	*changed = inference->first != NULL || needs_baseline(inference);
	return *changed ? run(inference, ddl, transaction) : NULL;
}

struct error *inference_follow(struct ddl *ddl, struct binding_cache *cache, struct pg_connection *connection,
                               const struct transaction *transaction, const struct change *change, bool *changed)
{
	const struct config *config = binding_cache_config(cache);
	const struct relation *relation = change->relation;
	struct binding binding = {.relation = relation,
	                          .rule = config_table_rule(config, relation->schema, relation->table)};
	struct inference inference = {connection, config, &binding, arena_new(), change, NULL, {0}, NULL, NULL};
	struct error *error = NULL;

	*changed = false;
	error = binding_cache_require(cache, connection); /* of what this transaction wrote so far */
	if (error == NULL && relation->column_count > 0)
		error = follow(&inference, &binding, ddl, transaction, changed);
	arena_free(inference.arena);
	if (error == NULL && *changed)
		error = binding_cache_refresh(cache, connection);
	return error;
}

/* What a column of the type takes at most; 0: no number. */
static double largest(const struct target_type *type)
{
	if (type->array)
		return 0;
	if (strcmp(type->name, "int2") == 0)
		return INT16_MAX;
	if (strcmp(type->name, "int4") == 0)
		return INT32_MAX;
	if (strcmp(type->name, "int8") == 0)
		return (double)INT64_MAX;
	if (strcmp(type->name, "float4") == 0)
		return FLT_MAX;
	if (strcmp(type->name, "numeric") == 0 &&
	    type->typmod >= 0) /* precision and scale: numeric_typmod_precision() */
		return pow(10, ((type->typmod - 4) >> 16 & 0xffff) - ((type->typmod - 4) & 0x7ff));
	return 0;
}

/* The type that takes the value, where its column does not; else NULL. */
static const char *wide_enough(const struct column_image *image, const struct value *value, const char *sqlstate)
{
	const double most = largest(&image->type);
	char text[64];
	double number;

	if (strcmp(sqlstate, "23502") == 0)
		return value->kind == VALUE_NULL && image->not_null ? "" : NULL;
	if (strcmp(sqlstate, "22001") == 0)
		return strcmp(image->type.name, "varchar") == 0 || strcmp(image->type.name, "bpchar") == 0 ? "text"
		                                                                                           : NULL;
	if (strcmp(sqlstate, "22003") != 0 || most == 0 || value->data == NULL || value->length >= sizeof(text))
		return NULL;
	memcpy(text, value->data, value->length);
	text[value->length] = '\0';
	number = strtod(text, NULL);
	if (number <= most && number >= -most)
		return NULL;
	return strcmp(image->type.name, "float4") == 0                                             ? "double precision"
	       : strcmp(image->type.name, "int8") == 0 || strcmp(image->type.name, "numeric") == 0 ? "numeric"
	                                                                                           : "bigint";
}

struct error *inference_explain(struct error *error, const struct binding *binding, const struct change *change)
{
	for (size_t i = 0; error != NULL && change->after != NULL && i < binding->column_count; i++) {
		const struct bound_column *column = &binding->columns[i];
		const char *type = column->hashed || column->constant != NULL
		                       ? NULL
		                       : wide_enough(column->image, &change->after[column->source], error->sqlstate);
		struct buffer sql = {0};
		char *message;

		if (type == NULL)
			continue;
		buffer_append_text(&sql, "ALTER TABLE ");
		sql_append_qualified(&sql, binding->image->schema, binding->image->name);
		buffer_append_text(&sql, " ALTER COLUMN ");
		sql_append_identifier(&sql, column->image->name);
		buffer_append_text(&sql, type[0] == '\0' ? " DROP NOT NULL" : " TYPE ");
		buffer_append_text(&sql, type);
		message =
		    memory_format("%s; if the source's column was changed, run this in the target and start again: %s",
		                  error->message, sql.data);
		free(error->message);
		error->message = message;
		buffer_free(&sql);
		break;
	}
	return error;
}
