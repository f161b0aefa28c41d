/*
 * binding.h - how one relation of the stream goes into one table of the target: columns, converters, key, rule.
 *
 * NOTES
 *   Made at a relation's first change from the target's catalog, used for all later ones. A relation is a shape of a
 *   table's rows; two shapes of the same table are two bindings.
 *
 * Thread: the applier's. Memory lies in the cache's arena until binding_cache_forget.
 */
#ifndef REPLICATOR_TARGET_BINDING_H
#define REPLICATOR_TARGET_BINDING_H

#include "config/config.h"
#include "event/change.h"
#include "pg/connection.h"
#include "schema/table_image.h"

struct bound_column {
	uint32_t source; /* index into the relation's columns */
	const struct column_image *image;
	const struct column_image *read_as;  /* type that the value is read as; another one than the image's is cast */
	const struct conversion *conversion; /* NULL: the text as it came */
	const struct value
	    *constant; /* what a rule writes into each row, VALUE_NATIVE or NULL; the event's is not read */
	bool hashed;   /* a rule masks it */
	bool key;
	const char *key_equality;  /* of the key's columns: "OPERATOR(schema.=)" of the key's index */
	const char *key_collation; /* "COLLATE …" where that index has another one than the column, else NULL */
};

struct binding {
	const struct relation *relation;
	const struct table_rule *rule;
	const struct table_image *image;
	size_t column_count; /* those that are written; generated ones are not */
	struct bound_column *columns;
	/*
	 * Indexes into columns: the relation's key in its order, then the source column; or the target's primary key, where
	 * the messages' key (message.key.columns) has more columns than that. Count 0: the stream gives no key.
	 */
	size_t key_count;
	const uint32_t *key;
	const struct column_image *source_column; /* says where a row is from, with source_value; NULL: none */
	const char *source_value;
	const char *salt; /* of hashed columns */
	bool casts;       /* COPY cannot: a value is cast, or an extra column has another type than ours */
	size_t excluded;  /* columns of the relation that a rule leaves out */
	bool filters;     /* a filter reads the relation\'s filter_column */
	uint32_t filter_column;
	bool own_key;       /* `key` is the target's, not the relation's (binding_history.h) */
	bool loose_key;     /* two values of the key may be equal and have different texts (citext, numeric) */
	size_t ahead_count; /* columns of the relation that the target lacks, for now (binding_history.h) */
	uint32_t *ahead;
	size_t own_count; /* columns that only the target has, and that a copy of a row can take along */
	const struct column_image **own;
	bool keeps;            /* an UPDATE does not write every column as the INSERT of a new row would */
	bool upsert;           /* a unique index that ON CONFLICT can use covers exactly the key */
	bool overriding;       /* GENERATED ALWAYS AS IDENTITY among the columns */
	bool fires;            /* triggers or rules of the target fire in this session */
	bool strict;           /* set-wise order could fire a cascade or a trigger: always change by change */
	const char *synced_at; /* names of the extra columns that this table has, else NULL */
	const char *is_deleted;
	const char *deleted_at;
	unsigned rank;       /* tables that it refers to have lower ones; as of binding_cache_rank */
	unsigned copy_pause; /* batches for which inserts go by upsert: a COPY met a row that was there */
	uint32_t number;     /* 0, 1, 2…: an index for arrays of the users */
	/*
	 * The first binding of the cache that writes each row as this one does: partitions, or tables of several schemas,
	 * that a rule maps to one table. Itself, if there is no other. Plans fold the rows of twins together.
	 */
	struct binding *twin;
	/* The same table by each of its other unique keys, the primary key first (binding_old_row.h). */
	size_t other_count;
	struct binding **others;
	bool identity;   /* the key is the target's REPLICA IDENTITY USING INDEX, and the source's, as far as we know */
	bool chosen_key; /* the messages' key is not the target's primary key, whose columns they have */
	const char *version; /* of the table when its image was read (pg/catalog_version.h) */
	bool used;           /* in the current target transaction */
};

