/*
 * sql.h - the SQL door: the one place where names become SQL text (law 6). Values never do; they travel as parameters.
 * Thread: any.
 */
#ifndef REPLICATOR_PG_SQL_H
#define REPLICATOR_PG_SQL_H

#include "base/buffer.h"

/* Appends the name as a quoted identifier: a"b becomes "a""b". */
void sql_append_identifier(struct buffer *sql, const char *name);
/* Appends "schema"."table". */
void sql_append_qualified(struct buffer *sql, const char *schema, const char *table);
/* Appends a text literal 'it''s'; only for names and settings in statements that take no parameters. */
void sql_append_literal(struct buffer *sql, const char *text);

/*
 * Appends the text that the output function of the expression's type makes, as COPY and the events have it; NULL stays
 * NULL. A cast to text is not that: it may be a function of the type's owner, it takes the blanks from char(n), and it
 * adds the length to an inet. `expression` is evaluated twice.
 */
void sql_append_output(struct buffer *sql, const char *expression);

/* One element of an array literal or COPY line. */
void sql_append_array_element(struct buffer *array, const char *data, size_t length); /* "…" quoted where needed */
void sql_append_copy_field(struct buffer *line, const char *data, size_t length);     /* COPY text format escapes */

#endif
