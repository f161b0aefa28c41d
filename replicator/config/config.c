/*
 * config.c - finds and reads the configuration file.
 *
 * NOTES
 *   The file is walked once in its own order, so that the problems come in the order of its lines; then come the
 *   settings that are missing, the values that contradict each other, and the list `tables` (tables.c). All of them are
 *   gathered before the function gives up. A value may be a secret: messages name the setting, never what was written
 *   there, except for unknown names.
 */
#include "config/config.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "config/loader.h"
#include "config/secrets.h"

void loader_problem(struct loader *loader, const config_setting_t *place, const char *format, ...)
{
	const char *file = loader->loaded->config.file;
	va_list arguments;
	char *text;

	if (loader->problems.length > 0)
		buffer_append_byte(&loader->problems, '\n');
	if (place != NULL && config_setting_source_file(place) != NULL)
		file = config_setting_source_file(place);
	buffer_append_text(&loader->problems, file);
	if (place != NULL)
		buffer_append_format(&loader->problems, ":%u", (unsigned)config_setting_source_line(place));
	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = memory_copy_text("a problem that could not be formatted");
	va_end(arguments);
	buffer_append_format(&loader->problems, ": %s", text);
	free(text);
}

static void read_list(struct loader *loader, const struct setting *setting, const char *path,
                      const config_setting_t *node, char *base)
{
	struct arena *arena = loader->loaded->arena;
	size_t count = (size_t)config_setting_length(node);
	const char **items = arena_alloc_zeroed(arena, (count + 1) * sizeof(*items));
	const char *const *stored = items;

	for (size_t i = 0; i < count; i++) {
		const config_setting_t *item = config_setting_get_elem(node, (unsigned)i);
		const char *text = config_setting_get_string(item);
		const char *problem = text == NULL              ? "it is no text in quotes"
		                      : setting->refuse == NULL ? NULL
		                                                : setting->refuse(text);

		if (problem != NULL)
			loader_problem(loader, item, "%s: entry %zu is not possible: %s", path, i + 1, problem);
		else
			items[i] = arena_copy(arena, text, strlen(text));
	}
	memcpy(base + setting->offset, &stored, sizeof(stored));
	memcpy(base + setting->count_offset, &count, sizeof(count));
}

void loader_read_value(struct loader *loader, const struct setting *setting, const char *path,
                       const config_setting_t *node, void *base)
{
	struct arena *arena = loader->loaded->arena;
	bool quantity = setting->type == SETTING_BYTES || setting->type == SETTING_DURATION;
	int type = config_setting_type(node);
	const char *problem = NULL;

	if (type == CONFIG_TYPE_BOOL && setting->type == SETTING_BOOLEAN) {
		setting_read_boolean(setting, config_setting_get_bool(node) != 0, base);
	} else if ((type == CONFIG_TYPE_INT || type == CONFIG_TYPE_INT64) &&
	           (quantity || setting->type == SETTING_INTEGER)) {
		problem = setting_read_number(setting, config_setting_get_int64(node), base, arena);
	} else if (type == CONFIG_TYPE_STRING &&
	           (quantity || setting->type == SETTING_TEXT || setting->type == SETTING_CHOICE)) {
		problem = setting_read_text(setting, config_setting_get_string(node), base, arena);
	} else if ((type == CONFIG_TYPE_ARRAY || type == CONFIG_TYPE_LIST) && setting->type == SETTING_LIST) {
		read_list(loader, setting, path, node, base);
	} else {
		loader_problem(loader, node, "%s has the wrong type: it takes %s", path,
		               setting_expects(setting, arena));
		return;
	}
	if (problem != NULL)
		loader_problem(loader, node, "%s has an impossible value: %s", path, problem);
}

/* The name that is nearest to an unknown one: first among its neighbours, then that name in another group. */
static const char *suggest(const char *path, const char *name, const char *group)
{
	size_t best_distance = strlen(name) / 3 + 1;
	const char *best = NULL;

	if (best_distance > 3)
		best_distance = 3;
	for (size_t i = 0; i < setting_count; i++) {
		const char *key = settings[i].key;
		bool neighbour = setting_in_group(&settings[i], group);
		size_t distance = neighbour ? setting_distance(key, path) : SIZE_MAX;

		if (!neighbour && strcmp(setting_name(&settings[i]), name) == 0 && best == NULL)
			best = key;
		if (distance <= best_distance) {
			best_distance = distance - (distance > 0);
			best = key;
		}
	}
	if (*group != '\0')
		return best;
	for (size_t i = 1; i < setting_group_count; i++) {
		size_t distance = setting_distance(setting_groups[i].name, name);

		if (distance <= best_distance) {
			best_distance = distance - (distance > 0);
			best = setting_groups[i].name;
		}
	}
	return best == NULL && setting_distance("tables", name) <= 2 ? "tables" : best;
}

static void add_unknown(struct loader *loader, const config_setting_t *node, const char *path, const char *group)
{
	const char *nearest = suggest(path, config_setting_name(node), group);

	if (nearest != NULL)
		loader_problem(loader, node, "unknown setting %s; did you mean %s?", path, nearest);
	else
		loader_problem(loader, node, "unknown setting %s; remove it (docs/configuration.md lists all)", path);
}

static void read_setting(struct loader *loader, const config_setting_t *node, const char *group)
{
	struct arena *arena = loader->loaded->arena;
	const char *name = config_setting_name(node);
	const char *path = *group == '\0' ? name : arena_format(arena, "%s.%s", group, name);

	for (size_t i = 0; i < setting_count; i++) {
		if (strcmp(settings[i].key, path) == 0) {
			loader->seen[i] = true;
			loader_read_value(loader, &settings[i], path, node, &loader->loaded->config);
			return;
		}
	}
	add_unknown(loader, node, path, group);
}

