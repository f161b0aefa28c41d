/* fuzz_config.c - a configuration file: settings, or an error that names the file. */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int file = -1;
	static char path[64];
	struct config *config;
	struct error *error;

	if (memmem(data, size, "@include", 8) != NULL) /* other files are not its business */
		return 0;
	if (file < 0) {
		file = memfd_create("config", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	}
	if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
		abort();
	error = config_load(path, &config);
	if (error != NULL && strstr(error->message, path) == NULL)
		abort();
	if (error == NULL)
		config_free(config);
	error_free(error);
	return 0;
}
