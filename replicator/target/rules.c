/*
 * rules.c - see rules.h.
 *
 * NOTES
 *   A mask by hash and a filter work on the text of a value: here on the text that came, in check_target on that which
 *   the source's output function makes. The two are the same for texts, whole numbers, booleans, uuids and enums, and
 *   check-config refuses other types.
 */
#include "target/rules.h"

#include "base/sha256.h"
#include "event/adjusted_name.h"
#include "pg/sql.h"

#include <string.h>

bool rules_entry_matches(const struct column_rule *entry, const struct relation *relation, uint32_t number)
{
	const char *name = relation->columns[number].name;

	return config_pattern_matches(entry->match, name) ||
	       (relation->adjusted && adjusted_name_matches_pattern(name, entry->match));
}

const struct column_rule *rules_column(const struct table_rule *rule, const struct relation *relation, uint32_t number)
{
	for (size_t i = 0; relation->adjusted && i < rule->column_count; i++)
		if (rules_entry_matches(&rule->columns[i], relation, number))
			return &rule->columns[i];
	return config_column_rule(rule, relation->columns[number].name);
}

bool rules_filter_reads(const struct table_rule *rule, const struct relation *relation, uint32_t number)
{
	const char *name = relation->columns[number].name;

	return rule->filter.column != NULL &&
	       (strcmp(name, rule->filter.column) == 0 ||
	        (relation->adjusted && adjusted_name_matches(name, rule->filter.column)));
}

bool rules_may_read_column(const struct column *column)
{
	return column->encoding == ENCODING_UNTOLD || column->encoding == ENCODING_TEXT ||
	       column->encoding == ENCODING_NUMBER || column->encoding == ENCODING_BOOLEAN;
}

bool rules_may_read(const struct value *value)
{
	for (uint32_t i = 0; value->kind == VALUE_NUMBER && i < value->length; i++)
		if (strchr("-0123456789", value->data[i]) == NULL)
			return false;
	return value->kind != VALUE_JSON && value->kind != VALUE_UNCHANGED;
}

void rules_append_text(struct buffer *sql, const char *expression, char category)
{
	if (category == 'B') {
		buffer_append_format(sql, "(%s)::text", expression);
		return;
	}
	if (category == '\0')
		buffer_append_format(sql,
		                     "CASE WHEN (SELECT y.typcategory FROM pg_catalog.pg_type AS y WHERE y.oid ="
		                     " pg_catalog.pg_typeof(%s)) = 'B' THEN (%s)::text ELSE ",
		                     expression, expression);
	sql_append_output(sql, expression);
	if (category == '\0')
		buffer_append_text(sql, " END");
}

void rules_append_admitted(struct buffer *sql, const struct row_filter *filter, const char *column_sql, char category)
{
	bool in = filter->in_count > 0;
	const char *const *list = in ? filter->in : filter->not_in;
	size_t count = in ? filter->in_count : filter->not_in_count;

	buffer_append_text(sql, "((");
	rules_append_text(sql, column_sql, category);
	buffer_append_text(sql, ") = ANY (ARRAY[");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buffer_append_text(sql, ", ");
		sql_append_literal(sql, list[i]);
	}
	buffer_append_text(sql, in ? "]::text[])) IS TRUE" : "]::text[])) IS NOT TRUE");
}

const char *rules_filter_target(const struct table_rule *rule)
{
	const struct column_rule *column;

	if (rule->filter.column == NULL)
		return NULL;
	column = config_column_rule(rule, rule->filter.column);
	if (column->exclude || column->mask != MASK_NONE || column->cast_from != NULL)
		return NULL;
	return column->rename != NULL ? column->rename : rule->filter.column;
}

void rules_append_scope(struct buffer *sql, const struct table_rule *rule, const char *alias, const char *source_value,
                        const char *filter_column)
{
	if (rule->source_column != NULL) {
		buffer_append_format(sql, " AND %s", alias);
		sql_append_identifier(sql, rule->source_column);
		buffer_append_text(sql, " = ");
		sql_append_literal(sql, source_value);
	}
	if (filter_column != NULL) {
		struct buffer column = {0};

		buffer_append_text(&column, alias);
		sql_append_identifier(&column, filter_column);
		buffer_append_text(sql, " AND ");
		rules_append_admitted(sql, &rule->filter, column.data, '\0');
		buffer_free(&column);
	}
}

