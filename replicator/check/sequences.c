/*
 * sequences.c - see the header.
 *
 * NOTES
 *   A sequence of the target matters on the day that people write there. Values may be skipped, never given out twice:
 *   so one that is ahead of the source is no fault. Tables that a rule renames or lets share one have sequences of the
 *   target's own, which nothing pairs with the source's.
 */
#include "check/sequences.h"

#include "pg/sql.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Sequences of serial and identity columns, with the table that owns them. */
static const char SEQUENCES_SQL[] =
    "SELECT n.nspname, c.relname, tn.nspname, tc.relname, s.seqincrement,"
    "       least(greatest(coalesce(pg_sequence_last_value(c.oid::regclass)::numeric,"
    "                               s.seqstart::numeric - s.seqincrement), -9223372036854775808), 9223372036854775807)"
    "  FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
    "  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = d.classid"
    "   AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')"
    "  JOIN pg_class tc ON tc.oid = d.refobjid JOIN pg_namespace tn ON tn.oid = tc.relnamespace"
    " ORDER BY 1, 2";

static bool is_compared(const struct check_tables *tables, const char *schema, const char *name)
{
	for (size_t i = 0; i < tables->count; i++)
		if (strcmp(tables->tables[i].schema, schema) == 0 && strcmp(tables->tables[i].name, name) == 0)
			return tables->tables[i].rule->rename == NULL && tables->tables[i].rule->source_column == NULL;
	return false;
}

static const char *take_text(struct arena *arena, const struct pg_result *result, size_t row, size_t column)
{
	const char *text = pg_result_text(result, row, column);

	return arena_copy(arena, text, strlen(text));
}

static void pair(struct check_sequence *sequence, const struct pg_result *target)
{
	sequence->missing = true;
	for (size_t i = 0; i < pg_result_rows(target); i++) {
		if (strcmp(pg_result_text(target, i, 0), sequence->schema) != 0 ||
		    strcmp(pg_result_text(target, i, 1), sequence->name) != 0)
			continue;
		sequence->missing = false;
		sequence->target = pg_result_integer(target, i, 5);
		sequence->behind =
		    sequence->increment > 0 ? sequence->target < sequence->source : sequence->target > sequence->source;
	}
}

static void take_sequences(const struct pg_result *source, const struct pg_result *target,
                           const struct check_tables *tables, struct arena *arena, struct check_sequences *sequences)
{
	sequences->sequences = arena_alloc_zeroed(arena, (pg_result_rows(source) + 1) * sizeof(*sequences->sequences));
	for (size_t i = 0; i < pg_result_rows(source); i++) {
		struct check_sequence *sequence = &sequences->sequences[sequences->count];

		if (!is_compared(tables, pg_result_text(source, i, 2), pg_result_text(source, i, 3)))
			continue;
		sequence->schema = take_text(arena, source, i, 0);
		sequence->name = take_text(arena, source, i, 1);
		sequence->label = arena_format(arena, "%s.%s", sequence->schema, sequence->name);
		sequence->increment = pg_result_integer(source, i, 4);
		sequence->source = pg_result_integer(source, i, 5);
		pair(sequence, target);
		sequences->count++;
	}
}

struct error *sequences_read(struct pg_connection *source, struct pg_connection *target,
                             const struct check_tables *tables, struct arena *arena, struct check_sequences *sequences)
{
	struct pg_result *ours = NULL, *theirs = NULL;
	struct error *error;

	*sequences = (struct check_sequences){0};
	error = pg_query(source, SEQUENCES_SQL, 0, NULL, &theirs);
	if (error == NULL)
		error = pg_query(target, SEQUENCES_SQL, 0, NULL, &ours);
	if (error == NULL)
		take_sequences(theirs, ours, tables, arena, sequences);
	pg_result_free(ours);
	pg_result_free(theirs);
	if (error != NULL && !pg_is_broken(source) && !pg_is_broken(target)) { /* a missing right, or a lock */
		sequences->problem = arena_format(arena, "%s", error->message);
		error_free(error);
		error = NULL;
	}
	return error;
}

/* The server cuts it at the sequence's own bounds. */
static int64_t add_margin(const struct check_sequence *sequence, int64_t margin)
{
	int64_t skipped, value;

	if (!__builtin_mul_overflow(margin, sequence->increment, &skipped) &&
	    !__builtin_add_overflow(sequence->source, skipped, &value))
		return value;
	return sequence->increment > 0 ? INT64_MAX : INT64_MIN;
}

/* Whether it is behind is asked again in the statement that sets it: a session of the target may have moved it. */
static const char SET_SQL[] =
    "SELECT setval($1::regclass, greatest(least($2::bigint, seqmax), seqmin)) FROM pg_sequence"
    " WHERE seqrelid = $1::regclass AND (coalesce(pg_sequence_last_value(seqrelid)::numeric,"
    " seqstart::numeric - seqincrement) - $3::numeric) * sign(seqincrement) < 0";

struct error *sequences_repair(struct pg_connection *target, const struct check_sequences *sequences, int64_t margin,
                               size_t *set)
{
	struct buffer name = {0}, value = {0}, source = {0};
	struct error *error = NULL;

	*set = 0;
	for (size_t i = 0; error == NULL && i < sequences->count; i++) {
		const struct check_sequence *sequence = &sequences->sequences[i];
		const char *parameters[3];
		struct pg_result *result = NULL;

		if (!sequence->behind)
			continue;
		buffer_reset(&name);
		buffer_reset(&value);
		sql_append_qualified(&name, sequence->schema, sequence->name);
		buffer_reset(&source);
		buffer_append_format(&source, "%" PRId64, sequence->source);
		buffer_append_format(&value, "%" PRId64, add_margin(sequence, margin));
		parameters[0] = name.data;
		parameters[1] = value.data;
		parameters[2] = source.data;
		error = error_wrap(pg_query(target, SET_SQL, 3, parameters, &result), "sequence %s", sequence->label);
		*set += error == NULL && pg_result_rows(result) > 0;
		pg_result_free(result);
	}
	buffer_free(&name);
	buffer_free(&value);
	buffer_free(&source);
	return error;
}
