/* difference.c - the steps of all objects but tables and types, and how a step is written. See difference.h. */
#include "schema/difference.h"

#include "pg/sql.h"
#include "schema/steps.h"

#include <stdarg.h>

static const char *const STEP_NAMES[STEP_KIND_COUNT] = {
    "create_table", "drop_table", "add_column", "drop_column", "rename", "alter_type",
    "not_null",     "default",    "key",        "index",       "check",  "foreign_key",
    "partition",    "comment",    "type",       "sequence",    "schema", "extension",
};

const char *step_kind_name(enum step_kind kind)
{
	return STEP_NAMES[kind];
}

static void write_v(struct buffer *sql, const char *format, va_list arguments)
{
	for (; *format != '\0'; format++) {
		const struct object_name *name;

		if (*format != '%') {
			buffer_append_byte(sql, *format);
			continue;
		}
		switch (*++format) {
		case 'I':
			sql_append_identifier(sql, va_arg(arguments, const char *));
			break;
		case 'L':
			sql_append_literal(sql, va_arg(arguments, const char *));
			break;
		case 'Q':
			name = va_arg(arguments, const struct object_name *);
			sql_append_qualified(sql, name->schema, name->name);
			break;
		default:
			buffer_append_text(sql, va_arg(arguments, const char *));
			break;
		}
	}
}

void sql_write(struct buffer *sql, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_v(sql, format, arguments);
	va_end(arguments);
}

const char *sql_text(struct arena *arena, const char *format, ...)
{
	struct buffer sql = {0};
	const char *text;
	va_list arguments;

	va_start(arguments, format);
	write_v(&sql, format, arguments);
	va_end(arguments);
	text = arena_copy(arena, sql.data, sql.length);
	buffer_free(&sql);
	return text;
}

struct step *step_add(struct step_writer *writer, enum step_kind kind, const char *sql)
{
	struct step *step = arena_alloc_zeroed(writer->arena, sizeof(*step));

	step->kind = kind;
	step->sql = sql;
	*writer->end = step;
	writer->end = &step->next;
	return step;
}

const struct late_step *step_late(const struct step_writer *writer, const char *column, const char *action)
{
	struct late_step *late = arena_alloc_zeroed(writer->arena, sizeof(*late));

	*late = (struct late_step){.table = writer->difference->after->name, .column = column, .action = action};
	return late;
}

struct step *step_add_part_drop(struct step_writer *writer, enum step_kind kind, const char *action)
{
	struct step *step =
	    step_add(writer, kind,
	             sql_text(writer->arena, "ALTER TABLE %Q %s", &writer->difference->after->name, action));

	step->may_wait = true;
	step->late = step_late(writer, NULL, action);
	return step;
}

bool definition_changed(const struct difference *difference, const char *old, const struct definition_ids *old_ids,
                        const char *new, const struct definition_ids *new_ids)
{
	if (old == NULL || new == NULL)
		return old != new;
	if (difference->by_name || old_ids->refers == NULL || new_ids->refers == NULL)
		return strcmp(old, new) != 0;
	if (strcmp(old_ids->refers, new_ids->refers) != 0)
		return true;
	return strcmp(old, new) != 0 && (old_ids->tree == NULL || !same_text(old_ids->tree, new_ids->tree));
}

bool type_changed(const struct difference *difference, const struct column_definition *old,
                  const struct column_definition *new)
{
	if (difference->by_name || old->type_ids == NULL || new->type_ids == NULL)
		return strcmp(old->type, new->type) != 0 || !same_text(old->collation, new->collation);
	return strcmp(old->type_ids, new->type_ids) != 0;
}

static void schema_steps(struct step_writer *writer)
{
	const struct difference *d = writer->difference;
	const char *name = d->after->name.name;

	if (d->target == NULL)
		step_add(writer, STEP_SCHEMA, sql_text(writer->arena, "CREATE SCHEMA %I", name));
	else if (strcmp(d->target->name.name, name) != 0)
		step_add(writer, STEP_RENAME,
		         sql_text(writer->arena, "ALTER SCHEMA %I RENAME TO %I", d->target->name.name, name));
	if (!same_text(d->after->comment, d->before == NULL ? NULL : d->before->comment))
		step_add(writer, STEP_COMMENT,
		         d->after->comment == NULL
		             ? sql_text(writer->arena, "COMMENT ON SCHEMA %I IS NULL", name)
		             : sql_text(writer->arena, "COMMENT ON SCHEMA %I IS %L", name, d->after->comment));
}

