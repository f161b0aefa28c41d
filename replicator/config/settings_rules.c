/* settings_rules.c - the settings of an entry of `tables`, of its columns and its filter. */
#include "config/settings.h"

#include <string.h>

#include "config/config.h"

#define RULE_FIELD(member)                                                                                             \
	.offset = offsetof(struct table_rule, member), .size = sizeof(((struct table_rule *)NULL)->member)
#define COLUMN_FIELD(member)                                                                                           \
	.offset = offsetof(struct column_rule, member), .size = sizeof(((struct column_rule *)NULL)->member)
#define FILTER_FIELD(member)                                                                                           \
	.offset = offsetof(struct row_filter, member), .size = sizeof(((struct row_filter *)NULL)->member)
#define FILTER_COUNT(member) .count_offset = offsetof(struct row_filter, member)

static const char *refuse_match(const char *text)
{
	const char *problem = refuse_empty(text);

	if (problem == NULL && strpbrk(text, ".*") == NULL)
		problem = "it names no schema: write it like \"public.users\" or \"*.users\"";
	return problem;
}

/* Between braces only the words that config_expand knows. */
static const char *refuse_template(const char *text)
{
	static const char *const words[] = {"{schema}", "{table}", "{source}"};

	for (const char *brace = strpbrk(text, "{}"); brace != NULL; brace = strpbrk(brace, "{}")) {
		size_t i = 0;

		while (i < sizeof(words) / sizeof(*words) && strncmp(brace, words[i], strlen(words[i])) != 0)
			i++;
		if (i == sizeof(words) / sizeof(*words))
			return "between braces stand {schema}, {table} or {source}, nothing else";
		brace += strlen(words[i]);
	}
	return refuse_empty(text);
}

static const char *refuse_rename(const char *text)
{
	const char *dot = strchr(text, '.');

	if (dot == NULL || dot == text || dot[1] == '\0')
		return "it takes schema and table: \"archive.users\" or \"archive.{table}\"";
	return refuse_template(text);
}

static const char *refuse_name(const char *text)
{
	const char *problem = refuse_empty(text);

	return problem != NULL ? problem : refuse_identifier(text);
}

static const struct setting_choice delete_choices[] = {{"hard", DELETE_HARD},
                                                       {"soft", DELETE_SOFT},
                                                       {"ignore", DELETE_IGNORE},
                                                       {NULL, 0}};
static const struct setting_choice truncate_choices[] = {{"apply", TRUNCATE_APPLY},
                                                         {"soft", TRUNCATE_SOFT},
                                                         {"ignore", TRUNCATE_IGNORE},
                                                         {NULL, 0}};
static const struct setting_choice mask_choices[] = {{"none", MASK_NONE},
                                                     {"hash", MASK_HASH},
                                                     {"null", MASK_NULL},
                                                     {"constant", MASK_CONSTANT},
                                                     {NULL, 0}};

const char rule_description[] =
    "What is done with single tables. The first entry whose pattern matches counts; a table that none matches has\n"
    "the defaults. Names are those of the source.";

const struct setting rule_settings[] = {
    {.key = "match",
     .type = SETTING_TEXT,
     RULE_FIELD(match),
     .required = true,
     .refuse = refuse_match,
     .example = "public.users",
     .description = "The table as \"schema.table\"; * stands for any run of characters."},
    {.key = "exclude",
     .type = SETTING_BOOLEAN,
     RULE_FIELD(exclude),
     .initial = "false",
     .description = "true: the table's events are left out, and counted. To take only some tables, let these come\n"
                    "first and end with { match = \"*\"; exclude = true; }."},
    {.key = "delete",
     .type = SETTING_CHOICE,
     RULE_FIELD(delete_mode),
     .initial = "hard",
     .choices = delete_choices,
     .description = "hard: the row goes. soft: it is marked (target.is_deleted, target.deleted_at); a later insert\n"
                    "revives it. ignore: deletes are left out."},
    {.key = "truncate",
     .type = SETTING_CHOICE,
     RULE_FIELD(truncate_mode),
     .initial = "apply",
     .choices = truncate_choices,
     .description =
         "apply: the table is emptied. soft: its rows are marked as deleted. ignore: truncates are left out."},
    {.key = "rename",
     .type = SETTING_TEXT,
     RULE_FIELD(rename),
     .refuse = refuse_rename,
     .example = "archive.{table}",
     .description =
         "The table's name in the target, as \"schema.table\"; {schema} and {table} stand for the source's names."},
    {.key = "source_column",
     .type = SETTING_TEXT,
     RULE_FIELD(source_column),
     .refuse = refuse_name,
     .example = "origin",
     .description =
         "A column of the target that says where a row is from, for several sources that share a table. It belongs\n"
         "to the target's key, and truncates and snapshots touch only rows of their own source."},
    {.key = "source_value",
     .type = SETTING_TEXT,
     RULE_FIELD(source_value),
     .refuse = refuse_template,
     .initial = "{source}",
     .description =
         "What source_column holds; {source} is source.name, {schema} and {table} are the names of the source."},
};
const size_t rule_setting_count = sizeof(rule_settings) / sizeof(*rule_settings);

