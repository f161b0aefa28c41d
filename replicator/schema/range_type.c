/* range_type.c - CREATE TYPE ... AS RANGE. See steps.h. */
#include "schema/steps.h"

static void append_option(struct buffer *sql, const char *option, const char *value)
{
	if (value != NULL)
		sql_write(sql, ", %s = %s", option, value);
}

void range_write(struct buffer *sql, const struct object_image *after)
{
	const struct range_definition *range = &after->range;

	sql_write(sql, "CREATE TYPE %Q AS RANGE (SUBTYPE = %s", &after->name, range->subtype);
	append_option(sql, "SUBTYPE_OPCLASS", range->opclass);
	append_option(sql, "COLLATION", range->collation);
	append_option(sql, "CANONICAL", range->canonical);
	append_option(sql, "SUBTYPE_DIFF", range->diff);
	if (range->multirange != NULL)
		sql_write(sql, ", MULTIRANGE_TYPE_NAME = %I.%I", after->name.schema, range->multirange);
	buffer_append_byte(sql, ')');
}
