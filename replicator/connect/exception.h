/*
 * exception.h - what a Java stack trace of the connector says, in one line and without values of rows.
 *
 * NOTES
 *   The message of an exception may hold a value that the connector could not convert: `NumberFormatException: For input
 *   string: "4111 …"`. Law 10 forbids such texts in the log, on the page and in `status`. There is no rule by which a
 *   value in a message could be recognised, so that the other way round is taken: a message is shown when it begins as
 *   one of those that are known to name only servers, settings and objects of a database. Of any other exception the
 *   class is shown, and where it was thrown. Lines of a message after its first are never shown.
 *
 * Source: java.lang.Throwable, printStackTrace.
 *
 * Thread: any.
 */
#ifndef REPLICATOR_CONNECT_EXCEPTION_H
#define REPLICATOR_CONNECT_EXCEPTION_H

/* The causes, separated by "; ", without characters that a terminal would obey (base/text.h), in memory that the caller frees; NULL: the trace is NULL or empty. */
char *exception_text(const char *trace);

#endif
