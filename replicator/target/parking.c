/*
 * parking.c - see parking.h
 *
 * NOTES
 *   An image holds a row's values as the event had them, masked ones as their masks have them, by the relation's
 *   columns: a byte for the kind, four for the length, the bytes. A placeholder is filled with the value that the row
 *   had under its old key, and marked, because a row that is written over another one (parking_end_key) must leave that
 *   one's value alone, as any update would. The target's own columns wait in the same way, in the row's text.
 */
#include "target/parking.h"

#include "base/memory.h"
#include "base/sha256.h"
#include "target/rules.h"
#include "target/state.h"
#include "target/strict_internal.h"

#include <stdlib.h>
#include <string.h>

#define WAS_PLACEHOLDER 0x80

struct parking {
	struct {
		const struct relation *relation;
		size_t waiting;
	} * tables;
	size_t table_count;
	size_t waiting;
	int64_t parked; /* so far: which one waits since longest */
};

struct parking *parking_new(void)
{
	return memory_alloc(sizeof(struct parking));
}

void parking_free(struct parking *parking)
{
	if (parking == NULL)
		return;
	free(parking->tables);
	free(parking);
}

struct parking *parking_copy(const struct parking *parking)
{
	struct parking *copy = parking_new();

	parking_restore(copy, parking);
	return copy;
}

void parking_restore(struct parking *parking, const struct parking *copy)
{
	free(parking->tables);
	*parking = *copy;
	parking->tables = NULL;
	if (copy->table_count == 0)
		return;
	parking->tables = memory_grow(NULL, copy->table_count, sizeof(*parking->tables));
	memcpy(parking->tables, copy->tables, copy->table_count * sizeof(*parking->tables));
}

bool parking_is_empty(const struct parking *parking)
{
	return parking->waiting == 0;
}

static size_t *waiting_of(struct parking *parking, const struct relation *relation)
{
	for (size_t i = 0; i < parking->table_count; i++)
		if (parking->tables[i].relation == relation)
			return &parking->tables[i].waiting;
	parking->tables = memory_grow(parking->tables, parking->table_count + 1, sizeof(*parking->tables));
	parking->tables[parking->table_count].relation = relation;
	parking->tables[parking->table_count].waiting = 0;
	return &parking->tables[parking->table_count++].waiting;
}

/* Images. */

static void append_value(struct buffer *image, const struct value *value, uint8_t kind)
{
	buffer_append_byte(image, (char)kind);
	buffer_append(image, (const char *)&value->length, sizeof(value->length));
	if (value->length > 0)
		buffer_append(image, value->data, value->length);
}

static void append_image(struct buffer *image, const struct relation *relation, const struct value *after,
                         const struct value *old)
{
	for (uint32_t i = 0; i < relation->column_count; i++)
		if (after[i].kind == VALUE_UNCHANGED)
			append_value(image, &old[i], old[i].kind | WAS_PLACEHOLDER);
		else
			append_value(image, &after[i], after[i].kind);
}

static void append_hexadecimal(struct buffer *text, const struct buffer *bytes)
{
	buffer_append_text(text, "\\x");
	buffer_reserve(text, 2 * bytes->length);
	for (size_t i = 0; i < bytes->length; i++) {
		buffer_append_byte(text, "0123456789abcdef"[(unsigned char)bytes->data[i] >> 4]);
		buffer_append_byte(text, "0123456789abcdef"[(unsigned char)bytes->data[i] & 15]);
	}
}

static unsigned digit(char hexadecimal)
{
	return (unsigned)(hexadecimal <= '9' ? hexadecimal - '0' : hexadecimal - 'a' + 10);
}

/* `\x…`, as bytea_output = hex gives it; in the arena. */
static char *read_hexadecimal(struct arena *arena, const char *text)
{
	size_t length = (strlen(text) - 2) / 2;
	char *bytes = arena_alloc(arena, length + 1);

	for (size_t i = 0; i < length; i++)
		bytes[i] = (char)(digit(text[2 + 2 * i]) << 4 | digit(text[3 + 2 * i]));
	return bytes;
}

