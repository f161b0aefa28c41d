/* spill_file.c - see spill_file.h */
#include "stream/spill_file.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file without a name; where the file system has no O_TMPFILE, one whose name is gone at once. */
static int open_unnamed(const char *dir)
{
	int file = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
	char *name;

	if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
		return file;
	name = memory_format("%s/replicator-spill-XXXXXX", dir);
	file = mkostemp(name, O_CLOEXEC);
	if (file >= 0)
		unlink(name);
	free(name);
	return file;
}

bool spill_file_open(struct spill_file *file, const char *dir, size_t buffer_bytes)
{
	*file = (struct spill_file){.handle = open_unnamed(dir), .capacity = buffer_bytes};
	if (file->handle < 0)
		return false;
	file->buffer = memory_alloc(buffer_bytes);
	return true;
}

void spill_file_close(struct spill_file *file)
{
	if (file->handle >= 0)
		close(file->handle);
	free(file->buffer);
	*file = (struct spill_file){.handle = -1};
}

uint64_t spill_file_size(const struct spill_file *file)
{
	return file->written + file->buffered;
}

static bool write_whole(struct spill_file *file, const void *data, size_t bytes)
{
	for (const char *from = data; bytes > 0;) {
		ssize_t written = pwrite(file->handle, from, bytes, (off_t)file->written);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		from += written;
		file->written += (uint64_t)written;
		bytes -= (size_t)written;
	}
	return true;
}

bool spill_file_flush(struct spill_file *file)
{
	if (!write_whole(file, file->buffer, file->buffered))
		return false;
	file->buffered = 0;
	return true;
}

bool spill_file_append(struct spill_file *file, const void *data, size_t bytes)
{
	if (file->buffered + bytes > file->capacity && !spill_file_flush(file))
		return false;
	if (bytes > file->capacity)
		return write_whole(file, data, bytes);
	memcpy(file->buffer + file->buffered, data, bytes);
	file->buffered += bytes;
	return true;
}

void spill_file_clear(struct spill_file *file)
{
	file->buffered = 0;
	file->written = 0;
}

bool spill_file_read(const struct spill_file *file, void *data, size_t bytes, uint64_t place, size_t *got)
{
	*got = 0;
	while (*got < bytes) {
		ssize_t count = pread(file->handle, (char *)data + *got, bytes - *got, (off_t)(place + *got));

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return false;
		if (count == 0)
			break;
		*got += (size_t)count;
	}
	return true;
}
