/* session_options.c - see session_options.h */
#include "connect/session_options.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "connect/capture_list.h"

#define BLANKS " \t\r\n"

typedef void tell_function(void *context, bool problem, const char *text);

/* A setting of the connector that has settings of its sessions. */
struct origin {
	const char *name;
	const char *sessions;
	tell_function *tell;
	void *context;
};

static bool is_whole(const char *value)
{
	return strcasecmp(value, "postgres") == 0;
}

static bool is_exact(const char *value)
{
	char *end;
	const long digits = strtol(value, &end, 10);

	return end != value && *end == '\0' && digits >= 1;
}

static bool is_hex(const char *value)
{
	return strcasecmp(value, "hex") == 0;
}

/* As in sql/checks/capture.sql. */
static bool is_plain_money(const char *value)
{
	static const char *const locales[] = {"C", "POSIX", "en_US"};

	for (size_t i = 0; i < sizeof(locales) / sizeof(*locales); i++) {
		const size_t length = strlen(locales[i]);

		if (strncasecmp(value, locales[i], length) == 0 && (value[length] == '\0' || value[length] == '.'))
			return true;
	}
	return false;
}

static const struct {
	const char *name;
	bool (*is_right)(const char *value);
	const char *effect;
} judged[] = {
    {"intervalstyle", is_whole, "values of type interval arrive as others"},
    {"extra_float_digits", is_exact, "values of type real and double precision are rounded"},
    {"bytea_output", is_hex, "the connector fails at a value of type bytea"},
    {"lc_monetary", is_plain_money, "the connector fails at a value of type money"},
};

/* They change no value. */
static const char *const harmless[] = {"statement_timeout",
                                       "lock_timeout",
                                       "idle_in_transaction_session_timeout",
                                       "idle_session_timeout",
                                       "application_name",
                                       "work_mem",
                                       "temp_buffers",
                                       "max_parallel_workers_per_gather",
                                       "wal_sender_timeout",
                                       "tcp_keepalives_idle",
                                       "tcp_keepalives_interval",
                                       "tcp_keepalives_count",
                                       NULL};

static void judge(const struct origin *origin, const char *name, const char *value)
{
	struct buffer text = {0};
	size_t i = 0, j = 0;

	while (i < sizeof(judged) / sizeof(*judged) && strcmp(judged[i].name, name) != 0)
		i++;
	while (harmless[j] != NULL && strcmp(harmless[j], name) != 0)
		j++;
	if (i < sizeof(judged) / sizeof(*judged) && !judged[i].is_right(value)) {
		buffer_append_format(&text,
		                     "the connector has %s, which sets %s to %s in %s, whatever its role has: %s; "
		                     "remove it there",
		                     origin->name, name, value, origin->sessions, judged[i].effect);
		origin->tell(origin->context, true, text.data);
	} else if (i == sizeof(judged) / sizeof(*judged) && harmless[j] == NULL) {
		buffer_append_format(
		    &text,
		    "the connector has %s, which sets %s in %s: whether that changes values is not known "
		    "to this program",
		    origin->name, name, origin->sessions);
		origin->tell(origin->context, false, text.data);
	}
	buffer_free(&text);
}

static void tell_other(const struct origin *origin, const char *what)
{
	struct buffer text = {0};

	buffer_append_format(&text,
	                     "the connector has %s, which %s: whether that changes values is not known to this program",
	                     origin->name, what);
	origin->tell(origin->context, false, text.data);
	buffer_free(&text);
}

/* The name as in pg_settings; a value without its quotes. Both are changed in place. */
static void judge_assignment(const struct origin *origin, char *name, char *value)
{
	size_t length = strlen(value);

	for (char *at = name; *at != '\0'; at++)
		*at = *at == '-' ? '_' : (char)tolower((unsigned char)*at);
	if (length >= 2 && strchr("'\"", value[0]) != NULL && value[length - 1] == value[0]) {
		value[length - 1] = '\0';
		value++;
	}
	judge(origin, name, value);
}

/* --- options of the server's command line ------------------------------------------------------------------------- */

/* Cuts the next option from the text: blanks separate, a backslash keeps one. NULL: there is none. */
static char *take_option(char **text)
{
	char *from = *text + strspn(*text, BLANKS), *to = from, *option = from;

	if (*from == '\0')
		return NULL;
	while (*from != '\0' && strchr(BLANKS, *from) == NULL) {
		if (from[0] == '\\' && from[1] != '\0')
			from++;
		*to++ = *from++;
	}
	*text = *from == '\0' ? from : from + 1;
	*to = '\0';
	return option;
}

/* "-c name=value", "-cname=value" and "--name=value". */
static void check_options(const struct origin *origin, const char *list)
{
	char *copy = memory_copy_text(list), *rest = copy, *option;

	while ((option = take_option(&rest)) != NULL) {
		char *assignment = strncmp(option, "-c", 2) == 0 || strncmp(option, "--", 2) == 0 ? option + 2 : NULL;
		char *equals;

		if (assignment != NULL && *assignment == '\0')
			assignment = take_option(&rest);
		equals = assignment != NULL ? strchr(assignment, '=') : NULL;
		if (equals == NULL) {
			tell_other(origin, "has other options than -c NAME=VALUE");
			break;
		}
		*equals = '\0';
		judge_assignment(origin, assignment, equals + 1);
	}
	free(copy);
}

/* --- statements --------------------------------------------------------------------------------------------------- */

static bool take_word(char **text, const char *word)
{
	char *start = *text + strspn(*text, BLANKS);
	const size_t length = strlen(word);

	if (strncasecmp(start, word, length) != 0 || isalnum((unsigned char)start[length]) || start[length] == '_')
		return false;
	*text = start + length;
	return true;
}

/* SET [SESSION|LOCAL] name {TO|=} value; false: it is something else. */
static bool check_set(const struct origin *origin, char *statement)
{
	char *name, *value, *end;

	if (!take_word(&statement, "SET"))
		return false;
	if (!take_word(&statement, "SESSION"))
		take_word(&statement, "LOCAL");
	name = statement + strspn(statement, BLANKS);
	end = name;
	while (isalnum((unsigned char)*end) || *end == '_' || *end == '.')
		end++;
	value = end + strspn(end, BLANKS);
	if (*value == '=')
		value++;
	else if (!take_word(&value, "TO"))
		return false;
	value += strspn(value, BLANKS);
	for (char *last = value + strlen(value); last > value && strchr(BLANKS, last[-1]) != NULL;)
		*--last = '\0';
	if (end == name)
		return false;
	*end = '\0';
	judge_assignment(origin, name, value);
	return true;
}

/* Semicolons separate statements; Debezium takes two of them for one in a statement, which no SET here has. */
static void check_statements(const struct origin *origin, const char *list)
{
	char *copy = memory_copy_text(list), *rest = copy, *statement;
	bool other = false;

	while ((statement = strsep(&rest, ";")) != NULL)
		if (statement[strspn(statement, BLANKS)] != '\0' && !check_set(origin, statement))
			other = true;
	if (other)
		tell_other(origin, "runs other statements than SET");
	free(copy);
}

void session_options_check(const json_t *connector, void (*tell)(void *context, bool problem, const char *text),
                           void *context)
{
	static const char *const options[] = {"driver.options", "database.options"};
	const struct origin statements = {"database.initial.statements", "the sessions of its snapshots", tell,
	                                  context};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		const struct origin origin = {options[i], "its sessions", tell, context};

		check_options(&origin, capture_setting(connector, options[i], ""));
	}
	check_statements(&statements, capture_setting(connector, statements.name, ""));
}
