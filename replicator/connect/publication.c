/* publication.c - see publication.h */
#include "connect/publication.h"

#include <string.h>

#include "base/buffer.h"
#include "connect/capture_list.h"

#define MOST_NAMES 10

struct check {
	const json_t *connector;
	const char *name; /* of the publication */
	const char *mode; /* publication.autocreate.mode */
	void (*tell)(const struct connector_finding *finding, void *context);
	void *context;
};

static void tell_finding(const struct check *check, bool problem, const struct buffer *text, const char *remedy)
{
	const struct connector_finding finding = {.problem = problem, .text = text->data, .remedy = remedy};

	check->tell(&finding, check->context);
}

static void tell_operations(const struct check *check, const char *quoted, const char *missing)
{
	struct buffer text = {0}, remedy = {0};

	buffer_append_format(&text, "publication %s does not publish %s: these changes never arrive", check->name,
	                     missing);
	buffer_append_format(&remedy, "ALTER PUBLICATION %s SET (publish = 'insert, update, delete, truncate')",
	                     quoted);
	tell_finding(check, true, &text, remedy.data);
	buffer_free(&text);
	buffer_free(&remedy);
}

static void tell_absent(const struct check *check)
{
	struct buffer text = {0};

	if (strcmp(check->mode, "no_tables") != 0)
		return;
	buffer_append_format(
	    &text,
	    "the source has no publication %s, and publication.autocreate.mode=no_tables: the connector "
	    "creates it without tables, and no change arrives",
	    check->name);
	tell_finding(check, true, &text, "create it with the tables, or set publication.autocreate.mode=filtered");
	buffer_free(&text);
}

/* Only a list that the user wrote says that the tables are wanted. */
static bool names_tables(const json_t *connector)
{
	return capture_setting(connector, "table.include.list", NULL) != NULL ||
	       capture_setting(connector, "schema.include.list", NULL) != NULL;
}

static void tell_tables(const struct check *check, const char *quoted, const struct buffer *names)
{
	const bool filtered = strcmp(check->mode, "filtered") == 0;
	struct buffer text = {0}, remedy = {0};

	buffer_append_format(
	    &text,
	    "publication %s does not have %s, which the lists of the connector let through: a snapshot "
	    "sends their rows, and none of their later changes arrives",
	    check->name, names->data);
	if (filtered)
		buffer_append_text(&remedy,
		                   "the connector adds them at its next start (`replicator connector restart`)");
	else
		buffer_append_format(&remedy,
		                     "ALTER PUBLICATION %s ADD TABLE %s, or exclude them by table.exclude.list", quoted,
		                     names->data);
	tell_finding(check, !filtered && names_tables(check->connector), &text, remedy.data);
	buffer_free(&text);
	buffer_free(&remedy);
}

static void check_tables(const struct check *check, const struct config *config, const char *quoted,
                         const struct pg_result *rows)
{
	struct buffer names = {0};
	size_t count = 0;

	for (size_t i = 0; i < pg_result_rows(rows); i++) {
		const char *schema = pg_result_text(rows, i, 0), *table = pg_result_text(rows, i, 1);

		if (config != NULL && config_table_rule(config, schema, table)->exclude)
			continue;
		if (count++ < MOST_NAMES)
			buffer_append_format(&names, "%s%s", count > 1 ? ", " : "", pg_result_text(rows, i, 2));
	}
	if (count > MOST_NAMES)
		buffer_append_format(&names, " and %zu more", count - MOST_NAMES);
	if (count > 0)
		tell_tables(check, quoted, &names);
	buffer_free(&names);
}

struct error *publication_check(struct pg_connection *source, const json_t *connector, const struct config *config,
                                void (*tell)(const struct connector_finding *finding, void *context), void *context)
{
	static const char sql[] =
	    "SELECT quote_ident(pubname), concat_ws(', ', CASE WHEN NOT pubinsert THEN 'insert' END,"
	    " CASE WHEN NOT pubupdate THEN 'update' END, CASE WHEN NOT pubdelete THEN 'delete' END,"
	    " CASE WHEN NOT pubtruncate THEN 'truncate' END) FROM pg_publication WHERE pubname = $1";
	const struct check check = {connector, capture_setting(connector, "publication.name", "dbz_publication"),
	                            capture_setting(connector, "publication.autocreate.mode", "all_tables"), tell,
	                            context};
	struct pg_result *publication = NULL, *tables = NULL;
	struct error *error;

	if (strcmp(capture_setting(connector, "plugin.name", "pgoutput"), "pgoutput") != 0)
		return NULL; /* it has no publication */
	TRY(pg_query(source, sql, 1, &check.name, &publication));
	if (pg_result_rows(publication) == 0) {
		tell_absent(&check);
		pg_result_free(publication);
		return NULL;
	}
	if (*pg_result_text(publication, 0, 1) != '\0')
		tell_operations(&check, pg_result_text(publication, 0, 0), pg_result_text(publication, 0, 1));
	error = capture_list_unpublished(source, connector, &tables);
	if (error == NULL && tables != NULL) /* else expressions that only Java knows */
		check_tables(&check, config, pg_result_text(publication, 0, 0), tables);
	pg_result_free(tables);
	pg_result_free(publication);
	return error;
}
