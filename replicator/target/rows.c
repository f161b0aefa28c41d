/*
 * rows.c - array literals and COPY lines out of values. See rows.h.
 */
#include "target/rows.h"

#include "base/memory.h"
#include "base/metrics.h"
#include "base/sha256.h"
#include "pg/sql.h"
#include "target/rules.h"

#include <stdlib.h>

#define COPY_CHUNK (64 * 1024)

struct row_sender {
	struct arena *arena; /* of converted values */
	struct buffer sql;
	struct buffer *arrays;
	const char **parameters;
	size_t capacity;
	struct buffer line;
};

struct row_sender *row_sender_new(void)
{
	struct row_sender *sender = memory_alloc(sizeof(*sender));

	sender->arena = arena_new();
	return sender;
}

void row_sender_free(struct row_sender *sender)
{
	if (sender == NULL)
		return;
	for (size_t i = 0; i < sender->capacity; i++)
		buffer_free(&sender->arrays[i]);
	free(sender->arrays);
	free(sender->parameters);
	buffer_free(&sender->sql);
	buffer_free(&sender->line);
	arena_free(sender->arena);
	free(sender);
}

/* The mask of a rule: what stands in the target is never the value itself. */
static struct error *hash_value(struct row_sender *sender, const struct binding *binding, size_t column,
                                struct value *value)
{
	char *text;

	if (value->kind == VALUE_NULL || value->kind == VALUE_NATIVE)
		return NULL;
	if (!rules_may_read(value))
		return error_new(
		    ERROR_EVENT,
		    "table %s.%s, column %s: mask = \"hash\" takes texts, whole numbers and booleans, the event "
		    "has something else; exclude the column, or mask it in another way",
		    binding->image->schema, binding->image->name, binding->columns[column].image->name);
	text = arena_alloc(sender->arena, SHA256_TEXT);
	sha256_text(slice_from(binding->salt), (struct slice){value->data, value->length}, text);
	*value = (struct value){text, SHA256_TEXT, VALUE_NATIVE};
	return NULL;
}

static struct error *convert(struct row_sender *sender, const struct binding *binding, size_t column,
                             const struct value *value, struct value *converted)
{
	const struct bound_column *bound = &binding->columns[column];

	*converted = *value;
	if (bound->hashed)
		return hash_value(sender, binding, column, converted);
	if (bound->conversion == NULL || value->kind == VALUE_NULL || value->kind == VALUE_NATIVE)
		return NULL;
	return error_wrap(conversion_apply(bound->conversion, value, sender->arena, converted),
	                  "table %s.%s, column %s", binding->image->schema, binding->image->name, bound->image->name);
}

static struct error *append_element(struct row_sender *sender, const struct binding *binding, size_t column,
                                    const struct value *value, struct buffer *array)
{
	struct value converted;

	TRY(convert(sender, binding, column, value, &converted));
	if (array->length > 1)
		buffer_append_byte(array, ',');
	if (converted.kind == VALUE_NULL)
		buffer_append(array, "NULL", 4);
	else
		sql_append_array_element(array, converted.data, converted.length);
	return NULL;
}

static void reserve_arrays(struct row_sender *sender, size_t count)
{
	if (count > sender->capacity) {
		sender->arrays = memory_grow(sender->arrays, count, sizeof(*sender->arrays));
		sender->parameters = memory_grow(sender->parameters, count, sizeof(*sender->parameters));
		memset(sender->arrays + sender->capacity, 0, (count - sender->capacity) * sizeof(*sender->arrays));
		sender->capacity = count;
	}
	for (size_t i = 0; i < count; i++) {
		buffer_reset(&sender->arrays[i]);
		buffer_append_byte(&sender->arrays[i], '{');
	}
}

static struct error *append_columns(struct row_sender *sender, const struct binding *binding, const bool *mask,
                                    bool key_columns_too, const struct value *values, size_t *number)
{
	for (size_t i = 0; i < binding->column_count; i++) {
		const struct bound_column *column = &binding->columns[i];

		if ((mask != NULL && !mask[i]) || (column->key && !key_columns_too))
			continue;
		TRY(append_element(sender, binding, i, bound_value(column, values), &sender->arrays[(*number)++]));
	}
	return NULL;
}