/* What goes into the column of a row whose values stand by the relation's columns. */
static inline const struct value *bound_value(const struct bound_column *column, const struct value *values)
{
	return column->constant != NULL ? column->constant : &values[column->source];
}

/*
 * Which of the binding's columns the image has; the others are TOASTed values that the change did not touch. True: all.
 * `mask` by index of the column, or NULL.
 */
bool binding_mask(const struct binding *binding, const struct value *values, bool *mask);

/*
 * Whether the values name one row by the key. Without a primary key the connector takes a unique index, also one that
 * lets NULLs in: rows with NULL there have no key.
 */
bool binding_has_key(const struct binding *binding, const struct value *values);

/* What the rule's filter says of a row. */
enum membership {
	MEMBERSHIP_IN, /* also without a filter */
	MEMBERSHIP_OUT,
	MEMBERSHIP_UNCHANGED, /* its column was TOASTed and untouched: the row is in the target if it was */
	MEMBERSHIP_UNREADABLE /* no text that both sides would see alike */
};
enum membership binding_membership(const struct binding *binding, const struct value *values);

/*
 * The target's column that takes the relation's column `number`, or NULL; *ambiguous: two could. Reads relation and
 * image.
 */
const struct column_image *binding_target_column(const struct binding *binding, uint32_t number,
                                                 const struct column_rule *rule, bool *ambiguous);

/*
 * Whether a row of the one may be a row of the other: two shapes of a table, two tables that share one, a partitioned
 * table and one of its partitions.
 */
bool binding_may_meet(const struct binding *a, const struct binding *b);

/*
 * Columns that come with a later schema change hold no value of their own yet: the connector pads older rows with NULL,
 * with the placeholder for TOASTed values, or, where the column is NOT NULL, with its default. Another value of a
 * column that may be NULL means that the log has missed the change: ERROR_TARGET. (Plain JSON does not say which
 * columns may be NULL.) Only for those who apply change by change: a binding with such columns is strict.
 */
struct error *binding_check_ahead(const struct binding *binding, const struct change *change);

struct binding_cache;

struct binding_cache *binding_cache_new(const struct config *config);
void binding_cache_free(struct binding_cache *cache);

/*
 * All that was learned is forgotten: the target's catalog may have changed. `replication_role`: triggers do not fire.
 */
void binding_cache_forget(struct binding_cache *cache, bool replication_role);
/*
 * The same, of a session that stays as it is; its prepared statements are dropped. Between two statements of a
 * transaction that has not failed, or outside of one.
 */
struct error *binding_cache_refresh(struct binding_cache *cache, struct pg_connection *connection);

/*
 * Anybody may change the target's tables and types at any time. These ask whether one of the tables that binding_find
 * gave since binding_cache_begin is no longer what its image says. In the transaction that wrote them: then it must not
 * be committed, because a value may have been read as another type.
 */
void binding_cache_begin(struct binding_cache *cache);
struct error *binding_cache_check(struct binding_cache *cache, struct pg_connection *connection, bool *changed);
/* ERROR_CONSTRAINT when one has changed. */
struct error *binding_cache_require(struct binding_cache *cache, struct pg_connection *connection);
/* Sends the question as one pipelined statement, unless no table was used. Its answer counts the changed tables. */
struct error *binding_cache_send_check(struct binding_cache *cache, struct pg_connection *connection);
struct error *binding_cache_changed_error(void);
const struct config *binding_cache_config(const struct binding_cache *cache);

/*
 * The binding of a change's relation. Errors: ERROR_TARGET that names table and column and what to do; errors of the
 * connection.
 */
struct error *binding_find(struct binding_cache *cache, struct pg_connection *connection,
                           const struct relation *relation, struct binding **binding);

/* Gives all bindings their ranks. */
void binding_cache_rank(struct binding_cache *cache);

size_t binding_cache_count(const struct binding_cache *cache);
struct binding *binding_cache_get(const struct binding_cache *cache, uint32_t number);

#endif
