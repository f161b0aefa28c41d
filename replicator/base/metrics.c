/* metrics.c - see metrics.h */
#include "base/metrics.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

#define BUCKETS_MOST 16
#define CHUNK_ENTRIES 256
#define CHUNKS_MOST 256 /* 65,536 tables, and as many partitions; more are not told apart */

struct histogram {
	const char *name;
	const char *help;
	double unit;                  /* an observation times this is what is shown */
	int64_t bounds[BUCKETS_MOST]; /* rising; 0 ends them */
	atomic_uint_fast64_t buckets[BUCKETS_MOST + 1];
	atomic_int_fast64_t sum;
};

struct table_entry {
	_Atomic(const char *) name;
	atomic_uint_fast64_t inserts, updates, deletes, reads, truncates, messages;
	atomic_int_fast64_t estimated_rows; /* + 1; 0: not known */
	atomic_int_fast64_t first_read_us, last_read_us;
};

struct offset_entry {
	_Atomic(const char *) labels;                    /* topic="…",partition="…" */
	atomic_int_fast64_t next_offset, high_watermark; /* + 1; 0: not known */
};

#define LATENCY_BOUNDS                                                                                                 \
	{                                                                                                              \
		1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,    \
		    60000000, 300000000                                                                                \
	}
#define SIZE_BOUNDS                                                                                                    \
	{                                                                                                              \
		1, 4, 16, 64, 256, 1000, 4000, 10000, 100000, 1000000                                                  \
	}

static atomic_uint_fast64_t counters[METRIC_COUNTER_COUNT];
static struct histogram histograms[METRIC_HISTOGRAM_COUNT] = {
    [METRIC_COMMIT_SECONDS] =
        {"replicator_commit_seconds", "Duration of the target's COMMIT.", 1e-6, LATENCY_BOUNDS, {0}, 0},
    [METRIC_END_TO_END_SECONDS] = {"replicator_end_to_end_seconds",
                                   "From the source's commit to the target's, the last transaction of each batch.",
                                   1e-6,
                                   LATENCY_BOUNDS,
                                   {0},
                                   0},
    [METRIC_BATCH_ROWS] = {"replicator_batch_rows", "Row changes of a target transaction.", 1, SIZE_BOUNDS, {0}, 0},
    [METRIC_BATCH_TRANSACTIONS] =
        {"replicator_batch_transactions", "Source transactions of a target transaction.", 1, SIZE_BOUNDS, {0}, 0},
};
/* Entries by number; a chunk is made at its first one and lives for ever, so that readers need no lock. */
struct chunked {
	size_t entry_size;
	_Atomic(char *) chunks[CHUNKS_MOST];
};
static struct chunked tables = {.entry_size = sizeof(struct table_entry)};
static struct chunked offsets = {.entry_size = sizeof(struct offset_entry)};

void metric_add(enum metric_counter counter, uint64_t count)
{
	atomic_fetch_add_explicit(&counters[counter], count, memory_order_relaxed);
}

void metric_set(enum metric_counter counter, uint64_t value)
{
	atomic_store_explicit(&counters[counter], value, memory_order_relaxed);
}

uint64_t metric_get(enum metric_counter counter)
{
	return atomic_load_explicit(&counters[counter], memory_order_relaxed);
}

void metric_observe(enum metric_histogram number, int64_t value)
{
	struct histogram *histogram = &histograms[number];
	size_t bucket = 0;

	while (bucket < BUCKETS_MOST && histogram->bounds[bucket] != 0 && value > histogram->bounds[bucket])
		bucket++;
	atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
}

void metric_add_retry(const char *sqlstate)
{
	enum metric_counter cause = METRIC_RETRY_OTHER;

	if (sqlstate[0] == '\0' || strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "57P", 3) == 0)
		cause = METRIC_RETRY_CONNECTION;
	else if (strncmp(sqlstate, "40", 2) == 0 || strcmp(sqlstate, "55P03") == 0)
		cause = METRIC_RETRY_CONFLICT;
	else if (strcmp(sqlstate, "57014") == 0)
		cause = METRIC_RETRY_TIMEOUT;
	else if (strncmp(sqlstate, "53", 2) == 0)
		cause = METRIC_RETRY_RESOURCES;
	metric_add(cause, 1);
}

