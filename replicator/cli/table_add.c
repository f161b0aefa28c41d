/*
 * table_add.c - `replicator table add TABLE`: a table of the source joins the stream, with the rows that it has.
 *
 * NOTES
 *   In this order, so that no event comes before it can be taken: the table in the target, as the source's image shows
 *   it; the publication; the connector's include list, which restarts its task; then the rows, as `table resync` has
 *   them. Each step looks at what is there already, so that the command can be run again after it failed on the way.
 */
#include "cli/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/exit_code.h"
#include "base/signals.h"
#include "base/text.h"
#include "check/resync.h"
#include "connect/capture_list.h"
#include "connect/connector.h"
#include "pg/connection.h"
#include "pg/migration.h"
#include "pg/sql.h"
#include "target/ddl.h"

#define POLL_MS 300

struct table_add {
	const struct table_request *request;
	const char *connector;
	struct pg_connection *source;
	json_t *settings; /* the connector's */
	char *name;       /* schema.table */
};

/* What a table of the source needs in the target, in the order of their dependencies: $1 schema, $2 name. */
static const char IMAGES_SQL[] =
    "WITH RECURSIVE tables AS ("
    " SELECT c.oid, c.relnamespace, 0 AS depth FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    "  WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')"
    " UNION SELECT c.oid, c.relnamespace, t.depth + 1 FROM tables t JOIN pg_inherits i ON i.inhparent = t.oid"
    "  JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition),"
    " types AS (SELECT DISTINCT CASE WHEN y.typelem <> 0 AND y.typlen = -1 THEN y.typelem ELSE y.oid END AS oid"
    "  FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped"
    "  JOIN pg_type y ON y.oid = a.atttypid),"
    " own AS (SELECT y.oid, y.typnamespace, d.refobjid AS extension FROM types JOIN pg_type y USING (oid)"
    "  LEFT JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = y.oid AND d.deptype = 'e'"
    "  WHERE y.typnamespace <> 'pg_catalog'::regnamespace)"
    "SELECT image FROM ("
    " SELECT 1, replicator.object_image('schema', s.oid) FROM (SELECT relnamespace AS oid FROM tables"
    "  UNION SELECT typnamespace FROM own WHERE extension IS NULL) s"
    " UNION ALL SELECT 2, replicator.object_image('extension', extension) FROM own WHERE extension IS NOT NULL"
    " UNION ALL SELECT 3, replicator.object_image('type', oid) FROM own WHERE extension IS NULL"
    " UNION ALL SELECT 4 + depth, replicator.object_image('table', oid) FROM tables) o (rank, image)"
    " WHERE image IS NOT NULL ORDER BY rank";

static struct error *check_source(struct table_add *add)
{
	const struct table_request *request = add->request;
	const char *const names[2] = {request->schema, request->table};
	int64_t found;

	if (config_table_rule(request->config, request->schema, request->table)->exclude)
		return error_new(
		    ERROR_CONFIGURATION,
		    "a rule of tables in %s excludes %s: take it out of the rule, and start the daemon again",
		    request->config->file, add->name);
	TRY(pg_query_integer(
	    add->source,
	    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1"
	    " AND c.relname = $2 AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p'",
	    2, names, 0, &found));
	if (found == 0)
		return error_new(ERROR_CONFIGURATION,
		                 "%s: there is no table %s that could be captured (temporary and unlogged ones cannot)",
		                 pg_description(add->source), add->name);
	TRY(migration_trust(add->source, config_source_schema));
	TRY(pg_query_integer(add->source,
	                     "SELECT (to_regprocedure('replicator.capture_table(name,regclass)') IS NOT NULL)::int", 0,
	                     NULL, 0, &found));
	if (found != 1)
		return error_new(ERROR_CONFIGURATION, "%s: our schema is not there; run `replicator init source` first",
		                 pg_description(add->source));
	return NULL;
}

static struct error *read_images(struct table_add *add, struct arena *arena, const struct object_image ***images,
                                 size_t *count)
{
	const char *const parameters[2] = {add->request->schema, add->request->table};
	struct pg_result *result = NULL;
	struct error *error = NULL;

	*count = 0;
	TRY(pg_query(add->source, IMAGES_SQL, 2, parameters, &result));
	*images = arena_alloc(arena, (pg_result_rows(result) + 1) * sizeof(**images));
	for (; error == NULL && *count < pg_result_rows(result); (*count)++) {
		const char *json = pg_result_text(result, *count, 0);

		error = object_image_parse(json, strlen(json), arena, &(*images)[*count]);
	}
	pg_result_free(result);
	return error;
}

