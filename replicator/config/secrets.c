/*
 * secrets.c - see secrets.h
 *
 * NOTES
 *   A password in the configuration is read by everybody who may read that; one on a command line by everybody on the
 *   machine. So each may stand in a file of its own, among them those that systemd hands over (LoadCredential=).
 */
#include "config/secrets.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buffer.h"

#define SECRET_BYTES 4096

static const char *secret_path(const struct config *config, struct arena *arena, const char *path)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	const char *slash = strrchr(config->file, '/');

	if (*path == '/')
		return path;
	if (folder != NULL && *folder != '\0')
		return arena_format(arena, "%s/%s", folder, path);
	if (slash == NULL)
		return path;
	return arena_format(arena, "%.*s/%s", (int)(slash - config->file), config->file, path);
}

enum secret {
	SECRET_SOURCE,
	SECRET_TARGET,
	SECRET_KAFKA,
	SECRET_CONNECT,
	SECRET_CONNECTOR,
	SECRET_REGISTRY,
	SECRET_SALT,
	SECRETS
};

struct secret_file {
	const char *setting;
	const char *path; /* as configured, or NULL */
};

static struct secret_file file_of(const struct config *config, enum secret which)
{
	switch (which) {
	case SECRET_SOURCE:
		return (struct secret_file){"source.password_file", config->source.password_file};
	case SECRET_TARGET:
		return (struct secret_file){"target.password_file", config->target.password_file};
	case SECRET_KAFKA:
		return (struct secret_file){"kafka.password_file", config->kafka.password_file};
	case SECRET_CONNECT:
		return (struct secret_file){"connect.password_file", config->connect.password_file};
	case SECRET_CONNECTOR:
		return (struct secret_file){"connect.source_password_file", config->connect.source_password_file};
	case SECRET_REGISTRY:
		return (struct secret_file){"registry.password_file", config->registry.password_file};
	case SECRET_SALT:
	case SECRETS:
		break;
	}
	return (struct secret_file){"masking.salt_file", config->masking.salt_file};
}

/* The first line of the file; *secret NULL when the setting is not set. */
static struct error *read_secret(const struct config *config, struct arena *arena, enum secret which,
                                 const char **secret)
{
	struct secret_file of = file_of(config, which);
	char line[SECRET_BYTES] = "";
	const char *path;
	FILE *file;

	*secret = NULL;
	if (of.path == NULL)
		return NULL;
	path = secret_path(config, arena, of.path);
	file = fopen(path, "re");
	if (file == NULL)
		return error_new(ERROR_CONFIGURATION, "%s: %s cannot be read (%s); check the path and its rights",
		                 of.setting, path, strerror(errno));
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	fclose(file);
	line[strcspn(line, "\r\n")] = '\0';
	if (line[0] != '\0')
		*secret = arena_copy(arena, line, strlen(line));
	explicit_bzero(line, sizeof(line));
	if (*secret == NULL)
		return error_new(ERROR_CONFIGURATION, "%s: the first line of %s is empty; put the secret there",
		                 of.setting, path);
	return NULL;
}

/* Also as postgresql://user:password@host. */
static bool dsn_has_password(const char *dsn)
{
	const char *login = strstr(dsn, "://");
	const char *at = login == NULL ? NULL : strchr(login, '@');

	if (strstr(dsn, "password") != NULL)
		return true;
	return at != NULL && memchr(login + 3, ':', (size_t)(at - login - 3)) != NULL;
}

/* Whether the configuration file contains a secret. Values that secrets_read adds come from files of their own. */
static bool configuration_has_secret(const struct config *config)
{
	if (config->source.password_file == NULL && config->source.dsn != NULL && dsn_has_password(config->source.dsn))
		return true;
	if (config->target.password_file == NULL && config->target.dsn != NULL && dsn_has_password(config->target.dsn))
		return true;
	for (size_t i = 0; config->kafka.password_file == NULL && i < config->kafka.property_count; i++)
		if (strstr(config->kafka.properties[i], "password=") != NULL ||
		    strstr(config->kafka.properties[i], "secret=") != NULL)
			return true;
	return config->masking.salt_file == NULL && config->masking.salt != NULL;
}

void secrets_check(const struct config *config, struct arena *arena, secret_is_open *found, void *context)
{
	mode_t open = S_IWGRP | S_IWOTH | (configuration_has_secret(config) ? S_IROTH : 0);
	struct stat own;

	if (stat(config->file, &own) == 0 && (own.st_mode & open) != 0)
		found(context, "the configuration", config->file);
	for (enum secret which = 0; which < SECRETS; which++) {
		struct secret_file of = file_of(config, which);
		const char *path = of.path == NULL ? NULL : secret_path(config, arena, of.path);
		struct stat file;

		if (path != NULL && stat(path, &file) == 0 && (file.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) != 0)
			found(context, of.setting, path);
	}
}

static void append_percent_encoded(struct buffer *uri, const char *text)
{
	for (; *text != '\0'; text++) {
		if (isalnum((unsigned char)*text))
			buffer_append_byte(uri, *text);
		else
			buffer_append_format(uri, "%%%02X", (unsigned)(unsigned char)*text);
	}
}

static void append_keyword_value(struct buffer *dsn, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'' || *text == '\\')
			buffer_append_byte(dsn, '\\');
		buffer_append_byte(dsn, *text);
	}
}

/* The connection string with the password at its end, where it wins. */
static const char *with_password(struct arena *arena, const char *dsn, const char *password)
{
	struct buffer text = {0};
	const char *whole;

	if (strncmp(dsn, "postgres://", 11) == 0 || strncmp(dsn, "postgresql://", 13) == 0) {
		buffer_append_format(&text, "%s%cpassword=", dsn, strchr(dsn, '?') == NULL ? '?' : '&');
		append_percent_encoded(&text, password);
	} else {
		buffer_append_format(&text, "%s password='", dsn);
		append_keyword_value(&text, password);
		buffer_append_byte(&text, '\'');
	}
	whole = arena_copy(arena, text.data, text.length);
	explicit_bzero(text.data, text.length);
	buffer_free(&text);
	return whole;
}

static void add_property(struct config *config, struct arena *arena, const char *name, const char *value)
{
	size_t count = config->kafka.property_count;
	const char **properties = arena_alloc_zeroed(arena, (count + 1) * sizeof(*properties));

	for (size_t i = 0; i < count; i++)
		properties[i] = config->kafka.properties[i];
	properties[count] = arena_format(arena, "%s=%s", name, value);
	config->kafka.properties = properties;
	config->kafka.property_count = count + 1;
}

struct error *secrets_read(struct config *config, struct arena *arena)
{
	const char *secret;

	TRY(read_secret(config, arena, SECRET_SOURCE, &secret));
	if (secret != NULL && config->source.dsn != NULL)
		config->source.dsn = with_password(arena, config->source.dsn, secret);
	TRY(read_secret(config, arena, SECRET_TARGET, &secret));
	if (secret != NULL && config->target.dsn != NULL)
		config->target.dsn = with_password(arena, config->target.dsn, secret);
	TRY(read_secret(config, arena, SECRET_KAFKA, &secret));
	if (secret != NULL)
		add_property(config, arena, "sasl.password", secret);
	TRY(read_secret(config, arena, SECRET_CONNECT, &config->connect.password));
	TRY(read_secret(config, arena, SECRET_CONNECTOR, &config->connect.source_password));
	TRY(read_secret(config, arena, SECRET_REGISTRY, &config->registry.password));
	TRY(read_secret(config, arena, SECRET_SALT, &secret));
	if (secret != NULL)
		config->masking.salt = secret;
	return NULL;
}
