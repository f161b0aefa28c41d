/*
 * difference_column.c - steps of a table's columns. See difference.h.
 *
 * NOTES
 *   A new type takes the old values through the target's own cast. Where USING gave the source other values than that,
 *   the source's trigger sends the rows again behind the image; so the way out for values that the cast refuses is
 *   NULL, until those rows are in.
 */
#include "pg/sql.h"
#include "schema/steps.h"

#define VIRTUAL_VERSION 180000 /* GENERATED … VIRTUAL */

static const struct column_definition *column_at(const struct object_image *image, int attnum)
{
	for (size_t i = 0; image != NULL && i < image->column_count; i++)
		if (image->columns[i].attnum == attnum)
			return &image->columns[i];
	return NULL;
}

static const struct column_definition *old_column(const struct difference *d, const struct column_definition *new)
{
	return d->by_name ? object_column(d->before, new->name) : column_at(d->before, new->attnum);
}

static const struct column_definition *new_column(const struct difference *d, const struct column_definition *old)
{
	return d->by_name ? object_column(d->after, old->name) : column_at(d->after, old->attnum);
}

static const char *identity_word(char identity)
{
	return identity == 'a' ? "ALWAYS" : "BY DEFAULT";
}

static const char *generation_word(const struct difference *d, const struct column_definition *column)
{
	return column->generated == 'v' && d->target_version >= VIRTUAL_VERSION ? "VIRTUAL" : "STORED";
}

/* With the name of its sequence, which need not be made of the column's; SEQUENCE NAME is pg_dump's, too. */
static void identity_write(struct step_writer *writer, struct buffer *sql, const struct column_definition *column)
{
	const struct sequence_definition *sequence = column->sequence;

	sql_write(sql, " GENERATED %s AS IDENTITY (", identity_word(column->identity));
	if (sequence != NULL && strcmp(sequence->name.schema, writer->difference->after->name.schema) == 0)
		sql_write(sql, "SEQUENCE NAME %Q ", &sequence->name);
	sql_write(sql, "%s)", sequence == NULL ? "START WITH 1" : sequence->options);
}

void column_write(struct step_writer *writer, struct buffer *sql, const struct column_definition *column)
{
	sql_write(sql, "%I %s", column->name, column->type);
	if (column->collation != NULL)
		sql_write(sql, " COLLATE %s", column->collation);
	if (column->generated != '\0')
		sql_write(sql, " GENERATED ALWAYS AS (%s) %s", column->expression,
		          generation_word(writer->difference, column));
	else if (column->identity != '\0')
		identity_write(writer, sql, column);
	else if (column->missing != NULL)
		sql_write(sql, " DEFAULT %L", column->missing);
	else if (column->initial != NULL)
		sql_write(sql, " DEFAULT %s", column->initial);
	if (column->not_null)
		buffer_append_text(sql, " NOT NULL");
}

static void alter(struct step_writer *writer, enum step_kind kind, const char *column, const char *what)
{
	step_add(writer, kind,
	         sql_text(writer->arena, "ALTER TABLE %Q ALTER COLUMN %I %s", &writer->difference->after->name, column,
	                  what));
}

static struct error *drop_columns(struct step_writer *writer)
{
	const struct difference *d = writer->difference;

	for (size_t i = 0; d->before != NULL && i < d->before->column_count; i++) {
		const struct column_definition *old = &d->before->columns[i];
		struct step *step;

		if (new_column(d, old) != NULL || object_column(d->target, old->name) == NULL)
			continue;
		if (d->by_name)
			return error_new(ERROR_TARGET,
			                 "table %s.%s was made anew at the source, its drop was not logged, and the "
			                 "new one has no column %s; drop the column in the target, or the table, and "
			                 "start again",
			                 d->after->name.schema, d->after->name.name, old->name);
		step = step_add(writer, STEP_DROP_COLUMN,
		                sql_text(writer->arena, "ALTER TABLE %Q DROP COLUMN IF EXISTS %I", &d->after->name,
		                         old->name));
		step->keep =
		    sql_text(writer->arena, "ALTER TABLE %Q ALTER COLUMN %I DROP NOT NULL", &d->after->name, old->name);
	}
	return NULL;
}

