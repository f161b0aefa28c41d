/*
 * statement.c - SQL texts. Names go through pg/sql.h, types by their quoted names; values are parameters.
 *
 * NOTES
 *   A column of a plain type travels as an array of that type. An array or composite column travels as text[] and is
 *   cast row by row, since unnest() would take the values themselves apart; so does a type whose arrays have another
 *   delimiter than the comma (box, geometry). Casts carry no type modifier: an explicit cast would cut a value short in
 *   silence where the assignment to the column refuses it.
 */
#include "target/statement.h"

#include "pg/sql.h"
#include "target/rules.h"

static void append_alias(struct buffer *sql, size_t column)
{
	buffer_append_format(sql, "c%zu", column);
}

/*
 * unnest() takes an array within the array apart, and a composite value into its columns. Arrays are written with
 * commas.
 */
static bool travels_as_text(const struct column_image *image)
{
	return image->type.array || image->type.category == 'C' ||
	       (image->type.delimiter != ',' && image->type.delimiter != '\0');
}

/* From what travels to the type of the column. */
static void append_casts(struct buffer *sql, const struct bound_column *bound)
{
	if (travels_as_text(bound->read_as)) {
		buffer_append_text(sql, "::");
		buffer_append_text(sql, bound->read_as->cast_name);
	}
	if (bound->read_as != bound->image) {
		buffer_append_text(sql, "::");
		buffer_append_text(sql, bound->image->cast_name);
	}
}

static void append_value(struct buffer *sql, const struct binding *binding, size_t column)
{
	buffer_append_text(sql, "s.");
	append_alias(sql, column);
	append_casts(sql, &binding->columns[column]);
}

static void append_parameter(struct buffer *sql, const struct binding *binding, size_t column, size_t number,
                             bool first)
{
	buffer_append_format(sql, "%s$%zu::", first ? "" : ", ", number);
	buffer_append_text(sql, travels_as_text(binding->columns[column].read_as)
	                            ? "pg_catalog.text"
	                            : binding->columns[column].read_as->cast_name);
	buffer_append_text(sql, "[]");
}

static bool in_mask(const bool *mask, size_t column)
{
	return mask == NULL || mask[column];
}

/*
 * unnest($first::…[], …) AS s(k0, k1, c2, …): keys first (alias k), then the columns (alias c), then the stored row.
 */
static void append_unnest_from(struct buffer *sql, const struct binding *binding, size_t first, bool keys, bool columns,
                               const bool *mask, bool key_columns_too, bool stored)
{
	size_t number = first;
	const char *comma = "";

	buffer_append_text(sql, "unnest(");
	for (size_t i = 0; keys && i < binding->key_count; i++, number++)
		append_parameter(sql, binding, binding->key[i], number, number == first);
	for (size_t i = 0; columns && i < binding->column_count; i++)
		if (in_mask(mask, i) && (key_columns_too || !binding->columns[i].key)) {
			append_parameter(sql, binding, i, number, number == first);
			number++;
		}
	if (stored)
		buffer_append_format(sql, ", $%zu::pg_catalog.text[]", number);
	buffer_append_text(sql, ") AS s(");
	for (size_t i = 0; keys && i < binding->key_count; i++) {
		buffer_append_format(sql, "%sk%zu", comma, i);
		comma = ", ";
	}
	for (size_t i = 0; columns && i < binding->column_count; i++)
		if (in_mask(mask, i) && (key_columns_too || !binding->columns[i].key)) {
			buffer_append_text(sql, comma);
			append_alias(sql, i);
			comma = ", ";
		}
	buffer_append_text(sql, stored ? ", stored)" : ")");
}

static void append_unnest(struct buffer *sql, const struct binding *binding, bool keys, bool columns, const bool *mask,
                          bool key_columns_too, bool stored)
{
	append_unnest_from(sql, binding, 1, keys, columns, mask, key_columns_too, stored);
}

static void append_table(struct buffer *sql, const struct binding *binding)
{
	sql_append_qualified(sql, binding->image->schema, binding->image->name);
}

