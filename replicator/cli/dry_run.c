/*
 * dry_run.c - `replicator run --dry-run`: reads, decodes, assembles and plans from where the stream stands, says what
 * would be done, and writes nothing.
 *
 * NOTES
 *   The stream is not claimed: a daemon that holds it goes on. The session at the target is read-only. Each batch is
 *   planned against the target as it is, without the batches before it, so an ALTER TABLE earlier in the stream is
 *   named but not seen by what follows.
 *
 *   It ends when Kafka holds nothing more, at --until-lsn, or when asked. Values are not shown (`peek` does).
 *
 * Thread: the consumer has its own; the rest is main's.
 */
#include "cli/command.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/exit_code.h"
#include "base/lsn.h"
#include "base/memory.h"
#include "base/signals.h"
#include "pg/catalog.h"
#include "stream/source.h"
#include "target/binding.h"
#include "target/checkpoint.h"
#include "target/ddl.h"
#include "target/plan.h"

#define WAIT_MS 200
#define QUIET_US 2000000 /* nothing more waits */

struct counts {
	uint64_t inserts, updates, deletes, others; /* others: truncates, key changes, schema changes */
};

struct dry_run {
	const struct config *config;
	uint64_t until_lsn; /* 0: none */
	struct partition_list *partitions;
	struct transaction_queue *queue;
	struct source *source;
	struct pg_connection *target;
	struct binding_cache *bindings;
	struct plan *plan;
	struct checkpoint start;
	pthread_t thread;
	struct error *source_error; /* read after the thread's end */
	uint64_t transactions;
	struct counts total;
};

static void *consume(void *argument)
{
	struct dry_run *run = argument;

	run->source_error = source_run(run->source);
	return NULL;
}

static void print_counts(const char *schema, const char *table, const struct counts *counts)
{
	printf("  %s.%s:", schema, table);
	if (counts->inserts > 0)
		printf(" insert %llu", (unsigned long long)counts->inserts);
	if (counts->updates > 0)
		printf(" update %llu", (unsigned long long)counts->updates);
	if (counts->deletes > 0)
		printf(" delete %llu", (unsigned long long)counts->deletes);
	if (counts->others > 0)
		printf(" other %llu", (unsigned long long)counts->others);
	putchar('\n');
}

static void add_total(struct dry_run *run, const struct counts *counts)
{
	run->total.inserts += counts->inserts;
	run->total.updates += counts->updates;
	run->total.deletes += counts->deletes;
	run->total.others += counts->others;
}

/* The net effect of what was planned, by table. */
static void print_plan(struct dry_run *run)
{
	size_t count = binding_cache_count(run->bindings);
	struct counts *counts = memory_alloc((count + 1) * sizeof(*counts));

	for (size_t i = 0; i < plan_row_count(run->plan); i++) {
		const struct planned_row *row = plan_row(run->plan, i);
		struct counts *of = &counts[row->binding->number];

		of->inserts += row->effect == ROW_INSERT;
		of->updates += row->effect == ROW_UPDATE || row->effect == ROW_UPSERT;
		of->deletes += row->effect == ROW_DELETE;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct binding *binding = binding_cache_get(run->bindings, i);

		if (counts[i].inserts + counts[i].updates + counts[i].deletes == 0)
			continue;
		print_counts(binding->image->schema, binding->image->name, &counts[i]);
		add_total(run, &counts[i]);
	}
	free(counts);
}

static void count_change(struct counts *counts, const struct change *change)
{
	switch (change->operation) {
	case CHANGE_INSERT:
	case CHANGE_READ:
		counts->inserts++;
		break;
	case CHANGE_UPDATE:
		counts->updates++;
		break;
	case CHANGE_DELETE:
		counts->deletes++;
		break;
	default:
		counts->others++;
		break;
	}
}

/* The changes of one transaction as they come, a line for each run of one table. */
static void print_changes(struct dry_run *run, const struct transaction *transaction)
{
	for (size_t i = 0; i < transaction->change_count;) {
		const struct relation *relation = transaction->changes[i]->relation;
		struct counts counts = {0};

		for (; i < transaction->change_count &&
		       transaction->changes[i]->relation->collection == relation->collection;
		     i++) {
			if (ddl_is_log(relation))
				counts.others++;
			else
				count_change(&counts, transaction->changes[i]);
		}
		print_counts(relation->schema, ddl_is_log(relation) ? "ddl_log (schema changes)" : relation->table,
		             &counts);
		add_total(run, &counts);
	}
}

static void print_head(const struct transaction *first, size_t count, bool strictly)
{
	const struct transaction *last = first;
	char lsn[LSN_TEXT_SIZE];
	size_t changes = first->change_count;

	for (size_t i = 1; i < count; i++) {
		last = last->next;
		changes += last->change_count;
	}
	lsn_format(last->commit_lsn, lsn);
	if (first->kind == TRANSACTION_SNAPSHOT)
		printf("snapshot rows: %zu%s\n", changes, strictly ? ", row by row" : "");
	else if (count == 1)
		printf("transaction %llu, commit LSN %s: %zu changes%s\n", (unsigned long long)first->tx_id, lsn,
		       changes, strictly ? ", change by change" : "");
	else
		printf("%zu transactions up to commit LSN %s in one: %zu changes\n", count, lsn, changes);
}

