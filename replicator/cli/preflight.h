/*
 * preflight.h - what check-config looks at, and what it found. For the files check_*.c of this room. Thread: main's.
 *
 * NOTES
 *   Nothing ends at the first problem: what cannot be reached is a problem of its own, and the checks that need it are
 *   left out and said so. A problem keeps the stream from running or from being right; a warning does not.
 */
#ifndef REPLICATOR_CLI_PREFLIGHT_H
#define REPLICATOR_CLI_PREFLIGHT_H

#include "base/arena.h"
#include "base/map.h"
#include "config/config.h"
#include "connect/captured_columns.h"
#include "connect/format.h"
#include "pg/connection.h"
#include "schema/table_image.h"
#include "stream/probe.h"

#include <stdbool.h>
#include <stddef.h>

struct table_set {
	const struct table_image **images; /* by schema and name */
	size_t count;
	struct map *by_name; /* "schema.table" to the image */
};

struct preflight {
	const struct config *config;
	struct arena *arena;

	struct pg_connection *target; /* NULL: not reached */
	struct pg_connection *source;
	struct table_set target_tables;
	struct table_set source_tables;
	bool same_database;   /* source.dsn and target.dsn name the same one */
	bool may_set_role;    /* the target's session_replication_role */
	struct map *rights;   /* "schema.table" of the target to the rights that are missing there */
	struct map *unlogged; /* "schema.table" of the target that are UNLOGGED */

	const char *publication; /* of the running connector; NULL: not known */
	struct map *published;   /* "schema.table" of the source that it has, or else any has; NULL: there is none */
	bool all_published;      /* by a publication FOR ALL TABLES */

	enum event_format format; /* of the events */
	const char
	    *added_fields; /* of the running connector's ExtractNewRecordState; NULL: no such transform, or not known */
	struct captured_columns captured; /* what the running connector does to columns; empty: not known */

	struct map *carried; /* "schema.table" to the relation of its newest row in Kafka; NULL: not looked at */

	bool probed; /* Kafka answered */
	struct probe probe;

	size_t problems;
	size_t unreachable; /* of the problems: servers away or a login refused */
	size_t warnings;
};

/* Prints one finding: what is wrong, and the remedy. */
void preflight_problem(struct preflight *preflight, const char *format, ...) __attribute__((format(printf, 2, 3)));
void preflight_warning(struct preflight *preflight, const char *format, ...) __attribute__((format(printf, 2, 3)));
void preflight_error(struct preflight *preflight, struct error *error); /* takes it */

/* "schema.table", in the arena. */
const char *preflight_name(struct preflight *preflight, const char *schema, const char *table);

/* check_servers.c: connect and look at the server as a whole. */
void check_target_server(struct preflight *preflight);
void check_source_server(struct preflight *preflight);
/* check_kafka.c */
void check_kafka(struct preflight *preflight);
/* check_events.c: asks Kafka (probe_messages) and reads the newest events; fills probe, format and carried. */
struct error *check_events(struct preflight *preflight, int timeout_ms);
/* Whether the newest row of the table has the column; true where no row is known. */
bool check_is_carried(const struct preflight *preflight, const char *table, const char *column);
/* check_connector.c: the running connector's settings, where connect.url and connect.connector name it */
void check_connector(struct preflight *preflight);
/* check_servers.c: which tables the publication has; after check_connector */
void check_publication(struct preflight *preflight);
/* check_pairs.c: the tables of both sides, and the rules; after the other three. */
void check_tables(struct preflight *preflight);
/*
 * check_pair.c: one table of the source and the target's that its rule names. `captured` false: perhaps the connector
 * leaves it out.
 */
void check_pair(struct preflight *preflight, const struct table_rule *rule, const struct table_image *source,
                const struct table_image *target, bool captured);
/*
 * The key that the connector's messages carry: the primary key, else the unique index whose name comes first, whatever
 * REPLICA IDENTITY says (docs/operations.md, "Which key a table has"). NULL: none, or an index that names no row.
 */
const struct key_image *check_message_key(const struct table_image *source);
/* The image's column of that name, or NULL. */
const struct column_image *check_column(const struct table_image *image, const char *name);
/*
 * check_flattened.c: columns with names that the connector's ExtractNewRecordState gives to its own fields; and whether
 * the column of a rule may be such a field.
 */
void check_flattened_columns(struct preflight *preflight, const struct table_rule *rule,
                             const struct table_image *source, const struct table_image *target);
bool check_is_added(const struct preflight *preflight, const char *column);
/* What a soft rule and missing rights say about a table of the target. */
void check_target_table(struct preflight *preflight, const struct table_rule *rule, const struct table_image *target);
/* check_rules.c: what a rule's masks, casts, filter and source column ask of both tables. */
void check_rule(struct preflight *preflight, const struct table_rule *rule, const struct table_image *source,
                const struct table_image *target);
/* Rules that can never match, and tables that go into one without being told apart; once, with the source's tables. */
void check_rules(struct preflight *preflight);

#endif
