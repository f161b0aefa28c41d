/* resyncer.c - see the header. */
#include "ops/resyncer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit_code.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/process.h"
#include "pg/retry.h"

#define FIRST_PAUSE_MS 5000
#define LONGEST_PAUSE_MS 3600000
#define PATIENCE_MS 5000
#define STREAM_TIMEOUT_S "3600" /* how long a comparison waits for a stream that is behind */
/*
 * So long no row of an open snapshot came: it may have been broken off, or its last row may be lost. A transaction of the
 * source shows that (stream/assembler_snapshot.c), and a resync begins with one; while the snapshot runs, it waits.
 */
#define SNAPSHOT_SILENCE_US (30 * INT64_C(1000000))

/* A table that is marked. */
struct candidate {
	char name[TABLE_NAME_SIZE];
	enum unverified_reason reason;
	int64_t not_before_us;
	struct retry retry;
	bool marked;      /* still, at this look */
	bool quarantined; /* at this look */
};

struct resyncer {
	const struct config *config;
	struct pg_connection *target;
	struct candidate *candidates;
	size_t candidate_count;
	struct process *process; /* NULL: none */
	char table[TABLE_NAME_SIZE];
	int64_t begun_us;
	int64_t snapshot_rows; /* of the open snapshot, and since when; -1: none is open */
	int64_t snapshot_since_us;
	struct resync_state state;
};

struct resyncer *resyncer_new(const struct config *config)
{
	struct resyncer *resyncer = memory_alloc(sizeof(*resyncer));

	resyncer->config = config;
	resyncer->snapshot_rows = -1;
	return resyncer;
}

static void end_process(struct resyncer *resyncer)
{
	process_stop(resyncer->process, PATIENCE_MS);
	resyncer->process = NULL;
	resyncer->state.table[0] = '\0';
}

void resyncer_free(struct resyncer *resyncer)
{
	end_process(resyncer);
	pg_disconnect(resyncer->target);
	free(resyncer->candidates);
	free(resyncer);
}

static void set_problem(struct resyncer *resyncer, const char *problem)
{
	snprintf(resyncer->state.problem, sizeof(resyncer->state.problem), "%s", problem);
}

/* Another instance applies the stream, or none does. */
static void rest(struct resyncer *resyncer)
{
	if (resyncer->process != NULL)
		log_info("table %s: its resync ends, the stream is not ours any more", resyncer->table);
	end_process(resyncer);
	pg_disconnect(resyncer->target);
	resyncer->target = NULL;
	resyncer->candidate_count = 0;
	resyncer->snapshot_rows = -1;
	resyncer->state.known = false;
	resyncer->state.tables = 0;
}

static struct candidate *find_candidate(struct resyncer *resyncer, const char *name)
{
	for (size_t i = 0; i < resyncer->candidate_count; i++)
		if (strcmp(resyncer->candidates[i].name, name) == 0)
			return &resyncer->candidates[i];
	return NULL;
}

/* When it may be tried again, should it be marked then; in seconds from now. */
static int put_off(struct resyncer *resyncer, const char *name, int64_t now_us)
{
	struct candidate *candidate = find_candidate(resyncer, name);
	int pause_ms;

	if (candidate == NULL)
		return 0;
	pause_ms = retry_next_ms(&candidate->retry);
	candidate->not_before_us = now_us + (int64_t)pause_ms * 1000;
	return pause_ms / 1000;
}

/* Of a process that failed the last line is the error, without a time and a level; cuts the line's end off. */
static char *last_line(char *text)
{
	size_t length = strlen(text);
	char *before;

	while (length > 0 && text[length - 1] == '\n')
		text[--length] = '\0';
	before = strrchr(text, '\n');
	return before == NULL ? text : before + 1;
}

/* What the process logged goes to our log as it is: it has the same form. */
static void pass_on(const char *text, size_t length)
{
	while (length > 0) {
		ssize_t written = write(STDERR_FILENO, text, length);

		if (written <= 0)
			return;
		text += written;
		length -= (size_t)written;
	}
}

