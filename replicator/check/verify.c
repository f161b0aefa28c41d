/*
 * verify.c - see the header.
 *
 * NOTES
 *   A repair is proved like anything else: the pair is compared anew afterwards, and that verdict counts. A table with
 *   more differences than one list holds takes several rounds. A row that a round wrote and that differs all the same
 *   would be written in each of the following rounds: a table that has only such rows left is not written again.
 */
#include "check/verify.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/signals.h"
#include "check/detail.h"
#include "check/proof.h"
#include "check/repair.h"
#include "check/report.h"
#include "check/suspects.h"

#include <stdlib.h>
#include <string.h>

#define REPAIR_ROUNDS 1000 /* each finds up to 100,000 rows; one that repairs nothing is the last */
#define SEQUENCE_MARGIN 1000

struct verify {
	const struct verify_options *options;
	struct comparison comparison; /* its arena is that of a round */
	struct arena *arena;          /* what lasts longer than a round */
	struct check_tables tables;
	struct check_sequences sequences;
	struct report report;
};

/* What was read by then lasts. */
static struct error *connect_pair(struct verify *verify)
{
	TRY(comparison_connect(&verify->comparison));
	verify->arena = verify->comparison.arena;
	verify->comparison.arena = arena_new();
	return NULL;
}

static struct error *choose_tables(struct verify *verify)
{
	struct comparison *comparison = &verify->comparison;

	check_tables_release(&verify->tables);
	if (verify->options->only != NULL)
		TRY(check_tables_choose_one(comparison->fence, comparison->watch, comparison->config,
		                            &comparison->captured, verify->options->only, comparison->arena,
		                            &verify->tables));
	else
		TRY(check_tables_choose(comparison->fence, comparison->watch, comparison->config, &comparison->captured,
		                        verify->options->patterns, verify->options->pattern_count, comparison->arena,
		                        &verify->tables));
	if (verify->tables.count == 0)
		return error_new(ERROR_CONFIGURATION, "no table is on both sides: nothing to check (%s, %s)",
		                 pg_description(comparison->fence), pg_description(comparison->watch));
	/* Before the first look: what is marked later is not proved by it. */
	return suspects_read(comparison->watch, comparison->config, comparison->arena, &verify->tables);
}

static struct error *require_capture(const struct comparison *comparison)
{
	if (comparison->captured.problem == NULL)
		return NULL;
	return error_new(
	    ERROR_CONFIGURATION,
	    "nothing can be repaired: the connector may mask or leave out columns, and %s; check connect.url and "
	    "connect.connector, or remove these settings where no connector is in use",
	    comparison->captured.problem);
}

struct tally {
	int64_t inserted, updated, deleted;
	/* Hashes of the keys of rows that the last round wrote, sorted; on the heap. */
	uint64_t *written;
	size_t written_count;
	const char *problem; /* the first of a round */
	const char *stalled; /* why the table is not written any more, or NULL */
};

/* Rows of which the last comparison is no longer true. */
static int64_t count_mended(const struct check_tables *tables)
{
	int64_t count = 0;

	for (size_t i = 0; i < tables->count; i++)
		count += tables->tables[i].repair.inserted + tables->tables[i].repair.updated +
		         tables->tables[i].repair.deleted + tables->tables[i].repair.settled;
	return count;
}

/* What the rounds did is told by the last one's tables: the order of the tables does not change in between. */
static void add_tally(const struct check_tables *tables, struct tally *tally, bool give, struct arena *arena)
{
	for (size_t i = 0; i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];
		const char *problem = table->repair.problem;

		if (!give) {
			tally[i].inserted += table->repair.inserted;
			tally[i].updated += table->repair.updated;
			tally[i].deleted += table->repair.deleted;
			if (tally[i].problem == NULL && problem != NULL)
				tally[i].problem = arena_copy(arena, problem, strlen(problem));
		} else {
			table->repair.inserted += tally[i].inserted;
			table->repair.updated += tally[i].updated;
			table->repair.deleted += tally[i].deleted;
			if (tally[i].stalled != NULL)
				table->repair.problem = tally[i].problem != NULL ? tally[i].problem : tally[i].stalled;
		}
	}
}