static struct error *build_arrays(struct row_sender *sender, const struct binding *binding, enum statement_kind kind,
                                  const bool *mask, const struct row_image *row, size_t *count)
{
	bool keys_only = kind == STATEMENT_DELETE || kind == STATEMENT_READ;
	bool updates = kind == STATEMENT_UPDATE || kind == STATEMENT_UPDATE_COPY;
	bool keys = keys_only || updates || kind == STATEMENT_MOVE;
	bool key_columns_too = !updates;
	size_t number = 0;

	for (size_t i = 0; keys && i < binding->key_count; i++) {
		const struct bound_column *column = &binding->columns[binding->key[i]];
		const struct value *value = row->old_key != NULL && column->constant == NULL
		                                ? &row->old_key[i]
		                                : bound_value(column, row->values);

		TRY(append_element(sender, binding, binding->key[i], value, &sender->arrays[number++]));
	}
	if (kind == STATEMENT_UPDATE_ONE)
		TRY(append_columns(sender, binding, NULL, true, row->old, &number));
	if (!keys_only)
		TRY(append_columns(sender, binding, mask, key_columns_too, row->values, &number));
	if (kind == STATEMENT_UPDATE_COPY || kind == STATEMENT_INSERT_COPY)
		sql_append_array_element(&sender->arrays[number++], row->stored, strlen(row->stored));
	*count = number;
	return NULL;
}

/* Fills sender->sql and sender->parameters. */
static struct error *build(struct row_sender *sender, const struct binding *binding, enum statement_kind kind,
                           const bool *mask, const struct row_image *rows, size_t count, size_t *parameters)
{
	arena_reset(sender->arena);
	if (binding->excluded > 0 && kind != STATEMENT_DELETE && kind != STATEMENT_READ)
		metric_add(METRIC_LEFT_OUT_COLUMN, binding->excluded * count);
	reserve_arrays(sender, binding->key_count + 2 * binding->column_count + 2);
	for (size_t i = 0; i < count; i++)
		TRY(build_arrays(sender, binding, kind, mask, &rows[i], parameters));
	for (size_t i = 0; i < *parameters; i++) {
		buffer_append_byte(&sender->arrays[i], '}');
		sender->parameters[i] = sender->arrays[i].data;
	}
	buffer_reset(&sender->sql);
	statement_build(&sender->sql, binding, kind, mask);
	return NULL;
}

struct error *row_sender_send(struct row_sender *sender, struct pg_connection *connection,
                              const struct binding *binding, enum statement_kind kind, const bool *mask,
                              const struct row_image *rows, size_t count)
{
	size_t parameters = 0;

	TRY(build(sender, binding, kind, mask, rows, count, &parameters));
	TRY(pg_pipeline_send(connection,
	                     pg_statement_of(connection, (struct slice){sender->sql.data, sender->sql.length}),
	                     parameters, sender->parameters));
	return pg_pipeline_flush(connection);
}

struct error *row_sender_show(struct row_sender *sender, const struct binding *binding, enum statement_kind kind,
                              const bool *mask, const struct row_image *row, const char **sql,
                              const char *const **parameters, size_t *count)
{
	*count = 0;
	TRY(build(sender, binding, kind, mask, row, 1, count));
	*sql = sender->sql.data;
	*parameters = sender->parameters;
	return NULL;
}

static void take_row(const struct binding *binding, const struct pg_result *result, struct arena *arena,
                     struct stored_row *stored)
{
	stored->values = arena_alloc_zeroed(arena, (binding->relation->column_count + 1) * sizeof(*stored->values));
	for (size_t i = 0; i < binding->column_count; i++) {
		const char *text = pg_result_text(result, 0, i);
		struct value *value;

		if (binding->columns[i].constant != NULL || pg_result_is_null(result, 0, i))
			continue;
		value = &stored->values[binding->columns[i].source];
		value->length = (uint32_t)strlen(text);
		value->data = arena_copy(arena, text, value->length);
		value->kind = VALUE_NATIVE;
	}
	if (binding->own_count > 0) {
		const char *text = pg_result_text(result, 0, binding->column_count);

		stored->text = arena_copy(arena, text, strlen(text));
	}
}