static struct value *read_image(struct arena *arena, const struct relation *relation, const char *text, bool filled)
{
	struct value *values = arena_alloc_zeroed(arena, (relation->column_count + 1) * sizeof(*values));
	const char *at = read_hexadecimal(arena, text);

	for (uint32_t i = 0; i < relation->column_count; i++) {
		uint8_t kind = (uint8_t)*at++;
		bool placeholder = (kind & WAS_PLACEHOLDER) != 0;

		memcpy(&values[i].length, at, sizeof(values[i].length));
		at += sizeof(values[i].length);
		values[i].kind = kind & (uint8_t)~WAS_PLACEHOLDER;
		values[i].data = values[i].kind == VALUE_NULL ? NULL : at;
		at += values[i].length;
		if (placeholder && !filled)
			values[i] = (struct value){.kind = VALUE_UNCHANGED};
	}
	return values;
}

/* The state table. */

/*
 * A key that a row waits for. The digest finds it, of the columns where equal values have equal texts; of the others
 * the server compares the values, as the key's index does.
 */
struct place {
	struct number relation;
	char key[SHA256_TEXT + 1];
	struct buffer values; /* array of the key's values as they are written; empty where the digest suffices */
};

static void place_free(struct place *place)
{
	buffer_free(&place->values);
}

static bool is_exact(const struct bound_column *column)
{
	return column->image->exact && column->key_collation == NULL;
}

/* With the salt of masks, where there is one: a key could be guessed from its digest. */
static struct error *place_of(const struct strict *strict, const struct binding *binding, const struct value *values,
                              struct place *place)
{
	const char *salt = strict->config->masking.salt != NULL ? strict->config->masking.salt : "";
	struct buffer key = {0};
	struct error *error = NULL;

	*place = (struct place){.relation = number_of(binding->relation->number)};
	for (size_t i = 0; i < binding->key_count; i++) {
		const struct bound_column *column = &binding->columns[binding->key[i]];

		if (!binding->loose_key || is_exact(column))
			append_value(&key, bound_value(column, values), VALUE_NULL);
	}
	sha256_text(slice_from(salt), (struct slice){key.data, key.length}, place->key);
	place->key[SHA256_TEXT] = '\0';
	buffer_free(&key);
	if (binding->loose_key)
		error = row_sender_write_key(strict->sender, binding, values, &place->values);
	if (error != NULL)
		place_free(place);
	return error;
}

struct error *parking_put(const struct strict *strict, const struct binding *binding, const struct value *after,
                          const struct stored_row *old)
{
	struct buffer image = {0}, text = {0};
	struct number number = number_of(++strict->parking->parked);
	struct place place;
	struct error *error;

	TRY(place_of(strict, binding, after, &place));
	append_image(&image, binding->relation,
	             rules_mask_row(strict->config, binding->rule, binding->relation, after, strict->arena),
	             old->values);
	append_hexadecimal(&text, &image);
	const char *const parameters[7] =
	    {strict->config->stream.name, place.relation.text, place.key, text.data, old->text,
	     place.values.data,           number.text};

	error = state_query(strict->connection, strict->config,
	                    "INSERT INTO @moving (stream, relation, key, image, stored, key_values, number)"
	                    " VALUES ($1, $2, $3, $4, $5, $6, (pg_backend_pid()::bigint << 32) + $7::bigint)",
	                    7, parameters, NULL);
	buffer_free(&image);
	buffer_free(&text);
	place_free(&place);
	TRY(error);
	(*waiting_of(strict->parking, binding->relation))++;
	strict->parking->waiting++;
	return NULL;
}

