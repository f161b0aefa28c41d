/* object_image.c - images out of JSON. See object_image.h. */
#include "schema/object_image.h"

#include <jansson.h>
#include <string.h>

static const char *const KIND_NAMES[] = {"table", "type", "sequence", "schema", "extension"};

bool object_kind_parse(const char *text, enum object_kind *kind)
{
	for (size_t i = 0; i < sizeof(KIND_NAMES) / sizeof(*KIND_NAMES); i++)
		if (strcmp(KIND_NAMES[i], text) == 0) {
			*kind = (enum object_kind)i;
			return true;
		}
	return false;
}

const char *object_kind_name(enum object_kind kind)
{
	return KIND_NAMES[kind];
}

struct reader {
	struct arena *arena;
	const char *missing; /* the field that an object lacks */
};

/* NULL for null or no such field. */
static const char *text(struct reader *reader, const json_t *object, const char *field)
{
	const char *value = json_string_value(json_object_get(object, field));

	return value == NULL ? NULL : arena_copy(reader->arena, value, strlen(value));
}

static const char *needed(struct reader *reader, const json_t *object, const char *field)
{
	const char *value = text(reader, object, field);

	if (value == NULL)
		reader->missing = field;
	return value == NULL ? "" : value;
}

static char letter(const json_t *object, const char *field)
{
	const char *value = json_string_value(json_object_get(object, field));

	return value == NULL ? '\0' : value[0];
}

static bool truth(const json_t *object, const char *field)
{
	return json_is_true(json_object_get(object, field));
}

static uint64_t oid(const json_t *object)
{
	return (uint64_t)json_integer_value(json_object_get(object, "oid"));
}

static struct object_name qualified(struct reader *reader, const json_t *object)
{
	return (struct object_name){needed(reader, object, "schema"), needed(reader, object, "name")};
}

static struct object_reference reference(struct reader *reader, const json_t *object)
{
	return (struct object_reference){oid(object), qualified(reader, object)};
}

/* NULL: there is none. */
static const char *id(struct reader *reader, const json_t *object, const char *field)
{
	return text(reader, json_object_get(object, "ids"), field);
}

static struct definition_ids definition_ids(struct reader *reader, const json_t *object)
{
	return (struct definition_ids){id(reader, object, "refers"), id(reader, object, "tree")};
}

static struct sequence_definition sequence(struct reader *reader, const json_t *object)
{
	return (struct sequence_definition){.oid = oid(object),
	                                    .name = qualified(reader, object),
	                                    .type = needed(reader, object, "type"),
	                                    .options = needed(reader, object, "options")};
}

static struct column_definition column(struct reader *reader, const json_t *object)
{
	const json_t *owned = json_object_get(object, "sequence");
	struct column_definition made = {
	    .attnum = (int)json_integer_value(json_object_get(object, "attnum")),
	    .name = needed(reader, object, "name"),
	    .type = needed(reader, object, "type"),
	    .type_ids = id(reader, object, "type"),
	    .collation = text(reader, object, "collation"),
	    .initial = text(reader, object, "default"),
	    .missing = text(reader, object, "missing"),
	    .expression = text(reader, object, "expression"),
	    .comment = text(reader, object, "comment"),
	    .ids = definition_ids(reader, object),
	    .generated = letter(object, "generated"),
	    .identity = letter(object, "identity"),
	    .not_null = truth(object, "not_null"),
	    .local = truth(object, "local"),
	};

	if (json_is_object(owned)) {
		struct sequence_definition *copy = arena_alloc(reader->arena, sizeof(*copy));

		*copy = sequence(reader, owned);
		made.sequence = copy;
	}
	return made;
}

static struct constraint_definition constraint(struct reader *reader, const json_t *object)
{
	const json_t *referenced = json_object_get(object, "references");
	struct constraint_definition made = {
	    .oid = oid(object),
	    .name = needed(reader, object, "name"),
	    .type = letter(object, "type"),
	    .definition = needed(reader, object, "definition"),
	    .ids = definition_ids(reader, object),
	    .inherited = truth(object, "inherited"),
	};

	if (json_is_object(referenced))
		made.referenced = qualified(reader, referenced);
	return made;
}

static struct index_definition index_of(struct reader *reader, const json_t *object)
{
	return (struct index_definition){
	    .oid = oid(object),
	    .name = needed(reader, object, "name"),
	    .unique = truth(object, "unique"),
	    .inherited = truth(object, "inherited"),
	    .definition = needed(reader, object, "definition"),
	    .ids = definition_ids(reader, object),
	};
}

static struct label_definition label(struct reader *reader, const json_t *object)
{
	return (struct label_definition){oid(object), needed(reader, object, "name")};
}

/* An array of the image as an array of structs; `make` reads one. */
#define READ_LIST(reader, object, field, list, count, type, make)                                                      \
	do {                                                                                                           \
		const json_t *array_ = json_object_get(object, field);                                                 \
		size_t size_ = json_array_size(array_);                                                                \
		type *made_ = arena_alloc_zeroed((reader)->arena, (size_ + 1) * sizeof(*made_));                       \
		for (size_t i_ = 0; i_ < size_; i_++)                                                                  \
			made_[i_] = make(reader, json_array_get(array_, i_));                                          \
		(list) = made_;                                                                                        \
		(count) = size_;                                                                                       \
	} while (0)