static void note_failure(struct resyncer *resyncer, int code, char *output, int64_t now_us)
{
	const char *reason = "it still differs; check_target shows where";
	size_t logged = strlen(output);

	if (code != EXIT_DIFFERENT) {
		reason = last_line(output);
		logged = (size_t)(reason - output);
	}
	pass_on(output, logged);
	resyncer->state.failures++;
	set_problem(resyncer, reason);
	log_warning("table %s: its resync ended with exit code %d: %s; the next attempt in %d s", resyncer->table, code,
	            reason, put_off(resyncer, resyncer->table, now_us));
}

static void look_at_process(struct resyncer *resyncer, int64_t now_us)
{
	char *output;
	int code;

	if (resyncer->process == NULL || !process_ended(resyncer->process, &code))
		return;
	output = process_output(resyncer->process);
	if (code == EXIT_OK) {
		pass_on(output, strlen(output));
		set_problem(resyncer, "");
		log_info("table %s is resynced, in %.1f s", resyncer->table,
		         (double)(now_us - resyncer->begun_us) / 1e6);
		put_off(resyncer, resyncer->table, now_us); /* the mark should be gone */
	} else {
		note_failure(resyncer, code, output, now_us);
	}
	free(output);
	end_process(resyncer);
}

static struct error *read_marks(struct resyncer *resyncer, struct unverified *marks)
{
	if (resyncer->target != NULL && pg_is_broken(resyncer->target)) {
		pg_disconnect(resyncer->target);
		resyncer->target = NULL;
	}
	if (resyncer->target == NULL)
		TRY(pg_connect(resyncer->config->target.dsn, "replicator supervision", &resyncer->target));
	return unverified_read(resyncer->target, resyncer->config, marks);
}

