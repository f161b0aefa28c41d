/*
 * registry.h - the collections, shapes and relations that events have shown, each interned once in the process.
 *
 * NOTES
 *   Other threads hold pointers to relations for as long as they like, and compare them instead of comparing names. So
 *   nothing here is ever freed or changed; its size is bound by the number of tables and of their schema changes.
 *
 * Thread: any; a lock guards the tables. The decoder keeps caches in front of them.
 */
#ifndef REPLICATOR_EVENT_REGISTRY_H
#define REPLICATOR_EVENT_REGISTRY_H

#include "base/slice.h"
#include "event/change.h"

/*
 * The fields of a row or of a key as a list of columns; which table they belong to is another matter. Two tables with
 * the same columns share a shape.
 */
struct shape {
	const struct column *columns;
	const struct slice *labels; /* of each column `,"name":` as Jackson writes it */
	uint32_t count;
	bool typed;               /* the encodings were told by a schema */
	bool adjusted;            /* the names were rewritten to Avro's rules: adjusted_name.h */
	const char *const *taken; /* fields of the event that are no columns: flattened.h */
	uint32_t taken_count;
};

enum { SHAPE_TYPED = 1, SHAPE_ADJUSTED = 2 };

const struct collection *registry_collection(struct slice schema, struct slice table);
/* By the name in an END. Where its one dot tells schema and table apart, they are filled in. */
const struct collection *registry_collection_named(struct slice name);
/* The one collection of all logical decoding messages. */
const struct collection *registry_message_collection(void);

/* `flags`: SHAPE_…. Copies what it keeps. NULL when two columns have the same name. */
const struct shape *registry_shape(const struct column *columns, uint32_t count, unsigned flags);

/* The same of a flattened event, of which the fields `taken` were taken for the transform's. */
const struct shape *registry_flattened_shape(const struct column *columns, uint32_t count, unsigned flags,
                                             const char *const *taken, uint32_t taken_count);

/* Of rows without columns: of a TRUNCATE, and the key of a table that has none. */
const struct shape *registry_empty_shape(void);

/*
 * The relation of rows of `shape` in the table, with the fields of `key` as its key. On failure NULL, and *missing is
 * the key's field that is no column.
 */
const struct relation *registry_relation(const struct collection *collection, struct slice schema, struct slice table,
                                         const struct shape *shape, const struct shape *key, const char **missing);

#endif
