/* difference_type.c - steps of enums, domains and composite types. See difference.h. */
#include "pg/sql.h"
#include "schema/steps.h"

static const struct label_definition *label_named(const struct object_image *image, const char *name)
{
	for (size_t i = 0; image != NULL && i < image->label_count; i++)
		if (strcmp(image->labels[i].name, name) == 0)
			return &image->labels[i];
	return NULL;
}

static void create_enum(const struct object_image *after, struct buffer *sql)
{
	sql_write(sql, "CREATE TYPE %Q AS ENUM (", &after->name);
	for (size_t i = 0; i < after->label_count; i++)
		sql_write(sql, "%s%L", i > 0 ? ", " : "", after->labels[i].name);
	buffer_append_byte(sql, ')');
}

static void create_domain(const struct object_image *after, struct buffer *sql)
{
	sql_write(sql, "CREATE DOMAIN %Q AS %s", &after->name, after->base);
	if (after->collation != NULL)
		sql_write(sql, " COLLATE %s", after->collation);
	if (after->initial != NULL)
		sql_write(sql, " DEFAULT %s", after->initial);
	if (after->not_null)
		buffer_append_text(sql, " NOT NULL");
	for (size_t i = 0; i < after->constraint_count; i++)
		sql_write(sql, " CONSTRAINT %I %s", after->constraints[i].name, after->constraints[i].definition);
}

static void create_composite(const struct object_image *after, struct buffer *sql)
{
	sql_write(sql, "CREATE TYPE %Q AS (", &after->name);
	for (size_t i = 0; i < after->column_count; i++)
		sql_write(sql, "%s%I %s", i > 0 ? ", " : "", after->columns[i].name, after->columns[i].type);
	buffer_append_byte(sql, ')');
}

static struct error *create_type(struct step_writer *writer)
{
	const struct object_image *after = writer->difference->after;
	struct buffer sql = {0};

	if (after->form == 'e')
		create_enum(after, &sql);
	else if (after->form == 'd')
		create_domain(after, &sql);
	else if (after->form == 'c')
		create_composite(after, &sql);
	else if (after->form == 'r' && after->range.subtype != NULL)
		range_write(&sql, after);
	else
		return error_new(
		    ERROR_TARGET,
		    "type %s.%s is a range type, which is not followed: create it in the target as the source "
		    "has it, and start again",
		    after->name.schema, after->name.name);
	step_add(writer, STEP_TYPE, arena_copy(writer->arena, sql.data, sql.length));
	buffer_free(&sql);
	return NULL;
}

static void rename_labels(struct step_writer *writer)
{
	const struct difference *d = writer->difference;

	for (size_t i = 0; d->before != NULL && i < d->before->label_count; i++) {
		const struct label_definition *old = &d->before->labels[i];

		for (size_t j = 0; j < d->after->label_count; j++) {
			const struct label_definition *new = &d->after->labels[j];

			if (!d->by_name && old->oid == new->oid &&strcmp(old->name, new->name) != 0 &&
			    label_named(d->target, old->name) != NULL)
				step_add(writer, STEP_TYPE,
				         sql_text(writer->arena, "ALTER TYPE %Q RENAME VALUE %L TO %L", &d->after->name,
				                  old->name, new->name));
		}
	}
}

static bool label_was_renamed(const struct difference *d, const struct label_definition *label)
{
	for (size_t i = 0; d->before != NULL && !d->by_name && i < d->before->label_count; i++)
		if (d->before->labels[i].oid == label->oid)
			return label_named(d->target, d->before->labels[i].name) != NULL;
	return false;
}

static bool is_there(const struct difference *d, const struct label_definition *label)
{
	return label_named(d->target, label->name) != NULL || label_was_renamed(d, label);
}

static void enum_steps(struct step_writer *writer)
{
	const struct difference *d = writer->difference;

	rename_labels(writer);
	for (size_t i = 0; i < d->after->label_count; i++) {
		const struct label_definition *label = &d->after->labels[i];
		const char *place;

		if (is_there(d, label))
			continue;
		place = i > 0 ? sql_text(writer->arena, " AFTER %L", d->after->labels[i - 1].name) : "";
		for (size_t j = i + 1; i == 0 && j < d->after->label_count; j++)
			if (is_there(d, &d->after->labels[j])) {
				place = sql_text(writer->arena, " BEFORE %L", d->after->labels[j].name);
				break;
			}
		step_add(writer, STEP_TYPE,
		         sql_text(writer->arena, "ALTER TYPE %Q ADD VALUE %L%s", &d->after->name, label->name, place));
	}
}

static bool domain_constraint_changed(const struct difference *d, const struct constraint_definition *old,
                                      const struct constraint_definition *new)
{
	const struct constraint_definition *there = object_constraint(d->target, new->name);

	if (there != NULL && strcmp(there->definition, new->definition) == 0)
		return false;
	return old == NULL || definition_changed(d, old->definition, &old->ids, new->definition, &new->ids);
}

