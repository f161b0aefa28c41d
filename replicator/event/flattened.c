/* flattened.c - see flattened.h */
#include "event/flattened.h"

#include "base/map.h"
#include "base/memory.h"

#include <stdlib.h>

#define PREFIX "__"
#define DELETED PREFIX "deleted"

enum meta {
	META_OP,
	META_DELETED,
	META_SCHEMA,
	META_TABLE,
	META_TX_ID,
	META_LSN,
	META_SNAPSHOT,
	META_NEEDED, /* those before it must be there */
	META_TS_MS = META_NEEDED,
	META_TS_US,
	META_SEQUENCE,
	META_TRANSACTION,
	META_ORDER,
	META_COUNT,
	META_PASSED_OVER = META_COUNT,
	META_NONE /* a column of the table */
};

/* A field of `source` comes as __source_txId or, where add.fields names it without its struct, as __txId. */
static const struct {
	const char *name;
	enum meta meta;
} names[] = {
    {FLATTENED_OPERATION, META_OP},
    {DELETED, META_DELETED},
    {"__source_schema", META_SCHEMA},
    {"__source_table", META_TABLE},
    {"__source_txId", META_TX_ID},
    {"__source_lsn", META_LSN},
    {"__source_snapshot", META_SNAPSHOT},
    {"__source_ts_ms", META_TS_MS},
    {"__source_ts_us", META_TS_US},
    {"__source_sequence", META_SEQUENCE},
    {"__schema", META_SCHEMA},
    {"__table", META_TABLE},
    {"__txId", META_TX_ID},
    {"__lsn", META_LSN},
    {"__snapshot", META_SNAPSHOT},
    {"__sequence", META_SEQUENCE},
    {"__transaction_id", META_TRANSACTION},
    {"__transaction_total_order", META_ORDER},
    {"__transaction_data_collection_order", META_PASSED_OVER},
    {"__ts_ms", META_PASSED_OVER},
    {"__ts_us", META_PASSED_OVER},
    {"__ts_ns", META_PASSED_OVER},
    {"__db", META_PASSED_OVER},
    {"__source_db", META_PASSED_OVER},
    {"__source_ts_ns", META_PASSED_OVER},
    {"__source_version", META_PASSED_OVER},
    {"__source_connector", META_PASSED_OVER},
    {"__source_name", META_PASSED_OVER},
    {"__source_xmin", META_PASSED_OVER},
    {"__source_origin", META_PASSED_OVER},
    {"__source_origin_lsn", META_PASSED_OVER},
};

/* Which fields of a shape are the row's and where the others stand. */
struct layout {
	bool flattened;
	uint32_t meta[META_COUNT]; /* index + 1; 0: not there */
	uint32_t *columns;         /* indexes of the row's own fields */
	const struct shape *shape; /* of them */
	const char *missing;       /* the first needed field that is not there */
};

static void layout_free(void *pointer)
{
	struct layout *layout = pointer;

	free(layout->columns);
	free(layout);
}

struct flattened {
	struct map *layouts; /* by shape */
	const char *const *added;
	size_t added_count;
};

struct flattened *flattened_new(const char *const *added, size_t count)
{
	struct flattened *flattened = memory_alloc(sizeof(*flattened));

	flattened->layouts = map_new();
	flattened->added = added;
	flattened->added_count = count;
	return flattened;
}

void flattened_free(struct flattened *flattened)
{
	map_free(flattened->layouts, layout_free);
	free(flattened);
}

/* `source.ts_ms` comes as __source_ts_ms. */
static bool is_name_of(const char *name, const char *field)
{
	for (name += strlen(PREFIX); *field != '\0' && *name == (*field == '.' ? '_' : *field); field++)
		name++;
	return *field == '\0' && *name == '\0';
}

static bool is_added(const char *const *added, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (is_name_of(name, added[i]))
			return true;
	return count == 0 || strcmp(name, DELETED) == 0; /* that one add.fields does not name */
}

static enum meta meta_of(const char *const *added, size_t count, const char *name)
{
	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || !is_added(added, count, name))
		return META_NONE;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, name) == 0)
			return names[i].meta;
	return count > 0 ? META_PASSED_OVER : META_NONE;
}

bool flattened_takes(const char *const *added, size_t count, const char *name)
{
	return meta_of(added, count, name) != META_NONE;
}

bool flattened_has(const struct shape *shape)
{
	for (uint32_t i = 0; i < shape->count; i++)
		if (strcmp(shape->columns[i].name, FLATTENED_OPERATION) == 0)
			return true;
	return false;
}

static struct layout *layout_new(const struct flattened *flattened, const struct shape *full)
{
	struct layout *layout = memory_alloc(sizeof(*layout));
	struct column *columns = memory_alloc((full->count + 1) * sizeof(*columns));
	const char **taken = memory_alloc((full->count + 1) * sizeof(*taken));
	uint32_t count = 0, taken_count = 0;