static void *entry_of(struct chunked *list, uint32_t number)
{
	uint32_t chunk = number / CHUNK_ENTRIES < CHUNKS_MOST ? number / CHUNK_ENTRIES : CHUNKS_MOST - 1;
	char *entries = atomic_load_explicit(&list->chunks[chunk], memory_order_acquire);

	if (entries == NULL) {
		char *made = memory_alloc(CHUNK_ENTRIES * list->entry_size);

		if (atomic_compare_exchange_strong(&list->chunks[chunk], &entries, made))
			entries = made;
		else
			free(made);
	}
	return entries + number % CHUNK_ENTRIES * list->entry_size;
}

static void each_entry(const struct chunked *list, void (*visit)(void *entry, void *context), void *context)
{
	for (size_t i = 0; i < CHUNKS_MOST; i++) {
		char *entries = atomic_load(&list->chunks[i]);

		for (size_t j = 0; entries != NULL && j < CHUNK_ENTRIES; j++)
			visit(entries + j * list->entry_size, context);
	}
}

static void note_read(struct table_entry *entry)
{
	int64_t now_us = clock_monotonic_us();

	if (atomic_load_explicit(&entry->first_read_us, memory_order_relaxed) == 0)
		atomic_store_explicit(&entry->first_read_us, now_us, memory_order_relaxed);
	atomic_store_explicit(&entry->last_read_us, now_us, memory_order_relaxed);
}

void metric_add_event(uint32_t number, const char *table, char operation)
{
	struct table_entry *entry = entry_of(&tables, number);
	atomic_uint_fast64_t *counter = NULL;

	if (atomic_load_explicit(&entry->name, memory_order_relaxed) == NULL)
		atomic_store(&entry->name, memory_copy_text(table));
	switch (operation) {
	case 'c':
		counter = &entry->inserts;
		break;
	case 'u':
		counter = &entry->updates;
		break;
	case 'd':
		counter = &entry->deletes;
		break;
	case 'r':
		note_read(entry);
		counter = &entry->reads;
		break;
	case 't':
		counter = &entry->truncates;
		break;
	default:
		counter = &entry->messages;
		break;
	}
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

struct table_visit {
	void (*visit)(const struct metric_table *table, void *context);
	void *context;
};

static void visit_table(void *argument, void *context)
{
	const struct table_visit *visit = context;
	struct table_entry *entry = argument;
	struct metric_table table = {
	    .name = atomic_load(&entry->name),
	    .inserts = atomic_load(&entry->inserts),
	    .updates = atomic_load(&entry->updates),
	    .deletes = atomic_load(&entry->deletes),
	    .reads = atomic_load(&entry->reads),
	    .truncates = atomic_load(&entry->truncates),
	    .messages = atomic_load(&entry->messages),
	    .estimated_rows = atomic_load(&entry->estimated_rows) - 1,
	    .first_read_us = atomic_load(&entry->first_read_us),
	    .last_read_us = atomic_load(&entry->last_read_us),
	};

	if (table.name != NULL)
		visit->visit(&table, visit->context);
}

void metric_each_table(void (*visit)(const struct metric_table *table, void *context), void *context)
{
	struct table_visit visitor = {visit, context};

	each_entry(&tables, visit_table, &visitor);
}

struct estimate {
	const char *table;
	int64_t rows;
};

static void set_estimate(void *argument, void *context)
{
	const struct estimate *estimate = context;
	struct table_entry *entry = argument;
	const char *name = atomic_load(&entry->name);

	if (name != NULL && strcmp(name, estimate->table) == 0)
		atomic_store(&entry->estimated_rows, estimate->rows + 1);
}

void metric_set_estimated_rows(const char *table, int64_t rows)
{
	struct estimate estimate = {table, rows};

	each_entry(&tables, set_estimate, &estimate);
}

/* The labels are made once, by whichever thread comes first. */
static struct offset_entry *offset_of(uint32_t number, const char *topic, int32_t partition)
{
	struct offset_entry *entry = entry_of(&offsets, number);
	struct buffer labels = {0};
	const char *none = NULL;
	char id[16];
	char *made;

	if (atomic_load_explicit(&entry->labels, memory_order_relaxed) != NULL)
		return entry;
	snprintf(id, sizeof(id), "%d", (int)partition);
	metric_append_label(&labels, "topic", topic);
	metric_append_label(&labels, "partition", id);
	made = buffer_steal(&labels);
	if (!atomic_compare_exchange_strong(&entry->labels, &none, made))
		free(made);
	return entry;
}

void metric_set_offset(uint32_t number, const char *topic, int32_t partition, int64_t next_offset)
{
	atomic_store_explicit(&offset_of(number, topic, partition)->next_offset, next_offset + 1, memory_order_relaxed);
}

void metric_set_high_watermark(uint32_t number, const char *topic, int32_t partition, int64_t high)
{
	atomic_store_explicit(&offset_of(number, topic, partition)->high_watermark, high + 1, memory_order_relaxed);
}

void metric_append_label(struct buffer *labels, const char *name, const char *value)
{
	buffer_append_format(labels, "%s%s=\"", labels->length > 0 ? "," : "", name);
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			buffer_append_text(labels, "\\n");
			continue;
		}
		if (*value == '"' || *value == '\\')
			buffer_append_byte(labels, '\\');
		buffer_append_byte(labels, *value);
	}
	buffer_append_byte(labels, '"');
}

