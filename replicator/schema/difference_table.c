/*
 * difference_table.c - steps of tables: the table itself, its parents, constraints and indexes. See difference.h.
 *
 * NOTES
 *   The order: make the table, or give it and its columns their new names; behind that in a second round: leave
 *   parents, drop constraints and indexes that went, then columns (difference_column.c), then constraints and indexes
 *   that came, enter parents, comments.
 */
#include "pg/sql.h"
#include "schema/steps.h"

static bool was_there(const struct difference *d)
{
	return d->before != NULL || d->fresh;
}

static const struct object_reference *parent_named(const struct object_image *image, const struct object_name *name)
{
	for (size_t i = 0; image != NULL && i < image->parent_count; i++)
		if (same_name(&image->parents[i].name, name))
			return &image->parents[i];
	return NULL;
}

/* The parent of one image of the source in another one. */
static const struct object_reference *parent_in(const struct difference *d, const struct object_image *image,
                                                const struct object_reference *parent)
{
	if (d->by_name || parent->oid == 0)
		return parent_named(image, &parent->name);
	for (size_t i = 0; image != NULL && i < image->parent_count; i++)
		if (image->parents[i].oid == parent->oid)
			return &image->parents[i];
	return NULL;
}

static bool same_bound(const struct difference *d)
{
	if (!d->by_name && d->before->bound_ids != NULL && same_text(d->before->bound_ids, d->after->bound_ids))
		return true;
	return same_text(d->before->bound, d->after->bound);
}

static void make_sequences(struct step_writer *writer)
{
	const struct object_image *after = writer->difference->after;

	for (size_t i = 0; i < after->column_count; i++) {
		const struct column_definition *column = &after->columns[i];

		if (column->sequence != NULL && column->identity == '\0')
			step_add(writer, STEP_CREATE_TABLE,
			         sql_text(writer->arena, "CREATE SEQUENCE IF NOT EXISTS %Q AS %s %s",
			                  &column->sequence->name, column->sequence->type, column->sequence->options));
	}
}

static void create_table(struct step_writer *writer)
{
	const struct object_image *after = writer->difference->after;
	struct buffer sql = {0};

	make_sequences(writer);
	sql_write(&sql, "CREATE TABLE %Q ", &after->name);
	if (after->bound != NULL && after->parent_count == 1) {
		sql_write(&sql, "PARTITION OF %Q %s", &after->parents[0].name, after->bound);
	} else {
		const char *comma = "";

		buffer_append_byte(&sql, '(');
		for (size_t i = 0; i < after->column_count; i++) {
			if (after->parent_count > 0 && !after->columns[i].local)
				continue;
			buffer_append_text(&sql, comma);
			column_write(writer, &sql, &after->columns[i]);
			comma = ", ";
		}
		buffer_append_byte(&sql, ')');
		for (size_t i = 0; i < after->parent_count; i++)
			sql_write(&sql, "%s%Q", i > 0 ? ", " : " INHERITS (", &after->parents[i].name);
		if (after->parent_count > 0)
			buffer_append_byte(&sql, ')');
	}
	if (after->partition_key != NULL)
		sql_write(&sql, " PARTITION BY %s", after->partition_key);
	step_add(writer, STEP_CREATE_TABLE, arena_copy(writer->arena, sql.data, sql.length));
	for (size_t i = 0; i < after->column_count; i++) {
		const struct column_definition *column = &after->columns[i];

		if (column->sequence != NULL && column->identity == '\0')
			step_add(writer, STEP_CREATE_TABLE,
			         sql_text(writer->arena, "ALTER SEQUENCE %Q OWNED BY %Q.%I", &column->sequence->name,
			                  &after->name, column->name));
	}
	buffer_free(&sql);
}

static void rename_table(struct step_writer *writer)
{
	const struct object_name *from = &writer->difference->target->name;
	const struct object_name *to = &writer->difference->after->name;

	if (strcmp(from->schema, to->schema) != 0)
		step_add(writer, STEP_RENAME,
		         sql_text(writer->arena, "ALTER TABLE %Q SET SCHEMA %I", from, to->schema));
	if (strcmp(from->name, to->name) != 0)
		step_add(writer, STEP_RENAME,
		         sql_text(writer->arena, "ALTER TABLE %I.%I RENAME TO %I", to->schema, from->name, to->name));
}

