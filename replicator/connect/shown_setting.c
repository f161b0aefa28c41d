/* shown_setting.c - see shown_setting.h */
#include "connect/shown_setting.h"

#include <ctype.h>
#include <string.h>

/* Anywhere in a name. */
static const char *const secret_parts[] = {"password", "passwd",     "passphrase", "secret",      "token",
                                           "jaas",     "credential", "user.info",  "userinfo",    "api.key",
                                           "apikey",   "private",    "salt",       "certificate", "bearer"};
/* At its end. */
static const char *const secret_ends[] = {"key", "pwd", "pass", "oauthbearer.assertion"};

/* A word in a value, after which "=" or ":" comes and then a secret: of URLs, and of options of a driver. */
static const char *const secret_words[] = {"password", "passwd",     "pwd",    "passphrase", "secret",
                                           "token",    "access_key", "apikey", "api_key",    "credentials"};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static bool ends_with(const char *text, const char *end)
{
	const size_t length = strlen(text), wanted = strlen(end);

	return length >= wanted && strcasecmp(text + length - wanted, end) == 0;
}

/* A salt in a name is hidden where the name is shown; the value of that setting is a list of columns. */
static const char *salt_of(const char *name)
{
	const char *salt = strncasecmp(name, "column.mask.hash.", 17) == 0 ? strcasestr(name, ".salt.") : NULL;

	return salt == NULL ? NULL : salt + strlen(".salt.");
}

bool shown_setting_is_secret(const char *name)
{
	if (salt_of(name) != NULL)
		return false;
	for (size_t i = 0; i < COUNT(secret_parts); i++)
		if (strcasestr(name, secret_parts[i]) != NULL)
			return true;
	for (size_t i = 0; i < COUNT(secret_ends); i++)
		if (ends_with(name, secret_ends[i]))
			return true;
	return false;
}

void shown_setting_append_name(struct buffer *text, const char *name)
{
	const char *salt = salt_of(name);

	if (salt == NULL) {
		buffer_append_text(text, name);
		return;
	}
	buffer_append(text, name, (size_t)(salt - name));
	buffer_append_text(text, SHOWN_MASK);
}

/* The end of "user:password" where "//user:password@host" begins; else NULL. A password may have any of "@/,?" in it. */
static const char *end_of_user(const char *text)
{
	const char *end = NULL;

	if (strncmp(text, "//", 2) != 0)
		return NULL;
	for (text += 2; *text != '\0' && !isspace((unsigned char)*text); text++)
		if (*text == '@')
			end = text;
	return end;
}

/* The place after "password=" where it begins here; else NULL. */
static const char *after_secret_word(const char *text)
{
	for (size_t i = 0; i < COUNT(secret_words); i++) {
		const size_t length = strlen(secret_words[i]);
		const char *rest = text + length;

		if (strncasecmp(text, secret_words[i], length) != 0)
			continue;
		rest += strspn(rest, " \t\"'");
		if (*rest == '=' || *rest == ':')
			return rest + 1 + strspn(rest + 1, " \t");
	}
	return NULL;
}

static const char *end_of_secret(const char *text)
{
	const char *end;

	if (*text == '"' || *text == '\'') {
		end = strchr(text + 1, *text);
		return end == NULL ? text + strlen(text) : end + 1;
	}
	return text + strcspn(text, "&;, \t\r\n");
}

void shown_setting_append_value(struct buffer *text, const char *name, const char *value)
{
	if (shown_setting_is_secret(name) || strstr(value, "PRIVATE KEY-----") != NULL) {
		buffer_append_text(text, SHOWN_MASK);
		return;
	}
	while (*value != '\0') {
		const char *user = end_of_user(value), *secret = after_secret_word(value);

		if (user != NULL) {
			buffer_append_text(text, "//" SHOWN_MASK);
			value = user;
		} else if (secret != NULL) {
			buffer_append(text, value, (size_t)(secret - value));
			buffer_append_text(text, SHOWN_MASK);
			value = end_of_secret(secret);
		} else {
			buffer_append_byte(text, *value++);
		}
	}
}