/* Rows that are read or changed: of the table itself, not of those that inherit from it. */
static void append_rows_of(struct buffer *sql, const struct binding *binding)
{
	buffer_append_text(sql, relkind_only(binding->image->relkind));
	append_table(sql, binding);
}

/* An own column's value in the row that is copied. */
static void append_stored(struct buffer *sql, const struct binding *binding, const struct column_image *column)
{
	buffer_append_text(sql, "(s.stored::");
	append_table(sql, binding);
	buffer_append_text(sql, ").");
	sql_append_identifier(sql, column->name);
}

/* An array of arrays would be taken apart by ANY. */
static bool is_array_like(const struct column_image *image)
{
	return image->type.array || image->type.category == 'A';
}

/*
 * ` OPERATOR(schema.=) `: what the key's index means by "equal". By its name alone the parser would look the operator up
 * along search_path, where the types of extensions have none, or another one.
 */
static void append_key_equality(struct buffer *sql, const struct bound_column *column)
{
	const char *equality = column->key_equality != NULL ? column->key_equality : column->image->equality;

	buffer_append_format(sql, " %s ", equality != NULL ? equality : "OPERATOR(pg_catalog.=)");
}

static void append_key_collation(struct buffer *sql, const struct bound_column *column)
{
	if (column->key_collation != NULL)
		buffer_append_format(sql, " %s", column->key_collation);
}

/* A domain is compared as what it is made of: the equality of enums takes no domain. */
static void append_base(struct buffer *sql, const struct column_image *image)
{
	if (image->base_name != NULL)
		buffer_append_format(sql, "::%s", image->base_name);
}

static void append_column(struct buffer *sql, const char *alias, const struct column_image *image)
{
	buffer_append_format(sql, "%s.", alias);
	sql_append_identifier(sql, image->name);
	append_base(sql, image);
}

/*
 * `= ANY (ARRAY[…])` and not `=`: the planner then considers no hash join, no merge join and no scan of the whole
 * index, so that the plan is always one lookup in the index for each given row. A plan that was made while the table
 * was small would otherwise stay, and compare each row of the grown table with each given one.
 */
static void append_key_join(struct buffer *sql, const struct binding *binding)
{
	for (size_t i = 0; i < binding->key_count; i++) {
		const struct bound_column *column = &binding->columns[binding->key[i]];
		bool array = is_array_like(column->image);

		buffer_append_text(sql, i == 0 ? " WHERE " : " AND ");
		append_column(sql, "t", column->image);
		append_key_equality(sql, column);
		buffer_append_format(sql, array ? "s.k%zu" : "ANY (ARRAY[s.k%zu", i);
		if (travels_as_text(column->image))
			buffer_append_format(sql, "::%s", column->image->cast_name);
		append_base(sql, column->image);
		append_key_collation(sql, column);
		if (!array)
			buffer_append_text(sql, "])");
	}
}

/* A text as a value of the column; COALESCE gives it the column's collation. */
static void append_as_column(struct buffer *sql, const struct binding *binding, const struct bound_column *column,
                             const char *array, size_t number)
{
	buffer_append_text(sql, "coalesce((NULL::");
	append_table(sql, binding);
	buffer_append_text(sql, ").");
	sql_append_identifier(sql, column->image->name);
	append_base(sql, column->image);
	buffer_append_format(sql, ", (%s)[%zu]::%s", array, number, column->read_as->cast_name);
	if (column->read_as != column->image)
		buffer_append_format(sql, "::%s", column->image->cast_name);
	append_base(sql, column->image);
	buffer_append_byte(sql, ')');
}

void statement_append_same_key(struct buffer *sql, const struct binding *binding, const char *left, const char *right)
{
	for (size_t i = 0; i < binding->key_count; i++) {
		const struct bound_column *column = &binding->columns[binding->key[i]];

		buffer_append_text(sql, i == 0 ? "" : " AND ");
		append_as_column(sql, binding, column, left, i + 1);
		append_key_equality(sql, column);
		append_as_column(sql, binding, column, right, i + 1);
		append_key_collation(sql, column);
	}
}

