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
#include "target/ddl_steps.h"
#include "target/ddl_types.h"
#include "target/ddl_functions.h"
#include "target/mixed.h"
#include "target/rules.h"
#include "target/unverified.h"

#include <stdlib.h>
#include <string.h>

struct ddl {
	struct binding_cache *cache;
	const struct config *config;
	struct arena *arena;
	struct ddl_steps *steps;
	uint64_t lsn; /* of the transaction */
	bool any;     /* an object was changed */
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
	ddl->steps = ddl_steps_new(ddl->config);
	return ddl;
}

void ddl_free(struct ddl *ddl)
{
	ddl_steps_free(ddl->steps);
	arena_free(ddl->arena);
	free(ddl);
}

/* `after` by the rules; NULL: the object was dropped. */
static struct error *run_steps(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                               const struct object_image *after, const struct step *steps, struct ddl_report *report)
{
	const struct ddl_subject subject = {{object_kind_name(row->kind), row->relid, row->name}, after, ddl->lsn};

	return ddl_steps_run(ddl->steps, connection, &subject, steps, report);
}

/* The name of `before` now: its schema may have another one since. */
static struct error *current_name(struct ddl *ddl, struct pg_connection *connection, const struct object_image *before,
                                  const struct object_image *after, bool by_name, struct object_name *name)
{
	*name = before == NULL ? after->name : before->name;
	if (before == NULL || by_name ||
	    (before->schema_oid == after->schema_oid && strcmp(before->name.schema, after->name.schema) == 0))
		return NULL;
	return ddl_history_schema(connection, ddl->config, before, ddl->arena, &name->schema);
}

