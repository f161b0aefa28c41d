/*
 * md5.h - the MD5 digest (RFC 1321), for names only: Debezium makes the placeholder of an unchanged uuid[] from it.
 */
#ifndef REPLICATOR_EVENT_MD5_H
#define REPLICATOR_EVENT_MD5_H

#include "base/slice.h"

#include <stdint.h>

void md5_digest(struct slice text, uint8_t digest[16]);

#endif
