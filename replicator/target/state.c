/* state.c - see state.h. */
#include "target/state.h"

#include "pg/sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct number number_of(int64_t value)
{
	struct number number;

	snprintf(number.text, sizeof(number.text), "%" PRId64, value);
	return number;
}

char *state_storable(const char *text)
{
	struct buffer hex = {0};

	if (text == NULL)
		return NULL;
	buffer_append_text(&hex, "\\x");
	for (; *text != '\0'; text++)
		buffer_append_format(&hex, "%02x", (unsigned char)*text);
	return buffer_steal(&hex);
}

void state_append_sql(struct buffer *sql, const struct config *config, const char *text)
{
	for (const char *at; (at = strchr(text, '@')) != NULL; text = at + 1) {
		buffer_append(sql, text, (size_t)(at - text));
		sql_append_identifier(sql, config->target.schema);
		buffer_append_byte(sql, '.');
	}
	buffer_append_text(sql, text);
}

struct error *state_query(struct pg_connection *connection, const struct config *config, const char *text,
                          size_t parameter_count, const char *const *parameters, struct pg_result **result)
{
	struct buffer sql = {0};
	struct error *error;

	state_append_sql(&sql, config, text);
	error = pg_query_prepared(connection, sql.data, parameter_count, parameters, result);
	buffer_free(&sql);
	return error;
}

struct error *state_exists(struct pg_connection *connection, const struct config *config, const char *text,
                           size_t parameter_count, const char *const *parameters, bool *exists)
{
	struct pg_result *result = NULL;

	TRY(state_query(connection, config, text, parameter_count, parameters, &result));
	*exists = pg_result_rows(result) > 0;
	pg_result_free(result);
	return NULL;
}
