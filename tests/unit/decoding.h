/*
 * decoding.h - a decoder and the memory that it writes to, fresh for each test, and words for decoding one message.
 * All static inline, as in postgres.h; a test includes it once.
 */
#ifndef TESTS_UNIT_DECODING_H
#define TESTS_UNIT_DECODING_H

#include "event/decoder.h"

#include <check.h>
#include <string.h>

static struct slab_account account;
static struct slab_writer writer;
static struct decoder *decoder;

static inline void decoding_setup(void)
{
	slab_writer_init(&writer, &account);
	decoder = decoder_new(NULL);
}

static inline void decoding_teardown(void)
{
	decoder_free(decoder);
	slab_writer_close(&writer);
	ck_assert_uint_eq(slab_bytes_in_use(&account), 0); /* whatever was decoded or failed gave its memory back */
}

static inline void decoded_release(const struct decoded *decoded)
{
	if (decoded->kind == DECODED_CHANGE)
		change_release(decoded->change);
	if (decoded->kind == DECODED_MARK)
		transaction_mark_release(decoded->mark);
}

/* A message with this key and value, either may be NULL; borrows them. */
static inline struct raw_message make_message(const char *key, const char *value)
{
	const struct raw_message message = {
	    .partition = 1,
	    .topic = "top",
	    .partition_id = 2,
	    .offset = 33,
	    .key = {key, key != NULL ? strlen(key) : 0},
	    .value = {value, value != NULL ? strlen(value) : 0},
	};

	return message;
}

/* What it decodes to, which must be a change; the caller releases it. */
static inline struct change *decode_good(const char *key, const char *value)
{
	const struct raw_message message = make_message(key, value);
	struct decoded decoded;
	struct error *error = decoder_decode(decoder, &message, &writer, &decoded);

	ck_assert_msg(error == NULL, "%s: %s", value, error != NULL ? error->message : "");
	ck_assert_int_eq(decoded.kind, DECODED_CHANGE);
	return decoded.change;
}

/* It must be refused, with its place and this text. */
static inline void decode_bad(const char *key, const char *value, const char *expected)
{
	const struct raw_message message = make_message(key, value);
	struct decoded decoded;
	struct error *error = decoder_decode(decoder, &message, &writer, &decoded);

	ck_assert_msg(error != NULL, "no error for %s", value);
	ck_assert_int_eq(error->class, ERROR_EVENT);
	ck_assert_msg(strncmp(error->message, "top[2]@33", 9) == 0, "%s", error->message);
	ck_assert_msg(strstr(error->message, expected) != NULL, "%s: got %s, expected %s", value, error->message,
	              expected);
	error_free(error);
}

#endif
