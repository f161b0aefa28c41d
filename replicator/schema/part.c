/* part.c - see part.h. */
#include "schema/part.h"

#include "schema/steps.h"

static const char *const KIND_NAMES[] = {
    [PART_NONE] = "",
    [PART_NOT_NULL] = "not null",
    [PART_IDENTITY] = "identity",
    [PART_DEFAULT] = "default",
    [PART_CONSTRAINT] = "constraint",
    [PART_INDEX] = "index",
    [PART_OBJECT] = "object",
    [PART_DROP] = "drop",
};

const char *part_kind_name(enum part_kind kind)
{
	return KIND_NAMES[kind];
}

enum part_kind part_kind_parse(const char *name)
{
	for (size_t i = 0; i < sizeof(KIND_NAMES) / sizeof(*KIND_NAMES); i++)
		if (strcmp(KIND_NAMES[i], name) == 0)
			return (enum part_kind)i;
	return PART_NONE;
}

static const struct column_definition *find_column(const struct object_image *image, struct part part)
{
	for (size_t i = 0; i < image->column_count; i++)
		if (image->columns[i].attnum == (int)part.id)
			return &image->columns[i];
	return NULL;
}

static const struct constraint_definition *find_constraint(const struct object_image *image, struct part part)
{
	for (size_t i = 0; i < image->constraint_count; i++)
		if (image->constraints[i].oid == part.id)
			return &image->constraints[i];
	return part.name == NULL ? NULL : object_constraint(image, part.name);
}

static const struct index_definition *find_index(const struct object_image *image, struct part part)
{
	for (size_t i = 0; i < image->index_count; i++)
		if (image->indexes[i].oid == part.id)
			return &image->indexes[i];
	return part.name == NULL ? NULL : object_index(image, part.name);
}

/* --- statements: those of difference_*.c ---------------------------------------------------------------------------- */

static const char *column_sql(const struct object_image *after, const struct column_definition *column,
                              const char *action, struct arena *arena)
{
	return sql_text(arena, "ALTER TABLE %Q ALTER COLUMN %I %s", &after->name, column->name, action);
}

static const char *default_sql(const struct object_image *after, const struct column_definition *column,
                               struct arena *arena)
{
	return column_sql(after, column, sql_text(arena, "SET DEFAULT %s", column->initial), arena);
}

static const char *constraint_sql(const struct object_image *after, const struct constraint_definition *constraint,
                                  struct arena *arena)
{
	return sql_text(arena, "ALTER %s %Q ADD CONSTRAINT %I %s", after->kind == OBJECT_TYPE ? "DOMAIN" : "TABLE",
	                &after->name, constraint->name, constraint->definition);
}

static const char *index_sql(const struct object_image *after, const struct index_definition *index,
                             struct arena *arena)
{
	return sql_text(arena, "CREATE %sINDEX %I ON %Q %s", index->unique ? "UNIQUE " : "", index->name, &after->name,
	                index->definition);
}

/* --- from a step to its part ---------------------------------------------------------------------------------------- */

static struct part column_part(const struct object_image *after, const char *sql, struct arena *arena)
{
	for (size_t i = 0; i < after->column_count; i++) {
		const struct column_definition *column = &after->columns[i];

		if (column->not_null && strcmp(sql, column_sql(after, column, "SET NOT NULL", arena)) == 0)
			return (struct part){PART_NOT_NULL, (uint64_t)column->attnum, NULL};
		if (column->initial != NULL && strcmp(sql, default_sql(after, column, arena)) == 0)
			return (struct part){PART_DEFAULT, (uint64_t)column->attnum, NULL};
	}
	return (struct part){0};
}

static struct part constraint_part(const struct object_image *after, const char *sql, struct arena *arena)
{
	for (size_t i = 0; i < after->constraint_count; i++)
		if (strcmp(sql, constraint_sql(after, &after->constraints[i], arena)) == 0)
			return (struct part){PART_CONSTRAINT, after->constraints[i].oid, after->constraints[i].name};
	return (struct part){0};
}

static struct part index_part(const struct object_image *after, const char *sql, struct arena *arena)
{
	for (size_t i = 0; i < after->index_count; i++)
		if (strcmp(sql, index_sql(after, &after->indexes[i], arena)) == 0)
			return (struct part){PART_INDEX, after->indexes[i].oid, after->indexes[i].name};
	return (struct part){0};
}