	layout->flattened = flattened_has(full);
	layout->columns = memory_alloc((full->count + 1) * sizeof(*layout->columns));
	for (uint32_t i = 0; i < full->count; i++) {
		const char *name = full->columns[i].name;
		const enum meta meta = meta_of(flattened->added, flattened->added_count, name);

		if (meta < META_COUNT)
			layout->meta[meta] = i + 1;
		if (meta == META_NONE) {
			layout->columns[count] = i;
			columns[count++] = full->columns[i];
		} else {
			taken[taken_count++] = name;
		}
	}
	layout->shape =
	    registry_flattened_shape(columns, count,
	                             (full->typed ? SHAPE_TYPED : 0u) | (full->adjusted ? SHAPE_ADJUSTED : 0u), taken,
	                             taken_count);
	for (size_t i = META_NEEDED; i-- > 0;)
		if (layout->meta[i] == 0)
			layout->missing = names[i].name; /* the table begins with the needed ones, in their order */
	free(columns);
	free(taken);
	return layout;
}

static const struct layout *find_layout(struct flattened *flattened, const struct shape *shape)
{
	const struct slice key = {(const char *)&shape, sizeof(shape)}; /* shapes are interned */
	struct layout *layout = map_get(flattened->layouts, key);

	if (layout == NULL) {
		layout = layout_new(flattened, shape);
		map_put(flattened->layouts, key, layout);
	}
	return layout;
}

/* One field into the envelope; what is wrong with it, or NULL. */
static const char *take_meta(struct envelope *envelope, const struct scan_token *token, enum meta meta)
{
	struct envelope_source *source = &envelope->source;
	const bool null = token->kind == SCAN_NULL;
	uint64_t lsn;

	switch (meta) {
	case META_OP:
		return envelope_parse_operation(token, &envelope->operation);
	case META_SCHEMA:
		source->schema = *token;
		return NULL;
	case META_TABLE:
		source->table = *token;
		return NULL;
	case META_TX_ID:
		return null || scan_unsigned(token, &source->tx_id) ? NULL : "no whole number";
	case META_LSN:
		return null || scan_unsigned(token, &source->lsn) ? NULL : "no whole number";
	case META_SNAPSHOT:
		return envelope_parse_snapshot(token, &source->snapshot);
	case META_TS_MS:
		return null || scan_signed(token, &source->ts_ms) ? NULL : "no whole number";
	case META_TS_US:
		return null || scan_signed(token, &source->ts_us) ? NULL : "no whole number";
	case META_SEQUENCE:
		return envelope_parse_sequence(token, &source->previous_commit_lsn);
	case META_TRANSACTION:
		envelope->in_transaction = !null;
		return null ? NULL : envelope_parse_transaction_id(token, &envelope->transaction_tx_id, &lsn);
	case META_ORDER:
		return null || scan_unsigned(token, &envelope->total_order) ? NULL : "no whole number";
	default:
		return NULL;
	}
}

static bool take_metas(struct envelope *envelope, struct scan_cursor *cursor, const struct layout *layout)
{
	const struct row *row = &envelope->after;

	for (enum meta meta = 0; meta < META_COUNT; meta++) {
		const uint32_t index = layout->meta[meta];
		const char *problem = index == 0 ? NULL : take_meta(envelope, &row->values[index - 1], meta);

		if (problem != NULL) {
			envelope->field = row->shape->columns[index - 1].name;
			return scan_fail(cursor, problem);
		}
	}
	envelope->in_transaction = envelope->in_transaction && envelope->total_order > 0;
	envelope->has_source = true;
	return true;
}

/* Leaves the row's own fields, as `before` of a delete and `after` of everything else. */
static void take_row(struct envelope *envelope, const struct layout *layout)
{
	struct row *row = &envelope->after;

	for (uint32_t i = 0; i < layout->shape->count; i++)
		row->values[i] = row->values[layout->columns[i]];
	row->shape = layout->shape;
	if (envelope->operation == 'd') {
		const struct row other = envelope->before;

		envelope->before = envelope->after;
		envelope->after = other;
	}
}

bool flattened_scan(struct flattened *flattened, struct envelope *envelope, struct scan_cursor *cursor,
                    const struct envelope_shapes *shapes, bool *is_flattened)
{
	const struct layout *layout;
	bool read;

	*is_flattened = false;
	envelope_reset(envelope);
	envelope->field = "of the row";
	read = shapes->typed != NULL ? row_scan_typed(&envelope->after, cursor, shapes->typed, &envelope->column)
	                             : row_scan(&envelope->after, cursor, shapes->known, &envelope->column);
	if (!read)
		return false;
	layout = find_layout(flattened, envelope->after.shape);
	*is_flattened = layout->flattened;
	if (!layout->flattened)
		return true;
	if (layout->missing != NULL) {
		envelope->field = layout->missing;
		return scan_fail(cursor,
		                 "missing in a flattened event; set the transform's add.fields=op,source.schema,"
		                 "source.table,source.txId,source.lsn,source.ts_ms,source.snapshot and "
		                 "delete.tombstone.handling.mode=rewrite");
	}
	if (!take_metas(envelope, cursor, layout))
		return false;
	take_row(envelope, layout);
	return true;
}
