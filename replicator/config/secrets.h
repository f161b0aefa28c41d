/* secrets.h - passwords that stand in files of their own. Thread: any. */
#ifndef REPLICATOR_CONFIG_SECRETS_H
#define REPLICATOR_CONFIG_SECRETS_H

#include "base/arena.h"
#include "config/config.h"

/*
 * Reads each *.password_file that is set and puts the password where it is used: into the connection strings, the Kafka
 * properties, connect.password, registry.password, masking.salt. ERROR_CONFIGURATION names setting and path, never what
 * the file holds.
 */
struct error *secrets_read(struct config *config, struct arena *arena);

/*
 * Tells of each of those files that everybody may read, or that others than its owner may write; and of the
 * configuration, where others may write it, or where everybody may read a secret in it.
 */
typedef void secret_is_open(void *context, const char *setting, const char *path);
void secrets_check(const struct config *config, struct arena *arena, secret_is_open *found, void *context);

#endif