static void sequence_steps(struct step_writer *writer)
{
	const struct difference *d = writer->difference;
	const struct sequence_definition *after = &d->after->sequence;

	if (d->target == NULL) {
		if (!d->after->owned) /* its table makes it */
			step_add(writer, STEP_SEQUENCE,
			         sql_text(writer->arena, "CREATE SEQUENCE %Q AS %s %s", &after->name, after->type,
			                  after->options));
		return;
	}
	if (strcmp(d->target->name.schema, after->name.schema) != 0)
		step_add(writer, STEP_RENAME,
		         sql_text(writer->arena, "ALTER SEQUENCE %Q SET SCHEMA %I", &d->target->name,
		                  after->name.schema));
	if (strcmp(d->target->name.name, after->name.name) != 0)
		step_add(writer, STEP_RENAME,
		         sql_text(writer->arena, "ALTER SEQUENCE %I.%I RENAME TO %I", after->name.schema,
		                  d->target->name.name, after->name.name));
	if (d->before != NULL &&
	    (strcmp(d->before->sequence.type, after->type) != 0 ||
	     strcmp(d->before->sequence.options, after->options) != 0) &&
	    (strcmp(d->target->sequence.type, after->type) != 0 ||
	     strcmp(d->target->sequence.options, after->options) != 0))
		step_add(writer, STEP_SEQUENCE,
		         sql_text(writer->arena, "ALTER SEQUENCE %Q AS %s %s", &after->name, after->type,
		                  after->options));
}

static void extension_steps(struct step_writer *writer)
{
	const struct difference *d = writer->difference;
	const struct object_name *name = &d->after->name;

	if (d->target == NULL)
		step_add(writer, STEP_EXTENSION,
		         strcmp(name->schema, "pg_catalog") == 0
		             ? sql_text(writer->arena, "CREATE EXTENSION %I", name->name)
		             : sql_text(writer->arena, "CREATE EXTENSION %I SCHEMA %I", name->name, name->schema));
}

struct error *difference_steps(const struct difference *difference, struct arena *arena, struct step **steps,
                               enum difference_next *next)
{
	struct step_writer writer = {.difference = difference, .arena = arena};
	struct error *error = NULL;

	writer.end = &writer.first;
	*next = DIFFERENCE_DONE;
	switch (difference->after->kind) {
	case OBJECT_TABLE:
		error = table_steps(&writer, next);
		break;
	case OBJECT_TYPE:
		error = type_steps(&writer);
		break;
	case OBJECT_SEQUENCE:
		sequence_steps(&writer);
		break;
	case OBJECT_SCHEMA:
		schema_steps(&writer);
		break;
	case OBJECT_EXTENSION:
		extension_steps(&writer);
		break;
	}
	*steps = writer.first;
	return error;
}

struct step *difference_drop(enum object_kind kind, struct object_name name, struct arena *arena)
{
	static const struct {
		const char *sql;
		enum step_kind kind;
	} DROPS[] = {
	    [OBJECT_TABLE] = {"DROP TABLE IF EXISTS %Q", STEP_DROP_TABLE},
	    [OBJECT_TYPE] = {"DROP TYPE IF EXISTS %Q", STEP_TYPE},
	    [OBJECT_SEQUENCE] = {"DROP SEQUENCE IF EXISTS %Q", STEP_SEQUENCE},
	    [OBJECT_SCHEMA] = {"DROP SCHEMA IF EXISTS %I", STEP_SCHEMA},
	    [OBJECT_EXTENSION] = {"DROP EXTENSION IF EXISTS %I", STEP_EXTENSION},
	};
	struct step_writer writer = {.arena = arena};
	bool plain = kind == OBJECT_SCHEMA || kind == OBJECT_EXTENSION;
	struct step *step;

	writer.end = &writer.first;
	step = step_add(&writer, DROPS[kind].kind,
	                plain ? sql_text(arena, DROPS[kind].sql, name.name) : sql_text(arena, DROPS[kind].sql, &name));
	step->may_wait = true;
	if (kind != OBJECT_TABLE)
		step->tolerated = "2BP01";
	return step;
}
