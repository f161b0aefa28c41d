/* refusals.c - what is wrong with the text of a setting; see settings.h. */
#include <ctype.h>
#include <regex.h>
#include <string.h>

#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"

/* PostgreSQL cuts longer names (NAMEDATALEN). */
#define IDENTIFIER_BYTES 63

/* Debezium, RelationalDatabaseConnectorConfig: hexadecimal digits follow it. */
#define HEX_PREFIX "hex:"

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
	if (problem == NULL && strcmp(text, "public") == 0)
		problem = "the state tables need a schema of their own; tables of the source in a schema of this name "
		          "would be "
		          "left out";
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

static int hex_digit(char c)
{
	const char *const digits = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, tolower((unsigned char)c));

	return at == NULL ? -1 : (int)(at - digits);
}

static const char *read_hex(const char *digits, struct buffer *bytes)
{
	for (; digits[0] != '\0'; digits += 2) {
		const int high = hex_digit(digits[0]);
		const int low = high < 0 ? -1 : hex_digit(digits[1]);

		if (low < 0)
			return "after hex: it takes pairs of hexadecimal digits";
		buffer_append_byte(bytes, (char)(high << 4 | low));
	}
	return NULL;
}

const char *config_read_placeholder(const char *setting, struct buffer *bytes)
{
	const char *problem = NULL;

	if (setting == NULL || setting[0] == '\0')
		setting = CONFIG_PLACEHOLDER_DEFAULT;
	if (strncmp(setting, HEX_PREFIX, strlen(HEX_PREFIX)) == 0)
		problem = read_hex(setting + strlen(HEX_PREFIX), bytes);
	else
		buffer_append_text(bytes, setting);
	if (problem == NULL && bytes->length == 0)
		return "it is empty";
	if (problem == NULL && !text_is_utf8(bytes->data, bytes->length))
		return "its bytes are not a text in UTF-8, of which the connector would make another one";
	return problem;
}

const char *refuse_placeholder(const char *text)
{
	struct buffer bytes = {0};
	const char *problem = *text == '\0' ? "it is empty" : config_read_placeholder(text, &bytes);

	buffer_free(&bytes);
	return problem;
}

const char *refuse_added_field(const char *text)
{
	const char *problem = refuse_empty(text);

	if (problem == NULL && strpbrk(text, ", :") != NULL)
		problem = "it takes one field, like \"source.lsn\"; new names (with a colon) are not supported";
	return problem;
}
