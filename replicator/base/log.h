/*
 * log.h - lines for people or for machines on standard error.
 *
 * Text: `2026-01-31T12:00:00.123Z INFO  message`; JSON: one object a line with ts, level, msg.
 * Never a row's values, never a secret (law 10). Thread: any; a line is written with one write().
 */
#ifndef REPLICATOR_BASE_LOG_H
#define REPLICATOR_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

void log_configure(enum log_level lowest, bool json);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...)                                                                                                 \
	do {                                                                                                           \
		if (log_enabled(LOG_DEBUG))                                                                            \
			log_write(LOG_DEBUG, __VA_ARGS__);                                                             \
	} while (0)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
