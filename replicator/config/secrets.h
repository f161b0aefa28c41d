/* secrets.h - passwords that stand in files of their own, for the files of this room. */
#ifndef REPLICATOR_CONFIG_SECRETS_H
#define REPLICATOR_CONFIG_SECRETS_H

#include "base/arena.h"
#include "config/config.h"

/*
 * Reads each *.password_file that is set and puts the password where it is used: into the connection strings, the Kafka
 * properties, connect.password, masking.salt. ERROR_CONFIGURATION names setting and path, never what the file holds.
 */
struct error *secrets_read(struct config *config, struct arena *arena);

#endif
