/* ddl_steps.c - see ddl_steps.h. */
#include "target/ddl_steps.h"

#include "base/log.h"
#include "base/memory.h"
#include "pg/sql.h"
#include "target/ddl_functions.h"
#include "target/unverified.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What waits for the transaction's end. */
enum put_off_kind { PUT_OFF_DROP, PUT_OFF_TOLERATED_DROP, PUT_OFF_AFTERWARDS };

struct put_off {
	char *sql; /* NULL: `action` on what has the oid and the attnum now (zero: the table itself) */
	char *action;
	char relid[16];
	char attnum[16];
	enum put_off_kind kind;
	bool done;
	struct part part; /* its name in `text`; PART_NONE: it cannot be left out */
	char source_relid[16];
	const char *kind_name;
	char *schema, *name; /* of the object at the source */
	uint64_t lsn;
};

struct ddl_steps {
	const struct config *config;
	struct put_off *put_off;
	size_t count;
};

struct ddl_steps *ddl_steps_new(const struct config *config)
{
	struct ddl_steps *steps = memory_alloc(sizeof(*steps));

	steps->config = config;
	return steps;
}

void ddl_steps_free(struct ddl_steps *steps)
{
	for (size_t i = 0; i < steps->count; i++) {
		free(steps->put_off[i].sql);
		free(steps->put_off[i].action);
		free(steps->put_off[i].schema);
		free(steps->put_off[i].name);
	}
	free(steps->put_off);
	free(steps);
}

void ddl_report_note(struct ddl_report *report, const char *prefix, const char *sql)
{
	char *text = memory_format("%s%s", prefix, sql);

	buffer_append_byte(&report->steps, report->steps.length == 0 ? '{' : ',');
	sql_append_array_element(&report->steps, text, strlen(text));
	free(text);
}

static void put_off(struct ddl_steps *steps, const struct ddl_subject *subject, struct put_off one)
{
	if (subject != NULL) {
		one.kind_name = subject->object.kind_name; /* a constant */
		one.schema = memory_copy_text(subject->object.name.schema);
		one.name = memory_copy_text(subject->object.name.name);
		one.lsn = subject->lsn;
		snprintf(one.source_relid, sizeof(one.source_relid), "%s", subject->object.relid);
	}
	steps->put_off = memory_grow(steps->put_off, steps->count + 1, sizeof(*steps->put_off));
	steps->put_off[steps->count++] = one;
}

/* A later step of the transaction may give table and column other names. */
static struct error *put_off_late(struct ddl_steps *steps, struct pg_connection *connection,
                                  const struct ddl_subject *subject, const struct late_step *late,
                                  enum put_off_kind kind)
{
	const char *const parameters[3] = {late->table.schema, late->table.name, late->column};
	struct put_off one = {.kind = kind};
	struct pg_result *result = NULL;

	TRY(pg_query(connection,
	             "SELECT c.oid, coalesce(a.attnum, 0) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	             " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $3 AND NOT a.attisdropped"
	             " WHERE n.nspname = $1 AND c.relname = $2 AND ($3::text IS NULL OR a.attnum IS NOT NULL)",
	             3, parameters, &result));
	if (pg_result_rows(result) > 0) {
		snprintf(one.relid, sizeof(one.relid), "%s", pg_result_text(result, 0, 0));
		snprintf(one.attnum, sizeof(one.attnum), "%s", pg_result_text(result, 0, 1));
		one.action = memory_copy_text(late->action);
		if (subject != NULL && subject->after != NULL)
			one.part = part_of_late_step(subject->after, late);
		put_off(steps, subject, one);
	}
	pg_result_free(result);
	return NULL;
}

/* Transient, or the connection is gone: the caller's caller tries the whole transaction again. */
static bool heals(const struct pg_connection *connection, const struct error *error)
{
	return error->class == ERROR_TRANSIENT || pg_is_broken(connection);
}