static void read_group(struct loader *loader, const config_setting_t *node)
{
	if (!config_setting_is_group(node)) {
		loader_problem(loader, node, "%s has the wrong type: it takes a group like %s = { … };",
		               config_setting_name(node), config_setting_name(node));
		return;
	}
	for (int i = 0; i < config_setting_length(node); i++)
		read_setting(loader, config_setting_get_elem(node, (unsigned)i), config_setting_name(node));
}

void loader_set_defaults(const struct setting *table, size_t count, void *base, struct arena *arena)
{
	for (size_t i = 0; i < count; i++) {
		if (table[i].initial != NULL)
			setting_read_text(&table[i], table[i].initial, base, arena);
	}
}

static void read_root(struct loader *loader, const config_setting_t *root)
{
	for (int i = 0; i < config_setting_length(root); i++) {
		const config_setting_t *node = config_setting_get_elem(root, (unsigned)i);
		const char *name = config_setting_name(node);
		bool group = false;

		for (size_t j = 1; j < setting_group_count; j++)
			group = group || strcmp(setting_groups[j].name, name) == 0;
		if (group)
			read_group(loader, node);
		else if (strcmp(name, "tables") != 0)
			read_setting(loader, node, "");
	}
}

static void check_missing(struct loader *loader)
{
	struct arena *arena = loader->loaded->arena;

	for (size_t i = 0; i < setting_count; i++) {
		const struct setting *setting = &settings[i];
		int group_length = (int)(setting_name(setting) - setting->key) - 1;

		if (!setting->required || loader->seen[i])
			continue;
		loader_problem(loader, NULL, "the setting %s is missing; add %s = %s; to the group %.*s", setting->key,
		               setting_name(setting), setting_literal(setting, setting->example, arena), group_length,
		               setting->key);
	}
}

static void check_combinations(struct loader *loader, const config_t *parsed)
{
	const struct config *config = &loader->loaded->config;

	if (config->target.batch_bytes > config->memory_limit)
		loader_problem(loader, config_lookup(parsed, "target.batch_bytes"),
		               "target.batch_bytes is above memory_limit; lower the one or raise the other");
	if (config->connect.connector != NULL && config->connect.url == NULL)
		loader_problem(loader, config_lookup(parsed, "connect.connector"),
		               "connect.connector is set without connect.url; add the address of Kafka Connect");
}

static struct error *parse_file(const char *path, config_t *parsed)
{
	char *copy = memory_copy_text(path);
	struct error *error = NULL;

	/* Files named by @include are looked for beside the one that names them. */
	config_set_include_dir(parsed, dirname(copy));
	errno = 0;
	if (config_read_file(parsed, path) == CONFIG_FALSE) {
		const char *file = config_error_file(parsed) == NULL ? path : config_error_file(parsed);

		if (config_error_type(parsed) == CONFIG_ERR_FILE_IO)
			error = error_new(ERROR_CONFIGURATION, "%s: cannot be read (%s); check the path and its rights",
			                  path, strerror(errno == 0 ? EISDIR : errno));
		else
			error = error_new(ERROR_CONFIGURATION, "%s:%d: %s; each setting has the form name = value;",
			                  file, config_error_line(parsed), config_error_text(parsed));
	}
	free(copy);
	return error;
}

static void read_secrets(struct loader *loader)
{
	struct error *error = secrets_read(&loader->loaded->config, loader->loaded->arena);

	if (error != NULL)
		loader_problem(loader, NULL, "%s", error->message);
	error_free(error);
}

static struct loaded_config *new_loaded(const char *path)
{
	struct loaded_config *loaded = memory_alloc(sizeof(*loaded));

	loaded->arena = arena_new();
	loaded->config.file = arena_copy(loaded->arena, path, strlen(path));
	loader_set_defaults(settings, setting_count, &loaded->config, loaded->arena);
	return loaded;
}

static struct error *load_file(const char *path, struct config **config)
{
	struct loader loader = {.loaded = new_loaded(path)};
	struct error *error;
	config_t parsed;

	config_init(&parsed);
	error = parse_file(path, &parsed);
	if (error == NULL) {
		loader.seen = arena_alloc_zeroed(loader.loaded->arena, setting_count * sizeof(bool));
		read_root(&loader, config_root_setting(&parsed));
		check_missing(&loader);
		check_combinations(&loader, &parsed);
		read_secrets(&loader);
		if (config_lookup(&parsed, "tables") != NULL)
			loader_read_tables(&loader, config_lookup(&parsed, "tables"));
		if (loader.problems.length > 0)
			error = error_new(ERROR_CONFIGURATION, "%s", loader.problems.data);
	}
	config_destroy(&parsed);
	buffer_free(&loader.problems);
	if (error != NULL)
		config_free(&loader.loaded->config);
	else
		*config = &loader.loaded->config;
	return error;
}

struct error *config_load(const char *path, struct config **config)
{
	static const char *const places[] = {"./replicator.conf", "/etc/replicator/replicator.conf"};
	const char *named = path != NULL ? path : getenv("REPLICATOR_CONF");

	*config = NULL;
	if (named != NULL && *named != '\0')
		return load_file(named, config);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (access(places[i], F_OK) == 0)
			return load_file(places[i], config);
	}
	return error_new(ERROR_CONFIGURATION,
	                 "there is no configuration file: looked for $REPLICATOR_CONF, %s and %s; name "
	                 "one with -c FILE (replicator.conf.example is a good beginning)",
	                 places[0], places[1]);
}

void config_free(struct config *config)
{
	struct loaded_config *loaded = (struct loaded_config *)config;

	if (loaded == NULL)
		return;
	arena_free(loaded->arena);
	free(loaded);
}
