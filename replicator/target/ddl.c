/* ddl.c - from a row of the DDL log to executed steps. See ddl.h. */
#include "target/ddl.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "pg/sql.h"
#include "schema/difference.h"
#include "target/ddl_hidden.h"
#include "target/ddl_log.h"
#include "target/ddl_own.h"
#include "target/ddl_rules.h"
#include "target/mixed.h"
#include "target/rules.h"
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
};

struct ddl {
	struct binding_cache *cache;
	const struct config *config;
	struct arena *arena;
	struct put_off *put_off;
	size_t put_off_count;
};

/* The steps that one row led to, as an array literal for the history. */
struct report {
	struct buffer steps;
	size_t executed;
	bool maintained; /* the stream created the object, or it may drop it (ddl_own.h) */
};

bool ddl_is_log(const struct relation *relation)
{
	return strcmp(relation->table, config_ddl_log) == 0 && strcmp(relation->schema, config_source_schema) == 0;
}

struct ddl *ddl_new(struct binding_cache *cache)
{
	struct ddl *ddl = memory_alloc(sizeof(*ddl));

	ddl->cache = cache;
	ddl->config = binding_cache_config(cache);
	return ddl;
}

void ddl_free(struct ddl *ddl)
{
	for (size_t i = 0; i < ddl->put_off_count; i++) {
		free(ddl->put_off[i].sql);
		free(ddl->put_off[i].action);
	}
	free(ddl->put_off);
	arena_free(ddl->arena);
	free(ddl);
}

static void put_off(struct ddl *ddl, struct put_off one)
{
	ddl->put_off = memory_grow(ddl->put_off, ddl->put_off_count + 1, sizeof(*ddl->put_off));
	ddl->put_off[ddl->put_off_count++] = one;
}

/* A later step of the transaction may give table and column other names. */
static struct error *put_off_late(struct ddl *ddl, struct pg_connection *connection, const struct late_step *late,
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
		put_off(ddl, one);
	}
	pg_result_free(result);
	return NULL;
}