/* The extra columns of a row that is alive, as `name = value` behind other assignments. */
static void append_extra_assignments(struct buffer *sql, const struct binding *binding, bool deleted, bool first)
{
	const char *names[] = {binding->synced_at, binding->is_deleted, binding->deleted_at};
	const char *values[] = {"now()", deleted ? "true" : "false", deleted ? "now()" : "NULL"};

	for (size_t i = 0; i < 3; i++) {
		if (names[i] == NULL)
			continue;
		if (!first)
			buffer_append_text(sql, ", ");
		sql_append_identifier(sql, names[i]);
		buffer_append_format(sql, " = %s", values[i]);
		first = false;
	}
}

static void build_delete(struct buffer *sql, const struct binding *binding)
{
	if (binding->rule->delete_mode == DELETE_SOFT) {
		buffer_append_text(sql, "UPDATE ");
		append_rows_of(sql, binding);
		buffer_append_text(sql, " AS t SET ");
		append_extra_assignments(sql, binding, true, true);
		buffer_append_text(sql, " FROM ");
	} else {
		buffer_append_text(sql, "DELETE FROM ");
		append_rows_of(sql, binding);
		buffer_append_text(sql, " AS t USING ");
	}
	append_unnest(sql, binding, true, false, NULL, false, false);
	append_key_join(sql, binding);
}

/*
 * … AND NOT EXISTS (another row that has the new key). Where the old and the new key are equal, with different texts,
 * it is the row itself that has it.
 */
static void append_no_row_there(struct buffer *sql, const struct binding *binding)
{
	buffer_append_text(sql, " AND NOT EXISTS (SELECT FROM ");
	append_rows_of(sql, binding);
	buffer_append_text(sql, " AS n");
	for (size_t i = 0; i < binding->key_count; i++) {
		const struct bound_column *column = &binding->columns[binding->key[i]];

		buffer_append_text(sql, i == 0 ? " WHERE " : " AND ");
		append_column(sql, "n", column->image);
		append_key_equality(sql, column);
		append_value(sql, binding, binding->key[i]);
		append_base(sql, column->image);
		append_key_collation(sql, column);
	}
	buffer_append_text(sql, " AND (n.tableoid, n.ctid) <> (t.tableoid, t.ctid))");
}

void statement_build_truncate(struct buffer *sql, const struct binding *binding)
{
	const struct table_rule *rule = binding->rule;

	if (rule->truncate_mode == TRUNCATE_SOFT) {
		buffer_append_text(sql, "UPDATE ");
		append_rows_of(sql, binding);
		buffer_append_text(sql, " SET ");
		append_extra_assignments(sql, binding, true, true);
		buffer_append_text(sql, " WHERE NOT ");
		sql_append_identifier(sql, binding->is_deleted);
	} else {
		/* Each truncated table has an event of its own; its neighbours by foreign keys must not go unasked. */
		buffer_append_text(sql, "DELETE FROM ");
		append_rows_of(sql, binding);
		buffer_append_text(sql, " WHERE true");
	}
	rules_append_scope(sql, rule, "", binding->source_value, rules_filter_target(rule));
}

/* An identity column that is GENERATED ALWAYS takes no other value once the row is there, at the source as well. */
static bool is_assigned(const struct binding *binding, size_t column)
{
	return binding->columns[column].image->identity != 'a';
}

/*
 * A row that is found by an equal key gets the key's text as well: 'a' where the table has 'A'. Without it the source
 * and the target would differ.
 */
static bool is_assigned_key(const struct binding *binding, size_t column)
{
	return binding->columns[column].key && binding->loose_key && is_assigned(binding, column);
}

/* A column of the key that may be assigned, to say "as it is"; column_count: there is none. */
static size_t assignable_key(const struct binding *binding)
{
	for (size_t i = 0; i < binding->key_count; i++)
		if (is_assigned(binding, binding->key[i]))
			return binding->key[i];
	return binding->column_count;
}

