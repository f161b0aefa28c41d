/* clock.h - time. Wall clock for people, monotonic for waiting. */
#ifndef REPLICATOR_BASE_CLOCK_H
#define REPLICATOR_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_monotonic_us(void);
int64_t clock_wall_us(void);           /* since 1970 */
void clock_sleep_ms(int milliseconds); /* returns early on a signal */
/* `2026-01-31T12:00:00.123Z`; text holds at least 32 bytes. */
void clock_format_utc(int64_t wall_us, char *text, size_t size);

#endif
