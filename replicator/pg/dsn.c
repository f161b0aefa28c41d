/* dsn.c - see dsn.h */
#include "pg/dsn.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "pg/internal.h"

struct error *pg_dsn_read(const char *text, struct pg_dsn *dsn)
{
	char *message = NULL;
	PQconninfoOption *options = PQconninfoParse(text, &message);

	*dsn = (struct pg_dsn){0};
	if (options == NULL) {
		struct error *error = pg_error_of_dsn(message != NULL ? message : "");

		PQfreemem(message);
		return error;
	}
	for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
		const struct {
			const char *keyword;
			char **field;
		} wanted[] = {{"host", &dsn->host},
		              {"port", &dsn->port},
		              {"dbname", &dsn->dbname},
		              {"user", &dsn->user},
		              {"password", &dsn->password},
		              {"sslmode", &dsn->sslmode},
		              {"sslrootcert", &dsn->sslrootcert}};

		for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
			if (option->val != NULL && strcmp(wanted[i].keyword, option->keyword) == 0)
				*wanted[i].field = memory_copy_text(option->val);
		}
	}
	PQconninfoFree(options);
	return NULL;
}

void pg_dsn_free(struct pg_dsn *dsn)
{
	if (dsn->password != NULL)
		explicit_bzero(dsn->password, strlen(dsn->password));
	free(dsn->host);
	free(dsn->port);
	free(dsn->dbname);
	free(dsn->user);
	free(dsn->password);
	free(dsn->sslmode);
	free(dsn->sslrootcert);
	*dsn = (struct pg_dsn){0};
}