/* Whether an update has anything to write: a column but for the key, one of ours, or the key once more. */
static bool has_assignment(const struct binding *binding, const bool *mask)
{
	for (size_t i = 0; i < binding->column_count; i++)
		if (in_mask(mask, i) && !binding->columns[i].key && is_assigned(binding, i))
			return true;
	return binding->synced_at != NULL || binding->is_deleted != NULL ||
	       assignable_key(binding) < binding->column_count;
}

/* An UPDATE where nothing can be assigned: it counts the rows that are there. */
static void build_count(struct buffer *sql, const struct binding *binding, const bool *mask, bool copy)
{
	buffer_append_text(sql, "SELECT 1 FROM ");
	append_rows_of(sql, binding);
	buffer_append_text(sql, " AS t, ");
	append_unnest(sql, binding, true, true, mask, false, copy);
	append_key_join(sql, binding);
}

static void append_assignment(struct buffer *sql, const struct binding *binding, size_t column, const char *from,
                              bool first)
{
	const char *name = binding->columns[column].image->name;

	if (!first)
		buffer_append_text(sql, ", ");
	sql_append_identifier(sql, name);
	buffer_append_format(sql, " = %s", from);
	sql_append_identifier(sql, name);
}

/* An identity column that is GENERATED ALWAYS keeps its number. */
static bool has_own_assignment(const struct binding *binding)
{
	for (size_t i = 0; i < binding->own_count; i++)
		if (binding->own[i]->identity != 'a')
			return true;
	return false;
}

static bool append_own_assignments(struct buffer *sql, const struct binding *binding, bool first)
{
	for (size_t i = 0; i < binding->own_count; i++) {
		if (binding->own[i]->identity == 'a')
			continue;
		buffer_append_text(sql, first ? "" : ", ");
		sql_append_identifier(sql, binding->own[i]->name);
		buffer_append_text(sql, " = ");
		append_stored(sql, binding, binding->own[i]);
		first = false;
	}
	return first;
}

/* The key as it was given to find the row: "s.k0". */
static void append_given_key(struct buffer *sql, const struct binding *binding, size_t column)
{
	const struct column_image *image = binding->columns[column].image;

	for (size_t i = 0; i < binding->key_count; i++)
		if (binding->key[i] == column)
			buffer_append_format(sql, "s.k%zu", i);
	if (travels_as_text(image))
		buffer_append_format(sql, "::%s", image->cast_name);
}

static void build_update(struct buffer *sql, const struct binding *binding, const bool *mask, bool move, bool copy)
{
	bool first = true;

	if (!move && !has_assignment(binding, mask) && !(copy && has_own_assignment(binding))) {
		build_count(sql, binding, mask, copy);
		return;
	}
	buffer_append_text(sql, "UPDATE ");
	append_rows_of(sql, binding);
	buffer_append_text(sql, " AS t SET ");
	for (size_t i = 0; i < binding->column_count; i++) {
		bool key = binding->columns[i].key && !move;

		if (!in_mask(mask, i) || (key && !is_assigned_key(binding, i)) || !is_assigned(binding, i))
			continue;
		if (!first)
			buffer_append_text(sql, ", ");
		sql_append_identifier(sql, binding->columns[i].image->name);
		buffer_append_text(sql, " = ");
		if (key)
			append_given_key(sql, binding, i);
		else
			append_value(sql, binding, i);
		first = false;
	}
	if (copy)
		first = append_own_assignments(sql, binding, first);
	if (first && binding->synced_at == NULL && binding->is_deleted == NULL) { /* nothing but the key */
		append_assignment(sql, binding, assignable_key(binding), "t.", true);
		first = false;
	}
	append_extra_assignments(sql, binding, false, first);
	buffer_append_text(sql, " FROM ");
	append_unnest(sql, binding, true, true, mask, move, copy);
	append_key_join(sql, binding);
	if (move)
		append_no_row_there(sql, binding);
}