static void read_table(struct reader *reader, const json_t *object, struct object_image *image)
{
	image->relkind = letter(object, "relkind");
	image->persistence = letter(object, "persistence");
	image->partition_key = text(reader, object, "partition_key");
	image->bound = text(reader, object, "bound");
	image->bound_ids = id(reader, object, "bound");
	READ_LIST(reader, object, "parents", image->parents, image->parent_count, struct object_reference, reference);
	READ_LIST(reader, object, "columns", image->columns, image->column_count, struct column_definition, column);
	READ_LIST(reader, object, "constraints", image->constraints, image->constraint_count,
	          struct constraint_definition, constraint);
	READ_LIST(reader, object, "indexes", image->indexes, image->index_count, struct index_definition, index_of);
}

static struct range_definition range(struct reader *reader, const json_t *object)
{
	return (struct range_definition){
	    .subtype = text(reader, object, "subtype"),
	    .opclass = text(reader, object, "opclass"),
	    .collation = text(reader, object, "collation"),
	    .canonical = text(reader, object, "canonical"),
	    .diff = text(reader, object, "diff"),
	    .multirange = text(reader, object, "multirange"),
	};
}

static void read_type(struct reader *reader, const json_t *object, struct object_image *image)
{
	image->form = letter(object, "form");
	image->base = text(reader, object, "base");
	image->collation = text(reader, object, "collation");
	image->initial = text(reader, object, "default");
	image->ids = definition_ids(reader, object);
	image->not_null = truth(object, "not_null");
	image->range = range(reader, json_object_get(object, "range"));
	READ_LIST(reader, object, "labels", image->labels, image->label_count, struct label_definition, label);
	READ_LIST(reader, object, "attributes", image->columns, image->column_count, struct column_definition, column);
	READ_LIST(reader, object, "constraints", image->constraints, image->constraint_count,
	          struct constraint_definition, constraint);
}

static struct error *read_image(struct reader *reader, const json_t *object, const struct object_image **image)
{
	struct object_image *made = arena_alloc_zeroed(reader->arena, sizeof(*made));
	json_int_t version = json_integer_value(json_object_get(object, "version"));
	const char *kind = json_string_value(json_object_get(object, "kind"));

	if (version < 1 || kind == NULL || !object_kind_parse(kind, &made->kind))
		return error_new(ERROR_EVENT, "this is no image of an object");
	if (version > OBJECT_IMAGE_VERSION)
		return error_new(ERROR_EVENT,
		                 "the image has version %lld, and this program knows up to %d; install a newer "
		                 "replicator",
		                 (long long)version, OBJECT_IMAGE_VERSION);
	made->oid = oid(object);
	made->name = qualified(reader, object);
	made->schema_oid = (uint64_t)json_integer_value(json_object_get(json_object_get(object, "ids"), "schema"));
	made->comment = text(reader, object, "comment");
	if (made->kind == OBJECT_TABLE)
		read_table(reader, object, made);
	else if (made->kind == OBJECT_TYPE)
		read_type(reader, object, made);
	else if (made->kind == OBJECT_SEQUENCE) {
		made->sequence = sequence(reader, object);
		made->owned = truth(object, "owned");
	}
	if (reader->missing != NULL)
		return error_new(ERROR_EVENT, "the image of %s %s.%s has no field %s", kind, made->name.schema,
		                 made->name.name, reader->missing);
	*image = made;
	return NULL;
}

struct error *object_image_parse(const char *json, size_t length, struct arena *arena,
                                 const struct object_image **image)
{
	struct reader reader = {.arena = arena};
	struct error *error = NULL;
	json_error_t problem;
	json_t *object = json_loadb(json, length, JSON_DECODE_ANY, &problem);

	*image = NULL;
	if (object == NULL)
		return error_new(ERROR_EVENT, "the image is not JSON: %s at byte %d", problem.text, problem.position);
	if (!json_is_null(object))
		error = read_image(&reader, object, image);
	json_decref(object);
	return error;
}

const struct column_definition *object_column(const struct object_image *image, const char *name)
{
	for (size_t i = 0; image != NULL && i < image->column_count; i++)
		if (strcmp(image->columns[i].name, name) == 0)
			return &image->columns[i];
	return NULL;
}

const struct constraint_definition *object_constraint(const struct object_image *image, const char *name)
{
	for (size_t i = 0; image != NULL && i < image->constraint_count; i++)
		if (strcmp(image->constraints[i].name, name) == 0)
			return &image->constraints[i];
	return NULL;
}

const struct index_definition *object_index(const struct object_image *image, const char *name)
{
	for (size_t i = 0; image != NULL && i < image->index_count; i++)
		if (strcmp(image->indexes[i].name, name) == 0)
			return &image->indexes[i];
	return NULL;
}
