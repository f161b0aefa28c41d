/*
 * object_image.h - a table, type, sequence, schema or extension as the DDL log shows it.
 *
 * NOTES
 *   An image is state, not a command: the functions of sql/source/002_image.sql make it from the catalogs, at the
 *   source and at the target alike, so that images of both sides compare. Names are as in the catalog; types,
 *   expressions and definitions are SQL text. An oid or attnum that stays while the name changes is a rename.
 *   What such a text refers to has a name in it, and in another field an oid (002_image.sql, NOTES).
 *
 * Ownership: all memory lies in the arena it was parsed into. Thread: any.
 */
#ifndef REPLICATOR_SCHEMA_OBJECT_IMAGE_H
#define REPLICATOR_SCHEMA_OBJECT_IMAGE_H

#include "base/arena.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECT_IMAGE_VERSION 1 /* the newest form that this program reads */

enum object_kind { OBJECT_TABLE, OBJECT_TYPE, OBJECT_SEQUENCE, OBJECT_SCHEMA, OBJECT_EXTENSION };

struct object_name {
	const char *schema; /* "" for schemas */
	const char *name;
};

struct object_reference {
	uint64_t oid;
	struct object_name name;
};

/* What a definition refers to, in oids. NULL: the image does not have it. */
struct definition_ids {
	const char *refers; /* differs: it refers to other objects */
	const char *tree;   /* equal: the same definition, whatever the names in its text */
};

struct sequence_definition {
	uint64_t oid;
	struct object_name name;
	const char *type;    /* bigint */
	const char *options; /* INCREMENT BY 1 MINVALUE … */
};

struct column_definition {
	int attnum;
	const char *name;
	const char *type;
	const char *type_ids;   /* type, type modifier and collation, in oids; NULL: the image does not have it */
	const char *collation;  /* NULL: the type's own */
	const char *initial;    /* DEFAULT expression, or NULL */
	const char *missing;    /* what rows have that are older than the column, as input text, or NULL */
	const char *expression; /* of a generated column */
	const char *comment;
	struct definition_ids ids; /* of `initial` or `expression` */
	char generated;            /* 's' stored, 'v' virtual, 0: none */
	char identity;             /* 'a' always, 'd' by default, 0: none */
	bool not_null;
	bool local;                                 /* not only inherited */
	const struct sequence_definition *sequence; /* of a serial or identity column, or NULL */
};

struct constraint_definition {
	uint64_t oid;
	const char *name;
	char type; /* p u x c f */
	const char *definition;
	struct definition_ids ids;
	bool inherited;                /* made by the parent's */
	struct object_name referenced; /* of a foreign key */
};

struct index_definition { /* those that no constraint stands for */
	uint64_t oid;
	const char *name;
	bool unique;
	bool inherited;
	const char *definition; /* from USING on */
	struct definition_ids ids;
};

struct label_definition {
	uint64_t oid;
	const char *name;
};

/* Names and types are SQL text; NULL: none. */
struct range_definition {
	const char *subtype;
	const char *opclass, *collation, *canonical, *diff;
	const char *multirange; /* a name, in the schema of the range type */
};

struct object_image {
	enum object_kind kind;
	uint64_t oid;
	struct object_name name;
	uint64_t schema_oid; /* of a table, type or sequence */
	const char *comment;

	/* of a table */
	char relkind;              /* r, p */
	char persistence;          /* p, u */
	const char *partition_key; /* LIST (a) */
	const char *bound;         /* FOR VALUES IN (1); NULL: no partition */
	const char *bound_ids;     /* equal: the same bound, whatever its text */
	size_t parent_count;
	const struct object_reference *parents;
	size_t column_count; /* attributes of a composite type, too */
	const struct column_definition *columns;
	size_t constraint_count; /* of a domain, too */
	const struct constraint_definition *constraints;
	size_t index_count;
	const struct index_definition *indexes;

	/* of a type */
	char form; /* pg_type.typtype: e d c r */
	size_t label_count;
	const struct label_definition *labels;
	const char *base; /* of a domain */
	struct range_definition range;
	const char *collation;
	const char *initial;
	struct definition_ids ids; /* of `initial` */
	bool not_null;

	struct sequence_definition sequence; /* of a sequence */
	bool owned;                          /* by a column: the table's image tells of it, too */
};

bool object_kind_parse(const char *text, enum object_kind *kind);
const char *object_kind_name(enum object_kind kind);

/*
 * Reads an image of the log or of image_named(). ERROR_EVENT when it is no image, or of a version that this program
 * does not know. `null` gives *image NULL.
 */
struct error *object_image_parse(const char *json, size_t length, struct arena *arena,
                                 const struct object_image **image);

/* By name, or NULL. */
const struct column_definition *object_column(const struct object_image *image, const char *name);
const struct constraint_definition *object_constraint(const struct object_image *image, const char *name);
const struct index_definition *object_index(const struct object_image *image, const char *name);

#endif
