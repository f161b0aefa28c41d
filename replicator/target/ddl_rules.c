/* ddl_rules.c - see ddl_rules.h. */
#include "target/ddl_rules.h"

#include "base/buffer.h"
#include "base/sha256.h"
#include "pg/sql.h"

#include <ctype.h>
#include <string.h>

struct object_name ddl_ruled_name(const struct config *config, const struct object_name *table, struct arena *arena)
{
	const struct table_rule *rule = config_table_rule(config, table->schema, table->name);
	struct table_name name = config_target_table(config, rule, table->schema, table->name, arena);

	return (struct object_name){name.schema, name.table};
}

/* Definitions. */

static bool is_word(char byte)
{
	return isalnum((unsigned char)byte) || byte == '_' || byte == '$' || (unsigned char)byte >= 0x80;
}

/* The length of the token at `text`: a quoted name, a word, a string, else one byte. */
static size_t token_length(const char *text)
{
	size_t length = 1;

	if (*text == '"' || *text == '\'') {
		while (text[length] != '\0' && (text[length] != *text || text[length + 1] == *text))
			length += text[length] == *text ? 2 : 1;
		return length + (text[length] != '\0');
	}
	while (is_word(*text) && is_word(text[length]))
		length++;
	return length;
}

/* The name that a token stands for; NULL: it can be no column (a type behind ::, a function, what follows a dot). */
static const char *column_name(const char *definition, const char *token, size_t length, struct arena *arena)
{
	struct buffer name = {0};
	const char *text;

	if (*token == '\'' || (!is_word(*token) && *token != '"') || isdigit((unsigned char)*token))
		return NULL;
	if (token > definition && (token[-1] == '.' || token[-1] == ':'))
		return NULL;
	if (token[length] == '.' || token[length] == '(')
		return NULL;
	if (*token != '"')
		return arena_copy(arena, token, length);
	for (size_t i = 1; i + 1 < length; i++) {
		buffer_append_byte(&name, token[i]);
		i += token[i] == '"'; /* "" is one */
	}
	text = arena_copy(arena, name.data != NULL ? name.data : "", name.length);
	buffer_free(&name);
	return text;
}

/* With the target's names; NULL: it needs a column that is not in the target as it is at the source. */
static const char *ruled_definition(const struct table_rule *rule, const struct object_image *image,
                                    const char *definition, struct arena *arena)
{
	struct buffer ruled = {0};
	const char *text = NULL;
	const char *at = definition;
	size_t length;

	for (; definition != NULL && *at != '\0'; at += length) {
		const char *name;
		const struct column_rule *column = NULL;

		length = token_length(at);
		name = column_name(definition, at, length, arena);
		if (name != NULL && object_column(image, name) != NULL)
			column = config_column_rule(rule, name);
		if (column != NULL && (column->exclude || column->mask != MASK_NONE || column->cast_from != NULL))
			break;
		if (column != NULL && column->rename != NULL)
			sql_append_identifier(&ruled, column->rename);
		else
			buffer_append(&ruled, at, length);
	}
	if (definition != NULL && *at == '\0')
		text = arena_copy(arena, ruled.data != NULL ? ruled.data : "", ruled.length);
	buffer_free(&ruled);
	return text;
}

/* "PRIMARY KEY (id)" becomes "PRIMARY KEY ("shop", id)". */
static const char *with_source_column(const struct table_rule *rule, const char *definition, struct arena *arena)
{
	const char *parenthesis = strchr(definition, '(');
	struct buffer text = {0};
	const char *copy;

	if (rule->source_column == NULL || parenthesis == NULL)
		return definition;
	buffer_append(&text, definition, (size_t)(parenthesis + 1 - definition));
	sql_append_identifier(&text, rule->source_column);
	buffer_append_format(&text, ", %s", parenthesis + 1);
	copy = arena_copy(arena, text.data, text.length);
	buffer_free(&text);
	return copy;
}

static void rule_constraints(const struct table_rule *rule, const struct object_image *image,
                             struct object_image *ruled, struct arena *arena)
{
	struct constraint_definition *kept = arena_alloc_zeroed(arena, (image->constraint_count + 1) * sizeof(*kept));

	ruled->constraint_count = 0;
	for (size_t i = 0; i < image->constraint_count; i++) {
		struct constraint_definition constraint = image->constraints[i];
		bool key = constraint.type == 'p' || constraint.type == 'u';

		constraint.definition = ruled_definition(rule, image, constraint.definition, arena);
		if (constraint.definition == NULL || constraint.type == 'f' ||
		    (constraint.type == 'x' && rule->source_column))
			continue;
		if (key)
			constraint.definition = with_source_column(rule, constraint.definition, arena);
		kept[ruled->constraint_count++] = constraint;
	}
	ruled->constraints = kept;
}

static void rule_indexes(const struct table_rule *rule, const struct object_image *image, struct object_image *ruled,
                         struct arena *arena)
{
	struct index_definition *kept = arena_alloc_zeroed(arena, (image->index_count + 1) * sizeof(*kept));

	ruled->index_count = 0;
	for (size_t i = 0; i < image->index_count; i++) {
		struct index_definition definition = image->indexes[i];

		definition.definition = ruled_definition(rule, image, definition.definition, arena);
		if (definition.definition == NULL || (definition.unique && rule->source_column != NULL))
			continue; /* unique at each source, not over all */
		kept[ruled->index_count++] = definition;
	}
	ruled->indexes = kept;
}

/* Columns. */