static void note(struct report *report, const char *prefix, const char *sql)
{
	char *text = memory_format("%s%s", prefix, sql);

	buffer_append_byte(&report->steps, report->steps.length == 0 ? '{' : ',');
	sql_append_array_element(&report->steps, text, strlen(text));
	free(text);
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
	return strncmp(error->sqlstate, "22", 2) == 0 || strcmp(error->sqlstate, "42804") == 0 ||
	       strcmp(error->sqlstate, "42846") == 0;
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

static struct error *execute_step(struct ddl *ddl, struct pg_connection *connection, const struct step *step,
                                  struct report *report)
{
	struct error *error = execute_checked(connection, step->sql);

	while (error != NULL && !heals(connection, error) && values_refuse(error) && step->otherwise != NULL) {
		error_free(error);
		step = step->otherwise;
		error = execute_checked(connection, step->sql);
	}
	if (error == NULL) {
		report->executed++;
		note(report, "", step->sql);
		return step->afterwards == NULL ? NULL
		                                : put_off_late(ddl, connection, step->afterwards, PUT_OFF_AFTERWARDS);
	}
	if (heals(connection, error))
		return error;
	if (is_needed(error) && step->may_wait) {
		/* What depends on it may go in the same transaction; rows do not have the column any more. */
		error_free(error);
		if (step->late != NULL)
			TRY(put_off_late(ddl, connection, step->late, PUT_OFF_DROP));
		else
			put_off(ddl, (struct put_off){.sql = memory_copy_text(step->sql),
			                              .kind = step->tolerated != NULL ? PUT_OFF_TOLERATED_DROP
			                                                              : PUT_OFF_DROP});
		note(report, "", step->sql);
		return step->keep == NULL ? NULL : explain(execute_checked(connection, step->keep), step);
	}
	if (step->tolerated == NULL || strcmp(error->sqlstate, step->tolerated) != 0)
		return explain(error, step);
	log_warning("schema change: left out, the target does not permit it: %s: %s", step->sql, error->message);
	note(report, "-- left out: ", step->sql);
	error_free(error);
	return NULL;
}

static struct error *run_step(struct ddl *ddl, struct pg_connection *connection, const struct step *step,
                              struct report *report)
{
	switch (ddl->config->ddl.policy[step->kind]) {
	case DDL_STOP:
		return error_new(ERROR_TARGET,
		                 "ddl.%s = \"stop\": make the change in the target yourself and start again: %s",
		                 step_kind_name(step->kind), step->sql);
	case DDL_IGNORE:
		note(report, "-- ignored: ", step->sql);
		return NULL;
	case DDL_KEEP:
		if (step->keep != NULL) {
			TRY(explain(execute_checked(connection, step->keep), step));
			report->executed++;
			note(report, "", step->keep);
			return NULL;
		}
		break;
	default:
		break;
	}
	return execute_step(ddl, connection, step, report);
}

/* Locks are waited for a short while only: readers of the table queue up behind us. */
static struct error *run_steps(struct ddl *ddl, struct pg_connection *connection, const struct step *step,
                               struct report *report)
{
	char *sql;
	struct error *error;

	if (step == NULL)
		return NULL;
	sql = memory_format("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = %" PRId64,
	                    ddl->config->ddl.lock_timeout_ms);
	error = pg_execute(connection, sql);
	free(sql);
	for (; step != NULL && error == NULL; step = step->next)
		error = run_step(ddl, connection, step, report);
	TRY(error);
	sql = memory_format("SET LOCAL statement_timeout = %" PRId64 "; SET LOCAL lock_timeout = 0",
	                    ddl->config->target.statement_timeout_ms);
	error = pg_execute(connection, sql);
	free(sql);
	return error;
}

static struct error *find_target(struct ddl *ddl, struct pg_connection *connection, struct difference *difference)
{
	const struct object_image *after = difference->after;
	const struct object_image *before = difference->before;

	TRY(ddl_target_image(connection, ddl->config, after->kind, &after->name, ddl->arena, &difference->target));
	if (difference->target != NULL || before == NULL || difference->by_name)
		return NULL;
	if (strcmp(before->name.schema, after->name.schema) == 0 && strcmp(before->name.name, after->name.name) == 0)
		return NULL;
	TRY(ddl_target_image(connection, ddl->config, after->kind, &before->name, ddl->arena, &difference->target));
	if (difference->target != NULL)
		return NULL;
	/* Its schema may have been renamed meanwhile. */
	return ddl_target_image(connection, ddl->config, after->kind,
	                        &(struct object_name){after->name.schema, before->name.name}, ddl->arena,
	                        &difference->target);
}

/* Whether the user or the connector leaves the object out. */
static bool left_out(const struct ddl *ddl, const struct ddl_row *row)
{
	if (row->kind == OBJECT_SEQUENCE) /* that of a column has its table's word */
		return !row->published;
	if (row->kind != OBJECT_TABLE)
		return false;
	if (config_table_rule(ddl->config, row->name.schema, row->name.name)->exclude)
		return true;
	if (!row->published && strncmp(row->tag, "CREATE TABLE", 12) == 0)
		log_warning(
		    "table %s.%s was created at the source, but the connector's publication leaves it out: it is not "
		    "replicated. To have it: `replicator table add %s.%s`; new tables join by themselves where "
		    "replicator.ddl_settings.capture names them (init source --capture)",
		    row->name.schema, row->name.name, row->name.schema, row->name.name);
	return !row->published;
}

static bool is_shared(const struct ddl *ddl, const struct ddl_row *row)
{
	return row->kind == OBJECT_TABLE &&
	       config_table_rule(ddl->config, row->name.schema, row->name.name)->source_column != NULL;
}

/* A table that several sources share gets the columns that one of them adds; anything else is the user's to decide. */
static struct step *leave_shared(struct step *steps, struct report *report)
{
	struct step **link = &steps;

	while (*link != NULL) {
		if ((*link)->kind == STEP_ADD_COLUMN) {
			link = &(*link)->next;
			continue;
		}
		log_warning("schema change: left out, other sources share the table: %s", (*link)->sql);
		note(report, "-- left out, shared: ", (*link)->sql);
		*link = (*link)->next;
	}
	return steps;
}

/* Of a table that several sources share only the rows of this one go. */
static struct step *drop_steps(const struct ddl *ddl, const struct ddl_row *row)
{
	const struct table_rule *rule;
	struct object_name name = row->name;
	struct buffer sql = {0};
	struct step *step;

	if (row->kind != OBJECT_TABLE)
		return difference_drop(row->kind, name, ddl->arena);
	rule = config_table_rule(ddl->config, name.schema, name.name);
	name = ddl_ruled_name(ddl->config, &name, ddl->arena);
	step = difference_drop(row->kind, name, ddl->arena);
	if (rule->source_column == NULL)
		return step;
	buffer_append_text(&sql, "DELETE FROM ");
	sql_append_qualified(&sql, name.schema, name.name);
	buffer_append_text(&sql, " WHERE true");
	rules_append_scope(&sql, rule, "",
	                   config_source_value(ddl->config, rule, row->name.schema, row->name.name, ddl->arena), NULL);
	step->sql = arena_copy(ddl->arena, sql.data, sql.length);
	buffer_free(&sql);
	return rule->delete_mode == DELETE_HARD ? step : NULL;
}

static struct error *drop(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                          struct report *report)
{
	const struct table_name name = {row->name.schema, row->name.name};
	struct table_name *others = NULL;
	size_t count = 0;

	if (row->kind == OBJECT_TABLE)
		TRY(mixed_tables(connection, ddl->config, &name, ddl->arena, &others, &count));
	if (count == 0)
		return run_steps(ddl, connection, drop_steps(ddl, row), report);
	log_warning(
	    "schema change: DROP TABLE %s.%s is left out: the target's table holds rows of %s.%s as well, and no "
	    "source_column tells which of them go; remove those that should go by hand, or give the tables a "
	    "source_column in `tables`",
	    name.schema, name.table, others[0].schema, others[0].table);
	note(report, "-- left out, the target's table holds rows of another one: ", "DROP TABLE");
	return NULL;
}

/* Round by round: what a round made is part of what the next one finds. */
static struct error *follow_difference(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                       struct difference *difference, struct report *report)
{
	const bool lacks = difference->target == NULL;
	enum difference_next next;

	do {
		struct step *steps;

		TRY(difference_steps(difference, ddl->arena, &steps, &next));
		if (difference->target != NULL && !difference->fresh && row->kind == OBJECT_TABLE &&
		    is_shared(ddl, row))
			steps = leave_shared(steps, report);
		TRY(run_steps(ddl, connection, steps, report));
		report->maintained = report->maintained || (lacks && report->executed > 0);
		if (next == DIFFERENCE_DONE || (next == DIFFERENCE_FRESH && report->executed == 0))
			return NULL;
		if (next == DIFFERENCE_FRESH) {
			difference->before = NULL;
			difference->by_name = false;
			difference->fresh = true;
		}
		difference->renamed = next == DIFFERENCE_RENAMED;
		TRY(ddl_target_image(connection, ddl->config, row->kind, &difference->after->name, ddl->arena,
		                     &difference->target));
	} while (difference->target != NULL);
	return NULL;
}

static bool is_renamed(const struct object_image *before, const struct object_image *after, bool by_name)
{
	return before != NULL && !by_name &&
	       (strcmp(before->name.schema, after->name.schema) != 0 ||
	        strcmp(before->name.name, after->name.name) != 0);
}

/* The names of schemas are in the names of tables, and so in rules. */
static struct error *check_schema(const struct ddl *ddl, const struct ddl_row *row, const struct difference *difference)
{
	const struct object_image *before = difference->by_name ? NULL : difference->before;

	if (before == NULL && (difference->target != NULL || strcmp(row->tag, "ALTER SCHEMA") != 0))
		return NULL;
	if (before != NULL && strcmp(before->name.name, row->name.name) == 0)
		return NULL;
	return ddl_hidden_check_schema(ddl->config, before == NULL ? NULL : before->name.name, row->name.name);
}

/* A table that has been in the source for longer has rows there, and they do not come by themselves. */
static struct error *mark_older(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                const struct transaction *transaction)
{
	log_warning(
	    "schema change: table %s.%s is older than its first row in the log that is followed here (%s): until it "
	    "is resynced it is not in sync",
	    row->name.schema, row->name.name, row->tag);
	return ddl_mark_rewritten(connection, ddl->config, row, transaction);
}

/* A partition that leaves its published parent is captured no more; what was replicated of it leaves the parent, too. */
static struct error *follow_detached(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                     struct difference *difference, struct report *report)
{
	struct step *steps, **link = &steps;
	enum difference_next next;
	bool own;

	if (row->kind != OBJECT_TABLE || row->published || difference->before == NULL || difference->by_name ||
	    difference->before->parent_count == 0)
		return NULL;
	TRY(ddl_own_read(connection, ddl->config, row, &own));
	TRY(find_target(ddl, connection, difference));
	if (!own || difference->target == NULL)
		return NULL;
	TRY(difference_steps(difference, ddl->arena, &steps, &next));
	while (*link != NULL)
		if ((*link)->kind == STEP_PARTITION)
			link = &(*link)->next;
		else
			*link = (*link)->next;
	return run_steps(ddl, connection, steps, report);
}

static struct error *follow_image(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                  const struct transaction *transaction, struct report *report)
{
	struct difference difference = {.target_version = pg_server_version(connection)};
	const struct object_image *before, *after;

	if (row->image == NULL)
		return error_new(ERROR_EVENT, "row %s of the DDL log has no image", row->id);
	TRY(object_image_parse(row->image, strlen(row->image), ddl->arena, &difference.after));
	if (difference.after == NULL)
		return error_new(ERROR_EVENT, "row %s of the DDL log has no image", row->id);
	TRY(ddl_history_last(connection, ddl->config, row, ddl->arena, &difference.before, &difference.by_name));
	before = difference.before;
	after = difference.after;
	difference.before = ddl_ruled_image(ddl->config, before, ddl->arena);
	difference.after = ddl_ruled_image(ddl->config, after, ddl->arena);
	if (left_out(ddl, row))
		return follow_detached(ddl, connection, row, &difference, report);
	TRY(ddl_hidden_check(ddl->config, before, after));
	if (row->kind == OBJECT_TABLE && is_renamed(before, after, difference.by_name))
		TRY(ddl_mark_move(connection, ddl->config, &before->name, &after->name));
	TRY(find_target(ddl, connection, &difference));
	if (row->kind == OBJECT_TABLE)
		TRY(ddl_hidden_check_unknown(connection, ddl->config, row, before, after, difference.target));
	else if (row->kind == OBJECT_SCHEMA)
		TRY(check_schema(ddl, row, &difference));
	TRY(follow_difference(ddl, connection, row, &difference, report));
	return row->kind == OBJECT_TABLE && report->maintained && !ddl_row_creates(row)
	           ? mark_older(ddl, connection, row, transaction)
	           : NULL;
}

/* What the target has under the name of a dropped object, and the stream neither created nor wrote, is somebody else's. */
static struct error *leave_foreign(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                   struct report *report)
{
	const struct object_name name =
	    row->kind == OBJECT_TABLE ? ddl_ruled_name(ddl->config, &row->name, ddl->arena) : row->name;
	const struct object_image *image;

	TRY(ddl_target_image(connection, ddl->config, row->kind, &name, ddl->arena, &image));
	if (image == NULL)
		return NULL;
	log_info("schema change: %s %s%s%s was dropped at the source; the target's one stays: this stream neither "
	         "created it nor received rows of it. If it is a copy of the source's, drop it by hand",
	         row->kind_name, name.schema, name.schema[0] == '\0' ? "" : ".", name.name);
	note(report, "-- left out, not of this stream: DROP ", row->kind_name);
	return NULL;
}

static struct error *follow_drop(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                 struct report *report)
{
	TRY(ddl_own_read(connection, ddl->config, row, &report->maintained));
	if (row->kind == OBJECT_TABLE)
		TRY(ddl_mark_move(connection, ddl->config, &row->name, NULL));
	if (left_out(ddl, row))
		return NULL;
	return report->maintained ? drop(ddl, connection, row, report) : leave_foreign(ddl, connection, row, report);
}

static struct error *follow(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                            const struct transaction *transaction, struct report *report)
{
	if (strcmp(row->event, "error") == 0) {
		log_error(
		    "schema change: the source could not log a command (%s): %s; row %s of replicator.ddl_log has "
		    "it; all tables are unverified until a comparison finds them equal, their columns as well",
		    row->tag, row->name.name, row->id);
		return unverified_mark_all(connection, ddl->config, UNVERIFIED_UNLOGGED_CHANGE,
		                           transaction->commit_lsn);
	}
	if (strcmp(row->event, "rewrite") == 0) {
		if (left_out(ddl, row))
			return NULL;
		log_warning("schema change: %s rewrote the rows of table %s.%s at the source, and they do not come by "
		            "themselves; until the table is resynced it is not in sync",
		            row->tag, row->name.schema, row->name.name);
		return ddl_mark_rewritten(connection, ddl->config, row, transaction);
	}
	if (strcmp(row->event, "drop") == 0)
		return follow_drop(ddl, connection, row, report);
	if (strcmp(row->event, "image") == 0)
		return follow_image(ddl, connection, row, transaction, report);
	if (strcmp(row->event, "baseline") == 0)
		return NULL;
	return error_new(
	    ERROR_EVENT,
	    "row %s of the DDL log has the event \"%s\", which this program does not know; install a newer "
	    "replicator",
	    row->id, row->event);
}

static struct error *apply_row(struct ddl *ddl, struct pg_connection *connection, const struct transaction *transaction,
                               const struct change *change, const struct ddl_row *row)
{
	struct report report = {0};
	struct error *error = NULL;
	bool known;

	TRY(ddl_history_has(connection, ddl->config, row, &known));
	if (known)
		return NULL;
	/* What this transaction wrote so far: afterwards the tables are what our own steps make of them. */
	TRY(binding_cache_require(ddl->cache, connection));
	if (change->operation != CHANGE_READ)
		error = follow(ddl, connection, row, transaction, &report);
	metric_add(METRIC_DDL_STEPS, report.executed);
	if (report.executed > 0)
		log_info("schema change: %s of %s %s.%s: %zu steps", row->tag, row->kind_name, row->name.schema,
		         row->name.name, report.executed);
	buffer_append_text(&report.steps, report.steps.length == 0 ? "{}" : "}");
	if (error == NULL && strcmp(row->event, "rewrite") != 0)
		error =
		    ddl_history_add(connection, ddl->config, row, transaction, report.steps.data, report.maintained);
	buffer_free(&report.steps);
	if (error == NULL && report.executed > 0)
		error = binding_cache_refresh(ddl->cache, connection);
	return error;
}

struct error *ddl_apply(struct ddl *ddl, struct pg_connection *connection, const struct transaction *transaction,
                        const struct change *change)
{
	struct ddl_row row;

	if (change->operation != CHANGE_INSERT && change->operation != CHANGE_READ)
		return NULL; /* the log is pruned */
	if (ddl->arena == NULL)
		ddl->arena = arena_new();
	arena_reset(ddl->arena);
	TRY(ddl_row_read(change, ddl->arena, &row));
	return apply_row(ddl, connection, transaction, change, &row);
}

struct error *ddl_make_early(struct ddl *ddl, struct pg_connection *connection, const struct transaction *transaction,
                             const struct relation *relation, bool *made)
{
	*made = false;
	if (ddl->arena == NULL)
		ddl->arena = arena_new();
	for (size_t i = 0; i < transaction->change_count; i++) {
		const struct change *change = transaction->changes[i];
		struct ddl_row row;

		if (!ddl_is_log(change->relation) || change->operation != CHANGE_INSERT)
			continue;
		arena_reset(ddl->arena);
		TRY(ddl_row_read(change, ddl->arena, &row));
		if ((strcmp(row.tag, "CREATE TABLE AS") != 0 && strcmp(row.tag, "SELECT INTO") != 0) ||
		    strcmp(row.name.schema, relation->schema) != 0 || strcmp(row.name.name, relation->table) != 0)
			continue;
		*made = true;
		return apply_row(ddl, connection, transaction, change, &row);
	}
	return NULL;
}

/* A second look at a table that we made gives it its keys, when all tables are there that it may refer to. */
static struct error *make_one(struct ddl *ddl, struct pg_connection *connection, const struct object_image *image,
                              bool fresh, enum difference_next *next, struct report *report)
{
	const struct object_image *ruled = ddl_ruled_image(ddl->config, image, ddl->arena);
	struct difference difference = {.after = ruled,
	                                .fresh = fresh,
	                                .target_version = pg_server_version(connection)};
	struct step *steps;

	TRY(ddl_target_image(connection, ddl->config, ruled->kind, &ruled->name, ddl->arena, &difference.target));
	if (!fresh && difference.target != NULL)
		return NULL;
	TRY(difference_steps(&difference, ddl->arena, &steps, next));
	return run_steps(ddl, connection, steps, report);
}

struct error *ddl_make_missing(struct ddl *ddl, struct pg_connection *connection,
                               const struct object_image *const *images, size_t count, size_t *made)
{
	struct report report = {0};
	enum difference_next *next = memory_alloc((count + 1) * sizeof(*next));
	struct error *error = NULL;

	if (ddl->arena == NULL)
		ddl->arena = arena_new();
	for (size_t i = 0; i < count && error == NULL; i++) {
		if (images[i]->kind == OBJECT_TABLE &&
		    config_table_rule(ddl->config, images[i]->name.schema, images[i]->name.name)->exclude)
			continue;
		error = make_one(ddl, connection, images[i], false, &next[i], &report);
	}
	for (size_t i = 0; i < count && error == NULL; i++) {
		enum difference_next ignored;

		if (next[i] == DIFFERENCE_FRESH)
			error = make_one(ddl, connection, images[i], true, &ignored, &report);
	}
	*made = report.executed;
	buffer_free(&report.steps);
	free(next);
	return error;
}

struct error *ddl_run(struct ddl *ddl, struct pg_connection *connection, const struct step *steps, char **done,
                      size_t *executed)
{
	struct report report = {0};
	struct error *error = run_steps(ddl, connection, steps, &report);

	buffer_append_text(&report.steps, report.steps.length == 0 ? "{}" : "}");
	*done = buffer_steal(&report.steps);
	*executed = report.executed;
	return error;
}

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

/* Not done yet: a drop of what another object depends on, which may go, too; the last time this is final. */
static struct error *finish_sql(struct pg_connection *connection, struct put_off *one, const char *sql, bool last)
{
	struct error *error = execute_checked(connection, sql);
	bool needed = error != NULL && is_needed(error) && one->kind != PUT_OFF_AFTERWARDS;
	bool tolerated =
	    error != NULL && !heals(connection, error) &&
	    (one->kind == PUT_OFF_AFTERWARDS || (needed && (!last || one->kind == PUT_OFF_TOLERATED_DROP)));

	one->done = !needed || last;
	if (!tolerated)
		return error_wrap(error, "a step of the schema change cannot be done: %s", sql);
	if (one->done)
		log_warning("schema change: left out, the target does not permit it: %s: %s%s", sql, error->message,
		            needed ? "" : "; rows of the new values are missing");
	error_free(error);
	return NULL;
}

static struct error *finish_one(struct pg_connection *connection, struct put_off *one, bool last)
{
	struct error *error = NULL;
	char *sql;

	TRY(late_sql(connection, one, &sql));
	one->done = sql == NULL;
	if (sql != NULL)
		error = finish_sql(connection, one, sql, last);
	free(sql);
	return error;
}

static struct error *finish_round(struct ddl *ddl, struct pg_connection *connection, bool last, size_t *left)
{
	for (size_t i = 0; i < ddl->put_off_count; i++) {
		if (ddl->put_off[i].done)
			continue;
		TRY(finish_one(connection, &ddl->put_off[i], last));
		*left -= ddl->put_off[i].done;
	}
	return NULL;
}

/* As many rounds as help: each drop may be what another one waits for. */
struct error *ddl_finish(struct ddl *ddl, struct pg_connection *connection)
{
	size_t left = ddl->put_off_count;

	for (bool last = false; left > 0;) {
		size_t before = left;

		TRY(finish_round(ddl, connection, last, &left));
		last = left == before;
	}
	return ddl->put_off_count > 0 ? binding_cache_refresh(ddl->cache, connection) : NULL;
}