static uint64_t hash_key(const struct check_table *table, const struct check_row *row)
{
	size_t columns = table->key != NULL ? table->key->column_count : 1;
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a, with the texts' ends */

	for (size_t i = 0; i < columns; i++)
		for (const char *at = row->key[i];; at++) {
			hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
			if (*at == '\0')
				break;
		}
	return hash;
}

static int compare_hashes(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

	return (first > second) - (first < second);
}

static void note_written(const struct check_tables *tables, struct tally *tally)
{
	for (size_t i = 0; i < tables->count; i++) {
		const struct check_table *table = &tables->tables[i];

		free(tally[i].written);
		tally[i].written = memory_alloc((table->row_count + 1) * sizeof(*tally[i].written));
		tally[i].written_count = 0;
		for (size_t r = 0; r < table->row_count; r++)
			if (table->rows[r].written)
				tally[i].written[tally[i].written_count++] = hash_key(table, &table->rows[r]);
		qsort(tally[i].written, tally[i].written_count, sizeof(*tally[i].written), compare_hashes);
	}
}

static bool was_written(const struct tally *tally, const struct check_table *table, const struct check_row *row)
{
	uint64_t hash = hash_key(table, row);

	return bsearch(&hash, tally->written, tally->written_count, sizeof(hash), compare_hashes) != NULL;
}

/* After the comparison that follows a round. */
static void find_stalled(struct check_tables *tables, struct tally *tally, struct arena *arena)
{
	for (size_t i = 0; i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];
		size_t lasting = 0, again = 0;

		for (size_t r = 0; r < table->row_count; r++) {
			bool counts = table->rows[r].state == ROW_LASTING;

			lasting += counts;
			again += counts && was_written(&tally[i], table, &table->rows[r]);
		}
		if (tally[i].stalled == NULL && lasting > 0 && again == lasting)
			tally[i].stalled = arena_format(arena,
			                                "%zu row%s differ%s after being written, so the repair "
			                                "stopped: the target changes the values "
			                                "(a trigger, a column's type), or cannot hold them",
			                                lasting, lasting == 1 ? "" : "s", lasting == 1 ? "s" : "");
		table->repair.stalled = tally[i].stalled != NULL;
	}
}

/* A round's list of rows is as long as a list may be, and there may be many rounds. */
static struct error *begin_round(struct verify *verify)
{
	struct arena *before = verify->comparison.arena;
	struct error *error;

	verify->comparison.arena = arena_new();
	error = choose_tables(verify);
	arena_free(before);
	return error;
}

static struct error *repair_rounds(struct verify *verify)
{
	struct comparison *comparison = &verify->comparison;
	size_t count = verify->tables.count;
	struct tally *tally = memory_alloc((count + 1) * sizeof(*tally));
	struct error *error = NULL;

	for (int round = 0; error == NULL && round < REPAIR_ROUNDS && !signals_stop_requested(); round++) {
		error = proof_take(comparison, false);
		if (error != NULL || comparison->refusal != NULL)
			break;
		error = repair_tables(comparison, &verify->tables, false);
		if (error != NULL || count_mended(&verify->tables) == 0)
			break;
		add_tally(&verify->tables, tally, false, verify->arena);
		note_written(&verify->tables, tally);
		error = begin_round(verify);
		if (error == NULL && verify->tables.count != count)
			error = error_new(ERROR_CONFIGURATION,
			                  "a table came or went while the pair was repaired: check again");
		if (error == NULL)
			error = compare_tables(comparison, &verify->tables);
		if (error == NULL)
			find_stalled(&verify->tables, tally, verify->arena);
	}
	if (error == NULL)
		add_tally(&verify->tables, tally, true, verify->arena);
	for (size_t i = 0; i < count; i++)
		free(tally[i].written);
	free(tally);
	return error;
}

static struct error *read_sequences(struct verify *verify)
{
	return sequences_read(verify->comparison.fence, verify->comparison.watch, &verify->tables, verify->arena,
	                      &verify->sequences);
}

static struct error *repair(struct verify *verify)
{
	struct comparison *comparison = &verify->comparison;

