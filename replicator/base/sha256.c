/* sha256.c - see sha256.h */
#include "base/sha256.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

void sha256_text(struct slice first, struct slice second, char *text)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(context, first.data, first.length) != 1 ||
	    EVP_DigestUpdate(context, second.data, second.length) != 1 ||
	    EVP_DigestFinal_ex(context, digest, &length) != 1 || length * 2 != SHA256_TEXT) {
		fputs("libcrypto cannot make a SHA-256 digest: out of memory, or its configuration forbids it\n",
		      stderr);
		abort(); /* as memory_alloc: no value may pass unmasked */
	}
	EVP_MD_CTX_free(context);
	for (unsigned int i = 0; i < length; i++) {
		text[2 * i] = digits[digest[i] >> 4];
		text[2 * i + 1] = digits[digest[i] & 15];
	}
}