/* Under a savepoint: after an error the transaction goes on, unless the error heals by itself. */
static struct error *execute(struct pg_connection *connection, const char *sql)
{
	struct error *error;
	struct error *rolled_back;

	TRY(pg_execute(connection, "SAVEPOINT replicator_step"));
	error = pg_execute(connection, sql);
	if (error == NULL)
		return pg_execute(connection, "RELEASE SAVEPOINT replicator_step");
	if (heals(connection, error))
		return error;
	rolled_back = pg_execute(connection, "ROLLBACK TO SAVEPOINT replicator_step");
	if (rolled_back != NULL) {
		error_free(error);
		return rolled_back;
	}
	return error;
}

/* Rows of this transaction may wait for deferred checks (55006): these come first then, as they did at the source. */
static struct error *execute_checked(struct pg_connection *connection, const char *sql)
{
	struct error *error = execute(connection, sql);

	if (error == NULL || strcmp(error->sqlstate, "55006") != 0)
		return error;
	error_free(error);
	TRY(pg_execute(connection, "SET CONSTRAINTS ALL IMMEDIATE"));
	TRY(execute(connection, sql));
	return pg_execute(connection, "SET CONSTRAINTS ALL DEFERRED");
}

/* Whether the values, not the statement, are what the server refuses. */
static bool values_refuse(const struct error *error)
{
	return strncmp(error->sqlstate, "22", 2) == 0 || strcmp(error->sqlstate, "23505") == 0 ||
	       strcmp(error->sqlstate, "42804") == 0 || strcmp(error->sqlstate, "42846") == 0;
}

static struct error *explain(struct error *error, const struct step *step)
{
	const char *remedy = error != NULL && strcmp(error->sqlstate, "42501") == 0
	                         ? "let the role own what it changes (sql/target/role.sql with -v owner=on)"
	                         : "mend the cause in the target";

	return error_wrap(
	    error, "a step of the schema change cannot be done: %s; %s and start again, or set ddl.%s = \"ignore\"",
	    step->sql, remedy, step_kind_name(step->kind));
}

/* Dropped is what another object depends on, or what a parent still has, whose drop waits. */
static bool is_needed(const struct error *error)
{
	return strcmp(error->sqlstate, "2BP01") == 0 || strcmp(error->sqlstate, "42P16") == 0;
}

bool ddl_steps_lack_object(const struct error *error)
{
	static const char *const states[] = {"42883", "42704", "3F000"};

	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (strcmp(error->sqlstate, states[i]) == 0)
			return true;
	return false;
}

/* Whether the extension is not installed, or not for this role. */
static bool lacks_extension(const struct step *step, const struct error *error)
{
	return step->kind == STEP_EXTENSION &&
	       (strcmp(error->sqlstate, "0A000") == 0 || strcmp(error->sqlstate, "58P01") == 0 ||
	        strcmp(error->sqlstate, "42501") == 0);
}

/* --- what is left out ------------------------------------------------------------------------------------------------ */

/* Whether rows of the table refuse the part, and wait for a resync. */
static struct error *waits_for_rows(const struct ddl_steps *steps, struct pg_connection *connection,
                                    const struct ddl_subject *subject, struct part part, const struct error *error,
                                    bool *waits)
{
	*waits = false;
	if (strncmp(error->sqlstate, "23", 2) != 0 || part_is_primary_key(subject->after, part))
		return NULL;
	return unverified_has(connection, steps->config, subject->object.name.schema, subject->object.name.name, waits);
}

/* *part: what may wait, PART_NONE: nothing. *expected: by design. */
static struct error *may_wait(const struct ddl_steps *steps, struct pg_connection *connection,
                              const struct ddl_subject *subject, const struct step *step, const struct error *error,
                              struct part *part, bool *expected)
{
	struct arena *arena = arena_new();
	struct part made = {0};
	bool waits = false;
	struct error *failure = NULL;