/* What may be kept of one value. A value that the mask refuses stays one that it refuses. */
static struct value keep_value(const struct config *config, const struct table_rule *rule,
                               const struct relation *relation, uint32_t number, const struct value *value,
                               struct arena *arena)
{
	const struct column_rule *column = rules_column(rule, relation, number);
	bool filtered = rules_filter_reads(rule, relation, number);
	char *text;

	if (value->data == NULL || filtered || (column->mask == MASK_NONE && !column->exclude))
		return *value;
	if (column->mask != MASK_HASH)
		return (struct value){.kind = VALUE_NULL};
	if (value->kind == VALUE_NATIVE || !rules_may_read(value))
		return value->kind == VALUE_NATIVE ? *value : (struct value){"{}", 2, VALUE_JSON};
	text = arena_alloc(arena, SHA256_TEXT);
	sha256_text(slice_from(config->masking.salt), (struct slice){value->data, value->length}, text);
	return (struct value){text, SHA256_TEXT, VALUE_NATIVE};
}

/* `columns`: where the values' columns stand in the relation; NULL: they are all of them. */
static const struct value *keep_row(const struct config *config, const struct table_rule *rule,
                                    const struct relation *relation, const struct value *row, const uint32_t *columns,
                                    uint32_t count, struct arena *arena)
{
	struct value *kept;

	if (row == NULL)
		return NULL;
	kept = arena_alloc(arena, (count + (size_t)1) * sizeof(*kept));
	for (uint32_t i = 0; i < count; i++)
		kept[i] = keep_value(config, rule, relation, columns != NULL ? columns[i] : i, &row[i], arena);
	return kept;
}

static bool keeps_all(const struct table_rule *rule)
{
	for (size_t i = 0; i < rule->column_count; i++)
		if (rule->columns[i].exclude || rule->columns[i].mask != MASK_NONE)
			return false;
	return true;
}

const struct value *rules_mask_row(const struct config *config, const struct table_rule *rule,
                                   const struct relation *relation, const struct value *values, struct arena *arena)
{
	return keeps_all(rule) ? values : keep_row(config, rule, relation, values, NULL, relation->column_count, arena);
}

struct change *const *rules_mask_changes(const struct config *config, struct change *const *changes, size_t count,
                                         struct arena *arena)
{
	struct change **masked = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct relation *relation = changes[i]->relation;
		const struct table_rule *rule = config_table_rule(config, relation->schema, relation->table);
		struct change *copy;

		if (changes[i]->operation == CHANGE_MESSAGE || keeps_all(rule))
			continue;
		if (masked == NULL) {
			masked = arena_alloc(arena, count * sizeof(struct change *));
			memcpy(masked, changes, count * sizeof(struct change *));
		}
		copy = arena_alloc(arena, sizeof(*copy));
		*copy = *changes[i];
		copy->before = keep_row(config, rule, relation, copy->before, NULL, relation->column_count, arena);
		copy->after = keep_row(config, rule, relation, copy->after, NULL, relation->column_count, arena);
		copy->other_key = keep_row(config, rule, relation, copy->other_key, relation->key_columns,
		                           relation->key_count, arena);
		masked[i] = copy;
	}
	return masked != NULL ? masked : changes;
}

static void append_part(struct buffer *list, const char *text)
{
	buffer_append_text(list, text != NULL ? text : "");
	buffer_append_byte(list, '\0');
}

void rules_describe_masks(const struct config *config, char text[RULES_MASKS_TEXT])
{
	struct buffer list = {0};

	for (size_t i = 0; i < config->table_count; i++) {
		const struct table_rule *rule = &config->tables[i];

		append_part(&list, rule->match);
		append_part(&list, rule->filter.column); /* of which the value is kept */
		for (size_t j = 0; j < rule->column_count; j++) {
			append_part(&list, rule->columns[j].match);
			buffer_append_format(&list, "%d %d", (int)rule->columns[j].mask, (int)rule->columns[j].exclude);
			buffer_append_byte(&list, '\0');
		}
		buffer_append_byte(&list, '\0');
	}
	sha256_text(slice_from(config->masking.salt != NULL ? config->masking.salt : ""),
	            (struct slice){list.data, list.length}, text);
	text[RULES_MASKS_TEXT - 1] = '\0';
	buffer_free(&list);
}
