/*
 * settings.h - the table of settings, for the files of this room.
 *
 * NOTES
 *   A setting is told once: here its type, default, bounds and words for people, from which the parser, its messages,
 *   the example file and the manual's page are made. A new setting is a field in config.h and an entry in settings.c
 *   (settings_rules.c for entries of `tables`).
 */
#ifndef REPLICATOR_CONFIG_SETTINGS_H
#define REPLICATOR_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

enum setting_type {
	SETTING_TEXT,
	SETTING_BOOLEAN,
	SETTING_INTEGER,
	SETTING_BYTES,    /* a number of bytes, or text with a unit: "256MB" */
	SETTING_DURATION, /* text with a unit, "30s", or 0; the field has milliseconds */
	SETTING_CHOICE,   /* one of a few words */
	SETTING_LIST      /* ["text", …] */
};

struct setting_choice {
	const char *word; /* NULL ends the list */
	unsigned value;
};

struct setting {
	const char *key; /* "target.batch_rows" */
	enum setting_type type;
	size_t offset;       /* of the field in struct config (struct table_rule, column_rule, row_filter) */
	size_t size;         /* of the field */
	size_t count_offset; /* SETTING_LIST: of the field that takes the number of items */
	const char *initial; /* the default, as it stands in the file but without quotes; NULL: none */
	bool required;
	bool reloadable; /* a reload (SIGHUP) changes it */
	int64_t least;   /* of numbers */
	int64_t most;
	const struct setting_choice *choices;
	const char *(*refuse)(const char *text); /* what is wrong with a text or an item, or NULL */
	const char *example;     /* of a setting without a default, as it stands in the file but without quotes */
	const char *description; /* for people: whole sentences, may hold line feeds */
};

struct setting_group {
	const char *name; /* "" is the top level */
	const char *description;
};

extern const struct setting settings[];
extern const size_t setting_count;
extern const struct setting_group setting_groups[];
extern const size_t setting_group_count;

/* The settings of one entry of `tables` (offsets are in struct table_rule), of its columns and of its filter. */
extern const struct setting rule_settings[];
extern const size_t rule_setting_count;
extern const char rule_description[];
extern const struct setting column_settings[]; /* in struct column_rule */
extern const size_t column_setting_count;
extern const char column_description[];
extern const struct setting filter_settings[]; /* in struct row_filter */
extern const size_t filter_setting_count;
extern const char filter_description[];

/* refusals.c: what is wrong with a text, or NULL. */
const char *refuse_empty(const char *text);
const char *refuse_placeholder(const char *text);
const char *refuse_added_field(const char *text);
const char *refuse_identifier(const char *text);
const char *refuse_schema(const char *text);
const char *refuse_topic(const char *text);    /* a name, or a ^pattern */
const char *refuse_property(const char *text); /* librdkafka's key=value */
const char *refuse_url(const char *text);

/* The group of a key ("" or "target") and its name in the group. */
bool setting_in_group(const struct setting *setting, const char *group);
const char *setting_name(const struct setting *setting);

/*
 * Reads a value from its text into the field at base + offset. NULL: done; else what is wrong, in `arena`.
 * Not for SETTING_LIST.
 */
const char *setting_read_text(const struct setting *setting, const char *text, void *base, struct arena *arena);
const char *setting_read_number(const struct setting *setting, int64_t number, void *base, struct arena *arena);
void setting_read_boolean(const struct setting *setting, bool value, void *base);

/* What the setting takes, for messages and the manual: `text`, `"on" or "off"`, `bytes ("256MB")`. In `arena`. */
const char *setting_expects(const struct setting *setting, struct arena *arena);
/* The default or example as it stands in the file, quoted where the type needs it. In `arena`. */
const char *setting_literal(const struct setting *setting, const char *text, struct arena *arena);

/* How many single edits lie between two names (Levenshtein). For "did you mean". */
size_t setting_distance(const char *a, const char *b);

#endif