	*part = made;
	*expected = step->tolerated != NULL && strcmp(error->sqlstate, step->tolerated) == 0;
	if (subject != NULL && subject->after != NULL)
		made = part_of_step(subject->after, step, arena);
	else if (subject != NULL && *expected)
		made.kind = PART_DROP;
	if (made.kind != PART_NONE && subject->after != NULL && !*expected)
		failure = waits_for_rows(steps, connection, subject, made, error, &waits);
	if (*expected || waits ||
	    (made.kind != PART_NONE && (ddl_steps_lack_object(error) || lacks_extension(step, error)) &&
	     !part_is_primary_key(subject->after, made)))
		*part = made;
	arena_free(arena);
	return failure;
}

static struct error *leave_out(struct ddl_steps *steps, struct pg_connection *connection,
                               const struct ddl_subject *subject, const struct step *step, struct part part,
                               bool expected, const struct error *error, struct ddl_report *report)
{
	char *hint = strcmp(error->sqlstate, "42883") == 0 && !expected
	                 ? ddl_functions_hint(connection, steps->config, subject->object.relid)
	                 : NULL;
	char *reason = memory_format("%s%s%s", error->message, hint == NULL ? "" : "; ", hint == NULL ? "" : hint);
	struct error *failure = NULL;

	log_warning("schema change: left out, the target does not permit it: %s: %s%s", step->sql, reason,
	            part.kind == PART_NONE ? "" : "; the daemon retries it (`replicator status` shows it)");
	ddl_report_note(report, "-- left out: ", step->sql);
	if (part.kind != PART_NONE)
		failure = left_out_add(connection, steps->config, &subject->object, part, step->sql, reason, expected,
		                       subject->lsn);
	free(reason);
	free(hint);
	return failure;
}

/* --- steps ----------------------------------------------------------------------------------------------------------- */

/* What depends on it may go in the same transaction; rows do not have the column any more. */
static struct error *put_off_drop(struct ddl_steps *steps, struct pg_connection *connection,
                                  const struct ddl_subject *subject, const struct step *step, struct ddl_report *report)
{
	if (step->late != NULL)
		TRY(put_off_late(steps, connection, subject, step->late, PUT_OFF_DROP));
	else
		put_off(steps, subject,
		        (struct put_off){.sql = memory_copy_text(step->sql),
		                         .part = {.kind = step->tolerated != NULL ? PART_DROP : PART_NONE},
		                         .kind = step->tolerated != NULL ? PUT_OFF_TOLERATED_DROP : PUT_OFF_DROP});
	ddl_report_note(report, "", step->sql);
	return step->keep == NULL ? NULL : explain(execute_checked(connection, step->keep), step);
}

static struct error *refused(struct ddl_steps *steps, struct pg_connection *connection,
                             const struct ddl_subject *subject, const struct step *step, struct error *error,
                             struct ddl_report *report)
{
	struct error *failure;
	struct part part;
	bool expected;

	if (is_needed(error) && step->may_wait) {
		error_free(error);
		return put_off_drop(steps, connection, subject, step, report);
	}
	failure = may_wait(steps, connection, subject, step, error, &part, &expected);
	if (failure != NULL || (part.kind == PART_NONE && !expected)) {
		if (failure == NULL)
			return explain(error, step);
		error_free(error);
		return failure;
	}
	failure = leave_out(steps, connection, subject, step, part, expected, error, report);
	error_free(error);
	return failure;
}