void metric_print_head(struct buffer *text, const char *name, const char *type, const char *help)
{
	buffer_append_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_print(struct buffer *text, const char *name, const char *labels, double value)
{
	if (*labels == '\0')
		buffer_append_format(text, "%s %.15g\n", name, value);
	else
		buffer_append_format(text, "%s{%s} %.15g\n", name, labels, value);
}

static void print_event(struct buffer *text, const char *table, const char *operation, uint64_t count)
{
	struct buffer labels = {0};

	if (count == 0)
		return;
	metric_append_label(&labels, "table", table);
	metric_append_label(&labels, "op", operation);
	metric_print(text, "replicator_events_total", labels.data, (double)count);
	buffer_free(&labels);
}

static void print_table(const struct metric_table *table, void *context)
{
	print_event(context, table->name, "insert", table->inserts);
	print_event(context, table->name, "update", table->updates);
	print_event(context, table->name, "delete", table->deletes);
	print_event(context, table->name, "snapshot", table->reads);
	print_event(context, table->name, "truncate", table->truncates);
	print_event(context, table->name, "message", table->messages);
}

static void print_estimate(const struct metric_table *table, void *context)
{
	struct buffer labels = {0};

	if (table->estimated_rows < 0)
		return;
	metric_append_label(&labels, "table", table->name);
	metric_print(context, "replicator_snapshot_estimated_rows", labels.data, (double)table->estimated_rows);
	buffer_free(&labels);
}

static void print_next_offset(void *argument, void *context)
{
	struct offset_entry *entry = argument;
	const char *labels = atomic_load(&entry->labels);
	int64_t next = atomic_load(&entry->next_offset);

	if (labels != NULL && next > 0)
		metric_print(context, "replicator_next_offset", labels, (double)(next - 1));
}

static void print_high_watermark(void *argument, void *context)
{
	struct offset_entry *entry = argument;
	const char *labels = atomic_load(&entry->labels);
	int64_t high = atomic_load(&entry->high_watermark);

	if (labels != NULL && high > 0)
		metric_print(context, "replicator_high_watermark", labels, (double)(high - 1));
}

static void print_histogram(struct buffer *text, struct histogram *histogram)
{
	uint64_t total = 0;

	metric_print_head(text, histogram->name, "histogram", histogram->help);
	for (size_t i = 0; i <= BUCKETS_MOST; i++) {
		bool last = i == BUCKETS_MOST || histogram->bounds[i] == 0;

		total += atomic_load(&histogram->buckets[i]);
		if (last)
			buffer_append_format(text, "%s_bucket{le=\"+Inf\"} %llu\n", histogram->name,
			                     (unsigned long long)total);
		else
			buffer_append_format(text, "%s_bucket{le=\"%.12g\"} %llu\n", histogram->name,
			                     (double)histogram->bounds[i] * histogram->unit, (unsigned long long)total);
		if (last)
			break;
	}
	buffer_append_format(text, "%s_sum %.15g\n", histogram->name,
	                     (double)atomic_load(&histogram->sum) * histogram->unit);
	buffer_append_format(text, "%s_count %llu\n", histogram->name, (unsigned long long)total);
}

static void print_labelled(struct buffer *text, const char *name, const char *label, const char *const *values,
                           enum metric_counter first, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct buffer labels = {0};

		metric_append_label(&labels, label, values[i]);
		metric_print(text, name, labels.data, (double)metric_get((enum metric_counter)(first + i)));
		buffer_free(&labels);
	}
}

