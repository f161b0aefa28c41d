/* connector.h - what the files of `replicator connector` share. Thread: main's. */
#ifndef REPLICATOR_CLI_CONNECTOR_H
#define REPLICATOR_CLI_CONNECTOR_H

#include <stdio.h>

#include "cli/command.h"
#include "connect/connector.h"
#include "connect/definition.h"
#include "pg/connection.h"
#include "pg/sql.h"

struct connector_request {
	const struct config *config;
	const char *name; /* of the connector */
	const char *file; /* of a definition; NULL: made from the settings */
	bool print;
	bool unchecked;
	bool all;
	bool with_slot;
	const char *slot; /* that the operator names */
	bool reset;
	bool trace;
};

struct connector_verb {
	const char *name;
	struct error *(*run)(const struct connector_request *request);
	enum { NAME_NONE, NAME_CONNECTOR, NAME_FILE } takes; /* what its one word is */
};

/* connector_delete.c */
struct error *connector_delete(const struct connector_request *request);

/* connector_print.c: to standard output; secrets in settings are hidden, control characters are escaped. */
void connector_print_line(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
void connector_print_json(const json_t *json);
void connector_print_config(const json_t *config);
void connector_print_difference(const char *name, const json_t *before, const json_t *after);
size_t connector_print_validation(const char *name, const json_t *answer); /* how many problems */
void connector_print_list(const json_t *answer);
void connector_print_status(const char *name, const struct connector_status *status);

#endif