/* The column lost its values, or the table its rows, if there are any: they come with a resync. */
static struct error *note_emptied(struct ddl_steps *steps, struct pg_connection *connection,
                                  const struct ddl_subject *subject, const struct step *step)
{
	struct buffer sql = {0};
	struct error *error;
	int64_t rows = 0;

	if (subject == NULL || subject->after == NULL)
		return NULL;
	if (step->gives_up_rows) {
		log_warning(
		    "schema change: the values of a key do not fit its new type, so the rows of table %s.%s are "
		    "removed in the target until its resync: %s",
		    subject->object.name.schema, subject->object.name.name, step->sql);
		return unverified_mark(connection, steps->config, subject->object.name.schema,
		                       subject->object.name.name, UNVERIFIED_REWRITTEN, subject->lsn, 0, NULL);
	}
	buffer_append_text(&sql, "SELECT count(*) FROM (SELECT FROM ");
	sql_append_qualified(&sql, subject->after->name.schema, subject->after->name.name);
	buffer_append_text(&sql, " LIMIT 1) t");
	error = pg_query_integer(connection, sql.data, 0, NULL, 0, &rows);
	buffer_free(&sql);
	if (error != NULL || rows == 0)
		return error;
	return unverified_mark(connection, steps->config, subject->object.name.schema, subject->object.name.name,
	                       UNVERIFIED_REWRITTEN, subject->lsn, 0, NULL);
}

/*
 * Rows may be removed where nothing is lost that only the target has: rows deleted softly, columns of its own. Else the stream
 * stops, and somebody decides.
 */
static struct error *may_give_up_rows(struct ddl_steps *steps, struct pg_connection *connection,
                                      const struct ddl_subject *subject, bool *may)
{
	const struct object_image *after = subject == NULL ? NULL : subject->after;
	struct buffer known = {0};
	struct error *error;
	int64_t own = 1;

	*may = false;
	if (after == NULL ||
	    config_table_rule(steps->config, subject->object.name.schema, subject->object.name.name)->delete_mode !=
	        DELETE_HARD)
		return NULL;
	buffer_append_byte(&known, '{');
	if (steps->config->target.synced_at != NULL)
		sql_append_array_element(&known, steps->config->target.synced_at,
		                         strlen(steps->config->target.synced_at));
	for (size_t i = 0; i < after->column_count; i++) {
		if (known.length > 1)
			buffer_append_byte(&known, ',');
		sql_append_array_element(&known, after->columns[i].name, strlen(after->columns[i].name));
	}
	buffer_append_byte(&known, '}');
	const char *const parameters[3] = {after->name.schema, after->name.name, known.data};

	error = pg_query_integer(connection,
	                         "SELECT count(*) FROM pg_attribute WHERE attrelid = format('%I.%I', $1::text,"
	                         " $2::text)::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"
	                         " AND attname <> ALL ($3::name[])",
	                         3, parameters, 1, &own);
	buffer_free(&known);
	*may = error == NULL && own == 0;
	return error;
}

/* What to do instead of a step whose values the target refused; NULL: nothing. */
static struct error *find_otherwise(struct ddl_steps *steps, struct pg_connection *connection,
                                    const struct ddl_subject *subject, const struct step *step,
                                    const struct step **otherwise)
{
	bool may = true;

	*otherwise = step->otherwise;
	if (step->otherwise != NULL && step->otherwise->gives_up_rows)
		TRY(may_give_up_rows(steps, connection, subject, &may));
	if (!may)
		*otherwise = NULL;
	return NULL;
}

static struct error *execute_step(struct ddl_steps *steps, struct pg_connection *connection,
                                  const struct ddl_subject *subject, const struct step *step, struct ddl_report *report)
{
	struct error *error = execute_checked(connection, step->sql);
	const struct step *otherwise = NULL;
	bool emptied = false;

	while (error != NULL && !heals(connection, error) && values_refuse(error)) {
		struct error *failure = find_otherwise(steps, connection, subject, step, &otherwise);

		if (failure != NULL || otherwise == NULL) {
			if (failure == NULL)
				break;
			error_free(error);
			return failure;
		}
		error_free(error);
		step = otherwise;
		emptied = step->otherwise == NULL;
		error = execute_checked(connection, step->sql);
	}
	if (error == NULL) {
		report->executed++;
		ddl_report_note(report, "", step->sql);
		if (emptied)
			TRY(note_emptied(steps, connection, subject, step));
		return step->afterwards == NULL
		           ? NULL
		           : put_off_late(steps, connection, subject, step->afterwards, PUT_OFF_AFTERWARDS);
	}
	return heals(connection, error) ? error : refused(steps, connection, subject, step, error, report);
}

