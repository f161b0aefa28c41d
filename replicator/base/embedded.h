/* embedded.h - the files of sql/ that the build compiled into the program (sql/embed.sh). Constant; any thread. */
#ifndef REPLICATOR_BASE_EMBEDDED_H
#define REPLICATOR_BASE_EMBEDDED_H

#include <stddef.h>

struct embedded_file {
	const char *path; /* "sql/target/001_state.sql" */
	const char *data; /* zero-terminated */
	size_t length;
};

extern const struct embedded_file embedded_files[]; /* sorted by path */
extern const size_t embedded_file_count;

#endif