/*
 * The target's name of a parent of before that is none any more; NULL: it has left it. Under another name (its schema was
 * renamed) it is the parent that the source's table does not have.
 */
static const struct object_name *parent_there(const struct difference *d, const struct object_reference *parent)
{
	const struct object_reference *there = parent_named(d->target, &parent->name);

	if (there != NULL && (parent_named(d->after, &parent->name) == NULL || parent_in(d, d->after, parent) != NULL))
		return &there->name;
	for (size_t i = 0; i < d->target->parent_count; i++)
		if (strcmp(d->target->parents[i].name.name, parent->name.name) == 0 &&
		    parent_named(d->after, &d->target->parents[i].name) == NULL)
			return &d->target->parents[i].name;
	return NULL;
}

static void leave_parents(struct step_writer *writer)
{
	const struct difference *d = writer->difference;

	for (size_t i = 0; d->before != NULL && i < d->before->parent_count; i++) {
		const struct object_reference *parent = &d->before->parents[i];
		const struct object_name *there = parent_there(d, parent);

		/* The parent may only have another name now; then the target has the new one, too. */
		if (there == NULL || (parent_in(d, d->after, parent) != NULL && same_bound(d)))
			continue;
		step_add(writer, STEP_PARTITION,
		         d->before->bound != NULL
		             ? sql_text(writer->arena, "ALTER TABLE %Q DETACH PARTITION %Q", there, &d->after->name)
		             : sql_text(writer->arena, "ALTER TABLE %Q NO INHERIT %Q", &d->after->name, there));
	}
}

static void enter_parents(struct step_writer *writer)
{
	const struct difference *d = writer->difference;

	for (size_t i = 0; i < d->after->parent_count; i++) {
		const struct object_reference *parent = &d->after->parents[i];

		if (parent_named(d->target, &parent->name) != NULL && (d->before == NULL || same_bound(d)))
			continue;
		if (!d->fresh && parent_in(d, d->before, parent) != NULL && same_bound(d))
			continue;
		step_add(writer, STEP_PARTITION,
		         d->after->bound != NULL
		             ? sql_text(writer->arena, "ALTER TABLE %Q ATTACH PARTITION %Q %s", &parent->name,
		                        &d->after->name, d->after->bound)
		             : sql_text(writer->arena, "ALTER TABLE %Q INHERIT %Q", &d->after->name, &parent->name));
	}
}

static enum step_kind kind_of(const struct constraint_definition *constraint)
{
	return constraint->type == 'f' ? STEP_FOREIGN_KEY : constraint->type == 'c' ? STEP_CHECK : STEP_KEY;
}

static const struct constraint_definition *constraint_with(const struct object_image *image, uint64_t oid)
{
	for (size_t i = 0; image != NULL && i < image->constraint_count; i++)
		if (image->constraints[i].oid == oid)
			return &image->constraints[i];
	return NULL;
}

/* The one of before that is this one of after: a change of a column's type makes them anew, with other oids. */
static const struct constraint_definition *old_constraint(const struct difference *d,
                                                          const struct constraint_definition *new)
{
	const struct constraint_definition *old = d->by_name ? NULL : constraint_with(d->before, new->oid);

	return old != NULL ? old : object_constraint(d->before, new->name);
}

static const struct constraint_definition *new_constraint(const struct difference *d,
                                                          const struct constraint_definition *old)
{
	const struct constraint_definition *new = d->by_name ? NULL : constraint_with(d->after, old->oid);

	return new != NULL ? new : object_constraint(d->after, old->name);
}

/* "… NOT VALID" became "…": VALIDATE CONSTRAINT. */
static bool was_validated(const char *old, const char *new)
{
	size_t length = strlen(new);

	return strncmp(old, new, length) == 0 && strcmp(old + length, " NOT VALID") == 0;
}

/* VALIDATE CONSTRAINT alone takes the target there. */
static bool is_validation(const struct constraint_definition *old, const struct constraint_definition *new,
                          const struct constraint_definition *there)
{
	return was_validated(there->definition, new->definition) ||
	       (was_validated(old->definition, new->definition) && same_text(old->ids.refers, new->ids.refers));
}

static bool constraint_changed(const struct difference *d, const struct constraint_definition *old,
                               const struct constraint_definition *new)
{
	return definition_changed(d, old->definition, &old->ids, new->definition, &new->ids);
}

