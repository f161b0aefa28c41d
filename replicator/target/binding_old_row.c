/* binding_old_row.c - see the header. */
#include "target/binding_old_row.h"

#include <string.h>

static bool begins_with(const struct value *value, const char *text)
{
	return value->length >= strlen(text) && memcmp(value->data, text, strlen(text)) == 0;
}

static bool is_text(const struct value *value, const char *text)
{
	return value->length == strlen(text) && begins_with(value, text);
}

static bool has_digit_but_zero(const struct value *value)
{
	for (uint32_t i = 0; i < value->length; i++)
		if (value->data[i] >= '1' && value->data[i] <= '9')
			return true;
	return false;
}

bool binding_value_is_zero(const struct value *value)
{
	switch ((enum value_kind)value->kind) {
	case VALUE_NULL:
	case VALUE_UNCHANGED:
		return true;
	case VALUE_BOOLEAN:
		return is_text(value, "false");
	case VALUE_NUMBER:
		return !has_digit_but_zero(value);
	case VALUE_STRING: /* "AA==": a decimal 0 as bytes */
		return value->length == 0 || begins_with(value, "1970-01-01") || begins_with(value, "00:00:00") ||
		       is_text(value, "AA==") || is_text(value, "PT0S") || is_text(value, "{}") ||
		       ((value->data[0] == '0' || value->data[0] == '-') && !has_digit_but_zero(value));
	case VALUE_JSON:
		return is_text(value, "[]") || is_text(value, "{}");
	case VALUE_NATIVE:
		break;
	}
	return false;
}

static const struct value *key_value(const struct binding *binding, size_t number, const struct value *values)
{
	return bound_value(&binding->columns[binding->key[number]], values);
}

/* A key with a zero may be one that was not logged. */
static bool key_has_zero(const struct binding *binding, const struct value *values)
{
	for (size_t i = 0; i < binding->key_count; i++)
		if (binding_value_is_zero(key_value(binding, i, values)))
			return true;
	return false;
}

static bool is_of_key(const struct binding *binding, uint32_t column)
{
	for (size_t i = 0; i < binding->key_count; i++)
		if (binding->columns[binding->key[i]].source == column)
			return true;
	return false;
}

/* Whether the old row has no values but those of the key, and some. */
static bool tells_of(const struct binding *binding, const struct value *before)
{
	bool any = false;

	for (uint32_t i = 0; i < binding->relation->column_count; i++) {
		if (binding_value_is_zero(&before[i]))
			continue;
		if (!is_of_key(binding, i))
			return false;
		any = true;
	}
	return any && binding_has_key(binding, before);
}

/* What the source most probably has: the target's replica identity, else the primary key. */
static struct binding *probable(struct binding *binding)
{
	for (size_t i = 0; i < binding->other_count && !binding->identity; i++)
		if (binding->others[i]->identity)
			return binding->others[i];
	return binding->chosen_key && !binding->identity ? binding->others[0] : binding;
}

bool binding_tells_old_row(const struct binding *binding, const struct value *before)
{
	return !key_has_zero(binding, before) || tells_of(binding, before);
}

/* The first whose key fits; NULL: none does. */
static struct binding *find_key(struct binding *binding, const struct value *before,
                                bool (*fits)(const struct binding *binding, const struct value *before))
{
	if (fits(binding, before))
		return binding;
	for (size_t i = 0; i < binding->other_count; i++)
		if (fits(binding->others[i], before))
			return binding->others[i];
	return NULL;
}

static bool has_no_zero(const struct binding *binding, const struct value *before)
{
	return !key_has_zero(binding, before);
}

struct binding *binding_of_old_row(struct binding *binding, const struct value *before)
{
	struct binding *found;

	if (binding->other_count == 0)
		return binding;
	found = find_key(binding, before, has_no_zero);
	if (found == NULL)
		found = find_key(binding, before, tells_of);
	if (found == NULL)
		found = probable(binding);
	return binding_has_key(found, before) ? found : binding;
}

struct binding *binding_of_new_row(struct binding *binding, const struct value *after)
{
	for (size_t i = 0; i < binding->other_count && !binding_has_key(binding, after); i++)
		if (binding_has_key(binding->others[i], after))
			return binding->others[i];
	return binding;
}