static void build_read(struct buffer *sql, const struct binding *binding)
{
	for (size_t i = 0; i < binding->column_count; i++) {
		buffer_append_text(sql, i == 0 ? "SELECT t." : ", t.");
		sql_append_identifier(sql, binding->columns[i].image->name);
		buffer_append_text(sql, "::text");
	}
	if (binding->own_count > 0)
		buffer_append_text(sql, ", (t.*)::text");
	buffer_append_text(sql, " FROM ");
	append_rows_of(sql, binding);
	buffer_append_text(sql, " AS t, ");
	append_unnest(sql, binding, true, false, NULL, false, false);
	append_key_join(sql, binding);
	if (binding->is_deleted != NULL) {
		buffer_append_text(sql, " AND t.");
		sql_append_identifier(sql, binding->is_deleted);
		buffer_append_text(sql, " IS NOT TRUE");
	}
}

static void append_column_names(struct buffer *sql, const struct binding *binding, bool copy)
{
	const char *extra[] = {binding->synced_at, binding->is_deleted, binding->deleted_at};

	buffer_append_text(sql, " (");
	for (size_t i = 0; i < binding->column_count; i++) {
		if (i > 0)
			buffer_append_text(sql, ", ");
		sql_append_identifier(sql, binding->columns[i].image->name);
	}
	for (size_t i = 0; i < 3; i++)
		if (extra[i] != NULL) {
			buffer_append_text(sql, ", ");
			sql_append_identifier(sql, extra[i]);
		}
	for (size_t i = 0; copy && i < binding->own_count; i++) {
		buffer_append_text(sql, ", ");
		sql_append_identifier(sql, binding->own[i]->name);
	}
	buffer_append_text(sql, ")");
}

static void append_on_conflict(struct buffer *sql, const struct binding *binding)
{
	bool first = true;

	buffer_append_text(sql, " ON CONFLICT (");
	for (size_t i = 0; i < binding->key_count; i++) {
		if (i > 0)
			buffer_append_text(sql, ", ");
		sql_append_identifier(sql, binding->columns[binding->key[i]].image->name);
	}
	if (!has_assignment(binding, NULL)) {
		buffer_append_text(sql, ") DO NOTHING");
		return;
	}
	buffer_append_text(sql, ") DO UPDATE SET ");
	for (size_t i = 0; i < binding->column_count; i++) {
		if (!is_assigned(binding, i) || (binding->columns[i].key && !is_assigned_key(binding, i)))
			continue;
		append_assignment(sql, binding, i, "excluded.", first);
		first = false;
	}
	if (first && assignable_key(binding) < binding->column_count) {
		append_assignment(sql, binding, assignable_key(binding), "excluded.", true);
		first = false;
	}
	append_extra_assignments(sql, binding, false, first);
}

static bool is_overriding(const struct binding *binding, bool copy)
{
	for (size_t i = 0; copy && i < binding->own_count; i++)
		if (binding->own[i]->identity == 'a')
			return true;
	return binding->overriding;
}

static void build_insert(struct buffer *sql, const struct binding *binding, bool copy)
{
	bool upsert = binding->key_count > 0 && binding->upsert;
	bool counted = upsert && !has_assignment(binding, NULL);

	/* DO NOTHING does not count the rows that are there: then those that were given are counted. */
	buffer_append_text(sql, counted ? "WITH i AS (INSERT INTO " : "INSERT INTO ");
	append_table(sql, binding);
	append_column_names(sql, binding, copy);
	if (is_overriding(binding, copy))
		buffer_append_text(sql, " OVERRIDING SYSTEM VALUE");
	buffer_append_text(sql, " SELECT ");
	for (size_t i = 0; i < binding->column_count; i++) {
		if (i > 0)
			buffer_append_text(sql, ", ");
		append_value(sql, binding, i);
	}
	if (binding->synced_at != NULL)
		buffer_append_text(sql, ", now()");
	if (binding->is_deleted != NULL)
		buffer_append_text(sql, ", false");
	if (binding->deleted_at != NULL)
		buffer_append_text(sql, ", NULL");
	for (size_t i = 0; copy && i < binding->own_count; i++) {
		buffer_append_text(sql, ", ");
		append_stored(sql, binding, binding->own[i]);
	}
	buffer_append_text(sql, " FROM ");
	append_unnest(sql, binding, false, true, NULL, true, copy);
	if (upsert)
		append_on_conflict(sql, binding);
	if (counted) {
		buffer_append_text(sql, ") SELECT 1 FROM ");
		append_unnest(sql, binding, false, true, NULL, true, copy);
	}
}