static struct error *run_step(struct ddl_steps *steps, struct pg_connection *connection,
                              const struct ddl_subject *subject, const struct step *step, struct ddl_report *report)
{
	switch (steps->config->ddl.policy[step->kind]) {
	case DDL_STOP:
		return error_new(ERROR_TARGET,
		                 "ddl.%s = \"stop\": make the change in the target yourself and start again: %s",
		                 step_kind_name(step->kind), step->sql);
	case DDL_IGNORE:
		ddl_report_note(report, "-- ignored: ", step->sql);
		return NULL;
	case DDL_KEEP:
		if (step->keep != NULL) {
			TRY(explain(execute_checked(connection, step->keep), step));
			report->executed++;
			ddl_report_note(report, "", step->keep);
			return NULL;
		}
		break;
	default:
		break;
	}
	return execute_step(steps, connection, subject, step, report);
}

/* Locks are waited for a short while only: readers of the table queue up behind us. */
struct error *ddl_steps_run(struct ddl_steps *steps, struct pg_connection *connection,
                            const struct ddl_subject *subject, const struct step *first, struct ddl_report *report)
{
	char *sql;
	struct error *error, *failure;

	if (first == NULL)
		return NULL;
	sql = memory_format("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = %" PRId64,
	                    steps->config->ddl.lock_timeout_ms);
	error = pg_execute(connection, sql);
	free(sql);
	for (const struct step *step = first; step != NULL && error == NULL; step = step->next)
		error = run_step(steps, connection, subject, step, report);
	if (error != NULL && heals(connection, error))
		return error;
	sql = memory_format("SET LOCAL statement_timeout = %" PRId64 "; SET LOCAL lock_timeout = 0",
	                    steps->config->target.statement_timeout_ms);
	failure = pg_execute(connection, sql);
	free(sql);
	if (error == NULL)
		return failure;
	error_free(failure);
	return error;
}

/* --- the end of the transaction -------------------------------------------------------------------------------------- */

/* NULL: the table or the column is gone. */
static struct error *late_sql(struct pg_connection *connection, const struct put_off *one, char **sql)
{
	const char *const parameters[3] = {one->relid, one->attnum, one->action};
	struct pg_result *result = NULL;

	*sql = NULL;
	if (one->sql != NULL) {
		*sql = memory_copy_text(one->sql);
		return NULL;
	}
	TRY(pg_query(connection,
	             "SELECT format('ALTER TABLE %I.%I %s%s', n.nspname, c.relname,"
	             " 'ALTER COLUMN ' || quote_ident(a.attname) || ' ', $3::text)"
	             " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a"
	             " ON a.attrelid = c.oid AND a.attnum = $2::int AND a.attnum > 0 AND NOT a.attisdropped"
	             " WHERE c.oid = $1::oid AND ($2::int = 0 OR a.attnum IS NOT NULL)",
	             3, parameters, &result));
	if (pg_result_rows(result) > 0)
		*sql = memory_copy_text(pg_result_text(result, 0, 0));
	pg_result_free(result);
	return NULL;
}

static struct error *leave_late_out(struct ddl_steps *steps, struct pg_connection *connection,
                                    const struct put_off *one, const char *sql, const struct error *error)
{
	const struct left_out_object object = {one->kind_name, one->source_relid, {one->schema, one->name}};
	bool remembered = one->part.kind != PART_NONE && one->kind_name != NULL;

	log_warning("schema change: left out, the target does not permit it: %s: %s%s", sql, error->message,
	            remembered ? "; the daemon retries it (`replicator status` shows it)" : "");
	return !remembered ? NULL
	                   : left_out_add(connection, steps->config, &object, one->part, sql, error->message,
	                                  one->kind == PUT_OFF_TOLERATED_DROP, one->lsn);
}

