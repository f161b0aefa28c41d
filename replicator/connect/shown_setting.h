/*
 * shown_setting.h - settings of a connector as they are printed: without secrets.
 *
 * NOTES
 *   A name decides whether the whole value is hidden. The list has the settings whose type is PASSWORD in Kafka, Debezium
 *   and the converters of schema registries, and those that Debezium hides in its own log. Hiding too much does less harm
 *   than printing a secret: each name that ends in "key" counts. A part of a name is hidden as well (the salt of
 *   column.mask.hash.v2.SHA-256.with.salt.SALT), and parts of other values: user and password of a URL, and what follows
 *   "password=" or the like.
 *
 * Source: Kafka 4.3.1, SslConfigs and SaslConfigs; Debezium 3.7.0, Configuration.PASSWORD_PATTERN; Debezium
 * documentation, "Debezium connector for PostgreSQL", column.mask.hash. Thread: any.
 */
#ifndef REPLICATOR_CONNECT_SHOWN_SETTING_H
#define REPLICATOR_CONNECT_SHOWN_SETTING_H

#include "base/buffer.h"

#include <stdbool.h>

#define SHOWN_MASK "********"

/* Nobody should see any of the setting's value. */
bool shown_setting_is_secret(const char *name);

void shown_setting_append_name(struct buffer *text, const char *name);
void shown_setting_append_value(struct buffer *text, const char *name, const char *value);

#endif
