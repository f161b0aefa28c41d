/* refusals.c - what is wrong with the text of a setting; see settings.h. */
#include <regex.h>
#include <string.h>

#include "config/settings.h"

/* PostgreSQL cuts longer names (NAMEDATALEN). */
#define IDENTIFIER_BYTES 63

const char *refuse_empty(const char *text)
{
	return *text == '\0' ? "it is empty" : NULL;
}

const char *refuse_identifier(const char *text)
{
	return strlen(text) > IDENTIFIER_BYTES ? "a PostgreSQL name has at most 63 bytes" : NULL;
}

const char *refuse_schema(const char *text)
{
	const char *problem = refuse_empty(text);

	if (problem == NULL && strncmp(text, "pg_", 3) == 0)
		problem = "PostgreSQL keeps the prefix pg_ for itself";
	return problem != NULL ? problem : refuse_identifier(text);
}

const char *refuse_topic(const char *text)
{
	regex_t pattern;

	if (*text != '^')
		return refuse_empty(text);
	if (regcomp(&pattern, text, REG_EXTENDED | REG_NOSUB) != 0)
		return "it is not a POSIX extended regular expression";
	regfree(&pattern);
	return NULL;
}

/* The stream's guarantees rest on these; the program sets them itself. */
static const char *const own_properties[] =
    {"bootstrap.servers", "metadata.broker.list", "group.id",   "enable.auto.commit",  "enable.auto.offset.store",
     "auto.offset.reset", "isolation.level",      "check.crcs", "enable.partition.eof"};

const char *refuse_property(const char *text)
{
	size_t length = strcspn(text, "=");

	if (length == 0 || text[length] == '\0')
		return "it has not the form key=value";
	for (size_t i = 0; i < sizeof(own_properties) / sizeof(*own_properties); i++) {
		if (strlen(own_properties[i]) == length && strncmp(own_properties[i], text, length) == 0)
			return "the program sets this property itself, its guarantees rest on it";
	}
	return NULL;
}

const char *refuse_url(const char *text)
{
	return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0
	           ? NULL
	           : "it does not begin with http:// or https://";
}
