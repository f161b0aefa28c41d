/* result.c - rows that a query gave. */
#include "pg/internal.h"

#include <stdlib.h>

size_t pg_result_rows(const struct pg_result *result)
{
	return (size_t)PQntuples(result->handle);
}

size_t pg_result_columns(const struct pg_result *result)
{
	return (size_t)PQnfields(result->handle);
}

const char *pg_result_column_name(const struct pg_result *result, size_t column)
{
	return PQfname(result->handle, (int)column);
}

bool pg_result_is_null(const struct pg_result *result, size_t row, size_t column)
{
	return PQgetisnull(result->handle, (int)row, (int)column) != 0;
}

const char *pg_result_text(const struct pg_result *result, size_t row, size_t column)
{
	return PQgetvalue(result->handle, (int)row, (int)column);
}

int64_t pg_result_integer(const struct pg_result *result, size_t row, size_t column)
{
	return strtoll(pg_result_text(result, row, column), NULL, 10);
}

int pg_result_type_modifier(const struct pg_result *result, size_t column)
{
	return PQfmod(result->handle, (int)column);
}

void pg_result_free(struct pg_result *result)
{
	if (result == NULL)
		return;
	PQclear(result->handle);
	free(result);
}
