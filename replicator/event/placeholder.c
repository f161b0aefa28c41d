/* placeholder.c - see placeholder.h */
#include "event/placeholder.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "config/config.h"
#include "event/base64.h"
#include "event/md5.h"

#include <stdint.h>
#include <stdlib.h>

/* Takes the buffer's bytes; two forms may be the same bytes. */
static void add_form(struct placeholder *placeholder, struct buffer *form, bool string)
{
	const size_t length = form->length;

	if (placeholder->count == 0 || length < placeholder->shortest)
		placeholder->shortest = length;
	placeholder->string[placeholder->count] = string;
	placeholder->forms[placeholder->count++] = (struct slice){buffer_steal(form), length};
}

/* text, json, xml, citext; and text[], varchar[], json[]: an array of one such string. */
static void add_string(struct placeholder *placeholder, struct slice escaped, bool alone)
{
	struct buffer form = {0};

	if (alone) {
		buffer_append(&form, escaped.data, escaped.length);
		add_form(placeholder, &form, true);
	}
	buffer_append_text(&form, "[\"");
	buffer_append(&form, escaped.data, escaped.length);
	buffer_append_text(&form, "\"]");
	add_form(placeholder, &form, false);
}

/* bytea and bytea[]. */
static void add_bytes(struct placeholder *placeholder, struct slice text)
{
	char *encoded = memory_alloc(BASE64_ENCODED_SIZE(text.length));
	const size_t length = base64_encode(text, encoded);

	add_string(placeholder, (struct slice){encoded, length}, true);
	free(encoded);
}

/* integer[], bigint[], date[]: the text's bytes as (signed) numbers. */
static void add_numbers(struct placeholder *placeholder, struct slice text)
{
	struct buffer form = {0};

	for (size_t i = 0; i < text.length; i++)
		buffer_append_format(&form, "%c%d", i == 0 ? '[' : ',', (signed char)text.data[i]);
	buffer_append_byte(&form, ']');
	add_form(placeholder, &form, false);
}

/* uuid[]: java.util.UUID.nameUUIDFromBytes, a UUID of version 3. */
static void add_uuid(struct placeholder *placeholder, struct slice text)
{
	uint8_t digest[16];
	struct buffer uuid = {0};

	md5_digest(text, digest);
	digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x30);
	digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
	for (unsigned i = 0; i < 16; i++)
		buffer_append_format(&uuid, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", digest[i]);
	add_string(placeholder, (struct slice){uuid.data, uuid.length}, false);
	buffer_free(&uuid);
}

/* hstore: a map of the text to itself; with hstore.handling.mode=json the same as text. */
static void add_map(struct placeholder *placeholder, struct slice escaped)
{
	struct buffer map = {0};
	struct buffer text = {0};

	for (int side = 0; side < 2; side++) {
		buffer_append_text(&map, side == 0 ? "{\"" : "\":\"");
		buffer_append(&map, escaped.data, escaped.length);
	}
	buffer_append_text(&map, "\"}");
	scan_escape(&text, (struct slice){map.data, map.length});
	add_form(placeholder, &map, false);
	add_form(placeholder, &text, true);
}

void placeholder_init(struct placeholder *placeholder, const char *setting)
{
	struct buffer bytes = {0}, escaped = {0};
	struct slice plain, form;

	memset(placeholder, 0, sizeof(*placeholder));
	config_read_placeholder(setting, &bytes); /* the configuration was checked before */
	plain = (struct slice){bytes.data, bytes.length};
	scan_escape(&escaped, plain);
	form = (struct slice){escaped.data, escaped.length};
	add_string(placeholder, form, true);
	add_bytes(placeholder, plain);
	add_numbers(placeholder, plain);
	add_uuid(placeholder, plain);
	add_map(placeholder, form);
	buffer_free(&bytes);
	buffer_free(&escaped);
}

void placeholder_close(struct placeholder *placeholder)
{
	for (uint32_t i = 0; i < placeholder->count; i++)
		free((void *)(uintptr_t)placeholder->forms[i].data);
	placeholder->count = 0;
}

bool placeholder_matches(const struct placeholder *placeholder, const struct scan_token *token)
{
	const bool string = token->kind == SCAN_STRING;

	if (!string && token->kind != SCAN_ARRAY && token->kind != SCAN_OBJECT)
		return false;
	for (uint32_t i = 0; i < placeholder->count; i++) {
		const struct slice form = placeholder->forms[i];

		if (placeholder->string[i] == string && form.length == token->length &&
		    memcmp(form.data, token->data, form.length) == 0)
			return true;
	}
	return false;
}
