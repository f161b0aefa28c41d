/*
 * fuzz_decoder.c - whole messages: what stands before the first byte 0xff is the key (and the key in a header), the rest
 * the value; JSON of any kind, flattened rows, and Avro with the schema id 1.
 */
#include "event/decoder.h"

#include <stdlib.h>

#define SCHEMA                                                                                                         \
	"{\"type\":\"record\",\"name\":\"E\",\"fields\":[{\"name\":\"before\",\"type\":[\"null\",{\"type\":"           \
	"\"record\",\"name\":"                                                                                         \
	"\"V\",\"fields\":[{\"name\":\"id\",\"type\":\"int\"},{\"name\":\"t\",\"type\":[\"null\",\"string\"]},{"       \
	"\"name\":\"b\","                                                                                              \
	"\"type\":[\"null\",\"bytes\"]},{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":[\"null\",\"double\"]}" \
	"}]}]},{"                                                                                                      \
	"\"name\":\"after\",\"type\":[\"null\",\"V\"]},{\"name\":\"source\",\"type\":{\"type\":\"record\",\"name\":"   \
	"\"S\","                                                                                                       \
	"\"fields\":[{\"name\":\"schema\",\"type\":\"string\"},{\"name\":\"table\",\"type\":\"string\"},{\"name\":"    \
	"\"lsn\","                                                                                                     \
	"\"type\":\"long\"}]}},{\"name\":\"op\",\"type\":\"string\"}]}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice key;

static enum header_lookup find_header(const struct raw_message *message, const char *name, struct slice *value)
{
	(void)message;
	(void)name;
	*value = key;
	return key.length > 0 ? HEADER_FOUND : HEADER_ABSENT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct slab_account account;
	static struct slab_writer writer;
	static struct decoder *decoder;
	struct raw_message message = {.topic = "t", .header = find_header};
	const uint8_t *split = size > 0 ? memchr(data, 0xff, size) : NULL;
	struct decoded decoded;
	struct error *error;

	if (decoder == NULL) {
		slab_writer_init(&writer, &account);
		decoder = decoder_new(NULL);
		if (!schema_registry_add(decoder_registry(decoder), 1, slice_from(SCHEMA)))
			abort();
	}
	key = (struct slice){(const char *)data, split != NULL ? (size_t)(split - data) : 0};
	message.key = key.length > 0 ? key : (struct slice){0};
	message.value = split != NULL ? (struct slice){(const char *)split + 1, size - key.length - 1}
	                              : (struct slice){(const char *)data, size};
	message.partition = size % 3;
	error = decoder_decode(decoder, &message, &writer, &decoded);
	if (error != NULL) {
		if (error->class != ERROR_EVENT || strncmp(error->message, "t[0]@0", 6) != 0)
			abort();
		error_free(error);
		return 0;
	}
	if (decoded.kind == DECODED_CHANGE)
		change_release(decoded.change);
	if (decoded.kind == DECODED_MARK)
		transaction_mark_release(decoded.mark);
	return 0;
}
