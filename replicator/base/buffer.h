/* buffer.h - growing bytes. `data` is always zero-terminated once something was appended. One owner. */
#ifndef REPLICATOR_BASE_BUFFER_H
#define REPLICATOR_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

struct buffer {
	char *data;
	size_t length;
	size_t capacity;
};

void buffer_reserve(struct buffer *buffer, size_t more); /* room for `more` bytes and a terminating zero */
void buffer_append(struct buffer *buffer, const char *data, size_t length);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_format_v(struct buffer *buffer, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
void buffer_append_format(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_reset(struct buffer *buffer); /* empties, keeps the memory */
void buffer_free(struct buffer *buffer);
char *buffer_steal(struct buffer *buffer); /* the caller frees the text; the buffer is empty */

static inline void buffer_append_byte(struct buffer *buffer, char byte)
{
	if (buffer->length + 1 >= buffer->capacity)
		buffer_reserve(buffer, 1);
	buffer->data[buffer->length++] = byte;
	buffer->data[buffer->length] = '\0';
}

#endif