static void domain_constraints(struct step_writer *writer)
{
	const struct difference *d = writer->difference;
	const struct object_name *name = &d->after->name;

	for (size_t i = 0; i < d->before->constraint_count; i++) {
		const struct constraint_definition *old = &d->before->constraints[i];
		const struct constraint_definition *new = object_constraint(d->after, old->name);

		if ((new == NULL || domain_constraint_changed(d, old, new)) &&
		    object_constraint(d->target, old->name) != NULL)
			step_add(writer, STEP_TYPE,
			         sql_text(writer->arena, "ALTER DOMAIN %Q DROP CONSTRAINT %I", name, old->name));
	}
	for (size_t i = 0; i < d->after->constraint_count; i++) {
		const struct constraint_definition *new = &d->after->constraints[i];

		if (domain_constraint_changed(d, object_constraint(d->before, new->name), new))
			step_add(writer, STEP_TYPE,
			         sql_text(writer->arena, "ALTER DOMAIN %Q ADD CONSTRAINT %I %s", name, new->name,
			                  new->definition));
	}
}

static void domain_steps(struct step_writer *writer)
{
	const struct difference *d = writer->difference;
	const struct object_name *name = &d->after->name;

	if (d->before == NULL)
		return;
	if (definition_changed(d, d->before->initial, &d->before->ids, d->after->initial, &d->after->ids) &&
	    !same_text(d->target->initial, d->after->initial))
		step_add(writer, STEP_TYPE,
		         d->after->initial == NULL
		             ? sql_text(writer->arena, "ALTER DOMAIN %Q DROP DEFAULT", name)
		             : sql_text(writer->arena, "ALTER DOMAIN %Q SET DEFAULT %s", name, d->after->initial));
	if (d->before->not_null != d->after->not_null && d->target->not_null != d->after->not_null)
		step_add(writer, STEP_TYPE,
		         sql_text(writer->arena, "ALTER DOMAIN %Q %s NOT NULL", name,
		                  d->after->not_null ? "SET" : "DROP"));
	domain_constraints(writer);
}

/* The attribute of `image` that `other`, of another image of the type, is. */
static const struct column_definition *attribute_in(const struct difference *d, const struct object_image *image,
                                                    const struct column_definition *other)
{
	if (d->by_name)
		return object_column(image, other->name);
	for (size_t i = 0; i < image->column_count; i++)
		if (image->columns[i].attnum == other->attnum)
			return &image->columns[i];
	return NULL;
}

static void alter_attribute(struct step_writer *writer, const struct column_definition *old,
                            const struct column_definition *new, const struct column_definition *there)
{
	const struct difference *d = writer->difference;
	const struct object_name *name = &d->after->name;

	if (strcmp(old->name, new->name) != 0)
		step_add(writer, STEP_TYPE,
		         sql_text(writer->arena, "ALTER TYPE %Q RENAME ATTRIBUTE %I TO %I", name, old->name,
		                  new->name));
	if (type_changed(d, old, new) && strcmp(there->type, new->type) != 0)
		step_add(writer, STEP_TYPE,
		         sql_text(writer->arena, "ALTER TYPE %Q ALTER ATTRIBUTE %I TYPE %s", name, new->name,
		                  new->type));
}

/* Whether the target's attribute of this name gets another name, or goes. */
static bool attribute_makes_way(const struct difference *d, const char *name)
{
	const struct column_definition *old = object_column(d->before, name);
	const struct column_definition *now = old == NULL ? NULL : attribute_in(d, d->after, old);

	return old != NULL && (now == NULL || strcmp(now->name, name) != 0);
}

static void composite_steps(struct step_writer *writer)
{
	const struct difference *d = writer->difference;
	const struct object_name *name = &d->after->name;

	for (size_t i = 0; d->before != NULL && i < d->before->column_count; i++) {
		const struct column_definition *old = &d->before->columns[i];
		const struct column_definition *new = attribute_in(d, d->after, old);
		const struct column_definition *there = object_column(d->target, old->name);

		if (there == NULL)
			continue;
		if (new != NULL)
			alter_attribute(writer, old, new, there);
		else
			step_add(writer, STEP_TYPE,
			         sql_text(writer->arena, "ALTER TYPE %Q DROP ATTRIBUTE %I", name, old->name));
	}
	for (size_t i = 0; d->before != NULL && i < d->after->column_count; i++) {
		const struct column_definition *new = &d->after->columns[i];

		if (attribute_in(d, d->before, new) == NULL &&
		    (object_column(d->target, new->name) == NULL || attribute_makes_way(d, new->name)))
			step_add(writer, STEP_TYPE,
			         sql_text(writer->arena, "ALTER TYPE %Q ADD ATTRIBUTE %I %s", name, new->name,
			                  new->type));
	}
}

struct error *type_steps(struct step_writer *writer)
{
	const struct difference *d = writer->difference;
	const struct object_name *name = &d->after->name;

	if (d->target == NULL)
		return create_type(writer);
	if (d->target->form != d->after->form)
		return error_new(ERROR_TARGET,
		                 "the target has another kind of type under the name %s.%s; rename that one and start "
		                 "again",
		                 name->schema, name->name);
	if (strcmp(d->target->name.schema, name->schema) != 0)
		step_add(writer, STEP_RENAME,
		         sql_text(writer->arena, "ALTER TYPE %Q SET SCHEMA %I", &d->target->name, name->schema));
	if (strcmp(d->target->name.name, name->name) != 0)
		step_add(writer, STEP_RENAME,
		         sql_text(writer->arena, "ALTER TYPE %I.%I RENAME TO %I", name->schema, d->target->name.name,
		                  name->name));
	if (d->after->form == 'e')
		enum_steps(writer);
	else if (d->after->form == 'd')
		domain_steps(writer);
	else if (d->after->form == 'c')
		composite_steps(writer);
	return NULL;
}