struct part part_of_step(const struct object_image *after, const struct step *step, struct arena *arena)
{
	switch (step->kind) {
	case STEP_NOT_NULL:
	case STEP_DEFAULT:
		return column_part(after, step->sql, arena);
	case STEP_KEY:
	case STEP_CHECK:
	case STEP_FOREIGN_KEY:
	case STEP_TYPE:
		return constraint_part(after, step->sql, arena);
	case STEP_INDEX:
		return index_part(after, step->sql, arena);
	case STEP_EXTENSION:
		return (struct part){.kind = PART_OBJECT};
	default:
		return (struct part){0};
	}
}

struct part part_of_late_step(const struct object_image *after, const struct late_step *late)
{
	const struct column_definition *column = late->column == NULL ? NULL : object_column(after, late->column);

	if (column != NULL && strcmp(late->action, "SET NOT NULL") == 0)
		return (struct part){PART_NOT_NULL, (uint64_t)column->attnum, NULL};
	if (column != NULL && strcmp(late->action, "SET GENERATED ALWAYS") == 0)
		return (struct part){PART_IDENTITY, (uint64_t)column->attnum, NULL};
	return (struct part){0};
}

bool part_is_primary_key(const struct object_image *after, struct part part)
{
	const struct constraint_definition *constraint =
	    part.kind == PART_CONSTRAINT ? find_constraint(after, part) : NULL;

	return constraint != NULL && constraint->type == 'p';
}

/* --- what is lacking ------------------------------------------------------------------------------------------------ */

static enum part_state look_at_column(const struct object_image *after, const struct object_image *target,
                                      struct part part, struct arena *arena, struct step *step)
{
	const struct column_definition *column = find_column(after, part);
	const struct column_definition *there = column == NULL ? NULL : object_column(target, column->name);

	if (there == NULL)
		return PART_GONE;
	if (part.kind == PART_NOT_NULL) {
		*step = (struct step){.kind = STEP_NOT_NULL, .sql = column_sql(after, column, "SET NOT NULL", arena)};
		return !column->not_null ? PART_GONE : there->not_null ? PART_SETTLED : PART_LACKING;
	}
	step->kind = STEP_DEFAULT;
	if (part.kind == PART_IDENTITY) {
		step->sql = column_sql(after, column, "SET GENERATED ALWAYS", arena);
		return column->identity != 'a' || there->identity == '\0' ? PART_GONE
		       : there->identity == 'a'                           ? PART_SETTLED
		                                                          : PART_LACKING;
	}
	if (column->initial == NULL || column->generated != '\0' || column->identity != '\0')
		return PART_GONE;
	step->sql = default_sql(after, column, arena);
	return same_text(column->initial, there->initial) ? PART_SETTLED : PART_LACKING;
}

static enum part_state look_at_constraint(const struct object_image *after, const struct object_image *target,
                                          struct part part, struct arena *arena, struct step *step)
{
	const struct constraint_definition *constraint = find_constraint(after, part);
	const struct constraint_definition *there;

	if (constraint == NULL)
		return PART_GONE;
	step->kind = after->kind == OBJECT_TYPE ? STEP_TYPE
	             : constraint->type == 'f'  ? STEP_FOREIGN_KEY
	             : constraint->type == 'c'  ? STEP_CHECK
	                                        : STEP_KEY;
	step->sql = constraint_sql(after, constraint, arena);
	there = object_constraint(target, constraint->name);
	return there != NULL && strcmp(there->definition, constraint->definition) == 0 ? PART_SETTLED : PART_LACKING;
}

static enum part_state look_at_index(const struct object_image *after, const struct object_image *target,
                                     struct part part, struct arena *arena, struct step *step)
{
	const struct index_definition *index = find_index(after, part);

	if (index == NULL)
		return PART_GONE;
	*step = (struct step){.kind = STEP_INDEX, .sql = index_sql(after, index, arena)};
	return object_index(target, index->name) != NULL ? PART_SETTLED : PART_LACKING;
}

enum part_state part_look(const struct object_image *after, const struct object_image *target, struct part part,
                          struct arena *arena, struct step *step)
{
	*step = (struct step){0};
	switch (part.kind) {
	case PART_NOT_NULL:
	case PART_IDENTITY:
	case PART_DEFAULT:
		return look_at_column(after, target, part, arena, step);
	case PART_CONSTRAINT:
		return look_at_constraint(after, target, part, arena, step);
	case PART_INDEX:
		return look_at_index(after, target, part, arena, step);
	default:
		return PART_GONE;
	}
}