static struct error *make_table(struct table_add *add)
{
	struct binding_cache *cache = binding_cache_new(add->request->config);
	struct ddl *ddl = ddl_new(cache);
	struct arena *arena = arena_new();
	struct pg_connection *target = NULL;
	const struct object_image **images;
	size_t count, made = 0;
	struct error *error = read_images(add, arena, &images, &count);

	if (error == NULL)
		error = pg_connect(add->request->config->target.dsn, "replicator table", &target);
	if (error == NULL)
		error = pg_execute(target, "BEGIN");
	if (error == NULL)
		error = ddl_make_missing(ddl, target, images, count, &made);
	if (error == NULL)
		error = pg_execute(target, "COMMIT");
	if (error == NULL)
		printf(made > 0 ? "target: table %s is made\n" : "target: table %s is there\n", add->name);
	pg_disconnect(target);
	arena_free(arena);
	ddl_free(ddl);
	binding_cache_free(cache);
	return error_wrap(error, "making %s in the target", add->name);
}

static struct error *publish(struct table_add *add)
{
	const struct table_request *request = add->request;
	const char *publication = capture_setting(add->settings, "publication.name", "dbz_publication");
	const char *const parameters[3] = {publication, request->schema, request->table};
	const bool disabled =
	    strcmp(capture_setting(add->settings, "publication.autocreate.mode", "all_tables"), "disabled") == 0;
	int64_t has;

	TRY(pg_query_integer(
	    add->source,
	    "SELECT (p.puballtables OR EXISTS (SELECT FROM pg_publication_tables t WHERE t.pubname = $1"
	    " AND t.schemaname = $2 AND t.tablename = $3) OR EXISTS (SELECT FROM pg_publication_rel r"
	    " WHERE r.prpubid = p.oid AND r.prrelid = format('%I.%I', $2::text, $3::text)::regclass))::int"
	    " FROM pg_publication p WHERE p.pubname = $1",
	    3, parameters, -1, &has));
	if (has < 0 && disabled)
		return error_new(ERROR_CONFIGURATION,
		                 "the source has no publication %s, and the connector does not make it "
		                 "(publication.autocreate.mode=disabled): `replicator init source` does",
		                 publication);
	if (has < 0) {
		printf("publication %s: the connector makes it as it starts\n", publication);
		return NULL;
	}
	if (has == 0)
		TRY(error_wrap(
		    pg_query(add->source,
		             "SELECT replicator.capture_table($1, format('%I.%I', $2::text, $3::text)::regclass)", 3,
		             parameters, NULL),
		    "the role of source.dsn must own publication %s and table %s; let their owner have it", publication,
		    add->name));
	printf(has == 0 ? "publication %s: %s joined it\n" : "publication %s: %s is in it\n", publication, add->name);
	return NULL;
}

static struct error *check_excluded(struct table_add *add, const char *key, const char *name)
{
	const char *list = capture_setting(add->settings, key, NULL);
	int match = 0;

	if (list != NULL)
		TRY(capture_list_matches(add->source, list, name, &match));
	if (match == 1)
		return error_new(ERROR_CONFIGURATION,
		                 "connector %s: its setting %s leaves %s out; take it out there (`replicator connector "
		                 "update`), and try again",
		                 add->connector, key, name);
	return NULL;
}

/* `connector update` makes the include list anew from the settings. */
static void say_settings(const struct table_add *add)
{
	const struct config *config = add->request->config;

	if (config->connect.table_count > 0)
		printf("add \"%s\" to connect.tables in %s: `replicator connector update` takes its list from there\n",
		       add->name, config->file);
}

/* Where there is a list, and nothing in it matches, the name joins it. */
static struct error *include(struct table_add *add, const char *key, const char *name, bool *changed)
{
	const char *list = capture_setting(add->settings, key, NULL);
	struct buffer pattern = {0};
	int match = 1;

	if (list != NULL)
		TRY(capture_list_matches(add->source, list, name, &match));
	if (match == 1)
		return NULL;
	text_append_pattern(&pattern, name);
	json_object_set_new(add->settings, key, json_sprintf("%s,%s", list, pattern.data));
	buffer_free(&pattern);
	*changed = true;
	say_settings(add);
	printf("connector %s: %s joins its %s\n", add->connector, name, key);
	return NULL;
}

