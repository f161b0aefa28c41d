/* steps.h - what the files of this room share to write steps; nobody else includes it. */
#ifndef REPLICATOR_SCHEMA_STEPS_H
#define REPLICATOR_SCHEMA_STEPS_H

#include "base/buffer.h"
#include "schema/difference.h"

#include <string.h>

struct step_writer {
	const struct difference *difference;
	struct arena *arena;
	struct step *first;
	struct step **end;
};

/* %s text, %I an identifier, %Q a struct object_name *, %L a literal; no other. */
void sql_write(struct buffer *sql, const char *format, ...);
const char *sql_text(struct arena *arena, const char *format, ...);

struct step *step_add(struct step_writer *writer, enum step_kind kind, const char *sql);

/* On the table of the difference. */
const struct late_step *step_late(const struct step_writer *writer, const char *column, const char *action);
/* Adds a drop of a part of the table, which may wait. */
struct step *step_add_part_drop(struct step_writer *writer, enum step_kind kind, const char *action);

static inline bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static inline bool same_name(const struct object_name *a, const struct object_name *b)
{
	return same_text(a->schema, b->schema) && same_text(a->name, b->name);
}

/*
 * Whether the source has another definition now: it refers to other objects, or has another text, but for the new names of
 * what it refers to.
 */
bool definition_changed(const struct difference *difference, const char *old, const struct definition_ids *old_ids,
                        const char *new, const struct definition_ids *new_ids);
/* The same of the type of a column or attribute, with its collation. */
bool type_changed(const struct difference *difference, const struct column_definition *old,
                  const struct column_definition *new);

struct error *table_steps(struct step_writer *writer, enum difference_next *next);
struct error *type_steps(struct step_writer *writer);
/* range_type.c: the statement that creates a range type. */
void range_write(struct buffer *sql, const struct object_image *after);
/* difference_column.c */
struct error *rename_column_steps(struct step_writer *writer);
struct error *column_steps(struct step_writer *writer);
void column_write(struct step_writer *writer, struct buffer *sql, const struct column_definition *column);

#endif