	if (!verify->options->repair || comparison->interrupted)
		return NULL;
	if (verify->options->dry_run) {
		verify->report.kind = REPORT_WOULD_REPAIR;
		TRY(proof_take(comparison, true));
		return repair_tables(comparison, &verify->tables, true);
	}
	verify->report.kind = REPORT_REPAIRED;
	TRY(repair_rounds(verify));
	if (comparison->refusal != NULL)
		return NULL;
	TRY(suspects_clear(comparison->watch, comparison->config, comparison->began_lsn, &verify->tables));
	/* Both sides went on: the source's values belong to the rows that the target has now. */
	TRY(read_sequences(verify));
	return sequences_repair(comparison->watch, &verify->sequences, SEQUENCE_MARGIN, &verify->report.sequences_set);
}

static struct error *check_pair(struct verify *verify, FILE *out)
{
	struct comparison *comparison = &verify->comparison;
	int64_t start = clock_monotonic_us();

	TRY(connect_pair(verify));
	if (verify->options->repair)
		TRY(require_capture(comparison));
	TRY(choose_tables(verify));
	TRY(compare_tables(comparison, &verify->tables));
	TRY(read_sequences(verify));
	TRY(repair(verify));
	TRY(suspects_read(comparison->watch, comparison->config, comparison->arena, &verify->tables));
	if (!verify->options->must_repair) /* a resync is about rows; steps that wait for it are retried after it */
		suspects_judge(&verify->tables);
	TRY(proof_read_doubt(comparison, &verify->report.doubt));
	TRY(detail_read(comparison, &verify->tables, verify->options->limit, verify->options->show_values));
	TRY(watermark_read(comparison->watch, comparison->config, comparison->arena, &verify->report.watermark));
	verify->report.elapsed_us = clock_monotonic_us() - start;
	verify->report.limit = verify->options->limit;
	verify->report.tables = &verify->tables;
	verify->report.sequences = &verify->sequences;
	verify->report.comparison = comparison;
	if (verify->options->json)
		return report_print_json(&verify->report, out);
	report_print(&verify->report, comparison->arena, out);
	return NULL;
}

static struct verify new_verify(const struct config *config, const struct verify_options *options)
{
	return (struct verify){
	    .options = options,
	    .comparison = {.config = config,
	                   .jobs = options->jobs < SESSION_MOST ? options->jobs : SESSION_MOST,
	                   .max_rate = options->max_rate,
	                   .timeout_us = options->timeout_us,
	                   .at_rest = options->at_rest,
	                   .progress = {.shown = options->progress},
	                   .arena = arena_new()},
	};
}

static void release_verify(struct verify *verify)
{
	check_tables_release(&verify->tables);
	comparison_disconnect(&verify->comparison);
	arena_free(verify->comparison.arena);
	arena_free(verify->arena);
}

struct error *verify_pair(const struct config *config, const struct verify_options *options, FILE *out,
                          enum exit_code *code)
{
	struct verify verify = new_verify(config, options);
	struct error *error = check_pair(&verify, out);

	if (error == NULL)
		*code = report_exit_code(&verify.report);
	if (error == NULL && options->must_repair && verify.comparison.refusal != NULL)
		error = error_new(ERROR_CONFIGURATION, "not repaired: %s", verify.comparison.refusal);
	release_verify(&verify);
	return error;
}

static struct error *require_repair(struct verify *verify)
{
	TRY(connect_pair(verify));
	TRY(require_capture(&verify->comparison));
	TRY(choose_tables(verify));
	for (size_t i = 0; i < verify->tables.count; i++)
		if (verify->tables.tables[i].refusal != NULL)
			return error_new(ERROR_CONFIGURATION, "%s cannot be repaired: %s",
			                 verify->tables.tables[i].label, verify->tables.tables[i].refusal);
	TRY(proof_take(&verify->comparison, false));
	if (verify->comparison.refusal != NULL)
		return error_new(ERROR_CONFIGURATION, "not repaired: %s", verify->comparison.refusal);
	return NULL;
}

struct error *verify_require_repair(const struct config *config, const struct verify_options *options)
{
	struct verify verify = new_verify(config, options);
	struct error *error = require_repair(&verify);

	release_verify(&verify);
	return error;
}
