/*
 * dsn.h - the parts of a libpq connection string, for those who hand them to another program (the connector).
 * Thread: any. Texts are owned: pg_dsn_free. NULL: the string does not say it (nor do libpq's defaults).
 */
#ifndef REPLICATOR_PG_DSN_H
#define REPLICATOR_PG_DSN_H

#include "base/error.h"

struct pg_dsn {
	char *host;
	char *port;
	char *dbname;
	char *user;
	char *password;
	char *sslmode;
	char *sslrootcert;
};

/* ERROR_CONFIGURATION when libpq cannot read it. */
struct error *pg_dsn_read(const char *text, struct pg_dsn *dsn);
void pg_dsn_free(struct pg_dsn *dsn); /* what it holds */

#endif