/* Not done yet: a drop of what another object depends on, which may go, too; the last time this is final. */
static struct error *finish_sql(struct ddl_steps *steps, struct pg_connection *connection, struct put_off *one,
                                const char *sql, bool last)
{
	struct error *error = execute_checked(connection, sql);
	bool needed = error != NULL && is_needed(error) && one->kind != PUT_OFF_AFTERWARDS;
	bool tolerated =
	    error != NULL && !heals(connection, error) &&
	    (one->kind == PUT_OFF_AFTERWARDS || (needed && (!last || one->kind == PUT_OFF_TOLERATED_DROP)));
	struct error *failure = NULL;

	one->done = !needed || last;
	if (!tolerated)
		return error_wrap(error, "a step of the schema change cannot be done: %s", sql);
	if (one->done)
		failure = leave_late_out(steps, connection, one, sql, error);
	error_free(error);
	return failure;
}

static struct error *finish_one(struct ddl_steps *steps, struct pg_connection *connection, struct put_off *one,
                                bool last)
{
	struct error *error = NULL;
	char *sql;

	TRY(late_sql(connection, one, &sql));
	one->done = sql == NULL;
	if (sql != NULL)
		error = finish_sql(steps, connection, one, sql, last);
	free(sql);
	return error;
}

static struct error *finish_round(struct ddl_steps *steps, struct pg_connection *connection, bool last, size_t *left)
{
	for (size_t i = 0; i < steps->count; i++) {
		if (steps->put_off[i].done)
			continue;
		TRY(finish_one(steps, connection, &steps->put_off[i], last));
		*left -= steps->put_off[i].done;
	}
	return NULL;
}

/* As many rounds as help: each drop may be what another one waits for. */
struct error *ddl_steps_finish(struct ddl_steps *steps, struct pg_connection *connection, bool *any)
{
	size_t left = 0;

	for (size_t i = 0; i < steps->count; i++)
		left += !steps->put_off[i].done;
	*any = steps->count > 0;
	for (bool last = false; left > 0;) {
		size_t before = left;

		TRY(finish_round(steps, connection, last, &left));
		last = left == before;
	}
	return NULL;
}

/* The type or sequence stays under the other name where the target has more that needs it. */
static struct error *rename_waiting(struct pg_connection *connection, const char *row, const struct object_image *after,
                                    struct arena *arena, struct put_off *one)
{
	char *name = memory_format("dropped %s %s", row, after->name.name);
	struct object_name renamed = {after->name.schema, name};
	struct buffer sql = {0};
	struct error *error;

	buffer_append_text(&sql, after->kind == OBJECT_TYPE ? "ALTER TYPE " : "ALTER SEQUENCE ");
	sql_append_qualified(&sql, after->name.schema, after->name.name);
	buffer_append_text(&sql, " RENAME TO ");
	sql_append_identifier(&sql, name);
	error = execute_checked(connection, sql.data);
	free(one->sql);
	one->sql = memory_copy_text(difference_drop(after->kind, renamed, arena)->sql);
	buffer_free(&sql);
	free(name);
	return error;
}

struct error *ddl_steps_make_way(struct ddl_steps *steps, struct pg_connection *connection, const char *row,
                                 const struct object_image *after, struct arena *arena)
{
	const char *sql = difference_drop(after->kind, after->name, arena)->sql;

	for (size_t i = 0; i < steps->count; i++) {
		struct put_off *one = &steps->put_off[i];
		bool renamable = after->kind == OBJECT_TYPE || after->kind == OBJECT_SEQUENCE;

		if (one->done || one->sql == NULL || strcmp(one->sql, sql) != 0)
			continue;
		TRY(error_wrap(finish_sql(steps, connection, one, sql, !renamable),
		               "the source created another %s under the name of a dropped one, %s.%s; drop what "
		               "depends on it in the target and start again",
		               object_kind_name(after->kind), after->name.schema, after->name.name));
		if (!one->done)
			TRY(rename_waiting(connection, row, after, arena, one));
	}
	return NULL;
}