/* Takes rows out of the table with a query that gives one image a row, and writes them. */
static struct error *write_taken(const struct strict *strict, struct binding *binding, const char *sql, size_t count,
                                 const char *const *parameters, bool filled)
{
	struct pg_result *result = NULL;
	struct arena *arena;
	struct error *error = NULL;
	size_t rows;

	TRY(pg_query(strict->connection, sql, count, parameters, &result));
	rows = pg_result_rows(result);
	*waiting_of(strict->parking, binding->relation) -= rows;
	strict->parking->waiting -= rows;
	arena = arena_new();
	for (size_t i = 0; i < rows && error == NULL; i++) {
		struct strict_guard guard;
		const char *stored = filled && !pg_result_is_null(result, i, 1) ? pg_result_text(result, i, 1) : NULL;
		const struct value *values = read_image(arena, binding->relation, pg_result_text(result, i, 0), filled);

		error = strict_guard_begin(strict, binding, &guard);
		if (error == NULL)
			error = strict_guard_end(strict, binding, &guard,
			                         strict_write_row(strict, binding, NULL, values, stored, false));
	}
	arena_free(arena);
	pg_result_free(result);
	return error;
}

static bool any_waits(const struct strict *strict, const struct binding *binding)
{
	return !parking_is_empty(strict->parking) && *waiting_of(strict->parking, binding->relation) > 0;
}

/* Those that wait for that key: all of them, or (`oldest`) the one that has waited for longest. */
static struct error *write_waiting(const struct strict *strict, struct binding *binding, const struct value *key,
                                   bool oldest)
{
	struct buffer sql = {0};
	struct place place;
	struct error *error;

	if (!any_waits(strict, binding))
		return NULL;
	TRY(place_of(strict, binding, key, &place));
	const char *const parameters[4] = {strict->config->stream.name, place.relation.text, place.key,
	                                   place.values.data};

	state_append_sql(&sql, strict->config,
	                 "WITH waiting AS (SELECT number FROM @moving WHERE (stream, relation, key) = ($1, $2, $3)");
	if (binding->loose_key) {
		buffer_append_text(&sql, " AND ");
		statement_append_same_key(&sql, binding, "key_values", "$4::pg_catalog.text[]");
	}
	buffer_append_text(&sql, oldest ? " ORDER BY number LIMIT 1" : "");
	state_append_sql(&sql, strict->config,
	                 "), taken AS (DELETE FROM @moving WHERE (stream, relation, key) = ($1, $2, $3)"
	                 " AND number IN (SELECT number FROM waiting) RETURNING number, image, stored)"
	                 " SELECT image, stored FROM taken ORDER BY number");
	error = write_taken(strict, binding, sql.data, binding->loose_key ? 4 : 3, parameters, oldest);
	buffer_free(&sql);
	place_free(&place);
	return error;
}

struct error *parking_give(const struct strict *strict, struct binding *binding, const struct value *key)
{
	return write_waiting(strict, binding, key, true);
}

struct error *parking_end_key(const struct strict *strict, struct binding *binding, const struct value *key)
{
	return write_waiting(strict, binding, key, false);
}

/* Few at a time: the rows may be many and wide. */
static struct error *end_table(const struct strict *strict, struct binding *binding)
{
	struct number relation = number_of(binding->relation->number);
	const char *const parameters[2] = {strict->config->stream.name, relation.text};

	struct buffer sql = {0};
	struct error *error = NULL;

	state_append_sql(&sql, strict->config,
	                 "WITH taken AS (DELETE FROM @moving WHERE (stream, relation, key, number) IN"
	                 " (SELECT stream, relation, key, number FROM @moving WHERE (stream, relation) = ($1, $2)"
	                 " ORDER BY number LIMIT 100)"
	                 " RETURNING number, image, stored) SELECT image, stored FROM taken ORDER BY number");
	while (error == NULL && any_waits(strict, binding))
		error = write_taken(strict, binding, sql.data, 2, parameters, false);
	buffer_free(&sql);
	return error;
}

struct error *parking_end(const struct strict *strict, struct binding_cache *cache)
{
	for (size_t i = 0; i < strict->parking->table_count && !parking_is_empty(strict->parking); i++) {
		struct binding *binding;

		if (strict->parking->tables[i].waiting == 0)
			continue;
		TRY(binding_find(cache, strict->connection, strict->parking->tables[i].relation, &binding));
		TRY(end_table(strict, binding));
	}
	return NULL;
}