/* The candidates are the marked tables, with what is known of them. */
static void update_candidates(struct resyncer *resyncer, const struct unverified *marks)
{
	size_t kept = 0;

	for (size_t i = 0; i < resyncer->candidate_count; i++)
		resyncer->candidates[i].marked = false;
	for (size_t i = 0; i < marks->count; i++) {
		struct candidate *candidate = find_candidate(resyncer, marks->tables[i].name);

		if (candidate == NULL) {
			resyncer->candidates =
			    memory_grow(resyncer->candidates, resyncer->candidate_count + 1, sizeof(*candidate));
			candidate = &resyncer->candidates[resyncer->candidate_count++];
			*candidate = (struct candidate){0};
			memcpy(candidate->name, marks->tables[i].name, sizeof(candidate->name));
			retry_init(&candidate->retry, FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
		}
		candidate->marked = true;
		candidate->reason = marks->tables[i].reason;
		candidate->quarantined = marks->tables[i].quarantined;
	}
	for (size_t i = 0; i < resyncer->candidate_count; i++)
		if (resyncer->candidates[i].marked)
			resyncer->candidates[kept++] = resyncer->candidates[i];
	resyncer->candidate_count = kept;
}

/* The one that waits longest; NULL: none is due. Those with transactions in the quarantine are an operator's. */
static const struct candidate *choose(const struct resyncer *resyncer, int64_t now_us)
{
	const struct candidate *chosen = NULL;

	for (size_t i = 0; i < resyncer->candidate_count; i++) {
		const struct candidate *candidate = &resyncer->candidates[i];

		if (!candidate->quarantined && candidate->not_before_us <= now_us &&
		    (chosen == NULL || candidate->not_before_us < chosen->not_before_us))
			chosen = candidate;
	}
	return chosen;
}

static const char *const reasons[] = {
    [UNVERIFIED_REWRITTEN] = "a schema change rewrote it without row events",
    [UNVERIFIED_SNAPSHOT] = "a snapshot does not show which rows the source no longer has",
    [UNVERIFIED_MISSING_ROW] = "a change found no row",
    [UNVERIFIED_POSSIBLE_GAP] = "transactions may be missing from Kafka",
    [UNVERIFIED_UNLOGGED_CHANGE] = "the source could not log a schema change",
    [UNVERIFIED_ACCEPTED] = "events that are missing, or another history of the source, were accepted",
};

/* The values of a rewritten table come with an incremental snapshot; else most rows are equal, and a comparison will do. */
static void begin(struct resyncer *resyncer, const struct candidate *candidate, int64_t now_us)
{
	const char *table = candidate->name;
	const char *const arguments[] = {"replicator",
	                                 "table",
	                                 "resync",
	                                 table,
	                                 "-c",
	                                 resyncer->config->file,
	                                 "--timeout",
	                                 STREAM_TIMEOUT_S,
	                                 candidate->reason == UNVERIFIED_REWRITTEN ? NULL : "--compare-only",
	                                 NULL};
	struct error *error = process_start(arguments, &resyncer->process);

	if (error != NULL) {
		log_warning("table %s cannot be resynced: %s", table, error->message);
		set_problem(resyncer, error->message);
		put_off(resyncer, table, now_us);
		error_free(error);
		return;
	}
	resyncer->begun_us = now_us;
	resyncer->state.runs++;
	memcpy(resyncer->table, table, sizeof(resyncer->table));
	memcpy(resyncer->state.table, table, sizeof(resyncer->state.table));
	log_info("table %s is unverified (%s): its resync begins", table, reasons[candidate->reason]);
}

/* A table that cannot be resynced is a problem until an operator has decided. */
static void say_quarantined(struct resyncer *resyncer)
{
	for (size_t i = 0; i < resyncer->candidate_count; i++) {
		if (!resyncer->candidates[i].quarantined)
			continue;
		snprintf(resyncer->state.problem, sizeof(resyncer->state.problem),
		         "table %s: transactions with changes of it wait in the quarantine: `replicator quarantine "
		         "retry`, or `skip`, comes first",
		         resyncer->candidates[i].name);
		return;
	}
}

static bool snapshot_goes_on(struct resyncer *resyncer, const struct unverified *marks, int64_t now_us)
{
	int64_t rows = marks->snapshot_open ? marks->snapshot_rows : -1;

	if (rows != resyncer->snapshot_rows)
		resyncer->snapshot_since_us = now_us;
	resyncer->snapshot_rows = rows;
	return marks->snapshot_open && now_us - resyncer->snapshot_since_us < SNAPSHOT_SILENCE_US;
}

/* The next table, when its time has come. */
static void look_at_marks(struct resyncer *resyncer, const struct unverified *marks, int64_t now_us)
{
	bool snapshot = snapshot_goes_on(resyncer, marks, now_us);
	const struct candidate *next;

	update_candidates(resyncer, marks);
	resyncer->state.known = true;
	resyncer->state.tables = (unsigned)marks->count;
	if (marks->count == 0)
		set_problem(resyncer, "");
	if (!resyncer->config->supervision.resync || marks->paused || snapshot || resyncer->process != NULL)
		return;
	say_quarantined(resyncer);
	next = choose(resyncer, now_us);
	if (next != NULL && resyncer->config->source.dsn == NULL)
		set_problem(resyncer, "source.dsn is not set: the daemon cannot compare the table with the source");
	else if (next != NULL)
		begin(resyncer, next, now_us);
}

void resyncer_look(struct resyncer *resyncer, bool active, int64_t now_us, struct resync_state *state)
{
	struct unverified marks = {0};
	struct error *error;

	if (!active) {
		rest(resyncer);
		*state = resyncer->state;
		return;
	}
	look_at_process(resyncer, now_us);
	error = read_marks(resyncer, &marks);
	if (error == NULL)
		look_at_marks(resyncer, &marks, now_us);
	else
		resyncer->state.known = false;
	if (error != NULL)
		log_debug("could not read which tables are unverified: %s", error->message);
	error_free(error);
	unverified_free(&marks);
	*state = resyncer->state;
}