/* Before it, columns go that stand in its way. */
struct error *rename_column_steps(struct step_writer *writer)
{
	const struct difference *d = writer->difference;
	bool cleared = false;

	for (size_t i = 0; !d->by_name && i < d->after->column_count; i++) {
		const struct column_definition *new = &d->after->columns[i];
		const struct column_definition *old = old_column(d, new);

		if (old == NULL || strcmp(old->name, new->name) == 0 || object_column(d->target, old->name) == NULL)
			continue;
		if (!cleared)
			TRY(drop_columns(writer));
		cleared = true;
		step_add(writer, STEP_RENAME,
		         sql_text(writer->arena, "ALTER TABLE %Q RENAME COLUMN %I TO %I", &d->after->name, old->name,
		                  new->name));
	}
	return NULL;
}

static void add_column(struct step_writer *writer, const struct column_definition *new)
{
	const struct difference *d = writer->difference;
	struct buffer sql = {0};
	struct column_definition open = *new;
	struct step *step;

	/* The source's numbers of rows that are there come by updates, which ALWAYS refuses. */
	if (new->identity == 'a')
		open.identity = 'd';

	if (new->sequence != NULL &&new->identity == '\0')
		step_add(writer, STEP_ADD_COLUMN,
		         sql_text(writer->arena, "CREATE SEQUENCE IF NOT EXISTS %Q AS %s %s", &new->sequence->name,
		                  new->sequence->type, new->sequence->options));
	sql_write(&sql, "ALTER TABLE %Q ADD COLUMN ", &d->after->name);
	column_write(writer, &sql, &open);
	step = step_add(writer, STEP_ADD_COLUMN, arena_copy(writer->arena, sql.data, sql.length));
	buffer_free(&sql);
	if (new->identity == 'a')
		step->afterwards = sql_text(writer->arena, "ALTER TABLE %Q ALTER COLUMN %I SET GENERATED ALWAYS",
		                            &d->after->name, new->name);
	if (new->missing != NULL)
		alter(writer, STEP_ADD_COLUMN, new->name,
		      new->initial == NULL ? "DROP DEFAULT" : sql_text(writer->arena, "SET DEFAULT %s", new->initial));
	if (new->sequence != NULL &&new->identity == '\0')
		step_add(writer, STEP_ADD_COLUMN,
		         sql_text(writer->arena, "ALTER SEQUENCE %Q OWNED BY %Q.%I", &new->sequence->name,
		                  &d->after->name, new->name));
	if (new->comment != NULL)
		step_add(writer, STEP_COMMENT,
		         sql_text(writer->arena, "COMMENT ON COLUMN %Q.%I IS %L", &d->after->name, new->name,
		                  new->comment));
}

static bool is_key_column(const struct object_image *image, const char *name)
{
	for (size_t i = 0; i < image->constraint_count; i++)
		if (image->constraints[i].type == 'p' && strstr(image->constraints[i].definition, name) != NULL)
			return true; /* one too many does no harm: its values are not given up */
	return false;
}

static const char *type_sql(struct step_writer *writer, const struct column_definition *new, const char *using)
{
	const struct object_name *table = &writer->difference->after->name;

	return sql_text(writer->arena, "ALTER TABLE %Q ALTER COLUMN %I TYPE %s%s%s USING %s", table, new->name,
	                new->type, new->collation == NULL ? "" : " COLLATE ",
	                new->collation == NULL ? "" : new->collation, using);
}