/* Whether what is planned alone is bound: a strict transaction must find its tables, too. */
static struct error *bind_changes(struct dry_run *run, const struct transaction *transaction)
{
	for (size_t i = 0; i < transaction->change_count; i++) {
		const struct change *change = transaction->changes[i];
		struct binding *binding;

		if (ddl_is_log(change->relation))
			return NULL; /* what follows may need it */
		if (change->operation != CHANGE_MESSAGE)
			TRY(binding_find(run->bindings, run->target, change->relation, &binding));
	}
	return NULL;
}

/* Says what would be done with the head of the list; *done counts its transactions. */
static struct error *rehearse(struct dry_run *run, const struct transaction *first, size_t *done)
{
	*done = 1;
	if (first->spill != NULL) {
		print_head(first, 1, false);
		puts("  from a file, piece by piece");
		return NULL;
	}
	TRY(plan_build(run->plan, run->bindings, run->target, first, done));
	if (*done > 0) {
		if (plan_row_count(run->plan) > 0)
			print_head(first, *done, false);
		print_plan(run);
		return NULL;
	}
	*done = 1;
	print_head(first, 1, true);
	print_changes(run, first);
	return bind_changes(run, first);
}

/* Rehearses and frees the list. *last: the until-LSN is passed. */
static struct error *rehearse_all(struct dry_run *run, struct transaction *list, bool *last)
{
	struct error *error = NULL;

	while (list != NULL) {
		size_t done = 1;

		if (run->until_lsn != 0 && list->commit_lsn > run->until_lsn)
			*last = true;
		if (error == NULL && !*last)
			error = rehearse(run, list, &done);
		for (; done > 0 && list != NULL; done--) {
			struct transaction *next = list->next;

			run->transactions += error == NULL && !*last && list->kind == TRANSACTION_STREAMED;
			transaction_free(list);
			list = next;
		}
	}
	return error;
}

static bool is_caught_up(struct dry_run *run, int64_t quiet_since_us)
{
	struct source_state state = source_state(run->source);

	return state.connected && state.lag_messages == 0 && clock_monotonic_us() - quiet_since_us > QUIET_US;
}

static struct error *rehearse_stream(struct dry_run *run)
{
	int64_t quiet_since_us = clock_monotonic_us();
	bool last = false;

	while (!last && !signals_stop_requested()) {
		/* One at a time could not be folded together: as the daemon takes them. */
		struct transaction *list = transaction_queue_take(run->queue, (size_t)run->config->target.batch_rows,
		                                                  (size_t)run->config->target.batch_bytes, WAIT_MS);

		if (list == NULL && (transaction_queue_closed(run->queue) || is_caught_up(run, quiet_since_us)))
			return NULL;
		if (list == NULL)
			continue;
		TRY(rehearse_all(run, list, &last));
		quiet_since_us = clock_monotonic_us();
	}
	return NULL;
}

static struct error *prepare(struct dry_run *run)
{
	bool may = false;

	TRY(pg_connect(run->config->target.dsn, "replicator dry run", &run->target));
	TRY(pg_execute(run->target, "SET default_transaction_read_only = on"));
	TRY(checkpoint_check_schema(run->target, run->config->target.schema));
	TRY(checkpoint_read(run->target, run->config, &run->start));
	TRY(catalog_may_set_replication_role(run->target, &may));
	binding_cache_forget(run->bindings, may);
	TRY(source_new(run->config, &run->start, run->partitions, run->queue, (struct source_meanwhile){0},
	               &run->source));
	source_keep_quiet(run->source);
	return NULL;
}

static struct error *run_threads(struct dry_run *run)
{
	sigset_t blocked, previous;
	struct error *error;
	int failed;

	sigfillset(&blocked);
	pthread_sigmask(SIG_BLOCK, &blocked, &previous);
	failed = pthread_create(&run->thread, NULL, consume, run);
	pthread_sigmask(SIG_SETMASK, &previous, NULL);
	if (failed != 0)
		return error_new(ERROR_SYSTEM, "no thread for the consumer: %s", strerror(failed));
	error = rehearse_stream(run);
	source_stop(run->source);
	transaction_queue_close(run->queue);
	pthread_join(run->thread, NULL);
	if (error == NULL)
		return run->source_error;
	error_free(run->source_error);
	return error;
}

/* The queue holds transactions in memory that the source accounts for: it goes first. */
static void release(struct dry_run *run)
{
	transaction_queue_free(run->queue);
	source_free(run->source);
	plan_free(run->plan);
	binding_cache_free(run->bindings);
	pg_disconnect(run->target);
	checkpoint_free(&run->start);
	partition_list_free(run->partitions);
}

int command_dry_run(const struct config *config, uint64_t until_lsn)
{
	struct dry_run run = {.config = config, .until_lsn = until_lsn};
	struct error *error;

	signals_install();
	run.partitions = partition_list_new();
	run.queue = transaction_queue_new((size_t)config->target.batch_rows * 4, (size_t)config->memory_limit / 4);
	run.bindings = binding_cache_new(config);
	run.plan = plan_new();
	error = prepare(&run);
	if (error == NULL)
		error = run_threads(&run);
	if (error == NULL || error->class == ERROR_INTERRUPTED)
		printf("%llu transactions would be applied: insert %llu, update %llu, delete %llu, other %llu; nothing "
		       "was written\n",
		       (unsigned long long)run.transactions, (unsigned long long)run.total.inserts,
		       (unsigned long long)run.total.updates, (unsigned long long)run.total.deletes,
		       (unsigned long long)run.total.others);
	release(&run);
	return error == NULL ? EXIT_OK : command_fail(error);
}
