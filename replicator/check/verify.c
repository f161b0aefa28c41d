/*
 * verify.c - see the header.
 *
 * NOTES
 *   A repair is proved like anything else: the pair is compared anew afterwards, and that verdict counts. A table with
 *   more differences than one list holds takes several rounds.
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
	struct comparison comparison;
	struct check_tables tables;
	struct check_sequences sequences;
	struct report report;
};

static struct error *choose_tables(struct verify *verify)
{
	struct comparison *comparison = &verify->comparison;

	check_tables_release(&verify->tables);
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
static void add_tally(const struct check_tables *tables, struct tally *tally, bool give)
{
	for (size_t i = 0; i < tables->count; i++) {
		struct check_table *table = &tables->tables[i];

		if (!give) {
			tally[i].inserted += table->repair.inserted;
			tally[i].updated += table->repair.updated;
			tally[i].deleted += table->repair.deleted;
		} else {
			table->repair.inserted += tally[i].inserted;
			table->repair.updated += tally[i].updated;
			table->repair.deleted += tally[i].deleted;
		}
	}
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
		add_tally(&verify->tables, tally, false);
		error = choose_tables(verify);
		if (error == NULL && verify->tables.count != count)
			error = error_new(ERROR_CONFIGURATION,
			                  "a table came or went while the pair was repaired: check again");
		if (error == NULL)
			error = compare_tables(comparison, &verify->tables);
	}
	if (error == NULL)
		add_tally(&verify->tables, tally, true);
	free(tally);
	return error;
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
	return sequences_repair(comparison->watch, &verify->sequences, SEQUENCE_MARGIN, &verify->report.sequences_set);
}

static struct error *check_pair(struct verify *verify, FILE *out)
{
	struct comparison *comparison = &verify->comparison;
	int64_t start = clock_monotonic_us();

	TRY(comparison_connect(comparison));
	if (verify->options->repair)
		TRY(require_capture(comparison));
	TRY(choose_tables(verify));
	TRY(compare_tables(comparison, &verify->tables));
	TRY(sequences_read(comparison->fence, comparison->watch, &verify->tables, comparison->arena,
	                   &verify->sequences));
	TRY(repair(verify));
	TRY(suspects_read(comparison->watch, comparison->config, comparison->arena, &verify->tables));
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
	TRY(comparison_connect(&verify->comparison));
	TRY(require_capture(&verify->comparison));
	TRY(choose_tables(verify));
	for (size_t i = 0; i < verify->tables.count; i++)
		if (verify->tables.tables[i].refusal != NULL)
			return error_new(ERROR_CONFIGURATION, "%s cannot be repaired: %s",
			                 verify->tables.tables[i].label, verify->tables.tables[i].refusal);
	return NULL;
}

struct error *verify_require_repair(const struct config *config, const struct verify_options *options)
{
	struct verify verify = new_verify(config, options);
	struct error *error = require_repair(&verify);

	release_verify(&verify);
	return error;
}
