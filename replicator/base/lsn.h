/* lsn.h - PostgreSQL log positions as text `16/B374D848` (datatype pg_lsn). */
#ifndef REPLICATOR_BASE_LSN_H
#define REPLICATOR_BASE_LSN_H

#include <stdbool.h>
#include <stdint.h>

#define LSN_TEXT_SIZE 20

void lsn_format(uint64_t lsn, char text[LSN_TEXT_SIZE]);
bool lsn_parse(const char *text, uint64_t *lsn);

#endif
