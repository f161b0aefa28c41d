/*
 * metrics.h - the process's counters and histograms, in one place, as the log is: counted where something happens, read
 * by whoever serves them (ops/).
 *
 * Thread: any; a count is one relaxed atomic addition.
 * Source of the format: Prometheus documentation, "Exposition formats", text format 0.0.4.
 */
#ifndef REPLICATOR_BASE_METRICS_H
#define REPLICATOR_BASE_METRICS_H

#include "base/buffer.h"

#include <stdint.h>

enum metric_counter {
	METRIC_ROWS_COPY, /* rows written, by path */
	METRIC_ROWS_UNNEST,
	METRIC_ROWS_PIPELINE,
	METRIC_ROWS_STRICT,
	METRIC_RETRY_CONNECTION, /* attempts to apply a batch again, by cause */
	METRIC_RETRY_CONFLICT,
	METRIC_RETRY_TIMEOUT,
	METRIC_RETRY_RESOURCES,
	METRIC_RETRY_OTHER,
	METRIC_PLACEHOLDERS,    /* values left as they are (unchanged TOAST) */
	METRIC_LEFT_OUT_TABLE,  /* what a rule of the user left out: events of excluded tables */
	METRIC_LEFT_OUT_FILTER, /* rows that a filter did not admit */
	METRIC_LEFT_OUT_COLUMN, /* values of excluded columns */
	METRIC_LEFT_OUT_DELETE,
	METRIC_LEFT_OUT_TRUNCATE,
	METRIC_LEFT_OUT_MESSAGE,
	METRIC_SNAPSHOT_DISCARDED, /* snapshot rows without a key that the table may hold already */
	METRIC_CHANGES_REFUSED,    /* changes of unverified tables that other rows refused, and that were discarded */
	METRIC_DUPLICATES,         /* events that came again and were dropped */
	METRIC_DDL_STEPS,          /* statements of schema changes executed in the target */
	METRIC_SCHEMA_CHANGES,     /* objects that they changed: notifications on the channel replicator_schema */
	METRIC_LEFT_OUT_STEPS,     /* a state: steps of schema changes that the target lacks */
	METRIC_SPILLED_TRANSACTIONS,
	METRIC_SPILLED_BYTES,
	METRIC_REGISTRY_AWAY, /* a state: 1 while the schema registry is waited for */
	METRIC_COUNTER_COUNT
};

enum metric_histogram {
	METRIC_COMMIT_SECONDS,     /* of COMMIT itself; observed in microseconds */
	METRIC_END_TO_END_SECONDS, /* source's commit to target's; in microseconds */
	METRIC_BATCH_ROWS,
	METRIC_BATCH_TRANSACTIONS,
	METRIC_HISTOGRAM_COUNT
};

void metric_add(enum metric_counter counter, uint64_t count);
void metric_set(enum metric_counter counter, uint64_t value); /* of those that are a state */
uint64_t metric_get(enum metric_counter counter);
void metric_observe(enum metric_histogram histogram, int64_t value);
/* A retry, its cause told by the SQLSTATE ("": the connection). */
void metric_add_retry(const char *sqlstate);

/* Change events read, by table and operation (c, u, d, r, t, m). `number` is the collection's. */
void metric_add_event(uint32_t number, const char *table, char operation);

struct metric_table {
	const char *name; /* "schema.table"; lives for ever */
	uint64_t inserts, updates, deletes, reads, truncates, messages;
	int64_t estimated_rows; /* of the table in the source, for a snapshot's progress; -1 not known */
	int64_t first_read_us;  /* of a snapshot row, monotonic; 0: none came */
	int64_t last_read_us;
};

/* The tables seen so far: calls `visit` for each. */
void metric_each_table(void (*visit)(const struct metric_table *table, void *context), void *context);

void metric_set_estimated_rows(const char *table, int64_t rows); /* of a table seen before */

/*
 * Where the target stands in a partition (written with its rows), and where Kafka's end is. `number` is the
 * partition's.
 */
void metric_set_offset(uint32_t number, const char *topic, int32_t partition, int64_t next_offset);
void metric_set_high_watermark(uint32_t number, const char *topic, int32_t partition, int64_t high);

/* One line of an exposition: `name{labels} value`; labels may be "". A label's value must be escaped (below). */
void metric_print_head(struct buffer *text, const char *name, const char *type, const char *help);
void metric_print(struct buffer *text, const char *name, const char *labels, double value);
void metric_append_label(struct buffer *labels, const char *name, const char *value); /* name="value", escaped */

/* Everything counted here, in Prometheus' text format. */
void metrics_print(struct buffer *text);

#endif