/* Whether the old one has to go: it is gone, or it is another one under the same name. */
static bool constraint_goes(const struct difference *d, const struct constraint_definition *old)
{
	const struct constraint_definition *new = new_constraint(d, old);
	const struct constraint_definition *there = object_constraint(d->target, old->name);

	if (there == NULL || there->inherited || there->type != old->type)
		return false;
	return new == NULL || (constraint_changed(d, old, new) && strcmp(new->definition, there->definition) != 0 &&
	                       !is_validation(old, new, there));
}

static void drop_constraints(struct step_writer *writer)
{
	const struct difference *d = writer->difference;

	for (size_t i = 0; d->before != NULL && i < d->before->constraint_count; i++) {
		const struct constraint_definition *old = &d->before->constraints[i];

		if (constraint_goes(d, old))
			step_add_part_drop(writer, kind_of(old),
			                   sql_text(writer->arena, "DROP CONSTRAINT IF EXISTS %I", old->name));
	}
}

/* Whether the target has the primary key under another name, and keeps it. */
static bool key_is_there(const struct difference *d, const struct constraint_definition *key)
{
	for (size_t i = 0; key->type == 'p' && i < d->target->constraint_count; i++) {
		const struct constraint_definition *there = &d->target->constraints[i];
		const struct constraint_definition *old =
		    d->before == NULL ? NULL : object_constraint(d->before, there->name);

		if (there->type == 'p' && strcmp(there->definition, key->definition) == 0)
			return old == NULL || !constraint_goes(d, old);
	}
	return false;
}

/* The parent's key was made anew, and with it those of the partitions, under names of theirs. */
static void rename_inherited(struct step_writer *writer, const struct constraint_definition *new)
{
	const struct difference *d = writer->difference;

	for (size_t i = 0; i < d->target->constraint_count; i++) {
		const struct constraint_definition *there = &d->target->constraints[i];

		if (!there->inherited || there->type != new->type || strcmp(there->definition, new->definition) != 0 ||
		    object_constraint(d->after, there->name) != NULL)
			continue;
		step_add(writer, STEP_RENAME,
		         sql_text(writer->arena, "ALTER TABLE %Q RENAME CONSTRAINT %I TO %I", &d->after->name,
		                  there->name, new->name));
		return;
	}
}

/* Also where the definition says a table that has another name by now, as it has in the target. */
static bool is_renamed(const struct difference *d, const struct constraint_definition *old,
                       const struct constraint_definition *new)
{
	const struct constraint_definition *there = object_constraint(d->target, old->name);

	return !constraint_changed(d, old, new) || (there != NULL && strcmp(there->definition, new->definition) == 0);
}

static void add_constraint(struct step_writer *writer, const struct constraint_definition *new)
{
	const struct difference *d = writer->difference;
	const struct constraint_definition *old = old_constraint(d, new);
	const struct constraint_definition *there = object_constraint(d->target, new->name);
	struct step *step;

	if (there != NULL && strcmp(there->definition, new->definition) == 0)
		return;
	if (old != NULL && is_renamed(d, old, new)) {
		if (strcmp(old->name, new->name) != 0 && object_constraint(d->target, old->name) != NULL)
			step_add(writer, STEP_RENAME,
			         sql_text(writer->arena, "ALTER TABLE %Q RENAME CONSTRAINT %I TO %I", &d->after->name,
			                  old->name, new->name));
		return;
	}
	if (old != NULL && there != NULL && is_validation(old, new, there)) {
		step_add(writer, kind_of(new),
		         sql_text(writer->arena, "ALTER TABLE %Q VALIDATE CONSTRAINT %I", &d->after->name, new->name));
		return;
	}
	if (new->inherited) {
		rename_inherited(writer, new);
		return;
	}
	if (key_is_there(d, new) || (!was_there(d) && new->type != 'p'))
		return;
	step = step_add(writer, kind_of(new),
	                sql_text(writer->arena, "ALTER TABLE %Q ADD CONSTRAINT %I %s", &d->after->name, new->name,
	                         new->definition));
	if (new->type == 'f')
		step->tolerated = "42P01"; /* refers to a table that is not replicated */
}

static const struct index_definition *index_with(const struct object_image *image, uint64_t oid)
{
	for (size_t i = 0; image != NULL && i < image->index_count; i++)
		if (image->indexes[i].oid == oid)
			return &image->indexes[i];
	return NULL;
}