/* The process that sends to the connector; 0: it does not stream. */
static struct error *read_sender(struct table_add *add, int64_t *pid)
{
	const char *const slot[1] = {capture_setting(add->settings, "slot.name", "debezium")};

	return pg_query_integer(add->source,
	                        "SELECT coalesce(active_pid, 0) FROM pg_replication_slots WHERE slot_name = $1", 1,
	                        slot, 0, pid);
}

/* The connector streams again, as another process of the source. */
static struct error *await_restart(struct table_add *add, int64_t before)
{
	int64_t since = clock_monotonic_us(), pid = before;

	while (!signals_stop_requested() && (pid == before || pid == 0)) {
		if (clock_monotonic_us() - since > add->request->timeout_us)
			return error_new(
			    ERROR_CONFIGURATION,
			    "connector %s does not stream again within the time: look at `replicator connector "
			    "status`, then run this again",
			    add->connector);
		clock_sleep_ms(POLL_MS);
		TRY(read_sender(add, &pid));
	}
	return NULL;
}

static struct error *capture(struct table_add *add)
{
	const struct table_request *request = add->request;
	bool changed = false;
	int64_t sender;

	TRY(check_excluded(add, "table.exclude.list", add->name));
	TRY(check_excluded(add, "schema.exclude.list", request->schema));
	TRY(publish(add));
	TRY(include(add, "schema.include.list", request->schema, &changed));
	TRY(include(add, "table.include.list", add->name, &changed));
	if (!changed) {
		printf("connector %s: its lists have %s\n", add->connector, add->name);
		return NULL;
	}
	TRY(read_sender(add, &sender));
	TRY(connector_call(request->config, "PUT", add->connector, "/config", add->settings, NULL));
	return await_restart(add, sender);
}

/* The connector's role reads the rows and, where it keeps the publication by itself, owns the table. */
static struct error *check_right(struct table_add *add)
{
	const char *role = capture_setting(add->settings, "database.user", "");
	const char *const parameters[3] = {role, add->request->schema, add->request->table};
	const bool keeps =
	    strcmp(capture_setting(add->settings, "publication.autocreate.mode", "all_tables"), "filtered") == 0;
	int64_t may;

	TRY(pg_query_integer(
	    add->source,
	    "SELECT CASE WHEN NOT has_table_privilege(r.oid, c.oid, 'SELECT') THEN 0"
	    " WHEN pg_has_role(r.oid, c.relowner, 'MEMBER') THEN 2 ELSE 1 END FROM pg_roles r, pg_class c"
	    " WHERE r.rolname = $1 AND c.oid = format('%I.%I', $2::text, $3::text)::regclass",
	    3, parameters, -1, &may));
	if (may == 1 && keeps)
		return error_new(
		    ERROR_CONFIGURATION,
		    "the connector's role %s does not own %s, and its setting publication.autocreate.mode=filtered "
		    "has it publish its tables itself: ALTER TABLE %s OWNER TO %s, or to a role that it is a "
		    "member of",
		    role, add->name, add->name, role);
	if (may == 0)
		return error_new(
		    ERROR_CONFIGURATION,
		    "the connector's role %s may not read %s: GRANT SELECT ON %s TO %s, and USAGE on its schema", role,
		    add->name, add->name, role);
	return NULL;
}

static struct error *run(struct table_add *add)
{
	const struct table_request *request = add->request;

	if (add->connector == NULL)
		return error_new(ERROR_CONFIGURATION,
		                 "%s: connect.connector is not set: which connector shall capture it?",
		                 request->config->file);
	TRY(pg_connect(request->config->source.dsn, "replicator table", &add->source));
	TRY(check_source(add));
	TRY(connector_call(request->config, "GET", add->connector, "/config", NULL, &add->settings));
	TRY(check_right(add));
	TRY(make_table(add));
	return capture(add);
}

struct error *table_add(const struct table_request *request, int *code)
{
	struct table_add add = {.request = request, .connector = request->config->connect.connector};
	enum exit_code verdict = EXIT_UNCHECKED;
	struct buffer name = {0};
	struct error *error;

	buffer_append_format(&name, "%s.%s", request->schema, request->table);
	add.name = name.data;
	error = run(&add);
	fflush(stdout);
	json_decref(add.settings);
	pg_disconnect(add.source);
	if (error == NULL)
		error = resync_table(request->config, request->schema, request->table, false, request->timeout_us,
		                     stdout, &verdict);
	*code = (int)verdict;
	buffer_free(&name);
	return error;
}
