/*
 * config.h - the settings of the programs, as plain data.
 *
 * One table (settings.c, settings_rules.c) names each setting with type, default, whether a reload may change it, and
 * its description; the parser, check-config's messages, the example file and docs/configuration.md are all made from
 * it. Unknown settings, wrong types and impossible values are reported all at once, each with file, line and remedy.
 *
 * Thread: loaded by main, read by all, never changed while threads run.
 */
#ifndef REPLICATOR_CONFIG_CONFIG_H
#define REPLICATOR_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "event/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum transactions_mode {
	TRANSACTIONS_ON, /* provide.transaction.metadata: whole source transactions */
	TRANSACTIONS_OFF /* events of one txId in one partition stay together; atomicity over tables is not promised */
};
enum delete_mode { DELETE_HARD, DELETE_SOFT, DELETE_IGNORE };
enum truncate_mode { TRUNCATE_APPLY, TRUNCATE_SOFT, TRUNCATE_IGNORE };
enum on_error_mode { ON_ERROR_STOP, ON_ERROR_QUARANTINE };

/* The steps of DDL, for policies: each has a setting `ddl.NAME`. */
enum step_kind {
	STEP_CREATE_TABLE,
	STEP_DROP_TABLE,
	STEP_ADD_COLUMN,
	STEP_DROP_COLUMN,
	STEP_RENAME, /* of anything, and moves to another schema */
	STEP_ALTER_TYPE,
	STEP_NOT_NULL,
	STEP_DEFAULT, /* identity and generation, too */
	STEP_KEY,     /* primary key, unique and exclusion constraints */
	STEP_INDEX,
	STEP_CHECK,
	STEP_FOREIGN_KEY,
	STEP_PARTITION, /* attach, detach, inherit */
	STEP_COMMENT,
	STEP_TYPE, /* enums, domains, composite types */
	STEP_SEQUENCE,
	STEP_SCHEMA,
	STEP_EXTENSION,
	STEP_KIND_COUNT
};
enum ddl_policy { DDL_APPLY, DDL_IGNORE, DDL_STOP, DDL_KEEP };
enum missing_field { MISSING_KEEP, MISSING_DROP };

enum messages_mode { MESSAGES_IGNORE, MESSAGES_TABLE };
enum mask_mode { MASK_NONE, MASK_HASH, MASK_NULL, MASK_CONSTANT };

/* One entry of a rule's `columns`: the first whose pattern matches counts. */
struct column_rule {
	const char *match; /* the source's name; * stands for any run of characters */
	bool exclude;
	const char *rename; /* the target's name, or NULL */
	enum mask_mode mask;
	const char *value;     /* of MASK_CONSTANT */
	const char *cast_from; /* the type at the source, as SQL writes it, or NULL: no cast */
	unsigned line;         /* of the file */
};

/*
 * Rows whose value of the column is in one list or not in the other. Values are compared as texts; NULL is in no list.
 */
struct row_filter {
	const char *column; /* the source's name; NULL: all rows */
	const char *const *in;
	size_t in_count;
	const char *const *not_in;
	size_t not_in_count;
};

/* One entry of `tables`: the first whose pattern matches counts. */
struct table_rule {
	const char *match; /* "schema.table"; * stands for any run of characters */
	bool exclude;      /* leave the table's events out (counted) */
	enum delete_mode delete_mode;
	enum truncate_mode truncate_mode;
	const char *rename;        /* config_target_table */
	const char *source_column; /* of the target: where the row is from; or NULL */
	const char *source_value;  /* config_source_value */
	const struct column_rule *columns;
	size_t column_count;
	struct row_filter filter;
	unsigned line; /* of the file */
};

struct config {
	const char *file; /* where it was read from */