static void alter_type(struct step_writer *writer, const struct column_definition *new,
                       const struct column_definition *there)
{
	const struct difference *d = writer->difference;
	const struct object_name *table = &d->after->name;
	struct step *step;
	struct step *text;

	if (new->generated != '\0') {
		alter(writer, STEP_ALTER_TYPE, new->name, sql_text(writer->arena, "TYPE %s", new->type));
		return;
	}
	if (there->initial != NULL)
		alter(writer, STEP_ALTER_TYPE, new->name, "DROP DEFAULT");
	step = step_add(writer, STEP_ALTER_TYPE,
	                type_sql(writer, new, sql_text(writer->arena, "%I::%s", new->name, new->type)));
	text = arena_alloc_zeroed(writer->arena, sizeof(*text));
	text->kind = STEP_ALTER_TYPE;
	text->sql = type_sql(writer, new, sql_text(writer->arena, "%I::text::%s", new->name, new->type));
	step->otherwise = text;
	if (!is_key_column(d->after, new->name)) {
		struct step *none = arena_alloc_zeroed(writer->arena, sizeof(*none));

		none->kind = STEP_ALTER_TYPE;
		none->sql = sql_text(writer->arena, "ALTER TABLE %Q ALTER COLUMN %I DROP NOT NULL; %s", table,
		                     new->name, type_sql(writer, new, "NULL"));
		if (new->not_null)
			none->afterwards =
			    sql_text(writer->arena, "ALTER TABLE %Q ALTER COLUMN %I SET NOT NULL", table, new->name);
		text->otherwise = none;
	}
	if (there->initial != NULL && new->initial != NULL)
		alter(writer, STEP_ALTER_TYPE, new->name, sql_text(writer->arena, "SET DEFAULT %s", new->initial));
}

static void alter_default(struct step_writer *writer, const struct column_definition *old,
                          const struct column_definition *new, const struct column_definition *there)
{
	struct arena *arena = writer->arena;
	const struct object_name *table = &writer->difference->after->name;

	if (new->generated != '\0') {
		if (old->generated != '\0' && !same_text(old->expression, new->expression) &&
		    !same_text(there->expression, new->expression)) {
			/* SET EXPRESSION came with 17; this holds everywhere, and the target computes the values. */
			step_add(writer, STEP_DEFAULT,
			         sql_text(arena, "ALTER TABLE %Q DROP COLUMN %I", table, new->name));
			add_column(writer, new);
		}
		return;
	}
	if (old->generated != '\0' && there->generated != '\0')
		alter(writer, STEP_DEFAULT, new->name, "DROP EXPRESSION IF EXISTS");
	if (old->identity != '\0' && new->identity == '\0' && there->identity != '\0')
		alter(writer, STEP_DEFAULT, new->name, "DROP IDENTITY IF EXISTS");
	if (!same_text(old->initial, new->initial) && !same_text(there->initial, new->initial)) {
		if (new->sequence != NULL && old->sequence == NULL &&new->identity == '\0')
			step_add(writer, STEP_DEFAULT,
			         sql_text(arena, "CREATE SEQUENCE IF NOT EXISTS %Q AS %s %s", &new->sequence->name,
			                  new->sequence->type, new->sequence->options));
		alter(writer, STEP_DEFAULT, new->name,
		      new->initial == NULL ? "DROP DEFAULT" : sql_text(arena, "SET DEFAULT %s", new->initial));
	}
	if (new->sequence != NULL && old->sequence == NULL &&new->identity == '\0' && there->sequence == NULL)
		step_add(writer, STEP_DEFAULT,
		         sql_text(arena, "ALTER SEQUENCE %Q OWNED BY %Q.%I", &new->sequence->name, table, new->name));
}

static void alter_identity(struct step_writer *writer, const struct column_definition *old,
                           const struct column_definition *new, const struct column_definition *there)
{
	if (new->identity == '\0' || new->identity == there->identity || new->identity == old->identity)
		return;
	if (there->identity == '\0') {
		struct buffer sql = {0};

		buffer_append_text(&sql, "ADD");
		identity_write(writer, &sql, new);
		alter(writer, STEP_DEFAULT, new->name, arena_copy(writer->arena, sql.data, sql.length));
		buffer_free(&sql);
	} else
		alter(writer, STEP_DEFAULT, new->name,
		      sql_text(writer->arena, "SET GENERATED %s", identity_word(new->identity)));
}

/* The sequence of a serial or identity column: its name and what it counts. Its schema goes along with the table's. */
static void alter_sequence(struct step_writer *writer, const struct column_definition *old,
                           const struct column_definition *new, const struct column_definition *there)
{
	const struct sequence_definition *from = there->sequence;
	const struct sequence_definition *to = new->sequence;

	if (old->sequence == NULL || from == NULL || to == NULL)
		return;
	/* A column that becomes an identity column gets another one. */
	if ((old->identity == '\0') != (new->identity == '\0') || (there->identity == '\0') != (new->identity == '\0'))
		return;
	if (strcmp(old->sequence->name.name, to->name.name) != 0 && strcmp(from->name.name, to->name.name) != 0)
		step_add(writer, STEP_RENAME,
		         sql_text(writer->arena, "ALTER SEQUENCE %Q RENAME TO %I", &from->name, to->name.name));
	if ((strcmp(old->sequence->options, to->options) != 0 || strcmp(old->sequence->type, to->type) != 0) &&
	    (strcmp(from->options, to->options) != 0 || strcmp(from->type, to->type) != 0))
		step_add(writer, STEP_SEQUENCE,
		         sql_text(writer->arena, "ALTER SEQUENCE %I.%I AS %s %s", from->name.schema, to->name.name,
		                  to->type, to->options));
}

