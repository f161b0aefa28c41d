/*
 * sha256.h - the SHA-256 digest (FIPS 180-4), by OpenSSL's libcrypto, the same as PostgreSQL's sha256(). Thread: any.
 */
#ifndef REPLICATOR_BASE_SHA256_H
#define REPLICATOR_BASE_SHA256_H

#include "base/slice.h"

#define SHA256_TEXT 64 /* hexadecimal digits */

/* The digest of the two parts one behind the other, as SHA256_TEXT lower-case digits; no terminating zero. */
void sha256_text(struct slice first, struct slice second, char *text);

#endif