const char column_description[] = "Columns of the table, a list `columns = ( … )` in the entry. The first whose "
                                  "pattern matches counts; a column that\n"
                                  "none matches goes as it is.";

const struct setting column_settings[] = {
    {.key = "match",
     .type = SETTING_TEXT,
     COLUMN_FIELD(match),
     .required = true,
     .refuse = refuse_empty,
     .example = "email",
     .description = "The column's name at the source; * stands for any run of characters."},
    {.key = "exclude",
     .type = SETTING_BOOLEAN,
     COLUMN_FIELD(exclude),
     .initial = "false",
     .description = "true: the column is left out; the target needs none. To take only some columns, let these come\n"
                    "first and end with { match = \"*\"; exclude = true; }."},
    {.key = "rename",
     .type = SETTING_TEXT,
     COLUMN_FIELD(rename),
     .refuse = refuse_name,
     .example = "mail",
     .description = "The column's name in the target."},
    {.key = "mask",
     .type = SETTING_CHOICE,
     COLUMN_FIELD(mask),
     .initial = "none",
     .choices = mask_choices,
     .description =
         "hash: the SHA-256 of masking.salt and the value's text, 64 hexadecimal digits, for texts, whole numbers,\n"
         "booleans, uuids and enums; NULL stays NULL, equal values stay equal. null: NULL. constant: `value`. The\n"
         "value itself never reaches the target."},
    {.key = "value",
     .type = SETTING_TEXT,
     COLUMN_FIELD(value),
     .example = "***",
     .description = "What mask = \"constant\" writes, in the target column's notation."},
    {.key = "cast_from",
     .type = SETTING_TEXT,
     COLUMN_FIELD(cast_from),
     .refuse = refuse_empty,
     .example = "integer",
     .description =
         "The column's type at the source, where the target's column has another one: the value is read as this\n"
         "type and cast to the target's."},
};
const size_t column_setting_count = sizeof(column_settings) / sizeof(*column_settings);

const char filter_description[] =
    "Which rows are replicated, a group `filter = { … }` in the entry. The text of one column's value decides, for "
    "columns\n"
    "of texts, whole numbers, booleans, uuids and enums. A row that comes to match is inserted, one that ceases to\n"
    "match is deleted.";

const struct setting filter_settings[] = {
    {.key = "column",
     .type = SETTING_TEXT,
     FILTER_FIELD(column),
     .required = true,
     .refuse = refuse_empty,
     .example = "country",
     .description = "The column's name at the source; the target need not have it."},
    {.key = "in",
     .type = SETTING_LIST,
     FILTER_FIELD(in),
     FILTER_COUNT(in_count),
     .example = "[\"DE\", \"AT\"]",
     .description = "Rows with one of these values are replicated."},
    {.key = "not_in",
     .type = SETTING_LIST,
     FILTER_FIELD(not_in),
     FILTER_COUNT(not_in_count),
     .example = "[\"internal\"]",
     .description = "Rows with none of these values are replicated, also those with NULL."},
};
const size_t filter_setting_count = sizeof(filter_settings) / sizeof(*filter_settings);
