/*
 * registry.c - a schema registry for tests: registry PORT avro-schemas.json
 *
 * Answers GET …/schemas/ids/ID with what the file holds under ID, to those who know the password (golden:gate).
 */
#include "../unit/http_server.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int answer(const char *request, struct buffer *body, void *schemas)
{
	const char *path = strstr(request, "/schemas/ids/");
	char id[16] = "";
	const json_t *found;
	char *text;

	if (strstr(request, "Authorization: Basic Z29sZGVuOmdhdGU=\r\n") == NULL)
		return 401;
	if (path == NULL || sscanf(path, "/schemas/ids/%15[0-9] ", id) != 1)
		return 404;
	found = json_object_get(schemas, id);
	if (found == NULL) {
		buffer_append_text(body, "{\"error_code\":40403,\"message\":\"Schema not found\"}");
		return 404;
	}
	text = json_dumps(found, JSON_COMPACT);
	buffer_append_text(body, text);
	free(text);
	return 200;
}

int main(int argc, char **argv)
{
	json_error_t problem;
	json_t *schemas;

	if (argc != 3) {
		fprintf(stderr, "usage: registry PORT SCHEMAS.json\n");
		return 2;
	}
	schemas = json_load_file(argv[2], 0, &problem);
	if (schemas == NULL) {
		fprintf(stderr, "registry: %s: %s\n", argv[2], problem.text);
		return 1;
	}
	http_server_start(atoi(argv[1]), answer, schemas);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