static const struct index_definition *old_index(const struct difference *d, const struct index_definition *new)
{
	const struct index_definition *old = d->by_name ? NULL : index_with(d->before, new->oid);

	return old != NULL ? old : object_index(d->before, new->name);
}

static const struct index_definition *new_index(const struct difference *d, const struct index_definition *old)
{
	const struct index_definition *new = d->by_name ? NULL : index_with(d->after, old->oid);

	return new != NULL ? new : object_index(d->after, old->name);
}

static bool index_changed(const struct difference *d, const struct index_definition *old,
                          const struct index_definition *new)
{
	return old->unique != new->unique ||
	       definition_changed(d, old->definition, &old->ids, new->definition, &new->ids);
}

static bool same_index(const struct index_definition *a, const struct index_definition *b)
{
	return a->unique == b->unique && strcmp(a->definition, b->definition) == 0;
}

/* Whether the old one has to go: it is gone, or it is another one under the same name. */
static bool index_goes(const struct difference *d, const struct index_definition *old)
{
	const struct index_definition *new = new_index(d, old);
	const struct index_definition *there = object_index(d->target, old->name);

	if (there == NULL || there->inherited)
		return false;
	return new == NULL || (index_changed(d, old, new) && !same_index(there, new));
}

static void drop_indexes(struct step_writer *writer)
{
	const struct difference *d = writer->difference;

	for (size_t i = 0; d->before != NULL && i < d->before->index_count; i++)
		if (index_goes(d, &d->before->indexes[i]))
			step_add(writer, STEP_INDEX,
			         sql_text(writer->arena, "DROP INDEX IF EXISTS %I.%I", d->after->name.schema,
			                  d->before->indexes[i].name));
}

static void add_indexes(struct step_writer *writer)
{
	const struct difference *d = writer->difference;

	for (size_t i = 0; was_there(d) && i < d->after->index_count; i++) {
		const struct index_definition *new = &d->after->indexes[i];
		const struct index_definition *old = old_index(d, new);
		bool made_way = old != NULL && index_goes(d, old);

		if (new->inherited || (object_index(d->target, new->name) != NULL && !made_way))
			continue;
		if (old == NULL || made_way)
			step_add(writer, STEP_INDEX,
			         sql_text(writer->arena, "CREATE %sINDEX %I ON %Q %s", new->unique ? "UNIQUE " : "",
			                  new->name, &d->after->name, new->definition));
		else if (strcmp(old->name, new->name) != 0 && object_index(d->target, old->name) != NULL)
			step_add(writer, STEP_RENAME,
			         sql_text(writer->arena, "ALTER INDEX %I.%I RENAME TO %I", d->after->name.schema,
			                  old->name, new->name));
	}
}

static void comment_steps(struct step_writer *writer)
{
	const struct difference *d = writer->difference;
	const struct object_name *name = &d->after->name;

	if (was_there(d) && !same_text(d->before == NULL ? NULL : d->before->comment, d->after->comment) &&
	    !same_text(d->target->comment, d->after->comment))
		step_add(writer, STEP_COMMENT,
		         d->after->comment == NULL
		             ? sql_text(writer->arena, "COMMENT ON TABLE %Q IS NULL", name)
		             : sql_text(writer->arena, "COMMENT ON TABLE %Q IS %L", name, d->after->comment));
}

struct error *table_steps(struct step_writer *writer, enum difference_next *next)
{
	const struct difference *d = writer->difference;

	if (d->target == NULL) {
		create_table(writer);
		*next = DIFFERENCE_FRESH;
		return NULL;
	}
	if (d->target->kind != OBJECT_TABLE)
		return error_new(ERROR_TARGET,
		                 "the target has something else under the name %s.%s; rename it and start again",
		                 d->after->name.schema, d->after->name.name);
	if (!d->renamed) {
		rename_table(writer);
		TRY(rename_column_steps(writer));
		if (writer->first != NULL) {
			*next = DIFFERENCE_RENAMED;
			return NULL;
		}
	}
	leave_parents(writer);
	drop_constraints(writer);
	drop_indexes(writer);
	TRY(column_steps(writer));
	for (size_t i = 0; i < d->after->constraint_count; i++)
		add_constraint(writer, &d->after->constraints[i]);
	add_indexes(writer);
	enter_parents(writer);
	comment_steps(writer);
	return NULL;
}
