/* stream_connector.c - see stream_connector.h */
#include "connect/stream_connector.h"

#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "connect/capture_list.h"
#include "pg/dsn.h"

#define DEFAULT_PORT "5432"

bool stream_connector_is_configuration(const json_t *answer)
{
	return capture_setting(answer, "connector.class", NULL) != NULL;
}

const char *stream_connector_problem(const json_t *answer, const struct config *config, struct arena *arena)
{
	const char *prefix = capture_setting(answer, "topic.prefix", "");
	const char *expected = config->kafka.topic_prefix != NULL ? config->kafka.topic_prefix : "";

	if (!stream_connector_is_configuration(answer))
		return "the answer at connect.url is not the configuration of a connector: it has no connector.class";
	if (prefix[0] == '\0' || strcmp(prefix, expected) != 0)
		return arena_format(
		    arena,
		    "connector %s has topic.prefix=%s and this stream has kafka.topic_prefix = \"%s\", so "
		    "it is not known to be the connector of this stream",
		    config->connect.connector, prefix, expected);
	return NULL;
}

/* False where one of them is not known: not set, or a reference that only the worker resolves ("${file:…}"). */
static bool differs(const char *theirs, const char *ours, int (*compare)(const char *, const char *))
{
	return theirs[0] != '\0' && ours != NULL && strstr(theirs, "${") == NULL && compare(theirs, ours) != 0;
}

struct error *stream_connector_check(const json_t *connector, const struct config *config,
                                     void (*tell)(void *context, bool problem, const char *text), void *context)
{
	const char *host = capture_setting(connector, "database.hostname", "");
	const char *port = capture_setting(connector, "database.port", DEFAULT_PORT);
	const char *dbname = capture_setting(connector, "database.dbname", "");
	struct buffer text = {0};
	struct pg_dsn dsn;

	if (config->source.dsn == NULL)
		return NULL;
	TRY(pg_dsn_read(config->source.dsn, &dsn));
	if (differs(host, dsn.host, strcasecmp) || differs(dbname, dsn.dbname, strcmp) ||
	    (host[0] != '\0' && dsn.host != NULL &&
	     differs(port, dsn.port != NULL ? dsn.port : DEFAULT_PORT, strcmp))) {
		buffer_append_format(
		    &text,
		    "the connector has database.hostname=%s, database.port=%s, database.dbname=%s, and source.dsn has "
		    "host=%s, port=%s, dbname=%s: if these are two databases, then the checks and `check_target` read "
		    "another source than the stream",
		    host, port, dbname, dsn.host != NULL ? dsn.host : "", dsn.port != NULL ? dsn.port : DEFAULT_PORT,
		    dsn.dbname != NULL ? dsn.dbname : "");
		tell(context, false, text.data);
	}
	buffer_free(&text);
	pg_dsn_free(&dsn);
	return NULL;
}
