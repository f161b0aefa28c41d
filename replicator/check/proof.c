/* proof.c - see proof.h */
#include "check/proof.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/lsn.h"
#include "base/signals.h"
#include "check/watermark.h"

#define POLL_MS 20
#define PUSH_INTERVAL_US ((int64_t)5000000)

struct error *proof_read_doubt(struct comparison *comparison, const char **doubt)
{
	const struct source_identity *source = &comparison->token.identity;
	struct source_identity recorded;
	bool known;

	*doubt = NULL;
	TRY(source_identity_read(comparison->watch, comparison->config, &recorded, &known));
	if (!known)
		return NULL;
	switch (source_identity_compare(&recorded, source)) {
	case SOURCE_SAME:
		break;
	case SOURCE_SYSTEM:
		*doubt =
		    arena_format(comparison->arena,
		                 "source.dsn names another server (system identifier %s) than the source of stream %s "
		                 "(%s); where the source was replaced, `replicator accept source` confirms it",
		                 source->system, comparison->config->stream.name, recorded.system);
		break;
	case SOURCE_DATABASE:
		*doubt =
		    arena_format(comparison->arena,
		                 "source.dsn names another database (OID %s) than the source of stream %s (%s); where "
		                 "the source was replaced, `replicator accept source` confirms it",
		                 source->database, comparison->config->stream.name, recorded.database);
		break;
	case SOURCE_TIMELINE:
		*doubt = arena_format(
		    comparison->arena,
		    "source.dsn names a server on timeline %s, and the source of stream %s was on timeline %s; "
		    "after a failover, `replicator accept source` confirms it",
		    source->timeline, comparison->config->stream.name, recorded.timeline);
		break;
	}
	return NULL;
}

/* A commit LSN of the connector is the end of its record: on an idle source both are equal. */
static const char *refuse_position(const struct comparison *comparison, uint64_t source_lsn, uint64_t target_lsn)
{
	char source[LSN_TEXT_SIZE], target[LSN_TEXT_SIZE];

	if (source_lsn >= target_lsn)
		return NULL;
	lsn_format(source_lsn, source);
	lsn_format(target_lsn, target);
	return arena_format(comparison->arena,
	                    "the server of source.dsn is at %s and has not reached what the stream has applied (%s)",
	                    source, target);
}

/* What can be said without waiting. */
static struct error *refuse_at_once(struct comparison *comparison)
{
	const char *stream = comparison->config->stream.name;
	struct watermark watermark;
	uint64_t position = 0;

	TRY(proof_read_doubt(comparison, &comparison->refusal));
	TRY(watermark_read(comparison->watch, comparison->config, comparison->arena, &watermark));
	TRY(watermark_read_position(comparison->fence, &position));
	if (comparison->refusal == NULL && comparison->standby)
		comparison->refusal =
		    "source.dsn names a standby, which can be compared with, but cannot prove that it is the "
		    "stream's source; name the primary";
	if (comparison->refusal == NULL)
		comparison->refusal = refuse_position(comparison, position, watermark.lsn);
	if (comparison->refusal != NULL || comparison->at_rest)
		return NULL;
	if (!watermark.known)
		comparison->refusal =
		    arena_format(comparison->arena,
		                 "the target has no state of stream %s (is stream.name right?), so nothing shows that "
		                 "source.dsn names its source; --at-rest does without",
		                 stream);
	else if (watermark_is_stopped(&watermark))
		comparison->refusal =
		    arena_format(comparison->arena,
		                 "stream %s is %s, so nothing shows that source.dsn names its source; start it, or use "
		                 "--at-rest",
		                 stream, watermark.state);
	else if (watermark.unordered)
		comparison->refusal = arena_format(
		    comparison->arena,
		    "stream %s runs with transactions = \"off\" and has no watermark, so nothing shows what it "
		    "has yet to apply; stop it and use --at-rest",
		    stream);
	return NULL;
}

static struct error *await_token(struct comparison *comparison, const char *text, bool *arrived)
{
	int64_t deadline = clock_monotonic_us() + comparison->timeout_us;
	int64_t push_us = clock_monotonic_us() + PUSH_INTERVAL_US;

	for (;;) {
		TRY(source_token_arrived(comparison->watch, comparison->config, &comparison->token, arrived));
		if (*arrived || signals_stop_requested() || clock_monotonic_us() >= deadline)
			return NULL;
		if (clock_monotonic_us() >= push_us) {
			TRY(watermark_push_again(comparison->fence, text));
			push_us = clock_monotonic_us() + PUSH_INTERVAL_US;
		}
		clock_sleep_ms(POLL_MS);
	}
}

struct error *proof_take(struct comparison *comparison, bool dry_run)
{
	struct buffer text = {0};
	struct error *error = NULL;
	bool arrived = false;

	TRY(refuse_at_once(comparison));
	if (comparison->refusal != NULL || comparison->at_rest || dry_run)
		return NULL;
	TRY(source_token_expect(comparison->watch, comparison->config, &comparison->token));
	comparison->token.number++;
	source_token_append(&text, &comparison->token);
	if (watermark_push_fence(comparison->fence, text.data))
		error = await_token(comparison, text.data, &arrived);
	buffer_free(&text);
	if (error == NULL && !arrived)
		comparison->refusal = arena_format(
		    comparison->arena,
		    "a token written through source.dsn did not arrive in stream %s in time: either "
		    "source.dsn does not name its source, or the stream is late, or its connector leaves out "
		    "logical messages (docs/operations.md, \"Repair\")",
		    comparison->config->stream.name);
	return error;
}

struct error *proof_require_position(const struct comparison *comparison, struct pg_connection *target)
{
	struct watermark watermark;
	const char *refusal;
	uint64_t position = 0;

	TRY(watermark_read(target, comparison->config, comparison->arena, &watermark));
	TRY(watermark_read_position(comparison->fence, &position));
	refusal = refuse_position(comparison, position, watermark.lsn);
	return refusal == NULL ? NULL : error_new(ERROR_CONFIGURATION, "%s", refusal);
}

const char *proof_refuse_table(const struct comparison *comparison, const struct check_table *table)
{
	if (table->key != NULL || comparison->passed || (comparison->at_rest && !comparison->known))
		return NULL;
	return "the table has no key, and the stream has not passed the position of the comparison: rows that it has "
	       "yet to "
	       "apply would be there twice; repair it while the stream runs";
}