static void alter_column(struct step_writer *writer, const struct column_definition *old,
                         const struct column_definition *new, const struct column_definition *there)
{
	const struct difference *d = writer->difference;
	bool retyped = strcmp(old->type, new->type) != 0 || !same_text(old->collation, new->collation);
	bool there_yet = strcmp(there->type, new->type) == 0 && same_text(there->collation, new->collation);

	if (retyped && !there_yet)
		alter_type(writer, new, there);
	if (!(retyped && !there_yet && there->initial != NULL && new->initial != NULL))
		alter_default(writer, old, new, there);
	if (old->not_null != new->not_null && there->not_null != new->not_null)
		alter(writer, STEP_NOT_NULL, new->name, new->not_null ? "SET NOT NULL" : "DROP NOT NULL");
	alter_identity(writer, old, new, there);
	alter_sequence(writer, old, new, there);
	if (!same_text(old->comment, new->comment) && !same_text(there->comment, new->comment))
		step_add(writer, STEP_COMMENT,
		         new->comment == NULL
		             ? sql_text(writer->arena, "COMMENT ON COLUMN %Q.%I IS NULL", &d->after->name, new->name)
		             : sql_text(writer->arena, "COMMENT ON COLUMN %Q.%I IS %L", &d->after->name, new->name,
		                        new->comment));
}

/* What a table that we just made lacks of its columns (a partition takes them from its parent). */
static const struct column_definition NOTHING = {.name = "", .type = ""};

/* The target's column that will have the new name after the drops and renames. */
static const struct column_definition *column_there(const struct difference *d, const struct column_definition *old,
                                                    const struct column_definition *new)
{
	const struct column_definition *there = object_column(d->target, new->name);
	const struct column_definition *away = object_column(d->before, new->name);

	if (d->renamed && there != NULL)
		return there;
	if (old != NULL && strcmp(old->name, new->name) != 0 && object_column(d->target, old->name) != NULL)
		return object_column(d->target, old->name);
	if (away != NULL && away != old && there != NULL && !d->by_name) {
		const struct column_definition *now = new_column(d, away);

		/* It was dropped; or renamed, unless the target has that done. */
		if (now == NULL || strcmp(now->name, away->name) != 0)
			return NULL;
	}
	return there;
}

static struct error *alter_or_add(struct step_writer *writer, const struct column_definition *new)
{
	const struct difference *d = writer->difference;
	const struct column_definition *old = old_column(d, new);
	const struct column_definition *there = column_there(d, old, new);

	if (there == NULL)
		add_column(writer, new);
	else if (old != NULL)
		alter_column(writer, old, new, there);
	else if (d->fresh) {
		struct column_definition made = NOTHING;

		made.type = there->type;
		made.collation = there->collation;
		made.identity = there->identity;
		made.generated = there->generated;
		made.initial = there->initial;
		made.not_null = there->not_null;
		made.sequence = there->sequence;
		alter_column(writer, &made, new, there);
	} else if (d->before != NULL && strcmp(there->type, new->type) != 0)
		return error_new(
		    ERROR_TARGET,
		    "the source added column %s %s to table %s.%s, and the target has a column of that name "
		    "with type %s of its own; rename that one and start again",
		    new->name, new->type, d->after->name.schema, d->after->name.name, there->type);
	return NULL;
}

struct error *column_steps(struct step_writer *writer)
{
	const struct difference *d = writer->difference;

	TRY(drop_columns(writer));
	for (size_t i = 0; i < d->after->column_count; i++)
		TRY(alter_or_add(writer, &d->after->columns[i]));
	return NULL;
}