/* Under its new name, else under the one that it has by the images before. `old` is the source's. */
static struct error *find_target(struct ddl *ddl, struct pg_connection *connection, struct difference *difference,
                                 const struct object_name *old)
{
	const struct object_image *after = difference->after;
	struct object_name there = *old;

	TRY(ddl_target_image(connection, ddl->config, after->kind, &after->name, ddl->arena, &difference->target));
	if (difference->target != NULL || difference->before == NULL || difference->by_name)
		return NULL;
	if (after->kind == OBJECT_TABLE)
		there = ddl_ruled_name(ddl->config, old, ddl->arena);
	return ddl_target_image(connection, ddl->config, after->kind, &there, ddl->arena, &difference->target);
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
static struct step *leave_shared(struct step *steps, struct ddl_report *report)
{
	struct step **link = &steps;

	while (*link != NULL) {
		if ((*link)->kind == STEP_ADD_COLUMN) {
			link = &(*link)->next;
			continue;
		}
		log_warning("schema change: left out, other sources share the table: %s", (*link)->sql);
		ddl_report_note(report, "-- left out, shared: ", (*link)->sql);
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
                          struct ddl_report *report)
{
	const struct table_name name = {row->name.schema, row->name.name};
	struct table_name *others = NULL;
	size_t count = 0;

	if (row->kind == OBJECT_TABLE)
		TRY(mixed_tables(connection, ddl->config, &name, ddl->arena, &others, &count));
	if (count == 0)
		return run_steps(ddl, connection, row, NULL, drop_steps(ddl, row), report);
	log_warning(
	    "schema change: DROP TABLE %s.%s is left out: the target's table holds rows of %s.%s as well, and no "
	    "source_column tells which of them go; remove those that should go by hand, or give the tables a "
	    "source_column in `tables`",
	    name.schema, name.table, others[0].schema, others[0].table);
	ddl_report_note(report, "-- left out, the target's table holds rows of another one: ", "DROP TABLE");
	return NULL;
}

/* Round by round: what a round made is part of what the next one finds. */
static struct error *follow_rounds(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                   struct difference *difference, struct ddl_report *report)
{
	const bool lacks = difference->target == NULL;
	enum difference_next next;

	do {
		struct step *steps;

		TRY(difference_steps(difference, ddl->arena, &steps, &next));
		if (difference->target != NULL && !difference->fresh && row->kind == OBJECT_TABLE &&
		    is_shared(ddl, row))
			steps = leave_shared(steps, report);
		TRY(run_steps(ddl, connection, row, difference->after, steps, report));
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

/* Whether the column comes with a default that may need a function; a constant that older rows have is none. */
static bool has_open_default(const struct difference *difference, const struct column_definition *column)
{
	return column->initial != NULL && strchr(column->initial, '(') != NULL && column->generated == '\0' &&
	       column->identity == '\0' && column->sequence == NULL &&
	       object_column(difference->target, column->name) == NULL;
}

/* The image without such defaults, or NULL: it has none. Rows of the target do not get their values. */
static const struct object_image *without_defaults(const struct difference *difference, struct arena *arena)
{
	const struct object_image *after = difference->after;
	struct object_image *copy = arena_alloc(arena, sizeof(*copy));
	struct column_definition *columns = arena_alloc_zeroed(arena, (after->column_count + 1) * sizeof(*columns));
	bool any = false;

	*copy = *after;
	copy->columns = columns;
	for (size_t i = 0; i < after->column_count; i++) {
		columns[i] = after->columns[i];
		if (!has_open_default(difference, &columns[i]))
			continue;
		any = true;
		columns[i].initial = NULL;
		columns[i].not_null = columns[i].not_null && columns[i].missing != NULL;
	}
	return any ? copy : NULL;
}

/* The defaults, and NOT NULL of the same columns: each is executed, or left out. */
static struct error *complete_columns(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                      const struct object_image *after, const struct object_image *reduced,
                                      struct ddl_report *report)
{
	static const enum part_kind kinds[] = {PART_DEFAULT, PART_NOT_NULL};
	const struct object_image *target;

	TRY(ddl_target_image(connection, ddl->config, row->kind, &after->name, ddl->arena, &target));
	for (size_t i = 0; target != NULL && i < after->column_count; i++) {
		for (size_t k = 0;
		     after->columns[i].initial != reduced->columns[i].initial && k < sizeof(kinds) / sizeof(*kinds);
		     k++) {
			struct part part = {.kind = kinds[k], .id = (uint64_t)after->columns[i].attnum};
			struct step step;

			if (part_look(after, target, part, ddl->arena, &step) == PART_LACKING)
				TRY(run_steps(ddl, connection, row, after, &step, report));
		}
	}
	return NULL;
}

/* Whether rows that are there do not get their value of a column. */
static bool lacks_values(const struct object_image *after, const struct object_image *reduced)
{
	for (size_t i = 0; i < after->column_count; i++)
		if (after->columns[i].initial != reduced->columns[i].initial && after->columns[i].missing == NULL)
			return true;
	return false;
}

/* A table or column whose default needs a function that the target lacks is created without the default. */
static struct error *follow_without_defaults(struct ddl *ddl, struct pg_connection *connection,
                                             const struct ddl_row *row, struct difference *difference,
                                             const struct object_image *reduced, struct ddl_report *report)
{
	const struct object_image *after = difference->after;

	if (difference->target != NULL && lacks_values(after, reduced))
		TRY(unverified_mark(connection, ddl->config, row->name.schema, row->name.name, UNVERIFIED_REWRITTEN,
		                    ddl->lsn, 0, NULL));
	if (difference->target != NULL)
		TRY(ddl_target_image(connection, ddl->config, row->kind, &after->name, ddl->arena,
		                     &difference->target));
	difference->after = reduced;
	TRY(follow_rounds(ddl, connection, row, difference, report));
	return complete_columns(ddl, connection, row, after, reduced, report);
}

static struct error *follow_difference(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                       struct difference *difference, struct ddl_report *report)
{
	struct error *error = follow_rounds(ddl, connection, row, difference, report);
	const struct object_image *reduced;

	if (error == NULL || row->kind != OBJECT_TABLE || strcmp(error->sqlstate, "42883") != 0 ||
	    pg_is_broken(connection))
		return error;
	reduced = without_defaults(difference, ddl->arena);
	if (reduced == NULL)
		return error;
	error_free(error);
	return follow_without_defaults(ddl, connection, row, difference, reduced, report);
}

static bool same_names(const struct object_name *a, const struct object_name *b)
{
	return strcmp(a->schema, b->schema) == 0 && strcmp(a->name, b->name) == 0;
}

/* The names of schemas are in the names of tables, and so in rules. */
static struct error *check_schema(const struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                  const struct difference *difference)
{
	const struct object_image *before = difference->by_name ? NULL : difference->before;

	if (before == NULL && (difference->target != NULL || strcmp(row->tag, "ALTER SCHEMA") != 0))
		return NULL;
	if (before != NULL && strcmp(before->name.name, row->name.name) == 0)
		return NULL;
	TRY(ddl_hidden_check_schema(ddl->config, before == NULL ? NULL : before->name.name, row->name.name));
	return before == NULL ? NULL : ddl_mark_move_schema(connection, ddl->config, before->name.name, row->name.name);
}

/* A type that no captured table needs does not stop the stream: what it lacks may never come. */
static struct error *follow_type(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                 struct difference *difference, struct ddl_report *report)
{
	const bool lacks = difference->target == NULL;
	struct error *error = follow_difference(ddl, connection, row, difference, report);

	if (error == NULL || !lacks || !ddl_types_may_wait(connection, error))
		return error;
	log_info("schema change: type %s.%s is not created before a captured table needs it: %s", row->name.schema,
	         row->name.name, error->message);
	ddl_report_note(report, "-- not created before a captured table needs it: ", "CREATE TYPE");
	error_free(error);
	return NULL;
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
                                     struct difference *difference, const struct object_name *old,
                                     struct ddl_report *report)
{
	struct step *steps, **link = &steps;
	enum difference_next next;
	bool own;

	if (row->kind != OBJECT_TABLE || row->published || difference->before == NULL || difference->by_name ||
	    difference->before->parent_count == 0)
		return NULL;
	TRY(ddl_own_read(connection, ddl->config, row, &own));
	TRY(find_target(ddl, connection, difference, old));
	if (!own || difference->target == NULL)
		return NULL;
	TRY(difference_steps(difference, ddl->arena, &steps, &next));
	while (*link != NULL)
		if ((*link)->kind == STEP_PARTITION)
			link = &(*link)->next;
		else
			*link = (*link)->next;
	return run_steps(ddl, connection, row, difference->after, steps, report);
}

static struct error *follow_image(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                  const struct transaction *transaction, struct ddl_report *report)
{
	struct difference difference = {.target_version = pg_server_version(connection)};
	const struct object_image *before, *after;
	struct object_name old;

	if (row->image == NULL)
		return error_new(ERROR_EVENT, "row %s of the DDL log has no image", row->id);
	TRY(object_image_parse(row->image, strlen(row->image), ddl->arena, &difference.after));
	if (difference.after == NULL)
		return error_new(ERROR_EVENT, "row %s of the DDL log has no image", row->id);
	TRY(ddl_history_last(connection, ddl->config, row, ddl->arena, &difference.before, &difference.by_name));
	before = difference.before;
	after = difference.after;
	TRY(current_name(ddl, connection, before, after, difference.by_name, &old));
	difference.before = ddl_ruled_image(ddl->config, before, ddl->arena);
	difference.after = ddl_ruled_image(ddl->config, after, ddl->arena);
	if (left_out(ddl, row))
		return follow_detached(ddl, connection, row, &difference, &old, report);
	TRY(ddl_hidden_check(ddl->config, before, after));
	if (row->kind == OBJECT_TABLE && !difference.by_name && !same_names(&old, &after->name))
		TRY(ddl_mark_move(connection, ddl->config, &old, &after->name));
	if (before == NULL)
		TRY(ddl_steps_make_way(ddl->steps, connection, row->id, difference.after, ddl->arena));
	TRY(find_target(ddl, connection, &difference, &old));
	if (row->kind == OBJECT_TABLE)
		TRY(ddl_hidden_check_unknown(connection, ddl->config, row, before, after, difference.target));
	else if (row->kind == OBJECT_SCHEMA)
		TRY(check_schema(ddl, connection, row, &difference));
	if (row->kind == OBJECT_TYPE && difference.target == NULL)
		return follow_type(ddl, connection, row, &difference, report);
	if (row->kind == OBJECT_TABLE || row->kind == OBJECT_TYPE)
		TRY(ddl_types_create_needed(ddl->steps, connection, ddl->config, difference.after, ddl->arena, report));
	TRY(follow_difference(ddl, connection, row, &difference, report));
	return row->kind == OBJECT_TABLE && report->maintained && !ddl_row_creates(row)
	           ? mark_older(ddl, connection, row, transaction)
	           : NULL;
}

/* What the target has under the name of a dropped object, and the stream neither created nor wrote, is somebody else's. */
static struct error *leave_foreign(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                   struct ddl_report *report)
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
	ddl_report_note(report, "-- left out, not of this stream: DROP ", row->kind_name);
	return NULL;
}

static struct error *follow_drop(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                 struct ddl_report *report)
{
	TRY(ddl_own_read(connection, ddl->config, row, &report->maintained));
	if (row->kind == OBJECT_TABLE)
		TRY(ddl_mark_move(connection, ddl->config, &row->name, NULL));
	if (left_out(ddl, row))
		return NULL;
	return report->maintained ? drop(ddl, connection, row, report) : leave_foreign(ddl, connection, row, report);
}

static struct error *follow(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                            const struct transaction *transaction, struct ddl_report *report)
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

/* The definitions of functions that are missing are part of the remedy. */
static struct error *explain_functions(struct pg_connection *connection, const struct config *config,
                                       const struct ddl_row *row, struct error *error)
{
	char *hint, *message;

	if (error == NULL || strcmp(error->sqlstate, "42883") != 0 || pg_is_broken(connection))
		return error;
	hint = ddl_functions_hint(connection, config, row->relid);
	message = memory_format("%s; %s", error->message, hint);
	free(error->message);
	error->message = message;
	free(hint);
	return error;
}

static struct error *add_history(struct ddl *ddl, struct pg_connection *connection, const struct ddl_row *row,
                                 const struct transaction *transaction, const struct ddl_report *report)
{
	const struct ddl_outcome outcome = {.steps = report->steps.data,
	                                    .executed = report->executed,
	                                    .maintained = report->maintained,
	                                    .target = row->kind == OBJECT_TABLE
	                                                  ? ddl_ruled_name(ddl->config, &row->name, ddl->arena)
	                                                  : row->name};

	if (report->executed > 0)
		metric_add(METRIC_SCHEMA_CHANGES, 1);
	return ddl_history_add(connection, ddl->config, row, transaction, &outcome);
}

/* The first row of a log that was installed again, or of a copy of the database: the changes before it were not logged. */
static struct error *begin_log(struct ddl *ddl, struct pg_connection *connection, const struct transaction *transaction)
{
	log_warning("schema change: the source's log of schema changes begins from scratch; changes since the last one "
	            "that was followed are unknown: all tables are unverified until a comparison finds them equal");
	TRY(ddl_history_cut(connection, ddl->config));
	return unverified_mark_all(connection, ddl->config, UNVERIFIED_UNLOGGED_CHANGE, transaction->commit_lsn);
}

static struct error *apply_row(struct ddl *ddl, struct pg_connection *connection, const struct transaction *transaction,
                               const struct change *change, struct ddl_row *row)
{
	struct ddl_report report = {0};
	struct error *error = NULL;
	bool known, other_log;

	TRY(ddl_history_has(connection, ddl->config, row, &known, &other_log));
	if (known)
		return NULL;
	if (other_log)
		TRY(begin_log(ddl, connection, transaction));
	if (row->part != NULL)
		TRY(ddl_part_add(connection, ddl->config, ddl->arena, row));
	if (row->part != NULL && row->image == NULL)
		return NULL;
	/* What this transaction wrote so far: afterwards the tables are what our own steps make of them. */
	TRY(binding_cache_require(ddl->cache, connection));
	ddl->lsn = transaction->commit_lsn;
	if (change->operation != CHANGE_READ)
		error =
		    explain_functions(connection, ddl->config, row, follow(ddl, connection, row, transaction, &report));
	metric_add(METRIC_DDL_STEPS, report.executed);
	if (report.executed > 0)
		log_info("schema change: %s of %s %s.%s: %zu steps", row->tag, row->kind_name, row->name.schema,
		         row->name.name, report.executed);
	buffer_append_text(&report.steps, report.steps.length == 0 ? "{}" : "}");
	if (error == NULL && strcmp(row->event, "rewrite") != 0)
		error = add_history(ddl, connection, row, transaction, &report);
	buffer_free(&report.steps);
	ddl->any = ddl->any || report.executed > 0;
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
		TRY(apply_row(ddl, connection, transaction, change, &row));
		*made = row.part == NULL || row.image != NULL;
		if (*made)
			return NULL;
	}
	return NULL;
}

/* A second look at a table that we made gives it its keys, when all tables are there that it may refer to. */
static struct error *make_one(struct ddl *ddl, struct pg_connection *connection, const struct object_image *image,
                              bool fresh, enum difference_next *next, struct ddl_report *report)
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
	return ddl_steps_run(ddl->steps, connection, NULL, steps, report);
}

struct error *ddl_make_missing(struct ddl *ddl, struct pg_connection *connection,
                               const struct object_image *const *images, size_t count, size_t *made)
{
	struct ddl_report report = {0};
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
	struct ddl_report report = {0};
	struct error *error = ddl_steps_run(ddl->steps, connection, NULL, steps, &report);

	buffer_append_text(&report.steps, report.steps.length == 0 ? "{}" : "}");
	*done = buffer_steal(&report.steps);
	*executed = report.executed;
	return error;
}

struct error *ddl_finish(struct ddl *ddl, struct pg_connection *connection)
{
	bool any;

	TRY(ddl_steps_finish(ddl->steps, connection, &any));
	if (any || ddl->any)
		TRY(left_out_make_due(connection, ddl->config));
	return any ? binding_cache_refresh(ddl->cache, connection) : NULL;
}
