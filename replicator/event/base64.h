/* base64.h - RFC 4648: bytes as text, as Kafka Connect's JSON converter writes them. */
#ifndef REPLICATOR_EVENT_BASE64_H
#define REPLICATOR_EVENT_BASE64_H

#include "base/slice.h"

#include <stdint.h>

#define BASE64_ENCODED_SIZE(length) (((length) + 2) / 3 * 4)
#define BASE64_DECODED_SIZE(length) ((length) / 4 * 3 + 3)

/* Writes BASE64_ENCODED_SIZE(bytes.length) bytes; returns their number. */
size_t base64_encode(struct slice bytes, char *out);

/*
 * Decodes with or without padding, in the usual or in the URL-safe alphabet; `out` has room for
 * BASE64_DECODED_SIZE(text.length) bytes. False: no base64.
 */
bool base64_decode(struct slice text, uint8_t *out, size_t *length);

#endif
