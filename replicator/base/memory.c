/* memory.c - see memory.h */
#include "base/memory.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit_code.h"

/* Writes without allocating: there is nothing left to allocate from. */
static _Noreturn void out_of_memory(void)
{
	static const char text[] =
	    "out of memory: the program ends; it continues at its checkpoint when it is started again\n";
	ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)written;
	_exit(EXIT_SYSTEM);
}

void memory_configure(void)
{
	(void)mallopt(M_ARENA_MAX, 2);
	(void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
}

void *memory_alloc(size_t size)
{
	void *block = calloc(1, size == 0 ? 1 : size);

	if (block == NULL)
		out_of_memory();
	return block;
}

void *memory_grow(void *block, size_t count, size_t size)
{
	size_t bytes;
	void *grown;

	if (__builtin_mul_overflow(count, size, &bytes))
		out_of_memory();
	grown = realloc(block, bytes == 0 ? 1 : bytes);
	if (grown == NULL)
		out_of_memory();
	return grown;
}

char *memory_copy_text(const char *text)
{
	return text == NULL ? NULL : memory_copy_bytes(text, strlen(text));
}

char *memory_copy_bytes(const char *data, size_t length)
{
	char *copy = memory_grow(NULL, length + 1, 1);

	if (length > 0)
		memcpy(copy, data, length);
	copy[length] = '\0';
	return copy;
}

char *memory_format(const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		out_of_memory();
	return text;
}