/* Tables without a key. */

/*
 * (SELECT the parameter's one element): the server computes it once, before it scans the table. unnest() would be
 * joined to each row.
 */
static void append_given_value(struct buffer *sql, const struct binding *binding, size_t column, size_t number)
{
	buffer_append_text(sql, "(SELECT (");
	append_parameter(sql, binding, column, number, true);
	buffer_append_text(sql, ")[1]");
	append_casts(sql, &binding->columns[column]);
	append_base(sql, binding->columns[column].image);
	buffer_append_byte(sql, ')');
}

/* The texts are equal, whatever the collation. */
static void append_same_text(struct buffer *sql, const struct binding *binding, size_t column, size_t number)
{
	append_column(sql, "t", binding->columns[column].image);
	buffer_append_text(sql, "::pg_catalog.text COLLATE pg_catalog.\"C\" IS NOT DISTINCT FROM ");
	append_given_value(sql, binding, column, number);
	buffer_append_text(sql, "::pg_catalog.text COLLATE pg_catalog.\"C\"");
}

/*
 * By the type's equality: the same number may have another text (2.50 and 2.5) where the connector does not keep it,
 * or the row did not come through it. A type without equality (json, xml, point) is compared as text.
 */
static void append_same_value(struct buffer *sql, const struct binding *binding, size_t column, size_t number)
{
	const struct column_image *image = binding->columns[column].image;

	if (image->equality == NULL) {
		append_same_text(sql, binding, column, number);
		return;
	}
	buffer_append_byte(sql, '(');
	append_column(sql, "t", image);
	buffer_append_format(sql, " %s ", image->equality);
	append_given_value(sql, binding, column, number);
	if (!image->not_null) {
		/* IS NULL would take a composite value of NULLs for NULL. */
		buffer_append_text(sql, " OR t.");
		sql_append_identifier(sql, image->name);
		buffer_append_text(sql, " IS NOT DISTINCT FROM NULL AND ");
		append_given_value(sql, binding, column, number);
		buffer_append_text(sql, " IS NOT DISTINCT FROM NULL");
	}
	buffer_append_byte(sql, ')');
}

/*
 * (SELECT the place of one row that is equal to the image LIMIT 1); `identical`: and has the same texts. The next
 * parameter's number.
 */
static size_t append_place(struct buffer *sql, const struct binding *binding, const bool *mask, bool identical)
{
	const char *word = " WHERE ";
	size_t number = 1;

	buffer_append_text(sql, "(SELECT t.tableoid, t.ctid FROM ");
	append_rows_of(sql, binding);
	buffer_append_text(sql, " AS t");
	for (size_t i = 0; i < binding->column_count; i++) {
		const struct column_image *image = binding->columns[i].image;

		if (!in_mask(mask, i))
			continue;
		buffer_append_text(sql, word);
		append_same_value(sql, binding, i, number);
		word = " AND ";
		if (identical && !image->exact && image->equality != NULL) {
			buffer_append_text(sql, word);
			append_same_text(sql, binding, i, number);
		}
		number++;
	}
	if (binding->is_deleted != NULL) {
		buffer_append_format(sql, "%st.", word);
		sql_append_identifier(sql, binding->is_deleted);
		buffer_append_text(sql, " IS NOT TRUE");
	}
	buffer_append_text(sql, " LIMIT 1)");
	return number;
}

static bool has_loose_columns(const struct binding *binding, const bool *mask)
{
	for (size_t i = 0; i < binding->column_count; i++)
		if (in_mask(mask, i) && !binding->columns[i].image->exact &&
		    binding->columns[i].image->equality != NULL)
			return true;
	return false;
}

