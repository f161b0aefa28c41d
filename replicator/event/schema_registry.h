/*
 * schema_registry.h - Avro schemas by their id, fetched once each from a schema registry.
 *
 * NOTES
 *   Confluent's interface: GET URL/schemas/ids/ID. Apicurio has it under /apis/ccompat/v7, and refuses
 *   some schemas there (HTTP 400, "Failed to discover artifact type"); its own interface, …/apis/registry/v2, answers
 *   GET URL/ids/contentIds/ID with the schema itself. A schema's id never gets another meaning, so what was fetched is
 *   kept for the life of the process.
 *
 *   A registry that is away is waited for, as a database is: an event is never skipped because of it.
 *
 * Source: Confluent, "Schema Registry API Reference"; Apicurio Registry, "Confluent compatibility API".
 *
 * Thread: as the decoder's.
 */
#ifndef REPLICATOR_EVENT_SCHEMA_REGISTRY_H
#define REPLICATOR_EVENT_SCHEMA_REGISTRY_H

#include "base/error.h"
#include "event/avro_schema.h"

struct schema_registry_options {
	const char *url;      /* NULL: there is none */
	const char *user;     /* of basic authentication, or NULL */
	const char *password; /* or NULL */
	const char *ca_file;  /* or NULL */
};

struct schema_registry;

struct schema_registry *schema_registry_new(const struct schema_registry_options *options); /* borrows the texts */
void schema_registry_free(struct schema_registry *registry);

/*
 * The schema of an id, from the cache or from the registry. Waits while the registry does not answer or answers 5xx.
 * Errors: ERROR_EVENT (no registry is set, unknown id, a schema that is none), ERROR_CONFIGURATION (the URL is wrong),
 * ERROR_AUTHENTICATION before the first success, ERROR_INTERRUPTED.
 */
struct error *schema_registry_find(struct schema_registry *registry, uint32_t id, const struct avro_schema **schema);

/* Puts a schema into the cache, for tests. False: it is none. */
bool schema_registry_add(struct schema_registry *registry, uint32_t id, struct slice text);

#endif
