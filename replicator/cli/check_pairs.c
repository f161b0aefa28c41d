/* check_pairs.c - which tables belong together. */
#include <stdio.h>
#include <string.h>

#include "cli/preflight.h"
#include "connect/topic_names.h"

static bool has_topic(struct preflight *preflight, const struct table_image *image)
{
	struct buffer topic = {0};
	bool found = false;

	topic_name_append(&topic, preflight->config->kafka.topic_prefix, image->schema, image->name);
	for (size_t i = 0; !found && i < preflight->probe.topic_count; i++)
		found = strcmp(preflight->probe.topics[i].name, topic.data) == 0;
	buffer_free(&topic);
	return found;
}

/*
 * Whether the connector surely captures a published table: it has a topic; or, where topics do not tell, a publication
 * names it.
 */
static bool surely_captured(struct preflight *preflight, const struct table_image *image)
{
	bool topics_tell = preflight->probed && preflight->config->kafka.topic_count == 0;

	if (topics_tell && has_topic(preflight, image))
		return true;
	return preflight->published != NULL && !preflight->all_published;
}

static bool belongs_to_stream(const struct preflight *preflight, const struct table_image *image, const char *name)
{
	if (preflight->published != NULL && map_get(preflight->published, slice_from(name)) == NULL)
		return false;
	/* Our own tables there serve the stream; the target needs none of them. */
	return strcmp(image->schema, config_source_schema) != 0 &&
	       !config_table_rule(preflight->config, image->schema, image->name)->exclude;
}

/* Published tables that no stream applies because of their schema's name. */
static void check_state_schema_name(struct preflight *preflight, const struct table_image *image, const char *name)
{
	const char *schema = preflight->config->target.schema;

	if (strcmp(image->schema, schema) != 0 || strcmp(schema, config_source_schema) == 0 ||
	    preflight->published == NULL || map_get(preflight->published, slice_from(name)) == NULL)
		return;
	preflight_problem(
	    preflight,
	    "%s is published, but the schema has the name of target.schema, so the table is left out; give the "
	    "state tables another schema",
	    name);
}

static void check_source_tables(struct preflight *preflight)
{
	size_t checked = 0;

	for (size_t i = 0; i < preflight->source_tables.count; i++) {
		const struct table_image *image = preflight->source_tables.images[i];
		const char *name = preflight_name(preflight, image->schema, image->name);
		const struct table_rule *rule = config_table_rule(preflight->config, image->schema, image->name);
		struct table_name target =
		    config_target_table(preflight->config, rule, image->schema, image->name, preflight->arena);
		const char *target_name = preflight_name(preflight, target.schema, target.table);

		check_state_schema_name(preflight, image, name);
		if (!belongs_to_stream(preflight, image, name))
			continue;
		checked++;
		if (preflight->same_database && strcmp(name, target_name) == 0)
			preflight_problem(
			    preflight,
			    "%s: source.dsn and target.dsn name the same database: the stream would write to "
			    "the table that it reads; correct one of them, or rename the table by a rule",
			    name);
		check_pair(preflight, rule, image, map_get(preflight->target_tables.by_name, slice_from(target_name)),
		           surely_captured(preflight, image));
	}
	printf("  %zu tables of the source checked against the target\n", checked);
	if (checked == 0)
		preflight_warning(preflight,
		                  "no table of the source belongs to the stream: none is published, or rules exclude "
		                  "all of them");
}

static void check_target_tables(struct preflight *preflight)
{
	for (size_t i = 0; i < preflight->target_tables.count; i++) {
		const struct table_image *image = preflight->target_tables.images[i];

		const struct table_rule *rule = config_table_rule(preflight->config, image->schema, image->name);

		if (strcmp(image->schema, preflight->config->target.schema) != 0 && !rule->exclude)
			check_target_table(preflight, rule, image);
	}
}

void check_tables(struct preflight *preflight)
{
	check_rules(preflight);
	if (preflight->target == NULL)
		puts("  not checked: the target is away");
	else if (preflight->source == NULL)
		check_target_tables(preflight);
	else
		check_source_tables(preflight);
}