/*
 * (…) AS one: the place of one row that is equal to the image. Of several rows one with the same texts is taken: the
 * second scan begins only when the first one has found none. Rows of two partitions may have the same ctid.
 */
static size_t append_one_row(struct buffer *sql, const struct binding *binding, const bool *mask)
{
	size_t next;

	if (has_loose_columns(binding, mask)) {
		buffer_append_byte(sql, '(');
		append_place(sql, binding, mask, true);
		buffer_append_text(sql, " UNION ALL ");
		next = append_place(sql, binding, mask, false);
		buffer_append_text(sql, " LIMIT 1)");
	} else {
		next = append_place(sql, binding, mask, false);
	}
	buffer_append_text(sql, " AS one");
	return next;
}

static void append_at_its_place(struct buffer *sql)
{
	buffer_append_text(sql, " WHERE d.ctid = one.ctid AND d.tableoid = one.tableoid");
}

static void build_delete_one(struct buffer *sql, const struct binding *binding, const bool *mask)
{
	bool soft = binding->rule->delete_mode == DELETE_SOFT;

	buffer_append_text(sql, soft ? "UPDATE " : "DELETE FROM ");
	append_rows_of(sql, binding);
	buffer_append_text(sql, " AS d ");
	if (soft) {
		buffer_append_text(sql, "SET ");
		append_extra_assignments(sql, binding, true, true);
	}
	buffer_append_text(sql, soft ? " FROM " : "USING ");
	append_one_row(sql, binding, mask);
	append_at_its_place(sql);
}

bool statement_may_update_one(const struct binding *binding)
{
	for (size_t i = 0; i < binding->column_count; i++)
		if (is_assigned(binding, i))
			return true;
	return binding->synced_at != NULL || binding->is_deleted != NULL;
}

/* In its place, so that columns that only the target has keep their values. */
static void build_update_one(struct buffer *sql, const struct binding *binding)
{
	struct buffer one = {0};
	bool first = true;
	size_t next = append_one_row(&one, binding, NULL);

	buffer_append_text(sql, "UPDATE ");
	append_rows_of(sql, binding);
	buffer_append_text(sql, " AS d SET ");
	for (size_t i = 0; i < binding->column_count; i++) {
		if (!is_assigned(binding, i))
			continue;
		if (!first)
			buffer_append_text(sql, ", ");
		sql_append_identifier(sql, binding->columns[i].image->name);
		buffer_append_text(sql, " = ");
		append_value(sql, binding, i);
		first = false;
	}
	append_extra_assignments(sql, binding, false, first);
	buffer_append_format(sql, " FROM %s, ", one.data);
	append_unnest_from(sql, binding, next, false, true, NULL, true, false);
	append_at_its_place(sql);
	buffer_free(&one);
}

static void build_copy(struct buffer *sql, const struct binding *binding)
{
	buffer_append_text(sql, "COPY ");
	append_table(sql, binding);
	append_column_names(sql, binding, false);
	buffer_append_text(sql, " FROM STDIN");
}

void statement_build(struct buffer *sql, const struct binding *binding, enum statement_kind kind, const bool *mask)
{
	switch (kind) {
	case STATEMENT_DELETE:
		build_delete(sql, binding);
		break;
	case STATEMENT_UPDATE:
		build_update(sql, binding, mask, false, false);
		break;
	case STATEMENT_MOVE:
		build_update(sql, binding, mask, true, false);
		break;
	case STATEMENT_READ:
		build_read(sql, binding);
		break;
	case STATEMENT_INSERT:
		build_insert(sql, binding, false);
		break;
	case STATEMENT_UPDATE_COPY:
		build_update(sql, binding, mask, false, true);
		break;
	case STATEMENT_INSERT_COPY:
		build_insert(sql, binding, true);
		break;
	case STATEMENT_DELETE_ONE:
		build_delete_one(sql, binding, mask);
		break;
	case STATEMENT_UPDATE_ONE:
		build_update_one(sql, binding);
		break;
	case STATEMENT_COPY:
		build_copy(sql, binding);
		break;
	}
}
