/* print.c - the example file and the manual's page, from the table of settings. */
#include <string.h>

#include "base/arena.h"
#include "config/config.h"
#include "config/settings.h"

static void print_lines(FILE *out, const char *indent, const char *mark, const char *text)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n");

		fprintf(out, "%s%s%.*s\n", indent, mark, (int)length, text);
		text += length + (text[length] == '\n');
	}
}

/* A description as comment lines. */
static void print_comment(FILE *out, const char *indent, const char *text)
{
	print_lines(out, indent, "# ", text);
}

static const char *example_text(const struct setting *setting)
{
	return setting->initial != NULL ? setting->initial : setting->example;
}

/* Required settings stand there with an example; the others are commented out and show their default or an example. */
static void print_example_setting(FILE *out, const struct setting *setting, const char *indent, struct arena *arena)
{
	print_comment(out, indent, setting->description);
	fprintf(out, "%s%s%s = %s;\n", indent, setting->required ? "" : "#", setting_name(setting),
	        setting_literal(setting, example_text(setting), arena));
}

static void print_example_group(FILE *out, const struct setting_group *group, struct arena *arena)
{
	const char *indent = *group->name == '\0' ? "" : "\t";
	const char *separator = "";

	if (*group->name != '\0')
		fprintf(out, "\n# %s.\n%s = {\n", group->description, group->name);
	for (size_t i = 0; i < setting_count; i++) {
		if (!setting_in_group(&settings[i], group->name))
			continue;
		fputs(separator, out);
		print_example_setting(out, &settings[i], indent, arena);
		separator = "\n";
	}
	if (*group->name != '\0')
		fputs("};\n", out);
}

/* An example for people, with every kind of rule; `mark` stands before lines that are not to be read. */
static void print_rule_example(FILE *out, const char *mark)
{
	static const char *const lines[] = {
	    "{ match = \"public.users\"; delete = \"soft\"; truncate = \"soft\";",
	    "\tcolumns = (",
	    "\t\t{ match = \"email\"; mask = \"hash\"; rename = \"email_hash\"; },",
	    "\t\t{ match = \"phone\"; mask = \"null\"; },",
	    "\t\t{ match = \"internal_*\"; exclude = true; }",
	    "\t); },",
	    "{ match = \"public.orders\"; rename = \"sales.{table}\";",
	    "\tfilter = { column = \"country\"; in = [\"DE\", \"AT\"]; };",
	    "\tcolumns = ( { match = \"state\"; cast_from = \"integer\"; } ); },",
	    ("{ match = \"shop_*.items\"; rename = \"sales.items\"; source_column = \"shop\"; source_value = "
	     "\"{schema}\"; },"),
	    "{ match = \"audit.*\"; exclude = true; }",
	};

	fputs("tables = (\n", out);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		fprintf(out, "\t%s%s\n", mark, lines[i]);
	fputs(");\n", out);
}

static void print_example_part(FILE *out, const char *description, const struct setting *table, size_t count)
{
	print_comment(out, "", description);
	for (size_t i = 0; i < count; i++) {
		const char *text = table[i].description;
		size_t first = strcspn(text, "\n");

		fprintf(out, "#   %s: %.*s\n", table[i].key, (int)first, text);
		if (text[first] == '\n')
			print_lines(out, "", "#     ", text + first + 1);
	}
}

static void print_example_tables(FILE *out)
{
	fputc('\n', out);
	print_example_part(out, rule_description, rule_settings, rule_setting_count);
	print_example_part(out, column_description, column_settings, column_setting_count);
	print_example_part(out, filter_description, filter_settings, filter_setting_count);
	print_rule_example(out, "#");
}

void config_print_example(FILE *out)
{
	struct arena *arena = arena_new();

	fputs("# Configuration of the replicator (`make docs` writes this file from the table of settings).\n"
	      "# A setting that is commented out shows its default, or an example where it has none.\n"
	      "# `replicator check-config` says what is wrong with a configuration and with the servers it names.\n\n",
	      out);
	for (size_t i = 0; i < setting_group_count; i++)
		print_example_group(out, &setting_groups[i], arena);
	print_example_tables(out);
	arena_free(arena);
}

/* Line feeds and bars would break a row of a Markdown table. */
static void print_cell(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			fputc(' ', out);
		else if (*text == '|')
			fputs("\\|", out);
		else
			fputc(*text, out);
	}
}

static void print_reference_row(FILE *out, const struct setting *setting, struct arena *arena)
{
	fprintf(out, "| `%s` | ", setting->key);
	print_cell(out, setting_expects(setting, arena));
	if (setting->required)
		fputs(" | required", out);
	else if (setting->initial != NULL)
		fprintf(out, " | `%s`", setting_literal(setting, setting->initial, arena));
	else
		fputs(" | none", out);
	fprintf(out, " | %s | ", setting->reloadable ? "yes" : "no");
	print_cell(out, setting->description);
	if (setting->initial == NULL && setting->example != NULL) {
		fputs(" Example: `", out);
		print_cell(out, setting_literal(setting, setting->example, arena));
		fputs("`.", out);
	}
	fputs(" |\n", out);
}

static void print_reference_head(FILE *out, const char *title)
{
	fprintf(out,
	        "\n## %s\n\n| setting | takes | default | reload | what it does |\n| --- | --- | --- | --- | --- |\n",
	        title);
}

static void print_reference_intro(FILE *out)
{
	fputs(
	    "# Configuration reference\n\n"
	    "Made by `make docs` from the table of settings in `replicator/config/`; do not edit it here.\n\n"
	    "The file is the one named by `-c`, else by `$REPLICATOR_CONF`, else `./replicator.conf`, else\n"
	    "`/etc/replicator/replicator.conf`. It is written in the syntax of\n"
	    "[libconfig](https://hyperrealm.github.io/libconfig/libconfig_manual.html): a dot in a name below means a "
	    "group,\n"
	    "`target.batch_rows` is `target = { batch_rows = 10000; };`. `@include \"file\"` reads another file.\n"
	    "`replicator.conf.example` holds every setting. `replicator check-config` reports all problems at once.\n\n"
	    "Passwords may stand in a connection string, in `PGPASSWORD`, or in the file named by `PGPASSFILE`.\n"
	    "Settings marked *reload* change with SIGHUP; the others need a restart, which loses nothing.\n",
	    out);
}

static void print_reference_table(FILE *out, const char *title, const char *description, const struct setting *table,
                                  size_t count, struct arena *arena)
{
	print_reference_head(out, title);
	for (size_t i = 0; i < count; i++)
		print_reference_row(out, &table[i], arena);
	fprintf(out, "\n%s\n", description);
}

void config_print_reference(FILE *out)
{
	struct arena *arena = arena_new();

	print_reference_intro(out);
	for (size_t i = 0; i < setting_group_count; i++) {
		print_reference_head(out, setting_groups[i].description);
		for (size_t j = 0; j < setting_count; j++) {
			if (setting_in_group(&settings[j], setting_groups[i].name))
				print_reference_row(out, &settings[j], arena);
		}
	}
	print_reference_table(out, "Entries of `tables`", rule_description, rule_settings, rule_setting_count, arena);
	print_reference_table(out, "Entries of `columns` in `tables`", column_description, column_settings,
	                      column_setting_count, arena);
	print_reference_table(out, "The group `filter` in `tables`", filter_description, filter_settings,
	                      filter_setting_count, arena);
	fputs("\n## An example of `tables`\n\n```\n", out);
	print_rule_example(out, "");
	fputs("```\n", out);
	arena_free(arena);
}