static const char *hash_of(const struct config *config, const char *value, struct arena *arena)
{
	char text[SHA256_TEXT];

	if (value == NULL)
		return NULL;
	sha256_text(slice_from(config->masking.salt), slice_from(value), text);
	return arena_copy(arena, text, sizeof(text));
}

/* What the target's column is under a mask: rows that are older than the column get a masked value, too. */
static void mask_column(const struct config *config, const struct column_rule *rule, struct column_definition *column,
                        struct arena *arena)
{
	column->missing = rule->mask == MASK_HASH       ? hash_of(config, column->missing, arena)
	                  : rule->mask == MASK_CONSTANT ? rule->value
	                                                : NULL;
	if (rule->mask == MASK_HASH) {
		column->type = "text";
		column->type_ids = NULL;
		column->collation = NULL;
	}
	if (rule->mask == MASK_NULL)
		column->not_null = false;
	column->initial = column->expression = NULL;
	column->generated = column->identity = '\0';
	column->sequence = NULL;
}

static struct column_definition ruled_column(const struct config *config, const struct table_rule *rule,
                                             const struct object_image *image, const struct column_definition *from,
                                             struct arena *arena)
{
	const struct column_rule *of_column = config_column_rule(rule, from->name);
	struct column_definition column = *from;

	if (of_column->rename != NULL)
		column.name = of_column->rename;
	if (of_column->mask != MASK_NONE)
		mask_column(config, of_column, &column, arena);
	if (of_column->cast_from != NULL) { /* its type in the target is the user's */
		column.type = of_column->cast_from;
		column.type_ids = NULL;
		column.initial = column.missing = column.collation = NULL;
	}
	if (column.generated != '\0') {
		column.expression = ruled_definition(rule, image, column.expression, arena);
		column.generated = column.expression != NULL ? column.generated : '\0';
	}
	if (column.sequence != NULL && column.identity == '\0' &&
	    (rule->rename != NULL || rule->source_column != NULL)) {
		column.sequence = NULL; /* the default's sequence belongs to the table's name at the source */
		column.initial = NULL;
	}
	return column;
}

static void rule_columns(const struct config *config, const struct table_rule *rule, const struct object_image *image,
                         struct object_image *ruled, struct arena *arena)
{
	struct column_definition *columns = arena_alloc_zeroed(arena, (image->column_count + 2) * sizeof(*columns));

	ruled->column_count = 0;
	for (size_t i = 0; i < image->column_count; i++)
		if (!config_column_rule(rule, image->columns[i].name)->exclude)
			columns[ruled->column_count++] = ruled_column(config, rule, image, &image->columns[i], arena);
	if (rule->source_column != NULL)
		columns[ruled->column_count++] = (struct column_definition){.attnum = -1,
		                                                            .name = rule->source_column,
		                                                            .type = "text",
		                                                            .not_null = true,
		                                                            .local = true};
	ruled->columns = columns;
}

static bool any_parent_moves(const struct config *config, const struct object_image *image)
{
	for (size_t i = 0; i < image->parent_count; i++)
		if (config_table_rule(config, image->parents[i].name.schema, image->parents[i].name.name)->rename !=
		    NULL)
			return true;
	return false;
}

static const struct object_reference *rule_parents(const struct config *config, const struct object_image *image,
                                                   struct arena *arena)
{
	struct object_reference *parents = arena_alloc_zeroed(arena, (image->parent_count + 1) * sizeof(*parents));

	for (size_t i = 0; i < image->parent_count; i++)
		parents[i] = (struct object_reference){image->parents[i].oid,
		                                       ddl_ruled_name(config, &image->parents[i].name, arena)};
	return parents;
}

/* Foreign keys to tables that have other names or keys here. */
static void drop_foreign_keys(const struct config *config, struct object_image *ruled, struct arena *arena)
{
	struct constraint_definition *kept = arena_alloc_zeroed(arena, (ruled->constraint_count + 1) * sizeof(*kept));
	size_t count = 0;

	for (size_t i = 0; i < ruled->constraint_count; i++) {
		const struct constraint_definition *constraint = &ruled->constraints[i];
		const struct table_rule *rule =
		    constraint->type == 'f'
		        ? config_table_rule(config, constraint->referenced.schema, constraint->referenced.name)
		        : NULL;

		if (rule == NULL || (rule->rename == NULL && rule->source_column == NULL && rule->column_count == 0 &&
		                     rule->filter.column == NULL))
			kept[count++] = *constraint;
	}
	ruled->constraints = kept;
	ruled->constraint_count = count;
}

const struct object_image *ddl_ruled_image(const struct config *config, const struct object_image *image,
                                           struct arena *arena)
{
	const struct table_rule *rule;
	struct object_image *ruled;

	if (image == NULL || image->kind != OBJECT_TABLE || config->table_count == 0)
		return image;
	rule = config_table_rule(config, image->name.schema, image->name.name);
	ruled = arena_alloc(arena, sizeof(*ruled));
	*ruled = *image;
	ruled->name = ddl_ruled_name(config, &image->name, arena);
	if (any_parent_moves(config, image))
		ruled->parents = rule_parents(config, image, arena);
	if (rule->column_count > 0 || rule->source_column != NULL || rule->rename != NULL) {
		rule_columns(config, rule, image, ruled, arena);
		rule_constraints(rule, image, ruled, arena);
		rule_indexes(rule, image, ruled, arena);
	}
	drop_foreign_keys(config, ruled, arena);
	return ruled;
}
