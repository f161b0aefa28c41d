/*
 * loader.h - what the files that read the configuration file share (config.c the whole, tables.c the list `tables`);
 * nobody else includes it.
 */
#ifndef REPLICATOR_CONFIG_LOADER_H
#define REPLICATOR_CONFIG_LOADER_H

#include <libconfig.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "config/config.h"
#include "config/settings.h"

struct loaded_config {
	struct config config; /* first: what the caller holds */
	struct arena *arena;
};

struct loader {
	struct loaded_config *loaded;
	struct buffer problems;
	bool *seen; /* by number of the setting */
};

/* One line: FILE:LINE: problem. `place` NULL: the file as a whole. */
void loader_problem(struct loader *loader, const config_setting_t *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One value into its field at base + offset; `path` is the setting's full name for messages. */
void loader_read_value(struct loader *loader, const struct setting *setting, const char *path,
                       const config_setting_t *node, void *base);

void loader_set_defaults(const struct setting *table, size_t count, void *base, struct arena *arena);

/* The list `tables`; after everything else was read, since it is checked against that. */
void loader_read_tables(struct loader *loader, const config_setting_t *node);

#endif