	struct {
		const char *name; /* of the stream in the target's state tables; also Kafka's group.id for lag tools */
		enum transactions_mode transactions;
		enum on_error_mode on_error;
		enum messages_mode messages;
		int64_t holder_timeout_ms;
	} stream;
	struct {
		const char *name; /* for source columns; NULL: the topic prefix */
		/* The libpq connection string, with the password of password_file; not used by the stream itself. */
		const char *dsn;
		const char *password_file; /* or NULL */
	} source;
	struct {
		const char *dsn;           /* with the password of password_file */
		const char *password_file; /* or NULL */
		const char *schema;        /* of the state tables */
		bool synchronous_commit;
		const char *synced_at; /* names of the extra columns; set where a table has them */
		const char *is_deleted;
		const char *deleted_at;
		int64_t batch_rows; /* bound of one target transaction (a larger source transaction stays whole) */
		int64_t batch_bytes;
		int64_t statement_timeout_ms; /* 0: none */
	} target;
	struct {
		const char *brokers;
		const char *topic_prefix;
		const char *const
		    *topics; /* single-stream layout or odd names: exact names or ^patterns; none: ^PREFIX\. */
		size_t topic_count;
		const char *transaction_topic; /* NULL: PREFIX.transaction */
		const char *const *properties; /* librdkafka's own, "key=value" */
		size_t property_count;
		const char *password_file; /* of sasl.password, which is then among the properties; or NULL */
	} kafka;
	struct {
		const char *url; /* of Kafka Connect's REST interface, or NULL */
		const char *connector;
		const char *user; /* basic authentication, or NULL */
		const char *password_file;
		const char *password; /* what the file holds, or NULL */
		const char *ca_file;  /* authorities of an https url, or NULL: the system's */
		/* What `connector create` generates. */
		const char *source_user; /* the connector's own user in the source; NULL: that of source.dsn */
		const char *source_password_file;
		const char *source_password; /* what the file holds, or NULL */
		const char *slot;
		const char *publication;
		const char *const *tables; /* table.include.list */
		size_t table_count;
	} connect;
	struct {
		const char *unavailable_placeholder; /* the connector's unavailable.value.placeholder, or NULL */
		struct wire_modes modes;             /* for plain JSON */
		const char *const *added_fields;     /* add.fields of the connector's ExtractNewRecordState */
		size_t added_field_count;            /* 0: whatever it can add */
	} decoding;
	struct {
		const char *url; /* of the schema registry's interface, or NULL */
		const char *user;
		const char *password_file; /* or NULL */
		const char *password;      /* read from there, or NULL */
		const char *ca_file;
	} registry;
	struct {
		const char *listen; /* IP address of the HTTP server */
		int64_t port;       /* 0: none */
		int64_t ready_lag_ms;
	} status;
	struct {
		int64_t interval_ms;      /* 0: no supervision */
		int64_t restart_attempts; /* of a failed connector, in a row */
		int64_t slot_limit;       /* bytes of WAL; 0: none */
		int64_t silence_ms;       /* without an event that must come; 0: any */
		bool resync;              /* tables that were rewritten at the source without row events */
	} supervision;
	struct {
		enum ddl_policy policy[STEP_KIND_COUNT];
		int64_t lock_timeout_ms;
		enum missing_field missing_field; /* where columns are inferred from the events */
	} ddl;
	struct {
		const char *salt; /* of mask = "hash"; or NULL */
		const char *salt_file;
	} masking;
	struct {
		enum log_level level;
		bool json;
	} log;
	int64_t memory_limit; /* bytes, of events in memory */
	const char *spill_dir;
	int64_t spill_limit; /* bytes that one transaction may take there */

	const struct table_rule *tables;
	size_t table_count;
};

/*
 * Finds the file: `path`, else $REPLICATOR_CONF, ./replicator.conf, /etc/replicator/replicator.conf; reads and checks
 * it. The error (ERROR_CONFIGURATION) holds all problems, a line each: `FILE:LINE: problem; remedy`.
 */
struct error *config_load(const char *path, struct config **config);
void config_free(struct config *config);

/*
 * Appends the names of the settings that differ, "a, b": those that a reload takes over, or those that need a restart.
 * A secret that was read from a file counts with the setting that it ends in.
 */
void config_list_changes(const struct config *before, const struct config *after, bool reloadable, struct buffer *list);

/* The schema of ours in the source (`init source`). Its tables serve the stream and are never replicated. */
extern const char config_source_schema[];
extern const char config_message_prefix[]; /* of our own logical messages, which are fences (check_target) */
extern const char config_ddl_log[];        /* its table of schema changes: the one that is followed */

/*
 * The rule of a table; never NULL (the last resort has every default). Tables of our own schemas are excluded, whatever
 * the entries say.
 */
const struct table_rule *config_table_rule(const struct config *config, const char *schema, const char *table);

/* `*` matches any run of characters. */
bool config_pattern_matches(const char *pattern, const char *text);

/* A table's name in the target, by its rule. In `arena`. */
struct table_name {
	const char *schema;
	const char *table;
};
struct table_name config_target_table(const struct config *config, const struct table_rule *rule, const char *schema,
                                      const char *table, struct arena *arena);

/* What the rule's source_column holds for rows of a table of the source. In `arena`. */
const char *config_source_value(const struct config *config, const struct table_rule *rule, const char *schema,
                                const char *table, struct arena *arena);

/*
 * Two tables of the source whose rows go into one table of the target, where no source_column tells them apart. Scratch
 * memory is in `arena`.
 */
bool config_tables_mix(const struct config *config, const struct table_name *a, const struct table_name *b,
                       struct arena *arena);
bool config_any_rename(const struct config *config); /* without one the rows of two tables never mix */

/* The rule of a column; never NULL (the last resort has every default). */
const struct column_rule *config_column_rule(const struct table_rule *rule, const char *column);

/* Whether rows with this value of the filter's column are replicated; `data` NULL: it is NULL. */
bool config_filter_admits(const struct row_filter *filter, const char *data, size_t length);

#define CONFIG_PLACEHOLDER_DEFAULT "__debezium_unavailable_value"

/*
 * A connector's unavailable.value.placeholder as its bytes, appended to `bytes`: a text, or `hex:` and hexadecimal digits;
 * NULL or "": Debezium's default. What is wrong with it, fixed text, or NULL. Bytes that are not UTF-8 are refused: Java
 * puts other characters in their place when it makes a text of them.
 */
const char *config_read_placeholder(const char *setting, struct buffer *bytes);

/* The example file with every setting commented (replicator.conf.example) and the manual's page, from the one table. */
void config_print_example(FILE *out);
void config_print_reference(FILE *out);

#endif