struct error *row_sender_read(struct row_sender *sender, struct pg_connection *connection,
                              const struct binding *binding, const struct value *key, struct arena *arena,
                              struct stored_row *stored)
{
	const struct row_image row = {.values = key};
	struct pg_result *result = NULL;
	size_t parameters = 0;

	*stored = (struct stored_row){0};
	TRY(build(sender, binding, STATEMENT_READ, NULL, &row, 1, &parameters));
	TRY(pg_query(connection, sender->sql.data, parameters, sender->parameters, &result));
	if (pg_result_rows(result) > 0)
		take_row(binding, result, arena, stored);
	pg_result_free(result);
	return NULL;
}

struct error *row_sender_write_key(struct row_sender *sender, const struct binding *binding, const struct value *values,
                                   struct buffer *array)
{
	static const struct value none = {.kind = VALUE_NULL};

	arena_reset(sender->arena);
	buffer_append_byte(array, '{');
	for (size_t i = 0; i < binding->key_count; i++) {
		const struct value *value = bound_value(&binding->columns[binding->key[i]], values);

		TRY(append_element(sender, binding, binding->key[i], value->kind == VALUE_UNCHANGED ? &none : value,
		                   array));
	}
	buffer_append_byte(array, '}');
	return NULL;
}

static struct error *append_copy_line(struct row_sender *sender, const struct binding *binding,
                                      const struct row_image *row)
{
	for (size_t i = 0; i < binding->column_count; i++) {
		struct value converted;

		TRY(convert(sender, binding, i, bound_value(&binding->columns[i], row->values), &converted));
		if (i > 0)
			buffer_append_byte(&sender->line, '\t');
		if (converted.kind == VALUE_NULL)
			buffer_append(&sender->line, "\\N", 2);
		else
			sql_append_copy_field(&sender->line, converted.data, converted.length);
	}
	/* PostgreSQL's datetime input takes "now" as the transaction's time; other types get no COPY (binding.casts). */
	if (binding->synced_at != NULL)
		buffer_append_text(&sender->line, "\tnow");
	if (binding->is_deleted != NULL)
		buffer_append_text(&sender->line, "\tf");
	if (binding->deleted_at != NULL)
		buffer_append_text(&sender->line, "\t\\N");
	buffer_append_byte(&sender->line, '\n');
	return NULL;
}

struct error *row_sender_copy(struct row_sender *sender, struct pg_connection *connection,
                              const struct binding *binding, const struct row_image *rows, size_t count)
{
	uint64_t copied = 0;

	arena_reset(sender->arena);
	buffer_reset(&sender->sql);
	statement_build(&sender->sql, binding, STATEMENT_COPY, NULL);
	buffer_reset(&sender->line);
	metric_add(METRIC_LEFT_OUT_COLUMN, binding->excluded * count);
	TRY(pg_copy_begin(connection, sender->sql.data));
	for (size_t i = 0; i < count; i++) {
		struct error *error = append_copy_line(sender, binding, &rows[i]);

		if (error != NULL) { /* the copy must not stay open, and must not count: the caller rolls back */
			error_free(pg_copy_end(connection, &copied));
			return error;
		}
		if (sender->line.length < COPY_CHUNK && i + 1 < count)
			continue;
		TRY(pg_copy_send(connection, sender->line.data, sender->line.length));
		buffer_reset(&sender->line);
	}
	TRY(pg_copy_end(connection, &copied));
	if (copied != count)
		return error_new(ERROR_CONSTRAINT, "COPY to %s.%s took %llu rows of %zu", binding->image->schema,
		                 binding->image->name, (unsigned long long)copied, count);
	return NULL;
}