void metrics_print(struct buffer *text)
{
	static const char *const paths[] = {"copy", "unnest", "pipeline", "strict"};
	static const struct {
		enum metric_counter counter;
		const char *name, *help;
	} singles[] = {
	    {METRIC_SNAPSHOT_DISCARDED, "replicator_snapshot_rows_discarded_total",
	     "Snapshot rows without a key that were not written, since the table may hold them already."},
	    {METRIC_CHANGES_REFUSED, "replicator_changes_refused_total",
	     "Changes of unverified tables that the target refused because of other rows, and that were discarded."},
	    {METRIC_DUPLICATES, "replicator_duplicates_total", "Events that came again and were dropped."},
	    {METRIC_DDL_STEPS, "replicator_ddl_steps_total", "Statements of schema changes executed in the target."},
	    {METRIC_SCHEMA_CHANGES, "replicator_schema_changes_total",
	     "Objects that schema changes altered in the target, each a notification on the channel "
	     "replicator_schema."},
	    {METRIC_SPILLED_TRANSACTIONS, "replicator_spilled_transactions_total",
	     "Source transactions too large for the memory, that waited in a file."},
	    {METRIC_SPILLED_BYTES, "replicator_spilled_bytes_total", "Bytes of their events."},
	};
	static const char *const causes[] = {"connection", "conflict", "timeout", "resources", "other"};
	static const char *const rules[] = {"table", "filter", "column", "delete", "truncate", "message"};

	metric_print_head(text, "replicator_events_total", "counter", "Change events read, by table and operation.");
	metric_each_table(print_table, text);
	metric_print_head(text, "replicator_rows_written_total", "counter",
	                  "Rows sent to the target, by path; a batch that is tried again counts again.");
	print_labelled(text, "replicator_rows_written_total", "path", paths, METRIC_ROWS_COPY, 4);
	metric_print_head(text, "replicator_retries_total", "counter", "Attempts to apply a batch again, by cause.");
	print_labelled(text, "replicator_retries_total", "cause", causes, METRIC_RETRY_CONNECTION, 5);
	metric_print_head(text, "replicator_placeholders_total", "counter",
	                  "Rows updated without their unchanged TOAST values.");
	metric_print(text, "replicator_placeholders_total", "", (double)metric_get(METRIC_PLACEHOLDERS));
	metric_print_head(
	    text, "replicator_left_out_total", "counter",
	    "What a rule of the configuration left out: events, rows, values; a batch that is tried again "
	    "counts again.");
	print_labelled(text, "replicator_left_out_total", "rule", rules, METRIC_LEFT_OUT_TABLE, 6);
	for (size_t i = 0; i < sizeof(singles) / sizeof(*singles); i++) {
		metric_print_head(text, singles[i].name, "counter", singles[i].help);
		metric_print(text, singles[i].name, "", (double)metric_get(singles[i].counter));
	}
	metric_print_head(text, "replicator_snapshot_estimated_rows", "gauge",
	                  "Rows of a table in the source, as its statistics tell, to compare a snapshot's with.");
	metric_each_table(print_estimate, text);
	metric_print_head(text, "replicator_next_offset", "gauge", "The next offset to apply, as the target holds it.");
	each_entry(&offsets, print_next_offset, text);
	metric_print_head(text, "replicator_high_watermark", "gauge", "Kafka's end of the partition.");
	each_entry(&offsets, print_high_watermark, text);
	for (size_t i = 0; i < METRIC_HISTOGRAM_COUNT; i++)
		print_histogram(text, &histograms[i]);
}
