/*
 * spill_file.h - an unnamed file that is appended to through a buffer and read at any place. Internal to the spill. No
 * locking. Each function returns false with errno set when the system refuses.
 */
#ifndef REPLICATOR_STREAM_SPILL_FILE_H
#define REPLICATOR_STREAM_SPILL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spill_file {
	int handle; /* -1: not open */
	char *buffer;
	size_t capacity;
	size_t buffered;
	uint64_t written; /* bytes in the file; those in the buffer come behind them */
};

bool spill_file_open(struct spill_file *file, const char *dir, size_t buffer_bytes);
void spill_file_close(struct spill_file *file); /* also of one that is not open */
uint64_t spill_file_size(const struct spill_file *file);
bool spill_file_append(struct spill_file *file, const void *data, size_t bytes);
bool spill_file_flush(struct spill_file *file); /* before anything is read */
void spill_file_clear(struct spill_file *file); /* begins anew at its start */
/* *got less than `bytes`: the file ends there. */
bool spill_file_read(const struct spill_file *file, void *data, size_t bytes, uint64_t place, size_t *got);

#endif
